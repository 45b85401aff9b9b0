//! Who may call what: the one place where a bearer token is turned into a decision.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use engine::access::Scope;
use store::people::ApiToken;
use store::people::tokens;
use time::OffsetDateTime;

use super::Api;
use super::error::ApiError;
use crate::secrets;

/// Longest token that is looked at. Ours have 47 characters, those that carry a URL some hundred; the hash of a
/// megabyte is work for nothing.
const TOKEN_BYTES_MAX: usize = 1024;

/// Finds the token of a request and decides whether it may do what one of `scopes` allows. An empty list
/// asks only for a valid token.
pub(super) async fn authorise(
    api: &Api,
    headers: &HeaderMap,
    scopes: &[Scope],
    now: OffsetDateTime,
) -> Result<ApiToken, ApiError> {
    let secret = bearer(headers)?;
    let Some(token) = tokens::find_active(&api.pool, &secrets::hash(secret), now).await? else {
        return Err(ApiError::Unauthorized("Invalid token"));
    };
    if !can(&token, scopes) {
        return Err(ApiError::Forbidden);
    }
    tokens::touch(&api.pool, token.id, now).await?;
    Ok(token)
}

/// Whether a token may call an endpoint that any of `scopes` opens.
fn can(token: &ApiToken, scopes: &[Scope]) -> bool {
    scopes.is_empty() || scopes.iter().any(|scope| token.allows(*scope))
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Err(ApiError::Unauthorized("Authentication credentials were not provided."));
    };
    let text = value.to_str().unwrap_or_default();
    let secret = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match secret.map(|(_, secret)| secret.trim()) {
        Some(secret) if !secret.is_empty() && secret.len() <= TOKEN_BYTES_MAX => Ok(secret),
        _ => Err(ApiError::Unauthorized("Invalid token")),
    }
}
