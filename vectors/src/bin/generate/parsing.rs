//! Attacks 12 to 21: the form of a token, base64url and JSON.

use libtoken::codec::base64url;
use libtoken::jose::algorithm::Algorithm;
use libtoken_vectors::Piece;
use libtoken_vectors::model::{Hex, Repeat};
use serde_json::json;

use crate::Failure;
use crate::book::{Book, issuer};
use crate::forge::{Forge, NOW, claims, header, split, with_signature};

const CHECK: &str = "check_failed";

pub(crate) fn book(forge: &Forge) -> Result<Book, Failure> {
    let mut book = Book::new("Attacks on the parser.");
    book.key_set("ed-1", forge.set(&["ed-1"])?);
    book.whole_policy("large", json!({"max_token_bytes": 65536, "issuers": [issuer(json!({}))]}));
    dots(&mut book, forge)?;
    segments(&mut book, forge)?;
    base64(&mut book, forge)?;
    duplicates(&mut book, forge)?;
    not_an_object(&mut book, forge)?;
    crit(&mut book, forge)?;
    types(&mut book, forge)?;
    numbers(&mut book, forge)?;
    text(&mut book, forge)?;
    encrypted(&mut book, forge)?;
    Ok(book)
}

/// A token of ed-1 over any header text and payload bytes.
fn signed(forge: &Forge, header: &str, payload: &[u8]) -> Result<String, Failure> {
    let input = libtoken_mint::signing_input(header.as_bytes(), payload);
    forge.sign("ed-1", Algorithm::EdDsa, &input)
}

fn usual() -> String {
    header("EdDSA", "ed-1")
}

fn repeat(text: &str, times: usize) -> Piece {
    Piece::Repeat(Repeat { repeat: text.to_owned(), times })
}

/// 12: very many separators.
fn dots(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "CVE-2025-30204 (golang-jwt), CVE-2025-27144 (go-jose): splitting allocates per dot";
    let token = forge.token("ed-1", &usual(), &claims(&[]))?;
    for (id, policy, pieces, code, reason) in [
        ("1-MiB", "default", vec![repeat(".", 1 << 20)], "TOKEN_TOO_LARGE", "out_of_range"),
        ("16-KiB", "default", vec![repeat(".", 16384)], "MALFORMED_TOKEN", "syntax"),
        ("64-KiB", "large", vec![repeat(".", 65536)], "MALFORMED_TOKEN", "syntax"),
        (
            "after-a-token",
            "large",
            vec![Piece::Text(token.clone()), repeat(".", 50_000)],
            "MALFORMED_TOKEN",
            "syntax",
        ),
        ("between", "large", vec![repeat("a.", 30_000)], "MALFORMED_TOKEN", "syntax"),
        (
            "before-a-token",
            "large",
            vec![repeat(".", 50_000), Piece::Text(token)],
            "MALFORMED_TOKEN",
            "syntax",
        ),
    ] {
        book.case(12, &format!("dots-{id}"), "Counting separators costs one pass and no memory.")
            .from(FROM)
            .policy(policy)
            .keys("ed-1")
            .pieces(pieces)
            .refuse(code, "", reason);
    }
    Ok(())
}

/// 13: another number of segments, or an empty one.
fn segments(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    let token = forge.token("ed-1", &usual(), &claims(&[]))?;
    let (h, p, s) = split(&token);
    for (id, text, code) in [
        ("empty", String::new(), "MALFORMED_TOKEN"),
        ("one", h.to_owned(), "MALFORMED_TOKEN"),
        ("one-dot", ".".to_owned(), "MALFORMED_TOKEN"),
        ("two-dots", "..".to_owned(), "MALFORMED_TOKEN"),
        ("two", format!("{h}.{p}"), "MALFORMED_TOKEN"),
        ("dot-before", format!(".{token}"), "MALFORMED_TOKEN"),
        ("dot-after", format!("{token}."), "MALFORMED_TOKEN"),
        ("no-payload", format!("{h}..{s}"), "MALFORMED_TOKEN"),
        ("no-header", format!(".{p}.{s}"), "MALFORMED_TOKEN"),
        ("no-signature", format!("{h}.{p}."), "MALFORMED_TOKEN"),
        ("four", format!("{token}.{s}"), "MALFORMED_TOKEN"),
        ("five", format!("{token}.{s}.{s}"), "ENCRYPTED_TOKEN"),
        ("five-empty", "....".to_owned(), "ENCRYPTED_TOKEN"),
        ("six", format!("{token}.{s}.{s}.{s}"), "MALFORMED_TOKEN"),
        ("two-tokens", format!("{token},{token}"), "ENCRYPTED_TOKEN"),
        (
            "json-serialization",
            format!(r#"{{"payload":"{p}","protected":"{h}","signature":"{s}"}}"#),
            "MALFORMED_TOKEN",
        ),
    ] {
        let reason = if code == "ENCRYPTED_TOKEN" { CHECK } else { "syntax" };
        book.case(
            13,
            &format!("segments-{id}"),
            "Three segments, none empty, joined by two dots (RFC 7515, 7.1).",
        )
        .keys("ed-1")
        .token(text)
        .refuse(code, "", reason);
    }
    for (id, text, code, claim) in [
        ("bearer-before", format!("Bearer {token}"), "INVALID_ENCODING", "header"),
        ("quotes", format!("\"{token}\""), "INVALID_ENCODING", "header"),
    ] {
        book.case(13, &format!("segments-{id}"), "The caller passes the token alone.")
            .keys("ed-1")
            .token(text)
            .refuse(code, claim, "syntax");
    }
    Ok(())
}

/// 14: other spellings of the same bytes.
fn base64(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    // The payload's encoding has both `-` and `_` and, by its length, spare bits at the end.
    let payload = spellable(claims(&[("x", "\"???>>>???>>>~~~\"")]));
    let header = spellable(r#"{"alg":"EdDSA","kid":"ed-1","x":"???>>>???>>>~~~"}"#.to_owned());
    let input = libtoken_mint::signing_input(header.as_bytes(), payload.as_bytes());
    let token = with_special_signature(forge, &input)?;
    let (h, p, s) = split(&token);
    for (id, spell) in spellings() {
        let from =
            "RFC 7515, 2; RFC 4648, 3.5: one spelling per byte string, or a deny list by token is bypassed";
        book.case(14, &format!("base64-header-{id}"), "The header in another spelling.")
            .from(from)
            .keys("ed-1")
            .pieces(pieces(&[], &spell(h), &[&format!(".{p}.{s}")]))
            .refuse("INVALID_ENCODING", "header", "syntax");
        book.case(14, &format!("base64-signature-{id}"), "The signature in another spelling.")
            .from(from)
            .keys("ed-1")
            .pieces(pieces(&[&format!("{h}.{p}.")], &spell(s), &[]))
            .refuse("INVALID_ENCODING", "signature", "syntax");
        book.case(
            14,
            &format!("base64-payload-{id}"),
            "The payload in another spelling: the signature no longer fits.",
        )
        .from(from)
        .keys("ed-1")
        .pieces(pieces(&[&format!("{h}.")], &spell(p), &[&format!(".{s}")]))
        .refuse("INVALID_SIGNATURE", "", CHECK);
        // Bytes outside UTF-8 cannot be signed by this generator, whose inputs are text.
        if let Ok(text) = String::from_utf8(spell(p)) {
            book.case(
                14,
                &format!("base64-signed-payload-{id}"),
                "The issuer itself signed another spelling.",
            )
            .from(from)
            .keys("ed-1")
            .token(forge.sign("ed-1", Algorithm::EdDsa, &format!("{h}.{text}"))?)
            .refuse("INVALID_ENCODING", "payload", "syntax");
        }
    }
    Ok(())
}

/// Text with spaces at its end so that its encoding has spare bits.
fn spellable(mut text: String) -> String {
    while text.len() % 3 != 1 {
        text.push(' ');
    }
    text
}

/// A token whose signature has a `-` and a `_`: found by adding white space to the payload.
fn with_special_signature(forge: &Forge, input: &str) -> Result<String, Failure> {
    let (header, payload) = input.split_once('.').ok_or("no input")?;
    let mut payload = base64url::decode_to_vec(payload.as_bytes()).map_err(|_| "no payload")?;
    for _ in 0..1000 {
        let input = format!("{header}.{}", base64url::encode(&payload));
        let token = forge.sign("ed-1", Algorithm::EdDsa, &input)?;
        let signature = split(&token).2;
        if signature.contains('-') && signature.contains('_') {
            return Ok(token);
        }
        payload.extend(b"   ");
    }
    Err("no signature with `-` and `_`".to_owned())
}

type Spelling = (&'static str, fn(&str) -> Vec<u8>);

fn spellings() -> Vec<Spelling> {
    fn middle(segment: &str, insert: &[u8]) -> Vec<u8> {
        let (a, b) = segment.as_bytes().split_at(segment.len() / 2);
        [a, insert, b].concat()
    }
    /// The last character with its lowest bit set, which no byte uses.
    fn spare_bit(segment: &str) -> Vec<u8> {
        let mut text = segment.as_bytes().to_vec();
        // A, Q, g and w have the four spare bits zero; their successors differ in the lowest alone.
        text.last_mut().into_iter().for_each(|last| *last += 1);
        text
    }
    vec![
        ("standard-alphabet", |s| s.replace('-', "+").replace('_', "/").into_bytes()),
        ("one-plus", |s| s.replacen('-', "+", 1).into_bytes()),
        ("one-slash", |s| s.replacen('_', "/", 1).into_bytes()),
        ("padded", |s| format!("{s}==").into_bytes()),
        ("half-padded", |s| format!("{s}=").into_bytes()),
        ("over-padded", |s| format!("{s}====").into_bytes()),
        ("padding-inside", |s| middle(s, b"=")),
        ("percent-padding", |s| format!("{s}%3D%3D").into_bytes()),
        ("newline-after", |s| format!("{s}\n").into_bytes()),
        ("space-before", |s| format!(" {s}").into_bytes()),
        ("newline-inside", |s| middle(s, b"\n")),
        ("crlf-inside", |s| middle(s, b"\r\n")),
        ("tab-inside", |s| middle(s, b"\t")),
        ("nul-inside", |s| middle(s, b"\0")),
        ("nul-after", |s| format!("{s}\0").into_bytes()),
        ("high-byte-inside", |s| middle(s, &[0xff])),
        ("spare-bit", spare_bit),
        ("lone-character", |s| format!("{s}AAA").into_bytes()),
    ]
}

fn pieces(before: &[&str], middle: &[u8], after: &[&str]) -> Vec<Piece> {
    let text = |text: &&str| Piece::Text((*text).to_owned());
    let middle = match core::str::from_utf8(middle) {
        Ok(text) => Piece::Text(text.to_owned()),
        Err(_) => Piece::Hex(Hex { hex: middle.iter().map(|b| format!("{b:02x}")).collect() }),
    };
    before.iter().map(text).chain([middle]).chain(after.iter().map(text)).collect()
}

/// 15: the same name twice.
fn duplicates(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "RFC 7515, 4; RFC 7519, 4; RFC 8725, 3.1";
    let payload = claims(&[]);
    for (id, header) in [
        ("alg", r#"{"alg":"EdDSA","kid":"ed-1","alg":"EdDSA"}"#),
        ("alg-none-first", r#"{"alg":"none","alg":"EdDSA","kid":"ed-1"}"#),
        ("alg-none-last", r#"{"alg":"EdDSA","kid":"ed-1","alg":"none"}"#),
        ("alg-escaped", r#"{"alg":"EdDSA","kid":"ed-1","\u0061lg":"none"}"#),
        ("alg-escaped-first", r#"{"\u0061\u006c\u0067":"none","alg":"EdDSA","kid":"ed-1"}"#),
        ("kid", r#"{"alg":"EdDSA","kid":"ed-1","kid":"ed-1"}"#),
        ("crit", r#"{"alg":"EdDSA","kid":"ed-1","crit":[],"crit":[]}"#),
        ("unknown", r#"{"alg":"EdDSA","kid":"ed-1","x":1,"x":1}"#),
        ("nested", r#"{"alg":"EdDSA","kid":"ed-1","jwk":{"kty":"OKP","kty":"RSA"}}"#),
        ("empty-name", r#"{"alg":"EdDSA","kid":"ed-1","":1,"":2}"#),
    ] {
        book.case(
            15,
            &format!("duplicate-header-{id}"),
            "A name twice in the header: readers would disagree on which one counts.",
        )
        .from(FROM)
        .keys("ed-1")
        .token(signed(forge, header, payload.as_bytes())?)
        .refuse("DUPLICATE_MEMBER", "header", CHECK);
    }
    for (id, extra) in [
        ("exp", "\"exp\":9999999999"),
        ("exp-same-value", "\"exp\":1700000300"),
        ("exp-escaped", "\"\\u0065xp\":9999999999"),
        ("exp-escaped-whole", "\"\\u0065\\u0078\\u0070\":9999999999"),
        ("sub", "\"sub\":\"admin\""),
        ("sub-escaped", "\"s\\u0075b\":\"admin\""),
        ("iss", "\"iss\":\"https://issuer.example\""),
        ("aud", "\"aud\":[]"),
        ("nested", "\"a\":{\"b\":1,\"c\":2,\"b\":3}"),
        ("nested-in-array", "\"a\":[{\"b\":1},{\"b\":1,\"b\":2}]"),
        ("slash-escaped", "\"a/b\":1,\"a\\/b\":2"),
        ("surrogates", "\"\u{1f600}\":1,\"\\ud83d\\ude00\":2"),
        ("long-names", "\"a-name-longer-than-eight-bytes\":1,\"a-name-longer-than-eight-bytes\":2"),
    ] {
        let payload = payload.replacen('{', &format!("{{{extra},"), 1);
        book.case(
            15,
            &format!("duplicate-claim-{id}"),
            "A name twice in the payload, at any level and however it is spelled.",
        )
        .from(FROM)
        .keys("ed-1")
        .token(signed(forge, &usual(), payload.as_bytes())?)
        .refuse("DUPLICATE_MEMBER", "payload", CHECK);
    }
    Ok(())
}

/// 16: a payload or header that is not an object, or not JSON.
fn not_an_object(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    let whole = claims(&[]);
    let inside = |extra: &str| whole.replacen('{', &format!("{{{extra},"), 1);
    for (id, text, reason) in [
        ("array", "[]".to_owned(), "wrong_type"),
        ("array-of-claims", format!("[{whole}]"), "wrong_type"),
        ("null", "null".to_owned(), "wrong_type"),
        ("true", "true".to_owned(), "wrong_type"),
        ("string", "\"x\"".to_owned(), "wrong_type"),
        ("number", "1".to_owned(), "wrong_type"),
        ("spaces", "  ".to_owned(), "syntax"),
        ("text", "claims".to_owned(), "syntax"),
        ("two-objects", format!("{whole}{whole}"), "syntax"),
        ("trailing-text", format!("{whole}x"), "syntax"),
        ("trailing-comma", whole.replace("\"}", "\",}"), "syntax"),
        ("open", whole.trim_end_matches('}').to_owned(), "syntax"),
        ("bom", format!("\u{feff}{whole}"), "syntax"),
        ("comment", inside("/* */\"a\":1"), "syntax"),
        ("single-quotes", whole.replace('"', "'"), "syntax"),
        ("bare-name", inside("a:1"), "syntax"),
        ("number-name", inside("1:1"), "syntax"),
        ("no-value", inside("\"a\":"), "syntax"),
        ("no-colon", inside("\"a\" 1"), "syntax"),
        ("nan", inside("\"a\":NaN"), "syntax"),
        ("infinity", inside("\"a\":Infinity"), "syntax"),
        ("minus-infinity", inside("\"a\":-Infinity"), "syntax"),
        ("plus", inside("\"a\":+1"), "syntax"),
        ("leading-zero", inside("\"a\":01"), "syntax"),
        ("no-digits-before-point", inside("\"a\":.5"), "syntax"),
        ("no-digits-after-point", inside("\"a\":1."), "syntax"),
        ("no-exponent", inside("\"a\":1e"), "syntax"),
        ("hexadecimal", inside("\"a\":0x10"), "syntax"),
        ("minus-alone", inside("\"a\":-"), "syntax"),
        ("true-upper-case", inside("\"a\":True"), "syntax"),
        ("vertical-tab", whole.replacen(':', ":\u{b}", 1), "syntax"),
        ("no-break-space", whole.replacen(':', ":\u{a0}", 1), "syntax"),
        ("mismatched", inside("\"a\":[1}"), "syntax"),
    ] {
        book.case(
            16,
            &format!("payload-{id}"),
            "The payload is not one JSON object (RFC 7519, 7.2; RFC 8259).",
        )
        .keys("ed-1")
        .token(signed(forge, &usual(), text.as_bytes())?)
        .refuse("MALFORMED_CLAIMS", "", reason);
    }
    for (id, text, reason) in [
        ("array", "[]", "wrong_type"),
        ("null", "null", "wrong_type"),
        ("string", "\"EdDSA\"", "wrong_type"),
        ("number", "1", "wrong_type"),
        ("text", "alg", "syntax"),
        ("trailing", r#"{"alg":"EdDSA","kid":"ed-1"}}"#, "syntax"),
        ("open", r#"{"alg":"EdDSA","kid":"ed-1""#, "syntax"),
        ("bom", "\u{feff}{\"alg\":\"EdDSA\",\"kid\":\"ed-1\"}", "syntax"),
    ] {
        book.case(16, &format!("header-{id}"), "The header is not one JSON object.")
            .keys("ed-1")
            .token(signed(forge, text, claims(&[]).as_bytes())?)
            .refuse("MALFORMED_HEADER", "", reason);
    }
    Ok(())
}

/// 17: extensions that must be understood.
fn crit(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "CVE-2026-35042 (fast-jwt), GHSA-752w-5fwx-jx9f (PyJWT): crit was ignored";
    for (id, members, claim, reason) in [
        ("unknown", r#""crit":["https://example.com/x"],"https://example.com/x":1"#, "crit", CHECK),
        ("unknown-absent", r#""crit":["x"]"#, "crit", CHECK),
        ("empty", r#""crit":[]"#, "crit", "syntax"),
        ("text", r#""crit":"exp""#, "crit", "wrong_type"),
        ("object", r#""crit":{"exp":true}"#, "crit", "wrong_type"),
        ("null", r#""crit":null"#, "crit", "wrong_type"),
        ("true", r#""crit":true"#, "crit", "wrong_type"),
        ("numbers", r#""crit":[1]"#, "crit", "wrong_type"),
        ("registered-name", r#""crit":["alg"]"#, "crit", CHECK),
        ("empty-name", r#""crit":[""]"#, "crit", CHECK),
        ("twice", r#""crit":["x","x"],"x":1"#, "crit", CHECK),
        ("exp", r#""crit":["exp"],"exp":1700000300"#, "crit", CHECK),
        ("b64-true", r#""crit":["b64"],"b64":true"#, "crit", CHECK),
        ("b64-false", r#""crit":["b64"],"b64":false"#, "crit", CHECK),
        ("b64-false-without-crit", r#""b64":false"#, "b64", CHECK),
        ("b64-text", r#""b64":"false""#, "b64", CHECK),
        ("b64-null", r#""b64":null"#, "b64", CHECK),
        ("b64-zero", r#""b64":0"#, "b64", CHECK),
    ] {
        let header = format!("{{\"alg\":\"EdDSA\",\"kid\":\"ed-1\",{members}}}");
        book.case(
            17,
            &format!("crit-{id}"),
            "No extension is understood, so crit always refuses (RFC 7515, 4.1.11; RFC 7797).",
        )
        .from(FROM)
        .keys("ed-1")
        .token(signed(forge, &header, claims(&[]).as_bytes())?)
        .refuse("UNSUPPORTED_CRITICAL", claim, reason);
    }
    let header = r#"{"alg":"EdDSA","kid":"ed-1","crit":["b64"],"b64":false}"#;
    let payload = claims(&[]);
    let input = format!("{}.{payload}", base64url::encode(header.as_bytes()));
    let token = forge.sign("ed-1", Algorithm::EdDsa, &input)?;
    book.case(
        17,
        "crit-b64-false-plain-payload",
        "An unencoded payload (RFC 7797): its dots are separators here.",
    )
    .from(FROM)
    .keys("ed-1")
    .token(token.replace(&payload, "plain"))
    .refuse("UNSUPPORTED_CRITICAL", "crit", CHECK);
    Ok(())
}

/// 18: registered claims and parameters of the wrong type.
fn types(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "CVE-2026-25537 (jsonwebtoken): a string nbf counted as absent";
    let others = [
        ("null", "null"),
        ("true", "true"),
        ("false", "false"),
        ("object", "{}"),
        ("object-inside", "{\"v\":1}"),
    ];
    for name in ["exp", "nbf", "iat"] {
        let own = [
            ("string", "\"1700000300\""),
            ("empty-string", "\"\""),
            ("array", "[1700000300]"),
            ("empty-array", "[]"),
        ];
        for (id, value) in own.into_iter().chain(others) {
            book.case(
                18,
                &format!("{name}-{id}"),
                "A time that is no number is refused, never treated as absent.",
            )
            .from(FROM)
            .keys("ed-1")
            .token(signed(forge, &usual(), claims(&[(name, value)]).as_bytes())?)
            .refuse("INVALID_CLAIM", name, "wrong_type");
        }
    }
    for name in ["iss", "sub", "jti"] {
        let own = [("number", "1"), ("array", "[\"https://issuer.example\"]"), ("empty-array", "[]")];
        for (id, value) in own.into_iter().chain(others) {
            book.case(
                18,
                &format!("{name}-{id}"),
                "A registered claim of the wrong type is refused, never treated as absent.",
            )
            .keys("ed-1")
            .token(signed(forge, &usual(), claims(&[(name, value)]).as_bytes())?)
            .refuse("INVALID_CLAIM", name, "wrong_type");
        }
    }
    let own = [
        ("number", "1"),
        ("mixed", "[\"https://api.example\",1]"),
        ("mixed-null", "[\"https://api.example\",null]"),
        ("nested-array", "[[\"https://api.example\"]]"),
    ];
    for (id, value) in own.into_iter().chain(others) {
        book.case(18, &format!("aud-{id}"), "aud is a string or an array of strings.")
            .keys("ed-1")
            .token(signed(forge, &usual(), claims(&[("aud", value)]).as_bytes())?)
            .refuse("INVALID_CLAIM", "aud", "wrong_type");
    }
    for (id, value) in [("number", "1"), ("array", "[\"JWT\"]"), ("null", "null"), ("object", "{}")] {
        let header = format!("{{\"alg\":\"EdDSA\",\"kid\":\"ed-1\",\"typ\":{value}}}");
        book.case(18, &format!("typ-{id}"), "typ is a string.")
            .keys("ed-1")
            .token(signed(forge, &header, claims(&[]).as_bytes())?)
            .refuse("MALFORMED_HEADER", "typ", "wrong_type");
    }
    Ok(())
}

/// 19: numbers at the ends of every range.
fn numbers(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const RANGE: &str = "out_of_range";
    let huge = [
        ("253402300800", "253402300800"),
        ("milliseconds", "1700000300000"),
        ("2-to-the-53-plus-1", "9007199254740993"),
        ("2-to-the-63-minus-1", "9223372036854775807"),
        ("2-to-the-63", "9223372036854775808"),
        ("2-to-the-64-minus-1", "18446744073709551615"),
        ("2-to-the-64", "18446744073709551616"),
        ("26-digits", "99999999999999999999999999"),
        ("400-digits", "1e399"),
        ("1e400", "1e400"),
        ("1e308", "1.7e308"),
        ("1e99999999999", "1e99999999999"),
        ("minus-1e400", "-1e400"),
        ("minus-2-to-the-63", "-9223372036854775808"),
        ("65-characters", "00000000000000000000000000000000000000000000000000000000000000001"),
    ];
    for (id, value) in huge {
        // A long run of digits that is still a JSON number.
        let value =
            if id == "65-characters" { format!("1700000300.{}", "0".repeat(54)) } else { value.to_owned() };
        for name in ["exp", "nbf", "iat"] {
            book.case(
                19,
                &format!("{name}-{id}"),
                "A time beyond the year 9999 must not saturate into 'never expires' or 'always valid'.",
            )
            .keys("ed-1")
            .token(signed(forge, &usual(), claims(&[(name, &value)]).as_bytes())?)
            .refuse("INVALID_CLAIM", name, RANGE);
        }
    }
    for (id, value) in [
        ("0", "0"),
        ("minus-0", "-0"),
        ("minus-0-point-0", "-0.0"),
        ("minus-1", "-1"),
        ("1-point-5", "1.5"),
        ("1e-400", "1e-400"),
        ("0e400", "0e99999999999"),
        ("earliest", "-253402300799"),
        ("leeway-ago", "1699999995"),
    ] {
        book.case(19, &format!("exp-{id}"), "Long ago, or exactly at the end of the leeway.")
            .keys("ed-1")
            .token(signed(forge, &usual(), claims(&[("exp", value)]).as_bytes())?)
            .refuse("EXPIRED", "exp", CHECK);
    }
    for (id, changes) in [
        ("exp-fraction-within", [("exp", "1699999995.000000001")]),
        ("exp-0-digits", [("exp", "17000003e2")]),
        ("nbf-0", [("nbf", "0")]),
        ("nbf-minus-0", [("nbf", "-0.0")]),
        ("nbf-fraction", [("nbf", "1700000004.5")]),
        ("iat-tiny", [("iat", "1e-400")]),
    ] {
        book.case(
            19,
            &format!("number-{id}"),
            "Fractions and exponents are read exactly: a fraction of a second counts.",
        )
        .keys("ed-1")
        .token(signed(forge, &usual(), claims(&changes).as_bytes())?)
        .accept(&claims(&changes))?;
    }
    book.case(19, "nbf-fraction-beyond", "Half a second after the end of the leeway.")
        .keys("ed-1")
        .token(signed(forge, &usual(), claims(&[("nbf", "1700000005.5")]).as_bytes())?)
        .refuse("NOT_YET_VALID", "nbf", CHECK);
    // The largest integers that every reader of these files represents exactly.
    const FAR: i64 = (1 << 53) - 1;
    book.policy("leeway 300", json!({"leeway_seconds": 300}));
    book.policy("leeway 300, maximum age", json!({"leeway_seconds": 300, "max_age_seconds": 315_360_000}));
    for (id, policy, now, changes, code, claim) in [
        ("exp-far-future", "leeway 300", FAR, ("exp", "253402300799"), "EXPIRED", "exp"),
        ("exp-far-past", "leeway 300", -FAR, ("iat", "-253402300799"), "ISSUED_IN_FUTURE", "iat"),
        ("nbf-far-past", "leeway 300", -FAR, ("nbf", "-253402300799"), "NOT_YET_VALID", "nbf"),
        ("age-far", "leeway 300, maximum age", NOW, ("iat", "-253402300799"), "TOO_OLD", "iat"),
    ] {
        book.case(19, &format!("clock-{id}"), "A clock far off, with the largest leeway, overflows nothing.")
            .policy(policy)
            .keys("ed-1")
            .now(now)
            .token(signed(forge, &usual(), claims(&[changes]).as_bytes())?)
            .refuse(code, claim, CHECK);
    }
    Ok(())
}

/// 20: text that is not text, and documents that are too deep or too large.
fn text(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    for (id, value) in [
        ("nul-escape", "\"a\\u0000b\""),
        ("high-surrogate", "\"\\ud800\""),
        ("low-surrogate", "\"\\udc00\""),
        ("surrogates-reversed", "\"\\ude00\\ud83d\""),
        ("high-surrogate-then-text", "\"\\ud83dx\""),
        ("high-surrogate-then-escape", "\"\\ud83d\\n\""),
        ("two-high-surrogates", "\"\\ud83d\\ud83d\""),
        ("raw-nul", "\"a\0b\""),
        ("raw-newline", "\"a\nb\""),
        ("raw-tab", "\"a\tb\""),
        ("raw-escape", "\"a\u{1b}b\""),
        ("unknown-escape", "\"\\x41\""),
        ("half-an-escape", "\"\\u00\""),
        ("sign-in-an-escape", "\"\\u+041\""),
    ] {
        book.case(
            20,
            &format!("text-{id}"),
            "A string with U+0000, a lone surrogate, a raw control character or a bad escape.",
        )
        .keys("ed-1")
        .token(signed(forge, &usual(), claims(&[("x", value)]).as_bytes())?)
        .refuse("MALFORMED_CLAIMS", "", "syntax");
    }
    for (id, bytes) in [
        ("continuation", &b"\x80"[..]),
        ("truncated", b"\xe2\x82"),
        ("overlong-slash", b"\xc0\xaf"),
        ("overlong-nul", b"\xc0\x80"),
        ("surrogate", b"\xed\xa0\x80"),
        ("too-large", b"\xf4\x90\x80\x80"),
        ("ff", b"\xff"),
        ("latin-1", b"Zo\xeb"),
    ] {
        for (place, before, after) in [("value", "\"x\":\"", "\""), ("name", "\"x", "\":1")] {
            let whole = claims(&[]);
            let payload =
                [b"{", before.as_bytes(), bytes, after.as_bytes(), b",", whole.as_bytes().split_at(1).1]
                    .concat();
            book.case(20, &format!("utf8-{id}-in-{place}"), "A payload that is not UTF-8.")
                .keys("ed-1")
                .token(forge.token_of_bytes("ed-1", &usual(), &payload)?)
                .refuse("MALFORMED_CLAIMS", "", "syntax");
        }
    }
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let objects = |n: usize| format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n));
    let members = |n: usize| {
        let list: Vec<String> = (0..n).map(|i| format!("\"m{i}\":0")).collect();
        format!("{{{}}}", list.join(","))
    };
    let items = |n: usize| format!("[{}]", vec!["0"; n].join(","));
    for (id, value) in [("31-arrays", nested(31)), ("31-objects", objects(31)), ("256-members", members(256))]
    {
        book.case(20, &format!("size-{id}"), "Just within the limits on depth and members.")
            .keys("ed-1")
            .token(signed(forge, &usual(), claims(&[("x", &value)]).as_bytes())?)
            .accept(&claims(&[("x", &value)]))?;
    }
    // Seven members of two nodes each and the object around them are 15 nodes.
    for (id, value) in [
        ("32-arrays", nested(32)),
        ("32-objects", objects(32)),
        ("10000-arrays", nested(10_000)),
        ("10000-open", "[".repeat(10_000)),
        ("257-members", members(257)),
        ("4097-nodes", items(4097 - 15)),
        ("10000-items", items(10_000)),
    ] {
        book.case(
            20,
            &format!("size-{id}"),
            "Deeper, or with more members or values, than the limits allow.",
        )
        .policy("large")
        .keys("ed-1")
        .token(signed(forge, &usual(), claims(&[("x", &value)]).as_bytes())?)
        .refuse("MALFORMED_CLAIMS", "", "out_of_range");
    }
    let value = items(4096 - 15);
    book.case(20, "size-4096-nodes", "Exactly as many values and names as the limit allows.")
        .keys("ed-1")
        .token(signed(forge, &usual(), claims(&[("x", &value)]).as_bytes())?)
        .accept(&claims(&[("x", &value)]))?;
    let token = signed(forge, &usual(), claims(&[]).as_bytes())?;
    let (h, _, s) = split(&token);
    book.case(20, "size-1-MiB-string", "A string of one MiB: refused by the token's size.")
        .policy("large")
        .keys("ed-1")
        .pieces(vec![
            Piece::Text(format!("{h}.{}", base64url::encode(b"{\"x\":\""))),
            repeat("eHh4", (1 << 20) / 3),
            Piece::Text(format!("{}.{s}", base64url::encode(b"\"}"))),
        ])
        .refuse("TOKEN_TOO_LARGE", "", "out_of_range");
    let header = format!("{{\"alg\":\"EdDSA\",\"kid\":\"ed-1\",\"x\":{}}}", items(300));
    book.case(20, "size-header-300-items", "More values in the header than any header needs.")
        .keys("ed-1")
        .token(signed(forge, &header, claims(&[]).as_bytes())?)
        .refuse("MALFORMED_HEADER", "", "out_of_range");
    Ok(())
}

/// 21: encrypted and compressed tokens.
fn encrypted(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "CVE-2026-29000 (pac4j): an encrypted token around an unsigned one passed";
    let plain = libtoken_mint::signing_input(br#"{"alg":"none"}"#, claims(&[]).as_bytes());
    for (id, header) in [
        ("dir", r#"{"alg":"dir","enc":"A128GCM"}"#),
        ("rsa-oaep", r#"{"alg":"RSA-OAEP","enc":"A256GCM","cty":"JWT"}"#),
        ("zip", r#"{"alg":"dir","enc":"A128GCM","zip":"DEF"}"#),
        ("alg-of-a-signature", r#"{"alg":"EdDSA","kid":"ed-1"}"#),
    ] {
        let parts =
            [header.as_bytes(), b"key", b"0123456789ab", format!("{plain}.").as_bytes(), b"0123456789abcdef"]
                .map(base64url::encode);
        book.case(
            21,
            &format!("jwe-{id}"),
            "Five segments are an encrypted token, whatever the header says.",
        )
        .from(FROM)
        .keys("ed-1")
        .token(parts.join("."))
        .refuse("ENCRYPTED_TOKEN", "", CHECK);
    }
    for (id, zip) in [("DEF", "\"DEF\""), ("GZ", "\"GZIP\""), ("null", "null"), ("empty", "\"\"")] {
        let header = format!("{{\"alg\":\"EdDSA\",\"kid\":\"ed-1\",\"zip\":{zip}}}");
        book.case(21, &format!("zip-{id}"), "Nothing is ever decompressed.")
            .keys("ed-1")
            .token(signed(forge, &header, claims(&[]).as_bytes())?)
            .refuse("COMPRESSED_TOKEN", "zip", CHECK);
    }
    let inner = signed(forge, &usual(), claims(&[]).as_bytes())?;
    let header = r#"{"alg":"EdDSA","kid":"ed-1","cty":"JWT"}"#;
    book.case(
        21,
        "nested-jwt",
        "A token inside a token (RFC 7519, 5.2) is not unwrapped: its text is no JSON object.",
    )
    .keys("ed-1")
    .token(signed(forge, header, inner.as_bytes())?)
    .refuse("MALFORMED_CLAIMS", "", "syntax");
    let unsigned = with_signature(&libtoken_mint::signing_input(br#"{"alg":"none"}"#, b"{}"), b"");
    book.case(21, "nested-unsigned-jwt", "An unsigned token inside a signed one.")
        .keys("ed-1")
        .token(signed(forge, header, unsigned.as_bytes())?)
        .refuse("MALFORMED_CLAIMS", "", "syntax");
    Ok(())
}
