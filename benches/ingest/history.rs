//! A project with a past: issues in all states, with their keys, counters, users and activity, made set-wise. What the
//! product would have written, without the time that this would have taken; no event is stored.

use engine::event::Event;
use engine::grouping::{self, Rules};
use engine::issue::{Commit, Counts, Fix, Ignored, State, Terms, Threshold};
use engine::release::Name;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::bodies;
use crate::server::Server;

/// Releases, the newest first: the fix of every resolution that names one is in the first.
pub(crate) const RELEASES: [&str; 10] = [
    "shop@2.0.0",
    "shop@1.9.0",
    "shop@1.8.0",
    "shop@1.7.0",
    "shop@1.6.0",
    "shop@1.5.0",
    "shop@1.4.0",
    "shop@1.3.0",
    "shop@1.2.0",
    "shop@1.1.0",
];

/// Of so many issues in a row, the first are unresolved, then resolved ones follow, then ignored ones.
pub(crate) const ROW: usize = 20;
pub(crate) const UNRESOLVED: std::ops::Range<usize> = 0..9;
/// The first of them is resolved in general: any event reopens it.
pub(crate) const RESOLVED: std::ops::Range<usize> = 9..17;
pub(crate) const IGNORED: std::ops::Range<usize> = 17..20;

/// Rows that one statement inserts.
const CHUNK: usize = 5_000;

/// The state of the issue with this number, as a team leaves them behind in a year.
pub(crate) fn state(number: usize, now: OffsetDateTime) -> State {
    let (slot, row) = (number % ROW, number / ROW);
    let ignored = |terms: Terms| {
        let counts = terms.events.is_some() || terms.users.is_some();
        State::Ignored(Ignored {
            terms,
            from: if counts { Counts { events: 40, users: 1 } } else { Counts::default() },
        })
    };
    let threshold = |count, minutes| Some(Threshold { count, minutes });
    match slot {
        0 if row.is_multiple_of(10) => State::Escalating,
        1 if row.is_multiple_of(2) => State::New,
        2 => State::Regressed,
        slot if UNRESOLVED.contains(&slot) => State::Ongoing,
        9 => State::Resolved(Fix::Now),
        10..=14 => State::Resolved(Fix::In(RELEASES[0].to_owned())),
        15 => State::Resolved(Fix::After(RELEASES[0].to_owned())),
        16 => State::Resolved(Fix::Commit(Commit { id: format!("{number:040x}"), repository: None })),
        17 => ignored(Terms::until(row.is_multiple_of(2).then(|| now + Duration::days(30)))),
        18 => ignored(match row % 3 {
            0 => Terms { events: threshold(1_000, None), ..Terms::default() },
            // Enough came since it was ignored: what came within the time has to be looked at.
            1 => Terms { events: threshold(50, Some(60)), ..Terms::default() },
            _ => Terms { users: threshold(2, Some(60)), until_escalating: true, ..Terms::default() },
        }),
        _ => ignored(Terms { until_escalating: true, ..Terms::default() }),
    }
}

/// Nothing was ever done about any issue.
pub(crate) fn unresolved(_: usize, _: OffsetDateTime) -> State {
    State::Ongoing
}

/// A project with a past, and how many issues it has.
pub(crate) struct Past {
    pub(crate) project: (i64, String),
    pub(crate) issues: usize,
}

impl Past {
    /// Makes a project whose issue `number` owns the keys of `bodies::exception(number, …)`.
    pub(crate) async fn make(
        server: &Server,
        slug: &str,
        issues: usize,
        state: fn(usize, OffsetDateTime) -> State,
    ) -> Self {
        let project = server.create_project(slug);
        let now = OffsetDateTime::now_utc();
        insert_releases(&server.pool, project.0).await;
        let numbers: Vec<usize> = (0..issues).collect();
        for chunk in numbers.chunks(CHUNK) {
            let states: Vec<State> = chunk.iter().map(|number| state(*number, now)).collect();
            insert_issues(&server.pool, project.0, chunk, &states).await;
            insert_keys(&server.pool, project.0, chunk).await;
        }
        for sql in AFTERWARDS {
            sqlx::query(sql).bind(project.0).execute(&server.pool).await.unwrap();
        }
        Self { project, issues }
    }
}

async fn insert_releases(pool: &PgPool, project_id: i64) {
    let names: Vec<Name<'_>> = RELEASES.iter().map(|name| Name::parse(name)).collect();
    sqlx::query(
        "insert into releases (project_id, version, first_seen, last_seen, first_event_at, package, sort_key)
         select $1, version, now() - age * interval '9 days', now(), now() - age * interval '9 days', package, sort_key
         from unnest($2::text[], $3::text[], $4::bytea[]) with ordinality as n (version, package, sort_key, age)",
    )
    .bind(project_id)
    .bind(&RELEASES[..])
    .bind(names.iter().map(|name| name.package).collect::<Vec<_>>())
    .bind(names.iter().map(|name| name.sort_key()).collect::<Vec<_>>())
    .execute(pool)
    .await
    .unwrap();
}

/// Issue `number` has the number that follows. Its change of state was up to forty days ago.
async fn insert_issues(pool: &PgPool, project_id: i64, numbers: &[usize], states: &[State]) {
    let events: Vec<String> = numbers.iter().map(|number| bodies::exception(*number, "", RELEASES[1])).collect();
    let events: Vec<Event<'_>> = events.iter().map(|event| Event::from_json(event).unwrap()).collect();
    sqlx::query(
        "insert into issues (project_id, id, number, status, substatus, state_details, level, platform, type, value,
             title, culprit, location, handled, first_seen, last_seen, seen_slot, first_release, last_release,
             first_event_id, last_event_id, events, users, status_changed_at)
         select $1, nextval('issue_ids'), number + 1, status, substatus, details, 'error', 'python', type,
             'order failed', type || ': order failed', culprit, location, null, now() - interval '80 days',
             now() - (number % 40) * interval '1 day', floor(extract(epoch from now()) / 10)::bigint - (number % 40) * 8640,
             'shop@1.1.0', 'shop@1.9.0', gen_random_uuid(), gen_random_uuid(), 100, 2,
             now() - (number / 20 % 40) * interval '1 day' - interval '1 hour'
         from unnest($2::bigint[], $3::text[], $4::text[], $5::jsonb[], $6::text[], $7::text[], $8::text[])
             as n (number, status, substatus, details, type, culprit, location)",
    )
    .bind(project_id)
    .bind(numbers.iter().map(|number| *number as i64).collect::<Vec<_>>())
    .bind(states.iter().map(State::status).collect::<Vec<_>>())
    .bind(states.iter().map(State::substatus).collect::<Vec<_>>())
    .bind(states.iter().map(State::details).collect::<Vec<_>>())
    .bind(events.iter().map(engine::title::ty).collect::<Vec<_>>())
    .bind(events.iter().map(engine::title::culprit).collect::<Vec<_>>())
    .bind(events.iter().map(engine::title::location).collect::<Vec<_>>())
    .execute(pool)
    .await
    .unwrap();
}

async fn insert_keys(pool: &PgPool, project_id: i64, numbers: &[usize]) {
    let (mut owners, mut hashes, mut variants) = (Vec::new(), Vec::new(), Vec::new());
    for number in numbers {
        let event = bodies::exception(*number, "", RELEASES[1]);
        let event = Event::from_json(&event).unwrap();
        for key in grouping::group(&event, Rules::builtin()).keys.iter().filter(|key| key.owns) {
            owners.push(*number as i64 + 1);
            hashes.push(key.hash.to_vec());
            variants.push(key.variant);
        }
    }
    sqlx::query(
        "insert into issue_hashes (project_id, hash, issue_id, variant, explanation, created_at, came_with)
         select i.project_id, n.hash, i.id, n.variant, '{}', i.first_seen, n.hash
         from unnest($2::bigint[], $3::bytea[], $4::text[]) as n (number, hash, variant)
         join issues i on i.project_id = $1 and i.number = n.number
         order by n.hash
         on conflict do nothing",
    )
    .bind(project_id)
    .bind(owners)
    .bind(hashes)
    .bind(variants)
    .execute(pool)
    .await
    .unwrap();
}

/// What else stands beside issues. Most are quiet: five hours in ninety days. One in twenty has events in most hours of
/// the last two days, and in one minute of three of the last five hours.
const AFTERWARDS: [&str; 5] = [
    "insert into issue_numbers select $1, max(number) from issues where project_id = $1",
    "insert into issue_users
     select project_id, id, substr(sha256(convert_to(name || ((number - 1) % 97), 'utf8')), 1, 16)
     from issues, (values ('id:'), ('id:once-')) as users (name)
     where project_id = $1",
    "insert into issue_activity (project_id, issue_id, at, kind, reason, before)
     select project_id, id, first_seen, 'new', 'Seen for the first time in shop@1.1.0, production.', null::jsonb
     from issues where project_id = $1
     union all
     select project_id, id, status_changed_at, status, 'Changed by hand.', '{\"substatus\": \"ongoing\", \"details\": null}'::jsonb
     from issues where project_id = $1 and status <> 'unresolved'",
    "insert into issue_counts
     select project_id, id, 3600, floor(extract(epoch from now()) / 3600)::bigint * 3600 - 3600 * (1 + (id * 7 + n * 431) % 2100),
         1 + (id + n) % 40
     from issues, generate_series(1, 5) as n
     where project_id = $1
     order by project_id, id
     on conflict do nothing",
    "insert into issue_counts
     select project_id, id, span, floor(extract(epoch from now()) / span)::bigint * span - span * n, 1 + (id + n) % 6
     from issues, (select 3600, n from generate_series(1, 48) as n union all
         select 60, n from generate_series(1, 300, 3) as n) as spans (span, n)
     where project_id = $1 and number % 20 = 1
     on conflict do nothing",
];
