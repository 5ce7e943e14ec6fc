//! From a hash to the places of entries: sets of slots, each set one cache line.
//!
//! A slot changes only by exchange, and holds everything that may change about an entry: whether it is there,
//! where, and how often it was asked for. Places are never used twice, so an exchange that expects a slot's
//! old word cannot meet another entry.

use super::RingName;
use super::ring::END_OF_PLACES;
use super::sync::{AtomicU64, LINE_WORDS, Lines, exchange, observe, peek, publish, publish_if};

/// Slots of one set: a cache line.
pub(super) const WAYS: usize = LINE_WORDS;

/// An entry counts up to this many hits: two bits, as in the S3-FIFO paper.
const MAX_FREQUENCY: u64 = 3;

const RING_SHIFT: u32 = END_OF_PLACES.trailing_zeros();
const FREQUENCY_SHIFT: u32 = RING_SHIFT + 1;
const TAG_SHIFT: u32 = FREQUENCY_SHIFT + 2;

pub(super) struct Index {
    lines: Lines,
    sets: u64,
}

/// From the lowest bit: 51 bits of place, one of ring, two of frequency, ten of hash. 0 is an empty slot; no
/// entry has place 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u64);

impl Index {
    pub(super) fn new(sets: usize) -> Index {
        Index { lines: Lines::new(sets), sets: sets as u64 }
    }

    /// The slots that may hold the entry looked for.
    #[inline]
    pub(super) fn candidates(&self, hash: u64) -> impl Iterator<Item = (&AtomicU64, Slot)> {
        let set = self.set(hash);
        let home = Index::home(hash);
        // Most entries are in their home slot: the processor guesses so and goes on to the entry at once.
        let first = set.and_then(|set| set.get(home)).and_then(|word| Slot::matching(word, hash));
        let mut others = None;
        let rest = core::iter::from_fn(move || {
            let set = set?;
            // All ways are looked at before one is followed: which way it is cannot be guessed, and eight words
            // of a line are compared in the time of one wrong guess.
            let ways = others.get_or_insert_with(|| {
                set.iter().enumerate().fold(0_u32, |ways, (way, word)| {
                    ways | u32::from(way != home && Slot(peek(word)).has_tag_of(hash)) << way
                })
            });
            while *ways != 0 {
                let way = ways.trailing_zeros() as usize;
                *ways &= *ways - 1;
                if let Some(found) = Slot::matching(set.get(way)?, hash) {
                    return Some(found);
                }
            }
            None
        });
        first.into_iter().chain(rest)
    }

    /// The slot of the entry at a place; `None` if it was removed.
    pub(super) fn locate(&self, hash: u64, ring: RingName, place: u64) -> Option<(&AtomicU64, Slot)> {
        let entry = Slot::new(hash, ring, place, 0);
        self.candidates(hash).find(|(_, slot)| slot.same_entry(entry))
    }

    /// Makes a new entry visible, in an empty slot of its set or in place of the entry that is worth least.
    /// Returns whether an entry had to go.
    pub(super) fn insert(&self, hash: u64, ring: RingName, place: u64) -> bool {
        let new = Slot::new(hash, ring, place, 0);
        let home = Index::home(hash);
        let worth = |(way, word): &(usize, &AtomicU64)| (Slot(peek(word)).worth(), *way != home);
        let worst = self.set(hash).and_then(|set| set.iter().enumerate().min_by_key(worth));
        worst.is_some_and(|(_, word)| Slot(publish(word, new.0)) != Slot::EMPTY)
    }

    /// Removes all entries that are there now; returns how many.
    pub(super) fn clear(&self) -> u64 {
        self.lines
            .at(0)
            .unwrap_or(&[])
            .iter()
            .map(|word| u64::from(Slot(publish(word, 0)) != Slot::EMPTY))
            .sum()
    }

    #[inline]
    fn set(&self, hash: u64) -> Option<&[AtomicU64; WAYS]> {
        // The top half of the hash as a fraction of the sets.
        let set = ((hash >> 32) * self.sets) >> 32;
        self.lines.at(usize::try_from(set).ok()?)?.first_chunk()
    }

    /// Where an entry goes in its set if it can: bits of the hash that neither the set nor the tag takes.
    #[inline]
    fn home(hash: u64) -> usize {
        usize::from(hash.to_le_bytes()[2]) % WAYS
    }
}

impl Slot {
    const EMPTY: Slot = Slot(0);

    /// What a slot holds, if it may be an entry with this hash.
    #[inline]
    fn matching(word: &AtomicU64, hash: u64) -> Option<(&AtomicU64, Slot)> {
        let slot = Slot(observe(word));
        (slot != Slot::EMPTY && slot.has_tag_of(hash)).then_some((word, slot))
    }

    fn new(hash: u64, ring: RingName, place: u64, frequency: u64) -> Slot {
        let ring = u64::from(ring == RingName::Main);
        Slot(hash << TAG_SHIFT | frequency << FREQUENCY_SHIFT | ring << RING_SHIFT | place)
    }

    #[inline]
    pub(super) fn ring(self) -> RingName {
        if self.0 >> RING_SHIFT & 1 == 0 { RingName::Small } else { RingName::Main }
    }

    #[inline]
    pub(super) fn place(self) -> u64 {
        self.0 & (END_OF_PLACES - 1)
    }

    #[inline]
    pub(super) fn frequency(self) -> u64 {
        self.0 >> FREQUENCY_SHIFT & MAX_FREQUENCY
    }

    /// Counts a hit. Writes only while that changes something, so that a hot entry's line stays shared.
    #[inline]
    pub(super) fn count(self, word: &AtomicU64) {
        if self.frequency() < MAX_FREQUENCY {
            // Lost to another thread's count now and then: it says the same.
            let _ = exchange(word, self.0, self.0 + (1 << FREQUENCY_SHIFT));
        }
    }

    /// Removes the entry from its slot; `false` if somebody else did.
    pub(super) fn remove(self, word: &AtomicU64) -> bool {
        self.replace(|current| exchange(word, current, 0))
    }

    /// Directs the slot to the entry's copy; `false` if the entry was removed in the meantime.
    pub(super) fn redirect(
        self,
        word: &AtomicU64,
        hash: u64,
        ring: RingName,
        place: u64,
        frequency: u64,
    ) -> bool {
        let new = Slot::new(hash, ring, place, frequency);
        self.replace(|current| publish_if(word, current, new.0))
    }

    /// Tries again while only the count has changed.
    fn replace(self, attempt: impl Fn(u64) -> Result<u64, u64>) -> bool {
        let mut current = self.0;
        loop {
            match attempt(current) {
                Ok(_) => return true,
                Err(now) if Slot(now).same_entry(self) => current = now,
                Err(_) => return false,
            }
        }
    }

    #[inline]
    fn has_tag_of(self, hash: u64) -> bool {
        (self.0 ^ hash << TAG_SHIFT) >> TAG_SHIFT == 0
    }

    fn same_entry(self, other: Slot) -> bool {
        (self.0 ^ other.0) & !(MAX_FREQUENCY << FREQUENCY_SHIFT) == 0
    }

    /// What is lost when another entry takes the slot.
    fn worth(self) -> u64 {
        match self.ring() {
            _ if self == Slot::EMPTY => 0,
            RingName::Small => 1 + self.frequency(),
            RingName::Main => 2 + MAX_FREQUENCY + self.frequency(),
        }
    }
}
