//! Prepared RSA keys against `rsa` and graviola, guided by coverage.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    libtoken_fuzz::rsa::run(data);
});
