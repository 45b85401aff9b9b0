//! The body of an update, read into the one change that it asks for.
//!
//! Scripts send many attributes that trackers have had over the years. What we keep is applied, what is
//! harmless is accepted and ignored, and what would silently not happen is refused.

use engine::issue::Signal;
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

use super::error::ApiError;
use super::shape::date;

/// Attributes that change nothing that we show: bookkeeping of a person, which a token is not.
const IGNORED: [&str; 8] =
    ["hasSeen", "isBookmarked", "isSubscribed", "isPublic", "substatus", "snoozeDuration", "ignoreDuration", "status"];

/// Longest time to ignore an issue for: ten years in minutes.
const IGNORE_MINUTES_MAX: i64 = 10 * 366 * 24 * 60;

/// Longest name of a release.
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
    /// Put aside, until a time or for good.
    Ignore(Option<OffsetDateTime>),
}

/// Which release an issue is said to be resolved in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ResolvedIn {
    /// None is named: from now on.
    Now,
    /// This one.
    Release(String),
    /// The newest release of the project.
    Latest,
}

impl Change {
    /// Reads the body of an update.
    pub(super) fn read(body: &Map<String, Value>, now: OffsetDateTime) -> Result<Self, ApiError> {
        let details = match body.get("statusDetails") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(details)) => details.clone(),
            Some(_) => return Err(ApiError::bad_request("statusDetails is an object")),
        };
        for name in body.keys().filter(|name| !IGNORED.contains(&name.as_str()) && *name != "statusDetails") {
            if !body[name].is_null() {
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
            // What comes after the newest release cannot be told from it yet: from now on.
            "resolvedInNextRelease" => Ok(Self::Resolve(ResolvedIn::Now)),
            "unresolved" | "reprocessing" => Ok(Self::Reopen),
            "ignored" | "muted" => ignored_until(body, details, now).map(Self::Ignore),
            _ => Err(ApiError::BadRequest(format!(
                "status is resolved, unresolved, ignored, muted or resolvedInNextRelease, not {}",
                status.chars().take(40).collect::<String>()
            ))),
        }
    }

    /// The signal for the issue's state machine; `latest` is the newest release of its project.
    pub(super) fn signal(&self, latest: Option<&str>) -> Result<Option<Signal<'static>>, ApiError> {
        Ok(Some(match self {
            Self::Nothing => return Ok(None),
            Self::Resolve(ResolvedIn::Now) => Signal::Resolve { in_release: None },
            Self::Resolve(ResolvedIn::Release(release)) => Signal::Resolve { in_release: Some(release.clone()) },
            Self::Resolve(ResolvedIn::Latest) => match latest {
                Some(release) => Signal::Resolve { in_release: Some(release.to_owned()) },
                None => return Err(ApiError::bad_request("The project has no release yet")),
            },
            Self::Reopen => Signal::Reopen,
            Self::Ignore(until) => Signal::Ignore { until: *until },
        }))
    }

    /// What a bulk update answers: the attributes that were applied.
    pub(super) fn applied(&self) -> Value {
        match self {
            Self::Nothing => json!({}),
            Self::Resolve(ResolvedIn::Release(release)) => {
                json!({ "status": "resolved", "statusDetails": { "inRelease": release } })
            }
            Self::Resolve(ResolvedIn::Latest) => {
                json!({ "status": "resolved", "statusDetails": { "inRelease": "latest" } })
            }
            Self::Resolve(ResolvedIn::Now) => json!({ "status": "resolved", "statusDetails": {} }),
            Self::Reopen => json!({ "status": "unresolved", "statusDetails": {} }),
            Self::Ignore(Some(until)) => {
                json!({ "status": "ignored", "statusDetails": { "ignoreUntil": date(*until) } })
            }
            Self::Ignore(None) => json!({ "status": "ignored", "statusDetails": {} }),
        }
    }
}

fn resolved_in(details: &Map<String, Value>) -> Result<ResolvedIn, ApiError> {
    let mut found = ResolvedIn::Now;
    for (name, value) in details.iter().filter(|(_, value)| !value.is_null()) {
        found = match (name.as_str(), value) {
            ("inRelease", Value::String(release)) if release == "latest" => ResolvedIn::Latest,
            ("inRelease", Value::String(release)) if is_release(release) => ResolvedIn::Release(release.clone()),
            ("inRelease", _) => {
                let detail = format!("inRelease is the name of a release, at most {RELEASE_CHARS_MAX} characters");
                return Err(ApiError::BadRequest(detail));
            }
            ("inNextRelease", Value::Bool(true)) => ResolvedIn::Now,
            ("inNextRelease" | "inUpcomingRelease", Value::Bool(false)) => continue,
            _ => return Err(ApiError::BadRequest(format!("statusDetails.{name} is not supported (yet)"))),
        };
    }
    Ok(found)
}

fn is_release(name: &str) -> bool {
    !name.is_empty()
        && name.chars().count() <= RELEASE_CHARS_MAX
        && !name.contains(['/', '\n', '\r', '\t', '\u{c}', '\0'])
}

/// Minutes may stand in the body (`ignoreDuration`, older `snoozeDuration`) or in the details.
fn ignored_until(
    body: &Map<String, Value>,
    details: &Map<String, Value>,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, ApiError> {
    let mut until = None;
    let all =
        body.iter().filter(|(name, _)| matches!(name.as_str(), "ignoreDuration" | "snoozeDuration")).chain(details);
    for (name, value) in all.filter(|(_, value)| !value.is_null()) {
        if !matches!(name.as_str(), "ignoreDuration" | "snoozeDuration") {
            return Err(ApiError::BadRequest(format!("statusDetails.{name} is not supported (yet)")));
        }
        match value.as_i64().filter(|minutes| (1..=IGNORE_MINUTES_MAX).contains(minutes)) {
            Some(minutes) => until = now.checked_add(Duration::minutes(minutes)),
            None => return Err(ApiError::BadRequest(format!("{name} is a number of minutes from 1"))),
        }
    }
    Ok(until)
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
        assert_eq!(read(next), Ok(Change::Resolve(ResolvedIn::Now)));
        assert_eq!(read(json!({"status": "muted", "snoozeDuration": null})), Ok(Change::Ignore(None)));
        assert_eq!(read(json!({"status": "unresolved", "snoozeDuration": null})), Ok(Change::Reopen));
    }

    #[test]
    fn details_of_a_status() {
        let release = |name: &str| Ok(Change::Resolve(ResolvedIn::Release(name.into())));
        assert_eq!(read(json!({"status": "resolved", "statusDetails": {"inRelease": "shop@2"}})), release("shop@2"));
        assert_eq!(read(json!({"statusDetails": {"inRelease": "shop@2"}})), release("shop@2"));
        let latest = json!({"status": "resolved", "statusDetails": {"inRelease": "latest"}});
        assert_eq!(read(latest), Ok(Change::Resolve(ResolvedIn::Latest)));
        let ignored = Ok(Change::Ignore(Some(datetime!(2026-11-22 13:00 UTC))));
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
            json!({"assignedTo": "me"}),
            json!({"merge": 1}),
            json!({"status": "resolved", "statusDetails": {"inCommit": {"commit": "a"}}}),
            json!({"status": "resolved", "statusDetails": {"inRelease": "a/b"}}),
            json!({"status": "ignored", "statusDetails": {"ignoreCount": 5}}),
            json!({"status": "ignored", "ignoreDuration": -1}),
            json!({"status": "ignored", "ignoreDuration": 99_999_999_999_i64}),
        ] {
            assert!(read(body.clone()).is_err(), "{body}");
        }
    }
}
