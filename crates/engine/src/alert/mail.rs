//! A notice as a mail: subject, threading, and every line of its body, for the templates to lay out.

use time::OffsetDateTime;

use super::sheet::Tone;
use super::snippet::{Line, snippet};
use super::text::{bars, count, date, duration, histogram, one_line};
use super::{Head, Kind, Notice};
use crate::grouping::message;
use crate::title;

/// Characters of a subject. Longer ones are cut by phones anyway; the place at its end must survive.
const SUBJECT_CHARS: usize = 160;

/// Characters of the place in a subject.
const PLACE_CHARS: usize = 60;

/// Characters of the exception's message in the body.
const VALUE_CHARS: usize = 500;

/// Characters of any other line of the body.
const LINE_CHARS: usize = 200;

/// Width of source in the plain text, so that a line with its number fits into 78 columns.
const TEXT_SOURCE_CHARS: usize = 62;

/// Width of source in the HTML, in which 640 pixels hold about this much.
const HTML_SOURCE_CHARS: usize = 66;

/// A mail, ready for the templates.
#[derive(Debug, Clone)]
pub struct Mail {
    /// One line, without control characters.
    pub subject: String,
    /// `New`, `Regressed` or `Escalating`.
    pub word: &'static str,
    /// The sign that goes with the word.
    pub sign: char,
    /// How loud both are.
    pub tone: Tone,
    /// `in shop-web@4.7.1, production`; empty when neither is known.
    pub scope: String,
    /// Exception class, or `Message`.
    pub ty: String,
    /// Its message.
    pub value: String,
    /// Where: the frame, else the culprit.
    pub place: String,
    /// Source for a proportional page with a monospaced well.
    pub source_html: Vec<Line>,
    /// Source for plain text, with the line under it that marks the expression.
    pub source_text: Vec<String>,
    /// Name and value of each fact.
    pub facts: Vec<(&'static str, String)>,
    /// The last hour in characters of plain ASCII.
    pub hour_text: String,
    /// The last hour in block characters, in runs: whether they are above zero, and the characters.
    pub hour_html: Vec<(bool, String)>,
    /// `8 events`.
    pub hour_count: String,
    /// What is said of the deploy that may have brought it.
    pub deploy: Option<Deploy>,
    /// `SHOP-WEB-CW`.
    pub short_id: String,
    /// Page of the issue.
    pub open_url: String,
    /// Why this person gets it: `the rule “On call”`.
    pub because: String,
}

/// A deploy in a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// `TOO EARLY: 4.0 % of the sessions are on shop-web@4.7.1; 5 % are needed.`
    pub said: String,
    /// Page of the release.
    pub url: String,
}

impl Mail {
    /// Writes the mail of `notice`, sent on behalf of the destination that people call `destination`.
    #[must_use]
    pub fn new(notice: &Notice, destination: &str) -> Self {
        let issue = &notice.issue;
        let frame = notice.event.as_ref().and_then(|event| event.frame.as_ref());
        let bars = bars(&issue.minutes);
        Self {
            subject: subject(notice),
            word: notice.kind.word(),
            sign: notice.kind.sign(),
            tone: Tone::of(notice.kind),
            scope: scope(notice),
            ty: if issue.ty.is_empty() { "Message".to_owned() } else { one_line(&issue.ty, LINE_CHARS) },
            value: one_line(&issue.value, VALUE_CHARS),
            place: one_line(&frame.map_or_else(|| issue.culprit.clone(), super::Frame::place), LINE_CHARS),
            source_html: frame.map(|frame| snippet(frame, 2, HTML_SOURCE_CHARS)).unwrap_or_default(),
            source_text: frame.map(|frame| source_text(&snippet(frame, 1, TEXT_SOURCE_CHARS))).unwrap_or_default(),
            facts: facts(notice),
            hour_text: histogram(&bars, &['.', ':', '+', '#']),
            hour_html: runs(&histogram(&bars, &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'])),
            hour_count: count(bars.iter().sum(), "event"),
            deploy: notice.deploy.as_ref().map(|deploy| Deploy {
                said: one_line(&format!("{}: {}", deploy.verdict.grade, deploy.verdict.reason), VALUE_CHARS),
                url: notice.release_url(deploy),
            }),
            short_id: issue.short_id.clone(),
            open_url: notice.issue_url(),
            because: because(&notice.head, destination),
        }
    }
}

/// The id of the mail: one per message, so that a repetition is recognised as one.
#[must_use]
pub fn message_id(head: &Head, domain: &str) -> String {
    format!("<{}.{}@{domain}>", head.thread.key, head.id)
}

/// What all mails of a thread refer to, so that clients show them as one. No mail has this id itself: the thread
/// then holds together also for whoever joins later.
#[must_use]
pub fn thread_id(head: &Head, domain: &str) -> String {
    format!("<{}@{domain}>", head.thread.key)
}

/// `[shop] New: TypeError: cannot read 'id' of undefined (checkout.js in placeOrder)`.
#[must_use]
pub fn subject(notice: &Notice) -> String {
    let event = notice.event.as_ref();
    let frame = event.and_then(|event| event.frame.as_ref());
    // The event that caused this message, not the newest of the issue: its text is what happened.
    // A subject shows on locked screens and in the logs of mail servers, and threads by its words: it says
    // what all events of the issue have in common. The body says what was sent.
    let title = title::cleaned(event.map_or(&notice.issue.title, |event| &event.title), &notice.issue.ty);
    let place = frame.map_or_else(|| culprit(&notice.issue.culprit), super::Frame::short_place);
    let place = match one_line(&place, PLACE_CHARS) {
        place if place.is_empty() => place,
        place => format!(" ({place})"),
    };
    let start = format!("[{}] {}: ", notice.project.slug, notice.kind.word());
    let room = SUBJECT_CHARS.saturating_sub(start.chars().count() + place.chars().count());
    one_line(&format!("{start}{}{place}", one_line(&title, room)), SUBJECT_CHARS)
}

/// A culprit may be the address of a request, with whatever is in its query.
fn culprit(culprit: &str) -> String {
    let path = culprit.split(['?', '#']).next().unwrap_or_default();
    if path.contains('@') { message::template(path) } else { path.to_owned() }
}

fn scope(notice: &Notice) -> String {
    let parts: Vec<String> = [&notice.release, &notice.environment]
        .into_iter()
        .flatten()
        .map(|part| one_line(part, LINE_CHARS))
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() { String::new() } else { format!("in {}", parts.join(", ")) }
}

fn facts(notice: &Notice) -> Vec<(&'static str, String)> {
    let issue = &notice.issue;
    let users = if issue.users > 0 { format!(", {}", count(issue.users, "user")) } else { String::new() };
    let events = format!("{}{users}", count(issue.events, "event"));
    let mut facts = Vec::new();
    match notice.kind {
        Kind::New => {
            let span = issue.last_seen - issue.first_seen;
            let when = if issue.events > 1 { format!("in the first {}", duration(span)) } else { "so far".to_owned() };
            facts.push(("Since", format!("{}{}", date(issue.first_seen), after_deploy(notice, issue.first_seen))));
            facts.push(("How often", format!("{events} {when}")));
        }
        kind => {
            let since = if kind == Kind::Regressed { "Back since" } else { "Since" };
            facts.extend(notice.reason.as_ref().map(|reason| ("Why", one_line(reason, LINE_CHARS))));
            facts.push((since, format!("{}{}", date(notice.at), after_deploy(notice, notice.at))));
            let release = issue.first_release.as_ref().map(|release| format!(" in {}", one_line(release, LINE_CHARS)));
            facts.push(("First seen", format!("{}{}", date(issue.first_seen), release.unwrap_or_default())));
            facts.push(("How often", format!("{events} in all")));
        }
    }
    facts.extend(issue.assignee.as_ref().map(|person| ("Assigned to", one_line(&person.name, LINE_CHARS))));
    if issue.level != "error" {
        facts.push(("Level", one_line(&issue.level, LINE_CHARS)));
    }
    if let Some(event) = &notice.event {
        let lines = [("Request", &event.transaction), ("Host", &event.server_name)];
        facts.extend(lines.into_iter().filter_map(|(name, value)| Some((name, one_line(value.as_ref()?, LINE_CHARS)))));
    }
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// `, 14 s after the deploy`; nothing when it was there before, or there was none.
fn after_deploy(notice: &Notice, at: OffsetDateTime) -> String {
    let since = notice.deploy.as_ref().map(|deploy| at - deploy.began).filter(|since| !since.is_negative());
    since.map(|since| format!(", {} after the deploy", duration(since))).unwrap_or_default()
}

/// What a message was sent by, for the foot of its mail.
pub(super) fn because(head: &Head, destination: &str) -> String {
    match &head.rule {
        Some(rule) => format!("the rule “{}”", one_line(&rule.name, LINE_CHARS)),
        None => format!("the destination “{}”", one_line(destination, LINE_CHARS)),
    }
}

/// `> 88 | code` and, under the failing expression, `^^^^`.
pub(super) fn source_text(lines: &[Line]) -> Vec<String> {
    let width = lines.iter().map(|line| line.number.to_string().len()).max().unwrap_or(1);
    let mut out = Vec::new();
    for line in lines {
        let sign = if line.failing { '>' } else { ' ' };
        let code = format!("{}{}{}", line.text, line.mark, line.rest);
        out.push(format!("{sign} {:>width$} | {code}", line.number).trim_end().to_owned());
        if !line.mark.is_empty() {
            let before = " ".repeat(line.text.chars().count());
            out.push(format!("  {:width$} | {before}{}", "", "^".repeat(line.mark.chars().count())));
        }
    }
    out
}

/// Splits a histogram into runs of nothing and of something.
fn runs(histogram: &str) -> Vec<(bool, String)> {
    let mut runs: Vec<(bool, String)> = Vec::new();
    for char in histogram.chars() {
        let above = char != '▁';
        match runs.last_mut() {
            Some((same, run)) if *same == above => run.push(char),
            _ => runs.push((above, char.to_string())),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn the_subject_says_what_and_where() {
        assert_eq!(
            subject(&samples::new_issue()),
            "[shop-web] New: TypeError: Cannot read properties of undefined (reading 'id') (placeOrder.ts in placeOrder)"
        );
        let mut notice = samples::regressed_issue();
        notice.event = None;
        notice.issue.title = format!("E: {}", "x".repeat(500));
        let cut = subject(&notice);
        assert!(cut.starts_with("[shop-web] Regressed: E: xxx") && cut.ends_with("x… (placeOrder)"), "{cut}");
        assert_eq!(cut.chars().count(), SUBJECT_CHARS);
        notice.issue.culprit = String::new();
        notice.issue.title = "Broken".to_owned();
        assert_eq!(subject(&notice), "[shop-web] Regressed: Broken");
    }

    #[test]
    fn the_subject_gives_nobody_away() {
        let mut notice = samples::new_issue();
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
        let value = format!("mail to ann@example.com from 10.1.2.3 refused: token {token}, code 554");
        notice.issue.ty = "SmtpError".to_owned();
        notice.issue.value = value.clone();
        if let Some(event) = &mut notice.event {
            event.title = format!("SmtpError: {value}");
            event.frame = None;
        }
        notice.issue.culprit = "https://shop.example/reset?mail=ann@example.com&token=abc".to_owned();
        let mail = Mail::new(&notice, "");
        assert_eq!(
            mail.subject,
            "[shop-web] New: SmtpError: mail to * from * refused: token *, code 554 (https://shop.example/reset)"
        );
        assert_eq!(mail.value, value);
        // Class names have digits that are no values.
        assert_eq!(title::cleaned("Http2Error: stream 17 closed", "Http2Error"), "Http2Error: stream * closed");
        assert_eq!(title::cleaned("Http2Error", "Http2Error"), "Http2Error");
        assert_eq!(title::cleaned("job 7 failed", ""), "job * failed");
    }

    #[test]
    fn no_text_of_a_stranger_makes_a_second_line() {
        let notice = samples::hostile_issue();
        let mail = Mail::new(&notice, "a\r\nb");
        let mut texts = vec![mail.subject, mail.scope, mail.ty, mail.value, mail.place, mail.because];
        texts.extend(mail.facts.into_iter().map(|(_, value)| value));
        texts.extend(mail.deploy.into_iter().flat_map(|deploy| [deploy.said, deploy.url]));
        texts.extend(mail.source_text);
        texts.extend(mail.source_html.into_iter().map(|line| line.text));
        for text in texts {
            assert!(!text.chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}')), "{text:?}");
            assert!(text.chars().count() <= VALUE_CHARS, "{text:?}");
        }
    }

    #[test]
    fn facts_differ_by_kind() {
        assert_eq!(
            Mail::new(&samples::new_issue(), "").facts,
            [
                ("Since", "22 Nov 2026, 14:02:14 UTC".to_owned()),
                ("How often", "8 events, 6 users in the first 27 s".to_owned()),
                ("Request", "/checkout".to_owned()),
            ]
        );
        assert_eq!(
            Mail::new(&samples::regressed_issue(), "").facts[..4],
            [
                ("Why", "It came back in shop-web@4.7.1 after it had been resolved in shop-web@4.7.0.".to_owned()),
                ("Back since", "22 Nov 2026, 14:02:14 UTC".to_owned()),
                ("First seen", "3 Oct 2026, 09:00:00 UTC in shop-web@4.7.1".to_owned()),
                ("How often", "12,048 events, 1 user in all".to_owned()),
            ]
        );
    }

    #[test]
    fn a_recent_deploy_is_told_with_its_verdict() {
        let mut notice = samples::deployed_issue();
        let mail = Mail::new(&notice, "");
        assert_eq!(mail.facts[0], ("Since", "22 Nov 2026, 14:02:14 UTC, 14 s after the deploy".to_owned()));
        let deploy = mail.deploy.unwrap();
        assert_eq!(deploy.said, "TOO EARLY: 4.0 % of the sessions are on shop-web@4.7.1; 5 % are needed.");
        assert_eq!(deploy.url, "https://errors.example/projects/shop-web/releases/shop-web@4.7.1");

        notice.issue.first_seen = notice.deploy.as_ref().unwrap().began - time::Duration::SECOND;
        assert_eq!(Mail::new(&notice, "").facts[0].1, "22 Nov 2026, 14:01:59 UTC", "it was there before");
        assert_eq!(Mail::new(&samples::new_issue(), "").deploy, None);
    }

    #[test]
    fn an_escalation_says_its_numbers() {
        let notice = samples::escalating_issue();
        assert!(subject(&notice).starts_with("[shop-web] Escalating: TypeError"));
        let mail = Mail::new(&notice, "");
        assert_eq!(mail.facts[0], ("Why", notice.reason.unwrap()));
        assert_eq!(mail.facts[1], ("Since", "22 Nov 2026, 14:02:14 UTC".to_owned()));
    }

    #[test]
    fn the_failing_expression_is_marked_in_plain_text() {
        let mail = Mail::new(&samples::new_issue(), "");
        assert_eq!(
            mail.source_text,
            [
                "  87 | const method = quote.paymentMethods.find((m) => m.preferred);",
                "> 88 | … .post('/v2/orders', { quote: quote.id, method: method.id });",
                "     |                                                  ^^^^^^^^^",
                "  89 | track('order_placed', { id: order.id, total: order.total });",
            ]
        );
    }

    #[test]
    fn ids_make_a_thread() {
        let notice = samples::new_issue();
        assert_eq!(message_id(&notice.head, "errors.example"), "<issue-412.msg_7@errors.example>");
        assert_eq!(thread_id(&notice.head, "errors.example"), "<issue-412@errors.example>");
        assert_eq!(runs("▁▁▂█▁"), [(false, "▁▁".to_owned()), (true, "▂█".to_owned()), (false, "▁".to_owned())]);
    }
}
