//! The field of P-256: integers modulo p = 2^256 - 2^224 + 2^192 + 2^96 - 1 (FIPS 186-4 §D.1.2.3).
//!
//! The simple algorithm: schoolbook product of four 64-bit words, then Montgomery's reduction (Math. Comp.
//! 44 (1985) 519-521), one word at a time: add the multiple m·p that clears the lowest word, drop the word.
//! Departures:
//! - p = -1 modulo 2^64, so m is the lowest word itself: the multiplication that finds m disappears.
//! - m·p needs no product: p's words 0 and 1 amount to a shift by 32 bits, word 2 is zero, and word 3 is
//!   2^64 - 2^32 + 1. The general reduction takes 20 products.
//! - A square computes each mixed product once: 10 products instead of 16.
//! - Each row of the product is summed in one chain of carries, which compiles to one `adc` per word.
//!
//! The formally verified implementation of the crate `fiat-crypto` is the oracle in the tests; it takes three
//! times as long as this one. Values are public, so nothing here promises constant time.

use core::hint::select_unpredictable;

use super::word;

/// p, lowest word first.
pub(super) const P: [u64; 4] = [0xffff_ffff_ffff_ffff, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001];

/// A field element a in Montgomery form, a·2^256 mod p, lowest word first. Always below p, so that equality
/// of words is equality of elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Element(pub(super) [u64; 4]);

impl Element {
    pub(super) const ZERO: Element = Element([0; 4]);

    /// One: 2^256 mod p.
    pub(super) const ONE: Element =
        Element([0x0000_0000_0000_0001, 0xffff_ffff_0000_0000, 0xffff_ffff_ffff_ffff, 0x0000_0000_ffff_fffe]);

    /// The element with this value, lowest word first, which must be below p.
    pub(super) fn from_words(words: &[u64; 4]) -> Element {
        Element(*words).mul(&R_SQUARED)
    }

    #[inline(always)]
    pub(super) fn add(&self, other: &Element) -> Element {
        let (a, b) = (&self.0, &other.0);
        let (r0, carry) = word::add(a[0], b[0], 0);
        let (r1, carry) = word::add(a[1], b[1], carry);
        let (r2, carry) = word::add(a[2], b[2], carry);
        let (r3, carry) = word::add(a[3], b[3], carry);
        subtract_p_once([r0, r1, r2, r3], carry)
    }

    #[inline(always)]
    pub(super) fn sub(&self, other: &Element) -> Element {
        let (a, b) = (&self.0, &other.0);
        let (r0, borrow) = word::subtract(a[0], b[0], 0);
        let (r1, borrow) = word::subtract(a[1], b[1], borrow);
        let (r2, borrow) = word::subtract(a[2], b[2], borrow);
        let (r3, borrow) = word::subtract(a[3], b[3], borrow);
        let mask = u64::from(borrow).wrapping_neg();
        let (r0, carry) = word::add(r0, P[0] & mask, 0);
        let (r1, carry) = word::add(r1, P[1] & mask, carry);
        let (r2, carry) = word::add(r2, 0, carry);
        let (r3, _) = word::add(r3, P[3] & mask, carry);
        Element([r0, r1, r2, r3])
    }

    /// The negation where `negative`, else the element itself; no branch, since signs of digits are as
    /// good as random and a mispredicted branch costs more than a subtraction.
    #[inline(always)]
    pub(super) fn negate_if(&self, negative: bool) -> Element {
        let (a, opposite) = (&self.0, Element::ZERO.sub(self).0);
        Element([
            select_unpredictable(negative, opposite[0], a[0]),
            select_unpredictable(negative, opposite[1], a[1]),
            select_unpredictable(negative, opposite[2], a[2]),
            select_unpredictable(negative, opposite[3], a[3]),
        ])
    }

    #[inline(always)]
    pub(super) fn mul(&self, other: &Element) -> Element {
        let (a, b) = (&self.0, &other.0);
        let [t0, t1, t2, t3, t4] = multiply_by_word(a, b[0]);
        let [r0, r1, r2, r3, r4] = multiply_by_word(a, b[1]);
        let (t1, carry) = word::add(t1, r0, 0);
        let (t2, carry) = word::add(t2, r1, carry);
        let (t3, carry) = word::add(t3, r2, carry);
        let (t4, carry) = word::add(t4, r3, carry);
        let (t5, _) = word::add(r4, 0, carry);
        let [r0, r1, r2, r3, r4] = multiply_by_word(a, b[2]);
        let (t2, carry) = word::add(t2, r0, 0);
        let (t3, carry) = word::add(t3, r1, carry);
        let (t4, carry) = word::add(t4, r2, carry);
        let (t5, carry) = word::add(t5, r3, carry);
        let (t6, _) = word::add(r4, 0, carry);
        let [r0, r1, r2, r3, r4] = multiply_by_word(a, b[3]);
        let (t3, carry) = word::add(t3, r0, 0);
        let (t4, carry) = word::add(t4, r1, carry);
        let (t5, carry) = word::add(t5, r2, carry);
        let (t6, carry) = word::add(t6, r3, carry);
        let (t7, _) = word::add(r4, 0, carry);
        reduce([t0, t1, t2, t3], [t4, t5, t6, t7])
    }

    #[inline(always)]
    pub(super) fn square(&self) -> Element {
        let a = &self.0;
        // The mixed products a[i]·a[j], i < j, at word i + j.
        let (t1, h1) = a[0].carrying_mul(a[1], 0);
        let (l2, h2) = a[0].carrying_mul(a[2], 0);
        let (l3, h3) = a[0].carrying_mul(a[3], 0);
        let (t2, carry) = word::add(l2, h1, 0);
        let (t3, carry) = word::add(l3, h2, carry);
        let (t4, _) = word::add(h3, 0, carry);
        let (l3, h3) = a[1].carrying_mul(a[2], 0);
        let (l4, h4) = a[1].carrying_mul(a[3], 0);
        let (l5, h5) = a[2].carrying_mul(a[3], 0);
        let (l4, carry) = word::add(l4, h3, 0);
        let (l5, carry) = word::add(l5, h4, carry);
        let (t6, _) = word::add(h5, 0, carry);
        let (t3, carry) = word::add(t3, l3, 0);
        let (t4, carry) = word::add(t4, l4, carry);
        let (t5, carry) = word::add(l5, 0, carry);
        let (t6, _) = word::add(t6, 0, carry);
        // Twice each.
        let (t1, carry) = word::add(t1, t1, 0);
        let (t2, carry) = word::add(t2, t2, carry);
        let (t3, carry) = word::add(t3, t3, carry);
        let (t4, carry) = word::add(t4, t4, carry);
        let (t5, carry) = word::add(t5, t5, carry);
        let (t6, carry) = word::add(t6, t6, carry);
        let t7 = u64::from(carry);
        // And the squares.
        let (t0, h0) = a[0].carrying_mul(a[0], 0);
        let (l1, h1) = a[1].carrying_mul(a[1], 0);
        let (l2, h2) = a[2].carrying_mul(a[2], 0);
        let (l3, h3) = a[3].carrying_mul(a[3], 0);
        let (t1, carry) = word::add(t1, h0, 0);
        let (t2, carry) = word::add(t2, l1, carry);
        let (t3, carry) = word::add(t3, h1, carry);
        let (t4, carry) = word::add(t4, l2, carry);
        let (t5, carry) = word::add(t5, h2, carry);
        let (t6, carry) = word::add(t6, l3, carry);
        let (t7, _) = word::add(t7, h3, carry);
        reduce([t0, t1, t2, t3], [t4, t5, t6, t7])
    }

    /// The inverse by Fermat, a^(p-2); zero for zero. Used only while tables are built.
    pub(super) fn invert(&self) -> Element {
        let mut power = Element::ONE;
        for word in P_MINUS_2.iter().rev() {
            for bit in (0..u64::BITS).rev() {
                power = power.square();
                if word >> bit & 1 == 1 {
                    power = power.mul(self);
                }
            }
        }
        power
    }
}

/// The words of a big-endian number, lowest word first.
pub(super) fn words_from_be_bytes(bytes: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, chunk) in words.iter_mut().rev().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_be_bytes(*chunk);
    }
    words
}

/// `a < b` for numbers of four words, lowest word first.
pub(super) fn less_than(a: &[u64; 4], b: &[u64; 4]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// a·b.
#[inline(always)]
fn multiply_by_word(a: &[u64; 4], b: u64) -> [u64; 5] {
    let (l0, h0) = a[0].carrying_mul(b, 0);
    let (l1, h1) = a[1].carrying_mul(b, 0);
    let (l2, h2) = a[2].carrying_mul(b, 0);
    let (l3, h3) = a[3].carrying_mul(b, 0);
    let (r1, carry) = word::add(l1, h0, 0);
    let (r2, carry) = word::add(l2, h1, carry);
    let (r3, carry) = word::add(l3, h2, carry);
    let (r4, _) = word::add(h3, 0, carry);
    [l0, r1, r2, r3, r4]
}

/// (low + high·2^256) / 2^256 mod p, for a number below 2^256·p.
#[inline(always)]
fn reduce(low: [u64; 4], high: [u64; 4]) -> Element {
    let r = clear_lowest(clear_lowest(clear_lowest(clear_lowest(low))));
    let (r0, carry) = word::add(r[0], high[0], 0);
    let (r1, carry) = word::add(r[1], high[1], carry);
    let (r2, carry) = word::add(r[2], high[2], carry);
    let (r3, carry) = word::add(r[3], high[3], carry);
    subtract_p_once([r0, r1, r2, r3], carry)
}

/// (r + m·p) / 2^64 with m = r[0], which is below 2^192 + p and so fits four words.
///
/// r[0] + m·(2^64 - 1), p's lowest word, is m·2^64; with p's word 1, m·(2^32 - 1)·2^64, that is m·2^96:
/// m << 32 in word 1 and m >> 32 in word 2. Words 3 and 4 receive m·(2^64 - 2^32 + 1).
#[inline(always)]
fn clear_lowest(r: [u64; 4]) -> [u64; 4] {
    let m = r[0];
    let (m_low, m_high) = (m << 32, m >> 32);
    let (product_low, borrow) = word::subtract(m, m_low, 0);
    let (product_high, _) = word::subtract(m, m_high, borrow);
    let (r1, carry) = word::add(r[1], m_low, 0);
    let (r2, carry) = word::add(r[2], m_high, carry);
    let (r3, carry) = word::add(r[3], product_low, carry);
    let (r4, _) = word::add(product_high, 0, carry);
    [r1, r2, r3, r4]
}

/// r + carry·2^256 modulo p, for a value below 2·p.
#[inline(always)]
fn subtract_p_once(r: [u64; 4], carry: u8) -> Element {
    let (s0, borrow) = word::subtract(r[0], P[0], 0);
    let (s1, borrow) = word::subtract(r[1], P[1], borrow);
    let (s2, borrow) = word::subtract(r[2], P[2], borrow);
    let (s3, borrow) = word::subtract(r[3], P[3], borrow);
    let keep = borrow == 1 && carry == 0;
    Element([
        select_unpredictable(keep, r[0], s0),
        select_unpredictable(keep, r[1], s1),
        select_unpredictable(keep, r[2], s2),
        select_unpredictable(keep, r[3], s3),
    ])
}

/// 2^512 mod p: a product with it brings a number into Montgomery form.
const R_SQUARED: Element =
    Element([0x0000_0000_0000_0003, 0xffff_fffb_ffff_ffff, 0xffff_ffff_ffff_fffe, 0x0000_0004_ffff_fffd]);

/// p - 2, the exponent of Fermat's inverse.
const P_MINUS_2: [u64; 4] = [0xffff_ffff_ffff_fffd, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001];
