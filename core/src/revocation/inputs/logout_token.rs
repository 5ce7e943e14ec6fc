//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6).

use super::{InputError, Order};
use crate::codec::json::{Kind, Value};
use crate::jose::claims::Claims;

/// The member of `events` that makes a JWT a logout token.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Translates the claims of a logout token that a verifier accepted under the profile `logout_token`.
///
/// With `sid` it ends that session, under the scope `session`; without, all sessions of `sub` that began
/// until `iat`, under the scope `subject`. A replayed token changes nothing, because only its own times count.
///
/// # Errors
/// [`InputError`]: `events` without the logout event or with a value that is no object, neither `sub` nor
/// `sid`, or a `nonce`, which would make it an ID token.
pub fn logout_token(claims: Claims<'_>) -> Result<Vec<Order>, InputError> {
    if claims.claim("nonce").is_some() {
        return Err(InputError::Forbidden("nonce"));
    }
    let events = claims.claim("events").ok_or(InputError::Missing("events"))?;
    let event = events.member(LOGOUT_EVENT).ok_or(InputError::Invalid("events"))?;
    if event.kind() != Kind::Object {
        return Err(InputError::Invalid("events"));
    }
    let issuer = claims.issuer().ok_or(InputError::Missing("iss"))?;
    let at = claims.issued_at().ok_or(InputError::Missing("iat"))?.floor();
    let sid = match claims.claim("sid") {
        None => None,
        Some(value) => Some(non_empty(value).ok_or(InputError::Invalid("sid"))?),
    };
    let (scope, value) = match (sid, claims.subject()) {
        (Some(sid), _) => ("session", sid),
        (None, Some("")) => return Err(InputError::Invalid("sub")),
        (None, Some(sub)) => ("subject", sub),
        (None, None) => return Err(InputError::Missing("sub")),
    };
    Ok(vec![Order {
        scope: scope.to_owned(),
        issuer: issuer.to_owned(),
        values: vec![value.to_owned()],
        at,
        until: None,
    }])
}

fn non_empty(value: Value<'_>) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}
