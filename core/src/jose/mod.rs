//! Syntax: the compact form, the protected header, the algorithm table, claims, JWK and JWKS.
//!
//! Turns bytes into borrowed types that cannot hold an unchecked value. Knows nothing of trust: no
//! signature is checked and no policy applied here.

pub mod algorithm;
pub mod claims;
pub mod compact;
pub mod header;
pub mod jwk;
pub mod numeric_date;
