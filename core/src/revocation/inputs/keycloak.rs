//! Administrative pushes of Keycloak to its clients: `PUSH_NOT_BEFORE` and `LOGOUT`.
//!
//! Their payload is a JWS signed with the realm's key; it has times and a resource, but no `iss` and no `typ`, so
//! the host checks the signature with the realm's keys and passes the payload.

use super::{InputError, Order};
use crate::codec::json::{OwnedDocument, Value};

/// Translates the payload of an action that the realm `issuer` signed for the client `resource`.
///
/// `PUSH_NOT_BEFORE` refuses everything of the realm that was issued before `notBefore` (Keycloak compares
/// `iat < notBefore`, so the last refused second is the one before). `LOGOUT` ends the sessions in
/// `keycloakSessionIds`, or, without any, all until `notBefore`. A `notBefore` of 0 takes a push back in
/// Keycloak; revocations are never taken back here, so it is refused.
///
/// # Errors
/// [`InputError`] if the action has expired at `now` (seconds since the Unix epoch), is meant for another
/// client, or is of another kind.
pub fn keycloak_action(
    payload: &[u8],
    issuer: &str,
    resource: &str,
    now: i64,
) -> Result<Vec<Order>, InputError> {
    let document = OwnedDocument::parse(payload).map_err(|_| InputError::Json)?;
    let action = document.root();
    action.members().ok_or(InputError::Json)?;
    let number = |name: &'static str| {
        let value = action.member(name).ok_or(InputError::Missing(name))?;
        value.as_i64().ok_or(InputError::Invalid(name))
    };
    if number("expiration")? <= now {
        return Err(InputError::Invalid("expiration"));
    }
    if text(action, "resource")? != resource {
        return Err(InputError::Invalid("resource"));
    }
    let order = |scope: &str, values: Vec<String>, at| Order {
        scope: scope.to_owned(),
        issuer: issuer.to_owned(),
        values,
        at,
        until: None,
    };
    let not_before = || match number("notBefore")? {
        at if at > 0 => Ok(vec![order("issuer", Vec::new(), at - 1)]),
        _ => Err(InputError::Invalid("notBefore")),
    };
    match text(action, "action")? {
        "PUSH_NOT_BEFORE" => not_before(),
        "LOGOUT" => match action.member("keycloakSessionIds").filter(|ids| !ids.is_null()) {
            None => not_before(),
            Some(ids) => {
                let ids = ids.items().ok_or(InputError::Invalid("keycloakSessionIds"))?;
                let orders = ids.map(|id| {
                    let id = id.as_str().filter(|id| !id.is_empty());
                    let id = id.ok_or(InputError::Invalid("keycloakSessionIds"))?;
                    Ok(order("session", vec![id.to_owned()], now))
                });
                orders.collect()
            }
        },
        _ => Err(InputError::Invalid("action")),
    }
}

fn text<'a>(action: Value<'a>, name: &'static str) -> Result<&'a str, InputError> {
    action.member(name).ok_or(InputError::Missing(name))?.as_str().ok_or(InputError::Invalid(name))
}
