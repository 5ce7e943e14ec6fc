//! The policy file: strict JSON, published as docs/policy.schema.json. One file serves every surface.
//!
//! Every field is known or refused with the nearest known name; `$schema` and `$comment` are allowed
//! everywhere and ignored. [`Policy::to_json`] writes a policy out with every default visible.

use core::fmt::Write;

use super::policy::{
    AudienceRule, IssuerPolicy, KeySource, Policy, PolicyError, PolicyProblem, Profile, RequiredClaim,
};
use super::revocation_json;
use crate::codec::json::{Kind, OwnedDocument, Value};
use crate::codec::pointer::ClaimPath;
use crate::jose::algorithm::{Algorithm, Algorithms};
use crate::jose::jwk::{self, PRIVATE_MEMBERS};
use crate::limits::{DEFAULT_MAX_TOKEN_BYTES, MAX_LEEWAY_SECONDS, MAX_TOKEN_AGE_SECONDS, MAX_TOKEN_BYTES};

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`] with a JSON pointer to the place and the problem.
    pub fn from_json(json: &[u8]) -> Result<Policy, PolicyError> {
        let document = OwnedDocument::parse(json)
            .map_err(|e| PolicyError { at: String::new(), problem: PolicyProblem::Json(e) })?;
        let root = Place { at: String::new(), value: document.root() };
        let (mut issuers, mut max_token_bytes, mut revocation) = (None, DEFAULT_MAX_TOKEN_BYTES, None);
        for (name, field) in root.fields(POLICY_FIELDS)? {
            match name {
                "issuers" => {
                    issuers = Some(field.items()?.iter().map(issuer).collect::<Result<Vec<_>, _>>()?);
                }
                "max_token_bytes" => max_token_bytes = field.integer(1, MAX_TOKEN_BYTES as u64)?,
                _ => revocation = Some(revocation_json::read(&field)?),
            }
        }
        let issuers = issuers.ok_or_else(|| root.error(PolicyProblem::MissingField("issuers")))?;
        let policy = Policy::with_max_token_bytes(issuers, max_token_bytes)?;
        match revocation {
            Some(revocation) => policy.with_revocation(revocation),
            None => Ok(policy),
        }
    }

    /// Writes the policy as a policy file with every field, defaults included. Keys are named by their
    /// source; inline keys are written out except that a shared secret is not.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> core::fmt::Result {
        writeln!(out, "{{\n  \"max_token_bytes\": {},\n  \"issuers\": [", self.max_token_bytes())?;
        for (place, issuer) in self.issuers().iter().enumerate() {
            let comma = if place + 1 < self.issuers().len() { "," } else { "" };
            issuer.write(out)?;
            writeln!(out, "{comma}")?;
        }
        out.write_str("  ]")?;
        if let Some(revocation) = self.revocation() {
            write!(out, ",\n  \"revocation\": {}", revocation_json::write(revocation))?;
        }
        out.write_str("\n}\n")
    }
}

impl IssuerPolicy {
    fn write(&self, out: &mut String) -> core::fmt::Result {
        let mut fields = vec![("issuer", quoted(&self.issuer))];
        match &self.audiences {
            AudienceRule::AnyOf(list) => fields.push(("audiences", quoted_list(list))),
            AudienceRule::Unchecked => fields.push(("audience_check", quoted("none"))),
        }
        if let Some(algorithms) = self.algorithms {
            fields.push(("algorithms", quoted_list(algorithms.iter().map(Algorithm::name))));
        }
        fields.push(("profile", quoted(self.profile.name())));
        fields.push(("types", quoted_list(&self.types)));
        let missing = self.allow_missing_type.unwrap_or(self.profile.allows_missing_type());
        fields.push(("allow_missing_type", missing.to_string()));
        fields.push(("leeway_seconds", self.leeway_seconds.to_string()));
        fields.push(("require_exp", self.require_exp.to_string()));
        if let Some(age) = self.max_age_seconds {
            fields.push(("max_age_seconds", age.to_string()));
        }
        fields.push(("required_claims", quoted_list(self.required_claims.iter().map(|c| c.0.text()))));
        fields.push(("status_lists", quoted_list(&self.status_lists)));
        if let Some(path) = &self.tenant_claim {
            fields.push(("tenant_claim", quoted(path.text())));
        }
        match &self.keys {
            KeySource::Host => {}
            KeySource::Inline(json) => fields.push(("jwks", without_secrets(json))),
            KeySource::File(path) => fields.push(("jwks_file", quoted(path))),
            KeySource::Uri(uri) => fields.push(("jwks_uri", quoted(uri))),
        }
        out.write_str("    {\n")?;
        for (place, (name, value)) in fields.iter().enumerate() {
            let comma = if place + 1 < fields.len() { "," } else { "" };
            writeln!(out, "      \"{name}\": {value}{comma}")?;
        }
        out.write_str("    }")
    }
}

/// A value of the policy and the JSON pointer that leads to it.
pub(super) struct Place<'a> {
    at: String,
    pub(super) value: Value<'a>,
}

impl<'a> Place<'a> {
    pub(super) fn error(&self, problem: PolicyProblem) -> PolicyError {
        PolicyError { at: self.at.clone(), problem }
    }

    /// The members of an object; each must be in `known`, or `$schema` or `$comment`.
    pub(super) fn fields(
        &self,
        known: &'static [&'static str],
    ) -> Result<Vec<(&'static str, Place<'a>)>, PolicyError> {
        let members =
            self.value.members().ok_or_else(|| self.error(PolicyProblem::WrongType("an object")))?;
        let mut fields = Vec::new();
        for (name, value) in members {
            if matches!(name, "$schema" | "$comment") {
                continue;
            }
            let Some(known_name) = known.iter().find(|k| **k == name) else {
                let nearest = nearest(name, known);
                return Err(self.error(PolicyProblem::UnknownField { name: name.to_owned(), nearest }));
            };
            fields.push((*known_name, Place { at: format!("{}/{name}", self.at), value }));
        }
        Ok(fields)
    }

    pub(super) fn items(&self) -> Result<Vec<Place<'a>>, PolicyError> {
        let items = self.value.items().ok_or_else(|| self.error(PolicyProblem::WrongType("an array")))?;
        Ok(items
            .enumerate()
            .map(|(place, value)| Place { at: format!("{}/{place}", self.at), value })
            .collect())
    }

    pub(super) fn text(&self) -> Result<&'a str, PolicyError> {
        let text = self.value.as_str().ok_or_else(|| self.error(PolicyProblem::WrongType("a string")))?;
        if text.is_empty() { Err(self.error(PolicyProblem::Empty)) } else { Ok(text) }
    }

    pub(super) fn texts(&self) -> Result<Vec<String>, PolicyError> {
        self.items()?.iter().map(|item| item.text().map(str::to_owned)).collect()
    }

    pub(super) fn flag(&self) -> Result<bool, PolicyError> {
        self.value.as_bool().ok_or_else(|| self.error(PolicyProblem::WrongType("true or false")))
    }

    pub(super) fn integer<T: TryFrom<u64>>(&self, min: u64, max: u64) -> Result<T, PolicyError> {
        let out_of_range = || self.error(PolicyProblem::OutOfRange { min, max });
        if self.value.kind() != Kind::Integer {
            return Err(self.error(PolicyProblem::WrongType("a whole number")));
        }
        let number = self.value.as_u64().filter(|n| (min..=max).contains(n)).ok_or_else(out_of_range)?;
        T::try_from(number).map_err(|_| out_of_range())
    }

    pub(super) fn claim_path(&self) -> Result<ClaimPath, PolicyError> {
        ClaimPath::new(self.text()?).map_err(|e| self.error(PolicyProblem::ClaimPath(e)))
    }

    pub(super) fn unknown_value(&self, value: &str, known: &'static str) -> PolicyError {
        self.error(PolicyProblem::UnknownValue { value: value.to_owned(), known })
    }
}

/// The fields of a policy file, for the test of its schema.
#[doc(hidden)]
pub const POLICY_FIELDS: &[&str] = &["issuers", "max_token_bytes", "revocation"];

/// The fields of an issuer in it.
#[doc(hidden)]
pub const ISSUER_FIELDS: &[&str] = &[
    "issuer",
    "audiences",
    "audience_check",
    "algorithms",
    "profile",
    "types",
    "allow_missing_type",
    "leeway_seconds",
    "require_exp",
    "max_age_seconds",
    "required_claims",
    "status_lists",
    "tenant_claim",
    "jwks",
    "jwks_file",
    "jwks_uri",
];

fn issuer(place: &Place<'_>) -> Result<IssuerPolicy, PolicyError> {
    let mut policy = IssuerPolicy::new("", AudienceRule::Unchecked);
    let (mut audiences, mut unchecked, mut require_exp) = (None, false, None);
    for (name, field) in place.fields(ISSUER_FIELDS)? {
        match name {
            "issuer" => policy.issuer = field.text()?.to_owned(),
            "audiences" => audiences = Some(field.texts()?),
            "audience_check" => {
                unchecked = match field.text()? {
                    "none" => true,
                    "any_of" => false,
                    other => return Err(field.unknown_value(other, "any_of, none")),
                };
            }
            "algorithms" => policy.algorithms = Some(algorithms(&field)?),
            "profile" => {
                let name = field.text()?;
                let known = "jwt, rfc9068, logout_token, security_event";
                policy.profile = Profile::from_name(name).ok_or_else(|| field.unknown_value(name, known))?;
            }
            "types" => policy.types = field.texts()?,
            "allow_missing_type" => policy.allow_missing_type = Some(field.flag()?),
            "leeway_seconds" => policy.leeway_seconds = field.integer(0, u64::from(MAX_LEEWAY_SECONDS))?,
            "require_exp" => require_exp = Some(field.flag()?),
            "max_age_seconds" => {
                policy.max_age_seconds = Some(field.integer(1, u64::from(MAX_TOKEN_AGE_SECONDS))?);
            }
            "required_claims" => {
                policy.required_claims = field
                    .items()?
                    .iter()
                    .map(|item| item.claim_path().map(RequiredClaim))
                    .collect::<Result<_, _>>()?;
            }
            "status_lists" => policy.status_lists = field.texts()?,
            "tenant_claim" => policy.tenant_claim = Some(field.claim_path()?),
            source => {
                if policy.keys != KeySource::Host {
                    let why = "only one of `jwks`, `jwks_file` and `jwks_uri` may be given";
                    return Err(field.error(PolicyProblem::Conflict(why)));
                }
                policy.keys = key_source(source, &field)?;
            }
        }
    }
    policy.require_exp = require_exp.unwrap_or(policy.profile.requires_exp());
    if policy.issuer.is_empty() {
        return Err(place.error(PolicyProblem::MissingField("issuer")));
    }
    policy.audiences = match (audiences, unchecked) {
        (Some(_), true) => {
            let why = "`audiences` and `audience_check: none` exclude each other";
            return Err(place.error(PolicyProblem::Conflict(why)));
        }
        (Some(list), false) => AudienceRule::AnyOf(list),
        (None, true) => AudienceRule::Unchecked,
        (None, false) => return Err(place.error(PolicyProblem::MissingField("audiences"))),
    };
    Ok(policy)
}

fn algorithms(field: &Place<'_>) -> Result<Algorithms, PolicyError> {
    const KNOWN: &str =
        "EdDSA, Ed25519, ES256, ES384, RS256, RS384, RS512, PS256, PS384, PS512, HS256, HS384, HS512";
    let read = |item: &Place<'_>| {
        let name = item.text()?;
        Algorithm::from_name(name).ok_or_else(|| item.unknown_value(name, KNOWN))
    };
    field.items()?.iter().map(read).collect()
}

fn key_source(name: &str, field: &Place<'_>) -> Result<KeySource, PolicyError> {
    Ok(match name {
        "jwks_file" => KeySource::File(field.text()?.to_owned()),
        "jwks_uri" => KeySource::Uri(field.text()?.to_owned()),
        _ => {
            let keys =
                jwk::parse_set_value(field.value).map_err(|e| field.error(PolicyProblem::KeySet(e)))?;
            if !keys.iter().any(|entry| entry.key.is_ok()) {
                let first = keys.into_iter().find_map(|entry| entry.key.err());
                return Err(field.error(PolicyProblem::NoUsableKey(first)));
            }
            KeySource::Inline(field.value.to_string())
        }
    })
}

/// The known name that `name` begins, or is nearest to if fewer than half of its letters must change.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    if let Some(longer) = known.iter().find(|k| name.len() >= 3 && k.starts_with(name)) {
        return Some(longer);
    }
    let (distance, best) = known.iter().map(|k| (edit_distance(name, k), *k)).min()?;
    (distance * 2 < best.len().max(2)).then_some(best)
}

/// Levenshtein distance in bytes, by the textbook row.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let substituted = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = substituted.min(*cell + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

pub(super) fn quoted(text: &str) -> String {
    let mut out = String::new();
    let _ = crate::codec::json::write_string(text, &mut out);
    out
}

pub(super) fn quoted_list(list: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let items: Vec<String> = list.into_iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// The inline key set without secrets: `k`, and the private members of a key that is skipped because it has them.
fn without_secrets(json: &str) -> String {
    let Ok(document) = OwnedDocument::parse(json.as_bytes()) else { return "null".to_owned() };
    let keys = document.root().member("keys").and_then(|keys| keys.items()).into_iter().flatten();
    let keys: Vec<String> = keys
        .map(|key| {
            let members: Vec<String> = key
                .members()
                .into_iter()
                .flatten()
                .filter(|(name, _)| *name != "k" && !PRIVATE_MEMBERS.contains(name))
                .map(|(name, value)| format!("{}:{value}", quoted(name)))
                .collect();
            format!("{{{}}}", members.join(","))
        })
        .collect();
    format!("{{\"keys\":[{}]}}", keys.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn error(json: &str) -> String {
        Policy::from_json(json.as_bytes()).expect_err("refused").to_string()
    }

    #[test]
    fn defaults_are_filled_in_and_written_out() {
        let policy =
            Policy::from_json(br#"{"issuers":[{"issuer":"https://a","audiences":["x"]}]}"#).expect("policy");
        assert_eq!(policy.max_token_bytes(), DEFAULT_MAX_TOKEN_BYTES);
        let issuer = &policy.issuers()[0];
        assert_eq!(*issuer, IssuerPolicy::new("https://a", AudienceRule::AnyOf(vec!["x".into()])));
        let again = Policy::from_json(policy.to_json().as_bytes()).expect("what is written can be read");
        assert_eq!(again.to_json(), policy.to_json());
        assert!(policy.to_json().contains("\"leeway_seconds\": 5"));
    }

    #[test]
    fn every_field_is_read() {
        let json = r#"{"$schema":"x","max_token_bytes":1000,"issuers":[{"$comment":"c","issuer":"i","audiences":["a","b"],
            "algorithms":["RS256","Ed25519"],"profile":"rfc9068","types":["custom+jwt"],"allow_missing_type":true,
            "leeway_seconds":0,"require_exp":true,"max_age_seconds":60,"required_claims":["sid","/a/b"],
            "status_lists":["https://i/status/1"],"tenant_claim":"/org/tenant","jwks_file":"keys.json"},
            {"issuer":"h","audience_check":"none","require_exp":false,"jwks_uri":"https://h/jwks"}]}"#;
        let policy = Policy::from_json(json.as_bytes()).expect("policy");
        assert_eq!(policy.find("i"), Some(1));
        assert_eq!(policy.find("h"), Some(0));
        assert_eq!(policy.find("hi"), None);
        let issuer = &policy.issuers()[1];
        assert_eq!(issuer.algorithms, Some([Algorithm::Rs256, Algorithm::EdDsa].into_iter().collect()));
        assert_eq!(issuer.profile, Profile::AccessToken);
        assert_eq!((issuer.leeway_seconds, issuer.max_age_seconds), (0, Some(60)));
        assert_eq!(issuer.keys, KeySource::File("keys.json".into()));
        assert!(
            issuer.accepts_type(None)
                && issuer.accepts_type(Some("Custom+JWT"))
                && !issuer.accepts_type(Some("JWT"))
        );
        let again = Policy::from_json(policy.to_json().as_bytes()).expect("what is written can be read");
        assert_eq!(again.issuers(), {
            let mut expected = policy.issuers().to_vec();
            // Written out, the profile's default becomes a value.
            expected[0].allow_missing_type = Some(true);
            expected
        });
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (json, expected) in [
            ("{", "/: not valid JSON at byte 1"),
            ("[]", "/: must be an object"),
            ("{}", "/: the field `issuers` is missing"),
            (r#"{"issuers":[]}"#, "/issuers: must not be empty"),
            (r#"{"isuers":[]}"#, "/: unknown field `isuers`; did you mean `issuers`?"),
            (r#"{"zzz":[]}"#, "/: unknown field `zzz`"),
            (r#"{"issuers":[{"audiences":["a"]}]}"#, "/issuers/0: the field `issuer` is missing"),
            (r#"{"issuers":[{"issuer":"i"}]}"#, "/issuers/0: the field `audiences` is missing"),
            (r#"{"issuers":[{"issuer":"i","audiences":[]}]}"#, "/issuers/0/audiences: must not be empty"),
            (r#"{"issuers":[{"issuer":"i","audiences":[""]}]}"#, "/issuers/0/audiences/0: must not be empty"),
            (r#"{"issuers":[{"issuer":"i","audiences":"a"}]}"#, "/issuers/0/audiences: must be an array"),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"audience_check":"none"}]}"#,
                "/issuers/0: `audiences` and `audience_check: none` exclude each other",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"leeway_seconds":301}]}"#,
                "/issuers/0/leeway_seconds: must be between 0 and 300",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"leeway_seconds":-1}]}"#,
                "/issuers/0/leeway_seconds: must be between 0 and 300",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"leeway_seconds":1.5}]}"#,
                "/issuers/0/leeway_seconds: must be a whole number",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"leeway":1}]}"#,
                "/issuers/0: unknown field `leeway`; did you mean `leeway_seconds`?",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"algorithms":["none"]}]}"#,
                "/issuers/0/algorithms/0: `none` is not known here; use one of EdDSA, Ed25519, ES256, ES384, RS256, RS384, RS512, PS256, PS384, PS512, HS256, HS384, HS512",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"algorithms":[]}]}"#,
                "/issuers/0/algorithms: must not be empty",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"profile":"oidc"}]}"#,
                "/issuers/0/profile: `oidc` is not known here; use one of jwt, rfc9068, logout_token, security_event",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"profile":"rfc9068","require_exp":false}]}"#,
                "/issuers/0/require_exp: RFC 9068 requires `exp`",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"]},{"issuer":"i","audiences":["a"]}]}"#,
                "/issuers/1/issuer: the same issuer stands in the list before",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"required_claims":["/~x"]}]}"#,
                "/issuers/0/required_claims/0: a JSON pointer has a `~` that is not followed by 0 or 1 (RFC 6901)",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"jwks_uri":"http://i"}]}"#,
                "/issuers/0/jwks_uri: must begin with https://",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"jwks_uri":"https://i","jwks_file":"x"}]}"#,
                "/issuers/0/jwks_file: only one of `jwks`, `jwks_file` and `jwks_uri` may be given",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"jwks":{"keys":[]}}]}"#,
                "/issuers/0/jwks: the key set is empty",
            ),
            (
                r#"{"issuers":[{"issuer":"i","audiences":["a"],"jwks":{"keys":[{"kty":"EC"}]}}]}"#,
                "/issuers/0/jwks: the key set has no usable key; the first is skipped because the member `crv` is missing",
            ),
            (
                r#"{"max_token_bytes":0,"issuers":[{"issuer":"i","audiences":["a"]}]}"#,
                "/max_token_bytes: must be between 1 and 1048576",
            ),
        ] {
            assert_eq!(error(json), expected, "{json}");
        }
    }

    #[test]
    fn secrets_are_not_written_out() {
        let json = r#"{"issuers":[{"issuer":"i","audiences":["a"],"algorithms":["HS256"],
            "jwks":{"keys":[{"kty":"oct","kid":"s","k":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"}]}}]}"#;
        let policy = Policy::from_json(json.as_bytes()).expect("policy");
        assert!(!policy.to_json().contains("MDEy"));
        assert!(policy.to_json().contains(r#""jwks": {"keys":[{"kty":"oct","kid":"s"}]}"#));
        // A private key beside the public one it belongs to: skipped as a key, and its secret stays unwritten.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let json = format!(
            r#"{{"issuers":[{{"issuer":"i","audiences":["a"],"jwks":{{"keys":[
                {{"kty":"OKP","crv":"Ed25519","x":"{x}"}},
                {{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}}]}}}}]}}"#
        );
        let policy = Policy::from_json(json.as_bytes()).expect("policy");
        assert!(policy.to_json().contains(x) && !policy.to_json().contains("nWGx"));
    }
}
