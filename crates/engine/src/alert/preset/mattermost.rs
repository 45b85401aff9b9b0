//! Mattermost: a message attachment by an incoming webhook.
//!
//! Limits, from its documentation and server: a post has 16383 characters; attachments are kept as properties of
//! the post, of which older servers take 7900 characters as JSON. Ours stays under that.
//!
//! Texts are Markdown, and `@channel` in them calls people wherever it stands. So each mark that begins Markdown is
//! escaped, and a space of no width follows each `@`. The web app shows a title that has a link as it is, and reads one
//! without as Markdown with links only; ours has one, so such a space is all that is added.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::card::{Card, chars, escaped};
use super::super::exchange::Request;
use super::parts::{Ask, Parts, Problem, hook};

/// Bytes of the attachment's text, so that all of it stays under 7900 as JSON.
const TEXT_BYTES: usize = 3500;

/// Bytes of a value of a field; there are ten at most.
const FIELD_BYTES: usize = 130;

/// Characters of title and fallback.
const TITLE_CHARS: usize = 400;

/// An incoming webhook.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mattermost {
    /// Its address, which is a secret.
    pub url: String,
}

pub(super) const ASKS: &[Ask] = &[hook("the address under Integrations, Incoming Webhooks of your team")];

impl Mattermost {
    pub(super) fn from_parts(parts: &mut Parts) -> Result<Self, Problem> {
        Ok(Self { url: parts.url(ASKS)? })
    }

    pub(super) fn request(&self, card: &Card) -> Request {
        let fields: Vec<Value> = card
            .facts
            .iter()
            .map(|(name, value)| json!({"title": inert(name, FIELD_BYTES), "value": inert(value, FIELD_BYTES), "short": true}))
            .collect();
        let body = json!({
            "attachments": [{
                "fallback": escaped(&card.headline, TITLE_CHARS, chars, mention),
                "color": format!("#{:06x}", card.tone.rgb()),
                "title": escaped(&card.headline, TITLE_CHARS, chars, mention),
                "title_link": card.url,
                "text": text(card),
                "fields": fields,
                "footer": escaped(&card.foot, TITLE_CHARS, chars, mention),
            }],
        });
        Request::post(&self.url, body.to_string())
    }
}

/// Whole lines only, as half a link would be none.
fn text(card: &Card) -> String {
    let mut lines: Vec<String> = card.sentences.iter().map(|text| inert(text, usize::MAX)).collect();
    lines.extend(card.items.iter().map(|item| {
        format!("- [{}]({}) {}", inert(&item.title, usize::MAX), item.url, inert(&item.detail, usize::MAX))
    }));
    if let Some(source) = &card.source {
        lines.push(format!("**{}**", inert(&source.place, usize::MAX)));
        if !source.lines.is_empty() {
            // Without its marks nothing ends a block of code, and in it nothing is a mention.
            let code = source.lines.join("\n").replace('`', "ˋ");
            lines.push(format!("```\n{code}\n```"));
        }
    }
    let mut text = String::new();
    for line in lines {
        if text.len() + line.len() + 5 > TEXT_BYTES {
            text.push('…');
            break;
        }
        text.push_str(&line);
        text.push('\n');
    }
    text.trim_end().to_owned()
}

fn mention(char: char, out: &mut String) {
    out.push(char);
    // These begin a mention, the address of a link, and an address.
    if matches!(char, '@' | ']' | ':') {
        out.push('\u{200b}');
    }
}

fn inert(text: &str, bytes_max: usize) -> String {
    escaped(text, bytes_max, str::len, |char, out| {
        match char {
            // Markdown takes a backslash before these; a colon begins addresses and pictures.
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '-' | '!' | '|' | '~' | '>'
            | '<' | ':' => {
                out.push('\\');
                out.push(char);
            }
            _ => mention(char, out),
        }
    })
}
