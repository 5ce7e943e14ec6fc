//! The arithmetic against its oracles: `fiat-crypto` for the field, `p256` for scalars and points.

use ::p256::elliptic_curve::sec1::ToSec1Point;
use ::p256::elliptic_curve::{Group, PrimeField};
use ::p256::{AffinePoint, ProjectivePoint, Scalar};
use fiat_crypto::p256_64::{
    fiat_p256_add, fiat_p256_from_montgomery, fiat_p256_montgomery_domain_field_element, fiat_p256_mul,
    fiat_p256_non_montgomery_domain_field_element, fiat_p256_square, fiat_p256_sub, fiat_p256_to_montgomery,
};
use proptest::prelude::*;

use super::field::{Element, P, less_than, words_from_be_bytes};
use super::inversion::invert_modulo_order;
use super::point::{Affine, Sum, invert_all};
use super::table::{N, Selection, Table, Window};
use super::{affine_from_bytes, scalar_of, word, words_of};

type Fiat = fiat_p256_montgomery_domain_field_element;

fn fiat(element: &Element) -> Fiat {
    fiat_p256_montgomery_domain_field_element(element.0)
}

fn fiat_result(operation: impl FnOnce(&mut Fiat)) -> Element {
    let mut out = fiat_p256_montgomery_domain_field_element([0; 4]);
    operation(&mut out);
    Element(out.0)
}

/// The plain value of an element.
fn value(element: &Element) -> [u64; 4] {
    let mut out = fiat_p256_non_montgomery_domain_field_element([0; 4]);
    fiat_p256_from_montgomery(&mut out, &fiat(element));
    out.0
}

/// The affine form of a point, as the library computes it.
fn affine_of(point: &ProjectivePoint) -> Affine {
    let encoded = point.to_affine().to_sec1_point(false);
    affine_from_bytes(encoded.as_bytes()[1..].try_into().expect("not the identity"))
}

/// Words below `modulus`, the edges often: words of zeros and ones, and numbers next to 0 and the modulus.
fn below(modulus: [u64; 4]) -> impl Strategy<Value = [u64; 4]> {
    let word = prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(u64::MAX - 1), Just(1 << 63), any::<u64>()];
    let near = (0..4_u64, any::<bool>()).prop_map(move |(distance, top)| {
        let mut words = if top { modulus } else { [0; 4] };
        if top {
            words[0] -= distance + 1;
        } else {
            words[0] = distance;
        }
        words
    });
    prop_oneof![
        4 => proptest::array::uniform4(word).prop_filter("below the modulus", move |w| less_than(w, &modulus)),
        1 => near,
        4 => any::<[u64; 4]>().prop_filter("below the modulus", move |w| less_than(w, &modulus)),
    ]
}

fn element() -> impl Strategy<Value = Element> {
    below(P).prop_map(Element)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn words_carry_as_the_standard_library_says(a: u64, b: u64, carry in 0..=1_u8) {
        prop_assert_eq!(word::add(a, b, carry), word::portable::add(a, b, carry));
        prop_assert_eq!(word::subtract(a, b, carry), word::portable::subtract(a, b, carry));
        let (sum, out) = word::portable::add(a, b, carry);
        prop_assert_eq!(u128::from(sum) + (u128::from(out) << 64), u128::from(a) + u128::from(b) + u128::from(carry));
    }

    #[test]
    fn field_agrees_with_fiat(a in element(), b in element()) {
        let same = |ours: Element, theirs: Element| {
            prop_assert_eq!(ours.0, theirs.0);
            prop_assert!(less_than(&ours.0, &P), "not fully reduced");
            Ok(())
        };
        same(a.mul(&b), fiat_result(|out| fiat_p256_mul(out, &fiat(&a), &fiat(&b))))?;
        same(a.square(), fiat_result(|out| fiat_p256_square(out, &fiat(&a))))?;
        same(a.add(&b), fiat_result(|out| fiat_p256_add(out, &fiat(&a), &fiat(&b))))?;
        same(a.sub(&b), fiat_result(|out| fiat_p256_sub(out, &fiat(&a), &fiat(&b))))?;
        same(a.negate_if(false), a)?;
        let zero = fiat(&Element::ZERO);
        same(a.negate_if(true), fiat_result(|out| fiat_p256_sub(out, &zero, &fiat(&a))))?;
        let plain = fiat_p256_non_montgomery_domain_field_element(a.0);
        same(Element::from_words(&a.0), fiat_result(|out| fiat_p256_to_montgomery(out, &plain)))?;
    }

    #[test]
    fn inverse_modulo_order_agrees_with_the_library(words in below(N)) {
        let scalar = scalar_of(&words);
        prop_assert_eq!(words_of(&scalar), words);
        prop_assume!(words != [0; 4]);
        let expected: Scalar = Option::<Scalar>::from(scalar.invert()).expect("not zero");
        prop_assert_eq!(invert_modulo_order(&words), words_of(&expected));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn field_inverses_are_inverses(elements in proptest::collection::vec(element(), 1..9)) {
        prop_assume!(elements.iter().all(|element| *element != Element::ZERO));
        let mut inverses = elements.clone();
        invert_all(&mut inverses, &mut vec![Element::ONE; elements.len()]);
        for (element, inverse) in elements.iter().zip(&inverses) {
            prop_assert!(element.mul(inverse) == Element::ONE);
            prop_assert!(element.invert() == *inverse);
        }
    }

    /// The sum of two multiples, against the library's: x, and y through one more addition.
    #[test]
    fn sums_of_multiples_agree_with_the_library(u in below(N), v in below(N), d in below(N)) {
        prop_assume!(d != [0; 4]);
        let base = ProjectivePoint::GENERATOR;
        let other = base * scalar_of(&d);
        let expected = base * scalar_of(&u) + other * scalar_of(&v);
        for window in Window::ALL {
            let (first, second) = (Table::new(affine_of(&base), window), Table::new(affine_of(&other), window));
            let mut points = Selection::new();
            first.select(&u, &mut points);
            second.select(&v, &mut points);
            match points.sum() {
                None => prop_assert!(u == [0; 4] && v == [0; 4]),
                Some(sum) if sum.is_exceptional() => {}
                Some(sum) => {
                    let inverse = sum.affine_denominator().invert();
                    prop_assert!(sum.to_affine_with(&inverse) == affine_of(&expected));
                    prop_assert!(sum.has_x(&affine_of(&expected).x));
                }
            }
        }
    }
}

#[test]
fn tables_hold_the_multiples_they_should() {
    for (window, scalar) in Window::ALL.into_iter().zip([1_u64, 2, 0x1234_5678_9abc_def1]) {
        let point = ProjectivePoint::GENERATOR * Scalar::from(scalar);
        let table = Table::new(affine_of(&point), window);
        let mut base = point;
        for row in table.rows() {
            let mut multiple = base;
            for entry in row {
                assert!(*entry == affine_of(&multiple));
                multiple += base;
            }
            // multiple is now (half + 1)·base; half·base doubled is the next row's base.
            base = (multiple - base).double();
        }
    }
}

#[test]
fn additions_of_equal_and_opposite_points_are_reported_and_stay_so() {
    let point = affine_of(&ProjectivePoint::GENERATOR);
    let other = affine_of(&ProjectivePoint::GENERATOR.double());
    for negative in [false, true] {
        let mut sum = Sum::of(point);
        assert!(!sum.is_exceptional());
        sum.add(&Affine { x: point.x, y: point.y.negate_if(negative) });
        assert!(sum.is_exceptional());
        sum.add(&other);
        sum.add(&point);
        assert!(sum.is_exceptional());
    }
}

#[test]
fn constants_are_what_they_claim() {
    let generator = ProjectivePoint::GENERATOR.to_affine().to_sec1_point(false);
    assert_eq!(&super::GENERATOR, &generator.as_bytes()[1..]);
    assert_eq!(value(&Element::ONE), [1, 0, 0, 0]);
    assert_eq!(words_of(&-Scalar::ONE)[0], N[0] - 1);
    assert_eq!(super::add_n(&super::P_MINUS_N), P);
    assert_eq!(words_from_be_bytes(&Scalar::from(7_u64).to_repr().into()), [7, 0, 0, 0]);
    assert!(AffinePoint::GENERATOR.to_sec1_point(false).as_bytes()[0] == super::UNCOMPRESSED);
}
