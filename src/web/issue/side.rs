//! The column at the side of an issue: which tags its events have, why they are one issue, and what became of
//! its grouping by hand.

use std::collections::BTreeMap;

use engine::grouping::readable::readable;
use engine::grouping::similar;
use engine::ids::{IssueId, RegroupingId};
use serde_json::Value;
use store::events::{self, Event, StoredEvent};
use store::hashes::{self, IssueHash};
use store::issues::Issue;
use store::page::PAGE_ROWS_MAX;
use store::regroup::{self, Kind, Regrouping, State};
use time::OffsetDateTime;

use super::event::text;
use super::events::{tag_path, value_path};
use crate::web::Web;
use crate::web::display::cut;
use crate::web::error::PageError;

/// Tags on the page.
const TAGS_MAX: usize = 10;
/// Values of one tag.
const VALUES_MAX: usize = 4;
/// Keys that are explained, each with those that came with it.
const KEYS_MAX: usize = 12;
/// Similar issues that are shown.
const SUGGESTIONS_MAX: usize = 3;
/// Merges and splits that are shown.
const CHANGES_MAX: usize = 5;
/// Parts of one grouping key.
const PARTS_MAX: usize = 24;

/// One tag with its most frequent values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// Its key.
    pub key: String,
    /// Where all of its values are told.
    pub link: String,
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
    /// The events that have it.
    pub link: Option<String>,
}

/// The newest events, whose tags are told.
pub(super) async fn newest(web: &Web, issue: &Issue) -> Result<Vec<Event>, PageError> {
    Ok(events::newest_of_issue(&web.pool, (issue.project_id, issue.id), PAGE_ROWS_MAX).await?)
}

/// The tags of some events.
pub(super) fn tags(issue: &Issue, events: &[Event]) -> Vec<Tag> {
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
        let values = values.into_iter().take(VALUES_MAX).map(|(value, count)| TagValue {
            value: cut(value, 80),
            percent: share(count),
            link: value_path(issue, key, value),
        });
        Tag { key: cut(key, 60), link: tag_path(issue, key), values: values.collect() }
    };
    counts.into_iter().take(TAGS_MAX).map(tag).collect()
}

/// The keys that one event brought: its strongest, and those that were new with it. They are split off together, so
/// that events like it go with it.
#[derive(Debug)]
pub(super) struct WhyKeys {
    /// Their hashes, for the form.
    pub(super) hashes: Vec<String>,
    /// The first of them, explained.
    pub(super) first: Why,
    /// The names of the others.
    pub(super) others: Vec<String>,
    /// All of it in full, as the command line shows it.
    pub(super) text: String,
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
pub(super) async fn why(web: &Web, issue: &Issue) -> Result<Vec<WhyKeys>, PageError> {
    let hashes = hashes::list(&web.pool, issue.project_id, issue.id).await?;
    Ok(by_event(hashes))
}

/// Keys by the event that brought them, in the order in which the events came.
fn by_event(hashes: Vec<IssueHash>) -> Vec<WhyKeys> {
    let mut found: Vec<(String, Vec<IssueHash>)> = Vec::new();
    for hash in hashes {
        let came_with = hash.came_with.clone().unwrap_or_else(|| hash.hash.clone());
        let is_strongest = came_with == hash.hash;
        match found.iter_mut().find(|(known, _)| *known == came_with) {
            Some((_, keys)) if is_strongest => keys.insert(0, hash),
            Some((_, keys)) => keys.push(hash),
            None => found.push((came_with, vec![hash])),
        }
    }
    found.into_iter().take(KEYS_MAX).filter_map(|(_, keys)| together(keys)).collect()
}

/// Keys of one event, the strongest first.
fn together(keys: Vec<IssueHash>) -> Option<WhyKeys> {
    let first = keys.first()?;
    let mut explanation = first.explanation.clone();
    if let Some(fields) = explanation.as_object_mut() {
        fields.remove("key");
        let explained = keys.iter().filter_map(|key| key.explanation.get("key")).filter(|key| !key.is_null());
        fields.insert("keys".to_owned(), explained.cloned().collect());
    }
    Some(WhyKeys {
        first: explained(first.variant.clone(), &first.explanation),
        others: keys[1..].iter().map(|key| key.variant.clone()).collect(),
        text: readable(&explanation),
        hashes: keys.into_iter().map(|key| key.hash).collect(),
    })
}

fn explained(variant: String, explanation: &Value) -> Why {
    let key = explanation.get("key").unwrap_or(explanation);
    let parts = key.get("parts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let part = |part: &Value| (cut(text(part, "name"), 40), cut(text(part, "value"), 200));
    Why { variant, sentence: cut(text(key, "why"), 300), parts: parts.iter().take(PARTS_MAX).map(part).collect() }
}

/// A merge or a split that this issue was part of.
pub(super) struct ChangeRow {
    /// What happened, or is happening.
    pub(super) text: String,
    /// For the undo form; none when it cannot be undone (any more).
    pub(super) undo: Option<RegroupingId>,
    /// Events done and to do, while it runs.
    pub(super) progress: Option<(i64, i64)>,
    /// The issue that was split off, or that this one was split off.
    pub(super) other: Option<IssueId>,
    /// When it began.
    pub(super) at: OffsetDateTime,
}

/// The newest merges and splits of an issue.
pub(super) async fn changes(web: &Web, issue: &Issue) -> Result<Vec<ChangeRow>, PageError> {
    let found = regroup::of_issue(&web.pool, issue.project_id, issue.id, CHANGES_MAX).await?;
    Ok(found.iter().map(|change| change_row(change, issue.id)).collect())
}

fn change_row(change: &Regrouping, own: IssueId) -> ChangeRow {
    let what = match change.kind {
        Kind::Merge if change.undoes.is_some() => "A split was undone".to_owned(),
        Kind::Merge if change.issue_id == Some(own) => format!("{} merged into this one", issues(change.issues.len())),
        Kind::Merge => "Merged into another issue".to_owned(),
        Kind::Unmerge => "A merge was undone".to_owned(),
        Kind::Split if change.issue_id == Some(own) => "An issue was split off this one".to_owned(),
        Kind::Split => "Split off another issue".to_owned(),
        Kind::Regroup => "The project was regrouped".to_owned(),
        Kind::Restore => "A regrouping was undone".to_owned(),
    };
    let text = if change.state == State::Undone { format!("{what}, and undone") } else { what };
    let other = match change.kind {
        Kind::Split if change.issue_id == Some(own) => change.issues.first().copied(),
        Kind::Split => change.issue_id,
        _ => None,
    };
    ChangeRow {
        text,
        undo: change.is_undoable().then_some(change.id),
        progress: (change.state == State::Running).then_some((change.walked, change.total)),
        other,
        at: change.created_at,
    }
}

fn issues(count: usize) -> String {
    if count == 1 { "1 issue was".to_owned() } else { format!("{count} issues were") }
}

/// An issue that may be the same bug.
pub(super) struct Suggestion {
    pub(super) issue: Issue,
    /// In percent.
    pub(super) percent: u8,
    /// Why, in one sentence.
    pub(super) reason: String,
}

/// Issues so alike to this one, by its newest event, that they are worth a look.
pub(super) async fn suggestions(
    web: &Web,
    issue: &Issue,
    newest: Option<&StoredEvent>,
) -> Result<Vec<Suggestion>, PageError> {
    let found = store::similar::find_like(&web.pool, issue, newest, (similar::STRONG, SUGGESTIONS_MAX)).await?;
    Ok(found
        .into_iter()
        .map(|(issue, likeness)| Suggestion { issue, percent: likeness.percent(), reason: likeness.reason() })
        .collect())
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
