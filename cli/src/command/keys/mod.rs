//! `libtoken keys`: JSON Web Keys (RFC 7517) for issuers and for tests.

mod check;
mod generate;
mod public;

use crate::failure::{Failure, Outcome};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make a private key and write it to a file that only you can read
    Generate(generate::Args),
    /// Print the public JWK Set of private keys
    Public(public::Args),
    /// Say for every key of a set whether it can be used, and why not
    Check(check::Args),
}

impl Command {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        match self {
            Command::Generate(args) => generate::run(args),
            Command::Public(args) => public::run(args),
            Command::Check(args) => check::run(args),
        }
    }
}
