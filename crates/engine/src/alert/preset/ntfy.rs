//! ntfy: a message as JSON to the root of a server.
//!
//! Limits, from ntfy's documentation: a message over 4096 bytes becomes an attachment, which a phone does not
//! show; a title has no limit that is named, and ours stays under 250 bytes. Priorities go from 1 to 5.
//!
//! Texts are plain: `markdown` is not asked for. Messages of a thread share a `sequence_id`, by which servers from 2.16 on,
//! the Android app from 1.22 on and the web app put the newest in the place of those before it; others ignore the field
//! and show each. A server answers 400 to one that is not 1 to 64 letters, digits, `-` and `_`, which `Thread::key` keeps.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Message;
use super::super::card::{Card, Tone, escaped};
use super::super::exchange::Request;
use super::parts::{Ask, Part, Parts, Problem, server};

/// Bytes of a message.
const MESSAGE_BYTES: usize = 4000;

/// Bytes of a title.
const TITLE_BYTES: usize = 250;

/// The public server.
const SERVER: &str = "https://ntfy.sh";

/// A topic of a server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ntfy {
    /// Address of the server.
    pub server: String,
    /// The topic, which on a public server is a secret.
    pub topic: String,
    /// Access token, where the topic needs one.
    pub token: Option<String>,
}

pub(super) const ASKS: &[Ask] = &[
    Ask {
        part: Part::Channel,
        label: "Topic",
        hint: "the topic; on a public server whoever knows it can read, so make it hard to guess",
        required: true,
        secret: true,
    },
    Ask {
        part: Part::Token,
        label: "Access token",
        hint: "an access token of your account (tk_…), where the topic needs one: Account, Access tokens",
        required: false,
        secret: true,
    },
    server("the address of a server of your own, where it is not https://ntfy.sh"),
];

impl Ntfy {
    pub(super) fn from_parts(parts: &mut Parts) -> Result<Self, Problem> {
        let topic = parts.channel(ASKS)?;
        let is_topic =
            topic.len() <= 64 && topic.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'));
        if !is_topic {
            return Err(Problem::wrong("a topic of ntfy has 1 to 64 letters, digits, _ and - only"));
        }
        let token = if parts.has(Part::Token) { Some(parts.token(ASKS)?) } else { None };
        Ok(Self { server: parts.server(SERVER), topic, token })
    }

    pub(super) fn request(&self, message: &Message, card: &Card) -> Request {
        let keep = |char: char, out: &mut String| out.push(char);
        let (priority, tag) = match card.tone {
            Tone::Bad => (4, "rotating_light"),
            Tone::Watch => (3, "warning"),
            Tone::Good => (3, "white_check_mark"),
            Tone::Plain => (3, "bird"),
        };
        let plain = card.plain();
        let body = json!({
            "topic": self.topic,
            "title": escaped(&card.headline, TITLE_BYTES, str::len, keep),
            // An empty one would be replaced by 'triggered'.
            "message": escaped(if plain.is_empty() { card.link } else { &plain }, MESSAGE_BYTES, str::len, keep),
            "priority": priority,
            "tags": [tag],
            "click": card.url,
            "actions": [{"action": "view", "label": card.link, "url": card.url}],
            "sequence_id": message.head().thread.key,
        });
        let request = Request::post(&self.server, body.to_string());
        match &self.token {
            Some(token) => request.with("authorization", format!("Bearer {token}")),
            None => request,
        }
    }
}
