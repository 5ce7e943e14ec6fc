//! The event log: append-only, the durable truth from which everything else can be built again.
//!
//! Events are written in frames, each closed by a BLAKE3 hash that is keyed with the hash before it. A frame also
//! states up to which event the file was known to be on disk when it was written. That tells the two kinds of
//! damage apart at open: a torn tail, which was never acknowledged and is cut; and damage to acknowledged
//! events, which is reported with its offset and never skipped.

mod scan;

use core::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::byte_reader::ByteReader;
use super::chain::Chain;
use super::delta::Position;
use super::event::Event;
use super::fingerprint::{Entry, SlotError};
use super::ratchet::MAX_SEQUENCE;

/// Longest payload of a frame, in bytes: what a reader holds in memory at a time. A longer append becomes
/// several frames.
pub const MAX_FRAME_BYTES: usize = 1 << 20;

/// The file under a log, or what a test puts in its place.
pub trait LogStorage {
    /// Reads at `offset` until `buffer` is full or the file ends; the number of bytes read.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`. After an error, any part of them may have been written.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns when everything written is on disk.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to `length` bytes.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// The file's length in bytes.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn length(&mut self) -> io::Result<u64>;
}

impl LogStorage for File {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.seek(SeekFrom::Start(offset))?;
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(offset))?;
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn length(&mut self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// When appended events are forced to disk. An event counts as acknowledged once it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SyncPolicy {
    /// Before [`Log::append`] returns.
    #[default]
    Always,
    /// At the first append or [`Log::sync_if_due`] this many milliseconds after the first event that waits.
    EveryMillis(u32),
    /// When [`Log::sync`] is called.
    Explicit,
}

/// What a log file begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogStart {
    /// Where the state before the first event of the file stands.
    pub position: Position,
    /// The id of the key that made the fingerprints.
    pub fingerprint_key: [u8; 8],
}

/// An event as the log holds it: with its number and the entry that carries it out, so that a replay needs
/// neither the fingerprint key nor the policy of then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogRecord {
    /// Its number in the generation.
    pub sequence: u64,
    /// What tables hold for it.
    pub entry: Entry,
    /// What was meant.
    pub event: Event,
    /// The chain hash after it.
    pub chain: Chain,
}

/// What [`Log::open`] or [`read`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogEnd {
    /// The beginning of the file.
    pub start: LogStart,
    /// Where the last whole event stands.
    pub position: Position,
    /// Bytes of a torn tail after it.
    pub torn_bytes: u64,
}

/// What [`Log::append`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// The number of the first event appended.
    pub first_seq: u64,
    /// The number of the last one.
    pub last_seq: u64,
    /// Up to which event the log is on disk; only those are acknowledged.
    pub durable_seq: u64,
}

/// A log that is open for appending. Whoever opens it sees to it that there is one writer.
#[derive(Debug)]
pub struct Log<S> {
    storage: S,
    start: LogStart,
    log_id: [u8; HASH_BYTES],
    position: Position,
    durable_seq: u64,
    /// Up to which event a frame in the file says that it is on disk.
    marked_seq: u64,
    end: u64,
    last_hash: [u8; HASH_BYTES],
    policy: SyncPolicy,
    /// When the oldest event that is not on disk was appended, in milliseconds.
    waiting_since: Option<u64>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Usable,
    /// What is on disk is not known: only opening the file again tells.
    Failed,
}

impl<S: LogStorage> Log<S> {
    /// Begins a log in an empty file and forces it to disk.
    ///
    /// # Errors
    /// [`LogError::NotEmpty`] or [`LogError::Io`].
    pub fn create(mut storage: S, start: LogStart, policy: SyncPolicy) -> Result<Self, LogError> {
        if storage.length().map_err(io_error(LogStep::Open))? != 0 {
            return Err(LogError::NotEmpty);
        }
        let (header, log_id) = encode_start(&start);
        storage.write_at(0, &header).map_err(io_error(LogStep::Write))?;
        storage.sync().map_err(io_error(LogStep::Sync))?;
        Ok(Log {
            storage,
            start,
            log_id,
            position: start.position,
            durable_seq: start.position.sequence,
            marked_seq: start.position.sequence,
            end: START_BYTES as u64,
            last_hash: log_id,
            policy,
            waiting_since: None,
            state: State::Usable,
        })
    }

    /// Opens a log, calls `each` for every whole event, and cuts a torn tail. What was read is then on disk.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] if acknowledged events are damaged: nothing is cut then. Others as they say.
    pub fn open(
        mut storage: S,
        policy: SyncPolicy,
        each: impl FnMut(LogRecord),
    ) -> Result<(Self, LogEnd), LogError> {
        let scanned = scan::scan(&mut storage, each)?;
        let end = scanned.end;
        if end.torn_bytes > 0 {
            storage.truncate(scanned.offset).map_err(io_error(LogStep::Truncate))?;
        }
        storage.sync().map_err(io_error(LogStep::Sync))?;
        let log = Log {
            storage,
            start: end.start,
            log_id: scanned.log_id,
            position: end.position,
            durable_seq: end.position.sequence,
            marked_seq: scanned.marked_seq,
            end: scanned.offset,
            last_hash: scanned.last_hash,
            policy,
            waiting_since: None,
            state: State::Usable,
        };
        Ok((log, end))
    }

    /// Appends events with the entries that carry them out, as one group: one write to disk, however many.
    /// `now_millis` is any clock that advances; it is read by [`SyncPolicy::EveryMillis`] only.
    ///
    /// # Errors
    /// Nothing was appended if [`LogError::Entry`], [`LogError::SequenceExhausted`], or [`LogError::Io`] with
    /// [`LogStep::Write`] (a full disk): the log can be used further. After [`LogStep::Sync`] or
    /// [`LogStep::Truncate`] the log must be opened again, which tells what is on disk.
    pub fn append(&mut self, events: &[(Event, Entry)], now_millis: u64) -> Result<Appended, LogError> {
        self.check_usable()?;
        let first_seq = self.position.sequence + 1;
        if !events.is_empty() {
            let group = self.encode(events)?;
            self.write(&group.bytes)?;
            self.end += group.bytes.len() as u64;
            self.last_hash = group.last_hash;
            self.position = group.position;
            self.marked_seq = self.durable_seq;
            self.waiting_since.get_or_insert(now_millis);
        }
        match self.policy {
            SyncPolicy::Always => self.force()?,
            SyncPolicy::EveryMillis(_) => self.sync_if_due(now_millis)?,
            SyncPolicy::Explicit => {}
        }
        Ok(Appended { first_seq, last_seq: self.position.sequence, durable_seq: self.durable_seq })
    }

    /// Forces what was appended to disk, if [`SyncPolicy::EveryMillis`] says that it is due.
    ///
    /// # Errors
    /// As for [`sync`](Self::sync).
    pub fn sync_if_due(&mut self, now_millis: u64) -> Result<(), LogError> {
        match (self.policy, self.waiting_since) {
            (SyncPolicy::EveryMillis(millis), Some(since))
                if now_millis.saturating_sub(since) >= u64::from(millis) =>
            {
                self.sync()
            }
            _ => Ok(()),
        }
    }

    /// Forces what was appended to disk and notes in the file that it is there.
    ///
    /// # Errors
    /// [`LogError::Io`]; after [`LogStep::Sync`] the log must be opened again.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.check_usable()?;
        self.force()?;
        if self.marked_seq == self.durable_seq {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES + HASH_BYTES);
        let hash = self.close_frame(&mut bytes, self.position.sequence + 1, &[], 0, &self.last_hash);
        self.write(&bytes)?;
        self.end += bytes.len() as u64;
        self.last_hash = hash;
        self.marked_seq = self.durable_seq;
        Ok(())
    }

    /// Forces everything to disk, the note that it is there included, and returns the file.
    ///
    /// # Errors
    /// As for [`sync`](Self::sync).
    pub fn close(mut self) -> Result<S, LogError> {
        self.sync()?;
        self.storage.sync().map_err(io_error(LogStep::Sync))?;
        Ok(self.storage)
    }

    /// Where the last appended event stands.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Up to which event the log is on disk.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        self.durable_seq
    }

    /// What the file begins with.
    #[must_use]
    pub fn start(&self) -> &LogStart {
        &self.start
    }

    /// The file's length, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.end
    }

    fn check_usable(&self) -> Result<(), LogError> {
        match self.state {
            State::Usable => Ok(()),
            State::Failed => Err(LogError::Failed),
        }
    }

    /// Writes at the end; on failure the file is as long as before, or the log has failed.
    fn write(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        let Err(error) = self.storage.write_at(self.end, bytes) else { return Ok(()) };
        match self.storage.truncate(self.end) {
            Ok(()) => Err(io_error(LogStep::Write)(error)),
            Err(error) => {
                self.state = State::Failed;
                Err(io_error(LogStep::Truncate)(error))
            }
        }
    }

    fn force(&mut self) -> Result<(), LogError> {
        if self.durable_seq == self.position.sequence {
            return Ok(());
        }
        // After a failed fsync the kernel may have dropped the pages and report success the next time.
        if let Err(error) = self.storage.sync() {
            self.state = State::Failed;
            return Err(io_error(LogStep::Sync)(error));
        }
        self.durable_seq = self.position.sequence;
        self.waiting_since = None;
        Ok(())
    }

    fn encode(&self, events: &[(Event, Entry)]) -> Result<Group, LogError> {
        let mut group = Group { bytes: Vec::new(), last_hash: self.last_hash, position: self.position };
        let mut payload = Vec::new();
        let (mut first, mut count) = (self.position.sequence + 1, 0_u32);
        for (event, entry) in events {
            let sequence = group.position.sequence + 1;
            if sequence > MAX_SEQUENCE {
                return Err(LogError::SequenceExhausted);
            }
            let slot = entry.to_slot().map_err(LogError::Entry)?;
            let start = payload.len();
            payload.extend([0; 4]);
            payload.extend(slot);
            event.encode(&mut payload);
            let length = u32::try_from(payload.len() - start - 4).map_err(|_| LogError::SequenceExhausted)?;
            payload[start..start + 4].copy_from_slice(&length.to_le_bytes());
            group.position.chain = group.position.chain.next(sequence, &slot);
            group.position.sequence = sequence;
            count += 1;
            if payload.len() > MAX_FRAME_BYTES - MAX_RECORD_BYTES {
                group.last_hash =
                    self.close_frame(&mut group.bytes, first, &payload, count, &group.last_hash);
                payload.clear();
                (first, count) = (sequence + 1, 0);
            }
        }
        if count > 0 {
            group.last_hash = self.close_frame(&mut group.bytes, first, &payload, count, &group.last_hash);
        }
        Ok(group)
    }

    fn close_frame(
        &self,
        bytes: &mut Vec<u8>,
        first_seq: u64,
        payload: &[u8],
        count: u32,
        last_hash: &[u8; HASH_BYTES],
    ) -> [u8; HASH_BYTES] {
        let start = bytes.len();
        bytes.extend(FRAME_MAGIC);
        // At most MAX_FRAME_BYTES.
        bytes.extend(u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(first_seq.to_le_bytes());
        bytes.extend(self.durable_seq.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        let hash = frame_hash(last_hash, &self.log_id, &bytes[start..]);
        bytes.extend(hash);
        hash
    }
}

/// Reads a log without changing it, while a writer may be appending: calls `each` for every whole event.
///
/// # Errors
/// As for [`Log::open`].
pub fn read(storage: &mut impl LogStorage, each: impl FnMut(LogRecord)) -> Result<LogEnd, LogError> {
    Ok(scan::scan(storage, each)?.end)
}

/// What a log begins with.
///
/// # Errors
/// [`LogError::NotALog`], [`LogError::UnsupportedVersion`], [`LogError::DamagedStart`] or [`LogError::Io`].
pub fn start(storage: &mut impl LogStorage) -> Result<LogStart, LogError> {
    scan::start(storage)
}

/// Frames that are ready to be written, and the state after them.
struct Group {
    bytes: Vec<u8>,
    last_hash: [u8; HASH_BYTES],
    position: Position,
}

/// What the library was doing with the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogStep {
    /// Finding out its length.
    Open,
    /// Reading it.
    Read,
    /// Appending to it.
    Write,
    /// Forcing it to disk.
    Sync,
    /// Cutting off its tail.
    Truncate,
}

/// Why a log cannot be read or appended to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LogError {
    /// The operating system refused.
    Io {
        /// What was being done.
        step: LogStep,
        /// What the operating system says.
        kind: io::ErrorKind,
    },
    /// A log is to begin in a file that has something in it.
    NotEmpty,
    /// The file does not begin as a log does.
    NotALog,
    /// The log has a version that is not supported.
    UnsupportedVersion,
    /// The beginning of the file is damaged.
    DamagedStart,
    /// Events that were acknowledged are damaged.
    Corrupt {
        /// Where the first damaged frame begins, in bytes.
        offset: u64,
        /// The number of its first event.
        sequence: u64,
    },
    /// An earlier failure left open what is on disk: the log must be opened again.
    Failed,
    /// An entry's time cannot be held.
    Entry(SlotError),
    /// The sequence numbers of the generation are used up.
    SequenceExhausted,
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::Io { step, kind } => {
                let step = match step {
                    LogStep::Open => "opened",
                    LogStep::Read => "read",
                    LogStep::Write => "written",
                    LogStep::Sync => "forced to disk",
                    LogStep::Truncate => "cut",
                };
                write!(f, "the revocation log cannot be {step}: {kind}")
            }
            LogError::NotEmpty => f.write_str("a revocation log cannot begin in a file that is not empty"),
            LogError::NotALog => f.write_str("the file is no revocation log"),
            LogError::UnsupportedVersion => f.write_str("the revocation log has an unknown version"),
            LogError::DamagedStart => f.write_str("the beginning of the revocation log is damaged"),
            LogError::Corrupt { offset, sequence } => {
                write!(f, "the revocation log is damaged at byte {offset} (event {sequence})")
            }
            LogError::Failed => f.write_str("the revocation log failed before and must be opened again"),
            LogError::Entry(error) => error.fmt(f),
            LogError::SequenceExhausted => f.write_str("the sequence numbers of the generation are used up"),
        }
    }
}

impl core::error::Error for LogError {}

fn io_error(step: LogStep) -> impl Fn(io::Error) -> LogError {
    move |error| LogError::Io { step, kind: error.kind() }
}

fn frame_hash(last_hash: &[u8; HASH_BYTES], log_id: &[u8; HASH_BYTES], frame: &[u8]) -> [u8; HASH_BYTES] {
    // The log's id keeps bytes inside a text of an event from passing for a frame.
    *blake3::Hasher::new_keyed(last_hash).update(log_id).update(frame).finalize().as_bytes()
}

/// The beginning of a file, and the hash that it ends with.
fn encode_start(start: &LogStart) -> (Vec<u8>, [u8; HASH_BYTES]) {
    let mut bytes = Vec::with_capacity(START_BYTES);
    bytes.extend(LOG_MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend([0; 6]);
    bytes.extend(start.position.generation.to_le_bytes());
    bytes.extend(start.position.sequence.to_le_bytes());
    bytes.extend(start.fingerprint_key);
    bytes.extend(start.position.chain.to_bytes());
    let hash = *blake3::Hasher::new_derive_key(START_CONTEXT).update(&bytes).finalize().as_bytes();
    bytes.extend(hash);
    (bytes, hash)
}

const LOG_MAGIC: [u8; 8] = *b"LTRVELOG";
const VERSION: u16 = 1;
const HASH_BYTES: usize = 32;
const START_BYTES: usize = 72 + HASH_BYTES;
const START_CONTEXT: &str = "libtoken 2026-01 revocation log start";
/// Not UTF-8, so no text contains it.
const FRAME_MAGIC: [u8; 4] = [0xff, b'L', b'F', 0xfe];
const FRAME_HEADER_BYTES: usize = 32;
/// More than any record takes: the longest texts are 9.5 KiB in all.
const MAX_RECORD_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests;
