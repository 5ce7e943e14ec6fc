//! The policy checks, in their fixed order, each with its section. They read claims that the signature
//! already vouches for, and change nothing.

use super::policy::{AudienceRule, IssuerPolicy};
use super::verifier::Request;
use crate::codec::json::Kind;
use crate::error::{Code, Reason, Rejection};
use crate::jose::claims::Claims;
use crate::jose::header::Header;

/// Everything that a token must satisfy, apart from its signature and revocation.
pub(super) fn check(
    policy: &IssuerPolicy,
    request: &Request<'_>,
    header: Header<'_>,
    claims: Claims<'_>,
    now: i64,
) -> Result<(), Rejection> {
    issuer(policy, claims)?;
    audience(policy, request, claims)?;
    expiry(policy, claims, now)?;
    not_before(policy, claims, now)?;
    issued_at(policy, claims, now)?;
    token_type(policy, header)?;
    required_claims(policy, claims)?;
    tenant(policy, request, claims)
}

/// RFC 7519 §4.1.1, RFC 8725 §3.8: the issuer whose key signed, exactly.
fn issuer(policy: &IssuerPolicy, claims: Claims<'_>) -> Result<(), Rejection> {
    match claims.issuer() {
        None => Err(Rejection::of(Code::MissingClaim, "iss", Reason::Missing)),
        Some(issuer) if issuer == policy.issuer => Ok(()),
        Some(_) => Err(Rejection::of(Code::IssuerMismatch, "iss", Reason::CheckFailed)),
    }
}

/// RFC 7519 §4.1.3, RFC 8725 §3.9: one of the policy's audiences, and the request's where it names one.
fn audience(policy: &IssuerPolicy, request: &Request<'_>, claims: Claims<'_>) -> Result<(), Rejection> {
    let mismatch = || {
        let reason = if claims.audiences().next().is_none() { Reason::Missing } else { Reason::CheckFailed };
        Err(Rejection::of(Code::AudienceMismatch, "aud", reason))
    };
    if let AudienceRule::AnyOf(accepted) = &policy.audiences
        && !claims.audiences().any(|audience| accepted.iter().any(|a| a == audience))
    {
        return mismatch();
    }
    match request.audience {
        Some(wanted) if !claims.audiences().any(|audience| audience == wanted) => mismatch(),
        _ => Ok(()),
    }
}

/// RFC 7519 §4.1.4: 'on or after which the token must not be accepted'.
fn expiry(policy: &IssuerPolicy, claims: Claims<'_>, now: i64) -> Result<(), Rejection> {
    match claims.expires_at() {
        Some(exp) if now.saturating_sub(leeway(policy)) < exp.ceil() => Ok(()),
        Some(_) => Err(Rejection::of(Code::Expired, "exp", Reason::CheckFailed)),
        None if policy.require_exp => Err(Rejection::of(Code::MissingClaim, "exp", Reason::Missing)),
        None => Ok(()),
    }
}

/// RFC 7519 §4.1.5: 'before which the token must not be accepted'.
fn not_before(policy: &IssuerPolicy, claims: Claims<'_>, now: i64) -> Result<(), Rejection> {
    match claims.not_before() {
        Some(nbf) if now.saturating_add(leeway(policy)) < nbf.ceil() => {
            Err(Rejection::of(Code::NotYetValid, "nbf", Reason::CheckFailed))
        }
        _ => Ok(()),
    }
}

/// RFC 7519 §4.1.6: not issued in the future, and not too long ago.
fn issued_at(policy: &IssuerPolicy, claims: Claims<'_>, now: i64) -> Result<(), Rejection> {
    let Some(iat) = claims.issued_at() else {
        return match policy.max_age_seconds {
            Some(_) => Err(Rejection::of(Code::MissingClaim, "iat", Reason::Missing)),
            None => Ok(()),
        };
    };
    if iat.ceil() > now.saturating_add(leeway(policy)) {
        return Err(Rejection::of(Code::IssuedInFuture, "iat", Reason::CheckFailed));
    }
    match policy.max_age_seconds {
        Some(max) if now.saturating_sub(iat.floor()) > i64::from(max).saturating_add(leeway(policy)) => {
            Err(Rejection::of(Code::TooOld, "iat", Reason::CheckFailed))
        }
        _ => Ok(()),
    }
}

/// RFC 8725 §3.11: explicit typing keeps one kind of JWT from passing for another.
fn token_type(policy: &IssuerPolicy, header: Header<'_>) -> Result<(), Rejection> {
    if policy.accepts_type(header.typ) {
        return Ok(());
    }
    let reason = if header.typ.is_none() { Reason::Missing } else { Reason::CheckFailed };
    Err(Rejection::of(Code::TypeNotAllowed, "typ", reason))
}

/// The profile's claims (RFC 9068 §2.2) and the operator's own. Null counts as absent here: it says nothing.
fn required_claims(policy: &IssuerPolicy, claims: Claims<'_>) -> Result<(), Rejection> {
    for name in policy.profile.required_claims() {
        if claims.claim(name).is_none_or(|value| value.kind() == Kind::Null) {
            return Err(Rejection::of(Code::MissingClaim, name, Reason::Missing));
        }
    }
    for required in &policy.required_claims {
        if claims.at(&required.0).is_none_or(|value| value.kind() == Kind::Null) {
            return Err(Rejection::of(Code::MissingClaim, required.0.text(), Reason::Missing));
        }
    }
    Ok(())
}

/// The tenant that the request addresses is the token's tenant.
fn tenant(policy: &IssuerPolicy, request: &Request<'_>, claims: Claims<'_>) -> Result<(), Rejection> {
    let Some(wanted) = request.tenant else { return Ok(()) };
    // A request that names a tenant must not pass because nobody configured where the token names its own.
    let Some(path) = &policy.tenant_claim else {
        return Err(Rejection::new(Code::TenantMismatch, Reason::Missing));
    };
    match claims.at(path) {
        None => Err(Rejection::of(Code::TenantMismatch, path.text(), Reason::Missing)),
        Some(value) => match value.as_str() {
            None => Err(Rejection::of(Code::InvalidClaim, path.text(), Reason::WrongType)),
            Some(tenant) if tenant == wanted => Ok(()),
            Some(_) => Err(Rejection::of(Code::TenantMismatch, path.text(), Reason::CheckFailed)),
        },
    }
}

fn leeway(policy: &IssuerPolicy) -> i64 {
    i64::from(policy.leeway_seconds)
}
