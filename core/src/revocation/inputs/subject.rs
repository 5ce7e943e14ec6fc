//! Subject identifiers (RFC 9493) and the complex subjects of the Shared Signals Framework 1.0 §3.3.
//!
//! A complex subject names several things at once; a field that is absent is a wildcard. Which scope stands
//! for which combination of fields is configuration ([`SubjectScopes`]): a combination that has no scope is
//! refused, because any other scope would cover more, or less, than was asked.

use super::{InputError, Order};
use crate::codec::json::Value;

/// Which revocation scope stands for a subject that is named by a set of fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubjectScopes {
    /// Field names in the order of the scope's composite key, and the scope.
    combinations: Vec<(Vec<String>, String)>,
}

/// The fields of a complex subject (SSF 1.0 §3.3).
const FIELDS: [&str; 7] = ["application", "device", "group", "org_unit", "session", "tenant", "user"];

/// Most identifiers in an `aliases` subject: one person's accounts, not a mailing list.
const MAX_ALIASES: usize = 16;

impl SubjectScopes {
    /// No combination yet.
    #[must_use]
    pub fn none() -> SubjectScopes {
        SubjectScopes { combinations: Vec::new() }
    }

    /// The combinations that the standard scopes serve: `user` is `subject`, `session` is `session` (alone,
    /// and together with the user whose session it is), `application` is `client`.
    #[must_use]
    pub fn standard() -> SubjectScopes {
        SubjectScopes::none()
            .with(&["user"], "subject")
            .with(&["session"], "session")
            .with(&["application"], "client")
    }

    /// The same, with `scope` for subjects that are named by exactly these fields. Their values become the
    /// parts of the composite key, in the order given here.
    #[must_use]
    pub fn with(mut self, fields: &[&str], scope: &str) -> SubjectScopes {
        let fields = fields.iter().map(|f| (*f).to_owned()).collect();
        self.combinations.push((fields, scope.to_owned()));
        self
    }

    /// The orders for a subject, at time `at`. `issuer` is the sender: the issuer of values whose format does
    /// not name one itself.
    pub(super) fn orders(&self, subject: Value<'_>, issuer: &str, at: i64) -> Result<Vec<Order>, InputError> {
        match format(subject)? {
            "complex" => self.complex(subject, issuer, at).map(|order| vec![order]),
            "aliases" => {
                let identifiers = subject.member("identifiers").and_then(|list| list.items());
                let identifiers = identifiers.ok_or(InputError::Missing("identifiers"))?;
                if identifiers.len() == 0 || identifiers.len() > MAX_ALIASES {
                    return Err(InputError::Invalid("identifiers"));
                }
                identifiers.map(|identifier| self.simple("user", identifier, issuer, at)).collect()
            }
            // SSF 1.0 §3.2.3: a token, by its issuer and `jti`.
            "jwt_id" => {
                let (issuer, jti) = (text(subject, "iss")?, text(subject, "jti")?);
                Ok(vec![order("token", issuer, vec![jti.to_owned()], at)])
            }
            _ => self.simple("user", subject, issuer, at).map(|order| vec![order]),
        }
    }

    fn simple(&self, field: &str, identifier: Value<'_>, issuer: &str, at: i64) -> Result<Order, InputError> {
        let named = self
            .combinations
            .iter()
            .find(|(fields, _)| fields.len() == 1 && fields.iter().all(|f| f == field));
        let (_, scope) = named.ok_or_else(|| InputError::NoScope { fields: field.to_owned() })?;
        let (own_issuer, value) = identify(identifier)?;
        Ok(order(scope, own_issuer.unwrap_or(issuer), vec![value.to_owned()], at))
    }

    fn complex(&self, subject: Value<'_>, issuer: &str, at: i64) -> Result<Order, InputError> {
        let members = subject.members().ok_or(InputError::Invalid("sub_id"))?;
        let mut named = Vec::new();
        for (name, value) in members.filter(|(name, _)| *name != "format") {
            // An unknown field would narrow the subject in a way that is not understood.
            let field = FIELDS.iter().find(|f| **f == name).ok_or(InputError::Invalid("sub_id"))?;
            named.push((*field, identify(value)?));
        }
        if named.is_empty() {
            return Err(InputError::Missing("sub_id"));
        }
        // A session belongs to one user: naming both says no more than naming the session.
        if named.iter().any(|(field, _)| *field == "session") && !self.has(&named) {
            named.retain(|(field, _)| *field != "user");
        }
        let combination = self.combinations.iter().find(|(fields, _)| same_fields(fields, &named));
        let Some((fields, scope)) = combination else {
            let mut fields: Vec<&str> = named.iter().map(|(field, _)| *field).collect();
            fields.sort_unstable();
            return Err(InputError::NoScope { fields: fields.join("+") });
        };
        let mut values = Vec::new();
        let mut own_issuer = None;
        for field in fields {
            let (_, (iss, value)) =
                named.iter().find(|(name, _)| name == field).ok_or(InputError::Invalid("sub_id"))?;
            // Two issuers in one subject: no scope spans them.
            if let (Some(known), Some(iss)) = (own_issuer, *iss)
                && known != iss
            {
                return Err(InputError::Invalid("iss"));
            }
            own_issuer = own_issuer.or(*iss);
            values.push((*value).to_owned());
        }
        Ok(order(scope, own_issuer.unwrap_or(issuer), values, at))
    }

    fn has<T>(&self, named: &[(&str, T)]) -> bool {
        self.combinations.iter().any(|(fields, _)| same_fields(fields, named))
    }
}

fn same_fields<T>(fields: &[String], named: &[(&str, T)]) -> bool {
    fields.len() == named.len() && named.iter().all(|(name, _)| fields.iter().any(|f| f == name))
}

/// The value that a simple identifier stands for, and the issuer if its format names one (RFC 9493 §3.2).
fn identify(identifier: Value<'_>) -> Result<(Option<&str>, &str), InputError> {
    Ok(match format(identifier)? {
        "account" | "uri" => (None, text(identifier, "uri")?),
        "did" => (None, text(identifier, "url")?),
        "email" => (None, text(identifier, "email")?),
        "iss_sub" => (Some(text(identifier, "iss")?), text(identifier, "sub")?),
        "opaque" => (None, text(identifier, "id")?),
        "phone_number" => (None, text(identifier, "phone_number")?),
        _ => return Err(InputError::Invalid("format")),
    })
}

fn format(identifier: Value<'_>) -> Result<&str, InputError> {
    text(identifier, "format")
}

fn text<'a>(object: Value<'a>, name: &'static str) -> Result<&'a str, InputError> {
    let value = object.member(name).ok_or(InputError::Missing(name))?;
    value.as_str().filter(|text| !text.is_empty()).ok_or(InputError::Invalid(name))
}

fn order(scope: &str, issuer: &str, values: Vec<String>, at: i64) -> Order {
    Order { scope: scope.to_owned(), issuer: issuer.to_owned(), values, at, until: None }
}
