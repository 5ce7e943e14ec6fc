//! RS256 to RS512 and PS256 to PS512 under a prepared key: Montgomery constants kept, AVX-512 IFMA.
//!
//! The simple algorithm is RFC 8017 §§8.1.2, 8.2.2, as the crate `rsa` implements it: that crate and graviola
//! are the oracles in the tests, and they serve wherever `PreparedRsa::new` answers `None`: on a CPU without
//! IFMA, above 4,096 bits, for an exponent other than 65537, and if the self-test should ever fail.
//! Departures: the power, in `ifma.rs`, and the check of its encoding, in `padding.rs`, which allocate nothing.

#[cfg(target_arch = "x86_64")]
mod ifma;
#[cfg(not(target_arch = "x86_64"))]
#[path = "unavailable.rs"]
mod ifma;
mod padding;

#[cfg(test)]
mod slow;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use sha2::{Digest, Sha256, Sha384, Sha512};

use self::ifma::Modulus;
use self::padding::{SignatureHash, is_pkcs1_encoding, is_pss_encoding};
use super::{InvalidKey, PathStatus};
use crate::crypto::{BadSignature, VerifySignature};
use crate::jose::algorithm::{HashFunction, Scheme};
use crate::limits::{MAX_RSA_BITS, MAX_RSA_EXPONENT, MIN_RSA_BITS, MIN_RSA_EXPONENT};

/// An RSA public key with the constants that the vector path needs.
pub(crate) struct PreparedRsa {
    modulus: Modulus,
    /// The modulus, big-endian, in the first `length` bytes.
    n: [u8; MAX_BYTES],
    length: usize,
    bits: usize,
}

impl PreparedRsa {
    /// Prepares the key with modulus `n` and exponent `e`, both big-endian. Takes under ten microseconds, the
    /// first time with the self-test a few hundred.
    ///
    /// `Ok(None)`: no vector path for this key or on this CPU; the library backend must serve.
    pub(crate) fn new(n: &[u8], e: &[u8]) -> Result<Option<Self>, InvalidKey> {
        let n = without_leading_zeros(n);
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        let is_odd = n.last().is_some_and(|last| last & 1 == 1);
        if !is_odd || !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(InvalidKey);
        }
        let exponent = exponent_value(e).ok_or(InvalidKey)?;
        if exponent & 1 == 0 || !(MIN_RSA_EXPONENT..=MAX_RSA_EXPONENT).contains(&exponent) {
            return Err(InvalidKey);
        }
        if exponent != EXPONENT || bits > MAX_BITS || status() != PathStatus::Active {
            return Ok(None);
        }
        let mut bytes = [0; MAX_BYTES];
        for (to, from) in bytes.iter_mut().zip(n) {
            *to = *from;
        }
        let prepared = |modulus| PreparedRsa { modulus, n: bytes, length: n.len(), bits };
        Ok(Modulus::new(n).map(prepared))
    }

    /// Memory that this key takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<PreparedRsa>() + self.modulus.memory_bytes()
    }

    /// Applies `check` to s^65537 mod n (§8.1.2 steps 1 to 2b, §8.2.2 steps 1 to 2b).
    fn verify_with(
        &self,
        signature: &[u8],
        check: impl FnOnce(&mut [u8]) -> bool,
    ) -> Result<(), BadSignature> {
        let n = self.n.get(..self.length).ok_or(BadSignature)?;
        if signature.len() != n.len() || signature >= n {
            return Err(BadSignature);
        }
        let mut buffer = [0; MAX_BYTES];
        let encoded = buffer.get_mut(..self.length).ok_or(BadSignature)?;
        self.modulus.raise(signature, encoded);
        if check(encoded) { Ok(()) } else { Err(BadSignature) }
    }

    fn verify_pkcs1<H: SignatureHash>(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.verify_with(signature, |encoded| is_pkcs1_encoding::<H>(encoded, &H::digest(message)))
    }

    fn verify_pss<H: SignatureHash>(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.verify_with(signature, |encoded| is_pss_encoding::<H>(encoded, self.bits, &H::digest(message)))
    }
}

impl VerifySignature for PreparedRsa {
    fn backend(&self) -> &'static str {
        "libtoken prepared RSA"
    }

    fn table_bytes(&self) -> usize {
        self.memory_bytes()
    }

    fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        match scheme {
            Scheme::RsaPkcs1(HashFunction::Sha256) => self.verify_pkcs1::<Sha256>(message, signature),
            Scheme::RsaPkcs1(HashFunction::Sha384) => self.verify_pkcs1::<Sha384>(message, signature),
            Scheme::RsaPkcs1(HashFunction::Sha512) => self.verify_pkcs1::<Sha512>(message, signature),
            Scheme::RsaPss(HashFunction::Sha256) => self.verify_pss::<Sha256>(message, signature),
            Scheme::RsaPss(HashFunction::Sha384) => self.verify_pss::<Sha384>(message, signature),
            Scheme::RsaPss(HashFunction::Sha512) => self.verify_pss::<Sha512>(message, signature),
            Scheme::Ed25519 | Scheme::EcdsaP256Sha256 | Scheme::EcdsaP384Sha384 | Scheme::Hmac(_) => {
                Err(BadSignature)
            }
        }
    }
}

/// Whether this CPU has the vector path, and whether the path passed its known-answer test. The first call
/// runs it.
pub(crate) fn status() -> PathStatus {
    static PASSED: OnceLock<bool> = OnceLock::new();
    if !ifma::cpu_supports() {
        PathStatus::Unsupported
    } else if *PASSED.get_or_init(|| KNOWN_ANSWERS.iter().all(known_answer_holds)) {
        PathStatus::Active
    } else {
        PathStatus::Failed
    }
}

/// A power computed beforehand, for one number of vectors.
struct KnownAnswer {
    /// Bytes of the modulus.
    length: usize,
    /// SHA-256 of the power, big-endian, at the modulus's length.
    digest: [u8; 32],
}

fn known_answer_holds(answer: &KnownAnswer) -> bool {
    let (mut n, mut s, mut power) = ([0; MAX_BYTES], [0; MAX_BYTES], [0; MAX_BYTES]);
    let (Some(n), Some(s), Some(power)) =
        (n.get_mut(..answer.length), s.get_mut(..answer.length), power.get_mut(..answer.length))
    else {
        return false;
    };
    fill(n, b"libtoken self-test modulus");
    fill(s, b"libtoken self-test base");
    // The modulus must have all its bits and be odd; the base must be below it.
    let (Some(top), Some(base_top)) = (n.first_mut(), s.first_mut()) else { return false };
    *top |= 0x80;
    *base_top &= 0x7f;
    let Some(lowest) = n.last_mut() else { return false };
    *lowest |= 1;
    let Some(modulus) = Modulus::new(n) else { return false };
    modulus.raise(s, power);
    Sha256::digest(power) == answer.digest
}

/// Bytes that look random: SHA-256 of the label and a counter, block after block.
fn fill(bytes: &mut [u8], label: &[u8]) {
    for (counter, block) in (0_u32..).zip(bytes.chunks_mut(32)) {
        let digest = Sha256::new().chain_update(label).chain_update(counter.to_be_bytes()).finalize();
        for (to, from) in block.iter_mut().zip(digest) {
            *to = from;
        }
    }
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// `None`: more than 64 bits.
fn exponent_value(e: &[u8]) -> Option<u64> {
    let e = without_leading_zeros(e);
    let mut bytes = [0; 8];
    bytes.get_mut(8_usize.checked_sub(e.len())?..)?.copy_from_slice(e);
    Some(u64::from_be_bytes(bytes))
}

/// The one exponent with a prepared path; every issuer uses it.
const EXPONENT: u64 = 65_537;

/// Largest modulus with a prepared path, in bits.
const MAX_BITS: usize = 4096;

/// Bytes of the largest modulus.
const MAX_BYTES: usize = MAX_BITS / 8;

/// One per number of vectors, 5 to 10. The digests are those of Python's `pow(s, 65537, n)`.
const KNOWN_ANSWERS: [KnownAnswer; 6] = [
    KnownAnswer {
        length: 256,
        digest: [
            0x29, 0x57, 0xad, 0x23, 0xc1, 0x04, 0xaf, 0x72, 0xa3, 0x65, 0x41, 0xd6, 0xe8, 0x68, 0x2f, 0x3a,
            0x08, 0x87, 0x4d, 0xfd, 0xd6, 0x9f, 0x98, 0x64, 0xe6, 0xd5, 0xce, 0x78, 0x6f, 0x5c, 0xe2, 0x9c,
        ],
    },
    KnownAnswer {
        length: 304,
        digest: [
            0x4c, 0x9a, 0xa9, 0x97, 0x72, 0x5d, 0xcb, 0x21, 0xb2, 0x6a, 0x8f, 0xfe, 0xe7, 0xeb, 0x1a, 0xfd,
            0xcd, 0x34, 0xd2, 0x0d, 0x10, 0x6d, 0xda, 0x79, 0xf8, 0x16, 0x8a, 0xb2, 0x4a, 0x28, 0x83, 0xa3,
        ],
    },
    KnownAnswer {
        length: 360,
        digest: [
            0x97, 0xb1, 0xfe, 0x13, 0xf8, 0x52, 0x54, 0xf8, 0x88, 0x33, 0x2d, 0xf9, 0xf6, 0x3e, 0x3c, 0xe1,
            0x1e, 0xdf, 0x41, 0x7a, 0x65, 0x48, 0x8d, 0x3b, 0x2c, 0x19, 0xad, 0xa6, 0x97, 0x97, 0x84, 0xbc,
        ],
    },
    KnownAnswer {
        length: 384,
        digest: [
            0x5c, 0xcb, 0x47, 0xc8, 0x7e, 0x07, 0x27, 0x82, 0x1f, 0x5e, 0x69, 0xb3, 0x1c, 0xab, 0x37, 0x5e,
            0xc9, 0x96, 0x1f, 0xa7, 0xe6, 0x2f, 0x7a, 0x16, 0x99, 0xd8, 0xe5, 0x1c, 0xd2, 0xcf, 0x97, 0x92,
        ],
    },
    KnownAnswer {
        length: 464,
        digest: [
            0xe6, 0xce, 0x55, 0x1f, 0x5d, 0x91, 0xde, 0x9d, 0x78, 0xe0, 0xcc, 0x0d, 0x12, 0x0f, 0x7c, 0x1c,
            0x26, 0x07, 0x34, 0x7d, 0xb6, 0x38, 0x12, 0xbc, 0x95, 0x40, 0xfb, 0x4f, 0x90, 0x50, 0xe9, 0x05,
        ],
    },
    KnownAnswer {
        length: 512,
        digest: [
            0xe1, 0xb5, 0x2e, 0x02, 0xc4, 0x58, 0x33, 0xe8, 0x4d, 0x65, 0xb3, 0x9f, 0x64, 0x21, 0x2a, 0xaf,
            0xff, 0xc1, 0x6e, 0xeb, 0x5b, 0xcd, 0xec, 0x33, 0x3f, 0xa1, 0x32, 0x63, 0x05, 0x52, 0x0b, 0xc3,
        ],
    },
];
