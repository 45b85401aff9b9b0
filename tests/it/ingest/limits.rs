//! Limits at the socket: what is over one is refused and counted, told as the protocol says, and nothing else is touched;
//! several processes share what there is.

use engine::ids::ProjectId;
use engine::quota::{Counts, Limit, WINDOW_S_MAX};
use reqwest::Method;
use serde_json::json;
use store::limits::{self, Subject};
use uuid::Uuid;

use super::{events, outcomes};
use crate::support::recount::assert_counters_agree;
use crate::support::{Database, Http, Project, Reply, ServerProcess, TestServer, data_dir, until};

const DAY: i64 = WINDOW_S_MAX;

async fn limit(db: &Database, subject: Subject, counts: Counts, most: i64, window_s: i64) {
    limits::set(&db.pool, subject, &[(counts, Limit { most, window_s })]).await.unwrap();
}

fn of(project: &Project) -> Subject {
    Subject::Project(ProjectId(project.id))
}

async fn post(http: &Http, project: &Project) -> Reply {
    http.post_event(project, &json!({"event_id": Uuid::new_v4().simple().to_string(), "message": "over and over"}))
        .await
}

/// Sets a quota and waits until the server holds it: it takes nothing of it, then one event.
async fn set_quota(db: &Database, http: &Http, project: &Project, most: i64) {
    for (most, status) in [(0, 429), (most, 200)] {
        limit(db, of(project), Counts::Events, most, DAY).await;
        until("the quota to hold", async || (post(http, project).await.status == status).then_some(())).await;
    }
}

/// Posts until the limit is met; how many were taken, and the refusal.
async fn fill(http: &Http, project: &Project) -> (i64, Reply) {
    let mut taken = 0;
    loop {
        let reply = post(http, project).await;
        if reply.status == 429 {
            return (taken, reply);
        }
        assert_eq!(reply.status, 200, "{}", reply.body);
        taken += 1;
        assert!(taken < 500, "no limit holds");
    }
}

#[tokio::test]
async fn what_is_over_a_limit_is_told_and_counted_and_the_rest_goes_on() {
    let server = TestServer::start().await;
    let (db, http) = (&server.db, Http::new(&server.url));
    let (shop, quiet) = (db.project("shop").await, db.project("quiet").await);
    set_quota(db, &http, &shop, 30).await;
    let before = outcomes(db).await;
    let (taken, refused) = fill(&http, &shop).await;
    assert_eq!(taken, 29);
    let told = refused.headers["x-sentry-rate-limits"].to_str().unwrap().to_owned();
    let retry: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=300).contains(&retry), "{retry}");
    assert_eq!(told, format!("{retry}:error;security:project:project_quota"));
    assert_eq!(refused.headers["access-control-allow-origin"], "*");
    assert!(refused.headers["access-control-expose-headers"].to_str().unwrap().contains("x-sentry-rate-limits"));
    // Other categories, and other projects, were not exceeded.
    let session = r#"{}
{"type":"session"}
{"sid":"9d5b6f4e-7a0b-4d4b-8a0e-5b6e7f8a9b0c","init":true,"started":"NOW","status":"exited","attrs":{"release":"shop@1.0"}}"#;
    let now = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap();
    assert_eq!(http.post_envelope(&shop, session.replace("NOW", &now).into_bytes()).await.status, 200);
    assert_eq!(post(&http, &quiet).await.status, 200);
    // An envelope with both: the session is taken, the event and its file are not.
    let both = format!(
        "{{\"event_id\":\"{}\"}}\n{{\"type\":\"event\"}}\n{{}}\n{{\"type\":\"attachment\",\"length\":1,\"filename\":\"a\"}}\nx\n{}",
        Uuid::new_v4().simple(),
        session.replace("NOW", &now).replace("9d5b", "8d5b").split_once('\n').unwrap().1,
    );
    assert_eq!(http.post_envelope(&shop, both.into_bytes()).await.status, 429);
    let counted = outcomes(db).await;
    let more = |name: &str| counted[name] - before[name];
    assert_eq!(more("error accepted"), taken + 1, "{counted:?}");
    assert_eq!(more("error rate_limited project_quota"), 2, "{counted:?}");
    assert_eq!(counted["attachment rate_limited project_quota"], 1, "{counted:?}");
    assert_eq!(counted["session accepted"], 2, "{counted:?}");
    assert_counters_agree(&db.pool).await;
    // Raised, it takes events at once.
    limit(db, of(&shop), Counts::Events, 1_000, DAY).await;
    until("the higher limit to hold", async || (post(&http, &shop).await.status == 200).then_some(())).await;
    // Without one, everything.
    limits::set(&db.pool, of(&shop), &[]).await.unwrap();
    until("no limit to hold", async || (post(&http, &shop).await.status == 200).then_some(())).await;
}

#[tokio::test]
async fn each_limit_says_whose_it_is() {
    let server = TestServer::start().await;
    let (db, http) = (&server.db, Http::new(&server.url));
    let shop = db.project("shop").await;
    let key = sqlx::query_scalar("select id from project_keys where project_id = $1");
    let key = engine::ids::KeyId(key.bind(shop.id).fetch_one(&db.pool).await.unwrap());
    let subjects = [
        (Subject::Key(ProjectId(shop.id), key), 3600, "key:key_limit"),
        (of(&shop), 60, "project:project_rate"),
        (of(&shop), DAY, "project:project_quota"),
        (Subject::Instance, 60, "organization:instance_rate"),
        (Subject::Instance, DAY, "organization:instance_quota"),
    ];
    for (subject, window_s, told) in subjects {
        limit(db, subject, Counts::Events, 0, window_s).await;
        let refused = until(told, async || {
            let reply = post(&http, &shop).await;
            (reply.status == 429).then_some(reply)
        })
        .await;
        let header = refused.headers["x-sentry-rate-limits"].to_str().unwrap().to_owned();
        assert!(header.ends_with(&format!(":error;security:{told}")), "{header}");
        limits::set(&db.pool, subject, &[]).await.unwrap();
        until("the limit to be gone", async || (post(&http, &shop).await.status == 200).then_some(())).await;
    }
    limit(db, of(&shop), Counts::Attachments, 0, 60).await;
    let path =
        format!("/api/{}/events/{}/attachments/?sentry_key={}", shop.id, Uuid::new_v4().simple(), shop.public_key);
    let body = "--b\r\ncontent-disposition: form-data; name=f; filename=a.txt\r\n\r\nline\r\n--b--\r\n";
    let refused = until("files to be refused", async || {
        let request = http.request(Method::POST, &path).header("content-type", "multipart/form-data; boundary=b");
        let reply = http.send(request.body(body)).await;
        (reply.status == 429).then_some(reply)
    })
    .await;
    assert!(refused.headers["x-sentry-rate-limits"].to_str().unwrap().ends_with(":attachment:project:project_rate"));
    assert_eq!(post(&http, &shop).await.status, 200, "events were not exceeded");
}

/// Two processes, many requests at once: together they let in exactly what there is.
#[tokio::test]
async fn processes_share_what_a_limit_allows() {
    let db = Database::create().await;
    let shop = db.project("shop").await;
    limit(&db, of(&shop), Counts::Events, 100, DAY).await;
    let (url, dirs) = (db.url(), [data_dir(), data_dir(), data_dir()]);
    let start = async |n: usize| {
        let dir = dirs[n].path().to_str().unwrap();
        ServerProcess::start(&[("DATABASE_URL", url.as_str()), ("FIREFINCH_DATA_DIR", dir)]).await
    };
    let (one, other) = (start(0).await, start(1).await);
    let clients = [Http::new(&one.url), Http::new(&other.url)];
    let posts = (0..240).map(|n| post(&clients[n % 2], &shop));
    let statuses: Vec<u16> =
        futures_util::future::join_all(posts).await.into_iter().map(|reply| reply.status).collect();
    let taken = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!((taken + refused, events(&db).await), (240, i64::try_from(taken).unwrap()));
    // What one of them leased last, the other cannot have: a twentieth at most.
    assert!((90..=100).contains(&taken), "{taken} of 100");
    drop((one, other));
    let third = start(2).await;
    let (more, _) = fill(&Http::new(&third.url), &shop).await;
    assert!(i64::try_from(taken).unwrap() + more <= 100, "{taken} and {more} of 100");
}
