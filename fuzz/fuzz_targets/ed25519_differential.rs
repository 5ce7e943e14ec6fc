//! Prepared Ed25519 keys against ed25519-dalek and graviola, guided by coverage.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    libtoken_fuzz::ed25519::run(data);
});
