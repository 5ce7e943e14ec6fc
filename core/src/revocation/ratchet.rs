//! What was seen before, per signing key, so that an older state is never accepted again (rollback) and a
//! number far ahead cannot lock out the states that follow (fast-forward).
//!
//! A generation is the Unix time, in seconds, at which a writer began to number its events from 1. Bounded by
//! the reader's clock, it cannot be used up by a forger, and a writer whose sequence was pushed ahead recovers
//! by starting a new generation. Marks of keys that are no longer trusted are void: removing a key undoes
//! whatever its thief announced.

use super::byte_reader::ByteReader;
use super::defect::Defect;
use super::signing::{MAX_TRUSTED_KEYS, SignerId, TrustedKeys};

/// How far `created` and a generation may lie ahead of the reader's clock, in seconds: hosts that keep time
/// by NTP differ by less than one, and five minutes is what RFC 7519 §4.1.4 calls a usual leeway.
pub const MAX_CLOCK_AHEAD_SECONDS: i64 = 300;

/// How far the sequence may jump at once within one generation: 16 minutes at the five million events a
/// second that a table takes. To exhaust 64 bits, a forger would need 2^32 such jumps accepted.
pub const MAX_SEQUENCE_JUMP: u64 = 1 << 32;

/// Largest sequence number of all: nothing overflows by adding counts to it.
pub const MAX_SEQUENCE: u64 = 1 << 62;

/// Where a signed message stands: who signed it, and how far its history goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// The key that signed.
    pub signer: SignerId,
    /// The numbering that `sequence` belongs to: when it was begun, in seconds since the Unix epoch.
    pub generation: u64,
    /// The last event covered.
    pub sequence: u64,
    /// When it was signed, in seconds since the Unix epoch.
    pub created: i64,
}

impl Mark {
    fn position(&self) -> (u64, u64) {
        (self.generation, self.sequence)
    }
}

/// The highest marks seen, one per signing key. Hosts persist it together with the snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ratchet {
    marks: [Option<Mark>; MAX_TRUSTED_KEYS],
}

impl Ratchet {
    /// Bytes of an exported ratchet.
    pub const BYTES: usize = 8 + MAX_TRUSTED_KEYS * MARK_BYTES + 32;

    /// A ratchet that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Ratchet::default()
    }

    /// Whether a message at `mark` may be accepted at `now` (seconds since the Unix epoch), given the marks
    /// of the keys in `trusted`.
    ///
    /// # Errors
    /// [`Defect::CreatedInFuture`], [`Defect::GenerationInFuture`], [`Defect::SequenceJump`] or
    /// [`Defect::RolledBack`].
    pub fn check(&self, mark: &Mark, trusted: &TrustedKeys, now: i64) -> Result<(), Defect> {
        let latest = now.saturating_add(MAX_CLOCK_AHEAD_SECONDS);
        if mark.created > latest {
            return Err(Defect::CreatedInFuture);
        }
        if i64::try_from(mark.generation).map_or(true, |generation| generation > latest) {
            return Err(Defect::GenerationInFuture);
        }
        if mark.sequence > MAX_SEQUENCE {
            return Err(Defect::SequenceJump);
        }
        let Some(floor) = self.floor(trusted) else { return Ok(()) };
        if mark.position() < floor.position() {
            return Err(Defect::RolledBack);
        }
        if mark.generation == floor.generation && mark.sequence - floor.sequence > MAX_SEQUENCE_JUMP {
            return Err(Defect::SequenceJump);
        }
        Ok(())
    }

    /// Records an accepted mark: one that [`check`](Self::check) let pass. A mark below the recorded one of
    /// its key changes nothing.
    pub fn advance(&mut self, mark: &Mark, trusted: &TrustedKeys) {
        for slot in &mut self.marks {
            if slot.is_some_and(|known| !trusted.contains(known.signer)) {
                *slot = None;
            }
        }
        let known = self.marks.iter().position(|slot| slot.is_some_and(|known| known.signer == mark.signer));
        let free = self.marks.iter().position(Option::is_none);
        // There are as many slots as keys can be trusted, so a trusted signer always finds one.
        if let Some(slot) = known.or(free).and_then(|index| self.marks.get_mut(index)) {
            *slot = Some(match slot {
                Some(known) if known.position() > mark.position() => *known,
                Some(known) => Mark { created: known.created.max(mark.created), ..*mark },
                None => *mark,
            });
        }
    }

    /// The highest mark among those of the keys in `trusted`.
    #[must_use]
    pub fn floor(&self, trusted: &TrustedKeys) -> Option<Mark> {
        self.marks
            .iter()
            .flatten()
            .filter(|mark| trusted.contains(mark.signer))
            .copied()
            .max_by_key(Mark::position)
    }

    /// The bytes that a host persists. They carry a hash against accidents, not against an attacker: who can
    /// write to the host's storage can do worse.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (magic, rest) = bytes.split_at_mut(MAGIC.len());
        magic.copy_from_slice(&MAGIC);
        let (marks, hash) = rest.split_at_mut(MAX_TRUSTED_KEYS * MARK_BYTES);
        for (field, mark) in marks.chunks_exact_mut(MARK_BYTES).zip(self.marks.iter().flatten()) {
            let parts = [
                mark.signer.to_bytes(),
                mark.generation.to_le_bytes(),
                mark.sequence.to_le_bytes(),
                mark.created.to_le_bytes(),
            ];
            for (part, bytes) in field.chunks_exact_mut(8).zip(parts) {
                part.copy_from_slice(&bytes);
            }
        }
        hash.copy_from_slice(&checksum(marks));
        bytes
    }

    /// The ratchet that [`to_bytes`](Self::to_bytes) exported.
    ///
    /// # Errors
    /// [`Defect::Truncated`], [`Defect::TrailingBytes`], [`Defect::UnknownFormat`] or [`Defect::Malformed`].
    /// A host that lost its ratchet starts with a new one knowingly; damage is never taken for a new start.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Defect> {
        let mut reader = ByteReader::new(bytes);
        if reader.array().ok_or(Defect::Truncated)? != MAGIC {
            return Err(Defect::UnknownFormat);
        }
        let marks = reader.take(MAX_TRUSTED_KEYS * MARK_BYTES).ok_or(Defect::Truncated)?;
        let hash: [u8; 32] = reader.array().ok_or(Defect::Truncated)?;
        if !reader.is_empty() {
            return Err(Defect::TrailingBytes);
        }
        if hash != checksum(marks) {
            return Err(Defect::Malformed);
        }
        let mut ratchet = Ratchet::new();
        for (slot, field) in ratchet.marks.iter_mut().zip(marks.chunks_exact(MARK_BYTES)) {
            if field.iter().any(|&byte| byte != 0) {
                *slot = Some(read_mark(field).ok_or(Defect::Malformed)?);
            }
        }
        Ok(ratchet)
    }
}

fn read_mark(field: &[u8]) -> Option<Mark> {
    let mut reader = ByteReader::new(field);
    Some(Mark {
        signer: SignerId::from_bytes(reader.array()?),
        generation: reader.u64()?,
        sequence: reader.u64()?,
        created: reader.i64()?,
    })
}

fn checksum(marks: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new_derive_key(CHECKSUM_CONTEXT).update(marks).finalize().as_bytes()
}

const MAGIC: [u8; 8] = *b"LTRATCH1";
const MARK_BYTES: usize = 32;
const CHECKSUM_CONTEXT: &str = "libtoken 2026-01 revocation ratchet";

#[cfg(test)]
mod tests {
    use super::super::signing::Signer;
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn trusted(seeds: &[u8]) -> TrustedKeys {
        let keys: Vec<_> = seeds.iter().map(|&seed| Signer::from_seed(&[seed; 32]).public_key()).collect();
        TrustedKeys::new(&keys).unwrap()
    }

    fn mark(seed: u8, generation: u64, sequence: u64) -> Mark {
        Mark { signer: Signer::from_seed(&[seed; 32]).id(), generation, sequence, created: NOW }
    }

    #[test]
    fn older_states_are_refused_whichever_trusted_key_signed_them() {
        let keys = trusted(&[1, 2]);
        let mut ratchet = Ratchet::new();
        ratchet.advance(&mark(1, 1000, 50), &keys);
        ratchet.advance(&mark(2, 1000, 80), &keys);
        for (seed, generation, sequence, expected) in [
            (1, 1000, 79, Err(Defect::RolledBack)),
            (1, 999, 5000, Err(Defect::RolledBack)),
            (2, 1000, 79, Err(Defect::RolledBack)),
            (1, 1000, 80, Ok(())),
            (2, 1001, 0, Ok(())),
        ] {
            assert_eq!(ratchet.check(&mark(seed, generation, sequence), &keys, NOW), expected);
        }
        // Without the second key, its mark is void.
        assert_eq!(ratchet.check(&mark(1, 1000, 60), &trusted(&[1]), NOW), Ok(()));
    }

    #[test]
    fn fast_forward_is_bounded_and_can_be_undone() {
        let keys = trusted(&[1]);
        let mut ratchet = Ratchet::new();
        let ahead = u64::try_from(NOW + MAX_CLOCK_AHEAD_SECONDS).unwrap();
        let at = |created| Mark { created, ..mark(1, 1000, 1) };
        assert_eq!(ratchet.check(&at(NOW + MAX_CLOCK_AHEAD_SECONDS), &keys, NOW), Ok(()));
        assert_eq!(
            ratchet.check(&at(NOW + MAX_CLOCK_AHEAD_SECONDS + 1), &keys, NOW),
            Err(Defect::CreatedInFuture)
        );
        assert_eq!(ratchet.check(&mark(1, ahead, 1), &keys, NOW), Ok(()));
        for generation in [ahead + 1, u64::MAX] {
            assert_eq!(ratchet.check(&mark(1, generation, 1), &keys, NOW), Err(Defect::GenerationInFuture));
        }
        assert_eq!(ratchet.check(&mark(1, 1000, MAX_SEQUENCE), &keys, NOW), Ok(()));
        assert_eq!(ratchet.check(&mark(1, 1000, MAX_SEQUENCE + 1), &keys, NOW), Err(Defect::SequenceJump));
        ratchet.advance(&mark(1, 1000, 10), &keys);
        assert_eq!(ratchet.check(&mark(1, 1000, 10 + MAX_SEQUENCE_JUMP), &keys, NOW), Ok(()));
        assert_eq!(
            ratchet.check(&mark(1, 1000, 11 + MAX_SEQUENCE_JUMP), &keys, NOW),
            Err(Defect::SequenceJump)
        );
        // Pushed ahead, the writer starts a new generation.
        ratchet.advance(&mark(1, 1000, 10 + MAX_SEQUENCE_JUMP), &keys);
        assert_eq!(ratchet.check(&mark(1, 1001, 0), &keys, NOW), Ok(()));
    }

    #[test]
    fn keys_come_and_go_without_exhausting_the_slots() {
        let mut ratchet = Ratchet::new();
        for seed in 0..40 {
            let keys = trusted(&[seed, seed + 1]);
            ratchet.advance(&mark(seed, 1000, u64::from(seed)), &keys);
            assert_eq!(ratchet.floor(&keys), Some(mark(seed, 1000, u64::from(seed))));
        }
    }

    #[test]
    fn export_round_trips_and_damage_is_found() {
        let keys = trusted(&[1, 2, 3]);
        let mut ratchet = Ratchet::new();
        assert_eq!(Ratchet::from_bytes(&ratchet.to_bytes()), Ok(ratchet.clone()));
        for seed in 1..=3 {
            ratchet.advance(&mark(seed, 1000, u64::from(seed)), &keys);
        }
        let bytes = ratchet.to_bytes();
        assert_eq!(Ratchet::from_bytes(&bytes), Ok(ratchet));
        for length in 0..bytes.len() {
            assert_eq!(Ratchet::from_bytes(&bytes[..length]), Err(Defect::Truncated));
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Ratchet::from_bytes(&damaged).is_err(), "bit {bit}");
        }
        assert_eq!(Ratchet::from_bytes(&[&bytes[..], &[0]].concat()), Err(Defect::TrailingBytes));
    }
}
