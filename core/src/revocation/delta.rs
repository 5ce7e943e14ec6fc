//! Deltas: signed batches of events that follow a snapshot, and heartbeats, which are empty batches that say
//! 'nothing happened since'. docs/revocation-snapshot.md describes each byte.
//!
//! A batch is verified whole before its first event is applied. Since the chain hash covers single events,
//! batches may overlap what a reader has already; what it knows is then compared, never applied twice.

use core::fmt;

use super::byte_reader::ByteReader;
use super::chain::Chain;
use super::defect::Defect;
use super::fingerprint::{Entry, SLOT_BYTES, SlotError};
use super::ratchet::{MAX_SEQUENCE, Mark};
use super::signing::{Purpose, SIGNATURE_BYTES, Signer, SignerId, TrustedKeys};
use super::writer::Writer;
use crate::limits::MAX_NUMERIC_DATE;

/// Most events of one delta: 16 MB, of the order of the snapshot that would replace it.
pub const MAX_DELTA_EVENTS: usize = 1 << 20;

/// Takes entries in the order of their sequence numbers, and makes them visible to readers.
pub trait LiveSink {
    /// Applies `entries`, the last of which has the sequence number `applied_seq`; ids and not-befores that
    /// are there already are raised, never lowered. When it returns, readers see them, and the state is complete
    /// as of `as_of` (seconds since the Unix epoch). No entries, and the same number, are a heartbeat.
    ///
    /// # Errors
    /// [`SinkFailed`] if not all could be applied. The sink must then be built anew.
    fn apply(&mut self, entries: &[Entry], applied_seq: u64, as_of: i64) -> Result<(), SinkFailed>;
}

impl LiveSink for Writer {
    fn apply(&mut self, entries: &[Entry], applied_seq: u64, as_of: i64) -> Result<(), SinkFailed> {
        for entry in entries {
            self.insert(entry).map_err(|_| SinkFailed)?;
        }
        self.commit(applied_seq, as_of).map_err(|_| SinkFailed)
    }
}

/// A [`LiveSink`] could not take the entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SinkFailed;

impl fmt::Display for SinkFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the revocation table could not take the entries")
    }
}

impl core::error::Error for SinkFailed {}

/// How far a state goes: everything up to `sequence` of `generation`, with this chain hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The numbering: when it was begun, in seconds since the Unix epoch.
    pub generation: u64,
    /// The last event applied.
    pub sequence: u64,
    /// The chain hash at `sequence`.
    pub chain: Chain,
}

/// The signed bytes of the events after `after`, made at `created` (seconds since the Unix epoch).
/// No entries make a heartbeat.
///
/// # Errors
/// See [`DeltaError`].
pub fn encode_delta(
    after: &Position,
    entries: &[Entry],
    fingerprint_key: [u8; 8],
    created: i64,
    signer: &Signer,
) -> Result<Vec<u8>, DeltaError> {
    if entries.len() > MAX_DELTA_EVENTS {
        return Err(DeltaError::TooManyEvents);
    }
    if !(0..=MAX_NUMERIC_DATE).contains(&created) {
        return Err(DeltaError::TimeOutOfRange);
    }
    let count = u32::try_from(entries.len()).map_err(|_| DeltaError::TooManyEvents)?;
    let last_seq = after.sequence.checked_add(u64::from(count)).ok_or(DeltaError::SequenceExhausted)?;
    if last_seq > MAX_SEQUENCE {
        return Err(DeltaError::SequenceExhausted);
    }
    let mut bytes = Vec::with_capacity(HEADER_BYTES + entries.len() * SLOT_BYTES + SIGNATURE_BYTES);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(count.to_le_bytes());
    bytes.extend(after.generation.to_le_bytes());
    bytes.extend((after.sequence + 1).to_le_bytes());
    bytes.extend(last_seq.to_le_bytes());
    bytes.extend(created.to_le_bytes());
    bytes.extend(after.chain.to_bytes());
    bytes.extend(fingerprint_key);
    bytes.extend(signer.id().to_bytes());
    for entry in entries {
        bytes.extend(entry.to_slot().map_err(DeltaError::Entry)?);
    }
    let signature = signer.sign(Purpose::Delta, blake3::hash(&bytes).as_bytes());
    bytes.extend(signature);
    Ok(bytes)
}

/// Why no delta could be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeltaError {
    /// An entry's time cannot be held.
    Entry(SlotError),
    /// More than [`MAX_DELTA_EVENTS`]: send several.
    TooManyEvents,
    /// `created` is negative or after the year 9999.
    TimeOutOfRange,
    /// The sequence numbers of the generation are used up.
    SequenceExhausted,
}

impl fmt::Display for DeltaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeltaError::Entry(error) => error.fmt(f),
            DeltaError::TooManyEvents => f.write_str("too many events for one delta"),
            DeltaError::TimeOutOfRange => f.write_str("the time of the delta is out of range"),
            DeltaError::SequenceExhausted => {
                f.write_str("the sequence numbers of the generation are used up")
            }
        }
    }
}

impl core::error::Error for DeltaError {}

/// A delta whose form and signature were checked; whether it fits what a reader has is asked by
/// [`follow`](Delta::follow).
#[derive(Clone, Copy, Debug)]
pub struct Delta<'a> {
    signer: SignerId,
    generation: u64,
    first_seq: u64,
    last_seq: u64,
    created: i64,
    previous: Chain,
    slots: &'a [[u8; SLOT_BYTES]],
}

impl<'a> Delta<'a> {
    /// The delta in `bytes`, if it is whole, made under the fingerprint key with the id `fingerprint_key`,
    /// and signed by a key in `trusted`.
    ///
    /// # Errors
    /// A [`Defect`] says why not.
    pub fn parse_verified(
        bytes: &'a [u8],
        trusted: &TrustedKeys,
        fingerprint_key: [u8; 8],
    ) -> Result<Self, Defect> {
        let mut reader = ByteReader::new(bytes);
        if reader.array().ok_or(Defect::Truncated)? != MAGIC {
            return Err(Defect::UnknownFormat);
        }
        if reader.u16().ok_or(Defect::Truncated)? != VERSION {
            return Err(Defect::UnsupportedVersion);
        }
        let fixed = reader.take(HEADER_BYTES - MAGIC.len() - 2).ok_or(Defect::Truncated)?;
        let fixed = Fixed::read(fixed).ok_or(Defect::Malformed)?;
        if !fixed.is_allowed() {
            return Err(Defect::Malformed);
        }
        let slots = reader.take(fixed.count * SLOT_BYTES).ok_or(Defect::Truncated)?;
        let signature = reader.array().ok_or(Defect::Truncated)?;
        if !reader.is_empty() {
            return Err(Defect::TrailingBytes);
        }
        let signed = bytes.get(..HEADER_BYTES + slots.len()).ok_or(Defect::Truncated)?;
        trusted.verify(fixed.signer, Purpose::Delta, blake3::hash(signed).as_bytes(), &signature)?;
        if fixed.fingerprint_key != fingerprint_key {
            return Err(Defect::FingerprintKeyMismatch);
        }
        let (slots, _) = slots.as_chunks();
        if slots.iter().any(|slot| Entry::from_slot(slot).is_err()) {
            return Err(Defect::Malformed);
        }
        Ok(Delta {
            signer: fixed.signer,
            generation: fixed.generation,
            first_seq: fixed.first_seq,
            last_seq: fixed.last_seq,
            created: fixed.created,
            previous: fixed.previous,
            slots,
        })
    }

    /// Where it stands, for a [`Ratchet`](super::ratchet::Ratchet).
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            signer: self.signer,
            generation: self.generation,
            sequence: self.last_seq,
            created: self.created,
        }
    }

    /// When it was made, in seconds since the Unix epoch: the state after it is as of then.
    #[must_use]
    pub fn created(&self) -> i64 {
        self.created
    }

    /// Whether it has no events.
    #[must_use]
    pub fn is_heartbeat(&self) -> bool {
        self.slots.is_empty()
    }

    /// The number of its first event; one more than [`last_seq`](Self::last_seq) in a heartbeat.
    #[must_use]
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// The number of its last event.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// How it goes on from `position`: the events that are new, and the position after them. A heartbeat at
    /// `position` has none and leaves it as it is.
    ///
    /// # Errors
    /// [`Defect::RolledBack`] (earlier generation), [`Defect::OtherGeneration`], [`Defect::Gap`],
    /// [`Defect::Fork`] or [`Defect::AlreadyApplied`].
    pub fn follow(&self, position: &Position) -> Result<NewEvents<'a>, Defect> {
        match self.generation.cmp(&position.generation) {
            core::cmp::Ordering::Less => return Err(Defect::RolledBack),
            core::cmp::Ordering::Greater => return Err(Defect::OtherGeneration),
            core::cmp::Ordering::Equal => {}
        }
        if self.first_seq > position.sequence + 1 {
            return Err(Defect::Gap);
        }
        if self.last_seq < position.sequence {
            return Err(Defect::AlreadyApplied);
        }
        let known = usize::try_from(position.sequence + 1 - self.first_seq).map_err(|_| Defect::Malformed)?;
        let (known, new) = self.slots.split_at_checked(known).ok_or(Defect::Malformed)?;
        let (at_position, sequence) = advance(self.previous, self.first_seq, known);
        if at_position != position.chain {
            return Err(Defect::Fork);
        }
        if new.is_empty() && !known.is_empty() {
            return Err(Defect::AlreadyApplied);
        }
        let (chain, next) = advance(at_position, sequence, new);
        Ok(NewEvents {
            slots: new,
            created: self.created,
            after: Position { generation: self.generation, sequence: next - 1, chain },
        })
    }
}

/// The events of a delta that a reader does not have yet.
#[derive(Clone, Copy, Debug)]
pub struct NewEvents<'a> {
    slots: &'a [[u8; SLOT_BYTES]],
    created: i64,
    after: Position,
}

impl NewEvents<'_> {
    /// The position after them.
    #[must_use]
    pub fn after(&self) -> &Position {
        &self.after
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none: a heartbeat.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Applies them to `sink`, in pieces of fixed size, without allocating. An empty
    /// piece comes last and makes the state complete as of the delta's time; until then it stays as of
    /// `as_of_before`.
    ///
    /// # Errors
    /// [`SinkFailed`] as soon as the sink fails.
    pub fn apply_to(&self, sink: &mut (impl LiveSink + ?Sized), as_of_before: i64) -> Result<(), SinkFailed> {
        let mut applied_seq = self.after.sequence - self.slots.len() as u64;
        for piece in self.slots.chunks(PIECE_ENTRIES) {
            let mut entries = [EMPTY; PIECE_ENTRIES];
            let filled = entries.get_mut(..piece.len()).ok_or(SinkFailed)?;
            for (entry, slot) in filled.iter_mut().zip(piece) {
                *entry = Entry::from_slot(slot).map_err(|_| SinkFailed)?;
            }
            applied_seq += piece.len() as u64;
            sink.apply(filled, applied_seq, as_of_before)?;
        }
        sink.apply(&[], self.after.sequence, self.created)
    }
}

/// The chain after `slots`, the first of which has the number `sequence`; and the number that comes next.
fn advance(chain: Chain, sequence: u64, slots: &[[u8; SLOT_BYTES]]) -> (Chain, u64) {
    slots.iter().fold((chain, sequence), |(chain, sequence), slot| (chain.next(sequence, slot), sequence + 1))
}

/// The fields after magic and version.
struct Fixed {
    reserved: u16,
    count: usize,
    generation: u64,
    first_seq: u64,
    last_seq: u64,
    created: i64,
    previous: Chain,
    fingerprint_key: [u8; 8],
    signer: SignerId,
}

impl Fixed {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = ByteReader::new(bytes);
        Some(Fixed {
            reserved: reader.u16()?,
            count: usize::try_from(reader.u32()?).ok()?,
            generation: reader.u64()?,
            first_seq: reader.u64()?,
            last_seq: reader.u64()?,
            created: reader.i64()?,
            previous: Chain::from_bytes(reader.array()?),
            fingerprint_key: reader.array()?,
            signer: SignerId::from_bytes(reader.array()?),
        })
    }

    fn is_allowed(&self) -> bool {
        self.reserved == 0
            && self.count <= MAX_DELTA_EVENTS
            && self.last_seq <= MAX_SEQUENCE
            && self.first_seq >= 1
            && self.first_seq.checked_add(self.count as u64) == Some(self.last_seq + 1)
            && (0..=MAX_NUMERIC_DATE).contains(&self.created)
    }
}

const MAGIC: [u8; 8] = *b"LTRVDELT";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 96;
/// What one call of a sink gets: 8 KiB on the stack.
const PIECE_ENTRIES: usize = 256;
/// Fills a piece before it is decoded into.
const EMPTY: Entry = Entry {
    fingerprint: super::fingerprint::Fingerprint::from_bytes([0; 12]),
    kind: super::fingerprint::EntryKind::Id,
    time: super::fingerprint::SLOT_BASE_TIME,
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fingerprint::{EntryKind, Fingerprint};
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const KEY_ID: [u8; 8] = *b"hash key";
    const GENERATION: u64 = 1_700_000_000;

    #[derive(Default, PartialEq, Debug)]
    struct Recorded {
        entries: Vec<Entry>,
        applied_seq: u64,
    }

    impl LiveSink for Recorded {
        fn apply(&mut self, entries: &[Entry], applied_seq: u64, _as_of: i64) -> Result<(), SinkFailed> {
            self.entries.extend(entries);
            self.applied_seq = applied_seq;
            Ok(())
        }
    }

    fn signer() -> Signer {
        Signer::from_seed(&[5; 32])
    }

    fn trusted() -> TrustedKeys {
        TrustedKeys::new(&[signer().public_key()]).unwrap()
    }

    fn start() -> Position {
        Position { generation: GENERATION, sequence: 0, chain: Chain::start(GENERATION, KEY_ID) }
    }

    fn entries(from: u8, to: u8) -> Vec<Entry> {
        (from..=to)
            .map(|n| Entry {
                fingerprint: Fingerprint::from_bytes([n; 12]),
                kind: if n.is_multiple_of(2) { EntryKind::Id } else { EntryKind::NotBefore },
                time: NOW + i64::from(n),
            })
            .collect()
    }

    fn position_after(entries: &[Entry]) -> Position {
        let slots: Vec<_> = entries.iter().map(|entry| entry.to_slot().unwrap()).collect();
        let (chain, next) = advance(start().chain, 1, &slots);
        Position { generation: GENERATION, sequence: next - 1, chain }
    }

    fn delta(after: &Position, entries: &[Entry]) -> Vec<u8> {
        encode_delta(after, entries, KEY_ID, NOW, &signer()).unwrap()
    }

    fn parse(bytes: &[u8]) -> Result<Delta<'_>, Defect> {
        Delta::parse_verified(bytes, &trusted(), KEY_ID)
    }

    fn follow(bytes: &[u8], position: &Position) -> Result<(Vec<Entry>, Position), Defect> {
        let new = parse(bytes)?.follow(position)?;
        let mut sink = Recorded { applied_seq: position.sequence, ..Recorded::default() };
        new.apply_to(&mut sink, NOW).unwrap();
        assert_eq!(sink.applied_seq, new.after().sequence);
        assert_eq!(sink.entries.len(), new.len());
        Ok((sink.entries, *new.after()))
    }

    #[test]
    fn gaps_forks_repeats_and_other_generations_are_told_apart() {
        let at_10 = position_after(&entries(1, 10));
        let next = delta(&at_10, &entries(11, 20));
        assert_eq!(follow(&next, &at_10), Ok((entries(11, 20), position_after(&entries(1, 20)))));
        assert_eq!(follow(&next, &position_after(&entries(1, 9))), Err(Defect::Gap));
        assert_eq!(follow(&next, &start()), Err(Defect::Gap));
        assert_eq!(follow(&next, &position_after(&entries(1, 20))), Err(Defect::AlreadyApplied));
        assert_eq!(follow(&next, &position_after(&entries(1, 21))), Err(Defect::AlreadyApplied));
        // Overlap: only what is new is applied.
        assert_eq!(
            follow(&next, &position_after(&entries(1, 15))),
            Ok((entries(16, 20), position_after(&entries(1, 20))))
        );
        // Another history of the same length, seen at its end and inside an overlap.
        let other = position_after(&entries(2, 11));
        assert_eq!(follow(&next, &other), Err(Defect::Fork));
        let longer = position_after(&[&entries(1, 14)[..], &entries(99, 99)].concat());
        assert_eq!(follow(&next, &longer), Err(Defect::Fork));
        assert_eq!(
            follow(&next, &Position { generation: GENERATION - 1, ..at_10 }),
            Err(Defect::OtherGeneration)
        );
        assert_eq!(follow(&next, &Position { generation: GENERATION + 1, ..at_10 }), Err(Defect::RolledBack));
    }

    #[test]
    fn heartbeats_show_gaps_and_forks_too() {
        let at_10 = position_after(&entries(1, 10));
        let beat = delta(&at_10, &[]);
        assert!(parse(&beat).unwrap().is_heartbeat());
        assert_eq!(follow(&beat, &at_10), Ok((Vec::new(), at_10)));
        assert_eq!(follow(&beat, &position_after(&entries(1, 9))), Err(Defect::Gap));
        assert_eq!(follow(&beat, &position_after(&entries(1, 11))), Err(Defect::AlreadyApplied));
        assert_eq!(follow(&beat, &position_after(&entries(2, 11))), Err(Defect::Fork));
        assert_eq!(follow(&delta(&start(), &[]), &start()), Ok((Vec::new(), start())));
    }

    #[test]
    fn every_truncation_extension_and_bit_flip_is_refused() {
        for bytes in [delta(&start(), &entries(1, 5)), delta(&position_after(&entries(1, 5)), &[])] {
            assert!(parse(&bytes).is_ok());
            for length in 0..bytes.len() {
                assert_eq!(parse(&bytes[..length]).err(), Some(Defect::Truncated));
            }
            assert_eq!(parse(&[&bytes[..], &[0]].concat()).err(), Some(Defect::TrailingBytes));
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(parse(&damaged).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn the_wrong_signer_or_fingerprint_key_is_refused() {
        let bytes = delta(&start(), &entries(1, 5));
        let other = TrustedKeys::new(&[Signer::from_seed(&[6; 32]).public_key()]).unwrap();
        assert_eq!(Delta::parse_verified(&bytes, &other, KEY_ID).err(), Some(Defect::UnknownSigner));
        let wrong_key = Delta::parse_verified(&bytes, &trusted(), *b"another!");
        assert_eq!(wrong_key.err(), Some(Defect::FingerprintKeyMismatch));
    }

    #[test]
    fn contradictions_under_a_good_signature_are_refused() {
        let resigned = |at: usize, value: u64, width: usize| {
            let mut bytes = delta(&position_after(&entries(1, 10)), &entries(11, 13));
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
            let signed = bytes.len() - SIGNATURE_BYTES;
            let signature = signer().sign(Purpose::Delta, blake3::hash(&bytes[..signed]).as_bytes());
            bytes[signed..].copy_from_slice(&signature);
            parse(&bytes).err()
        };
        assert_eq!(resigned(12, 3, 4), None);
        assert_eq!(resigned(12, 2, 4), Some(Defect::Malformed));
        assert_eq!(resigned(12, u64::from(u32::MAX), 4), Some(Defect::Malformed));
        assert_eq!(resigned(24, 0, 8), Some(Defect::Malformed));
        assert_eq!(resigned(24, u64::MAX, 8), Some(Defect::Malformed));
        assert_eq!(resigned(32, u64::MAX, 8), Some(Defect::Malformed));
        assert_eq!(resigned(40, u64::MAX, 8), Some(Defect::Malformed));
        assert_eq!(resigned(HEADER_BYTES + 12, 0, 4), Some(Defect::Malformed));
    }

    #[test]
    fn what_cannot_be_encoded() {
        let encode = |after: &Position, entries: &[Entry], created| {
            encode_delta(after, entries, KEY_ID, created, &signer()).err()
        };
        let end = Position { sequence: MAX_SEQUENCE, ..start() };
        assert_eq!(encode(&end, &entries(1, 1), NOW), Some(DeltaError::SequenceExhausted));
        assert_eq!(encode(&start(), &[], -1), Some(DeltaError::TimeOutOfRange));
        let late = Entry { time: i64::MAX, ..entries(1, 1)[0] };
        assert_eq!(encode(&start(), &[late], NOW), Some(DeltaError::Entry(SlotError::TooLate)));
        assert_eq!(encode(&start(), &vec![late; MAX_DELTA_EVENTS + 1], NOW), Some(DeltaError::TooManyEvents));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// However a history is cut into deltas that overlap, a reader ends with the same entries and chain.
        #[test]
        fn any_cutting_gives_the_same_history(
            count in 0..700_usize, cuts in proptest::collection::vec((0..700_usize, 0..40_usize), 0..8),
        ) {
            let all: Vec<Entry> = (0..count).map(|n| {
                let hash = blake3::hash(&n.to_le_bytes());
                Entry {
                    fingerprint: Fingerprint::from_bytes(hash.as_bytes()[..12].try_into().unwrap()),
                    kind: EntryKind::Id,
                    time: NOW,
                }
            }).collect();
            let mut ends: Vec<(usize, usize)> = cuts.into_iter().filter(|(end, _)| *end <= count).collect();
            ends.push((count, 3));
            ends.sort_unstable();
            let mut position = start();
            let mut applied = Vec::new();
            for (end, overlap) in ends {
                let from = usize::try_from(position.sequence).unwrap().saturating_sub(overlap);
                if end < from || end == usize::try_from(position.sequence).unwrap() {
                    continue;
                }
                let bytes = delta(&position_after(&all[..from]), &all[from..end]);
                let (new, after) = follow(&bytes, &position).unwrap();
                applied.extend(new);
                position = after;
            }
            prop_assert_eq!(position, position_after(&all));
            prop_assert_eq!(applied, all);
        }
    }
}
