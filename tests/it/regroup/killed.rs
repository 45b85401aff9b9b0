//! A server is killed in the middle of each kind of change while events arrive: the next start goes on, or another
//! process does, nothing is lost or doubled, and every figure is exact.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use engine::access::SCOPES;
use engine::ids::ProjectId;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, PgPool};
use store::rules::{self, NewRules};
use time::OffsetDateTime;
use uuid::Uuid;

use super::filled::{self, assert_ends_agree, assert_exact, fill};
use super::large::finished;
use crate::support::recount::{assert_counters_agree, assert_no_duplicates};
use crate::support::{Database, Http, Project, ServerProcess, data_dir, until};

const PROJECT: &str = "/api/0/projects/default/shop";

/// Servers on one database, the events that clients post to them, and who may change things.
struct Scene {
    database: Database,
    project: Project,
    token: String,
    homes: Vec<tempfile::TempDir>,
}

impl Scene {
    async fn open() -> Self {
        let database = Database::create().await;
        let project = database.project("shop").await;
        let token = database.token(&SCOPES.map(|(scope, _)| scope)).await;
        let events = filled::events_wanted(20_000);
        fill(&database.pool, ProjectId(project.id), filled::lately(), events).await;
        let new = NewRules {
            project_id: ProjectId(project.id),
            fingerprint_rules: &filled::rules(),
            stack_rules: "",
            seen_version: None,
            changed_by: None,
            now: OffsetDateTime::now_utc(),
        };
        rules::save(&database.pool, new).await.unwrap();
        Self { database, project, token, homes: Vec::new() }
    }

    async fn server(&mut self) -> ServerProcess {
        let home = data_dir();
        let (url, dir) = (self.database.url(), home.path().to_str().unwrap().to_owned());
        self.homes.push(home);
        ServerProcess::start(&[("DATABASE_URL", &url), ("FIREFINCH_DATA_DIR", &dir)]).await
    }

    fn http(&self, server: &ServerProcess) -> Http {
        Http::new(&server.url).with_token(&self.token)
    }

    /// Keeps every step of a change from happening, as a long batch of ingest would, once the present one is done.
    async fn hold_steps(&self) -> PgConnection {
        let mut held = PgConnection::connect(&self.database.url()).await.unwrap();
        sqlx::query("select pg_advisory_lock_shared($1)")
            .bind(store::regroup::GATE + self.project.id)
            .execute(&mut held)
            .await
            .unwrap();
        held
    }

    /// Waits until a change has begun and stands still in the middle.
    async fn stand_in_the_middle(&self, change: &Value) -> PgConnection {
        let held = self.hold_steps().await;
        let id: i64 = change["id"].as_str().unwrap().parse().unwrap();
        let (state, walked, total): (String, i64, i64) =
            sqlx::query_as("select state, walked, total from regroupings where id = $1")
                .bind(id)
                .fetch_one(&self.database.pool)
                .await
                .unwrap();
        assert!(state == "running" && walked > 0 && walked < total, "{state}: {walked} of {total}");
        held
    }
}

/// Posts messages until told to stop, each again and again until it is acknowledged; returns their ids.
fn client(http: Http, project: &Project, stop: &Arc<AtomicBool>, acknowledged: &Arc<Mutex<BTreeSet<Uuid>>>) {
    let (project, stop, acknowledged) = (project.clone(), stop.clone(), acknowledged.clone());
    tokio::spawn(async move {
        for text in filled::texts().iter().cycle() {
            let id = Uuid::new_v4();
            let event = json!({
                "event_id": id.simple().to_string(), "platform": "python", "message": text, "user": {"id": id.to_string()},
            });
            let item = format!("{{}}\n{{\"type\":\"event\"}}\n{event}\n");
            let auth = format!("Sentry sentry_version=7, sentry_client=test/1, sentry_key={}", project.public_key);
            loop {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let request = http.request(Method::POST, &format!("/api/{}/envelope/", project.id));
                let request = request.header("x-sentry-auth", &auth).body(item.clone());
                if http.try_send(request).await.is_ok_and(|reply| reply.status == 200) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            acknowledged.lock().unwrap().insert(id);
        }
    });
}

/// One change of each kind, each made of what is there: as the request that begins it.
async fn begin(http: &Http, pool: &PgPool, kind: &str) -> Value {
    let newest = |kind: &'static str| async move {
        sqlx::query_scalar::<_, i64>("select max(id) from regroupings where kind = $1 and state = 'done'")
            .bind(kind)
            .fetch_one(pool)
            .await
            .unwrap()
    };
    let undo = |id: i64| http.send(http.request(Method::POST, &format!("{PROJECT}/regroupings/{id}/undo/")));
    match kind {
        "merge" => {
            let ids: Vec<i64> =
                sqlx::query_scalar("select id from issues where status <> 'merged' order by id limit 10")
                    .fetch_all(pool)
                    .await
                    .unwrap();
            let ids: Vec<String> = ids.iter().map(|id| format!("id={id}")).collect();
            let reply = http.put(&format!("{PROJECT}/issues/?{}", ids.join("&")), &json!({"merge": 1})).await.json();
            reply["regrouping"].clone()
        }
        "split" => {
            let largest: i64 =
                sqlx::query_scalar("select id from issues where status <> 'merged' order by events desc limit 1")
                    .fetch_one(pool)
                    .await
                    .unwrap();
            let path = format!("/api/0/issues/{largest}/hashes/");
            let keys = http.get(&path).await.json();
            let key = keys.as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
            http.send(http.request(Method::DELETE, &format!("{path}?id={key}"))).await.json()
        }
        "unmerge" => undo(newest("merge").await).await.json(),
        "regroup" => http.send(http.request(Method::POST, &format!("{PROJECT}/regroupings/"))).await.json(),
        _ => undo(newest("regroup").await).await.json(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_survives_kill_nine_while_events_arrive() {
    let mut scene = Scene::open().await;
    let mut server = scene.server().await;
    let (http, pool) = (scene.http(&server), scene.database.pool.clone());
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::default());
    (0..2).for_each(|_| client(http.clone(), &scene.project, &stop, &acknowledged));
    for kind in ["merge", "unmerge", "merge", "split", "regroup", "restore"] {
        let change = begin(&http, &pool, kind).await;
        assert_eq!(change["kind"], kind);
        let held = scene.stand_in_the_middle(&change).await;
        server.kill().await;
        held.close().await.unwrap();
        assert_counters_agree(&pool).await;
        server.restart().await;
        finished(&http, &pool, &change, kind).await;
    }
    let before = acknowledged.lock().unwrap().len();
    until("more events to be acknowledged", async || (acknowledged.lock().unwrap().len() > before + 20).then_some(()))
        .await;
    stop.store(true, Ordering::Relaxed);
    // A request that is under way may still be acknowledged after this.
    let acknowledged = acknowledged.lock().unwrap().clone();
    let stored: BTreeSet<Uuid> =
        sqlx::query_scalar("select event_id from events").fetch_all(&pool).await.unwrap().into_iter().collect();
    let lost: Vec<Uuid> = acknowledged.difference(&stored).copied().collect();
    assert!(lost.is_empty(), "{} acknowledged events are lost", lost.len());
    println!("{} events arrived meanwhile", acknowledged.len());
    assert_eq!(server.stop().await, 0);
    assert_no_duplicates(&pool).await;
    assert_exact(&pool).await;
    assert_ends_agree(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_one_works_and_the_other_takes_over_when_it_is_killed() {
    let mut scene = Scene::open().await;
    let (mut one, mut two) = (scene.server().await, scene.server().await);
    let (http, pool) = (scene.http(&one), scene.database.pool.clone());
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::default());
    for server in [&one, &two] {
        client(scene.http(server), &scene.project, &stop, &acknowledged);
    }
    let change = begin(&http, &pool, "regroup").await;
    let done = finished(&http, &pool, &change, "regroup by one of two").await;
    assert_eq!(done["done"], done["total"], "no step was done twice");

    let change = begin(&http, &pool, "restore").await;
    let held = scene.stand_in_the_middle(&change).await;
    one.kill().await;
    held.close().await.unwrap();
    let http = scene.http(&two);
    finished(&http, &pool, &change, "restore by the other").await;
    stop.store(true, Ordering::Relaxed);
    let ends = [one.said(), two.said()].map(|said| said.matches("a change of the grouping is done").count());
    assert_eq!(ends[0] + ends[1], 2, "each change was ended once: {ends:?}");
    assert!(ends[1] >= 1, "the one that lived ended the second: {ends:?}");
    assert_eq!(two.stop().await, 0);
    assert_no_duplicates(&pool).await;
    assert_exact(&pool).await;
}
