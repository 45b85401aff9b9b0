//! What people who met an error say about it, in both forms that SDKs send (protocol, section 7).
//!
//! `user_report` is the older one: an item, or a form, with the id of the event and what was said. `feedback`
//! is an event of its own that names the other one, or none. Both become a `Feedback`, which is what the
//! spool keeps. What says nothing is no feedback.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::access::Email;
use crate::ids::EventId;
use crate::json;
use crate::limits::{EMAIL_CHARS_MAX, FEEDBACK_CHARS_MAX, FEEDBACK_URL_CHARS_MAX, USER_FIELD_CHARS_MAX};

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// Its own id: a repeated one says nothing new.
    pub id: Uuid,
    /// How it came.
    pub form: Form,
    /// The event that it is about.
    pub event_id: Option<Uuid>,
    /// Who, as they call themselves; may be empty.
    pub name: String,
    /// Where to answer; may be empty.
    pub email: String,
    /// What they say; never empty.
    pub message: String,
    /// Where they were; may be empty.
    pub url: String,
}

/// The two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A report about one event; a later one replaces it.
    UserReport,
    /// An event of its own.
    Feedback,
}

impl Form {
    /// As the database and the API call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserReport => "user_report",
            Self::Feedback => "feedback",
        }
    }

    /// Reads it back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::UserReport, Self::Feedback].into_iter().find(|form| form.as_str() == text)
    }
}

/// Reads the payload of a `user_report`, or the body of `user-feedback/`.
///
/// # Errors
/// A sentence that says what is missing.
pub fn user_report(payload: &[u8]) -> Result<Feedback, String> {
    let report = object(payload)?;
    let event_id = text(&report, "event_id").or_else(|| text(&report, "eventId")).and_then(EventId::parse);
    let event_id = event_id.ok_or("event_id: the id of the event that it is about")?;
    let said = report_of(event_id, text(&report, "name"), text(&report, "email"), text(&report, "comments"));
    said.ok_or_else(|| "comments: what happened, in words".to_owned())
}

/// What is wrong with the fields of a form: their names, and what each of them wants.
pub type Flaws = Vec<(&'static str, &'static str)>;

/// Reads the form in which a person says what happened. Who they are is for them to say or not: a report without a
/// name is better than none.
///
/// # Errors
/// The fields that cannot be taken.
pub fn form(event_id: EventId, name: &str, email: &str, comments: &str) -> Result<Feedback, Flaws> {
    let mut flaws = Flaws::new();
    if !email.trim().is_empty() && email.parse::<Email>().is_err() {
        flaws.push(("email", "an address such as name@example.org, or nothing"));
    }
    let said = report_of(event_id, Some(name), Some(email), Some(comments));
    if said.is_none() {
        flaws.push(("comments", "what happened, in words"));
    }
    said.filter(|_| flaws.is_empty()).ok_or(flaws)
}

/// `None` where it says nothing.
fn report_of(event_id: EventId, name: Option<&str>, email: Option<&str>, comments: Option<&str>) -> Option<Feedback> {
    Some(Feedback {
        id: event_id.0,
        form: Form::UserReport,
        event_id: Some(event_id.0),
        name: line(name, USER_FIELD_CHARS_MAX),
        email: line(email, EMAIL_CHARS_MAX),
        message: message(comments)?,
        url: String::new(),
    })
}

/// Reads the payload of a `feedback` item. `own_id` is the id of the envelope, which wins over its own.
///
/// # Errors
/// A sentence that says what is missing.
pub fn feedback(payload: &[u8], own_id: Option<EventId>, fresh_id: impl FnOnce() -> Uuid) -> Result<Feedback, String> {
    let event = object(payload)?;
    let said = event.pointer("/contexts/feedback").filter(|said| said.is_object());
    let said = said.ok_or("contexts.feedback: what was said")?;
    let own_id = own_id.or_else(|| text(&event, "event_id").and_then(EventId::parse));
    let user = |name| event.pointer("/user").and_then(|user| text(user, name));
    Ok(Feedback {
        id: own_id.map_or_else(fresh_id, |id| id.0),
        form: Form::Feedback,
        event_id: text(said, "associated_event_id").and_then(EventId::parse).map(|id| id.0),
        name: line(text(said, "name").or_else(|| user("name")).or_else(|| user("username")), USER_FIELD_CHARS_MAX),
        email: line(text(said, "contact_email").or_else(|| user("email")), EMAIL_CHARS_MAX),
        message: message(text(said, "message")).ok_or("contexts.feedback.message: what was said, in words")?,
        url: line(text(said, "url"), FEEDBACK_URL_CHARS_MAX),
    })
}

fn object(payload: &[u8]) -> Result<Value, String> {
    let read = serde_json::from_str::<Value>(&json::repair(payload)).map_err(|error| error.to_string())?;
    if read.is_object() { Ok(read) } else { Err("not a JSON object".to_owned()) }
}

fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// One line, without controls.
pub(crate) fn line(text: Option<&str>, chars_max: usize) -> String {
    text.unwrap_or_default().trim().chars().filter(|c| !c.is_control()).take(chars_max).collect()
}

/// Lines stay, other controls go.
fn message(text: Option<&str>) -> Option<String> {
    let text = text.unwrap_or_default().trim();
    let kept = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    let message: String = kept.take(FEEDBACK_CHARS_MAX).collect();
    (!message.trim().is_empty()).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "9ec79c33ec9942ab8353589fcb2e04dc";

    fn fresh() -> Uuid {
        Uuid::from_u128(1)
    }

    #[test]
    fn the_older_form_is_read() {
        let body = format!(
            r#"{{"event_id":"{EVENT}","name":" Ada ","email":"ada@example.org","comments":"It\nbroke\u0000."}}"#
        );
        let report = user_report(body.as_bytes()).unwrap();
        assert_eq!((report.name.as_str(), report.email.as_str()), ("Ada", "ada@example.org"));
        assert_eq!(report.message, "It\nbroke.");
        assert_eq!(report.id.as_simple().to_string(), EVENT);
        assert_eq!(report.event_id, Some(report.id));
    }

    #[test]
    fn the_newer_form_is_read() {
        let body = format!(
            r#"{{"event_id":"{EVENT}","type":"feedback","user":{{"email":"of@user"}},"contexts":{{"feedback":{{"message":"No.",
               "associated_event_id":"00000000-0000-0000-0000-000000000007","url":"https://shop.example/basket"}}}}}}"#
        );
        let said = feedback(body.as_bytes(), None, fresh).unwrap();
        assert_eq!(said.id.as_simple().to_string(), EVENT);
        assert_eq!(said.event_id, Some(Uuid::from_u128(7)));
        assert_eq!((said.message.as_str(), said.email.as_str(), said.name.as_str()), ("No.", "of@user", ""));
        assert_eq!(said.url, "https://shop.example/basket");
        let alone = feedback(br#"{"contexts":{"feedback":{"message":"m"}}}"#, None, fresh).unwrap();
        assert_eq!((alone.id, alone.event_id), (fresh(), None));
    }

    #[test]
    fn what_says_nothing_is_refused_in_words() {
        let report = |body: &str| user_report(body.as_bytes()).unwrap_err();
        assert!(report("no").contains("expected"));
        assert_eq!(report("[]"), "not a JSON object");
        assert!(report(r#"{"comments":"x"}"#).starts_with("event_id"));
        assert!(report(&format!(r#"{{"event_id":"{EVENT}","comments":" \u0000 "}}"#)).starts_with("comments"));
        let said = |body: &str| feedback(body.as_bytes(), None, fresh).unwrap_err();
        assert!(said(r#"{"contexts":{"feedback":7}}"#).starts_with("contexts.feedback:"));
        assert!(said(r#"{"contexts":{"feedback":{"message":7}}}"#).starts_with("contexts.feedback.message"));
    }

    #[test]
    fn a_form_wants_words_and_no_name() {
        let event_id = EventId::parse(EVENT).unwrap();
        let said = form(event_id, " Ada ", "", "It broke.\n").unwrap();
        assert_eq!((said.name.as_str(), said.email.as_str(), said.message.as_str()), ("Ada", "", "It broke."));
        assert_eq!(form(event_id, "", " ada@example.org ", "m").unwrap().email, "ada@example.org");
        let flawed = |email: &str, comments: &str| {
            let flaws = form(event_id, "", email, comments).unwrap_err();
            flaws.into_iter().map(|(field, _)| field).collect::<Vec<_>>()
        };
        assert_eq!(flawed("", " \u{0}\n"), ["comments"]);
        for email in [
            "ada",
            "@",
            "ada@",
            "@example.org",
            "a da@example.org",
            "ada@exa\nmple.org",
            &format!("{}@x", "a".repeat(254)),
        ] {
            assert_eq!(flawed(email, "m"), ["email"], "{email:?}");
        }
        assert_eq!(flawed("ada", ""), ["email", "comments"]);
    }

    #[test]
    fn everything_is_bounded() {
        let long = "x".repeat(100_000);
        let body = format!(r#"{{"event_id":"{EVENT}","name":"{long}","email":"{long}","comments":"{long}"}}"#);
        let report = user_report(body.as_bytes()).unwrap();
        assert_eq!(report.name.len(), USER_FIELD_CHARS_MAX);
        assert_eq!(report.email.len(), EMAIL_CHARS_MAX);
        assert_eq!(report.message.len(), FEEDBACK_CHARS_MAX);
    }
}
