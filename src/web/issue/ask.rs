//! The question that a link leads to: in a mail, as mail scanners follow links too, or in the menu of an issue, where
//! an answer cannot be taken back. Following a link changes nothing; the form below the question does.

use store::issues::Issue;

use crate::web::display::Count;

/// A question with one button.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub question: String,
    pub button: &'static str,
    /// Value of the button, as the form of issues takes it.
    pub change: &'static str,
    /// Whether the issue has no page afterwards.
    pub ends: bool,
}

impl Ask {
    /// From `?ask=…`. `None` for what is not known and for what is so already.
    pub(super) fn read(name: &str, issue: &Issue) -> Option<Self> {
        Self::of(name, issue.state.status(), &issue.short_id().to_string(), Count::of(&issue.events))
    }

    fn of(name: &str, status: &str, short_id: &str, events: Count) -> Option<Self> {
        match name {
            "resolve" if status != "resolved" => Some(Self {
                question: format!("Resolve {short_id}? You hear of it when it comes back."),
                button: "Resolve",
                change: "resolve",
                ends: false,
            }),
            "ignore-24h" if status == "unresolved" => Some(Self {
                question: format!("Ignore {short_id} for 24 hours? Its events are still counted."),
                button: "Ignore for 24 h",
                change: "ignore:86400",
                ends: false,
            }),
            "discard" if status != "discarded" => Some(Self {
                question: format!(
                    "Discard {short_id}? Later events of it are dropped and only counted, until somebody reopens it."
                ),
                button: "Discard",
                change: "discard",
                ends: false,
            }),
            "delete" => Some(Self {
                question: format!(
                    "Delete {short_id} with its events ({})? Nothing brings them back, and the next event makes a new issue.",
                    events.exact()
                ),
                button: "Delete",
                change: "delete",
                ends: true,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_only_what_would_change_something() {
        let change = |name, status| Ask::of(name, status, "SHOP-1", Count(12)).map(|ask| ask.change);
        assert_eq!(change("resolve", "unresolved"), Some("resolve"));
        assert_eq!(change("resolve", "ignored"), Some("resolve"));
        assert_eq!(change("resolve", "resolved"), None);
        assert_eq!(change("ignore-24h", "unresolved"), Some("ignore:86400"));
        assert_eq!(change("ignore-24h", "ignored"), None);
        assert_eq!(change("reopen", "resolved"), None);
        assert_eq!(change("discard", "resolved"), Some("discard"));
        assert_eq!(change("discard", "discarded"), None);
        assert_eq!(change("delete", "discarded"), Some("delete"));
    }
}
