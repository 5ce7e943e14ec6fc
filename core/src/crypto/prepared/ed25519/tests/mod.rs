//! `arithmetic`: every layer against a slow twin. `verdicts`: whole signatures against ed25519-dalek.

pub(super) mod arithmetic;
mod verdicts;
