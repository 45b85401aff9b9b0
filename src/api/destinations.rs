//! Destinations: where messages go, how each does, and the test message with the real answer of the other end.
//!
//! Secrets go in and never come out, but for the signing secret of a webhook, once, when it is made.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use engine::access::Reach;
use engine::alert::Kind;
use engine::alert::preset::Parts;
use engine::ids::{DestinationId, ProjectId};
use serde::Deserialize;
use serde_json::{Value, json};
use store::notifications::{self as outbox, Destination, Health, NewDestination, Target};

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;
use super::shape::date;
use crate::destinations::{self, Given, NotTested};

/// What a body says. Of a change, what is left out stays.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    kind: Option<String>,
    name: Option<String>,
    /// Slug; of a new one.
    project: Option<String>,
    /// What its own rule asks for; of a new one.
    signals: Option<Vec<String>>,
    url: Option<String>,
    token: Option<String>,
    channel: Option<String>,
    server: Option<String>,
    secret: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    template: Option<String>,
    addresses: Option<Vec<String>>,
    members: Option<bool>,
    owners: Option<bool>,
    /// Of a change.
    disabled: Option<bool>,
}

impl Body {
    fn given(&mut self) -> Given {
        Given {
            parts: Parts {
                url: self.url.take(),
                token: self.token.take(),
                channel: self.channel.take(),
                server: self.server.take(),
            },
            secret: self.secret.take(),
            headers: self.headers.take().map(|headers| headers.into_iter().collect()),
            template: self.template.take(),
            to: self.addresses.take(),
            members: self.members,
            owners: self.owners,
        }
    }
}

/// `GET /organizations/{org}/destinations/`
pub(super) async fn list(call: Call) -> Answer {
    let pool = &call.api().pool;
    let mut health = outbox::health(pool).await?;
    let found = outbox::list_destinations(pool, None).await?;
    let seen = found.iter().filter(|one| call.reach().sees_what_serves(one.project_id));
    let shapes = seen.map(|one| shape(one, &health.remove(&one.id).unwrap_or_default(), None));
    answer(shapes.collect::<Vec<_>>())
}

/// `GET /organizations/{org}/destinations/{destination}/`
pub(super) async fn get(call: Call) -> Answer {
    let found = named(&call).await?;
    answer(shaped(&call, &found, None).await?)
}

/// `POST /organizations/{org}/destinations/`
pub(super) async fn create(call: Call) -> Answer {
    let mut body: Body = call.body_as()?;
    let kind = body.kind.take().ok_or_else(|| ApiError::bad_request("kind is missing"))?;
    if destinations::Kind::named(&kind).is_none() {
        let known = destinations::KINDS.map(|kind| kind.name).join(", ");
        return Err(ApiError::BadRequest(format!("there is no kind {kind:.40}; there are {known}")));
    }
    let target = body.given().target(&kind, None, call.api().desk.allow_private).map_err(refused)?;
    let name = destinations::name(body.name.as_deref(), &target).map_err(refused)?;
    let project_id = match &body.project {
        Some(slug) => Some(project(&call, slug).await?),
        None if *call.reach() != Reach::All => {
            return Err(ApiError::bad_request("project is missing: the token does not work in all of them"));
        }
        None => None,
    };
    let signals = signals(body.signals)?;
    let secret = match &target {
        Target::Webhook(target) => Some(target.secret.clone()),
        Target::Mail(_) | Target::Preset(_) => None,
    };
    let new = NewDestination { project_id, name: &name, target, signals: &signals };
    let id = outbox::create_destination(&call.api().pool, &new, call.now).await?;
    let made = call.api().desk.find(id).await?.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Created().json(shaped(&call, &made, secret.as_deref()).await?))
}

async fn project(call: &Call, slug: &str) -> Result<ProjectId, ApiError> {
    let found = call.project_named(slug).await?;
    found.map(|project| project.id).ok_or_else(|| ApiError::BadRequest(format!("there is no project {slug:.100}")))
}

/// What is usual, where nothing is said.
fn signals(asked: Option<Vec<String>>) -> Result<Vec<String>, ApiError> {
    let Some(asked) = asked else { return Ok(Kind::USUAL.map(|kind| kind.as_str().to_owned()).to_vec()) };
    match asked.iter().find(|text| Kind::parse(text).is_none()) {
        Some(unknown) => {
            let known = Kind::ALL.map(Kind::as_str).join(", ");
            Err(ApiError::BadRequest(format!("there is no signal {unknown:.40}; there are {known}")))
        }
        None => Ok(asked),
    }
}

/// `PUT /organizations/{org}/destinations/{destination}/`
pub(super) async fn update(call: Call) -> Answer {
    let known = named(&call).await?;
    let mut body: Body = call.body_as()?;
    if body.kind.as_deref().is_some_and(|kind| kind != known.target.kind()) {
        return Err(ApiError::bad_request("the kind of a destination stays: make another one"));
    }
    if body.project.is_some() || body.signals.is_some() {
        return Err(ApiError::bad_request("project and signals belong to its rules, not to the destination"));
    }
    let pool = &call.api().pool;
    let rotated = body.secret.as_deref() == Some("");
    let allow_private = call.api().desk.allow_private;
    let target = body.given().target(known.target.kind(), Some(&known.target), allow_private).map_err(refused)?;
    let name = destinations::name(Some(body.name.as_deref().unwrap_or(&known.name)), &target).map_err(refused)?;
    outbox::update_destination(pool, known.id, &name, &target).await?;
    match body.disabled {
        Some(true) => drop(outbox::disable_destination(pool, known.id, call.now).await?),
        Some(false) => drop(outbox::enable_destination(pool, known.id).await?),
        None => {}
    }
    let secret = match &target {
        Target::Webhook(target) if rotated => Some(target.secret.clone()),
        _ => None,
    };
    let changed = named(&call).await?;
    answer(shaped(&call, &changed, secret.as_deref()).await?)
}

/// `DELETE /organizations/{org}/destinations/{destination}/`
pub(super) async fn delete(call: Call) -> Answer {
    let known = named(&call).await?;
    outbox::delete_destination(&call.api().pool, known.id, call.now).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /organizations/{org}/destinations/{destination}/test/`
pub(super) async fn test(call: Call) -> Answer {
    let known = named(&call).await?;
    match call.api().desk.test(&known, None, call.now).await {
        Ok(answers) => answer(answers),
        Err(NotTested::Store(error)) => Err(error.into()),
        Err(error @ (NotTested::Busy | NotTested::Nobody)) => Err(ApiError::BadRequest(error.to_string())),
    }
}

async fn named(call: &Call) -> Result<Destination, ApiError> {
    let id: DestinationId = call.path("destination").parse().map_err(|_| ApiError::NotFound)?;
    let found = call.api().desk.find(id).await?;
    found.filter(|one| call.reach().sees_what_serves(one.project_id)).ok_or(ApiError::NotFound)
}

fn refused(wrong: destinations::Wrong) -> ApiError {
    ApiError::BadRequest(wrong.words)
}

async fn shaped(call: &Call, destination: &Destination, secret: Option<&str>) -> Result<Value, ApiError> {
    let health = outbox::health_of(&call.api().pool, destination.id).await?;
    Ok(shape(destination, &health, secret))
}

fn shape(destination: &Destination, health: &Health, secret: Option<&str>) -> Value {
    let (addresses, members, owners) = match &destination.target {
        Target::Mail(target) => (target.to.as_slice(), target.members, target.owners),
        Target::Webhook(_) | Target::Preset(_) => (&[][..], false, false),
    };
    // Of headers only the names: values are secrets.
    let (headers, template): (Vec<&str>, Option<&str>) = match &destination.target {
        Target::Webhook(target) => {
            (target.headers.iter().map(|(name, _)| name.as_str()).collect(), target.template.as_deref())
        }
        Target::Mail(_) | Target::Preset(_) => (Vec::new(), None),
    };
    let (failed_at, why) = health.last_failure.clone().unzip();
    json!({
        "id": destination.id.to_string(),
        "kind": destination.target.kind(),
        "name": destination.name,
        "to": destinations::words(&destination.target),
        "addresses": addresses,
        "headers": headers,
        "template": template,
        "members": members,
        "owners": owners,
        "project": destination.project,
        "signals": destination.signals,
        "disabled": destination.disabled_at.is_some(),
        "dateCreated": date(destination.created_at),
        "secret": secret,
        "health": {
            "state": health.state(),
            "failures": health.breaker.failures,
            "waitsUntil": health.breaker.open_until.map(date),
            "lastSuccess": health.last_success_at.map(date),
            "lastFailure": failed_at.map(date),
            "lastError": why,
        },
    })
}
