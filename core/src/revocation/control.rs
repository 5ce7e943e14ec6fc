//! The one page that never moves: which table is current, how far it is applied, and as of when.
//!
//! In a mapped state it is a file of its own, so that readers of an old table still learn of the new one, and
//! a crash of the writer at any point leaves a page that is true. docs/revocation-format.md has the bytes.

use super::region::Region;
use super::state_error::StateError;
use super::sync::{self, Site};
use super::table::checksum;

/// A moment in the history of one state: nothing has been revoked between two equal stamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
}

/// What the control page says at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Moment {
    pub(crate) stamp: Stamp,
    pub(crate) as_of: i64,
}

/// The fields that never change, validated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ControlHeader {
    pub(crate) created: i64,
    pub(crate) key_id: [u8; 8],
    /// A hash of what names the running system since its start, zero if unknown.
    pub(crate) boot: u64,
}

pub(crate) struct Control {
    words: Region,
    header: ControlHeader,
}

impl Control {
    /// Writes a control page with no table yet into `words`, which are all zero.
    pub(crate) fn create(words: Region, header: ControlHeader) -> Result<Self, StateError> {
        if words.len() != CONTROL_WORDS {
            return Err(StateError::Truncated);
        }
        for (word, field) in words.iter().zip(header.to_words()) {
            sync::put(word, field);
        }
        Ok(Control { words, header })
    }

    /// The control page that `words` hold.
    #[cfg(all(any(unix, windows), not(loom)))]
    pub(crate) fn open(words: Region) -> Result<Self, StateError> {
        let mut fields = [0; HEADER_FIELDS];
        if words.len() != CONTROL_WORDS {
            return Err(StateError::Truncated);
        }
        for (field, word) in fields.iter_mut().zip(words.iter()) {
            *field = sync::peek(word);
        }
        let header = ControlHeader::from_words(&fields)?;
        Ok(Control { words, header })
    }

    pub(crate) fn header(&self) -> &ControlHeader {
        &self.header
    }

    /// What holds now. The sequence comes first: whoever sees it must also see the table that it is about.
    #[inline]
    pub(crate) fn moment(&self) -> Moment {
        let words = self.words.words();
        let sequence = sync::observe(&words[SEQUENCE]);
        let generation = sync::observe(&words[GENERATION]);
        Moment { stamp: Stamp { generation, sequence }, as_of: sync::peek(&words[AS_OF]).cast_signed() }
    }

    /// Directs readers to another table, in which everything acknowledged so far is.
    pub(crate) fn publish_generation(&self, generation: u64) {
        sync::publish(Site::Generation, &self.words[GENERATION], generation);
    }

    /// Acknowledges everything that was stored before.
    pub(crate) fn publish_sequence(&self, sequence: u64, as_of: i64) {
        sync::put(&self.words[AS_OF], as_of.cast_unsigned());
        sync::publish(Site::Sequence, &self.words[SEQUENCE], sequence);
    }
}

impl ControlHeader {
    fn to_words(self) -> [u64; HEADER_FIELDS] {
        let mut fields = [
            u64::from_le_bytes(*MAGIC),
            VERSION,
            self.created.cast_unsigned(),
            u64::from_le_bytes(self.key_id),
            self.boot,
            0,
            0,
            0,
        ];
        fields[CHECKSUM_FIELD] = checksum(&fields[..CHECKSUM_FIELD]);
        fields
    }

    #[cfg(all(any(unix, windows), not(loom)))]
    fn from_words(fields: &[u64; HEADER_FIELDS]) -> Result<Self, StateError> {
        let [magic, version, created, key_id, boot, _, _, sum] = *fields;
        if magic.to_le_bytes() != *MAGIC {
            return Err(StateError::NotATable);
        }
        if version != VERSION {
            return Err(StateError::OtherVersion);
        }
        if sum != checksum(&fields[..CHECKSUM_FIELD]) {
            return Err(StateError::Damaged);
        }
        Ok(ControlHeader { created: created.cast_signed(), key_id: key_id.to_le_bytes(), boot })
    }
}

/// The words of a control page: 4096 bytes, one page of every common system.
pub(crate) const CONTROL_WORDS: usize = if cfg!(loom) { 16 } else { 512 };

/// The generation of a control page whose first table is not complete yet.
pub(crate) const NO_GENERATION: u64 = 0;

/// The generation of a control page that another file has replaced: readers must open the path again.
pub(crate) const RETIRED_GENERATION: u64 = u64::MAX;

/// Where the generation stands, in bytes: a writer retires even a page whose header it cannot read.
#[cfg(all(any(unix, windows), not(loom)))]
pub(crate) const GENERATION_OFFSET: u64 = 8 * GENERATION as u64;

const MAGIC: &[u8; 8] = b"LTREVCTL";
const VERSION: u64 = 1;
const HEADER_FIELDS: usize = 8;
const CHECKSUM_FIELD: usize = HEADER_FIELDS - 1;

// The second cache line of the page: what changes.
const SEQUENCE: usize = 8;
const GENERATION: usize = 9;
const AS_OF: usize = 10;
