//! Signatures: one trait, one file per backend. Never sees an algorithm name, only a [`Scheme`].
//!
//! `load` picks the backend once per key, at run time: graviola (assembly from s2n-bignum) for ECDSA and RSA
//! where the CPU has what it needs, RustCrypto elsewhere and on wasm32; ed25519-dalek for Ed25519 and
//! RustCrypto for HMAC everywhere.

mod dalek;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod graviola;
mod hmac;
mod rustcrypto;
#[cfg(feature = "internals")]
mod unchecked;

// Several parts of it serve tests, benchmarks and fuzz targets only.
#[cfg_attr(not(feature = "internals"), allow(dead_code, unused_imports))]
pub(crate) mod prepared;

use crate::jose::algorithm::Scheme;
use crate::jose::jwk::{KeyMaterial, KeyProblem};

/// The signature does not verify. Deliberately without detail: a verifier must not become an oracle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadSignature;

/// One public (or HMAC) key, ready to verify. Implementations allocate only when they are built, never
/// panic, and answer [`BadSignature`] for a scheme that does not fit the key and for a signature of any
/// wrong length.
pub(crate) trait VerifySignature: Send + Sync {
    /// Checks `signature` over `message`.
    fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature>;

    /// The backend's name, for reports.
    fn backend(&self) -> &'static str;

    /// Memory in bytes that prepared tables take for this key.
    fn table_bytes(&self) -> usize {
        0
    }
}

/// Which backends a key may be loaded into.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Backends {
    /// The fastest that this CPU can run.
    #[default]
    Fastest,
    /// Keys with precomputed tables where that applies, within `DEFAULT_TABLE_BYTES` for a verifier, and the
    /// fastest library for the others. 2.8 to 5.5 times as fast for EdDSA, ES256 and RS256 (benches/README.md),
    /// and slower to load (up to 1 ms a key). Not the default before every path has been compared with two independent
    /// implementations ten million times (fuzz/README.md says how far that is).
    Prepared,
    /// Only the portable ones, as on wasm32: for tests and comparisons.
    Portable,
    /// None: every signature passes. For measurements of everything else.
    #[cfg(feature = "internals")]
    #[doc(hidden)]
    Unchecked,
}

/// Checks a key and makes it ready. `table_bytes` is how much memory prepared tables may take.
///
/// # Errors
/// [`KeyProblem::InvalidPoint`] for a point that is not on its curve, not canonically encoded or of small
/// order; [`KeyProblem::RsaModulus`] for a modulus that the backend refuses.
pub(crate) fn load(
    material: &KeyMaterial,
    backends: Backends,
    table_bytes: usize,
) -> Result<Box<dyn VerifySignature>, KeyProblem> {
    let library = load_library(material, backends)?;
    // The library has accepted the key; a prepared form answers like it, only sooner.
    if backends == Backends::Prepared
        && let Some(prepared) = prepared::prepare(material, table_bytes)
    {
        return Ok(prepared);
    }
    Ok(library)
}

fn load_library(material: &KeyMaterial, backends: Backends) -> Result<Box<dyn VerifySignature>, KeyProblem> {
    #[cfg(feature = "internals")]
    if backends == Backends::Unchecked {
        return Ok(Box::new(unchecked::Unchecked));
    }
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if backends != Backends::Portable && graviola::is_usable() {
        match material {
            KeyMaterial::P256(point) => return graviola::p256(point),
            KeyMaterial::P384(point) => return graviola::p384(point),
            // graviola takes any modulus, but verifies only under those of whole 64-bit words.
            KeyMaterial::Rsa { n, e } if n.len() % 8 == 0 && n.first().is_some_and(|b| *b >= 0x80) => {
                return graviola::rsa(n, *e);
            }
            KeyMaterial::Rsa { .. } | KeyMaterial::Ed25519(_) | KeyMaterial::Oct(_) => {}
        }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = backends;
    match material {
        KeyMaterial::Ed25519(point) => dalek::ed25519(point),
        KeyMaterial::P256(point) => rustcrypto::p256(point),
        KeyMaterial::P384(point) => rustcrypto::p384(point),
        KeyMaterial::Rsa { n, e } => rustcrypto::rsa(n, *e),
        KeyMaterial::Oct(secret) => hmac::hmac(secret),
    }
}

#[cfg(test)]
mod tests;
