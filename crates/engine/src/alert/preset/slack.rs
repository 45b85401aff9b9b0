//! Slack: Block Kit by an incoming webhook, or by a bot, which can change what it said.
//!
//! Limits, from Slack's reference: a message has at most 50 blocks, a header 150 characters, a button 75, a URL
//! in it 3000; `text` stands in notifications and is best under 4000. All blocks together are refused from
//! about 13,000 characters on (`msg_blocks_too_long`, which the reference does not name); a card stays under 4000.
//!
//! What a stranger wrote stands in `rich_text` and `plain_text` only. Neither knows markup: a mention of a channel
//! is an element of its own there, so `<!channel>` in a text is these ten characters. Only `text` is read as
//! markup, and has its three special characters escaped. Both ways take `rich_text`: webhooks, whose page names no blocks,
//! longer than `chat.postMessage` (until 2023 that answered `invalid_blocks`); the block `markdown` webhooks refuse.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::card::{Card, chars, escaped};
use super::super::exchange::{Answer, Request, Verdict};
use super::super::{Kind, Message};
use super::Known;
use super::parts::{Ask, Part, Parts, Problem, server};

/// Characters of a header block.
const HEADER_CHARS: usize = 150;

/// Characters of `text`, which notifications show.
const TEXT_CHARS: usize = 400;

/// Where bots speak to Slack.
const API: &str = "https://slack.com/api";

pub(super) const ASKS: &[Ask] = &[
    Ask {
        part: Part::Url,
        label: "Webhook address",
        hint: "the address under Incoming Webhooks of your app at api.slack.com/apps; or the token and the channel of a bot",
        required: false,
        secret: true,
    },
    Ask {
        part: Part::Token,
        label: "Bot token",
        hint: "the bot token (xoxb-…) under OAuth & Permissions of your app, with the scope chat:write",
        required: false,
        secret: true,
    },
    Ask {
        part: Part::Channel,
        label: "Channel of the bot",
        hint: "the channel, like #errors or C0123456789; invite the bot to it",
        required: false,
        secret: false,
    },
    server("another address of the API than https://slack.com/api, for the bot"),
];

/// Errors by which Slack says 'not now' with status 200.
const NOT_NOW: [&str; 6] =
    ["ratelimited", "rate_limited", "fatal_error", "internal_error", "service_unavailable", "request_timeout"];

/// Errors by which it says that the message to change or to answer is gone, or too old for it.
const GONE: [&str; 4] = ["message_not_found", "edit_window_closed", "cant_update_message", "thread_not_found"];

/// How we reach a channel.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Slack {
    /// As a bot with a token.
    Bot {
        /// `xoxb-…`.
        token: String,
        /// Its id or its name.
        channel: String,
        /// Address of the API.
        server: String,
    },
    /// By an incoming webhook, which belongs to one channel.
    Hook {
        /// Its address, which is a secret.
        url: String,
    },
}

impl Slack {
    pub(super) fn from_parts(parts: &mut Parts) -> Result<Self, Problem> {
        if parts.token.is_some() {
            return Ok(Self::Bot {
                token: parts.token(ASKS)?,
                channel: parts.channel(ASKS)?,
                server: parts.server(API),
            });
        }
        Ok(Self::Hook { url: parts.url(ASKS)? })
    }

    pub(super) fn parts(&self) -> Parts {
        match self {
            Self::Bot { token, channel, server } => Parts {
                token: Some(token.clone()),
                channel: Some(channel.clone()),
                server: Some(server.clone()),
                url: None,
            },
            Self::Hook { url } => Parts { url: Some(url.clone()), ..Parts::default() },
        }
    }

    pub(super) fn url(&self) -> &str {
        match self {
            Self::Bot { server, .. } => server,
            Self::Hook { url } => url,
        }
    }

    pub(super) fn channel(&self) -> Option<&str> {
        match self {
            Self::Bot { channel, .. } => Some(channel),
            Self::Hook { .. } => None,
        }
    }

    pub(super) fn request(&self, message: &Message, card: &Card, earlier: Known<'_>) -> Request {
        let mut body = json!({
            "text": escaped(&card.headline, TEXT_CHARS, chars, escape),
            "blocks": blocks(card),
            "unfurl_links": false,
            "unfurl_media": false,
        });
        let Self::Bot { token, channel, server } = self else {
            return Request::post(self.url(), body.to_string());
        };
        let method = match earlier.edits.and_then(|reference| reference.split_once(' ')) {
            Some((channel, ts)) => {
                body["channel"] = channel.into();
                body["ts"] = ts.into();
                "chat.update"
            }
            None => {
                body["channel"] = channel.as_str().into();
                if let Some((_, ts)) = earlier.first.and_then(|reference| reference.split_once(' '))
                    && is_reply(message)
                {
                    body["thread_ts"] = ts.into();
                    body["reply_broadcast"] = true.into();
                }
                "chat.postMessage"
            }
        };
        let mut request = Request::post(format!("{server}/{method}"), body.to_string());
        // Without the charset Slack answers with a warning.
        request.headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        request.with("authorization", format!("Bearer {token}"))
    }

    /// The methods for bots say with status 200 what went wrong.
    pub(super) fn verdict(&self, answer: &Answer) -> Verdict {
        let by_status = answer.verdict();
        if matches!(self, Self::Hook { .. }) || !matches!(by_status, Verdict::Taken { .. }) {
            return by_status;
        }
        let said = answer.json();
        match (&said["ok"], said["error"].as_str().unwrap_or_default()) {
            (Value::Bool(true), _) => {
                let reference = said["channel"].as_str().zip(said["ts"].as_str());
                Verdict::Taken { reference: reference.map(|(channel, ts)| format!("{channel} {ts}")) }
            }
            (_, error) if NOT_NOW.contains(&error) => Verdict::Later { asked: answer.retry_after },
            (_, error) if GONE.contains(&error) => Verdict::Gone,
            _ => Verdict::Never,
        }
    }
}

/// What ends something answers to its begin, in the channel as well as in the thread.
const fn is_reply(message: &Message) -> bool {
    match message {
        Message::Calm(_) => true,
        Message::Issue(notice) => matches!(notice.kind, Kind::Resolved),
        Message::Note(note) => note.kind.is_end(),
        _ => false,
    }
}

fn blocks(card: &Card) -> Vec<Value> {
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": escaped(&card.headline, HEADER_CHARS, chars, |char, out| out.push(char)), "emoji": false},
    })];
    let mut elements = Vec::new();
    if !card.sentences.is_empty() {
        elements.push(section(&[plain(&card.sentences.join("\n"))]));
    }
    let mut facts = Vec::new();
    for (name, value) in &card.facts {
        let end = if facts.is_empty() { "" } else { "\n" };
        facts.push(json!({"type": "text", "text": format!("{end}{name}: "), "style": {"bold": true}}));
        facts.push(plain(value));
    }
    if !facts.is_empty() {
        elements.push(section(&facts));
    }
    if !card.items.is_empty() {
        let item = |item: &super::super::card::Item| {
            section(&[
                json!({"type": "link", "url": item.url, "text": item.title}),
                plain(&format!(" {}", item.detail)),
            ])
        };
        let items: Vec<Value> = card.items.iter().map(item).collect();
        elements.push(json!({"type": "rich_text_list", "style": "bullet", "elements": items}));
    }
    if let Some(source) = &card.source {
        elements.push(section(&[json!({"type": "text", "text": source.place, "style": {"code": true}})]));
        if !source.lines.is_empty() {
            elements.push(json!({"type": "rich_text_preformatted", "elements": [plain(&source.lines.join("\n"))]}));
        }
    }
    if !elements.is_empty() {
        blocks.push(json!({"type": "rich_text", "elements": elements}));
    }
    blocks.push(json!({"type": "actions", "elements": [{
        "type": "button",
        "text": {"type": "plain_text", "text": card.link, "emoji": false},
        "url": card.url,
    }]}));
    blocks.push(json!({"type": "context", "elements": [{"type": "plain_text", "text": card.foot, "emoji": false}]}));
    blocks
}

fn section(elements: &[Value]) -> Value {
    json!({"type": "rich_text_section", "elements": elements})
}

fn plain(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn escape(char: char, out: &mut String) {
    match char {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        other => out.push(other),
    }
}
