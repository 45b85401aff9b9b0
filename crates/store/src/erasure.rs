//! Deleting what is kept of a person, when they ask for it: their events with files and feedback, in one project or in all.
//!
//! A deletion is a row of `erasures`, with the hashes of its person beside it (`erased_users`): of the keys that were named,
//! of those that events name together with them (`user_aliases`), and of what sessions may call them (`visits`). `issue_users` says which issues they met; the events
//! of each are walked in bounded steps (`step`), each of which is one transaction with its place, so that a process may die
//! at any moment. Nothing is looked for in the payloads of other people's events.
//!
//! **What comes late.** What arrived before somebody asked, and is not stored yet, waits in the memory of a process for
//! seconds, or in a spool for days. So everything is done twice, the second time a minute later; and `late` keeps what is
//! drained from a spool away for as long as the hashes are kept.
//!
//! **What is kept.** Issues with their counters, as when a day is dropped, but for the number of people; the row of the
//! deletion, which says how much went and nobody's name.

mod late;
mod preview;
mod rows;
mod step;
mod visits;

use engine::alert::link::Key;
use engine::ids::{ErasureId, ProjectId, UserId};
use engine::person::Person;
use sqlx::{PgExecutor, PgPool};
use time::{Duration, OffsetDateTime};

pub(crate) use late::{Late, among};
pub use preview::{COUNT_MAX, Found, preview};
pub use rows::{claim, get, list, prune, release, take};
pub use step::{advance, step};

use crate::audit::{self, Kind, Note};
use crate::notifications::links;
use crate::{StoreError, lifecycle};

/// When all of it is done once more. A request waits for seconds in the memory of a process before it is stored or spooled.
pub const AGAIN: Duration = Duration::seconds(60);
/// How long hashes of erased people are kept: no spool is older.
pub const LATE: Duration = Duration::days(30);
/// How long it is known that there was a deletion.
pub const KEPT: Duration = Duration::days(365);

/// How far a deletion is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Its id.
    pub id: ErasureId,
    /// The project; none for all of them.
    pub project_id: Option<ProjectId>,
    /// A keyed hash of what the person was named by.
    pub person: String,
    /// Nothing is left to do.
    pub is_done: bool,
    /// All was looked at once, and is looked at a second time for what was on its way.
    pub is_second_pass: bool,
    /// Events that are gone.
    pub events: i64,
    /// Issues that they were of.
    pub issues: i64,
    /// Feedback that is gone.
    pub feedback: i64,
    /// Files that are gone.
    pub files: i64,
    /// When it was asked for.
    pub asked_at: OffsetDateTime,
    /// When nothing was left.
    pub finished_at: Option<OffsetDateTime>,
    /// Why the last step failed.
    pub error: Option<String>,
}

/// Who is to be deleted, where, and who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The person.
    pub person: &'a Person,
    /// One project; none for all.
    pub project_id: Option<ProjectId>,
    /// Who asks; none for a token or a command.
    pub user: Option<UserId>,
    /// A fresh key, for an instance that has none yet.
    pub key: &'a [u8; 32],
    /// When: what came until then goes.
    pub at: OffsetDateTime,
}

/// Begins to delete a person's data; `advance` does it.
///
/// # Errors
/// When the database fails.
pub async fn begin(pool: &PgPool, asked: Asked<'_>) -> Result<Erasure, StoreError> {
    let keys = asked.person.keys();
    let key = links::key(pool, asked.key, asked.at).await?;
    let person = pseudonym(&key, &keys);
    let hashes = hashes(&keys);
    let mut tx = pool.begin().await?;
    let id = sqlx::query_scalar!(
        "insert into erasures (project_id, person, email, user_id, asked_at, due_at)
         values ($1, $2, $3, (select id from users where id = $4), $5, $5)
         returning id",
        asked.project_id.map(ProjectId::get),
        person,
        asked.person.email.as_deref().map(str::to_lowercase),
        asked.user.map(UserId::get),
        asked.at,
    )
    .fetch_one(&mut *tx)
    .await?;
    let names = names(&mut *tx, asked.project_id, &hashes).await?;
    let visitors: Vec<Vec<u8>> = keys.iter().filter_map(|key| visits::hash(key)).collect();
    sqlx::query!(
        "insert into erased_users (project_id, user_hash, erasure_id, named)
         select project_id, user_hash, $3::bigint, user_hash = any($4)
         from unnest($1::bigint[], $2::bytea[]) as n (project_id, user_hash)
         union
         select p.id, visitor, $3::bigint, false
         from projects p
         cross join unnest($5::bytea[]) as visitor
         where $6::bigint is null or p.id = $6",
        &names.projects,
        &names.hashes,
        id,
        &hashes,
        &visitors,
        asked.project_id.map(ProjectId::get),
    )
    .execute(&mut *tx)
    .await?;
    let subject = format!("person {person}");
    audit::note(&mut tx, Note::new(Kind::Data, "deleted the data of", &subject).of(asked.project_id)).await?;
    tx.commit().await?;
    rows::get(pool, ErasureId(id)).await?.ok_or_else(|| StoreError::Broken("a deletion is not there".to_owned()))
}

/// Writes down that what is kept of a person is taken along; who they are in each project.
pub(crate) async fn note_export(
    pool: &PgPool,
    person: &Person,
    project_id: Option<ProjectId>,
    key: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Names, StoreError> {
    let keys = person.keys();
    let subject = format!("person {}", pseudonym(&links::key(pool, key, now).await?, &keys));
    let mut tx = pool.begin().await?;
    audit::note(&mut tx, Note::new(Kind::Data, "exported the data of", &subject).of(project_id)).await?;
    let names = names(&mut *tx, project_id, &hashes(&keys)).await?;
    tx.commit().await?;
    Ok(names)
}

/// Whom a person is in each project.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) projects: Vec<i64>,
    pub(crate) hashes: Vec<Vec<u8>>,
}

/// The keys that were named, and those that events named together with them.
async fn names(
    executor: impl PgExecutor<'_>,
    project_id: Option<ProjectId>,
    hashes: &[Vec<u8>],
) -> Result<Names, StoreError> {
    let rows = sqlx::query!(
        r#"select p.id as "project_id!", n.user_hash as "user_hash!"
         from projects p
         cross join lateral (
             select hash as user_hash from unnest($2::bytea[]) as named (hash)
             union
             select a.user_hash
             from unnest($2::bytea[]) as named (hash)
             join user_aliases a on a.project_id = p.id and a.alias = named.hash
         ) n
         where $1::bigint is null or p.id = $1"#,
        project_id.map(ProjectId::get),
        hashes,
    )
    .fetch_all(executor)
    .await?;
    let (projects, hashes) = rows.into_iter().map(|row| (row.project_id, row.user_hash)).unzip();
    Ok(Names { projects, hashes })
}

/// As `issue_users` has them.
fn hashes(keys: &[String]) -> Vec<Vec<u8>> {
    keys.iter().map(|key| lifecycle::user_hash(key).to_vec()).collect()
}

/// Tells people apart in lists and the audit log. Without the key of the instance nobody can try names on it.
fn pseudonym(key: &Key, keys: &[String]) -> String {
    // No key has a NUL.
    let said = keys.join("\0");
    hex::encode(key.pseudonym(b"firefinch person 1\0", said.as_bytes()).unwrap_or_default())
}
