//! The twins of an issue and of an event: the same address with `.md` behind it for people and assistants, and with
//! `.json` for scripts.
//!
//! Markdown is made to be pasted somewhere else, so secrets stay behind; JSON is what is stored.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use engine::scrub::{self, Scrubber};
use serde_json::{Value, json};
use store::events::{Neighbours, StoredEvent};
use store::issues::Issue;
use store::{activity, owners};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::event::EventView;
use super::stack::Code;
use super::{ACTIVITY_ROWS, Shown, find_event, markdown, side, unpack};
use crate::web::Web;
use crate::web::error::PageError;

/// In which form an address asks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Form {
    /// The page.
    Page,
    /// `.md`
    Markdown,
    /// `.json`
    Json,
}

impl Form {
    /// What an address names, and the form that its ending asks for. No id has a dot in it.
    pub(in crate::web) fn split(text: &str) -> (&str, Self) {
        match text.rsplit_once('.') {
            Some((name, "md")) => (name, Self::Markdown),
            Some((name, "json")) => (name, Self::Json),
            _ => (text, Self::Page),
        }
    }

    /// The ending of addresses of this form.
    pub(super) const fn ending(self) -> &'static str {
        match self {
            Self::Page => "",
            Self::Markdown => ".md",
            Self::Json => ".json",
        }
    }
}

/// An issue with its newest event, as text.
pub(super) async fn of_issue(web: &Web, issue: &Issue, form: Form) -> Result<HttpResponse, PageError> {
    let stored = find_event(web, issue, "latest").await?;
    if form == Form::Markdown {
        let shown = stored.map(without_secrets).transpose()?;
        return Ok(markdown_of(issue, shown.as_ref(), &link(web, issue)));
    }
    let newest = side::newest(web, issue).await?;
    let tags: Vec<Value> = side::tags(issue, &newest)
        .into_iter()
        .map(|tag| {
            let values = tag.values.into_iter().map(|value| json!({"value": value.value, "percent": value.percent}));
            json!({"key": tag.key, "values": values.collect::<Vec<_>>()})
        })
        .collect();
    let changes = activity::list(&web.pool, issue.project_id, issue.id, None, ACTIVITY_ROWS).await?;
    let changes: Vec<Value> = changes
        .into_iter()
        .map(|change| {
            let by = change.user.map(|user| user.email);
            json!({"at": time(change.at), "kind": change.kind, "reason": change.reason, "by": by,
                "release": change.release, "undone": change.undone})
        })
        .collect();
    let owners = owners::of_issue(&web.pool, (issue.project_id, issue.id)).await?;
    let owners = owners.into_iter().map(|owner| {
        json!({"name": owner.person.name, "email": owner.person.email, "rule": owner.rule, "matched": owner.matched})
    });
    let event = stored.as_ref().map(unpack).transpose()?;
    json_of(&json!({
        "id": issue.id.to_string(), "shortId": issue.short_id().to_string(), "url": link(web, issue),
        "project": issue.project_slug, "status": issue.state.status(), "substatus": issue.state.substatus(),
        "title": issue.title, "type": issue.ty, "value": issue.value, "culprit": issue.culprit,
        "location": issue.location, "level": issue.level, "platform": issue.platform, "handled": issue.handled,
        "firstSeen": time(issue.first_seen), "lastSeen": time(issue.last_seen),
        "firstRelease": issue.first_release, "lastRelease": issue.last_release,
        "events": issue.events, "users": issue.users,
        "owners": owners.collect::<Vec<_>>(),
        "assignee": issue.assignee.as_ref().map(|actor| json!({"name": actor.name, "email": actor.email})),
        "tags": tags, "taggedEvents": newest.len(), "activity": changes, "event": event,
    }))
}

/// One event of an issue, as text.
pub(super) async fn of_event(web: &Web, issue: &Issue, event: &str, form: Form) -> Result<HttpResponse, PageError> {
    let stored = find_event(web, issue, event).await?.ok_or(PageError::NotFound("event"))?;
    match form {
        Form::Json => json_of(&unpack(&stored)?),
        _ => {
            let link = format!("{}/events/{}", link(web, issue), stored.event.event_id);
            Ok(markdown_of(issue, Some(&without_secrets(stored)?), &link))
        }
    }
}

fn link(web: &Web, issue: &Issue) -> String {
    format!("{}/issues/{}", web.base_url, issue.id)
}

fn time(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

fn json_of(value: &Value) -> Result<HttpResponse, PageError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| PageError::Internal(error.to_string()))?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(text))
}

/// An issue with an event, as Markdown.
pub(super) fn markdown_of(issue: &Issue, shown: Option<&Shown>, link: &str) -> HttpResponse {
    let shown = shown.map(|shown| (&shown.stored.event, &shown.view));
    let text = markdown::write(issue, shown, link);
    HttpResponse::Ok().content_type("text/markdown; charset=utf-8").body(text)
}

/// An event for somewhere else.
fn without_secrets(stored: StoredEvent) -> Result<Shown, PageError> {
    let mut event = unpack(&stored)?;
    Scrubber::standard().value(&mut event);
    Ok(for_elsewhere(stored, &event))
}

/// A stored event and what may be seen of it, as what the pages show.
pub(super) fn for_elsewhere(mut stored: StoredEvent, event: &Value) -> Shown {
    let facts = &mut stored.event;
    let scrubber = Scrubber::standard();
    facts.title = scrubber.text(&facts.title).into_owned();
    for (key, value) in &mut facts.tags {
        *value = if scrub::is_secret(key) { scrub::HIDDEN.into() } else { scrubber.text(value).into_owned() };
    }
    let view = EventView::new(event, Code::default());
    Shown {
        stored,
        view,
        neighbours: Neighbours { older: None, newer: None },
        files: Vec::new(),
        said: Vec::new(),
        sampled: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_name_the_form() {
        assert_eq!(Form::split("12"), ("12", Form::Page));
        assert_eq!(Form::split("SHOP-1A.md"), ("SHOP-1A", Form::Markdown));
        assert_eq!(Form::split("latest.json"), ("latest", Form::Json));
        assert_eq!(Form::split("12.html"), ("12.html", Form::Page));
        for form in [Form::Page, Form::Markdown, Form::Json] {
            assert_eq!(Form::split(&format!("7{}", form.ending())), ("7", form));
        }
    }
}
