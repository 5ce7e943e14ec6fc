//! State directories of revocation: which one is meant, opening it for reading or writing, and what its errors
//! ask an operator to do.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use libtoken::revocation::event::Event;
use libtoken::revocation::log::{Appended, SyncPolicy};
use libtoken::revocation::store::{Archive, Store, StoreError, StoreFile, StoreSettings};
use libtoken::revocation::{Entry, Live, StateError, Writer};
use libtoken::verify::{Policy, RevocationState, Verifier};

use crate::clock;
use crate::failure::Failure;
use crate::files;
use crate::scopes::Scopes;
use crate::verifier_args::{beside, read_policy};

/// The policy that names the scopes and the state directory.
#[derive(clap::Args)]
#[group(id = "state_source", required = true, multiple = true, args = ["policy", "state"])]
pub(crate) struct StateArgs {
    /// Policy file: it has the scopes, and names the state directory in `revocation.directory`
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// State directory, if not the one that the policy names
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl StateArgs {
    /// The policy file.
    pub(crate) fn policy_file(&self) -> Option<&Path> {
        self.policy.as_deref()
    }

    /// The policy, where the command needs its scopes.
    pub(crate) fn policy(&self) -> Result<Policy, Failure> {
        match &self.policy {
            Some(path) => {
                let policy = read_policy(path)?;
                if policy.revocation().is_none() {
                    return Err(Failure::new(
                        files::name(path),
                        NO_SCOPES,
                        "add `revocation` with its scopes",
                    ));
                }
                Ok(policy)
            }
            None => {
                Err(Failure::new("--policy", "is missing", "the scopes and lifetimes stand in the policy"))
            }
        }
    }

    /// The state directory, which need not exist.
    pub(crate) fn directory(&self) -> Result<PathBuf, Failure> {
        if let Some(state) = &self.state {
            return Ok(state.clone());
        }
        let policy = self.policy()?;
        let named = policy.revocation().and_then(|revocation| revocation.directory.as_deref());
        named.map(|directory| beside(self.policy_file(), directory)).ok_or_else(|| {
            let place = self.policy_file().map_or_else(String::new, files::name);
            let what = "names no state directory";
            Failure::new(place, what, "set `revocation.directory` in it, or give --state DIR")
        })
    }

    /// The state directory, which must exist.
    pub(crate) fn existing_directory(&self) -> Result<PathBuf, Failure> {
        let directory = self.directory()?;
        must_exist(&directory)?;
        Ok(directory)
    }

    /// Opens the state for writing, with the live table complete.
    pub(crate) fn open(&self) -> Result<Open, Failure> {
        Open::new(self.existing_directory()?, self.policy()?)
    }

    /// Opens the live table for reading.
    pub(crate) fn open_for_reading(&self) -> Result<RevocationState, Failure> {
        let directory = self.existing_directory()?;
        RevocationState::open(&directory).map_err(|e| failure(&directory, &e))
    }

    /// The policy's scopes for reading: with the key of the state directory.
    pub(crate) fn scopes(&self, state: &RevocationState) -> Result<Scopes, Failure> {
        scopes(self.policy()?, state.key.clone())
    }
}

/// A state directory that is open for writing.
pub(crate) struct Open {
    directory: PathBuf,
    pub(crate) store: Store,
    pub(crate) live: Writer,
    pub(crate) scopes: Scopes,
}

impl Open {
    fn new(directory: PathBuf, policy: Policy) -> Result<Open, Failure> {
        let store = open_store(&directory, retention(&policy))?;
        let live = store.open_live(clock::now()).map_err(|e| failure(&directory, &e))?;
        let scopes = scopes(policy, store.fingerprint_key().clone())?;
        Ok(Open { directory, store, live, scopes })
    }

    /// Records the events and applies them: they are on disk, and seen by every verifier that maps the live
    /// table, when this returns.
    pub(crate) fn record(&mut self, events: &[(Event, Entry)]) -> Result<Appended, Failure> {
        let appended = self.store.append(events, &mut self.live, now_millis());
        appended.map_err(|e| self.failure(&e))
    }

    /// Ends the writing. A log that has grown far beyond what is alive is put away, so that opening the state
    /// stays quick; if that fails, the events are recorded all the same, and a warning tells why.
    pub(crate) fn finish(mut self) {
        let (log, base) = (self.store.log_bytes(), self.store.base_bytes() as u64);
        let mut ended = Ok(());
        if log > LONG_LOG_BYTES && log > base.saturating_mul(LONG_LOG_BASES) {
            ended = self.store.compact(clock::now());
        }
        if let Err(error) = ended.and_then(|()| self.store.close()) {
            // If standard error is gone too, the next command that opens the state tells.
            let _ = writeln!(io::stderr(), "warning: {}: {error}", files::name(&self.directory));
        }
    }

    pub(crate) fn failure(&self, error: &StoreError) -> Failure {
        failure(&self.directory, error)
    }
}

/// The revocation state that a long run of verifications follows.
pub(crate) struct Followed {
    directory: PathBuf,
    live: Arc<Live>,
    looked_at: Instant,
}

impl Followed {
    pub(crate) fn open(directory: PathBuf, verifier: &Verifier) -> Result<Followed, Failure> {
        must_exist(&directory)?;
        let state = RevocationState::open(&directory).map_err(|e| failure(&directory, &e))?;
        let live = Arc::clone(&state.live);
        verifier.attach_revocations(state);
        Ok(Followed { directory, live, looked_at: Instant::now() })
    }

    /// Now and then, sees whether the writer had to make the files anew, and moves to the new ones. What is
    /// revoked in between is seen without this.
    pub(crate) fn now_and_then(&mut self, verifier: &Verifier) {
        if self.looked_at.elapsed() >= LOOK_EVERY {
            self.move_on(verifier);
        }
    }

    /// Whether the state had been replaced, and the new one is attached. If it cannot be opened, verification
    /// goes on with the old one, which answers 'stale'.
    pub(crate) fn move_on(&mut self, verifier: &Verifier) -> bool {
        self.looked_at = Instant::now();
        if self.live.refresh().is_ok() {
            return false;
        }
        let Ok(state) = RevocationState::open(&self.directory) else { return false };
        self.live = Arc::clone(&state.live);
        verifier.attach_revocations(state);
        true
    }
}

/// Opens the store. What a crash left half-written is told on standard error.
pub(crate) fn open_store(directory: &Path, retention_seconds: u32) -> Result<Store, Failure> {
    let settings = StoreSettings { sync: SyncPolicy::Always, retention_seconds, archive: Archive::Keep };
    let (store, opened) = Store::open(directory, settings).map_err(|e| failure(directory, &e))?;
    if opened.torn_bytes > 0 {
        let bytes = opened.torn_bytes;
        let place = files::name(directory);
        // If standard error is gone, the state is as good.
        let _ = writeln!(
            io::stderr(),
            "warning: {place}: {bytes} bytes of events that were never acknowledged are cut"
        );
    }
    Ok(store)
}

/// The longest lifetime of the tokens of any epoch scope.
pub(crate) fn retention(policy: &Policy) -> u32 {
    let scopes = policy.revocation().map(|revocation| revocation.scopes.as_slice()).unwrap_or_default();
    let epochs = scopes.iter().filter(|scope| crate::scopes::is_epoch(scope));
    epochs.map(|scope| scope.max_lifetime_seconds).max().unwrap_or_default()
}

/// Milliseconds since the Unix epoch, now.
pub(crate) fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn scopes(policy: Policy, key: libtoken::revocation::FingerprintKey) -> Result<Scopes, Failure> {
    Scopes::new(policy, key).ok_or_else(|| Failure::new("the policy", NO_SCOPES, "add `revocation` to it"))
}

fn must_exist(directory: &Path) -> Result<(), Failure> {
    if directory.is_dir() {
        return Ok(());
    }
    let what = "the state directory does not exist";
    Err(Failure::new(files::name(directory), what, "create it with `libtoken revocations init`"))
}

/// What is wrong with a state directory, and what to do about it.
pub(crate) fn failure(directory: &Path, error: &StoreError) -> Failure {
    let remedy = match error {
        StoreError::Locked { .. } | StoreError::Live(StateError::Locked { .. }) => {
            "wait for it to end, or end it"
        }
        StoreError::Exists => "choose another directory, or use this one as it is",
        StoreError::Exposed(_) => "take the permissions away; whoever could read it may have the secret",
        StoreError::Io { kind: io::ErrorKind::PermissionDenied, file: StoreFile::FingerprintKey } => {
            "let the verifier's group read it (chgrp, chmod 640)"
        }
        StoreError::Io { kind: io::ErrorKind::NotFound, .. } => {
            "`libtoken revocations init` makes a state directory"
        }
        StoreError::Live(_) | StoreError::LiveFailed | StoreError::LiveAhead => {
            "`libtoken revocations refresh` makes the live table again"
        }
        StoreError::NoSigner => "make the state directory again with `libtoken revocations init`",
        StoreError::UntilTooLate => "leave --until out, or raise `max_lifetime_seconds` of the scope",
        StoreError::Base(_)
        | StoreError::Log(_)
        | StoreError::Mismatch
        | StoreError::MissingEvents
        | StoreError::Malformed(_) => "put the directory back from a copy; see `libtoken revocations verify`",
        _ => "check the directory and its permissions",
    };
    Failure::new(files::name(directory), error as &dyn Display, remedy)
}

const NO_SCOPES: &str = "has no revocation scopes";

/// A log of up to this many bytes is never put away: some 100,000 events, which are read in 50 ms.
const LONG_LOG_BYTES: u64 = 16 << 20;

/// A log may be this many times as long as the base: an event takes some 130 bytes there, an entry at most 16
/// in the base.
const LONG_LOG_BASES: u64 = 8;

/// How often a running verifier sees whether the files of the state are still the same: what it costs then
/// (opening a file) is nothing, and nothing but a repair of damaged files waits for it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
