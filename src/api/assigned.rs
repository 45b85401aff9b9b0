//! `assignedTo`: who gets issues, as calls say it and as answers show it.

use engine::ids::{IssueId, ProjectId, UserId};
use serde_json::{Map, Value, json};
use store::activity::Actor;
use store::lifecycle::{self, By};
use store::live;
use store::people::users::{self, User};

use super::call::Call;
use super::error::ApiError;

/// What a call says of who gets issues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AssignedTo {
    /// Nobody shall have them.
    Nobody,
    /// `user:7`, `7`, an address or a name.
    Person(String),
}

impl AssignedTo {
    /// Reads the attribute of a body; none when it is not there.
    pub(super) fn read(body: &Map<String, Value>) -> Result<Option<Self>, ApiError> {
        let text = match body.get("assignedTo") {
            None => return Ok(None),
            Some(Value::Null) => return Ok(Some(Self::Nobody)),
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(id)) => id.to_string(),
            Some(_) => return Err(ApiError::bad_request("assignedTo is a text: user:7, an e-mail address, or empty")),
        };
        if text.starts_with("team:") || text.starts_with('#') {
            return Err(ApiError::bad_request("assignedTo names a person: there are no teams"));
        }
        match text.as_str() {
            "" => Ok(Some(Self::Nobody)),
            "me" => {
                Err(ApiError::bad_request("assignedTo: a token is nobody. Name the person by their e-mail address"))
            }
            _ => Ok(Some(Self::Person(text))),
        }
    }

    /// The person, who exists; nobody for nobody.
    pub(super) async fn find(&self, call: &Call) -> Result<Option<User>, ApiError> {
        let Self::Person(text) = self else { return Ok(None) };
        let pool = &call.api().pool;
        let found = if text.contains('\0') {
            // PostgreSQL has no such text, and nobody has it in their name.
            None
        } else if let Ok(id) = text.strip_prefix("user:").unwrap_or(text).parse() {
            users::by_id(pool, UserId(id)).await?
        } else if text.contains('@') {
            users::by_email(pool, text).await?
        } else {
            users::by_name(pool, text).await?
        };
        let Some(user) = found else {
            let why = format!("assignedTo: there is nobody called {text:.100}, or more than one person");
            return Err(ApiError::BadRequest(why));
        };
        Ok(Some(user))
    }
}

/// Gives issues to a person who was found, or to nobody.
pub(super) async fn assign(call: &Call, to: Option<&User>, issues: &[(ProjectId, IssueId)]) -> Result<(), ApiError> {
    let pool = &call.api().pool;
    let by = By { user: None, at: call.now };
    for chunk in issues.chunks(lifecycle::BULK_MAX) {
        let changed = lifecycle::assign(pool, chunk, to.map(|user| user.id), by).await?;
        live::notify(pool, &changed).await?;
    }
    Ok(())
}

/// A person as the API shows who has an issue.
pub(super) fn shape(actor: &Actor) -> Value {
    json!({ "type": "user", "id": actor.id.to_string(), "name": actor.shown(), "email": actor.email })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_names_a_person_or_nobody() {
        let read = |value: Value| AssignedTo::read(json!({"assignedTo": value}).as_object().unwrap());
        for nobody in [json!(null), json!(""), json!(" ")] {
            assert!(matches!(read(nobody), Ok(Some(AssignedTo::Nobody))));
        }
        for (value, text) in [(json!("user:7"), "user:7"), (json!(7), "7"), (json!(" ann@x.org "), "ann@x.org")] {
            assert!(matches!(read(value), Ok(Some(AssignedTo::Person(found))) if found == text));
        }
        for odd in [json!("me"), json!("team:1"), json!("#ops"), json!([1]), json!({"id": 1}), json!(true)] {
            assert!(read(odd.clone()).is_err(), "{odd}");
        }
        assert!(matches!(AssignedTo::read(&Map::new()), Ok(None)));
    }
}
