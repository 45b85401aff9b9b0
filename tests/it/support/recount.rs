//! Every counter that is kept beside the events, recounted from the stored rows.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;

/// No event is stored twice.
pub async fn assert_no_duplicates(pool: &PgPool) {
    let doubled = "select event_id::text, count(*) as times from events group by event_id having count(*) > 1";
    assert_no_rows(pool, doubled).await;
}

/// Every counter that is kept beside the events, recounted from them.
pub async fn assert_counters_agree(pool: &PgPool) {
    let recounts = [
        "select issues.id, issues.events, stored.n from issues
         full join (select issue_id, count(*) as n from events group by issue_id) as stored on stored.issue_id = issues.id
         where issues.events is distinct from coalesce(stored.n, 0)",
        "select issues.id, issues.users, seen.n from issues
         left join (select issue_id, count(*) as n from issue_users group by issue_id) as seen on seen.issue_id = issues.id
         where issues.users is distinct from coalesce(seen.n, 0)",
        "select kept.span_s, kept.bucket, kept.events, recount.n from issue_counts as kept
         full join (
             select issue_id, span_s, floor(extract(epoch from received_at) / span_s)::bigint * span_s as bucket, count(*) as n
             from events cross join (values (60), (3600)) as spans (span_s) group by 1, 2, 3
         ) as recount using (issue_id, span_s, bucket)
         where kept.events is distinct from recount.n",
        "select kept.span_s, kept.bucket, kept.events, recount.n from project_counts as kept
         full join (
             select project_id, span_s, floor(extract(epoch from received_at) / span_s)::bigint * span_s as bucket, count(*) as n
             from events cross join (values (10), (60), (3600)) as spans (span_s) group by 1, 2, 3
         ) as recount using (project_id, span_s, bucket)
         where kept.events is distinct from recount.n",
        "select kept.environment, kept.span_s, kept.bucket, kept.events, recount.n from environment_counts as kept
         full join (
             select project_id, coalesce(environment, '') as environment, span_s,
                 floor(extract(epoch from received_at) / span_s)::bigint * span_s as bucket, count(*) as n
             from events cross join (values (10), (60), (3600)) as spans (span_s) group by 1, 2, 3, 4
         ) as recount using (project_id, environment, span_s, bucket)
         where kept.events is distinct from recount.n",
        "select kept.environment, kept.version, kept.bucket, kept.events, recount.n from release_counts as kept
         full join (
             select project_id, coalesce(environment, '') as environment, release as version,
                 floor(extract(epoch from received_at) / 10)::bigint * 10 as bucket, count(*) as n
             from events where release is not null group by 1, 2, 3, 4
         ) as recount using (project_id, environment, version, bucket)
         where kept.events is distinct from recount.n",
        "select accepted.n, stored.n from
            (select coalesce(sum(quantity), 0)::bigint as n from outcomes where outcome = 'accepted' and category = 'error') as accepted,
            (select count(*) as n from events) as stored
         where accepted.n <> stored.n",
        // Every value that an event has, or the field where that has too many.
        "select had.issue_id, had.field, had.value from (
             select distinct project_id, issue_id, field, value from events
             cross join lateral (
                 select '.release', release union all select '.environment', environment union all select '.dist', dist
                 union all select '.transaction', transaction union all select '.server_name', server_name
                 union all select '.release.environment', release || chr(1) || environment
                 union all select '=' || (tag ->> 0), tag ->> 1 from jsonb_array_elements(tags) as tag
             ) as one (field, value)
             where value <> '' and day not in (select day from facet_days)
         ) as had
         where not exists (
             select from issue_facets as kept
             where kept.project_id = had.project_id and kept.issue_id = had.issue_id and kept.facet in (
                 ('x' || left(encode(sha256(convert_to(field || chr(1) || value, 'UTF8')), 'hex'), 16))::bit(64)::bigint,
                 ('x' || left(encode(sha256(convert_to(field, 'UTF8')), 'hex'), 16))::bit(64)::bigint
             )
         )",
        "select issues.id from issues where status <> 'merged'
             and not exists (select from issue_hashes where issue_hashes.issue_id = issues.id)",
    ];
    for recount in recounts {
        assert_no_rows(pool, recount).await;
    }
}

/// Runs a query for rows that should not be; shows the first ones.
pub async fn assert_no_rows(pool: &PgPool, query: &str) {
    let shown = format!("select to_jsonb(wrong)::text from ({query}) as wrong limit 5");
    let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(shown)).fetch_all(pool).await.unwrap();
    assert!(rows.is_empty(), "these disagree: {rows:#?}\n{query}");
}
