//! Strings with escapes (RFC 8259 §7): rare in tokens, so off the scanner's hot path.

use super::JsonError;

/// Unescapes the string that goes on at `backslash`, to the left, and fills the gap with spaces, so that the
/// whole buffer stays valid UTF-8 if it was. Returns where the text ends now, and where the document goes on
/// after the closing quote.
#[cold]
pub(super) fn unescape(bytes: &mut [u8], backslash: usize) -> Result<(usize, usize), JsonError> {
    let (mut read, mut write) = (backslash, backslash);
    loop {
        match bytes.get(read).copied() {
            Some(b'"') => break,
            Some(b'\\') => {
                let mut utf8 = [0; 4];
                let (character, taken) = escape(bytes, read)?;
                for byte in character.encode_utf8(&mut utf8).as_bytes() {
                    *bytes.get_mut(write).ok_or(JsonError::TooLarge)? = *byte;
                    write += 1;
                }
                read += taken;
            }
            Some(byte) if byte >= b' ' => {
                *bytes.get_mut(write).ok_or(JsonError::TooLarge)? = byte;
                write += 1;
                read += 1;
            }
            _ => return Err(JsonError::Syntax { offset: read }),
        }
    }
    if let Some(gap) = bytes.get_mut(write..read) {
        gap.fill(b' ');
    }
    Ok((write, read + 1))
}

/// The character of the escape at `at`, and the bytes it takes.
fn escape(bytes: &[u8], at: usize) -> Result<(char, usize), JsonError> {
    let simple = |c| Ok((c, 2));
    match bytes.get(at + 1) {
        Some(b'"') => simple('"'),
        Some(b'\\') => simple('\\'),
        Some(b'/') => simple('/'),
        Some(b'b') => simple('\u{8}'),
        Some(b'f') => simple('\u{c}'),
        Some(b'n') => simple('\n'),
        Some(b'r') => simple('\r'),
        Some(b't') => simple('\t'),
        Some(b'u') => {
            let hex = |digits_at| hex4(bytes, digits_at).ok_or(JsonError::Syntax { offset: at });
            let high = hex(at + 2)?;
            let (code_point, taken) = match high {
                // Never needed in an identifier, and the end of the text for hosts written in C.
                0 => return Err(JsonError::Text),
                0xd800..0xdc00 => {
                    if bytes.get(at + 6..at + 8) != Some(b"\\u") {
                        return Err(JsonError::Text);
                    }
                    let low = hex(at + 8)?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return Err(JsonError::Text);
                    }
                    (0x1_0000 + ((high - 0xd800) << 10 | (low - 0xdc00)), 12)
                }
                _ => (high, 6),
            };
            // A lone low surrogate is no character.
            char::from_u32(code_point).map(|c| (c, taken)).ok_or(JsonError::Text)
        }
        _ => Err(JsonError::Syntax { offset: at }),
    }
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, digit| char::from(*digit).to_digit(16).map(|d| value << 4 | d))
}
