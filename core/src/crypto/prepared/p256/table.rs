//! Multiples of one point, for multiplication by adding table entries only.
//!
//! The simple algorithm: write the scalar k in radix 2^w with digits d_i, and add d_i·(2^(w·i)·P) for each i,
//! all 2^w multiples of each 2^(w·i)·P being at hand (the fixed-base windowing method, Handbook of Elliptic
//! and Hyperelliptic Curve Cryptography §9.3.1). No doubling is left. Departures:
//! - Digits are signed, -2^(w-1) < d_i <= 2^(w-1), so half the multiples suffice: -(x, y) is (x, -y).
//! - A scalar above half the group's order n is replaced by its opposite n - k, of at most 255 bits, and the
//!   signs are flipped: the last window can then not carry into one more.
//! - All entries are read before any is added, so that the memory works on all of them at once: an addition
//!   is longer than the window in which a CPU looks ahead, and tables are seldom in its nearest cache.

use super::field::{Element, less_than};
use super::point::{Affine, Sum, invert_all};
use super::word;

/// The width w of the windows. Memory for time: a key takes 32, 86 or 256 KiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Window {
    /// 64 windows of 8 multiples: 32 KiB.
    Bits4,
    /// 43 windows of 32 multiples: 86 KiB.
    Bits6,
    /// 32 windows of 128 multiples: 256 KiB.
    Bits8,
}

/// The order of the group, lowest word first.
pub(super) const N: [u64; 4] =
    [0xf3b9_cac2_fc63_2551, 0xbce6_faad_a717_9e84, 0xffff_ffff_ffff_ffff, 0xffff_ffff_0000_0000];

/// The multiples 1 to 2^(w-1) of 2^(w·i)·P, for each window i.
pub(super) struct Table {
    window: Window,
    entries: Box<[Affine]>,
}

/// Points read from tables, to be added up.
pub(super) struct Selection {
    points: [Affine; MAX_SELECTED],
    count: usize,
}

impl Window {
    /// Every width, narrowest first.
    pub(crate) const ALL: [Window; 3] = [Window::Bits4, Window::Bits6, Window::Bits8];

    /// The place in [`Window::ALL`].
    pub(super) const fn index(self) -> usize {
        match self {
            Window::Bits4 => 0,
            Window::Bits6 => 1,
            Window::Bits8 => 2,
        }
    }

    const fn bits(self) -> usize {
        match self {
            Window::Bits4 => 4,
            Window::Bits6 => 6,
            Window::Bits8 => 8,
        }
    }

    /// Multiples kept per window.
    const fn half(self) -> usize {
        1 << (self.bits() - 1)
    }

    /// Windows that cover a scalar of 255 bits. The last one holds 3, 3 or 7 bits, so with the carry that
    /// comes in it stays within the multiples kept.
    const fn count(self) -> usize {
        255_usize.div_ceil(self.bits())
    }
}

impl Table {
    /// The table of `point`, which must lie on the curve.
    ///
    /// No addition here is exceptional: it adds [k]B and [j]B with 0 < j < k < 2^w, and B has prime order n.
    pub(super) fn new(point: Affine, window: Window) -> Table {
        let (half, count) = (window.half(), window.count());
        let mut denominators = vec![Element::ONE; count * half / 2];
        let mut products = denominators.clone();
        let mut entries = vec![point; count * half].into_boxed_slice();

        let mut bases = Vec::with_capacity(count);
        let mut base = Sum::of(point);
        for _ in 0..count {
            bases.push(base);
            for _ in 0..window.bits() {
                base = base.double();
            }
        }
        let mut inverses: Vec<Element> = bases.iter().map(Sum::affine_denominator).collect();
        invert_all(&mut inverses, &mut vec![Element::ONE; count]);
        for ((row, base), inverse) in entries.chunks_exact_mut(half).zip(bases).zip(&inverses) {
            row[0] = base.to_affine_with(inverse);
        }

        // Each row holds [1]B to [known]B; add [known]B to each of them.
        let mut known = 1;
        while known < half {
            let used = &mut denominators[..count * known];
            for (row, inverses) in entries.chunks_exact(half).zip(used.chunks_exact_mut(known)) {
                let highest = row[known - 1];
                for (entry, denominator) in row.iter().zip(inverses.iter_mut()) {
                    *denominator = entry.add_denominator(&highest);
                }
                inverses[known - 1] = highest.double_denominator();
            }
            invert_all(used, &mut products);
            for (row, inverses) in entries.chunks_exact_mut(half).zip(used.chunks_exact(known)) {
                let (old, new) = row.split_at_mut(known);
                let highest = old[known - 1];
                for ((entry, sum), inverse) in old.iter().zip(new.iter_mut()).zip(inverses) {
                    *sum = entry.add_with(&highest, inverse);
                }
                new[known - 1] = highest.double_with(&inverses[known - 1]);
            }
            known *= 2;
        }
        Table { window, entries }
    }

    /// Adds to `selection` the points whose sum is `scalar`·P, for a scalar below n, lowest word first.
    pub(super) fn select(&self, scalar: &[u64; 4], selection: &mut Selection) {
        match self.window {
            Window::Bits4 => self.select_digits::<4>(scalar, selection),
            Window::Bits6 => self.select_digits::<6>(scalar, selection),
            Window::Bits8 => self.select_digits::<8>(scalar, selection),
        }
    }

    /// Heap memory, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val::<[Affine]>(&self.entries)
    }

    /// The entries of each window, for the tests.
    #[cfg(test)]
    pub(super) fn rows(&self) -> impl Iterator<Item = &[Affine]> {
        self.entries.chunks_exact(self.window.half())
    }

    #[inline(always)]
    fn select_digits<const W: usize>(&self, scalar: &[u64; 4], selection: &mut Selection) {
        let opposite = subtract_from_n(scalar);
        let flip = less_than(&opposite, scalar);
        let mut rest = if flip { opposite } else { *scalar };
        let mut carry = 0;
        for row in self.entries.chunks_exact(1 << (W - 1)) {
            let digit = (rest[0] & ((1 << W) - 1)) + carry;
            rest = [
                rest[0] >> W | rest[1] << (64 - W),
                rest[1] >> W | rest[2] << (64 - W),
                rest[2] >> W | rest[3] << (64 - W),
                rest[3] >> W,
            ];
            let negative = digit > 1 << (W - 1);
            carry = u64::from(negative);
            let magnitude = if negative { (1 << W) - digit } else { digit };
            let [magnitude, ..] = magnitude.to_le_bytes();
            // No entry: the digit is zero.
            if let Some(entry) = row.get(usize::from(magnitude).wrapping_sub(1)) {
                selection.push(entry, negative != flip);
            }
        }
    }
}

impl Selection {
    pub(super) fn new() -> Selection {
        Selection { points: [Affine { x: Element::ZERO, y: Element::ZERO }; MAX_SELECTED], count: 0 }
    }

    /// The sum of the points; `None`, the identity, where there are none.
    pub(super) fn sum(&self) -> Option<Sum> {
        let (first, rest) = self.points.get(..self.count)?.split_first()?;
        let mut sum = Sum::of(*first);
        for point in rest {
            sum.add(point);
        }
        Some(sum)
    }

    #[inline(always)]
    fn push(&mut self, point: &Affine, negative: bool) {
        if let Some(place) = self.points.get_mut(self.count) {
            *place = Affine { x: point.x, y: point.y.negate_if(negative) };
            self.count += 1;
        }
    }
}

/// n - scalar.
fn subtract_from_n(scalar: &[u64; 4]) -> [u64; 4] {
    let mut difference = [0; 4];
    let mut borrow = 0;
    for ((difference, n), s) in difference.iter_mut().zip(N).zip(scalar) {
        (*difference, borrow) = word::subtract(n, *s, borrow);
    }
    difference
}

/// Two scalars in the narrowest windows.
const MAX_SELECTED: usize = 2 * Window::Bits4.count();
