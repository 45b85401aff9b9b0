//! The table `entries`: invitations, and links that give an account a new password.
//!
//! Each works once and for a while. Where its secret goes by mail, the row is what owes that mail: `due` leases it to one
//! process, which makes the secret, has `arm` keep its hash, and says with `mailed` what became of the mail.

use engine::access::{Email, ProjectRole, Role};
use engine::ids::{ProjectId, UserId};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use super::users::{self, NewUser, User};
use super::{SecretHash, memberships, steps};
use crate::StoreError;
use crate::audit::{self, Note};

/// How long an invitation is good.
pub const INVITED: Duration = Duration::days(7);
/// How long a link to a new password is good.
pub const RESET: Duration = Duration::hours(2);
/// Open invitations that are listed.
pub const LIST_MAX: i64 = 200;
/// A new password can be asked for again after this long, so that nobody floods a mailbox.
const AGAIN_AFTER: Duration = Duration::minutes(10);
/// Mails that one process sends at a time.
const DUE_MAX: i64 = 10;

/// Whom to invite.
#[derive(Debug, Clone, Copy)]
pub struct Invite<'a> {
    /// Their address.
    pub email: &'a Email,
    /// What they are on the instance.
    pub role: Role,
    /// What they are in projects besides.
    pub projects: &'a [(ProjectId, ProjectRole)],
    /// Who invites.
    pub by: Option<UserId>,
    /// Of the secret, when it is shown at once; without it, it goes by mail.
    pub hash: Option<&'a SecretHash>,
    /// The time.
    pub now: OffsetDateTime,
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It makes an account.
    Invitation,
    /// It gives an account a new password.
    Reset,
}

/// An open invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Row.
    pub id: i64,
    /// Whom.
    pub email: String,
    /// What they will be on the instance.
    pub role: String,
    /// Since when.
    pub created_at: OffsetDateTime,
    /// Until when.
    pub expires_at: OffsetDateTime,
    /// Whether a mail with the link is still to be sent.
    pub is_waiting: bool,
    /// Why that did not work the last time.
    pub mail_error: Option<String>,
}

/// Invites somebody; an older invitation of the same address ends.
///
/// # Errors
/// `Conflict` when somebody has the address already.
pub async fn invite(pool: &PgPool, new: Invite<'_>) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    let email = new.email.as_str();
    if users::by_email(pool, email).await?.is_some() {
        return Err(StoreError::Conflict(format!("somebody with the address {email} is here already")));
    }
    sqlx::query!("delete from entries where kind = 'invitation' and lower(email) = lower($1)", email)
        .execute(&mut *tx)
        .await?;
    let id = sqlx::query_scalar!(
        "insert into entries (kind, email, role, token_hash, invited_by, created_at, expires_at, mail_at)
        values ('invitation', $1, $2, $3, $4, $5, $6, case when $3::bytea is null then $5::timestamptz end)
        returning id",
        email,
        new.role.as_str(),
        new.hash.map(<[u8; 32]>::as_slice),
        new.by.map(UserId::get),
        new.now,
        new.now + INVITED
    )
    .fetch_one(&mut *tx)
    .await?;
    let (projects, roles): (Vec<i64>, Vec<&str>) =
        new.projects.iter().map(|(project, role)| (project.get(), role.as_str())).unzip();
    sqlx::query!(
        "insert into entry_projects (entry_id, project_id, role)
        select $1, p.id, n.role
        from unnest($2::bigint[], $3::text[]) as n (id, role)
        join projects p on p.id = n.id
        on conflict do nothing",
        id,
        &projects,
        &roles as &[&str]
    )
    .execute(&mut *tx)
    .await?;
    let note = Note::new(audit::Kind::Person, "invited", email).with("role", new.role.as_str());
    audit::note(&mut tx, note.with("projects", projects.len())).await?;
    tx.commit().await?;
    Ok(())
}

/// The open invitations, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn invitations(pool: &PgPool, now: OffsetDateTime) -> Result<Vec<Invitation>, StoreError> {
    Ok(sqlx::query_as!(
        Invitation,
        r#"select id, email, role as "role!", created_at, expires_at, mail_at is not null as "is_waiting!", mail_error
        from entries
        where kind = 'invitation' and expires_at > $1
        order by id desc
        limit $2"#,
        now,
        LIST_MAX
    )
    .fetch_all(pool)
    .await?)
}

/// Takes an invitation back; false when there is none (any more).
///
/// # Errors
/// When the database fails.
pub async fn revoke(pool: &PgPool, id: i64) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let email = sqlx::query_scalar!("delete from entries where id = $1 and kind = 'invitation' returning email", id)
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(email) = &email {
        audit::note(&mut tx, Note::new(audit::Kind::Person, "invited no more", email)).await?;
    }
    tx.commit().await?;
    Ok(email.is_some())
}

/// Has a link to a new password mailed to whoever has this address and may sign in. It takes as long whether there is
/// somebody or not, and says nothing.
///
/// # Errors
/// When the database fails.
pub async fn ask_reset(pool: &PgPool, email: &str, now: OffsetDateTime) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into entries as e (kind, email, user_id, created_at, expires_at, mail_at)
        select 'reset', u.email, u.id, $2, $3, $2
        from users u
        where lower(u.email) = lower($1) and u.disabled_at is null
        on conflict (kind, lower(email)) do update set
            user_id = excluded.user_id, token_hash = null, created_at = excluded.created_at,
            expires_at = excluded.expires_at, mail_at = excluded.mail_at, mail_attempts = 0, mail_error = null
        where e.created_at < $4",
        email,
        now,
        now + RESET,
        now - AGAIN_AFTER
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Makes a link to a new password that is shown at once, in place of any other.
///
/// # Errors
/// When the database fails.
pub async fn show_reset(pool: &PgPool, user: &User, hash: &SecretHash, now: OffsetDateTime) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query!(
        "insert into entries (kind, email, user_id, token_hash, created_at, expires_at)
        values ('reset', $1, $2, $3, $4, $5)
        on conflict (kind, lower(email)) do update set
            user_id = excluded.user_id, token_hash = excluded.token_hash, created_at = excluded.created_at,
            expires_at = excluded.expires_at, mail_at = null, mail_attempts = 0, mail_error = null",
        user.email,
        user.id.get(),
        hash.as_slice(),
        now,
        now + RESET
    )
    .execute(&mut *tx)
    .await?;
    users::note(&mut tx, user.id, "given a link to a new password").await?;
    tx.commit().await?;
    Ok(())
}

/// What a secret opens: what it is for, and for which address.
///
/// # Errors
/// When the database fails.
pub async fn find(pool: &PgPool, hash: &SecretHash, now: OffsetDateTime) -> Result<Option<(Kind, String)>, StoreError> {
    let row =
        sqlx::query!("select kind, email from entries where token_hash = $1 and expires_at > $2", hash.as_slice(), now)
            .fetch_optional(pool)
            .await?;
    Ok(row.map(|row| (if row.kind == "reset" { Kind::Reset } else { Kind::Invitation }, row.email)))
}

/// Uses an invitation up and makes the account; none when it is not good (any more).
///
/// # Errors
/// `Conflict` when somebody has the address meanwhile.
pub async fn join(
    pool: &PgPool,
    hash: &SecretHash,
    name: &str,
    password_hash: &str,
    now: OffsetDateTime,
) -> Result<Option<User>, StoreError> {
    let mut tx = pool.begin().await?;
    // Of two who use it at once the second waits here for the row, and then finds none.
    let entry = sqlx::query!(
        r#"select id, email, role as "role!" from entries
        where token_hash = $1 and kind = 'invitation' and expires_at > $2
        for update"#,
        hash.as_slice(),
        now
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(entry) = entry else { return Ok(None) };
    let corrupt = |column| StoreError::Corrupt {
        table: "entries",
        column,
        row: entry.id.to_string(),
        found: entry.email.chars().take(40).collect(),
    };
    let email: Email = entry.email.parse().map_err(|_| corrupt("email"))?;
    let role: Role = entry.role.parse().map_err(|_| corrupt("role"))?;
    let new = NewUser { email: &email, name, role, password_hash: Some(password_hash), now };
    let user = users::insert(&mut tx, new).await?;
    let given = sqlx::query!("select project_id, role from entry_projects where entry_id = $1", entry.id)
        .fetch_all(&mut *tx)
        .await?;
    for row in given {
        if let Ok(role) = row.role.parse() {
            memberships::set(&mut tx, ProjectId(row.project_id), user.id, role, now).await?;
        }
    }
    sqlx::query!("delete from entries where id = $1", entry.id).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(Some(user))
}

/// Uses a link up and gives its account a new password; whoever knew the old one is signed out. None when it is not good
/// (any more).
///
/// # Errors
/// When the database fails.
pub async fn reset(
    pool: &PgPool,
    hash: &SecretHash,
    password_hash: &str,
    now: OffsetDateTime,
) -> Result<Option<UserId>, StoreError> {
    let mut tx = pool.begin().await?;
    let user = sqlx::query_scalar!(
        r#"delete from entries where token_hash = $1 and kind = 'reset' and expires_at > $2 returning user_id as "id!""#,
        hash.as_slice(),
        now
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(id) = user else { return Ok(None) };
    sqlx::query!("update users set password_hash = $2 where id = $1", id, password_hash).execute(&mut *tx).await?;
    sqlx::query!("delete from sessions where user_id = $1", id).execute(&mut *tx).await?;
    steps::forget(&mut tx, UserId(id)).await?;
    users::note(&mut tx, UserId(id), "given a new password").await?;
    tx.commit().await?;
    Ok(Some(UserId(id)))
}

/// A mail to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Row.
    pub id: i64,
    /// What the link is for.
    pub kind: Kind,
    /// Whom to.
    pub email: String,
    /// Who invited them.
    pub by: Option<String>,
    /// Until when the link is good.
    pub expires_at: OffsetDateTime,
    /// Attempts, this one counted.
    pub attempt: i32,
}

/// Leases mails that are due. Whoever dies with one leaves it to the next after `lease`.
///
/// # Errors
/// When the database fails.
pub async fn due(pool: &PgPool, now: OffsetDateTime, lease: Duration) -> Result<Vec<Owed>, StoreError> {
    let rows = sqlx::query!(
        r#"update entries e
        set mail_at = $2, mail_attempts = e.mail_attempts + 1
        from (
            select id from entries where mail_at <= $1 order by mail_at limit $3 for update skip locked
        ) as d
        left join lateral (
            select coalesce(nullif(u.name, ''), u.email) as shown
            from entries i
            join users u on u.id = i.invited_by
            where i.id = d.id
        ) as b on true
        where e.id = d.id
        returning e.id, e.kind, e.email, b.shown as "by?", e.expires_at, e.mail_attempts"#,
        now,
        now + lease,
        DUE_MAX
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Owed {
            id: row.id,
            kind: if row.kind == "reset" { Kind::Reset } else { Kind::Invitation },
            email: row.email,
            by: row.by,
            expires_at: row.expires_at,
            attempt: row.mail_attempts,
        })
        .collect())
}

/// Keeps the hash of the secret that is about to be mailed; false when the row is gone.
///
/// # Errors
/// When the database fails.
pub async fn arm(pool: &PgPool, id: i64, hash: &SecretHash) -> Result<bool, StoreError> {
    let done = sqlx::query!("update entries set token_hash = $2 where id = $1", id, hash.as_slice());
    Ok(done.execute(pool).await?.rows_affected() == 1)
}

/// Writes down what became of a mail: it went, or why not and when it is tried again.
///
/// # Errors
/// When the database fails.
pub async fn mailed(
    pool: &PgPool,
    id: i64,
    next: Option<OffsetDateTime>,
    error: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query!("update entries set mail_at = $2, mail_error = $3 where id = $1", id, next, error)
        .execute(pool)
        .await?;
    Ok(())
}

/// Forgets what has ended.
pub(crate) async fn prune(pool: &PgPool, now: OffsetDateTime) -> Result<u64, StoreError> {
    Ok(sqlx::query!("delete from entries where expires_at < $1", now).execute(pool).await?.rows_affected())
}
