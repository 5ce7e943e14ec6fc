//! The algorithm table: everything that differs between signature algorithms, in one place.
//!
//! Nothing below this file knows algorithm names; nothing above it matches on them. `none` is not in the
//! table, so it is as unknown as any other word (RFC 8725 §3.2).

use crate::limits::MIN_HMAC_KEY_BYTES;

/// A signature algorithm of RFC 7518 §3.1, RFC 8037 §3.1 or RFC 9864 §2.2.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Algorithm {
    /// EdDSA with Ed25519: `EdDSA` (RFC 8037) and `Ed25519` (RFC 9864) are the same algorithm here, because
    /// an OKP key with another curve is never loaded.
    EdDsa,
    /// ECDSA, P-256 and SHA-256.
    Es256,
    /// ECDSA, P-384 and SHA-384.
    Es384,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

/// A hash function of the SHA-2 family.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HashFunction {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How a signature is computed: what `crypto` needs to know, without names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scheme {
    /// Ed25519 (RFC 8032 §5.1), strict verification.
    Ed25519,
    /// ECDSA over P-256 with SHA-256, signature as `r || s` (RFC 7518 §3.4).
    EcdsaP256Sha256,
    /// ECDSA over P-384 with SHA-384, signature as `r || s` (RFC 7518 §3.4).
    EcdsaP384Sha384,
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    RsaPkcs1(HashFunction),
    /// RSASSA-PSS with MGF1 over the same hash and a salt of the hash's length (RFC 7518 §3.5).
    RsaPss(HashFunction),
    /// HMAC (RFC 7518 §3.2).
    Hmac(HashFunction),
}

/// The kind of key that an algorithm needs: `kty` and, where it has one, `crv`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KeyType {
    /// `OKP` with `Ed25519` (RFC 8037 §2).
    Ed25519,
    /// `EC` with `P-256` (RFC 7518 §6.2).
    P256,
    /// `EC` with `P-384`.
    P384,
    /// `RSA` (RFC 7518 §6.3).
    Rsa,
    /// `oct`, a shared secret (RFC 7518 §6.4).
    Oct,
}

/// A set of algorithms.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Algorithms(u16);

/// One row of the table.
struct Row {
    algorithm: Algorithm,
    /// The registered names; the first is the one that is written.
    names: &'static [&'static str],
    key_type: KeyType,
    scheme: Scheme,
    /// Whether a key of this type without `alg`, of an issuer without an `algorithms` list, means this one.
    implied_by_key: bool,
}

impl Algorithm {
    /// Every algorithm, in the order of the table.
    pub const ALL: [Algorithm; 12] = [
        Algorithm::EdDsa,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Hs256,
        Algorithm::Hs384,
        Algorithm::Hs512,
    ];

    /// The algorithm with this registered name, compared exactly (RFC 7515 §4.1.1: case-sensitive).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Algorithm> {
        TABLE.iter().find(|row| row.names.contains(&name)).map(|row| row.algorithm)
    }

    /// The registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().names.first().copied().unwrap_or_default()
    }

    /// All registered names.
    #[must_use]
    pub fn names(self) -> &'static [&'static str] {
        self.row().names
    }

    /// The kind of key it needs.
    #[must_use]
    pub fn key_type(self) -> KeyType {
        self.row().key_type
    }

    /// How its signature is computed.
    #[must_use]
    pub fn scheme(self) -> Scheme {
        self.row().scheme
    }

    /// The shortest key that may be used, in bytes, for HMAC (RFC 7518 §3.2: the hash's length); else 0.
    #[must_use]
    pub fn min_secret_bytes(self) -> usize {
        match self.row().scheme {
            Scheme::Hmac(hash) => hash.output_len().max(MIN_HMAC_KEY_BYTES),
            Scheme::Ed25519
            | Scheme::EcdsaP256Sha256
            | Scheme::EcdsaP384Sha384
            | Scheme::RsaPkcs1(_)
            | Scheme::RsaPss(_) => 0,
        }
    }

    fn row(self) -> &'static Row {
        // The table is in the order of the enum; a test holds it to that.
        TABLE.get(self as usize).unwrap_or(&TABLE[0])
    }
}

impl HashFunction {
    /// Length of its output in bytes.
    #[must_use]
    pub const fn output_len(self) -> usize {
        match self {
            HashFunction::Sha256 => 32,
            HashFunction::Sha384 => 48,
            HashFunction::Sha512 => 64,
        }
    }
}

impl KeyType {
    /// Every algorithm that such a key can be used with.
    #[must_use]
    pub fn algorithms(self) -> Algorithms {
        Algorithm::ALL.into_iter().filter(|a| a.key_type() == self).collect()
    }

    /// The algorithm that such a key means when neither the key nor the issuer's policy names one: the only
    /// one, or RS256 and HS256, which the specifications make the default. A key means one algorithm, not a
    /// family (RFC 8725 §3.1).
    #[must_use]
    pub fn implied_algorithm(self) -> Algorithms {
        TABLE.iter().filter(|r| r.key_type == self && r.implied_by_key).map(|r| r.algorithm).collect()
    }
}

impl Algorithms {
    /// No algorithm.
    pub const NONE: Algorithms = Algorithms(0);

    /// Whether `algorithm` is in the set.
    #[must_use]
    pub const fn contains(self, algorithm: Algorithm) -> bool {
        self.0 >> algorithm as u16 & 1 != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What both sets have.
    #[must_use]
    pub const fn and(self, other: Algorithms) -> Algorithms {
        Algorithms(self.0 & other.0)
    }

    /// The algorithms of the set, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.into_iter().filter(move |a| self.contains(*a))
    }
}

impl FromIterator<Algorithm> for Algorithms {
    fn from_iter<I: IntoIterator<Item = Algorithm>>(algorithms: I) -> Algorithms {
        Algorithms(algorithms.into_iter().fold(0, |set, a| set | 1 << a as u16))
    }
}

impl core::fmt::Debug for Algorithms {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter().map(Algorithm::name)).finish()
    }
}

const fn row(
    algorithm: Algorithm,
    names: &'static [&'static str],
    key_type: KeyType,
    scheme: Scheme,
    implied_by_key: bool,
) -> Row {
    Row { algorithm, names, key_type, scheme, implied_by_key }
}

#[rustfmt::skip]
static TABLE: [Row; 12] = {
    use Algorithm as A;
    use HashFunction::{Sha256, Sha384, Sha512};
    use KeyType as K;
    use Scheme as S;
    [
        row(A::EdDsa, &["EdDSA", "Ed25519"], K::Ed25519, S::Ed25519,          true),
        row(A::Es256, &["ES256"],            K::P256,    S::EcdsaP256Sha256,  true),
        row(A::Es384, &["ES384"],            K::P384,    S::EcdsaP384Sha384,  true),
        row(A::Rs256, &["RS256"],            K::Rsa,     S::RsaPkcs1(Sha256), true),
        row(A::Rs384, &["RS384"],            K::Rsa,     S::RsaPkcs1(Sha384), false),
        row(A::Rs512, &["RS512"],            K::Rsa,     S::RsaPkcs1(Sha512), false),
        row(A::Ps256, &["PS256"],            K::Rsa,     S::RsaPss(Sha256),   false),
        row(A::Ps384, &["PS384"],            K::Rsa,     S::RsaPss(Sha384),   false),
        row(A::Ps512, &["PS512"],            K::Rsa,     S::RsaPss(Sha512),   false),
        row(A::Hs256, &["HS256"],            K::Oct,     S::Hmac(Sha256),     true),
        row(A::Hs384, &["HS384"],            K::Oct,     S::Hmac(Sha384),     false),
        row(A::Hs512, &["HS512"],            K::Oct,     S::Hmac(Sha512),     false),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (place, algorithm) in Algorithm::ALL.into_iter().enumerate() {
            assert_eq!(algorithm as usize, place);
            assert_eq!(TABLE[place].algorithm, algorithm);
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDsa));
        for unknown in ["none", "None", "nOnE", "", "zzz", "rs256", "RS256 ", "ES256K", "Ed448", "HS1"] {
            assert_eq!(Algorithm::from_name(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_key_implies_exactly_one_algorithm() {
        for (key_type, expected) in [
            (KeyType::Ed25519, Algorithm::EdDsa),
            (KeyType::P256, Algorithm::Es256),
            (KeyType::P384, Algorithm::Es384),
            (KeyType::Rsa, Algorithm::Rs256),
            (KeyType::Oct, Algorithm::Hs256),
        ] {
            assert_eq!(key_type.implied_algorithm().iter().collect::<Vec<_>>(), [expected]);
            assert!(key_type.algorithms().contains(expected));
        }
    }

    #[test]
    fn secrets_are_at_least_as_long_as_the_hash() {
        assert_eq!(Algorithm::Hs256.min_secret_bytes(), 32);
        assert_eq!(Algorithm::Hs384.min_secret_bytes(), 48);
        assert_eq!(Algorithm::Hs512.min_secret_bytes(), 64);
        assert_eq!(Algorithm::Rs512.min_secret_bytes(), 0);
    }
}
