//! Tokens that must be accepted: every algorithm, and everything that looks odd and is right.

use serde_json::json;

use crate::Failure;
use crate::book::Book;
use crate::forge::{
    AUDIENCE, Forge, NOW, claims, header, signature_of, signing_input, subtract, unhex, with_signature,
};

/// The order of P-256 (SEC 2, 2.4.2).
pub(crate) const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
/// The order of P-384 (SEC 2, 2.5.1).
pub(crate) const P384_ORDER: &str =
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";

pub(crate) fn book(forge: &Forge) -> Result<Book, Failure> {
    let mut book = Book::new("Tokens that every surface must accept.");
    book.key_set("all", forge.set(&["ed-1", "ed-2", "p256-1", "p384-1"])?);
    algorithms(&mut book, forge)?;
    oddities(&mut book, forge)?;
    Ok(book)
}

fn algorithms(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    for (algorithm, key) in [
        ("EdDSA", "ed-1"),
        ("Ed25519", "ed-1"),
        ("ES256", "p256-1"),
        ("ES384", "p384-1"),
        ("RS256", "rsa-1"),
        ("RS384", "rsa-1"),
        ("RS512", "rsa-1"),
        ("PS256", "rsa-1"),
        ("PS384", "rsa-1"),
        ("PS512", "rsa-1"),
        ("RS256", "rsa-3072"),
        ("PS512", "rsa-3072"),
    ] {
        let set = format!("{key}, without alg");
        let jwk = forge.jwk(key, json!({"alg": null}))?;
        book.key_set(&set, json!({"keys": [jwk]}));
        let payload = claims(&[]);
        book.case(
            None,
            &format!("accepted-{algorithm}-{key}"),
            "A plain token; the policy lists the algorithm.",
        )
        .policy("asymmetric")
        .keys(&set)
        .token(forge.token(key, &header(algorithm, key), &payload)?)
        .accept(&payload)?;
    }
    for (algorithm, key) in [("HS256", "hs256-1"), ("HS384", "hs384-1"), ("HS512", "hs512-1")] {
        book.key_set(key, forge.set(&[key])?);
        let payload = claims(&[]);
        book.case(
            None,
            &format!("accepted-{algorithm}"),
            "A shared secret from the operator, and the policy lists the algorithm.",
        )
        .policy("hmac")
        .operator_keys(key, 1)
        .token(forge.token(key, &header(algorithm, key), &payload)?)
        .accept(&payload)?;
    }
    for key in ["ed-1", "p256-1", "p384-1", "rsa-1"] {
        let set = format!("{key}, bare");
        let jwk = forge.jwk(key, json!({"alg": null, "kid": null, "use": null}))?;
        book.key_set(&set, json!({"keys": [jwk]}));
        let implied = forge.key(key)?.default_algorithm().name();
        let payload = claims(&[]);
        let header = format!(r#"{{"alg":"{implied}"}}"#);
        book.case(None, &format!("accepted-bare-{key}"), "Neither the key nor the token nor the policy says more than it must: no kid, no typ, no use, no list of algorithms.")
            .keys(&set)
            .token(forge.token(key, &header, &payload)?)
            .accept(&payload)?;
    }
    Ok(())
}

fn oddities(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    let usual = header("EdDSA", "ed-1");
    let many = [
        (
            "spaces",
            claims(&[]).replace(',', " ,\r\n\t").replace("\":", "\" : "),
            "White space between the tokens of the JSON grammar.",
        ),
        (
            "escapes",
            claims(&[]).replace("\"sub\"", "\"s\\u0075b\"").replace("user-1", "us\\u0065r-\\u0031"),
            "Escapes in a name and a value mean the same as the characters.",
        ),
        ("surrogates", claims(&[("name", r#""\ud83d\ude00 \ud834\uDD1E""#)]), "Pairs of surrogates."),
        ("unicode", claims(&[("name", "\"Zoë 名前 😀\"")]), "UTF-8 of every length."),
        (
            "audience-list",
            claims(&[("aud", &format!(r#"["https://other.example","{AUDIENCE}"]"#))]),
            "One of several audiences is accepted.",
        ),
        (
            "nested",
            claims(&[("realm_access", r#"{"roles":["a","b"],"x":{"y":[[{}]]}}"#)]),
            "Nested claims of any shape.",
        ),
        (
            "same-name-in-other-objects",
            claims(&[("a", r#"{"exp":1,"sub":2}"#), ("b", r#"{"exp":"x"}"#)]),
            "Registered names inside other objects mean nothing.",
        ),
        ("null-claim", claims(&[("email", "null")]), "An unregistered claim may be null."),
        (
            "fraction",
            claims(&[("exp", "1700000300.25"), ("iat", "1699999940.75")]),
            "NumericDate may have a fraction (RFC 7519, 2).",
        ),
        (
            "exponent",
            claims(&[("exp", "1.7000003e9"), ("iat", "16999999400E-1")]),
            "NumericDate is any JSON number.",
        ),
        (
            "last-second",
            claims(&[("exp", "253402300799")]),
            "The last representable second, 9999-12-31T23:59:59Z.",
        ),
        ("negative-iat", claims(&[("iat", "-1")]), "Issued before 1970."),
    ];
    for (id, payload, description) in &many {
        book.case(None, &format!("accepted-{id}"), description)
            .keys("all")
            .token(forge.token("ed-1", &usual, payload)?)
            .accept(payload)?;
    }
    let payload = claims(&[]);
    for (id, header, description) in [
        (
            "typ-lower-case",
            r#"{"alg":"EdDSA","kid":"ed-1","typ":"jwt"}"#,
            "Media types compare without case (RFC 7515, 4.1.9).",
        ),
        (
            "typ-access-token",
            r#"{"alg":"EdDSA","kid":"ed-1","typ":"at+jwt"}"#,
            "The profile jwt accepts access tokens.",
        ),
        (
            "typ-application",
            r#"{"alg":"EdDSA","kid":"ed-1","typ":"application/at+jwt"}"#,
            "application/ may be left out or not (RFC 7515, 4.1.9).",
        ),
        ("typ-missing", r#"{"alg":"EdDSA","kid":"ed-1"}"#, "The profile jwt accepts a token without typ."),
        (
            "b64-true",
            r#"{"alg":"EdDSA","kid":"ed-1","b64":true}"#,
            "b64 true is what a JWT has anyway (RFC 7797, 3).",
        ),
        (
            "header-unknown-members",
            r#"{"alg":"EdDSA","kid":"ed-1","x":1,"cty":"JSON","y":{"z":[]}}"#,
            "Unknown header parameters are ignored (RFC 7515, 4).",
        ),
        (
            "header-escaped-alg",
            r#"{"\u0061lg":"Ed\u0044SA","kid":"ed-1"}"#,
            "Escapes in the header mean the characters.",
        ),
        ("header-spaces", "{\r\n \"alg\" : \"EdDSA\" ,\t\"kid\":\"ed-1\" }", "White space in the header."),
        (
            "kid-missing",
            r#"{"alg":"ES256"}"#,
            "Without kid, every key of the issuer that allows the algorithm is tried.",
        ),
    ] {
        let key = if header.contains("ES256") { "p256-1" } else { "ed-1" };
        let token = forge.token(key, header, &payload)?;
        book.case(None, &format!("accepted-{id}"), description).keys("all").token(token).accept(&payload)?;
    }
    for (key, algorithm, order) in [("p256-1", "ES256", P256_ORDER), ("p384-1", "ES384", P384_ORDER)] {
        let token = forge.token(key, &header(algorithm, key), &payload)?;
        let signature = signature_of(&token)?;
        let (r, s) = signature.split_at(signature.len() / 2);
        let other = [r, &subtract(&unhex(order), s)].concat();
        book.case(32, &format!("accepted-{algorithm}-other-s"), "ECDSA signatures come in pairs, (r, s) and (r, n - s), and JWS allows both: whoever denies single tokens must not do it by their bytes.")
            .keys("all")
            .token(with_signature(signing_input(&token), &other))
            .accept(&payload)?;
    }
    book.case(
        None,
        "accepted-at-the-last-second",
        "exp is the first second at which the token is refused; the leeway comes on top.",
    )
    .keys("all")
    .now(NOW + 304)
    .token(forge.token("ed-1", &usual, &payload)?)
    .accept(&payload)?;
    Ok(())
}
