//! The `revocation` part of a policy file: scopes by their standard names or spelled out, and what to do in
//! doubt.

use super::policy::{PolicyError, PolicyProblem};
use super::policy_json::{Place, quoted, quoted_list};
use super::revocations::RevocationPolicy;
use crate::codec::json::Kind;
use crate::codec::pointer::ClaimPath;
use crate::limits::MAX_TOKEN_AGE_SECONDS;
use crate::revocation::scope::{Cardinality, MissingClaim, Namespace, ScopeKind, ScopeSource};
use crate::revocation::{DoubtPolicy, Fallback, Scope};

/// The fields of `revocation`, for the test of the schema.
#[doc(hidden)]
pub const REVOCATION_FIELDS: &[&str] =
    &["scopes", "max_staleness_seconds", "on_stale", "on_maybe", "directory"];

/// The fields of a scope in it.
#[doc(hidden)]
pub const SCOPE_FIELDS: &[&str] =
    &["name", "kind", "claims", "of", "ancestors", "values", "namespace", "missing", "max_lifetime_seconds"];

const STANDARD_NAMES: &str = "token, session, subject, client, key, issuer, all";

/// Reads the `revocation` object.
pub(super) fn read(place: &Place<'_>) -> Result<RevocationPolicy, PolicyError> {
    let mut scopes = None;
    let mut doubt = DoubtPolicy::default();
    let mut directory = None;
    for (name, field) in place.fields(REVOCATION_FIELDS)? {
        match name {
            "scopes" => scopes = Some(field.items()?.iter().map(scope).collect::<Result<Vec<_>, _>>()?),
            "max_staleness_seconds" => {
                doubt.max_staleness_seconds = Some(field.integer(1, u64::from(MAX_TOKEN_AGE_SECONDS))?);
            }
            "on_stale" => doubt.on_stale = fallback(&field)?,
            "on_maybe" => doubt.on_maybe = fallback(&field)?,
            _ => directory = Some(field.text()?.to_owned()),
        }
    }
    let scopes = scopes.ok_or_else(|| place.error(PolicyProblem::MissingField("scopes")))?;
    Ok(RevocationPolicy { scopes, doubt, directory })
}

/// Writes it out with every default visible.
pub(super) fn write(revocation: &RevocationPolicy) -> String {
    let scopes: Vec<String> =
        revocation.scopes.iter().map(|scope| format!("      {}", write_scope(scope))).collect();
    let mut fields = vec![format!("\"scopes\": [\n{}\n    ]", scopes.join(",\n"))];
    fields.extend(revocation.doubt.max_staleness_seconds.map(|s| format!("\"max_staleness_seconds\": {s}")));
    fields.push(format!("\"on_stale\": {}", quoted(fallback_name(revocation.doubt.on_stale))));
    fields.push(format!("\"on_maybe\": {}", quoted(fallback_name(revocation.doubt.on_maybe))));
    fields.extend(revocation.directory.as_ref().map(|d| format!("\"directory\": {}", quoted(d))));
    format!("{{\n    {}\n  }}", fields.join(",\n    "))
}

/// A standard name, or an object that spells a scope out; with a standard `name`, what it does not say is as
/// the standard has it.
fn scope(place: &Place<'_>) -> Result<Scope, PolicyError> {
    if place.value.kind() == Kind::String {
        let name = place.text()?;
        return Scope::standard(name).ok_or_else(|| place.unknown_value(name, STANDARD_NAMES));
    }
    let fields = place.fields(SCOPE_FIELDS)?;
    let name = match fields.iter().find(|(name, _)| *name == "name") {
        Some((_, field)) => field.text()?,
        None => return Err(place.error(PolicyProblem::MissingField("name"))),
    };
    let mut scope = Scope::standard(name);
    if let Some(source) = source(place, &fields)? {
        let kind = scope.as_ref().map_or(ScopeKind::Id, |s| s.kind);
        scope = Some(Scope::new(name, kind, source));
    }
    let mut scope = scope.ok_or_else(|| place.error(PolicyProblem::MissingField("claims")))?;
    for (name, field) in &fields {
        match *name {
            "kind" => {
                scope.kind = match field.text()? {
                    "id" => ScopeKind::Id,
                    "epoch" => ScopeKind::Epoch,
                    other => return Err(field.unknown_value(other, "id, epoch")),
                };
            }
            "ancestors" => {
                let paths = field.items()?.iter().map(Place::claim_path).collect::<Result<Vec<_>, _>>()?;
                match &mut scope.source {
                    ScopeSource::Claims { ancestors, .. } => *ancestors = paths,
                    ScopeSource::Key | ScopeSource::Issuer | ScopeSource::All => {
                        let why = "only a scope that reads claims has ancestors";
                        return Err(field.error(PolicyProblem::Conflict(why)));
                    }
                }
            }
            "namespace" => {
                scope.namespace = match field.text()? {
                    "issuer" => Namespace::Issuer,
                    "shared" => Namespace::Shared,
                    other => return Err(field.unknown_value(other, "issuer, shared")),
                };
            }
            "missing" => {
                scope.missing = match field.text()? {
                    "refuse" => MissingClaim::Refuse,
                    "ignore" => MissingClaim::Ignore,
                    other => return Err(field.unknown_value(other, "refuse, ignore")),
                };
            }
            "max_lifetime_seconds" => {
                scope.max_lifetime_seconds = field.integer(1, u64::from(MAX_TOKEN_AGE_SECONDS))?;
            }
            // `name`, and what `source` has read.
            _ => {}
        }
    }
    Ok(scope)
}

/// `claims` with `values`, or `of`; `None` if the scope says neither.
fn source(
    place: &Place<'_>,
    fields: &[(&'static str, Place<'_>)],
) -> Result<Option<ScopeSource>, PolicyError> {
    let field = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|(_, field)| field);
    let cardinality = match field("values") {
        None => Cardinality::One,
        Some(values) => match values.text()? {
            "one" => Cardinality::One,
            "each" => Cardinality::Each,
            other => return Err(values.unknown_value(other, "one, each")),
        },
    };
    match (field("claims"), field("of")) {
        (Some(_), Some(_)) => {
            Err(place.error(PolicyProblem::Conflict("`claims` and `of` exclude each other")))
        }
        (Some(claims), None) => {
            let keys = claims.items()?.iter().map(alternative).collect::<Result<_, _>>()?;
            Ok(Some(ScopeSource::Claims { keys, ancestors: Vec::new(), cardinality }))
        }
        (None, Some(of)) => match of.text()? {
            "key" => Ok(Some(ScopeSource::Key)),
            "issuer" => Ok(Some(ScopeSource::Issuer)),
            "all" => Ok(Some(ScopeSource::All)),
            other => Err(of.unknown_value(other, "key, issuer, all")),
        },
        (None, None) => Ok(None),
    }
}

/// One claim, or several that are one value together.
fn alternative(place: &Place<'_>) -> Result<Vec<ClaimPath>, PolicyError> {
    match place.value.kind() {
        Kind::Array => place.items()?.iter().map(Place::claim_path).collect(),
        _ => Ok(vec![place.claim_path()?]),
    }
}

fn fallback(place: &Place<'_>) -> Result<Fallback, PolicyError> {
    match place.text()? {
        "allow" => Ok(Fallback::Allow),
        "introspect" => Ok(Fallback::Introspect),
        "refuse" => Ok(Fallback::Refuse),
        other => Err(place.unknown_value(other, "allow, introspect, refuse")),
    }
}

const fn fallback_name(fallback: Fallback) -> &'static str {
    match fallback {
        Fallback::Allow => "allow",
        Fallback::Introspect => "introspect",
        Fallback::Refuse => "refuse",
    }
}

fn write_scope(scope: &Scope) -> String {
    let mut fields = vec![format!("\"name\": {}", quoted(&scope.name))];
    let kind = match scope.kind {
        ScopeKind::Id => "id",
        ScopeKind::Epoch => "epoch",
    };
    fields.push(format!("\"kind\": {}", quoted(kind)));
    match &scope.source {
        ScopeSource::Claims { keys, ancestors, cardinality } => {
            let paths = |list: &[ClaimPath]| quoted_list(list.iter().map(ClaimPath::text));
            let keys: Vec<String> = keys.iter().map(|key| paths(key)).collect();
            fields.push(format!("\"claims\": [{}]", keys.join(", ")));
            fields.push(format!("\"ancestors\": {}", paths(ancestors)));
            let values = match cardinality {
                Cardinality::One => "one",
                Cardinality::Each => "each",
            };
            fields.push(format!("\"values\": {}", quoted(values)));
        }
        ScopeSource::Key => fields.push("\"of\": \"key\"".to_owned()),
        ScopeSource::Issuer => fields.push("\"of\": \"issuer\"".to_owned()),
        ScopeSource::All => fields.push("\"of\": \"all\"".to_owned()),
    }
    let namespace = match scope.namespace {
        Namespace::Issuer => "issuer",
        Namespace::Shared => "shared",
    };
    fields.push(format!("\"namespace\": {}", quoted(namespace)));
    let missing = match scope.missing {
        MissingClaim::Refuse => "refuse",
        MissingClaim::Ignore => "ignore",
    };
    fields.push(format!("\"missing\": {}", quoted(missing)));
    fields.push(format!("\"max_lifetime_seconds\": {}", scope.max_lifetime_seconds));
    format!("{{{}}}", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use crate::verify::Policy;

    fn policy(revocation: &str) -> Result<Policy, String> {
        let json = format!(r#"{{"issuers":[{{"issuer":"i","audiences":["a"]}}],"revocation":{revocation}}}"#);
        Policy::from_json(json.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn scopes_are_read_and_written_out_in_full() {
        let policy = policy(
            r#"{"scopes":["token",{"name":"session","ancestors":["psid","/sessions"],"missing":"ignore"},
                {"name":"subject","claims":[["tenant","sub"]],"max_lifetime_seconds":3600},
                {"name":"department","kind":"epoch","claims":[["/org/tenant","/org/department"]]},
                {"name":"group","kind":"epoch","claims":["groups"],"values":"each","namespace":"shared"},
                "client","key","issuer","all"],
                "max_staleness_seconds":60,"on_stale":"introspect","on_maybe":"allow","directory":"state"}"#,
        )
        .expect("policy");
        let again = Policy::from_json(policy.to_json().as_bytes()).expect("what is written can be read");
        assert_eq!(again.revocation(), policy.revocation());
        let scopes = &policy.revocation().expect("revocation").scopes;
        assert_eq!(scopes.len(), 9);
        assert!(policy.to_json().contains(
            r#"{"name": "department", "kind": "epoch", "claims": [["/org/tenant", "/org/department"]], "ancestors": [], "values": "one", "namespace": "issuer", "missing": "refuse", "max_lifetime_seconds": 2592000}"#
        ));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (json, expected) in [
            ("{}", "/revocation: the field `scopes` is missing"),
            (r#"{"scopes":[]}"#, "/revocation/scopes: must not be empty"),
            (
                r#"{"scopes":["tokens"]}"#,
                "/revocation/scopes/0: `tokens` is not known here; use one of token, session, subject, client, key, issuer, all",
            ),
            (r#"{"scopes":[{"name":"x"}]}"#, "/revocation/scopes/0: the field `claims` is missing"),
            (r#"{"scopes":[{"claims":["x"]}]}"#, "/revocation/scopes/0: the field `name` is missing"),
            (
                r#"{"scopes":[{"name":"x","claims":["x"],"of":"key"}]}"#,
                "/revocation/scopes/0: `claims` and `of` exclude each other",
            ),
            (
                r#"{"scopes":["token","token"]}"#,
                "/revocation/scopes: two revocation scopes have the same name",
            ),
            (
                r#"{"scopes":["token"],"on_stale":"deny"}"#,
                "/revocation/on_stale: `deny` is not known here; use one of allow, introspect, refuse",
            ),
            (
                r#"{"scopes":["token"],"max_stale":1}"#,
                "/revocation: unknown field `max_stale`; did you mean `max_staleness_seconds`?",
            ),
        ] {
            assert_eq!(policy(json).expect_err("refused"), expected, "{json}");
        }
    }
}
