//! The algorithm table: everything that differs between signature algorithms, in one place.
//!
//! Nothing below this file knows algorithm names; nothing above it matches on them. `none` is not in the
//! table, so it is as unknown as any other word (RFC 8725 §3.2).

/// A hash function of the SHA-2 family.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HashFunction {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How a signature is computed: what `crypto` needs to know, without names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scheme {
    /// Ed25519 (RFC 8032 §5.1), strict verification.
    Ed25519,
    /// ECDSA over P-256 with SHA-256, signature as `r || s` (RFC 7518 §3.4).
    EcdsaP256Sha256,
    /// ECDSA over P-384 with SHA-384, signature as `r || s` (RFC 7518 §3.4).
    EcdsaP384Sha384,
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    RsaPkcs1(HashFunction),
    /// RSASSA-PSS with MGF1 over the same hash and a salt of the hash's length (RFC 7518 §3.5).
    RsaPss(HashFunction),
    /// HMAC (RFC 7518 §3.2).
    Hmac(HashFunction),
}
