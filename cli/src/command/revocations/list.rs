//! `libtoken revocations list` and `export`: the recorded events.

use std::io::{self, BufWriter, Write};

use libtoken::limits::MAX_LEEWAY_SECONDS;
use libtoken::revocation::event::{Event, OperationId};
use libtoken::revocation::store::records;

use crate::clock;
use crate::failure::{Failure, Outcome};
use crate::json_line::JsonLine;
use crate::scopes::{in_words, quoted, write_event};
use crate::state::{StateArgs, failure};

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    filter: Filter,

    /// Print one JSON object per event
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    filter: Filter,

    /// Also events whose tokens have all expired
    #[arg(long)]
    expired: bool,
}

/// Which events.
#[derive(clap::Args)]
struct Filter {
    /// Only events of this scope
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,

    /// Only events with this value, or this part of a composite
    #[arg(long, value_name = "VALUE")]
    value: Option<String>,

    /// Only events of this operation
    #[arg(long, value_name = "ID", value_parser = super::status::operation)]
    operation: Option<OperationId>,

    /// Only events recorded then or later: Unix seconds or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    since: Option<i64>,
}

impl Filter {
    fn fits(&self, event: &Event) -> bool {
        let fields = event.fields();
        self.scope.as_ref().is_none_or(|scope| *scope == fields.scope)
            && self.value.as_ref().is_none_or(|value| fields.values.contains(value))
            && self.operation.is_none_or(|operation| operation == fields.operation)
            && self.since.is_none_or(|since| fields.recorded_at >= since)
    }
}

pub(super) fn list(args: &ListArgs) -> Result<Outcome, Failure> {
    print(&args.state, &args.filter, |sequence, event| {
        let fields = event.fields();
        if args.json {
            let mut line = JsonLine::new();
            line.json("sequence", sequence)
                .string("operation", &fields.operation.to_string())
                .json("recorded_at", fields.recorded_at);
            write_event(event, &mut line);
            return Some(line.finish());
        }
        let at = clock::rfc3339(fields.recorded_at);
        let mut text = format!("{sequence:>8}  {at}  {}; operation {}", in_words(event), fields.operation);
        for (name, note) in [("actor", &fields.actor), ("reason", &fields.reason)] {
            if !note.is_empty() {
                text += &format!(", {name} {}", quoted(note));
            }
        }
        Some(text)
    })
}

pub(super) fn export(args: &ExportArgs) -> Result<Outcome, Failure> {
    let oldest = clock::now() - i64::from(MAX_LEEWAY_SECONDS);
    print(&args.state, &args.filter, |_, event| {
        if !args.expired && event.fields().effect.until() < oldest {
            return None;
        }
        let mut line = JsonLine::new();
        write_event(event, &mut line);
        Some(line.finish())
    })
}

fn print(
    state: &StateArgs,
    filter: &Filter,
    line: impl Fn(u64, &Event) -> Option<String>,
) -> Result<Outcome, Failure> {
    let directory = state.existing_directory()?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut written = Ok(());
    records(&directory, |_, record| {
        if written.is_ok()
            && filter.fits(&record.event)
            && let Some(line) = line(record.sequence, &record.event)
        {
            written = writeln!(out, "{line}");
        }
    })
    .map_err(|e| failure(&directory, &e))?;
    written?;
    out.flush()?;
    Ok(Outcome::Good)
}
