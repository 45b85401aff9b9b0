//! The rows of the lanes of a watched deploy: those of the live view, each with what is known of it beside.

use std::collections::HashMap;

use engine::commit::suspects;
use engine::ids::IssueId;
use engine::issue::State;
use serde_json::json;
use store::issues::{self, Issue};
use store::{StoreError, commits, counts, watch};

use super::Reading;
use crate::web::Web;
use crate::web::display::{cut, split_location};
use crate::web::live::rows::{LiveRow, minute_window};
use crate::web::live::tick;

/// Characters of the reason beside a row.
const REASON_CHARS: usize = 120;

/// The rows of these issues, in their order; issues that are gone are left out.
pub(super) async fn read(web: &Web, reading: &Reading, ids: &[IssueId]) -> Result<Vec<LiveRow>, StoreError> {
    let mut found = Vec::new();
    for chunk in ids.chunks(issues::BY_IDS_MAX) {
        found.extend(issues::by_ids(&web.pool, chunk).await?);
    }
    let mut notes = notes(web, reading, &found).await?;
    let window = minute_window(reading.at);
    let keys: Vec<_> = found.iter().map(|issue| (issue.project_id, issue.id)).collect();
    let buckets = counts::of_issues(&web.pool, &keys, tick::minutes(&window)).await?;
    let mut rows = Vec::new();
    for id in ids {
        let Some(place) = found.iter().position(|issue| issue.id == *id) else { continue };
        let own = buckets.iter().filter(|bucket| bucket.issue_id == id.get());
        let counts = window.fill(own.map(|bucket| (bucket.bucket, bucket.events)));
        let mut row = LiveRow::new(found.swap_remove(place), window, counts, reading.at);
        row.note = notes.remove(id).unwrap_or_default();
        rows.push(row);
    }
    Ok(rows)
}

/// For a new issue, the commit of the release that touched the file where it broke; for one that is back or escalates,
/// why.
async fn notes(web: &Web, reading: &Reading, found: &[Issue]) -> Result<HashMap<IssueId, String>, StoreError> {
    let is_back = |issue: &&Issue| matches!(issue.state, State::Regressed | State::Escalating);
    let back: Vec<IssueId> = found.iter().filter(is_back).map(|issue| issue.id).collect();
    let reasons = watch::reasons(&web.pool, reading.deploy.project_id, &back).await?;
    let mut notes: HashMap<IssueId, String> =
        reasons.into_iter().map(|(id, reason)| (id, cut(&reason, REASON_CHARS))).collect();
    let (project_id, version) = (reading.deploy.project_id, reading.deploy.version.as_str());
    for issue in found.iter().filter(|issue| issue.first_release.as_deref() == Some(version)) {
        let file = split_location(&issue.location).1.rsplit_once(':').map_or("", |(file, _)| file);
        let event =
            json!({"exception": {"values": [{"stacktrace": {"frames": [{"filename": file, "in_app": true}]}}]}});
        let names = suspects::file_names(&event);
        if names.is_empty() {
            continue;
        }
        let files = commits::files_of_release(&web.pool, project_id, version, &names).await?;
        let Some(suspect) = suspects::suspects(&event, &files).into_iter().next() else { continue };
        let position = i64::try_from(suspect.position).unwrap_or(i64::MAX);
        if let Some(commit) = commits::of_release(&web.pool, project_id, version, position, 1).await?.pop() {
            let sha: String = commit.sha.chars().take(7).collect();
            let author = commit.author_name.or(commit.author_email).map_or(String::new(), |name| format!(" by {name}"));
            notes.insert(issue.id, cut(&format!("{sha}{author} touched it"), REASON_CHARS));
        }
    }
    Ok(notes)
}
