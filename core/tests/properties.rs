//! Properties of the whole verification: one spelling per token, no byte that can change, and the same verdict
//! as the obvious twin, on tokens that are nearly right in every way the generator can think of.

mod twin;

use std::sync::LazyLock;

use libtoken::codec::base64url::encode;
use libtoken::crypto::Backends;
use libtoken::jose::algorithm::{Algorithm, KeyType};
use libtoken::verify::{Policy, Request, Verifier};
use libtoken_mint::{PrivateKey, seeded};
use proptest::prelude::*;
use twin::{Public, Refusal, TwinKey, TwinRequest};

const NOW: i64 = 1_700_000_000;
const FIRST: &str = "https://issuer.example";
const SECOND: &str = "https://other-issuer.example";

/// The vectors' keys, in the order of the strategies' indexes.
static KEYS: LazyLock<Vec<PrivateKey>> = LazyLock::new(|| {
    let texts = [
        include_str!("../../vectors/keys/ed-1.json"),
        include_str!("../../vectors/keys/p256-1.json"),
        include_str!("../../vectors/keys/p384-1.json"),
        include_str!("../../vectors/keys/rsa-1.json"),
        include_str!("../../vectors/keys/hs512-1.json"),
        include_str!("../../vectors/keys/ed-2.json"),
    ];
    texts.map(|text| PrivateKey::from_jwk(text.as_bytes()).expect("a key")).into()
});

/// A verifier and its twin.
struct Pair {
    policy: Policy,
    verifiers: [Verifier; 3],
    keys: Vec<TwinKey>,
}

impl Pair {
    /// `keys`: issuer, index of the key, its kid.
    fn new(policy: &str, keys: &[(&str, usize, Option<&str>)]) -> Pair {
        let policy = Policy::from_json(policy.as_bytes()).expect("a policy");
        let verifiers = [Backends::Fastest, Backends::Prepared, Backends::Portable].map(|backends| {
            let verifier = Verifier::with_backends(policy.clone(), backends);
            for issuer in policy.issuers() {
                let own = keys.iter().filter(|(i, ..)| *i == issuer.issuer);
                let jwks: Vec<String> = own
                    .map(|(_, key, kid)| {
                        let mut key = KEYS[*key].clone();
                        (key.kid, key.algorithm) = (kid.map(str::to_owned), None);
                        key.public_jwk()
                    })
                    .collect();
                let report = verifier.replace_operator_keys(
                    &issuer.issuer,
                    format!(r#"{{"keys":[{}]}}"#, jwks.join(",")).as_bytes(),
                );
                assert_eq!(report.expect("keys").keys.len(), jwks.len());
            }
            verifier
        });
        let keys = keys.iter().map(|(issuer, key, kid)| {
            let listed = policy.issuers().iter().find(|i| i.issuer == *issuer).and_then(|i| i.algorithms);
            TwinKey {
                issuer: (*issuer).to_owned(),
                kid: kid.map(str::to_owned),
                algorithms: algorithms(&KEYS[*key], listed.is_some()),
                public: public(&KEYS[*key]),
            }
        });
        Pair { keys: keys.collect(), verifiers, policy }
    }

    /// The verdict of all three, which must be one. Returns whether it is 'accepted'.
    fn verdict(&self, token: &[u8], request: &TwinRequest, now: i64) -> Result<bool, TestCaseError> {
        let twin = twin::verify(&self.policy, &self.keys, token, request, now);
        let mut real = Request::new();
        if let Some(audience) = &request.audience {
            real = real.audience(audience);
        }
        if let Some(tenant) = &request.tenant {
            real = real.tenant(tenant);
        }
        for verifier in &self.verifiers {
            let mut scratch = verifier.scratch();
            // Twice: the second time the header is known already.
            for _ in 0..2 {
                let verdict = verifier.verify(token, &real, now, &mut scratch);
                match (verdict, &twin) {
                    (Ok(verified), Ok(claims)) => {
                        let read = libtoken::codec::json::slow::Tree::from(verified.claims().root());
                        prop_assert_eq!(&read, claims);
                    }
                    (Err(rejection), Err(refusal)) => prop_assert!(
                        refusal.agrees(rejection.code, rejection.claim),
                        "{rejection:?}, but the twin says {refusal:?}: {}",
                        String::from_utf8_lossy(token)
                    ),
                    (verdict, twin) => prop_assert!(
                        false,
                        "{:?}, but the twin says {:?}: {}",
                        verdict.err(),
                        twin.as_ref().err(),
                        String::from_utf8_lossy(token)
                    ),
                }
            }
        }
        Ok(twin.is_ok())
    }
}

/// What a key may be used with: everything of its kind if the policy lists algorithms (these list all), or the
/// one that its kind implies.
fn algorithms(key: &PrivateKey, listed: bool) -> Vec<&'static str> {
    match (key.key_type(), listed) {
        (KeyType::Ed25519, _) => vec!["EdDSA"],
        (KeyType::P256, _) => vec!["ES256"],
        (KeyType::P384, _) => vec!["ES384"],
        (KeyType::Rsa, true) => vec!["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        (KeyType::Rsa, false) => vec!["RS256"],
        (KeyType::Oct, _) => vec!["HS256", "HS384", "HS512"],
    }
}

fn public(key: &PrivateKey) -> Public {
    let bytes = key.public_bytes();
    let sec1 = [&[4][..], &bytes].concat();
    match key.key_type() {
        KeyType::Ed25519 => {
            let point = bytes.try_into().expect("32 bytes");
            Public::Ed25519(ed25519_dalek::VerifyingKey::from_bytes(&point).expect("a point"))
        }
        KeyType::P256 => Public::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(&sec1).expect("a point")),
        KeyType::P384 => Public::P384(p384::ecdsa::VerifyingKey::from_sec1_bytes(&sec1).expect("a point")),
        KeyType::Rsa => {
            let n = rsa::BoxedUint::from_be_slice_vartime(&bytes);
            Public::Rsa(rsa::RsaPublicKey::new(n, rsa::BoxedUint::from(65_537u32)).expect("a key"))
        }
        KeyType::Oct => Public::Oct(bytes),
    }
}

const EVERYTHING: &str =
    r#"["EdDSA","ES256","ES384","RS256","RS384","RS512","PS256","PS384","PS512","HS256","HS384","HS512"]"#;

/// One issuer with every check; two issuers with few and other keys.
static PAIRS: LazyLock<[Pair; 3]> = LazyLock::new(|| {
    let strict = format!(
        r#"{{"issuers":[{{"issuer":"{FIRST}","audiences":["api","other-api"],"algorithms":{EVERYTHING},"profile":"rfc9068",
            "types":["session+jwt"],"leeway_seconds":10,"max_age_seconds":600,"required_claims":["sid","/org/roles/0"],
            "tenant_claim":"/org/tenant"}}]}}"#
    );
    let plain = format!(
        r#"{{"max_token_bytes":1500,"issuers":[{{"issuer":"{FIRST}","audiences":["api"],"algorithms":{EVERYTHING}}}]}}"#
    );
    let two = format!(
        r#"{{"issuers":[{{"issuer":"{FIRST}","audiences":["api"],"leeway_seconds":0}},
            {{"issuer":"{SECOND}","audience_check":"none","require_exp":false,"algorithms":{EVERYTHING},"tenant_claim":"tenant"}}]}}"#
    );
    let all = [
        (FIRST, 0, Some("ed")),
        (FIRST, 1, Some("p256")),
        (FIRST, 2, Some("p384")),
        (FIRST, 3, Some("rsa")),
        (FIRST, 4, Some("hs")),
    ];
    let nameless = [
        (FIRST, 0, None),
        (FIRST, 1, Some("k")),
        (FIRST, 2, Some("k")),
        (FIRST, 3, Some("k")),
        (FIRST, 4, None),
    ];
    let split = [
        (FIRST, 0, Some("k")),
        (FIRST, 3, Some("rsa")),
        (SECOND, 5, Some("k")),
        (SECOND, 1, None),
        (SECOND, 4, Some("hs")),
    ];
    [Pair::new(&strict, &all), Pair::new(&plain, &nameless), Pair::new(&two, &split)]
});

/// A JSON value in its text, mostly of the wrong kind.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null"),
        Just("true"),
        Just("0"),
        Just("-1"),
        Just("1.5"),
        Just("1e400"),
        Just("\"\""),
        Just("\"x\""),
        Just("[]"),
        Just("{}"),
        Just("[\"api\"]"),
        Just("{\"a\":[1,{\"b\":\"\\u00e9\"}]}"),
        Just("\"\\ud800\""),
        Just("1."),
        Just("nul"),
    ]
    .prop_map(str::to_owned)
}

fn some_date() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (-700i64..700).prop_map(|offset| (NOW + offset).to_string()),
        2 => (-15i64..15).prop_map(|offset| (NOW + offset).to_string()),
        1 => (-15i64..15, "[0-9]{1,12}").prop_map(|(offset, fraction)| format!("{}.{fraction}", NOW + offset)),
        1 => "-?[1-9][0-9]{0,13}(\\.[0-9]{1,20})?[eE][+-]?[0-9]{1,4}",
        1 => any_value(),
    ]
}

/// A member of the payload.
fn claim() -> impl Strategy<Value = (String, String)> {
    let text = |values: &'static [&'static str]| prop_oneof![9 => proptest::sample::select(values).prop_map(|v| format!("\"{v}\"")), 1 => any_value()];
    let audience = prop_oneof![
        3 => text(&["api", "other-api", "API", "api/"]),
        1 => Just(r#"["x","api"]"#.to_owned()),
        1 => Just(r#"["api",1]"#.to_owned()),
    ];
    let org = prop_oneof![
        3 => Just(r#"{"tenant":"blue","roles":["a"]}"#.to_owned()),
        1 => Just(r#"{"tenant":"red","roles":[null]}"#.to_owned()),
        1 => Just(r#"{"tenant":["blue"],"roles":{"0":1}}"#.to_owned()),
        1 => any_value(),
    ];
    prop_oneof![
        text(&[FIRST, SECOND, "https://issuer.example/"]).prop_map(|v| ("iss".to_owned(), v)),
        audience.prop_map(|v| ("aud".to_owned(), v)),
        (prop_oneof![Just("exp"), Just("nbf"), Just("iat")], some_date())
            .prop_map(|(n, v)| (n.to_owned(), v)),
        (prop_oneof![Just("sub"), Just("jti"), Just("sid"), Just("client_id")], text(&["a", "b"]))
            .prop_map(|(n, v)| (n.to_owned(), v)),
        org.prop_map(|v| ("org".to_owned(), v)),
        text(&["blue", "red"]).prop_map(|v| ("tenant".to_owned(), v)),
        ("[a-c]{1,2}|\\\\u0065xp|s\\\\u0075b", any_value()),
    ]
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Mostly a good payload with a few members changed, left out or added.
fn payload() -> impl Strategy<Value = String> {
    (proptest::collection::vec((claim(), any::<proptest::sample::Index>(), 0u8..8), 0..3), 0u8..12).prop_map(
        |(changes, issuer)| {
            let text = |v: &str| format!("\"{v}\"");
            let mut members: Vec<(String, String)> = [
                ("iss", text(if issuer < 3 { SECOND } else { FIRST })),
                ("sub", text("a")),
                ("aud", text("api")),
                ("exp", (NOW + 300).to_string()),
                ("iat", (NOW - 10).to_string()),
                ("jti", text("j")),
                ("client_id", text("c")),
                ("sid", text("s")),
                ("org", r#"{"tenant":"blue","roles":["a"]}"#.to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
            for ((name, value), at, how) in changes {
                let known = members.iter().position(|(known, _)| *known == name);
                match (how, known) {
                    (0, _) if !members.is_empty() => drop(members.remove(at.index(members.len()))),
                    // Sometimes twice.
                    (1, _) => members.insert(at.index(members.len() + 1), (name, value)),
                    (_, Some(place)) => members[place].1 = value,
                    (_, None) => members.push((name, value)),
                }
            }
            object(&members)
        },
    )
}

fn header() -> impl Strategy<Value = (usize, Algorithm, String)> {
    let extra = prop_oneof![
        24 => Just(""),
        1 => Just(",\"crit\":[\"x\"]"),
        1 => Just(",\"crit\":[],\"zip\":\"DEF\""),
        1 => Just(",\"zip\":1,\"b64\":false"),
        1 => Just(",\"b64\":true,\"jwk\":{}"),
        1 => Just(",\"alg\":\"none\""),
        1 => Just(",\"x\":[1,"),
        1 => Just(",\"crit\":1,\"kid\":1"),
    ];
    let typ = prop_oneof![
        6 => Just(",\"typ\":\"at+jwt\""),
        1 => Just(",\"typ\":\"Application/AT+JWT\""),
        1 => Just(",\"typ\":\"session+JWT\""),
        1 => Just(",\"typ\":\"JWT\""),
        1 => Just(",\"typ\":\"logout+jwt\""),
        1 => Just(",\"typ\":null"),
        2 => Just(""),
    ];
    let kid = prop_oneof![
        8 => Just(None),
        6 => Just(Some("")),
        3 => proptest::sample::select(&["k", "ed", "p256", "p384", "rsa", "hs", "x"][..]).prop_map(Some),
    ];
    let alg = prop_oneof![24 => Just(""), 1 => Just("none"), 1 => Just("RS256"), 1 => Just("ES256"), 1 => Just("Ed25519")];
    (0..KEYS.len(), any::<proptest::sample::Index>(), alg, kid, typ, extra).prop_map(
        |(key, of_key, alg, kid, typ, extra)| {
            let fitting: Vec<Algorithm> = KEYS[key].key_type().algorithms().iter().collect();
            let signed = fitting[of_key.index(fitting.len())];
            let alg = if alg.is_empty() { signed.name() } else { alg };
            let own = ["ed", "p256", "p384", "rsa", "hs", "k"][key];
            let kid = match kid {
                None => format!(",\"kid\":\"{own}\""),
                Some("") => String::new(),
                Some(other) => format!(",\"kid\":\"{other}\""),
            };
            (key, signed, format!("{{\"alg\":\"{alg}\"{kid}{typ}{extra}}}"))
        },
    )
}

/// What happens to a token on its way.
#[derive(Clone, Debug)]
enum Edit {
    None,
    Set(proptest::sample::Index, u8),
    Insert(proptest::sample::Index, u8),
    Remove(proptest::sample::Index),
    Cut(proptest::sample::Index),
    Append(Vec<u8>),
    Swap(proptest::sample::Index, proptest::sample::Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let byte = || prop_oneof![4 => proptest::sample::select(&b"AQgwBRhx-_.=+/ \n"[..]), 1 => any::<u8>()];
    prop_oneof![
        14 => Just(Edit::None),
        2 => (any::<proptest::sample::Index>(), byte()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        1 => (any::<proptest::sample::Index>(), byte()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        1 => any::<proptest::sample::Index>().prop_map(Edit::Remove),
        1 => any::<proptest::sample::Index>().prop_map(Edit::Cut),
        1 => proptest::collection::vec(byte(), 1..4).prop_map(Edit::Append),
        1 => (any::<proptest::sample::Index>(), any::<proptest::sample::Index>()).prop_map(|(a, b)| Edit::Swap(a, b)),
    ]
}

impl Edit {
    fn apply(&self, token: &mut Vec<u8>) {
        let len = token.len().max(1);
        match self {
            Edit::None => {}
            Edit::Set(at, byte) => token[at.index(len)] = *byte,
            Edit::Insert(at, byte) => token.insert(at.index(len), *byte),
            Edit::Remove(at) => drop(token.remove(at.index(len))),
            Edit::Cut(at) => token.truncate(at.index(len)),
            Edit::Append(bytes) => token.extend(bytes),
            Edit::Swap(a, b) => token.swap(a.index(len), b.index(len)),
        }
    }
}

fn signed(key: usize, algorithm: Algorithm, header: &str, payload: &str) -> Vec<u8> {
    let input = libtoken_mint::signing_input(header.as_bytes(), payload.as_bytes());
    let signature = KEYS[key].sign(algorithm, input.as_bytes(), &mut seeded(1)).expect("a signature");
    format!("{input}.{}", encode(&signature)).into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_verdict_is_the_twins(
        (key, algorithm, header) in header(),
        payload in payload(),
        edit in edit(),
        pair in 0usize..3,
        offset in prop_oneof![8 => Just(0i64), 2 => -1000i64..1000, 1 => Just(i64::MAX - NOW), 1 => Just(i64::MIN)],
        audience in prop_oneof![6 => Just(None), 2 => Just(Some("api")), 1 => Just(Some("other-api"))],
        tenant in prop_oneof![4 => Just(None), 2 => Just(Some("blue")), 1 => Just(Some("red"))],
    ) {
        let mut token = signed(key, algorithm, &header, &payload);
        edit.apply(&mut token);
        let request = TwinRequest { audience: audience.map(str::to_owned), tenant: tenant.map(str::to_owned) };
        PAIRS[pair].verdict(&token, &request, NOW.wrapping_add(offset))?;
    }

    #[test]
    fn a_token_has_one_spelling(
        key in 0usize..6,
        of_key in any::<proptest::sample::Index>(),
        edits in proptest::collection::vec(edit(), 1..4),
    ) {
        let fitting: Vec<Algorithm> = KEYS[key].key_type().algorithms().iter().collect();
        let algorithm = fitting[of_key.index(fitting.len())];
        let original = good(key, algorithm);
        let mut token = original.clone();
        for edit in &edits {
            if !token.is_empty() {
                edit.apply(&mut token);
            }
        }
        // The one exception, the second signature of ECDSA, is out of reach of these edits.
        if SINGLE.verdict(&token, &TwinRequest::default(), NOW)? {
            prop_assert_eq!(token, original);
        }
    }
}

/// Every key, one issuer, nothing but the signature to fail on.
static SINGLE: LazyLock<Pair> = LazyLock::new(|| {
    let policy = format!(
        r#"{{"issuers":[{{"issuer":"{FIRST}","audience_check":"none","require_exp":false,"algorithms":{EVERYTHING}}}]}}"#
    );
    let kids = ["0", "1", "2", "3", "4", "5"];
    let keys: Vec<_> = kids.iter().enumerate().map(|(key, kid)| (FIRST, key, Some(*kid))).collect();
    Pair::new(&policy, &keys)
});

fn good(key: usize, algorithm: Algorithm) -> Vec<u8> {
    let header = format!("{{\"alg\":\"{}\",\"kid\":\"{key}\"}}", algorithm.name());
    signed(key, algorithm, &header, &format!("{{\"iss\":\"{FIRST}\",\"x\":\"???>>>\"}}"))
}

/// Every position of a token of every algorithm, with bytes that are near: one bit, the case, the neighbors in
/// the alphabet, separators, white space, bytes that are no text.
#[test]
fn no_single_byte_can_change() {
    for algorithm in Algorithm::ALL {
        let key = KEYS.iter().position(|k| k.key_type() == algorithm.key_type()).expect("a key");
        let token = good(key, algorithm);
        let verifier = &SINGLE.verifiers[0];
        let mut scratch = verifier.scratch();
        assert!(verifier.verify(&token, &Request::new(), NOW, &mut scratch).is_ok(), "{algorithm:?}");
        for at in 0..token.len() {
            let old = token[at];
            let near = [
                old ^ 1,
                old ^ 2,
                old ^ 0x20,
                old ^ 0x80,
                old.wrapping_add(1),
                b'A',
                b'-',
                b'_',
                b'.',
                b'=',
                b'+',
                b'\n',
                0,
            ];
            for new in near.into_iter().filter(|new| *new != old) {
                let mut changed = token.clone();
                changed[at] = new;
                let verdict = verifier.verify(&changed, &Request::new(), NOW, &mut scratch);
                assert!(
                    verdict.is_err(),
                    "{algorithm:?}: byte {at} changed from {old:#x} to {new:#x} was accepted"
                );
            }
        }
        // All 256 values of the last byte of each segment, where the spare bits are.
        let dots: Vec<usize> = (0..token.len()).filter(|at| token[*at] == b'.').collect();
        for at in [dots[0] - 1, dots[1] - 1, token.len() - 1] {
            for new in (0..=255u8).filter(|new| *new != token[at]) {
                let mut changed = token.clone();
                changed[at] = new;
                assert!(verifier.verify(&changed, &Request::new(), NOW, &mut scratch).is_err());
            }
        }
    }
}

/// The generator reaches both sides: otherwise agreeing with the twin would say nothing.
#[test]
fn the_generator_makes_good_and_bad_tokens() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut codes) = (0, std::collections::BTreeSet::new());
    for round in 0..3000 {
        let (key, algorithm, header) = header().new_tree(&mut runner).expect("a header").current();
        let payload = payload().new_tree(&mut runner).expect("a payload").current();
        let mut token = signed(key, algorithm, &header, &payload);
        edit().new_tree(&mut runner).expect("an edit").current().apply(&mut token);
        let tenant = (round % 4 == 0).then(|| "blue".to_owned());
        let request = TwinRequest { audience: None, tenant };
        let pair = &PAIRS[round % 3];
        match twin::verify(&pair.policy, &pair.keys, &token, &request, NOW) {
            Ok(_) => accepted += 1,
            Err(Refusal::Is(code, _)) => drop(codes.insert(code.number())),
            Err(Refusal::BadJson(_)) => {}
        }
    }
    assert!(accepted > 150, "{accepted} of 3000 accepted");
    assert!(codes.len() >= 16, "{codes:?}");
}
