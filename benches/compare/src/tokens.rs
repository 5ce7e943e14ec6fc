//! The tokens of one algorithm: a good one, and those that every validator must refuse.

use libtoken::jose::algorithm::Algorithm;
use libtoken_benches::{ALGORITHMS, AUDIENCE, EXPIRES_AT, Fixture, ISSUER, PAYLOAD};

/// One algorithm's tokens.
pub struct Tokens {
    /// The key and the policy.
    pub fixture: Fixture,
    /// Accepted.
    pub good: String,
    /// Refused, each with the reason.
    pub bad: Vec<(&'static str, String)>,
}

/// The tokens of all measured algorithms.
pub fn all() -> Vec<Tokens> {
    ALGORITHMS.into_iter().map(Tokens::new).collect()
}

impl Tokens {
    fn new(algorithm: Algorithm) -> Tokens {
        let fixture = Fixture::new(algorithm);
        let good = fixture.token.clone();
        // The second character of the signature: all its bits count.
        let mut forged = good.clone().into_bytes();
        if let Some(at) = good.rfind('.').map(|dot| dot + 2) {
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        }
        let changed = |from: &str, to: &str| fixture.token_with(&PAYLOAD.replace(from, to));
        let bad = vec![
            ("forged signature", String::from_utf8(forged).expect("ASCII")),
            ("expired", changed(&EXPIRES_AT.to_string(), "1750000001")),
            ("another issuer", changed(ISSUER, "https://evil.example/")),
            ("another audience", changed(AUDIENCE, "others.example")),
        ];
        Tokens { fixture, good, bad }
    }

    /// The algorithm's name.
    pub fn name(&self) -> &'static str {
        self.fixture.algorithm.name()
    }

    /// Fails unless `validator` accepts the good token, finds its `exp`, and refuses the others.
    pub fn check(
        &self,
        peer: &str,
        mut validator: impl FnMut(&str) -> Result<Option<i64>, String>,
    ) -> Result<(), String> {
        let name = self.name();
        match validator(&self.good)? {
            Some(EXPIRES_AT) => {}
            other => return Err(format!("{peer} refuses the {name} token, or reads it wrong: {other:?}")),
        }
        for (what, token) in &self.bad {
            if validator(token)?.is_some() {
                return Err(format!("{peer} accepts a {name} token: {what}"));
            }
        }
        Ok(())
    }
}
