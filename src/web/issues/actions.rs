//! Resolving, ignoring, reopening and removing issues, by forms. The change itself is `store::lifecycle`. Merging, which
//! shares the form of the list, is in `regroupings`.

use actix_web::{HttpResponse, web};
use engine::ids::{IssueId, ProjectId, UserId};
use engine::issue::{Commit, Fix, Signal, Terms, Threshold};
use store::lifecycle::{self, By, Relative};
use store::{commits, issues, live, releases};
use time::{Duration, OffsetDateTime};

use crate::web::Web;
use crate::web::access::Action;
use crate::web::error::PageError;
use crate::web::regroupings;
use crate::web::session::{Posted, local_path};
use crate::web::shell::see_other;
use crate::web::toast::{self, Toast};

/// Most events or users that an issue can be ignored for.
const COUNT_MAX: i64 = 1_000_000;
/// Longest window in which they are counted: a week, in minutes.
const WINDOW_MINUTES_MAX: i64 = 7 * 24 * 60;

/// What was done to issues, as the message at the foot of the page says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The words of `Done::ALL` say it.
pub(in crate::web) enum Done {
    Resolved,
    ResolvedCurrent,
    ResolvedNext,
    ResolvedIn,
    ResolvedBy,
    Ignored,
    IgnoredUntil,
    IgnoredEvents,
    IgnoredUsers,
    IgnoredEscalating,
    Reopened,
    Taken,
    Assigned,
    GivenBack,
    Discarded,
    Deleted,
    Undone,
}

impl Done {
    /// Each with its code in the cookie and its words.
    const ALL: [(Self, &'static str, &'static str); 17] = [
        (Self::Resolved, "resolved", "resolved"),
        (Self::ResolvedCurrent, "resolved-current", "resolved in the current release"),
        (Self::ResolvedNext, "resolved-next", "resolved in the next release"),
        (Self::ResolvedIn, "resolved-in", "resolved in the named release"),
        (Self::ResolvedBy, "resolved-by", "resolved by a commit"),
        (Self::Ignored, "ignored", "ignored for good"),
        (Self::IgnoredUntil, "ignored-until", "ignored for a time"),
        (Self::IgnoredEvents, "ignored-events", "ignored until it happens more often"),
        (Self::IgnoredUsers, "ignored-users", "ignored until more users meet it"),
        (Self::IgnoredEscalating, "ignored-escalating", "ignored until it escalates"),
        (Self::Reopened, "reopened", "reopened"),
        (Self::Taken, "taken", "assigned to you"),
        (Self::Assigned, "assigned", "assigned"),
        (Self::GivenBack, "given-back", "assigned to nobody"),
        (Self::Discarded, "discarded", "discarded"),
        (Self::Deleted, "deleted", "deleted"),
        (Self::Undone, "undone", "put back"),
    ];

    /// From its code.
    pub(in crate::web) fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known, _)| *known == code).map(|(done, ..)| done)
    }

    fn told(self) -> (&'static str, &'static str) {
        let found = Self::ALL.into_iter().find(|(done, ..)| *done == self);
        found.map_or(("", ""), |(_, code, words)| (code, words))
    }

    /// Its code in the cookie.
    pub(in crate::web) fn code(self) -> &'static str {
        self.told().0
    }

    /// What was done.
    pub(in crate::web) fn words(self) -> &'static str {
        self.told().1
    }

    /// Whether the message offers to take it back.
    pub(in crate::web) const fn is_undoable(self) -> bool {
        !matches!(self, Self::Deleted | Self::Undone)
    }

    const fn of_terms(terms: &Terms) -> Self {
        match terms {
            Terms { until_escalating: true, .. } => Self::IgnoredEscalating,
            Terms { events: Some(_), .. } => Self::IgnoredEvents,
            Terms { users: Some(_), .. } => Self::IgnoredUsers,
            Terms { until: Some(_), .. } => Self::IgnoredUntil,
            _ => Self::Ignored,
        }
    }
}

/// A form that changes issues: `do` is a `Wish` or `merge`; `id` may stand there many times.
pub(in crate::web) async fn post(web: web::Data<Web>, posted: Posted) -> Result<HttpResponse, PageError> {
    let fields = &posted.fields;
    let now = OffsetDateTime::now_utc();
    let ids: Vec<IssueId> = fields.all("id").filter_map(|id| id.parse().ok()).take(lifecycle::BULK_MAX).collect();
    if fields.get("do") == "merge" {
        return regroupings::merge(&web, &posted, &ids, now).await;
    }
    let wish = Wish::read(fields.get("do"), |name| fields.get(name), now).map_err(PageError::BadRequest)?;
    let mut wanted: Vec<(ProjectId, IssueId)> = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(issues::BY_IDS_MAX) {
        let found = issues::by_ids(&web.pool, chunk).await?;
        wanted.extend(found.iter().map(|issue| (issue.project_id, issue.id)));
    }
    if wanted.is_empty() {
        return Err(PageError::BadRequest("No issue was chosen. Tick the boxes in front of some first.".to_owned()));
    }
    let wanted = posted.viewer.only(Action::ChangeIssues, wanted, |(project_id, _)| *project_id)?;
    let by = By { user: Some(posted.viewer.user_id), at: now };
    let (done, changed) = wish.grant(&web, &wanted, by).await?;
    if let Err(error) = live::notify(&web.pool, &changed).await {
        // The change is made; other open pages show it when they next read.
        tracing::warn!(%error, "open pages were not told of a change");
    }
    let changed: Vec<IssueId> = changed.into_iter().map(|(_, id)| id).collect();
    let mut response = see_other(local_path(fields.get("back"), "/issues"));
    let cookie =
        web.cookie(toast::COOKIE, Toast::cookie_value(done, now, &changed), Duration::seconds(toast::COOKIE_SECONDS));
    response.add_cookie(&cookie).map_err(|error| PageError::Internal(error.to_string()))?;
    Ok(response)
}

/// What a button asks for, read from its value and the fields beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    /// `resolve`, `resolve:in:RELEASE`, `reopen`, `discard`, `delete`, `ignore`, `ignore:SECONDS`, `ignore:escalating`,
    /// `ignore:events:COUNT`, `ignore:users:COUNT`, `ignore:more` with `count`, `of` and `minutes`.
    Signal(Done, Signal<'static>),
    /// `resolve:current`, `resolve:next`.
    Resolve(Done, Relative),
    /// `resolve:named`, with `release`, which a person typed.
    ResolveIn(String),
    /// `resolve:commit`, with `commit`.
    ResolveBy(Commit),
    /// `assign:me`, `assign:none`, `assign:USER`, or `assign:chosen` with `assignee`.
    Assign(To),
    /// `undo:ACTIVITY`, of one issue.
    Undo(i64),
    /// `undo-all:MICROS`: what was done at that moment.
    UndoAll(OffsetDateTime),
}

/// Who gets issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Me,
    Nobody,
    Person(UserId),
}

impl To {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "me" => Ok(Self::Me),
            "none" => Ok(Self::Nobody),
            id => id.parse().map(|id| Self::Person(UserId(id))).map_err(|_| "Choose who gets the issues.".to_owned()),
        }
    }
}

impl Wish {
    /// `field` gives the fields of the form; the error is for the person who sent it.
    fn read<'a>(text: &str, field: impl Fn(&str) -> &'a str, now: OffsetDateTime) -> Result<Self, String> {
        let (name, how) = text.split_once(':').map_or((text, None), |(name, how)| (name, Some(how)));
        let resolve = |done, fix| Self::Signal(done, Signal::Resolve { fix, commit: None });
        let unknown = || "Unknown action.".to_owned();
        Ok(match (name, how) {
            ("resolve", None) => resolve(Done::Resolved, Fix::Now),
            ("resolve", Some("next")) => Self::Resolve(Done::ResolvedNext, Relative::Next),
            ("resolve", Some("current")) => Self::Resolve(Done::ResolvedCurrent, Relative::Current),
            ("resolve", Some("named")) => Self::ResolveIn(read_release(field("release").trim())?),
            ("resolve", Some("commit")) => Self::ResolveBy(read_commit(field("commit"))?),
            ("resolve", Some(how)) => {
                resolve(Done::ResolvedIn, Fix::In(read_release(how.strip_prefix("in:").ok_or_else(unknown)?)?))
            }
            ("reopen", None) => Self::Signal(Done::Reopened, Signal::Reopen),
            ("discard", None) => Self::Signal(Done::Discarded, Signal::Discard),
            ("delete", None) => Self::Signal(Done::Deleted, Signal::Delete),
            ("ignore", how) => {
                let terms = match how {
                    Some("more") => read_more(field("count"), field("of"), field("minutes"))?,
                    how => read_terms(how, now).ok_or_else(unknown)?,
                };
                Self::Signal(Done::of_terms(&terms), Signal::Ignore(terms))
            }
            ("assign", Some(to)) => Self::Assign(To::read(if to == "chosen" { field("assignee") } else { to })?),
            ("undo", Some(activity)) => Self::Undo(activity.parse().map_err(|_| unknown())?),
            ("undo-all", Some(micros)) => Self::UndoAll(read_moment(micros).ok_or_else(unknown)?),
            _ => return Err(unknown()),
        })
    }

    /// What was done, and to which issues.
    async fn grant(
        self,
        web: &Web,
        issues: &[(ProjectId, IssueId)],
        by: By,
    ) -> Result<(Done, Vec<(ProjectId, IssueId)>), PageError> {
        let pool = &web.pool;
        Ok(match self {
            Self::Signal(done, signal) => (done, lifecycle::apply(pool, issues, &signal, by.user, by.at).await?),
            Self::Resolve(done, relative) => (done, lifecycle::resolve_relative(pool, issues, relative, by).await?),
            Self::ResolveIn(release) => {
                let project_id = one_project(issues)?;
                if !releases::exists(pool, project_id, &release).await? {
                    return Err(PageError::BadRequest(format!(
                        "The project has no release {release:.200}. Name one that it has, or resolve it in the next release."
                    )));
                }
                let signal = Signal::Resolve { fix: Fix::In(release), commit: None };
                (Done::ResolvedIn, lifecycle::apply(pool, issues, &signal, by.user, by.at).await?)
            }
            Self::ResolveBy(commit) => {
                one_project(issues)?;
                (Done::ResolvedBy, commits::resolve_by(pool, issues, &commit, by).await?)
            }
            Self::Assign(to) => {
                let (done, to) = match to {
                    To::Me => (Done::Taken, by.user),
                    To::Nobody => (Done::GivenBack, None),
                    To::Person(id) => (Done::Assigned, Some(id)),
                };
                (done, lifecycle::assign(pool, issues, to, by).await?)
            }
            Self::Undo(activity) => {
                let [issue] = issues else {
                    return Err(PageError::BadRequest("One change of one issue is undone at a time.".to_owned()));
                };
                let is_done = lifecycle::undo(pool, *issue, activity, by).await?;
                (Done::Undone, if is_done { vec![*issue] } else { Vec::new() })
            }
            Self::UndoAll(at) => (Done::Undone, lifecycle::undo_all(pool, issues, at, by).await?),
        })
    }
}

/// Releases and commits belong to a project.
fn one_project(issues: &[(ProjectId, IssueId)]) -> Result<ProjectId, PageError> {
    match issues {
        [(first, _), rest @ ..] if rest.iter().all(|(project_id, _)| project_id == first) => Ok(*first),
        _ => Err(PageError::BadRequest("Releases belong to a project: choose issues of one project.".to_owned())),
    }
}

/// One that does not exist (any more) is harmless where the page offered it: its name still says what it is.
fn read_release(name: &str) -> Result<String, String> {
    let is_name = !name.is_empty() && name.chars().count() <= engine::limits::RELEASE_CHARS_MAX && !name.contains('\0');
    if is_name { Ok(name.to_owned()) } else { Err("Name a release, such as shop@2.1.0.".to_owned()) }
}

fn read_commit(text: &str) -> Result<Commit, String> {
    let id = text.trim().to_ascii_lowercase();
    let is_hash = (7..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash {
        Ok(Commit { id, repository: None })
    } else {
        Err("Name a commit by its hash, or by its first 7 digits and more.".to_owned())
    }
}

fn read_moment(micros: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros.parse::<i64>().ok()?) * 1_000).ok()
}

/// `count` more events or users, within `minutes` when that says something.
fn read_more(count: &str, of: &str, minutes: &str) -> Result<Terms, String> {
    let number = |name: &str, text: &str, most: i64| match text.trim().parse::<i64>() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("{name} is a number from 1 to {most}.")),
    };
    let count = number("How many more", count, COUNT_MAX)?;
    let minutes = match minutes.trim() {
        "" => None,
        text => Some(number("The window, in minutes,", text, WINDOW_MINUTES_MAX)?),
    };
    let threshold = Some(Threshold { count, minutes });
    match of {
        "events" => Ok(Terms { events: threshold, ..Terms::default() }),
        "users" => Ok(Terms { users: threshold, ..Terms::default() }),
        _ => Err("Choose events or users.".to_owned()),
    }
}

fn read_terms(how: Option<&str>, now: OffsetDateTime) -> Option<Terms> {
    let count = |text: &str| text.parse::<i64>().ok().filter(|count| (1..=COUNT_MAX).contains(count));
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

    fn read_with(text: &str, fields: &[(&str, &'static str)]) -> Result<Wish, String> {
        let field = |name: &str| fields.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value);
        Wish::read(text, field, OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn buttons_say_what_they_ask_for() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let read = |text: &str| read_with(text, &[]);
        let resolve = |done, fix| Ok(Wish::Signal(done, Signal::Resolve { fix, commit: None }));
        let ignore = |done, terms| Ok(Wish::Signal(done, Signal::Ignore(terms)));
        assert_eq!(read("resolve"), resolve(Done::Resolved, Fix::Now));
        assert_eq!(read("resolve:in:shop@2:1"), resolve(Done::ResolvedIn, Fix::In("shop@2:1".into())));
        assert_eq!(read("resolve:next"), Ok(Wish::Resolve(Done::ResolvedNext, Relative::Next)));
        assert_eq!(read("ignore"), ignore(Done::Ignored, Terms::default()));
        assert_eq!(read("ignore:60"), ignore(Done::IgnoredUntil, Terms::until(Some(now + Duration::MINUTE))));
        let ten = Threshold { count: 10, minutes: None };
        assert_eq!(
            read("ignore:events:10"),
            ignore(Done::IgnoredEvents, Terms { events: Some(ten), ..Terms::default() })
        );
        assert_eq!(read("assign:me"), Ok(Wish::Assign(To::Me)));
        assert_eq!(read("assign:none"), Ok(Wish::Assign(To::Nobody)));
        let seven = Ok(Wish::Assign(To::Person(UserId(7))));
        assert_eq!((read("assign:7"), read_with("assign:chosen", &[("assignee", "7")])), (seven.clone(), seven));
        assert_eq!(read("undo:7"), Ok(Wish::Undo(7)));
        assert_eq!(read("undo-all:60000000"), Ok(Wish::UndoAll(now + Duration::MINUTE)));
        for text in [
            "",
            "fix",
            "resolve:in:",
            "resolve:soon",
            "ignore:0",
            "ignore:events:0",
            "reopen:1",
            "undo",
            "undo:x",
            "undo-all:x",
            "assign",
            "assign:ann",
            "assign:chosen",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_person_types_is_read_or_explained() {
        let commit = Commit { id: "1a2b3c4".into(), repository: None };
        assert_eq!(read_with("resolve:commit", &[("commit", " 1A2B3C4 ")]), Ok(Wish::ResolveBy(commit)));
        assert_eq!(read_with("resolve:named", &[("release", "shop@2")]), Ok(Wish::ResolveIn("shop@2".into())));
        let users = Threshold { count: 5, minutes: Some(60) };
        assert_eq!(
            read_with("ignore:more", &[("count", "5"), ("of", "users"), ("minutes", "60")]),
            Ok(Wish::Signal(Done::IgnoredUsers, Signal::Ignore(Terms { users: Some(users), ..Terms::default() })))
        );
        assert_eq!(
            read_with("ignore:more", &[("count", "5"), ("of", "users"), ("minutes", "0")]),
            Err("The window, in minutes, is a number from 1 to 10080.".to_owned())
        );
        for (text, field, value) in
            [("resolve:commit", "commit", "HEAD"), ("resolve:named", "release", " "), ("ignore:more", "count", "many")]
        {
            assert!(read_with(text, &[(field, value)]).is_err(), "{text}");
        }
    }

    #[test]
    fn everything_done_has_a_code_of_its_own() {
        for (done, code, _) in Done::ALL {
            assert_eq!((Done::named(code), done.code()), (Some(done), code));
        }
    }
}
