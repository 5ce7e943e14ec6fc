//! Why bytes that claim to be revocation state were refused: one small enum for snapshots, deltas and ratchets.
//!
//! Every refusal leaves the state as it was. The variants that a host reacts to differently are told apart by
//! [`Defect::remedy`]. No variant carries bytes of what was refused.

use core::fmt;

/// Why a snapshot, a delta or an exported ratchet was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Defect {
    /// The bytes end before what their header announces.
    Truncated,
    /// Bytes follow after the end that the header announces.
    TrailingBytes,
    /// The first bytes are not those of this format.
    UnknownFormat,
    /// The format is known, its version is not.
    UnsupportedVersion,
    /// A field has a value that the format does not allow, or reserved bytes are not zero.
    Malformed,
    /// The key that signed is not among the trusted ones.
    UnknownSigner,
    /// The Ed25519 signature does not verify.
    InvalidSignature,
    /// A section's bytes do not have the hash that the signed header states.
    SectionHashMismatch,
    /// A section's directory contradicts itself or the header (counts, positions, times).
    InconsistentSection,
    /// The fingerprints were made under another key than this verifier's.
    FingerprintKeyMismatch,
    /// `valid_until` has passed.
    Expired,
    /// `created` lies further in the future than clocks may differ.
    CreatedInFuture,
    /// The generation, a time in seconds, lies further in the future than clocks may differ.
    GenerationInFuture,
    /// The sequence is further ahead of what was seen before than any writer can have got.
    SequenceJump,
    /// Older than what was seen before: an earlier generation, sequence or heartbeat.
    RolledBack,
    /// A delta of another, later generation: the numbering was restarted.
    OtherGeneration,
    /// A delta that begins after the next expected event: events in between are missing.
    Gap,
    /// A delta that says something else about events already applied than was applied.
    Fork,
    /// A delta that contains nothing new: it was applied before, or arrived out of order.
    AlreadyApplied,
    /// Nothing to apply a delta to: no snapshot was accepted yet.
    NoSnapshot,
    /// The table could not take the entries; what it holds must be built again.
    TableFailed,
}

/// What a host does after a [`Defect`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Remedy {
    /// Nothing is missing: go on as if the bytes had not come.
    Ignore,
    /// Fetch again after a pause; tell the operator if it persists.
    Retry,
    /// Only a new snapshot helps.
    FetchSnapshot,
}

impl Defect {
    /// Every defect, in the order of declaration.
    pub const ALL: &'static [Defect] = &[
        Defect::Truncated,
        Defect::TrailingBytes,
        Defect::UnknownFormat,
        Defect::UnsupportedVersion,
        Defect::Malformed,
        Defect::UnknownSigner,
        Defect::InvalidSignature,
        Defect::SectionHashMismatch,
        Defect::InconsistentSection,
        Defect::FingerprintKeyMismatch,
        Defect::Expired,
        Defect::CreatedInFuture,
        Defect::GenerationInFuture,
        Defect::SequenceJump,
        Defect::RolledBack,
        Defect::OtherGeneration,
        Defect::Gap,
        Defect::Fork,
        Defect::AlreadyApplied,
        Defect::NoSnapshot,
        Defect::TableFailed,
    ];

    /// The stable name, as in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Defect::Truncated => "truncated",
            Defect::TrailingBytes => "trailing_bytes",
            Defect::UnknownFormat => "unknown_format",
            Defect::UnsupportedVersion => "unsupported_version",
            Defect::Malformed => "malformed",
            Defect::UnknownSigner => "unknown_signer",
            Defect::InvalidSignature => "invalid_signature",
            Defect::SectionHashMismatch => "section_hash_mismatch",
            Defect::InconsistentSection => "inconsistent_section",
            Defect::FingerprintKeyMismatch => "fingerprint_key_mismatch",
            Defect::Expired => "expired",
            Defect::CreatedInFuture => "created_in_future",
            Defect::GenerationInFuture => "generation_in_future",
            Defect::SequenceJump => "sequence_jump",
            Defect::RolledBack => "rolled_back",
            Defect::OtherGeneration => "other_generation",
            Defect::Gap => "gap",
            Defect::Fork => "fork",
            Defect::AlreadyApplied => "already_applied",
            Defect::NoSnapshot => "no_snapshot",
            Defect::TableFailed => "table_failed",
        }
    }

    /// What a host does about it.
    #[must_use]
    pub const fn remedy(self) -> Remedy {
        match self {
            Defect::AlreadyApplied => Remedy::Ignore,
            Defect::OtherGeneration
            | Defect::Gap
            | Defect::Fork
            | Defect::NoSnapshot
            | Defect::TableFailed => Remedy::FetchSnapshot,
            Defect::Truncated
            | Defect::TrailingBytes
            | Defect::UnknownFormat
            | Defect::UnsupportedVersion
            | Defect::Malformed
            | Defect::UnknownSigner
            | Defect::InvalidSignature
            | Defect::SectionHashMismatch
            | Defect::InconsistentSection
            | Defect::FingerprintKeyMismatch
            | Defect::Expired
            | Defect::CreatedInFuture
            | Defect::GenerationInFuture
            | Defect::SequenceJump
            | Defect::RolledBack => Remedy::Retry,
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Defect::Truncated => "revocation data is cut short",
            Defect::TrailingBytes => "revocation data is followed by bytes that do not belong to it",
            Defect::UnknownFormat => "this is no revocation data of libtoken",
            Defect::UnsupportedVersion => "revocation data has a version that is not supported",
            Defect::Malformed => "a field of the revocation data has a value that is not allowed",
            Defect::UnknownSigner => "revocation data is signed by a key that is not trusted",
            Defect::InvalidSignature => "the signature of the revocation data is invalid",
            Defect::SectionHashMismatch => "a section of the snapshot does not have its signed hash",
            Defect::InconsistentSection => "a section of the snapshot contradicts its directory",
            Defect::FingerprintKeyMismatch => "revocation data was made under another fingerprint key",
            Defect::Expired => "the snapshot is past its valid-until time",
            Defect::CreatedInFuture => {
                "revocation data claims to be created in the future (check the clocks)"
            }
            Defect::GenerationInFuture => "the generation lies in the future (check the clocks)",
            Defect::SequenceJump => "the sequence number jumps too far ahead",
            Defect::RolledBack => "revocation data is older than what was seen before",
            Defect::OtherGeneration => "the delta belongs to a later generation",
            Defect::Gap => "events before the delta are missing",
            Defect::Fork => "the delta contradicts events that were applied before",
            Defect::AlreadyApplied => "the delta contains nothing new",
            Defect::NoSnapshot => "a delta came before any snapshot",
            Defect::TableFailed => "the revocation table could not take the entries",
        })
    }
}

impl core::error::Error for Defect {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_every_defect_under_its_remedy() {
        let text = include_str!("../../../docs/revocation-snapshot.md");
        let table = text.split("## What a reader does with a defect").nth(1).unwrap();
        for defect in Defect::ALL {
            let name = format!("`{}`", defect.name());
            let row = table.lines().find(|line| line.contains(&name)).unwrap_or(&name);
            let remedy = match defect.remedy() {
                Remedy::Ignore => "| nothing |",
                Remedy::Retry => "| keep what there is, retry after a pause |",
                Remedy::FetchSnapshot => "| fetch a snapshot |",
            };
            assert!(row.ends_with(remedy), "{row}");
        }
    }
}
