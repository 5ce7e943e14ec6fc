//! The live table: lookups, events, rebuilds; and the filter.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libtoken::codec::pointer::ClaimPath;
use libtoken::revocation::{
    Answer, Claims, DoubtPolicy, Entry, Fallback, Filter, Finding, Fingerprint, FingerprintKey, Live, Lookup,
    NotBefore, Probe, Probes, Scope, ScopeSet, Texts, TokenTimes, Writer, WriterSettings,
};

use crate::{ABSENT, KEY_ID, NOW, QUANTILE_HEAD, fingerprint, id, print_quantiles, random, spread};

/// One scope, four scopes with and without hashing, and memory, at three sizes.
pub(crate) fn lookup() -> Result<(), Box<dyn Error>> {
    println!("| ns, p5 / median | 1e4 entries | 1e6 entries | 1e7 entries |\n|---|---:|---:|---:|");
    let mut columns = Vec::new();
    for entries in [10_000, 1_000_000, 10_000_000] {
        columns.push(lookups(entries)?);
    }
    for (row, name) in ROWS.iter().enumerate() {
        let cells: Vec<&str> = columns.iter().map(|column| column[row].as_str()).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}

const ROWS: [&str; 7] = [
    "one fingerprint, absent",
    "one fingerprint, present",
    "one fingerprint, absent, each lookup waits for the one before",
    "4 stored fingerprints (Reader::check)",
    "the same, and nothing new since (Reader::recheck)",
    "4 scopes of 36-byte ids, hashed and checked",
    "bytes an entry",
];

fn lookups(entries: u64) -> Result<[String; ROWS.len()], Box<dyn Error>> {
    let writer = filled(entries)?;
    let mut reader = writer.live().reader();
    let absent = absent();
    let present: Vec<Fingerprint> =
        (0..PROBED as u64).map(|number| fingerprint(random(number) % entries)).collect();
    let mine = |round: usize| {
        let start = round * ROUND % PROBED;
        start..start + ROUND
    };
    let table = reader.pin().ok_or("no table")?;
    let count =
        |list: &[Fingerprint]| list.iter().filter(|fingerprint| table.lookup(**fingerprint) != CLEAR).count();
    let negative = spread(ROUNDS, ROUND, |round| assert_eq!(count(&absent[mine(round)]), 0));
    let positive = spread(ROUNDS, ROUND, |round| assert_eq!(count(&present[mine(round)]), ROUND));
    let dependent = spread(ROUNDS, ROUND, |round| {
        let mut place = round;
        for _ in 0..ROUND {
            let found = usize::from(table.lookup(absent[place]) != CLEAR);
            assert_eq!(found, 0);
            place = (place.wrapping_mul(5) + 1 + found) % PROBED;
        }
        black_box(place);
    });

    let stored: Vec<Probes> = absent.chunks_exact(SCOPES).map(probes).collect();
    let tokens = |round: usize| {
        let start = round * TOKENS % stored.len();
        &stored[start..start + TOKENS]
    };
    let check = spread(ROUNDS, TOKENS, |round| {
        let clear = tokens(round).iter().filter(|probes| is_clear(&mut reader, probes)).count();
        assert_eq!(clear, TOKENS);
    });
    let stamp = writer.live().stamp();
    let recheck = spread(ROUNDS, TOKENS, |round| {
        let clear = |probes: &&Probes| {
            reader.recheck(black_box(probes), stamp, &REFUSE, NOW).finding == Finding::Clear
        };
        assert_eq!(tokens(round).iter().filter(clear).count(), TOKENS);
    });

    let scopes = Arc::new(ScopeSet::new(FingerprintKey::SipHash13([3; 16]), four_scopes()?)?);
    let issuer = scopes.for_issuer("https://issuer.example/realms/one");
    let claims: Vec<FourIds> = (0..TOKENS as u64 * 4).map(FourIds::new).collect();
    let times = TokenTimes { issued_at: Some(NOW), expires_at: Some(NOW + 600) };
    let mut scratch = Probes::new(None);
    let hashed = spread(ROUNDS, TOKENS, |round| {
        let start = round * TOKENS % claims.len();
        for claims in &claims[start..start + TOKENS] {
            let filled = issuer.fill(claims, None, times, &mut scratch);
            assert!(filled.is_ok() && scratch.as_slice().len() == SCOPES);
            assert!(is_clear(&mut reader, &scratch));
        }
    });

    let bytes = writer.stats().bytes as f64 / entries as f64;
    let cell = |spread: &crate::Spread| format!("{:.1} / {:.1}", spread.p5, spread.p50);
    let [negative, positive, dependent, check, recheck, hashed] =
        [&negative, &positive, &dependent, &check, &recheck, &hashed].map(cell);
    Ok([negative, positive, dependent, check, recheck, hashed, format!("{bytes:.2}")])
}

/// Events one by one and in bulk, in a table of a million.
pub(crate) fn write() -> Result<(), Box<dyn Error>> {
    let bulk: Vec<Entry> = (0..MILLION).map(|number| id(number, NOW + 100)).collect();
    let start = Instant::now();
    let mut writer = Writer::in_memory(settings(bulk.len()), NOW)?;
    let made = start.elapsed();
    insert_all(&mut writer, &bulk)?;
    writer.commit(1, NOW)?;
    let with_room = start.elapsed();
    assert_eq!(writer.stats().entries, bulk.len());

    let start = Instant::now();
    let mut growing = Writer::in_memory(settings(0), NOW)?;
    for (sequence, batch) in (1..).zip(bulk.chunks(1_000)) {
        insert_all(&mut growing, batch)?;
        growing.commit(sequence, NOW)?;
    }
    let from_nothing = start.elapsed();
    assert_eq!(growing.stats().entries, bulk.len());

    let rate = |time: Duration| MILLION as f64 / time.as_secs_f64() / 1e6;
    println!("| 1e6 events in bulk | million a second |\n|---|---:|");
    println!("| into a table that has room | {:.1} |", rate(with_room - made));
    println!("| the same, with making the table | {:.1} |", rate(with_room));
    println!("| from nothing in batches of 1,000, with growing | {:.1} |\n", rate(from_nothing));

    let mut reader = writer.live().reader();
    let (mut visible, mut returned) = (Vec::new(), Vec::new());
    for (sequence, number) in (2..).zip(MILLION..MILLION + EVENTS) {
        let entry = id(number, NOW + 100);
        let start = Instant::now();
        writer.insert(&entry)?;
        visible.push(nanos(start));
        writer.commit(sequence, NOW)?;
        returned.push(nanos(start));
        let revoked = reader.check(&probes(&[entry.fingerprint]), &REFUSE, NOW).finding;
        assert!(matches!(revoked, Finding::Revoked { .. }));
    }
    println!("{QUANTILE_HEAD}");
    print_quantiles("event visible to readers, from 1e6 entries on", visible);
    print_quantiles("event committed, with its share of a rebuild", returned);
    Ok(())
}

/// Rebuilds of a million entries while a reader checks tokens of four fingerprints.
pub(crate) fn rebuild() -> Result<(), Box<dyn Error>> {
    let mut writer = Writer::in_memory(settings(MILLION as usize), NOW)?;
    for number in 0..MILLION * 3 / 4 {
        writer.insert(&id(number, NOW + 100_000_000))?;
    }
    writer.commit(1, NOW)?;
    let phase = Arc::new(AtomicU8::new(UNMEASURED));
    let reading = {
        let (live, phase) = (Arc::clone(writer.live()), Arc::clone(&phase));
        thread::spawn(move || read_until_done(&live, &phase))
    };
    let mut millis = Vec::new();
    for round in 0..REBUILDS {
        // A quarter that expires a second from now.
        phase.store(UNMEASURED, Ordering::Relaxed);
        let now = NOW + 1000 * round;
        let first = (round as u64 + 1) * 10 * MILLION;
        for number in first..first + MILLION / 4 {
            writer.insert(&id(number, now + 1))?;
        }
        phase.store(IDLE, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(60));
        phase.store(REBUILDING, Ordering::Relaxed);
        let start = Instant::now();
        writer.commit(2 + round as u64, now + 1000)?;
        writer.finish_rebuild()?;
        millis.push(start.elapsed().as_secs_f64() * 1e3);
        assert!(writer.stats().entries <= MILLION as usize);
    }
    phase.store(DONE, Ordering::Relaxed);
    let [idle, rebuilding] = reading.join().map_err(|_| "the reader failed")?;
    millis.sort_by(f64::total_cmp);
    println!(
        "Rebuild of 1e6 entries, a quarter of them expired: median {:.1} ms, worst {:.1} ms of {REBUILDS}.\n",
        millis[millis.len() / 2],
        millis[millis.len() - 1]
    );
    println!("| check of 4, ns | while idle | | during rebuilds | |\n|---|---:|---:|---:|---:|");
    for exponent in 5..32 {
        let (from, to) = (if exponent == 5 { 0 } else { 1_u32 << exponent }, 2_u32 << exponent.min(30));
        let within = |list: &[u32]| list.iter().filter(|nanos| (from..to).contains(nanos)).count();
        let (calm, busy) = (within(&idle), within(&rebuilding));
        if calm + busy > 0 {
            let share = |count: usize, all: &[u32]| count as f64 * 100.0 / all.len() as f64;
            println!(
                "| {from} to {} | {calm} | {:.4} % | {busy} | {:.4} % |",
                to - 1,
                share(calm, &idle),
                share(busy, &rebuilding)
            );
        }
    }
    println!("\n{QUANTILE_HEAD}");
    print_quantiles("check of 4 while idle", idle);
    print_quantiles("check of 4 during rebuilds", rebuilding);
    Ok(())
}

const UNMEASURED: u8 = 0;
const IDLE: u8 = 1;
const REBUILDING: u8 = 2;
const DONE: u8 = 3;

/// The nanoseconds of each check, of those while idle and of those during a rebuild.
fn read_until_done(live: &Arc<Live>, phase: &AtomicU8) -> [Vec<u32>; 2] {
    let mut reader = live.reader();
    let tokens: Vec<Probes> = absent().chunks_exact(SCOPES).map(probes).collect();
    // Room at once, so that no vector grows while something is measured.
    let mut measured = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
    for token in tokens.iter().cycle() {
        let phase = phase.load(Ordering::Relaxed);
        let start = Instant::now();
        let clear = is_clear(&mut reader, token);
        let elapsed = nanos(start);
        assert!(clear);
        match phase {
            DONE => break,
            IDLE => measured[0].push(elapsed),
            REBUILDING => measured[1].push(elapsed),
            _ => {}
        }
    }
    measured
}

/// The filter for readers that have no memory for fingerprints.
pub(crate) fn filter() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let bytes = Filter::build((0..MILLION).map(fingerprint), KEY_ID)?;
    let built = start.elapsed();
    let filter = Filter::open(&bytes)?;
    assert!((0..MILLION).all(|number| filter.may_contain(fingerprint(number))));
    let tried = 100 * MILLION;
    let wrong = (ABSENT..ABSENT + tried).filter(|number| filter.may_contain(fingerprint(*number))).count();
    let absent = absent();
    let negative = spread(ROUNDS, ROUND, |round| {
        let start = round * ROUND % PROBED;
        let maybe =
            absent[start..start + ROUND].iter().filter(|fingerprint| filter.may_contain(**fingerprint));
        black_box(maybe.count());
    });
    println!("| filter of 1e6 | |\n|---|---:|");
    println!("| bytes an entry | {:.2} |", bytes.len() as f64 / MILLION as f64);
    println!("| built in | {:.0} ms |", built.as_secs_f64() * 1e3);
    println!("| absent, ns, p5 / median | {:.1} / {:.1} |", negative.p5, negative.p50);
    println!("| 'maybe' for absent ones | {wrong} of {tried} |");
    Ok(())
}

/// Looks up fingerprints that are not there, and all that are.
pub(crate) fn exact(negatives: u64) -> Result<(), Box<dyn Error>> {
    let writer = filled(MILLION)?;
    let mut reader = writer.live().reader();
    let table = reader.pin().ok_or("no table")?;
    let revoked = |number: &u64| table.lookup(fingerprint(*number)) != CLEAR;
    let wrong = (ABSENT..ABSENT + negatives).filter(revoked).count();
    let missed = MILLION as usize - (0..MILLION).filter(revoked).count();
    println!("{wrong} of {negatives} absent fingerprints found, {missed} of 1e6 present ones missed.");
    assert_eq!((wrong, missed), (0, 0));
    Ok(())
}

/// A claim with one string for each of the four scopes.
struct FourIds([String; SCOPES]);

impl FourIds {
    fn new(token: u64) -> Self {
        FourIds(std::array::from_fn(|scope| {
            let number = ABSENT + token * SCOPES as u64 + scope as u64;
            let [high, low] = [random(number), random(!number)].map(|half| format!("{half:016x}"));
            format!("{}-{}-{}-{}-{}", &high[..8], &high[8..12], &high[12..], &low[..4], &low[4..])
        }))
    }
}

impl Claims for FourIds {
    fn texts<'c>(&'c self, path: &ClaimPath, out: &mut [&'c str]) -> Texts {
        let place = CLAIMS.iter().position(|claim| *claim == path.text());
        match (place, out.first_mut()) {
            (Some(place), Some(out)) => {
                *out = &self.0[place];
                Texts::One
            }
            _ => Texts::Missing,
        }
    }
}

fn four_scopes() -> Result<Vec<Scope>, Box<dyn Error>> {
    let [token, session, subject, client] = CLAIMS;
    Ok(vec![
        Scope::id("token", token)?,
        Scope::id("session", session)?,
        Scope::epoch("subject", subject)?,
        Scope::epoch("client", client)?,
    ])
}

fn is_clear(reader: &mut libtoken::revocation::Reader, token: &Probes) -> bool {
    reader.check(token, &REFUSE, NOW).finding == Finding::Clear
}

fn probes(fingerprints: &[Fingerprint]) -> Probes {
    let mut probes = Probes::new(Some(NOW));
    for fingerprint in fingerprints {
        let pushed = probes.push(Probe { fingerprint: *fingerprint, scope: 0 });
        assert!(pushed.is_ok());
    }
    probes
}

fn absent() -> Vec<Fingerprint> {
    (0..PROBED as u64).map(|number| fingerprint(ABSENT + number)).collect()
}

fn filled(entries: u64) -> Result<Writer, Box<dyn Error>> {
    let mut writer = Writer::in_memory(settings(entries as usize), NOW)?;
    for number in 0..entries {
        writer.insert(&id(number, NOW))?;
    }
    writer.commit(1, NOW)?;
    Ok(writer)
}

fn insert_all(writer: &mut Writer, entries: &[Entry]) -> Result<(), Box<dyn Error>> {
    for entry in entries {
        writer.insert(entry)?;
    }
    Ok(())
}

fn settings(expected_entries: usize) -> WriterSettings {
    WriterSettings { key_id: KEY_ID, retention_seconds: 3600, expected_entries }
}

fn nanos(start: Instant) -> u32 {
    u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX)
}

const CLEAR: Answer = Answer::Exactly(NotBefore::NONE);
const REFUSE: DoubtPolicy =
    DoubtPolicy { max_staleness_seconds: Some(60), on_stale: Fallback::Refuse, on_maybe: Fallback::Refuse };
const CLAIMS: [&str; SCOPES] = ["jti", "sid", "sub", "client_id"];
const SCOPES: usize = 4;
const MILLION: u64 = 1_000_000;
/// Single events that are measured; the table grows once meanwhile.
const EVENTS: u64 = 400_000;
const REBUILDS: i64 = 12;
/// More checks than a reader makes in the time that is measured.
const SAMPLES: usize = 30_000_000;
const ROUNDS: usize = 200;
/// Lookups in one round: about 50 us, short beside a scheduler's slice.
const ROUND: usize = 1 << 13;
/// Tokens in one round.
const TOKENS: usize = 1 << 10;
/// Different fingerprints that are looked up: more than the caches hold lines for.
const PROBED: usize = 1 << 18;
