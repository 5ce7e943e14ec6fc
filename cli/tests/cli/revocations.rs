//! `libtoken revocations` as its users run it: lists, checks, and a state directory that was damaged.

use std::fs;

use libtoken::revocation::store::{NodeReport, operation_status, report_node};
use serde_json::json;

use crate::common::run;
use crate::state::{Deployment, ISSUER, now};

#[test]
fn init_makes_private_secrets_and_prints_the_public_key() {
    let here = Deployment::without_state();
    let made = here.run(&["revocations", "init"]);
    let key =
        made.stdout.lines().find_map(|line| line.strip_prefix("public key ")).expect("a key").to_owned();
    assert_eq!(key.len(), 64);
    let stats = here.run(&["revocations", "stats", "--json"]).json();
    assert_eq!(stats[0]["public_key"], key);
    assert_eq!((&stats[0]["sequence"], &stats[0]["applied_sequence"]), (&json!(0), &json!(0)));
    #[cfg(unix)]
    for name in ["fingerprint.key", "signing.key", "events.log"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(here.state().join(name)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    // Not twice: the secrets would be lost.
    here.run(&["revocations", "init"]).assert_failure(&["the directory is not empty"]);
    // Two deployments have nothing in common.
    let other = Deployment::without_state();
    let state = other.directory.path("elsewhere");
    let made = run(&["revocations", "init", "--state", &state, "--fingerprints", "blake3"]);
    assert!(made.code == 0 && !made.stdout.contains(&key), "{}", made.stderr);
    let at_state = |arguments: &[&str]| other.run(&[arguments, &["--state", &state]].concat());
    assert_eq!(at_state(&["revoke", "subject", "alice"]).code, 0);
    assert_eq!(at_state(&["revocations", "check", "subject", "alice"]).code, 1);
    assert_eq!(at_state(&["verify", &other.token_at(now() - 60, &json!({}))]).code, 1);
}

#[test]
fn events_are_listed_filtered_exported_and_read_back() {
    let here = Deployment::new();
    here.revoke(&["subject", "alice", "--reason", "a \"b\"\u{1b}", "--actor", "ops"]);
    here.revoke(&["token", "t1", "t2"]);
    here.revoke(&["department", "acme", "sales", "--at", "2026-01-01T00:00:00Z"]);
    here.revoke(&["all", "--at", "2021-01-01T00:00:00Z"]);
    let list = |more: &[&str]| here.run(&[&["revocations", "list"], more].concat()).stdout;
    let all = list(&[]);
    assert_eq!(all.lines().count(), 5);
    assert!(all.contains(
        r#"department "acme" "sales" of https://issuer.example (tokens issued up to 2026-01-01T00:00:00Z)"#
    ));
    assert!(all.contains(r#"actor "ops", reason "a \"b\"\u001b""#) && !all.contains('\u{1b}'), "{all}");
    assert_eq!(list(&["--scope", "token"]).lines().count(), 2);
    assert_eq!(list(&["--value", "sales"]).lines().count(), 1);
    assert_eq!(list(&["--since", &(now() + 60).to_string()]), "");
    let rows = here.run(&["revocations", "list", "--json"]).json();
    assert_eq!(rows[1]["operation"], rows[2]["operation"]);
    assert_ne!(rows[1]["operation"], rows[3]["operation"]);
    assert_eq!((&rows[0]["sequence"], &rows[0]["issuer"]), (&json!(1), &json!(ISSUER)));

    // What has expired has no effect any more; the rest makes the same state elsewhere.
    let export = here.run(&["revocations", "export"]).stdout;
    assert_eq!(export.lines().count(), if now() > 1_769_817_900 { 3 } else { 4 });
    let whole = here.run(&["revocations", "export", "--expired"]).stdout;
    assert_eq!(whole.lines().count(), 5);
    let there = Deployment::new();
    assert_eq!(there.run_with_input(&["revoke", "--from", "-"], &whole).code, 0);
    assert_eq!(there.run(&["revocations", "export", "--expired"]).stdout, with_actors(&whole, &there));
    for (scope, values) in
        [("subject", &["alice"][..]), ("token", &["t2"]), ("department", &["acme", "sales"])]
    {
        assert_eq!(there.run(&[&["revocations", "check", scope], values].concat()).code, 1, "{scope}");
    }
}

/// The export as it comes back: actors that were given stay.
fn with_actors(export: &str, there: &Deployment) -> String {
    assert!(export.contains(r#""actor":"ops""#));
    assert!(there.run(&["revocations", "list"]).stdout.contains(r#"actor "ops""#));
    export.to_owned()
}

#[test]
fn a_check_names_the_event() {
    let here = Deployment::new();
    let token = here.token_at(now() - 60, &json!({"jti": "t1"}));
    let check = |more: &[&str]| here.run(&[&["revocations", "check"], more].concat());
    let clear = check(&["subject", "alice"]);
    assert_eq!((clear.code, clear.stdout.as_str()), (0, "not revoked, as of sequence 0\n"));
    assert_eq!(check(&["--token", &token]).code, 0);
    here.revoke(&["subject", "alice", "--reason", "lost laptop"]);
    here.revoke(&["token", "t9"]);
    for arguments in [&["subject", "alice"][..], &["--token", &token]] {
        let revoked = check(arguments);
        assert_eq!(revoked.code, 1);
        assert!(revoked.stdout.contains("  by event 1 of operation "), "{}", revoked.stdout);
        assert!(revoked.stdout.contains(r#"reason "lost laptop""#), "{}", revoked.stdout);
    }
    // A token that was issued after it.
    assert_eq!(check(&["--token", &here.token_at(now() + 2, &json!({}))]).code, 0);
    let from_input = here.run_with_input(&["revocations", "check", "--token", "-"], &token);
    assert_eq!(from_input.code, 1);
    check(&["--token", "x.y"]).assert_failure(&["the token: "]);
    check(&["--token", &here.token(&json!({"iss": "https://nobody.example"}))])
        .assert_failure(&["of no issuer of the policy"]);
    check(&["subjct", "alice"]).assert_failure(&["did you mean `subject`?"]);
}

#[test]
fn the_status_of_an_operation_waits_for_every_node() {
    let here = Deployment::new();
    let operation = "0123456789abcdef0123456789abcdef";
    let status = || here.run(&["revocations", "status", operation]);
    status().assert_failure(&["no event of this operation"]);
    here.revoke(&["subject", "alice", "--operation", operation]);
    let applied = status();
    assert_eq!(applied.code, 0, "{}", applied.stdout);
    assert_eq!(applied.stdout, "recorded: 1 event, sequences 1 to 1\nlive table: applied (sequence 1)\n");

    let found = operation_status(&here.state(), operation.parse().expect("an id")).expect("read");
    let generation = found.expect("recorded").generation;
    let report = |name: &str, applied_seq| {
        let report = NodeReport { name: name.to_owned(), pid: 1, generation, applied_seq, updated_at: now() };
        report_node(&here.state(), &report).expect("reported");
    };
    report("edge-1", 1);
    report("edge-2", 0);
    let waiting = status();
    assert_eq!(waiting.code, 1);
    assert!(waiting.stdout.contains("node edge-2: PENDING (sequence 0"), "{}", waiting.stdout);
    assert!(waiting.stdout.contains("node edge-1: applied (sequence 1"), "{}", waiting.stdout);
    assert!(waiting.stdout.ends_with("all 2 nodes have applied sequence 0\n"), "{}", waiting.stdout);
    let nodes = here.run(&["revocations", "nodes"]).stdout;
    assert!(nodes.starts_with("edge-1: sequence 1, process 1, reported "), "{nodes}");
    assert_eq!(here.run(&["revocations", "nodes", "--forget", "edge-2"]).code, 0);
    assert_eq!(status().code, 0);
}

#[test]
fn damage_is_found_and_the_live_table_is_made_again() {
    let here = Deployment::new();
    let token = here.token_at(now() - 60, &json!({}));
    here.revoke(&["subject", "alice"]);
    here.revoke(&["token", "t1", "t2", "t3"]);
    let verify = || here.run(&["revocations", "verify"]);
    let good = verify();
    assert_eq!(good.code, 0, "{}", good.stdout);
    assert!(good.stdout.contains("good  live table: has all of them, up to sequence 4\n"), "{}", good.stdout);

    // The live table is derived.
    for damage in ["live", "live.1"] {
        fs::remove_file(here.state().join(damage)).expect("removed");
        assert_eq!(verify().code, 1, "{damage}");
        here.run(&["verify", &token]).assert_failure(&["`libtoken revocations refresh`"]);
        let refreshed = here.run(&["revocations", "refresh"]);
        assert_eq!(refreshed.code, 0, "{}", refreshed.stderr);
        assert!(refreshed.stdout.contains("up to sequence 4, with 4 entries"), "{}", refreshed.stdout);
        assert_eq!(here.verdict(&token), "REVOKED subject");
        assert_eq!(verify().code, 0);
    }
    // So it is after a new base, which the log begins after.
    let compacted = here.run(&["revocations", "compact"]);
    assert_eq!(compacted.code, 0, "{}", compacted.stderr);
    fs::remove_file(here.state().join("live")).expect("removed");
    here.revoke(&["token", "t4"]);
    assert_eq!(here.verdict(&token), "REVOKED subject");
    assert_eq!(verify().code, 0);
    assert_eq!(here.run(&["revocations", "list"]).stdout.lines().count(), 5);

    // The log is not: damage to what was acknowledged is reported, never skipped.
    let log = here.state().join("events.log");
    here.revoke(&["token", "t5"]);
    let mut bytes = fs::read(&log).expect("the log");
    bytes[150] ^= 1;
    fs::write(&log, &bytes).expect("written");
    let bad = verify();
    assert_eq!(bad.code, 1);
    assert!(
        bad.stdout.contains("BAD   base and log: the revocation log is damaged at byte "),
        "{}",
        bad.stdout
    );
    here.run(&["revoke", "token", "t6"]).assert_failure(&["the revocation log is damaged", "from a copy"]);
    bytes[150] ^= 1;
    fs::write(&log, &bytes).expect("written");

    // A torn tail was never acknowledged.
    bytes.extend([0xff, b'L', b'F', 0xfe, 9, 9]);
    fs::write(&log, &bytes).expect("written");
    let told = here.revoke(&["token", "t7"]);
    assert!(
        told.stderr.contains("6 bytes of events that were never acknowledged are cut"),
        "{}",
        told.stderr
    );
    assert_eq!(verify().code, 0);
}
