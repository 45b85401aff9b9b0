//! What the search box offers while somebody types: keys, and the values that lately came with them.

use actix_web::{HttpResponse, web};
use engine::facets;
use engine::ids::ProjectId;
use engine::query;
use serde_json::{Value, json};
use store::page::{PAGE_ROWS_MAX, Paging};
use store::people::users;
use store::{events, projects, releases};

use crate::web::Web;
use crate::web::error::PageError;
use crate::web::session::Viewer;

/// Projects whose newest events are looked at when none is chosen.
const PROJECTS_LOOKED_AT: i64 = 8;
/// Values of one key.
const VALUES_MAX: usize = 20;
/// People who can have issues.
const PEOPLE_MAX: i64 = 50;
/// Keys of tags.
const TAGS_MAX: usize = 60;

/// Keys of the language that are no tags, each with what it says and its values.
const KEYS: [(&str, &str, &[&str]); 9] = [
    (
        "is",
        "where it stands",
        &["unresolved", "new", "regressed", "escalating", "ongoing", "resolved", "ignored", "unhandled"],
    ),
    ("level", "how bad", &["fatal", "error", "warning", "info", "debug"]),
    ("firstSeen", "since when", &["-1h", "-24h", "-7d"]),
    ("lastSeen", "until when", &["-1h", "-24h", "+7d"]),
    ("timesSeen", "how many events", &[">10", ">100", ">1000"]),
    ("users", "how many people", &[">1", ">10", ">100"]),
    ("error.type", "class of the exception", &[]),
    ("firstRelease", "release that it began with", &[]),
    ("has", "files, feedback or a tag", &["attachment", "feedback"]),
];

/// What the address says.
#[derive(serde::Deserialize)]
pub(in crate::web) struct CompletionsAddress {
    project: Option<String>,
}

/// `GET /issues/completions`
pub(in crate::web) async fn get(
    web: web::Data<Web>,
    viewer: Viewer,
    address: web::Query<CompletionsAddress>,
) -> Result<HttpResponse, PageError> {
    let ids: Vec<ProjectId> = match address.project.as_deref().filter(|slug| !slug.is_empty()) {
        Some(slug) => vec![viewer.project(&web, slug).await?.id],
        None => {
            let seen = projects::list(&web.pool, &viewer.reach(), None, PROJECTS_LOOKED_AT).await?;
            seen.into_iter().map(|project| project.id).collect()
        }
    };
    let reach = match address.project.as_deref() {
        None | Some("") => viewer.reach(),
        Some(_) => viewer.reach().among(&ids),
    };
    let mut sample = Vec::new();
    let mut names = Vec::new();
    let mut connection = web.pool.acquire().await.map_err(store::StoreError::from)?;
    for id in ids {
        sample.extend(events::list_of_project(&web.pool, id, Paging::first(PAGE_ROWS_MAX)).await?.rows);
        names.extend(releases::recent(&mut connection, id, VALUES_MAX).await?);
    }
    let facts: Vec<_> = sample.iter().map(|event| (event.received_at, event.facts())).collect();
    let facets = facets::count(facts.iter().map(|(at, facts)| (*at, facts.as_slice())), VALUES_MAX);
    let mut keys: Vec<Value> = KEYS
        .iter()
        .map(|(key, note, values)| {
            let values = values.iter().map(|value| json!({"text": format!("{key}:{value}")}));
            json!({"key": key, "note": note, "values": values.collect::<Vec<_>>()})
        })
        .collect();
    let people = users::assignable(&web.pool, &reach, PEOPLE_MAX).await?;
    let people = people.into_iter().map(|user| json!({"text": format!("assigned:{}", user.email)}));
    let values = ["me", "none"].map(|value| json!({"text": format!("assigned:{value}")}));
    let values: Vec<Value> = values.into_iter().chain(people).collect();
    keys.push(json!({"key": "assigned", "note": "who has it", "values": values}));
    for facet in facets.iter().filter(|facet| facet.key != "level").take(TAGS_MAX) {
        let mut values: Vec<Value> = facet
            .top
            .iter()
            .filter_map(|value| Some(json!({"text": query::term(&facet.key, &value.value)?, "count": value.events})))
            .collect();
        if facet.key == "release" {
            names.retain(|name| !facet.top.iter().any(|value| value.value == *name));
            values.extend(
                names.iter().take(VALUES_MAX).filter_map(|name| Some(json!({"text": query::term("release", name)?}))),
            );
        }
        if !values.is_empty() {
            keys.push(json!({"key": facet.key, "note": format!("{} in {} events", facet.values, facet.events), "values": values}));
        }
    }
    Ok(HttpResponse::Ok().json(json!({"events": sample.len(), "keys": keys})))
}
