//! The question that a link in a mail leads to. Following a link changes nothing: mail scanners
//! follow links too. The form below the question does.

use store::issues::Issue;

/// A question with one button.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub question: String,
    pub button: &'static str,
    /// Value of the button, as the form of issues takes it.
    pub change: &'static str,
}

impl Ask {
    /// From `?ask=…`. `None` for what is not known and for what is so already.
    pub(super) fn read(name: &str, issue: &Issue) -> Option<Self> {
        Self::of(name, issue.state.status(), &issue.short_id().to_string())
    }

    fn of(name: &str, status: &str, short_id: &str) -> Option<Self> {
        match name {
            "resolve" if status != "resolved" => Some(Self {
                question: format!("Resolve {short_id}? You hear of it when it comes back."),
                button: "Resolve",
                change: "resolve",
            }),
            "ignore-24h" if status == "unresolved" => Some(Self {
                question: format!("Ignore {short_id} for 24 hours? Its events are still counted."),
                button: "Ignore for 24 h",
                change: "ignore:86400",
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
        let change = |name, status| Ask::of(name, status, "SHOP-1").map(|ask| ask.change);
        assert_eq!(change("resolve", "unresolved"), Some("resolve"));
        assert_eq!(change("resolve", "ignored"), Some("resolve"));
        assert_eq!(change("resolve", "resolved"), None);
        assert_eq!(change("ignore-24h", "unresolved"), Some("ignore:86400"));
        assert_eq!(change("ignore-24h", "ignored"), None);
        assert_eq!(change("reopen", "resolved"), None);
    }
}
