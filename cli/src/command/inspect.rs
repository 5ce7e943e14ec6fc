//! `libtoken inspect`: what a token says. Nothing is verified, and the output says so before and after.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use libtoken::codec::base64url;
use libtoken::codec::json::{Kind, OwnedDocument, Value};
use libtoken::jose::algorithm::{Algorithm, KeyType, Scheme};
use libtoken::jose::header::Parameters;
use libtoken::jose::numeric_date::NumericDate;
use libtoken::limits::MAX_TOKEN_BYTES;

use crate::clock;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::json_line::JsonLine;
use crate::lines::{Line, Lines};
use crate::show::{self, Tone, Visible};

/// Tokens are read from the arguments, else from --tokens, else from standard input, one per line. The exit
/// code is 0 if every token can be decoded, which says nothing about whether it can be trusted.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Tokens; other users of this machine may see them in its list of processes
    #[arg(value_name = "TOKEN", conflicts_with = "tokens")]
    token: Vec<String>,

    /// File with one token per line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,

    /// Tell times as seen from this time: Unix seconds or RFC 3339 (default: the clock)
    #[arg(long, value_name = "TIME", value_parser = clock::parse, allow_negative_numbers = true)]
    now: Option<i64>,

    /// Print one JSON object per token
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let now = args.now.unwrap_or_else(clock::now);
    let mut out = io::stdout().lock();
    let mut seen = 0u64;
    let mut outcome = Outcome::Good;
    let mut inspect = |token: &[u8], hash: &blake3::Hash| -> Result<(), Failure> {
        let inspection = Inspection::of(token, hash);
        if !inspection.problems.is_empty() {
            outcome = Outcome::Bad;
        }
        let separator = if seen > 0 && !args.json { "\n" } else { "" };
        seen += 1;
        let text = if args.json { inspection.json() } else { inspection.text(now, show::colors()) };
        Ok(writeln!(out, "{separator}{text}")?)
    };
    for token in &args.token {
        inspect(token.as_bytes(), &blake3::hash(token.as_bytes()))?;
    }
    if args.token.is_empty() {
        let path = args.tokens.clone().unwrap_or_else(|| PathBuf::from("-"));
        let place = files::name(&path);
        let input: Box<dyn io::Read> = if files::is_stdio(&path) {
            if io::stdin().is_terminal() {
                let _ =
                    writeln!(io::stderr(), "reading tokens from the terminal, one per line, up to Ctrl-D");
            }
            Box::new(io::stdin().lock())
        } else {
            Box::new(files::open(&path)?)
        };
        let mut lines = Lines::new(input, MAX_TOKEN_BYTES);
        let unreadable =
            |e| Failure::new(&place, format_args!("cannot be read ({e})"), "check the file or the sender");
        while let Some(Line { bytes, hash, .. }) = lines.next().map_err(unreadable)? {
            if !bytes.is_empty() && !bytes.starts_with(b"#") {
                inspect(bytes, &hash)?;
            }
        }
        if seen == 0 {
            return Err(Failure::new(place, "no tokens", "give at least one, one per line"));
        }
    }
    Ok(outcome)
}

/// What could be decoded of a token, and what could not, and where.
struct Inspection {
    bytes: usize,
    fingerprint: String,
    header: Option<OwnedDocument>,
    claims: Option<OwnedDocument>,
    signature_bytes: Option<usize>,
    problems: Vec<String>,
}

impl Inspection {
    fn of(token: &[u8], hash: &blake3::Hash) -> Inspection {
        let mut inspection = Inspection {
            bytes: token.len(),
            fingerprint: show::fingerprint(hash),
            header: None,
            claims: None,
            signature_bytes: None,
            problems: Vec::new(),
        };
        if token.len() > MAX_TOKEN_BYTES {
            inspection.problem(format!(
                "the token is longer than {MAX_TOKEN_BYTES} bytes, the most that is ever accepted"
            ));
        }
        let segments: Vec<&[u8]> = token.split(|b| *b == b'.').collect();
        let encrypted = segments.len() == ENCRYPTED_SEGMENTS;
        match segments.len() {
            3 => {}
            1 => inspection.problem("the token has no dots: three parts joined by dots are expected".into()),
            2 => inspection.problem("the token has two parts: the signature, the third, is missing".into()),
            ENCRYPTED_SEGMENTS => inspection.problem(
                "the token has five parts: it is encrypted (JWE), and only its header can be read".into(),
            ),
            n => inspection.problem(format!("the token has {n} parts where three are expected")),
        }
        let mut offset = 0;
        for (name, segment) in ["header", "payload", "signature"].into_iter().zip(&segments) {
            match decode(name, segment, offset) {
                // The other parts of an encrypted token are ciphertext.
                _ if encrypted && name != "header" => {}
                Err(problem) => inspection.problem(problem),
                Ok(bytes) if name == "signature" => inspection.signature_bytes = Some(bytes.len()),
                Ok(bytes) => match OwnedDocument::parse(&bytes) {
                    Err(e) => inspection.problem(format!("the {name}, decoded: {e}")),
                    Ok(document) if document.root().kind() != Kind::Object => {
                        inspection.problem(format!("the {name} is JSON, but not an object"));
                    }
                    Ok(document) if name == "header" => inspection.header = Some(document),
                    Ok(document) => inspection.claims = Some(document),
                },
            }
            offset += segment.len() + 1;
        }
        if !encrypted {
            let header = inspection.header.as_ref().and_then(|h| Parameters::locate(h.root()).err());
            let wrong = inspection.claims.as_ref().map(|c| wrong_claims(c.root())).unwrap_or_default();
            inspection.problems.extend(header.map(|rejection| format!("the header: {rejection}")));
            inspection.problems.extend(wrong);
        }
        inspection
    }

    fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    fn text(&self, now: i64, colors: bool) -> String {
        let loud = show::toned("NOT VERIFIED", Tone::Loud, colors);
        let mut text = format!("{loud}: anyone could have written this; `libtoken verify` checks tokens\n");
        text += &format!("token        {}, fingerprint {}\n", bytes(self.bytes), self.fingerprint);
        if let Some(header) = &self.header {
            text += "header\n";
            for (name, value) in header.root().members().into_iter().flatten() {
                text += &member(name, value, None);
            }
        }
        if let Some(claims) = &self.claims {
            text += "claims\n";
            for (name, value) in claims.root().members().into_iter().flatten() {
                text += &member(name, value, time_in_words(name, value, now));
            }
        }
        if let Some(length) = self.signature_bytes {
            text += &format!("signature    {}, not checked{}\n", bytes(length), self.signature_in_words());
        }
        for problem in &self.problems {
            let word = show::toned("problem", Tone::Bad, colors);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{word}      {}", Visible(problem));
        }
        text + &loud
    }

    fn json(&self) -> String {
        let mut line = JsonLine::new();
        line.json("verified", false).json("bytes", self.bytes).string("fingerprint", &self.fingerprint);
        for (name, part) in [("header", &self.header), ("claims", &self.claims)] {
            match part {
                Some(document) => line.json(name, document.root()),
                None => line.json(name, "null"),
            };
        }
        let mut times = JsonLine::new();
        for name in TIMES {
            let value = self.claims.as_ref().and_then(|c| c.root().member(name));
            if let Some(date) = value.and_then(|v| NumericDate::read(v).ok()) {
                times.string(name, &clock::rfc3339(date.floor()));
            }
        }
        line.json("times", times.finish());
        match self.signature_bytes {
            Some(bytes) => line.json("signature_bytes", bytes),
            None => line.json("signature_bytes", "null"),
        };
        line.strings("problems", self.problems.iter().map(String::as_str)).finish()
    }

    /// What kind of signature the header claims.
    fn signature_in_words(&self) -> String {
        let alg = self.header.as_ref().and_then(|h| h.root().member("alg")).and_then(Value::as_str);
        let Some(algorithm) = alg.and_then(Algorithm::from_name) else { return String::new() };
        let (key, length) = match algorithm.scheme() {
            Scheme::Ed25519 => ("an Ed25519 key", Some(64)),
            Scheme::EcdsaP256Sha256 => ("a P-256 key", Some(64)),
            Scheme::EcdsaP384Sha384 => ("a P-384 key", Some(96)),
            Scheme::RsaPkcs1(_) | Scheme::RsaPss(_) => ("an RSA key", None),
            Scheme::Hmac(hash) => ("a shared secret", Some(hash.output_len())),
        };
        let fits = match (length, self.signature_bytes) {
            (Some(expected), Some(bytes)) if expected != bytes => {
                format!(", where {expected} bytes are expected")
            }
            (None, Some(bytes)) if algorithm.key_type() == KeyType::Rsa => format!(" of {} bits", bytes * 8),
            _ => String::new(),
        };
        format!("; {} with {key}{fits}", algorithm.name())
    }
}

fn bytes(number: usize) -> String {
    show::counted(number as u64, "byte")
}

fn member(name: &str, value: Value<'_>, note: Option<String>) -> String {
    let json = value.to_string();
    let shown = value.as_str().unwrap_or(&json);
    let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
    format!("  {:<10} {}{note}\n", Visible(name).to_string(), Visible(shown))
}

/// `2026-01-01T00:00:00Z, expired 3 minutes ago`
fn time_in_words(name: &str, value: Value<'_>, now: i64) -> Option<String> {
    if !TIMES.contains(&name) {
        return None;
    }
    let Ok(date) = NumericDate::read(value) else { return Some("no usable time".to_owned()) };
    let at = date.floor();
    let relative = clock::relative(at, now);
    let words = match (name, at > now) {
        ("exp", true) => format!("expires {relative}"),
        ("exp", false) => format!("expired {relative}"),
        ("nbf", true) => format!("not valid yet, but {relative}"),
        ("nbf", false) => format!("valid since {relative}"),
        ("iat", true) => format!("issued in the future, {relative}"),
        ("iat", false) => format!("issued {relative}"),
        (_, _) => relative,
    };
    Some(format!("{}, {words}", clock::rfc3339(at)))
}

/// The registered claims that have a wrong type or value (RFC 7519 §4.1).
fn wrong_claims(claims: Value<'_>) -> Vec<String> {
    let is_text = |value: Value<'_>| value.kind() == Kind::String;
    let mut problems = Vec::new();
    for (name, value) in claims.members().into_iter().flatten() {
        let expected = match name {
            "iss" | "sub" | "jti" if !is_text(value) => "a string",
            "aud" if !is_text(value) && !value.items().is_some_and(|mut items| items.all(is_text)) => {
                "a string or an array of strings"
            }
            "exp" | "nbf" | "iat" if NumericDate::read(value).is_err() => {
                "a number of seconds up to the year 9999"
            }
            _ => continue,
        };
        problems.push(format!("the claim `{name}` is not {expected}"));
    }
    problems
}

/// Decodes one part, or says what is wrong with it, and where.
fn decode(name: &str, segment: &[u8], offset: usize) -> Result<Vec<u8>, String> {
    if segment.is_empty() {
        return Err(format!("the {name} is empty"));
    }
    base64url::decode_to_vec(segment).map_err(|_| {
        let wrong = segment.iter().position(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'-' | b'_'));
        match wrong.and_then(|at| Some((at, segment.get(at)?))) {
            Some((at, byte)) => {
                let hint = match byte {
                    b'=' => "padding, which base64url in tokens does not have",
                    b'+' | b'/' => "of base64, not of base64url",
                    b' ' => "a space: only the token itself is expected, without `Bearer` and quotes",
                    _ => "not a base64url character",
                };
                let (at, in_token) = (at + 1, offset + at + 1);
                format!("the {name}: character {at} (byte {in_token} of the token) is {hint}")
            }
            None if segment.len() % 4 == 1 => {
                format!(
                    "the {name}: a part of {} cannot be base64url; something is missing",
                    show::counted(segment.len() as u64, "character")
                )
            }
            None => format!("the {name}: the last character is not the canonical spelling of its bits"),
        }
    })
}

/// Parts of a JWE in compact serialization (RFC 7516 §7.1).
const ENCRYPTED_SEGMENTS: usize = 5;

/// Claims that hold a NumericDate: RFC 7519 §4.1, OpenID Connect Core §2 and §5.1.
const TIMES: [&str; 5] = ["exp", "nbf", "iat", "auth_time", "updated_at"];
