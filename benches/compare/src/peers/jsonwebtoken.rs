//! jsonwebtoken with each of its two providers. Only one provider can be installed in a process, so this
//! installs its own, which passes every call to the one that is being measured.

use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, aws_lc, rust_crypto};
use jsonwebtoken::errors::Error;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use libtoken_benches::{AUDIENCE, EXPIRES_AT, ISSUER};
use serde::Deserialize;

use crate::rounds::Case;
use crate::tokens::Tokens;

/// The claims that are checked, and no other: the least that this library can be asked for.
#[derive(Deserialize)]
struct Claims {
    exp: i64,
    #[serde(rename = "iss")]
    _iss: String,
    #[serde(rename = "aud")]
    _aud: Vec<String>,
}

/// All the claims of the payload.
#[derive(Deserialize)]
struct AllClaims {
    exp: i64,
    #[serde(flatten)]
    _others: serde_json::Map<String, serde_json::Value>,
}

static WITH_AWS_LC: AtomicBool = AtomicBool::new(true);

/// Both providers with the checked claims, and the faster with all.
pub fn cases(tokens: &Tokens) -> Result<Vec<Case<'_>>, String> {
    install();
    Ok(vec![
        case(tokens, "jsonwebtoken 11 aws-lc, 3 claims", true, exp)?,
        case(tokens, "jsonwebtoken 11 rust_crypto, 3 claims", false, exp)?,
        case(tokens, "jsonwebtoken 11 aws-lc, all claims", true, exp_of_all)?,
    ])
}

type Decode = fn(&str, &DecodingKey, &Validation) -> Option<i64>;

fn exp(token: &str, key: &DecodingKey, validation: &Validation) -> Option<i64> {
    decode::<Claims>(token, key, validation).ok().map(|data| data.claims.exp)
}

fn exp_of_all(token: &str, key: &DecodingKey, validation: &Validation) -> Option<i64> {
    decode::<AllClaims>(token, key, validation).ok().map(|data| data.claims.exp)
}

fn case<'t>(tokens: &'t Tokens, name: &str, aws_lc: bool, decode: Decode) -> Result<Case<'t>, String> {
    let algorithm: Algorithm = tokens.name().parse().map_err(|e: Error| e.to_string())?;
    let jwk: Jwk = serde_json::from_str(&tokens.fixture.key.public_jwk()).map_err(|e| e.to_string())?;
    let key = DecodingKey::from_jwk(&jwk).map_err(|e| e.to_string())?;
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    let select = move || WITH_AWS_LC.store(aws_lc, Ordering::Relaxed);
    tokens.check(name, |token| {
        select();
        Ok(decode(token, &key, &validation))
    })?;
    Ok(Case::new(name, move || {
        select();
        assert_eq!(decode(black_box(&tokens.good), &key, &validation), Some(EXPIRES_AT));
    }))
}

fn install() {
    static PROVIDER: OnceLock<CryptoProvider> = OnceLock::new();
    let provider = PROVIDER
        .get_or_init(|| CryptoProvider { verifier_factory: verifier, ..aws_lc::DEFAULT_PROVIDER.clone() });
    // Fails from the second call on, when it is installed already.
    let _ = provider.install_default();
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if WITH_AWS_LC.load(Ordering::Relaxed) {
        (aws_lc::DEFAULT_PROVIDER.verifier_factory)(algorithm, key)
    } else {
        (rust_crypto::DEFAULT_PROVIDER.verifier_factory)(algorithm, key)
    }
}
