//! Lines of unknown and perhaps hostile length, read into one buffer that never grows beyond the limit.

use std::io::{self, BufRead, BufReader, Read};

/// Reads line by line and keeps at most `limit + 2` bytes of each: enough to see that a line is too long.
pub(crate) struct Lines<R> {
    input: BufReader<R>,
    limit: usize,
    kept: Vec<u8>,
    number: u64,
    /// Bytes read so far, with line ends.
    pub(crate) bytes_read: u64,
}

/// One line without its line end (`\n` or `\r\n`).
pub(crate) struct Line<'a> {
    /// Counted from 1.
    pub(crate) number: u64,
    /// The line, or more than the limit of its beginning.
    pub(crate) bytes: &'a [u8],
    /// BLAKE3 of the whole line, also of what was not kept.
    pub(crate) hash: blake3::Hash,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(input: R, limit: usize) -> Lines<R> {
        Lines::with_buffer(input, limit, INPUT_BUFFER)
    }

    fn with_buffer(input: R, limit: usize, buffer: usize) -> Lines<R> {
        let input = BufReader::with_capacity(buffer, input);
        Lines { input, limit, kept: Vec::with_capacity(limit + LINE_END), number: 0, bytes_read: 0 }
    }

    /// Whether the next line must be asked of the input, which may make it wait.
    pub(crate) fn may_wait(&self) -> bool {
        self.input.buffer().is_empty()
    }

    /// The next line; `None` at the end of the input.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.kept.clear();
        let mut overflow: Option<blake3::Hasher> = None;
        let mut ended = false;
        let mut read_any = false;
        while !ended {
            let available = match self.input.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if available.is_empty() {
                break;
            }
            read_any = true;
            let (piece, consumed) = match available.iter().position(|b| *b == b'\n') {
                Some(end) => (available.split_at(end).0, end + 1),
                None => (available, available.len()),
            };
            ended = consumed > piece.len();
            let room = self.limit + LINE_END - self.kept.len();
            let (keep, rest) = piece.split_at(piece.len().min(room));
            self.kept.extend_from_slice(keep);
            if !rest.is_empty() || overflow.is_some() {
                let hasher = overflow.get_or_insert_with(|| {
                    let mut hasher = blake3::Hasher::new();
                    hasher.update(&self.kept);
                    hasher
                });
                hasher.update(rest);
            }
            self.input.consume(consumed);
            self.bytes_read += consumed as u64;
        }
        if !read_any {
            return Ok(None);
        }
        self.number += 1;
        let bytes = match overflow {
            Some(_) => &self.kept,
            None => self.kept.strip_suffix(b"\r").unwrap_or(&self.kept),
        };
        let hash = overflow.map_or_else(|| blake3::hash(bytes), |hasher| hasher.finalize());
        Ok(Some(Line { number: self.number, bytes, hash }))
    }
}

/// Room beyond the limit: for a `\r` that is no part of the line, and for one byte too many.
const LINE_END: usize = 2;

/// Bytes asked of the input at a time.
const INPUT_BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(input: &[u8], limit: usize, buffer: usize) -> Vec<(u64, Vec<u8>, blake3::Hash)> {
        let mut lines = Lines::with_buffer(input, limit, buffer);
        let mut found = Vec::new();
        while let Some(line) = lines.next().expect("memory can be read") {
            found.push((line.number, line.bytes.to_vec(), line.hash));
        }
        assert_eq!(lines.bytes_read, input.len() as u64);
        assert!(lines.kept.capacity() <= (limit + LINE_END).max(8));
        found
    }

    #[test]
    fn line_ends_are_no_part_of_a_line() {
        let found = all(b"a\r\n\nb\rc\nlast", 10, 3);
        let expected: [&[u8]; 4] = [b"a", b"", b"b\rc", b"last"];
        assert_eq!(found.iter().map(|l| l.1.as_slice()).collect::<Vec<_>>(), expected);
        assert_eq!(found.last().map(|l| l.0), Some(4));
        assert!(all(b"", 10, 3).is_empty());
    }

    proptest! {
        /// Against splitting the whole input: same lines and hashes up to the limit; longer ones are seen to
        /// be too long, are cut, and do not disturb the next.
        #[test]
        fn agrees_with_splitting_the_whole(
            lines in prop::collection::vec("[ab]{0,12}", 1..8), limit in 1usize..10, buffer in 1usize..9
        ) {
            let text = lines.join("\n") + "\n";
            let found = all(text.as_bytes(), limit, buffer);
            prop_assert_eq!(found.len(), lines.len());
            for (line, (_, bytes, hash)) in lines.iter().zip(&found) {
                prop_assert_eq!(*hash, blake3::hash(line.as_bytes()));
                prop_assert_eq!(bytes.len() > limit, line.len() > limit);
                prop_assert!(line.as_bytes().starts_with(bytes));
                prop_assert!(line.len() > limit || line.len() == bytes.len());
            }
        }
    }
}
