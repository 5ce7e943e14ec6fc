//! `libtoken revoke`: records revocations in a state directory and applies them. When it returns, they are on
//! disk, and every verifier that maps the live table refuses the tokens.

mod bulk;
mod inputs;

use std::io::{self, Write};
use std::path::PathBuf;

use libtoken::limits::MAX_LEEWAY_SECONDS;
use libtoken::revocation::event::{Event, OperationId};
use libtoken::revocation::inputs::Order;
use libtoken::revocation::log::Appended;
use libtoken::revocation::{Entry, Scope};

use crate::clock;
use crate::failure::{Failure, Outcome};
use crate::json_line::JsonLine;
use crate::scopes::{self, Notes, Scopes};
use crate::state::StateArgs;

/// What is to be revoked, and what is kept of it for the audit.
#[derive(clap::Args)]
#[command(after_help = HELP)]
#[group(id = "what", required = true, multiple = false, args = ["scope", "from", "logout_token", "security_event", "rfc7009"])]
pub(crate) struct Args {
    /// What is revoked: the name of a scope in the policy
    #[arg(value_name = "SCOPE")]
    scope: Option<String>,

    /// Its values; none for `issuer` and `all`
    #[arg(value_name = "VALUE", requires = "scope")]
    values: Vec<String>,

    #[command(flatten)]
    state: StateArgs,

    /// The issuer whose tokens are meant (default: the only one of the policy)
    #[arg(long, value_name = "ISSUER", conflicts_with_all = ["logout_token", "security_event", "rfc7009"])]
    issuer: Option<String>,

    /// Refuse tokens issued up to then: Unix seconds or RFC 3339 (default: now)
    #[arg(long, value_name = "TIME", value_parser = clock::parse, requires = "scope")]
    at: Option<i64>,

    /// When the last of the tokens has expired (default: after the scope's longest lifetime)
    #[arg(long, value_name = "TIME", value_parser = clock::parse, requires = "scope")]
    until: Option<i64>,

    /// Why, for the audit
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,

    /// On whose behalf, for the audit (default: the user who runs the command)
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,

    /// Id of the operation: 32 hexadecimal digits or a UUID (default: a random one)
    #[arg(long, value_name = "ID", value_parser = operation)]
    operation: Option<OperationId>,

    /// Revoke in bulk: a file with one JSON event per line, as `libtoken revocations export` writes it; `-` is
    /// standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,

    #[command(flatten)]
    inputs: inputs::Args,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let actor = args.actor.clone().unwrap_or_else(current_user);
    let notes = Notes {
        operation: match args.operation {
            Some(operation) => operation,
            None => crate::random::operation()?,
        },
        recorded_at: clock::now(),
        reason: &args.reason,
        actor: &actor,
    };
    if let Some(path) = &args.from {
        return bulk::run(path, args, &notes);
    }
    let mut open = args.state.open()?;
    let orders = match &args.scope {
        Some(name) => orders(args, name, &open.scopes, notes.recorded_at)?,
        None => inputs::orders(&args.inputs, &args.state, &open.scopes, notes.recorded_at)?,
    };
    let events: Result<Vec<_>, String> =
        orders.into_iter().map(|order| open.scopes.event(order, &notes)).collect();
    let events = events.map_err(|what| Failure::new("the revocation", what, SEE_POLICY))?;
    if events.is_empty() {
        return report_nothing();
    }
    let appended = open.record(&events)?;
    let reported = report(args, &events, &appended, &notes);
    open.finish();
    reported
}

/// The orders that the arguments ask for.
fn orders(args: &Args, name: &str, scopes: &Scopes, now: i64) -> Result<Vec<Order>, Failure> {
    let wrong = |place: &str, what: String| Failure::new(place, what, SEE_POLICY);
    let scope = scopes.scope(name).map_err(|what| wrong("the scope", what))?;
    check_times(args, scope, now)?;
    let issuer = scopes.issuer(scope, args.issuer.as_deref()).map_err(|what| wrong("--issuer", what))?;
    let values = Scopes::split(scope, &args.values).map_err(|what| wrong("the values", what))?;
    let order = |values| Order {
        scope: name.to_owned(),
        issuer: issuer.clone(),
        values,
        at: args.at.unwrap_or(now),
        until: args.until,
    };
    Ok(values.into_iter().map(order).collect())
}

/// A time that was mistyped must neither lock people out for years nor revoke nothing.
fn check_times(args: &Args, scope: &Scope, now: i64) -> Result<(), Failure> {
    if args.at.is_some() && !scopes::is_epoch(scope) {
        let what = "has no meaning for this scope";
        return Err(Failure::new("--at", what, "its tokens are revoked whenever they were issued"));
    }
    if args.at.is_some_and(|at| at > now + LATEST_AHEAD) {
        let what = "lies in the future: tokens that are not issued yet would be refused";
        return Err(Failure::new("--at", what, "choose a time up to now"));
    }
    if args.until.is_some_and(|until| until <= now) {
        let what = "lies in the past: nothing would be revoked";
        return Err(Failure::new("--until", what, "choose when the last of the tokens has expired"));
    }
    Ok(())
}

fn report(
    args: &Args,
    events: &[(Event, Entry)],
    appended: &Appended,
    notes: &Notes<'_>,
) -> Result<Outcome, Failure> {
    let mut out = io::stdout().lock();
    for (sequence, (event, _)) in (appended.first_seq..).zip(events) {
        if args.json {
            let mut line = JsonLine::new();
            line.string("operation", &notes.operation.to_string()).json("sequence", sequence);
            scopes::write_event(event, &mut line);
            writeln!(out, "{}", line.finish())?;
        } else {
            let (words, operation) = (scopes::in_words(event), notes.operation);
            writeln!(out, "revoked {words}: operation {operation}, sequence {sequence}")?;
        }
    }
    Ok(Outcome::Good)
}

fn report_nothing() -> Result<Outcome, Failure> {
    writeln!(io::stderr(), "nothing to revoke: the message has no event that revokes tokens")?;
    Ok(Outcome::Good)
}

fn operation(text: &str) -> Result<OperationId, String> {
    text.parse().map_err(|_| "must be 32 hexadecimal digits or a UUID".to_owned())
}

/// The name of the user who runs the command, else the number.
fn current_user() -> String {
    let named = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    named.filter(|name| !name.is_empty()).unwrap_or_else(user_number)
}

#[cfg(unix)]
fn user_number() -> String {
    use std::os::unix::fs::MetadataExt as _;
    // This process, where the system shows it as a directory: it belongs to the user.
    std::fs::metadata("/proc/self").map_or_else(|_| String::new(), |process| format!("uid {}", process.uid()))
}

#[cfg(not(unix))]
fn user_number() -> String {
    std::env::var("USERNAME").unwrap_or_default()
}

const HELP: &str = "\
Scopes are named by the policy; by their standard names: token, session, subject, client, key (a kid), issuer and
all. Of a scope with one value, several can be named at once; of a composite, its parts in order:
  libtoken revoke token 4f7c 99d0 --policy policy.json
  libtoken revoke department acme sales --policy policy.json --reason 'reorganized'
A token or session is revoked for good. Of a subject and the like, the tokens issued up to --at are refused: whoever
logs in again has a token that is accepted from the next second on. When the command returns, the event is on disk,
and every verifier that maps the live table refuses the tokens.

Fields of a line of --from: scope, issuer, values (a text or a list), at, until, reason, actor.";

/// How far a time of issue may lie ahead of the clock, in seconds: as far as clocks may differ.
const LATEST_AHEAD: i64 = MAX_LEEWAY_SECONDS as i64;

const SEE_POLICY: &str = "`libtoken policy show FILE` lists scopes and issuers";
