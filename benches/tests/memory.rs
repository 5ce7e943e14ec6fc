//! What a verifier and a scratch hold on the heap. Run with `--nocapture` to see the figures.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use libtoken::jose::algorithm::Algorithm;
use libtoken::verify::{AudienceRule, IssuerPolicy, Policy, Verifier};
use libtoken_benches::{AUDIENCE, Fixture};

const ISSUERS: usize = 10;
const KEYS: [Algorithm; 4] = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256];

/// What an operator may expect of ten issuers with four keys each, before prepared tables, in bytes.
const MOST_FOR_VERIFIER: usize = 1 << 20;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator, unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's own contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's own contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test, as everything that runs beside it would count too.
#[test]
fn a_verifier_of_ten_issuers_with_four_keys_each_stays_below_a_mebibyte() {
    let keys: Vec<String> = KEYS.into_iter().map(|a| Fixture::new(a).key.public_jwk()).collect();
    let jwks = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    let names: Vec<String> = (0..ISSUERS).map(|i| format!("https://{i}.login.example/")).collect();

    let before = LIVE.load(Relaxed);
    let audiences = || AudienceRule::AnyOf(vec![AUDIENCE.to_owned()]);
    let issuers = names.iter().map(|name| IssuerPolicy::new(name.as_str(), audiences())).collect();
    let verifier = Verifier::new(Policy::new(issuers).expect("a policy"));
    for name in &names {
        let report = verifier.replace_keys(name, jwks.as_bytes()).expect("a key set");
        assert_eq!(report.keys.len(), KEYS.len());
    }
    let verifier_bytes = LIVE.load(Relaxed) - before;

    let before = LIVE.load(Relaxed);
    let scratch = verifier.scratch();
    let scratch_bytes = LIVE.load(Relaxed) - before;
    drop(scratch);

    println!("verifier, {ISSUERS} issuers x {} keys: {verifier_bytes} bytes", KEYS.len());
    println!("scratch for tokens of {} bytes: {scratch_bytes} bytes", verifier.policy().max_token_bytes());
    assert!(verifier_bytes < MOST_FOR_VERIFIER, "{verifier_bytes}");
}
