//! Memory that tables lie in: words of this process, or of a mapped file. Both look the same to a table.

use core::ops::Deref;

#[cfg(all(any(unix, windows), not(loom)))]
use super::mapped::Mapping;
use super::sync::{self, AtomicU64};

/// A fixed number of 64-bit words, shared with other threads and perhaps other processes.
pub(crate) enum Region {
    Heap(Box<[AtomicU64]>),
    #[cfg(all(any(unix, windows), not(loom)))]
    Mapped(Mapping),
}

impl Region {
    /// `count` words of zero in memory of this process.
    pub(crate) fn heap(count: usize) -> Self {
        Region::Heap(sync::heap_words(count))
    }

    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        match self {
            Region::Heap(words) => words,
            #[cfg(all(any(unix, windows), not(loom)))]
            Region::Mapped(mapping) => mapping.words(),
        }
    }
}

impl Deref for Region {
    type Target = [AtomicU64];

    #[inline]
    fn deref(&self) -> &[AtomicU64] {
        self.words()
    }
}
