//! Field, inverse, recoding, points and tables, each against a slow twin with edge values.

use curve25519_dalek::constants::{ED25519_BASEPOINT_COMPRESSED, ED25519_BASEPOINT_POINT};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;

use super::super::field::{
    D, D2, Fiat32, Fiat64, Field, Native, P, SQRT_MINUS_ONE, Words, less_than, same, words_from_bytes,
    words_to_bytes,
};
use super::super::inverse::{invert, invert_words};
use super::super::path::{Engine, Path};
use super::super::point::{Extended, Row, sum};
use super::super::recode::{ORDER, Window, for_each_digit};
use super::super::table::{Table, Terms, base_table};

pub(in super::super) const WINDOWS: [Window; 3] = [Window::Bits4, Window::Bits6, Window::Bits8];

/// Every path that this machine can run.
pub(in super::super) fn engines() -> impl Iterator<Item = Engine> {
    [Path::Portable, Path::Avx2, Path::Ifma].into_iter().filter_map(Engine::detect)
}

/// The slow twin of the field: numbers below 2^255, added and doubled with one subtraction of p at a time.
pub(in super::super) mod slow {
    use super::{P, Words, less_than};

    pub(in super::super::super) fn reduce(a: &Words) -> Words {
        let mut a = *a;
        while !less_than(&a, &P) {
            a = sub_words(&a, &P);
        }
        a
    }

    pub(in super::super::super) fn add(a: &Words, b: &Words) -> Words {
        // Both are below p, so the sum fits in 256 bits.
        let (mut sum, mut carry) = ([0; 4], 0);
        for i in 0..4 {
            let wide = u128::from(a[i]) + u128::from(b[i]) + carry;
            sum[i] = u64::try_from(wide & u128::from(u64::MAX)).unwrap();
            carry = wide >> 64;
        }
        reduce(&sum)
    }

    pub(in super::super::super) fn sub(a: &Words, b: &Words) -> Words {
        add(a, &sub_words(&P, b))
    }

    pub(in super::super::super) fn mul(a: &Words, b: &Words) -> Words {
        let mut product = [0; 4];
        for bit in (0..256).rev() {
            product = add(&product, &product);
            if b[bit / 64] >> (bit % 64) & 1 == 1 {
                product = add(&product, a);
            }
        }
        product
    }

    /// The value of limbs that start at the given bits.
    pub(in super::super::super) fn from_limbs(limbs: &[u64], bits: &[usize]) -> Words {
        limbs.iter().zip(bits).fold([0; 4], |sum, (&limb, &bit)| {
            let mut power = [0; 4];
            power[bit / 64] = 1 << (bit % 64);
            add(&sum, &mul(&[limb, 0, 0, 0], &power))
        })
    }

    fn sub_words(a: &Words, b: &Words) -> Words {
        let (mut difference, mut borrow) = ([0; 4], false);
        for i in 0..4 {
            let (step, under) = a[i].overflowing_sub(b[i]);
            let (step, under_again) = step.overflowing_sub(u64::from(borrow));
            (difference[i], borrow) = (step, under || under_again);
        }
        difference
    }
}

/// Numbers below 2^255, often near 0, p, 2^255, and the edges of limbs.
pub(in super::super) fn field_words() -> impl Strategy<Value = Words> {
    let edges = vec![
        [0; 4],
        [1, 0, 0, 0],
        [2, 0, 0, 0],
        [18, 0, 0, 0],
        [19, 0, 0, 0],
        [P[0] - 1, P[1], P[2], P[3]],
        P,
        [P[0] + 1, P[1], P[2], P[3]],
        [u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 1],
        [(1 << 51) - 1, 0, 0, 0],
        [1 << 51, 0, 0, 0],
        [0, 0, 0, 1 << 62],
        SQRT_MINUS_ONE,
        D,
    ];
    prop_oneof![
        1 => prop::sample::select(edges),
        3 => any::<Words>().prop_map(|mut words| {
            words[3] &= u64::MAX >> 1;
            words
        }),
    ]
}

/// Scalars below the group order, often near its ends.
fn scalars() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        1 => prop::sample::select(vec![Scalar::ZERO, Scalar::ONE, -Scalar::ONE, -Scalar::from(2u8), Scalar::from(255u8)]),
        1 => any::<u64>().prop_map(Scalar::from),
        4 => any::<[u8; 32]>().prop_map(Scalar::from_bytes_mod_order),
    ]
}

/// The encoding of a computed point.
fn encode<F: Field>(point: &Extended<F>) -> [u8; 32] {
    let inverse = F::invert_by_power(&point.z);
    let mut y = F::to_words(&F::mul_tight(&point.y, &inverse));
    y[3] |= (F::to_words(&F::mul_tight(&point.x, &inverse))[0] & 1) << 63;
    words_to_bytes(&y)
}

fn field_agrees_with_slow_twin<F: Field>(a: &Words, b: &Words) {
    let (x, y) = (F::from_words(a), F::from_words(b));
    let (a, b) = (slow::reduce(a), slow::reduce(b));
    assert_eq!(F::to_words(&x), a);
    assert_eq!(F::to_words(&F::carry(&F::add(&x, &y))), slow::add(&a, &b));
    assert_eq!(F::to_words(&F::carry(&F::sub(&x, &y))), slow::sub(&a, &b));
    assert_eq!(F::to_words(&F::negate(&x)), slow::sub(&[0; 4], &a));
    assert_eq!(F::to_words(&F::mul_tight(&x, &y)), slow::mul(&a, &b));
    assert_eq!(F::to_words(&F::square(&F::relax(&x))), slow::mul(&a, &a));
    let (loose_sum, loose_difference) = (F::add(&x, &y), F::sub(&x, &y));
    assert_eq!(
        F::to_words(&F::mul(&loose_sum, &loose_difference)),
        slow::mul(&slow::add(&a, &b), &slow::sub(&a, &b))
    );
    assert_eq!(F::equal(&x, &y), a == b);
}

fn inverse_agrees_with_power<F: Field>(a: &Words) {
    let x = F::from_words(a);
    let expected = F::to_words(&F::invert_by_power(&x));
    assert_eq!(F::to_words(&invert::<F>(&x)), expected);
    if slow::reduce(a) != [0; 4] {
        // Without the fallback.
        assert_eq!(invert_words(&slow::reduce(a)), expected);
        assert_eq!(slow::mul(&slow::reduce(a), &expected), [1, 0, 0, 0]);
    }
}

proptest! {
    #[test]
    fn field_operations(a in field_words(), b in field_words()) {
        field_agrees_with_slow_twin::<Fiat64>(&a, &b);
        field_agrees_with_slow_twin::<Fiat32>(&a, &b);
    }

    #[test]
    fn inverses(a in field_words()) {
        inverse_agrees_with_power::<Fiat64>(&a);
        inverse_agrees_with_power::<Fiat32>(&a);
    }

    #[test]
    fn comparisons(a in field_words(), b in field_words(), word in 0..4usize) {
        let by_bytes = |a: &Words, b: &Words| words_to_bytes(a).iter().rev().cmp(words_to_bytes(b).iter().rev());
        let mut near = a;
        near[word] ^= 1;
        for (a, b) in [(a, b), (b, a), (a, a), (a, near), (near, a)] {
            prop_assert_eq!(less_than(&a, &b), by_bytes(&a, &b).is_lt());
            prop_assert_eq!(same(&a, &b), by_bytes(&a, &b).is_eq());
        }
    }

    #[test]
    fn digits_add_up_to_the_scalar(scalar in scalars()) {
        for window in WINDOWS {
            digits_add_up(&scalar, window);
        }
    }

    #[test]
    fn decoding_follows_dalek(y in field_words(), sign in 0..2u64) {
        let mut words = y;
        words[3] |= sign << 63;
        let ours = Extended::<Native>::decode(&words);
        let theirs = CompressedEdwardsY(words_to_bytes(&words)).decompress();
        prop_assert_eq!(ours.map(|it| encode(&it)), theirs.map(|it| it.compress().0));
        let narrow = Extended::<Fiat32>::decode(&words);
        prop_assert_eq!(narrow.map(|it| encode(&it)), theirs.map(|it| it.compress().0));
    }

    #[test]
    fn every_path_computes_both_multiples(s in scalars(), k in scalars(), point in scalars(), torsion in 0..8usize) {
        let point = EdwardsPoint::mul_base(&point) + curve25519_dalek::constants::EIGHT_TORSION[torsion];
        let expected = EdwardsPoint::mul_base(&s) + integer_multiple(&k, &point);
        let decoded = Extended::<Native>::decode(&words_from_bytes(&point.compress().0)).unwrap();
        for window in WINDOWS {
            let table = Table::new(&decoded, window);
            let mut terms = Terms::new();
            terms.add_multiple(&words_from_bytes(s.as_bytes()), base_table());
            terms.add_multiple(&words_from_bytes(k.as_bytes()), &table);
            for engine in engines() {
                prop_assert_eq!(encode(&engine.sum(&terms)), expected.compress().0, "{:?} {:?}", engine, window);
            }
            prop_assert_eq!(encode(&sum::<Fiat32>(terms.padded(1))), expected.compress().0);
        }
    }
}

/// k * P by doubling and adding on the integer k: right for points of any order, with no reliance on how
/// the library treats torsion.
fn integer_multiple(k: &Scalar, point: &EdwardsPoint) -> EdwardsPoint {
    let words = words_from_bytes(k.as_bytes());
    (0..256).rev().fold(EdwardsPoint::default(), |sum, bit| {
        let doubled = sum + sum;
        if words[bit / 64] >> (bit % 64) & 1 == 1 { doubled + point } else { doubled }
    })
}

fn digits_add_up(scalar: &Scalar, window: Window) {
    let (mut sum, mut weight, mut count) = (Scalar::ZERO, Scalar::ONE, 0);
    for_each_digit(&words_from_bytes(scalar.as_bytes()), window, |position, digit| {
        assert_eq!(position, count);
        let magnitude = usize::from(digit.unsigned_abs());
        assert!(magnitude <= window.half());
        if position + 1 == window.digits() {
            assert!(digit >= 0 && magnitude <= window.top_digit());
        }
        let magnitude = Scalar::from(digit.unsigned_abs());
        sum += weight * if digit < 0 { -magnitude } else { magnitude };
        weight *= Scalar::from(1u64 << window.bits());
        count += 1;
    });
    assert_eq!(count, window.digits());
    // Digits are small and few, so no wrap around the order can hide a wrong sum but by a multiple of the
    // order, which the bound on the top digit excludes.
    assert_eq!(sum, *scalar);
}

#[test]
fn digits_of_the_largest_scalar() {
    for window in WINDOWS {
        digits_add_up(&-Scalar::ONE, window);
        digits_add_up(&Scalar::ZERO, window);
        digits_add_up(&(-Scalar::ONE - Scalar::from(1u64 << 40)), window);
    }
}

#[test]
fn constants_are_what_they_are_called() {
    let small = |value: u64| [value, 0, 0, 0];
    let minus_one = slow::sub(&[0; 4], &small(1));
    assert_eq!(slow::mul(&D, &small(121_666)), slow::sub(&[0; 4], &small(121_665)));
    assert_eq!(slow::add(&D, &D), D2);
    assert_eq!(slow::mul(&SQRT_MINUS_ONE, &SQRT_MINUS_ONE), minus_one);
    assert_eq!(encode(&Extended::<Native>::base_point()), ED25519_BASEPOINT_COMPRESSED.0);
    let mut largest = words_from_bytes((-Scalar::ONE).as_bytes());
    largest[0] += 1;
    assert_eq!(largest, ORDER);
}

#[test]
fn inverse_of_small_numbers_and_their_negatives() {
    for value in 1..300 {
        let value = [value, 0, 0, 0];
        inverse_agrees_with_power::<Native>(&value);
        inverse_agrees_with_power::<Native>(&slow::sub(&[0; 4], &value));
    }
    for bit in 0..255 {
        let mut power = [0; 4];
        power[bit / 64] = 1 << (bit % 64);
        inverse_agrees_with_power::<Native>(&power);
        inverse_agrees_with_power::<Native>(&slow::sub(&[0; 4], &power));
    }
}

#[test]
fn every_row_of_the_base_table() {
    let table = base_table();
    let mut power = ED25519_BASEPOINT_POINT;
    let mut rows = table.rows().iter();
    assert_eq!(rows.next().unwrap().xy2d, [0; 4]);
    for position in 0..32 {
        let count = if position == 31 { 16 } else { 128 };
        let mut multiple = power;
        for _ in 0..count {
            let row: &Row = rows.next().unwrap();
            assert_eq!(encode(&Extended::<Native>::IDENTITY.add_row(row, false)), multiple.compress().0);
            assert_eq!(encode(&Extended::<Native>::IDENTITY.add_row(row, true)), (-multiple).compress().0);
            multiple += power;
        }
        power = power.mul_by_cofactor().mul_by_cofactor();
        power = power + power + power + power;
    }
    assert!(rows.next().is_none());
}

#[test]
fn sums_of_any_number_of_terms() {
    for engine in engines() {
        let mut terms = Terms::new();
        assert_eq!(encode(&engine.sum(&terms)), EdwardsPoint::default().compress().0);
        terms.add_multiple(&[5, 0, 0, 0], base_table());
        assert_eq!(encode(&engine.sum(&terms)), EdwardsPoint::mul_base(&Scalar::from(5u8)).compress().0);
        // The same rows twice: every addition of the merging lanes is a doubling.
        terms.add_multiple(&[5, 0, 0, 0], base_table());
        assert_eq!(encode(&engine.sum(&terms)), EdwardsPoint::mul_base(&Scalar::from(10u8)).compress().0);
    }
}
