//! A notice as a webhook: the JSON body, and what its signature covers.
//!
//! The signature follows the Standard Webhooks scheme, for which receivers find a library in most
//! languages: HMAC-SHA256 over `id.timestamp.body`, with the key behind `whsec_`. The body is
//! described by `docs/webhook.schema.json`; whoever adds a field adds it there. A field is never
//! removed, renamed or given another meaning within a version.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use time::OffsetDateTime;

use super::frame::Frame;
use super::snippet::snippet;
use super::{Kind, Notice};

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
    reason: Option<&'a str>,
    project: ProjectBody<'a>,
    issue: IssueBody<'a>,
    event: Option<EventBody<'a>>,
    deploy: Option<DeployBody<'a>>,
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

/// The body of `notice` as JSON text.
///
/// # Errors
/// When a date lies outside of the years that RFC 3339 can write.
pub fn body(notice: &Notice) -> Result<String, serde_json::Error> {
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
        id: &notice.delivery,
        ty: match notice.kind {
            Kind::New => "issue.new",
            Kind::Regressed => "issue.regressed",
            Kind::Escalating => "issue.escalating",
        },
        at: notice.at,
        firefinch: &notice.base_url,
        reason: notice.reason.as_deref(),
        project: ProjectBody { id: notice.project.id.get(), slug: &notice.project.slug, name: &notice.project.name },
        issue: issue(notice),
        event,
        deploy: notice.deploy.as_ref().map(|deploy| DeployBody {
            release: &deploy.version,
            environment: &deploy.environment,
            began_at: deploy.began,
            verdict: deploy.verdict.grade.as_str(),
            reason: &deploy.verdict.reason,
            url: notice.release_url(deploy),
        }),
    })
}

/// The body of a test message, which a person sends to see whether a receiver answers.
///
/// # Errors
/// When the date lies outside of the years that RFC 3339 can write.
pub fn test_body(id: &str, base_url: &str, at: OffsetDateTime) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Test<'a> {
        version: u32,
        id: &'a str,
        #[serde(rename = "type")]
        ty: &'static str,
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        firefinch: &'a str,
    }
    serde_json::to_string(&Test { version: VERSION, id, ty: "test", at, firefinch: base_url })
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
        let body: Value = serde_json::from_str(&body(&samples::new_issue()).unwrap()).unwrap();
        assert_eq!(body["version"], 1);
        assert_eq!(body["id"], "dlv_7");
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

        let deployed: Value = serde_json::from_str(&super::body(&samples::deployed_issue()).unwrap()).unwrap();
        let expected = json!({
            "release": "shop-web@4.7.1", "environment": "production", "began_at": "2026-11-22T14:02:00Z",
            "verdict": "too_early", "reason": "4.0 % of the sessions are on shop-web@4.7.1; 5 % are needed.",
            "url": "https://errors.example/projects/shop-web/releases/shop-web@4.7.1"
        });
        assert_eq!(deployed["deploy"], expected);

        let test: Value =
            serde_json::from_str(&test_body("test_1", "http://x", samples::new_issue().at).unwrap()).unwrap();
        assert_eq!(test["type"], "test");
    }

    #[test]
    fn a_body_of_hostile_text_is_still_bounded_json() {
        let text = body(&samples::hostile_issue()).unwrap();
        assert!(text.len() < 20_000, "{}", text.len());
        assert!(serde_json::from_str::<Value>(&text).is_ok());
    }
}
