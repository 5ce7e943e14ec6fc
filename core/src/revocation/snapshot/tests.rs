//! Against an obvious oracle (a map), and against damage of every kind.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::fingerprint::SLOT_LAST_TIME;
use super::super::signing::Signer;
use super::*;

const NOW: i64 = 1_800_000_000;
const KEY_ID: [u8; 8] = *b"hash key";

fn header() -> SnapshotHeader {
    SnapshotHeader {
        generation: 1_700_000_000,
        sequence: 77,
        chain: Chain::start(1_700_000_000, KEY_ID),
        created: NOW,
        valid_until: NOW + 3600,
        fingerprint_key: KEY_ID,
        max_staleness: 60,
    }
}

fn signer() -> Signer {
    Signer::from_seed(&[5; 32])
}

fn trusted() -> TrustedKeys {
    TrustedKeys::new(&[signer().public_key()]).unwrap()
}

fn parse(bytes: &[u8]) -> Result<Snapshot<&[u8]>, Defect> {
    Snapshot::parse_verified(bytes, &trusted(), &Ratchet::new(), KEY_ID, NOW)
}

/// Evenly distributed fingerprints, as a keyed hash makes them.
fn fingerprint(n: u64) -> Fingerprint {
    let hash = blake3::hash(&n.to_le_bytes());
    Fingerprint::from_bytes(hash.as_bytes()[..12].try_into().unwrap())
}

fn entry(n: u64) -> Entry {
    let kind = if n.is_multiple_of(4) { EntryKind::NotBefore } else { EntryKind::Id };
    let time = match kind {
        EntryKind::Id => NOW + i64::try_from(n * 7919 % 2_592_000).unwrap(),
        EntryKind::NotBefore => NOW - i64::try_from(n % 1000).unwrap(),
    };
    Entry { fingerprint: fingerprint(n), kind, time }
}

fn snapshot_of(count: u64, precision: TimePrecision) -> Vec<u8> {
    build(&header(), (0..count).map(entry), precision, &signer()).unwrap()
}

fn assert_answers_like_a_map(
    entries: &[Entry],
    precision: TimePrecision,
    absent: impl Iterator<Item = Fingerprint>,
) {
    let mut oracle: HashMap<(EntryKind, Fingerprint), i64> = HashMap::new();
    for entry in entries {
        let time = oracle.entry((entry.kind, entry.fingerprint)).or_insert(entry.time);
        *time = entry.time.max(*time);
    }
    let bytes = build(&header(), entries.iter().copied(), precision, &signer()).unwrap();
    let snapshot = parse(&bytes).unwrap();
    assert_eq!(snapshot.len(), oracle.len());
    assert_eq!(snapshot.is_empty(), oracle.is_empty());
    let latest = entries.iter().map(|entry| entry.time).max().unwrap_or(0);
    let exact = |kind| kind == EntryKind::NotBefore || precision == TimePrecision::Exact;
    for ((kind, fingerprint), time) in &oracle {
        let found = snapshot.find(*kind, *fingerprint).expect("revoked, so it is found");
        assert!(if exact(*kind) { found == *time } else { (*time..=latest).contains(&found) });
    }
    for fingerprint in absent.chain(entries.iter().map(|entry| entry.fingerprint)) {
        for kind in [EntryKind::Id, EntryKind::NotBefore] {
            let expected = oracle.contains_key(&(kind, fingerprint));
            assert_eq!(snapshot.find(kind, fingerprint).is_some(), expected);
        }
    }
    let mut listed = 0;
    for entry in snapshot.entries() {
        let time = oracle[&(entry.kind, entry.fingerprint)];
        assert!(if exact(entry.kind) { entry.time == time } else { entry.time >= time });
        assert_eq!(snapshot.find(entry.kind, entry.fingerprint), Some(entry.time));
        listed += 1;
    }
    assert_eq!(listed, oracle.len());
}

#[test]
fn answers_like_a_map_at_every_size() {
    for count in [0, 1, 2, 3, 15, 16, 60, 100, 1000, 5000, 46_000, 70_000, 140_000] {
        let entries: Vec<Entry> = (0..count).map(entry).collect();
        for precision in [TimePrecision::Classes, TimePrecision::Exact] {
            assert_answers_like_a_map(&entries, precision, (count..count + 5000).map(fingerprint));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Few different fingerprints and neighbours of one bit, so that duplicates and near misses happen.
    #[test]
    fn answers_like_a_map(
        drawn in proptest::collection::vec((0..300_u64, 0..96_usize, any::<bool>(), SLOT_BASE_TIME..=SLOT_LAST_TIME), 0..400),
        exact: bool,
    ) {
        let flipped = |n: u64, bit: usize| {
            let mut bytes = fingerprint(n).to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            Fingerprint::from_bytes(bytes)
        };
        let entries: Vec<Entry> = drawn.iter().map(|&(n, _, id, time)| Entry {
            fingerprint: fingerprint(n),
            kind: if id { EntryKind::Id } else { EntryKind::NotBefore },
            time,
        }).collect();
        let precision = if exact { TimePrecision::Exact } else { TimePrecision::Classes };
        assert_answers_like_a_map(&entries, precision, drawn.iter().map(|&(n, bit, ..)| flipped(n, bit)));
    }
}

#[test]
fn lookups_combine_both_kinds() {
    let of = |n, kind| Entry { fingerprint: fingerprint(n), kind, time: NOW };
    let entries = [
        of(1, EntryKind::Id),
        of(2, EntryKind::NotBefore),
        of(3, EntryKind::Id),
        of(3, EntryKind::NotBefore),
    ];
    let bytes = build(&header(), entries, TimePrecision::Classes, &signer()).unwrap();
    let snapshot = parse(&bytes).unwrap();
    let known = [1, 2, 3, 4].map(|n| snapshot.lookup(fingerprint(n)));
    let expected = [NotBefore::ALWAYS, NotBefore::at(NOW), NotBefore::ALWAYS, NotBefore::NONE];
    assert_eq!(known, expected.map(Answer::Exactly));
}

#[test]
fn skewed_fingerprints_get_more_buckets_or_are_refused() {
    // 200 that agree in their first 12 bits.
    let near = |n: u64| {
        let mut bytes = fingerprint(n).to_bytes();
        bytes[11] = 0x55;
        bytes[10] = bytes[10] & 0x0f | 0x50;
        Entry { fingerprint: Fingerprint::from_bytes(bytes), kind: EntryKind::Id, time: NOW }
    };
    let entries: Vec<Entry> = (0..200).map(near).collect();
    assert_answers_like_a_map(&entries, TimePrecision::Classes, (0..100).map(fingerprint));
    // 16 that agree in all but the last bytes.
    let same = (0..16).map(|n: u8| Entry {
        fingerprint: Fingerprint::from_bytes([n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        kind: EntryKind::Id,
        time: NOW,
    });
    assert_eq!(build(&header(), same, TimePrecision::Classes, &signer()), Err(BuildError::Unbalanced));
}

#[test]
fn a_far_expiry_does_not_lengthen_the_others() {
    let mut entries: Vec<Entry> = (0..5000)
        .map(|n| Entry {
            fingerprint: fingerprint(n),
            kind: EntryKind::Id,
            time: NOW + 60 + i64::try_from(n).unwrap() % 3600,
        })
        .collect();
    entries.push(Entry { fingerprint: fingerprint(9999), kind: EntryKind::Id, time: SLOT_LAST_TIME });
    let bytes = build(&header(), entries.iter().copied(), TimePrecision::Classes, &signer()).unwrap();
    let snapshot = parse(&bytes).unwrap();
    for entry in &entries[..5000] {
        let found = snapshot.find(EntryKind::Id, entry.fingerprint).unwrap();
        assert!(found - NOW <= 64 * (entry.time - NOW), "{} {}", found - NOW, entry.time - NOW);
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let bytes = snapshot_of(60, TimePrecision::Classes);
    assert!(parse(&bytes).is_ok());
    for length in 0..bytes.len() {
        assert_eq!(parse(&bytes[..length]).err(), Some(Defect::Truncated), "length {length}");
    }
    assert_eq!(parse(&[&bytes[..], &[0]].concat()).err(), Some(Defect::TrailingBytes));
    assert_eq!(parse(&[&bytes[..], &[0; 64]].concat()).err(), Some(Defect::TrailingBytes));
}

#[test]
fn every_bit_flip_is_refused() {
    let bytes = snapshot_of(25, TimePrecision::Classes);
    let sections_from = HEADER_BYTES + 2 * DESCRIPTOR_BYTES + SIGNATURE_BYTES;
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let defect = parse(&damaged).err().unwrap_or_else(|| panic!("bit {bit} was accepted"));
        if bit / 8 >= sections_from {
            assert_eq!(defect, Defect::SectionHashMismatch);
        }
    }
}

#[test]
fn bit_flips_in_a_large_one_are_refused() {
    let mut bytes = snapshot_of(40_000, TimePrecision::Classes);
    for round in 0..400_u64 {
        let hash = blake3::hash(&round.to_le_bytes());
        let at = usize::try_from(
            u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap()) % (bytes.len() as u64 * 8),
        )
        .unwrap();
        bytes[at / 8] ^= 1 << (at % 8);
        assert!(parse(&bytes).is_err(), "bit {at}");
        bytes[at / 8] ^= 1 << (at % 8);
    }
    assert!(parse(&bytes).is_ok());
}

/// A signer that is trusted and wrong: whatever the header says, nothing is read out of bounds.
#[test]
fn contradictions_under_a_good_signature_are_refused() {
    let bytes = snapshot_of(2000, TimePrecision::Classes);
    let resigned = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        let table_end = HEADER_BYTES + 2 * DESCRIPTOR_BYTES;
        let mut start = table_end + SIGNATURE_BYTES;
        for n in 0..2 {
            let at = HEADER_BYTES + n * DESCRIPTOR_BYTES;
            let length =
                usize::try_from(u64::from_le_bytes(bytes[at + 16..at + 24].try_into().unwrap())).unwrap();
            if let Some(data) = start.checked_add(length).and_then(|end| bytes.get(start..end)) {
                let hash = blake3::hash(data);
                bytes[at + 32..at + 64].copy_from_slice(hash.as_bytes());
            }
            start = start.wrapping_add(length);
        }
        let signature = signer().sign(Purpose::Snapshot, blake3::hash(&bytes[..table_end]).as_bytes());
        bytes[table_end..table_end + SIGNATURE_BYTES].copy_from_slice(&signature);
        parse(&bytes).err()
    };
    assert_eq!(resigned(&|_| {}), None);
    let (descriptor, data) = (HEADER_BYTES, HEADER_BYTES + 2 * DESCRIPTOR_BYTES + SIGNATURE_BYTES);
    // An entry moved from the first block to the second: the total is right, a base is not.
    let full = (0..16).find(|&at| bytes[data + at] & 0xf > 0).unwrap();
    let roomy = (16..32).find(|&at| bytes[data + at] & 0xf < 15).unwrap();
    let moved = resigned(&|bytes| {
        bytes[data + full] -= 1;
        bytes[data + roomy] += 1;
    });
    assert_eq!(moved, Some(Defect::InconsistentSection));
    for (at, values, expected) in [
        (descriptor, &[0, 2, 3, 255][..], Defect::Malformed),
        (descriptor + 1, &[0, 4, 29, 255], Defect::Malformed),
        (descriptor + 2, &[9, 29, 31, 255], Defect::Malformed),
        (descriptor + 3, &[1, 255], Defect::Malformed),
        (descriptor + 16, &[1, 255], Defect::Malformed),
        (descriptor + 23, &[1, 255], Defect::Malformed),
        (descriptor + 24, &[1, 255], Defect::Malformed),
        (data, &[0xff], Defect::InconsistentSection),
    ] {
        for &value in values {
            assert_eq!(resigned(&|bytes| bytes[at] = value), Some(expected), "byte {at} = {value}");
        }
    }
    // Counts, up to those whose products overflow.
    for count in [0, 1, 1499, 1501, 1 << 28, (1 << 28) + 1, u64::from(u32::MAX), u64::MAX / 11, u64::MAX] {
        let defect =
            resigned(&|bytes| bytes[descriptor + 8..descriptor + 16].copy_from_slice(&count.to_le_bytes()));
        assert!(defect.is_some(), "count {count}");
    }
    // Trailing padding that is not zero.
    let last = bytes.len() - 1;
    assert_eq!(bytes[last], 0);
    assert_eq!(resigned(&|bytes| bytes[last] = 1), Some(Defect::InconsistentSection));
}

#[test]
fn the_wrong_signer_key_time_or_history_is_refused() {
    let bytes = snapshot_of(10, TimePrecision::Classes);
    let other = TrustedKeys::new(&[Signer::from_seed(&[6; 32]).public_key()]).unwrap();
    let at = |trusted: &TrustedKeys, ratchet: &Ratchet, key, now| {
        Snapshot::parse_verified(&bytes[..], trusted, ratchet, key, now).err()
    };
    let fresh = Ratchet::new();
    assert_eq!(at(&trusted(), &fresh, KEY_ID, NOW), None);
    assert_eq!(at(&other, &fresh, KEY_ID, NOW), Some(Defect::UnknownSigner));
    assert_eq!(at(&trusted(), &fresh, *b"another!", NOW), Some(Defect::FingerprintKeyMismatch));
    assert_eq!(at(&trusted(), &fresh, KEY_ID, NOW + 3599), None);
    assert_eq!(at(&trusted(), &fresh, KEY_ID, NOW + 3600), Some(Defect::Expired));
    assert_eq!(at(&trusted(), &fresh, KEY_ID, NOW - 301), Some(Defect::CreatedInFuture));
    let mark = parse(&bytes).unwrap().mark();
    let mut ratchet = Ratchet::new();
    ratchet.advance(&Mark { sequence: 78, ..mark }, &trusted());
    assert_eq!(at(&trusted(), &ratchet, KEY_ID, NOW), Some(Defect::RolledBack));
    let mut ratchet = Ratchet::new();
    ratchet.advance(&mark, &trusted());
    assert_eq!(at(&trusted(), &ratchet, KEY_ID, NOW), None);
}

#[test]
fn damage_after_verification_counts_as_revoked_and_does_not_panic() {
    struct Shrinking<'a>(&'a [u8], core::cell::Cell<bool>);
    impl AsRef<[u8]> for Shrinking<'_> {
        fn as_ref(&self) -> &[u8] {
            if self.1.get() { &self.0[..200] } else { self.0 }
        }
    }
    let bytes = snapshot_of(100, TimePrecision::Classes);
    let owner = Shrinking(&bytes, core::cell::Cell::new(false));
    let snapshot = Snapshot::parse_verified(owner, &trusted(), &Ratchet::new(), KEY_ID, NOW).unwrap();
    let absent = fingerprint(1_000_000);
    assert_eq!(snapshot.find(EntryKind::Id, absent), None);
    snapshot.bytes.1.set(true);
    assert_eq!(snapshot.find(EntryKind::Id, absent), Some(SLOT_LAST_TIME));
    assert_eq!(snapshot.entries().count(), 0);
}

#[test]
fn a_million_entries_take_at_most_ten_and_a_half_bytes_each() {
    let ids = |count: u64| {
        let entries = (0..count).map(|n| Entry {
            fingerprint: fingerprint(n),
            kind: EntryKind::Id,
            time: NOW + i64::try_from(n % 100_000).unwrap(),
        });
        build(&header(), entries, TimePrecision::Classes, &signer()).unwrap().len() as u64
    };
    assert!(ids(1_000_000) * 10 <= 1_000_000 * 105);
}
