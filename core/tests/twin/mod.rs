//! The obvious twin of the whole verification: docs/token-spec.md from top to bottom, with the slow codecs, an
//! owned tree, and the signature crates called directly. Shares no code with the verifier but the policy as data
//! and the names of the codes.

use libtoken::codec::base64url;
use libtoken::codec::json::slow::{Tree, parse};
use libtoken::error::Code;
use libtoken::limits::{
    MAX_CLAIM_NODES, MAX_HEADER_BYTES, MAX_KEY_CANDIDATES, MAX_NUMBER_BYTES, MAX_NUMERIC_DATE,
    MAX_OBJECT_MEMBERS, MAX_SIGNATURE_BYTES,
};
use libtoken::verify::{AudienceRule, IssuerPolicy, Policy, Profile};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A key of the twin.
pub(crate) struct TwinKey {
    pub(crate) issuer: String,
    pub(crate) kid: Option<String>,
    /// Registered names of the algorithms it may verify.
    pub(crate) algorithms: Vec<&'static str>,
    pub(crate) public: Public,
}

/// A public key or secret, by the crate that uses it.
pub(crate) enum Public {
    Ed25519(ed25519_dalek::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Rsa(rsa::RsaPublicKey),
    Oct(Vec<u8>),
}

/// What a request expects.
#[derive(Clone, Default, Debug)]
pub(crate) struct TwinRequest {
    pub(crate) audience: Option<String>,
    pub(crate) tenant: Option<String>,
}

/// The twin's refusal. Bad JSON has two codes, and which one comes first is a matter of where a reader looks
/// first, so the twin only says that it is bad.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    Is(Code, Option<&'static str>),
    BadJson(&'static str),
}

impl Refusal {
    /// Whether the verifier's refusal is this one.
    pub(crate) fn agrees(self, code: Code, claim: Option<&'static str>) -> bool {
        match self {
            Refusal::Is(own, own_claim) => own == code && own_claim == claim,
            Refusal::BadJson("header") => {
                matches!(
                    (code, claim),
                    (Code::MalformedHeader, None) | (Code::DuplicateMember, Some("header"))
                )
            }
            Refusal::BadJson(_) => {
                matches!(
                    (code, claim),
                    (Code::MalformedClaims, None) | (Code::DuplicateMember, Some("payload"))
                )
            }
        }
    }
}

type Verdict<T> = Result<T, Refusal>;

fn no<T>(code: Code, claim: &'static str) -> Verdict<T> {
    Err(Refusal::Is(code, Some(claim)))
}

fn plain<T>(code: Code) -> Verdict<T> {
    Err(Refusal::Is(code, None))
}

/// The rules, in their order. Returns the payload.
pub(crate) fn verify(
    policy: &Policy,
    keys: &[TwinKey],
    token: &[u8],
    request: &TwinRequest,
    now: i64,
) -> Verdict<Tree> {
    if token.len() > policy.max_token_bytes() {
        return plain(Code::TokenTooLarge);
    }
    let segments: Vec<&[u8]> = token.split(|b| *b == b'.').collect();
    if segments.len() == 5 {
        return plain(Code::EncryptedToken);
    }
    if segments.len() != 3 || segments.iter().any(|s| s.is_empty()) {
        return plain(Code::MalformedToken);
    }
    if segments[0].len() > MAX_HEADER_BYTES {
        return plain(Code::MalformedHeader);
    }
    let header = header(segments[0])?;
    // The most bytes that so many characters can stand for.
    if segments[2].len() * 3 / 4 > MAX_SIGNATURE_BYTES {
        return plain(Code::InvalidSignature);
    }
    let Ok(signature) = base64url::slow::decode(segments[2]) else {
        return no(Code::InvalidEncoding, "signature");
    };
    let message = [segments[0], b".", segments[1]].concat();

    let nodes = MAX_CLAIM_NODES.min(policy.max_token_bytes());
    let issuer = if let [only] = policy.issuers() {
        only
    } else {
        let claims = payload(segments[1], nodes)?;
        match member(&claims, "iss") {
            None => return no(Code::MissingClaim, "iss"),
            Some(iss) => match policy.issuers().iter().find(|i| Tree::String(i.issuer.clone()) == *iss) {
                Some(issuer) => issuer,
                None => return no(Code::IssuerMismatch, "iss"),
            },
        }
    };
    signed(keys, &issuer.issuer, &header, &message, &signature)?;
    let claims = payload(segments[1], nodes)?;
    checks(issuer, &header, &claims, request, now)?;
    Ok(claims)
}

struct Header {
    alg: &'static str,
    kid: Option<String>,
    typ: Option<String>,
}

/// Each registered name and what it means.
const ALGORITHMS: [(&str, &str); 13] = [
    ("EdDSA", "EdDSA"),
    ("Ed25519", "EdDSA"),
    ("ES256", "ES256"),
    ("ES384", "ES384"),
    ("RS256", "RS256"),
    ("RS384", "RS384"),
    ("RS512", "RS512"),
    ("PS256", "PS256"),
    ("PS384", "PS384"),
    ("PS512", "PS512"),
    ("HS256", "HS256"),
    ("HS384", "HS384"),
    ("HS512", "HS512"),
];

/// Values that a header may have.
const HEADER_NODES: usize = 256;

fn header(segment: &[u8]) -> Verdict<Header> {
    let Ok(json) = base64url::slow::decode(segment) else { return no(Code::InvalidEncoding, "header") };
    let tree = document(&json, HEADER_NODES).ok_or(Refusal::BadJson("header"))?;
    let Tree::Object(members) = tree else { return plain(Code::MalformedHeader) };
    for (name, value) in &members {
        for text in ["alg", "kid", "typ"] {
            if name == text && !matches!(value, Tree::String(_)) {
                return no(Code::MalformedHeader, text);
            }
        }
    }
    for (name, value) in &members {
        match name.as_str() {
            "crit" => return no(Code::UnsupportedCritical, "crit"),
            "b64" if *value != Tree::Bool(true) => return no(Code::UnsupportedCritical, "b64"),
            "zip" => return no(Code::CompressedToken, "zip"),
            _ => {}
        }
    }
    let text = |wanted: &str| {
        members.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| match value {
            Tree::String(text) => Some(text.clone()),
            _ => None,
        })
    };
    let Some(alg) = text("alg") else { return no(Code::MalformedHeader, "alg") };
    match ALGORITHMS.iter().find(|(name, _)| *name == alg) {
        Some((_, alg)) => Ok(Header { alg, kid: text("kid"), typ: text("typ") }),
        None => no(Code::UnsupportedAlgorithm, "alg"),
    }
}

fn payload(segment: &[u8], nodes: usize) -> Verdict<Tree> {
    let Ok(json) = base64url::slow::decode(segment) else { return no(Code::InvalidEncoding, "payload") };
    let tree = document(&json, nodes).ok_or(Refusal::BadJson("payload"))?;
    let Tree::Object(members) = &tree else { return plain(Code::MalformedClaims) };
    for (name, value) in members {
        let (good, claim) = match name.as_str() {
            "iss" => (matches!(value, Tree::String(_)), "iss"),
            "sub" => (matches!(value, Tree::String(_)), "sub"),
            "jti" => (matches!(value, Tree::String(_)), "jti"),
            "aud" => (audiences(value).is_some(), "aud"),
            "exp" => (date(value).is_some(), "exp"),
            "nbf" => (date(value).is_some(), "nbf"),
            "iat" => (date(value).is_some(), "iat"),
            _ => (true, ""),
        };
        if !good {
            return no(Code::InvalidClaim, claim);
        }
    }
    Ok(tree)
}

/// A document within the limits.
fn document(json: &[u8], nodes: usize) -> Option<Tree> {
    fn count(tree: &Tree) -> Option<usize> {
        match tree {
            Tree::Array(items) => items.iter().try_fold(1, |sum, item| Some(sum + count(item)?)),
            Tree::Object(members) if members.len() > MAX_OBJECT_MEMBERS => None,
            Tree::Object(members) => {
                members.iter().try_fold(1, |sum, (_, value)| Some(sum + 1 + count(value)?))
            }
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => Some(1),
        }
    }
    parse(json).filter(|tree| count(tree).is_some_and(|count| count <= nodes))
}

/// The key selection rule.
fn signed(keys: &[TwinKey], issuer: &str, header: &Header, message: &[u8], signature: &[u8]) -> Verdict<()> {
    let own: Vec<&TwinKey> = keys.iter().filter(|k| k.issuer == issuer).collect();
    let candidates: Vec<&TwinKey> = match &header.kid {
        None => own,
        Some(kid) => {
            let named: Vec<&TwinKey> = own.iter().copied().filter(|k| k.kid.as_ref() == Some(kid)).collect();
            if named.is_empty() { own.into_iter().filter(|k| k.kid.is_none()).collect() } else { named }
        }
    };
    if candidates.is_empty() {
        return no(Code::UnknownKey, "kid");
    }
    let allowed: Vec<&TwinKey> =
        candidates.into_iter().filter(|k| k.algorithms.contains(&header.alg)).collect();
    if allowed.is_empty() {
        return no(Code::AlgorithmNotAllowed, "alg");
    }
    if allowed.iter().take(MAX_KEY_CANDIDATES).any(|k| k.public.verifies(header.alg, message, signature)) {
        return Ok(());
    }
    if allowed.len() > MAX_KEY_CANDIDATES {
        no(Code::UnknownKey, "kid")
    } else {
        plain(Code::InvalidSignature)
    }
}

impl Public {
    fn verifies(&self, alg: &str, message: &[u8], signature: &[u8]) -> bool {
        use hmac::{Hmac, KeyInit, Mac};
        use p256::ecdsa::signature::Verifier;
        use rsa::{Pkcs1v15Sign, Pss};
        match (self, alg) {
            (Public::Ed25519(key), "EdDSA") => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            (Public::P256(key), "ES256") => {
                p256::ecdsa::Signature::from_slice(signature).is_ok_and(|s| key.verify(message, &s).is_ok())
            }
            (Public::P384(key), "ES384") => {
                p384::ecdsa::Signature::from_slice(signature).is_ok_and(|s| key.verify(message, &s).is_ok())
            }
            (Public::Rsa(key), "RS256") => {
                key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature).is_ok()
            }
            (Public::Rsa(key), "RS384") => {
                key.verify(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message), signature).is_ok()
            }
            (Public::Rsa(key), "RS512") => {
                key.verify(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message), signature).is_ok()
            }
            (Public::Rsa(key), "PS256") => {
                key.verify(Pss::<Sha256>::new(), &Sha256::digest(message), signature).is_ok()
            }
            (Public::Rsa(key), "PS384") => {
                key.verify(Pss::<Sha384>::new(), &Sha384::digest(message), signature).is_ok()
            }
            (Public::Rsa(key), "PS512") => {
                key.verify(Pss::<Sha512>::new(), &Sha512::digest(message), signature).is_ok()
            }
            (Public::Oct(key), "HS256") => Hmac::<Sha256>::new_from_slice(key)
                .is_ok_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok()),
            (Public::Oct(key), "HS384") => Hmac::<Sha384>::new_from_slice(key)
                .is_ok_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok()),
            (Public::Oct(key), "HS512") => Hmac::<Sha512>::new_from_slice(key)
                .is_ok_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok()),
            _ => panic!("a key with an algorithm that does not fit it"),
        }
    }
}

/// Claims and policy.
fn checks(
    policy: &IssuerPolicy,
    header: &Header,
    claims: &Tree,
    request: &TwinRequest,
    now: i64,
) -> Verdict<()> {
    let now = i128::from(now);
    let leeway = i128::from(policy.leeway_seconds);
    match member(claims, "iss") {
        None => return no(Code::MissingClaim, "iss"),
        Some(iss) if *iss != Tree::String(policy.issuer.clone()) => return no(Code::IssuerMismatch, "iss"),
        Some(_) => {}
    }
    let named = member(claims, "aud").and_then(audiences).unwrap_or_default();
    if let AudienceRule::AnyOf(accepted) = &policy.audiences
        && !accepted.iter().any(|a| named.contains(a))
    {
        return no(Code::AudienceMismatch, "aud");
    }
    if request.audience.as_ref().is_some_and(|wanted| !named.contains(wanted)) {
        return no(Code::AudienceMismatch, "aud");
    }
    match member(claims, "exp").and_then(date) {
        None if policy.require_exp => return no(Code::MissingClaim, "exp"),
        Some(exp) if !exp.is_after(now - leeway) => return no(Code::Expired, "exp"),
        _ => {}
    }
    if member(claims, "nbf").and_then(date).is_some_and(|nbf| nbf.is_after(now + leeway)) {
        return no(Code::NotYetValid, "nbf");
    }
    match (member(claims, "iat").and_then(date), policy.max_age_seconds) {
        (None, Some(_)) => return no(Code::MissingClaim, "iat"),
        (None, None) => {}
        (Some(iat), age) => {
            if iat.is_after(now + leeway) {
                return no(Code::IssuedInFuture, "iat");
            }
            if age.is_some_and(|age| now - iat.floor() > i128::from(age) + leeway) {
                return no(Code::TooOld, "iat");
            }
        }
    }
    let profile_types: &[&str] = match policy.profile {
        Profile::Jwt => &["jwt", "at+jwt"],
        Profile::AccessToken => &["at+jwt"],
        Profile::LogoutToken => &["logout+jwt"],
        Profile::SecurityEvent => &["secevent+jwt"],
    };
    let type_accepted = match &header.typ {
        None => policy.allow_missing_type.unwrap_or(policy.profile == Profile::Jwt),
        Some(typ) => {
            let typ = short_type(typ);
            profile_types.contains(&typ.as_str()) || policy.types.iter().any(|t| short_type(t) == typ)
        }
    };
    if !type_accepted {
        return no(Code::TypeNotAllowed, "typ");
    }
    let profile_claims: &[&str] = match policy.profile {
        Profile::Jwt => &[],
        Profile::AccessToken => &["exp", "aud", "sub", "client_id", "iat", "jti"],
        Profile::LogoutToken => &["exp", "aud", "iat", "jti", "events"],
        Profile::SecurityEvent => &["iat", "jti", "events"],
    };
    for name in profile_claims {
        if matches!(member(claims, name), None | Some(Tree::Null)) {
            return no(Code::MissingClaim, name);
        }
    }
    for required in &policy.required_claims {
        if matches!(follow(claims, required.0.steps()), None | Some(Tree::Null)) {
            return no(Code::MissingClaim, required.0.text());
        }
    }
    if let Some(wanted) = &request.tenant {
        let Some(path) = &policy.tenant_claim else { return plain(Code::TenantMismatch) };
        match follow(claims, path.steps()) {
            None => return no(Code::TenantMismatch, path.text()),
            Some(Tree::String(tenant)) if tenant == wanted => {}
            Some(Tree::String(_)) => return no(Code::TenantMismatch, path.text()),
            Some(_) => return no(Code::InvalidClaim, path.text()),
        }
    }
    Ok(())
}

/// A media type in small letters, without `application/` where nothing but that precedes the subtype.
fn short_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/") {
        Some(rest) if !rest.contains('/') => rest.to_owned(),
        _ => typ,
    }
}

fn member<'t>(tree: &'t Tree, wanted: &str) -> Option<&'t Tree> {
    match tree {
        Tree::Object(members) => members.iter().find(|(name, _)| name == wanted).map(|(_, value)| value),
        _ => None,
    }
}

fn follow(tree: &Tree, steps: impl Iterator<Item = &'static str>) -> Option<&Tree> {
    let mut at = tree;
    for step in steps {
        at = match at {
            Tree::Object(_) => member(at, step)?,
            Tree::Array(items) => {
                let index: usize = step.parse().ok()?;
                // Only the plain decimal spelling is an index (RFC 6901 §4).
                if index.to_string() != step {
                    return None;
                }
                items.get(index)?
            }
            _ => return None,
        };
    }
    Some(at)
}

fn audiences(value: &Tree) -> Option<Vec<String>> {
    let text = |value: &Tree| match value {
        Tree::String(text) => Some(text.clone()),
        _ => None,
    };
    match value {
        Tree::Array(items) => items.iter().map(text).collect(),
        one => text(one).map(|one| vec![one]),
    }
}

/// A time: the whole seconds towards zero, whether a fraction follows, and the sign.
#[derive(Clone, Copy)]
struct Date {
    whole: i128,
    fraction: bool,
    negative: bool,
}

impl Date {
    fn floor(self) -> i128 {
        if self.negative { -self.whole - i128::from(self.fraction) } else { self.whole }
    }

    /// Whether the time lies after a whole second.
    fn is_after(self, second: i128) -> bool {
        self.floor() > second || (self.floor() == second && self.fraction)
    }
}

/// Writes the number out in decimal and reads the digits before and after the point.
fn date(value: &Tree) -> Option<Date> {
    let Tree::Number(text) = value else { return None };
    if text.len() > MAX_NUMBER_BYTES {
        return None;
    }
    let negative = text.starts_with('-');
    let text = text.trim_start_matches('-').to_ascii_lowercase();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{before}{after}");
    if digits.bytes().all(|d| d == b'0') {
        return Some(Date { whole: 0, fraction: false, negative: false });
    }
    // Exponents beyond this only move the digits further out of sight.
    let exponent = exponent.parse::<i128>().unwrap_or(if exponent.starts_with('-') { -500 } else { 500 });
    let exponent = usize::try_from(exponent.clamp(-500, 500) + 1000).ok()?;
    // 1000 zeros on both sides: the point, at 1000 + before, moves by exponent - 1000.
    let padded = format!("{}{digits}{}", "0".repeat(1000), "0".repeat(1000));
    let (whole, fraction) = padded.split_at(before.len() + exponent);
    let whole = whole.trim_start_matches('0');
    if whole.len() > 30 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = fraction.bytes().any(|d| d != b'0');
    (whole <= i128::from(MAX_NUMERIC_DATE)).then_some(Date { whole, fraction, negative })
}
