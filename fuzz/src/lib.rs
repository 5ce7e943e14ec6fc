//! The bodies of the fuzz targets, so that libFuzzer and plain programs run the same code.

pub mod ed25519;
pub mod input;
pub mod p256;
pub mod rsa;
