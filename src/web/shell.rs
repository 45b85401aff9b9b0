//! The frame of every page: what the top bar, the title and the toast need to know.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use askama::Template;
use store::projects::{self, Project};
use time::Duration;

use super::error::PageError;
use super::rendered::rendered;
use super::session::{Posted, Viewer, local_path};
use super::toast::Toast;
use super::{Web, assets};

/// Projects in the menu of the top bar. Beyond that, the page with all of them is the menu.
const MENU_PROJECTS_MAX: i64 = 100;

/// The theme that a person chose; without one, the system decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    /// Dark ink on white.
    Light,
    /// White ink on black.
    Dark,
}

impl Theme {
    /// From the cookie.
    #[must_use]
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        request.cookie("theme").and_then(|cookie| Self::named(cookie.value()))
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "light" => Some(Self::Light),
            "dark" => Some(Self::Dark),
            _ => None,
        }
    }
}

impl fmt::Display for Theme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Light => "light",
            Self::Dark => "dark",
        })
    }
}

/// A word of the top bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nav {
    /// The list of issues, and each of them.
    Issues,
    /// What comes in now.
    Live,
    /// What was released, and what came with it.
    Releases,
    /// Who is told, and what became of each message.
    Alerts,
    /// Projects and their DSNs.
    Projects,
    /// What is about the person alone, which the menu in the corner leads to.
    Person,
    /// How the instance fares.
    System,
    /// People and teams.
    People,
    /// Tokens of the web API.
    Tokens,
    /// Who changed what.
    Audit,
    /// What is hidden of events.
    Privacy,
    /// What is not wanted.
    Filters,
    /// Limits of the instance.
    Limits,
}

/// What the base template shows.
pub(super) struct Shell {
    /// Of the browser's tab.
    pub title: String,
    /// Where we are.
    pub nav: Nav,
    /// Who looks.
    pub viewer: Viewer,
    /// Chosen theme.
    pub theme: Option<Theme>,
    /// For the menu.
    pub projects: Vec<Project>,
    /// Slug of the chosen one.
    pub project: Option<String>,
    /// Where forms come back to.
    pub back: String,
    /// What just happened.
    pub toast: Option<Toast>,
    /// Where live messages come from, and where the page stands in them.
    pub stream: Option<Stream>,
}

/// The live stream of a page.
pub(super) struct Stream {
    /// Path with the filter of this page.
    pub url: String,
    /// The last message that the page contains already.
    pub seen: String,
}

impl Shell {
    /// The frame of a page for a person.
    pub(super) async fn load(web: &Web, request: &HttpRequest, viewer: Viewer, nav: Nav) -> Result<Self, PageError> {
        Ok(Self {
            title: String::new(),
            nav,
            theme: Theme::of(request),
            projects: projects::list(&web.pool, &viewer.reach(), None, MENU_PROJECTS_MAX).await?,
            viewer,
            project: None,
            back: request.uri().path_and_query().map_or("/issues", |path| path.as_str()).to_owned(),
            toast: Toast::of(request),
            stream: None,
        })
    }

    /// URL of a static file.
    #[must_use]
    pub(super) fn asset(&self, name: &str) -> &'static str {
        assets::url(name)
    }

    /// For `aria-current` in the top bar.
    #[must_use]
    pub(super) fn is_at(&self, name: &str) -> bool {
        let own = match self.nav {
            Nav::Issues => "issues",
            Nav::Live => "live",
            Nav::Releases => "releases",
            Nav::Alerts => "alerts",
            Nav::Projects => "projects",
            Nav::Person => "person",
            Nav::System => "system",
            Nav::People => "people",
            Nav::Tokens => "tokens",
            Nav::Audit => "audit",
            Nav::Privacy => "privacy",
            Nav::Filters => "filters",
            Nav::Limits => "limits",
        };
        own == name
    }

    /// Whether choosing a project would change this page.
    #[must_use]
    pub(super) fn has_project_menu(&self) -> bool {
        matches!(self.nav, Nav::Issues | Nav::Live | Nav::Releases)
    }

    /// Where the project menu leads: the same kind of page, for one project or for all.
    #[must_use]
    pub(super) fn project_link(&self, slug: &str) -> String {
        let page = match self.nav {
            Nav::Live => "/live",
            Nav::Releases => "/releases",
            _ => "/issues",
        };
        if slug.is_empty() { page.to_owned() } else { format!("{page}?project={slug}") }
    }

    /// Name of the chosen project.
    #[must_use]
    pub(super) fn project_name(&self) -> &str {
        self.project.as_deref().unwrap_or("All projects")
    }
}

/// Renders a page.
pub(super) fn html(page: &impl Template) -> Result<HttpResponse, PageError> {
    Ok(HttpResponse::Ok().content_type(ContentType::html()).body(rendered(page)?))
}

/// A page that answers a form: as it is when all went well, else with the status of a form that cannot be done.
pub(super) fn answer(page: &impl Template, is_good: bool) -> Result<HttpResponse, PageError> {
    let mut response = html(page)?;
    if !is_good {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// Sends the browser somewhere on this site after a form.
pub(super) fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header(("location", path)).finish()
}

/// `POST /theme`: keeps the chosen theme for a year. The script of the page does the same at once.
pub(super) async fn choose_theme(web: web::Data<Web>, posted: Posted) -> HttpResponse {
    let theme = Theme::named(posted.fields.get("theme")).map_or_else(String::new, |theme| theme.to_string());
    let age = if theme.is_empty() { Duration::ZERO } else { Duration::days(365) };
    let mut response = see_other(local_path(posted.fields.get("back"), "/issues"));
    let mut cookie = web.cookie("theme", theme, age);
    // The switch of the page writes it too.
    cookie.set_http_only(false);
    // A cookie that cannot be added is one that is not kept: no reason to refuse.
    let _ = response.add_cookie(&cookie);
    response
}
