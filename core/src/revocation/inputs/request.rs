//! Revocation requests: of one token (RFC 7009) and of all tokens of a subject (Global Token Revocation).

use super::{InputError, Order, SubjectScopes};
use crate::codec::json::OwnedDocument;
use crate::jose::claims::Claims;
use crate::jose::numeric_date::NumericDate;

/// Translates a revocation request (RFC 7009 §2.1) whose `token` a verifier accepted: that token is over, by
/// its `jti`. `at` is the time of the request.
///
/// # Errors
/// [`InputError::Missing`] if the token has no `jti`, and cannot be revoked by itself.
pub fn revoked_token(claims: Claims<'_>, at: i64) -> Result<Vec<Order>, InputError> {
    let issuer = claims.issuer().ok_or(InputError::Missing("iss"))?;
    let jti = claims.token_id().filter(|jti| !jti.is_empty()).ok_or(InputError::Missing("jti"))?;
    Ok(vec![Order {
        scope: "token".to_owned(),
        issuer: issuer.to_owned(),
        values: vec![jti.to_owned()],
        at,
        until: claims.expires_at().map(NumericDate::ceil),
    }])
}

/// Translates the body of a Global Token Revocation request (draft-parecki-oauth-global-token-revocation): a
/// JSON object with `sub_id`. `issuer` is the issuer of values whose format names none; `at` is the time of
/// the request.
///
/// # Errors
/// [`InputError`] with the member that is missing or wrong.
pub fn global_token_revocation(
    body: &[u8],
    subjects: &SubjectScopes,
    issuer: &str,
    at: i64,
) -> Result<Vec<Order>, InputError> {
    let document = OwnedDocument::parse(body).map_err(|_| InputError::Json)?;
    document.root().members().ok_or(InputError::Json)?;
    let subject = document.root().member("sub_id").ok_or(InputError::Missing("sub_id"))?;
    subjects.orders(subject, issuer, at)
}
