//! ES256 under a prepared key: u1·G + u2·Q from two tables, with additions only.
//!
//! The simple algorithm is FIPS 186-5 §6.4.2, as the crate `p256` implements it; it stays here as the
//! oracle of the tests and as the answer for whatever this file does not decide itself. Departures:
//! - Both multiplications read tables of multiples (`table.rs`), so no doubling is left: about a fifth of the
//!   time that the fastest library takes.
//! - R's x is compared as r·ZZ = X, without the inversion that would make it affine; since r is x reduced
//!   modulo n, r + n is compared as well where it is below p.
//! - Additions are incomplete (`point.rs`). A sum that meets an exceptional case, which takes a signature
//!   made for the purpose, is decided by `p256` from the start.
//!
//! High s is accepted: JWS has no rule against it (RFC 7518 §3.4), and neither has `p256`'s verifier.

mod field;
mod inversion;
mod point;
mod table;
mod word;

#[cfg(test)]
mod arithmetic_tests;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use ::p256::ecdsa::signature::hazmat::PrehashVerifier;
use ::p256::ecdsa::{Signature, VerifyingKey};
use ::p256::elliptic_curve::PrimeField;
use ::p256::elliptic_curve::ops::Reduce;
use ::p256::{FieldBytes, Scalar};
use sha2::{Digest, Sha256};

use self::field::{Element, less_than, words_from_be_bytes};
use self::inversion::invert_modulo_order;
use self::point::Affine;
use self::table::{N, Selection, Table};
use super::{InvalidKey, PathStatus};
use crate::crypto::{BadSignature, VerifySignature};
use crate::jose::algorithm::Scheme;

pub(crate) use self::table::Window;

/// A P-256 public key with the table of its multiples.
pub(crate) struct PreparedP256 {
    /// Multiples of the public key Q.
    multiples: Table,
    /// Multiples of the generator G, shared by all keys.
    generator: &'static Table,
    /// Decides what the tables do not.
    library: VerifyingKey,
}

impl PreparedP256 {
    /// Prepares the key `public_key`, x || y, big-endian. Takes up to half a millisecond, and for the first
    /// key of each width three times that: the generator's table and the self-test's are built as well.
    ///
    /// `Ok(None)`: the self-test failed on this machine; the library backend must serve.
    pub(crate) fn new(public_key: &[u8; 64], window: Window) -> Result<Option<Self>, InvalidKey> {
        let library = library_key(public_key)?;
        if status(window) != PathStatus::Active {
            return Ok(None);
        }
        Ok(Some(PreparedP256::untested(public_key, window, library)))
    }

    /// Memory that this key takes, in bytes, its share in the generator's table not counted.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<PreparedP256>() + self.multiples.memory_bytes()
    }

    /// Checks `signature`, r || s, over a message with the SHA-256 `hash`.
    pub(crate) fn verify_prehashed(&self, hash: &[u8; 32], signature: &[u8]) -> Result<(), BadSignature> {
        let signature = Signature::from_slice(signature).map_err(|_| BadSignature)?;
        match self.verdict(hash, &signature) {
            Verdict::Valid => Ok(()),
            Verdict::Invalid => Err(BadSignature),
            Verdict::Undecided => self.library.verify_prehash(hash, &signature).map_err(|_| BadSignature),
        }
    }

    fn untested(public_key: &[u8; 64], window: Window, library: VerifyingKey) -> Self {
        let multiples = Table::new(affine_from_bytes(public_key), window);
        PreparedP256 { multiples, generator: generator_table(window), library }
    }

    fn verdict(&self, hash: &[u8; 32], signature: &Signature) -> Verdict {
        // `Signature` holds r and s in [1, n - 1] by construction.
        let (r, s) = signature.split_scalars();
        let z = <Scalar as Reduce<FieldBytes>>::reduce(&FieldBytes::from(*hash));
        let inverse = scalar_of(&invert_modulo_order(&words_of(&s)));
        let u1 = words_of(&(z * inverse));
        let u2 = words_of(&(*r * inverse));
        let mut points = Selection::new();
        self.generator.select(&u1, &mut points);
        self.multiples.select(&u2, &mut points);
        // u2 is not zero, so there are points.
        let Some(sum) = points.sum() else { return Verdict::Undecided };
        if sum.is_exceptional() {
            return Verdict::Undecided;
        }
        let r = words_of(&r);
        if sum.has_x(&Element::from_words(&r)) {
            return Verdict::Valid;
        }
        if less_than(&r, &P_MINUS_N) && sum.has_x(&Element::from_words(&add_n(&r))) {
            return Verdict::Valid;
        }
        Verdict::Invalid
    }
}

impl VerifySignature for PreparedP256 {
    fn backend(&self) -> &'static str {
        "libtoken prepared P-256"
    }

    fn table_bytes(&self) -> usize {
        self.memory_bytes()
    }

    fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        match scheme {
            Scheme::EcdsaP256Sha256 => self.verify_prehashed(&Sha256::digest(message).into(), signature),
            Scheme::Ed25519
            | Scheme::EcdsaP384Sha384
            | Scheme::RsaPkcs1(_)
            | Scheme::RsaPss(_)
            | Scheme::Hmac(_) => Err(BadSignature),
        }
    }
}

/// Whether the arithmetic over tables of this width passed its known-answer test on this machine. The first
/// call runs it.
pub(crate) fn status(window: Window) -> PathStatus {
    static PASSED: [OnceLock<bool>; Window::ALL.len()] = [const { OnceLock::new() }; Window::ALL.len()];
    let passed = *PASSED[window.index()].get_or_init(|| known_answer_holds(window));
    if passed { PathStatus::Active } else { PathStatus::Failed }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Valid,
    Invalid,
    /// An exceptional addition: the tables cannot tell.
    Undecided,
}

/// The answer known beforehand: the signature verifies, and no longer with r or s changed.
fn known_answer_holds(window: Window) -> bool {
    let Ok(library) = library_key(&KNOWN_KEY) else { return false };
    let key = PreparedP256::untested(&KNOWN_KEY, window, library);
    let hash: [u8; 32] = Sha256::digest(KNOWN_MESSAGE).into();
    let verdict_with_flip = |flip: Option<usize>| {
        let mut bytes = KNOWN_SIGNATURE;
        if let Some(byte) = flip.and_then(|index| bytes.get_mut(index)) {
            *byte ^= 1;
        }
        Signature::from_slice(&bytes).map(|signature| key.verdict(&hash, &signature))
    };
    matches!(verdict_with_flip(None), Ok(Verdict::Valid))
        && matches!(verdict_with_flip(Some(31)), Ok(Verdict::Invalid))
        && matches!(verdict_with_flip(Some(63)), Ok(Verdict::Invalid))
}

/// The multiples of G, built once per width.
fn generator_table(window: Window) -> &'static Table {
    static TABLES: [OnceLock<Table>; Window::ALL.len()] = [const { OnceLock::new() }; Window::ALL.len()];
    TABLES[window.index()].get_or_init(|| Table::new(affine_from_bytes(&GENERATOR), window))
}

/// The key as the library reads it: both coordinates below p, the point on the curve.
fn library_key(public_key: &[u8; 64]) -> Result<VerifyingKey, InvalidKey> {
    let mut encoded = [UNCOMPRESSED; 65];
    encoded[1..].copy_from_slice(public_key);
    VerifyingKey::from_sec1_bytes(&encoded).map_err(|_| InvalidKey)
}

/// The point of a key that [`library_key`] accepts.
fn affine_from_bytes(public_key: &[u8; 64]) -> Affine {
    let (halves, _) = public_key.as_chunks::<32>();
    let coordinate = |bytes| Element::from_words(&words_from_be_bytes(bytes));
    Affine { x: coordinate(&halves[0]), y: coordinate(&halves[1]) }
}

fn scalar_of(words: &[u64; 4]) -> Scalar {
    let mut bytes = FieldBytes::default();
    for (chunk, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words.iter().rev()) {
        *chunk = word.to_be_bytes();
    }
    <Scalar as Reduce<FieldBytes>>::reduce(&bytes)
}

fn words_of(scalar: &Scalar) -> [u64; 4] {
    words_from_be_bytes(&scalar.to_repr().into())
}

/// r + n, for r below p - n.
fn add_n(r: &[u64; 4]) -> [u64; 4] {
    let mut sum = [0; 4];
    let mut carry = 0;
    for ((sum, r), n) in sum.iter_mut().zip(r).zip(N) {
        (*sum, carry) = word::add(*r, n, carry);
    }
    sum
}

/// p - n, lowest word first: an r below it may stand for x = r + n.
const P_MINUS_N: [u64; 4] = [0x0c46_353d_039c_daae, 0x4319_0553_58e8_617b, 0, 0];

/// The first byte of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

/// The generator G, x || y (FIPS 186-4 §D.1.2.3).
const GENERATOR: [u8; 64] = [
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77,
    0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3,
    0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
    0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

/// The key of the self-test, x || y: RFC 6979 §A.2.5.
const KNOWN_KEY: [u8; 64] = [
    0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9, 0x61, 0xeb, 0x74, 0xc6, 0x35, 0x6d, 0x68, 0xc0,
    0x49, 0xb8, 0x92, 0x3b, 0x61, 0xfa, 0x6c, 0xe6, 0x69, 0x62, 0x2e, 0x60, 0xf2, 0x9f, 0xb6, 0x79, 0x03,
    0xfe, 0x10, 0x08, 0xb8, 0xbc, 0x99, 0xa4, 0x1a, 0xe9, 0xe9, 0x56, 0x28, 0xbc, 0x64, 0xf2, 0xf1, 0xb2,
    0x0c, 0x2d, 0x7e, 0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22, 0x99,
];

/// The message of the self-test, from the same place.
const KNOWN_MESSAGE: &[u8] = b"sample";

/// The signature of the self-test, r || s, with SHA-256, from the same place.
const KNOWN_SIGNATURE: [u8; 64] = [
    0xef, 0xd4, 0x8b, 0x2a, 0xac, 0xb6, 0xa8, 0xfd, 0x11, 0x40, 0xdd, 0x9c, 0xd4, 0x5e, 0x81, 0xd6, 0x9d,
    0x2c, 0x87, 0x7b, 0x56, 0xaa, 0xf9, 0x91, 0xc3, 0x4d, 0x0e, 0xa8, 0x4e, 0xaf, 0x37, 0x16, 0xf7, 0xcb,
    0x1c, 0x94, 0x2d, 0x65, 0x7c, 0x41, 0xd4, 0x36, 0xc7, 0xa1, 0xb6, 0xe2, 0x9f, 0x65, 0xf3, 0xe9, 0x00,
    0xdb, 0xb9, 0xaf, 0xf4, 0x06, 0x4d, 0xc4, 0xab, 0x2f, 0x84, 0x3a, 0xcd, 0xa8,
];
