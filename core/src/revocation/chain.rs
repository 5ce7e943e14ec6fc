//! The chain hash: one value that stands for every event up to a sequence number, so that a reader notices
//! when two histories differ. It covers events one by one, and therefore does not depend on how a writer
//! cuts them into deltas; a snapshot names the value at its sequence, and deltas go on from there.

use super::fingerprint::SLOT_BYTES;

/// The hash of all events of a generation up to some sequence number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chain([u8; Chain::BYTES]);

impl Chain {
    /// Its length in bytes.
    pub const BYTES: usize = 32;

    /// The value before the first event of `generation`.
    #[must_use]
    pub fn start(generation: u64, fingerprint_key: [u8; 8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CHAIN_CONTEXT);
        hasher.update(&generation.to_le_bytes()).update(&fingerprint_key);
        Chain(*hasher.finalize().as_bytes())
    }

    /// The value after one more event: BLAKE3 keyed with the previous value, over the sequence number and
    /// the slot. 24 bytes are one compression.
    #[must_use]
    pub fn next(&self, sequence: u64, slot: &[u8; SLOT_BYTES]) -> Self {
        let mut message = [0; 8 + SLOT_BYTES];
        let (number, rest) = message.split_at_mut(8);
        number.copy_from_slice(&sequence.to_le_bytes());
        rest.copy_from_slice(slot);
        Chain(*blake3::keyed_hash(&self.0, &message).as_bytes())
    }

    /// The value that consists of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Chain(bytes)
    }

    /// Its bytes, as files and the wire hold them.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0
    }
}

const CHAIN_CONTEXT: &str = "libtoken 2026-01 revocation event chain";
