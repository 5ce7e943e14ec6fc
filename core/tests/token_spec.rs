//! docs/token-spec.md is true: its tables of algorithms and limits equal the code, and a token that breaks
//! rule n and every later one is refused with the code of rule n.

use libtoken::codec::base64url::encode;
use libtoken::jose::algorithm::{Algorithm, HashFunction, KeyType, Scheme};
use libtoken::limits;
use libtoken::verify::{KeyState, Policy, Request, Verifier};
use libtoken_mint::{PrivateKey, seeded};

const DOCUMENT: &str = include_str!("../../docs/token-spec.md");

/// The rows of the table with these column titles.
fn table(titles: &str) -> Vec<Vec<&'static str>> {
    let mut lines = DOCUMENT.lines().skip_while(|line| *line != titles).skip(2);
    let mut rows = Vec::new();
    while let Some(inner) = lines.next().and_then(|l| l.strip_prefix("| ")?.strip_suffix(" |")) {
        rows.push(inner.split(" | ").collect());
    }
    assert!(!rows.is_empty(), "no table {titles}");
    rows
}

#[test]
fn the_table_of_algorithms_is_the_code() {
    let rows = table("| `alg` | Key | Implied by the key | Signature |");
    assert_eq!(rows.len(), Algorithm::ALL.len());
    for (row, algorithm) in rows.iter().zip(Algorithm::ALL) {
        let names: Vec<String> = algorithm.names().iter().map(|n| format!("`{n}`")).collect();
        let key = match algorithm.key_type() {
            KeyType::Ed25519 => "`OKP` Ed25519",
            KeyType::P256 => "`EC` P-256",
            KeyType::P384 => "`EC` P-384",
            KeyType::Rsa => "`RSA`",
            KeyType::Oct => "`oct`",
        };
        let implied = algorithm.key_type().implied_algorithm().contains(algorithm);
        let hash = |hash| match hash {
            HashFunction::Sha256 => "SHA-256",
            HashFunction::Sha384 => "SHA-384",
            HashFunction::Sha512 => "SHA-512",
        };
        let signature = match algorithm.scheme() {
            Scheme::Ed25519 => "Ed25519".to_owned(),
            Scheme::EcdsaP256Sha256 => "ECDSA, SHA-256".to_owned(),
            Scheme::EcdsaP384Sha384 => "ECDSA, SHA-384".to_owned(),
            Scheme::RsaPkcs1(h) => format!("RSASSA-PKCS1-v1_5, {}", hash(h)),
            Scheme::RsaPss(h) => format!("RSASSA-PSS, {}", hash(h)),
            Scheme::Hmac(h) => format!("HMAC, {}", hash(h)),
        };
        assert_eq!(*row, [names.join(", ").as_str(), key, if implied { "yes" } else { "no" }, &signature]);
    }
}

#[test]
fn the_table_of_limits_is_the_code() {
    macro_rules! values {
        ($($name:ident),* $(,)?) => { [$((stringify!($name), limits::$name.to_string())),*] };
    }
    let values = values![
        MAX_TOKEN_BYTES,
        MAX_STATUS_LIST_BYTES,
        DEFAULT_MAX_TOKEN_BYTES,
        MAX_HEADER_BYTES,
        MAX_JSON_BYTES,
        MAX_JSON_DEPTH,
        MAX_CLAIM_NODES,
        MAX_OBJECT_MEMBERS,
        MAX_NUMERIC_DATE,
        MAX_NUMBER_BYTES,
        DEFAULT_LEEWAY_SECONDS,
        MAX_LEEWAY_SECONDS,
        MAX_TOKEN_AGE_SECONDS,
        MAX_ISSUERS,
        MAX_KEYS_PER_ISSUER,
        MAX_KEY_CANDIDATES,
        MAX_KID_BYTES,
        MAX_CLAIM_PATH_BYTES,
        MAX_POLICY_LIST,
        MIN_RSA_BITS,
        MAX_RSA_BITS,
        MIN_RSA_EXPONENT,
        MAX_RSA_EXPONENT,
        MAX_SIGNATURE_BYTES,
        MIN_HMAC_KEY_BYTES,
        DEFAULT_TABLE_BYTES,
    ];
    let rows = table("| Constant | Value | What it limits |");
    let documented: Vec<(&str, String)> =
        rows.iter().map(|row| (row[0].trim_matches('`'), row[1].to_owned())).collect();
    for (name, value) in &values {
        assert!(documented.contains(&(*name, value.clone())), "{name} is {value}");
    }
    // Every constant of the source is in the table, and nothing else is.
    let source = include_str!("../src/limits.rs");
    let constants: Vec<&str> =
        source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next()).collect();
    let names: Vec<&str> = documented.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, constants);
}

/// What a token looks like that breaks rule `n` and all later ones, as far as they can be broken together.
struct Broken {
    header: String,
    payload: String,
    /// What is written in place of the encoded signature, if not a signature.
    signature: Option<String>,
    /// Signs with a key that the issuer does not have.
    forged: bool,
    state: KeyState,
    allows_algorithm: bool,
    keys: bool,
    edit: fn(String) -> String,
}

#[test]
fn the_first_broken_rule_gives_the_code() {
    let rows = table("| Rule | What must hold | Code |");
    for (place, row) in rows.iter().enumerate() {
        let rule = place + 1;
        assert_eq!(row[0], rule.to_string());
        assert_eq!(verdict(rule), row[2].trim_matches('`'), "rule {rule}: {}", row[1]);
    }
    assert_eq!(verdict(rows.len() + 1), "accepted");
}

/// The code of a token that keeps the rules below `rule` and breaks it and all later ones.
fn verdict(rule: usize) -> &'static str {
    let broken = |other: usize| other >= rule;
    let pick = |other: usize, bad: &'static str, good: &'static str| if broken(other) { bad } else { good };

    // Members in the order of their rules: where two are broken, the first one counts.
    let claims = [
        pick(19, r#""sub":7"#, r#""sub":"s""#),
        pick(20, r#""iss":"another""#, r#""iss":"issuer""#),
        pick(21, r#""aud":"another""#, r#""aud":"api""#),
        pick(22, r#""exp":1"#, r#""exp":5000"#),
        pick(23, r#""nbf":9000"#, r#""nbf":1"#),
        // Rules 24 and 25 cannot both be broken.
        if broken(24) { r#""iat":9000"# } else { pick(25, r#""iat":1"#, r#""iat":1000"#) },
        pick(27, r#""x":1"#, r#""sid":1"#),
        pick(28, r#""tenant":"red""#, r#""tenant":"blue""#),
    ];
    let payload = match (broken(17), broken(18)) {
        (true, _) => r#"{"a":1,"a":2,"#.to_owned(),
        (false, true) => "[]".to_owned(),
        (false, false) => format!("{{{}}}", claims.join(",")),
    };
    let header = [
        pick(7, r#""crit":["x"],"#, ""),
        pick(8, r#""zip":"DEF","#, ""),
        // Whether a key is known is broken by the key set, not by the token.
        r#""kid":"key","#,
        pick(26, r#""typ":"logout+jwt","#, r#""typ":"at+jwt","#),
        pick(9, r#""alg":"none""#, r#""alg":"EdDSA""#),
    ];
    let header = match (broken(5), broken(6)) {
        (true, _) => r#"{"a":1,"a":2,"#.to_owned(),
        (false, true) => r#"{"kid":1,"crit":1}"#.to_owned(),
        (false, false) => format!("{{{}}}", header.concat()),
    };
    let token = Broken {
        header,
        payload,
        signature: match (broken(10), broken(11)) {
            (true, _) => Some("=".repeat(2000)),
            (false, true) => Some("AA=".to_owned()),
            (false, false) => None,
        },
        forged: broken(15),
        state: if broken(14) { KeyState::Staged } else { KeyState::Active },
        allows_algorithm: !broken(13),
        keys: !broken(12),
        edit: match rule {
            1 => |token| format!("{token}.x.{}", "y".repeat(16_384)),
            2 => |token| format!("{token}.x.y"),
            3 => |token| format!("{token}."),
            4 => |token| format!("={token}"),
            _ => |token| token,
        },
    };
    token.verdict(broken(16))
}

impl Broken {
    fn verdict(self, spell_payload_wrongly: bool) -> &'static str {
        let mut rng = seeded(1);
        let mut key = |kid: &str, algorithm| {
            PrivateKey::generate(algorithm, 0, Some(kid.to_owned()), &mut rng).expect("a key")
        };
        let (own, other, stranger) =
            (key("key", Algorithm::EdDsa), key("key", Algorithm::Es256), key("another", Algorithm::Es256));
        let set = match (self.keys, self.allows_algorithm) {
            (false, _) => stranger.public_jwk(),
            (true, false) => other.public_jwk(),
            (true, true) => own.public_jwk(),
        };
        let policy = br#"{"issuers":[{"issuer":"issuer","audiences":["api"],"max_age_seconds":100,
            "required_claims":["sid"],"tenant_claim":"tenant"}]}"#;
        let verifier = Verifier::new(Policy::from_json(policy).expect("a policy"));
        verifier.replace_keys("issuer", format!(r#"{{"keys":[{set}]}}"#).as_bytes()).expect("keys");
        if self.keys {
            verifier.set_key_state("issuer", Some("key"), self.state).expect("a known key");
        }
        let wrong = if spell_payload_wrongly { "=" } else { "" };
        let input = format!("{}.{}{wrong}", encode(self.header.as_bytes()), encode(self.payload.as_bytes()));
        let signature = match self.signature {
            Some(text) => text,
            None if self.forged => encode(&[7; 64]),
            None => {
                let signature = own.sign(Algorithm::EdDsa, input.as_bytes(), &mut seeded(1));
                encode(&signature.expect("a signature"))
            }
        };
        let token = (self.edit)(format!("{input}.{signature}"));
        let mut scratch = verifier.scratch();
        let verdict = verifier.verify(token.as_bytes(), &Request::new().tenant("blue"), 1000, &mut scratch);
        verdict.map_or_else(|rejection| rejection.code.name(), |_| "accepted")
    }
}
