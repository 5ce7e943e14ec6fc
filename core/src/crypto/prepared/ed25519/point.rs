//! Points of edwards25519 and the portable addition of table rows.
//!
//! -x^2 + y^2 = 1 + d x^2 y^2 in extended coordinates (X : Y : Z : T), x = X/Z, y = Y/Z, T = XY/Z, with the
//! addition of Hisil, Wong, Carter and Dawson (eprint 2008/522 §3.1, RFC 8032 §5.1.4). It is complete: it
//! holds for every pair of points on the curve, of whatever order, so nothing is special-cased.
//! Departure: what is added mostly comes from tables, with Z = 1 and y + x, y - x and 2dxy at hand, which
//! takes 7 multiplications instead of 9. Variable time: public data.

use super::field::{D, D2, Field, SQRT_MINUS_ONE, Words};

/// A point in extended coordinates.
#[derive(Clone, Copy)]
pub(super) struct Extended<F: Field> {
    pub(super) x: F::Tight,
    pub(super) y: F::Tight,
    pub(super) z: F::Tight,
    pub(super) t: F::Tight,
}

/// A point with Z = 1, ready to be added, in canonical words: 96 bytes that every path reads.
///
/// The first two values stand in an array because the negative of a point is the same row with y + x and
/// y - x exchanged and 2dxy negated.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct Row {
    /// y + x and y - x.
    pub(super) sum_and_difference: [Words; 2],
    /// 2dxy.
    pub(super) xy2d: Words,
}

/// A row to be added or subtracted.
#[derive(Clone, Copy)]
pub(super) struct Term<'t> {
    pub(super) row: &'t Row,
    pub(super) negative: bool,
}

/// The sum of `terms`.
pub(super) fn sum<F: Field>(terms: &[Term<'_>]) -> Extended<F> {
    terms.iter().fold(Extended::IDENTITY, |sum, term| sum.add_row(term.row, term.negative))
}

impl<F: Field> Extended<F> {
    pub(super) const IDENTITY: Self = Self { x: F::ZERO, y: F::ONE, z: F::ONE, t: F::ZERO };

    /// The base point B (RFC 8032 §5.1).
    pub(super) fn base_point() -> Self {
        Self::from_affine(F::from_words(&BASE_X), F::from_words(&BASE_Y))
    }

    fn from_affine(x: F::Tight, y: F::Tight) -> Self {
        Self { x, y, z: F::ONE, t: F::mul_tight(&x, &y) }
    }

    /// The point that `encoding` names, by the rules that dalek's `decompress` follows: y is taken modulo p,
    /// reduced or not, and x = 0 may carry either sign.
    pub(super) fn decode(encoding: &Words) -> Option<Self> {
        let mut words = *encoding;
        words[3] &= u64::MAX >> 1;
        let negative = encoding[3] >> 63 == 1;

        let y = F::from_words(&words);
        let yy = F::square(&F::relax(&y));
        let u = F::carry(&F::sub(&yy, &F::ONE));
        let v = F::carry(&F::add(&F::mul_tight(&yy, &F::from_words(&D)), &F::ONE));
        let x = square_root_of_ratio::<F>(&u, &v)?;
        let x = if (F::to_words(&x)[0] & 1 == 1) == negative { x } else { F::negate(&x) };
        Some(Self::from_affine(x, y))
    }

    pub(super) fn negate(&self) -> Self {
        Self { x: F::negate(&self.x), t: F::negate(&self.t), ..*self }
    }

    /// The sum of any two points.
    pub(super) fn add(&self, other: &Self) -> Self {
        let a = F::mul(&F::sub(&self.y, &self.x), &F::sub(&other.y, &other.x));
        let b = F::mul(&F::add(&self.y, &self.x), &F::add(&other.y, &other.x));
        let c = F::mul_tight(&F::mul_tight(&self.t, &F::from_words(&D2)), &other.t);
        let d = F::mul(&F::relax(&self.z), &F::add(&other.z, &other.z));
        Self::from_products(&a, &b, &c, &d, false)
    }

    /// The sum or difference of a point and a row.
    #[inline(always)]
    pub(super) fn add_row(&self, row: &Row, subtract: bool) -> Self {
        let [sum, difference] = &row.sum_and_difference;
        let (plus, minus) = if subtract { (difference, sum) } else { (sum, difference) };
        let a = F::mul(&F::sub(&self.y, &self.x), &F::relax(&F::from_words(minus)));
        let b = F::mul(&F::add(&self.y, &self.x), &F::relax(&F::from_words(plus)));
        let c = F::mul_tight(&self.t, &F::from_words(&row.xy2d));
        let d = F::carry(&F::add(&self.z, &self.z));
        Self::from_products(&a, &b, &c, &d, subtract)
    }

    /// The common end of both additions; `negative` is the sign of `c`.
    #[inline(always)]
    fn from_products(a: &F::Tight, b: &F::Tight, c: &F::Tight, d: &F::Tight, negative: bool) -> Self {
        let e = F::sub(b, a);
        let h = F::add(b, a);
        let (f, g) = if negative { (F::add(d, c), F::sub(d, c)) } else { (F::sub(d, c), F::add(d, c)) };
        Self { x: F::mul(&e, &f), y: F::mul(&g, &h), z: F::mul(&f, &g), t: F::mul(&e, &h) }
    }
}

impl Row {
    /// The neutral element, (0, 1).
    pub(super) const IDENTITY: Self = Self { sum_and_difference: [[1, 0, 0, 0]; 2], xy2d: [0; 4] };

    /// The point x = X * `z_inverse`, y = Y * `z_inverse`.
    pub(super) fn normalized<F: Field>(point: &Extended<F>, z_inverse: &F::Tight) -> Self {
        let x = F::mul_tight(&point.x, z_inverse);
        let y = F::mul_tight(&point.y, z_inverse);
        let xy = F::mul_tight(&x, &y);
        Self {
            sum_and_difference: [
                F::to_words(&F::carry(&F::add(&y, &x))),
                F::to_words(&F::carry(&F::sub(&y, &x))),
            ],
            xy2d: F::to_words(&F::mul_tight(&xy, &F::from_words(&D2))),
        }
    }
}

/// A square root of u/v, if there is one (RFC 8032 §5.1.3 step 2).
fn square_root_of_ratio<F: Field>(u: &F::Tight, v: &F::Tight) -> Option<F::Tight> {
    let v3 = F::mul_tight(&F::square_times(v, 1), v);
    let v7 = F::mul_tight(&F::square_times(&v3, 1), v);
    let power = F::power_p58(&F::mul_tight(u, &v7));
    let root = F::mul_tight(&F::mul_tight(u, &v3), &power);
    let check = F::mul_tight(v, &F::square_times(&root, 1));
    if F::equal(&check, u) {
        Some(root)
    } else if F::equal(&check, &F::negate(u)) {
        Some(F::mul_tight(&root, &F::from_words(&SQRT_MINUS_ONE)))
    } else {
        None
    }
}

const BASE_X: Words =
    [0xc956_2d60_8f25_d51a, 0x692c_c760_9525_a7b2, 0xc0a4_e231_fdd6_dc5c, 0x2169_36d3_cd6e_53fe];

/// 4/5.
const BASE_Y: Words =
    [0x6666_6666_6666_6658, 0x6666_6666_6666_6666, 0x6666_6666_6666_6666, 0x6666_6666_6666_6666];
