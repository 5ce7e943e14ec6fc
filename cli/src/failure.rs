//! How a command ends: good, bad, or a failure in one line.

use std::fmt::Display;
use std::io::{self, Write};

/// The answer of a command that could be carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// All is well: exit code 0.
    Good,
    /// Something that was checked is not: exit code 1.
    Bad,
}

/// Why a command could not be carried out: exit code 2.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One line; `None` where whoever reads our output has gone away and needs no explanation.
    line: Option<String>,
}

impl Failure {
    /// Where, what, and what to do about it. None of the three may hold text of a token or a key.
    pub(crate) fn new(place: impl Display, what: impl Display, remedy: impl Display) -> Failure {
        Failure { line: Some(format!("{place}: {what}; {remedy}")) }
    }

    /// The output could not be written.
    pub(crate) fn output(error: &io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure { line: None };
        }
        Failure::new("output", error, "check the disk or terminal that it goes to")
    }

    /// Prints the line on standard error.
    pub(crate) fn report(&self) {
        if let Some(line) = &self.line {
            // If standard error is gone too, the exit code still tells.
            let _ = writeln!(io::stderr(), "error: {line}");
        }
    }
}

/// The only I/O errors that reach `?` unexplained are those of writing results.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::output(&error)
    }
}
