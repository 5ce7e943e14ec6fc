//! Live revocation state as its readers see it: threads share a [`Live`], and each keeps a [`Reader`].
//!
//! A check costs three loads of one cache line, then one load per fingerprint. It takes no lock and allocates
//! nothing, except that a reader of a mapped state maps the new file when the writer has moved to one; a host
//! that calls [`Live::refresh`] after growth keeps even that off its requests.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::check::{DoubtPolicy, Finding, Freshness, Lookup, Pinned, Probes, Verdict};
use super::control::{Control, Moment, NO_GENERATION, RETIRED_GENERATION, Stamp};
#[cfg(all(any(unix, windows), not(loom)))]
use super::mapped::StateFiles;
use super::state_error::StateError;
use super::table::{Table, words_for};

/// Numbers about a live table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveStats {
    /// Entries, those that have expired and were not dropped yet included.
    pub entries: usize,
    /// Bytes of the table.
    pub bytes: usize,
    /// How many tables there have been.
    pub generation: u64,
}

/// Live revocation state, shared by the readers of one process.
pub struct Live {
    pub(crate) control: Control,
    pub(crate) table: ArcSwapOption<Table>,
    #[cfg(all(any(unix, windows), not(loom)))]
    pub(crate) files: Option<StateFiles>,
}

impl Live {
    /// The public id of the key that the state's fingerprints were made with.
    #[must_use]
    pub fn key_id(&self) -> [u8; 8] {
        self.control.header().key_id
    }

    /// The sequence up to which every event is applied and seen by every check that starts from now on.
    #[must_use]
    pub fn applied_sequence(&self) -> u64 {
        self.control.moment().stamp.sequence
    }

    /// The time up to which the state is complete, in seconds since the Unix epoch.
    #[must_use]
    pub fn as_of(&self) -> i64 {
        self.control.moment().as_of
    }

    /// The moment that holds now. A cached verdict with the same stamp needs no new check.
    #[must_use]
    #[inline]
    pub fn stamp(&self) -> Stamp {
        self.control.moment().stamp
    }

    /// A reader for one thread.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> Reader {
        Reader { live: Arc::clone(self), table: None }
    }

    /// Maps the current table, if the writer has moved to another, and sees whether the files are still those
    /// that the path names. Checks do the former themselves; calling this now and then (and after every
    /// notification of the writer) takes the work out of a request.
    ///
    /// # Errors
    /// [`StateError::Retired`] if the state must be opened again, [`StateError::NotPublished`] if there is no
    /// table yet, or why the current table cannot be mapped. Checks answer 'stale' meanwhile.
    pub fn refresh(&self) -> Result<(), StateError> {
        #[cfg(all(any(unix, windows), not(loom)))]
        if let Some(files) = &self.files {
            files.still_current()?;
        }
        self.current(self.control.moment().stamp.generation).map(|_| ())
    }

    /// Numbers about the current table, for the operator. Goes through all of it.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub fn stats(&self) -> Result<LiveStats, StateError> {
        let table = self.current(self.control.moment().stamp.generation)?;
        let mut entries = 0;
        for group in 0..table.header().groups {
            table.for_each_in(group, |_, _| entries += 1);
        }
        let bytes = words_for(table.header().groups) * size_of::<u64>();
        Ok(LiveStats { entries, bytes, generation: table.header().generation })
    }

    /// [`Reader::check`] for callers that have no place to keep a reader. A few nanoseconds slower.
    #[must_use]
    pub fn check(&self, probes: &Probes, policy: &DoubtPolicy, now: i64) -> Verdict {
        self.with_pinned(|pinned| verdict(pinned, pinned, probes, policy, now))
    }

    /// The same over another source, such as a snapshot that the live table continues: either may revoke.
    #[must_use]
    pub fn check_over(&self, base: &dyn Lookup, probes: &Probes, policy: &DoubtPolicy, now: i64) -> Verdict {
        self.with_pinned(|pinned| verdict(&(base, pinned), pinned, probes, policy, now))
    }

    fn with_pinned(&self, look: impl FnOnce(&Pinned<'_>) -> Verdict) -> Verdict {
        let moment = self.control.moment();
        let guard = self.table.load();
        match guard.as_ref() {
            Some(table) if table.header().generation == moment.stamp.generation => {
                look(&Pinned { table, moment })
            }
            _ => match self.current(moment.stamp.generation) {
                Ok(table) => look(&Pinned { table: &table, moment }),
                Err(_) => OUT_OF_REACH,
            },
        }
    }

    /// A table of this generation or of a later one: everything that was acknowledged in this generation is
    /// in each of them.
    #[cold]
    fn current(&self, generation: u64) -> Result<Arc<Table>, StateError> {
        match generation {
            NO_GENERATION => return Err(StateError::NotPublished),
            RETIRED_GENERATION => return Err(StateError::Retired),
            _ => {}
        }
        if let Some(table) = self.table.load_full().filter(|table| table.header().generation >= generation) {
            return Ok(table);
        }
        #[cfg(all(any(unix, windows), not(loom)))]
        if let Some(files) = &self.files {
            let table = files.map_current(&self.control)?;
            // Another thread may have mapped a later one in the meantime.
            self.table.rcu(|known| match known {
                Some(known) if known.header().generation >= table.header().generation => {
                    Some(Arc::clone(known))
                }
                _ => Some(Arc::clone(&table)),
            });
            return Ok(table);
        }
        Err(StateError::NotPublished)
    }
}

/// One thread's view of a [`Live`]: it keeps the current table at hand.
pub struct Reader {
    live: Arc<Live>,
    table: Option<Arc<Table>>,
}

impl Reader {
    /// The state that is read.
    #[must_use]
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// The state as it is now, or `None` if it was never loaded or is out of reach: that is as good as stale.
    /// For callers that look into several sources; others use [`check`](Self::check).
    #[inline]
    pub fn pin(&mut self) -> Option<Pinned<'_>> {
        let moment = self.live.control.moment();
        let known = self.table.as_ref().map(|table| table.header().generation);
        if known != Some(moment.stamp.generation) {
            self.table = self.live.current(moment.stamp.generation).ok();
        }
        self.table.as_deref().map(|table| Pinned { table, moment })
    }

    /// Is this token revoked at `now` (seconds since the Unix epoch)?
    ///
    /// Everything that the writer acknowledged before the call is seen.
    #[inline]
    pub fn check(&mut self, probes: &Probes, policy: &DoubtPolicy, now: i64) -> Verdict {
        self.pin().map_or(OUT_OF_REACH, |pinned| verdict(&pinned, &pinned, probes, policy, now))
    }

    /// The same for a token that was clear at `checked`: if nothing has been revoked since, nothing is looked
    /// up.
    #[inline]
    pub fn recheck(&mut self, probes: &Probes, checked: Stamp, policy: &DoubtPolicy, now: i64) -> Verdict {
        match self.pin() {
            Some(pinned) if pinned.stamp() == checked => Verdict {
                finding: Finding::Clear,
                freshness: policy.freshness(pinned.as_of(), now),
                stamp: Some(checked),
            },
            Some(pinned) => verdict(&pinned, &pinned, probes, policy, now),
            None => OUT_OF_REACH,
        }
    }
}

#[inline]
fn verdict(
    sources: &impl Lookup,
    pinned: &Pinned<'_>,
    probes: &Probes,
    policy: &DoubtPolicy,
    now: i64,
) -> Verdict {
    Verdict {
        finding: probes.find(sources),
        freshness: policy.freshness(pinned.as_of(), now),
        stamp: Some(pinned.stamp()),
    }
}

const OUT_OF_REACH: Verdict = Verdict { finding: Finding::Clear, freshness: Freshness::Stale, stamp: None };

impl Moment {
    /// Before anything was applied.
    pub(crate) const START: Moment =
        Moment { stamp: Stamp { generation: NO_GENERATION, sequence: 0 }, as_of: 0 };
}
