//! The subcommands, one file each.

mod inspect;
mod keys;
mod mint;
mod policy;
mod revocations;
mod revoke;
mod snapshot;
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
    /// Revoke tokens: one, a session, all of a subject, or any other scope of the policy
    Revoke(revoke::Args),
    /// Make, read and look after a state directory of revocations
    #[command(subcommand)]
    Revocations(revocations::Command),
    /// Build, inspect and compare signed snapshots of the revocation state
    #[command(subcommand)]
    Snapshot(snapshot::Command),
}

impl Command {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        match self {
            Command::Verify(args) => verify::run(args),
            Command::Inspect(args) => inspect::run(args),
            Command::Keys(command) => command.run(),
            Command::Mint(args) => mint::run(args),
            Command::Policy(command) => command.run(),
            Command::Revoke(args) => revoke::run(args),
            Command::Revocations(command) => command.run(),
            Command::Snapshot(command) => command.run(),
        }
    }
}
