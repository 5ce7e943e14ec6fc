//! The inverse modulo p = 2^255 - 19 by division steps.
//!
//! The simple algorithm is a^(p - 2) (RFC 8032 §5.1.1), kept as [`Field::invert_by_power`]: 254 squarings,
//! each waiting for the one before. This is the 'safegcd' of Bernstein and Yang (eprint 2019/266), in the
//! variable-time form that Wuille describes for libsecp256k1 (doc/safegcd_implementation.md): 62 steps at a
//! time on the low words only, collected into a matrix that is then applied to the whole numbers. Zeros are
//! dropped by one shift, and several low bits of g are cleared by one multiple of f. Here p's sparse form
//! (-19 and 2^7 * 2^248) makes the multiple of p that keeps d and e whole two small products.
//! It costs about a third of the power. Its result is never trusted: one multiplication checks it, and the
//! power serves if that should ever fail.

use super::field::{Field, Words};

/// The inverse of `a`, which must not be zero.
pub(super) fn invert<F: Field>(a: &F::Tight) -> F::Tight {
    let inverse = F::from_words(&invert_words(&F::to_words(a)));
    if F::equal(&F::mul_tight(a, &inverse), &F::ONE) { inverse } else { F::invert_by_power(a) }
}

/// The inverse of a canonical, non-zero field element.
pub(super) fn invert_words(a: &Words) -> Words {
    let mut d = Signed62([0; LIMBS]);
    let mut e = Signed62([1, 0, 0, 0, 0]);
    let mut f = P62;
    let mut g = Signed62::from_words(a);
    let mut eta = -1;
    // 12 rounds of 62 steps suffice for 256-bit inputs (724 steps, eprint 2019/266 §11 and the bound for
    // delta = 1 in libsecp256k1); typical inputs need 9.
    for _ in 0..12 {
        let steps;
        (eta, steps) = division_steps(eta, f.0[0].cast_unsigned(), g.0[0].cast_unsigned());
        (d, e) = steps.apply_modulo_p(&d, &e);
        (f, g) = steps.apply_exact(&f, &g);
        if g.0 == [0; LIMBS] {
            break;
        }
    }
    d.reduced(f.0[LIMBS - 1] < 0)
}

const LIMBS: usize = 5;
const MASK_62: u64 = (1 << 62) - 1;

/// A signed number in radix 2^62: all limbs but the top one lie in [0, 2^62) after [`Steps`] are applied.
#[derive(Clone, Copy)]
struct Signed62([i64; LIMBS]);

/// p, with -19 in the lowest limb.
const P62: Signed62 = Signed62([-19, 0, 0, 0, 1 << 7]);

/// 1/p modulo 2^62, by Newton's iteration from 3 bits up.
const P_INVERSE_62: u64 = {
    let p = 19u64.wrapping_neg();
    let mut inverse = p;
    let mut round = 0;
    while round < 5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(p.wrapping_mul(inverse)));
        round += 1;
    }
    inverse & MASK_62
};

/// What 62 division steps do to (f, g), times 2^62: the matrix ((u, v), (q, r)).
struct Steps {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

/// 62 division steps on the low words of f (odd) and g.
fn division_steps(mut eta: i64, mut f: u64, mut g: u64) -> (i64, Steps) {
    let (mut u, mut v, mut q, mut r) = (1u64, 0u64, 0u64, 1u64);
    let mut left = 62u32;
    loop {
        // The ones above the remaining steps stop the count there.
        let zeros = (g | u64::MAX << left).trailing_zeros();
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        eta -= i64::from(zeros);
        left -= zeros;
        if left == 0 {
            break;
        }
        let multiple;
        if eta < 0 {
            eta = -eta;
            (f, g) = (g, f.wrapping_neg());
            (u, q) = (q, u.wrapping_neg());
            (v, r) = (r, v.wrapping_neg());
            // -g/f modulo 2^6: f * (f^2 - 2) is -1/f to 6 bits.
            let inverse = f.wrapping_mul(f.wrapping_mul(f).wrapping_sub(2));
            multiple = inverse.wrapping_mul(g) & low_bits(eta, left) & 63;
        } else {
            // -g/f modulo 2^4.
            let inverse = f.wrapping_add((f.wrapping_add(1) & 4) << 1);
            multiple = inverse.wrapping_neg().wrapping_mul(g) & low_bits(eta, left) & 15;
        }
        g = g.wrapping_add(f.wrapping_mul(multiple));
        q = q.wrapping_add(u.wrapping_mul(multiple));
        r = r.wrapping_add(v.wrapping_mul(multiple));
    }
    let steps = Steps { u: u.cast_signed(), v: v.cast_signed(), q: q.cast_signed(), r: r.cast_signed() };
    (eta, steps)
}

/// Ones for as many bits as may be cleared before eta changes sign or the steps run out (at least one).
#[inline(always)]
fn low_bits(eta: i64, left: u32) -> u64 {
    let limit = (eta.cast_unsigned() + 1).min(u64::from(left));
    u64::MAX >> (64 - limit)
}

impl Steps {
    /// (d, e) * steps / 2^62 modulo p, in (-2p, p) again.
    fn apply_modulo_p(&self, d: &Signed62, e: &Signed62) -> (Signed62, Signed62) {
        let (d_sign, e_sign) = (d.0[LIMBS - 1] >> 63, e.0[LIMBS - 1] >> 63);
        (
            combine_modulo_p(self.u, self.v, d, e, (self.u & d_sign) + (self.v & e_sign)),
            combine_modulo_p(self.q, self.r, d, e, (self.q & d_sign) + (self.r & e_sign)),
        )
    }

    /// (f, g) * steps / 2^62, which is exact.
    fn apply_exact(&self, f: &Signed62, g: &Signed62) -> (Signed62, Signed62) {
        (combine(self.u, self.v, f, g, 0), combine(self.q, self.r, f, g, 0))
    }
}

/// (a*x + b*y + m*p) / 2^62, where m is chosen so that this is whole; `bias` is the multiple of p that
/// makes up for negative x and y.
#[inline(always)]
fn combine_modulo_p(a: i64, b: i64, x: &Signed62, y: &Signed62, bias: i64) -> Signed62 {
    let low = a.wrapping_mul(x.0[0]).wrapping_add(b.wrapping_mul(y.0[0])).cast_unsigned();
    let excess = P_INVERSE_62.wrapping_mul(low).wrapping_add(bias.cast_unsigned()) & MASK_62;
    combine(a, b, x, y, bias - excess.cast_signed())
}

/// (a*x + b*y + m*p) / 2^62, which the caller knows to be whole.
#[inline(always)]
fn combine(a: i64, b: i64, x: &Signed62, y: &Signed62, m: i64) -> Signed62 {
    let [a, b, m] = [a, b, m].map(i128::from);
    let term = |i: usize| a * i128::from(x.0[i]) + b * i128::from(y.0[i]) + m * i128::from(P62.0[i]);
    let mut out = [0; LIMBS];
    let mut carry = term(0) >> 62;
    for i in 1..LIMBS {
        carry += term(i);
        out[i - 1] = low_62(carry);
        carry >>= 62;
    }
    out[LIMBS - 1] = low_64(carry);
    Signed62(out)
}

#[inline(always)]
fn low_62(value: i128) -> i64 {
    low_64(value) & MASK_62.cast_signed()
}

/// The low word: the caller wants just that, or knows that there is no more.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)]
fn low_64(value: i128) -> i64 {
    value as i64
}

impl Signed62 {
    fn from_words(words: &Words) -> Self {
        let [w0, w1, w2, w3] = *words;
        let limbs = [w0, w0 >> 62 | w1 << 2, w1 >> 60 | w2 << 4, w2 >> 58 | w3 << 6, w3 >> 56];
        Self(limbs.map(|limb| (limb & MASK_62).cast_signed()))
    }

    /// The canonical words of `self`, or of its negative, from (-2p, p).
    fn reduced(self, negated: bool) -> Words {
        let mut value = self;
        value.add_p_if_negative();
        if negated {
            value.0 = value.0.map(|limb| -limb);
        }
        value.add_p_if_negative();
        let [l0, l1, l2, l3, l4] = value.0.map(i64::cast_unsigned);
        [l0 | l1 << 62, l1 >> 2 | l2 << 60, l2 >> 4 | l3 << 58, l3 >> 6 | l4 << 56]
    }

    /// Adds p to a negative number, and carries.
    fn add_p_if_negative(&mut self) {
        // The sign of a number whose lower limbs are not carried: only negated limbs are, and they have
        // one sign, so the first carry decides.
        self.carry();
        if self.0[LIMBS - 1] < 0 {
            self.0[0] += P62.0[0];
            self.0[LIMBS - 1] += P62.0[LIMBS - 1];
            self.carry();
        }
    }

    fn carry(&mut self) {
        for i in 1..LIMBS {
            self.0[i] += self.0[i - 1] >> 62;
            self.0[i - 1] &= MASK_62.cast_signed();
        }
    }
}
