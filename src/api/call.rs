//! One call of the API as its handler sees it: authorised, with its parameters and body read.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use engine::access::Reach;
use engine::ids::{EventId, IssueId, ProjectId, ShortId};
use engine::limits::QUERY_CHARS_MAX;
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::audit::{Author, Via};
use store::issues::Issue;
use store::people::ApiToken;
use store::projects::Project;
use time::OffsetDateTime;

use super::error::ApiError;
use super::routes::Endpoint;
use super::{Api, access};
use crate::front;

/// Parameters of one URL. A bulk update may name a thousand issues; a URL longer than that is refused by
/// the HTTP server itself.
const PARAMETERS_MAX: usize = 2_000;

/// What a handler answers.
pub(super) type Answer = Result<HttpResponse, ApiError>;

/// A call that its token may make.
pub(super) struct Call {
    request: HttpRequest,
    api: web::Data<Api>,
    parameters: Vec<(String, String)>,
    body: Bytes,
    /// Who calls.
    pub(super) token: ApiToken,
    /// When it arrived.
    pub(super) now: OffsetDateTime,
}

impl Call {
    /// Authorises a request and reads it, in this order: a stranger's body is not worth reading.
    pub(super) async fn accept(
        endpoint: &Endpoint,
        request: HttpRequest,
        payload: web::Payload,
    ) -> Result<Self, ApiError> {
        let api = request.app_data::<web::Data<Api>>().cloned().ok_or(ApiError::Internal)?;
        let now = OffsetDateTime::now_utc();
        let token = access::authorise(&api, request.headers(), endpoint.scopes, now).await?;
        let parameters: Vec<(String, String)> =
            url::form_urlencoded::parse(request.query_string().as_bytes()).take(PARAMETERS_MAX).map(owned).collect();
        let body = read_body(payload, endpoint.body_bytes_max).await?;
        let call = Self { request, api, parameters, body, token, now };
        call.check_organization()?;
        call.check_named().await?;
        Ok(call)
    }

    /// The state of the API.
    pub(super) fn api(&self) -> &Api {
        &self.api
    }

    /// The path as the client wrote it.
    pub(super) fn path_text(&self) -> &str {
        self.request.uri().path()
    }

    /// A part of the path.
    pub(super) fn path(&self, name: &str) -> &str {
        self.request.match_info().get(name).unwrap_or_default()
    }

    /// The first value of a query parameter.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query_pairs().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// All values of a query parameter.
    pub(super) fn queries<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query_pairs().filter(move |(key, _)| *key == name).map(|(_, value)| value)
    }

    /// All query parameters in order.
    pub(super) fn query_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body as a JSON object; an empty body is an empty object.
    pub(super) fn body(&self) -> Result<serde_json::Map<String, Value>, ApiError> {
        if self.body.is_empty() {
            return Ok(serde_json::Map::new());
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(body)) => Ok(body),
            Ok(_) => Err(ApiError::bad_request("The body must be a JSON object")),
            Err(error) => Err(ApiError::BadRequest(format!("JSON parse error - {error}"))),
        }
    }

    /// The body as what it should be; whatever else it holds is ignored.
    pub(super) fn body_as<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| ApiError::BadRequest(format!("JSON parse error - {error}")))
    }

    /// The body as it came.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// True when there is no body.
    pub(super) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The project in the path, by slug or number.
    pub(super) async fn project(&self) -> Result<Project, ApiError> {
        self.project_named(self.path("project")).await?.ok_or(ApiError::NotFound)
    }

    /// A project by slug or number, when the token works there.
    pub(super) async fn project_named(&self, text: &str) -> Result<Option<Project>, ApiError> {
        let found = match text.parse::<i64>() {
            Ok(id) => store::projects::by_id(&self.api.pool, ProjectId(id)).await?,
            Err(_) => store::projects::by_slug(&self.api.pool, text).await?,
        };
        Ok(found.filter(|project| self.reach().sees(project.id)))
    }

    /// Who calls, for the audit log.
    pub(super) fn author(&self) -> Author {
        let address = front::client(&self.request).map(|address| address.to_string());
        Author { via: Via::Api, user: None, name: format!("token {}", self.token.name), address }
    }

    /// The projects in which the token works.
    pub(super) fn reach(&self) -> &Reach {
        &self.token.reach
    }

    /// Refuses a token that works in some projects only: what it asks for is of no project.
    pub(super) fn must_work_everywhere(&self) -> Result<(), ApiError> {
        if *self.reach() == Reach::All { Ok(()) } else { Err(ApiError::Forbidden) }
    }

    /// The name of the release in the path. What actix has left encoded (`%25`, `%2B`, `%2F`) is decoded here, and
    /// so everything exactly once.
    pub(super) fn version(&self) -> Result<String, ApiError> {
        let text = percent_decode_str(self.path("version")).decode_utf8().map_err(|_| ApiError::NotFound)?;
        // PostgreSQL refuses the zero character; no release has it in its name.
        if text.contains('\0') { Err(ApiError::NotFound) } else { Ok(text.into_owned()) }
    }

    /// The issue in the path, by number or short id.
    pub(super) async fn issue(&self) -> Result<Issue, ApiError> {
        let id = self.issue_id(self.path("issue")).await?.ok_or(ApiError::NotFound)?;
        let issue = store::issues::get(&self.api.pool, id).await?;
        issue.filter(|issue| self.reach().sees(issue.project_id)).ok_or(ApiError::NotFound)
    }

    /// An issue's id from a number or a short id.
    pub(super) async fn issue_id(&self, text: &str) -> Result<Option<IssueId>, ApiError> {
        if let Ok(id) = text.parse() {
            return Ok(Some(id));
        }
        match ShortId::parse(text) {
            Some(short_id) => Ok(Some(store::issues::find_by_short_id(&self.api.pool, &short_id).await?)),
            None => Ok(None),
        }
    }

    /// The event id in the path.
    pub(super) fn event_id(&self) -> Result<EventId, ApiError> {
        EventId::parse(self.path("event")).ok_or(ApiError::NotFound)
    }

    /// The text of the search, when one was sent.
    pub(super) fn search_text(&self) -> Result<Option<&str>, ApiError> {
        match self.query("query") {
            // The parser counts characters; this keeps it from being handed megabytes.
            Some(text) if text.len() > QUERY_CHARS_MAX * 4 => {
                Err(ApiError::BadRequest(format!("A search has at most {QUERY_CHARS_MAX} characters")))
            }
            text => Ok(text),
        }
    }

    /// Of a token that works in some projects only, whatever the path names must be in one of them, before its handler looks
    /// at anything else. What names several (a version, below the organization) is for the handler.
    async fn check_named(&self) -> Result<(), ApiError> {
        if *self.reach() == Reach::All {
            return Ok(());
        }
        if !self.path("project").is_empty() {
            self.project().await?;
        }
        if !self.path("issue").is_empty() {
            self.issue().await?;
        }
        Ok(())
    }

    /// Whatever stands in the path for the organization must be ours.
    fn check_organization(&self) -> Result<(), ApiError> {
        match self.request.match_info().get("org") {
            Some(org) if org != self.api.org_slug && org != super::organizations::ID => Err(ApiError::NotFound),
            _ => Ok(()),
        }
    }
}

/// 200 with a JSON body.
pub(super) fn json(body: impl Serialize) -> Answer {
    Ok(HttpResponse::Ok().json(body))
}

/// 200 with one page of a list.
pub(super) fn json_page(body: impl Serialize, link: Option<HeaderValue>) -> Answer {
    let mut response = HttpResponse::Ok();
    if let Some(link) = link {
        response.insert_header((header::LINK, link));
    }
    Ok(response.json(body))
}

fn owned((name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)) -> (String, String) {
    (name.into_owned(), value.into_owned())
}

async fn read_body(mut payload: web::Payload, bytes_max: usize) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::BadRequest(format!("The body cannot be read: {error}")))?;
        if body.len() + chunk.len() > bytes_max {
            return Err(ApiError::TooLarge(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
