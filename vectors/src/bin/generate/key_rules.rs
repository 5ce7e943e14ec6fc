//! Which keys may verify a token: kids, several issuers, states, limits.

use libtoken::jose::algorithm::Algorithm;
use libtoken_mint::{PrivateKey, seeded};
use libtoken_vectors::{Source, State};
use serde_json::{Value, json};

use crate::Failure;
use crate::book::{Book, issuer};
use crate::forge::{Forge, ISSUER, NOW, claims, header, sign_with};

const CHECK: &str = "check_failed";
const OTHER: &str = "https://other-issuer.example";
/// Seeds the keys that only fill a set up; the number is arbitrary.
const FILLER_SEED: u64 = 7517;

pub(crate) fn book(forge: &Forge) -> Result<Book, Failure> {
    let mut book = Book::new("The rule by which keys are chosen (docs/token-spec.md).");
    shared_kids(&mut book, forge)?;
    crowds(&mut book, forge)?;
    states(&mut book, forge)?;
    several_issuers(&mut book, forge)?;
    Ok(book)
}

fn shared_kids(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    let payload = claims(&[]);
    let same = json!({"keys": [forge.jwk("ed-1", json!({"kid": "k"}))?, forge.jwk("ed-2", json!({"kid": "k"}))?, forge.jwk("p256-1", json!({"kid": "k"}))?]});
    book.key_set("one kid for three keys", same);
    for key in ["ed-1", "ed-2", "p256-1"] {
        let algorithm = forge.key(key)?.default_algorithm().name();
        book.case(10, &format!("same-kid-{key}"), "Every key of the kid that allows the algorithm is tried.")
            .keys("one kid for three keys")
            .token(forge.token(key, &header(algorithm, "k"), &payload)?)
            .accept(&payload)?;
    }
    book.case(10, "same-kid-none-fits", "None of the keys of the kid made the signature.")
        .keys("one kid for three keys")
        .token(forge.token("p256-2", &header("ES256", "k"), &payload)?)
        .refuse("INVALID_SIGNATURE", "", CHECK);
    book.case(10, "same-kid-no-algorithm", "None of the keys of the kid allows the algorithm.")
        .keys("one kid for three keys")
        .token(forge.token("p384-1", &header("ES384", "k"), &payload)?)
        .refuse("ALGORITHM_NOT_ALLOWED", "alg", CHECK);
    let twice = forge.jwk("ed-1", json!({}))?;
    book.key_set("the same key twice", json!({"keys": [twice, twice]}));
    book.case(10, "same-key-twice", "The second copy is skipped.")
        .usable_keys("the same key twice", 1)
        .token(forge.token("ed-1", &header("EdDSA", "ed-1"), &payload)?)
        .accept(&payload)?;
    book.key_set(
        "the same key under two kids",
        json!({"keys": [forge.jwk("ed-1", json!({"kid": "a"}))?, forge.jwk("ed-1", json!({"kid": "b"}))?]}),
    );
    book.case(10, "same-key-two-kids", "One key may stand under several kids.")
        .keys("the same key under two kids")
        .token(forge.token("ed-1", &header("EdDSA", "b"), &payload)?)
        .accept(&payload)?;
    book.key_set(
        "with and without kid",
        json!({"keys": [forge.jwk("ed-1", json!({}))?, forge.jwk("ed-2", json!({"kid": null}))?]}),
    );
    for (id, signer, header, accepted) in [
        ("unknown-kid-falls-back", "ed-2", header("EdDSA", "anything"), true),
        ("known-kid-does-not-fall-back", "ed-2", header("EdDSA", "ed-1"), false),
        ("unknown-kid-reaches-no-named-key", "ed-1", header("EdDSA", "anything"), false),
        ("no-kid-reaches-the-nameless", "ed-2", r#"{"alg":"EdDSA"}"#.to_owned(), true),
        ("no-kid-reaches-the-named", "ed-1", r#"{"alg":"EdDSA"}"#.to_owned(), true),
    ] {
        let draft = book
            .case(10, id, "A kid that no key has falls back to the keys without kid, and to no other.")
            .keys("with and without kid")
            .token(forge.token(signer, &header, &payload)?);
        if accepted {
            draft.accept(&payload)?;
        } else {
            draft.refuse("INVALID_SIGNATURE", "", CHECK);
        }
    }
    Ok(())
}

/// More keys than are tried, and more than are kept.
fn crowds(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    let mut rng = seeded(FILLER_SEED);
    let mut draw = |kid: String| {
        PrivateKey::generate(Algorithm::EdDsa, 0, Some(kid), &mut rng).map_err(|e| e.to_string())
    };
    let fillers: Vec<PrivateKey> = (0..64).map(|n| draw(format!("filler-{n}"))).collect::<Result<_, _>>()?;
    let public =
        |key: &PrivateKey| serde_json::from_str::<Value>(&key.public_jwk()).map_err(|e| e.to_string());
    let public: Vec<Value> = fillers.iter().map(public).collect::<Result<_, _>>()?;
    let payload = claims(&[]);
    let own = forge.jwk("ed-1", json!({}))?;
    let no_kid = r#"{"alg":"EdDSA"}"#;
    for (count, accepted) in [(3, true), (4, false)] {
        let set = format!("{count} keys before ed-1");
        let keys: Vec<Value> = public.iter().take(count).cloned().chain([own.clone()]).collect();
        book.key_set(&set, json!({ "keys": keys }));
        let draft = book
            .case(10, &format!("no-kid-key-{}", count + 1), "At most four keys are tried for one token.")
            .keys(&set)
            .token(forge.token("ed-1", no_kid, &payload)?);
        if accepted {
            draft.accept(&payload)?;
        } else {
            draft.refuse("UNKNOWN_KEY", "kid", "out_of_range");
        }
        book.case(10, &format!("kid-key-{}", count + 1), "With its kid the key is found among any number.")
            .keys(&set)
            .token(forge.token("ed-1", &header("EdDSA", "ed-1"), &payload)?)
            .accept(&payload)?;
    }
    let first = public.iter().take(4).cloned();
    let mixed: Vec<Value> = first.chain([forge.jwk("p256-1", json!({}))?]).collect();
    book.key_set("four keys of another algorithm", json!({ "keys": mixed }));
    book.case(
        10,
        "no-kid-other-algorithms-do-not-count",
        "Keys that do not allow the algorithm are not among the four.",
    )
    .keys("four keys of another algorithm")
    .token(forge.token("p256-1", r#"{"alg":"ES256"}"#, &payload)?)
    .accept(&payload)?;
    let crowd: Vec<Value> = public.iter().cloned().chain([own]).collect();
    book.key_set("65 keys", json!({ "keys": crowd }));
    book.case(None, "key-65", "An issuer has at most 64 keys; the rest is skipped.")
        .usable_keys("65 keys", 64)
        .token(forge.token("ed-1", &header("EdDSA", "ed-1"), &payload)?)
        .refuse("UNKNOWN_KEY", "kid", CHECK);
    let last = fillers.last().ok_or("no keys")?;
    let input = libtoken_mint::signing_input(header("EdDSA", "filler-63").as_bytes(), payload.as_bytes());
    book.case(None, "key-64", "The last one that is kept.")
        .usable_keys("65 keys", 64)
        .token(sign_with(last, Algorithm::EdDsa, &input)?)
        .accept(&payload)
}

fn states(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    let payload = claims(&[]);
    book.key_set("two keys", forge.set(&["ed-1", "p256-1"])?);
    book.key_set(
        "ed-1 under two kids",
        json!({"keys": [forge.jwk("ed-1", json!({}))?, forge.jwk("ed-1", json!({"kid": "alias"}))?]}),
    );
    let token = forge.token("ed-1", &header("EdDSA", "ed-1"), &payload)?;
    for (id, state, accepted) in [
        ("staged", State::Staged, false),
        ("tainted", State::Tainted, false),
        ("active", State::Active, true),
        ("verify-until-past", State::VerifyUntil(NOW - 1), false),
        ("verify-until-now", State::VerifyUntil(NOW), true),
        ("verify-until-future", State::VerifyUntil(NOW + 1), true),
    ] {
        let draft = book
            .case(30, &format!("key-{id}"), "The key's state decides before its signature is looked at.")
            .keys("two keys")
            .state(Some("ed-1"), state)
            .token(token.clone());
        if accepted {
            draft.accept(&payload)?;
        } else {
            draft.refuse("KEY_NOT_ACTIVE", "kid", CHECK);
        }
    }
    book.case(30, "key-state-of-another", "A tainted key leaves the others alone.")
        .keys("two keys")
        .state(Some("p256-1"), State::Tainted)
        .token(token.clone())
        .accept(&payload)?;
    book.case(30, "key-tainted-under-another-kid", "Taint concerns the key, under every kid that it has.")
        .keys("ed-1 under two kids")
        .state(Some("alias"), State::Tainted)
        .token(token)
        .refuse("KEY_NOT_ACTIVE", "kid", CHECK);
    book.case(30, "key-tainted-without-kid", "A token without kid does not get around the taint either.")
        .keys("ed-1 under two kids")
        .state(Some("alias"), State::Tainted)
        .token(forge.token("ed-1", r#"{"alg":"EdDSA"}"#, &payload)?)
        .refuse("KEY_NOT_ACTIVE", "kid", CHECK);
    Ok(())
}

fn several_issuers(book: &mut Book, forge: &Forge) -> Result<(), Failure> {
    let other = issuer(
        json!({"issuer": OTHER, "audiences": ["https://other-api.example"], "algorithms": ["ES256", "HS256"], "leeway_seconds": 60}),
    );
    book.whole_policy("two issuers", json!({"issuers": [issuer(json!({})), other]}));
    book.key_set(
        "first",
        json!({"keys": [forge.jwk("ed-1", json!({}))?, forge.jwk("ed-1", json!({"kid": "shared"}))?]}),
    );
    book.key_set(
        "second",
        json!({"keys": [forge.jwk("p256-1", json!({}))?, forge.jwk("p256-2", json!({"kid": "shared"}))?]}),
    );
    book.key_set("secret", forge.set(&["hs256-1"])?);
    let first = claims(&[]);
    let second = claims(&[("iss", &format!("\"{OTHER}\"")), ("aud", "\"https://other-api.example\"")]);
    let bad_type = claims(&[("exp", "\"1700000300\"")]);
    let ed = header("EdDSA", "ed-1");
    let es = header("ES256", "p256-1");
    let accepted = [
        ("first", forge.token("ed-1", &ed, &first)?, &first),
        ("second", forge.token("p256-1", &es, &second)?, &second),
        ("shared-kid-first", forge.token("ed-1", &header("EdDSA", "shared"), &first)?, &first),
        ("shared-kid-second", forge.token("p256-2", &header("ES256", "shared"), &second)?, &second),
    ];
    for (id, token, payload) in accepted {
        two(
            book,
            &format!("issuers-{id}"),
            "Each issuer's tokens, with its own keys, audiences and algorithms.",
            token,
        )
        .accept(payload)?;
    }
    for (id, token, code, claim, reason, why) in [
        (
            "kid-of-the-other",
            forge.token("p256-1", &es, &first)?,
            "UNKNOWN_KEY",
            "kid",
            CHECK,
            "A kid of one issuer never works for another.",
        ),
        (
            "kid-of-the-other-second",
            forge.token("ed-1", &ed, &second)?,
            "UNKNOWN_KEY",
            "kid",
            CHECK,
            "A kid of one issuer never works for another.",
        ),
        (
            "shared-kid-wrong-key",
            forge.token("p256-2", &header("ES256", "shared"), &first)?,
            "ALGORITHM_NOT_ALLOWED",
            "alg",
            CHECK,
            "The kid is shared; the key is the issuer's own.",
        ),
        (
            "no-kid-wrong-key",
            forge.token("p256-2", r#"{"alg":"ES256"}"#, &first)?,
            "ALGORITHM_NOT_ALLOWED",
            "alg",
            CHECK,
            "Without kid, only the keys of the token's issuer count.",
        ),
        ("forged", forge.token("ed-2", &ed, &first)?, "INVALID_SIGNATURE", "", CHECK, "A forged token."),
        (
            "audience-of-the-other",
            forge.token("p256-1", &es, &second.replace("other-api", "api"))?,
            "AUDIENCE_MISMATCH",
            "aud",
            CHECK,
            "Each issuer has its own audiences.",
        ),
        (
            "unknown",
            forge.token("ed-1", &ed, &claims(&[("iss", "\"https://attacker.example\"")]))?,
            "ISSUER_MISMATCH",
            "iss",
            CHECK,
            "An unknown issuer: refused before a key is looked for.",
        ),
        (
            "missing",
            forge.token("ed-1", &ed, &claims(&[("iss", "")]))?,
            "MISSING_CLAIM",
            "iss",
            "missing",
            "Without iss no issuer can be chosen.",
        ),
        (
            "bad-type-unsigned",
            forge.token("ed-2", &ed, &bad_type)?,
            "INVALID_CLAIM",
            "exp",
            "wrong_type",
            "With several issuers the payload is scanned first, to choose the issuer; what is malformed in it is refused then.",
        ),
        (
            "malformed-payload",
            forge.token("ed-2", &ed, "[]")?,
            "MALFORMED_CLAIMS",
            "",
            "wrong_type",
            "The same for a payload that is no object.",
        ),
    ] {
        two(book, &format!("issuers-{id}"), why, token).refuse(code, claim, reason);
    }
    let secret = forge.token("hs256-1", &header("HS256", "hs256-1"), &second)?;
    book.case(2, "issuers-secret-of-one", "A secret of the issuer whose policy lists HS256.")
        .policy("two issuers")
        .keys("first")
        .keys_of(OTHER, "secret", Source::Operator, 1)
        .token(secret)
        .accept(&second)?;
    let secret = forge.token("hs256-1", &header("HS256", "hs256-1"), &first)?;
    book.case(2, "issuers-secret-for-the-other", "The secret of one issuer verifies nothing of the other.")
        .policy("two issuers")
        .keys("first")
        .keys_of(OTHER, "secret", Source::Operator, 1)
        .token(secret)
        .refuse("UNKNOWN_KEY", "kid", CHECK);
    let leeway = claims(&[
        ("iss", &format!("\"{OTHER}\"")),
        ("aud", "\"https://other-api.example\""),
        ("exp", &(NOW - 30).to_string()),
    ]);
    two(book, "issuers-own-leeway", "Each issuer has its own leeway.", forge.token("p256-1", &es, &leeway)?)
        .accept(&leeway)?;
    let expired = claims(&[("exp", &(NOW - 30).to_string())]);
    two(
        book,
        "issuers-no-leeway-of-the-other",
        "The leeway of one issuer does not serve the other.",
        forge.token("ed-1", &ed, &expired)?,
    )
    .refuse("EXPIRED", "exp", CHECK);
    Ok(())
}

fn two<'b>(book: &'b mut Book, id: &str, why: &str, token: String) -> crate::book::Draft<'b> {
    book.case(10, id, why)
        .policy("two issuers")
        .keys_of(ISSUER, "first", Source::Fetched, 2)
        .keys_of(OTHER, "second", Source::Fetched, 2)
        .token(token)
}
