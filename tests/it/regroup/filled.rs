//! A project with many stored events, which is quick to make, and what must hold of it.

use std::collections::BTreeMap;

use engine::ids::ProjectId;
use sqlx::PgPool;
use time::OffsetDateTime;

use super::fixture::Shop;
use crate::support::recount::{assert_counters_agree, assert_no_rows};

/// How many events a test works on: `FIREFINCH_TEST_EVENTS`, or what makes it take seconds.
pub fn events_wanted(default: i64) -> i64 {
    std::env::var("FIREFINCH_TEST_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What the messages are about; of each thing there are two issues.
pub const WORDS: [&str; 10] =
    ["basket", "order", "mail", "cache", "login", "search", "stock", "price", "review", "label"];

/// Rules by which there is one issue of each thing.
pub fn rules() -> String {
    WORDS.map(|word| format!("message:\"{word} *\" -> {word}\n")).concat()
}

/// The texts of the messages.
pub fn texts() -> Vec<String> {
    let ways = |word: &str| ["lost", "broken"].map(|way| format!("{word} {way} at noon"));
    WORDS.iter().flat_map(|word| ways(word)).collect()
}

/// Twenty minutes ago, but today: maintenance keeps its hands off such events, and they are in one partition.
pub fn lately() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_time(time::Time::MIDNIGHT).max(now - time::Duration::minutes(20))
}

/// Stores so many events from `start` on, in four releases and two environments, by 5,003 users. One of each text goes the
/// real way; the database itself multiplies them and counts them once.
pub async fn fill(pool: &PgPool, project_id: ProjectId, start: OffsetDateTime, events: i64) -> Shop {
    let shop = Shop::of(pool, project_id, start);
    let texts = texts();
    shop.store_messages(&texts.iter().map(String::as_str).collect::<Vec<_>>(), 1).await;
    let copies = events / i64::try_from(texts.len()).unwrap() - 1;
    let every_us = 1_000_000 * 600 / copies.max(1);
    for sql in [
        format!(
            "insert into events (project_id, day, event_id, issue_id, received_at, occurred_at, level, platform, title,
                 culprit, release, environment, user_key, tags, codec, payload, hash)
             select project_id, day, gen_random_uuid(), issue_id, received_at + n * interval '{every_us} us', occurred_at,
                 level, platform, title, culprit, 'shop@' || (1 + n % 4), (array['production', 'staging'])[1 + n % 2],
                 'id:' || (n * 7 + issue_id) % 5003, tags, codec, payload, hash
             from events cross join generate_series(1, {copies}) as n"
        ),
        "truncate issue_counts, project_counts, environment_counts, release_counts, issue_users, outcomes".into(),
        // Maintenance would read their values.
        "insert into facet_days select distinct day from events".into(),
        "insert into issue_users select distinct project_id, issue_id, substring(sha256(convert_to(user_key, 'UTF8')) for 16)
         from events".into(),
        "insert into issue_counts select project_id, issue_id, span_s,
             floor(extract(epoch from received_at) / span_s)::bigint * span_s, count(*)
         from events cross join (values (60), (3600)) as spans (span_s) group by 1, 2, 3, 4".into(),
        "insert into project_counts select project_id, span_s,
             floor(extract(epoch from received_at) / span_s)::bigint * span_s, count(*)
         from events cross join (values (10), (60), (3600)) as spans (span_s) group by 1, 2, 3".into(),
        "insert into environment_counts select project_id, coalesce(environment, ''), span_s,
             floor(extract(epoch from received_at) / span_s)::bigint * span_s, count(*)
         from events cross join (values (10), (60), (3600)) as spans (span_s) group by 1, 2, 3, 4".into(),
        "insert into release_counts select project_id, coalesce(environment, ''),
             floor(extract(epoch from received_at) / 10)::bigint * 10, release, count(*), 0
         from events where release is not null group by 1, 2, 3, 4".into(),
        "insert into outcomes select project_id, floor(extract(epoch from min(received_at)) / 3600)::bigint * 3600, 'error',
             'accepted', '', count(*)
         from events group by 1".into(),
        "update issues i set events = n.n, last_seen = n.last,
             users = (select count(*) from issue_users u where u.issue_id = i.id), last_event_id = l.event_id,
             last_release = l.release
         from (select issue_id, count(*) as n, max(received_at) as last from events group by 1) n
         cross join lateral (
             select event_id, release from events e where e.issue_id = n.issue_id order by received_at desc, event_id desc limit 1
         ) l
         where n.issue_id = i.id".into(),
        "analyze".into(),
    ] {
        shop.run_sql(&sql).await;
    }
    shop
}

/// What people see of an issue; releases and environments with their events are what its facets are made of.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Figures {
    pub id: i64,
    pub status: String,
    pub events: i64,
    pub users: i64,
    pub stored: i64,
    pub first_seen: OffsetDateTime,
    pub last_seen: OffsetDateTime,
    pub last_release: Option<String>,
    pub facets: sqlx::types::Json<BTreeMap<String, i64>>,
    pub histogram: sqlx::types::Json<BTreeMap<String, i64>>,
}

/// The figures of every issue: what must be as it was after an undo.
pub async fn figures(pool: &PgPool) -> BTreeMap<i64, Figures> {
    let rows: Vec<Figures> = sqlx::query_as(
        "select i.id, i.status, i.events, i.users, i.first_seen, i.last_seen, i.last_release,
             (select count(*) from events e where e.issue_id = i.id) as stored,
             coalesce((select jsonb_object_agg(f.name, f.n) from (
                 select coalesce(release, '') || ' ' || coalesce(environment, '') as name, count(*) as n
                 from events e where e.issue_id = i.id group by 1) f), '{}') as facets,
             coalesce((select jsonb_object_agg(c.span_s || ' ' || c.bucket, c.events)
                 from issue_counts c where c.issue_id = i.id), '{}') as histogram
         from issues i where i.status <> 'merged'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    rows.into_iter().map(|figures| (figures.id, figures)).collect()
}

/// Every counter against the events, and every event where its key leads; also while events arrive.
pub async fn assert_exact(pool: &PgPool) {
    assert_counters_agree(pool).await;
    assert_no_rows(
        pool,
        "select e.event_id from events e join issue_hashes h on h.project_id = e.project_id and h.hash = e.hash
         where h.issue_id <> e.issue_id",
    )
    .await;
    assert_no_rows(
        pool,
        "select e.event_id from events e join issues i on i.id = e.issue_id where i.status = 'merged'",
    )
    .await;
}

/// What an issue says of its beginning and its end, where nothing arrives.
pub async fn assert_ends_agree(pool: &PgPool) {
    assert_no_rows(
        pool,
        "select i.id, i.first_seen, n.first, i.last_seen, n.last, i.last_release, l.release, i.last_event_id, l.event_id
         from issues i
         join (select issue_id, min(received_at) as first, max(received_at) as last from events group by 1) n
             on n.issue_id = i.id
         cross join lateral (
             select event_id, release from events e where e.issue_id = i.id order by received_at desc, event_id desc limit 1
         ) l
         where i.status <> 'merged'
             and (i.first_seen, i.last_seen, i.last_release, i.last_event_id)
                 is distinct from (n.first, n.last, l.release, l.event_id)",
    )
    .await;
}
