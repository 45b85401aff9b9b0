//! Resolving, ignoring and reopening issues, by forms. The change itself is `store::lifecycle`. Merging, which
//! shares the form of the list, is in `regroupings`.

use actix_web::{HttpResponse, web};
use engine::ids::{IssueId, ProjectId};
use engine::issue::{Fix, Signal, Terms, Threshold};
use store::lifecycle::{self, By, Relative};
use store::{issues, live};
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
    /// Gone for good.
    Discard,
    /// The newest change was wrong.
    Undo,
}

impl Change {
    /// From the value of a button.
    pub(in crate::web) fn named(name: &str) -> Option<Self> {
        match name {
            "resolve" => Some(Self::Resolve),
            "ignore" => Some(Self::Ignore),
            "reopen" => Some(Self::Reopen),
            "discard" => Some(Self::Discard),
            "undo" => Some(Self::Undo),
            _ => None,
        }
    }

    /// The value of its button.
    pub(in crate::web) const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Ignore => "ignore",
            Self::Reopen => "reopen",
            Self::Discard => "discard",
            Self::Undo => "undo",
        }
    }

    /// What was done.
    pub(in crate::web) const fn done(self) -> &'static str {
        match self {
            Self::Resolve => "resolved",
            Self::Ignore => "ignored",
            Self::Reopen => "reopened",
            Self::Discard => "discarded",
            Self::Undo => "put back to where it was",
        }
    }
}

/// A form that changes issues: `do` is a `Wish` or `merge`; `id` may stand there many times.
pub(in crate::web) async fn post(web: web::Data<Web>, posted: Posted) -> Result<HttpResponse, PageError> {
    posted.viewer.must(Action::ChangeIssues)?;
    let fields = &posted.fields;
    let now = OffsetDateTime::now_utc();
    let ids: Vec<IssueId> = fields.all("id").filter_map(|id| id.parse().ok()).take(lifecycle::BULK_MAX).collect();
    if fields.get("do") == "merge" {
        return regroupings::merge(&web, &posted, &ids, now).await;
    }
    let wish = Wish::read(fields.get("do"), now).ok_or_else(|| PageError::BadRequest("Unknown action.".to_owned()))?;
    let mut wanted: Vec<(ProjectId, IssueId)> = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(issues::BY_IDS_MAX) {
        let found = issues::by_ids(&web.pool, chunk).await?;
        wanted.extend(found.iter().map(|issue| (issue.project_id, issue.id)));
    }
    if wanted.is_empty() {
        return Err(PageError::BadRequest("No issue was chosen. Tick the boxes in front of some first.".to_owned()));
    }
    let by = By { user: Some(posted.viewer.user_id), at: now };
    let (change, changed) = wish.grant(&web, &wanted, by).await?;
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

/// What a button asks for, read from its value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    /// `resolve`, `resolve:in:RELEASE`, `reopen`, `discard`, `ignore`, `ignore:SECONDS`, `ignore:escalating`,
    /// `ignore:events:COUNT`, `ignore:users:COUNT`.
    Signal(Change, Signal<'static>),
    /// `resolve:current`, `resolve:next`.
    Resolve(Relative),
    /// `undo:ACTIVITY`, of one issue.
    Undo(i64),
}

impl Wish {
    fn read(text: &str, now: OffsetDateTime) -> Option<Self> {
        let (name, how) = text.split_once(':').map_or((text, None), |(name, how)| (name, Some(how)));
        let change = Change::named(name)?;
        let resolve = |fix| Self::Signal(change, Signal::Resolve { fix, commit: None });
        Some(match (change, how) {
            (Change::Resolve, None) => resolve(Fix::Now),
            (Change::Resolve, Some("next")) => Self::Resolve(Relative::Next),
            (Change::Resolve, Some("current")) => Self::Resolve(Relative::Current),
            (Change::Resolve, Some(how)) => resolve(Fix::In(read_release(how.strip_prefix("in:")?)?)),
            (Change::Reopen, None) => Self::Signal(change, Signal::Reopen),
            (Change::Discard, None) => Self::Signal(change, Signal::Discard),
            (Change::Ignore, how) => Self::Signal(change, Signal::Ignore(read_terms(how, now)?)),
            (Change::Undo, Some(activity)) => Self::Undo(activity.parse().ok()?),
            (Change::Reopen | Change::Discard, Some(_)) | (Change::Undo, None) => return None,
        })
    }

    /// What was done, and to which issues.
    async fn grant(
        self,
        web: &Web,
        issues: &[(ProjectId, IssueId)],
        by: By,
    ) -> Result<(Change, Vec<(ProjectId, IssueId)>), PageError> {
        let pool = &web.pool;
        Ok(match self {
            Self::Signal(change, signal) => (change, lifecycle::apply(pool, issues, &signal, by.user, by.at).await?),
            Self::Resolve(relative) => {
                (Change::Resolve, lifecycle::resolve_relative(pool, issues, relative, by).await?)
            }
            Self::Undo(activity) => {
                let [issue] = issues else {
                    return Err(PageError::BadRequest("One change of one issue is undone at a time.".to_owned()));
                };
                let is_done = lifecycle::undo(pool, *issue, activity, by).await?;
                (Change::Undo, if is_done { vec![*issue] } else { Vec::new() })
            }
        })
    }
}

/// A release that the page offered. One that does not exist (any more) is harmless: its name still says what it is.
fn read_release(name: &str) -> Option<String> {
    let is_name = !name.is_empty() && name.chars().count() <= engine::limits::RELEASE_CHARS_MAX && !name.contains('\0');
    is_name.then(|| name.to_owned())
}

fn read_terms(how: Option<&str>, now: OffsetDateTime) -> Option<Terms> {
    let count = |text: &str| text.parse::<i64>().ok().filter(|count| (1..=1_000_000).contains(count));
    let threshold = |text| Some(Threshold { count: count(text)?, minutes: None });
    Some(match how.map(|how| how.split_once(':').unwrap_or((how, ""))) {
        None => Terms::default(),
        Some(("escalating", "")) => Terms { until_escalating: true, ..Terms::default() },
        Some(("events", text)) => Terms { events: Some(threshold(text)?), ..Terms::default() },
        Some(("users", text)) => Terms { users: Some(threshold(text)?), ..Terms::default() },
        // A year is the longest that a button offers.
        Some((seconds, "")) => {
            let seconds = seconds.parse::<i64>().ok().filter(|seconds| (1..=366 * 86_400).contains(seconds))?;
            Terms::until(Some(now + Duration::seconds(seconds)))
        }
        Some(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buttons_say_what_they_ask_for() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let read = |text: &str| Wish::read(text, now);
        let resolve = |fix| Some(Wish::Signal(Change::Resolve, Signal::Resolve { fix, commit: None }));
        let ignore = |terms| Some(Wish::Signal(Change::Ignore, Signal::Ignore(terms)));
        assert_eq!(read("resolve"), resolve(Fix::Now));
        assert_eq!(read("resolve:in:shop@2:1"), resolve(Fix::In("shop@2:1".into())));
        assert_eq!(read("resolve:next"), Some(Wish::Resolve(Relative::Next)));
        assert_eq!(read("ignore"), ignore(Terms::default()));
        assert_eq!(read("ignore:60"), ignore(Terms::until(Some(now + Duration::MINUTE))));
        let ten = Threshold { count: 10, minutes: None };
        assert_eq!(read("ignore:events:10"), ignore(Terms { events: Some(ten), ..Terms::default() }));
        assert_eq!(read("undo:7"), Some(Wish::Undo(7)));
        for text in
            ["", "fix", "resolve:in:", "resolve:soon", "ignore:0", "ignore:events:0", "reopen:1", "undo", "undo:x"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
