//! `libtoken revocations status`: how far an operation is applied.

use std::io::{self, Write};

use libtoken::revocation::event::OperationId;
use libtoken::revocation::store::operation_status;
use libtoken::verify::RevocationState;

use crate::clock;
use crate::failure::{Failure, Outcome};
use crate::show;
use crate::state::{StateArgs, failure};

/// Which operation.
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The operation's id
    #[arg(value_name = "OPERATION", value_parser = operation)]
    operation: OperationId,

    #[command(flatten)]
    state: StateArgs,
}

pub(super) fn run(args: &Args) -> Result<Outcome, Failure> {
    let directory = args.state.existing_directory()?;
    let status = operation_status(&directory, args.operation).map_err(|e| failure(&directory, &e))?;
    let Some(status) = status else {
        let what = "no event of this operation is recorded";
        return Err(Failure::new("the operation", what, "`libtoken revocations list` shows the operations"));
    };
    let mut out = io::stdout().lock();
    let (events, first, last) = (show::counted(status.events, "event"), status.first_seq, status.last_seq);
    writeln!(out, "recorded: {events}, sequences {first} to {last}")?;
    let mut all = true;
    match RevocationState::open(&directory) {
        Ok(state) => {
            let applied = state.live.applied_sequence();
            all &= applied >= last;
            writeln!(out, "live table: {} (sequence {applied})", word(applied >= last))?;
        }
        Err(error) => {
            all = false;
            writeln!(out, "live table: PENDING ({error})")?;
        }
    }
    let now = clock::now();
    let pending: Vec<&str> = status.pending().map(|node| node.name.as_str()).collect();
    for node in &status.nodes {
        let applied = !pending.contains(&node.name.as_str());
        let (sequence, reported) = (node.applied_seq, clock::relative(node.updated_at, now));
        writeln!(out, "node {}: {} (sequence {sequence}, reported {reported})", node.name, word(applied))?;
    }
    let done = all && pending.is_empty();
    if !status.nodes.is_empty() {
        let least = status.nodes.iter().map(|node| (node.generation, node.applied_seq)).min();
        let (_, least) = least.unwrap_or_default();
        writeln!(out, "all {} nodes have applied sequence {least}", status.nodes.len())?;
    }
    Ok(if done { Outcome::Good } else { Outcome::Bad })
}

pub(super) fn operation(text: &str) -> Result<OperationId, String> {
    text.parse().map_err(|_| "must be 32 hexadecimal digits or a UUID".to_owned())
}

fn word(applied: bool) -> &'static str {
    if applied { "applied" } else { "PENDING" }
}

const HELP: &str = "\
The exit code is 0 if the live table and every node that reports have applied all of it, else 1. Verifiers that map
the live table see what it has; they are no nodes of their own.";
