//! The settings of a project: its name, when quiet issues are resolved, for how long deploys are watched, and how its
//! releases are ordered.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::watch::{BadMinutes, Minutes, rollback};
use store::projects::{self, Project, Settings};
use store::{StoreError, attachments, quiet, releases, watches};

use super::super::display::Bytes;
use super::super::error::PageError;
use super::super::session::{Posted, Viewer};
use super::super::shell::{Nav, Shell, answer, html, see_other};
use super::super::{Web, signs};
use super::find;

#[derive(Template)]
#[template(path = "projects/settings.html")]
struct SettingsPage {
    shell: Shell,
    project: Project,
    /// As they stand, or as they were typed.
    typed: Typed,
    days_max: i32,
    /// How its releases are ordered, and why.
    order: String,
    /// What its files take, and may take.
    files: (i64, Bytes, Bytes),
    is_saved: bool,
    problem: Option<String>,
    /// What people run to roll back, as it stands or as it was typed, and what is wrong with it.
    command: String,
    command_problem: Option<String>,
}

/// The fields of the form.
#[derive(Debug, Default)]
struct Typed {
    name: String,
    /// Empty for never.
    days: String,
    /// For how long deploys are watched; empty for as long as usual.
    watch: String,
}

impl Typed {
    /// As they stand.
    async fn of(web: &Web, project: &Project) -> Result<Self, StoreError> {
        let days = quiet::days(&web.pool, project.id).await?.map(|days| days.to_string()).unwrap_or_default();
        let watch = watches::minutes(&web.pool, project.id).await?.map(|minutes| minutes.get().to_string());
        Ok(Self { name: project.name.clone(), days, watch: watch.unwrap_or_default() })
    }

    fn settings(&self) -> Result<Settings<'_>, String> {
        Ok(Settings { name: &self.name, auto_resolve_days: read_days(&self.days)?, watch: read_watch(&self.watch)? })
    }
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(in super::super) struct SettingsAddress {
    saved: Option<String>,
}

/// `GET /projects/{slug}/settings`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    slug: web::Path<String>,
    address: web::Query<SettingsAddress>,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    let typed = Typed::of(&web, &project).await?;
    let mut page = page(&web, &request, viewer, project, typed).await?;
    page.is_saved = address.saved.is_some();
    html(&page)
}

/// `POST /projects/{slug}/settings`
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    slug: web::Path<String>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    let field = |name: &str| posted.fields.get(name).trim().to_owned();
    let typed = Typed { name: field("name"), days: field("days"), watch: field("watch") };
    let problem = match typed.settings() {
        Ok(settings) => match projects::set(&web.pool, project.id, settings).await {
            Ok(Some(project)) => return Ok(see_other(&format!("/projects/{}/settings?saved=1", project.slug))),
            Ok(None) => return Err(PageError::NotFound("project")),
            Err(StoreError::Conflict(problem)) => problem,
            Err(error) => return Err(error.into()),
        },
        Err(problem) => problem,
    };
    let mut page = page(&web, &request, posted.viewer, project, typed).await?;
    page.problem = Some(problem);
    answer(&page, false)
}

/// `POST /projects/{slug}/settings/roll-back`: the command that people are shown.
pub(in super::super) async fn post_command(
    web: web::Data<Web>,
    request: HttpRequest,
    slug: web::Path<String>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    let command = posted.fields.get("command");
    let problem = match watches::set_command(&web.pool, project.id, command).await {
        Ok(()) => return Ok(see_other(&format!("/projects/{}/settings?saved=1", project.slug))),
        Err(StoreError::Conflict(problem)) => problem,
        Err(error) => return Err(error.into()),
    };
    let typed = Typed::of(&web, &project).await?;
    let mut page = page(&web, &request, posted.viewer, project, typed).await?;
    page.command = command.to_owned();
    page.command_problem = Some(problem);
    answer(&page, false)
}

async fn page(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    project: Project,
    typed: Typed,
) -> Result<SettingsPage, PageError> {
    let mut connection = web.pool.acquire().await.map_err(StoreError::from)?;
    let order = releases::order(&mut connection, project.id).await?.1;
    let (files, bytes) = attachments::taken(&web.pool, project.id).await?;
    let files = (files, Bytes(bytes), Bytes(web.config.attachment_bytes_max));
    let mut shell = Shell::load(web, request, viewer, Nav::Projects).await?;
    shell.title = format!("Settings of {}", project.slug);
    shell.project = Some(project.slug.clone());
    let days_max = quiet::DAYS_MAX;
    let command = watches::command(&web.pool, project.id).await?.unwrap_or_default();
    Ok(SettingsPage {
        shell,
        project,
        typed,
        days_max,
        order,
        files,
        is_saved: false,
        problem: None,
        command,
        command_problem: None,
    })
}

/// Nothing, and zero, mean never.
fn read_days(text: &str) -> Result<Option<i32>, String> {
    match text.parse::<i32>() {
        Err(_) if text.is_empty() => Ok(None),
        Ok(0) => Ok(None),
        Ok(days) if (1..=quiet::DAYS_MAX).contains(&days) => Ok(Some(days)),
        _ => Err(format!("{text:.20} is no number of days: write 1 to {}, or nothing for never", quiet::DAYS_MAX)),
    }
}

/// Nothing means as long as usual.
fn read_watch(text: &str) -> Result<Option<Minutes>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let minutes = text.parse().map_err(|_| BadMinutes).and_then(Minutes::new);
    minutes.map(Some).map_err(|problem| format!("{text:.20} is no time to watch for: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_a_number_or_never() {
        assert_eq!((read_days(""), read_days("0"), read_days("30")), (Ok(None), Ok(None), Ok(Some(30))));
        for text in ["-1", "3651", "soon", "1.5", "99999999999"] {
            assert!(read_days(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_watch_lasts_for_minutes_or_as_usual() {
        assert_eq!(read_watch(""), Ok(None));
        assert_eq!(read_watch("30"), Ok(Some(Minutes::new(30).unwrap())));
        for text in ["0", "4", "1441", "-15", "soon", "15m", "99999999999999999999"] {
            assert!(read_watch(text).is_err(), "{text}");
        }
    }
}
