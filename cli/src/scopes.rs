//! The scopes of a policy as the commands use them: names and values that were typed become events.

use std::sync::Arc;

use libtoken::revocation::event::{Effect, Event, EventFields, OperationId};
use libtoken::revocation::inputs::Order;
use libtoken::revocation::scope::{Namespace, ScopeKind, ScopeSource};
use libtoken::revocation::{Entry, FingerprintKey, Scope, ScopeSet};
use libtoken::verify::Policy;

use crate::clock;
use crate::json_line::JsonLine;
use crate::nearest::nearest;
use crate::show::Visible;

/// The scopes and issuers of a policy, with the key of a state directory.
pub(crate) struct Scopes {
    policy: Policy,
    pub(crate) set: Arc<ScopeSet>,
}

/// What is kept of every event of one command, for the audit.
#[derive(Clone, Copy)]
pub(crate) struct Notes<'a> {
    pub(crate) operation: OperationId,
    /// Seconds since the Unix epoch.
    pub(crate) recorded_at: i64,
    pub(crate) reason: &'a str,
    pub(crate) actor: &'a str,
}

impl Scopes {
    /// `None` if the policy has no scopes.
    pub(crate) fn new(policy: Policy, key: FingerprintKey) -> Option<Scopes> {
        // The policy checked that its scopes fit together.
        let set = ScopeSet::new(key, policy.revocation()?.scopes.clone()).ok()?;
        Some(Scopes { policy, set: Arc::new(set) })
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The scope with this name. What was typed is not repeated: it could be a token in the wrong place.
    pub(crate) fn scope(&self, name: &str) -> Result<&Scope, String> {
        self.set.iter().find(|scope| scope.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.set.iter().map(|scope| scope.name.as_str()).collect();
            match nearest(name, names.iter().copied()) {
                Some(near) => format!("the policy has no such scope; did you mean `{near}`?"),
                None => format!("the policy has no such scope; it has {}", names.join(", ")),
            }
        })
    }

    /// The issuer for an event of this scope: the one that was named, or the only one of the policy; none
    /// where all issuers share the scope.
    pub(crate) fn issuer(&self, scope: &Scope, named: Option<&str>) -> Result<String, String> {
        if let Some(named) = named.filter(|named| self.policy.find(named).is_none() && !named.is_empty()) {
            let issuers = || self.policy.issuers().iter().map(|issuer| issuer.issuer.as_str());
            return Err(match nearest(named, issuers()) {
                Some(near) => format!("the policy has no such issuer; did you mean `{near}`?"),
                None => "the policy has no such issuer".to_owned(),
            });
        }
        if scope.namespace == Namespace::Shared || scope.source == ScopeSource::All {
            return Ok(String::new());
        }
        match (named, self.policy.issuers()) {
            (Some(named), _) if !named.is_empty() => Ok(named.to_owned()),
            (_, [only]) => Ok(only.issuer.clone()),
            _ => Err("the policy has several issuers, so one must be named".to_owned()),
        }
    }

    /// The values of each event: several values are the parts of a composite, or, where the scope takes one
    /// value, an event each.
    pub(crate) fn split(scope: &Scope, values: &[String]) -> Result<Vec<Vec<String>>, String> {
        if takes(scope, values.len()) {
            return Ok(vec![values.to_vec()]);
        }
        if takes(scope, 1) && !values.is_empty() {
            return Ok(values.iter().map(|value| vec![value.clone()]).collect());
        }
        Err(format!("the scope `{}` takes {}", scope.name, expected_values(scope)))
    }

    /// The event of an order with the entry that carries it out.
    pub(crate) fn event(&self, mut order: Order, notes: &Notes<'_>) -> Result<(Event, Entry), String> {
        let scope = self.scope(&order.scope)?;
        if !takes(scope, order.values.len()) {
            return Err(format!("the scope `{}` takes {}", scope.name, expected_values(scope)));
        }
        order.issuer = self.issuer(scope, Some(&order.issuer))?;
        let event = order
            .into_event(scope, notes.operation, notes.recorded_at, notes.reason, notes.actor)
            .map_err(|e| e.to_string())?;
        let entry = self.entry(event.fields())?;
        Ok((event, entry))
    }

    fn entry(&self, fields: &EventFields) -> Result<Entry, String> {
        let values: Vec<&str> = fields.values.iter().map(String::as_str).collect();
        self.set
            .entry(&fields.scope, &fields.issuer, &values, fields.effect.entry_time())
            .map_err(|e| e.to_string())
    }
}

fn takes(scope: &Scope, count: usize) -> bool {
    match &scope.source {
        ScopeSource::Claims { keys, .. } => keys.iter().any(|key| key.len() == count),
        ScopeSource::Key => count == 1,
        ScopeSource::Issuer | ScopeSource::All => count == 0,
    }
}

/// `a value of sub`, `values of tenant and sub`, `no values`
fn expected_values(scope: &Scope) -> String {
    match &scope.source {
        ScopeSource::Claims { keys, .. } => {
            let keys = keys.iter().map(|key| {
                let names: Vec<&str> = key.iter().map(|path| path.text()).collect();
                names.join(" and ")
            });
            format!("a value of {}", keys.collect::<Vec<_>>().join(", or of "))
        }
        ScopeSource::Key => "the kid of a key".to_owned(),
        ScopeSource::Issuer | ScopeSource::All => "no values".to_owned(),
    }
}

/// `subject "alice" of https://issuer.example (tokens issued up to 2026-01-01T00:00:00Z)`
pub(crate) fn in_words(event: &Event) -> String {
    let fields = event.fields();
    let effect = match fields.effect {
        Effect::Id { until } => format!("kept until {}", clock::rfc3339(until)),
        Effect::NotBefore { time, .. } => format!("tokens issued up to {}", clock::rfc3339(time)),
    };
    let of =
        if fields.issuer.is_empty() { String::new() } else { format!(" of {}", Visible(&fields.issuer)) };
    let values: String = fields.values.iter().map(|value| format!(" {}", quoted(value))).collect();
    format!("{}{values}{of} ({effect})", fields.scope)
}

/// The text in quotes, safe on a terminal.
pub(crate) fn quoted(text: &str) -> String {
    let mut json = String::new();
    // Writing to a string cannot fail.
    let _ = libtoken::codec::json::write_string(text, &mut json);
    Visible(&json).to_string()
}

/// Adds the fields of an event that `libtoken revoke --from` reads.
pub(crate) fn write_event(event: &Event, line: &mut JsonLine) {
    let fields = event.fields();
    line.string("scope", &fields.scope);
    if !fields.issuer.is_empty() {
        line.string("issuer", &fields.issuer);
    }
    line.strings("values", fields.values.iter().map(String::as_str));
    if let Effect::NotBefore { time, .. } = fields.effect {
        line.json("at", time);
    }
    line.json("until", fields.effect.until());
    for (name, text) in [("reason", &fields.reason), ("actor", &fields.actor)] {
        if !text.is_empty() {
            line.string(name, text);
        }
    }
}

/// What a revocation of this scope says about times.
pub(crate) fn is_epoch(scope: &Scope) -> bool {
    scope.kind == ScopeKind::Epoch
}
