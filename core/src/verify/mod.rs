//! Meaning: is this token, for this request, at this time, to be accepted?
//!
//! [`Verifier::verify`] is the one call. It reads no clock, allocates nothing after set-up, and sees policy
//! and keys as one immutable state that writers replace whole.

mod checks;
mod key_set;
mod policy;
mod policy_json;
mod scratch;
mod verifier;
#[allow(dead_code)]
mod warm;

pub use key_set::{KeyReport, KeySetReport, KeyState, SkippedKey};
pub use policy::{
    AudienceRule, IssuerPolicy, KeySource, Policy, PolicyError, PolicyProblem, Profile, RequiredClaim,
};
pub use scratch::Scratch;
pub use verifier::{KeyUpdateError, Request, Verified, Verifier};
