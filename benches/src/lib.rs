//! What libtoken is measured with: one typical token per algorithm, its key and its policy, made from a fixed
//! seed. Shared by the criterion benches, the instruction counts and benches/compare.

use libtoken::codec::json::{Buffer, Document};
use libtoken::crypto::Backends;
use libtoken::jose::algorithm::Algorithm;
use libtoken::verify::{AudienceRule, IssuerPolicy, Policy, Request, Scratch, Verified, Verifier};
use libtoken_mint::PrivateKey;

/// The algorithms that are measured; the rest differ from them in the length of a hash only.
pub const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::EdDsa,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Hs256,
];

/// `iss` of the payload.
pub const ISSUER: &str = "https://login.tannery.example/";

/// One of the two audiences of the payload, the one that the policy accepts.
pub const AUDIENCE: &str = "orders.tannery.example";

/// `exp` of the payload, in seconds since the Unix epoch: beyond every clock that will run these benches, as
/// some peers read the clock themselves.
pub const EXPIRES_AT: i64 = 2_050_003_600;

/// The time of every verification, in seconds since the Unix epoch.
pub const NOW: i64 = 1_790_000_000;

/// 402 bytes, of the shape that an access token with a session, roles and a bound key has.
pub const PAYLOAD: &str = concat!(
    r#"{"iss":"https://login.tannery.example/","sub":"account-52c07b9e11d84f30","#,
    r#""aud":["orders.tannery.example","stock.example"],"exp":2050003600,"nbf":1749999990,"#,
    r#""iat":1750000000,"jti":"f81d4fae-7dec-11d0-a765","sid":"b-4402e1c","tenant":"wharf9","#,
    r#""dept":"logistics","roles":["picker","packer","driver","planner","checker"],"#,
    r#""scope":"read write tow","cnf":{"jkt":"hXx9f0QyH2b7cTzN4mVwK1sLrPaJeGuD6oYi8BqC3Zk"}}"#
);

const KID: &str = "2026-01";
const SEED: u64 = 7519;
const RSA_BITS: usize = 2048;

/// A token and what verifies it.
pub struct Fixture {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The key that signed.
    pub key: PrivateKey,
    /// The token, in compact serialization.
    pub token: String,
}

impl Fixture {
    /// The token of this algorithm: always the same.
    ///
    /// # Panics
    /// If it cannot be made, which would be a defect of the fixture.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Fixture {
        let mut rng = libtoken_mint::seeded(SEED);
        let key = PrivateKey::generate(algorithm, RSA_BITS, Some(KID.to_owned()), &mut rng).expect("a key");
        let token = sign(&key, algorithm, "", PAYLOAD);
        Fixture { algorithm, key, token }
    }

    /// A token with another payload.
    #[must_use]
    pub fn token_with(&self, payload: &str) -> String {
        sign(&self.key, self.algorithm, "", payload)
    }

    /// Tokens whose headers all differ, in a member that means nothing.
    #[must_use]
    pub fn tokens_with_new_headers(&self, count: usize) -> Vec<String> {
        (0..count).map(|i| self.token_with_member(i)).collect()
    }

    fn token_with_member(&self, number: usize) -> String {
        sign(&self.key, self.algorithm, &format!(r#","n":"{number:02}""#), PAYLOAD)
    }

    /// The public key set.
    #[must_use]
    pub fn jwks(&self) -> String {
        format!(r#"{{"keys":[{}]}}"#, self.key.public_jwk())
    }

    /// A verifier for the token's issuer, and as many others as make `issuers` in all.
    ///
    /// # Panics
    /// If the policy or the key set is refused, which would be a defect of the fixture.
    #[must_use]
    pub fn verifier(&self, issuers: usize, backends: Backends) -> Verifier {
        let policies = (0..issuers).map(|place| {
            let name = if place == 0 { ISSUER.to_owned() } else { format!("https://{place}.example/") };
            let mut policy = IssuerPolicy::new(name, AudienceRule::AnyOf(vec![AUDIENCE.to_owned()]));
            policy.algorithms = Some([self.algorithm].into_iter().collect());
            policy
        });
        let policy = Policy::new(policies.collect()).expect("a policy");
        let verifier = Verifier::with_backends(policy, backends);
        verifier.replace_operator_keys(ISSUER, self.jwks().as_bytes()).expect("a key set");
        verifier
    }
}

/// Verifies and asserts that the right token was accepted.
///
/// # Panics
/// If it was refused, or its claims are not those of [`PAYLOAD`].
#[inline]
pub fn accept<'s>(verifier: &Verifier, token: &[u8], scratch: &'s mut Scratch) -> Verified<'s> {
    let verified = verifier.verify(token, &Request::new(), NOW, scratch).expect("accepted");
    let claims = verified.claims();
    assert!(claims.expires_at().is_some_and(|exp| exp.floor() == EXPIRES_AT));
    assert!(claims.issuer().is_some_and(|iss| iss.len() == ISSUER.len()));
    verified
}

/// A buffer for [`PAYLOAD`].
#[must_use]
pub fn payload_buffer() -> Buffer {
    Buffer::with_capacity(PAYLOAD.len(), PAYLOAD.len())
}

/// Copies [`PAYLOAD`] into the buffer and scans it.
///
/// # Panics
/// If the scanner refuses it.
#[inline]
pub fn scan(buffer: &mut Buffer) -> Document<'_> {
    buffer.room(PAYLOAD.len()).expect("room").copy_from_slice(PAYLOAD.as_bytes());
    buffer.scan(PAYLOAD.len()).expect("JSON");
    buffer.document()
}

fn sign(key: &PrivateKey, algorithm: Algorithm, more_members: &str, payload: &str) -> String {
    let header = format!(r#"{{"alg":"{}","typ":"JWT","kid":"{KID}"{more_members}}}"#, algorithm.name());
    let mut rng = libtoken_mint::seeded(SEED);
    libtoken_mint::token(&header, payload, key, algorithm, &mut rng).expect("a token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_documented_sizes_and_are_accepted() {
        assert_eq!(PAYLOAD.len(), 402);
        for algorithm in ALGORITHMS {
            let fixture = Fixture::new(algorithm);
            assert!((630..960).contains(&fixture.token.len()), "{algorithm:?}: {}", fixture.token.len());
            let verifier = fixture.verifier(1, Backends::Fastest);
            accept(&verifier, fixture.token.as_bytes(), &mut verifier.scratch());
        }
    }
}
