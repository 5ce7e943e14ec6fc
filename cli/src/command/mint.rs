//! `libtoken mint`: test tokens, one or thousands, also such that must be refused.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use libtoken::codec::json::{Kind, OwnedDocument, Value, write_string};
use libtoken::jose::algorithm::Algorithm;
use libtoken_mint::{PrivateKey, PrivateKeyError};

use crate::clock;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::progress::{self, Unit};
use crate::random;
use crate::template::{Template, Values};
use crate::verifier_args::algorithm;

/// In the values of --claim, --claims and --header, {n} stands for the token's number (1 to --count), {uuid}
/// for a random UUID and {now} for the time in Unix seconds. Claims `iat` and `exp` are added where absent.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Private JWK, or a JWK Set with one; `-` is standard input
    #[arg(long, short, value_name = "FILE")]
    key: PathBuf,

    /// The key of the set to sign with
    #[arg(long, value_name = "KID")]
    kid: Option<String>,

    /// Algorithm to sign with (default: the key's own)
    #[arg(long, short, value_name = "ALGORITHM", value_parser = algorithm)]
    algorithm: Option<Algorithm>,

    /// A claim: NAME=TEXT, or NAME:=JSON for numbers, lists and objects; may be repeated
    #[arg(long, short, value_name = "NAME=TEXT", value_parser = assignment)]
    claim: Vec<Assignment>,

    /// All claims: a JSON object, or a file that holds one; --claim overrides single ones
    #[arg(long, value_name = "JSON|FILE")]
    claims: Option<String>,

    /// A header parameter, as for --claim; overrides `alg`, `typ` and `kid`
    #[arg(long, value_name = "NAME=TEXT", value_parser = assignment)]
    header: Vec<Assignment>,

    /// Leave out this header parameter; may be repeated
    #[arg(long, value_name = "NAME")]
    drop_header: Vec<String>,

    /// Lifetime for `exp`; negative for a token that has expired
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_LIFETIME_SECONDS,
          allow_negative_numbers = true, conflicts_with = "raw")]
    expires_in: i64,

    /// Add neither `iat` nor `exp`
    #[arg(long, conflicts_with = "expires_in")]
    no_times: bool,

    /// Sign the text of --claims as it is, also if it is no JSON
    #[arg(long, requires = "claims", conflicts_with = "claim")]
    raw: bool,

    /// Mint as if it were this time: Unix seconds or RFC 3339 (default: the clock)
    #[arg(long, value_name = "TIME", value_parser = clock::parse, allow_negative_numbers = true)]
    now: Option<i64>,

    /// How many tokens
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 1)]
    count: u64,

    /// Draw all random numbers from this one, so that the same tokens can be made again
    #[arg(long, value_name = "NUMBER")]
    insecure_seed: Option<u64>,
}

/// `NAME=TEXT` or `NAME:=JSON`, as a member of a JSON object.
#[derive(Clone, Debug)]
struct Assignment {
    name: String,
    /// JSON with placeholders.
    json: String,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let key = read_key(&args.key, args.kid.as_deref())?;
    let algorithm = args.algorithm.unwrap_or_else(|| key.default_algorithm());
    let now = args.now.unwrap_or_else(clock::now);
    let header = Template::new(&header(args, &key, algorithm));
    let payload = Template::new(&payload(args, now)?);
    let mut rng = random::generator(args.insecure_seed)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let bar = progress::bar(Unit::Tokens(args.count), true);
    let (mut header_text, mut payload_text) = (String::new(), String::new());
    for number in 1..=args.count {
        let values = Values::new(number, now, &mut rng);
        header.render(&values, &mut header_text);
        payload.render(&values, &mut payload_text);
        let token = libtoken_mint::token(&header_text, &payload_text, &key, algorithm, &mut rng)
            .map_err(|e| Failure::new(files::name(&args.key), e, "choose another --algorithm or key"))?;
        writeln!(out, "{token}")?;
        // One token may take milliseconds, so each counts; the bar itself draws no more often than it should.
        bar.inc(1);
    }
    bar.finish_and_clear();
    out.flush()?;
    Ok(Outcome::Good)
}

fn read_key(path: &Path, kid: Option<&str>) -> Result<PrivateKey, Failure> {
    let place = files::name(path);
    let json = files::read_document(path)?;
    let document = OwnedDocument::parse(&json).map_err(|e| {
        Failure::new(&place, e, "a private JWK is needed, as `libtoken keys generate` writes it")
    })?;
    let root = document.root();
    let fits = |key: &Value<'_>| kid.is_none_or(|kid| key.member("kid").and_then(Value::as_str) == Some(kid));
    let chosen: Vec<Value<'_>> = match root.member("keys").and_then(|keys| keys.items()) {
        Some(items) => items.filter(fits).collect(),
        None => [root].into_iter().filter(fits).collect(),
    };
    match chosen.as_slice() {
        [key] => PrivateKey::from_jwk_value(*key).map_err(|e| {
            let remedy = match e {
                PrivateKeyError::Jwk("d") => "tokens cannot be signed with a public key",
                _ => "make one with `libtoken keys generate`",
            };
            Failure::new(place, e, remedy)
        }),
        [] => {
            Err(Failure::new(place, "no such key", "check --kid; `libtoken keys check FILE` lists the keys"))
        }
        _ => Err(Failure::new(place, "several keys fit", "choose one with --kid")),
    }
}

fn header(args: &Args, key: &PrivateKey, algorithm: Algorithm) -> String {
    let mut members = vec![text("alg", algorithm.name()), text("typ", "JWT")];
    members.extend(key.kid.as_deref().map(|kid| text("kid", kid)));
    for assignment in &args.header {
        set(&mut members, assignment.clone());
    }
    members.retain(|member| !args.drop_header.contains(&member.name));
    object(&members)
}

fn payload(args: &Args, now: i64) -> Result<String, Failure> {
    let claims = args.claims.as_deref().map(claims_text).transpose()?;
    if args.raw {
        return Ok(claims.unwrap_or_default());
    }
    let mut members = Vec::new();
    if let Some(json) = claims {
        let document = OwnedDocument::parse(json.as_bytes()).map_err(|e| {
            let remedy = "placeholders such as {n} stand in strings, or alone in --claim NAME:={n}";
            Failure::new("--claims", e, remedy)
        })?;
        if document.root().kind() != Kind::Object {
            return Err(Failure::new(
                "--claims",
                "not a JSON object",
                "write {\"name\":\"value\"}, or use --raw",
            ));
        }
        for (name, value) in document.root().members().into_iter().flatten() {
            members.push(Assignment { name: name.to_owned(), json: value.to_string() });
        }
    }
    for assignment in &args.claim {
        set(&mut members, assignment.clone());
    }
    if !args.no_times {
        for (name, time) in [("iat", now), ("exp", now.saturating_add(args.expires_in))] {
            if !members.iter().any(|member| member.name == name) {
                members.push(Assignment { name: name.to_owned(), json: time.to_string() });
            }
        }
    }
    Ok(object(&members))
}

/// The argument of --claims: JSON if it looks like it, else the name of a file.
fn claims_text(argument: &str) -> Result<String, Failure> {
    if argument.trim_start().starts_with(['{', '[', '"']) {
        return Ok(argument.to_owned());
    }
    let path = Path::new(argument);
    String::from_utf8(files::read_document(path)?)
        .map_err(|_| Failure::new(files::name(path), "not valid UTF-8", "a JSON object is needed"))
}

/// Sets a member: in the place of one with the same name, else at the end.
fn set(members: &mut Vec<Assignment>, assignment: Assignment) {
    match members.iter_mut().find(|member| member.name == assignment.name) {
        Some(member) => *member = assignment,
        None => members.push(assignment),
    }
}

fn text(name: &str, value: &str) -> Assignment {
    Assignment { name: name.to_owned(), json: quoted(value) }
}

fn object(members: &[Assignment]) -> String {
    let members: Vec<String> = members.iter().map(|m| format!("{}:{}", quoted(&m.name), m.json)).collect();
    format!("{{{}}}", members.join(","))
}

fn quoted(text: &str) -> String {
    let mut json = String::new();
    // Writing to a string cannot fail.
    let _ = write_string(text, &mut json);
    json
}

fn assignment(argument: &str) -> Result<Assignment, String> {
    let (name, value) = argument.split_once('=').ok_or("must be NAME=TEXT or NAME:=JSON")?;
    let (name, json) = match name.strip_suffix(':') {
        None => (name, quoted(value)),
        Some(name) => {
            let mut sample = String::new();
            Template::new(value).render(&Values::SAMPLE, &mut sample);
            OwnedDocument::parse(sample.as_bytes())
                .map_err(|e| format!("the value after `:=` is {e}; write NAME=TEXT for text"))?;
            (name, value.to_owned())
        }
    };
    if name.is_empty() {
        return Err("the name before `=` is empty".to_owned());
    }
    Ok(Assignment { name: name.to_owned(), json })
}

/// An hour: long enough for a test, short enough to be harmless in a log.
const DEFAULT_LIFETIME_SECONDS: i64 = 3_600;
