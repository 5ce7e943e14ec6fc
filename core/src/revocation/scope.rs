//! What can be revoked: scopes are configuration, each a name, the claims it reads, and a kind.
//!
//! A scope that a token cannot be found under is no protection: a claim that is missing or unusable refuses
//! the token, unless the operator said to ignore that for the scope.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::check::{MAX_PROBES, Probe, Probes, TooManyProbes};
use super::fingerprint::{Entry, EntryKind, Fingerprint, FingerprintKey, FingerprintPrefix};
use crate::codec::pointer::{ClaimPath, intern};
use crate::error::{Code, Reason, Rejection};

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

/// The claims of a token whose signature was checked.
pub trait Claims {
    /// Writes the strings at `path` to the front of `out`, unescaped, and says what is there.
    fn texts<'c>(&'c self, path: &ClaimPath, out: &mut [&'c str]) -> Texts;
}

/// What is at a [`ClaimPath`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Texts {
    /// Nothing.
    Missing,
    /// One string, now in the first place.
    One,
    /// An array of this many strings, now in the first places.
    Each(usize),
    /// An array of more strings than there are places.
    TooMany,
    /// Anything else: a number, null, an object, an array with something other than strings.
    Unusable,
}

/// The times of a token, in seconds since the Unix epoch. A fraction of `iat` is rounded down, of `exp` up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenTimes {
    /// `iat`
    pub issued_at: Option<i64>,
    /// `exp`
    pub expires_at: Option<i64>,
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

    fn refuse(&self, name: &'static str, reason: Reason) -> Result<(), Rejection> {
        match self.missing {
            MissingClaim::Refuse => Err(Rejection::of(Code::NotRevocable, name, reason)),
            MissingClaim::Ignore => Ok(()),
        }
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
        let fingerprint = self.key.prefix(&scope.name, scope.issuer_of(issuer)).fingerprint(values);
        Ok(Entry { fingerprint, kind, time })
    }

    /// The scopes as they apply to tokens of one issuer, with everything hashed that can be hashed now.
    #[must_use]
    pub fn for_issuer(self: &Arc<Self>, issuer: &str) -> IssuerScopes {
        let prefixes: Vec<_> =
            self.iter().map(|scope| self.key.prefix(&scope.name, scope.issuer_of(issuer))).collect();
        let whole = prefixes.iter().map(|prefix| prefix.fingerprint(&[])).collect();
        IssuerScopes { set: Arc::clone(self), prefixes, whole }
    }
}

impl Scope {
    fn issuer_of<'a>(&self, issuer: &'a str) -> &'a str {
        match (self.namespace, &self.source) {
            (Namespace::Shared, _) | (_, ScopeSource::All) => "",
            (Namespace::Issuer, ScopeSource::Claims { .. } | ScopeSource::Key | ScopeSource::Issuer) => {
                issuer
            }
        }
    }
}

/// The scopes of a policy as they apply to the tokens of one issuer.
pub struct IssuerScopes {
    set: Arc<ScopeSet>,
    prefixes: Vec<FingerprintPrefix>,
    /// The fingerprints of no values at all: those of `issuer` and `all`.
    whole: Vec<Fingerprint>,
}

impl IssuerScopes {
    /// The scopes.
    #[must_use]
    pub fn set(&self) -> &Arc<ScopeSet> {
        &self.set
    }

    /// The fingerprint of a signing key of this issuer, made when the key is loaded; `None` if no scope is
    /// about keys.
    #[must_use]
    pub fn key_fingerprint(&self, kid: &str) -> Option<Fingerprint> {
        let position = self.set.iter().position(|scope| scope.source == ScopeSource::Key)?;
        Some(self.prefixes.get(position)?.fingerprint(&[kid]))
    }

    /// The fingerprints under which a token can be revoked. `key` is that of the key that verified it. Allocates
    /// nothing.
    ///
    /// # Errors
    /// [`Code::NotRevocable`] with the scope's name, if the token cannot be found under a scope that does not
    /// ignore that; with `iat` or `exp`, if a not-before could not be compared, or be gone before the token
    /// is.
    pub fn probes(
        &self,
        claims: &impl Claims,
        key: Option<Fingerprint>,
        times: TokenTimes,
    ) -> Result<Probes, Rejection> {
        let mut probes = Probes::new(times.issued_at);
        for ((index, named), (prefix, whole)) in
            (0..).zip(&self.set.scopes).zip(self.prefixes.iter().zip(&self.whole))
        {
            let Named { scope, name } = named;
            if scope.kind == ScopeKind::Epoch {
                check_times(scope, times)?;
            }
            let outcome = match &scope.source {
                ScopeSource::Claims { keys, ancestors, cardinality } => {
                    let mut values = Values { claims, prefix, index, probes: &mut probes };
                    values.keys(keys, *cardinality).and_then(|()| values.ancestors(ancestors))
                }
                ScopeSource::Key => match key {
                    Some(key) => push(&mut probes, key, index),
                    None => Err(Reason::Missing),
                },
                ScopeSource::Issuer | ScopeSource::All => push(&mut probes, *whole, index),
            };
            if let Err(reason) = outcome {
                scope.refuse(name, reason)?;
            }
        }
        Ok(probes)
    }
}

fn claim_path(text: &str) -> Result<ClaimPath, ScopeError> {
    ClaimPath::new(text).map_err(|_| ScopeError::BadPath)
}

/// Collects the fingerprints of one scope from the claims of one token.
struct Values<'a, C> {
    claims: &'a C,
    prefix: &'a FingerprintPrefix,
    index: u8,
    probes: &'a mut Probes,
}

impl<C: Claims> Values<'_, C> {
    fn keys(&mut self, keys: &[Vec<ClaimPath>], cardinality: Cardinality) -> Result<(), Reason> {
        let mut outcome = Err(Reason::Missing);
        for key in keys {
            let found = match (cardinality, key.as_slice()) {
                (Cardinality::Each, [path]) => self.each(path, MAX_PROBES),
                (Cardinality::One | Cardinality::Each, parts) => self.composite(parts),
            };
            match found {
                Ok(()) => outcome = Ok(()),
                // Another alternative may be there. One that is there but unusable is not excused by it.
                Err(Reason::Missing) => {}
                Err(other) => return Err(other),
            }
        }
        outcome
    }

    fn ancestors(&mut self, paths: &[ClaimPath]) -> Result<(), Reason> {
        let before = self.probes.as_slice().len();
        for path in paths {
            let room = MAX_ANCESTORS - (self.probes.as_slice().len() - before);
            match self.each(path, room) {
                Ok(()) | Err(Reason::Missing) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// One value of one or more claims.
    fn composite(&mut self, paths: &[ClaimPath]) -> Result<(), Reason> {
        let mut parts = [""; MAX_PARTS];
        for (part, path) in parts.iter_mut().zip(paths) {
            match self.claims.texts(path, core::slice::from_mut(part)) {
                Texts::One if !part.is_empty() => {}
                Texts::Missing => return Err(Reason::Missing),
                Texts::One => return Err(Reason::Syntax),
                Texts::Each(_) | Texts::TooMany | Texts::Unusable => return Err(Reason::WrongType),
            }
        }
        self.push(&parts[..paths.len().min(MAX_PARTS)])
    }

    /// Every value of a claim, at most `most`.
    fn each(&mut self, path: &ClaimPath, most: usize) -> Result<(), Reason> {
        let mut texts = [""; MAX_PROBES];
        let count = match self.claims.texts(path, &mut texts) {
            Texts::Missing => return Err(Reason::Missing),
            Texts::One => 1,
            Texts::Each(count) => count,
            Texts::TooMany => return Err(Reason::OutOfRange),
            Texts::Unusable => return Err(Reason::WrongType),
        };
        if count > most {
            return Err(Reason::OutOfRange);
        }
        for text in texts.iter().take(count) {
            if text.is_empty() {
                return Err(Reason::Syntax);
            }
            self.push(&[text])?;
        }
        Ok(())
    }

    fn push(&mut self, values: &[&str]) -> Result<(), Reason> {
        push(self.probes, self.prefix.fingerprint(values), self.index)
    }
}

fn push(probes: &mut Probes, fingerprint: Fingerprint, scope: u8) -> Result<(), Reason> {
    probes.push(Probe { fingerprint, scope }).map_err(|TooManyProbes| Reason::OutOfRange)
}

/// A not-before must be comparable with the token, and be kept until the token has expired.
fn check_times(scope: &Scope, times: TokenTimes) -> Result<(), Rejection> {
    let Some(issued_at) = times.issued_at else { return scope.refuse("iat", Reason::Missing) };
    let Some(expires_at) = times.expires_at else { return scope.refuse("exp", Reason::Missing) };
    if expires_at.saturating_sub(issued_at) > i64::from(scope.max_lifetime_seconds) {
        return scope.refuse("exp", Reason::OutOfRange);
    }
    Ok(())
}

/// Why scopes or values cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScopeError {
    /// The name is not 1 to 64 of `a-z 0-9 _ . -`.
    BadName,
    /// Two scopes have the same name.
    DuplicateName,
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

    const T: i64 = 1_800_000_000;
    const TIMES: TokenTimes = TokenTimes { issued_at: Some(T), expires_at: Some(T + 600) };

    struct Json(serde_json::Value);

    impl Claims for Json {
        fn texts<'c>(&'c self, path: &ClaimPath, out: &mut [&'c str]) -> Texts {
            let mut at = &self.0;
            for segment in path.steps() {
                match at.get(segment) {
                    Some(inner) => at = inner,
                    None => return Texts::Missing,
                }
            }
            if let Some(text) = at.as_str() {
                out[0] = text;
                return Texts::One;
            }
            let Some(texts) = at.as_array() else { return Texts::Unusable };
            if texts.len() > out.len() {
                return Texts::TooMany;
            }
            for (place, text) in out.iter_mut().zip(texts) {
                let Some(text) = text.as_str() else { return Texts::Unusable };
                *place = text;
            }
            Texts::Each(texts.len())
        }
    }

    fn key() -> FingerprintKey {
        FingerprintKey::SipHash13([5; 16])
    }

    fn scopes(scopes: Vec<Scope>) -> IssuerScopes {
        Arc::new(ScopeSet::new(key(), scopes).unwrap()).for_issuer("https://issuer")
    }

    /// The fingerprints with their scopes' names, or the rejection's claim and reason.
    fn probe(
        scopes: &IssuerScopes,
        claims: serde_json::Value,
    ) -> Result<Vec<(&'static str, Fingerprint)>, (&'static str, Reason)> {
        match scopes.probes(&Json(claims), None, TIMES) {
            Ok(probes) => {
                let list = probes.as_slice().iter();
                Ok(list.map(|probe| (scopes.set().name(probe.scope), probe.fingerprint)).collect())
            }
            Err(rejection) => {
                assert_eq!(rejection.code, Code::NotRevocable);
                Err((rejection.claim.unwrap(), rejection.reason))
            }
        }
    }

    fn of(scopes: &IssuerScopes, scope: &str, values: &[&str]) -> Fingerprint {
        scopes.set().entry(scope, "https://issuer", values, T).unwrap().fingerprint
    }

    #[test]
    fn the_standard_scopes_find_what_an_operator_revokes() {
        let names = ["token", "session", "subject", "client", "key", "issuer", "all"];
        let all = names.iter().map(|name| Scope::standard(name).unwrap()).collect();
        let scopes = scopes(all);
        assert!(Scope::standard("tenant").is_none());
        let claims =
            Json(serde_json::json!({"jti": "j", "sid": "s", "sub": "u", "client_id": "c", "azp": "a"}));
        let key = scopes.key_fingerprint("kid-1").unwrap();
        let probes = scopes.probes(&claims, Some(key), TIMES).unwrap();
        let found: Vec<_> = probes.as_slice().iter().map(|probe| (probe.scope, probe.fingerprint)).collect();
        let expected = [
            (0, of(&scopes, "token", &["j"])),
            (1, of(&scopes, "session", &["s"])),
            (2, of(&scopes, "subject", &["u"])),
            (3, of(&scopes, "client", &["c"])),
            (3, of(&scopes, "client", &["a"])),
            (4, of(&scopes, "key", &["kid-1"])),
            (5, of(&scopes, "issuer", &[])),
            (6, of(&scopes, "all", &[])),
        ];
        assert_eq!(found, expected);
        assert_eq!(probes.iat(), Some(T));
        // Another issuer shares `all` and nothing else.
        let other = scopes.set().for_issuer("https://other");
        let others = other.probes(&claims, other.key_fingerprint("kid-1"), TIMES).unwrap();
        let shared: Vec<_> = probes
            .as_slice()
            .iter()
            .zip(others.as_slice())
            .map(|(a, b)| a.fingerprint == b.fingerprint)
            .collect();
        assert_eq!(shared, [false, false, false, false, false, false, false, true]);
    }

    /// The order of scopes in a configuration, and scopes that only one side has, change no fingerprint.
    #[test]
    fn configurations_in_another_order_agree() {
        let ours = scopes(vec![Scope::id("token", "jti").unwrap(), Scope::epoch("subject", "sub").unwrap()]);
        let theirs =
            scopes(vec![Scope::epoch("subject", "sub").unwrap(), Scope::id("token", "jti").unwrap()]);
        for scope in ["token", "subject"] {
            assert_eq!(of(&ours, scope, &["x"]), of(&theirs, scope, &["x"]));
        }
        assert_ne!(of(&ours, "token", &["x"]), of(&ours, "subject", &["x"]));
    }

    #[test]
    fn missing_and_unusable_claims_refuse_unless_ignored() {
        let strict = scopes(vec![Scope::id("session", "sid").unwrap()]);
        let lenient = scopes(vec![Scope::id("session", "sid").unwrap().ignoring_missing()]);
        for (claims, reason) in [
            (serde_json::json!({}), Reason::Missing),
            (serde_json::json!({"sid": 7}), Reason::WrongType),
            (serde_json::json!({"sid": null}), Reason::WrongType),
            (serde_json::json!({"sid": ["a"]}), Reason::WrongType),
            (serde_json::json!({"sid": ["a", "b"]}), Reason::WrongType),
            (serde_json::json!({"sid": {"a": "b"}}), Reason::WrongType),
            (serde_json::json!({"sid": ""}), Reason::Syntax),
        ] {
            assert_eq!(probe(&strict, claims.clone()), Err(("session", reason)), "{claims}");
            assert_eq!(probe(&lenient, claims), Ok(vec![]));
        }
        let names = scopes(vec![Scope::standard("client").unwrap()]);
        let azp = of(&names, "client", &["a"]);
        assert_eq!(probe(&names, serde_json::json!({"azp": "a"})), Ok(vec![("client", azp)]));
        // A usable alternative does not excuse one that is unusable.
        let mixed = serde_json::json!({"client_id": 3, "azp": "a"});
        assert_eq!(probe(&names, mixed), Err(("client", Reason::WrongType)));
        let keys = scopes(vec![Scope::standard("key").unwrap()]);
        assert_eq!(probe(&keys, serde_json::json!({})), Err(("key", Reason::Missing)));
    }

    #[test]
    fn composites_need_every_part() {
        let keys: &[&[&str]] = &[&["/org/tenant", "sub"]];
        let scopes = scopes(vec![Scope::of_claims("subject", ScopeKind::Epoch, keys).unwrap()]);
        let whole = serde_json::json!({"sub": "u", "org": {"tenant": "t"}});
        assert_eq!(probe(&scopes, whole), Ok(vec![("subject", of(&scopes, "subject", &["t", "u"]))]));
        let half = serde_json::json!({"sub": "u", "org": {}});
        assert_eq!(probe(&scopes, half), Err(("subject", Reason::Missing)));
        assert_eq!(scopes.set().entry("subject", "i", &["u"], T), Err(ScopeError::BadValues));
        assert_eq!(scopes.set().entry("subject", "i", &["t", ""], T), Err(ScopeError::BadValues));
        assert_eq!(scopes.set().entry("nothing", "i", &["u"], T), Err(ScopeError::UnknownScope));
    }

    #[test]
    fn a_token_names_at_most_four_ancestors() {
        let session = Scope::id("session", "sid").unwrap().with_ancestors(&["parent", "parents"]).unwrap();
        let scopes = scopes(vec![session]);
        let found = |claims| probe(&scopes, claims);
        let named = |values: &[&str]| {
            Ok(values.iter().map(|value| ("session", of(&scopes, "session", &[*value]))).collect())
        };
        assert_eq!(found(serde_json::json!({"sid": "s"})), named(&["s"]));
        let four = serde_json::json!({"sid": "s", "parent": "a", "parents": ["b", "c", "d"]});
        assert_eq!(found(four), named(&["s", "a", "b", "c", "d"]));
        for (claims, reason) in [
            (serde_json::json!({"sid": "s", "parents": ["a", "b", "c", "d", "e"]}), Reason::OutOfRange),
            (
                serde_json::json!({"sid": "s", "parent": "z", "parents": ["a", "b", "c", "d"]}),
                Reason::OutOfRange,
            ),
            (serde_json::json!({"sid": "s", "parents": vec!["a"; 99]}), Reason::OutOfRange),
            (serde_json::json!({"sid": "s", "parents": ["a", 2]}), Reason::WrongType),
            (serde_json::json!({"sid": "s", "parent": 1}), Reason::WrongType),
            (serde_json::json!({"sid": "s", "parent": ""}), Reason::Syntax),
            (serde_json::json!({"parent": "a"}), Reason::Missing),
        ] {
            assert_eq!(found(claims.clone()), Err(("session", reason)), "{claims}");
        }
    }

    #[test]
    fn a_list_is_looked_up_value_by_value() {
        let keys = vec![vec![ClaimPath::new("groups").unwrap()]];
        let source = ScopeSource::Claims { keys, ancestors: vec![], cardinality: Cardinality::Each };
        let scopes = scopes(vec![Scope::new("group", ScopeKind::Epoch, source)]);
        let found = |claims| probe(&scopes, claims).map(|list| list.len());
        assert_eq!(found(serde_json::json!({"groups": ["a", "b"]})), Ok(2));
        assert_eq!(found(serde_json::json!({"groups": "a"})), Ok(1));
        assert_eq!(found(serde_json::json!({"groups": []})), Ok(0), "in no group");
        assert_eq!(found(serde_json::json!({})), Err(("group", Reason::Missing)));
        assert_eq!(found(serde_json::json!({"groups": vec!["g"; 16]})), Ok(16));
        assert_eq!(found(serde_json::json!({"groups": vec!["g"; 17]})), Err(("group", Reason::OutOfRange)));
    }

    #[test]
    fn a_token_without_times_cannot_be_revoked_by_time() {
        let scope = || Scope { max_lifetime_seconds: 600, ..Scope::epoch("subject", "sub").unwrap() };
        let strict = scopes(vec![scope()]);
        let lenient = scopes(vec![scope().ignoring_missing()]);
        let ids_only = scopes(vec![Scope::id("token", "sub").unwrap()]);
        let claims = Json(serde_json::json!({"sub": "u"}));
        let fits = |issued_at, expires_at| {
            let times = TokenTimes { issued_at, expires_at };
            assert!(lenient.probes(&claims, None, times).is_ok_and(|probes| probes.as_slice().len() == 1));
            assert!(ids_only.probes(&claims, None, times).is_ok());
            strict.probes(&claims, None, times).map(|_| ()).map_err(|refused| {
                assert_eq!(refused.code, Code::NotRevocable);
                (refused.claim, refused.reason)
            })
        };
        assert_eq!(fits(Some(T), Some(T + 600)), Ok(()));
        assert_eq!(fits(Some(T), Some(T + 601)), Err((Some("exp"), Reason::OutOfRange)));
        assert_eq!(fits(Some(i64::MIN), Some(i64::MAX)), Err((Some("exp"), Reason::OutOfRange)));
        assert_eq!(fits(Some(T), None), Err((Some("exp"), Reason::Missing)));
        assert_eq!(fits(None, Some(T)), Err((Some("iat"), Reason::Missing)));
    }

    #[test]
    fn impossible_configurations_are_refused() {
        let refused = |scopes: Vec<Scope>| ScopeSet::new(key(), scopes).err();
        let id = |name: &str| Scope::id(name, "jti").unwrap();
        for name in ["", "Token", "a b", "\u{e4}", &"n".repeat(65)] {
            assert_eq!(refused(vec![id(name)]), Some(ScopeError::BadName), "{name}");
        }
        assert_eq!(refused(vec![id("a"), id("b"), id("a")]), Some(ScopeError::DuplicateName));
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
