//! A verification allocates nothing, accepted or refused: counted by the global allocator over every vector,
//! with both kinds of backends.
//!
//! What set-up is: the verifier, and on each verifying thread one call of `Verifier::scratch`, which also
//! makes arc-swap's record of that thread. Everything after that counts, the first call too.
// A global allocator can only be written with `unsafe`; this one hands every call on to the system's.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use libtoken::crypto::Backends;
use libtoken::error::Code;
use libtoken::jose::algorithm::Algorithm;
use libtoken::verify::{AudienceRule, IssuerPolicy, Policy, Request, Verifier};
use libtoken_vectors::{load, native};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // Without a destructor and with a constant start, the cell itself never allocates.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every method hands its arguments on to `System`, unchanged, and returns what that returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise for `layout` is the one that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: `old` came from this allocator, so from `System`, with this layout.
        unsafe { System.realloc(old, layout, new_size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // Freeing on the path would mean that something was allocated.
        count();
        // SAFETY: `old` came from this allocator, so from `System`, with this layout.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations and releases of this thread during `work`.
fn allocations<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATIONS.get();
    let result = work();
    (ALLOCATIONS.get() - before, result)
}

/// A backend that must allocate, and why.
struct Exception {
    backend: &'static str,
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[Exception {
    backend: "RustCrypto rsa",
    reason: "its integers (crypto_bigint::BoxedUint) live on the heap, so every RSA operation allocates; only \
             CPUs without graviola's features and wasm32 use it",
}];

/// Codes of the token path that exist for revocation, binding, introspection and the bindings: nothing in
/// `Verifier::verify` without these features can answer them.
const OTHER_PATHS: &[Code] = &[
    Code::InsufficientScope,
    Code::InsufficientAuthentication,
    Code::ActorNotAllowed,
    Code::Revoked,
    Code::MaybeRevoked,
    Code::Stale,
    Code::NotRevocable,
    Code::BindingRequired,
    Code::BindingMismatch,
    Code::InvalidProof,
    Code::ReplayedProof,
    Code::NonceRequired,
    Code::Inactive,
    Code::IntrospectionRequired,
    Code::IntrospectionFailed,
    Code::InvalidArgument,
    Code::Internal,
];

fn every_vector(backends: Backends) {
    let (mut algorithms, mut codes, mut excepted) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for file in load().expect("data") {
        for case in &file.cases {
            let verifier = native::verifier(&file, case, backends).expect("a verifier");
            let backends_of: BTreeMap<&str, ()> = case
                .keys
                .iter()
                .flat_map(|keys| verifier.keys(&keys.issuer).expect("an issuer").keys)
                .map(|key| (key.backend, ()))
                .collect();
            let exception = EXCEPTIONS.iter().find(|e| backends_of.contains_key(e.backend));
            let token = case.token.to_bytes().expect("bytes");
            let request = native::request(case);
            let mut scratch = verifier.scratch();
            for call in 1..=3 {
                let (count, verdict) = allocations(|| {
                    verifier
                        .verify(&token, &request, case.now, &mut scratch)
                        .map(|v| (v.header().algorithm, v.claims().subject().map(str::len)))
                });
                match verdict {
                    Ok((algorithm, _)) => drop(algorithms.insert(algorithm)),
                    Err(rejection) => drop(codes.insert(rejection.code.number())),
                }
                match exception {
                    Some(exception) if count > 0 => drop(excepted.insert(exception.backend)),
                    _ => assert_eq!(count, 0, "{}, call {call}", case.id),
                }
            }
        }
    }
    assert_eq!(algorithms.into_iter().collect::<Vec<_>>(), Algorithm::ALL);
    let missing: Vec<&Code> =
        Code::ALL.iter().filter(|c| !codes.contains(&c.number()) && !OTHER_PATHS.contains(c)).collect();
    assert_eq!(missing, [] as [&Code; 0], "no vector is refused with these codes");
    let wrong: Vec<&Code> = OTHER_PATHS.iter().filter(|c| codes.contains(&c.number())).collect();
    assert_eq!(wrong, [] as [&Code; 0], "listed as of other paths, but reached");
    for exception in EXCEPTIONS {
        let needed = backends == Backends::Portable;
        assert_eq!(
            excepted.contains(exception.backend),
            needed,
            "{}: {}",
            exception.backend,
            exception.reason
        );
    }
}

#[test]
fn no_vector_allocates_with_the_fastest_backends() {
    every_vector(Backends::Fastest);
}

#[test]
fn no_vector_allocates_with_the_portable_backends_but_rsa() {
    every_vector(Backends::Portable);
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(std::hint::black_box(Box::new([7u8; 100])))).0 >= 2);
    assert_eq!(allocations(|| std::hint::black_box(7)).0, 0);
}

/// The first verification of a thread is as free of allocations as any other once it has called `scratch`;
/// and reading claims, refusing and printing a refusal allocate nothing either.
#[test]
fn the_first_call_of_a_new_thread_after_scratch() {
    let issuer = IssuerPolicy::new("i", AudienceRule::AnyOf(vec!["a".into()]));
    let verifier = Arc::new(Verifier::new(Policy::new(vec![issuer]).expect("a policy")));
    let mut rng = libtoken_mint::seeded(1);
    let key = libtoken_mint::PrivateKey::generate(Algorithm::EdDsa, 0, None, &mut rng).expect("a key");
    let jwks = format!(r#"{{"keys":[{}]}}"#, key.public_jwk());
    verifier.replace_keys("i", jwks.as_bytes()).expect("keys");
    let payload = r#"{"iss":"i","aud":["b","a"],"exp":9,"org":{"roles":["x","y"]}}"#;
    let token = libtoken_mint::token(r#"{"alg":"EdDSA"}"#, payload, &key, Algorithm::EdDsa, &mut rng);
    let token = Arc::new(token.expect("a token"));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (verifier, token) = (Arc::clone(&verifier), Arc::clone(&token));
            std::thread::spawn(move || {
                let path = libtoken::codec::pointer::ClaimPath::new("/org/roles/1").expect("a path");
                let mut scratch = verifier.scratch();
                let mut out = [0u8; 256];
                let (count, ()) = allocations(|| {
                    let verified = verifier.verify(token.as_bytes(), &Request::new(), 1, &mut scratch);
                    let verified = verified.expect("accepted");
                    assert_eq!(verified.claims().at(&path).and_then(|v| v.as_str()), Some("y"));
                    assert_eq!(verified.claims().audiences().count(), 2);
                    let refused = verifier.verify(b"a.b", &Request::new(), 1, &mut scratch);
                    let rejection = refused.err().expect("refused");
                    use std::io::Write;
                    write!(&mut out[..], "{rejection}").expect("room");
                });
                assert_eq!(count, 0);
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("a thread that found no allocation");
    }
}

#[test]
fn no_vector_allocates_with_prepared_keys() {
    every_vector(Backends::Prepared);
}
