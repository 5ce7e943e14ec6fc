//! Crashes of a revocation writer: killed at random moments, and on a full disk. Each case runs this binary again
//! as a child, because a process cannot kill itself at a moment that it does not know.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use libtoken::revocation::delta::{LiveSink, SinkFailed};
use libtoken::revocation::event::{Effect, Event, EventFields, OperationId};
use libtoken::revocation::log::{LogError, LogStep, SyncPolicy};
use libtoken::revocation::store::{
    Archive, NewSecrets, SignerSeed, Store, StoreError, StoreSettings, records,
};
use libtoken::revocation::{Entry, FingerprintKey};

const NOW: i64 = 1_800_000_000;
const NOW_MILLIS: u64 = 1_800_000_000_000;
const ROUNDS: u64 = 200;

const SETTINGS: StoreSettings =
    StoreSettings { sync: SyncPolicy::Always, retention_seconds: 3600, archive: Archive::Keep };

/// Names the state directory to the child.
const DIRECTORY: &str = "LIBTOKEN_TEST_STATE";
/// The child's seed, so that each round does something else.
const SEED: &str = "LIBTOKEN_TEST_SEED";

struct Nowhere;

impl LiveSink for Nowhere {
    fn apply(&mut self, _: &[Entry], _: u64, _: i64) -> Result<(), SinkFailed> {
        Ok(())
    }
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("libtoken-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn key() -> FingerprintKey {
    FingerprintKey::SipHash13([7; 16])
}

/// The event that gets the number `sequence`: its value tells the number.
fn event(sequence: u64) -> (Event, Entry) {
    let value = format!("jti-{sequence}-{}", "x".repeat(usize::try_from(sequence % 97).unwrap()));
    let event = Event::new(EventFields {
        operation: OperationId::new(u128::from(sequence)),
        recorded_at: NOW,
        scope: "token".to_owned(),
        issuer: "https://issuer.example".to_owned(),
        values: vec![value.clone()],
        effect: Effect::Id { until: NOW + 3600 },
        reason: "test".to_owned(),
        actor: "test".to_owned(),
    })
    .unwrap();
    let entry = event.entry(key().fingerprint("token", "https://issuer.example", &[&value]));
    (event, entry)
}

fn random(state: &mut u64) -> u64 {
    let hash = blake3::hash(&state.to_le_bytes());
    *state = u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap());
    *state
}

fn create(directory: &Path) {
    let secrets = NewSecrets { fingerprint_key: key(), signer_seed: Some(SignerSeed([8; 32])) };
    Store::create(directory, &secrets, NOW).unwrap();
}

fn child(test: &str, directory: &Path, seed: u64, limit_blocks: Option<u64>) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut command = match limit_blocks {
        // With SIGXFSZ ignored, a write past the limit is an error like that of a full disk.
        Some(blocks) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]).arg(program);
            shell
        }
        None => Command::new(program),
    };
    command
        .args([test, "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// The child: appends until it is killed or told that nothing more fits, and says on standard output what was acknowledged.
fn write_until_stopped(directory: &str) {
    let mut state: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").unwrap();
        out.flush().unwrap();
    };
    let (mut store, opened) = Store::open(Path::new(directory), SETTINGS).unwrap();
    say(format!("opened {}", opened.position.sequence));
    loop {
        let first = store.position().sequence + 1;
        let count = match random(&mut state) % 10 {
            0..2 => 3000,
            2..4 => 40,
            _ => 1,
        };
        let events: Vec<_> = (first..first + count).map(event).collect();
        match store.append(&events, &mut Nowhere, NOW_MILLIS) {
            Ok(appended) => say(format!("ack {}", appended.durable_seq)),
            Err(StoreError::Log(LogError::Io { step: LogStep::Write, kind })) => {
                say(format!("full {first} {kind:?}"));
                return;
            }
            Err(error) => panic!("{error}"),
        }
        if random(&mut state).is_multiple_of(6) {
            match store.compact(NOW) {
                Ok(()) => say(format!("ack {}", store.durable_seq())),
                Err(StoreError::Io { kind, .. }) => {
                    say(format!("full {} {kind:?}", store.position().sequence + 1));
                    return;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// What a child said.
#[derive(Default)]
struct Said {
    acknowledged: u64,
    full: Option<String>,
}

impl Said {
    /// Takes in at most `count` more lines.
    fn listen(&mut self, out: &mut BufReader<ChildStdout>, count: u64) {
        for line in out.by_ref().lines().take(usize::try_from(count).unwrap()) {
            let line = line.unwrap();
            // The test harness says things, too.
            if let Some(number) = line.strip_prefix("ack ").or_else(|| line.strip_prefix("opened ")) {
                self.acknowledged = self.acknowledged.max(number.parse().unwrap());
            } else if line.starts_with("full ") {
                self.full = Some(line);
            }
        }
    }
}

fn output(child: &mut Child) -> BufReader<ChildStdout> {
    BufReader::new(child.stdout.take().unwrap())
}

/// Every event up to the end of the log is there, in order and with its own content.
fn check_contents(directory: &Path) -> u64 {
    let mut next = 1;
    records(directory, |_, record| {
        assert_eq!(record.sequence, next);
        let (event, entry) = event(next);
        assert!(record.event == event && record.entry == entry, "event {next}");
        next += 1;
    })
    .unwrap();
    next - 1
}

#[test]
fn killed_at_any_moment_a_writer_loses_nothing_acknowledged() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        return write_until_stopped(&directory);
    }
    let scratch = Scratch::new("kill");
    let mut state = 1;
    let mut directory = scratch.0.join("state-0");
    let (mut torn, mut unacknowledged, mut acknowledged_before, mut compactions) = (0, 0, 0, 0);
    for round in 0..ROUNDS {
        // A new directory now and then keeps the test short.
        if round.is_multiple_of(20) {
            directory = scratch.0.join(format!("state-{round}"));
            create(&directory);
            acknowledged_before = 0;
        }
        let mut writer =
            child("killed_at_any_moment_a_writer_loses_nothing_acknowledged", &directory, round, None);
        // Some steps in, so that kills fall on writing and not on starting; then at any moment of a step.
        let (mut said, mut out) = (Said::default(), output(&mut writer));
        said.listen(&mut out, random(&mut state) % 16);
        std::thread::sleep(Duration::from_micros(random(&mut state) % 8000));
        // SIGKILL: the process gets no chance to finish anything.
        writer.kill().unwrap();
        writer.wait().unwrap();
        said.listen(&mut out, u64::MAX);
        let acknowledged = said.acknowledged.max(acknowledged_before);

        let (store, opened) = Store::open(&directory, SETTINGS).unwrap();
        assert!(opened.position.sequence >= acknowledged, "round {round}");
        torn += u64::from(opened.torn_bytes > 0);
        let last = opened.position.sequence;
        unacknowledged += u64::from(last > acknowledged);
        assert_eq!(check_contents(&directory), last, "round {round}");
        let mut entries = store.entries(NOW).unwrap();
        entries.sort_unstable();
        let mut expected: Vec<Entry> = (1..=last).map(|sequence| event(sequence).1).collect();
        expected.sort_unstable();
        assert_eq!(entries, expected, "round {round}");
        drop(store);
        if round % 20 == 19 {
            compactions += std::fs::read_dir(directory.join("archive")).unwrap().count();
        }
        acknowledged_before = last;
    }
    println!(
        "{ROUNDS} kills: {torn} left a torn tail, {unacknowledged} more than was acknowledged; {compactions} compactions"
    );
    assert!(unacknowledged > 0 && compactions > 0, "kills must fall on appends and among compactions");
}

#[test]
fn a_full_disk_is_reported_and_loses_nothing_acknowledged() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        return write_until_stopped(&directory);
    }
    let scratch = Scratch::new("full");
    for (round, blocks) in [1_u64, 2, 3, 40, 100, 333, 1000].into_iter().enumerate() {
        let directory = scratch.0.join(format!("state-{blocks}"));
        create(&directory);
        let mut writer = child(
            "a_full_disk_is_reported_and_loses_nothing_acknowledged",
            &directory,
            round as u64,
            Some(blocks),
        );
        let mut said = Said::default();
        said.listen(&mut output(&mut writer), u64::MAX);
        assert!(writer.wait().unwrap().success());
        let acknowledged = said.acknowledged;
        let full = said.full.expect("the child says that the disk is full");
        assert!(full.ends_with("FileTooLarge") || full.ends_with("StorageFull"), "{full}");
        let (mut store, opened) = Store::open(&directory, SETTINGS).unwrap();
        assert_eq!((opened.position.sequence, opened.torn_bytes), (acknowledged, 0));
        assert_eq!(check_contents(&directory), acknowledged);
        // With room again, it goes on.
        store.append(&[event(acknowledged + 1)], &mut Nowhere, NOW_MILLIS).unwrap();
        assert_eq!(check_contents(&directory), acknowledged + 1);
    }
}
