//! The command `libtoken`.
//!
//! Everything about tokens is decided by the library; this crate reads files, clocks and arguments, and
//! prints. Exit codes: 0 everything asked about is good, 1 something is not, 2 the question could not be
//! answered. An error is one line that says where, what, and what to do, and never shows a token or a key.

mod clock;
mod command;
mod failure;
mod files;
mod json_line;
mod lines;
mod nearest;
mod progress;
mod random;
mod scopes;
mod show;
mod state;
mod template;
mod usage;
mod verifier_args;

use std::process::ExitCode;

use clap::Parser;

use failure::Outcome;

#[derive(Parser)]
#[command(name = "libtoken", version, about = "Validate and revoke session and access tokens (JWT/JWS)")]
#[command(arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: command::Command,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error),
    };
    match cli.command.run() {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Bad) => ExitCode::from(1),
        Err(failure) => {
            failure.report();
            ExitCode::from(2)
        }
    }
}
