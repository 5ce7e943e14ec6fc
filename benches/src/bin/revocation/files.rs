//! What travels and what is kept: snapshots, deltas and the event log.

use std::env;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::time::Instant;

use libtoken::revocation::chain::Chain;
use libtoken::revocation::delta::{Delta, LiveSink, Position, SinkFailed, encode_delta};
use libtoken::revocation::event::{Effect, Event, EventFields, OperationId};
use libtoken::revocation::log::{Log, LogStart, SyncPolicy, read};
use libtoken::revocation::ratchet::Ratchet;
use libtoken::revocation::signing::{Signer, TrustedKeys};
use libtoken::revocation::snapshot::{Snapshot, SnapshotHeader, TimePrecision, build};
use libtoken::revocation::{Entry, EntryKind, Fingerprint, Writer, WriterSettings};

use crate::{ABSENT, KEY_ID, NOW, fingerprint, id, median, random, spread};

/// Size, time to the first answer, and lookups, at two sizes and with both ways to keep times.
pub(crate) fn snapshot() -> Result<(), Box<dyn Error>> {
    let signer = Signer::from_seed(&[5; 32]);
    let trusted = TrustedKeys::new(&[signer.public_key()])?;
    let absent: Vec<Fingerprint> = (0..PROBED as u64).map(|number| fingerprint(ABSENT + number)).collect();
    println!(
        "| entries, times | bytes an entry | built, ms | verified and first answer, ms | absent, ns, p5 / median | present |\n\
         |---|---:|---:|---:|---:|---:|"
    );
    for (entries, precision) in [
        (1_000_000, TimePrecision::Classes),
        (1_000_000, TimePrecision::Exact),
        (10_000_000, TimePrecision::Classes),
    ] {
        let start = Instant::now();
        let bytes = build(&header(), (0..entries).map(expiring), precision, &signer)?;
        let built = start.elapsed().as_secs_f64() * 1e3;
        let open = || Snapshot::parse_verified(&bytes[..], &trusted, &Ratchet::new(), KEY_ID, NOW);
        let mut serving = Vec::new();
        for _ in 0..OPENINGS {
            let start = Instant::now();
            let found = open()?.find(EntryKind::Id, fingerprint(3));
            serving.push(start.elapsed().as_secs_f64() * 1e3);
            assert!(found.is_some());
        }
        let snapshot = open()?;
        let present: Vec<Fingerprint> =
            (0..PROBED as u64).map(|number| fingerprint(random(number) % entries)).collect();
        let count = |list: &[Fingerprint], round: usize| {
            let start = round * ROUND % PROBED;
            list[start..start + ROUND]
                .iter()
                .filter(|fingerprint| snapshot.find(EntryKind::Id, **fingerprint).is_some())
                .count()
        };
        let negative = spread(ROUNDS, ROUND, |round| assert_eq!(count(&absent, round), 0));
        let positive = spread(ROUNDS, ROUND, |round| assert_eq!(count(&present, round), ROUND));
        println!(
            "| {entries}, {precision:?} | {:.2} | {built:.0} | {:.2} | {:.1} / {:.1} | {:.1} / {:.1} |",
            bytes.len() as f64 / entries as f64,
            median(serving),
            negative.p5,
            negative.p50,
            positive.p5,
            positive.p50
        );
    }
    Ok(())
}

/// Deltas from their bytes into a live table: signature, chain and entries.
pub(crate) fn delta() -> Result<(), Box<dyn Error>> {
    let signer = Signer::from_seed(&[5; 32]);
    let trusted = TrustedKeys::new(&[signer.public_key()])?;
    let start = beginning();
    println!(
        "| events in the delta | bytes | verified, us | verified and applied, us | million events a second |\n|---:|---:|---:|---:|---:|"
    );
    for events in [1, 100, 10_000, 1_000_000] {
        let entries: Vec<Entry> = (0..events as u64).map(expiring).collect();
        let bytes = encode_delta(&start, &entries, KEY_ID, NOW, &signer)?;
        let (mut verified, mut applied) = (Vec::new(), Vec::new());
        for _ in 0..(if events > 10_000 { 5 } else { 51 }) {
            let began = Instant::now();
            let mut counted = Counted(0);
            let delta = Delta::parse_verified(&bytes, &trusted, KEY_ID)?;
            delta.follow(&start)?.apply_to(&mut counted, 0)?;
            verified.push(began.elapsed().as_secs_f64() * 1e6);
            assert_eq!(counted.0, events);

            let settings =
                WriterSettings { key_id: KEY_ID, retention_seconds: 3600, expected_entries: 2 * events };
            let mut writer = Writer::in_memory(settings, NOW)?;
            writer.commit(0, NOW)?;
            let began = Instant::now();
            let delta = Delta::parse_verified(&bytes, &trusted, KEY_ID)?;
            delta.follow(&start)?.apply_to(&mut writer, 0)?;
            applied.push(began.elapsed().as_secs_f64() * 1e6);
            assert_eq!(writer.stats().entries, events);
        }
        let applied = median(applied);
        println!(
            "| {events} | {} | {:.1} | {applied:.1} | {:.2} |",
            bytes.len(),
            median(verified),
            events as f64 / applied
        );
    }
    Ok(())
}

/// A table that only counts what comes in.
struct Counted(usize);

impl LiveSink for Counted {
    fn apply(&mut self, entries: &[Entry], _: u64, _: i64) -> Result<(), SinkFailed> {
        self.0 += entries.len();
        Ok(())
    }
}

/// The log with and without forcing each group to disk, and its replay.
pub(crate) fn log() -> Result<(), Box<dyn Error>> {
    let directory = env::temp_dir().join(format!("libtoken-revocation-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let result = logs(&directory.join("log"));
    fs::remove_dir_all(&directory)?;
    result
}

fn logs(path: &Path) -> Result<(), Box<dyn Error>> {
    println!("The log is in {}.\n", env::temp_dir().display());
    println!(
        "| to disk | events a group | events a second | group p50, us | p99 | bytes an event | replay, million a second |\n|---|---:|---:|---:|---:|---:|---:|"
    );
    for (policy, group, total) in [
        (SyncPolicy::Always, 1, 2_000),
        (SyncPolicy::Always, 100, 100_000),
        (SyncPolicy::Always, 10_000, 500_000),
        (SyncPolicy::EveryMillis(10), 1, 200_000),
        (SyncPolicy::Explicit, 1, 200_000),
        (SyncPolicy::Explicit, 1_000, 500_000),
    ] {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let start = LogStart { position: beginning(), fingerprint_key: KEY_ID };
        let mut log = Log::create(file, start, policy)?;
        let mut events = Vec::with_capacity(total);
        for number in 0..total as u64 {
            events.push(event(number)?);
        }
        let mut micros = Vec::with_capacity(total / group);
        let clock = Instant::now();
        for group in events.chunks(group) {
            let began = Instant::now();
            log.append(group, u64::try_from(clock.elapsed().as_millis())?)?;
            micros.push(began.elapsed().as_secs_f64() * 1e6);
        }
        let appended = clock.elapsed().as_secs_f64();
        log.close()?;
        let bytes = fs::metadata(path)?.len();
        let began = Instant::now();
        let mut replayed = 0;
        read(&mut File::open(path)?, |_| replayed += 1)?;
        let replay = began.elapsed().as_secs_f64();
        assert_eq!(replayed, total);
        fs::remove_file(path)?;
        micros.sort_by(f64::total_cmp);
        println!(
            "| {policy:?} | {group} | {:.0} | {:.1} | {:.1} | {:.0} | {:.2} |",
            total as f64 / appended,
            micros[micros.len() / 2],
            micros[micros.len() * 99 / 100],
            bytes as f64 / total as f64,
            total as f64 / replay / 1e6
        );
    }
    Ok(())
}

fn event(number: u64) -> Result<(Event, Entry), Box<dyn Error>> {
    let event = Event::new(EventFields {
        operation: OperationId::new(u128::from(number)),
        recorded_at: NOW,
        scope: "token".to_owned(),
        issuer: "https://issuer.example".to_owned(),
        values: vec![format!("{number:036}")],
        effect: Effect::Id { until: NOW + 60 },
        reason: "logout".to_owned(),
        actor: "admin@example.com".to_owned(),
    })?;
    let entry = event.entry(fingerprint(number));
    Ok((event, entry))
}

/// An id that expires within 30 days.
fn expiring(number: u64) -> Entry {
    id(number, NOW + (number % 2_592_000) as i64)
}

fn beginning() -> Position {
    Position { generation: GENERATION, sequence: 0, chain: Chain::start(GENERATION, KEY_ID) }
}

fn header() -> SnapshotHeader {
    SnapshotHeader {
        generation: GENERATION,
        sequence: 1,
        chain: Chain::start(GENERATION, KEY_ID),
        created: NOW,
        valid_until: NOW + 3600,
        fingerprint_key: KEY_ID,
        max_staleness: 60,
    }
}

const GENERATION: u64 = 1_700_000_000;
const OPENINGS: usize = 15;
const ROUNDS: usize = 200;
/// Lookups in one round.
const ROUND: usize = 1 << 13;
/// Different fingerprints that are looked up.
const PROBED: usize = 1 << 18;
