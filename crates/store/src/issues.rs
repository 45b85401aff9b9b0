//! Issues as they stand: one by its id or short id, and the list with its search.
//!
//! Reads only; issues change in `ingest` (events) and through `engine::issue::step`.

mod changed;
mod search;
mod tally;

use engine::ids::{EventId, IssueId, ProjectId, ShortId, UserId};
use engine::issue::State;
use sqlx::{PgExecutor, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

pub use changed::{BY_IDS_MAX, by_ids, newest_of_project};
pub(crate) use search::terms;
pub use search::{EVENTS_WINDOW, IssueKey, IssueSearch, Order, OrderKey, Ordered, PROJECTS_MAX, list, list_by};
pub use tally::{TALLY_MAX, Tally, tally};

use crate::StoreError;
use crate::activity::Actor;

/// One issue with the names of its project.
#[derive(Debug, Clone)]
pub struct Issue {
    /// Its project.
    pub project_id: ProjectId,
    /// Slug of the project.
    pub project_slug: String,
    /// Name of the project.
    pub project_name: String,
    /// Unique in the whole instance.
    pub id: IssueId,
    /// Counted per project; see `short_id`.
    pub number: i64,
    /// Where it stands.
    pub state: State,
    /// Level of the newest event.
    pub level: String,
    /// Platform of the newest event.
    pub platform: String,
    /// Exception class, or empty.
    pub ty: String,
    /// Its message.
    pub value: String,
    /// One line for lists.
    pub title: String,
    /// Where in our code.
    pub culprit: String,
    /// `function file:line` of the frame shown first.
    pub location: String,
    /// False when nothing caught the newest exception.
    pub handled: Option<bool>,
    /// When its first event happened.
    pub first_seen: OffsetDateTime,
    /// When its newest event happened.
    pub last_seen: OffsetDateTime,
    /// The order of lists, see the table.
    pub seen_slot: i64,
    /// Release of the first event.
    pub first_release: Option<String>,
    /// Release of the newest event.
    pub last_release: Option<String>,
    /// Its first event.
    pub first_event_id: EventId,
    /// Its newest event.
    pub last_event_id: EventId,
    /// Events so far.
    pub events: i64,
    /// Distinct users so far.
    pub users: i64,
    /// When its state last changed.
    pub status_changed_at: OffsetDateTime,
    /// Who has it.
    pub assignee: Option<Actor>,
}

impl Issue {
    /// What people call it.
    #[must_use]
    pub fn short_id(&self) -> ShortId {
        ShortId::new(self.project_slug.as_str(), self.number)
    }

    /// Class and message of its exception; a message alone where it is none.
    #[must_use]
    pub fn heading(&self) -> (&str, &str) {
        if self.ty.is_empty() { ("", self.title.as_str()) } else { (&self.ty, &self.value) }
    }
}

/// One issue by its id. The id of an issue that was merged leads to the one that it is part of now, which says so
/// by its own id.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn get(pool: &PgPool, id: IssueId) -> Result<Option<Issue>, StoreError> {
    let row = sqlx::query_as!(
        IssueRow,
        r#"select
            i.project_id, p.slug as project_slug, p.name as project_name, i.id, i.number, i.substatus, i.level,
            i.platform, i.type as ty, i.value, i.title, i.culprit, i.location, i.handled, i.first_seen, i.last_seen,
            i.seen_slot, i.first_release, i.last_release, i.first_event_id, i.last_event_id, i.events, i.users,
            i.status_changed_at, i.state_details, i.assigned_user_id, a.name as "assignee_name?",
            a.email as "assignee_email?"
        from issues i
        join projects p on p.id = i.project_id
        left join users a on a.id = i.assigned_user_id
        where i.id = (
            with recursive way as (
                select id, merged_into, 0 as hops from issues where id = $1
                union all
                select i.id, i.merged_into, way.hops + 1
                from way
                join issues i on i.id = way.merged_into
                where way.hops < 100
            )
            select id from way where merged_into is null
        ) and i.status <> 'deleted'"#,
        id.get()
    )
    .fetch_optional(pool)
    .await?;
    row.map(Issue::try_from).transpose()
}

/// Of no issue.
const NOTHING: IssueId = IssueId(0);

/// The id behind a short id, or one that no issue has: whoever looks that up does the same work for what is not there as for
/// what may not be seen, so that nobody learns the one from the other by a clock.
///
/// # Errors
/// When the database fails.
pub async fn find_by_short_id(pool: &PgPool, short_id: &ShortId) -> Result<IssueId, StoreError> {
    let id = sqlx::query_scalar!(
        "select i.id
        from projects p
        join issues i on i.project_id = p.id and i.number = $2
        where p.slug = $1",
        short_id.project_slug(),
        short_id.number()
    )
    .fetch_optional(pool)
    .await?;
    Ok(id.map_or(NOTHING, IssueId))
}

/// The issues that these ids lead to, each once, with their projects: an issue that was merged leads to the one
/// that it is part of now. Ids that do not exist are left out.
///
/// # Errors
/// When the database fails.
pub async fn resolve(executor: impl PgExecutor<'_>, ids: &[IssueId]) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let rows = sqlx::query!(
        r#"with recursive way as (
            select project_id, id, merged_into, 0 as hops from issues where id = any($1)
            union all
            select i.project_id, i.id, i.merged_into, way.hops + 1
            from way
            join issues i on i.id = way.merged_into
            where way.hops < 100
        )
        select distinct project_id as "project_id!", id as "id!"
        from way
        where merged_into is null
        order by 1, 2"#,
        &ids
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| (ProjectId(row.project_id), IssueId(row.id))).collect())
}

/// An issue as its columns, before its state is read.
#[derive(Debug, sqlx::FromRow)]
struct IssueRow {
    project_id: i64,
    project_slug: String,
    project_name: String,
    id: i64,
    number: i64,
    substatus: String,
    level: String,
    platform: String,
    ty: String,
    value: String,
    title: String,
    culprit: String,
    location: String,
    handled: Option<bool>,
    first_seen: OffsetDateTime,
    last_seen: OffsetDateTime,
    seen_slot: i64,
    first_release: Option<String>,
    last_release: Option<String>,
    first_event_id: Uuid,
    last_event_id: Uuid,
    events: i64,
    users: i64,
    status_changed_at: OffsetDateTime,
    state_details: Option<serde_json::Value>,
    assigned_user_id: Option<i64>,
    assignee_name: Option<String>,
    assignee_email: Option<String>,
}

impl TryFrom<IssueRow> for Issue {
    type Error = StoreError;

    fn try_from(row: IssueRow) -> Result<Self, StoreError> {
        let Some(state) = State::from_columns(&row.substatus, row.state_details.as_ref()) else {
            return Err(StoreError::Corrupt {
                table: "issues",
                column: "substatus",
                row: row.id.to_string(),
                found: row.substatus,
            });
        };
        Ok(Self {
            project_id: ProjectId(row.project_id),
            project_slug: row.project_slug,
            project_name: row.project_name,
            id: IssueId(row.id),
            number: row.number,
            state,
            level: row.level,
            platform: row.platform,
            ty: row.ty,
            value: row.value,
            title: row.title,
            culprit: row.culprit,
            location: row.location,
            handled: row.handled,
            first_seen: row.first_seen,
            last_seen: row.last_seen,
            seen_slot: row.seen_slot,
            first_release: row.first_release,
            last_release: row.last_release,
            first_event_id: EventId(row.first_event_id),
            last_event_id: EventId(row.last_event_id),
            events: row.events,
            users: row.users,
            status_changed_at: row.status_changed_at,
            assignee: row.assigned_user_id.map(|id| Actor {
                id: UserId(id),
                name: row.assignee_name.unwrap_or_default(),
                email: row.assignee_email.unwrap_or_default(),
            }),
        })
    }
}
