//! Borrowed views of a scanned document. Nothing here can fail on bytes: the scan has checked them.

use core::fmt;

use super::scan::{ARRAY, FALSE, INTEGER, NULL, NUMBER, Node, OBJECT, STRING, TRUE, Tape};
use crate::codec::pointer::ClaimPath;

/// A scanned document: its text with strings unescaped in place, and its nodes.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    text: &'a str,
    nodes: &'a [Node],
}

/// One value of a document.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    document: Document<'a>,
    index: usize,
}

/// The JSON type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number without fraction and exponent.
    Integer,
    /// Any other number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// The items of an array, in order.
#[derive(Clone)]
pub struct Items<'a> {
    document: Document<'a>,
    index: usize,
    left: usize,
}

/// The members of an object, in order.
#[derive(Clone)]
pub struct Members<'a>(Items<'a>);

impl<'a> Document<'a> {
    /// The document that `tape` has scanned in the first `len` bytes of `buffer`; `None` if these are not
    /// the bytes it scanned.
    #[must_use]
    pub fn new(buffer: &'a [u8], len: usize, tape: &'a Tape) -> Option<Document<'a>> {
        let text = core::str::from_utf8(buffer.get(..len)?).ok()?;
        Some(Document { text, nodes: tape.nodes() })
    }

    /// The document with this text that `tape` has scanned.
    pub(super) fn of(text: &'a str, tape: &'a Tape) -> Document<'a> {
        Document { text, nodes: tape.nodes() }
    }

    /// The only top-level value.
    #[must_use]
    pub fn root(self) -> Value<'a> {
        Value { document: self, index: 0 }
    }
}

impl<'a> Value<'a> {
    /// A null that belongs to no document.
    pub const NULL: Value<'static> = Value { document: Document { text: "", nodes: &[] }, index: 0 };

    fn node(self) -> Node {
        self.document.nodes.get(self.index).copied().unwrap_or_default()
    }

    fn text(self) -> &'a str {
        let node = self.node();
        self.document.text.get(node.start()..node.start() + node.len()).unwrap_or("")
    }

    /// Its JSON type.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self.node().kind() {
            FALSE | TRUE => Kind::Bool,
            INTEGER => Kind::Integer,
            NUMBER => Kind::Number,
            STRING => Kind::String,
            ARRAY => Kind::Array,
            OBJECT => Kind::Object,
            _ => Kind::Null,
        }
    }

    /// The text of a string, unescaped.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        (self.node().kind() == STRING).then(|| self.text())
    }

    /// The value of `true` or `false`.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.node().kind() {
            TRUE => Some(true),
            FALSE => Some(false),
            _ => None,
        }
    }

    /// The value of a number without fraction and exponent, if an `i64` holds it.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        (self.node().kind() == INTEGER).then(|| self.text().parse().ok())?
    }

    /// The value of a number without fraction, exponent and sign, if a `u64` holds it.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        (self.node().kind() == INTEGER).then(|| self.text().parse().ok())?
    }

    /// The value of any number, rounded to the nearest double; `None` if it is not finite as a double.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        self.number_text()?.parse().ok().filter(|f: &f64| f.is_finite())
    }

    /// The text of a number, as it stands in the document.
    #[must_use]
    pub fn number_text(self) -> Option<&'a str> {
        matches!(self.node().kind(), INTEGER | NUMBER).then(|| self.text())
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.node().kind() == NULL
    }

    /// The items of an array; `None` for anything else.
    #[must_use]
    pub fn items(self) -> Option<Items<'a>> {
        let node = self.node();
        (node.kind() == ARRAY).then(|| Items {
            document: self.document,
            index: self.index + 1,
            left: node.len(),
        })
    }

    /// The members of an object; `None` for anything else.
    #[must_use]
    pub fn members(self) -> Option<Members<'a>> {
        let node = self.node();
        (node.kind() == OBJECT)
            .then(|| Members(Items { document: self.document, index: self.index + 1, left: node.len() }))
    }

    /// The member `name` of an object.
    #[must_use]
    pub fn member(self, name: &str) -> Option<Value<'a>> {
        self.members()?.find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The value that `path` leads to: members of objects by name, items of arrays by index (RFC 6901 §4).
    #[must_use]
    pub fn at(self, path: &ClaimPath) -> Option<Value<'a>> {
        path.steps().try_fold(self, |value, step| match value.kind() {
            Kind::Object => value.member(step),
            Kind::Array => value.items()?.nth(array_index(step)?),
            Kind::Null | Kind::Bool | Kind::Integer | Kind::Number | Kind::String => None,
        })
    }

    /// A handle that finds this value again in the same document.
    #[must_use]
    pub(crate) fn index(self) -> usize {
        self.index
    }

    /// The value that [`Value::index`] stood for.
    #[must_use]
    pub(crate) fn at_index(document: Document<'a>, index: usize) -> Value<'a> {
        Value { document, index }
    }

    /// Writes the value as compact JSON: members in their order, numbers as they stood, and strings with
    /// no more escapes than RFC 8259 §7 demands.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn write_json(self, out: &mut impl fmt::Write) -> fmt::Result {
        match self.kind() {
            Kind::Null => out.write_str("null"),
            Kind::Bool => out.write_str(if self.as_bool() == Some(true) { "true" } else { "false" }),
            Kind::Integer | Kind::Number => out.write_str(self.text()),
            Kind::String => write_string(self.text(), out),
            // Recursion is bounded by MAX_JSON_DEPTH: the scan refused anything deeper.
            Kind::Array => {
                out.write_char('[')?;
                for (position, item) in self.items().into_iter().flatten().enumerate() {
                    if position > 0 {
                        out.write_char(',')?;
                    }
                    item.write_json(out)?;
                }
                out.write_char(']')
            }
            Kind::Object => {
                out.write_char('{')?;
                for (position, (name, value)) in self.members().into_iter().flatten().enumerate() {
                    if position > 0 {
                        out.write_char(',')?;
                    }
                    write_string(name, out)?;
                    out.write_char(':')?;
                    value.write_json(out)?;
                }
                out.write_char('}')
            }
        }
    }
}

/// The document's content is a token's or a key's: it stays out of debug output.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:?})", self.kind())
    }
}

/// As compact JSON.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_json(f)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.left = self.left.checked_sub(1)?;
        let value = Value { document: self.document, index: self.index };
        // `max` only matters for a defective tape: an iterator must always advance.
        self.index = value.node().next().max(self.index + 1);
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<(&'a str, Value<'a>)> {
        let Items { document, index, .. } = self.0;
        let name = Value { document, index };
        self.0.index += 1;
        match self.0.next() {
            Some(value) => Some((name.text(), value)),
            None => {
                self.0.index = index;
                None
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Members<'_> {}

/// An array index (RFC 6901 §4): digits without leading zeros.
fn array_index(step: &str) -> Option<usize> {
    let plain = step == "0" || !step.starts_with(['0', '+']);
    plain.then(|| step.parse().ok())?
}

/// Writes `text` as a JSON string (RFC 8259 §7).
///
/// # Errors
/// What `out` returns.
pub fn write_string(text: &str, out: &mut impl fmt::Write) -> fmt::Result {
    out.write_char('"')?;
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.write_str(text.get(plain_from..at).unwrap_or(""))?;
        if escape.is_empty() {
            write!(out, "\\u{byte:04x}")?;
        } else {
            out.write_str(escape)?;
        }
        plain_from = at + 1;
    }
    out.write_str(text.get(plain_from..).unwrap_or(""))?;
    out.write_char('"')
}
