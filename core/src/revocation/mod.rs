//! Revocation: is this token, or anything that it belongs to, revoked?
//!
//! Values named by scopes become keyed 96-bit fingerprints; a table of fingerprints answers exactly, without
//! a lock and without allocating. Nothing here reads a clock or trusts a claim whose signature was not checked.
//!
//! From the configuration to the answer: [`scope`] says what can be revoked; [`extract`] turns claims into
//! [`Probes`]; [`live`] looks them up in the table that one [`Writer`] keeps; [`check`] combines what was found.
//! [`Writer::open`] and [`Live::open`] keep the same table in files for other processes; [`filter`] is the
//! form for edges with little memory.

pub mod check;
pub mod extract;
pub mod filter;
pub mod fingerprint;
pub mod live;
pub mod scope;
pub mod state_error;
pub mod writer;

mod control;
#[cfg(all(any(unix, windows), not(loom)))]
mod mapped;
mod region;
mod sync;
mod table;

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

pub use check::{
    Answer, Decision, DoubtPolicy, Fallback, Finding, Freshness, Lookup, MAX_PROBES, Pinned, Probe, Probes,
    Verdict,
};
pub use control::Stamp;
pub use extract::{Claims, IssuerScopes, Texts, TokenTimes};
pub use filter::{Filter, FilterError};
pub use fingerprint::{Entry, EntryKind, Fingerprint, FingerprintKey, FingerprintPrefix, SlotError};
pub use live::{Live, Reader};
pub use scope::{ClaimPath, Scope, ScopeError, ScopeSet};
pub use state_error::StateError;
pub use table::NotBefore;
pub use writer::{Change, Writer, WriterSettings, WriterStats};
