//! Sends mails: one per delivery and address, laid out by the templates in `templates/mail`.

use anyhow::Context;
use askama::Template;
use engine::alert::{Kind, Notice, mail, text};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};
use lettre::{Address, AsyncTransport, Message};
use store::notifications::Claimed;
use time::OffsetDateTime;

use super::attempt::Attempt;
use super::smtp::{self, Transport};

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
    settings_url: &'a str,
}

/// The plain part.
#[derive(Debug, Template)]
#[template(path = "mail/issue.txt")]
struct Plain<'a> {
    mail: &'a mail::Mail,
    settings_url: &'a str,
}

impl Mailer {
    pub(super) fn new(smtp_url: &str, from: &str) -> anyhow::Result<Self> {
        let from = from.parse().with_context(|| format!("mail_from {from:?} is not an address"))?;
        Ok(Self { transport: smtp::connect(smtp_url)?, from })
    }

    pub(super) async fn send(&self, claimed: &Claimed, notice: &Notice, now: OffsetDateTime) -> Attempt {
        match self.compose(claimed, notice, now) {
            Ok(message) => self.deliver(message).await,
            Err(error) => Attempt::dead(format!("{error:#}")),
        }
    }

    /// Sends a mail that only says that it arrived.
    pub(super) async fn test(&self, address: &str, destination: &str, base_url: &str, now: OffsetDateTime) -> Attempt {
        let id = format!("<test-{}@{}>", now.unix_timestamp_nanos(), self.from.email.domain());
        let body = format!("This is a test of the destination \"{destination}\" of Firefinch at {base_url}.\n");
        let message = self
            .addressed(address, now)
            .and_then(|builder| Ok(builder.subject("Firefinch: a test").message_id(Some(id)).body(body)?));
        match message {
            Ok(message) => self.deliver(message).await,
            Err(error) => Attempt::dead(format!("{error:#}")),
        }
    }

    async fn deliver(&self, message: Message) -> Attempt {
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
        Ok(Message::builder()
            .date(now.into())
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            // Nobody is out of office to a machine.
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Auto-Response-Suppress", "All")))
    }

    fn compose(&self, claimed: &Claimed, notice: &Notice, now: OffsetDateTime) -> anyhow::Result<Message> {
        let domain = self.from.email.domain();
        let mail = mail::Mail::new(notice, &claimed.destination);
        let thread = mail::thread_id(notice, domain);
        let settings_url = format!("{}/alerts/{}", notice.base_url, claimed.destination_id);
        let plain = Plain { mail: &mail, settings_url: &settings_url }.render().context("cannot lay out the mail")?;
        let html = Html { mail: &mail, settings_url: &settings_url }.render().context("cannot lay out the mail")?;
        let mut builder = self
            .addressed(&claimed.recipient, now)?
            .subject(&mail.subject)
            .message_id(Some(mail::message_id(notice, domain)))
            .references(thread.clone())
            .raw_header(header("List-Id", &format!("<{}.issues.{domain}>", text::one_line(&notice.project.slug, 60))))
            .raw_header(header("List-Unsubscribe", &format!("<{settings_url}>")))
            .raw_header(header("X-Firefinch-Delivery", &notice.delivery));
        if notice.kind != Kind::New {
            builder = builder.in_reply_to(thread);
        }
        Ok(builder.multipart(MultiPart::alternative_plain_html(plain, html))?)
    }
}

/// A header of our own. Names are literals; values pass through `one_line`, so that nothing a stranger wrote
/// begins a header of his own.
fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), text::one_line(value, HEADER_CHARS))
}
