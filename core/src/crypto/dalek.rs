//! Ed25519 by ed25519-dalek, strict: `verify_strict`.
//!
//! The criteria, in the words of 'Taming the many EdDSAs' (Chalkias, Garillot, Nikolaenko, 2020): S must be
//! canonical (S < L, RFC 8032 §5.1.7), A and R must decode and not be of small order, and the equation is
//! the cofactorless one, checked by comparing the encoding of `[S]B - [k]A` with R's bytes, so a
//! non-canonical R never verifies. On top of that, a key whose encoding is not canonical is not loaded.

use ed25519_dalek::{Signature, VerifyingKey};

use super::{BadSignature, VerifySignature};
use crate::jose::algorithm::Scheme;
use crate::jose::jwk::KeyProblem;

struct Ed25519(VerifyingKey);

pub(super) fn ed25519(point: &[u8; 32]) -> Result<Box<dyn VerifySignature>, KeyProblem> {
    if !is_canonical(point) {
        return Err(KeyProblem::InvalidPoint);
    }
    let key = VerifyingKey::from_bytes(point).map_err(|_| KeyProblem::InvalidPoint)?;
    if key.is_weak() {
        return Err(KeyProblem::InvalidPoint);
    }
    Ok(Box::new(Ed25519(key)))
}

impl VerifySignature for Ed25519 {
    fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        if scheme != Scheme::Ed25519 {
            return Err(BadSignature);
        }
        let signature = Signature::from_slice(signature).map_err(|_| BadSignature)?;
        self.0.verify_strict(message, &signature).map_err(|_| BadSignature)
    }

    fn backend(&self) -> &'static str {
        "ed25519-dalek"
    }
}

/// Whether y is below p = 2^255 - 19 (RFC 8032 §5.1.3 step 1). With y = 1 or y = -1 the sign bit could be
/// spelled two ways as well, but these points have small order and are refused for that.
fn is_canonical(point: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = point;
    *low < 0xed || high & 0x7f != 0x7f || middle.iter().any(|b| *b != 0xff)
}
