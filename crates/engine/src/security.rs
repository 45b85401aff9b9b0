//! Browser reports (Content-Security-Policy and its relatives) as events.
//!
//! Owns the two wire forms: one object with a named report, and the Reporting API's array. Each
//! report becomes one event in JSON, which from there on takes the path of any other event.

use serde_json::{Map, Value, json};
use thiserror::Error;

/// Reports taken from one request: browsers batch a few.
pub const REPORTS_MAX: usize = 20;

/// What the request's query says about all its reports.
#[derive(Debug, Default, Clone)]
pub struct Context {
    /// `sentry_release`.
    pub release: Option<String>,
    /// `sentry_environment`.
    pub environment: Option<String>,
    /// Header `User-Agent`.
    pub user_agent: Option<String>,
}

/// A body that holds no report.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecurityError {
    /// Not JSON.
    #[error("the report is not JSON: {0}")]
    Json(String),
    /// JSON, but no known report.
    #[error("no known report: expected csp-report, known-pins, expect-ct-report, expect-staple-report, or an array")]
    Unknown,
}

/// The events of a report body, as JSON texts.
///
/// # Errors
/// When there is no report in it.
pub fn events(body: &str, context: &Context) -> Result<Vec<String>, SecurityError> {
    let value: Value = serde_json::from_str(body).map_err(|error| SecurityError::Json(error.to_string()))?;
    let events: Vec<String> = match value {
        Value::Array(reports) => {
            let bodies = reports.into_iter().filter_map(reporting_api).take(REPORTS_MAX);
            bodies.map(|report| csp_event(report, context)).collect()
        }
        Value::Object(report) => named_report(report, context).into_iter().collect(),
        _ => Vec::new(),
    };
    if events.is_empty() { Err(SecurityError::Unknown) } else { Ok(events) }
}

/// The body of a Reporting API entry, where it is a policy violation.
fn reporting_api(entry: Value) -> Option<Map<String, Value>> {
    let Value::Object(mut entry) = entry else { return None };
    if entry.get("type")?.as_str()? != "csp-violation" {
        return None;
    }
    match entry.remove("body") {
        Some(Value::Object(body)) => Some(body),
        _ => None,
    }
}

fn named_report(mut report: Map<String, Value>, context: &Context) -> Option<String> {
    if let Some(Value::Object(csp)) = report.remove("csp-report") {
        return Some(csp_event(csp, context));
    }
    for (name, attribute, what) in [
        ("expect-ct-report", "expectct", "Certificate transparency"),
        ("expect-staple-report", "expectstaple", "OCSP stapling"),
    ] {
        if let Some(body @ Value::Object(_)) = report.remove(name) {
            return Some(host_event(attribute, what, body, context));
        }
    }
    // A key pinning report is the whole object.
    report.contains_key("known-pins").then(|| host_event("hpkp", "Public key pinning", Value::Object(report), context))
}

fn csp_event(report: Map<String, Value>, context: &Context) -> String {
    let field = |names: [&str; 3]| {
        let text = names.iter().find_map(|name| report.get(*name)?.as_str()).unwrap_or_default();
        text.split_whitespace().next().unwrap_or_default().to_owned()
    };
    let directive = match field(["effective-directive", "effectiveDirective", "effective_directive"]) {
        effective if effective.is_empty() => field(["violated-directive", "violatedDirective", "violated_directive"]),
        effective => effective,
    };
    let blocked = field(["blocked-uri", "blockedURL", "blocked_uri"]);
    let page = field(["document-uri", "documentURL", "document_uri"]);
    let kind = directive.trim_end_matches("-elem").trim_end_matches("-attr").trim_end_matches("-src");
    let message = match blocked.as_str() {
        "" | "self" | "inline" => format!("Blocked inline '{kind}'"),
        "eval" | "wasm-eval" => format!("Blocked {blocked} in '{kind}'"),
        uri => format!("Blocked '{kind}' from '{}'", host(uri)),
    };
    event("csp", &message, &directive, &page, Value::Object(report), context)
}

fn host_event(attribute: &str, what: &str, body: Value, context: &Context) -> String {
    let host = body.get("hostname").and_then(Value::as_str).unwrap_or("unknown host").to_owned();
    event(attribute, &format!("{what} failed for '{host}'"), &host, "", body, context)
}

fn event(attribute: &str, message: &str, culprit: &str, page: &str, body: Value, context: &Context) -> String {
    let mut event = json!({
        "logger": attribute,
        "platform": "other",
        "level": "error",
        "logentry": { "formatted": message },
        "culprit": culprit,
        "release": context.release,
        "environment": context.environment,
        "sdk": { "name": "browser-report" },
    });
    event[attribute] = body;
    if !page.is_empty() || context.user_agent.is_some() {
        let headers: Vec<(&str, &str)> =
            context.user_agent.iter().map(|agent| ("User-Agent", agent.as_str())).collect();
        event["request"] = json!({ "url": page, "headers": headers });
    }
    event.to_string()
}

/// Host of a URI, or its scheme where there is no host (`data`, `blob`).
fn host(uri: &str) -> &str {
    match uri.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next().unwrap_or(rest),
        None => uri.split(':').next().unwrap_or(uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    fn check(body: &str, messages: &[&str]) {
        let context = Context { release: Some("r@1".into()), ..Context::default() };
        let events = events(body, &context).unwrap();
        let read: Vec<String> = events
            .iter()
            .map(|json| {
                let event = Event::from_json(json).unwrap();
                assert_eq!(event.release.get(), Some("r@1"));
                event.message.unwrap().formatted.or_empty().to_owned()
            })
            .collect();
        assert_eq!(read, messages);
    }

    #[test]
    fn reports_become_events() {
        check(
            r#"{"csp-report":{"document-uri":"https://a/p","violated-directive":"script-src-elem 'self'",
                "blocked-uri":"https://cdn.evil/x.js"}}"#,
            &["Blocked 'script' from 'cdn.evil'"],
        );
        check(
            r#"{"csp-report":{"effective-directive":"style-src","blocked-uri":"inline"}}"#,
            &["Blocked inline 'style'"],
        );
        check(
            r#"[{"type":"csp-violation","body":{"effectiveDirective":"img-src","blockedURL":"data"}},{"type":"other"}]"#,
            &["Blocked 'img' from 'data'"],
        );
        check(r#"{"expect-ct-report":{"hostname":"h.example"}}"#, &["Certificate transparency failed for 'h.example'"]);
        check(r#"{"hostname":"h","known-pins":[]}"#, &["Public key pinning failed for 'h'"]);
    }

    #[test]
    fn anything_else_is_refused() {
        let context = Context::default();
        assert!(matches!(events("{", &context), Err(SecurityError::Json(_))));
        for body in ["{}", "[]", "1", r#"{"csp-report":1}"#, r#"[{"type":"deprecation","body":{}}]"#] {
            assert_eq!(events(body, &context), Err(SecurityError::Unknown), "{body}");
        }
    }
}
