//! Strict, allocation-free validation of session and access tokens (JWT/JWS), with immediate revocation.
//!
//! libtoken reads no clock, opens no socket and starts no thread: the host passes `now`, bytes and buffers.
//!
//! Modules, in the order of dependence (a module uses only what stands above it):
//! `error`, `limits` <- `codec` <- `jose` <- `crypto` <- `revocation`, `verify`, `refresh`.
#![deny(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

pub mod error;
pub mod limits;

pub mod codec;
pub mod jose;

pub mod crypto;

pub mod revocation;
pub mod verify;

#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;

/// The Rust example of the README is compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
