//! Keys that are known before their tokens: what every verification repeats is computed once, at key load.

pub(crate) mod ed25519;
