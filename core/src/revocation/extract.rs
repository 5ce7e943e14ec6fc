//! The fingerprints of one token: from its claims, through the scopes of its issuer.
//!
//! A scope that a token cannot be found under is no protection: a claim that is missing or unusable refuses
//! the token, unless the operator said to ignore that for the scope. Nothing here allocates after set-up.

use std::sync::Arc;

use super::check::{MAX_PROBES, Probe, Probes, TooManyProbes};
use super::fingerprint::{Fingerprint, FingerprintPrefix};
use super::scope::{
    Cardinality, MAX_ANCESTORS, MAX_PARTS, MissingClaim, Scope, ScopeKind, ScopeSet, ScopeSource,
};
use crate::codec::pointer::ClaimPath;
use crate::error::{Code, Reason, Rejection};

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

/// The scopes of a policy as they apply to the tokens of one issuer.
pub struct IssuerScopes {
    set: Arc<ScopeSet>,
    prefixes: Vec<FingerprintPrefix>,
    /// The fingerprints of no values at all: those of `issuer` and `all`.
    whole: Vec<Fingerprint>,
}

impl ScopeSet {
    /// The scopes as they apply to tokens of one issuer, with everything hashed that can be hashed now.
    #[must_use]
    pub fn for_issuer(self: &Arc<Self>, issuer: &str) -> IssuerScopes {
        let prefixes: Vec<_> = self.iter().map(|scope| self.prefix(scope, issuer)).collect();
        let whole = prefixes.iter().map(|prefix| prefix.fingerprint(&[])).collect();
        IssuerScopes { set: Arc::clone(self), prefixes, whole }
    }
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

    /// Writes to `probes` the fingerprints under which a token can be revoked. `key` is that of the key that
    /// verified it. Allocates nothing.
    ///
    /// # Errors
    /// [`Code::NotRevocable`] with the scope's name, if the token cannot be found under a scope that does not
    /// ignore that; with `iat` or `exp`, if a not-before could not be compared, or be gone before the token
    /// is.
    pub fn fill(
        &self,
        claims: &impl Claims,
        key: Option<Fingerprint>,
        times: TokenTimes,
        probes: &mut Probes,
    ) -> Result<(), Rejection> {
        probes.restart(times.issued_at);
        for ((index, scope), (prefix, whole)) in
            (0..).zip(self.set.iter()).zip(self.prefixes.iter().zip(&self.whole))
        {
            if scope.kind == ScopeKind::Epoch {
                check_times(scope, times)?;
            }
            let outcome = match &scope.source {
                ScopeSource::Claims { keys, ancestors, cardinality } => {
                    let mut values = Values { claims, prefix, index, probes: &mut *probes };
                    values.keys(keys, *cardinality).and_then(|()| values.ancestors(ancestors))
                }
                ScopeSource::Key => match key {
                    Some(key) => push(probes, key, index),
                    None => Err(Reason::Missing),
                },
                ScopeSource::Issuer | ScopeSource::All => push(probes, *whole, index),
            };
            if let Err(reason) = outcome {
                refuse(scope, self.set.name(index), reason)?;
            }
        }
        Ok(())
    }
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
    let Some(issued_at) = times.issued_at else { return refuse(scope, "iat", Reason::Missing) };
    let Some(expires_at) = times.expires_at else { return refuse(scope, "exp", Reason::Missing) };
    if expires_at.saturating_sub(issued_at) > i64::from(scope.max_lifetime_seconds) {
        return refuse(scope, "exp", Reason::OutOfRange);
    }
    Ok(())
}

fn refuse(scope: &Scope, name: &'static str, reason: Reason) -> Result<(), Rejection> {
    match scope.missing {
        MissingClaim::Refuse => Err(Rejection::of(Code::NotRevocable, name, reason)),
        MissingClaim::Ignore => Ok(()),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::fingerprint::FingerprintKey;
    use super::super::scope::ScopeError;
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

    fn fill(
        scopes: &IssuerScopes,
        claims: &Json,
        key: Option<Fingerprint>,
        times: TokenTimes,
    ) -> Result<Probes, Rejection> {
        // What an earlier token left behind does not matter.
        let mut probes = Probes::new(Some(1));
        probes.push(Probe { fingerprint: Fingerprint::from_bytes([1; 12]), scope: 1 }).unwrap();
        scopes.fill(claims, key, times, &mut probes).map(|()| probes)
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
        match fill(scopes, &Json(claims), None, TIMES) {
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
        let probes = fill(&scopes, &claims, Some(key), TIMES).unwrap();
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
        let others = fill(&other, &claims, other.key_fingerprint("kid-1"), TIMES).unwrap();
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
            assert!(fill(&lenient, &claims, None, times).is_ok_and(|probes| probes.as_slice().len() == 1));
            assert!(fill(&ids_only, &claims, None, times).is_ok());
            fill(&strict, &claims, None, times).map(|_| ()).map_err(|refused| {
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
}
