//! The warm table against a plain map, at its edges, and under threads.

use std::collections::{HashMap, VecDeque};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::ring::{END_OF_PLACES, Ring, Shape};
use super::*;

const SEED: [u8; 16] = *b"warm table seed!";
const KEYINGS: [Keying; 2] = [Keying::WholeToken, Keying::Digest([7; 32])];

/// Miri runs a few hundred times slower.
const EFFORT: usize = if cfg!(miri) { 1 } else { 100 };

struct Random(u64);

impl Random {
    /// xorshift64* (Vigna, 2016).
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from((self.next() >> 33) % bound as u64).unwrap()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[4]).collect()
    }
}

fn table(sets: usize, small_lines: usize, main_lines: usize, keying: &Keying) -> WarmTable {
    WarmTable::with_sizes(&Sizes { sets, small_lines, main_lines }, keying.clone(), SEED)
}

/// The whole value of a token, read in two parts.
fn value_of(table: &WarmTable, token: &[u8]) -> Option<Vec<u64>> {
    let mut head = [0; 5];
    let hit = table.find(token, &mut head)?;
    let mut value = vec![0; hit.value_words()];
    let begin = value.len().min(head.len());
    value[..begin].copy_from_slice(&head[..begin]);
    assert!(table.read(hit, begin, &mut value[begin..]), "nobody writes meanwhile");
    Some(value)
}

fn entries_in_index(table: &WarmTable, tokens: &[Vec<u8>]) -> u64 {
    tokens.iter().filter(|token| table.find(token, &mut []).is_some()).count() as u64
}

#[test]
fn what_is_kept_is_found_with_its_value() {
    for keying in &KEYINGS {
        let table = table(4, 32, 64, keying);
        let mut random = Random(1);
        for value_words in [0, 1, 4, 5, 6, 40] {
            let token = random.bytes(300);
            let value: Vec<u64> = (0..value_words).map(|_| random.next()).collect();
            assert_eq!(value_of(&table, &token), None);
            table.insert(&token, &value);
            assert_eq!(value_of(&table, &token), Some(value.clone()));
            let hit = table.find(&token, &mut [0; 64]).unwrap();
            assert!(!table.read(hit, 0, &mut vec![0; value.len() + 1]), "more than there is");
            assert!(!table.read(hit, usize::MAX, &mut [0]), "from beyond the end");
            assert!(table.read(hit, value.len(), &mut []));
        }
    }
}

#[test]
fn a_token_that_differs_anywhere_is_not_found() {
    for keying in &KEYINGS {
        let table = table(1, 32, 64, keying);
        let mut random = Random(2);
        let lengths = if cfg!(miri) { vec![22, 64, 75] } else { (22..=200).collect() };
        for len in lengths {
            let mut token = random.bytes(len);
            table.insert(&token, &[len as u64]);
            for at in 0..len {
                for bit in [1, 0x80] {
                    token[at] ^= bit;
                    assert!(table.find(&token, &mut [0]).is_none(), "byte {at} of {len}");
                    token[at] ^= bit;
                }
            }
            assert!(table.find(&token[1..], &mut [0]).is_none());
            assert!(table.find(&[b"x", &token[..]].concat(), &mut [0]).is_none());
            assert_eq!(value_of(&table, &token), Some(vec![len as u64]));
        }
    }
}

/// The warm table may forget, but what it says is what was said last, and the newest token is always there.
#[test]
fn random_use_agrees_with_a_map() {
    for (round, keying) in (1..).zip(KEYINGS.iter().cycle().take(if cfg!(miri) { 2 } else { 8 })) {
        let mut random = Random(round);
        let table = table(1 + random.below(8), 8 + random.below(60), 1 + random.below(200), keying);
        let tails: Vec<Vec<u8>> = (0..6).map(|_| random.bytes(24)).collect();
        let tokens: Vec<Vec<u8>> = (0..150)
            .map(|_| {
                let len = random.below(400);
                let mut token = random.bytes(len);
                // Every third token meets others in its hash.
                if random.below(3) == 0 {
                    token.extend_from_slice(&tails[random.below(tails.len())]);
                }
                token
            })
            .collect();
        let mut known: HashMap<usize, Vec<u64>> = HashMap::new();
        let mut hits = 0;
        for _ in 0..EFFORT * 300 {
            // The lower a token's number, the more often it is used.
            let bound = 1 + random.below(tokens.len());
            let number = random.below(bound);
            let token = &tokens[number];
            match random.below(100) {
                0..70 => {
                    if let Some(value) = value_of(&table, token) {
                        assert_eq!(Some(&value), known.get(&number));
                        hits += 1;
                    }
                }
                70..95 => {
                    let value: Vec<u64> = (0..random.below(50)).map(|_| random.next()).collect();
                    table.insert(token, &value);
                    let key_bytes = if let Keying::Digest(_) = keying { 32 } else { token.len() };
                    let shape = Shape { key_bytes, value_words: value.len() };
                    let is_kept = key_bytes >= MIN_KEY_BYTES && shape.lines() <= table.largest_lines;
                    known.insert(number, value);
                    assert_eq!(value_of(&table, token).as_ref(), known.get(&number).filter(|_| is_kept));
                }
                95..99 => {
                    table.remove(token);
                    known.remove(&number);
                    assert_eq!(value_of(&table, token), None);
                }
                _ if random.below(10) == 0 => {
                    table.clear();
                    known.clear();
                    assert_eq!(table.stats().entries, 0);
                }
                _ => assert_eq!(table.stats().entries, entries_in_index(&table, &tokens)),
            }
        }
        assert!(hits > EFFORT, "the table was of use: {hits}");
        assert_eq!(table.stats().skipped, 0);
    }
}

#[test]
fn tokens_that_meet_in_one_set_never_stand_for_each_other() {
    let table = table(1, 64, 64, &Keying::WholeToken);
    let mut random = Random(3);
    let tail = random.bytes(MIN_KEY_BYTES);
    let tokens: Vec<Vec<u8>> = (0..20).map(|_| [random.bytes(60), tail.clone()].concat()).collect();
    for (number, token) in tokens.iter().enumerate() {
        table.insert(token, &[number as u64]);
        for (other, token) in tokens.iter().enumerate() {
            match value_of(&table, token) {
                Some(value) => assert_eq!(value, [other as u64]),
                None => assert_ne!(other, number, "the newest is there"),
            }
        }
        assert_eq!(table.stats().entries, (number as u64 + 1).min(WAYS as u64));
    }
    // They differ only where the hash does not look.
    let mut other = tokens[19].clone();
    other[0] ^= 1;
    assert_eq!(table.hash(&other), table.hash(&tokens[19]));
    table.remove(&other);
    assert_eq!(value_of(&table, &tokens[19]), Some(vec![19]));
}

#[test]
fn sizes_at_their_ends() {
    let whole = table(1, 16, 16, &Keying::WholeToken);
    for (len, is_kept) in [(0, false), (1, false), (21, false), (22, true), (23, true), (24, true)] {
        let token = vec![b'a'; len];
        whole.insert(&token, &[1, 2]);
        assert_eq!(value_of(&whole, &token), is_kept.then(|| vec![1, 2]), "{len} bytes");
        whole.remove(&token);
        assert_eq!(value_of(&whole, &token), None);
    }
    // Half of the small ring: 8 lines of 8 words, of which 2 head the entry and 4 hold the token.
    let token = vec![b'b'; 30];
    whole.insert(&token, &[7; 58]);
    assert_eq!(value_of(&whole, &token), Some(vec![7; 58]));
    whole.insert(&token, &[8; 59]);
    assert_eq!(value_of(&whole, &token), None, "the value from before is not kept in its place");
    // A digest has one size, whatever the token's.
    let digest = table(1, 16, 16, &KEYINGS[1]);
    for len in [0, 1, EFFORT * 1000] {
        digest.insert(&vec![b'c'; len], &[len as u64]);
        assert_eq!(value_of(&digest, &vec![b'c'; len]), Some(vec![len as u64]));
    }
}

#[test]
fn memory_is_what_was_asked_for() {
    let config =
        |bytes, entries, keying: &Keying| WarmConfig { bytes, entries, keying: keying.clone(), seed: SEED };
    for keying in &KEYINGS {
        let largest = if cfg!(miri) { 100_000 } else { 1 << 19 };
        assert!(WarmTable::new(&config(0, None, keying)).is_none());
        assert!(WarmTable::new(&config(MIN_BYTES - 1, Some(10), keying)).is_none());
        for bytes in [MIN_BYTES, MIN_BYTES + 1, 50_000, largest] {
            for entries in [None, Some(0), Some(1), Some(300), Some(usize::MAX)] {
                let table = WarmTable::new(&config(bytes, entries, keying)).unwrap();
                let taken = table.stats().bytes;
                assert!(taken <= bytes && taken > bytes - LINE_BYTES, "{taken} of {bytes}");
                let token = vec![b'd'; 600];
                table.insert(&token, &[3; 4]);
                // An index for more entries than there is memory for leaves less room for large ones.
                let key_bytes = if let Keying::Digest(_) = keying { 32 } else { token.len() };
                let lines = Shape { key_bytes, value_words: 4 }.lines();
                let is_kept = entries.is_none() || lines <= table.largest_lines;
                assert_eq!(value_of(&table, &token).is_some(), is_kept, "{bytes} {entries:?}");
            }
        }
    }
}

/// The ring alone against a queue: no entry is overwritten before it is given up.
#[test]
fn a_ring_keeps_its_entries_apart() {
    for seed in 1..if cfg!(miri) { 3 } else { 40 } {
        let mut random = Random(seed);
        let lines = 1 + random.below(40);
        let (ring, mut ends) = Ring::new(lines);
        let mut queue: VecDeque<(u64, Shape, u64)> = VecDeque::new();
        for round in 0..EFFORT as u64 * 20 {
            let shape = Shape { key_bytes: 22 + random.below(60), value_words: random.below(lines * 8) };
            match ring.reserve(&mut ends, shape.lines()) {
                Some(place) => {
                    assert!(queue.back().is_none_or(|(last, shape, _)| last + shape.lines() <= place));
                    let value = vec![round; shape.value_words];
                    ring.write(place, round, &vec![b'e'; shape.key_bytes], &value);
                    queue.push_back((place, shape, round));
                }
                None => {
                    assert_eq!(ring.oldest(&ends), queue.front().map(|(place, ..)| *place));
                    let Some((place, shape, _)) = queue.pop_front() else {
                        assert!(shape.lines() > lines as u64, "an empty ring has room");
                        continue;
                    };
                    ring.drop_oldest(&ends, shape.lines());
                    assert!(!ring.holds(place));
                }
            }
            for (place, shape, round) in &queue {
                let entry = ring.entry(*place).unwrap();
                assert_eq!((entry.shape, entry.hash), (*shape, *round));
                assert!(entry.has_key(&vec![b'e'; shape.key_bytes]));
                let mut value = vec![0; shape.value_words];
                assert!(entry.copy_value(0, &mut value) && ring.holds(*place));
                assert_eq!(value, vec![*round; shape.value_words]);
            }
        }
    }
}

#[test]
fn a_ring_at_the_end_of_its_places_takes_nothing() {
    let (ring, mut ends) = Ring::starting_at(8, END_OF_PLACES - 8);
    assert_eq!(ring.reserve(&mut ends, 5), Some(END_OF_PLACES - 8));
    assert_eq!(ring.reserve(&mut ends, 3), Some(END_OF_PLACES - 3));
    ring.drop_oldest(&ends, 5);
    ring.drop_oldest(&ends, 3);
    assert_eq!(ring.oldest(&ends), None);
    assert_eq!(ring.reserve(&mut ends, 1), None);
    // A table whose rings are used up goes on without inserting.
    let mut table = table(1, 8, 8, &Keying::WholeToken);
    let (small, small_ends) = Ring::starting_at(8, END_OF_PLACES - 8);
    table.small = small;
    table.writer.get_mut().unwrap().small = small_ends;
    for number in 0..100_u8 {
        table.insert(&[number; 30], &[1]);
        assert_eq!(value_of(&table, &[number; 30]).is_some(), number < 8);
    }
}

#[test]
#[cfg(not(miri))] // About what is kept, not about how; a million words to store.
fn a_working_set_outlives_a_flood() {
    let table =
        WarmTable::new(&WarmConfig { bytes: 1 << 17, entries: None, keying: Keying::WholeToken, seed: SEED })
            .unwrap();
    let mut random = Random(5);
    let working: Vec<Vec<u8>> = (0..30).map(|_| random.bytes(600)).collect();
    let mut lost = 0;
    for _ in 0..1000 {
        for token in &working {
            if table.find(token, &mut [0; 12]).is_none() {
                lost += 1;
                table.insert(token, &[1; 20]);
            }
        }
        for _ in 0..60 {
            table.insert(&random.bytes(600), &[2; 20]);
        }
    }
    // Each is verified once as a newcomer, and once more if it was dropped before it was asked for twice.
    assert!(lost <= 2 * working.len(), "{lost}");
}

/// Writers keep, replace and remove; readers believe nothing: every value must be one that was kept for exactly
/// that token.
#[test]
fn threads_never_see_another_tokens_value() {
    // Hashing is slow under Miri, and no other thread sees it.
    for keying in &KEYINGS[..if cfg!(miri) { 1 } else { 2 }] {
        let table = table(2, 24, 60, keying);
        let mut random = Random(6);
        let tail = random.bytes(MIN_KEY_BYTES);
        let mut tokens: Vec<Vec<u8>> = (0..40).map(|number| random.bytes(30 + number * 7)).collect();
        tokens.extend((0..10).map(|number| [random.bytes(number * 9), tail.clone()].concat()));
        let value = |number: usize, version: u64| -> Vec<u64> {
            let word = |at: u64| (number as u64) << 48 | version << 16 | at;
            (0..1 + (version * 7 + number as u64) % 30).map(word).collect()
        };
        let start = Barrier::new(4);
        let done = AtomicBool::new(false);
        let hits = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let writers: Vec<_> = (1..=2)
                .map(|thread| {
                    let (table, tokens, value, start) = (&table, &tokens, &value, &start);
                    scope.spawn(move || {
                        let mut random = Random(thread);
                        start.wait();
                        for version in 0..EFFORT as u64 * 200 {
                            let number = random.below(tokens.len());
                            match random.below(20) {
                                0 => table.remove(&tokens[number]),
                                1 if version % 64 == 1 => table.clear(),
                                _ => table.insert(&tokens[number], &value(number, version)),
                            }
                        }
                    })
                })
                .collect();
            for thread in 3..=4 {
                let (table, tokens, value) = (&table, &tokens, &value);
                let (start, done, hits) = (&start, &done, &hits);
                scope.spawn(move || {
                    let mut random = Random(thread);
                    let mut seen = 0;
                    let mut rounds = 0;
                    start.wait();
                    // A few also when the writers are done: some entries are left.
                    while !done.load(Ordering::Relaxed) || rounds < EFFORT * 10 {
                        rounds += 1;
                        let number = random.below(tokens.len());
                        let mut head = [u64::MAX; 3];
                        let Some(hit) = table.find(&tokens[number], &mut head) else { continue };
                        seen += 1;
                        let version = head[0] >> 16 & 0xffff_ffff;
                        let expected = value(number, version);
                        assert_eq!(hit.value_words(), expected.len());
                        let begin = expected.len().min(head.len());
                        assert_eq!(head[..begin], expected[..begin]);
                        let mut rest = vec![0; expected.len() - begin];
                        if table.read(hit, begin, &mut rest) {
                            assert_eq!(rest, expected[begin..]);
                        }
                    }
                    hits.fetch_add(seen, Ordering::Relaxed);
                });
            }
            for writer in writers {
                writer.join().unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        if !cfg!(miri) {
            assert!(hits.into_inner() > 0);
        }
        assert_eq!(table.stats().entries, entries_in_index(&table, &tokens), "no slot is counted twice");
    }
}

/// One thread at a time owns a token. What it removed it never finds again, however much the others move.
#[test]
fn removed_is_removed_while_others_write() {
    let table = table(2, 24, 60, &Keying::WholeToken);
    std::thread::scope(|scope| {
        for thread in 1..=3 {
            let table = &table;
            scope.spawn(move || {
                let mut random = Random(thread);
                let tokens: Vec<Vec<u8>> = (0..12).map(|_| random.bytes(40)).collect();
                let mut versions = [None; 12];
                for version in 0..EFFORT as u64 * 200 {
                    let number = random.below(tokens.len());
                    let mut head = [0];
                    if table.find(&tokens[number], &mut head).is_some() {
                        assert_eq!(Some(head[0]), versions[number]);
                    }
                    if random.below(3) == 0 {
                        table.remove(&tokens[number]);
                        versions[number] = None;
                        assert!(table.find(&tokens[number], &mut head).is_none());
                    } else {
                        // May be left out, but then the version before is gone too.
                        table.insert(&tokens[number], &[version]);
                        versions[number] = Some(version);
                    }
                }
            });
        }
    });
}
