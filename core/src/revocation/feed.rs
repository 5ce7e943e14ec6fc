//! Following a writer's state: what to fetch, when, and whether to accept it. No I/O and no clock: a host asks
//! [`Feed::next`], does it, and hands over what came (or that nothing did), together with the time.
//!
//! The first thing accepted is a snapshot; deltas and heartbeats follow. A gap or a fork makes the feed demand a
//! snapshot again; until it comes, the state in use only gets older, and the policy's `max_staleness` decides.

use super::defect::{Defect, Remedy};
use super::delta::{Delta, LiveSink, Position};
use super::ratchet::Ratchet;
use super::signing::TrustedKeys;
use super::snapshot::Snapshot;

/// Time between two questions for news, in milliseconds, unless the host says otherwise: half of the second
/// within which a revocation is to be known everywhere.
pub const DEFAULT_POLL_MILLIS: u64 = 500;

/// Longest pause after failures, in milliseconds, unless the host says otherwise: short enough that a writer
/// that comes back is noticed before `max_staleness` values of a minute run out.
pub const DEFAULT_MAX_BACKOFF_MILLIS: u64 = 15_000;

/// Whom a feed follows, and how eagerly.
#[derive(Clone, Debug)]
pub struct FeedSettings {
    /// The keys that may sign.
    pub trusted: TrustedKeys,
    /// The id of this verifier's fingerprint key.
    pub fingerprint_key: [u8; 8],
    /// Time between two questions for news, in milliseconds. A host with a long poll sets it to 0.
    pub poll_millis: u64,
    /// Longest pause after failures, in milliseconds.
    pub max_backoff_millis: u64,
}

impl FeedSettings {
    /// Settings with the default times.
    #[must_use]
    pub fn new(trusted: TrustedKeys, fingerprint_key: [u8; 8]) -> Self {
        FeedSettings {
            trusted,
            fingerprint_key,
            poll_millis: DEFAULT_POLL_MILLIS,
            max_backoff_millis: DEFAULT_MAX_BACKOFF_MILLIS,
        }
    }
}

/// What a host does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Fetch the current snapshot, then call [`Feed::accept_snapshot`] or [`Feed::failed`].
    FetchSnapshot,
    /// Fetch what comes after event `after_seq` of `generation`, then call [`Feed::accept_delta`] or
    /// [`Feed::failed`].
    FetchDelta {
        /// The numbering.
        generation: u64,
        /// The last event known.
        after_seq: u64,
    },
    /// Nothing until then, in milliseconds since the Unix epoch.
    Wait {
        /// When to ask again.
        until_millis: u64,
    },
}

/// What an accepted delta changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// How many events were applied; none by a heartbeat.
    pub events: usize,
    /// The last event applied so far.
    pub sequence: u64,
    /// The time up to which the state is complete, in seconds since the Unix epoch.
    pub as_of: i64,
}

/// The follower's state.
#[derive(Clone, Debug)]
pub struct Feed {
    settings: FeedSettings,
    ratchet: Ratchet,
    following: Option<Following>,
    snapshot_demanded: bool,
    failures: u32,
    next_at_millis: u64,
}

#[derive(Clone, Copy, Debug)]
struct Following {
    position: Position,
    as_of: i64,
}

impl Feed {
    /// A feed that has nothing yet. `ratchet` is what the host persisted, or a new one the first time.
    #[must_use]
    pub fn new(settings: FeedSettings, ratchet: Ratchet) -> Self {
        Feed { settings, ratchet, following: None, snapshot_demanded: true, failures: 0, next_at_millis: 0 }
    }

    /// What to do at `now_millis` (milliseconds since the Unix epoch).
    #[must_use]
    pub fn next(&self, now_millis: u64) -> Action {
        if now_millis < self.next_at_millis {
            return Action::Wait { until_millis: self.next_at_millis };
        }
        match self.following {
            Some(Following { position, .. }) if !self.snapshot_demanded => {
                Action::FetchDelta { generation: position.generation, after_seq: position.sequence }
            }
            Some(_) | None => Action::FetchSnapshot,
        }
    }

    /// A snapshot came. If it is accepted, the host puts it in use with an empty live table over it, stores it,
    /// and stores [`ratchet`](Self::ratchet) after it. `random` is any random number; it spreads retries.
    ///
    /// # Errors
    /// A [`Defect`]; state, position and ratchet are as before, and [`next`](Self::next) says when to retry.
    pub fn accept_snapshot<B: AsRef<[u8]>>(
        &mut self,
        bytes: B,
        now_millis: u64,
        random: u64,
    ) -> Result<Snapshot<B>, Defect> {
        let parsed = Snapshot::parse_verified(
            bytes,
            &self.settings.trusted,
            &self.ratchet,
            self.settings.fingerprint_key,
            seconds(now_millis),
        );
        let snapshot = match parsed {
            Ok(snapshot) => snapshot,
            Err(defect) => {
                self.failed(now_millis, random);
                return Err(defect);
            }
        };
        let header = snapshot.header();
        self.ratchet.advance(&snapshot.mark(), &self.settings.trusted);
        self.following = Some(Following {
            position: Position {
                generation: header.generation,
                sequence: header.sequence,
                chain: header.chain,
            },
            as_of: header.created,
        });
        self.snapshot_demanded = false;
        self.failures = 0;
        self.next_at_millis = now_millis;
        Ok(snapshot)
    }

    /// A delta or a heartbeat came, asked for or pushed. If it is accepted, its events are in `sink`, the live
    /// table over the snapshot.
    ///
    /// # Errors
    /// A [`Defect`]; `sink`, position and ratchet are as before, except after [`Defect::TableFailed`].
    /// Where [`Defect::remedy`] says so, the feed now demands a snapshot.
    pub fn accept_delta(
        &mut self,
        bytes: &[u8],
        sink: &mut (impl LiveSink + ?Sized),
        now_millis: u64,
        random: u64,
    ) -> Result<Progress, Defect> {
        let result = self.apply(bytes, sink, now_millis);
        match &result {
            Ok(progress) => {
                self.failures = 0;
                // After events, more may be waiting.
                self.next_at_millis =
                    if progress.events > 0 { now_millis } else { self.next_poll(now_millis) };
            }
            Err(defect) => match defect.remedy() {
                Remedy::Ignore => self.next_at_millis = self.next_poll(now_millis),
                Remedy::Retry => self.failed(now_millis, random),
                Remedy::FetchSnapshot if self.snapshot_demanded => {}
                Remedy::FetchSnapshot => {
                    self.snapshot_demanded = true;
                    self.next_at_millis = now_millis;
                }
            },
        }
        result
    }

    /// What was asked for did not come. The pause before the next attempt doubles with each failure, and is
    /// drawn between half of it and the whole.
    pub fn failed(&mut self, now_millis: u64, random: u64) {
        let doubled = FIRST_BACKOFF_MILLIS << self.failures.min(MAX_DOUBLINGS);
        let pause = doubled.min(self.settings.max_backoff_millis).max(1);
        self.failures = self.failures.saturating_add(1);
        self.next_at_millis = now_millis.saturating_add(pause - random % (pause / 2 + 1));
    }

    /// Makes the next action fetch a snapshot, so that the live table over it can be emptied.
    pub fn demand_snapshot(&mut self) {
        self.snapshot_demanded = true;
    }

    /// The time up to which the state in use is complete, in seconds since the Unix epoch; `None` before the
    /// first snapshot.
    #[must_use]
    pub fn as_of(&self) -> Option<i64> {
        self.following.map(|following| following.as_of)
    }

    /// The last event applied, with its numbering and chain hash; `None` before the first snapshot.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.following.map(|following| following.position)
    }

    /// How many attempts in a row failed.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// What the host persists.
    #[must_use]
    pub fn ratchet(&self) -> &Ratchet {
        &self.ratchet
    }

    /// Other keys are trusted from now on. What was accepted stays.
    pub fn trust(&mut self, trusted: TrustedKeys) {
        self.settings.trusted = trusted;
    }

    fn apply(
        &mut self,
        bytes: &[u8],
        sink: &mut (impl LiveSink + ?Sized),
        now_millis: u64,
    ) -> Result<Progress, Defect> {
        let delta = Delta::parse_verified(bytes, &self.settings.trusted, self.settings.fingerprint_key)?;
        let following = self.following.as_mut().ok_or(Defect::NoSnapshot)?;
        let new = delta.follow(&following.position)?;
        if new.is_empty() && delta.created() < following.as_of {
            return Err(Defect::AlreadyApplied);
        }
        self.ratchet.check(&delta.mark(), &self.settings.trusted, seconds(now_millis))?;
        new.apply_to(sink, following.as_of).map_err(|_| Defect::TableFailed)?;
        following.position = *new.after();
        following.as_of = following.as_of.max(delta.created());
        self.ratchet.advance(&delta.mark(), &self.settings.trusted);
        Ok(Progress { events: new.len(), sequence: new.after().sequence, as_of: following.as_of })
    }

    fn next_poll(&self, now_millis: u64) -> u64 {
        now_millis.saturating_add(self.settings.poll_millis)
    }
}

fn seconds(millis: u64) -> i64 {
    i64::try_from(millis / 1000).unwrap_or(i64::MAX)
}

/// The pause after a first failure, in milliseconds.
const FIRST_BACKOFF_MILLIS: u64 = 250;
/// Keeps the shift within 64 bits; hours, long past any `max_backoff_millis` that makes sense.
const MAX_DOUBLINGS: u32 = 20;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::chain::Chain;
    use super::super::delta::{SinkFailed, encode_delta};
    use super::super::fingerprint::{Entry, EntryKind, Fingerprint};
    use super::super::signing::Signer;
    use super::super::snapshot::{SnapshotHeader, TimePrecision, build};
    use super::super::{Answer, Lookup, NotBefore};
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const NOW_MILLIS: u64 = 1_800_000_000_000;
    const KEY_ID: [u8; 8] = *b"hash key";
    const GENERATION: u64 = 1_700_000_000;

    #[derive(Clone, Default, PartialEq, Debug)]
    struct Table {
        entries: Vec<Entry>,
        applied_seq: u64,
        as_of: i64,
        broken: bool,
    }

    impl LiveSink for Table {
        fn apply(&mut self, entries: &[Entry], applied_seq: u64, as_of: i64) -> Result<(), SinkFailed> {
            if self.broken {
                return Err(SinkFailed);
            }
            self.entries.extend(entries);
            (self.applied_seq, self.as_of) = (applied_seq, as_of);
            Ok(())
        }
    }

    /// A writer: its history, and what it publishes.
    struct Publisher {
        signer: Signer,
        generation: u64,
        history: Vec<Entry>,
    }

    impl Publisher {
        fn new(seed: u8, generation: u64) -> Self {
            Publisher { signer: Signer::from_seed(&[seed; 32]), generation, history: Vec::new() }
        }

        fn revoke(&mut self, count: u64) {
            for _ in 0..count {
                let hash =
                    blake3::hash(&[self.history.len().to_le_bytes(), self.generation.to_le_bytes()].concat());
                let fingerprint = Fingerprint::from_bytes(hash.as_bytes()[..12].try_into().unwrap());
                self.history.push(Entry { fingerprint, kind: EntryKind::Id, time: NOW + 60 });
            }
        }

        fn at(&self, sequence: usize) -> Position {
            let start = Chain::start(self.generation, KEY_ID);
            let chain = self.history[..sequence]
                .iter()
                .zip(1..)
                .fold(start, |chain, (entry, n)| chain.next(n, &entry.to_slot().unwrap()));
            Position { generation: self.generation, sequence: sequence as u64, chain }
        }

        fn snapshot(&self, sequence: usize, created: i64) -> Vec<u8> {
            let position = self.at(sequence);
            let header = SnapshotHeader {
                generation: position.generation,
                sequence: position.sequence,
                chain: position.chain,
                created,
                valid_until: created + 3600,
                fingerprint_key: KEY_ID,
                max_staleness: 60,
            };
            build(&header, self.history[..sequence].to_vec(), TimePrecision::Classes, &self.signer).unwrap()
        }

        fn delta(&self, after: usize, to: usize, created: i64) -> Vec<u8> {
            encode_delta(&self.at(after), &self.history[after..to], KEY_ID, created, &self.signer).unwrap()
        }
    }

    fn feed(seeds: &[u8]) -> Feed {
        let keys: Vec<_> = seeds.iter().map(|&seed| Signer::from_seed(&[seed; 32]).public_key()).collect();
        Feed::new(FeedSettings::new(TrustedKeys::new(&keys).unwrap(), KEY_ID), Ratchet::new())
    }

    fn fetch_delta(after_seq: u64) -> Action {
        Action::FetchDelta { generation: GENERATION, after_seq }
    }

    fn following(publisher: &Publisher, sequence: usize) -> Feed {
        let mut feed = feed(&[1]);
        feed.accept_snapshot(publisher.snapshot(sequence, NOW), NOW_MILLIS, 0).unwrap();
        feed
    }

    #[test]
    fn from_nothing_to_following() {
        let mut publisher = Publisher::new(1, GENERATION);
        publisher.revoke(10);
        let (mut feed, mut table) = (feed(&[1]), Table::default());
        assert_eq!(feed.next(NOW_MILLIS), Action::FetchSnapshot);
        let early = feed.accept_delta(&publisher.delta(0, 5, NOW), &mut table, NOW_MILLIS, 0);
        assert_eq!(early, Err(Defect::NoSnapshot));
        assert_eq!(feed.as_of(), None);

        let snapshot = feed.accept_snapshot(publisher.snapshot(5, NOW), NOW_MILLIS, 0).unwrap();
        let revoked = |n: usize| snapshot.lookup(publisher.history[n].fingerprint);
        assert_eq!(revoked(4), Answer::Exactly(NotBefore::ALWAYS));
        assert_eq!(revoked(5), Answer::Exactly(NotBefore::NONE));
        assert_eq!(feed.next(NOW_MILLIS), fetch_delta(5));

        let progress = feed.accept_delta(&publisher.delta(5, 10, NOW + 1), &mut table, NOW_MILLIS, 0);
        assert_eq!(progress, Ok(Progress { events: 5, sequence: 10, as_of: NOW + 1 }));
        assert_eq!(table.entries, publisher.history[5..]);
        assert_eq!((table.applied_seq, table.as_of), (10, NOW + 1));
        assert_eq!(feed.next(NOW_MILLIS), fetch_delta(10));

        let beat = feed.accept_delta(&publisher.delta(10, 10, NOW + 9), &mut table, NOW_MILLIS, 0);
        assert_eq!(beat, Ok(Progress { events: 0, sequence: 10, as_of: NOW + 9 }));
        assert_eq!(table.as_of, NOW + 9);
        let until_millis = NOW_MILLIS + DEFAULT_POLL_MILLIS;
        assert_eq!(feed.next(NOW_MILLIS), Action::Wait { until_millis });
        assert_eq!(feed.next(until_millis), fetch_delta(10));
    }

    #[test]
    fn whatever_is_refused_changes_nothing() {
        let mut publisher = Publisher::new(1, GENERATION);
        publisher.revoke(20);
        let mut fork = Publisher::new(1, GENERATION);
        fork.revoke(20);
        fork.history.swap(1, 2);
        let stranger = Publisher {
            signer: Signer::from_seed(&[9; 32]),
            history: publisher.history.clone(),
            ..Publisher::new(9, GENERATION)
        };
        let older = Publisher { history: publisher.history.clone(), ..Publisher::new(1, GENERATION - 1) };
        let newer = Publisher { history: publisher.history.clone(), ..Publisher::new(1, GENERATION + 1) };
        let good = publisher.delta(10, 15, NOW);
        let mut flipped = good.clone();
        flipped[100] ^= 1;
        let cases = [
            (publisher.delta(11, 15, NOW), Defect::Gap),
            (publisher.delta(12, 12, NOW), Defect::Gap),
            (fork.delta(10, 15, NOW), Defect::Fork),
            (fork.delta(10, 10, NOW), Defect::Fork),
            (publisher.delta(0, 10, NOW), Defect::AlreadyApplied),
            (publisher.delta(0, 4, NOW), Defect::AlreadyApplied),
            (publisher.delta(10, 10, NOW - 1), Defect::AlreadyApplied),
            (older.delta(10, 15, NOW), Defect::RolledBack),
            (newer.delta(10, 15, NOW), Defect::OtherGeneration),
            (stranger.delta(10, 15, NOW), Defect::UnknownSigner),
            (publisher.delta(10, 15, NOW + 301), Defect::CreatedInFuture),
            (good[..good.len() - 1].to_vec(), Defect::Truncated),
            (flipped, Defect::InvalidSignature),
        ];
        for (bytes, defect) in cases {
            let (mut feed, mut table) = (following(&publisher, 10), Table::default());
            let before = (feed.position(), feed.as_of(), feed.ratchet().clone());
            assert_eq!(feed.accept_delta(&bytes, &mut table, NOW_MILLIS, 0), Err(defect));
            assert_eq!((feed.position(), feed.as_of(), feed.ratchet().clone()), before, "{defect:?}");
            assert_eq!(table, Table::default(), "{defect:?}");
            match defect.remedy() {
                Remedy::FetchSnapshot => assert_eq!(feed.next(NOW_MILLIS), Action::FetchSnapshot),
                Remedy::Ignore | Remedy::Retry => {
                    assert!(matches!(feed.next(NOW_MILLIS), Action::Wait { .. }));
                    assert_eq!(feed.next(NOW_MILLIS + 60_000), fetch_delta(10));
                }
            }
        }
    }

    #[test]
    fn snapshots_never_lead_back() {
        let mut publisher = Publisher::new(1, GENERATION);
        publisher.revoke(20);
        let (mut feed, mut table) = (following(&publisher, 10), Table::default());
        feed.accept_delta(&publisher.delta(10, 15, NOW), &mut table, NOW_MILLIS, 0).unwrap();
        feed.accept_delta(&publisher.delta(16, 17, NOW), &mut table, NOW_MILLIS, 0).unwrap_err();
        let before = (feed.position(), feed.as_of(), feed.ratchet().clone());
        let older = Publisher { history: publisher.history.clone(), ..Publisher::new(1, GENERATION - 1) };
        let ahead = Publisher { history: publisher.history.clone(), ..Publisher::new(1, GENERATION * 2) };
        for (bytes, defect) in [
            (publisher.snapshot(14, NOW), Defect::RolledBack),
            (older.snapshot(20, NOW), Defect::RolledBack),
            (ahead.snapshot(20, NOW), Defect::GenerationInFuture),
            (publisher.snapshot(20, NOW - 3600), Defect::Expired),
            (publisher.snapshot(20, NOW + 301), Defect::CreatedInFuture),
        ] {
            assert_eq!(feed.accept_snapshot(bytes, NOW_MILLIS, 0).err(), Some(defect));
            assert_eq!((feed.position(), feed.as_of(), feed.ratchet().clone()), before);
            assert_eq!(feed.next(NOW_MILLIS + 60_000), Action::FetchSnapshot);
        }
        feed.accept_snapshot(publisher.snapshot(18, NOW), NOW_MILLIS, 0).unwrap();
        assert_eq!(feed.next(NOW_MILLIS), fetch_delta(18));
        // A host that starts again with the ratchet is as strict.
        let kept = Ratchet::from_bytes(&feed.ratchet().to_bytes()).unwrap();
        let mut restarted = Feed::new(feed.settings.clone(), kept);
        let refused = restarted.accept_snapshot(publisher.snapshot(17, NOW), NOW_MILLIS, 0);
        assert_eq!(refused.err(), Some(Defect::RolledBack));
        assert!(restarted.accept_snapshot(publisher.snapshot(18, NOW), NOW_MILLIS, 0).is_ok());
    }

    #[test]
    fn a_new_generation_starts_with_its_snapshot() {
        let mut publisher = Publisher::new(1, GENERATION);
        publisher.revoke(10);
        let (mut feed, mut table) = (following(&publisher, 10), Table::default());
        let mut next = Publisher::new(1, GENERATION + 5);
        next.revoke(2);
        let refused = feed.accept_delta(&next.delta(0, 1, NOW), &mut table, NOW_MILLIS, 0);
        assert_eq!(refused, Err(Defect::OtherGeneration));
        feed.accept_snapshot(next.snapshot(1, NOW), NOW_MILLIS, 0).unwrap();
        let progress = feed.accept_delta(&next.delta(1, 2, NOW), &mut table, NOW_MILLIS, 0).unwrap();
        assert_eq!((progress.events, progress.sequence), (1, 2));
    }

    #[test]
    fn a_table_that_fails_is_built_again() {
        let mut publisher = Publisher::new(1, GENERATION);
        publisher.revoke(10);
        let mut feed = following(&publisher, 5);
        let mut table = Table { broken: true, ..Table::default() };
        let failed = feed.accept_delta(&publisher.delta(5, 10, NOW), &mut table, NOW_MILLIS, 0);
        assert_eq!(failed, Err(Defect::TableFailed));
        assert_eq!(feed.position().unwrap().sequence, 5);
        assert_eq!(feed.next(NOW_MILLIS), Action::FetchSnapshot);
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_are_spread() {
        let mut feed = feed(&[1]);
        let mut pauses = Vec::new();
        for _ in 0..40 {
            feed.failed(NOW_MILLIS, 0);
            let Action::Wait { until_millis } = feed.next(NOW_MILLIS) else { panic!("it waits") };
            pauses.push(until_millis - NOW_MILLIS);
        }
        assert_eq!(pauses[..7], [250, 500, 1000, 2000, 4000, 8000, 15_000]);
        assert!(pauses[7..].iter().all(|&pause| pause == DEFAULT_MAX_BACKOFF_MILLIS));
        let spread: std::collections::BTreeSet<u64> = (0..10_000)
            .map(|random| {
                feed.failed(NOW_MILLIS, random);
                feed.next_at_millis - NOW_MILLIS
            })
            .collect();
        assert_eq!((spread.first(), spread.last()), (Some(&7500), Some(&15_000)));
        let publisher = Publisher::new(1, GENERATION);
        feed.accept_snapshot(publisher.snapshot(0, NOW), NOW_MILLIS, 0).unwrap();
        assert_eq!((feed.failures(), feed.next(NOW_MILLIS)), (0, fetch_delta(0)));
    }
}
