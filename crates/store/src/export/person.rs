//! What is kept of a person, for whom wants to see it: their events with payloads, files and feedback. Found as
//! `erasure` finds them; as of when is as in the export of a project.

use std::collections::{BTreeSet, VecDeque};

use engine::ids::ProjectId;
use engine::person::Person;
use sqlx::PgPool;
use time::macros::{date, datetime};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::{EVENTS, lines};
use crate::erasure::Names;
use crate::{StoreError, erasure, lifecycle};

/// Events that are looked at for one page.
const WALKED: i64 = 2_000;

/// Where in the events of an issue.
#[derive(Debug, Clone, Copy)]
struct Walk {
    day: Date,
    received_at: OffsetDateTime,
    event_id: Uuid,
}

impl Walk {
    const START: Self =
        Self { day: date!(1970 - 01 - 01), received_at: datetime!(1970-01-01 0:00 UTC), event_id: Uuid::nil() };
}

/// What is read next.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The issue behind this one.
    Issue(i64, i64),
    /// More events of an issue.
    Events(i64, i64, Walk),
    /// Feedback under the address, behind this one.
    Feedback(i64, Uuid),
    End,
    Over,
}

/// An export on its way: it holds one page in memory, and no transaction between pages.
#[derive(Debug)]
pub struct PersonExport {
    pool: PgPool,
    names: Names,
    email: Option<String>,
    until: OffsetDateTime,
    place: Place,
    /// Files of what was told: project, day and id. Those of one page: events and files of an event are bounded.
    files: VecDeque<(i64, Date, Uuid)>,
    /// Feedback that was told with its event: as much as one person says, and a project keeps a bounded number a day.
    told: BTreeSet<(i64, Uuid)>,
    lines: u64,
}

impl PersonExport {
    /// Begins one, in a project or in all, which is written into the audit log.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(
        pool: PgPool,
        person: &Person,
        project_id: Option<ProjectId>,
        key: &[u8; 32],
        until: OffsetDateTime,
    ) -> Result<Self, StoreError> {
        let names = erasure::note_export(&pool, person, project_id, key, until).await?;
        let email = person.email.as_deref().map(str::to_lowercase);
        let (files, told) = (VecDeque::new(), BTreeSet::new());
        Ok(Self { pool, names, email, until, place: Place::Issue(0, 0), files, told, lines: 0 })
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
            let lines = if let Some((project_id, day, id)) = self.files.pop_front() {
                lines::of_file(&self.pool, ProjectId(project_id), day, id).await?.into_iter().collect()
            } else {
                match self.place {
                    Place::Issue(project_id, issue_id) => self.next_issue(project_id, issue_id).await?,
                    Place::Events(project_id, issue_id, walk) => self.events(project_id, issue_id, walk).await?,
                    Place::Feedback(project_id, id) => self.feedback(project_id, id).await?,
                    Place::End => {
                        self.place = Place::Over;
                        vec![lines::end(self.lines)]
                    }
                    Place::Over => return Ok(None),
                }
            };
            for line in &lines {
                text.push_str(line);
                text.push('\n');
            }
            self.lines += lines.len() as u64;
        }
        Ok(Some(text))
    }

    async fn next_issue(&mut self, project_id: i64, issue_id: i64) -> Result<Vec<String>, StoreError> {
        let next = sqlx::query!(
            r#"select u.project_id as "project_id!", u.issue_id as "issue_id!"
             from unnest($1::bigint[], $2::bytea[]) as n (project_id, user_hash)
             cross join lateral (
                 select project_id, issue_id
                 from issue_users
                 where project_id = n.project_id and user_hash = n.user_hash and (project_id, issue_id) > ($3, $4)
             ) u
             where n.project_id >= $3
             order by 1, 2
             limit 1"#,
            &self.names.projects,
            &self.names.hashes,
            project_id,
            issue_id,
        )
        .fetch_optional(&self.pool)
        .await?;
        self.place = match next {
            Some(next) => Place::Events(next.project_id, next.issue_id, Walk::START),
            None => Place::Feedback(0, Uuid::nil()),
        };
        Ok(Vec::new())
    }

    async fn events(&mut self, project_id: i64, issue_id: i64, walk: Walk) -> Result<Vec<String>, StoreError> {
        let (days, mut ids) = self.theirs(project_id, issue_id, walk).await?;
        let mut lines = lines::of_events(&self.pool, ProjectId(project_id), &days, &ids).await?;
        let said = sqlx::query!(
            r#"select id, jsonb_build_object('type', 'feedback') || (to_jsonb(f) - 'project_id') as "line!"
             from feedback f
             where project_id = $1 and event_id = any($2)
             order by received_at, id"#,
            project_id,
            &ids,
        )
        .fetch_all(&self.pool)
        .await?;
        lines.extend(said.iter().map(|row| row.line.to_string()));
        ids.extend(said.iter().map(|row| row.id));
        self.told.extend(said.iter().map(|row| (project_id, row.id)));
        self.meet_files(project_id, &ids).await?;
        Ok(lines)
    }

    /// The person's among the next events of an issue, by the index events_by_issue; the issue stands in the comparison,
    /// too (`regroup::walk`).
    async fn theirs(
        &mut self,
        project_id: i64,
        issue_id: i64,
        walk: Walk,
    ) -> Result<(Vec<Date>, Vec<Uuid>), StoreError> {
        let rows = sqlx::query!(
            "select day, received_at, event_id, user_key
             from events
             where project_id = $1 and issue_id = $2 and day >= $3
                 and (issue_id, day, received_at, event_id) > ($2, $3, $4, $5)
             order by issue_id, day, received_at, event_id
             limit $6",
            project_id,
            issue_id,
            walk.day,
            walk.received_at,
            walk.event_id,
            WALKED,
        )
        .fetch_all(&self.pool)
        .await?;
        let named = self.names.projects.iter().zip(&self.names.hashes).filter(|(project, _)| **project == project_id);
        let theirs: BTreeSet<&[u8]> = named.map(|(_, hash)| hash.as_slice()).collect();
        let may_have_more = i64::try_from(rows.len()).unwrap_or(WALKED) >= WALKED;
        let (mut days, mut ids) = (Vec::new(), Vec::new());
        let mut place = Place::Issue(project_id, issue_id);
        for row in rows {
            let hash = row.user_key.as_deref().map(lifecycle::user_hash);
            if hash.is_some_and(|hash| theirs.contains(hash.as_slice())) && row.received_at <= self.until {
                days.push(row.day);
                ids.push(row.event_id);
            }
            let is_full = i64::try_from(ids.len()).unwrap_or(EVENTS) >= EVENTS;
            if may_have_more || is_full {
                let walk = Walk { day: row.day, received_at: row.received_at, event_id: row.event_id };
                place = Place::Events(project_id, issue_id, walk);
            }
            if is_full {
                break;
            }
        }
        self.place = place;
        Ok((days, ids))
    }

    /// Feedback under the address that was not told with an event of theirs.
    async fn feedback(&mut self, project_id: i64, after: Uuid) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query!(
            r#"select f.project_id, f.id, jsonb_build_object('type', 'feedback') || (to_jsonb(f) - 'project_id') as "line!"
             from (select distinct project_id from unnest($1::bigint[]) as n (project_id) where project_id >= $3) n
             join feedback f on f.project_id = n.project_id and f.email <> '' and lower(f.email) = $2
             where (f.project_id, f.id) > ($3, $4) and f.received_at <= $5
             order by f.project_id, f.id
             limit $6"#,
            &self.names.projects,
            self.email,
            project_id,
            after,
            self.until,
            EVENTS,
        )
        .fetch_all(&self.pool)
        .await?;
        self.place = rows.last().map_or(Place::End, |last| Place::Feedback(last.project_id, last.id));
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows.into_iter().filter(|row| !self.told.contains(&(row.project_id, row.id))).collect::<Vec<_>>() {
            self.meet_files(row.project_id, &[row.id]).await?;
            lines.push(row.line.to_string());
        }
        Ok(lines)
    }

    /// Files are told after what they came with, one at a time.
    async fn meet_files(&mut self, project_id: i64, ids: &[Uuid]) -> Result<(), StoreError> {
        let rows = sqlx::query!(
            "select a.day, a.id
             from attachment_days d
             join attachments a on a.project_id = d.project_id and a.day = d.day and a.event_id = any($2)
             where d.project_id = $1
             order by a.day, a.id",
            project_id,
            ids,
        )
        .fetch_all(&self.pool)
        .await?;
        self.files.extend(rows.into_iter().map(|row| (project_id, row.day, row.id)));
        Ok(())
    }
}
