//! Inversion modulo n, the order of P-256's group: half of what a verification does outside the tables.
//!
//! The simple algorithm is Bernstein's and Yang's division steps ("Fast constant-time gcd computation and
//! modular inversion", TCHES 2019-3, §§8-11): from f = n, g = s, step to gcd(f, g) = 1 by shifts, additions
//! and swaps that only the lowest bits decide, and keep d·s = f and e·s = g modulo n all along; when g is 0,
//! d is the inverse or its opposite. Departures, as libsecp256k1's `doc/safegcd_implementation.md` derives
//! them:
//! - 62 steps at a time are worked out on one word of f and g and gathered in a 2x2 matrix; only then is the
//!   matrix applied to all of f, g, d, e, in signed limbs of 62 bits.
//! - Runs of zeros in g are shifted away at once, and a step cancels up to six bits of g, so the time varies
//!   with the input; s is public.
//!
//! `crypto-bigint`, which does the same with a branch per step, takes three times as long on inputs that
//! change from call to call, and is the oracle in the tests.

use super::table::N;

/// The inverse of `scalar` modulo n, both with the lowest word first. `scalar` must lie in [1, n - 1].
pub(super) fn invert_modulo_order(scalar: &[u64; 4]) -> [u64; 4] {
    let mut f = ORDER;
    let mut g = Signed::from_words(scalar);
    let mut d = Signed([0, 0, 0, 0, 0]);
    let mut e = Signed([1, 0, 0, 0, 0]);
    let mut eta = -1;
    // The bound of the paper for 256 bits is 741 steps; the loop never comes near it.
    for _ in 0..MAX_BATCHES {
        if g.0 == [0; LIMBS] {
            break;
        }
        let matrix = divide_steps(&mut eta, f.lowest_word(), g.lowest_word());
        matrix.apply_exactly(&mut f, &mut g);
        matrix.apply_modulo_order(&mut d, &mut e);
    }
    // f is 1 or -1, and d lies in (-2n, n).
    d.normalize(f.is_negative());
    d.to_words()
}

/// A number as sum of limbs[i]·2^(62·i). All limbs but the highest lie in [0, 2^62); that one has the sign.
#[derive(Clone, Copy)]
struct Signed([i64; LIMBS]);

/// The effect of 62 division steps: 2^62·(f', g') = (u·f + v·g, q·f + r·g). |u| + |v| and |q| + |r| are at
/// most 2^62.
struct Matrix {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

impl Signed {
    const fn from_words(w: &[u64; 4]) -> Signed {
        let limbs = [
            w[0] & LIMB_MASK,
            (w[0] >> 62 | w[1] << 2) & LIMB_MASK,
            (w[1] >> 60 | w[2] << 4) & LIMB_MASK,
            (w[2] >> 58 | w[3] << 6) & LIMB_MASK,
            w[3] >> 56,
        ];
        Signed([
            limbs[0].cast_signed(),
            limbs[1].cast_signed(),
            limbs[2].cast_signed(),
            limbs[3].cast_signed(),
            limbs[4].cast_signed(),
        ])
    }

    /// The words of a number in [0, 2^256).
    fn to_words(self) -> [u64; 4] {
        let limb = self.0.map(i64::cast_unsigned);
        [
            limb[0] | limb[1] << 62,
            limb[1] >> 2 | limb[2] << 60,
            limb[2] >> 4 | limb[3] << 58,
            limb[3] >> 6 | limb[4] << 56,
        ]
    }

    /// The number modulo 2^62, in a word.
    fn lowest_word(&self) -> u64 {
        self.0[0].cast_unsigned()
    }

    fn is_negative(&self) -> bool {
        self.0[LIMBS - 1] < 0
    }

    /// Brings a number in (-2n, n), or its opposite, into [0, n).
    fn normalize(&mut self, negate: bool) {
        if self.is_negative() {
            self.combine(1, &ORDER);
        }
        if negate {
            self.combine(-1, &Signed([0; LIMBS]));
        }
        if self.is_negative() {
            self.combine(1, &ORDER);
        }
    }

    /// `sign`·self + `other`.
    fn combine(&mut self, sign: i64, other: &Signed) {
        let mut carry = 0;
        for (limb, other) in self.0[..LIMBS - 1].iter_mut().zip(other.0) {
            let sum = sign * *limb + other + carry;
            *limb = sum & LIMB_MASK.cast_signed();
            carry = sum >> 62;
        }
        let highest = LIMBS - 1;
        self.0[highest] = sign * self.0[highest] + other.0[highest] + carry;
    }
}

impl Matrix {
    /// Replaces (f, g) by (u·f + v·g, q·f + r·g) / 2^62, which divides evenly.
    fn apply_exactly(&self, f: &mut Signed, g: &mut Signed) {
        let (mut carry_f, mut carry_g) = self.product(f.0[0], g.0[0]);
        carry_f >>= 62;
        carry_g >>= 62;
        for i in 1..LIMBS {
            let (product_f, product_g) = self.product(f.0[i], g.0[i]);
            carry_f += product_f;
            carry_g += product_g;
            f.0[i - 1] = low_limb(carry_f);
            g.0[i - 1] = low_limb(carry_g);
            carry_f >>= 62;
            carry_g >>= 62;
        }
        f.0[LIMBS - 1] = high_limb(carry_f);
        g.0[LIMBS - 1] = high_limb(carry_g);
    }

    /// Replaces (d, e) by (u·d + v·e, q·d + r·e) / 2^62 modulo n. Numbers in (-2n, n) stay there.
    fn apply_modulo_order(&self, d: &mut Signed, e: &mut Signed) {
        // n for each negative number brings both into (-n, n) first.
        let (sign_d, sign_e) = (d.0[LIMBS - 1] >> 63, e.0[LIMBS - 1] >> 63);
        let mut times_d = (self.u & sign_d) + (self.v & sign_e);
        let mut times_e = (self.q & sign_d) + (self.r & sign_e);
        let (mut carry_d, mut carry_e) = self.product(d.0[0], e.0[0]);
        // As in Montgomery's reduction: the multiples of n that clear the lowest limb.
        times_d -= low_limb_of(ORDER_INVERSE.wrapping_mul(low_limb(carry_d)).wrapping_add(times_d));
        times_e -= low_limb_of(ORDER_INVERSE.wrapping_mul(low_limb(carry_e)).wrapping_add(times_e));
        carry_d += i128::from(ORDER.0[0]) * i128::from(times_d);
        carry_e += i128::from(ORDER.0[0]) * i128::from(times_e);
        carry_d >>= 62;
        carry_e >>= 62;
        for i in 1..LIMBS {
            let (product_d, product_e) = self.product(d.0[i], e.0[i]);
            carry_d += product_d + i128::from(ORDER.0[i]) * i128::from(times_d);
            carry_e += product_e + i128::from(ORDER.0[i]) * i128::from(times_e);
            d.0[i - 1] = low_limb(carry_d);
            e.0[i - 1] = low_limb(carry_e);
            carry_d >>= 62;
            carry_e >>= 62;
        }
        d.0[LIMBS - 1] = high_limb(carry_d);
        e.0[LIMBS - 1] = high_limb(carry_e);
    }

    #[inline(always)]
    fn product(&self, a: i64, b: i64) -> (i128, i128) {
        let (a, b) = (i128::from(a), i128::from(b));
        (i128::from(self.u) * a + i128::from(self.v) * b, i128::from(self.q) * a + i128::from(self.r) * b)
    }
}

/// 62 division steps on the lowest words of f (odd) and g. `eta` is -delta of the paper.
fn divide_steps(eta: &mut i64, mut f: u64, mut g: u64) -> Matrix {
    let (mut u, mut v, mut q, mut r) = (1_u64, 0_u64, 0_u64, 1_u64);
    let mut left = 62;
    loop {
        // Steps in which g is even halve it.
        let zeros = (g | (u64::MAX << left)).trailing_zeros();
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        *eta -= i64::from(zeros);
        left -= zeros;
        if left == 0 {
            break;
        }
        // g is odd: swap where eta says so, then add the multiple of f that clears as many low bits of g as
        // may go before the next swap. The inverse of f modulo 64 is f·(2 - f^2), modulo 16 the sum below.
        let (allowed, multiple) = if *eta < 0 {
            *eta = -*eta;
            (f, g) = (g, f.wrapping_neg());
            (u, q) = (q, u.wrapping_neg());
            (v, r) = (r, v.wrapping_neg());
            (63, f.wrapping_mul(g).wrapping_mul(f.wrapping_mul(f).wrapping_sub(2)))
        } else {
            let inverse = f.wrapping_add((f.wrapping_add(1) & 4) << 1);
            (15, inverse.wrapping_neg().wrapping_mul(g))
        };
        let steps = eta.cast_unsigned().saturating_add(1).min(u64::from(left));
        let multiple = multiple & (u64::MAX >> (64 - steps)) & allowed;
        g = g.wrapping_add(f.wrapping_mul(multiple));
        q = q.wrapping_add(u.wrapping_mul(multiple));
        r = r.wrapping_add(v.wrapping_mul(multiple));
    }
    Matrix { u: u.cast_signed(), v: v.cast_signed(), q: q.cast_signed(), r: r.cast_signed() }
}

#[inline(always)]
fn low_limb_of(x: i64) -> i64 {
    x & LIMB_MASK.cast_signed()
}

/// x modulo 2^62.
#[inline(always)]
fn low_limb(x: i128) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "the mask leaves 62 bits")]
    {
        (x & LIMB_MASK as i128) as i64
    }
}

/// x, which the bounds above keep within a signed word.
#[inline(always)]
fn high_limb(x: i128) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "|x| < 2^63 by the bounds on the whole number")]
    {
        x as i64
    }
}

/// Limbs of 62 bits for a number below 2^258 in magnitude.
const LIMBS: usize = 5;

const LIMB_MASK: u64 = u64::MAX >> 2;

/// 741 steps by 62, rounded up.
const MAX_BATCHES: usize = 12;

const ORDER: Signed = Signed::from_words(&N);

/// n^-1 modulo 2^62.
const ORDER_INVERSE: i64 = inverse_modulo_limb(N[0]);

/// The inverse of an odd number modulo 2^62, by Newton's iteration: correct bits double, from 3.
const fn inverse_modulo_limb(odd: u64) -> i64 {
    let mut inverse = odd;
    let mut bits = 3;
    while bits < 62 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        bits *= 2;
    }
    (inverse & LIMB_MASK).cast_signed()
}
