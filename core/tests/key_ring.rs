//! Keys and policies change while other threads verify: nothing valid is refused, and nothing is accepted
//! under a key after the call that removed it returned.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use libtoken::error::Code;
use libtoken::jose::algorithm::Algorithm;
use libtoken::verify::{
    AudienceRule, IssuerPolicy, KeyState, KeyUpdateError, Policy, Request, Scratch, Verifier,
};
use libtoken_mint::{PrivateKey, seeded};

const ISSUER: &str = "https://issuer.example";
const NOW: i64 = 1_700_000_000;
const ROTATIONS: usize = 10_000;

/// A key and a token that it signed.
struct Signer {
    jwk: String,
    kid: String,
    token: String,
}

impl Signer {
    fn new(seed: u64, kid: &str) -> Signer {
        let mut rng = seeded(seed);
        let key = PrivateKey::generate(Algorithm::EdDsa, 0, Some(kid.to_owned()), &mut rng).expect("a key");
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#);
        let payload = format!(r#"{{"iss":"{ISSUER}","aud":"api","exp":{}}}"#, NOW + 60);
        let token = libtoken_mint::token(&header, &payload, &key, Algorithm::EdDsa, &mut rng);
        Signer { jwk: key.public_jwk(), kid: kid.to_owned(), token: token.expect("a token") }
    }
}

fn jwks(signers: &[&Signer]) -> Vec<u8> {
    let keys: Vec<&str> = signers.iter().map(|s| s.jwk.as_str()).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(",")).into_bytes()
}

fn policy() -> Policy {
    Policy::new(vec![IssuerPolicy::new(ISSUER, AudienceRule::AnyOf(vec!["api".into()]))]).expect("a policy")
}

fn verifier(signers: &[&Signer]) -> Verifier {
    let verifier = Verifier::new(policy());
    verifier.replace_keys(ISSUER, &jwks(signers)).expect("keys");
    verifier
}

fn code(verifier: &Verifier, signer: &Signer, now: i64, scratch: &mut Scratch) -> Option<Code> {
    verifier.verify(signer.token.as_bytes(), &Request::new(), now, scratch).err().map(|r| r.code)
}

/// Set n holds the keys n and n + 1, so each key is in two sets in a row.
#[test]
fn ten_thousand_rotations_under_load() {
    const KEYS: usize = 8;
    let signers: Vec<Signer> = (0..8).map(|n| Signer::new(n, &format!("key-{n}"))).collect();
    let signer = |n: usize| &signers[n % KEYS];
    let verifier = verifier(&[signer(0), signer(1)]);
    // The last set whose swap was begun, and the last whose swap has returned.
    let (begun, returned) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let done = AtomicBool::new(false);
    let (kept, removed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut scratch = verifier.scratch();
                while !done.load(Ordering::SeqCst) {
                    let set = returned.load(Ordering::SeqCst);
                    let verdict = code(&verifier, signer(set + 1), NOW, &mut scratch);
                    // The key is in this set and the next: no other was in force if no later swap was begun.
                    if begun.load(Ordering::SeqCst) <= set + 1 {
                        assert_eq!(verdict, None, "a token of a key in the overlap was refused");
                        kept.fetch_add(1, Ordering::Relaxed);
                    }
                    let set = returned.load(Ordering::SeqCst);
                    if set == 0 {
                        continue;
                    }
                    let verdict = code(&verifier, signer(set - 1), NOW, &mut scratch);
                    // The key left with this set, and its number comes round again in set `set + KEYS - 2`.
                    if begun.load(Ordering::SeqCst) < set + KEYS - 2 {
                        assert_eq!(verdict, Some(Code::UnknownKey), "a removed key was accepted");
                        removed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let mut scratch = verifier.scratch();
        for set in 1..=ROTATIONS {
            begun.store(set, Ordering::SeqCst);
            let report = verifier.replace_keys(ISSUER, &jwks(&[signer(set), signer(set + 1)])).expect("keys");
            assert_eq!(report.keys.len(), 2);
            returned.store(set, Ordering::SeqCst);
            let verdict = code(&verifier, signer(set - 1), NOW, &mut scratch);
            assert_eq!(verdict, Some(Code::UnknownKey), "accepted after the swap returned");
        }
        done.store(true, Ordering::SeqCst);
    });
    // The threads did check, not just spin.
    assert!(kept.load(Ordering::Relaxed) > 1000, "{kept:?}");
    assert!(removed.load(Ordering::Relaxed) > 1000, "{removed:?}");
}

/// Each change is made while another thread verifies all the time; after the call returned, the new verdict
/// holds for this thread and the other.
#[test]
fn states_take_effect_when_the_call_returns() {
    let (a, b) = (Signer::new(1, "a"), Signer::new(2, "b"));
    let verifier = verifier(&[&a, &b]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut scratch = verifier.scratch();
            while !done.load(Ordering::SeqCst) {
                assert_eq!(code(&verifier, &b, NOW, &mut scratch), None, "the other key was never touched");
            }
        });
        let mut scratch = verifier.scratch();
        let mut set = |state| {
            let report = verifier.set_key_state(ISSUER, Some("a"), state).expect("a known key");
            assert_eq!(report.keys[0].state, state);
            [NOW - 1, NOW, NOW + 1].map(|now| code(&verifier, &a, now, &mut scratch))
        };
        let refused = Some(Code::KeyNotActive);
        assert_eq!(set(KeyState::Staged), [refused; 3]);
        assert_eq!(set(KeyState::Active), [None; 3]);
        assert_eq!(set(KeyState::VerifyUntil(NOW)), [None, None, refused]);
        assert_eq!(set(KeyState::VerifyUntil(i64::MIN)), [refused; 3]);
        assert_eq!(set(KeyState::VerifyUntil(i64::MAX)), [None; 3]);
        assert_eq!(set(KeyState::Tainted), [refused; 3]);
        assert_eq!(set(KeyState::Active), [None; 3]);
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_tainted_key_stays_refused_whatever_is_published() {
    let (a, b) = (Signer::new(1, "a"), Signer::new(2, "b"));
    let verifier = verifier(&[&a, &b]);
    let mut scratch = verifier.scratch();
    verifier.set_key_state(ISSUER, Some("a"), KeyState::Tainted).expect("a known key");
    let refused = Some(Code::KeyNotActive);
    // Published again, left out, published again, and published under another kid.
    for set in [&[&a, &b][..], &[&b], &[&b, &a]] {
        verifier.replace_keys(ISSUER, &jwks(set)).expect("keys");
        assert_eq!(code(&verifier, &a, NOW, &mut scratch), refused);
        assert_eq!(code(&verifier, &b, NOW, &mut scratch), None);
    }
    let renamed = a.jwk.replace("\"kid\":\"a\"", "\"kid\":\"c\"");
    let set = format!(r#"{{"keys":[{renamed},{}]}}"#, b.jwk);
    verifier.replace_keys(ISSUER, set.as_bytes()).expect("keys");
    let states: Vec<_> = verifier.keys(ISSUER).expect("keys").keys.iter().map(|k| k.state).collect();
    assert_eq!(states[..2], [KeyState::Tainted, KeyState::Active]);
    // A set of nothing but the tainted key is no key set to go on with: the one from before stays.
    let alone = verifier.replace_keys(ISSUER, &jwks(&[&a]));
    assert!(matches!(alone, Err(KeyUpdateError::NoUsableKey(_))));
    assert_eq!(code(&verifier, &b, NOW, &mut scratch), None);
    // And a new policy changes nothing about it: the token's own kid is gone, and the key stays tainted.
    verifier.replace_policy(policy());
    assert_eq!(code(&verifier, &a, NOW, &mut scratch), Some(Code::UnknownKey));
    assert_eq!(verifier.keys(ISSUER).expect("keys").keys[0].state, KeyState::Tainted);
    assert_eq!(code(&verifier, &b, NOW, &mut scratch), None);
}

#[test]
fn taint_reaches_a_key_under_all_its_kids() {
    let (a, b) = (Signer::new(1, "a"), Signer::new(2, "b"));
    let alias = a.jwk.replace("\"kid\":\"a\"", "\"kid\":\"alias\"");
    let set = format!(r#"{{"keys":[{},{alias},{}]}}"#, a.jwk, b.jwk);
    let verifier = Verifier::new(policy());
    verifier.replace_keys(ISSUER, set.as_bytes()).expect("keys");
    let mut scratch = verifier.scratch();
    verifier.set_key_state(ISSUER, Some("alias"), KeyState::Tainted).expect("a known key");
    assert_eq!(code(&verifier, &a, NOW, &mut scratch), Some(Code::KeyNotActive));
    verifier.replace_keys(ISSUER, set.as_bytes()).expect("keys");
    assert_eq!(code(&verifier, &a, NOW, &mut scratch), Some(Code::KeyNotActive));
    assert_eq!(code(&verifier, &b, NOW, &mut scratch), None);
    // Other states belong to the kid, and survive a new set each for itself.
    verifier.set_key_state(ISSUER, Some("alias"), KeyState::Active).expect("a known key");
    verifier.set_key_state(ISSUER, Some("alias"), KeyState::VerifyUntil(NOW)).expect("a known key");
    let report = verifier.replace_keys(ISSUER, set.as_bytes()).expect("keys");
    let states: Vec<_> = report.keys.iter().map(|k| k.state).collect();
    assert_eq!(states, [KeyState::Active, KeyState::VerifyUntil(NOW), KeyState::Active]);
}

#[test]
fn an_error_page_never_wipes_keys() {
    let a = Signer::new(1, "a");
    let verifier = verifier(&[&a]);
    let mut scratch = verifier.scratch();
    let without = br#"{"keys":[{"kty":"EC","crv":"P-256"}]}"#;
    for page in [&b"<html>404</html>"[..], b"", b"{}", b"[]", br#"{"keys":[]}"#, b"null", without] {
        assert!(verifier.replace_keys(ISSUER, page).is_err());
        assert_eq!(code(&verifier, &a, NOW, &mut scratch), None);
    }
    assert_eq!(verifier.replace_keys("another", &jwks(&[&a])), Err(KeyUpdateError::UnknownIssuer));
    let unknown = verifier.set_key_state(ISSUER, Some("another"), KeyState::Tainted);
    assert_eq!(unknown, Err(KeyUpdateError::UnknownKey));
    assert_eq!(verifier.set_key_state(ISSUER, None, KeyState::Tainted), Err(KeyUpdateError::UnknownKey));
}

#[test]
fn a_new_policy_takes_effect_when_the_call_returns() {
    let (a, b) = (Signer::new(1, "a"), Signer::new(2, "b"));
    let verifier = verifier(&[&a]);
    let mut scratch = verifier.scratch();
    let json = |fields: &str| {
        let json = format!(r#"{{"issuers":[{{"issuer":"{ISSUER}",{fields}}}]}}"#);
        Policy::from_json(json.as_bytes()).expect("a policy")
    };
    assert_eq!(code(&verifier, &a, NOW, &mut scratch), None);
    // Another audience; and back: the keys are kept.
    verifier.replace_policy(json(r#""audiences":["other"]"#));
    assert_eq!(code(&verifier, &a, NOW, &mut scratch), Some(Code::AudienceMismatch));
    verifier.replace_policy(json(r#""audiences":["api"]"#));
    assert_eq!(code(&verifier, &a, NOW, &mut scratch), None);
    // Algorithms that the key does not have: it is out of use, and comes back.
    verifier.replace_policy(json(r#""audiences":["api"],"algorithms":["RS256"]"#));
    assert_eq!(code(&verifier, &a, NOW, &mut scratch), Some(Code::UnknownKey));
    verifier.replace_policy(json(r#""audiences":["api"],"algorithms":["EdDSA"]"#));
    assert_eq!(code(&verifier, &a, NOW, &mut scratch), None);
    // Inline keys take the place of the old ones.
    let inline = String::from_utf8(jwks(&[&b])).expect("text");
    verifier.replace_policy(json(&format!(r#""audiences":["api"],"jwks":{inline}"#)));
    assert_eq!(code(&verifier, &a, NOW, &mut scratch), Some(Code::UnknownKey));
    assert_eq!(code(&verifier, &b, NOW, &mut scratch), None);
    assert_eq!(b.kid, "b");
    // Another issuer: the keys of the old one go.
    let other = IssuerPolicy::new("another", AudienceRule::Unchecked);
    verifier.replace_policy(Policy::new(vec![other]).expect("a policy"));
    assert_eq!(verifier.keys(ISSUER), Err(KeyUpdateError::UnknownIssuer));
    assert_eq!(code(&verifier, &b, NOW, &mut scratch), Some(Code::UnknownKey));
    verifier.replace_policy(policy());
    assert_eq!(code(&verifier, &b, NOW, &mut scratch), Some(Code::UnknownKey));
    // A smaller limit holds for a scratch from before, and a scratch that is too small refuses.
    verifier.replace_keys(ISSUER, &jwks(&[&b])).expect("keys");
    let issuer = IssuerPolicy::new(ISSUER, AudienceRule::Unchecked);
    let small = Policy::with_max_token_bytes(vec![issuer], 20).expect("a policy");
    verifier.replace_policy(small);
    assert_eq!(code(&verifier, &b, NOW, &mut scratch), Some(Code::TokenTooLarge));
    let mut small_scratch = verifier.scratch();
    verifier.replace_policy(policy());
    assert_eq!(code(&verifier, &b, NOW, &mut small_scratch), Some(Code::TokenTooLarge));
    assert_eq!(code(&verifier, &b, NOW, &mut scratch), None);
}
