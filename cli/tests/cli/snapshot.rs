//! `libtoken snapshot` as its users run it: built, checked and compared.

use crate::common::run;
use crate::state::Deployment;

#[test]
fn snapshots_are_signed_checked_and_compared() {
    let here = Deployment::new();
    let stats = here.run(&["revocations", "stats", "--json"]).json();
    let key = stats[0]["public_key"].as_str().expect("a key").to_owned();
    here.revoke(&["token", "t1", "t2"]);
    here.revoke(&["subject", "alice"]);
    let old = here.directory.path("old.snapshot");
    let built = here.run(&["snapshot", "build", "--out", &old]);
    assert!(built.code == 0 && built.stderr.ends_with("up to sequence 3\n"), "{}", built.stderr);
    here.run(&["snapshot", "build", "--out", &old]).assert_failure(&["exists already", "--force"]);

    let seen = run(&["snapshot", "inspect", &old]);
    assert!(seen.code == 0 && seen.stdout.starts_with("NOT VERIFIED "), "{}", seen.stdout);
    let seen = run(&["snapshot", "inspect", &old, "--trust", &key]);
    assert!(seen.code == 0 && seen.stdout.starts_with("verified "), "{}", seen.stdout);
    let row = &run(&["snapshot", "inspect", &old, "--trust", &key, "--json"]).json()[0];
    assert_eq!((row["verified"].as_bool(), row["sequence"].as_u64()), (Some(true), Some(3)));
    assert_eq!((row["ids"].as_u64(), row["not_befores"].as_u64()), (Some(2), Some(1)));

    here.revoke(&["token", "t3"]);
    here.revoke(&["subject", "alice", "--at", "2026-01-01T00:00:00Z"]);
    let new = here.directory.path("new.snapshot");
    assert_eq!(here.run(&["snapshot", "build", "--out", &new]).code, 0);
    let diff = |more: &[&str]| run(&[&["snapshot", "diff"], more, &["--trust", &key]].concat());
    let same = diff(&[&old, &old]);
    assert_eq!((same.code, same.stdout.as_str()), (0, "0 added, 0 removed, 0 with another time\n"));
    let changed = diff(&[&old, &new]);
    assert_eq!(changed.code, 1);
    assert!(changed.stdout.starts_with("+ ") && changed.stdout.contains(" ids 20"), "{}", changed.stdout);
    assert!(changed.stdout.ends_with("\n1 added, 0 removed, 0 with another time\n"), "{}", changed.stdout);
    assert_eq!(diff(&[&new, &old, "--quiet"]).stdout, "0 added, 1 removed, 0 with another time\n");

    // Another deployment's key, another deployment's state, and a byte that was changed.
    let other = Deployment::new();
    let stats = other.run(&["revocations", "stats", "--json"]).json();
    let foreign = stats[0]["public_key"].as_str().expect("a key");
    let refused = run(&["snapshot", "inspect", &old, "--trust", foreign]);
    assert!(refused.code == 1 && refused.stdout.starts_with("REFUSED "), "{}", refused.stdout);
    let theirs = other.directory.path("theirs.snapshot");
    assert_eq!(other.run(&["snapshot", "build", "--out", &theirs]).code, 0);
    run(&["snapshot", "diff", &old, &theirs, "--trust", &key, "--trust", foreign])
        .assert_failure(&["different fingerprint keys"]);
    let mut bytes = std::fs::read(&old).expect("the snapshot");
    *bytes.last_mut().expect("bytes") ^= 1;
    let damaged = here.directory.write("damaged.snapshot", bytes);
    assert_eq!(run(&["snapshot", "inspect", &damaged, "--trust", &key]).code, 1);
    run(&["snapshot", "inspect", &here.policy]).assert_failure(&["a snapshot is needed"]);
    run(&["snapshot", "inspect", &old, "--trust", "00"]).assert_failure(&["64 hexadecimal digits"]);
}
