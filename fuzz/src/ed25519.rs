//! Prepared Ed25519 keys give dalek's `verify_strict` verdict on every path, and graviola agrees.
//!
//! A signature is made by a real key, honest or with a torsion component, with a nonce and torsion of the
//! input's choice; then it, its key or its message is changed, mostly at an edge. Every path, the batch
//! and the two libraries judge the outcome. graviola's criteria differ from the strict ones in exactly
//! two ways, and both are predicted, not skipped:
//! - it refuses a public key that is not the canonical encoding of a point (dalek decodes y modulo p and
//!   takes x = 0 with either sign);
//! - it accepts R and A of small order where the equation holds without the cofactor.

use std::collections::HashMap;
use std::sync::LazyLock;

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signature, VerifyingKey};
use graviola::signing::eddsa::Ed25519VerifyingKey;
use libtoken::internals::ed25519::{Key, Path, Window};
use sha2::{Digest, Sha512};

use crate::input::Input;

/// What one execution exercised.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// All accept.
    Accepted,
    /// All refuse.
    Refused,
    /// graviola accepts a signature with R or A of small order; the strict ones refuse.
    RefusedForSmallOrder,
    /// dalek's strict rules accept under a key whose encoding graviola refuses.
    AcceptedUnderNonCanonicalKey,
    /// The key names no point, or one of small order, and cannot be prepared.
    KeyRefused,
}

/// Makes a signature from `data`, changes it, and panics if any two verdicts differ.
pub fn run(data: &[u8]) -> Outcome {
    let mut input = Input::new(data);
    let made = Made::from(&mut input);
    let case = made.changed(&mut input);
    let window = input.choose(&WINDOWS);

    // Tables take longer to build than all verdicts together, so keys of the pool keep theirs.
    match POOL.get(&case.public_key) {
        Some(pooled) => judge(&case, pooled, window, &mut input),
        None => judge(&case, &Judges::new(&case.public_key, &[window]), window, &mut input),
    }
}

const WINDOWS: [Window; 3] = [Window::Bits4, Window::Bits6, Window::Bits8];
const PATHS: [Path; 3] = [Path::Portable, Path::Avx2, Path::Ifma];

/// A signature with the secrets that made it.
struct Made {
    secret: Scalar,
    message: Vec<u8>,
    case: Case,
}

/// What is judged.
#[derive(Clone)]
struct Case {
    public_key: [u8; 32],
    message: Vec<u8>,
    signature: [u8; 64],
}

/// Everything that judges one key.
struct Judges {
    prepared: Vec<(Window, Key)>,
    dalek: Option<VerifyingKey>,
    graviola: Option<Ed25519VerifyingKey>,
    canonical: bool,
}

/// Judges of the keys that `Made` uses, and of encodings of points that nobody can sign for.
static POOL: LazyLock<HashMap<[u8; 32], Judges>> = LazyLock::new(|| {
    let mut encodings: Vec<[u8; 32]> = unusual_encodings();
    encodings.extend(SIGNERS.as_flattened().iter().map(|signer| signer.public_key));
    encodings.into_iter().map(|encoding| (encoding, Judges::new(&encoding, &WINDOWS))).collect()
});

/// Different secrets in the pool.
const SEEDS: usize = 6;

/// A secret and its public key, to which a point of small order may have been added.
#[derive(Clone, Copy)]
struct Signer {
    secret: Scalar,
    public_key: [u8; 32],
}

impl Signer {
    fn new(secret: Scalar, torsion: EdwardsPoint) -> Self {
        Self { secret, public_key: (EdwardsPoint::mul_base(&secret) + torsion).compress().0 }
    }
}

/// Secrets, small ones so that sums of few terms occur, and large ones, each with every point of small order.
static SIGNERS: LazyLock<[[Signer; 8]; SEEDS]> = LazyLock::new(|| {
    let large = |seed| Scalar::from_bytes_mod_order([seed; 32]);
    [Scalar::ONE, -Scalar::from(2u8), large(2), large(3), large(4), large(5)]
        .map(|secret| EIGHT_TORSION.map(|torsion| Signer::new(secret, torsion)))
});

impl Made {
    fn from(input: &mut Input<'_>) -> Self {
        // One in 256 keys is not of the pool.
        let Signer { secret, public_key } = if input.byte() == u8::MAX {
            Signer::new(Scalar::from_bytes_mod_order(input.array()), EIGHT_TORSION[input.below(8)])
        } else {
            // Mostly honest keys.
            let torsion = if input.byte() < 160 { 0 } else { input.below(8) };
            SIGNERS[input.below(SEEDS)][torsion]
        };
        let nonce = match input.below(8) {
            0 => Scalar::ZERO,
            1 => Scalar::from(input.byte()),
            2 => -Scalar::from(input.byte()),
            _ => Scalar::from_bytes_mod_order(input.array()),
        };
        let nonce_torsion = if input.byte() < 160 { 0 } else { input.below(8) };
        let len = input.below(200);
        let message = input.slice(len).to_vec();

        let r = (EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[nonce_torsion]).compress().0;
        let s = nonce + challenge(&r, &public_key, &message) * secret;
        let case = Case { public_key, message: message.clone(), signature: joined(&r, s.as_bytes()) };
        Self { secret, message, case }
    }

    /// The signature as made, or with a change that may or may not make it invalid.
    fn changed(&self, input: &mut Input<'_>) -> Case {
        let mut case = self.case.clone();
        let (mut r, mut s) = case.halves();
        match input.below(16) {
            0..=2 | 14..=15 => {}
            3 => case.signature[input.below(64)] ^= 1 << input.below(8),
            4 => case.signature[input.below(64)] = input.byte(),
            5 => {
                // S + nL, which is the same modulo the order.
                for _ in 0..=input.below(15) {
                    add(&mut s, &ORDER);
                }
                case.signature = joined(&r, &s);
            }
            6 => {
                s = input.choose(&EDGE_SCALARS);
                add(&mut s, &small(input.byte() % 3));
                case.signature = joined(&r, &s);
            }
            7 => {
                r[31] ^= 0x80;
                case.signature = joined(&r, &s);
            }
            8 => {
                // Another R, signed for again with the nonce 0: the equation holds for R = O.
                r = input.choose(&UNUSUAL);
                let k = challenge(&r, &case.public_key, &case.message);
                case.signature = joined(&r, (k * self.secret).as_bytes());
            }
            9 => case.signature = joined(&input.choose(&UNUSUAL), &s),
            10 => {
                // The challenge is over the key's bytes, so it is signed for again.
                case.public_key = input.choose(&UNUSUAL);
                let k = challenge(&r, &case.public_key, &case.message);
                case.signature = joined(&r, (k * self.secret).as_bytes());
                if input.byte() < 128 {
                    // R = sB - kA as dalek decodes A: valid but for the strict checks, if A decodes.
                    s = input.array();
                    s[31] &= 0x0f;
                    case.sign_backwards(&s);
                }
            }
            11 => {
                // One in 16 of these: a key of no pool, whose tables must be built.
                if input.byte() < 16 {
                    case.public_key[input.below(32)] ^= 1 << input.below(8);
                }
            }
            12 => {
                let bit = input.below(256);
                match case.message.get_mut(bit / 8) {
                    Some(byte) => *byte ^= 1 << (bit % 8),
                    None => case.message.push(input.byte()),
                }
            }
            _ => {
                // -R with the S that fits it.
                r[31] ^= 0x80;
                let nonce = Scalar::from_bytes_mod_order(s)
                    - challenge(&self.case.halves().0, &case.public_key, &self.message) * self.secret;
                let k = challenge(&r, &case.public_key, &case.message);
                case.signature = joined(&r, (k * self.secret - nonce).as_bytes());
            }
        }
        case
    }
}

impl Case {
    fn halves(&self) -> ([u8; 32], [u8; 32]) {
        (core::array::from_fn(|i| self.signature[i]), core::array::from_fn(|i| self.signature[i + 32]))
    }

    /// Looks for a message under which (R, s) with R = sB - kA verifies although nobody knows A's secret:
    /// possible only for A of small order, where few values of kA exist.
    fn sign_backwards(&mut self, s: &[u8; 32]) {
        let Some(a) = CompressedEdwardsY(self.public_key).decompress() else { return };
        if !a.is_small_order() {
            return;
        }
        let s = Scalar::from_bytes_mod_order(*s);
        for torsion in EIGHT_TORSION {
            let r = EdwardsPoint::mul_base(&s) + torsion;
            let k = challenge(&r.compress().0, &self.public_key, &self.message);
            if EdwardsPoint::mul_base(&s) - a * k == r {
                self.signature = joined(&r.compress().0, s.as_bytes());
                return;
            }
        }
    }
}

impl Judges {
    fn new(public_key: &[u8; 32], windows: &[Window]) -> Self {
        let decoded = CompressedEdwardsY(*public_key).decompress();
        let dalek = VerifyingKey::from_bytes(public_key).ok();
        assert_eq!(decoded.is_some(), dalek.is_some());
        let may_serve = decoded.is_some_and(|point| !point.is_small_order());
        let mut prepared = Vec::new();
        for path in PATHS {
            for &window in windows {
                if let Some(key) = Key::on_path(public_key, window, path) {
                    assert_eq!(key.is_some(), may_serve);
                    prepared.extend(key.map(|key| (window, key)));
                }
            }
        }
        let canonical = decoded.is_some_and(|point| point.compress().0 == *public_key);
        let graviola = Ed25519VerifyingKey::from_bytes(public_key).ok();
        assert_eq!(graviola.is_some(), canonical, "graviola's rules for keys are not what is predicted");
        Self { prepared, dalek, graviola, canonical }
    }
}

fn judge(case: &Case, judges: &Judges, window: Window, input: &mut Input<'_>) -> Outcome {
    let (message, signature) = (&case.message[..], &case.signature[..]);
    let expected = judges
        .dalek
        .is_some_and(|key| key.verify_strict(message, &Signature::from_bytes(&case.signature)).is_ok());

    let mut served = false;
    for (_, key) in judges.prepared.iter().filter(|(of, _)| *of == window) {
        served = true;
        assert_eq!(key.verifies(message, signature), expected, "{:?}", key.path());
        // The same among others, in a place of the input's choice.
        if input.byte() < 32 {
            let place = input.below(3);
            let mut others = [(&b"another message"[..], signature); 3];
            others[place] = (message, signature);
            let mut verdicts = [false; 3];
            verdicts[place] = expected;
            if message != b"another message" {
                assert_eq!(key.verifies_many(others), verdicts, "{:?}", key.path());
            }
        }
    }
    assert!(served || !expected, "a refused key must never verify anything");

    let second = judges.graviola.as_ref().map(|key| key.verify(signature, message).is_ok());
    let small_order = |encoding: [u8; 32]| {
        CompressedEdwardsY(encoding).decompress().is_some_and(|point| point.is_small_order())
    };
    match second {
        Some(accepted) => {
            let strict = accepted && !small_order(case.halves().0) && !small_order(case.public_key);
            assert_eq!(strict, expected, "graviola");
            match (expected, accepted) {
                (true, _) => Outcome::Accepted,
                (false, true) => Outcome::RefusedForSmallOrder,
                (false, false) if served => Outcome::Refused,
                (false, false) => Outcome::KeyRefused,
            }
        }
        None => {
            assert!(!judges.canonical);
            match (expected, served) {
                (true, _) => Outcome::AcceptedUnderNonCanonicalKey,
                (false, true) => Outcome::Refused,
                (false, false) => Outcome::KeyRefused,
            }
        }
    }
}

/// Encodings with anything unusual about them: small orders, y >= p and what it stands for, x = 0 with a
/// sign.
fn unusual_encodings() -> Vec<[u8; 32]> {
    let mut encodings = Vec::new();
    for sign in [0, 0x80] {
        for value in 0..19 {
            let mut canonical = small(value);
            canonical[31] |= sign;
            // p + value, up to 2^255 - 1.
            let mut shifted = [0xff; 32];
            shifted[0] = 0xed + value;
            shifted[31] = 0x7f | sign;
            encodings.extend([canonical, shifted]);
        }
        for point in EIGHT_TORSION {
            let mut encoding = point.compress().0;
            encoding[31] ^= sign;
            encodings.push(encoding);
        }
    }
    encodings
}

static UNUSUAL: LazyLock<Vec<[u8; 32]>> = LazyLock::new(unusual_encodings);

/// The group order L (RFC 8032 §5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// 0, L - 1, 2^252, 2^253, 2^254, 2^255 and 2^256 - 1.
const EDGE_SCALARS: [[u8; 32]; 7] = {
    let mut scalars = [[0; 32]; 7];
    scalars[1] = ORDER;
    scalars[1][0] -= 1;
    scalars[2][31] = 0x10;
    scalars[3][31] = 0x20;
    scalars[4][31] = 0x40;
    scalars[5][31] = 0x80;
    scalars[6] = [0xff; 32];
    scalars
};

/// The challenge k of RFC 8032 §5.1.7.
fn challenge(r: &[u8; 32], public_key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(public_key).chain_update(message);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn joined(r: &[u8; 32], s: &[u8; 32]) -> [u8; 64] {
    core::array::from_fn(|i| if i < 32 { r[i] } else { s[i - 32] })
}

fn small(value: u8) -> [u8; 32] {
    core::array::from_fn(|i| if i == 0 { value } else { 0 })
}

/// a + b modulo 2^256.
fn add(a: &mut [u8; 32], b: &[u8; 32]) {
    let mut carry = false;
    for (a, b) in a.iter_mut().zip(b) {
        let (sum, high) = a.overflowing_add(*b);
        let (sum, low) = sum.overflowing_add(u8::from(carry));
        (*a, carry) = (sum, high | low);
    }
}
