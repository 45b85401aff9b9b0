//! The body of an update, read into the one change that it asks for.
//!
//! Scripts send many attributes that trackers have had over the years. What we keep is applied, what is
//! harmless is accepted and ignored, and what would silently not happen is refused.

use engine::issue::{Commit, Terms, Threshold};
use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::error::ApiError;
use super::shape::date;

/// Attributes that change nothing that we show: bookkeeping of a person, which a token is not.
const IGNORED: [&str; 5] = ["hasSeen", "isBookmarked", "isSubscribed", "isPublic", "assignedBy"];

/// Attributes that say how long an issue is ignored; they may stand in the body or in `statusDetails`.
const TERMS: [&str; 8] = [
    "ignoreDuration",
    "snoozeDuration",
    "ignoreUntil",
    "ignoreCount",
    "ignoreWindow",
    "ignoreUserCount",
    "ignoreUserWindow",
    "untilEscalating",
];

/// Longest time to ignore an issue for: ten years in minutes.
const IGNORE_MINUTES_MAX: i64 = 10 * 366 * 24 * 60;

/// Longest window in which events or users are counted: a week, in minutes.
const WINDOW_MINUTES_MAX: i64 = 7 * 24 * 60;

/// Most events or users that an issue can be ignored for.
const IGNORE_COUNT_MAX: i64 = 1_000_000_000;

/// Longest name of a release, and of a commit or repository.
const RELEASE_CHARS_MAX: usize = engine::limits::RELEASE_CHARS_MAX;

/// What an update asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// Nothing that we keep.
    Nothing,
    /// Fixed.
    Resolve(ResolvedIn),
    /// Back into the list.
    Reopen,
    /// Put aside.
    Ignore(Terms),
    /// Gone for good.
    Discard,
}

/// What an issue is said to be resolved by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ResolvedIn {
    /// Nothing is named: from now on.
    Now,
    /// This release.
    Release(String),
    /// The newest release of the project.
    Latest,
    /// The one after it.
    Next(Next),
    /// A commit, and with it the release that has it.
    Commit(Commit),
}

/// The words for the next release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// `inNextRelease`
    Plain,
    /// `inUpcomingRelease`
    Upcoming,
    /// The status `resolvedInNextRelease`, which in a project without releases is a plain resolve.
    Status,
}

impl Change {
    /// Reads the body of an update.
    pub(super) fn read(body: &Map<String, Value>, now: OffsetDateTime) -> Result<Self, ApiError> {
        if body.get("discard") == Some(&Value::Bool(true)) {
            return Ok(Self::Discard);
        }
        let details = match body.get("statusDetails") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(details)) => details.clone(),
            Some(_) => return Err(ApiError::bad_request("statusDetails is an object")),
        };
        let is_known = |name: &str| {
            IGNORED.contains(&name)
                || TERMS.contains(&name)
                // Who gets the issues is read by `assigned`.
                || matches!(name, "statusDetails" | "substatus" | "status" | "assignedTo")
        };
        for (name, value) in body.iter().filter(|(name, _)| !is_known(name)) {
            let says_nothing = value.is_null() || (name == "discard" && *value == Value::Bool(false));
            if !says_nothing {
                return Err(ApiError::BadRequest(format!("{name} cannot be changed here (yet)")));
            }
        }
        match body.get("status") {
            None | Some(Value::Null) if details.is_empty() => Ok(Self::Nothing),
            None | Some(Value::Null) => Self::with_status("resolved", body, &details, now),
            Some(Value::String(status)) => Self::with_status(status, body, &details, now),
            Some(_) => Err(ApiError::bad_request("status is a text")),
        }
    }

    fn with_status(
        status: &str,
        body: &Map<String, Value>,
        details: &Map<String, Value>,
        now: OffsetDateTime,
    ) -> Result<Self, ApiError> {
        match status {
            "resolved" => resolved_in(details).map(Self::Resolve),
            "resolvedInNextRelease" => Ok(Self::Resolve(ResolvedIn::Next(Next::Status))),
            "unresolved" | "reprocessing" => Ok(Self::Reopen),
            "ignored" | "muted" => terms(body, details, now).map(Self::Ignore),
            _ => Err(ApiError::BadRequest(format!(
                "status is resolved, unresolved, ignored, muted or resolvedInNextRelease, not {}",
                status.chars().take(40).collect::<String>()
            ))),
        }
    }

    /// Whether it names a release, which only the issues of one project can share.
    pub(super) fn is_release_bound(&self) -> bool {
        matches!(self, Self::Resolve(resolved) if !matches!(resolved, ResolvedIn::Now | ResolvedIn::Next(Next::Status)))
    }

    /// What a bulk update answers: the attributes that were applied.
    pub(super) fn applied(&self) -> Value {
        match self {
            Self::Nothing | Self::Discard => json!({}),
            Self::Resolve(resolved) => {
                let details = match resolved {
                    ResolvedIn::Now => json!({}),
                    ResolvedIn::Release(release) => json!({ "inRelease": release }),
                    ResolvedIn::Latest => json!({ "inRelease": "latest" }),
                    ResolvedIn::Next(Next::Plain | Next::Status) => json!({ "inNextRelease": true }),
                    ResolvedIn::Next(Next::Upcoming) => json!({ "inUpcomingRelease": true }),
                    ResolvedIn::Commit(commit) => json!({ "inCommit": in_commit(commit) }),
                };
                json!({ "status": "resolved", "statusDetails": details })
            }
            Self::Reopen => json!({ "status": "unresolved", "statusDetails": {} }),
            Self::Ignore(terms) => json!({
                "status": "ignored",
                "statusDetails": ignored_details(terms),
                "substatus": ignored_substatus(terms),
            }),
        }
    }
}

/// A commit as the API shows it.
pub(super) fn in_commit(commit: &Commit) -> Value {
    json!({ "commit": commit.id, "repository": commit.repository })
}

/// What ends the time in which an issue is ignored, as the API shows it.
pub(super) fn ignored_details(terms: &Terms) -> Value {
    let mut details = Map::new();
    if let Some(until) = terms.until {
        details.insert("ignoreUntil".into(), date(until).into());
    }
    for (threshold, count, window) in
        [(terms.events, "ignoreCount", "ignoreWindow"), (terms.users, "ignoreUserCount", "ignoreUserWindow")]
    {
        if let Some(threshold) = threshold {
            details.insert(count.into(), threshold.count.into());
            if let Some(minutes) = threshold.minutes {
                details.insert(window.into(), minutes.into());
            }
        }
    }
    if terms.until_escalating {
        details.insert("untilEscalating".into(), true.into());
    }
    Value::Object(details)
}

/// Sentry's word for the kind of terms.
pub(super) fn ignored_substatus(terms: &Terms) -> &'static str {
    if terms.is_for_good() {
        "archived_forever"
    } else if *terms == (Terms { until_escalating: true, ..Terms::default() }) {
        "archived_until_escalating"
    } else {
        "archived_until_condition_met"
    }
}

fn resolved_in(details: &Map<String, Value>) -> Result<ResolvedIn, ApiError> {
    let mut found = ResolvedIn::Now;
    for (name, value) in details.iter().filter(|(_, value)| !matches!(value, Value::Null | Value::Bool(false))) {
        found = match (name.as_str(), value) {
            ("inRelease", Value::String(release)) if release == "latest" => ResolvedIn::Latest,
            ("inRelease", Value::String(release)) if is_release(release) => ResolvedIn::Release(release.clone()),
            ("inRelease", _) => {
                let detail = format!("inRelease is the name of a release, at most {RELEASE_CHARS_MAX} characters");
                return Err(ApiError::BadRequest(detail));
            }
            ("inNextRelease", Value::Bool(true)) => ResolvedIn::Next(Next::Plain),
            ("inUpcomingRelease", Value::Bool(true)) => ResolvedIn::Next(Next::Upcoming),
            ("inCommit", commit) => ResolvedIn::Commit(read_commit(commit)?),
            ("actor", _) => continue,
            _ => return Err(ApiError::BadRequest(format!("statusDetails.{name} is not supported"))),
        };
    }
    Ok(found)
}

/// `{"commit": …, "repository": …}`; a whole hash or its beginning.
fn read_commit(value: &Value) -> Result<Commit, ApiError> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let id = text("commit").unwrap_or_default().to_ascii_lowercase();
    let is_hash = (7..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let repository = text("repository").filter(|name| !name.is_empty());
    if !is_hash || repository.is_some_and(|name| name.chars().count() > RELEASE_CHARS_MAX || name.contains('\0')) {
        return Err(ApiError::bad_request(
            "inCommit is {\"commit\": the hash, or its first 7 digits and more, \"repository\": its name}",
        ));
    }
    Ok(Commit { id, repository: repository.map(str::to_owned) })
}

fn is_release(name: &str) -> bool {
    !name.is_empty()
        && name.chars().count() <= RELEASE_CHARS_MAX
        && !name.contains(['/', '\n', '\r', '\t', '\u{c}', '\0'])
}

/// What ends the time in which an issue is ignored.
fn terms(body: &Map<String, Value>, details: &Map<String, Value>, now: OffsetDateTime) -> Result<Terms, ApiError> {
    if let Some(unknown) = details.keys().find(|name| !TERMS.contains(&name.as_str()) && *name != "actor") {
        return Err(ApiError::BadRequest(format!("statusDetails.{unknown} is not supported")));
    }
    let value = |name: &str| [details, body].into_iter().filter_map(|map| map.get(name)).find(|value| !value.is_null());
    let number = |name: &str, most: i64| match value(name) {
        None => Ok(None),
        Some(found) => match found.as_i64().filter(|number| (1..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(ApiError::BadRequest(format!("{name} is a number from 1 to {most}"))),
        },
    };
    let threshold =
        |count: &str, window: &str| match (number(count, IGNORE_COUNT_MAX)?, number(window, WINDOW_MINUTES_MAX)?) {
            (None, Some(_)) => Err(ApiError::BadRequest(format!("{window} needs {count}"))),
            (count, minutes) => Ok(count.map(|count| Threshold { count, minutes })),
        };
    let minutes = number("ignoreDuration", IGNORE_MINUTES_MAX)?.or(number("snoozeDuration", IGNORE_MINUTES_MAX)?);
    let mut terms = Terms {
        until: minutes.and_then(|minutes| now.checked_add(Duration::minutes(minutes))),
        events: threshold("ignoreCount", "ignoreWindow")?,
        users: threshold("ignoreUserCount", "ignoreUserWindow")?,
        until_escalating: value("untilEscalating") == Some(&Value::Bool(true)),
    };
    if let Some(until) = value("ignoreUntil") {
        let until = until.as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        let until = until.filter(|until| (0..=9999).contains(&until.year()));
        terms.until =
            Some(until.ok_or_else(|| ApiError::bad_request("ignoreUntil is a date and time, as in RFC 3339"))?);
    }
    match body.get("substatus").and_then(Value::as_str) {
        Some("archived_until_escalating") => terms.until_escalating = true,
        Some("archived_until_condition_met") if terms.is_for_good() => {
            return Err(ApiError::bad_request("archived_until_condition_met needs a condition in statusDetails"));
        }
        _ => {}
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    fn read(body: Value) -> Result<Change, String> {
        let Value::Object(body) = body else { panic!("an object") };
        Change::read(&body, NOW).map_err(|error| error.to_string())
    }

    #[test]
    fn what_sentry_cli_sends() {
        assert_eq!(read(json!({"status": "resolved", "snoozeDuration": null})), Ok(Change::Resolve(ResolvedIn::Now)));
        let next = json!({"status": "resolvedInNextRelease", "snoozeDuration": null});
        assert_eq!(read(next), Ok(Change::Resolve(ResolvedIn::Next(Next::Status))));
        assert_eq!(read(json!({"status": "muted", "snoozeDuration": null})), Ok(Change::Ignore(Terms::default())));
        assert_eq!(read(json!({"status": "unresolved", "snoozeDuration": null})), Ok(Change::Reopen));
    }

    #[test]
    fn details_of_a_status() {
        let release = |name: &str| Ok(Change::Resolve(ResolvedIn::Release(name.into())));
        assert_eq!(read(json!({"status": "resolved", "statusDetails": {"inRelease": "shop@2"}})), release("shop@2"));
        assert_eq!(read(json!({"statusDetails": {"inRelease": "shop@2"}})), release("shop@2"));
        let latest = json!({"status": "resolved", "statusDetails": {"inRelease": "latest"}});
        assert_eq!(read(latest), Ok(Change::Resolve(ResolvedIn::Latest)));
        let ignored = Ok(Change::Ignore(Terms::until(Some(datetime!(2026-11-22 13:00 UTC)))));
        assert_eq!(read(json!({"status": "ignored", "ignoreDuration": 60})), ignored);
        assert_eq!(read(json!({"status": "ignored", "statusDetails": {"ignoreDuration": 60}})), ignored);
        assert_eq!(read(json!({"hasSeen": true})), Ok(Change::Nothing));
    }

    #[test]
    fn what_would_silently_not_happen_is_refused() {
        for body in [
            json!({"status": "fixed"}),
            json!({"status": 1}),
            json!({"statusDetails": []}),
            json!({"priority": "high"}),
            json!({"merge": 1}),
            json!({"status": "resolved", "statusDetails": {"inCommit": {"commit": "a"}}}),
            json!({"status": "resolved", "statusDetails": {"inCommit": "1a2b3c4"}}),
            json!({"status": "resolved", "statusDetails": {"inAYear": true}}),
            json!({"status": "resolved", "statusDetails": {"inRelease": "a/b"}}),
            json!({"status": "ignored", "statusDetails": {"ignoreWindow": 5}}),
            json!({"status": "ignored", "statusDetails": {"ignoreCount": 0}}),
            json!({"status": "ignored", "statusDetails": {"ignoreCount": 5, "ignoreWindow": 99_999}}),
            json!({"status": "ignored", "statusDetails": {"ignoreUntil": "tomorrow"}}),
            json!({"status": "ignored", "statusDetails": {"inRelease": "shop@2"}}),
            json!({"status": "ignored", "substatus": "archived_until_condition_met"}),
            json!({"status": "ignored", "ignoreDuration": -1}),
            json!({"status": "ignored", "ignoreDuration": 99_999_999_999_i64}),
        ] {
            assert!(read(body.clone()).is_err(), "{body}");
        }
    }

    #[test]
    fn releases_and_commits() {
        let details = |details: Value| read(json!({"status": "resolved", "statusDetails": details}));
        let next = |next| Ok(Change::Resolve(ResolvedIn::Next(next)));
        assert_eq!(details(json!({"inNextRelease": true})), next(Next::Plain));
        assert_eq!(details(json!({"inUpcomingRelease": true})), next(Next::Upcoming));
        assert_eq!(details(json!({"inNextRelease": false})), Ok(Change::Resolve(ResolvedIn::Now)));
        let commit = details(json!({"inCommit": {"commit": "1A2B3C4", "repository": "acme/shop"}}));
        let commit = commit.unwrap();
        let known = Commit { id: "1a2b3c4".into(), repository: Some("acme/shop".into()) };
        assert_eq!(commit, Change::Resolve(ResolvedIn::Commit(known)));
        assert!(commit.is_release_bound());
        let applied = json!({"inCommit": {"commit": "1a2b3c4", "repository": "acme/shop"}});
        assert_eq!(commit.applied(), json!({"status": "resolved", "statusDetails": applied}));
        let status = read(json!({"status": "resolvedInNextRelease"})).unwrap();
        assert!(!status.is_release_bound(), "the command line sends it for whatever it selects");
    }

    #[test]
    fn terms_of_ignoring() {
        let all = json!({"status": "ignored", "substatus": "archived_until_escalating", "statusDetails": {
            "ignoreDuration": 60, "ignoreCount": 100, "ignoreWindow": 30, "ignoreUserCount": 5, "ignoreUserWindow": null}});
        let terms = Terms {
            until: Some(datetime!(2026-11-22 13:00 UTC)),
            events: Some(Threshold { count: 100, minutes: Some(30) }),
            users: Some(Threshold { count: 5, minutes: None }),
            until_escalating: true,
        };
        assert_eq!(read(all), Ok(Change::Ignore(terms.clone())));
        let shown = ignored_details(&terms);
        assert_eq!(read(json!({"status": "ignored", "statusDetails": shown})), Ok(Change::Ignore(terms.clone())));
        assert_eq!(ignored_substatus(&terms), "archived_until_condition_met");
        let escalating = read(json!({"status": "ignored", "substatus": "archived_until_escalating"})).unwrap();
        assert_eq!(escalating.applied()["substatus"], "archived_until_escalating");
        let forever = read(json!({"status": "ignored", "substatus": "archived_forever"})).unwrap();
        assert_eq!(forever, Change::Ignore(Terms::default()));
    }
}
