//! JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037 §2): key sets into checked key material.
//!
//! A key that cannot be used is skipped with its reason and never takes the others with it. The checks here
//! are on form and strength; `crypto` checks that a point lies on its curve.

use core::fmt;

use sha2::{Digest, Sha256};

use crate::codec::base64url;
use crate::codec::json::{JsonError, OwnedDocument, Value};
use crate::jose::algorithm::{Algorithm, KeyType};
use crate::limits::{
    MAX_JSON_BYTES, MAX_KID_BYTES, MAX_RSA_BITS, MAX_RSA_EXPONENT, MIN_RSA_BITS, MIN_RSA_EXPONENT,
};

/// A key, read from a JWK.
#[derive(Clone)]
pub struct Jwk {
    /// `kid` (RFC 7517 §4.5).
    pub kid: Option<String>,
    /// `alg` (§4.4): the only algorithm that the key may be used with.
    pub algorithm: Option<Algorithm>,
    /// The key itself.
    pub material: KeyMaterial,
}

/// The bytes of a key, by kind. Public, except for a shared secret.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyMaterial {
    /// An encoded Ed25519 point (RFC 8032 §5.1.2).
    Ed25519([u8; 32]),
    /// x and y on P-256, big-endian.
    P256([u8; 64]),
    /// x and y on P-384, big-endian.
    P384([u8; 96]),
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The public exponent.
        e: u64,
    },
    /// A shared secret.
    Oct(Vec<u8>),
}

/// Why one key of a set is not used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum KeyProblem {
    /// The entry is no JSON object.
    NotAnObject,
    /// A member is absent.
    Missing(&'static str),
    /// A member has the wrong type.
    WrongType(&'static str),
    /// A member is not canonical base64url, has leading zeros, or the wrong length.
    Encoding(&'static str),
    /// `kty` or `crv` is not supported.
    UnsupportedKeyType,
    /// `alg` is not supported, or does not fit `kty` and `crv`.
    UnsupportedAlgorithm,
    /// `use` or `key_ops` say that the key is not for verifying signatures.
    NotForVerification,
    /// It holds a private key: whoever published it must replace it.
    PrivateKey,
    /// The `kid` is longer than the limit.
    KidTooLong,
    /// The RSA modulus is smaller than 2048 bits (RFC 7518 §3.3) or larger than the limit, or even.
    RsaModulus,
    /// The RSA exponent is even, smaller than 65537 or larger than the limit.
    RsaExponent,
    /// The point is not on the curve, has small order, or is not canonically encoded.
    InvalidPoint,
    /// The shared secret is shorter than the hash output of its algorithm (RFC 7518 §3.2).
    SecretTooShort,
    /// The issuer's policy does not list an HMAC algorithm, or the set did not come from the operator.
    SecretNotAllowed,
    /// The issuer's policy allows none of the algorithms of this key.
    AlgorithmNotAllowed,
    /// The same key again, under the same `kid`.
    Duplicate,
    /// The issuer has as many keys as the limit allows.
    TooManyKeys,
}

/// One entry of a key set.
#[derive(Clone)]
pub struct SetEntry {
    /// Its `kid`, if it has a readable one, also where the key cannot be used.
    pub kid: Option<String>,
    /// The key, or why it cannot be used.
    pub key: Result<Jwk, KeyProblem>,
}

/// A key set as a whole that cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeySetError {
    /// It is not strict JSON.
    Json(JsonError),
    /// It is larger than [`MAX_JSON_BYTES`].
    TooLarge,
    /// It is no JSON object with an array `keys` (RFC 7517 §5).
    NotAKeySet,
    /// It is a single JWK where a set is needed.
    SingleKey,
}

/// Reads a JWK Set (RFC 7517 §5): one result per entry of `keys`, in order.
///
/// # Errors
/// [`KeySetError`] if the document as a whole is no key set; a bad key is no such error.
pub fn parse_set(json: &[u8]) -> Result<Vec<SetEntry>, KeySetError> {
    if json.len() > MAX_JSON_BYTES {
        return Err(KeySetError::TooLarge);
    }
    let document = OwnedDocument::parse(json).map_err(KeySetError::Json)?;
    parse_set_value(document.root())
}

/// Reads a JWK Set that stands inside another document, such as a policy.
///
/// # Errors
/// As [`parse_set`].
pub fn parse_set_value(root: Value<'_>) -> Result<Vec<SetEntry>, KeySetError> {
    let keys = match root.member("keys").and_then(|keys| keys.items()) {
        Some(keys) => keys,
        None if root.member("kty").is_some() => return Err(KeySetError::SingleKey),
        None => return Err(KeySetError::NotAKeySet),
    };
    let kid = |key: Value<'_>| {
        key.member("kid").and_then(Value::as_str).filter(|k| k.len() <= MAX_KID_BYTES).map(str::to_owned)
    };
    Ok(keys.map(|key| SetEntry { kid: kid(key), key: Jwk::read(key) }).collect())
}

/// The private members of RFC 7518 §6 and RFC 8037 §2.
pub(crate) const PRIVATE_MEMBERS: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth"];

impl Jwk {
    /// Reads one key.
    ///
    /// # Errors
    /// [`KeyProblem`] says why it cannot be used.
    pub fn read(key: Value<'_>) -> Result<Jwk, KeyProblem> {
        key.members().ok_or(KeyProblem::NotAnObject)?;
        let kid = optional_string(key, "kid")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
            return Err(KeyProblem::KidTooLong);
        }
        check_usage(key)?;
        let material = KeyMaterial::read(key)?;
        let algorithm = match optional_string(key, "alg")? {
            None => None,
            Some(name) => Some(
                Algorithm::from_name(name)
                    .filter(|a| a.key_type() == material.key_type())
                    .ok_or(KeyProblem::UnsupportedAlgorithm)?,
            ),
        };
        if let KeyMaterial::Oct(secret) = &material
            && secret.len() < algorithm.unwrap_or(Algorithm::Hs256).min_secret_bytes()
        {
            return Err(KeyProblem::SecretTooShort);
        }
        Ok(Jwk { kid: kid.map(str::to_owned), algorithm, material })
    }
}

impl KeyMaterial {
    /// The kind of key.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        match self {
            KeyMaterial::Ed25519(_) => KeyType::Ed25519,
            KeyMaterial::P256(_) => KeyType::P256,
            KeyMaterial::P384(_) => KeyType::P384,
            KeyMaterial::Rsa { .. } => KeyType::Rsa,
            KeyMaterial::Oct(_) => KeyType::Oct,
        }
    }

    /// The JWK thumbprint with SHA-256, base64url (RFC 7638 §3). That of a shared secret tells something about
    /// the secret (§7) and must stay as secret.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        // The members that §3.2 requires, in the order of their names. None needs an escape.
        let encoded = base64url::encode;
        let ec = |crv, point: &[u8]| {
            let (x, y) = point.split_at(point.len() / 2);
            format!(r#"{{"crv":"{crv}","kty":"EC","x":"{}","y":"{}"}}"#, encoded(x), encoded(y))
        };
        let members = match self {
            KeyMaterial::Ed25519(point) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encoded(point))
            }
            KeyMaterial::P256(point) => ec("P-256", point),
            KeyMaterial::P384(point) => ec("P-384", point),
            KeyMaterial::Rsa { n, e } => {
                let e: Vec<u8> = e.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encoded(&e), encoded(n))
            }
            KeyMaterial::Oct(secret) => format!(r#"{{"k":"{}","kty":"oct"}}"#, encoded(secret)),
        };
        base64url::encode(&Sha256::digest(members.as_bytes()))
    }

    fn read(key: Value<'_>) -> Result<KeyMaterial, KeyProblem> {
        let kty = required_string(key, "kty")?;
        let crv = optional_string(key, "crv")?;
        // `oct` is private by nature and checked by policy.
        if kty != "oct" && PRIVATE_MEMBERS.iter().any(|m| key.member(m).is_some()) {
            return Err(KeyProblem::PrivateKey);
        }
        match (kty, crv) {
            ("OKP", Some("Ed25519")) => Ok(KeyMaterial::Ed25519(fixed(key, "x")?)),
            ("EC", Some("P-256")) => Ok(KeyMaterial::P256(coordinates(key)?)),
            ("EC", Some("P-384")) => Ok(KeyMaterial::P384(coordinates(key)?)),
            ("RSA", _) => rsa(key),
            ("oct", _) => {
                let secret = bytes(key, "k")?;
                if secret.is_empty() { Err(KeyProblem::SecretTooShort) } else { Ok(KeyMaterial::Oct(secret)) }
            }
            ("OKP" | "EC", None) => Err(KeyProblem::Missing("crv")),
            _ => Err(KeyProblem::UnsupportedKeyType),
        }
    }
}

/// The secret and, for uniformity, every key stays out of debug output.
impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyMaterial::{:?}", self.key_type())
    }
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyProblem::NotAnObject => f.write_str("the entry is not a JSON object"),
            KeyProblem::Missing(name) => write!(f, "the member `{name}` is missing"),
            KeyProblem::WrongType(name) => write!(f, "the member `{name}` has the wrong JSON type"),
            KeyProblem::Encoding(name) => write!(
                f,
                "the member `{name}` is not canonical unpadded base64url of the right length without leading zeros"
            ),
            KeyProblem::UnsupportedKeyType => f.write_str(
                "`kty` and `crv` are not supported (OKP Ed25519, EC P-256 and P-384, RSA, oct are)",
            ),
            KeyProblem::UnsupportedAlgorithm => {
                f.write_str("`alg` is not supported or does not fit `kty` and `crv`")
            }
            KeyProblem::NotForVerification => {
                f.write_str("`use` or `key_ops` say that the key is not for verifying signatures")
            }
            KeyProblem::PrivateKey => {
                f.write_str("it holds a private key, which must be replaced and only its public part published")
            }
            KeyProblem::KidTooLong => write!(f, "`kid` is longer than {MAX_KID_BYTES} bytes"),
            KeyProblem::RsaModulus => {
                write!(f, "the RSA modulus is even or not between {MIN_RSA_BITS} and {MAX_RSA_BITS} bits")
            }
            KeyProblem::RsaExponent => write!(
                f,
                "the RSA exponent is even or not between {MIN_RSA_EXPONENT} and {MAX_RSA_EXPONENT}"
            ),
            KeyProblem::InvalidPoint => f.write_str(
                "the point is not on the curve, has small order or is not canonically encoded",
            ),
            KeyProblem::SecretTooShort => {
                f.write_str("the shared secret is shorter than the hash output of its algorithm (RFC 7518, 3.2)")
            }
            KeyProblem::SecretNotAllowed => f.write_str(
                "a shared secret is used only from the operator's own file and if `algorithms` lists an HMAC algorithm",
            ),
            KeyProblem::AlgorithmNotAllowed => {
                f.write_str("the issuer's `algorithms` allow none that fits this key")
            }
            KeyProblem::Duplicate => f.write_str("the same key stands in the set before, under the same `kid`"),
            KeyProblem::TooManyKeys => f.write_str("the issuer has as many keys as the limit allows"),
        }
    }
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySetError::Json(error) => error.fmt(f),
            KeySetError::TooLarge => write!(f, "the key set is larger than {MAX_JSON_BYTES} bytes"),
            KeySetError::NotAKeySet => f.write_str("not a JWK Set: no array `keys` (RFC 7517, 5)"),
            KeySetError::SingleKey => {
                f.write_str("a single JWK where a set is needed: write {\"keys\":[...]} around it")
            }
        }
    }
}

impl core::error::Error for KeyProblem {}
impl core::error::Error for KeySetError {}

/// `use` and `key_ops` (RFC 7517 §4.2, §4.3): where present, both must allow verification.
fn check_usage(key: Value<'_>) -> Result<(), KeyProblem> {
    if optional_string(key, "use")?.is_some_and(|usage| usage != "sig") {
        return Err(KeyProblem::NotForVerification);
    }
    let Some(operations) = key.member("key_ops") else { return Ok(()) };
    let mut verifies = false;
    for operation in operations.items().ok_or(KeyProblem::WrongType("key_ops"))? {
        verifies |= operation.as_str().ok_or(KeyProblem::WrongType("key_ops"))? == "verify";
    }
    if verifies { Ok(()) } else { Err(KeyProblem::NotForVerification) }
}

fn rsa(key: Value<'_>) -> Result<KeyMaterial, KeyProblem> {
    let n = bytes(key, "n")?;
    let e = bytes(key, "e")?;
    // Base64urlUInt: the fewest octets that hold the value (RFC 7518 §2).
    let (Some(n_first), Some(n_last)) = (n.first(), n.last()) else { return Err(KeyProblem::Encoding("n")) };
    if *n_first == 0 {
        return Err(KeyProblem::Encoding("n"));
    }
    if e.first().is_none_or(|first| *first == 0) {
        return Err(KeyProblem::Encoding("e"));
    }
    let bits = n.len() * 8 - n_first.leading_zeros() as usize;
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) || n_last % 2 == 0 {
        return Err(KeyProblem::RsaModulus);
    }
    if e.len() > size_of::<u64>() {
        return Err(KeyProblem::RsaExponent);
    }
    let e = e.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    if e % 2 == 0 || !(MIN_RSA_EXPONENT..=MAX_RSA_EXPONENT).contains(&e) {
        return Err(KeyProblem::RsaExponent);
    }
    Ok(KeyMaterial::Rsa { n, e })
}

/// x and y of an EC key, each with the full length of the curve's field (RFC 7518 §6.2.1.2).
fn coordinates<const N: usize>(key: Value<'_>) -> Result<[u8; N], KeyProblem> {
    let mut point = [0; N];
    let (x, y) = point.split_at_mut(N / 2);
    for (name, half) in [("x", x), ("y", y)] {
        let coordinate = bytes(key, name)?;
        if coordinate.len() != half.len() {
            return Err(KeyProblem::Encoding(name));
        }
        half.copy_from_slice(&coordinate);
    }
    Ok(point)
}

fn fixed<const N: usize>(key: Value<'_>, name: &'static str) -> Result<[u8; N], KeyProblem> {
    bytes(key, name)?.try_into().map_err(|_| KeyProblem::Encoding(name))
}

fn bytes(key: Value<'_>, name: &'static str) -> Result<Vec<u8>, KeyProblem> {
    base64url::decode_to_vec(required_string(key, name)?.as_bytes()).map_err(|_| KeyProblem::Encoding(name))
}

fn required_string<'a>(key: Value<'a>, name: &'static str) -> Result<&'a str, KeyProblem> {
    optional_string(key, name)?.ok_or(KeyProblem::Missing(name))
}

fn optional_string<'a>(key: Value<'a>, name: &'static str) -> Result<Option<&'a str>, KeyProblem> {
    match key.member(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(KeyProblem::WrongType(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> Option<KeyProblem> {
        let document = OwnedDocument::parse(json.as_bytes()).expect("JSON");
        Jwk::read(document.root()).err()
    }

    /// RFC 8037 appendix A.2.
    const OKP: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;

    #[test]
    fn usage_and_algorithm_are_respected() {
        assert_eq!(problem(&format!("{{{OKP}}}")), None);
        assert_eq!(
            problem(&format!("{{{OKP},\"use\":\"sig\",\"key_ops\":[\"verify\"],\"alg\":\"EdDSA\"}}")),
            None
        );
        for (extra, expected) in [
            (r#""use":"enc""#, KeyProblem::NotForVerification),
            (r#""use":1"#, KeyProblem::WrongType("use")),
            (r#""key_ops":["sign"]"#, KeyProblem::NotForVerification),
            (r#""key_ops":[]"#, KeyProblem::NotForVerification),
            (r#""key_ops":"verify""#, KeyProblem::WrongType("key_ops")),
            (r#""key_ops":[1]"#, KeyProblem::WrongType("key_ops")),
            (r#""use":"enc","key_ops":["verify"]"#, KeyProblem::NotForVerification),
            (r#""alg":"ES256""#, KeyProblem::UnsupportedAlgorithm),
            (r#""alg":"none""#, KeyProblem::UnsupportedAlgorithm),
            (r#""alg":7"#, KeyProblem::WrongType("alg")),
            (r#""kid":7"#, KeyProblem::WrongType("kid")),
            (r#""d":"AA""#, KeyProblem::PrivateKey),
        ] {
            assert_eq!(problem(&format!("{{{OKP},{extra}}}")), Some(expected), "{extra}");
        }
        let long = format!("{{{OKP},\"kid\":\"{}\"}}", "k".repeat(MAX_KID_BYTES + 1));
        assert_eq!(problem(&long), Some(KeyProblem::KidTooLong));
    }

    #[test]
    fn malformed_keys_have_their_reasons() {
        let n = base64url::encode(&[0xc1; 256]);
        let even = base64url::encode(&[0xc2; 256]);
        let short = base64url::encode(&[0x7f; 256]);
        let padded = base64url::encode(&[&[0][..], &[0xc1; 256]].concat());
        for (json, expected) in [
            ("[]".to_owned(), KeyProblem::NotAnObject),
            ("{}".to_owned(), KeyProblem::Missing("kty")),
            (r#"{"kty":1}"#.to_owned(), KeyProblem::WrongType("kty")),
            (r#"{"kty":"OKP"}"#.to_owned(), KeyProblem::Missing("crv")),
            (r#"{"kty":"OKP","crv":"Ed448","x":"AA"}"#.to_owned(), KeyProblem::UnsupportedKeyType),
            (r#"{"kty":"OKP","crv":"Ed25519"}"#.to_owned(), KeyProblem::Missing("x")),
            (r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.to_owned(), KeyProblem::Encoding("x")),
            (r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#.to_owned(), KeyProblem::Encoding("x")),
            (r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#.to_owned(), KeyProblem::UnsupportedKeyType),
            (
                r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#.to_owned(),
                KeyProblem::UnsupportedKeyType,
            ),
            (r#"{"kty":"RSA","n":"wQ","e":"AQAB"}"#.to_owned(), KeyProblem::RsaModulus),
            (format!(r#"{{"kty":"RSA","n":"{short}","e":"AQAB"}}"#), KeyProblem::RsaModulus),
            (format!(r#"{{"kty":"RSA","n":"{even}","e":"AQAB"}}"#), KeyProblem::RsaModulus),
            (format!(r#"{{"kty":"RSA","n":"{padded}","e":"AQAB"}}"#), KeyProblem::Encoding("n")),
            (format!(r#"{{"kty":"RSA","n":"{n}","e":"AAEAAQ"}}"#), KeyProblem::Encoding("e")),
            (format!(r#"{{"kty":"RSA","n":"{n}","e":""}}"#), KeyProblem::Encoding("e")),
            (format!(r#"{{"kty":"RSA","n":"{n}","e":"AQ"}}"#), KeyProblem::RsaExponent),
            (format!(r#"{{"kty":"RSA","n":"{n}","e":"Aw"}}"#), KeyProblem::RsaExponent),
            (format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAA"}}"#), KeyProblem::RsaExponent),
            (format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAAAAAB"}}"#), KeyProblem::RsaExponent),
            (format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAAAAAAAAAB"}}"#), KeyProblem::RsaExponent),
            (r#"{"kty":"oct","k":""}"#.to_owned(), KeyProblem::SecretTooShort),
            (r#"{"kty":"oct","k":"c2hvcnQ"}"#.to_owned(), KeyProblem::SecretTooShort),
            (r#"{"kty":"oct","k":"a b"}"#.to_owned(), KeyProblem::Encoding("k")),
        ] {
            assert_eq!(problem(&json), Some(expected), "{json}");
        }
        assert_eq!(problem(&format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"}}"#)), None);
    }

    /// RFC 7638 §3.1 and RFC 8037 appendix A.3.
    #[test]
    fn thumbprints_of_the_rfcs() {
        let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
        for (json, expected) in [
            (rsa.to_owned(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
            (format!("{{{OKP}}}"), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
        ] {
            let document = OwnedDocument::parse(json.as_bytes()).expect("JSON");
            let key = Jwk::read(document.root()).expect("the RFC's key");
            assert_eq!(key.material.thumbprint(), expected);
        }
    }

    #[test]
    fn a_bad_key_never_drops_the_good_ones() {
        let set = format!(
            r#"{{"keys":[{{"kty":"EC"}},{{{OKP},"kid":"good"}},7,{{{OKP},"use":"enc","kid":"e"}}]}}"#
        );
        let keys = parse_set(set.as_bytes()).expect("a set");
        let kids: Vec<_> = keys.iter().map(|entry| (entry.kid.as_deref(), entry.key.is_ok())).collect();
        assert_eq!(kids, [(None, false), (Some("good"), true), (None, false), (Some("e"), false)]);
    }

    #[test]
    fn a_document_that_is_no_set_is_refused_as_a_whole() {
        for (json, expected) in [
            ("<html>", KeySetError::Json(JsonError::Syntax { offset: 0 })),
            ("[]", KeySetError::NotAKeySet),
            ("{}", KeySetError::NotAKeySet),
            (r#"{"keys":{}}"#, KeySetError::NotAKeySet),
            (r#"{"kty":"oct","k":"AA"}"#, KeySetError::SingleKey),
            (r#"{"keys":[],"keys":[]}"#, KeySetError::Json(JsonError::DuplicateMember)),
        ] {
            assert_eq!(parse_set(json.as_bytes()).err(), Some(expected), "{json}");
        }
        assert_eq!(parse_set(&vec![b' '; MAX_JSON_BYTES + 1]).err(), Some(KeySetError::TooLarge));
    }
}
