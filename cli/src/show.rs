//! What is printed for people: safe on a terminal, whatever a token or a file contains.

use std::fmt::{self, Display, Write};
use std::io::{self, IsTerminal};

/// Text in which every character that could steer a terminal or reorder the line is written as a JSON
/// escape. JSON text stays JSON with the same meaning: such characters occur in its strings only.
pub(crate) struct Visible<'a>(pub(crate) &'a str);

impl Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| steers(*c)) {
            let (before, after) = rest.split_at(at);
            f.write_str(before)?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(f, "\\u{unit:04x}")?;
            }
            rest = after.get(c.len_utf8()..).unwrap_or("");
        }
        f.write_str(rest)
    }
}

/// Control characters, and the format characters of Unicode that change direction or have no width.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// What stands for a token in logs and output: the start of its BLAKE3 hash, in hex.
pub(crate) fn fingerprint(hash: &blake3::Hash) -> String {
    let mut text = String::with_capacity(FINGERPRINT_BYTES * 2);
    for byte in hash.as_bytes().iter().take(FINGERPRINT_BYTES) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// 128 bits: two tokens with one fingerprint will not be seen, and nothing leads back to the token.
pub(crate) const FINGERPRINT_BYTES: usize = 16;

/// Whether to color what goes to standard output (https://no-color.org).
pub(crate) fn colors() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// How loud a word is.
#[derive(Clone, Copy)]
pub(crate) enum Tone {
    Good,
    Bad,
    Loud,
}

/// The word with its tone, where colors are wanted.
pub(crate) fn toned(word: &str, tone: Tone, colors: bool) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Loud => "1;33",
    };
    if colors { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
}

/// `1 byte`, `2 bytes`
pub(crate) fn counted(number: u64, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {unit}{plural}", grouped(number))
}

/// A number with commas between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        let text = "a\u{1b}[2J\u{9b}\u{7f}\u{202e}b\u{feff}\u{e0041}ü";
        assert_eq!(Visible(text).to_string(), "a\\u001b[2J\\u009b\\u007f\\u202eb\\ufeff\\udb40\\udc41ü");
        assert_eq!(Visible("plain {\"a\":1}").to_string(), "plain {\"a\":1}");
    }

    #[test]
    fn thousands_are_grouped() {
        let shown = [0, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }
}
