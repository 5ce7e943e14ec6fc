//! Progress of long work, on standard error, and only where someone is watching it.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// Bytes of an input; the total is unknown for a stream.
    Bytes(Option<u64>),
    /// Tokens out of a total.
    Tokens(u64),
}

/// A progress bar, or nothing: when standard error is no terminal, or when rows are printed to the same
/// terminal and show the progress themselves.
pub(crate) fn bar(unit: Unit, rows_on_stdout: bool) -> ProgressBar {
    if !io::stderr().is_terminal() || (rows_on_stdout && io::stdout().is_terminal()) {
        return ProgressBar::hidden();
    }
    let (length, template) = match unit {
        Unit::Bytes(Some(total)) => {
            (Some(total), "{bar:30} {percent}% {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left {msg}")
        }
        Unit::Bytes(None) => (None, "{spinner} {bytes} read, {bytes_per_sec}, {elapsed} {msg}"),
        Unit::Tokens(total) => (Some(total), "{bar:30} {human_pos}/{human_len}, {per_sec}, {eta} left"),
    };
    let bar = match length {
        Some(length) => ProgressBar::new(length),
        None => ProgressBar::new_spinner(),
    };
    // The templates are fixed; if one were wrong the default style is as good.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// Ten updates a second look steady and cost nothing.
const TICK: Duration = Duration::from_millis(100);

/// How many tokens are verified between two updates of a bar: its text is made anew each time.
pub(crate) const TOKENS_PER_UPDATE: u64 = 1_024;
