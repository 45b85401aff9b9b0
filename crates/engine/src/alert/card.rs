//! A message in plain words and in pieces, before any receiver's markup.
//!
//! Every receiver shows the same things: a headline with a link, a sentence or two, figures, issues, and
//! source. `Card` picks and bounds them once, so that a preset only knows its own markup and limits. All
//! texts are single lines without control characters and without marks that turn the direction of writing;
//! markup in them is still alive, and each preset makes it harmless.

use time::OffsetDateTime;

use super::frame::Frame;
use super::snippet::snippet;
use super::{Calm, Deploy, Digest, Head, Kind, Limit, Message, Note, Notice, Project, Shared, Test, TopIssue, text};
use crate::verdict::Grade;

/// Characters of a headline: what a phone shows of a notification, twice.
const HEADLINE_CHARS: usize = 200;

/// Characters of a sentence. Ours are shorter; those that quote a release or a title may not be.
const SENTENCE_CHARS: usize = 300;

/// Characters of a value: a release, a transaction.
const VALUE_CHARS: usize = 120;

/// Characters of one line of source.
const SOURCE_CHARS: usize = 100;

/// Lines of source on each side of the failing one.
const SOURCE_SIDE: usize = 2;

/// Figures of a note that are shown.
const FIGURES_MAX: usize = 10;

/// How a message feels. Colour is never its only sign: the headline says it in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Somebody should look now.
    Bad,
    /// Worth knowing.
    Watch,
    /// It is over.
    Good,
    /// Neither.
    Plain,
}

impl Tone {
    /// Red, green and blue, readable as a bar on white and on black.
    #[must_use]
    pub const fn rgb(self) -> u32 {
        match self {
            Self::Bad => 0x00c9_372c,
            Self::Watch => 0x00b3_7400,
            Self::Good => 0x001f_845a,
            Self::Plain => 0x0062_6f86,
        }
    }
}

/// One issue of a list.
#[derive(Debug, Clone)]
pub struct Item {
    /// Sign and title.
    pub title: String,
    /// Its page.
    pub url: String,
    /// Place, events and users.
    pub detail: String,
}

/// The source that a message shows.
#[derive(Debug, Clone)]
pub struct Source {
    /// Function, file and line.
    pub place: String,
    /// Numbered lines, the failing one marked; may be empty.
    pub lines: Vec<String>,
}

/// A message in pieces.
#[derive(Debug, Clone)]
pub struct Card {
    /// How it feels.
    pub tone: Tone,
    /// All of it in one line.
    pub headline: String,
    /// The page that it leads to.
    pub url: String,
    /// What the link is called.
    pub link: &'static str,
    /// Sentences, the most important first.
    pub sentences: Vec<String>,
    /// Names and values.
    pub facts: Vec<(String, String)>,
    /// Issues.
    pub items: Vec<Item>,
    /// Source.
    pub source: Option<Source>,
    /// The small print: which rule sent it, and its id.
    pub foot: String,
    /// When it happened.
    pub at: OffsetDateTime,
}

impl Card {
    /// Picks what to show.
    #[must_use]
    pub fn new(message: &Message) -> Self {
        let mut card = match message {
            Message::Issue(notice) => of_issue(notice),
            Message::Digest(digest) => of_digest(digest),
            Message::Calm(calm) => of_calm(calm),
            Message::Limit(limit) => of_limit(limit),
            Message::Note(note) => of_note(note),
            Message::Test(test) => of_test(test),
        };
        let head = message.head();
        card.url = message.url();
        card.headline = text::one_line(&card.headline, HEADLINE_CHARS);
        card.foot = match &head.rule {
            Some(rule) => format!("Rule {} · {}", text::one_line(&rule.name, VALUE_CHARS), head.id),
            None => head.id.clone(),
        };
        for sentence in &mut card.sentences {
            *sentence = text::one_line(sentence, SENTENCE_CHARS);
        }
        card.sentences.retain(|sentence| !sentence.is_empty());
        for (name, value) in &mut card.facts {
            *name = text::one_line(name, VALUE_CHARS);
            *value = text::one_line(value, VALUE_CHARS);
        }
        card.facts.retain(|(_, value)| !value.is_empty());
        card
    }

    fn empty(tone: Tone, headline: String, at: OffsetDateTime) -> Self {
        Self {
            tone,
            headline,
            at,
            url: String::new(),
            link: "Open",
            sentences: Vec::new(),
            facts: Vec::new(),
            items: Vec::new(),
            source: None,
            foot: String::new(),
        }
    }

    /// All of it as plain text, one thing a line.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut lines = self.sentences.clone();
        lines.extend(self.facts.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.extend(self.items.iter().map(|item| format!("{} ({})", item.title, item.detail)));
        if let Some(source) = &self.source {
            lines.push(source.place.clone());
            lines.extend(source.lines.iter().cloned());
        }
        lines.join("\n")
    }
}

fn tone(kind: Kind) -> Tone {
    match kind {
        Kind::New | Kind::Regressed | Kind::Escalating | Kind::SpikeStarted | Kind::CheckinMissed | Kind::Trouble => {
            Tone::Bad
        }
        Kind::Frequent | Kind::Milestone | Kind::ReleaseIssues | Kind::Deploy | Kind::WatchEnded => Tone::Watch,
        Kind::Resolved | Kind::SpikeEnded => Tone::Good,
    }
}

const fn of_grade(grade: Grade) -> Tone {
    match grade {
        Grade::Bad => Tone::Bad,
        Grade::Watch => Tone::Watch,
        Grade::Good => Tone::Good,
        Grade::TooEarly => Tone::Plain,
    }
}

fn of_project(project: Option<&Project>) -> String {
    project.map_or_else(|| "Firefinch".to_owned(), |project| text::one_line(&project.name, VALUE_CHARS))
}

fn deployed(deploy: &Deploy) -> String {
    let grade = match deploy.verdict.grade {
        Grade::Good => "GOOD",
        Grade::Watch => "WATCH",
        Grade::Bad => "BAD",
        Grade::TooEarly => "TOO EARLY",
    };
    let version = text::one_line(&deploy.version, VALUE_CHARS);
    format!("{version} in {}: {grade}. {}", text::one_line(&deploy.environment, 40), deploy.verdict.reason)
}

fn source(frame: &Frame) -> Source {
    let lines = snippet(frame, SOURCE_SIDE, SOURCE_CHARS);
    Source {
        place: text::one_line(&frame.place(), VALUE_CHARS),
        lines: lines
            .into_iter()
            .map(|line| {
                let mark = if line.failing { '>' } else { ' ' };
                format!("{mark} {:>4} | {}{}{}", line.number, line.text, line.mark, line.rest)
            })
            .map(|line| line.chars().map(|char| if char.is_control() { ' ' } else { char }).collect())
            .collect(),
    }
}

fn shared(shared: &Shared) -> String {
    format!(
        "{} of {} issues have in common: {}",
        shared.issues,
        shared.of,
        text::one_line(&shared.frame.place(), VALUE_CHARS)
    )
}

fn of_issue(notice: &Notice) -> Card {
    let issue = &notice.issue;
    let headline = format!(
        "{} {} in {}: {}",
        notice.kind.sign(),
        notice.kind.word(),
        of_project(Some(&notice.project)),
        issue.title
    );
    let fact = |name: &str, value: Option<&str>| (name.to_owned(), value.unwrap_or_default().to_owned());
    let event = notice.event.as_ref();
    Card {
        link: "Open the issue",
        sentences: notice.reason.iter().cloned().chain(notice.deploy.as_ref().map(deployed)).collect(),
        facts: vec![
            fact("Issue", Some(&issue.short_id)),
            fact("Level", Some(&issue.level)),
            fact("Release", notice.release.as_deref()),
            fact("Environment", notice.environment.as_deref()),
            fact("Transaction", event.and_then(|event| event.transaction.as_deref())),
            fact("Server", event.and_then(|event| event.server_name.as_deref())),
            fact(
                "Seen",
                Some(&format!("{}, {}", text::count(issue.events, "event"), text::count(issue.users, "user"))),
            ),
        ],
        source: event.and_then(|event| event.frame.as_ref()).map(source),
        ..Card::empty(tone(notice.kind), headline, notice.at)
    }
}

fn of_digest(digest: &Digest) -> Card {
    let project = of_project(digest.project.as_ref());
    let headline = match digest.storm {
        true => format!("Storm in {project}: {}", digest.burst),
        false => format!("{project}: {}", digest.burst),
    };
    let whole = |rate: f64| text::number(rate.round() as i64);
    let rate = match digest.rate.usual {
        Some(usual) => format!("{} events a minute, usually {}", whole(digest.rate.per_minute), whole(usual)),
        None => format!("{} events a minute", whole(digest.rate.per_minute)),
    };
    let mut sentences: Vec<String> = digest.deploy.iter().map(deployed).collect();
    sentences.extend(digest.shared.iter().map(shared));
    if digest.is_update() {
        sentences.push(format!("Since the last message: {}.", digest.counts));
    }
    sentences.extend(digest.notes.iter().map(|(kind, title)| format!("{} {}: {title}", kind.sign(), kind.word())));
    Card {
        link: "See all of it live",
        sentences,
        facts: vec![
            ("Began".to_owned(), text::date(digest.began)),
            ("Events since".to_owned(), text::number(digest.events)),
            ("Now".to_owned(), rate),
        ],
        items: digest.top.iter().map(|issue| item(issue, &digest.head)).collect(),
        ..Card::empty(if digest.storm { Tone::Bad } else { Tone::Watch }, headline, digest.until)
    }
}

fn item(issue: &TopIssue, head: &Head) -> Item {
    Item {
        title: text::one_line(&format!("{} {}", issue.kind.sign(), issue.title), VALUE_CHARS),
        url: head.url(&issue.path()),
        detail: format!(
            "{}, {}, {}",
            text::one_line(&issue.place, VALUE_CHARS),
            text::count(issue.events, "event"),
            text::count(issue.users, "user")
        ),
    }
}

fn of_calm(calm: &Calm) -> Card {
    let headline = format!("✓ Storm over in {}: {}", of_project(calm.project.as_ref()), calm.burst);
    let mut sentences: Vec<String> = calm.shared.iter().map(shared).collect();
    sentences.extend(calm.deploy.iter().map(deployed));
    sentences.extend(calm.rolled_back_at.map(|at| format!("Rolled back at {}.", text::date(at))));
    Card {
        link: "See what it was",
        sentences,
        facts: vec![
            ("Lasted".to_owned(), text::duration(calm.lasted())),
            ("Ended".to_owned(), text::date(calm.ended)),
            ("Events".to_owned(), text::number(calm.events)),
        ],
        ..Card::empty(Tone::Good, headline, calm.ended)
    }
}

fn of_limit(limit: &Limit) -> Card {
    let headline = format!("Limit of {} messages an hour reached", limit.per_hour);
    Card {
        link: "See what waits",
        sentences: vec![format!(
            "{} waits; the next message may come at {}. Nothing is lost.",
            text::count(limit.waiting, "signal"),
            text::date(limit.until)
        )],
        ..Card::empty(Tone::Watch, headline, limit.until)
    }
}

fn of_note(note: &Note) -> Card {
    let headline =
        format!("{} {} in {}: {}", note.kind.sign(), note.kind.word(), of_project(note.project.as_ref()), note.title);
    let card = Card {
        sentences: vec![note.sentence.clone()],
        facts: note.figures.iter().take(FIGURES_MAX).cloned().collect(),
        ..Card::empty(tone(note.kind), headline, note.at)
    };
    let Some(watch) = &note.watch else { return card };
    Card {
        tone: of_grade(watch.grade),
        link: "Open the deploy",
        items: watch.loudest().into_iter().map(|issue| item(issue, &note.head)).collect(),
        ..card
    }
}

fn of_test(test: &Test) -> Card {
    let headline = format!("Firefinch: a test of {}", test.destination);
    Card {
        link: "Open Firefinch",
        sentences: vec!["This destination works. Somebody asked for this message; there is nothing to do.".to_owned()],
        ..Card::empty(Tone::Plain, headline, test.at)
    }
}

/// Escapes `text` character by character and keeps at most `units_max` of the result as `size` counts it:
/// whole escapes only, the cut shown by `…`.
pub(super) fn escaped(
    text: &str,
    units_max: usize,
    size: impl Fn(&str) -> usize,
    escape: impl Fn(char, &mut String),
) -> String {
    const CUT: &str = "…";
    let mut out = String::new();
    let mut units = 0;
    // Where a cut would have to go, should the text turn out to be too long.
    let mut room = 0;
    for char in text.chars() {
        let start = out.len();
        escape(char, &mut out);
        units += size(&out[start..]);
        if units > units_max {
            out.truncate(room);
            out.push_str(CUT);
            return out;
        }
        if units + size(CUT) <= units_max {
            room = out.len();
        }
    }
    out
}

/// Size in characters.
pub(super) fn chars(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn every_message_is_a_short_card_of_single_lines() {
        for (name, message) in samples::all() {
            let card = Card::new(&message);
            assert!(!card.headline.is_empty() && card.url.starts_with("https://errors.example"), "{name}");
            assert!(chars(&card.headline) <= HEADLINE_CHARS, "{name}");
            let plain = format!("{}\n{}\n{}", card.headline, card.plain(), card.foot);
            assert!(chars(&plain) < 4000, "{name}: {}", chars(&plain));
            let unsafe_char =
                |char: char| char != '\n' && (char.is_control() || matches!(char, '\u{202a}'..='\u{202e}'));
            assert!(!plain.contains(unsafe_char), "{name}: {plain:?}");
            assert!(card.facts.len() <= 10 && card.items.len() <= 5 && card.sentences.len() <= 10, "{name}");
        }
    }

    #[test]
    fn an_escape_is_never_cut_in_two() {
        let escape = |char: char, out: &mut String| match char {
            '<' => out.push_str("&lt;"),
            other => out.push(other),
        };
        for (text, max, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("a<", 5, "a&lt;"),
            ("a<", 4, "a…"),
            ("<<", 7, "&lt;…"),
            ("", 3, ""),
            ("éé", 1, "…"),
        ] {
            assert_eq!(escaped(text, max, chars, escape), expected, "{text} {max}");
        }
        assert_eq!(escaped("ééé", 5, str::len, escape), "é…");
    }
}
