//! Issues that may be the same bug as another one: candidates by index, likeness by `engine::grouping::similar`.
//!
//! Computed when somebody looks, over a bounded number of candidates, from the newest event of each. Nothing is
//! stored and nothing is merged.

use engine::event::Event;
use engine::grouping::Rules;
use engine::grouping::similar::{self, Likeness, Signature};
use engine::ids::{IssueId, ProjectId};
use engine::payload;
use sqlx::PgPool;
use time::Date;

use crate::StoreError;
use crate::events::StoredEvent;
use crate::issues::{self, Issue};
use crate::rules;

/// Issues of the same project, type and platform that are compared, the newest: some 10 ms.
const CANDIDATES: i64 = 50;

/// The issues that are most alike to one, best first, at least as alike as `score_min`.
///
/// # Errors
/// When the database fails.
pub async fn find(
    pool: &PgPool,
    issue: &Issue,
    score_min: f64,
    rows: usize,
) -> Result<Vec<(Issue, Likeness)>, StoreError> {
    let newest = crate::events::latest(pool, issue.project_id, issue.id).await?;
    find_like(pool, issue, newest.as_ref(), (score_min, rows)).await
}

/// The same for somebody who has read the newest event already.
///
/// # Errors
/// When the database fails.
pub async fn find_like(
    pool: &PgPool,
    issue: &Issue,
    newest: Option<&StoredEvent>,
    (score_min, rows): (f64, usize),
) -> Result<Vec<(Issue, Likeness)>, StoreError> {
    let rules = rules::compiled(pool, issue.project_id).await?;
    let rules = rules::or_builtin(&rules);
    let own = newest.and_then(|newest| read(newest.codec, &newest.payload, rules));
    let Some(own) = own else { return Ok(Vec::new()) };
    let mut found: Vec<(IssueId, Likeness)> = Vec::new();
    for candidate in candidates(pool, issue).await? {
        let Some(signature) = read(candidate.codec, &candidate.payload, rules) else { continue };
        let likeness = own.likeness(&signature);
        if likeness.score >= score_min {
            found.push((IssueId(candidate.id), likeness));
        }
    }
    found.sort_by(|(a, one), (b, other)| other.score.total_cmp(&one.score).then(a.cmp(b)));
    found.truncate(rows);
    let ids: Vec<IssueId> = found.iter().map(|(id, _)| *id).collect();
    let mut known = issues::by_ids(pool, &ids).await?;
    let mut take = |id: IssueId| known.iter().position(|issue| issue.id == id).map(|at| known.swap_remove(at));
    Ok(found.into_iter().filter_map(|(id, likeness)| Some((take(id)?, likeness))).collect())
}

/// None for a payload that this version cannot read.
fn read(codec: i16, packed: &[u8], rules: &Rules) -> Option<Signature> {
    let text = payload::decode(codec, packed).ok()?;
    Some(similar::signature(&Event::from_json(&text).ok()?, rules))
}

struct Candidate {
    id: i64,
    codec: i16,
    payload: Vec<u8>,
}

/// The newest issues of the same type and platform with their newest events: a walk over issues_by_type, and one
/// probe of events_by_issue for each, in the partition of the day on which it was last seen.
async fn candidates(pool: &PgPool, issue: &Issue) -> Result<Vec<Candidate>, StoreError> {
    let ProjectId(project_id) = issue.project_id;
    let found = sqlx::query!(
        r#"select id, (last_seen at time zone 'utc')::date as "day!"
        from issues
        where project_id = $1 and platform = $2 and type = $3 and status <> 'merged'
            and status not in ('deleted', 'discarded') and id <> $4
        order by id desc
        limit $5"#,
        project_id,
        issue.platform,
        issue.ty,
        issue.id.get(),
        CANDIDATES,
    )
    .fetch_all(pool)
    .await?;
    let ids: Vec<i64> = found.iter().map(|row| row.id).collect();
    let of_day: Vec<Date> = found.iter().map(|row| row.day).collect();
    let (Some(first), Some(last)) = (of_day.iter().min(), of_day.iter().max()) else { return Ok(Vec::new()) };
    Ok(sqlx::query_as!(
        Candidate,
        r#"select wanted.id as "id!", e.codec as "codec!", e.payload as "payload!"
        from unnest($2::bigint[], $3::date[]) as wanted (id, day)
        cross join lateral (
            select codec, payload
            from events
            where project_id = $1 and issue_id = wanted.id and day = wanted.day
                -- These partitions are planned for.
                and day between $4 and $5
            order by received_at desc, event_id desc
            limit 1
        ) e"#,
        project_id,
        &ids,
        &of_day,
        *first,
        *last,
    )
    .fetch_all(pool)
    .await?)
}
