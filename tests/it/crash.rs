//! Nothing acknowledged is lost, nothing is doubled, and the counters agree with the rows: under load,
//! while the server and its PostgreSQL are killed at random moments.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use corpus::Request;
use sqlx::postgres::{PgPool, PgPoolOptions};
use uuid::Uuid;

use crate::support::recount::{assert_counters_agree, assert_no_duplicates};
use crate::support::{Http, Project, ServerProcess, data_dir, signal, until};

/// Connections that post at the same time.
const CLIENTS: usize = 16;
const SERVER_KILLS: u32 = 10;
/// How long a client goes on with one event; it spans at least one restart.
const ACKNOWLEDGE_DEADLINE: Duration = Duration::from_secs(60);
/// Headers that belong to the recorded connection.
const CONNECTION_HEADERS: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// What the clients know: the ids that were answered with 200.
#[derive(Default)]
struct Acknowledged {
    ids: Mutex<BTreeSet<Uuid>>,
    stop: AtomicBool,
}

impl Acknowledged {
    fn count(&self) -> usize {
        self.ids.lock().unwrap().len()
    }

    /// Waits until `more` further events were acknowledged.
    async fn grow(&self, more: usize) {
        let goal = self.count() + more;
        until("the server to acknowledge events again", async || (self.count() >= goal).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_events_survive_kill_nine() {
    let dir = data_dir();
    let home = dir.path().join("firefinch");
    let mut server = ServerProcess::start(&[("FIREFINCH_DATA_DIR", home.to_str().unwrap())]).await;
    let project = make_project(&server).await;
    let acknowledged = Arc::new(Acknowledged::default());
    let clients = start_clients(&server.url, &project, &acknowledged);

    for round in 0..SERVER_KILLS {
        acknowledged.grow(20).await;
        tokio::time::sleep(random_moment()).await;
        if round == SERVER_KILLS / 2 {
            // The database first, so that the server dies with events in its spool.
            signal("-KILL", postmaster(&home)).await;
            tokio::time::sleep(random_moment() / 4).await;
        }
        server.kill().await;
        server.restart().await;
    }
    // And once with a server that lives on.
    acknowledged.grow(20).await;
    signal("-KILL", postmaster(&home)).await;
    acknowledged.grow(200).await;
    acknowledged.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }

    let pool = PgPoolOptions::new().max_connections(2).connect_lazy_with(options(&home));
    until("the spool to drain", async || missing(&pool, &acknowledged).await.is_empty().then_some(())).await;
    assert_no_duplicates(&pool).await;
    assert_counters_agree(&pool).await;
    let spooled: i64 = sqlx::query_scalar("select count(*) from spool_positions where segment > 0 or byte_offset > 0")
        .fetch_one(&pool)
        .await
        .unwrap();
    println!("{} events acknowledged, {spooled} spools drained", acknowledged.count());
    pool.close().await;
    assert_eq!(server.stop().await, 0);
}

/// Posts recorded error events under fresh ids until told to stop. What is not acknowledged is sent
/// again under the same id, as an SDK with an offline store does.
fn start_clients(url: &str, project: &Project, acknowledged: &Arc<Acknowledged>) -> Vec<tokio::task::JoinHandle<()>> {
    let errors =
        |request: &&Request| request.row.is_error && request.row.event_id.is_some() && request.method == "POST";
    let requests: Vec<Request> = corpus::load()
        .requests
        .iter()
        .filter(errors)
        .filter(|request| request.path.starts_with("/api/"))
        .step_by(7)
        .map(|request| request.retarget(project.id, &project.public_key))
        .collect();
    let requests = Arc::new(requests);
    (0..CLIENTS)
        .map(|client| {
            let (requests, acknowledged, http) = (requests.clone(), acknowledged.clone(), Http::new(url));
            tokio::spawn(async move {
                for request in requests.iter().cycle().skip(client * 13) {
                    if acknowledged.stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let id = Uuid::new_v4();
                    send_until_acknowledged(&http, &request.with_event_id(&id.simple().to_string())).await;
                    acknowledged.ids.lock().unwrap().insert(id);
                }
            })
        })
        .collect()
}

/// Not by `until`, whose future cannot move between threads.
async fn send_until_acknowledged(http: &Http, request: &Request) {
    let deadline = Instant::now() + ACKNOWLEDGE_DEADLINE;
    while !is_acknowledged(http, request).await {
        assert!(Instant::now() < deadline, "{} is never acknowledged", request.file);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn is_acknowledged(http: &Http, request: &Request) -> bool {
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let mut builder = http.request(reqwest::Method::POST, &format!("{}{query}", request.path));
    for (name, value) in &request.headers {
        if !CONNECTION_HEADERS.contains(&name.to_lowercase().as_str()) {
            builder = builder.header(name, value);
        }
    }
    let Ok(reply) = http.try_send(builder.body(request.body.clone())).await else { return false };
    // 429 and 503 say 'later', other 5xx may come from a server that is dying; the rest is a bug.
    assert!(reply.status == 200 || reply.status == 429 || reply.status >= 500, "{}: {reply:?}", request.file);
    reply.status == 200
}

fn random_moment() -> Duration {
    Duration::from_millis(rand::random_range(0..500))
}

async fn make_project(server: &ServerProcess) -> Project {
    let made = server.run(&["project", "create", "--slug", "crash", "--json"]).await;
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    Project {
        id: made["id"].as_i64().or_else(|| made["id"].as_str()?.parse().ok()).unwrap(),
        slug: "crash".into(),
        public_key: made["public_key"].as_str().unwrap().into(),
    }
}

fn postmaster(home: &Path) -> u32 {
    let pid_file = std::fs::read_to_string(home.join("postgres/postmaster.pid")).unwrap();
    pid_file.lines().next().unwrap().trim().parse().unwrap()
}

fn options(home: &Path) -> sqlx::postgres::PgConnectOptions {
    sqlx::postgres::PgConnectOptions::new().socket(home.join("run")).username("firefinch").database("firefinch")
}

/// What was acknowledged and cannot be read.
async fn missing(pool: &PgPool, acknowledged: &Acknowledged) -> BTreeSet<Uuid> {
    let ids = acknowledged.ids.lock().unwrap().clone();
    // The clients need no database to be acknowledged, so it may be on its way back still.
    let stored: Result<Vec<Uuid>, _> = sqlx::query_scalar("select event_id from events").fetch_all(pool).await;
    match stored {
        Ok(stored) => ids.difference(&stored.into_iter().collect()).copied().collect(),
        Err(_) => ids,
    }
}
