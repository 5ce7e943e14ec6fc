//! The atomics of the live table, in one place so that a model checker can stand in for them.
//!
//! `RUSTFLAGS="--cfg loom"` swaps in loom's types, and lets a model weaken one ordering at a time to show that
//! it is needed (`models`).

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};

/// The places whose ordering the readers rely on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Site {
    /// The group word whose new tag makes a slot visible.
    Tag,
    /// The group word whose overflow mark makes the next group visible.
    Mark,
    /// The sequence that acknowledges what was stored before it.
    Sequence,
    /// The generation that directs readers to another table.
    Generation,
    /// The readers' side of all of them.
    Reader,
}

/// Publishes: whoever sees `value` through [`observe`] sees everything that was stored before.
#[inline]
pub(crate) fn publish(site: Site, word: &AtomicU64, value: u64) {
    word.store(value.to_le(), if weakened(site) { Ordering::Relaxed } else { Ordering::Release });
}

/// Stores a value that a later [`publish`] makes visible.
#[inline]
pub(crate) fn put(word: &AtomicU64, value: u64) {
    word.store(value.to_le(), Ordering::Relaxed);
}

/// Loads a value with no order; what was published before it may be read after [`acquire`].
///
/// Mapped memory is read-only, where Rust promises only Relaxed loads to work (`core::sync::atomic`, 'Atomic
/// accesses to read-only memory'); hence the fence in place of acquire loads.
#[inline]
pub(crate) fn peek(word: &AtomicU64) -> u64 {
    u64::from_le(word.load(Ordering::Relaxed))
}

/// Orders the loads that follow after those made by [`peek`] before.
#[inline]
pub(crate) fn acquire() {
    if !weakened(Site::Reader) {
        fence(Ordering::Acquire);
    }
}

/// Loads a value and everything that was published with it.
#[inline]
pub(crate) fn observe(word: &AtomicU64) -> u64 {
    let value = peek(word);
    acquire();
    value
}

/// Zeroed words in memory of this process.
pub(crate) fn heap_words(count: usize) -> Box<[AtomicU64]> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

#[cfg(not(loom))]
#[inline]
const fn weakened(_: Site) -> bool {
    false
}

#[cfg(loom)]
pub(crate) use weak::{weaken, weakened};

#[cfg(loom)]
mod weak {
    use std::cell::Cell;

    use super::Site;

    // loom runs the threads of a model on one thread of the system, so this reaches all of them and no other
    // test.
    thread_local! {
        static WEAKENED: Cell<Option<Site>> = const { Cell::new(None) };
    }

    pub(crate) fn weaken(site: Site) {
        WEAKENED.set(Some(site));
    }

    pub(crate) fn weakened(site: Site) -> bool {
        WEAKENED.get() == Some(site)
    }
}
