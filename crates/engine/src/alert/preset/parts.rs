//! What a person gives to describe a receiver, and what each kind asks for, in words that say where to get it.

/// Characters of a token, a channel or a key: far more than any of them has.
const PART_CHARS_MAX: usize = 500;

/// What a person gives to describe a receiver. Which of them a preset needs, it says itself (`asks`).
#[derive(Clone, Default)]
pub struct Parts {
    /// Address of an incoming webhook.
    pub url: Option<String>,
    /// Token, routing key or API key.
    pub token: Option<String>,
    /// Channel, chat or topic.
    pub channel: Option<String>,
    /// Address of the service where it is not the usual one.
    pub server: Option<String>,
}

/// One of the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // They are the fields of `Parts`.
pub enum Part {
    Url,
    Token,
    Channel,
    Server,
}

impl Part {
    /// Its name in forms and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Token => "token",
            Self::Channel => "channel",
            Self::Server => "server",
        }
    }
}

/// A part that a kind takes, in words for people.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Which.
    pub part: Part,
    /// What it is called over there.
    pub label: &'static str,
    /// What it is and where to get it; follows 'missing:'.
    pub hint: &'static str,
    /// It cannot be left out.
    pub required: bool,
    /// It is never shown again.
    pub secret: bool,
}

/// Where a server of one's own, or of another region, is entered.
pub(super) const fn server(hint: &'static str) -> Ask {
    Ask { part: Part::Server, label: "Server", hint, required: false, secret: false }
}

/// The only part of a receiver with an address that is a secret.
pub(super) const fn hook(hint: &'static str) -> Ask {
    Ask { part: Part::Url, label: "Webhook address", hint, required: true, secret: true }
}

/// What is wrong with what a person gave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A part is not there.
    #[error("missing: --{}, {hint}", part.as_str())]
    Missing {
        /// Which.
        part: Part,
        /// What it is and where to get it.
        hint: &'static str,
    },
    /// A part that this kind does not take.
    #[error("--{} does not belong to --kind {kind}", .0.as_str(), kind = .1)]
    Foreign(Part, String),
    /// A part that cannot be right, in a sentence.
    #[error("{0}")]
    Wrong(String),
}

impl Problem {
    pub(super) fn wrong(text: impl Into<String>) -> Self {
        Self::Wrong(text.into())
    }

    /// The same without the words of the command line.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Missing { hint, .. } => format!("missing: {hint}"),
            Self::Foreign(part, kind) => format!("{} does not belong to {kind}", part.as_str()),
            Self::Wrong(text) => text.clone(),
        }
    }
}

impl Parts {
    fn part(&mut self, part: Part) -> &mut Option<String> {
        match part {
            Part::Url => &mut self.url,
            Part::Token => &mut self.token,
            Part::Channel => &mut self.channel,
            Part::Server => &mut self.server,
        }
    }

    fn take(&mut self, part: Part, asks: &[Ask]) -> Result<String, Problem> {
        let value = self.part(part).take().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let hint = asks.iter().find(|ask| ask.part == part).map_or("", |ask| ask.hint);
        match value {
            Some(value) if value.chars().count() > PART_CHARS_MAX || value.chars().any(char::is_control) => {
                let part = part.as_str();
                Err(Problem::Wrong(format!(
                    "the {part} is longer than {PART_CHARS_MAX} characters or holds a line break"
                )))
            }
            Some(value) => Ok(value),
            None => Err(Problem::Missing { part, hint }),
        }
    }

    pub(super) fn url(&mut self, asks: &[Ask]) -> Result<String, Problem> {
        // How long it may be, and what may be in it, is said where addresses are checked.
        let missing = Problem::Missing {
            part: Part::Url,
            hint: asks.iter().find(|ask| ask.part == Part::Url).map_or("", |ask| ask.hint),
        };
        self.url.take().filter(|url| !url.trim().is_empty()).ok_or(missing)
    }

    pub(super) fn token(&mut self, asks: &[Ask]) -> Result<String, Problem> {
        let token = self.take(Part::Token, asks)?;
        match token.chars().all(|char| char.is_ascii_graphic()) {
            true => Ok(token),
            false => Err(Problem::wrong("the token holds a character that no token has; copy it again")),
        }
    }

    pub(super) fn channel(&mut self, asks: &[Ask]) -> Result<String, Problem> {
        self.take(Part::Channel, asks)
    }

    /// The server without a slash at the end, else the usual one.
    pub(super) fn server(&mut self, usual: &str) -> String {
        let server = self.server.take().map(|server| server.trim().trim_end_matches('/').to_owned());
        server.filter(|server| !server.is_empty()).unwrap_or_else(|| usual.to_owned())
    }

    pub(super) fn has(&self, part: Part) -> bool {
        let value = match part {
            Part::Url => &self.url,
            Part::Token => &self.token,
            Part::Channel => &self.channel,
            Part::Server => &self.server,
        };
        value.as_ref().is_some_and(|value| !value.trim().is_empty())
    }

    pub(super) fn nothing_left(&self, kind: &str) -> Result<(), Problem> {
        let all = [Part::Url, Part::Token, Part::Channel, Part::Server];
        match all.into_iter().find(|part| self.has(*part)) {
            Some(part) => Err(Problem::Foreign(part, kind.to_owned())),
            None => Ok(()),
        }
    }
}
