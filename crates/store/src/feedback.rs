//! What people say about errors: of an event, of an issue, of a project.
//!
//! `ingest::companions` writes it.

use engine::feedback::Form;
use engine::ids::{EventId, IssueId, ProjectId};
use sqlx::{PgConnection, PgPool};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::StoreError;
use crate::page::{Direction, Page, Paging};

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// Its own id.
    pub id: Uuid,
    /// How it came.
    pub form: Form,
    /// The event that it is about.
    pub event_id: Option<EventId>,
    /// The issue that holds that event, once it is known.
    pub issue_id: Option<IssueId>,
    /// Our clock when it arrived.
    pub received_at: OffsetDateTime,
    /// Who, as they call themselves.
    pub name: String,
    /// Where to answer.
    pub email: String,
    /// What they say.
    pub message: String,
    /// Where they were.
    pub url: String,
}

/// Place of feedback in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedbackKey {
    /// Arrival.
    pub received_at: OffsetDateTime,
    /// Tells those of the same microsecond apart.
    pub id: Uuid,
}

impl Feedback {
    /// Its place in lists.
    #[must_use]
    pub const fn key(&self) -> FeedbackKey {
        FeedbackKey { received_at: self.received_at, id: self.id }
    }
}

struct Row {
    id: Uuid,
    form: String,
    event_id: Option<Uuid>,
    issue_id: Option<i64>,
    received_at: OffsetDateTime,
    name: String,
    email: String,
    message: String,
    url: String,
}

impl Row {
    fn read(self) -> Result<Feedback, StoreError> {
        let Some(form) = Form::parse(&self.form) else {
            return Err(StoreError::Corrupt {
                table: "feedback",
                column: "form",
                row: self.id.to_string(),
                found: self.form,
            });
        };
        let Self { id, event_id, issue_id, received_at, name, email, message, url, .. } = self;
        Ok(Feedback {
            id,
            form,
            event_id: event_id.map(EventId),
            issue_id: issue_id.map(IssueId),
            received_at,
            name,
            email,
            message,
            url,
        })
    }
}

fn read_all(rows: Vec<Row>) -> Result<Vec<Feedback>, StoreError> {
    rows.into_iter().map(Row::read).collect()
}

/// Most of what is shown of one event.
const OF_EVENT_MAX: i64 = 20;

/// What was said about an event, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn of_event(pool: &PgPool, project_id: ProjectId, event_id: EventId) -> Result<Vec<Feedback>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "select id, form, event_id, issue_id, received_at, name, email, message, url
         from feedback
         where project_id = $1 and event_id = $2
         order by received_at desc, id desc
         limit $3",
        project_id.get(),
        event_id.0,
        OF_EVENT_MAX,
    )
    .fetch_all(pool)
    .await?;
    read_all(rows)
}

/// How much was said about an issue, counted up to `max`.
///
/// # Errors
/// When the database fails.
pub async fn count_of_issue(
    pool: &PgPool,
    project_id: ProjectId,
    issue_id: IssueId,
    max: i64,
) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!"
         from (select from feedback where project_id = $1 and issue_id = $2 limit $3) as bounded"#,
        project_id.get(),
        issue_id.get(),
        max,
    )
    .fetch_one(pool)
    .await?)
}

/// A page of what was said in a project, or about one of its issues.
///
/// # Errors
/// When the database fails.
pub async fn list(
    pool: &PgPool,
    project_id: ProjectId,
    issue_id: Option<IssueId>,
    paging: Paging<FeedbackKey>,
) -> Result<Page<Feedback, FeedbackKey>, StoreError> {
    let rows = match issue_id {
        Some(issue_id) => list_of_issue(pool, project_id, issue_id, &paging).await?,
        None => list_of_project(pool, project_id, &paging).await?,
    };
    Ok(Page::from_probe(read_all(rows)?, &paging, Feedback::key))
}

fn edge(paging: &Paging<FeedbackKey>) -> (Option<OffsetDateTime>, Option<Uuid>) {
    (paging.from.map(|key| key.received_at), paging.from.map(|key| key.id))
}

async fn list_of_issue(
    pool: &PgPool,
    project_id: ProjectId,
    issue_id: IssueId,
    paging: &Paging<FeedbackKey>,
) -> Result<Vec<Row>, StoreError> {
    let (at, id) = edge(paging);
    let rows = match paging.direction {
        Direction::Older => {
            sqlx::query_as!(
                Row,
                "select id, form, event_id, issue_id, received_at, name, email, message, url
                 from feedback
                 where project_id = $1 and issue_id = $2
                     and ($3::timestamptz is null or (received_at, id) < ($3, $4))
                 order by received_at desc, id desc
                 limit $5",
                project_id.get(),
                issue_id.get(),
                at,
                id,
                paging.rows_probed(),
            )
            .fetch_all(pool)
            .await?
        }
        Direction::Newer => {
            sqlx::query_as!(
                Row,
                "select id, form, event_id, issue_id, received_at, name, email, message, url
                 from feedback
                 where project_id = $1 and issue_id = $2
                     and ($3::timestamptz is null or (received_at, id) > ($3, $4))
                 order by received_at, id
                 limit $5",
                project_id.get(),
                issue_id.get(),
                at,
                id,
                paging.rows_probed(),
            )
            .fetch_all(pool)
            .await?
        }
    };
    Ok(rows)
}

async fn list_of_project(
    pool: &PgPool,
    project_id: ProjectId,
    paging: &Paging<FeedbackKey>,
) -> Result<Vec<Row>, StoreError> {
    let (at, id) = edge(paging);
    let rows = match paging.direction {
        Direction::Older => {
            sqlx::query_as!(
                Row,
                "select id, form, event_id, issue_id, received_at, name, email, message, url
                 from feedback
                 where project_id = $1 and ($2::timestamptz is null or (received_at, id) < ($2, $3))
                 order by received_at desc, id desc
                 limit $4",
                project_id.get(),
                at,
                id,
                paging.rows_probed(),
            )
            .fetch_all(pool)
            .await?
        }
        Direction::Newer => {
            sqlx::query_as!(
                Row,
                "select id, form, event_id, issue_id, received_at, name, email, message, url
                 from feedback
                 where project_id = $1 and ($2::timestamptz is null or (received_at, id) > ($2, $3))
                 order by received_at, id
                 limit $4",
                project_id.get(),
                at,
                id,
                paging.rows_probed(),
            )
            .fetch_all(pool)
            .await?
        }
    };
    Ok(rows)
}

/// Deletes one, with its files; false when it is not there.
///
/// # Errors
/// When the database fails.
pub async fn delete(pool: &PgPool, project_id: ProjectId, id: Uuid) -> Result<bool, StoreError> {
    let done = sqlx::query!("delete from feedback where project_id = $1 and id = $2", project_id.get(), id);
    Ok(done.execute(pool).await?.rows_affected() > 0)
}

/// Deletes a bounded number of those that arrived before a day.
pub(crate) async fn prune(connection: &mut PgConnection, oldest: Date, rows: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "delete from feedback
         where ctid = any(array(
             select ctid
             from feedback
             where received_at < $1
             order by received_at
             limit $2))",
        oldest.midnight().assume_utc(),
        rows,
    );
    Ok(done.execute(connection).await?.rows_affected())
}
