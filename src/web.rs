//! The pages: server-rendered HTML, the live stream, and the forms that change things.
//!
//! Every handler has the same silhouette: extract, authorise, call, render. Routes stand on this page.
//! `ingest`, `api` and `workers` are never named here: the database is where they meet.
//!
//! To add a page: a handler in a module named after what it shows, a template of the same name, and its
//! line in `configure`.

mod access;
mod alerts;
mod assets;
mod attachments;
mod chart;
mod display;
mod error;
mod feedback;
mod gzip;
mod headers;
mod issue;
mod issues;
mod link;
mod live;
mod me;
mod problem;
mod projects;
mod regroupings;
mod releases;
mod rendered;
mod session;
mod setup;
mod shell;
mod sign_in;
mod signs;
mod system;
mod throttle;
mod toast;
mod wall;

use std::sync::Arc;

use actix_web::dev::HttpServiceFactory;
use actix_web::web::{self, get, post};
use actix_web::{HttpResponse, middleware};
use sqlx::PgPool;
use tokio::sync::Semaphore;

use self::error::PageError;
use self::throttle::Throttle;
use self::wall::Wall;
use crate::config::Config;
use crate::destinations::Desk;
use crate::link_key::LinkKey;

pub use headers::CONTENT_SECURITY_POLICY;
pub use live::{Hub, run as run_live};

/// Passwords hashed at a time: each takes 19 MiB for some 30 ms.
const HASHING_MAX: usize = 2;

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
            config,
            queue,
            base_url: base_url.trim_end_matches('/').to_owned(),
            secure: base_url.starts_with("https://"),
            hub: Hub::default(),
            feeds: live::watch::feed::Feeds::default(),
            wall: Wall::default(),
            link_key: LinkKey::default(),
            door: Throttle::default(),
            hashing: Semaphore::new(HASHING_MAX),
        }
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
    web::scope("")
        .app_data(web)
        .wrap(middleware::from_fn(headers::around))
        .route("/", get().to(home))
        .route("/issues", get().to(issues::list))
        .route("/issues", post().to(issues::actions::post))
        .route("/issues/completions", get().to(issues::completions::get))
        .route("/issues/views", post().to(issues::views::post))
        .route("/issues/{id}", get().to(issue::show))
        .route("/issues/{id}/events", get().to(issue::events::list))
        .route("/issues/{id}/tags/{key}", get().to(issue::events::tag))
        .route("/issues/{id}/events/{event}", get().to(issue::show_event))
        .route("/issues/{id}/feedback", get().to(feedback::of_issue))
        .route("/issues/{id}/comments", post().to(issue::comments::post))
        .route("/issues/{id}/shares", post().to(issue::share::post))
        .route("/s/{secret}", get().to(issue::share::show))
        .route("/issues/{id}/split", post().to(regroupings::split))
        .route("/regroupings/{id}/undo", post().to(regroupings::undo))
        .route("/releases", get().to(releases::list))
        .route("/projects/{slug}/releases/{version}", get().to(releases::show))
        .route("/projects/{slug}/releases/{version}", post().to(releases::actions::post))
        .route("/a/{link}", get().to(link::show))
        .route("/a/{link}", post().to(link::post))
        .route("/alerts", get().to(alerts::list))
        .route("/alerts", post().to(alerts::hear))
        .route("/alerts/deliveries", get().to(alerts::deliveries::list))
        .route("/alerts/rules", post().to(alerts::rules::create))
        .route("/alerts/rules/new", get().to(alerts::rules::new))
        .route("/alerts/rules/{id}", get().to(alerts::rules::show))
        .route("/alerts/rules/{id}", post().to(alerts::rules::post))
        .route("/alerts/new", get().to(alerts::edit::new))
        .route("/alerts/new", post().to(alerts::edit::create))
        .route("/alerts/{id}", get().to(alerts::destination::show))
        .route("/alerts/{id}", post().to(alerts::destination::post))
        .route("/alerts/{id}/edit", get().to(alerts::edit::edit))
        .route("/alerts/{id}/edit", post().to(alerts::edit::update))
        .route("/me/notifications", get().to(me::show))
        .route("/me/notifications", post().to(me::post))
        .route("/me/address/{link}", get().to(me::confirm::show))
        .route("/me/address/{link}", post().to(me::confirm::post))
        .route("/projects", get().to(projects::list))
        .route("/projects", post().to(projects::create))
        .route("/projects/new", get().to(projects::new))
        .route("/projects/{slug}/regroupings", get().to(regroupings::list))
        .route("/projects/{slug}/regroup", post().to(regroupings::regroup))
        .route("/projects/{slug}", get().to(projects::start))
        .route("/projects/{slug}/feedback", get().to(feedback::of_project))
        .route("/projects/{slug}/attachments/{attachment}", get().to(attachments::show))
        .route("/projects/{slug}/attachments/{attachment}/content", get().to(attachments::content))
        .route("/projects/{slug}/settings", get().to(projects::settings::show))
        .route("/projects/{slug}/settings", post().to(projects::settings::post))
        .route("/projects/{slug}/code", get().to(projects::code::show))
        .route("/projects/{slug}/code", post().to(projects::code::post))
        .route("/projects/{slug}/owners", get().to(projects::owners::show))
        .route("/projects/{slug}/owners", post().to(projects::owners::post))
        .route("/projects/{slug}/rules", get().to(projects::rules::show))
        .route("/projects/{slug}/rules", post().to(projects::rules::post))
        .route("/sign-in", get().to(sign_in::show))
        .route("/sign-in", post().to(sign_in::post))
        .route("/sign-out", post().to(sign_in::sign_out))
        .route("/setup/{secret}", get().to(setup::show))
        .route("/setup/{secret}", post().to(setup::claim))
        .route("/system", get().to(system::show))
        .route("/theme", post().to(shell::choose_theme))
        .configure(watching)
        .route("/static/{file}", get().to(assets::get))
        .route("/favicon.ico", get().to(assets::favicon))
        .default_service(web::to(nothing_here))
}

/// What people leave open.
fn watching(routes: &mut web::ServiceConfig) {
    routes
        .route("/live", get().to(live::page))
        .route("/live/stream", get().to(live::stream::open))
        .route("/deploys/current", get().to(live::watch::page::current))
        .route("/deploys/{deploy}/summary", get().to(live::watch::summary::show))
        .route("/wall", get().to(wall::page));
}

async fn home() -> HttpResponse {
    shell::see_other("/issues")
}

async fn nothing_here() -> Result<HttpResponse, PageError> {
    Err(PageError::NotFound("page"))
}
