//! What revocation costs, as markdown tables: `revocation [--negatives COUNT] [PART]...`, all parts unless told.
//!
//! Each result is compared with what it has to be: an entry that is found where none is ends the run.
//! The time from process to process is measured by the binary `propagation`.

mod files;
mod table;

use std::env;
use std::error::Error;
use std::time::Instant;

use libtoken::revocation::{Entry, EntryKind, Fingerprint};

const USAGE: &str =
    "usage: revocation [--negatives COUNT] [lookup|write|rebuild|filter|exact|snapshot|delta|log]...";

fn main() -> Result<(), Box<dyn Error>> {
    let mut parts: Vec<String> = Vec::new();
    let mut negatives = NEGATIVES;
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--negatives" {
            negatives = arguments.next().ok_or(USAGE)?.parse()?;
        } else if PARTS.contains(&argument.as_str()) {
            parts.push(argument);
        } else {
            return Err(USAGE.into());
        }
    }
    for part in PARTS {
        if !parts.is_empty() && !parts.iter().any(|wanted| wanted == part) {
            continue;
        }
        println!("\n### {part}\n");
        match part {
            "lookup" => table::lookup()?,
            "write" => table::write()?,
            "rebuild" => table::rebuild()?,
            "filter" => table::filter()?,
            "exact" => table::exact(negatives)?,
            "snapshot" => files::snapshot()?,
            "delta" => files::delta()?,
            _ => files::log()?,
        }
    }
    Ok(())
}

const PARTS: [&str; 8] = ["lookup", "write", "rebuild", "filter", "exact", "snapshot", "delta", "log"];

/// Enough to see an error rate of 1e-8; some seconds.
const NEGATIVES: u64 = 100_000_000;

/// Now, for all that is measured, in seconds since the Unix epoch.
const NOW: i64 = 1_800_000_000;

/// The public id of the fingerprint key.
const KEY_ID: [u8; 8] = *b"hash key";

/// Fingerprints from here on are never entered.
const ABSENT: u64 = 1 << 40;

/// Scrambles a number (the finisher of splitmix64).
fn random(number: u64) -> u64 {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ state >> 31
}

/// The fingerprint with this number. The first eight bytes of different numbers differ.
fn fingerprint(number: u64) -> Fingerprint {
    let mut bytes = [0; Fingerprint::BYTES];
    bytes[..8].copy_from_slice(&random(number).to_le_bytes());
    bytes[8..].copy_from_slice(&random(!number).to_le_bytes()[..4]);
    Fingerprint::from_bytes(bytes)
}

fn id(number: u64, until: i64) -> Entry {
    Entry { fingerprint: fingerprint(number), kind: EntryKind::Id, time: until }
}

/// Nanoseconds per call over many short rounds.
struct Spread {
    /// What it takes when nothing else disturbs.
    p5: f64,
    p50: f64,
}

/// Runs `round` with the numbers from 0 to `rounds`, each of which makes `calls` calls.
fn spread(rounds: usize, calls: usize, mut round: impl FnMut(usize)) -> Spread {
    let mut nanos: Vec<f64> = (0..rounds)
        .map(|number| {
            let start = Instant::now();
            round(number);
            start.elapsed().as_nanos() as f64 / calls as f64
        })
        .collect();
    nanos.sort_by(f64::total_cmp);
    Spread { p5: nanos[rounds / 20], p50: nanos[rounds / 2] }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The value below which this part of the sorted values lies.
fn quantile(sorted: &[u32], part: f64) -> u32 {
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

/// A row of quantiles of nanoseconds, under [`QUANTILE_HEAD`].
fn print_quantiles(what: &str, mut nanos: Vec<u32>) {
    nanos.sort_unstable();
    let at = |part| quantile(&nanos, part);
    println!("| {what} | {} | {} | {} | {} | {} |", nanos.len(), at(0.5), at(0.99), at(0.999), at(1.0));
}

const QUANTILE_HEAD: &str = "| ns | count | p50 | p99 | p99.9 | max |\n|---|---:|---:|---:|---:|---:|";
