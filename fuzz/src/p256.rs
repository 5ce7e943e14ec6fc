//! ES256: prepared keys (tables of 4, 6 and 8 bits), the crate `p256` and graviola must agree.
//!
//! Cases are honest signatures, signatures that reach chosen multiples u1 and u2, and numbers next to 0, n,
//! p - n and p; then a mutation of the signature, the message or the length. A few keys are made for their
//! message, so that valid signatures meet equal points, and points whose x lies above n.

use std::sync::LazyLock;

use graviola::hashing::Sha256 as GraviolaSha256;
use graviola::signing::ecdsa as graviola_ecdsa;
use libtoken::internals::p256::Key;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::elliptic_curve::ops::Reduce;
use p256::elliptic_curve::point::{AffineCoordinates, DecompressPoint};
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::elliptic_curve::subtle::Choice;
use p256::elliptic_curve::{Group, PrimeField};
use p256::{AffinePoint, FieldBytes, ProjectivePoint, Scalar};
use sha2::{Digest, Sha256};

use crate::input::Input;

/// What the implementations agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Valid,
    Invalid,
    /// The input describes no case.
    Skipped,
}

/// Runs one case.
pub fn run(bytes: &[u8]) -> Outcome {
    let mut input = Input::new(bytes);
    let message: [u8; 8] = input.array();
    let length = input.below(message.len() + 1);
    let message = &message[..length];
    let hash: [u8; 32] = Sha256::digest(message).into();
    if input.byte() < KEY_PER_MESSAGE {
        return key_for_the_message(&mut input, message, &hash);
    }
    let keys = input.pick(&KEYS);
    match input.below(4) {
        0 | 1 => {
            let (k, r) = input.pick(&NONCES);
            let s = invert(k) * (reduce(hash) + r * &keys.d);
            let mut signature = encode(r, &s).to_vec();
            let untouched = signature.clone();
            let mut mutated_message = message.to_vec();
            mutate(&mut input, &mut signature, &mut mutated_message);
            let valid = keys.agree(&mutated_message, &signature);
            assert!(valid || signature != untouched || mutated_message != message);
            outcome(valid)
        }
        2 => {
            // Any verdict, at chosen multiples: exceptional additions for the keys with small d.
            let (u1, u2) = (scalar(&mut input, &keys.d), scalar(&mut input, &keys.d));
            if u2 == Scalar::ZERO {
                return Outcome::Skipped;
            }
            let sum = ProjectivePoint::GENERATOR * (u1 + u2 * keys.d);
            let r = if sum.is_identity().into() { Scalar::ONE } else { x_modulo_order(&sum) };
            if r == Scalar::ZERO {
                return Outcome::Skipped;
            }
            let s = r * invert(&u2);
            let hash: [u8; 32] = (u1 * s).to_repr().into();
            let mut signature = encode(&r, &s).to_vec();
            let valid = keys.agree_prehashed(&hash, &signature);
            assert_eq!(valid, !bool::from(sum.is_identity()));
            mutate(&mut input, &mut signature, &mut Vec::new());
            outcome(keys.agree_prehashed(&hash, &signature))
        }
        _ => {
            let (r, s, hash) = (number(&mut input), number(&mut input), number(&mut input));
            let signature = [r, s].concat();
            keys.agree(message, &signature);
            outcome(keys.agree_prehashed(&hash, &signature))
        }
    }
}

fn outcome(valid: bool) -> Outcome {
    if valid { Outcome::Valid } else { Outcome::Invalid }
}

/// Inputs in 256 that pay for new tables.
const KEY_PER_MESSAGE: u8 = 4;

/// One public key in all implementations.
struct Keys {
    d: Scalar,
    prepared: Vec<Key>,
    library: VerifyingKey,
    graviola: graviola_ecdsa::VerifyingKey<graviola_ecdsa::P256>,
}

impl Keys {
    fn of(point: &ProjectivePoint, d: Scalar, widths: &[u8]) -> Keys {
        let encoded = point.to_affine().to_sec1_point(false);
        let bytes = encoded.as_bytes();
        let coordinates = bytes[1..].try_into().expect("two coordinates");
        Keys {
            d,
            prepared: widths.iter().map(|bits| Key::new(coordinates, *bits).expect("valid")).collect(),
            library: VerifyingKey::from_sec1_bytes(bytes).expect("valid"),
            graviola: graviola_ecdsa::VerifyingKey::from_x962_uncompressed(bytes).expect("valid"),
        }
    }

    fn agree(&self, message: &[u8], signature: &[u8]) -> bool {
        let verdict = self.agree_prehashed(&Sha256::digest(message).into(), signature);
        let graviola = self.graviola.verify::<GraviolaSha256>(&[message], signature).is_ok();
        assert_eq!(graviola, verdict, "graviola and p256 disagree");
        for key in &self.prepared {
            assert_eq!(key.verifies(message, signature), verdict);
        }
        verdict
    }

    fn agree_prehashed(&self, hash: &[u8; 32], signature: &[u8]) -> bool {
        let verdict = Signature::from_slice(signature)
            .is_ok_and(|signature| self.library.verify_prehash(hash, &signature).is_ok());
        for key in &self.prepared {
            assert_eq!(key.verifies_prehashed(hash, signature), verdict);
        }
        verdict
    }
}

/// Keys made so that a valid signature over this very message is special.
fn key_for_the_message(input: &mut Input<'_>, message: &[u8], hash: &[u8; 32]) -> Outcome {
    let z = reduce(*hash);
    let (point, d, signature) = if input.byte() & 1 == 0 {
        // u1·G = u2·Q, with one digit in u2 if the choice falls so.
        let u1 = scalar(input, &Scalar::ONE);
        let r = x_modulo_order(&(ProjectivePoint::GENERATOR * (u1 + u1)));
        if u1 == Scalar::ZERO || r == Scalar::ZERO {
            return Outcome::Skipped;
        }
        let d = z * invert(&r);
        (ProjectivePoint::GENERATOR * d, d, encode(&r, &(z * invert(&u1))))
    } else {
        // R with x next to n or to 0.
        let mut x = number(input);
        let point = (0..64).find_map(|_| {
            let candidate = AffinePoint::decompress(&FieldBytes::from(x), Choice::from(0));
            step(&mut x, 1);
            Option::<AffinePoint>::from(candidate)
        });
        // From p upwards there is none.
        let Some(sum) = point.map(ProjectivePoint::from) else { return Outcome::Skipped };
        let (r, s) = (x_modulo_order(&sum), scalar(input, &Scalar::ONE));
        if r == Scalar::ZERO || s == Scalar::ZERO {
            return Outcome::Skipped;
        }
        let point = (sum * s - ProjectivePoint::GENERATOR * z) * invert(&r);
        (point, Scalar::ONE, encode(&r, &s))
    };
    if point.is_identity().into() {
        return Outcome::Skipped;
    }
    let keys = Keys::of(&point, d, &[4]);
    assert!(keys.agree(message, &signature), "made to be valid");
    let (mut signature, mut message) = (signature.to_vec(), message.to_vec());
    mutate(input, &mut signature, &mut message);
    outcome(keys.agree(&message, &signature))
}

fn mutate(input: &mut Input<'_>, signature: &mut Vec<u8>, message: &mut Vec<u8>) {
    let half = if input.byte() & 1 == 0 { 0..32 } else { 32..64 };
    match input.below(8) {
        0 => {}
        1 => signature[usize::from(input.byte() % 64)] ^= 1 << (input.byte() % 8),
        2 => signature[half].copy_from_slice(&number(input)),
        3 => {
            // The opposite, or the number plus n where it fits: both halves have values that mean the same.
            let value: [u8; 32] = signature[half.clone()].try_into().expect("32 bytes");
            let replaced =
                if input.byte() & 1 == 0 { (-reduce(value)).to_repr().into() } else { add_n(value) };
            signature[half].copy_from_slice(&replaced);
        }
        4 => signature.rotate_left(32),
        5 => signature.truncate(usize::from(input.byte() % 65)),
        6 => signature.insert(usize::from(input.byte() % 65), input.byte()),
        _ => message.push(input.byte()),
    }
}

/// A scalar from the input: any, small, a single digit, or a multiple or fraction of another by a small one.
fn scalar(input: &mut Input<'_>, other: &Scalar) -> Scalar {
    let small = Scalar::from(u64::from(input.byte()));
    let value = match input.below(6) {
        0 => reduce(input.array()),
        1 => small,
        2 => {
            let mut bytes = [0; 32];
            bytes[usize::from(input.byte() % 32)] = input.byte();
            reduce(bytes)
        }
        3 => small * other,
        4 if *other != Scalar::ZERO => small * invert(other),
        _ => {
            // Two digits.
            let mut bytes = [0; 32];
            bytes[usize::from(input.byte() % 32)] = input.byte();
            bytes[usize::from(input.byte() % 32)] = input.byte();
            reduce(bytes)
        }
    };
    if input.byte() & 1 == 0 { value } else { -value }
}

/// 32 bytes: any, or within 7 of one of the bounds.
fn number(input: &mut Input<'_>) -> [u8; 32] {
    let mut bytes = match input.below(6) {
        0 => return input.array(),
        1 => [0; 32],
        2 => N,
        3 => P_MINUS_N,
        4 => P,
        _ => HALF_N,
    };
    let distance = input.byte();
    for _ in 0..distance & 7 {
        step(&mut bytes, if distance & 8 == 0 { 1 } else { 0xff });
    }
    bytes
}

/// Adds 1, or subtracts 1 for `by` = 0xff, modulo 2^256.
fn step(bytes: &mut [u8; 32], by: u8) {
    let end = if by == 1 { 0 } else { 0xff };
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_add(by);
        if *byte != end {
            break;
        }
    }
}

fn add_n(mut value: [u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    for (byte, n) in value.iter_mut().zip(N).rev() {
        let sum = u16::from(*byte) + u16::from(n) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    value
}

fn encode(r: &Scalar, s: &Scalar) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&r.to_repr());
    bytes[32..].copy_from_slice(&s.to_repr());
    bytes
}

fn reduce(bytes: [u8; 32]) -> Scalar {
    <Scalar as Reduce<FieldBytes>>::reduce(&FieldBytes::from(bytes))
}

fn invert(scalar: &Scalar) -> Scalar {
    Option::from(scalar.invert_vartime()).expect("not zero")
}

fn x_modulo_order(point: &ProjectivePoint) -> Scalar {
    <Scalar as Reduce<FieldBytes>>::reduce(&point.to_affine().x())
}

/// d: small ones and their opposites, for which exceptions are near, and random-looking ones.
static KEYS: LazyLock<Vec<Keys>> = LazyLock::new(|| {
    let mut scalars: Vec<Scalar> = (1..=6_u64).map(Scalar::from).collect();
    scalars.extend((1..=6_u64).map(|d| -Scalar::from(d)));
    scalars.extend([8, 16, 20, 24].map(|bit| Scalar::from(1_u64 << bit)));
    scalars.extend((0..16_u8).map(|index| reduce(Sha256::digest([b'd', index]).into())));
    // Every width for a few; the others take turns, which keeps a case short.
    let keys = scalars.iter().enumerate().map(|(index, d)| {
        let widths: &[u8] = if index % 8 == 0 { &[4, 6, 8] } else { &[[4], [6], [8]][index % 3] };
        Keys::of(&(ProjectivePoint::GENERATOR * d), *d, widths)
    });
    keys.collect()
});

/// k and r.
static NONCES: LazyLock<Vec<(Scalar, Scalar)>> = LazyLock::new(|| {
    let small = (1..=16_u64).map(Scalar::from);
    let others = (0..240_u8).map(|index| reduce(Sha256::digest([b'k', index]).into()));
    let pair = |k: Scalar| (k, x_modulo_order(&(ProjectivePoint::GENERATOR * k)));
    small.chain(others).map(pair).collect()
});

const N: [u8; 32] =
    bytes(&[0xffff_ffff_0000_0000, 0xffff_ffff_ffff_ffff, 0xbce6_faad_a717_9e84, 0xf3b9_cac2_fc63_2551]);
const P: [u8; 32] =
    bytes(&[0xffff_ffff_0000_0001, 0x0000_0000_0000_0000, 0x0000_0000_ffff_ffff, 0xffff_ffff_ffff_ffff]);
const P_MINUS_N: [u8; 32] = bytes(&[0, 0, 0x4319_0553_58e8_617b, 0x0c46_353d_039c_daae]);
const HALF_N: [u8; 32] =
    bytes(&[0x7fff_ffff_8000_0000, 0x7fff_ffff_ffff_ffff, 0xde73_7d56_d38b_cf42, 0x79dc_e561_7e31_92a8]);

/// The bytes of four words, highest first.
const fn bytes(words: &[u64; 4]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut index = 0;
    while index < 32 {
        bytes[index] = words[index / 8].to_be_bytes()[index % 8];
        index += 1;
    }
    bytes
}
