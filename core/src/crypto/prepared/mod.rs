//! Prepared keys: what every verification under one key repeats, computed once when the key is loaded.
//!
//! Each key type here answers exactly as the library behind it does, only sooner; a property test and a
//! fuzz target hold it to that. Everything handled is public (keys, signatures, messages), so all of it
//! may run in variable time. Where a prepared path does not apply, the library backend serves.

pub(crate) mod ed25519;
pub(crate) mod p256;
pub(crate) mod rsa;

use super::VerifySignature;
use crate::jose::jwk::KeyMaterial;

/// The prepared form of a key that a library backend has accepted; `None` where no prepared path applies to it
/// or its tables would take more than `table_bytes`.
pub(super) fn prepare(material: &KeyMaterial, table_bytes: usize) -> Option<Box<dyn VerifySignature>> {
    let prepared: Box<dyn VerifySignature> = match material {
        KeyMaterial::Ed25519(point) => {
            Box::new(ed25519::PreparedEd25519::new(point, ed25519::Window::Bits6).ok()?)
        }
        KeyMaterial::P256(point) => Box::new(p256::PreparedP256::new(point, p256::Window::Bits6).ok()??),
        KeyMaterial::Rsa { n, e } => Box::new(rsa::PreparedRsa::new(n, &e.to_be_bytes()).ok()??),
        KeyMaterial::P384(_) | KeyMaterial::Oct(_) => return None,
    };
    (prepared.table_bytes() <= table_bytes).then_some(prepared)
}

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
