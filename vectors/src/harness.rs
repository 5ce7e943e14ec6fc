//! Runs every case through a surface and compares its answers with the data.
//!
//! A surface that answers otherwise for a known reason lists that as a [`Deviation`]; a deviation that is not
//! needed (any more) is a failure too, so the lists cannot outlive their reasons.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::model::{Case, Expected, File, load};

/// What a surface answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Accepted, with the payload as JSON text.
    Accepted(String),
    /// Refused.
    Refused {
        /// Name of the code.
        code: String,
        /// The claim or header parameter, if the surface tells it.
        claim: Option<String>,
        /// Name of the reason.
        reason: String,
    },
    /// The surface could not run the case as the data say, such as a key set that it should have loaded.
    Failed(String),
}

/// A case that a surface answers otherwise, and why that is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deviation {
    /// The case.
    pub id: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// How many cases were run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Cases with an expected acceptance.
    pub accepted: usize,
    /// Cases with an expected refusal.
    pub refused: usize,
    /// Cases by class of docs/attacks.md.
    pub by_attack: BTreeMap<u8, usize>,
}

/// Runs every case of every file.
///
/// # Errors
/// A text with one line per case that was answered wrongly, and per deviation that is not needed.
pub fn run(
    deviations: &[Deviation],
    mut surface: impl FnMut(&File, &Case) -> Outcome,
) -> Result<Summary, String> {
    let mut summary = Summary::default();
    let mut problems = String::new();
    let mut unused: BTreeMap<&str, &str> = deviations.iter().map(|d| (d.id, d.reason)).collect();
    for file in &load().map_err(|e| e.to_string())? {
        for case in &file.cases {
            match case.expected {
                Expected::Accept { .. } => summary.accepted += 1,
                Expected::Refuse { .. } => summary.refused += 1,
            }
            if let Some(attack) = case.attack {
                *summary.by_attack.entry(attack).or_default() += 1;
            }
            let outcome = surface(file, case);
            let agrees = agrees(&case.expected, &outcome);
            let deviates = unused.remove(case.id.as_str()).is_some();
            // Writing to a string cannot fail.
            let _ = match (agrees, deviates) {
                (true, false) | (false, true) => Ok(()),
                (true, true) => writeln!(problems, "{}: listed as a deviation, but agrees", case.id),
                (false, false) => {
                    writeln!(problems, "{}: expected {:?}, answered {outcome:?}", case.id, case.expected)
                }
            };
        }
    }
    for id in unused.keys() {
        let _ = writeln!(problems, "{id}: listed as a deviation, but there is no such case");
    }
    if problems.is_empty() { Ok(summary) } else { Err(problems) }
}

/// Whether an answer is the expected one. Payloads are compared as JSON values.
#[must_use]
pub fn agrees(expected: &Expected, outcome: &Outcome) -> bool {
    match (expected, outcome) {
        (Expected::Accept { claims }, Outcome::Accepted(payload)) => {
            serde_json::from_str::<Value>(payload).is_ok_and(|payload| payload == *claims)
        }
        (
            Expected::Refuse { code, claim, reason },
            Outcome::Refused { code: found_code, claim: found_claim, reason: found_reason },
        ) => code == found_code && claim == found_claim && reason == found_reason,
        (Expected::Accept { .. } | Expected::Refuse { .. }, _) => false,
    }
}
