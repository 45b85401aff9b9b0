//! A small HTTP client for the server under test.

use std::sync::Once;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use super::Project;

/// A client of one server; cheap to clone, keeps its connections.
#[derive(Clone)]
pub struct Http {
    client: Client,
    base: String,
    token: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Http {
    /// A client of the server at `url` (`http://127.0.0.1:1234`), without redirects and proxies.
    pub fn new(url: &str) -> Self {
        static PROVIDER: Once = Once::new();
        // reqwest wants one even where it never speaks TLS.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self { client, base: url.to_owned(), token: None }
    }

    /// The same client, showing this API token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same client, showing no token.
    pub fn anonymous(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// A request to finish and give to `send`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// Posts one event as SDKs do: an envelope with one item.
    pub async fn post_event(&self, project: &Project, event: &Value) -> Reply {
        let id = event["event_id"].as_str().expect("the event has an event_id");
        let envelope = format!("{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\"}}\n{event}\n");
        self.post_envelope(project, envelope.into_bytes()).await
    }

    /// Posts an envelope's bytes.
    pub async fn post_envelope(&self, project: &Project, envelope: Vec<u8>) -> Reply {
        let auth = format!("Sentry sentry_version=7, sentry_client=test/1.0, sentry_key={}", project.public_key);
        let request = self.request(Method::POST, &format!("/api/{}/envelope/", project.id));
        let request = request.header("x-sentry-auth", auth).header("content-type", "application/x-sentry-envelope");
        self.send(request.body(envelope)).await
    }

    /// Sends, and reads the whole answer.
    ///
    /// # Panics
    /// When there is no answer; `try_send` is for servers that may be away.
    pub async fn send(&self, request: RequestBuilder) -> Reply {
        self.try_send(request).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    pub async fn try_send(&self, request: RequestBuilder) -> Result<Reply, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { status, headers, body: response.text().await? })
    }
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    /// When the status is not a success, or the body is not JSON.
    pub fn json(&self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.body);
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}
