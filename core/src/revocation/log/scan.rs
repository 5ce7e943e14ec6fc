//! Reads a log from front to back, and decides what damage at the end means.

use super::super::chain::Chain;
use super::{
    ByteReader, Entry, Event, FRAME_HEADER_BYTES, FRAME_MAGIC, HASH_BYTES, LOG_MAGIC, LogEnd, LogError,
    LogRecord, LogStart, LogStep, LogStorage, MAX_FRAME_BYTES, Position, START_BYTES, VERSION, encode_start,
    frame_hash, io_error,
};

/// Where reading ended.
pub(super) struct Scanned {
    pub(super) end: LogEnd,
    pub(super) log_id: [u8; HASH_BYTES],
    pub(super) last_hash: [u8; HASH_BYTES],
    pub(super) marked_seq: u64,
    /// After the last whole frame.
    pub(super) offset: u64,
}

pub(super) fn scan(
    storage: &mut impl LogStorage,
    mut each: impl FnMut(LogRecord),
) -> Result<Scanned, LogError> {
    let length = storage.length().map_err(io_error(LogStep::Open))?;
    let mut window = Window::new(storage);
    let start = read_start(window.get(0, START_BYTES)?)?;
    let (_, log_id) = encode_start(&start);
    let mut scanned = Scanned {
        end: LogEnd { start, position: start.position, torn_bytes: 0 },
        log_id,
        last_hash: log_id,
        marked_seq: start.position.sequence,
        offset: START_BYTES as u64,
    };
    while scanned.offset < length {
        if scanned.take_frame(&mut window, &mut each)? == Step::Whole {
            continue;
        }
        if later_frame_vouches(&mut window, &scanned, length)? {
            // A writer may have completed the frame since it was read.
            window.forget();
            if scanned.take_frame(&mut window, &mut each)? == Step::Whole {
                continue;
            }
            let sequence = scanned.end.position.sequence + 1;
            return Err(LogError::Corrupt { offset: scanned.offset, sequence });
        }
        scanned.end.torn_bytes = length - scanned.offset;
        break;
    }
    Ok(scanned)
}

pub(super) fn start(storage: &mut impl LogStorage) -> Result<LogStart, LogError> {
    let mut bytes = [0; START_BYTES];
    let count = storage.read_at(0, &mut bytes).map_err(io_error(LogStep::Read))?;
    read_start(bytes.get(..count).unwrap_or(&bytes))
}

#[derive(PartialEq, Eq)]
enum Step {
    Whole,
    Broken,
}

impl Scanned {
    fn take_frame<S: LogStorage>(
        &mut self,
        window: &mut Window<'_, S>,
        each: &mut impl FnMut(LogRecord),
    ) -> Result<Step, LogError> {
        let Some(frame) = Frame::read(window, self.offset, &self.last_hash, &self.log_id)? else {
            return Ok(Step::Broken);
        };
        if frame.first_seq != self.end.position.sequence + 1 {
            return Ok(Step::Broken);
        }
        let Some((records, position)) = decode_records(&frame, self.end.position) else {
            // Its hash is right, so it was written like this: by another version, or by mistake.
            return Err(LogError::Corrupt { offset: self.offset, sequence: frame.first_seq });
        };
        self.offset += frame.bytes as u64;
        self.last_hash = frame.hash;
        self.marked_seq = frame.durable_seq;
        self.end.position = position;
        records.into_iter().for_each(each);
        Ok(Step::Whole)
    }
}

fn read_start(bytes: &[u8]) -> Result<LogStart, LogError> {
    let mut reader = ByteReader::new(bytes);
    if reader.array() != Some(LOG_MAGIC) {
        return Err(LogError::NotALog);
    }
    match reader.u16() {
        Some(VERSION) => {}
        Some(_) => return Err(LogError::UnsupportedVersion),
        None => return Err(LogError::DamagedStart),
    }
    let start = read_start_fields(&mut reader).ok_or(LogError::DamagedStart)?;
    if encode_start(&start).0 != bytes {
        return Err(LogError::DamagedStart);
    }
    Ok(start)
}

fn read_start_fields(reader: &mut ByteReader<'_>) -> Option<LogStart> {
    let _reserved: [u8; 6] = reader.array()?;
    let generation = reader.u64()?;
    let sequence = reader.u64()?;
    let fingerprint_key = reader.array()?;
    let chain = Chain::from_bytes(reader.array()?);
    Some(LogStart { position: Position { generation, sequence, chain }, fingerprint_key })
}

/// A frame whose hash is right.
struct Frame<'a> {
    first_seq: u64,
    durable_seq: u64,
    count: u32,
    payload: &'a [u8],
    hash: [u8; HASH_BYTES],
    bytes: usize,
}

impl<'a> Frame<'a> {
    fn read<S: LogStorage>(
        window: &'a mut Window<'_, S>,
        offset: u64,
        last_hash: &[u8; HASH_BYTES],
        log_id: &[u8; HASH_BYTES],
    ) -> Result<Option<Self>, LogError> {
        let header = window.get(offset, FRAME_HEADER_BYTES)?;
        let Some((first_seq, durable_seq, count, payload_bytes)) = read_frame_header(header) else {
            return Ok(None);
        };
        let bytes = FRAME_HEADER_BYTES + payload_bytes + HASH_BYTES;
        let whole = window.get(offset, bytes)?;
        let Some((signed, hash)) = whole.split_last_chunk::<HASH_BYTES>() else { return Ok(None) };
        if whole.len() != bytes || frame_hash(last_hash, log_id, signed) != *hash {
            return Ok(None);
        }
        let payload = signed.get(FRAME_HEADER_BYTES..).unwrap_or(&[]);
        Ok(Some(Frame { first_seq, durable_seq, count, payload, hash: *hash, bytes }))
    }
}

fn read_frame_header(bytes: &[u8]) -> Option<(u64, u64, u32, usize)> {
    let mut reader = ByteReader::new(bytes);
    let magic: [u8; 4] = reader.array()?;
    let payload_bytes = usize::try_from(reader.u32()?).ok()?;
    let (first_seq, durable_seq) = (reader.u64()?, reader.u64()?);
    let (count, reserved) = (reader.u32()?, reader.u32()?);
    (magic == FRAME_MAGIC && payload_bytes <= MAX_FRAME_BYTES && reserved == 0).then_some((
        first_seq,
        durable_seq,
        count,
        payload_bytes,
    ))
}

fn decode_records(frame: &Frame<'_>, mut position: Position) -> Option<(Vec<LogRecord>, Position)> {
    let mut reader = ByteReader::new(frame.payload);
    let mut records = Vec::new();
    for _ in 0..frame.count {
        let length = usize::try_from(reader.u32()?).ok()?;
        let mut record = ByteReader::new(reader.take(length)?);
        let slot = record.array()?;
        let entry = Entry::from_slot(&slot).ok()?;
        let event = Event::decode(&mut record)?;
        if !record.is_empty() {
            return None;
        }
        let sequence = position.sequence + 1;
        position.chain = position.chain.next(sequence, &slot);
        position.sequence = sequence;
        records.push(LogRecord { sequence, entry, event, chain: position.chain });
    }
    reader.is_empty().then_some((records, position))
}

/// Whether a whole frame after the broken one says that the broken one had been on disk. A frame is keyed with
/// the hash right before it, so it can be checked wherever it stands.
fn later_frame_vouches<S: LogStorage>(
    window: &mut Window<'_, S>,
    scanned: &Scanned,
    length: u64,
) -> Result<bool, LogError> {
    let expected = scanned.end.position.sequence + 1;
    // If only the hash of the broken frame is damaged, the frame after it is keyed with what it should be.
    let header = window.get(scanned.offset, FRAME_HEADER_BYTES)?;
    if let Some((.., payload_bytes)) = read_frame_header(header) {
        let signed_bytes = FRAME_HEADER_BYTES + payload_bytes;
        let signed = window.get(scanned.offset, signed_bytes)?;
        let hash = frame_hash(&scanned.last_hash, &scanned.log_id, signed);
        let next = scanned.offset + (signed_bytes + HASH_BYTES) as u64;
        let frame = Frame::read(window, next, &hash, &scanned.log_id)?;
        if frame.is_some_and(|frame| frame.durable_seq >= expected) {
            return Ok(true);
        }
    }
    let mut at = scanned.offset + HASH_BYTES as u64;
    while at < length {
        let bytes = window.get(at, SEARCH_BYTES)?;
        let Some(found) = bytes.windows(FRAME_MAGIC.len()).position(|four| four == FRAME_MAGIC) else {
            // The last three bytes may begin the magic.
            at += bytes.len().saturating_sub(FRAME_MAGIC.len() - 1).max(1) as u64;
            continue;
        };
        at += found as u64;
        let before = window.get(at - HASH_BYTES as u64, HASH_BYTES)?.first_chunk::<HASH_BYTES>().copied();
        if let Some(last_hash) = before {
            let frame = Frame::read(window, at, &last_hash, &scanned.log_id)?;
            if frame.is_some_and(|frame| frame.durable_seq >= expected) {
                return Ok(true);
            }
        }
        at += 1;
    }
    Ok(false)
}

/// A part of the file in memory, so that small frames do not cost a system call each.
pub(super) struct Window<'s, S> {
    storage: &'s mut S,
    start: u64,
    bytes: Vec<u8>,
}

impl<'s, S: LogStorage> Window<'s, S> {
    fn new(storage: &'s mut S) -> Self {
        Window { storage, start: 0, bytes: Vec::new() }
    }

    /// The bytes from `offset`, `length` of them or as many as the file has.
    fn get(&mut self, offset: u64, length: usize) -> Result<&[u8], LogError> {
        let inside = |window: &Self| {
            let at = usize::try_from(offset.checked_sub(window.start)?).ok()?;
            window.bytes.get(at..at.checked_add(length)?).map(|_| at)
        };
        let at = match inside(self) {
            Some(at) => at,
            None => {
                self.bytes.resize(length.max(WINDOW_BYTES), 0);
                self.start = offset;
                let read = self.storage.read_at(offset, &mut self.bytes).map_err(io_error(LogStep::Read));
                self.bytes.truncate(*read.as_ref().unwrap_or(&0));
                read?;
                0
            }
        };
        let rest = self.bytes.get(at..).unwrap_or(&[]);
        Ok(rest.get(..length).unwrap_or(rest))
    }

    fn forget(&mut self) {
        self.bytes.clear();
    }
}

const WINDOW_BYTES: usize = 256 * 1024;
const SEARCH_BYTES: usize = 64 * 1024;
