//! How a split begins: some keys of an issue become the keys of a new one.
//!
//! Exactly the chosen keys go. A weaker key that was not chosen stays with the old issue, even where events of
//! both sides have it: an event is placed by the first of its keys that is known, so an event whose strongest
//! key was split away goes to the new issue, and only one that has no other known key goes by the shared one.

use engine::ids::{IssueId, ProjectId};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::begin::{self, New, begun, conflict, insert, take_part};
use super::step::Held;
use super::{Asked, Kind, Regrouping, close_gate, facts};
use crate::{StoreError, lifecycle};

/// Keys that one split may take.
pub const KEYS_MAX: usize = 1_000;

/// Begins to split keys, with their events, off an issue. Keys that are not the issue's are passed over.
///
/// # Errors
/// `Conflict` when none of the keys is the issue's, when all are, or when another change of the project is still
/// running; otherwise when the database fails.
pub async fn split(
    pool: &PgPool,
    project_id: ProjectId,
    issue_id: IssueId,
    keys: &[[u8; 16]],
    asked: &Asked<'_>,
) -> Result<Regrouping, StoreError> {
    if keys.len() > KEYS_MAX {
        return Err(StoreError::Conflict(format!("At most {KEYS_MAX} keys can be split off at a time")));
    }
    let mut tx = pool.begin().await?;
    close_gate(&mut tx, project_id).await?;
    let found = facts::lock(&mut tx, project_id, &[issue_id]).await?;
    let Some(issue) = found.first() else {
        return Err(conflict("The issue was merged or deleted meanwhile"));
    };
    let chosen: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
    check(&mut tx, project_id, issue_id, &chosen).await?;
    let made = copy(&mut tx, project_id, &[issue_id]).await?;
    let Some(&(new_id, number)) = made.first() else {
        return Err(conflict("The issue was merged or deleted meanwhile"));
    };
    // The events are walked twice: once to move those of the keys, once to see which users stay.
    let new = New {
        project_id,
        kind: Kind::Split,
        issue_id: Some(issue_id),
        undoes: None,
        total: issue.events * 2,
        phase: "move",
        source: Some(issue_id),
        before: issue.before(),
        asked,
    };
    let id = insert(&mut tx, &new).await?;
    take_part(&mut tx, project_id, id, &[new_id]).await?;
    sqlx::query!(
        "with moved as (
             update issue_hashes
             set issue_id = $4
             where project_id = $1 and issue_id = $3 and hash = any($5)
             returning hash
         )
         insert into regrouping_keys (project_id, regrouping_id, hash, from_issue, to_issue)
         select $1, $2, hash, $3, $4
         from moved",
        project_id.get(),
        id.get(),
        issue_id.get(),
        new_id.get(),
        &chosen,
    )
    .execute(&mut *tx)
    .await?;
    let slug = facts::slug(&mut tx, project_id).await?;
    let new_name = engine::ids::ShortId::new(slug.as_str(), number).to_string();
    let said = format!("{new_name} was split off by key. {}", asked.reason);
    facts::tell(&mut tx, project_id, issue_id, "split", said.trim_end(), asked).await?;
    let said = format!("Split off {} by key. {}", issue.short_id(&slug), asked.reason);
    facts::tell(&mut tx, project_id, new_id, "split", said.trim_end(), asked).await?;
    tx.commit().await?;
    begun(pool, id).await
}

async fn check(
    tx: &mut PgConnection,
    project_id: ProjectId,
    issue_id: IssueId,
    chosen: &[Vec<u8>],
) -> Result<(), StoreError> {
    let row = sqlx::query!(
        r#"select count(*) filter (where hash = any($3)) as "chosen!", count(*) filter (where hash <> all($3)) as "left!"
         from issue_hashes
         where project_id = $1 and issue_id = $2"#,
        project_id.get(),
        issue_id.get(),
        chosen,
    )
    .fetch_one(tx)
    .await?;
    match (row.chosen, row.left) {
        (0, _) => Err(conflict("None of these keys leads to this issue")),
        (_, 0) => Err(conflict("These are all keys of the issue: leave at least one, or there is nothing to split")),
        _ => Ok(()),
    }
}

/// Whether no event went to the new issue.
pub(super) async fn is_empty(tx: &mut PgConnection, held: &Held) -> Result<bool, StoreError> {
    let ids: Vec<i64> = held.issues.iter().map(|id| id.get()).collect();
    Ok(sqlx::query_scalar!(
        r#"select not exists (select 1 from issues where project_id = $1 and id = any($2) and events > 0) as "empty!""#,
        held.project_id.get(),
        &ids,
    )
    .fetch_one(tx)
    .await?)
}

/// Ends a split that no event followed: the keys are none's strongest. Nobody wants an issue without events.
pub(super) async fn fold_back(
    tx: &mut PgConnection,
    held: &Held,
    from: IssueId,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update issue_hashes h
         set issue_id = k.from_issue
         from regrouping_keys k
         where k.project_id = $1 and k.regrouping_id = $2 and h.project_id = $1 and h.hash = k.hash
             and h.issue_id = k.to_issue",
        held.project_id.get(),
        held.id.get(),
    )
    .execute(&mut *tx)
    .await?;
    // A key that came to the new issue meanwhile goes along.
    let ids: Vec<i64> = held.issues.iter().map(|id| id.get()).collect();
    sqlx::query!(
        "update issue_hashes set issue_id = $3 where project_id = $1 and issue_id = any($2)",
        held.project_id.get(),
        &ids,
        from.get(),
    )
    .execute(&mut *tx)
    .await?;
    begin::lead_to(tx, held.project_id, &held.issues, from).await?;
    let asked = Asked { user: None, reason: "", at };
    let said = "Nothing was split off: no stored event has these keys as its strongest.";
    facts::tell(tx, held.project_id, from, "split", said, &asked).await?;
    sqlx::query!(
        "update regroupings
         set state = 'undone', finished_at = $2, total = walked, leased_until = null, error = null
         where id = $1",
        held.id.get(),
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Issues without events, each of which says of itself what its model says, and stands where that one stands. Their ids
/// and numbers, in the order of the models.
pub(super) async fn copy(
    tx: &mut PgConnection,
    project_id: ProjectId,
    models: &[IssueId],
) -> Result<Vec<(IssueId, i64)>, StoreError> {
    if models.is_empty() {
        return Ok(Vec::new());
    }
    let first = lifecycle::reserve_numbers(tx, project_id, models.len()).await?;
    let models: Vec<i64> = models.iter().map(|id| id.get()).collect();
    let mut made: Vec<(IssueId, i64)> = sqlx::query!(
        "insert into issues (project_id, id, number, status, substatus, level, platform, type, value, title, culprit,
             location, handled, first_seen, last_seen, seen_slot, first_release, last_release, first_event_id,
             last_event_id, events, users, status_changed_at, state_details)
         select i.project_id, nextval('issue_ids'), $3 + n.at - 1, i.status, i.substatus, i.level, i.platform, i.type,
             i.value, i.title, i.culprit, i.location, i.handled, i.first_seen, i.last_seen, i.seen_slot, i.first_release,
             i.last_release, i.first_event_id, i.last_event_id, 0, 0, i.status_changed_at, i.state_details
         from unnest($2::bigint[]) with ordinality as n (model, at)
         join issues i on i.project_id = $1 and i.id = n.model
         order by n.at
         returning id, number",
        project_id.get(),
        &models,
        first,
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(|row| (IssueId(row.id), row.number))
    .collect();
    made.sort_by_key(|(_, number)| *number);
    Ok(made)
}
