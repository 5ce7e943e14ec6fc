//! JSON (RFC 8259), strictly, into a flat tape: one pass, no allocation, no recursion.
//!
//! [`Tape::scan`] unescapes strings in place, refuses duplicate member names at every level, invalid UTF-8,
//! lone surrogates, U+0000, numbers off the grammar and nesting beyond the limit; [`Document`] then gives
//! borrowed views. The obvious twin is [`slow`], which tests and fuzzers compare with the scanner.

mod escape;
mod scan;
mod search;
pub mod slow;
mod value;

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

/// An owned, scanned document: for configuration and keys, never for a token.
pub struct OwnedDocument {
    bytes: Vec<u8>,
    len: usize,
    tape: Tape,
}

impl OwnedDocument {
    /// Copies and scans `json`.
    ///
    /// # Errors
    /// [`JsonError`] if it is not one strict JSON document within the limits.
    pub fn parse(json: &[u8]) -> Result<Self, JsonError> {
        if json.len() > crate::limits::MAX_JSON_BYTES {
            return Err(JsonError::TooLarge);
        }
        let mut bytes = Vec::with_capacity(json.len() + PADDING);
        bytes.extend_from_slice(json);
        bytes.resize(json.len() + PADDING, 0);
        // At most one node per two bytes (`[1,1]`), and one more.
        let mut tape = Tape::with_capacity(json.len() / 2 + 2);
        tape.scan(&mut bytes, json.len())?;
        Ok(OwnedDocument { bytes, len: json.len(), tape })
    }

    /// The document's only value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        // The scan proved the text; a failure here could only mean a defect, and null is the safe answer.
        Document::new(&self.bytes, self.len, &self.tape).map_or(Value::NULL, |d| d.root())
    }
}

#[cfg(test)]
mod tests;
