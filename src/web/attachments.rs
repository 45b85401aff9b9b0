//! Files that came with events: one of them on a page of its own, and its bytes.
//!
//! What is in a file is chosen by whoever holds a public key. So its bytes are only ever sent as something to be saved,
//! under a type that runs nothing, in a sandbox; what is previewed is a picture that the browser decodes, or text that
//! this server has escaped.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::attachment::{self, Preview};
use engine::limits::ATTACHMENT_BYTES_MAX;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use store::attachments::{self, Attachment};
use store::events;
use store::projects::{self, Project};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Web;
use super::display::{Age, Bytes};
use super::error::PageError;
use super::session::Viewer;
use super::shell::{Nav, Shell, html};
use super::signs;

/// Bytes of text that a page shows; the rest can be downloaded.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// A file in a list.
pub(super) struct File {
    pub(super) attachment: Attachment,
    /// Where its page is.
    pub(super) link: String,
}

impl File {
    pub(super) fn new(slug: &str, attachment: Attachment) -> Self {
        let link = format!("/projects/{slug}/attachments/{}", attachment.id.as_simple());
        Self { attachment, link }
    }

    pub(super) fn bytes(&self) -> Bytes {
        Bytes(self.attachment.bytes)
    }

    pub(super) fn is_image(&self) -> bool {
        matches!(attachment::preview(&self.attachment.content_type), Preview::Image(_))
    }

    /// What it is, in a word, where the SDK says it.
    pub(super) fn kind(&self) -> &str {
        match self.attachment.kind.as_str() {
            "event.attachment" if self.is_image() && self.attachment.name.starts_with("screenshot") => "screenshot",
            "event.attachment" => "",
            "event.view_hierarchy" => "view hierarchy",
            "event.minidump" => "minidump",
            "event.applecrashreport" => "crash report",
            kind => kind,
        }
    }
}

#[derive(Template)]
#[template(path = "projects/attachment.html")]
struct FilePage {
    shell: Shell,
    project: Project,
    file: File,
    now: OffsetDateTime,
    /// The issue of its event, when both are known.
    issue: Option<i64>,
    text: Option<String>,
    is_cut: bool,
}

/// `GET /projects/{slug}/attachments/{attachment}`
pub(super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let (project, found) = find(&web, &path).await?;
    let is_text = attachment::preview(&found.content_type) == Preview::Text;
    let text = match is_text {
        true => attachments::content(&web.pool, project.id, found.id, TEXT_BYTES_MAX).await?,
        false => None,
    };
    let event = events::get(&web.pool, project.id, found.event_id).await?;
    let mut shell = Shell::load(&web, &request, viewer, Nav::Issues).await?;
    shell.title = found.name.clone();
    shell.project = Some(project.slug.clone());
    html(&FilePage {
        is_cut: is_text && found.bytes > i64::try_from(TEXT_BYTES_MAX).unwrap_or(i64::MAX),
        text: text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        issue: event.map(|stored| stored.event.issue_id.get()),
        now: OffsetDateTime::now_utc(),
        file: File::new(&project.slug, found),
        shell,
        project,
    })
}

/// `GET /projects/{slug}/attachments/{attachment}/content`
pub(super) async fn content(web: web::Data<Web>, path: web::Path<(String, String)>) -> Result<HttpResponse, PageError> {
    let (project, found) = find(&web, &path).await?;
    let content = attachments::content(&web.pool, project.id, found.id, ATTACHMENT_BYTES_MAX).await?;
    let content = content.ok_or(PageError::NotFound("file"))?;
    let content_type = match attachment::preview(&found.content_type) {
        Preview::Image(content_type) => content_type,
        _ => "application/octet-stream",
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, content_type))
        .insert_header((CONTENT_DISPOSITION, disposition(&found.name)))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .body(content))
}

async fn find(web: &Web, (slug, id): &(String, String)) -> Result<(Project, Attachment), PageError> {
    let project = projects::by_slug(&web.pool, slug).await?.ok_or(PageError::NotFound("project"))?;
    let id = Uuid::try_parse(id).map_err(|_| PageError::NotFound("file"))?;
    let found = attachments::get(&web.pool, project.id, id).await?.ok_or(PageError::NotFound("file"))?;
    Ok((project, found))
}

/// What stands for itself in `filename*`.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// To be saved under its name: as ASCII for old clients, and as it is.
fn disposition(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_header() {
        assert_eq!(disposition("a b.txt"), "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt");
        let hostile = disposition("x\"; filename=evil.html\r\nSet-Cookie: a=b");
        assert_eq!(hostile.matches('"').count(), 2);
        assert!(!hostile.contains(['\r', '\n']));
        assert!(disposition("\u{65e5}.log").ends_with("filename*=UTF-8''%E6%97%A5.log"));
    }
}
