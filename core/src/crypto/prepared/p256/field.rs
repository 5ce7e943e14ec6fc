//! The field of P-256: integers modulo p = 2^256 - 2^224 + 2^192 + 2^96 - 1 (FIPS 186-4 §D.1.2.3).
//!
//! The simple algorithm: schoolbook product of four 64-bit words, then Montgomery's reduction (Math. Comp.
//! 44 (1985) 519-521), one word at a time: add the multiple m·p that clears the lowest word, drop the word.
//! Departures:
//! - p = -1 modulo 2^64, so m is the lowest word itself: the multiplication that finds m disappears.
//! - m·p needs one product: p's words 0 and 1 amount to a shift by 32 bits, word 2 is zero. Together with the
//!   first point this costs 4 products where the general reduction takes 20.
//! - A square computes each mixed product once: 10 products instead of 16.
//!
//! The formally verified implementation of the crate `fiat-crypto` is the oracle in the tests; it takes half
//! as long again as this one. Values are public, so nothing here promises constant time.

/// p, lowest word first.
pub(super) const P: [u64; 4] = [0xffff_ffff_ffff_ffff, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001];

/// A field element a in Montgomery form, a·2^256 mod p, lowest word first. Always below p, so that equality
/// of words is equality of elements.
#[derive(Clone, Copy, PartialEq, Eq)]
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
        let (r0, carry) = a[0].carrying_add(b[0], false);
        let (r1, carry) = a[1].carrying_add(b[1], carry);
        let (r2, carry) = a[2].carrying_add(b[2], carry);
        let (r3, carry) = a[3].carrying_add(b[3], carry);
        subtract_p_once([r0, r1, r2, r3], carry)
    }

    #[inline(always)]
    pub(super) fn sub(&self, other: &Element) -> Element {
        let (a, b) = (&self.0, &other.0);
        let (r0, borrow) = a[0].borrowing_sub(b[0], false);
        let (r1, borrow) = a[1].borrowing_sub(b[1], borrow);
        let (r2, borrow) = a[2].borrowing_sub(b[2], borrow);
        let (r3, borrow) = a[3].borrowing_sub(b[3], borrow);
        let mask = u64::from(borrow).wrapping_neg();
        let (r0, carry) = r0.carrying_add(P[0] & mask, false);
        let (r1, carry) = r1.carrying_add(P[1] & mask, carry);
        let (r2, carry) = r2.carrying_add(0, carry);
        let (r3, _) = r3.carrying_add(P[3] & mask, carry);
        Element([r0, r1, r2, r3])
    }

    /// The negation where `negative`, else the element itself; no branch, since signs of digits are as
    /// good as random and a mispredicted branch costs more than a subtraction.
    #[inline(always)]
    pub(super) fn negate_if(&self, negative: bool) -> Element {
        let mask = u64::from(negative).wrapping_neg();
        let opposite = Element::ZERO.sub(self);
        let mut words = self.0;
        for (word, other) in words.iter_mut().zip(opposite.0) {
            *word = (*word & !mask) | (other & mask);
        }
        Element(words)
    }

    #[inline(always)]
    pub(super) fn mul(&self, other: &Element) -> Element {
        let (a, b) = (&self.0, &other.0);
        let [t0, t1, t2, t3, t4] = multiply_by_word(a, b[0]);
        let [r0, r1, r2, r3, r4] = multiply_by_word(a, b[1]);
        let (t1, carry) = t1.carrying_add(r0, false);
        let (t2, carry) = t2.carrying_add(r1, carry);
        let (t3, carry) = t3.carrying_add(r2, carry);
        let (t4, carry) = t4.carrying_add(r3, carry);
        let (t5, _) = r4.carrying_add(0, carry);
        let [r0, r1, r2, r3, r4] = multiply_by_word(a, b[2]);
        let (t2, carry) = t2.carrying_add(r0, false);
        let (t3, carry) = t3.carrying_add(r1, carry);
        let (t4, carry) = t4.carrying_add(r2, carry);
        let (t5, carry) = t5.carrying_add(r3, carry);
        let (t6, _) = r4.carrying_add(0, carry);
        let [r0, r1, r2, r3, r4] = multiply_by_word(a, b[3]);
        let (t3, carry) = t3.carrying_add(r0, false);
        let (t4, carry) = t4.carrying_add(r1, carry);
        let (t5, carry) = t5.carrying_add(r2, carry);
        let (t6, carry) = t6.carrying_add(r3, carry);
        let (t7, _) = r4.carrying_add(0, carry);
        reduce([t0, t1, t2, t3], [t4, t5, t6, t7])
    }

    #[inline(always)]
    pub(super) fn square(&self) -> Element {
        let a = &self.0;
        // The mixed products a[i]·a[j], i < j, at word i + j.
        let (t1, h1) = a[0].carrying_mul(a[1], 0);
        let (l2, h2) = a[0].carrying_mul(a[2], 0);
        let (l3, h3) = a[0].carrying_mul(a[3], 0);
        let (t2, carry) = l2.carrying_add(h1, false);
        let (t3, carry) = l3.carrying_add(h2, carry);
        let (t4, _) = h3.carrying_add(0, carry);
        let (l3, h3) = a[1].carrying_mul(a[2], 0);
        let (l4, h4) = a[1].carrying_mul(a[3], 0);
        let (l5, h5) = a[2].carrying_mul(a[3], 0);
        let (l4, carry) = l4.carrying_add(h3, false);
        let (l5, carry) = l5.carrying_add(h4, carry);
        let (t6, _) = h5.carrying_add(0, carry);
        let (t3, carry) = t3.carrying_add(l3, false);
        let (t4, carry) = t4.carrying_add(l4, carry);
        let (t5, carry) = l5.carrying_add(0, carry);
        let (t6, _) = t6.carrying_add(0, carry);
        // Twice each.
        let (t1, carry) = t1.carrying_add(t1, false);
        let (t2, carry) = t2.carrying_add(t2, carry);
        let (t3, carry) = t3.carrying_add(t3, carry);
        let (t4, carry) = t4.carrying_add(t4, carry);
        let (t5, carry) = t5.carrying_add(t5, carry);
        let (t6, carry) = t6.carrying_add(t6, carry);
        let t7 = u64::from(carry);
        // And the squares.
        let (t0, h0) = a[0].carrying_mul(a[0], 0);
        let (l1, h1) = a[1].carrying_mul(a[1], 0);
        let (l2, h2) = a[2].carrying_mul(a[2], 0);
        let (l3, h3) = a[3].carrying_mul(a[3], 0);
        let (t1, carry) = t1.carrying_add(h0, false);
        let (t2, carry) = t2.carrying_add(l1, carry);
        let (t3, carry) = t3.carrying_add(h1, carry);
        let (t4, carry) = t4.carrying_add(l2, carry);
        let (t5, carry) = t5.carrying_add(h2, carry);
        let (t6, carry) = t6.carrying_add(l3, carry);
        let (t7, _) = t7.carrying_add(h3, carry);
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
    let (r1, carry) = l1.carrying_add(h0, false);
    let (r2, carry) = l2.carrying_add(h1, carry);
    let (r3, carry) = l3.carrying_add(h2, carry);
    let (r4, _) = h3.carrying_add(0, carry);
    [l0, r1, r2, r3, r4]
}

/// (low + high·2^256) / 2^256 mod p, for a number below 2^256·p.
#[inline(always)]
fn reduce(low: [u64; 4], high: [u64; 4]) -> Element {
    let r = clear_lowest(clear_lowest(clear_lowest(clear_lowest(low))));
    let (r0, carry) = r[0].carrying_add(high[0], false);
    let (r1, carry) = r[1].carrying_add(high[1], carry);
    let (r2, carry) = r[2].carrying_add(high[2], carry);
    let (r3, carry) = r[3].carrying_add(high[3], carry);
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
    let (product_low, borrow) = m.borrowing_sub(m_low, false);
    let (product_high, _) = m.borrowing_sub(m_high, borrow);
    let (r1, carry) = r[1].carrying_add(m_low, false);
    let (r2, carry) = r[2].carrying_add(m_high, carry);
    let (r3, carry) = r[3].carrying_add(product_low, carry);
    let (r4, _) = product_high.carrying_add(0, carry);
    [r1, r2, r3, r4]
}

/// r + carry·2^256 modulo p, for a value below 2·p.
#[inline(always)]
fn subtract_p_once(r: [u64; 4], carry: bool) -> Element {
    let (s0, borrow) = r[0].borrowing_sub(P[0], false);
    let (s1, borrow) = r[1].borrowing_sub(P[1], borrow);
    let (s2, borrow) = r[2].borrowing_sub(P[2], borrow);
    let (s3, borrow) = r[3].borrowing_sub(P[3], borrow);
    let keep = u64::from(borrow & !carry).wrapping_neg();
    Element([
        (r[0] & keep) | (s0 & !keep),
        (r[1] & keep) | (s1 & !keep),
        (r[2] & keep) | (s2 & !keep),
        (r[3] & keep) | (s3 & !keep),
    ])
}

/// 2^512 mod p: a product with it brings a number into Montgomery form.
const R_SQUARED: Element =
    Element([0x0000_0000_0000_0003, 0xffff_fffb_ffff_ffff, 0xffff_ffff_ffff_fffe, 0x0000_0004_ffff_fffd]);

/// p - 2, the exponent of Fermat's inverse.
const P_MINUS_2: [u64; 4] = [0xffff_ffff_ffff_fffd, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001];
