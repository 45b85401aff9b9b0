//! Opsgenie: alerts of the Alert API, created and closed by their alias.
//!
//! Limits, from its documentation: `message` has 130 characters, `alias` 512, `description` 15000, `entity` 512,
//! `source` 100, `note` 25000; at most 20 tags of 50. It answers 202. Atlassian ends the service in April 2027.
//!
//! A description may hold HTML, so its three special characters are escaped.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::card::{Card, Tone, chars, escaped};
use super::super::exchange::Request;
use super::super::{Message, text};
use super::parts::{Ask, Part, Parts, Problem, server};
use super::{Incident, incident, incident_key};

/// Characters of a message.
const MESSAGE_CHARS: usize = 130;

/// Characters of an alias. It becomes part of a path.
const ALIAS_CHARS: usize = 250;

/// Characters of a description.
const DESCRIPTION_CHARS: usize = 15_000;

/// Characters of an entity, 512 at most.
const ENTITY_CHARS: usize = 100;

/// Characters of a tag.
const TAG_CHARS: usize = 50;

/// The API outside of the European region, where it is <https://api.eu.opsgenie.com>.
const SERVER: &str = "https://api.opsgenie.com";

/// An API integration.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opsgenie {
    /// Its key.
    pub key: String,
    /// Address of the API.
    pub server: String,
}

pub(super) const ASKS: &[Ask] = &[
    Ask {
        part: Part::Token,
        label: "API key",
        hint: "the key of an API integration of your team (not one of API Key Management)",
        required: true,
        secret: true,
    },
    server("https://api.eu.opsgenie.com for the European region"),
];

impl Opsgenie {
    pub(super) fn from_parts(parts: &mut Parts) -> Result<Self, Problem> {
        let key = parts.token(ASKS)?;
        Ok(Self { key, server: parts.server(SERVER) })
    }

    pub(super) fn request(&self, message: &Message, card: &Card) -> Request {
        let alias = incident_key(message, ALIAS_CHARS);
        let headline = escaped(&card.headline, DESCRIPTION_CHARS, chars, escape);
        let request = match incident(message) {
            Incident::Close => {
                let body = json!({"source": "Firefinch", "note": headline}).to_string();
                let path = in_path(&alias);
                Request::post(format!("{}/v2/alerts/{path}/close?identifierType=alias", self.server), body)
            }
            Incident::Open => {
                let project = message.project().map_or("firefinch", |project| project.slug.as_str());
                let description = format!("{}\n{}\n{}", card.headline, card.plain(), card.url);
                let body = json!({
                    "message": escaped(&card.headline, MESSAGE_CHARS, chars, escape),
                    "alias": alias,
                    "description": escaped(&description, DESCRIPTION_CHARS, chars, escape),
                    "entity": text::one_line(project, ENTITY_CHARS),
                    "source": "Firefinch",
                    "tags": ["firefinch", text::one_line(project, TAG_CHARS)],
                    "details": {"url": card.url},
                    "priority": match card.tone { Tone::Bad => "P2", Tone::Watch => "P3", Tone::Good | Tone::Plain => "P5" },
                });
                Request::post(format!("{}/v2/alerts", self.server), body.to_string())
            }
        };
        request.with("authorization", format!("GenieKey {}", self.key))
    }
}

fn escape(char: char, out: &mut String) {
    match char {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        other => out.push(other),
    }
}

/// Percent-encoded for a segment of a path.
fn in_path(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
