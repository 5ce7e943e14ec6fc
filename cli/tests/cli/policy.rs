//! `libtoken policy`: nothing about a policy stays hidden, and mistakes are found before they are deployed.

use crate::common::{Directory, root, run, run_with_input};
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

/// docs/policy.schema.json and the parser know the same fields, defaults and ranges.
#[test]
fn the_published_schema_is_the_one_that_is_read() {
    let schema = std::fs::read_to_string(root().join("docs/policy.schema.json")).expect("the schema");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let fields = |of: &Value| -> Vec<String> {
        let names = of["properties"].as_object().expect("properties").keys();
        names.filter(|name| !name.starts_with('$')).cloned().collect()
    };
    let issuer = &schema["$defs"]["issuer"];
    let check = |policy: &Value| {
        let run = run_with_input(&["policy", "show", "--json", "-"], policy.to_string().as_bytes());
        (run.code, run.stdout, run.stderr)
    };
    let with = |name: &str, value: Value| {
        let mut policy = json!({"issuers": [{"issuer": "i", "audiences": ["a"]}]});
        if fields(&schema).iter().any(|field| field == name) {
            policy[name] = value;
        } else {
            policy["issuers"][0][name] = value;
        }
        check(&policy)
    };

    // Every field of the schema is known: with a value of no use, the error is about the value.
    for name in fields(&schema).iter().chain(&fields(issuer)) {
        let (code, _, stderr) = with(name, json!({"nonsense": null}));
        assert!(code == 2 && !stderr.contains("unknown field"), "{name}: {stderr}");
    }
    // Every field that is written out with its default, or can be read, is in the schema.
    let all = json!({"max_token_bytes": 9, "issuers": [{"issuer": "i", "audiences": ["a"], "algorithms": ["ES256"],
        "max_age_seconds": 1, "tenant_claim": "t", "jwks_file": "f"}, {"issuer": "j", "audience_check": "none",
        "jwks_uri": "https://j"}]});
    let written: Value = serde_json::from_str(&check(&all).1).expect("JSON");
    for policy in written["issuers"].as_array().expect("issuers") {
        for name in policy.as_object().expect("an issuer").keys() {
            assert!(fields(issuer).contains(name), "{name} is not in the schema");
        }
    }
    // Defaults are those that are written out, and the ends of each range are the last values accepted.
    let written: Value = serde_json::from_str(&with("leeway_seconds", json!(5)).1).expect("JSON");
    for (name, property, shown) in
        [&schema, issuer].into_iter().zip([&written, &written["issuers"][0]]).flat_map(|(of, shown)| {
            of["properties"].as_object().expect("properties").iter().map(move |(n, p)| (n, p, shown))
        })
    {
        if let Some(default) = property.get("default").filter(|_| name != "audience_check") {
            assert_eq!(&shown[name], default, "{name}");
        }
        if let (Some(least), Some(most)) = (property["minimum"].as_i64(), property["maximum"].as_i64()) {
            for (value, code) in [(least - 1, 2), (least, 0), (most, 0), (most + 1, 2)] {
                assert_eq!(with(name, json!(value)).0, code, "{name}: {value}");
            }
        }
        for value in property["enum"].as_array().into_iter().flatten().filter(|v| **v != "none") {
            assert_eq!(with(name, value.clone()).0, 0, "{name}: {value}");
        }
    }
    let algorithms = &issuer["properties"]["algorithms"]["items"]["enum"];
    assert_eq!(with("algorithms", algorithms.clone()).0, 0);
    assert_eq!(algorithms.as_array().map(Vec::len), Some(13));
}
