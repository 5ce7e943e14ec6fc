//! The warm table: tokens that verified before, so that their signature need not be checked again.
//!
//! The simple algorithm is a map from the whole token to a few words about it, under one lock, with the
//! least useful entries dropped. Departures:
//! - fixed memory: entries lie one after another in two rings of words, so nothing is allocated after set-up
//!   and nothing fragments; an entry's place is given up when its ring's tail passes it (ring.rs);
//! - no lock on a hit: readers copy words out and then look whether the tail has passed the entry meanwhile.
//!   A writer that finds another one at work does not wait but leaves its token out;
//! - eviction is S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023):
//!   newcomers pass through a small ring, and only those that are asked for again reach the main one, so a
//!   flood of one-time tokens cannot push out the working set;
//! - the index is made from 16 characters of the signature with a secret seed: a signature is as good as
//!   random, and without the seed nobody can choose tokens that meet in one set. The **whole token** is
//!   compared, so a collision costs time and never a verdict.
//!
//! What an entry means is the caller's business: this module stores bytes and words, and knows no time, key or
//! policy.

mod index;
mod ring;
mod sync;

#[cfg(all(test, not(loom), not(miri)))]
mod hit_rate;
#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

use core::sync::atomic::{AtomicU64 as Counter, Ordering};
use std::sync::TryLockError;

use index::{Index, Slot, WAYS};
use ring::{Ends, Ring, Shape};
use sync::{AtomicU64, LINE_WORDS, Mutex};

/// Tokens with words about them, found again by their bytes. Shared by any number of threads.
pub(crate) struct WarmTable {
    keying: Keying,
    seed: [u64; 2],
    index: Index,
    small: Ring,
    main: Ring,
    /// An entry that takes more cache lines than this is not kept.
    largest_lines: u64,
    bytes: usize,
    writer: Mutex<Writer>,
    counters: Counters,
}

/// What a table is made from.
#[derive(Clone)]
pub(crate) struct WarmConfig {
    /// Memory that the table may take, in bytes; 0 turns it off.
    pub(crate) bytes: usize,
    /// Entries that the index is made for; `None` derives it from `bytes`. From about one and a half times as
    /// many on, newcomers displace others even where the rings have room.
    pub(crate) entries: Option<usize>,
    /// What stands for a token in its entry.
    pub(crate) keying: Keying,
    /// Secret and random.
    pub(crate) seed: [u8; 16],
}

/// What stands for a token in its entry.
#[derive(Clone)]
pub(crate) enum Keying {
    /// Its bytes: the fastest, and no argument about collisions is needed.
    WholeToken,
    /// Its BLAKE3 hash under this secret and random key: 32 bytes, for hosts with little memory. Costs some
    /// hundred nanoseconds a token; equal hashes of different tokens would be a break of BLAKE3.
    Digest([u8; 32]),
}

/// An entry that holds the token looked for. Its words stay readable until the entry is overwritten.
#[derive(Clone, Copy)]
pub(crate) struct Hit {
    ring: RingName,
    place: u64,
    value_words: usize,
}

/// What has happened since the table was made. Hits are not among it: counting them here would make every
/// hit write to memory that all threads share, so callers count their own.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct WarmStats {
    /// Tokens taken in.
    pub(crate) inserted: u64,
    /// Tokens dropped to make room.
    pub(crate) evicted: u64,
    /// Tokens removed by a caller, or replaced.
    pub(crate) removed: u64,
    /// Tokens left out because another thread was inserting.
    pub(crate) skipped: u64,
    /// Tokens in the table.
    pub(crate) entries: u64,
    /// Memory that the table takes, in bytes.
    pub(crate) bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RingName {
    Small,
    Main,
}

/// What only the writer needs.
struct Writer {
    small: Ends,
    main: Ends,
    /// Parts of the hashes of tokens that were dropped for want of hits, 0 where there is none: who of them
    /// comes back goes straight to the main ring.
    ghosts: Box<[u16]>,
}

/// Changed by writers only. These are `core`'s atomics under loom as well: no reader relies on them.
#[repr(align(64))]
#[derive(Default)]
struct Counters {
    inserted: Counter,
    evicted: Counter,
    removed: Counter,
    skipped: Counter,
}

/// How many cache lines and sets a table has.
struct Sizes {
    sets: usize,
    small_lines: usize,
    main_lines: usize,
}

/// An entry at the tail of its ring.
struct Oldest {
    place: u64,
    hash: u64,
    shape: Shape,
}

/// Entries that one insertion may still keep by moving them.
struct Moves(u32);

/// Keys of fewer bytes are not kept: they lack the characters that the index is made from. No token with a
/// signature is so short.
const MIN_KEY_BYTES: usize = HASHED_BYTES + SKIPPED_BYTES;

/// Bytes of the signature that make the hash: 96 random bits.
const HASHED_BYTES: usize = 16;

/// The last characters of a signature carry fixed bits (padding; the top of an Ed25519 scalar, RFC 8032
/// §5.1.6), so they are left out.
const SKIPPED_BYTES: usize = 6;

/// A table of fewer bytes could not keep tokens of 600 bytes.
const MIN_BYTES: usize = 16 * 1024;

/// Bytes per entry, for the default size of the index: a token of 600 bytes with its claims.
const TYPICAL_WHOLE_BYTES: usize = 1024;

/// The same where a digest stands for the token.
const TYPICAL_DIGEST_BYTES: usize = 512;

/// Index slots per entry. Half full, a set of eight overflows for fewer than one entry in a hundred.
const SLOTS_PER_ENTRY: usize = 2;

/// A slot of the index and one of the ghosts.
const BYTES_PER_SLOT: usize = size_of::<u64>() + size_of::<u16>();

/// The small ring's share of the memory, in percent, as the S3-FIFO paper found best over many traces.
const SMALL_PERCENT: usize = 10;

/// Hits that take an entry from the small ring to the main one, as in the paper: used once and again soon
/// after is not yet worth keeping.
const HITS_TO_PROMOTE: u64 = 2;

/// Most entries that one insertion moves, so that none takes long: 16 copies of 1 KiB take about 1 us. Past
/// that, entries are dropped.
const MAX_MOVES: u32 = 16;

/// Most cache lines of an entry: 1 MiB, more than the longest token with the most claims takes.
const LARGEST_ENTRY_LINES: u64 = 1 << 14;

const LINE_BYTES: usize = LINE_WORDS * size_of::<u64>();

impl WarmTable {
    /// A table that takes about as much memory as configured, all of it now; `None` if that is 0 or too
    /// little to be of use (16 KiB).
    pub(crate) fn new(config: &WarmConfig) -> Option<WarmTable> {
        if config.bytes < MIN_BYTES {
            return None;
        }
        let typical = match config.keying {
            Keying::WholeToken => TYPICAL_WHOLE_BYTES,
            Keying::Digest(_) => TYPICAL_DIGEST_BYTES,
        };
        let wanted = config.entries.unwrap_or(config.bytes / typical).saturating_mul(SLOTS_PER_ENTRY);
        // The index never takes more than half.
        let sets = wanted.min(config.bytes / 2 / BYTES_PER_SLOT).div_ceil(WAYS).max(1);
        let lines = (config.bytes - sets * WAYS * BYTES_PER_SLOT) / LINE_BYTES;
        let small_lines = lines * SMALL_PERCENT / 100;
        let sizes = Sizes { sets, small_lines, main_lines: lines - small_lines };
        Some(WarmTable::with_sizes(&sizes, config.keying.clone(), config.seed))
    }

    fn with_sizes(sizes: &Sizes, keying: Keying, seed: [u8; 16]) -> WarmTable {
        let (small, small_ends) = Ring::new(sizes.small_lines);
        let (main, main_ends) = Ring::new(sizes.main_lines);
        let slots = sizes.sets * WAYS;
        let seed = u128::from_le_bytes(seed);
        WarmTable {
            keying,
            seed: halves(seed),
            index: Index::new(sizes.sets),
            // Half of the small ring, so that one large token does not clear it.
            largest_lines: (small.len() / 2).min(LARGEST_ENTRY_LINES),
            small,
            main,
            bytes: slots * BYTES_PER_SLOT + (sizes.small_lines + sizes.main_lines) * LINE_BYTES,
            writer: Mutex::new(Writer { small: small_ends, main: main_ends, ghosts: vec![0; slots].into() }),
            counters: Counters::default(),
        }
    }

    /// Finds `token` and copies the first words of its value into `head`, as many as both have. What `head`
    /// holds without a hit is unspecified.
    ///
    /// Never waits, and never allocates.
    #[inline]
    pub(crate) fn find<const WORDS: usize>(&self, token: &[u8], head: &mut [u64; WORDS]) -> Option<Hit> {
        match &self.keying {
            Keying::WholeToken => self.find_key(token, head),
            Keying::Digest(secret) => self.find_key(blake3::keyed_hash(secret, token).as_bytes(), head),
        }
    }

    /// Copies `out.len()` words of a hit's value, from word `from` on; `false` if it has fewer, or if the entry
    /// was overwritten since it was found, and `out` is then unspecified.
    pub(crate) fn read(&self, hit: Hit, from: usize, out: &mut [u64]) -> bool {
        let ring = self.ring(hit.ring);
        ring.entry(hit.place).is_some_and(|entry| entry.copy_value(from, out)) && ring.holds(hit.place)
    }

    /// Keeps `value` with `token`, in place of what was kept with it before. Leaves the token out, and still
    /// forgets what was kept before, while another thread inserts, and if it is too large for the table.
    ///
    /// Never waits, and never allocates. Takes time in proportion to the entry's size, with a fixed bound for
    /// other entries that are moved to make room.
    pub(crate) fn insert(&self, token: &[u8], value: &[u64]) {
        match &self.keying {
            Keying::WholeToken => self.insert_key(token, value),
            Keying::Digest(secret) => self.insert_key(blake3::keyed_hash(secret, token).as_bytes(), value),
        }
    }

    /// Forgets `token`: no [`WarmTable::find`] that starts after the return finds what was there before.
    pub(crate) fn remove(&self, token: &[u8]) {
        match &self.keying {
            Keying::WholeToken => self.remove_key(token),
            Keying::Digest(secret) => self.remove_key(blake3::keyed_hash(secret, token).as_bytes()),
        }
    }

    /// Forgets all tokens, in the sense of [`WarmTable::remove`]. Takes time in proportion to the table.
    pub(crate) fn clear(&self) {
        Counters::add(&self.counters.removed, self.index.clear());
    }

    /// What has happened so far. While other threads write, the numbers may not add up.
    pub(crate) fn stats(&self) -> WarmStats {
        let of = |counter: &Counter| counter.load(Ordering::Relaxed);
        let Counters { inserted, evicted, removed, skipped } = &self.counters;
        let (inserted, evicted, removed) = (of(inserted), of(evicted), of(removed));
        let entries = inserted.saturating_sub(evicted).saturating_sub(removed);
        WarmStats { inserted, evicted, removed, skipped: of(skipped), entries, bytes: self.bytes }
    }

    #[inline]
    fn find_key<const WORDS: usize>(&self, key: &[u8], head: &mut [u64; WORDS]) -> Option<Hit> {
        let hash = self.hash(key)?;
        for (word, slot) in self.index.candidates(hash) {
            let (ring, place) = (self.ring(slot.ring()), slot.place());
            let Some(entry) = ring.entry(place) else { continue };
            if entry.hash != hash || !entry.has_key(key) {
                continue;
            }
            if entry.copy_head(head) && ring.holds(place) {
                slot.count(word);
                return Some(Hit { ring: slot.ring(), place, value_words: entry.shape.value_words });
            }
        }
        None
    }

    fn insert_key(&self, key: &[u8], value: &[u64]) {
        let Some(hash) = self.hash(key) else { return };
        let shape = Shape { key_bytes: key.len(), value_words: value.len() };
        if shape.lines() > self.largest_lines {
            self.remove_key(key);
            return;
        }
        let mut guard = match self.writer.try_lock() {
            Ok(guard) => guard,
            // Nothing panics while it holds the lock; if it did, the entry at work was not yet in the index.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.remove_key(key);
                Counters::add(&self.counters.skipped, 1);
                return;
            }
        };
        let writer = &mut *guard;
        // Under the lock, so that no two slots ever hold the same token.
        self.remove_key(key);
        let name = if writer.take_ghost(hash) { RingName::Main } else { RingName::Small };
        let Some(place) = self.make_room(name, shape.lines(), writer) else { return };
        self.ring(name).write(place, hash, key, value);
        let displaced = self.index.insert(hash, name, place);
        Counters::add(&self.counters.inserted, 1);
        Counters::add(&self.counters.evicted, u64::from(displaced));
    }

    fn remove_key(&self, key: &[u8]) {
        let Some(hash) = self.hash(key) else { return };
        // Again only if another thread changed a slot at that moment, to move the entry or to remove it.
        while !self.try_to_remove(key, hash) {}
    }

    /// Empties the slots that hold the key, or may: an entry that is being moved cannot be compared, so its slot
    /// is emptied unseen, or the move would bring it back. `false` if a slot changed meanwhile.
    fn try_to_remove(&self, key: &[u8], hash: u64) -> bool {
        self.index.candidates(hash).all(|(word, slot)| {
            let (ring, place) = (self.ring(slot.ring()), slot.place());
            let has_key = ring.entry(place).is_some_and(|entry| entry.hash == hash && entry.has_key(key));
            if !has_key && ring.holds(place) {
                return true;
            }
            let is_removed = slot.remove(word);
            Counters::add(&self.counters.removed, u64::from(is_removed));
            is_removed
        })
    }

    /// A folded multiplication of 16 bytes near the end of the key, each half mixed with half of the seed.
    #[inline]
    fn hash(&self, key: &[u8]) -> Option<u64> {
        let (_, end) = key.split_at_checked(key.len().checked_sub(MIN_KEY_BYTES)?)?;
        let (words, _) = end.as_chunks::<8>();
        let [first, second, ..] = words else { return None };
        let [a, b] = self.seed;
        let product =
            u128::from(u64::from_le_bytes(*first) ^ a) * u128::from(u64::from_le_bytes(*second) ^ b);
        let [low, high] = halves(product);
        Some(low ^ high)
    }

    #[inline]
    fn ring(&self, name: RingName) -> &Ring {
        match name {
            RingName::Small => &self.small,
            RingName::Main => &self.main,
        }
    }

    /// Room for a new entry, made by moving on or dropping what is oldest. `None` if no more places are left.
    fn make_room(&self, name: RingName, lines: u64, writer: &mut Writer) -> Option<u64> {
        let mut moves = Moves(MAX_MOVES);
        match name {
            RingName::Small => self.make_room_in_small(lines, writer, &mut moves),
            RingName::Main => self.make_room_in_main(lines, writer, &mut moves),
        }
    }

    fn make_room_in_small(&self, lines: u64, writer: &mut Writer, moves: &mut Moves) -> Option<u64> {
        loop {
            if let Some(place) = self.small.reserve(&mut writer.small, lines) {
                return Some(place);
            }
            let oldest = Oldest::of(&self.small, &writer.small)?;
            self.retire_from_small(&oldest, writer, moves);
        }
    }

    fn make_room_in_main(&self, lines: u64, writer: &mut Writer, moves: &mut Moves) -> Option<u64> {
        loop {
            if let Some(place) = self.main.reserve(&mut writer.main, lines) {
                return Some(place);
            }
            let oldest = Oldest::of(&self.main, &writer.main)?;
            self.retire_from_main(&oldest, writer, moves);
        }
    }

    /// To the main ring if it was asked for, or if that ring is not full yet; else away.
    fn retire_from_small(&self, oldest: &Oldest, writer: &mut Writer, moves: &mut Moves) {
        let Oldest { place, hash, shape } = *oldest;
        if let Some((word, slot)) = self.index.locate(hash, RingName::Small, place) {
            let to = if slot.frequency() >= HITS_TO_PROMOTE && moves.take_one() {
                self.make_room_in_main(shape.lines(), writer, moves)
            } else {
                self.main.reserve(&mut writer.main, shape.lines())
            };
            if let Some(to) = to {
                self.main.copy(to, &self.small, place, shape);
                slot.redirect(word, hash, RingName::Main, to, 0);
            } else {
                self.evict(word, slot, hash, writer);
            }
        }
        self.small.drop_oldest(&writer.small, shape.lines());
    }

    /// To the young end of the same ring if it was asked for since it came or last moved; else away.
    fn retire_from_main(&self, oldest: &Oldest, writer: &mut Writer, moves: &mut Moves) {
        let Oldest { place, hash, shape } = *oldest;
        let found = self.index.locate(hash, RingName::Main, place);
        // Given up first: the copy may lie where the original lies.
        self.main.drop_oldest(&writer.main, shape.lines());
        let Some((word, slot)) = found else { return };
        if slot.frequency() > 0 && moves.take_one() {
            // There is room for it except where the lap ends; there it is dropped, and remembered.
            if let Some(to) = self.main.reserve(&mut writer.main, shape.lines()) {
                self.main.copy(to, &self.main, place, shape);
                slot.redirect(word, hash, RingName::Main, to, slot.frequency() - 1);
                return;
            }
        }
        self.evict(word, slot, hash, writer);
    }

    fn evict(&self, word: &AtomicU64, slot: Slot, hash: u64, writer: &mut Writer) {
        if slot.remove(word) {
            Counters::add(&self.counters.evicted, 1);
        }
        // What leaves the main ring unasked for is old, not new; the paper forgets it too.
        if slot.ring() == RingName::Small || slot.frequency() > 0 {
            writer.add_ghost(hash);
        }
    }
}

impl Hit {
    /// How many words are kept with the token.
    pub(crate) fn value_words(self) -> usize {
        self.value_words
    }
}

impl Writer {
    fn add_ghost(&mut self, hash: u64) {
        let (at, ghost) = self.ghost_of(hash);
        self.ghosts.get_mut(at).into_iter().for_each(|known| *known = ghost);
    }

    /// Whether a token with this hash was dropped not long ago. Asks only once.
    fn take_ghost(&mut self, hash: u64) -> bool {
        let (at, ghost) = self.ghost_of(hash);
        self.ghosts.get_mut(at).is_some_and(|known| *known == ghost && core::mem::take(known) != 0)
    }

    fn ghost_of(&self, hash: u64) -> (usize, u16) {
        let [a, b, _, _, c @ ..] = hash.to_le_bytes();
        let at = (u64::from(u32::from_le_bytes(c)) * self.ghosts.len() as u64) >> 32;
        (usize::try_from(at).unwrap_or(0), u16::from_le_bytes([a, b]) | 1)
    }
}

impl Counters {
    fn add(counter: &Counter, count: u64) {
        if count != 0 {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }
}

impl Oldest {
    fn of(ring: &Ring, ends: &Ends) -> Option<Oldest> {
        let place = ring.oldest(ends)?;
        let entry = ring.entry(place)?;
        Some(Oldest { place, hash: entry.hash, shape: entry.shape })
    }
}

impl Moves {
    fn take_one(&mut self) -> bool {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// The low and the high half.
#[inline]
fn halves(wide: u128) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, high @ ..] = wide.to_le_bytes();
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(high)]
}
