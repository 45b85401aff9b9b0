//! The table `users`.

use engine::access::{Email, Reach, Role};
use engine::ids::{IssueId, ProjectId, UserId};
use sqlx::{PgConnection, PgExecutor, PgPool};
use time::OffsetDateTime;

use super::steps;
use crate::audit::{self, Kind, Note};
use crate::{StoreError, lifecycle};

/// One person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Row.
    pub id: UserId,
    /// Address, as it was written; compared without regard to case.
    pub email: String,
    /// Name for people; may be empty.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Argon2id in PHC form; `None` until they have chosen one.
    pub password_hash: Option<String>,
    /// Set while they must not sign in.
    pub disabled_at: Option<OffsetDateTime>,
    /// When they were added.
    pub created_at: OffsetDateTime,
}

impl User {
    /// What people call them: the name, or the address where they gave none.
    #[must_use]
    pub fn shown(&self) -> &str {
        if self.name.is_empty() { &self.email } else { &self.name }
    }
}

/// A person to add.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// Address.
    pub email: &'a Email,
    /// Name for people; may be empty.
    pub name: &'a str,
    /// What they may do.
    pub role: Role,
    /// Argon2id in PHC form.
    pub password_hash: Option<&'a str>,
    /// The time.
    pub now: OffsetDateTime,
}

/// A row as the database gives it, before the role is read.
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) email: String,
    pub(super) name: String,
    pub(super) role: String,
    pub(super) password_hash: Option<String>,
    pub(super) disabled_at: Option<OffsetDateTime>,
    pub(super) created_at: OffsetDateTime,
}

impl TryFrom<Row> for User {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let role = row.role.parse().map_err(|_| StoreError::Corrupt {
            table: "users",
            column: "role",
            row: row.id.to_string(),
            found: row.role.chars().take(40).collect(),
        })?;
        Ok(Self {
            id: UserId(row.id),
            email: row.email,
            name: row.name,
            role,
            password_hash: row.password_hash,
            disabled_at: row.disabled_at,
            created_at: row.created_at,
        })
    }
}

/// Adds a person. The first-run link dies with the first of them.
///
/// # Errors
/// `Conflict` when somebody has this address already.
pub async fn create(pool: &PgPool, new: NewUser<'_>) -> Result<User, StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query!("delete from setup_link").execute(&mut *tx).await?;
    let user = insert(&mut tx, new).await?;
    tx.commit().await?;
    Ok(user)
}

pub(super) async fn insert(connection: &mut PgConnection, new: NewUser<'_>) -> Result<User, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"
        insert into users (email, name, role, password_hash, created_at)
        values ($1, $2, $3, $4, $5)
        returning id, email, name, role, password_hash, disabled_at, created_at
        "#,
        new.email.as_str(),
        new.name,
        new.role.as_str(),
        new.password_hash,
        new.now,
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(|error| match error.as_database_error().and_then(|error| error.constraint()) {
        Some("users_email_key") => {
            StoreError::Conflict(format!("somebody with the address {} exists already", new.email.as_str()))
        }
        _ => error.into(),
    })?;
    audit::note(connection, Note::new(Kind::Person, "added", &row.email).with("role", row.role.as_str())).await?;
    row.try_into()
}

/// The person with this address, whatever its case, disabled or not.
///
/// # Errors
/// When the database cannot answer.
pub async fn by_email(pool: &PgPool, email: &str) -> Result<Option<User>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"
        select id, email, name, role, password_hash, disabled_at, created_at
        from users
        where lower(email) = lower($1)
        "#,
        email,
    )
    .fetch_optional(pool)
    .await?
    .map(TryInto::try_into)
    .transpose()
}

/// The person who can sign in and has their mails sent to this address; of several the first.
///
/// # Errors
/// When the database cannot answer.
pub async fn by_mail_address(pool: &PgPool, address: &str) -> Result<Option<User>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"
        select u.id, u.email, u.name, u.role, u.password_hash, u.disabled_at, u.created_at
        from mail_settings s
        join users u on u.id = s.user_id
        where lower(s.address) = lower($1) and u.disabled_at is null
        order by u.id
        limit 1
        "#,
        address,
    )
    .fetch_optional(pool)
    .await?
    .map(TryInto::try_into)
    .transpose()
}

/// The person with this id, disabled or not.
///
/// # Errors
/// When the database cannot answer.
pub async fn by_id(executor: impl PgExecutor<'_>, id: UserId) -> Result<Option<User>, StoreError> {
    sqlx::query_as!(
        Row,
        "select id, email, name, role, password_hash, disabled_at, created_at from users where id = $1",
        id.get(),
    )
    .fetch_optional(executor)
    .await?
    .map(TryInto::try_into)
    .transpose()
}

/// The person with this id, who is neither removed nor changed before the transaction ends.
pub(crate) async fn hold(tx: &mut PgConnection, id: UserId) -> Result<Option<User>, StoreError> {
    sqlx::query_as!(
        Row,
        "select id, email, name, role, password_hash, disabled_at, created_at from users where id = $1 for share",
        id.get(),
    )
    .fetch_optional(tx)
    .await?
    .map(TryInto::try_into)
    .transpose()
}

/// Those who can have issues of some of these projects, by name, at most `limit`: who can sign in and may change issues.
///
/// # Errors
/// When the database cannot answer.
pub async fn assignable(executor: impl PgExecutor<'_>, reach: &Reach, limit: i64) -> Result<Vec<User>, StoreError> {
    let projects = reach.ids();
    sqlx::query_as!(
        Row,
        r#"
        select id, email, name, role, password_hash, disabled_at, created_at
        from users
        where disabled_at is null
            and (role in ('owner', 'admin', 'member') or exists (
                select 1
                from project_grants g
                where g.user_id = users.id
                    and g.role in ('admin', 'member')
                    and ($2::bigint[] is null or g.project_id = any($2))
            ))
        order by lower(coalesce(nullif(name, ''), email)), id
        limit $1
        "#,
        limit,
        projects.as_deref(),
    )
    .fetch_all(executor)
    .await?
    .into_iter()
    .map(TryInto::try_into)
    .collect()
}

/// The only person who can sign in and is called so, whatever the case; `None` when nobody is, or several are.
///
/// # Errors
/// When the database cannot answer.
pub async fn by_name(pool: &PgPool, name: &str) -> Result<Option<User>, StoreError> {
    let mut found = sqlx::query_as!(
        Row,
        r#"
        select id, email, name, role, password_hash, disabled_at, created_at
        from users
        where lower(name) = lower($1) and disabled_at is null
        limit 2
        "#,
        name,
    )
    .fetch_all(pool)
    .await?;
    let only = if found.len() == 1 { found.pop() } else { None };
    only.map(TryInto::try_into).transpose()
}

/// Removes a person for good: their issues are given back, each with a sentence, and their sessions, views and wishes go
/// with them. What they did stays in the history, without their name. Returns the issues that they had.
///
/// # Errors
/// `Conflict` for the last of those who hold the instance, see `Keepers`; else when the database cannot answer.
pub async fn remove(
    pool: &PgPool,
    id: UserId,
    now: OffsetDateTime,
) -> Result<Option<Vec<(ProjectId, IssueId)>>, StoreError> {
    let mut tx = pool.begin().await?;
    Keepers::hold(&mut tx).await?.spare(id)?;
    // From here on they get no issue any more.
    let disabled =
        sqlx::query!("update users set disabled_at = coalesce(disabled_at, $2) where id = $1", id.get(), now);
    if disabled.execute(&mut *tx).await?.rows_affected() == 0 {
        return Ok(None);
    }
    tx.commit().await?;
    let issues = lifecycle::give_back(pool, id, now).await?;
    let mut tx = pool.begin().await?;
    note(&mut tx, id, "removed").await?;
    sqlx::query!("delete from users where id = $1", id.get()).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(Some(issues))
}

/// Changes what somebody is on the instance; returns what they were, or `None` when they are gone.
///
/// # Errors
/// `Conflict` for the last of those who hold the instance, see `Keepers`; else when the database cannot answer.
pub async fn set_role(tx: &mut PgConnection, id: UserId, role: Role) -> Result<Option<Role>, StoreError> {
    let keepers = Keepers::hold(tx).await?;
    if role != Role::Owner && !(role == Role::Admin && keepers.owners.is_empty()) {
        keepers.spare(id)?;
    }
    let before = sqlx::query!(
        "update users u set role = $2 from users old where u.id = $1 and old.id = u.id returning old.role, old.email",
        id.get(),
        role.as_str(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(before) = before else { return Ok(None) };
    let note = Note::new(Kind::Person, "changed", &before.email);
    audit::note(tx, note.turned("role", before.role.as_str(), role.as_str())).await?;
    Ok(before.role.parse().ok())
}

/// Lets somebody in again, or no more; then their sessions end. False when nothing changed.
///
/// # Errors
/// `Conflict` for the last of those who hold the instance, see `Keepers`; else when the database cannot answer.
pub async fn set_disabled(
    tx: &mut PgConnection,
    id: UserId,
    disabled_at: Option<OffsetDateTime>,
) -> Result<bool, StoreError> {
    if disabled_at.is_some() {
        Keepers::hold(tx).await?.spare(id)?;
        sqlx::query!("delete from sessions where user_id = $1", id.get()).execute(&mut *tx).await?;
    }
    let done = sqlx::query!(
        "update users set disabled_at = $2 where id = $1 and (disabled_at is null) = ($2::timestamptz is not null)",
        id.get(),
        disabled_at,
    );
    let is_done = done.execute(&mut *tx).await?.rows_affected() == 1;
    if is_done {
        note(tx, id, if disabled_at.is_some() { "kept out" } else { "let in again" }).await?;
    }
    Ok(is_done)
}

/// Writes down what was done to somebody.
pub(super) async fn note(tx: &mut PgConnection, id: UserId, what: &str) -> Result<(), StoreError> {
    let email = sqlx::query_scalar!("select email from users where id = $1", id.get()).fetch_optional(&mut *tx).await?;
    match email {
        Some(email) => audit::note(tx, Note::new(Kind::Person, what, &email)).await,
        None => Ok(()),
    }
}

/// Those without whom nobody could change anything: the owners who can sign in, or the administrators while there is no
/// owner. Held until the end of the transaction: of two who remove each other the second waits, and finds itself the last.
struct Keepers {
    owners: Vec<i64>,
    admins: Vec<i64>,
}

impl Keepers {
    async fn hold(tx: &mut PgConnection) -> Result<Self, StoreError> {
        let rows = sqlx::query!(
            "select id, role from users where role in ('owner', 'admin') and disabled_at is null order by id for update"
        )
        .fetch_all(tx)
        .await?;
        let of = |role| rows.iter().filter(|row| row.role == role).map(|row| row.id).collect();
        Ok(Self { owners: of("owner"), admins: of("admin") })
    }

    /// Refuses to lose the last one.
    fn spare(&self, id: UserId) -> Result<(), StoreError> {
        let why = match (self.owners.as_slice(), self.admins.as_slice()) {
            ([only], _) if *only == id.get() => "This is the only owner. Make somebody else one first.",
            ([], [only]) if *only == id.get() => "This is the only administrator. Make somebody else one first.",
            _ => return Ok(()),
        };
        Err(StoreError::Conflict(why.to_owned()))
    }
}

/// At most `limit` people in the order of their ids, beginning after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(pool: &PgPool, after: Option<UserId>, limit: i64) -> Result<Vec<User>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"
        select id, email, name, role, password_hash, disabled_at, created_at
        from users
        where id > $1
        order by id
        limit $2
        "#,
        after.map_or(0, UserId::get),
        limit,
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(TryInto::try_into)
    .collect()
}

/// Replaces the password. False when there is no such person.
///
/// # Errors
/// When the database cannot answer.
pub async fn set_password(pool: &PgPool, id: UserId, password_hash: &str) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let done = sqlx::query!("update users set password_hash = $2 where id = $1", id.get(), password_hash)
        .execute(&mut *tx)
        .await?;
    if done.rows_affected() == 1 {
        steps::forget(&mut tx, id).await?;
        note(&mut tx, id, "given a new password").await?;
    }
    tx.commit().await?;
    Ok(done.rows_affected() == 1)
}

/// True while there is nobody: the instance waits for its first administrator.
///
/// # Errors
/// When the database cannot answer.
pub async fn none_exist(pool: &PgPool) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(r#"select not exists (select 1 from users) as "none!""#).fetch_one(pool).await?)
}
