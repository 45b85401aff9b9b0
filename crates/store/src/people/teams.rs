//! The tables `teams`, `team_members` and `team_projects`: people who are given projects together.

use engine::access::ProjectRole;
use engine::ids::{ProjectId, TeamId, UserId};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use crate::StoreError;
use crate::audit::{self, Kind, Note};

/// Teams of an instance that are listed; people make tens of them.
pub const TEAMS_MAX: i64 = 500;

/// People, and projects, of one team that are listed.
pub const PARTS_MAX: i64 = 500;

/// A team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Row.
    pub id: TeamId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// How many people are in it.
    pub people: i64,
    /// How many projects it was given.
    pub projects: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Makes a team.
///
/// # Errors
/// `Conflict` when the slug is taken or malformed, or the name too long.
pub async fn create(
    tx: &mut PgConnection,
    (slug, name): (&str, &str),
    now: OffsetDateTime,
) -> Result<TeamId, StoreError> {
    let made = sqlx::query_scalar!(
        "insert into teams (slug, name, created_at) values ($1, $2, $3) returning id",
        slug,
        name,
        now
    );
    let id = made.fetch_one(&mut *tx).await.map(TeamId).map_err(|error| {
        match error.as_database_error().and_then(|error| error.constraint()).unwrap_or_default() {
            "teams_slug_key" => StoreError::Conflict(format!("a team with the slug {slug:?} exists already")),
            "teams_slug_form" => StoreError::Conflict(format!(
                "{slug:?} cannot be a slug: use 1 to 50 lower-case letters, digits, - and _, not only digits"
            )),
            "teams_name_check" => StoreError::Conflict("a team's name has 1 to 100 characters".into()),
            _ => error.into(),
        }
    })?;
    audit::note(tx, Note::new(Kind::Team, "made", slug)).await?;
    Ok(id)
}

/// All teams, by name, at most `TEAMS_MAX`.
///
/// # Errors
/// When the database fails.
pub async fn list(pool: &PgPool) -> Result<Vec<Team>, StoreError> {
    Ok(sqlx::query_as!(
        Team,
        r#"select t.id, t.slug, t.name, t.created_at,
            (select count(*) from team_members m where m.team_id = t.id) as "people!",
            (select count(*) from team_projects p where p.team_id = t.id) as "projects!"
        from teams t
        order by lower(t.name), t.id
        limit $1"#,
        TEAMS_MAX
    )
    .fetch_all(pool)
    .await?)
}

/// The team with this slug.
///
/// # Errors
/// When the database fails.
pub async fn by_slug(pool: &PgPool, slug: &str) -> Result<Option<Team>, StoreError> {
    Ok(sqlx::query_as!(
        Team,
        r#"select t.id, t.slug, t.name, t.created_at,
            (select count(*) from team_members m where m.team_id = t.id) as "people!",
            (select count(*) from team_projects p where p.team_id = t.id) as "projects!"
        from teams t
        where t.slug = $1"#,
        slug
    )
    .fetch_optional(pool)
    .await?)
}

/// Removes a team; what it gave is taken back. False when there is no such team.
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut PgConnection, id: TeamId) -> Result<bool, StoreError> {
    let slug = sqlx::query_scalar!("delete from teams where id = $1 returning slug", id.get());
    let slug = slug.fetch_optional(&mut *tx).await?;
    if let Some(slug) = &slug {
        audit::note(tx, Note::new(Kind::Team, "removed", slug)).await?;
    }
    Ok(slug.is_some())
}

/// The people of a team, by name: id, name and address.
///
/// # Errors
/// When the database fails.
pub async fn people(pool: &PgPool, id: TeamId) -> Result<Vec<(UserId, String, String)>, StoreError> {
    let rows = sqlx::query!(
        "select u.id, u.name, u.email
        from team_members m
        join users u on u.id = m.user_id
        where m.team_id = $1
        order by lower(coalesce(nullif(u.name, ''), u.email)), u.id
        limit $2",
        id.get(),
        PARTS_MAX
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (UserId(row.id), row.name, row.email)).collect())
}

/// The projects of a team, by slug, each with what its people are there.
///
/// # Errors
/// When the database fails.
pub async fn projects(pool: &PgPool, id: TeamId) -> Result<Vec<(ProjectId, String, ProjectRole)>, StoreError> {
    let rows = sqlx::query!(
        "select p.id, p.slug, t.role
        from team_projects t
        join projects p on p.id = t.project_id
        where t.team_id = $1
        order by p.slug
        limit $2",
        id.get(),
        PARTS_MAX
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().filter_map(|row| Some((ProjectId(row.id), row.slug, row.role.parse().ok()?))).collect())
}

/// Takes somebody into a team; false when they are in it already, or one of both is gone.
///
/// # Errors
/// When the database fails.
pub async fn add(tx: &mut PgConnection, id: TeamId, user: UserId) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into team_members (team_id, user_id)
        select t.id, u.id from teams t cross join users u where t.id = $1 and u.id = $2 for key share of t, u
        on conflict do nothing",
        id.get(),
        user.get()
    );
    let is_done = done.execute(&mut *tx).await?.rows_affected() == 1;
    if is_done {
        note(tx, id, "taken into", Some(user), None).await?;
    }
    Ok(is_done)
}

/// Writes down what was done to a team: with somebody, or with a project.
async fn note(
    tx: &mut PgConnection,
    id: TeamId,
    what: &str,
    user: Option<UserId>,
    project: Option<(ProjectId, &str)>,
) -> Result<(), StoreError> {
    let found = sqlx::query!(
        r#"select t.slug, u.email as "email?" from teams t left join users u on u.id = $2 where t.id = $1"#,
        id.get(),
        user.map(UserId::get)
    )
    .fetch_one(&mut *tx)
    .await?;
    let mut note = Note::new(Kind::Team, what, &found.slug).of(project.map(|(id, _)| id));
    if let Some(email) = found.email {
        note = note.with("person", email);
    }
    if let Some((_, role)) = project {
        note = note.with("role", role);
    }
    audit::note(tx, note).await
}

/// Takes somebody out of a team; false when they are not in it.
///
/// # Errors
/// When the database fails.
pub async fn leave(tx: &mut PgConnection, id: TeamId, user: UserId) -> Result<bool, StoreError> {
    let done = sqlx::query!("delete from team_members where team_id = $1 and user_id = $2", id.get(), user.get());
    let is_done = done.execute(&mut *tx).await?.rows_affected() == 1;
    if is_done {
        note(tx, id, "taken out of", Some(user), None).await?;
    }
    Ok(is_done)
}

/// Gives a project to a team, in place of what it was given before; false when one of both is gone.
///
/// # Errors
/// When the database fails.
pub async fn grant(
    tx: &mut PgConnection,
    id: TeamId,
    project: ProjectId,
    role: ProjectRole,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into team_projects (team_id, project_id, role)
        select t.id, p.id, $3 from teams t cross join projects p where t.id = $1 and p.id = $2 for key share of t, p
        on conflict (team_id, project_id) do update set role = excluded.role",
        id.get(),
        project.get(),
        role.as_str()
    );
    let is_done = done.execute(&mut *tx).await?.rows_affected() == 1;
    if is_done {
        note(tx, id, "given a project", None, Some((project, role.as_str()))).await?;
    }
    Ok(is_done)
}

/// Takes a project back from a team; false when it was not given.
///
/// # Errors
/// When the database fails.
pub async fn revoke(tx: &mut PgConnection, id: TeamId, project: ProjectId) -> Result<bool, StoreError> {
    let done =
        sqlx::query!("delete from team_projects where team_id = $1 and project_id = $2", id.get(), project.get());
    let is_done = done.execute(&mut *tx).await?.rows_affected() == 1;
    if is_done {
        note(tx, id, "given a project no more", None, Some((project, "none"))).await?;
    }
    Ok(is_done)
}
