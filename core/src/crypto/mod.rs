//! Signatures: one trait, one file per backend. Never sees an algorithm name, only a [`Scheme`].

// Nothing in the library prepares keys yet: tests, benchmarks and fuzz targets do.
#[cfg_attr(not(feature = "internals"), allow(dead_code))]
pub(crate) mod prepared;

use crate::jose::algorithm::Scheme;

/// The signature does not verify. Deliberately without detail: a verifier must not become an oracle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadSignature;

/// One public (or HMAC) key, ready to verify. Implementations allocate only when they are built, never
/// panic, and answer [`BadSignature`] for a scheme that does not fit the key and for a signature of any
/// wrong length.
pub(crate) trait VerifySignature: Send + Sync {
    /// Checks `signature` over `message`.
    fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature>;
}
