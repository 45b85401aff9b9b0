//! Releases, commits and deploys as JSON.

use engine::commit::Commit;
use serde_json::{Value, json};
use store::deploys::{Deploy, Watched};
use store::release_health::ReleaseHealth;
use store::releases::Release;
use time::OffsetDateTime;

use super::date;
use super::issue::short_version;

fn maybe_date(at: Option<OffsetDateTime>) -> Option<String> {
    at.map(date)
}

/// A release from what each of its projects (at least one) knows of it.
pub(in crate::api) fn release(rows: &[&Release], health: &[ReleaseHealth], authors: &[Value]) -> Value {
    let Some(first) = rows.first() else { return Value::Null };
    let sum = |count: fn(&Release) -> i64| rows.iter().map(|row| count(row)).sum::<i64>();
    // Told to all projects at once: no sum, but what one of them has.
    let most = |count: fn(&Release) -> i64| rows.iter().map(|row| count(row)).max();
    let head = rows.iter().find_map(|row| row.head.as_ref());
    let last_deploy = rows.iter().filter_map(|row| row.last_deploy.as_ref()).max_by_key(|deploy| deploy.id);
    let project = |row: &&Release| {
        json!({
            "id": row.project_id.to_string(),
            "slug": row.project_slug,
            "name": row.project_name,
            "platform": row.project_platform,
            "newGroups": row.new_issues,
            "healthData": health
                .iter()
                .find(|health| health.project_id == row.project_id && health.version == row.version)
                .map(self::health),
        })
    };
    json!({
        "version": first.version,
        "shortVersion": short_version(&first.version),
        "status": if rows.iter().all(|row| row.archived) { "archived" } else { "open" },
        "ref": rows.iter().find_map(|row| row.reference.as_deref()),
        "url": rows.iter().find_map(|row| row.url.as_deref()),
        "dateCreated": maybe_date(rows.iter().map(|row| row.created_at).min()),
        "dateStarted": maybe_date(rows.iter().filter_map(|row| row.date_started).min()),
        "dateReleased": maybe_date(rows.iter().filter_map(|row| row.date_released).min()),
        "firstEvent": maybe_date(rows.iter().filter_map(|row| row.first_event_at).min()),
        "lastEvent": maybe_date(rows.iter().filter_map(|row| row.last_event_at).max()),
        "newGroups": sum(|row| row.new_issues),
        "commitCount": most(|row| row.commits),
        "deployCount": most(|row| row.deploys),
        "lastCommit": head.map(|head| json!({ "id": head.sha, "repository": { "name": head.repository } })),
        "lastDeploy": last_deploy.map(|deploy| json!({
            "id": deploy.id.to_string(),
            "environment": deploy.environment,
            "dateFinished": maybe_date(deploy.finished_at),
        })),
        "authors": authors,
        "projects": rows.iter().map(project).collect::<Vec<_>>(),
        "owner": null,
        "data": {},
    })
}

/// How the sessions of a release went in the last day, under the names that Sentry has for it.
fn health(health: &ReleaseHealth) -> Value {
    json!({
        "hasHealthData": health.sessions.total > 0,
        "totalSessions24h": health.sessions.total,
        "totalProjectSessions24h": health.all_sessions,
        "totalUsers24h": health.users,
        "sessionsErrored": health.sessions.errored,
        "sessionsAbnormal": health.sessions.abnormal,
        "sessionsUnhandled": health.sessions.unhandled,
        "sessionsCrashed": health.sessions.crashed,
        "crashFreeSessions": health.crash_free_sessions(),
        "crashFreeUsers": health.crash_free_users(),
        "sessionsAdoption": health.adoption(),
    })
}

/// One commit.
pub(in crate::api) fn commit(commit: &Commit) -> Value {
    json!({
        "id": commit.sha,
        "message": commit.message,
        "dateCreated": maybe_date(commit.at),
        "author": { "name": commit.author_name, "email": commit.author_email },
        "repository": { "name": commit.repository },
    })
}

/// One deploy.
pub(in crate::api) fn deploy(deploy: &Deploy) -> Value {
    let ended = deploy.watch.as_ref().and_then(|watch| watch.ended.as_ref());
    let open = deploy.watch.as_ref().filter(|watch| watch.ended.is_none());
    json!({
        "id": deploy.id.to_string(),
        "version": deploy.version,
        "environment": deploy.environment,
        "name": deploy.name,
        "url": deploy.url,
        "dateStarted": maybe_date(deploy.started_at),
        "dateFinished": maybe_date(deploy.finished_at),
        "state": deploy.state.as_str(),
        "stateBy": deploy.state_by,
        "stateReason": deploy.state_reason,
        "stateSince": date(deploy.state_at),
        "watchMinutes": deploy.watch.as_ref().map(|watch| watch.minutes.get()),
        "watchUntil": maybe_date(open.map(Watched::until)),
        "watchEnded": maybe_date(ended.map(|ended| ended.at)),
        "watchVerdict": ended.map(|ended| ended.verdict.grade.as_str()),
        "watchReason": ended.map(|ended| &ended.verdict.reason),
    })
}
