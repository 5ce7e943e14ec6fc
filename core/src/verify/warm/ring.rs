//! A ring of words in which entries lie one after another, oldest first.
//!
//! Every entry has a place, counted in cache lines and growing for ever: a place is never used twice, so it
//! names an entry, and what lies at it counts while it is not below the tail. That makes the tail the version
//! of a sequence lock (Boehm, "Can Seqlocks Get Along With Programming Language Memory Models?", MSPC 2012):
//! - the writer stores the tail, then a release fence, then overwrites words;
//! - a reader loads words, then an acquire fence, then the tail. If a word came from a later entry, the fences
//!   make the new tail visible, and the reader drops what it copied.
//!
//! There is one writer at a time; it holds the [`Ends`].

use super::sync::{AtomicU64, LINE_WORDS, Lines, before_overwriting, before_validating, peek, put};

/// The first place that is not given out: 51 bits of a slot. 100,000 insertions a second of 1 KiB each reach
/// it after 44 years; from then on the ring takes nothing.
pub(super) const END_OF_PLACES: u64 = 1 << 51;

/// Words of an entry before its key: its sizes and its hash.
const HEADER_WORDS: usize = 2;

pub(super) struct Ring {
    lines: Lines,
    len: u64,
    /// Places per lap: `len` rounded up to a power of two, so that a place holds its position in its low bits.
    lap: u64,
    tail: Tail,
}

/// The place of the oldest entry: on a line of its own, since every hit reads it.
#[repr(align(64))]
struct Tail(AtomicU64);

/// What only the writer knows about a ring.
pub(super) struct Ends {
    /// Where the next entry goes, if it fits before the end of the lap.
    head: u64,
    /// Where the entries of the last full lap ended.
    lap_end: u64,
}

/// What an entry says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    pub(super) key_bytes: usize,
    pub(super) value_words: usize,
}

/// An entry as a reader finds it: nothing about it counts until [`Ring::holds`] says so afterwards.
#[derive(Clone, Copy)]
pub(super) struct Entry<'r> {
    pub(super) shape: Shape,
    pub(super) hash: u64,
    body: &'r [AtomicU64],
}

impl Ring {
    /// A ring of so many cache lines.
    pub(super) fn new(lines: usize) -> (Ring, Ends) {
        // From the second lap on, so that no place is 0.
        Ring::starting_at(lines, (lines as u64).next_power_of_two())
    }

    /// The same with its first entry at a place, which must be a multiple of a lap.
    pub(super) fn starting_at(lines: usize, place: u64) -> (Ring, Ends) {
        let len = lines as u64;
        let tail = Tail(AtomicU64::new(place));
        let ring = Ring { lines: Lines::new(lines), len, lap: len.next_power_of_two(), tail };
        (ring, Ends { head: place, lap_end: 0 })
    }

    /// In cache lines.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The entry at a place, as it is at this moment.
    #[inline]
    pub(super) fn entry(&self, place: u64) -> Option<Entry<'_>> {
        let (header, body) = self.words_at(place)?.split_first_chunk::<HEADER_WORDS>()?;
        let [sizes, hash] = header;
        Some(Entry { shape: Shape::unpack(peek(sizes)), hash: peek(hash), body })
    }

    /// Whether the entry at `place` is there: asked after its words were copied, it says that they count.
    #[inline]
    pub(super) fn holds(&self, place: u64) -> bool {
        before_validating();
        place >= peek(&self.tail.0)
    }

    /// The oldest entry's place, for the writer.
    pub(super) fn oldest(&self, ends: &Ends) -> Option<u64> {
        let tail = peek(&self.tail.0);
        (tail != ends.head).then_some(tail)
    }

    /// Gives up the oldest entry, which takes so many lines.
    pub(super) fn drop_oldest(&self, ends: &Ends, lines: u64) {
        let mut tail = peek(&self.tail.0) + lines;
        if tail == ends.lap_end && tail != ends.head {
            tail = self.next_lap(tail);
        }
        put(&self.tail.0, tail);
    }

    /// Takes room for an entry, if there is any without giving up others.
    pub(super) fn reserve(&self, ends: &mut Ends, lines: u64) -> Option<u64> {
        let tail = peek(&self.tail.0);
        let position = ends.head & (self.lap - 1);
        let place = if position + lines <= self.len { ends.head } else { self.next_lap(ends.head) };
        let is_empty = tail == ends.head;
        let fits = if is_empty { lines <= self.len } else { place + lines <= tail + self.lap };
        if !fits || place + lines > END_OF_PLACES {
            return None;
        }
        if is_empty {
            put(&self.tail.0, place);
        } else if place != ends.head {
            ends.lap_end = ends.head;
        }
        ends.head = place + lines;
        Some(place)
    }

    /// Fills reserved room.
    pub(super) fn write(&self, place: u64, hash: u64, key: &[u8], value: &[u64]) {
        before_overwriting();
        let shape = Shape { key_bytes: key.len(), value_words: value.len() };
        let whole = key.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk));
        let words = [shape.pack(), hash].into_iter().chain(whole).chain([last_word(key)]);
        let words = words.chain(value.iter().copied());
        let target = self.words_at(place).unwrap_or(&[]);
        target.iter().zip(words).for_each(|(target, word)| put(target, word));
    }

    /// Fills reserved room with a copy of an entry. Within one ring the copy must not lie after the original
    /// by less than its length: words are copied from the first to the last.
    pub(super) fn copy(&self, place: u64, from: &Ring, original: u64, shape: Shape) {
        before_overwriting();
        let target = self.words_at(place).unwrap_or(&[]);
        let source = from.words_at(original).unwrap_or(&[]);
        target.iter().zip(source).take(shape.words()).for_each(|(target, word)| put(target, peek(word)));
    }

    /// From a place to the end of the ring.
    #[inline]
    fn words_at(&self, place: u64) -> Option<&[AtomicU64]> {
        self.lines.at(usize::try_from(place & (self.lap - 1)).ok()?)
    }

    fn next_lap(&self, place: u64) -> u64 {
        (place | (self.lap - 1)) + 1
    }
}

impl Entry<'_> {
    /// Whether the entry's key is this one: compared to its end even where it differs, eight words at a time.
    #[inline]
    pub(super) fn has_key(&self, key: &[u8]) -> bool {
        let chunks = key.as_chunks::<8>().0;
        let Some((words, [last, ..])) = self.body.split_at_checked(chunks.len()) else { return false };
        if self.shape.key_bytes != key.len() {
            return false;
        }
        let mut difference = last_word(key) ^ peek(last);
        if let (Some(last_chunks), Some(last_words)) = (chunks.last_chunk(), words.last_chunk()) {
            for (chunks, words) in chunks.as_chunks().0.iter().zip(words.as_chunks().0) {
                difference |= line_difference(chunks, words);
            }
            // The last eight, some of them for the second time: cheaper than to count them.
            difference |= line_difference(last_chunks, last_words);
        } else {
            for (chunk, word) in chunks.iter().zip(words) {
                difference |= u64::from_le_bytes(*chunk) ^ peek(word);
            }
        }
        difference == 0
    }

    /// Copies words of the value, from word `from` on; `false` if it has fewer.
    #[inline]
    pub(super) fn copy_value(&self, from: usize, out: &mut [u64]) -> bool {
        let Some(words) = self.value().and_then(|value| value.get(from..)?.get(..out.len())) else {
            return false;
        };
        out.iter_mut().zip(words).for_each(|(out, word)| *out = peek(word));
        true
    }

    /// Copies the first words of the value, as many as there are and fit; `false` if the entry is cut off.
    #[inline]
    pub(super) fn copy_head<const WORDS: usize>(&self, head: &mut [u64; WORDS]) -> bool {
        let Some(value) = self.value() else { return false };
        if let Some(value) = value.first_chunk::<WORDS>() {
            // Of a size known when compiled: no loop.
            *head = core::array::from_fn(|at| value.get(at).map_or(0, peek));
        } else {
            head.iter_mut().zip(value).for_each(|(head, word)| *head = peek(word));
        }
        true
    }

    #[inline]
    fn value(&self) -> Option<&[AtomicU64]> {
        self.body.get(self.shape.key_words()..)?.get(..self.shape.value_words)
    }
}

impl Shape {
    pub(super) fn lines(self) -> u64 {
        self.words().div_ceil(LINE_WORDS) as u64
    }

    fn words(self) -> usize {
        HEADER_WORDS.saturating_add(self.key_words()).saturating_add(self.value_words)
    }

    /// Whole words, and one for the rest.
    #[inline]
    fn key_words(self) -> usize {
        self.key_bytes / 8 + 1
    }

    /// Both sizes fit: a larger entry than [`super::LARGEST_ENTRY_LINES`] is never written.
    fn pack(self) -> u64 {
        let half = |size: usize| u64::from(u32::try_from(size).unwrap_or(u32::MAX));
        half(self.key_bytes) << 32 | half(self.value_words)
    }

    #[inline]
    fn unpack(word: u64) -> Shape {
        let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
        let size = |bytes| u32::from_le_bytes(bytes) as usize;
        Shape { key_bytes: size([e, f, g, h]), value_words: size([a, b, c, d]) }
    }
}

/// The last eight bytes of a key, which may overlap its last whole word.
#[inline]
fn last_word(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |last| u64::from_le_bytes(*last))
}

/// Not 0 if any of eight words differ.
#[inline]
fn line_difference(chunks: &[[u8; 8]; LINE_WORDS], words: &[AtomicU64; LINE_WORDS]) -> u64 {
    let mut difference = 0;
    for (chunk, word) in chunks.iter().zip(words) {
        difference |= u64::from_le_bytes(*chunk) ^ peek(word);
    }
    difference
}
