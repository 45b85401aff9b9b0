//! The column at the side of an issue: which tags its events have, and why they are one issue.

use std::collections::BTreeMap;

use serde_json::Value;
use store::events::{self, Event};
use store::hashes;
use store::issues::Issue;
use store::page::{PAGE_ROWS_MAX, Paging};

use super::event::text;
use crate::web::Web;
use crate::web::display::cut;
use crate::web::error::PageError;

/// Tags on the page.
const TAGS_MAX: usize = 10;
/// Values of one tag.
const VALUES_MAX: usize = 4;
/// Keys that are explained.
const KEYS_MAX: usize = 6;
/// Parts of one grouping key.
const PARTS_MAX: usize = 24;

/// One tag with its most frequent values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// Its key.
    pub key: String,
    /// The most frequent values first.
    pub values: Vec<TagValue>,
}

/// A value of a tag and its share.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TagValue {
    /// The value.
    pub value: String,
    /// In percent of the events that were looked at.
    pub percent: usize,
}

/// The tags of the newest events, and of how many.
pub(super) async fn tags(web: &Web, issue: &Issue) -> Result<(Vec<Tag>, usize), PageError> {
    let page = events::list_of_issue(&web.pool, issue.project_id, issue.id, Paging::first(PAGE_ROWS_MAX)).await?;
    Ok((breakdown(&page.rows), page.rows.len()))
}

fn breakdown(events: &[Event]) -> Vec<Tag> {
    let mut counts: BTreeMap<(u8, &str), BTreeMap<&str, usize>> = BTreeMap::new();
    let mut count = |order, key, value| *counts.entry((order, key)).or_default().entry(value).or_default() += 1;
    for event in events {
        let columns = [
            ("release", &event.release),
            ("environment", &event.environment),
            ("transaction", &event.transaction),
            ("server_name", &event.server_name),
        ];
        for (order, (key, value)) in (0..).zip(columns) {
            if let Some(value) = value {
                count(order, key, value.as_str());
            }
        }
        let own = event.tags.iter().filter(|(key, _)| !columns.iter().any(|(column, _)| column == key));
        own.for_each(|(key, value)| count(u8::MAX, key.as_str(), value.as_str()));
    }
    let tag = |((_, key), values): ((u8, &str), BTreeMap<&str, usize>)| {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let share = |count: usize| (count * 100).checked_div(events.len()).unwrap_or(0);
        let values = values.into_iter().take(VALUES_MAX);
        Tag {
            key: cut(key, 60),
            values: values.map(|(value, count)| TagValue { value: cut(value, 80), percent: share(count) }).collect(),
        }
    };
    counts.into_iter().take(TAGS_MAX).map(tag).collect()
}

/// One grouping key.
#[derive(Debug)]
pub(super) struct Why {
    /// Which rule of which version.
    pub(super) variant: String,
    /// Why events that share it belong together, in one sentence.
    pub(super) sentence: String,
    /// What went into it: the name of each part, and its text.
    pub(super) parts: Vec<(String, String)>,
}

/// The keys that lead to this issue, as the engine explained them when they were new.
pub(super) async fn why(web: &Web, issue: &Issue) -> Result<Vec<Why>, PageError> {
    let hashes = hashes::list(&web.pool, issue.project_id, issue.id).await?;
    // The first event brought the first keys; those of later events only show how far the issue reaches.
    Ok(hashes.into_iter().take(KEYS_MAX).map(|hash| explained(hash.variant, &hash.explanation)).collect())
}

fn explained(variant: String, explanation: &Value) -> Why {
    let key = explanation.get("key").unwrap_or(explanation);
    let parts = key.get("parts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let part = |part: &Value| (cut(text(part, "name"), 40), cut(text(part, "value"), 200));
    Why { variant, sentence: cut(text(key, "why"), 300), parts: parts.iter().take(PARTS_MAX).map(part).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn explanations_are_read_and_others_are_no_error() {
        let why = explained(
            "v1:app".into(),
            &json!({"key": {"why": "Same frames.", "parts": [{"name": "type", "value": "E"}, 7]}}),
        );
        assert_eq!(why.sentence, "Same frames.");
        assert_eq!(why.parts, [("type".into(), "E".into()), (String::new(), String::new())]);
        assert!(explained("x".into(), &json!([1])).parts.is_empty());
    }
}
