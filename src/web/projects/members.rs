//! Who sees a project, and why; and the forms that give and take back a role in it.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::ProjectRole;
use store::StoreError;
use store::people::Member;
use store::people::memberships::{self, MEMBERS_MAX};
use store::projects::Project;
use time::OffsetDateTime;

use super::super::Web;
use super::super::error::PageError;
use super::super::people::teams::{named, role};
use super::super::session::{Posted, Viewer};
use super::super::shell::{Nav, Shell, html, see_other};
use super::super::signs;
use super::find;

#[derive(Template)]
#[template(path = "projects/members.html")]
struct MembersPage {
    shell: Shell,
    project: Project,
    members: Vec<Member>,
    is_full: bool,
    is_saved: bool,
}

impl MembersPage {
    /// Why somebody sees the project, in a few words.
    fn why(&self, member: &Member) -> String {
        let mut reasons = Vec::new();
        if member.user.role.everywhere().is_some() {
            reasons.push(format!("{} of the instance", member.user.role));
        }
        if let Some(own) = member.own {
            reasons.push(format!("{own} here"));
        }
        reasons.extend(member.teams.iter().map(|(team, role)| format!("{role} by team {team}")));
        reasons.join(", ")
    }
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(in super::super) struct MembersAddress {
    saved: Option<String>,
}

/// `GET /projects/{slug}/members`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    slug: web::Path<String>,
    address: web::Query<MembersAddress>,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    let members = memberships::of_project(&web.pool, project.id).await?;
    let mut shell = Shell::load(&web, &request, viewer, Nav::Projects).await?;
    shell.title = format!("Members of {}", project.slug);
    shell.project = Some(project.slug.clone());
    let is_full = i64::try_from(members.len()).is_ok_and(|found| found >= MEMBERS_MAX);
    html(&MembersPage { shell, project, members, is_full, is_saved: address.saved.is_some() })
}

/// `POST /projects/{slug}/members`: `do` is `set` with `email` and `role`, or `remove` with `user`.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    slug: web::Path<String>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    let fields = &posted.fields;
    let mut tx = web.pool.begin().await.map_err(StoreError::from)?;
    match fields.get("do") {
        "set" => {
            let (user, role) = (named(&web, fields.get("email")).await?, role(fields.get("role"))?);
            memberships::set(&mut tx, project.id, user, role, OffsetDateTime::now_utc()).await?;
        }
        "remove" => {
            let user = fields.get("user").parse().map_err(|_| PageError::NotFound("person"))?;
            memberships::remove(&mut tx, project.id, user).await?;
        }
        _ => return Err(PageError::BadRequest("Unknown action.".to_owned())),
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(see_other(&format!("/projects/{}/members?saved=1", project.slug)))
}
