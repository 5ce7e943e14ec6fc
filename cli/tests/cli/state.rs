//! An issuer with a key, a policy with revocation and a state directory. Shared by the tests of revocation.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::common::{Directory, Run, run, run_with_input};

pub(crate) const ISSUER: &str = "https://issuer.example";

pub(crate) struct Deployment {
    pub(crate) directory: Directory,
    pub(crate) policy: String,
}

impl Deployment {
    /// With a state directory.
    pub(crate) fn new() -> Deployment {
        let deployment = Deployment::without_state();
        let made = deployment.run(&["revocations", "init"]);
        assert_eq!(made.code, 0, "{}", made.stderr);
        deployment
    }

    pub(crate) fn without_state() -> Deployment {
        let directory = Directory::new();
        let (key, public) = (directory.path("issuer.jwk"), directory.path("jwks.json"));
        let made = run(&[
            "keys",
            "generate",
            "-a",
            "EdDSA",
            "-o",
            &key,
            "--public",
            &public,
            "--insecure-seed",
            "1",
        ]);
        assert_eq!(made.code, 0, "{}", made.stderr);
        let ignoring = |name: &str| json!({"name": name, "missing": "ignore"});
        let policy = json!({
            "issuers": [{"issuer": ISSUER, "audiences": ["api"], "jwks_file": "jwks.json"}],
            "revocation": {"directory": "state", "scopes": [
                ignoring("token"), ignoring("session"), "subject",
                {"name": "department", "kind": "epoch", "claims": [["tenant", "department"]], "missing": "ignore"},
                ignoring("client"), "key", "issuer", "all",
            ]},
        });
        let policy = directory.write("policy.json", policy.to_string());
        Deployment { directory, policy }
    }

    /// Runs a command with `--policy`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_with_input(arguments, "")
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Run {
        run_with_input(&[arguments, &["--policy", &self.policy]].concat(), input.as_bytes())
    }

    /// Revokes, and asserts that it was done.
    pub(crate) fn revoke(&self, arguments: &[&str]) -> Run {
        let run = self.run(&[&["revoke"], arguments].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
        run
    }

    /// A token with these claims besides issuer, audience and times.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_at(now(), claims)
    }

    pub(crate) fn token_at(&self, issued_at: i64, claims: &Value) -> String {
        let mut claims = claims.clone();
        for (name, value) in [("iss", json!(ISSUER)), ("aud", json!("api")), ("sub", json!("alice"))] {
            if claims.get(name).is_none() {
                claims[name] = value;
            }
        }
        claims["iat"] = json!(issued_at);
        if claims.get("events").is_none_or(|_| claims.get("sid").is_some()) {
            claims["exp"] = json!(issued_at + 600);
        }
        self.sign(&claims, "JWT")
    }

    /// A token of a type with exactly these claims.
    pub(crate) fn sign(&self, claims: &Value, typ: &str) -> String {
        let key = self.directory.path("issuer.jwk");
        let typ = format!("typ={typ}");
        let claims = claims.to_string();
        let minted = run(&["mint", "--key", &key, "--no-times", "--claims", &claims, "--header", &typ]);
        assert_eq!(minted.code, 0, "{}", minted.stderr);
        minted.stdout.trim_end().to_owned()
    }

    /// `accepted`, or the name of the code and the claim or scope.
    pub(crate) fn verdict(&self, token: &str) -> String {
        let run = self.run_with_input(&["verify", "--json"], token);
        match run.json().as_slice() {
            [row] if row["verdict"] == "accepted" => "accepted".to_owned(),
            [row] => format!("{} {}", row["name"], row["claim"]).replace('"', ""),
            _ => run.stderr,
        }
    }

    pub(crate) fn state(&self) -> std::path::PathBuf {
        self.directory.path("state").into()
    }
}

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    i64::try_from(since.as_secs()).expect("a time")
}
