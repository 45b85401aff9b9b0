//! Searches of the issue list that people keep, for themselves or for everybody.

use engine::access::Reach;
use engine::ids::{ProjectId, UserId};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::StoreError;

/// Views of one person: more than stand beside one another are found no more.
pub const OWN_MAX: i64 = 20;
/// Views that one person sees: their own first, then those that others share.
const SEEN_MAX: i64 = 40;

/// What a view shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewView<'a> {
    /// Its name: 1 to 60 characters.
    pub name: &'a str,
    /// Whether everybody sees it.
    pub is_shared: bool,
    /// Its project; none for all.
    pub project_id: Option<ProjectId>,
    /// The search.
    pub query: &'a str,
    /// The range of the sparklines.
    pub range: &'a str,
    /// The order.
    pub sort: &'a str,
}

/// A kept view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Row.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whether everybody sees it.
    pub is_shared: bool,
    /// Whether it belongs to who asks.
    pub is_own: bool,
    /// Slug of its project; none for all.
    pub project: Option<String>,
    /// The search.
    pub query: String,
    /// The range of the sparklines.
    pub range: String,
    /// The order.
    pub sort: String,
}

/// The views that a person sees who may read these projects: their own, then shared ones, each by name.
///
/// # Errors
/// When the database fails.
pub async fn list(pool: &PgPool, user: UserId, reach: &Reach) -> Result<Vec<View>, StoreError> {
    let projects = reach.ids();
    Ok(sqlx::query_as!(
        View,
        r#"select v.id, v.name, v.is_shared, v.user_id = $1 as "is_own!", p.slug as "project?", v.query, v.range, v.sort
        from saved_views v
        left join projects p on p.id = v.project_id
        where (v.user_id = $1 or v.is_shared)
            -- What others share of every project names what is in them.
            and ($3::bigint[] is null or v.project_id = any($3) or (v.project_id is null and v.user_id = $1))
        order by v.user_id <> $1, lower(v.name), v.id
        limit $2"#,
        user.get(),
        SEEN_MAX,
        projects.as_deref(),
    )
    .fetch_all(pool)
    .await?)
}

/// Keeps a view. One of the same name of the same person is replaced.
///
/// # Errors
/// `Conflict` when the person has `OWN_MAX` already; else when the database fails.
pub async fn save(pool: &PgPool, user: UserId, new: NewView<'_>, now: OffsetDateTime) -> Result<(), StoreError> {
    let saved = sqlx::query!(
        "insert into saved_views (user_id, is_shared, name, project_id, query, range, sort, created_at)
        select $1, $2, $3, $4, $5, $6, $7, $8
        where (select count(*) from saved_views where user_id = $1 and name <> $3) < $9
        on conflict on constraint saved_views_name_key do update set
            is_shared = excluded.is_shared, project_id = excluded.project_id, query = excluded.query,
            range = excluded.range, sort = excluded.sort",
        user.get(),
        new.is_shared,
        new.name,
        new.project_id.map(ProjectId::get),
        new.query,
        new.range,
        new.sort,
        now,
        OWN_MAX
    )
    .execute(pool)
    .await?;
    if saved.rows_affected() == 1 {
        return Ok(());
    }
    Err(StoreError::Conflict(format!("You keep {OWN_MAX} views already. Remove one first.")))
}

/// Forgets a view of a person; false when they have none of that id.
///
/// # Errors
/// When the database fails.
pub async fn remove(pool: &PgPool, user: UserId, id: i64) -> Result<bool, StoreError> {
    let done =
        sqlx::query!("delete from saved_views where user_id = $1 and id = $2", user.get(), id).execute(pool).await?;
    Ok(done.rows_affected() == 1)
}
