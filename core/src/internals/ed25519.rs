//! Prepared Ed25519 keys.

use crate::crypto::prepared::ed25519::{self, PreparedEd25519, SignedMessage};
use crate::crypto::{BadSignature, VerifySignature};
use crate::jose::algorithm::Scheme;

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
#[must_use]
pub fn path_report() -> String {
    format!("{:?}", ed25519::path_report())
}

impl Key {
    /// A key on the fastest path, unless `public_key` is invalid.
    #[must_use]
    pub fn new(public_key: &[u8; 32], window: Window) -> Option<Self> {
        PreparedEd25519::new(public_key, window.into()).ok().map(Self)
    }

    /// A key on one path: `None` where this CPU lacks it, `Some(None)` for an invalid key.
    #[must_use]
    pub fn on_path(public_key: &[u8; 32], window: Window, path: Path) -> Option<Option<Self>> {
        let key = PreparedEd25519::on_path(public_key, window.into(), path.into())?;
        Some(key.ok().map(Self))
    }

    /// Whether `signature` verifies over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(Scheme::Ed25519, message, signature).is_ok()
    }

    /// The same for several (message, signature) pairs by this key at once.
    #[must_use]
    pub fn verifies_many<const N: usize>(&self, items: [(&[u8], &[u8]); N]) -> [bool; N] {
        let items = items.map(|(message, signature)| SignedMessage { key: &self.0, message, signature });
        let mut results = [Err(BadSignature); N];
        ed25519::verify_many(&items, &mut results);
        results.map(|result| result.is_ok())
    }

    /// The path that verifies for this key.
    #[must_use]
    pub fn path(&self) -> Path {
        match self.0.path() {
            ed25519::Path::Portable => Path::Portable,
            ed25519::Path::Avx2 => Path::Avx2,
            ed25519::Path::Ifma => Path::Ifma,
        }
    }

    /// Memory of the key's own tables, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}

impl From<Window> for ed25519::Window {
    fn from(window: Window) -> Self {
        match window {
            Window::Bits4 => Self::Bits4,
            Window::Bits6 => Self::Bits6,
            Window::Bits8 => Self::Bits8,
        }
    }
}

impl From<Path> for ed25519::Path {
    fn from(path: Path) -> Self {
        match path {
            Path::Portable => Self::Portable,
            Path::Avx2 => Self::Avx2,
            Path::Ifma => Self::Ifma,
        }
    }
}
