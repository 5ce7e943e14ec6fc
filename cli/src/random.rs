//! The generator behind keys and test tokens: seeded by the operating system, or by a number for data that
//! must be made again byte by byte.

use libtoken::revocation::event::OperationId;
use libtoken_mint::{ChaCha20Rng, SeedableRng};

use crate::failure::Failure;

/// A generator; with a `seed`, everybody can have the same.
pub(crate) fn generator(seed: Option<u64>) -> Result<ChaCha20Rng, Failure> {
    if let Some(seed) = seed {
        return Ok(libtoken_mint::seeded(seed));
    }
    Ok(ChaCha20Rng::from_seed(bytes()?))
}

/// The id of a new operation.
pub(crate) fn operation() -> Result<OperationId, Failure> {
    bytes().map(|bytes| OperationId::new(u128::from_le_bytes(bytes)))
}

/// Random bytes of the operating system, for secrets.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| {
        Failure::new(
            "random numbers",
            e,
            "check that this environment gives access to the system's generator",
        )
    })?;
    Ok(bytes)
}
