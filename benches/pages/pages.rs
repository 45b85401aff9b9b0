//! Which pages are asked for: of each kind many, over issues loud and quiet, searches that find much and little, and all ranges.

use crate::bodies;
use crate::server::Server;

/// Pages of one kind.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// What 95 of 100 should stay below.
    pub(crate) aim_ms: f64,
    pub(crate) paths: Vec<String>,
}

/// Issues of each loudness.
const ISSUES_EACH: i64 = 60;
/// Times that a page without a choice is asked for.
const TIMES: usize = 60;

pub(crate) async fn all(server: &Server) -> Vec<Kind> {
    let issues = issues(server).await;
    let paths = |kind: &dyn Fn(i64) -> String| issues.iter().map(|id| kind(*id)).collect::<Vec<_>>();
    let mut kinds = vec![
        Kind { name: "issue list", aim_ms: 25.0, paths: lists(server).await },
        Kind { name: "list, text and tag and release", aim_ms: 25.0, paths: text_tag_release() },
        Kind { name: "list, level and environment and user", aim_ms: 25.0, paths: level_environment_user() },
        Kind { name: "list, one filter", aim_ms: 25.0, paths: one_filter() },
        Kind { name: "list, other orders", aim_ms: 25.0, paths: orders() },
        Kind { name: "issue page", aim_ms: 40.0, paths: paths(&|id| format!("/issues/{id}")) },
        Kind { name: "issue page, 24 h", aim_ms: 40.0, paths: paths(&|id| format!("/issues/{id}?range=24h")) },
        Kind { name: "issue page, 90 days", aim_ms: 40.0, paths: paths(&|id| format!("/issues/{id}?range=90d")) },
        Kind {
            name: "issue page, split",
            aim_ms: 40.0,
            paths: paths(&|id| format!("/issues/{id}?range=30d&by=release")),
        },
        Kind { name: "oldest event", aim_ms: 40.0, paths: paths(&|id| format!("/issues/{id}/events/oldest")) },
        Kind { name: "events of an issue", aim_ms: 40.0, paths: paths(&|id| format!("/issues/{id}/events")) },
        Kind {
            name: "events with a tag",
            aim_ms: 40.0,
            paths: paths(&|id| format!("/issues/{id}/events?query=plan%3Agold")),
        },
        Kind { name: "values of a tag", aim_ms: 40.0, paths: paths(&|id| format!("/issues/{id}/tags/browser")) },
    ];
    for (name, path) in [
        ("live", "/live"),
        ("live, one project", "/live?project=shop&deploy=none"),
        ("a watched deploy", "/live?project=shop"),
        ("wall", "/wall"),
        ("releases", "/releases"),
        ("projects", "/projects"),
    ] {
        kinds.push(Kind { name, aim_ms: 50.0, paths: vec![path.to_owned(); TIMES] });
    }
    let releases = (0..40).map(|number| format!("/projects/shop/releases/shop%402.{number}.0")).collect();
    kinds.push(Kind { name: "a release", aim_ms: 50.0, paths: releases });
    kinds
}

/// The loudest, some in the middle, the quietest, and any.
async fn issues(server: &Server) -> Vec<i64> {
    let sql = "with ranked as (select id, row_number() over (order by events desc, id) as place, count(*) over () as n from issues)
         select id from ranked
         where place <= $1 or place between n / 100 and n / 100 + $1 or place > n - $1 or place % greatest(1, n / $1) = 0
         order by md5(id::text)";
    sqlx::query_scalar(sql).bind(ISSUES_EACH).fetch_all(&server.pool).await.unwrap()
}

fn search(query: &str, more: &str) -> String {
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    format!("/issues?query={query}{more}")
}

/// As it opens, of one project, over other ranges, and from the middle on.
async fn lists(server: &Server) -> Vec<String> {
    let mut paths = vec!["/issues".to_owned(); TIMES];
    for range in ["1h", "24h", "7d", "30d"] {
        for project in ["", "&project=shop", "&project=app", "&project=site"] {
            for query in
                ["is:unresolved", "is:new is:unresolved", "is:regressed is:unresolved", "is:resolved", "is:ignored", ""]
            {
                paths.push(search(query, &format!("&range={range}{project}")));
            }
        }
    }
    let sql = "select seen_slot, id from issues where status = 'unresolved' order by md5(id::text) limit 40";
    let places: Vec<(i64, i64)> = sqlx::query_as(sql).fetch_all(&server.pool).await.unwrap();
    for (slot, id) in places {
        paths.push(format!("/issues?after={slot}.{id}"));
        paths.push(format!("/issues?project=shop&before={slot}.{id}"));
    }
    paths
}

/// Words that every tenth issue has, a few have, one has, and none has.
fn words() -> Vec<String> {
    let mut words: Vec<String> = ["refused", "basket", "\"no such basket\"", "TypeError", "voucher", "nothinghasthis"]
        .into_iter()
        .map(str::to_owned)
        .collect();
    words.extend((0..14).map(|number| bodies::word(bodies::mix(number) as usize % 60_000)));
    words
}

fn text_tag_release() -> Vec<String> {
    let mut paths = Vec::new();
    for (index, word) in words().iter().enumerate() {
        for (tag, release) in [("plan:gold", 43), ("browser:\"Safari 19\"", 39), ("till:7", 38), ("customer:c77", 12)] {
            let project = if index % 2 == 0 { "&project=shop" } else { "" };
            paths.push(search(&format!("{word} {tag} release:shop@2.{}.0", release.min(39)), project));
        }
    }
    paths
}

fn level_environment_user() -> Vec<String> {
    let mut paths = Vec::new();
    for level in ["error", "fatal", "warning"] {
        for environment in ["production", "staging", "qa"] {
            for user in [1, 2, 5, 40, 400, 4_000, 49_000] {
                paths.push(search(
                    &format!("is:unresolved level:{level} environment:{environment} user:id:u{user}"),
                    "",
                ));
            }
        }
    }
    paths
}

fn one_filter() -> Vec<String> {
    let events = [
        "environment:qa",
        "release:shop@2.39.0",
        "release:shop@2.3.0",
        "user:id:u3",
        "user:id:u30001",
        "plan:gold",
        "customer:c4321",
        "server_name:web-3",
        "nosuchtag:x",
    ];
    let issues = [
        "level:fatal",
        "is:assigned",
        "is:unhandled",
        "timesSeen:>1000",
        "firstSeen:-24h",
        "users:>500",
        "assigned:person3@localhost.invalid",
    ];
    words()
        .iter()
        .map(String::as_str)
        .chain(events)
        .chain(issues)
        .flat_map(|query| [search(query, ""), search(query, "&project=shop&range=30d")])
        .collect()
}

fn orders() -> Vec<String> {
    let mut paths = Vec::new();
    for sort in ["new", "events", "users", "trend"] {
        for query in ["is:unresolved", "is:unresolved level:fatal", "basket plan:gold", ""] {
            for project in ["", "&project=shop", "&project=site"] {
                paths.push(search(query, &format!("&sort={sort}{project}")));
            }
        }
    }
    paths
}
