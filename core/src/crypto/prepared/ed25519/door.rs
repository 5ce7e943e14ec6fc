//! What fuzz targets and timing programs outside the crate may reach.
//!
//! Thin: no logic of its own.

use super::{PreparedEd25519, SignedMessage};
use crate::crypto::VerifySignature;
use crate::jose::algorithm::Scheme;

pub use crate::crypto::BadSignature;

/// Bits per digit of a key's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Window {
    /// 48 KiB a key.
    Bits4,
    /// 126 KiB a key.
    Bits6,
    /// 374 KiB a key.
    Bits8,
}

/// Which code adds the table rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Path {
    /// fiat-crypto's arithmetic.
    Portable,
    /// AVX2.
    Avx2,
    /// AVX-512 IFMA.
    Ifma,
}

/// A prepared key.
pub struct Key(PreparedEd25519);

/// The self-tests' outcome, for people.
pub fn path_report() -> String {
    format!("{:?}", super::path_report())
}

impl Key {
    /// A key on the fastest path, unless `public_key` is invalid.
    pub fn new(public_key: &[u8; 32], window: Window) -> Option<Self> {
        PreparedEd25519::new(public_key, window.into()).ok().map(Self)
    }

    /// A key on one path: `None` where this CPU lacks it, `Some(None)` for an invalid key.
    pub fn on_path(public_key: &[u8; 32], window: Window, path: Path) -> Option<Option<Self>> {
        let key = PreparedEd25519::on_path(public_key, window.into(), path.into())?;
        Some(key.ok().map(Self))
    }

    /// Checks one signature.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.0.verify(Scheme::Ed25519, message, signature)
    }

    /// Checks up to 16 (message, signature) pairs by this key at once.
    pub fn verify_many<const N: usize>(&self, items: [(&[u8], &[u8]); N]) -> [Result<(), BadSignature>; N] {
        let items = items.map(|(message, signature)| SignedMessage { key: &self.0, message, signature });
        let mut results = [Err(BadSignature); N];
        super::verify_many(&items, &mut results);
        results
    }

    /// Bytes of the key's own tables.
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}

impl From<Window> for super::Window {
    fn from(window: Window) -> Self {
        match window {
            Window::Bits4 => Self::Bits4,
            Window::Bits6 => Self::Bits6,
            Window::Bits8 => Self::Bits8,
        }
    }
}

impl From<Path> for super::Path {
    fn from(path: Path) -> Self {
        match path {
            Path::Portable => Self::Portable,
            Path::Avx2 => Self::Avx2,
            Path::Ifma => Self::Ifma,
        }
    }
}
