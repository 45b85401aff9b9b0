//! Bodies of the messages that are not about one issue.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{FrameBody, VERSION, frame, project, rule, thread};
use crate::alert::{Calm, Counts, Deploy, Digest, Head, Limit, Message, Note, Project, Shared, TopIssue};
use crate::watch::summary::Summary;

type Body<T = String> = Result<T, serde_json::Error>;

/// A list or a storm.
pub(super) fn digest(digest: &Digest) -> Body {
    let ty = if digest.storm { "storm" } else { "list" };
    let notes = digest.notes.iter().map(|(kind, title)| json!({"kind": kind.as_str(), "title": title}));
    write(
        ty,
        digest.until,
        &digest.head,
        digest.project.as_ref(),
        json!({
            "counts": counts(&digest.counts),
            "burst": counts(&digest.burst),
            "since": at(digest.since)?,
            "began": at(digest.began)?,
            "update": digest.update,
            "events": digest.events,
            "per_minute": digest.rate.per_minute,
            "usual_per_minute": digest.rate.usual,
            "deploy": deploy_of(digest.deploy.as_ref(), &digest.head, digest.project.as_ref())?,
            "shared": shared(digest.shared.as_ref())?,
            "top": digest.top.iter().map(|issue| top(issue, &digest.head)).collect::<Vec<_>>(),
            "notes": notes.collect::<Vec<_>>(),
            "url": digest.head.url(&digest.path),
        }),
    )
}

/// A storm is over.
pub(super) fn calm(calm: &Calm) -> Body {
    write(
        "calm",
        calm.ended,
        &calm.head,
        calm.project.as_ref(),
        json!({
            "burst": counts(&calm.burst),
            "began": at(calm.began)?,
            "lasted_s": calm.lasted().whole_seconds(),
            "events": calm.events,
            "deploy": deploy_of(calm.deploy.as_ref(), &calm.head, calm.project.as_ref())?,
            "rolled_back_at": calm.rolled_back_at.map(at).transpose()?,
            "shared": shared(calm.shared.as_ref())?,
            "url": calm.head.url(&calm.path),
        }),
    )
}

/// A cap is reached. `at` is when the next message may come.
pub(super) fn limit(limit: &Limit) -> Body {
    write(
        "limit",
        limit.until,
        &limit.head,
        None,
        json!({
            "per_hour": limit.per_hour,
            "waiting": limit.waiting,
            "url": Message::Limit(limit.clone()).url(),
        }),
    )
}

/// A signal that is not about an issue.
pub(super) fn note(note: &Note) -> Body {
    let figures = note.figures.iter().map(|(name, value)| json!({"name": name, "value": value}));
    let mut more = json!({
        "title": note.title,
        "sentence": note.sentence,
        "figures": figures.collect::<Vec<_>>(),
        "url": note.head.url(&note.path),
    });
    if let Some(watched) = &note.watch {
        more["watch"] = watch(watched)?;
        more["top"] = watched.loudest().into_iter().map(|issue| top(issue, &note.head)).collect();
    }
    write(note.kind.as_str(), note.at, &note.head, note.project.as_ref(), more)
}

/// What came of a watched deploy, for programs.
fn watch(watch: &Summary) -> Body<Value> {
    Ok(json!({
        "release": watch.version,
        "environment": watch.environment,
        "began_at": at(watch.began)?,
        "ended_at": at(watch.until)?,
        "end": watch.end,
        "verdict": watch.grade,
        "reason": watch.reason,
        "mark": watch.mark,
        "new_issues": watch.new_issues,
        "regressed_issues": watch.regressed,
        "fixes": watch.fixes,
        "fixes_broken": watch.fixes_broken,
        "per_minute": watch.errors_per_min,
        "peak_per_minute": watch.peak_per_min,
        "usual_per_minute": watch.usual_per_min,
        "sessions": watch.sessions,
        "crash_free": watch.crash_free,
        "back_to": watch.back.as_ref().map(|back| &back.version),
        "roll_back": watch.back.as_ref().and_then(|back| back.command.as_ref()),
    }))
}

/// What all have, with what this one adds.
fn write(ty: &str, when: OffsetDateTime, head: &Head, of: Option<&Project>, more: Value) -> Body {
    let mut body = json!({
        "version": VERSION,
        "id": head.id,
        "type": ty,
        "at": at(when)?,
        "firefinch": head.base_url,
        "rule": rule(head),
        "thread": thread(head),
        "project": of.map(project),
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    serde_json::to_string(&body)
}

fn at(at: OffsetDateTime) -> Result<String, serde_json::Error> {
    at.format(&Rfc3339).map_err(serde::ser::Error::custom)
}

fn counts(counts: &Counts) -> Map<String, Value> {
    counts.0.iter().map(|(kind, count)| (kind.as_str().to_owned(), (*count).into())).collect()
}

fn deploy_of(deploy: Option<&Deploy>, head: &Head, of: Option<&Project>) -> Body<Option<Value>> {
    deploy.zip(of).map(|(deploy, project)| serde_json::to_value(super::deploy(deploy, head, project))).transpose()
}

fn shared(shared: Option<&Shared>) -> Result<Value, serde_json::Error> {
    let Some(shared) = shared else { return Ok(Value::Null) };
    let frame: FrameBody<'_> = frame(&shared.frame);
    Ok(json!({"issues": shared.issues, "of": shared.of, "frame": serde_json::to_value(frame)?}))
}

fn top(issue: &TopIssue, head: &Head) -> Value {
    json!({
        "kind": issue.kind.as_str(),
        "id": issue.id.get(),
        "short_id": issue.short_id,
        "url": head.url(&issue.path()),
        "level": issue.level,
        "type": issue.ty,
        "value": issue.value,
        "title": issue.title,
        "place": issue.place,
        "events": issue.events,
        "users": issue.users,
    })
}
