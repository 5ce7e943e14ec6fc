//! Makes the bytes of a snapshot from entries in any order. Runs where the writer is; it allocates freely.

use core::fmt;

use super::super::fingerprint::{Entry, EntryKind, SLOT_BASE_TIME, SlotError};
use super::super::signing::{Purpose, SIGNATURE_BYTES, Signer};
use super::section::{
    BASE_BYTES, BLOCK_BUCKETS, CLASS_BYTES, COUNTS_BYTES, FINGERPRINT_BITS, MAX_BUCKET_ENTRIES,
    MAX_QUOTIENT_BITS, MIN_QUOTIENT_BITS, Shape, TIME_BITS, TIME_MASK, number_of,
};
use super::{
    ALIGNMENT, DESCRIPTOR_BYTES, HEADER_BYTES, MAGIC, MAX_ENTRIES, RESERVED_BYTES, SnapshotHeader, VERSION,
};
use crate::limits::MAX_NUMERIC_DATE;

/// How exactly ids keep their `until`. Not-befores are always exact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimePrecision {
    /// Rounded up to classes of expiry that fit the bits which byte-wise storage leaves over: for readers,
    /// who only ask whether an id is there.
    Classes,
    /// To the second, 3 to 4 bytes more per id: for the writer's own state, from which entries expire.
    Exact,
}

/// The signed bytes of a snapshot of `entries`.
///
/// Of entries with the same kind and fingerprint, the one with the latest time counts.
///
/// # Errors
/// See [`BuildError`].
pub fn build(
    header: &SnapshotHeader,
    entries: impl IntoIterator<Item = Entry>,
    precision: TimePrecision,
    signer: &Signer,
) -> Result<Vec<u8>, BuildError> {
    let allowed = 0..=MAX_NUMERIC_DATE;
    if !allowed.contains(&header.created) || !allowed.contains(&header.valid_until) {
        return Err(BuildError::TimeOutOfRange);
    }
    let (mut ids, mut not_befores) = (Vec::new(), Vec::new());
    for entry in entries {
        let time = entry.meta().map_err(BuildError::Entry)? & TIME_MASK;
        match entry.kind {
            EntryKind::Id => ids.push(Item::new(&entry, time)),
            EntryKind::NotBefore => not_befores.push(Item::new(&entry, time)),
        }
    }
    let mut sections = Vec::new();
    for (kind, mut items) in [(EntryKind::Id, ids), (EntryKind::NotBefore, not_befores)] {
        sort_and_merge(&mut items);
        if items.len() > MAX_ENTRIES {
            return Err(BuildError::TooManyEntries);
        }
        if !items.is_empty() {
            sections.push(PlannedSection::plan(kind, items, precision, header.created)?);
        }
    }

    let lengths: Vec<usize> = sections
        .iter()
        .map(|section| section.shape.bytes().ok_or(BuildError::TooManyEntries))
        .collect::<Result<_, _>>()?;
    let first_section = HEADER_BYTES + sections.len() * DESCRIPTOR_BYTES + SIGNATURE_BYTES;
    let total = first_section + lengths.iter().sum::<usize>();
    let mut data = Vec::with_capacity(total - first_section);
    let mut bytes = Vec::with_capacity(total);
    write_header(&mut bytes, header, signer, sections.len(), total);
    for (section, length) in sections.iter().zip(&lengths) {
        let start = data.len();
        section.write(&mut data);
        data.resize(start + length, 0);
        section.write_descriptor(&mut bytes, *length, blake3::hash(&data[start..]).as_bytes());
    }
    let signature = signer.sign(Purpose::Snapshot, blake3::hash(&bytes).as_bytes());
    bytes.extend(signature);
    bytes.append(&mut data);
    Ok(bytes)
}

/// Why no snapshot could be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BuildError {
    /// An entry's time cannot be held.
    Entry(SlotError),
    /// `created` or `valid_until` is negative or after the year 9999.
    TimeOutOfRange,
    /// More than [`MAX_ENTRIES`] of one kind.
    TooManyEntries,
    /// More than 15 fingerprints share their first 28 bits: they are no hashes.
    Unbalanced,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Entry(error) => error.fmt(f),
            BuildError::TimeOutOfRange => f.write_str("a time of the snapshot is out of range"),
            BuildError::TooManyEntries => f.write_str("too many entries for one snapshot"),
            BuildError::Unbalanced => f.write_str("the fingerprints are not evenly distributed"),
        }
    }
}

impl core::error::Error for BuildError {}

/// A fingerprint's number above the 30 bits of its time: sorting by it sorts by both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item(u128);

impl Item {
    fn new(entry: &Entry, time: u32) -> Self {
        Item(number_of(entry.fingerprint) << TIME_BITS | u128::from(time))
    }

    fn number(self) -> u128 {
        self.0 >> TIME_BITS
    }

    fn time(self) -> u32 {
        let [a, b, c, d, ..] = self.0.to_le_bytes();
        u32::from_le_bytes([a, b, c, d]) & TIME_MASK
    }
}

/// Ascending, and of several items with one number the latest only.
fn sort_and_merge(items: &mut Vec<Item>) {
    items.sort_unstable();
    items.dedup_by(|later, kept| {
        let same = later.number() == kept.number();
        if same {
            *kept = *later;
        }
        same
    });
}

struct PlannedSection {
    shape: Shape,
    items: Vec<Item>,
    /// The end of each class of expiry, ascending; empty if times are exact.
    classes: Vec<u32>,
}

impl PlannedSection {
    fn plan(
        kind: EntryKind,
        items: Vec<Item>,
        precision: TimePrecision,
        created: i64,
    ) -> Result<Self, BuildError> {
        let count = items.len();
        let quotient_bits = quotient_bits(&items)?;
        let exact = kind == EntryKind::NotBefore || precision == TimePrecision::Exact;
        let time_bits = if exact { TIME_BITS } else { spare_bits(quotient_bits) };
        let shape = Shape { kind, quotient_bits, time_bits, count };
        let classes = if exact { Vec::new() } else { class_ends(&items, shape.classes(), created) };
        Ok(PlannedSection { shape, items, classes })
    }

    fn write(&self, data: &mut Vec<u8>) {
        let remainder_bits = FINGERPRINT_BITS - self.shape.quotient_bits;
        let blocks = self.shape.blocks();
        let mut counts = vec![0_u128; blocks];
        for item in &self.items {
            let bucket = bucket_of(*item, self.shape.quotient_bits);
            counts[bucket / BLOCK_BUCKETS] += 1 << (4 * (bucket % BLOCK_BUCKETS));
        }
        data.extend(counts.iter().flat_map(|counts| -> [u8; COUNTS_BYTES] { counts.to_le_bytes() }));
        let mut base = 0_u32;
        for counts in &counts {
            let bytes: [u8; BASE_BYTES] = base.to_le_bytes();
            data.extend(bytes);
            // At most MAX_ENTRIES in all.
            base += u32::try_from(super::section::nibble_sum(*counts)).unwrap_or(0);
        }
        data.extend(self.classes.iter().flat_map(|end| -> [u8; CLASS_BYTES] { end.to_le_bytes() }));

        let width = self.shape.width();
        let low_bits = self.shape.low_bits();
        let stored = |item: &Item| {
            let remainder = item.number() & !(u128::MAX << remainder_bits);
            (remainder << low_bits | u128::from(self.time_code(item.time()))).to_le_bytes()
        };
        data.extend(self.items.iter().map(|item| stored(item)[width - 1]));
        for item in &self.items {
            data.extend_from_slice(&stored(item)[..width - 1]);
        }
    }

    /// The time bits of an entry: the time itself, or the number of the first class that ends at or after it.
    fn time_code(&self, time: u32) -> u32 {
        if self.shape.time_bits == TIME_BITS {
            return time;
        }
        u32::try_from(self.classes.partition_point(|&end| end < time)).unwrap_or(0)
    }

    fn write_descriptor(&self, bytes: &mut Vec<u8>, length: usize, hash: &[u8; 32]) {
        let bits = |bits: u32| u8::try_from(bits).unwrap_or(u8::MAX);
        bytes.extend([self.shape.kind as u8, bits(self.shape.quotient_bits), bits(self.shape.time_bits)]);
        bytes.extend([0; 5]);
        bytes.extend((self.shape.count as u64).to_le_bytes());
        bytes.extend((length as u64).to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(hash);
    }
}

fn write_header(
    bytes: &mut Vec<u8>,
    header: &SnapshotHeader,
    signer: &Signer,
    sections: usize,
    total: usize,
) {
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    // One or two.
    bytes.extend(u16::try_from(sections).unwrap_or(0).to_le_bytes());
    bytes.extend(header.max_staleness.to_le_bytes());
    bytes.extend(header.generation.to_le_bytes());
    bytes.extend(header.sequence.to_le_bytes());
    bytes.extend(header.created.to_le_bytes());
    bytes.extend(header.valid_until.to_le_bytes());
    bytes.extend(header.fingerprint_key);
    bytes.extend(signer.id().to_bytes());
    bytes.extend((total as u64).to_le_bytes());
    bytes.extend(header.chain.to_bytes());
    bytes.extend([0; RESERVED_BYTES]);
}

/// The number of quotient bits that takes the fewest bytes: a bucket more costs 5 bits, a quotient bit saves
/// one per entry, so that 1.4 to 2.8 entries per bucket are best. More if a bucket holds too many.
fn quotient_bits(items: &[Item]) -> Result<u32, BuildError> {
    // log2 of the count, rounded to the nearest: the count's square lies between 2^(2r-1) and 2^(2r+1).
    let square = (items.len() as u128) * (items.len() as u128);
    let rounded = square.max(1).ilog2().div_ceil(2);
    (rounded.saturating_sub(1).max(MIN_QUOTIENT_BITS)..=MAX_QUOTIENT_BITS)
        .find(|&bits| fits_nibbles(items, bits))
        .ok_or(BuildError::Unbalanced)
}

fn fits_nibbles(items: &[Item], quotient_bits: u32) -> bool {
    // Sorted: too full a bucket shows as two items of one bucket that are 15 places apart.
    items
        .iter()
        .zip(items.iter().skip(MAX_BUCKET_ENTRIES))
        .all(|(first, last)| bucket_of(*first, quotient_bits) != bucket_of(*last, quotient_bits))
}

fn bucket_of(item: Item, quotient_bits: u32) -> usize {
    // At most 28 bits.
    usize::try_from(item.number() >> (FINGERPRINT_BITS - quotient_bits)).unwrap_or(0)
}

/// Time bits that cost nothing, because remainders are stored in whole bytes. Where fewer than two are left
/// over, a byte more is spent: a single class would keep every id as long as the longest-lived one.
fn spare_bits(quotient_bits: u32) -> u32 {
    let spare = (8 - (FINGERPRINT_BITS - quotient_bits) % 8) % 8;
    if spare < 2 { 8 } else { spare }
}

/// The ends of at most `classes` classes. Their distances from `created` grow geometrically (powers of two),
/// so that an id stays at most a fixed multiple of its remaining life, and one far `until` does not spoil the
/// rest; then each end is pulled in to the latest time of its class.
fn class_ends(items: &[Item], classes: usize, created: i64) -> Vec<u32> {
    let origin = u32::try_from((created - SLOT_BASE_TIME).clamp(0, i64::from(TIME_MASK))).unwrap_or(0);
    let exponent = |time: u32| u32::BITS - time.saturating_sub(origin).leading_zeros();
    let (mut low, mut high) = (u32::MAX, 0);
    for item in items {
        low = low.min(exponent(item.time()));
        high = high.max(exponent(item.time()));
    }
    let span = (high + 1).saturating_sub(low).max(1) as usize;
    let class_of = |time: u32| (exponent(time) - low) as usize * classes / span;
    let mut ends = vec![0; classes];
    for item in items {
        let end: &mut u32 = &mut ends[class_of(item.time())];
        *end = (*end).max(item.time());
    }
    // A class that nothing is in repeats the one before: it stays unused, and the ends ascend.
    for index in 1..ends.len() {
        ends[index] = ends[index].max(ends[index - 1]);
    }
    ends
}

const _: () = assert!(ALIGNMENT.is_multiple_of(COUNTS_BYTES) && HEADER_BYTES.is_multiple_of(ALIGNMENT));
