//! The ingest endpoints on one page (protocol, section 2).
//!
//! Every path is there with and without its trailing slash, because a redirect would lose the body;
//! none looks at the Content-Type but the browser reports, which the protocol demands.

use std::borrow::Cow;

use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web::{self, Bytes, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, guard};
use engine::auth::{AuthError, Credentials, Sources};
use engine::ids::{EventId, ProjectId};
use engine::inflate::Encoding;
use engine::multipart;
use engine::outcome::{Category, Outcome, Reason};
use engine::security::Context;
use time::OffsetDateTime;
use uuid::Uuid;

use super::dialog::Asked;
use super::keys::Caller;
use super::limits::Shut;
use super::prepare::Origin;
use super::queue::Load;
use super::receive::{Form, Request, envelope_dsn};
use super::reply::{self, Refusal, Success, preflight};
use super::{Ingest, body};
use crate::front;

/// Registers the endpoints.
pub fn configure(ingest: Ingest) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config.app_data(web::Data::new(ingest));
        for path in ["/api/{project_id}/envelope", "/tunnel"] {
            config.service(post(path).route(web::post().to(envelope)));
        }
        for path in ["/api/{project_id}/store", "/api/store"] {
            config.service(post(path).route(web::post().to(store)).route(web::get().to(store_by_query)));
        }
        for path in ["/api/{project_id}/security", "/api/{project_id}/csp-report"] {
            config.service(post(path).route(web::post().to(security)));
        }
        config.service(post("/api/{project_id}/minidump").route(web::post().to(minidump)));
        config.service(post("/api/{project_id}/nel").route(web::post().to(nel)));
        config.service(post("/api/{project_id}/events/{event_id}/attachments").route(web::post().to(attachments)));
        for path in ["/api/{project_id}/cron/{slug}", "/api/{project_id}/cron/{slug}/{key}"] {
            config.service(post(path).route(web::post().to(cron)).route(web::get().to(cron)));
        }
        let path = "/api/embed/error-page";
        config.service(post(path).route(web::get().to(dialog)).route(web::post().to(report)));
        // In the API the same path answers GET, and POST with a token.
        let path = "/api/0/projects/{org}/{project}/user-feedback";
        let is_ours = guard::Any(guard::Post()).or(guard::Options());
        let is_ours = guard::All(is_ours).and(guard::fn_guard(|asked| !names_a_token(asked.head())));
        config.service(post(path).guard(is_ours).route(web::post().to(feedback)));
    }
}

/// A resource with both slash forms, preflight, and 405 for every other method.
fn post(path: &str) -> actix_web::Resource {
    web::resource(vec![path.to_owned(), format!("{path}/")])
        .route(web::method(Method::OPTIONS).to(ask_first))
        .default_service(web::to(|| async { Refusal::Method.respond() }))
}

/// What browsers ask before some requests, without a key: the address says which project it is about.
async fn ask_first(request: HttpRequest, ingest: web::Data<Ingest>) -> HttpResponse {
    let named = path_project(&request).ok().flatten();
    let named = named.or_else(|| Asked::read(request.query_string()).dsn().ok().map(|dsn| dsn.project_id));
    match named.map(|project_id| check_origin(&request, &ingest, project_id)) {
        Some(Err(refusal)) => refusal.respond(),
        Some(Ok(())) | None => preflight(),
    }
}

type Taken = Result<Option<EventId>, Refusal>;

async fn envelope(request: HttpRequest, payload: Payload, ingest: web::Data<Ingest>) -> HttpResponse {
    answer("envelope", Success::Json, take_envelope(&request, payload, &ingest).await)
}

async fn store(request: HttpRequest, payload: Payload, ingest: web::Data<Ingest>) -> HttpResponse {
    // Some SDKs post envelopes to the old endpoint and say so.
    let is_envelope = content_type(&request).eq_ignore_ascii_case("application/x-sentry-envelope");
    let taken = if is_envelope {
        take_envelope(&request, payload, &ingest).await
    } else {
        take(&request, payload, &ingest, Form::Store).await
    };
    answer("store", Success::Json, taken)
}

async fn store_by_query(request: HttpRequest, ingest: web::Data<Ingest>) -> HttpResponse {
    answer("store", Success::Gif, take_query(&request, &ingest).await)
}

async fn security(request: HttpRequest, payload: Payload, ingest: web::Data<Ingest>) -> HttpResponse {
    const TYPES: [&str; 6] = [
        "application/json",
        "application/csp-report",
        "application/expect-ct-report",
        "application/expect-ct-report+json",
        "application/expect-staple-report",
        "application/reports+json",
    ];
    let ty = content_type(&request);
    if !TYPES.iter().any(|known| known.eq_ignore_ascii_case(&ty)) {
        let taken = refuse(&request, payload, &ingest, Refusal::MediaType).await;
        return answer("security", Success::Empty, taken);
    }
    let context = report_context(&request);
    let taken = take(&request, payload, &ingest, Form::Security(context)).await;
    answer("security", Success::Empty, taken)
}

async fn minidump(request: HttpRequest, payload: Payload, ingest: web::Data<Ingest>) -> HttpResponse {
    let taken = count_only(&request, payload, &ingest, Category::Error).await;
    answer("minidump", Success::DashedText, taken.map(|_| Some(EventId(Uuid::new_v4()))))
}

async fn nel(request: HttpRequest, payload: Payload, ingest: web::Data<Ingest>) -> HttpResponse {
    answer("nel", Success::Empty, count_only(&request, payload, &ingest, Category::Security).await)
}

async fn attachments(request: HttpRequest, payload: Payload, ingest: web::Data<Ingest>) -> HttpResponse {
    answer("attachments", Success::Created, take_files(&request, payload, &ingest).await)
}

async fn cron(request: HttpRequest, payload: Payload, ingest: web::Data<Ingest>) -> HttpResponse {
    answer("cron", Success::Accepted, count_only(&request, payload, &ingest, Category::Monitor).await)
}

async fn feedback(request: HttpRequest, payload: Payload, ingest: web::Data<Ingest>) -> HttpResponse {
    answer("user-feedback", Success::Json, take(&request, payload, &ingest, Form::UserReport).await)
}

async fn dialog(request: HttpRequest, ingest: web::Data<Ingest>) -> HttpResponse {
    finish("error-page", show_dialog(&request, &ingest).await)
}

async fn report(request: HttpRequest, payload: Payload, ingest: web::Data<Ingest>) -> HttpResponse {
    answer("error-page", Success::Json, take_report(&request, payload, &ingest).await)
}

fn answer(endpoint: &'static str, success: Success, taken: Taken) -> HttpResponse {
    finish(endpoint, taken.map(|id| success.respond(id)))
}

fn finish(endpoint: &'static str, response: Result<HttpResponse, Refusal>) -> HttpResponse {
    let response = match response {
        Ok(response) => response,
        Err(refusal) => {
            tracing::debug!(endpoint, ?refusal, "refused");
            refusal.respond()
        }
    };
    let status = response.status().as_u16().to_string();
    metrics::counter!("firefinch_ingest_requests_total", "endpoint" => endpoint, "status" => status).increment(1);
    response
}

/// An envelope, which may name its key in its own header only (tunnels).
async fn take_envelope(request: &HttpRequest, mut payload: Payload, ingest: &Ingest) -> Taken {
    match credentials(request) {
        Ok(None) => {}
        Ok(Some(_)) | Err(_) => return take(request, payload, ingest, Form::Envelope).await,
    }
    let body = body::read(request, &mut payload, ingest.patience, Form::Envelope.wire_bytes_max()).await?;
    let encoding = encoding(request, &body)?;
    let dsn = envelope_dsn(encoding, &body)?.ok_or(Refusal::Auth(AuthError::Missing))?;
    let path = path_project(request)?.unwrap_or(dsn.project_id);
    let caller = ingest.keys.caller(dsn.public_key, Some(path), OffsetDateTime::now_utc()).await?;
    admit(request, ingest, caller, Category::Default)?;
    let form = Form::Envelope;
    let origin = origin(request, caller.project_id, &form);
    ingest.submit(Request { caller, origin, form, encoding, body, shut: Shut::default() }).await
}

/// A body from a request that names its key itself.
async fn take(request: &HttpRequest, payload: Payload, ingest: &Ingest, form: Form) -> Taken {
    match authenticate(request, ingest, form.category()).await {
        Ok(caller) => take_of(caller, request, payload, ingest, form).await,
        Err(refusal) => refuse(request, payload, ingest, refusal).await,
    }
}

/// A body from a request that is known to be of `caller`.
async fn take_of(caller: Caller, request: &HttpRequest, mut payload: Payload, ingest: &Ingest, form: Form) -> Taken {
    let origin = origin(request, caller.project_id, &form);
    let read = body::read(request, &mut payload, ingest.patience, form.wire_bytes_max()).await;
    let read = read.and_then(|body| Ok((encoding(request, &body)?, body)));
    match read {
        Ok((encoding, body)) => {
            let shut = Shut::default();
            ingest.submit(Request { caller, form, origin, encoding, body, shut }).await
        }
        Err(refusal) => {
            ingest.count_refusal(caller.project_id, form.category(), &refusal);
            Err(refusal)
        }
    }
}

/// The script that shows the dialog in which a person says what happened.
async fn show_dialog(request: &HttpRequest, ingest: &Ingest) -> Result<HttpResponse, Refusal> {
    let (asked, ..) = asked(request, ingest).await?;
    let accepted = header(request, "accept-language").unwrap_or_default();
    Ok(reply::script(asked.script(&accepted)?))
}

/// What they said in it.
async fn take_report(request: &HttpRequest, payload: Payload, ingest: &Ingest) -> Taken {
    match asked(request, ingest).await {
        Ok((_, caller, event_id)) => take_of(caller, request, payload, ingest, Form::Dialog(event_id)).await,
        Err(refusal) => refuse(request, payload, ingest, refusal).await,
    }
}

/// What the address of a dialog asks for, whose key it names, and the event that it is about.
async fn asked(request: &HttpRequest, ingest: &Ingest) -> Result<(Asked, Caller, EventId), Refusal> {
    let asked = Asked::read(request.query_string());
    let dsn = asked.dsn()?;
    let caller = ingest.keys.caller(dsn.public_key, Some(dsn.project_id), OffsetDateTime::now_utc()).await?;
    admit(request, ingest, caller, Category::Feedback)?;
    let event_id = asked.event_id()?;
    Ok((asked, caller, event_id))
}

/// Files of an event that came before.
async fn take_files(request: &HttpRequest, payload: Payload, ingest: &Ingest) -> Taken {
    let event_id = request.match_info().get("event_id").and_then(EventId::parse);
    let Some(event_id) = event_id else { return refuse(request, payload, ingest, Refusal::EventPath).await };
    let named = header(request, "content-type").unwrap_or_default();
    match multipart::boundary(&named) {
        Ok(boundary) => take(request, payload, ingest, Form::Files { event_id, boundary }).await,
        Err(error) => refuse(request, payload, ingest, Refusal::Multipart(error)).await,
    }
}

/// The legacy `GET`: the body stands in the query.
async fn take_query(request: &HttpRequest, ingest: &Ingest) -> Taken {
    let form = Form::Store;
    let caller = authenticate(request, ingest, form.category()).await?;
    let data = request.query_string().split('&').find_map(|pair| pair.strip_prefix("sentry_data="));
    // Base64 holds plus signs, which form decoding would turn into spaces.
    let data: Vec<u8> = percent_encoding::percent_decode_str(data.unwrap_or_default()).collect();
    let data: Vec<u8> = data.into_iter().map(|byte| if byte == b' ' { b'+' } else { byte }).collect();
    let origin = origin(request, caller.project_id, &form);
    let (encoding, body, shut) = (Encoding::Identity, Bytes::from(data), Shut::default());
    ingest.submit(Request { caller, form, origin, encoding, body, shut }).await
}

/// An endpoint whose payload this version recognises and does not store.
async fn count_only(request: &HttpRequest, mut payload: Payload, ingest: &Ingest, category: Category) -> Taken {
    let Caller { project_id, .. } = match authenticate(request, ingest, category).await {
        Ok(caller) => caller,
        Err(refusal) => return refuse(request, payload, ingest, refusal).await,
    };
    body::discard(request, &mut payload, ingest.patience).await?;
    ingest.commit(project_id, &[(category, Outcome::Dropped, Reason::NotSupported)], Load::default()).await?;
    Ok(None)
}

/// Refuses a request whose body is still on its way.
async fn refuse(request: &HttpRequest, mut payload: Payload, ingest: &Ingest, refusal: Refusal) -> Taken {
    body::discard(request, &mut payload, ingest.patience).await?;
    Err(refusal)
}

/// Whose request it is, and whether it may post. What it would bring is counted as `category` where a page may not.
async fn authenticate(request: &HttpRequest, ingest: &Ingest, category: Category) -> Result<Caller, Refusal> {
    let key = match credentials(request)? {
        Some(credentials) => credentials.key,
        // Check-ins by URL alone: the key is the last segment.
        None => match request.match_info().get("key") {
            Some(key) => key.parse().map_err(Refusal::Auth)?,
            None => return Err(Refusal::Auth(AuthError::Missing)),
        },
    };
    let path = path_project(request)?;
    let caller = ingest.keys.caller(key, path, OffsetDateTime::now_utc()).await?;
    admit(request, ingest, caller, category)?;
    Ok(caller)
}

/// Refuses and counts what a page posts that the project does not allow.
fn admit(request: &HttpRequest, ingest: &Ingest, caller: Caller, category: Category) -> Result<(), Refusal> {
    check_origin(request, ingest, caller.project_id)
        .inspect_err(|refusal| ingest.count_refusal(caller.project_id, category, refusal))
}

/// Only browsers send an `Origin`: whoever sends none is no page.
fn check_origin(request: &HttpRequest, ingest: &Ingest, project_id: ProjectId) -> Result<(), Refusal> {
    match header(request, "origin") {
        Some(origin) if !ingest.books.origins.allow(project_id, &origin) => Err(Refusal::Origin(origin.into_owned())),
        Some(_) | None => Ok(()),
    }
}

fn credentials(request: &HttpRequest) -> Result<Option<Credentials>, Refusal> {
    keys_in(request.head()).map_err(Refusal::Auth)
}

fn keys_in(head: &RequestHead) -> Result<Option<Credentials>, AuthError> {
    let x_sentry_auth = values(&head.headers, "x-sentry-auth");
    let authorization = values(&head.headers, "authorization");
    let sources = Sources {
        x_sentry_auth: x_sentry_auth.as_deref(),
        authorization: authorization.as_deref(),
        query: head.uri.query().unwrap_or_default(),
    };
    Credentials::read(&sources)
}

/// A token of the API and no client key. A proxy may have added the token to a request that names its key elsewhere.
fn names_a_token(head: &RequestHead) -> bool {
    let is_bearer = |text: &str| text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "));
    keys_in(head) == Ok(None) && values(&head.headers, "authorization").is_some_and(|text| is_bearer(&text))
}

/// The project that the path names; `None` for paths without one.
fn path_project(request: &HttpRequest) -> Result<Option<ProjectId>, Refusal> {
    match request.match_info().get("project_id") {
        None => Ok(None),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map(Some).map_err(|_| Refusal::ProjectPath)
        }
        Some(_) => Err(Refusal::ProjectPath),
    }
}

fn header<'r>(request: &'r HttpRequest, name: &str) -> Option<Cow<'r, str>> {
    values(request.headers(), name)
}

/// All values of a header, whatever bytes they hold.
fn values<'h>(headers: &'h HeaderMap, name: &str) -> Option<Cow<'h, str>> {
    let mut values = headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let first = values.next()?;
    Some(values.fold(first, |all, value| Cow::Owned(format!("{all}, {value}"))))
}

fn content_type(request: &HttpRequest) -> String {
    let ty = header(request, "content-type").unwrap_or_default();
    ty.split(';').next().unwrap_or_default().trim().to_owned()
}

fn encoding(request: &HttpRequest, body: &[u8]) -> Result<Encoding, Refusal> {
    let name = header(request, "content-encoding").unwrap_or_default();
    Ok(Encoding::parse(&name).map_err(Refusal::Inflate)?.sniff(body))
}

fn origin(request: &HttpRequest, project_id: ProjectId, form: &Form) -> Origin {
    Origin {
        project_id,
        category: if matches!(form, Form::Security(_)) { Category::Security } else { Category::Error },
        received_at: OffsetDateTime::now_utc(),
        sent_at: None,
        client_ip: front::client(request),
    }
}

fn report_context(request: &HttpRequest) -> Context {
    let query = |name| {
        let pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    Context {
        release: query("sentry_release"),
        environment: query("sentry_environment"),
        user_agent: header(request, "user-agent").map(Cow::into_owned),
    }
}
