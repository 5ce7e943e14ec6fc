//! Times for people: RFC 3339 in and out, and distances in words. The library itself reads no clock.

use std::time::{SystemTime, UNIX_EPOCH};

use libtoken::limits::MAX_NUMERIC_DATE;

/// Seconds since the Unix epoch, now.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(MAX_NUMERIC_DATE)
}

/// Reads `1767225600` or `2026-01-01T00:00:00Z` (RFC 3339 §5.6). A fraction of a second is dropped.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let seconds = text.parse().ok().or_else(|| parse_rfc3339(text));
    seconds
        .filter(|s: &i64| s.unsigned_abs() <= MAX_NUMERIC_DATE.unsigned_abs())
        .ok_or_else(|| "must be Unix seconds or an RFC 3339 time such as 2026-01-01T00:00:00Z".to_owned())
}

/// `2026-01-01T00:00:00Z`
pub(crate) fn rfc3339(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (rest / HOUR, rest % HOUR / MINUTE, rest % MINUTE);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The distance from `now` to `then`: `3 minutes ago`, `in 2 hours`, `now`.
pub(crate) fn relative(then: i64, now: i64) -> String {
    let distance = then.abs_diff(now);
    let (unit, name) =
        UNITS.into_iter().find(|(unit, _)| distance >= unit * LEAST_COUNT).unwrap_or((1, "second"));
    let count = distance / unit;
    let plural = if count == 1 { "" } else { "s" };
    match then.cmp(&now) {
        std::cmp::Ordering::Equal => "now".to_owned(),
        std::cmp::Ordering::Less => format!("{count} {name}{plural} ago"),
        std::cmp::Ordering::Greater => format!("in {count} {name}{plural}"),
    }
}

fn parse_rfc3339(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse::<i64>().ok() } else { None }
    };
    let is = |at: usize, allowed: &[u8]| text.as_bytes().get(at).is_some_and(|b| allowed.contains(b));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let days = days_since_epoch(year, month, day);
    // A day that the month does not have comes back as another date. 60 is a leap second.
    if date_of(days) != (year, month, day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = text.get(19..)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        rest = fraction.get(digits..).filter(|_| digits > 0)?;
    }
    let offset = match rest.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let at = text.len() - rest.len();
            let (hours, minutes) = (number(at + 1..at + 3)?, number(at + 4..at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = hours * HOUR + minutes * MINUTE;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    Some(days * DAY + hour * HOUR + minute * MINUTE + second - offset)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that the leap
/// day is the last; 400 years have 146,097 days (Howard Hinnant, `days_from_civil`).
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - EPOCH_FROM_MARCH_0
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant, `civil_from_days`).
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_FROM_MARCH_0;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_FROM_MARCH_0: i64 = 719_468;
const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// A distance is told in the largest unit of which it has at least this many: `90 minutes`, not `1 hour`.
const LEAST_COUNT: u64 = 2;

/// Units of time in seconds, largest first; a year has 365.25 days.
const UNITS: [(u64, &str); 5] =
    [(31_557_600, "year"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_in_both_forms() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-5", Some(-5)),
            ("1767225600", Some(1_767_225_600)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-01-01T00:00:00Z", Some(1_767_225_600)),
            ("2026-01-01t01:30:00.999+01:30", Some(1_767_225_600)),
            ("2025-12-31T22:00:00-02:00", Some(1_767_225_600)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800)),
            ("9999-12-31T23:59:59Z", Some(MAX_NUMERIC_DATE)),
            ("253402300800", None),
            ("2025-02-29T00:00:00Z", None),
            ("2025-13-01T00:00:00Z", None),
            ("2025-01-01T24:00:00Z", None),
            ("2025-01-01T00:00:00", None),
            ("2025-01-01T00:00:00.Z", None),
            ("2025-01-01", None),
            ("2025-01-01T00:00:00+1:00", None),
            ("2025-01-01T00:00:00+24:00", None),
            ("+025-01-01T00:00:00Z", None),
            ("", None),
            ("tomorrow", None),
        ] {
            assert_eq!(parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn distances_are_told_in_words() {
        for (then, expected) in [
            (0, "now"),
            (1, "in 1 second"),
            (-59, "59 seconds ago"),
            (-119, "119 seconds ago"),
            (-180, "3 minutes ago"),
            (7_200, "in 2 hours"),
            (-172_800, "2 days ago"),
            (-31_557_600, "365 days ago"),
            (63_115_200, "in 2 years"),
        ] {
            assert_eq!(relative(then, 0), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(seconds in -62_167_219_200i64..=MAX_NUMERIC_DATE) {
            prop_assert_eq!(parse(&rfc3339(seconds)), Ok(seconds));
        }

        /// Against the plainest calendar: one day after another.
        #[test]
        fn each_day_follows_the_one_before(days in -719_468i64..2_932_896) {
            let (year, month, day) = date_of(days);
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month { 2 => 28 + i64::from(leap), 4 | 6 | 9 | 11 => 30, _ => 31 };
            let next = if day < length { (year, month, day + 1) }
                else if month < 12 { (year, month + 1, 1) } else { (year + 1, 1, 1) };
            prop_assert_eq!(date_of(days + 1), next);
            prop_assert_eq!(days_since_epoch(year, month, day), days);
        }
    }
}
