//! `libtoken policy`: nothing about a policy stays hidden, and mistakes are found before they are deployed.

use crate::common::{Directory, run, run_with_input};
use serde_json::{Value, json};

#[test]
fn every_setting_and_limit_is_shown_with_its_origin() {
    let shown = run(&["policy", "show", "examples/policy.json"]);
    assert_eq!(shown.code, 0);
    for part in [
        "issuer https://login.example.com\n",
        "  audiences           https://api.example.com\n",
        "  leeway_seconds      5  (default)\n",
        "  require_exp         true  (default)\n",
        "  tenant_claim        tenant\n",
        "max_token_bytes     16384  (default)\n",
        "1048576  bytes in a token, at most",
        "2048  bits in an RSA modulus, at least",
    ] {
        assert!(shown.stdout.contains(part), "`{part}` is missing in\n{}", shown.stdout);
    }
    let set = r#"{"max_token_bytes":99,"issuers":[{"issuer":"i","audience_check":"none","leeway_seconds":0,
        "require_exp":false,"max_age_seconds":60,"algorithms":["ES256"],"jwks_uri":"https://i/jwks"}]}"#;
    let set = run_with_input(&["policy", "show", "-"], set.as_bytes()).stdout;
    for part in [
        "max_token_bytes     99\n",
        "audience_check      none: tokens for ANY audience pass\n",
        "leeway_seconds      0\n",
        "require_exp         false\n",
        "max_age_seconds     60\n",
        "algorithms          ES256\n",
        "jwks_uri            https://i/jwks\n",
    ] {
        assert!(set.contains(part), "`{part}` is missing in\n{set}");
    }
    let defaults = run(&["policy", "show"]);
    assert!(defaults.stdout.contains("audiences           (required)\n"), "{}", defaults.stdout);
}

#[test]
fn json_is_a_policy_file_with_every_default() {
    let shown = run(&["policy", "show", "--json", "examples/policy.json"]);
    let policy: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(policy["max_token_bytes"], 16_384);
    assert_eq!(policy["issuers"][0]["leeway_seconds"], 5);
    assert_eq!(policy["issuers"][0]["allow_missing_type"], json!(true));
    let again = run_with_input(&["policy", "show", "--json", "-"], shown.stdout.as_bytes());
    assert_eq!(again.stdout, shown.stdout);
}

#[test]
fn a_check_covers_the_key_files() {
    let good = run(&["policy", "check", "examples/policy.json"]);
    assert_eq!(good.code, 0);
    assert!(good.stdout.contains("https://login.example.com: examples/jwks.json: 3 keys usable, 0 skipped"));

    let directory = Directory::new();
    directory.write("empty.json", r#"{"keys":[]}"#);
    directory.write("bad.json", r#"{"keys":[{"kty":"EC","kid":"k"}]}"#);
    for (json, code, part) in [
        (r#"{"issuers":[{"issuer":"i","audiences":["a"],"leeway":1}]}"#, 1, "did you mean `leeway_seconds`?"),
        (
            r#"{"issuers":[{"issuer":"i","audiences":["a"],"jwks_file":"empty.json"}]}"#,
            1,
            "the key set is empty",
        ),
        (r#"{"issuers":[{"issuer":"i","audiences":["a"],"jwks_file":"bad.json"}]}"#, 1, "`crv` is missing"),
        (r#"{"issuers":[{"issuer":"i","audiences":["a"]}]}"#, 0, "the host gives the keys"),
        (
            r#"{"issuers":[{"issuer":"i","audiences":["a"],"jwks_uri":"https://i"}]}"#,
            0,
            "is not fetched here",
        ),
        ("nonsense", 1, "not valid JSON at byte 0"),
    ] {
        let policy = directory.write("policy.json", json);
        let run = run(&["policy", "check", &policy]);
        assert_eq!(
            (run.code, run.stdout.contains(part)),
            (code, true),
            "{json}: {}{}",
            run.stdout,
            run.stderr
        );
    }
    run(&["policy", "check", "nowhere.json"]).assert_failure(&[
        "nowhere.json",
        "cannot be opened",
        "check the name",
    ]);
    let policy = directory
        .write("policy.json", r#"{"issuers":[{"issuer":"i","audiences":["a"],"jwks_file":"nowhere.json"}]}"#);
    run(&["policy", "check", &policy]).assert_failure(&["nowhere.json", "cannot be opened"]);
}

/// Whatever a policy writes out as JSON is named in what people read, also fields that are added later.
#[test]
fn people_see_every_field_that_programs_see() {
    let all = json!({"issuers": [{"issuer": "i", "audiences": ["a"], "algorithms": ["ES256"],
        "max_age_seconds": 1, "tenant_claim": "t", "status_lists": ["https://i/1"], "jwks_file": "f"}],
        "revocation": {"scopes": ["token", "session", "subject"], "max_staleness_seconds": 30, "directory": "d"}});
    let show = |more: &[&str]| {
        let run = run_with_input(&[&["policy", "show", "-"], more].concat(), all.to_string().as_bytes());
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.stdout
    };
    let (text, written) = (show(&[]), show(&["--json"]));
    let written: Value = serde_json::from_str(&written).expect("JSON");
    for part in [&written, &written["issuers"][0], &written["revocation"]] {
        for name in part.as_object().expect("an object").keys().filter(|name| *name != "issuers") {
            let shown = text.lines().any(|line| line.split_whitespace().next() == Some(name));
            assert!(shown, "{name} is missing in\n{text}");
        }
    }
}

#[test]
fn scopes_are_shown_in_words_with_their_defaults() {
    let policy = json!({"issuers": [{"issuer": "i", "audiences": ["a"]}], "revocation": {"scopes": ["subject", "all",
        {"name": "session", "claims": ["sid"], "ancestors": ["psid"], "missing": "ignore"},
        {"name": "group", "kind": "epoch", "claims": [["tenant", "g"], "groups"], "namespace": "shared",
            "max_lifetime_seconds": 60}]}});
    let shown = run_with_input(&["policy", "show", "-"], policy.to_string().as_bytes()).stdout;
    for part in [
        "subject: epoch, by sub, per issuer; missing: refuse; tokens live up to 2592000 seconds  (default)\n",
        "all: epoch, of all issuers; missing: refuse; tokens live up to 2592000 seconds  (default)\n",
        "session: id, by sid, below psid, per issuer; missing: ignore; tokens live up to 2592000 seconds\n",
        "group: epoch, by tenant and g or groups, shared by all issuers; missing: refuse; tokens live up to 60 seconds\n",
        "on_stale            refuse  (default)\n",
    ] {
        assert!(shown.contains(part), "`{part}` is missing in\n{shown}");
    }
    let without = run(&["policy", "show"]).stdout;
    assert!(without.contains("scopes              none: nothing can be revoked  (default)\n"), "{without}");
}
