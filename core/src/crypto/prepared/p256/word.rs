//! Addition and subtraction of words with a carry, in the form that compiles best.
//!
//! On x86-64 the two intrinsics below (safe, and in every CPU of that architecture) become one instruction in
//! a chain; `carrying_add` means the same, but the compiler rebuilds carries from comparisons, and with
//! AVX-512 enabled at build time even moves them into vector registers: a verification took a quarter (then
//! two thirds) longer.

/// a + b + carry, and the carry out: 0 or 1.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn add(a: u64, b: u64, carry: u8) -> (u64, u8) {
    let mut sum = 0;
    let carry = core::arch::x86_64::_addcarry_u64(carry, a, b, &mut sum);
    (sum, carry)
}

/// a - b - borrow, and the borrow out: 0 or 1.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) fn subtract(a: u64, b: u64, borrow: u8) -> (u64, u8) {
    let mut difference = 0;
    let borrow = core::arch::x86_64::_subborrow_u64(borrow, a, b, &mut difference);
    (difference, borrow)
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) use self::portable::{add, subtract};

/// The same, from the standard library.
#[cfg(any(test, not(target_arch = "x86_64")))]
pub(super) mod portable {
    /// a + b + carry, and the carry out: 0 or 1.
    #[inline(always)]
    pub(in super::super) fn add(a: u64, b: u64, carry: u8) -> (u64, u8) {
        let (sum, carry) = a.carrying_add(b, carry != 0);
        (sum, u8::from(carry))
    }

    /// a - b - borrow, and the borrow out: 0 or 1.
    #[inline(always)]
    pub(in super::super) fn subtract(a: u64, b: u64, borrow: u8) -> (u64, u8) {
        let (difference, borrow) = a.borrowing_sub(b, borrow != 0);
        (difference, u8::from(borrow))
    }
}
