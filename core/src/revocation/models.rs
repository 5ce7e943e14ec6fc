//! Models of publishing, raising, spilling and rebuilding, under every interleaving and every reordering that
//! the memory model allows: `RUSTFLAGS="--cfg loom" cargo test --release -p libtoken --lib models`.
//!
//! Each model passes, and fails as soon as the one ordering that it is about is weakened to Relaxed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::thread;

use super::sync::{Site, weaken};
use super::table::Table;
use super::*;

const T: i64 = 1_800_000_000;

/// A fingerprint whose home is the first of the two groups; all of them have different tags.
fn fingerprint(number: u8) -> Fingerprint {
    Fingerprint::from_parts(u64::from(number), u32::from(number) << 16)
}

fn id(number: u8) -> Entry {
    Entry { fingerprint: fingerprint(number), kind: EntryKind::Id, time: T }
}

fn not_before(number: u8, time: i64) -> Entry {
    Entry { fingerprint: fingerprint(number), kind: EntryKind::NotBefore, time }
}

/// A published state with the ids 1 to `entries`, acknowledged as that sequence.
fn writer_with(entries: u8) -> Writer {
    let settings = WriterSettings { key_id: [0; 8], retention_seconds: 0, expected_entries: 0 };
    let mut writer = Writer::in_memory(settings, T).unwrap();
    for number in 1..=entries {
        writer.insert(&id(number)).unwrap();
    }
    writer.commit(u64::from(entries), T).unwrap();
    writer
}

fn lookup(reader: &mut Reader, number: u8) -> NotBefore {
    match reader.pin().unwrap().lookup(fingerprint(number)) {
        Answer::Exactly(not_before) => not_before,
        Answer::Maybe => unreachable!(),
    }
}

/// Every entry whose tag can be seen in `group` is one that was inserted.
fn assert_whole(table: &Table, group: usize) -> usize {
    let mut seen = 0;
    table.for_each_in(group, |found, _| {
        assert!((1..=9).any(|number| found == fingerprint(number)), "half an entry");
        seen += 1;
    });
    seen
}

fn publish() {
    let mut writer = writer_with(0);
    let mut reader = writer.live().reader();
    let readers = thread::spawn(move || {
        let sequence = reader.live().applied_sequence();
        for number in 1..=sequence {
            assert_eq!(lookup(&mut reader, u8::try_from(number).unwrap()), NotBefore::ALWAYS, "missed");
        }
    });
    for number in 1..=2 {
        writer.insert(&id(number)).unwrap();
        writer.commit(u64::from(number), T).unwrap();
    }
    readers.join().unwrap();
}

fn raise() {
    let mut writer = writer_with(0);
    writer.insert(&not_before(1, T)).unwrap();
    let mut reader = writer.live().reader();
    let readers = thread::spawn(move || {
        let sequence = i64::try_from(reader.live().applied_sequence()).unwrap();
        let first = lookup(&mut reader, 1);
        assert!(first >= NotBefore::at(T + sequence), "missed");
        assert!(lookup(&mut reader, 1) >= first, "went back");
    });
    for sequence in 1..=2 {
        writer.insert(&not_before(1, T + sequence)).unwrap();
        writer.commit(sequence.unsigned_abs(), T).unwrap();
    }
    readers.join().unwrap();
}

/// A tag shows a whole entry, before any acknowledgment.
fn tag() {
    let mut writer = writer_with(0);
    let mut reader = writer.live().reader();
    let readers = thread::spawn(move || {
        let pinned = reader.pin().unwrap();
        assert_whole(pinned.table, 0);
    });
    writer.insert(&id(1)).unwrap();
    writer.insert(&id(2)).unwrap();
    readers.join().unwrap();
}

/// The eighth entry of a group goes to the next one; whoever can see it there finds it from its home, and the
/// store that marks the home group still shows the seventh as a whole.
fn spill() {
    let mut writer = writer_with(6);
    let mut reader = writer.live().reader();
    let readers = thread::spawn(move || {
        let pinned = reader.pin().unwrap();
        assert_whole(pinned.table, 0);
        if assert_whole(pinned.table, 1) > 0 {
            assert_eq!(pinned.lookup(fingerprint(8)), Answer::Exactly(NotBefore::ALWAYS), "missed");
        }
    });
    writer.insert(&id(7)).unwrap();
    writer.insert(&id(8)).unwrap();
    readers.join().unwrap();
}

/// Before, during and after a change of tables, what was acknowledged is found.
fn rebuild() {
    let mut writer = writer_with(1);
    let mut reader = writer.live().reader();
    // loom does not see into the swapped Arc, neither its counting nor its order. So the old table must outlive
    // both threads, and the reader has it at hand: only the generation sends it to the new one, as between
    // processes.
    let _old = writer.live().table.load_full();
    assert!(reader.pin().is_some());
    let readers = thread::spawn(move || {
        for _ in 0..2 {
            let sequence = reader.live().applied_sequence();
            for number in 1..=sequence {
                assert_eq!(lookup(&mut reader, u8::try_from(number).unwrap()), NotBefore::ALWAYS, "missed");
            }
        }
    });
    writer.finish_rebuild().unwrap();
    writer.insert(&id(2)).unwrap();
    writer.commit(2, T).unwrap();
    readers.join().unwrap();
}

fn explore(model: fn()) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = None;
    builder.check(model);
}

fn fails_without(site: Site, model: fn(), complaint: &str) {
    weaken(site);
    let outcome = catch_unwind(AssertUnwindSafe(|| explore(model)));
    let panic = outcome.expect_err("it can be weakened and nothing notices");
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    assert!(text.is_some_and(|text| text.contains(complaint)), "{text:?}");
}

#[test]
fn models_publish() {
    explore(publish);
}

#[test]
fn models_raise() {
    explore(raise);
}

#[test]
fn models_tag() {
    explore(tag);
}

#[test]
fn models_spill() {
    explore(spill);
}

#[test]
fn models_rebuild() {
    explore(rebuild);
}

#[test]
fn publishing_needs_the_sequence_in_order() {
    fails_without(Site::Sequence, publish, "missed");
}

#[test]
fn publishing_needs_the_readers_fence() {
    fails_without(Site::Reader, publish, "missed");
}

#[test]
fn raising_needs_the_sequence_in_order() {
    fails_without(Site::Sequence, raise, "missed");
}

#[test]
fn a_whole_entry_needs_the_tag_in_order() {
    fails_without(Site::Tag, tag, "half an entry");
}

#[test]
fn spilling_needs_the_mark_in_order() {
    fails_without(Site::Mark, spill, "half an entry");
}

#[test]
fn rebuilding_needs_the_generation_in_order() {
    // The reader gets at memory that nothing orders after its creation; loom sees that before the miss.
    fails_without(Site::Generation, rebuild, "Causality violation");
}
