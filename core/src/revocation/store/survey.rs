//! What a state directory holds, read from front to back with every hash compared: for checks and statistics.
//! Needs no lock; a writer may be appending meanwhile.

use std::path::Path;

use super::super::delta::Position;
use super::super::fingerprint::Entry;
use super::super::log;
use super::super::snapshot::SnapshotHeader;
use super::files::{Secrets, StoreFile, fingerprint_key_for_reading, io_error, open_log_for_reading};
use super::{StoreError, position_of, read_base};

/// What [`survey`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Survey {
    /// Where the last event stands.
    pub position: Position,
    /// What the base says about itself.
    pub base: SnapshotHeader,
    /// How many entries the base has.
    pub base_entries: usize,
    /// Bytes of the base.
    pub base_bytes: usize,
    /// Bytes of the current log.
    pub log_bytes: u64,
    /// Bytes of events at the end that are being written, or were when the last writer ended.
    pub torn_bytes: u64,
    /// The public id of the fingerprint key.
    pub fingerprint_key: [u8; 8],
}

/// Reads base and log, checks that each is whole and that they fit together, and calls `each` with every
/// entry and the number of its event: those of the base first, which have the number of the base.
///
/// # Errors
/// As [`Store::open`](super::Store::open), without the lock.
pub fn survey(directory: &Path, mut each: impl FnMut(u64, Entry)) -> Result<Survey, StoreError> {
    let secrets = Secrets { fingerprint_key: fingerprint_key_for_reading(directory)?, signer: None };
    let fingerprint_key = secrets.fingerprint_key.id();
    // The log first: a writer that compacts replaces the base before it begins a new log, and the base that is
    // then read is one that this log leads to.
    let mut file = open_log_for_reading(directory)?;
    let base = read_base(directory, &secrets)?;
    let at_base = position_of(base.header());
    base.entries().for_each(|entry| each(at_base.sequence, entry));

    let mut chain_at_base = None;
    let end = log::read(&mut file, |record| {
        if record.sequence == at_base.sequence {
            chain_at_base = Some(record.chain);
        }
        if record.sequence > at_base.sequence {
            each(record.sequence, record.entry);
        }
    })
    .map_err(StoreError::Log)?;
    let start = end.start.position;
    if start.sequence == at_base.sequence {
        chain_at_base = Some(start.chain);
    }
    if end.start.fingerprint_key != fingerprint_key || start.generation != at_base.generation {
        return Err(StoreError::Mismatch);
    }
    if chain_at_base != Some(at_base.chain) {
        return Err(StoreError::MissingEvents);
    }
    Ok(Survey {
        position: end.position,
        base: *base.header(),
        base_entries: base.len(),
        base_bytes: base.bytes().len(),
        log_bytes: file.metadata().map_err(io_error(StoreFile::Log))?.len(),
        torn_bytes: end.torn_bytes,
        fingerprint_key,
    })
}
