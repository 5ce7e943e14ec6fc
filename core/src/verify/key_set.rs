//! The keys of one issuer: immutable once built, with a rule for which of them may verify a token.
//!
//! The rule (docs/token-spec.md): a token with a `kid` is checked with the keys of exactly that `kid`, and if
//! there are none, with the keys that have no `kid`; a token without `kid`, with any key of the issuer. Only
//! keys that allow the token's algorithm count, and never more than `MAX_KEY_CANDIDATES` are tried.

use std::sync::Arc;

use crate::crypto::{self, Backends, VerifySignature};
use crate::error::{Code, Reason, Rejection};
use crate::jose::algorithm::{Algorithm, Algorithms, KeyType};
use crate::jose::jwk::{Jwk, KeyMaterial, KeyProblem, SetEntry};
use crate::limits::{MAX_KEY_CANDIDATES, MAX_KEYS_PER_ISSUER};

/// What a key may be used for now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyState {
    /// Loaded and prepared, but tokens that it signed are not accepted yet.
    Staged,
    /// In use.
    #[default]
    Active,
    /// Verifies until this time (seconds since the Unix epoch) and no longer.
    VerifyUntil(i64),
    /// Compromised: refused at once, and it stays refused when the issuer publishes it again.
    Tainted,
}

/// What became of a key set.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeySetReport {
    /// The keys that are in use.
    pub keys: Vec<KeyReport>,
    /// The keys that are not, each with its reason.
    pub skipped: Vec<SkippedKey>,
}

/// A key that is in use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyReport {
    /// `kid`, if it has one.
    pub kid: Option<String>,
    /// The algorithms it may verify.
    pub algorithms: Algorithms,
    /// Its state.
    pub state: KeyState,
    /// The code that verifies its signatures.
    pub backend: &'static str,
}

/// A key that is not used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SkippedKey {
    /// Its place in the set, from 0.
    pub index: usize,
    /// `kid`, if it has a readable one.
    pub kid: Option<String>,
    /// Why.
    pub problem: KeyProblem,
}

/// The keys of one issuer.
#[derive(Default)]
pub(super) struct KeySet {
    /// What the set was built from, to build it again when the issuer's policy changes.
    source: KeySource,
    keys: Vec<Key>,
    pub(super) skipped: Vec<SkippedKey>,
}

pub(super) struct Key {
    kid: Option<String>,
    material: KeyMaterial,
    algorithms: Algorithms,
    state: KeyState,
    verifier: Arc<dyn VerifySignature>,
}

/// The entries of a JWK Set and where it came from.
#[derive(Clone, Default)]
pub(super) struct KeySource {
    pub(super) entries: Vec<SetEntry>,
    /// Whether the set comes from the operator's own configuration: only then may it hold shared secrets.
    pub(super) from_operator: bool,
}

/// What an issuer's policy and the verifier say about keys.
#[derive(Clone, Copy)]
pub(super) struct KeyRules {
    /// The issuer's `algorithms`, if it lists any.
    pub(super) algorithms: Option<Algorithms>,
    pub(super) backends: Backends,
    /// How much memory the prepared tables of this set may take, in bytes.
    pub(super) table_bytes: usize,
}

impl KeySet {
    /// Builds the set that replaces `previous`. A key that was there before keeps its state and its prepared
    /// form; a key that was tainted stays tainted.
    pub(super) fn build(source: KeySource, rules: KeyRules, previous: &KeySet) -> KeySet {
        let mut set = KeySet::default();
        for (index, entry) in source.entries.iter().enumerate() {
            let admitted = match &entry.key {
                Ok(jwk) => set.admit(jwk, source.from_operator, rules, previous),
                Err(problem) => Err(*problem),
            };
            match admitted {
                Ok(key) => set.keys.push(key),
                Err(problem) => set.skipped.push(SkippedKey { index, kid: entry.kid.clone(), problem }),
            }
        }
        // A tainted key that is no longer published is remembered: it may come back.
        for old in previous.keys.iter().filter(|k| k.state == KeyState::Tainted) {
            if !set.keys.iter().any(|k| k.material == old.material) && set.keys.len() < MAX_KEYS_PER_ISSUER {
                set.keys.push(old.copy(KeyState::Tainted));
            }
        }
        set.source = source;
        set
    }

    /// The same set under other rules.
    pub(super) fn under(&self, rules: KeyRules) -> KeySet {
        KeySet::build(self.source.clone(), rules, self)
    }

    fn admit(
        &self,
        jwk: &Jwk,
        from_operator: bool,
        rules: KeyRules,
        previous: &KeySet,
    ) -> Result<Key, KeyProblem> {
        if self.keys.iter().any(|k| k.kid == jwk.kid && k.material == jwk.material) {
            return Err(KeyProblem::Duplicate);
        }
        if self.keys.len() >= MAX_KEYS_PER_ISSUER {
            return Err(KeyProblem::TooManyKeys);
        }
        let key_type = jwk.material.key_type();
        if key_type == KeyType::Oct
            && !(from_operator && rules.algorithms.is_some_and(|a| !a.and(key_type.algorithms()).is_empty()))
        {
            return Err(KeyProblem::SecretNotAllowed);
        }
        let own = jwk.algorithm.map(|a| [a].into_iter().collect());
        let algorithms = match (own, rules.algorithms) {
            (Some(own), Some(allowed)) => allowed.and(own),
            (Some(own), None) => own,
            (None, Some(allowed)) => allowed.and(key_type.algorithms()),
            (None, None) => key_type.implied_algorithm(),
        };
        if algorithms.is_empty() {
            return Err(KeyProblem::AlgorithmNotAllowed);
        }
        if let KeyMaterial::Oct(secret) = &jwk.material
            && algorithms.iter().any(|a| secret.len() < a.min_secret_bytes())
        {
            return Err(KeyProblem::SecretTooShort);
        }
        let known = previous.keys.iter().find(|k| k.material == jwk.material);
        let verifier = match known {
            Some(known) => Arc::clone(&known.verifier),
            None => {
                let left = rules.table_bytes.saturating_sub(self.table_bytes());
                Arc::from(crypto::load(&jwk.material, rules.backends, left)?)
            }
        };
        // The same key may stand under several kids: taint concerns the key, the other states the entry.
        let same_key = || previous.keys.iter().filter(|k| k.material == jwk.material);
        let state = if same_key().any(|k| k.state == KeyState::Tainted) {
            KeyState::Tainted
        } else {
            same_key().find(|k| k.kid == jwk.kid).map_or(KeyState::Active, |k| k.state)
        };
        Ok(Key { kid: jwk.kid.clone(), material: jwk.material.clone(), algorithms, state, verifier })
    }

    /// A copy in which the keys with this `kid` have another state; `None` if there are none. Tainting a key,
    /// and taking that back, reaches the same key under its other kids as well.
    pub(super) fn with_state(&self, kid: Option<&str>, state: KeyState) -> Option<KeySet> {
        let named = |key: &Key| key.kid.as_deref() == kid;
        let fits = |key: &Key| {
            named(key)
                || ((state == KeyState::Tainted || key.state == KeyState::Tainted)
                    && self.keys.iter().any(|k| named(k) && k.material == key.material))
        };
        self.keys.iter().any(named).then(|| KeySet {
            source: self.source.clone(),
            keys: self.keys.iter().map(|k| k.copy(if fits(k) { state } else { k.state })).collect(),
            skipped: self.skipped.clone(),
        })
    }

    /// How much memory the prepared tables of its keys take, in bytes.
    pub(super) fn table_bytes(&self) -> usize {
        self.keys.iter().map(|key| key.verifier.table_bytes()).sum()
    }

    /// Whether no key could verify anything now or later.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.iter().all(|k| k.state == KeyState::Tainted)
    }

    /// The `kid`s of the keys, in their places.
    pub(super) fn kids(&self) -> impl Iterator<Item = Option<&str>> {
        self.keys.iter().map(|key| key.kid.as_deref())
    }

    pub(super) fn report(&self) -> KeySetReport {
        let keys = self.keys.iter().map(|k| KeyReport {
            kid: k.kid.clone(),
            algorithms: k.algorithms,
            state: k.state,
            backend: k.verifier.backend(),
        });
        KeySetReport { keys: keys.collect(), skipped: self.skipped.clone() }
    }

    /// Checks the signature with the keys that may verify such a token, and returns the place of the one that
    /// did.
    ///
    /// # Errors
    /// In this order: [`Code::UnknownKey`] if no key fits the `kid`, or more than `MAX_KEY_CANDIDATES` do;
    /// [`Code::AlgorithmNotAllowed`] if none of them allows the algorithm; [`Code::KeyNotActive`] if none of
    /// those may be used at `now`; [`Code::InvalidSignature`].
    pub(super) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        now: i64,
        message: &[u8],
        signature: &[u8],
    ) -> Result<usize, Rejection> {
        let unknown = |reason| Err(Rejection::of(Code::UnknownKey, "kid", reason));
        let exact = kid.is_some() && self.keys.iter().any(|k| k.kid.as_deref() == kid);
        let fits = |key: &Key| match (kid, exact) {
            (Some(_), true) => key.kid.as_deref() == kid,
            (Some(_), false) => key.kid.is_none(),
            (None, _) => true,
        };
        let (mut seen, mut allowed, mut tried) = (false, false, 0);
        for (place, key) in self.keys.iter().enumerate().filter(|(_, key)| fits(key)) {
            seen = true;
            if !key.algorithms.contains(algorithm) {
                continue;
            }
            allowed = true;
            if !key.is_usable(now) {
                continue;
            }
            if tried == MAX_KEY_CANDIDATES {
                return unknown(Reason::OutOfRange);
            }
            tried += 1;
            if key.verifier.verify(algorithm.scheme(), message, signature).is_ok() {
                return Ok(place);
            }
        }
        match (seen, allowed, tried) {
            (false, ..) => unknown(if kid.is_some() { Reason::CheckFailed } else { Reason::Missing }),
            (true, false, _) => Err(Rejection::of(Code::AlgorithmNotAllowed, "alg", Reason::CheckFailed)),
            (true, true, 0) => Err(Rejection::of(Code::KeyNotActive, "kid", Reason::CheckFailed)),
            (true, true, _) => Err(Rejection::new(Code::InvalidSignature, Reason::CheckFailed)),
        }
    }
}

impl Key {
    fn is_usable(&self, now: i64) -> bool {
        match self.state {
            KeyState::Active => true,
            KeyState::VerifyUntil(end) => now <= end,
            KeyState::Staged | KeyState::Tainted => false,
        }
    }

    fn copy(&self, state: KeyState) -> Key {
        Key {
            kid: self.kid.clone(),
            material: self.material.clone(),
            algorithms: self.algorithms,
            state,
            verifier: Arc::clone(&self.verifier),
        }
    }
}
