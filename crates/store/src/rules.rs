//! Grouping rules of projects, as text.
//!
//! Owns the table `project_rules`. The text is compiled by `engine::grouping::rules`; who saves it has
//! compiled it before. Every change notifies the channel of the client keys in its transaction: ingest
//! reads both together.

use std::sync::Arc;

use engine::grouping::Rules;
use engine::ids::{ProjectId, UserId};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use crate::audit::{self, Kind, Note};
use crate::error::blocking;
use crate::{StoreError, keys};

/// Texts of the rules of all projects together. Every process holds them compiled, of which a full text may take a megabyte:
/// some four times as much as the text. As much as 32 projects may have that are all at their own bound.
const ALL_RULES_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// The rules of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRules {
    /// The project.
    pub project_id: ProjectId,
    /// Fingerprint rules, as typed.
    pub fingerprint_rules: String,
    /// Stack-trace rules, as typed.
    pub stack_rules: String,
    /// Grows with every change; 0 while none were ever saved.
    pub version: i64,
}

/// Rules to save.
#[derive(Debug, Clone, Copy)]
pub struct NewRules<'a> {
    /// The project.
    pub project_id: ProjectId,
    /// Fingerprint rules, as typed.
    pub fingerprint_rules: &'a str,
    /// Stack-trace rules, as typed.
    pub stack_rules: &'a str,
    /// The version that the person saw; `None` overwrites whatever there is.
    pub seen_version: Option<i64>,
    /// Who saves them, when a person does.
    pub changed_by: Option<UserId>,
    /// The time.
    pub now: OffsetDateTime,
}

/// The rules of a project; empty ones when it has none.
///
/// # Errors
/// When the database cannot answer.
pub async fn load(pool: &PgPool, project_id: ProjectId) -> Result<ProjectRules, StoreError> {
    let found = sqlx::query_as!(
        ProjectRules,
        r#"
        select project_id, fingerprint_rules, stack_rules, version
        from project_rules
        where project_id = $1
        "#,
        project_id.get(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(found.unwrap_or_else(|| ProjectRules {
        project_id,
        fingerprint_rules: String::new(),
        stack_rules: String::new(),
        version: 0,
    }))
}

/// The rules of a project, compiled; `None` where only the built-in ones apply. Texts that this version cannot read
/// count as none: whoever saves rules has compiled them, so these come from a newer version.
///
/// # Errors
/// When the database cannot answer.
pub async fn compiled(pool: &PgPool, project_id: ProjectId) -> Result<Option<Arc<Rules>>, StoreError> {
    let saved = load(pool, project_id).await?;
    if saved.fingerprint_rules.is_empty() && saved.stack_rules.is_empty() {
        return Ok(None);
    }
    // Compiling takes milliseconds per hundred rules.
    let compiled = blocking(move || Rules::compile(&saved.fingerprint_rules, &saved.stack_rules)).await?;
    match compiled {
        Ok((rules, _)) => Ok(Some(Arc::new(rules))),
        Err(problems) => {
            tracing::error!(%project_id, %problems, "the stored grouping rules cannot be read; they do not apply");
            Ok(None)
        }
    }
}

/// What `compiled` gave, or the built-in rules.
pub(crate) fn or_builtin(rules: &Option<Arc<Rules>>) -> &Rules {
    rules.as_deref().unwrap_or_else(|| Rules::builtin())
}

/// Saves the rules of a project and tells every process. Returns their new version; the same one when
/// nothing changed.
///
/// # Errors
/// `Conflict` when somebody else saved other rules since `seen_version`, or when the rules of all do not fit.
pub async fn save(pool: &PgPool, new: NewRules<'_>) -> Result<i64, StoreError> {
    let mut tx = pool.begin().await?;
    let before = sqlx::query_scalar!(
        r#"select octet_length(fingerprint_rules) + octet_length(stack_rules) as "bytes!"
           from project_rules
           where project_id = $1"#,
        new.project_id.get(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    // Two people who save at once both arrive here: the row's lock orders them, and the second one's
    // `seen_version` no longer holds.
    let saved = sqlx::query_scalar!(
        r#"
        insert into project_rules as r
            (project_id, fingerprint_rules, stack_rules, version, changed_at, changed_by)
        select $1, $2, $3, 1, $5, $6
        where $4::bigint is null or $4 = 0 or exists (select from project_rules where project_id = $1)
        on conflict (project_id) do update
        set fingerprint_rules = excluded.fingerprint_rules,
            stack_rules = excluded.stack_rules,
            version = r.version
                + ((r.fingerprint_rules, r.stack_rules) is distinct from
                    (excluded.fingerprint_rules, excluded.stack_rules))::int,
            changed_at = excluded.changed_at,
            changed_by = excluded.changed_by
        where $4::bigint is null or r.version = $4
        returning version
        "#,
        new.project_id.get(),
        new.fingerprint_rules,
        new.stack_rules,
        new.seen_version,
        new.now,
        new.changed_by.map(UserId::get),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(version) = saved else {
        return Err(StoreError::Conflict(
            "somebody else saved other rules meanwhile, and nothing of yours is saved: open the page anew, and make your change there".into(),
        ));
    };
    // Where there is no room, whoever takes less than before makes some.
    if new.fingerprint_rules.len() + new.stack_rules.len() > before.and_then(|bytes| bytes.try_into().ok()).unwrap_or(0)
    {
        check_room(&mut tx).await?;
    }
    keys::notify(&mut tx).await?;
    let note = Note::new(Kind::Setting, "saved", "grouping rules").of(Some(new.project_id));
    audit::note(&mut tx, note.with("version", version)).await?;
    tx.commit().await?;
    Ok(version)
}

/// Refuses rules that ingest could not hold together with those of the other projects.
async fn check_room(tx: &mut PgConnection) -> Result<(), StoreError> {
    let bytes = sqlx::query_scalar!(
        r#"select coalesce(sum(octet_length(fingerprint_rules) + octet_length(stack_rules)), 0) as "bytes!"
           from project_rules"#,
    )
    .fetch_one(tx)
    .await?;
    if bytes <= ALL_RULES_BYTES_MAX {
        return Ok(());
    }
    Err(StoreError::Conflict(format!(
        "the grouping rules of all projects would take {bytes} bytes; the server holds {ALL_RULES_BYTES_MAX}: shorten them here or \
         elsewhere"
    )))
}

/// Versions of at most `limit` projects' rules in the order of their ids, beginning after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn versions(
    pool: &PgPool,
    after: Option<ProjectId>,
    limit: i64,
) -> Result<Vec<(ProjectId, i64)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select project_id, version
        from project_rules
        where project_id > $1
        order by project_id
        limit $2
        "#,
        after.map_or(0, ProjectId::get),
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (ProjectId(row.project_id), row.version)).collect())
}
