//! The atomics of the warm table, in one place so that a model checker can stand in for them.
//!
//! `RUSTFLAGS="--cfg loom"` swaps in loom's types, and lets a model weaken one ordering at a time to show that
//! it is needed (models.rs).

#[cfg(not(loom))]
use core::sync::atomic::fence;
#[cfg(not(loom))]
pub(super) use core::sync::atomic::{AtomicU64, Ordering};
#[cfg(loom)]
use loom::sync::atomic::fence;
#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
pub(super) use loom::sync::Mutex;
#[cfg(not(loom))]
pub(super) use std::sync::Mutex;

/// The places whose ordering the proof rests on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Site {
    /// The slot that makes an entry visible.
    Publish,
    /// The load of that slot by a reader.
    Observe,
    /// Between giving places up and overwriting them.
    Overwrite,
    /// Between copying words and asking whether their place was given up.
    Validate,
}

/// Words of one cache line.
pub(super) const LINE_WORDS: usize = 8;

/// Zeroed cache lines of words.
pub(super) struct Lines {
    /// A few more words than asked for, so that the first line can begin with a line of the cache.
    words: Box<[AtomicU64]>,
    first: usize,
}

impl Lines {
    pub(super) fn new(lines: usize) -> Lines {
        let words = (0..lines * LINE_WORDS + LINE_WORDS - 1).map(|_| AtomicU64::new(0));
        let words: Box<[AtomicU64]> = words.collect();
        let past = words.as_ptr().addr() % (LINE_WORDS * size_of::<u64>());
        Lines { words, first: (LINE_WORDS - past / size_of::<u64>()) % LINE_WORDS }
    }

    /// From a line to the end.
    #[inline]
    pub(super) fn at(&self, line: usize) -> Option<&[AtomicU64]> {
        self.words.get(self.first + line * LINE_WORDS..)
    }
}

/// Loads a word that carries no order of its own.
#[inline]
pub(super) fn peek(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

/// Stores a word that a later [`publish`] makes visible.
#[inline]
pub(super) fn put(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Relaxed);
}

/// Replaces a word: whoever sees `value` through [`observe`] sees everything that was stored before. Returns
/// what stood there.
#[inline]
pub(super) fn publish(word: &AtomicU64, value: u64) -> u64 {
    word.swap(value, ordering(Site::Publish, Ordering::Release))
}

/// The same if the word still is `current`; else what it is instead.
#[inline]
pub(super) fn publish_if(word: &AtomicU64, current: u64, value: u64) -> Result<u64, u64> {
    word.compare_exchange(current, value, ordering(Site::Publish, Ordering::Release), Ordering::Relaxed)
}

/// Replaces a word by one that makes nothing new visible. A reader that sees it still sees what was published
/// with the word that it replaced: an exchange continues the release sequence.
#[inline]
pub(super) fn exchange(word: &AtomicU64, current: u64, value: u64) -> Result<u64, u64> {
    word.compare_exchange(current, value, Ordering::Relaxed, Ordering::Relaxed)
}

/// Loads a word and everything that was published with it.
#[inline]
pub(super) fn observe(word: &AtomicU64) -> u64 {
    word.load(ordering(Site::Observe, Ordering::Acquire))
}

/// Called by a writer before it stores into places that it, or a writer before it, gave up: a reader that
/// sees one of those stores then also sees, after [`before_validating`], that the place was given up.
#[inline]
pub(super) fn before_overwriting() {
    if !weakened(Site::Overwrite) {
        fence(Ordering::Release);
    }
}

/// Called by a reader between the words that it has copied and the tail that says whether they count.
#[inline]
pub(super) fn before_validating() {
    if !weakened(Site::Validate) {
        fence(Ordering::Acquire);
    }
}

#[inline]
fn ordering(site: Site, strong: Ordering) -> Ordering {
    if weakened(site) { Ordering::Relaxed } else { strong }
}

#[cfg(not(loom))]
#[inline]
const fn weakened(_: Site) -> bool {
    false
}

#[cfg(loom)]
use weak::weakened;

#[cfg(loom)]
pub(super) mod weak {
    use std::cell::Cell;

    use super::Site;

    // loom runs the threads of a model on one thread of the system, so this reaches all of them and no other
    // test.
    thread_local! {
        static WEAKENED: Cell<Option<Site>> = const { Cell::new(None) };
    }

    pub(in super::super) fn weaken(site: Option<Site>) {
        WEAKENED.set(site);
    }

    pub(super) fn weakened(site: Site) -> bool {
        WEAKENED.get() == Some(site)
    }
}
