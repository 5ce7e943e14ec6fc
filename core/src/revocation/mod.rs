//! Revocation: is this token, or anything that it belongs to, revoked?
//!
//! Values named by scopes become keyed 96-bit fingerprints; a table of fingerprints answers exactly, without
//! a lock and without allocating. Nothing here reads a clock or trusts a claim whose signature was not checked.
//!
//! From the configuration to the answer: [`scope`] says what can be revoked; [`extract`] turns claims
//! into [`Probes`]; [`live`] looks them up in the table that one [`Writer`] keeps; [`check`] combines what was
//! found. [`Writer::open`] and [`Live::open`] keep the same table in files for other processes; [`filter`] is the form for edges with
//! little memory.
//!
//! From the operator to the table: an [`event`] is appended to the [`log`] of a [`store`], then applied; others
//! get it as a signed [`snapshot`] followed by [`delta`]s, which a [`feed`] asks for and checks.

pub mod chain;
pub mod check;
pub mod defect;
pub mod delta;
pub mod event;
pub mod extract;
pub mod feed;
pub mod filter;
pub mod fingerprint;
pub mod inputs;
pub mod live;
#[cfg(not(target_arch = "wasm32"))]
pub mod log;
pub mod ratchet;
pub mod scope;
pub mod signing;
pub mod snapshot;
pub mod state_error;
pub mod status_list;
#[cfg(not(target_arch = "wasm32"))]
pub mod store;
pub mod writer;

mod byte_reader;
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
pub use live::{Live, LiveStats, Reader};
pub use scope::{Scope, ScopeError, ScopeSet};
pub use state_error::StateError;
pub use table::NotBefore;
pub use writer::{Change, Writer, WriterSettings, WriterStats};
