//! The scanner. The simple algorithm is a loop over bytes with an explicit stack of open containers, which
//! writes one node per value and member name. Departures, each measured in benches/:
//! - strings are searched 16 bytes at a time (SSE2 on x86-64, two 64-bit words elsewhere): most of a payload
//!   is string bytes;
//! - the buffer is padded, so that the search needs no tail loop;
//! - UTF-8 is checked once at the end, over the whole buffer. Unescaping in place cannot make an invalid
//!   sequence valid: an escape becomes a whole character, so what was cut off before it stays cut off;
//! - a 64-bit set of hashed names per open object makes the search for a duplicate name almost always one test.

use super::JsonError;
use super::search::find_special;
use crate::limits::{MAX_JSON_BYTES, MAX_JSON_DEPTH, MAX_OBJECT_MEMBERS};

/// Bytes after the document that the buffer must have, all zero: the widest read of the string search.
pub const PADDING: usize = 16;

/// One value or member name: kind, position, length and the index of what follows it, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Node(u64);

/// The nodes of one document, in a buffer that is allocated once.
#[derive(Debug)]
pub struct Tape {
    nodes: Box<[Node]>,
    len: usize,
}

#[derive(Clone, Copy, Default)]
struct Frame {
    node: usize,
    members: usize,
    seen_names: u64,
    is_object: bool,
}

pub(super) const NULL: u64 = 0;
pub(super) const FALSE: u64 = 1;
pub(super) const TRUE: u64 = 2;
pub(super) const INTEGER: u64 = 3;
pub(super) const NUMBER: u64 = 4;
pub(super) const STRING: u64 = 5;
pub(super) const ARRAY: u64 = 6;
pub(super) const OBJECT: u64 = 7;

const FIELD: u64 = MAX_JSON_BYTES as u64;
const FIELD_BITS: u32 = 20;

impl Node {
    fn new(kind: u64, start: usize, len: usize, next: usize) -> Node {
        // All three are below 2^20: `Tape::scan` refuses longer documents and tapes.
        Node(
            kind << (3 * FIELD_BITS)
                | (start as u64 & FIELD) << (2 * FIELD_BITS)
                | (len as u64 & FIELD) << FIELD_BITS
                | next as u64 & FIELD,
        )
    }

    pub(super) fn kind(self) -> u64 {
        self.0 >> (3 * FIELD_BITS)
    }

    pub(super) fn start(self) -> usize {
        (self.0 >> (2 * FIELD_BITS) & FIELD) as usize
    }

    /// Bytes of a string or number; members or items of a container.
    pub(super) fn len(self) -> usize {
        (self.0 >> FIELD_BITS & FIELD) as usize
    }

    /// Index of the node after this value and all that it contains.
    pub(super) fn next(self) -> usize {
        (self.0 & FIELD) as usize
    }
}

impl Tape {
    /// A tape for up to `nodes` values and member names (8 bytes each).
    #[must_use]
    pub fn with_capacity(nodes: usize) -> Tape {
        Tape { nodes: vec![Node::default(); nodes.min(MAX_JSON_BYTES)].into_boxed_slice(), len: 0 }
    }

    /// Scans the document in the first `len` bytes of `buffer`, which must be followed by at least
    /// [`PADDING`] zero bytes. Strings are unescaped in place; allocates nothing.
    ///
    /// # Errors
    /// [`JsonError`]; the tape is then empty and the buffer's content unspecified.
    pub fn scan(&mut self, buffer: &mut [u8], len: usize) -> Result<(), JsonError> {
        self.len = 0;
        if len > MAX_JSON_BYTES || len + PADDING > buffer.len() {
            return Err(JsonError::TooLarge);
        }
        let mut scanner = Scanner { bytes: buffer, at: 0, nodes: &mut self.nodes, len: 0 };
        scanner.document()?;
        if scanner.at != len {
            return Err(JsonError::Syntax { offset: scanner.at.min(len) });
        }
        let nodes = scanner.len;
        match buffer.get(..len).map(core::str::from_utf8) {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(JsonError::Text),
        }
        self.len = nodes;
        Ok(())
    }

    /// Forgets the document.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    pub(super) fn nodes(&self) -> &[Node] {
        self.nodes.get(..self.len).unwrap_or(&[])
    }
}

struct Scanner<'a> {
    bytes: &'a mut [u8],
    at: usize,
    nodes: &'a mut [Node],
    len: usize,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), JsonError> {
        let mut stack = [Frame::default(); MAX_JSON_DEPTH];
        let mut depth = 0;
        self.space();
        loop {
            // A value starts here.
            match self.peek() {
                b'"' => self.string()?,
                open @ (b'{' | b'[') => {
                    let frame = stack.get_mut(depth).ok_or(JsonError::TooLarge)?;
                    depth += 1;
                    *frame = Frame { node: self.len, members: 0, seen_names: 0, is_object: open == b'{' };
                    let start = self.at;
                    // Length and successor are filled in when it closes.
                    self.push(if open == b'{' { OBJECT } else { ARRAY }, start, 0)?;
                    self.at += 1;
                    self.space();
                    if self.peek() == open + 2 {
                        // `]` and `}` stand two after `[` and `{` in ASCII.
                        self.at += 1;
                        self.close(frame)?;
                        depth -= 1;
                    } else {
                        if open == b'{' {
                            self.name(frame)?;
                        } else {
                            frame.members = 1;
                        }
                        continue;
                    }
                }
                b'-' | b'0'..=b'9' => self.number()?,
                b't' => self.word(b"true", TRUE)?,
                b'f' => self.word(b"false", FALSE)?,
                b'n' => self.word(b"null", NULL)?,
                _ => return Err(self.syntax()),
            }
            // A value ended here: go on in, or close, what contains it.
            loop {
                self.space();
                let Some(frame) = depth.checked_sub(1).and_then(|top| stack.get_mut(top)) else {
                    return Ok(());
                };
                match (self.peek(), frame.is_object) {
                    (b',', is_object) => {
                        self.at += 1;
                        self.space();
                        if is_object {
                            self.name(frame)?;
                        } else {
                            frame.members += 1;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.at += 1;
                        self.close(frame)?;
                        depth -= 1;
                    }
                    _ => return Err(self.syntax()),
                }
            }
        }
    }

    /// The byte here, or 0 (which no token of the grammar starts with) past the end.
    #[inline(always)]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    fn syntax(&self) -> JsonError {
        JsonError::Syntax { offset: self.at }
    }

    #[inline(always)]
    fn push(&mut self, kind: u64, start: usize, len: usize) -> Result<(), JsonError> {
        let next = self.len + 1;
        *self.nodes.get_mut(self.len).ok_or(JsonError::TooLarge)? = Node::new(kind, start, len, next);
        self.len = next;
        Ok(())
    }

    fn close(&mut self, frame: &Frame) -> Result<(), JsonError> {
        let next = self.len;
        let node = self.nodes.get_mut(frame.node).ok_or(JsonError::TooLarge)?;
        *node = Node::new(node.kind(), node.start(), frame.members, next);
        Ok(())
    }

    /// A member name and its colon.
    #[inline(always)]
    fn name(&mut self, frame: &mut Frame) -> Result<(), JsonError> {
        if self.peek() != b'"' {
            return Err(self.syntax());
        }
        let node = self.len;
        self.string()?;
        frame.members += 1;
        if frame.members > MAX_OBJECT_MEMBERS {
            return Err(JsonError::TooLarge);
        }
        let bit = 1 << self.name_hash(node);
        if frame.seen_names & bit != 0 {
            self.refuse_duplicate(frame, node)?;
        }
        frame.seen_names |= bit;
        self.space();
        if self.peek() != b':' {
            return Err(self.syntax());
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// A hash of six bits over the first eight bytes and the length of a name.
    #[inline(always)]
    fn name_hash(&self, node: usize) -> u32 {
        let node = self.nodes.get(node).copied().unwrap_or_default();
        let word = word(self.bytes, node.start());
        let kept = node.len().min(8);
        // The name's closing quote and what follows it must not count.
        let name = if kept == 8 { word } else { word & !(u64::MAX << (8 * kept)) };
        // An odd constant with well-mixed bits (the golden ratio of 2^64).
        ((name ^ (node.len() as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as u32
    }

    #[cold]
    fn refuse_duplicate(&self, frame: &Frame, new: usize) -> Result<(), JsonError> {
        let text = |index: usize| {
            let node = self.nodes.get(index).copied().unwrap_or_default();
            self.bytes.get(node.start()..node.start() + node.len())
        };
        let mut name = frame.node + 1;
        while name < new {
            if text(name) == text(new) {
                return Err(JsonError::DuplicateMember);
            }
            // The value follows its name; what follows the value is the next name.
            let value = self.nodes.get(name + 1).copied().unwrap_or_default();
            name = value.next().max(name + 1);
        }
        Ok(())
    }

    /// A string, from its opening quote.
    #[inline(always)]
    fn string(&mut self) -> Result<(), JsonError> {
        let start = self.at + 1;
        let end = find_special(self.bytes, start);
        match self.bytes.get(end) {
            Some(b'"') => {
                self.at = end + 1;
                self.push(STRING, start, end - start)
            }
            Some(b'\\') => self.string_with_escapes(start, end),
            _ => {
                self.at = end;
                Err(self.syntax())
            }
        }
    }

    /// The rest of a string from its first backslash. Unescapes to the left and fills the gap with spaces,
    /// so that the whole buffer stays valid UTF-8 if it was.
    #[cold]
    fn string_with_escapes(&mut self, start: usize, backslash: usize) -> Result<(), JsonError> {
        let (mut read, mut write) = (backslash, backslash);
        loop {
            match self.bytes.get(read).copied() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at = read;
                    let mut utf8 = [0; 4];
                    let (character, taken) = self.escape(read)?;
                    let encoded = character.encode_utf8(&mut utf8).as_bytes();
                    for byte in encoded {
                        *self.bytes.get_mut(write).ok_or(JsonError::TooLarge)? = *byte;
                        write += 1;
                    }
                    read += taken;
                }
                Some(byte) if byte >= b' ' => {
                    *self.bytes.get_mut(write).ok_or(JsonError::TooLarge)? = byte;
                    write += 1;
                    read += 1;
                }
                _ => {
                    self.at = read;
                    return Err(self.syntax());
                }
            }
        }
        if let Some(gap) = self.bytes.get_mut(write..read) {
            gap.fill(b' ');
        }
        self.at = read + 1;
        self.push(STRING, start, write - start)
    }

    /// The character of an escape at `at`, and the bytes it takes.
    fn escape(&self, at: usize) -> Result<(char, usize), JsonError> {
        let simple = |c| Ok((c, 2));
        match self.bytes.get(at + 1) {
            Some(b'"') => simple('"'),
            Some(b'\\') => simple('\\'),
            Some(b'/') => simple('/'),
            Some(b'b') => simple('\u{8}'),
            Some(b'f') => simple('\u{c}'),
            Some(b'n') => simple('\n'),
            Some(b'r') => simple('\r'),
            Some(b't') => simple('\t'),
            Some(b'u') => {
                let high = self.hex4(at + 2)?;
                let (code_point, taken) = match high {
                    // Never needed in an identifier, and the end of the text for hosts written in C.
                    0 => return Err(JsonError::Text),
                    0xd800..0xdc00 => {
                        if self.bytes.get(at + 6..at + 8) != Some(b"\\u") {
                            return Err(JsonError::Text);
                        }
                        let low = self.hex4(at + 8)?;
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
            _ => Err(self.syntax()),
        }
    }

    fn hex4(&self, at: usize) -> Result<u32, JsonError> {
        let digits = self.bytes.get(at..at + 4).ok_or(self.syntax())?;
        digits.iter().try_fold(0, |value, digit| {
            char::from(*digit).to_digit(16).map(|d| value << 4 | d).ok_or(self.syntax())
        })
    }

    #[inline(always)]
    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.peek() == b'-' {
            self.at += 1;
        }
        let leading_zero = self.peek() == b'0';
        let integer_digits = self.digits()?;
        if leading_zero && integer_digits > 1 {
            return Err(JsonError::Syntax { offset: start });
        }
        let mut kind = INTEGER;
        if self.peek() == b'.' {
            kind = NUMBER;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            kind = NUMBER;
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        self.push(kind, start, self.at - start)
    }

    #[inline(always)]
    fn digits(&mut self) -> Result<usize, JsonError> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { Err(self.syntax()) } else { Ok(self.at - start) }
    }

    fn word(&mut self, word: &[u8], kind: u64) -> Result<(), JsonError> {
        if self.bytes.get(self.at..self.at + word.len()) != Some(word) {
            return Err(self.syntax());
        }
        let start = self.at;
        self.at += word.len();
        self.push(kind, start, word.len())
    }
}

/// Eight bytes at `at`, little-endian; the padding makes them exist.
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at + 8).and_then(<[u8]>::first_chunk) {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => 0,
    }
}
