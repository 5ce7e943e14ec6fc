//! s^65537 modulo n in the most obvious way: doubling, adding, subtracting. The oracle for `ifma`.

use std::cmp::Ordering;

/// `base`^65537 modulo `n`, all big-endian and of the same length, `base` below `n`.
pub(super) fn raise(n: &[u8], base: &[u8]) -> Vec<u8> {
    let mut power = base.to_vec();
    for _ in 0..16 {
        power = multiply(n, &power, &power);
    }
    multiply(n, &power, base)
}

fn multiply(n: &[u8], a: &[u8], b: &[u8]) -> Vec<u8> {
    let zero = vec![0; n.len()];
    b.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).fold(zero, |sum, bit| {
        let doubled = add(n, &sum, &sum);
        if bit == 1 { add(n, &doubled, a) } else { doubled }
    })
}

/// a + b modulo n, for a and b below n.
fn add(n: &[u8], a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut sum: Vec<u8> = vec![0; n.len()];
    for ((out, a), b) in sum.iter_mut().zip(a).zip(b).rev() {
        let [low, high] = (u16::from(*a) + u16::from(*b) + carry).to_le_bytes();
        (*out, carry) = (low, u16::from(high));
    }
    if carry == 1 || sum.as_slice().cmp(n) != Ordering::Less {
        let mut borrow = false;
        for (out, n) in sum.iter_mut().zip(n).rev() {
            (*out, borrow) = out.borrowing_sub(*n, borrow);
        }
    }
    sum
}
