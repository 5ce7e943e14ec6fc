//! The search for the end of a string: the first quote, backslash or control character.
//!
//! The simple algorithm looks at byte after byte ([`is_special`]). Here it looks at 16 at a time: with SSE2 on
//! x86-64, elsewhere as two 64-bit words. This is the one file of the scanner with unsafe code.
#![allow(unsafe_code)]

/// Index of the first quote, backslash or control character at or after `from`. The zero padding counts as
/// a control character, so there always is one.
#[inline(always)]
pub(super) fn find_special(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(block) = bytes.get(at..at + 16).and_then(<[u8]>::first_chunk::<16>) {
        let found = special_in(block);
        if found < 16 {
            return at + found;
        }
        at += 16;
    }
    // Fewer than 16 bytes are left: inside the padding, which is special from its first byte.
    at + bytes.get(at..).unwrap_or(&[]).iter().position(|b| is_special(*b)).unwrap_or(0)
}

fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Index of the first special byte in a block, or 16 or more if there is none.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn special_in(block: &[u8; 16]) -> usize {
    // SAFETY: SSE2 belongs to the x86-64 base, so every CPU that runs this has it.
    unsafe { special_in_sse2(block) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn special_in_sse2(block: &[u8; 16]) -> usize {
    use core::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_max_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    let [low, high] = halves(block).map(u64::cast_signed);
    let v = _mm_set_epi64x(high, low);
    let quote = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x22));
    let backslash = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x5c));
    // max(v, 0x1f) == 0x1f exactly where v is a control character (unsigned).
    let control = _mm_cmpeq_epi8(_mm_max_epu8(v, _mm_set1_epi8(0x1f)), _mm_set1_epi8(0x1f));
    let mask = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control));
    mask.trailing_zeros() as usize
}

/// Index of the first special byte in a block, or 16 or more if there is none.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn special_in(block: &[u8; 16]) -> usize {
    let [low, high] = halves(block);
    let found = special_in_word(low);
    if found < 8 { found } else { 8 + special_in_word(high) }
}

/// The same on eight bytes, by the zero-byte test of Bit Twiddling Hacks: exact in its lowest set bit,
/// because a borrow only spreads upward.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn special_in_word(word: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero = |w: u64| w.wrapping_sub(ONES) & !w & HIGHS;
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    let found = control | zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c));
    (found.trailing_zeros() / 8) as usize
}

#[inline(always)]
fn halves(block: &[u8; 16]) -> [u64; 2] {
    let [a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7] = *block;
    [
        u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
        u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_searches_find_the_first_special_byte_at_every_place() {
        for at in 0..16 {
            for byte in 0..=255u8 {
                for filler in [b'a', 0x80, 0xff, b' ', b'!', b'#', b'[', b']'] {
                    let mut block = [filler; 16];
                    block[at] = byte;
                    let expected = block.iter().position(|b| is_special(*b)).unwrap_or(16);
                    assert_eq!(special_in(&block).min(16), expected, "{block:?}");
                    let [low, high] = halves(&block);
                    let words = match special_in_word(low) {
                        8 => 8 + special_in_word(high),
                        found => found,
                    };
                    assert_eq!(words, expected, "{block:?}");
                }
            }
        }
    }
}
