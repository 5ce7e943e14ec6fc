//! Every cap of the library, each a named constant with its source. Operators may lower most of them in
//! the policy; none can be switched off.

/// Longest token that any policy may allow, in bytes: 1 MiB. Access tokens must fit into header lines (nginx
/// allows 8 KiB by default, Envoy 60 KiB); status list tokens are as long as their list.
pub const MAX_TOKEN_BYTES: usize = 1024 * 1024;

/// Longest status list, in bytes after decompression: 16 MiB, 128 million tokens at one bit each. Far above
/// what issuers publish (draft-ietf-oauth-status-list §12: lists of 100,000 to 100 million entries).
pub const MAX_STATUS_LIST_BYTES: usize = 16 * 1024 * 1024;

/// Longest token accepted unless the policy says otherwise, in bytes. Entra ID keeps tokens below 8 KiB by
/// moving groups out of them; Keycloak tokens with many roles reach 10 KiB.
pub const DEFAULT_MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Longest encoded protected header, in bytes. A header with a certificate chain (`x5c`) reaches 6 KiB;
/// `x5c` is never used here, but its presence alone is no reason to refuse.
pub const MAX_HEADER_BYTES: usize = 8 * 1024;

/// Longest JSON document the scanner reads, in bytes: its nodes keep positions in 20 bits.
/// Key sets are the largest documents; 1 MiB is also Envoy's cap for a remote key set.
pub const MAX_JSON_BYTES: usize = (1 << 20) - 1;

/// Deepest nesting of arrays and objects in a JSON document. Keycloak's `resource_access` needs 4.
pub const MAX_JSON_DEPTH: usize = 32;

/// Most values and member names in one token's payload. An array of 1,000 roles fits.
pub const MAX_CLAIM_NODES: usize = 4096;

/// Most members in one JSON object: names are compared pairwise in the worst case, so the square of this
/// bounds the work that a signed but hostile token can cause.
pub const MAX_OBJECT_MEMBERS: usize = 256;

/// Largest NumericDate magnitude, in seconds: 9999-12-31T23:59:59Z, the last instant of RFC 3339. A larger
/// value is a mistake (often milliseconds) and must never come to mean 'does not expire'.
pub const MAX_NUMERIC_DATE: i64 = 253_402_300_799;

/// Longest digit run of a number that is read as a date. `253402300799.999999999` has 22 characters.
pub const MAX_NUMBER_BYTES: usize = 64;

/// Leeway for `exp`, `nbf` and `iat` unless the policy says otherwise, in seconds: enough for hosts that
/// keep time by NTP, too little to matter for an attacker.
pub const DEFAULT_LEEWAY_SECONDS: u32 = 5;

/// Largest leeway that a policy may ask for, in seconds. RFC 7519 §4.1.4: 'usually no more than a few minutes'.
pub const MAX_LEEWAY_SECONDS: u32 = 300;

/// Largest `max_age_seconds` that a policy may ask for: ten years.
pub const MAX_TOKEN_AGE_SECONDS: u32 = 315_360_000;

/// Most issuers in one verifier: one per tenant or realm of a large organisation.
pub const MAX_ISSUERS: usize = 1024;

/// Most keys kept per issuer; the rest of a larger JWKS is skipped, each with a reason. Public providers
/// publish 2 to 10.
pub const MAX_KEYS_PER_ISSUER: usize = 64;

/// Most signature checks for one token, when several keys of the issuer share its `kid` or it has none.
pub const MAX_KEY_CANDIDATES: usize = 4;

/// Longest `kid`, in bytes. SHA-256 thumbprints have 43 characters, URLs as kids rarely more than 200.
pub const MAX_KID_BYTES: usize = 256;

/// Longest claim name or JSON pointer in a policy, in bytes.
pub const MAX_CLAIM_PATH_BYTES: usize = 256;

/// Most audiences, types, algorithms or required claims in one issuer's policy.
pub const MAX_POLICY_LIST: usize = 64;

/// Smallest RSA modulus, in bits (RFC 7518 §3.3).
pub const MIN_RSA_BITS: usize = 2048;

/// Largest RSA modulus, in bits. Cost grows with the square; no issuer publishes more.
pub const MAX_RSA_BITS: usize = 8192;

/// Smallest RSA public exponent. 3 and 17 have known weaknesses with sloppy padding checks and no issuer
/// needs them (FIPS 186-5 §A.1.1: 2^16 < e).
pub const MIN_RSA_EXPONENT: u64 = 65_537;

/// Largest RSA public exponent: 32 bits, what every backend takes. Longer ones only cost time.
pub const MAX_RSA_EXPONENT: u64 = u32::MAX as u64;

/// Longest signature, in bytes: that of the largest RSA modulus.
pub const MAX_SIGNATURE_BYTES: usize = MAX_RSA_BITS / 8;

/// Smallest HMAC key for HS256, in bytes: the size of the hash output (RFC 7518 §3.2). HS384 and HS512
/// need 48 and 64.
pub const MIN_HMAC_KEY_BYTES: usize = 32;

/// Memory for prepared tables in one verifier, in bytes: 4 MiB, about 32 Ed25519 or 48 P-256 keys. Keys beyond
/// it are verified by a library. Tables that outgrow the second-level cache lose most of what they gain.
pub const DEFAULT_TABLE_BYTES: usize = 4 * 1024 * 1024;
