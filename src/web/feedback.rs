//! What people say about errors: the list of a project, and that of an issue.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::ids::{EventId, IssueId, ProjectId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use store::feedback::{self, Feedback, FeedbackKey};
use store::page::{Direction, Paging};
use store::projects::{self, Project};
use store::{attachments, issues};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Web;
use super::attachments::File;
use super::display::Age;
use super::error::PageError;
use super::issue::find_issue;
use super::session::Viewer;
use super::shell::{Nav, Shell, html};
use super::signs;

/// Feedback on a page.
const ROWS: usize = 50;

/// What the address says.
#[derive(Debug, serde::Deserialize)]
pub(super) struct FeedbackAddress {
    /// Place to read on from: microseconds and id.
    after: Option<String>,
}

/// What somebody said, with what belongs to it.
pub(super) struct Said {
    pub(super) feedback: Feedback,
    /// Pictures and other files that came with it.
    pub(super) files: Vec<File>,
    /// What it is about, in words; empty where the page says it.
    pub(super) about: String,
}

/// How much a page says itself of what feedback is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing.
    Nothing,
    /// The issue.
    Issue,
    /// The event.
    Event,
}

/// Signs that a link to a mail address keeps: none that begins a header.
const ADDRESS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'@').remove(b'.').remove(b'-').remove(b'_').remove(b'+');

impl Said {
    /// Who, as far as they told.
    pub(super) fn who(&self) -> &str {
        let Feedback { name, email, .. } = &self.feedback;
        match (name.is_empty(), email.is_empty()) {
            (false, _) => name,
            (true, false) => email,
            (true, true) => "Somebody",
        }
    }

    /// Where to answer, unless it stands for the name.
    pub(super) fn email(&self) -> Option<&str> {
        let Feedback { name, email, .. } = &self.feedback;
        (!email.is_empty() && !name.is_empty()).then_some(email)
    }

    /// Where mail goes, whatever else is written in the address.
    pub(super) fn mailto(&self) -> String {
        format!("mailto:{}", utf8_percent_encode(&self.feedback.email, ADDRESS))
    }

    /// The page that they were on, where it can be followed.
    pub(super) fn link(&self) -> Option<&str> {
        let url = self.feedback.url.as_str();
        (url.starts_with("https://") || url.starts_with("http://")).then_some(url)
    }

    /// The event that it is about, on its page.
    pub(super) fn event_link(&self) -> Option<String> {
        let (issue, event) = (self.feedback.issue_id?, self.feedback.event_id?);
        Some(format!("/issues/{issue}/events/{event}"))
    }
}

#[derive(Template)]
#[template(path = "projects/feedback.html")]
struct FeedbackPage {
    shell: Shell,
    project: Project,
    /// Of which issue, with its short id; of the project when none.
    issue: Option<(IssueId, String)>,
    rows: Vec<Said>,
    now: OffsetDateTime,
    path: String,
    older: Option<String>,
    is_first: bool,
}

/// `GET /projects/{slug}/feedback`
pub(super) async fn of_project(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    slug: web::Path<String>,
    address: web::Query<FeedbackAddress>,
) -> Result<HttpResponse, PageError> {
    let project = projects::by_slug(&web.pool, &slug).await?.ok_or(PageError::NotFound("project"))?;
    let shell = Shell::load(&web, &request, viewer, Nav::Projects).await?;
    page(&web, shell, project, None, &address).await
}

/// `GET /issues/{id}/feedback`
pub(super) async fn of_issue(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    id: web::Path<String>,
    address: web::Query<FeedbackAddress>,
) -> Result<HttpResponse, PageError> {
    let issue = find_issue(&web, &id).await?;
    let project = projects::by_id(&web.pool, issue.project_id).await?.ok_or(PageError::NotFound("project"))?;
    let shell = Shell::load(&web, &request, viewer, Nav::Issues).await?;
    page(&web, shell, project, Some((issue.id, issue.short_id().to_string())), &address).await
}

async fn page(
    web: &Web,
    mut shell: Shell,
    project: Project,
    issue: Option<(IssueId, String)>,
    address: &FeedbackAddress,
) -> Result<HttpResponse, PageError> {
    let from = address.after.as_deref().and_then(read_key);
    let paging = Paging { from, direction: Direction::Older, rows: ROWS };
    let found = feedback::list(&web.pool, project.id, issue.as_ref().map(|issue| issue.0), paging).await?;
    let path = match &issue {
        Some((id, _)) => format!("/issues/{id}/feedback"),
        None => format!("/projects/{}/feedback", project.slug),
    };
    let told = if issue.is_some() { Told::Issue } else { Told::Nothing };
    let about = issue.as_ref().map_or(project.slug.as_str(), |issue| issue.1.as_str());
    shell.title = format!("Feedback on {about}");
    shell.project = Some(project.slug.clone());
    html(&FeedbackPage {
        older: found.older.map(|key| format!("{path}?after={}", write_key(key))),
        rows: with_files(web, (project.id, &project.slug), found.rows, told).await?,
        is_first: from.is_none(),
        now: OffsetDateTime::now_utc(),
        shell,
        project,
        issue,
        path,
    })
}

/// Adds what came with it, and the names of the issues where they are wanted.
pub(super) async fn with_files(
    web: &Web,
    (project_id, slug): (ProjectId, &str),
    rows: Vec<Feedback>,
    told: Told,
) -> Result<Vec<Said>, PageError> {
    let ids: Vec<EventId> = rows.iter().map(|row| EventId(row.id)).collect();
    let mut files: HashMap<EventId, Vec<File>> = HashMap::new();
    // A report has the id of its event, whose files stand with the event.
    for file in attachments::of_events(&web.pool, project_id, &ids).await? {
        files.entry(file.event_id).or_default().push(File::new(slug, file));
    }
    let mut titles: HashMap<IssueId, String> = HashMap::new();
    let wanted: Vec<IssueId> = rows.iter().filter(|_| told == Told::Nothing).filter_map(|row| row.issue_id).collect();
    for issue in issues::by_ids(&web.pool, &wanted).await? {
        titles.insert(issue.id, format!("{} {}", issue.short_id(), issue.title));
    }
    let about = |feedback: &Feedback| match (told, feedback.event_id, feedback.issue_id) {
        (Told::Event, ..) | (_, None, _) => String::new(),
        (Told::Issue, Some(_), _) => "this event".to_owned(),
        (Told::Nothing, Some(_), Some(id)) => {
            titles.get(&id).cloned().unwrap_or_else(|| "an issue that is gone".to_owned())
        }
        (Told::Nothing, Some(event), None) => format!("event {event}, which is not stored"),
    };
    let said = rows.into_iter().map(|feedback| Said {
        files: files
            .remove(&EventId(feedback.id))
            .filter(|_| Some(EventId(feedback.id)) != feedback.event_id)
            .unwrap_or_default(),
        about: about(&feedback),
        feedback,
    });
    Ok(said.collect())
}

fn write_key(key: FeedbackKey) -> String {
    format!("{}.{}", key.received_at.unix_timestamp_nanos() / 1000, key.id.as_simple())
}

fn read_key(text: &str) -> Option<FeedbackKey> {
    let (micros, id) = text.split_once('.')?;
    let nanos = micros.parse::<i64>().ok().map(|micros| i128::from(micros) * 1000)?;
    let received_at = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
    Some(FeedbackKey { received_at, id: Uuid::try_parse(id).ok()? })
}
