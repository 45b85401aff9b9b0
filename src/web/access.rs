//! Who may open which page: what each route asks for, checked before its handler runs.
//!
//! `engine::access` decides; here stands how a route says what it is about, and how that is found. A handler that learns
//! more from its form or query (another project, several issues) asks `Viewer` about that.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest};
use engine::access::{Decision, Object};
use engine::ids::{DestinationId, ProjectId, RegroupingId};
use sqlx::PgPool;
use store::audit::as_author;
use store::projects::{self, Project};
use store::{issues, notifications as outbox, regroup};

use super::Web;
use super::error::PageError;
use super::issue::{Form, find_issue};
use super::session::{self, Viewer, state};

pub use engine::access::Action;

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: strangers come here, too. What the address carries may be a key of its own.
    Nothing,
    /// That somebody is signed in. It is about themselves, or a list of what they may read.
    Person,
    /// The same, and it is there for those as well who have to set up a second factor before anything else.
    Account,
    /// That somebody is signed in; a script opens it, so strangers are told so and not sent to the door.
    Script,
    /// That they may do this to something; the handler asks about each thing that the form names.
    Somewhere(Action),
    /// That they may do this on the instance.
    Instance(Action),
    /// That they may do this to what the path names. What one may not read is not there.
    Named(Action, Noun),
}

/// What a path names, by its first parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// `{slug}`
    Project,
    /// `{id}`, a number or a short id.
    Issue,
    /// `{id}`
    Rule,
    /// `{id}`
    Destination,
    /// `{id}`
    Regrouping,
}

impl Noun {
    /// As people call it.
    const fn word(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Issue => "issue",
            Self::Rule => "rule",
            Self::Destination => "destination",
            Self::Regrouping => "change",
        }
    }

    /// What the path of a request names.
    async fn find(self, web: &Web, request: &HttpRequest) -> Result<Object, PageError> {
        let missing = || PageError::NotFound(self.word());
        let text = request.match_info().get(if self == Self::Project { "slug" } else { "id" }).unwrap_or_default();
        Ok(match self {
            Self::Project => Object::Project(project(&web.pool, text).await?.ok_or_else(missing)?.id),
            Self::Issue => Object::Project(find_issue(web, Form::split(text).0).await?.project_id),
            Self::Rule => {
                let id = text.parse().map_err(|_| missing())?;
                Object::of(outbox::rule_project(&web.pool, id).await?.ok_or_else(missing)?)
            }
            Self::Destination => {
                let id: DestinationId = text.parse().map_err(|_| missing())?;
                Object::of(outbox::find_destination(&web.pool, id).await?.ok_or_else(missing)?.project_id)
            }
            Self::Regrouping => {
                let id: RegroupingId = text.parse().map_err(|_| missing())?;
                Object::Project(regroup::get(&web.pool, id).await?.ok_or_else(missing)?.project_id)
            }
        })
    }
}

/// Stands around each handler.
pub(super) async fn guard(
    needs: Needs,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match admit(needs, request.request()).await {
        Ok(viewer) => {
            let Some(viewer) = viewer else { return next.call(request).await };
            let author = viewer.author(request.request());
            request.extensions_mut().insert(viewer);
            as_author(author, next.call(request)).await
        }
        Err(refusal) => Ok(request.error_response(refusal)),
    }
}

/// Who comes in, with what the path names; nobody where nobody has to be known.
async fn admit(needs: Needs, request: &HttpRequest) -> Result<Option<Viewer>, PageError> {
    if needs == Needs::Nothing {
        return Ok(None);
    }
    let mut viewer = match session::read(request).await {
        Err(PageError::SignIn(_) | PageError::SetUp) if needs == Needs::Script => return Err(PageError::SignedOut),
        Err(PageError::SetUp) if needs == Needs::Account => session::read_newcomer(request).await?,
        read => read?,
    };
    match needs {
        Needs::Nothing | Needs::Person | Needs::Account | Needs::Script => {}
        Needs::Somewhere(action) => {
            if !viewer.grants.can_somewhere(action) {
                return Err(PageError::Forbidden(action.refusal()));
            }
        }
        Needs::Instance(action) => viewer.must(action, Object::Instance)?,
        Needs::Named(action, noun) => {
            let object = noun.find(state(request)?, request).await?;
            match viewer.grants.can(action, object) {
                Decision::Allowed => viewer.here = Some(object),
                Decision::Refused => return Err(PageError::Forbidden(action.refusal())),
                Decision::Hidden => return Err(PageError::NotFound(noun.word())),
            }
        }
    }
    Ok(Some(viewer))
}

/// The project of a slug. PostgreSQL has no text with a zero in it, and no slug has one.
async fn project(pool: &PgPool, slug: &str) -> Result<Option<Project>, PageError> {
    if slug.contains('\0') { Ok(None) } else { Ok(projects::by_slug(pool, slug).await?) }
}

impl Viewer {
    /// Refuses what they may not do to something that a form or a query names.
    pub(super) fn must(&self, action: Action, object: Object) -> Result<(), PageError> {
        match (self.grants.can(action, object), object) {
            (Decision::Allowed, _) => Ok(()),
            (Decision::Refused, _) => Err(PageError::Forbidden(action.refusal())),
            (Decision::Hidden, Object::Project(_)) => Err(PageError::NotFound("project")),
            (Decision::Hidden, Object::Instance) => Err(PageError::Forbidden(
                "That would concern every project, and your account does not see them all. Choose one of yours.",
            )),
        }
    }

    /// The project that a query or a form names, when they may read it.
    pub(super) async fn project(&self, web: &Web, slug: &str) -> Result<Project, PageError> {
        let found = project(&web.pool, slug).await?.filter(|project| self.reach().sees(project.id));
        found.ok_or(PageError::NotFound("project"))
    }

    /// The same where the name may be left out.
    pub(super) async fn chosen(&self, web: &Web, slug: Option<&str>) -> Result<Option<Project>, PageError> {
        match slug.filter(|slug| !slug.is_empty()) {
            Some(slug) => Ok(Some(self.project(web, slug).await?)),
            None => Ok(None),
        }
    }

    /// Whether they may read an issue; what is not there may not be read.
    pub(super) async fn sees_issue(&self, web: &Web, id: engine::ids::IssueId) -> Result<bool, PageError> {
        let found = issues::resolve(&web.pool, &[id]).await?;
        Ok(found.first().is_some_and(|(project_id, _)| self.reach().sees(*project_id)))
    }

    /// Of things in projects, those to which they may do something. Refuses when there were some and none is left.
    pub(super) fn only<T>(
        &self,
        action: Action,
        mut things: Vec<T>,
        project: impl Fn(&T) -> ProjectId,
    ) -> Result<Vec<T>, PageError> {
        let all = things.len();
        let reach = self.reach();
        things.retain(|thing| reach.sees(project(thing)));
        let seen = things.len();
        things.retain(|thing| self.grants.can(action, Object::Project(project(thing))) == Decision::Allowed);
        match (all, seen, things.len()) {
            (1.., 0, _) => Err(PageError::NotFound("issue")),
            (_, 1.., 0) => Err(PageError::Forbidden(action.refusal())),
            _ => Ok(things),
        }
    }
}
