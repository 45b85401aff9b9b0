//! The ingest endpoints over a real socket: what SDKs send, what they are told, what is stored.

mod away;
mod companions;
mod dialog;
mod endpoints;
mod guard;
mod hostile;
mod limits;
mod packing;
mod pressure;
mod raw;
mod scrubbing;
mod spikes;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Database, until};

/// `category outcome reason` and how many, of a whole database.
async fn outcomes(db: &Database) -> BTreeMap<String, i64> {
    let rows: Vec<(String, String, String, i64)> =
        sqlx::query_as("select category, outcome, reason, sum(quantity)::bigint from outcomes group by 1, 2, 3")
            .fetch_all(&db.pool)
            .await
            .unwrap();
    let name = |(category, outcome, reason, quantity): (String, String, String, i64)| {
        (format!("{category} {outcome} {reason}").trim_end().to_owned(), quantity)
    };
    rows.into_iter().map(name).collect()
}

/// Waits until the outcomes are these: those of refused requests are written once a second.
async fn outcomes_become(db: &Database, expected: &[(&str, i64)]) {
    let expected: BTreeMap<String, i64> = expected.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    let mut last = BTreeMap::new();
    until(&format!("outcomes {expected:?}"), async || {
        last = outcomes(db).await;
        (last == expected).then_some(())
    })
    .await;
}

/// Column of the stored event with this id.
async fn column(db: &Database, id: &str, column: &str) -> Option<String> {
    let sql = format!("select {column}::text from events where event_id = $1::uuid");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(id).fetch_one(&db.pool).await.unwrap()
}

/// The stored event as people see it.
async fn stored(db: &Database, id: &str) -> Value {
    let row: (i16, Vec<u8>) = sqlx::query_as("select codec, payload from events where event_id = $1::uuid")
        .bind(id)
        .fetch_one(&db.pool)
        .await
        .unwrap();
    engine::payload::view(&engine::payload::decode(row.0, &row.1).unwrap())
}

async fn events(db: &Database) -> i64 {
    sqlx::query_scalar("select count(*) from events").fetch_one(&db.pool).await.unwrap()
}
