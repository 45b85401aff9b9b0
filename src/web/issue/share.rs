//! Links that show one issue to somebody without an account: made, listed and taken back on the page of the issue,
//! and followed at `/s/{secret}`.
//!
//! What such a link shows is one issue and its newest event, without secrets and without the person whom it happened
//! to. It changes nothing, leads nowhere else, and is in no index. The secret is shown once; its hash is kept.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::ids::IssueId;
use engine::scrub::Scrubber;
use serde_json::Value;
use store::events::StoredEvent;
use store::issues::{self, Issue};
use store::shares::{self, NewShare, Opened};
use time::{Duration, OffsetDateTime};

use super::stack::Part;
use super::twin::{self, Form};
use super::{Shown, find_event, find_issue, unpack};
use crate::secrets::{self, Kind};
use crate::web::display::{Age, Clock, Count, absolute, split_location};
use crate::web::error::PageError;
use crate::web::session::Posted;
use crate::web::shell::{Nav, Shell, Theme, html, see_other};
use crate::web::signs::{self, Flag, Sign};
use crate::web::{Web, assets};

/// How long a link may last, in days: long enough for the other side to answer, never for good.
pub(super) const DAYS: [i64; 3] = [1, 7, 30];

#[derive(Template)]
#[template(path = "issue/shared.html")]
struct MadePage {
    shell: Shell,
    issue: Issue,
    short_id: String,
    link: String,
    until: String,
}

/// `POST /issues/{id}/shares`: `do=share` with `days`, or `do=revoke` with `share`.
pub(in crate::web) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    id: web::Path<IssueId>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let issue = find_issue(&web, &id.to_string()).await?;
    let place = (issue.project_id, issue.id);
    let now = OffsetDateTime::now_utc();
    let fields = &posted.fields;
    match fields.get("do") {
        "share" => {
            let days = fields.get("days").parse().ok().filter(|days| DAYS.contains(days));
            let days = days.ok_or_else(|| PageError::BadRequest("Choose how long the link lasts.".to_owned()))?;
            let (secret, expires_at) = (secrets::generate(Kind::Share), now + Duration::days(days));
            let by = posted.viewer.user_id;
            shares::create(&web.pool, NewShare { hash: &secret.hash, issue: place, by, now, expires_at }).await?;
            let mut shell = Shell::load(&web, &request, posted.viewer, Nav::Issues).await?;
            shell.title = format!("Link to {}", issue.short_id());
            let link = format!("{}/s/{}", web.base_url, secret.text);
            html(&MadePage { shell, short_id: issue.short_id().to_string(), issue, link, until: absolute(expires_at) })
        }
        "revoke" => {
            let share = fields.get("share").parse().unwrap_or_default();
            shares::revoke(&web.pool, place, share, now).await?;
            Ok(see_other(&format!("/issues/{}#shares", issue.id)))
        }
        _ => Err(PageError::BadRequest("Unknown action.".to_owned())),
    }
}

#[derive(Template)]
#[template(path = "issue/share.html")]
struct SharePage {
    theme: Option<Theme>,
    now: OffsetDateTime,
    issue: Issue,
    short_id: String,
    flag: Option<Flag>,
    level: Sign,
    event: Option<Shown>,
    until: String,
    /// The address of its twin.
    markdown: String,
}

impl SharePage {
    fn heading(&self) -> (String, String) {
        let (ty, value) = self.issue.heading();
        (ty.to_owned(), Scrubber::standard().text(value).into_owned())
    }

    fn place(&self) -> (&str, &str) {
        split_location(&self.issue.location)
    }
}

/// `GET /s/{secret}`, and with `.md` behind it the same as text.
pub(in crate::web) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    token: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let (secret, form) = Form::split(&token);
    let now = OffsetDateTime::now_utc();
    let opened = shares::open(&web.pool, &secrets::hash(secret), now).await?.ok_or(PageError::NotFound("link"))?;
    let Opened { issue_id, ends_at, is_over } = opened;
    if is_over {
        return Err(PageError::Gone(format!(
            "This link ended on {}. Ask whoever sent it for a new one.",
            absolute(ends_at)
        )));
    }
    let mut issue = issues::get(&web.pool, issue_id).await?.ok_or(PageError::NotFound("issue"))?;
    // Who works on it is ours.
    issue.assignee = None;
    let event = find_event(&web, &issue, "latest").await?.map(shown).transpose()?;
    let mut response = match form {
        Form::Markdown => twin::markdown_of(&issue, event.as_ref(), &format!("{}/s/{secret}", web.base_url)),
        Form::Json => return Err(PageError::NotFound("page")),
        Form::Page => html(&SharePage {
            theme: Theme::of(&request),
            now,
            short_id: issue.short_id().to_string(),
            flag: Flag::of(&issue.state),
            level: signs::level(&issue.level),
            event,
            until: absolute(ends_at),
            markdown: format!("/s/{secret}.md"),
            issue,
        })?,
    };
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow"));
    // The address is the key: it is told to nobody, not even to ourselves.
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// The newest event for a stranger.
fn shown(mut stored: StoredEvent) -> Result<Shown, PageError> {
    let mut event = unpack(&stored)?;
    leave_out_person(&mut event);
    Scrubber::standard().value(&mut event);
    stored.event.tags.retain(|(key, _)| !is_about_person(key));
    Ok(twin::for_elsewhere(stored, &event))
}

/// Who met it is nobody's business who only helps with the code.
fn leave_out_person(event: &mut Value) {
    if let Some(entries) = event.as_object_mut() {
        entries.remove("user");
    }
    for path in ["/contexts", "/request/env"] {
        if let Some(entries) = event.pointer_mut(path).and_then(Value::as_object_mut) {
            entries.retain(|key, _| !is_about_person(key));
        }
    }
    if let Some(headers) = event.pointer_mut("/request/headers").and_then(Value::as_array_mut) {
        headers.retain(|pair| !pair.get(0).and_then(Value::as_str).is_some_and(is_about_person));
    }
}

fn is_about_person(name: &str) -> bool {
    const NAMES: [&str; 8] =
        ["user", "geo", "remoteaddr", "forwarded", "xforwardedfor", "xrealip", "trueclientip", "cfconnectingip"];
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.contains(&letters.as_str()) || name.starts_with("user.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strangers_do_not_learn_who_it_was() {
        let mut event = json!({
            "user": {"email": "a@b.c"}, "contexts": {"geo": {"city": "X"}, "os": {"name": "Linux"}},
            "request": {"env": {"REMOTE_ADDR": "1.2.3.4", "SERVER_NAME": "w"},
                "headers": [["X-Forwarded-For", "1.2.3.4"], ["Accept", "*/*"]]},
        });
        leave_out_person(&mut event);
        assert_eq!(
            event,
            json!({
                "contexts": {"os": {"name": "Linux"}},
                "request": {"env": {"SERVER_NAME": "w"}, "headers": [["Accept", "*/*"]]},
            })
        );
        assert!(is_about_person("user.email") && is_about_person("True-Client-IP") && !is_about_person("user_agent"));
    }
}
