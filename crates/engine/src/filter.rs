//! Events that are not wanted: by their message, their release, who sends them, and from where.
//!
//! Owns what can be chosen, and the decision. A choice of the instance and one of a project apply together: what either filters
//! is filtered, but a switch that a project sets holds there. To add a kind: a `Reason`, a line in `Filters::check`, a field
//! in `Choice`.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::event::Event;
use crate::outcome::Reason;
use crate::title;

/// Bytes of all lists of one choice.
pub const LISTS_BYTES_MAX: usize = 20_000;
/// Lines of one list.
const LINES_MAX: usize = 200;
/// Length of a line.
const LINE_CHARS_MAX: usize = 300;
/// Stars of a pattern: matching cost grows with each.
const STARS_MAX: usize = 8;
/// Texts of an event that are held against patterns, the outermost exceptions first.
const TEXTS_MAX: usize = 10;
/// How much of a text is looked at.
const TEXT_CHARS_MAX: usize = 1_000;

/// Words that the names of crawlers contain, in lower case. Those that people name when they ask for this.
const CRAWLERS: [&str; 28] = [
    "googlebot",
    "adsbot-google",
    "mediapartners-google",
    "google-inspectiontool",
    "feedfetcher-google",
    "bingbot",
    "bingpreview",
    "baiduspider",
    "slurp",
    "yandexbot",
    "duckduckbot",
    "applebot",
    "facebookexternalhit",
    "meta-externalagent",
    "twitterbot",
    "linkedinbot",
    "pinterestbot",
    "slackbot",
    "discordbot",
    "telegrambot",
    "ahrefsbot",
    "semrushbot",
    "mj12bot",
    "petalbot",
    "bytespider",
    "gptbot",
    "claudebot",
    "uptimerobot",
];

/// What was chosen, by the instance or by a project. `None` is as the instance has it, or off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Choice {
    /// Known crawlers, by the `User-Agent` of the request that failed.
    pub crawlers: Option<bool>,
    /// Browsers that are no longer made.
    pub legacy_browsers: Option<bool>,
    /// Pages and people on the machine of a developer.
    pub localhost: Option<bool>,
    /// Patterns of messages, one a line: `*` is any text, `?` any character.
    pub messages: String,
    /// Patterns of releases, one a line.
    pub releases: String,
    /// Addresses and networks (`192.0.2.0/24`), one a line.
    pub addresses: String,
}

/// What is wrong with a choice.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// The lists together.
    #[error("the lists have more than {LISTS_BYTES_MAX} bytes together")]
    TooLarge,
    /// A list has too many lines.
    #[error("{0}: at most {LINES_MAX} lines")]
    TooMany(&'static str),
    /// A line is too long.
    #[error("{0}, line {1}: at most {LINE_CHARS_MAX} characters")]
    TooLong(&'static str, usize),
    /// A pattern has too many stars.
    #[error("{0}, line {1}: at most {STARS_MAX} stars")]
    Stars(&'static str, usize),
    /// It would filter everything.
    #[error("{0}, line {1}: this matches everything")]
    Everything(&'static str, usize),
    /// It is no address.
    #[error("addresses, line {0}: {1:?} is no address and no network such as 192.0.2.0/24")]
    Address(usize, String),
}

/// A choice, understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filters {
    crawlers: bool,
    legacy_browsers: bool,
    localhost: bool,
    messages: Vec<String>,
    releases: Vec<String>,
    networks: Vec<Network>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Filters {
    /// Understands the choices of the instance and of a project.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(above: &Choice, own: &Choice) -> Result<Self, FilterError> {
        let switch = |own: Option<bool>, above: Option<bool>| own.or(above).unwrap_or(false);
        let mut filters = Self {
            crawlers: switch(own.crawlers, above.crawlers),
            legacy_browsers: switch(own.legacy_browsers, above.legacy_browsers),
            localhost: switch(own.localhost, above.localhost),
            ..Self::default()
        };
        for choice in [above, own] {
            if choice.bytes() > LISTS_BYTES_MAX {
                return Err(FilterError::TooLarge);
            }
            for (list, name, into) in [
                (&choice.messages, "messages", &mut filters.messages),
                (&choice.releases, "releases", &mut filters.releases),
            ] {
                for (number, line) in lines(list, name)? {
                    into.push(pattern(line, name, number)?);
                }
            }
            for (number, line) in lines(&choice.addresses, "addresses")? {
                let network = Network::parse(line).ok_or_else(|| FilterError::Address(number, line.to_owned()))?;
                filters.networks.push(network);
            }
        }
        Ok(filters)
    }

    /// True when nothing is ever filtered.
    #[must_use]
    pub fn does_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Why an event is not wanted. `json` is its text, `sender` the address that it came from.
    #[must_use]
    pub fn check(&self, event: &Event<'_>, json: &str, sender: Option<IpAddr>) -> Option<Reason> {
        if self.does_nothing() {
            return None;
        }
        let user = event.user.as_ref().and_then(|user| user.ip_address.trimmed()?.parse::<IpAddr>().ok());
        if [user, sender].into_iter().flatten().any(|ip| self.networks.iter().any(|network| network.holds(ip))) {
            return Some(Reason::FilteredAddress);
        }
        if self.localhost && is_local(event, user) {
            return Some(Reason::FilteredLocalhost);
        }
        if !self.releases.is_empty()
            && event.release.trimmed().is_some_and(|release| matches_any(&self.releases, release))
        {
            return Some(Reason::FilteredRelease);
        }
        if !self.messages.is_empty() && texts(event).iter().any(|text| matches_any(&self.messages, text)) {
            return Some(Reason::FilteredMessage);
        }
        if self.crawlers || self.legacy_browsers {
            let agent = user_agent(json)?.to_lowercase();
            if self.crawlers && CRAWLERS.iter().any(|name| agent.contains(name)) {
                return Some(Reason::FilteredCrawler);
            }
            if self.legacy_browsers && is_legacy(&agent) {
                return Some(Reason::FilteredBrowser);
            }
        }
        None
    }
}

impl Choice {
    /// Bytes of all lists.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.messages.len() + self.releases.len() + self.addresses.len()
    }
}

/// Lines that say something, with their numbers; `#` begins a comment.
fn lines<'t>(text: &'t str, name: &'static str) -> Result<Vec<(usize, &'t str)>, FilterError> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let said: Vec<_> = numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect();
    if said.len() > LINES_MAX {
        return Err(FilterError::TooMany(name));
    }
    match said.iter().find(|(_, line)| line.chars().count() > LINE_CHARS_MAX) {
        Some((number, _)) => Err(FilterError::TooLong(name, *number)),
        None => Ok(said),
    }
}

fn pattern(line: &str, name: &'static str, number: usize) -> Result<String, FilterError> {
    if line.matches('*').count() > STARS_MAX {
        return Err(FilterError::Stars(name, number));
    }
    if line.chars().all(|char| char == '*') {
        return Err(FilterError::Everything(name, number));
    }
    Ok(line.to_lowercase())
}

fn matches_any(patterns: &[String], text: &str) -> bool {
    let text: Vec<char> = text.chars().take(TEXT_CHARS_MAX).flat_map(char::to_lowercase).collect();
    patterns.iter().any(|pattern| matches(&pattern.chars().collect::<Vec<_>>(), &text))
}

/// Whether the whole text is what a pattern says, going back to the last star only: that is enough for stars, and quick.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match (pattern.get(p), star) {
            (Some('*'), _) => {
                star = Some((p, t));
                p += 1;
            }
            (Some(char), _) if *char == '?' || *char == text[t] => {
                p += 1;
                t += 1;
            }
            (_, Some((after, from))) => {
                star = Some((after, from + 1));
                p = after + 1;
                t = from + 1;
            }
            (_, None) => return false,
        }
    }
    pattern[p..].iter().all(|char| *char == '*')
}

/// What is said of an event: its message, and each exception with and without its type.
fn texts(event: &Event<'_>) -> Vec<String> {
    let mut texts = vec![title::title(event)];
    if let Some(message) = &event.message {
        texts.extend(
            [&message.formatted, &message.template].into_iter().filter_map(|text| text.trimmed()).map(str::to_owned),
        );
    }
    for exception in event.exceptions.iter().rev() {
        let (ty, value) = (exception.ty.trimmed().unwrap_or_default(), exception.value.trimmed().unwrap_or_default());
        texts.extend([format!("{ty}: {value}"), value.to_owned()]);
    }
    texts.truncate(TEXTS_MAX);
    texts
}

fn is_local(event: &Event<'_>, user: Option<IpAddr>) -> bool {
    let host = event.request.as_ref().and_then(|request| host(request.url.trimmed()?));
    let is_local_host = host.is_some_and(|host| {
        let host = host.to_lowercase();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost"
            || host.ends_with(".localhost")
            || address.is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
    });
    is_local_host || user.is_some_and(|ip| ip.is_loopback())
}

/// The host of a URL.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit('@').next()?;
    match authority.find(']') {
        Some(end) => authority.get(..=end),
        None => authority.split(':').next(),
    }
}

/// The `User-Agent` that the failed request came with. Read only where somebody filters by it.
fn user_agent(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Event {
        request: Option<Value>,
    }
    let event: Event = serde_json::from_str(json).ok()?;
    let request = event.request?;
    let named = |name: &str| name.eq_ignore_ascii_case("user-agent");
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => list.first().and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    match request.get("headers")? {
        Value::Object(headers) => headers.iter().find(|(name, _)| named(name)).and_then(|(_, value)| text(value)),
        Value::Array(pairs) => {
            let pair = pairs.iter().find(|pair| pair.get(0).and_then(Value::as_str).is_some_and(named))?;
            text(pair.get(1)?)
        }
        _ => None,
    }
}

/// Internet Explorer, the old Edge, Opera Mini, Android's own browser, and Safari before 12: nobody mends what breaks there.
fn is_legacy(agent: &str) -> bool {
    let is_old_safari = || {
        let version =
            agent.split_once("version/").and_then(|(_, rest)| rest.split(['.', ' ']).next()?.parse::<u32>().ok());
        let is_safari = agent.contains("safari/") && !agent.contains("chrome/") && !agent.contains("chromium/");
        is_safari && version.is_some_and(|version| version < 12)
    };
    ["msie ", "trident/", " edge/", "opera mini"].iter().any(|name| agent.contains(name))
        || (agent.contains("android") && agent.contains("version/") && !agent.contains("chrome/"))
        || is_old_safari()
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    fn holds(self, ip: IpAddr) -> bool {
        // An IPv4 address that came over an IPv6 socket is the same one.
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same(u32::from(own).into(), u32::from(other).into(), 32 - self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.into(), other.into(), 128 - self.bits),
            _ => false,
        }
    }
}

/// Whether two numbers are equal but for their last bits.
fn same(one: u128, other: u128, last: u32) -> bool {
    one.checked_shr(last).unwrap_or(0) == other.checked_shr(last).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(choice: &Choice, json: &str) -> Option<Reason> {
        let filters = Filters::read(&Choice::default(), choice).unwrap();
        filters.check(&Event::from_json(json).unwrap(), json, Some("203.0.113.9".parse().unwrap()))
    }

    #[test]
    fn each_kind_filters_what_it_names() {
        let list = |text: &str| text.to_owned();
        let messages = Choice {
            messages: list("ResizeObserver loop*\n*Script error.\n# a comment\nTypeError: ?ailed"),
            ..Choice::default()
        };
        let exception = |ty: &str, value: &str| format!(r#"{{"exception":[{{"type":"{ty}","value":"{value}"}}]}}"#);
        for (json, hit) in [
            (exception("Error", "ResizeObserver loop limit exceeded"), true),
            (exception("TypeError", "Failed"), true),
            (exception("TypeError", "Failed to fetch"), false),
            (r#"{"message":"script error."}"#.to_owned(), true),
            (r#"{"message":"a script error. or so"}"#.to_owned(), false),
        ] {
            assert_eq!(check(&messages, &json), hit.then_some(Reason::FilteredMessage), "{json}");
        }
        let releases = Choice { releases: list("shop@1.*\ndev"), ..Choice::default() };
        for (release, hit) in [("shop@1.2", true), ("DEV", true), ("shop@2.1", false)] {
            let json = format!(r#"{{"release":"{release}"}}"#);
            assert_eq!(check(&releases, &json), hit.then_some(Reason::FilteredRelease), "{release}");
        }
        let addresses = Choice { addresses: list("198.51.100.0/24\n2001:db8::/32\n203.0.113.9"), ..Choice::default() };
        assert_eq!(check(&addresses, "{}"), Some(Reason::FilteredAddress), "the sender");
        let addresses = Choice { addresses: list("198.51.100.0/24\n2001:db8::/32"), ..Choice::default() };
        for (ip, hit) in
            [("198.51.100.77", true), ("198.51.101.1", false), ("2001:db8:1::1", true), ("::ffff:198.51.100.1", true)]
        {
            let json = format!(r#"{{"user":{{"ip_address":"{ip}"}}}}"#);
            assert_eq!(check(&addresses, &json), hit.then_some(Reason::FilteredAddress), "{ip}");
        }
        let local = Choice { localhost: Some(true), ..Choice::default() };
        for (url, hit) in [
            ("http://localhost:3000/cart", true),
            ("http://me@127.0.0.1/x", true),
            ("http://[::1]:8000/", true),
            ("http://app.localhost", true),
            ("https://localhost.example.org/", false),
            ("localhost", false),
        ] {
            let json = format!(r#"{{"request":{{"url":"{url}"}}}}"#);
            assert_eq!(check(&local, &json), hit.then_some(Reason::FilteredLocalhost), "{url}");
        }
    }

    #[test]
    fn crawlers_and_old_browsers_are_known_by_their_names() {
        let choice = Choice { crawlers: Some(true), legacy_browsers: Some(true), ..Choice::default() };
        let by = |agent: &str| check(&choice, &format!(r#"{{"request":{{"headers":[["user-agent","{agent}"]]}}}}"#));
        assert_eq!(by("Mozilla/5.0 (compatible; Googlebot/2.1)"), Some(Reason::FilteredCrawler));
        assert_eq!(by("Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko"), Some(Reason::FilteredBrowser));
        assert_eq!(by("Mozilla/5.0 (Macintosh) AppleWebKit/601 Version/9.1 Safari/601"), Some(Reason::FilteredBrowser));
        assert_eq!(by("Mozilla/5.0 (Macintosh) AppleWebKit/605 Version/17.4 Safari/605"), None);
        assert_eq!(by("Mozilla/5.0 (X11) AppleWebKit/537 Chrome/131.0 Safari/537"), None);
        let named = r#"{"request":{"headers":{"User-Agent":"bingbot/2.0"}}}"#;
        assert_eq!(check(&choice, named), Some(Reason::FilteredCrawler));
    }

    #[test]
    fn a_project_adds_lists_and_sets_switches() {
        let above = Choice { crawlers: Some(true), messages: "a*".into(), ..Choice::default() };
        let own = Choice { crawlers: Some(false), messages: "b*".into(), ..Choice::default() };
        let filters = Filters::read(&above, &own).unwrap();
        assert_eq!((filters.crawlers, filters.messages.len()), (false, 2));
        assert!(Filters::default().does_nothing());
    }

    #[test]
    fn what_cannot_be_a_filter_is_told_with_its_line() {
        let told = |choice: Choice| Filters::read(&Choice::default(), &choice).unwrap_err().to_string();
        let messages = |text: &str| Choice { messages: text.to_owned(), ..Choice::default() };
        assert_eq!(told(messages("a\n**")), "messages, line 2: this matches everything");
        assert_eq!(told(messages("*a*b*c*d*e*f*g*h*i")), "messages, line 1: at most 8 stars");
        assert_eq!(told(messages(&"x".repeat(301))), "messages, line 1: at most 300 characters");
        assert_eq!(told(messages(&"x\n".repeat(201))), "messages: at most 200 lines");
        let addresses = Choice { addresses: "10.0.0.0/33".to_owned(), ..Choice::default() };
        assert!(told(addresses).starts_with("addresses, line 1: \"10.0.0.0/33\" is no address"));
    }

    proptest! {
        #[test]
        fn patterns_match_as_regular_expressions_do(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let regex = format!("^{}$", pattern.replace('*', ".*").replace('?', "."));
            let expected = regex::Regex::new(&regex).unwrap().is_match(&text);
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&chars(&pattern), &chars(&text)), expected);
        }

        #[test]
        fn no_url_or_address_breaks_it(text in ".{0,60}") {
            let _ = (host(&text), Network::parse(&text), is_legacy(&text));
        }
    }
}
