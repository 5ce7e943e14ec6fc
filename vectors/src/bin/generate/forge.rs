//! Keys and signatures for the cases, right ones and wrong ones.

use std::collections::BTreeMap;
use std::path::Path;

use libtoken::codec::base64url;
use libtoken::jose::algorithm::Algorithm;
use libtoken_mint::{PrivateKey, seeded};
use serde_json::{Value, json};

use crate::Failure;

/// The issuer of nearly all cases.
pub(crate) const ISSUER: &str = "https://issuer.example";
/// The audience of nearly all cases.
pub(crate) const AUDIENCE: &str = "https://api.example";
/// The time of nearly all cases.
pub(crate) const NOW: i64 = 1_700_000_000;

/// Name, algorithm and RSA size of each key.
#[rustfmt::skip]
const KEYS: &[(&str, Algorithm, usize)] = &[
    ("ed-1",     Algorithm::EdDsa, 0),
    ("ed-2",     Algorithm::EdDsa, 0),
    ("p256-1",   Algorithm::Es256, 0),
    ("p256-2",   Algorithm::Es256, 0),
    ("p384-1",   Algorithm::Es384, 0),
    ("rsa-1",    Algorithm::Rs256, 2048),
    ("rsa-2",    Algorithm::Rs256, 2048),
    ("rsa-3072", Algorithm::Rs256, 3072),
    ("rsa-weak", Algorithm::Rs256, 1024),
    ("hs256-1",  Algorithm::Hs256, 0),
    ("hs384-1",  Algorithm::Hs384, 0),
    ("hs512-1",  Algorithm::Hs512, 0),
];

/// Makes the keys drawn from it stay the same; the number is arbitrary.
const SEED: u64 = 7519;

/// The keys, by name; each name is the key's `kid` too.
pub(crate) struct Forge {
    keys: BTreeMap<String, PrivateKey>,
}

/// Draws all keys and writes them as private JWKs.
pub(crate) fn write_new_keys(root: &Path) -> Result<(), Failure> {
    let mut rng = seeded(SEED);
    for (name, algorithm, bits) in KEYS {
        let key = PrivateKey::generate(*algorithm, *bits, Some((*name).to_owned()), &mut rng)
            .map_err(|e| format!("{name}: {e}"))?;
        let mut jwk: Value = serde_json::from_str(&key.private_jwk()).map_err(|e| format!("{name}: {e}"))?;
        jwk["$comment"] = json!("A published test key. Whoever trusts it trusts everybody.");
        let text = serde_json::to_string_pretty(&crate::book::sorted(jwk)).map_err(|e| e.to_string())?;
        let path = root.join("keys").join(format!("{name}.json"));
        std::fs::write(&path, text + "\n").map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

impl Forge {
    /// Reads the committed keys.
    pub(crate) fn read(root: &Path) -> Result<Forge, Failure> {
        let read = |name: &str| {
            let path = root.join("keys").join(format!("{name}.json"));
            let json = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            PrivateKey::from_jwk(&json).map_err(|e| format!("{}: {e}", path.display()))
        };
        let keys = KEYS.iter().map(|(name, ..)| Ok(((*name).to_owned(), read(name)?)));
        Ok(Forge { keys: keys.collect::<Result<_, Failure>>()? })
    }

    /// A key by its name.
    pub(crate) fn key(&self, name: &str) -> Result<&PrivateKey, Failure> {
        self.keys.get(name).ok_or_else(|| format!("no key {name}"))
    }

    /// The public JWK of a key with `changes` to its members; null removes one.
    pub(crate) fn jwk(&self, name: &str, changes: Value) -> Result<Value, Failure> {
        let mut jwk: Value =
            serde_json::from_str(&self.key(name)?.public_jwk()).map_err(|e| e.to_string())?;
        for (member, value) in changes.as_object().into_iter().flatten() {
            match value {
                Value::Null => drop(jwk.as_object_mut().and_then(|jwk| jwk.remove(member))),
                value => jwk[member] = value.clone(),
            }
        }
        Ok(jwk)
    }

    /// A key set of the named keys, unchanged.
    pub(crate) fn set(&self, names: &[&str]) -> Result<Value, Failure> {
        let keys: Result<Vec<Value>, Failure> = names.iter().map(|n| self.jwk(n, json!({}))).collect();
        Ok(json!({ "keys": keys? }))
    }

    /// A token with this header and payload, signed as its `alg` says with the named key.
    pub(crate) fn token(&self, key: &str, header: &str, payload: &str) -> Result<String, Failure> {
        self.sign(
            key,
            algorithm_of(header)?,
            &libtoken_mint::signing_input(header.as_bytes(), payload.as_bytes()),
        )
    }

    /// The same with bytes for a payload.
    pub(crate) fn token_of_bytes(&self, key: &str, header: &str, payload: &[u8]) -> Result<String, Failure> {
        let input = libtoken_mint::signing_input(header.as_bytes(), payload);
        self.sign(key, algorithm_of(header)?, &input)
    }

    /// Appends to `input` the signature over it.
    pub(crate) fn sign(&self, key: &str, algorithm: Algorithm, input: &str) -> Result<String, Failure> {
        sign_with(self.key(key)?, algorithm, input)
    }
}

/// Appends to `input` the signature over it by `key`. Deterministic: the salt of PSS is drawn from a
/// generator seeded by the input.
pub(crate) fn sign_with(key: &PrivateKey, algorithm: Algorithm, input: &str) -> Result<String, Failure> {
    let signature = key
        .sign(algorithm, input.as_bytes(), &mut seeded(fnv1a(input.as_bytes())))
        .map_err(|e| format!("{}: {e}", algorithm.name()))?;
    Ok(with_signature(input, &signature))
}

/// `input`, a dot and the encoded signature.
pub(crate) fn with_signature(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", base64url::encode(signature))
}

/// A protected header.
pub(crate) fn header(algorithm: &str, kid: &str) -> String {
    format!(r#"{{"alg":"{algorithm}","kid":"{kid}","typ":"JWT"}}"#)
}

/// The usual claims, with `changes`: a member's JSON text, or "" to remove it. New members come last.
pub(crate) fn claims(changes: &[(&str, &str)]) -> String {
    let mut members = vec![
        ("iss", format!("\"{ISSUER}\"")),
        ("sub", "\"user-1\"".to_owned()),
        ("aud", format!("\"{AUDIENCE}\"")),
        ("iat", (NOW - 60).to_string()),
        ("exp", (NOW + 300).to_string()),
        ("jti", "\"token-1\"".to_owned()),
    ];
    for (name, value) in changes {
        match members.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = (*value).to_owned(),
            None => members.push((name, (*value).to_owned())),
        }
    }
    let members: Vec<String> = members
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Header, payload and signature of a token.
pub(crate) fn split(token: &str) -> (&str, &str, &str) {
    let mut parts = token.splitn(3, '.');
    let mut next = || parts.next().unwrap_or_default();
    (next(), next(), next())
}

/// What stands before the last dot.
pub(crate) fn signing_input(token: &str) -> &str {
    token.rsplit_once('.').map_or("", |(input, _)| input)
}

/// The bytes of a token's signature.
pub(crate) fn signature_of(token: &str) -> Result<Vec<u8>, Failure> {
    base64url::decode_to_vec(split(token).2.as_bytes()).map_err(|_| "no signature".to_owned())
}

/// DER: tag, length, content.
pub(crate) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(long) => out.extend([0x81, long]),
        Err(_) => {
            out.push(0x82);
            out.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

/// A DER INTEGER of a big-endian, unsigned number.
pub(crate) fn der_integer(number: &[u8]) -> Vec<u8> {
    let start = number.iter().position(|b| *b != 0).unwrap_or(number.len().saturating_sub(1));
    let minimal = number.get(start..).unwrap_or(&[]);
    let sign: &[u8] = if minimal.first().is_some_and(|b| *b >= 0x80) { &[0] } else { &[] };
    der(2, &[sign, minimal].concat())
}

/// `a - b` of two big-endian numbers of the same length, `a` not less than `b`.
pub(crate) fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0i16;
    let mut out: Vec<u8> = a
        .iter()
        .zip(b)
        .rev()
        .map(|(a, b)| {
            let digit = i16::from(*a) - i16::from(*b) - borrow;
            borrow = i16::from(digit < 0);
            digit.rem_euclid(256).to_le_bytes()[0]
        })
        .collect();
    out.reverse();
    out
}

/// `a + b` of two little-endian numbers of the same length, without the last carry.
pub(crate) fn add_little_endian(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0u16;
    a.iter()
        .zip(b)
        .map(|(a, b)| {
            let digit = u16::from(*a) + u16::from(*b) + carry;
            carry = digit >> 8;
            digit.to_le_bytes()[0]
        })
        .collect()
}

/// The bytes of lower-case hexadecimal digits.
pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Base64 with padding (RFC 4648 §4), in lines of 64 characters, as PEM has it.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let padding = "=".repeat((3 - der.len() % 3) % 3);
    let text = base64url::encode(der).replace('-', "+").replace('_', "/") + &padding;
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| core::str::from_utf8(line).unwrap_or_default()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn algorithm_of(header: &str) -> Result<Algorithm, Failure> {
    let header: Value = serde_json::from_str(header).map_err(|e| format!("{header}: {e}"))?;
    let name = header["alg"].as_str().unwrap_or_default();
    Algorithm::from_name(name).ok_or_else(|| format!("no algorithm {name}"))
}

/// FNV-1a, 64 bits: turns any text into a seed.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
