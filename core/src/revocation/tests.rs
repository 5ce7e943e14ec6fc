//! The live state against an obvious twin, under stress, and across processes.
//!
//! `LIBTOKEN_STRESS_CHECKS` and `LIBTOKEN_EXACTNESS_CHECKS` set how many checks the two long tests make.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{env, fs, thread};

use proptest::prelude::*;

use super::*;
use crate::limits::MAX_LEEWAY_SECONDS;

const T: i64 = 1_800_000_000;
const KEY_ID: [u8; 8] = *b"test key";
const LENIENT: DoubtPolicy =
    DoubtPolicy { max_staleness_seconds: None, on_stale: Fallback::Refuse, on_maybe: Fallback::Refuse };

fn settings(expected_entries: usize) -> WriterSettings {
    WriterSettings { key_id: KEY_ID, retention_seconds: 3_600, expected_entries }
}

/// SplitMix64: the fingerprints of a keyed hash look like this.
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

fn fingerprint(number: u64) -> Fingerprint {
    let tail = random(number ^ 0x5555_5555_5555_5555) >> 32;
    Fingerprint::from_parts(random(number), u32::try_from(tail).unwrap())
}

fn id(number: u64, until: i64) -> Entry {
    Entry { fingerprint: fingerprint(number), kind: EntryKind::Id, time: until }
}

fn not_before(number: u64, time: i64) -> Entry {
    Entry { fingerprint: fingerprint(number), kind: EntryKind::NotBefore, time }
}

fn probes(number: u64, iat: Option<i64>) -> Probes {
    let mut probes = Probes::new(iat);
    probes.push(Probe { fingerprint: fingerprint(number), scope: 3 }).unwrap();
    probes
}

fn is_revoked(reader: &mut Reader, number: u64, iat: Option<i64>) -> bool {
    let verdict = reader.check(&probes(number, iat), &LENIENT, T);
    assert_eq!(verdict.freshness, Freshness::Fresh);
    match verdict.finding {
        Finding::Clear => false,
        Finding::Revoked { scope: 3 } => true,
        other => panic!("{other:?}"),
    }
}

/// A directory of its own, gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("libtoken-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn live(&self) -> PathBuf {
        self.0.join("live")
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.0)
            .unwrap()
            .map(|found| found.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn long_run(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

#[derive(Clone, Debug)]
enum Step {
    Insert { number: u64, id: bool, offset: i64 },
    Commit { seconds: i64 },
    Maintain { groups: usize },
    Rebuild,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        30 => (0..600_u64, any::<bool>(), 0..20_000_i64)
            .prop_map(|(number, id, offset)| Step::Insert { number, id, offset }),
        4 => (0..400_i64).prop_map(|seconds| Step::Commit { seconds }),
        2 => (0..40_usize).prop_map(|groups| Step::Maintain { groups }),
        1 => Just(Step::Rebuild),
    ];
    proptest::collection::vec(step, 0..1_500)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 60 }))]

    /// Whatever the order of insertions, commits and rebuilds: what was inserted and has not expired is found
    /// with its latest time, and nothing else is found.
    #[test]
    fn agrees_with_a_hash_map(steps in steps(), mapped: bool) {
        let scratch = Scratch::new("oracle");
        let mut writer = if mapped && !cfg!(miri) {
            Writer::open(&scratch.live(), settings(0), T).unwrap()
        } else {
            Writer::in_memory(settings(0), T).unwrap()
        };
        let mut twin: HashMap<(u64, EntryKind), i64> = HashMap::new();
        let mut now = T;
        let mut sequence = 0;
        writer.commit(sequence, now).unwrap();
        let mut reader = writer.live().reader();
        for step in steps {
            match step {
                Step::Insert { number, id, offset } => {
                    let kind = if id { EntryKind::Id } else { EntryKind::NotBefore };
                    let entry = Entry { fingerprint: fingerprint(number), kind, time: T + offset };
                    let change = writer.insert(&entry).unwrap();
                    let known = twin.entry((number, kind)).or_insert(i64::MIN);
                    // An expired one may be gone, and then the twin knows more.
                    if change == Change::Unchanged {
                        prop_assert!(*known >= entry.time);
                    }
                    *known = entry.time.max(*known);
                }
                Step::Commit { seconds } => {
                    now += seconds;
                    sequence += 1;
                    writer.commit(sequence, now).unwrap();
                    prop_assert_eq!(reader.live().applied_sequence(), sequence);
                }
                Step::Maintain { groups } => writer.maintain(groups).unwrap(),
                Step::Rebuild => writer.finish_rebuild().unwrap(),
            }
        }
        let pinned = reader.pin().unwrap();
        for number in 0..700 {
            let latest = |kind, keep: i64| twin.get(&(number, kind)).map(|time| (*time, *time + keep));
            let leeway = i64::from(MAX_LEEWAY_SECONDS);
            let id = latest(EntryKind::Id, leeway);
            let epoch = latest(EntryKind::NotBefore, 3_600 + leeway);
            let Answer::Exactly(found) = pinned.lookup(fingerprint(number)) else { panic!() };
            let least = match (id, epoch) {
                (Some((_, keep)), _) if keep >= now => NotBefore::ALWAYS,
                (_, Some((time, keep))) if keep >= now => NotBefore::at(time),
                _ => NotBefore::NONE,
            };
            let most = match (id, epoch) {
                (Some(_), _) => NotBefore::ALWAYS,
                (_, Some((time, _))) => NotBefore::at(time),
                _ => NotBefore::NONE,
            };
            prop_assert!(least <= found && found <= most, "{} {:?} {:?} {:?}", number, least, found, most);
        }
    }
}

#[test]
fn a_not_before_refuses_up_to_its_second() {
    let mut writer = Writer::in_memory(settings(0), T).unwrap();
    writer.insert(&not_before(1, T)).unwrap();
    writer.commit(1, T).unwrap();
    let mut reader = writer.live().reader();
    assert!(is_revoked(&mut reader, 1, Some(T - 1)));
    assert!(is_revoked(&mut reader, 1, Some(T)));
    assert!(!is_revoked(&mut reader, 1, Some(T + 1)), "a login afterwards works");
    assert!(is_revoked(&mut reader, 1, None), "who knows when that was issued");
    assert!(!is_revoked(&mut reader, 2, None));

    // An earlier one changes nothing, a later one raises it.
    assert_eq!(writer.insert(&not_before(1, T - 10)), Ok(Change::Unchanged));
    assert_eq!(writer.insert(&not_before(1, T + 1)), Ok(Change::Raised));
    writer.commit(2, T).unwrap();
    assert!(is_revoked(&mut reader, 1, Some(T + 1)));
    assert!(!is_revoked(&mut reader, 1, Some(T + 2)));
}

#[test]
fn an_id_is_revoked_whatever_the_times() {
    let mut writer = Writer::in_memory(settings(0), T).unwrap();
    // Its `until` has passed already: expiry removes entries, it does not weaken them.
    writer.insert(&id(1, T - 1_000_000)).unwrap();
    writer.commit(1, T).unwrap();
    let mut reader = writer.live().reader();
    for iat in [None, Some(0), Some(T), Some(i64::MAX)] {
        assert!(is_revoked(&mut reader, 1, iat));
    }
    // Both kinds for one value: each keeps its own meaning.
    writer.insert(&not_before(1, T)).unwrap();
    writer.insert(&not_before(2, T)).unwrap();
    writer.insert(&id(2, T)).unwrap();
    writer.commit(2, T).unwrap();
    assert!(is_revoked(&mut reader, 1, Some(T + 5)) && is_revoked(&mut reader, 2, Some(T + 5)));
    writer.finish_rebuild().unwrap();
    assert!(!is_revoked(&mut reader, 1, Some(T + 5)), "the id entry has expired");
    assert!(is_revoked(&mut reader, 1, Some(T)) && is_revoked(&mut reader, 2, Some(T + 5)));
}

#[test]
fn state_is_stale_until_loaded_and_when_old() {
    let mut writer = Writer::in_memory(settings(0), T).unwrap();
    let live = Arc::clone(writer.live());
    let mut reader = live.reader();
    assert_eq!(reader.check(&probes(1, None), &LENIENT, T).freshness, Freshness::Stale);
    assert_eq!(live.check(&probes(1, None), &LENIENT, T).stamp, None);
    assert_eq!(live.refresh(), Err(StateError::NotPublished));

    writer.insert(&id(1, T)).unwrap();
    writer.commit(1, T).unwrap();
    let policy = DoubtPolicy { max_staleness_seconds: Some(60), ..LENIENT };
    for (now, expected) in [(T - 5, Freshness::Fresh), (T + 60, Freshness::Fresh), (T + 61, Freshness::Stale)]
    {
        for verdict in
            [reader.check(&probes(2, None), &policy, now), live.check(&probes(2, None), &policy, now)]
        {
            assert_eq!(verdict.freshness, expected);
            assert_eq!(verdict.finding, Finding::Clear);
        }
    }
    let old = reader.check(&probes(1, None), &policy, T + 61);
    assert_eq!(old.finding, Finding::Revoked { scope: 3 }, "old knowledge is still knowledge");

    // A heartbeat makes it fresh again; its time never goes back, its sequence neither.
    writer.commit(1, T + 50).unwrap();
    writer.commit(1, T + 10).unwrap();
    assert_eq!(live.as_of(), T + 50);
    assert_eq!(writer.commit(0, T + 99), Err(StateError::SequenceBackwards));
}

#[test]
fn a_recheck_at_the_same_stamp_looks_nothing_up() {
    let mut writer = Writer::in_memory(settings(0), T).unwrap();
    writer.commit(1, T).unwrap();
    let mut reader = writer.live().reader();
    let first = reader.check(&probes(1, Some(T)), &LENIENT, T);
    let stamp = first.stamp.unwrap();
    assert_eq!((first.finding, stamp.sequence()), (Finding::Clear, 1));
    // Not acknowledged yet: the stamp stands.
    writer.insert(&id(1, T)).unwrap();
    assert_eq!(reader.recheck(&probes(1, Some(T)), stamp, &LENIENT, T).finding, Finding::Clear);
    writer.commit(2, T).unwrap();
    let second = reader.recheck(&probes(1, Some(T)), stamp, &LENIENT, T);
    assert_eq!(second.finding, Finding::Revoked { scope: 3 });
    assert_ne!(second.stamp, Some(stamp));
}

/// Insertions and expiry in balance, for many times the table's capacity.
#[test]
fn memory_is_flat_under_steady_load() {
    let mut writer = Writer::in_memory(settings(0), T).unwrap();
    let lifetime = if cfg!(miri) { 5 } else { 1_000 };
    let per_second = 20;
    let mut largest = 0;
    for second in 0..20 * lifetime {
        for i in 0..per_second {
            let number = u64::try_from(second * per_second + i).unwrap();
            writer.insert(&id(number, T + second + lifetime)).unwrap();
        }
        writer.commit(u64::try_from(second).unwrap(), T + second).unwrap();
        if second > 2 * (lifetime + i64::from(MAX_LEEWAY_SECONDS)) {
            largest = largest.max(writer.stats().bytes);
        }
    }
    let live = usize::try_from((lifetime + i64::from(MAX_LEEWAY_SECONDS)) * per_second).unwrap();
    assert!(largest <= live * 24 + 4096, "{largest} bytes for {live} live entries");
    assert!(cfg!(miri) || writer.stats().generation > 20);

    // Without any insertion, maintenance alone empties it.
    for _ in 0..if cfg!(miri) { 200 } else { 10_000 } {
        writer.commit(u64::MAX, T + 100 * lifetime).unwrap();
        writer.maintain(64).unwrap();
    }
    assert_eq!(writer.stats().entries, 0);
    assert!(writer.stats().bytes < 4096);
}

/// Writers revoke while readers verify: nothing acknowledged passes, nothing else is refused.
/// The long run: `LIBTOKEN_STRESS_CHECKS=100000000 cargo test --release -p libtoken --lib stress`.
#[test]
fn stress() {
    let checks = long_run("LIBTOKEN_STRESS_CHECKS", if cfg!(miri) { 500 } else { 2_000_000 });
    let scratch = Scratch::new("stress");
    let writers = if cfg!(miri) {
        vec![Writer::in_memory(settings(0), T).unwrap()]
    } else {
        vec![
            Writer::in_memory(settings(0), T).unwrap(),
            Writer::open(&scratch.live(), settings(0), T).unwrap(),
        ]
    };
    for mut writer in writers {
        writer.commit(0, T).unwrap();
        let live = Arc::clone(writer.live());
        let stop = AtomicBool::new(false);
        let (made, writer_generation) = (AtomicU64::new(0), AtomicU64::new(0));
        let half = checks / 2;
        // Enough for several rebuilds, whatever the scheduler does.
        let least = if cfg!(miri) { 200 } else { 50_000 };
        thread::scope(|scope| {
            // Even numbers are revoked one after the other, odd ones never; number 0 is an epoch that rises.
            scope.spawn(|| {
                let mut sequence = 0;
                while !stop.load(Ordering::Relaxed) {
                    let number = sequence + 1;
                    let until = T + i64::try_from(sequence).unwrap() / 64 + 100;
                    writer.insert(&id(2 * number, until)).unwrap();
                    writer.insert(&not_before(0, T + i64::try_from(number).unwrap())).unwrap();
                    sequence = number;
                    writer.commit(sequence, T + i64::try_from(sequence).unwrap() / 64).unwrap();
                }
                writer_generation.store(writer.stats().generation, Ordering::Relaxed);
            });
            for thread in 0..2 {
                let (live, stop, made) = (&live, &stop, &made);
                scope.spawn(move || {
                    let mut reader = live.reader();
                    for round in 0_u64.. {
                        if round % 64 == 0 {
                            let checks = made.fetch_add(64 * 3, Ordering::Relaxed);
                            if checks >= half && live.applied_sequence() >= least {
                                break;
                            }
                        }
                        let roll = random(round * 2 + thread);
                        let sequence = live.applied_sequence();
                        // Entries live for 400 seconds, which are 25,600 sequences.
                        if sequence > 0 {
                            let back = roll % sequence.min(5_000);
                            // Unless this thread had to wait so long that it did expire.
                            assert!(
                                is_revoked(&mut reader, 2 * (sequence - back), None)
                                    || live.applied_sequence() > sequence + 10_000,
                                "{sequence} {back}"
                            );
                            let since = T + i64::try_from(sequence).unwrap();
                            assert!(is_revoked(&mut reader, 0, Some(since)), "epoch at {sequence}");
                        }
                        assert!(!is_revoked(&mut reader, 2 * (roll >> 1) + 1, None));
                        if cfg!(miri) {
                            thread::yield_now();
                        }
                    }
                    stop.store(true, Ordering::Relaxed);
                });
            }
        });
        assert!(made.load(Ordering::Relaxed) >= half);
        assert!(live.applied_sequence() >= least);
        assert!(writer_generation.load(Ordering::Relaxed) > 1);
    }
}

/// No false refusal at a million entries. The long run: `LIBTOKEN_EXACTNESS_CHECKS=1000000000 cargo test
/// --release -p libtoken --lib exact`; without the variable it makes 1e8 in release mode.
#[test]
fn exact_at_a_million_entries() {
    let entries = if cfg!(miri) { 300 } else { 1_000_000 };
    let checks = match (cfg!(miri), cfg!(debug_assertions)) {
        (true, _) => 300,
        (false, true) => 2_000_000,
        (false, false) => 100_000_000,
    };
    let checks = long_run("LIBTOKEN_EXACTNESS_CHECKS", checks);
    let mut writer = Writer::in_memory(settings(entries), T).unwrap();
    for number in 0..entries as u64 {
        assert_eq!(writer.insert(&id(number, T)), Ok(Change::Inserted));
    }
    writer.commit(1, T).unwrap();
    let stats = writer.stats();
    assert!(stats.entries == entries && (stats.generation == 1 && stats.bytes <= entries * 24 || cfg!(miri)));
    let mut reader = writer.live().reader();
    let pinned = reader.pin().unwrap();
    let found = (0..entries as u64)
        .filter(|number| pinned.lookup(fingerprint(*number)) == Answer::Exactly(NotBefore::ALWAYS))
        .count();
    assert_eq!(found, entries);
    let false_refusals = (0..checks)
        .filter(|number| pinned.lookup(fingerprint(u64::MAX - number)) != Answer::Exactly(NotBefore::NONE))
        .count();
    assert_eq!(false_refusals, 0);
}

const CHILD: &str = "LIBTOKEN_TEST_CHILD";

/// What the other process does: answers `<number>` with whether it is revoked.
fn child(path: &Path) {
    let live = Live::open(path, KEY_ID).unwrap();
    let mut reader = live.reader();
    println!("ready");
    for line in std::io::stdin().lines() {
        let number = line.unwrap().parse().unwrap();
        println!("answer {}", is_revoked(&mut reader, number, Some(T)));
    }
}

#[test]
#[cfg_attr(miri, ignore = "miri starts no processes")]
fn another_process_sees_a_revocation_at_once() {
    if let Some(path) = env::var_os(CHILD) {
        return child(Path::new(&path));
    }
    let scratch = Scratch::new("processes");
    let mut writer = Writer::open(&scratch.live(), settings(0), T).unwrap();
    writer.commit(0, T).unwrap();
    let mut process = Command::new(env::current_exe().unwrap())
        .args(["--exact", "revocation::tests::another_process_sees_a_revocation_at_once", "--nocapture"])
        .env(CHILD, scratch.live())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut next = move |prefix: &str| {
        output.find_map(|line| line.unwrap().split_once(prefix).map(|(_, rest)| rest.to_owned())).unwrap()
    };
    next("ready");
    let mut ask = |number: u64| {
        writeln!(input, "{number}").unwrap();
        next("answer ") == "true"
    };
    // Through several generations of files, each number is asked for right before and right after.
    for number in 1..=2_000 {
        assert!(number % 50 != 0 || !ask(number), "{number}");
        writer.insert(&id(number, T)).unwrap();
        writer.commit(number, T).unwrap();
        assert!(number % 10 != 0 || ask(number), "{number}");
    }
    assert!(writer.stats().generation > 5);
    assert!((1..=2_000).step_by(7).all(&mut ask));

    // A writer that is gone leaves the state as it was; the next one goes on, and the reader follows it.
    drop(writer);
    assert!(ask(1_000));
    let mut writer = Writer::open(&scratch.live(), settings(0), T).unwrap();
    assert_eq!((writer.sequence(), writer.stats().entries), (2_000, 2_000));
    assert!(!ask(5_000));
    writer.insert(&id(5_000, T)).unwrap();
    writer.finish_rebuild().unwrap();
    writer.commit(2_001, T).unwrap();
    assert!(ask(5_000) && ask(1) && !ask(5_001));
    drop(input);
    assert!(process.wait().unwrap().success());
}

const KILLED: &str = "LIBTOKEN_TEST_KILLED";

/// What the process does that will be killed: revokes one number after the other, in a table that grows and
/// forgets, and says which it has acknowledged.
fn revoke_until_killed(path: &Path) {
    let mut writer = Writer::open(path, settings(0), T).unwrap();
    let mut out = std::io::stdout().lock();
    for number in writer.sequence() + 1.. {
        let now = T + i64::try_from(number).unwrap() / 64;
        writer.insert(&id(number, now + 100)).unwrap();
        writer.commit(number, now).unwrap();
        writeln!(out, "answer {number}").unwrap();
    }
}

/// `LIBTOKEN_KILLS=200` for the long run.
#[test]
#[cfg_attr(miri, ignore = "miri starts no processes")]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    if let Some(path) = env::var_os(KILLED) {
        return revoke_until_killed(Path::new(&path));
    }
    let scratch = Scratch::new("killed");
    let mut generation = 0;
    let mut last = 0;
    for round in 0..long_run("LIBTOKEN_KILLS", 10) {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "revocation::tests::a_killed_writer_loses_nothing_that_it_acknowledged"])
            .arg("--nocapture")
            .env(KILLED, scratch.live())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let answer =
            |line: String| line.split_once("answer ").map(|(_, number)| number.parse::<u64>().unwrap());
        let wanted = last + 1 + random(round) % 3_000;
        let reached = |number: &u64| *number >= wanted;
        let mut acknowledged =
            output.by_ref().map_while(Result::ok).filter_map(answer).find(reached).unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        // What it could still write before the signal; the last line may be torn.
        let rest: Vec<String> = output.map_while(Result::ok).collect();
        for line in rest.iter().rev().skip(1) {
            acknowledged = acknowledged.max(answer(line.clone()).unwrap_or(0));
        }
        let live = Live::open(&scratch.live(), KEY_ID).unwrap();
        last = live.applied_sequence();
        assert!(last >= acknowledged, "{last} {acknowledged}");
        let mut reader = live.reader();
        for number in last.saturating_sub(20_000).max(1)..=last {
            assert!(is_revoked(&mut reader, number, None), "{number} of {last}");
        }
        let writer = Writer::open(&scratch.live(), settings(0), T).unwrap();
        assert_eq!(writer.sequence(), last);
        assert!(scratch.names().len() == 3, "{:?}", scratch.names());
        generation = writer.stats().generation;
    }
    assert!(generation > 3);
}

#[test]
#[cfg_attr(miri, ignore = "miri maps no files")]
fn one_writer_at_a_time() {
    let scratch = Scratch::new("lock");
    let first = Writer::open(&scratch.live(), settings(0), T).unwrap();
    let error = Writer::open(&scratch.live(), settings(0), T).err();
    assert_eq!(error, Some(StateError::Locked { pid: Some(std::process::id()) }));
    drop(first);
    assert!(Writer::open(&scratch.live(), settings(0), T).is_ok());
}

#[test]
#[cfg_attr(miri, ignore = "miri maps no files")]
fn unusable_files_are_refused_and_replaced() {
    let scratch = Scratch::new("damage");
    let path = scratch.live();
    let make = || {
        let mut writer = Writer::open(&path, settings(0), T).unwrap();
        if writer.sequence() == 0 {
            writer.insert(&id(1, T)).unwrap();
            writer.commit(7, T).unwrap();
        }
        format!("{}.{}", path.display(), writer.stats().generation)
    };
    let table = PathBuf::from(make());
    let refused = |expected: StateError| {
        assert_eq!(Live::open(&path, KEY_ID).err(), Some(expected));
    };
    assert!(Live::open(&path, KEY_ID).is_ok());
    assert_eq!(Live::open(&path, [9; 8]).err(), Some(StateError::OtherKey));
    assert_eq!(
        Live::open(&scratch.0.join("nothing"), KEY_ID).err(),
        Some(StateError::Io(std::io::ErrorKind::NotFound))
    );
    // (file, byte, what is then said): magic, version, created, key id, checksum.
    for file in [&path, &table] {
        for (byte, expected) in [
            (0, StateError::NotATable),
            (8, StateError::OtherVersion),
            (16, StateError::Damaged),
            (24, StateError::Damaged),
            (56, StateError::Damaged),
        ] {
            let good = fs::read(file).unwrap();
            let mut bad = good.clone();
            bad[byte] ^= 1;
            fs::write(file, &bad).unwrap();
            refused(expected);
            fs::write(file, &good).unwrap();
        }
        let good = fs::read(file).unwrap();
        for length in [0, 8, 64, 100, good.len() - 8, good.len() - 1] {
            fs::write(file, &good[..length]).unwrap();
            refused(StateError::Truncated);
        }
        fs::write(file, [good.as_slice(), &[0; 8]].concat()).unwrap();
        refused(StateError::Truncated);
        fs::write(file, &good).unwrap();
    }
    assert!(Live::open(&path, KEY_ID).is_ok());

    // The writer makes a new table where the old one cannot be used, and a new page likewise.
    fs::write(&table, b"nonsense").unwrap();
    refused(StateError::Truncated);
    assert_ne!(PathBuf::from(make()), table);
    let live = Live::open(&path, KEY_ID).unwrap();
    assert!(is_revoked(&mut live.reader(), 1, None));
    let mut page = fs::read(&path).unwrap();
    page[30] ^= 1;
    fs::write(&path, &page).unwrap();
    make();
    // The page that is mapped was replaced: its readers are told, and answer 'stale' until they open it anew.
    assert_eq!(live.refresh(), Err(StateError::Retired));
    assert_eq!(live.check(&probes(1, None), &LENIENT, T).freshness, Freshness::Stale);
    assert!(is_revoked(&mut Live::open(&path, KEY_ID).unwrap().reader(), 1, None));
    assert_eq!(scratch.names(), ["live", "live.1", "live.lock"]);
}

#[test]
#[cfg_attr(miri, ignore = "miri maps no files")]
fn a_new_key_retires_the_state_of_the_old_one() {
    let scratch = Scratch::new("key");
    let mut writer = Writer::open(&scratch.live(), settings(0), T).unwrap();
    writer.commit(1, T).unwrap();
    drop(writer);
    let live = Live::open(&scratch.live(), KEY_ID).unwrap();
    let other = WriterSettings { key_id: [8; 8], ..settings(0) };
    let mut writer = Writer::open(&scratch.live(), other, T).unwrap();
    assert_eq!(writer.sequence(), 0);
    assert_eq!(live.refresh(), Err(StateError::Retired));
    assert_eq!(Live::open(&scratch.live(), [8; 8]).err(), Some(StateError::NotPublished));
    writer.commit(1, T).unwrap();
    assert!(Live::open(&scratch.live(), [8; 8]).is_ok());
}

/// A writer that died while it made the next table: readers never see that table, the next writer removes it.
#[test]
#[cfg_attr(miri, ignore = "miri maps no files")]
fn an_interrupted_rebuild_changes_nothing() {
    let scratch = Scratch::new("interrupted");
    let mut writer = Writer::open(&scratch.live(), settings(0), T).unwrap();
    // 95 of 112 places begin a rebuild of 16 groups, 8 of which are worked off per insertion.
    for number in 0..95 {
        writer.insert(&id(number, T)).unwrap();
        writer.commit(1, T).unwrap();
    }
    writer.maintain(8).unwrap();
    assert!(writer.stats().rebuilding);
    assert_eq!(scratch.names(), ["live", "live.1", "live.2", "live.lock"]);
    fs::write(scratch.0.join("live.notes"), b"kept").unwrap();
    drop(writer);
    let live = Live::open(&scratch.live(), KEY_ID).unwrap();
    assert!((0..95).all(|number| is_revoked(&mut live.reader(), number, None)));
    let writer = Writer::open(&scratch.live(), settings(0), T).unwrap();
    assert_eq!(scratch.names(), ["live", "live.1", "live.lock", "live.notes"]);
    assert_eq!(writer.sequence(), 1);
}

/// The look-up of docs/revocation-format.md, word for word, over the bytes of the files.
struct Naive {
    control: Vec<u8>,
    table: Vec<u8>,
}

impl Naive {
    fn read(path: &Path) -> Self {
        let control = fs::read(path).unwrap();
        let generation = number(&control, 72, 8);
        let table = fs::read(format!("{}.{generation}", path.display())).unwrap();
        assert_eq!(number(&table, 16, 8), generation);
        Naive { control, table }
    }

    fn lookup(&self, fingerprint: [u8; 12]) -> Vec<(u64, u64)> {
        let groups = number(&self.table, 40, 8);
        let head = number(&fingerprint, 0, 8);
        let mut group = ((head >> 32) * groups) >> 32;
        let tag = u8::try_from(head & 255).unwrap().max(1);
        let mut found = Vec::new();
        for step in 1..=64 {
            let at = usize::try_from(128 + 8 * group).unwrap();
            let slots = (128 + 8 * groups).next_multiple_of(64) + 112 * group;
            for lane in 0..7 {
                let slot = usize::try_from(slots).unwrap() + 16 * lane;
                if self.table[at + lane] == tag && self.table[slot..slot + 12] == fingerprint {
                    let meta = number(&self.table, slot + 12, 4);
                    found.push((meta >> 30, (meta & 0x3fff_ffff) + 1_577_836_800));
                }
            }
            if self.table[at + 7] >> (head >> 8 & 7) & 1 == 0 {
                break;
            }
            group = (group + step) % groups;
        }
        found
    }
}

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes[at..at + length].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[test]
#[cfg_attr(miri, ignore = "miri maps no files")]
fn the_files_are_as_documented() {
    let scratch = Scratch::new("format");
    let mut writer = Writer::open(&scratch.live(), settings(0), T).unwrap();
    for i in 0..1_000 {
        writer.insert(&id(i, T + 5)).unwrap();
        writer.insert(&not_before(i / 2, T - 5)).unwrap();
    }
    writer.commit(77, T + 3).unwrap();
    let files = Naive::read(&scratch.live());
    let sum = |bytes: &[u8]| blake3::hash(&bytes[..56]).as_bytes()[..8].to_vec();
    for (bytes, magic) in [(&files.control, b"LTREVCTL"), (&files.table, b"LTREVTAB")] {
        assert_eq!(&bytes[..8], magic);
        assert_eq!(number(bytes, 8, 8), 1);
        assert_eq!(&bytes[56..64], sum(bytes));
    }
    assert_eq!(files.control[24..32], KEY_ID);
    assert_eq!(files.table[32..40], KEY_ID);
    assert_eq!(files.control.len(), 4096);
    assert!(files.control[88..].iter().chain(&files.table[64..128]).all(|byte| *byte == 0));
    assert_eq!(number(&files.control, 64, 8), 77);
    assert_eq!(number(&files.control, 80, 8).cast_signed(), T + 3);
    let groups = usize::try_from(number(&files.table, 40, 8)).unwrap();
    assert_eq!(files.table.len(), (128 + 8 * groups).next_multiple_of(64) + 112 * groups);
    let marks = (0..groups).filter(|group| files.table[128 + 8 * group + 7] != 0).count();
    assert!(marks > 10, "spilling is part of what is compared: {marks}");
    for i in 0..2_000 {
        let mut found = files.lookup(fingerprint(i).to_bytes());
        found.sort_unstable();
        let mut expected = Vec::new();
        if i < 1_000 {
            expected.push((1, (T + 5).unsigned_abs()));
        }
        if i < 500 {
            expected.push((2, (T - 5).unsigned_abs()));
        }
        assert_eq!(found, expected, "{i}");
    }
}
