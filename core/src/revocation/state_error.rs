//! Why revocation state cannot be used or changed. Small and Copy: no paths, no texts.

use core::fmt;
use std::io;

use super::fingerprint::SlotError;

/// Why revocation state cannot be opened, read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StateError {
    /// An entry does not fit a slot.
    Slot(SlotError),
    /// The table has reached the largest size that the library supports.
    Full,
    /// The file is shorter or longer than its header says.
    Truncated,
    /// The file does not begin as revocation state does.
    NotATable,
    /// The file has a format version that this library does not know.
    OtherVersion,
    /// The header's checksum is wrong.
    Damaged,
    /// The state was made with another fingerprint key, so no lookup could ever match.
    OtherKey,
    /// The state was last written before the machine was started: what the file holds is not certain.
    OtherBoot,
    /// A writer has created the files but not finished loading them.
    NotPublished,
    /// Another file has replaced the one that is mapped: open the path again.
    Retired,
    /// Another writer holds the state: its process id, if it can be read.
    Locked {
        /// The holder's process id.
        pid: Option<u32>,
    },
    /// The sequence to acknowledge is lower than one that was acknowledged before.
    SequenceBackwards,
    /// The operating system refused.
    Io(io::ErrorKind),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateError::Slot(error) => error.fmt(f),
            StateError::Full => f.write_str("the revocation table has reached its largest size"),
            StateError::Truncated => f.write_str("the revocation file's length does not fit its header"),
            StateError::NotATable => f.write_str("the file holds no revocation state"),
            StateError::OtherVersion => f.write_str("the revocation file has an unknown format version"),
            StateError::Damaged => f.write_str("the revocation file's header is damaged"),
            StateError::OtherKey => f.write_str("the revocation state was made with another fingerprint key"),
            StateError::OtherBoot => f.write_str("the revocation file was written before the last restart"),
            StateError::NotPublished => f.write_str("the revocation state has not been loaded yet"),
            StateError::Retired => f.write_str("the revocation state was replaced and must be opened again"),
            StateError::Locked { pid: Some(pid) } => {
                write!(f, "the revocation state is held by another writer, process {pid}")
            }
            StateError::Locked { pid: None } => f.write_str("the revocation state is held by another writer"),
            StateError::SequenceBackwards => f.write_str("the revocation sequence would go backwards"),
            StateError::Io(kind) => write!(f, "the revocation state cannot be reached: {kind}"),
        }
    }
}

impl core::error::Error for StateError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            StateError::Slot(error) => Some(error),
            StateError::Full
            | StateError::Truncated
            | StateError::NotATable
            | StateError::OtherVersion
            | StateError::Damaged
            | StateError::OtherKey
            | StateError::OtherBoot
            | StateError::NotPublished
            | StateError::Retired
            | StateError::Locked { .. }
            | StateError::SequenceBackwards
            | StateError::Io(_) => None,
        }
    }
}

impl From<SlotError> for StateError {
    fn from(error: SlotError) -> Self {
        StateError::Slot(error)
    }
}

impl From<io::Error> for StateError {
    fn from(error: io::Error) -> Self {
        StateError::Io(error.kind())
    }
}
