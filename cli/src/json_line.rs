//! One line of `--json` output: an object, member by member.

use std::fmt::{Display, Write};

use libtoken::codec::json::write_string;

/// A JSON object under construction.
pub(crate) struct JsonLine {
    text: String,
}

impl JsonLine {
    pub(crate) fn new() -> JsonLine {
        JsonLine { text: String::from("{") }
    }

    /// A member whose value is a string.
    pub(crate) fn string(&mut self, name: &str, value: &str) -> &mut JsonLine {
        self.name(name);
        let _ = write_string(value, &mut self.text);
        self
    }

    /// A member whose value is a string, or null.
    pub(crate) fn optional(&mut self, name: &str, value: Option<&str>) -> &mut JsonLine {
        match value {
            Some(value) => self.string(name, value),
            None => self.json(name, "null"),
        }
    }

    /// A member whose value is an array of strings.
    pub(crate) fn strings<'a>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = &'a str>,
    ) -> &mut JsonLine {
        self.name(name);
        self.text.push('[');
        for (place, value) in values.into_iter().enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            let _ = write_string(value, &mut self.text);
        }
        self.text.push(']');
        self
    }

    /// A member whose value is JSON already: a number, `true`, an object.
    pub(crate) fn json(&mut self, name: &str, value: impl Display) -> &mut JsonLine {
        self.name(name);
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{value}");
        self
    }

    /// The object.
    pub(crate) fn finish(&mut self) -> String {
        self.text.push('}');
        std::mem::take(&mut self.text)
    }

    fn name(&mut self, name: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        let _ = write_string(name, &mut self.text);
        self.text.push(':');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_separated_and_escaped() {
        let mut line = JsonLine::new();
        line.string("a", "\"\n").json("b", 1).optional("c", None).strings("d", ["x", "y"]);
        assert_eq!(line.finish(), r#"{"a":"\"\n","b":1,"c":null,"d":["x","y"]}"#);
        assert_eq!(JsonLine::new().finish(), "{}");
    }
}
