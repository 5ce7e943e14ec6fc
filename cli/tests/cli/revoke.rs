//! `libtoken revoke` as its users run it: what is refused from then on, what is not, and in which process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use libtoken::revocation::log::SyncPolicy;
use libtoken::revocation::store::{Archive, Store, StoreSettings};
use serde_json::json;

use crate::common::run;
use crate::state::{Deployment, ISSUER, now};

#[test]
fn a_revoked_subject_is_refused_and_may_log_in_again() {
    let here = Deployment::new();
    let token = here.token_at(now() - 10, &json!({}));
    let other = here.token_at(now() - 10, &json!({"sub": "bob"}));
    assert_eq!(here.verdict(&token), "accepted");
    let at = (now() - 5).to_string();
    let told = here.revoke(&["subject", "alice", "--at", &at, "--reason", "lost laptop", "--actor", "ops"]);
    assert!(told.stdout.starts_with(&format!("revoked subject \"alice\" of {ISSUER} (tokens issued up to ")));
    assert!(
        told.stdout.contains(": operation ") && told.stdout.ends_with(", sequence 1\n"),
        "{}",
        told.stdout
    );
    assert_eq!(here.verdict(&token), "REVOKED subject");
    assert_eq!(here.verdict(&other), "accepted");
    // The last second that is refused, and the first that is not.
    assert_eq!(here.verdict(&here.token_at(now() - 4, &json!({}))), "accepted");
    let boundary = at.parse().expect("seconds");
    assert_eq!(here.verdict(&here.token_at(boundary, &json!({}))), "REVOKED subject");
    assert_eq!(here.verdict(&here.token_at(boundary + 1, &json!({}))), "accepted");
    // An earlier time does not take a later one back.
    here.revoke(&["subject", "alice", "--at", &(boundary - 100).to_string()]);
    assert_eq!(here.verdict(&token), "REVOKED subject");
    // Without --at, what was issued up to now is over.
    let fresh = here.token(&json!({}));
    here.revoke(&["subject", "alice"]);
    assert_eq!(here.verdict(&fresh), "REVOKED subject");
}

#[test]
fn every_scope_refuses_its_tokens_and_no_others() {
    let here = Deployment::new();
    let claims =
        json!({"jti": "t1", "sid": "s1", "client_id": "c1", "tenant": "acme", "department": "sales"});
    let other = json!({"jti": "t2", "sid": "s2", "client_id": "c2", "tenant": "acme", "department": "legal",
        "sub": "bob"});
    let (token, other) = (here.token(&claims), here.token(&other));
    for (scope, values) in [
        ("token", &["t0", "t1"][..]),
        ("session", &["s1"]),
        ("department", &["acme", "sales"]),
        ("client", &["c1"]),
        ("subject", &["alice"]),
    ] {
        let here = Deployment::new();
        here.revoke(&[&[scope], values].concat());
        // Another deployment of the same issuer, key and tokens.
        assert_eq!(here.verdict(&token), format!("REVOKED {scope}"));
        assert_eq!(here.verdict(&other), "accepted", "{scope}");
    }
    let jwks = std::fs::read_to_string(here.directory.path("jwks.json")).expect("the key set");
    let jwks: serde_json::Value = serde_json::from_str(&jwks).expect("JSON");
    let kid = jwks["keys"][0]["kid"].as_str().expect("a kid");
    for (scope, values) in [("key", &[kid][..]), ("issuer", &[]), ("all", &[])] {
        let here = Deployment::new();
        here.revoke(&[&[scope], values].concat());
        assert_eq!(here.verdict(&token), format!("REVOKED {scope}"));
        assert_eq!(here.verdict(&other), format!("REVOKED {scope}"));
    }
}

/// The revocation of another process is seen between two lines of one run, not only by the next run.
#[test]
fn a_running_verifier_sees_what_another_process_revokes() {
    let here = Deployment::new();
    let token = here.token(&json!({"jti": "t1"}));
    let mut child = Command::new(env!("CARGO_BIN_EXE_libtoken"))
        .args(["verify", "--json", "--policy", &here.policy])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut input = child.stdin.take().expect("piped");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut verdict = |token: &str| {
        writeln!(input, "{token}").expect("it reads");
        let mut line = String::new();
        output.read_line(&mut line).expect("it answers");
        let row: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        row["name"].as_str().unwrap_or("accepted").to_owned()
    };
    assert_eq!(verdict(&token), "accepted");
    here.revoke(&["token", "t1"]);
    assert_eq!(verdict(&token), "REVOKED");
    let second = here.token(&json!({"jti": "t2"}));
    assert_eq!(verdict(&second), "accepted");

    // Also when the live table grows out of its file meanwhile, or has to be made again.
    let many: String = (0..5_000).map(|n| format!("{{\"scope\":\"token\",\"values\":\"n{n}\"}}\n")).collect();
    let bulk = here.run_with_input(&["revoke", "--from", "-"], &many);
    assert_eq!(bulk.code, 0, "{}", bulk.stderr);
    assert_eq!(verdict(&here.token(&json!({"jti": "n4999"}))), "REVOKED");
    assert_eq!(verdict(&second), "accepted");
    std::fs::remove_file(here.state().join("live")).expect("removed");
    here.revoke(&["token", "t2"]);
    // The old file, still mapped, cannot tell; it is looked at once a second.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert_eq!(verdict(&second), "REVOKED");
    drop(input);
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
}

#[test]
fn a_second_writer_is_told_who_holds_the_state() {
    let here = Deployment::new();
    let settings =
        StoreSettings { sync: SyncPolicy::Always, retention_seconds: 2_592_000, archive: Archive::Keep };
    let (store, _) = Store::open(&here.state(), settings).expect("the state opens");
    let process = format!("process {}", std::process::id());
    here.run(&["revoke", "subject", "alice"]).assert_failure(&["held by another writer", &process]);
    // Reading goes on.
    assert_eq!(here.verdict(&here.token(&json!({}))), "accepted");
    assert_eq!(here.run(&["revocations", "list"]).code, 0);
    store.close().expect("closed");
    here.revoke(&["subject", "alice"]);
}

#[test]
fn mistakes_are_told_and_change_nothing() {
    let here = Deployment::new();
    let soon = (now() + 1_000).to_string();
    for (arguments, parts) in [
        (&["subjct", "alice"][..], &["did you mean `subject`?"][..]),
        (&["tenant", "acme"], &["no such scope", "token, session, subject, department"]),
        (&["department", "acme"], &["a value of tenant and department"]),
        (&["subject"], &["takes a value of sub"]),
        (&["all", "everything"], &["takes no values"]),
        (
            &["subject", "alice", "--issuer", "https://issuer.exampel"],
            &["did you mean `https://issuer.example`?"],
        ),
        (&["token", "t", "--at", "0"], &["--at: has no meaning for this scope"]),
        (&["subject", "alice", "--at", &soon], &["--at: lies in the future"]),
        (&["token", "t", "--until", "2020-01-01T00:00:00Z"], &["--until: lies in the past"]),
        (
            &["subject", "alice", "--until", "2050-01-01T00:00:00Z"],
            &["until: later than the longest lifetime"],
        ),
        (&["subject", ""], &["values: at most 4 of 1 to 1024 bytes"]),
        (&["subject", "alice", "--operation", "1"], &["32 hexadecimal digits or a UUID"]),
        (&[], &["is missing"]),
        (&["subject", "alice", "--from", "-"], &["cannot be used"]),
    ] {
        here.run(&[&["revoke"], arguments].concat()).assert_failure(parts);
    }
    assert_eq!(here.run(&["revocations", "list"]).stdout, "");
    let policy = "examples/policy.json";
    run(&["revoke", "all", "--policy", policy]).assert_failure(&[policy, "has no revocation scopes"]);
    let without = Deployment::without_state();
    for arguments in [&["revoke", "all"][..], &["verify", "x"], &["revocations", "list"]] {
        without
            .run(arguments)
            .assert_failure(&["state: the state directory does not exist", "`libtoken revocations init`"]);
    }
    let state = here.directory.path("state");
    run(&["revoke", "all", "--state", &state]).assert_failure(&["--policy", "the scopes"]);
}

#[test]
fn several_issuers_must_be_told_apart() {
    let here = Deployment::without_state();
    let policy = json!({
        "issuers": [{"issuer": ISSUER, "audiences": ["api"], "jwks_file": "jwks.json"},
            {"issuer": "https://other.example", "audiences": ["api"], "jwks_file": "jwks.json"}],
        "revocation": {"directory": "state", "scopes": ["subject", "all",
            {"name": "group", "kind": "epoch", "claims": ["group"], "namespace": "shared", "missing": "ignore"}]},
    });
    here.directory.write("policy.json", policy.to_string());
    assert_eq!(here.run(&["revocations", "init"]).code, 0);
    here.run(&["revoke", "subject", "alice"]).assert_failure(&["--issuer: the policy has several issuers"]);
    here.revoke(&["subject", "alice", "--issuer", "https://other.example"]);
    assert_eq!(here.verdict(&here.token(&json!({}))), "accepted");
    let other = here.token_at(now() - 60, &json!({"iss": "https://other.example"}));
    assert_eq!(here.verdict(&other), "REVOKED subject");
    // Scopes that all issuers share need none.
    assert!(here.revoke(&["group", "g"]).stdout.starts_with("revoked group \"g\" (tokens issued up to "));
    here.revoke(&["all"]);
    assert_eq!(here.verdict(&here.token_at(now() - 60, &json!({}))), "REVOKED all");
}

#[test]
fn bulk_events_are_one_operation_and_all_or_nothing_in_a_file() {
    let here = Deployment::new();
    let lines = [
        r#"{"scope":"token","values":["t1"]}"#,
        "# a comment, and an empty line",
        "",
        r#"{"scope":"subject","values":"bob","at":"2026-01-01T00:00:00Z","reason":"left","actor":"hr"}"#,
        r#"{"scope":"department","values":["acme","sales"],"issuer":"https://issuer.example"}"#,
        r#"{"scope":"all","at":1767225600}"#,
    ];
    let file = here.directory.write("events.jsonl", lines.join("\n"));
    let operation = "0123456789abcdef0123456789abcdef";
    let done = here.revoke(&["--from", &file, "--operation", operation, "--reason", "import", "--json"]);
    let told = json!({"operation": operation, "events": 4, "first_sequence": 1, "last_sequence": 4});
    assert_eq!(done.json(), [told]);
    let listed = here.run(&["revocations", "list", "--json", "--operation", operation]).json();
    assert_eq!(listed.len(), 4);
    assert_eq!((&listed[0]["reason"], &listed[1]["reason"]), (&json!("import"), &json!("left")));
    assert_eq!((&listed[1]["at"], &listed[1]["actor"]), (&json!(1_767_225_600), &json!("hr")));
    assert_eq!(here.verdict(&here.token(&json!({"jti": "t1"}))), "REVOKED token");

    let bad = here.directory.write("bad.jsonl", format!("{}\n{}", lines[0], r#"{"scope":"token"}"#));
    here.run(&["revoke", "--from", &bad]).assert_failure(&["bad.jsonl: line 2:", "a value of jti"]);
    let listed = here.run(&["revocations", "list", "--json"]).json();
    assert_eq!(listed.len(), 4, "nothing of the file is recorded");
    here.run_with_input(&["revoke", "--from", "-"], "\n# nothing\n").assert_failure(&["no events"]);
}

#[test]
fn mistakes_in_bulk_name_line_and_field() {
    let here = Deployment::new();
    let long = format!(r#"{{"scope":"token","values":["{}"]}}"#, "x".repeat(70_000));
    let soon = format!(r#"{{"scope":"subject","values":["x"],"at":{}}}"#, now() + 1_000);
    for (line, expected) in [
        (r#"{"scop":"token","values":"x"}"#, "unknown field; did you mean `scope`?"),
        (r#"{"scope":"token","who":"x"}"#, "unknown field; the fields are scope, issuer, values"),
        (r#"{"scope":"tokne","values":"x"}"#, "scope: the policy has no such scope; did you mean `token`?"),
        (r#"{"scope":7,"values":"x"}"#, "scope: a string is expected"),
        (r#"{"values":"x"}"#, "the field `scope` is missing"),
        (r#"{"scope":"token","values":["x",1]}"#, "values: a string or a list of strings"),
        (r#"{"scope":"token","values":["x"],"values":["y"]}"#, "the field `values` is there twice"),
        (r#"{"scope":"subject","values":["x"],"at":1.5}"#, "at: whole Unix seconds"),
        (r#"{"scope":"subject","values":["x"],"at":"soon"}"#, "at: whole Unix seconds"),
        (r#"{"scope":"token","values":["x"],"at":1767225600}"#, "at: has no meaning for the scope `token`"),
        (r#"{"scope":"token","values":["x"],"until":1}"#, "until: seconds between 2020 and 2054"),
        (r#"{"scope":"token","values":["x"],"issuer":"i"}"#, "issuer: the policy has no such issuer"),
        (r#"{"scope":"token","values":["x"]"#, "not JSON"),
        (r#"{"scope":"token","values":["x"]} x"#, "not JSON"),
        ("[]", "a JSON object is expected"),
        (&long, "longer than 65536 bytes"),
        (&soon, "at: lies in the future"),
    ] {
        let run = here.run_with_input(&["revoke", "--from", "-"], &format!("\n{line}\n"));
        run.assert_failure(&["standard input: line 2: ", expected]);
    }
    // A stream is recorded as it comes; what was recorded before the mistake is told.
    let many = "{\"scope\":\"token\",\"values\":\"x\"}\n".repeat(40_000);
    let run = here.run_with_input(&["revoke", "--from", "-"], &format!("{many}{{}}\n"));
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("recorded before the error: 32,768 events, operation "), "{}", run.stderr);
    assert!(run.stderr.contains("error: standard input: line 40001: "), "{}", run.stderr);
}

#[test]
fn a_logout_token_ends_a_session_or_all_of_a_subject() {
    let here = Deployment::new();
    let event = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    let logout = |more: serde_json::Value| {
        let mut claims = json!({"iss": ISSUER, "aud": "api", "iat": now(), "exp": now() + 60, "jti": "l", "events": event});
        for (name, value) in more.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        here.sign(&claims, "logout+jwt")
    };
    let token = here.token_at(now() - 60, &json!({"sid": "s1"}));
    let told = here.revoke(&["--logout-token", &logout(json!({"sid": "s1", "sub": "alice"}))]);
    assert!(told.stdout.starts_with("revoked session \"s1\" of "), "{}", told.stdout);
    assert_eq!(here.verdict(&token), "REVOKED session");
    let second = here.token_at(now() - 60, &json!({"sid": "s2"}));
    assert_eq!(here.verdict(&second), "accepted");
    let by_subject = logout(json!({"sub": "alice"}));
    let told = here.run_with_input(&["revoke", "--logout-token", "-"], &by_subject);
    assert!(told.stdout.starts_with("revoked subject \"alice\" of "), "{}{}", told.stdout, told.stderr);
    assert_eq!(here.verdict(&second), "REVOKED subject");

    let recorded = here.run(&["revocations", "list"]).stdout;
    let forged = by_subject.replace('.', "A.");
    let access = here.token(&json!({"sid": "s3"}));
    for (message, part) in [
        (forged.as_str(), "refused: "),
        (&access, "refused: "),
        (&logout(json!({"sub": "alice", "nonce": "n"})), "`nonce` must not be there"),
        (&logout(json!({"sub": "alice", "aud": "someone-else"})), "AUDIENCE_MISMATCH"),
    ] {
        here.run(&["revoke", "--logout-token", message]).assert_failure(&["--logout-token: ", part]);
    }
    assert_eq!(here.run(&["revocations", "list"]).stdout, recorded);
    let rp = logout(json!({"sub": "carol", "aud": "client-1"}));
    here.revoke(&["--logout-token", &rp, "--audience", "client-1"]);
}

#[test]
fn security_events_and_revocation_requests_revoke() {
    let here = Deployment::new();
    let set = |uri: &str, subject: serde_json::Value| {
        let claims = json!({"iss": ISSUER, "aud": "api", "iat": now(), "jti": "e", "sub_id": subject,
            "events": {uri: {}}});
        here.sign(&claims, "secevent+jwt")
    };
    let revoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
    let token = here.token_at(now() - 60, &json!({"jti": "t1"}));
    let alice = set(revoked, json!({"format": "opaque", "id": "alice"}));
    let told = here.revoke(&["--security-event", &alice, "--reason", "risk"]);
    assert!(told.stdout.starts_with("revoked subject \"alice\" of "), "{}", told.stdout);
    assert_eq!(here.verdict(&token), "REVOKED subject");

    let user = json!({"format": "complex", "tenant": {"format": "opaque", "id": "acme"},
        "org_unit": {"format": "opaque", "id": "sales"}});
    let complex = set(revoked, user);
    here.run(&["revoke", "--security-event", &complex])
        .assert_failure(&["no revocation scope", "org_unit+tenant"]);
    here.revoke(&["--security-event", &complex, "--map", "tenant+org_unit=department"]);
    let of_sales = here.token_at(now() - 60, &json!({"sub": "bob", "tenant": "acme", "department": "sales"}));
    assert_eq!(here.verdict(&of_sales), "REVOKED department");

    let unrelated = set("https://example.com/an-event", json!({"format": "opaque", "id": "dave"}));
    let told = here.revoke(&["--security-event", &unrelated]);
    assert_eq!(told.stdout, "");
    assert!(told.stderr.starts_with("nothing to revoke"), "{}", told.stderr);

    let bob = here.token(&json!({"sub": "bob", "jti": "t2"}));
    assert_eq!(here.verdict(&bob), "accepted");
    let told = here.revoke(&["--rfc7009", &bob]);
    assert!(told.stdout.starts_with("revoked token \"t2\" of "), "{}", told.stdout);
    assert_eq!(here.verdict(&bob), "REVOKED token");
    let without_id = here.token(&json!({"sub": "bob"}));
    here.run(&["revoke", "--rfc7009", &without_id]).assert_failure(&["--rfc7009: `jti` is missing"]);
}
