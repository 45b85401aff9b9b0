//! Microsoft Teams: an Adaptive Card by the webhook of a workflow.
//!
//! Limits, from Microsoft's documentation: a message is refused from about 28 KB on; a webhook takes about four
//! requests a second. Teams shows Adaptive Cards up to version 1.5; ours are 1.4.
//!
//! What a stranger wrote stands in text runs of a `RichTextBlock`, which know no Markdown. A mention needs an
//! entity beside the text, so `<at>` in a text is these four characters.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::card::{Card, Tone};
use super::super::exchange::Request;
use super::parts::{Ask, Parts, Problem, hook};

/// Bytes of the whole request, with room for what the workflow puts around it.
const REQUEST_BYTES: usize = 24_000;

/// A workflow 'when a Teams webhook request is received'.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Teams {
    /// Its address, which is a secret.
    pub url: String,
}

pub(super) const ASKS: &[Ask] = &[hook(
    "the address of a workflow made from the template 'Send webhook alerts to a channel' (channel, …, Workflows)",
)];

impl Teams {
    pub(super) fn from_parts(parts: &mut Parts) -> Result<Self, Problem> {
        Ok(Self { url: parts.url(ASKS)? })
    }

    pub(super) fn request(&self, card: &Card) -> Request {
        let mut body = body(card);
        let mut request = message(card, &body);
        // Source goes first, then facts: what is at the end matters least.
        while request.len() > REQUEST_BYTES && body.len() > 1 {
            body.pop();
            let last = body.len() - 1;
            body[last] = block(&[run("… cut")]);
            request = message(card, &body);
        }
        Request::post(&self.url, request)
    }
}

fn message(card: &Card, body: &[Value]) -> String {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": body,
                "actions": [{"type": "Action.OpenUrl", "title": card.link, "url": card.url}],
            },
        }],
    })
    .to_string()
}

fn body(card: &Card) -> Vec<Value> {
    let colour = match card.tone {
        Tone::Bad => "attention",
        Tone::Watch => "warning",
        Tone::Good => "good",
        Tone::Plain => "default",
    };
    let mut headline = run(&card.headline);
    headline["weight"] = "bolder".into();
    headline["size"] = "medium".into();
    headline["color"] = colour.into();
    let mut body = vec![block(&[headline])];
    body.extend(card.sentences.iter().map(|text| block(&[run(text)])));
    body.extend(card.items.iter().map(|item| {
        let mut title = run(&item.title);
        title["selectAction"] = json!({"type": "Action.OpenUrl", "url": item.url});
        block(&[title, run(&format!(" {}", item.detail))])
    }));
    body.extend(card.facts.iter().map(|(name, value)| {
        let mut name = run(&format!("{name}: "));
        name["isSubtle"] = true.into();
        block(&[name, run(value)])
    }));
    if let Some(source) = &card.source {
        body.push(block(&[code(&source.place)]));
        body.extend(source.lines.iter().map(|line| block(&[code(line)])));
    }
    let mut foot = run(&card.foot);
    foot["isSubtle"] = true.into();
    foot["size"] = "small".into();
    body.push(block(&[foot]));
    body
}

fn block(runs: &[Value]) -> Value {
    json!({"type": "RichTextBlock", "inlines": runs})
}

fn run(text: &str) -> Value {
    json!({"type": "TextRun", "text": text})
}

fn code(text: &str) -> Value {
    json!({"type": "TextRun", "text": text, "fontType": "monospace", "size": "small"})
}
