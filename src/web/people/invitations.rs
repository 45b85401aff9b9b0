//! Inviting people, and giving them a link to a new password: by mail, or as a link that is shown once.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::{Email, ProjectRole, Role};
use engine::ids::ProjectId;
use store::people::entries::{self, Invite};
use store::people::users;
use time::OffsetDateTime;

use super::teams::role;
use crate::secrets;
use crate::web::error::PageError;
use crate::web::session::Posted;
use crate::web::shell::{Nav, Shell, html, see_other};
use crate::web::{Web, signs};

/// Projects that one invitation names.
const PROJECTS_MAX: usize = 100;

#[derive(Template)]
#[template(path = "people/link.html")]
struct LinkPage {
    shell: Shell,
    title: &'static str,
    email: String,
    link: String,
}

/// `POST /people/invitations`: `do` is `invite` with `email`, `role`, any number of `project` and a `project_role`;
/// `revoke` with `invitation`; or `reset` with `user`.
pub(in crate::web) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let fields = &posted.fields;
    match fields.get("do") {
        "invite" => invite(&web, &request, posted).await,
        "reset" => reset(&web, &request, posted).await,
        "revoke" => {
            let id = fields.get("invitation").parse();
            let id = id.map_err(|_| PageError::BadRequest("Which invitation?".to_owned()))?;
            entries::revoke(&web.pool, id).await?;
            Ok(see_other("/people?saved=1"))
        }
        _ => Err(PageError::BadRequest("Unknown action.".to_owned())),
    }
}

async fn invite(web: &Web, request: &HttpRequest, posted: Posted) -> Result<HttpResponse, PageError> {
    let fields = &posted.fields;
    let email: Email = fields
        .get("email")
        .parse()
        .map_err(|_| PageError::BadRequest("That is no e-mail address: write it like name@example.org.".to_owned()))?;
    let to: Role = fields.get("role").parse().map_err(|_| PageError::BadRequest("Choose a role.".to_owned()))?;
    if !posted.viewer.grants.role().may_turn(Role::Guest, to) {
        return Err(PageError::Forbidden("Only owners make, unmake and change owners."));
    }
    let ids: Vec<i64> = fields.all("project").take(PROJECTS_MAX).filter_map(|id| id.parse().ok()).collect();
    let there = if ids.is_empty() { ProjectRole::Viewer } else { role(fields.get("project_role"))? };
    let projects: Vec<(ProjectId, ProjectRole)> = ids.into_iter().map(|id| (ProjectId(id), there)).collect();
    let secret = web.config.smtp_url.is_none().then(|| secrets::generate(secrets::Kind::Entry));
    let new = Invite {
        email: &email,
        role: to,
        projects: &projects,
        by: Some(posted.viewer.user_id),
        hash: secret.as_ref().map(|secret| &secret.hash),
        now: OffsetDateTime::now_utc(),
    };
    entries::invite(&web.pool, new).await?;
    match secret {
        Some(secret) => {
            shown(web, request, posted, "Invitation", email.as_str(), &format!("join/{}", secret.text)).await
        }
        None => Ok(see_other("/people?saved=1")),
    }
}

async fn reset(web: &Web, request: &HttpRequest, posted: Posted) -> Result<HttpResponse, PageError> {
    let id = posted.fields.get("user").parse().map_err(|_| PageError::BadRequest("Which person?".to_owned()))?;
    let user = users::by_id(&web.pool, id).await?.ok_or(PageError::NotFound("person"))?;
    if !posted.viewer.grants.role().may_turn(user.role, Role::Guest) {
        return Err(PageError::Forbidden("Only owners make, unmake and change owners."));
    }
    let secret = secrets::generate(secrets::Kind::Entry);
    entries::show_reset(&web.pool, &user, &secret.hash, OffsetDateTime::now_utc()).await?;
    shown(web, request, posted, "Link to a new password", &user.email, &format!("reset/{}", secret.text)).await
}

/// The page with a link that is shown this once.
async fn shown(
    web: &Web,
    request: &HttpRequest,
    posted: Posted,
    title: &'static str,
    email: &str,
    path: &str,
) -> Result<HttpResponse, PageError> {
    let mut shell = Shell::load(web, request, posted.viewer, Nav::People).await?;
    shell.title = title.to_owned();
    html(&LinkPage { shell, title, email: email.to_owned(), link: format!("{}/{path}", web.base_url) })
}
