//! Destinations as people make, change and try them: what each kind asks for, what becomes of what they give, and the
//! test message with the real answer of the other end.
//!
//! Command line, pages and API do the same here. What a preset asks for, it says itself (`engine::alert::preset`); rows
//! are the store's, sending is the notification worker's.

use std::sync::Arc;
use std::time::Duration;

use engine::access::Email;
use engine::alert::header::{self, HEADERS_MAX};
use engine::alert::preset::{Ask, Parts, Preset};
use engine::alert::template::Template;
use engine::alert::webhook;
use engine::ids::DestinationId;
use serde::Serialize;
use sqlx::PgPool;
use store::StoreError;
use store::notifications::{self as outbox, Destination, MailTarget, Target, WebhookTarget};
use store::people::users;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use crate::workers::notify::{Attempt, Notifier, check_webhook_url, new_webhook_secret};

/// Addresses of one destination: more are a mailing list, which belongs to a mail server.
const ADDRESSES_MAX: usize = 50;

/// Addresses that are spelled out.
const NAMED: usize = 3;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 100;

/// People are few; a bound all the same.
const MEMBERS_MAX: i64 = 1000;

/// Test messages under way in one process: each may hold a connection for half a minute.
const TESTS_MAX: usize = 4;

/// How long a test waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

static TESTS: Semaphore = Semaphore::const_new(TESTS_MAX);

/// A kind of destination, in words for people.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// As the database and the command line say it.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
}

/// All kinds, in the order in which people look for them.
pub const KINDS: [Kind; 10] = [
    kind("mail", "Mail", "A mail to each of some addresses, or to everybody who sees the project."),
    kind("slack", "Slack", "A channel, by an incoming webhook, or by a bot, which updates its message of a storm."),
    kind("discord", "Discord", "A channel, by a webhook; the message of a storm is updated."),
    kind("telegram", "Telegram", "A chat, group or channel, by a bot; the message of a storm is updated."),
    kind("mattermost", "Mattermost", "A channel, by an incoming webhook."),
    kind("teams", "Microsoft Teams", "A channel, by a workflow."),
    kind("ntfy", "ntfy", "A topic that phones and browsers subscribe to."),
    kind("pagerduty", "PagerDuty", "Opens an incident of a service, and resolves it."),
    kind("opsgenie", "Opsgenie", "Opens an alert of a team, and closes it."),
    kind("webhook", "Webhook", "Signed JSON to any address, one request for each signal."),
];

const fn kind(name: &'static str, title: &'static str, about: &'static str) -> Kind {
    Kind { name, title, about }
}

impl Kind {
    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.name == name)
    }

    /// What its preset asks for; nothing for mails and webhooks, which have no preset.
    #[must_use]
    pub fn asks(self) -> &'static [Ask] {
        Preset::asks(self.name)
    }
}

/// What a person gives to make or to change a destination. Of a change, what is `None` stays as it is.
#[derive(Default, Clone)]
pub struct Given {
    /// What a preset takes; a webhook takes the address.
    pub parts: Parts,
    /// Signing secret of a webhook; empty for a new one.
    pub secret: Option<String>,
    /// Further headers of a webhook, in the place of those that are there.
    pub headers: Option<Vec<(String, String)>>,
    /// Body template of a webhook; empty for the usual body.
    pub template: Option<String>,
    /// Addresses of mails.
    pub to: Option<Vec<String>>,
    /// Mail everybody who sees the project.
    pub members: Option<bool>,
    /// Mail whoever has the issue, else its first owner; everybody else only where there is neither.
    pub owners: Option<bool>,
}

impl Given {
    /// The destination of this kind, or `known` changed, with its addresses checked.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn target(self, kind: &str, known: Option<&Target>, allow_private: bool) -> Result<Target, Wrong> {
        if kind != "mail" && (self.to.is_some() || self.members.is_some() || self.owners.is_some()) {
            return Err(Wrong::new("addresses belong to mails"));
        }
        if kind != "webhook" && (self.secret.is_some() || self.headers.is_some() || self.template.is_some()) {
            return Err(Wrong::new("a signing secret, headers and a template belong to webhooks"));
        }
        match kind {
            "mail" => self.mail(known),
            "webhook" => self.webhook(known, allow_private),
            _ => self.preset(kind, known, allow_private),
        }
    }

    fn mail(self, known: Option<&Target>) -> Result<Target, Wrong> {
        self.no_parts(&["url", "token", "channel", "server"])?;
        let mut target = match known {
            Some(Target::Mail(target)) => target.clone(),
            _ => MailTarget::default(),
        };
        if let Some(to) = self.to {
            target.to = addresses(&to)?;
        }
        target.members = self.members.unwrap_or(target.members);
        target.owners = self.owners.unwrap_or(target.owners);
        if target.to.is_empty() && !target.members && !target.owners {
            return Err(Wrong::new(
                "a mail needs an address, everybody who sees the project, or the owner of the issue",
            ));
        }
        Ok(Target::Mail(target))
    }

    fn webhook(self, known: Option<&Target>, allow_private: bool) -> Result<Target, Wrong> {
        self.no_parts(&["token", "channel", "server"])?;
        let known = match known {
            Some(Target::Webhook(target)) => Some(target),
            _ => None,
        };
        let url = self.parts.url.or_else(|| known.map(|known| known.url.clone()));
        let Some(url) = url.filter(|url| !url.trim().is_empty()) else {
            return Err(Wrong::new("missing: the address of the webhook"));
        };
        let url = check_webhook_url(url.trim(), allow_private).map_err(Wrong::new)?;
        let secret = match (self.secret, known) {
            (Some(secret), _) if !secret.is_empty() => secret,
            (None, Some(known)) => known.secret.clone(),
            _ => new_webhook_secret(),
        };
        if webhook::key(&secret).is_none() {
            return Err(Wrong::new(
                "the secret is not whsec_ and 24 to 64 bytes in base64; leave it out for a new one",
            ));
        }
        let headers = self.headers.or_else(|| known.map(|known| known.headers.clone())).unwrap_or_default();
        if headers.len() > HEADERS_MAX {
            return Err(Wrong::new(format!("more than {HEADERS_MAX} headers")));
        }
        headers.iter().try_for_each(|(name, value)| header::check(name, value)).map_err(Wrong::new)?;
        let template = self.template.or_else(|| known.and_then(|known| known.template.clone()));
        let template = template.filter(|template| !template.trim().is_empty());
        if let Some(template) = &template {
            Template::parse(template).map_err(|problem| Wrong::new(format!("the template: {problem}")))?;
        }
        Ok(Target::Webhook(WebhookTarget { url: url.into(), secret, headers, template }))
    }

    fn preset(self, kind: &str, known: Option<&Target>, allow_private: bool) -> Result<Target, Wrong> {
        let preset = match known {
            Some(Target::Preset(known)) => known.changed(self.parts),
            _ => Preset::from_parts(kind, self.parts),
        };
        let preset = preset.map_err(|problem| Wrong { words: problem.words(), flags: problem.to_string() })?;
        check_webhook_url(preset.url(), allow_private).map_err(Wrong::new)?;
        Ok(Target::Preset(preset))
    }

    /// Refuses parts that the kind does not take.
    fn no_parts(&self, parts: &[&str]) -> Result<(), Wrong> {
        let given = [
            ("url", &self.parts.url),
            ("token", &self.parts.token),
            ("channel", &self.parts.channel),
            ("server", &self.parts.server),
        ];
        match given.into_iter().find(|(name, value)| parts.contains(name) && value.is_some()) {
            Some((name, _)) => Err(Wrong {
                words: format!("{name} belongs to another kind of destination"),
                flags: format!("--{name} belongs to another kind of destination"),
            }),
            None => Ok(()),
        }
    }
}

/// Reads `Name: value`.
///
/// # Errors
/// When there is no colon.
pub fn read_header(line: &str) -> Result<(String, String), Wrong> {
    match line.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        // Whatever it is, it may be a secret.
        None => Err(Wrong::new("a header is written as Name: value")),
    }
}

/// What is wrong with what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// For pages and the API.
    pub words: String,
    /// In the words of the command line.
    pub flags: String,
}

impl Wrong {
    fn new(words: impl Into<String>) -> Self {
        let words = words.into();
        Self { flags: words.clone(), words }
    }
}

fn addresses(to: &[String]) -> Result<Vec<String>, Wrong> {
    let mut addresses: Vec<String> = Vec::new();
    for text in to.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        let address: Email = text.parse().map_err(|error| Wrong::new(format!("{text:.100}: {error}")))?;
        if !addresses.iter().any(|known| known == address.as_str()) {
            addresses.push(address.as_str().to_owned());
        }
    }
    if addresses.len() > ADDRESSES_MAX {
        return Err(Wrong::new(format!("more than {ADDRESSES_MAX} addresses: use a mailing list")));
    }
    Ok(addresses)
}

/// The name that was given, else the usual one.
///
/// # Errors
/// When it is too long or holds a line break.
pub fn name(given: Option<&str>, target: &Target) -> Result<String, Wrong> {
    let name = given.map(str::trim).filter(|name| !name.is_empty()).map_or_else(|| usual_name(target), str::to_owned);
    if name.chars().any(char::is_control) {
        return Err(Wrong::new("the name holds a line break"));
    }
    match given {
        Some(_) if name.chars().count() > NAME_CHARS_MAX => {
            Err(Wrong::new(format!("the name is longer than {NAME_CHARS_MAX} characters")))
        }
        _ => Ok(name.chars().take(NAME_CHARS_MAX).collect()),
    }
}

fn usual_name(target: &Target) -> String {
    match target {
        Target::Mail(MailTarget { owners: true, .. }) => "Owners".to_owned(),
        Target::Mail(MailTarget { members: true, .. }) => "Everybody".to_owned(),
        Target::Mail(MailTarget { to, .. }) => to.join(", "),
        Target::Webhook(target) => format!("Webhook {}", target.host()),
        Target::Preset(preset) => preset.words(),
    }
}

/// Where it goes. Of a webhook only the host: its path is often its secret.
#[must_use]
pub fn words(target: &Target) -> String {
    match target {
        Target::Preset(preset) => preset.words(),
        Target::Webhook(target) => {
            format!("Webhook at {}", target.host())
        }
        Target::Mail(target) => {
            let mut who: Vec<String> = target.to.iter().take(NAMED).cloned().collect();
            if target.to.len() > NAMED {
                who.push(format!("{} more", target.to.len() - NAMED));
            }
            if target.members || who.is_empty() {
                who.push("everybody who sees the project".to_owned());
            }
            let who = who.join(", ");
            if target.owners {
                format!("Mail to who has or owns the issue, else to {who}")
            } else {
                format!("Mail to {who}")
            }
        }
    }
}

/// What the other end said to a test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The address of a mail, else the name of the destination.
    pub to: String,
    /// Whether it took the message.
    pub ok: bool,
    /// In its own words: status and the start of the body, cut.
    pub answer: String,
}

/// Why no test message was sent.
#[derive(Debug, thiserror::Error)]
pub enum NotTested {
    /// Too many people test at this moment.
    #[error("other tests are under way; try again in a moment")]
    Busy,
    /// Nobody is named.
    #[error("nobody can sign in, so there is nobody to mail to")]
    Nobody,
    /// PostgreSQL failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where destinations are made and tried.
#[derive(Debug, Clone)]
pub struct Desk {
    pool: PgPool,
    notifier: Arc<Notifier>,
    /// Whether they may reach loopback and private addresses.
    pub allow_private: bool,
}

impl Desk {
    /// Tests go out as the messages of `notifier` do.
    #[must_use]
    pub fn new(pool: PgPool, notifier: Arc<Notifier>, allow_private: bool) -> Self {
        Self { pool, notifier, allow_private }
    }

    /// Sends a test message from here, not through the outbox, as the answer is what is wanted. It goes to every address
    /// that the destination names; of everybody who sees the project, only to `asker`, where that is known.
    ///
    /// # Errors
    /// When nothing was sent.
    pub async fn test(
        &self,
        destination: &Destination,
        asker: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<Vec<Answer>, NotTested> {
        let turn = tokio::time::timeout(PATIENCE, TESTS.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(NotTested::Busy) };
        let addresses = self.recipients(destination, asker).await?;
        if addresses.is_empty() && matches!(destination.target, Target::Mail(_)) {
            return Err(NotTested::Nobody);
        }
        let answers = self.notifier.test(destination, &addresses, now).await;
        Ok(answers.into_iter().map(|(to, attempt)| answer(to, &attempt)).collect())
    }

    async fn recipients(&self, destination: &Destination, asker: Option<&str>) -> Result<Vec<String>, StoreError> {
        let Target::Mail(target) = &destination.target else { return Ok(Vec::new()) };
        let mut addresses = target.to.clone();
        if target.members || target.to.is_empty() {
            match asker {
                Some(asker) => addresses.push(asker.to_owned()),
                None => {
                    let members = users::list(&self.pool, None, MEMBERS_MAX).await?;
                    let members = members.into_iter().filter(|user| user.disabled_at.is_none());
                    addresses.extend(members.map(|user| user.email));
                }
            }
        }
        let mut known = std::collections::HashSet::new();
        addresses.retain(|address| known.insert(address.to_lowercase()));
        Ok(addresses)
    }

    /// A destination that was not deleted.
    ///
    /// # Errors
    /// When PostgreSQL fails.
    pub async fn find(&self, id: DestinationId) -> Result<Option<Destination>, StoreError> {
        let found = outbox::find_destination(&self.pool, id).await?;
        Ok(found.filter(|destination| destination.deleted_at.is_none()))
    }
}

fn answer(to: String, attempt: &Attempt) -> Answer {
    let (ok, answer) = match attempt {
        Attempt::Sent { answer, .. } => (true, answer),
        Attempt::Later { error, .. } | Attempt::Dead { error } => (false, error),
    };
    Answer { to, ok, answer: answer.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(kind: &str, given: Given, known: Option<&Target>) -> String {
        given.target(kind, known, false).unwrap_err().words
    }

    #[test]
    fn every_kind_can_be_made_by_what_it_asks_for() {
        for kind in KINDS {
            let preset = !matches!(kind.name, "mail" | "webhook");
            assert_eq!(preset, !kind.asks().is_empty(), "{}", kind.name);
            assert_eq!(preset, Preset::KINDS.contains(&kind.name), "{}", kind.name);
        }
        assert_eq!(KINDS.len(), Preset::KINDS.len() + 2);
    }

    #[test]
    fn what_is_missing_or_does_not_belong_is_said() {
        assert!(words("mail", Given::default(), None).contains("needs an address"));
        let to = |text: &str| Given { to: Some(vec![text.to_owned()]), ..Given::default() };
        assert!(words("mail", to("nobody"), None).starts_with("nobody: "));
        assert_eq!(words("slack", to("a@b.example"), None), "addresses belong to mails");
        assert_eq!(words("webhook", Given::default(), None), "missing: the address of the webhook");
        assert!(words("discord", Given::default(), None).starts_with("missing: the address under Integrations"));
        let url =
            |url: &str| Given { parts: Parts { url: Some(url.to_owned()), ..Parts::default() }, ..Given::default() };
        assert!(words("webhook", url("http://127.0.0.1/"), None).contains("allow_private_webhooks"));
        assert!(words("teams", url("http://10.0.0.1/"), None).contains("allow_private_webhooks"));
    }

    #[test]
    fn a_change_keeps_the_secrets_that_it_does_not_name() {
        let url = "https://hooks.example/a".to_owned();
        let given = Given { parts: Parts { url: Some(url.clone()), ..Parts::default() }, ..Given::default() };
        let made = given.target("webhook", None, false).unwrap();
        let Target::Webhook(first) = &made else { panic!("no webhook") };
        let Target::Webhook(same) = Given::default().target("webhook", Some(&made), false).unwrap() else { panic!() };
        assert_eq!((&same.url, &same.secret), (&first.url, &first.secret));
        let anew = Given { secret: Some(String::new()), ..Given::default() };
        let Target::Webhook(anew) = anew.target("webhook", Some(&made), false).unwrap() else { panic!() };
        assert!(anew.url == url && anew.secret != first.secret);

        let known =
            Target::Mail(MailTarget { to: vec!["a@x.example".into()], fallback: true, ..MailTarget::default() });
        let members = Given { members: Some(true), ..Given::default() };
        let changed = members.target("mail", Some(&known), false).unwrap();
        let expected =
            MailTarget { to: vec!["a@x.example".into()], members: true, fallback: true, ..MailTarget::default() };
        assert_eq!(changed, Target::Mail(expected));
    }

    #[test]
    fn names_are_one_line_and_short() {
        let target = Target::Mail(MailTarget { to: vec!["a@x.example".into(); 40], ..MailTarget::default() });
        assert_eq!(name(None, &target).unwrap().chars().count(), NAME_CHARS_MAX);
        assert_eq!(name(Some(" On call "), &target).unwrap(), "On call");
        assert!(name(Some("a\nb"), &target).is_err() && name(Some(&"x".repeat(101)), &target).is_err());
    }

    #[test]
    fn a_webhook_shows_no_secret_and_long_lists_of_addresses_are_cut() {
        let target = WebhookTarget { url: "https://hooks.example.org/T0/secret".into(), ..WebhookTarget::default() };
        assert_eq!(super::words(&Target::Webhook(target)), "Webhook at hooks.example.org");
        let to = ["a@x", "b@x", "c@x", "d@x", "e@x"].map(str::to_owned).to_vec();
        let target = Target::Mail(MailTarget { to, members: true, ..MailTarget::default() });
        assert_eq!(super::words(&target), "Mail to a@x, b@x, c@x, 2 more, everybody who sees the project");
    }
}
