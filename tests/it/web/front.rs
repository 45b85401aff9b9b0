//! Names under which this server answers, proxies that it believes, and TLS in front of it.

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Http, TestServer};

async fn status(http: &Http, path: &str, host: &str) -> u16 {
    http.send(http.request(Method::GET, path).header("host", host)).await.status
}

#[tokio::test]
async fn pages_and_api_answer_to_their_own_names_alone() {
    let server = TestServer::start_with(|config| {
        config.base_url = Some("https://errors.example.org".into());
        config.hosts = Some("finch.internal".into());
    })
    .await;
    let http = Http::new(&server.url);
    for path in ["/sign-in", "/static/app.css", "/nothing/here", "/api/0/", "/api/0/organizations/default/issues/"] {
        let ours = status(&http, path, "errors.example.org").await;
        assert!(ours < 500 && ours != 421, "{path}: {ours}");
        assert_eq!(status(&http, path, "finch.internal:9000").await, ours, "{path}");
        assert_eq!(status(&http, path, "evil.example").await, 421, "{path}");
        assert_eq!(status(&http, path, "errors.example.org.evil.example").await, 421, "{path}");
    }
    // Links never follow what a request says: neither this name nor a proxy's.
    let request = http.request(Method::GET, "/issues").header("x-forwarded-host", "evil.example");
    let reply = http.send(request.header("forwarded", "host=evil.example")).await;
    assert_eq!((reply.status, reply.headers["location"].to_str().unwrap()), (303, "/sign-in?next=%2Fissues"));
    // SDKs and probes reach it under any name.
    assert_eq!(status(&http, "/healthz", "10.0.0.1.nip.example").await, 200);
    let project = server.db.project("shop").await;
    let path = format!("/api/{}/envelope/?sentry_key={}", project.id, project.public_key);
    let post = http.request(Method::POST, &path).header("host", "collector").body("{}\n");
    assert_eq!(http.send(post).await.status, 200);
}

#[tokio::test]
async fn browsers_are_kept_on_tls_where_it_is() {
    let tls = TestServer::start_with(|config| config.base_url = Some("https://errors.example.org".into())).await;
    for path in ["/sign-in", "/static/app.css", "/api/0/", "/nothing/here"] {
        let reply = Http::new(&tls.url).get(path).await;
        assert_eq!(reply.headers["strict-transport-security"], "max-age=31536000", "{path}");
    }
    let plain = TestServer::start().await;
    let reply = Http::new(&plain.url).get("/sign-in").await;
    assert!(!reply.headers.contains_key("strict-transport-security"));
}

/// The address that an event is said to come from, as its user: where the SDK asks for it.
async fn infers(server: &TestServer, forwarded_for: &str) -> String {
    let http = Http::new(&server.url);
    let project = server.db.project(&format!("p{}", forwarded_for.len())).await;
    let id = "c".repeat(32 - forwarded_for.len()) + &"d".repeat(forwarded_for.len());
    let body = format!(
        "{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\"}}\n{{\"event_id\":\"{id}\",\"message\":\"m\",\"user\":{{\"ip_address\":\"{{{{auto}}}}\"}}}}\n"
    );
    let path = format!("/api/{}/envelope/?sentry_key={}", project.id, project.public_key);
    let post = http.request(Method::POST, &path).header("x-forwarded-for", forwarded_for).body(body);
    assert_eq!(http.send(post).await.status, 200);
    let sql = format!("select user_key from events where project_id = {}", project.id);
    sqlx::query_scalar::<_, Option<String>>(sqlx::AssertSqlSafe(sql))
        .fetch_one(&server.db.pool)
        .await
        .unwrap()
        .unwrap_or_default()
}

#[tokio::test]
async fn an_address_is_taken_from_proxies_that_are_named() {
    let near = TestServer::start().await;
    assert_eq!(infers(&near, "198.51.100.7").await, "ip:198.51.100.7");
    assert_eq!(infers(&near, "6.6.6.6, 198.51.100.7").await, "ip:198.51.100.7");
    let far = TestServer::start_with(|config| config.trusted_proxies = Some("10.0.0.0/8".into())).await;
    assert_eq!(infers(&far, "198.51.100.7").await, "ip:127.0.0.1");
}

#[tokio::test]
async fn a_connection_without_one_host_is_refused() {
    let server = TestServer::start().await;
    let address = server.url.trim_start_matches("http://").to_owned();
    for (host, expected) in [
        (String::new(), "400"),
        (format!("Host: {address}\r\nHost: evil.example\r\n"), "400"),
        ("Host: evil.example\r\n".to_owned(), "421"),
        (format!("Host: {address}\r\n"), "200"),
    ] {
        let request = format!("GET /sign-in HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{host:?}: {answer:.100}");
    }
}
