//! `libtoken revocations stats`: the numbers of a state directory.

use std::io::{self, Write};

use libtoken::revocation::store::survey;
use libtoken::verify::RevocationState;

use crate::clock;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::json_line::JsonLine;
use crate::show::grouped;
use crate::state::{StateArgs, failure};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    state: StateArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Outcome, Failure> {
    let directory = args.state.existing_directory()?;
    let found = survey(&directory, |_, _| {}).map_err(|e| failure(&directory, &e))?;
    let live = RevocationState::open(&directory)
        .and_then(|state| {
            let stats = state.live.stats().map_err(libtoken::revocation::store::StoreError::Live)?;
            Ok((state.live.applied_sequence(), state.live.as_of(), stats))
        })
        .map_err(|e| e.to_string());
    let public_key = super::public_key(&directory).map(|key| super::hex(&key));
    let mut out = io::stdout().lock();
    if args.json {
        let mut line = JsonLine::new();
        line.optional("public_key", public_key.as_deref())
            .string("fingerprint_key_id", &super::hex(&found.fingerprint_key))
            .json("generation", found.position.generation)
            .json("sequence", found.position.sequence)
            .json("log_bytes", found.log_bytes)
            .json("base_entries", found.base_entries)
            .json("base_bytes", found.base_bytes)
            .json("base_created", found.base.created);
        match &live {
            Ok((sequence, as_of, stats)) => line
                .json("applied_sequence", sequence)
                .json("as_of", as_of)
                .json("entries", stats.entries)
                .json("live_bytes", stats.bytes),
            Err(error) => line.string("live_error", error),
        };
        writeln!(out, "{}", line.finish())?;
        return Ok(Outcome::Good);
    }
    let now = clock::now();
    let mut row = |name: &str, value: String| writeln!(out, "{name:<16}{value}");
    row("state directory", files::name(&directory))?;
    row("public key", public_key.unwrap_or_else(|| "only its owner can read it".to_owned()))?;
    row("sequence", grouped(found.position.sequence))?;
    match &live {
        Ok((sequence, as_of, stats)) => {
            row(
                "applied",
                format!("{}, complete as of {}", grouped(*sequence), clock::relative(*as_of, now)),
            )?;
            let (entries, bytes) = (grouped(stats.entries as u64), grouped(stats.bytes as u64));
            row("live table", format!("{entries} entries, {bytes} bytes"))?;
        }
        Err(error) => row("live table", error.clone())?,
    }
    row("log", format!("{} bytes", grouped(found.log_bytes)))?;
    let (entries, bytes) = (grouped(found.base_entries as u64), grouped(found.base_bytes as u64));
    let made = clock::relative(found.base.created, now);
    row("base", format!("{entries} entries, {bytes} bytes, made {made}"))?;
    Ok(Outcome::Good)
}
