//! Commands that speak to a running server by its web API: where it is, with which token, and what its refusals mean
//! for the person who called. They need no database and no configuration file.

use std::time::Duration;

use anyhow::{Context, anyhow};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::output::Output;
use crate::config::Config;
use crate::error::Failure;

/// One call. A server that takes longer is not going to answer.
const TIME_MAX: Duration = Duration::from_secs(60);
/// Characters of an answer that is no JSON; enough to see that a proxy wrote it.
const ANSWER_CHARS: usize = 200;
/// A part of a path: everything that could mean something in it is written as `%XX`.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Which server, and as whom.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Remote {
    /// Address of the server
    #[arg(long, global = true, env = "FIREFINCH_URL", value_name = "URL")]
    url: Option<String>,
    /// A token of its web API (`firefinch token create`), with the scope project:releases for releases and deploys,
    /// event:read and event:write for issues
    #[arg(long, global = true, env = "FIREFINCH_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Slug of the project
    #[arg(long, short, global = true, env = "FIREFINCH_PROJECT", value_name = "SLUG")]
    project: Option<String>,
    /// Say what would be changed, and change nothing
    #[arg(long, global = true)]
    dry_run: bool,
}

/// A server that answers to a token.
#[derive(Debug)]
pub(super) struct Server {
    client: Client,
    url: String,
    token: String,
    organization: String,
    project: Option<String>,
    dry_run: bool,
}

/// What came of a change.
#[derive(Debug)]
pub(super) struct Changed {
    /// For scripts.
    pub(super) answer: Value,
    /// What would have been done, after a dry run.
    would: Option<String>,
}

impl Changed {
    /// Tells scripts the answer, and people that it was done.
    pub(super) fn say(&self, output: Output, told: &str) -> Result<(), Failure> {
        output.done(&self.answer, self.would.as_deref().unwrap_or(told))
    }

    /// What people are told.
    pub(super) fn told(&self, told: &str) -> String {
        self.would.as_deref().unwrap_or(told).to_owned()
    }

    /// Whether nothing was changed.
    pub(super) const fn is_dry(&self) -> bool {
        self.would.is_some()
    }
}

/// Why a call was not answered.
#[derive(Debug)]
pub(super) enum Refused {
    /// The server could not be asked, or is not well: the same call may succeed later.
    Away(anyhow::Error),
    /// It does not know what the path names.
    Missing(anyhow::Error),
    /// It will not do that.
    Never(anyhow::Error),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let (Refused::Away(error) | Refused::Missing(error) | Refused::Never(error)) = refused;
        Self::Failed(error)
    }
}

impl Remote {
    pub(super) fn connect(self, config: &Config) -> Result<Server, Failure> {
        let url = self.url.ok_or_else(|| missing("--url", "FIREFINCH_URL", "https://errors.example.org"))?;
        let token =
            self.token.ok_or_else(|| missing("--token", "FIREFINCH_TOKEN", "one of `firefinch token create`"))?;
        let url = url.trim_end_matches('/').to_owned();
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(Failure::Usage(format!("--url {url:?} is no URL: it begins with http:// or https://")));
        }
        let client = Client::builder()
            .user_agent(concat!("Firefinch/", env!("CARGO_PKG_VERSION")))
            .timeout(TIME_MAX)
            .build()
            .context("cannot make a client")?;
        let organization = config.org_slug.clone();
        Ok(Server { client, url, token, organization, project: self.project, dry_run: self.dry_run })
    }
}

fn missing(flag: &str, variable: &str, example: &str) -> Failure {
    Failure::Usage(format!("{flag} is missing: give it, or set {variable} (such as {example})"))
}

impl Server {
    /// Path of something in the organization, from parts that are encoded here.
    pub(super) fn organization(&self, parts: &[&str]) -> String {
        path(&["organizations", &self.organization], parts)
    }

    /// Path of something in the project, which has to be named.
    pub(super) fn project(&self, parts: &[&str]) -> Result<String, Failure> {
        let slug = self.project_slug()?;
        Ok(path(&["projects", &self.organization, slug], parts))
    }

    /// Slug of the project.
    pub(super) fn project_slug(&self) -> Result<&str, Failure> {
        self.project.as_deref().ok_or_else(|| missing("--project", "FIREFINCH_PROJECT", "shop"))
    }

    /// Slug of the project, where one is named.
    pub(super) fn maybe_project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Asks for something.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Refused> {
        self.call(Method::GET, path, query, None).await
    }

    /// Changes something, or tells what it would do.
    pub(super) async fn change(&self, method: Method, path: &str, body: Value) -> Result<Changed, Refused> {
        if self.dry_run {
            let would = Some(format!("would {method} {path} with {body}"));
            let answer = json!({ "dryRun": true, "method": method.as_str(), "path": path, "body": body });
            return Ok(Changed { answer, would });
        }
        Ok(Changed { answer: self.call(method, path, &[], Some(&body)).await?, would: None })
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Refused> {
        let mut url = url::Url::parse(&format!("{}{path}", self.url))
            .map_err(|error| Refused::Never(anyhow!("{:?} is no URL: {error}", self.url)))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let sent = request.send().await.with_context(|| format!("{} cannot be reached", self.url));
        let response = sent.map_err(Refused::Away)?;
        let status = response.status();
        let text = response.text().await.with_context(|| format!("{} broke off its answer", self.url));
        let text = text.map_err(Refused::Away)?;
        if !status.is_success() {
            return Err(self.refusal(status, path, &text));
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|_| {
            let shown: String = text.chars().take(ANSWER_CHARS).collect();
            Refused::Never(anyhow!("{}{path} answers no JSON; is this a Firefinch server? {shown:?}", self.url))
        })
    }

    /// What a status means, and what to do about it.
    fn refusal(&self, status: StatusCode, path: &str, text: &str) -> Refused {
        let detail =
            serde_json::from_str::<Value>(text).ok().and_then(|answer| Some(answer["detail"].as_str()?.to_owned()));
        let detail = detail.unwrap_or_else(|| text.chars().take(ANSWER_CHARS).collect());
        match status {
            StatusCode::UNAUTHORIZED => Refused::Never(anyhow!(
                "the server does not know this token ({detail}); make one with `firefinch token create` and pass it as \
                 --token or FIREFINCH_TOKEN"
            )),
            StatusCode::FORBIDDEN => Refused::Never(anyhow!(
                "the token may not do this: releases and deploys need the scope project:releases, issues need event:read \
                 and event:write"
            )),
            StatusCode::NOT_FOUND => {
                Refused::Missing(anyhow!("there is no {path} on {}; are the names right, and is --org-slug?", self.url))
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Refused::Away(anyhow!("the server answers {status}: {detail}"))
            }
            _ => Refused::Never(anyhow!("{detail}")),
        }
    }
}

fn path(front: &[&str], parts: &[&str]) -> String {
    let mut path = "/api/0/".to_owned();
    for part in front.iter().chain(parts) {
        path.extend(utf8_percent_encode(part, SEGMENT));
        path.push('/');
    }
    path
}

/// A text of an answer.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The members of a list.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_path_are_encoded_once() {
        assert_eq!(
            path(&["projects", "o"], &["releases", "shop@1.0+b%/ü"]),
            "/api/0/projects/o/releases/shop%401.0%2Bb%25%2F%C3%BC/"
        );
    }
}
