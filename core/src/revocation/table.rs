//! The exact table of revocations: one writer, any number of readers without a lock, in memory or in a file.
//!
//! The simple algorithm is open addressing. Three departures: (1) places come in groups of 7, described by one
//! 64-bit word of 7 one-byte tags and 8 overflow marks, so a value that is not there is decided from one word;
//! (2) a place is written once and never reused, so no reader can meet half of one entry and half of another;
//! (3) the home group is the fingerprint scaled to the number of groups, which keeps the order of fingerprints:
//! a rebuild reads and writes memory in sequence. docs/revocation-format.md has the bytes.

use super::fingerprint::{Entry, Fingerprint, SLOT_BASE_TIME, split_meta};
use super::region::Region;
use super::state_error::StateError;
use super::sync::{self, AtomicU64, Site};

/// What a table says about one fingerprint, as the latest `iat` that it refuses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NotBefore(i64);

impl NotBefore {
    /// Nothing is known: no token is refused.
    pub const NONE: NotBefore = NotBefore(i64::MIN);
    /// Every token is refused, whenever it was issued.
    pub const ALWAYS: NotBefore = NotBefore(i64::MAX);

    /// Tokens with `iat <= time` (seconds since the Unix epoch) are refused.
    #[must_use]
    pub const fn at(time: i64) -> Self {
        NotBefore(time)
    }

    /// Is a token that was issued at `iat` (`None`: it does not say) refused?
    ///
    /// A token that does not say when it was issued may have been issued before any time.
    #[must_use]
    #[inline]
    pub fn refuses(self, iat: Option<i64>) -> bool {
        self != Self::NONE && iat.is_none_or(|iat| iat <= self.0)
    }
}

/// The bytes before the groups, validated. See docs/revocation-format.md.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TableHeader {
    pub(crate) generation: u64,
    pub(crate) created: i64,
    pub(crate) key_id: [u8; 8],
    pub(crate) groups: usize,
}

/// A table in its memory. Shared by its writer and its readers; only the one writer may call [`upsert`](Self::upsert).
pub(crate) struct Table {
    words: Region,
    header: TableHeader,
    slots_at: usize,
}

/// What [`Table::upsert`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Upsert {
    Inserted,
    Raised,
    Unchanged,
    /// Every group that readers would look at is full.
    NoRoom,
}

impl Table {
    /// Writes an empty table into `words`, which are all zero and as many as [`words_for`] says.
    pub(crate) fn create(words: Region, header: TableHeader) -> Result<Self, StateError> {
        if header.groups == 0 || header.groups > MAX_GROUPS || words.len() != words_for(header.groups) {
            return Err(StateError::Truncated);
        }
        let fields = header.to_words();
        for (word, field) in words.iter().zip(fields) {
            sync::put(word, field);
        }
        Ok(Table { slots_at: slots_at(header.groups), words, header })
    }

    /// The table that `words` hold.
    #[cfg(all(any(unix, windows), not(loom)))]
    pub(crate) fn open(words: Region) -> Result<Self, StateError> {
        if words.len() < GROUPS_AT {
            return Err(StateError::Truncated);
        }
        let mut fields = [0; HEADER_FIELDS];
        for (field, word) in fields.iter_mut().zip(words.iter()) {
            *field = sync::peek(word);
        }
        let header = TableHeader::from_words(&fields)?;
        if words.len() != words_for(header.groups) {
            return Err(StateError::Truncated);
        }
        Ok(Table { slots_at: slots_at(header.groups), words, header })
    }

    pub(crate) fn header(&self) -> &TableHeader {
        &self.header
    }

    /// How many entries it could hold if they spread evenly.
    pub(crate) fn capacity(&self) -> usize {
        self.header.groups * LANES
    }

    /// The latest `iat` that entries for this fingerprint refuse. Takes no lock, allocates nothing, and reads
    /// one word for nearly every fingerprint that is not there.
    #[inline]
    pub(crate) fn lookup(&self, fingerprint: Fingerprint) -> NotBefore {
        let place = Place::of(fingerprint, self.header.groups);
        let words = self.words.words();
        let mut found = NotBefore::NONE;
        let mut group = place.home;
        for step in 1..=MAX_RUN {
            let word = sync::peek(&words[GROUPS_AT + group]);
            let hits = place.hits(word);
            if hits != 0 {
                found = found.max(self.compare(words, group, hits, fingerprint));
            }
            if word & place.mark == 0 {
                break;
            }
            sync::acquire();
            group = self.after(group, step);
        }
        found
    }

    /// Adds an entry, or raises the time of the same fingerprint and kind. The slot is stored before the tag
    /// that shows it, and marks that lead to a group before anything in that group.
    pub(crate) fn upsert(&self, fingerprint: Fingerprint, meta: u32) -> Upsert {
        let place = Place::of(fingerprint, self.header.groups);
        if let Some(slot) = self.find(&place, fingerprint, meta >> KIND_SHIFT) {
            let second = &self.words[slot + 1];
            if upper(sync::peek(second)) >= meta {
                return Upsert::Unchanged;
            }
            sync::put(second, join(fingerprint.tail(), meta));
            return Upsert::Raised;
        }
        let mut group = place.home;
        for step in 1..=MAX_RUN {
            let tags = &self.words[GROUPS_AT + group];
            let word = sync::peek(tags);
            if let Some(lane) = free_lane(word) {
                let slot = self.slot(group, lane);
                sync::put(&self.words[slot], fingerprint.head());
                sync::put(&self.words[slot + 1], join(fingerprint.tail(), meta));
                sync::publish(Site::Tag, tags, word | place.tag << (8 * lane));
                return Upsert::Inserted;
            }
            if word & place.mark == 0 {
                sync::publish(Site::Mark, tags, word | place.mark);
            }
            group = self.after(group, step);
        }
        Upsert::NoRoom
    }

    /// Calls `each` with the fingerprint, kind and time of every entry in one group. For the writer.
    pub(crate) fn for_each_in(&self, group: usize, mut each: impl FnMut(Fingerprint, u32)) {
        let word = sync::observe(&self.words[GROUPS_AT + group]);
        for lane in 0..LANES {
            if word >> (8 * lane) & 0xff == 0 {
                continue;
            }
            let slot = self.slot(group, lane);
            let (first, second) = (sync::peek(&self.words[slot]), sync::peek(&self.words[slot + 1]));
            each(Fingerprint::from_parts(first, lower(second)), upper(second));
        }
    }

    fn compare(
        &self,
        words: &[AtomicU64],
        group: usize,
        mut hits: u64,
        fingerprint: Fingerprint,
    ) -> NotBefore {
        sync::acquire();
        let mut found = NotBefore::NONE;
        while hits != 0 {
            let lane = hits.trailing_zeros() as usize / 8;
            hits &= hits - 1;
            let slot = self.slot(group, lane);
            if sync::peek(&words[slot]) != fingerprint.head() {
                continue;
            }
            let second = sync::peek(&words[slot + 1]);
            if lower(second) == fingerprint.tail() {
                found = found.max(refusal(upper(second)));
            }
        }
        found
    }

    /// The slot that holds this fingerprint with this kind. For the writer.
    fn find(&self, place: &Place, fingerprint: Fingerprint, kind: u32) -> Option<usize> {
        let mut group = place.home;
        for step in 1..=MAX_RUN {
            let word = sync::peek(&self.words[GROUPS_AT + group]);
            let mut hits = place.hits(word);
            while hits != 0 {
                let slot = self.slot(group, hits.trailing_zeros() as usize / 8);
                hits &= hits - 1;
                let second = sync::peek(&self.words[slot + 1]);
                if sync::peek(&self.words[slot]) == fingerprint.head()
                    && lower(second) == fingerprint.tail()
                    && upper(second) >> KIND_SHIFT == kind
                {
                    return Some(slot);
                }
            }
            if word & place.mark == 0 {
                return None;
            }
            group = self.after(group, step);
        }
        None
    }

    /// The group to look at after `step` others: first the next one, then two further, and so on. Growing
    /// steps leave a crowded neighborhood, where single steps would pile up on its far side.
    #[inline]
    fn after(&self, group: usize, step: usize) -> usize {
        let next = group + step;
        if next < self.header.groups { next } else { next % self.header.groups }
    }

    #[inline]
    fn slot(&self, group: usize, lane: usize) -> usize {
        self.slots_at + (group * LANES + lane) * 2
    }
}

impl TableHeader {
    fn to_words(self) -> [u64; HEADER_FIELDS] {
        let mut fields = [
            u64::from_le_bytes(*MAGIC),
            u64::from(VERSION),
            self.generation,
            self.created.cast_unsigned(),
            u64::from_le_bytes(self.key_id),
            self.groups as u64,
            0,
            0,
        ];
        fields[CHECKSUM_FIELD] = checksum(&fields[..CHECKSUM_FIELD]);
        fields
    }

    #[cfg(all(any(unix, windows), not(loom)))]
    fn from_words(fields: &[u64; HEADER_FIELDS]) -> Result<Self, StateError> {
        let [magic, version, generation, created, key_id, groups, _, sum] = *fields;
        if magic.to_le_bytes() != *MAGIC {
            return Err(StateError::NotATable);
        }
        if version != u64::from(VERSION) {
            return Err(StateError::OtherVersion);
        }
        if sum != checksum(&fields[..CHECKSUM_FIELD]) {
            return Err(StateError::Damaged);
        }
        let groups = usize::try_from(groups).map_err(|_| StateError::Damaged)?;
        if groups == 0 || groups > MAX_GROUPS {
            return Err(StateError::Damaged);
        }
        Ok(TableHeader { generation, created: created.cast_signed(), key_id: key_id.to_le_bytes(), groups })
    }
}

/// How many words a table of `groups` groups takes.
pub(crate) const fn words_for(groups: usize) -> usize {
    slots_at(groups) + groups * LANES * 2
}

/// How many groups hold `entries` entries when `percent` of the places are taken.
pub(crate) const fn groups_for(entries: usize, percent: usize) -> usize {
    let groups = entries.saturating_mul(100).div_ceil(LANES * percent);
    if groups < MIN_GROUPS {
        MIN_GROUPS
    } else if groups > MAX_GROUPS {
        MAX_GROUPS
    } else {
        groups
    }
}

/// The first eight bytes of the BLAKE3 hash of the words in little-endian order.
pub(crate) fn checksum(words: &[u64]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for word in words {
        hasher.update(&word.to_le_bytes());
    }
    let mut sum = [0; 8];
    hasher.finalize_xof().fill(&mut sum);
    u64::from_le_bytes(sum)
}

/// The entry that a slot's fingerprint and last 32 bits stand for, if the kind is known.
pub(crate) fn entry(fingerprint: Fingerprint, meta: u32) -> Option<Entry> {
    let (kind, time) = split_meta(meta)?;
    Some(Entry { fingerprint, kind, time })
}

/// Where a fingerprint belongs and what it looks like in a group word.
struct Place {
    home: usize,
    tag: u64,
    mark: u64,
}

impl Place {
    #[inline]
    fn of(fingerprint: Fingerprint, groups: usize) -> Self {
        let head = fingerprint.head();
        let home = (((head >> 32) * groups as u64) >> 32) as usize;
        // Tag 0 is a free lane.
        Place { home, tag: (head & 0xff).max(1), mark: 1 << (8 * LANES) << (head >> 8 & 7) }
    }

    /// The lanes whose tag may be this one, as their top bits: all that are, and rarely one that is not (the
    /// borrow of a real match reaches into the lane above), which the comparison of the slot then finds out.
    #[inline]
    fn hits(&self, word: u64) -> u64 {
        let differences = word ^ self.tag.wrapping_mul(LANE_ONES);
        differences.wrapping_sub(LANE_ONES) & !differences & LANE_TOPS
    }
}

/// The lowest lane whose tag is 0.
#[inline]
fn free_lane(word: u64) -> Option<usize> {
    let free = word.wrapping_sub(LANE_ONES) & !word & LANE_TOPS;
    if free == 0 { None } else { Some(free.trailing_zeros() as usize / 8) }
}

/// What an entry refuses. A kind that this version does not know can only come from damage: refuse.
#[inline]
fn refusal(meta: u32) -> NotBefore {
    match meta >> KIND_SHIFT {
        KIND_NOT_BEFORE => NotBefore(SLOT_BASE_TIME + i64::from(meta & TIME_MASK)),
        _ => NotBefore::ALWAYS,
    }
}

const fn slots_at(groups: usize) -> usize {
    (GROUPS_AT + groups).next_multiple_of(WORDS_PER_LINE)
}

#[inline]
const fn join(tail: u32, meta: u32) -> u64 {
    (meta as u64) << 32 | tail as u64
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
const fn lower(word: u64) -> u32 {
    word as u32
}

#[inline]
const fn upper(word: u64) -> u32 {
    (word >> 32) as u32
}

const MAGIC: &[u8; 8] = b"LTREVTAB";
const VERSION: u32 = 1;
const HEADER_FIELDS: usize = 8;
const CHECKSUM_FIELD: usize = HEADER_FIELDS - 1;

/// Words before the first group word: the header, padded to two cache lines.
const GROUPS_AT: usize = 16;
const WORDS_PER_LINE: usize = 8;
const LANES: usize = 7;
const LANE_ONES: u64 = 0x0001_0101_0101_0101;
const LANE_TOPS: u64 = 0x0080_8080_8080_8080;
const KIND_SHIFT: u32 = 30;
const KIND_NOT_BEFORE: u32 = 2;
const TIME_MASK: u32 = (1 << KIND_SHIFT) - 1;

/// Most groups that a look-up visits; the writer places nothing further from home. The longest of a million
/// look-ups visits 9 at a load of 72%, 19 at 84% and 30 at 90%, the average one 1.2, 1.4 and 1.8.
const MAX_RUN: usize = 64;

/// Fewest groups: below this a few unlucky fingerprints would fill the table early.
const MIN_GROUPS: usize = if cfg!(loom) { 2 } else { 16 };

/// Most groups: 4.7e8 entries, 8 GB. Keeps every size computation far from overflow on 64 bits, and 32-bit
/// targets within their address space.
const MAX_GROUPS: usize = if usize::BITS >= 64 { 1 << 26 } else { 1 << 22 };

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn table(groups: usize) -> Table {
        let header = TableHeader { generation: 1, created: 0, key_id: [0; 8], groups };
        Table::create(Region::heap(words_for(groups)), header).unwrap()
    }

    /// How many groups beyond its home a look-up of this fingerprint visits.
    fn run(table: &Table, fingerprint: Fingerprint) -> usize {
        let place = Place::of(fingerprint, table.header.groups);
        let mut group = place.home;
        let marked = |group: usize| sync::peek(&table.words[GROUPS_AT + group]) & place.mark != 0;
        let mut visited = 0;
        while visited < MAX_RUN && marked(group) {
            visited += 1;
            group = table.after(group, visited);
        }
        visited
    }

    /// At the load of a new table, where a rebuild begins, and where insertions wait for it.
    #[test]
    fn runs_stay_short_up_to_the_highest_load() {
        let entries = if cfg!(miri) { 200 } else { 1_000_000 };
        for (percent, most) in [(72, 12), (84, 24), (90, 48)] {
            let table = table(groups_for(entries, percent));
            let mut random = blake3::Hasher::new().finalize_xof();
            let all: Vec<Fingerprint> = (0..entries)
                .map(|_| {
                    let mut bytes = [0; Fingerprint::BYTES];
                    random.fill(&mut bytes);
                    Fingerprint::from_bytes(bytes)
                })
                .collect();
            for fingerprint in &all {
                assert_eq!(table.upsert(*fingerprint, 1 << KIND_SHIFT), Upsert::Inserted);
            }
            assert!(all.iter().all(|fingerprint| table.lookup(*fingerprint) == NotBefore::ALWAYS));
            let longest = all.iter().map(|fingerprint| run(&table, *fingerprint)).max();
            assert!(longest <= Some(most), "{longest:?} at {percent}%");
        }
    }

    /// Fingerprints that a keyed hash would never give: all in the last group, some with equal tags.
    #[test]
    fn a_full_group_spills_over_the_end_and_room_has_a_limit() {
        let table = table(MIN_GROUPS);
        let crowded = |i: u32| Fingerprint::from_parts(u64::MAX << 32 | u64::from(i % 5), i);
        let room = u32::try_from(MIN_GROUPS * LANES).unwrap();
        for i in 0..room {
            assert_eq!(table.upsert(crowded(i), 1 << KIND_SHIFT), Upsert::Inserted, "{i}");
        }
        for i in 0..room {
            assert_eq!(table.lookup(crowded(i)), NotBefore::ALWAYS);
            assert_eq!(table.lookup(crowded(i + room)), NotBefore::NONE);
        }
        assert_eq!(table.upsert(crowded(room), 1 << KIND_SHIFT), Upsert::NoRoom);
        assert_eq!(table.upsert(crowded(0), 1 << KIND_SHIFT), Upsert::Unchanged);
        let mut seen = 0;
        (0..MIN_GROUPS).for_each(|group| table.for_each_in(group, |_, _| seen += 1));
        assert_eq!(seen, room);
    }

    /// Every word pattern and tag: the quick comparison finds all the lanes that a slow one finds, and what it
    /// finds beyond lies above a true one.
    #[test]
    fn tags_are_found_as_by_comparing_each() {
        let mut random = blake3::Hasher::new().finalize_xof();
        for _ in 0..if cfg!(miri) { 200 } else { 20_000 } {
            let mut bytes = [0; 9];
            random.fill(&mut bytes);
            let [tag, lanes @ ..] = bytes.map(|byte| byte % 4);
            let place = Place { home: 0, tag: u64::from(tag.max(1)), mark: 0 };
            let word = u64::from_le_bytes(lanes);
            let slow = |wanted: u8| (0..LANES).filter(move |lane| lanes[*lane] == wanted);
            let hits = place.hits(word);
            let quick = |lane: &usize| hits >> (8 * lane + 7) & 1 != 0;
            assert!(slow(tag.max(1)).all(|lane| quick(&lane)));
            assert_eq!((0..LANES).find(quick), slow(tag.max(1)).next());
            assert_eq!(hits & !LANE_TOPS, 0);
            assert_eq!(free_lane(word), slow(0).next());
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(groups_for(0, 72), MIN_GROUPS);
        assert_eq!(groups_for(1_000_000, 72), 198_413);
        assert_eq!(groups_for(usize::MAX, 72), MAX_GROUPS);
        let header = TableHeader { generation: 1, created: 0, key_id: [0; 8], groups: 16 };
        let wrong = Region::heap(words_for(16) - 1);
        assert_eq!(Table::create(wrong, header).err(), Some(StateError::Truncated));
    }
}
