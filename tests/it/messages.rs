//! Free text whose words vary: one issue, from two servers at once, across a restart, explained.

use engine::access::Scope;
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Database, Http, Project, ServerProcess};

const WHO: [&str; 16] = [
    "root", "ann", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "olivia",
    "peggy", "trent", "victor",
];

/// Posts one message per name, all at once, spread over the servers.
async fn post(servers: &[&Http], project: &Project, words: &[&str]) {
    let posts = words.iter().enumerate().map(|(at, who)| async move {
        let id = Uuid::new_v4().simple().to_string();
        let event = json!({
            "event_id": id, "platform": "python", "logger": "sshd",
            "message": format!("session opened for user {who} by the gate"),
        });
        let reply = servers[at % servers.len()].post_event(project, &event).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    });
    join_all(posts).await;
}

async fn issues(database: &Database) -> Vec<(i64, i64)> {
    sqlx::query_as("select id, events from issues where status <> 'merged' order by id")
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn words_that_vary_lead_to_one_issue_from_two_servers_and_across_a_restart() {
    let database = Database::create().await;
    let project = database.project("shop").await;
    let token = database.token(&[Scope::EventRead]).await;
    let homes = [crate::support::data_dir(), crate::support::data_dir()];
    let url = database.url();
    let start = async |home: &tempfile::TempDir| {
        ServerProcess::start(&[("DATABASE_URL", &url), ("FIREFINCH_DATA_DIR", home.path().to_str().unwrap())]).await
    };
    let (mut one, two) = (start(&homes[0]).await, start(&homes[1]).await);
    let (first, second) = (Http::new(&one.url).with_token(&token), Http::new(&two.url));

    // Nobody knows the text yet, and both servers meet it with another word at the same time.
    post(&[&first, &second], &project, &WHO[..8]).await;
    let made = issues(&database).await;
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(made[0].1, 8);

    one.kill().await;
    one.restart().await;
    post(&[&first, &second], &project, &WHO[8..]).await;
    post(&[&first, &second], &project, &WHO).await;
    assert_eq!(issues(&database).await, [(made[0].0, 32)]);

    let hashes = first.get(&format!("/api/0/issues/{}/hashes/", made[0].0)).await.json();
    let hashes = hashes.as_array().unwrap();
    assert_eq!(hashes.len(), WHO.len(), "a key per word");
    let joined: Vec<&Value> =
        hashes.iter().map(|hash| &hash["explanation"]["joined"]).filter(|j| !j.is_null()).collect();
    let told = |hash: &Value| hash["text"].as_str().unwrap().contains("fits a template that earlier messages taught");
    assert_eq!(hashes.iter().filter(|hash| told(hash)).count(), joined.len());
    assert_eq!(joined.len(), WHO.len() - 1, "all but the founder say what they joined");
    for reason in joined {
        assert_eq!(reason["template"], "session opened for user ** by the gate");
        assert!(hashes.iter().any(|hash| hash["id"] == reason["founder"]));
        assert!(WHO.contains(&reason["varies"][0]["new"].as_str().unwrap()), "{reason}");
    }

    // Another logger speaks of something else.
    let id = Uuid::new_v4().simple().to_string();
    let message = "session opened for user zoe by the gate";
    let event = json!({"event_id": id, "platform": "python", "logger": "ftpd", "message": message});
    assert_eq!(first.post_event(&project, &event).await.status, 200);
    assert_eq!(issues(&database).await.len(), 2);
}
