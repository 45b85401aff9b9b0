//! The message at the foot of a page that says what just happened, with its undo.
//!
//! It travels in a cookie that lives for seconds, so that it works without script and is gone after
//! a reload. The cookie only says what was done to which issues; words are made here.

use actix_web::HttpRequest;
use engine::ids::{DestinationId, IssueId, RegroupingId};
use store::regroup::Regrouping;
use time::OffsetDateTime;

use super::issues::actions::Done;

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
    /// The wish of that form.
    pub wish: String,
    /// The change of the grouping that the undo form is about.
    pub regrouping: Option<RegroupingId>,
    /// The destination that the undo form is about.
    pub destination: Option<DestinationId>,
    /// The alert rule that the undo form is about.
    pub rule: Option<i64>,
}

/// What was done to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Made,
    Saved,
    On,
    Off,
    Deleted,
    Back,
}

impl Change {
    const ALL: [Self; 6] = [Self::Made, Self::Saved, Self::On, Self::Off, Self::Deleted, Self::Back];

    const fn code(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Saved => "saved",
            Self::On => "on",
            Self::Off => "off",
            Self::Deleted => "deleted",
            Self::Back => "back",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Made => "Destination made: send it a test",
            Self::Saved => "Saved",
            Self::On => "Destination started",
            Self::Off => "Destination stopped",
            Self::Deleted => "Destination deleted",
            Self::Back => "Undone",
        }
    }
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
        if let Some(rest) = text.strip_prefix("destination.") {
            return Self::read_destination(rest);
        }
        if let Some(rest) = text.strip_prefix("rule.") {
            return Self::read_rule(rest);
        }
        let mut parts = text.split('.');
        let done = Done::named(parts.next()?)?;
        let changed: usize = parts.next()?.parse().ok()?;
        let micros: i64 = parts.next()?.parse().ok()?;
        let ids: Vec<IssueId> = parts.take(UNDO_ISSUES_MAX).filter_map(|id| id.parse().ok()).collect();
        let text = match (changed, done) {
            (0, Done::Undone) => "Nothing to undo: changed again since".to_owned(),
            (0, _) => format!("Nothing to change: already {}", done.words()),
            (1, _) => format!("1 issue {}", done.words()),
            (many, _) => format!("{many} issues {}", done.words()),
        };
        let undo = if done.is_undoable() && changed > 0 { ids } else { Vec::new() };
        Some(Self { text, undo, wish: format!("undo-all:{micros}"), regrouping: None, destination: None, rule: None })
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
        Some(Self {
            text: text.to_owned(),
            undo: Vec::new(),
            wish: String::new(),
            regrouping,
            destination: None,
            rule: None,
        })
    }

    fn read_destination(text: &str) -> Option<Self> {
        let (code, id) = text.split_once('.')?;
        let change = Change::ALL.into_iter().find(|change| change.code() == code)?;
        let destination = matches!(change, Change::Off | Change::Deleted).then(|| id.parse().ok()).flatten();
        let text = change.words().to_owned();
        Some(Self { text, undo: Vec::new(), wish: String::new(), regrouping: None, destination, rule: None })
    }

    /// The value of the cookie after a change of a destination.
    pub(super) fn alert_cookie(change: Change, id: DestinationId) -> String {
        format!("destination.{}.{id}", change.code())
    }

    fn read_rule(text: &str) -> Option<Self> {
        let (done, id) = text.split_once('.')?;
        let (text, wish) = match done {
            "enable" => ("Rule switched on", "disable"),
            "disable" => ("Rule switched off", "enable"),
            "delete" => ("Rule deleted", "restore"),
            "restore" => ("The rule is back", "delete"),
            _ => return None,
        };
        let rule = Some(id.parse().ok()?);
        Some(Self {
            text: text.to_owned(),
            undo: Vec::new(),
            wish: wish.to_owned(),
            regrouping: None,
            destination: None,
            rule,
        })
    }

    /// The value of the cookie after a change of an alert rule.
    pub(super) fn rule_cookie(done: &str, id: i64) -> String {
        format!("rule.{done}.{id}")
    }

    /// The value of the cookie after a change of the grouping.
    pub(super) fn regrouping_cookie(change: &Regrouping) -> String {
        let undo = if change.is_undoable() && change.undoes.is_none() { ".undo" } else { "" };
        let kind = if change.undoes.is_some() { "undo" } else { change.kind.as_str() };
        format!("regrouping.{kind}.{}.{}{undo}", change.state.as_str(), change.id)
    }

    /// The value of the cookie.
    pub(super) fn cookie_value(done: Done, at: OffsetDateTime, changed: &[IssueId]) -> String {
        // As PostgreSQL keeps times: in whole microseconds.
        let micros = at.unix_timestamp_nanos().div_euclid(1_000);
        let ids: String = changed.iter().take(UNDO_ISSUES_MAX).map(|id| format!(".{id}")).collect();
        format!("{}.{}.{micros}{ids}", done.code(), changed.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_happened_and_how_to_undo_it() {
        let at = OffsetDateTime::UNIX_EPOCH + time::Duration::nanoseconds(7_001_999);
        let value = Toast::cookie_value(Done::ResolvedNext, at, &[IssueId(7), IssueId(12)]);
        assert_eq!(value, "resolved-next.2.7001.7.12");
        let toast = Toast::read(&value).unwrap();
        assert_eq!(toast.text, "2 issues resolved in the next release");
        assert_eq!((toast.undo.as_slice(), toast.wish.as_str()), (&[IssueId(7), IssueId(12)][..], "undo-all:7001"));
        assert_eq!(Toast::read("reopened.1.9.7").unwrap().undo, [IssueId(7)]);
        assert_eq!(Toast::read("deleted.1.9.7").unwrap().undo, []);
        assert_eq!(Toast::read("resolved.0.9").unwrap().text, "Nothing to change: already resolved");
        assert_eq!(Toast::read("undone.0.9").unwrap().text, "Nothing to undo: changed again since");
        assert_eq!(Toast::read("<script>"), None);
        let off = Toast::read(&Toast::alert_cookie(Change::Off, DestinationId(7))).unwrap();
        assert_eq!((off.text.as_str(), off.destination), ("Destination stopped", Some(DestinationId(7))));
        assert_eq!(Toast::read("destination.on.7").unwrap().destination, None, "nothing to undo");
        assert_eq!(Toast::read("destination.x.7"), None);
        let merged = Toast::read("regrouping.merge.done.7.undo").unwrap();
        assert_eq!((merged.text.as_str(), merged.regrouping), ("Issues merged", Some(RegroupingId(7))));
        assert_eq!(Toast::read("regrouping.undo.done.8").unwrap().regrouping, None);
        let rule = Toast::read(&Toast::rule_cookie("delete", 7)).unwrap();
        assert_eq!((rule.text.as_str(), rule.wish.as_str(), rule.rule), ("Rule deleted", "restore", Some(7)));
        assert_eq!(Toast::read("rule.explode.7").or(Toast::read("rule.delete.x")), None);
        assert_eq!(Toast::read("regrouping.merge.running.8").unwrap().text, "Issues are being merged");
    }
}
