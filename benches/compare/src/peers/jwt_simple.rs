//! jwt-simple, without BoringSSL.

use std::collections::HashSet;
use std::hint::black_box;

use jwt_simple::prelude::*;
use libtoken::jose::algorithm::Algorithm;
use libtoken_benches::{AUDIENCE, EXPIRES_AT, ISSUER};

use crate::rounds::Case;
use crate::tokens::Tokens;

/// 65537, as every key of the fixture has it.
const EXPONENT: [u8; 3] = [1, 0, 1];

type Verify = Box<dyn Fn(&str) -> Option<i64>>;

/// Its verification with the registered claims.
pub fn case(tokens: &Tokens) -> Result<Case<'_>, String> {
    let name = "jwt-simple 0.15, registered claims";
    let verify = verify(tokens).map_err(|e| format!("{name}: {e}"))?;
    tokens.check(name, |token| Ok(verify(token)))?;
    Ok(Case::new(name, move || {
        assert_eq!(verify(black_box(&tokens.good)), Some(EXPIRES_AT));
    }))
}

fn verify(tokens: &Tokens) -> Result<Verify, jwt_simple::Error> {
    /// The traits that have `verify_token` differ between kinds of keys.
    macro_rules! with {
        ($key:expr) => {{
            let key = $key;
            let options = options();
            Box::new(move |token: &str| {
                let claims = key.verify_token::<NoCustomClaims>(token, Some(options.clone())).ok()?;
                i64::try_from(claims.expires_at?.as_secs()).ok()
            })
        }};
    }
    let key = tokens.fixture.key.public_bytes();
    let point = [&[4], key.as_slice()].concat();
    Ok(match tokens.fixture.algorithm {
        Algorithm::EdDsa => with!(Ed25519PublicKey::from_bytes(&key)?),
        Algorithm::Es256 => with!(ES256PublicKey::from_bytes(&point)?),
        Algorithm::Es384 => with!(ES384PublicKey::from_bytes(&point)?),
        Algorithm::Rs256 => with!(RS256PublicKey::from_components(&key, &EXPONENT)?),
        Algorithm::Ps256 => with!(PS256PublicKey::from_components(&key, &EXPONENT)?),
        _ => with!(HS256Key::from_bytes(&key)),
    })
}

fn options() -> VerificationOptions {
    let one = |text: &str| Some(HashSet::from([text.to_owned()]));
    VerificationOptions {
        allowed_issuers: one(ISSUER),
        allowed_audiences: one(AUDIENCE),
        ..VerificationOptions::default()
    }
}
