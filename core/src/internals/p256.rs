//! Prepared P-256 keys.

use crate::crypto::VerifySignature;
use crate::crypto::prepared::p256::{PreparedP256, Window};
use crate::jose::algorithm::Scheme;

/// A prepared key.
pub struct Key(PreparedP256);

impl Key {
    /// The key x || y with tables of windows of `bits` bits (4, 6 or 8); `None` where it is not valid or
    /// the self-test failed.
    #[must_use]
    pub fn new(public_key: &[u8; 64], bits: u8) -> Option<Key> {
        let window = match bits {
            4 => Window::Bits4,
            6 => Window::Bits6,
            8 => Window::Bits8,
            _ => return None,
        };
        PreparedP256::new(public_key, window).ok().flatten().map(Key)
    }

    /// Whether `signature` verifies over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(Scheme::EcdsaP256Sha256, message, signature).is_ok()
    }

    /// Whether `signature` verifies over a message with this SHA-256 hash.
    #[must_use]
    pub fn verifies_prehashed(&self, hash: &[u8; 32], signature: &[u8]) -> bool {
        self.0.verify_prehashed(hash, signature).is_ok()
    }

    /// Memory of the key, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}
