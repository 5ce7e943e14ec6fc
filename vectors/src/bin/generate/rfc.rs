//! The examples of the RFCs. Where an example's payload is no JSON object, the token is refused for that,
//! after its signature was found right; a second case with one bit of the signature changed shows that the
//! signature was looked at.

use libtoken_vectors::Source;
use serde_json::json;

use crate::Failure;
use crate::book::Book;
use crate::forge::{Forge, signature_of, signing_input, with_signature};

const CHECK: &str = "check_failed";

/// RFC 7515, A.1.1: the payload of A.1 to A.3.
const JOE: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const JOE_CLAIMS: &str = r#"{"iss":"joe","exp":1300819380,"http://example.com/is_root":true}"#;
/// One second before its exp.
const JOE_NOW: i64 = 1_300_819_379;
/// RFC 7520, figure 8.
const FRODO: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";

pub(crate) fn book(forge: &Forge) -> Result<Book, Failure> {
    let mut book = Book::new("The examples of RFC 7515, 7519, 7520, 8037 and 9068.");
    let joe = |algorithms: &[&str]| json!({"issuer": "joe", "audiences": null, "audience_check": "none", "algorithms": algorithms, "leeway_seconds": 0});
    book.policy("joe", joe(&["RS256", "ES256", "EdDSA", "PS384"]));
    book.policy("joe, hmac", joe(&["HS256"]));
    rfc_7515(&mut book)?;
    rfc_7520(&mut book)?;
    rfc_8037(&mut book)?;
    rfc_9068(&mut book, forge)?;
    Ok(book)
}

fn rfc_7515(book: &mut Book) -> Result<(), Failure> {
    book.key_set("RFC 7515, A.1", json!({"keys": [{"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}));
    book.key_set("RFC 7515, A.2", json!({"keys": [{"kty": "RSA", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ", "e": "AQAB"}]}));
    book.key_set("RFC 7515, A.3", json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}));
    book.key_set("RFC 7515, A.4", json!({"keys": [{"kty": "EC", "crv": "P-521", "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk", "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}]}));
    let hs256 =
        format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    // The same token stands in both RFCs.
    for (id, from) in [("rfc7515-a1", "RFC 7515, appendix A.1"), ("rfc7519-3-1", "RFC 7519, 3.1")] {
        book.case(None, id, "HS256. The key is one of the operator, so a shared secret may be used.")
            .from(from)
            .policy("joe, hmac")
            .keys_of("joe", "RFC 7515, A.1", Source::Operator, 1)
            .now(JOE_NOW)
            .token(hs256.clone())
            .accept(JOE_CLAIMS)?;
    }
    book.case(None, "rfc7515-a1-expired", "The same token one second later.")
        .from("RFC 7515, appendix A.1")
        .policy("joe, hmac")
        .keys_of("joe", "RFC 7515, A.1", Source::Operator, 1)
        .now(JOE_NOW + 1)
        .token(hs256)
        .refuse("EXPIRED", "exp", CHECK);
    let rs256 = format!(
        "eyJhbGciOiJSUzI1NiJ9.{JOE}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    );
    let es256 = format!(
        "eyJhbGciOiJFUzI1NiJ9.{JOE}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    for (id, set, token) in [("rfc7515-a2", "RFC 7515, A.2", rs256), ("rfc7515-a3", "RFC 7515, A.3", es256)] {
        book.case(None, id, "RS256 and ES256.")
            .from(&set.replace("A.", "appendix A."))
            .policy("joe")
            .keys_of("joe", set, Source::Fetched, 1)
            .now(JOE_NOW)
            .token(token)
            .accept(JOE_CLAIMS)?;
    }
    book.case(None, "rfc7515-a4", "ES512 is not supported: P-521 has no users among issuers. The key is skipped, and the alg refused.")
        .from("RFC 7515, appendix A.4")
        .policy("joe")
        .keys_of("joe", "RFC 7515, A.4", Source::Fetched, 0)
        .now(JOE_NOW)
        .token("eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn")
        .refuse("UNSUPPORTED_ALGORITHM", "alg", CHECK);
    for (id, from) in [("rfc7515-a5", "RFC 7515, appendix A.5"), ("rfc7519-6-1", "RFC 7519, 6.1")] {
        book.case(1, id, "The unsecured example: refused for its empty signature.")
            .from(from)
            .policy("joe")
            .keys_of("joe", "RFC 7515, A.3", Source::Fetched, 1)
            .now(JOE_NOW)
            .token(format!("eyJhbGciOiJub25lIn0.{JOE}."))
            .refuse("MALFORMED_TOKEN", "", "syntax");
    }
    Ok(())
}

fn rfc_7520(book: &mut Book) -> Result<(), Failure> {
    const KID: &str = "bilbo.baggins@hobbiton.example";
    book.key_set("RFC 7520, 3.3", json!({"keys": [{"kty": "RSA", "kid": KID, "use": "sig", "n": "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw", "e": "AQAB"}]}));
    book.key_set("RFC 7520, 3.1", json!({"keys": [{"kty": "EC", "kid": KID, "use": "sig", "crv": "P-521", "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt", "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}]}));
    book.key_set("RFC 7520, 3.5", json!({"keys": [{"kty": "oct", "kid": "018c0ae5-4d9b-471b-bfd6-eef314bc7037", "use": "sig", "alg": "HS256", "k": "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"}]}));
    for (id, section, policy, set, source, head, signature) in [
        (
            "rfc7520-4-1",
            "4.1",
            "joe",
            "RFC 7520, 3.3",
            Source::Fetched,
            "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg",
        ),
        (
            "rfc7520-4-2",
            "4.2",
            "joe",
            "RFC 7520, 3.3",
            Source::Fetched,
            "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
        ),
        (
            "rfc7520-4-4",
            "4.4",
            "joe, hmac",
            "RFC 7520, 3.5",
            Source::Operator,
            "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9",
            "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0",
        ),
    ] {
        let token = format!("{head}.{FRODO}.{signature}");
        right_signature_over_no_claims(
            book,
            id,
            &format!("RFC 7520, {section}"),
            policy,
            set,
            source,
            &token,
        )?;
    }
    book.case(None, "rfc7520-4-3", "ES512 is not supported.")
        .from("RFC 7520, 4.3")
        .policy("joe")
        .keys_of("joe", "RFC 7520, 3.1", Source::Fetched, 0)
        .token(format!("eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.{FRODO}.AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2"))
        .refuse("UNSUPPORTED_ALGORITHM", "alg", CHECK);
    book.case(13, "rfc7520-4-5", "Detached content: the payload is not in the token.")
        .from("RFC 7520, 4.5")
        .policy("joe, hmac")
        .keys_of("joe", "RFC 7520, 3.5", Source::Operator, 1)
        .token("eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9..s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0")
        .refuse("MALFORMED_TOKEN", "", "syntax");
    Ok(())
}

fn rfc_8037(book: &mut Book) -> Result<(), Failure> {
    book.key_set("RFC 8037, A.2", json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}));
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    right_signature_over_no_claims(
        book,
        "rfc8037-a4",
        "RFC 8037, appendix A.4",
        "joe",
        "RFC 8037, A.2",
        Source::Fetched,
        token,
    )
}

fn rfc_9068(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const ISSUER: &str = "https://authorization-server.example.com/";
    // The header and claims of the example; the RFC shows no signature, so this one is by a key from here.
    let header = r#"{"typ":"at+JWT","alg":"RS256","kid":"RjEwOwOA"}"#;
    let payload = r#"{"iss":"https://authorization-server.example.com/","sub":"5ba552d67","aud":"https://rs.example.com/","exp":1639528912,"iat":1618354090,"jti":"dbe39bf3a3ba4238a513f51d6e1691c4","client_id":"s6BhdRkqt3","scope":"openid profile reademail"}"#;
    book.policy(
        "RFC 9068",
        json!({"issuer": ISSUER, "audiences": ["https://rs.example.com/"], "profile": "rfc9068"}),
    );
    book.key_set("RFC 9068", json!({"keys": [forge.jwk("rsa-1", json!({"kid": "RjEwOwOA"}))?]}));
    book.case(
        None,
        "rfc9068-3",
        "Header and claims of the example, signed with a test key: the RFC shows no signature.",
    )
    .from("RFC 9068, 3")
    .policy("RFC 9068")
    .keys_of(ISSUER, "RFC 9068", Source::Fetched, 1)
    .now(1_639_528_911)
    .token(forge.token("rsa-1", header, payload)?)
    .accept(payload)
}

fn right_signature_over_no_claims(
    book: &mut Book,
    id: &str,
    from: &str,
    policy: &str,
    set: &str,
    source: Source,
    token: &str,
) -> Result<(), Failure> {
    book.case(
        None,
        id,
        "The signature is right; the payload is text and no JSON object, and is refused for that.",
    )
    .from(from)
    .policy(policy)
    .keys_of("joe", set, source, 1)
    .token(token)
    .refuse("MALFORMED_CLAIMS", "", "syntax");
    let mut signature = signature_of(token)?;
    signature.last_mut().into_iter().for_each(|last| *last ^= 1);
    book.case(
        None,
        &format!("{id}-changed"),
        "One bit of the signature is changed: refused for the signature.",
    )
    .from(from)
    .policy(policy)
    .keys_of("joe", set, source, 1)
    .token(with_signature(signing_input(token), &signature))
    .refuse("INVALID_SIGNATURE", "", CHECK);
    Ok(())
}
