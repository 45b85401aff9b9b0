//! Client keys (DSNs): which project a request may post to.
//!
//! Owns the tables `project_keys` and `key_uses`. Ingest holds the keys in memory; every change notifies
//! [`CHANGED_CHANNEL`] in its transaction, so that each process can read them again.

use engine::ids::{KeyId, ProjectId};
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{PgConnection, PgPool};
use time::{Date, OffsetDateTime};

use crate::StoreError;
use crate::audit::{self, Kind, Note};

/// The notification channel that says that a key was made, disabled or enabled. The payload is
/// empty: whoever listens reads the keys again.
pub const CHANGED_CHANNEL: &str = "firefinch_keys";

/// Hears when keys change, on a connection of its own: one that listens for ever must not be one
/// that requests wait for.
///
/// # Errors
/// When the database cannot answer.
pub async fn listen(pool: &PgPool) -> Result<PgListener, StoreError> {
    let own = PgPoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(pool.connect_options().as_ref().clone());
    let mut listener = PgListener::connect_with(&own).await?;
    listener.listen(CHANGED_CHANNEL).await?;
    Ok(listener)
}

/// One client key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its row.
    pub id: KeyId,
    /// The project that it posts to.
    pub project_id: ProjectId,
    /// The user part of the DSN.
    pub public_key: String,
    /// For people.
    pub label: String,
    /// From when on it is refused; that may be in the future, while applications are given another one.
    pub disabled_at: Option<OffsetDateTime>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl Key {
    /// True when it is refused.
    #[must_use]
    pub fn is_disabled(&self, now: OffsetDateTime) -> bool {
        self.disabled_at.is_some_and(|at| at <= now)
    }
}

/// A key to make.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// The project.
    pub project_id: ProjectId,
    /// 32 lower-case hexadecimal digits from a random source.
    pub public_key: &'a str,
    /// For people.
    pub label: &'a str,
    /// The time.
    pub now: OffsetDateTime,
}

/// Keys of one project, disabled ones included: as many as are listed.
const KEYS_MAX: i64 = 1000;
/// Length of a label.
pub const LABEL_CHARS_MAX: usize = 100;

/// Makes one more key for a project.
///
/// # Errors
/// `Conflict` when the label is none, or when the project has too many keys. When the project does not exist.
pub async fn create(pool: &PgPool, new: NewKey<'_>) -> Result<Key, StoreError> {
    let mut tx = pool.begin().await?;
    let key = insert_bounded(&mut tx, NewKey { label: check_label(new.label)?, ..new }).await?;
    audit::note(&mut tx, Note::new(Kind::Key, "made", &key.label).of(Some(key.project_id))).await?;
    tx.commit().await?;
    Ok(key)
}

async fn insert_bounded(tx: &mut PgConnection, new: NewKey<'_>) -> Result<Key, StoreError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from project_keys where project_id = $1"#,
        new.project_id.get(),
    );
    if count.fetch_one(&mut *tx).await? >= KEYS_MAX {
        return Err(StoreError::Conflict(format!("a project has at most {KEYS_MAX} keys: delete some first")));
    }
    insert(tx, new).await
}

/// A key inside a transaction of the caller.
pub(crate) async fn insert(connection: &mut PgConnection, new: NewKey<'_>) -> Result<Key, StoreError> {
    let key = sqlx::query_as!(
        Key,
        r#"
        insert into project_keys (project_id, public_key, label, created_at)
        values ($1, $2, $3, $4)
        returning
            id, project_id, public_key, label, disabled_at, created_at
        "#,
        new.project_id.get(),
        new.public_key,
        new.label,
        new.now,
    )
    .fetch_one(&mut *connection)
    .await?;
    notify(connection).await?;
    Ok(key)
}

pub(crate) async fn notify(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("select pg_notify($1, '')", CHANGED_CHANNEL).fetch_one(connection).await?;
    Ok(())
}

/// A key to find: by its public part, and only in this project where one is given.
#[derive(Debug, Clone, Copy)]
pub struct Which<'a> {
    /// The user part of the DSN.
    pub public_key: &'a str,
    /// The project that it has to be of.
    pub project_id: Option<ProjectId>,
}

/// What to change of a key; `None` stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// For people.
    pub label: Option<&'a str>,
    /// From when on it is refused; `Some(None)` takes it again.
    pub disabled_at: Option<Option<OffsetDateTime>>,
}

/// Changes a key. `None` when there is no such key.
///
/// # Errors
/// `Conflict` when the label is none.
pub async fn update(pool: &PgPool, which: Which<'_>, change: Change<'_>) -> Result<Option<Key>, StoreError> {
    let label = change.label.map(check_label).transpose()?;
    let mut tx = pool.begin().await?;
    let Some(before) = lock(&mut tx, which).await? else { return Ok(None) };
    let disabled_at = change.disabled_at.unwrap_or(before.disabled_at);
    let key = set(&mut tx, &before, label.unwrap_or(&before.label), disabled_at).await?;
    if key != before {
        let what = match (before.disabled_at, key.disabled_at) {
            (before, after) if before == after => "renamed",
            (_, Some(_)) => "switched off",
            (_, None) => "switched on",
        };
        let note = Note::new(Kind::Key, what, &key.label).of(Some(key.project_id));
        audit::note(&mut tx, note.turned("label", before.label.as_str(), key.label.as_str())).await?;
    }
    tx.commit().await?;
    Ok(Some(key))
}

/// Makes a key in the place of another one, which is refused from `until` on: applications have that long to take the new
/// one. Returns both, the new one first; `None` when there is no such key.
///
/// # Errors
/// `Conflict` when the project has too many.
pub async fn rotate(
    pool: &PgPool,
    which: Which<'_>,
    public_key: &str,
    until: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Option<(Key, Key)>, StoreError> {
    let mut tx = pool.begin().await?;
    let Some(old) = lock(&mut tx, which).await? else { return Ok(None) };
    let new = NewKey { project_id: old.project_id, public_key, label: &old.label, now };
    let new = insert_bounded(&mut tx, new).await?;
    sqlx::query!(
        "insert into limits (project_id, key_id, counts, window_s, most)
        select project_id, $2, counts, window_s, most from limits where key_id = $1",
        old.id.get(),
        new.id.get(),
    )
    .execute(&mut *tx)
    .await?;
    // One that ends earlier anyway is not given more time.
    let until = old.disabled_at.map_or(until, |at| at.min(until));
    let old = set(&mut tx, &old, &old.label, Some(until)).await?;
    let note = Note::new(Kind::Key, "replaced", &old.label).of(Some(old.project_id));
    audit::note(&mut tx, note.with("old one refused from", until.to_string())).await?;
    tx.commit().await?;
    Ok(Some((new, old)))
}

/// Deletes a key for good: whoever still sends with it is refused. False when there is no such key.
///
/// # Errors
/// When the database cannot answer.
pub async fn delete(pool: &PgPool, which: Which<'_>) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let Some(key) = lock(&mut tx, which).await? else { return Ok(false) };
    sqlx::query!("delete from project_keys where id = $1", key.id.get()).execute(&mut *tx).await?;
    notify(&mut tx).await?;
    audit::note(&mut tx, Note::new(Kind::Key, "deleted", &key.label).of(Some(key.project_id))).await?;
    tx.commit().await?;
    Ok(true)
}

async fn lock(tx: &mut PgConnection, which: Which<'_>) -> Result<Option<Key>, StoreError> {
    if !can_be_key(which.public_key) {
        return Ok(None);
    }
    Ok(sqlx::query_as!(
        Key,
        r#"
        select id, project_id, public_key, label, disabled_at, created_at
        from project_keys
        where public_key = $1 and ($2::bigint is null or project_id = $2)
        for update
        "#,
        which.public_key,
        which.project_id.map(ProjectId::get),
    )
    .fetch_optional(tx)
    .await?)
}

async fn set(
    tx: &mut PgConnection,
    key: &Key,
    label: &str,
    disabled_at: Option<OffsetDateTime>,
) -> Result<Key, StoreError> {
    let changed = sqlx::query_as!(
        Key,
        r#"
        update project_keys
        set label = $2, disabled_at = $3
        where id = $1
        returning id, project_id, public_key, label, disabled_at, created_at
        "#,
        key.id.get(),
        label,
        disabled_at,
    )
    .fetch_one(&mut *tx)
    .await?;
    notify(tx).await?;
    Ok(changed)
}

/// Texts from paths and forms may hold what PostgreSQL has no text for.
fn can_be_key(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn check_label(label: &str) -> Result<&str, StoreError> {
    let label = label.trim();
    if label.is_empty() || label.chars().count() > LABEL_CHARS_MAX || label.contains('\0') {
        return Err(StoreError::Conflict(format!("a key's label has 1 to {LABEL_CHARS_MAX} characters")));
    }
    Ok(label)
}

/// How much a key is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// The key.
    pub key_id: KeyId,
    /// Events that were taken: since midnight UTC where it is read, to be added where it is written.
    pub events: i64,
    /// The newest request.
    pub last_at: OffsetDateTime,
}

/// How much the keys of a project are used; nothing of those that never were, or not within 90 days.
///
/// # Errors
/// When the database cannot answer.
pub async fn uses(pool: &PgPool, project_id: ProjectId, today: Date) -> Result<Vec<Use>, StoreError> {
    Ok(sqlx::query_as!(
        Use,
        r#"
        select u.key_id, coalesce(sum(u.events) filter (where u.day = $2), 0)::bigint as "events!",
            max(u.last_at) as "last_at!"
        from project_keys k
        join key_uses u on u.key_id = k.id
        where k.project_id = $1
        group by u.key_id
        "#,
        project_id.get(),
        today,
    )
    .fetch_all(pool)
    .await?)
}

/// Adds to how much keys are used. A key that was deleted meanwhile is left out.
///
/// # Errors
/// When the database cannot answer.
pub async fn count_uses(pool: &PgPool, uses: &[Use]) -> Result<(), StoreError> {
    let mut uses = uses.to_vec();
    // The order in which every process locks them.
    uses.sort_by_key(|used| used.key_id);
    sqlx::query!(
        "insert into key_uses as u (key_id, day, events, last_at)
        select n.key_id, (n.last_at at time zone 'UTC')::date, n.events, n.last_at
        from unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) as n (key_id, events, last_at)
        join project_keys k on k.id = n.key_id
        order by n.key_id
        on conflict (key_id, day) do update
        set events = u.events + excluded.events, last_at = greatest(u.last_at, excluded.last_at)",
        &uses.iter().map(|used| used.key_id.get()).collect::<Vec<_>>(),
        &uses.iter().map(|used| used.events).collect::<Vec<_>>(),
        &uses.iter().map(|used| used.last_at).collect::<Vec<_>>(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The key with this public part, disabled or not.
///
/// # Errors
/// When the database cannot answer.
pub async fn by_public_key(pool: &PgPool, public_key: &str) -> Result<Option<Key>, StoreError> {
    if !can_be_key(public_key) {
        return Ok(None);
    }
    Ok(sqlx::query_as!(
        Key,
        r#"
        select id, project_id, public_key, label, disabled_at, created_at
        from project_keys
        where public_key = $1
        "#,
        public_key,
    )
    .fetch_optional(pool)
    .await?)
}

/// The keys of one project, oldest first.
///
/// # Errors
/// When the database cannot answer.
pub async fn of_project(pool: &PgPool, project_id: ProjectId) -> Result<Vec<Key>, StoreError> {
    Ok(sqlx::query_as!(
        Key,
        r#"
        select id, project_id, public_key, label, disabled_at, created_at
        from project_keys
        where project_id = $1
        order by id
        "#,
        project_id.get(),
    )
    .fetch_all(pool)
    .await?)
}

/// The oldest enabled key of each of these projects that has one.
///
/// # Errors
/// When the database cannot answer.
pub async fn first_enabled(pool: &PgPool, projects: &[ProjectId]) -> Result<Vec<Key>, StoreError> {
    let ids: Vec<i64> = projects.iter().map(|project| project.get()).collect();
    Ok(sqlx::query_as!(
        Key,
        r#"
        select distinct on (project_id) id, project_id, public_key, label, disabled_at, created_at
        from project_keys
        where project_id = any($1) and disabled_at is null
        order by project_id, id
        "#,
        &ids,
    )
    .fetch_all(pool)
    .await?)
}

/// At most `limit` keys of the whole instance in the order of their ids, beginning after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(pool: &PgPool, after: Option<KeyId>, limit: i64) -> Result<Vec<Key>, StoreError> {
    Ok(sqlx::query_as!(
        Key,
        r#"
        select id, project_id, public_key, label, disabled_at, created_at
        from project_keys
        where id > $1
        order by id
        limit $2
        "#,
        after.map_or(0, KeyId::get),
        limit,
    )
    .fetch_all(pool)
    .await?)
}
