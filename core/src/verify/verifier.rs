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
use super::revocations::{Introspected, RevocationState, Revocations};
use super::scratch::{Scratch, Workspace};
use super::status::{self, LoadedList, LoadedLists, StatusTokenError};
use crate::crypto::Backends;
use crate::error::{Code, Reason, Rejection};
use crate::jose::claims::Claims;
use crate::jose::compact::Compact;
use crate::jose::header::Header;
use crate::jose::jwk::{self, KeySetError};
use crate::limits::DEFAULT_TABLE_BYTES;
use crate::revocation::{Fingerprint, Freshness};

/// Verifies tokens against a policy and its issuers' keys. Shared by any number of threads.
pub struct Verifier {
    state: Arc<ArcSwap<State>>,
    /// Held by whoever builds the next state, so that no change is lost to another. Holds what is not part of
    /// the state, but needed to build the next one.
    writer: Mutex<Attached>,
    backends: Backends,
}

/// What the host has attached.
#[derive(Default)]
struct Attached {
    revocations: Option<RevocationState>,
    lists: LoadedLists,
}

/// What one request expects of its token, beyond the policy.
#[derive(Clone, Copy, Default, Debug)]
#[non_exhaustive]
pub struct Request<'r> {
    /// An audience that the token must name, as well as one of the policy's.
    pub audience: Option<&'r str>,
    /// The tenant that the request addresses; the token's tenant claim must equal it.
    pub tenant: Option<&'r str>,
    /// Whether the issuer was asked about this token already.
    pub introspected: Introspected,
}

/// An accepted token. Borrows from the [`Scratch`] of its verification.
#[derive(Clone, Copy)]
pub struct Verified<'a> {
    header: Header<'a>,
    claims: Claims<'a>,
    freshness: Freshness,
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

pub(super) struct State {
    policy: Policy,
    /// In the order of the policy's issuers.
    keys: Vec<IssuerKeys>,
    revocations: Option<Revocations>,
}

/// The keys of one issuer.
struct IssuerKeys {
    set: Arc<KeySet>,
    /// By the place of a key in the set: its fingerprint, if keys can be revoked.
    fingerprints: Vec<Option<Fingerprint>>,
    /// The status lists that the policy names, in its order, where they are loaded.
    lists: Vec<Option<Arc<LoadedList>>>,
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
        let keys = State::keys_for(&policy, None, backends);
        let state = State::new(policy, keys, &Attached::default());
        Verifier { state: Arc::new(ArcSwap::from_pointee(state)), writer: Mutex::default(), backends }
    }

    /// Scratch memory that fits the largest token of the present policy.
    ///
    /// To be called on the thread that will verify: it also makes this thread known to the state's swap, which
    /// allocates once per thread. On a thread that never called it, the first verification does that.
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        let mut scratch = Scratch::for_tokens_up_to(self.state.load().policy.max_token_bytes());
        // What a thread's first look at the state costs is paid here and not by its first token.
        scratch.known.load(&self.state);
        scratch
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
        let Scratch { known, work: scratch } = scratch;
        let state = known.load(&self.state);
        if token.len() > state.policy.max_token_bytes() || token.len() > scratch.max_token_bytes {
            return Err(Rejection::new(Code::TokenTooLarge, Reason::OutOfRange));
        }
        let compact = Compact::split(token)?;
        let slot = scratch.load_header(compact.header)?;
        let signature_len = scratch.load_signature(compact.signature)?;
        let (issuer, located) = match state.policy.issuers() {
            [_] => (0, None),
            _ => {
                let registered = scratch.load_claims(compact.payload)?;
                let named = scratch.claims(registered).issuer();
                let named = named.ok_or(Rejection::of(Code::MissingClaim, "iss", Reason::Missing))?;
                let issuer = state.policy.find(named);
                (
                    issuer.ok_or(Rejection::of(Code::IssuerMismatch, "iss", Reason::CheckFailed))?,
                    Some(registered),
                )
            }
        };
        let (policy, keys) = state.issuer(issuer)?;
        let key = {
            let header = scratch.header(slot)?;
            let signature = scratch.signature(signature_len);
            keys.set.verify(header.kid, header.algorithm, now, compact.signing_input, signature)?
        };
        let registered = match located {
            Some(registered) => registered,
            None => scratch.load_claims(compact.payload)?,
        };
        let scratch = &*scratch;
        let header = scratch.header(slot)?;
        let claims = scratch.claims(registered);
        checks::check(policy, request, header, claims, now)?;
        let freshness = match &state.revocations {
            Some(revocations) => {
                let key = keys.fingerprints.get(key).copied().flatten();
                revocations.check(issuer, claims, key, request.introspected, now)?
            }
            None => Freshness::Fresh,
        };
        if !policy.status_lists.is_empty() {
            let doubt = state.policy.revocation().map(|r| r.doubt).unwrap_or_default();
            status::check(policy, &keys.lists, &doubt, claims, request.introspected, now)?;
        }
        Ok(Verified { header, claims, freshness })
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
        self.change(issuer, |policy, old, tables_left| {
            let rules =
                KeyRules { algorithms: policy.algorithms, backends: self.backends, table_bytes: tables_left };
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
        self.change(issuer, |_, old, _| old.with_state(kid, state).ok_or(KeyUpdateError::UnknownKey))
    }

    /// Attaches revocation state for the scopes that the policy names, in place of what was attached before.
    /// Until this is called, a policy with scopes finds its state stale.
    pub fn attach_revocations(&self, revocations: RevocationState) {
        let mut attached = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        attached.revocations = Some(revocations);
        let old = self.state.load_full();
        let keys = old.keys.iter().map(|keys| Arc::clone(&keys.set)).collect();
        self.state.store(Arc::new(State::new(old.policy.clone(), keys, &attached)));
    }

    /// Takes over a status list token (draft-ietf-oauth-status-list) that the host fetched from `uri`, one of
    /// the lists that the issuer's policy names, at `now` (seconds since the Unix epoch). It must be signed
    /// with a key of `issuer`, and be no older than the list in use. A verification that starts after the
    /// return asks the new list.
    ///
    /// # Errors
    /// [`StatusTokenError`]; the list from before is kept.
    pub fn load_status_list(
        &self,
        issuer: &str,
        uri: &str,
        token: &[u8],
        now: i64,
    ) -> Result<(), StatusTokenError> {
        let mut attached = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.state.load_full();
        let place = old.policy.find(issuer).ok_or(StatusTokenError::NotAllowed)?;
        let (policy, keys) = old.issuer(place).map_err(StatusTokenError::Rejected)?;
        if !policy.status_lists.iter().any(|known| known == uri) {
            return Err(StatusTokenError::NotAllowed);
        }
        let mut scratch = Workspace::for_tokens_up_to(token.len());
        let list = {
            let (header, claims) =
                authentic(keys, token, now, &mut scratch).map_err(StatusTokenError::Rejected)?;
            LoadedList::read(header, claims, policy, uri, now)?
        };
        let name = (issuer.to_owned(), uri.to_owned());
        if attached.lists.get(&name).is_some_and(|known| list.is_older_than(known)) {
            return Err(StatusTokenError::Older);
        }
        attached.lists.insert(name, Arc::new(list));
        let keys = old.keys.iter().map(|keys| Arc::clone(&keys.set)).collect();
        self.state.store(Arc::new(State::new(old.policy.clone(), keys, &attached)));
        Ok(())
    }

    /// Replaces the whole policy. The keys of an issuer that both policies have are kept, unless the new one
    /// brings its own inline.
    pub fn replace_policy(&self, policy: Policy) {
        let attached = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.state.load_full();
        let keys = State::keys_for(&policy, Some(&old), self.backends);
        self.state.store(Arc::new(State::new(policy, keys, &attached)));
    }

    /// The keys of `issuer`, used and skipped.
    ///
    /// # Errors
    /// [`KeyUpdateError::UnknownIssuer`].
    pub fn keys(&self, issuer: &str) -> Result<KeySetReport, KeyUpdateError> {
        let state = self.state.load();
        let place = state.policy.find(issuer).ok_or(KeyUpdateError::UnknownIssuer)?;
        Ok(state.keys.get(place).map(|keys| keys.set.report()).unwrap_or_default())
    }

    /// The present policy.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.state.load().policy.clone()
    }

    fn change(
        &self,
        issuer: &str,
        build: impl FnOnce(&IssuerPolicy, &KeySet, usize) -> Result<KeySet, KeyUpdateError>,
    ) -> Result<KeySetReport, KeyUpdateError> {
        // A poisoned lock means that another writer panicked before its swap: the state is whole.
        let attached = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.state.load_full();
        let place = old.policy.find(issuer).ok_or(KeyUpdateError::UnknownIssuer)?;
        let (Some(policy), Some(keys)) = (old.policy.issuers().get(place), old.keys.get(place)) else {
            return Err(KeyUpdateError::UnknownIssuer);
        };
        let others = old.keys.iter().enumerate().filter(|(other, _)| *other != place);
        let used: usize = others.map(|(_, keys)| keys.set.table_bytes()).sum();
        let new = build(policy, &keys.set, DEFAULT_TABLE_BYTES.saturating_sub(used))?;
        let report = new.report();
        let mut all: Vec<_> = old.keys.iter().map(|keys| Arc::clone(&keys.set)).collect();
        if let Some(slot) = all.get_mut(place) {
            *slot = Arc::new(new);
        }
        self.state.store(Arc::new(State::new(old.policy.clone(), all, &attached)));
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
        Request { audience: None, tenant: None, introspected: Introspected::No }
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

    /// What the issuer said about this token, after [`Code::IntrospectionRequired`].
    #[must_use]
    pub const fn introspected(mut self, introspected: Introspected) -> Request<'r> {
        self.introspected = introspected;
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

    /// Whether the revocation state was recent; [`Freshness::Stale`] if the token passed only because the
    /// policy allows it or the issuer was asked.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.freshness
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

/// Header and claims of a token that a key of one issuer signed, without any rule of the policy.
fn authentic<'s>(
    keys: &IssuerKeys,
    token: &[u8],
    now: i64,
    scratch: &'s mut Workspace,
) -> Result<(Header<'s>, Claims<'s>), Rejection> {
    if token.len() > scratch.max_token_bytes {
        return Err(Rejection::new(Code::TokenTooLarge, Reason::OutOfRange));
    }
    let compact = Compact::split(token)?;
    let slot = scratch.load_header(compact.header)?;
    let signature_len = scratch.load_signature(compact.signature)?;
    let header = scratch.header(slot)?;
    let signature = scratch.signature(signature_len);
    keys.set.verify(header.kid, header.algorithm, now, compact.signing_input, signature)?;
    let registered = scratch.load_claims(compact.payload)?;
    let scratch = &*scratch;
    Ok((scratch.header(slot)?, scratch.claims(registered)))
}

impl State {
    fn new(policy: Policy, keys: Vec<Arc<KeySet>>, attached: &Attached) -> State {
        // The policy checked its scopes; were they not to fit, an unbound state refuses as stale.
        let revocations = Revocations::bind(&policy, attached.revocations.as_ref())
            .or_else(|_| Revocations::bind(&policy, None))
            .unwrap_or_default();
        let with_fingerprints = |(place, set): (usize, Arc<KeySet>)| {
            let fingerprint = |kid| revocations.as_ref()?.key_fingerprint(place, kid);
            let lists = policy.issuers().get(place).map(|issuer| {
                let list = |uri: &String| attached.lists.get(&(issuer.issuer.clone(), uri.clone())).cloned();
                issuer.status_lists.iter().map(list).collect()
            });
            IssuerKeys {
                fingerprints: set.kids().map(fingerprint).collect(),
                set,
                lists: lists.unwrap_or_default(),
            }
        };
        State { keys: keys.into_iter().enumerate().map(with_fingerprints).collect(), policy, revocations }
    }

    /// The key sets for a policy: inline ones are built, others taken over from the state before.
    fn keys_for(policy: &Policy, old: Option<&State>, backends: Backends) -> Vec<Arc<KeySet>> {
        let empty = KeySet::default();
        let mut tables_left = DEFAULT_TABLE_BYTES;
        let keys = policy.issuers().iter().map(|issuer| {
            let known = old.and_then(|old| old.keys.get(old.policy.find(&issuer.issuer)?));
            let known: &KeySet = known.map_or(&empty, |keys| &keys.set);
            let rules = KeyRules { algorithms: issuer.algorithms, backends, table_bytes: tables_left };
            let set = match &issuer.keys {
                KeySource::Inline(json) => {
                    // Read once before, when the policy was built: it is a key set.
                    let entries = jwk::parse_set(json.as_bytes()).unwrap_or_default();
                    KeySet::build(key_set::KeySource { entries, from_operator: true }, rules, known)
                }
                KeySource::Host | KeySource::File(_) | KeySource::Uri(_) => known.under(rules),
            };
            tables_left = tables_left.saturating_sub(set.table_bytes());
            Arc::new(set)
        });
        keys.collect()
    }

    fn issuer(&self, place: usize) -> Result<(&IssuerPolicy, &IssuerKeys), Rejection> {
        match (self.policy.issuers().get(place), self.keys.get(place)) {
            (Some(policy), Some(keys)) => Ok((policy, keys)),
            _ => Err(Rejection::new(Code::Internal, Reason::CheckFailed)),
        }
    }
}
