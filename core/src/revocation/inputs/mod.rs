//! Standard messages that revoke, translated into [`Order`]s by pure functions.
//!
//! Every function here takes what is already authentic: the claims of a token that a verifier accepted
//! (with the profile that its section names), or the body of a request whose sender the host has
//! authenticated. A message that cannot be carried out in full is refused with the reason, never half done:
//! an order that covers less than what was asked would leave tokens alive, one that covers more would lock
//! people out.
//!
//! Orders are idempotent: their times come from the message, not from its arrival, so a message that is
//! replayed changes nothing.

mod keycloak;
mod logout_token;
mod request;
mod security_event;
mod subject;
#[cfg(test)]
mod tests;

use core::fmt;

use super::event::{Effect, EventError, EventFields, OperationId};
use super::scope::{Scope, ScopeKind, ScopeSource};

pub use keycloak::keycloak_action;
pub use logout_token::logout_token;
pub use request::{global_token_revocation, revoked_token};
pub use security_event::{SecurityEventOutcome, security_event};
pub use subject::SubjectScopes;

/// What is to be revoked: a scope of the policy, its values, and the time that the message names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// The scope's name.
    pub scope: String,
    /// The issuer whose tokens are concerned.
    pub issuer: String,
    /// The value, or the parts of a composite; none for an issuer or everything.
    pub values: Vec<String>,
    /// For an epoch scope, the last `iat` that is refused; for an id scope, when it was revoked. Seconds since
    /// the Unix epoch.
    pub at: i64,
    /// When the last token concerned expires, if the message tells; otherwise the scope's longest lifetime
    /// after `at` counts.
    pub until: Option<i64>,
}

/// Why a message was not translated.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InputError {
    /// The text is not strict JSON, or not an object.
    Json,
    /// A member that the specification requires is absent.
    Missing(&'static str),
    /// A member has the wrong type or a value outside what is allowed.
    Invalid(&'static str),
    /// A member that the specification forbids is there.
    Forbidden(&'static str),
    /// The message names a subject by fields for which no scope is configured.
    NoScope {
        /// The fields, in alphabetical order, joined by `+`.
        fields: String,
    },
    /// The policy has no scope of this name, or one that takes other values.
    UnknownScope(String),
    /// The order cannot be an event.
    Event(EventError),
}

impl Order {
    /// The event that carries the order out under `scope`, which must be the scope that it names.
    ///
    /// # Errors
    /// [`InputError::UnknownScope`] if the names or the number of values do not fit; [`InputError::Event`]
    /// if a value or time is out of range.
    pub fn into_event(
        self,
        scope: &Scope,
        operation: OperationId,
        recorded_at: i64,
        reason: &str,
        actor: &str,
    ) -> Result<super::event::Event, InputError> {
        let fits = match &scope.source {
            ScopeSource::Claims { keys, .. } => keys.iter().any(|key| key.len() == self.values.len()),
            ScopeSource::Key => self.values.len() == 1,
            ScopeSource::Issuer | ScopeSource::All => self.values.is_empty(),
        };
        if scope.name != self.scope || !fits {
            return Err(InputError::UnknownScope(self.scope));
        }
        let lifetime_end = self.at.saturating_add(i64::from(scope.max_lifetime_seconds));
        let until = self.until.unwrap_or(lifetime_end);
        let effect = match scope.kind {
            ScopeKind::Id => Effect::Id { until },
            ScopeKind::Epoch => Effect::NotBefore { time: self.at, until: until.max(self.at) },
        };
        super::event::Event::new(EventFields {
            operation,
            recorded_at,
            scope: self.scope,
            issuer: self.issuer,
            values: self.values,
            effect,
            reason: reason.to_owned(),
            actor: actor.to_owned(),
        })
        .map_err(InputError::Event)
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputError::Json => f.write_str("the message is not a strict JSON object"),
            InputError::Missing(name) => write!(f, "`{name}` is missing"),
            InputError::Invalid(name) => write!(f, "`{name}` has a wrong type or value"),
            InputError::Forbidden(name) => write!(f, "`{name}` must not be there"),
            InputError::NoScope { fields } => {
                write!(f, "no revocation scope is configured for a subject named by {fields}")
            }
            InputError::UnknownScope(name) => {
                write!(f, "the policy has no revocation scope `{name}` that takes these values")
            }
            InputError::Event(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for InputError {}
