//! A door to the inside for fuzz targets and benchmarks, behind the feature `internals`. Not an interface:
//! anything here may change at any time.

pub mod ed25519;
pub mod p256;
pub mod rsa;
