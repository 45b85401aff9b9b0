//! Telegram: the Bot API, which can change what it said.
//!
//! Limits, from the Bot API's reference: a text has 1 to 4096 characters after its markup is read, and one chat
//! gets about one message a second; beyond that it answers 429 with `retry_after`, in the body and as a header.
//!
//! Texts are HTML, in which three characters need escaping. Telegram also makes mentions, hashtags, commands and
//! links out of plain text; inside of a link or of code it does not, and elsewhere a space of no width after
//! the sign keeps it from doing so.

use serde::{Deserialize, Serialize};
use serde_json::json;
use time::Duration;

use super::super::card::{Card, chars, escaped};
use super::super::exchange::{Answer, Request, Verdict};
use super::Known;
use super::parts::{Ask, Part, Parts, Problem, server};

/// Characters of a text, counted with markup, which is more than is asked.
const TEXT_CHARS: usize = 4096;

/// Where bots speak to Telegram; an own Bot API server has another address.
const API: &str = "https://api.telegram.org";

/// What the answer says when the message to change is gone.
const GONE: [&str; 3] = ["message to edit not found", "message can't be edited", "message_id_invalid"];

/// What it says when a repetition changes nothing: it was taken the first time.
const UNCHANGED: &str = "message is not modified";

/// A chat, and the bot that speaks there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telegram {
    /// Token of the bot.
    pub token: String,
    /// Id of the chat, or `@name` of a public channel.
    pub chat: String,
    /// Address of the API.
    pub server: String,
}

pub(super) const ASKS: &[Ask] = &[
    Ask {
        part: Part::Token,
        label: "Bot token",
        hint: "the token that @BotFather gave you for your bot (123456:ABC…)",
        required: true,
        secret: true,
    },
    Ask {
        part: Part::Channel,
        label: "Chat",
        hint: "the id of the chat (like -1001234567890), or @name of a public channel; the bot must be in it",
        required: true,
        secret: false,
    },
    server("the address of a Bot API server of your own"),
];

impl Telegram {
    pub(super) fn from_parts(parts: &mut Parts) -> Result<Self, Problem> {
        let token = parts.token(ASKS)?;
        // It becomes part of a path.
        if !token.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, ':' | '_' | '-')) {
            return Err(Problem::wrong(
                "the token of a Telegram bot has letters, digits, a colon, _ and - only; copy it again",
            ));
        }
        let chat = parts.channel(ASKS)?;
        Ok(Self { token, chat, server: parts.server(API) })
    }

    pub(super) fn request(&self, card: &Card, earlier: Known<'_>) -> Request {
        let number = |reference: &str| reference.parse::<i64>().ok();
        let mut body = json!({
            "chat_id": self.chat,
            "text": html(card),
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": true},
        });
        let method = match earlier.edits.and_then(number) {
            Some(id) => {
                body["message_id"] = id.into();
                "editMessageText"
            }
            None => {
                if let Some(id) = earlier.first.and_then(number) {
                    body["reply_parameters"] = json!({"message_id": id, "allow_sending_without_reply": true});
                }
                "sendMessage"
            }
        };
        Request::post(format!("{}/bot{}/{method}", self.server, self.token), body.to_string())
    }
}

pub(super) fn verdict(answer: &Answer) -> Verdict {
    let said = answer.json();
    let description = said["description"].as_str().unwrap_or_default().to_ascii_lowercase();
    match answer.verdict() {
        Verdict::Taken { .. } => {
            Verdict::Taken { reference: said["result"]["message_id"].as_i64().map(|id| id.to_string()) }
        }
        Verdict::Later { asked } => {
            let told = said["parameters"]["retry_after"].as_u64().and_then(|seconds| u32::try_from(seconds).ok());
            Verdict::Later { asked: asked.max(told.map(|seconds| Duration::seconds(i64::from(seconds)))) }
        }
        Verdict::Never if description.contains(UNCHANGED) => Verdict::Taken { reference: None },
        Verdict::Never if GONE.iter().any(|gone| description.contains(gone)) => Verdict::Gone,
        other => other,
    }
}

/// Whole lines only, as half a tag would be refused.
fn html(card: &Card) -> String {
    let mut lines = vec![format!("<b><a href=\"{}\">{}</a></b>", quoted(&card.url), quoted(&card.headline))];
    lines.extend(card.sentences.iter().map(|text| inert(text)));
    lines.extend(card.facts.iter().map(|(name, value)| format!("{}: <code>{}</code>", inert(name), quoted(value))));
    lines.extend(card.items.iter().map(|item| {
        format!("• <a href=\"{}\">{}</a> <code>{}</code>", quoted(&item.url), quoted(&item.title), quoted(&item.detail))
    }));
    if let Some(source) = &card.source {
        lines.push(format!("<code>{}</code>", quoted(&source.place)));
        if !source.lines.is_empty() {
            lines.push(format!("<pre>{}</pre>", quoted(&source.lines.join("\n"))));
        }
    }
    lines.push(format!("<i>{}</i>", inert(&card.foot)));
    let mut text = String::new();
    for line in lines {
        if chars(&text) + chars(&line) + 2 > TEXT_CHARS {
            text.push('…');
            break;
        }
        text.push_str(&line);
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// For places where Telegram makes nothing out of plain text.
fn quoted(text: &str) -> String {
    escaped(text, usize::MAX, chars, |char, out| match char {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        other => out.push(other),
    })
}

/// For places where it would: a space of no width stands behind each sign that begins a mention, a tag, an address or
/// (at the start of a word) a command. Versions and paths stay as they are.
fn inert(text: &str) -> String {
    let text = quoted(text);
    let mut out = String::new();
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        out.push(char);
        let next = chars.peek().copied().unwrap_or(' ');
        let begins = match char {
            '@' | '#' | '$' => true,
            '.' => next.is_alphabetic(),
            ':' => next == '/',
            '/' => !before.is_alphanumeric(),
            _ => false,
        };
        if begins {
            out.push('\u{200b}');
        }
        before = char;
    }
    out
}
