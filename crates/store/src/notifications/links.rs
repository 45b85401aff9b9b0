//! Links in mails: the key that signs them, what a use of one does, and who may use it.

use engine::access::ProjectRole;
use engine::alert::link::Key;
use engine::ids::{IssueId, ProjectId, UserId};
use engine::issue::Signal;
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::StoreError;
use crate::lifecycle::{self, By};
use crate::people::memberships;
use crate::people::users::{self, User};

/// The key of this instance; `fresh` becomes it where there is none yet. Whichever process asks first, all have the same.
///
/// # Errors
/// When PostgreSQL fails or the row cannot be read.
pub async fn key(pool: &PgPool, fresh: &[u8; 32], now: OffsetDateTime) -> Result<Key, StoreError> {
    sqlx::query!(
        "insert into link_key (key, created_at) values ($1, $2) on conflict (only_row) do nothing",
        fresh.as_slice(),
        now,
    )
    .execute(pool)
    .await?;
    let stored = sqlx::query_scalar!("select key from link_key").fetch_one(pool).await?;
    stored.try_into().map(Key::new).map_err(|other: Vec<u8>| StoreError::Corrupt {
        table: "link_key",
        column: "key",
        row: "the only one".to_owned(),
        found: format!("{} bytes", other.len()),
    })
}

/// Who stands behind an address that was mailed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Somebody who can sign in and sees the project.
    Person(UserId, ProjectRole),
    /// Somebody whose account was disabled.
    Disabled,
    /// No person has the address, but a destination that serves the project names it: a list, or a colleague
    /// without an account.
    Named,
    /// Neither (any more), or somebody who does not see the project.
    Nobody,
}

/// Who stands behind `address` for mails of a project, as it is now and not as it was when the mail was sent.
///
/// # Errors
/// When PostgreSQL fails or a role cannot be read.
pub async fn holder(pool: &PgPool, project_id: ProjectId, address: &str) -> Result<Holder, StoreError> {
    if let Some(user) = user(pool, address).await? {
        let Some(grants) = memberships::of_user(pool, user.id).await? else { return Ok(Holder::Disabled) };
        return Ok(grants.in_project(project_id).map_or(Holder::Nobody, |role| Holder::Person(user.id, role)));
    }
    let is_named = sqlx::query_scalar!(
        r#"select exists (
             select 1
             from destinations d
             cross join lateral jsonb_array_elements_text(coalesce(d.config -> 'to', '[]')) a (address)
             where d.kind = 'mail'
                 and d.disabled_at is null
                 and (d.project_id is null or d.project_id = $1)
                 and lower(a.address) = lower($2)
         ) as "named!""#,
        project_id.get(),
        address,
    )
    .fetch_one(pool)
    .await?;
    Ok(if is_named { Holder::Named } else { Holder::Nobody })
}

/// Why a message that waited is told to an address no more, unless it still is: as it is now, and not as it was when the
/// message was made. Whom the destination names is told, whatever they may see by themselves.
///
/// # Errors
/// When PostgreSQL fails or a role cannot be read.
pub async fn lost(
    pool: &PgPool,
    project_id: ProjectId,
    to: &[String],
    address: &str,
) -> Result<Option<&'static str>, StoreError> {
    let user = user(pool, address).await?;
    let own = user.as_ref().map_or(address, |user| user.email.as_str());
    if to.iter().any(|named| [own, address].iter().any(|known| known.to_lowercase() == named.to_lowercase())) {
        return Ok(None);
    }
    let grants = match user {
        Some(user) => memberships::of_user(pool, user.id).await?,
        None => return Ok(Some("nobody has this address any more")),
    };
    Ok(match grants.map(|grants| grants.in_project(project_id)) {
        None => Some("the account with this address was disabled"),
        Some(None) => Some("whoever has this address does not see the project any more"),
        Some(Some(_)) => None,
    })
}

/// Whose address it is, or to whose other one mails go.
async fn user(pool: &PgPool, address: &str) -> Result<Option<User>, StoreError> {
    match users::by_email(pool, address).await? {
        None => users::by_mail_address(pool, address).await,
        user => Ok(user),
    }
}

/// When a link was used; `None` while it was not.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn used_at(pool: &PgPool, mark: &[u8; 16]) -> Result<Option<OffsetDateTime>, StoreError> {
    let used = sqlx::query_scalar!("select used_at from used_links where mark = $1", mark.as_slice());
    Ok(used.fetch_optional(pool).await?)
}

/// What a link does to an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Changes its state.
    Signal(Signal<'static>),
    /// Gives it to the person with the address.
    Take,
}

/// A use of a link that changes an issue.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// The link, see `Link::mark`.
    pub mark: &'a [u8; 16],
    /// When it ends.
    pub expires_at: OffsetDateTime,
    /// The issue, under the id that it has now.
    pub issue: (ProjectId, IssueId),
    /// What it does to it.
    pub deed: &'a Deed,
    /// The address that it was mailed to: the activity says so.
    pub address: &'a str,
    /// The person with that address, where there is one.
    pub user: Option<UserId>,
    /// The time.
    pub at: OffsetDateTime,
}

/// Lets a link act, once: false when it was used before, or when it would change nothing (then it stays good).
///
/// # Errors
/// When PostgreSQL fails; then nothing is changed.
pub async fn use_once(pool: &PgPool, used: Use<'_>) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    // Of two uses at once the second waits here for the first, and then finds its row.
    let is_first = sqlx::query!(
        "insert into used_links (mark, used_at, expires_at) values ($1, $2, $3) on conflict (mark) do nothing",
        used.mark.as_slice(),
        used.at,
        used.expires_at,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected()
        == 1;
    let by = By { user: used.user, at: used.at };
    let via = format!("By the link in the mail to {}.", used.address);
    if !is_first {
        tx.rollback().await?;
        return Ok(false);
    }
    let changed = match (used.deed, used.user) {
        (Deed::Signal(signal), _) => lifecycle::apply_via(&mut tx, &[used.issue], signal, by, &via).await?,
        (Deed::Take, Some(user)) => lifecycle::assign_in(&mut tx, &[used.issue], Some(user), by, &via).await?,
        (Deed::Take, None) => Vec::new(),
    };
    if changed.is_empty() {
        tx.rollback().await?;
        return Ok(false);
    }
    tx.commit().await?;
    Ok(true)
}

/// Forgets the uses of links that have ended, at most `limit`.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn prune_used(pool: &PgPool, now: OffsetDateTime, limit: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "delete from used_links where mark in (select mark from used_links where expires_at < $1 order by expires_at limit $2)",
        now,
        limit,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
