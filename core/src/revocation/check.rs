//! What revocations mean for one token: the rules that combine them, and what the policy makes of doubt.
//!
//! The fingerprints of a token are computed once, after its signature and claims were checked; every later
//! look at the same token only probes them again.

use super::control::{Moment, Stamp};
use super::fingerprint::Fingerprint;
use super::table::{NotBefore, Table};
use crate::error::{Code, Reason, Rejection};

/// A source of revocations: a table, a snapshot, a filter.
pub trait Lookup {
    /// What is known about this fingerprint.
    fn lookup(&self, fingerprint: Fingerprint) -> Answer;
}

/// What a [`Lookup`] knows about one fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Certain, [`NotBefore::NONE`] included.
    Exactly(NotBefore),
    /// The source cannot rule a revocation out; only an exact source can tell.
    Maybe,
}

/// Two sources, each of which may revoke: a snapshot and the live table over it.
impl<A: Lookup, B: Lookup> Lookup for (A, B) {
    #[inline]
    fn lookup(&self, fingerprint: Fingerprint) -> Answer {
        match (self.0.lookup(fingerprint), self.1.lookup(fingerprint)) {
            (Answer::Exactly(a), Answer::Exactly(b)) => Answer::Exactly(a.max(b)),
            // A certain revocation needs no further question; but a not-before that lets this token pass
            // does not answer the other source's doubt.
            (Answer::Exactly(NotBefore::ALWAYS), _) | (_, Answer::Exactly(NotBefore::ALWAYS)) => {
                Answer::Exactly(NotBefore::ALWAYS)
            }
            (Answer::Maybe, _) | (_, Answer::Maybe) => Answer::Maybe,
        }
    }
}

impl<L: Lookup + ?Sized> Lookup for &L {
    #[inline]
    fn lookup(&self, fingerprint: Fingerprint) -> Answer {
        (**self).lookup(fingerprint)
    }
}

/// The fingerprints under which one token can be revoked. Copy and of fixed size, so that a cached token keeps
/// them and is checked again with no hashing.
#[derive(Clone, Copy)]
pub struct Probes {
    probes: [Probe; MAX_PROBES],
    len: u8,
    iat: Option<i64>,
}

/// One fingerprint of a token and the scope that it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// What to look up.
    pub fingerprint: Fingerprint,
    /// The scope's position in its [`ScopeSet`](super::ScopeSet).
    pub scope: u8,
}

/// Most fingerprints of one token. The default scopes need 12; parent sessions take up to four more.
pub const MAX_PROBES: usize = 16;

impl Probes {
    /// No fingerprints yet, for a token issued at `iat`, in seconds since the Unix epoch and rounded down
    /// (`None`: it does not say, so that every not-before of its scopes refuses it).
    #[must_use]
    pub const fn new(iat: Option<i64>) -> Self {
        const EMPTY: Probe =
            Probe { fingerprint: Fingerprint::from_bytes([0; Fingerprint::BYTES]), scope: 0 };
        Probes { probes: [EMPTY; MAX_PROBES], len: 0, iat }
    }

    /// Forgets all fingerprints and begins anew, in the same place.
    pub fn restart(&mut self, iat: Option<i64>) {
        self.len = 0;
        self.iat = iat;
    }

    /// Adds a fingerprint.
    ///
    /// # Errors
    /// [`TooManyProbes`] if [`MAX_PROBES`] are there already.
    pub fn push(&mut self, probe: Probe) -> Result<(), TooManyProbes> {
        let place = self.probes.get_mut(usize::from(self.len)).ok_or(TooManyProbes)?;
        *place = probe;
        self.len += 1;
        Ok(())
    }

    /// The fingerprints, in the order of the scopes.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[Probe] {
        self.probes.get(..usize::from(self.len)).unwrap_or(&self.probes)
    }

    /// When the token was issued, in seconds since the Unix epoch.
    #[must_use]
    pub const fn iat(&self) -> Option<i64> {
        self.iat
    }

    /// Looks all of them up. The scope with the latest not-before decides; a certain revocation outweighs doubt.
    #[must_use]
    #[inline]
    pub fn find(&self, source: &impl Lookup) -> Finding {
        let mut latest = (NotBefore::NONE, 0);
        let mut doubtful = None;
        for probe in self.as_slice() {
            match source.lookup(probe.fingerprint) {
                Answer::Exactly(not_before) if not_before > latest.0 => latest = (not_before, probe.scope),
                Answer::Exactly(_) => {}
                Answer::Maybe => doubtful = doubtful.or(Some(probe.scope)),
            }
        }
        if latest.0.refuses(self.iat) {
            Finding::Revoked { scope: latest.1 }
        } else {
            doubtful.map_or(Finding::Clear, |scope| Finding::Maybe { scope })
        }
    }
}

/// There is no room for another fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyProbes;

/// What the sources know about one token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// No scope of the token is revoked.
    Clear,
    /// The token is revoked.
    Revoked {
        /// The scope's position in its [`ScopeSet`](super::ScopeSet).
        scope: u8,
    },
    /// A filter cannot rule a revocation out.
    Maybe {
        /// The scope's position in its [`ScopeSet`](super::ScopeSet).
        scope: u8,
    },
}

/// What to do when a question cannot be answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Fallback {
    /// Accept the token.
    Allow,
    /// Ask the issuer (RFC 7662).
    Introspect,
    /// Refuse the token.
    #[default]
    Refuse,
}

/// What the operator decided about state that is too old, and about filters that cannot tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DoubtPolicy {
    /// Greatest age of the state in seconds; `None`: it never grows stale, because what feeds it has its own
    /// supervision. State that was never loaded, or cannot be reached, is stale in any case.
    pub max_staleness_seconds: Option<u32>,
    /// What to do with a token while the state is stale.
    pub on_stale: Fallback,
    /// What to do with a token that a filter cannot clear.
    pub on_maybe: Fallback,
}

/// Whether the state is recent enough to be trusted with a 'no'.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshness {
    /// Recent enough.
    Fresh,
    /// Older than `max_staleness_seconds`, never loaded, or out of reach.
    Stale,
}

/// What was found, how fresh that is, and when in the state's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// What the sources know.
    pub finding: Finding,
    /// How far a 'no' can be trusted.
    pub freshness: Freshness,
    /// As long as the state has this stamp, the finding stays the same; `None` if there was no state.
    pub stamp: Option<Stamp>,
}

/// What happens to the token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It passes. While the state is stale, only because the policy says so.
    Accept(Freshness),
    /// It passes only if the issuer confirms it. The rejection says why, and is the answer where nobody can
    /// be asked.
    Introspect(Rejection),
    /// It is refused.
    Refuse(Rejection),
}

impl DoubtPolicy {
    /// How fresh state of time `as_of` is at time `now`, both in seconds since the Unix epoch.
    #[must_use]
    #[inline]
    pub fn freshness(&self, as_of: i64, now: i64) -> Freshness {
        match self.max_staleness_seconds {
            Some(most) if now.saturating_sub(as_of) > i64::from(most) => Freshness::Stale,
            _ => Freshness::Fresh,
        }
    }

    /// What happens to a token with this verdict. `name` gives the name of a scope.
    ///
    /// A revocation that was found counts however old the state is. Of two doubts, the stricter answer holds.
    #[must_use]
    pub fn decide(&self, verdict: &Verdict, name: impl Fn(u8) -> &'static str) -> Decision {
        let stale = match verdict.freshness {
            Freshness::Fresh => Fallback::Allow,
            Freshness::Stale => self.on_stale,
        };
        let (maybe, scope) = match verdict.finding {
            Finding::Revoked { scope } => {
                return Decision::Refuse(Rejection::of(Code::Revoked, name(scope), Reason::CheckFailed));
            }
            Finding::Maybe { scope } => (self.on_maybe, Some(scope)),
            Finding::Clear => (Fallback::Allow, None),
        };
        let rejection = match scope {
            Some(scope) if maybe >= stale => {
                Rejection::of(Code::MaybeRevoked, name(scope), Reason::CheckFailed)
            }
            _ => Rejection::new(Code::Stale, Reason::CheckFailed),
        };
        match maybe.max(stale) {
            Fallback::Allow => Decision::Accept(verdict.freshness),
            Fallback::Introspect => Decision::Introspect(rejection),
            Fallback::Refuse => Decision::Refuse(rejection),
        }
    }
}

/// One table at one moment.
pub struct Pinned<'a> {
    pub(crate) table: &'a Table,
    pub(crate) moment: Moment,
}

impl Pinned<'_> {
    /// The moment that is pinned.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.moment.stamp
    }

    /// The time up to which the state is complete, in seconds since the Unix epoch.
    #[must_use]
    pub fn as_of(&self) -> i64 {
        self.moment.as_of
    }
}

impl Lookup for Pinned<'_> {
    #[inline]
    fn lookup(&self, fingerprint: Fingerprint) -> Answer {
        Answer::Exactly(self.table.lookup(fingerprint))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const T: i64 = 1_800_000_000;

    /// A source that knows the first byte of fingerprints.
    struct Known(Vec<(u8, Answer)>);

    impl Lookup for Known {
        fn lookup(&self, fingerprint: Fingerprint) -> Answer {
            let [first, ..] = fingerprint.to_bytes();
            let found = self.0.iter().find(|(known, _)| *known == first);
            found.map_or(Answer::Exactly(NotBefore::NONE), |(_, answer)| *answer)
        }
    }

    fn probes(iat: Option<i64>, values: &[u8]) -> Probes {
        let mut probes = Probes::new(iat);
        for (scope, value) in (10..).zip(values) {
            probes.push(Probe { fingerprint: Fingerprint::from_bytes([*value; 12]), scope }).unwrap();
        }
        probes
    }

    fn until(time: i64) -> Answer {
        Answer::Exactly(NotBefore::at(time))
    }

    #[test]
    fn the_latest_not_before_decides() {
        let source = Known(vec![(1, until(T)), (2, until(T + 10)), (3, until(T - 10))]);
        for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
            let latest = 10 + u8::try_from(order.iter().position(|value| *value == 2).unwrap()).unwrap();
            for iat in [T - 20, T, T + 1, T + 9, T + 10] {
                let finding = probes(Some(iat), &order).find(&source);
                assert_eq!(finding, Finding::Revoked { scope: latest }, "{order:?} {iat}");
            }
            assert_eq!(probes(Some(T + 11), &order).find(&source), Finding::Clear);
        }
        assert_eq!(probes(None, &[9]).find(&source), Finding::Clear);
        assert_eq!(probes(None, &[3]).find(&source), Finding::Revoked { scope: 10 });
        assert_eq!(probes(Some(i64::MIN), &[]).find(&source), Finding::Clear);
    }

    #[test]
    fn certainty_outweighs_doubt() {
        let source = Known(vec![
            (1, Answer::Maybe),
            (2, Answer::Exactly(NotBefore::ALWAYS)),
            (3, until(T)),
            (4, Answer::Maybe),
        ]);
        assert_eq!(probes(Some(T), &[1, 2]).find(&source), Finding::Revoked { scope: 11 });
        assert_eq!(probes(Some(T), &[1, 3]).find(&source), Finding::Revoked { scope: 11 });
        assert_eq!(probes(Some(T + 1), &[3, 1, 4]).find(&source), Finding::Maybe { scope: 11 });
        assert_eq!(probes(Some(T + 1), &[3, 5]).find(&source), Finding::Clear);
    }

    #[test]
    fn two_sources_say_what_either_knows() {
        let none = Answer::Exactly(NotBefore::NONE);
        let always = Answer::Exactly(NotBefore::ALWAYS);
        for (a, b, both) in [
            (none, none, none),
            (none, until(T), until(T)),
            (until(T), until(T + 1), until(T + 1)),
            (Answer::Maybe, none, Answer::Maybe),
            (Answer::Maybe, until(T), Answer::Maybe),
            (Answer::Maybe, always, always),
            (until(T), always, always),
        ] {
            let fingerprint = Fingerprint::from_bytes([1; 12]);
            let source = |answer| Known(vec![(1, answer)]);
            assert_eq!((source(a), source(b)).lookup(fingerprint), both);
            assert_eq!((source(b), &source(a)).lookup(fingerprint), both);
        }
    }

    #[test]
    fn there_is_room_for_sixteen() {
        let mut full = probes(None, &[1; MAX_PROBES]);
        assert_eq!(full.as_slice().len(), MAX_PROBES);
        let more = Probe { fingerprint: Fingerprint::from_bytes([2; 12]), scope: 0 };
        assert_eq!(full.push(more), Err(TooManyProbes));
        assert!(size_of::<Probes>() <= 288, "{}", size_of::<Probes>());
    }

    #[test]
    fn the_stricter_doubt_decides() {
        use Fallback::{Allow, Introspect, Refuse};
        let revoked = Rejection::of(Code::Revoked, "session", Reason::CheckFailed);
        let maybe = Rejection::of(Code::MaybeRevoked, "session", Reason::CheckFailed);
        let stale = Rejection::new(Code::Stale, Reason::CheckFailed);
        let decide = |on_stale, on_maybe, finding, freshness| {
            let policy = DoubtPolicy { max_staleness_seconds: Some(1), on_stale, on_maybe };
            policy.decide(&Verdict { finding, freshness, stamp: None }, |scope| {
                assert_eq!(scope, 5);
                "session"
            })
        };
        let doubt = Finding::Maybe { scope: 5 };
        for fallback in [Allow, Introspect, Refuse] {
            for freshness in [Freshness::Fresh, Freshness::Stale] {
                let found = decide(fallback, fallback, Finding::Revoked { scope: 5 }, freshness);
                assert_eq!(found, Decision::Refuse(revoked), "whatever the policy");
            }
            let clear = decide(fallback, fallback, Finding::Clear, Freshness::Fresh);
            assert_eq!(clear, Decision::Accept(Freshness::Fresh));
        }
        let old = |on_stale| decide(on_stale, Refuse, Finding::Clear, Freshness::Stale);
        assert_eq!(old(Allow), Decision::Accept(Freshness::Stale));
        assert_eq!(old(Introspect), Decision::Introspect(stale));
        assert_eq!(old(Refuse), Decision::Refuse(stale));
        let unsure = |on_maybe| decide(Refuse, on_maybe, doubt, Freshness::Fresh);
        assert_eq!(unsure(Allow), Decision::Accept(Freshness::Fresh));
        assert_eq!(unsure(Introspect), Decision::Introspect(maybe));
        assert_eq!(unsure(Refuse), Decision::Refuse(maybe));
        let both = |on_stale, on_maybe| decide(on_stale, on_maybe, doubt, Freshness::Stale);
        assert_eq!(both(Allow, Allow), Decision::Accept(Freshness::Stale));
        assert_eq!(both(Refuse, Introspect), Decision::Refuse(stale));
        assert_eq!(both(Allow, Introspect), Decision::Introspect(maybe));
        assert_eq!(both(Refuse, Refuse), Decision::Refuse(maybe));
        assert_eq!(DoubtPolicy::default().on_stale, Refuse);
    }
}
