//! Every case of vectors/ through the Rust API, with both kinds of backends.

use std::collections::BTreeMap;

use libtoken::crypto::Backends;
use libtoken_vectors::{Case, Deviation, File, Outcome, harness, load, native, run};

/// The Rust API is what the data describe: nothing may deviate.
const DEVIATIONS: &[Deviation] = &[];

fn on_a_new_verifier(file: &File, case: &Case, backends: Backends) -> Outcome {
    match native::verifier(file, case, backends) {
        Ok(verifier) => native::verify(&verifier, case, &mut verifier.scratch()),
        Err(problem) => Outcome::Failed(problem),
    }
}

#[test]
fn every_case_gives_its_answer_with_the_fastest_backends() {
    let summary = run(DEVIATIONS, |file, case| on_a_new_verifier(file, case, Backends::Fastest));
    let summary = summary.unwrap_or_else(|problems| panic!("{problems}"));
    // Every class that the data are meant to cover has its cases.
    for attack in 1..=27 {
        assert!(summary.by_attack.contains_key(&attack), "no case for attack {attack}");
    }
    assert!(summary.accepted > 50 && summary.refused > 500, "{summary:?}");
}

#[test]
fn every_case_gives_its_answer_with_the_other_backends() {
    for backends in [Backends::Portable, Backends::Prepared] {
        let summary = run(DEVIATIONS, |file, case| on_a_new_verifier(file, case, backends));
        summary.unwrap_or_else(|problems| panic!("{backends:?}: {problems}"));
    }
}

/// No token leaves anything behind that changes the verdict on another: all cases of one set-up run on one
/// verifier and one scratch, forwards and backwards, several times.
#[test]
fn the_order_of_tokens_changes_nothing() {
    for file in load().expect("data") {
        let mut groups: BTreeMap<String, Vec<&Case>> = BTreeMap::new();
        for case in &file.cases {
            let setup = format!("{} {:?} {:?}", case.policy, case.keys, case.key_states);
            groups.entry(setup).or_default().push(case);
        }
        for cases in groups.values() {
            let verifier = native::verifier(&file, cases[0], Backends::Fastest).expect("a verifier");
            let mut scratch = verifier.scratch();
            for round in 0..2 {
                for case in cases.iter().chain(cases.iter().rev()) {
                    let outcome = native::verify(&verifier, case, &mut scratch);
                    assert!(
                        harness::agrees(&case.expected, &outcome),
                        "round {round}, {}: {:?}, not {outcome:?}",
                        case.id,
                        case.expected
                    );
                }
            }
        }
    }
}

#[test]
fn every_data_file_is_among_those_that_are_run() {
    let known: Vec<&str> = libtoken_vectors::model::FILES.iter().map(|(name, _)| *name).collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors");
    for entry in std::fs::read_dir(folder).expect("vectors/") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        if name.ends_with(".json") {
            assert!(known.contains(&name.as_str()), "nobody runs vectors/{name}");
        }
    }
}

#[test]
fn a_field_that_nobody_reads_is_refused() {
    let (_, text) = libtoken_vectors::model::FILES[0];
    for (field, place) in [("\"cases\"", "\"color\": 1, \"cases\""), ("\"now\"", "\"later\": 1, \"now\"")] {
        let changed = text.replacen(field, place, 1);
        assert!(serde_json::from_str::<File>(text).is_ok());
        assert!(serde_json::from_str::<File>(&changed).is_err(), "{place}");
    }
}

#[test]
fn a_deviation_that_is_not_needed_fails() {
    let needless = [Deviation { id: "dots-1-MiB", reason: "none" }];
    let problems = run(&needless, |file, case| on_a_new_verifier(file, case, Backends::Fastest));
    assert!(problems.is_err_and(|p| p == "dots-1-MiB: listed as a deviation, but agrees\n"));
    let unknown = [Deviation { id: "no-such-case", reason: "none" }];
    let problems = run(&unknown, |file, case| on_a_new_verifier(file, case, Backends::Fastest));
    assert!(problems.is_err_and(|p| p.contains("no-such-case: listed as a deviation, but there is no")));
}
