//! One event as its page shows it, made from the bounded view of the engine.
//!
//! Pure: a JSON value in, texts out. Lists that may be long are cut here, and the page says so.
//! To show one more part of an event, add a field to `EventView` and a section to `issue/event.html`.

use engine::scrub::Scrubber;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::stack::{Code, Frame, Part, parts};
use crate::web::display::{self, cut};

/// Breadcrumbs that stand open; older ones are folded.
const CRUMBS_OPEN: usize = 15;
/// Characters of one value in a list of pairs.
const VALUE_CHARS_MAX: usize = 2000;

/// Everything that the page shows of an event.
#[derive(Debug, Default)]
pub(super) struct EventView {
    /// The message, where the event is not an exception.
    pub message: String,
    /// Exceptions, the one that reads first in front.
    pub exceptions: Vec<Exception>,
    /// What happened before, oldest first: folded ones, then open ones.
    pub crumbs_folded: Vec<Crumb>,
    /// The newest breadcrumbs.
    pub crumbs: Vec<Crumb>,
    /// The web request.
    pub request: Option<Request>,
    /// User, contexts, SDK and extra data: each a head and its pairs.
    pub groups: Vec<Group>,
}

/// One exception, or one thread without.
#[derive(Debug, Default)]
pub(super) struct Exception {
    /// Class, or `Stack` and the like.
    pub ty: String,
    /// Its message.
    pub value: String,
    /// Its place in the chain, in words; empty for a single one.
    pub place: String,
    /// Frames, the most recent call first, runs of library frames together.
    pub parts: Vec<Part>,
    /// `2 frames in app, 6 in libraries`.
    pub summary: String,
}

impl Exception {
    /// Its frames, the most recent call in front.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.parts.iter().flat_map(|part| match part {
            Part::One(frame) => std::slice::from_ref(frame),
            Part::Run { frames, .. } => frames.as_slice(),
        })
    }
}

/// One breadcrumb.
#[derive(Debug)]
pub(super) struct Crumb {
    /// When, by the client's clock.
    pub at: Option<OffsetDateTime>,
    /// Category or type.
    pub what: String,
    /// In one line.
    pub text: String,
    /// Time since the one before.
    pub step: String,
    /// Warning or worse.
    pub is_bad: bool,
}

/// The web request.
#[derive(Debug)]
pub(super) struct Request {
    /// `POST https://…`
    pub line: String,
    /// Headers, query, cookies, body.
    pub pairs: Vec<Pair>,
    /// The same as a command.
    pub curl: String,
}

/// A named list of pairs.
#[derive(Debug)]
pub(super) struct Group {
    /// What they are about.
    pub name: String,
    /// Its pairs.
    pub pairs: Vec<Pair>,
}

/// A name and a value.
#[derive(Debug)]
pub(super) struct Pair {
    /// Name.
    pub key: String,
    /// Value, cut.
    pub value: String,
    /// Removed by the SDK or by us.
    pub is_scrubbed: bool,
}

impl Pair {
    fn new(key: &str, value: &Value) -> Self {
        let value = cut(&plain(value), VALUE_CHARS_MAX);
        let is_scrubbed = matches!(value.trim(), "[Filtered]" | "[scrubbed]" | "[redacted]" | "********");
        Self { key: cut(key, 200), value, is_scrubbed }
    }
}

impl EventView {
    /// From the view of the engine.
    #[must_use]
    pub(super) fn new(event: &Value, code: Code<'_>) -> Self {
        let exceptions = exceptions(event, &Code { platform: text(event, "platform"), ..code });
        let mut crumbs = crumbs(event);
        let crumbs_open = crumbs.split_off(crumbs.len().saturating_sub(CRUMBS_OPEN));
        Self {
            message: if exceptions.iter().any(|exception| !exception.ty.is_empty()) {
                String::new()
            } else {
                message(event)
            },
            exceptions,
            crumbs_folded: crumbs,
            crumbs: crumbs_open,
            request: event.get("request").and_then(Value::as_object).map(request),
            groups: groups(event),
        }
    }

    /// Every frame, the most recent call of the first exception in front.
    pub(super) fn into_frames(self) -> impl Iterator<Item = Frame> {
        self.exceptions.into_iter().flat_map(|exception| exception.parts).flat_map(|part| match part {
            Part::One(frame) => vec![frame],
            Part::Run { frames, .. } => frames,
        })
    }

    /// How many breadcrumbs there are.
    #[must_use]
    pub(super) fn crumbs_total(&self) -> usize {
        self.crumbs.len() + self.crumbs_folded.len()
    }
}

/// The text behind a key.
pub(super) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// `{"values": […]}`, as the engine's view has it.
fn values<'a>(event: &'a Value, key: &str) -> &'a [Value] {
    event.get(key).and_then(|list| list.get("values")).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A value as text: text without quotes, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn message(event: &Value) -> String {
    let entry = event.get("logentry");
    let of = |key| entry.map(|entry| text(entry, key)).filter(|text| !text.is_empty());
    cut(of("formatted").or_else(|| of("message")).unwrap_or_default(), VALUE_CHARS_MAX)
}

/// Events list the cause first and what was caught last; people read it the other way round.
fn exceptions(event: &Value, code: &Code<'_>) -> Vec<Exception> {
    let list = values(event, "exception");
    let mut found: Vec<Exception> =
        list.iter().rev().enumerate().map(|(index, value)| exception(value, code, index, list.len())).collect();
    if found.iter().all(|exception| exception.parts.is_empty()) {
        found.extend(lone_stack(event, code));
    }
    found
}

fn exception(value: &Value, code: &Code<'_>, index: usize, of: usize) -> Exception {
    let mut exception = with_stack(value.get("stacktrace"), code);
    let module = text(value, "module");
    exception.ty = match text(value, "type") {
        "" => "Error".to_owned(),
        ty if module.is_empty() || module == "builtins" || ty.contains('.') => ty.to_owned(),
        ty => format!("{module}.{ty}"),
    };
    exception.value = cut(text(value, "value"), VALUE_CHARS_MAX);
    if of > 1 {
        let word = match (index, index + 1 == of) {
            (0, _) => ", then its cause",
            (_, true) => ", the first cause",
            _ => ", a cause",
        };
        exception.place = format!("{} of {of}{word}", index + 1);
    }
    exception
}

/// The stack of a message or a crash without exception: the top-level one, or that of the thread
/// that crashed or reported.
fn lone_stack(event: &Value, code: &Code<'_>) -> Option<Exception> {
    if let Some(stack) = event.get("stacktrace") {
        return Some(with_stack(Some(stack), code));
    }
    let threads = values(event, "threads");
    let is = |thread: &&Value, key: &str| thread.get(key).and_then(Value::as_bool) == Some(true);
    let has_stack = |thread: &&Value| thread.get("stacktrace").is_some();
    let thread = threads
        .iter()
        .filter(has_stack)
        .find(|thread| is(thread, "crashed"))
        .or_else(|| threads.iter().filter(has_stack).find(|thread| is(thread, "current")))
        .or_else(|| threads.iter().find(has_stack))?;
    let mut exception = with_stack(thread.get("stacktrace"), code);
    exception.value =
        format!("thread {}", thread.get("name").or_else(|| thread.get("id")).map(plain).unwrap_or_default());
    Some(exception)
}

fn with_stack(stack: Option<&Value>, code: &Code<'_>) -> Exception {
    let frames = stack.and_then(|stack| stack.get("frames")).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let in_app = frames.iter().filter(|frame| frame.get("in_app").and_then(Value::as_bool) == Some(true)).count();
    let summary = match (in_app, frames.len() - in_app) {
        (0, 0) => "no frames".to_owned(),
        (ours, 0) => format!("{ours} in app"),
        (ours, libraries) => format!("{ours} in app, {libraries} in libraries"),
    };
    Exception { parts: parts(frames, code), summary, ..Exception::default() }
}

fn crumbs(event: &Value) -> Vec<Crumb> {
    let mut before: Option<OffsetDateTime> = None;
    let made = values(event, "breadcrumbs").iter().map(|value| {
        let at = value.get("timestamp").and_then(moment);
        let gap = at.zip(before).map(|(at, before)| (at - before).whole_milliseconds());
        before = at.or(before);
        let category = text(value, "category");
        Crumb {
            at,
            what: cut(if category.is_empty() { text(value, "type") } else { category }, 40),
            text: cut(&crumb_text(value), 400),
            step: gap.map_or_else(String::new, |gap| display::step(i64::try_from(gap).unwrap_or(0))),
            is_bad: matches!(text(value, "level"), "warning" | "error" | "fatal"),
        }
    });
    made.collect()
}

/// The message; else what the data says: a request, a navigation, or the data itself.
fn crumb_text(value: &Value) -> String {
    let message = text(value, "message");
    if !message.is_empty() {
        return message.to_owned();
    }
    let Some(data) = value.get("data") else { return String::new() };
    let field = |key: &str| data.get(key).map(plain).unwrap_or_default();
    if data.get("url").is_some() {
        let status = if data.get("status_code").is_some() { field("status_code") } else { field("status") };
        return [field("method"), field("url"), status].join(" ").trim().to_owned();
    }
    if data.get("to").is_some() {
        return format!("{} to {}", field("from"), field("to"));
    }
    data.to_string()
}

/// A number of seconds, or RFC 3339.
fn moment(value: &Value) -> Option<OffsetDateTime> {
    match value {
        Value::Number(seconds) => {
            let nanoseconds = seconds.as_f64()? * 1e9;
            #[allow(
                clippy::cast_possible_truncation,
                reason = "`as` saturates, and times that far off are refused below"
            )]
            OffsetDateTime::from_unix_timestamp_nanos(nanoseconds as i128).ok()
        }
        Value::String(text) => OffsetDateTime::parse(text, &Rfc3339).ok(),
        _ => None,
    }
}

/// The entries of a pair list.
fn pairs_of(request: &Map<String, Value>, key: &str) -> Vec<(String, Value)> {
    let pairs = request.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    pairs.iter().filter_map(|pair| Some((plain(pair.get(0)?), pair.get(1)?.clone()))).collect()
}

/// Method and URL, with the query.
fn target(request: &Map<String, Value>) -> (&str, String) {
    let field = |key: &str| request.get(key).and_then(Value::as_str).unwrap_or_default();
    let method = if field("method").is_empty() { "GET" } else { field("method") };
    let query = pairs_of(request, "query_string");
    if query.is_empty() {
        return (method, field("url").to_owned());
    }
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in &query {
        encoded.append_pair(key, &plain(value));
    }
    (method, format!("{}?{}", field("url"), encoded.finish()))
}

fn request(request: &Map<String, Value>) -> Request {
    let (method, url) = target(request);
    let mut pairs: Vec<Pair> = pairs_of(request, "headers").iter().map(|(key, value)| Pair::new(key, value)).collect();
    pairs.extend(pairs_of(request, "cookies").iter().map(|(key, value)| match value.as_str() {
        // A text that was scrubbed as a whole reads as a name without a value.
        Some("") => Pair::new("Cookie", &Value::String(key.clone())),
        _ => Pair::new(&format!("Cookie {key}"), value),
    }));
    pairs.extend(request.get("data").map(|body| Pair::new("Body", body)));
    if let Some(env) = request.get("env").and_then(Value::as_object) {
        pairs.extend(env.iter().map(|(key, value)| Pair::new(key, value)));
    }
    Request { line: format!("{method} {}", cut(&url, VALUE_CHARS_MAX)), pairs, curl: curl(request) }
}

/// The request as a shell command. Every part is quoted: it comes from strangers and goes to a shell. Secrets stay
/// behind: commands are pasted into chats and kept in histories.
fn curl(request: &Map<String, Value>) -> String {
    let mut hidden = Value::Object(request.clone());
    Scrubber::standard().value(&mut hidden);
    let request = hidden.as_object().unwrap_or(request);
    let (method, url) = target(request);
    let mut command = format!("curl -X {} {}", quote(method), quote(&url));
    let headers = pairs_of(request, "headers");
    for (key, value) in headers.iter().filter(|(key, _)| !key.eq_ignore_ascii_case("content-length")) {
        command.push_str(&format!(" -H {}", quote(&format!("{key}: {}", plain(value)))));
    }
    if let Some(body) = request.get("data").filter(|body| !body.is_null()) {
        command.push_str(&format!(" --data-raw {}", quote(&plain(body))));
    }
    command
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace(['\n', '\r'], " ").replace('\'', r"'\''"))
}

fn groups(event: &Value) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut add = |name: String, value: Option<&Value>| {
        let Some(object) = value.and_then(Value::as_object) else { return };
        let pairs: Vec<Pair> = object
            .iter()
            .filter(|(key, value)| !value.is_null() && key.as_str() != "type")
            .map(|(key, value)| Pair::new(key, value))
            .collect();
        if !pairs.is_empty() {
            groups.push(Group { name, pairs });
        }
    };
    add("User".to_owned(), event.get("user"));
    if let Some(contexts) = event.get("contexts").and_then(Value::as_object) {
        contexts.iter().for_each(|(name, context)| add(capitalised(name), Some(context)));
    }
    add("Additional data".to_owned(), event.get("extra"));
    add("Content security policy".to_owned(), event.get("csp"));
    add("Template".to_owned(), event.get("template"));
    add("SDK".to_owned(), event.get("sdk"));
    groups
}

fn capitalised(name: &str) -> String {
    if matches!(name, "os" | "gpu" | "url" | "sdk") {
        return name.to_uppercase();
    }
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect()).replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_exception_that_was_caught_reads_first() {
        let view = EventView::new(
            &json!({"exception": {"values": [
                {"type": "KeyError", "value": "'a'", "module": "builtins"},
                {"type": "Broken", "value": "b", "module": "shop.errors"},
            ]}}),
            Code::default(),
        );
        let read: Vec<(&str, &str)> = view.exceptions.iter().map(|x| (x.ty.as_str(), x.place.as_str())).collect();
        assert_eq!(read, [("shop.errors.Broken", "1 of 2, then its cause"), ("KeyError", "2 of 2, the first cause")]);
    }

    #[test]
    fn a_message_brings_the_stack_of_its_thread() {
        let view = EventView::new(
            &json!({
                "logentry": {"message": "a %s", "formatted": "a b"},
                "threads": {"values": [
                    {"id": 1, "stacktrace": {"frames": [{"function": "idle"}]}},
                    {"id": 2, "name": "main", "crashed": true, "stacktrace": {"frames": [{"function": "f", "in_app": true}]}},
                ]},
            }),
            Code::default(),
        );
        assert_eq!(view.message, "a b");
        assert_eq!(view.exceptions[0].value, "thread main");
        assert_eq!(view.exceptions[0].parts[0].failing().unwrap().function, "f");
    }

    #[test]
    fn crumbs_say_what_they_can() {
        let view = EventView::new(
            &json!({"breadcrumbs": {"values": [
                {"timestamp": 1763820490.1, "category": "http", "data": {"method": "GET", "url": "/x", "status_code": 200}},
                {"timestamp": "2025-11-22T14:08:10.349Z", "type": "navigation", "data": {"from": "/a", "to": "/b"}},
                {"message": "hello", "level": "error", "timestamp": "nonsense"},
            ]}}),
            Code::default(),
        );
        let read: Vec<(&str, &str)> = view.crumbs.iter().map(|c| (c.text.as_str(), c.step.as_str())).collect();
        assert_eq!(read, [("GET /x 200", ""), ("/a to /b", "+249 ms"), ("hello", "")]);
        assert!(view.crumbs[2].is_bad);
    }

    #[test]
    fn a_request_becomes_a_command_that_is_safe_to_paste() {
        let view = EventView::new(
            &json!({"request": {
                "method": "POST", "url": "https://x.example/a'b", "query_string": [["q", "1 2"]],
                "headers": [["X-Y", "it's; rm -rf /"], ["Content-Length", "3"]], "data": {"a": 1},
            }}),
            Code::default(),
        );
        let request = view.request.unwrap();
        assert_eq!(request.line, "POST https://x.example/a'b?q=1+2");
        assert_eq!(
            request.curl,
            r#"curl -X 'POST' 'https://x.example/a'\''b?q=1+2' -H 'X-Y: it'\''s; rm -rf /' --data-raw '{"a":1}'"#
        );
    }

    #[test]
    fn no_secret_gets_into_a_command() {
        let view = EventView::new(
            &json!({"request": {
                "url": "https://ann:pw@x.example/", "query_string": [["api_key", "k1"], ["q", "1"]],
                "headers": [["Authorization", "Bearer abcdefgh"], ["Cookie", "[Filtered]"], ["Accept", "*/*"]],
                "data": {"password": "p1", "cart": 7},
            }}),
            Code::default(),
        );
        let curl = view.request.unwrap().curl;
        for secret in ["pw", "k1", "abcdefgh", "p1"] {
            assert!(!curl.contains(secret), "{curl}");
        }
        assert!(curl.contains("Cookie: [Filtered]") && curl.contains("q=1") && curl.contains(r#""cart":7"#), "{curl}");
    }

    #[test]
    fn nonsense_is_an_empty_view() {
        for event in
            [json!(null), json!([]), json!({"exception": 1, "breadcrumbs": [], "request": "x", "contexts": {"a": 3}})]
        {
            let view = EventView::new(&event, Code::default());
            assert!(view.exceptions.is_empty() && view.crumbs.is_empty() && view.groups.is_empty());
        }
    }
}
