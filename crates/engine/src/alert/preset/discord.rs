//! Discord: one embed by a webhook, which can change what it said.
//!
//! Limits, from Discord's reference of messages: an embed's title has 256 characters, its description 4096, at most
//! 25 fields of 256 and 1024, its footer 2048, and all of them together 6000.
//!
//! Texts are Markdown, so each character that begins any is escaped. `allowed_mentions` without anything
//! keeps `@everyone` and `<@id>` from calling anybody, whatever a text holds.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::super::card::{Card, chars, escaped};
use super::super::exchange::{Answer, Method, Request, Verdict};
use super::parts::{Ask, Parts, Problem, hook};

/// Characters of a title.
const TITLE_CHARS: usize = 256;

/// Characters of a description: 4096 are allowed, but all of an embed has 6000.
const DESCRIPTION_CHARS: usize = 3500;

/// Characters of the value of a field: with ten fields and the rest under 6000.
const FIELD_CHARS: usize = 150;

/// Characters of the footer.
const FOOTER_CHARS: usize = 300;

/// The code of the answer that the message to change is gone: `Unknown Message`.
const UNKNOWN_MESSAGE: i64 = 10_008;

/// A webhook of a channel.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discord {
    /// Its address, which is a secret.
    pub url: String,
}

pub(super) const ASKS: &[Ask] =
    &[hook("the address under Integrations, Webhooks in the settings of the channel (Copy Webhook URL)")];

impl Discord {
    pub(super) fn from_parts(parts: &mut Parts) -> Result<Self, Problem> {
        // Parameters are ours, and a copied address has none.
        let url = parts.url(ASKS)?;
        let url = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(Self { url })
    }

    pub(super) fn request(&self, card: &Card, edits: Option<&str>) -> Request {
        let body = json!({"embeds": [embed(card)], "allowed_mentions": {"parse": []}}).to_string();
        match edits.filter(|id| id.chars().all(|char| char.is_ascii_digit())) {
            Some(id) => Request { method: Method::Patch, ..Request::post(format!("{}/messages/{id}", self.url), body) },
            // With `wait` it answers with the message, and so with its id.
            None => Request::post(format!("{}?wait=true", self.url), body),
        }
    }
}

pub(super) fn verdict(answer: &Answer) -> Verdict {
    let said = answer.json();
    match answer.verdict() {
        Verdict::Taken { .. } => Verdict::Taken { reference: said["id"].as_str().map(str::to_owned) },
        Verdict::Never if said["code"] == UNKNOWN_MESSAGE => Verdict::Gone,
        other => other,
    }
}

fn embed(card: &Card) -> Value {
    let mut lines: Vec<String> = card.sentences.iter().map(|text| inert(text, usize::MAX)).collect();
    lines.extend(card.items.iter().map(|item| {
        format!("- [{}]({}) {}", inert(&item.title, usize::MAX), item.url, inert(&item.detail, usize::MAX))
    }));
    if let Some(source) = &card.source {
        lines.push(format!("**{}**", inert(&source.place, usize::MAX)));
    }
    let mut description = String::new();
    for line in lines {
        // Whole lines only: half a link would be none.
        if chars(&description) + chars(&line) + 1 > DESCRIPTION_CHARS - 2 {
            description.push('…');
            break;
        }
        description.push_str(&line);
        description.push('\n');
    }
    if let Some(source) = card.source.as_ref().filter(|source| !source.lines.is_empty()) {
        // Without its three marks in a row nothing ends a block of code.
        let code = source.lines.join("\n").replace('`', "ˋ");
        if chars(&description) + chars(&code) + 10 <= DESCRIPTION_CHARS {
            description = format!("{description}```\n{code}\n```");
        }
    }
    let fields = card.facts.iter().map(
        |(name, value)| json!({"name": inert(name, FIELD_CHARS), "value": inert(value, FIELD_CHARS), "inline": true}),
    );
    json!({
        "title": inert(&card.headline, TITLE_CHARS),
        "url": card.url,
        "description": description.trim_end(),
        "color": card.tone.rgb(),
        "fields": fields.collect::<Vec<_>>(),
        "footer": {"text": escaped(&card.foot, FOOTER_CHARS, chars, |char, out| out.push(char))},
        "timestamp": card.at.format(&Rfc3339).ok(),
    })
}

/// Discord drops a backslash before any mark; an escaped colon keeps an address from becoming a link.
fn inert(text: &str, chars_max: usize) -> String {
    escaped(text, chars_max, chars, |char, out| {
        if char.is_ascii_punctuation() && !matches!(char, '.' | ',' | '\'' | '"' | '/' | '%' | ';' | '?' | '=') {
            out.push('\\');
        }
        out.push(char);
    })
}
