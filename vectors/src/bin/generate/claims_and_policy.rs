//! Attacks 22 to 27: claims and policy.

use libtoken_vectors::Source;
use serde_json::json;

use crate::Failure;
use crate::book::{Book, issuer};
use crate::forge::{AUDIENCE, Forge, NOW, claims, header, signature_of, split, with_signature};

const CHECK: &str = "check_failed";

pub(crate) fn book(forge: &Forge) -> Result<Book, Failure> {
    let mut book = Book::new("Attacks on the checks of claims.");
    book.key_set("ed-1", forge.set(&["ed-1"])?);
    book.key_set("ed-2", forge.set(&["ed-2"])?);
    book.key_set("public", forge.set(&["ed-1", "p256-1", "p384-1", "rsa-1"])?);
    issuers(&mut book, forge)?;
    audiences(&mut book, forge)?;
    types(&mut book, forge)?;
    patterns(&mut book, forge)?;
    ends(&mut book, forge)?;
    shared_state(&mut book, forge)?;
    required(&mut book, forge)?;
    tenants(&mut book, forge)?;
    Ok(book)
}

fn usual() -> String {
    header("EdDSA", "ed-1")
}

/// 22: the issuer, exactly.
fn issuers(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "GHSA-75c5-xw7c-p5pm (PyJWT): iss matched by part";
    for (id, value, code, reason) in [
        ("prefix", "\"https://issuer.exampl\"", "ISSUER_MISMATCH", CHECK),
        ("longer", "\"https://issuer.example.attacker.example\"", "ISSUER_MISMATCH", CHECK),
        ("trailing-slash", "\"https://issuer.example/\"", "ISSUER_MISMATCH", CHECK),
        ("upper-case", "\"https://ISSUER.example\"", "ISSUER_MISMATCH", CHECK),
        ("http", "\"http://issuer.example\"", "ISSUER_MISMATCH", CHECK),
        ("port", "\"https://issuer.example:443\"", "ISSUER_MISMATCH", CHECK),
        ("space-after", "\"https://issuer.example \"", "ISSUER_MISMATCH", CHECK),
        ("newline-after", "\"https://issuer.example\\n\"", "ISSUER_MISMATCH", CHECK),
        ("percent", "\"https://issuer%2Eexample\"", "ISSUER_MISMATCH", CHECK),
        ("homograph", "\"https://issuer.ex\u{430}mple\"", "ISSUER_MISMATCH", CHECK),
        ("empty", "\"\"", "ISSUER_MISMATCH", CHECK),
        ("one-character", "\"h\"", "ISSUER_MISMATCH", CHECK),
        ("array", "[\"https://issuer.example\"]", "INVALID_CLAIM", "wrong_type"),
        ("missing", "", "MISSING_CLAIM", "missing"),
    ] {
        book.case(
            22,
            &format!("issuer-{id}"),
            "iss is compared byte for byte (RFC 7519, 4.1.1; RFC 8725, 3.8).",
        )
        .from(FROM)
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &claims(&[("iss", value)]))?)
        .refuse(code, "iss", reason);
    }
    book.case(22, "issuer-escaped", "An escape in iss means the character: this is the same issuer.")
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &claims(&[("iss", "\"https:\\/\\/issuer.ex\\u0061mple\"")]))?)
        .accept(&claims(&[]))
}

/// 23: the audience, exactly.
fn audiences(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    book.policy("two audiences", json!({"audiences": ["https://first.example", AUDIENCE]}));
    book.policy("no audience check", json!({"audiences": null, "audience_check": "none"}));
    for (id, value, code, reason) in [
        ("other", "\"https://other.example\"", "AUDIENCE_MISMATCH", CHECK),
        ("trailing-slash", "\"https://api.example/\"", "AUDIENCE_MISMATCH", CHECK),
        ("http", "\"http://api.example\"", "AUDIENCE_MISMATCH", CHECK),
        ("no-scheme", "\"api.example\"", "AUDIENCE_MISMATCH", CHECK),
        ("upper-case", "\"https://API.example\"", "AUDIENCE_MISMATCH", CHECK),
        ("port", "\"https://api.example:443\"", "AUDIENCE_MISMATCH", CHECK),
        ("prefix", "\"https://api\"", "AUDIENCE_MISMATCH", CHECK),
        ("longer", "\"https://api.example.attacker.example\"", "AUDIENCE_MISMATCH", CHECK),
        ("space-separated", "\"https://other.example https://api.example\"", "AUDIENCE_MISMATCH", CHECK),
        ("comma-separated", "\"https://other.example,https://api.example\"", "AUDIENCE_MISMATCH", CHECK),
        ("empty", "\"\"", "AUDIENCE_MISMATCH", CHECK),
        ("star", "\"*\"", "AUDIENCE_MISMATCH", CHECK),
        (
            "list-of-others",
            "[\"https://other.example\",\"https://api.example/\"]",
            "AUDIENCE_MISMATCH",
            CHECK,
        ),
        ("empty-array", "[]", "AUDIENCE_MISMATCH", "missing"),
        ("missing", "", "AUDIENCE_MISMATCH", "missing"),
        ("mixed", "[\"https://api.example\",7]", "INVALID_CLAIM", "wrong_type"),
        ("object", "{\"https://api.example\":1}", "INVALID_CLAIM", "wrong_type"),
    ] {
        book.case(
            23,
            &format!("audience-{id}"),
            "aud is compared byte for byte, element by element (RFC 7519, 4.1.3; RFC 8725, 3.9).",
        )
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &claims(&[("aud", value)]))?)
        .refuse(code, "aud", reason);
    }
    book.case(23, "audience-second-of-two", "The policy accepts any of its audiences.")
        .policy("two audiences")
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &claims(&[]))?)
        .accept(&claims(&[]))?;
    book.case(23, "audience-unchecked", "The policy says in so many words that aud is not checked.")
        .policy("no audience check")
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &claims(&[("aud", "")]))?)
        .accept(&claims(&[("aud", "")]))?;
    book.case(23, "audience-unchecked-wrong-type", "Unchecked does not mean that any type goes.")
        .policy("no audience check")
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &claims(&[("aud", "7")]))?)
        .refuse("INVALID_CLAIM", "aud", "wrong_type");
    for (id, policy, aud, wanted, reason) in [
        ("of-request", "two audiences", "\"https://api.example\"", "https://first.example", CHECK),
        ("of-request-unchecked", "no audience check", "\"https://other.example\"", AUDIENCE, CHECK),
        ("of-request-missing", "no audience check", "", AUDIENCE, "missing"),
        ("of-policy", "default", "\"https://other.example\"", "https://other.example", CHECK),
    ] {
        book.case(
            23,
            &format!("audience-{id}"),
            "The token must name an audience of the policy and the one of the request.",
        )
        .policy(policy)
        .keys("ed-1")
        .request_audience(wanted)
        .token(forge.token("ed-1", &usual(), &claims(&[("aud", aud)]))?)
        .refuse("AUDIENCE_MISMATCH", "aud", reason);
    }
    let both = claims(&[("aud", &format!("[\"{AUDIENCE}\",\"https://special.example\"]"))]);
    book.case(23, "audience-of-policy-and-request", "One element for the policy, another for the request.")
        .keys("ed-1")
        .request_audience("https://special.example")
        .token(forge.token("ed-1", &usual(), &both)?)
        .accept(&both)
}

/// 24: one kind of JWT in place of another.
fn types(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "RFC 8725, 2.8 and 3.11: cross-JWT confusion";
    book.policy("rfc9068", json!({"profile": "rfc9068"}));
    book.policy("own type", json!({"types": ["session+jwt"], "allow_missing_type": false}));
    let access = claims(&[("client_id", "\"app\"")]);
    for typ in [
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "statuslist+jwt",
        "JWE",
        "JOSE",
        "id+jwt",
        "at+jwt ",
        "at+jwt;x=1",
        "text/at+jwt",
        "jwt/at+jwt",
        "",
    ] {
        let header = format!("{{\"alg\":\"EdDSA\",\"kid\":\"ed-1\",\"typ\":\"{typ}\"}}");
        for policy in ["default", "rfc9068"] {
            book.case(
                24,
                &format!("typ-{typ}-under-{policy}"),
                "Another kind of token is no access token, whatever its claims.",
            )
            .from(FROM)
            .policy(policy)
            .keys("ed-1")
            .token(forge.token("ed-1", &header, &access)?)
            .refuse("TYPE_NOT_ALLOWED", "typ", CHECK);
        }
    }
    for (id, header, reason) in
        [("JWT", usual(), CHECK), ("missing", r#"{"alg":"EdDSA","kid":"ed-1"}"#.to_owned(), "missing")]
    {
        for policy in ["rfc9068", "own type"] {
            // The policy with its own type accepts JWT as well: it adds to the profile.
            if policy == "own type" && id == "JWT" {
                continue;
            }
            book.case(
                24,
                &format!("typ-{id}-under-{policy}"),
                "An identity token (typ JWT or none) is no access token.",
            )
            .from(FROM)
            .policy(policy)
            .keys("ed-1")
            .token(forge.token("ed-1", &header, &access)?)
            .refuse("TYPE_NOT_ALLOWED", "typ", reason);
        }
    }
    for (id, typ, policy) in [
        ("at-jwt", "at+jwt", "rfc9068"),
        ("at-jwt-case", "AT+JWT", "rfc9068"),
        ("application", "application/at+jwt", "rfc9068"),
        ("own", "session+jwt", "own type"),
        ("own-case", "Application/Session+JWT", "own type"),
    ] {
        let header = format!("{{\"alg\":\"EdDSA\",\"kid\":\"ed-1\",\"typ\":\"{typ}\"}}");
        book.case(
            24,
            &format!("typ-{id}-accepted"),
            "The right type, in any case and with or without application/.",
        )
        .policy(policy)
        .keys("ed-1")
        .token(forge.token("ed-1", &header, &access)?)
        .accept(&access)?;
    }
    let at = r#"{"alg":"EdDSA","kid":"ed-1","typ":"at+jwt"}"#;
    for claim in ["exp", "sub", "client_id", "iat", "jti"] {
        let payload = claims(&[("client_id", "\"app\""), (claim, "")]);
        book.case(24, &format!("rfc9068-without-{claim}"), "RFC 9068, 2.2 requires the claim.")
            .from("RFC 9068, 2.2")
            .policy("rfc9068")
            .keys("ed-1")
            .token(forge.token("ed-1", at, &payload)?)
            .refuse("MISSING_CLAIM", claim, "missing");
    }
    Ok(())
}

/// 25: nothing in a policy is a pattern.
fn patterns(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    book.policy("audience pattern", json!({"audiences": [".*", "https://*.example", "*"]}));
    book.whole_policy(
        "issuer pattern",
        json!({"issuers": [issuer(json!({"issuer": "https://issuer.exam.le"}))]}),
    );
    book.case(25, "audience-pattern", "Text that looks like a pattern matches itself alone.")
        .policy("audience pattern")
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &claims(&[]))?)
        .refuse("AUDIENCE_MISMATCH", "aud", CHECK);
    book.case(25, "issuer-pattern", "A dot in an issuer is a dot.")
        .policy("issuer pattern")
        .keys_of("https://issuer.exam.le", "ed-1", Source::Fetched, 1)
        .token(forge.token("ed-1", &usual(), &claims(&[]))?)
        .refuse("ISSUER_MISMATCH", "iss", CHECK);
    let payload = claims(&[("aud", "\".*\"")]);
    book.case(25, "audience-pattern-itself", "Itself it does match.")
        .policy("audience pattern")
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &payload)?)
        .accept(&payload)
}

/// 26: settings at the ends of their ranges.
fn ends(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    for leeway in [0, 300] {
        book.policy(&format!("leeway {leeway}"), json!({"leeway_seconds": leeway}));
        book.policy(
            &format!("leeway {leeway}, age 60"),
            json!({"leeway_seconds": leeway, "max_age_seconds": 60}),
        );
        for (claim, policy, last_good, step, code) in [
            ("exp", "", NOW - leeway + 1, -1, "EXPIRED"),
            ("nbf", "", NOW + leeway, 1, "NOT_YET_VALID"),
            ("iat", "", NOW + leeway, 1, "ISSUED_IN_FUTURE"),
            ("iat", ", age 60", NOW - 60 - leeway, -1, "TOO_OLD"),
        ] {
            let good = claims(&[(claim, &last_good.to_string())]);
            let bad = claims(&[(claim, &(last_good + step).to_string())]);
            let policy = format!("leeway {leeway}{policy}");
            book.case(26, &format!("leeway-{leeway}-{code}-inside"), "The last second that is accepted.")
                .policy(&policy)
                .keys("ed-1")
                .token(forge.token("ed-1", &usual(), &good)?)
                .accept(&good)?;
            book.case(26, &format!("leeway-{leeway}-{code}-outside"), "The first second that is refused.")
                .policy(&policy)
                .keys("ed-1")
                .token(forge.token("ed-1", &usual(), &bad)?)
                .refuse(code, claim, CHECK);
        }
    }
    let token = forge.token("ed-1", &usual(), &claims(&[]))?;
    for (id, limit, accepted) in [
        ("exact", token.len(), true),
        ("one-less", token.len() - 1, false),
        ("1", 1, false),
        ("65536", 65536, true),
    ] {
        let policy = format!("{id} token bytes");
        book.whole_policy(&policy, json!({"max_token_bytes": limit, "issuers": [issuer(json!({}))]}));
        let draft = book
            .case(26, &format!("max-token-bytes-{id}"), "The limit is the longest accepted length.")
            .policy(&policy)
            .keys("ed-1")
            .token(token.clone());
        if accepted {
            draft.accept(&claims(&[]))?;
        } else {
            draft.refuse("TOKEN_TOO_LARGE", "", "out_of_range");
        }
    }
    book.policy("greatest age", json!({"max_age_seconds": 315_360_000, "leeway_seconds": 0}));
    book.policy("least age", json!({"max_age_seconds": 1, "leeway_seconds": 0}));
    for (id, policy, iat, accepted) in [
        ("greatest-inside", "greatest age", NOW - 315_360_000, true),
        ("greatest-outside", "greatest age", NOW - 315_360_001, false),
        ("least-inside", "least age", NOW - 1, true),
        ("least-outside", "least age", NOW - 2, false),
    ] {
        let payload = claims(&[("iat", &iat.to_string())]);
        let draft = book
            .case(26, &format!("max-age-{id}"), "The maximum age, counted from iat.")
            .policy(policy)
            .keys("ed-1")
            .token(forge.token("ed-1", &usual(), &payload)?);
        if accepted {
            draft.accept(&payload)?;
        } else {
            draft.refuse("TOO_OLD", "iat", CHECK);
        }
    }
    book.case(26, "max-age-without-iat", "A maximum age needs iat.")
        .policy("greatest age")
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &claims(&[("iat", "")]))?)
        .refuse("MISSING_CLAIM", "iat", "missing");
    book.policy("exp not required", json!({"require_exp": false}));
    book.case(26, "exp-not-required", "The policy allows a token that never expires.")
        .policy("exp not required")
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &claims(&[("exp", "")]))?)
        .accept(&claims(&[("exp", "")]))?;
    book.case(26, "exp-not-required-but-past", "An exp that is there counts all the same.")
        .policy("exp not required")
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &claims(&[("exp", "1")]))?)
        .refuse("EXPIRED", "exp", CHECK);
    book.case(26, "exp-required-by-default", "exp is required unless the policy says otherwise.")
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &claims(&[("exp", "")]))?)
        .refuse("MISSING_CLAIM", "exp", "missing");
    Ok(())
}

/// 27: what one token leaves behind for the next.
fn shared_state(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str =
        "nginx-auth-jwt 0.14.1: one token with alg none turned the verification off for the worker";
    let payload = claims(&[]);
    let good = forge.token("ed-1", &usual(), &payload)?;
    let forged = forge.token("ed-2", &usual(), &payload)?;
    let none = libtoken_mint::signing_input(br#"{"alg":"none"}"#, payload.as_bytes());
    let (h, p, s) = split(&good);
    for (id, hostile) in [
        ("none", format!("{none}.")),
        ("none-signed", with_signature(&none, &signature_of(&good)?)),
        ("good", good.clone()),
        ("empty", String::new()),
        ("good-header-bad-payload", format!("{h}.e30.{s}")),
        ("bad-base64", format!("{h}.{p}.{s}=")),
        ("five-segments", format!("{good}.{s}.{s}")),
        ("crit", forge.token("ed-1", r#"{"alg":"EdDSA","kid":"ed-1","crit":["x"]}"#, &payload)?),
        ("forged", forged.clone()),
        ("truncated-payload", forge.token("ed-1", &usual(), &payload.replace('}', ""))?),
    ] {
        book.case(
            27,
            &format!("after-{id}-forged"),
            "A forged token after another one, on the same verifier and memory.",
        )
        .from(FROM)
        .keys("ed-1")
        .after(hostile.clone())
        .after(hostile.clone())
        .token(forged.clone())
        .refuse("INVALID_SIGNATURE", "", CHECK);
        book.case(
            27,
            &format!("after-{id}-good"),
            "A good token after another one, on the same verifier and memory.",
        )
        .from(FROM)
        .keys("ed-1")
        .after(hostile)
        .token(good.clone())
        .accept(&payload)?;
    }
    // A refused header must be refused in the same way when it comes again.
    let unsigned = with_signature(&none, b"x");
    book.case(
        27,
        "none-again-with-bad-signature",
        "The header is refused first, the second time as the first time.",
    )
    .from(FROM)
    .keys("ed-1")
    .after(unsigned.clone())
    .token(format!("{unsigned}="))
    .refuse("UNSUPPORTED_ALGORITHM", "alg", CHECK);
    Ok(())
}

fn required(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    book.policy(
        "required claims",
        json!({"required_claims": ["sid", "/realm/roles/0", "https://example.com/a.b"]}),
    );
    let full = [("sid", "\"s\""), ("realm", "{\"roles\":[false]}"), ("https://example.com/a.b", "0")];
    let payload = claims(&full);
    book.case(None, "required-claims-present", "Any value except null will do.")
        .policy("required claims")
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &payload)?)
        .accept(&payload)?;
    for (id, changes, missing) in [
        ("absent", ("sid", ""), "sid"),
        ("null", ("sid", "null"), "sid"),
        ("empty-array", ("realm", "{\"roles\":[]}"), "/realm/roles/0"),
        ("not-an-array", ("realm", "{\"roles\":{\"1\":1}}"), "/realm/roles/0"),
        ("absent-url", ("https://example.com/a.b", ""), "https://example.com/a.b"),
    ] {
        let mut all = full.to_vec();
        all.push(changes);
        book.case(None, &format!("required-claims-{id}"), "A required claim that is absent or null.")
            .policy("required claims")
            .keys("ed-1")
            .token(forge.token("ed-1", &usual(), &claims(&all))?)
            .refuse("MISSING_CLAIM", missing, "missing");
    }
    Ok(())
}

fn tenants(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    book.policy("tenant", json!({"tenant_claim": "/org/tenant"}));
    let own = claims(&[("org", "{\"tenant\":\"blue\"}")]);
    book.case(None, "tenant-own", "The token's tenant is the one that the request addresses.")
        .policy("tenant")
        .keys("ed-1")
        .request_tenant("blue")
        .token(forge.token("ed-1", &usual(), &own)?)
        .accept(&own)?;
    book.case(None, "tenant-not-asked", "A request without a tenant does not look at the claim.")
        .policy("tenant")
        .keys("ed-1")
        .token(forge.token("ed-1", &usual(), &claims(&[]))?)
        .accept(&claims(&[]))?;
    for (id, policy, org, wanted, code, claim, reason) in [
        ("other", "tenant", "{\"tenant\":\"blue\"}", "red", "TENANT_MISMATCH", "/org/tenant", CHECK),
        ("upper-case", "tenant", "{\"tenant\":\"blue\"}", "Blue", "TENANT_MISMATCH", "/org/tenant", CHECK),
        ("prefix", "tenant", "{\"tenant\":\"blue\"}", "blu", "TENANT_MISMATCH", "/org/tenant", CHECK),
        ("missing", "tenant", "{}", "blue", "TENANT_MISMATCH", "/org/tenant", "missing"),
        ("array", "tenant", "{\"tenant\":[\"blue\"]}", "blue", "INVALID_CLAIM", "/org/tenant", "wrong_type"),
        ("null", "tenant", "{\"tenant\":null}", "blue", "INVALID_CLAIM", "/org/tenant", "wrong_type"),
        ("not-configured", "default", "{\"tenant\":\"blue\"}", "blue", "TENANT_MISMATCH", "", "missing"),
    ] {
        book.case(
            None,
            &format!("tenant-{id}"),
            "A request that names a tenant accepts tokens of that tenant only.",
        )
        .policy(policy)
        .keys("ed-1")
        .request_tenant(wanted)
        .token(forge.token("ed-1", &usual(), &claims(&[("org", org)]))?)
        .refuse(code, claim, reason);
    }
    Ok(())
}
