//! Revocation: is this token, or anything that it belongs to, revoked?
//!
//! Values named by scopes become keyed 96-bit fingerprints; a table of fingerprints answers exactly, without
//! a lock and without allocating. Nothing here reads a clock or trusts a claim whose signature was not checked.

pub mod fingerprint;

pub use fingerprint::{Entry, EntryKind, Fingerprint, FingerprintKey, FingerprintPrefix, SlotError};
