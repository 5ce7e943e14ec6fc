//! Prepared P-256 keys against `p256` and graviola, guided by coverage.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    libtoken_fuzz::p256::run(data);
});
