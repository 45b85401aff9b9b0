//! The wall, with projects that are quiet, busy and on fire.

use engine::access::Role;
use serde_json::json;
use sqlx::AssertSqlSafe;
use time::OffsetDateTime;

use super::{PASSWORD, run_checks};
use crate::support::{Database, Project, ServerProcess, data_dir};

/// Events a minute: usual, over the last hour, and since so many minutes.
struct Traffic {
    usual: i64,
    lately: i64,
    loud: Option<(i64, i64)>,
}

/// Writes the counters of a project as ingest would have.
async fn traffic(db: &Database, project: &Project, traffic: &Traffic) {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let (minute, hour) = (now.div_euclid(60) * 60, now.div_euclid(3600) * 3600);
    let mut rows: Vec<String> = Vec::new();
    let mut row = |span: i64, bucket: i64, events: i64| rows.push(format!("({},{span},{bucket},{events})", project.id));
    for day in 1..=7 {
        row(3600, hour - day * 86_400, traffic.usual * 60);
    }
    for ago in 0..60 {
        let loud = traffic.loud.filter(|(since, _)| ago < *since).map(|(_, events)| events);
        // Some unevenness, as life has it.
        row(60, minute - ago * 60, loud.unwrap_or(traffic.lately) * (90 + ago * 37 % 21) / 100);
    }
    let current = traffic.loud.map_or(traffic.lately, |(_, events)| events);
    // Well beyond now, so that the last two minutes are full for as long as the checks take.
    for at in -13..60 {
        row(10, now.div_euclid(10) * 10 + at * 10, current / 6);
    }
    let sql = format!(
        "insert into project_counts (project_id, span_s, bucket, events) values {}
         on conflict (project_id, span_s, bucket) do update set events = excluded.events",
        rows.join(",")
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&db.pool).await.unwrap();
}

#[tokio::test]
async fn a_television_shows_how_it_goes() {
    let db = Database::create().await;
    db.user("ada@example.org", Role::Viewer, PASSWORD).await;
    db.user("ana@example.org", Role::Member, PASSWORD).await;
    let token = db.token(&engine::access::SCOPES.map(|(scope, _)| scope)).await;
    let mut projects = Vec::new();
    for slug in ["shop-web", "shop-api", "payments", "mobile-app", "reports", "mailer"] {
        projects.push(db.project(slug).await);
    }
    let (dir, url) = (data_dir(), db.url());
    let settings = [("DATABASE_URL", url.as_str()), ("FIREFINCH_DATA_DIR", dir.path().to_str().unwrap())];
    let mut server = ServerProcess::start(&settings).await;
    let dsn = projects[0].dsn(&server.url);
    let facts =
        json!({"url": server.url, "dsn": dsn, "token": token, "email": "ada@example.org", "password": PASSWORD});
    run_checks("wall", &facts, async |command| {
        match command {
            "traffic" => {
                let levels = [
                    (12, 12, Some((6, 61))),
                    (16, 16, Some((9, 31))),
                    (6, 6, None),
                    (11, 9, None),
                    (2, 1, None),
                    (1, 1, None),
                ];
                for (project, (usual, lately, loud)) in projects.iter().zip(levels) {
                    traffic(&db, project, &Traffic { usual, lately, loud }).await;
                }
            }
            "kill" => server.kill().await,
            "restart" => server.restart().await,
            _ => panic!("{command}"),
        }
        "done".into()
    })
    .await;
}
