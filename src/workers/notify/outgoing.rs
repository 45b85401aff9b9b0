//! The one HTTP client for everything that goes to an address that somebody entered.
//!
//! It connects to nobody that `guard` refuses, follows no redirect, uses no proxy of the environment, and
//! bounds the time of an exchange and the bytes of its answer. Nothing of a request is logged here, and no
//! error names its URL: a path is often a secret.

use std::sync::Arc;
use std::time::Duration;

use engine::alert::exchange::{ANSWER_BYTES_MAX, Answer, Method, Request, Verdict};
use engine::alert::preset::Preset;
use engine::alert::{Message, backoff};
use reqwest::dns::Resolve;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, redirect};
use time::OffsetDateTime;

use super::attempt::{Attempt, chain};
use super::guard::{self, Guarded, Refusal, SystemNames};

/// A receiver on the internet accepts a connection well within this.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The whole exchange. Receivers that work before they answer should answer first.
const REQUEST_MAX: Duration = Duration::from_secs(15);

/// Idle connections kept to one host: deliveries come in bursts, and a receiver's memory is not ours.
const IDLE_PER_HOST_MAX: usize = 2;

/// Sends requests and gives answers.
#[derive(Debug)]
pub struct Outgoing {
    /// The error is kept for the deliveries: a machine without certificates must still start.
    client: Result<Client, String>,
    allow_private: bool,
}

impl Outgoing {
    /// With the names of this machine.
    #[must_use]
    pub fn new(allow_private: bool) -> Self {
        Self::with_names(allow_private, Arc::new(SystemNames), REQUEST_MAX)
    }

    /// With another source of names, which is guarded as well, and another bound of an exchange.
    #[must_use]
    pub fn with_names(allow_private: bool, names: Arc<dyn Resolve>, request_max: Duration) -> Self {
        // Fails when the process has a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("Firefinch-Webhook/", env!("CARGO_PKG_VERSION")))
            // A redirect could lead anywhere, also to where the guard would not let us.
            .redirect(redirect::Policy::none())
            // A proxy from the environment would connect for us, past the guard.
            .no_proxy()
            .dns_resolver(Guarded { names, allow_private })
            .connect_timeout(CONNECT_MAX)
            .timeout(request_max)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .build()
            .map_err(|error| format!("no HTTPS client: {}", chain(&error)));
        Self { client, allow_private }
    }

    /// Tells a receiver in its own form. What it was to change or to answer may have been deleted there: then
    /// the message is sent anew, once.
    pub async fn tell(&self, preset: &Preset, message: &Message, now: OffsetDateTime) -> Attempt {
        let mut told = self.ask(preset, message, false, now).await;
        if let Ok((_, Verdict::Gone)) = told {
            told = self.ask(preset, message, true, now).await;
        }
        match told {
            Ok((answer, verdict)) => Attempt::of(&answer, &verdict),
            Err(failed) => failed,
        }
    }

    async fn ask(
        &self,
        preset: &Preset,
        message: &Message,
        anew: bool,
        now: OffsetDateTime,
    ) -> Result<(Answer, Verdict), Attempt> {
        let answer = self.exchange(preset.request(message, anew), now).await?;
        let verdict = preset.verdict(&answer);
        Ok((answer, verdict))
    }

    /// One exchange.
    ///
    /// # Errors
    /// The failed attempt: final when the address is refused, temporary for whatever may be an outage.
    pub async fn exchange(&self, request: Request, now: OffsetDateTime) -> Result<Answer, Attempt> {
        let client = self.client.as_ref().map_err(Attempt::later)?;
        let url = guard::check_url(&request.url, self.allow_private).map_err(Attempt::dead)?;
        let method = match request.method {
            Method::Post => reqwest::Method::POST,
            Method::Patch => reqwest::Method::PATCH,
        };
        let mut builder = client.request(method, url);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        match builder.body(request.body).send().await {
            Ok(response) => Ok(answer(response, now).await),
            Err(error) => Err(failure(error)),
        }
    }
}

async fn answer(mut response: Response, now: OffsetDateTime) -> Answer {
    let status = response.status();
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|header| backoff::retry_after(header, now));
    let body = start_of_body(&mut response).await;
    Answer { status: status.as_u16(), title: status.to_string(), retry_after, body }
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
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An exchange that failed below HTTP. Only a refusal is final; the rest may be an outage.
fn failure(error: reqwest::Error) -> Attempt {
    let error = error.without_url();
    match Refusal::in_chain(&error) {
        Some(refusal) => Attempt::dead(refusal.to_string()),
        // A header that cannot be written, or a URL that only the client finds fault with.
        None if error.is_builder() => Attempt::dead(chain(&error)),
        None => Attempt::later(chain(&error)),
    }
}
