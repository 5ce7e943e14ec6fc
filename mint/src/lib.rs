//! Signs tokens for tests, examples and load tests. Not an issuer: it protects no key in memory, and what it
//! signs is whatever text it is given, also text that a validator must refuse.
//!
//! Everything is a function of its inputs and of the generator that is passed in, so test data made with a
//! seeded generator can be made again, byte by byte.

mod private_key;

pub use private_key::{PrivateKey, PrivateKeyError};
pub use rand_chacha::ChaCha20Rng;
pub use rand_core::{CryptoRng, Rng, SeedableRng};

use libtoken::codec::base64url;
use libtoken::jose::algorithm::Algorithm;

/// A generator whose output depends only on `seed`.
#[must_use]
pub fn seeded(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// The compact serialization of `header` and `payload`, as they are, signed with `key`.
///
/// # Errors
/// [`PrivateKeyError::Algorithm`] if the key cannot sign with `algorithm`.
pub fn token(
    header: &str,
    payload: &str,
    key: &PrivateKey,
    algorithm: Algorithm,
    rng: &mut impl CryptoRng,
) -> Result<String, PrivateKeyError> {
    let input = signing_input(header.as_bytes(), payload.as_bytes());
    let signature = key.sign(algorithm, input.as_bytes(), rng)?;
    Ok(format!("{input}.{}", base64url::encode(&signature)))
}

/// What a signature is over (RFC 7515 §5.1 step 5).
#[must_use]
pub fn signing_input(header: &[u8], payload: &[u8]) -> String {
    format!("{}.{}", base64url::encode(header), base64url::encode(payload))
}
