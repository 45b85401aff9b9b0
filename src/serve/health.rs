//! `/healthz` (the process answers), `/readyz` (it can work), `/metrics` (how it works).

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::json;
use store::health;

use super::Shared;
use crate::ingest::Ingest;

/// A database that takes longer to say one word cannot serve pages.
const DATABASE_TIME_MAX: Duration = Duration::from_secs(2);

/// Registers the three routes.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/healthz", web::get().to(alive))
        .route("/readyz", web::get().to(ready))
        .route("/metrics", web::get().to(metrics));
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

async fn ready(shared: web::Data<Shared>, ingest: web::Data<Ingest>) -> HttpResponse {
    let stopping = *shared.stopping.borrow();
    let database = database_answers(&shared).await;
    let has_room = ingest.has_room();
    let ready = !stopping && has_room && database.is_ok();
    let body = json!({
        "status": if ready { "ok" } else { "unavailable" },
        "database": match &database { Ok(()) => "ok", Err(why) => why.as_str() },
        "queue": if has_room { "ok" } else { "full" },
        "stopping": stopping,
    });
    if ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

async fn database_answers(shared: &Shared) -> Result<(), String> {
    match tokio::time::timeout(DATABASE_TIME_MAX, health::ping(&shared.pool)).await {
        Ok(Ok(())) => Ok(()),
        // Not the driver's words: they may name hosts and users.
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database does not answer");
            Err("does not answer".into())
        }
        Err(_) => Err(format!("no answer within {} s", DATABASE_TIME_MAX.as_secs())),
    }
}

async fn metrics(shared: web::Data<Shared>) -> HttpResponse {
    metrics::gauge!("firefinch_database_connections").set(shared.pool.size());
    let text = shared.metrics.render();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}
