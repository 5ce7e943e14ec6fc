//! The policy: which issuers are trusted, and what their tokens must look like. Immutable once built.
//!
//! [`IssuerPolicy`] is what an operator writes; [`Policy::new`] checks it as a whole, once. The verifier
//! reads a [`Policy`] without checking it again.

use core::fmt;

use super::revocations::RevocationPolicy;
use crate::codec::pointer::ClaimPath;
use crate::jose::algorithm::Algorithms;
use crate::jose::jwk::{KeyProblem, KeySetError};
use crate::limits::{
    DEFAULT_LEEWAY_SECONDS, DEFAULT_MAX_TOKEN_BYTES, MAX_ISSUERS, MAX_LEEWAY_SECONDS, MAX_POLICY_LIST,
    MAX_TOKEN_AGE_SECONDS, MAX_TOKEN_BYTES,
};
use crate::revocation::FingerprintKey;
use crate::revocation::scope::{ScopeError, ScopeSet};

/// A checked policy.
#[derive(Clone, Debug)]
pub struct Policy {
    max_token_bytes: usize,
    /// In the order of their names, for the search by `iss`.
    issuers: Vec<IssuerPolicy>,
    revocation: Option<RevocationPolicy>,
}

/// What the tokens of one issuer must look like.
#[derive(Clone, PartialEq, Debug)]
pub struct IssuerPolicy {
    /// The exact value of `iss` (RFC 7519 §4.1.1, RFC 8725 §3.8).
    pub issuer: String,
    /// Which audiences are accepted.
    pub audiences: AudienceRule,
    /// Algorithms that this issuer's keys may be used with; `None`: each key's own `alg`, or the one that
    /// its type implies. HMAC must be listed here to be used at all.
    pub algorithms: Option<Algorithms>,
    /// Which kind of token is expected.
    pub profile: Profile,
    /// Accepted values of the header's `typ`, beyond those of the profile.
    pub types: Vec<String>,
    /// Whether a token without `typ` is accepted; `None`: as the profile says.
    pub allow_missing_type: Option<bool>,
    /// Allowed clock difference in seconds, for `exp`, `nbf`, `iat` and the maximum age.
    pub leeway_seconds: u32,
    /// Whether `exp` must be there. Without it a token lives until it is revoked.
    pub require_exp: bool,
    /// Greatest age in seconds, counted from `iat`, which is then required.
    pub max_age_seconds: Option<u32>,
    /// Claims that must be there.
    pub required_claims: Vec<RequiredClaim>,
    /// Status lists (draft-ietf-oauth-status-list) that this issuer's tokens may refer to, by their exact
    /// URIs. A token with a reference to another list is refused; one without a reference passes.
    pub status_lists: Vec<String>,
    /// The claim that names the token's tenant, compared with the request's tenant where that is given.
    pub tenant_claim: Option<ClaimPath>,
    /// Where the host gets this issuer's keys.
    pub keys: KeySource,
}

/// Which audiences are accepted (RFC 7519 §4.1.3, RFC 8725 §3.9).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AudienceRule {
    /// The token must name at least one of these, exactly.
    AnyOf(Vec<String>),
    /// `aud` is not checked. To be written out in the policy; never the default.
    Unchecked,
}

/// Which kind of token is expected: its `typ` and the claims it must have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Profile {
    /// A JWT as many issuers write it: `typ` absent, `JWT` or `at+jwt`; `iss` required.
    #[default]
    Jwt,
    /// An OAuth 2.0 access token (RFC 9068): `typ` is `at+jwt`, and `iss`, `exp`, `aud`, `sub`, `client_id`,
    /// `iat` and `jti` are required (§2.2, §4).
    AccessToken,
    /// A logout token (OpenID Connect Back-Channel Logout 1.0 §2.4): `typ` is `logout+jwt`, and `aud`, `iat`,
    /// `exp`, `jti` and `events` are required. To be translated by `revocation::inputs::logout_token`.
    LogoutToken,
    /// A security event token (RFC 8417, SSF 1.0): `typ` is `secevent+jwt`, and `iat`, `jti` and `events` are
    /// required, `exp` is not. To be translated by `revocation::inputs::security_event`.
    SecurityEvent,
}

/// A claim that must be there, with any value except null.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequiredClaim(pub ClaimPath);

/// Where a host gets an issuer's keys. The core opens no file and no socket; it only carries the setting.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum KeySource {
    /// The host gives them by [`crate::verify::Verifier::replace_keys`].
    #[default]
    Host,
    /// The key set itself, as JSON text.
    Inline(String),
    /// A file with a JWK Set; a relative path counts from the policy file.
    File(String),
    /// An https URL of a JWK Set, for hosts that fetch.
    Uri(String),
}

/// What is wrong with a policy, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyError {
    /// A JSON pointer to the place (RFC 6901), such as `/issuers/0/leeway_seconds`.
    pub at: String,
    /// What is wrong there.
    pub problem: PolicyProblem,
}

/// What is wrong at one place of a policy.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PolicyProblem {
    /// The text is not strict JSON.
    Json(crate::codec::json::JsonError),
    /// A field that does not exist here, with the nearest one that does.
    UnknownField {
        /// The field as written.
        name: String,
        /// The nearest known field, if one is near.
        nearest: Option<&'static str>,
    },
    /// A required field is absent.
    MissingField(&'static str),
    /// The value has another JSON type than the one named.
    WrongType(&'static str),
    /// The value lies outside the range.
    OutOfRange {
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// The value is none of the words that are known here.
    UnknownValue {
        /// The value as written.
        value: String,
        /// The known words, separated by commas.
        known: &'static str,
    },
    /// A list or text is empty that must not be.
    Empty,
    /// A list has more entries than the limit.
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The same issuer twice.
    DuplicateIssuer,
    /// Two settings exclude each other.
    Conflict(&'static str),
    /// The claim path cannot be used.
    ClaimPath(crate::codec::pointer::InvalidClaimPath),
    /// The inline key set cannot be used.
    KeySet(KeySetError),
    /// The inline key set has no usable key; the first problem of its keys, if it has any.
    NoUsableKey(Option<KeyProblem>),
    /// The URL does not begin with `https://`.
    NotHttps,
    /// The revocation scopes do not fit together.
    Scopes(ScopeError),
}

impl IssuerPolicy {
    /// The policy for `issuer` with every default: audiences as given, all else as documented.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audiences: AudienceRule) -> IssuerPolicy {
        IssuerPolicy {
            issuer: issuer.into(),
            audiences,
            algorithms: None,
            profile: Profile::default(),
            types: Vec::new(),
            allow_missing_type: None,
            leeway_seconds: DEFAULT_LEEWAY_SECONDS,
            require_exp: true,
            max_age_seconds: None,
            required_claims: Vec::new(),
            status_lists: Vec::new(),
            tenant_claim: None,
            keys: KeySource::default(),
        }
    }

    /// Whether the header's `typ` is accepted (RFC 8725 §3.11).
    pub(super) fn accepts_type(&self, typ: Option<&str>) -> bool {
        use crate::jose::header::same_media_type;
        match typ {
            None => self.allow_missing_type.unwrap_or(self.profile.allows_missing_type()),
            Some(typ) => {
                self.profile.types().iter().any(|t| same_media_type(t, typ))
                    || self.types.iter().any(|t| same_media_type(t, typ))
            }
        }
    }

    fn check(&self, at: &str) -> Result<(), PolicyError> {
        let fail = |field: &str, problem| Err(PolicyError { at: format!("{at}/{field}"), problem });
        if self.issuer.is_empty() {
            return fail("issuer", PolicyProblem::Empty);
        }
        if let AudienceRule::AnyOf(audiences) = &self.audiences {
            check_list(audiences, &format!("{at}/audiences"))?;
            if audiences.is_empty() {
                return fail("audiences", PolicyProblem::Empty);
            }
        }
        if self.algorithms.is_some_and(Algorithms::is_empty) {
            return fail("algorithms", PolicyProblem::Empty);
        }
        check_list(&self.types, &format!("{at}/types"))?;
        check_list(&self.status_lists, &format!("{at}/status_lists"))?;
        if self.leeway_seconds > MAX_LEEWAY_SECONDS {
            let max = u64::from(MAX_LEEWAY_SECONDS);
            return fail("leeway_seconds", PolicyProblem::OutOfRange { min: 0, max });
        }
        if self.max_age_seconds.is_some_and(|age| age == 0 || age > MAX_TOKEN_AGE_SECONDS) {
            let max = u64::from(MAX_TOKEN_AGE_SECONDS);
            return fail("max_age_seconds", PolicyProblem::OutOfRange { min: 1, max });
        }
        if self.required_claims.len() > MAX_POLICY_LIST {
            return fail("required_claims", PolicyProblem::TooMany { max: MAX_POLICY_LIST });
        }
        if self.profile == Profile::AccessToken && !self.require_exp {
            return fail("require_exp", PolicyProblem::Conflict("RFC 9068 requires `exp`"));
        }
        if self.profile == Profile::AccessToken && self.audiences == AudienceRule::Unchecked {
            return fail("audiences", PolicyProblem::Conflict("RFC 9068 requires that `aud` is checked"));
        }
        if let KeySource::Uri(uri) = &self.keys
            && !uri.starts_with("https://")
        {
            return fail("jwks_uri", PolicyProblem::NotHttps);
        }
        Ok(())
    }
}

impl Profile {
    /// The accepted values of `typ`.
    #[must_use]
    pub const fn types(self) -> &'static [&'static str] {
        match self {
            Profile::Jwt => &["JWT", "at+jwt"],
            Profile::AccessToken => &["at+jwt"],
            Profile::LogoutToken => &["logout+jwt"],
            Profile::SecurityEvent => &["secevent+jwt"],
        }
    }

    /// Whether `typ` may be absent.
    #[must_use]
    pub const fn allows_missing_type(self) -> bool {
        match self {
            Profile::Jwt => true,
            Profile::AccessToken | Profile::LogoutToken | Profile::SecurityEvent => false,
        }
    }

    /// Whether `exp` must be there unless the policy says otherwise.
    #[must_use]
    pub const fn requires_exp(self) -> bool {
        match self {
            Profile::Jwt | Profile::AccessToken | Profile::LogoutToken => true,
            Profile::SecurityEvent => false,
        }
    }

    /// The claims that the profile requires besides `iss`, which always is.
    #[must_use]
    pub const fn required_claims(self) -> &'static [&'static str] {
        match self {
            Profile::Jwt => &[],
            Profile::AccessToken => &["exp", "aud", "sub", "client_id", "iat", "jti"],
            Profile::LogoutToken => &["exp", "aud", "iat", "jti", "events"],
            Profile::SecurityEvent => &["iat", "jti", "events"],
        }
    }

    /// Every profile.
    pub const ALL: [Profile; 4] =
        [Profile::Jwt, Profile::AccessToken, Profile::LogoutToken, Profile::SecurityEvent];

    /// The profile with this name in a policy file.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Profile> {
        Profile::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// The name in a policy file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Profile::Jwt => "jwt",
            Profile::AccessToken => "rfc9068",
            Profile::LogoutToken => "logout_token",
            Profile::SecurityEvent => "security_event",
        }
    }
}

impl Policy {
    /// Checks the issuers' policies as a whole.
    ///
    /// # Errors
    /// [`PolicyError`] with the place and the problem.
    pub fn new(issuers: Vec<IssuerPolicy>) -> Result<Policy, PolicyError> {
        Policy::with_max_token_bytes(issuers, DEFAULT_MAX_TOKEN_BYTES)
    }

    /// The same with a limit on the token's size in bytes, 1 to [`MAX_TOKEN_BYTES`].
    ///
    /// # Errors
    /// As [`Policy::new`].
    pub fn with_max_token_bytes(
        mut issuers: Vec<IssuerPolicy>,
        max_token_bytes: usize,
    ) -> Result<Policy, PolicyError> {
        let fail = |at: &str, problem| Err(PolicyError { at: at.to_owned(), problem });
        if !(1..=MAX_TOKEN_BYTES).contains(&max_token_bytes) {
            let max = MAX_TOKEN_BYTES as u64;
            return fail("/max_token_bytes", PolicyProblem::OutOfRange { min: 1, max });
        }
        if issuers.is_empty() {
            return fail("/issuers", PolicyProblem::Empty);
        }
        if issuers.len() > MAX_ISSUERS {
            return fail("/issuers", PolicyProblem::TooMany { max: MAX_ISSUERS });
        }
        for (place, issuer) in issuers.iter().enumerate() {
            issuer.check(&format!("/issuers/{place}"))?;
            if issuers.iter().take(place).any(|earlier| earlier.issuer == issuer.issuer) {
                return fail(&format!("/issuers/{place}/issuer"), PolicyProblem::DuplicateIssuer);
            }
        }
        issuers.sort_by(|a, b| a.issuer.cmp(&b.issuer));
        Ok(Policy { max_token_bytes, issuers, revocation: None })
    }

    /// The same policy with revocation.
    ///
    /// # Errors
    /// [`PolicyProblem::Scopes`] if the scopes do not fit together, [`PolicyProblem::Empty`] if there are none.
    pub fn with_revocation(mut self, revocation: RevocationPolicy) -> Result<Policy, PolicyError> {
        let fail = |problem| Err(PolicyError { at: "/revocation/scopes".to_owned(), problem });
        if revocation.scopes.is_empty() {
            return fail(PolicyProblem::Empty);
        }
        // The key plays no part in whether scopes fit together; the real one comes with the state.
        let any_key = FingerprintKey::SipHash13([0; 16]);
        if let Err(error) = ScopeSet::new(any_key, revocation.scopes.clone()) {
            return fail(PolicyProblem::Scopes(error));
        }
        self.revocation = Some(revocation);
        Ok(self)
    }

    /// What the policy says about revocation; `None`: nothing can be revoked.
    #[must_use]
    pub fn revocation(&self) -> Option<&RevocationPolicy> {
        self.revocation.as_ref()
    }

    /// Longest accepted token, in bytes.
    #[must_use]
    pub fn max_token_bytes(&self) -> usize {
        self.max_token_bytes
    }

    /// The issuers, in the order of their names.
    #[must_use]
    pub fn issuers(&self) -> &[IssuerPolicy] {
        &self.issuers
    }

    /// The place of an issuer in [`Policy::issuers`].
    #[must_use]
    pub fn find(&self, issuer: &str) -> Option<usize> {
        match self.issuers.as_slice() {
            [only] => (only.issuer == issuer).then_some(0),
            many => many.binary_search_by(|i| i.issuer.as_str().cmp(issuer)).ok(),
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.at.is_empty() { "/" } else { &self.at };
        write!(f, "{at}: ")?;
        match &self.problem {
            PolicyProblem::Json(error) => write!(f, "{error}"),
            PolicyProblem::UnknownField { name, nearest: Some(nearest) } => {
                write!(f, "unknown field `{name}`; did you mean `{nearest}`?")
            }
            PolicyProblem::UnknownField { name, nearest: None } => write!(f, "unknown field `{name}`"),
            PolicyProblem::MissingField(name) => write!(f, "the field `{name}` is missing"),
            PolicyProblem::WrongType(expected) => write!(f, "must be {expected}"),
            PolicyProblem::OutOfRange { min, max } => write!(f, "must be between {min} and {max}"),
            PolicyProblem::UnknownValue { value, known } => {
                write!(f, "`{value}` is not known here; use one of {known}")
            }
            PolicyProblem::Empty => f.write_str("must not be empty"),
            PolicyProblem::TooMany { max } => write!(f, "has more than {max} entries"),
            PolicyProblem::DuplicateIssuer => f.write_str("the same issuer stands in the list before"),
            PolicyProblem::Conflict(why) => f.write_str(why),
            PolicyProblem::ClaimPath(error) => write!(f, "{error}"),
            PolicyProblem::KeySet(error) => write!(f, "{error}"),
            PolicyProblem::NoUsableKey(Some(problem)) => {
                write!(f, "the key set has no usable key; the first is skipped because {problem}")
            }
            PolicyProblem::NoUsableKey(None) => f.write_str("the key set is empty"),
            PolicyProblem::NotHttps => f.write_str("must begin with https://"),
            PolicyProblem::Scopes(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for PolicyError {}

fn check_list(list: &[String], at: &str) -> Result<(), PolicyError> {
    let fail = |at: String, problem| Err(PolicyError { at, problem });
    if list.len() > MAX_POLICY_LIST {
        return fail(at.to_owned(), PolicyProblem::TooMany { max: MAX_POLICY_LIST });
    }
    match list.iter().position(String::is_empty) {
        Some(place) => fail(format!("{at}/{place}"), PolicyProblem::Empty),
        None => Ok(()),
    }
}
