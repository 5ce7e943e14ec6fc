//! The compact snapshot: every live revocation at one sequence number, immutable and signed. The same bytes
//! travel on the wire, lie in a mapped file and in an edge runtime's memory, and are queried in place, without
//! allocating. docs/revocation-snapshot.md describes each byte.
//!
//! Order of checks: lengths and fixed fields, signature over header and section hashes, ratchet and times,
//! section hashes, directories. No byte of a section is used before its hash was compared.

mod build;
mod section;

pub use build::{BuildError, TimePrecision, build};

use super::byte_reader::ByteReader;
use super::chain::Chain;
use super::check::{Answer, Lookup};
use super::defect::Defect;
use super::fingerprint::{Entry, EntryKind, Fingerprint, SLOT_BASE_TIME};
use super::ratchet::{Mark, Ratchet};
use super::signing::{Purpose, SIGNATURE_BYTES, SignerId, TrustedKeys};
use super::table::NotBefore;
use crate::limits::MAX_NUMERIC_DATE;
use section::{Section, Shape};

/// Most entries of one kind: positions are 32-bit numbers, and 2^28 entries take 2.6 GB.
pub const MAX_ENTRIES: usize = 1 << 28;

/// Sections begin at multiples of this: cache lines, so that a block's counts never straddle two.
pub const ALIGNMENT: usize = 64;

/// What a snapshot says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotHeader {
    /// The numbering that `sequence` belongs to: when it was begun, in seconds since the Unix epoch.
    pub generation: u64,
    /// The last event that the snapshot covers; 0 if there was none yet.
    pub sequence: u64,
    /// The chain hash at `sequence`.
    pub chain: Chain,
    /// When it was made, in seconds since the Unix epoch.
    pub created: i64,
    /// From when on it must not be used, in seconds since the Unix epoch.
    pub valid_until: i64,
    /// [`FingerprintKey::id`](super::FingerprintKey::id) of the key that made the fingerprints.
    pub fingerprint_key: [u8; 8],
    /// How old a reader should let its state become, in seconds, as a hint; the reader's policy decides.
    pub max_staleness: u32,
}

/// One section, as a tool shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SectionInfo {
    /// What its entries mean.
    pub kind: EntryKind,
    /// How many entries it has.
    pub entries: usize,
    /// Bits of time kept with each entry: 30 for exact times, fewer for classes of expiry.
    pub time_bits: u32,
}

/// What bytes that claim to be a snapshot say about themselves. Nothing of it is verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unverified {
    /// The header.
    pub header: SnapshotHeader,
    /// The key that is said to have signed.
    pub signer: SignerId,
    /// The sections, ids first.
    pub sections: Vec<SectionInfo>,
}

impl Unverified {
    /// Reads the header and the directory of sections, for a tool that shows them.
    ///
    /// # Errors
    /// A [`Defect`] if the bytes have another form.
    pub fn read(bytes: &[u8]) -> Result<Self, Defect> {
        let directory = Directory::parse(bytes)?;
        let sections = directory.sections(bytes)?;
        let sections = sections.iter().flatten().map(|(section, ..)| section.info()).collect();
        Ok(Unverified { header: directory.header, signer: directory.signer, sections })
    }
}

/// A verified snapshot over bytes that `B` owns or borrows.
///
/// Verified once and then trusted: the bytes must not change. If they do (a mapped file that is overwritten in
/// place), lookups stay memory-safe, and damage that they notice counts as revoked.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<B> {
    bytes: B,
    header: SnapshotHeader,
    signer: SignerId,
    ids: Option<Section>,
    not_befores: Option<Section>,
}

impl<B: AsRef<[u8]>> Snapshot<B> {
    /// The snapshot in `bytes`, if it is whole, signed by a key in `trusted`, not older than `ratchet`, made
    /// for the fingerprint key with the id `fingerprint_key`, and valid at `now` (seconds since the Unix epoch).
    ///
    /// The ratchet is not moved: [`Ratchet::advance`] with [`mark`](Self::mark) does it, after the host
    /// has stored the bytes.
    ///
    /// # Errors
    /// A [`Defect`] says why not.
    pub fn parse_verified(
        bytes: B,
        trusted: &TrustedKeys,
        ratchet: &Ratchet,
        fingerprint_key: [u8; 8],
        now: i64,
    ) -> Result<Self, Defect> {
        let all = bytes.as_ref();
        let directory = Directory::parse(all)?;
        trusted.verify(directory.signer, Purpose::Snapshot, &directory.hash, &directory.signature)?;

        let header = directory.header;
        let mark = Mark {
            signer: directory.signer,
            generation: header.generation,
            sequence: header.sequence,
            created: header.created,
        };
        ratchet.check(&mark, trusted, now)?;
        if header.valid_until <= now {
            return Err(Defect::Expired);
        }
        if header.fingerprint_key != fingerprint_key {
            return Err(Defect::FingerprintKeyMismatch);
        }

        let sections = directory.sections(all)?;
        for (section, range, hash) in sections.iter().flatten() {
            let data = all.get(range.0..range.1).ok_or(Defect::Truncated)?;
            if blake3::hash(data) != blake3::Hash::from_bytes(*hash) {
                return Err(Defect::SectionHashMismatch);
            }
            section.check_directory(all)?;
        }
        let of_kind = |kind| {
            sections.iter().flatten().map(|(section, ..)| *section).find(|section| section.kind() == kind)
        };
        let (ids, not_befores) = (of_kind(EntryKind::Id), of_kind(EntryKind::NotBefore));
        Ok(Snapshot { header, signer: directory.signer, ids, not_befores, bytes })
    }

    /// What the snapshot says about itself.
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// Where it stands, for a [`Ratchet`].
    pub fn mark(&self) -> Mark {
        Mark {
            signer: self.signer,
            generation: self.header.generation,
            sequence: self.header.sequence,
            created: self.header.created,
        }
    }

    /// The time of the entry of this kind and fingerprint, in seconds since the Unix epoch. For an id it is
    /// the end of its class of expiry, at or after the `until` that was asked for; for a not-before it is exact.
    #[inline]
    pub fn find(&self, kind: EntryKind, fingerprint: Fingerprint) -> Option<i64> {
        let section = match kind {
            EntryKind::Id => self.ids.as_ref(),
            EntryKind::NotBefore => self.not_befores.as_ref(),
        };
        section?.find(self.bytes.as_ref(), fingerprint)
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.sections().map(|section| section.count()).sum()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its sections, ids first.
    pub fn section_infos(&self) -> impl Iterator<Item = SectionInfo> + '_ {
        self.sections().map(|section| section.info())
    }

    /// All entries, ids first, each kind in the order of its fingerprints.
    pub fn entries(&self) -> Entries<'_> {
        Entries {
            bytes: self.bytes.as_ref(),
            sections: [self.ids, self.not_befores],
            bucket: 0,
            left: None,
            index: 0,
        }
    }

    /// The bytes, to be stored or sent on.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    fn sections(&self) -> impl Iterator<Item = Section> + '_ {
        [self.ids, self.not_befores].into_iter().flatten()
    }
}

impl<B: AsRef<[u8]>> Lookup for Snapshot<B> {
    #[inline]
    fn lookup(&self, fingerprint: Fingerprint) -> Answer {
        Answer::Exactly(match self.find(EntryKind::Id, fingerprint) {
            Some(_) => NotBefore::ALWAYS,
            None => self.find(EntryKind::NotBefore, fingerprint).map_or(NotBefore::NONE, NotBefore::at),
        })
    }
}

/// The entries of a snapshot, one after the other.
pub struct Entries<'a> {
    bytes: &'a [u8],
    /// Those that are not finished; the first one is being read.
    sections: [Option<Section>; 2],
    bucket: usize,
    /// Entries of the current bucket that were not read yet; `None` before its count was looked up.
    left: Option<usize>,
    index: usize,
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let [first, second] = self.sections;
            let Some(section) = first else {
                second?;
                self.sections = [second, None];
                continue;
            };
            if self.index == section.count() {
                (self.sections, self.bucket, self.left, self.index) = ([second, None], 0, None, 0);
                continue;
            }
            let left = match self.left {
                Some(left) => left,
                None => section.bucket_entries(self.bytes, self.bucket)?,
            };
            if left == 0 {
                self.bucket += 1;
                self.left = None;
                continue;
            }
            let (number, time) = section.entry(self.bytes, self.bucket, self.index)?;
            self.left = Some(left - 1);
            self.index += 1;
            return Some(Entry {
                fingerprint: section::fingerprint_of(number),
                kind: section.kind(),
                time: SLOT_BASE_TIME + i64::from(time),
            });
        }
    }
}

/// The part before the sections, read but not believed yet.
struct Directory<'a> {
    header: SnapshotHeader,
    signer: SignerId,
    table: &'a [u8],
    signature: [u8; SIGNATURE_BYTES],
    /// Of everything before the signature.
    hash: [u8; 32],
    first_section: usize,
}

impl<'a> Directory<'a> {
    fn parse(all: &'a [u8]) -> Result<Self, Defect> {
        let mut reader = ByteReader::new(all);
        let magic: [u8; 8] = reader.array().ok_or(Defect::Truncated)?;
        if magic != MAGIC {
            return Err(Defect::UnknownFormat);
        }
        if reader.u16().ok_or(Defect::Truncated)? != VERSION {
            return Err(Defect::UnsupportedVersion);
        }
        let fixed = reader.take(HEADER_BYTES - MAGIC.len() - 2).ok_or(Defect::Truncated)?;
        let fixed = Fixed::read(fixed).ok_or(Defect::Malformed)?;
        if !fixed.is_allowed() {
            return Err(Defect::Malformed);
        }
        let table = reader.take(usize::from(fixed.sections) * DESCRIPTOR_BYTES).ok_or(Defect::Truncated)?;
        let signed = all.get(..HEADER_BYTES + table.len()).ok_or(Defect::Truncated)?;
        let signature = reader.array().ok_or(Defect::Truncated)?;
        let length = u64::try_from(all.len()).map_err(|_| Defect::Malformed)?;
        match length.cmp(&fixed.total_bytes) {
            core::cmp::Ordering::Less => return Err(Defect::Truncated),
            core::cmp::Ordering::Greater => return Err(Defect::TrailingBytes),
            core::cmp::Ordering::Equal => {}
        }
        let first_section = all.len() - reader.rest().len();
        let hash = *blake3::hash(signed).as_bytes();
        Ok(Directory { header: fixed.header, signer: fixed.signer, table, signature, hash, first_section })
    }

    /// The sections and their byte ranges and hashes. They follow each other, fill the bytes to the end, and
    /// their kinds ascend, so that there is at most one of each.
    fn sections(&self, all: &[u8]) -> Result<[Option<PlacedSection>; MAX_SECTIONS], Defect> {
        let mut sections = [None; MAX_SECTIONS];
        let mut start = self.first_section;
        let mut last_kind = None;
        for (slot, descriptor) in sections.iter_mut().zip(self.table.chunks_exact(DESCRIPTOR_BYTES)) {
            let (shape, length, hash) = read_descriptor(descriptor).ok_or(Defect::Malformed)?;
            if last_kind >= Some(shape.kind) {
                return Err(Defect::Malformed);
            }
            last_kind = Some(shape.kind);
            let (section, end) = Section::parse(shape, all, start)?;
            if u64::try_from(end - start) != Ok(length) {
                return Err(Defect::Malformed);
            }
            *slot = Some((section, (start, end), hash));
            start = end;
        }
        if start != all.len() {
            return Err(Defect::Malformed);
        }
        Ok(sections)
    }
}

impl Section {
    fn info(&self) -> SectionInfo {
        SectionInfo { kind: self.kind(), entries: self.count(), time_bits: self.time_bits() }
    }
}

type PlacedSection = (Section, (usize, usize), [u8; 32]);

/// The fields after magic and version.
struct Fixed {
    sections: u16,
    header: SnapshotHeader,
    signer: SignerId,
    total_bytes: u64,
    reserved: [u8; RESERVED_BYTES],
}

impl Fixed {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = ByteReader::new(bytes);
        let sections = reader.u16()?;
        let max_staleness = reader.u32()?;
        let generation = reader.u64()?;
        let sequence = reader.u64()?;
        let created = reader.i64()?;
        let valid_until = reader.i64()?;
        let fingerprint_key = reader.array()?;
        let signer = SignerId::from_bytes(reader.array()?);
        let total_bytes = reader.u64()?;
        let chain = Chain::from_bytes(reader.array()?);
        let header = SnapshotHeader {
            generation,
            sequence,
            chain,
            created,
            valid_until,
            fingerprint_key,
            max_staleness,
        };
        Some(Fixed { sections, header, signer, total_bytes, reserved: reader.array()? })
    }

    fn is_allowed(&self) -> bool {
        usize::from(self.sections) <= MAX_SECTIONS
            && (0..=MAX_NUMERIC_DATE).contains(&self.header.created)
            && (0..=MAX_NUMERIC_DATE).contains(&self.header.valid_until)
            && self.reserved == [0; RESERVED_BYTES]
    }
}

fn read_descriptor(bytes: &[u8]) -> Option<(Shape, u64, [u8; 32])> {
    let mut reader = ByteReader::new(bytes);
    let kind = match reader.u8()? {
        1 => EntryKind::Id,
        2 => EntryKind::NotBefore,
        _ => return None,
    };
    let quotient_bits = u32::from(reader.u8()?);
    let time_bits = u32::from(reader.u8()?);
    let padding: [u8; 5] = reader.array()?;
    let count = usize::try_from(reader.u64()?).ok()?;
    let length = reader.u64()?;
    let reserved: [u8; 8] = reader.array()?;
    let hash = reader.array()?;
    let shape = Shape { kind, quotient_bits, time_bits, count };
    (padding == [0; 5] && reserved == [0; 8]).then_some((shape, length, hash))
}

const MAGIC: [u8; 8] = *b"LTRVSNAP";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 128;
const RESERVED_BYTES: usize = 24;
const DESCRIPTOR_BYTES: usize = 64;
/// One per kind.
const MAX_SECTIONS: usize = 2;

#[cfg(test)]
mod tests;
