//! `libtoken keys`: generated keys are private, usable and reproducible only when asked for.

use crate::common::{Directory, Run, run, run_with_input};
use serde_json::{Value, json};

const ALGORITHMS: [&str; 12] = [
    "EdDSA", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "HS256", "HS384",
    "HS512",
];

fn read_json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("the file is there")).expect("JSON")
}

#[test]
fn a_key_of_every_algorithm_is_made_published_and_usable() {
    let directory = Directory::new();
    for algorithm in ALGORITHMS {
        let private = directory.path(&format!("{algorithm}.jwk"));
        // Seeded, because finding primes takes a time that varies.
        let made = run(&["keys", "generate", "-a", algorithm, "-o", &private, "--insecure-seed", "3"]);
        assert_eq!((made.code, made.stdout.as_str()), (0, ""), "{}", made.stderr);
        let key = read_json(&private);
        assert_eq!(key["alg"], algorithm);
        assert!(made.stderr.contains(key["kid"].as_str().expect("a kid")), "{}", made.stderr);

        let public = run(&["keys", "public", &private]);
        if algorithm.starts_with("HS") {
            public_of_secret_fails(&public, &private);
            continue;
        }
        let set: Value = serde_json::from_str(&public.stdout).expect("JSON");
        for member in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(set["keys"][0].get(member).is_none(), "{algorithm}: {member} is published");
        }
        let check = run_with_input(&["keys", "check", "--json", "-"], public.stdout.as_bytes());
        let row = &check.json()[0];
        assert_eq!((check.code, &row["verdict"]), (0, &json!("usable")), "{}", check.stdout);
        assert_eq!(row["algorithms"], json!([algorithm]));
        // The kid is the thumbprint unless one is given.
        assert_eq!(row["thumbprint"], key["kid"]);
    }
}

fn public_of_secret_fails(public: &Run, private: &str) {
    assert_eq!((public.code, public.stdout.as_str()), (2, ""));
    assert!(public.stderr.contains("none of the keys has a public part"), "{}", public.stderr);
    let secret = read_json(private)["k"].as_str().expect("a secret").to_owned();
    assert!(!public.stderr.contains(&secret));
    let algorithm = read_json(private)["alg"].as_str().expect("alg").to_owned();
    let refused = run(&["keys", "check", private]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stdout.contains("`algorithms` lists an HMAC algorithm") && !refused.stdout.contains(&secret)
    );
    let usable = run(&["keys", "check", private, "--algorithm", &algorithm, "--json"]);
    assert_eq!((usable.code, &usable.json()[0]["thumbprint"]), (0, &Value::Null), "{}", usable.stdout);
}

#[test]
fn keys_differ_unless_seeded() {
    let print = ["keys", "generate", "--algorithm", "EdDSA", "--out", "-"];
    assert_ne!(run(&print).stdout, run(&print).stdout);
    let seeded = [&print[..], &["--insecure-seed", "7"]].concat();
    assert_eq!(run(&seeded).stdout, run(&seeded).stdout);
    let named = run(&[&print[..], &["--kid", "mine"]].concat());
    assert_eq!(named.json()[0]["kid"], "mine");
    let larger = ["keys", "generate", "-a", "RS256", "-o", "-", "--bits", "2056", "--insecure-seed", "1"];
    let n = run(&larger).json()[0]["n"].as_str().map(str::len);
    assert_eq!(n, Some(343), "257 bytes in base64url");
}

#[cfg(unix)]
#[test]
fn a_private_key_is_readable_by_its_owner_only_and_never_overwritten_by_accident() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    let directory = Directory::new();
    let mode = |path: &str| std::fs::metadata(path).expect("the file is there").mode() & 0o777;
    let private = directory.path("key.jwk");
    let public = directory.path("jwks.json");
    let generate = ["keys", "generate", "-a", "ES256", "-o", &private];
    assert_eq!(run(&[&generate[..], &["--public", &public]].concat()).code, 0);
    assert_eq!(mode(&private), 0o600);
    assert_eq!(run(&["keys", "check", &public]).code, 0);

    let first = std::fs::read(&private).expect("the key");
    run(&generate).assert_failure(&["key.jwk", "exists already", "--force"]);
    assert_eq!(std::fs::read(&private).expect("the key"), first);

    // Replaced, a file that others could read becomes private, and a link is not followed.
    std::fs::set_permissions(&private, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    assert_eq!(run(&[&generate[..], &["--force"]].concat()).code, 0);
    assert_ne!(std::fs::read(&private).expect("the key"), first);
    assert_eq!(mode(&private), 0o600);
    let link = directory.path("link.jwk");
    symlink(&public, &link).expect("a link");
    assert_eq!(run(&["keys", "generate", "-a", "ES256", "-o", &link, "--force"]).code, 0);
    assert_eq!(run(&["keys", "check", &public]).code, 0, "the file behind the link is as it was");
    let left: Vec<_> = std::fs::read_dir(directory.path(".")).expect("listed").flatten().collect();
    assert_eq!(left.len(), 3, "no temporary files are left");
    run(&["keys", "generate", "-a", "ES256", "-o", "/nowhere/key.jwk"]).assert_failure(&[
        "/nowhere/key.jwk",
        "cannot be written",
        "check the directory",
    ]);
}

#[test]
fn public_sets_are_merged_and_nothing_private_or_unknown_is_published() {
    let directory = Directory::new();
    let mixed = directory.write(
        "mixed.json",
        r#"{"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"},
            {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","note":"internal"}]}"#,
    );
    let run_public = run(&["keys", "public", "examples/keys/demo-rsa.jwk", &mixed]);
    let set: Value = serde_json::from_str(&run_public.stdout).expect("JSON");
    assert_eq!(set["keys"].as_array().map(Vec::len), Some(2));
    assert!(run_public.stderr.contains("key 0 is a shared secret and is left out"), "{}", run_public.stderr);
    assert!(!run_public.stdout.contains("internal") && !run_public.stdout.contains("MDEy"));
    let bad = directory.write("bad.jwk", r#"{"kty":"EC","crv":"P-256","d":"AA"}"#);
    run(&["keys", "public", &bad]).assert_failure(&[
        "bad.jwk: the key",
        "`d` is missing or wrong",
        "keys generate",
    ]);
}

#[test]
fn every_key_of_a_set_has_its_verdict() {
    let set = r#"{"keys":[
        {"kty":"OKP","crv":"Ed25519","kid":"good","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty":"OKP","crv":"Ed25519","kid":"small","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
        {"kty":"OKP","crv":"Ed25519","kid":"good","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty":"RSA","n":"wQ","e":"AQAB"},
        7]}"#;
    let json = run_with_input(&["keys", "check", "--json", "-"], set.as_bytes());
    let verdicts: Vec<Value> = json.json().iter().map(|row| row["verdict"].clone()).collect();
    assert_eq!(json.code, 1);
    assert_eq!(json!(verdicts), json!(["usable", "skipped", "skipped", "skipped", "skipped"]));
    assert_eq!(json.json()[0]["thumbprint"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let table = run_with_input(&["keys", "check", "-"], set.as_bytes()).stdout;
    for part in [
        "kid good: EdDSA by ",
        "small order",
        "the same key stands in the set before",
        "no kid: the RSA modulus",
    ] {
        assert!(table.contains(part), "`{part}` is missing in\n{table}");
    }
    for (text, part) in
        [("<html>", "not valid JSON at byte 0"), ("{}", "not a JWK Set"), (r#"{"keys":[]}"#, "is empty")]
    {
        run_with_input(&["keys", "check", "-"], text.as_bytes()).assert_failure(&["standard input", part]);
    }
}
