//! Eight table rows added side by side with AVX-512 IFMA.
//!
//! The simple algorithm is [`super::point::sum`], one row after the other. Departures:
//! - eight partial sums run in the eight 64-bit lanes of a register, each over every eighth row, and meet at
//!   the end. Unlike the four-way parallel addition of Hisil, Wong, Carter and Dawson, which computes one
//!   sum with its coordinates in the lanes, this needs no shuffles between the multiplications and has eight
//!   of them in flight;
//! - field elements have five limbs in radix 2^51; `vpmadd52luq` and `vpmadd52huq` add the low and the high
//!   52 bits of the products to separate sums (Gueron and Krasnov, 'Software implementation of modular
//!   exponentiation, using AVX512 IFMA'), as the high half weighs 2^52 and not 2^51;
//! - carries wait: see [`Wide`] and [`Narrow`] for the bounds that make this exact.
#![allow(unsafe_code)]

use core::arch::x86_64::{
    __m256i, __m512i, __mmask8, _mm256_loadu_si256, _mm512_add_epi64, _mm512_and_si512,
    _mm512_castsi256_si512, _mm512_inserti64x4, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64,
    _mm512_mask_sub_epi64, _mm512_or_si512, _mm512_permutex_epi64, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_shuffle_i64x2, _mm512_slli_epi64, _mm512_srli_epi64, _mm512_storeu_si512, _mm512_sub_epi64,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
};

use super::field::{D2, Fiat64, Field, Words};
use super::point::{Extended, Term};

/// Proof that this CPU has AVX-512 F and IFMA.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ifma(());

impl Ifma {
    /// Rows added side by side.
    pub(super) const LANES: usize = 8;

    pub(super) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma");
        found.then_some(Self(()))
    }

    /// The sum of `terms`, whose number is a multiple of [`Self::LANES`].
    pub(super) fn sum(self, terms: &[Term<'_>]) -> Extended<Fiat64> {
        // SAFETY: `self` exists only where `detect` found both features.
        unsafe { sum(terms) }
    }
}

/// Eight field elements that may be multiplied: limbs below 2^52, and below 2^51 + 2^16 after [`carry`].
#[derive(Clone, Copy)]
struct Narrow([__m512i; 5]);

/// Eight field elements that may be added and subtracted once: limbs below 2^60 from [`mul`] (at most
/// (1 + 4 * 19) * 2^52 of low halves and 2 * 5 * 19 * (2^51 + 2^16) of high ones), below 2^62 from [`add`]
/// and [`sub`].
#[derive(Clone, Copy)]
struct Wide([__m512i; 5]);

/// Eight points.
#[derive(Clone, Copy)]
struct Points {
    x: Wide,
    y: Wide,
    z: Wide,
    t: Wide,
}

/// Eight rows, ready to be added.
struct Rows {
    plus: Narrow,
    minus: Narrow,
    xy2d: Narrow,
}

const MASK_51: u64 = (1 << 51) - 1;

/// Limbs of 2d.
const D2_LIMBS: [u64; 5] = {
    let [w0, w1, w2, w3] = D2;
    [
        w0 & MASK_51,
        (w0 >> 51 | w1 << 13) & MASK_51,
        (w1 >> 38 | w2 << 26) & MASK_51,
        (w2 >> 25 | w3 << 39) & MASK_51,
        w3 >> 12,
    ]
};

/// Limbs of 2p, above any row's.
const P_TIMES_2: [u64; 5] = [(1 << 52) - 38, (1 << 52) - 2, (1 << 52) - 2, (1 << 52) - 2, (1 << 52) - 2];

/// Limbs of 2^10 p, above any product's.
const P_TIMES_1024: [u64; 5] = [
    (1 << 61) - (19 << 10),
    (1 << 61) - (1 << 10),
    (1 << 61) - (1 << 10),
    (1 << 61) - (1 << 10),
    (1 << 61) - (1 << 10),
];

#[target_feature(enable = "avx512f,avx512ifma")]
fn sum(terms: &[Term<'_>]) -> Extended<Fiat64> {
    let (rounds, _) = terms.as_chunks::<8>();
    let Some((first, rest)) = rounds.split_first() else { return Extended::IDENTITY };
    let mut sums = start(&load(first));
    for round in rest {
        sums = add_rows(&sums, &load(round));
    }
    // Every lane ends up with the same sum. Most of their work is idle, yet three such additions cost less
    // than half of seven serial ones.
    sums = add_points(&sums, &map(&sums, |x| _mm512_shuffle_i64x2::<0b01_00_11_10>(x, x)));
    sums = add_points(&sums, &map(&sums, |x| _mm512_shuffle_i64x2::<0b10_11_00_01>(x, x)));
    sums = add_points(&sums, &map(&sums, |x| _mm512_permutex_epi64::<0b10_11_00_01>(x)));
    let [x, y, z, t] = [&sums.x, &sums.y, &sums.z, &sums.t].map(|coordinate| first_lane(coordinate));
    Extended { x, y, z, t }
}

/// The rows themselves as points, with all coordinates times 4: X = 2 * 2x, Y = 2 * 2y, Z = 4, T = 2x * 2y.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn start(rows: &Rows) -> Points {
    let [plus, minus] = [Wide(rows.plus.0), Wide(rows.minus.0)];
    let x2 = sub(&plus, &minus);
    let y2 = add(&plus, &minus);
    let t = mul(&carry(&x2), &carry(&y2));
    let mut z = Wide([_mm512_setzero_si512(); 5]);
    z.0[0] = splat(4);
    let [x2, y2] = [Wide(carry(&x2).0), Wide(carry(&y2).0)];
    Points { x: add(&x2, &x2), y: add(&y2, &y2), z, t }
}

/// The mixed addition of `point::Extended::add_row`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_rows(sums: &Points, rows: &Rows) -> Points {
    let a = mul(&carry(&sub(&sums.y, &sums.x)), &rows.minus);
    let b = mul(&carry(&add(&sums.y, &sums.x)), &rows.plus);
    let c = mul(&carry(&sums.t), &rows.xy2d);
    let d = add(&sums.z, &sums.z);
    from_products(&a, &b, &c, &d)
}

/// The addition of `point::Extended::add`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_points(left: &Points, right: &Points) -> Points {
    let twice_d = Narrow(D2_LIMBS.map(|limb| splat(limb)));
    let a = mul(&carry(&sub(&left.y, &left.x)), &carry(&sub(&right.y, &right.x)));
    let b = mul(&carry(&add(&left.y, &left.x)), &carry(&add(&right.y, &right.x)));
    let c = mul(&carry(&mul(&carry(&left.t), &twice_d)), &carry(&right.t));
    let z = mul(&carry(&left.z), &carry(&right.z));
    from_products(&a, &b, &c, &add(&z, &z))
}

/// The common end of both additions.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn from_products(a: &Wide, b: &Wide, c: &Wide, d: &Wide) -> Points {
    let e = carry(&sub(b, a));
    let f = carry(&sub(d, c));
    let g = carry(&add(d, c));
    let h = carry(&add(b, a));
    Points { x: mul(&e, &f), y: mul(&g, &h), z: mul(&f, &g), t: mul(&e, &h) }
}

/// Moves the lanes of all coordinates alike.
#[inline(always)]
fn map(points: &Points, shuffle: impl Fn(__m512i) -> __m512i) -> Points {
    let all = |wide: &Wide| Wide(wide.0.map(&shuffle));
    Points { x: all(&points.x), y: all(&points.y), z: all(&points.z), t: all(&points.t) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn first_lane(elements: &Wide) -> <Fiat64 as Field>::Tight {
    Fiat64::from_loose_limbs(carry(elements).0.map(|limb| to_array(limb)[0]))
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn load(terms: &[Term<'_>; 8]) -> Rows {
    let mut negative: __mmask8 = 0;
    for (lane, term) in terms.iter().enumerate() {
        negative |= u8::from(term.negative) << lane;
    }
    let plus = transpose(terms.each_ref().map(|it| &it.row.sum_and_difference[usize::from(it.negative)]));
    let minus = transpose(terms.each_ref().map(|it| &it.row.sum_and_difference[usize::from(!it.negative)]));
    let mut xy2d = transpose(terms.each_ref().map(|it| &it.row.xy2d));
    for (limb, bias) in xy2d.0.iter_mut().zip(P_TIMES_2) {
        *limb = _mm512_mask_sub_epi64(*limb, negative, splat(bias), *limb);
    }
    Rows { plus, minus, xy2d }
}

/// Element i in lane i, cut into limbs.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn transpose(elements: [&Words; 8]) -> Narrow {
    let [e0, e1, e2, e3, e4, e5, e6, e7] = elements;
    // Lanes of 128 bits hold, for two elements, words 0 and 2 or words 1 and 3.
    let [a, b, c, d] = [pair(e0, e2), pair(e1, e3), pair(e4, e6), pair(e5, e7)];
    let (even0, even1) = (_mm512_unpacklo_epi64(a, b), _mm512_unpacklo_epi64(c, d));
    let (odd0, odd1) = (_mm512_unpackhi_epi64(a, b), _mm512_unpackhi_epi64(c, d));
    let w0 = _mm512_shuffle_i64x2::<0b10_00_10_00>(even0, even1);
    let w1 = _mm512_shuffle_i64x2::<0b10_00_10_00>(odd0, odd1);
    let w2 = _mm512_shuffle_i64x2::<0b11_01_11_01>(even0, even1);
    let w3 = _mm512_shuffle_i64x2::<0b11_01_11_01>(odd0, odd1);

    let mask = splat(MASK_51);
    Narrow([
        _mm512_and_si512(w0, mask),
        _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64::<51>(w0), _mm512_slli_epi64::<13>(w1)), mask),
        _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64::<38>(w1), _mm512_slli_epi64::<26>(w2)), mask),
        _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64::<25>(w2), _mm512_slli_epi64::<39>(w3)), mask),
        _mm512_srli_epi64::<12>(w3),
    ])
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn pair(low: &Words, high: &Words) -> __m512i {
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(load_words(low)), load_words(high))
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn load_words(words: &Words) -> __m256i {
    // SAFETY: a reference to 32 readable bytes; the load needs no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn to_array(limb: __m512i) -> [u64; 8] {
    let mut out = [0u64; 8];
    // SAFETY: 64 writable bytes; the store needs no alignment.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), limb) }
    out
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn splat(value: u64) -> __m512i {
    _mm512_set1_epi64(value.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add(a: &Wide, b: &Wide) -> Wide {
    Wide(core::array::from_fn(|i| _mm512_add_epi64(a.0[i], b.0[i])))
}

/// a - b, for b from [`mul`].
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn sub(a: &Wide, b: &Wide) -> Wide {
    Wide(core::array::from_fn(|i| _mm512_sub_epi64(_mm512_add_epi64(a.0[i], splat(P_TIMES_1024[i])), b.0[i])))
}

/// One carry from each limb to the next, all at once: carries are below 2^11, the top one times 19 below
/// 2^16.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn carry(a: &Wide) -> Narrow {
    let mask = splat(MASK_51);
    let carries = a.0.map(|limb| _mm512_srli_epi64::<51>(limb));
    let kept = a.0.map(|limb| _mm512_and_si512(limb, mask));
    Narrow([
        _mm512_madd52lo_epu64(kept[0], carries[4], splat(19)),
        _mm512_add_epi64(kept[1], carries[0]),
        _mm512_add_epi64(kept[2], carries[1]),
        _mm512_add_epi64(kept[3], carries[2]),
        _mm512_add_epi64(kept[4], carries[3]),
    ])
}

/// The product, by schoolbook multiplication. `b` may have limbs up to 2^52, `a` is from [`carry`].
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn mul(a: &Narrow, b: &Narrow) -> Wide {
    let zero = _mm512_setzero_si512();
    // Sums of low halves at limb i + j, and of high halves at limb i + j + 1, which count twice.
    let mut low = [zero; 10];
    let mut high = [zero; 10];
    for i in 0..5 {
        for j in 0..5 {
            low[i + j] = _mm512_madd52lo_epu64(low[i + j], a.0[i], b.0[j]);
            high[i + j + 1] = _mm512_madd52hi_epu64(high[i + j + 1], a.0[i], b.0[j]);
        }
    }
    let whole = |i: usize| _mm512_add_epi64(low[i], _mm512_add_epi64(high[i], high[i]));
    // 2^255 = 19: the upper five limbs return to the lower ones 19 times, as 16 + 2 + 1.
    Wide(core::array::from_fn(|i| {
        let upper = whole(i + 5);
        let times_3 = _mm512_add_epi64(upper, _mm512_slli_epi64::<1>(upper));
        _mm512_add_epi64(_mm512_add_epi64(whole(i), times_3), _mm512_slli_epi64::<4>(upper))
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::field::Words;
    use super::super::tests::arithmetic::{field_words, slow};
    use super::{Ifma, Narrow, P_TIMES_2, P_TIMES_1024, Wide, add, carry, mul, sub, to_array, transpose};

    const BITS: [usize; 5] = [0, 51, 102, 153, 204];
    const MAX_CARRIED: u64 = (1 << 51) + (1 << 16) - 1;
    const MAX_NARROW: u64 = (1 << 52) - 1;
    const MAX_PRODUCT: u64 = (1 << 60) - 1;
    const MAX_WIDE: u64 = (1 << 62) - 1;

    type Limbs = [[u64; 8]; 5];

    /// Limbs up to `max`, often at the edges.
    fn limbs(max: u64) -> impl Strategy<Value = Limbs> {
        let edges = prop::sample::select(vec![0, 1, (1 << 51) - 1, 1 << 51, max - 1, max]);
        let limb = prop_oneof![edges.prop_map(move |limb: u64| limb.min(max)), 0..=max];
        prop_oneof![
            1 => prop::array::uniform5(prop::array::uniform8(limb)),
            1 => Just([[max; 8]; 5]),
        ]
    }

    fn lane(limbs: &Limbs, lane: usize) -> Words {
        slow::from_limbs(&limbs.map(|limb| limb[lane]), &BITS)
    }

    fn pack(limbs: &Limbs) -> [core::arch::x86_64::__m512i; 5] {
        // SAFETY: only called where `Ifma` was detected; both types are 64 plain bytes.
        limbs.map(|limb| unsafe { core::mem::transmute(limb) })
    }

    fn unpack(limbs: &[core::arch::x86_64::__m512i; 5]) -> Limbs {
        // SAFETY: as in `pack`.
        limbs.map(|limb| unsafe { to_array(limb) })
    }

    fn assert_lanes(result: &Limbs, max: u64, expected: impl Fn(usize) -> Words) {
        assert!(result.iter().flatten().all(|&limb| limb <= max), "{result:x?}");
        for i in 0..8 {
            assert_eq!(lane(result, i), expected(i));
        }
    }

    proptest! {
        #[test]
        fn products(a in limbs(MAX_CARRIED), b in limbs(MAX_NARROW)) {
            if Ifma::detect().is_none() { return Ok(()); }
            // SAFETY: the features were detected.
            let product = unsafe { mul(&Narrow(pack(&a)), &Narrow(pack(&b))) };
            assert_lanes(&unpack(&product.0), MAX_PRODUCT, |i| slow::mul(&lane(&a, i), &lane(&b, i)));
        }

        #[test]
        fn sums_differences_and_carries(a in limbs(2 * MAX_PRODUCT), b in limbs(MAX_PRODUCT), c in limbs(MAX_WIDE)) {
            if Ifma::detect().is_none() { return Ok(()); }
            let (x, y) = (Wide(pack(&a)), Wide(pack(&b)));
            // SAFETY: the features were detected.
            let sum = unsafe { add(&x, &y) };
            // SAFETY: the features were detected.
            let difference = unsafe { sub(&x, &y) };
            // SAFETY: the features were detected.
            let carried = unsafe { carry(&Wide(pack(&c))) };
            assert_lanes(&unpack(&sum.0), MAX_WIDE, |i| slow::add(&lane(&a, i), &lane(&b, i)));
            assert_lanes(&unpack(&difference.0), MAX_WIDE, |i| slow::sub(&lane(&a, i), &lane(&b, i)));
            assert_lanes(&unpack(&carried.0), MAX_CARRIED, |i| lane(&c, i));
        }

        #[test]
        fn transposed_words(elements in prop::array::uniform8(field_words())) {
            if Ifma::detect().is_none() { return Ok(()); }
            // SAFETY: the features were detected.
            let limbs = unsafe { transpose(elements.each_ref()) };
            assert_lanes(&unpack(&limbs.0), (1 << 51) - 1, |i| slow::reduce(&elements[i]));
        }
    }

    #[test]
    fn the_biases_are_multiples_of_p() {
        assert_eq!(slow::from_limbs(&P_TIMES_2, &BITS), [0; 4]);
        assert_eq!(slow::from_limbs(&P_TIMES_1024, &BITS), [0; 4]);
    }
}
