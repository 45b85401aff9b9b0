//! What scanners try: injections in every parameter of every route and in every form that a page has, forms of other
//! sites, paths that lead out, requests in requests, and too much of everything. None gets through, and none is an error of ours.

use engine::access::{Role, SCOPES};
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::reads::{contents, filled, settled};
use super::{Browser, Site, add_person, csrf, exception};

/// What would mean something to a database, a browser, a shell, a template, a file system, a parser of numbers or of headers.
const INJECTIONS: [&str; 16] = [
    "' or '1'='1' --",
    "1; drop table issues; --",
    "1) union select password_hash from users --",
    "\\'; select pg_sleep(60); --",
    "\"><script>alert(1)</script>",
    "'-alert(1)-'\" onmouseover=alert(1) x=\"",
    "javascript:alert(1)",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "$(sleep 60)`sleep 60`|sleep 60",
    "../../../../../../etc/passwd",
    "..%2f..%2f\u{0}.css",
    "a\r\nset-cookie: evil=1\r\n\r\n<html>",
    "-9223372036854775809",
    "1e999",
    "\u{202e}\u{2066}\u{fffe}\u{1f4a9}\u{7f}",
    "%",
];

/// Parameters that some route reads, and some that none does.
const NAMES: [&str; 26] = [
    "query",
    "project",
    "range",
    "sort",
    "after",
    "before",
    "by",
    "environment",
    "deploy",
    "next",
    "from",
    "to",
    "sdk",
    "cursor",
    "per_page",
    "statsPeriod",
    "id",
    "status",
    "key",
    "view",
    "format",
    "kind",
    "who",
    "limit",
    "shortIdLookup",
    "zzz",
];

/// What an answer must not have: the text as it came, or words of the inside.
const TRACES: [&str; 7] = [
    "<script>alert(1)",
    "onmouseover=alert(1) x=\"",
    "syntax error at or near",
    "panicked at",
    "root:x:0",
    "$argon2id$",
    "<%= 7*7",
];

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// No error of ours, and nothing of what was tried. JSON and plain text are no pages: what stands in them is not run.
async fn inert(response: reqwest::Response, what: &str) -> u16 {
    let status = response.status().as_u16();
    assert!(status < 500, "{what}: {status}");
    assert!(
        !response.headers().contains_key("evil")
            && response
                .headers()
                .get("set-cookie")
                .is_none_or(|cookie| { !cookie.to_str().unwrap_or_default().contains("evil=1") })
    );
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    if !kind.starts_with("text/event-stream") {
        let is_page = kind.starts_with("text/html");
        let body = String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned();
        for trace in TRACES.iter().filter(|trace| is_page || !trace.contains(['<', '"'])) {
            assert!(!body.contains(trace), "{what}: {status} with {trace}");
        }
    }
    status
}

/// A site with an owner, an issue and an event, and a token that may do everything.
async fn open() -> (Site, Browser, String, i64) {
    let site = Site::open().await;
    add_person(&site.server, Role::Owner).await;
    let mut event = exception("E", "v");
    (event["release"], event["environment"]) = ("shop@1.0".into(), "production".into());
    let issue = site.issue(&event).await;
    let token = site.server.db.token(&SCOPES.map(|(scope, _)| scope)).await;
    let owner = site.sign_in(Role::Owner).await;
    (site, owner, token, issue)
}

#[tokio::test]
async fn no_parameter_of_a_route_that_is_read_is_more_than_text() {
    let (site, owner, token, issue) = open().await;
    let event: uuid::Uuid =
        sqlx::query_scalar("select event_id from events").fetch_one(&site.server.db.pool).await.unwrap();
    let event = event.simple().to_string();
    let pages = firefinch::web::pages().into_iter().filter(|page| page.method == Method::GET.as_str());
    let api = firefinch::api::endpoints().into_iter().filter(|endpoint| endpoint.method == Method::GET.as_str());
    let paths: Vec<String> = pages
        .map(|page| page.path.to_owned())
        .chain(api.map(|endpoint| format!("/api/0{}", endpoint.path)))
        .filter(|path| !path.starts_with("/sign-out"))
        .collect();
    let mut tried = 0;
    for path in &paths {
        for injection in INJECTIONS {
            // All parameters of the query at once, and each of the path.
            let query: Vec<String> = NAMES.iter().map(|name| format!("{name}={}", encoded(injection))).collect();
            let mut addresses = vec![format!("{}?{}", filled(path, issue, &event, "x"), query.join("&"))];
            let parts: Vec<&str> = path.split('/').collect();
            for (place, _) in parts.iter().enumerate().filter(|(_, part)| part.starts_with('{')) {
                let mut parts = parts.clone();
                let text = encoded(injection);
                parts[place] = &text;
                addresses.push(filled(&parts.join("/"), issue, &event, "x"));
            }
            for address in addresses {
                let mut request = owner.request(Method::GET, &address);
                if address.starts_with("/api/") {
                    request = request.bearer_auth(&token);
                }
                inert(request.send().await.unwrap(), &address).await;
                tried += 1;
            }
        }
    }
    assert!(tried > 2_000, "{tried}");
    let users: i64 = sqlx::query_scalar("select count(*) from users").fetch_one(&site.server.db.pool).await.unwrap();
    assert!(users >= 4);
}

/// A form that a page has: where it is posted, and what it sends as the page shows it.
struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

/// The forms of a page that post.
fn forms(page: &str) -> Vec<Form> {
    let mut found = Vec::new();
    for part in page.split("<form").skip(1) {
        let (head, rest) = part.split_once('>').unwrap();
        let body = rest.split("</form>").next().unwrap();
        if attribute(head, "method").is_some_and(|method| method.eq_ignore_ascii_case("post")) {
            let tags = body
                .split('<')
                .filter(|tag| ["input", "textarea", "select", "button"].iter().any(|name| tag.starts_with(name)));
            let fields = tags
                .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())))
                .collect();
            found.push(Form { action: attribute(head, "action").unwrap_or_default(), fields });
        }
    }
    found
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(rest.split('"').next()?.replace("&amp;", "&").replace("&#38;", "&"))
}

#[tokio::test]
async fn no_field_of_a_form_is_more_than_text() {
    let (site, mut owner, _, issue) = open().await;
    let pages = firefinch::web::pages().into_iter().filter(|page| page.method == Method::GET.as_str());
    let paths: Vec<String> = pages
        .map(|page| filled(page.path, issue, "latest", "x"))
        .filter(|path| !path.contains("stream") && !path.ends_with("/events"))
        .collect();
    let (mut found, mut tried) = (std::collections::BTreeSet::new(), 0);
    for path in &paths {
        let shown = owner.get(path).await;
        for form in forms(&shown.body) {
            let names: Vec<&str> = form.fields.iter().map(|(name, _)| name.as_str()).collect();
            // What ends the session or hashes for seconds is tried in tests of its own.
            let is_left_out =
                form.action.contains("sign-out") || form.action.contains("/sessions") || names.contains(&"password");
            if is_left_out || !found.insert((form.action.clone(), names.join(" "))) {
                continue;
            }
            let is_choice = |name: &str| name == "csrf" || name == "do";
            for injection in INJECTIONS {
                let fields = form
                    .fields
                    .iter()
                    .map(|(name, value)| (name.as_str(), if is_choice(name) { value.as_str() } else { injection }));
                let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
                let request = owner.request(Method::POST, &form.action);
                let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
                inert(request.send().await.unwrap(), &format!("{} of {path} with {injection:?}", form.action)).await;
                tried += 1;
            }
        }
    }
    assert!(found.len() > 30 && tried > 500, "{} forms, {tried} tries", found.len());
    // Whatever was kept of it is shown as text.
    for path in &paths {
        inert(owner.request(Method::GET, path).send().await.unwrap(), path).await;
    }
    let tables: i64 = sqlx::query_scalar("select count(*) from issues").fetch_one(&site.server.db.pool).await.unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn no_route_changes_anything_for_a_form_of_another_site() {
    let (site, mut owner, _, issue) = open().await;
    let others = site.sign_in(Role::Admin).await;
    let token_of_another = csrf(&others.clone().page("/issues").await);
    owner.page("/issues").await;
    settled(&site.server.db.pool).await;
    let before = contents(&site.server.db.pool).await;
    let mut refused = 0;
    for page in firefinch::web::pages().into_iter().filter(|page| page.method == Method::POST.as_str()) {
        // A link in a mail is its own right; the door has a token of its own.
        if ["{link}", "{secret}", "/sign-in", "/setup", "/reset", "/join", "/mail"]
            .iter()
            .any(|part| page.path.contains(part))
        {
            continue;
        }
        let path = filled(page.path, issue, "latest", "x");
        for (token, origin) in
            [(None, None), (Some(token_of_another.as_str()), None), (None, Some("https://evil.example"))]
        {
            let mut fields = vec![("do", "delete"), ("status", "resolved"), ("name", "x")];
            fields.extend(token.map(|token| ("csrf", token)));
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            let mut request = owner.request(Method::POST, &path);
            if let Some(origin) = origin {
                request = request.header("origin", origin).header("sec-fetch-site", "cross-site");
            }
            let reply =
                request.header("content-type", "application/x-www-form-urlencoded").body(body).send().await.unwrap();
            let status = reply.status().as_u16();
            assert!((400..500).contains(&status), "{path}: {status}");
            refused += 1;
        }
    }
    assert!(refused > 80, "{refused}");
    assert_eq!(contents(&site.server.db.pool).await, before);
}

/// The whole answer to some bytes, as far as it comes.
async fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that refuses early may have closed already.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn no_path_leads_out_of_the_static_files() {
    let (site, ..) = open().await;
    let address = site.server.url.trim_start_matches("http://");
    for path in [
        "/static/../Cargo.toml",
        "/static/../../../../../../etc/passwd",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/..\\..\\etc\\passwd",
        "/static/....//....//etc/passwd",
        "/static//etc/passwd",
        "/static/%00app.css",
        "/static/app.css%00.html",
        "/static/%c0%ae%c0%ae/etc/passwd",
        "//etc/passwd",
        "/static/file:///etc/passwd",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let answer = raw(address, request.as_bytes()).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(matches!(status, "303" | "400" | "404"), "{path}: {answer:.200}");
        assert!(!answer.contains("root:x:0") && !answer.contains("[package]"), "{path}");
    }
}

#[tokio::test]
async fn no_request_hides_in_another() {
    let (site, ..) = open().await;
    let address = site.server.url.trim_start_matches("http://");
    let hidden = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let sized = hidden.len() + 5;
    for headers in [
        format!("Content-Length: 5\r\nContent-Length: {sized}\r\n"),
        format!("Content-Length: {sized}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {sized}\r\n"),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: identity, chunked\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "Transfer-Encoding:\x0bchunked\r\n".to_owned(),
        "X: y\r\n Transfer-Encoding: chunked\r\n".to_owned(),
        "Content-Length: -1\r\n".to_owned(),
        "Content-Length: +5\r\n".to_owned(),
        "Content-Length: 5, 5\r\n".to_owned(),
        "Content-Length: 99999999999999999999999\r\n".to_owned(),
        "Content-Length: 0x5\r\n".to_owned(),
    ] {
        // Read by one rule, what follows the empty line is a body; by another, it is a body of nothing and a request.
        let request = format!("POST /sign-in HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n0\r\n\r\n{hidden}");
        let answer = raw(address, request.as_bytes()).await;
        let answers = answer.matches("HTTP/1.1 ").count();
        let is_ambiguous = !headers.starts_with("Transfer-Encoding: identity, chunked");
        assert!(answers <= 1 || !is_ambiguous, "{headers:?} had {answers} answers: {answer:.400}");
        assert!(!answer.starts_with("HTTP/1.1 5"), "{headers:?}: {answer:.200}");
    }
}

#[tokio::test]
async fn too_much_of_anything_is_refused() {
    let (site, owner, token, issue) = open().await;
    let address = site.server.url.trim_start_matches("http://").to_owned();
    let long = "a".repeat(1 << 20);
    let head =
        |line: &str, header: &str| format!("{line} HTTP/1.1\r\nHost: {address}\r\n{header}Connection: close\r\n\r\n");
    let many: String = (0..5_000).map(|n| format!("X-{n}: y\r\n")).collect();
    for request in [
        head(&format!("GET /{long}"), ""),
        head(&format!("GET /issues?query={long}"), ""),
        head("GET /issues", &format!("Cookie: {long}\r\n")),
        head("GET /issues", &many),
        head(&format!("{long} /issues"), ""),
    ] {
        let answer = raw(&address, request.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{:.60}: {answer:.200}", request);
    }
    let csrf = csrf(&owner.clone().page("/issues").await);
    let fields = "x=1&".repeat(200_000);
    let deep = "[".repeat(100_000);
    for (path, kind, body) in [
        (
            format!("/issues/{issue}/comments"),
            "application/x-www-form-urlencoded",
            format!("csrf={csrf}&text={}", "a".repeat(30 << 20)),
        ),
        (format!("/issues/{issue}/comments"), "application/x-www-form-urlencoded", format!("csrf={csrf}&{fields}")),
        (
            "/api/0/organizations/default/releases/".to_owned(),
            "application/json",
            format!("{{\"version\":\"{}\"}}", "a".repeat(30 << 20)),
        ),
        ("/api/0/organizations/default/releases/".to_owned(), "application/json", deep),
    ] {
        let mut request = owner.request(Method::POST, &path).header("content-type", kind);
        if path.starts_with("/api/") {
            request = request.bearer_auth(&token);
        }
        // Refused while it is still being sent, the connection may be gone before the answer is read.
        if let Ok(reply) = request.body(body).send().await {
            assert!((400..500).contains(&reply.status().as_u16()), "{path}: {}", reply.status());
        }
    }
    assert_eq!(owner.clone().get("/issues").await.status, 200);
}
