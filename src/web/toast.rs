//! The message at the foot of a page that says what just happened, with its undo.
//!
//! It travels in a cookie that lives for seconds, so that it works without script and is gone after
//! a reload. The cookie only says what was done to which issues; words are made here.

use actix_web::HttpRequest;
use engine::ids::{IssueId, RegroupingId};
use store::regroup::Regrouping;

use super::issues::actions::Change;

/// Name of the cookie.
pub(super) const COOKIE: &str = "toast";
/// Seconds that it may take to follow a redirect.
pub(super) const COOKIE_SECONDS: i64 = 10;
/// Issues that one undo covers; a cookie must stay under 4 kB.
const UNDO_ISSUES_MAX: usize = 200;

/// What just happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Toast {
    /// In words.
    pub text: String,
    /// The issues for the undo form; empty when there is none.
    pub undo: Vec<IssueId>,
    /// The change of the grouping that the undo form is about.
    pub regrouping: Option<RegroupingId>,
}

impl Toast {
    /// From the cookie of a request.
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        Self::read(request.cookie(COOKIE)?.value())
    }

    fn read(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("regrouping.") {
            return Self::read_regrouping(rest);
        }
        let mut parts = text.split('.');
        let change = Change::named(parts.next()?)?;
        let changed: usize = parts.next()?.parse().ok()?;
        let ids: Vec<IssueId> = parts.take(UNDO_ISSUES_MAX).filter_map(|id| id.parse().ok()).collect();
        let what = match changed {
            0 => "Nothing to change: already".to_owned(),
            1 => "1 issue".to_owned(),
            many => format!("{many} issues"),
        };
        let undo = if matches!(change, Change::Reopen | Change::Undo) || changed == 0 { Vec::new() } else { ids };
        Some(Self { text: format!("{what} {}", change.done()), undo, regrouping: None })
    }

    fn read_regrouping(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (kind, state, id) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
        let is_done = state == "done";
        let text = match (kind, is_done) {
            ("merge", true) => "Issues merged",
            ("merge", false) => "Issues are being merged",
            ("split", true) => "Split off as an issue of its own",
            ("split", false) => "An issue is being split off",
            ("regroup", true) => "Project regrouped",
            ("regroup", false) => "The project is being regrouped",
            (_, true) => "Undone",
            (_, false) => "It is being undone",
        };
        // A merge that undoes a split says so by having nothing to undo.
        let regrouping = (is_done && parts.next() == Some("undo")).then_some(id);
        Some(Self { text: text.to_owned(), undo: Vec::new(), regrouping })
    }

    /// The value of the cookie after a change of the grouping.
    pub(super) fn regrouping_cookie(change: &Regrouping) -> String {
        let undo = if change.is_undoable() && change.undoes.is_none() { ".undo" } else { "" };
        let kind = if change.undoes.is_some() { "undo" } else { change.kind.as_str() };
        format!("regrouping.{kind}.{}.{}{undo}", change.state.as_str(), change.id)
    }

    /// The value of the cookie.
    pub(super) fn cookie_value(change: Change, changed: &[IssueId]) -> String {
        let ids: Vec<String> = changed.iter().take(UNDO_ISSUES_MAX).map(IssueId::to_string).collect();
        let mut value = format!("{}.{}", change.name(), changed.len());
        for id in ids {
            value.push('.');
            value.push_str(&id);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_happened_and_how_to_undo_it() {
        let value = Toast::cookie_value(Change::Resolve, &[IssueId(7), IssueId(12)]);
        assert_eq!(value, "resolve.2.7.12");
        let toast = Toast::read(&value).unwrap();
        assert_eq!(toast.text, "2 issues resolved");
        assert_eq!(toast.undo, [IssueId(7), IssueId(12)]);
        assert_eq!(Toast::read("reopen.1.7").unwrap().undo, []);
        assert_eq!(Toast::read("resolve.0").unwrap().text, "Nothing to change: already resolved");
        assert_eq!(Toast::read("<script>"), None);
        let merged = Toast::read("regrouping.merge.done.7.undo").unwrap();
        assert_eq!((merged.text.as_str(), merged.regrouping), ("Issues merged", Some(RegroupingId(7))));
        assert_eq!(Toast::read("regrouping.undo.done.8").unwrap().regrouping, None);
        assert_eq!(Toast::read("regrouping.merge.running.8").unwrap().text, "Issues are being merged");
    }
}
