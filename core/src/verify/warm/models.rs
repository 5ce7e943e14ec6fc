//! Models that loom runs through every interleaving, up to a number of preemptions, and every stale value that
//! the memory model lets a load return.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p libtoken --release --lib warm::models`. Each weakened ordering must be
//! caught, or it would not be needed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::Arc;
use loom::thread;

use super::sync::Site;
use super::sync::weak::weaken;
use super::{Keying, Sizes, WarmTable};

/// Tokens whose entries take one line each.
const TOKENS: [&[u8]; 3] =
    [b"first token, 30 bytes of text.", b"other token, 30 bytes of text.", &[b'z'; 30]];

/// Room for two entries in the small ring and one in the main one.
fn table() -> Arc<WarmTable> {
    let sizes = Sizes { sets: 1, small_lines: 2, main_lines: 1 };
    Arc::new(WarmTable::with_sizes(&sizes, Keying::WholeToken, *b"warm table seed!"))
}

/// The value of a token: a word that says whose it is, twice.
fn value(token: usize, version: u64) -> [u64; 2] {
    [token as u64 + 1, version * 10 + token as u64 + 1]
}

fn check(table: &WarmTable, token: usize) -> Option<u64> {
    let mut head = [0; 2];
    table.find(TOKENS[token], &mut head)?;
    assert_eq!(head[0], token as u64 + 1, "another token's value");
    assert_eq!(head[1] % 10, token as u64 + 1, "half of another value");
    Some(head[1] / 10)
}

fn spawn(table: &Arc<WarmTable>, work: impl Fn(&WarmTable) + 'static) -> thread::JoinHandle<()> {
    let table = Arc::clone(table);
    thread::spawn(move || work(&table))
}

/// loom 0.7 overlooks that a thread's store depends on another's load if the storing thread has itself loaded
/// the word in between, and first runs the thread that spawns: so that is always the writer.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 100_000;
    builder.check(model);
}

/// A reader while one writer publishes: the reader sees all of an entry or none of it.
fn publication() {
    explore(|| {
        let table = table();
        let reader = spawn(&table, |table| assert!(matches!(check(table, 0), None | Some(1))));
        table.insert(TOKENS[0], &value(0, 1));
        reader.join().unwrap();
        assert_eq!(check(&table, 0), Some(1));
    });
}

/// A reader while its entry is moved to the main ring, and dropped there for others.
fn overwriting() {
    explore(|| {
        let table = table();
        table.insert(TOKENS[0], &value(0, 1));
        let reader = spawn(&table, |table| assert!(matches!(check(table, 0), None | Some(1))));
        for version in 2..5 {
            table.insert(TOKENS[1], &value(1, version));
        }
        reader.join().unwrap();
    });
}

/// The first writer gives up more than it overwrites, and the second one overwrites the rest: the fence before it
/// must be its own.
fn two_writers() {
    explore(|| {
        // Two entries of two lines fill the small ring; the main ring is too small for them.
        let sizes = Sizes { sets: 1, small_lines: 4, main_lines: 1 };
        let table = Arc::new(WarmTable::with_sizes(&sizes, Keying::WholeToken, *b"warm table seed!"));
        table.insert(TOKENS[0], &[5; 10]);
        table.insert(TOKENS[1], &[6; 10]);
        let writer = spawn(&table, |table| table.insert(&[b'y'; 30], &[7; 2]));
        let reader = spawn(&table, |table| {
            let mut head = [5; 10];
            if table.find(TOKENS[0], &mut head).is_some() {
                assert_eq!(head, [5; 10], "another token's words");
            }
        });
        table.insert(TOKENS[2], &[8; 2]);
        writer.join().unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn readers_see_whole_entries() {
    weaken(None);
    publication();
}

#[test]
fn overwritten_entries_are_not_believed() {
    weaken(None);
    overwriting();
}

#[test]
fn writers_take_turns() {
    weaken(None);
    two_writers();
}

/// A removed entry does not come back, though a writer is moving it just then.
#[test]
fn removed_while_it_is_moved() {
    weaken(None);
    explore(|| {
        let table = table();
        table.insert(TOKENS[0], &value(0, 1));
        let remover = spawn(&table, |table| {
            table.remove(TOKENS[0]);
            assert_eq!(check(table, 0), None);
        });
        // Move the first entry to the main ring and then out of it.
        table.insert(TOKENS[1], &value(1, 1));
        table.insert(TOKENS[2], &value(2, 1));
        remover.join().unwrap();
        assert_eq!(check(&table, 0), None);
        let stats = table.stats();
        let found = (1..3).filter(|token| check(&table, *token).is_some()).count();
        assert_eq!(stats.entries, found as u64);
    });
}

/// Two threads verified the same token: one of them keeps it or both give it up, and it is never there twice.
#[test]
fn the_same_token_from_two_threads() {
    weaken(None);
    explore(|| {
        let table = table();
        let other = spawn(&table, |table| table.insert(TOKENS[0], &value(0, 1)));
        table.insert(TOKENS[0], &value(0, 2));
        other.join().unwrap();
        let left = u64::from(check(&table, 0).is_some());
        assert_eq!(table.stats().entries, left);
        table.remove(TOKENS[0]);
        assert_eq!(check(&table, 0), None);
        assert_eq!(table.stats().entries, 0);
    });
}

#[test]
fn every_ordering_is_needed() {
    for (site, model) in [
        (Site::Publish, publication as fn()),
        (Site::Observe, publication),
        (Site::Overwrite, overwriting),
        (Site::Validate, overwriting),
    ] {
        weaken(Some(site));
        let caught = catch_unwind(AssertUnwindSafe(model)).is_err();
        weaken(None);
        assert!(caught, "{site:?} can be weakened and no model sees it");
    }
}
