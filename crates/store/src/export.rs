//! Taking data along, of a project or of a person (`person`): every row of it as one line of JSON, in pages.
//!
//! **What is in it.** The project and its settings without secrets, releases, deploys, issues, what happened to them and what
//! people wrote about them, feedback, events with their payload as stored, and files. Each line says in `type` what it is, the
//! last one is `end` with the number of lines before it: a file without it was cut off.
//!
//! **As of when.** Every page is a statement of its own, by key, and nothing that arrived after the beginning is in it; what is
//! changed or deleted meanwhile is as it was found. One snapshot for all would be tidier, and would hold back vacuum and the
//! dropping of old days for as long as somebody with a slow line takes.

use engine::ids::ProjectId;
use serde_json::Value;
use sqlx::PgPool;
use time::macros::{date, datetime};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

mod lines;
mod person;

pub use person::PersonExport;

use crate::StoreError;
use crate::audit::{self, Kind, Note};

/// Rows of one page.
const ROWS: i64 = 500;
/// Events of one page: each is up to a megabyte.
const EVENTS: i64 = 50;

/// Where an export stands: what is read next, and behind which row.
#[derive(Debug, Clone)]
enum Place {
    Project,
    Releases(String),
    Deploys(i64),
    Issues(i64),
    Activity(i64, i64),
    Feedback(Uuid),
    Events(Date, OffsetDateTime, Uuid),
    Files(Date, Uuid),
    End,
    Over,
}

/// An export on its way: it holds one page in memory, and no transaction between pages.
#[derive(Debug)]
pub struct Export {
    pool: PgPool,
    project_id: ProjectId,
    /// What arrived later is not in it.
    until: OffsetDateTime,
    place: Place,
    lines: u64,
}

/// A row as JSON, and its key.
struct Row<K> {
    line: Value,
    key: K,
}

impl Export {
    /// Begins one, which is written into the audit log.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(pool: PgPool, project_id: ProjectId, until: OffsetDateTime) -> Result<Self, StoreError> {
        let mut tx = pool.begin().await?;
        audit::note(&mut tx, Note::new(Kind::Data, "exported", "all data").of(Some(project_id))).await?;
        tx.commit().await?;
        Ok(Self { pool, project_id, until, place: Place::Project, lines: 0 })
    }

    /// Lines that were told so far.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// The next lines; none when all is told.
    ///
    /// # Errors
    /// When the database fails. What was told is then no whole export.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        let mut text = String::new();
        while text.is_empty() {
            let lines = match self.place.clone() {
                Place::Project => self.project().await?,
                Place::Releases(after) => self.releases(&after).await?,
                Place::Deploys(after) => self.deploys(after).await?,
                Place::Issues(after) => self.issues(after).await?,
                Place::Activity(issue, after) => self.activity(issue, after).await?,
                Place::Feedback(after) => self.feedback(after).await?,
                Place::Events(day, received_at, event_id) => self.events(day, received_at, event_id).await?,
                Place::Files(day, id) => self.files(day, id).await?,
                Place::End => {
                    self.place = Place::Over;
                    vec![lines::end(self.lines)]
                }
                Place::Over => return Ok(None),
            };
            for line in &lines {
                text.push_str(line);
                text.push('\n');
            }
            self.lines += lines.len() as u64;
        }
        Ok(Some(text))
    }

    /// Goes on behind the last row of a page, or with what comes next.
    fn lines_of<K>(
        &mut self,
        rows: Vec<Row<K>>,
        kind: &'static str,
        place: impl FnOnce(K) -> Place,
        next: Place,
    ) -> Vec<String> {
        let mut last = None;
        let mut lines = Vec::with_capacity(rows.len());
        for Row { mut line, key } in rows {
            if let Value::Object(fields) = &mut line {
                fields.insert("type".to_owned(), kind.into());
            }
            lines.push(line.to_string());
            last = Some(key);
        }
        self.place = last.map_or(next, place);
        lines
    }

    /// The project with all that is set for it. Client keys and destinations hold secrets.
    async fn project(&mut self) -> Result<Vec<String>, StoreError> {
        let line = sqlx::query_scalar!(
            r#"select jsonb_build_object(
                 'type', 'project', 'slug', p.slug, 'name', p.name, 'platform', p.platform, 'created_at', p.created_at,
                 'auto_resolve_days', p.auto_resolve_days, 'retention_days', p.retention_days,
                 'watch_minutes', p.watch_minutes, 'rollback_command', p.rollback_command,
                 'allowed_origins', p.allowed_origins, 'spike_protection', p.spike_protection,
                 'grouping', (select jsonb_build_object('fingerprint_rules', fingerprint_rules, 'stack_rules', stack_rules)
                     from project_rules where project_id = p.id),
                 'ownership', (select jsonb_build_object('rules', rules, 'auto_assign', auto_assign)
                     from ownership_rules where project_id = p.id),
                 'privacy', (select jsonb_build_object('secrets', secrets, 'numbers', numbers, 'emails', emails,
                     'ip_addresses', ip_addresses, 'rules', rules) from scrubbing where project_id = p.id),
                 'filters', (select jsonb_build_object('crawlers', crawlers, 'legacy_browsers', legacy_browsers,
                     'localhost', localhost, 'messages', messages, 'releases', releases, 'addresses', addresses)
                     from inbound_filters where project_id = p.id),
                 'limits', (select jsonb_agg(jsonb_build_object('counts', counts, 'window_s', window_s, 'most', most))
                     from limits where project_id = p.id and key_id is null),
                 'environments', (select jsonb_agg(name order by name) from environments where project_id = p.id)
             ) as "line!"
             from projects p
             where p.id = $1"#,
            self.project_id.get(),
        )
        .fetch_optional(&self.pool)
        .await?;
        self.place = Place::Releases(String::new());
        Ok(line.iter().map(Value::to_string).collect())
    }

    async fn releases(&mut self, after: &str) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query_as!(
            Row::<String>,
            r#"select r.version as key, to_jsonb(r) - 'project_id' || jsonb_build_object('commits', (
                     select jsonb_agg(jsonb_build_object('repository', c.repository, 'sha', c.sha) order by c.position)
                     from release_commits c
                     where c.project_id = r.project_id and c.version = r.version
                 )) as "line!"
             from releases r
             where r.project_id = $1 and r.version > $2
             order by r.version
             limit $3"#,
            self.project_id.get(),
            after,
            ROWS,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(self.lines_of(rows, "release", Place::Releases, Place::Deploys(0)))
    }

    async fn deploys(&mut self, after: i64) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query_as!(
            Row::<i64>,
            r#"select id as key, to_jsonb(d) - 'project_id' as "line!"
             from deploys d
             where project_id = $1 and id > $2
             order by id
             limit $3"#,
            self.project_id.get(),
            after,
            ROWS,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(self.lines_of(rows, "deploy", Place::Deploys, Place::Issues(0)))
    }

    async fn issues(&mut self, after: i64) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query_as!(
            Row::<i64>,
            r#"select i.id as key, to_jsonb(i) - array['project_id', 'seen_slot', 'assigned_user_id'] || jsonb_build_object(
                     'assigned_to', (select email from users where id = i.assigned_user_id)
                 ) as "line!"
             from issues i
             where i.project_id = $1 and i.id > $2 and i.status <> 'deleted' and i.first_seen <= $4
             order by i.id
             limit $3"#,
            self.project_id.get(),
            after,
            ROWS,
            self.until,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(self.lines_of(rows, "issue", Place::Issues, Place::Activity(0, 0)))
    }

    /// What happened to issues, and what people wrote about them.
    async fn activity(&mut self, issue: i64, after: i64) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query!(
            r#"select a.issue_id, a.id, to_jsonb(a) - array['project_id', 'user_id'] || jsonb_build_object(
                     'user', (select email from users where id = a.user_id)
                 ) as "line!"
             from issue_activity a
             where a.project_id = $1 and (a.issue_id, a.id) > ($2, $3) and a.at <= $5
             order by a.issue_id, a.id
             limit $4"#,
            self.project_id.get(),
            issue,
            after,
            ROWS,
            self.until,
        )
        .fetch_all(&self.pool)
        .await?;
        let rows = rows.into_iter().map(|row| Row { line: row.line, key: (row.issue_id, row.id) }).collect();
        let place = |(issue, id)| Place::Activity(issue, id);
        Ok(self.lines_of(rows, "activity", place, Place::Feedback(Uuid::nil())))
    }

    async fn feedback(&mut self, after: Uuid) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query_as!(
            Row::<Uuid>,
            r#"select id as key, to_jsonb(f) - 'project_id' as "line!"
             from feedback f
             where project_id = $1 and id > $2 and received_at <= $4
             order by id
             limit $3"#,
            self.project_id.get(),
            after,
            ROWS,
            self.until,
        )
        .fetch_all(&self.pool)
        .await?;
        let next = Place::Events(date!(1970 - 01 - 01), datetime!(1970-01-01 0:00 UTC), Uuid::nil());
        Ok(self.lines_of(rows, "feedback", Place::Feedback, next))
    }

    /// Through `events_by_project`, in two parts, like every list of a project.
    async fn events(&mut self, day: Date, at: OffsetDateTime, event_id: Uuid) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query!(
            r#"select day as "day!", received_at as "received_at!", event_id as "event_id!"
             from (
                 (
                     select day, received_at, event_id from events
                     where project_id = $1 and day = $2 and (received_at, event_id) > ($3, $4)
                     order by received_at, event_id
                     limit $5
                 )
                 union all
                 (
                     select day, received_at, event_id from events
                     where project_id = $1 and day > $2
                     order by day, received_at, event_id
                     limit $5
                 )
             ) e
             where received_at <= $6
             order by day, received_at, event_id
             limit $5"#,
            self.project_id.get(),
            day,
            at,
            event_id,
            EVENTS,
            self.until,
        )
        .fetch_all(&self.pool)
        .await?;
        self.place = match rows.last() {
            Some(last) => Place::Events(last.day, last.received_at, last.event_id),
            None => Place::Files(date!(1970 - 01 - 01), Uuid::nil()),
        };
        let (days, ids): (Vec<Date>, Vec<Uuid>) = rows.iter().map(|row| (row.day, row.event_id)).unzip();
        lines::of_events(&self.pool, self.project_id, &days, &ids).await
    }

    /// One at a time: each is up to some megabytes. By the days that the project has files of.
    async fn files(&mut self, day: Date, after: Uuid) -> Result<Vec<String>, StoreError> {
        let next = sqlx::query!(
            r#"select f.day as "day!", f.id as "id!"
             from (
                 select day from attachment_days where project_id = $1 and day >= $2 order by day
             ) d
             cross join lateral (
                 select a.day, a.id
                 from attachments a
                 where a.project_id = $1 and a.day = d.day and (d.day > $2 or a.id > $3) and a.received_at <= $4
                 order by a.id
                 limit 1
             ) f
             order by f.day
             limit 1"#,
            self.project_id.get(),
            day,
            after,
            self.until,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(next) = next else {
            self.place = Place::End;
            return Ok(Vec::new());
        };
        self.place = Place::Files(next.day, next.id);
        Ok(lines::of_file(&self.pool, self.project_id, next.day, next.id).await?.into_iter().collect())
    }
}
