//! The one organization of this instance, and what the token itself may do.

use serde_json::{Value, json};

use super::call::{Answer, Call, json as answer, json_page};
use super::cursor;

/// Its number, for clients that insist on one.
pub(super) const ID: &str = "1";

/// `GET /`: clients check their token with it.
pub(super) async fn token(call: Call) -> Answer {
    let scopes: Vec<&str> = call.token.scopes.iter().map(|scope| scope.as_str()).collect();
    // No user: a token belongs to the instance. sentry-cli then calls it an organization's token.
    answer(json!({ "version": "0", "auth": { "scopes": scopes }, "user": null }))
}

/// `GET /organizations/`
pub(super) async fn list(call: Call) -> Answer {
    let none: (bool, Option<i64>) = (false, None);
    json_page([organization(&call)], cursor::link_of(&call, none, none))
}

/// `GET /organizations/{org}/`
pub(super) async fn get(call: Call) -> Answer {
    answer(organization(&call))
}

/// `GET /organizations/{org}/repos/`
pub(super) async fn repos(call: Call) -> Answer {
    let none: (bool, Option<i64>) = (false, None);
    json_page(json!([]), cursor::link_of(&call, none, none))
}

/// `GET /organizations/{org}/monitors/`: check-ins are taken and not kept, so there is none to list.
pub(super) async fn monitors(call: Call) -> Answer {
    repos(call).await
}

fn organization(call: &Call) -> Value {
    let slug = &call.api().org_slug;
    json!({
        "id": ID,
        "slug": slug,
        "name": slug,
        // An instance has no birthday of its own; clients only want a date here.
        "dateCreated": "2026-01-01T00:00:00Z",
        "isEarlyAdopter": false,
        "require2FA": false,
        "requireEmailVerification": false,
        "features": [],
        "status": { "id": "active", "name": "active" },
        "avatar": { "avatarType": "letter_avatar", "avatarUuid": null },
        "links": { "organizationUrl": call.api().base_url, "regionUrl": call.api().base_url },
    })
}
