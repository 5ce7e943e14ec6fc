//! Whole tokens: with their signatures, and everything but the signature.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use libtoken::crypto::Backends;
use libtoken::jose::algorithm::Algorithm;
use libtoken_benches::{ALGORITHMS, Fixture, accept};

/// More headers than a scratch keeps, so that each one is new when its turn comes again.
const NEW_HEADERS: usize = 32;

fn whole_token(c: &mut Criterion) {
    let mut group = c.benchmark_group("whole token");
    for algorithm in ALGORITHMS {
        let fixture = Fixture::new(algorithm);
        let verifier = fixture.verifier(1, Backends::Fastest);
        let mut scratch = verifier.scratch();
        group.bench_function(algorithm.name(), |b| {
            b.iter(|| {
                let verified = accept(&verifier, black_box(fixture.token.as_bytes()), &mut scratch);
                verified.claims().expires_at()
            });
        });
    }
    group.finish();
}

fn all_but_the_signature(c: &mut Criterion) {
    let mut group = c.benchmark_group("all but the signature");
    for (name, issuers, headers) in
        [("header known", 1, 1), ("header new", 1, NEW_HEADERS), ("10 issuers, header known", 10, 1)]
    {
        let fixture = Fixture::new(Algorithm::EdDsa);
        let tokens = fixture.tokens_with_new_headers(headers);
        let verifier = fixture.verifier(issuers, Backends::Unchecked);
        let mut scratch = verifier.scratch();
        let mut next = tokens.iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| {
                let token = next.next().expect("endless");
                accept(&verifier, black_box(token.as_bytes()), &mut scratch).claims().expires_at()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, whole_token, all_but_the_signature);
criterion_main!(benches);
