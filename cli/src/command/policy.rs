//! `libtoken policy`: what a policy file means, and whether it can be used.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use libtoken::codec::json::OwnedDocument;
use libtoken::jose::algorithm::Algorithm;
use libtoken::limits::{
    MAX_CLAIM_NODES, MAX_HEADER_BYTES, MAX_ISSUERS, MAX_JSON_BYTES, MAX_JSON_DEPTH, MAX_KEY_CANDIDATES,
    MAX_KEYS_PER_ISSUER, MAX_KID_BYTES, MAX_LEEWAY_SECONDS, MAX_OBJECT_MEMBERS, MAX_POLICY_LIST,
    MAX_RSA_BITS, MAX_TOKEN_AGE_SECONDS, MAX_TOKEN_BYTES, MIN_HMAC_KEY_BYTES, MIN_RSA_BITS,
};
use libtoken::verify::{AudienceRule, IssuerPolicy, KeySource, Policy, Verifier};

use crate::failure::{Failure, Outcome};
use crate::files;
use crate::show::Visible;
use crate::verifier_args::{beside, key_name, read_policy};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show every setting of a policy, defaults included, and every fixed limit
    Show(ShowArgs),
    /// Check a policy file and the key files that it names
    Check(CheckArgs),
}

#[derive(clap::Args)]
pub(crate) struct ShowArgs {
    /// Policy file; without one, the defaults are shown. `-` is standard input
    #[arg(value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Print the policy as a policy file with every default written out
    #[arg(long, requires = "policy")]
    json: bool,
}

#[derive(clap::Args)]
pub(crate) struct CheckArgs {
    /// Policy file; `-` is standard input
    #[arg(value_name = "FILE")]
    policy: PathBuf,
}

impl Command {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        match self {
            Command::Show(args) => show(args),
            Command::Check(args) => check(args),
        }
    }
}

fn show(args: &ShowArgs) -> Result<Outcome, Failure> {
    let policy = args.policy.as_deref().map(read_policy).transpose()?;
    let text = match &policy {
        Some(policy) if args.json => policy.to_json(),
        Some(policy) => {
            let issuers: Vec<String> = policy.issuers().iter().map(settings).collect();
            let size = row("max_token_bytes", policy.max_token_bytes(), default_size(policy));
            format!("{size}\n{}\n{}\n{}", issuers.join("\n"), revocation(policy), limits())
        }
        None => {
            let nothing_set = IssuerPolicy::new("(required)", AudienceRule::AnyOf(Vec::new()));
            let size = row("max_token_bytes", libtoken::limits::DEFAULT_MAX_TOKEN_BYTES, true);
            format!("{size}\n{}\n{}", settings(&nothing_set), limits())
        }
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Outcome::Good)
}

fn default_size(policy: &Policy) -> bool {
    policy.max_token_bytes() == libtoken::limits::DEFAULT_MAX_TOKEN_BYTES
}

/// An issuer's settings, one per line, each with its value and whether that is the default.
fn settings(issuer: &IssuerPolicy) -> String {
    let default = IssuerPolicy::new("", AudienceRule::AnyOf(Vec::new()));
    let mut text = format!("issuer {}\n", Visible(&issuer.issuer));
    text += &match &issuer.audiences {
        AudienceRule::AnyOf(list) if list.is_empty() => setting("audiences", "(required)", false),
        AudienceRule::AnyOf(list) => setting("audiences", list.join(", "), false),
        AudienceRule::Unchecked => setting("audience_check", "none: tokens for ANY audience pass", false),
    };
    let algorithms = match issuer.algorithms {
        None => "each key's own, else the one that its type implies; never HMAC".to_owned(),
        Some(list) => list.iter().map(Algorithm::name).collect::<Vec<_>>().join(", "),
    };
    text += &setting("algorithms", algorithms, issuer.algorithms.is_none());
    text += &setting("profile", issuer.profile.name(), issuer.profile == default.profile);
    let types: Vec<&str> =
        issuer.profile.types().iter().copied().chain(issuer.types.iter().map(String::as_str)).collect();
    text += &setting("types", types.join(", "), issuer.types.is_empty());
    let missing = issuer.allow_missing_type.unwrap_or(issuer.profile.allows_missing_type());
    text += &setting("allow_missing_type", missing, issuer.allow_missing_type.is_none());
    let leeway_is_default = issuer.leeway_seconds == default.leeway_seconds;
    text += &setting("leeway_seconds", issuer.leeway_seconds, leeway_is_default);
    text += &setting("require_exp", issuer.require_exp, issuer.require_exp);
    text += &match issuer.max_age_seconds {
        None => setting("max_age_seconds", "none: `exp` alone limits a token's life", true),
        Some(age) => setting("max_age_seconds", age, false),
    };
    let own = issuer.required_claims.iter().map(|claim| claim.0.text());
    let claims: Vec<&str> =
        ["iss"].into_iter().chain(issuer.profile.required_claims().iter().copied()).chain(own).collect();
    text += &setting("required_claims", claims.join(", "), issuer.required_claims.is_empty());
    text += &match issuer.status_lists.as_slice() {
        [] => setting("status_lists", "none: a token that refers to one is refused", true),
        lists => setting("status_lists", lists.join(", "), false),
    };
    text += &match &issuer.tenant_claim {
        None => setting("tenant_claim", "none: a request that names a tenant is refused", true),
        Some(path) => setting("tenant_claim", path.text(), false),
    };
    text += &match &issuer.keys {
        KeySource::Host => setting("keys", "given by the host (--jwks FILE)", true),
        KeySource::Inline(_) => setting("jwks", "inline", false),
        KeySource::File(path) => setting("jwks_file", path, false),
        KeySource::Uri(uri) => setting("jwks_uri", uri, false),
    };
    text
}

/// The settings of `revocation`, as the policy writes them out.
fn revocation(policy: &Policy) -> String {
    let written = OwnedDocument::parse(policy.to_json().as_bytes());
    let settings = written.as_ref().ok().and_then(|w| w.root().member("revocation")?.members());
    let Some(settings) = settings else {
        return "revocation          none: tokens live until they expire\n".to_owned();
    };
    let rows = settings.map(|(name, value)| match value.items() {
        None => setting(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned), false),
        Some(items) => items.map(|item| setting(name, item, false)).collect(),
    });
    format!("revocation\n{}", rows.collect::<String>())
}

fn setting(name: &str, value: impl ToString, is_default: bool) -> String {
    format!("  {}\n", row(name, value, is_default).trim_end())
}

fn row(name: &str, value: impl ToString, is_default: bool) -> String {
    let value = value.to_string();
    let origin = if is_default { "  (default)" } else { "" };
    format!("{name:<19} {}{origin}\n", Visible(&value))
}

/// The limits that no policy can lift.
fn limits() -> String {
    let mut text = String::from("fixed limits\n");
    for (value, meaning) in [
        (MAX_TOKEN_BYTES, "bytes in a token, at most, whatever max_token_bytes says"),
        (MAX_HEADER_BYTES, "bytes in an encoded header"),
        (MAX_JSON_DEPTH, "levels of nesting in a header or payload"),
        (MAX_CLAIM_NODES, "values and names in a payload"),
        (MAX_OBJECT_MEMBERS, "members in one JSON object"),
        (MAX_LEEWAY_SECONDS as usize, "seconds of leeway, at most"),
        (MAX_TOKEN_AGE_SECONDS as usize, "seconds in max_age_seconds, at most"),
        (MAX_ISSUERS, "issuers in a policy"),
        (MAX_POLICY_LIST, "entries in a list of a policy"),
        (MAX_KEYS_PER_ISSUER, "keys of an issuer; more are skipped"),
        (MAX_KEY_CANDIDATES, "signature checks for one token, where keys share a kid or it has none"),
        (MAX_KID_BYTES, "bytes in a kid"),
        (MAX_JSON_BYTES, "bytes in a key set or policy file"),
        (MIN_RSA_BITS, "bits in an RSA modulus, at least"),
        (MAX_RSA_BITS, "bits in an RSA modulus, at most"),
        (MIN_HMAC_KEY_BYTES, "bytes in a shared secret, at least (48 for HS384, 64 for HS512)"),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {value:>10}  {meaning}");
    }
    text
}

fn check(args: &CheckArgs) -> Result<Outcome, Failure> {
    let path = &args.policy;
    let json = files::read_document(path)?;
    let mut out = io::stdout().lock();
    let policy = match Policy::from_json(&json) {
        Ok(policy) => policy,
        Err(error) => {
            writeln!(out, "BAD   {}: {}", files::name(path), Visible(&error.to_string()))?;
            return Ok(Outcome::Bad);
        }
    };
    let mut outcome = Outcome::Good;
    let verifier = Verifier::new(policy.clone());
    for issuer in policy.issuers() {
        let (place, report) = match &issuer.keys {
            KeySource::Host => (None, Ok(None)),
            KeySource::Uri(uri) => (Some(uri.clone()), Ok(None)),
            KeySource::Inline(_) => {
                let report = verifier.keys(&issuer.issuer).map(Some).map_err(|e| e.to_string());
                (Some("inline keys".to_owned()), report)
            }
            KeySource::File(file) => {
                let file = beside(Some(path), file);
                let json = files::read_document(&file)?;
                let report = verifier.replace_operator_keys(&issuer.issuer, &json);
                (Some(files::name(&file)), report.map(Some).map_err(|e| e.to_string()))
            }
        };
        let name = Visible(&issuer.issuer);
        match (place, report) {
            (Some(place), Ok(Some(report))) if report.keys.is_empty() => {
                outcome = Outcome::Bad;
                writeln!(out, "BAD   {name}: {place} has no usable key")?;
                for key in &report.skipped {
                    writeln!(out, "      {} is skipped: {}", key_name(key), key.problem)?;
                }
            }
            (Some(place), Ok(Some(report))) => {
                let (used, skipped) = (report.keys.len(), report.skipped.len());
                writeln!(out, "good  {name}: {place}: {used} keys usable, {skipped} skipped")?;
                for key in &report.skipped {
                    writeln!(out, "      {} is skipped: {}", key_name(key), key.problem)?;
                }
            }
            (Some(place), Ok(None)) => {
                writeln!(out, "good  {name}: keys from {}, which is not fetched here", Visible(&place))?;
            }
            (None, Ok(_)) => writeln!(out, "good  {name}: the host gives the keys")?,
            (place, Err(error)) => {
                outcome = Outcome::Bad;
                writeln!(out, "BAD   {name}: {}: {error}", place.unwrap_or_default())?;
            }
        }
    }
    Ok(outcome)
}
