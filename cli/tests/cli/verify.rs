//! `libtoken verify` as its users run it: verdicts, exit codes, formats, and what never appears anywhere.

use crate::common::{Directory, EXAMPLE_TIME, Run, example_tokens, root, run, run_with_input};
use serde_json::{Value, json};

const POLICY: &str = "examples/policy.json";
const TOKENS: &str = "examples/tokens.txt";

fn verify(more: &[&str]) -> Run {
    run(&[&["verify", "--policy", POLICY, "--now", EXAMPLE_TIME], more].concat())
}

#[test]
fn the_examples_get_their_verdicts() {
    let run = verify(&["--tokens", TOKENS, "--json"]);
    let verdicts: Vec<_> = run
        .json()
        .iter()
        .map(|row| (row["line"].as_u64(), row["verdict"].clone(), row["code"].as_u64()))
        .collect();
    let (accepted, refused) = (json!("accepted"), json!("refused"));
    let expected = [
        (Some(2), accepted.clone(), None),
        (Some(3), accepted.clone(), None),
        (Some(4), accepted, None),
        (Some(6), refused.clone(), Some(302)),
        (Some(8), refused.clone(), Some(204)),
        (Some(10), refused.clone(), Some(204)),
        (Some(12), refused.clone(), Some(301)),
        (Some(14), refused, Some(200)),
    ];
    assert_eq!(verdicts, expected);
    assert_eq!(run.code, 1);
}

#[test]
fn a_json_row_holds_everything_a_program_needs() {
    let rows = verify(&["--tokens", TOKENS, "--json"]).json();
    assert_eq!(
        rows[1],
        json!({"line": 3, "verdict": "accepted", "algorithm": "ES256", "kid": "demo-p256",
            "fingerprint": rows[1]["fingerprint"], "claims": {
                "iss": "https://login.example.com", "aud": "https://api.example.com", "sub": "bob",
                "tenant": "acme", "realm_access": {"roles": ["editor", "reader"]},
                "iat": 1_767_268_800, "exp": 1_767_272_400}})
    );
    assert_eq!(
        rows[3],
        json!({"line": 6, "verdict": "refused", "code": 302, "name": "EXPIRED", "claim": "exp",
            "reason": "check_failed", "message": "the token has expired", "http_status": 401,
            "fingerprint": rows[3]["fingerprint"]})
    );
    let token = &example_tokens()[3];
    let hash = blake3::hash(token.as_bytes()).to_hex();
    assert_eq!(rows[3]["fingerprint"], hash.as_str()[..32]);
}

#[test]
fn the_table_shows_verdicts_claims_and_a_summary() {
    let run = verify(&["--tokens", TOKENS]);
    let rows: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(rows.len(), 9);
    assert!(rows[1].contains("ACCEPTED") && rows[1].contains(r#""sub":"alice""#), "{}", rows[1]);
    assert!(rows[4].contains("REFUSED") && rows[4].ends_with("302  the token has expired (`exp`) [EXPIRED]"));
    assert!(run.stderr.starts_with("8 tokens: 3 accepted, 5 refused; "), "{}", run.stderr);
    assert!(run.stderr.lines().next().is_some_and(|line| line.ends_with(" tokens/s")));
    assert!(run.stderr.contains("\n         2  204 INVALID_SIGNATURE\n"), "{}", run.stderr);
    assert!(!run.stdout.contains('\u{1b}'), "no colors where nobody looks");

    let quiet = verify(&["--tokens", TOKENS, "--quiet"]);
    assert_eq!((quiet.code, quiet.stdout.as_str()), (1, ""));
    assert!(quiet.stderr.starts_with("8 tokens: "));
}

#[test]
fn the_exit_code_is_0_only_if_all_are_accepted() {
    let tokens = example_tokens();
    assert_eq!(verify(&[&tokens[0]]).code, 0);
    assert_eq!(verify(&[&tokens[0], &tokens[1], &tokens[2]]).code, 0);
    assert_eq!(verify(&[&tokens[0], &tokens[3]]).code, 1);
    verify(&[]).assert_failure(&["standard input", "no tokens"]);
    let directory = Directory::new();
    let empty = directory.write("empty.txt", "\n# only a comment\n\n");
    verify(&["--tokens", &empty]).assert_failure(&["empty.txt", "no tokens"]);
}

#[test]
fn tokens_come_from_standard_input_with_any_line_end() {
    let tokens = example_tokens();
    let arguments = ["verify", "--policy", POLICY, "--now", EXAMPLE_TIME, "--json"];
    for input in [
        format!("{}\n{}\n", tokens[0], tokens[1]),
        format!("{}\r\n\r\n{}\r\n", tokens[0], tokens[1]),
        format!("# a comment\n{}\n{}", tokens[0], tokens[1]),
    ] {
        let run = run_with_input(&arguments, input.as_bytes());
        assert_eq!((run.code, run.json().len()), (0, 2), "{}", run.stderr);
    }
    let stdin = [&arguments[..], &["--tokens", "-"]].concat();
    assert_eq!(run_with_input(&stdin, tokens[0].as_bytes()).code, 0);
    // Other white space belongs to the line, and no token has any.
    assert_eq!(run_with_input(&arguments, format!(" {}\n", tokens[0]).as_bytes()).code, 1);
}

#[test]
fn a_line_over_the_limit_is_refused_and_the_next_one_is_read() {
    let tokens = example_tokens();
    let huge = "x".repeat(3_000_000);
    let exact = "x".repeat(16_384);
    let input = format!("{huge}\n{exact}\r\n{exact}x\r\n{}\n", tokens[0]);
    let arguments = ["verify", "--policy", POLICY, "--now", EXAMPLE_TIME, "--json"];
    let run = run_with_input(&arguments, input.as_bytes());
    let names: Vec<Value> = run.json().iter().map(|row| row["name"].clone()).collect();
    let too_large = json!("TOKEN_TOO_LARGE");
    assert_eq!(names, [too_large.clone(), json!("MALFORMED_TOKEN"), too_large, Value::Null]);
    assert_eq!(run.json()[0]["fingerprint"], blake3::hash(huge.as_bytes()).to_hex().as_str()[..32]);
}

#[test]
fn bytes_that_are_no_text_are_refused_like_any_other_token() {
    let arguments = ["verify", "--policy", POLICY, "--json"];
    let run = run_with_input(&arguments, b"\xff\xfe\x00.a.b\n\x1b[31m.a.b\n");
    assert_eq!((run.code, run.json().len()), (1, 2));
}

#[test]
fn requests_may_ask_for_an_audience_and_a_tenant() {
    let token = &example_tokens()[0];
    for (more, code) in [
        (["--tenant", "acme"], 0),
        (["--tenant", "globex"], 1),
        (["--require-audience", "https://api.example.com"], 0),
        (["--require-audience", "https://other.example.com"], 1),
    ] {
        assert_eq!(verify(&[&[token.as_str()], &more[..]].concat()).code, code, "{more:?}");
    }
}

#[test]
fn options_do_what_a_policy_file_does() {
    let token = &example_tokens()[0];
    let issuer = ["--issuer", "https://login.example.com", "--jwks", "examples/jwks.json"];
    let audience = ["--audience", "https://api.example.com"];
    for (more, name) in [
        (&audience[..], Value::Null),
        (&["--no-audience-check"], Value::Null),
        (&["--audience", "x", "--audience", "https://api.example.com"], Value::Null),
        (&["--audience", "x"], json!("AUDIENCE_MISMATCH")),
        (&["--audience", "https://api.example.com", "--algorithm", "ES256"], json!("UNKNOWN_KEY")),
        (&["--audience", "https://api.example.com", "--algorithm", "Ed25519"], Value::Null),
        (&["--audience", "https://api.example.com", "--profile", "rfc9068"], json!("TYPE_NOT_ALLOWED")),
        (&["--audience", "https://api.example.com", "--require-claim", "/a/b"], json!("MISSING_CLAIM")),
        (&["--audience", "https://api.example.com", "--require-claim", "tenant"], Value::Null),
        (&["--no-audience-check", "--tenant-claim", "tenant", "--tenant", "x"], json!("TENANT_MISMATCH")),
        (&["--no-audience-check", "--max-age", "0"], json!("usage")),
        (&["--no-audience-check", "--max-token-bytes", "100"], json!("TOKEN_TOO_LARGE")),
    ] {
        let all = [&["verify", token, "--json", "--now", EXAMPLE_TIME], &issuer[..], more].concat();
        let run = run(&all);
        match run.json().first() {
            Some(row) => assert_eq!(row["name"], name, "{more:?}"),
            None => {
                assert_eq!(name, "usage", "{more:?}: {}", run.stderr);
                run.assert_failure(&["/issuers/0/max_age_seconds: must be between 1 and", "--help"]);
            }
        }
    }
    let leeway = ["verify", token, "--json", "--no-audience-check", "--now", "2026-01-01T13:00:10Z"];
    assert_eq!(run(&[&leeway[..], &issuer].concat()).code, 1);
    assert_eq!(run(&[&leeway[..], &issuer, &["--leeway", "11"]].concat()).code, 0);
}

#[test]
fn key_files_of_several_issuers_are_told_apart() {
    let directory = Directory::new();
    let policy = directory.write(
        "policy.json",
        r#"{"issuers":[
            {"issuer":"https://login.example.com","audiences":["https://api.example.com"],"jwks_uri":"https://x/jwks"},
            {"issuer":"b","audiences":["x"]}]}"#,
    );
    let token = &example_tokens()[0];
    let base = ["verify", token, "--now", EXAMPLE_TIME, "--policy", &policy];
    run(&base).assert_failure(&["the keys of b", "are not named", "--jwks ISSUER=FILE"]);
    let first = ["--jwks", "https://login.example.com=examples/jwks.json"];

    let second = ["--jwks", "b=examples/jwks.json"];
    run(&[&base[..], &second].concat()).assert_failure(&["https://login.example.com", "opens no connection"]);
    assert_eq!(run(&[&base[..], &first, &second].concat()).code, 0);
    run(&[&base[..], &first, &second, &second].concat()).assert_failure(&["given twice"]);
}

#[test]
fn mistakes_are_one_line_with_a_remedy() {
    let directory = Directory::new();
    let token = &example_tokens()[0];
    let policy = |name: &str, json: &str| directory.write(name, json);
    let misspelt = policy("misspelt.json", r#"{"issuers":[{"issuer":"i","audience":["a"]}]}"#);
    let no_file =
        policy("no-file.json", r#"{"issuers":[{"issuer":"i","audiences":["a"],"jwks_file":"nope.json"}]}"#);
    let private =
        policy("private.json", r#"{"issuers":[{"issuer":"i","audiences":["a"],"jwks_file":"p.jwk"}]}"#);
    directory
        .write("p.jwk", format!(r#"{{"keys":[{}]}}"#, include_str!("../../../examples/keys/demo-p256.jwk")));
    for (arguments, parts) in [
        (&["--policy", "nowhere.json"][..], &["nowhere.json", "cannot be opened", "check the name"][..]),
        (
            &["--policy", &misspelt],
            &["misspelt.json: /issuers/0: unknown field `audience`; did you mean `audiences`?"],
        ),
        (&["--policy", &no_file], &["nope.json", "cannot be opened"]),
        (&["--policy", &private], &["p.jwk", "it holds a private key", "keys check"]),
        (&["--policy", POLICY, "--issuer", "i"], &["cannot be used", "libtoken verify --help"]),
        (&["--policy", POLICY, "--now", "noon"], &["--now <TIME>", "RFC 3339"]),
        (&["--policy", POLICY, "--tokens", "nowhere.txt"], &["nowhere.txt", "cannot be opened"]),
        (&["--issuer", "i", "--jwks", "examples/jwks.json"], &["is missing"]),
        (
            &["--issuer", "i", "--jwks", "j", "--audience", "a", "--leeway", "301"],
            &["--leeway <SECONDS>", "0 to 300"],
        ),
        (
            &["--issuer", "i", "--jwks", "j", "--audience", "a", "--algorithm", "none"],
            &["--algorithm", "ES256"],
        ),
        (&[], &["libtoken verify"]),
    ] {
        let with_tokens = arguments.contains(&"--tokens");
        let token = if with_tokens { &[][..] } else { &[token.as_str()] };
        run(&[&["verify"], token, arguments].concat()).assert_failure(parts);
    }
}

#[test]
fn skipped_keys_are_told_and_the_others_used() {
    let directory = Directory::new();
    let good = std::fs::read_to_string(root().join("examples/jwks.json")).expect("the example keys");
    let jwks = good.replacen("[", r#"[{"kty":"EC","kid":"bad\u001b"},"#, 1);
    let jwks = directory.write("jwks.json", jwks);
    let token = &example_tokens()[0];
    let run = verify(&[token, "--jwks", &jwks]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        run.stderr.contains(r"key 0 (`bad\u001b`) is skipped: the member `crv` is missing"),
        "{}",
        run.stderr
    );
}

#[test]
fn no_text_of_a_token_reaches_the_error_output() {
    let tokens = example_tokens();
    let pasted: Vec<Vec<&str>> = tokens
        .iter()
        .flat_map(|t| {
            [
                vec!["verify", "--policy", POLICY, t],
                vec!["verify", "--policy", POLICY, "--tokens", t],
                vec!["verify", "--policy", t],
                vec!["verify", "--policy", POLICY, "--now", t],
                vec!["verify", "--issuer", "i", "--no-audience-check", "--jwks", t],
                vec!["policy", "check", t],
                vec!["keys", "check", t],
                vec!["keys", "generate", "--algorithm", t, "--out", "-"],
                vec!["mint", "--key", t],
                vec![t.as_str()],
                vec!["inspect", "--tokens", t],
                vec!["inspect", "--now", t, "x"],
            ]
        })
        .collect();
    for arguments in pasted {
        let run = run(&arguments);
        assert_ne!(run.code, 0);
        for token in &tokens {
            for part in token.split('.').filter(|part| part.len() > 8) {
                assert!(!run.stderr.contains(part), "{}: {}", arguments[0], run.stderr);
                assert!(!run.stdout.contains(part), "{}: {}", arguments[0], run.stdout);
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    use std::process::{Command, Stdio};
    let directory = Directory::new();
    let tokens = directory.write("tokens.txt", format!("{}\n", example_tokens()[3]).repeat(20_000));
    let mut child = Command::new(env!("CARGO_BIN_EXE_libtoken"))
        .args(["verify", "--policy", POLICY, "--tokens", &tokens])
        .current_dir(root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
