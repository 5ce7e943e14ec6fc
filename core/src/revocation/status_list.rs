//! Token status lists (draft-ietf-oauth-status-list): one status of 1, 2, 4 or 8 bits per token, at the index
//! that the token names, least significant bits first.
//!
//! A list is exact and answers with one read. It is decompressed once, when it is loaded, with a cap on its
//! size; trailing data, a wrong checksum and a list that is not whole are refused.

use core::fmt;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_COMPUTE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::codec::base64url;
use crate::codec::json::Value;
use crate::limits::MAX_STATUS_LIST_BYTES;

/// A status list, ready to be asked.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusList {
    bits: u8,
    statuses: Vec<u8>,
}

/// The status of a token (draft §7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// 0x00: the token is valid.
    Valid,
    /// 0x01: the token is revoked for good.
    Invalid,
    /// 0x02: the token is suspended for now.
    Suspended,
    /// Another status, whose meaning the application defines. Not valid, as far as a validator can know.
    Other(u8),
}

/// Where a token's status stands (draft §6.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusReference<'a> {
    /// The URI of the list.
    pub uri: &'a str,
    /// The index in it.
    pub index: u64,
}

/// Why a list cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusListError {
    /// `status_list` is absent or no object.
    Missing,
    /// `bits` is not 1, 2, 4 or 8.
    Bits,
    /// `lst` is not canonical base64url.
    Encoding,
    /// `lst` is not one whole zlib stream (RFC 1950) with a right checksum and nothing behind it.
    Compression,
    /// The list is larger than [`MAX_STATUS_LIST_BYTES`] after decompression.
    TooLarge,
}

impl StatusList {
    /// Reads the `status_list` claim of a status list token (draft §5.1).
    ///
    /// # Errors
    /// [`StatusListError`] says what is wrong.
    pub fn read(claim: Option<Value<'_>>) -> Result<StatusList, StatusListError> {
        let claim = claim.ok_or(StatusListError::Missing)?;
        claim.members().ok_or(StatusListError::Missing)?;
        let bits = claim.member("bits").and_then(Value::as_u64).ok_or(StatusListError::Bits)?;
        let bits = match u8::try_from(bits) {
            Ok(bits @ (1 | 2 | 4 | 8)) => bits,
            _ => return Err(StatusListError::Bits),
        };
        let list = claim.member("lst").and_then(Value::as_str).ok_or(StatusListError::Encoding)?;
        let compressed = base64url::decode_to_vec(list.as_bytes()).map_err(|_| StatusListError::Encoding)?;
        Ok(StatusList { bits, statuses: inflate(&compressed, MAX_STATUS_LIST_BYTES)? })
    }

    /// A list of uncompressed statuses, for tests and for issuers.
    #[must_use]
    pub fn from_statuses(bits: u8, statuses: Vec<u8>) -> Option<StatusList> {
        matches!(bits, 1 | 2 | 4 | 8).then_some(StatusList { bits, statuses })
    }

    /// The status at `index`; `None` if the list does not reach that far.
    #[must_use]
    pub fn status(&self, index: u64) -> Option<Status> {
        let per_byte = u64::from(8 / self.bits);
        let byte = *self.statuses.get(usize::try_from(index / per_byte).ok()?)?;
        let shift = u32::try_from(index % per_byte).ok()? * u32::from(self.bits);
        let mask = u8::MAX >> (8 - self.bits);
        Some(match byte.checked_shr(shift)? & mask {
            0 => Status::Valid,
            1 => Status::Invalid,
            2 => Status::Suspended,
            other => Status::Other(other),
        })
    }

    /// How many statuses it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.statuses.len() * usize::from(8 / self.bits)
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statuses.is_empty()
    }
}

impl<'a> StatusReference<'a> {
    /// Reads the `status` claim of a token (draft §6.2). `None` if it has no `status_list` member: it may use
    /// another mechanism.
    ///
    /// # Errors
    /// [`StatusListError::Missing`] if what is there has a wrong type or an index that is no non-negative
    /// integer.
    pub fn read(status: Value<'a>) -> Result<Option<StatusReference<'a>>, StatusListError> {
        status.members().ok_or(StatusListError::Missing)?;
        let Some(reference) = status.member("status_list") else { return Ok(None) };
        let uri = reference.member("uri").and_then(Value::as_str).ok_or(StatusListError::Missing)?;
        let index = reference.member("idx").and_then(Value::as_u64).ok_or(StatusListError::Missing)?;
        Ok(Some(StatusReference { uri, index }))
    }
}

/// A list says which tokens are revoked, in bulk: only its size is shown.
impl fmt::Debug for StatusList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusList").field("bits", &self.bits).field("len", &self.len()).finish()
    }
}

impl fmt::Display for StatusListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatusListError::Missing => {
                f.write_str("the status list, or the reference to one, is missing or malformed")
            }
            StatusListError::Bits => f.write_str("`bits` must be 1, 2, 4 or 8"),
            StatusListError::Encoding => f.write_str("`lst` is not canonical base64url"),
            StatusListError::Compression => f.write_str("`lst` is not one whole zlib stream"),
            StatusListError::TooLarge => {
                write!(f, "the status list is larger than {MAX_STATUS_LIST_BYTES} bytes")
            }
        }
    }
}

impl core::error::Error for StatusListError {}

/// Decompresses one zlib stream into at most `limit` bytes. The output grows with what the stream really
/// holds, so a small input that promises much costs no more than `limit`.
fn inflate(compressed: &[u8], limit: usize) -> Result<Vec<u8>, StatusListError> {
    const FLAGS: u32 =
        TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_COMPUTE_ADLER32 | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut decompressor = Box::<DecompressorOxide>::default();
    let mut out = vec![0; compressed.len().saturating_mul(4).clamp(1024, limit.max(1))];
    let (mut read, mut written) = (0, 0);
    loop {
        let input = compressed.get(read..).unwrap_or(&[]);
        let (status, consumed, produced) = decompress(&mut decompressor, input, &mut out, written, FLAGS);
        read += consumed;
        written += produced;
        match status {
            TINFLStatus::Done if read == compressed.len() => {
                out.truncate(written);
                return Ok(out);
            }
            TINFLStatus::HasMoreOutput if out.len() >= limit => return Err(StatusListError::TooLarge),
            TINFLStatus::HasMoreOutput => out.resize((out.len() * 2).min(limit), 0),
            _ => return Err(StatusListError::Compression),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::OwnedDocument;

    fn read(json: &str) -> Result<StatusList, StatusListError> {
        let document = OwnedDocument::parse(json.as_bytes()).expect("JSON");
        StatusList::read(Some(document.root()))
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        miniz_oxide::deflate::compress_to_vec_zlib(bytes, 9)
    }

    fn list(bits: u8, compressed: &[u8]) -> String {
        format!(r#"{{"bits":{bits},"lst":"{}"}}"#, base64url::encode(compressed))
    }

    fn statuses(list: &StatusList) -> Vec<Status> {
        (0..list.len() as u64).map_while(|i| list.status(i)).collect()
    }

    /// The example of the draft, §4.1: bits 1, statuses 1,0,0,1,1,1,0,1,1,1,0,0,0,1,0,1, bytes B9 A3.
    #[test]
    fn one_bit_example_of_the_draft() {
        let list = read(r#"{"bits":1,"lst":"eNrbuRgAAhcBXQ"}"#).expect("the draft's list");
        let expected = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
            .map(|s| if s == 0 { Status::Valid } else { Status::Invalid });
        assert_eq!(statuses(&list), expected);
        assert_eq!(list.status(16), None);
        assert_eq!(list.status(u64::MAX), None);
    }

    /// The example of the draft, §4.2: bits 2, statuses 1,2,0,3,0,1,0,1,1,2,3,3, bytes C9 44 F9.
    #[test]
    fn two_bit_example_of_the_draft() {
        let list = read(r#"{"bits":2,"lst":"eNo76fITAAPfAgc"}"#).expect("the draft's list");
        use Status::{Invalid, Other, Suspended, Valid};
        let expected = [
            Invalid,
            Suspended,
            Valid,
            Other(3),
            Valid,
            Invalid,
            Valid,
            Invalid,
            Invalid,
            Suspended,
            Other(3),
            Other(3),
        ];
        assert_eq!(statuses(&list), expected);
    }

    #[test]
    fn every_width_agrees_with_plain_bit_arithmetic() {
        let bytes: Vec<u8> = (0..=255).collect();
        for bits in [1u8, 2, 4, 8] {
            let list = read(&list(bits, &zlib(&bytes))).expect("a list");
            for index in 0..list.len() {
                let value = (0..usize::from(bits)).fold(0, |value, bit| {
                    let at = index * usize::from(bits) + bit;
                    value | (bytes[at / 8] >> (at % 8) & 1) << bit
                });
                let expected = match value {
                    0 => Status::Valid,
                    1 => Status::Invalid,
                    2 => Status::Suspended,
                    other => Status::Other(other),
                };
                assert_eq!(list.status(index as u64), Some(expected), "{bits} bits, {index}");
            }
        }
    }

    #[test]
    fn lists_that_are_not_whole_or_too_large_are_refused() {
        let good = zlib(&[0; 100]);
        let mut trailing = good.clone();
        trailing.push(0);
        let mut wrong_sum = good.clone();
        if let Some(last) = wrong_sum.last_mut() {
            *last ^= 1;
        }
        for (compressed, expected) in [
            (&trailing[..], StatusListError::Compression),
            (&wrong_sum, StatusListError::Compression),
            (&good[..good.len() - 1], StatusListError::Compression),
            (&[], StatusListError::Compression),
            (b"not zlib", StatusListError::Compression),
            (&zlib(&vec![0; MAX_STATUS_LIST_BYTES + 1]), StatusListError::TooLarge),
        ] {
            assert_eq!(read(&list(1, compressed)), Err(expected));
        }
        assert!(read(&list(1, &zlib(&vec![0; MAX_STATUS_LIST_BYTES]))).is_ok());
        for (json, expected) in [
            (r#"{"bits":3,"lst":"eNrbuRgAAhcBXQ"}"#, StatusListError::Bits),
            (r#"{"bits":"1","lst":"eNrbuRgAAhcBXQ"}"#, StatusListError::Bits),
            (r#"{"lst":"eNrbuRgAAhcBXQ"}"#, StatusListError::Bits),
            (r#"{"bits":1,"lst":"eNrbuRgAAhcBXQ="}"#, StatusListError::Encoding),
            (r#"{"bits":1}"#, StatusListError::Encoding),
            ("[]", StatusListError::Missing),
        ] {
            assert_eq!(read(json), Err(expected), "{json}");
        }
    }

    #[test]
    fn references_are_typed() {
        let read = |json: &str| {
            let document = OwnedDocument::parse(json.as_bytes()).expect("JSON");
            StatusReference::read(document.root()).map(|r| r.map(|r| (r.uri.to_owned(), r.index)))
        };
        assert_eq!(
            read(r#"{"status_list":{"idx":0,"uri":"https://e/1"}}"#),
            Ok(Some(("https://e/1".into(), 0)))
        );
        assert_eq!(read(r#"{"other":{}}"#), Ok(None));
        assert_eq!(
            read(r#"{"status_list":{"idx":9007199254740993,"uri":"u"}}"#),
            Ok(Some(("u".into(), (1 << 53) + 1)))
        );
        for json in [
            "[]",
            r#"{"status_list":1}"#,
            r#"{"status_list":{"idx":-1,"uri":"u"}}"#,
            r#"{"status_list":{"idx":1.0,"uri":"u"}}"#,
            r#"{"status_list":{"idx":"1","uri":"u"}}"#,
            r#"{"status_list":{"idx":18446744073709551616,"uri":"u"}}"#,
            r#"{"status_list":{"idx":1}}"#,
        ] {
            assert_eq!(read(json), Err(StatusListError::Missing), "{json}");
        }
    }
}
