//! The live table in the state directory: what verifiers on the same machine map. Derived from base and log, and
//! made again from them when it is missing, damaged, from before a restart of the system, or behind.

use std::path::Path;
use std::sync::Arc;

use super::super::fingerprint::FingerprintKey;
use super::super::live::Live;
use super::super::writer::{Writer, WriterSettings};
use super::files::{LIVE, fingerprint_key_for_reading};
use super::{Store, StoreError};

/// Room that a new table has at least, in entries: 24 KiB, so that the first thousand cause no rebuild.
const LEAST_EXPECTED_ENTRIES: usize = 1_024;

/// What a verifier needs of a state directory.
pub struct ReadOnlyState {
    /// What the fingerprints were made with.
    pub key: FingerprintKey,
    /// The table, which follows what the writer does.
    pub live: Arc<Live>,
}

/// Opens a state directory for verifying. It takes no lock and writes nothing; of the secrets it reads
/// `fingerprint.key` only, which a group may be allowed to read (mode 0640).
///
/// # Errors
/// [`StoreError::Live`] says why the table cannot be used; a writer makes it again ([`Store::open_live`]).
pub fn open_for_reading(directory: &Path) -> Result<ReadOnlyState, StoreError> {
    let key = fingerprint_key_for_reading(directory)?;
    let live = Live::open(&directory.join(LIVE), key.id()).map_err(StoreError::Live)?;
    Ok(ReadOnlyState { key, live })
}

impl Store {
    /// Opens the live table in the state directory for writing, with everything in it that the log has, and
    /// complete as of `now` (seconds since the Unix epoch). What is there is used if it can be; otherwise it is
    /// made anew, and readers move over.
    ///
    /// # Errors
    /// [`StoreError::Live`] if the files cannot be made or another writer holds them; [`StoreError::Log`] if
    /// the log cannot be read.
    pub fn open_live(&self, now: i64) -> Result<Writer, StoreError> {
        let path = self.directory.join(LIVE);
        let settings = WriterSettings {
            key_id: self.secrets.fingerprint_key.id(),
            retention_seconds: self.settings.retention_seconds,
            expected_entries: self.most_entries().max(LEAST_EXPECTED_ENTRIES),
        };
        let mut writer = Writer::open(&path, settings, now).map_err(StoreError::Live)?;
        if writer.sequence() > self.position().sequence {
            // The log was put back from a copy: the table has events that are not known any more.
            drop(writer);
            writer = Writer::open_anew(&path, settings, now).map_err(StoreError::Live)?;
        }
        let has_seq = writer.sequence();
        self.load(&mut writer, has_seq, now)?;
        Ok(writer)
    }

    /// How many entries there can be: those of the base and one for each event since.
    fn most_entries(&self) -> usize {
        let since = self.position().sequence.saturating_sub(self.base.header().sequence);
        self.base.len().saturating_add(usize::try_from(since).unwrap_or(usize::MAX))
    }
}

impl core::fmt::Debug for ReadOnlyState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let sequence = self.live.applied_sequence();
        f.debug_struct("ReadOnlyState").field("applied_sequence", &sequence).finish_non_exhaustive()
    }
}
