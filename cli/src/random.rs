//! The generator behind keys and test tokens: seeded by the operating system, or by a number for data that
//! must be made again byte by byte.

use libtoken_mint::{ChaCha20Rng, SeedableRng};

use crate::failure::Failure;

/// A generator; with a `seed`, everybody can have the same.
pub(crate) fn generator(seed: Option<u64>) -> Result<ChaCha20Rng, Failure> {
    if let Some(seed) = seed {
        return Ok(libtoken_mint::seeded(seed));
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| {
        Failure::new(
            "random numbers",
            e,
            "check that this environment gives access to the system's generator",
        )
    })?;
    Ok(ChaCha20Rng::from_seed(seed))
}
