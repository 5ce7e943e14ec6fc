//! Arithmetic modulo p = 2^255 - 19, by the formally verified code of fiat-crypto.
//!
//! The trait keeps fiat's two bounds apart as types: a `Tight` element is the result of a carry, a `Loose`
//! one the lazy sum or difference of two tight ones, and only what is proven to fit can be multiplied.
//! Both word sizes are compiled for tests; [`Native`] is the one that serves. Variable time: public data.

#[cfg(any(test, not(target_pointer_width = "64")))]
use fiat_crypto::curve25519_32 as fiat32;
#[cfg(any(test, target_pointer_width = "64"))]
use fiat_crypto::curve25519_64 as fiat64;

/// A number of 256 bits, or the canonical form of a field element: little-endian words.
pub(super) type Words = [u64; 4];

/// Field arithmetic in one word size.
pub(super) trait Field: Copy {
    /// Fully carried limbs.
    type Tight: Copy;
    /// One addition or subtraction away from `Tight`.
    type Loose: Copy;

    const ZERO: Self::Tight;
    const ONE: Self::Tight;

    /// The value of `words` below 2^255, reduced or not. The top bit must be clear.
    fn from_words(words: &Words) -> Self::Tight;
    /// The canonical value, below p.
    fn to_words(a: &Self::Tight) -> Words;
    fn relax(a: &Self::Tight) -> Self::Loose;
    fn carry(a: &Self::Loose) -> Self::Tight;
    fn add(a: &Self::Tight, b: &Self::Tight) -> Self::Loose;
    fn sub(a: &Self::Tight, b: &Self::Tight) -> Self::Loose;
    fn mul(a: &Self::Loose, b: &Self::Loose) -> Self::Tight;
    fn square(a: &Self::Loose) -> Self::Tight;

    /// Product of two carried elements.
    #[inline(always)]
    fn mul_tight(a: &Self::Tight, b: &Self::Tight) -> Self::Tight {
        Self::mul(&Self::relax(a), &Self::relax(b))
    }

    /// The negative of `a`.
    #[inline(always)]
    fn negate(a: &Self::Tight) -> Self::Tight {
        Self::carry(&Self::sub(&Self::ZERO, a))
    }

    /// Equality of values, whatever the limbs.
    fn equal(a: &Self::Tight, b: &Self::Tight) -> bool {
        same(&Self::to_words(a), &Self::to_words(b))
    }

    /// `a` squared `count` times.
    fn square_times(a: &Self::Tight, count: u32) -> Self::Tight {
        (0..count).fold(*a, |power, _| Self::square(&Self::relax(&power)))
    }

    /// a^(2^250 - 1) and a^11, the common part of the two exponentiations below: the addition chain of
    /// Bernstein's curve25519 (2006).
    fn power_ladder(a: &Self::Tight) -> (Self::Tight, Self::Tight) {
        let a2 = Self::square_times(a, 1);
        let a9 = Self::mul_tight(a, &Self::square_times(&a2, 2));
        let a11 = Self::mul_tight(&a9, &a2);
        let ones5 = Self::mul_tight(&a9, &Self::square_times(&a11, 1));
        let ones10 = Self::mul_tight(&ones5, &Self::square_times(&ones5, 5));
        let ones20 = Self::mul_tight(&ones10, &Self::square_times(&ones10, 10));
        let ones40 = Self::mul_tight(&ones20, &Self::square_times(&ones20, 20));
        let ones50 = Self::mul_tight(&ones10, &Self::square_times(&ones40, 10));
        let ones100 = Self::mul_tight(&ones50, &Self::square_times(&ones50, 50));
        let ones200 = Self::mul_tight(&ones100, &Self::square_times(&ones100, 100));
        let ones250 = Self::mul_tight(&ones50, &Self::square_times(&ones200, 50));
        (ones250, a11)
    }

    /// a^(p - 2): the inverse by Fermat, and 0 for 0. The slow twin of [`super::inverse`].
    fn invert_by_power(a: &Self::Tight) -> Self::Tight {
        let (ones250, a11) = Self::power_ladder(a);
        Self::mul_tight(&a11, &Self::square_times(&ones250, 5))
    }

    /// a^((p - 5) / 8), for square roots.
    fn power_p58(a: &Self::Tight) -> Self::Tight {
        let (ones250, _) = Self::power_ladder(a);
        Self::mul_tight(a, &Self::square_times(&ones250, 2))
    }
}

/// Five limbs of 51 bits, for 64-bit machines.
#[derive(Clone, Copy)]
#[cfg(any(test, target_pointer_width = "64"))]
pub(super) struct Fiat64;

/// Ten limbs of 26 and 25 bits in turn, for machines without a wide multiplication (wasm32).
#[derive(Clone, Copy)]
#[cfg(any(test, not(target_pointer_width = "64")))]
pub(super) struct Fiat32;

/// The arithmetic that serves on this machine.
#[cfg(target_pointer_width = "64")]
pub(super) type Native = Fiat64;
/// The arithmetic that serves on this machine.
#[cfg(not(target_pointer_width = "64"))]
pub(super) type Native = Fiat32;

macro_rules! forward_to_fiat {
    ($fiat:ident, $limbs:literal) => {
        type Tight = $fiat::fiat_25519_tight_field_element;
        type Loose = $fiat::fiat_25519_loose_field_element;

        const ZERO: Self::Tight = $fiat::fiat_25519_tight_field_element([0; $limbs]);
        const ONE: Self::Tight = {
            let mut limbs = [0; $limbs];
            limbs[0] = 1;
            $fiat::fiat_25519_tight_field_element(limbs)
        };

        fn to_words(a: &Self::Tight) -> Words {
            let mut bytes = [0; 32];
            $fiat::fiat_25519_to_bytes(&mut bytes, a);
            words_from_bytes(&bytes)
        }

        #[inline(always)]
        fn relax(a: &Self::Tight) -> Self::Loose {
            $fiat::fiat_25519_loose_field_element(a.0)
        }

        #[inline(always)]
        fn carry(a: &Self::Loose) -> Self::Tight {
            let mut out = Self::ZERO;
            $fiat::fiat_25519_carry(&mut out, a);
            out
        }

        #[inline(always)]
        fn add(a: &Self::Tight, b: &Self::Tight) -> Self::Loose {
            let mut out = $fiat::fiat_25519_loose_field_element([0; $limbs]);
            $fiat::fiat_25519_add(&mut out, a, b);
            out
        }

        #[inline(always)]
        fn sub(a: &Self::Tight, b: &Self::Tight) -> Self::Loose {
            let mut out = $fiat::fiat_25519_loose_field_element([0; $limbs]);
            $fiat::fiat_25519_sub(&mut out, a, b);
            out
        }

        #[inline(always)]
        fn mul(a: &Self::Loose, b: &Self::Loose) -> Self::Tight {
            let mut out = Self::ZERO;
            $fiat::fiat_25519_carry_mul(&mut out, a, b);
            out
        }

        #[inline(always)]
        fn square(a: &Self::Loose) -> Self::Tight {
            let mut out = Self::ZERO;
            $fiat::fiat_25519_carry_square(&mut out, a);
            out
        }
    };
}

#[cfg(any(test, target_pointer_width = "64"))]
impl Field for Fiat64 {
    forward_to_fiat!(fiat64, 5);

    /// By words, not by fiat's bytes: this runs three times for every table row that is added.
    #[inline(always)]
    fn from_words(words: &Words) -> Self::Tight {
        let [w0, w1, w2, w3] = *words;
        fiat64::fiat_25519_tight_field_element([
            w0 & MASK_51,
            (w0 >> 51 | w1 << 13) & MASK_51,
            (w1 >> 38 | w2 << 26) & MASK_51,
            (w2 >> 25 | w3 << 39) & MASK_51,
            w3 >> 12 & MASK_51,
        ])
    }
}

#[cfg(any(test, not(target_pointer_width = "64")))]
impl Field for Fiat32 {
    forward_to_fiat!(fiat32, 10);

    fn from_words(words: &Words) -> Self::Tight {
        let mut out = Self::ZERO;
        fiat32::fiat_25519_from_bytes(&mut out, &words_to_bytes(words));
        out
    }
}

#[cfg(target_arch = "x86_64")]
impl Fiat64 {
    /// An element from five limbs below 1.5 * 2^51 (fiat's loose bound), as the vector paths leave them.
    pub(super) fn from_loose_limbs(limbs: [u64; 5]) -> <Self as Field>::Tight {
        Self::carry(&fiat64::fiat_25519_loose_field_element(limbs))
    }
}

/// Little-endian words of a 32-byte string.
pub(super) fn words_from_bytes(bytes: &[u8; 32]) -> Words {
    let (chunks, _) = bytes.as_chunks::<8>();
    let mut words = [0; 4];
    for (word, chunk) in words.iter_mut().zip(chunks) {
        *word = u64::from_le_bytes(*chunk);
    }
    words
}

/// Little-endian bytes of 256 bits.
#[cfg(any(test, not(target_pointer_width = "64")))]
pub(super) fn words_to_bytes(words: &Words) -> [u8; 32] {
    let mut bytes = [0; 32];
    let (chunks, _) = bytes.as_chunks_mut::<8>();
    for (chunk, word) in chunks.iter_mut().zip(words) {
        *chunk = word.to_le_bytes();
    }
    bytes
}

/// Whether `a == b`. In registers: the compiler makes a call of `==` on arrays of this size.
#[inline(always)]
pub(super) fn same(a: &Words, b: &Words) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// Whether `a < b`, as numbers of 256 bits.
pub(super) fn less_than(a: &Words, b: &Words) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// The prime p = 2^255 - 19.
pub(super) const P: Words = [0xffff_ffff_ffff_ffed, u64::MAX, u64::MAX, 0x7fff_ffff_ffff_ffff];

/// d = -121665/121666, the curve's constant (RFC 8032 §5.1).
pub(super) const D: Words =
    [0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73];

/// 2d mod p.
pub(super) const D2: Words =
    [0xebd6_9b94_26b2_f159, 0x00e0_149a_8283_b156, 0x198e_80f2_eef3_d130, 0x2406_d9dc_56df_fce7];

/// A square root of -1: 2^((p - 1) / 4).
pub(super) const SQRT_MINUS_ONE: Words =
    [0xc4ee_1b27_4a0e_a0b0, 0x2f43_1806_ad2f_e478, 0x2b4d_0099_3dfb_d7a7, 0x2b83_2480_4fc1_df0b];

#[cfg(any(test, target_pointer_width = "64"))]
const MASK_51: u64 = (1 << 51) - 1;
