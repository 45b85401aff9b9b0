//! The pages: server-rendered HTML, the live stream, and the forms that change things.
//!
//! Every handler has the same silhouette: extract, call, render. Routes stand in `routes`, each with what it asks for;
//! `access` has checked that before a handler runs.
//! `ingest`, `api` and `workers` are never named here: the database is where they meet.
//!
//! To add a page: a handler in a module named after what it shows, a template of the same name, and its
//! line in `routes`.

mod access;
mod alerts;
mod assets;
mod attachments;
mod audit;
mod chart;
mod display;
mod entry;
mod error;
mod feedback;
mod gzip;
mod headers;
mod issue;
mod issues;
mod link;
mod live;
mod me;
mod people;
mod place;
mod problem;
mod projects;
mod regroupings;
mod releases;
mod rendered;
mod routes;
mod session;
mod setup;
mod shell;
mod sign_in;
mod signs;
mod system;
mod throttle;
mod toast;
mod tokens;
mod wall;

use std::sync::Arc;

use actix_web::dev::HttpServiceFactory;
use actix_web::web;
use actix_web::{HttpResponse, middleware};
use sqlx::PgPool;
use tokio::sync::Semaphore;

use self::error::PageError;
use self::throttle::Throttle;
use self::wall::Wall;
use crate::config::Config;
use crate::destinations::Desk;
use crate::front;
use crate::link_key::LinkKey;
use crate::oidc::Provider;
use crate::passkeys::Passkeys;

pub use access::{Action, Needs, Noun};
pub use headers::CONTENT_SECURITY_POLICY;
pub use live::{Hub, run as run_live};
pub use routes::{Page, pages};

/// Passwords hashed at a time: each takes 19 MiB for some 30 ms.
const HASHING_MAX: usize = 2;

/// Why there are no passkeys.
const NO_PASSKEYS: &str = "Passkeys belong to a host with a name, reached over https, and this Firefinch is reached otherwise: \
    an administrator can change that (base_url).";

/// Tells how many requests wait for the batch writer of this process.
pub type QueueDepth = Arc<dyn Fn() -> usize + Send + Sync>;

/// What the pages need.
pub struct Web {
    pool: PgPool,
    /// Where browsers and SDKs reach this server, without a slash at its end.
    base_url: String,
    /// Cookies only over TLS.
    secure: bool,
    config: Arc<Config>,
    queue: QueueDepth,
    hub: Hub,
    feeds: live::watch::feed::Feeds,
    wall: Wall,
    link_key: LinkKey,
    /// `None` where the address of this server has none.
    passkeys: Option<Passkeys>,
    provider: Option<Provider>,
    desk: Desk,
    door: Throttle,
    hashing: Semaphore,
}

impl Web {
    /// The state of one process; share it between its workers.
    #[must_use]
    pub fn new(pool: PgPool, base_url: &str, desk: Desk, config: Arc<Config>, queue: QueueDepth) -> Self {
        Self {
            pool,
            desk,
            provider: Provider::new(&config, base_url),
            config,
            queue,
            base_url: base_url.trim_end_matches('/').to_owned(),
            secure: base_url.starts_with("https://"),
            hub: Hub::default(),
            feeds: live::watch::feed::Feeds::default(),
            wall: Wall::default(),
            link_key: LinkKey::default(),
            passkeys: Passkeys::new(base_url),
            door: Throttle::default(),
            hashing: Semaphore::new(HASHING_MAX),
        }
    }

    /// Passkeys, where the address of this server can have them.
    fn passkeys(&self) -> Result<&Passkeys, PageError> {
        self.passkeys.as_ref().ok_or_else(|| PageError::BadRequest(NO_PASSKEYS.to_owned()))
    }

    /// Refuses where passwords let nobody in.
    fn takes_passwords(&self) -> Result<(), PageError> {
        if self.provider.as_ref().is_none_or(|provider| provider.settings.passwords) {
            return Ok(());
        }
        Err(PageError::Forbidden("Passwords are switched off here. Sign in through the provider, or with a passkey."))
    }

    /// The hub of the live view; give it to `run_live`.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
}

/// Every route of the pages, and the page for addresses that do not exist. Register it after all other
/// services: it answers whatever is left.
pub fn service(web: web::Data<Web>) -> impl HttpServiceFactory {
    let scope = routes::mount(web::scope("").app_data(web)).default_service(web::to(nothing_here));
    scope.wrap(middleware::from_fn(headers::around)).wrap(middleware::from_fn(front::around))
}

async fn home() -> HttpResponse {
    shell::see_other("/issues")
}

async fn nothing_here() -> Result<HttpResponse, PageError> {
    Err(PageError::NotFound("page"))
}
