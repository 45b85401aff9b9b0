//! New issues and those who own them, as part of telling of them.

use std::collections::HashMap;

use engine::alert::Kind;
use engine::code_link::Mapping;
use engine::ids::{IssueId, ProjectId, UserId};
use engine::owners::{Rules, Subject};
use engine::payload::{self, PayloadError};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::People;
use crate::error::blocking;
use crate::lifecycle::{self, By};
use crate::notifications::Signal;
use crate::{StoreError, code_mappings};

/// A project whose rules can be read.
struct Owned {
    rules: Rules,
    auto_assign: bool,
    mappings: Vec<Mapping>,
    people: People,
}

/// Whom a rule names for an issue.
struct Named {
    issue: (ProjectId, IssueId),
    people: Vec<UserId>,
    rule: String,
    matched: String,
    auto_assign: bool,
}

/// Writes down who owns the issues that these signals tell of as new, and gives them to their owners where the project
/// wants that; returns the issues that got somebody. Nothing is asked for projects without rules. Settling an issue again
/// changes nothing.
pub(crate) async fn settle(
    tx: &mut PgConnection,
    signals: &[Signal],
    now: OffsetDateTime,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let is_new = |signal: &&Signal| signal.kind == Kind::New.as_str() && signal.event_id.is_some();
    let new: Vec<&Signal> = signals.iter().filter(is_new).collect();
    let projects = owned(tx, &new).await?;
    if projects.is_empty() {
        return Ok(Vec::new());
    }
    let events = events(tx, &new, &projects).await?;
    let named = blocking(move || {
        let of = |event: &FirstEvent| event.named(projects.get(&event.project_id.get())?);
        let mut named: Vec<Named> = events.iter().filter_map(of).collect();
        // In key order, as everybody locks issues.
        named.sort_by_key(|named| named.issue);
        named
    })
    .await?;
    write(tx, &named).await?;
    assign(tx, &named, now).await
}

/// The projects of signals that have rules.
async fn owned(tx: &mut PgConnection, signals: &[&Signal]) -> Result<HashMap<i64, Owned>, StoreError> {
    let ids: Vec<i64> = signals.iter().filter_map(|signal| Some(signal.project_id?.get())).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        "select project_id, rules, auto_assign from ownership_rules where project_id = any($1) and rules <> ''",
        &ids,
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut found = HashMap::new();
    for row in rows {
        match Rules::parse(&row.rules) {
            Ok(rules) => {
                let mappings = code_mappings::list(&mut *tx, ProjectId(row.project_id)).await?;
                let people = People::load(&mut *tx, ProjectId(row.project_id)).await?;
                found.insert(row.project_id, Owned { rules, auto_assign: row.auto_assign, mappings, people });
            }
            // Saved by another version, which could read it: here nobody owns anything, and messages go on.
            Err(problems) => {
                let problem = problems.first().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(project = row.project_id, %problem, "ownership rules cannot be read");
            }
        }
    }
    Ok(found)
}

/// A first event, as far as rules need it.
struct FirstEvent {
    project_id: ProjectId,
    issue_id: IssueId,
    tags: Vec<(String, String)>,
    codec: i16,
    payload: Vec<u8>,
}

impl FirstEvent {
    /// Whom the rules name; none when nobody who is here.
    fn named(&self, project: &Owned) -> Option<Named> {
        let text = match payload::decode(self.codec, &self.payload) {
            Ok(text) => text,
            Err(PayloadError::NotKept) => return None,
            Err(error) => {
                tracing::warn!(issue = self.issue_id.get(), %error, "the owner of an issue is not looked for");
                return None;
            }
        };
        let subject = Subject::read(&payload::view(&text), &self.tags, &project.mappings);
        let found = project.rules.find(&subject)?;
        let mut owners: Vec<UserId> = Vec::new();
        for user in found.rule.owners.iter().filter_map(|owner| project.people.find(owner)) {
            if !owners.contains(&user.id) {
                owners.push(user.id);
            }
        }
        (!owners.is_empty()).then(|| Named {
            issue: (self.project_id, self.issue_id),
            people: owners,
            rule: found.rule.pattern.clone(),
            matched: found.what.to_owned(),
            auto_assign: project.auto_assign,
        })
    }
}

/// The events that made these issues, of projects with rules. One that retention dropped already has no owner.
async fn events(
    tx: &mut PgConnection,
    signals: &[&Signal],
    projects: &HashMap<i64, Owned>,
) -> Result<Vec<FirstEvent>, StoreError> {
    let of_owned = |signal: &&&Signal| signal.project_id.is_some_and(|id| projects.contains_key(&id.get()));
    let wanted: Vec<_> = signals
        .iter()
        .filter(of_owned)
        .filter_map(|signal| Some((signal.project_id?.get(), signal.issue_id?.get(), signal.event_id?.0)))
        .collect();
    let rows = sqlx::query!(
        r#"select n.project_id as "project_id!", n.issue_id as "issue_id!",
            e.tags as "tags: Json<Vec<(String, String)>>", e.codec, e.payload
         from unnest($1::bigint[], $2::bigint[], $3::uuid[]) as n (project_id, issue_id, event_id)
         cross join lateral (
             select tags, codec, payload
             from events
             where project_id = n.project_id and event_id = n.event_id
             order by day desc
             limit 1
         ) e"#,
        &wanted.iter().map(|one| one.0).collect::<Vec<_>>(),
        &wanted.iter().map(|one| one.1).collect::<Vec<_>>(),
        &wanted.iter().map(|one| one.2).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| FirstEvent {
            project_id: ProjectId(row.project_id),
            issue_id: IssueId(row.issue_id),
            tags: row.tags.0,
            codec: row.codec,
            payload: row.payload,
        })
        .collect())
}

async fn write(tx: &mut PgConnection, named: &[Named]) -> Result<(), StoreError> {
    let (mut projects, mut issues, mut positions, mut users) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut rules, mut matched) = (Vec::new(), Vec::new());
    for named in named {
        for (position, user) in (0_i32..).zip(&named.people) {
            projects.push(named.issue.0.get());
            issues.push(named.issue.1.get());
            positions.push(position);
            users.push(user.get());
            rules.push(named.rule.as_str());
            matched.push(named.matched.as_str());
        }
    }
    // Only of issues and people that are there, and held until they are referred to: one that is deleted meanwhile must
    // not keep messages from being told.
    sqlx::query!(
        "with held as (
             select n.*
             from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::bigint[], $5::text[], $6::text[])
                 as n (project_id, issue_id, position, user_id, rule, matched)
             join issues i on i.project_id = n.project_id and i.id = n.issue_id
             join users u on u.id = n.user_id
             order by n.project_id, n.issue_id
             for key share of i, u
         )
         insert into issue_owners (project_id, issue_id, position, user_id, rule, matched)
         select project_id, issue_id, position, user_id, rule, matched
         from held
         on conflict do nothing",
        &projects,
        &issues,
        &positions,
        &users,
        &rules as &[&str],
        &matched as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Gives issues that nobody has to their first owner, where the project wants that.
async fn assign(
    tx: &mut PgConnection,
    named: &[Named],
    now: OffsetDateTime,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let mut changed = Vec::new();
    for named in named.iter().filter(|named| named.auto_assign) {
        let Some(first) = named.people.first() else { continue };
        let is_free = sqlx::query_scalar!(
            "select true from issues where project_id = $1 and id = $2 and assigned_user_id is null for no key update",
            named.issue.0.get(),
            named.issue.1.get(),
        );
        if is_free.fetch_optional(&mut *tx).await?.is_none() {
            continue;
        }
        let via = format!("{} of the project's owners matches {}.", named.rule, named.matched);
        let by = By { user: None, at: now };
        match lifecycle::assign_in(tx, &[named.issue], Some(*first), by, &via).await {
            Ok(given) => changed.extend(given),
            // They were removed, or may change nothing any more, since they were looked for.
            Err(StoreError::Conflict(why)) => tracing::warn!(%why, "an issue is not given to its owner"),
            Err(error) => return Err(error),
        }
    }
    Ok(changed)
}

/// Who has each issue and whom the rules name for it, for the facts of its signals: addresses in lower case, the holder
/// first.
pub(crate) async fn facts(tx: &mut PgConnection, signals: &[Signal]) -> Result<HashMap<i64, Vec<String>>, StoreError> {
    let wanted: Vec<_> =
        signals.iter().filter_map(|signal| Some((signal.project_id?.get(), signal.issue_id?.get()))).collect();
    let rows = sqlx::query!(
        r#"select i.id, lower(a.email) as "holder?",
            array(
                select lower(u.email)
                from issue_owners o
                join users u on u.id = o.user_id
                where o.project_id = i.project_id and o.issue_id = i.id
                order by o.position
            ) as "owners!: Vec<String>"
         from unnest($1::bigint[], $2::bigint[]) as n (project_id, issue_id)
         join issues i on i.project_id = n.project_id and i.id = n.issue_id
         left join users a on a.id = i.assigned_user_id"#,
        &wanted.iter().map(|one| one.0).collect::<Vec<_>>(),
        &wanted.iter().map(|one| one.1).collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let mut people: Vec<String> = row.holder.into_iter().collect();
            for owner in row.owners {
                if !people.contains(&owner) {
                    people.push(owner);
                }
            }
            (row.id, people)
        })
        .collect())
}
