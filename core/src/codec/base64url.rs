//! Strict base64url without padding (RFC 4648 §5, RFC 7515 §2): one accepted spelling per byte string.
//!
//! Padding, white space, the `+/` alphabet and non-zero trailing bits (RFC 4648 §3.5) are refused, so two
//! different tokens never decode to the same bytes: a deny list keyed on a token's text cannot be bypassed
//! by respelling it. The decoding itself is base64-turbo's (AVX-512, AVX2, NEON or scalar, chosen at run
//! time); [`slow`] is the obvious twin.

use base64_turbo::URL_SAFE_NO_PAD;

/// The text is not canonical, unpadded base64url, or the buffer is too small for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotBase64Url;

/// Length in bytes of what `encoded_len` characters decode to, at most.
#[must_use]
pub const fn decoded_len(encoded_len: usize) -> usize {
    encoded_len / 4 * 3 + encoded_len % 4 * 3 / 4
}

/// Size in bytes that the buffer for decoding `encoded_len` characters must have: [`decoded_len`] rounded up
/// to whole groups of three, because the decoder writes whole groups.
#[must_use]
pub const fn buffer_len(encoded_len: usize) -> usize {
    encoded_len.div_ceil(4) * 3
}

/// Length in characters of the encoding of `len` bytes.
#[must_use]
pub const fn encoded_len(len: usize) -> usize {
    len / 3 * 4 + (len % 3 * 4).div_ceil(3)
}

/// Decodes `text` into the start of `out` and returns how many bytes were written.
///
/// # Errors
/// [`NotBase64Url`] if `text` is not canonical or `out` is shorter than [`buffer_len`] says. The content
/// of `out` is then unspecified.
pub fn decode(text: &[u8], out: &mut [u8]) -> Result<usize, NotBase64Url> {
    let written = URL_SAFE_NO_PAD.decode_slice(text, out).map_err(|_| NotBase64Url)?;
    // An engine without padding refuses `=`; should that ever change, the length gives it away.
    if written == decoded_len(text.len()) { Ok(written) } else { Err(NotBase64Url) }
}

/// Decodes into a new vector: for set-up (keys, policies), never for a token.
///
/// # Errors
/// [`NotBase64Url`] if `text` is not canonical.
pub fn decode_to_vec(text: &[u8]) -> Result<Vec<u8>, NotBase64Url> {
    let mut out = vec![0; buffer_len(text.len())];
    let written = decode(text, &mut out)?;
    out.truncate(written);
    Ok(out)
}

/// Encodes `bytes`, for set-up, thumbprints and test tokens.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = vec![0; encoded_len(bytes.len())];
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text).unwrap_or(0);
    text.truncate(written);
    String::from_utf8(text).unwrap_or_default()
}

/// The obvious twin of [`decode`]: RFC 4648 §5 character by character.
pub mod slow {
    use super::NotBase64Url;

    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    /// Decodes `text`, or refuses it exactly as [`super::decode`] does.
    ///
    /// # Errors
    /// [`NotBase64Url`] if `text` is not canonical.
    pub fn decode(text: &[u8]) -> Result<Vec<u8>, NotBase64Url> {
        let mut out = Vec::new();
        let (mut bits, mut count) = (0u32, 0u32);
        for character in text {
            let value = ALPHABET.iter().position(|a| a == character).ok_or(NotBase64Url)?;
            bits = bits << 6 | u32::try_from(value).map_err(|_| NotBase64Url)?;
            count += 6;
            if count >= 8 {
                count -= 8;
                out.push((bits >> count).to_le_bytes()[0]);
                bits &= (1 << count) - 1;
            }
        }
        // Six left-over bits mean a lone last character; others must be zero (RFC 4648 §3.5).
        if count >= 6 || bits != 0 { Err(NotBase64Url) } else { Ok(out) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_exact() {
        for len in 0..300 {
            let text = encode(&vec![7; len]);
            assert_eq!(text.len(), encoded_len(len));
            assert_eq!(decoded_len(text.len()), len);
        }
    }

    #[test]
    fn every_last_pair_and_triple_agrees_with_the_twin() {
        // All two-character endings, after prefixes that put them into each SIMD and scalar position.
        for prefix in [0usize, 4, 16, 28, 32, 64, 128] {
            for a in 0..=255u8 {
                for b in 0..=255u8 {
                    let mut text = vec![b'A'; prefix];
                    text.extend([a, b]);
                    assert_eq!(decode_to_vec(&text), slow::decode(&text), "{text:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn round_trip(bytes: Vec<u8>) {
            prop_assert_eq!(decode_to_vec(encode(&bytes).as_bytes()), Ok(bytes));
        }

        #[test]
        fn agrees_with_the_twin(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode_to_vec(&text), slow::decode(&text));
        }

        #[test]
        fn one_spelling_only(bytes in proptest::collection::vec(any::<u8>(), 1..200), at: usize, new: u8) {
            let mut text = encode(&bytes).into_bytes();
            let at = at % text.len();
            if text[at] != new {
                text[at] = new;
                prop_assert_ne!(decode_to_vec(&text), Ok(bytes));
            }
            prop_assert_eq!(decode_to_vec(&text), slow::decode(&text));
        }

        #[test]
        fn near_alphabet_agrees_with_the_twin(text in "[A-Za-z0-9_=+/ -]{0,90}") {
            prop_assert_eq!(decode_to_vec(text.as_bytes()), slow::decode(text.as_bytes()));
        }
    }
}
