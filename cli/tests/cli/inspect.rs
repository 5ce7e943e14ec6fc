//! `libtoken inspect`: what a token says, loudly unverified, and where a malformed one is wrong.

use crate::common::{example_tokens, run, run_with_input};
use serde_json::json;

#[test]
fn a_token_is_shown_with_times_in_words_and_a_warning_first_and_last() {
    let run = run(&["inspect", &example_tokens()[0], "--now", "2026-01-01T13:03:00Z"]);
    assert_eq!(run.code, 0);
    assert!(run.stdout.starts_with("NOT VERIFIED") && run.stdout.ends_with("NOT VERIFIED\n"));
    for part in [
        "alg        EdDSA\n",
        "kid        demo-ed25519\n",
        "sub        alice\n",
        "roles      [\"reader\"]\n",
        "iat        1767268800 (2026-01-01T12:00:00Z, issued 63 minutes ago)\n",
        "exp        1767272400 (2026-01-01T13:00:00Z, expired 3 minutes ago)\n",
        "signature    64 bytes, not checked; EdDSA with an Ed25519 key\n",
    ] {
        assert!(run.stdout.contains(part), "`{part}` is missing in\n{}", run.stdout);
    }
    assert_eq!(run.stderr, "");
}

#[test]
fn json_says_that_nothing_is_verified() {
    let run = run(&["inspect", "--json", &example_tokens()[5]]);
    let row = &run.json()[0];
    assert_eq!(row["verified"], false);
    assert_eq!(row["claims"]["roles"], json!(["admin"]));
    assert_eq!(row["times"]["exp"], "2026-01-01T13:00:00Z");
    assert_eq!((&row["signature_bytes"], &row["problems"]), (&json!(64), &json!([])));
}

#[test]
fn malformed_tokens_are_explained_with_the_place() {
    for (token, expected) in [
        ("abcd", "the token has no dots"),
        ("e30.e30", "the token has two parts: the signature, the third, is missing"),
        ("e30.e30.AA.AA", "the token has 4 parts where three are expected"),
        ("eyJhbGciOiJSU0EifQ.a.b.c.d", "it is encrypted (JWE)"),
        ("eyJhbGciOiJFUzI1NiJ9.e30=.AA", "the payload: character 4 (byte 25 of the token) is padding"),
        ("eyJhbGciOiJFUzI1NiJ9.e3+0.AA", "character 3 (byte 24 of the token) is of base64, not of base64url"),
        ("Bearer eyJhbGciOiJFUzI1NiJ9.e30.AA", "without `Bearer`"),
        ("eyJhbGciOiJFUzI1NiJ9.e30.A", "the signature: a part of 1 character cannot be base64url"),
        ("eyJhbGciOiJFUzI1NiJ9.e30.AB", "the signature: the last character is not the canonical"),
        ("eyJhbGciOiJFUzI1NiJ9.e30.", "the signature is empty"),
        ("eyJhbGciOiJFUzI1NiJ9.eyJhIjp9.AA", "the payload, decoded: not valid JSON at byte 5"),
        (
            "eyJhbGciOiJFUzI1NiJ9.eyJhIjoxLCJhIjoxfQ.AA",
            "the payload, decoded: an object has the same member name twice",
        ),
        ("eyJhbGciOiJFUzI1NiJ9.W10.AA", "the payload is JSON, but not an object"),
        ("eyJhbGciOiJub25lIn0.e30.AA", "the token's signature algorithm is not supported (`alg`)"),
        ("eyJhbGciOiJFUzI1NiJ9.eyJleHAiOiIxIn0.AA", "the claim `exp` is not a number of seconds"),
        ("eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOlsxXX0.AA", "the claim `aud` is not a string or an array of strings"),
    ] {
        let run = run(&["inspect", token]);
        assert_eq!(run.code, 1, "{token}");
        assert!(run.stdout.contains(expected), "{token}: {}", run.stdout);
        assert!(run.stdout.ends_with("NOT VERIFIED\n"));
    }
}

#[test]
fn nothing_in_a_token_steers_the_terminal() {
    // {"alg":"ES256"} . {"sub":"\u001b[2J<U+202E>"}
    let run = run(&["inspect", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJcdTAwMWJbMkrigK4ifQ.AA"]);
    assert!(run.stdout.contains("sub        \\u001b[2J\\u202e\n"), "{}", run.stdout);
}

#[test]
fn tokens_come_from_standard_input_too() {
    let tokens = example_tokens();
    let input = format!("# two\n{}\n\n{}\n", tokens[0], tokens[1]);
    let run = run_with_input(&["inspect", "--json"], input.as_bytes());
    assert_eq!((run.code, run.json().len()), (0, 2));
    run_with_input(&["inspect"], b"\n").assert_failure(&["standard input", "no tokens"]);
}
