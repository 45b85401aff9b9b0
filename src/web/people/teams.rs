//! One team: its people, and the projects that it was given.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::{ProjectRole, Reach};
use engine::ids::{ProjectId, UserId};
use store::StoreError;
use store::people::teams::{self, Team};
use store::people::users;
use store::projects::{self, Project};
use time::OffsetDateTime;

use crate::web::error::PageError;
use crate::web::session::{Posted, Viewer};
use crate::web::shell::{Nav, Shell, html, see_other};
use crate::web::{Web, signs};

/// Projects that can be chosen; of more than that, one is given by the command line.
const PROJECTS_MAX: i64 = 500;

#[derive(Template)]
#[template(path = "people/team.html")]
struct TeamPage {
    shell: Shell,
    team: Team,
    people: Vec<(UserId, String, String)>,
    projects: Vec<(ProjectId, String, ProjectRole)>,
    /// Those that it was not given.
    others: Vec<Project>,
}

/// `POST /people/teams`
pub(in crate::web) async fn create(web: web::Data<Web>, posted: Posted) -> Result<HttpResponse, PageError> {
    let (slug, name) = (posted.fields.get("slug").trim(), posted.fields.get("name").trim());
    if name.contains('\0') || slug.contains('\0') {
        return Err(PageError::BadRequest("A name is text without control characters.".to_owned()));
    }
    let mut tx = web.pool.begin().await.map_err(StoreError::from)?;
    teams::create(&mut tx, (slug, if name.is_empty() { slug } else { name }), OffsetDateTime::now_utc()).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(see_other(&format!("/people/teams/{slug}")))
}

/// `GET /people/teams/{slug}`
pub(in crate::web) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    slug: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let team = find(&web, &slug).await?;
    let given = teams::projects(&web.pool, team.id).await?;
    let mut others = projects::list(&web.pool, &Reach::All, None, PROJECTS_MAX).await?;
    others.retain(|project| given.iter().all(|(id, ..)| *id != project.id));
    let mut shell = Shell::load(&web, &request, viewer, Nav::People).await?;
    shell.title = format!("Team {}", team.name);
    html(&TeamPage { shell, people: teams::people(&web.pool, team.id).await?, projects: given, others, team })
}

/// `POST /people/teams/{slug}`: `do` is `add` with `email`, `leave` with `user`, `grant` with `project` and `role`,
/// `revoke` with `project`, or `delete`.
pub(in crate::web) async fn post(
    web: web::Data<Web>,
    slug: web::Path<String>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let fields = &posted.fields;
    let team = find(&web, &slug).await?;
    let project = || fields.get("project").parse().map_err(|_| PageError::NotFound("project"));
    let mut tx = web.pool.begin().await.map_err(StoreError::from)?;
    match fields.get("do") {
        "add" => {
            let user = named(&web, fields.get("email")).await?;
            teams::add(&mut tx, team.id, user).await?;
        }
        "leave" => {
            let user = fields.get("user").parse().map_err(|_| PageError::NotFound("person"))?;
            teams::leave(&mut tx, team.id, user).await?;
        }
        "grant" => {
            if !teams::grant(&mut tx, team.id, project()?, role(fields.get("role"))?).await? {
                return Err(PageError::NotFound("project"));
            }
        }
        "revoke" => drop(teams::revoke(&mut tx, team.id, project()?).await?),
        "delete" => drop(teams::delete(&mut tx, team.id).await?),
        _ => return Err(PageError::BadRequest("Unknown action.".to_owned())),
    }
    tx.commit().await.map_err(StoreError::from)?;
    let is_gone = fields.get("do") == "delete";
    Ok(see_other(&if is_gone { "/people".to_owned() } else { format!("/people/teams/{}", team.slug) }))
}

async fn find(web: &Web, slug: &str) -> Result<Team, PageError> {
    let missing = || PageError::NotFound("team");
    if slug.contains('\0') {
        return Err(missing());
    }
    teams::by_slug(&web.pool, slug).await?.ok_or_else(missing)
}

/// A role in a project, as forms send it.
pub(in crate::web) fn role(text: &str) -> Result<ProjectRole, PageError> {
    text.parse().map_err(|_| PageError::BadRequest("Choose a role.".to_owned()))
}

/// The person with an address that somebody typed.
pub(in crate::web) async fn named(web: &Web, email: &str) -> Result<UserId, PageError> {
    let email = email.trim();
    let found = if email.contains('\0') { None } else { users::by_email(&web.pool, email).await? };
    found.map(|user| user.id).ok_or_else(|| {
        PageError::BadRequest(format!("Nobody here has the address {email:.100}. An administrator can add them first."))
    })
}
