//! Keyed 96-bit fingerprints of revocable values, and the 16-byte entry that a table keeps for each.
//!
//! 96 bits make a match exact for practice: 1e9 ids against 1e6 entries are expected to collide 1e-14 times,
//! and nobody without the key can look for collisions or flood one part of a table. A fingerprint names no
//! value in the clear, but whoever has the key can test guesses: it is a secret of the deployment.
//!
//! # The bytes that are hashed
//!
//! The message is a sequence of frames: the scope's name, the issuer, then each value. A frame is the length in
//! bytes (64 bits, little-endian), the bytes (UTF-8), and zero bytes up to the next multiple of 8. Frames
//! delimit themselves and both hashes take in where the message ends, so the message is injective: different
//! (scope, issuer, values) are different messages. The scope goes in by *name*, so that processes whose
//! configurations list the scopes in another order still agree.
//!
//! The fingerprint is the first 12 bytes of the hash: SipHash-1-3 with 128-bit output (the two 64-bit words in
//! little-endian order, as in the reference implementation), or keyed BLAKE3.

use core::fmt;

/// What a table knows a value by: 96 bits of a keyed hash.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Fingerprint([u8; Fingerprint::BYTES]);

impl Fingerprint {
    /// Its length in bytes.
    pub const BYTES: usize = 12;

    /// The fingerprint that consists of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Fingerprint(bytes)
    }

    /// Its bytes, in the order in which tables, files and the wire hold them.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    /// The first eight bytes as a little-endian number: they choose the place in a table.
    pub(crate) const fn head(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The last four bytes as a little-endian number.
    pub(crate) const fn tail(self) -> u32 {
        let [.., a, b, c, d] = self.0;
        u32::from_le_bytes([a, b, c, d])
    }

    /// The inverse of [`head`](Self::head) and [`tail`](Self::tail).
    pub(crate) fn from_parts(head: u64, tail: u32) -> Self {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&head.to_le_bytes());
        bytes[8..].copy_from_slice(&tail.to_le_bytes());
        Fingerprint(bytes)
    }
}

/// Shows 3 of the 12 bytes: enough to tell entries apart in a log, too little to test guesses with.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.0;
        write!(f, "Fingerprint({a:02x}{b:02x}{c:02x}..)")
    }
}

/// The secret under which fingerprints are made: one per deployment, shared by its writers and verifiers.
#[derive(Clone)]
pub enum FingerprintKey {
    /// SipHash-1-3 with 128-bit output: the choice where everybody who has the key is trusted.
    SipHash13([u8; 16]),
    /// Keyed BLAKE3, about six times slower: for state that is handed to a party that knows the key and must
    /// still be unable to construct values that collide.
    Blake3([u8; 32]),
}

impl FingerprintKey {
    /// A public name of the key and its algorithm, by which a table and a verifier find out that they
    /// disagree. It is derived by BLAKE3 and reveals nothing about the key.
    #[must_use]
    pub fn id(&self) -> [u8; 8] {
        let mut hasher = blake3::Hasher::new_derive_key(KEY_ID_CONTEXT);
        match self {
            FingerprintKey::SipHash13(key) => hasher.update(b"siphash-1-3-128").update(key),
            FingerprintKey::Blake3(key) => hasher.update(b"blake3-keyed").update(key),
        };
        let mut id = [0; 8];
        hasher.finalize_xof().fill(&mut id);
        id
    }

    /// The fingerprint of `values` (one value, or the parts of a composite key in order) in `scope` of `issuer`.
    #[must_use]
    pub fn fingerprint(&self, scope: &str, issuer: &str, values: &[&str]) -> Fingerprint {
        self.prefix(scope, issuer).fingerprint(values)
    }

    /// The work that is the same for every value of `scope` and `issuer`, done once at set-up.
    #[must_use]
    pub fn prefix(&self, scope: &str, issuer: &str) -> FingerprintPrefix {
        FingerprintPrefix(match self {
            FingerprintKey::SipHash13(key) => {
                let mut state = SipState::<1, 3>::new(key);
                state.frame(scope);
                state.frame(issuer);
                Prefix::SipHash13(state)
            }
            FingerprintKey::Blake3(key) => {
                let mut hasher = blake3::Hasher::new_keyed(key);
                blake3_frame(&mut hasher, scope);
                blake3_frame(&mut hasher, issuer);
                Prefix::Blake3(Box::new(hasher))
            }
        })
    }
}

/// Names the algorithm and the public id, never the key.
impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = match self {
            FingerprintKey::SipHash13(_) => "SipHash13",
            FingerprintKey::Blake3(_) => "Blake3",
        };
        write!(f, "FingerprintKey::{algorithm}(id {:016x})", u64::from_be_bytes(self.id()))
    }
}

/// A [`FingerprintKey`] that has taken in a scope and an issuer already.
///
/// Secret like the key itself: it has no Debug.
#[derive(Clone)]
pub struct FingerprintPrefix(Prefix);

impl FingerprintPrefix {
    /// The fingerprint of `values` in this scope and issuer; equals [`FingerprintKey::fingerprint`].
    /// Allocates nothing.
    #[must_use]
    #[inline]
    pub fn fingerprint(&self, values: &[&str]) -> Fingerprint {
        match &self.0 {
            Prefix::SipHash13(state) => {
                let mut state = *state;
                for value in values {
                    state.frame(value);
                }
                let [low, high] = state.finish();
                // The upper half of the second word is not part of the fingerprint.
                let [a, b, c, d, ..] = high.to_le_bytes();
                Fingerprint::from_parts(low, u32::from_le_bytes([a, b, c, d]))
            }
            Prefix::Blake3(hasher) => {
                let mut hasher = blake3::Hasher::clone(hasher);
                for value in values {
                    blake3_frame(&mut hasher, value);
                }
                let mut bytes = [0; Fingerprint::BYTES];
                hasher.finalize_xof().fill(&mut bytes);
                Fingerprint(bytes)
            }
        }
    }
}

/// What an entry says about the tokens that carry its value.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
#[repr(u8)]
pub enum EntryKind {
    /// Every token with this value is revoked.
    Id = 1,
    /// Tokens with this value that were issued at or before the entry's time are revoked.
    NotBefore = 2,
}

/// One revocation as tables, snapshots and deltas hold it.
#[derive(Copy, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Debug)]
pub struct Entry {
    /// The value concerned.
    pub fingerprint: Fingerprint,
    /// What `time` means.
    pub kind: EntryKind,
    /// Seconds since the Unix epoch. [`EntryKind::Id`]: the entry is kept at least until then, when the last
    /// token concerned has expired. [`EntryKind::NotBefore`]: tokens with `iat <= time` are refused.
    pub time: i64,
}

/// Earliest time that an entry can hold, in seconds since the Unix epoch: 2020-01-01T00:00:00Z.
///
/// 30 bits of seconds from here reach 2054; a token older than this library has long expired.
pub const SLOT_BASE_TIME: i64 = 1_577_836_800;

/// Latest time that an entry can hold, in seconds since the Unix epoch: 2054-01-09T13:37:03Z.
pub const SLOT_LAST_TIME: i64 = SLOT_BASE_TIME + SLOT_TIME_MASK as i64;

/// Bytes of an entry in a slot.
pub const SLOT_BYTES: usize = 16;

impl Entry {
    /// The 16 bytes of a slot: the fingerprint (12 bytes), then 32 bits, little-endian, of which the upper 2
    /// are the kind (1 id, 2 not-before) and the lower 30 the seconds since [`SLOT_BASE_TIME`].
    ///
    /// # Errors
    /// [`SlotError::TooEarly`] and [`SlotError::TooLate`] if the time cannot be held. It is never adjusted
    /// silently: [`clamp_id`](Self::clamp_id) is the way to say that a longer `until` may be cut.
    pub fn to_slot(&self) -> Result<[u8; SLOT_BYTES], SlotError> {
        let meta = self.meta()?;
        let mut slot = [0; SLOT_BYTES];
        slot[..Fingerprint::BYTES].copy_from_slice(&self.fingerprint.0);
        slot[Fingerprint::BYTES..].copy_from_slice(&meta.to_le_bytes());
        Ok(slot)
    }

    /// The entry in the 16 bytes of a slot.
    ///
    /// # Errors
    /// [`SlotError::UnknownKind`] if the kind is neither of the known ones. An empty slot (all zero) is one
    /// of those cases.
    pub fn from_slot(slot: &[u8; SLOT_BYTES]) -> Result<Self, SlotError> {
        let [fingerprint @ .., a, b, c, d] = *slot;
        let (kind, time) = split_meta(u32::from_le_bytes([a, b, c, d])).ok_or(SlotError::UnknownKind)?;
        Ok(Entry { fingerprint: Fingerprint(fingerprint), kind, time })
    }

    /// The entry with its time moved into the range of a slot where that cannot weaken it: an id's `until`
    /// may become later or, past 2054, earlier; a not-before never changes.
    #[must_use]
    pub fn clamp_id(self) -> Self {
        match self.kind {
            EntryKind::Id => Entry { time: self.time.clamp(SLOT_BASE_TIME, SLOT_LAST_TIME), ..self },
            EntryKind::NotBefore => self,
        }
    }

    /// Kind and time as the last four bytes of a slot, read as a little-endian number.
    pub(crate) fn meta(&self) -> Result<u32, SlotError> {
        let offset = self.time.checked_sub(SLOT_BASE_TIME).ok_or(SlotError::TooEarly)?;
        if offset < 0 {
            return Err(SlotError::TooEarly);
        }
        match u32::try_from(offset) {
            Ok(seconds) if seconds <= SLOT_TIME_MASK => Ok((self.kind as u32) << SLOT_TIME_BITS | seconds),
            _ => Err(SlotError::TooLate),
        }
    }
}

/// The inverse of [`Entry::meta`]; `None` if the kind is unknown.
pub(crate) fn split_meta(meta: u32) -> Option<(EntryKind, i64)> {
    let kind = match meta >> SLOT_TIME_BITS {
        1 => EntryKind::Id,
        2 => EntryKind::NotBefore,
        _ => return None,
    };
    Some((kind, SLOT_BASE_TIME + i64::from(meta & SLOT_TIME_MASK)))
}

/// Why an entry does not fit a slot, or a slot holds no entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SlotError {
    /// The time is before [`SLOT_BASE_TIME`].
    TooEarly,
    /// The time is after [`SLOT_LAST_TIME`]; often milliseconds where seconds are due.
    TooLate,
    /// The kind is none that this version knows.
    UnknownKind,
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SlotError::TooEarly => "the time of a revocation lies before 2020-01-01",
            SlotError::TooLate => "the time of a revocation lies after 2054-01-09 (is it in seconds?)",
            SlotError::UnknownKind => "a slot holds no known kind of entry",
        })
    }
}

impl core::error::Error for SlotError {}

#[derive(Clone)]
enum Prefix {
    SipHash13(SipState<1, 3>),
    // 2 KiB, against 40 bytes of the other: boxed, because a policy keeps one per issuer and scope.
    Blake3(Box<blake3::Hasher>),
}

/// SipHash-C-D with 128-bit output over whole 64-bit words, which is all that frames consist of.
/// <https://github.com/veorq/SipHash>, `siphash.c`, `outlen == 16`.
#[derive(Clone, Copy)]
struct SipState<const C: usize, const D: usize> {
    v: [u64; 4],
    words: u64,
}

impl<const C: usize, const D: usize> SipState<C, D> {
    fn new(key: &[u8; 16]) -> Self {
        let [k0, k1] = words_of(key);
        SipState {
            v: [
                k0 ^ 0x736f_6d65_7073_6575,
                k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
                k0 ^ 0x6c79_6765_6e65_7261,
                k1 ^ 0x7465_6462_7974_6573,
            ],
            words: 0,
        }
    }

    #[inline]
    fn frame(&mut self, text: &str) {
        self.word(text.len() as u64);
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            self.word(match text.as_bytes().last_chunk::<8>() {
                // The last eight bytes, without those that were taken: a copy of a few bytes is a call.
                Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
                None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
            });
        }
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.v[3] ^= word;
        self.rounds(C);
        self.v[0] ^= word;
        self.words = self.words.wrapping_add(1);
    }

    #[inline]
    fn finish(mut self) -> [u64; 2] {
        // The closing word of SipHash: the length in bytes modulo 256 in the top byte, no bytes left over.
        self.word((self.words << 3) << 56);
        self.v[2] ^= 0xee;
        self.rounds(D);
        let low = self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3];
        self.v[1] ^= 0xdd;
        self.rounds(D);
        [low, self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]]
    }

    #[inline]
    fn rounds(&mut self, count: usize) {
        let [mut v0, mut v1, mut v2, mut v3] = self.v;
        for _ in 0..count {
            v0 = v0.wrapping_add(v1);
            v1 = v1.rotate_left(13) ^ v0;
            v0 = v0.rotate_left(32);
            v2 = v2.wrapping_add(v3);
            v3 = v3.rotate_left(16) ^ v2;
            v0 = v0.wrapping_add(v3);
            v3 = v3.rotate_left(21) ^ v0;
            v2 = v2.wrapping_add(v1);
            v1 = v1.rotate_left(17) ^ v2;
            v2 = v2.rotate_left(32);
        }
        self.v = [v0, v1, v2, v3];
    }
}

fn words_of(key: &[u8; 16]) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, low @ ..] = *key;
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(low)]
}

fn blake3_frame(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
    let padding = text.len().next_multiple_of(8) - text.len();
    hasher.update(&[0; 8][..padding]);
}

const KEY_ID_CONTEXT: &str = "libtoken 2026-01 revocation fingerprint key id";

const SLOT_TIME_BITS: u32 = 30;
const SLOT_TIME_MASK: u32 = (1 << SLOT_TIME_BITS) - 1;

#[cfg(all(test, not(loom)))]
mod tests {
    use core::hash::Hasher as _;

    use proptest::prelude::*;
    use siphasher::sip128::Hasher128 as _;

    use super::*;

    const KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// The obvious slow way: build the whole message, then hash it.
    fn message(fields: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for field in fields {
            bytes.extend((field.len() as u64).to_le_bytes());
            bytes.extend(field.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes
    }

    fn slow(key: &FingerprintKey, fields: &[&str]) -> Fingerprint {
        let message = message(fields);
        let digest = match key {
            FingerprintKey::SipHash13(key) => {
                let mut hasher = siphasher::sip128::SipHasher13::new_with_key(key);
                hasher.write(&message);
                hasher.finish128().as_bytes().to_vec()
            }
            FingerprintKey::Blake3(key) => blake3::keyed_hash(key, &message).as_bytes().to_vec(),
        };
        Fingerprint::from_bytes(digest[..12].try_into().unwrap())
    }

    /// `vectors_sip128` of the reference implementation (SipHash-2-4-128): messages 00 01 02 ... of 0, 8 and
    /// 16 bytes. The rounds are the only difference from what is used here.
    #[test]
    fn reference_vectors() {
        let digest = |words: &[u64]| {
            let mut state = SipState::<2, 4>::new(&KEY);
            words.iter().for_each(|&word| state.word(word));
            let [low, high] = state.finish();
            [low.to_le_bytes(), high.to_le_bytes()].concat()
        };
        let first = u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7]);
        let second = u64::from_le_bytes([8, 9, 10, 11, 12, 13, 14, 15]);
        let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex(digest(&[])), "a3817f04ba25a8e66df67214c7550293");
        assert_eq!(hex(digest(&[first])), "3b62a9ba6258f5610f83e264f31497b4");
        assert_eq!(hex(digest(&[first, second])), "6ee2a4ca67b054bbfd3315bf85230577");
    }

    #[test]
    fn framing_separates_fields() {
        for key in [FingerprintKey::SipHash13(KEY), FingerprintKey::Blake3([7; 32])] {
            let all = [
                key.fingerprint("subject", "iss", &["ab", "c"]),
                key.fingerprint("subject", "iss", &["a", "bc"]),
                key.fingerprint("subject", "iss", &["abc"]),
                key.fingerprint("subject", "iss", &["abc", ""]),
                key.fingerprint("subject", "iss", &["abc\0"]),
                key.fingerprint("subject", "", &["iss", "abc"]),
                key.fingerprint("subject", "issabc", &[]),
                key.fingerprint("subjecti", "ss", &["abc"]),
                key.fingerprint("", "subject", &["iss", "abc"]),
            ];
            for (i, a) in all.iter().enumerate() {
                assert!(all[i + 1..].iter().all(|b| a != b), "{i}");
            }
        }
    }

    #[test]
    fn slot_bytes_are_as_documented() {
        let fingerprint = Fingerprint::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let entry = Entry { fingerprint, kind: EntryKind::NotBefore, time: SLOT_BASE_TIME + 0x0102_0304 };
        let slot = entry.to_slot().unwrap();
        assert_eq!(slot, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 4, 3, 2, 0x81]);
        assert_eq!(Entry::from_slot(&slot), Ok(entry));
        assert_eq!(Fingerprint::from_parts(fingerprint.head(), fingerprint.tail()), fingerprint);
        assert_eq!(Entry::from_slot(&[0; 16]), Err(SlotError::UnknownKind));
        assert_eq!(Entry::from_slot(&[0xff; 16]), Err(SlotError::UnknownKind));
    }

    #[test]
    fn times_out_of_range_are_errors() {
        let at = |kind, time| Entry { fingerprint: Fingerprint::from_bytes([9; 12]), kind, time };
        for kind in [EntryKind::Id, EntryKind::NotBefore] {
            assert_eq!(at(kind, SLOT_BASE_TIME - 1).to_slot(), Err(SlotError::TooEarly));
            assert_eq!(at(kind, i64::MIN).to_slot(), Err(SlotError::TooEarly));
            assert!(at(kind, SLOT_BASE_TIME).to_slot().is_ok());
            assert!(at(kind, SLOT_LAST_TIME).to_slot().is_ok());
            assert_eq!(at(kind, SLOT_LAST_TIME + 1).to_slot(), Err(SlotError::TooLate));
            assert_eq!(at(kind, i64::MAX).to_slot(), Err(SlotError::TooLate));
        }
        assert_eq!(at(EntryKind::Id, i64::MAX).clamp_id().time, SLOT_LAST_TIME);
        assert_eq!(at(EntryKind::NotBefore, i64::MAX).clamp_id().time, i64::MAX);
    }

    #[test]
    fn debug_shows_no_secret() {
        let fingerprint = Fingerprint::from_bytes([0xab; 12]);
        assert_eq!(format!("{fingerprint:?}"), "Fingerprint(ababab..)");
        let shown = format!("{:?}", FingerprintKey::SipHash13([0xcd; 16]));
        assert!(shown.starts_with("FingerprintKey::SipHash13(id ") && !shown.contains("cdcd"), "{shown}");
    }

    #[test]
    fn key_ids_differ_by_key_and_algorithm() {
        let ids = [
            FingerprintKey::SipHash13([0; 16]).id(),
            FingerprintKey::SipHash13([1; 16]).id(),
            FingerprintKey::Blake3([0; 32]).id(),
        ];
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
    }

    proptest! {
        #[test]
        fn agrees_with_the_slow_way(
            scope in ".{0,20}", issuer in ".{0,60}", values in proptest::collection::vec(".{0,70}", 0..4), byte: u8,
        ) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let fields: Vec<&str> = [scope.as_str(), issuer.as_str()].into_iter().chain(values.clone()).collect();
            for key in [FingerprintKey::SipHash13([byte; 16]), FingerprintKey::Blake3([byte; 32])] {
                prop_assert_eq!(key.fingerprint(&scope, &issuer, &values), slow(&key, &fields));
            }
        }

        #[test]
        fn slots_round_trip(bytes: [u8; 12], id: bool, time in SLOT_BASE_TIME..=SLOT_LAST_TIME) {
            let kind = if id { EntryKind::Id } else { EntryKind::NotBefore };
            let entry = Entry { fingerprint: Fingerprint::from_bytes(bytes), kind, time };
            prop_assert_eq!(Entry::from_slot(&entry.to_slot().unwrap()), Ok(entry));
        }
    }
}
