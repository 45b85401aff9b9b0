//! Rules as they are stored; `engine::alert::rule` says what they mean.

use engine::alert::Kind;
use engine::alert::frequency::QUESTIONS_MAX;
use engine::alert::rule::{Conditions, Rule};
use engine::ids::{DestinationId, ProjectId};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use crate::StoreError;
use crate::audit::{self, Note};

/// Rules that are looked at. People make tens of them.
const RULES_MAX: i64 = 1000;

/// A rule with what surrounds it.
#[derive(Debug, Clone)]
pub struct AlertRule {
    /// Its id.
    pub id: i64,
    /// What people call it.
    pub name: String,
    /// What it says.
    pub rule: Rule,
    /// Slug of its project.
    pub project: Option<String>,
    /// Where it sends, with what people call that.
    pub destinations: Vec<(DestinationId, String)>,
    /// Serves only projects for which nobody made a rule that mails.
    pub fallback: bool,
    /// When somebody switched it off.
    pub disabled_at: Option<OffsetDateTime>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl AlertRule {
    /// The rule in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let names: Vec<String> = self.destinations.iter().map(|(_, name)| name.clone()).collect();
        self.rule.sentence(self.project.as_deref(), &names)
    }
}

/// A rule to make.
#[derive(Debug, Clone)]
pub struct NewRule<'a> {
    /// What people call it.
    pub name: &'a str,
    /// What it says.
    pub rule: &'a Rule,
    /// Where it sends.
    pub destinations: &'a [DestinationId],
}

/// Makes a rule.
///
/// # Errors
/// `Conflict` when the project or a destination does not exist, or when all rules together ask for too many frequencies.
pub async fn create(pool: &PgPool, new: &NewRule<'_>, now: OffsetDateTime) -> Result<i64, StoreError> {
    check(new)?;
    let mut tx = pool.begin().await?;
    let id = insert(&mut tx, new, now).await?;
    bound_questions(&mut tx).await?;
    note(&mut tx, id, "made").await?;
    tx.commit().await?;
    Ok(id)
}

/// Refuses one more frequency than are looked at.
async fn bound_questions(tx: &mut PgConnection) -> Result<(), StoreError> {
    let questions = sqlx::query_scalar!(
        r#"select count(distinct conditions -> 'frequency') as "questions!" from alert_rules
             where $1 = any (kinds) and deleted_at is null"#,
        Kind::Frequent.as_str(),
    )
    .fetch_one(tx)
    .await?;
    if questions <= QUESTIONS_MAX {
        return Ok(());
    }
    Err(StoreError::Conflict(format!(
        "all rules together may ask for {QUESTIONS_MAX} different frequencies: use one that there is, or delete a rule"
    )))
}

pub(super) async fn insert(tx: &mut PgConnection, new: &NewRule<'_>, now: OffsetDateTime) -> Result<i64, StoreError> {
    let kinds: Vec<&str> = new.rule.kinds.iter().map(|kind| kind.as_str()).collect();
    let destinations: Vec<i64> = new.destinations.iter().map(|id| id.get()).collect();
    let made = sqlx::query_scalar!(
        "with made as (
             insert into alert_rules (project_id, name, kinds, conditions, created_at)
             values ($1, $2, $3, $4, $5)
             returning id
         ),
         linked as (
             insert into alert_rule_destinations (rule_id, destination_id)
             select made.id, d.id
             from made
             cross join unnest($6::bigint[]) d (id)
             on conflict do nothing
         )
         select id from made",
        new.rule.project.map(ProjectId::get),
        new.name,
        &kinds as &[&str],
        Json(&new.rule.conditions) as _,
        now,
        &destinations,
    )
    .fetch_one(tx)
    .await;
    made.map_err(dangling)
}

/// All rules, or those that serve one project (its own and the ones for all), oldest first.
///
/// # Errors
/// When PostgreSQL fails or a row cannot be read.
pub async fn list(pool: &PgPool, project_id: Option<ProjectId>) -> Result<Vec<AlertRule>, StoreError> {
    let mut connection = pool.acquire().await?;
    load(&mut connection, project_id.as_ref().map(std::slice::from_ref)).await
}

/// One rule.
///
/// # Errors
/// When PostgreSQL fails or it cannot be read.
pub async fn find(pool: &PgPool, id: i64) -> Result<Option<AlertRule>, StoreError> {
    let all = list(pool, None).await?;
    Ok(all.into_iter().find(|rule| rule.id == id))
}

/// The project of a rule, deleted or not: `Some(None)` for one that serves all.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn project_of(pool: &PgPool, id: i64) -> Result<Option<Option<ProjectId>>, StoreError> {
    let found = sqlx::query_scalar!("select project_id from alert_rules where id = $1", id);
    Ok(found.fetch_optional(pool).await?.map(|project| project.map(ProjectId)))
}

/// All rules, or those that serve some of these projects.
pub(super) async fn load(
    connection: &mut PgConnection,
    projects: Option<&[ProjectId]>,
) -> Result<Vec<AlertRule>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.id, r.project_id, p.slug as "slug?", r.name, r.kinds, r.conditions, r.fallback, r.disabled_at, r.created_at,
             array(select d.id from alert_rule_destinations l join destinations d on d.id = l.destination_id
                   where l.rule_id = r.id and d.deleted_at is null order by d.id) as "destinations!",
             array(select d.name from alert_rule_destinations l join destinations d on d.id = l.destination_id
                   where l.rule_id = r.id and d.deleted_at is null order by d.id) as "names!"
         from alert_rules r
         left join projects p on p.id = r.project_id
         where r.deleted_at is null and ($1::bigint[] is null or r.project_id is null or r.project_id = any ($1))
         order by r.id
         limit $2"#,
        projects.map(|ids| ids.iter().map(|id| id.get()).collect::<Vec<_>>()) as Option<Vec<i64>>,
        RULES_MAX,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let conditions: Conditions = serde_json::from_value(row.conditions).map_err(|error| {
                let found = error.to_string();
                StoreError::Corrupt { table: "alert_rules", column: "conditions", row: row.id.to_string(), found }
            })?;
            // A kind of a newer version cannot happen in this one.
            let kinds = row.kinds.iter().filter_map(|kind| Kind::parse(kind)).collect();
            Ok(AlertRule {
                id: row.id,
                name: row.name,
                rule: Rule { project: row.project_id.map(ProjectId), kinds, conditions },
                project: row.slug,
                destinations: row.destinations.into_iter().map(DestinationId).zip(row.names).collect(),
                fallback: row.fallback,
                disabled_at: row.disabled_at,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// Switches a rule on or off, for what happens from now on. False when there is no such rule.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn set_enabled(pool: &PgPool, id: i64, enabled: bool, now: OffsetDateTime) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let done = sqlx::query!(
        "update alert_rules
         set disabled_at = case when $2 then null else coalesce(disabled_at, $3) end
         where id = $1 and deleted_at is null",
        id,
        enabled,
        now,
    )
    .execute(&mut *tx)
    .await?;
    noted(tx, id, done.rows_affected(), if enabled { "switched on" } else { "switched off" }).await
}

/// Changes what a rule says and where it sends, for what happens from now on.
///
/// # Errors
/// `Conflict` when there is no such rule, project or destination, or when all rules together ask for too many frequencies.
pub async fn change(pool: &PgPool, id: i64, new: &NewRule<'_>) -> Result<(), StoreError> {
    check(new)?;
    let mut tx = pool.begin().await?;
    let kinds: Vec<&str> = new.rule.kinds.iter().map(|kind| kind.as_str()).collect();
    let changed = sqlx::query!(
        "update alert_rules
         set project_id = $2, name = $3, kinds = $4, conditions = $5
         where id = $1 and deleted_at is null",
        id,
        new.rule.project.map(ProjectId::get),
        new.name,
        &kinds as &[&str],
        Json(&new.rule.conditions) as _,
    )
    .execute(&mut *tx)
    .await
    .map_err(dangling)?;
    if changed.rows_affected() == 0 {
        return Err(StoreError::Conflict("somebody deleted this rule meanwhile".to_owned()));
    }
    let destinations: Vec<i64> = new.destinations.iter().map(|id| id.get()).collect();
    sqlx::query!(
        "delete from alert_rule_destinations where rule_id = $1 and destination_id <> all ($2)",
        id,
        &destinations
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "insert into alert_rule_destinations (rule_id, destination_id)
         select $1, d.id
         from unnest($2::bigint[]) d (id)
         on conflict do nothing",
        id,
        &destinations,
    )
    .execute(&mut *tx)
    .await
    .map_err(dangling)?;
    bound_questions(&mut tx).await?;
    note(&mut tx, id, "changed").await?;
    tx.commit().await?;
    Ok(())
}

/// Writes down what was done to a rule.
async fn note(tx: &mut PgConnection, id: i64, what: &str) -> Result<(), StoreError> {
    let found = sqlx::query!("select name, project_id from alert_rules where id = $1", id).fetch_one(&mut *tx).await?;
    audit::note(tx, Note::new(audit::Kind::Rule, what, &found.name).of(found.project_id.map(ProjectId))).await
}

/// The same where a statement changed one rule or none, and the end of its transaction.
async fn noted(
    mut tx: sqlx::Transaction<'_, sqlx::Postgres>,
    id: i64,
    changed: u64,
    what: &str,
) -> Result<bool, StoreError> {
    if changed == 1 {
        note(&mut tx, id, what).await?;
    }
    tx.commit().await?;
    Ok(changed == 1)
}

/// A rule of what there is not.
fn dangling(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) if error.is_foreign_key_violation() => {
            StoreError::Conflict("there is no such project or destination".to_owned())
        }
        other => other.into(),
    }
}

fn check(new: &NewRule<'_>) -> Result<(), StoreError> {
    new.rule.conditions.problem().map_or(Ok(()), |problem| Err(StoreError::Conflict(problem)))
}

/// Deletes a rule. What it asked for already is still told. `restore` has it back until `forget_deleted`. False when there
/// is no such rule.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn delete(pool: &PgPool, id: i64, now: OffsetDateTime) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let done = sqlx::query!("update alert_rules set deleted_at = $2 where id = $1 and deleted_at is null", id, now)
        .execute(&mut *tx)
        .await?;
    noted(tx, id, done.rows_affected(), "deleted").await
}

/// Takes a deletion back. False when there is no such deleted rule (any more).
///
/// # Errors
/// When PostgreSQL fails.
pub async fn restore(pool: &PgPool, id: i64) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let done = sqlx::query!("update alert_rules set deleted_at = null where id = $1 and deleted_at is not null", id)
        .execute(&mut *tx)
        .await?;
    noted(tx, id, done.rows_affected(), "put back").await
}

/// Forgets rules that were deleted before `before`.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn forget_deleted(pool: &PgPool, before: OffsetDateTime) -> Result<(), StoreError> {
    sqlx::query!("delete from alert_rules where deleted_at < $1", before).execute(pool).await?;
    Ok(())
}
