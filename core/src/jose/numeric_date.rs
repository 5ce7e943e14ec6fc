//! NumericDate (RFC 7519 §2): seconds since 1970-01-01T00:00:00Z, ignoring leap seconds, as any JSON number.
//!
//! Read exactly, in decimal: no double is involved, so nothing is rounded into another second, nothing
//! overflows and nothing saturates into 'never expires'.

use crate::codec::json::Value;
use crate::error::Reason;
use crate::limits::{MAX_NUMBER_BYTES, MAX_NUMERIC_DATE};

/// An instant between the years -6000 and 9999: whole seconds, and whether a fraction follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NumericDate {
    /// The last whole second at or before the instant.
    seconds: i64,
    /// Whether the instant lies after that second.
    has_fraction: bool,
}

impl NumericDate {
    /// The instant `seconds` after 1970-01-01T00:00:00Z; `None` beyond [`MAX_NUMERIC_DATE`].
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Option<NumericDate> {
        if seconds.unsigned_abs() <= MAX_NUMERIC_DATE.unsigned_abs() {
            Some(NumericDate { seconds, has_fraction: false })
        } else {
            None
        }
    }

    /// Reads a JSON value.
    ///
    /// # Errors
    /// [`Reason::WrongType`] if it is no number, [`Reason::OutOfRange`] if it is larger than
    /// [`MAX_NUMERIC_DATE`] either way, or written with more than [`MAX_NUMBER_BYTES`] characters.
    pub fn read(value: Value<'_>) -> Result<NumericDate, Reason> {
        let text = value.number_text().ok_or(Reason::WrongType)?;
        NumericDate::parse(text.as_bytes()).ok_or(Reason::OutOfRange)
    }

    /// The last whole second at or before the instant. Revocation compares this: `iat <= T` is refused.
    #[must_use]
    pub const fn floor(self) -> i64 {
        self.seconds
    }

    /// The first whole second at or after the instant. For a whole `now`, `now < exp` is `now < exp.ceil()`
    /// and `now >= nbf` is `now >= nbf.ceil()`.
    #[must_use]
    pub const fn ceil(self) -> i64 {
        self.seconds + self.has_fraction as i64
    }

    /// `text` follows the number grammar of RFC 8259 §6; only its size is in question here.
    #[inline]
    fn parse(text: &[u8]) -> Option<NumericDate> {
        // Nearly always: a few plain digits.
        if text.len() <= 12 {
            let plain = text.iter().try_fold(0i64, |value, byte| {
                byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'))
            });
            if let Some(seconds) = plain {
                return NumericDate::from_seconds(seconds);
            }
        }
        NumericDate::parse_any(text)
    }

    #[cold]
    fn parse_any(text: &[u8]) -> Option<NumericDate> {
        if text.len() > MAX_NUMBER_BYTES {
            return None;
        }
        let (negative, text) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let exponent_at = text.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(text.len());
        let (mantissa, exponent) = text.split_at_checked(exponent_at)?;
        let point = mantissa.iter().position(|b| *b == b'.').unwrap_or(mantissa.len());
        let exponent = match exponent.get(1..) {
            None => 0,
            // More than nine digits would move any digit out of range; zeros stay zeros below.
            Some(e) => core::str::from_utf8(e).ok()?.parse::<i64>().unwrap_or(if e.first() == Some(&b'-') {
                i64::from(i32::MIN)
            } else {
                i64::from(i32::MAX)
            }),
        };
        // How many digits stand before the decimal point once the exponent is applied.
        let whole_digits = i64::try_from(point).ok()?.saturating_add(exponent);
        let mut seconds = 0i64;
        let mut has_fraction = false;
        let mut place = 0i64;
        for byte in mantissa.iter().filter(|b| **b != b'.') {
            let digit = i64::from(byte - b'0');
            if place < whole_digits {
                seconds = seconds.checked_mul(10)?.checked_add(digit)?;
            } else if digit != 0 {
                has_fraction = true;
            }
            place += 1;
        }
        // Zeros that only the exponent adds.
        while place < whole_digits && seconds != 0 {
            seconds = seconds.checked_mul(10)?;
            place += 1;
        }
        if seconds > MAX_NUMERIC_DATE {
            return None;
        }
        // The floor of a negative number with a fraction lies one lower.
        let seconds = if negative { -seconds - i64::from(has_fraction) } else { seconds };
        Some(NumericDate { seconds, has_fraction })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::OwnedDocument;
    use proptest::prelude::*;

    fn read(json: &str) -> Result<(i64, i64), Reason> {
        let document = OwnedDocument::parse(json.as_bytes()).expect("JSON");
        NumericDate::read(document.root()).map(|d| (d.floor(), d.ceil()))
    }

    #[test]
    fn numbers_are_read_exactly() {
        for (json, floor, ceil) in [
            ("0", 0, 0),
            ("-0", 0, 0),
            ("-1", -1, -1),
            ("1.5", 1, 2),
            ("-1.5", -2, -1),
            ("-0.5", -1, 0),
            ("0.000", 0, 0),
            ("1700000000", 1_700_000_000, 1_700_000_000),
            ("1700000000.000000000000000001", 1_700_000_000, 1_700_000_001),
            ("1.7e9", 1_700_000_000, 1_700_000_000),
            ("17000000005e-1", 1_700_000_000, 1_700_000_001),
            ("1700000000.0e0", 1_700_000_000, 1_700_000_000),
            ("0e999999999999", 0, 0),
            ("1e-999999999999", 0, 1),
            ("0.0017E+12", 1_700_000_000, 1_700_000_000),
            ("253402300799", 253_402_300_799, 253_402_300_799),
            ("-253402300799", -253_402_300_799, -253_402_300_799),
        ] {
            assert_eq!(read(json), Ok((floor, ceil)), "{json}");
        }
    }

    #[test]
    fn what_cannot_be_represented_is_refused() {
        for json in [
            "253402300800",
            "1700000000000",
            "1e400",
            "1e12",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616",
            "12345678901234567890123456",
            "-1e400",
            "1e99999999999",
            "1000000000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert_eq!(read(json), Err(Reason::OutOfRange), "{json}");
        }
        for json in ["\"1700000000\"", "true", "null", "{}", "[1700000000]"] {
            assert_eq!(read(json), Err(Reason::WrongType), "{json}");
        }
    }

    proptest! {
        /// Against 128-bit arithmetic on the digits.
        #[test]
        fn agrees_with_wide_arithmetic(negative: bool, whole in 0u64..=300_000_000_000, fraction in "[0-9]{0,9}", shift in 0u32..6) {
            let sign = if negative { "-" } else { "" };
            let point = if fraction.is_empty() { "" } else { "." };
            let text = format!("{sign}{whole}{point}{fraction}e-{shift}");
            let scale = 10i128.pow(shift) * 10i128.pow(u32::try_from(fraction.len()).unwrap());
            let digits: i128 = format!("{whole}{fraction}").parse().unwrap();
            let exact = if negative { -digits } else { digits };
            let (floor, ceil) = (exact.div_euclid(scale), -(-exact).div_euclid(scale));
            let expected = if digits / scale > i128::from(MAX_NUMERIC_DATE) {
                Err(Reason::OutOfRange)
            } else {
                Ok((i64::try_from(floor).unwrap(), i64::try_from(ceil).unwrap()))
            };
            prop_assert_eq!(read(&text), expected);
        }
    }
}
