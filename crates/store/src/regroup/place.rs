//! Where events belong: with the issue that owns their key.

use std::collections::{BTreeSet, HashMap};

use engine::ids::{IssueId, ProjectId};
use sqlx::PgConnection;

use crate::StoreError;

/// An issue that an event is or was in, and its key there.
pub(super) type Was = (IssueId, Option<Vec<u8>>);

/// Where events belong now: with the owner of the key, whoever that has become; without a key, where the number of
/// the issue leads.
pub(super) async fn of(
    tx: &mut PgConnection,
    project_id: ProjectId,
    was: BTreeSet<Was>,
) -> Result<HashMap<Was, IssueId>, StoreError> {
    if was.is_empty() {
        return Ok(HashMap::new());
    }
    let (issues, hashes): (Vec<i64>, Vec<Option<Vec<u8>>>) = was.into_iter().map(|(id, hash)| (id.get(), hash)).unzip();
    let rows = sqlx::query!(
        r#"select n.issue_id as "issue_id!", n.hash as "hash?", coalesce(owner.issue_id, led.id, n.issue_id) as "place!"
         from unnest($2::bigint[], $3::bytea[]) as n (issue_id, hash)
         left join lateral (
             select h.issue_id
             from issue_hashes h
             where h.project_id = $1 and h.hash = n.hash
             limit 1
         ) owner on true
         left join lateral (
             with recursive way as (
                 select id, merged_into, 0 as hops from issues where project_id = $1 and id = n.issue_id
                 union all
                 select i.id, i.merged_into, way.hops + 1
                 from way
                 join issues i on i.project_id = $1 and i.id = way.merged_into
                 where way.hops < 100
             )
             select id from way where merged_into is null limit 1
         ) led on owner.issue_id is null"#,
        project_id.get(),
        &issues,
        &hashes as &[Option<Vec<u8>>],
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| ((IssueId(row.issue_id), row.hash), IssueId(row.place))).collect())
}
