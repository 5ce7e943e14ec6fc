//! Text with the placeholders `{n}`, `{uuid}` and `{now}`. Other braces are text: JSON is full of them.

use std::fmt::Write;

use libtoken_mint::Rng;

/// Text cut at its placeholders.
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

enum Piece {
    Text(String),
    Number,
    Uuid,
    Now,
}

/// What the placeholders stand for in one token.
pub(crate) struct Values {
    number: u64,
    now: i64,
    uuid: u128,
}

impl Template {
    pub(crate) fn new(text: &str) -> Template {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((at, (name, piece))) = next_placeholder(rest) {
            let (before, after) = rest.split_at(at);
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(piece);
            rest = after.get(name.len()..).unwrap_or("");
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Template { pieces }
    }

    /// Writes the text into `out`, in place of what it held.
    pub(crate) fn render(&self, values: &Values, out: &mut String) {
        out.clear();
        for piece in &self.pieces {
            // Writing to a string cannot fail.
            let _ = match piece {
                Piece::Text(text) => out.write_str(text),
                Piece::Number => write!(out, "{}", values.number),
                Piece::Uuid => write_uuid(values.uuid, out),
                Piece::Now => write!(out, "{}", values.now),
            };
        }
    }
}

impl Values {
    /// Values to try a template with.
    pub(crate) const SAMPLE: Values = Values { number: 1, now: 0, uuid: 0 };

    pub(crate) fn new(number: u64, now: i64, rng: &mut impl Rng) -> Values {
        let random = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        // Version 4, variant 1 (RFC 9562 §5.4).
        let uuid = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        Values { number, now, uuid }
    }
}

fn next_placeholder(text: &str) -> Option<(usize, (&'static str, Piece))> {
    let all = [("{n}", Piece::Number), ("{uuid}", Piece::Uuid), ("{now}", Piece::Now)];
    all.into_iter().filter_map(|(name, piece)| Some((text.find(name)?, (name, piece)))).min_by_key(|p| p.0)
}

fn write_uuid(uuid: u128, out: &mut String) -> std::fmt::Result {
    let hex = format!("{uuid:032x}");
    for (place, digit) in hex.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_and_other_braces_kept() {
        let values = Values { number: 7, now: 42, uuid: 0x0123_4567_89ab_4def_8123_4567_89ab_cdef };
        let mut out = "old".to_owned();
        Template::new(r#"{"a":{n},"b":"{uuid}","c":[{now},{n}],"d":{"n":1},"e":"{x}"}"#)
            .render(&values, &mut out);
        assert_eq!(
            out,
            r#"{"a":7,"b":"01234567-89ab-4def-8123-456789abcdef","c":[42,7],"d":{"n":1},"e":"{x}"}"#
        );
        Template::new("").render(&values, &mut out);
        assert_eq!(out, "");
    }

    #[test]
    fn uuids_have_their_version_and_differ() {
        let mut rng = libtoken_mint::seeded(1);
        let mut drawn: Vec<u128> = (0..100).map(|n| Values::new(n, 0, &mut rng).uuid).collect();
        for uuid in &drawn {
            assert_eq!((uuid >> 76 & 0xf, uuid >> 62 & 0x3), (4, 2));
        }
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 100);
    }
}
