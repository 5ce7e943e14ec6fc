//! Revocation through the one call: a signed token, a policy with scopes, and a writer that revokes.

use std::sync::Arc;

use libtoken::error::{Code, Reason, Rejection};
use libtoken::jose::algorithm::Algorithm;
use libtoken::revocation::{FingerprintKey, Freshness, ScopeSet, Writer, WriterSettings};
use libtoken::verify::{Introspected, Policy, Request, RevocationState, Verifier};
use libtoken_mint::{PrivateKey, seeded, token};

const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "https://issuer.example";

/// A verifier with an issuer, and the writer of its revocations.
struct Fixture {
    verifier: Verifier,
    key: PrivateKey,
    scopes: ScopeSet,
    writer: Writer,
    sequence: u64,
}

impl Fixture {
    fn new(scopes: &str, doubt: &str) -> Fixture {
        let json = format!(
            r#"{{"issuers":[{{"issuer":"{ISSUER}","audiences":["api"],"leeway_seconds":0}}],
                "revocation":{{"scopes":{scopes}{doubt}}}}}"#
        );
        let policy = Policy::from_json(json.as_bytes()).expect("policy");
        let key = PrivateKey::generate(Algorithm::EdDsa, 0, Some("k1".into()), &mut seeded(7)).expect("key");
        let fingerprints = FingerprintKey::SipHash13([3; 16]);
        let configured = policy.revocation().expect("revocation").scopes.clone();
        let scopes = ScopeSet::new(fingerprints.clone(), configured).expect("scopes");
        let settings = WriterSettings {
            key_id: fingerprints.id(),
            retention_seconds: scopes.retention_seconds(),
            expected_entries: 1000,
        };
        let mut writer = Writer::in_memory(settings, NOW).expect("writer");
        writer.commit(0, NOW).expect("first commit");
        let verifier = Verifier::new(policy);
        let jwks = format!(r#"{{"keys":[{}]}}"#, key.public_jwk());
        verifier.replace_keys(ISSUER, jwks.as_bytes()).expect("keys");
        verifier.attach_revocations(RevocationState {
            key: fingerprints,
            live: Arc::clone(writer.live()),
            base: None,
        });
        Fixture { verifier, key, scopes, writer, sequence: 0 }
    }

    fn token(&self, claims: &str) -> String {
        let payload = format!(r#"{{"iss":"{ISSUER}","aud":"api",{claims}}}"#);
        token(r#"{"alg":"EdDSA","kid":"k1"}"#, &payload, &self.key, Algorithm::EdDsa, &mut seeded(1))
            .expect("token")
    }

    fn revoke(&mut self, scope: &str, values: &[&str], time: i64) {
        let entry = self.scopes.entry(scope, ISSUER, values, time).expect("entry");
        self.writer.insert(&entry).expect("inserted");
        self.sequence += 1;
        self.writer.commit(self.sequence, NOW).expect("committed");
    }

    fn verify(&self, token: &str, now: i64) -> Result<Freshness, Rejection> {
        self.verify_for(token, &Request::new(), now)
    }

    fn verify_for(&self, token: &str, request: &Request<'_>, now: i64) -> Result<Freshness, Rejection> {
        let mut scratch = self.verifier.scratch();
        self.verifier.verify(token.as_bytes(), request, now, &mut scratch).map(|v| v.freshness())
    }
}

fn revoked(scope: &'static str) -> Result<Freshness, Rejection> {
    Err(Rejection::of(Code::Revoked, scope, Reason::CheckFailed))
}

const FRESH: Result<Freshness, Rejection> = Ok(Freshness::Fresh);

#[test]
fn a_revoked_id_is_refused_and_others_pass() {
    let mut f = Fixture::new(r#"["token","session"]"#, "");
    let [a, b] = ["a", "b"].map(|n| f.token(&format!(r#""jti":"t{n}","sid":"s{n}","exp":{}"#, NOW + 600)));
    assert_eq!([f.verify(&a, NOW), f.verify(&b, NOW)], [FRESH, FRESH]);
    f.revoke("token", &["ta"], NOW + 600);
    assert_eq!([f.verify(&a, NOW), f.verify(&b, NOW)], [revoked("token"), FRESH]);
    f.revoke("session", &["sb"], NOW + 600);
    assert_eq!(f.verify(&b, NOW), revoked("session"));
    // The same text under another scope is another thing.
    let c = f.token(&format!(r#""jti":"sb","sid":"ta","exp":{}"#, NOW + 600));
    assert_eq!(f.verify(&c, NOW), FRESH);
}

#[test]
fn a_subject_wide_logout_ends_what_was_issued_until_then_and_a_new_login_works() {
    let mut f = Fixture::new(r#"["subject"]"#, "");
    let issued = |f: &Fixture, iat: &str| f.token(&format!(r#""sub":"u","iat":{iat},"exp":{}"#, NOW + 600));
    f.revoke("subject", &["u"], NOW - 10);
    let verdict = |iat: i64| f.verify(&issued(&f, &iat.to_string()), NOW);
    assert_eq!(
        [verdict(NOW - 11), verdict(NOW - 10), verdict(NOW - 9)],
        [revoked("subject"), revoked("subject"), FRESH]
    );
    // A fraction does not carry a token over the boundary: the second counts.
    assert_eq!(f.verify(&issued(&f, &format!("{}.5", NOW - 10)), NOW), revoked("subject"));
    let other = f.token(&format!(r#""sub":"v","iat":{},"exp":{}"#, NOW - 11, NOW + 600));
    assert_eq!(f.verify(&other, NOW), FRESH);
}

#[test]
fn of_several_not_befores_the_latest_holds() {
    let mut f = Fixture::new(
        r#"["subject","client",{"name":"tenant","kind":"epoch","claims":["tenant"]},
            {"name":"department","kind":"epoch","claims":[["tenant","dept"]]}]"#,
        "",
    );
    let t = f.token(&format!(
        r#""sub":"u","client_id":"c","tenant":"t","dept":"d","iat":{},"exp":{}"#,
        NOW - 50,
        NOW + 600
    ));
    f.revoke("subject", &["u"], NOW - 100);
    f.revoke("client", &["c"], NOW - 90);
    assert_eq!(f.verify(&t, NOW), FRESH);
    f.revoke("department", &["t", "d"], NOW - 40);
    assert_eq!(f.verify(&t, NOW), revoked("department"));
    // An earlier time never takes a later one back.
    f.revoke("department", &["t", "d"], NOW - 80);
    assert_eq!(f.verify(&t, NOW), revoked("department"));
    f.revoke("tenant", &["t"], NOW - 20);
    assert_eq!(f.verify(&t, NOW), revoked("tenant"));
}

#[test]
fn a_parent_session_takes_its_children_with_it() {
    let mut f = Fixture::new(r#"[{"name":"session","ancestors":["psid","/chain"]}]"#, "");
    let child = f.token(&format!(r#""sid":"app","psid":"browser","chain":["idp","x"],"exp":{}"#, NOW + 600));
    let sibling = f.token(&format!(r#""sid":"app2","psid":"browser2","exp":{}"#, NOW + 600));
    assert_eq!(f.verify(&child, NOW), FRESH);
    f.revoke("session", &["idp"], NOW + 600);
    assert_eq!([f.verify(&child, NOW), f.verify(&sibling, NOW)], [revoked("session"), FRESH]);
    f.revoke("session", &["browser2"], NOW + 600);
    assert_eq!(f.verify(&sibling, NOW), revoked("session"));
    let too_many = f.token(&format!(r#""sid":"s","chain":["1","2","3","4","5"],"exp":{}"#, NOW + 600));
    assert_eq!(
        f.verify(&too_many, NOW),
        Err(Rejection::of(Code::NotRevocable, "session", Reason::OutOfRange))
    );
}

#[test]
fn keys_issuers_and_everything_can_be_revoked() {
    for (scope, values) in [("key", &["k1"][..]), ("issuer", &[]), ("all", &[])] {
        let mut f = Fixture::new(r#"["key","issuer","all"]"#, "");
        let before = f.token(&format!(r#""iat":{},"exp":{}"#, NOW - 10, NOW + 600));
        let after = f.token(&format!(r#""iat":{},"exp":{}"#, NOW - 4, NOW + 600));
        assert_eq!(f.verify(&before, NOW), FRESH);
        f.revoke(scope, values, NOW - 5);
        assert_eq!(f.verify(&before, NOW).map_err(|r| (r.code, r.claim)), Err((Code::Revoked, Some(scope))));
        assert_eq!(f.verify(&after, NOW), FRESH);
    }
}

#[test]
fn a_token_that_could_not_be_revoked_is_refused_unless_the_operator_ignores_that() {
    let f = Fixture::new(r#"["session","subject"]"#, "");
    let not_revocable = |claim, reason| Err(Rejection::of(Code::NotRevocable, claim, reason));
    for (claims, expected) in [
        (format!(r#""sub":"u","iat":{NOW},"exp":{}"#, NOW + 600), not_revocable("session", Reason::Missing)),
        (
            format!(r#""sid":7,"sub":"u","iat":{NOW},"exp":{}"#, NOW + 600),
            not_revocable("session", Reason::WrongType),
        ),
        (
            format!(r#""sid":["s"],"sub":"u","iat":{NOW},"exp":{}"#, NOW + 600),
            not_revocable("session", Reason::WrongType),
        ),
        (
            format!(r#""sid":"","sub":"u","iat":{NOW},"exp":{}"#, NOW + 600),
            not_revocable("session", Reason::Syntax),
        ),
        (format!(r#""sid":"s","iat":{NOW},"exp":{}"#, NOW + 600), not_revocable("subject", Reason::Missing)),
        (format!(r#""sid":"s","sub":"u","exp":{}"#, NOW + 600), not_revocable("iat", Reason::Missing)),
        // It would outlive the entry that revokes it.
        (
            format!(r#""sid":"s","sub":"u","iat":{NOW},"exp":{}"#, NOW + 31 * 86_400),
            not_revocable("exp", Reason::OutOfRange),
        ),
    ] {
        assert_eq!(f.verify(&f.token(&claims), NOW), expected, "{claims}");
    }
    let ignoring = Fixture::new(r#"[{"name":"session","missing":"ignore"}]"#, "");
    assert_eq!(ignoring.verify(&ignoring.token(&format!(r#""exp":{}"#, NOW + 600)), NOW), FRESH);
}

#[test]
fn stale_state_refuses_introspects_or_allows_as_the_policy_says() {
    let claims = format!(r#""jti":"t","exp":{}"#, NOW + 10_000);
    for (on_stale, expected) in [
        ("refuse", Err(Code::Stale)),
        ("introspect", Err(Code::IntrospectionRequired)),
        ("allow", Ok(Freshness::Stale)),
    ] {
        let doubt = format!(r#","max_staleness_seconds":60,"on_stale":"{on_stale}""#);
        let mut f = Fixture::new(r#"["token"]"#, &doubt);
        let t = f.token(&claims);
        assert_eq!(f.verify(&t, NOW + 60), FRESH);
        assert_eq!(f.verify(&t, NOW + 61).map_err(|r| r.code), expected);
        // The issuer's word settles the doubt, but not a revocation that is known.
        let asked = Request::new().introspected(Introspected::Active);
        assert_eq!(f.verify_for(&t, &asked, NOW + 61), Ok(Freshness::Stale));
        f.revoke("token", &["t"], NOW + 10_000);
        assert_eq!(f.verify_for(&t, &asked, NOW + 61), revoked("token"));
        assert_eq!(f.verify(&t, NOW + 61), revoked("token"));
    }
}

#[test]
fn a_policy_with_scopes_and_no_state_refuses() {
    let f = Fixture::new(r#"["token"]"#, "");
    let verifier = Verifier::new(f.verifier.policy());
    let jwks = format!(r#"{{"keys":[{}]}}"#, f.key.public_jwk());
    verifier.replace_keys(ISSUER, jwks.as_bytes()).expect("keys");
    let t = f.token(&format!(r#""jti":"t","exp":{}"#, NOW + 600));
    let mut scratch = verifier.scratch();
    let verdict = verifier.verify(t.as_bytes(), &Request::new(), NOW, &mut scratch);
    assert_eq!(verdict.err().map(|r| r.code), Some(Code::Stale));
}

#[test]
fn a_forged_token_with_the_victims_ids_changes_nothing() {
    let f = Fixture::new(r#"["token","subject"]"#, "");
    let claims = format!(r#""jti":"t","sub":"u","iat":{NOW},"exp":{}"#, NOW + 600);
    let good = f.token(&claims);
    let stranger = PrivateKey::generate(Algorithm::EdDsa, 0, Some("k1".into()), &mut seeded(8)).expect("key");
    let payload = format!(r#"{{"iss":"{ISSUER}","aud":"api",{claims}}}"#);
    let forged =
        token(r#"{"alg":"EdDSA","kid":"k1"}"#, &payload, &stranger, Algorithm::EdDsa, &mut seeded(1))
            .expect("token");
    let stats = f.writer.stats();
    for _ in 0..100 {
        assert_eq!(f.verify(&forged, NOW).map_err(|r| r.code), Err(Code::InvalidSignature));
    }
    assert_eq!(f.writer.stats().entries, stats.entries);
    assert_eq!(f.verify(&good, NOW), FRESH);
}

mod status_lists {
    use super::*;
    use libtoken::revocation::status_list::StatusListError;
    use libtoken::verify::StatusTokenError;

    const URI: &str = "https://issuer.example/statuslists/1";
    /// The lists of the draft's §4.1 and §4.2: statuses 1,0,0,1,... of one bit, and 1,2,0,3,... of two.
    const ONE_BIT: &str = r#"{"bits":1,"lst":"eNrbuRgAAhcBXQ"}"#;
    const TWO_BITS: &str = r#"{"bits":2,"lst":"eNo76fITAAPfAgc"}"#;

    fn verifier(key: &PrivateKey, revocation: &str) -> Verifier {
        let json = format!(
            r#"{{"issuers":[{{"issuer":"{ISSUER}","audiences":["api"],"leeway_seconds":0,
                "status_lists":["{URI}"],"jwks":{{"keys":[{}]}}}}]{revocation}}}"#,
            key.public_jwk()
        );
        Verifier::new(Policy::from_json(json.as_bytes()).expect("policy"))
    }

    fn key() -> PrivateKey {
        PrivateKey::generate(Algorithm::Es256, 0, Some("k".into()), &mut seeded(5)).expect("key")
    }

    fn sign(key: &PrivateKey, typ: &str, payload: &str) -> String {
        let header = format!(r#"{{"alg":"ES256","kid":"k","typ":"{typ}"}}"#);
        token(&header, payload, key, Algorithm::Es256, &mut seeded(1)).expect("token")
    }

    fn list(key: &PrivateKey, list: &str, iat: i64) -> String {
        let payload = format!(r#"{{"sub":"{URI}","iat":{iat},"exp":{},"status_list":{list}}}"#, iat + 100);
        sign(key, "statuslist+jwt", &payload)
    }

    fn code(
        verifier: &Verifier,
        key: &PrivateKey,
        status: &str,
        now: i64,
    ) -> Option<(Code, Option<&'static str>)> {
        let payload = format!(r#"{{"iss":"{ISSUER}","aud":"api","exp":{}{status}}}"#, NOW + 10_000);
        let token = sign(key, "JWT", &payload);
        let mut scratch = verifier.scratch();
        verifier.verify(token.as_bytes(), &Request::new(), now, &mut scratch).err().map(|r| (r.code, r.claim))
    }

    fn at(index: &str) -> String {
        format!(r#","status":{{"status_list":{{"idx":{index},"uri":"{URI}"}}}}"#)
    }

    #[test]
    fn each_token_is_looked_up_in_its_list() {
        let key = key();
        let v = verifier(&key, "");
        // Not loaded yet.
        assert_eq!(code(&v, &key, &at("1"), NOW), Some((Code::Stale, Some("status"))));
        v.load_status_list(ISSUER, URI, list(&key, TWO_BITS, NOW).as_bytes(), NOW).expect("loaded");
        let revoked = Some((Code::Revoked, Some("status")));
        for (index, expected) in [("0", revoked), ("1", revoked), ("2", None), ("3", revoked), ("4", None)] {
            assert_eq!(code(&v, &key, &at(index), NOW), expected, "{index}");
        }
        for (status, expected) in [
            (at("12"), Some((Code::NotRevocable, Some("status")))),
            (at("9007199254740993"), Some((Code::NotRevocable, Some("status")))),
            (at("-1"), Some((Code::InvalidClaim, Some("status")))),
            (r#","status":7"#.to_owned(), Some((Code::InvalidClaim, Some("status")))),
            (
                r#","status":{"status_list":{"idx":2,"uri":"https://evil.example/1"}}"#.to_owned(),
                Some((Code::NotRevocable, Some("status"))),
            ),
            (String::new(), None),
            (r#","status":{}"#.to_owned(), None),
        ] {
            assert_eq!(code(&v, &key, &status, NOW), expected, "{status}");
        }
        // A list that has expired says nothing any more.
        assert_eq!(code(&v, &key, &at("2"), NOW + 100), Some((Code::Stale, Some("status"))));
        let lenient = verifier(
            &key,
            r#","revocation":{"scopes":[{"name":"token","missing":"ignore"}],"on_stale":"allow"}"#,
        );
        assert_eq!(code(&lenient, &key, &at("1"), NOW), None);
    }

    #[test]
    fn a_list_is_taken_over_only_if_it_is_authentic_current_and_the_one_asked_for() {
        let key = key();
        let v = verifier(&key, "");
        let load = |token: &str, now| v.load_status_list(ISSUER, URI, token.as_bytes(), now);
        load(&list(&key, ONE_BIT, NOW), NOW).expect("loaded");
        let rejected = |token: &str| match load(token, NOW) {
            Err(StatusTokenError::Rejected(rejection)) => (rejection.code, rejection.claim),
            other => panic!("{other:?}"),
        };
        assert_eq!(load(&list(&key, TWO_BITS, NOW - 1), NOW), Err(StatusTokenError::Older));
        assert_eq!(rejected(&list(&key, TWO_BITS, NOW - 100)), (Code::Expired, Some("exp")));
        assert_eq!(rejected(&list(&key, TWO_BITS, NOW + 1)), (Code::IssuedInFuture, Some("iat")));
        let stranger =
            PrivateKey::generate(Algorithm::Es256, 0, Some("k".into()), &mut seeded(6)).expect("key");
        assert_eq!(rejected(&list(&stranger, TWO_BITS, NOW)), (Code::InvalidSignature, None));
        let body = |more: &str| format!(r#"{{"iat":{NOW},"status_list":{TWO_BITS}{more}}}"#);
        let named = format!(r#","sub":"{URI}""#);
        assert_eq!(rejected(&sign(&key, "JWT", &body(&named))), (Code::TypeNotAllowed, Some("typ")));
        assert_eq!(
            rejected(&sign(&key, "statuslist+jwt", &body(r#","sub":"https://other""#))),
            (Code::InvalidClaim, Some("sub"))
        );
        assert_eq!(rejected(&sign(&key, "statuslist+jwt", &body(""))), (Code::InvalidClaim, Some("sub")));
        assert_eq!(
            rejected(&sign(&key, "statuslist+jwt", &body(&format!(r#"{named},"iss":"other""#)))),
            (Code::IssuerMismatch, Some("iss"))
        );
        let bad_list = sign(
            &key,
            "statuslist+jwt",
            &format!(r#"{{"sub":"{URI}","iat":{NOW},"status_list":{{"bits":3,"lst":""}}}}"#),
        );
        assert_eq!(load(&bad_list, NOW), Err(StatusTokenError::List(StatusListError::Bits)));
        assert_eq!(v.load_status_list(ISSUER, "https://other", b"", NOW), Err(StatusTokenError::NotAllowed));
        assert_eq!(v.load_status_list("https://other", URI, b"", NOW), Err(StatusTokenError::NotAllowed));
        // The list from before is still the one that is asked.
        assert_eq!(code(&v, &key, &at("15"), NOW), Some((Code::Revoked, Some("status"))));
        load(&list(&key, TWO_BITS, NOW), NOW).expect("no older than the one in use");
        assert_eq!(code(&v, &key, &at("15"), NOW), Some((Code::NotRevocable, Some("status"))));
    }
}

/// docs/token-spec.md: revocation comes after every other rule, and in the order of its table.
#[test]
fn the_order_of_the_steps() {
    let doubt = r#","max_staleness_seconds":60,"on_stale":"refuse""#;
    let mut f = Fixture::new(r#"["token","subject"]"#, doubt);
    f.revoke("token", &["t"], NOW + 600);
    f.revoke("subject", &["u"], NOW);
    let code = |claims: &str, now| f.verify(&f.token(claims), now).err().map(|r| (r.code, r.claim));
    // Broken in every way from step 1 on; then one after the other is mended.
    let late = NOW + 61;
    assert_eq!(code(&format!(r#""sub":"u","exp":{NOW}"#), late), Some((Code::Expired, Some("exp"))));
    let exp = NOW + 600;
    assert_eq!(code(&format!(r#""sub":"u","exp":{exp}"#), late), Some((Code::NotRevocable, Some("token"))));
    assert_eq!(
        code(&format!(r#""jti":"t","sub":"u","exp":{exp}"#), late),
        Some((Code::NotRevocable, Some("iat")))
    );
    assert_eq!(
        code(&format!(r#""jti":"t","sub":"u","iat":{NOW},"exp":{exp}"#), late),
        Some((Code::Revoked, Some("token")))
    );
    assert_eq!(
        code(&format!(r#""jti":"x","sub":"u","iat":{NOW},"exp":{exp}"#), late),
        Some((Code::Revoked, Some("subject")))
    );
    assert_eq!(
        code(&format!(r#""jti":"x","sub":"v","iat":{NOW},"exp":{exp}"#), late),
        Some((Code::Stale, None))
    );
    assert_eq!(code(&format!(r#""jti":"x","sub":"v","iat":{NOW},"exp":{exp}"#), NOW + 60), None);
}

mod over_a_base {
    use super::*;
    use libtoken::revocation::chain::Chain;
    use libtoken::revocation::ratchet::Ratchet;
    use libtoken::revocation::signing::{Signer, TrustedKeys};
    use libtoken::revocation::snapshot::{Snapshot, SnapshotHeader, TimePrecision, build};
    use libtoken::revocation::{Entry, Filter, Lookup};

    fn attach(f: &Fixture, base: Arc<dyn Lookup + Send + Sync>) {
        let key = FingerprintKey::SipHash13([3; 16]);
        f.verifier.attach_revocations(RevocationState {
            key,
            live: Arc::clone(f.writer.live()),
            base: Some(base),
        });
    }

    fn entries(f: &Fixture, values: &[(&str, &str, i64)]) -> Vec<Entry> {
        values
            .iter()
            .map(|(scope, value, time)| f.scopes.entry(scope, ISSUER, &[value], *time).expect("entry"))
            .collect()
    }

    #[test]
    fn a_snapshot_and_the_live_table_over_it_both_revoke() {
        let mut f = Fixture::new(r#"["token","subject"]"#, "");
        let signer = Signer::from_seed(&[9; 32]);
        let (generation, fingerprint_key) = (NOW.unsigned_abs(), FingerprintKey::SipHash13([3; 16]).id());
        let header = SnapshotHeader {
            generation,
            sequence: 2,
            chain: Chain::start(generation, fingerprint_key),
            created: NOW,
            valid_until: NOW + 3600,
            fingerprint_key,
            max_staleness: 60,
        };
        let entered = entries(&f, &[("token", "a", NOW + 600), ("subject", "u", NOW - 10)]);
        let bytes = build(&header, entered, TimePrecision::Exact, &signer).expect("a snapshot");
        let trusted = TrustedKeys::new(&[signer.public_key()]).expect("a key");
        let snapshot = Snapshot::parse_verified(bytes, &trusted, &Ratchet::new(), fingerprint_key, NOW)
            .expect("authentic");
        attach(&f, Arc::new(snapshot));
        let token = |f: &Fixture, jti: &str, sub: &str, iat: i64| {
            f.token(&format!(r#""jti":"{jti}","sub":"{sub}","iat":{iat},"exp":{}"#, NOW + 600))
        };
        assert_eq!(f.verify(&token(&f, "a", "v", NOW), NOW), revoked("token"));
        assert_eq!(f.verify(&token(&f, "b", "u", NOW - 10), NOW), revoked("subject"));
        assert_eq!(f.verify(&token(&f, "b", "u", NOW - 9), NOW), FRESH);
        // What came later is in the live table: a new id, and a later not-before for the same subject.
        f.revoke("token", &["b"], NOW + 600);
        f.revoke("subject", &["u"], NOW - 5);
        assert_eq!(f.verify(&token(&f, "b", "v", NOW), NOW), revoked("token"));
        assert_eq!(f.verify(&token(&f, "c", "u", NOW - 5), NOW), revoked("subject"));
        assert_eq!(f.verify(&token(&f, "c", "u", NOW - 4), NOW), FRESH);
    }

    #[test]
    fn a_filter_says_no_or_maybe_and_the_policy_decides() {
        for (on_maybe, expected) in [
            ("refuse", Err(Code::MaybeRevoked)),
            ("introspect", Err(Code::IntrospectionRequired)),
            ("allow", Ok(Freshness::Fresh)),
        ] {
            let mut f = Fixture::new(r#"["token"]"#, &format!(r#","on_maybe":"{on_maybe}""#));
            let fingerprints = entries(&f, &[("token", "a", NOW + 600)]).into_iter().map(|e| e.fingerprint);
            let bytes =
                Filter::build(fingerprints, FingerprintKey::SipHash13([3; 16]).id()).expect("a filter");
            attach(&f, Arc::new(Filter::open(bytes).expect("a filter")));
            let [a, b] = ["a", "b"].map(|jti| f.token(&format!(r#""jti":"{jti}","exp":{}"#, NOW + 600)));
            assert_eq!(f.verify(&a, NOW).map_err(|r| r.code), expected);
            assert_eq!(f.verify(&b, NOW), FRESH);
            // The issuer's word settles a doubt; the live table needs no second opinion.
            let asked = Request::new().introspected(Introspected::Active);
            assert_eq!(f.verify_for(&a, &asked, NOW), FRESH);
            f.revoke("token", &["b"], NOW + 600);
            assert_eq!(f.verify_for(&b, &asked, NOW), revoked("token"));
        }
    }
}
