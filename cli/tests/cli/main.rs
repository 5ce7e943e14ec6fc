//! The command `libtoken` as its users run it: one file per subcommand.

mod common;
mod inspect;
mod keys;
mod mint;
mod policy;
mod revocations;
mod revoke;
mod snapshot;
mod state;
mod verify;
