//! Tables of the multiples of one point, so that a scalar multiplication is one addition per digit.
//!
//! The simple algorithm (double and add) spends 253 doublings on each multiplication. Here the doublings are
//! paid once: the table holds j * 2^(w*i) * P for every digit position i and every magnitude j up to half
//! the radix, and what remains is one addition per digit (the fixed-base method of Yao 1976 and of
//! Brickell, Gordon, McCurley and Wilson 1992, with signed digits).
//! All points are brought to Z = 1 by one shared inversion (Montgomery's trick).

use std::sync::LazyLock;

use super::field::{Field, Native, Words};
use super::inverse::invert;
use super::point::{Extended, Row, Term};
use super::recode::{MAX_DIGITS, Window, for_each_digit};

/// Multiples of one point.
pub(super) struct Table {
    window: Window,
    /// The neutral element, then the multiples of each digit position in turn.
    rows: Box<[Row]>,
}

/// The rows whose sum is wanted, with their signs.
pub(super) struct Terms<'t> {
    terms: [Term<'t>; MAX_TERMS],
    len: usize,
}

/// Window of the base point's table: it is shared by all keys, so it can afford the widest.
pub(super) const BASE_WINDOW: Window = Window::Bits8;

/// The table of the base point B.
pub(super) fn base_table() -> &'static Table {
    static BASE: LazyLock<Table> = LazyLock::new(|| Table::new(&Extended::base_point(), BASE_WINDOW));
    &BASE
}

impl Table {
    /// The multiples of `point`.
    pub(super) fn new(point: &Extended<Native>, window: Window) -> Self {
        let mut bases = Vec::with_capacity(window.digits());
        let mut base = *point;
        for _ in 0..window.digits() {
            bases.push(base);
            base = (0..window.bits()).fold(base, |power, _| power.add(&power));
        }
        let steps = normalize(&bases);

        let mut points = Vec::with_capacity(row_count(window));
        for (position, (base, step)) in bases.iter().zip(&steps).enumerate() {
            let mut multiple = *base;
            for _ in 1..rows_at(window, position) {
                points.push(multiple);
                multiple = multiple.add_row(step, false);
            }
            points.push(multiple);
        }
        let mut rows = Vec::with_capacity(1 + points.len());
        rows.push(Row::IDENTITY);
        rows.append(&mut normalize(&points));
        Self { window, rows: rows.into_boxed_slice() }
    }

    /// Bytes on the heap.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val::<[Row]>(&self.rows)
    }

    #[cfg(test)]
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }
}

impl<'t> Terms<'t> {
    pub(super) const fn new() -> Self {
        Self { terms: [Term { row: &Row::IDENTITY, negative: false }; MAX_TERMS], len: 0 }
    }

    /// Adds `scalar` times the point of `table`. The scalar must be below the group order. At most two
    /// multiples fit.
    #[inline(always)]
    pub(super) fn add_multiple(&mut self, scalar: &Words, table: &'t Table) {
        let start = self.len;
        for_each_digit(scalar, table.window, |position, digit| {
            let magnitude = usize::from(digit.unsigned_abs());
            let index = if magnitude == 0 { 0 } else { position * table.window.half() + magnitude };
            // Both always exist; a default is cheaper to reason about than a panic.
            if let Some(term) = self.terms.get_mut(start + position) {
                let row = table.rows.get(index).unwrap_or(&Row::IDENTITY);
                *term = Term { row, negative: digit < 0 };
            }
        });
        self.len = start + table.window.digits();
    }

    /// Reads every row once, all independently of each other. Tables are often in no near cache when a
    /// token comes, and the additions wait for one another: each would wait for its row as well.
    #[inline(always)]
    pub(super) fn touch(&self) {
        let rows = self.terms.iter().map(|term| term.row);
        core::hint::black_box(rows.fold(0, |all, row| all ^ row.sum_and_difference[0][0] ^ row.xy2d[3]));
    }

    /// The terms, filled up with neutral elements to a multiple of `lanes` (at most 8).
    pub(super) fn padded(&self, lanes: usize) -> &[Term<'t>] {
        let len = self.len.next_multiple_of(lanes);
        self.terms.get(..len).unwrap_or(&self.terms)
    }
}

/// Terms of the longest sum: the narrowest window for the key and the base point's.
const MAX_TERMS: usize = (MAX_DIGITS + BASE_WINDOW.digits()).next_multiple_of(8);

/// Multiples kept for one digit position.
fn rows_at(window: Window, position: usize) -> usize {
    if position + 1 == window.digits() { window.top_digit() } else { window.half() }
}

fn row_count(window: Window) -> usize {
    (0..window.digits()).map(|position| rows_at(window, position)).sum()
}

/// All points with Z = 1, for the price of one inversion and three multiplications each. No Z is zero, as
/// the addition is complete.
fn normalize(points: &[Extended<Native>]) -> Vec<Row> {
    let mut product = Native::ONE;
    let mut before = Vec::with_capacity(points.len());
    for point in points {
        before.push(product);
        product = Native::mul_tight(&product, &point.z);
    }
    let mut inverse = invert::<Native>(&product);
    let mut rows = vec![Row::IDENTITY; points.len()];
    for ((row, point), before) in rows.iter_mut().zip(points).zip(&before).rev() {
        *row = Row::normalized(point, &Native::mul_tight(&inverse, before));
        inverse = Native::mul_tight(&inverse, &point.z);
    }
    rows
}
