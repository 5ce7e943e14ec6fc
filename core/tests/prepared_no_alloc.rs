//! Prepared P-256 and RSA keys allocate nothing when they verify, whatever the verdict and whoever decides.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use libtoken::internals::p256::Key as P256Key;
use libtoken::internals::rsa::{Key as RsaKey, Padding};
use num_bigint::BigUint;
use p256::elliptic_curve::PrimeField;
use p256::elliptic_curve::ops::Reduce;
use p256::elliptic_curve::point::AffineCoordinates;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{FieldBytes, ProjectivePoint, Scalar};
use sha2::{Digest, Sha256};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts what this thread asks for.
struct Counting;

// SAFETY: every request is passed on to the system's allocator unchanged; counting allocates nothing, since
// the thread-local is constant-initialized and needs no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System` with this layout, by `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What `verify` answers, which must allocate nothing.
fn without_allocation(verify: impl FnOnce() -> bool) -> bool {
    let before = ALLOCATIONS.get();
    let verdict = verify();
    assert_eq!(ALLOCATIONS.get() - before, 0);
    verdict
}

#[test]
fn counting_counts() {
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(vec![1_u8]));
    assert_eq!(ALLOCATIONS.get() - before, 1);
}

#[test]
fn p256() {
    let invert = |scalar: &Scalar| Option::<Scalar>::from(scalar.invert()).expect("not zero");
    let x = |k: &Scalar| {
        let point = ProjectivePoint::GENERATOR * k;
        <Scalar as Reduce<FieldBytes>>::reduce(&point.to_affine().x())
    };
    let encode = |r: &Scalar, s: &Scalar| [r.to_repr(), s.to_repr()].concat();
    let d = Scalar::from(3_u64);
    let encoded = (ProjectivePoint::GENERATOR * d).to_affine().to_sec1_point(false);
    let public_key = encoded.as_bytes()[1..].try_into().expect("two coordinates");
    let hash: [u8; 32] = Sha256::digest(b"message").into();
    let z = <Scalar as Reduce<FieldBytes>>::reduce(&FieldBytes::from(hash));
    let (k, r) = (Scalar::from(99_u64), x(&Scalar::from(99_u64)));
    let good = encode(&r, &(invert(&k) * (z + r * d)));
    // u1·G = u2·Q with u2 = 1: an exceptional addition, decided by the library.
    let u1 = d;
    let r = x(&(u1 + u1));
    let exceptional = encode(&r, &r);
    let exceptional_hash: [u8; 32] = (u1 * r).to_repr().into();
    for bits in [4, 6, 8] {
        let key = P256Key::new(public_key, bits).expect("valid");
        assert!(without_allocation(|| key.verifies(b"message", &good)));
        assert!(!without_allocation(|| key.verifies(b"massage", &good)));
        assert!(!without_allocation(|| key.verifies(b"message", &good[1..])));
        assert!(!without_allocation(|| key.verifies(b"message", &[0xff; 64])));
        assert!(without_allocation(|| key.verifies_prehashed(&exceptional_hash, &exceptional)));
        assert!(!without_allocation(|| key.verifies_prehashed(&hash, &exceptional)));
    }
}

#[test]
fn rsa() {
    for line in include_str!("../../vectors/rsa-test-keys.txt").lines().filter(|line| !line.starts_with('#'))
    {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |text: &str| BigUint::parse_bytes(text.as_bytes(), 16).expect("hex");
        let n = (number(words[1]) * number(words[2])).to_bytes_be();
        // No path on this CPU: then there is nothing to count.
        let Some(key) = RsaKey::new(&n, &[1, 0, 1]) else { continue };
        // Not a valid signature, so every step before the comparison of the encodings runs, and that one.
        let mut signature = n.clone();
        signature[0] >>= 1;
        for bits in [256, 384, 512] {
            for padding in [Padding::Pkcs1(bits), Padding::Pss(bits)] {
                assert!(!without_allocation(|| key.verifies(padding, b"message", &signature)));
                assert!(!without_allocation(|| key.verifies(padding, b"message", &n)));
                assert!(!without_allocation(|| key.verifies(padding, b"message", &signature[1..])));
            }
        }
        // An encoding with PSS's trailer and unused bits, so that the mask is generated as well.
        let phi = (number(words[1]) - 1_u8) * (number(words[2]) - 1_u8);
        let d = BigUint::from(65_537_u32).modinv(&phi).expect("coprime");
        let mut encoded = vec![0x11; n.len()];
        (encoded[0], encoded[1], encoded[n.len() - 1]) = (0, 0, 0xbc);
        let signature =
            BigUint::from_bytes_be(&encoded).modpow(&d, &BigUint::from_bytes_be(&n)).to_bytes_be();
        if signature.len() == n.len() {
            for bits in [256, 384, 512] {
                assert!(!without_allocation(|| key.verifies(Padding::Pss(bits), b"message", &signature)));
            }
        }
    }
}
