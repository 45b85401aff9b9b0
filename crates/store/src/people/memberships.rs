//! The tables `memberships` and, read through the view `project_grants`, what teams give: who sees which project.

use engine::access::{Grants, ProjectRole, Role};
use engine::ids::{ProjectId, UserId};
use sqlx::{PgConnection, PgExecutor, PgPool};
use time::OffsetDateTime;

use super::users::{Row, User};
use crate::StoreError;
use crate::audit::{self, Kind, Note};

/// Projects that one person may be given, beside what an instance role gives: more than any instance has people for.
pub(crate) const GRANTS_MAX: i64 = 10_000;

/// People on the page of a project.
pub const MEMBERS_MAX: i64 = 1_000;

/// What was given to a person, from the rows of the view: both lists in the same order.
pub(super) fn grants(role: Role, projects: &[i64], roles: &[String]) -> Grants {
    // A role of a newer version gives nothing here.
    let given = projects.iter().zip(roles).filter_map(|(id, role)| Some((ProjectId(*id), role.parse().ok()?)));
    Grants::new(role, given)
}

/// What a person was given, as it is now; none when they are not here, or may not sign in.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of_user(executor: impl PgExecutor<'_>, user: UserId) -> Result<Option<Grants>, StoreError> {
    let row = sqlx::query!(
        r#"select users.role, given.projects as "projects!", given.roles as "roles!"
        from users
        cross join lateral (
            select
                coalesce(array_agg(g.project_id order by g.project_id, g.role), '{}') as projects,
                coalesce(array_agg(g.role order by g.project_id, g.role), '{}') as roles
            from (select project_id, role from project_grants where user_id = users.id limit $2) as g
        ) as given
        where users.id = $1 and users.disabled_at is null"#,
        user.get(),
        GRANTS_MAX,
    )
    .fetch_optional(executor)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let role = row.role.parse().map_err(|_| StoreError::Corrupt {
        table: "users",
        column: "role",
        row: user.to_string(),
        found: row.role.chars().take(40).collect(),
    })?;
    Ok(Some(grants(role, &row.projects, &row.roles)))
}

/// Somebody who sees a project, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// What they were given themselves.
    pub own: Option<ProjectRole>,
    /// What the teams that they are in were given, with their names.
    pub teams: Vec<(String, ProjectRole)>,
}

impl Member {
    /// What they are in the project.
    #[must_use]
    pub fn role(&self) -> Option<ProjectRole> {
        let by_team = self.teams.iter().map(|(_, role)| *role).max();
        self.user.role.everywhere().max(self.own).max(by_team)
    }
}

/// Those who see a project, by name, at most `MEMBERS_MAX`.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of_project(pool: &PgPool, project: ProjectId) -> Result<Vec<Member>, StoreError> {
    let rows = sqlx::query!(
        r#"select u.id, u.email, u.name, u.role, u.password_hash, u.disabled_at, u.created_at, m.role as "own?",
            given.names as "names!", given.roles as "roles!"
        from users u
        left join memberships m on m.project_id = $1 and m.user_id = u.id
        cross join lateral (
            select
                coalesce(array_agg(t.name order by t.name, t.id), '{}') as names,
                coalesce(array_agg(p.role order by t.name, t.id), '{}') as roles
            from team_members tm
            join team_projects p on p.team_id = tm.team_id and p.project_id = $1
            join teams t on t.id = tm.team_id
            where tm.user_id = u.id
        ) as given
        where u.role <> 'guest' or m.role is not null or cardinality(given.names) > 0
        order by lower(coalesce(nullif(u.name, ''), u.email)), u.id
        limit $2"#,
        project.get(),
        MEMBERS_MAX,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let teams =
                row.names.into_iter().zip(row.roles).filter_map(|(name, role)| Some((name, role.parse().ok()?)));
            Ok(Member {
                own: row.own.and_then(|role| role.parse().ok()),
                teams: teams.collect(),
                user: Row {
                    id: row.id,
                    email: row.email,
                    name: row.name,
                    role: row.role,
                    password_hash: row.password_hash,
                    disabled_at: row.disabled_at,
                    created_at: row.created_at,
                }
                .try_into()?,
            })
        })
        .collect()
}

/// Gives somebody a role in a project, in place of one that they were given before. False when one of both is gone.
///
/// # Errors
/// When the database fails.
pub async fn set(
    tx: &mut PgConnection,
    project: ProjectId,
    user: UserId,
    role: ProjectRole,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let held = held(tx, project, user).await?;
    let done = sqlx::query!(
        "insert into memberships (project_id, user_id, role, created_at)
        select p.id, u.id, $3, $4
        from projects p
        cross join users u
        where p.id = $1 and u.id = $2
        for key share of p, u
        on conflict (project_id, user_id) do update set role = excluded.role",
        project.get(),
        user.get(),
        role.as_str(),
        now,
    )
    .execute(&mut *tx)
    .await?;
    if let (1, Some((email, before))) = (done.rows_affected(), held) {
        let note = Note::new(Kind::Member, "given a role", &email).of(Some(project));
        audit::note(tx, note.turned("role", before.as_deref(), Some(role.as_str()))).await?;
    }
    Ok(done.rows_affected() == 1)
}

/// The address of somebody, and the role that they were given in a project.
async fn held(
    tx: &mut PgConnection,
    project: ProjectId,
    user: UserId,
) -> Result<Option<(String, Option<String>)>, StoreError> {
    let row = sqlx::query!(
        r#"select u.email, m.role as "role?"
        from users u
        left join memberships m on m.user_id = u.id and m.project_id = $1
        where u.id = $2"#,
        project.get(),
        user.get()
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|row| (row.email, row.role)))
}

/// Takes that back; false when nothing was given.
///
/// # Errors
/// When the database fails.
pub async fn remove(tx: &mut PgConnection, project: ProjectId, user: UserId) -> Result<bool, StoreError> {
    let held = held(tx, project, user).await?;
    let done =
        sqlx::query!("delete from memberships where project_id = $1 and user_id = $2", project.get(), user.get());
    let is_done = done.execute(&mut *tx).await?.rows_affected() == 1;
    if let (true, Some((email, before))) = (is_done, held) {
        let note = Note::new(Kind::Member, "taken out", &email).of(Some(project));
        audit::note(tx, note.turned("role", before.as_deref(), None)).await?;
    }
    Ok(is_done)
}

/// Why somebody can have no issues of one of these projects, for whoever wants to give them some; none when they can.
///
/// # Errors
/// When the database fails.
pub async fn why_no_issues(
    executor: impl PgExecutor<'_>,
    user: &User,
    projects: &[ProjectId],
) -> Result<Option<String>, StoreError> {
    let grants = of_user(executor, user.id).await?;
    let why = match grants {
        None => "cannot sign in",
        Some(grants) => {
            let weakest = projects.iter().map(|id| grants.in_project(*id)).min();
            match weakest.unwrap_or(Some(ProjectRole::Admin)) {
                None => "does not see the project",
                Some(ProjectRole::Viewer) => "may read issues but not change them",
                Some(ProjectRole::Member | ProjectRole::Admin) => return Ok(None),
            }
        }
    };
    Ok(Some(format!("{} {why}, and so can have none.", user.shown())))
}
