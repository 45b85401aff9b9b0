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

use crate::StoreError;
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
    let rules = rules::compiled(pool, issue.project_id).await?;
    let rules = rules::or_builtin(&rules);
    let Some(own) = own(pool, issue, rules).await? else { return Ok(Vec::new()) };
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

async fn own(pool: &PgPool, issue: &Issue, rules: &Rules) -> Result<Option<Signature>, StoreError> {
    let newest = crate::events::latest(pool, issue.project_id, issue.id).await?;
    Ok(newest.and_then(|newest| read(newest.codec, &newest.payload, rules)))
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
/// probe of events_by_issue for each.
async fn candidates(pool: &PgPool, issue: &Issue) -> Result<Vec<Candidate>, StoreError> {
    let ProjectId(project_id) = issue.project_id;
    Ok(sqlx::query_as!(
        Candidate,
        r#"select i.id as "id!", e.codec as "codec!", e.payload as "payload!"
        from (
            select id
            from issues
            where project_id = $1 and platform = $2 and type = $3 and status <> 'merged'
                and status not in ('deleted', 'discarded') and id <> $4
            order by id desc
            limit $5
        ) i
        cross join lateral (
            select codec, payload
            from events
            where project_id = $1 and issue_id = i.id
            order by day desc, received_at desc, event_id desc
            limit 1
        ) e"#,
        project_id,
        issue.platform,
        issue.ty,
        issue.id.get(),
        CANDIDATES,
    )
    .fetch_all(pool)
    .await?)
}
