//! Signed digits of a scalar in radix 2^w, for table look-ups.
//!
//! The simple algorithm takes w bits at a time and, where they exceed half the radix, subtracts the radix
//! and carries one (as in the base-point multiplication of Bernstein et al., 'High-speed high-security
//! signatures', 2011, §4). The carry makes each digit wait for the one below. Here the halves are added to
//! the whole scalar beforehand, one addition of four words, and subtracted from each digit alone.

use super::field::Words;

/// Bits per digit: the width of the windows that a key's tables cover.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Window {
    /// 64 digits: the smallest tables, 48 KiB a key.
    Bits4,
    /// 43 digits: 126 KiB a key.
    Bits6,
    /// 32 digits: the fastest, 374 KiB a key.
    Bits8,
}

impl Window {
    /// Bits per digit.
    pub(super) const fn bits(self) -> usize {
        match self {
            Self::Bits4 => 4,
            Self::Bits6 => 6,
            Self::Bits8 => 8,
        }
    }

    /// Digits of a scalar below the group order, which has 253 bits.
    pub(super) const fn digits(self) -> usize {
        SCALAR_BITS.div_ceil(self.bits())
    }

    /// Largest magnitude of any digit but the top one: half the radix.
    pub(super) const fn half(self) -> usize {
        1 << (self.bits() - 1)
    }

    /// Largest top digit; it is never negative.
    pub(super) const fn top_digit(self) -> usize {
        match self {
            Self::Bits4 | Self::Bits6 => 1,
            Self::Bits8 => 16,
        }
    }

    /// Half the radix at every digit but the top one.
    const fn bias(self) -> Words {
        let mut bias = [0; 4];
        let mut digit = 0;
        while digit + 1 < self.digits() {
            let bit = digit * self.bits() + self.bits() - 1;
            bias[bit / 64] |= 1 << (bit % 64);
            digit += 1;
        }
        bias
    }
}

/// Most digits of any window.
pub(super) const MAX_DIGITS: usize = Window::Bits4.digits();

/// The group order L = 2^252 + 27742317777372353535851937790883648493 (RFC 8032 §5.1).
pub(super) const ORDER: Words = [0x5812_631a_5cf5_d3ed, 0x14de_f9de_a2f7_9cd6, 0, 0x1000_0000_0000_0000];

/// Calls `emit` with the position and the digit, from the lowest up: the sum of digit * 2^(w * position) is
/// `scalar`, which must be below [`ORDER`].
#[inline(always)]
pub(super) fn for_each_digit(scalar: &Words, window: Window, emit: impl FnMut(usize, i16)) {
    // One copy of the loop per width, so that every shift is a constant.
    match window {
        Window::Bits4 => digits_of_width::<4>(scalar, const { Window::Bits4.bias() }, emit),
        Window::Bits6 => digits_of_width::<6>(scalar, const { Window::Bits6.bias() }, emit),
        Window::Bits8 => digits_of_width::<8>(scalar, const { Window::Bits8.bias() }, emit),
    }
}

const SCALAR_BITS: usize = 253;

#[inline(always)]
fn digits_of_width<const BITS: usize>(scalar: &Words, bias: Words, mut emit: impl FnMut(usize, i16)) {
    let mut words = [0; 4];
    let mut carry = false;
    for (word, (a, b)) in words.iter_mut().zip(scalar.iter().zip(bias)) {
        let (sum, high) = a.overflowing_add(b);
        let (sum, low) = sum.overflowing_add(u64::from(carry));
        (*word, carry) = (sum, high | low);
    }
    let top = SCALAR_BITS.div_ceil(BITS) - 1;
    for position in 0..=top {
        let (index, shift) = (position * BITS / 64, position * BITS % 64);
        let mut bits = words[index] >> shift;
        if shift + BITS > 64 && index < 3 {
            bits |= words[index + 1] << (64 - shift);
        }
        let digit = i16::from(bits.to_le_bytes()[0] & (u8::MAX >> (8 - BITS)));
        emit(position, if position == top { digit } else { digit - (1 << (BITS - 1)) });
    }
}
