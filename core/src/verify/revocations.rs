//! Revocation as the verifier sees it: which scopes the policy names, and where the state comes from.
//!
//! The state is attached by the host ([`super::Verifier::attach_revocations`]); until then a policy with
//! revocation scopes finds its state stale, and refuses by default.

use std::sync::Arc;

use super::policy::Policy;
use crate::codec::json::Kind;
use crate::codec::pointer::ClaimPath;
use crate::error::{Code, Rejection};
use crate::jose::claims::Claims;
use crate::jose::numeric_date::NumericDate;
use crate::revocation::extract::{self, IssuerScopes, Texts, TokenTimes};
use crate::revocation::scope::{ScopeError, ScopeSet};
#[cfg(all(any(unix, windows), not(loom)))]
use crate::revocation::store::{self, StoreError};
use crate::revocation::{
    Decision, DoubtPolicy, Finding, Fingerprint, FingerprintKey, Freshness, Live, Lookup, Probes, Scope,
    Verdict,
};

/// What a policy says about revocation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevocationPolicy {
    /// What can be revoked, and which claims tell.
    pub scopes: Vec<Scope>,
    /// What to do where the state is too old or cannot tell.
    pub doubt: DoubtPolicy,
    /// The directory of the revocation state, for hosts that open files; a relative path counts from the
    /// policy file.
    pub directory: Option<String>,
}

/// Revocation state, to be attached to a verifier.
#[derive(Clone)]
pub struct RevocationState {
    /// What the fingerprints in the state were made with.
    pub key: FingerprintKey,
    /// The live table; also says how recent the state is.
    pub live: Arc<Live>,
    /// What came before the live table: a snapshot, or a filter on edges with little memory.
    pub base: Option<Arc<dyn Lookup + Send + Sync>>,
}

#[cfg(all(any(unix, windows), not(loom)))]
impl RevocationState {
    /// The state in a state directory, as its writer keeps it: what another process revokes is seen by the
    /// next verification.
    ///
    /// # Errors
    /// [`StoreError`] says what is missing or damaged.
    pub fn open(directory: &std::path::Path) -> Result<RevocationState, StoreError> {
        let state = store::open_for_reading(directory)?;
        Ok(RevocationState { key: state.key, live: state.live, base: None })
    }
}

/// Whether the issuer was asked about this token already (RFC 7662).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Introspected {
    /// Nobody was asked.
    #[default]
    No,
    /// The issuer said that the token is active: doubts about revocation are settled. A revocation that is
    /// known here still counts.
    Active,
}

/// The policy's scopes, bound to a state and to the issuers of one policy.
pub(super) struct Revocations {
    doubt: DoubtPolicy,
    bound: Option<Bound>,
}

struct Bound {
    set: Arc<ScopeSet>,
    issuers: Vec<IssuerScopes>,
    state: RevocationState,
}

impl Revocations {
    /// Binds the policy's scopes to `state`; `None` if the policy has no scopes.
    ///
    /// # Errors
    /// [`ScopeError`] if the scopes do not fit together.
    pub(super) fn bind(
        policy: &Policy,
        state: Option<&RevocationState>,
    ) -> Result<Option<Revocations>, ScopeError> {
        let Some(revocation) = policy.revocation() else { return Ok(None) };
        let bind = |state: &RevocationState| -> Result<Bound, ScopeError> {
            let set = Arc::new(ScopeSet::new(state.key.clone(), revocation.scopes.clone())?);
            let issuers = policy.issuers().iter().map(|issuer| set.for_issuer(&issuer.issuer)).collect();
            Ok(Bound { set, issuers, state: state.clone() })
        };
        let bound = state.map(bind).transpose()?;
        Ok(Some(Revocations { doubt: revocation.doubt, bound }))
    }

    /// The fingerprint of a signing key, made when keys change.
    pub(super) fn key_fingerprint(&self, issuer: usize, kid: Option<&str>) -> Option<Fingerprint> {
        self.bound.as_ref()?.issuers.get(issuer)?.key_fingerprint(kid?)
    }

    /// Is this token revoked? `key` is the fingerprint of the key that verified it.
    ///
    /// # Errors
    /// [`Code::NotRevocable`], [`Code::Revoked`], and, as the policy says, [`Code::MaybeRevoked`],
    /// [`Code::Stale`] or [`Code::IntrospectionRequired`].
    pub(super) fn check(
        &self,
        issuer: usize,
        claims: Claims<'_>,
        key: Option<Fingerprint>,
        introspected: Introspected,
        now: i64,
    ) -> Result<Freshness, Rejection> {
        let verdict = match &self.bound {
            Some(bound) => {
                let scopes = bound.issuers.get(issuer).ok_or(OUT_OF_REACH)?;
                let times = TokenTimes {
                    issued_at: claims.issued_at().map(NumericDate::floor),
                    expires_at: claims.expires_at().map(NumericDate::ceil),
                };
                let mut probes = Probes::new(None);
                scopes.fill(&claims, key, times, &mut probes)?;
                bound.look_up(&probes, &self.doubt, now)
            }
            None => Verdict { finding: Finding::Clear, freshness: Freshness::Stale, stamp: None },
        };
        self.decide(&verdict, introspected)
    }

    fn decide(&self, verdict: &Verdict, introspected: Introspected) -> Result<Freshness, Rejection> {
        let name = |scope| self.bound.as_ref().map_or("revocation", |bound| bound.set.name(scope));
        match (self.doubt.decide(verdict, name), introspected) {
            (Decision::Accept(freshness), _) => Ok(freshness),
            (Decision::Introspect(_), Introspected::Active) => Ok(verdict.freshness),
            (Decision::Introspect(why), Introspected::No) => {
                Err(Rejection { code: Code::IntrospectionRequired, ..why })
            }
            // The issuer's word settles a doubt, but not a revocation that is known here.
            (Decision::Refuse(why), Introspected::Active) if why.code != Code::Revoked => {
                Ok(verdict.freshness)
            }
            (Decision::Refuse(why), _) => Err(why),
        }
    }
}

impl Bound {
    fn look_up(&self, probes: &Probes, doubt: &DoubtPolicy, now: i64) -> Verdict {
        match self.state.base.as_deref() {
            None => self.state.live.check(probes, doubt, now),
            Some(base) => self.state.live.check_over(base, probes, doubt, now),
        }
    }
}

impl core::fmt::Debug for RevocationState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RevocationState")
            .field("applied_sequence", &self.live.applied_sequence())
            .field("base", &self.base.is_some())
            .finish_non_exhaustive()
    }
}

impl extract::Claims for Claims<'_> {
    fn texts<'c>(&'c self, path: &ClaimPath, out: &mut [&'c str]) -> Texts {
        let Some(value) = self.at(path) else { return Texts::Missing };
        match value.kind() {
            Kind::String => match (value.as_str(), out.first_mut()) {
                (Some(text), Some(place)) => {
                    *place = text;
                    Texts::One
                }
                _ => Texts::TooMany,
            },
            Kind::Array => {
                let Some(items) = value.items() else { return Texts::Unusable };
                let count = items.len();
                if count > out.len() {
                    return Texts::TooMany;
                }
                for (place, item) in out.iter_mut().zip(items) {
                    let Some(text) = item.as_str() else { return Texts::Unusable };
                    *place = text;
                }
                Texts::Each(count)
            }
            Kind::Null | Kind::Bool | Kind::Integer | Kind::Number | Kind::Object => Texts::Unusable,
        }
    }
}

const OUT_OF_REACH: Rejection = Rejection::new(Code::Internal, crate::error::Reason::CheckFailed);
