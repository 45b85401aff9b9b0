//! Recorded requests of official SDKs, read from `tests/fixtures/corpus.tar.zst`.
//!
//! Owns reading the pack and rewriting a request so that it can be sent again: to another project
//! and key, or as a new event. For tests and benchmarks only; nothing that ships may depend on it.
//! It knows the wire format on its own, on purpose: tests must not decode with the code they test.

mod body;
mod pack;

use serde::Deserialize;

/// All recorded requests.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// In the order in which they were received.
    pub requests: Vec<Request>,
}

/// One request, as it came over the wire.
#[derive(Debug, Clone, Deserialize)]
pub struct Request {
    /// `platform/number`.
    pub file: String,
    /// HTTP method.
    pub method: String,
    /// Path, `/api/<project>/envelope/` and so on; `/tunnel` for envelopes that name their DSN.
    pub path: String,
    /// Query without the question mark; empty if there was none.
    pub query: String,
    /// Headers in the order received. `Host`, `Content-Length` and `Transfer-Encoding` describe the
    /// recorded connection: leave them to the client that sends the request again.
    pub headers: Vec<(String, String)>,
    /// The body, still compressed.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// What is known about it.
    pub row: ManifestRow,
}

/// What the recorder knew about a request.
#[derive(Debug, Clone, Deserialize)]
pub struct ManifestRow {
    /// Runtime that sent it.
    pub platform: String,
    /// The program.
    pub app: String,
    /// Project in the DSN; all bugs of one program share it.
    pub project: i64,
    /// SDK name.
    pub sdk: Option<String>,
    /// SDK version.
    pub sdk_version: Option<String>,
    /// `A`, or `B` after an ordinary edit of the program.
    pub release: String,
    /// What the program did.
    pub scenario: String,
    /// The same bug under other SDK options.
    pub variant: String,
    /// Ground truth: events of one bug belong in one issue. None if the request carries no error.
    pub bug: Option<String>,
    /// Bugs with the same value share a function or a root cause; merging them is debatable.
    pub near: Option<String>,
    /// The request carries an event that is an error or a message.
    pub is_error: bool,
    /// Id of that event.
    pub event_id: Option<String>,
    /// Its `platform` attribute.
    pub event_platform: Option<String>,
    /// Types of its exceptions, as sent.
    #[serde(default)]
    pub exception_types: Vec<Option<String>>,
    /// Types of the envelope's items.
    #[serde(default)]
    pub item_types: Vec<String>,
    /// Path with the project taken out.
    pub endpoint: String,
    /// Where the key was.
    pub auth: String,
    /// The key.
    pub public_key: String,
    /// Size of the body after decompression.
    pub decoded_bytes: usize,
    /// Position in the recording.
    pub order: u64,
}

/// Reads the pack, which is part of this crate's binary.
///
/// # Panics
/// If the committed pack is broken.
#[must_use]
#[allow(clippy::expect_used, reason = "a broken fixture must stop the test that asked for it")]
pub fn load() -> Corpus {
    pack::read(include_bytes!("../../../tests/fixtures/corpus.tar.zst")).expect("tests/fixtures/corpus.tar.zst")
}

impl Request {
    /// The same request, sent to another project with another key.
    #[must_use]
    pub fn retarget(&self, project_id: i64, public_key: &str) -> Self {
        let (old_key, old_project) = (&self.row.public_key, format!("/api/{}/", self.row.project));
        let mut request = self.clone();
        request.path = self.path.replacen(&old_project, &format!("/api/{project_id}/"), 1);
        request.query = self.query.replace(old_key.as_str(), public_key);
        for (_, value) in &mut request.headers {
            *value = value.replace(old_key.as_str(), public_key);
        }
        if let Some(body) = body::retarget_envelope(&self.decoded(), project_id, public_key) {
            request.set_body(&body);
        }
        request.row.project = project_id;
        public_key.clone_into(&mut request.row.public_key);
        request
    }

    /// The same request with another event id (32 hexadecimal digits), in the envelope's header and
    /// in its payloads. A request without an event id stays as it is.
    #[must_use]
    pub fn with_event_id(&self, id: &str) -> Self {
        let decoded = self.decoded();
        let Some(old) = body::event_id(&decoded).or_else(|| self.row.event_id.clone()) else {
            return self.clone();
        };
        let mut request = self.clone();
        request.set_body(&body::replace_id(&decoded, &old, id));
        if request.row.event_id.is_some() {
            request.row.event_id = Some(id.to_owned());
        }
        request
    }

    /// The body without its compression.
    #[must_use]
    pub fn decoded(&self) -> Vec<u8> {
        body::decode(&self.body, self.header("content-encoding"))
    }

    /// The event's JSON text, if the request carries one.
    #[must_use]
    pub fn event(&self) -> Option<String> {
        body::event(&self.decoded())
    }

    /// A header's value; the name is compared without case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn set_body(&mut self, decoded: &[u8]) {
        self.body = body::encode(decoded, &self.body, self.header("content-encoding"));
        for (name, value) in &mut self.headers {
            if name.eq_ignore_ascii_case("content-length") {
                *value = self.body.len().to_string();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const ID: &str = "fedcba9876543210fedcba9876543210";

    #[test]
    fn every_request_and_every_error_event_is_read() {
        let corpus = load();
        assert_eq!(corpus.requests.len(), 1566);
        assert!(corpus.requests.is_sorted_by_key(|request| request.row.order));
        for request in &corpus.requests {
            assert_eq!(request.event().is_some(), request.row.is_error, "{}", request.file);
        }
    }

    #[test]
    fn a_retargeted_request_names_only_its_new_home() {
        for request in &load().requests {
            let moved = request.retarget(7, KEY);
            let text = format!("{} {} {:?}", moved.path, moved.query, moved.headers);
            // Payloads may quote the old key among local variables: those are data, not an address.
            let decoded = String::from_utf8_lossy(&moved.decoded()).into_owned();
            let address = format!("{text} {}", decoded.lines().next().unwrap_or_default());
            assert!(!address.contains(&request.row.public_key), "{}: {address}", request.file);
            assert!(address.contains(KEY), "{}: {address}", request.file);
            assert!(moved.path.starts_with("/api/7/") || moved.path == "/tunnel", "{}", moved.path);
        }
    }

    #[test]
    fn a_fresh_id_replaces_the_old_one_everywhere() {
        for request in load().requests.iter().filter(|request| request.row.event_id.is_some()) {
            let old = request.row.event_id.as_deref().unwrap();
            let fresh = request.with_event_id(ID);
            let decoded = String::from_utf8_lossy(&fresh.decoded()).replace('-', "");
            assert!(decoded.contains(ID) && !decoded.contains(old), "{}", request.file);
            assert_eq!(fresh.decoded().len(), request.decoded().len());
            assert_eq!(fresh.event().is_some(), request.event().is_some());
        }
    }
}
