//! Attacks 1 to 11: algorithm and key.

use libtoken::codec::base64url;
use libtoken::jose::algorithm::Algorithm;
use libtoken_mint::PrivateKey;
use libtoken_vectors::Piece;
use libtoken_vectors::model::Repeat;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Failure;
use crate::accepted::{P256_ORDER, P384_ORDER};
use crate::book::Book;
use crate::forge::{
    Forge, add_little_endian, claims, der, der_integer, header, pem, sign_with, signature_of, signing_input,
    unhex, with_signature,
};

const CHECK: &str = "check_failed";

pub(crate) fn book(forge: &Forge) -> Result<Book, Failure> {
    let mut book = Book::new("Attacks on the choice of algorithm and key.");
    book.key_set("public", forge.set(&["ed-1", "p256-1", "p384-1", "rsa-1"])?);
    book.key_set("empty", json!({"keys": []}));
    for key in ["ed-1", "p256-1", "p384-1", "rsa-1"] {
        let jwk = forge.jwk(key, json!({"alg": null}))?;
        book.key_set(&format!("{key}, without alg"), json!({"keys": [jwk]}));
    }
    for key in ["hs256-1", "hs384-1", "hs512-1"] {
        book.key_set(key, forge.set(&[key])?);
    }
    unsigned(&mut book, forge)?;
    public_key_as_secret(&mut book, forge)?;
    empty_secret(&mut book, forge)?;
    missing_key(&mut book, forge)?;
    substitution(&mut book, forge)?;
    usage(&mut book, forge)?;
    psychic(&mut book, forge)?;
    lengths(&mut book, forge)?;
    embedded_keys(&mut book, forge)?;
    kid(&mut book, forge)?;
    weak_keys(&mut book, forge)?;
    Ok(book)
}

/// 1: `alg` is none, unknown or not a name, with an empty and with a random signature.
fn unsigned(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "CVE-2026-23993 (HarbourJwt): an unknown alg matched an empty signature";
    let random = base64url::encode(&signature_of(&forge.token("ed-2", &header("EdDSA", "x"), "{}")?)?);
    for (id, alg) in [
        ("none", "\"none\""),
        ("None", "\"None\""),
        ("NONE", "\"NONE\""),
        ("nOnE", "\"nOnE\""),
        ("none-space", "\"none \""),
        ("empty", "\"\""),
        ("zzz", "\"zzz\""),
        ("lower-case", "\"rs256\""),
        ("ES256K", "\"ES256K\""),
        ("ES512", "\"ES512\""),
        ("Ed448", "\"Ed448\""),
        ("HS1", "\"HS1\""),
        ("dir", "\"dir\""),
        ("null", "null"),
        ("number", "0"),
        ("true", "true"),
        ("array", "[\"none\"]"),
        ("array-of-known", "[\"EdDSA\"]"),
        ("object", "{}"),
        ("missing", ""),
    ] {
        let member = if alg.is_empty() { String::new() } else { format!("\"alg\":{alg},") };
        let header = format!("{{{member}\"kid\":\"ed-1\"}}");
        let input = libtoken_mint::signing_input(header.as_bytes(), claims(&[]).as_bytes());
        let (code, reason) = match alg {
            "" => ("MALFORMED_HEADER", "missing"),
            name if name.starts_with('"') => ("UNSUPPORTED_ALGORITHM", CHECK),
            _ => ("MALFORMED_HEADER", "wrong_type"),
        };
        book.case(
            1,
            &format!("alg-{id}-random-signature"),
            "The algorithm is not in the table, whatever the signature.",
        )
        .from(FROM)
        .keys("public")
        .token(format!("{input}.{random}"))
        .refuse(code, "alg", reason);
        book.case(
            1,
            &format!("alg-{id}-empty-signature"),
            "An empty segment is refused before the header is read.",
        )
        .from(FROM)
        .keys("public")
        .token(format!("{input}."))
        .refuse("MALFORMED_TOKEN", "", "syntax");
        book.case(1, &format!("alg-{id}-no-signature"), "Two segments are no JWS.")
            .from(FROM)
            .keys("public")
            .token(input)
            .refuse("MALFORMED_TOKEN", "", "syntax");
    }
    Ok(())
}

/// 2: a public key as the secret of an HMAC.
fn public_key_as_secret(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "CVE-2022-29217 (PyJWT), CVE-2023-48223 and CVE-2026-34950 (fast-jwt), CVE-2026-22817 (Hono), CVE-2026-39999 (APISIX): a public key used as an HMAC secret";
    book.policy("rsa and hmac", json!({"algorithms": ["RS256", "HS256", "HS384", "HS512"]}));
    for key in ["rsa-1", "p256-1", "ed-1"] {
        let spki = spki(forge, key)?;
        let spki_pem = pem("PUBLIC KEY", &spki);
        let jwk = forge.jwk(key, json!({}))?.to_string();
        let mut secrets = vec![
            ("pem", spki_pem.clone().into_bytes()),
            ("pem-without-newline", spki_pem.trim_end().as_bytes().to_vec()),
            ("pem-crlf", spki_pem.replace('\n', "\r\n").into_bytes()),
            ("pem-space-before", format!(" {spki_pem}").into_bytes()),
            ("pem-newline-before", format!("\n{spki_pem}").into_bytes()),
            ("pem-nul-after", format!("{spki_pem}\0").into_bytes()),
            ("pem-bom", format!("\u{feff}{spki_pem}").into_bytes()),
            ("der", spki),
            ("jwk", jwk.clone().into_bytes()),
            ("jwks", format!("{{\"keys\":[{jwk}]}}").into_bytes()),
            ("raw", forge.key(key)?.public_bytes()),
        ];
        if key == "rsa-1" {
            let pkcs1 = rsa_public_key(forge, key)?;
            secrets.push(("pkcs1-pem", pem("RSA PUBLIC KEY", &pkcs1).into_bytes()));
            secrets.push(("pkcs1-der", pkcs1));
        }
        for (form, secret) in secrets {
            for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
                // One form per key goes through all three; the others are told apart by HS256 alone.
                if algorithm != Algorithm::Hs256 && form != "pem" {
                    continue;
                }
                let secret = PrivateKey::from_secret(&secret, algorithm, None);
                let name = algorithm.name();
                let input =
                    libtoken_mint::signing_input(header(name, key).as_bytes(), claims(&[]).as_bytes());
                book.case(
                    2,
                    &format!("{name}-with-{key}-{form}"),
                    "The key is not a secret, and the key decides the algorithm.",
                )
                .from(FROM)
                .keys("public")
                .token(sign_with(&secret, algorithm, &input)?)
                .refuse("ALGORITHM_NOT_ALLOWED", "alg", CHECK);
            }
        }
    }
    let secret =
        PrivateKey::from_secret(pem("PUBLIC KEY", &spki(forge, "rsa-1")?).as_bytes(), Algorithm::Hs256, None);
    for (id, header) in [("kid", header("HS256", "rsa-1")), ("no-kid", r#"{"alg":"HS256"}"#.to_owned())] {
        let input = libtoken_mint::signing_input(header.as_bytes(), claims(&[]).as_bytes());
        book.case(
            2,
            &format!("HS256-with-pem-listed-{id}"),
            "Even where the policy lists HS256, an RSA key never becomes a secret.",
        )
        .from(FROM)
        .policy("rsa and hmac")
        .keys("rsa-1, without alg")
        .token(sign_with(&secret, Algorithm::Hs256, &input)?)
        .refuse("ALGORITHM_NOT_ALLOWED", "alg", CHECK);
    }
    book.case(
        2,
        "secret-from-a-fetched-set",
        "A shared secret is taken from the operator only: one that was fetched is public.",
    )
    .policy("hmac")
    .usable_keys("hs256-1", 0)
    .token(forge.token("hs256-1", &header("HS256", "hs256-1"), &claims(&[]))?)
    .refuse("UNKNOWN_KEY", "kid", CHECK);
    book.case(
        2,
        "secret-without-a-listed-algorithm",
        "A shared secret is used only if the policy lists an HMAC algorithm.",
    )
    .operator_keys("hs256-1", 0)
    .token(forge.token("hs256-1", &header("HS256", "hs256-1"), &claims(&[]))?)
    .refuse("UNKNOWN_KEY", "kid", CHECK);
    Ok(())
}

/// 3: an HMAC with an empty key.
fn empty_secret(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "GHSA-q843-6q5f-w55g (libjwt): an HMAC with an empty key";
    let empty = PrivateKey::from_secret(b"", Algorithm::Hs256, None);
    for key in ["rsa-1", "p256-1", "p384-1", "ed-1"] {
        let input = libtoken_mint::signing_input(header("HS256", key).as_bytes(), claims(&[]).as_bytes());
        book.case(
            3,
            &format!("empty-secret-against-{key}"),
            "A key that holds no secret does not stand for an empty one.",
        )
        .from(FROM)
        .keys("public")
        .token(sign_with(&empty, Algorithm::Hs256, &input)?)
        .refuse("ALGORITHM_NOT_ALLOWED", "alg", CHECK);
    }
    let short = PrivateKey::from_secret(&[7; 31], Algorithm::Hs256, None);
    for (id, k, key) in [("empty", String::new(), &empty), ("short", base64url::encode(&[7; 31]), &short)] {
        let set = format!("{id} secret");
        book.key_set(&set, json!({"keys": [{"kty": "oct", "kid": "oct", "k": k}]}));
        let input = libtoken_mint::signing_input(header("HS256", "oct").as_bytes(), claims(&[]).as_bytes());
        book.case(
            3,
            &format!("{id}-oct-secret"),
            "A secret shorter than the hash is not loaded (RFC 7518, 3.2).",
        )
        .from(FROM)
        .policy("hmac")
        .operator_keys(&set, 0)
        .token(sign_with(key, Algorithm::Hs256, &input)?)
        .refuse("UNKNOWN_KEY", "kid", CHECK);
    }
    let jwk = forge.jwk("hs256-1", json!({"alg": null}))?;
    book.key_set("hs256-1, without alg", json!({"keys": [jwk]}));
    book.case(
        3,
        "short-secret-for-HS512",
        "Without alg the key would serve HS512 too, for which it is too short.",
    )
    .policy("hmac")
    .operator_keys("hs256-1, without alg", 0)
    .token(forge.token("hs256-1", &header("HS512", "hs256-1"), &claims(&[]))?)
    .refuse("UNKNOWN_KEY", "kid", CHECK);
    Ok(())
}

/// 4: no key at all never means 'no check'.
fn missing_key(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "GHSA-8wpc-h4q6-8fxv (fast-jwt): a missing key skipped the verification";
    let payload = claims(&[]);
    let none = libtoken_mint::signing_input(br#"{"alg":"none"}"#, payload.as_bytes());
    let signed = forge.token("ed-1", &header("EdDSA", "ed-1"), &payload)?;
    let without_kid = forge.token("ed-1", r#"{"alg":"EdDSA"}"#, &payload)?;
    for (id, set) in [("empty", Some("empty")), ("never-loaded", None)] {
        for (case, token, code, claim, reason) in [
            ("unsigned", format!("{none}."), "MALFORMED_TOKEN", "", "syntax"),
            ("none", with_signature(&none, b"x"), "UNSUPPORTED_ALGORITHM", "alg", CHECK),
            ("signed", signed.clone(), "UNKNOWN_KEY", "kid", CHECK),
            ("signed-without-kid", without_kid.clone(), "UNKNOWN_KEY", "kid", "missing"),
        ] {
            let draft = book
                .case(4, &format!("{id}-keys-{case}"), "Without keys every token is refused.")
                .from(FROM)
                .token(token);
            let draft = match set {
                Some(set) => draft.usable_keys(set, 0),
                None => draft,
            };
            draft.refuse(code, claim, reason);
        }
    }
    Ok(())
}

/// 5: another algorithm of the same family, or of another one.
fn substitution(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "libjwt: RS512 passed under a pin to RS256";
    const RSA: [&str; 6] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    for pinned in RSA {
        book.policy(&format!("only {pinned}"), json!({"algorithms": [pinned]}));
        let set = format!("rsa-1, pinned to {pinned}");
        let jwk = forge.jwk("rsa-1", json!({"alg": pinned}))?;
        book.key_set(&set, json!({"keys": [jwk]}));
        for used in RSA.into_iter().filter(|used| *used != pinned) {
            let token = forge.token("rsa-1", &header(used, "rsa-1"), &claims(&[]))?;
            book.case(
                5,
                &format!("{used}-with-key-for-{pinned}"),
                "The signature is right, but the key's alg names another algorithm.",
            )
            .from(FROM)
            .policy("asymmetric")
            .keys(&set)
            .token(token.clone())
            .refuse("ALGORITHM_NOT_ALLOWED", "alg", CHECK);
            book.case(
                5,
                &format!("{used}-with-policy-for-{pinned}"),
                "The signature is right, but the policy names another algorithm.",
            )
            .from(FROM)
            .policy(&format!("only {pinned}"))
            .keys("rsa-1, without alg")
            .token(token)
            .refuse("ALGORITHM_NOT_ALLOWED", "alg", CHECK);
        }
        if pinned != "RS256" {
            book.case(
                5,
                &format!("{pinned}-implied-by-nothing"),
                "An RSA key without alg, under a policy without a list, means RS256 and nothing else.",
            )
            .keys("rsa-1, without alg")
            .token(forge.token("rsa-1", &header(pinned, "rsa-1"), &claims(&[]))?)
            .refuse("ALGORITHM_NOT_ALLOWED", "alg", CHECK);
        }
    }
    for (used, signer, key) in [
        ("ES384", "p384-1", "p256-1"),
        ("ES256", "p256-1", "p384-1"),
        ("ES256", "p256-1", "ed-1"),
        ("ES256", "p256-1", "rsa-1"),
        ("EdDSA", "ed-1", "p256-1"),
        ("EdDSA", "ed-1", "rsa-1"),
        ("RS256", "rsa-1", "ed-1"),
        ("RS256", "rsa-1", "p256-1"),
        ("PS256", "rsa-1", "p384-1"),
    ] {
        book.case(5, &format!("{used}-with-{key}"), "The key is of another kind than the algorithm.")
            .from(FROM)
            .policy("asymmetric")
            .keys(&format!("{key}, without alg"))
            .token(forge.token(signer, &header(used, key), &claims(&[]))?)
            .refuse("ALGORITHM_NOT_ALLOWED", "alg", CHECK);
    }
    // The right algorithm in the header over a signature made with its sibling.
    for (named, made) in [
        ("RS256", Algorithm::Ps256),
        ("PS256", Algorithm::Rs256),
        ("RS256", Algorithm::Rs512),
        ("PS256", Algorithm::Ps384),
    ] {
        let input = libtoken_mint::signing_input(header(named, "rsa-1").as_bytes(), claims(&[]).as_bytes());
        book.case(
            5,
            &format!("{named}-over-{}", made.name()),
            "The header names the right algorithm; the signature was made with another.",
        )
        .policy("asymmetric")
        .keys("rsa-1, without alg")
        .token(forge.sign("rsa-1", made, &input)?)
        .refuse("INVALID_SIGNATURE", "", CHECK);
    }
    for (named, key, made) in [
        ("HS256", "hs512-1", Algorithm::Hs512),
        ("HS512", "hs512-1", Algorithm::Hs256),
        ("HS384", "hs512-1", Algorithm::Hs512),
    ] {
        let jwk = forge.jwk(key, json!({"alg": null}))?;
        book.key_set("hs512-1, without alg", json!({"keys": [jwk]}));
        let input = libtoken_mint::signing_input(header(named, key).as_bytes(), claims(&[]).as_bytes());
        book.case(5, &format!("{named}-over-{}", made.name()), "The tag was made with another hash.")
            .policy("hmac")
            .operator_keys("hs512-1, without alg", 1)
            .token(forge.sign(key, made, &input)?)
            .refuse("INVALID_SIGNATURE", "", CHECK);
    }
    Ok(())
}

/// 6: `use`, `key_ops`, `kty` and `alg` of a key.
fn usage(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    for (id, changes) in [
        ("use-enc", json!({"use": "enc"})),
        ("use-number", json!({"use": 1})),
        ("key-ops-sign", json!({"key_ops": ["sign"]})),
        ("key-ops-empty", json!({"key_ops": []})),
        ("key-ops-encrypt", json!({"use": null, "key_ops": ["encrypt", "wrapKey"]})),
        ("key-ops-text", json!({"key_ops": "verify"})),
        ("alg-of-another-kind", json!({"alg": "ES256"})),
        ("alg-none", json!({"alg": "none"})),
        ("alg-encryption", json!({"alg": "ECDH-ES"})),
        ("kty-wrong", json!({"kty": "EC"})),
        ("kty-lower-case", json!({"kty": "okp"})),
        ("kty-missing", json!({"kty": null})),
        ("crv-x25519", json!({"crv": "X25519"})),
        ("crv-missing", json!({"crv": null})),
        ("kid-number", json!({"kid": 1})),
        ("private-part", json!({"d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"})),
    ] {
        let jwk = forge.jwk("ed-1", changes)?;
        let set = format!("ed-1, {id}");
        book.key_set(&set, json!({"keys": [jwk, forge.jwk("p256-1", json!({}))?]}));
        book.case(
            6,
            &format!("jwk-{id}"),
            "The key must not be used, and does not take the other key with it.",
        )
        .usable_keys(&set, 1)
        .token(forge.token("ed-1", &header("EdDSA", "ed-1"), &claims(&[]))?)
        .refuse("UNKNOWN_KEY", "kid", CHECK);
    }
    book.case(6, "jwk-good-one-beside-bad-ones", "A bad key does not drop the others.")
        .from("jwt_verify_lib#51: one bad key dropped the whole set")
        .usable_keys("ed-1, use-enc", 1)
        .token(forge.token("p256-1", &header("ES256", "p256-1"), &claims(&[]))?)
        .accept(&claims(&[]))?;
    let jwk = forge.jwk("ed-1", json!({"key_ops": ["sign", "verify"], "use": "sig", "alg": "Ed25519"}))?;
    book.key_set("ed-1, key_ops", json!({"keys": [jwk]}));
    book.case(
        6,
        "jwk-usage-allows",
        "use, key_ops and alg that allow verification; the two names of EdDSA mean one algorithm.",
    )
    .keys("ed-1, key_ops")
    .token(forge.token("ed-1", &header("EdDSA", "ed-1"), &claims(&[]))?)
    .accept(&claims(&[]))
}

/// 7: signatures with special values, and the wrong form.
fn psychic(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "CVE-2022-21449 (Java, 'psychic signatures')";
    for (algorithm, key, order) in [("ES256", "p256-1", P256_ORDER), ("ES384", "p384-1", P384_ORDER)] {
        let good = forge.token(key, &header(algorithm, key), &claims(&[]))?;
        let signature = signature_of(&good)?;
        let input = signing_input(&good).to_owned();
        let (r, s) = signature.split_at(signature.len() / 2);
        let n = unhex(order);
        let zero = vec![0; n.len()];
        let mut one = zero.clone();
        one.last_mut().into_iter().for_each(|b| *b = 1);
        let ones = vec![0xff; n.len()];
        for (id, r, s) in [
            ("zero-zero", &zero[..], &zero[..]),
            ("zero-r", &zero, s),
            ("zero-s", r, &zero),
            ("zero-one", &zero, &one),
            ("one-zero", &one, &zero),
            ("one-one", &one, &one),
            ("r-is-n", &n, s),
            ("s-is-n", r, &n),
            ("n-n", &n, &n),
            ("all-ff", &ones, &ones),
            ("swapped", s, r),
        ] {
            book.case(7, &format!("{algorithm}-{id}"), "r and s must lie between 1 and n - 1.")
                .from(FROM)
                .keys("public")
                .token(with_signature(&input, &[r, s].concat()))
                .refuse("INVALID_SIGNATURE", "", CHECK);
        }
        let sequence = der(0x30, &[der_integer(r), der_integer(s)].concat());
        book.case(7, &format!("{algorithm}-der"), "JWS has r and s side by side (RFC 7518, 3.4), never DER.")
            .keys("public")
            .token(with_signature(&input, &sequence))
            .refuse("INVALID_SIGNATURE", "", CHECK);
        let width = if algorithm == "ES256" { 48 } else { 32 };
        let resized =
            |number: &[u8]| [vec![0; 48], number.to_vec()].concat().split_off(number.len() + 48 - width);
        book.case(
            7,
            &format!("{algorithm}-width-of-the-other-curve"),
            "r and s with the width of another curve.",
        )
        .keys("public")
        .token(with_signature(&input, &[resized(r), resized(s)].concat()))
        .refuse("INVALID_SIGNATURE", "", CHECK);
    }
    let good = forge.token("ed-1", &header("EdDSA", "ed-1"), &claims(&[]))?;
    let signature = signature_of(&good)?;
    let (r, s) = signature.split_at(32);
    // The order of the base point, L (RFC 8032, 5.1), little-endian.
    let order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut identity = vec![0; 32];
    identity.first_mut().into_iter().for_each(|b| *b = 1);
    for (id, r, s) in [
        ("zero", vec![0; 32], vec![0; 32]),
        ("all-ff", vec![0xff; 32], vec![0xff; 32]),
        ("s-zero", r.to_vec(), vec![0; 32]),
        ("identity-r-zero-s", identity, vec![0; 32]),
        ("s-plus-L", r.to_vec(), add_little_endian(s, &order)),
        ("swapped", s.to_vec(), r.to_vec()),
    ] {
        book.case(
            7,
            &format!("EdDSA-{id}"),
            "S must be below L (RFC 8032, 5.1.7), and R not of small order.",
        )
        .from("RFC 8032, 5.1.7; 'Taming the many EdDSAs'")
        .keys("public")
        .token(with_signature(signing_input(&good), &[r, s].concat()))
        .refuse("INVALID_SIGNATURE", "", CHECK);
    }
    let good = forge.token("rsa-1", &header("RS256", "rsa-1"), &claims(&[]))?;
    let modulus = forge.key("rsa-1")?.public_bytes();
    let mut one = vec![0; modulus.len()];
    one.last_mut().into_iter().for_each(|b| *b = 1);
    for (id, signature) in [
        ("zero", vec![0; modulus.len()]),
        ("one", one),
        ("modulus", modulus.clone()),
        ("all-ff", vec![0xff; modulus.len()]),
    ] {
        for algorithm in ["RS256", "PS256"] {
            let input =
                libtoken_mint::signing_input(header(algorithm, "rsa-1").as_bytes(), claims(&[]).as_bytes());
            book.case(
                7,
                &format!("{algorithm}-{id}"),
                "The signature must be a number below the modulus that recovers to a padded hash.",
            )
            .policy("asymmetric")
            .keys("rsa-1, without alg")
            .token(with_signature(&input, &signature))
            .refuse("INVALID_SIGNATURE", "", CHECK);
        }
    }
    book.case(7, "RS256-of-another-message", "A signature over another payload.")
        .keys("public")
        .token(with_signature(
            &libtoken_mint::signing_input(
                header("RS256", "rsa-1").as_bytes(),
                claims(&[("sub", "\"admin\"")]).as_bytes(),
            ),
            &signature_of(&good)?,
        ))
        .refuse("INVALID_SIGNATURE", "", CHECK);
    Ok(())
}

/// 8: signatures of every wrong length.
fn lengths(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    const FROM: &str = "HAProxy heap overflow and libjwt over-read on long signatures";
    book.whole_policy("large", json!({"max_token_bytes": 65536, "issuers": [crate::book::issuer(json!({"algorithms": ["EdDSA", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]}))]}));
    book.whole_policy("large hmac", json!({"max_token_bytes": 65536, "issuers": [crate::book::issuer(json!({"algorithms": ["HS256", "HS384", "HS512"]}))]}));
    for (algorithm, key) in [
        ("EdDSA", "ed-1"),
        ("ES256", "p256-1"),
        ("ES384", "p384-1"),
        ("RS256", "rsa-1"),
        ("RS384", "rsa-1"),
        ("RS512", "rsa-1"),
        ("PS256", "rsa-1"),
        ("PS384", "rsa-1"),
        ("PS512", "rsa-1"),
        ("HS256", "hs256-1"),
        ("HS384", "hs384-1"),
        ("HS512", "hs512-1"),
    ] {
        let good = forge.token(key, &header(algorithm, key), &claims(&[]))?;
        let signature = signature_of(&good)?;
        let input = signing_input(&good).to_owned();
        let hmac = algorithm.starts_with("HS");
        let mut zero_before = vec![0];
        zero_before.extend(&signature);
        let draft =
            |book: &mut Book, id: &str, policy: &str, pieces: Vec<Piece>, code: &str, reason: &str| {
                let draft = book
                    .case(8, &format!("{algorithm}-length-{id}"), "Only the one right length can verify.")
                    .from(FROM)
                    .policy(policy)
                    .pieces(pieces);
                let draft = if hmac {
                    draft.operator_keys(key, 1)
                } else {
                    draft.keys(&format!("{key}, without alg"))
                };
                draft.refuse(code, "", reason);
            };
        let (usual, large) = if hmac { ("hmac", "large hmac") } else { ("asymmetric", "large") };
        let text = |signature: &[u8]| vec![Piece::Text(with_signature(&input, signature))];
        let cut = signature.get(..signature.len() - 1).unwrap_or(&[]);
        let first = signature.get(1..).unwrap_or(&[]);
        draft(book, "0", usual, vec![Piece::Text(format!("{input}."))], "MALFORMED_TOKEN", "syntax");
        draft(book, "1", usual, text(&[0]), "INVALID_SIGNATURE", CHECK);
        draft(
            book,
            "half",
            usual,
            text(signature.split_at(signature.len() / 2).0),
            "INVALID_SIGNATURE",
            CHECK,
        );
        draft(book, "one-less", usual, text(cut), "INVALID_SIGNATURE", CHECK);
        draft(book, "one-less-before", usual, text(first), "INVALID_SIGNATURE", CHECK);
        draft(book, "one-more", usual, text(&[&signature[..], &[0]].concat()), "INVALID_SIGNATURE", CHECK);
        draft(book, "one-more-before", usual, text(&zero_before), "INVALID_SIGNATURE", CHECK);
        draft(book, "twice", usual, text(&signature.repeat(2)), "INVALID_SIGNATURE", CHECK);
        for (id, bytes, policy, code) in [
            ("1025-bytes", 1025, large, "INVALID_SIGNATURE"),
            ("8-KiB", 8 * 1024, large, "INVALID_SIGNATURE"),
            ("16-KiB", 16 * 1024, large, "INVALID_SIGNATURE"),
            ("16-KiB-over-the-policy", 16 * 1024, usual, "TOKEN_TOO_LARGE"),
            ("64-KiB", 64 * 1024, large, "TOKEN_TOO_LARGE"),
        ] {
            let characters = base64url::encoded_len(bytes);
            let pieces = vec![
                Piece::Text(format!("{input}.")),
                Piece::Repeat(Repeat { repeat: "A".into(), times: characters }),
            ];
            draft(book, id, policy, pieces, code, "out_of_range");
        }
    }
    Ok(())
}

/// 9: keys and key locations inside the token.
fn embedded_keys(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    let jwk = forge.jwk("ed-2", json!({}))?;
    let spki = base64url::encode(&spki(forge, "ed-2")?);
    book.key_set("ed-1", forge.set(&["ed-1"])?);
    for (id, member) in [
        ("jwk", format!("\"jwk\":{jwk}")),
        ("jku", "\"jku\":\"https://attacker.example/jwks.json\"".to_owned()),
        ("x5u", "\"x5u\":\"https://attacker.example/chain.pem\"".to_owned()),
        ("x5c", format!("\"x5c\":[\"{spki}\"]")),
        ("x5t", "\"x5t\":\"AAAA\",\"x5t#S256\":\"AAAA\"".to_owned()),
    ] {
        for (kid, member_kid) in [("own-kid", "\"kid\":\"ed-1\","), ("no-kid", "")] {
            let header = format!("{{\"alg\":\"EdDSA\",{member_kid}{member}}}");
            book.case(
                9,
                &format!("embedded-{id}-{kid}"),
                "Signed by the attacker's key, which the token brings along.",
            )
            .from("RFC 8725, 3.10; CVE-2018-0114 (node-jose)")
            .keys("ed-1")
            .token(forge.token("ed-2", &header, &claims(&[]))?)
            .refuse("INVALID_SIGNATURE", "", CHECK);
        }
        let header = format!("{{\"alg\":\"EdDSA\",\"kid\":\"ed-1\",{member}}}");
        book.case(
            9,
            &format!("embedded-{id}-ignored"),
            "Signed by the issuer's key: what the header brings along is ignored.",
        )
        .keys("ed-1")
        .token(forge.token("ed-1", &header, &claims(&[]))?)
        .accept(&claims(&[]))?;
    }
    Ok(())
}

/// 10: key ids.
fn kid(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    for (id, kid, code, reason) in [
        ("unknown", "\"unknown\"", "UNKNOWN_KEY", CHECK),
        ("empty", "\"\"", "UNKNOWN_KEY", CHECK),
        ("path", "\"../../../../dev/null\"", "UNKNOWN_KEY", CHECK),
        ("path-before", "\"../ed-1\"", "UNKNOWN_KEY", CHECK),
        ("url", "\"https://attacker.example/key\"", "UNKNOWN_KEY", CHECK),
        ("sql", "\"' UNION SELECT 'key\"", "UNKNOWN_KEY", CHECK),
        ("shell", "\"|whoami\"", "UNKNOWN_KEY", CHECK),
        ("upper-case", "\"ED-1\"", "UNKNOWN_KEY", CHECK),
        ("space-after", "\"ed-1 \"", "UNKNOWN_KEY", CHECK),
        ("newline-after", "\"ed-1\\n\"", "UNKNOWN_KEY", CHECK),
        ("prefix", "\"ed-\"", "UNKNOWN_KEY", CHECK),
        ("of-another-key", "\"p256-1\"", "ALGORITHM_NOT_ALLOWED", CHECK),
        ("number", "1", "MALFORMED_HEADER", "wrong_type"),
        ("array", "[\"ed-1\"]", "MALFORMED_HEADER", "wrong_type"),
        ("object", "{\"ed-1\":1}", "MALFORMED_HEADER", "wrong_type"),
        ("null", "null", "MALFORMED_HEADER", "wrong_type"),
        ("true", "true", "MALFORMED_HEADER", "wrong_type"),
    ] {
        let claim = if code == "ALGORITHM_NOT_ALLOWED" { "alg" } else { "kid" };
        let header = format!("{{\"alg\":\"EdDSA\",\"kid\":{kid}}}");
        book.case(10, &format!("kid-{id}"), "A kid is compared byte for byte and used for nothing else.")
            .keys("public")
            .token(forge.token("ed-1", &header, &claims(&[]))?)
            .refuse(code, claim, reason);
    }
    for (id, kid) in [("nul", "ed-1\\u0000"), ("raw-nul", "ed-1\0"), ("lone-surrogate", "ed-1\\ud800")] {
        let header = format!("{{\"alg\":\"EdDSA\",\"kid\":\"{kid}\"}}");
        let input = libtoken_mint::signing_input(header.as_bytes(), claims(&[]).as_bytes());
        book.case(
            10,
            &format!("kid-{id}"),
            "U+0000, control characters and lone surrogates are refused in every string.",
        )
        .keys("public")
        .token(forge.sign("ed-1", Algorithm::EdDsa, &input)?)
        .refuse("MALFORMED_HEADER", "", "syntax");
    }
    let long = format!("{{\"alg\":\"EdDSA\",\"kid\":\"{}\"}}", "k".repeat(300));
    book.case(10, "kid-300-bytes", "Longer than any key's kid can be.")
        .keys("public")
        .token(forge.token("ed-1", &long, &claims(&[]))?)
        .refuse("UNKNOWN_KEY", "kid", CHECK);
    let huge = format!("{{\"alg\":\"EdDSA\",\"kid\":\"{}\"}}", "k".repeat(10 * 1024));
    book.case(10, "kid-10-KiB", "The header is longer than 8 KiB.")
        .keys("public")
        .token(forge.token("ed-1", &huge, &claims(&[]))?)
        .refuse("MALFORMED_HEADER", "", "out_of_range");
    book.key_set("ed-1 under the kid of ed-2", json!({"keys": [forge.jwk("ed-1", json!({"kid": "ed-2"}))?]}));
    book.case(
        10,
        "kid-of-another-issuer-key",
        "The kid exists here, but the signature is by another issuer's key of that kid.",
    )
    .keys("ed-1 under the kid of ed-2")
    .token(forge.token("ed-2", &header("EdDSA", "ed-2"), &claims(&[]))?)
    .refuse("INVALID_SIGNATURE", "", CHECK);
    Ok(())
}

/// 11: keys that must not be loaded.
fn weak_keys(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    let weak = |book: &mut Book, id: &str, jwk: Value, token: String, why: &str| {
        book.key_set(id, json!({"keys": [jwk]}));
        book.case(11, id, why).usable_keys(id, 0).token(token).refuse("UNKNOWN_KEY", "kid", CHECK);
    };
    let rs256 = forge.token("rsa-1", &header("RS256", "rsa-1"), &claims(&[]))?;
    let token = forge.token("rsa-weak", &header("RS256", "rsa-weak"), &claims(&[]))?;
    weak(
        book,
        "rsa-1024-bits",
        forge.jwk("rsa-weak", json!({}))?,
        token,
        "RSA below 2048 bits (RFC 7518, 3.3); the signature is right.",
    );
    // With e = 1 the padded hash is its own signature: anybody can sign.
    let input = signing_input(&rs256).to_owned();
    let padded = pkcs1_padded_hash(forge, &input)?;
    for (id, e) in [("1", "AQ"), ("2", "Ag"), ("3", "Aw"), ("17", "EQ"), ("even", "AQAC"), ("65535", "__8")] {
        let signature = if id == "1" { padded.clone() } else { signature_of(&rs256)? };
        weak(
            book,
            &format!("rsa-e-{id}"),
            forge.jwk("rsa-1", json!({"e": e}))?,
            with_signature(&input, &signature),
            "The exponent must be odd and at least 65537; with 1 the padded hash is its own signature.",
        );
    }
    let modulus = forge.key("rsa-1")?.public_bytes();
    let mut even = modulus.clone();
    even.last_mut().into_iter().for_each(|b| *b &= 0xfe);
    let high = modulus.split_first().map_or(Vec::new(), |(first, rest)| [&[first & 0x7f], rest].concat());
    for (id, n) in [
        ("even", even),
        ("2047-bits", high),
        ("leading-zero", [&[0][..], &modulus].concat()),
        ("empty", Vec::new()),
        ("8200-bits", vec![0xff; 1025]),
    ] {
        let jwk = forge.jwk("rsa-1", json!({"n": base64url::encode(&n)}))?;
        weak(
            book,
            &format!("rsa-n-{id}"),
            jwk,
            rs256.clone(),
            "The modulus must be odd, of 2048 to 8192 bits, without leading zeros.",
        );
    }
    for (key, algorithm, width, noncanonical_x, y) in [
        (
            "p256-1",
            "ES256",
            32,
            "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
            "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4",
        ),
        (
            "p384-1",
            "ES384",
            48,
            "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
            "c306610fb0ae5a159cf45c06069f22a6c5eb3641c602d42dea2c4b4f75550793406d80d2b91ad54f9048bd487af1ade1",
        ),
    ] {
        let point = forge.key(key)?.public_bytes();
        let (x, own_y) = point.split_at(width);
        let mut off = own_y.to_vec();
        off.last_mut().into_iter().for_each(|b| *b ^= 1);
        let token = forge.token(key, &header(algorithm, key), &claims(&[]))?;
        for (id, x, y) in [
            ("off-curve", x.to_vec(), off),
            ("zero", vec![0; width], vec![0; width]),
            ("all-ff", vec![0xff; width], vec![0xff; width]),
            ("x-is-p", unhex(noncanonical_x), unhex(y)),
            ("short", x.get(1..).unwrap_or(&[]).to_vec(), own_y.to_vec()),
            ("long", [&[0][..], x].concat(), own_y.to_vec()),
        ] {
            let jwk = forge.jwk(key, json!({"x": base64url::encode(&x), "y": base64url::encode(&y)}))?;
            weak(
                book,
                &format!("{key}-point-{id}"),
                jwk,
                token.clone(),
                "The point must lie on the curve, in coordinates below p of the full width (RFC 7518, 6.2.1.2).",
            );
        }
    }
    let token = forge.token("ed-1", &header("EdDSA", "ed-1"), &claims(&[]))?;
    for (id, x) in [
        ("identity", "0100000000000000000000000000000000000000000000000000000000000000"),
        ("order-2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        ("order-4", "0000000000000000000000000000000000000000000000000000000000000000"),
        ("order-4-sign", "0000000000000000000000000000000000000000000000000000000000000080"),
        ("order-8-a", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        ("order-8-b", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
        ("order-8-c", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        ("order-8-d", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
        ("y-is-p", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        ("y-is-p-plus-1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        ("y-is-p-plus-3", "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        ("all-ff", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
        ("identity-with-sign", "0100000000000000000000000000000000000000000000000000000000000080"),
    ] {
        let jwk = forge.jwk("ed-1", json!({"x": base64url::encode(&unhex(x))}))?;
        weak(
            book,
            &format!("ed25519-point-{id}"),
            jwk,
            token.clone(),
            "Points of small order, encodings that are not canonical and strings that are no point are not loaded ('Taming the many EdDSAs', ed25519-speccheck).",
        );
    }
    Ok(())
}

/// SubjectPublicKeyInfo (RFC 5280, 4.1) in DER.
fn spki(forge: &Forge, key: &str) -> Result<Vec<u8>, Failure> {
    let bytes = forge.key(key)?.public_bytes();
    let (algorithm, content) = if key.starts_with("rsa") {
        ("06092a864886f70d0101010500", rsa_public_key(forge, key)?)
    } else if key.starts_with("ed") {
        ("06032b6570", bytes)
    } else {
        ("06072a8648ce3d020106082a8648ce3d030107", [&[4][..], &bytes].concat())
    };
    let bits = [&[0][..], &content].concat();
    Ok(der(0x30, &[der(0x30, &unhex(algorithm)), der(3, &bits)].concat()))
}

/// RSAPublicKey (RFC 8017, A.1.1) in DER, with e = 65537.
fn rsa_public_key(forge: &Forge, key: &str) -> Result<Vec<u8>, Failure> {
    let n = forge.key(key)?.public_bytes();
    Ok(der(0x30, &[der_integer(&n), der_integer(&[1, 0, 1])].concat()))
}

/// The padded SHA-256 hash (EMSA-PKCS1-v1_5, RFC 8017, 9.2) of `input`, as long as the modulus of rsa-1.
fn pkcs1_padded_hash(forge: &Forge, input: &str) -> Result<Vec<u8>, Failure> {
    let hash = Sha256::digest(input.as_bytes()).to_vec();
    let info = [unhex("3031300d060960864801650304020105000420"), hash].concat();
    let length = forge.key("rsa-1")?.public_bytes().len();
    let filler = vec![0xff; length.saturating_sub(info.len() + 3)];
    Ok([&[0, 1][..], &filler, &[0], &info].concat())
}
