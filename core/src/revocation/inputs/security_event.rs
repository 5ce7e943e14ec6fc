//! Security Event Tokens (RFC 8417) with events of CAEP 1.0 and RISC 1.0, as the Shared Signals Framework 1.0
//! sends them.

use super::{InputError, Order, SubjectScopes};
use crate::codec::json::{Kind, Value};
use crate::jose::claims::Claims;
use crate::jose::numeric_date::NumericDate;

/// What a security event token asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SecurityEventOutcome {
    /// What is to be revoked.
    pub orders: Vec<Order>,
    /// Events that revoke nothing, by their URI: of another type, or such as a credential that was added.
    pub ignored: Vec<String>,
}

/// What an event type means for tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Everything of the subject that was issued until then is over.
    Revoke,
    /// The same, if `change_type` says that a credential went away or was replaced (CAEP 1.0 §3.3).
    RevokeOnCredentialLoss,
}

/// Event types and what they mean. Tokens whose claims changed carry the old ones: they must be replaced.
const TYPES: &[(&str, Meaning)] = &[
    ("https://schemas.openid.net/secevent/caep/event-type/session-revoked", Meaning::Revoke),
    ("https://schemas.openid.net/secevent/caep/event-type/token-claims-change", Meaning::Revoke),
    (
        "https://schemas.openid.net/secevent/caep/event-type/credential-change",
        Meaning::RevokeOnCredentialLoss,
    ),
    ("https://schemas.openid.net/secevent/risc/event-type/account-disabled", Meaning::Revoke),
    ("https://schemas.openid.net/secevent/risc/event-type/account-purged", Meaning::Revoke),
    ("https://schemas.openid.net/secevent/risc/event-type/credential-compromise", Meaning::Revoke),
    ("https://schemas.openid.net/secevent/risc/event-type/sessions-revoked", Meaning::Revoke),
];

/// Translates the claims of a security event token that a verifier accepted under the profile
/// `security_event`.
///
/// The subject is `sub_id` (RFC 9493 §4.1) or, as senders before SSF 1.0 write it, `subject` in the event. The
/// time is the event's `event_timestamp`, else `iat`.
///
/// # Errors
/// [`InputError`]; nothing of the message is then carried out.
pub fn security_event(
    claims: Claims<'_>,
    subjects: &SubjectScopes,
) -> Result<SecurityEventOutcome, InputError> {
    // SSF 1.0: `sub` and `exp` stay out, so that a SET is never taken for another kind of JWT.
    for name in ["sub", "exp"] {
        if claims.claim(name).is_some() {
            return Err(InputError::Forbidden(name));
        }
    }
    let issuer = claims.issuer().ok_or(InputError::Missing("iss"))?;
    let issued_at = claims.issued_at().ok_or(InputError::Missing("iat"))?.floor();
    let events = claims.claim("events").ok_or(InputError::Missing("events"))?;
    let events = events.members().ok_or(InputError::Invalid("events"))?;
    if events.len() == 0 {
        return Err(InputError::Invalid("events"));
    }
    let mut outcome = SecurityEventOutcome::default();
    for (uri, event) in events {
        if event.kind() != Kind::Object {
            return Err(InputError::Invalid("events"));
        }
        let Some((_, meaning)) = TYPES.iter().find(|(known, _)| *known == uri) else {
            outcome.ignored.push(uri.to_owned());
            continue;
        };
        if *meaning == Meaning::RevokeOnCredentialLoss && !credential_lost(event)? {
            outcome.ignored.push(uri.to_owned());
            continue;
        }
        let subject = claims.claim("sub_id").or_else(|| event.member("subject"));
        let subject = subject.ok_or(InputError::Missing("sub_id"))?;
        let at = match event.member("event_timestamp") {
            None => issued_at,
            Some(value) => {
                NumericDate::read(value).map_err(|_| InputError::Invalid("event_timestamp"))?.floor()
            }
        };
        outcome.orders.extend(subjects.orders(subject, issuer, at)?);
    }
    Ok(outcome)
}

fn credential_lost(event: Value<'_>) -> Result<bool, InputError> {
    let change = event.member("change_type").ok_or(InputError::Missing("change_type"))?;
    match change.as_str() {
        Some("revoke" | "update" | "delete") => Ok(true),
        Some("create") => Ok(false),
        _ => Err(InputError::Invalid("change_type")),
    }
}
