//! What is hidden takes the same work as what is not there: PostgreSQL counts the statements that each request causes. A
//! clock would tell less, and something else on each machine.

use std::collections::BTreeMap;

use engine::access::{Reach, Role, SCOPES};
use engine::ids::ProjectId;
use firefinch::api::endpoints;
use firefinch::web::{Needs, pages};
use sqlx::PgPool;

use super::tenants::{Hidden, MARK, open_with};
use crate::support::{Project, Reply, count_statements};

/// How often each statement was run in this database.
type Work = BTreeMap<String, i64>;

/// Each request is made so often: what the server does by itself meanwhile is not met by all of them.
const TIMES: usize = 3;

async fn work(pool: &PgPool) -> Work {
    let sql = "select query, sum(calls)::bigint from pg_stat_statements \
               where dbid = (select oid from pg_database where datname = current_database()) group by query";
    sqlx::query_as(sql).fetch_all(pool).await.unwrap().into_iter().collect()
}

/// What a request asks of the database, and its answer.
async fn asked(pool: &PgPool, mut request: impl AsyncFnMut() -> Reply) -> (Work, u16) {
    let (mut least, mut status) = (None::<Work>, 0);
    for _ in 0..TIMES {
        let before = work(pool).await;
        status = request().await.status;
        let mut done = work(pool).await;
        done.retain(|text, calls| {
            *calls -= before.get(text).copied().unwrap_or(0);
            *calls > 0 && !text.contains("pg_stat_statements")
        });
        least = Some(match least {
            None => done,
            Some(least) => least
                .into_iter()
                .filter_map(|(text, calls)| Some((text.clone(), calls.min(*done.get(&text)?))))
                .collect(),
        });
    }
    (least.unwrap_or_default(), status)
}

/// Ids and names of nothing, as long as those of what is hidden.
fn nothing(hidden: &Hidden) -> Hidden {
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    Hidden {
        project: Project {
            id: hidden.project.id + 900_000,
            slug: hidden.project.slug.clone(),
            public_key: reversed(&hidden.project.public_key),
        },
        issue: hidden.issue + 900_000,
        event: reversed(&hidden.event),
        rule: hidden.rule + 900_000,
        destination: hidden.destination + 900_000,
        regrouping: hidden.regrouping + 900_000,
        file: "00000000-0000-0000-0000-00000000000b",
    }
}

/// The paths to what is hidden, each beside one that leads nowhere.
fn pairs(hidden: &Hidden, path: &str) -> Vec<(String, String)> {
    let unnamed = |path: String| path.replace(MARK, "fault").replace(&MARK.to_uppercase(), "FAULT");
    hidden.paths(path).into_iter().zip(nothing(hidden).paths(path).into_iter().map(unnamed)).collect()
}

#[tokio::test]
async fn what_is_hidden_takes_the_work_of_what_is_not_there() {
    let (site, hidden) = open_with(count_statements).await;
    let pool = &site.server.db.pool;
    // A part of the packages of PostgreSQL; the cluster of the tests loads it.
    sqlx::query("create extension pg_stat_statements").execute(pool).await.unwrap();
    let mut guest = site.sign_in(Role::Guest).await;
    let reach = Reach::Projects(vec![ProjectId(site.project.id)]);
    let http = site.http.with_token(&site.server.db.token_for(&reach, &SCOPES.map(|(scope, _)| scope)).await);
    let named = pages().into_iter().filter(|page| page.method == "GET" && matches!(page.needs, Needs::Named(..)));
    let by_session = named.flat_map(|page| pairs(&hidden, page.path)).map(|pair| (true, pair));
    let endpoints = endpoints().into_iter().filter(|endpoint| endpoint.method.as_str() == "GET");
    let endpoints = endpoints.filter(|endpoint| {
        ["{project}", "{issue}", "{destination}", "{version}"].iter().any(|part| endpoint.path.contains(part))
    });
    let by_token = endpoints.flat_map(|endpoint| pairs(&hidden, &format!("/api/0{}", endpoint.path)));
    let (mut compared, mut told) = (0, Vec::new());
    for (is_page, (there, nowhere)) in by_session.chain(by_token.map(|pair| (false, pair))) {
        let mut get = async |path: &str| if is_page { guest.get(path).await } else { http.get(path).await };
        let of_hidden = asked(pool, async || get(&there).await).await;
        let of_nothing = asked(pool, async || get(&nowhere).await).await;
        assert_eq!(of_hidden.1, 404, "{there}");
        if of_hidden != of_nothing {
            told.push(format!("{there}: {of_hidden:#?}\n{nowhere}: {of_nothing:#?}"));
        }
        compared += 1;
    }
    assert!(told.is_empty(), "{} of {compared} tell what is there by their work:\n{}", told.len(), told.join("\n"));
    assert!(compared > 60, "only {compared} pairs");
}
