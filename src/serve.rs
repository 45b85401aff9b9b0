//! The composition root: puts every part together, watches over the parts, and takes them apart.
//!
//! The only place that names `ingest`, `web`, `api` and `workers` together. To add a part: its
//! routes in [`routes`], its background task in [`start_parts`].

mod first_run;
mod health;
mod supervision;

use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use store::maintenance::Kept;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};

use crate::api::{self, Api, Reports};
use crate::config::Config;
use crate::database::Database;
use crate::destinations::Desk;
use crate::front::Front;
use crate::ingest::{self, Ingest};
use crate::instance::{Lock, Served};
use crate::telemetry;
use crate::web::{self as pages, Web};
use crate::workers::erasure;
use crate::workers::escalation;
use crate::workers::lookout;
use crate::workers::maintenance;
use crate::workers::notify::{self, Notifier};
use crate::workers::regroup;
pub use first_run::FirstRun;
pub use supervision::Tasks;

/// How long an idle connection is kept: longer than the 60 s of common proxies, which must be the
/// ones to close.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to send its request line and headers.
const HEADERS_TIME_MAX: Duration = Duration::from_secs(10);
/// How long requests may go on after we were told to stop.
const REQUESTS_TIME_MAX_S: u64 = 15;
/// How long background tasks may go on after the last request.
const TASKS_TIME_MAX: Duration = Duration::from_secs(20);

/// What the parts are built from.
#[derive(Clone)]
pub struct Shared {
    /// The settings in force.
    pub config: Arc<Config>,
    /// URL under which others reach this server; no trailing slash.
    pub base_url: String,
    /// The pool that everything shares but the batch writer.
    pub pool: PgPool,
    /// How the pool connects, for those who need connections of their own.
    pub connect_options: PgConnectOptions,
    /// Becomes true when the process is told to stop: endless responses and workers end then.
    pub stopping: watch::Receiver<bool>,
    /// Becomes true when the last request was answered: what requests wait for ends then.
    pub draining: watch::Receiver<bool>,
    /// Notified after a commit that wrote signals, so that messages leave at once.
    pub signals_written: Arc<Notify>,
    metrics: PrometheusHandle,
}

/// A running server.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// URL under which others reach it; no trailing slash.
    pub base_url: String,
    /// Its database.
    pub pool: PgPool,
    /// What a person has to be told on the first start.
    pub first_run: FirstRun,
    http: ServerHandle,
    stopping: watch::Sender<bool>,
    draining: watch::Sender<bool>,
    tasks: supervision::Watched,
    database: Database,
    // Last, so that it is released last.
    lock: Lock,
}

/// Starts everything; returns when requests are answered.
///
/// # Errors
/// When a part cannot start; the text says why and what to do.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    let mut lock = Lock::take(&config.data_dir).await?;
    let listener = listen(config.listen)?;
    let addr = listener.local_addr().context("cannot tell the address that we listen on")?;
    lock.tell(&Served { base_url: config.public_url(addr), addr })?;
    let database = Database::open_for_serving(&config).await?;
    match assemble(config, &database, listener, addr).await {
        Ok(parts) => Ok(Running {
            addr,
            base_url: parts.base_url,
            pool: database.pool.clone(),
            first_run: parts.first_run,
            http: parts.http,
            stopping: parts.stopping,
            draining: parts.draining,
            tasks: parts.tasks,
            database,
            lock,
        }),
        Err(error) => {
            if let Err(error) = database.close().await {
                tracing::error!(error = format!("{error:#}"), "the database was not closed");
            }
            Err(error)
        }
    }
}

struct Parts {
    base_url: String,
    first_run: FirstRun,
    http: ServerHandle,
    stopping: watch::Sender<bool>,
    draining: watch::Sender<bool>,
    tasks: supervision::Watched,
}

async fn assemble(
    config: Config,
    database: &Database,
    listener: std::net::TcpListener,
    addr: SocketAddr,
) -> anyhow::Result<Parts> {
    database.migrate().await?;
    store::maintenance::make_partitions(&database.pool, OffsetDateTime::now_utc())
        .await
        .context("cannot make partitions")?;
    let base_url = config.public_url(addr);
    let first_run = first_run::prepare(&database.pool, &base_url).await?;
    let (stopping, draining) = (watch::Sender::new(false), watch::Sender::new(false));
    let shared = Shared {
        config: Arc::new(config),
        base_url: base_url.clone(),
        pool: database.pool.clone(),
        connect_options: database.options.clone(),
        stopping: stopping.subscribe(),
        draining: draining.subscribe(),
        signals_written: Arc::default(),
        metrics: telemetry::metrics()?,
    };
    let mut tasks = Tasks::default();
    let services = start_parts(shared, &mut tasks).await?;
    let server = http_server(services, listener)?;
    let http = server.handle();
    tasks.spawn("http", async move { server.await.context("the HTTP server failed") });
    let tasks = tasks.watch(stopping.subscribe());
    Ok(Parts { base_url, first_run, http, stopping, draining, tasks })
}

/// What requests are answered from.
#[derive(Clone)]
struct Services {
    shared: Shared,
    ingest: Ingest,
    pages: web::Data<Web>,
    desk: Desk,
    front: web::Data<Front>,
}

/// Opens every part and starts its background tasks.
async fn start_parts(shared: Shared, tasks: &mut Tasks) -> anyhow::Result<Services> {
    let writers = store::pool::connect_writer(shared.connect_options.clone(), ingest::WRITER_CONNECTIONS);
    let writers = writers.await.context("cannot connect the batch writers")?;
    private_dir(&shared.config.spool_dir())?;
    let (ingest, background) = ingest::open(&ingest_settings(&shared), shared.pool.clone(), writers).await?;
    tasks.spawn("ingest", background.run(shared.draining.clone()));

    let notifier = Notifier::new(shared.pool.clone(), &notify_settings(&shared.config, &shared.base_url))
        .context("cannot set up notifications")?;
    let notifier = Arc::new(notifier);
    let desk = Desk::new(shared.pool.clone(), Arc::clone(&notifier), shared.config.allow_private_webhooks);
    let notify = notify::run(notifier, Arc::clone(&shared.signals_written), shared.stopping.clone());
    tasks.spawn_endless("notify", notify);

    let queue = ingest.clone();
    let depth = Arc::new(move || queue.waiting());
    let pages = Web::new(shared.pool.clone(), &shared.base_url, desk.clone(), Arc::clone(&shared.config), depth);
    let pages = web::Data::new(pages);
    let live = pages::run_live(pages.hub().clone(), shared.pool.clone(), shared.stopping.clone());
    tasks.spawn_endless("live", live);

    let config = &shared.config;
    let kept = Kept { days: config.retention_days, attachment_bytes_max: config.attachment_bytes_max };
    let (pool, stopping) = (shared.pool.clone(), shared.stopping.clone());
    tasks.spawn_endless("maintenance", maintenance::run(pool, kept, maintenance::FIRST_AFTER, stopping));
    let escalation = escalation::run(shared.pool.clone(), Arc::clone(&shared.signals_written), shared.stopping.clone());
    tasks.spawn_endless("escalation", escalation);
    let lookout = lookout::run(shared.pool.clone(), Arc::clone(&shared.signals_written), shared.stopping.clone());
    tasks.spawn_endless("lookout", lookout);
    tasks.spawn_endless("regroup", regroup::run(shared.pool.clone(), shared.stopping.clone()));
    tasks.spawn_endless("erasure", erasure::run(shared.pool.clone(), shared.stopping.clone()));
    tasks.spawn_endless("metrics", telemetry::upkeep(shared.metrics.clone(), shared.stopping.clone()));
    let front = web::Data::new(shared.config.front().map_err(anyhow::Error::msg)?);
    Ok(Services { shared, ingest, pages, desk, front })
}

/// The spool holds events, and with them people's data.
fn private_dir(dir: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)))
        .with_context(|| format!("cannot make {} private", dir.display()))
}

fn ingest_settings(shared: &Shared) -> ingest::Settings {
    ingest::Settings {
        spool_dir: shared.config.spool_dir(),
        spool_bytes_max: shared.config.spool_bytes_max,
        attachment_bytes_max: shared.config.attachment_bytes_max,
        watched: ingest::Watched {
            // Elsewhere, nobody here sees the disk.
            dir: shared.config.database_url.is_none().then(|| shared.config.data_dir.clone()),
            database_bytes_max: shared.config.database_bytes_max,
        },
        queue_jobs_max: shared.config.queue_requests_max,
        patience: shared.config.patience,
        signals_written: Arc::clone(&shared.signals_written),
    }
}

/// What the configuration says about notifications; `base_url` is where their links lead.
pub(crate) fn notify_settings(config: &Config, base_url: &str) -> notify::Settings {
    notify::Settings {
        base_url: base_url.to_owned(),
        smtp_url: config.smtp_url.as_ref().map(|url| url.expose().to_owned()),
        mail_from: config.mail_from.clone(),
        allow_private_webhooks: config.allow_private_webhooks,
    }
}

/// Registers every route.
fn routes(services: &Services, config: &mut web::ServiceConfig) {
    let shared = &services.shared;
    config.app_data(web::Data::new(shared.clone()));
    config.app_data(services.front.clone());
    config.configure(health::configure);
    // Before the API: user feedback is posted to a path below the API's.
    config.configure(ingest::configure(services.ingest.clone()));
    config.configure(api::configure(Api {
        pool: shared.pool.clone(),
        org_slug: shared.config.org_slug.clone(),
        base_url: shared.base_url.clone(),
        desk: services.desk.clone(),
        reports: reports(services.ingest.clone()),
    }));
    // Last: they answer whatever nobody else has claimed.
    config.service(pages::service(services.pages.clone()));
}

/// What leads from the API to where the limits and the privacy of a project are kept.
#[must_use]
pub fn reports(ingest: Ingest) -> Reports {
    Reports::new(move |project_id, body| {
        let ingest = ingest.clone();
        Box::pin(async move { ingest.take_report(project_id, body).await })
    })
}

fn http_server(services: Services, listener: std::net::TcpListener) -> anyhow::Result<actix_web::dev::Server> {
    let config = &services.shared.config;
    let workers = config
        .http_workers
        .or_else(|| std::thread::available_parallelism().ok().map(std::num::NonZero::get))
        .unwrap_or(1);
    let connections_max = config.http_connections_max.div_ceil(workers);
    Ok(HttpServer::new(move || {
        let services = services.clone();
        App::new().configure(move |config| routes(&services, config))
    })
    .workers(workers)
    .max_connections(connections_max)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEADERS_TIME_MAX)
    .shutdown_timeout(REQUESTS_TIME_MAX_S)
    .disable_signals()
    .listen(listener)
    .context("cannot listen")?
    .run())
}

/// Binds the address, with a queue for the burst of connections after a restart.
fn listen(addr: SocketAddr) -> anyhow::Result<std::net::TcpListener> {
    const BACKLOG: u32 = 2048;
    let socket = if addr.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() };
    let bind = |socket: tokio::net::TcpSocket| {
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)?.into_std()
    };
    socket.and_then(bind).with_context(|| format!("cannot listen on {addr}"))
}

impl Running {
    /// Waits until a part dies that should not; says which and why.
    pub async fn died(&mut self) -> String {
        self.tasks.died().await
    }

    /// Stops in order: no new requests, endless responses end, requests are answered, what they
    /// wait for drains, tasks end, the database closes.
    ///
    /// # Errors
    /// When something does not end in time.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stopping.send_replace(true);
        self.http.stop(true).await;
        self.draining.send_replace(true);
        let tasks = self.tasks.ended(TASKS_TIME_MAX).await;
        let closed = self.database.close().await;
        drop(self.lock);
        tasks.and(closed)
    }
}
