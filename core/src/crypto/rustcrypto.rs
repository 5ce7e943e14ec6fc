//! ECDSA and RSA by RustCrypto: portable, for CPUs without graviola's features and for wasm32.
//!
//! The ECDSA paths allocate nothing. The `rsa` crate allocates in every verification (its integers live on
//! the heap); core/tests/no_alloc.rs lists that as the one exception.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::traits::SignatureScheme;
use rsa::{BoxedUint, Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::digest::Digest;
use sha2::{Sha256, Sha384, Sha512};

use super::{BadSignature, VerifySignature};
use crate::jose::algorithm::{HashFunction, Scheme};
use crate::jose::jwk::KeyProblem;
use crate::limits::{MAX_RSA_BITS, MIN_RSA_BITS};

struct P256(p256::ecdsa::VerifyingKey);
struct P384(p384::ecdsa::VerifyingKey);
struct Rsa {
    key: RsaPublicKey,
    modulus_bytes: usize,
}

pub(super) fn p256(point: &[u8; 64]) -> Result<Box<dyn VerifySignature>, KeyProblem> {
    let point = p256::Sec1Point::from_untagged_bytes(point.into());
    let key = p256::ecdsa::VerifyingKey::from_sec1_point(&point).map_err(|_| KeyProblem::InvalidPoint)?;
    Ok(Box::new(P256(key)))
}

pub(super) fn p384(point: &[u8; 96]) -> Result<Box<dyn VerifySignature>, KeyProblem> {
    let point = p384::Sec1Point::from_untagged_bytes(point.into());
    let key = p384::ecdsa::VerifyingKey::from_sec1_point(&point).map_err(|_| KeyProblem::InvalidPoint)?;
    Ok(Box::new(P384(key)))
}

pub(super) fn rsa(n: &[u8], e: u64) -> Result<Box<dyn VerifySignature>, KeyProblem> {
    let modulus = BoxedUint::from_be_slice_vartime(n);
    let exponent = BoxedUint::from(e);
    let key = RsaPublicKey::new_with_size_limits(modulus, exponent, MIN_RSA_BITS..=MAX_RSA_BITS)
        .map_err(|_| KeyProblem::RsaModulus)?;
    Ok(Box::new(Rsa { key, modulus_bytes: n.len() }))
}

impl VerifySignature for P256 {
    fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        if scheme != Scheme::EcdsaP256Sha256 {
            return Err(BadSignature);
        }
        let signature = p256::ecdsa::Signature::from_slice(signature).map_err(|_| BadSignature)?;
        self.0.verify_prehash(&Sha256::digest(message), &signature).map_err(|_| BadSignature)
    }

    fn backend(&self) -> &'static str {
        "RustCrypto p256"
    }
}

impl VerifySignature for P384 {
    fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        if scheme != Scheme::EcdsaP384Sha384 {
            return Err(BadSignature);
        }
        let signature = p384::ecdsa::Signature::from_slice(signature).map_err(|_| BadSignature)?;
        self.0.verify_prehash(&Sha384::digest(message), &signature).map_err(|_| BadSignature)
    }

    fn backend(&self) -> &'static str {
        "RustCrypto p384"
    }
}

impl Rsa {
    fn check(&self, scheme: impl SignatureScheme, hash: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.key.verify(scheme, hash, signature).map_err(|_| BadSignature)
    }
}

impl VerifySignature for Rsa {
    fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        use HashFunction as H;
        // RFC 8017 §8.1.2 and §8.2.2, step 1.
        if signature.len() != self.modulus_bytes {
            return Err(BadSignature);
        }
        match scheme {
            Scheme::RsaPkcs1(H::Sha256) => {
                self.check(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature)
            }
            Scheme::RsaPkcs1(H::Sha384) => {
                self.check(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message), signature)
            }
            Scheme::RsaPkcs1(H::Sha512) => {
                self.check(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message), signature)
            }
            Scheme::RsaPss(H::Sha256) => {
                self.check(Pss::<Sha256>::new(), &Sha256::digest(message), signature)
            }
            Scheme::RsaPss(H::Sha384) => {
                self.check(Pss::<Sha384>::new(), &Sha384::digest(message), signature)
            }
            Scheme::RsaPss(H::Sha512) => {
                self.check(Pss::<Sha512>::new(), &Sha512::digest(message), signature)
            }
            Scheme::Ed25519 | Scheme::EcdsaP256Sha256 | Scheme::EcdsaP384Sha384 | Scheme::Hmac(_) => {
                Err(BadSignature)
            }
        }
    }

    fn backend(&self) -> &'static str {
        "RustCrypto rsa"
    }
}
