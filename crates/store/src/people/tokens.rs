//! The table `api_tokens`: what scripts show to the web API.

use std::fmt;

use engine::access::{Reach, Scope};
use engine::ids::{ProjectId, TokenId, UserId};
use sqlx::PgPool;
use time::OffsetDateTime;

use super::SecretHash;
use crate::StoreError;
use crate::audit::{self, Author, Kind, Note};

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

    /// How it stands.
    #[must_use]
    pub fn state(&self, now: OffsetDateTime) -> State {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => State::Revoked,
            (None, Some(at)) if at <= now => State::Expired,
            (None, _) => State::Active,
        }
    }
}

/// A token to make. Who makes it is the author of the moment (`audit`).
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    /// What it is for: 1 to 100 characters.
    pub name: &'a str,
    /// SHA-256 of the secret.
    pub hash: &'a SecretHash,
    /// What of the secret people may see, to recognise it.
    pub hint: &'a str,
    /// The project to which it belongs, whose administrators take it back; without one, it is the instance's.
    pub home: Option<ProjectId>,
    /// What it may do.
    pub scopes: &'a [Scope],
    /// Where.
    pub reach: &'a Reach,
    /// The time.
    pub now: OffsetDateTime,
    /// When it stops working, if ever.
    pub expires_at: Option<OffsetDateTime>,
}

/// What became of who made a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It was no person's account: a command, or a server.
    NoAccount,
    /// They could make it again.
    May,
    /// They are here, and could not: they have another role now.
    MayNot,
    /// They cannot sign in.
    KeptOut,
    /// They were removed.
    Gone,
}

/// Who made a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// Their address then, or the account of the system.
    pub name: String,
    /// By which way: `page`, `cli`, ….
    pub via: String,
    /// What became of them.
    pub standing: Standing,
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.via == "cli" { " on the command line" } else { "" };
        let since = match self.standing {
            Standing::NoAccount | Standing::May => "",
            Standing::MayNot => ", who has another role now",
            Standing::KeptOut => ", who cannot sign in",
            Standing::Gone => ", who is no longer here",
        };
        write!(f, "{}{way}{since}", self.name)
    }
}

/// A token as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The token.
    pub token: ApiToken,
    /// What of its secret people may see; of tokens older than that, nothing.
    pub hint: Option<String>,
    /// Who made it, where that is known.
    pub maker: Option<Maker>,
    /// Slugs of the projects in which it works, at most `SLUGS_MAX`; none when it works in all.
    pub slugs: Vec<String>,
    /// Whether it is a project's own.
    pub home: Option<ProjectId>,
}

/// How a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The words say it.
pub enum State {
    Active,
    Expired,
    Revoked,
}

impl State {
    /// In one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Which tokens, the newest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Those that belong to a project.
    pub home: Option<ProjectId>,
    /// Those that somebody made.
    pub made_by: Option<UserId>,
    /// Those that work, or those that do not.
    pub is_active: Option<bool>,
    /// Older than this one.
    pub before: Option<TokenId>,
}

/// Projects that a list names of one token.
pub const SLUGS_MAX: i64 = 5;

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
    let author = Author::current();
    let token = sqlx::query_as!(
        Row,
        r#"
        with made as (
            insert into api_tokens (
                name, token_hash, scopes, created_at, expires_at, every_project, hint, home_id, made_via, made_by_name,
                made_by
            )
            values (
                $1, $2, $3, $4, $5, $6::bigint[] is null, $7, $8, $9, $10, (select id from users where id = $11)
            )
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
        new.hint,
        new.home.map(ProjectId::get),
        author.via.as_str(),
        author.name,
        author.user.map(UserId::get),
    )
    .fetch_one(&mut *tx)
    .await
    .map(ApiToken::from)
    .map_err(|error| match error.as_database_error().and_then(|error| error.constraint()) {
        Some("api_tokens_name_check") => StoreError::Conflict("a token's name has 1 to 100 characters".into()),
        Some("token_projects_project_id_fkey" | "api_tokens_home_id_fkey") => {
            StoreError::Conflict("one of the projects is gone".into())
        }
        _ => error.into(),
    })?;
    let only = token.reach.ids().filter(|ids| ids.len() == 1).and_then(|ids| ids.first().copied());
    let place = new.home.or(only.map(ProjectId));
    let note =
        Note::new(Kind::Token, "made", new.name).of(place).with("scopes", scopes.join(" ")).with("hint", new.hint);
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

/// At most `limit` tokens, the newest first, expired and revoked ones too.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(pool: &PgPool, filter: Filter, now: OffsetDateTime, limit: i64) -> Result<Vec<Listed>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select t.id, t.name, t.scopes, t.every_project, t.created_at, t.last_used_at, t.expires_at, t.revoked_at, t.hint,
            t.home_id, t.made_via, t.made_by_name, u.id as "user_id?", u.disabled_at,
            array(select project_id from token_projects where token_id = t.id order by 1) as "projects!",
            array(
                select p.slug
                from token_projects tp
                join projects p on p.id = tp.project_id
                where tp.token_id = t.id
                order by p.slug
                limit $6
            ) as "slugs!",
            coalesce(u.role in ('owner', 'admin'), false) or exists (
                select from project_grants g where g.user_id = u.id and g.project_id = t.home_id and g.role = 'admin'
            ) as "may_make!"
        from api_tokens t
        left join users u on u.id = t.made_by
        where ($1::bigint is null or t.home_id = $1)
            and ($2::bigint is null or t.made_by = $2)
            and ($3::boolean is null
                or $3 = (t.revoked_at is null and (t.expires_at is null or t.expires_at > $4)))
            and ($5::bigint is null or t.id < $5)
        order by t.id desc
        limit $7
        "#,
        filter.home.map(ProjectId::get),
        filter.made_by.map(UserId::get),
        filter.is_active,
        now,
        filter.before.map(TokenId::get),
        SLUGS_MAX,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let listed = rows.into_iter().map(|row| {
        let standing = match (row.made_via.as_deref(), row.user_id, row.disabled_at) {
            (Some("page"), None, _) => Standing::Gone,
            (_, None, _) => Standing::NoAccount,
            (_, Some(_), Some(_)) => Standing::KeptOut,
            _ if row.may_make => Standing::May,
            _ => Standing::MayNot,
        };
        let maker = row.made_via.zip(row.made_by_name).map(|(via, name)| Maker { name, via, standing });
        let token = Row {
            id: row.id,
            name: row.name,
            scopes: row.scopes,
            every_project: row.every_project,
            projects: row.projects,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        };
        Listed { token: token.into(), hint: row.hint, maker, slugs: row.slugs, home: row.home_id.map(ProjectId) }
    });
    Ok(listed.collect())
}

/// How many tokens that work each of these people made; who made none is left out.
///
/// # Errors
/// When the database cannot answer.
pub async fn count_by_maker(
    pool: &PgPool,
    people: &[UserId],
    now: OffsetDateTime,
) -> Result<Vec<(UserId, i64)>, StoreError> {
    let ids: Vec<i64> = people.iter().map(|id| id.get()).collect();
    let rows = sqlx::query!(
        r#"select made_by as "made_by!", count(*) as "tokens!"
        from api_tokens
        where made_by = any($1) and revoked_at is null and (expires_at is null or expires_at > $2)
        group by made_by"#,
        &ids,
        now,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (UserId(row.made_by), row.tokens)).collect())
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

/// Takes a token back, one of `home` only where that is said. False when there is no such token, or it was revoked before.
///
/// # Errors
/// When the database cannot answer.
pub async fn revoke(
    pool: &PgPool,
    id: TokenId,
    home: Option<ProjectId>,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let revoked = sqlx::query!(
        "update api_tokens
        set revoked_at = $2
        where id = $1 and revoked_at is null and ($3::bigint is null or home_id = $3)
        returning name, home_id",
        id.get(),
        now,
        home.map(ProjectId::get),
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(token) = &revoked {
        let note = Note::new(Kind::Token, "revoked", &token.name).of(token.home_id.map(ProjectId));
        audit::note(&mut tx, note).await?;
    }
    tx.commit().await?;
    Ok(revoked.is_some())
}

/// Whether there is such a token, of `home` where that is said.
///
/// # Errors
/// When the database cannot answer.
pub async fn exists(pool: &PgPool, id: TokenId, home: Option<ProjectId>) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select exists (
            select from api_tokens where id = $1 and ($2::bigint is null or home_id = $2)
        ) as "found!""#,
        id.get(),
        home.map(ProjectId::get),
    );
    Ok(found.fetch_one(pool).await?)
}
