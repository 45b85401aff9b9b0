//! Resolving, ignoring and reopening issues, by forms. The change itself is `store::lifecycle`. Merging, which
//! shares the form of the list, is in `regroupings`.

use actix_web::{HttpResponse, web};
use engine::ids::{IssueId, ProjectId};
use engine::issue::Signal;
use store::{issues, lifecycle, live};
use time::{Duration, OffsetDateTime};

use crate::web::Web;
use crate::web::access::Action;
use crate::web::error::PageError;
use crate::web::regroupings;
use crate::web::session::{Posted, local_path};
use crate::web::shell::see_other;
use crate::web::toast::{self, Toast};

/// What a person does to issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is fixed.
    Resolve,
    /// Hear no more of it, for some time or for good.
    Ignore,
    /// Back into the list.
    Reopen,
}

impl Change {
    /// From the value of a button.
    pub(in crate::web) fn named(name: &str) -> Option<Self> {
        match name {
            "resolve" => Some(Self::Resolve),
            "ignore" => Some(Self::Ignore),
            "reopen" => Some(Self::Reopen),
            _ => None,
        }
    }

    /// The value of its button.
    pub(in crate::web) const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Ignore => "ignore",
            Self::Reopen => "reopen",
        }
    }

    /// What was done.
    pub(in crate::web) const fn done(self) -> &'static str {
        match self {
            Self::Resolve => "resolved",
            Self::Ignore => "ignored",
            Self::Reopen => "reopened",
        }
    }
}

/// A form that changes issues: `do` is `resolve`, `reopen`, `ignore`, `ignore:SECONDS` or `merge`; `id` may
/// stand there many times.
pub(in crate::web) async fn post(web: web::Data<Web>, posted: Posted) -> Result<HttpResponse, PageError> {
    posted.viewer.must(Action::ChangeIssues)?;
    let fields = &posted.fields;
    let now = OffsetDateTime::now_utc();
    let ids: Vec<IssueId> = fields.all("id").filter_map(|id| id.parse().ok()).take(lifecycle::BULK_MAX).collect();
    if fields.get("do") == "merge" {
        return regroupings::merge(&web, &posted, &ids, now).await;
    }
    let (change, signal) = read_change(fields.get("do"), now)?;
    let mut wanted: Vec<(ProjectId, IssueId)> = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(issues::BY_IDS_MAX) {
        let found = issues::by_ids(&web.pool, chunk).await?;
        wanted.extend(found.iter().map(|issue| (issue.project_id, issue.id)));
    }
    if wanted.is_empty() {
        return Err(PageError::BadRequest("No issue was chosen. Tick the boxes in front of some first.".to_owned()));
    }
    let changed = lifecycle::apply(&web.pool, &wanted, &signal, Some(posted.viewer.user_id), now).await?;
    if let Err(error) = live::notify(&web.pool, &changed).await {
        // The change is made; other open pages show it when they next read.
        tracing::warn!(%error, "open pages were not told of a change");
    }
    let changed: Vec<IssueId> = changed.into_iter().map(|(_, id)| id).collect();
    let mut response = see_other(local_path(fields.get("back"), "/issues"));
    let cookie =
        web.cookie(toast::COOKIE, Toast::cookie_value(change, &changed), Duration::seconds(toast::COOKIE_SECONDS));
    response.add_cookie(&cookie).map_err(|error| PageError::Internal(error.to_string()))?;
    Ok(response)
}

fn read_change(text: &str, now: OffsetDateTime) -> Result<(Change, Signal<'static>), PageError> {
    let (name, seconds) = text.split_once(':').map_or((text, None), |(name, seconds)| (name, Some(seconds)));
    let change = Change::named(name).ok_or_else(|| PageError::BadRequest("Unknown action.".to_owned()))?;
    // A year is the longest that a button offers; "for good" has no end.
    let seconds = seconds.and_then(|seconds| seconds.parse::<i64>().ok()).filter(|s| (1..=366 * 86_400).contains(s));
    let signal = match change {
        Change::Resolve => Signal::Resolve { in_release: None },
        Change::Reopen => Signal::Reopen,
        Change::Ignore => Signal::Ignore { until: seconds.map(|seconds| now + Duration::seconds(seconds)) },
    };
    Ok((change, signal))
}
