//! Destinations: where the messages of a project, or of all projects, go.

use engine::alert::Kind;
use engine::alert::preset::{self, Preset};
use engine::alert::rule::{Conditions, Rule};
use engine::ids::{DestinationId, ProjectId};
use serde::Deserialize;
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use super::rules::{self, NewRule};
use crate::StoreError;
use crate::audit::{self, Note};

/// Destinations that one list returns. People make tens of them; a page shows them all.
const LIST_MAX: i64 = 1000;

/// A place that messages go to.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Its id.
    pub id: DestinationId,
    /// The project it serves; `None` for all.
    pub project_id: Option<ProjectId>,
    /// Slug of that project.
    pub project: Option<String>,
    /// What people call it.
    pub name: String,
    /// Where it goes.
    pub target: Target,
    /// Kinds of signals that some rule sends there.
    pub signals: Vec<String>,
    /// When somebody switched it off.
    pub disabled_at: Option<OffsetDateTime>,
    /// When somebody deleted it: it can be put back for `DELETED_KEPT`.
    pub deleted_at: Option<OffsetDateTime>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Kind and configuration in one, so that a webhook without a URL cannot exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One mail per address.
    Mail(MailTarget),
    /// A signed POST.
    Webhook(WebhookTarget),
    /// A receiver in whose own form we write.
    Preset(Preset),
}

/// Who gets the mail.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct MailTarget {
    /// These addresses.
    pub to: Vec<String>,
    /// Everybody who sees the project at that moment.
    pub members: bool,
    /// Whoever has the issue, else its first owner; who else is named here only hears of what has neither.
    pub owners: bool,
    /// Serves only projects that have no other mail destination, and only while a mail server is configured.
    pub fallback: bool,
}

/// Where the POST goes and what signs it.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
pub struct WebhookTarget {
    /// Address, `http` or `https`.
    pub url: String,
    /// `whsec_` and base64. Never printed.
    pub secret: String,
    /// Names and values of further headers. Values are never printed.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// What the body is made from, where it is not the usual one (`engine::alert::template`).
    #[serde(default)]
    pub template: Option<String>,
}

impl WebhookTarget {
    /// The host: what people see of it, as the rest of the address is often its secret.
    #[must_use]
    pub fn host(&self) -> &str {
        preset::host(&self.url)
    }
}

impl std::fmt::Debug for WebhookTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The path of a webhook is often its secret.
        f.debug_struct("WebhookTarget").finish_non_exhaustive()
    }
}

impl Target {
    /// `mail`, `webhook` or the name of a preset, as the column says it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Mail(_) => "mail",
            Self::Webhook(_) => "webhook",
            Self::Preset(preset) => preset.kind(),
        }
    }

    /// Whether people read it, who want one message for many signals. A program wants each signal by itself.
    #[must_use]
    pub const fn is_paced(&self) -> bool {
        !matches!(self, Self::Webhook(_))
    }

    /// Reads the two columns.
    pub(super) fn read(id: i64, kind: &str, config: serde_json::Value) -> Result<Self, StoreError> {
        let found = kind.to_owned();
        let corrupt = |column, found| StoreError::Corrupt { table: "destinations", column, row: id.to_string(), found };
        let target = match kind {
            "mail" => serde_json::from_value(config).map(Self::Mail),
            "webhook" => serde_json::from_value(config).map(Self::Webhook),
            other => match Preset::read(other, config) {
                Some(read) => read.map(Self::Preset),
                None => return Err(corrupt("kind", found)),
            },
        };
        // The value may hold a secret, so the error shows only what was wrong with its shape.
        target.map_err(|error| corrupt("config", error.to_string()))
    }

    fn config(&self) -> serde_json::Value {
        match self {
            Self::Mail(target) => serde_json::json!({
                "to": target.to, "members": target.members, "owners": target.owners, "fallback": target.fallback
            }),
            Self::Webhook(target) => serde_json::json!({
                "url": target.url, "secret": target.secret, "headers": target.headers, "template": target.template,
            }),
            // Strings under names: this cannot fail.
            Self::Preset(preset) => serde_json::to_value(preset).unwrap_or_default(),
        }
    }
}

/// A destination to make.
#[derive(Debug, Clone)]
pub struct NewDestination<'a> {
    /// `None` for all projects.
    pub project_id: Option<ProjectId>,
    /// What people call it.
    pub name: &'a str,
    /// Where it goes.
    pub target: Target,
    /// Kinds of signals that a rule of its own sends there; none makes no rule.
    pub signals: &'a [String],
}

/// Makes a destination, and a rule that sends there what it wants.
///
/// # Errors
/// `Conflict` when the project does not exist.
pub async fn create(pool: &PgPool, new: &NewDestination<'_>, now: OffsetDateTime) -> Result<DestinationId, StoreError> {
    let mut tx = pool.begin().await?;
    let inserted = sqlx::query_scalar!(
        "insert into destinations (project_id, kind, name, config, paced, created_at)
         values ($1, $2, $3, $4, $5, $6)
         returning id",
        new.project_id.map(ProjectId::get),
        new.target.kind(),
        new.name,
        new.target.config(),
        new.target.is_paced(),
        now,
    )
    .fetch_one(&mut *tx)
    .await;
    match inserted {
        Ok(id) => {
            let id = DestinationId(id);
            let kinds: Vec<Kind> = new.signals.iter().filter_map(|kind| Kind::parse(kind)).collect();
            if !kinds.is_empty() {
                let rule = Rule { project: new.project_id, kinds, conditions: Conditions::default() };
                rules::insert(&mut tx, &NewRule { name: new.name, rule: &rule, destinations: &[id] }, now).await?;
            }
            let note = Note::new(audit::Kind::Destination, "made", new.name).of(new.project_id);
            audit::note(&mut tx, note.with("kind", new.target.kind())).await?;
            tx.commit().await?;
            Ok(id)
        }
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
            Err(StoreError::Conflict("there is no such project".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// All destinations that were not deleted, or those that serve one project (its own and the ones for all).
///
/// # Errors
/// When PostgreSQL fails or a row cannot be read.
pub async fn list(pool: &PgPool, project_id: Option<ProjectId>) -> Result<Vec<Destination>, StoreError> {
    let rows = sqlx::query!(
        r#"select d.id, d.project_id, p.slug as "slug?", d.kind, d.name, d.config,
             array(select distinct k from alert_rule_destinations l join alert_rules r on r.id = l.rule_id
                   cross join unnest(r.kinds) k where l.destination_id = d.id and r.disabled_at is null and r.deleted_at is null order by k) as "signals!",
             d.disabled_at, d.deleted_at, d.created_at
         from destinations d
         left join projects p on p.id = d.project_id
         where d.deleted_at is null and ($1::bigint is null or d.project_id is null or d.project_id = $1)
         order by d.id
         limit $2"#,
        project_id.map(ProjectId::get),
        LIST_MAX,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Destination {
                id: DestinationId(row.id),
                project_id: row.project_id.map(ProjectId),
                project: row.slug,
                target: Target::read(row.id, &row.kind, row.config)?,
                name: row.name,
                signals: row.signals,
                disabled_at: row.disabled_at,
                deleted_at: row.deleted_at,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// One destination, also a deleted one.
///
/// # Errors
/// When PostgreSQL fails or the row cannot be read.
pub async fn find(pool: &PgPool, id: DestinationId) -> Result<Option<Destination>, StoreError> {
    let row = sqlx::query!(
        r#"select d.id, d.project_id, p.slug as "slug?", d.kind, d.name, d.config,
             array(select distinct k from alert_rule_destinations l join alert_rules r on r.id = l.rule_id
                   cross join unnest(r.kinds) k where l.destination_id = d.id and r.disabled_at is null and r.deleted_at is null order by k) as "signals!",
             d.disabled_at, d.deleted_at, d.created_at
         from destinations d
         left join projects p on p.id = d.project_id
         where d.id = $1"#,
        id.get(),
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Destination {
        id: DestinationId(row.id),
        project_id: row.project_id.map(ProjectId),
        project: row.slug,
        target: Target::read(row.id, &row.kind, row.config)?,
        name: row.name,
        signals: row.signals,
        disabled_at: row.disabled_at,
        deleted_at: row.deleted_at,
        created_at: row.created_at,
    }))
}

/// Changes what people call a destination and where it goes; its kind stays. What was known of how it does is
/// forgotten when it goes elsewhere. False when there is no such destination of that kind.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn update(pool: &PgPool, id: DestinationId, name: &str, target: &Target) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await?;
    let moved = sqlx::query_scalar!(
        r#"update destinations d
         set name = $3, config = $4
         from destinations old
         where d.id = $1 and d.kind = $2 and d.deleted_at is null and old.id = d.id
         returning old.config is distinct from $4 as "moved!""#,
        id.get(),
        target.kind(),
        name,
        target.config(),
    )
    .fetch_optional(&mut *transaction)
    .await?;
    if moved == Some(true) {
        sqlx::query!("delete from destination_health where destination_id = $1", id.get())
            .execute(&mut *transaction)
            .await?;
    }
    if let Some(moved) = moved {
        note(&mut transaction, id, if moved { "changed" } else { "renamed" }).await?;
    }
    transaction.commit().await?;
    Ok(moved.is_some())
}

/// Why what was on its way to a destination ended.
const WAS_DISABLED: &str = "the destination was disabled";
const WAS_DELETED: &str = "the destination was deleted";

/// How long a deleted destination can be put back.
pub const DELETED_KEPT: Duration = Duration::days(30);

/// Switches a destination off. What it still had to send becomes a dead letter that says why, so
/// that nothing is held for ever and nothing vanishes. False when there is no such destination.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn disable(pool: &PgPool, id: DestinationId, now: OffsetDateTime) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await?;
    let found = sqlx::query!(
        "update destinations
         set disabled_at = coalesce(disabled_at, $2)
         where id = $1",
        id.get(),
        now,
    )
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    end(&mut transaction, id, WAS_DISABLED).await?;
    if found == 1 {
        note(&mut transaction, id, "switched off").await?;
    }
    transaction.commit().await?;
    Ok(found == 1)
}

/// Deletes a destination: nothing goes there, and no list shows it. False when there is no such destination.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn delete(pool: &PgPool, id: DestinationId, now: OffsetDateTime) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await?;
    let found = sqlx::query!(
        "update destinations
         set deleted_at = $2, disabled_at = coalesce(disabled_at, $2)
         where id = $1 and deleted_at is null",
        id.get(),
        now,
    )
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    end(&mut transaction, id, WAS_DELETED).await?;
    if found == 1 {
        note(&mut transaction, id, "deleted").await?;
    }
    transaction.commit().await?;
    Ok(found == 1)
}

async fn end(tx: &mut PgConnection, id: DestinationId, why: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update messages
         set state = 'dead', leased_until = null, last_error = $2
         where destination_id = $1 and state = 'pending'",
        id.get(),
        why,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update deliveries
         set state = 'suppressed', reason = $2
         where destination_id = $1 and state in ('waiting', 'held')",
        id.get(),
        why,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes back that a destination was deleted or switched off, with what that ended: it goes out now. One that was off
/// when it was deleted is off again. False when there is nothing to take back.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn put_back(pool: &PgPool, id: DestinationId, now: OffsetDateTime) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await?;
    let on = sqlx::query_scalar!(
        r#"update destinations
         set disabled_at = case when deleted_at > disabled_at then disabled_at end, deleted_at = null
         where id = $1 and disabled_at is not null
         returning disabled_at is null as "on!""#,
        id.get(),
    )
    .fetch_optional(&mut *transaction)
    .await?;
    if on == Some(true) {
        revive(&mut transaction, id, now).await?;
    }
    if on.is_some() {
        note(&mut transaction, id, "put back").await?;
    }
    transaction.commit().await?;
    Ok(on.is_some())
}

async fn revive(tx: &mut PgConnection, id: DestinationId, now: OffsetDateTime) -> Result<(), StoreError> {
    let reasons = [WAS_DISABLED, WAS_DELETED].map(str::to_owned);
    sqlx::query!(
        "update messages
         set state = 'pending', attempts = 0, next_attempt_at = $3, last_error = null
         where destination_id = $1 and state = 'dead' and last_error = any ($2) and expires_at > $3",
        id.get(),
        &reasons,
        now,
    )
    .execute(&mut *tx)
    .await?;
    // Only what waited in a channel: anything else was in a message.
    sqlx::query!(
        "with revived as (
             update deliveries
             set state = 'waiting', reason = null
             where destination_id = $1
                 and state = 'suppressed'
                 and reason = any ($2)
                 and channel_id is not null
                 and created_at > $3::timestamptz - interval '1 day'
             returning channel_id
         )
         update channels
         set due_at = least(due_at, $3)
         where id in (select channel_id from revived)",
        id.get(),
        &reasons,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets destinations that were deleted long ago, with their deliveries. Returns how many.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn prune_deleted(pool: &PgPool, now: OffsetDateTime) -> Result<u64, StoreError> {
    let done = sqlx::query!("delete from destinations where deleted_at < $1", now - DELETED_KEPT).execute(pool).await?;
    Ok(done.rows_affected())
}

/// Switches a destination on again, for what happens from now on. False when there is no such destination.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn enable(pool: &PgPool, id: DestinationId) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await?;
    let done =
        sqlx::query!("update destinations set disabled_at = null where id = $1 and deleted_at is null", id.get(),)
            .execute(&mut *transaction)
            .await?;
    if done.rows_affected() == 1 {
        note(&mut transaction, id, "switched on").await?;
    }
    transaction.commit().await?;
    Ok(done.rows_affected() == 1)
}

/// Writes down what was done to a destination, by its name: what it holds are secrets.
async fn note(tx: &mut PgConnection, id: DestinationId, what: &str) -> Result<(), StoreError> {
    let found = sqlx::query!("select name, project_id from destinations where id = $1", id.get());
    let found = found.fetch_one(&mut *tx).await?;
    audit::note(tx, Note::new(audit::Kind::Destination, what, &found.name).of(found.project_id.map(ProjectId))).await
}
