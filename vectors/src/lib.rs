//! libtoken's test cases as data, and the harness that every surface (Rust, C, JavaScript, the gateways, the
//! command line) runs them with.
//!
//! The data are the JSON files beside this crate, made by `cargo run -p libtoken-vectors --bin generate` and
//! committed; a surface that is not written in Rust reads the same files. Unknown fields are errors, so no
//! field can be in the data that nobody reads. README.md describes the format.

pub mod harness;
pub mod model;
pub mod native;

pub use harness::{Deviation, Outcome, Summary, run};
pub use model::{
    Case, Expected, File, KeyStateChange, Keys, LoadError, Piece, Request, Source, State, Token, load,
};
