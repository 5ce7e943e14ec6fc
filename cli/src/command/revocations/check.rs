//! `libtoken revocations check`: is it revoked, as verifiers see it, and which event says so?

use std::io::{self, Read, Write};

use libtoken::codec::base64url;
use libtoken::codec::json::{Buffer, Value};
use libtoken::jose::claims::{Claims, Registered};
use libtoken::jose::compact::Compact;
use libtoken::jose::numeric_date::NumericDate;
use libtoken::limits::{MAX_CLAIM_NODES, MAX_TOKEN_BYTES};
use libtoken::revocation::store::records;
use libtoken::revocation::{Answer, Fingerprint, Lookup, NotBefore, Probes, TokenTimes};
use libtoken::verify::RevocationState;

use crate::failure::{Failure, Outcome};
use crate::files;
use crate::scopes::{Scopes, in_words, quoted};
use crate::show::Visible;
use crate::state::{StateArgs, failure};

/// A scope with its values, or a token.
#[derive(clap::Args)]
#[command(after_help = "The exit code is 0 if it is not revoked, 1 if it is.")]
#[group(id = "checked", required = true, multiple = false, args = ["scope", "token"])]
pub(crate) struct Args {
    /// The name of a scope in the policy
    #[arg(value_name = "SCOPE")]
    scope: Option<String>,

    /// Its values; none for `issuer` and `all`
    #[arg(value_name = "VALUE", requires = "scope")]
    values: Vec<String>,

    /// A token, whose signature is not checked; `-` reads it from standard input
    #[arg(long, value_name = "TOKEN", conflicts_with = "scope")]
    token: Option<String>,

    #[command(flatten)]
    state: StateArgs,

    /// The issuer that is meant (default: the only one of the policy)
    #[arg(long, value_name = "ISSUER", conflicts_with = "token")]
    issuer: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<Outcome, Failure> {
    let state = args.state.open_for_reading()?;
    let scopes = args.state.scopes(&state)?;
    let mut out = io::stdout().lock();
    let (found, what) = match (&args.token, &args.scope) {
        (Some(token), _) => (of_token(token, &scopes, &state)?, "the token"),
        (None, Some(name)) => {
            let known =
                |what: String| Failure::new("the scope", what, "`libtoken policy show FILE` lists scopes");
            let scope = scopes.scope(name).map_err(known)?;
            let issuer = scopes.issuer(scope, args.issuer.as_deref()).map_err(known)?;
            let values: Vec<&str> = args.values.iter().map(String::as_str).collect();
            let entry = scopes.set.entry(name, &issuer, &values, 0);
            let entry = entry.map_err(|e| known(e.to_string()))?;
            let revoked = look_up(&state, entry.fingerprint)? != NotBefore::NONE;
            (
                Found { fingerprints: if revoked { vec![entry.fingerprint] } else { Vec::new() }, iat: None },
                "it",
            )
        }
        (None, None) => return Ok(Outcome::Good),
    };
    if found.fingerprints.is_empty() {
        writeln!(out, "not revoked, as of sequence {}", state.live.applied_sequence())?;
        return Ok(Outcome::Good);
    }
    let directory = args.state.existing_directory()?;
    let mut lines = Vec::new();
    records(&directory, |_, record| {
        if found.fingerprints.contains(&record.entry.fingerprint) {
            let fields = record.event.fields();
            let mut text = format!(
                "  by event {} of operation {}: {}",
                record.sequence,
                fields.operation,
                in_words(&record.event)
            );
            for (name, note) in [("actor", &fields.actor), ("reason", &fields.reason)] {
                if !note.is_empty() {
                    text += &format!(", {name} {}", quoted(note));
                }
            }
            lines.push(text);
        }
    })
    .map_err(|e| failure(&directory, &e))?;
    let iat = found.iat.map(|iat| format!(" (issued {})", crate::clock::rfc3339(iat))).unwrap_or_default();
    writeln!(out, "REVOKED: {what}{iat}")?;
    // Archived logs may have been removed; the table still knows.
    if lines.is_empty() {
        writeln!(out, "  by an event whose log is not in the state directory any more")?;
    }
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(Outcome::Bad)
}

/// The fingerprints that are revoked.
struct Found {
    fingerprints: Vec<Fingerprint>,
    iat: Option<i64>,
}

fn look_up(state: &RevocationState, fingerprint: Fingerprint) -> Result<NotBefore, Failure> {
    let mut reader = state.live.reader();
    let answer = reader.pin().map(|pinned| pinned.lookup(fingerprint));
    match answer {
        Some(Answer::Exactly(not_before)) => Ok(not_before),
        Some(Answer::Maybe) | None => {
            let what = "the live table is out of reach";
            Err(Failure::new("the state", what, "`libtoken revocations refresh` makes it again"))
        }
    }
}

fn of_token(argument: &str, scopes: &Scopes, state: &RevocationState) -> Result<Found, Failure> {
    let wrong = |what: &str| Failure::new("the token", what, "`libtoken inspect` shows what it says");
    let mut bytes = argument.as_bytes().to_vec();
    if files::is_stdio(argument.as_ref()) {
        bytes.clear();
        let read = io::stdin().lock().take(MAX_TOKEN_BYTES as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|e| wrong(&format!("cannot be read ({e})")))?;
    }
    let compact = Compact::split(bytes.trim_ascii()).map_err(|e| wrong(&e.to_string()))?;
    let header = decode(compact.header).ok_or_else(|| wrong("its header is not JSON"))?;
    let payload = decode(compact.payload).ok_or_else(|| wrong("its payload is not JSON"))?;
    let registered = Registered::locate(payload.document()).map_err(|e| wrong(&e.to_string()))?;
    let claims = Claims::new(payload.document(), registered);
    let issuer = claims.issuer().filter(|issuer| scopes.policy().find(issuer).is_some());
    let issuer = issuer.ok_or_else(|| wrong("it is of no issuer of the policy"))?;
    let of_issuer = scopes.set.for_issuer(issuer);
    let kid = header.document().root().member("kid").and_then(Value::as_str);
    let key = kid.and_then(|kid| of_issuer.key_fingerprint(kid));
    let times = TokenTimes {
        issued_at: claims.issued_at().map(NumericDate::floor),
        expires_at: claims.expires_at().map(NumericDate::ceil),
    };
    let mut probes = Probes::new(None);
    of_issuer.fill(&claims, key, times, &mut probes).map_err(|e| {
        let what = e.to_string();
        Failure::new("the token", Visible(&what), "verifiers refuse it")
    })?;
    let mut fingerprints = Vec::new();
    for probe in probes.as_slice() {
        if look_up(state, probe.fingerprint)?.refuses(probes.iat()) {
            fingerprints.push(probe.fingerprint);
        }
    }
    Ok(Found { fingerprints, iat: probes.iat() })
}

/// The JSON of one part of a token.
fn decode(part: &[u8]) -> Option<Buffer> {
    let json = base64url::decode_to_vec(part).ok()?;
    let mut buffer = Buffer::with_capacity(json.len(), MAX_CLAIM_NODES);
    buffer.room(json.len())?.copy_from_slice(&json);
    buffer.scan(json.len()).ok()?;
    Some(buffer)
}
