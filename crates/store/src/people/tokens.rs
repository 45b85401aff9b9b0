//! The table `api_tokens`: what scripts show to the web API.

use engine::access::{Reach, Scope};
use engine::ids::{ProjectId, TokenId};
use sqlx::PgPool;
use time::OffsetDateTime;

use super::SecretHash;
use crate::StoreError;
use crate::audit::{self, Kind, Note};

/// One API token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Row.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Where.
    pub reach: Reach,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was last shown to us, to the minute.
    pub last_used_at: Option<OffsetDateTime>,
    /// When it stops working.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was taken back.
    pub revoked_at: Option<OffsetDateTime>,
}

impl ApiToken {
    /// True when the token may do what `needed` asks for.
    #[must_use]
    pub fn allows(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.implies(needed))
    }
}

/// A token to make.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    /// What it is for: 1 to 100 characters.
    pub name: &'a str,
    /// SHA-256 of the secret.
    pub hash: &'a SecretHash,
    /// What it may do.
    pub scopes: &'a [Scope],
    /// Where.
    pub reach: &'a Reach,
    /// The time.
    pub now: OffsetDateTime,
    /// When it stops working, if ever.
    pub expires_at: Option<OffsetDateTime>,
}

struct Row {
    id: i64,
    name: String,
    scopes: Vec<String>,
    every_project: bool,
    projects: Vec<i64>,
    created_at: OffsetDateTime,
    last_used_at: Option<OffsetDateTime>,
    expires_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
}

impl From<Row> for ApiToken {
    fn from(row: Row) -> Self {
        Self {
            id: TokenId(row.id),
            name: row.name,
            // A scope of a newer version grants nothing here; the ones that we know still work.
            scopes: row.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
            reach: match row.every_project {
                true => Reach::All,
                false => Reach::Projects(row.projects.into_iter().map(ProjectId).collect()),
            },
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}

/// Makes a token.
///
/// # Errors
/// `Conflict` when the name is empty or too long.
pub async fn create(pool: &PgPool, new: NewToken<'_>) -> Result<ApiToken, StoreError> {
    let projects = new.reach.ids();
    let mut tx = pool.begin().await?;
    let scopes: Vec<String> = new.scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    let token = sqlx::query_as!(
        Row,
        r#"
        with made as (
            insert into api_tokens (name, token_hash, scopes, created_at, expires_at, every_project)
            values ($1, $2, $3, $4, $5, $6::bigint[] is null)
            returning *
        ),
        placed as (
            insert into token_projects (token_id, project_id)
            select made.id, p.id
            from made
            cross join unnest($6) as p (id)
            returning project_id
        )
        select id, name, scopes, every_project, array(select project_id from placed order by 1) as "projects!",
            created_at, last_used_at, expires_at, revoked_at
        from made
        "#,
        new.name,
        new.hash.as_slice(),
        &scopes,
        new.now,
        new.expires_at,
        projects.as_deref(),
    )
    .fetch_one(&mut *tx)
    .await
    .map(ApiToken::from)
    .map_err(|error| match error.as_database_error().and_then(|error| error.constraint()) {
        Some("api_tokens_name_check") => StoreError::Conflict("a token's name has 1 to 100 characters".into()),
        Some("token_projects_project_id_fkey") => StoreError::Conflict("one of the projects is gone".into()),
        _ => error.into(),
    })?;
    let only = token.reach.ids().filter(|ids| ids.len() == 1).and_then(|ids| ids.first().copied());
    let note = Note::new(Kind::Token, "made", new.name).of(only.map(ProjectId)).with("scopes", scopes.join(" "));
    audit::note(&mut tx, note).await?;
    tx.commit().await?;
    Ok(token)
}

/// The token with this secret, unless it has expired or was revoked.
///
/// # Errors
/// When the database cannot answer.
pub async fn find_active(
    pool: &PgPool,
    hash: &SecretHash,
    now: OffsetDateTime,
) -> Result<Option<ApiToken>, StoreError> {
    Ok(sqlx::query_as!(
        Row,
        r#"
        select id, name, scopes, every_project,
            array(select project_id from token_projects where token_id = api_tokens.id order by 1) as "projects!",
            created_at, last_used_at, expires_at, revoked_at
        from api_tokens
        where token_hash = $1 and revoked_at is null and (expires_at is null or expires_at > $2)
        "#,
        hash.as_slice(),
        now,
    )
    .fetch_optional(pool)
    .await?
    .map(ApiToken::from))
}

/// At most `limit` tokens in the order of their ids, beginning after `after`, revoked ones too.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(pool: &PgPool, after: Option<TokenId>, limit: i64) -> Result<Vec<ApiToken>, StoreError> {
    Ok(sqlx::query_as!(
        Row,
        r#"
        select id, name, scopes, every_project,
            array(select project_id from token_projects where token_id = api_tokens.id order by 1) as "projects!",
            created_at, last_used_at, expires_at, revoked_at
        from api_tokens
        where id > $1
        order by id
        limit $2
        "#,
        after.map_or(0, TokenId::get),
        limit,
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(ApiToken::from)
    .collect())
}

/// Notes that a token was used; writes at most once a minute per token.
///
/// # Errors
/// When the database cannot answer.
pub async fn touch(pool: &PgPool, id: TokenId, now: OffsetDateTime) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update api_tokens
        set last_used_at = $2
        where id = $1 and (last_used_at is null or last_used_at < $2::timestamptz - interval '1 minute')
        "#,
        id.get(),
        now,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes a token back. False when there is no such token, or it was revoked before.
///
/// # Errors
/// When the database cannot answer.
pub async fn revoke(pool: &PgPool, id: TokenId, now: OffsetDateTime) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let name = sqlx::query_scalar!(
        "update api_tokens set revoked_at = $2 where id = $1 and revoked_at is null returning name",
        id.get(),
        now
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(name) = &name {
        audit::note(&mut tx, Note::new(Kind::Token, "revoked", name)).await?;
    }
    tx.commit().await?;
    Ok(name.is_some())
}
