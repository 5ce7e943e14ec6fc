//! The scanner. The simple algorithm is a loop over bytes with an explicit stack of open containers, which
//! writes one node per value and member name. Departures, each measured in benches/:
//! - strings are searched 16 bytes at a time (SSE2 on x86-64, two 64-bit words elsewhere): most of a payload
//!   is string bytes;
//! - the buffer is padded, so that the search needs no tail loop;
//! - UTF-8 is checked once afterwards, over the whole buffer. Unescaping in place cannot make an invalid
//!   sequence valid: an escape becomes a whole character, so what was cut off before it stays cut off;
//! - a 64-bit set of hashed names per open object makes the search for a duplicate name almost always one test.

use super::JsonError;
use super::escape::unescape;
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
    /// Where the scanner keeps the containers around the one it is in; means nothing afterwards.
    outer: [Frame; MAX_JSON_DEPTH],
}

/// An open container. Four whole words: copies of a `bool` and its padding cost stalled loads.
#[derive(Clone, Copy, Default, Debug)]
struct Frame {
    node: usize,
    members: usize,
    seen_names: u64,
    /// [`OBJECT`] or [`ARRAY`].
    kind: u64,
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

/// Odd, and chosen by trial so that the claims that most tokens have do not share a hash (a test has the list):
/// each pair that does costs a search for a duplicate.
const NAME_HASH: u64 = 0x2bef_5a1b_c53e_7939;

impl Node {
    fn new(kind: u64, start: usize, len: usize, next: usize) -> Node {
        // All three are below 2^20, so none reaches into another: `Tape::scan` refuses longer documents, and no
        // tape is longer.
        Node(
            kind << (3 * FIELD_BITS)
                | (start as u64) << (2 * FIELD_BITS)
                | (len as u64) << FIELD_BITS
                | next as u64,
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
        let nodes = vec![Node::default(); nodes.min(MAX_JSON_BYTES)].into_boxed_slice();
        Tape { nodes, len: 0, outer: [Frame::default(); MAX_JSON_DEPTH] }
    }

    /// Scans the document in the first `len` bytes of `buffer`, which must be followed by at least
    /// [`PADDING`] zero bytes. Strings are unescaped in place; allocates nothing.
    ///
    /// # Errors
    /// [`JsonError`]; the tape is then empty and the buffer's content unspecified.
    pub fn scan(&mut self, buffer: &mut [u8], len: usize) -> Result<(), JsonError> {
        self.scan_bytes(buffer, len)?;
        match buffer.get(..len).map(core::str::from_utf8) {
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) | None => {
                self.clear();
                Err(JsonError::Text)
            }
        }
    }

    /// The same without the check for UTF-8, which is left to the caller.
    pub(super) fn scan_bytes(&mut self, buffer: &mut [u8], len: usize) -> Result<(), JsonError> {
        self.len = 0;
        if len > MAX_JSON_BYTES || len + PADDING > buffer.len() {
            return Err(JsonError::TooLarge);
        }
        let mut scanner = Scanner { bytes: buffer, at: 0, nodes: &mut self.nodes, len: 0 };
        scanner.document(&mut self.outer)?;
        let (at, nodes) = (scanner.at, scanner.len);
        if at != len {
            return Err(JsonError::Syntax { offset: at.min(len) });
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
    #[inline(always)]
    fn document(&mut self, outer: &mut [Frame; MAX_JSON_DEPTH]) -> Result<(), JsonError> {
        // The innermost open container, and how many are open: those around it wait in `outer`.
        let mut frame = Frame::default();
        let mut depth = 0;
        self.space();
        loop {
            // A value starts here.
            match self.peek() {
                b'"' => {
                    self.string()?;
                }
                open @ (b'{' | b'[') => {
                    *outer.get_mut(depth).ok_or(JsonError::TooLarge)? = frame;
                    depth += 1;
                    let kind = if open == b'{' { OBJECT } else { ARRAY };
                    frame = Frame { node: self.len, members: 0, seen_names: 0, kind };
                    // Length and successor are filled in when it closes.
                    self.push(kind, self.at, 0)?;
                    self.at += 1;
                    self.space();
                    // `]` and `}` stand two after `[` and `{` in ASCII.
                    if self.peek() == open + 2 {
                        self.at += 1;
                        self.close(frame)?;
                        depth -= 1;
                        frame = outer.get(depth).copied().unwrap_or_default();
                    } else {
                        if open == b'{' {
                            self.name(&mut frame)?;
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
                if depth == 0 {
                    return Ok(());
                }
                match (self.peek(), frame.kind == OBJECT) {
                    (b',', is_object) => {
                        self.at += 1;
                        self.space();
                        if is_object {
                            self.name(&mut frame)?;
                        } else {
                            frame.members += 1;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.at += 1;
                        self.close(frame)?;
                        depth -= 1;
                        frame = outer.get(depth).copied().unwrap_or_default();
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

    #[inline(always)]
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

    #[inline(always)]
    fn close(&mut self, frame: Frame) -> Result<(), JsonError> {
        let node = self.nodes.get_mut(frame.node).ok_or(JsonError::TooLarge)?;
        *node = Node::new(node.kind(), node.start(), frame.members, self.len);
        Ok(())
    }

    /// A member name and its colon.
    #[inline(always)]
    fn name(&mut self, frame: &mut Frame) -> Result<(), JsonError> {
        if self.peek() != b'"' {
            return Err(self.syntax());
        }
        let node = self.len;
        let (start, len) = self.string()?;
        frame.members += 1;
        if frame.members > MAX_OBJECT_MEMBERS {
            return Err(JsonError::TooLarge);
        }
        let bit = 1 << name_hash(word(self.bytes, start), len);
        if frame.seen_names & bit != 0 {
            refuse_duplicate(self.bytes, self.nodes, *frame, node)?;
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

    /// A string, from its opening quote; returns where its text starts, and its length.
    #[inline(always)]
    fn string(&mut self) -> Result<(usize, usize), JsonError> {
        let start = self.at + 1;
        let quote = find_special(self.bytes, start);
        let (end, after) = match self.bytes.get(quote) {
            Some(b'"') => (quote, quote + 1),
            Some(b'\\') => unescape(self.bytes, quote)?,
            _ => return Err(JsonError::Syntax { offset: quote }),
        };
        self.at = after;
        self.push(STRING, start, end - start)?;
        Ok((start, end - start))
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
        loop {
            let digits = leading_digits(word(self.bytes, self.at));
            self.at += digits;
            if digits < 8 {
                break;
            }
        }
        if self.at == start { Err(self.syntax()) } else { Ok(self.at - start) }
    }

    #[inline(always)]
    fn word(&mut self, word: &[u8], kind: u64) -> Result<(), JsonError> {
        if self.bytes.get(self.at..self.at + word.len()) != Some(word) {
            return Err(self.syntax());
        }
        let start = self.at;
        self.at += word.len();
        self.push(kind, start, word.len())
    }
}

/// A hash of six bits over the first eight bytes and the length of a name.
#[inline(always)]
fn name_hash(first: u64, len: usize) -> u32 {
    // The name's closing quote and what follows it must not count.
    let name = if len < 8 { first & !(u64::MAX << (8 * len)) } else { first };
    ((name ^ (len as u64) << 56).wrapping_mul(NAME_HASH) >> 58) as u32
}

/// How many of the eight bytes, from the first, are decimal digits.
#[inline(always)]
fn leading_digits(word: u64) -> usize {
    // Digits become 0 to 9. Adding 0x76 sets the high bit from 10 on; a carry only reaches bytes after the
    // first that is no digit.
    let values = word ^ 0x3030_3030_3030_3030;
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
    (others.trailing_zeros() / 8) as usize
}

/// Refuses the name at `new` if the object has it already; called when their hashes say it might.
#[cold]
fn refuse_duplicate(bytes: &[u8], nodes: &[Node], object: Frame, new: usize) -> Result<(), JsonError> {
    let node = |index: usize| nodes.get(index).copied().unwrap_or_default();
    let text = |node: Node| bytes.get(node.start()..node.start() + node.len());
    let mut name = object.node + 1;
    while name < new {
        if text(node(name)) == text(node(new)) {
            return Err(JsonError::DuplicateMember);
        }
        // The value follows its name; what follows the value is the next name.
        name = node(name + 1).next().max(name + 1);
    }
    Ok(())
}

/// Eight bytes at `at`, little-endian; the padding makes them exist.
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at + 8).and_then(<[u8]>::first_chunk) {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_bytes(text: &[u8]) -> u64 {
        word(&[text, &[b'"'; 8]].concat(), 0)
    }

    #[test]
    fn common_names_do_not_share_a_hash() {
        // RFC 7519, 7800, 8693 and 9068, OpenID Connect, and what Entra ID, Auth0 and Keycloak add.
        let claims = "iss sub aud exp nbf iat jti azp sid cnf scope client_id auth_time acr amr nonce gty roles \
            groups entitlements tenant tid act may_act typ name email email_verified preferred_username \
            given_name family_name at_hash oid ver upn appid uid org_id permissions session_state realm_access \
            resource_access";
        // RFC 7515 and 7516.
        let header = "alg typ kid cty crit jku jwk x5t x5c x5u x5t#S256 b64 enc zip";
        for names in [claims, header] {
            let mut seen = 0u64;
            for name in names.split_whitespace() {
                let bit = 1 << name_hash(first_bytes(name.as_bytes()), name.len());
                assert_eq!(seen & bit, 0, "{name}");
                seen |= bit;
            }
        }
    }

    #[test]
    fn the_hash_sees_nothing_behind_the_name() {
        for (text, other) in [("ab\":1", "ab\" :"), ("12345678\"", "123456789")] {
            let len = text.find('"').unwrap_or(0);
            assert_eq!(
                name_hash(first_bytes(text.as_bytes()), len),
                name_hash(first_bytes(other.as_bytes()), len)
            );
        }
    }

    #[test]
    fn leading_digits_are_counted_at_every_place() {
        for place in 0..8 {
            for byte in 0..=255u8 {
                for rest in [b'0', b'9', 0, 0xff, b':', b'/'] {
                    let mut text = [b'7'; 8];
                    text[place] = byte;
                    text[place + 1..].fill(rest);
                    let expected = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(8);
                    assert_eq!(leading_digits(u64::from_le_bytes(text)), expected, "{text:?}");
                }
            }
        }
    }
}
