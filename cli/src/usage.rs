//! Wrong arguments, in one line. What was typed is repeated only if it is the name of an option or command:
//! anything else could be a token that was pasted into the wrong place.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Prints help and versions where they were asked for, and mistakes in one line.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(2)
        }
        _ => {
            let _ = writeln!(io::stderr(), "error: {}", line(error, std::env::args().skip(1)));
            ExitCode::from(2)
        }
    }
}

fn line(error: &clap::Error, arguments: impl Iterator<Item = String>) -> String {
    let command = command_path(arguments);
    let option = names(error, ContextKind::InvalidArg);
    let option = if option.is_empty() { "an argument".to_owned() } else { option };
    let what = match error.kind() {
        ErrorKind::UnknownArgument => format!("{option} is not known here"),
        ErrorKind::InvalidSubcommand => "there is no such command".to_owned(),
        ErrorKind::MissingRequiredArgument => format!("{option} is missing"),
        ErrorKind::MissingSubcommand => "a command is missing".to_owned(),
        ErrorKind::ArgumentConflict => match names(error, ContextKind::PriorArg) {
            prior if prior.is_empty() => format!("{option} cannot be used here"),
            prior => format!("{option} cannot be used together with {prior}"),
        },
        ErrorKind::InvalidValue => format!("{option} has a missing or unknown value"),
        ErrorKind::ValueValidation => match std::error::Error::source(error) {
            Some(source) => format!("{option}: {source}"),
            None => format!("{option} has an unusable value"),
        },
        ErrorKind::InvalidUtf8 => "an argument is not valid UTF-8".to_owned(),
        _ => "the arguments do not fit together".to_owned(),
    };
    let known = strings(error, ContextKind::ValidValue).join(", ");
    let suggested = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
        .iter()
        .flat_map(|kind| strings(error, *kind))
        .next();
    let hint = match suggested {
        Some(suggested) => format!("did you mean `{suggested}`? see"),
        None if !known.is_empty() => format!("use one of {known}, or see"),
        None => "see".to_owned(),
    };
    format!("{command}: {what}; {hint} `{command} --help`")
}

/// `libtoken keys generate`: the known command names at the start of the arguments.
fn command_path(arguments: impl Iterator<Item = String>) -> String {
    let mut path = vec!["libtoken".to_owned()];
    let mut command = crate::Cli::command();
    for argument in arguments {
        let Some(next) = command.find_subcommand(&argument).cloned() else { break };
        path.push(next.get_name().to_owned());
        command = next;
    }
    path.join(" ")
}

/// The option names among the strings of an error's context: `--now <TIME>`, `<TOKEN>...`.
fn names(error: &clap::Error, kind: ContextKind) -> String {
    let names: Vec<String> = strings(error, kind)
        .into_iter()
        .filter(|name| name.starts_with(['-', '<', '[']))
        // An unknown option stands here as it was typed, perhaps with `=` and a value.
        .map(|name| match error.kind() {
            ErrorKind::UnknownArgument => name.split('=').next().unwrap_or_default().to_owned(),
            _ => name,
        })
        .collect();
    names.join(", ")
}

fn strings(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn message(arguments: &[&str]) -> String {
        let error = match crate::Cli::try_parse_from([&["libtoken"], arguments].concat()) {
            Ok(_) => return "accepted".to_owned(),
            Err(error) => error,
        };
        line(&error, arguments.iter().map(|a| (*a).to_owned()))
    }

    #[test]
    fn mistakes_are_one_line_and_repeat_no_values() {
        const SECRET: &str = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2ln";
        for (arguments, expected) in [
            (
                &["verify", "--polcy", "x"][..],
                "libtoken verify: --polcy is not known here; did you mean `--policy`? see `libtoken verify --help`",
            ),
            (&[SECRET], "libtoken: there is no such command; see `libtoken --help`"),
            (&["verfy"], "libtoken: there is no such command; did you mean `verify`? see `libtoken --help`"),
            (
                &["verify", "--now", SECRET],
                "libtoken verify: --now <TIME>: must be Unix seconds or an RFC 3339 time such as 2026-01-01T00:00:00Z; see `libtoken verify --help`",
            ),
            (
                &["policy", "check", "a", SECRET],
                "libtoken policy check: an argument is not known here; see `libtoken policy check --help`",
            ),
            (
                &["keys", "generate"],
                "libtoken keys generate: --algorithm <ALGORITHM>, --out <FILE> is missing; see `libtoken keys generate --help`",
            ),
        ] {
            assert_eq!(message(arguments), expected);
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        crate::Cli::command().debug_assert();
    }
}
