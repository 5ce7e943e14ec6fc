//! The Rust surface: a case through `libtoken::verify`.

use libtoken::crypto::Backends;
use libtoken::error::Rejection;
use libtoken::verify::{self, KeyState, Policy, Scratch, Verified, Verifier};

use crate::harness::Outcome;
use crate::model::{Case, File, Source, State};

/// A verifier as the case describes it.
///
/// # Errors
/// What is wrong: the policy is refused, or another number of keys is usable than the case says.
pub fn verifier(file: &File, case: &Case, backends: Backends) -> Result<Verifier, String> {
    let policy = Policy::from_json(file.policy(case).as_bytes()).map_err(|e| format!("policy: {e}"))?;
    let verifier = Verifier::with_backends(policy, backends);
    for keys in &case.keys {
        let set = file.key_set(keys);
        let report = match keys.source {
            Source::Operator => verifier.replace_operator_keys(&keys.issuer, set.as_bytes()),
            Source::Fetched => verifier.replace_keys(&keys.issuer, set.as_bytes()),
        };
        match (report, keys.usable) {
            (Ok(report), usable) if report.keys.len() == usable && usable > 0 => {}
            (Err(_), 0) => {}
            (other, usable) => return Err(format!("{usable} usable keys expected, not {other:?}")),
        }
    }
    for change in &case.key_states {
        let state = match change.state {
            State::Active => KeyState::Active,
            State::Staged => KeyState::Staged,
            State::Tainted => KeyState::Tainted,
            State::VerifyUntil(end) => KeyState::VerifyUntil(end),
        };
        let changed = verifier.set_key_state(&change.issuer, change.kid.as_deref(), state);
        changed.map_err(|e| format!("key state: {e}"))?;
    }
    Ok(verifier)
}

/// What the case expects of the request.
#[must_use]
pub fn request(case: &Case) -> verify::Request<'_> {
    let mut request = verify::Request::new();
    if let Some(audience) = &case.request.audience {
        request = request.audience(audience);
    }
    if let Some(tenant) = &case.request.tenant {
        request = request.tenant(tenant);
    }
    request
}

/// Verifies the case's tokens, the earlier ones first.
#[must_use]
pub fn verify(verifier: &Verifier, case: &Case, scratch: &mut Scratch) -> Outcome {
    for earlier in &case.earlier_tokens {
        let bytes = earlier.to_bytes().unwrap_or_default();
        // The verdict does not matter; what it leaves behind would.
        let _ = verifier.verify(&bytes, &request(case), case.now, scratch);
    }
    let bytes = case.token.to_bytes().unwrap_or_default();
    outcome(verifier.verify(&bytes, &request(case), case.now, scratch))
}

/// A verdict in the harness's words.
#[must_use]
pub fn outcome(verdict: Result<Verified<'_>, Rejection>) -> Outcome {
    match verdict {
        Ok(verified) => Outcome::Accepted(verified.claims().root().to_string()),
        Err(rejection) => Outcome::Refused {
            code: rejection.code.name().to_owned(),
            claim: rejection.claim.map(str::to_owned),
            reason: rejection.reason.name().to_owned(),
        },
    }
}
