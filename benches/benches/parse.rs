//! The payload alone: JSON to a tape, beside other parsers, and the claims found on the tape.
//!
//! The other parsers are given what makes them fast (reused buffers, borrowed structs). simd-json accepts
//! duplicate member names; serde_json refuses them only among the fields of a struct.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use libtoken::codec::base64url;
use libtoken::jose::claims::{Claims, Registered};
use libtoken_benches::{EXPIRES_AT, PAYLOAD, payload_buffer, scan};

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse the payload");
    let mut payload = payload_buffer();
    group.bench_function("libtoken tape", |b| {
        b.iter(|| assert!(black_box(scan(&mut payload)).root().members().is_some_and(|m| m.len() == 13)));
    });
    let mut buffers = simd_json::Buffers::new(PAYLOAD.len());
    let mut copy = PAYLOAD.as_bytes().to_vec();
    group.bench_function("simd-json tape, buffers reused", |b| {
        b.iter(|| {
            copy.copy_from_slice(black_box(PAYLOAD.as_bytes()));
            let tape = simd_json::to_tape_with_buffers(&mut copy, &mut buffers).expect("JSON");
            assert!(matches!(tape.0.first(), Some(simd_json::Node::Object { len: 13, .. })));
        });
    });
    group.bench_function("serde_json value", |b| {
        b.iter(|| {
            let value: serde_json::Value = serde_json::from_str(black_box(PAYLOAD)).expect("JSON");
            assert!(value.as_object().is_some_and(|o| o.len() == 13));
        });
    });
    group.finish();
}

fn claims(c: &mut Criterion) {
    let mut payload = payload_buffer();
    scan(&mut payload);
    c.bench_function("claims on the tape", |b| {
        b.iter(|| {
            let document = black_box(payload.document());
            let claims = Claims::new(document, Registered::locate(document).expect("claims"));
            assert!(claims.expires_at().is_some_and(|exp| exp.floor() == EXPIRES_AT));
        });
    });
}

fn base64(c: &mut Criterion) {
    let encoded = base64url::encode(PAYLOAD.as_bytes());
    let mut out = vec![0; base64url::buffer_len(encoded.len())];
    c.bench_function("base64url of the payload", |b| {
        b.iter(|| {
            assert_eq!(base64url::decode(black_box(encoded.as_bytes()), &mut out), Ok(PAYLOAD.len()));
        });
    });
}

criterion_group!(benches, parse, claims, base64);
criterion_main!(benches);
