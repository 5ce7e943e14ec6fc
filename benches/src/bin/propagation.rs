//! How long a revocation takes from one process to another: `propagation [ROUNDS]`, 1,000 unless told.
//!
//! The parent records one revocation after another in a state directory, as `libtoken revoke` does; the child maps
//! the live table and verifies the token concerned over and over until it is refused. Both read the system's
//! clock. Printed are the times from two moments to the child's first refusal: from when the event was on disk
//! and about to be applied, and from when the parent began to record it, the write to disk included.

use std::env;
use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use libtoken::error::Code;
use libtoken::jose::algorithm::Algorithm;
use libtoken::revocation::delta::{LiveSink, SinkFailed};
use libtoken::revocation::event::{Effect, Event, EventFields, OperationId};
use libtoken::revocation::log::SyncPolicy;
use libtoken::revocation::store::{Archive, NewSecrets, SignerSeed, Store, StoreSettings};
use libtoken::revocation::{DoubtPolicy, Entry, FingerprintKey, Scope, ScopeSet, Writer};
use libtoken::verify::{
    AudienceRule, IssuerPolicy, KeySource, Policy, Request, RevocationPolicy, RevocationState, Verifier,
};
use libtoken_mint::PrivateKey;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [role, directory] if role == "follow" => follow(Path::new(directory)),
        [rounds] => measure(rounds.parse()?),
        [] => measure(ROUNDS),
        _ => Err("usage: propagation [ROUNDS]".into()),
    }
}

/// The parent: makes state and tokens, revokes them one by one, and prints what the child saw.
fn measure(rounds: usize) -> Result<(), Box<dyn Error>> {
    let directory = env::temp_dir().join(format!("libtoken-propagation-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let result = measure_in(&directory, rounds);
    fs::remove_dir_all(&directory)?;
    let Measured { from_apply, from_request } = result?;
    print("on disk -> enforced in the other process", from_apply);
    print("asked for -> enforced in the other process, with the write to disk", from_request);
    Ok(())
}

/// Nanoseconds of each round.
struct Measured {
    from_apply: Vec<u64>,
    from_request: Vec<u64>,
}

fn measure_in(directory: &Path, rounds: usize) -> Result<Measured, Box<dyn Error>> {
    let state = directory.join("state");
    let secrets = NewSecrets {
        fingerprint_key: FingerprintKey::SipHash13([1; 16]),
        signer_seed: Some(SignerSeed([2; 32])),
    };
    let now = seconds();
    Store::create(&state, &secrets, now)?;
    let settings =
        StoreSettings { sync: SyncPolicy::Always, retention_seconds: 3600, archive: Archive::Keep };
    let (mut store, _) = Store::open(&state, settings)?;
    let mut sink = Timed { writer: store.open_live(now)?, began: 0 };
    let scopes = Arc::new(ScopeSet::new(store.fingerprint_key().clone(), vec![Scope::id("token", "jti")?])?);

    let mut rng = libtoken_mint::seeded(1);
    let key = PrivateKey::generate(Algorithm::EdDsa, 0, Some("k".to_owned()), &mut rng)?;
    let mut tokens = String::new();
    for round in 0..rounds {
        let claims =
            format!(r#"{{"iss":"{ISSUER}","aud":"a","iat":{now},"exp":{},"jti":"{round}"}}"#, now + 3600);
        let header = r#"{"alg":"EdDSA","kid":"k"}"#;
        tokens += &libtoken_mint::token(header, &claims, &key, Algorithm::EdDsa, &mut rng)?;
        tokens.push('\n');
    }
    fs::write(directory.join("tokens"), tokens)?;
    fs::write(directory.join("jwks"), format!(r#"{{"keys":[{}]}}"#, key.public_jwk()))?;

    let mut child =
        Command::new(env::current_exe()?).arg("follow").arg(directory).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
    let mut measured = Measured { from_apply: Vec::new(), from_request: Vec::new() };
    for round in 0..rounds {
        // The child says that it has accepted the token of this round.
        let ready = lines.next().ok_or("the child ended")??;
        assert_eq!(ready, format!("accepted {round}"));
        let event = revocation(round, now)?;
        let entry = scopes.entry("token", ISSUER, &[&round.to_string()], now + 3600)?;
        let asked = nanos();
        store.append(&[(event, entry)], &mut sink, asked / 1_000_000)?;
        let refused: u64 = lines.next().ok_or("the child ended")??.parse()?;
        measured.from_apply.push(refused.saturating_sub(sink.began));
        measured.from_request.push(refused.saturating_sub(asked));
    }
    let status = child.wait()?;
    if !status.success() {
        return Err("the child failed".into());
    }
    Ok(measured)
}

/// The child: verifies each token until it is refused, and tells when that was.
fn follow(directory: &Path) -> Result<(), Box<dyn Error>> {
    let mut issuer = IssuerPolicy::new(ISSUER, AudienceRule::AnyOf(vec!["a".to_owned()]));
    issuer.keys = KeySource::Inline(fs::read_to_string(directory.join("jwks"))?);
    let revocation = RevocationPolicy {
        scopes: vec![Scope::id("token", "jti")?],
        doubt: DoubtPolicy::default(),
        directory: None,
    };
    let verifier = Verifier::new(Policy::new(vec![issuer])?.with_revocation(revocation)?);
    verifier.attach_revocations(RevocationState::open(&directory.join("state"))?);
    let mut scratch = verifier.scratch();
    let mut out = std::io::stdout().lock();
    let now = seconds();
    for (round, token) in fs::read_to_string(directory.join("tokens"))?.lines().enumerate() {
        let mut announced = false;
        loop {
            match verifier.verify(token.as_bytes(), &Request::new(), now, &mut scratch) {
                Ok(_) if announced => {}
                Ok(_) => {
                    announced = true;
                    writeln!(out, "accepted {round}")?;
                }
                Err(rejection) if announced && rejection.code == Code::Revoked => break,
                Err(rejection) => return Err(format!("round {round}: {rejection}").into()),
            }
        }
        writeln!(out, "{}", nanos())?;
    }
    Ok(())
}

/// Notes when the events, which are on disk by then, begin to be applied.
struct Timed {
    writer: Writer,
    began: u64,
}

impl LiveSink for Timed {
    fn apply(&mut self, entries: &[Entry], applied_seq: u64, as_of: i64) -> Result<(), SinkFailed> {
        self.began = nanos();
        self.writer.apply(entries, applied_seq, as_of)
    }
}

fn revocation(round: usize, now: i64) -> Result<Event, Box<dyn Error>> {
    Ok(Event::new(EventFields {
        operation: OperationId::new(u128::try_from(round)?),
        recorded_at: now,
        scope: "token".to_owned(),
        issuer: ISSUER.to_owned(),
        values: vec![round.to_string()],
        effect: Effect::Id { until: now + 3600 },
        reason: String::new(),
        actor: String::new(),
    })?)
}

/// Prints quantiles, and how many rounds took up to each power of two of microseconds.
fn print(what: &str, mut nanos: Vec<u64>) {
    nanos.sort_unstable();
    let at = |permille: usize| nanos.get((nanos.len() * permille / 1000).min(nanos.len() - 1));
    let quantile = |permille| at(permille).map_or(0.0, |nanos| *nanos as f64 / 1e3);
    println!("{what}: {} rounds", nanos.len());
    for (name, permille) in [("p50", 500), ("p90", 900), ("p99", 990), ("p99.9", 999), ("max", 1000)] {
        println!("  {name:<6}{:>10.1} us", quantile(permille));
    }
    let mut done = 0;
    for power in 0.. {
        let limit = 1_000_u64 << power;
        let until = nanos.partition_point(|nanos| *nanos <= limit);
        if until > done {
            println!(
                "  <= {:>8} us {:>6} {}",
                1_u64 << power,
                until - done,
                "#".repeat((until - done) * 60 / nanos.len())
            );
        }
        done = until;
        if done == nanos.len() {
            break;
        }
    }
}

fn nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn seconds() -> i64 {
    i64::try_from(nanos() / 1_000_000_000).unwrap_or(i64::MAX)
}

const ISSUER: &str = "https://issuer.example";
const ROUNDS: usize = 1_000;
