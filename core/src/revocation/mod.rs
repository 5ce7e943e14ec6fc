//! Revocation: is this token, or anything that it belongs to, revoked?
//!
//! Values named by scopes become keyed 96-bit fingerprints; a table of fingerprints answers exactly, without
//! a lock and without allocating. Nothing here reads a clock or trusts a claim whose signature was not checked.

pub mod chain;
pub mod defect;
pub mod delta;
pub mod event;
pub mod fingerprint;
#[cfg(not(target_arch = "wasm32"))]
pub mod log;
pub mod ratchet;
pub mod signing;
pub mod snapshot;

mod reader;

pub use fingerprint::{Entry, EntryKind, Fingerprint, FingerprintKey, FingerprintPrefix, SlotError};
