//! The one call, and the state that it reads.
//!
//! Readers load one immutable [`State`] per token from an `ArcSwap` and take no lock; writers build a new
//! state beside it and swap it in. When a writer's call returns, every verification that starts afterwards
//! sees the new state.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::checks;
use super::key_set::{self, KeyRules, KeySet, KeySetReport, KeyState};
use super::policy::{IssuerPolicy, KeySource, Policy};
use super::scratch::Scratch;
use crate::crypto::Backends;
use crate::error::{Code, Reason, Rejection};
use crate::jose::claims::Claims;
use crate::jose::compact::Compact;
use crate::jose::header::Header;
use crate::jose::jwk::{self, KeySetError};

/// Verifies tokens against a policy and its issuers' keys. Shared by any number of threads.
pub struct Verifier {
    state: ArcSwap<State>,
    /// Held by whoever builds the next state, so that no change is lost to another.
    writer: Mutex<()>,
    backends: Backends,
}

/// What one request expects of its token, beyond the policy.
#[derive(Clone, Copy, Default, Debug)]
#[non_exhaustive]
pub struct Request<'r> {
    /// An audience that the token must name, as well as one of the policy's.
    pub audience: Option<&'r str>,
    /// The tenant that the request addresses; the token's tenant claim must equal it.
    pub tenant: Option<&'r str>,
}

/// An accepted token. Borrows from the [`Scratch`] of its verification.
#[derive(Clone, Copy)]
pub struct Verified<'a> {
    header: Header<'a>,
    claims: Claims<'a>,
}

/// Why keys or a policy were not changed. The state from before is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum KeyUpdateError {
    /// The policy has no such issuer.
    UnknownIssuer,
    /// The issuer has no key with this `kid`.
    UnknownKey,
    /// The document is no key set.
    KeySet(KeySetError),
    /// The document is a key set, but none of its keys can be used. The report says why.
    NoUsableKey(KeySetReport),
}

struct State {
    policy: Policy,
    /// The keys of each issuer, in the order of the policy's issuers.
    keys: Vec<Arc<KeySet>>,
}

impl Verifier {
    /// A verifier for `policy`. Inline keys are loaded; the keys of other issuers are given by
    /// [`Verifier::replace_keys`], and until then their tokens are refused.
    #[must_use]
    pub fn new(policy: Policy) -> Verifier {
        Verifier::with_backends(policy, Backends::Fastest)
    }

    /// The same with a choice of signature backends.
    #[must_use]
    pub fn with_backends(policy: Policy, backends: Backends) -> Verifier {
        let state = State::new(policy, None, backends);
        Verifier { state: ArcSwap::from_pointee(state), writer: Mutex::new(()), backends }
    }

    /// Scratch memory that fits the largest token of the present policy.
    ///
    /// To be called on the thread that will verify: it also makes this thread known to the state's swap, which
    /// allocates once per thread. On a thread that never called it, the first verification does that.
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        Scratch::for_tokens_up_to(self.state.load().policy.max_token_bytes())
    }

    /// Checks a token in compact serialization: `now` is in seconds since the Unix epoch.
    ///
    /// With one issuer the signature is checked before the payload is read. With several, the payload is
    /// scanned first, only to choose the issuer by `iss`; nothing else is taken from it before the
    /// signature verified. Allocates nothing.
    ///
    /// # Errors
    /// A [`Rejection`] with the first rule, in the order of docs/token-spec.md, that the token breaks.
    pub fn verify<'s>(
        &self,
        token: &[u8],
        request: &Request<'_>,
        now: i64,
        scratch: &'s mut Scratch,
    ) -> Result<Verified<'s>, Rejection> {
        let state = self.state.load();
        if token.len() > state.policy.max_token_bytes() || token.len() > scratch.max_token_bytes() {
            return Err(Rejection::new(Code::TokenTooLarge, Reason::OutOfRange));
        }
        let compact = Compact::split(token)?;
        let slot = scratch.load_header(compact.header)?;
        let signature_len = scratch.load_signature(compact.signature)?;
        let (issuer, located) = match state.policy.issuers() {
            [_] => (0, None),
            _ => {
                let registered = scratch.load_claims(compact.payload)?;
                let named = scratch.claims(registered)?.issuer();
                let named = named.ok_or(Rejection::of(Code::MissingClaim, "iss", Reason::Missing))?;
                let issuer = state.policy.find(named);
                (
                    issuer.ok_or(Rejection::of(Code::IssuerMismatch, "iss", Reason::CheckFailed))?,
                    Some(registered),
                )
            }
        };
        let (policy, keys) = state.issuer(issuer)?;
        {
            let header = scratch.header(slot)?;
            let signature = scratch.signature(signature_len);
            keys.verify(header.kid, header.algorithm, now, compact.signing_input, signature)?;
        }
        let registered = match located {
            Some(registered) => registered,
            None => scratch.load_claims(compact.payload)?,
        };
        let scratch = &*scratch;
        let header = scratch.header(slot)?;
        let claims = scratch.claims(registered)?;
        checks::check(policy, request, header, claims, now)?;
        Ok(Verified { header, claims })
    }

    /// Replaces the keys of `issuer` by those of a JWK Set that a host fetched, read from a URL or another
    /// place that is not the operator's own: shared secrets in it are skipped. A verification that starts
    /// after the return uses the new keys only.
    ///
    /// # Errors
    /// [`KeyUpdateError`]; the keys from before are kept.
    pub fn replace_keys(&self, issuer: &str, jwks: &[u8]) -> Result<KeySetReport, KeyUpdateError> {
        self.replace_keys_from(issuer, jwks, false)
    }

    /// The same for a JWK Set from the operator's own configuration, which may hold shared secrets if the
    /// issuer's policy lists an HMAC algorithm.
    ///
    /// # Errors
    /// As [`Verifier::replace_keys`].
    pub fn replace_operator_keys(&self, issuer: &str, jwks: &[u8]) -> Result<KeySetReport, KeyUpdateError> {
        self.replace_keys_from(issuer, jwks, true)
    }

    fn replace_keys_from(
        &self,
        issuer: &str,
        jwks: &[u8],
        from_operator: bool,
    ) -> Result<KeySetReport, KeyUpdateError> {
        let entries = jwk::parse_set(jwks).map_err(KeyUpdateError::KeySet)?;
        self.change(issuer, |policy, old| {
            let rules = KeyRules { algorithms: policy.algorithms, backends: self.backends };
            let new = KeySet::build(key_set::KeySource { entries, from_operator }, rules, old);
            if new.is_empty() { Err(KeyUpdateError::NoUsableKey(new.report())) } else { Ok(new) }
        })
    }

    /// Changes the state of the keys of `issuer` that have this `kid` (`None`: those without one).
    ///
    /// # Errors
    /// [`KeyUpdateError::UnknownIssuer`], [`KeyUpdateError::UnknownKey`].
    pub fn set_key_state(
        &self,
        issuer: &str,
        kid: Option<&str>,
        state: KeyState,
    ) -> Result<KeySetReport, KeyUpdateError> {
        self.change(issuer, |_, old| old.with_state(kid, state).ok_or(KeyUpdateError::UnknownKey))
    }

    /// Replaces the whole policy. The keys of an issuer that both policies have are kept, unless the new one
    /// brings its own inline.
    pub fn replace_policy(&self, policy: Policy) {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.state.load_full();
        self.state.store(Arc::new(State::new(policy, Some(&old), self.backends)));
    }

    /// The keys of `issuer`, used and skipped.
    ///
    /// # Errors
    /// [`KeyUpdateError::UnknownIssuer`].
    pub fn keys(&self, issuer: &str) -> Result<KeySetReport, KeyUpdateError> {
        let state = self.state.load();
        let place = state.policy.find(issuer).ok_or(KeyUpdateError::UnknownIssuer)?;
        Ok(state.keys.get(place).map(|keys| keys.report()).unwrap_or_default())
    }

    /// The present policy.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.state.load().policy.clone()
    }

    fn change(
        &self,
        issuer: &str,
        build: impl FnOnce(&IssuerPolicy, &KeySet) -> Result<KeySet, KeyUpdateError>,
    ) -> Result<KeySetReport, KeyUpdateError> {
        // A poisoned lock means that another writer panicked before its swap: the state is whole.
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.state.load_full();
        let place = old.policy.find(issuer).ok_or(KeyUpdateError::UnknownIssuer)?;
        let (Some(policy), Some(keys)) = (old.policy.issuers().get(place), old.keys.get(place)) else {
            return Err(KeyUpdateError::UnknownIssuer);
        };
        let new = build(policy, keys)?;
        let report = new.report();
        let mut all = old.keys.clone();
        if let Some(slot) = all.get_mut(place) {
            *slot = Arc::new(new);
        }
        self.state.store(Arc::new(State { policy: old.policy.clone(), keys: all }));
        Ok(report)
    }
}

impl core::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Verifier").field("policy", &self.state.load().policy).finish_non_exhaustive()
    }
}

impl<'r> Request<'r> {
    /// Nothing is expected beyond the policy.
    #[must_use]
    pub const fn new() -> Request<'r> {
        Request { audience: None, tenant: None }
    }

    /// The token must also name this audience.
    #[must_use]
    pub const fn audience(mut self, audience: &'r str) -> Request<'r> {
        self.audience = Some(audience);
        self
    }

    /// The token must belong to this tenant.
    #[must_use]
    pub const fn tenant(mut self, tenant: &'r str) -> Request<'r> {
        self.tenant = Some(tenant);
        self
    }
}

impl<'a> Verified<'a> {
    /// The protected header.
    #[must_use]
    pub fn header(&self) -> Header<'a> {
        self.header
    }

    /// The claims.
    #[must_use]
    pub fn claims(&self) -> Claims<'a> {
        self.claims
    }
}

impl core::fmt::Display for KeyUpdateError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            KeyUpdateError::UnknownIssuer => f.write_str("the policy has no such issuer"),
            KeyUpdateError::UnknownKey => f.write_str("the issuer has no key with this kid"),
            KeyUpdateError::KeySet(error) => write!(f, "{error}"),
            KeyUpdateError::NoUsableKey(report) => match report.skipped.first() {
                None => f.write_str("the key set is empty"),
                Some(first) => {
                    let index = first.index;
                    write!(
                        f,
                        "the key set has no usable key; key {index} is skipped because {}",
                        first.problem
                    )
                }
            },
        }
    }
}

impl core::error::Error for KeyUpdateError {}

impl State {
    fn new(policy: Policy, old: Option<&State>, backends: Backends) -> State {
        let empty = KeySet::default();
        let keys = policy.issuers().iter().map(|issuer| {
            let known = old.and_then(|old| old.keys.get(old.policy.find(&issuer.issuer)?));
            let known: &KeySet = known.map_or(&empty, |keys| keys);
            let rules = KeyRules { algorithms: issuer.algorithms, backends };
            Arc::new(match &issuer.keys {
                KeySource::Inline(json) => {
                    // Read once before, when the policy was built: it is a key set.
                    let entries = jwk::parse_set(json.as_bytes()).unwrap_or_default();
                    KeySet::build(key_set::KeySource { entries, from_operator: true }, rules, known)
                }
                KeySource::Host | KeySource::File(_) | KeySource::Uri(_) => known.under(rules),
            })
        });
        State { keys: keys.collect(), policy }
    }

    fn issuer(&self, place: usize) -> Result<(&IssuerPolicy, &KeySet), Rejection> {
        match (self.policy.issuers().get(place), self.keys.get(place)) {
            (Some(policy), Some(keys)) => Ok((policy, keys)),
            _ => Err(Rejection::new(Code::Internal, Reason::CheckFailed)),
        }
    }
}
