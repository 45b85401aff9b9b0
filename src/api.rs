//! The web API under `/api/0`, with the paths and shapes that scripts know from Sentry.
//!
//! Owns HTTP and JSON of the API: what it reads comes from `store`, what it decides from `engine`. It must
//! not know the pages or the ingest endpoints. To add an endpoint: a handler, and one entry in `routes`;
//! the entry also describes it in `/api/openapi.json`, and a test holds that schemas and answers agree.
//!
//! Known differences from Sentry, on purpose:
//! - paths answer with and without the trailing slash, never with a redirect;
//! - a search may answer a short or empty page although `Link` says that there is more: the search is
//!   bounded per request, so follow the cursor while `results="true"`;
//! - one instance is one organization, with the id `1`.

mod access;
mod alert_rules;
mod artifacts;
mod assigned;
mod attachments;
mod bulk;
mod call;
mod change;
mod cursor;
mod deploys;
mod destinations;
mod error;
mod events;
mod filters;
mod issue;
mod issues;
mod keys;
mod limits;
mod members;
mod openapi;
mod organizations;
mod ownership;
mod person;
mod privacy;
mod projects;
mod regroupings;
mod releases;
mod reports;
mod routes;
mod rules;
mod shape;
mod stats;
mod status;
mod verdict;

use actix_web::{middleware, web};
use sqlx::PgPool;

use crate::destinations::Desk;
use crate::front;

pub use reports::Reports;
pub use routes::{Body, Endpoint, endpoints};

/// What every handler of the API needs.
#[derive(Debug, Clone)]
pub struct Api {
    /// The database.
    pub pool: PgPool,
    /// Slug of the one organization of this instance.
    pub org_slug: String,
    /// URL of this server as people reach it, without a slash at the end.
    pub base_url: String,
    /// Where destinations are made and tried.
    pub desk: Desk,
    /// Where what people say goes.
    pub reports: Reports,
}

/// Registers the API.
pub fn configure(api: Api) -> impl FnOnce(&mut web::ServiceConfig) {
    let api = web::Data::new(api);
    move |config| {
        config.route("/api/openapi.json", web::get().to(openapi::document));
        config.service(routes::scope().app_data(api).wrap(middleware::from_fn(front::around)));
    }
}
