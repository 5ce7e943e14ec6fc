//! JSON (RFC 8259), strictly, into a flat tape: one pass, no allocation, no recursion.
//!
//! [`Buffer::scan`] unescapes strings in place, refuses duplicate member names at every level, invalid UTF-8,
//! lone surrogates, U+0000, numbers off the grammar and nesting beyond the limit; [`Document`] then gives
//! borrowed views. The obvious twin is [`slow`], which tests and fuzzers compare with the scanner.

mod buffer;
mod escape;
mod scan;
mod search;
pub mod slow;
mod value;

pub use buffer::{Buffer, OwnedDocument};
pub use scan::{PADDING, Tape};
pub use value::{Document, Items, Kind, Members, Value, write_string};

/// Why a document was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JsonError {
    /// Not JSON (RFC 8259), with the byte offset where reading stopped.
    Syntax {
        /// Bytes from the start of the document.
        offset: usize,
    },
    /// A string holds invalid UTF-8, a lone surrogate or U+0000.
    Text,
    /// The same member name twice in one object.
    DuplicateMember,
    /// Larger, deeper or with more values or members than the limits allow.
    TooLarge,
}

impl core::fmt::Display for JsonError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            JsonError::Syntax { offset } => write!(f, "not valid JSON at byte {offset}"),
            JsonError::Text => {
                f.write_str("a string is not valid UTF-8, or holds a lone surrogate or U+0000")
            }
            JsonError::DuplicateMember => f.write_str("an object has the same member name twice"),
            JsonError::TooLarge => f.write_str("the document is larger or deeper than the limits allow"),
        }
    }
}

impl core::error::Error for JsonError {}

#[cfg(test)]
mod tests;
