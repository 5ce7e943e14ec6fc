//! The store as a whole: what it keeps, publishes, forgets and refuses. Crashes are in tests/durability.rs.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::delta::SinkFailed;
use super::super::event::{EventFields, OperationId};
use super::super::feed::{Feed, FeedSettings};
use super::super::{Answer, Lookup, NotBefore};
use super::*;

const NOW: i64 = 1_800_000_000;
const NOW_MILLIS: u64 = 1_800_000_000_000;
const RETENTION: u32 = 3600;

const SETTINGS: StoreSettings =
    StoreSettings { sync: SyncPolicy::Always, retention_seconds: RETENTION, archive: Archive::Keep };

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("libtoken-store-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Default)]
struct Table {
    entries: Vec<Entry>,
    applied_seq: u64,
}

impl LiveSink for Table {
    fn apply(&mut self, entries: &[Entry], applied_seq: u64, _: i64) -> Result<(), SinkFailed> {
        self.entries.extend(entries);
        self.applied_seq = applied_seq;
        Ok(())
    }
}

struct Broken;

impl LiveSink for Broken {
    fn apply(&mut self, _: &[Entry], _: u64, _: i64) -> Result<(), SinkFailed> {
        Err(SinkFailed)
    }
}

fn secrets() -> NewSecrets {
    NewSecrets { fingerprint_key: FingerprintKey::SipHash13([7; 16]), signer_seed: Some(SignerSeed([8; 32])) }
}

fn created(scratch: &Scratch) -> Store {
    Store::create(&scratch.state(), &secrets(), NOW).unwrap();
    open(scratch).unwrap()
}

fn open(scratch: &Scratch) -> Result<Store, StoreError> {
    Store::open(&scratch.state(), SETTINGS).map(|(store, _)| store)
}

fn with_effect(n: u64, effect: Effect) -> (Event, Entry) {
    let scope = if matches!(effect, Effect::Id { .. }) { "token" } else { "subject" };
    let fields = EventFields {
        operation: OperationId::new(u128::from(n / 10)),
        recorded_at: NOW,
        scope: scope.to_owned(),
        issuer: "https://issuer.example".to_owned(),
        values: vec![format!("value-{n}")],
        effect,
        reason: String::new(),
        actor: String::new(),
    };
    let event = Event::new(fields).unwrap();
    let value = format!("value-{n}");
    let fingerprint = secrets().fingerprint_key.fingerprint(scope, "https://issuer.example", &[&value]);
    let entry = event.entry(fingerprint);
    (event, entry)
}

fn events(from: u64, to: u64) -> Vec<(Event, Entry)> {
    (from..=to).map(|n| with_effect(n, Effect::Id { until: NOW + 600 })).collect()
}

fn append(store: &mut Store, events: &[(Event, Entry)]) -> Appended {
    store.append(events, &mut Table::default(), NOW_MILLIS).unwrap()
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_unstable();
    entries.dedup();
    entries
}

fn entries_of(events: &[(Event, Entry)]) -> Vec<Entry> {
    sorted(events.iter().map(|(_, entry)| *entry).collect())
}

#[test]
fn appended_events_survive_and_load_a_table() {
    let scratch = Scratch::new();
    let mut store = created(&scratch);
    let mut table = Table::default();
    store.append(&events(1, 5), &mut table, NOW_MILLIS).unwrap();
    assert_eq!((entries_of(&events(1, 5)), 5), (sorted(table.entries), table.applied_seq));
    store.close().unwrap();

    let mut store = open(&scratch).unwrap();
    append(&mut store, &events(6, 9));
    store.compact(NOW).unwrap();
    append(&mut store, &events(10, 12));
    for (has_seq, expected) in
        [(0, events(1, 12)), (4, events(5, 12)), (10, events(11, 12)), (12, Vec::new())]
    {
        let mut table = Table::default();
        store.load(&mut table, has_seq, NOW).unwrap();
        assert_eq!((table.applied_seq, sorted(table.entries)), (12, entries_of(&expected)), "{has_seq}");
    }
    assert_eq!(store.load(&mut Table::default(), 13, NOW), Err(StoreError::LiveAhead));
}

#[test]
fn a_live_table_in_a_file_goes_on_where_it_was() {
    let scratch = Scratch::new();
    let mut store = created(&scratch);
    let settings = super::super::WriterSettings {
        key_id: store.fingerprint_key().id(),
        retention_seconds: RETENTION,
        expected_entries: 100,
    };
    let path = scratch.state().join("live");
    let mut writer = super::super::Writer::open(&path, settings, NOW).unwrap();
    store.load(&mut writer, 0, NOW).unwrap();
    let reader = super::super::Live::open(&path, settings.key_id).unwrap();
    store.append(&events(1, 50), &mut writer, NOW_MILLIS).unwrap();
    assert_eq!(reader.applied_sequence(), 50);
    drop(writer);
    append(&mut store, &events(51, 60));
    let mut writer = super::super::Writer::open(&path, settings, NOW).unwrap();
    let has_seq = writer.sequence();
    assert_eq!(has_seq, 50);
    store.load(&mut writer, has_seq, NOW).unwrap();
    assert_eq!((writer.sequence(), writer.stats().entries), (60, 60));
}

#[test]
fn compaction_drops_what_has_expired_and_keeps_the_rest_exactly() {
    let scratch = Scratch::new();
    let mut store = created(&scratch);
    let retention = i64::from(RETENTION);
    let not_before = |n, time| with_effect(n, Effect::NotBefore { time, until: time + retention });
    // The token may be accepted for the leeway longer than its lifetime.
    let last = NOW + 100 - i64::from(MAX_LEEWAY_SECONDS);
    let gone = [with_effect(1, Effect::Id { until: last - 1 }), not_before(2, last - 1 - retention)];
    let kept = [
        with_effect(3, Effect::Id { until: last }),
        with_effect(4, Effect::Id { until: last + 1 }),
        not_before(5, last - retention),
        not_before(6, NOW),
    ];
    // The same value twice: the later time counts, whichever came first.
    let raised =
        [with_effect(7, Effect::Id { until: NOW + 500 }), with_effect(7, Effect::Id { until: NOW + 200 })];
    append(&mut store, &[&gone[..], &kept, &raised].concat());
    let expected = entries_of(&[&kept[..], &raised[..1]].concat());
    for _ in 0..3 {
        store.compact(NOW + 100).unwrap();
        assert_eq!(sorted(store.entries(NOW + 100).unwrap()), expected);
        store.close().unwrap();
        store = open(&scratch).unwrap();
    }
    store.compact(NOW + 1_000_000).unwrap();
    assert_eq!(store.entries(NOW).unwrap(), Vec::new());
    assert_eq!(store.position().sequence, 8);
}

#[test]
fn size_is_flat_under_steady_load() {
    let scratch = Scratch::new();
    let mut store = created(&scratch);
    let mut sizes = Vec::new();
    for round in 0..20_i64 {
        let now = NOW + 100 * round;
        let first = u64::try_from(round).unwrap() * 300;
        let batch: Vec<_> =
            (first..first + 300).map(|n| with_effect(n, Effect::Id { until: now + 300 })).collect();
        append(&mut store, &batch);
        store.compact(now).unwrap();
        sizes.push(store.base_bytes() as u64 + store.log_bytes());
    }
    // Entries live for 300 seconds and the leeway: after 6 rounds as many go as come.
    assert!(sizes[8..].iter().all(|&size| size <= sizes[7] + 64), "{sizes:?}");
}

#[test]
fn followers_get_what_was_appended() {
    let scratch = Scratch::new();
    let mut store = created(&scratch);
    append(&mut store, &events(1, 20));
    let trusted = TrustedKeys::new(&[store.public_key().unwrap()]).unwrap();
    let mut feed = Feed::new(FeedSettings::new(trusted, store.fingerprint_key().id()), Ratchet::new());
    let bytes = store.snapshot(NOW, 3600, 60).unwrap();
    let snapshot = feed.accept_snapshot(bytes, NOW_MILLIS, 0).unwrap();
    assert_eq!(snapshot.len(), 20);
    for (_, entry) in events(1, 20) {
        assert_eq!(snapshot.lookup(entry.fingerprint), Answer::Exactly(NotBefore::ALWAYS));
    }
    let mut table = Table::default();
    let mut follow = |store: &Store| {
        let after_seq = feed.position().unwrap().sequence;
        let bytes = store.delta(after_seq, NOW).unwrap().unwrap();
        feed.accept_delta(&bytes, &mut table, NOW_MILLIS, 0).unwrap()
    };
    assert_eq!(follow(&store).events, 0);
    append(&mut store, &events(21, 30));
    assert_eq!(follow(&store).events, 10);
    append(&mut store, &events(31, 33));
    store.compact(NOW).unwrap();
    assert_eq!(follow(&store).events, 3);
    store.close().unwrap();
    let mut store = open(&scratch).unwrap();
    assert_eq!(follow(&store).events, 0);
    append(&mut store, &events(34, 34));
    assert_eq!(follow(&store).sequence, 34);
    assert_eq!(sorted(table.entries), entries_of(&events(21, 34)));
    // Of what lies before the log, and of the future, there is no delta.
    assert_eq!(store.delta(32, NOW).unwrap(), None);
    assert_eq!(store.delta(35, NOW).unwrap(), None);
}

#[test]
fn only_what_is_on_disk_is_published() {
    let scratch = Scratch::new();
    Store::create(&scratch.state(), &secrets(), NOW).unwrap();
    let settings = StoreSettings { sync: SyncPolicy::Explicit, ..SETTINGS };
    let (mut store, _) = Store::open(&scratch.state(), settings).unwrap();
    append(&mut store, &events(1, 5));
    store.sync().unwrap();
    append(&mut store, &events(6, 9));
    assert_eq!((store.durable_seq(), store.position().sequence), (5, 9));
    let trusted = TrustedKeys::new(&[store.public_key().unwrap()]).unwrap();
    let id = store.fingerprint_key().id();
    let bytes = store.delta(3, NOW).unwrap().unwrap();
    let delta = super::super::delta::Delta::parse_verified(&bytes, &trusted, id).unwrap();
    assert_eq!((delta.first_seq(), delta.last_seq()), (4, 5));
    assert_eq!(store.delta(6, NOW).unwrap(), None);
    store.snapshot(NOW, 60, 60).unwrap();
    assert_eq!(store.durable_seq(), 9);
}

#[test]
fn operations_are_applied_when_every_node_says_so() {
    let scratch = Scratch::new();
    let mut store = created(&scratch);
    append(&mut store, &events(1, 25));
    store.compact(NOW).unwrap();
    append(&mut store, &events(26, 32));
    let generation = store.position().generation;
    let status = |n| operation_status(&scratch.state(), OperationId::new(n)).unwrap();
    assert_eq!(status(9), None);
    let second = status(2).unwrap();
    assert_eq!((second.events, second.first_seq, second.last_seq), (10, 20, 29));
    assert!(!second.is_applied_everywhere(), "nobody reports");
    let report = |name: &str, applied_seq| {
        let name = name.to_owned();
        report_node(&scratch.state(), &NodeReport { name, pid: 1, generation, applied_seq, updated_at: NOW })
            .unwrap();
    };
    report("a", 29);
    assert!(status(2).unwrap().is_applied_everywhere());
    report("b-1.example", 28);
    let waiting = status(2).unwrap();
    assert!(!waiting.is_applied_everywhere());
    assert_eq!(waiting.pending().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["b-1.example"]);
    report("b-1.example", 30);
    assert!(status(2).unwrap().is_applied_everywhere());
    assert!(!status(3).unwrap().is_applied_everywhere());
    forget_node(&scratch.state(), "b-1.example").unwrap();
    assert_eq!(status(3).unwrap().nodes.len(), 1);
    for name in ["", ".hidden", "a/b", "..", &"n".repeat(129)] {
        let invalid =
            NodeReport { name: name.to_owned(), pid: 1, generation, applied_seq: 1, updated_at: NOW };
        assert_eq!(report_node(&scratch.state(), &invalid), Err(StoreError::InvalidNodeName), "{name}");
    }
    fs::write(scratch.state().join("nodes/a"), "pid x\n").unwrap();
    assert_eq!(nodes(&scratch.state()), Err(StoreError::Malformed(StoreFile::Node)));
}

#[test]
fn records_of_archives_and_log_come_once_and_in_order() {
    let scratch = Scratch::new();
    let mut store = created(&scratch);
    for round in 0..4 {
        append(&mut store, &events(round * 10 + 1, round * 10 + 10));
        store.compact(NOW).unwrap();
    }
    append(&mut store, &events(41, 45));
    let mut sequences = Vec::new();
    records(&scratch.state(), |_, record| sequences.push(record.sequence)).unwrap();
    assert_eq!(sequences, (1..=45).collect::<Vec<u64>>());
}

#[test]
fn one_writer_at_a_time() {
    let scratch = Scratch::new();
    let store = created(&scratch);
    assert_eq!(open(&scratch).err(), Some(StoreError::Locked { pid: Some(std::process::id()) }));
    drop(store);
    assert!(open(&scratch).is_ok());
}

#[test]
fn what_does_not_fit_is_refused_before_it_is_recorded() {
    let scratch = Scratch::new();
    let mut store = created(&scratch);
    let (event, entry) = with_effect(1, Effect::Id { until: NOW + 5 });
    let other_time = Entry { time: NOW + 6, ..entry };
    let refused = store.append(&[(event, other_time)], &mut Table::default(), NOW_MILLIS);
    assert_eq!(refused, Err(StoreError::EntryMismatch));
    let until = NOW + i64::from(RETENTION);
    let allowed = with_effect(2, Effect::NotBefore { time: NOW, until });
    let too_late = with_effect(2, Effect::NotBefore { time: NOW, until: until + 1 });
    let refused = store.append(&[allowed.clone(), too_late], &mut Table::default(), NOW_MILLIS);
    assert_eq!(refused, Err(StoreError::UntilTooLate));
    assert_eq!(store.position().sequence, 0);
    // A table that fails does not undo what was recorded.
    assert_eq!(store.append(&[allowed], &mut Broken, NOW_MILLIS), Err(StoreError::LiveFailed));
    assert_eq!(store.position().sequence, 1);
    assert_eq!(store.entries(NOW).unwrap().len(), 1);
}

#[test]
fn damaged_mixed_up_or_exposed_files_are_reported() {
    let scratch = Scratch::new();
    let mut store = created(&scratch);
    append(&mut store, &events(1, 5));
    store.compact(NOW).unwrap();
    append(&mut store, &events(6, 9));
    store.close().unwrap();
    let state = scratch.state();
    let with = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let path = state.join(name);
        let bytes = fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        change(&mut changed);
        fs::write(&path, &changed).unwrap();
        let result = open(&scratch).err();
        fs::write(&path, bytes).unwrap();
        result
    };
    assert_eq!(with(BASE, &|_| {}), None);
    assert_eq!(with(BASE, &|bytes| bytes[300] ^= 1), Some(StoreError::Base(Defect::SectionHashMismatch)));
    assert!(matches!(
        with(LOG, &|bytes| bytes[150] ^= 1),
        Some(StoreError::Log(LogError::Corrupt { offset: 104, .. }))
    ));
    let truncated = with("fingerprint.key", &|bytes| bytes.truncate(20));
    assert_eq!(truncated, Some(StoreError::Malformed(StoreFile::FingerprintKey)));
    assert_eq!(
        with("signing.key", &|bytes| bytes[0] = b'x'),
        Some(StoreError::Malformed(StoreFile::SigningKey))
    );
    // Another deployment's key.
    assert!(matches!(with("fingerprint.key", &|bytes| bytes[20] ^= 1), Some(StoreError::Base(_))));
    // An older log, an older base, another generation's log.
    let archived = fs::read_dir(state.join("archive")).unwrap().next().unwrap().unwrap().path();
    let base_now = fs::read(state.join(BASE)).unwrap();
    // The archived log has all that the base covers, so nothing is missing: the log of an interrupted compaction.
    assert_eq!(with(LOG, &|bytes| *bytes = fs::read(&archived).unwrap()), None);
    let other = Scratch::new();
    Store::create(&other.state(), &secrets(), NOW).unwrap();
    let first_base = fs::read(other.state().join(BASE)).unwrap();
    assert_ne!(first_base, base_now);
    assert_eq!(with(BASE, &|bytes| *bytes = first_base.clone()), Some(StoreError::MissingEvents));
    let first_log = fs::read(other.state().join(LOG)).unwrap();
    assert_eq!(with(LOG, &|bytes| *bytes = first_log.clone()), Some(StoreError::MissingEvents));
    let later = Scratch::new();
    Store::create(&later.state(), &secrets(), NOW + 1).unwrap();
    let later_log = fs::read(later.state().join(LOG)).unwrap();
    assert_eq!(with(LOG, &|bytes| *bytes = later_log.clone()), Some(StoreError::Mismatch));
    fs::remove_file(state.join(LOG)).unwrap();
    let missing = StoreError::Io { file: StoreFile::Log, kind: io::ErrorKind::NotFound };
    assert_eq!(open(&scratch).err(), Some(missing));
    assert_eq!(Store::create(&state, &secrets(), NOW), Err(StoreError::Exists));
}

#[cfg(unix)]
#[test]
fn secrets_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    drop(created(&scratch));
    for (name, file, too_open) in [
        // Verifiers of another user, in the same group, need the fingerprint key.
        ("fingerprint.key", StoreFile::FingerprintKey, [0o644, 0o660]),
        ("signing.key", StoreFile::SigningKey, [0o640, 0o604]),
    ] {
        let path = scratch.state().join(name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in too_open {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(open(&scratch).err(), Some(StoreError::Exposed(file)));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let store = open(&scratch).unwrap();
    let shown = format!("{store:?} {:?}", secrets());
    assert!(!shown.contains("0707") && !shown.contains("7, 7, 7") && !shown.contains("8, 8, 8"), "{shown}");
}

#[test]
fn a_store_without_a_signing_key_publishes_nothing() {
    let scratch = Scratch::new();
    let unsigned = NewSecrets { fingerprint_key: FingerprintKey::Blake3([7; 32]), signer_seed: None };
    Store::create(&scratch.state(), &unsigned, NOW).unwrap();
    let mut store = open(&scratch).unwrap();
    assert_eq!(store.public_key(), None);
    assert_eq!(store.snapshot(NOW, 60, 60), Err(StoreError::NoSigner));
    assert_eq!(store.delta(0, NOW), Err(StoreError::NoSigner));
    assert!(matches!(store.fingerprint_key(), FingerprintKey::Blake3(key) if *key == [7; 32]));
}

#[cfg(unix)]
#[test]
fn the_live_table_in_the_directory_is_kept_or_made_again() {
    use super::super::{DoubtPolicy, Finding, Probe, Probes};
    let scratch = Scratch::new();
    let mut store = created(&scratch);
    append(&mut store, &events(1, 20));
    let missing = StoreError::Live(StateError::Io(io::ErrorKind::NotFound));
    assert_eq!(open_for_reading(&scratch.state()).err(), Some(missing));

    let refused = |state: &ReadOnlyState, batch: &[(Event, Entry)]| {
        let seen = |entry: &Entry| {
            let mut probes = Probes::new(Some(0));
            probes.push(Probe { fingerprint: entry.fingerprint, scope: 0 }).unwrap();
            state.live.check(&probes, &DoubtPolicy::default(), NOW).finding != Finding::Clear
        };
        batch.iter().filter(|(_, entry)| seen(entry)).count()
    };
    let mut writer = store.open_live(NOW).unwrap();
    let state = open_for_reading(&scratch.state()).unwrap();
    assert_eq!((state.live.applied_sequence(), state.live.as_of()), (20, NOW));
    assert_eq!(refused(&state, &events(1, 20)), 20);
    assert_eq!(state.live.stats().unwrap().entries, 20);
    let held = StoreError::Live(StateError::Locked { pid: Some(std::process::id()) });
    assert_eq!(store.open_live(NOW).err(), Some(held));

    // An open reader sees what comes; so does one after a writer that fell behind.
    store.append(&events(21, 25), &mut writer, NOW_MILLIS).unwrap();
    assert_eq!(refused(&state, &events(21, 25)), 5);
    drop(writer);
    append(&mut store, &events(26, 30));
    assert_eq!(refused(&state, &events(26, 30)), 0);
    drop(store.open_live(NOW + 5).unwrap());
    assert_eq!(refused(&state, &events(26, 30)), 5);
    assert_eq!((state.live.applied_sequence(), state.live.as_of()), (30, NOW + 5));

    // Damaged: readers are told to move, and find everything in the new file.
    let path = scratch.state().join("live");
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let damaged = StoreError::Live(StateError::Damaged);
    assert_eq!(open_for_reading(&scratch.state()).err(), Some(damaged));
    drop(store.open_live(NOW).unwrap());
    let state = open_for_reading(&scratch.state()).unwrap();
    assert_eq!((refused(&state, &events(1, 30)), state.live.applied_sequence()), (30, 30));

    // A log that was put back from a copy knows less than the table, which is then made anew.
    let log = fs::read(scratch.state().join("events.log")).unwrap();
    let mut writer = store.open_live(NOW).unwrap();
    store.append(&events(31, 31), &mut writer, NOW_MILLIS).unwrap();
    drop(writer);
    assert_eq!(state.live.applied_sequence(), 31);
    store.close().unwrap();
    fs::write(scratch.state().join("events.log"), log).unwrap();
    let store = open(&scratch).unwrap();
    drop(store.open_live(NOW).unwrap());
    assert_eq!(state.live.refresh(), Err(StateError::Retired));
    let state = open_for_reading(&scratch.state()).unwrap();
    assert_eq!((refused(&state, &events(1, 31)), state.live.applied_sequence()), (30, 30));
}

#[test]
fn a_survey_reads_everything_without_the_lock() {
    let scratch = Scratch::new();
    let mut store = created(&scratch);
    append(&mut store, &events(1, 10));
    store.compact(NOW).unwrap();
    append(&mut store, &events(11, 13));
    let mut seen = Vec::new();
    let found = survey(&scratch.state(), |sequence, entry| seen.push((sequence, entry))).unwrap();
    assert_eq!(found.position, *store.position());
    assert_eq!((found.base_entries, found.base.sequence, found.torn_bytes), (10, 10, 0));
    assert_eq!(seen.iter().map(|(sequence, _)| *sequence).max(), Some(13));
    let entries = sorted(seen.into_iter().map(|(_, entry)| entry).collect());
    assert_eq!(entries, entries_of(&events(1, 13)));

    let path = scratch.state().join("base.snapshot");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    let damaged = StoreError::Base(Defect::SectionHashMismatch);
    assert_eq!(survey(&scratch.state(), |_, _| {}), Err(damaged));
}
