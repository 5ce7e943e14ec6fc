//! Ed25519 keys for snapshots and deltas: the writer's signer, and the keys that a reader trusts.
//!
//! What is signed is always a purpose and a BLAKE3 hash, so that a signature made for one kind of message
//! never verifies for another. Verification is strict (no small-order points, canonical encodings only).

use core::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::defect::Defect;

/// Most keys trusted at a time: the current one, the next one, and one per further writer in a migration.
pub const MAX_TRUSTED_KEYS: usize = 8;

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// The public name of a signing key: the first eight bytes of a BLAKE3 hash of the public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignerId([u8; 8]);

impl SignerId {
    /// The name that consists of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        SignerId(bytes)
    }

    /// Its bytes, as files and the wire hold them.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }

    fn of(public_key: &[u8; 32]) -> Self {
        let mut id = [0; 8];
        blake3::Hasher::new_derive_key(SIGNER_ID_CONTEXT).update(public_key).finalize_xof().fill(&mut id);
        SignerId(id)
    }
}

impl fmt::Display for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerId({self})")
    }
}

/// What a signature is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    Snapshot,
    Delta,
}

impl Purpose {
    const fn label(self) -> &'static [u8; 32] {
        match self {
            Purpose::Snapshot => b"libtoken revocation snapshot v1\n",
            Purpose::Delta => b"libtoken revocation delta    v1\n",
        }
    }

    fn message(self, hash: &[u8; 32]) -> [u8; 64] {
        let mut message = [0; 64];
        let (label, rest) = message.split_at_mut(32);
        label.copy_from_slice(self.label());
        rest.copy_from_slice(hash);
        message
    }
}

/// The writer's signing key. Secret: it has no accessor, and Debug shows its public name only.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    id: SignerId,
}

impl Signer {
    /// The signer with this Ed25519 seed (RFC 8032 §5.1.5): 32 bytes from a cryptographic random source.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let id = SignerId::of(key.verifying_key().as_bytes());
        Signer { key, id }
    }

    /// The public key's 32 bytes, which readers put among their trusted keys.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// The public key's name.
    #[must_use]
    pub fn id(&self) -> SignerId {
        self.id
    }

    pub(super) fn sign(&self, purpose: Purpose, hash: &[u8; 32]) -> [u8; SIGNATURE_BYTES] {
        self.key.sign(&purpose.message(hash)).to_bytes()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.id)
    }
}

/// The public keys whose snapshots and deltas are accepted.
#[derive(Clone, Default)]
pub struct TrustedKeys {
    keys: [Option<(SignerId, VerifyingKey)>; MAX_TRUSTED_KEYS],
}

impl TrustedKeys {
    /// Trusts these Ed25519 public keys (32 bytes each, RFC 8032 §5.1.5), at most [`MAX_TRUSTED_KEYS`].
    ///
    /// # Errors
    /// See [`TrustError`]. An empty list is allowed and accepts nothing.
    pub fn new(public_keys: &[[u8; 32]]) -> Result<Self, TrustError> {
        let mut trusted = TrustedKeys::default();
        for public_key in public_keys {
            let key = VerifyingKey::from_bytes(public_key).map_err(|_| TrustError::InvalidKey)?;
            if key.is_weak() || !is_canonical(public_key) {
                return Err(TrustError::InvalidKey);
            }
            let id = SignerId::of(public_key);
            if trusted.contains(id) {
                return Err(TrustError::DuplicateKey);
            }
            let free = trusted.keys.iter_mut().find(|slot| slot.is_none()).ok_or(TrustError::TooManyKeys)?;
            *free = Some((id, key));
        }
        Ok(trusted)
    }

    /// Whether the key with this name is trusted.
    #[must_use]
    pub fn contains(&self, id: SignerId) -> bool {
        self.ids().any(|known| known == id)
    }

    /// The names of the trusted keys.
    pub fn ids(&self) -> impl Iterator<Item = SignerId> + '_ {
        self.keys.iter().flatten().map(|(id, _)| *id)
    }

    pub(super) fn verify(
        &self,
        signer: SignerId,
        purpose: Purpose,
        hash: &[u8; 32],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> Result<(), Defect> {
        let (_, key) =
            self.keys.iter().flatten().find(|(id, _)| *id == signer).ok_or(Defect::UnknownSigner)?;
        key.verify_strict(&purpose.message(hash), &Signature::from_bytes(signature))
            .map_err(|_| Defect::InvalidSignature)
    }
}

impl fmt::Debug for TrustedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

/// Why a list of public keys cannot be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrustError {
    /// Not the canonical encoding of a curve point, or a point of small order.
    InvalidKey,
    /// The same key twice.
    DuplicateKey,
    /// More than [`MAX_TRUSTED_KEYS`].
    TooManyKeys,
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrustError::InvalidKey => "not a usable Ed25519 public key",
            TrustError::DuplicateKey => "the same public key is listed twice",
            TrustError::TooManyKeys => "too many public keys",
        })
    }
}

impl core::error::Error for TrustError {}

/// Whether the y coordinate is below p = 2^255 - 19 (RFC 8032 §5.1.3), so that a key has one encoding.
fn is_canonical(public_key: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = public_key;
    *first < 0xed || middle.iter().any(|&byte| byte != 0xff) || last & 0x7f != 0x7f
}

const SIGNER_ID_CONTEXT: &str = "libtoken 2026-01 revocation signer id";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_serves_one_purpose_one_hash_and_one_key() {
        let signer = Signer::from_seed(&[1; 32]);
        let other = Signer::from_seed(&[2; 32]);
        let trusted = TrustedKeys::new(&[signer.public_key()]).unwrap();
        let signature = signer.sign(Purpose::Delta, &[7; 32]);
        assert_eq!(trusted.verify(signer.id(), Purpose::Delta, &[7; 32], &signature), Ok(()));
        assert_eq!(
            trusted.verify(signer.id(), Purpose::Snapshot, &[7; 32], &signature),
            Err(Defect::InvalidSignature)
        );
        assert_eq!(
            trusted.verify(signer.id(), Purpose::Delta, &[8; 32], &signature),
            Err(Defect::InvalidSignature)
        );
        assert_eq!(
            trusted.verify(other.id(), Purpose::Delta, &[7; 32], &signature),
            Err(Defect::UnknownSigner)
        );
        let foreign = other.sign(Purpose::Delta, &[7; 32]);
        assert_eq!(
            trusted.verify(signer.id(), Purpose::Delta, &[7; 32], &foreign),
            Err(Defect::InvalidSignature)
        );
    }

    #[test]
    fn lists_that_cannot_be_trusted() {
        let keys: Vec<[u8; 32]> = (0..9).map(|seed| Signer::from_seed(&[seed; 32]).public_key()).collect();
        assert_eq!(TrustedKeys::new(&keys).unwrap_err(), TrustError::TooManyKeys);
        assert_eq!(TrustedKeys::new(&[keys[0], keys[0]]).unwrap_err(), TrustError::DuplicateKey);
        assert_eq!(TrustedKeys::new(&keys[..8]).unwrap().ids().count(), 8);
        // The neutral element: of order 1.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(TrustedKeys::new(&[neutral]).unwrap_err(), TrustError::InvalidKey);
        assert_eq!(TrustedKeys::new(&[[0xff; 32]]).unwrap_err(), TrustError::InvalidKey);
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", Signer::from_seed(&[0xab; 32]));
        assert!(shown.starts_with("Signer(") && !shown.contains("abab"), "{shown}");
    }
}
