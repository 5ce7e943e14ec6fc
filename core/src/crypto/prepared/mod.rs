//! Prepared keys: what every verification under one key repeats, computed once when the key is loaded.
//!
//! Each key type here answers exactly as the library behind it does, only sooner; a property test and a
//! fuzz target hold it to that. Everything handled is public (keys, signatures, messages), so all of it
//! may run in variable time. Where a prepared path does not apply, the library backend serves.

pub(crate) mod p256;
pub(crate) mod rsa;

/// The bytes are not a valid public key of the kind asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct InvalidKey;

/// How a prepared path stands on this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PathStatus {
    /// It passed its self-test and serves.
    Active,
    /// Its self-test failed. It is switched off, and the library backend serves; worth reporting.
    Failed,
    /// The CPU lacks what it needs; the library backend serves.
    Unsupported,
}
