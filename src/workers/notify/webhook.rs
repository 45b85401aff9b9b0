//! Sends webhooks: one signed POST per delivery (`docs/webhooks.md`).

use std::time::Duration;

use engine::alert::{Notice, backoff, text, webhook};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode, redirect};
use sha2::Sha256;
use store::notifications::WebhookTarget;
use time::OffsetDateTime;

use super::attempt::{Attempt, chain};
use super::guard::{self, REFUSED, Resolver};

/// A receiver on the internet accepts a connection well within this.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The whole exchange. Receivers that work before they answer should answer first.
const REQUEST_MAX: Duration = Duration::from_secs(15);

/// Of an answer only its start is read: it is shown to people when it is an error.
const ANSWER_BYTES_MAX: usize = 4096;

/// Characters of an answer's body that are shown.
const BODY_CHARS: usize = 200;

/// The client, and the rule about private addresses.
#[derive(Debug)]
pub(super) struct Webhooks {
    /// The error is kept for the deliveries: a machine without certificates must still start.
    client: Result<Client, String>,
    allow_private: bool,
}

/// A new secret from the system's random source.
#[must_use]
pub fn new_secret() -> String {
    webhook::secret(&rand::random())
}

impl Webhooks {
    pub(super) fn new(allow_private: bool) -> Self {
        // Fails when the process has a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("Firefinch-Webhook/", env!("CARGO_PKG_VERSION")))
            // A redirect could lead anywhere, also to where the guard would not let us.
            .redirect(redirect::Policy::none())
            // A proxy from the environment would connect for us, past the guard.
            .no_proxy()
            .dns_resolver(Resolver { allow_private })
            .connect_timeout(CONNECT_MAX)
            .timeout(REQUEST_MAX)
            .build()
            .map_err(|error| format!("no HTTPS client: {}", chain(&error)));
        Self { client, allow_private }
    }

    pub(super) async fn send(&self, target: &WebhookTarget, notice: &Notice, now: OffsetDateTime) -> Attempt {
        match webhook::body(notice) {
            Ok(body) => self.post(target, &notice.delivery, body, now).await,
            Err(error) => Attempt::dead(format!("cannot write the body: {error}")),
        }
    }

    /// Sends a test message, which has an id of its own.
    pub(super) async fn test(&self, target: &WebhookTarget, base_url: &str, now: OffsetDateTime) -> Attempt {
        let id = format!("test_{}", now.unix_timestamp_nanos());
        match webhook::test_body(&id, base_url, now) {
            Ok(body) => self.post(target, &id, body, now).await,
            Err(error) => Attempt::dead(format!("cannot write the body: {error}")),
        }
    }

    async fn post(&self, target: &WebhookTarget, id: &str, body: String, now: OffsetDateTime) -> Attempt {
        let client = match &self.client {
            Ok(client) => client,
            Err(error) => return Attempt::later(error),
        };
        let url = match guard::check_url(&target.url, self.allow_private) {
            Ok(url) => url,
            Err(error) => return Attempt::dead(error),
        };
        let timestamp = now.unix_timestamp();
        let Some(signature) = sign(&target.secret, id, timestamp, &body) else {
            return Attempt::dead("the secret of the webhook is not one: whsec_ and 24 to 64 bytes in base64");
        };
        let request = client
            .post(url)
            .header("Content-Type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(response) => judge(response, now).await,
            Err(error) => failure(error),
        }
    }
}

/// The signature header; `None` when the secret is not one.
fn sign(secret: &str, id: &str, timestamp: i64, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&webhook::key(secret)?).ok()?;
    mac.update(webhook::signed_text(id, timestamp, body).as_bytes());
    Some(webhook::signature_header(&mac.finalize().into_bytes()))
}

/// What an answer means. 408, 425 and 429 say 'not now'; every other 4xx says that this request will
/// never do, and so does a redirect, which is not followed.
async fn judge(mut response: Response, now: OffsetDateTime) -> Attempt {
    let status = response.status();
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = header.and_then(|header| backoff::retry_after(header, now));
    let body = start_of_body(&mut response).await;
    let answer = format!("HTTP {status}{}{}", if body.is_empty() { "" } else { ": " }, body);
    let not_now = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    if status.is_success() {
        Attempt::sent(answer)
    } else if status.is_server_error() || not_now.contains(&status) {
        Attempt::Later { error: answer, asked }
    } else if status.is_redirection() {
        Attempt::dead(format!("{answer} (redirects are not followed)"))
    } else {
        Attempt::dead(answer)
    }
}

async fn start_of_body(response: &mut Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES_MAX - bytes.len())]),
            // The status has been read: a body that breaks off changes nothing.
            Ok(None) | Err(_) => break,
        }
    }
    text::one_line(&String::from_utf8_lossy(&bytes), BODY_CHARS)
}

/// An exchange that failed below HTTP. Only the guard's refusal is final; the rest may be an outage.
fn failure(error: reqwest::Error) -> Attempt {
    // The URL may hold a token in its path.
    let text = chain(&error.without_url());
    if text.contains(REFUSED) { Attempt::dead(text) } else { Attempt::later(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_standard() {
        // Key: 32 times 7. Computed with Python: hmac.new(b"\x07" * 32, b"dlv_7.1795356134.{}", "sha256").
        let secret = webhook::secret(&[7; 32]);
        let signature = sign(&secret, "dlv_7", 1_795_356_134, "{}").unwrap();
        assert_eq!(signature, "v1,ea7bu0baiUA5thGHaGNh3vYvUZATyGB1W2mqCbeidGM=");
        assert_eq!(sign("whsec_", "dlv_7", 1, "{}"), None);
    }
}
