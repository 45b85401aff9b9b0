//! Who owns what: the rules of projects, and whom they name for an issue (`engine::owners`).
//!
//! Rules are held against the first event of an issue once, when the signal that it is new is told of: ingest does
//! nothing for them. Whom they name is kept, so that it stays true when rules change later.

mod settle;

use std::collections::HashMap;

use engine::access::Reach;
use engine::ids::{IssueId, ProjectId, UserId};
use engine::owners::Owner;
use sqlx::{PgExecutor, PgPool};
use time::OffsetDateTime;

pub(crate) use settle::{facts, settle};

use crate::StoreError;
use crate::activity::Actor;
use crate::audit::{self, Kind, Note};
use crate::people::users::{self, User};

/// People among whom owners are looked for.
const PEOPLE_MAX: i64 = 5_000;

/// The rules of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ownership {
    /// As they were written.
    pub rules: String,
    /// Whether a new issue is given to its owner.
    pub auto_assign: bool,
}

/// Somebody who owns an issue, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueOwner {
    /// Who.
    pub person: Actor,
    /// The pattern that fits.
    pub rule: String,
    /// What it fits.
    pub matched: String,
}

impl IssueOwner {
    /// Why they own it, to stand behind their name.
    #[must_use]
    pub fn why(&self) -> String {
        format!("{} matches {}", self.rule, self.matched)
    }
}

/// The rules of a project; none are empty.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn get(pool: &PgPool, project_id: ProjectId) -> Result<Ownership, StoreError> {
    let row = sqlx::query!("select rules, auto_assign from ownership_rules where project_id = $1", project_id.get());
    let row = row.fetch_optional(pool).await?;
    Ok(row.map(|row| Ownership { rules: row.rules, auto_assign: row.auto_assign }).unwrap_or_default())
}

/// Replaces the rules of a project. They were read before: what cannot be read is not saved.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn set(
    pool: &PgPool,
    project_id: ProjectId,
    new: &Ownership,
    by: Option<UserId>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query!(
        "insert into ownership_rules (project_id, rules, auto_assign, changed_at, changed_by)
         values ($1, $2, $3, $4, $5)
         on conflict (project_id) do update set rules = excluded.rules, auto_assign = excluded.auto_assign,
             changed_at = excluded.changed_at, changed_by = excluded.changed_by",
        project_id.get(),
        new.rules,
        new.auto_assign,
        now,
        by.map(UserId::get),
    )
    .execute(&mut *tx)
    .await?;
    let note = Note::new(Kind::Setting, "saved", "owners").of(Some(project_id));
    audit::note(&mut tx, note.with("given to owners", new.auto_assign)).await?;
    tx.commit().await?;
    Ok(())
}

/// Whom the rules named for an issue, the first of them first.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn of_issue(pool: &PgPool, issue: (ProjectId, IssueId)) -> Result<Vec<IssueOwner>, StoreError> {
    let rows = sqlx::query!(
        "select o.rule, o.matched, u.id, u.name, u.email
         from issue_owners o
         join users u on u.id = o.user_id
         where o.project_id = $1 and o.issue_id = $2
         order by o.position",
        issue.0.get(),
        issue.1.get(),
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| IssueOwner {
            person: Actor { id: UserId(row.id), name: row.name, email: row.email },
            rule: row.rule,
            matched: row.matched,
        })
        .collect())
}

/// Those who can own something, by what rules call them.
#[derive(Debug, Default)]
pub struct People {
    by_address: HashMap<String, User>,
    /// Of `@ana`, by their name or by what stands before the @ of their address; none where several are called so.
    by_name: HashMap<String, Option<String>>,
}

impl People {
    /// Those who can have issues of a project.
    ///
    /// # Errors
    /// When PostgreSQL fails.
    pub async fn load(executor: impl PgExecutor<'_>, project: ProjectId) -> Result<Self, StoreError> {
        let mut people = Self::default();
        for user in users::assignable(executor, &Reach::Projects(vec![project]), PEOPLE_MAX).await? {
            let address = user.email.to_lowercase();
            let local = address.split('@').next().unwrap_or_default().to_owned();
            let mut names = vec![local, user.name.to_lowercase()];
            names.dedup();
            for name in names.into_iter().filter(|name| !name.is_empty()) {
                let only = |known: &mut Option<String>| *known = known.take().filter(|known| *known == address);
                people.by_name.entry(name).and_modify(only).or_insert_with(|| Some(address.clone()));
            }
            people.by_address.insert(address, user);
        }
        Ok(people)
    }

    /// The person that a rule means; none when nobody who can have issues is called so, or several are.
    #[must_use]
    pub fn find(&self, owner: &Owner) -> Option<&User> {
        match owner {
            Owner::Address(email) => self.by_address.get(&email.as_str().to_lowercase()),
            Owner::Name(name) => self.by_address.get(self.by_name.get(&name.to_lowercase())?.as_ref()?),
        }
    }
}
