//! The commits of a release, and the release before it that has some.

use serde_json::json;
use store::commits;

use super::{Found, detail};
use crate::api::call::{Answer, Call, json as answer, json_page};
use crate::api::cursor;
use crate::api::shape::release as shape;

const ROWS_DEFAULT: usize = 100;

/// `GET …/releases/{version}/commits/`: the newest first. Of several projects, those of the first: tools send
/// the same list to all.
pub(in crate::api) async fn list(call: Call) -> Answer {
    let found = Found::of(&call).await?;
    let with_commits = found.rows.iter().find(|row| row.commits > 0).or_else(|| found.rows.first());
    let Some(row) = with_commits else { return answer(json!([])) };
    let paging = cursor::paging::<i64>(&call, ROWS_DEFAULT)?;
    let from = cursor::forwards(&paging).unwrap_or(0).max(0);
    let rows = commits::of_release(&call.api().pool, row.project_id, &found.version, from, paging.rows + 1).await?;
    let more = rows.len() > paging.rows;
    let shown = &rows[..rows.len().min(paging.rows)];
    let next = from + i64::try_from(shown.len()).unwrap_or_default();
    let link = cursor::link_of(&call, (from > 0, Some(from)), (more, Some(next)));
    json_page(shown.iter().map(shape::commit).collect::<Vec<_>>(), link)
}

/// `GET …/releases/{version}/previous-with-commits/`: an empty object means that there is none.
pub(in crate::api) async fn previous_with_commits(call: Call) -> Answer {
    let found = Found::of(&call).await?;
    let projects = found.projects();
    let Some(version) = commits::previous_release(&call.api().pool, &projects, &found.version).await? else {
        return answer(json!({}));
    };
    let rows = super::rows(&call, &projects, &version).await?;
    answer(detail(&call, &Found { version, rows }).await?)
}
