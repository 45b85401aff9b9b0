//! PostgreSQL stops under a running server: events are taken all the same, and stored once it is back.

use std::path::{Path, PathBuf};

use firefinch::config::Config;
use firefinch::postgres::{Postgres, Settings};
use serde_json::json;
use sqlx::PgPool;
use store::projects::{self, NewProject};
use time::OffsetDateTime;

use crate::support::{Http, Project, Reply, TestServer, data_dir, until};

/// A PostgreSQL that this test stops and starts, with a project in it.
struct Place {
    dir: tempfile::TempDir,
    postgres: Option<Postgres>,
    pool: PgPool,
    shop: Project,
}

impl Place {
    async fn make() -> Self {
        let dir = data_dir();
        let postgres = start(&dir.path().join("cluster")).await;
        let pool = store::pool::connect(postgres.options(), 4).await.unwrap();
        store::pool::migrate(&pool).await.unwrap();
        let public_key = firefinch::secrets::public_key();
        let new = NewProject {
            slug: "shop",
            name: "Shop",
            platform: None,
            public_key: &public_key,
            now: OffsetDateTime::now_utc(),
        };
        let (project, _) = projects::create(&pool, new).await.unwrap();
        let shop = Project { id: project.id.get(), slug: project.slug, public_key };
        Self { dir, postgres: Some(postgres), pool, shop }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("server")
    }

    /// The real server on this PostgreSQL, with its spool in our directory.
    async fn serve(&self, change: impl FnOnce(&mut Config)) -> TestServer {
        let options = self.postgres.as_ref().unwrap().options();
        let socket = options.get_socket().unwrap().display().to_string();
        let url = format!(
            "postgres:///{}?host={socket}&user={}",
            options.get_database().unwrap_or("postgres"),
            options.get_username()
        );
        let data = self.data();
        std::fs::create_dir_all(&data).unwrap();
        TestServer::start_with(|config| {
            config.database_url = Some(url.into());
            config.data_dir = data;
            change(config);
        })
        .await
    }

    async fn stop_postgres(&mut self) {
        self.postgres.take().unwrap().stop().await.unwrap();
    }

    async fn start_postgres(&mut self) {
        self.postgres = Some(start(&self.dir.path().join("cluster")).await);
    }

    async fn outcomes(&self) -> Option<Vec<(String, i64)>> {
        let sql = "select concat_ws(' ', category, outcome, reason), sum(quantity)::bigint from outcomes group by 1 order by 1";
        sqlx::query_as(sql).fetch_all(&self.pool).await.ok()
    }

    async fn outcomes_become(&self, expected: &[(&str, i64)]) {
        let expected: Vec<(String, i64)> = expected.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        until(&format!("{expected:?}"), async || self.outcomes().await.filter(|found| *found == expected)).await;
    }

    fn segments(&self) -> usize {
        let files = std::fs::read_dir(self.data().join("spool")).unwrap();
        files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|ext| ext == "spool")).count()
    }
}

async fn start(data_dir: &Path) -> Postgres {
    let data_dir = data_dir.to_owned();
    let settings = Settings { data_dir, bin: None, user: None, dies_with_us: true, throw_away: true };
    Postgres::start(settings).await.unwrap()
}

async fn post(http: &Http, shop: &Project, n: u8) -> Reply {
    http.post_event(shop, &json!({"event_id": format!("{n:032x}"), "message": format!("event {n}")})).await
}

/// An event of somebody.
async fn post_of(http: &Http, shop: &Project, n: u8, user: &serde_json::Value) {
    let event = json!({"event_id": format!("{n:032x}"), "message": "it broke", "user": user});
    assert_eq!(http.post_event(shop, &event).await.status, 200, "event {n}");
}

#[tokio::test]
async fn events_wait_in_the_spool_and_are_stored_once() {
    let mut place = Place::make().await;
    let server = place.serve(|_| {}).await;
    let http = Http::new(&server.url);
    assert_eq!(post(&http, &place.shop, 1).await.status, 200);
    place.stop_postgres().await;
    for n in [2, 3, 4, 2, 1] {
        assert_eq!(post(&http, &place.shop, n).await.status, 200, "event {n}");
    }
    let started = time::OffsetDateTime::now_utc().unix_timestamp();
    let session = json!({"sid": uuid::Uuid::from_u128(1), "init": true, "started": started, "did": "a",
        "status": "crashed", "attrs": {"release": "shop@1"}});
    let said = json!({"event_id": format!("{:032x}", 2), "comments": "It broke."});
    let items = format!(
        "{{}}\n{{\"type\":\"session\"}}\n{session}\n{{\"type\":\"transaction\"}}\n{{}}\n{{\"type\":\"user_report\"}}\n{said}"
    );
    assert_eq!(http.post_envelope(&place.shop, items.into_bytes()).await.status, 200);
    // A file longer than what the spool reads at once, with bytes that are no text.
    let file = [&[0, 0xff, b'\n'][..], &vec![b'x'; 5 * 1024 * 1024]].concat();
    let head = format!(
        "{{\"event_id\":\"{:032x}\"}}\n{{\"type\":\"attachment\",\"filename\":\"a.log\",\"length\":{}}}\n",
        2,
        file.len()
    );
    assert_eq!(http.post_envelope(&place.shop, [head.as_bytes(), &file].concat()).await.status, 200);
    assert_eq!(http.post_envelope(&place.shop, b"no envelope".to_vec()).await.status, 400);
    assert!(place.segments() > 0);
    place.start_postgres().await;
    place
        .outcomes_become(&[
            ("attachment accepted ", 1),
            ("default invalid bad_envelope", 1),
            ("error accepted ", 4),
            ("error dropped duplicate", 2),
            ("feedback accepted ", 1),
            ("session accepted ", 1),
            ("transaction dropped not_supported", 1),
        ])
        .await;
    until("the spool to be deleted", async || (place.segments() == 0).then_some(())).await;
    let stored: Vec<String> =
        sqlx::query_scalar("select title from events order by event_id").fetch_all(&place.pool).await.unwrap();
    assert_eq!(stored, ["event 1", "event 2", "event 3", "event 4"]);
    let kept: (Vec<u8>, bool, String) =
        sqlx::query_as("select a.content, a.issue_id = f.issue_id, f.message from attachments a, feedback f")
            .fetch_one(&place.pool)
            .await
            .unwrap();
    assert!(kept.0 == file && kept.1 && kept.2 == "It broke.");
    let sessions: (i64, i64) =
        sqlx::query_as("select total, crashed from release_sessions where span_s = 60 and version = 'shop@1'")
            .fetch_one(&place.pool)
            .await
            .unwrap();
    assert_eq!(sessions, (1, 1));
    assert_eq!(post(&http, &place.shop, 5).await.status, 200);
    drop(server);
    place.stop_postgres().await;
}

#[tokio::test]
async fn a_server_that_stops_meanwhile_stores_them_on_its_next_start() {
    let mut place = Place::make().await;
    let server = place.serve(|_| {}).await;
    let http = Http::new(&server.url);
    assert_eq!(post(&http, &place.shop, 1).await.status, 200);
    place.stop_postgres().await;
    for n in [2, 3] {
        assert_eq!(post(&http, &place.shop, n).await.status, 200, "event {n}");
    }
    drop(server);
    assert!(place.segments() > 0);
    place.start_postgres().await;
    let server = place.serve(|_| {}).await;
    place.outcomes_become(&[("error accepted ", 3)]).await;
    drop(server);
    place.stop_postgres().await;
}

#[tokio::test]
async fn a_spool_does_not_bring_an_erased_person_back() {
    let mut place = Place::make().await;
    let server = place.serve(|_| {}).await;
    let http = Http::new(&server.url);
    let (ada, bob) = (json!({"id": 7, "email": "Ada@Shop.example"}), json!({"id": 8, "email": "bob@shop.example"}));
    post_of(&http, &place.shop, 1, &ada).await;
    post_of(&http, &place.shop, 2, &bob).await;
    place.stop_postgres().await;
    post_of(&http, &place.shop, 3, &ada).await;
    // Known by an id that no stored event told of.
    post_of(&http, &place.shop, 4, &json!({"id": "web-7", "email": "ada@shop.example"})).await;
    post_of(&http, &place.shop, 5, &bob).await;
    let said = |n: u8, email: &str| {
        let said = json!({"event_id": format!("{n:032x}"), "type": "feedback",
            "contexts": {"feedback": {"message": "It broke.", "contact_email": email}}});
        format!("{{}}\n{{\"type\":\"feedback\"}}\n{said}").into_bytes()
    };
    assert_eq!(http.post_envelope(&place.shop, said(20, "ada@shop.example")).await.status, 200);
    assert_eq!(http.post_envelope(&place.shop, said(21, "bob@shop.example")).await.status, 200);
    let file = format!(
        "{{\"event_id\":\"{:032x}\"}}\n{{\"type\":\"attachment\",\"filename\":\"a.log\",\"length\":3}}\nabc",
        3
    );
    assert_eq!(http.post_envelope(&place.shop, file.into_bytes()).await.status, 200);
    drop(server);
    place.start_postgres().await;

    let person = engine::person::Person::read("", "ada@shop.example", "", "").unwrap();
    let now = OffsetDateTime::now_utc();
    let asked = store::erasure::Asked { person: &person, project_id: None, user: None, key: &[7; 32], at: now };
    let begun = store::erasure::begin(&place.pool, asked).await.unwrap();
    assert!(store::erasure::advance(&place.pool, begun.id, 100, now).await.unwrap());
    let server = place.serve(|_| {}).await;
    place
        .outcomes_become(&[
            ("attachment dropped erased", 1),
            ("error accepted ", 3),
            ("error dropped erased", 2),
            ("feedback accepted ", 1),
            ("feedback dropped erased", 1),
        ])
        .await;
    let left: Vec<String> =
        sqlx::query_scalar("select user_key from events order by event_id").fetch_all(&place.pool).await.unwrap();
    assert_eq!(left, ["id:8", "id:8"]);
    // Who comes back is met anew.
    let http = Http::new(&server.url);
    post_of(&http, &place.shop, 6, &ada).await;
    until("the new event", async || {
        let found: i64 = sqlx::query_scalar("select count(*) from events where user_key = 'id:7'")
            .fetch_one(&place.pool)
            .await
            .unwrap();
        (found == 1).then_some(())
    })
    .await;
    drop(server);
    place.stop_postgres().await;
}

#[tokio::test]
async fn a_full_spool_refuses_and_says_when_to_come_back() {
    let mut place = Place::make().await;
    let server = place.serve(|config| config.spool_bytes_max = 600).await;
    let http = Http::new(&server.url);
    assert_eq!(post(&http, &place.shop, 1).await.status, 200);
    place.stop_postgres().await;
    let mut taken = 1;
    let refused = loop {
        let reply = post(&http, &place.shop, taken + 1).await;
        if reply.status != 200 {
            break reply;
        }
        taken += 1;
    };
    assert!((2..10).contains(&taken), "{taken} events in 600 bytes");
    assert_eq!(refused.status, 503);
    assert_eq!(refused.body, r#"{"detail":"the database is away and the local spool is full"}"#);
    assert_eq!(refused.headers["retry-after"], "5");
    place.start_postgres().await;
    place.outcomes_become(&[("error accepted ", i64::from(taken)), ("error invalid spool_full", 1)]).await;
    let told = "select facts ->> 'sentence' from signals where kind = 'trouble'";
    let told: String =
        until("people to hear of it", async || sqlx::query_scalar(told).fetch_optional(&place.pool).await.ok()?).await;
    assert!(told.contains("1 were refused, because the spool was full"), "{told}");
    drop(server);
    place.stop_postgres().await;
}
