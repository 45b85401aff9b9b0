//! Where the buttons of a mail lead: to pages that ask, see `web::link`.

use engine::alert::link::{Act, Key, Link};
use engine::alert::{Head, Project};
use engine::ids::IssueId;
use time::OffsetDateTime;

/// What the links of one mail are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Links<'a> {
    pub(super) key: &'a Key,
    pub(super) head: &'a Head,
    pub(super) project: &'a Project,
    /// The only reader of this mail.
    pub(super) address: &'a str,
    pub(super) now: OffsetDateTime,
}

/// The buttons of a mail about one issue.
#[derive(Debug)]
pub(super) struct IssueLinks {
    pub(super) take: String,
    pub(super) resolve: String,
    pub(super) ignore_day: String,
    pub(super) ignore_morning: String,
}

impl Links<'_> {
    /// What can be done to an issue. `None` for an address that no link can hold; none that a mail server takes is.
    pub(super) fn issue(&self, issue: IssueId) -> Option<IssueLinks> {
        Some(IssueLinks {
            take: self.take(issue)?,
            resolve: self.url(Act::Resolve, Some(issue))?,
            ignore_day: self.url(Act::IgnoreDay, Some(issue))?,
            ignore_morning: self.url(Act::IgnoreMorning, Some(issue))?,
        })
    }

    /// What gives an issue to the reader.
    pub(super) fn take(&self, issue: IssueId) -> Option<String> {
        self.url(Act::Take, Some(issue))
    }

    /// What stops the mails of the project.
    pub(super) fn mute(&self) -> Option<String> {
        self.url(Act::Mute, None)
    }

    fn url(&self, act: Act, issue: Option<IssueId>) -> Option<String> {
        let (project, recipient) = (self.project.id, self.address.trim().to_owned());
        Link { act, project, issue, recipient, expires_at: self.now + act.lifetime() }
            .url(&self.head.base_url, self.key)
    }
}
