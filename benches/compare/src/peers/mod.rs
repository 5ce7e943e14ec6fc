//! One file per validator. Each configures its library to check the signature, `exp`, `iss` and `aud`, and
//! nothing more than it must; each asserts every result.

pub mod jsonwebtoken;
pub mod jwt_simple;
pub mod libtoken;
pub mod other_process;
pub mod primitives;
