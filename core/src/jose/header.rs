//! The protected header (RFC 7515 §4), read from a scanned JSON document.
//!
//! Only `alg`, `kid` and `typ` are used. Keys and key locations in a token (`jwk`, `jku`, `x5u`, `x5c`) are
//! never fetched and never trusted: they are not even read.

use crate::codec::json::{Document, Value};
use crate::error::{Code, Reason, Rejection};
use crate::jose::algorithm::Algorithm;

/// What the validator needs from a protected header.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    /// The signature algorithm that the token claims. The key decides whether that is allowed.
    pub algorithm: Algorithm,
    /// The key id (§4.1.4).
    pub kid: Option<&'a str>,
    /// The media type of the whole token (§4.1.9), as written.
    pub typ: Option<&'a str>,
}

/// Where the parameters that are used stand in a header. Belongs to one scanned document; plain data, so that
/// it can be kept beside it.
#[derive(Clone, Copy)]
pub struct Parameters {
    algorithm: Algorithm,
    kid: Option<usize>,
    typ: Option<usize>,
}

impl Parameters {
    /// Finds the parameters among the members of the header, and checks all that must be checked.
    ///
    /// # Errors
    /// [`Code::MalformedHeader`] if it is no object or a member has the wrong type,
    /// [`Code::UnsupportedCritical`] for any `crit` and for `b64` (RFC 7797): no extension is understood,
    /// [`Code::CompressedToken`] for `zip`, [`Code::UnsupportedAlgorithm`] for an `alg` outside the table.
    pub fn locate(header: Value<'_>) -> Result<Parameters, Rejection> {
        let malformed = |name, reason| Rejection::of(Code::MalformedHeader, name, reason);
        let members = header.members().ok_or(Rejection::new(Code::MalformedHeader, Reason::WrongType))?;
        let (mut alg, mut kid, mut typ) = (None, None, None);
        // The first such member counts, so that the code does not depend on what else the header holds.
        let mut refused = None;
        for (name, value) in members {
            let string = |name| value.as_str().ok_or(malformed(name, Reason::WrongType));
            match name {
                "alg" => alg = Some(string("alg")?),
                "kid" => kid = string("kid").map(|_| Some(value.index()))?,
                "typ" => typ = string("typ").map(|_| Some(value.index()))?,
                "crit" => {
                    let reason = crit_reason(value);
                    refused.get_or_insert(Rejection::of(Code::UnsupportedCritical, "crit", reason));
                }
                // RFC 7797 §6: without `crit` a reader that does not know `b64` would go on and misread it.
                "b64" if value.as_bool() != Some(true) => {
                    let rejection = Rejection::of(Code::UnsupportedCritical, "b64", Reason::CheckFailed);
                    refused.get_or_insert(rejection);
                }
                "zip" => {
                    let rejection = Rejection::of(Code::CompressedToken, "zip", Reason::CheckFailed);
                    refused.get_or_insert(rejection);
                }
                _ => {}
            }
        }
        if let Some(rejection) = refused {
            return Err(rejection);
        }
        let alg = alg.ok_or(malformed("alg", Reason::Missing))?;
        let algorithm = Algorithm::from_name(alg).ok_or(Rejection::of(
            Code::UnsupportedAlgorithm,
            "alg",
            Reason::CheckFailed,
        ))?;
        Ok(Parameters { algorithm, kid, typ })
    }
}

impl<'a> Header<'a> {
    /// The header in a document, where `parameters` were located in that same document.
    #[must_use]
    pub fn new(document: Document<'a>, parameters: Parameters) -> Header<'a> {
        let string = |index: Option<usize>| Value::at_index(document, index?).as_str();
        Header { algorithm: parameters.algorithm, kid: string(parameters.kid), typ: string(parameters.typ) }
    }
}

/// `crit` must be a non-empty array of strings (§4.1.11); a well-formed one names what is not understood.
fn crit_reason(value: Value<'_>) -> Reason {
    match value.items() {
        None => Reason::WrongType,
        Some(items) if items.len() == 0 => Reason::Syntax,
        Some(mut items) => {
            if items.all(|name| name.as_str().is_some()) {
                Reason::CheckFailed
            } else {
                Reason::WrongType
            }
        }
    }
}

/// Whether two media types are the same (RFC 7515 §4.1.9): case does not count, and a type without a slash
/// stands for `application/` and itself.
#[must_use]
pub fn same_media_type(a: &str, b: &str) -> bool {
    fn short(media_type: &str) -> &str {
        const PREFIX: &str = "application/";
        match media_type.split_at_checked(PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => rest,
            _ => media_type,
        }
    }
    short(a).eq_ignore_ascii_case(short(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::Buffer;

    fn scanned(json: &[u8]) -> Buffer {
        let mut buffer = Buffer::with_capacity(json.len(), json.len());
        buffer.room(json.len()).expect("room").copy_from_slice(json);
        buffer.scan(json.len()).expect("JSON");
        buffer
    }

    fn code(json: &str) -> Option<(Code, Option<&'static str>, Reason)> {
        Parameters::locate(scanned(json.as_bytes()).document().root())
            .err()
            .map(|r| (r.code, r.claim, r.reason))
    }

    #[test]
    fn the_three_members_are_read_and_keys_in_tokens_ignored() {
        let json = br#"{"typ":"at+jwt","alg":"Ed25519","kid":"a","jku":"https://evil.example","jwk":{},"x5c":[],"b64":true}"#;
        let buffer = scanned(json);
        let parameters = Parameters::locate(buffer.document().root()).expect("header");
        let header = Header::new(buffer.document(), parameters);
        assert_eq!(header.algorithm, Algorithm::EdDsa);
        assert_eq!((header.kid, header.typ), (Some("a"), Some("at+jwt")));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        use Code::{CompressedToken, MalformedHeader, UnsupportedAlgorithm, UnsupportedCritical};
        for (json, expected) in [
            ("[]", (MalformedHeader, None, Reason::WrongType)),
            ("{}", (MalformedHeader, Some("alg"), Reason::Missing)),
            (r#"{"alg":null}"#, (MalformedHeader, Some("alg"), Reason::WrongType)),
            (r#"{"alg":["ES256"]}"#, (MalformedHeader, Some("alg"), Reason::WrongType)),
            (r#"{"alg":"none"}"#, (UnsupportedAlgorithm, Some("alg"), Reason::CheckFailed)),
            (r#"{"alg":"ES256","kid":7}"#, (MalformedHeader, Some("kid"), Reason::WrongType)),
            (r#"{"alg":"ES256","typ":{}}"#, (MalformedHeader, Some("typ"), Reason::WrongType)),
            (r#"{"alg":"ES256","crit":["exp"]}"#, (UnsupportedCritical, Some("crit"), Reason::CheckFailed)),
            (r#"{"alg":"ES256","crit":[]}"#, (UnsupportedCritical, Some("crit"), Reason::Syntax)),
            (r#"{"alg":"ES256","crit":"b64"}"#, (UnsupportedCritical, Some("crit"), Reason::WrongType)),
            (r#"{"alg":"ES256","crit":[1]}"#, (UnsupportedCritical, Some("crit"), Reason::WrongType)),
            (r#"{"alg":"ES256","b64":false}"#, (UnsupportedCritical, Some("b64"), Reason::CheckFailed)),
            (r#"{"alg":"ES256","zip":"DEF"}"#, (CompressedToken, Some("zip"), Reason::CheckFailed)),
            (r#"{"zip":"DEF","crit":[]}"#, (CompressedToken, Some("zip"), Reason::CheckFailed)),
            (r#"{"crit":[],"zip":"DEF"}"#, (UnsupportedCritical, Some("crit"), Reason::Syntax)),
            (r#"{"crit":[],"zip":"DEF","alg":7}"#, (MalformedHeader, Some("alg"), Reason::WrongType)),
        ] {
            assert_eq!(code(json), Some(expected), "{json}");
        }
    }

    #[test]
    fn media_types_compare_as_rfc_7515_says() {
        assert!(same_media_type("JWT", "jwt"));
        assert!(same_media_type("application/at+jwt", "AT+JWT"));
        assert!(same_media_type("Application/AT+jwt", "at+jwt"));
        assert!(!same_media_type("text/at+jwt", "at+jwt"));
        assert!(!same_media_type("application/a/b", "a/b"));
        assert!(!same_media_type("at+jwt", "jwt"));
        assert!(!same_media_type("", "jwt"));
    }
}
