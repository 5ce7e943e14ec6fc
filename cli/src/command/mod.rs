//! The subcommands, one file each.

mod inspect;
mod keys;
mod mint;
mod policy;
mod verify;

use crate::failure::{Failure, Outcome};

/// What `libtoken` can be asked to do.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Verify tokens against a policy and keys
    Verify(verify::Args),
    /// Show what a token says, without trusting any of it
    Inspect(inspect::Args),
    /// Generate, convert and check keys (JWK, JWK Set)
    #[command(subcommand)]
    Keys(keys::Command),
    /// Sign test tokens with a private JWK
    Mint(mint::Args),
    /// Show and check policy files
    #[command(subcommand)]
    Policy(policy::Command),
}

impl Command {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        match self {
            Command::Verify(args) => verify::run(args),
            Command::Inspect(args) => inspect::run(args),
            Command::Keys(command) => command.run(),
            Command::Mint(args) => mint::run(args),
            Command::Policy(command) => command.run(),
        }
    }
}
