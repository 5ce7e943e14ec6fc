//! Standard messages that revoke: logout tokens, security event tokens and the token of an RFC 7009 request.
//! Each must be signed with a key of an issuer of the policy; what it asks for is carried out in full or not at
//! all.

use std::io::{self, Read};

use libtoken::limits::MAX_TOKEN_BYTES;
use libtoken::revocation::inputs::{
    InputError, Order, SubjectScopes, logout_token, revoked_token, security_event,
};
use libtoken::verify::{AudienceRule, IssuerPolicy, Policy, Profile, Request, Verified, Verifier};

use crate::failure::Failure;
use crate::files;
use crate::scopes::Scopes;
use crate::state::StateArgs;
use crate::verifier_args::KeyFiles;

#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// Carry out a logout token (OpenID Connect Back-Channel Logout); `-` reads it from standard input
    #[arg(long, value_name = "JWT", group = "message")]
    logout_token: Option<String>,

    /// Carry out a security event token (CAEP, RISC); `-` reads it from standard input
    #[arg(long, value_name = "JWT", group = "message")]
    security_event: Option<String>,

    /// Revoke this valid token by its `jti` (RFC 7009); `-` reads it from standard input
    #[arg(long, value_name = "TOKEN", group = "message")]
    rfc7009: Option<String>,

    /// The scope for security events whose subject has exactly these fields: `tenant+user=SCOPE`; may be repeated
    #[arg(long, value_name = "FIELDS=SCOPE", value_parser = subject_scope, requires = "security_event")]
    map: Vec<(Vec<String>, String)>,

    /// Audience of the message, if not one of the policy's; may be repeated
    #[arg(long, value_name = "AUDIENCE", requires = "message")]
    audience: Vec<String>,

    /// JWK Set file of the issuer; with a policy of several issuers: ISSUER=FILE, may be repeated
    #[arg(long, value_name = "FILE", requires = "message")]
    jwks: Vec<String>,
}

/// What the message asks for, at `now` (seconds since the Unix epoch).
pub(super) fn orders(
    args: &Args,
    state: &StateArgs,
    scopes: &Scopes,
    now: i64,
) -> Result<Vec<Order>, Failure> {
    let (option, text, profile) = match (&args.logout_token, &args.security_event, &args.rfc7009) {
        (Some(text), _, _) => ("--logout-token", text, Some(Profile::LogoutToken)),
        (_, Some(text), _) => ("--security-event", text, Some(Profile::SecurityEvent)),
        (_, _, Some(text)) => ("--rfc7009", text, None),
        (None, None, None) => return Ok(Vec::new()),
    };
    let token = read(text, option)?;
    let policy = message_policy(scopes.policy(), profile, &args.audience)
        .map_err(|e| Failure::new(option, e, "check --audience and the policy"))?;
    let verifier = Verifier::new(policy);
    KeyFiles { policy: state.policy_file(), jwks: &args.jwks }.load(&verifier, "the policy")?;
    let mut scratch = verifier.scratch();
    let verified = verifier
        .verify(&token, &Request::new(), now, &mut scratch)
        .map_err(|e| Failure::new(option, format_args!("refused: {e}"), "nothing is revoked"))?;
    translate(args, &verified, now)
        .map_err(|e| Failure::new(option, e, "nothing is revoked; correct the sender or the scopes"))
}

fn translate(args: &Args, verified: &Verified<'_>, now: i64) -> Result<Vec<Order>, InputError> {
    let claims = verified.claims();
    if args.logout_token.is_some() {
        return logout_token(claims);
    }
    if args.security_event.is_none() {
        return revoked_token(claims, now);
    }
    let mut subjects = SubjectScopes::standard();
    for (fields, scope) in &args.map {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        subjects = subjects.with(&fields, scope);
    }
    security_event(claims, &subjects).map(|outcome| outcome.orders)
}

/// The policy for messages of the same issuers: their names, keys, algorithms and audiences, and the rules of
/// the message's profile. Without a profile, the policy as it is. Revocations are not asked: a message about what is
/// revoked already changes nothing.
fn message_policy(
    policy: &Policy,
    profile: Option<Profile>,
    audiences: &[String],
) -> Result<Policy, libtoken::verify::PolicyError> {
    let issuers = policy.issuers().iter().map(|issuer| {
        let mut message = match profile {
            None => IssuerPolicy { status_lists: Vec::new(), ..issuer.clone() },
            Some(profile) => IssuerPolicy {
                algorithms: issuer.algorithms,
                leeway_seconds: issuer.leeway_seconds,
                keys: issuer.keys.clone(),
                profile,
                require_exp: profile.requires_exp(),
                ..IssuerPolicy::new(issuer.issuer.clone(), issuer.audiences.clone())
            },
        };
        if !audiences.is_empty() {
            message.audiences = AudienceRule::AnyOf(audiences.to_vec());
        }
        message
    });
    Policy::with_max_token_bytes(issuers.collect(), policy.max_token_bytes())
}

fn read(text: &str, option: &str) -> Result<Vec<u8>, Failure> {
    if !files::is_stdio(text.as_ref()) {
        return Ok(text.as_bytes().to_vec());
    }
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(MAX_TOKEN_BYTES as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|e| Failure::new(option, format_args!("cannot be read ({e})"), "check the sender"))?;
    Ok(bytes.trim_ascii().to_vec())
}

fn subject_scope(text: &str) -> Result<(Vec<String>, String), String> {
    let (fields, scope) = text.split_once('=').ok_or("must be FIELDS=SCOPE, such as tenant+user=account")?;
    Ok((fields.split('+').map(str::to_owned).collect(), scope.to_owned()))
}
