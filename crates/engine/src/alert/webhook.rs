//! A notice as a webhook: the JSON body, and what its signature covers.
//!
//! The signature follows the Standard Webhooks scheme, for which receivers find a library in most
//! languages: HMAC-SHA256 over `id.timestamp.body`, with the key behind `whsec_`. The body is
//! described by `docs/webhook.schema.json`; whoever adds a field adds it there. A field is never
//! removed, renamed or given another meaning within a version.

mod forms;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use time::OffsetDateTime;

use super::frame::Frame;
use super::snippet::snippet;
use super::{Deploy, Head, Kind, Message, Notice, Project, Test, Thread};

/// Version of the body's schema.
pub const VERSION: u32 = 1;

/// What a secret starts with.
const SECRET_PREFIX: &str = "whsec_";

/// Bytes of a key: the scheme asks for 24 to 64.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Characters of a source line in the body.
const SOURCE_CHARS: usize = 200;

/// A secret from random bytes, as people copy it.
#[must_use]
pub fn secret(random: &[u8; 32]) -> String {
    format!("{SECRET_PREFIX}{}", BASE64.encode(random))
}

/// The key in a secret; `None` when it is not one.
#[must_use]
pub fn key(secret: &str) -> Option<Vec<u8>> {
    let key = BASE64.decode(secret.trim().strip_prefix(SECRET_PREFIX)?).ok()?;
    KEY_BYTES.contains(&key.len()).then_some(key)
}

/// What the signature covers.
#[must_use]
pub fn signed_text(id: &str, timestamp_s: i64, body: &str) -> String {
    format!("{id}.{timestamp_s}.{body}")
}

/// The header that carries a signature.
#[must_use]
pub fn signature_header(mac: &[u8]) -> String {
    format!("v1,{}", BASE64.encode(mac))
}

/// The body of a webhook.
#[derive(Debug, Serialize)]
struct Body<'a> {
    version: u32,
    id: &'a str,
    #[serde(rename = "type")]
    ty: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    firefinch: &'a str,
    rule: Option<RuleBody<'a>>,
    thread: ThreadBody<'a>,
    reason: Option<&'a str>,
    project: ProjectBody<'a>,
    issue: IssueBody<'a>,
    event: Option<EventBody<'a>>,
    deploy: Option<DeployBody<'a>>,
}

#[derive(Debug, Serialize)]
struct RuleBody<'a> {
    id: i64,
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct ThreadBody<'a> {
    key: &'a str,
    first: Option<&'a str>,
    replaces: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct DeployBody<'a> {
    release: &'a str,
    environment: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    began_at: OffsetDateTime,
    verdict: &'static str,
    reason: &'a str,
    url: String,
}

#[derive(Debug, Serialize)]
struct ProjectBody<'a> {
    id: i64,
    slug: &'a str,
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct IssueBody<'a> {
    id: i64,
    short_id: &'a str,
    url: String,
    status: &'a str,
    substatus: &'a str,
    level: &'a str,
    platform: &'a str,
    #[serde(rename = "type")]
    ty: &'a str,
    value: &'a str,
    title: &'a str,
    culprit: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    first_seen: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_seen: OffsetDateTime,
    first_release: Option<&'a str>,
    last_release: Option<&'a str>,
    events: i64,
    users: i64,
    assignee: Option<PersonBody<'a>>,
}

#[derive(Debug, Serialize)]
struct PersonBody<'a> {
    name: &'a str,
    email: &'a str,
}

#[derive(Debug, Serialize)]
struct EventBody<'a> {
    id: String,
    title: &'a str,
    culprit: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    occurred_at: OffsetDateTime,
    release: Option<&'a str>,
    environment: Option<&'a str>,
    transaction: Option<&'a str>,
    server_name: Option<&'a str>,
    frame: Option<FrameBody<'a>>,
}

#[derive(Debug, Serialize)]
struct FrameBody<'a> {
    function: &'a str,
    file: &'a str,
    line: Option<u32>,
    column: Option<u32>,
    source: Vec<SourceBody>,
}

#[derive(Debug, Serialize)]
struct SourceBody {
    line: u32,
    text: String,
}

/// The body of `message` as JSON text.
///
/// # Errors
/// When a date lies outside of the years that RFC 3339 can write.
pub fn body(message: &Message) -> Result<String, serde_json::Error> {
    match message {
        Message::Issue(notice) => issue_body(notice),
        Message::Test(test) => test_body(test),
        Message::Digest(digest) => forms::digest(digest),
        Message::Calm(calm) => forms::calm(calm),
        Message::Limit(limit) => forms::limit(limit),
        Message::Note(note) => forms::note(note),
    }
}

fn issue_body(notice: &Notice) -> Result<String, serde_json::Error> {
    let event = notice.event.as_ref().map(|event| EventBody {
        id: event.id.to_string(),
        title: &event.title,
        culprit: &event.culprit,
        received_at: event.received_at,
        occurred_at: event.occurred_at,
        release: notice.release.as_deref(),
        environment: notice.environment.as_deref(),
        transaction: event.transaction.as_deref(),
        server_name: event.server_name.as_deref(),
        frame: event.frame.as_ref().map(frame),
    });
    serde_json::to_string(&Body {
        version: VERSION,
        id: &notice.head.id,
        ty: match notice.kind {
            Kind::Regressed => "issue.regressed",
            Kind::Escalating => "issue.escalating",
            Kind::Resolved => "issue.resolved",
            Kind::Frequent => "issue.frequent",
            Kind::Milestone => "issue.milestone",
            _ => "issue.new",
        },
        at: notice.at,
        firefinch: &notice.head.base_url,
        rule: rule(&notice.head),
        thread: thread(&notice.head),
        reason: notice.reason.as_deref(),
        project: project(&notice.project),
        issue: issue(notice),
        event,
        deploy: notice.deploy.as_ref().map(|of| deploy(of, &notice.head, &notice.project)),
    })
}

/// A test message, which a person sends to see whether a receiver answers.
fn test_body(test: &Test) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Body<'a> {
        version: u32,
        id: &'a str,
        #[serde(rename = "type")]
        ty: &'static str,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        firefinch: &'a str,
    }
    let Test { head, at, .. } = test;
    serde_json::to_string(&Body { version: VERSION, id: &head.id, ty: "test", at: *at, firefinch: &head.base_url })
}

fn rule(head: &Head) -> Option<RuleBody<'_>> {
    head.rule.as_ref().map(|rule| RuleBody { id: rule.id, name: &rule.name })
}

fn thread(head: &Head) -> ThreadBody<'_> {
    let Thread { key, first, replaces } = &head.thread;
    ThreadBody {
        key,
        first: first.as_ref().map(|one| one.id.as_str()),
        replaces: replaces.as_ref().map(|one| one.id.as_str()),
    }
}

fn project(project: &Project) -> ProjectBody<'_> {
    ProjectBody { id: project.id.get(), slug: &project.slug, name: &project.name }
}

fn deploy<'a>(deploy: &'a Deploy, head: &Head, project: &Project) -> DeployBody<'a> {
    DeployBody {
        release: &deploy.version,
        environment: &deploy.environment,
        began_at: deploy.began,
        verdict: deploy.verdict.grade.as_str(),
        reason: &deploy.verdict.reason,
        url: head.url(&deploy.path(project)),
    }
}

fn issue(notice: &Notice) -> IssueBody<'_> {
    let issue = &notice.issue;
    IssueBody {
        id: issue.id.get(),
        short_id: &issue.short_id,
        url: notice.issue_url(),
        status: &issue.status,
        substatus: &issue.substatus,
        level: &issue.level,
        platform: &issue.platform,
        ty: &issue.ty,
        value: &issue.value,
        title: &issue.title,
        culprit: &issue.culprit,
        first_seen: issue.first_seen,
        last_seen: issue.last_seen,
        first_release: issue.first_release.as_deref(),
        last_release: issue.last_release.as_deref(),
        events: issue.events,
        users: issue.users,
        assignee: issue.assignee.as_ref().map(|person| PersonBody { name: &person.name, email: &person.email }),
    }
}

fn frame(frame: &Frame) -> FrameBody<'_> {
    let source = snippet(frame, 2, SOURCE_CHARS);
    FrameBody {
        function: &frame.function,
        file: &frame.file,
        line: frame.line,
        column: frame.column,
        source: source
            .into_iter()
            .map(|line| SourceBody { line: line.number, text: format!("{}{}{}", line.text, line.mark, line.rest) })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn secrets_read_back() {
        let text = secret(&[7; 32]);
        assert!(text.starts_with("whsec_"));
        assert_eq!(key(&text), Some(vec![7; 32]));
        assert_eq!(key(&format!(" {text}\n")), Some(vec![7; 32]), "copied with white space");
        for wrong in ["", "whsec_", "whsec_!!!!", "secret", "whsec_c2hvcnQ=", &text[6..]] {
            assert_eq!(key(wrong), None, "{wrong:?}");
        }
        assert_eq!(signed_text("dlv_7", 1_795_356_134, "{}"), "dlv_7.1795356134.{}");
        assert_eq!(signature_header(&[0, 1, 2]), "v1,AAEC");
    }

    #[test]
    fn the_body_is_what_the_schema_says() {
        let body: Value = serde_json::from_str(&body(&Message::Issue(samples::new_issue())).unwrap()).unwrap();
        assert_eq!(body["version"], 1);
        assert_eq!(body["id"], "msg_7");
        assert_eq!(body["type"], "issue.new");
        assert_eq!(body["at"], "2026-11-22T14:02:14Z");
        assert_eq!(body["firefinch"], "https://errors.example");
        assert_eq!(body["project"], json!({"id": 2, "slug": "shop-web", "name": "Shop"}));
        assert_eq!(body["issue"]["url"], "https://errors.example/issues/412");
        assert_eq!(body["issue"]["events"], 8);
        assert_eq!(body["event"]["id"], "9d2f4b1c00000000000000000000a001");
        assert_eq!(body["event"]["frame"]["line"], 88);
        assert_eq!(body["event"]["frame"]["source"].as_array().unwrap().len(), 5);
        assert_eq!(body["deploy"], Value::Null);

        let deployed = Message::Issue(samples::deployed_issue());
        let deployed: Value = serde_json::from_str(&super::body(&deployed).unwrap()).unwrap();
        let expected = json!({
            "release": "shop-web@4.7.1", "environment": "production", "began_at": "2026-11-22T14:02:00Z",
            "verdict": "too_early", "reason": "4.0 % of the sessions are on shop-web@4.7.1; 5 % are needed.",
            "url": "https://errors.example/projects/shop-web/releases/shop-web@4.7.1"
        });
        assert_eq!(deployed["deploy"], expected);
    }

    #[test]
    fn every_form_has_a_body_with_the_fields_of_all() {
        for (name, message) in samples::all() {
            let body: Value = serde_json::from_str(&body(&message).unwrap()).unwrap();
            assert_eq!(body["version"], 1, "{name}");
            assert_eq!(body["id"], message.head().id, "{name}");
            assert_eq!(body["firefinch"], "https://errors.example", "{name}");
            assert!(body["at"].is_string() && body["type"].is_string(), "{name}: {body}");
            let slug = message.project().map(|project| project.slug.as_str());
            assert_eq!(body["project"]["slug"].as_str(), slug, "{name}");
        }
    }

    #[test]
    fn a_storm_is_told_with_its_figures() {
        let body: Value = serde_json::from_str(&body(&Message::Digest(samples::storm_update())).unwrap()).unwrap();
        assert_eq!(body["type"], "storm");
        assert_eq!(
            (&body["update"], &body["counts"], &body["burst"]),
            (&json!(1), &json!({"new": 14}), &json!({"new": 51, "regressed": 2}),)
        );
        assert_eq!(body["top"].as_array().unwrap().len(), 5);
        assert_eq!(body["top"][0]["url"], "https://errors.example/issues/501");
        assert_eq!(body["shared"]["issues"], 31);
        assert_eq!(body["thread"]["replaces"], "msg_21");
        assert_eq!(body["deploy"]["verdict"], "bad");
        assert_eq!(body["url"], "https://errors.example/live?project=shop-api");
    }

    #[test]
    fn a_body_of_hostile_text_is_still_bounded_json() {
        let text = body(&Message::Issue(samples::hostile_issue())).unwrap();
        assert!(text.len() < 20_000, "{}", text.len());
        assert!(serde_json::from_str::<Value>(&text).is_ok());
    }
}
