//! Commits that may be why an issue is there: they came with a release in which it began, came back or was seen last, and
//! changed a file that its stack trace runs through.

use engine::commit::suspects::{self, SUSPECTS_MAX, Suspect};
use engine::release::page_path;
use serde_json::Value;
use store::activity::Activity;
use store::commits;
use store::issues::Issue;
use time::OffsetDateTime;

use crate::web::Web;
use crate::web::error::PageError;
use crate::web::releases::CommitLine;

/// A commit, and what makes it suspect.
pub(super) struct SuspectLine {
    /// The commit.
    pub line: CommitLine,
    /// The file that it changed.
    pub path: String,
    /// Frames of our own code between that file and where it broke.
    pub depth: usize,
    /// The release that it came with.
    pub version: String,
    /// Page of the release.
    pub link: String,
    /// What the issue did in that release: `began`, `came back` or `was seen last`.
    pub did: &'static str,
}

/// The strongest first, whichever release they came with; of equally strong ones those that it came back with first, then
/// those that it began with.
pub(super) async fn find(
    web: &Web,
    issue: &Issue,
    activity: &[Activity],
    event: &Value,
    now: OffsetDateTime,
) -> Result<Vec<SuspectLine>, PageError> {
    let names = suspects::file_names(event);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut found: Vec<(Suspect, &str, &'static str)> = Vec::new();
    for (version, did) in releases(issue, activity) {
        let files = commits::files_of_release(&web.pool, issue.project_id, version, &names).await?;
        found.extend(suspects::suspects(event, &files).into_iter().map(|suspect| (suspect, version, did)));
    }
    // Stable: of equals, the order of the releases holds.
    found.sort_by(|(one, ..), (other, ..)| one.against(other));
    let mut lines: Vec<SuspectLine> = Vec::new();
    for (suspect, version, did) in found {
        let position = i64::try_from(suspect.position).unwrap_or(i64::MAX);
        let commit = commits::of_release(&web.pool, issue.project_id, version, position, 1).await?.pop();
        // A commit may be in several of the releases; it is named with the one that says most.
        let Some(commit) = commit.filter(|commit| !lines.iter().any(|known| known.line.is_of(commit))) else {
            continue;
        };
        lines.push(SuspectLine {
            line: CommitLine::of(commit, now),
            path: suspect.path,
            depth: suspect.depth,
            version: version.to_owned(),
            link: page_path(&issue.project_slug, version),
            did,
        });
        if lines.len() == SUSPECTS_MAX {
            break;
        }
    }
    Ok(lines)
}

/// The releases whose commits are looked at, each once, with what the issue did in them.
fn releases<'a>(issue: &'a Issue, activity: &'a [Activity]) -> Vec<(&'a str, &'static str)> {
    let back = activity.iter().find(|change| change.kind == "regressed" && !change.undone);
    let all = [
        (back.and_then(|change| change.release.as_deref()), "came back"),
        (issue.first_release.as_deref(), "began"),
        (issue.last_release.as_deref(), "was seen last"),
    ];
    let mut releases: Vec<(&str, &str)> = Vec::new();
    for (version, did) in all {
        if let Some(version) = version.filter(|version| !releases.iter().any(|(known, _)| known == version)) {
            releases.push((version, did));
        }
    }
    releases
}
