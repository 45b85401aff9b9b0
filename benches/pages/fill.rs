//! Ten million events as months of use would leave them.
//!
//! One event of each issue goes through the real ingest, so that every row and column is there that ingest writes. Those
//! rows are then copied day by day with another id, time, release, environment, user and tags, and everything that counts
//! is counted again from the stored events, over the times for which counters are kept. `check` holds the result against the
//! events.
//!
//! The share of an issue falls with its rank: the loudest of 100,000 has six events of a hundred, half of them fewer than a
//! score. Users are spread alike.

use std::time::Instant;

use sqlx::AssertSqlSafe;
use store::{facets, partitions};
use time::{Date, Duration, OffsetDateTime};

use crate::bodies;
use crate::load;
use crate::server::Server;

/// Days with events, up to today: what is kept where nobody says otherwise.
const DAYS: i64 = 89;
/// Releases of each project, one every two days or so.
const RELEASES: usize = 40;
/// Connections that make the first event of each issue.
const CONNECTIONS: usize = 64;
/// Requests that are made before they are sent.
const REQUESTS: usize = 20_000;
/// Deploys of each project.
const DEPLOYS: i64 = 6;

/// Projects and how many issues in a hundred are theirs.
pub(crate) const PROJECTS: [(&str, usize); 3] = [("shop", 80), ("app", 15), ("site", 5)];
const TYPES: [&str; 12] = [
    "TypeError",
    "ValueError",
    "ConnectionError",
    "TimeoutError",
    "CheckoutError",
    "KeyError",
    "PaymentRefused",
    "IntegrityError",
    "PermissionDenied",
    "DecodeError",
    "ZeroDivisionError",
    "StockError",
];
const VALUES: [&str; 10] = [
    "cannot read 'total' of undefined",
    "charge refused by the bank",
    "gateway did not answer in time",
    "no such basket",
    "stock is negative",
    "duplicate key value violates a constraint",
    "permission denied for the voucher",
    "unexpected end of input",
    "the session has ended",
    "division by zero in the rebate",
];
const PLACES: [&str; 8] = ["till", "basket", "voucher", "stock", "mail", "search", "account", "report"];

/// How much, and for how long counters are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) events: usize,
    pub(crate) issues: usize,
    /// Counters of all widths for all days, so that all of them can be counted again.
    pub(crate) keeps_all: bool,
}

/// Fills the database of a server that has no event yet.
pub(crate) async fn fill(server: &Server, size: Size) {
    let began = Instant::now();
    let projects: Vec<(i64, String)> = PROJECTS.iter().map(|(slug, _)| server.create_project(slug)).collect();
    first_events(server, &projects, size.issues).await;
    println!("one event of each of {} issues, by ingest: {:.0?}", size.issues, began.elapsed());
    server.execute("alter system set max_wal_size = '8GB'").await;
    server.execute("select pg_reload_conf()").await;
    for statement in SEEDS {
        server.execute(statement).await;
    }
    let now = OffsetDateTime::now_utc();
    let days: Vec<Date> = (0..DAYS).rev().map(|ago| now.date() - Duration::days(ago)).collect();
    partitions::ensure(&mut server.pool.acquire().await.unwrap(), &days).await.unwrap();
    // Two at a time, one for each core.
    let (even, odd): (Vec<_>, Vec<_>) = days.iter().enumerate().partition(|(index, _)| index % 2 == 0);
    tokio::join!(copy_days(server, size, &even, now), copy_days(server, size, &odd, now));
    println!("events and their counters: {:.0?}", began.elapsed());
    server.execute("insert into facet_days select distinct day from events").await;
    tokio::join!(fill_facets(server), fill_facets(server));
    println!("values of each issue: {:.0?}", began.elapsed());
    for statement in AFTERWARDS {
        let started = Instant::now();
        server.execute(statement).await;
        if started.elapsed().as_secs() > 10 {
            println!("  {:.0?}: {:.60}", started.elapsed(), statement.trim());
        }
    }
    println!("issues, users, releases: {:.0?}", began.elapsed());
}

/// As maintenance does after an upgrade.
async fn fill_facets(server: &Server) {
    let mut connection = server.pool.acquire().await.unwrap();
    for setting in ["set synchronous_commit = off", "set work_mem = '256MB'"] {
        sqlx::query(AssertSqlSafe(setting)).execute(&mut *connection).await.unwrap();
    }
    facets::fill(&mut connection, usize::MAX).await.unwrap();
    for setting in ["reset synchronous_commit", "reset work_mem"] {
        sqlx::query(AssertSqlSafe(setting)).execute(&mut *connection).await.unwrap();
    }
}

/// The project of an issue: the first ones of a hundred are of the first project.
fn project_of(issue: usize) -> usize {
    let place = bodies::mix(issue as u64) as usize % 100;
    let ends = PROJECTS.iter().scan(0, |end, (_, share)| {
        *end += share;
        Some(*end)
    });
    ends.into_iter().position(|end| place < end).unwrap_or(0)
}

async fn first_events(server: &Server, projects: &[(i64, String)], issues: usize) {
    for from in (0..issues).step_by(REQUESTS) {
        let until = issues.min(from + REQUESTS);
        let requests = (from..until).map(|issue| {
            let (id, key) = &projects[project_of(issue)];
            let event_id = format!("{:016x}{:016x}", bodies::mix(issue as u64), bodies::mix(!(issue as u64)));
            let event = event(issue, &event_id, "u0");
            bodies::envelope(server.address, (*id, key), &event_id, &event)
        });
        let report = load::post(server.address, requests.collect(), CONNECTIONS).await;
        assert_eq!(report.acknowledged, until - from, "{:?}", report.first_refusal);
    }
}

/// An event of an issue, as a client would send it.
pub(crate) fn event(issue: usize, id: &str, user: &str) -> String {
    let chance = bodies::mix(issue as u64);
    let pick = |shift: u32, of: usize| (chance >> shift) as usize % of;
    let place = PLACES[pick(3, PLACES.len())];
    let word = bodies::word(issue);
    let frames: Vec<String> = (0..14)
        .map(|depth| {
            let (module, name, in_app) = match depth {
                0..6 => (format!("framework/handler_{depth}.py"), format!("handle_{depth}"), false),
                13 => (format!("shop/{place}.py"), format!("charge_{word}"), true),
                _ => (format!("shop/{place}/part_{depth}.py"), format!("{place}_step_{depth}"), true),
            };
            format!(
                r#"{{"function":"{name}","module":"{}","filename":"{module}","abs_path":"/srv/{module}","lineno":{},"in_app":{in_app},"pre_context":["    order = self.load(number)","    if order is None:"],"context_line":"        return call(order, {depth})","post_context":["","    return order.total"]}}"#,
                module.trim_end_matches(".py").replace('/', "."),
                depth * 7 + pick(9, 300),
            )
        })
        .collect();
    let level =
        ["error", "error", "error", "error", "error", "error", "error", "fatal", "warning", "info"][pick(5, 10)];
    let slug = PROJECTS[project_of(issue)].0;
    format!(
        r#"{{"event_id":"{id}","platform":"python","level":"{level}","server_name":"web-0","transaction":"/{place}/{{id}}/pay","release":"{slug}@2.{}.0","environment":"{}","user":{{"id":"{user}"}},"tags":{{"browser":"Firefox 140","plan":"gold","till":"7","customer":"c1"}},"request":{{"url":"https://shop.example/{place}/17/pay","method":"POST","headers":{{"User-Agent":"Mozilla/5.0"}}}},"contexts":{{"runtime":{{"name":"CPython","version":"3.13.1"}},"os":{{"name":"Linux","version":"6.1"}}}},"sdk":{{"name":"sentry.python","version":"2.20.0"}},"exception":{{"values":[{{"type":"{}","value":"{}, case {word}","mechanism":{{"type":"django","handled":{}}},"stacktrace":{{"frames":[{}]}}}}]}}}}"#,
        issue % RELEASES,
        ["production", "staging", "qa"][issue % 3],
        TYPES[pick(13, TYPES.len())],
        VALUES[pick(17, VALUES.len())],
        issue.is_multiple_of(2),
        frames.join(",")
    )
}

async fn copy_days(server: &Server, size: Size, days: &[(usize, &Date)], now: OffsetDateTime) {
    let mut connection = server.pool.acquire().await.unwrap();
    sqlx::query(AssertSqlSafe("set synchronous_commit = off")).execute(&mut *connection).await.unwrap();
    sqlx::query(AssertSqlSafe("set work_mem = '256MB'")).execute(&mut *connection).await.unwrap();
    sqlx::query(AssertSqlSafe("select setseed(0.5)")).execute(&mut *connection).await.unwrap();
    for (index, day) in days {
        let count = DAYS as usize;
        let rows = size.events * (index + 1) / count - size.events * index / count;
        let seconds = (now - day.midnight().assume_utc()).whole_seconds().clamp(1, 86_400);
        let statements = [copy_day(**day, *index, rows, seconds, size.issues), figures_of_day(**day)];
        for statement in statements.into_iter().chain(counts_of_day(**day, now, size.keeps_all)) {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await.unwrap();
        }
    }
    for setting in ["synchronous_commit", "work_mem"] {
        sqlx::query(AssertSqlSafe(format!("reset {setting}"))).execute(&mut *connection).await.unwrap();
    }
}

/// The first event of each issue, as ingest stored it, with a rank; the events themselves go. Their facets stay: the server
/// remembers which it wrote.
const SEEDS: [&str; 4] = [
    "create unlogged table seeds as
     select (row_number() over (order by md5(event_id::text)))::integer as rank, e.* from events e",
    "alter table seeds add primary key (rank)",
    "create unlogged table figures (issue_id bigint, project_id bigint, events bigint,
         first_at timestamptz, first_id uuid, first_release text, last_at timestamptz, last_id uuid, last_release text)",
    "truncate events, issue_counts, project_counts, environment_counts, release_counts, issue_users, outcomes",
];

/// The events of a day in the order in which they arrived. Each issue has one at least on some day.
fn copy_day(day: Date, index: usize, rows: usize, seconds: i64, issues: usize) -> String {
    format!(
        "insert into events (project_id, day, event_id, issue_id, received_at, occurred_at, level, platform, title, culprit,
             release, environment, dist, transaction, server_name, trace_id, user_key, client_ip, tags, codec, payload, hash)
         select s.project_id, '{day}', gen_random_uuid(), s.issue_id, n.at, n.at - interval '90 milliseconds', s.level,
             s.platform, s.title, s.culprit, split_part(s.release, '@', 1) || '@2.' ||
                 greatest(0, {newest} - case when n.c < 0.9 then 0 else floor((n.c - 0.9) * 60)::integer end) || '.0',
             case when n.b < 0.7 then 'production' when n.b < 0.9 then 'staging' else 'qa' end,
             s.dist, s.transaction, 'web-' || floor(n.b * 97)::integer % 12, s.trace_id,
             'id:u' || floor(power(50000, n.u))::integer, s.client_ip,
             jsonb_build_array(
                 jsonb_build_array('browser', (array['Firefox 140', 'Chrome 139', 'Chrome 138', 'Safari 19', 'Edge 139'])[1 + floor(n.c * 1000)::integer % 5]),
                 jsonb_build_array('plan', (array['free', 'free', 'silver', 'gold'])[1 + floor(n.b * 1000)::integer % 4]),
                 jsonb_build_array('till', (1 + floor(n.u * 1000)::integer % 40)::text),
                 jsonb_build_array('customer', 'c' || floor(power(5000, n.b))::integer)),
             s.codec, s.payload, s.hash
         from (
             select case when row <= {own} then (row - 1) * {days} + {index} + 1
                     else 1 + least({issues} - 1, floor(power({issues}, random()) - 1)::integer) end as rank,
                 timestamptz '{day} 00:00:00+00' + random() * {seconds} * interval '1 second' as at,
                 random() as b, random() as c, random() as u
             from generate_series(1, {rows}) as row
             offset 0
         ) n
         join seeds s on s.rank = n.rank
         order by n.at",
        newest = index * RELEASES / DAYS as usize,
        days = DAYS,
        own = (issues.saturating_sub(index)).div_ceil(DAYS as usize).min(rows),
    )
}

/// What the day adds to the figures of its issues.
fn figures_of_day(day: Date) -> String {
    format!(
        "insert into figures
         select issue_id, n.project_id, n.events, f.received_at, f.event_id, f.release, l.received_at, l.event_id, l.release
         from (select issue_id, min(project_id) as project_id, count(*) as events from events where day = '{day}' group by 1) n
         join (select distinct on (issue_id) issue_id, received_at, event_id, release from events where day = '{day}'
             order by issue_id, received_at, event_id) f using (issue_id)
         join (select distinct on (issue_id) issue_id, received_at, event_id, release from events where day = '{day}'
             order by issue_id, received_at desc, event_id desc) l using (issue_id)"
    )
}

/// What the day adds to the counters, as far back as each is kept.
fn counts_of_day(day: Date, now: OffsetDateTime, keeps_all: bool) -> Vec<String> {
    let age = now - day.midnight().assume_utc();
    let mut statements = Vec::new();
    for (span, kept) in [(10, Duration::hours(2)), (60, Duration::hours(48)), (3_600, Duration::days(90))] {
        if !keeps_all && age - Duration::DAY > kept {
            continue;
        }
        let oldest = if keeps_all { 0 } else { (now - kept).unix_timestamp() };
        let counted = |table: &str, key: &str| {
            format!(
                "insert into {table} select {key}, {span}, bucket, count(*)
                 from (select *, floor(extract(epoch from received_at) / {span})::bigint * {span} as bucket from events where day = '{day}') e
                 where bucket >= {oldest} group by {key}, bucket order by {key}, bucket
                 on conflict do nothing"
            )
        };
        if span > 10 {
            statements
                .push(counted("issue_counts (project_id, issue_id, span_s, bucket, events)", "project_id, issue_id"));
        } else {
            statements.push(format!(
                "insert into release_counts (project_id, environment, bucket, version, events, fresh)
                 select project_id, environment, bucket, release, count(*), 0
                 from (select *, floor(extract(epoch from received_at) / 10)::bigint * 10 as bucket from events where day = '{day}') e
                 where bucket >= {oldest} group by 1, 2, 3, 4 order by 1, 2, 3, 4"
            ));
        }
        statements.push(counted("project_counts (project_id, span_s, bucket, events)", "project_id"));
        statements.push(counted(
            "environment_counts (project_id, environment, span_s, bucket, events)",
            "project_id, environment",
        ));
    }
    statements.push(format!(
        "insert into outcomes (project_id, bucket, category, outcome, reason, quantity)
         select project_id, floor(extract(epoch from received_at) / 3600)::bigint * 3600, 'error', 'accepted', '', count(*)
         from events where day = '{day}' group by 1, 2 order by 1, 2"
    ));
    statements
}

/// What is told of issues and releases, of all days together. Seven issues of ten are open.
const AFTERWARDS: [&str; 14] = [
    "insert into issue_users
     select project_id, issue_id, substr(sha256(convert_to(user_key, 'utf8')), 1, 16)
     from events where user_key is not null
     group by project_id, issue_id, user_key
     order by project_id, issue_id",
    "update issues i
     set events = f.events, first_seen = f.first_at, last_seen = f.last_at, first_event_id = f.first_id, last_event_id = f.last_id,
         first_release = f.first_release, last_release = f.last_release,
         seen_slot = floor(extract(epoch from f.last_at) / 10)::bigint, status_changed_at = f.first_at,
         users = (select count(*) from issue_users u where u.project_id = i.project_id and u.issue_id = i.id)
     from (
         select issue_id, project_id, sum(events)::bigint as events, min(first_at) as first_at, max(last_at) as last_at,
             (array_agg(first_id order by first_at))[1] as first_id, (array_agg(last_id order by last_at desc))[1] as last_id,
             (array_agg(first_release order by first_at))[1] as first_release,
             (array_agg(last_release order by last_at desc))[1] as last_release
         from figures group by issue_id, project_id
     ) f
     where i.project_id = f.project_id and i.id = f.issue_id",
    "update issue_activity a
     set at = i.first_seen, release = i.first_release, event_id = i.first_event_id
     from issues i where i.project_id = a.project_id and i.id = a.issue_id",
    "update issue_hashes h set created_at = i.first_seen from issues i where i.project_id = h.project_id and i.id = h.issue_id",
    "update signals s set created_at = i.first_seen, event_id = i.first_event_id from issues i where i.id = s.issue_id",
    "update release_counts c set fresh = counted.fresh
     from (
         select e.project_id, e.environment, e.release, floor(extract(epoch from e.received_at) / 10)::bigint * 10 as bucket, count(*) as fresh
         from events e join issues i on i.project_id = e.project_id and i.id = e.issue_id and i.first_release = e.release
         where e.day >= current_date - 1
         group by 1, 2, 3, 4
     ) counted
     where c.project_id = counted.project_id and c.environment = counted.environment and c.version = counted.release
         and c.bucket = counted.bucket",
    // Those of releases that no event names in the end stay without events.
    "update releases r
     set first_seen = e.first_seen, last_seen = e.last_seen, first_event_at = e.first_seen
     from (select project_id, release, min(received_at) as first_seen, max(received_at) as last_seen from events group by 1, 2) e
     where r.project_id = e.project_id and r.version = e.release",
    "update environments n
     set first_seen = e.first_seen, last_seen = e.last_seen, counted_since = e.first_seen
     from (select project_id, environment, min(received_at) as first_seen, max(received_at) as last_seen from events group by 1, 2) e
     where n.project_id = e.project_id and n.name = e.environment",
    "update issues
     set status = case when number % 20 < 15 then 'unresolved' when number % 20 < 18 then 'resolved' else 'ignored' end,
         substatus = case
             when number % 20 between 15 and 17 then 'resolved'
             when number % 20 > 17 then 'ignored'
             when number % 400 = 1 then 'escalating'
             when number % 40 = 2 then 'regressed'
             when first_seen > now() - interval '7 days' then 'new'
             else 'ongoing' end,
         status_changed_at = case when number % 20 >= 15 or number % 40 = 2 then greatest(first_seen, last_seen - interval '1 hour') else first_seen end",
    "insert into issue_activity (project_id, issue_id, at, kind, reason, before)
     select project_id, id, status_changed_at, substatus, 'Changed by hand.', '{\"substatus\": \"ongoing\", \"details\": null}'::jsonb
     from issues where substatus in ('resolved', 'ignored', 'regressed')",
    "insert into users (email, role, created_at)
     select 'person' || n || '@localhost.invalid', 'member', now() from generate_series(1, 20) n",
    "update issues i
     set assigned_user_id = u.id
     from (select id, row_number() over (order by id) as n from users) u
     where i.number % 20 = 3 and u.n = 1 + i.number / 20 % 20",
    "drop table seeds, figures",
    "vacuum full issues, issue_activity, issue_hashes, signals, release_counts",
];

/// Deploys of the newest releases, the last one of each project minutes old.
pub(crate) async fn deploy(server: &Server) {
    for (slug, _) in PROJECTS {
        sqlx::query(
            "insert into deploys (project_id, id, version, environment, started_at, finished_at, state, state_at, created_at)
             select r.project_id, nextval('deploy_ids'), r.version, 'production', d.at, d.at, 'finished', d.at, d.at
             from (select *, row_number() over (order by first_seen desc, version desc) as n from releases
                 where project_id = (select id from projects where slug = $1) and first_event_at is not null) r
             cross join lateral (select case when r.n = 1 then now() - interval '20 minutes' else r.first_seen end as at) d
             where r.n <= $2
             order by d.at",
        )
        .bind(slug)
        .bind(DEPLOYS)
        .execute(&server.pool)
        .await
        .unwrap();
    }
}

/// Events of the last minutes, by ingest: issues and users as they fall, one issue in a thousand a new one.
pub(crate) async fn freshen(server: &Server, events: usize, issues: usize) {
    let keys: Vec<(String, i64, String)> = sqlx::query_as(
        "select p.slug, p.id, (select min(k.public_key) from project_keys k where k.project_id = p.id) from projects p",
    )
    .fetch_all(&server.pool)
    .await
    .unwrap();
    let series = OffsetDateTime::now_utc().unix_timestamp() as u64 * 1_000_000;
    let requests = (0..events).map(|number| {
        let chance = bodies::mix(series + number as u64);
        let issue =
            if number % 1_000 == 999 { issues + (chance % 100_000_000) as usize } else { ranked(chance, issues) };
        let (_, id, key) = keys.iter().find(|(slug, ..)| slug == PROJECTS[project_of(issue)].0).unwrap();
        let event_id = format!("{chance:016x}{:016x}", bodies::mix(!chance));
        let event = event(issue, &event_id, &format!("u{}", ranked(!chance, 50_000)));
        bodies::envelope(server.address, (*id, key), &event_id, &event)
    });
    let report = load::post(server.address, requests.collect(), CONNECTIONS).await;
    assert_eq!(report.refused, 0, "{:?}", report.first_refusal);
}

/// A rank below `of`, the first the most likely: the logarithm of the rank is even.
fn ranked(chance: u64, of: usize) -> usize {
    let even = (chance >> 11) as f64 / (1_u64 << 53) as f64;
    ((of as f64).powf(even) as usize).saturating_sub(1).min(of - 1)
}
