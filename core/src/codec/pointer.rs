//! Claim paths: a literal top-level member name, or a JSON Pointer (RFC 6901) if it begins with `/`.
//!
//! Names are read from the operator's configuration only. They are kept for the life of the process, once
//! each, so that refusals can name them without allocating: the set is bounded by what operators configure.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::limits::MAX_CLAIM_PATH_BYTES;

/// A name from the configuration, kept for the life of the process. Equal names share one copy.
///
/// Only for text that an operator wrote: text from tokens would make this grow without bound.
#[must_use]
pub fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    // A poisoned lock only means that another thread panicked elsewhere; the set itself is always whole.
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}

/// Where a claim stands: `tenant` is the top-level member of that name (also when the name holds dots,
/// colons or slashes further on), `/realm_access/roles` is a JSON Pointer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClaimPath {
    text: &'static str,
    /// Unescaped reference tokens, at least one.
    steps: Vec<&'static str>,
}

/// A claim path that cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvalidClaimPath {
    /// The text is empty.
    Empty,
    /// The text is longer than [`MAX_CLAIM_PATH_BYTES`].
    TooLong,
    /// A `~` that is not followed by `0` or `1` (RFC 6901 §3).
    Escape,
}

impl ClaimPath {
    /// Reads a claim path.
    ///
    /// # Errors
    /// [`InvalidClaimPath`] says what is wrong with `text`.
    pub fn new(text: &str) -> Result<Self, InvalidClaimPath> {
        if text.is_empty() || text == "/" {
            return Err(InvalidClaimPath::Empty);
        }
        if text.len() > MAX_CLAIM_PATH_BYTES {
            return Err(InvalidClaimPath::TooLong);
        }
        let Some(pointer) = text.strip_prefix('/') else {
            let name = intern(text);
            return Ok(ClaimPath { text: name, steps: vec![name] });
        };
        let steps = pointer.split('/').map(unescape).collect::<Result<_, _>>()?;
        Ok(ClaimPath { text: intern(text), steps })
    }

    /// The path as it was configured.
    #[must_use]
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// The member names (or array indexes) to follow from the top.
    pub fn steps(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.steps.iter().copied()
    }
}

impl core::fmt::Display for InvalidClaimPath {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            InvalidClaimPath::Empty => f.write_str("a claim path is empty"),
            InvalidClaimPath::TooLong => {
                write!(f, "a claim path is longer than {MAX_CLAIM_PATH_BYTES} bytes")
            }
            InvalidClaimPath::Escape => {
                f.write_str("a JSON pointer has a `~` that is not followed by 0 or 1 (RFC 6901)")
            }
        }
    }
}

impl core::error::Error for InvalidClaimPath {}

fn unescape(step: &str) -> Result<&'static str, InvalidClaimPath> {
    let mut rest = step;
    while let Some(at) = rest.find('~') {
        rest = rest.get(at + 1..).unwrap_or("");
        if !rest.starts_with(['0', '1']) {
            return Err(InvalidClaimPath::Escape);
        }
    }
    Ok(intern(&step.replace("~1", "/").replace("~0", "~")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Vec<&'static str> {
        ClaimPath::new(text).map(|p| p.steps().collect()).unwrap_or_default()
    }

    #[test]
    fn names_are_literal_and_pointers_are_split() {
        assert_eq!(steps("tenant"), ["tenant"]);
        assert_eq!(steps("https://example.com/claims/a.b"), ["https://example.com/claims/a.b"]);
        assert_eq!(steps("/realm_access/roles"), ["realm_access", "roles"]);
        assert_eq!(steps("/https:~1~1example.com~1tenant/id~01"), ["https://example.com/tenant", "id~1"]);
        assert_eq!(steps("/a//b"), ["a", "", "b"]);
    }

    #[test]
    fn bad_paths_are_refused() {
        assert_eq!(ClaimPath::new(""), Err(InvalidClaimPath::Empty));
        assert_eq!(ClaimPath::new("/"), Err(InvalidClaimPath::Empty));
        assert_eq!(ClaimPath::new("/a~"), Err(InvalidClaimPath::Escape));
        assert_eq!(ClaimPath::new("/a~2b"), Err(InvalidClaimPath::Escape));
        assert_eq!(ClaimPath::new(&"x".repeat(257)), Err(InvalidClaimPath::TooLong));
    }

    #[test]
    fn equal_names_share_one_copy() {
        assert!(core::ptr::eq(intern("libtoken-test-name"), intern(&String::from("libtoken-test-name"))));
    }
}
