//! Four table rows added side by side with AVX2.
//!
//! The simple algorithm is [`super::point::sum`], one row after the other. Departures:
//! - four partial sums run in the four 64-bit lanes of a register, each over every fourth row, and meet at
//!   the end, so that no multiplication waits for a shuffle;
//! - field elements have ten limbs of 26 and 25 bits in turn, one per 64-bit lane, for `vpmuludq`, which
//!   multiplies 32 bits (Bernstein and Schwabe, 'NEON crypto', 2012);
//! - sums and differences are not carried: see [`Element`] for the bounds that make this exact.
#![allow(unsafe_code)]

use core::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_and_si256, _mm256_blendv_epi8, _mm256_loadu_si256, _mm256_mul_epu32,
    _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set_epi64x, _mm256_set1_epi64x, _mm256_setzero_si256,
    _mm256_slli_epi64, _mm256_srli_epi64, _mm256_storeu_si256, _mm256_sub_epi64, _mm256_unpackhi_epi64,
    _mm256_unpacklo_epi64,
};

use super::field::{Fiat64, Field, Words};
use super::point::{Extended, Term};

/// Proof that this CPU has AVX2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    /// Rows added side by side.
    pub(super) const LANES: usize = 4;

    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// The sum of `terms`, whose number is a multiple of [`Self::LANES`].
    pub(super) fn sum(self, terms: &[Term<'_>]) -> Extended<Fiat64> {
        // SAFETY: `self` exists only where `detect` found the feature.
        unsafe { sum(terms) }
    }
}

/// Four field elements. Even limbs are below n * 2^26 and odd ones below n * 2^25, with n
/// - 1.01 for a product or a table row ('carried'),
/// - 2.02 for a sum of two carried elements, 3.01 for a difference (2p is added),
/// - 4.03 for a difference whose left side is a sum of two carried elements.
///
/// [`mul`] takes n up to 4.1 on the left and 3.1 on the right: its right limbs times 19 then fit in 32
/// bits, and its sums, at most 4.1 * 3.1 * 125 * 2^52, fit in 64.
#[derive(Clone, Copy)]
struct Element([__m256i; 10]);

/// Four points; coordinates are carried.
#[derive(Clone, Copy)]
struct Points {
    x: Element,
    y: Element,
    z: Element,
    t: Element,
}

/// Four rows, ready to be added; `minus` and `plus` are carried, `xy2d` has n = 2.
struct Rows {
    plus: Element,
    minus: Element,
    xy2d: Element,
}

const MASK_26: u64 = (1 << 26) - 1;
const MASK_25: u64 = (1 << 25) - 1;

/// Limbs of 2p, above any carried element's.
const P_TIMES_2: [u64; 10] = [
    (1 << 27) - 38,
    (1 << 26) - 2,
    (1 << 27) - 2,
    (1 << 26) - 2,
    (1 << 27) - 2,
    (1 << 26) - 2,
    (1 << 27) - 2,
    (1 << 26) - 2,
    (1 << 27) - 2,
    (1 << 26) - 2,
];

#[target_feature(enable = "avx2")]
fn sum(terms: &[Term<'_>]) -> Extended<Fiat64> {
    let (rounds, _) = terms.as_chunks::<4>();
    let mut sums = Points { x: small(0), y: small(1), z: small(1), t: small(0) };
    for round in rounds {
        sums = add_rows(&sums, &load(round));
    }
    let [p0, p1, p2, p3] = split(&sums);
    p0.add(&p1).add(&p2.add(&p3))
}

/// The mixed addition of `point::Extended::add_row`.
#[inline]
#[target_feature(enable = "avx2")]
fn add_rows(sums: &Points, rows: &Rows) -> Points {
    let a = mul(&sub(&sums.y, &sums.x), &rows.minus);
    let b = mul(&add(&sums.y, &sums.x), &rows.plus);
    let c = mul(&rows.xy2d, &sums.t);
    let d = add(&sums.z, &sums.z);
    let e = sub(&b, &a);
    let f = sub(&d, &c);
    let g = add(&d, &c);
    let h = add(&b, &a);
    Points { x: mul(&f, &e), y: mul(&g, &h), z: mul(&f, &g), t: mul(&e, &h) }
}

/// The four points on their own.
#[target_feature(enable = "avx2")]
fn split(points: &Points) -> [Extended<Fiat64>; 4] {
    let [x, y, z, t] = [&points.x, &points.y, &points.z, &points.t].map(|coordinate| lanes(coordinate));
    core::array::from_fn(|lane| Extended { x: x[lane], y: y[lane], z: z[lane], t: t[lane] })
}

/// The four elements of a carried vector.
#[inline]
#[target_feature(enable = "avx2")]
fn lanes(elements: &Element) -> [<Fiat64 as Field>::Tight; 4] {
    let limbs = elements.0.map(|limb| to_array(limb));
    core::array::from_fn(|lane| {
        Fiat64::from_loose_limbs(core::array::from_fn(|i| {
            limbs[2 * i][lane] + (limbs[2 * i + 1][lane] << 26)
        }))
    })
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(terms: &[Term<'_>; 4]) -> Rows {
    let [n0, n1, n2, n3] = terms.each_ref().map(|term| -i64::from(term.negative));
    let negative = _mm256_set_epi64x(n3, n2, n1, n0);
    let plus = transpose(terms.each_ref().map(|it| &it.row.sum_and_difference[usize::from(it.negative)]));
    let minus = transpose(terms.each_ref().map(|it| &it.row.sum_and_difference[usize::from(!it.negative)]));
    let mut xy2d = transpose(terms.each_ref().map(|it| &it.row.xy2d));
    for (limb, bias) in xy2d.0.iter_mut().zip(P_TIMES_2) {
        *limb = _mm256_blendv_epi8(*limb, _mm256_sub_epi64(splat(bias), *limb), negative);
    }
    Rows { plus, minus, xy2d }
}

/// Element i in lane i, cut into limbs.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(elements: [&Words; 4]) -> Element {
    let [e0, e1, e2, e3] = elements.map(|words| load_words(words));
    let (even0, even1) = (_mm256_unpacklo_epi64(e0, e1), _mm256_unpacklo_epi64(e2, e3));
    let (odd0, odd1) = (_mm256_unpackhi_epi64(e0, e1), _mm256_unpackhi_epi64(e2, e3));
    let w0 = _mm256_permute2x128_si256::<0x20>(even0, even1);
    let w1 = _mm256_permute2x128_si256::<0x20>(odd0, odd1);
    let w2 = _mm256_permute2x128_si256::<0x31>(even0, even1);
    let w3 = _mm256_permute2x128_si256::<0x31>(odd0, odd1);

    let [mask_26, mask_25] = [splat(MASK_26), splat(MASK_25)];
    Element([
        _mm256_and_si256(w0, mask_26),
        _mm256_and_si256(_mm256_srli_epi64::<26>(w0), mask_25),
        _mm256_and_si256(_mm256_or_si256(_mm256_srli_epi64::<51>(w0), _mm256_slli_epi64::<13>(w1)), mask_26),
        _mm256_and_si256(_mm256_srli_epi64::<13>(w1), mask_25),
        _mm256_srli_epi64::<38>(w1),
        _mm256_and_si256(w2, mask_25),
        _mm256_and_si256(_mm256_srli_epi64::<25>(w2), mask_26),
        _mm256_and_si256(_mm256_or_si256(_mm256_srli_epi64::<51>(w2), _mm256_slli_epi64::<13>(w3)), mask_25),
        _mm256_and_si256(_mm256_srli_epi64::<12>(w3), mask_26),
        _mm256_srli_epi64::<38>(w3),
    ])
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_words(words: &Words) -> __m256i {
    // SAFETY: a reference to 32 readable bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn to_array(limb: __m256i) -> [u64; 4] {
    let mut out = [0u64; 4];
    // SAFETY: 32 writable bytes; the store needs no alignment.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), limb) }
    out
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(value: u64) -> __m256i {
    _mm256_set1_epi64x(value.cast_signed())
}

/// The same small number four times.
#[inline]
#[target_feature(enable = "avx2")]
fn small(value: u64) -> Element {
    let mut limbs = [_mm256_setzero_si256(); 10];
    limbs[0] = splat(value);
    Element(limbs)
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: &Element, b: &Element) -> Element {
    Element(core::array::from_fn(|i| _mm256_add_epi64(a.0[i], b.0[i])))
}

/// a - b, for a carried b.
#[inline]
#[target_feature(enable = "avx2")]
fn sub(a: &Element, b: &Element) -> Element {
    Element(core::array::from_fn(|i| _mm256_sub_epi64(_mm256_add_epi64(a.0[i], splat(P_TIMES_2[i])), b.0[i])))
}

/// The product, carried, by schoolbook multiplication: one limb of `a` at a time, so that the ten sums stay
/// in registers.
#[inline]
#[target_feature(enable = "avx2")]
fn mul(a: &Element, b: &Element) -> Element {
    let nineteen = splat(19);
    // 2^255 = 19: what belongs ten places or more up returns 19 times.
    let b_19 = Element(b.0.map(|limb| _mm256_mul_epu32(limb, nineteen)));
    let mut sums = [_mm256_setzero_si256(); 10];
    add_products::<0>(&mut sums, a, b, &b_19);
    add_products::<1>(&mut sums, a, b, &b_19);
    add_products::<2>(&mut sums, a, b, &b_19);
    add_products::<3>(&mut sums, a, b, &b_19);
    add_products::<4>(&mut sums, a, b, &b_19);
    add_products::<5>(&mut sums, a, b, &b_19);
    add_products::<6>(&mut sums, a, b, &b_19);
    add_products::<7>(&mut sums, a, b, &b_19);
    add_products::<8>(&mut sums, a, b, &b_19);
    add_products::<9>(&mut sums, a, b, &b_19);
    carry(sums)
}

/// Adds the products of limb `I` of `a`.
#[inline]
#[target_feature(enable = "avx2")]
fn add_products<const I: usize>(sums: &mut [__m256i; 10], a: &Element, b: &Element, b_19: &Element) {
    let limb = a.0[I];
    // Two odd limbs meet half a bit above their place: their product counts twice.
    let doubled = if I % 2 == 1 { _mm256_add_epi64(limb, limb) } else { limb };
    for j in 0..10 {
        let left = if j % 2 == 1 { doubled } else { limb };
        let right = if I + j >= 10 { b_19.0[j] } else { b.0[j] };
        let sum = &mut sums[(I + j) % 10];
        *sum = _mm256_add_epi64(*sum, _mm256_mul_epu32(left, right));
    }
}

/// Carries limbs of up to 64 bits: two chains side by side, 0 to 4 and 4 to 9, then the ends.
#[inline]
#[target_feature(enable = "avx2")]
fn carry(mut limbs: [__m256i; 10]) -> Element {
    for i in 0..4 {
        carry_limb(&mut limbs, i);
        carry_limb(&mut limbs, i + 4);
    }
    carry_limb(&mut limbs, 4);
    carry_limb(&mut limbs, 8);
    // Up to 39 bits leave the top limb, and return 19 times: as 1 + 2 + 16.
    let top = _mm256_srli_epi64::<25>(limbs[9]);
    limbs[9] = _mm256_and_si256(limbs[9], splat(MASK_25));
    let times_3 = _mm256_add_epi64(top, _mm256_slli_epi64::<1>(top));
    limbs[0] = _mm256_add_epi64(limbs[0], _mm256_add_epi64(times_3, _mm256_slli_epi64::<4>(top)));
    carry_limb(&mut limbs, 0);
    Element(limbs)
}

/// Moves what exceeds limb `i` to the next.
#[inline]
#[target_feature(enable = "avx2")]
fn carry_limb(limbs: &mut [__m256i; 10], i: usize) {
    let (high, mask) = if i.is_multiple_of(2) {
        (_mm256_srli_epi64::<26>(limbs[i]), MASK_26)
    } else {
        (_mm256_srli_epi64::<25>(limbs[i]), MASK_25)
    };
    limbs[i] = _mm256_and_si256(limbs[i], splat(mask));
    limbs[i + 1] = _mm256_add_epi64(limbs[i + 1], high);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::Words;
    use super::super::tests::arithmetic::{field_words, slow};
    use super::{Avx2, Element, P_TIMES_2, add, carry, mul, sub, to_array, transpose};

    const BITS: [usize; 10] = [0, 26, 51, 77, 102, 128, 153, 179, 204, 230];

    type Limbs = [[u64; 4]; 10];

    /// The largest limbs for n = `percent` / 100.
    fn max(percent: u64) -> [u64; 10] {
        core::array::from_fn(|i| percent * (1 << if i.is_multiple_of(2) { 26 } else { 25 }) / 100)
    }

    /// Limbs up to those of `max(percent)`, often at the edges.
    fn limbs(percent: u64) -> impl Strategy<Value = Limbs> {
        let share = prop_oneof![Just(0), Just(u64::MAX), any::<u64>()];
        prop_oneof![
            1 => prop::array::uniform10(prop::array::uniform4(share)),
            1 => Just([[u64::MAX; 4]; 10]),
        ]
        .prop_map(move |shares| {
            let max = max(percent);
            core::array::from_fn(|i| {
                shares[i].map(|share| if share == u64::MAX { max[i] } else { share % max[i] })
            })
        })
    }

    fn lane(limbs: &Limbs, lane: usize) -> Words {
        slow::from_limbs(&limbs.map(|limb| limb[lane]), &BITS)
    }

    fn pack(limbs: &Limbs) -> Element {
        // SAFETY: only called where `Avx2` was detected; both types are 32 plain bytes.
        Element(limbs.map(|limb| unsafe { core::mem::transmute(limb) }))
    }

    fn unpack(element: &Element) -> Limbs {
        // SAFETY: as in `pack`.
        element.0.map(|limb| unsafe { to_array(limb) })
    }

    fn assert_lanes(result: &Limbs, percent: u64, expected: impl Fn(usize) -> Words) {
        for (limb, max) in result.iter().zip(max(percent)) {
            assert!(limb.iter().all(|&limb| limb <= max), "{result:x?}");
        }
        for i in 0..4 {
            assert_eq!(lane(result, i), expected(i));
        }
    }

    proptest! {
        #[test]
        fn products(a in limbs(410), b in limbs(310)) {
            if Avx2::detect().is_none() { return Ok(()); }
            // SAFETY: the feature was detected.
            let product = unsafe { mul(&pack(&a), &pack(&b)) };
            assert_lanes(&unpack(&product), 101, |i| slow::mul(&lane(&a, i), &lane(&b, i)));
        }

        #[test]
        fn sums_and_differences(a in limbs(202), b in limbs(101)) {
            if Avx2::detect().is_none() { return Ok(()); }
            // SAFETY: the feature was detected.
            let sum = unsafe { add(&pack(&a), &pack(&b)) };
            // SAFETY: the feature was detected.
            let difference = unsafe { sub(&pack(&a), &pack(&b)) };
            assert_lanes(&unpack(&sum), 303, |i| slow::add(&lane(&a, i), &lane(&b, i)));
            assert_lanes(&unpack(&difference), 403, |i| slow::sub(&lane(&a, i), &lane(&b, i)));
        }

        #[test]
        fn carries(limbs in prop::array::uniform10(prop::array::uniform4(prop_oneof![Just(u64::MAX >> 1), any::<u64>()]))) {
            if Avx2::detect().is_none() { return Ok(()); }
            let limbs = limbs.map(|limb| limb.map(|limb| limb >> 1));
            // SAFETY: the feature was detected.
            let carried = unsafe { carry(pack(&limbs).0) };
            assert_lanes(&unpack(&carried), 101, |i| lane(&limbs, i));
        }

        #[test]
        fn transposed_words(elements in prop::array::uniform4(field_words())) {
            if Avx2::detect().is_none() { return Ok(()); }
            // SAFETY: the feature was detected.
            let limbs = unsafe { transpose(elements.each_ref()) };
            assert_lanes(&unpack(&limbs), 100, |i| slow::reduce(&elements[i]));
        }
    }

    #[test]
    fn the_bias_is_2p() {
        assert_eq!(slow::from_limbs(&P_TIMES_2, &BITS), [0; 4]);
    }
}
