//! Points of P-256, y^2 = x^3 - 3x + b: the formulas, each with its exceptional cases named.
//!
//! The simple algorithm is the affine chord-and-tangent rule (`Affine::add_with`, `Affine::double_with`),
//! with an inversion in each addition. Departures:
//! - Sums are kept as (X, Y, ZZ, ZZZ) with x = X/ZZ, y = Y/ZZZ, ZZ^3 = ZZZ^2 ("XYZZ" in the Explicit-Formulas
//!   Database): adding an affine point takes 10 products and no inversion; Jacobian coordinates take 11.
//! - Addition is incomplete, and says so: adding a point to itself or to its opposite makes ZZ zero, ZZ stays
//!   zero in every later addition, and `Sum::is_exceptional` reports it once, at the end.
//! - Tables are built with the affine rule, many additions sharing one inversion (Montgomery's trick).

use super::field::Element;

/// A point other than the identity. One cache line.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(align(64))]
pub(super) struct Affine {
    pub(super) x: Element,
    pub(super) y: Element,
}

/// A sum of points, in XYZZ coordinates.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    x: Element,
    y: Element,
    zz: Element,
    zzz: Element,
}

impl Affine {
    /// What [`Affine::add_with`] needs the inverse of. Zero where the points are equal or opposite.
    pub(super) fn add_denominator(&self, other: &Affine) -> Element {
        other.x.sub(&self.x)
    }

    /// `self + other`, for points neither equal nor opposite.
    pub(super) fn add_with(&self, other: &Affine, inverse: &Element) -> Affine {
        let slope = other.y.sub(&self.y).mul(inverse);
        self.third_point(&other.x, &slope)
    }

    /// What [`Affine::double_with`] needs the inverse of. Never zero: the group's order is odd.
    pub(super) fn double_denominator(&self) -> Element {
        self.y.add(&self.y)
    }

    /// `2·self`.
    pub(super) fn double_with(&self, inverse: &Element) -> Affine {
        self.third_point(&self.x, &tangent_numerator(&self.x, &Element::ONE).mul(inverse))
    }

    fn third_point(&self, other_x: &Element, slope: &Element) -> Affine {
        let x = slope.square().sub(&self.x).sub(other_x);
        let y = slope.mul(&self.x.sub(&x)).sub(&self.y);
        Affine { x, y }
    }
}

impl Sum {
    #[inline(always)]
    pub(super) fn of(point: Affine) -> Sum {
        Sum { x: point.x, y: point.y, zz: Element::ONE, zzz: Element::ONE }
    }

    /// `self + other` (EFD madd-2008-s). Exceptional where the points are equal or opposite.
    #[inline]
    pub(super) fn add(&mut self, other: &Affine) {
        let u2 = other.x.mul(&self.zz);
        let s2 = other.y.mul(&self.zzz);
        let p = u2.sub(&self.x);
        let r = s2.sub(&self.y);
        let pp = p.square();
        let rr = r.square();
        let ppp = p.mul(&pp);
        let q = self.x.mul(&pp);
        self.zz = self.zz.mul(&pp);
        self.zzz = self.zzz.mul(&ppp);
        let y_ppp = self.y.mul(&ppp);
        self.x = rr.sub(&ppp).sub(&q.add(&q));
        self.y = r.mul(&q.sub(&self.x)).sub(&y_ppp);
    }

    /// `2·self` (EFD dbl-2008-s-1). Never exceptional: no point of odd order has y = 0.
    pub(super) fn double(&self) -> Sum {
        let u = self.y.add(&self.y);
        let v = u.square();
        let w = u.mul(&v);
        let s = self.x.mul(&v);
        let m = tangent_numerator(&self.x, &self.zz);
        let x = m.square().sub(&s.add(&s));
        let y = m.mul(&s.sub(&x)).sub(&w.mul(&self.y));
        Sum { x, y, zz: v.mul(&self.zz), zzz: w.mul(&self.zzz) }
    }

    /// Whether an addition on the way here met equal or opposite points. The coordinates mean nothing then.
    #[inline]
    pub(super) fn is_exceptional(&self) -> bool {
        self.zz == Element::ZERO
    }

    /// Whether the sum's affine x is `x`, without the inversion that would compute it.
    #[inline]
    pub(super) fn has_x(&self, x: &Element) -> bool {
        x.mul(&self.zz) == self.x
    }

    /// What [`Sum::to_affine_with`] needs the inverse of.
    pub(super) fn affine_denominator(&self) -> Element {
        self.zzz
    }

    /// The affine form. 1/Z = ZZ/ZZZ, and 1/ZZ is its square.
    pub(super) fn to_affine_with(self, inverse: &Element) -> Affine {
        let inverse_z = self.zz.mul(inverse);
        Affine { x: self.x.mul(&inverse_z.square()), y: self.y.mul(inverse) }
    }
}

/// Replaces each element by its inverse, with one inversion for all of them (Montgomery, Math. Comp. 48
/// (1987) 243-264, §10.3.1). None may be zero. `products` is scratch, at least as long as `elements`.
pub(super) fn invert_all(elements: &mut [Element], products: &mut [Element]) {
    let mut product = Element::ONE;
    for (element, before) in elements.iter().zip(products.iter_mut()) {
        *before = product;
        product = product.mul(element);
    }
    let mut inverse = product.invert();
    for (element, before) in elements.iter_mut().zip(products.iter()).rev() {
        let next = inverse.mul(element);
        *element = inverse.mul(before);
        inverse = next;
    }
}

/// 3·X^2 - 3·ZZ^2, the numerator of the tangent's slope.
fn tangent_numerator(x: &Element, zz: &Element) -> Element {
    let factor = x.add(zz).mul(&x.sub(zz));
    factor.add(&factor).add(&factor)
}
