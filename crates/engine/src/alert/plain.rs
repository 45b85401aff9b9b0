//! Any message in a subject and a few plain lines: what the simplest receiver shows, and the plain part of mails that
//! have no layout of their own.

use time::OffsetDateTime;

use super::mail;
use super::text::{count, date, duration, number, one_line};
use super::{Calm, Counts, Deploy, Digest, Limit, Message, Note, Project, Rate, Shared, TopIssue};

/// Characters of a subject.
const SUBJECT_CHARS: usize = 160;

/// Characters of a line.
const LINE_CHARS: usize = 300;

/// One line that says what happened and where.
#[must_use]
pub fn subject(message: &Message) -> String {
    let text = match message {
        Message::Issue(notice) => return mail::subject(notice),
        Message::Digest(digest) => digest_subject(digest),
        Message::Calm(calm) => format!("Storm over after {}: {}", duration(calm.lasted()), calm.burst),
        Message::Limit(limit) => {
            format!("Limit of {} messages an hour reached, {} more wait", limit.per_hour, number(limit.waiting))
        }
        Message::Note(note) => format!("{}: {}", note.kind.word(), note.title),
        Message::Test(_) => return "Firefinch: a test".to_owned(),
    };
    one_line(&format!("{}{text}", prefix(message.project())), SUBJECT_CHARS)
}

/// `[shop] `; of the instance where there is no project.
fn prefix(project: Option<&Project>) -> String {
    format!("[{}] ", project.map_or("Firefinch", |project| &project.slug))
}

fn digest_subject(digest: &Digest) -> String {
    if !digest.storm {
        return digest.counts.to_string();
    }
    let since = digest.deploy.as_ref().map(|deploy| format!(" since {}", deploy.version)).unwrap_or_default();
    let update = if digest.is_update() { format!(" (update {})", digest.update) } else { String::new() };
    format!("Storm: {}{since}, {} events a minute{update}", digest.burst, whole(digest.rate.per_minute))
}

/// The message in lines of text; an empty one separates paragraphs.
#[must_use]
pub fn lines(message: &Message) -> Vec<String> {
    let mut lines = match message {
        Message::Issue(notice) => {
            let mut lines = vec![notice.issue.title.clone(), notice.issue.culprit.clone()];
            lines.extend(notice.reason.clone());
            lines
        }
        Message::Digest(digest) => digest_lines(digest),
        Message::Calm(calm) => calm_lines(calm),
        Message::Limit(limit) => limit_lines(limit),
        Message::Note(note) => note_lines(note),
        Message::Test(test) => vec![format!(
            "This is a test of the destination \"{}\" of Firefinch at {}.",
            test.destination, test.head.base_url
        )],
    };
    for line in &mut lines {
        *line = clean(line);
    }
    if !matches!(message, Message::Test(_)) {
        lines.extend([String::new(), message.url()]);
    }
    lines
}

/// One line, with the two spaces with which a line of a list begins.
fn clean(line: &str) -> String {
    let indent = if line.starts_with("  ") { "  " } else { "" };
    format!("{indent}{}", one_line(line, LINE_CHARS))
}

fn digest_lines(digest: &Digest) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(digest.deploy.as_ref().map(deploy_line));
    if digest.storm {
        lines.push(format!("{} since {}, {}.", digest.burst, date(digest.began), rate(digest.rate)));
    }
    if digest.is_update() {
        lines.push(format!("Since the last message: {}.", digest.counts));
    }
    lines.extend(shared(digest.shared.as_ref()));
    lines.push(String::new());
    lines.extend(digest.top.iter().flat_map(top));
    let named = Counts(digest.top.iter().map(|issue| (issue.kind, 1)).collect()).total();
    let more = digest.burst.total() - named - i64::try_from(digest.notes.len()).unwrap_or(0);
    lines.extend(digest.notes.iter().map(|(kind, title)| format!("  {} {}: {title}", kind.sign(), kind.word())));
    if more > 0 {
        lines.push(format!("  and {} more", number(more)));
    }
    lines
}

fn top(issue: &TopIssue) -> [String; 1] {
    let users = if issue.users > 0 { format!(", {}", count(issue.users, "user")) } else { String::new() };
    let (sign, short, title) = (issue.kind.sign(), &issue.short_id, &issue.title);
    let title = one_line(title, LINE_CHARS / 2);
    [format!("  {sign} {short} {title} ({}), {}{users}", issue.place, count(issue.events, "event"))]
}

fn calm_lines(calm: &Calm) -> Vec<String> {
    let mut lines = vec![format!(
        "Storm over at {}: {}, {}, {}.",
        date(calm.ended),
        duration(calm.lasted()),
        count(calm.events, "event"),
        calm.burst
    )];
    lines.extend(shared(calm.shared.as_ref()));
    lines.extend(calm.deploy.as_ref().map(deploy_line));
    lines.extend(calm.rolled_back_at.map(|at: OffsetDateTime| format!("Rolled back at {}.", date(at))));
    lines
}

fn limit_lines(limit: &Limit) -> Vec<String> {
    vec![
        format!("You get at most {} messages an hour. {} more wait.", limit.per_hour, number(limit.waiting)),
        format!("They come in one message from {} on; nothing is lost. All are listed here:", date(limit.until)),
    ]
}

fn note_lines(note: &Note) -> Vec<String> {
    let mut lines = vec![note.title.clone(), note.sentence.clone(), String::new()];
    lines.extend(note.figures.iter().map(|(name, value)| format!("  {name}: {value}")));
    if let Some(watch) = &note.watch {
        lines.push(String::new());
        lines.extend(watch.loudest().into_iter().flat_map(top));
    }
    lines
}

fn deploy_line(deploy: &Deploy) -> String {
    let (release, environment, at) = (&deploy.version, &deploy.environment, date(deploy.began));
    let verdict = &deploy.verdict;
    format!("{}: deploy of {release} to {environment} at {at}. {}", verdict.grade, verdict.reason)
}

fn shared(shared: Option<&Shared>) -> Option<String> {
    let shared = shared?;
    Some(format!("{} of {} share one frame: {}.", shared.issues, shared.of, shared.frame.place()))
}

pub(super) fn rate(rate: Rate) -> String {
    let usual = rate.usual.map(|usual| format!(" where {} are usual", whole(usual))).unwrap_or_default();
    format!("{} events a minute{usual}", whole(rate.per_minute))
}

/// `1,940`; below ten with one digit after the point.
fn whole(figure: f64) -> String {
    if figure.abs() < 10.0 && figure.fract() != 0.0 {
        return format!("{figure:.1}");
    }
    number(figure.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn subjects_say_what_happened() {
        let subject = |message| subject(&message);
        assert_eq!(subject(Message::Digest(samples::list())), "[shop-api] 2 new issues, 1 regressed issue");
        assert_eq!(
            subject(Message::Digest(samples::storm())),
            "[shop-api] Storm: 37 new issues, 2 regressed issues since shop-api@2.34.0, 1,940 events a minute"
        );
        assert!(subject(Message::Digest(samples::storm_update())).ends_with("1,940 events a minute (update 1)"));
        assert_eq!(
            subject(Message::Calm(samples::calm())),
            "[shop-api] Storm over after 29 min: 51 new issues, 2 regressed issues"
        );
        assert_eq!(
            subject(Message::Limit(samples::limit())),
            "[Firefinch] Limit of 60 messages an hour reached, 212 more wait"
        );
        assert_eq!(
            subject(Message::Note(samples::note(super::super::Kind::Trouble))),
            "[Firefinch] Trouble: the disk is nearly full"
        );
    }

    #[test]
    fn a_storm_says_cause_figures_and_what_is_not_named() {
        let lines = lines(&Message::Digest(samples::storm()));
        assert_eq!(
            lines[..3],
            [
                "BAD: deploy of shop-api@2.34.0 to production at 22 Nov 2026, 16:40:00 UTC. 37 new issues, 2 came back, \
                 1,940 events a minute where 16 are usual.",
                "37 new issues, 2 regressed issues since 22 Nov 2026, 16:40:20 UTC, 1,940 events a minute where 16 are usual.",
                "31 of 37 share one frame: acquire in shop/db/pool.py, line 88.",
            ]
        );
        assert_eq!(
            lines[4],
            "  ✱ SHOP-API-1 OperationalError: remaining connection slots are reserved (shop/db/pool.py:88), 3,120 events, \
             1,204 users"
        );
        assert!(lines.contains(&"  and 33 more".to_owned()), "{lines:#?}");
        assert_eq!(lines.last().unwrap(), "https://errors.example/live?project=shop-api");
    }

    #[test]
    fn every_form_is_bounded_lines_without_control_characters() {
        for (name, message) in samples::all() {
            let mut all = lines(&message);
            all.push(subject(&message));
            for line in all {
                assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{name}: {line:?}");
                assert!(line.chars().count() <= LINE_CHARS + 2, "{name}: {line:?}");
            }
        }
    }
}
