//! What must never reach a disk, a log or a mail: passwords, tokens, card numbers, and what a project adds to them.
//!
//! Owns the one pass that every event goes through before anything else is made of it: `names` says which names are those
//! of secrets, `text` and `numbers` find secrets by their form where `words` says that one may be, `walk` goes through the
//! JSON, `rules` is what a project says. What is hidden is replaced by `[Filtered]`, with a word for what it was where no name says so. SDKs hide much of
//! it themselves; people switch that off, and put tokens into places that no list knows.
//!
//! It errs on the side of hiding: a word too much that is hidden costs a question, a password that is stored costs a night.

mod addresses;
mod names;
mod numbers;
mod rules;
mod text;
mod walk;
mod words;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use names::is_secret;
pub use rules::{Problem, RULES_BYTES_MAX, RULES_MAX};
pub use text::HIDDEN;

use self::rules::Own;
use self::text::Also;
use self::walk::Walk;
use self::words::{Finder, Hints};

/// What is hidden without a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Values under the names of secrets, tokens that their issuers mark, passwords in addresses, private keys.
    pub secrets: bool,
    /// Numbers of payment cards, bank accounts (IBAN) and social security.
    pub numbers: bool,
    /// Addresses of mail, also the user's.
    pub emails: bool,
    /// The last part of IP addresses, also the sender's: 203.0.113.9 becomes 203.0.113.0.
    pub ip_addresses: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { secrets: true, numbers: true, emails: false, ip_addresses: false }
    }
}

/// What a project chose of a policy; `None` is as the instance has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Choice {
    /// See `Policy`.
    pub secrets: Option<bool>,
    /// See `Policy`.
    pub numbers: Option<bool>,
    /// See `Policy`.
    pub emails: Option<bool>,
    /// See `Policy`.
    pub ip_addresses: Option<bool>,
}

impl Policy {
    /// This policy with what was chosen instead.
    #[must_use]
    pub fn with(self, choice: Choice) -> Self {
        Self {
            secrets: choice.secrets.unwrap_or(self.secrets),
            numbers: choice.numbers.unwrap_or(self.numbers),
            emails: choice.emails.unwrap_or(self.emails),
            ip_addresses: choice.ip_addresses.unwrap_or(self.ip_addresses),
        }
    }
}

/// A value that is hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Names from the outermost to the value, with `*` for the elements of lists: `request.headers.*.*`.
    pub place: String,
    /// The value as it came.
    pub before: String,
    /// What is left of it.
    pub after: String,
}

/// A policy and rules, compiled.
#[derive(Debug)]
pub struct Scrubber {
    policy: Policy,
    own: Own,
}

impl Scrubber {
    /// What applies where nobody chose anything.
    #[must_use]
    pub fn standard() -> &'static Self {
        static STANDARD: LazyLock<Scrubber> = LazyLock::new(|| Scrubber::without_rules(Policy::default()));
        &STANDARD
    }

    /// A policy alone.
    #[must_use]
    pub fn without_rules(policy: Policy) -> Self {
        Self { policy, own: Own::default() }
    }

    /// Compiles a policy with rules, one a line (`docs/PRIVACY.md`): a text of the instance and one of a project apply
    /// together, and what either keeps is kept.
    ///
    /// # Errors
    /// Everything that is wrong in the first text that has something wrong.
    pub fn compile(policy: Policy, rules: &[&str]) -> Result<Self, Vec<Problem>> {
        Ok(Self { policy, own: Own::parse(rules)? })
    }

    /// The JSON of an event, or of anything else, without its secrets. Borrowed where there is none.
    #[must_use]
    pub fn json<'a>(&'a self, json: &'a str) -> Cow<'a, str> {
        if self.does_nothing() {
            return Cow::Borrowed(json);
        }
        Walk::new(json, self, false).run().0
    }

    /// A value without its secrets.
    pub fn value(&self, value: &mut Value) {
        // What was written from a value reads as one.
        if let Cow::Owned(clean) = self.json(&value.to_string()) {
            *value = serde_json::from_str(&clean).unwrap_or(Value::Null);
        }
    }

    /// What of a JSON text is hidden, and where.
    #[must_use]
    pub fn explain(&self, json: &str) -> Vec<Found> {
        Walk::new(json, self, true).run().1
    }

    /// A text without its secrets.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.hide(text, Finder::shared().hints(text), false)
    }

    /// Whether the headers and items of an envelope have nothing to hide. Where each line is JSON, as nearly always, they
    /// are read as that: any other text may hide a secret in more ways, also over several lines.
    #[must_use]
    pub fn has_nothing_in(&self, lines: &str) -> bool {
        let is_json = |line: &str| serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok();
        let mut filled = lines.lines().filter(|line| !line.is_empty());
        if filled.clone().all(is_json) {
            filled.all(|line| matches!(self.json(line), Cow::Borrowed(_)))
        } else {
            matches!(self.text(lines), Cow::Borrowed(_))
        }
    }

    /// The address of a sender as it may be kept.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> IpAddr {
        if self.policy.ip_addresses { addresses::shortened(address) } else { address }
    }

    fn does_nothing(&self) -> bool {
        let Policy { secrets, numbers, emails, ip_addresses } = self.policy;
        !(secrets || numbers || emails || ip_addresses || self.own.has_any())
    }

    fn hide<'a>(&self, text: &'a str, hints: Hints, is_source: bool) -> Cow<'a, str> {
        let Policy { secrets, numbers, emails, ip_addresses } = self.policy;
        let mut hidden = text::hide(text, hints, Also { secrets, numbers, emails, is_source });
        if ip_addresses {
            text::then(&mut hidden, addresses::shorten_all);
        }
        self.own.hide_text(&mut hidden);
        hidden
    }
}

#[cfg(test)]
mod tests;
