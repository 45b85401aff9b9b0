//! What is hidden of events before anything is kept: by the choice of the instance, and by that of a project.
//!
//! Owns the table `scrubbing`. `engine::scrub` compiles it; who saves it has compiled it before. Every change notifies the
//! channel of the client keys in its transaction: ingest reads both together.

use std::sync::Arc;

use engine::ids::{ProjectId, UserId};
use engine::scrub::{Choice, Policy, Scrubber};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use crate::audit::{self, Kind, Note};
use crate::error::blocking;
use crate::{StoreError, keys};

/// Rules of all projects together. Every process holds them compiled, which takes some fifty times as much.
const ALL_RULES_BYTES_MAX: i64 = 4 * 1024 * 1024;

/// What was chosen, by the instance or by a project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scrubbing {
    /// What is hidden without a rule.
    pub choice: Choice,
    /// Rules, as typed.
    pub rules: String,
    /// Grows with every change; 0 while nothing was ever saved.
    pub version: i64,
}

/// A choice to save.
#[derive(Debug, Clone, Copy)]
pub struct NewScrubbing<'a> {
    /// Whose; `None` is the instance's.
    pub project_id: Option<ProjectId>,
    /// What is hidden without a rule.
    pub choice: Choice,
    /// Rules, as typed.
    pub rules: &'a str,
    /// The version that the person saw; `None` overwrites whatever there is.
    pub seen_version: Option<i64>,
    /// Who saves it, when a person does.
    pub changed_by: Option<UserId>,
    /// The time.
    pub now: OffsetDateTime,
}

/// What a project chose, or the instance (`None`); nothing where it never did.
///
/// # Errors
/// When the database cannot answer.
pub async fn get(pool: &PgPool, project_id: Option<ProjectId>) -> Result<Scrubbing, StoreError> {
    let found = sqlx::query!(
        "select secrets, numbers, emails, ip_addresses, rules, version
         from scrubbing
         where project_id is not distinct from $1",
        project_id.map(ProjectId::get),
    )
    .fetch_optional(pool)
    .await?;
    Ok(found
        .map(|row| Scrubbing {
            choice: Choice {
                secrets: row.secrets,
                numbers: row.numbers,
                emails: row.emails,
                ip_addresses: row.ip_addresses,
            },
            rules: row.rules,
            version: row.version,
        })
        .unwrap_or_default())
}

/// Saves a choice and tells every process. Returns its new version; the same one when nothing changed.
///
/// # Errors
/// `Conflict` when somebody else saved another one since `seen_version`, or when the rules of all do not fit.
pub async fn set(pool: &PgPool, new: NewScrubbing<'_>) -> Result<i64, StoreError> {
    let mut tx = pool.begin().await?;
    let before = sqlx::query_scalar!(
        r#"select octet_length(rules) as "bytes!" from scrubbing where project_id is not distinct from $1"#,
        new.project_id.map(ProjectId::get),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let saved = sqlx::query_scalar!(
        "insert into scrubbing as s
             (project_id, secrets, numbers, emails, ip_addresses, rules, version, changed_at, changed_by)
         select $1, $2, $3, $4, $5, $6, 1, $8, $9
         where $7::bigint is null or $7 = 0
             or exists (select from scrubbing where project_id is not distinct from $1)
         on conflict (project_id) do update
         set secrets = excluded.secrets, numbers = excluded.numbers, emails = excluded.emails,
             ip_addresses = excluded.ip_addresses, rules = excluded.rules,
             version = s.version + ((s.secrets, s.numbers, s.emails, s.ip_addresses, s.rules) is distinct from
                 (excluded.secrets, excluded.numbers, excluded.emails, excluded.ip_addresses, excluded.rules))::int,
             changed_at = excluded.changed_at, changed_by = excluded.changed_by
         where $7::bigint is null or s.version = $7
         returning version",
        new.project_id.map(ProjectId::get),
        new.choice.secrets,
        new.choice.numbers,
        new.choice.emails,
        new.choice.ip_addresses,
        new.rules,
        new.seen_version,
        new.now,
        new.changed_by.map(UserId::get),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(version) = saved else {
        return Err(StoreError::Conflict(
            "somebody else changed what is hidden meanwhile, and nothing of yours is saved: open the page anew, and make your change there".into(),
        ));
    };
    // Where there is no room, whoever takes less than before makes some.
    if new.rules.len() > before.and_then(|bytes| bytes.try_into().ok()).unwrap_or(0) {
        check_room(&mut tx).await?;
    }
    keys::notify(&mut tx).await?;
    let note = Note::new(Kind::Setting, "saved", "what is hidden").of(new.project_id).with("version", version);
    let choice = new.choice;
    let note = note.with("secrets", choice.secrets).with("numbers", choice.numbers).with("addresses", choice.emails);
    audit::note(&mut tx, note.with("IP addresses", choice.ip_addresses)).await?;
    tx.commit().await?;
    Ok(version)
}

/// Versions of the choices of at most `limit` projects, by their ids, beginning after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn versions(
    pool: &PgPool,
    after: Option<ProjectId>,
    limit: i64,
) -> Result<Vec<(ProjectId, i64)>, StoreError> {
    let rows = sqlx::query!(
        r#"select project_id as "project_id!", version from scrubbing where project_id > $1 order by project_id limit $2"#,
        after.map_or(0, ProjectId::get),
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (ProjectId(row.project_id), row.version)).collect())
}

/// Refuses rules that ingest could not hold together with those of the other projects. Projects with rules of their own hold
/// those of the instance once more.
async fn check_room(tx: &mut PgConnection) -> Result<(), StoreError> {
    let bytes = sqlx::query_scalar!(
        r#"select coalesce(sum(octet_length(rules)), 0)
               + coalesce(sum(octet_length(rules)) filter (where project_id is null), 0)
                   * count(*) filter (where project_id is not null and rules <> '') as "bytes!"
           from scrubbing"#,
    )
    .fetch_one(tx)
    .await?;
    if bytes <= ALL_RULES_BYTES_MAX {
        return Ok(());
    }
    Err(StoreError::Conflict(format!(
        "the rules of all projects would take {bytes} bytes together with those of the instance, which count once for each \
         project that has rules of its own; the server holds {ALL_RULES_BYTES_MAX}: shorten them here or elsewhere"
    )))
}

/// What a choice of a project comes to, together with that of the instance.
///
/// # Errors
/// When the database cannot answer. `Conflict` with what is wrong in the rules.
pub async fn compile(
    pool: &PgPool,
    project_id: Option<ProjectId>,
    choice: Choice,
    rules: String,
) -> Result<Arc<Scrubber>, StoreError> {
    let above = match project_id {
        Some(_) => get(pool, None).await?,
        None => Scrubbing::default(),
    };
    let policy = Policy::default().with(above.choice).with(choice);
    // Compiling takes milliseconds per hundred rules.
    let compiled = blocking(move || Scrubber::compile(policy, &[&above.rules, &rules])).await?;
    compiled.map(Arc::new).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        StoreError::Conflict(lines.join("\n"))
    })
}
