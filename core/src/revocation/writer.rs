//! The one writer of live revocation state: adds entries, acknowledges sequences, and rebuilds the table in
//! small steps when it grows full or its entries have expired.
//!
//! The library starts no thread, so a rebuild is spread over the writer's own calls: first a survey counts what
//! is still needed, then a copy fills a new table, while every new entry goes to both. Readers see none of it
//! until the new table holds everything and one store directs them to it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::control::{CONTROL_WORDS, Control, ControlHeader, Moment, Stamp};
use super::fingerprint::{Entry, EntryKind};
use super::live::Live;
#[cfg(all(any(unix, windows), not(loom)))]
use super::mapped::WriterFiles;
use super::region::Region;
use super::state_error::StateError;
use super::table::{Table, TableHeader, Upsert, entry, groups_for, words_for};
use crate::limits::MAX_LEEWAY_SECONDS;

/// What a writer needs to know about the tokens it serves.
#[derive(Clone, Copy, Debug)]
pub struct WriterSettings {
    /// The public id of the fingerprint key.
    pub key_id: [u8; 8],
    /// How long a not-before is kept, in seconds: the longest lifetime of the tokens concerned.
    /// [`ScopeSet::retention_seconds`](super::ScopeSet::retention_seconds) has it.
    pub retention_seconds: u32,
    /// How many entries to have room for at least; the table grows beyond and shrinks back by itself.
    pub expected_entries: usize,
}

/// The writer of live revocation state. There is one; for a mapped state a file lock sees to that.
pub struct Writer {
    live: Arc<Live>,
    table: Arc<Table>,
    used: usize,
    work: Work,
    storage: Storage,
    settings: WriterSettings,
    sequence: u64,
    as_of: i64,
    published: bool,
    inserted_since_commit: usize,
    /// How many rebuilds in a row were given up because the new table was too small: the next one is larger.
    setbacks: usize,
}

/// What [`Writer::insert`] changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// The entry is new.
    Inserted,
    /// The entry was there with an earlier time.
    Raised,
    /// The entry was there with the same or a later time.
    Unchanged,
}

/// Numbers about a live state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriterStats {
    /// Entries in the table, those that have expired and were not dropped yet included.
    pub entries: usize,
    /// Bytes of the table. While it is rebuilt there is a second one.
    pub bytes: usize,
    /// How many tables there have been.
    pub generation: u64,
    /// Is a rebuild under way?
    pub rebuilding: bool,
}

impl Writer {
    /// State in the memory of this process. Readers find it stale until the first [`commit`](Self::commit).
    ///
    /// # Errors
    /// [`StateError::Full`] if more entries are expected than a table can hold.
    pub fn in_memory(settings: WriterSettings, now: i64) -> Result<Self, StateError> {
        let header = ControlHeader { created: now, key_id: settings.key_id, boot: 0 };
        let live = Live {
            control: Control::create(Region::heap(CONTROL_WORDS), header)?,
            table: ArcSwapOption::empty(),
            #[cfg(all(any(unix, windows), not(loom)))]
            files: None,
        };
        Self::start(Arc::new(live), Storage::Heap, settings, Moment::START, now)
    }

    /// A writer with an empty table of the generation after `last`, which the first commit will publish.
    pub(crate) fn start(
        live: Arc<Live>,
        mut storage: Storage,
        settings: WriterSettings,
        last: Moment,
        now: i64,
    ) -> Result<Self, StateError> {
        let header = TableHeader {
            generation: last.stamp.generation + 1,
            created: now,
            key_id: settings.key_id,
            groups: groups_for(settings.expected_entries, TARGET_PERCENT),
        };
        let table = Arc::new(storage.create(header)?);
        Ok(Writer {
            live,
            table,
            used: 0,
            work: Work::Idle,
            storage,
            settings,
            sequence: 0,
            as_of: last.as_of,
            published: false,
            inserted_since_commit: 0,
            setbacks: 0,
        })
    }

    /// A writer that goes on with a published table.
    #[cfg(all(any(unix, windows), not(loom)))]
    pub(crate) fn adopt(
        live: Arc<Live>,
        table: Arc<Table>,
        storage: Storage,
        settings: WriterSettings,
        last: Moment,
    ) -> Self {
        let mut used = 0;
        for group in 0..table.header().groups {
            table.for_each_in(group, |_, _| used += 1);
        }
        Writer {
            live,
            table,
            used,
            work: Work::Idle,
            storage,
            settings,
            sequence: last.stamp.sequence,
            as_of: last.as_of,
            published: true,
            inserted_since_commit: 0,
            setbacks: 0,
        }
    }

    /// The state that this writer writes, for readers in the same process.
    #[must_use]
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// The last acknowledged sequence that the table still has: where to continue the event log. 0 if it must
    /// be loaded from the beginning.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Adds an entry, or raises the time of the one that is there. Readers may see it at once; they will from
    /// the next [`commit`](Self::commit) on.
    ///
    /// # Errors
    /// [`StateError::Slot`] if the entry's time cannot be held; [`StateError::Full`] at the largest size;
    /// [`StateError::Io`] if a larger file cannot be made. The table is as good as before.
    pub fn insert(&mut self, entry: &Entry) -> Result<Change, StateError> {
        let meta = entry.meta()?;
        if self.used * 100 >= self.table.capacity() * LAST_PERCENT {
            self.finish_rebuild()?;
        }
        let mut upsert = self.table.upsert(entry.fingerprint, meta);
        if upsert == Upsert::NoRoom {
            self.finish_rebuild()?;
            upsert = self.table.upsert(entry.fingerprint, meta);
        }
        let change = match upsert {
            Upsert::Inserted => Change::Inserted,
            Upsert::Raised => Change::Raised,
            Upsert::Unchanged => Change::Unchanged,
            Upsert::NoRoom => return Err(StateError::Full),
        };
        self.used += usize::from(change == Change::Inserted);
        self.inserted_since_commit += 1;
        if let Work::Copy(copy) = &mut self.work
            && !copy.add(entry.fingerprint, meta)
        {
            // More came in than the survey had reckoned with.
            self.work = Work::Idle;
            self.setbacks += 1;
        }
        Ok(change)
    }

    /// Acknowledges everything inserted so far as events up to `sequence`, complete as of `as_of` (seconds
    /// since the Unix epoch): every check that begins after this call sees it. With an unchanged sequence it
    /// is a heartbeat. `as_of` never goes back.
    ///
    /// Afterwards, a share of a rebuild that is due is done.
    ///
    /// # Errors
    /// [`StateError::SequenceBackwards`], with nothing changed. [`StateError::Io`] and [`StateError::Full`]
    /// can come from the rebuild alone: the commit itself is then done.
    pub fn commit(&mut self, sequence: u64, as_of: i64) -> Result<(), StateError> {
        if sequence < self.sequence {
            return Err(StateError::SequenceBackwards);
        }
        self.sequence = sequence;
        self.as_of = self.as_of.max(as_of);
        if !self.published {
            self.live.publish(&self.table);
            self.published = true;
            self.storage.retire_all_but(self.table.header().generation);
        }
        self.live.control.publish_sequence(sequence, self.as_of);
        let inserted = core::mem::take(&mut self.inserted_since_commit);
        let full = self.used * 100 >= self.table.capacity() * HIGH_PERCENT;
        match self.work {
            Work::Idle if full => self.work = Work::Survey(Survey::default()),
            Work::Idle => return Ok(()),
            Work::Survey(_) | Work::Copy(_) => {}
        }
        self.step(inserted.saturating_mul(GROUPS_PER_INSERT))
    }

    /// Looks through `groups` groups of 7 entries for expired ones, and rebuilds the table without them when
    /// they are a quarter of it. Called now and then (4,096 groups, about 0.2 ms, each second go through a
    /// million entries in 48 s), it keeps memory flat where few events come in.
    ///
    /// # Errors
    /// As for the rebuild in [`commit`](Self::commit).
    pub fn maintain(&mut self, groups: usize) -> Result<(), StateError> {
        if matches!(self.work, Work::Idle) {
            self.work = Work::Survey(Survey::default());
        }
        self.step(groups)
    }

    /// Does at once whatever is left of a rebuild, starting one if none is under way.
    ///
    /// # Errors
    /// [`StateError::Full`] at the largest size; [`StateError::Io`] if a file cannot be made.
    pub fn finish_rebuild(&mut self) -> Result<(), StateError> {
        let before = self.table.header().generation;
        for _ in 0..MAX_REBUILDS {
            if let Work::Idle = self.work {
                self.work = Work::Survey(Survey { rebuild: Rebuild::Always, ..Survey::default() });
            }
            if let Work::Survey(survey) = &mut self.work {
                survey.rebuild = Rebuild::Always;
            }
            self.step(usize::MAX)?;
            if self.table.header().generation != before {
                return Ok(());
            }
        }
        Err(StateError::Full)
    }

    /// Numbers for the operator.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        WriterStats {
            entries: self.used,
            bytes: words_for(self.table.header().groups) * size_of::<u64>(),
            generation: self.table.header().generation,
            rebuilding: !matches!(self.work, Work::Idle),
        }
    }

    /// Calls `each` with every entry of the table, expired ones included, in no particular order.
    pub fn for_each(&self, mut each: impl FnMut(Entry)) {
        for group in 0..self.table.header().groups {
            self.table.for_each_in(group, |fingerprint, meta| {
                if let Some(entry) = entry(fingerprint, meta) {
                    each(entry);
                }
            });
        }
    }

    fn step(&mut self, mut budget: usize) -> Result<(), StateError> {
        let groups = self.table.header().groups;
        let expiry = Expiry { now: self.as_of, retention: self.settings.retention_seconds };
        if let Work::Survey(survey) = &mut self.work {
            budget = survey.run(&self.table, &expiry, budget);
            if survey.next_group < groups {
                return Ok(());
            }
            let full = self.used * 100 >= self.table.capacity() * HIGH_PERCENT;
            let wanted = survey.kept + survey.kept / 8 * self.setbacks;
            let wanted = groups_for(wanted.max(self.settings.expected_entries), TARGET_PERCENT);
            let expired = self.used.saturating_sub(survey.kept);
            let worth_it = wanted < groups && expired > 0 && expired * 100 >= self.used * EXPIRED_PERCENT;
            let oversized = wanted.saturating_mul(2) <= groups;
            if !(full || worth_it || oversized || survey.rebuild == Rebuild::Always) {
                self.work = Work::Idle;
                return Ok(());
            }
            let header = TableHeader {
                generation: self.table.header().generation + 1,
                created: self.as_of,
                key_id: self.settings.key_id,
                groups: wanted,
            };
            self.work = Work::Idle;
            let next = Arc::new(self.storage.create(header)?);
            self.work = Work::Copy(Copy { next, used: 0, next_group: 0 });
        }
        if let Work::Copy(copy) = &mut self.work {
            if !copy.run(&self.table, &expiry, budget) {
                self.work = Work::Idle;
                self.setbacks += 1;
                return Ok(());
            }
            if copy.next_group < groups {
                return Ok(());
            }
            let old = self.table.header().generation;
            self.table = Arc::clone(&copy.next);
            self.used = copy.used;
            self.work = Work::Idle;
            self.setbacks = 0;
            if self.published {
                self.live.publish(&self.table);
            }
            self.storage.retire(old);
        }
        Ok(())
    }
}

impl Live {
    /// Directs readers to `table`, which holds everything that was acknowledged.
    pub(crate) fn publish(&self, table: &Arc<Table>) {
        // First where readers of this process find it, then that they should look.
        self.table.store(Some(Arc::clone(table)));
        self.control.publish_generation(table.header().generation);
    }
}

/// Where tables come from.
pub(crate) enum Storage {
    Heap,
    #[cfg(all(any(unix, windows), not(loom)))]
    Files(WriterFiles),
}

impl Storage {
    fn create(&mut self, header: TableHeader) -> Result<Table, StateError> {
        let words = words_for(header.groups);
        let region = match self {
            Storage::Heap => Region::heap(words),
            #[cfg(all(any(unix, windows), not(loom)))]
            Storage::Files(files) => files.create_table(header.generation, words)?,
        };
        Table::create(region, header)
    }

    fn retire(&mut self, generation: u64) {
        match self {
            Storage::Heap => {
                let _ = generation;
            }
            #[cfg(all(any(unix, windows), not(loom)))]
            Storage::Files(files) => files.remove_table(generation),
        }
    }

    fn retire_all_but(&mut self, generation: u64) {
        match self {
            Storage::Heap => {
                let _ = generation;
            }
            #[cfg(all(any(unix, windows), not(loom)))]
            Storage::Files(files) => files.remove_all_but(generation),
        }
    }
}

enum Work {
    Idle,
    Survey(Survey),
    Copy(Copy),
}

/// Counts what is still needed.
#[derive(Default)]
struct Survey {
    next_group: usize,
    kept: usize,
    rebuild: Rebuild,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Rebuild {
    /// If the table is full, or enough of it has expired.
    #[default]
    IfDue,
    Always,
}

impl Survey {
    /// Returns what is left of the budget.
    fn run(&mut self, table: &Table, expiry: &Expiry, budget: usize) -> usize {
        let end = self.next_group.saturating_add(budget).min(table.header().groups);
        let spent = end - self.next_group;
        for group in self.next_group..end {
            table.for_each_in(group, |_, meta| self.kept += usize::from(expiry.keeps(meta)));
        }
        self.next_group = end;
        budget - spent
    }
}

/// Fills a new table with what is still needed of the old one.
struct Copy {
    next: Arc<Table>,
    used: usize,
    next_group: usize,
}

impl Copy {
    /// False if the new table is too small.
    fn run(&mut self, table: &Table, expiry: &Expiry, budget: usize) -> bool {
        let end = self.next_group.saturating_add(budget).min(table.header().groups);
        let mut fits = true;
        for group in self.next_group..end {
            table.for_each_in(group, |fingerprint, meta| {
                if expiry.keeps(meta) {
                    fits &= self.add(fingerprint, meta);
                }
            });
        }
        self.next_group = end;
        fits
    }

    fn add(&mut self, fingerprint: super::Fingerprint, meta: u32) -> bool {
        if self.used * 100 >= self.next.capacity() * LAST_PERCENT {
            return false;
        }
        match self.next.upsert(fingerprint, meta) {
            Upsert::Inserted => {
                self.used += 1;
                true
            }
            Upsert::Raised | Upsert::Unchanged => true,
            Upsert::NoRoom => false,
        }
    }
}

/// When entries are no longer needed.
struct Expiry {
    now: i64,
    retention: u32,
}

impl Expiry {
    fn keeps(&self, meta: u32) -> bool {
        let Some((kind, time)) = super::fingerprint::split_meta(meta) else { return true };
        let last_use = match kind {
            EntryKind::Id => time,
            EntryKind::NotBefore => time + i64::from(self.retention),
        };
        // A token is accepted up to the leeway after it has expired.
        last_use + i64::from(MAX_LEEWAY_SECONDS) >= self.now
    }
}

/// Load of a new table, in percent of its places: 23.8 bytes an entry.
const TARGET_PERCENT: usize = 72;

/// Load at which a rebuild begins.
const HIGH_PERCENT: usize = 84;

/// Load at which an insertion waits for the rebuild to finish. Only a batch that was not committed for long
/// gets there: the steps below finish within 4% of load.
const LAST_PERCENT: usize = 90;

/// Share of expired entries, in percent, that is worth a rebuild without need for room.
const EXPIRED_PERCENT: usize = 25;

/// Groups of a rebuild that are worked off for each inserted entry.
const GROUPS_PER_INSERT: usize = 8;

/// How often a rebuild is begun anew because its table turned out too small, before giving up.
const MAX_REBUILDS: usize = 8;

impl Stamp {
    /// The sequence up to which everything is applied.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}
