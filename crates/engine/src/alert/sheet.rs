//! A mail about more than one issue, or about none: a list, a storm and its end, a limit, a note, a test. Every line of
//! its body, for the templates to lay out. `mail` does the same for one change of one issue.

use time::OffsetDateTime;

use super::mail::{because, source_text};
use super::plain;
use super::snippet::{Line, snippet};
use super::text::{bars, count, date, duration, histogram, number, one_line};
use super::{Calm, Deploy, Digest, Head, Kind, Limit, Message, Note, Shared, Test, TopIssue};
use crate::ids::IssueId;
use crate::verdict::Grade;
use crate::watch::summary::Summary;

/// Characters of a sentence.
const SENTENCE_CHARS: usize = 500;

/// Characters of any other line.
const LINE_CHARS: usize = 200;

/// Characters of the message of an issue in a list: what two lines of a phone hold.
const VALUE_CHARS: usize = 90;

/// Width of source in the plain text and in the HTML, as in `mail`.
const SOURCE_CHARS: (usize, usize) = (62, 66);

/// How many times the usual a bar is that stands out; below that is what any hour has.
const LOUD_TIMES: f64 = 2.0;

/// How loud the word at the top is; the templates know the colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// New, regressed, BAD.
    Accent,
    /// Escalating, WATCH, a missed check-in.
    Amber,
    /// Over, resolved, GOOD.
    Green,
    /// Neither good nor bad.
    Ink,
}

impl Tone {
    /// Its class in the templates.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Accent => "accent",
            Self::Amber => "amber",
            Self::Green => "green",
            Self::Ink => "ink",
        }
    }

    /// Its colour on white. Programs that show mails dark have the class.
    #[must_use]
    pub const fn colour(self) -> &'static str {
        match self {
            Self::Accent => "#c5340b",
            Self::Amber => "#8a5700",
            Self::Green => "#1a7040",
            Self::Ink => "#16181d",
        }
    }

    /// Of what happened.
    pub(super) const fn of(kind: Kind) -> Self {
        match kind {
            Kind::New | Kind::Regressed | Kind::SpikeStarted | Kind::ReleaseIssues => Self::Accent,
            Kind::Escalating | Kind::Frequent | Kind::Milestone | Kind::CheckinMissed | Kind::Trouble => Self::Amber,
            Kind::Resolved | Kind::SpikeEnded => Self::Green,
            Kind::Deploy | Kind::WatchEnded => Self::Ink,
        }
    }
}

/// The hour before the mail.
#[derive(Debug, Clone)]
pub struct Hour {
    /// In characters of plain ASCII.
    pub text: String,
    /// In block characters, in runs: whether they are far above the usual, and the characters.
    pub html: Vec<(bool, String)>,
    /// `6,610 events in the last hour`.
    pub said: String,
}

/// A frame that most of the issues have in common.
#[derive(Debug, Clone)]
pub struct Cause {
    /// `31 of the 37 share one frame`.
    pub heading: String,
    /// Where.
    pub place: String,
    /// Source for a proportional page with a monospaced well.
    pub source_html: Vec<Line>,
    /// Source for plain text.
    pub source_text: Vec<String>,
}

/// An issue in a list.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its id.
    pub issue: IssueId,
    /// Sign and word of what happened to it.
    pub kind: String,
    /// How loud that is.
    pub tone: Tone,
    /// `SHOP-1A`.
    pub short_id: String,
    /// Exception class, or its title.
    pub ty: String,
    /// Its message.
    pub value: String,
    /// Where.
    pub place: String,
    /// Events and users in all.
    pub events: String,
    /// See `events`.
    pub users: String,
    /// Both in words: `3,120 events, 1 user`.
    pub figures: String,
    /// Its page.
    pub url: String,
}

/// A mail, ready for the templates.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// One line, without control characters.
    pub subject: String,
    /// `BAD`, `STORM`, `✓ Storm over`, …
    pub word: String,
    /// How loud that is.
    pub tone: Tone,
    /// What it is about, in a sentence.
    pub sentence: String,
    /// A second one, less loud.
    pub second: String,
    /// The hour before.
    pub hour: Option<Hour>,
    /// Why, where most have it in common.
    pub cause: Option<Cause>,
    /// Above the rows.
    pub heading: String,
    /// Issues.
    pub rows: Vec<Row>,
    /// What else happened, a line each.
    pub others: Vec<String>,
    /// Name and value of each fact.
    pub facts: Vec<(String, String)>,
    /// What the button says.
    pub button: &'static str,
    /// Where it leads.
    pub url: String,
    /// What happens next.
    pub small: String,
    /// Why this person gets it: `the rule “On call”`.
    pub because: String,
}

impl Sheet {
    /// Writes the mail of `message`, sent on behalf of the destination that people call `destination`. `None` for the
    /// change of one issue, which has a layout of its own.
    #[must_use]
    pub fn new(message: &Message, destination: &str) -> Option<Self> {
        let blank = Self {
            subject: plain::subject(message),
            word: String::new(),
            tone: Tone::Ink,
            sentence: String::new(),
            second: String::new(),
            hour: None,
            cause: None,
            heading: String::new(),
            rows: Vec::new(),
            others: Vec::new(),
            facts: Vec::new(),
            button: "Open",
            url: message.url(),
            small: String::new(),
            because: because(message.head(), destination),
        };
        let mut sheet = match message {
            Message::Issue(_) => return None,
            Message::Digest(digest) => of_digest(digest, blank),
            Message::Calm(calm) => of_calm(calm, blank),
            Message::Limit(limit) => of_limit(limit, blank),
            Message::Note(note) => of_note(note, blank),
            Message::Test(test) => of_test(test, blank),
        };
        sheet.sentence = one_line(&sheet.sentence, SENTENCE_CHARS);
        sheet.second = one_line(&sheet.second, SENTENCE_CHARS);
        Some(sheet)
    }
}

fn of_digest(digest: &Digest, blank: Sheet) -> Sheet {
    let (word, tone) = match (&digest.deploy, digest.storm) {
        (Some(deploy), true) => grade(deploy.verdict.grade),
        (None, true) => ("STORM".to_owned(), Tone::Accent),
        (_, false) => (count(digest.burst.total(), "change"), Tone::Ink),
    };
    let named = i64::try_from(digest.rows_told()).unwrap_or(0);
    let rest = digest.burst.total() - named;
    let since = digest.is_update().then(|| format!("Since the last mail: {}.", digest.counts));
    let small = if digest.storm {
        "Nothing was dropped: the page lists all of it. Updates come as replies to this mail, at most every 15 min, and \
         one when it is over."
    } else {
        "They came within a minute, so they are one mail."
    };
    Sheet {
        word,
        tone,
        sentence: digest_sentence(digest),
        second: since.unwrap_or_default(),
        hour: Some(hour(digest)),
        cause: digest.shared.as_ref().map(cause),
        heading: if digest.storm { "Most events" } else { "Issues" }.to_owned(),
        rows: digest.top.iter().map(|issue| row(issue, &digest.head)).collect(),
        others: others(digest, rest),
        button: if digest.storm { "Watch it live" } else { "Open the list" },
        small: small.to_owned(),
        ..blank
    }
}

impl Digest {
    /// How many signals the mail names one by one.
    fn rows_told(&self) -> usize {
        self.top.len() + self.notes.len()
    }
}

fn grade(grade: Grade) -> (String, Tone) {
    let tone = match grade {
        Grade::Good => Tone::Green,
        Grade::Watch => Tone::Amber,
        Grade::Bad => Tone::Accent,
        Grade::TooEarly => Tone::Ink,
    };
    (grade.to_string(), tone)
}

fn digest_sentence(digest: &Digest) -> String {
    let rate = plain::rate(digest.rate);
    match &digest.deploy {
        Some(deploy) if digest.storm => {
            format!("{}: {}, {rate}.", deployed(deploy), digest.burst)
        }
        _ if digest.storm => format!("{} since {}, {rate}.", digest.burst, date(digest.began)),
        _ => format!("{} since {}.", digest.burst, date(digest.began)),
    }
}

fn deployed(deploy: &Deploy) -> String {
    let (version, environment) = (one_line(&deploy.version, LINE_CHARS), one_line(&deploy.environment, LINE_CHARS));
    format!("Deploy of {version} to {environment} at {}", date(deploy.began))
}

fn hour(digest: &Digest) -> Hour {
    let bars = bars(&digest.minutes);
    Hour {
        text: histogram(&bars, &['.', ':', '+', '#']),
        html: loud_runs(&bars, digest.rate.usual),
        said: format!("{} in the last hour", count(bars.iter().sum(), "event")),
    }
}

/// Splits the histogram where it begins or ends to be loud. A bar is two minutes wide.
fn loud_runs(bars: &[i64], usual: Option<f64>) -> Vec<(bool, String)> {
    let loud = usual.unwrap_or(0.0) * 2.0 * LOUD_TIMES;
    let signs = histogram(bars, &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']);
    let mut runs: Vec<(bool, String)> = Vec::new();
    for (bar, sign) in bars.iter().zip(signs.chars()) {
        let is_loud = *bar as f64 > loud;
        match runs.last_mut() {
            Some((same, run)) if *same == is_loud => run.push(sign),
            _ => runs.push((is_loud, sign.to_string())),
        }
    }
    runs
}

fn cause(shared: &Shared) -> Cause {
    Cause {
        heading: format!("{} of {} share one frame", number(shared.issues), number(shared.of)),
        place: one_line(&shared.frame.place(), LINE_CHARS),
        source_html: snippet(&shared.frame, 1, SOURCE_CHARS.1),
        source_text: source_text(&snippet(&shared.frame, 1, SOURCE_CHARS.0)),
    }
}

fn row(issue: &TopIssue, head: &Head) -> Row {
    let (ty, value) = match issue.ty.is_empty() {
        true => (&issue.title, ""),
        false => (&issue.ty, issue.value.as_str()),
    };
    Row {
        issue: issue.id,
        kind: format!("{} {}", issue.kind.sign(), issue.kind.word()),
        tone: Tone::of(issue.kind),
        short_id: issue.short_id.clone(),
        ty: one_line(ty, VALUE_CHARS),
        value: one_line(value, VALUE_CHARS),
        place: one_line(&issue.place, VALUE_CHARS),
        events: number(issue.events),
        users: number(issue.users),
        figures: format!("{}, {}", count(issue.events, "event"), count(issue.users, "user")),
        url: head.url(&issue.path()),
    }
}

fn others(digest: &Digest, rest: i64) -> Vec<String> {
    let note =
        |(kind, title): &(Kind, String)| format!("{} {}: {}", kind.sign(), kind.word(), one_line(title, LINE_CHARS));
    let mut others: Vec<String> = digest.notes.iter().map(note).collect();
    if rest > 0 {
        others.push(format!("and {} more", number(rest)));
    }
    others
}

fn of_calm(calm: &Calm, blank: Sheet) -> Sheet {
    let fact = |name: &str, value: String| (name.to_owned(), one_line(&value, LINE_CHARS));
    let mut facts = vec![fact("From", date(calm.began)), fact("Until", date(calm.ended))];
    if let Some(deploy) = &calm.deploy {
        let what = format!("{} to {} at {}", deploy.version, deploy.environment, date(deploy.began));
        facts.push(fact("Deploy", what));
        facts.push(fact("Verdict", format!("{}: {}", deploy.verdict.grade, deploy.verdict.reason)));
    }
    facts.extend(calm.rolled_back_at.map(|at: OffsetDateTime| fact("Rolled back", date(at))));
    Sheet {
        word: "✓ Storm over".to_owned(),
        tone: Tone::Green,
        sentence: format!("{}, {}, {}.", duration(calm.lasted()), count(calm.events, "event"), calm.burst),
        cause: calm.shared.as_ref().map(cause),
        facts,
        button: "Open the list",
        small: "From now on the next issue is told at once again.".to_owned(),
        ..blank
    }
}

fn of_limit(limit: &Limit, blank: Sheet) -> Sheet {
    Sheet {
        word: "Limit".to_owned(),
        tone: Tone::Amber,
        sentence: format!("You get at most {} messages an hour. {} more wait.", limit.per_hour, number(limit.waiting)),
        second: format!("They come in one message from {} on. Nothing is lost.", date(limit.until)),
        button: "See what waits",
        ..blank
    }
}

fn of_note(note: &Note, blank: Sheet) -> Sheet {
    let mut facts = vec![("Since".to_owned(), date(note.at))];
    facts.extend(note.figures.iter().map(|(name, value)| (one_line(name, LINE_CHARS), one_line(value, LINE_CHARS))));
    if let Some(watch) = &note.watch {
        return of_watch(note, watch, Sheet { facts: facts.split_off(1), ..blank });
    }
    let scope = note.project.as_ref().map(|project| ("Project".to_owned(), one_line(&project.name, LINE_CHARS)));
    facts.splice(0..0, scope);
    Sheet {
        word: format!("{} {}", note.kind.sign(), note.kind.word()),
        tone: Tone::of(note.kind),
        sentence: capital(&note.title),
        second: note.sentence.clone(),
        facts,
        button: match note.kind {
            Kind::SpikeStarted | Kind::SpikeEnded => "Watch it live",
            Kind::ReleaseIssues | Kind::Deploy => "Open the release",
            _ => "Open the page",
        },
        ..blank
    }
}

fn of_watch(note: &Note, watch: &Summary, blank: Sheet) -> Sheet {
    let (word, tone) = grade(watch.grade);
    let (version, environment) = (one_line(&watch.version, LINE_CHARS), one_line(&watch.environment, LINE_CHARS));
    let loudest = watch.loudest();
    let rest = watch.of_all(loudest.len());
    Sheet {
        word,
        tone,
        sentence: format!("The watch of {version} in {environment} is over."),
        second: note.sentence.clone(),
        heading: "Most events".to_owned(),
        rows: loudest.into_iter().map(|issue| row(issue, &note.head)).collect(),
        others: (rest > 0).then(|| format!("and {} more", number(rest))).into_iter().collect(),
        button: "Open the deploy",
        ..blank
    }
}

fn of_test(test: &Test, blank: Sheet) -> Sheet {
    Sheet {
        word: "✓ It works".to_owned(),
        tone: Tone::Green,
        sentence: format!(
            "This is a test of the destination “{}” of Firefinch at {}.",
            one_line(&test.destination, LINE_CHARS),
            test.head.base_url
        ),
        facts: vec![("Asked for".to_owned(), date(test.at))],
        button: "Open Firefinch",
        ..blank
    }
}

/// With a capital letter at its start, unless that would change a name: `shop-api@2.34.0`.
fn capital(text: &str) -> String {
    if !text.split(' ').next().is_some_and(|word| word.chars().all(char::is_alphabetic)) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn sheet(message: &Message) -> Sheet {
        Sheet::new(message, "On call").unwrap()
    }

    #[test]
    fn a_storm_says_verdict_cause_and_the_loudest() {
        let storm = sheet(&Message::Digest(samples::storm()));
        assert_eq!((storm.word.as_str(), storm.tone), ("BAD", Tone::Accent));
        assert_eq!(
            storm.sentence,
            "Deploy of shop-api@2.34.0 to production at 22 Nov 2026, 16:40:00 UTC: 37 new issues, 2 regressed issues, 1,940 \
             events a minute where 16 are usual."
        );
        let cause = storm.cause.unwrap();
        assert_eq!((cause.heading.as_str(), cause.source_html.len()), ("31 of 37 share one frame", 3));
        let loud =
            |runs: &[(bool, String)]| runs.iter().map(|(loud, run)| (*loud, run.chars().count())).collect::<Vec<_>>();
        assert_eq!(loud(&storm.hour.unwrap().html), [(false, 27), (true, 3)]);
        assert_eq!(storm.rows.len(), 5);
        assert_eq!(storm.rows[3].kind, "↩ Regressed");
        assert_eq!(storm.others, ["↗ Spike: 1,940 events a minute where 16 are usual", "and 33 more"]);
        assert_eq!(storm.because, "the rule “On call”");
        let update = sheet(&Message::Digest(samples::storm_update()));
        assert_eq!(update.second, "Since the last mail: 14 new issues.");
        let mut alone = samples::storm();
        alone.deploy = None;
        assert_eq!(sheet(&Message::Digest(alone)).word, "STORM");
    }

    #[test]
    fn a_list_is_calm() {
        let list = sheet(&Message::Digest(samples::list()));
        assert_eq!((list.word.as_str(), list.tone, list.rows.len()), ("4 changes", Tone::Ink, 3));
        assert_eq!(list.sentence, "3 new issues, 1 regressed issue since 22 Nov 2026, 16:40:20 UTC.");
    }

    #[test]
    fn ends_limits_notes_and_tests_have_their_words() {
        let calm = sheet(&Message::Calm(samples::calm()));
        assert_eq!(calm.sentence, "29 min, 52,300 events, 51 new issues, 2 regressed issues.");
        assert_eq!(calm.facts.last().unwrap().1, "22 Nov 2026, 17:06:00 UTC");
        let limit = sheet(&Message::Limit(samples::limit()));
        assert_eq!(limit.sentence, "You get at most 60 messages an hour. 212 more wait.");
        assert_eq!(limit.because, "the destination “On call”");
        for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_of_issue()) {
            let note = sheet(&Message::Note(samples::note(kind)));
            assert!(
                (kind == Kind::WatchEnded || note.word.ends_with(kind.word()))
                    && !note.sentence.is_empty()
                    && !note.second.is_empty(),
                "{kind:?}"
            );
        }
        let watch = sheet(&Message::Note(samples::note(Kind::WatchEnded)));
        assert_eq!((watch.word.as_str(), watch.tone, watch.rows.len()), ("BAD", Tone::Accent, 5));
        assert_eq!(watch.others, ["and 34 more"]);
        assert_eq!(capital("the disk is full"), "The disk is full");
        assert_eq!(capital("shop-api@2.34.0 is BAD"), "shop-api@2.34.0 is BAD");
        assert!(sheet(&Message::Test(samples::test())).sentence.contains("On call"));
        assert!(Sheet::new(&Message::Issue(samples::new_issue()), "").is_none());
    }

    #[test]
    fn no_text_of_a_stranger_makes_a_second_line() {
        for (name, message) in samples::all() {
            let Some(sheet) = Sheet::new(&message, "a\r\nb") else { continue };
            let mut texts = vec![sheet.subject, sheet.word, sheet.sentence, sheet.second, sheet.heading, sheet.because];
            texts.extend(sheet.others);
            texts.extend(sheet.facts.into_iter().flat_map(|(name, value)| [name, value]));
            texts.extend(sheet.rows.into_iter().flat_map(|row| [row.ty, row.value, row.place, row.short_id]));
            for text in texts {
                assert!(
                    !text.chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}')),
                    "{name}: {text:?}"
                );
                assert!(text.chars().count() <= SENTENCE_CHARS, "{name}: {text:?}");
            }
        }
    }
}
