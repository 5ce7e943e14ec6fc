//! The state directory of a writer: the durable home of revocations, for hosts that have a disk.
//!
//! `events.log` is the truth since `base.snapshot`; together they hold every entry that is alive. The live table
//! is derived and can be lost at any time. A file is replaced by writing another one, forcing it to disk and
//! renaming it, so that a crash at any moment leaves the old or the new one. Secrets lie in files of their own
//! that nobody else may read. One writer at a time, held by a file lock; reading needs none.

mod audit;
mod files;
#[cfg(all(any(unix, windows), not(loom)))]
mod live_file;
mod nodes;
mod survey;

pub use audit::{OperationStatus, operation_status, records};
pub use files::StoreFile;
#[cfg(all(any(unix, windows), not(loom)))]
pub use live_file::{ReadOnlyState, open_for_reading};
pub use nodes::{NodeReport, forget_node, nodes, report_node};
pub use survey::{Survey, survey};

use core::fmt;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::chain::Chain;
use super::defect::Defect;
use super::delta::{DeltaError, LiveSink, MAX_DELTA_EVENTS, Position, encode_delta};
use super::event::{Effect, Event};
use super::fingerprint::{Entry, EntryKind, FingerprintKey};
use super::log::{Appended, Log, LogError, LogStart, SyncPolicy};
use super::ratchet::Ratchet;
use super::signing::{Signer, TrustedKeys};
use super::snapshot::{BuildError, Snapshot, SnapshotHeader, TimePrecision, build};
use super::state_error::StateError;
use crate::limits::{MAX_LEEWAY_SECONDS, MAX_NUMERIC_DATE};
use files::{BASE, LOG, Secrets, io_error};

/// Most events kept in memory for deltas, at 80 bytes each. A follower that is further behind takes a snapshot,
/// which for a million entries is as large as the delta of 650,000 events.
pub const MAX_RECENT_EVENTS: usize = 65_536;

/// How a store behaves. The same values are given each time it is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreSettings {
    /// When appended events are forced to disk.
    pub sync: SyncPolicy,
    /// How long a not-before is kept after its time, in seconds: the longest lifetime of the tokens concerned.
    pub retention_seconds: u32,
    /// What becomes of a log whose events a new base covers.
    pub archive: Archive,
}

/// What becomes of a log whose events a new base covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Archive {
    /// It is kept in `archive/`, for audits; the operator removes it.
    #[default]
    Keep,
    /// It is removed.
    Remove,
}

/// The secrets that a new store begins with, from a cryptographic random source.
#[derive(Clone, Debug)]
pub struct NewSecrets {
    /// The key of all fingerprints of the deployment.
    pub fingerprint_key: FingerprintKey,
    /// Signs snapshots and deltas, for a store that publishes.
    pub signer_seed: Option<SignerSeed>,
}

/// An Ed25519 seed (RFC 8032 §5.1.5). Its Debug shows nothing.
#[derive(Clone)]
pub struct SignerSeed(pub [u8; 32]);

impl fmt::Debug for SignerSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignerSeed(..)")
    }
}

/// What [`Store::open`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Where the last event stands.
    pub position: Position,
    /// Bytes of events that were being written when the last writer ended, never acknowledged, and now cut.
    pub torn_bytes: u64,
}

/// A state directory that is open for writing.
pub struct Store {
    directory: PathBuf,
    settings: StoreSettings,
    secrets: Secrets,
    base: Snapshot<Vec<u8>>,
    log: Log<File>,
    recent: Recent,
    _lock: File,
}

impl Store {
    /// Makes a state directory at `directory`, which must not exist or be empty. `now` (seconds since the Unix
    /// epoch) becomes the generation of its numbering.
    ///
    /// # Errors
    /// [`StoreError::Exists`], or what the file system reports; `directory` is then as before.
    pub fn create(directory: &Path, secrets: &NewSecrets, now: i64) -> Result<(), StoreError> {
        let generation = u64::try_from(now).map_err(|_| StoreError::TimeOutOfRange)?;
        if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(StoreError::Exists);
        }
        let building = files::building_directory(directory)?;
        let stored = Secrets::create(&building, secrets)?;
        let fingerprint_key = stored.fingerprint_key.id();
        let position = Position { generation, sequence: 0, chain: Chain::start(generation, fingerprint_key) };
        let base = build_base(&stored, position, Vec::new(), now)?;
        files::replace(&building, BASE, &base, files::Privacy::Ordinary)?;
        let log = files::create_new(&building, LOG)?;
        Log::create(log, LogStart { position, fingerprint_key }, SyncPolicy::Always)
            .map_err(StoreError::Log)?;
        files::finish_building(&building, directory)
    }

    /// Opens the state directory for writing; a torn tail of the log is cut.
    ///
    /// # Errors
    /// [`StoreError::Locked`] names the process that writes already. Damage is reported, never repaired by
    /// leaving something out.
    pub fn open(directory: &Path, settings: StoreSettings) -> Result<(Self, Opened), StoreError> {
        let lock = files::lock(directory)?;
        let secrets = Secrets::open(directory)?;
        let fingerprint_key = secrets.fingerprint_key.id();
        let base = read_base(directory, &secrets)?;
        let base_position = position_of(base.header());

        let mut recent = Recent::default();
        let mut chain_at_base = None;
        let file = files::open_log(directory)?;
        let (log, end) = Log::open(file, settings.sync, |record| {
            if record.sequence == base_position.sequence {
                chain_at_base = Some(record.chain);
            }
            recent.push(record.entry, record.chain);
        })
        .map_err(StoreError::Log)?;
        let start = end.start.position;
        if start.sequence == base_position.sequence {
            chain_at_base = Some(start.chain);
        }
        if end.start.fingerprint_key != fingerprint_key || start.generation != base_position.generation {
            return Err(StoreError::Mismatch);
        }
        if chain_at_base != Some(base_position.chain) {
            return Err(StoreError::MissingEvents);
        }
        let opened = Opened { position: end.position, torn_bytes: end.torn_bytes };
        let directory = directory.to_owned();
        Ok((Store { directory, settings, secrets, base, log, recent, _lock: lock }, opened))
    }

    /// Appends events with the entries that carry them out, then applies them to `live`. `now_millis` is in
    /// milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`StoreError::EntryMismatch`] and [`StoreError::UntilTooLate`] before anything happens;
    /// [`StoreError::Log`] if they are not acknowledged. After [`StoreError::LiveFailed`] the events are
    /// in the log, and the live table must be loaded again.
    pub fn append(
        &mut self,
        events: &[(Event, Entry)],
        live: &mut (impl LiveSink + ?Sized),
        now_millis: u64,
    ) -> Result<Appended, StoreError> {
        for (event, entry) in events {
            self.check(event, entry)?;
        }
        let mut chain = self.log.position().chain;
        let appended = self.log.append(events, now_millis).map_err(StoreError::Log)?;
        for (sequence, (_, entry)) in (appended.first_seq..).zip(events) {
            chain = chain.next(sequence, &entry.to_slot().map_err(LogError::Entry).map_err(StoreError::Log)?);
            self.recent.push(*entry, chain);
        }
        let entries: Vec<Entry> = events.iter().map(|(_, entry)| *entry).collect();
        let as_of = i64::try_from(now_millis / 1000).map_err(|_| StoreError::TimeOutOfRange)?;
        live.apply(&entries, appended.last_seq, as_of).map_err(|_| StoreError::LiveFailed)?;
        Ok(appended)
    }

    /// Forces to disk what [`SyncPolicy`] left waiting, if it is due. `now_millis` as in
    /// [`append`](Self::append).
    ///
    /// # Errors
    /// [`StoreError::Log`].
    pub fn sync_if_due(&mut self, now_millis: u64) -> Result<(), StoreError> {
        self.log.sync_if_due(now_millis).map_err(StoreError::Log)
    }

    /// Forces to disk whatever waits.
    ///
    /// # Errors
    /// [`StoreError::Log`].
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.log.sync().map_err(StoreError::Log)
    }

    /// Loads a live table that has everything up to event `has_seq` (0 for an empty one): all living entries,
    /// or only the events since. The table is then complete as of `now`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`StoreError::LiveAhead`] if the table has events that the store lacks: it must be made anew.
    pub fn load(
        &self,
        live: &mut (impl LiveSink + ?Sized),
        has_seq: u64,
        now: i64,
    ) -> Result<(), StoreError> {
        let last_seq = self.position().sequence;
        if has_seq > last_seq {
            return Err(StoreError::LiveAhead);
        }
        let entries = match self.recent.after(has_seq, last_seq) {
            Some(events) if has_seq > 0 => events.map(|(entry, _)| *entry).collect(),
            Some(_) | None => self.entries(now)?,
        };
        live.apply(&entries, last_seq, now).map_err(|_| StoreError::LiveFailed)
    }

    /// Every entry that is alive at `now` (seconds since the Unix epoch); one that was raised comes more than
    /// once, with its earlier times.
    ///
    /// # Errors
    /// [`StoreError::Log`] if the log cannot be read.
    pub fn entries(&self, now: i64) -> Result<Vec<Entry>, StoreError> {
        let base_seq = self.base.header().sequence;
        let mut entries: Vec<Entry> = self.base.entries().collect();
        let mut file = files::open_log(&self.directory)?;
        super::log::read(&mut file, |record| {
            if record.sequence > base_seq {
                entries.push(record.entry);
            }
        })
        .map_err(StoreError::Log)?;
        entries.retain(|entry| self.is_alive(entry, now));
        Ok(entries)
    }

    /// Writes a new base of everything that is alive at `now` (seconds since the Unix epoch), and begins a new
    /// log after it. Expired entries are gone then.
    ///
    /// # Errors
    /// Whatever the file system reports; the state is then as before. After [`StoreError::Log`] or an error
    /// about the log's file, the store must be opened again.
    pub fn compact(&mut self, now: i64) -> Result<(), StoreError> {
        self.sync()?;
        let position = *self.position();
        let entries = self.entries(now)?;
        let bytes = build_base(&self.secrets, position, entries, now)?;
        files::replace(&self.directory, BASE, &bytes, files::Privacy::Ordinary)?;
        self.base = parse_base(bytes, &self.secrets)?;

        let fingerprint_key = self.secrets.fingerprint_key.id();
        let file = files::create_temporary(&self.directory, LOG)?;
        let log = Log::create(file, LogStart { position, fingerprint_key }, self.settings.sync)
            .map_err(StoreError::Log)?;
        if self.settings.archive == Archive::Keep && self.log.start().position.sequence < position.sequence {
            files::archive_log(&self.directory, &self.log.start().position, &position)?;
        }
        files::rename_temporary(&self.directory, LOG)?;
        self.log = log;
        Ok(())
    }

    /// The signed snapshot of everything alive at `now`, to be published; `valid_for` and `max_staleness` are
    /// in seconds.
    ///
    /// # Errors
    /// [`StoreError::NoSigner`] if the store has no signing key; [`StoreError::Log`] if what it covers cannot be
    /// forced to disk first.
    pub fn snapshot(&mut self, now: i64, valid_for: u32, max_staleness: u32) -> Result<Vec<u8>, StoreError> {
        // A writer that forgot what it published would contradict it afterwards.
        self.sync()?;
        let entries = self.entries(now)?;
        let signer = self.secrets.signer.as_ref().ok_or(StoreError::NoSigner)?;
        let position = self.log.position();
        let header = SnapshotHeader {
            generation: position.generation,
            sequence: position.sequence,
            chain: position.chain,
            created: now,
            valid_until: now.saturating_add(i64::from(valid_for)),
            fingerprint_key: self.secrets.fingerprint_key.id(),
            max_staleness,
        };
        build(&header, entries, TimePrecision::Classes, signer).map_err(StoreError::Build)
    }

    /// The signed delta of what came after event `after_seq` and is on disk, or a heartbeat if nothing did; at
    /// most [`MAX_DELTA_EVENTS`] events. `None` if that is too long ago: the follower needs a snapshot.
    ///
    /// # Errors
    /// [`StoreError::NoSigner`] if the store has no signing key.
    pub fn delta(&self, after_seq: u64, now: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let signer = self.secrets.signer.as_ref().ok_or(StoreError::NoSigner)?;
        let position = *self.position();
        let published =
            self.durable_seq().checked_sub(after_seq).and_then(|count| usize::try_from(count).ok());
        let (Some(published), Some(chain), Some(events)) = (
            published,
            self.recent.chain_at(after_seq, &position, &self.log.start().position),
            self.recent.after(after_seq, position.sequence),
        ) else {
            return Ok(None);
        };
        let entries: Vec<Entry> =
            events.take(published.min(MAX_DELTA_EVENTS)).map(|(entry, _)| *entry).collect();
        let after = Position { sequence: after_seq, chain, ..position };
        encode_delta(&after, &entries, self.secrets.fingerprint_key.id(), now, signer)
            .map(Some)
            .map_err(StoreError::Delta)
    }

    /// Where the last event stands.
    #[must_use]
    pub fn position(&self) -> &Position {
        self.log.position()
    }

    /// Up to which event the state is on disk.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        self.log.durable_seq()
    }

    /// How many bytes the log has; a host compacts when that is a multiple of the base.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.log.bytes()
    }

    /// How many bytes the base has.
    #[must_use]
    pub fn base_bytes(&self) -> usize {
        self.base.bytes().len()
    }

    /// The secret key of all fingerprints.
    #[must_use]
    pub fn fingerprint_key(&self) -> &FingerprintKey {
        &self.secrets.fingerprint_key
    }

    /// The public key that followers trust, if the store publishes.
    #[must_use]
    pub fn public_key(&self) -> Option<[u8; 32]> {
        self.secrets.signer.as_ref().map(Signer::public_key)
    }

    /// Forces everything to disk and lets another writer in.
    ///
    /// # Errors
    /// [`StoreError::Log`].
    pub fn close(self) -> Result<(), StoreError> {
        self.log.close().map(drop).map_err(StoreError::Log)
    }

    fn check(&self, event: &Event, entry: &Entry) -> Result<(), StoreError> {
        if event.entry(entry.fingerprint) != *entry {
            return Err(StoreError::EntryMismatch);
        }
        match event.fields().effect {
            // The entry has room for one time only, so its end follows from the retention.
            Effect::NotBefore { time, until }
                if until > time.saturating_add(i64::from(self.settings.retention_seconds)) =>
            {
                Err(StoreError::UntilTooLate)
            }
            Effect::NotBefore { .. } | Effect::Id { .. } => Ok(()),
        }
    }

    fn is_alive(&self, entry: &Entry, now: i64) -> bool {
        let last_use = match entry.kind {
            EntryKind::Id => entry.time,
            EntryKind::NotBefore => entry.time.saturating_add(i64::from(self.settings.retention_seconds)),
        };
        // A token is accepted up to the leeway after it has expired.
        last_use.saturating_add(i64::from(MAX_LEEWAY_SECONDS)) >= now
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("directory", &self.directory)
            .field("position", self.log.position())
            .finish_non_exhaustive()
    }
}

/// The last events, each with the chain hash after it.
#[derive(Default)]
struct Recent(VecDeque<(Entry, Chain)>);

impl Recent {
    fn push(&mut self, entry: Entry, chain: Chain) {
        if self.0.len() == MAX_RECENT_EVENTS {
            self.0.pop_front();
        }
        self.0.push_back((entry, chain));
    }

    /// The events after `after_seq`, of which the last is `last_seq`; `None` if some are gone.
    fn after(&self, after_seq: u64, last_seq: u64) -> Option<impl Iterator<Item = &(Entry, Chain)>> {
        let wanted = usize::try_from(last_seq.checked_sub(after_seq)?).ok()?;
        let skipped = self.0.len().checked_sub(wanted)?;
        Some(self.0.iter().skip(skipped))
    }

    /// The chain hash at `sequence`, which is that of `last`, of the log's `start`, or in between.
    fn chain_at(&self, sequence: u64, last: &Position, start: &Position) -> Option<Chain> {
        if sequence == last.sequence {
            return Some(last.chain);
        }
        if sequence == start.sequence {
            return Some(start.chain);
        }
        // One more than what comes after it.
        self.after(sequence.checked_sub(1)?, last.sequence)?.next().map(|(_, chain)| *chain)
    }
}

fn position_of(header: &SnapshotHeader) -> Position {
    Position { generation: header.generation, sequence: header.sequence, chain: header.chain }
}

/// The public key of the state directory at `directory`, for followers; `None` if it has no signing key. Needs the
/// owner's permissions, and no lock.
///
/// # Errors
/// What is wrong with the files of the keys.
pub fn public_key(directory: &Path) -> Result<Option<[u8; 32]>, StoreError> {
    Ok(Secrets::open(directory)?.signer.as_ref().map(Signer::public_key))
}

/// The base is sealed with a key that only holders of the fingerprint key can derive; it is never published.
fn build_base(
    secrets: &Secrets,
    position: Position,
    entries: Vec<Entry>,
    now: i64,
) -> Result<Vec<u8>, StoreError> {
    let header = SnapshotHeader {
        generation: position.generation,
        sequence: position.sequence,
        chain: position.chain,
        created: now,
        valid_until: MAX_NUMERIC_DATE,
        fingerprint_key: secrets.fingerprint_key.id(),
        max_staleness: 0,
    };
    build(&header, entries, TimePrecision::Exact, &secrets.seal()).map_err(StoreError::Build)
}

fn read_base(directory: &Path, secrets: &Secrets) -> Result<Snapshot<Vec<u8>>, StoreError> {
    let bytes = fs::read(directory.join(BASE)).map_err(io_error(StoreFile::Base))?;
    parse_base(bytes, secrets)
}

fn parse_base(bytes: Vec<u8>, secrets: &Secrets) -> Result<Snapshot<Vec<u8>>, StoreError> {
    let trusted = TrustedKeys::new(&[secrets.seal().public_key()]).map_err(|_| StoreError::Mismatch)?;
    // Not bound to the clock: one that was set back must not lock a writer out of its own state.
    let any_time = MAX_NUMERIC_DATE - 1;
    Snapshot::parse_verified(bytes, &trusted, &Ratchet::new(), secrets.fingerprint_key.id(), any_time)
        .map_err(StoreError::Base)
}

/// Why the state directory cannot be made, opened or written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    Io {
        /// Which file was concerned.
        file: StoreFile,
        /// What the operating system says.
        kind: io::ErrorKind,
    },
    /// The directory has something in it already.
    Exists,
    /// Another process writes: its id, if it can be read.
    Locked {
        /// The holder's process id.
        pid: Option<u32>,
    },
    /// A file with a secret can be read or written by others than its owner.
    Exposed(StoreFile),
    /// A file does not have the form that it should have.
    Malformed(StoreFile),
    /// The base is damaged.
    Base(Defect),
    /// The log cannot be used.
    Log(LogError),
    /// Base, log and keys do not belong together.
    Mismatch,
    /// Events between the base and the log are missing, or contradict each other.
    MissingEvents,
    /// A snapshot cannot be made.
    Build(BuildError),
    /// A delta cannot be made.
    Delta(DeltaError),
    /// The store has no signing key.
    NoSigner,
    /// An entry is not the one that its event asks for.
    EntryMismatch,
    /// A not-before is to live longer than `retention_seconds` after its time.
    UntilTooLate,
    /// A time is negative or too late.
    TimeOutOfRange,
    /// The live table in the directory cannot be used.
    Live(StateError),
    /// The live table could not take the entries; they are in the log.
    LiveFailed,
    /// The live table has events that the log does not have.
    LiveAhead,
    /// A node's name is empty, longer than 128 bytes, or has other characters than A-Z a-z 0-9 . _ -
    InvalidNodeName,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Io { file, kind } => {
                write!(f, "{file} of the revocation state cannot be used: {kind}")
            }
            StoreError::Exists => f.write_str("the directory is not empty"),
            StoreError::Locked { pid: Some(pid) } => {
                write!(f, "the revocation state is held by another writer, process {pid}")
            }
            StoreError::Locked { pid: None } => f.write_str("the revocation state is held by another writer"),
            StoreError::Exposed(file) => {
                write!(
                    f,
                    "{file} of the revocation state can be read or written by too many (mode 0600 is safe)"
                )
            }
            StoreError::Malformed(file) => write!(f, "{file} of the revocation state is malformed"),
            StoreError::Base(defect) => write!(f, "the base of the revocation state is damaged: {defect}"),
            StoreError::Log(error) => error.fmt(f),
            StoreError::Mismatch => {
                f.write_str("base, log and keys of the revocation state do not fit together")
            }
            StoreError::MissingEvents => {
                f.write_str("events between the base and the log of the revocation state are missing")
            }
            StoreError::Build(error) => error.fmt(f),
            StoreError::Delta(error) => error.fmt(f),
            StoreError::NoSigner => f.write_str("the revocation state has no signing key"),
            StoreError::EntryMismatch => f.write_str("the entry is not the one that the event asks for"),
            StoreError::UntilTooLate => f.write_str("until: later than the longest lifetime of the tokens"),
            StoreError::TimeOutOfRange => f.write_str("the time is out of range"),
            StoreError::Live(error) => error.fmt(f),
            StoreError::LiveFailed => {
                f.write_str("the events are recorded, but the live table could not take them")
            }
            StoreError::LiveAhead => f.write_str("the live table has events that the log does not have"),
            StoreError::InvalidNodeName => {
                f.write_str("a node's name has 1 to 128 of the characters A-Z a-z 0-9 . _ -")
            }
        }
    }
}

impl core::error::Error for StoreError {}

#[cfg(all(test, not(loom)))]
mod tests;
