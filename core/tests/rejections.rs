//! docs/rejections.md says what `error.rs` does: number, name, status, challenge, message and reasons.

use std::collections::BTreeSet;

use libtoken::error::{Code, Reason, Rejection};

const DOCUMENT: &str = include_str!("../../docs/rejections.md");

/// The cells of every table row that begins with what `is_first` accepts.
fn rows(is_first: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
        Some(inner.split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect())
    };
    DOCUMENT
        .lines()
        .filter_map(cells)
        .filter(|row| row.first().is_some_and(|first| is_first(first)))
        .collect()
}

#[test]
fn the_table_of_codes_is_the_code() {
    let rows = rows(|first| first.parse::<u16>().is_ok());
    assert_eq!(rows.len(), Code::ALL.len());
    for (row, code) in rows.iter().zip(Code::ALL) {
        let [number, name, status, challenge, message, action] = row.as_slice() else {
            panic!("six columns: {row:?}")
        };
        assert_eq!(*number, code.number().to_string());
        assert_eq!(*name, code.name());
        assert_eq!(*status, code.http_status().to_string(), "{name}");
        assert_eq!(*challenge, code.challenge().unwrap_or("none"), "{name}");
        assert_eq!(*message, code.message(), "{name}");
        assert!(action.len() > 10 && action.ends_with('.'), "{name} says what to do: {action}");
    }
}

#[test]
fn codes_are_in_order_and_unique() {
    let numbers: Vec<u16> = Code::ALL.iter().map(|c| c.number()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b));
    let names: BTreeSet<&str> = Code::ALL.iter().map(|c| c.name()).collect();
    let messages: BTreeSet<&str> = Code::ALL.iter().map(|c| c.message()).collect();
    assert_eq!((names.len(), messages.len()), (Code::ALL.len(), Code::ALL.len()));
    // The list in the source is written by hand: a code that it lacks would show as a gap between the variants.
    let source = include_str!("../src/error.rs");
    let variants = source.lines().filter(|l| {
        let number = l.trim().strip_suffix(',').and_then(|l| l.split_once(" = "));
        number.is_some_and(|(_, number)| number.parse::<u16>().is_ok())
    });
    assert_eq!(variants.count(), Code::ALL.len());
}

#[test]
fn status_and_challenge_go_together() {
    for code in Code::ALL {
        match code.http_status() {
            401 | 403 => assert!(code.challenge().is_some(), "{}", code.name()),
            500 | 503 => assert!(code.challenge().is_none(), "{}", code.name()),
            other => panic!("{}: {other}", code.name()),
        }
    }
}

#[test]
fn expired_and_revoked_are_told_apart() {
    let action = |code: Code| {
        let row = rows(|first| first == code.number().to_string()).remove(0);
        row.last().cloned().unwrap_or_default()
    };
    assert_ne!(Code::Expired.number(), Code::Revoked.number());
    assert!(action(Code::Expired).starts_with("Refresh"));
    assert!(action(Code::Revoked).starts_with("Log in again. Do not refresh"));
}

#[test]
fn the_table_of_reasons_is_the_code() {
    let reasons =
        [Reason::CheckFailed, Reason::Missing, Reason::WrongType, Reason::OutOfRange, Reason::Syntax];
    let names: Vec<&str> = reasons.iter().map(|r| r.name()).collect();
    let rows = rows(|first| names.contains(&first));
    assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), names);
}

#[test]
fn a_rejection_reads_as_one_line() {
    for (rejection, text) in [
        (
            Rejection::new(Code::MalformedToken, Reason::Syntax),
            "the token is not three segments joined by dots [MALFORMED_TOKEN]",
        ),
        (Rejection::of(Code::Expired, "exp", Reason::CheckFailed), "the token has expired (`exp`) [EXPIRED]"),
        (
            Rejection::of(Code::InvalidClaim, "nbf", Reason::WrongType),
            "a claim of the token has a wrong type or value (`nbf` has the wrong JSON type) [INVALID_CLAIM]",
        ),
        (
            Rejection::of(Code::MissingClaim, "sid", Reason::Missing),
            "the token lacks a required claim (`sid` is missing) [MISSING_CLAIM]",
        ),
        (
            Rejection::of(Code::InvalidClaim, "exp", Reason::OutOfRange),
            "a claim of the token has a wrong type or value (`exp` is out of range) [INVALID_CLAIM]",
        ),
        (
            Rejection::of(Code::InvalidEncoding, "header", Reason::Syntax),
            "a segment of the token is not canonical base64url (`header` is malformed) [INVALID_ENCODING]",
        ),
    ] {
        assert_eq!(rejection.to_string(), text);
    }
}
