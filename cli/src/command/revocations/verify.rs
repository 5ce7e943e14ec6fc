//! `libtoken revocations verify`: is everything in a state directory whole, and does it agree?

use std::io::{self, Write};
use std::path::Path;

use libtoken::limits::MAX_LEEWAY_SECONDS;
use libtoken::revocation::store::{Survey, records, survey};
use libtoken::revocation::{Answer, Entry, EntryKind, Lookup, NotBefore};
use libtoken::verify::RevocationState;

use crate::clock;
use crate::failure::{Failure, Outcome};
use crate::show;
use crate::state::{StateArgs, retention};

/// Every event, hash and entry is read.
#[derive(clap::Args)]
#[command(after_help = "The exit code is 0 if all is well, 1 if not.")]
pub(crate) struct Args {
    #[command(flatten)]
    state: StateArgs,
}

pub(super) fn run(args: &Args) -> Result<Outcome, Failure> {
    let directory = args.state.existing_directory()?;
    let retention = i64::from(retention(&args.state.policy()?));
    let now = clock::now();
    let mut out = io::stdout().lock();
    let mut outcome = Outcome::Good;
    let mut tell = |name: &str, result: Result<String, String>| {
        let (word, text) = match result {
            Ok(text) => ("good", text),
            Err(text) => {
                outcome = Outcome::Bad;
                ("BAD ", text)
            }
        };
        writeln!(out, "{word}  {name}: {text}")
    };

    // The table first: what is applied after this has the higher numbers.
    let live = RevocationState::open(&directory).map_err(|e| e.to_string());
    let applied = live.as_ref().map_or(0, |state| state.live.applied_sequence());
    let mut entries = Vec::new();
    let surveyed = survey(&directory, |sequence, entry| {
        if sequence <= applied && is_needed(&entry, retention, now) {
            entries.push(entry);
        }
    });
    match &surveyed {
        Ok(found) => tell("base and log", Ok(numbers(found)))?,
        Err(error) => tell("base and log", Err(error.to_string()))?,
    }
    tell("archived logs", archives(&directory))?;
    match (&live, &surveyed) {
        (Ok(state), Ok(found)) => tell("live table", compare(state, &entries, found))?,
        (Err(error), _) => tell("live table", Err(error.clone()))?,
        (Ok(_), Err(_)) => tell("live table", Err("cannot be compared without the log".to_owned()))?,
    }
    Ok(outcome)
}

fn numbers(found: &Survey) -> String {
    let mut text = format!("complete up to sequence {}", found.position.sequence);
    if found.torn_bytes > 0 {
        text += &format!("; {} at the end are not acknowledged", show::counted(found.torn_bytes, "byte"));
    }
    text
}

fn archives(directory: &Path) -> Result<String, String> {
    let mut events = 0;
    records(directory, |_, _| events += 1).map_err(|e| e.to_string())?;
    Ok(format!("{} readable in all", show::counted(events, "event")))
}

/// Is each entry in the table, with its time or a later one?
fn compare(state: &RevocationState, entries: &[Entry], found: &Survey) -> Result<String, String> {
    let mut reader = state.live.reader();
    let pinned = reader.pin().ok_or("is out of reach")?;
    let missing = entries.iter().filter(|entry| {
        let needed = match entry.kind {
            EntryKind::Id => NotBefore::ALWAYS,
            EntryKind::NotBefore => NotBefore::at(entry.time),
        };
        !matches!(pinned.lookup(entry.fingerprint), Answer::Exactly(known) if known >= needed)
    });
    let missing = missing.count() as u64;
    let sequence = state.live.applied_sequence();
    if missing > 0 {
        let missing = show::grouped(missing);
        return Err(format!("lacks {missing} of the entries; `libtoken revocations refresh`"));
    }
    if sequence < found.position.sequence {
        let last = found.position.sequence;
        return Err(format!("is at sequence {sequence} of {last}; `libtoken revocations refresh`"));
    }
    Ok(format!("has all of them, up to sequence {sequence}"))
}

/// Whether a token that the entry refuses may still be accepted by its times.
fn is_needed(entry: &Entry, retention: i64, now: i64) -> bool {
    let last_use = match entry.kind {
        EntryKind::Id => entry.time,
        EntryKind::NotBefore => entry.time.saturating_add(retention),
    };
    last_use.saturating_add(i64::from(MAX_LEEWAY_SECONDS)) >= now
}
