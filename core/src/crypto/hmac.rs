//! HMAC by RustCrypto, with the key's two blocks absorbed once, at load. The comparison is constant-time
//! (`Mac::verify_slice`), and a truncated tag never verifies.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};

use super::{BadSignature, VerifySignature};
use crate::jose::algorithm::{HashFunction, Scheme};
use crate::jose::jwk::KeyProblem;

struct HmacKey {
    sha256: Hmac<Sha256>,
    sha384: Hmac<Sha384>,
    sha512: Hmac<Sha512>,
}

pub(super) fn hmac(secret: &[u8]) -> Result<Box<dyn VerifySignature>, KeyProblem> {
    // HMAC takes a key of any length; an empty one is refused before, when the JWK is read.
    let short = |_| KeyProblem::SecretTooShort;
    Ok(Box::new(HmacKey {
        sha256: Hmac::new_from_slice(secret).map_err(short)?,
        sha384: Hmac::new_from_slice(secret).map_err(short)?,
        sha512: Hmac::new_from_slice(secret).map_err(short)?,
    }))
}

impl VerifySignature for HmacKey {
    fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        fn check(mac: impl Mac, message: &[u8], tag: &[u8]) -> Result<(), BadSignature> {
            mac.chain_update(message).verify_slice(tag).map_err(|_| BadSignature)
        }
        match scheme {
            Scheme::Hmac(HashFunction::Sha256) => check(self.sha256.clone(), message, signature),
            Scheme::Hmac(HashFunction::Sha384) => check(self.sha384.clone(), message, signature),
            Scheme::Hmac(HashFunction::Sha512) => check(self.sha512.clone(), message, signature),
            Scheme::Ed25519
            | Scheme::EcdsaP256Sha256
            | Scheme::EcdsaP384Sha384
            | Scheme::RsaPkcs1(_)
            | Scheme::RsaPss(_) => Err(BadSignature),
        }
    }

    fn backend(&self) -> &'static str {
        "RustCrypto hmac"
    }
}
