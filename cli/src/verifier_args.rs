//! From a policy file, or from options, to a verifier with its keys.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use libtoken::codec::pointer::ClaimPath;
use libtoken::jose::algorithm::{Algorithm, Algorithms};
use libtoken::limits::{DEFAULT_MAX_TOKEN_BYTES, MAX_LEEWAY_SECONDS, MAX_TOKEN_BYTES};
use libtoken::verify::{
    AudienceRule, IssuerPolicy, KeySetReport, KeySource, KeyUpdateError, Policy, Profile, RequiredClaim,
    SkippedKey, Verifier,
};

use crate::failure::Failure;
use crate::files;
use crate::show::Visible;
use crate::state::Followed;

/// Which tokens to accept: a policy file, or one issuer described by options.
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct VerifierArgs {
    /// Policy file (docs/policy.schema.json); `libtoken policy show FILE` explains it
    #[arg(long, value_name = "FILE", required_unless_present = "issuer", conflicts_with_all = [
        "issuer", "audience", "no_audience_check", "algorithm", "profile", "accept_type", "leeway",
        "max_age", "allow_no_exp", "require_claim", "tenant_claim", "max_token_bytes",
    ])]
    policy: Option<PathBuf>,

    /// Without a policy file: the exact `iss` of the tokens
    #[arg(long, value_name = "ISSUER", requires = "jwks", requires = "audience_rule")]
    issuer: Option<String>,

    /// Accepted audience; may be repeated
    #[arg(long, value_name = "AUDIENCE", group = "audience_rule")]
    audience: Vec<String>,

    /// Accept tokens for any audience
    #[arg(long, group = "audience_rule", conflicts_with = "audience")]
    no_audience_check: bool,

    /// JWK Set file of the issuer; with a policy of several issuers: ISSUER=FILE, may be repeated
    #[arg(long, value_name = "FILE")]
    jwks: Vec<String>,

    /// State directory of revocations, if not the one that the policy names
    #[arg(long, value_name = "DIR", requires = "policy")]
    state: Option<PathBuf>,

    /// Allowed algorithm (default: each key's own); may be repeated
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm)]
    algorithm: Vec<Algorithm>,

    /// Kind of token: `jwt`, or `rfc9068` for OAuth 2.0 access tokens
    #[arg(long, value_name = "PROFILE", value_parser = profile)]
    profile: Option<Profile>,

    /// Accepted `typ` beyond those of the profile; may be repeated
    #[arg(long, value_name = "TYPE")]
    accept_type: Vec<String>,

    /// Allowed clock difference
    #[arg(long, value_name = "SECONDS", value_parser = leeway)]
    leeway: Option<u32>,

    /// Greatest age, counted from `iat`
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u32>,

    /// Accept tokens without `exp`
    #[arg(long)]
    allow_no_exp: bool,

    /// Claim that must be there: a name, or a JSON pointer; may be repeated
    #[arg(long, value_name = "CLAIM", value_parser = claim_path)]
    require_claim: Vec<ClaimPath>,

    /// The claim that names the token's tenant
    #[arg(long, value_name = "CLAIM", value_parser = claim_path)]
    tenant_claim: Option<ClaimPath>,

    /// Longest accepted token
    #[arg(long, value_name = "BYTES", value_parser = token_bytes)]
    max_token_bytes: Option<usize>,
}

impl VerifierArgs {
    /// The verifier, with keys for every issuer. Keys that are skipped are told on standard error.
    pub(crate) fn verifier(&self) -> Result<Verifier, Failure> {
        let (policy, place) = match &self.policy {
            Some(path) => (read_policy(path)?, files::name(path)),
            None => (self.policy_from_options()?, "--issuer".to_owned()),
        };
        let verifier = Verifier::new(policy);
        KeyFiles { policy: self.policy.as_deref(), jwks: &self.jwks }.load(&verifier, &place)?;
        Ok(verifier)
    }

    /// Attaches the revocation state that the policy names to the verifier; `None` if it has no revocation.
    pub(crate) fn follow(&self, verifier: &Verifier) -> Result<Option<Followed>, Failure> {
        let policy = verifier.policy();
        let Some(revocation) = policy.revocation() else { return Ok(None) };
        let named = revocation.directory.as_deref().map(|d| beside(self.policy.as_deref(), d));
        let Some(directory) = self.state.clone().or(named) else {
            let place = self.policy.as_deref().map_or_else(String::new, files::name);
            let what = "has revocation scopes, but names no state directory";
            return Err(Failure::new(place, what, "set `revocation.directory` in it, or give --state DIR"));
        };
        Followed::open(directory, verifier).map(Some)
    }

    fn policy_from_options(&self) -> Result<Policy, Failure> {
        let audiences = if self.no_audience_check {
            AudienceRule::Unchecked
        } else {
            AudienceRule::AnyOf(self.audience.clone())
        };
        let mut issuer = IssuerPolicy::new(self.issuer.clone().unwrap_or_default(), audiences);
        issuer.algorithms =
            (!self.algorithm.is_empty()).then(|| self.algorithm.iter().copied().collect::<Algorithms>());
        issuer.profile = self.profile.unwrap_or_default();
        issuer.types = self.accept_type.clone();
        issuer.leeway_seconds = self.leeway.unwrap_or(issuer.leeway_seconds);
        issuer.require_exp = !self.allow_no_exp;
        issuer.max_age_seconds = self.max_age;
        issuer.required_claims = self.require_claim.iter().cloned().map(RequiredClaim).collect();
        issuer.tenant_claim = self.tenant_claim.clone();
        let max_token_bytes = self.max_token_bytes.unwrap_or(DEFAULT_MAX_TOKEN_BYTES);
        Policy::with_max_token_bytes(vec![issuer], max_token_bytes)
            .map_err(|e| Failure::new("the options as a policy", e, "see `libtoken verify --help`"))
    }
}

/// Where the keys of a policy's issuers are.
pub(crate) struct KeyFiles<'a> {
    /// The policy file, from which relative paths count.
    pub(crate) policy: Option<&'a Path>,
    /// `FILE` or `ISSUER=FILE`, before what the policy says.
    pub(crate) jwks: &'a [String],
}

impl KeyFiles<'_> {
    /// Gives the verifier the keys of every issuer. Keys that are skipped are told on standard error; those
    /// that are inline stand at `place`.
    pub(crate) fn load(&self, verifier: &Verifier, place: &str) -> Result<(), Failure> {
        let policy = verifier.policy();
        for issuer in policy.issuers() {
            match self.of(issuer, &policy)? {
                Some(path) => {
                    load_keys(verifier, issuer, &path)?;
                }
                None => report_inline_keys(verifier, issuer, place),
            }
        }
        Ok(())
    }

    /// The file with the issuer's keys: from `--jwks`, else from the policy. `None`: they are inline.
    fn of(&self, issuer: &IssuerPolicy, policy: &Policy) -> Result<Option<PathBuf>, Failure> {
        let for_issuer = |text: &String| {
            let named = policy.issuers().iter().find_map(|i| Some((i, named_file(text, &i.issuer)?)));
            match named {
                Some((named, file)) => (named.issuer == issuer.issuer).then(|| PathBuf::from(file)),
                None => (policy.issuers().len() == 1).then(|| PathBuf::from(text)),
            }
        };
        let mut given = self.jwks.iter().filter_map(for_issuer);
        if let Some(path) = given.next() {
            if given.next().is_some() {
                let place = format_args!("--jwks for {}", Visible(&issuer.issuer));
                return Err(Failure::new(place, "given twice", "put all keys of an issuer into one file"));
            }
            return Ok(Some(path));
        }
        match &issuer.keys {
            KeySource::Inline(_) => Ok(None),
            KeySource::File(file) => Ok(Some(beside(self.policy, file))),
            KeySource::Host | KeySource::Uri(_) => {
                let from = match &issuer.keys {
                    KeySource::Uri(_) => "come from a URL, and this command opens no connection",
                    _ => "are not named in the policy",
                };
                let option = if policy.issuers().len() == 1 { "--jwks FILE" } else { "--jwks ISSUER=FILE" };
                Err(Failure::new(
                    format_args!("the keys of {}", Visible(&issuer.issuer)),
                    from,
                    format_args!("give them with {option}"),
                ))
            }
        }
    }
}

/// Reads and checks a policy file.
pub(crate) fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let json = files::read_document(path)?;
    Policy::from_json(&json).map_err(|e| {
        let what = e.to_string();
        Failure::new(files::name(path), Visible(&what), "see docs/policy.schema.json")
    })
}

/// A path of a policy file; a relative one counts from the directory of that file.
pub(crate) fn beside(policy: Option<&Path>, file: &str) -> PathBuf {
    match policy.filter(|p| !files::is_stdio(p)).and_then(Path::parent) {
        Some(directory) => directory.join(file),
        None => PathBuf::from(file),
    }
}

/// Gives the verifier an issuer's keys, and tells which of them are skipped.
pub(crate) fn load_keys(
    verifier: &Verifier,
    issuer: &IssuerPolicy,
    path: &Path,
) -> Result<KeySetReport, Failure> {
    let json = files::read_document(path)?;
    match verifier.replace_operator_keys(&issuer.issuer, &json) {
        Ok(report) => {
            warn_of_skipped(&report, files::name(path));
            Ok(report)
        }
        Err(error) => {
            let remedy = match error {
                KeyUpdateError::NoUsableKey(_) => "`libtoken keys check FILE` explains each key",
                _ => "a JWK Set is needed, as `libtoken keys public` writes it",
            };
            Err(Failure::new(files::name(path), error, remedy))
        }
    }
}

/// What a message calls a skipped key.
pub(crate) fn key_name(key: &SkippedKey) -> String {
    match &key.kid {
        Some(kid) => format!("key {} (`{}`)", key.index, Visible(kid)),
        None => format!("key {}", key.index),
    }
}

pub(crate) fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Algorithm::ALL.into_iter().map(Algorithm::name).collect();
        format!("must be one of {}", known.join(", "))
    })
}

fn report_inline_keys(verifier: &Verifier, issuer: &IssuerPolicy, place: &str) {
    if let Ok(report) = verifier.keys(&issuer.issuer) {
        warn_of_skipped(&report, place);
    }
}

fn warn_of_skipped(report: &KeySetReport, place: impl Display) {
    for key in &report.skipped {
        // If standard error is gone, the verdicts still tell.
        let _ = writeln!(io::stderr(), "warning: {place}: {} is skipped: {}", key_name(key), key.problem);
    }
}

fn named_file<'a>(text: &'a str, issuer: &str) -> Option<&'a str> {
    text.strip_prefix(issuer)?.strip_prefix('=')
}

fn profile(name: &str) -> Result<Profile, String> {
    [Profile::Jwt, Profile::AccessToken]
        .into_iter()
        .find(|profile| profile.name() == name)
        .ok_or_else(|| "must be jwt or rfc9068".to_owned())
}

fn claim_path(text: &str) -> Result<ClaimPath, String> {
    ClaimPath::new(text).map_err(|e| e.to_string())
}

fn leeway(text: &str) -> Result<u32, String> {
    let in_range = text.parse().ok().filter(|s| *s <= MAX_LEEWAY_SECONDS);
    in_range.ok_or_else(|| format!("must be 0 to {MAX_LEEWAY_SECONDS}"))
}

fn token_bytes(text: &str) -> Result<usize, String> {
    let in_range = text.parse().ok().filter(|n| (1..=MAX_TOKEN_BYTES).contains(n));
    in_range.ok_or_else(|| format!("must be 1 to {MAX_TOKEN_BYTES}"))
}
