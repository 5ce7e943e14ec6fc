//! Edge-minimal revocation: a filter of 2.3 bytes an entry that answers only 'no' or 'maybe'.
//!
//! A binary fuse filter (Graf and Lemire, 'Binary Fuse Filters', 2022): three 16-bit cells, in three
//! neighboring segments, whose XOR is a check value for everything that was put in, and for one in 65,536 of
//! everything else. At the same size a split-block bloom filter is wrong a hundred times as often, and each
//! 'maybe' costs a question to the issuer. It cannot be added to: what came later belongs into a live table
//! over it. It knows neither times nor kinds. docs/revocation-format.md has the bytes.

use core::fmt;

use super::check::{Answer, Lookup};
use super::fingerprint::Fingerprint;
use super::table::{NotBefore, checksum};

/// A filter in its bytes, wherever they lie: borrowed, owned or shared.
#[derive(Clone, Copy)]
pub struct Filter<B> {
    bytes: B,
    shape: Shape,
    seed: u64,
    key_id: [u8; 8],
    entries: u64,
}

impl<B: AsRef<[u8]>> Filter<B> {
    /// The filter that `bytes` hold. Only its form is checked: whoever takes bytes from elsewhere checks their
    /// signature before.
    ///
    /// # Errors
    /// [`FilterError::Malformed`] if they are not a filter of this version.
    pub fn open(bytes: B) -> Result<Self, FilterError> {
        let (header, cells) = bytes.as_ref().split_at_checked(HEADER_BYTES).ok_or(FilterError::Malformed)?;
        let (words, _) = header.as_chunks::<8>();
        let mut fields = [0; HEADER_FIELDS];
        for (field, word) in fields.iter_mut().zip(words) {
            *field = u64::from_le_bytes(*word);
        }
        let [magic, version, key_id, entries, seed, segment_bits, segments, sum] = fields;
        let known = magic.to_le_bytes() == *MAGIC && version == VERSION;
        if !known || sum != checksum(&fields[..CHECKSUM_FIELD]) {
            return Err(FilterError::Malformed);
        }
        let shape = Shape::checked(segment_bits, segments).ok_or(FilterError::Malformed)?;
        if cells.len() != shape.cells() * CELL_BYTES {
            return Err(FilterError::Malformed);
        }
        Ok(Filter { bytes, shape, seed, key_id: key_id.to_le_bytes(), entries })
    }

    /// Might this fingerprint be among those that the filter was built from? `false` is certain.
    #[must_use]
    #[inline]
    pub fn may_contain(&self, fingerprint: Fingerprint) -> bool {
        // The size was checked when the filter was opened; bytes that are none any more answer 'maybe'.
        let Some(cells) = self.bytes.as_ref().get(HEADER_BYTES..) else { return true };
        let cell = |place: usize| {
            let at = place * CELL_BYTES;
            cells.get(at..at + CELL_BYTES).and_then(<[u8]>::first_chunk).copied().map(u16::from_le_bytes)
        };
        let hash = mix(fingerprint.head(), self.seed);
        match self.shape.places(hash).map(cell) {
            [Some(a), Some(b), Some(c)] => check_value(hash) ^ a ^ b ^ c == 0,
            _ => true,
        }
    }

    /// The public id of the key that the fingerprints were made with.
    #[must_use]
    pub fn key_id(&self) -> [u8; 8] {
        self.key_id
    }

    /// How many fingerprints are in it.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }
}

impl Filter<Vec<u8>> {
    /// The bytes of a filter for these fingerprints, of the key with this public id. Takes about 100 ns and
    /// 40 bytes of memory for each.
    ///
    /// # Errors
    /// [`FilterError::TooMany`] for more than [`MAX_FILTER_ENTRIES`].
    pub fn build(
        fingerprints: impl IntoIterator<Item = Fingerprint>,
        key_id: [u8; 8],
    ) -> Result<Vec<u8>, FilterError> {
        let mut heads: Vec<u64> = fingerprints.into_iter().map(Fingerprint::head).collect();
        heads.sort_unstable();
        heads.dedup();
        if heads.len() > MAX_FILTER_ENTRIES {
            return Err(FilterError::TooMany);
        }
        let shape = Shape::of(heads.len());
        for seed in 0..MAX_SEEDS {
            if let Some(cells) = solve(&heads, shape, seed) {
                let mut fields = [
                    u64::from_le_bytes(*MAGIC),
                    VERSION,
                    u64::from_le_bytes(key_id),
                    heads.len() as u64,
                    seed,
                    u64::from(shape.segment_bits),
                    shape.segments as u64,
                    0,
                ];
                fields[CHECKSUM_FIELD] = checksum(&fields[..CHECKSUM_FIELD]);
                let mut bytes = Vec::with_capacity(HEADER_BYTES + cells.len() * CELL_BYTES);
                fields.iter().for_each(|field| bytes.extend(field.to_le_bytes()));
                cells.iter().for_each(|cell| bytes.extend(cell.to_le_bytes()));
                return Ok(bytes);
            }
        }
        Err(FilterError::Unlucky)
    }
}

impl<B: AsRef<[u8]>> Lookup for Filter<B> {
    #[inline]
    fn lookup(&self, fingerprint: Fingerprint) -> Answer {
        if self.may_contain(fingerprint) { Answer::Maybe } else { Answer::Exactly(NotBefore::NONE) }
    }
}

/// Why there is no filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FilterError {
    /// The bytes are not a filter of this version.
    Malformed,
    /// More fingerprints than a filter can have.
    TooMany,
    /// No seed worked. The chance is below 1e-20 for fingerprints of a secret key.
    Unlucky,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FilterError::Malformed => "the bytes are not a revocation filter of this version",
            FilterError::TooMany => "there are too many revocations for one filter",
            FilterError::Unlucky => "no filter could be built for these revocations",
        })
    }
}

impl core::error::Error for FilterError {}

/// `segments` segments of 2^`segment_bits` cells, and two more at the end.
#[derive(Clone, Copy)]
struct Shape {
    segment_bits: u32,
    segments: usize,
}

impl Shape {
    /// The shape for so many entries, after the authors' formulas (`binaryfusefilter.h`), which were found by
    /// experiment.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "estimates of positive numbers far below 2^52"
    )]
    fn of(entries: usize) -> Self {
        let count = entries.max(2) as f64;
        let bits = (count.ln() / 3.33_f64.ln() + 2.25).floor() as u32;
        let segment_bits = bits.clamp(2, MAX_SEGMENT_BITS);
        let factor = (0.875 + 0.25 * 1e6_f64.ln() / count.ln()).max(1.125);
        let cells = (count * factor).round() as usize;
        let segments = cells.div_ceil(1 << segment_bits).saturating_sub(2).max(1);
        Shape { segment_bits, segments }
    }

    fn checked(segment_bits: u64, segments: u64) -> Option<Self> {
        let segment_bits = u32::try_from(segment_bits).ok().filter(|bits| *bits <= MAX_SEGMENT_BITS)?;
        let segments = usize::try_from(segments).ok().filter(|count| (1..=MAX_SEGMENTS).contains(count))?;
        // Before anything is computed from them in a usize, which may have 32 bits.
        let cells = (segments as u64 + 2) << segment_bits;
        (cells <= MAX_CELLS).then_some(Shape { segment_bits, segments })
    }

    fn cells(self) -> usize {
        (self.segments + 2) << self.segment_bits
    }

    /// The three cells of a hash, in three consecutive segments.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "below the number of cells, or masked")]
    fn places(self, hash: u64) -> [usize; 3] {
        let length = 1_usize << self.segment_bits;
        let span = (self.segments << self.segment_bits) as u64;
        let first = ((u128::from(hash) * u128::from(span)) >> 64) as usize;
        let second = (first + length) ^ ((hash >> 18) as usize & (length - 1));
        let third = (first + 2 * length) ^ (hash as usize & (length - 1));
        [first, second, third]
    }
}

/// Finds cells whose XOR is right for every head: repeatedly takes out a head that is alone in one of its
/// cells, and afterwards sets those cells in the opposite order.
fn solve(heads: &[u64], shape: Shape, seed: u64) -> Option<Vec<u16>> {
    let mut count = vec![0_u32; shape.cells()];
    let mut mixed = vec![0_u64; shape.cells()];
    for head in heads {
        let hash = mix(*head, seed);
        for place in shape.places(hash) {
            count[place] += 1;
            mixed[place] ^= hash;
        }
    }
    let mut alone: Vec<usize> = (0..shape.cells()).filter(|place| count[*place] == 1).collect();
    let mut taken = Vec::with_capacity(heads.len());
    while let Some(place) = alone.pop() {
        if count[place] != 1 {
            continue;
        }
        let hash = mixed[place];
        taken.push((hash, place));
        for other in shape.places(hash) {
            count[other] -= 1;
            mixed[other] ^= hash;
            if count[other] == 1 {
                alone.push(other);
            }
        }
    }
    if taken.len() != heads.len() {
        return None;
    }
    let mut cells = vec![0_u16; shape.cells()];
    for (hash, place) in taken.into_iter().rev() {
        let [a, b, c] = shape.places(hash);
        // The cell itself is still 0.
        cells[place] = check_value(hash) ^ cells[a] ^ cells[b] ^ cells[c];
    }
    Some(cells)
}

/// The finalizer of MurmurHash3: fingerprints are uniform already, the seed makes another attempt independent.
#[inline]
fn mix(head: u64, seed: u64) -> u64 {
    let mut hash = head.wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "16 bits of the hash are meant")]
fn check_value(hash: u64) -> u16 {
    (hash ^ hash >> 32) as u16
}

/// Most fingerprints of a filter: 600 MB. State of that size wants the exact form.
pub const MAX_FILTER_ENTRIES: usize = 1 << 28;

const MAGIC: &[u8; 8] = b"LTREVFUS";
const VERSION: u64 = 1;
const HEADER_FIELDS: usize = 8;
const HEADER_BYTES: usize = HEADER_FIELDS * 8;
const CHECKSUM_FIELD: usize = HEADER_FIELDS - 1;
const CELL_BYTES: usize = 2;

/// Largest segment, as in the authors' implementation: 512 KiB, so that three stay in a second-level cache.
const MAX_SEGMENT_BITS: u32 = 18;
const MAX_SEGMENTS: usize = MAX_FILTER_ENTRIES;
const MAX_CELLS: u64 = 2 * MAX_FILTER_ENTRIES as u64;

/// One seed fails in about one of ten builds of small sets and never of large ones.
const MAX_SEEDS: u64 = 100;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::fingerprint::FingerprintKey;
    use super::*;

    fn fingerprints(name: &str, count: usize) -> Vec<Fingerprint> {
        let prefix = FingerprintKey::SipHash13([3; 16]).prefix(name, "");
        (0..count).map(|i| prefix.fingerprint(&[&i.to_string()])).collect()
    }

    #[test]
    fn everything_put_in_is_found_and_little_else() {
        let (counts, others): (&[usize], _) = if cfg!(miri) {
            (&[0, 1, 3, 50], 100)
        } else {
            (&[0, 1, 2, 3, 10, 100, 1_000, 100_000], 100_000)
        };
        for &count in counts {
            let inside = fingerprints("in", count);
            let bytes = Filter::build(inside.iter().chain(&inside).copied(), *b"the key.").unwrap();
            let filter = Filter::open(&bytes).unwrap();
            assert_eq!((filter.key_id(), filter.entries()), (*b"the key.", count as u64));
            assert!(inside.iter().all(|fingerprint| filter.lookup(*fingerprint) == Answer::Maybe));
            let wrong = fingerprints("out", others)
                .into_iter()
                .filter(|fingerprint| filter.lookup(*fingerprint) != Answer::Exactly(NotBefore::NONE))
                .count();
            // 1.5 expected; 20 or more have a chance of 1e-15. The set is the same in each run.
            assert!(wrong < 20, "{wrong} of 100,000 at {count}");
            if count >= 100_000 {
                assert!(bytes.len() < count * 24 / 10, "{} bytes", bytes.len());
            }
        }
    }

    #[test]
    fn every_damaged_header_and_every_other_length_is_refused() {
        let bytes = Filter::build(fingerprints("in", 50), [0; 8]).unwrap();
        let step = if cfg!(miri) { 17 } else { 1 };
        for bit in (0..HEADER_BYTES * 8).step_by(step) {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Filter::open(&damaged).err(), Some(FilterError::Malformed), "bit {bit}");
        }
        for length in (0..bytes.len()).step_by(step) {
            assert_eq!(Filter::open(&bytes[..length]).err(), Some(FilterError::Malformed), "{length}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Filter::open(&longer).err(), Some(FilterError::Malformed));
    }
}
