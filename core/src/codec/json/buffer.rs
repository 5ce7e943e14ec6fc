//! Memory for one document at a time: its bytes while they are written, then its text and tape.
//!
//! The text is proven UTF-8 once, when it is scanned; being a `String` from then on, it needs no second look.

use super::{Document, JsonError, PADDING, Tape};
use crate::limits::MAX_JSON_BYTES;

/// A buffer for documents, allocated once and used again and again.
pub struct Buffer {
    /// Holds the memory while a document is written and scanned; empty otherwise.
    bytes: Vec<u8>,
    /// Holds the memory, and the document, once it is scanned; empty otherwise.
    text: String,
    tape: Tape,
    max_bytes: usize,
}

/// An owned, scanned document: for configuration and keys, never for a token.
pub struct OwnedDocument(Buffer);

impl Buffer {
    /// A buffer for documents of up to `max_bytes` bytes with up to `max_nodes` values and member names.
    #[must_use]
    pub fn with_capacity(max_bytes: usize, max_nodes: usize) -> Buffer {
        let max_bytes = max_bytes.min(MAX_JSON_BYTES);
        Buffer {
            bytes: Vec::new(),
            text: String::with_capacity(max_bytes + PADDING),
            tape: Tape::with_capacity(max_nodes),
            max_bytes,
        }
    }

    /// Forgets the document, and gives room for another of up to `len` bytes: to be written, then
    /// [scanned](Buffer::scan). `None` if the buffer is smaller. Allocates nothing.
    pub fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        self.tape.clear();
        if self.bytes.capacity() == 0 {
            self.bytes = core::mem::take(&mut self.text).into_bytes();
        }
        if len > self.max_bytes {
            return None;
        }
        self.bytes.resize(len + PADDING, 0);
        self.bytes.get_mut(..len)
    }

    /// Scans the document that was written into the first `len` bytes of the [room](Buffer::room), once.
    /// Allocates nothing.
    ///
    /// # Errors
    /// [`JsonError`]; the buffer then holds no document.
    pub fn scan(&mut self, len: usize) -> Result<(), JsonError> {
        // The scanner reads on past the end and relies on finding zeros there. They stay at the end of the text.
        self.bytes.get_mut(len..len + PADDING).ok_or(JsonError::TooLarge)?.fill(0);
        self.bytes.truncate(len + PADDING);
        self.tape.scan_bytes(&mut self.bytes, len)?;
        match String::from_utf8(core::mem::take(&mut self.bytes)) {
            Ok(text) => {
                self.text = text;
                Ok(())
            }
            Err(error) => {
                self.bytes = error.into_bytes();
                self.tape.clear();
                Err(JsonError::Text)
            }
        }
    }

    /// The document; one without values if none was scanned.
    #[must_use]
    pub fn document(&self) -> Document<'_> {
        Document::of(&self.text, &self.tape)
    }
}

impl OwnedDocument {
    /// Copies and scans `json`.
    ///
    /// # Errors
    /// [`JsonError`] if it is not one strict JSON document within the limits.
    pub fn parse(json: &[u8]) -> Result<Self, JsonError> {
        // At most one node per two bytes (`[1,1]`), and one more.
        let mut buffer = Buffer::with_capacity(json.len(), json.len() / 2 + 2);
        buffer.room(json.len()).ok_or(JsonError::TooLarge)?.copy_from_slice(json);
        buffer.scan(json.len())?;
        Ok(OwnedDocument(buffer))
    }

    /// The document's only value.
    #[must_use]
    pub fn root(&self) -> super::Value<'_> {
        self.0.document().root()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(buffer: &mut Buffer, json: &[u8]) -> Result<(), JsonError> {
        buffer.room(json.len()).ok_or(JsonError::TooLarge)?.copy_from_slice(json);
        buffer.scan(json.len())
    }

    #[test]
    fn a_buffer_is_used_again_and_never_grows() {
        let mut buffer = Buffer::with_capacity(20, 10);
        let place = buffer.text.as_ptr();
        for json in ["{\"a\":1}", "[]", "\"\u{e9}\\u00e9\"", "{\"a\":[1,2,3,\"xyz\"]}", "null"] {
            assert_eq!(fill(&mut buffer, json.as_bytes()), Ok(()), "{json}");
            let expected = json.replace("\\u00e9", "\u{e9}");
            assert_eq!(buffer.document().root().to_string(), expected);
            assert_eq!(buffer.text.as_ptr(), place);
        }
        assert!(buffer.room(21).is_none());
        assert!(buffer.document().root().is_null());
        assert_eq!(fill(&mut buffer, b"[1]"), Ok(()));
        assert_eq!(buffer.text.as_ptr(), place);
    }

    #[test]
    fn a_refused_document_leaves_none_behind() {
        for bad in [&b"{"[..], b"\"\xff\"", b"[\"a\xe2\x82\"]", b"[1]x", b"{\"a\":1,\"a\":2}"] {
            let mut buffer = Buffer::with_capacity(20, 10);
            assert_eq!(fill(&mut buffer, b"[true]"), Ok(()));
            assert!(fill(&mut buffer, bad).is_err(), "{bad:?}");
            assert!(buffer.document().root().is_null());
            assert_eq!(fill(&mut buffer, b"[true]"), Ok(()));
            assert_eq!(buffer.document().root().to_string(), "[true]");
        }
    }

    #[test]
    fn a_document_that_was_not_scanned_is_not_there() {
        let mut buffer = Buffer::with_capacity(20, 10);
        assert_eq!(fill(&mut buffer, b"[true]"), Ok(()));
        assert!(buffer.room(3).is_some());
        assert!(buffer.document().root().is_null());
    }
}
