//! `libtoken policy`: what a policy file means, and whether it can be used.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use libtoken::codec::pointer::ClaimPath;
use libtoken::jose::algorithm::Algorithm;
use libtoken::limits::{
    MAX_CLAIM_NODES, MAX_HEADER_BYTES, MAX_ISSUERS, MAX_JSON_BYTES, MAX_JSON_DEPTH, MAX_KEY_CANDIDATES,
    MAX_KEYS_PER_ISSUER, MAX_KID_BYTES, MAX_LEEWAY_SECONDS, MAX_OBJECT_MEMBERS, MAX_POLICY_LIST,
    MAX_RSA_BITS, MAX_TOKEN_AGE_SECONDS, MAX_TOKEN_BYTES, MIN_HMAC_KEY_BYTES, MIN_RSA_BITS,
};
use libtoken::revocation::scope::{Cardinality, MissingClaim, Namespace, ScopeKind, ScopeSource};
use libtoken::revocation::{DoubtPolicy, Fallback, Scope};
use libtoken::verify::{AudienceRule, IssuerPolicy, KeySource, Policy, RevocationPolicy, Verifier};

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
            let revocation = revocation(policy.revocation());
            format!("{size}\n{}\n{revocation}\n{}", issuers.join("\n"), limits())
        }
        None => {
            let nothing_set = IssuerPolicy::new("(required)", AudienceRule::AnyOf(Vec::new()));
            let size = row("max_token_bytes", libtoken::limits::DEFAULT_MAX_TOKEN_BYTES, true);
            format!("{size}\n{}\n{}\n{}", settings(&nothing_set), revocation(None), limits())
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

/// What can be revoked, and what happens in doubt.
fn revocation(revocation: Option<&RevocationPolicy>) -> String {
    let mut text = String::from("revocation\n");
    let Some(revocation) = revocation else {
        return text + &setting("scopes", "none: nothing can be revoked", true);
    };
    text += &setting("scopes", revocation.scopes.len(), false);
    for scope in &revocation.scopes {
        let standard = Scope::standard(&scope.name).as_ref() == Some(scope);
        text += &setting("scopes", scope_in_words(scope), standard);
    }
    text += &match revocation.doubt.max_staleness_seconds {
        None => setting("max_staleness_seconds", "none: loaded state is never too old", true),
        Some(seconds) => setting("max_staleness_seconds", seconds, false),
    };
    let default = DoubtPolicy::default();
    let (stale, maybe) = (revocation.doubt.on_stale, revocation.doubt.on_maybe);
    text += &setting("on_stale", fallback(stale), stale == default.on_stale);
    text += &setting("on_maybe", fallback(maybe), maybe == default.on_maybe);
    text += &match &revocation.directory {
        None => setting("directory", "none: the host gives the state (--state DIR)", true),
        Some(directory) => setting("directory", directory, false),
    };
    text
}

/// `client: epoch, by client_id or azp, per issuer; missing: refuse; tokens live up to 2592000 seconds`
fn scope_in_words(scope: &Scope) -> String {
    let kind = match scope.kind {
        ScopeKind::Id => "id",
        ScopeKind::Epoch => "epoch",
    };
    let by = match &scope.source {
        ScopeSource::Claims { keys, ancestors, cardinality } => {
            let names =
                |key: &Vec<ClaimPath>| key.iter().map(ClaimPath::text).collect::<Vec<_>>().join(" and ");
            let mut by = format!("by {}", keys.iter().map(names).collect::<Vec<_>>().join(" or "));
            if *cardinality == Cardinality::Each {
                by += " (each value)";
            }
            if !ancestors.is_empty() {
                by += &format!(", below {}", names(ancestors));
            }
            by
        }
        ScopeSource::Key => "by the kid of the key".to_owned(),
        ScopeSource::Issuer => "of the issuer".to_owned(),
        ScopeSource::All => "of all issuers".to_owned(),
    };
    let namespace = match (&scope.source, scope.namespace) {
        (ScopeSource::Issuer | ScopeSource::All, _) => "",
        (_, Namespace::Issuer) => ", per issuer",
        (_, Namespace::Shared) => ", shared by all issuers",
    };
    let missing = match scope.missing {
        MissingClaim::Refuse => "refuse",
        MissingClaim::Ignore => "ignore",
    };
    let lifetime = scope.max_lifetime_seconds;
    let name = &scope.name;
    format!("{name}: {kind}, {by}{namespace}; missing: {missing}; tokens live up to {lifetime} seconds")
}

fn fallback(fallback: Fallback) -> &'static str {
    match fallback {
        Fallback::Allow => "allow",
        Fallback::Introspect => "introspect",
        Fallback::Refuse => "refuse",
    }
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
