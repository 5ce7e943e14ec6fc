//! `libtoken keys check`: what a verifier would make of each key of a set.

use std::io::{self, Write};
use std::path::PathBuf;

use libtoken::jose::algorithm::{Algorithm, KeyType};
use libtoken::jose::jwk::{self, KeySetError};
use libtoken::verify::{
    AudienceRule, IssuerPolicy, KeyReport, KeySetReport, KeyUpdateError, Policy, SkippedKey, Verifier,
};

use crate::failure::{Failure, Outcome};
use crate::files;
use crate::json_line::JsonLine;
use crate::show::{self, Tone, Visible};
use crate::verifier_args::algorithm;

/// The exit code is 0 if every key can be used, 1 if one is skipped, 2 if the file is no key set.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// JWK Set or JWK file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Check as for an issuer whose policy lists these algorithms; shared secrets need it
    #[arg(long, short, value_name = "ALGORITHM", value_parser = algorithm)]
    algorithm: Vec<Algorithm>,

    /// Print one JSON object per key
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let place = files::name(&args.file);
    let mut json = files::read_document(&args.file)?;
    let no_set = |e: KeySetError| Failure::new(&place, e, "a JWK or a JWK Set (RFC 7517) is needed");
    let entries = match jwk::parse_set(&json) {
        Err(KeySetError::SingleKey) => {
            json = [b"{\"keys\":[", json.as_slice(), b"]}"].concat();
            jwk::parse_set(&json)
        }
        other => other,
    }
    .map_err(no_set)?;
    if entries.is_empty() {
        return Err(Failure::new(place, "the key set is empty", "an issuer needs at least one key"));
    }
    let report = load(&json, &args.algorithm)
        .map_err(|e| Failure::new(&place, e, "check the algorithms that are asked for"))?;

    let mut out = io::stdout().lock();
    let mut used = report.keys.iter();
    for (index, entry) in entries.iter().enumerate() {
        // The verifier reports used keys in the order of the set, and skipped ones with their places.
        let verdict = match report.skipped.iter().find(|skipped| skipped.index == index) {
            Some(skipped) => Err(skipped),
            None => match used.next() {
                Some(key) => Ok(key),
                None => continue,
            },
        };
        // The thumbprint of a shared secret would tell something about the secret (RFC 7638 §7).
        let material = entry.key.as_ref().ok().map(|key| &key.material);
        let thumbprint = material.filter(|m| m.key_type() != KeyType::Oct).map(|m| m.thumbprint());
        let row = if args.json {
            json_row(index, verdict, thumbprint.as_deref())
        } else {
            row(index, verdict, thumbprint.as_deref())
        };
        writeln!(out, "{row}")?;
    }
    Ok(if report.skipped.is_empty() { Outcome::Good } else { Outcome::Bad })
}

/// What a verifier reports of the set.
fn load(json: &[u8], algorithms: &[Algorithm]) -> Result<KeySetReport, KeyUpdateError> {
    let mut issuer = IssuerPolicy::new(ISSUER, AudienceRule::Unchecked);
    issuer.algorithms = (!algorithms.is_empty()).then(|| algorithms.iter().copied().collect());
    // A policy of one named issuer with nothing else set cannot be refused.
    let policy = Policy::new(vec![issuer]).map_err(|_| KeyUpdateError::UnknownIssuer)?;
    match Verifier::new(policy).replace_operator_keys(ISSUER, json) {
        Err(KeyUpdateError::NoUsableKey(report)) => Ok(report),
        other => other,
    }
}

fn row(index: usize, verdict: Result<&KeyReport, &SkippedKey>, thumbprint: Option<&str>) -> String {
    let kid = match verdict {
        Ok(key) => key.kid.as_deref(),
        Err(key) => key.kid.as_deref(),
    };
    let kid = kid.map_or_else(|| "no kid".to_owned(), |kid| format!("kid {}", Visible(kid)));
    let thumbprint = thumbprint.map(|t| format!(", thumbprint {t}")).unwrap_or_default();
    match verdict {
        Ok(key) => {
            let word = show::toned("usable ", Tone::Good, show::colors());
            let names: Vec<&str> = key.algorithms.iter().map(Algorithm::name).collect();
            format!("{index:>4}  {word}  {kid}: {} by {}{thumbprint}", names.join(", "), key.backend)
        }
        Err(key) => {
            let word = show::toned("SKIPPED", Tone::Bad, show::colors());
            format!("{index:>4}  {word}  {kid}: {}{thumbprint}", key.problem)
        }
    }
}

fn json_row(index: usize, verdict: Result<&KeyReport, &SkippedKey>, thumbprint: Option<&str>) -> String {
    let mut row = JsonLine::new();
    row.json("index", index);
    match verdict {
        Ok(key) => {
            row.optional("kid", key.kid.as_deref())
                .string("verdict", "usable")
                .strings("algorithms", key.algorithms.iter().map(Algorithm::name))
                .string("backend", key.backend);
        }
        Err(key) => {
            row.optional("kid", key.kid.as_deref())
                .string("verdict", "skipped")
                .string("reason", &key.problem.to_string());
        }
    }
    row.optional("thumbprint", thumbprint).finish()
}

/// The issuer of the policy under which keys are checked; no token ever names it.
const ISSUER: &str = "keys check";
