//! Sends mails: one per message and address, laid out by the templates in `templates/mail`.

mod layout;
mod links;

use anyhow::Context;
use engine::alert::{Kind, Message, mail, text};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};
use lettre::{Address, AsyncTransport};
use time::OffsetDateTime;

use super::attempt::Attempt;
use super::smtp::{self, Transport};

pub use layout::{Layout, Recipient, lay_out};

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

impl Mailer {
    pub(super) fn new(smtp_url: &str, from: &str) -> anyhow::Result<Self> {
        let from = from.parse().with_context(|| format!("mail_from {from:?} is not an address"))?;
        Ok(Self { transport: smtp::connect(smtp_url)?, from })
    }

    /// Sends a message to one address.
    pub(super) async fn send(&self, to: &Recipient<'_>, message: &Message, now: OffsetDateTime) -> Attempt {
        match self.compose(to, message, now) {
            Ok(mail) => self.deliver(mail).await,
            Err(error) => Attempt::dead(format!("{error:#}")),
        }
    }

    /// Sends a few lines that are no message about anything: a question to the reader of an address.
    pub(super) async fn send_text(&self, address: &str, subject: &str, text: String, now: OffsetDateTime) -> Attempt {
        let mail = self.addressed(address, now).and_then(|builder| {
            Ok(builder.subject(text::one_line(subject, HEADER_CHARS)).header(ContentType::TEXT_PLAIN).body(text)?)
        });
        match mail {
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

    fn compose(&self, to: &Recipient<'_>, message: &Message, now: OffsetDateTime) -> anyhow::Result<lettre::Message> {
        let layout = lay_out(to, message, now)?;
        let mut builder = self.headed(to, message, &layout, now)?.subject(&layout.subject);
        if let Some(project) = message.project() {
            let id = format!("<{}.issues.{}>", text::one_line(&project.slug, 60), self.from.email.domain());
            builder = builder.raw_header(header("List-Id", &id));
        }
        Ok(builder.multipart(MultiPart::alternative_plain_html(layout.plain, layout.html))?)
    }

    /// What all mails have.
    fn headed(
        &self,
        to: &Recipient<'_>,
        message: &Message,
        layout: &Layout,
        now: OffsetDateTime,
    ) -> anyhow::Result<MessageBuilder> {
        let (head, domain) = (message.head(), self.from.email.domain());
        let thread = mail::thread_id(head, domain);
        let stop = layout.mute_url.as_ref().unwrap_or(&layout.settings_url);
        let mut builder = self
            .addressed(to.address, now)?
            .message_id(Some(mail::message_id(head, domain)))
            .references(thread.clone())
            .raw_header(header("List-Unsubscribe", &format!("<{stop}>")))
            .raw_header(header("X-Firefinch-Delivery", &head.id));
        // The button of mail programs. The standard (RFC 8058) wants it only where nobody can listen in.
        if layout.mute_url.is_some() && head.base_url.starts_with("https://") {
            builder = builder.raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
        }
        // Something was said in this thread before.
        let replies = match message {
            Message::Issue(notice) => notice.kind != Kind::New,
            other => other.head().thread.first.is_some(),
        };
        Ok(if replies { builder.in_reply_to(thread) } else { builder })
    }
}

/// A header of our own. Names are literals; values pass through `one_line`, so that nothing a stranger wrote
/// begins a header of his own.
fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), text::one_line(value, HEADER_CHARS))
}
