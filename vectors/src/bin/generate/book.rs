//! Collects cases into a file.

use libtoken_vectors::model::{Case, Expected, File, KeyStateChange, Keys, Request, Source, State, Token};
use serde_json::{Map, Value, json};

use crate::Failure;
use crate::forge::{AUDIENCE, ISSUER, NOW};

/// A file in the making.
pub(crate) struct Book(File);

/// A case in the making; [`Draft::accept`] or [`Draft::refuse`] finishes it.
pub(crate) struct Draft<'b> {
    book: &'b mut Book,
    case: Case,
}

impl Book {
    /// An empty file that has the policies `default` and `hmac`.
    pub(crate) fn new(about: &str) -> Book {
        let mut book = Book(File {
            about: format!(
                "{about} Made by `cargo run -p libtoken-vectors --bin generate`; README.md describes the format."
            ),
            policies: Default::default(),
            key_sets: Default::default(),
            cases: Vec::new(),
        });
        book.policy("default", json!({}));
        book.policy("asymmetric", json!({"algorithms": ["EdDSA", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]}));
        book.policy("hmac", json!({"algorithms": ["HS256", "HS384", "HS512"]}));
        book
    }

    /// Adds a policy with one issuer that accepts the usual audience, with `fields` added or, as null, removed.
    pub(crate) fn policy(&mut self, name: &str, fields: Value) {
        self.whole_policy(name, json!({"issuers": [issuer(fields)]}));
    }

    /// Adds a policy as it is.
    pub(crate) fn whole_policy(&mut self, name: &str, policy: Value) {
        self.0.policies.insert(name.to_owned(), sorted(policy));
    }

    /// Adds a key set.
    pub(crate) fn key_set(&mut self, name: &str, set: Value) {
        self.0.key_sets.insert(name.to_owned(), sorted(set));
    }

    /// Begins a case with the policy `default`, no keys, the usual time and an empty token.
    pub(crate) fn case(&mut self, attack: impl Into<Option<u8>>, id: &str, description: &str) -> Draft<'_> {
        let case = Case {
            id: id.to_owned(),
            attack: attack.into(),
            description: description.to_owned(),
            provenance: "libtoken".to_owned(),
            policy: "default".to_owned(),
            keys: Vec::new(),
            key_states: Vec::new(),
            earlier_tokens: Vec::new(),
            token: Token::Text(String::new()),
            now: NOW,
            request: Request::default(),
            expected: Expected::Accept { claims: Value::Null },
        };
        Draft { book: self, case }
    }

    /// The file, without the policies and key sets that no case uses.
    pub(crate) fn into_json(mut self) -> Result<String, Failure> {
        let cases = &self.0.cases;
        self.0.policies.retain(|name, _| cases.iter().any(|c| c.policy == *name));
        self.0.key_sets.retain(|name, _| cases.iter().any(|c| c.keys.iter().any(|k| k.set == *name)));
        serde_json::to_string_pretty(&self.0).map(|text| text + "\n").map_err(|e| e.to_string())
    }
}

impl Draft<'_> {
    /// Where the case comes from.
    pub(crate) fn from(mut self, provenance: &str) -> Self {
        self.case.provenance = provenance.to_owned();
        self
    }

    /// Another policy.
    pub(crate) fn policy(mut self, name: &str) -> Self {
        self.case.policy = name.to_owned();
        self
    }

    /// Fetched keys of the usual issuer, all of them usable.
    pub(crate) fn keys(self, set: &str) -> Self {
        let usable = self.book.0.key_sets.get(set).and_then(|s| s["keys"].as_array()).map_or(0, Vec::len);
        self.usable_keys(set, usable)
    }

    /// Fetched keys of the usual issuer, so many of them usable.
    pub(crate) fn usable_keys(self, set: &str, usable: usize) -> Self {
        self.keys_of(ISSUER, set, Source::Fetched, usable)
    }

    /// The operator's own keys for the usual issuer, so many of them usable.
    pub(crate) fn operator_keys(self, set: &str, usable: usize) -> Self {
        self.keys_of(ISSUER, set, Source::Operator, usable)
    }

    /// Keys of any issuer.
    pub(crate) fn keys_of(mut self, issuer: &str, set: &str, source: Source, usable: usize) -> Self {
        self.case.keys.push(Keys { issuer: issuer.to_owned(), set: set.to_owned(), source, usable });
        self
    }

    /// Another state for keys of the usual issuer.
    pub(crate) fn state(mut self, kid: Option<&str>, state: State) -> Self {
        let kid = kid.map(str::to_owned);
        self.case.key_states.push(KeyStateChange { issuer: ISSUER.to_owned(), kid, state });
        self
    }

    /// A token that the verifier sees before.
    pub(crate) fn after(mut self, token: impl Into<String>) -> Self {
        self.case.earlier_tokens.push(Token::Text(token.into()));
        self
    }

    /// The token.
    pub(crate) fn token(mut self, token: impl Into<String>) -> Self {
        self.case.token = Token::Text(token.into());
        self
    }

    /// A token in pieces.
    pub(crate) fn pieces(mut self, pieces: Vec<libtoken_vectors::Piece>) -> Self {
        self.case.token = Token::Pieces(pieces);
        self
    }

    /// Another time.
    pub(crate) fn now(mut self, now: i64) -> Self {
        self.case.now = now;
        self
    }

    /// The request names an audience.
    pub(crate) fn request_audience(mut self, audience: &str) -> Self {
        self.case.request.audience = Some(audience.to_owned());
        self
    }

    /// The request names a tenant.
    pub(crate) fn request_tenant(mut self, tenant: &str) -> Self {
        self.case.request.tenant = Some(tenant.to_owned());
        self
    }

    /// Ends the case: accepted, with this payload.
    pub(crate) fn accept(mut self, payload: &str) -> Result<(), Failure> {
        let claims = serde_json::from_str(payload).map_err(|e| format!("{}: {e}", self.case.id))?;
        self.case.expected = Expected::Accept { claims: sorted(claims) };
        self.book.0.cases.push(self.case);
        Ok(())
    }

    /// Ends the case: refused. `claim` is empty where the code is about no single one.
    pub(crate) fn refuse(mut self, code: &str, claim: &str, reason: &str) {
        let claim = (!claim.is_empty()).then(|| claim.to_owned());
        self.case.expected = Expected::Refuse { code: code.to_owned(), claim, reason: reason.to_owned() };
        self.book.0.cases.push(self.case);
    }
}

/// The usual issuer's policy, with `fields` added or, as null, removed.
pub(crate) fn issuer(fields: Value) -> Value {
    let mut issuer = json!({"issuer": ISSUER, "audiences": [AUDIENCE]});
    for (name, value) in fields.as_object().into_iter().flatten() {
        match value {
            Value::Null => drop(issuer.as_object_mut().and_then(|i| i.remove(name))),
            value => issuer[name] = value.clone(),
        }
    }
    issuer
}

/// The value with the members of every object in the order of their names, whatever `serde_json` was built
/// to keep.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members.into_iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(members.into_iter().map(|(n, v)| (n, sorted(v))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
