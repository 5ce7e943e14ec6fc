//! libtoken itself.

use std::hint::black_box;

use libtoken::crypto::Backends;
use libtoken::jose::algorithm::Algorithm;
use libtoken::jose::numeric_date::NumericDate;
use libtoken::verify::Request;
use libtoken_benches::{EXPIRES_AT, Fixture, NOW, accept};

use crate::rounds::{Case, Group};
use crate::tokens::Tokens;

/// The whole token, with the default backends and with prepared keys.
pub fn cases(tokens: &Tokens) -> Result<[Case<'_>; 2], String> {
    Ok([
        case(tokens, "libtoken, all claims", Backends::Fastest)?,
        case(tokens, "libtoken, prepared keys, all claims", Backends::Prepared)?,
    ])
}

fn case<'t>(tokens: &'t Tokens, name: &'static str, backends: Backends) -> Result<Case<'t>, String> {
    let verifier = tokens.fixture.verifier(1, backends);
    let mut scratch = verifier.scratch();
    tokens.check(name, |token| {
        let verified = verifier.verify(token.as_bytes(), &Request::new(), NOW, &mut scratch);
        Ok(verified.ok().and_then(|v| v.claims().expires_at()).map(NumericDate::floor))
    })?;
    Ok(Case::new(name, move || {
        let verified = accept(&verifier, black_box(tokens.good.as_bytes()), &mut scratch);
        assert!(verified.claims().expires_at().is_some_and(|exp| exp.floor() == EXPIRES_AT));
    }))
}

/// Everything but the signature.
pub fn all_but_the_signature() -> Group<'static> {
    let mut group = Group::new("Everything but the signature (EdDSA token)");
    for (name, issuers, headers) in
        [("libtoken, header known", 1, 1), ("libtoken, header new", 1, 32), ("libtoken, 10 issuers", 10, 1)]
    {
        let fixture = Fixture::new(Algorithm::EdDsa);
        let tokens = fixture.tokens_with_new_headers(headers);
        let verifier = fixture.verifier(issuers, Backends::Unchecked);
        let mut scratch = verifier.scratch();
        let mut next = 0;
        group.add(Case::new(name, move || {
            let token = tokens[next % headers].as_bytes();
            next += 1;
            black_box(accept(&verifier, black_box(token), &mut scratch));
        }));
    }
    group
}
