//! The audit log: who changed what, by which way, and from where.
//!
//! A function that changes something writes its entry with `note`, in the transaction of the change: what is not written
//! down has not happened. Who does it is known at the edge alone (a page, a call, a command), many layers above, and is no
//! concern of anything in between; so the edge says it once with `as_author`, for all that happens inside, and what happens
//! outside of it the server does by itself. Secrets never come here: neither passwords, tokens, keys of destinations nor
//! what somebody typed who was not let in.
//!
//! To have one more change written down: call `note` in its transaction.

use std::future::Future;

use engine::ids::{ProjectId, UserId};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use crate::StoreError;

/// How long entries are kept: a year, as most rules of conduct ask.
pub const KEPT: Duration = Duration::days(365);
/// Entries that are kept at most, the newest: some gigabyte, and more than people do in a year.
const ROWS_MAX: i64 = 1_000_000;
/// Failed tries to sign in to one account from one address within this time are one entry.
const COALESCED: Duration = Duration::hours(1);
/// Longest text of an entry. Names are shorter; what is longer is cut.
const CHARS_MAX: usize = 300;

/// By which way something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The names say it.
pub enum Via {
    Page,
    Api,
    Cli,
    Link,
    Server,
}

impl Via {
    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Api => "api",
            Self::Cli => "cli",
            Self::Link => "link",
            Self::Server => "server",
        }
    }
}

/// Who does something.
#[derive(Debug, Clone)]
pub struct Author {
    /// By which way.
    pub via: Via,
    /// The person, where it is one.
    pub user: Option<UserId>,
    /// Their address, the name of a token, or of an account of the system.
    pub name: String,
    /// Where the request came from.
    pub address: Option<String>,
}

impl Author {
    fn server() -> Self {
        Self { via: Via::Server, user: None, name: "the server".to_owned(), address: None }
    }

    /// Who does what is done now.
    pub(crate) fn current() -> Self {
        AUTHOR.try_with(Clone::clone).unwrap_or_else(|_| Self::server())
    }
}

tokio::task_local! {
    static AUTHOR: Author;
}

/// Everything that `work` changes is done by `author`. Tasks that it spawns are not part of it.
pub async fn as_author<F: Future>(author: Author, work: F) -> F::Output {
    AUTHOR.scope(author, work).await
}

/// What something was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The words of `Kind::ALL` say it.
pub enum Kind {
    SignIn,
    Person,
    Member,
    Team,
    Token,
    Project,
    Key,
    Setting,
    Rule,
    Destination,
    Issue,
    Data,
}

impl Kind {
    /// Each with its stored name and its words.
    pub const ALL: [(Self, &'static str, &'static str); 12] = [
        (Self::SignIn, "sign-in", "Signing in"),
        (Self::Person, "person", "People"),
        (Self::Member, "member", "Members of projects"),
        (Self::Team, "team", "Teams"),
        (Self::Token, "token", "Tokens"),
        (Self::Project, "project", "Projects"),
        (Self::Key, "key", "Client keys"),
        (Self::Setting, "setting", "Settings of projects"),
        (Self::Rule, "rule", "Alert rules"),
        (Self::Destination, "destination", "Destinations"),
        (Self::Issue, "issue", "Issues deleted and shared"),
        (Self::Data, "data", "Data deleted and exported"),
    ];

    /// From its stored name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known, _)| *known == name).map(|(kind, ..)| kind)
    }

    /// The stored name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        // Every kind is in the table.
        Self::ALL.into_iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }
}

/// A change to write down.
#[derive(Debug, Clone)]
pub(crate) struct Note<'a> {
    kind: Kind,
    what: &'a str,
    subject: &'a str,
    project: Option<ProjectId>,
    details: Map<String, Value>,
}

impl<'a> Note<'a> {
    /// That something was done (`what`) to something (`subject`), in words.
    pub(crate) fn new(kind: Kind, what: &'a str, subject: &'a str) -> Self {
        Self { kind, what, subject, project: None, details: Map::new() }
    }

    /// In a project.
    pub(crate) fn of(mut self, project: Option<ProjectId>) -> Self {
        self.project = project;
        self
    }

    /// How something was before and is now; what did not change is left out.
    pub(crate) fn turned<T: Into<Value> + PartialEq>(mut self, name: &str, before: T, after: T) -> Self {
        if before != after {
            self.details.insert(name.to_owned(), json!([before.into(), after.into()]));
        }
        self
    }

    /// How something is now.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// Writes a change down, in its transaction.
pub(crate) async fn note(tx: &mut PgConnection, note: Note<'_>) -> Result<(), StoreError> {
    let author = Author::current();
    // The clock of the database: an entry is of the moment of its transaction, whatever the change calls its time.
    sqlx::query!(
        "insert into audit_log (at, last_at, via, user_id, actor, address, kind, what, subject, project_id, project, details)
        select now(), now(), $1, (select id from users where id = $2), $3, $4, $5, $6, $7, p.id, p.slug, $9
        from (select $8::bigint as id) as wanted
        left join projects p on p.id = wanted.id",
        author.via.as_str(),
        author.user.map(UserId::get),
        short(&author.name),
        author.address.as_deref(),
        note.kind.as_str(),
        note.what,
        short(note.subject),
        note.project.map(ProjectId::get),
        Json(&note.details) as _,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What PostgreSQL has no text for is left out, and what is too long.
fn short(text: &str) -> String {
    text.chars().filter(|char| *char != '\0').take(CHARS_MAX).collect()
}

/// Writes down that somebody was not let in. Of an account that there is not, nothing is told: people type passwords into
/// the wrong field.
///
/// # Errors
/// When the database fails.
pub async fn refused(
    pool: &PgPool,
    user: Option<(UserId, &str)>,
    address: Option<&str>,
    why: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let subject = user.map_or("no such account", |(_, email)| email);
    // Two at once may make two entries: nothing depends on that.
    let known = sqlx::query!(
        "update audit_log
        set times = times + 1, last_at = $5
        where id = (
            select id
            from audit_log
            where kind = 'sign-in' and what = $1 and subject = $2 and address is not distinct from $3 and at > $4
            order by id desc
            limit 1
        )",
        why,
        short(subject),
        address,
        now - COALESCED,
        now,
    )
    .execute(pool)
    .await?;
    if known.rows_affected() > 0 {
        return Ok(());
    }
    sqlx::query!(
        "insert into audit_log (at, last_at, via, user_id, actor, address, kind, what, subject)
        values ($1, $1, 'page', null, 'somebody', $2, 'sign-in', $3, $4)",
        now,
        address,
        why,
        short(subject),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Row; it grows with time.
    pub id: i64,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// By which way.
    pub via: String,
    /// Who: their address then, or the name of a token.
    pub actor: String,
    /// The person, while they are here.
    pub user_id: Option<i64>,
    /// Where the request came from.
    pub address: Option<String>,
    /// What it was about.
    pub kind: String,
    /// What was done.
    pub what: String,
    /// To what.
    pub subject: String,
    /// Slug of the project, as it was then.
    pub project: Option<String>,
    /// `{"name": [before, after], …}`
    pub details: Value,
    /// How often, of tries that came in numbers.
    pub times: i32,
    /// The last of them.
    #[serde(with = "time::serde::rfc3339")]
    pub last_at: OffsetDateTime,
}

/// Which entries, the newest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// By whom, or about whom: a part of an address or name, in any case of letters.
    pub person: Option<&'a str>,
    /// In which project.
    pub project: Option<ProjectId>,
    /// About what.
    pub kind: Option<Kind>,
    /// From this moment on.
    pub from: Option<OffsetDateTime>,
    /// Before this moment.
    pub until: Option<OffsetDateTime>,
    /// Older than this one.
    pub before: Option<i64>,
}

/// At most `rows` entries.
///
/// # Errors
/// When the database fails.
pub async fn list(pool: &PgPool, filter: Filter<'_>, rows: i64) -> Result<Vec<Entry>, StoreError> {
    Ok(sqlx::query_as!(
        Entry,
        "select id, at, via, actor, user_id, address, kind, what, subject, project, details, times, last_at
        from audit_log
        where ($1::text is null or strpos(lower(actor), lower($1)) > 0 or strpos(lower(subject), lower($1)) > 0)
            and ($2::bigint is null or project_id = $2)
            and ($3::text is null or kind = $3)
            and ($4::timestamptz is null or last_at >= $4)
            and ($5::timestamptz is null or at < $5)
            and ($6::bigint is null or id < $6)
        order by id desc
        limit $7",
        filter.person,
        filter.project.map(ProjectId::get),
        filter.kind.map(Kind::as_str),
        filter.from,
        filter.until,
        filter.before,
        rows,
    )
    .fetch_all(pool)
    .await?)
}

/// Forgets what is older than `KEPT`, and more than `ROWS_MAX` entries, at most `limit` at a time.
pub(crate) async fn prune(pool: &PgPool, now: OffsetDateTime, limit: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "delete from audit_log a
        using (select id, last_at from audit_log order by id limit $2) as old
        where a.id = old.id and (old.last_at < $1 or old.id <= (select max(id) from audit_log) - $3)",
        now - KEPT,
        limit,
        ROWS_MAX,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
