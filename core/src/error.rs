//! Why a token was refused: a stable number, the claim concerned, and a reason.
//!
//! One table, shared by Rust, C, JavaScript and the gateways, documented in docs/rejections.md (a test
//! compares the two). A rejection never carries bytes of the token. This module imports nothing.

use core::fmt;

/// Why a token was refused. The numbers are stable: a number is never reused and never changes its meaning.
///
/// The hundreds say which step refused: 1xx form, 2xx key and signature, 3xx claims and policy,
/// 4xx revocation, 5xx binding to a holder, 6xx opaque tokens. 9xx are not about the token at all.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
#[repr(u16)]
pub enum Code {
    /// The token is longer than the policy, the scratch or the library allows.
    TokenTooLarge = 100,
    /// Not three base64url segments joined by two dots (RFC 7515 §7.1).
    MalformedToken = 101,
    /// Five segments: an encrypted token (JWE, RFC 7516), which this validator never accepts.
    EncryptedToken = 102,
    /// A segment is not canonical, unpadded base64url (RFC 7515 §2, RFC 4648 §3.5).
    InvalidEncoding = 103,
    /// The protected header is not the JSON object that RFC 7515 §4 asks for.
    MalformedHeader = 104,
    /// The payload is not one valid JSON object (RFC 7519 §7.2).
    MalformedClaims = 105,
    /// The same member name occurs twice in one JSON object (RFC 7515 §4, RFC 7519 §4).
    DuplicateMember = 106,
    /// The header names an extension in `crit` that is not understood, or `crit` itself is malformed
    /// (RFC 7515 §4.1.11). Unencoded payloads (`b64`, RFC 7797) are among them.
    UnsupportedCritical = 107,
    /// The header asks for decompression (`zip`).
    CompressedToken = 108,
    /// The header's `typ` is not among the types that the policy accepts (RFC 8725 §3.11).
    TypeNotAllowed = 109,

    /// `alg` is unknown, or is `none` (RFC 8725 §3.2).
    UnsupportedAlgorithm = 200,
    /// `alg` is known, but the key or the issuer's policy does not allow it (RFC 8725 §3.1).
    AlgorithmNotAllowed = 201,
    /// No key of this issuer fits the header's `kid` (or there is no `kid` and no key fits).
    UnknownKey = 202,
    /// The key is known but must not verify now: staged, past its verify-until time, or tainted.
    KeyNotActive = 203,
    /// The signature does not verify under the key.
    InvalidSignature = 204,

    /// `iss` is not one of the configured issuers, or not the issuer whose key signed the token.
    IssuerMismatch = 300,
    /// `aud` names none of the accepted audiences.
    AudienceMismatch = 301,
    /// The token has expired (`exp`, RFC 7519 §4.1.4). The client should refresh it.
    Expired = 302,
    /// The token is not valid yet (`nbf`, RFC 7519 §4.1.5).
    NotYetValid = 303,
    /// `iat` lies in the future, beyond the leeway.
    IssuedInFuture = 304,
    /// The token is older than the policy's maximum age, counted from `iat`.
    TooOld = 305,
    /// A claim that the policy requires is absent.
    MissingClaim = 306,
    /// A claim has the wrong JSON type or a value that cannot be represented.
    InvalidClaim = 307,
    /// The token's tenant is not the tenant that the request addresses.
    TenantMismatch = 308,
    /// The token lacks a scope, role or value that the policy requires. HTTP 403.
    InsufficientScope = 309,
    /// The authentication was too weak or too long ago (RFC 9470).
    InsufficientAuthentication = 310,
    /// The delegation chain (`act`, RFC 8693 §4.1) is too deep or names an actor that is not allowed.
    ActorNotAllowed = 311,

    /// The token, its session, its subject or another scope that it belongs to was revoked.
    /// The client must log in again; refreshing or retrying is useless.
    Revoked = 400,
    /// An edge-minimal filter cannot rule a revocation out, and the policy refuses in that case.
    MaybeRevoked = 401,
    /// The revocation state is older than `max_staleness`, and the policy refuses in that case.
    Stale = 402,
    /// The token lacks a claim that a configured revocation scope reads, so it could not be revoked there.
    NotRevocable = 403,

    /// The token is bound to a holder (`cnf`, RFC 7800) and the request carries no proof of that kind.
    BindingRequired = 500,
    /// The proof does not match the token's `cnf`.
    BindingMismatch = 501,
    /// The DPoP proof is malformed or does not fit the request (RFC 9449 §4.3).
    InvalidProof = 502,
    /// The DPoP proof was used before (RFC 9449 §11.1).
    ReplayedProof = 503,
    /// The DPoP proof must carry a nonce that the server chose (RFC 9449 §8).
    NonceRequired = 504,

    /// Introspection says that the token is not active (RFC 7662 §2.2).
    Inactive = 600,
    /// The token is not cached: the host must introspect it, then ask again.
    IntrospectionRequired = 601,
    /// Introspection failed and the outage policy denies.
    IntrospectionFailed = 602,

    /// The caller gave an argument that cannot be used (a scratch that is too small, a null pointer).
    InvalidArgument = 900,
    /// The library failed inside. The request is refused.
    Internal = 901,
}

/// What was wrong with the claim or the step that [`Rejection::code`] names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// It was there and well-formed, and the check failed.
    CheckFailed,
    /// It is absent.
    Missing,
    /// It has the wrong JSON type.
    WrongType,
    /// Its value lies outside what can be represented or is allowed.
    OutOfRange,
    /// It does not follow the syntax.
    Syntax,
}

/// A refusal: what, where and why. Copying it allocates nothing.
///
/// `claim` names the claim or header parameter concerned. It is always a name from the specifications or
/// from the operator's policy, never text from the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rejection {
    /// The stable code, for programs.
    pub code: Code,
    /// The claim, header parameter or revocation scope concerned, if the code is about one.
    pub claim: Option<&'static str>,
    /// What was wrong with it.
    pub reason: Reason,
}

impl Code {
    /// Every code, in numerical order.
    pub const ALL: &'static [Code] = &[
        Code::TokenTooLarge,
        Code::MalformedToken,
        Code::EncryptedToken,
        Code::InvalidEncoding,
        Code::MalformedHeader,
        Code::MalformedClaims,
        Code::DuplicateMember,
        Code::UnsupportedCritical,
        Code::CompressedToken,
        Code::TypeNotAllowed,
        Code::UnsupportedAlgorithm,
        Code::AlgorithmNotAllowed,
        Code::UnknownKey,
        Code::KeyNotActive,
        Code::InvalidSignature,
        Code::IssuerMismatch,
        Code::AudienceMismatch,
        Code::Expired,
        Code::NotYetValid,
        Code::IssuedInFuture,
        Code::TooOld,
        Code::MissingClaim,
        Code::InvalidClaim,
        Code::TenantMismatch,
        Code::InsufficientScope,
        Code::InsufficientAuthentication,
        Code::ActorNotAllowed,
        Code::Revoked,
        Code::MaybeRevoked,
        Code::Stale,
        Code::NotRevocable,
        Code::BindingRequired,
        Code::BindingMismatch,
        Code::InvalidProof,
        Code::ReplayedProof,
        Code::NonceRequired,
        Code::Inactive,
        Code::IntrospectionRequired,
        Code::IntrospectionFailed,
        Code::InvalidArgument,
        Code::Internal,
    ];

    /// The stable number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The stable name, as in docs/rejections.md, logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Code::TokenTooLarge => "TOKEN_TOO_LARGE",
            Code::MalformedToken => "MALFORMED_TOKEN",
            Code::EncryptedToken => "ENCRYPTED_TOKEN",
            Code::InvalidEncoding => "INVALID_ENCODING",
            Code::MalformedHeader => "MALFORMED_HEADER",
            Code::MalformedClaims => "MALFORMED_CLAIMS",
            Code::DuplicateMember => "DUPLICATE_MEMBER",
            Code::UnsupportedCritical => "UNSUPPORTED_CRITICAL",
            Code::CompressedToken => "COMPRESSED_TOKEN",
            Code::TypeNotAllowed => "TYPE_NOT_ALLOWED",
            Code::UnsupportedAlgorithm => "UNSUPPORTED_ALGORITHM",
            Code::AlgorithmNotAllowed => "ALGORITHM_NOT_ALLOWED",
            Code::UnknownKey => "UNKNOWN_KEY",
            Code::KeyNotActive => "KEY_NOT_ACTIVE",
            Code::InvalidSignature => "INVALID_SIGNATURE",
            Code::IssuerMismatch => "ISSUER_MISMATCH",
            Code::AudienceMismatch => "AUDIENCE_MISMATCH",
            Code::Expired => "EXPIRED",
            Code::NotYetValid => "NOT_YET_VALID",
            Code::IssuedInFuture => "ISSUED_IN_FUTURE",
            Code::TooOld => "TOO_OLD",
            Code::MissingClaim => "MISSING_CLAIM",
            Code::InvalidClaim => "INVALID_CLAIM",
            Code::TenantMismatch => "TENANT_MISMATCH",
            Code::InsufficientScope => "INSUFFICIENT_SCOPE",
            Code::InsufficientAuthentication => "INSUFFICIENT_AUTHENTICATION",
            Code::ActorNotAllowed => "ACTOR_NOT_ALLOWED",
            Code::Revoked => "REVOKED",
            Code::MaybeRevoked => "MAYBE_REVOKED",
            Code::Stale => "STALE",
            Code::NotRevocable => "NOT_REVOCABLE",
            Code::BindingRequired => "BINDING_REQUIRED",
            Code::BindingMismatch => "BINDING_MISMATCH",
            Code::InvalidProof => "INVALID_PROOF",
            Code::ReplayedProof => "REPLAYED_PROOF",
            Code::NonceRequired => "NONCE_REQUIRED",
            Code::Inactive => "INACTIVE",
            Code::IntrospectionRequired => "INTROSPECTION_REQUIRED",
            Code::IntrospectionFailed => "INTROSPECTION_FAILED",
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::Internal => "INTERNAL",
        }
    }

    /// One sentence for people: what happened.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Code::TokenTooLarge => "the token is larger than allowed",
            Code::MalformedToken => "the token is not three segments joined by dots",
            Code::EncryptedToken => "the token is encrypted (JWE), which is not supported",
            Code::InvalidEncoding => "a segment of the token is not canonical base64url",
            Code::MalformedHeader => "the token's header is malformed",
            Code::MalformedClaims => "the token's payload is not a valid JSON object",
            Code::DuplicateMember => "the token has a JSON object with a duplicate member name",
            Code::UnsupportedCritical => "the token's header demands an extension that is not supported",
            Code::CompressedToken => "the token is compressed, which is not supported",
            Code::TypeNotAllowed => "the token's type is not accepted here",
            Code::UnsupportedAlgorithm => "the token's signature algorithm is not supported",
            Code::AlgorithmNotAllowed => "the token's signature algorithm is not allowed for its key",
            Code::UnknownKey => "no key is known that could verify the token",
            Code::KeyNotActive => "the token's key must not be used at this time",
            Code::InvalidSignature => "the token's signature is invalid",
            Code::IssuerMismatch => "the token's issuer is not accepted for its key",
            Code::AudienceMismatch => "the token is not meant for this audience",
            Code::Expired => "the token has expired",
            Code::NotYetValid => "the token is not valid yet",
            Code::IssuedInFuture => "the token claims to be issued in the future",
            Code::TooOld => "the token was issued too long ago",
            Code::MissingClaim => "the token lacks a required claim",
            Code::InvalidClaim => "a claim of the token has a wrong type or value",
            Code::TenantMismatch => "the token belongs to another tenant",
            Code::InsufficientScope => "the token does not grant what this request needs",
            Code::InsufficientAuthentication => "this request needs a stronger or more recent login",
            Code::ActorNotAllowed => "the token's delegation chain is not allowed",
            Code::Revoked => "the token has been revoked",
            Code::MaybeRevoked => "the token may have been revoked",
            Code::Stale => "the revocation state is too old to decide",
            Code::NotRevocable => "the token lacks a claim by which it could be revoked",
            Code::BindingRequired => "the token is bound to a holder and no proof was given",
            Code::BindingMismatch => "the proof of possession does not match the token",
            Code::InvalidProof => "the proof of possession is invalid",
            Code::ReplayedProof => "the proof of possession was used before",
            Code::NonceRequired => "the proof of possession must carry the server's nonce",
            Code::Inactive => "the token is not active",
            Code::IntrospectionRequired => "the token must be introspected first",
            Code::IntrospectionFailed => "the token could not be introspected",
            Code::InvalidArgument => "the caller gave an argument that cannot be used",
            Code::Internal => "the validator failed inside",
        }
    }

    /// The HTTP status that a gateway should answer with (RFC 6750 §3.1): 401, or 403 where another token
    /// of the same client might do no better without more rights, or 5xx where the token is not to blame.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Code::InsufficientScope | Code::TenantMismatch | Code::ActorNotAllowed => 403,
            Code::Stale | Code::IntrospectionRequired | Code::IntrospectionFailed => 503,
            Code::InvalidArgument | Code::Internal => 500,
            Code::TokenTooLarge
            | Code::MalformedToken
            | Code::EncryptedToken
            | Code::InvalidEncoding
            | Code::MalformedHeader
            | Code::MalformedClaims
            | Code::DuplicateMember
            | Code::UnsupportedCritical
            | Code::CompressedToken
            | Code::TypeNotAllowed
            | Code::UnsupportedAlgorithm
            | Code::AlgorithmNotAllowed
            | Code::UnknownKey
            | Code::KeyNotActive
            | Code::InvalidSignature
            | Code::IssuerMismatch
            | Code::AudienceMismatch
            | Code::Expired
            | Code::NotYetValid
            | Code::IssuedInFuture
            | Code::TooOld
            | Code::MissingClaim
            | Code::InvalidClaim
            | Code::InsufficientAuthentication
            | Code::Revoked
            | Code::MaybeRevoked
            | Code::NotRevocable
            | Code::BindingRequired
            | Code::BindingMismatch
            | Code::InvalidProof
            | Code::ReplayedProof
            | Code::NonceRequired
            | Code::Inactive => 401,
        }
    }

    /// The `error` parameter of the `WWW-Authenticate` challenge (RFC 6750 §3.1, RFC 9449 §7.1,
    /// RFC 9470 §3), or `None` where the answer carries no challenge (5xx).
    #[must_use]
    pub const fn challenge(self) -> Option<&'static str> {
        match self {
            Code::InsufficientScope | Code::TenantMismatch | Code::ActorNotAllowed => {
                Some("insufficient_scope")
            }
            Code::InsufficientAuthentication => Some("insufficient_user_authentication"),
            Code::InvalidProof | Code::ReplayedProof => Some("invalid_dpop_proof"),
            Code::NonceRequired => Some("use_dpop_nonce"),
            Code::Stale
            | Code::IntrospectionRequired
            | Code::IntrospectionFailed
            | Code::InvalidArgument
            | Code::Internal => None,
            Code::TokenTooLarge
            | Code::MalformedToken
            | Code::EncryptedToken
            | Code::InvalidEncoding
            | Code::MalformedHeader
            | Code::MalformedClaims
            | Code::DuplicateMember
            | Code::UnsupportedCritical
            | Code::CompressedToken
            | Code::TypeNotAllowed
            | Code::UnsupportedAlgorithm
            | Code::AlgorithmNotAllowed
            | Code::UnknownKey
            | Code::KeyNotActive
            | Code::InvalidSignature
            | Code::IssuerMismatch
            | Code::AudienceMismatch
            | Code::Expired
            | Code::NotYetValid
            | Code::IssuedInFuture
            | Code::TooOld
            | Code::MissingClaim
            | Code::InvalidClaim
            | Code::Revoked
            | Code::MaybeRevoked
            | Code::NotRevocable
            | Code::BindingRequired
            | Code::BindingMismatch
            | Code::Inactive => Some("invalid_token"),
        }
    }
}

impl Rejection {
    /// A refusal that is about no single claim.
    #[must_use]
    pub const fn new(code: Code, reason: Reason) -> Self {
        Rejection { code, claim: None, reason }
    }

    /// A refusal about the claim or header parameter `claim`.
    #[must_use]
    pub const fn of(code: Code, claim: &'static str, reason: Reason) -> Self {
        Rejection { code, claim: Some(claim), reason }
    }
}

impl Reason {
    /// The stable name, as in `--json` output and the bindings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reason::CheckFailed => "check_failed",
            Reason::Missing => "missing",
            Reason::WrongType => "wrong_type",
            Reason::OutOfRange => "out_of_range",
            Reason::Syntax => "syntax",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.message())?;
        if let Some(claim) = self.claim {
            write!(f, " (`{claim}`")?;
            match self.reason {
                Reason::CheckFailed => f.write_str(")"),
                Reason::Missing => f.write_str(" is missing)"),
                Reason::WrongType => f.write_str(" has the wrong JSON type)"),
                Reason::OutOfRange => f.write_str(" is out of range)"),
                Reason::Syntax => f.write_str(" is malformed)"),
            }?;
        }
        write!(f, " [{}]", self.code.name())
    }
}

impl core::error::Error for Rejection {}
