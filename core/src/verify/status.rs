//! Status lists in a verifier (draft-ietf-oauth-status-list): loaded by the host, asked for every token that
//! refers to one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::policy::IssuerPolicy;
use super::revocations::Introspected;
use crate::error::{Code, Reason, Rejection};
use crate::jose::claims::Claims;
use crate::jose::header::{Header, same_media_type};
use crate::jose::numeric_date::NumericDate;
use crate::revocation::status_list::{Status, StatusList, StatusListError, StatusReference};
use crate::revocation::{DoubtPolicy, Fallback};

/// The media type of a status list token (draft §5.1).
const MEDIA_TYPE: &str = "statuslist+jwt";

/// Why a status list token was not taken over. The list from before is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusTokenError {
    /// The token is not authentic, or its claims are not those of a status list token.
    Rejected(Rejection),
    /// The policy has no such issuer, or does not name this URI among its status lists.
    NotAllowed,
    /// The list in it cannot be used.
    List(StatusListError),
    /// It is older than the list that is in use.
    Older,
}

/// A list with its times.
pub(super) struct LoadedList {
    list: StatusList,
    issued_at: i64,
    expires_at: Option<i64>,
}

/// Loaded lists by issuer and URI.
pub(super) type LoadedLists = BTreeMap<(String, String), Arc<LoadedList>>;

impl LoadedList {
    /// Reads a status list token whose signature was checked (draft §8.3).
    pub(super) fn read(
        header: Header<'_>,
        claims: Claims<'_>,
        policy: &IssuerPolicy,
        uri: &str,
        now: i64,
    ) -> Result<LoadedList, StatusTokenError> {
        let rejected = |code, claim, reason| StatusTokenError::Rejected(Rejection::of(code, claim, reason));
        let leeway = i64::from(policy.leeway_seconds);
        if !header.typ.is_some_and(|typ| same_media_type(typ, MEDIA_TYPE)) {
            return Err(rejected(Code::TypeNotAllowed, "typ", Reason::CheckFailed));
        }
        if claims.issuer().is_some_and(|issuer| issuer != policy.issuer) {
            return Err(rejected(Code::IssuerMismatch, "iss", Reason::CheckFailed));
        }
        // The list must be the one that was asked for: `sub` is its URI.
        if claims.subject() != Some(uri) {
            return Err(rejected(Code::InvalidClaim, "sub", Reason::CheckFailed));
        }
        let issued_at = claims.issued_at().ok_or(rejected(Code::MissingClaim, "iat", Reason::Missing))?;
        if issued_at.ceil() > now.saturating_add(leeway) {
            return Err(rejected(Code::IssuedInFuture, "iat", Reason::CheckFailed));
        }
        let expires_at = claims.expires_at().map(NumericDate::ceil);
        if expires_at.is_some_and(|end| now.saturating_sub(leeway) >= end) {
            return Err(rejected(Code::Expired, "exp", Reason::CheckFailed));
        }
        let list = StatusList::read(claims.claim("status_list")).map_err(StatusTokenError::List)?;
        Ok(LoadedList { list, issued_at: issued_at.floor(), expires_at })
    }

    /// Whether this list was issued before `other`.
    pub(super) fn is_older_than(&self, other: &LoadedList) -> bool {
        self.issued_at < other.issued_at
    }
}

/// Asks the list that the token refers to. `lists` are those of the issuer's policy, in its order.
pub(super) fn check(
    policy: &IssuerPolicy,
    lists: &[Option<Arc<LoadedList>>],
    doubt: &DoubtPolicy,
    claims: Claims<'_>,
    introspected: Introspected,
    now: i64,
) -> Result<(), Rejection> {
    let Some(status) = claims.claim("status") else { return Ok(()) };
    let reference = StatusReference::read(status)
        .map_err(|_| Rejection::of(Code::InvalidClaim, "status", Reason::WrongType))?;
    let Some(reference) = reference else { return Ok(()) };
    let not_revocable = |reason| Rejection::of(Code::NotRevocable, "status", reason);
    // A list that the operator did not name is never trusted, and never asked for.
    let place = policy.status_lists.iter().position(|uri| uri == reference.uri);
    let place = place.ok_or(not_revocable(Reason::CheckFailed))?;
    let list = lists.get(place).and_then(Option::as_deref);
    let leeway = i64::from(policy.leeway_seconds);
    let current = list.filter(|l| l.expires_at.is_none_or(|end| now.saturating_sub(leeway) < end));
    let Some(current) = current else {
        return match (doubt.on_stale, introspected) {
            (Fallback::Allow, _) | (_, Introspected::Active) => Ok(()),
            (Fallback::Introspect, Introspected::No) => {
                Err(Rejection::of(Code::IntrospectionRequired, "status", Reason::CheckFailed))
            }
            (Fallback::Refuse, Introspected::No) => {
                Err(Rejection::of(Code::Stale, "status", Reason::CheckFailed))
            }
        };
    };
    match current.list.status(reference.index) {
        Some(Status::Valid) => Ok(()),
        Some(Status::Invalid | Status::Suspended | Status::Other(_)) => {
            Err(Rejection::of(Code::Revoked, "status", Reason::CheckFailed))
        }
        None => Err(not_revocable(Reason::OutOfRange)),
    }
}

impl core::fmt::Display for StatusTokenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            StatusTokenError::Rejected(rejection) => write!(f, "{rejection}"),
            StatusTokenError::NotAllowed => {
                f.write_str("the policy does not name this URI among the issuer's status lists")
            }
            StatusTokenError::List(error) => write!(f, "{error}"),
            StatusTokenError::Older => f.write_str("the status list is older than the one in use"),
        }
    }
}

impl core::error::Error for StatusTokenError {}
