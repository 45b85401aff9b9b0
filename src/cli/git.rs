//! Commits as `git log` tells them, in the form that the releases of the API take.

use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::error::Failure;

/// Commits that are read: what one release may have.
const COMMITS_MAX: usize = engine::limits::RELEASE_COMMITS_MAX;
/// Between two commits, and between the fields of one: no commit message can hold them, as git cuts them off.
const COMMIT: char = '\u{1e}';
const FIELD: char = '\u{1f}';
const FORMAT: &str = "--format=format:%x1e%H%x1f%an%x1f%ae%x1f%cI%x1f%B%x1f";

/// The commits of `range` in the repository at `directory`, the newest first.
pub(super) async fn commits(directory: &Path, range: &str, repository: Option<&str>) -> Result<Vec<Value>, Failure> {
    if range.starts_with('-') {
        return Err(Failure::Usage(format!("--from-git {range:?} is no range of revisions such as v1.1..v1.2")));
    }
    let repository = match repository {
        Some(name) => Some(name.to_owned()),
        None => origin(directory).await,
    };
    let most = format!("--max-count={COMMITS_MAX}");
    let args = ["-c", "core.quotePath=false", "log", &most, "--no-renames", "--name-status", FORMAT, range, "--"];
    let log = run(directory, &args).await?;
    Ok(log.split(COMMIT).filter_map(|commit| read(commit, repository.as_deref())).collect())
}

async fn run(directory: &Path, args: &[&str]) -> Result<String, Failure> {
    let output = Command::new("git").arg("-C").arg(directory).args(args).output().await;
    let output = output.context("cannot run git; is it installed?")?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(anyhow!("git says: {}", why.trim()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `org/name` of the remote `origin`, where there is one.
async fn origin(directory: &Path) -> Option<String> {
    let url = run(directory, &["config", "--get", "remote.origin.url"]).await.ok()?;
    let url = url.trim().trim_end_matches('/').trim_end_matches(".git");
    let parts: Vec<&str> = url.rsplit(['/', ':']).take(2).collect();
    let name = parts.into_iter().rev().collect::<Vec<_>>().join("/");
    (!name.is_empty()).then_some(name)
}

fn read(commit: &str, repository: Option<&str>) -> Option<Value> {
    let mut fields = commit.splitn(6, FIELD);
    let id = fields.next().filter(|id| !id.is_empty())?;
    let (author, mail, at, message) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let files: Vec<Value> = fields.next().unwrap_or_default().lines().filter_map(file).collect();
    Some(json!({
        "id": id,
        "repository": repository,
        "author_name": author,
        "author_email": mail,
        "timestamp": at,
        "message": message.trim_end(),
        "patch_set": files,
    }))
}

/// `M<tab>path`; types besides added and deleted are changes.
fn file(line: &str) -> Option<Value> {
    let (kind, path) = line.split_once('\t')?;
    let kind = match kind.chars().next()? {
        'A' => "A",
        'D' => "D",
        _ => "M",
    };
    Some(json!({ "path": path, "type": kind }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_with_its_files() {
        let log = "abc\u{1f}Ada\u{1f}ada@example.org\u{1f}2026-11-22T12:00:00+01:00\u{1f}Fix it\n\nFixes SHOP-1A\n\u{1f}\nM\tsrc/a b.rs\nA\tü\nT\tlink\n";
        let commit = read(log, Some("org/shop")).unwrap();
        assert_eq!(commit["message"], "Fix it\n\nFixes SHOP-1A");
        assert_eq!(
            commit["patch_set"],
            json!([{"path": "src/a b.rs", "type": "M"}, {"path": "ü", "type": "A"}, {"path": "link", "type": "M"}])
        );
        assert_eq!(read("", None), None);
        assert_eq!(read("abc\u{1f}Ada", None), None);
    }
}
