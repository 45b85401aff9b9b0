//! Lays a message out as the two parts of a mail, by the templates in `templates/mail`.

use anyhow::Context;
use askama::Template;
use engine::alert::link::Key;
use engine::alert::mail::Mail;
use engine::alert::sheet::Sheet;
use engine::alert::{Message, Notice};
use engine::ids::DestinationId;
use time::OffsetDateTime;

use super::links::{IssueLinks, Links};

/// One address, and the destination on whose behalf it gets a mail.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// The address.
    pub address: &'a str,
    /// Where its mails are changed or stopped for all.
    pub destination_id: DestinationId,
    /// What people call the destination.
    pub destination: &'a str,
    /// What signs its links.
    pub key: &'a Key,
}

impl Recipient<'_> {
    fn settings_url(&self, message: &Message) -> String {
        message.head().url(&format!("/alerts/{}", self.destination_id))
    }

    fn links<'a>(&'a self, message: &'a Message, now: OffsetDateTime) -> Option<Links<'a>> {
        let project = message.project()?;
        Some(Links { key: self.key, head: message.head(), project, address: self.address, now })
    }
}

/// A mail without its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// One line.
    pub subject: String,
    /// For programs that show text.
    pub plain: String,
    /// For all others. Nothing in it is fetched from anywhere.
    pub html: String,
    /// Where its reader stops the mails of the project; none for what is about no project.
    pub mute_url: Option<String>,
    /// Where the destination is changed.
    pub settings_url: String,
}

/// Lays out a message for one address; its links are good from `now` on.
///
/// # Errors
/// When the address is longer than any that a mail server takes.
pub fn lay_out(to: &Recipient<'_>, message: &Message, now: OffsetDateTime) -> anyhow::Result<Layout> {
    let (links, settings_url) = (to.links(message, now), to.settings_url(message));
    let too_long = || format!("the address {:?} is too long for the links of a mail", to.address);
    let mute_url = match links {
        Some(links) => Some(links.mute().with_context(too_long)?),
        None => None,
    };
    let foot = Foot { settings_url: &settings_url, mute_url: mute_url.as_deref().unwrap_or_default() };
    let (subject, plain, html) = match message {
        Message::Issue(notice) => {
            let links = links.and_then(|links| links.issue(notice.issue.id)).with_context(too_long)?;
            of_issue(notice, to.destination, &links, foot)?
        }
        other => {
            let sheet = Sheet::new(other, to.destination).context("this form of message has no layout")?;
            let takes: Vec<String> = match links {
                Some(links) => {
                    sheet.rows.iter().map(|row| links.take(row.issue)).collect::<Option<_>>().with_context(too_long)?
                }
                None => Vec::new(),
            };
            let takes = takes.as_slice();
            let plain = SheetText { sheet: &sheet, takes, foot }.render().context(FAILED)?;
            let html = SheetHtml { sheet: &sheet, takes, foot }.render().context(FAILED)?;
            (sheet.subject, plain, html)
        }
    };
    Ok(Layout { subject, plain, html, mute_url, settings_url })
}

const FAILED: &str = "cannot lay out the mail";

fn of_issue(
    notice: &Notice,
    destination: &str,
    links: &IssueLinks,
    foot: Foot<'_>,
) -> anyhow::Result<(String, String, String)> {
    let mail = Mail::new(notice, destination);
    let plain = IssueText { mail: &mail, links, foot }.render().context(FAILED)?;
    let html = IssueHtml { mail: &mail, links, foot }.render().context(FAILED)?;
    Ok((mail.subject, plain, html))
}

/// Where a reader goes who wants fewer of these.
#[derive(Debug, Clone, Copy)]
struct Foot<'a> {
    settings_url: &'a str,
    /// Empty where there is nothing to stop.
    mute_url: &'a str,
}

#[derive(Debug, Template)]
#[template(path = "mail/issue.html")]
struct IssueHtml<'a> {
    mail: &'a Mail,
    links: &'a IssueLinks,
    foot: Foot<'a>,
}

#[derive(Debug, Template)]
#[template(path = "mail/issue.txt")]
struct IssueText<'a> {
    mail: &'a Mail,
    links: &'a IssueLinks,
    foot: Foot<'a>,
}

#[derive(Debug, Template)]
#[template(path = "mail/sheet.html")]
struct SheetHtml<'a> {
    sheet: &'a Sheet,
    /// For each row, what gives its issue to the reader; empty for what is of no project.
    takes: &'a [String],
    foot: Foot<'a>,
}

impl SheetHtml<'_> {
    fn take(&self, row: &usize) -> Option<&String> {
        self.takes.get(*row)
    }
}

#[derive(Debug, Template)]
#[template(path = "mail/sheet.txt")]
struct SheetText<'a> {
    sheet: &'a Sheet,
    takes: &'a [String],
    foot: Foot<'a>,
}

impl SheetText<'_> {
    fn take(&self, row: &usize) -> Option<&String> {
        self.takes.get(*row)
    }
}
