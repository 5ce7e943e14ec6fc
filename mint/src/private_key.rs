//! Private keys: generated, read from and written as JWKs (RFC 7517, RFC 7518 §6, RFC 8037 §2).

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use libtoken::codec::base64url;
use libtoken::codec::json::{OwnedDocument, Value, write_string};
use libtoken::jose::algorithm::{Algorithm, HashFunction, KeyType, Scheme};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use rand_core::CryptoRng;
use rsa::traits::{PrivateKeyParts, PublicKeyParts, SignatureScheme};
use rsa::{BoxedUint, Pkcs1v15Sign, Pss, RsaPrivateKey};
use sha2::digest::Digest;
use sha2::{Sha256, Sha384, Sha512};

/// A private key or shared secret with its `kid` and `alg`.
#[derive(Clone)]
pub struct PrivateKey {
    /// `kid`
    pub kid: Option<String>,
    /// `alg`
    pub algorithm: Option<Algorithm>,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Rsa(Box<RsaPrivateKey>),
    Oct(Vec<u8>),
}

/// Why a private key cannot be made, read or used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PrivateKeyError {
    /// The text is not a JWK with a private key of a supported type; the member that is missing or wrong.
    Jwk(&'static str),
    /// The key cannot sign with this algorithm.
    Algorithm,
    /// The RSA library refused.
    Rsa,
}

impl PrivateKey {
    /// A new key for `algorithm`. `rsa_bits` counts for RSA only.
    ///
    /// # Errors
    /// [`PrivateKeyError::Rsa`] if no RSA key of that size can be made.
    pub fn generate(
        algorithm: Algorithm,
        rsa_bits: usize,
        kid: Option<String>,
        rng: &mut impl CryptoRng,
    ) -> Result<PrivateKey, PrivateKeyError> {
        fn random<const N: usize>(rng: &mut impl CryptoRng) -> [u8; N] {
            let mut bytes = [0; N];
            rng.fill_bytes(&mut bytes);
            bytes
        }
        let secret = match algorithm.key_type() {
            KeyType::Ed25519 => Secret::Ed25519(ed25519_dalek::SigningKey::from_bytes(&random(rng))),
            // A random string is a scalar below the order unless it is astronomically unlucky: draw again.
            KeyType::P256 => loop {
                if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&random::<32>(rng)) {
                    break Secret::P256(key);
                }
            },
            KeyType::P384 => loop {
                if let Ok(key) = p384::ecdsa::SigningKey::from_slice(&random::<48>(rng)) {
                    break Secret::P384(key);
                }
            },
            KeyType::Rsa => {
                let key = RsaPrivateKey::new(rng, rsa_bits).map_err(|_| PrivateKeyError::Rsa)?;
                Secret::Rsa(Box::new(key))
            }
            KeyType::Oct => {
                let mut secret = vec![0; algorithm.min_secret_bytes()];
                rng.fill_bytes(&mut secret);
                Secret::Oct(secret)
            }
        };
        Ok(PrivateKey { kid, algorithm: Some(algorithm), secret })
    }

    /// A shared secret of any length, also one that a validator must refuse.
    #[must_use]
    pub fn from_secret(secret: &[u8], algorithm: Algorithm, kid: Option<String>) -> PrivateKey {
        PrivateKey { kid, algorithm: Some(algorithm), secret: Secret::Oct(secret.to_vec()) }
    }

    /// Reads a private JWK.
    ///
    /// # Errors
    /// [`PrivateKeyError::Jwk`] names the member that is missing or wrong.
    pub fn from_jwk(json: &[u8]) -> Result<PrivateKey, PrivateKeyError> {
        let document = OwnedDocument::parse(json).map_err(|_| PrivateKeyError::Jwk("JSON"))?;
        PrivateKey::from_jwk_value(document.root())
    }

    /// Reads a private JWK that stands inside another document.
    ///
    /// # Errors
    /// As [`PrivateKey::from_jwk`].
    pub fn from_jwk_value(jwk: Value<'_>) -> Result<PrivateKey, PrivateKeyError> {
        let text = |name| jwk.member(name).and_then(Value::as_str);
        let bytes = |name| {
            let text = text(name).ok_or(PrivateKeyError::Jwk(name))?;
            base64url::decode_to_vec(text.as_bytes()).map_err(|_| PrivateKeyError::Jwk(name))
        };
        let integer = |name| bytes(name).map(|b| BoxedUint::from_be_slice_vartime(&b));
        let d = PrivateKeyError::Jwk("d");
        let secret = match (text("kty"), text("crv")) {
            (Some("OKP"), Some("Ed25519")) => {
                let seed = bytes("d")?.try_into().map_err(|_| d)?;
                Secret::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
            }
            (Some("EC"), Some("P-256")) => {
                Secret::P256(p256::ecdsa::SigningKey::from_slice(&bytes("d")?).map_err(|_| d)?)
            }
            (Some("EC"), Some("P-384")) => {
                Secret::P384(p384::ecdsa::SigningKey::from_slice(&bytes("d")?).map_err(|_| d)?)
            }
            (Some("RSA"), _) => {
                let primes = vec![integer("p")?, integer("q")?];
                let key = RsaPrivateKey::from_components(integer("n")?, integer("e")?, integer("d")?, primes);
                Secret::Rsa(Box::new(key.map_err(|_| PrivateKeyError::Rsa)?))
            }
            (Some("oct"), _) => Secret::Oct(bytes("k")?),
            (Some("OKP" | "EC"), _) => return Err(PrivateKeyError::Jwk("crv")),
            _ => return Err(PrivateKeyError::Jwk("kty")),
        };
        let algorithm = match text("alg") {
            None => None,
            Some(name) => Some(Algorithm::from_name(name).ok_or(PrivateKeyError::Jwk("alg"))?),
        };
        Ok(PrivateKey { kid: text("kid").map(str::to_owned), algorithm, secret })
    }

    /// The kind of key.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        match self.secret {
            Secret::Ed25519(_) => KeyType::Ed25519,
            Secret::P256(_) => KeyType::P256,
            Secret::P384(_) => KeyType::P384,
            Secret::Rsa(_) => KeyType::Rsa,
            Secret::Oct(_) => KeyType::Oct,
        }
    }

    /// The algorithm to sign with: `alg`, or the one that the key's type implies.
    #[must_use]
    pub fn default_algorithm(&self) -> Algorithm {
        let implied = self.key_type().implied_algorithm().iter().next();
        self.algorithm.or(implied).unwrap_or(Algorithm::EdDsa)
    }

    /// The public JWK, one line, with `use` and the thumbprint's member order first (RFC 7638 §3.2).
    /// For a shared secret there is no public part; this is then the JWK with the secret.
    #[must_use]
    pub fn public_jwk(&self) -> String {
        self.jwk(false)
    }

    /// The private JWK, one line.
    #[must_use]
    pub fn private_jwk(&self) -> String {
        self.jwk(true)
    }

    /// The members that identify the key, in the order of RFC 7638 §3.2, as one JSON object: the input of
    /// its thumbprint.
    #[must_use]
    pub fn thumbprint_input(&self) -> String {
        let members: Vec<String> = self.required_members().into_iter().map(|(n, v)| member(n, &v)).collect();
        format!("{{{}}}", members.join(","))
    }

    /// The JWK thumbprint with SHA-256, base64url (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        base64url::encode(&Sha256::digest(self.thumbprint_input().as_bytes()))
    }

    /// The public key as bytes: the encoded point (Ed25519: 32 bytes; EC: x then y) or the RSA modulus; for a
    /// shared secret, the secret.
    #[must_use]
    pub fn public_bytes(&self) -> Vec<u8> {
        match &self.secret {
            Secret::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
            Secret::P256(key) => key.verifying_key().to_sec1_point(false).as_bytes().split_at(1).1.to_vec(),
            Secret::P384(key) => key.verifying_key().to_sec1_point(false).as_bytes().split_at(1).1.to_vec(),
            Secret::Rsa(key) => key.n().to_be_bytes_trimmed_vartime().to_vec(),
            Secret::Oct(secret) => secret.clone(),
        }
    }

    /// Signs `message`. The generator is only used by PSS, for the salt.
    ///
    /// # Errors
    /// [`PrivateKeyError::Algorithm`] if the key cannot sign with `algorithm`.
    pub fn sign(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, PrivateKeyError> {
        use HashFunction as H;
        let refused = |_| PrivateKeyError::Algorithm;
        Ok(match (&self.secret, algorithm.scheme()) {
            (Secret::Ed25519(key), Scheme::Ed25519) => {
                ed25519_dalek::Signer::sign(key, message).to_bytes().to_vec()
            }
            (Secret::P256(key), Scheme::EcdsaP256Sha256) => {
                let signature: p256::ecdsa::Signature =
                    key.sign_prehash(&Sha256::digest(message)).map_err(refused)?;
                signature.to_bytes().to_vec()
            }
            (Secret::P384(key), Scheme::EcdsaP384Sha384) => {
                let signature: p384::ecdsa::Signature =
                    key.sign_prehash(&Sha384::digest(message)).map_err(refused)?;
                signature.to_bytes().to_vec()
            }
            (Secret::Rsa(key), Scheme::RsaPkcs1(hash)) => match hash {
                H::Sha256 => rsa_sign(key, Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), rng)?,
                H::Sha384 => rsa_sign(key, Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message), rng)?,
                H::Sha512 => rsa_sign(key, Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message), rng)?,
            },
            (Secret::Rsa(key), Scheme::RsaPss(hash)) => match hash {
                H::Sha256 => rsa_sign(key, Pss::<Sha256>::new(), &Sha256::digest(message), rng)?,
                H::Sha384 => rsa_sign(key, Pss::<Sha384>::new(), &Sha384::digest(message), rng)?,
                H::Sha512 => rsa_sign(key, Pss::<Sha512>::new(), &Sha512::digest(message), rng)?,
            },
            (Secret::Oct(secret), Scheme::Hmac(hash)) => match hash {
                H::Sha256 => hmac_tag(Hmac::<Sha256>::new_from_slice(secret), message)?,
                H::Sha384 => hmac_tag(Hmac::<Sha384>::new_from_slice(secret), message)?,
                H::Sha512 => hmac_tag(Hmac::<Sha512>::new_from_slice(secret), message)?,
            },
            _ => return Err(PrivateKeyError::Algorithm),
        })
    }

    fn required_members(&self) -> Vec<(&'static str, String)> {
        let encoded = |bytes: &[u8]| base64url::encode(bytes);
        let ec = |crv: &str| {
            let point = self.public_bytes();
            let (x, y) = point.split_at(point.len() / 2);
            vec![("crv", crv.to_owned()), ("kty", "EC".to_owned()), ("x", encoded(x)), ("y", encoded(y))]
        };
        match &self.secret {
            Secret::Ed25519(_) => vec![
                ("crv", "Ed25519".to_owned()),
                ("kty", "OKP".to_owned()),
                ("x", encoded(&self.public_bytes())),
            ],
            Secret::P256(_) => ec("P-256"),
            Secret::P384(_) => ec("P-384"),
            Secret::Rsa(key) => vec![
                ("e", encoded(&key.e().to_be_bytes_trimmed_vartime())),
                ("kty", "RSA".to_owned()),
                ("n", encoded(&self.public_bytes())),
            ],
            Secret::Oct(secret) => vec![("k", encoded(secret)), ("kty", "oct".to_owned())],
        }
    }

    fn jwk(&self, private: bool) -> String {
        let mut members = self.required_members();
        members.extend(self.kid.clone().map(|kid| ("kid", kid)));
        members.extend(self.algorithm.map(|a| ("alg", a.name().to_owned())));
        members.push(("use", "sig".to_owned()));
        if private {
            members.extend(self.private_members());
        }
        let members: Vec<String> = members.into_iter().map(|(name, value)| member(name, &value)).collect();
        format!("{{{}}}", members.join(","))
    }

    fn private_members(&self) -> Vec<(&'static str, String)> {
        match &self.secret {
            Secret::Ed25519(key) => vec![("d", base64url::encode(&key.to_bytes()))],
            Secret::P256(key) => vec![("d", base64url::encode(&key.to_bytes()))],
            Secret::P384(key) => vec![("d", base64url::encode(&key.to_bytes()))],
            Secret::Rsa(key) => {
                let encoded = |i: &BoxedUint| base64url::encode(&i.to_be_bytes_trimmed_vartime());
                let mut members = vec![("d", encoded(key.d()))];
                members.extend(
                    ["p", "q"].into_iter().zip(key.primes().iter().map(|prime| encoded(prime.as_ref()))),
                );
                members
            }
            Secret::Oct(_) => Vec::new(),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl fmt::Display for PrivateKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrivateKeyError::Jwk(name) => {
                write!(f, "not a private JWK of a supported type: `{name}` is missing or wrong")
            }
            PrivateKeyError::Algorithm => f.write_str("the key cannot sign with this algorithm"),
            PrivateKeyError::Rsa => f.write_str("the RSA key is not valid, or not of a supported size"),
        }
    }
}

impl core::error::Error for PrivateKeyError {}

fn rsa_sign(
    key: &RsaPrivateKey,
    scheme: impl SignatureScheme,
    hash: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, PrivateKeyError> {
    key.sign_with_rng(rng, scheme, hash).map_err(|_| PrivateKeyError::Rsa)
}

fn hmac_tag<M: Mac, E>(mac: Result<M, E>, message: &[u8]) -> Result<Vec<u8>, PrivateKeyError> {
    let mac = mac.map_err(|_| PrivateKeyError::Algorithm)?;
    Ok(mac.chain_update(message).finalize().into_bytes().to_vec())
}

fn member(name: &str, value: &str) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_string(name, &mut out);
    out.push(':');
    let _ = write_string(value, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use libtoken::verify::{AudienceRule, IssuerPolicy, Policy, Request, Verifier};

    #[test]
    fn what_is_signed_verifies_with_every_algorithm_and_after_a_round_trip() {
        let mut rng = crate::seeded(1);
        for algorithm in Algorithm::ALL {
            let made = PrivateKey::generate(algorithm, 2048, Some("k".into()), &mut rng).expect("a key");
            let key = PrivateKey::from_jwk(made.private_jwk().as_bytes()).expect("the same key");
            assert_eq!(key.public_jwk(), made.public_jwk());
            let header = format!(r#"{{"alg":"{}","kid":"k"}}"#, algorithm.name());
            let token = crate::token(&header, r#"{"iss":"i","aud":"a","exp":2}"#, &key, algorithm, &mut rng);
            let mut policy = IssuerPolicy::new("i", AudienceRule::AnyOf(vec!["a".into()]));
            policy.algorithms = Some([algorithm].into_iter().collect());
            let verifier = Verifier::new(Policy::new(vec![policy]).expect("policy"));
            let jwks = format!(r#"{{"keys":[{}]}}"#, key.public_jwk());
            verifier.replace_operator_keys("i", jwks.as_bytes()).expect("keys");
            let mut scratch = verifier.scratch();
            let token = token.expect("a token");
            let verdict = verifier.verify(token.as_bytes(), &Request::new(), 1, &mut scratch);
            assert_eq!(verdict.map(|v| v.claims().issuer().map(str::to_owned)), Ok(Some("i".into())));
        }
    }

    /// RFC 8037 appendix A.3.
    #[test]
    fn thumbprint_of_the_rfc() {
        let jwk = br#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let key = PrivateKey::from_jwk(jwk).expect("the RFC's key");
        assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
