//! Meaning: is this token, for this request, at this time, to be accepted?
//!
//! [`Verifier::verify`] is the one call. It reads no clock, allocates nothing after set-up, and sees policy
//! and keys as one immutable state that writers replace whole.

mod checks;
mod key_set;
mod policy;
mod policy_json;
mod revocation_json;
mod revocations;
mod scratch;
mod status;
mod verifier;
#[allow(dead_code)]
mod warm;

pub use key_set::{KeyReport, KeySetReport, KeyState, SkippedKey};
pub use policy::{
    AudienceRule, IssuerPolicy, KeySource, Policy, PolicyError, PolicyProblem, Profile, RequiredClaim,
};
#[doc(hidden)]
pub use policy_json::{ISSUER_FIELDS, POLICY_FIELDS};
#[doc(hidden)]
pub use revocation_json::{REVOCATION_FIELDS, SCOPE_FIELDS};
pub use revocations::{Introspected, RevocationPolicy, RevocationState};
pub use scratch::Scratch;
pub use status::StatusTokenError;
pub use verifier::{KeyUpdateError, Request, Verified, Verifier};
