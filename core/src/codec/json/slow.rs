//! The obvious twin of the scanner: recursive descent over characters into an owned tree, straight from
//! RFC 8259, with the same extra rules. For tests, fuzzers and nothing else.

use std::collections::BTreeSet;

use super::{Kind, Value};
use crate::limits::{MAX_JSON_BYTES, MAX_JSON_DEPTH};

/// A JSON value that owns what it holds. Numbers stay text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tree {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it stood.
    Number(String),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Tree>),
    /// An object, members in order.
    Object(Vec<(String, Tree)>),
}

/// Parses `json`, or refuses what the scanner refuses (except for the limits on nodes and members).
#[must_use]
pub fn parse(json: &[u8]) -> Option<Tree> {
    if json.len() > MAX_JSON_BYTES {
        return None;
    }
    let text: Vec<char> = core::str::from_utf8(json).ok()?.chars().collect();
    let mut parser = Parser { text: &text };
    parser.space();
    let tree = parser.value(0)?;
    parser.space();
    parser.text.is_empty().then_some(tree)
}

impl From<Value<'_>> for Tree {
    fn from(value: Value<'_>) -> Tree {
        match value.kind() {
            Kind::Null => Tree::Null,
            Kind::Bool => Tree::Bool(value.as_bool() == Some(true)),
            Kind::Integer | Kind::Number => Tree::Number(value.number_text().unwrap_or("").to_owned()),
            Kind::String => Tree::String(value.as_str().unwrap_or("").to_owned()),
            Kind::Array => Tree::Array(value.items().into_iter().flatten().map(Tree::from).collect()),
            Kind::Object => Tree::Object(
                value
                    .members()
                    .into_iter()
                    .flatten()
                    .map(|(name, member)| (name.to_owned(), Tree::from(member)))
                    .collect(),
            ),
        }
    }
}

struct Parser<'a> {
    text: &'a [char],
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text.first().copied()
    }

    fn next(&mut self) -> Option<char> {
        let (first, rest) = self.text.split_first()?;
        self.text = rest;
        Some(*first)
    }

    fn take(&mut self, expected: &str) -> Option<()> {
        expected.chars().try_for_each(|c| (self.next()? == c).then_some(()))
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.next();
        }
    }

    fn value(&mut self, depth: usize) -> Option<Tree> {
        match self.peek()? {
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' => self.string().map(Tree::String),
            't' => self.take("true").map(|()| Tree::Bool(true)),
            'f' => self.take("false").map(|()| Tree::Bool(false)),
            'n' => self.take("null").map(|()| Tree::Null),
            _ => self.number().map(Tree::Number),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Tree> {
        self.take("{")?;
        if depth >= MAX_JSON_DEPTH {
            return None;
        }
        let mut members = Vec::new();
        let mut names = BTreeSet::new();
        self.space();
        if self.peek()? == '}' {
            self.next();
            return Some(Tree::Object(members));
        }
        loop {
            self.space();
            let name = self.string()?;
            if !names.insert(name.clone()) {
                return None;
            }
            self.space();
            self.take(":")?;
            self.space();
            members.push((name, self.value(depth + 1)?));
            self.space();
            match self.next()? {
                ',' => {}
                '}' => return Some(Tree::Object(members)),
                _ => return None,
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Tree> {
        self.take("[")?;
        if depth >= MAX_JSON_DEPTH {
            return None;
        }
        let mut items = Vec::new();
        self.space();
        if self.peek()? == ']' {
            self.next();
            return Some(Tree::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            match self.next()? {
                ',' => {}
                ']' => return Some(Tree::Array(items)),
                _ => return None,
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut units = Vec::new();
        loop {
            match self.next()? {
                '"' => break,
                '\\' => match self.next()? {
                    'u' => {
                        let mut unit = 0;
                        for _ in 0..4 {
                            unit = unit << 4 | u16::try_from(self.next()?.to_digit(16)?).ok()?;
                        }
                        units.push(unit);
                    }
                    'b' => units.push(8),
                    'f' => units.push(12),
                    'n' => units.push(10),
                    'r' => units.push(13),
                    't' => units.push(9),
                    c @ ('"' | '\\' | '/') => units.push(u16::try_from(u32::from(c)).ok()?),
                    _ => return None,
                },
                c if c < ' ' => return None,
                c => units.extend(c.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        // UTF-16 refuses every lone surrogate.
        String::from_utf16(&units).ok().filter(|s| !s.contains('\0'))
    }

    fn number(&mut self) -> Option<String> {
        let mut number = String::new();
        if self.peek()? == '-' {
            number.extend(self.next());
        }
        if self.peek()? == '0' {
            number.extend(self.next());
        } else {
            self.digits(&mut number)?;
        }
        if self.peek() == Some('.') {
            number.extend(self.next());
            self.digits(&mut number)?;
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            number.extend(self.next());
            if matches!(self.peek(), Some('+' | '-')) {
                number.extend(self.next());
            }
            self.digits(&mut number)?;
        }
        Some(number)
    }

    fn digits(&mut self, number: &mut String) -> Option<()> {
        let before = number.len();
        while matches!(self.peek(), Some('0'..='9')) {
            number.extend(self.next());
        }
        (number.len() > before).then_some(())
    }
}
