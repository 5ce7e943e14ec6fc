//! `libtoken revoke --from`: many events, one JSON object per line, in one operation.
//!
//! A file is checked to its last line before anything of it is recorded; a stream is recorded as it comes, in
//! groups that share one write to disk. Lines are parsed with simd-json, onto a tape that is used again: a
//! mistake is told with its line and field, and nothing is built that is not kept.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

use indicatif::ProgressBar;
use libtoken::revocation::Entry;
use libtoken::revocation::event::Event;
use libtoken::revocation::inputs::Order;
use simd_json::prelude::*;
use simd_json::{Buffers, Tape, tape};

use super::Args;
use crate::clock;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::json_line::JsonLine;
use crate::lines::Lines;
use crate::nearest::nearest;
use crate::progress::{self, Unit};
use crate::scopes::{Notes, Scopes};
use crate::show;
use crate::state::Open;

pub(super) fn run(path: &Path, args: &Args, notes: &Notes<'_>) -> Result<Outcome, Failure> {
    let mut open = args.state.open()?;
    let place = files::name(path);
    let issuer = args.issuer.as_deref();
    let mut reader = LineReader::default();
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut input: Box<dyn Read> = Box::new(io::stdin().lock());
    let mut size = None;
    if !files::is_stdio(path) {
        let file = files::open(path)?;
        // What is no regular file can be read once only, like standard input.
        size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
        input = Box::new(file);
    }
    if size.is_some() {
        check_all(files::open(path)?, &mut reader, &open.scopes, issuer, notes, &place, size)?;
    }
    let bar = progress::bar(Unit::Bytes(size), false);
    let mut lines = Lines::new(input, MAX_LINE_BYTES);
    let mut group = Group::new(&mut open, &mut tally);
    loop {
        // Whoever sends has nothing more right now: what is there must not wait for it.
        if size.is_none() && lines.may_wait() {
            group.record()?;
        }
        if group.is_empty() {
            bar.set_position(lines.bytes_read);
        }
        let event = next(&mut lines, &mut reader, &group.open.scopes, issuer, notes, &place);
        match event.map_err(|failure| group.tally.so_far(notes, failure))? {
            Some(event) => group.push(event)?,
            None => break,
        }
    }
    group.record()?;
    bar.finish_and_clear();
    if tally.events == 0 {
        return Err(Failure::new(place, "no events", "give at least one, one JSON object per line"));
    }
    let reported = report(args, &tally, notes, started);
    open.finish();
    reported
}

/// Reads a whole file without recording anything.
fn check_all(
    file: impl Read,
    reader: &mut LineReader,
    scopes: &Scopes,
    issuer: Option<&str>,
    notes: &Notes<'_>,
    place: &str,
    size: Option<u64>,
) -> Result<(), Failure> {
    let bar = progress::bar(Unit::Bytes(size), false);
    bar.set_message("checking");
    let mut lines = Lines::new(file, MAX_LINE_BYTES);
    let mut count = 0_usize;
    while next(&mut lines, reader, scopes, issuer, notes, place)?.is_some() {
        count += 1;
        update(&bar, count, lines.bytes_read);
    }
    bar.finish_and_clear();
    Ok(())
}

fn update(bar: &ProgressBar, count: usize, bytes: u64) {
    if count.is_multiple_of(GROUP_EVENTS) {
        bar.set_position(bytes);
    }
}

/// The event of the next line that has one; `None` at the end of the input.
fn next(
    lines: &mut Lines<impl Read>,
    reader: &mut LineReader,
    scopes: &Scopes,
    issuer: Option<&str>,
    notes: &Notes<'_>,
    place: &str,
) -> Result<Option<(Event, Entry)>, Failure> {
    loop {
        let line = lines.next().map_err(|e| {
            Failure::new(place, format_args!("cannot be read ({e})"), "check the file or the sender")
        })?;
        let Some(line) = line else { return Ok(None) };
        if line.bytes.is_empty() || line.bytes.starts_with(b"#") {
            continue;
        }
        let number = line.number;
        let event = if line.bytes.len() > MAX_LINE_BYTES {
            Err(format!("longer than {MAX_LINE_BYTES} bytes"))
        } else {
            reader.event(line.bytes, scopes, issuer, notes)
        };
        return event.map(Some).map_err(|what| {
            Failure::new(format_args!("{place}: line {number}"), what, "correct the line and run again")
        });
    }
}

/// Events that wait to be recorded together.
struct Group<'a> {
    open: &'a mut Open,
    tally: &'a mut Tally,
    events: Vec<(Event, Entry)>,
}

/// What was recorded so far.
#[derive(Default)]
struct Tally {
    events: u64,
    first_seq: u64,
    last_seq: u64,
}

impl<'a> Group<'a> {
    fn new(open: &'a mut Open, tally: &'a mut Tally) -> Group<'a> {
        Group { open, tally, events: Vec::with_capacity(GROUP_EVENTS) }
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn push(&mut self, event: (Event, Entry)) -> Result<(), Failure> {
        self.events.push(event);
        if self.events.len() >= GROUP_EVENTS { self.record() } else { Ok(()) }
    }

    fn record(&mut self) -> Result<(), Failure> {
        if self.events.is_empty() {
            return Ok(());
        }
        let appended = self.open.record(&self.events)?;
        if self.tally.events == 0 {
            self.tally.first_seq = appended.first_seq;
        }
        self.tally.last_seq = appended.last_seq;
        self.tally.events += self.events.len() as u64;
        self.events.clear();
        Ok(())
    }
}

impl Tally {
    /// Tells, besides the failure, what was recorded before it. Running the same again changes nothing for it.
    fn so_far(&self, notes: &Notes<'_>, failure: Failure) -> Failure {
        if self.events > 0 {
            let count = show::counted(self.events, "event");
            // If standard error is gone, so is whoever would read the failure.
            let _ = writeln!(
                io::stderr(),
                "recorded before the error: {count}, operation {}, up to sequence {}",
                notes.operation,
                self.last_seq
            );
        }
        failure
    }
}

fn report(args: &Args, tally: &Tally, notes: &Notes<'_>, started: Instant) -> Result<Outcome, Failure> {
    let mut out = io::stdout().lock();
    let (operation, first, last) = (notes.operation, tally.first_seq, tally.last_seq);
    if args.json {
        let mut line = JsonLine::new();
        line.string("operation", &operation.to_string())
            .json("events", tally.events)
            .json("first_sequence", first)
            .json("last_sequence", last);
        writeln!(out, "{}", line.finish())?;
        return Ok(Outcome::Good);
    }
    let count = show::counted(tally.events, "event");
    writeln!(out, "recorded {count}: operation {operation}, sequences {first} to {last}")?;
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = show::grouped(tally.events.saturating_mul(1_000) / millis);
    // If standard error is gone, the events are recorded all the same.
    let _ = writeln!(io::stderr(), "{rate} events/s");
    Ok(Outcome::Good)
}

/// Reads lines, with memory that is used again.
#[derive(Default)]
struct LineReader {
    bytes: Vec<u8>,
    buffers: Buffers,
    tape: Option<Tape<'static>>,
}

/// The fields of a line.
#[derive(Default)]
struct Fields<'a> {
    scope: Option<&'a str>,
    issuer: Option<&'a str>,
    values: Option<Vec<String>>,
    at: Option<i64>,
    until: Option<i64>,
    reason: Option<&'a str>,
    actor: Option<&'a str>,
}

impl LineReader {
    fn event(
        &mut self,
        line: &[u8],
        scopes: &Scopes,
        issuer: Option<&str>,
        notes: &Notes<'_>,
    ) -> Result<(Event, Entry), String> {
        self.bytes.clear();
        self.bytes.extend_from_slice(line);
        let mut tape: Tape<'_> = self.tape.take().unwrap_or_else(Tape::null).reset();
        let event = match simd_json::fill_tape(&mut self.bytes, &mut self.buffers, &mut tape) {
            Ok(()) => Fields::read(tape.as_value()).and_then(|fields| fields.event(scopes, issuer, notes)),
            Err(error) => Err(format!("not JSON: {} (byte {})", reason(&error), error.index() + 1)),
        };
        self.tape = Some(tape.reset());
        event
    }
}

impl<'a> Fields<'a> {
    fn read<'t>(value: tape::Value<'t, 'a>) -> Result<Fields<'a>, String> {
        let object = value.as_object().ok_or("a JSON object is expected")?;
        let mut fields = Fields::default();
        let mut seen = 0_u8;
        for (name, value) in object.iter() {
            let Some(place) = FIELDS.iter().position(|known| *known == name) else {
                return Err(match nearest(name, FIELDS) {
                    Some(near) => format!("unknown field; did you mean `{near}`?"),
                    None => format!("unknown field; the fields are {}", FIELDS.join(", ")),
                });
            };
            let bit = 1 << place;
            if seen & bit != 0 {
                return Err(format!("the field `{}` is there twice", FIELDS[place]));
            }
            seen |= bit;
            match FIELDS[place] {
                "scope" => fields.scope = Some(text(value, "scope")?),
                "issuer" => fields.issuer = Some(text(value, "issuer")?),
                "values" => fields.values = Some(values(value)?),
                "at" => fields.at = Some(time(value, "at")?),
                "until" => fields.until = Some(time(value, "until")?),
                "reason" => fields.reason = Some(text(value, "reason")?),
                _ => fields.actor = Some(text(value, "actor")?),
            }
        }
        Ok(fields)
    }

    fn event(
        self,
        scopes: &Scopes,
        issuer: Option<&str>,
        notes: &Notes<'_>,
    ) -> Result<(Event, Entry), String> {
        let name = self.scope.ok_or("the field `scope` is missing")?;
        let scope = scopes.scope(name).map_err(|what| format!("scope: {what}"))?;
        if self.at.is_some() && !crate::scopes::is_epoch(scope) {
            return Err(format!("at: has no meaning for the scope `{name}`"));
        }
        if self.at.is_some_and(|at| at > notes.recorded_at + super::LATEST_AHEAD) {
            return Err("at: lies in the future; tokens that are not issued yet would be refused".to_owned());
        }
        let issuer =
            scopes.issuer(scope, self.issuer.or(issuer)).map_err(|what| format!("issuer: {what}"))?;
        let order = Order {
            scope: name.to_owned(),
            issuer,
            values: self.values.unwrap_or_default(),
            at: self.at.unwrap_or(notes.recorded_at),
            until: self.until,
        };
        let own = Notes {
            reason: self.reason.unwrap_or(notes.reason),
            actor: self.actor.unwrap_or(notes.actor),
            ..*notes
        };
        scopes.event(order, &own)
    }
}

fn text<'a>(value: tape::Value<'_, 'a>, name: &str) -> Result<&'a str, String> {
    value.into_string().ok_or_else(|| format!("{name}: a string is expected"))
}

/// One value, or the parts of a composite.
fn values(value: tape::Value<'_, '_>) -> Result<Vec<String>, String> {
    let wrong = || "values: a string or a list of strings is expected".to_owned();
    if let Some(text) = value.as_str() {
        return Ok(vec![text.to_owned()]);
    }
    let list = value.as_array().ok_or_else(wrong)?;
    list.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

fn time(value: tape::Value<'_, '_>, name: &str) -> Result<i64, String> {
    let seconds = match value.as_str() {
        Some(text) => clock::parse(text).ok(),
        None => value.as_i64(),
    };
    seconds.ok_or_else(|| format!("{name}: whole Unix seconds or an RFC 3339 text are expected"))
}

fn reason(error: &simd_json::Error) -> Cow<'static, str> {
    match error.error() {
        simd_json::ErrorType::Eof | simd_json::ErrorType::Syntax => "it ends too early or is no JSON".into(),
        other => format!("{other:?}").into(),
    }
}

/// The fields of an event.
const FIELDS: [&str; 7] = ["scope", "issuer", "values", "at", "until", "reason", "actor"];

/// Longest line, in bytes: every text of an event at its longest, each byte written as `\u00xx`.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Events that share one write to disk: at most 20 MB of memory, and a disk that takes 10 ms to write through
/// still takes a million events a second.
const GROUP_EVENTS: usize = 16_384;
