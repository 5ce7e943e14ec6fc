//! Damage at every byte, failures of the disk, and what both must leave.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::event::{Effect, EventFields, OperationId};
use super::super::fingerprint::{EntryKind, Fingerprint};
use super::*;

const NOW: i64 = 1_800_000_000;
const GENERATION: u64 = 1_700_000_000;
const KEY_ID: [u8; 8] = *b"hash key";

/// A file in memory that can be full, or fail to sync or to be cut.
#[derive(Clone, Debug, Default)]
struct Disk(Rc<RefCell<DiskState>>);

#[derive(Debug, Default)]
struct DiskState {
    bytes: Vec<u8>,
    capacity: Option<usize>,
    fail_sync: bool,
    fail_truncate: bool,
    syncs: usize,
}

impl Disk {
    fn holding(bytes: &[u8]) -> Self {
        let disk = Disk::default();
        disk.0.borrow_mut().bytes = bytes.to_vec();
        disk
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.borrow().bytes.clone()
    }
}

impl LogStorage for Disk {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.0.borrow();
        let rest = state.bytes.get(usize::try_from(offset).unwrap()..).unwrap_or(&[]);
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let offset = usize::try_from(offset).unwrap();
        let fits =
            state.capacity.map_or(bytes.len(), |capacity| capacity.saturating_sub(offset).min(bytes.len()));
        state.bytes.truncate(offset);
        state.bytes.extend(&bytes[..fits]);
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.borrow_mut().syncs += 1;
        if self.0.borrow().fail_sync { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        if self.0.borrow().fail_truncate {
            return Err(io::ErrorKind::Other.into());
        }
        self.0.borrow_mut().bytes.truncate(usize::try_from(length).unwrap());
        Ok(())
    }

    fn length(&mut self) -> io::Result<u64> {
        Ok(self.0.borrow().bytes.len() as u64)
    }
}

fn start() -> LogStart {
    let chain = Chain::start(GENERATION, KEY_ID);
    LogStart { position: Position { generation: GENERATION, sequence: 0, chain }, fingerprint_key: KEY_ID }
}

fn event(n: u64) -> (Event, Entry) {
    let event = Event::new(EventFields {
        operation: OperationId::new(u128::from(n)),
        recorded_at: NOW,
        scope: "token".to_owned(),
        issuer: "https://issuer.example".to_owned(),
        values: vec![format!("jti-{n}")],
        effect: Effect::Id { until: NOW + 60 },
        reason: String::new(),
        actor: "test".to_owned(),
    })
    .unwrap();
    let hash = blake3::hash(&n.to_le_bytes());
    let entry = event.entry(Fingerprint::from_bytes(hash.as_bytes()[..12].try_into().unwrap()));
    (event, entry)
}

fn events(from: u64, to: u64) -> Vec<(Event, Entry)> {
    (from..=to).map(event).collect()
}

fn new_log(disk: &Disk, policy: SyncPolicy) -> Log<Disk> {
    Log::create(disk.clone(), start(), policy).unwrap()
}

/// The numbers that the events' operations carry, in order; they must be the sequence numbers.
fn open(disk: &Disk) -> Result<(u64, LogEnd), LogError> {
    let mut expected = 0;
    let (log, end) = Log::open(disk.clone(), SyncPolicy::Always, |record| {
        expected += 1;
        assert_eq!(record.sequence, expected);
        let (event, entry) = event(expected);
        assert_eq!((record.event, record.entry), (event, entry));
    })?;
    assert_eq!(log.position().sequence, expected);
    assert_eq!(log.durable_seq(), expected);
    Ok((expected, end))
}

fn corrupt_at(result: Result<(u64, LogEnd), LogError>) -> Option<u64> {
    match result {
        Err(LogError::Corrupt { offset, .. }) => Some(offset),
        _ => None,
    }
}

#[test]
fn what_was_appended_is_read_back_and_goes_on() {
    let disk = Disk::default();
    let mut log = new_log(&disk, SyncPolicy::Always);
    assert_eq!(log.append(&events(1, 3), 0), Ok(Appended { first_seq: 1, last_seq: 3, durable_seq: 3 }));
    assert_eq!(log.append(&[], 0), Ok(Appended { first_seq: 4, last_seq: 3, durable_seq: 3 }));
    let position = *log.position();
    drop(log);
    assert_eq!(open(&disk).unwrap(), (3, LogEnd { start: start(), position, torn_bytes: 0 }));
    let (mut log, _) = Log::open(disk.clone(), SyncPolicy::Always, |_| {}).unwrap();
    log.append(&events(4, 9), 0).unwrap();
    drop(log.close().unwrap());
    let (count, end) = open(&disk).unwrap();
    assert_eq!((count, end.torn_bytes), (9, 0));
    let slots: Vec<_> = events(1, 9).iter().map(|(_, entry)| entry.to_slot().unwrap()).collect();
    let chain = slots.iter().zip(1..).fold(start().position.chain, |chain, (slot, n)| chain.next(n, slot));
    assert_eq!(end.position.chain, chain);
}

#[test]
fn a_group_larger_than_a_frame_is_split_and_synced_once() {
    let disk = Disk::default();
    let mut log = new_log(&disk, SyncPolicy::Always);
    let before = disk.0.borrow().syncs;
    log.append(&events(1, 20_000), 0).unwrap();
    assert_eq!(disk.0.borrow().syncs, before + 1);
    assert!(disk.bytes().len() > 2 * MAX_FRAME_BYTES);
    assert_eq!(open(&disk).unwrap().0, 20_000);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_nothing_before_it() {
    let disk = Disk::default();
    let mut log = new_log(&disk, SyncPolicy::Always);
    let mut ends = vec![log.bytes()];
    for n in 1..=6 {
        log.append(&events(n, n), 0).unwrap();
        ends.push(log.bytes());
    }
    let bytes = disk.bytes();
    for length in 0..=bytes.len() {
        let torn = Disk::holding(&bytes[..length]);
        let Some(whole) = ends.iter().rposition(|&end| end <= length as u64) else {
            assert!(
                matches!(open(&torn), Err(LogError::NotALog | LogError::DamagedStart)),
                "length {length}"
            );
            continue;
        };
        let (count, end) = open(&torn).unwrap();
        assert_eq!((count, end.torn_bytes), (whole as u64, length as u64 - ends[whole]));
        assert_eq!(torn.bytes().len() as u64, ends[whole]);
        // It goes on from there.
        let (mut log, _) = Log::open(torn.clone(), SyncPolicy::Always, |_| {}).unwrap();
        log.append(&events(count + 1, count + 2), 0).unwrap();
        assert_eq!(open(&torn).unwrap().0, count + 2);
    }
}

#[test]
fn damage_to_acknowledged_events_is_reported_with_its_offset() {
    let disk = Disk::default();
    let mut log = new_log(&disk, SyncPolicy::Always);
    let mut ends = vec![log.bytes()];
    for n in 1..=4 {
        log.append(&events(n, n), 0).unwrap();
        ends.push(log.bytes());
    }
    drop(log.close().unwrap());
    let bytes = disk.bytes();
    let marked = *ends.last().unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let damaged = Disk::holding(&damaged);
            let result = open(&damaged);
            if at < START_BYTES {
                assert!(
                    matches!(
                        result,
                        Err(LogError::NotALog | LogError::UnsupportedVersion | LogError::DamagedStart)
                    ),
                    "byte {at}"
                );
            } else if (at as u64) < marked {
                let frame = ends.iter().rposition(|&end| end <= at as u64).unwrap();
                assert_eq!(corrupt_at(result), Some(ends[frame]), "byte {at} bit {bit}");
                assert_eq!(damaged.bytes().len(), bytes.len(), "nothing is cut");
            } else {
                // The mark itself carries no event.
                assert_eq!(result.unwrap().0, 4);
            }
        }
    }
    // A hole, as a lost disk block leaves it.
    let mut holed = bytes.clone();
    let (from, to) = (usize::try_from(ends[1]).unwrap(), usize::try_from(ends[2]).unwrap());
    holed[from..to].fill(0);
    assert_eq!(corrupt_at(open(&Disk::holding(&holed))), Some(ends[1]));
    // A frame taken out, and two in the wrong order.
    let removed = [&bytes[..from], &bytes[to..]].concat();
    assert_eq!(corrupt_at(open(&Disk::holding(&removed))), Some(ends[1]));
}

#[test]
fn unsynced_frames_may_be_lost_in_any_order() {
    let disk = Disk::default();
    let mut log = new_log(&disk, SyncPolicy::Explicit);
    log.append(&events(1, 2), 0).unwrap();
    log.sync().unwrap();
    let mut ends = vec![log.bytes()];
    for n in 3..=6 {
        assert_eq!(log.append(&events(n, n), 0).unwrap().durable_seq, 2);
        ends.push(log.bytes());
    }
    // Power is lost: the third and fifth reached the disk, the fourth did not.
    let mut bytes = disk.bytes();
    let hole = usize::try_from(ends[1]).unwrap()..usize::try_from(ends[2]).unwrap();
    bytes[hole].fill(0);
    assert_eq!(open(&Disk::holding(&bytes)).unwrap().0, 3);
    // But synced, the same hole is damage.
    log.sync().unwrap();
    let mut bytes = disk.bytes();
    let hole = usize::try_from(ends[1]).unwrap()..usize::try_from(ends[2]).unwrap();
    bytes[hole].fill(0);
    assert_eq!(corrupt_at(open(&Disk::holding(&bytes))), Some(ends[1]));
}

#[test]
fn sync_policies() {
    let disk = Disk::default();
    let mut log = new_log(&disk, SyncPolicy::EveryMillis(50));
    assert_eq!(log.append(&events(1, 1), 1000).unwrap().durable_seq, 0);
    assert_eq!(log.append(&events(2, 2), 1049).unwrap().durable_seq, 0);
    assert_eq!(log.append(&events(3, 3), 1050).unwrap().durable_seq, 3);
    log.append(&events(4, 4), 2000).unwrap();
    log.sync_if_due(2049).unwrap();
    assert_eq!(log.durable_seq(), 3);
    log.sync_if_due(2050).unwrap();
    assert_eq!(log.durable_seq(), 4);
    let syncs = disk.0.borrow().syncs;
    log.sync().unwrap();
    assert_eq!(disk.0.borrow().syncs, syncs, "nothing waits");
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let disk = Disk::default();
    let mut log = new_log(&disk, SyncPolicy::Always);
    log.append(&events(1, 5), 0).unwrap();
    let before = disk.bytes();
    for room in 0..200 {
        disk.0.borrow_mut().capacity = Some(before.len() + room);
        let full = LogError::Io { step: LogStep::Write, kind: io::ErrorKind::StorageFull };
        assert_eq!(log.append(&events(6, 9), 0), Err(full));
        assert_eq!(disk.bytes(), before);
    }
    disk.0.borrow_mut().capacity = None;
    assert_eq!(log.append(&events(6, 9), 0).unwrap().last_seq, 9);
    assert_eq!(open(&disk).unwrap().0, 9);
}

#[test]
fn after_a_failed_sync_or_cut_the_log_must_be_opened_again() {
    let disk = Disk::default();
    let mut log = new_log(&disk, SyncPolicy::Always);
    log.append(&events(1, 5), 0).unwrap();
    disk.0.borrow_mut().fail_sync = true;
    assert!(matches!(log.append(&events(6, 6), 0), Err(LogError::Io { step: LogStep::Sync, .. })));
    disk.0.borrow_mut().fail_sync = false;
    assert_eq!(log.append(&events(7, 7), 0), Err(LogError::Failed));
    assert_eq!(log.sync(), Err(LogError::Failed));
    assert_eq!(log.durable_seq(), 5);

    let (mut log, _) = Log::open(disk.clone(), SyncPolicy::Always, |_| {}).unwrap();
    let length = disk.bytes().len();
    (disk.0.borrow_mut().capacity, disk.0.borrow_mut().fail_truncate) = (Some(length + 9), true);
    assert!(matches!(log.append(&events(7, 7), 0), Err(LogError::Io { step: LogStep::Truncate, .. })));
    assert_eq!(log.append(&[], 0), Err(LogError::Failed));
    (disk.0.borrow_mut().capacity, disk.0.borrow_mut().fail_truncate) = (None, false);
    assert_eq!(open(&disk).unwrap().0, 6);
}

#[test]
fn what_cannot_be_held_is_refused_before_anything_is_written() {
    let disk = Disk::default();
    let mut log = new_log(&disk, SyncPolicy::Always);
    let before = disk.bytes();
    let (event, entry) = event(1);
    let late = Entry { time: i64::MAX, kind: EntryKind::Id, ..entry };
    assert_eq!(
        log.append(&[(event.clone(), entry), (event.clone(), late)], 0),
        Err(LogError::Entry(SlotError::TooLate))
    );
    assert_eq!(disk.bytes(), before);
    let last = LogStart { position: Position { sequence: MAX_SEQUENCE, ..start().position }, ..start() };
    let mut log = Log::create(Disk::default(), last, SyncPolicy::Always).unwrap();
    assert_eq!(log.append(&[(event, entry)], 0), Err(LogError::SequenceExhausted));
    assert_eq!(Log::create(disk, start(), SyncPolicy::Always).err(), Some(LogError::NotEmpty));
}
