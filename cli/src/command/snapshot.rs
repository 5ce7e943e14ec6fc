//! `libtoken snapshot`: the signed form of the revocation state that followers fetch.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use libtoken::limits::MAX_TOKEN_AGE_SECONDS;
use libtoken::revocation::defect::Defect;
use libtoken::revocation::ratchet::Ratchet;
use libtoken::revocation::signing::TrustedKeys;
use libtoken::revocation::snapshot::{Snapshot, Unverified};
use libtoken::revocation::{EntryKind, Fingerprint};

use crate::clock;
use crate::command::revocations::hex;
use crate::failure::{Failure, Outcome};
use crate::files::{self, Access, Existing};
use crate::json_line::JsonLine;
use crate::show::grouped;
use crate::state::StateArgs;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Write the signed snapshot of a state directory to a file
    Build(BuildArgs),
    /// Show what a snapshot says, and check it where --trust is given
    Inspect(InspectArgs),
    /// Compare two snapshots, entry by entry; the exit code is 0 if they have the same entries
    Diff(DiffArgs),
}

#[derive(clap::Args)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    state: StateArgs,

    /// Where to write it
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,

    /// How long it may be used
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_VALID_FOR,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_TOKEN_AGE_SECONDS)))]
    valid_for: u32,

    /// How old followers should let their state become
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_MAX_STALENESS)]
    max_staleness: u32,

    /// Replace a file that exists
    #[arg(long)]
    force: bool,
}

#[derive(clap::Args)]
pub(crate) struct InspectArgs {
    #[arg(value_name = "FILE")]
    snapshot: PathBuf,

    /// Public key that may sign, in 64 hexadecimal digits; may be repeated
    #[arg(long, value_name = "KEY", value_parser = public_key)]
    trust: Vec<[u8; 32]>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(crate) struct DiffArgs {
    #[arg(value_name = "OLD")]
    old: PathBuf,

    #[arg(value_name = "NEW")]
    new: PathBuf,

    /// Public key that may sign, in 64 hexadecimal digits; may be repeated
    #[arg(long, value_name = "KEY", value_parser = public_key, required = true)]
    trust: Vec<[u8; 32]>,

    /// Print only the counts
    #[arg(long, short)]
    quiet: bool,
}

impl Command {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        match self {
            Command::Build(args) => build(args),
            Command::Inspect(args) => inspect(args),
            Command::Diff(args) => diff(args),
        }
    }
}

fn build(args: &BuildArgs) -> Result<Outcome, Failure> {
    let mut open = args.state.open()?;
    let snapshot = open.store.snapshot(clock::now(), args.valid_for, args.max_staleness);
    let bytes = snapshot.map_err(|e| open.failure(&e))?;
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    files::write(&args.out, &bytes, Access::Default, existing)?;
    if !files::is_stdio(&args.out) {
        let (size, sequence) = (grouped(bytes.len() as u64), open.store.position().sequence);
        let name = files::name(&args.out);
        // The file is written; a closed standard error changes nothing about that.
        let _ = writeln!(io::stderr(), "{name}: {size} bytes, up to sequence {sequence}");
    }
    Ok(Outcome::Good)
}

fn inspect(args: &InspectArgs) -> Result<Outcome, Failure> {
    let bytes = files::read(&args.snapshot)?;
    let shown = Unverified::read(&bytes)
        .map_err(|e| Failure::new(files::name(&args.snapshot), e, "a snapshot is needed"))?;
    let now = clock::now();
    let verdict = match args.trust.as_slice() {
        [] => None,
        keys => {
            let trusted = trusted(keys)?;
            let key_id = shown.header.fingerprint_key;
            Some(Snapshot::parse_verified(&bytes, &trusted, &Ratchet::new(), key_id, now).map(drop))
        }
    };
    let mut out = io::stdout().lock();
    let header = &shown.header;
    if args.json {
        let mut line = JsonLine::new();
        line.json("generation", header.generation)
            .json("sequence", header.sequence)
            .json("created", header.created)
            .json("valid_until", header.valid_until)
            .json("max_staleness", header.max_staleness)
            .string("fingerprint_key_id", &hex(&header.fingerprint_key))
            .string("signer", &shown.signer.to_string())
            .json("bytes", bytes.len());
        for section in &shown.sections {
            line.json(kind_name(section.kind), section.entries);
        }
        match verdict {
            None => line.json("verified", "null"),
            Some(Ok(())) => line.json("verified", "true"),
            Some(Err(defect)) => line.json("verified", "false").string("defect", &defect.to_string()),
        };
        writeln!(out, "{}", line.finish())?;
    } else {
        let mut row = |name: &str, value: String| writeln!(out, "{name:<16}{value}");
        match verdict {
            None => row("NOT VERIFIED", "anyone could have written this; give --trust KEY".to_owned())?,
            Some(Ok(())) => row("verified", "signed by a trusted key, whole, and valid now".to_owned())?,
            Some(Err(defect)) => row("REFUSED", defect.to_string())?,
        }
        row("sequence", format!("{} of generation {}", header.sequence, header.generation))?;
        row("created", moment(header.created, now))?;
        row("valid until", moment(header.valid_until, now))?;
        row("max staleness", format!("{} seconds", header.max_staleness))?;
        row("signer", shown.signer.to_string())?;
        row("fingerprint key", hex(&header.fingerprint_key))?;
        for section in &shown.sections {
            let (entries, bits) = (grouped(section.entries as u64), section.time_bits);
            row(kind_name(section.kind), format!("{entries} entries, {bits} bits of time each"))?;
        }
        row("size", format!("{} bytes", grouped(bytes.len() as u64)))?;
    }
    Ok(if matches!(verdict, Some(Err(_))) { Outcome::Bad } else { Outcome::Good })
}

fn diff(args: &DiffArgs) -> Result<Outcome, Failure> {
    let trusted = trusted(&args.trust)?;
    let (old, new) = (entries(&args.old, &trusted)?, entries(&args.new, &trusted)?);
    if old.key_id != new.key_id {
        let what = "the snapshots were made with different fingerprint keys";
        return Err(Failure::new(files::name(&args.new), what, "only snapshots of one deployment compare"));
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let (mut added, mut removed, mut changed) = (0_u64, 0_u64, 0_u64);
    let mut line = |sign: char, (kind, fingerprint): &Name, times: String| {
        if args.quiet {
            return Ok(());
        }
        writeln!(out, "{sign} {} {} {times}", hex(&fingerprint.to_bytes()), kind_name(*kind))
    };
    for (name, time) in &old.entries {
        match new.entries.get(name) {
            None => {
                removed += 1;
                line('-', name, clock::rfc3339(*time))?;
            }
            Some(later) if later != time => {
                changed += 1;
                line('~', name, format!("{} -> {}", clock::rfc3339(*time), clock::rfc3339(*later)))?;
            }
            Some(_) => {}
        }
    }
    for (name, time) in new.entries.iter().filter(|(name, _)| !old.entries.contains_key(name)) {
        added += 1;
        line('+', name, clock::rfc3339(*time))?;
    }
    let [added_text, removed_text, changed_text] = [added, removed, changed].map(grouped);
    writeln!(out, "{added_text} added, {removed_text} removed, {changed_text} with another time")?;
    out.flush()?;
    Ok(if added + removed + changed == 0 { Outcome::Good } else { Outcome::Bad })
}

type Name = (EntryKind, Fingerprint);

/// The entries of a snapshot, with the key that made their fingerprints.
struct Entries {
    key_id: [u8; 8],
    entries: BTreeMap<Name, i64>,
}

fn entries(path: &Path, trusted: &TrustedKeys) -> Result<Entries, Failure> {
    let refused =
        |e: Defect| Failure::new(files::name(path), e, "a snapshot signed by a --trust key is needed");
    let bytes = files::read(path)?;
    let header = Unverified::read(&bytes).map_err(refused)?.header;
    // Its own time of making: one that may not be used any more can still be compared.
    let key_id = header.fingerprint_key;
    let snapshot = Snapshot::parse_verified(&bytes, trusted, &Ratchet::new(), key_id, header.created);
    let snapshot = snapshot.map_err(refused)?;
    let entries = snapshot.entries().map(|entry| ((entry.kind, entry.fingerprint), entry.time)).collect();
    Ok(Entries { key_id, entries })
}

fn trusted(keys: &[[u8; 32]]) -> Result<TrustedKeys, Failure> {
    TrustedKeys::new(keys)
        .map_err(|e| Failure::new("--trust", e, "`libtoken revocations stats` prints the key"))
}

fn moment(time: i64, now: i64) -> String {
    format!("{} ({})", clock::rfc3339(time), clock::relative(time, now))
}

fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Id => "ids",
        EntryKind::NotBefore => "not_befores",
    }
}

fn public_key(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "must be 64 hexadecimal digits, as `libtoken revocations init` prints them".to_owned();
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let digits = std::str::from_utf8(pair).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u8::from_str_radix(digits, 16).ok()
    };
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    let bytes = bytes.filter(|_| rest.is_empty()).ok_or_else(wrong)?;
    bytes.try_into().map_err(|_| wrong())
}

/// A day: a follower that was cut off for longer should not trust what it has.
const DEFAULT_VALID_FOR: u32 = 86_400;

/// A minute, in seconds: many times the half second at which followers ask.
const DEFAULT_MAX_STALENESS: u32 = 60;
