//! What people chose about their mails; `engine::alert::wishes` says what it means.
//!
//! Their choices hold for mails to the address that they sign in with, whichever destination names it. That somebody wants
//! nothing of a project is not here but in `mutes`, which the links of mails write and which hold for any address.

use std::collections::HashMap;

use engine::alert::Kind;
use engine::alert::quiet::{Quiet, Window};
use engine::alert::wishes::Wishes;
use engine::ids::{ProjectId, UserId};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use crate::StoreError;

/// People whose choices are looked at: as many as one mail destination may mean.
const PEOPLE_MAX: i64 = super::audience::MEMBERS_MAX;

/// Choices for single projects that are looked at, of all these people.
const CHOICES_MAX: i64 = 100_000;

/// The choices of everybody who made any.
#[derive(Debug, Clone, Default)]
pub(super) struct People(HashMap<String, Person>);

#[derive(Debug, Clone)]
struct Person {
    address: Option<String>,
    quiet: Option<Quiet>,
    through: Vec<Kind>,
    /// By project; `None` for every other one.
    off: HashMap<Option<ProjectId>, Vec<Kind>>,
}

impl People {
    pub(super) async fn load(connection: &mut PgConnection, projects: &[ProjectId]) -> Result<Self, StoreError> {
        let rows = sqlx::query!(
            r#"select u.id, lower(u.email) as "email!", s.address, s.zone as "zone?", s.windows as "windows?", s.through as "through?"
             from users u
             left join mail_settings s on s.user_id = u.id
             where u.disabled_at is null
                 and (s.user_id is not null or exists (select from mail_choices c where c.user_id = u.id))
             order by u.id
             limit $1"#,
            PEOPLE_MAX,
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut people = HashMap::new();
        for row in rows {
            // Quiet hours that cannot be read hold nothing: who cannot be asked is rather told.
            let windows = row.windows.and_then(|windows| serde_json::from_value(windows).ok()).unwrap_or_default();
            let quiet = row.zone.and_then(|zone| Quiet::new(&zone, windows).ok());
            let through = kinds(&row.through.unwrap_or_default());
            people.insert(row.id, (row.email, Person { address: row.address, quiet, through, off: HashMap::new() }));
        }
        let choices = sqlx::query!(
            "select user_id, project_id, kinds_off
             from mail_choices
             where user_id = any ($1) and (project_id is null or project_id = any ($2))
             limit $3",
            &people.keys().copied().collect::<Vec<i64>>(),
            &projects.iter().map(|id| id.get()).collect::<Vec<_>>(),
            CHOICES_MAX,
        )
        .fetch_all(connection)
        .await?;
        for row in choices {
            if let Some((_, person)) = people.get_mut(&row.user_id) {
                person.off.insert(row.project_id.map(ProjectId), kinds(&row.kinds_off));
            }
        }
        Ok(Self(people.into_values().collect()))
    }

    /// Where mails to an address go: to another one when it is the login of somebody who chose that.
    pub(super) fn address<'a>(&'a self, login: &'a str) -> &'a str {
        self.0.get(&login.to_lowercase()).and_then(|person| person.address.as_deref()).unwrap_or(login)
    }

    /// What somebody chose whose login is an address, for a project.
    pub(super) fn wishes(&self, login: &str, project: Option<ProjectId>) -> Option<Wishes> {
        let person = self.0.get(&login.to_lowercase())?;
        let own = project.and_then(|id| person.off.get(&Some(id)));
        let off = own.or_else(|| person.off.get(&None)).cloned().unwrap_or_default();
        Some(Wishes { off, quiet: person.quiet.clone(), through: person.through.clone() })
    }
}

/// Kinds of a newer version are left out.
fn kinds(names: &[String]) -> Vec<Kind> {
    names.iter().filter_map(|name| Kind::parse(name)).collect()
}

fn names(kinds: &[Kind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.as_str()).collect()
}

/// What one person chose for all projects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailSettings {
    /// Where their mails go instead of the address of the login.
    pub address: Option<String>,
    /// The address that was asked.
    pub wanted: Option<Wanted>,
    /// Name of the time zone; empty when it was never chosen.
    pub zone: String,
    /// Quiet hours.
    pub windows: Vec<Window>,
    /// Kinds that come in quiet hours, too.
    pub through: Vec<Kind>,
}

/// An address whose reader has not answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The address.
    pub address: String,
    /// Since when.
    pub at: OffsetDateTime,
    /// Whether the mail that asks went.
    pub asked: bool,
    /// What the mail server said last, when it said no.
    pub error: Option<String>,
}

/// What a person chose.
///
/// # Errors
/// When PostgreSQL fails or the windows cannot be read.
pub async fn settings(pool: &PgPool, user: UserId) -> Result<MailSettings, StoreError> {
    let row = sqlx::query!(
        "select address, wanted, wanted_at, ask_at, ask_error, zone, windows, through from mail_settings where user_id = $1",
        user.get(),
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(MailSettings::default()) };
    let windows = serde_json::from_value(row.windows).map_err(|error| {
        let found = error.to_string();
        StoreError::Corrupt { table: "mail_settings", column: "windows", row: user.to_string(), found }
    })?;
    let wanted = row.wanted.zip(row.wanted_at);
    let (asked, error) = (row.ask_at.is_none() && row.ask_error.is_none(), row.ask_error);
    Ok(MailSettings {
        address: row.address,
        wanted: wanted.map(|(address, at)| Wanted { address, at, asked, error }),
        zone: row.zone,
        windows,
        through: kinds(&row.through),
    })
}

/// Keeps the quiet hours of a person, for what happens from now on.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn set_quiet(pool: &PgPool, user: UserId, quiet: &Quiet, through: &[Kind]) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into mail_settings (user_id, zone, windows, through)
         values ($1, $2, $3, $4)
         on conflict (user_id) do update set zone = excluded.zone, windows = excluded.windows, through = excluded.through",
        user.get(),
        quiet.zone(),
        Json(quiet.windows()) as _,
        &names(through) as &[&str],
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The kinds that a person does not want, by project; `None` is every project without an entry of its own.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn choices(pool: &PgPool, user: UserId) -> Result<HashMap<Option<ProjectId>, Vec<Kind>>, StoreError> {
    let rows = sqlx::query!("select project_id, kinds_off from mail_choices where user_id = $1", user.get())
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(|row| (row.project_id.map(ProjectId), kinds(&row.kinds_off))).collect())
}

/// Keeps the kinds that a person does not want of a project, or of every other one; `None` for `off` lets what holds of
/// every other one hold of this one, too. False when there is no such project.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn choose(
    pool: &PgPool,
    user: UserId,
    project: Option<ProjectId>,
    off: Option<&[Kind]>,
) -> Result<bool, StoreError> {
    let project = project.map(ProjectId::get);
    let Some(off) = off else {
        sqlx::query!(
            "delete from mail_choices where user_id = $1 and project_id is not distinct from $2",
            user.get(),
            project
        )
        .execute(pool)
        .await?;
        return Ok(true);
    };
    let done = sqlx::query!(
        "insert into mail_choices (user_id, project_id, kinds_off)
         select $1, $2, $3
         where $2::bigint is null or exists (select from projects where id = $2)
         on conflict (user_id, (coalesce(project_id, 0))) do update set kinds_off = excluded.kinds_off",
        user.get(),
        project,
        &names(off) as &[&str],
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}
