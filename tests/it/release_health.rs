//! Release health: what session items leave in the tables, told once, twice, in any order and by several
//! writers, and what is read from them.

use engine::ids::ProjectId;
use engine::session::{Entry, Report, Said, State};
use serde_json::{Value, json};
use store::ingest::{Batch, NewSessions, Writer};
use store::release_health::{self, Sessions};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::support::{Database, Http, Project, TestServer, until};

const NOON: OffsetDateTime = datetime!(2026-11-22 12:00:03 UTC);

fn visit(project: &Project, id: u128, begins: bool, state: State) -> NewSessions {
    let said = Said::Visit { id: Uuid::from_u128(id), begins, state };
    let entry = Entry { started: NOON, user: Some(format!("id:{id}")), said };
    NewSessions {
        project_id: ProjectId(project.id),
        received_at: NOON,
        report: Report { release: "shop@1".into(), environment: Some("production".into()), entries: vec![entry] },
    }
}

async fn write(writer: &Writer, sessions: Vec<NewSessions>) {
    writer.write(&Batch { sessions, ..Batch::default() }).await.unwrap();
}

/// `total errored abnormal unhandled crashed` of the only hour, and of the only minute.
async fn counted(database: &Database) -> Vec<Vec<i64>> {
    let sql = "select array[total, errored, abnormal, unhandled, crashed] from release_sessions order by span_s";
    sqlx::query_scalar(sql).fetch_all(&database.pool).await.unwrap()
}

#[tokio::test]
async fn each_session_is_counted_once_in_its_worst_state() {
    let database = Database::create().await;
    let shop = database.project("shop").await;
    let writer = Writer::new(database.pool.clone());
    let told = [
        // Healthy from its beginning to its end.
        visit(&shop, 1, true, State::Healthy),
        visit(&shop, 1, false, State::Healthy),
        // Gets worse, and what is told late does not make it better.
        visit(&shop, 2, true, State::Healthy),
        visit(&shop, 2, false, State::Errored),
        visit(&shop, 2, false, State::Crashed),
        visit(&shop, 2, false, State::Errored),
        visit(&shop, 2, false, State::Healthy),
        // Told all at once, and twice.
        visit(&shop, 3, true, State::Unhandled),
        visit(&shop, 3, true, State::Unhandled),
        visit(&shop, 4, true, State::Abnormal),
    ];
    // In one batch.
    write(&writer, told.to_vec()).await;
    assert_eq!(counted(&database).await, [[4, 0, 1, 1, 1], [4, 0, 1, 1, 1]]);
    // What was told of unhealthy sessions is told again; then one by one, in the order of a spool that is drained late.
    write(&writer, told[3..].to_vec()).await;
    for told in told[3..].iter().rev() {
        write(&writer, vec![told.clone()]).await;
    }
    assert_eq!(counted(&database).await, [[4, 0, 1, 1, 1], [4, 0, 1, 1, 1]]);
    // The beginning of one that stayed healthy is sent again, in the same batch and later.
    for _ in 0..2 {
        write(&writer, vec![told[0].clone(), told[0].clone()]).await;
    }
    assert_eq!(counted(&database).await, [[4, 0, 1, 1, 1], [4, 0, 1, 1, 1]]);

    let of = async |environment| {
        let versions = ["shop@1".to_owned(), "shop@2".to_owned()];
        let (project, yesterday) = ([ProjectId(shop.id)], NOON - Duration::hours(24));
        release_health::of_releases(&database.pool, &project, &versions, environment, yesterday).await.unwrap()
    };
    assert_eq!(of(Some("development")).await, []);
    let health = of(Some("production")).await;
    assert_eq!(health, of(None).await);
    assert_eq!((health.len(), health[0].users, health[0].crashed_users), (1, 4, 1));
    assert_eq!(health[0].crash_free_sessions(), Some(75.0));
    assert_eq!(health[0].crash_free_users(), Some(75.0));
    assert_eq!(health[0].adoption(), Some(100.0));
}

#[tokio::test]
async fn two_writers_count_the_same_sessions_once() {
    let database = Database::create().await;
    let shop = database.project("shop").await;
    let states = [State::Healthy, State::Abnormal, State::Unhandled, State::Crashed];
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..4_usize {
        let (pool, shop) = (database.pool.clone(), shop.clone());
        writers.spawn(async move {
            let writer = Writer::new(pool);
            for turn in 0..20 {
                let state = states[(n + turn) % 4];
                let ids = (1..=10).map(|id| if n % 2 == 0 { id } else { 11 - id });
                // Ten more stay healthy, and every writer hears of each again and again.
                let healthy = (11..=20).map(|id| visit(&shop, id, true, State::Healthy));
                write(&writer, ids.map(|id| visit(&shop, id, true, state)).chain(healthy).collect()).await;
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    assert_eq!(counted(&database).await, [[20, 0, 0, 0, 10], [20, 0, 0, 0, 10]]);
}

/// Posts items of one envelope.
async fn post(http: &Http, shop: &Project, items: &[(&str, Value)]) {
    let mut body = "{}".to_owned();
    for (ty, item) in items {
        body.push_str(&format!("\n{{\"type\":\"{ty}\"}}\n{item}"));
    }
    assert_eq!(http.post_envelope(shop, body.into_bytes()).await.status, 200);
}

#[tokio::test]
async fn session_items_are_accepted_counted_and_bring_releases_to_life() {
    let server = TestServer::start().await;
    let shop = server.db.project("shop").await;
    let http = Http::new(&server.url);
    let now = OffsetDateTime::now_utc();
    let started = now.format(&time::format_description::well_known::Rfc3339).unwrap();
    let attrs = json!({"release": "shop@2", "environment": "production"});
    let one = |id: u32, more: Value| {
        let mut item = json!({"sid": Uuid::from_u128(id.into()), "started": started, "attrs": attrs});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ("session", item)
    };
    let aggregates = json!([{"started": started, "exited": 95, "errored": 2, "crashed": 1}]);
    post(
        &http,
        &shop,
        &[
            one(1, json!({"init": true, "status": "ok"})),
            ("sessions", json!({"aggregates": aggregates, "attrs": attrs})),
            ("session", json!({"init": true, "started": started, "attrs": {}})),
        ],
    )
    .await;
    post(&http, &shop, &[one(1, json!({"status": "crashed", "errors": 1}))]).await;
    let many = vec![one(9, json!({"init": true, "status": "exited"})); 101];
    post(&http, &shop, &many).await;

    let between = (now - Duration::minutes(1), now + Duration::minutes(2));
    let project_id = ProjectId(shop.id);
    let read = release_health::between(&server.db.pool, project_id, "shop@2", "production", between, now);
    let (own, all) = read.await.unwrap();
    assert_eq!(own, Sessions { total: 100, errored: 2, crashed: 2, ..Sessions::default() });
    assert_eq!(own, all);
    let named: Vec<String> = sqlx::query_scalar("select version from releases union all select name from environments")
        .fetch_all(&server.db.pool)
        .await
        .unwrap();
    assert_eq!(named, ["shop@2", "production"]);
    let outcomes = until("the outcomes", async || {
        let sql = "select outcome || ' ' || reason, sum(quantity)::bigint from outcomes where category = 'session'
                   group by 1 order by 1";
        let found: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(&server.db.pool).await.unwrap();
        (found.len() == 3).then_some(found)
    })
    .await;
    let expected = [("accepted ", 103), ("invalid no_release", 1), ("invalid too_many", 1)];
    assert_eq!(outcomes, expected.map(|(outcome, quantity)| (outcome.to_owned(), quantity)));
}

#[tokio::test]
async fn what_is_too_old_goes() {
    let database = Database::create().await;
    sqlx::raw_sql(
        "insert into release_sessions
         select 1, span_s, extract(epoch from timestamptz '2026-11-22 12:00Z' - age)::bigint, '', 'shop@1', 1, 0, 0, 0, 0
         from (values (60, interval '49 hours'), (60, '47 hours'), (3600, '91 days'), (3600, '89 days'))
             as v (span_s, age);
         insert into release_session_states
         select 1, gen_random_uuid(), 1, true, 0, false, timestamptz '2026-11-22 12:00Z' - age, '', 'shop@1'
         from (values (interval '8 days'), ('6 days')) as v (age);
         insert into release_session_states
         select 1, gen_random_uuid(), 0, true, 0, false, timestamptz '2026-11-22 12:00Z' - age, '', 'shop@1'
         from (values (interval '25 hours'), ('23 hours')) as v (age);
         insert into release_users
         select 1, extract(epoch from timestamptz '2026-11-22 00:00Z' - age)::bigint, 'shop@1', '', decode(repeat('00', 16), 'hex'), false
         from (values (interval '31 days'), ('29 days')) as v (age)",
    )
    .execute(&database.pool)
    .await
    .unwrap();
    let report =
        store::maintenance::round(&database.pool, store::maintenance::Kept::days(90), NOON).await.unwrap().unwrap();
    assert_eq!(report.release_health_deleted, 5);
}
