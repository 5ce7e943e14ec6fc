//! s^65537 modulo n with AVX-512 IFMA: the public operation of RSA (RFC 8017 §5.2.2).
//!
//! The simple algorithm: Montgomery's product, one digit of b at a time (`ProductScanning` in Koç, Acar,
//! Kaliski, "Analyzing and Comparing Montgomery Multiplication Algorithms", 1996, as CIOS): add a·b_i, add
//! the multiple m·n that clears the lowest digit, drop the digit; 16 squarings and a product make 65537.
//! `slow.rs` raises to the power with shifts and subtractions only, and is the oracle in the tests.
//! Departures:
//! - Digits have 52 bits, eight to a vector, so that `vpmadd52` multiplies and adds eight at once (Gueron and
//!   Krasnov, "Accelerating Big Integer Arithmetic Using Intel IFMA Extensions", ARITH 2016). Carries between
//!   digits wait until the end of the product: 80 sums of four 52-bit numbers fit 64 bits.
//! - Products stay below 2n instead of n ("almost Montgomery"), since R = 2^(52·digits) > 4n.
//! - a·b and m·n are summed apart, and the lowest two digits also in general registers, so that neither the
//!   sums wait for each other nor the search for m waits for the vectors to finish the digit before. Either
//!   alone gains nothing; together, a sixth of the time.
//! - Carries are settled in vectors, by the addition of masks (Intel's "carry by k-add"), not digit by digit.
//! - The last product takes s itself, not its Montgomery form, and so leaves that form without one more product.
//!
//! Everything here is public, so nothing promises constant time.
#![allow(unsafe_code)]

use core::arch::x86_64::{
    __m512i, _mm_extract_epi64, _mm512_add_epi64, _mm512_alignr_epi64, _mm512_and_si512,
    _mm512_castsi512_si128, _mm512_cmpeq_epu64_mask, _mm512_cmpgt_epu64_mask, _mm512_loadu_si512,
    _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_add_epi64, _mm512_mask_set1_epi64,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_srli_epi64, _mm512_storeu_si512,
};
use std::is_x86_feature_detected;

/// An odd modulus of 2,048 to 4,096 bits, with what raising to the power needs to know of it.
pub(super) enum Modulus {
    /// Up to 2,078 bits.
    Vectors5(Box<Constants<5>>),
    /// Up to 2,494 bits.
    Vectors6(Box<Constants<6>>),
    /// Up to 2,910 bits.
    Vectors7(Box<Constants<7>>),
    /// Up to 3,326 bits.
    Vectors8(Box<Constants<8>>),
    /// Up to 3,742 bits.
    Vectors9(Box<Constants<9>>),
    /// Up to 4,158 bits.
    Vectors10(Box<Constants<10>>),
}

/// The constants of a modulus whose numbers take `V` vectors.
pub(super) struct Constants<const V: usize> {
    n: Number<V>,
    /// R^2 mod n, below 2n: a product with it brings a number into Montgomery form.
    r_squared: Number<V>,
    /// -1/n modulo 2^52.
    multiplier: u64,
    /// Digits of R: R = 2^(52·digits), the least power that exceeds 4n.
    digits: usize,
}

/// A number in digits of 52 bits, lowest first.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Number<const V: usize>([[u64; LANES]; V]);

/// Whether this CPU has the instructions.
pub(super) fn cpu_supports() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512ifma")
        && is_x86_feature_detected!("bmi2")
}

impl Modulus {
    /// The constants of `n`, big-endian, odd, without leading zeros. `None` where the CPU lacks the
    /// instructions or n has too few or too many bits.
    pub(super) fn new(n: &[u8]) -> Option<Modulus> {
        if !cpu_supports() {
            return None;
        }
        // SAFETY: `cpu_supports` has just found the features that `dispatch_new` is compiled for.
        unsafe { Modulus::dispatch_new(n) }
    }

    /// Writes s^65537 mod n to `out`, big-endian. `s` must be below n; both have the length of n.
    pub(super) fn raise(&self, s: &[u8], out: &mut [u8]) {
        // SAFETY: `Modulus::new` makes values only where the CPU has the features of `dispatch_raise`.
        unsafe { self.dispatch_raise(s, out) }
    }

    #[target_feature(enable = "avx512f,avx512ifma,bmi2")]
    fn dispatch_new(n: &[u8]) -> Option<Modulus> {
        let bits = bit_length(n);
        if bits < MIN_BITS {
            return None;
        }
        match digits_for(bits).div_ceil(LANES) {
            5 => Some(Modulus::Vectors5(Constants::new(n))),
            6 => Some(Modulus::Vectors6(Constants::new(n))),
            7 => Some(Modulus::Vectors7(Constants::new(n))),
            8 => Some(Modulus::Vectors8(Constants::new(n))),
            9 => Some(Modulus::Vectors9(Constants::new(n))),
            10 => Some(Modulus::Vectors10(Constants::new(n))),
            _ => None,
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma,bmi2")]
    fn dispatch_raise(&self, s: &[u8], out: &mut [u8]) {
        match self {
            Modulus::Vectors5(constants) => constants.raise(s, out),
            Modulus::Vectors6(constants) => constants.raise(s, out),
            Modulus::Vectors7(constants) => constants.raise(s, out),
            Modulus::Vectors8(constants) => constants.raise(s, out),
            Modulus::Vectors9(constants) => constants.raise(s, out),
            Modulus::Vectors10(constants) => constants.raise(s, out),
        }
    }

    /// Heap memory, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Modulus::Vectors5(constants) => size_of_val(&**constants),
            Modulus::Vectors6(constants) => size_of_val(&**constants),
            Modulus::Vectors7(constants) => size_of_val(&**constants),
            Modulus::Vectors8(constants) => size_of_val(&**constants),
            Modulus::Vectors9(constants) => size_of_val(&**constants),
            Modulus::Vectors10(constants) => size_of_val(&**constants),
        }
    }
}

impl<const V: usize> Constants<V> {
    #[target_feature(enable = "avx512f,avx512ifma,bmi2")]
    fn new(n_bytes: &[u8]) -> Box<Constants<V>> {
        let bits = bit_length(n_bytes);
        let digits = digits_for(bits);
        let n = Number::<V>::from_be_bytes(n_bytes);
        let multiplier = inverse_modulo_digit(n.0[0][0]).wrapping_neg() & DIGIT_MASK;
        let mut constants = Constants { n, r_squared: n, multiplier, digits };

        // 2^bits mod n is 2^bits - n; doubled until it is R mod n, the Montgomery form of 2^0.
        let mut power = n.subtracted_from_power_of_two(bits);
        for _ in bits..DIGIT_BITS * digits {
            power.double_modulo(&n);
        }
        // Square for each bit of the exponent and double for each 1: the Montgomery form of R.
        let exponent = DIGIT_BITS * digits;
        for bit in (0..=exponent.ilog2()).rev() {
            power = constants.product(&power, &power);
            if exponent >> bit & 1 == 1 {
                power.double_modulo(&n);
            }
        }
        constants.r_squared = power;
        Box::new(constants)
    }

    #[target_feature(enable = "avx512f,avx512ifma,bmi2")]
    fn raise(&self, s: &[u8], out: &mut [u8]) {
        let s = Number::<V>::from_be_bytes(s);
        let mut power = self.product(&s, &self.r_squared);
        for _ in 0..16 {
            power = self.product(&power, &power);
        }
        // Montgomery form times plain number: the result is plain. It is below n + n/2.
        let mut result = self.product(&power, &s);
        if !result.is_below(&self.n) {
            result.subtract(&self.n);
        }
        result.to_be_bytes(out);
    }

    /// a·b/R modulo n, below 2n, for a and b below 2n.
    #[target_feature(enable = "avx512f,avx512ifma,bmi2")]
    fn product(&self, a: &Number<V>, b: &Number<V>) -> Number<V> {
        let zero = _mm512_setzero_si512();
        let mut a_vectors = [zero; V];
        let mut n_vectors = [zero; V];
        for j in 0..V {
            a_vectors[j] = load(&a.0[j]);
            n_vectors[j] = load(&self.n.0[j]);
        }
        let [a0, a1, ..] = a.0[0];
        let [n0, n1, ..] = self.n.0[0];
        // Both sums, without the carry into their lowest digit. That digit is kept in `lowest`, carry
        // included; lane 0 is not read. `second` is lane 1.
        let (mut sum_a, mut sum_n) = ([zero; V], [zero; V]);
        let (mut lowest, mut second) = (0_u64, 0_u64);
        for digit in b.0.as_flattened().iter().take(self.digits) {
            let (low, high) = a0.carrying_mul(*digit, lowest);
            let m = low.wrapping_mul(self.multiplier) & DIGIT_MASK;
            let (low, high_n) = n0.carrying_mul(m, low);
            let carry = low >> DIGIT_BITS | (high + high_n) << (u64::BITS as usize - DIGIT_BITS);
            lowest =
                second + (a1.wrapping_mul(*digit) & DIGIT_MASK) + (n1.wrapping_mul(m) & DIGIT_MASK) + carry;

            let digit = _mm512_set1_epi64(digit.cast_signed());
            let m = _mm512_set1_epi64(m.cast_signed());
            for j in 0..V {
                sum_a[j] = _mm512_madd52lo_epu64(sum_a[j], a_vectors[j], digit);
            }
            for j in 0..V {
                sum_n[j] = _mm512_madd52lo_epu64(sum_n[j], n_vectors[j], m);
            }
            // One digit down. The high halves belong a digit higher, so they are added after that.
            for j in 0..V {
                let next = if j + 1 < V { sum_a[j + 1] } else { zero };
                sum_a[j] = _mm512_alignr_epi64::<1>(next, sum_a[j]);
            }
            for j in 0..V {
                sum_a[j] = _mm512_madd52hi_epu64(sum_a[j], a_vectors[j], digit);
            }
            for j in 0..V {
                let next = if j + 1 < V { sum_n[j + 1] } else { zero };
                sum_n[j] = _mm512_alignr_epi64::<1>(next, sum_n[j]);
            }
            for j in 0..V {
                sum_n[j] = _mm512_madd52hi_epu64(sum_n[j], n_vectors[j], m);
            }
            second = lane_1(sum_a[0]) + lane_1(sum_n[0]);
        }
        for j in 0..V {
            sum_a[j] = _mm512_add_epi64(sum_a[j], sum_n[j]);
        }
        sum_a[0] = _mm512_mask_set1_epi64(sum_a[0], 1, lowest.cast_signed());
        settle_carries(&sum_a)
    }
}

impl<const V: usize> Number<V> {
    const ZERO: Number<V> = Number([[0; LANES]; V]);

    /// Two digits are 13 bytes.
    fn from_be_bytes(bytes: &[u8]) -> Number<V> {
        let mut reversed = [0; MAX_BYTES];
        for (to, from) in reversed.iter_mut().zip(bytes.iter().rev()) {
            *to = *from;
        }
        let mut number = Number::ZERO;
        let pairs = number.0.as_flattened_mut().as_chunks_mut::<2>().0;
        for (pair, chunk) in pairs.iter_mut().zip(reversed.as_chunks::<13>().0) {
            let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12] = *chunk;
            pair[0] = u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]) & DIGIT_MASK;
            pair[1] = u64::from_le_bytes([b5, b6, b7, b8, b9, b10, b11, b12]) >> 12;
        }
        number
    }

    fn to_be_bytes(self, out: &mut [u8]) {
        let mut reversed = [0; MAX_BYTES];
        let pairs = self.0.as_flattened().as_chunks::<2>().0;
        for (pair, chunk) in pairs.iter().zip(reversed.as_chunks_mut::<13>().0) {
            let [b0, b1, b2, b3, b4, b5, b6, b7] = (pair[0] | pair[1] << 52).to_le_bytes();
            let [c0, c1, c2, c3, c4, ..] = (pair[1] >> 12).to_le_bytes();
            *chunk = [b0, b1, b2, b3, b4, b5, b6, b7, c0, c1, c2, c3, c4];
        }
        for (to, from) in out.iter_mut().rev().zip(reversed) {
            *to = from;
        }
    }

    fn is_below(&self, other: &Number<V>) -> bool {
        self.0.as_flattened().iter().rev().lt(other.0.as_flattened().iter().rev())
    }

    /// `self - other`, which must not be negative.
    fn subtract(&mut self, other: &Number<V>) {
        let mut borrow = 0;
        for (digit, other) in self.0.as_flattened_mut().iter_mut().zip(other.0.as_flattened()) {
            let difference = digit.wrapping_sub(*other).wrapping_sub(borrow);
            borrow = difference >> 63;
            *digit = difference & DIGIT_MASK;
        }
    }

    /// `2·self mod n`, for a number below 2n.
    fn double_modulo(&mut self, n: &Number<V>) {
        let mut carry = 0;
        for digit in self.0.as_flattened_mut() {
            let doubled = *digit << 1 | carry;
            carry = doubled >> DIGIT_BITS;
            *digit = doubled & DIGIT_MASK;
        }
        while !self.is_below(n) {
            self.subtract(n);
        }
    }

    /// 2^bits - self.
    fn subtracted_from_power_of_two(&self, bits: usize) -> Number<V> {
        let mut power = Number::ZERO;
        power.0.as_flattened_mut()[bits / DIGIT_BITS] = 1 << (bits % DIGIT_BITS);
        power.subtract(self);
        power
    }
}

/// The number whose digits are the lanes, for lanes of up to 63 bits.
#[target_feature(enable = "avx512f")]
fn settle_carries<const V: usize>(lanes: &[__m512i; V]) -> Number<V> {
    let mask = _mm512_set1_epi64(DIGIT_MASK.cast_signed());
    // Once: each digit hands what exceeds 52 bits to the next.
    let mut digits = *lanes;
    let mut before = _mm512_setzero_si512();
    for digit in &mut digits {
        let carries = _mm512_srli_epi64::<52>(*digit);
        let incoming = _mm512_alignr_epi64::<7>(carries, before);
        *digit = _mm512_add_epi64(_mm512_and_si512(*digit, mask), incoming);
        before = carries;
    }
    // Now a digit exceeds 52 bits by one carry at most. It passes one on if it exceeds them, or if it is all
    // ones and receives one: a binary addition in which those digits are the 1 bits.
    let (mut generate, mut propagate) = (0_u128, 0_u128);
    for (j, digit) in digits.iter().enumerate() {
        generate |= u128::from(_mm512_cmpgt_epu64_mask(*digit, mask)) << (LANES * j);
        propagate |= u128::from(_mm512_cmpeq_epu64_mask(*digit, mask)) << (LANES * j);
    }
    let receive = ((generate << 1) + propagate) ^ propagate;
    let one = _mm512_set1_epi64(1);
    let mut number = Number::ZERO;
    for (j, digit) in digits.iter().enumerate() {
        let [receivers, ..] = (receive >> (LANES * j)).to_le_bytes();
        let settled = _mm512_and_si512(_mm512_mask_add_epi64(*digit, receivers, *digit, one), mask);
        store(&mut number.0[j], settled);
    }
    number
}

#[inline]
#[target_feature(enable = "avx512f")]
fn lane_1(vector: __m512i) -> u64 {
    _mm_extract_epi64::<1>(_mm512_castsi512_si128(vector)).cast_unsigned()
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(digits: &[u64; LANES]) -> __m512i {
    // SAFETY: the reference covers the 64 bytes that are read; no alignment is needed.
    unsafe { _mm512_loadu_si512(digits.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(digits: &mut [u64; LANES], vector: __m512i) {
    // SAFETY: the exclusive reference covers the 64 bytes that are written; no alignment is needed.
    unsafe { _mm512_storeu_si512(digits.as_mut_ptr().cast(), vector) }
}

/// Bits of a big-endian number without leading zero bytes.
fn bit_length(bytes: &[u8]) -> usize {
    let unused = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    bytes.len() * 8 - unused
}

/// Digits of the least R above 4n.
const fn digits_for(bits: usize) -> usize {
    (bits + 2).div_ceil(DIGIT_BITS)
}

/// The inverse of an odd number modulo 2^52, by Newton's iteration: correct bits double, from 3.
fn inverse_modulo_digit(odd: u64) -> u64 {
    let mut inverse = odd;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
    }
    inverse & DIGIT_MASK
}

/// Bits of a digit: what `vpmadd52` multiplies.
const DIGIT_BITS: usize = 52;

const DIGIT_MASK: u64 = (1 << DIGIT_BITS) - 1;

/// Digits in a vector.
const LANES: usize = 8;

/// Below this the digits of five vectors would not all be used, and no key is accepted (RFC 7518 §3.3).
const MIN_BITS: usize = 2048;

/// Bytes of ten vectors of digits.
const MAX_BYTES: usize = 10 * LANES * DIGIT_BITS / 8;
