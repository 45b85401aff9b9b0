//! PagerDuty: events of the Events API v2, which open an incident and close it.
//!
//! Limits, from the API's documentation: `summary` has 1024 characters, `dedup_key` 255, an event 512 KB; it answers
//! 202, and 429 beyond what a key may send. A key that does not exist is a 400, which is final.
//!
//! Texts are plain, also in `custom_details`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::super::card::{Card, Tone, chars, escaped};
use super::super::exchange::Request;
use super::super::{Message, text};
use super::parts::{Ask, Part, Parts, Problem, server};
use super::{Incident, incident, incident_key};

/// Characters of a summary.
const SUMMARY_CHARS: usize = 1024;

/// Characters of the key that messages of one incident share.
const KEY_CHARS: usize = 255;

/// Where events go outside of the European service region, where it is <https://events.eu.pagerduty.com>.
const SERVER: &str = "https://events.pagerduty.com";

/// An integration of a service.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagerDuty {
    /// Its integration key.
    pub key: String,
    /// Address of the API.
    pub server: String,
}

pub(super) const ASKS: &[Ask] = &[
    Ask {
        part: Part::Token,
        label: "Integration key",
        hint: "the integration key (32 characters) of an Events API v2 integration of your service",
        required: true,
        secret: true,
    },
    server("https://events.eu.pagerduty.com for the European region"),
];

impl PagerDuty {
    pub(super) fn from_parts(parts: &mut Parts) -> Result<Self, Problem> {
        let key = parts.token(ASKS)?;
        Ok(Self { key, server: parts.server(SERVER) })
    }

    pub(super) fn request(&self, message: &Message, card: &Card) -> Request {
        let key = incident_key(message, KEY_CHARS);
        let body = match incident(message) {
            Incident::Close => json!({"routing_key": self.key, "event_action": "resolve", "dedup_key": key}),
            Incident::Open => json!({
                "routing_key": self.key,
                "event_action": "trigger",
                "dedup_key": key,
                "client": "Firefinch",
                "client_url": card.url,
                "links": [{"href": card.url, "text": card.link}],
                "payload": payload(message, card),
            }),
        };
        Request::post(format!("{}/v2/enqueue", self.server), body.to_string())
    }
}

fn payload(message: &Message, card: &Card) -> Value {
    let severity = match (message, card.tone) {
        (Message::Issue(notice), _) if notice.issue.level == "fatal" => "critical",
        (Message::Digest(digest), _) if digest.storm => "critical",
        (_, Tone::Bad) => "error",
        (_, Tone::Watch) => "warning",
        (_, Tone::Good | Tone::Plain) => "info",
    };
    let mut details = serde_json::Map::new();
    details.insert("what".to_owned(), card.plain().into());
    for (name, value) in &card.facts {
        details.insert(name.to_lowercase(), value.as_str().into());
    }
    let source = message.project().map_or("firefinch", |project| project.slug.as_str());
    json!({
        "summary": escaped(&card.headline, SUMMARY_CHARS, chars, |char, out| out.push(char)),
        "source": text::one_line(source, KEY_CHARS),
        "severity": severity,
        "timestamp": card.at.format(&Rfc3339).ok(),
        "class": message.form(),
        "custom_details": details,
    })
}
