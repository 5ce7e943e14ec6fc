//! One section of a snapshot: a sorted, quotiented set of fingerprints of one kind, with a time for each.
//!
//! The simple form is a sorted array of 16-byte slots, searched by bisection: 20 cache misses at a million
//! entries. Departures: (1) the upper `quotient_bits` of a fingerprint are its bucket and are not stored;
//! a bucket's number of entries is a nibble, 32 buckets share a 32-bit base, so where a bucket starts is one
//! base plus the sum of some nibbles (both arrays stay in the L2 cache). (2) The next eight bits, the tag, stand
//! in an array of their own: a negative is decided there, and the wide rest is read for about one in 128 of them.
//! (3) The tags of a bucket, about two, are compared as one word: a loop over them mispredicts its end, which
//! took longer than all the rest (14 against 6 ns where everything is in the cache).

use super::super::defect::Defect;
use super::super::fingerprint::{EntryKind, Fingerprint, SLOT_BASE_TIME};

/// Bits of a time counted from [`SLOT_BASE_TIME`], as in a slot.
pub(super) const TIME_BITS: u32 = 30;
pub(super) const TIME_MASK: u32 = (1 << TIME_BITS) - 1;

/// Fewest quotient bits: one block of buckets.
pub(super) const MIN_QUOTIENT_BITS: u32 = 5;

/// Most quotient bits: 2^28 buckets, and with them [`MAX_ENTRIES`](super::MAX_ENTRIES), fit 32-bit positions.
pub(super) const MAX_QUOTIENT_BITS: u32 = 28;

/// Most bits of a time class: a table of 256 times.
pub(super) const MAX_CLASS_BITS: u32 = 8;

/// Most entries of a bucket: what a nibble counts.
pub(super) const MAX_BUCKET_ENTRIES: usize = 15;

pub(super) const BLOCK_BUCKETS: usize = 32;
pub(super) const COUNTS_BYTES: usize = 16;
pub(super) const BASE_BYTES: usize = 4;
pub(super) const CLASS_BYTES: usize = 4;
pub(super) const FINGERPRINT_BITS: u32 = 96;

/// The shape of a section, from which the place of every byte follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    pub(super) kind: EntryKind,
    pub(super) quotient_bits: u32,
    /// Bits of time kept with each entry: [`TIME_BITS`], or fewer, which then number a class.
    pub(super) time_bits: u32,
    pub(super) count: usize,
}

impl Shape {
    /// Bytes of an entry: what is left of the fingerprint, and the time bits, rounded up.
    pub(super) fn width(&self) -> usize {
        ((FINGERPRINT_BITS - self.quotient_bits + self.time_bits) as usize).div_ceil(8)
    }

    /// Bits of an entry below the remainder: the time, and padding above it.
    pub(super) fn low_bits(&self) -> u32 {
        // At most 16 bytes: 96 - 5 + 30 bits.
        8 * u32::try_from(self.width()).unwrap_or(0) - (FINGERPRINT_BITS - self.quotient_bits)
    }

    pub(super) fn blocks(&self) -> usize {
        1 << (self.quotient_bits - MIN_QUOTIENT_BITS)
    }

    pub(super) fn classes(&self) -> usize {
        if self.time_bits == TIME_BITS { 0 } else { 1 << self.time_bits }
    }

    /// Bytes of the section, padded to whole cache lines.
    pub(super) fn bytes(&self) -> Option<usize> {
        let directory = self.blocks() * (COUNTS_BYTES + BASE_BYTES) + self.classes() * CLASS_BYTES;
        self.count
            .checked_mul(self.width())?
            .checked_add(directory)?
            .checked_next_multiple_of(super::ALIGNMENT)
    }

    fn is_allowed(&self) -> bool {
        (MIN_QUOTIENT_BITS..=MAX_QUOTIENT_BITS).contains(&self.quotient_bits)
            && match self.kind {
                EntryKind::Id => self.time_bits == TIME_BITS || self.time_bits <= MAX_CLASS_BITS,
                // A class rounds up, and a not-before must be neither later nor earlier than asked for.
                EntryKind::NotBefore => self.time_bits == TIME_BITS,
            }
            && (1..=super::MAX_ENTRIES).contains(&self.count)
    }
}

/// A section whose directory was checked: every position that a lookup computes lies inside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    shape: Shape,
    width: usize,
    low_bits: u32,
    /// Positions in the snapshot's bytes.
    counts: usize,
    bases: usize,
    classes: usize,
    tags: usize,
    rests: usize,
}

impl Section {
    /// The section of `shape` at `start` in `bytes`, and the position after it.
    pub(super) fn parse(shape: Shape, bytes: &[u8], start: usize) -> Result<(Self, usize), Defect> {
        if !shape.is_allowed() {
            return Err(Defect::Malformed);
        }
        let length = shape.bytes().ok_or(Defect::Malformed)?;
        let end = start.checked_add(length).ok_or(Defect::Malformed)?;
        if bytes.len() < end {
            return Err(Defect::Truncated);
        }
        let counts = start;
        let bases = counts + shape.blocks() * COUNTS_BYTES;
        let classes = bases + shape.blocks() * BASE_BYTES;
        let tags = classes + shape.classes() * CLASS_BYTES;
        let rests = tags + shape.count;
        let (width, low_bits) = (shape.width(), shape.low_bits());
        Ok((Section { shape, width, low_bits, counts, bases, classes, tags, rests }, end))
    }

    /// Whether the directory adds up, so that no lookup leaves the section.
    pub(super) fn check_directory(&self, bytes: &[u8]) -> Result<(), Defect> {
        self.directory_adds_up(bytes)
            .filter(|consistent| *consistent)
            .map(|_| ())
            .ok_or(Defect::InconsistentSection)
    }

    fn directory_adds_up(&self, bytes: &[u8]) -> Option<bool> {
        let counts = bytes.get(self.counts..self.bases)?.as_chunks::<COUNTS_BYTES>().0;
        let bases = bytes.get(self.bases..self.classes)?.as_chunks::<BASE_BYTES>().0;
        let classes = bytes.get(self.classes..self.tags)?.as_chunks::<CLASS_BYTES>().0;
        let mut total = 0_usize;
        for (counts, base) in counts.iter().zip(bases) {
            if u32::from_le_bytes(*base) as usize != total {
                return Some(false);
            }
            total += nibble_sum(u128::from_le_bytes(*counts));
        }
        let times = classes.iter().all(|time| u32::from_le_bytes(*time) <= TIME_MASK);
        let padding = bytes.get(self.rests + self.shape.count * (self.width - 1)..self.start_of_next()?)?;
        Some(total == self.shape.count && times && padding.iter().all(|&byte| byte == 0))
    }

    fn start_of_next(&self) -> Option<usize> {
        self.counts.checked_add(self.shape.bytes()?)
    }

    pub(super) fn kind(&self) -> EntryKind {
        self.shape.kind
    }

    pub(super) fn count(&self) -> usize {
        self.shape.count
    }

    /// Bits of time kept with each entry.
    pub(super) fn time_bits(&self) -> u32 {
        self.shape.time_bits
    }

    /// The time of `fingerprint`, if it is in the section, in seconds since the Unix epoch.
    ///
    /// A directory that changed after it was checked (a mapped file that somebody overwrote) counts as a hit.
    #[inline]
    pub(super) fn find(&self, bytes: &[u8], fingerprint: Fingerprint) -> Option<i64> {
        self.search(bytes, fingerprint)
            .unwrap_or(Some(TIME_MASK))
            .map(|time| SLOT_BASE_TIME + i64::from(time))
    }

    /// `None`: the section is damaged. `Some(None)`: not there.
    #[inline]
    fn search(&self, bytes: &[u8], fingerprint: Fingerprint) -> Option<Option<u32>> {
        // A bucket and a tag are at most 36 bits, so the upper 64 of the fingerprint have both.
        let upper = u64::from(fingerprint.tail()) << 32 | fingerprint.head() >> 32;
        let bucket = usize::try_from(upper >> (u64::BITS - self.shape.quotient_bits)).ok()?;
        let [.., wanted_tag] = (upper << self.shape.quotient_bits).to_le_bytes();
        let (block, lane) = (bucket / BLOCK_BUCKETS, bucket % BLOCK_BUCKETS);
        let counts: [u8; COUNTS_BYTES] = array(bytes, self.counts + block * COUNTS_BYTES)?;
        let base = u32::from_le_bytes(array(bytes, self.bases + block * BASE_BYTES)?);
        let counts = u128::from_le_bytes(counts);
        let count = low_byte(counts >> (4 * lane)) & 0xf;
        let first = base as usize + nibble_sum(counts & !(u128::MAX << (4 * lane)));

        let tags = bytes.get(self.tags + first..)?;
        // Nearly always: all tags of the bucket in one word, and no branch on their number.
        if let (Some(tags), 0..=8) = (tags.first_chunk::<8>(), count) {
            let mut candidates = equal_bytes(u64::from_le_bytes(*tags), wanted_tag) & low_bytes(count);
            while candidates != 0 {
                let index = first + candidates.trailing_zeros() as usize / 8;
                if let Some(time) = self.compare(bytes, fingerprint, index)? {
                    return Some(Some(time));
                }
                candidates &= candidates - 1;
            }
            return Some(None);
        }
        for (index, tag) in tags.get(..usize::from(count))?.iter().enumerate() {
            if *tag == wanted_tag
                && let Some(time) = self.compare(bytes, fingerprint, first + index)?
            {
                return Some(Some(time));
            }
        }
        Some(None)
    }

    /// The time of the entry at `index`, if it is that of `fingerprint`, tag included: a candidate above an equal
    /// tag may have another one.
    #[inline]
    fn compare(&self, bytes: &[u8], fingerprint: Fingerprint, index: usize) -> Option<Option<u32>> {
        let remainder_bits = FINGERPRINT_BITS - self.shape.quotient_bits;
        let remainder = number_of(fingerprint) & !(u128::MAX << remainder_bits);
        let tag = *bytes.get(self.tags + index)?;
        let rest = self.rest(bytes, index)?;
        let stored = u128::from(tag) << (remainder_bits - 8) | rest >> self.low_bits;
        if stored == remainder { self.time(bytes, rest).map(Some) } else { Some(None) }
    }

    /// What an entry holds besides its tag: the lower part of the remainder, padding, and the time bits.
    fn rest(&self, bytes: &[u8], index: usize) -> Option<u128> {
        let length = self.width - 1;
        let rest = bytes.get(self.rests + index * length..)?.get(..length)?;
        let mut number = [0; 16];
        number.get_mut(..length)?.copy_from_slice(rest);
        Some(u128::from_le_bytes(number))
    }

    fn time(&self, bytes: &[u8], rest: u128) -> Option<u32> {
        let bits = u32::try_from(rest & !(u128::MAX << self.shape.time_bits)).ok()?;
        if self.shape.time_bits == TIME_BITS {
            return Some(bits);
        }
        Some(u32::from_le_bytes(array(bytes, self.classes + bits as usize * CLASS_BYTES)?) & TIME_MASK)
    }

    /// The entry at `index`, given its bucket.
    pub(super) fn entry(&self, bytes: &[u8], bucket: usize, index: usize) -> Option<(u128, u32)> {
        let remainder_bits = FINGERPRINT_BITS - self.shape.quotient_bits;
        let tag = *bytes.get(self.tags + index)?;
        let rest = self.rest(bytes, index)?;
        let number = (bucket as u128) << remainder_bits
            | u128::from(tag) << (remainder_bits - 8)
            | rest >> self.low_bits;
        Some((number, self.time(bytes, rest)?))
    }

    /// How many entries `bucket` has.
    pub(super) fn bucket_entries(&self, bytes: &[u8], bucket: usize) -> Option<usize> {
        let byte = *bytes.get(self.counts..self.bases)?.get(bucket / 2)?;
        Some(usize::from(if bucket.is_multiple_of(2) { byte & 0xf } else { byte >> 4 }))
    }
}

/// A fingerprint as the number whose order the section keeps: its bytes, little-endian.
pub(super) fn number_of(fingerprint: Fingerprint) -> u128 {
    u128::from(fingerprint.tail()) << 64 | u128::from(fingerprint.head())
}

/// The inverse of [`number_of`].
pub(super) fn fingerprint_of(number: u128) -> Fingerprint {
    let [bytes @ .., _, _, _, _] = number.to_le_bytes();
    Fingerprint::from_bytes(bytes)
}

/// The sum of 32 nibbles.
#[inline]
pub(super) fn nibble_sum(nibbles: u128) -> usize {
    const NIBBLES: u64 = 0x0f0f_0f0f_0f0f_0f0f;
    const BYTES: u64 = 0x00ff_00ff_00ff_00ff;
    let [a, b, c, d, e, f, g, h, high @ ..] = nibbles.to_le_bytes();
    let (low, high) = (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(high));
    // At most 60 in a byte, 120 in each 16 bits, 480 in the top 16 bits of the product.
    let bytes = (low & NIBBLES) + (low >> 4 & NIBBLES) + (high & NIBBLES) + (high >> 4 & NIBBLES);
    let pairs = (bytes & BYTES) + (bytes >> 8 & BYTES);
    let [.., x, y] = pairs.wrapping_mul(0x0001_0001_0001_0001).to_le_bytes();
    usize::from(u16::from_le_bytes([x, y]))
}

/// The top bit of every byte of `word` that equals `byte`; perhaps also of bytes above such a one.
#[inline]
fn equal_bytes(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let difference = word ^ (u64::from(byte) * LOW);
    difference.wrapping_sub(LOW) & !difference & (LOW << 7)
}

/// The lowest `count` bytes, at most 8, all ones.
#[inline]
fn low_bytes(count: u8) -> u64 {
    // Two shifts, because one by 64 is not defined.
    !(u64::MAX << (4 * count) << (4 * count))
}

#[inline]
fn low_byte(number: u128) -> u8 {
    let [byte, ..] = number.to_le_bytes();
    byte
}

#[inline]
fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_are_searched_like_bytes(nibbles: u128, word: u64, byte: u8, count in 0..=8_u8) {
            let slow: u128 = (0..32).map(|lane| nibbles >> (4 * lane) & 0xf).sum();
            prop_assert_eq!(nibble_sum(nibbles) as u128, slow);
            // Equal bytes are rare in random words: put one in.
            for word in [word, word & !0xff00 | u64::from(byte) << 8] {
                let found = equal_bytes(word, byte) & low_bytes(count);
                let slow = word.to_le_bytes()[..usize::from(count)].iter().position(|&other| other == byte);
                prop_assert_eq!((found != 0).then(|| found.trailing_zeros() as usize / 8), slow);
            }
        }
    }
}
