//! The table `sessions`: who is signed in, on which browser.

use engine::access::Grants;
use engine::ids::UserId;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::SecretHash;
use super::memberships::{self, GRANTS_MAX};
use super::users::{Row, User};
use crate::StoreError;
use crate::audit::{self, Kind, Note};

/// One signed-in browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub user: User,
    /// What they may do.
    pub grants: Grants,
    /// When they signed in.
    pub created_at: OffsetDateTime,
    /// When the cookie stops working.
    pub expires_at: OffsetDateTime,
    /// They need a second factor first, and have none.
    pub must_set_up: bool,
}

/// Characters of what a browser calls itself.
const AGENT_CHARS_MAX: usize = 300;
/// Sessions of a person that are listed.
const LIST_MAX: i64 = 100;

/// By which way somebody signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// With a password, and with a second factor where there is one; or by a link that stands for a password.
    #[default]
    Password,
    /// With a passkey, which is both factors at once.
    Passkey,
    /// Through a provider of identities, which answers for as many factors as it asks for.
    Provider,
}

impl Way {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Passkey => "passkey",
            Self::Provider => "provider",
        }
    }
}

/// Where and how somebody signed in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// By which way.
    pub way: Way,
    /// The address of the request.
    pub address: Option<&'a str>,
    /// What the browser calls itself.
    pub agent: &'a str,
}

/// A session as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Tells it from the others.
    pub hash: Vec<u8>,
    /// When they signed in.
    pub created_at: OffsetDateTime,
    /// When it was used last, to the minute.
    pub last_used_at: OffsetDateTime,
    /// From where.
    pub address: Option<String>,
    /// With what.
    pub agent: String,
}

/// The sessions of a person, the last used first.
///
/// # Errors
/// When the database fails.
pub async fn of_user(pool: &PgPool, user: UserId, now: OffsetDateTime) -> Result<Vec<Listed>, StoreError> {
    Ok(sqlx::query_as!(
        Listed,
        "select token_hash as hash, created_at, last_used_at, address, agent
        from sessions
        where user_id = $1 and expires_at > $2
        order by last_used_at desc
        limit $3",
        user.get(),
        now,
        LIST_MAX
    )
    .fetch_all(pool)
    .await?)
}

/// Ends the sessions of a person but the one that they use; how many.
///
/// # Errors
/// When the database fails.
pub async fn delete_others(pool: &PgPool, user: UserId, kept: &SecretHash) -> Result<u64, StoreError> {
    let mut tx = pool.begin().await?;
    let ended =
        sqlx::query!("delete from sessions where user_id = $1 and token_hash <> $2", user.get(), kept.as_slice())
            .execute(&mut *tx)
            .await?;
    if ended.rows_affected() > 0 {
        note(&mut tx, user, "signed out elsewhere").await?;
    }
    tx.commit().await?;
    Ok(ended.rows_affected())
}

/// Ends one session of a person; false when they have none such.
///
/// # Errors
/// When the database fails.
pub async fn delete_own(pool: &PgPool, user: UserId, hash: &[u8]) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let ended = sqlx::query!("delete from sessions where user_id = $1 and token_hash = $2", user.get(), hash)
        .execute(&mut *tx)
        .await?;
    if ended.rows_affected() > 0 {
        note(&mut tx, user, "signed out elsewhere").await?;
    }
    tx.commit().await?;
    Ok(ended.rows_affected() == 1)
}

/// Remembers a sign-in.
///
/// # Errors
/// When the database cannot answer.
pub async fn create(
    pool: &PgPool,
    hash: &SecretHash,
    user_id: UserId,
    place: Place<'_>,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query!(
        r#"
        insert into sessions (token_hash, user_id, created_at, last_used_at, expires_at, address, agent, way)
        values ($1, $2, $3, $3, $4, $5, $6, $7)
        "#,
        hash.as_slice(),
        user_id.get(),
        now,
        expires_at,
        place.address,
        place.agent.chars().filter(|char| !char.is_control()).take(AGENT_CHARS_MAX).collect::<String>(),
        place.way.as_str(),
    )
    .execute(&mut *tx)
    .await?;
    let email = sqlx::query_scalar!("select email from users where id = $1", user_id.get()).fetch_one(&mut *tx).await?;
    audit::note(&mut tx, Note::new(Kind::SignIn, "signed in", &email).with("with", place.way.as_str())).await?;
    tx.commit().await?;
    Ok(())
}

/// The session of this cookie, unless it has expired or its user was disabled.
///
/// # Errors
/// When the database cannot answer.
pub async fn find(pool: &PgPool, hash: &SecretHash, now: OffsetDateTime) -> Result<Option<Session>, StoreError> {
    let row = sqlx::query!(
        r#"
        select
            users.id, users.email, users.name, users.role, users.password_hash, users.disabled_at,
            users.created_at, sessions.created_at as signed_in_at, sessions.expires_at,
            given.projects as "projects!", given.roles as "roles!",
            (
                sessions.way = 'password'
                and exists (select from sign_in_rules where second_factor_required)
                and not exists (select from authenticator_apps where user_id = users.id)
                and not exists (select from passkeys where user_id = users.id)
            ) as "must_set_up!"
        from sessions
        join users on users.id = sessions.user_id
        cross join lateral (
            select
                coalesce(array_agg(g.project_id order by g.project_id, g.role), '{}') as projects,
                coalesce(array_agg(g.role order by g.project_id, g.role), '{}') as roles
            from (select project_id, role from project_grants where user_id = users.id limit $3) as g
        ) as given
        where sessions.token_hash = $1 and sessions.expires_at > $2 and users.disabled_at is null
        "#,
        hash.as_slice(),
        now,
        GRANTS_MAX,
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (projects, roles) = (row.projects, row.roles);
    let user: User = Row {
        id: row.id,
        email: row.email,
        name: row.name,
        role: row.role,
        password_hash: row.password_hash,
        disabled_at: row.disabled_at,
        created_at: row.created_at,
    }
    .try_into()?;
    let grants = memberships::grants(user.role, &projects, &roles);
    let (created_at, expires_at) = (row.signed_in_at, row.expires_at);
    Ok(Some(Session { user, grants, created_at, expires_at, must_set_up: row.must_set_up }))
}

/// Gives a session another secret: whoever knew the old one before somebody could do more does not follow them there.
///
/// # Errors
/// When the database cannot answer.
pub async fn renew(pool: &PgPool, hash: &SecretHash, fresh: &SecretHash) -> Result<(), StoreError> {
    sqlx::query!("update sessions set token_hash = $2 where token_hash = $1", hash.as_slice(), fresh.as_slice())
        .execute(pool)
        .await?;
    Ok(())
}

/// Notes that a session was used and moves its end; writes at most once a minute per session.
///
/// # Errors
/// When the database cannot answer.
pub async fn touch(
    pool: &PgPool,
    hash: &SecretHash,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update sessions
        set last_used_at = $2, expires_at = $3
        where token_hash = $1 and last_used_at < $2::timestamptz - interval '1 minute'
        "#,
        hash.as_slice(),
        now,
        expires_at,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Signs one browser out; true when it came in through a provider of identities.
///
/// # Errors
/// When the database cannot answer.
pub async fn delete(pool: &PgPool, hash: &SecretHash) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let ended = sqlx::query!("delete from sessions where token_hash = $1 returning user_id, way", hash.as_slice());
    let ended = ended.fetch_optional(&mut *tx).await?;
    if let Some(session) = &ended {
        note(&mut tx, UserId(session.user_id), "signed out").await?;
    }
    tx.commit().await?;
    Ok(ended.is_some_and(|session| session.way == Way::Provider.as_str()))
}

/// Signs a person out everywhere; the number of sessions that ended.
///
/// # Errors
/// When the database cannot answer.
pub async fn delete_of_user(pool: &PgPool, user_id: UserId) -> Result<u64, StoreError> {
    let mut tx = pool.begin().await?;
    let ended = sqlx::query!("delete from sessions where user_id = $1", user_id.get()).execute(&mut *tx).await?;
    if ended.rows_affected() > 0 {
        note(&mut tx, user_id, "signed out everywhere").await?;
    }
    tx.commit().await?;
    Ok(ended.rows_affected())
}

pub(super) async fn note(tx: &mut PgConnection, id: UserId, what: &str) -> Result<(), StoreError> {
    let email = sqlx::query_scalar!("select email from users where id = $1", id.get()).fetch_one(&mut *tx).await?;
    audit::note(tx, Note::new(Kind::SignIn, what, &email)).await
}
