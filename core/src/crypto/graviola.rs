//! ECDSA and RSA by graviola: verified assembly of s2n-bignum, no allocation in a verification.
//!
//! graviola asserts its CPU features when it is entered, so nothing here may be called unless
//! [`is_usable`] said yes; [`super::load`] is the only caller.

use graviola::hashing::{Sha256, Sha384};
use graviola::signing::{ecdsa, rsa};

use super::{BadSignature, VerifySignature};
use crate::jose::algorithm::{HashFunction, Scheme};
use crate::jose::jwk::KeyProblem;

struct P256(ecdsa::VerifyingKey<ecdsa::P256>);
struct P384(ecdsa::VerifyingKey<ecdsa::P384>);
struct Rsa {
    key: rsa::VerifyingKey,
    modulus_bytes: usize,
}

/// Whether this CPU has all that graviola asserts (`verify_cpu_features` in its source).
#[cfg(target_arch = "x86_64")]
pub(super) fn is_usable() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("aes")
        && has!("pclmulqdq")
        && has!("bmi1")
        && has!("bmi2")
        && has!("adx")
        && has!("avx")
        && has!("avx2")
        && has!("ssse3")
}

/// Whether this CPU has all that graviola asserts (`verify_cpu_features` in its source).
#[cfg(target_arch = "aarch64")]
pub(super) fn is_usable() -> bool {
    use std::arch::is_aarch64_feature_detected as has;
    has!("neon") && has!("aes") && has!("pmull") && has!("sha2")
}

pub(super) fn p256(point: &[u8; 64]) -> Result<Box<dyn VerifySignature>, KeyProblem> {
    check_range(point, &P256_PRIME)?;
    let key = ecdsa::VerifyingKey::from_x962_uncompressed(&uncompressed::<65>(point));
    Ok(Box::new(P256(key.map_err(|_| KeyProblem::InvalidPoint)?)))
}

pub(super) fn p384(point: &[u8; 96]) -> Result<Box<dyn VerifySignature>, KeyProblem> {
    check_range(point, &P384_PRIME)?;
    let key = ecdsa::VerifyingKey::from_x962_uncompressed(&uncompressed::<97>(point));
    Ok(Box::new(P384(key.map_err(|_| KeyProblem::InvalidPoint)?)))
}

pub(super) fn rsa(n: &[u8], e: u64) -> Result<Box<dyn VerifySignature>, KeyProblem> {
    let key = rsa::VerifyingKey::from_pkcs1_der(&pkcs1(n, e));
    let key = key.map_err(|_| KeyProblem::RsaModulus)?;
    Ok(Box::new(Rsa { key, modulus_bytes: n.len() }))
}

impl VerifySignature for P256 {
    fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        if scheme != Scheme::EcdsaP256Sha256 {
            return Err(BadSignature);
        }
        self.0.verify::<Sha256>(&[message], signature).map_err(|_| BadSignature)
    }

    fn backend(&self) -> &'static str {
        "graviola"
    }
}

impl VerifySignature for P384 {
    fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        if scheme != Scheme::EcdsaP384Sha384 {
            return Err(BadSignature);
        }
        self.0.verify::<Sha384>(&[message], signature).map_err(|_| BadSignature)
    }

    fn backend(&self) -> &'static str {
        "graviola"
    }
}

impl VerifySignature for Rsa {
    fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        use HashFunction::{Sha256, Sha384, Sha512};
        // RFC 8017 §8.1.2 and §8.2.2, step 1. graviola 0.4 ignores zeros before the number, so that one signature
        // would have many spellings.
        if signature.len() != self.modulus_bytes {
            return Err(BadSignature);
        }
        let key = &self.key;
        match scheme {
            Scheme::RsaPkcs1(Sha256) => key.verify_pkcs1_sha256(signature, message),
            Scheme::RsaPkcs1(Sha384) => key.verify_pkcs1_sha384(signature, message),
            Scheme::RsaPkcs1(Sha512) => key.verify_pkcs1_sha512(signature, message),
            Scheme::RsaPss(Sha256) => key.verify_pss_sha256(signature, message),
            Scheme::RsaPss(Sha384) => key.verify_pss_sha384(signature, message),
            Scheme::RsaPss(Sha512) => key.verify_pss_sha512(signature, message),
            Scheme::Ed25519 | Scheme::EcdsaP256Sha256 | Scheme::EcdsaP384Sha384 | Scheme::Hmac(_) => {
                return Err(BadSignature);
            }
        }
        .map_err(|_| BadSignature)
    }

    fn backend(&self) -> &'static str {
        "graviola"
    }
}

/// Both coordinates must be below the field's prime (SEC 1 §2.3.4 and §3.2.2.1 step 2). graviola 0.4 reduces larger
/// ones instead, so that one key would have two spellings.
fn check_range(point: &[u8], prime: &[u8]) -> Result<(), KeyProblem> {
    let (x, y) = point.split_at(point.len() / 2);
    // Big-endian numbers of the same length compare as their bytes do.
    if x < prime && y < prime { Ok(()) } else { Err(KeyProblem::InvalidPoint) }
}

/// X9.62 §4.3.6: 04, x, y.
fn uncompressed<const N: usize>(point: &[u8]) -> [u8; N] {
    let mut encoded = [0; N];
    if let Some((first, rest)) = encoded.split_first_mut() {
        *first = 4;
        if rest.len() == point.len() {
            rest.copy_from_slice(point);
        }
    }
    encoded
}

/// PKCS#1 RSAPublicKey (RFC 8017 §A.1.1) in DER, which is the only form graviola takes.
fn pkcs1(n: &[u8], e: u64) -> Vec<u8> {
    let e = e.to_be_bytes();
    let content = [der_integer(n), der_integer(&e)].concat();
    der(0x30, &content)
}

fn der_integer(big_endian: &[u8]) -> Vec<u8> {
    let zeros = big_endian.iter().take_while(|b| **b == 0).count();
    let minimal = big_endian.get(zeros..).unwrap_or(&[]);
    // A leading bit of one would make it negative.
    let sign: &[u8] = if minimal.first().is_none_or(|b| *b >= 0x80) { &[0] } else { &[] };
    der(0x02, &[sign, minimal].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = vec![tag];
    match length {
        [0, 0, 0, short @ 0..0x80] => out.push(short),
        [0, 0, 0, l] => out.extend([0x81, l]),
        [0, 0, h, l] => out.extend([0x82, h, l]),
        // Not reached: no modulus has 64 KiB. graviola refuses such a length as it would any malformed DER.
        [a, b, c, d] => out.extend([0x84, a, b, c, d]),
    }
    out.extend_from_slice(content);
    out
}

/// p of P-256 (SP 800-186 §3.2.1.3), big-endian.
#[rustfmt::skip]
const P256_PRIME: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];

/// p of P-384 (SP 800-186 §3.2.1.4), big-endian.
#[rustfmt::skip]
const P384_PRIME: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff,
];
