//! The compact serialization (RFC 7515 §7.1): three segments joined by two dots.

use crate::error::{Code, Reason, Rejection};
use crate::limits::MAX_HEADER_BYTES;

/// A token split in place. Each segment is still base64url text, and none is empty.
#[derive(Clone, Copy)]
pub struct Compact<'a> {
    /// The encoded protected header.
    pub header: &'a [u8],
    /// The encoded payload.
    pub payload: &'a [u8],
    /// The encoded signature.
    pub signature: &'a [u8],
    /// What the signature is over: header, dot, payload (RFC 7515 §5.2 step 8).
    pub signing_input: &'a [u8],
}

impl<'a> Compact<'a> {
    /// Splits `token`: one pass over its bytes, no allocation.
    ///
    /// # Errors
    /// [`Code::EncryptedToken`] for five segments (JWE, RFC 7516 §9), [`Code::MalformedToken`] for any other
    /// number of segments and for an empty one, [`Code::MalformedHeader`] for a header beyond
    /// [`MAX_HEADER_BYTES`].
    #[inline]
    pub fn split(token: &'a [u8]) -> Result<Compact<'a>, Rejection> {
        let malformed = || refuse(token);
        let first = memchr::memchr(b'.', token).ok_or_else(malformed)?;
        let (header, rest) = token.split_at_checked(first).ok_or_else(malformed)?;
        let rest = rest.get(1..).ok_or_else(malformed)?;
        let second = memchr::memchr(b'.', rest).ok_or_else(malformed)?;
        let (payload, signature) = rest.split_at_checked(second).ok_or_else(malformed)?;
        let signature = signature.get(1..).ok_or_else(malformed)?;
        if header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(malformed());
        }
        if memchr::memchr(b'.', signature).is_some() {
            return Err(malformed());
        }
        if header.len() > MAX_HEADER_BYTES {
            return Err(Rejection::new(Code::MalformedHeader, Reason::OutOfRange));
        }
        let signing_input = token.get(..first + 1 + second).ok_or_else(malformed)?;
        Ok(Compact { header, payload, signature, signing_input })
    }
}

#[cold]
fn refuse(token: &[u8]) -> Rejection {
    match memchr::memchr_iter(b'.', token).count() {
        4 => Rejection::new(Code::EncryptedToken, Reason::CheckFailed),
        _ => Rejection::new(Code::MalformedToken, Reason::Syntax),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_segments_are_split_in_place() {
        let c = Compact::split(b"ab.cde.f").expect("three segments");
        assert_eq!((c.header, c.payload, c.signature), (&b"ab"[..], &b"cde"[..], &b"f"[..]));
        assert_eq!(c.signing_input, b"ab.cde");
    }

    #[test]
    fn anything_else_is_refused() {
        for (token, code) in [
            ("", Code::MalformedToken),
            ("a", Code::MalformedToken),
            ("a.b", Code::MalformedToken),
            (".a.b", Code::MalformedToken),
            ("a..b", Code::MalformedToken),
            ("a.b.", Code::MalformedToken),
            ("..", Code::MalformedToken),
            (".a.b.c", Code::MalformedToken),
            ("a.b.c.", Code::MalformedToken),
            ("a.b.c.d", Code::MalformedToken),
            ("a.b.c.d.e", Code::EncryptedToken),
            ("a..b.c.d", Code::EncryptedToken),
            ("a.b.c.d.e.f", Code::MalformedToken),
        ] {
            assert_eq!(Compact::split(token.as_bytes()).err().map(|r| r.code), Some(code), "{token}");
        }
        let dots = vec![b'.'; 1 << 20];
        assert_eq!(Compact::split(&dots).err().map(|r| r.code), Some(Code::MalformedToken));
        let header = [vec![b'a'; MAX_HEADER_BYTES + 1], b".b.c".to_vec()].concat();
        assert_eq!(Compact::split(&header).err().map(|r| r.code), Some(Code::MalformedHeader));
    }
}
