//! Prepared RSA keys.

use crate::crypto::VerifySignature;
use crate::crypto::prepared::rsa::PreparedRsa;
use crate::jose::algorithm::{HashFunction, Scheme};

/// The padding and hash of a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Padding {
    /// RS256, RS384 or RS512, by the hash's bits.
    Pkcs1(u16),
    /// PS256, PS384 or PS512, by the hash's bits.
    Pss(u16),
}

/// A prepared key.
pub struct Key(PreparedRsa);

impl Key {
    /// The key with modulus `n` and exponent `e`, big-endian; `None` where it is not valid or no prepared
    /// path applies.
    #[must_use]
    pub fn new(n: &[u8], e: &[u8]) -> Option<Key> {
        PreparedRsa::new(n, e).ok().flatten().map(Key)
    }

    /// Whether `signature` verifies over `message`.
    #[must_use]
    pub fn verifies(&self, padding: Padding, message: &[u8], signature: &[u8]) -> bool {
        let hash = |bits| match bits {
            256 => Some(HashFunction::Sha256),
            384 => Some(HashFunction::Sha384),
            512 => Some(HashFunction::Sha512),
            _ => None,
        };
        let scheme = match padding {
            Padding::Pkcs1(bits) => hash(bits).map(Scheme::RsaPkcs1),
            Padding::Pss(bits) => hash(bits).map(Scheme::RsaPss),
        };
        scheme.is_some_and(|scheme| self.0.verify(scheme, message, signature).is_ok())
    }

    /// Memory of the key, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}
