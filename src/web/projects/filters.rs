//! Events that are not wanted: the form of a project, and that of the instance, tried on stored events.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::filter::{Choice, LISTS_BYTES_MAX};
use store::StoreError;
use store::filters::{self, NewFilters};
use time::OffsetDateTime;

use super::super::error::PageError;
use super::super::place::Place;
use super::super::session::{Fields, Posted, Viewer};
use super::super::shell::{Nav, Shell, answer, html, see_other};
use super::super::{Web, display, signs};
use crate::filtering::{self, Tried};

#[derive(Template)]
#[template(path = "projects/filters.html")]
struct FiltersPage {
    shell: Shell,
    place: Place,
    choice: Choice,
    version: i64,
    /// What the instance chose, on the page of a project.
    above: Choice,
    problem: Option<String>,
    tried: Option<Tried>,
    is_saved: bool,
}

/// One of the switches, in words.
struct Switch {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    chosen: Option<bool>,
    above: bool,
}

/// One of the lists, in words.
struct List<'p> {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    text: &'p str,
}

impl FiltersPage {
    fn path(&self) -> String {
        self.place.path("filters")
    }

    fn may_change(&self) -> bool {
        self.shell.viewer.may_change_projects()
    }

    fn switches(&self) -> [Switch; 3] {
        let (own, above) = (&self.choice, &self.above);
        let switch = |name, label, hint, chosen, above: Option<bool>| Switch {
            name,
            label,
            hint,
            chosen,
            above: above.unwrap_or(false),
        };
        [
            switch(
                "crawlers",
                "Known crawlers",
                "By the User-Agent of the request that failed",
                own.crawlers,
                above.crawlers,
            ),
            switch(
                "legacy_browsers",
                "Browsers that are no longer made",
                "Internet Explorer, the old Edge, Opera Mini, Safari before 12, Android's own",
                own.legacy_browsers,
                above.legacy_browsers,
            ),
            switch(
                "localhost",
                "Localhost",
                "Pages and people on the machine of a developer",
                own.localhost,
                above.localhost,
            ),
        ]
    }

    fn lists(&self) -> [List<'_>; 3] {
        let list = |name, label, hint, text| List { name, label, hint, text };
        [
            list(
                "messages",
                "Messages",
                "One pattern a line, for the message or Type: value: ResizeObserver loop*",
                &self.choice.messages,
            ),
            list("releases", "Releases", "One pattern a line: shop@1.*", &self.choice.releases),
            list(
                "addresses",
                "Addresses",
                "Of the sender or the user, one a line: 192.0.2.7, 198.51.100.0/24",
                &self.choice.addresses,
            ),
        ]
    }

    fn is_above(&self) -> bool {
        self.above.bytes() > 0
    }
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(in super::super) struct FiltersAddress {
    saved: Option<String>,
}

/// `GET /projects/{slug}/filters`, `GET /filters`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    place: Place,
    address: web::Query<FiltersAddress>,
) -> Result<HttpResponse, PageError> {
    let saved = filters::get(&web.pool, place.id()).await?;
    let mut page = page(&web, &request, viewer, place, saved).await?;
    page.is_saved = address.saved.is_some();
    html(&page)
}

/// `POST /projects/{slug}/filters`, `POST /filters`: `do` is `try` or `save`.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    place: Place,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let project_id = place.id();
    let typed = read(&posted.fields)?;
    let is_to_be_saved = posted.fields.get("do") == "save";
    let user = posted.viewer.user_id;
    let mut page = page(&web, &request, posted.viewer, place, typed).await?;
    let done = if is_to_be_saved {
        let new = NewFilters {
            project_id,
            choice: &page.choice,
            seen_version: Some(page.version),
            changed_by: Some(user),
            now: OffsetDateTime::now_utc(),
        };
        filters::set(&web.pool, new).await.map(|_| None)
    } else {
        filtering::try_out(&web.pool, project_id, &page.choice).await.map(Some)
    };
    match done {
        Ok(None) => return Ok(see_other(&format!("{}?saved=1", page.path()))),
        Ok(tried) => page.tried = tried,
        Err(StoreError::Conflict(problem)) => page.problem = Some(problem),
        Err(error) => return Err(error.into()),
    }
    answer(&page, page.problem.is_none())
}

fn read(fields: &Fields) -> Result<(Choice, i64), PageError> {
    let choice = Choice {
        crawlers: fields.switch("crawlers")?,
        legacy_browsers: fields.switch("legacy_browsers")?,
        localhost: fields.switch("localhost")?,
        messages: fields.lines("messages"),
        releases: fields.lines("releases"),
        addresses: fields.lines("addresses"),
    };
    Ok((choice, fields.version()?))
}

async fn page(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    place: Place,
    (choice, version): (Choice, i64),
) -> Result<FiltersPage, PageError> {
    let shell = place.shell(web, request, viewer, (Nav::Filters, "Filters")).await?;
    let above = match place.project {
        Some(_) => filters::get(&web.pool, None).await?.0,
        None => Choice::default(),
    };
    Ok(FiltersPage { shell, place, choice, version, above, problem: None, tried: None, is_saved: false })
}
