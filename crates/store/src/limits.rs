//! How many items may come in: the limits of the instance, of projects and of client keys, and what is leased of each.
//!
//! Owns the table `limits`; `engine::quota` does the arithmetic. Every change of a limit notifies the channel of the client keys
//! in its transaction. Leases are taken under the clock of the database, which is the one that all processes share.

use engine::ids::{KeyId, ProjectId};
use engine::quota::{COUNT_MAX, Counts, Grant, Limit, Meter, Scope};
use sqlx::{PgConnection, PgPool};

use crate::audit::{self, Kind, Note};
use crate::{StoreError, keys, sampling};

/// Whose limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Of all projects together.
    Instance,
    /// Of a project.
    Project(ProjectId),
    /// Of a client key.
    Key(ProjectId, KeyId),
}

impl Subject {
    const fn ids(self) -> (Option<i64>, Option<i64>) {
        match self {
            Self::Instance => (None, None),
            Self::Project(project) => (Some(project.get()), None),
            Self::Key(project, key) => (Some(project.get()), Some(key.get())),
        }
    }
}

/// A limit of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its row.
    pub id: i64,
    /// Whose it is.
    pub subject: Subject,
    /// What it counts.
    pub counts: Counts,
    /// The limit.
    pub limit: Limit,
    /// What is leased in the window of now.
    pub used: i64,
}

impl Stored {
    /// Whose it is, in one word.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match self.subject {
            Subject::Instance => Scope::Instance,
            Subject::Project(_) => Scope::Project,
            Subject::Key(..) => Scope::Key,
        }
    }
}

struct Row {
    id: i64,
    project_id: Option<i64>,
    key_id: Option<i64>,
    counts: String,
    window_s: i64,
    most: i64,
    started: i64,
    used: i64,
    now_s: i64,
}

impl Row {
    /// A kind that a newer version has stored limits nothing here.
    fn read(self) -> Option<Stored> {
        let limit = Limit { most: self.most, window_s: self.window_s };
        Some(Stored {
            id: self.id,
            subject: match (self.project_id, self.key_id) {
                (None, _) => Subject::Instance,
                (Some(project), None) => Subject::Project(ProjectId(project)),
                (Some(project), Some(key)) => Subject::Key(ProjectId(project), KeyId(key)),
            },
            counts: Counts::named(&self.counts)?,
            limit,
            used: Meter { started: self.started, used: self.used }.used_at(limit, self.now_s),
        })
    }
}

/// The limits of somebody, in the order in which people see them.
///
/// # Errors
/// When the database cannot answer.
pub async fn of(pool: &PgPool, subject: Subject) -> Result<Vec<Stored>, StoreError> {
    let (project, key) = subject.ids();
    let rows = sqlx::query_as!(
        Row,
        r#"select id, project_id, key_id, counts, window_s, most, started, used,
               extract(epoch from clock_timestamp())::bigint as "now_s!"
           from limits
           where project_id is not distinct from $1 and key_id is not distinct from $2
           order by counts, window_s"#,
        project,
        key,
    )
    .fetch_all(pool)
    .await?;
    let mut found: Vec<Stored> = rows.into_iter().filter_map(Row::read).collect();
    found.sort_by_key(|stored| stored.counts);
    Ok(found)
}

/// The limits of the keys of a project.
///
/// # Errors
/// When the database cannot answer.
pub async fn of_keys(pool: &PgPool, project_id: ProjectId) -> Result<Vec<Stored>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, project_id, key_id, counts, window_s, most, started, used,
               extract(epoch from clock_timestamp())::bigint as "now_s!"
           from limits
           where project_id = $1 and key_id is not null
           order by key_id"#,
        project_id.get(),
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().filter_map(Row::read).collect())
}

/// At most `page` limits of the whole instance by their ids, beginning after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(pool: &PgPool, after: i64, page: i64) -> Result<(Vec<Stored>, Option<i64>), StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, project_id, key_id, counts, window_s, most, started, used,
               extract(epoch from clock_timestamp())::bigint as "now_s!"
           from limits
           where id > $1
           order by id
           limit $2"#,
        after,
        page,
    )
    .fetch_all(pool)
    .await?;
    let last = rows.last().map(|row| row.id);
    Ok((rows.into_iter().filter_map(Row::read).collect(), last))
}

/// Replaces all limits of somebody, whatever they were; one that stays keeps what is used of it.
///
/// # Errors
/// `Conflict` when a number cannot be a limit, or when the key is gone.
pub async fn set(pool: &PgPool, subject: Subject, limits: &[(Counts, Limit)]) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    match subject {
        Subject::Key(..) => {}
        Subject::Instance => drop(count_up(&mut tx, None, None).await?),
        Subject::Project(id) => drop(count_up(&mut tx, Some(id), None).await?),
    }
    set_in(&mut tx, subject, limits).await?;
    tx.commit().await?;
    Ok(())
}

/// What may come in, to save as a whole.
#[derive(Debug, Clone, Copy)]
pub struct NewLimits<'a> {
    /// Of which project; `None` is the instance.
    pub project_id: Option<ProjectId>,
    /// All limits that are to be.
    pub limits: &'a [(Counts, Limit)],
    /// Whether payloads of the project are sampled (`sampling`); without it, that stays.
    pub samples: Option<bool>,
    /// The version that who changes it saw.
    pub seen_version: i64,
}

/// The same, where somebody changes what they saw before. Returns the new version.
///
/// # Errors
/// `Conflict` when a number cannot be a limit, or when somebody else changed them since `seen_version`.
pub async fn save(pool: &PgPool, new: NewLimits<'_>) -> Result<i64, StoreError> {
    let mut tx = pool.begin().await?;
    let Some(version) = count_up(&mut tx, new.project_id, Some(new.seen_version)).await? else {
        return Err(StoreError::Conflict(
            "somebody else changed the limits meanwhile: look at them, then save yours again".into(),
        ));
    };
    set_in(&mut tx, new.project_id.map_or(Subject::Instance, Subject::Project), new.limits).await?;
    if let (Some(id), Some(samples)) = (new.project_id, new.samples) {
        sampling::set_in(&mut tx, id, samples).await?;
    }
    tx.commit().await?;
    Ok(version)
}

/// How often the limits of a project, or of the instance, were changed: 0 while nothing was ever saved.
///
/// # Errors
/// When the database cannot answer.
pub async fn version(pool: &PgPool, project_id: Option<ProjectId>) -> Result<i64, StoreError> {
    let query = sqlx::query_scalar!(
        "select version from limit_versions where project_id is not distinct from $1",
        project_id.map(ProjectId::get),
    );
    Ok(query.fetch_optional(pool).await?.unwrap_or(0))
}

/// Counts a change; `None` when it is not the one that was seen. Whoever changes the same waits for the end of the transaction.
pub(crate) async fn count_up(
    tx: &mut PgConnection,
    project_id: Option<ProjectId>,
    seen: Option<i64>,
) -> Result<Option<i64>, StoreError> {
    let query = sqlx::query_scalar!(
        "insert into limit_versions as v (project_id, version)
         select $1, 1
         where $2::bigint is null or $2 = 0
             or exists (select from limit_versions where project_id is not distinct from $1)
         on conflict (project_id) do update
         set version = v.version + 1
         where $2::bigint is null or v.version = $2
         returning version",
        project_id.map(ProjectId::get),
        seen,
    );
    Ok(query.fetch_optional(tx).await?)
}

pub(crate) async fn set_in(
    tx: &mut PgConnection,
    subject: Subject,
    limits: &[(Counts, Limit)],
) -> Result<(), StoreError> {
    if let Some((_, wrong)) = limits.iter().find(|(_, limit)| !(0..=COUNT_MAX).contains(&limit.most)) {
        return Err(StoreError::Conflict(format!(
            "{} cannot be a limit: write 0 to {COUNT_MAX}, or nothing",
            wrong.most
        )));
    }
    let (project, key) = subject.ids();
    let counts: Vec<String> = limits.iter().map(|(counts, _)| counts.as_str().to_owned()).collect();
    let windows: Vec<i64> = limits.iter().map(|(_, limit)| limit.window_s).collect();
    let most: Vec<i64> = limits.iter().map(|(_, limit)| limit.most).collect();
    sqlx::query!(
        "delete from limits l
         where l.project_id is not distinct from $1 and l.key_id is not distinct from $2
             and not exists (
                 select from unnest($3::text[], $4::bigint[]) as n (counts, window_s)
                 where n.counts = l.counts and n.window_s = l.window_s)",
        project,
        key,
        &counts,
        &windows,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "insert into limits (project_id, key_id, counts, window_s, most)
         select $1, $2, n.counts, n.window_s, n.most
         from unnest($3::text[], $4::bigint[], $5::bigint[]) as n (counts, window_s, most)
         on conflict on constraint limits_key do update
         set most = excluded.most",
        project,
        key,
        &counts,
        &windows,
        &most,
    )
    .execute(&mut *tx)
    .await?;
    keys::notify(tx).await?;
    let what = match subject {
        Subject::Key(..) => "limit of a key",
        Subject::Instance | Subject::Project(_) => "limits",
    };
    let mut note = Note::new(Kind::Setting, "saved", what).of(project.map(ProjectId));
    let names: Vec<String> =
        limits.iter().map(|(counts, limit)| format!("{} in {} s", counts.as_str(), limit.window_s)).collect();
    for (name, (_, limit)) in names.iter().zip(limits) {
        note = note.with(name, limit.most);
    }
    audit::note(tx, note).await
}

/// Leases so many items of a limit; `None` when the limit is gone. It may have been changed since it was read: what counts is
/// how it stands.
///
/// # Errors
/// When the database cannot answer.
pub async fn lease(pool: &PgPool, id: i64, wanted: i64) -> Result<Option<Grant>, StoreError> {
    let mut tx = pool.begin().await?;
    let row = sqlx::query!(
        r#"select window_s, most, started, used, floor(extract(epoch from clock_timestamp()))::bigint as "now_s!"
           from limits where id = $1 for update"#,
        id,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let mut meter = Meter { started: row.started, used: row.used };
    let grant = meter.grant(Limit { most: row.most, window_s: row.window_s }, row.now_s, wanted);
    write(&mut tx, id, meter).await?;
    tx.commit().await?;
    Ok(Some(grant))
}

/// Gives back what was not spent of a lease of the window that began at `started`.
///
/// # Errors
/// When the database cannot answer.
pub async fn give_back(pool: &PgPool, id: i64, started: i64, items: i64) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    let row = sqlx::query!("select started, used from limits where id = $1 for update", id);
    let Some(row) = row.fetch_optional(&mut *tx).await? else { return Ok(()) };
    let mut meter = Meter { started: row.started, used: row.used };
    meter.give_back(started, items);
    write(&mut tx, id, meter).await?;
    tx.commit().await?;
    Ok(())
}

async fn write(tx: &mut PgConnection, id: i64, meter: Meter) -> Result<(), StoreError> {
    let query = sqlx::query!("update limits set started = $2, used = $3 where id = $1", id, meter.started, meter.used);
    query.execute(tx).await?;
    Ok(())
}
