//! The data format. Every struct refuses unknown fields; absent optional fields have the default that
//! README.md names.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One file of cases, complete in itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What the file holds and where it comes from.
    pub about: String,
    /// Policy files by name.
    pub policies: BTreeMap<String, Value>,
    /// JWK Sets by name. A string stands for a document that is not JSON or not canonical JSON.
    pub key_sets: BTreeMap<String, Value>,
    /// The cases, in order.
    pub cases: Vec<Case>,
}

/// One case: a verifier, a token, a time, a request, and the only right answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique among all files.
    pub id: String,
    /// The class in docs/attacks.md, if the case belongs to one.
    pub attack: Option<u8>,
    /// What is tried, and why the answer is right.
    pub description: String,
    /// Where the case comes from.
    pub provenance: String,
    /// Name of the policy.
    pub policy: String,
    /// Key sets, given to the verifier in this order.
    pub keys: Vec<Keys>,
    /// Key states set after that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_states: Vec<KeyStateChange>,
    /// Tokens that the same verifier checks before, with the same memory. Their verdicts do not matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_tokens: Vec<Token>,
    /// The token.
    pub token: Token,
    /// Seconds since the Unix epoch.
    pub now: i64,
    /// What the request expects.
    #[serde(default, skip_serializing_if = "Request::is_default")]
    pub request: Request,
    /// The answer.
    pub expected: Expected,
}

/// A key set for one issuer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The issuer, which the policy names.
    pub issuer: String,
    /// Name of the key set.
    pub set: String,
    /// Where it comes from.
    pub source: Source,
    /// How many of its keys are used. With 0 the set is refused as a whole and changes nothing.
    pub usable: usize,
}

/// Where a key set comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The operator's own configuration, which may hold shared secrets.
    Operator,
    /// Fetched from the issuer.
    Fetched,
}

/// A new state for the keys of one issuer that have one `kid`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyStateChange {
    /// The issuer.
    pub issuer: String,
    /// The `kid`; null for the keys without one.
    pub kid: Option<String>,
    /// The state.
    pub state: State,
}

/// The state of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// In use.
    Active,
    /// Not accepted yet.
    Staged,
    /// Compromised.
    Tainted,
    /// Accepted until this time, in seconds since the Unix epoch.
    VerifyUntil(i64),
}

/// A token: its text, or pieces to be joined where the text would be long or is not UTF-8.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Token {
    /// The text.
    Text(String),
    /// Pieces, joined without anything between them.
    Pieces(Vec<Piece>),
}

/// A piece of a token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Piece {
    /// Text.
    Text(String),
    /// Text, many times.
    Repeat(Repeat),
    /// Bytes.
    Hex(Hex),
}

/// Text, many times.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// The text.
    pub repeat: String,
    /// How often.
    pub times: usize,
}

/// Bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hex {
    /// Two lower-case hexadecimal digits per byte.
    pub hex: String,
}

/// What the request expects beyond the policy.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// An audience that the token must name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The tenant that the request addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// The only right answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case", deny_unknown_fields)]
pub enum Expected {
    /// The token is accepted.
    Accept {
        /// The whole payload.
        claims: Value,
    },
    /// The token is refused.
    Refuse {
        /// Name of the code, as in docs/rejections.md.
        code: String,
        /// The claim or header parameter concerned.
        claim: Option<String>,
        /// Name of the reason.
        reason: String,
    },
}

/// Data that cannot be used: a defect of the data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadError {
    /// The file.
    pub file: String,
    /// What is wrong.
    pub problem: String,
}

/// The committed files: name and text.
pub const FILES: &[(&str, &str)] = &[
    ("accepted.json", include_str!("../accepted.json")),
    ("algorithm_and_key.json", include_str!("../algorithm_and_key.json")),
    ("claims_and_policy.json", include_str!("../claims_and_policy.json")),
    ("key_rules.json", include_str!("../key_rules.json")),
    ("parsing.json", include_str!("../parsing.json")),
    ("rfc.json", include_str!("../rfc.json")),
];

/// Reads the committed files and checks that they hang together.
///
/// # Errors
/// [`LoadError`] names the file and what is wrong in it.
pub fn load() -> Result<Vec<File>, LoadError> {
    let mut ids = BTreeSet::new();
    FILES.iter().map(|(name, text)| File::read(name, text, &mut ids)).collect()
}

impl File {
    fn read(name: &str, text: &str, ids: &mut BTreeSet<String>) -> Result<File, LoadError> {
        let fail = |problem: String| LoadError { file: name.to_owned(), problem };
        let file: File = serde_json::from_str(text).map_err(|e| fail(e.to_string()))?;
        let mut unused: BTreeSet<&String> = file.policies.keys().chain(file.key_sets.keys()).collect();
        for case in &file.cases {
            let known = |found: bool, what: &str| match found {
                true => Ok(()),
                false => Err(fail(format!("case {}: no {what}", case.id))),
            };
            known(ids.insert(case.id.clone()), "second case may have the same id")?;
            known(file.policies.contains_key(&case.policy), "such policy")?;
            unused.remove(&case.policy);
            for keys in &case.keys {
                known(file.key_sets.contains_key(&keys.set), "such key set")?;
                unused.remove(&keys.set);
            }
            for token in case.earlier_tokens.iter().chain([&case.token]) {
                known(token.to_bytes().is_some(), "hexadecimal digits in `hex`")?;
            }
        }
        match unused.first() {
            Some(name) => Err(fail(format!("no case uses {name}"))),
            None => Ok(file),
        }
    }

    /// The text of a policy of this file.
    #[must_use]
    pub fn policy(&self, case: &Case) -> String {
        self.policies.get(&case.policy).map(Value::to_string).unwrap_or_default()
    }

    /// The text of a key set of this file.
    #[must_use]
    pub fn key_set(&self, keys: &Keys) -> String {
        match self.key_sets.get(&keys.set) {
            Some(Value::String(text)) => text.clone(),
            Some(set) => set.to_string(),
            None => String::new(),
        }
    }
}

impl Token {
    /// The token's bytes; `None` if a piece is not well-formed.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Token::Text(text) => Some(text.clone().into_bytes()),
            Token::Pieces(pieces) => {
                let parts: Option<Vec<Vec<u8>>> = pieces.iter().map(Piece::to_bytes).collect();
                parts.map(|parts| parts.concat())
            }
        }
    }
}

impl Piece {
    fn to_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Piece::Text(text) => Some(text.clone().into_bytes()),
            Piece::Repeat(Repeat { repeat, times }) => Some(repeat.repeat(*times).into_bytes()),
            Piece::Hex(Hex { hex }) => hex
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok())
                .collect(),
        }
    }
}

impl Request {
    fn is_default(&self) -> bool {
        *self == Request::default()
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.problem)
    }
}

impl std::error::Error for LoadError {}
