//! Presets: receivers whose own form of a message we know, each in a file of its own.
//!
//! A preset turns a message into one request and reads the answer. It knows its receiver's markup, so that what a
//! stranger wrote stays text, and its published limits, which it keeps by cutting visibly. Nothing here
//! connects to anybody. To add one: a file, a variant, an arm in each function below, its name in the
//! migration of `destinations.kind`, a section in `docs/notifications.md`.

pub mod discord;
pub mod mattermost;
pub mod ntfy;
pub mod opsgenie;
pub mod pagerduty;
mod parts;
pub mod slack;
pub mod teams;
pub mod telegram;

use serde::{Deserialize, Serialize};

use super::card::Card;
use super::exchange::{Answer, Request, Verdict};
use super::{Earlier, Kind, Message};
use crate::verdict::Grade;
pub use parts::{Ask, Part, Parts, Problem};

/// A receiver with its configuration, which holds secrets: neither `Debug` nor lists show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Preset {
    /// A channel of Slack, by an incoming webhook or by a bot.
    Slack(slack::Slack),
    /// A channel of Discord.
    Discord(discord::Discord),
    /// A chat of Telegram.
    Telegram(telegram::Telegram),
    /// A channel of Mattermost.
    Mattermost(mattermost::Mattermost),
    /// A channel of Microsoft Teams.
    Teams(teams::Teams),
    /// A topic of ntfy.
    Ntfy(ntfy::Ntfy),
    /// A service of PagerDuty.
    PagerDuty(pagerduty::PagerDuty),
    /// Opsgenie.
    Opsgenie(opsgenie::Opsgenie),
}

impl std::fmt::Debug for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Preset").field(&self.kind()).finish()
    }
}

impl Preset {
    /// The names of all of them, as the database and the command line say them.
    pub const KINDS: [&str; 8] =
        ["slack", "discord", "telegram", "mattermost", "teams", "ntfy", "pagerduty", "opsgenie"];

    /// Its name.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Slack(_) => "slack",
            Self::Discord(_) => "discord",
            Self::Telegram(_) => "telegram",
            Self::Mattermost(_) => "mattermost",
            Self::Teams(_) => "teams",
            Self::Ntfy(_) => "ntfy",
            Self::PagerDuty(_) => "pagerduty",
            Self::Opsgenie(_) => "opsgenie",
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        match self {
            Self::Slack(_) => "Slack",
            Self::Discord(_) => "Discord",
            Self::Telegram(_) => "Telegram",
            Self::Mattermost(_) => "Mattermost",
            Self::Teams(_) => "Microsoft Teams",
            Self::Ntfy(_) => "ntfy",
            Self::PagerDuty(_) => "PagerDuty",
            Self::Opsgenie(_) => "Opsgenie",
        }
    }

    /// Reads the column of the database.
    ///
    /// # Errors
    /// When it has another shape; the error shows none of its values.
    pub fn read(kind: &str, config: serde_json::Value) -> Option<Result<Self, serde_json::Error>> {
        Some(match kind {
            "slack" => serde_json::from_value(config).map(Self::Slack),
            "discord" => serde_json::from_value(config).map(Self::Discord),
            "telegram" => serde_json::from_value(config).map(Self::Telegram),
            "mattermost" => serde_json::from_value(config).map(Self::Mattermost),
            "teams" => serde_json::from_value(config).map(Self::Teams),
            "ntfy" => serde_json::from_value(config).map(Self::Ntfy),
            "pagerduty" => serde_json::from_value(config).map(Self::PagerDuty),
            "opsgenie" => serde_json::from_value(config).map(Self::Opsgenie),
            _ => return None,
        })
    }

    /// What a kind takes; nothing when there is no such kind.
    #[must_use]
    pub fn asks(kind: &str) -> &'static [Ask] {
        match kind {
            "slack" => slack::ASKS,
            "discord" => discord::ASKS,
            "telegram" => telegram::ASKS,
            "mattermost" => mattermost::ASKS,
            "teams" => teams::ASKS,
            "ntfy" => ntfy::ASKS,
            "pagerduty" => pagerduty::ASKS,
            "opsgenie" => opsgenie::ASKS,
            _ => &[],
        }
    }

    /// What it was made from, with its secrets: for keeping what a change leaves out, not for showing.
    #[must_use]
    pub fn parts(&self) -> Parts {
        let some = |text: &str| Some(text.to_owned());
        match self {
            Self::Slack(slack) => slack.parts(),
            Self::Discord(discord::Discord { url })
            | Self::Mattermost(mattermost::Mattermost { url })
            | Self::Teams(teams::Teams { url }) => Parts { url: some(url), ..Parts::default() },
            Self::Telegram(telegram) => Parts {
                token: some(&telegram.token),
                channel: some(&telegram.chat),
                server: some(&telegram.server),
                url: None,
            },
            Self::Ntfy(ntfy) => {
                Parts { token: ntfy.token.clone(), channel: some(&ntfy.topic), server: some(&ntfy.server), url: None }
            }
            Self::PagerDuty(pagerduty::PagerDuty { key, server })
            | Self::Opsgenie(opsgenie::Opsgenie { key, server }) => {
                Parts { token: some(key), server: some(server), ..Parts::default() }
            }
        }
    }

    /// The same receiver with what `given` names changed; what it does not name stays, an empty text takes it away.
    ///
    /// # Errors
    /// As `from_parts`.
    pub fn changed(&self, given: Parts) -> Result<Self, Problem> {
        // The two ways to Slack share nothing: giving one is leaving the other.
        let other_way = match self {
            Self::Slack(slack::Slack::Hook { .. }) => given.has(Part::Token),
            Self::Slack(slack::Slack::Bot { .. }) => given.has(Part::Url),
            _ => false,
        };
        if other_way {
            return Self::from_parts(self.kind(), given);
        }
        let known = self.parts();
        let parts = Parts {
            url: given.url.or(known.url),
            token: given.token.or(known.token),
            channel: given.channel.or(known.channel),
            server: given.server.or(known.server),
        };
        Self::from_parts(self.kind(), parts)
    }

    /// Makes one from what a person gave.
    ///
    /// # Errors
    /// What is missing and where to get it, or what does not belong to it.
    pub fn from_parts(kind: &str, mut parts: Parts) -> Result<Self, Problem> {
        let preset = match kind {
            "slack" => Self::Slack(slack::Slack::from_parts(&mut parts)?),
            "discord" => Self::Discord(discord::Discord::from_parts(&mut parts)?),
            "telegram" => Self::Telegram(telegram::Telegram::from_parts(&mut parts)?),
            "mattermost" => Self::Mattermost(mattermost::Mattermost::from_parts(&mut parts)?),
            "teams" => Self::Teams(teams::Teams::from_parts(&mut parts)?),
            "ntfy" => Self::Ntfy(ntfy::Ntfy::from_parts(&mut parts)?),
            "pagerduty" => Self::PagerDuty(pagerduty::PagerDuty::from_parts(&mut parts)?),
            "opsgenie" => Self::Opsgenie(opsgenie::Opsgenie::from_parts(&mut parts)?),
            other => {
                let known = Self::KINDS.join(", ");
                return Err(Problem::Wrong(format!("there is no kind {other:?}; there are {known}")));
            }
        };
        parts.nothing_left(kind)?;
        Ok(preset)
    }

    /// The address that it connects to, with its secrets: to be checked, not shown.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Slack(slack) => slack.url(),
            Self::Discord(discord) => &discord.url,
            Self::Telegram(telegram) => &telegram.server,
            Self::Mattermost(mattermost) => &mattermost.url,
            Self::Teams(teams) => &teams.url,
            Self::Ntfy(ntfy) => &ntfy.server,
            Self::PagerDuty(pagerduty) => &pagerduty.server,
            Self::Opsgenie(opsgenie) => &opsgenie.server,
        }
    }

    /// The channel, chat or topic, where it is no secret.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        match self {
            Self::Slack(slack) => slack.channel(),
            Self::Telegram(telegram) => Some(&telegram.chat),
            _ => None,
        }
    }

    /// What people see of it in lists: its name, and the channel or the host. Addresses are often secrets.
    #[must_use]
    pub fn words(&self) -> String {
        match self.place() {
            Some(place) => format!("{} {place}", self.title()),
            None => format!("{} at {}", self.title(), host(self.url())),
        }
    }

    /// The request that tells `message`. With `anew` it neither changes nor answers what was sent before, as that
    /// is not there any more.
    #[must_use]
    pub fn request(&self, message: &Message, anew: bool) -> Request {
        let card = Card::new(message);
        let earlier = if anew { Known::default() } else { Known::of(message) };
        match self {
            Self::Slack(slack) => slack.request(message, &card, earlier),
            Self::Discord(discord) => discord.request(&card, earlier.edits),
            Self::Telegram(telegram) => telegram.request(&card, earlier),
            Self::Mattermost(mattermost) => mattermost.request(&card),
            Self::Teams(teams) => teams.request(&card),
            Self::Ntfy(ntfy) => ntfy.request(message, &card),
            Self::PagerDuty(pagerduty) => pagerduty.request(message, &card),
            Self::Opsgenie(opsgenie) => opsgenie.request(message, &card),
        }
    }

    /// What the answer to that request means.
    #[must_use]
    pub fn verdict(&self, answer: &Answer) -> Verdict {
        match self {
            Self::Slack(slack) => slack.verdict(answer),
            Self::Discord(_) => discord::verdict(answer),
            Self::Telegram(_) => telegram::verdict(answer),
            _ => answer.verdict(),
        }
    }
}

/// What the receiver called messages that were sent before, where it said so.
#[derive(Debug, Clone, Copy, Default)]
struct Known<'a> {
    /// The digest that this one replaces.
    edits: Option<&'a str>,
    /// The message that began the thread.
    first: Option<&'a str>,
}

impl<'a> Known<'a> {
    fn of(message: &'a Message) -> Self {
        let thread = &message.head().thread;
        let reference =
            |earlier: &'a Option<Earlier>| earlier.as_ref().and_then(|earlier| earlier.reference.as_deref());
        // Only a digest tells all that the one before it told.
        let edits = matches!(message, Message::Digest(_)).then(|| reference(&thread.replaces)).flatten();
        Self { edits, first: reference(&thread.first) }
    }
}

/// The host of a URL, with its port; empty when there is none.
#[must_use]
pub fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// What an incident receiver does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incident {
    Open,
    Close,
}

/// Issues, storms and spikes open an incident; what ends them closes it.
fn incident(message: &Message) -> Incident {
    let is_end = |kind: Kind| kind.is_end();
    match message {
        Message::Issue(notice) if is_end(notice.kind) => Incident::Close,
        Message::Note(note) if is_end(note.kind) => Incident::Close,
        // A watch that ends well closes what a bad verdict opened, and opens nothing.
        Message::Note(super::Note { watch: Some(watch), .. })
            if matches!(watch.grade, Grade::Good | Grade::TooEarly) =>
        {
            Incident::Close
        }
        Message::Calm(_) => Incident::Close,
        _ => Incident::Open,
    }
}

/// Names the incident: the same for all messages of a thread, and different for two Firefinches that page the
/// same people.
fn incident_key(message: &Message, chars_max: usize) -> String {
    let head = message.head();
    let key = format!("firefinch {} {}", head.thread.key, host(&head.base_url));
    key.chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests;
