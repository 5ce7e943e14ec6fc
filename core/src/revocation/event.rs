//! A revocation as an operator or an issuer means it: which scope and values, until when, why and by whom.
//!
//! Events live in the log, in exports and in audits; tables, snapshots and deltas have the derived 16-byte entry
//! only, in which no value can be read. An [`Event`] is checked when it is made and cannot change afterwards.

use core::fmt;
use core::str::FromStr;

use super::byte_reader::ByteReader;
use super::fingerprint::{Entry, EntryKind, Fingerprint, SLOT_BASE_TIME, SLOT_LAST_TIME};

/// Longest scope name, in bytes: a word or two of the policy.
pub const MAX_SCOPE_NAME_BYTES: usize = 64;

/// Longest issuer, in bytes: what browsers and proxies let pass as a URL.
pub const MAX_ISSUER_BYTES: usize = 2048;

/// Longest value, in bytes. `sub` has at most 255 characters (OpenID Connect Core §2), up to 4 bytes each.
pub const MAX_VALUE_BYTES: usize = 1024;

/// Most values of one event: the parts of a composite key, such as tenant and subject.
pub const MAX_VALUES: usize = 4;

/// Longest reason and longest actor, in bytes: a sentence or an identifier, not a report.
pub const MAX_NOTE_BYTES: usize = 1024;

/// Names an operation: all events of one command, message or bulk file. Written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(u128);

impl OperationId {
    /// The id with this number; hosts draw it at random, or take a UUID.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        OperationId(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u128 {
        self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperationId({self})")
    }
}

/// Reads 32 hexadecimal digits, or the same with a UUID's hyphens (RFC 9562 §4), in either case.
impl FromStr for OperationId {
    type Err = EventError;

    fn from_str(text: &str) -> Result<Self, EventError> {
        let hyphens_fit = |at: usize| matches!(at, 8 | 13 | 18 | 23);
        let bytes = text.as_bytes();
        let uuid = bytes.len() == 36;
        if !uuid && bytes.len() != 32 {
            return Err(EventError::InvalidOperation);
        }
        let mut number = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if uuid && hyphens_fit(at) {
                if byte != b'-' {
                    return Err(EventError::InvalidOperation);
                }
                continue;
            }
            let digit = char::from(byte).to_digit(16).ok_or(EventError::InvalidOperation)?;
            number = number << 4 | u128::from(digit);
        }
        Ok(OperationId(number))
    }
}

/// What an event does to the tokens that carry its values. Times are seconds since the Unix epoch, between
/// [`SLOT_BASE_TIME`] and [`SLOT_LAST_TIME`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// They are revoked. `until` is when the last of them has expired and the entry may go.
    Id {
        /// The end of the entry's life.
        until: i64,
    },
    /// Those issued at or before `time` are revoked. `until` is when the last of them has expired.
    NotBefore {
        /// The last `iat` that is refused.
        time: i64,
        /// The end of the entry's life; at or after `time`.
        until: i64,
    },
}

impl Effect {
    /// The kind of the derived entry.
    #[must_use]
    pub const fn kind(&self) -> EntryKind {
        match self {
            Effect::Id { .. } => EntryKind::Id,
            Effect::NotBefore { .. } => EntryKind::NotBefore,
        }
    }

    /// The time of the derived entry: an id's `until`, a not-before's `time`.
    #[must_use]
    pub const fn entry_time(&self) -> i64 {
        match self {
            Effect::Id { until } => *until,
            Effect::NotBefore { time, .. } => *time,
        }
    }

    /// When the entry may go.
    #[must_use]
    pub const fn until(&self) -> i64 {
        match self {
            Effect::Id { until } | Effect::NotBefore { until, .. } => *until,
        }
    }
}

/// What an [`Event`] is made of.
#[derive(Clone, PartialEq, Eq)]
pub struct EventFields {
    /// The operation that it belongs to.
    pub operation: OperationId,
    /// When it was recorded, in seconds since the Unix epoch.
    pub recorded_at: i64,
    /// The scope's name, as the policy has it.
    pub scope: String,
    /// The issuer whose tokens are concerned; empty for a scope that all issuers share.
    pub issuer: String,
    /// The value, or the parts of a composite key in order; none for a scope that is an issuer or everything.
    pub values: Vec<String>,
    /// What happens to the tokens.
    pub effect: Effect,
    /// Why, for the audit. May be empty.
    pub reason: String,
    /// Who asked for it, for the audit. May be empty.
    pub actor: String,
}

/// A checked event.
#[derive(Clone, PartialEq, Eq)]
pub struct Event(EventFields);

impl Event {
    /// The event with these fields.
    ///
    /// # Errors
    /// An [`EventError`] names the field that is not allowed.
    pub fn new(fields: EventFields) -> Result<Self, EventError> {
        let is_time = |time: i64| (SLOT_BASE_TIME..=SLOT_LAST_TIME).contains(&time);
        if !is_time(fields.recorded_at) {
            return Err(EventError::InvalidRecordedAt);
        }
        if fields.scope.is_empty() || fields.scope.len() > MAX_SCOPE_NAME_BYTES {
            return Err(EventError::InvalidScope);
        }
        if fields.issuer.len() > MAX_ISSUER_BYTES {
            return Err(EventError::InvalidIssuer);
        }
        let is_value = |value: &String| !value.is_empty() && value.len() <= MAX_VALUE_BYTES;
        if fields.values.len() > MAX_VALUES || !fields.values.iter().all(is_value) {
            return Err(EventError::InvalidValues);
        }
        match fields.effect {
            Effect::NotBefore { time, .. } if !is_time(time) => return Err(EventError::InvalidTime),
            Effect::NotBefore { time, until } if until < time => return Err(EventError::InvalidUntil),
            Effect::Id { .. } | Effect::NotBefore { .. } => {}
        }
        if !is_time(fields.effect.until()) {
            return Err(EventError::InvalidUntil);
        }
        if fields.reason.len() > MAX_NOTE_BYTES {
            return Err(EventError::InvalidReason);
        }
        if fields.actor.len() > MAX_NOTE_BYTES {
            return Err(EventError::InvalidActor);
        }
        Ok(Event(fields))
    }

    /// What it is made of.
    #[must_use]
    pub fn fields(&self) -> &EventFields {
        &self.0
    }

    /// What it is made of, to be changed and checked again.
    #[must_use]
    pub fn into_fields(self) -> EventFields {
        self.0
    }

    /// The entry that carries it out, given the fingerprint of its scope, issuer and values.
    #[must_use]
    pub fn entry(&self, fingerprint: Fingerprint) -> Entry {
        Entry { fingerprint, kind: self.0.effect.kind(), time: self.0.effect.entry_time() }
    }

    /// Appends the binary form: fixed fields, then texts with 16-bit lengths, little-endian.
    #[cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "only the log uses it, which needs files"))]
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let fields = &self.0;
        bytes.extend(fields.operation.0.to_le_bytes());
        bytes.extend(fields.recorded_at.to_le_bytes());
        let (kind, time, until) = match fields.effect {
            Effect::Id { until } => (EntryKind::Id, 0, until),
            Effect::NotBefore { time, until } => (EntryKind::NotBefore, time, until),
        };
        bytes.push(kind as u8);
        bytes.extend(time.to_le_bytes());
        bytes.extend(until.to_le_bytes());
        // At most four values, and no text longer than 2,048 bytes: both checked when the event was made.
        bytes.push(u8::try_from(fields.values.len()).unwrap_or(u8::MAX));
        let texts = [&fields.scope, &fields.issuer, &fields.reason, &fields.actor];
        for text in texts.into_iter().chain(&fields.values) {
            bytes.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
    }

    /// The event that [`encode`](Self::encode) wrote; `None` if the bytes are anything else.
    #[cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "only the log uses it, which needs files"))]
    pub(super) fn decode(reader: &mut ByteReader<'_>) -> Option<Self> {
        let operation = OperationId(u128::from_le_bytes(reader.array()?));
        let recorded_at = reader.i64()?;
        let kind = reader.u8()?;
        let (time, until) = (reader.i64()?, reader.i64()?);
        let effect = match kind {
            1 if time == 0 => Effect::Id { until },
            2 => Effect::NotBefore { time, until },
            _ => return None,
        };
        let value_count = reader.u8()?;
        let mut text = || {
            let length = reader.u16()?;
            let bytes = reader.take(usize::from(length))?;
            core::str::from_utf8(bytes).ok().map(str::to_owned)
        };
        let (scope, issuer, reason, actor) = (text()?, text()?, text()?, text()?);
        let values = (0..value_count).map(|_| text()).collect::<Option<Vec<_>>>()?;
        Event::new(EventFields { operation, recorded_at, scope, issuer, values, effect, reason, actor }).ok()
    }
}

/// Shows the operation, scope and effect; values, issuer and notes may be personal data.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for EventFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("operation", &self.operation)
            .field("scope", &self.scope)
            .field("effect", &self.effect)
            .finish_non_exhaustive()
    }
}

/// Which field keeps an event from being made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventError {
    /// Not 32 hexadecimal digits or a UUID.
    InvalidOperation,
    /// Outside 2020 to 2054.
    InvalidRecordedAt,
    /// Empty, or longer than [`MAX_SCOPE_NAME_BYTES`].
    InvalidScope,
    /// Longer than [`MAX_ISSUER_BYTES`].
    InvalidIssuer,
    /// More than [`MAX_VALUES`], or one that is empty or longer than [`MAX_VALUE_BYTES`].
    InvalidValues,
    /// Outside 2020 to 2054.
    InvalidTime,
    /// Outside 2020 to 2054, or before the not-before time.
    InvalidUntil,
    /// Longer than [`MAX_NOTE_BYTES`].
    InvalidReason,
    /// Longer than [`MAX_NOTE_BYTES`].
    InvalidActor,
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EventError::InvalidOperation => "operation: 32 hexadecimal digits or a UUID are expected",
            EventError::InvalidRecordedAt => "recorded-at: seconds between 2020 and 2054 are expected",
            EventError::InvalidScope => "scope: a name of 1 to 64 bytes is expected",
            EventError::InvalidIssuer => "issuer: at most 2048 bytes are allowed",
            EventError::InvalidValues => "values: at most 4 of 1 to 1024 bytes are allowed",
            EventError::InvalidTime => "time: seconds between 2020 and 2054 are expected",
            EventError::InvalidUntil => {
                "until: seconds between 2020 and 2054, not before the time, are expected"
            }
            EventError::InvalidReason => "reason: at most 1024 bytes are allowed",
            EventError::InvalidActor => "actor: at most 1024 bytes are allowed",
        })
    }
}

impl core::error::Error for EventError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn fields() -> EventFields {
        EventFields {
            operation: OperationId::new(0xabc),
            recorded_at: NOW,
            scope: "subject".to_owned(),
            issuer: "https://issuer.example".to_owned(),
            values: vec!["tenant-1".to_owned(), "alice".to_owned()],
            effect: Effect::NotBefore { time: NOW, until: NOW + 60 },
            reason: "left the company".to_owned(),
            actor: "admin@example".to_owned(),
        }
    }

    fn round_trip(event: &Event) -> Option<Event> {
        let mut bytes = Vec::new();
        event.encode(&mut bytes);
        let mut reader = ByteReader::new(&bytes);
        let decoded = Event::decode(&mut reader)?;
        reader.is_empty().then_some(decoded)
    }

    #[test]
    fn each_field_is_checked_and_named() {
        type Change = fn(&mut EventFields);
        let cases: [(Change, EventError); 13] = [
            (|f| f.recorded_at = 0, EventError::InvalidRecordedAt),
            (|f| f.scope.clear(), EventError::InvalidScope),
            (|f| f.scope = "s".repeat(65), EventError::InvalidScope),
            (|f| f.issuer = "i".repeat(2049), EventError::InvalidIssuer),
            (|f| f.values = vec!["v".to_owned(); 5], EventError::InvalidValues),
            (|f| f.values[1].clear(), EventError::InvalidValues),
            (|f| f.values[0] = "v".repeat(1025), EventError::InvalidValues),
            (|f| f.effect = Effect::NotBefore { time: NOW * 1000, until: NOW }, EventError::InvalidTime),
            (|f| f.effect = Effect::NotBefore { time: NOW, until: NOW - 1 }, EventError::InvalidUntil),
            (|f| f.effect = Effect::Id { until: NOW * 1000 }, EventError::InvalidUntil),
            (|f| f.effect = Effect::Id { until: -1 }, EventError::InvalidUntil),
            (|f| f.reason = "r".repeat(1025), EventError::InvalidReason),
            (|f| f.actor = "a".repeat(1025), EventError::InvalidActor),
        ];
        assert!(Event::new(fields()).is_ok());
        for (change, error) in cases {
            let mut changed = fields();
            change(&mut changed);
            assert_eq!(Event::new(changed), Err(error));
            assert!(error.to_string().contains(':'));
        }
    }

    #[test]
    fn entries_carry_the_effect() {
        let fingerprint = Fingerprint::from_bytes([3; 12]);
        let event = Event::new(fields()).unwrap();
        assert_eq!(event.entry(fingerprint), Entry { fingerprint, kind: EntryKind::NotBefore, time: NOW });
        let id = Event::new(EventFields { effect: Effect::Id { until: NOW + 9 }, ..fields() }).unwrap();
        assert_eq!(id.entry(fingerprint), Entry { fingerprint, kind: EntryKind::Id, time: NOW + 9 });
    }

    #[test]
    fn operation_ids_are_read_and_written() {
        let id = OperationId::new(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        assert_eq!(id.to_string(), "0123456789abcdef0011223344556677");
        for text in [
            "0123456789abcdef0011223344556677",
            "01234567-89ab-cdef-0011-223344556677",
            "01234567-89AB-CDEF-0011-223344556677",
        ] {
            assert_eq!(text.parse(), Ok(id));
        }
        for text in [
            "",
            "0123456789abcdef001122334455667",
            "0123456789abcdef00112233445566770",
            "+123456789abcdef0011223344556677",
            "01234567-89ab-cdef-0011+223344556677",
            "0123456-789ab-cdef-0011-223344556677",
            "01234567é9abcdef001122334455667",
        ] {
            assert_eq!(text.parse::<OperationId>(), Err(EventError::InvalidOperation), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_personal_data() {
        let shown = format!("{:?}", Event::new(fields()).unwrap());
        assert!(shown.contains("subject") && !shown.contains("alice") && !shown.contains("admin"), "{shown}");
    }

    #[test]
    fn damaged_records_are_refused() {
        let mut bytes = Vec::new();
        Event::new(fields()).unwrap().encode(&mut bytes);
        for length in 0..bytes.len() {
            assert!(Event::decode(&mut ByteReader::new(&bytes[..length])).is_none());
        }
        for (at, value) in [(24, 0), (24, 3), (41, 5), (41, 255), (44, 0xff)] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            assert!(Event::decode(&mut ByteReader::new(&damaged)).is_none(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn binary_form_round_trips(
            operation: u128, scope in ".{1,16}", issuer in ".{0,80}",
            values in proptest::collection::vec(".{1,100}", 0..=4), reason in ".{0,100}", actor in ".{0,40}",
            recorded_at in SLOT_BASE_TIME..=SLOT_LAST_TIME, until in SLOT_BASE_TIME..=SLOT_LAST_TIME, id: bool,
        ) {
            let effect = if id { Effect::Id { until } } else { Effect::NotBefore { time: SLOT_BASE_TIME, until } };
            let operation = OperationId::new(operation);
            let fields = EventFields { operation, recorded_at, scope, issuer, values, effect, reason, actor };
            let event = Event::new(fields).unwrap();
            prop_assert_eq!(round_trip(&event), Some(event));
        }
    }
}
