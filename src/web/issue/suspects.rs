//! Commits that may be why an issue is there: they came with the release in which it began, and changed a file
//! that its stack trace runs through.

use engine::commit::suspects::{self, Suspect};
use engine::release::page_path;
use serde_json::Value;
use store::commits;
use store::issues::Issue;
use time::OffsetDateTime;

use crate::web::Web;
use crate::web::error::PageError;
use crate::web::releases::CommitLine;

/// The commits, and the release that they came with.
pub(super) struct Suspects {
    /// Its version.
    pub version: String,
    /// Its page.
    pub link: String,
    /// The strongest first.
    pub commits: Vec<SuspectLine>,
}

/// A commit, and what makes it suspect.
pub(super) struct SuspectLine {
    /// The commit.
    pub line: CommitLine,
    /// The file that it changed.
    pub path: String,
    /// Frames of our own code between that file and where it broke.
    pub depth: usize,
}

/// None when no commit is suspect.
pub(super) async fn find(
    web: &Web,
    issue: &Issue,
    event: &Value,
    now: OffsetDateTime,
) -> Result<Option<Suspects>, PageError> {
    let Some(version) = issue.first_release.clone() else { return Ok(None) };
    let names = suspects::file_names(event);
    if names.is_empty() {
        return Ok(None);
    }
    let files = commits::files_of_release(&web.pool, issue.project_id, &version, &names).await?;
    let mut lines = Vec::new();
    for Suspect { position, path, depth, .. } in suspects::suspects(event, &files) {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        let found = commits::of_release(&web.pool, issue.project_id, &version, position, 1).await?;
        lines.extend(found.into_iter().map(|commit| SuspectLine {
            line: CommitLine::of(commit, now),
            path: path.clone(),
            depth,
        }));
    }
    let link = page_path(&issue.project_slug, &version);
    Ok((!lines.is_empty()).then_some(Suspects { version, link, commits: lines }))
}
