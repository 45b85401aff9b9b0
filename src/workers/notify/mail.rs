//! Sends mails: one per message and address, laid out by the templates in `templates/mail`.

mod links;

use anyhow::Context;
use askama::Template;
use engine::alert::link::Key;
use engine::alert::{Head, Kind, Message, Notice, mail, plain, text};
use engine::ids::DestinationId;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart, SinglePart};
use lettre::{Address, AsyncTransport};
use time::OffsetDateTime;

use super::attempt::Attempt;
use super::smtp::{self, Transport};
use links::{IssueLinks, Links};

/// Characters of a header of our own: what one line of a mail may hold.
const HEADER_CHARS: usize = 900;

/// The mail server and our address.
pub(super) struct Mailer {
    transport: Transport,
    from: Mailbox,
}

/// The transport knows the password, so it is not printed.
impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").field("from", &self.from.to_string()).finish_non_exhaustive()
    }
}

/// The HTML part.
#[derive(Debug, Template)]
#[template(path = "mail/issue.html")]
struct Html<'a> {
    mail: &'a mail::Mail,
    links: &'a IssueLinks,
    mute_url: &'a str,
    settings_url: &'a str,
}

/// The plain part.
#[derive(Debug, Template)]
#[template(path = "mail/issue.txt")]
struct Plain<'a> {
    mail: &'a mail::Mail,
    links: &'a IssueLinks,
    mute_url: &'a str,
    settings_url: &'a str,
}

/// One address, and the destination on whose behalf it gets a mail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipient<'a> {
    pub(super) address: &'a str,
    pub(super) destination_id: DestinationId,
    /// What people call the destination.
    pub(super) destination: &'a str,
    /// What signs its links.
    pub(super) key: &'a Key,
}

impl Recipient<'_> {
    /// Where these mails are changed or stopped.
    fn settings_url(&self, head: &Head) -> String {
        head.url(&format!("/alerts/{}", self.destination_id))
    }

    fn links<'a>(&'a self, message: &'a Message, now: OffsetDateTime) -> Option<Links<'a>> {
        let project = message.project()?;
        Some(Links { key: self.key, head: message.head(), project, address: self.address, now })
    }
}

impl Mailer {
    pub(super) fn new(smtp_url: &str, from: &str) -> anyhow::Result<Self> {
        let from = from.parse().with_context(|| format!("mail_from {from:?} is not an address"))?;
        Ok(Self { transport: smtp::connect(smtp_url)?, from })
    }

    /// Sends a message to one address.
    pub(super) async fn send(&self, to: &Recipient<'_>, message: &Message, now: OffsetDateTime) -> Attempt {
        let composed = match message {
            Message::Issue(notice) => self.issue(to, message, notice, now),
            other => self.plain(to, other, now),
        };
        match composed {
            Ok(mail) => self.deliver(mail).await,
            Err(error) => Attempt::dead(format!("{error:#}")),
        }
    }

    async fn deliver(&self, message: lettre::Message) -> Attempt {
        match self.transport.send(message).await {
            Ok(response) => {
                let text: Vec<&str> = response.message().collect();
                Attempt::sent(format!("{} {}", response.code(), text.join(" ")))
            }
            Err(error) => smtp::judge(&error),
        }
    }

    fn addressed(&self, address: &str, now: OffsetDateTime) -> anyhow::Result<MessageBuilder> {
        let to: Address = address.trim().parse().with_context(|| format!("{address:?} is not an address"))?;
        Ok(lettre::Message::builder()
            .date(now.into())
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            // Nobody is out of office to a machine.
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Auto-Response-Suppress", "All")))
    }

    /// What has no layout of its own: subject and lines.
    fn plain(&self, to: &Recipient<'_>, message: &Message, now: OffsetDateTime) -> anyhow::Result<lettre::Message> {
        let mut body = plain::lines(message).join("\n");
        body.push('\n');
        let replies = message.head().thread.first.is_some();
        let builder = self.headed(to, message, replies, now)?.subject(plain::subject(message));
        Ok(builder.singlepart(SinglePart::plain(body))?)
    }

    /// The change of an issue.
    fn issue(
        &self,
        to: &Recipient<'_>,
        message: &Message,
        notice: &Notice,
        now: OffsetDateTime,
    ) -> anyhow::Result<lettre::Message> {
        let mail = mail::Mail::new(notice, to.destination);
        let settings_url = to.settings_url(&notice.head);
        let signed = to.links(message, now).and_then(|links| Some((links.issue(notice.issue.id)?, links.mute()?)));
        let (links, mute_url) = signed.context("the address is too long for the links of a mail")?;
        let (mail, links, mute_url, settings_url) = (&mail, &links, mute_url.as_str(), settings_url.as_str());
        let plain = Plain { mail, links, mute_url, settings_url }.render().context("cannot lay out the mail")?;
        let html = Html { mail, links, mute_url, settings_url }.render().context("cannot lay out the mail")?;
        let slug = text::one_line(&notice.project.slug, 60);
        let builder = self
            .headed(to, message, notice.kind != Kind::New, now)?
            .subject(&mail.subject)
            .raw_header(header("List-Id", &format!("<{slug}.issues.{}>", self.from.email.domain())));
        Ok(builder.multipart(MultiPart::alternative_plain_html(plain, html))?)
    }

    /// What all mails have. `replies`: something was said in this thread before.
    fn headed(
        &self,
        to: &Recipient<'_>,
        message: &Message,
        replies: bool,
        now: OffsetDateTime,
    ) -> anyhow::Result<MessageBuilder> {
        let (head, domain) = (message.head(), self.from.email.domain());
        let thread = mail::thread_id(head, domain);
        let mute = to.links(message, now).and_then(|links| links.mute());
        let can_mute = mute.is_some();
        let mut builder = self
            .addressed(to.address, now)?
            .message_id(Some(mail::message_id(head, domain)))
            .references(thread.clone())
            .raw_header(header("List-Unsubscribe", &format!("<{}>", mute.unwrap_or_else(|| to.settings_url(head)))))
            .raw_header(header("X-Firefinch-Delivery", &head.id));
        // The button of mail programs. The standard (RFC 8058) wants it only where nobody can listen in.
        if can_mute && head.base_url.starts_with("https://") {
            builder = builder.raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
        }
        Ok(if replies { builder.in_reply_to(thread) } else { builder })
    }
}

/// A header of our own. Names are literals; values pass through `one_line`, so that nothing a stranger wrote
/// begins a header of his own.
fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), text::one_line(value, HEADER_CHARS))
}
