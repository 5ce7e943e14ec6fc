//! Bytes: strict base64url and JSON. Knows nothing of tokens.
//!
//! Each fast reader has a slow, obvious twin that tests and fuzzers compare it with.

pub mod base64url;
pub mod json;
pub mod pointer;
