//! `libtoken mint`: what it signs verifies, templates count, and bad tokens can be made on purpose.

use std::collections::HashSet;

use crate::common::{Directory, Run, run, run_with_input};
use serde_json::{Value, json};

const KEY: &str = "examples/keys/demo-ed25519.jwk";

fn mint(more: &[&str]) -> Run {
    run(&[&["mint", "--key", KEY, "--now", "1000000"], more].concat())
}

fn decoded(token: &str) -> (Value, Value) {
    let row = run(&["inspect", "--json", token.trim()]).json().remove(0);
    (row["header"].clone(), row["claims"].clone())
}

#[test]
fn minted_tokens_of_every_example_key_verify() {
    for key in ["demo-ed25519", "demo-p256", "demo-rsa"] {
        let key = format!("examples/keys/{key}.jwk");
        let claims = ["--claim", "iss=https://login.example.com", "--claim", "aud=https://api.example.com"];
        let tokens = run(&[&["mint", "--key", &key, "--count", "3"], &claims[..]].concat());
        assert_eq!((tokens.code, tokens.stdout.lines().count()), (0, 3), "{}", tokens.stderr);
        let verified =
            run_with_input(&["verify", "--policy", "examples/policy.json"], tokens.stdout.as_bytes());
        assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    }
}

#[test]
fn claims_are_text_or_json_and_times_are_added() {
    let (header, claims) = decoded(&mint(&["--claim", "sub=a=b\"", "--claim", "n:={\"x\":[1,null]}"]).stdout);
    assert_eq!(header, json!({"alg": "EdDSA", "typ": "JWT", "kid": "demo-ed25519"}));
    assert_eq!(claims, json!({"sub": "a=b\"", "n": {"x": [1, null]}, "iat": 1_000_000, "exp": 1_003_600}));
    for (more, expected) in [
        (&["--expires-in", "-60"][..], json!({"iat": 1_000_000, "exp": 999_940})),
        (&["--no-times"], json!({})),
        (&["--claim", "exp:=5"], json!({"exp": 5, "iat": 1_000_000})),
        (&["--claims", r#"{"sub":"a","x":1}"#, "--claim", "x:=2", "--no-times"], json!({"sub": "a", "x": 2})),
    ] {
        assert_eq!(decoded(&mint(more).stdout).1, expected, "{more:?}");
    }
    let directory = Directory::new();
    let file = directory.write("claims.json", r#"{"iss":"file","list":["{n}"]}"#);
    let from_file = decoded(&mint(&["--claims", &file, "--no-times"]).stdout).1;
    assert_eq!(from_file, json!({"iss": "file", "list": ["1"]}));
}

#[test]
fn headers_are_overridden_added_and_dropped() {
    let more = ["--header", "typ=at+jwt", "--header", "crit:=[\"x\"]", "--drop-header", "kid"];
    assert_eq!(decoded(&mint(&more).stdout).0, json!({"alg": "EdDSA", "typ": "at+jwt", "crit": ["x"]}));
}

#[test]
fn templates_count_and_draw() {
    let more =
        ["--count", "2000", "--claim", "sub=user-{n}", "--claim", "jti={uuid}", "--claim", "at:={now}"];
    let tokens = mint(&more).stdout;
    let rows = run_with_input(&["inspect", "--json"], tokens.as_bytes()).json();
    assert_eq!(rows.len(), 2_000);
    assert_eq!(rows[0]["claims"]["sub"], "user-1");
    assert_eq!(rows[1_999]["claims"]["sub"], "user-2000");
    assert_eq!(rows[7]["claims"]["at"], 1_000_000);
    let ids: HashSet<&str> = rows.iter().filter_map(|row| row["claims"]["jti"].as_str()).collect();
    assert_eq!(ids.len(), 2_000);
}

#[test]
fn the_same_seed_gives_the_same_tokens() {
    let more = ["--claim", "jti={uuid}", "--insecure-seed", "9"];
    assert_eq!(mint(&more).stdout, mint(&more).stdout);
    assert_ne!(mint(&more[..2]).stdout, mint(&more[..2]).stdout);
}

#[test]
fn raw_text_is_signed_as_it_is() {
    let token = mint(&["--raw", "--claims", r#"{"a":1,"a":2}"#]).stdout;
    let run = run(&["inspect", token.trim()]);
    assert!(
        run.stdout.contains("the payload, decoded: an object has the same member name twice"),
        "{}",
        run.stdout
    );
}

#[test]
fn mistakes_are_one_line_with_a_remedy() {
    let public = run(&["keys", "public", KEY]).stdout;
    let directory = Directory::new();
    let set = directory.write("jwks.json", &public);
    let two = directory.write(
        "two.json",
        format!(
            r#"{{"keys":[{},{}]}}"#,
            include_str!("../../../examples/keys/demo-ed25519.jwk"),
            include_str!("../../../examples/keys/demo-p256.jwk")
        ),
    );
    for (arguments, parts) in [
        (&["--key", "nowhere.jwk"][..], &["nowhere.jwk", "cannot be opened"][..]),
        (&["--key", &set], &["jwks.json", "`d` is missing or wrong", "public key"]),
        (&["--key", &two], &["two.json", "several keys fit", "--kid"]),
        (&["--key", &two, "--kid", "x"], &["two.json", "no such key", "--kid"]),
        (&["--key", KEY, "--algorithm", "ES256"], &["demo-ed25519.jwk", "cannot sign with this algorithm"]),
        (&["--key", KEY, "--claim", "sub"], &["--claim <NAME=TEXT>", "NAME:=JSON"]),
        (&["--key", KEY, "--claim", "n:=oops"], &["--claim <NAME=TEXT>", "not valid JSON at byte 0"]),
        (&["--key", KEY, "--claims", "{\"a\":{n}}"], &["--claims", "not valid JSON at byte 6", "NAME:={n}"]),
        (&["--key", KEY, "--claims", "[]"], &["--claims", "not a JSON object"]),
        (&["--key", KEY, "--raw"], &["is missing"]),
    ] {
        run(&[&["mint"], arguments].concat()).assert_failure(parts);
    }
    let chosen = run(&["mint", "--key", &two, "--kid", "demo-p256"]);
    assert_eq!(decoded(&chosen.stdout).0["alg"], "ES256");
}
