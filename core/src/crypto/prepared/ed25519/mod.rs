//! Ed25519 verification with a key that is known beforehand (RFC 8032 §5.1.7), exactly as strict as
//! ed25519-dalek's `verify_strict`.
//!
//! The simple algorithm decodes R, computes sB - kA with some 253 doublings and 80 additions (dalek's, by
//! non-adjacent forms), and compares the encoding with R's bytes. Departures, and what each bought:
//! - multiples of -A and B come from tables (`table`): 75 additions and no doubling for windows of 6 bits;
//! - on x86-64, 4 or 8 rows are added side by side (`avx2`, `ifma`), instead of one after the other;
//! - R is never decoded. Bytes that equal an encoding that was just computed are a canonical encoding of
//!   a point on the curve, so dalek's check that R decodes can never fail after its comparison holds; and
//!   its small-order check becomes a comparison with the eight canonical encodings of such points. That
//!   spares a square root;
//! - y is compared as y_R * Z = Y, so that only signatures that match in y cost the inversion for the sign
//!   of x, and several signatures share one inversion (`verify_many`);
//! - that inversion runs by division steps (`inverse`) at a third of the cost of a power.
//!
//! Everything here is public (keys, messages, signatures), so nothing runs in constant time.

mod field;
mod inverse;
pub(crate) mod path;
mod point;
mod recode;
mod table;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod ifma;

#[cfg(test)]
mod tests;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha512};

use crate::crypto::{BadSignature, VerifySignature};
use crate::jose::algorithm::Scheme;

use field::{Field, Native, P, Words, less_than, same, words_from_bytes};
use path::Engine;
use point::Extended;
use recode::ORDER;
use table::{Table, Terms, base_table};

pub(crate) use path::{Path, path_report};
pub(crate) use recode::Window;

/// Why a public key cannot be prepared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InvalidKey {
    /// The 32 bytes name no point of the curve: no signature is valid.
    NotOnCurve,
    /// A point of order 1, 2, 4 or 8, for which anyone can make signatures: none is valid.
    SmallOrder,
    /// The tables, or every path, fail to give known answers: this machine miscalculates. It says nothing
    /// about the key, so another implementation may serve.
    SelfTestFailed,
}

/// One public key with its tables. Set-up allocates; verification does not.
pub(crate) struct PreparedEd25519 {
    public_key: [u8; 32],
    /// Multiples of -A.
    table: Table,
    base: &'static Table,
    engine: Engine,
}

/// One signature to check, for [`verify_many`].
#[derive(Clone, Copy)]
pub(crate) struct SignedMessage<'a> {
    /// The key that should have signed.
    pub(crate) key: &'a PreparedEd25519,
    /// What was signed.
    pub(crate) message: &'a [u8],
    /// R and S, 64 bytes.
    pub(crate) signature: &'a [u8],
}

/// Checks each of `items` on its own and writes the verdict to the same place in `results`; they only share
/// the cost of an inversion. Items without a place in `results` are not checked.
pub(crate) fn verify_many(items: &[SignedMessage<'_>], results: &mut [Result<(), BadSignature>]) {
    for (items, results) in items.chunks(BATCH).zip(results.chunks_mut(BATCH)) {
        let mut candidates = [None; BATCH];
        let mut before = [Native::ONE; BATCH];
        let mut product = Native::ONE;
        for ((item, candidate), before) in items.iter().zip(&mut candidates).zip(&mut before) {
            *candidate = item.key.candidate(item.message, item.signature);
            *before = product;
            if let Some(candidate) = candidate {
                product = Native::mul_tight(&product, &candidate.z);
            }
        }
        let mut inverse = inverse::invert::<Native>(&product);
        for ((result, candidate), before) in results.iter_mut().zip(&candidates).zip(&before).rev() {
            *result = Err(BadSignature);
            if let Some(candidate) = candidate {
                *result = candidate.conclude(&Native::mul_tight(&inverse, before));
                inverse = Native::mul_tight(&inverse, &candidate.z);
            }
        }
    }
}

impl PreparedEd25519 {
    /// Builds the tables of `public_key`, for the fastest path that this machine passed the self-test on.
    pub(crate) fn new(public_key: &[u8; 32], window: Window) -> Result<Self, InvalidKey> {
        let engine = path::fastest().ok_or(InvalidKey::SelfTestFailed)?;
        Self::for_engine(public_key, window, engine)
    }

    /// As [`Self::new`], on one given path; `None` where this machine cannot run it.
    #[cfg(any(test, feature = "internals"))]
    pub(crate) fn on_path(
        public_key: &[u8; 32],
        window: Window,
        path: Path,
    ) -> Option<Result<Self, InvalidKey>> {
        Some(Self::for_engine(public_key, window, Engine::detect(path)?))
    }

    /// Bytes of this key's tables. Those of the base point are shared and not counted.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.table.memory_bytes()
    }

    /// The path that verifies for this key.
    pub(crate) fn path(&self) -> Path {
        self.engine.path()
    }

    fn for_engine(public_key: &[u8; 32], window: Window, engine: Engine) -> Result<Self, InvalidKey> {
        // The library decides what is a key; its verdict is the one to match.
        let point = CompressedEdwardsY(*public_key).decompress().ok_or(InvalidKey::NotOnCurve)?;
        if point.is_small_order() {
            return Err(InvalidKey::SmallOrder);
        }
        let decoded = Extended::<Native>::decode(&words_from_bytes(public_key));
        let negative = decoded.ok_or(InvalidKey::SelfTestFailed)?.negate();
        let table = Table::new(&negative, window);
        let key = Self { public_key: *public_key, table, base: base_table(), engine };
        if key.agrees_with(&point) { Ok(key) } else { Err(InvalidKey::SelfTestFailed) }
    }

    /// Whether the tables and the path give the library's point for one pair of scalars that depends on the
    /// key.
    fn agrees_with(&self, point: &EdwardsPoint) -> bool {
        let k = Scalar::from_bytes_mod_order_wide(&Sha512::digest(self.public_key).into());
        let s = k * k;
        let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-point, &s).compress();
        let sum = self.combine(&words_from_bytes(s.as_bytes()), &words_from_bytes(k.as_bytes()));
        let encoded = Encoding::of(&words_from_bytes(expected.as_bytes()));
        encoded
            .is_some_and(|encoded| Candidate::matching(&sum, encoded).is_some_and(|it| it.verify().is_ok()))
    }

    /// sB - kA.
    fn combine(&self, s: &Words, k: &Words) -> Extended<Native> {
        let mut terms = Terms::new();
        terms.add_multiple(s, self.base);
        terms.add_multiple(k, &self.table);
        terms.touch();
        self.engine.sum(&terms)
    }

    /// Everything but the sign of x.
    fn candidate(&self, message: &[u8], signature: &[u8]) -> Option<Candidate> {
        let signature: &[u8; 64] = signature.try_into().ok()?;
        let (halves, _) = signature.as_chunks::<32>();
        let [r, s] = halves else { return None };

        let s = words_from_bytes(s);
        if !less_than(&s, &ORDER) {
            return None;
        }
        let encoded_r = Encoding::of(&words_from_bytes(r))?;
        if SMALL_ORDER_Y.iter().any(|y| same(y, &encoded_r.y)) {
            return None;
        }
        let hash = Sha512::new().chain_update(r).chain_update(self.public_key).chain_update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let sum = self.combine(&s, &words_from_bytes(k.as_bytes()));
        Candidate::matching(&sum, encoded_r)
    }
}

impl VerifySignature for PreparedEd25519 {
    fn backend(&self) -> &'static str {
        "libtoken prepared Ed25519"
    }

    fn table_bytes(&self) -> usize {
        self.memory_bytes()
    }

    fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        if scheme != Scheme::Ed25519 {
            return Err(BadSignature);
        }
        self.candidate(message, signature).ok_or(BadSignature)?.verify()
    }
}

/// A canonical y with the sign of x: what a point's encoding says. Whether there is such a point is open.
#[derive(Clone, Copy)]
struct Encoding {
    y: Words,
    x_is_odd: bool,
}

impl Encoding {
    /// `None` for y >= p, which no computed point encodes to.
    fn of(words: &Words) -> Option<Self> {
        let mut y = *words;
        y[3] &= u64::MAX >> 1;
        less_than(&y, &P).then_some(Self { y, x_is_odd: words[3] >> 63 == 1 })
    }
}

/// A computed point that matches an encoding in y.
#[derive(Clone, Copy)]
struct Candidate {
    x: <Native as Field>::Tight,
    z: <Native as Field>::Tight,
    x_is_odd: bool,
}

impl Candidate {
    fn matching(point: &Extended<Native>, encoding: Encoding) -> Option<Self> {
        let y = Native::mul_tight(&Native::from_words(&encoding.y), &point.z);
        Native::equal(&y, &point.y).then_some(Self { x: point.x, z: point.z, x_is_odd: encoding.x_is_odd })
    }

    fn verify(&self) -> Result<(), BadSignature> {
        self.conclude(&inverse::invert::<Native>(&self.z))
    }

    /// The verdict: the sign of x, given 1/Z. Zero counts as even, so a 'negative zero' is refused.
    fn conclude(&self, z_inverse: &<Native as Field>::Tight) -> Result<(), BadSignature> {
        let x = Native::to_words(&Native::mul_tight(&self.x, z_inverse));
        if (x[0] & 1 == 1) == self.x_is_odd { Ok(()) } else { Err(BadSignature) }
    }
}

/// Signatures that share an inversion. More would save little: at 16 its share is 2% of the fastest path.
const BATCH: usize = 16;

/// y of the eight points of small order: of order 4 (0), 1 (1), 2 (-1) and 8 (two values, each with both
/// signs of x).
const SMALL_ORDER_Y: [Words; 5] = [
    [0, 0, 0, 0],
    [1, 0, 0, 0],
    [0xffff_ffff_ffff_ffec, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff],
    [0xb027_b2c2_8f95_e826, 0xf098_eff2_89f4_c345, 0x3933_c6d3_05ac_dfd5, 0x05fc_536d_8802_38b1],
    [0x4fd8_4d3d_706a_17c7, 0x0f67_100d_760b_3cba, 0xc6cc_392c_fa53_202a, 0x7a03_ac92_77fd_c74e],
];
