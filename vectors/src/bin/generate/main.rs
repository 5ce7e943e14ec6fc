//! Writes the case files, byte for byte the same every time.
//!
//! `generate` writes them, `generate --check` fails if the committed ones differ, `generate --new-keys` draws
//! the test keys anew first (and thereby changes every file). The keys protect nothing: they are published.

mod accepted;
mod algorithm_and_key;
mod book;
mod claims_and_policy;
mod forge;
mod key_rules;
mod parsing;
mod rfc;

use std::path::Path;
use std::process::ExitCode;

use forge::Forge;

/// What is wrong, in one line.
type Failure = String;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => write_files(),
        ["--check"] => check_files(),
        ["--new-keys"] => forge::write_new_keys(root()).and_then(|()| write_files()),
        _ => Err("usage: generate [--check | --new-keys]".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("generate: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files() -> Result<Vec<(&'static str, String)>, Failure> {
    let forge = Forge::read(root())?;
    Ok(vec![
        ("accepted.json", accepted::book(&forge)?.into_json()?),
        ("algorithm_and_key.json", algorithm_and_key::book(&forge)?.into_json()?),
        ("claims_and_policy.json", claims_and_policy::book(&forge)?.into_json()?),
        ("key_rules.json", key_rules::book(&forge)?.into_json()?),
        ("parsing.json", parsing::book(&forge)?.into_json()?),
        ("rfc.json", rfc::book(&forge)?.into_json()?),
    ])
}

fn write_files() -> Result<(), Failure> {
    for (name, text) in files()? {
        std::fs::write(root().join(name), text).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}

fn check_files() -> Result<(), Failure> {
    for (name, text) in files()? {
        let committed = std::fs::read_to_string(root().join(name)).map_err(|e| format!("{name}: {e}"))?;
        if committed != text {
            return Err(format!("{name} is not what the generator makes; run it without --check"));
        }
    }
    Ok(())
}
