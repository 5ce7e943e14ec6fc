//! What can be revoked: scopes are configuration, each a name, the claims it reads, and a kind.
//!
//! Policies list them and events name them; `extract` finds the values of one token.

use std::collections::BTreeSet;
use std::fmt;

use super::check::MAX_PROBES;
use super::fingerprint::{Entry, EntryKind, FingerprintKey, FingerprintPrefix};
use crate::codec::pointer::{ClaimPath, intern};

/// One way in which tokens can be revoked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    /// Its name in policies, events and rejections: 1 to 64 of `a-z 0-9 _ . -`. It is part of every
    /// fingerprint, so renaming a scope forgets its revocations.
    pub name: String,
    /// What a revocation of it says.
    pub kind: ScopeKind,
    /// Where its value comes from.
    pub source: ScopeSource,
    /// Whether equal values of different issuers are the same thing.
    pub namespace: Namespace,
    /// What to do with a token that cannot be found under this scope.
    pub missing: MissingClaim,
    /// The longest lifetime of the tokens concerned, in seconds: how long a not-before is kept. A token that
    /// lives longer could outlast its revocation, and is refused as not revocable.
    pub max_lifetime_seconds: u32,
}

/// What a revocation says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScopeKind {
    /// Every token with the value is revoked.
    Id,
    /// Tokens with the value that were issued at or before a time are revoked; a new login works.
    Epoch,
}

/// Where the value of a scope comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ScopeSource {
    /// Claims of the token.
    Claims {
        /// Alternatives (at most [`MAX_ALTERNATIVES`]), such as `client_id` and `azp`: each that is present
        /// is looked up, and one of them must be. An alternative is a composite of at most [`MAX_PARTS`]
        /// claims, such as tenant and subject.
        keys: Vec<Vec<ClaimPath>>,
        /// Claims that name what the value is below, such as parent sessions: strings or arrays of strings,
        /// at most [`MAX_ANCESTORS`] values in one token. They are looked up like the value itself, and may
        /// be absent.
        ancestors: Vec<ClaimPath>,
        /// How many values the claim may have.
        cardinality: Cardinality,
    },
    /// The `kid` of the key that verified the token.
    Key,
    /// The issuer of the token.
    Issuer,
    /// Every token of every issuer.
    All,
}

/// How many values a claim may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cardinality {
    /// One string. An array is unusable.
    One,
    /// A string, or an array of strings, each of which is looked up: groups, for instance. Not for composites.
    Each,
}

/// Whether equal values of different issuers are the same thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Namespace {
    /// They are not: a revocation concerns one issuer.
    Issuer,
    /// They are, such as sessions of another identity provider that several issuers mapped.
    Shared,
}

/// What to do with a token that cannot be found under a scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MissingClaim {
    /// Refuse it.
    #[default]
    Refuse,
    /// Leave the scope out for this token.
    Ignore,
}

impl Scope {
    /// A scope of single values, each revoked for good: a token, a session, a refresh-token family.
    ///
    /// # Errors
    /// [`ScopeError::BadPath`]; the name is checked by [`ScopeSet::new`].
    pub fn id(name: &str, claim: &str) -> Result<Self, ScopeError> {
        Scope::of_claims(name, ScopeKind::Id, &[&[claim]])
    }

    /// A scope whose tokens are revoked up to a time: a subject, a client, a tenant.
    ///
    /// # Errors
    /// [`ScopeError::BadPath`]; the name is checked by [`ScopeSet::new`].
    pub fn epoch(name: &str, claim: &str) -> Result<Self, ScopeError> {
        Scope::of_claims(name, ScopeKind::Epoch, &[&[claim]])
    }

    /// A scope with alternatives, each of one or more claims.
    ///
    /// # Errors
    /// [`ScopeError::BadPath`]; the rest is checked by [`ScopeSet::new`].
    pub fn of_claims(name: &str, kind: ScopeKind, keys: &[&[&str]]) -> Result<Self, ScopeError> {
        let keys = keys
            .iter()
            .map(|parts| parts.iter().map(|path| claim_path(path)).collect())
            .collect::<Result<_, _>>()?;
        let source = ScopeSource::Claims { keys, ancestors: Vec::new(), cardinality: Cardinality::One };
        Ok(Scope::new(name, kind, source))
    }

    /// A scope with the defaults of everything else.
    #[must_use]
    pub fn new(name: &str, kind: ScopeKind, source: ScopeSource) -> Self {
        Scope {
            name: name.to_owned(),
            kind,
            source,
            namespace: Namespace::Issuer,
            missing: MissingClaim::Refuse,
            max_lifetime_seconds: DEFAULT_MAX_LIFETIME_SECONDS,
        }
    }

    /// The scope that this name stands for if the policy says no more: `token` (`jti`), `session` (`sid`),
    /// `subject` (`sub`), `client` (`client_id` and `azp`), `key`, `issuer`, `all`. The others of
    /// docs/revocation-format.md have no claim that is the same everywhere.
    #[must_use]
    pub fn standard(name: &str) -> Option<Self> {
        let scope = match name {
            "token" => Scope::id(name, "jti"),
            "session" => Scope::id(name, "sid"),
            "subject" => Scope::epoch(name, "sub"),
            "client" => Scope::of_claims(name, ScopeKind::Epoch, &[&["client_id"], &["azp"]]),
            "key" => Ok(Scope::new(name, ScopeKind::Epoch, ScopeSource::Key)),
            "issuer" => Ok(Scope::new(name, ScopeKind::Epoch, ScopeSource::Issuer)),
            "all" => Ok(Scope::new(name, ScopeKind::Epoch, ScopeSource::All)),
            _ => return None,
        };
        scope.ok()
    }

    /// The same scope, leaving out tokens that lack its claim.
    #[must_use]
    pub fn ignoring_missing(self) -> Self {
        Scope { missing: MissingClaim::Ignore, ..self }
    }

    /// The same scope with claims that name ancestors.
    ///
    /// # Errors
    /// [`ScopeError::BadPath`], or [`ScopeError::BadKeys`] if the scope reads no claims.
    pub fn with_ancestors(mut self, claims: &[&str]) -> Result<Self, ScopeError> {
        let ScopeSource::Claims { ancestors, .. } = &mut self.source else { return Err(ScopeError::BadKeys) };
        *ancestors = claims.iter().map(|path| claim_path(path)).collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// How many fingerprints it takes at least in a token that has all of its claims, ancestors apart.
    fn fixed_probes(&self) -> usize {
        match &self.source {
            ScopeSource::Claims { keys, .. } => keys.len(),
            ScopeSource::Key | ScopeSource::Issuer | ScopeSource::All => 1,
        }
    }

    fn validate(&self) -> Result<(), ScopeError> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-');
        if self.name.is_empty() || self.name.len() > MAX_NAME_BYTES || !self.name.bytes().all(allowed) {
            return Err(ScopeError::BadName);
        }
        if let ScopeSource::Claims { keys, ancestors, cardinality } = &self.source {
            let alternatives = 1..=MAX_ALTERNATIVES;
            let parts = match cardinality {
                Cardinality::One => 1..=MAX_PARTS,
                Cardinality::Each => 1..=1,
            };
            if !alternatives.contains(&keys.len())
                || keys.iter().any(|key| !parts.contains(&key.len()))
                || ancestors.len() > MAX_ANCESTORS
            {
                return Err(ScopeError::BadKeys);
            }
        }
        Ok(())
    }
}

/// The scopes of a policy with the fingerprint key.
pub struct ScopeSet {
    scopes: Vec<Named>,
    key: FingerprintKey,
}

struct Named {
    scope: Scope,
    name: &'static str,
}

impl ScopeSet {
    /// Checks the scopes and takes them over.
    ///
    /// # Errors
    /// A [`ScopeError`] if a scope is not well-formed, two have the same name, or a token that has all the
    /// claims would need more than [`MAX_PROBES`] fingerprints.
    pub fn new(key: FingerprintKey, scopes: Vec<Scope>) -> Result<Self, ScopeError> {
        let mut names = BTreeSet::new();
        let mut probes = 0;
        for scope in &scopes {
            scope.validate()?;
            if !names.insert(scope.name.as_str()) {
                return Err(ScopeError::DuplicateName);
            }
            probes += scope.fixed_probes();
        }
        if scopes.iter().filter(|scope| scope.source == ScopeSource::Key).count() > 1 {
            return Err(ScopeError::TwoKeyScopes);
        }
        if probes > MAX_PROBES {
            return Err(ScopeError::TooMany);
        }
        let scopes = scopes.into_iter().map(|scope| Named { name: intern(&scope.name), scope }).collect();
        Ok(ScopeSet { scopes, key })
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.scopes.iter().map(|named| &named.scope)
    }

    /// The name of the scope at a position; `revocation` for one that does not exist.
    #[must_use]
    pub fn name(&self, scope: u8) -> &'static str {
        self.scopes.get(usize::from(scope)).map_or("revocation", |named| named.name)
    }

    /// The public id of the fingerprint key.
    #[must_use]
    pub fn key_id(&self) -> [u8; 8] {
        self.key.id()
    }

    /// How long a not-before must be kept, in seconds: the longest lifetime of any epoch scope's tokens.
    #[must_use]
    pub fn retention_seconds(&self) -> u32 {
        self.iter()
            .filter(|scope| scope.kind == ScopeKind::Epoch)
            .map(|scope| scope.max_lifetime_seconds)
            .max()
            .unwrap_or(0)
    }

    /// The entry that revokes a value: for an id scope, kept until `time`; for an epoch scope, everything
    /// issued at or before `time`. Both are seconds since the Unix epoch. `values` are the parts of a
    /// composite, one value, or none for `issuer` and `all`.
    ///
    /// # Errors
    /// [`ScopeError::UnknownScope`]; [`ScopeError::BadValues`] if the number of values fits none of the
    /// scope's alternatives, or one of them is empty.
    pub fn entry(&self, scope: &str, issuer: &str, values: &[&str], time: i64) -> Result<Entry, ScopeError> {
        let scope = self.iter().find(|known| known.name == scope).ok_or(ScopeError::UnknownScope)?;
        let fits = match &scope.source {
            ScopeSource::Claims { keys, .. } => keys.iter().any(|key| key.len() == values.len()),
            ScopeSource::Key => values.len() == 1,
            ScopeSource::Issuer | ScopeSource::All => values.is_empty(),
        };
        if !fits || values.iter().any(|value| value.is_empty()) {
            return Err(ScopeError::BadValues);
        }
        let kind = match scope.kind {
            ScopeKind::Id => EntryKind::Id,
            ScopeKind::Epoch => EntryKind::NotBefore,
        };
        let fingerprint = self.prefix(scope, issuer).fingerprint(values);
        Ok(Entry { fingerprint, kind, time })
    }

    /// What is hashed before the values of a scope.
    pub(crate) fn prefix(&self, scope: &Scope, issuer: &str) -> FingerprintPrefix {
        let issuer = match (scope.namespace, &scope.source) {
            (Namespace::Shared, _) | (_, ScopeSource::All) => "",
            (Namespace::Issuer, ScopeSource::Claims { .. } | ScopeSource::Key | ScopeSource::Issuer) => {
                issuer
            }
        };
        self.key.prefix(&scope.name, issuer)
    }
}

fn claim_path(text: &str) -> Result<ClaimPath, ScopeError> {
    ClaimPath::new(text).map_err(|_| ScopeError::BadPath)
}

/// Why scopes or values cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScopeError {
    /// The name is not 1 to 64 of `a-z 0-9 _ . -`.
    BadName,
    /// Two scopes have the same name.
    DuplicateName,
    /// Two scopes are about signing keys.
    TwoKeyScopes,
    /// A claim path is empty, too long, or no JSON Pointer although it begins with `/`.
    BadPath,
    /// Too few or too many alternatives, parts or ancestors.
    BadKeys,
    /// The scopes together need more fingerprints than a token can have.
    TooMany,
    /// No scope has this name.
    UnknownScope,
    /// The values do not fit the scope.
    BadValues,
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ScopeError::BadName => "the name of a revocation scope must be 1 to 64 of a-z 0-9 _ . -",
            ScopeError::DuplicateName => "two revocation scopes have the same name",
            ScopeError::TwoKeyScopes => "two revocation scopes are about signing keys",
            ScopeError::BadPath => "a claim path is empty, too long, or not a JSON Pointer",
            ScopeError::BadKeys => "a revocation scope has too few or too many claims",
            ScopeError::TooMany => "the revocation scopes need more fingerprints than a token can have (16)",
            ScopeError::UnknownScope => "there is no revocation scope of this name",
            ScopeError::BadValues => "the values do not fit the revocation scope",
        })
    }
}

impl core::error::Error for ScopeError {}

/// Most alternatives of one scope: `client_id`, `azp`, and room for two vendors' names.
pub const MAX_ALTERNATIVES: usize = 4;

/// Most claims of one composite: issuer of the session, tenant, department, user.
pub const MAX_PARTS: usize = 4;

/// Most ancestors of one value in one token (revocation design: browser, application and external sessions
/// above a session).
pub const MAX_ANCESTORS: usize = 4;

/// How long not-befores are kept unless the policy says otherwise: 30 days, longer than access tokens live
/// anywhere that was looked at. Keeping them costs 24 bytes each; too short a time would let tokens back in.
pub const DEFAULT_MAX_LIFETIME_SECONDS: u32 = 30 * 86_400;

const MAX_NAME_BYTES: usize = 64;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn impossible_configurations_are_refused() {
        let refused = |scopes: Vec<Scope>| ScopeSet::new(FingerprintKey::SipHash13([5; 16]), scopes).err();
        let id = |name: &str| Scope::id(name, "jti").unwrap();
        for name in ["", "Token", "a b", "\u{e4}", &"n".repeat(65)] {
            assert_eq!(refused(vec![id(name)]), Some(ScopeError::BadName), "{name}");
        }
        assert_eq!(refused(vec![id("a"), id("b"), id("a")]), Some(ScopeError::DuplicateName));
        let keys = ["key", "other"].map(|name| Scope::new(name, ScopeKind::Epoch, ScopeSource::Key));
        assert_eq!(refused(keys.to_vec()), Some(ScopeError::TwoKeyScopes));
        let many = |count| (0..count).map(|i| id(&format!("s{i}"))).collect::<Vec<_>>();
        assert_eq!(refused(many(MAX_PROBES)), None);
        assert_eq!(refused(many(MAX_PROBES + 1)), Some(ScopeError::TooMany));
        let keys: [&[&[&str]]; 4] =
            [&[], &[&[]], &[&["a", "b", "c", "d", "e"]], &[&["a"], &["a"], &["a"], &["a"], &["a"]]];
        for keys in keys {
            let scope = Scope::of_claims("s", ScopeKind::Id, keys).unwrap();
            assert_eq!(refused(vec![scope]), Some(ScopeError::BadKeys), "{keys:?}");
        }
        let five = id("s").with_ancestors(&["a", "b", "c", "d", "e"]).unwrap();
        assert_eq!(refused(vec![five]), Some(ScopeError::BadKeys));
        assert_eq!(Scope::standard("all").unwrap().with_ancestors(&["a"]).err(), Some(ScopeError::BadKeys));
    }

    #[test]
    fn names_are_leaked_once() {
        let name = format!("leaked-{}", std::process::id());
        assert!(core::ptr::eq(intern(&name), intern(&name.clone())));
    }
}
