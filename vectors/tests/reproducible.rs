//! The committed files are what the generator makes.

use std::process::Command;

#[test]
fn the_generator_makes_the_committed_files() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_generate")).arg("--check").output().expect("the generator runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_unknown_argument_is_refused() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_generate")).arg("--chekc").output().expect("the generator runs");
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("usage"));
}

/// Classes that the data or the documents name exist in docs/attacks.md, numbered without gaps.
#[test]
fn the_classes_are_listed() {
    let text = include_str!("../../docs/attacks.md");
    let numbers: Vec<u8> = text.lines().filter_map(|line| line.split_once(". **")?.0.parse().ok()).collect();
    assert_eq!(numbers, (1..=49).collect::<Vec<u8>>());
    for case in libtoken_vectors::load().expect("data").iter().flat_map(|file| &file.cases) {
        assert!(case.attack.is_none_or(|attack| numbers.contains(&attack)), "{}", case.id);
    }
}
