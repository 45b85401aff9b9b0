//! Issues, their activity, hashes and tags as JSON.

use engine::grouping::readable::readable;
use engine::issue::{Fix, State};
use serde_json::{Map, Value, json};
use store::activity::Activity;
use store::hashes::IssueHash;
use store::issues::Issue;
use store::owners::IssueOwner;

use super::date;
use crate::api::{Api, assigned, status};

/// An issue as in lists.
pub(in crate::api) fn issue(api: &Api, issue: &Issue, stats: Value) -> Value {
    let kind = if issue.ty.is_empty() { "default" } else { "error" };
    let mut shape = json!({
        "id": issue.id.to_string(),
        "shortId": issue.short_id().to_string(),
        "title": issue.title,
        "culprit": issue.culprit,
        "permalink": format!("{}/issues/{}", api.base_url, issue.id),
        "logger": null,
        "level": issue.level,
        "status": issue.state.status(),
        "statusDetails": status_details(&issue.state),
        "substatus": substatus(&issue.state),
        "isPublic": false,
        "platform": issue.platform,
        "project": {
            "id": issue.project_id.to_string(),
            "slug": issue.project_slug,
            "name": issue.project_name,
            "platform": issue.platform,
        },
        "type": kind,
        "metadata": metadata(issue),
        "numComments": 0,
        "assignedTo": issue.assignee.as_ref().map(assigned::shape),
        "isBookmarked": false,
        "isSubscribed": false,
        "hasSeen": false,
        "annotations": [],
        "isUnhandled": issue.handled == Some(false),
        // Text, as Sentry sends it: it may outgrow what JavaScript counts exactly.
        "count": issue.events.to_string(),
        "userCount": issue.users,
        "firstSeen": date(issue.first_seen),
        "lastSeen": date(issue.last_seen),
    });
    shape["stats"] = stats;
    shape
}

/// An issue on its own, with releases and activity.
pub(in crate::api) fn detail(
    api: &Api,
    found: &Issue,
    stats: Value,
    activity: &[Activity],
    owners: &[IssueOwner],
) -> Value {
    let mut shape = issue(api, found, stats);
    shape["activity"] = activity.iter().map(self::activity).collect();
    shape["firstRelease"] = release(found.first_release.as_deref());
    shape["lastRelease"] = release(found.last_release.as_deref());
    shape["statusChangedAt"] = date(found.status_changed_at).into();
    shape["participants"] = json!([]);
    shape["seenBy"] = json!([]);
    shape["userReportCount"] = 0.into();
    shape["pluginActions"] = json!([]);
    shape["tags"] = json!([]);
    shape["owners"] = owners.iter().map(owner).collect();
    shape
}

/// Somebody whom the ownership rules name, as Sentry names them, and why.
fn owner(owner: &IssueOwner) -> Value {
    json!({
        "type": "ownershipRule",
        "owner": format!("user:{}", owner.person.id),
        "email": owner.person.email,
        "reason": owner.why(),
    })
}

/// A release where only its name is known.
pub(in crate::api) fn release(version: Option<&str>) -> Value {
    version.map_or(Value::Null, |version| json!({ "version": version, "shortVersion": short_version(version) }))
}

/// `shop@2.1` reads as `2.1` beside its project.
pub(super) fn short_version(version: &str) -> &str {
    version.char_indices().skip(1).find(|(_, char)| *char == '@').map_or(version, |(at, _)| &version[at + 1..])
}

/// Details of a status: on which terms it is ignored, or by what it was resolved.
pub(in crate::api) fn status_details(state: &State) -> Value {
    match state {
        State::Resolved(Fix::In(release)) => json!({ "inRelease": release }),
        State::Resolved(Fix::After(release)) => json!({ "inNextRelease": true, "afterRelease": release }),
        State::Resolved(Fix::Commit(commit)) => json!({ "inCommit": status::in_commit(commit) }),
        State::Ignored(ignored) => status::ignored_details(&ignored.terms),
        _ => json!({}),
    }
}

/// The fine status in Sentry's words, which has none for resolved issues.
fn substatus(state: &State) -> Option<&'static str> {
    match state {
        State::New | State::Ongoing | State::Escalating | State::Regressed => Some(state.substatus()),
        State::Ignored(ignored) => Some(status::ignored_substatus(&ignored.terms)),
        State::Resolved(_) | State::Deleted | State::Discarded => None,
    }
}

fn metadata(issue: &Issue) -> Value {
    if issue.ty.is_empty() {
        return json!({ "title": issue.title });
    }
    let mut metadata = json!({ "title": issue.title, "type": issue.ty, "value": issue.value });
    // `location` is written as `function file:line`; a function may hold spaces, a place does not.
    let (function, place) = issue.location.rsplit_once(' ').unwrap_or(("", &issue.location));
    let filename = place.rsplit_once(':').filter(|(_, line)| line.bytes().all(|byte| byte.is_ascii_digit()));
    let filename = filename.map_or(place, |(filename, _)| filename);
    for (name, value) in [("function", function), ("filename", filename)] {
        if !value.is_empty() {
            metadata[name] = value.into();
        }
    }
    metadata
}

/// One change of an issue.
pub(in crate::api) fn activity(activity: &Activity) -> Value {
    let kind = match activity.kind.as_str() {
        "new" => "first_seen",
        "regressed" => "set_regression",
        "resolved" => "set_resolved",
        "unresolved" => "set_unresolved",
        "ignored" => "set_ignored",
        "escalating" => "set_escalating",
        other => other,
    };
    let mut data = Map::new();
    data.insert("reason".into(), activity.reason.as_str().into());
    if let Some(event_id) = activity.event_id {
        data.insert("event_id".into(), event_id.to_string().into());
    }
    if let Some(release) = &activity.release {
        data.insert("version".into(), release.as_str().into());
    }
    let user = activity.user.as_ref().map(|user| {
        let name = if user.name.is_empty() { &user.email } else { &user.name };
        json!({ "id": user.id.to_string(), "name": name, "email": user.email })
    });
    json!({
        "id": activity.id.to_string(),
        "type": kind,
        "user": user,
        "data": data,
        "dateCreated": date(activity.at),
        "undone": activity.undone,
        "undoable": activity.aspect().is_some() && !activity.undone,
    })
}

/// One grouping hash.
pub(in crate::api) fn hash(hash: &IssueHash) -> Value {
    json!({
        "id": hash.hash,
        "variant": hash.variant,
        "explanation": hash.explanation,
        "text": readable(&hash.explanation),
        "cameWith": hash.came_with,
        "dateCreated": date(hash.created_at),
    })
}
