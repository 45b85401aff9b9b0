//! What tools send about a release, read into `Facts` within the bounds of `engine::limits`.
//!
//! Texts that are too long are cut, lists that are too long lose their oldest end: a build does not fail over
//! a long commit message. What cannot be meant (a release without a name, a date that is none) is refused.

use engine::commit::fixes::fixes;
use engine::commit::{ChangedFile, Commit, FileChange};
use engine::ids::ProjectId;
use engine::limits::{
    COMMIT_FILES_MAX, COMMIT_ID_CHARS_MAX, COMMIT_MESSAGE_CHARS_MAX, COMMIT_PATH_CHARS_MAX, EMAIL_CHARS_MAX,
    LINK_CHARS_MAX, NAME_CHARS_MAX, RELEASE_COMMITS_MAX, REPOSITORY_CHARS_MAX,
};
use serde::Deserialize;
use store::releases::Facts;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::api::call::Call;
use crate::api::error::ApiError;

/// Repository of commits that name none, as Sentry calls it.
const NO_REPOSITORY: &str = "unknown";

/// A project in a body: its slug or its number, and the number as a text or not.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(in crate::api) enum ProjectName {
    Number(i64),
    Slug(String),
}

impl ProjectName {
    /// The project, which must be there.
    pub(in crate::api) async fn find(&self, call: &Call) -> Result<ProjectId, ApiError> {
        let found = match self {
            Self::Number(id) => call.project_named(&id.to_string()).await?,
            Self::Slug(slug) => call.project_named(slug).await?,
        };
        found.map(|project| project.id).ok_or_else(|| ApiError::bad_request("Invalid project ids or slugs"))
    }
}

/// `POST …/releases/`
pub(super) struct Create {
    pub(super) version: String,
    pub(super) projects: Vec<ProjectName>,
    pub(super) facts: Facts,
}

#[derive(Deserialize)]
struct CreateBody {
    version: String,
    #[serde(default)]
    projects: Option<Vec<ProjectName>>,
    #[serde(flatten)]
    rest: Rest,
}

/// What both POST and PUT take.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rest {
    url: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    status: Option<String>,
    date_started: Option<String>,
    date_released: Option<String>,
    commits: Option<Vec<CommitBody>>,
    refs: Option<Vec<RefBody>>,
    head_commits: Option<Vec<HeadCommitBody>>,
}

#[derive(Deserialize)]
struct CommitBody {
    id: String,
    repository: Option<String>,
    author_name: Option<String>,
    author_email: Option<String>,
    message: Option<String>,
    timestamp: Option<String>,
    #[serde(default)]
    patch_set: Option<Vec<FileBody>>,
}

#[derive(Deserialize)]
struct FileBody {
    path: String,
    #[serde(rename = "type")]
    change: String,
}

#[derive(Deserialize)]
struct RefBody {
    repository: Option<String>,
    commit: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadCommitBody {
    repository: Option<String>,
    current_id: String,
}

/// Projects that one release may be made in by one call.
const PROJECTS_MAX: usize = 100;

impl Create {
    pub(super) fn read(call: &Call) -> Result<Self, ApiError> {
        let body: CreateBody = call.body_as()?;
        let version = body.version.trim().to_owned();
        if !is_version(&version) {
            return Err(ApiError::bad_request(
                "version is the name of a release: 1 to 200 characters without / and line breaks, not . or .. or latest",
            ));
        }
        let projects = body.projects.unwrap_or_default();
        if projects.len() > PROJECTS_MAX {
            return Err(ApiError::BadRequest(format!("At most {PROJECTS_MAX} projects at a time")));
        }
        Ok(Self { version, projects, facts: facts(body.rest, host(call))? })
    }
}

/// `PUT …/releases/{version}/`
pub(super) fn update(call: &Call) -> Result<Facts, ApiError> {
    facts(if call.is_empty() { Rest::default() } else { call.body_as()? }, host(call))
}

fn is_version(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0') && engine::normalize::release_fault(text).is_none()
}

/// Our own host, as it stands in the URLs of issues.
fn host(call: &Call) -> &str {
    let base = &call.api().base_url;
    base.split_once("://").map_or(base.as_str(), |(_, rest)| rest.split('/').next().unwrap_or(rest))
}

fn facts(rest: Rest, host: &str) -> Result<Facts, ApiError> {
    let archived = match rest.status.as_deref() {
        None => None,
        Some("open") => Some(false),
        Some("archived") => Some(true),
        Some(_) => return Err(ApiError::bad_request("status is open or archived")),
    };
    let commits = match (rest.commits, rest.refs, rest.head_commits) {
        (Some(commits), _, _) => Some(read_commits(commits, host)?),
        (None, Some(refs), _) => Some(heads(refs.into_iter().map(|one| (one.repository, one.commit)))?),
        (None, None, Some(refs)) => Some(heads(refs.into_iter().map(|one| (one.repository, one.current_id)))?),
        (None, None, None) => None,
    };
    Ok(Facts {
        url: rest.url.as_deref().and_then(|url| text(url, LINK_CHARS_MAX)),
        reference: rest.reference.as_deref().and_then(|name| text(name, NAME_CHARS_MAX)),
        archived,
        date_started: moment("dateStarted", rest.date_started.as_deref())?,
        date_released: moment("dateReleased", rest.date_released.as_deref())?,
        releases_again: false,
        commits,
    })
}

/// A date as tools write it: RFC 3339 with up to nine digits of a second.
pub(in crate::api) fn moment(name: &str, text: Option<&str>) -> Result<Option<OffsetDateTime>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let moment = OffsetDateTime::parse(text, &Rfc3339);
    // PostgreSQL knows no year 10000, nor do we care for years before ours.
    match moment.ok().filter(|moment| (1970..=9000).contains(&moment.year())) {
        Some(moment) => Ok(Some(moment)),
        None => Err(ApiError::BadRequest(format!("{name} is a date such as 2026-11-22T13:22:52Z"))),
    }
}

/// A text that can be stored, cut to `chars_max`; none when nothing is left.
pub(in crate::api) fn text(text: &str, chars_max: usize) -> Option<String> {
    let text: String = text.chars().filter(|char| *char != '\0').take(chars_max).collect();
    (!text.trim().is_empty()).then_some(text)
}

/// The newest first, each once. `sentry-cli` sends them in the order of history, which their dates may
/// contradict only where a clock was wrong; other tools send them in any order.
fn read_commits(bodies: Vec<CommitBody>, host: &str) -> Result<Vec<Commit>, ApiError> {
    let mut commits: Vec<Commit> = bodies.into_iter().map(|body| read_commit(body, host)).collect::<Result<_, _>>()?;
    if commits.iter().all(|commit| commit.at.is_some()) {
        commits.sort_by_key(|commit| std::cmp::Reverse(commit.at));
    }
    Ok(bounded(commits))
}

fn read_commit(body: CommitBody, host: &str) -> Result<Commit, ApiError> {
    let file = |file: FileBody| {
        let change = FileChange::parse(&file.change)?;
        let is_kept =
            !file.path.is_empty() && file.path.chars().count() <= COMMIT_PATH_CHARS_MAX && !file.path.contains('\0');
        is_kept.then_some(ChangedFile { path: file.path, change })
    };
    let message = body.message.and_then(|message| text(&message, COMMIT_MESSAGE_CHARS_MAX));
    Ok(Commit {
        repository: repository(body.repository.as_deref()),
        sha: sha(&body.id)?,
        fixes: message.as_deref().map(|message| fixes(message, host)).unwrap_or_default(),
        author_name: body.author_name.and_then(|name| text(&name, NAME_CHARS_MAX)),
        author_email: body.author_email.and_then(|email| text(&email, EMAIL_CHARS_MAX)),
        message,
        at: moment("timestamp", body.timestamp.as_deref())?,
        files: body.patch_set.unwrap_or_default().into_iter().filter_map(file).take(COMMIT_FILES_MAX).collect(),
    })
}

/// Commits of which only the hash is known: without access to their repository nothing lies between them.
fn heads(refs: impl Iterator<Item = (Option<String>, String)>) -> Result<Vec<Commit>, ApiError> {
    let commit = |(name, id): (Option<String>, String)| {
        Ok(Commit {
            repository: repository(name.as_deref()),
            sha: sha(&id)?,
            author_name: None,
            author_email: None,
            message: None,
            at: None,
            files: Vec::new(),
            fixes: Vec::new(),
        })
    };
    Ok(bounded(refs.map(commit).collect::<Result<Vec<_>, ApiError>>()?))
}

fn bounded(commits: Vec<Commit>) -> Vec<Commit> {
    let mut seen = std::collections::HashSet::new();
    let mut commits: Vec<Commit> =
        commits.into_iter().filter(|commit| seen.insert((commit.repository.clone(), commit.sha.clone()))).collect();
    commits.truncate(RELEASE_COMMITS_MAX);
    commits
}

fn repository(name: Option<&str>) -> String {
    name.and_then(|name| text(name, REPOSITORY_CHARS_MAX)).unwrap_or_else(|| NO_REPOSITORY.to_owned())
}

fn sha(id: &str) -> Result<String, ApiError> {
    let is_hash = !id.is_empty()
        && id.chars().count() <= COMMIT_ID_CHARS_MAX
        && !id.contains(|char: char| char.is_whitespace() || char.is_control());
    match is_hash {
        true => Ok(id.to_owned()),
        false => Err(ApiError::BadRequest(format!("The id of a commit has 1 to {COMMIT_ID_CHARS_MAX} characters"))),
    }
}
