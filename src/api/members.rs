//! People and teams: who is here, and who sees a project. They are changed by pages and command line, as nobody stands
//! behind a token who could answer for it. Those of the instance are of no project.

use engine::access::{ProjectRole, Role};
use serde_json::{Value, json};
use store::people::teams::Team;
use store::people::users::{self, User};
use store::people::{Member, memberships, teams};

use super::call::{Answer, Call, json as answer};
use super::shape::date;

/// People of one answer.
const PEOPLE_MAX: i64 = 1_000;

/// `GET /organizations/{org}/members/`
pub(super) async fn of_organization(call: Call) -> Answer {
    call.must_work_everywhere()?;
    let found = users::list(&call.api().pool, None, PEOPLE_MAX).await?;
    answer(found.iter().map(|user| shape(user, None)).collect::<Vec<_>>())
}

/// `GET /projects/{org}/{project}/members/`
pub(super) async fn of_project(call: Call) -> Answer {
    let project = call.project().await?;
    let found = memberships::of_project(&call.api().pool, project.id).await?;
    answer(found.iter().map(|member: &Member| shape(&member.user, member.role())).collect::<Vec<_>>())
}

/// `GET /organizations/{org}/teams/`
pub(super) async fn teams(call: Call) -> Answer {
    call.must_work_everywhere()?;
    let found = teams::list(&call.api().pool).await?;
    answer(found.iter().map(team).collect::<Vec<_>>())
}

/// Sentry's shape; `projectRole` is an addition, and null where it is not about a project.
fn shape(user: &User, role: Option<ProjectRole>) -> Value {
    json!({
        "id": user.id.to_string(),
        "email": user.email,
        "name": user.shown(),
        "role": user.role,
        "orgRole": user.role,
        "projectRole": role,
        "roleName": named(user.role),
        "pending": user.password_hash.is_none(),
        "expired": false,
        "dateCreated": date(user.created_at),
        "user": {
            "id": user.id.to_string(),
            "name": user.shown(),
            "email": user.email,
            "isActive": user.disabled_at.is_none(),
        },
    })
}

const fn named(role: Role) -> &'static str {
    match role {
        Role::Owner => "Owner",
        Role::Admin => "Admin",
        Role::Member => "Member",
        Role::Viewer => "Viewer",
        Role::Guest => "Guest",
    }
}

fn team(team: &Team) -> Value {
    json!({
        "id": team.id.to_string(),
        "slug": team.slug,
        "name": team.name,
        "dateCreated": date(team.created_at),
        "memberCount": team.people,
        "projectCount": team.projects,
    })
}
