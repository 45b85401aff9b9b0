//! The table `identities`: who somebody is here that a provider of identities vouches for.
//!
//! A person is known by issuer and subject. By their address they are found once, when the provider knows that it is theirs.

use engine::access::{Email, Role};
use engine::ids::{TeamId, UserId};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::users::{self, NewUser, User};
use super::{sessions, teams};
use crate::StoreError;
use crate::audit::{self, Kind, Note};

/// Whom a provider vouches for.
#[derive(Debug, Clone, Copy)]
pub struct Vouched<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// Its name for them.
    pub subject: &'a str,
    /// Their address, where it says one.
    pub email: Option<&'a Email>,
    /// Whether it knows that the address is theirs.
    pub is_verified: bool,
    /// What they are called.
    pub name: &'a str,
    /// What they are on the instance from now on; `None` leaves it as it is.
    pub role: Option<Role>,
    /// Teams that the provider decides over, and whether they are in each.
    pub teams: &'a [(String, bool)],
    /// What somebody is whom nobody here knows; `None` keeps them out.
    pub newcomers: Option<Role>,
    /// The time.
    pub now: OffsetDateTime,
}

/// Who that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody who may come in.
    Known(User),
    /// Somebody who is kept out.
    KeptOut(User),
    /// Nobody by that address, and nobody is made.
    Unknown,
    /// The provider says no address, or does not know that it is theirs.
    NotVerified,
    /// Somebody has the address, and is another account of the provider.
    Taken(User),
}

/// Finds out who that is, and brings role and teams up to what the provider says.
///
/// # Errors
/// When the database fails; then nothing is changed.
pub async fn enter(pool: &PgPool, vouched: Vouched<'_>) -> Result<Outcome, StoreError> {
    let mut tx = pool.begin().await?;
    let known = sqlx::query_scalar!(
        "select user_id from identities where issuer = $1 and subject = $2",
        vouched.issuer,
        vouched.subject,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let user = match known {
        Some(id) => users::by_id(&mut *tx, UserId(id)).await?,
        None => match meet(&mut tx, vouched).await? {
            Ok(user) => Some(user),
            Err(refusal) => return Ok(refusal),
        },
    };
    let Some(user) = user else { return Ok(Outcome::Unknown) };
    if user.disabled_at.is_some() {
        return Ok(Outcome::KeptOut(user));
    }
    follow(&mut tx, &user, vouched).await?;
    // Last, as who removes somebody has their row first and this one after it.
    sqlx::query!(
        "update identities set last_used_at = $3 where issuer = $1 and subject = $2",
        vouched.issuer,
        vouched.subject,
        vouched.now,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Outcome::Known(user))
}

/// Finds by their address somebody who comes this way for the first time, or makes them.
async fn meet(tx: &mut PgConnection, vouched: Vouched<'_>) -> Result<Result<User, Outcome>, StoreError> {
    let Some(email) = vouched.email.filter(|_| vouched.is_verified) else { return Ok(Err(Outcome::NotVerified)) };
    let id = sqlx::query_scalar!("select id from users where lower(email) = lower($1)", email.as_str());
    let known = match id.fetch_optional(&mut *tx).await? {
        Some(id) => users::by_id(&mut *tx, UserId(id)).await?,
        None => None,
    };
    let user = match (known, vouched.newcomers) {
        (Some(user), _) => user,
        (None, None) => return Ok(Err(Outcome::Unknown)),
        // Whoever comes first has to be somebody who can let others in; else that is for the link of the first start.
        (None, Some(role)) if role != Role::Owner && is_empty(tx).await? => return Ok(Err(Outcome::Unknown)),
        (None, Some(role)) => {
            sqlx::query!("delete from setup_link").execute(&mut *tx).await?;
            let new = NewUser { email, name: vouched.name, role, password_hash: None, now: vouched.now };
            users::insert(tx, new).await?
        }
    };
    // Of two who come with one account at once, or with two accounts and one address, the second finds the row.
    let bound = sqlx::query!(
        "insert into identities (issuer, subject, user_id, created_at, last_used_at)
        values ($1, $2, $3, $4, $4)
        on conflict do nothing",
        vouched.issuer,
        vouched.subject,
        user.id.get(),
        vouched.now,
    );
    if bound.execute(&mut *tx).await?.rows_affected() == 0 {
        return Ok(Err(Outcome::Taken(user)));
    }
    audit::note(tx, Note::new(Kind::SignIn, "bound to an account of the provider", &user.email)).await?;
    Ok(Ok(user))
}

async fn is_empty(tx: &mut PgConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(r#"select not exists (select 1 from users) as "none!""#).fetch_one(tx).await?)
}

/// Roles and teams follow the provider. The last owner stays one: nobody could give that back.
async fn follow(tx: &mut PgConnection, user: &User, vouched: Vouched<'_>) -> Result<(), StoreError> {
    if let Some(role) = vouched.role.filter(|role| *role != user.role) {
        match users::set_role(tx, user.id, role).await {
            Err(StoreError::Conflict(why)) => tracing::warn!(user = %user.email, %role, %why, "a role stays as it is"),
            done => drop(done?),
        }
    }
    for (slug, is_in) in vouched.teams {
        let team = sqlx::query_scalar!("select id from teams where slug = $1", slug).fetch_optional(&mut *tx).await?;
        match team.map(TeamId) {
            Some(team) if *is_in => drop(teams::add(tx, team, user.id).await?),
            Some(team) => drop(teams::leave(tx, team, user.id).await?),
            None => tracing::warn!(team = %slug, "oidc_groups names a team that is not here"),
        }
    }
    Ok(())
}

/// Forgets which accounts of providers somebody is; how many there were.
///
/// # Errors
/// When the database fails.
pub async fn forget(pool: &PgPool, user: UserId) -> Result<u64, StoreError> {
    let mut tx = pool.begin().await?;
    let done = sqlx::query!("delete from identities where user_id = $1", user.get()).execute(&mut *tx).await?;
    if done.rows_affected() > 0 {
        sessions::note(&mut tx, user, "parted from the account of the provider").await?;
    }
    tx.commit().await?;
    Ok(done.rows_affected())
}
