//! Text to terms: words, then keys, then values.

use std::ops::Range;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime};

use super::{
    Assigned, Companion, Comparison, CountField, EventField, Filter, Is, IssueField, Moment, Operator, Pattern,
};
use super::{Query, QueryError, Term, TimeField};
use crate::limits::{QUERY_CHARS_MAX, QUERY_TERMS_MAX, QUERY_WILDCARDS_MAX, TAG_KEY_CHARS_MAX};

const LEVELS: [&str; 5] = ["fatal", "error", "warning", "info", "debug"];

/// A word of the text, quotes removed.
struct Word {
    span: Range<usize>,
    negated: bool,
    key: Option<String>,
    value: String,
    value_span: Range<usize>,
    quoted: bool,
}

pub(super) fn query(text: &str) -> Result<Query, QueryError> {
    if let Some((end, _)) = text.char_indices().nth(QUERY_CHARS_MAX) {
        return Err(error(end..text.len(), format!("A search has at most {QUERY_CHARS_MAX} characters")));
    }
    let mut terms = Vec::new();
    let mut rest = 0;
    while let Some(word) = next_word(text, rest)? {
        rest = word.span.end;
        if terms.len() == QUERY_TERMS_MAX {
            return Err(error(word.span, format!("A search has at most {QUERY_TERMS_MAX} terms")));
        }
        terms.push(term(text, word)?);
    }
    Ok(Query { terms })
}

fn next_word(text: &str, from: usize) -> Result<Option<Word>, QueryError> {
    let tail = text.get(from..).unwrap_or_default();
    let start = from + (tail.len() - tail.trim_start().len());
    let tail = tail.trim_start();
    if tail.is_empty() {
        return Ok(None);
    }
    let negated = tail.starts_with('!');
    let body = start + usize::from(negated);
    let body_text = text.get(body..).unwrap_or_default();
    let key = key_of(body_text);
    let value_start = key.map_or(body, |key| body + key.len() + 1);
    let value_text = text.get(value_start..).unwrap_or_default();
    let quoted = value_text.starts_with('"');
    let (value, length) = if quoted {
        unquote(value_text).ok_or_else(|| error(value_start..text.len(), "This quotation mark is never closed"))?
    } else {
        let end = value_text.find(char::is_whitespace).unwrap_or(value_text.len());
        (value_text.get(..end).unwrap_or_default().to_owned(), end)
    };
    let value_span = value_start..value_start + length;
    let key = key.map(str::to_owned);
    Ok(Some(Word { span: start..value_span.end, negated, key, value, value_span, quoted }))
}

/// The key in front of the first colon. Not every colon makes a key: `KeyError: text`,
/// `Shop::Cart`, `http://…` and `12:30` are text that people paste.
fn key_of(body: &str) -> Option<&str> {
    let (key, value) = body.split_once(':')?;
    let known = is_known(key);
    let is_key = key.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && key.len() <= TAG_KEY_CHARS_MAX
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    let value_is_text = value.is_empty() || value.starts_with(char::is_whitespace) || value.starts_with(':');
    (is_key && (known || !(value_is_text || value.starts_with("//")))).then_some(key)
}

/// Reads a quoted value; also tells how many bytes it took, quotes included.
fn unquote(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((index, char)) = chars.next() {
        match char {
            '"' => return Some((value, index + 1)),
            '\\' => value.push(chars.next_if(|(_, next)| *next == '"').map_or(char, |(_, next)| next)),
            char => value.push(char),
        }
    }
    None
}

fn is_known(key: &str) -> bool {
    const KNOWN: [&str; 22] = [
        "assigned_or_suggested",
        "assigned",
        "env",
        "has",
        "firstRelease",
        "times_seen",
        "is",
        "level",
        "platform",
        "release",
        "environment",
        "dist",
        "transaction",
        "user",
        "title",
        "culprit",
        "firstSeen",
        "lastSeen",
        "timesSeen",
        "users",
        "first_seen",
        "last_seen",
    ];
    KNOWN.contains(&key)
}

fn term(text: &str, word: Word) -> Result<Term, QueryError> {
    // `has:browser` is the opposite of a browser that is empty.
    if word.key.as_deref() == Some("has") && !word.value.is_empty() {
        let companion = match word.value.as_str() {
            "attachment" | "attachments" => Some(Companion::Attachment),
            "feedback" => Some(Companion::Feedback),
            _ => None,
        };
        if let Some(companion) = companion {
            return Ok(Term { span: word.span, negated: word.negated, filter: Filter::Has(companion) });
        }
        let filter = Filter::Event(event_field(&word.value), Pattern::exact(""));
        return Ok(Term { span: word.span, negated: !word.negated, filter });
    }
    Ok(Term { filter: filter(text, &word)?, span: word.span, negated: word.negated })
}

fn event_field(key: &str) -> EventField {
    match key {
        "release" => EventField::Release,
        "environment" | "env" => EventField::Environment,
        "dist" => EventField::Dist,
        "transaction" => EventField::Transaction,
        "server_name" => EventField::ServerName,
        "user" => EventField::User,
        tag => EventField::Tag(tag.to_owned()),
    }
}

fn filter(text: &str, word: &Word) -> Result<Filter, QueryError> {
    let Some(key) = word.key.as_deref() else {
        return free_text(word).map(Filter::Text);
    };
    if word.value.is_empty() && !word.quoted {
        return Err(error(word.span.clone(), format!("{key}: needs a value")));
    }
    Ok(match key {
        "is" if word.value == "unassigned" => Filter::Assigned(Assigned::Nobody),
        "is" => Filter::Is(is(word)?),
        "assigned" => Filter::Assigned(assigned(word)?),
        "assigned_or_suggested" => Filter::AssignedOrOwned(assigned(word)?),
        "level" => Filter::Issue(IssueField::Level, level(word)?),
        "platform" => Filter::Issue(IssueField::Platform, pattern(word)?),
        "error.type" => Filter::Issue(IssueField::Type, pattern(word)?),
        "error.value" | "message" => Filter::Issue(IssueField::Value, pattern(word)?),
        "title" => Filter::Issue(IssueField::Title, pattern(word)?),
        "culprit" => Filter::Issue(IssueField::Culprit, pattern(word)?),
        "firstRelease" | "first_release" => Filter::Issue(IssueField::FirstRelease, pattern(word)?),
        "user" => Filter::Event(EventField::User, user(word)?),
        "user.id" => Filter::Event(EventField::User, pattern(word)?.prefixed("id:")),
        "timesSeen" | "times_seen" => Filter::Count(CountField::TimesSeen, count(text, word)?),
        "users" => Filter::Count(CountField::Users, count(text, word)?),
        "firstSeen" | "first_seen" => Filter::Time(TimeField::FirstSeen, time(word)?),
        "lastSeen" | "last_seen" => Filter::Time(TimeField::LastSeen, time(word)?),
        key => Filter::Event(event_field(key), pattern(word)?),
    })
}

fn free_text(word: &Word) -> Result<Pattern, QueryError> {
    if word.value.is_empty() {
        return Err(error(word.span.clone(), "There is nothing to look for here"));
    }
    if !word.quoted && matches!(word.value.as_str(), "OR" | "AND") {
        let message = "All terms must hold; OR and AND are not understood. Quote the word to look for it";
        return Err(error(word.value_span.clone(), message));
    }
    pattern(word)
}

fn is(word: &Word) -> Result<Is, QueryError> {
    Ok(match word.value.as_str() {
        "unresolved" | "open" => Is::Unresolved,
        "resolved" => Is::Resolved,
        "ignored" | "muted" | "archived" => Is::Ignored,
        "new" => Is::New,
        "ongoing" => Is::Ongoing,
        "regressed" => Is::Regressed,
        "escalating" => Is::Escalating,
        "unhandled" => Is::Unhandled,
        "assigned" => Is::Assigned,
        _ => {
            let message = "is: takes unresolved, resolved, ignored, new, ongoing, regressed, escalating, unhandled, assigned or unassigned";
            return Err(error(word.value_span.clone(), message));
        }
    })
}

fn assigned(word: &Word) -> Result<Assigned, QueryError> {
    match word.value.as_str() {
        "me" => Ok(Assigned::Me),
        "none" | "nobody" => Ok(Assigned::Nobody),
        address => address.parse().map(Assigned::Person).map_err(|_| {
            error(
                word.value_span.clone(),
                format!(
                    "{}: takes me, none or the e-mail address of a person",
                    word.key.as_deref().unwrap_or_default()
                ),
            )
        }),
    }
}

fn level(word: &Word) -> Result<Pattern, QueryError> {
    let level = if word.value == "critical" { "fatal" } else { word.value.as_str() };
    if LEVELS.contains(&level) {
        return Ok(Pattern::exact(level));
    }
    Err(error(word.value_span.clone(), format!("level: takes {}", LEVELS.join(", "))))
}

/// `user:42` means the id; the other kinds are written out, as in `user:email:a@b.c`.
fn user(word: &Word) -> Result<Pattern, QueryError> {
    const KINDS: [&str; 4] = ["id:", "username:", "email:", "ip:"];
    let pattern = pattern(word)?;
    let has_kind = KINDS.iter().any(|kind| word.value.starts_with(kind)) || word.value.starts_with('*');
    Ok(if has_kind || word.value.is_empty() { pattern } else { pattern.prefixed("id:") })
}

fn pattern(word: &Word) -> Result<Pattern, QueryError> {
    let pattern = Pattern::read(&word.value);
    if pattern.parts().len() > QUERY_WILDCARDS_MAX + 1 {
        return Err(error(word.value_span.clone(), format!("A value has at most {QUERY_WILDCARDS_MAX} stars")));
    }
    Ok(pattern)
}

/// Splits `>=12` into its operator and the rest.
fn operator(value: &str) -> (Option<Operator>, &str) {
    for (sign, operator) in [
        (">=", Operator::AtLeast),
        ("<=", Operator::AtMost),
        (">", Operator::Above),
        ("<", Operator::Below),
        ("=", Operator::Is),
    ] {
        if let Some(rest) = value.strip_prefix(sign) {
            return (Some(operator), rest);
        }
    }
    (None, value)
}

fn count(text: &str, word: &Word) -> Result<Comparison<i64>, QueryError> {
    let (operator, digits) = operator(&word.value);
    match digits.parse::<i64>() {
        Ok(value) if value >= 0 => Ok(Comparison { operator: operator.unwrap_or(Operator::Is), value }),
        _ => {
            let key = text.get(word.span.start..word.value_span.start).unwrap_or_default().trim_start_matches('!');
            Err(error(word.value_span.clone(), format!("{key} takes a number, as in {key}>100")))
        }
    }
}

fn time(word: &Word) -> Result<Comparison<Moment>, QueryError> {
    let wrong = |message: &str| error(word.value_span.clone(), message);
    let (operator, value) = operator(&word.value);
    if let Some(ago) = relative(value) {
        // `-24h` alone means "within the last 24 hours", `+24h` "longer ago than that".
        let alone = if value.starts_with('+') { Operator::AtMost } else { Operator::AtLeast };
        return Ok(Comparison { operator: operator.unwrap_or(alone), value: Moment::Ago(ago) });
    }
    let operator = operator.unwrap_or(Operator::Is);
    if let Ok(day) = Date::parse(value, format_description!("[year]-[month]-[day]")) {
        return Ok(Comparison { operator, value: Moment::Day(day) });
    }
    let Some(at) = absolute(value) else {
        return Err(wrong("A time is -24h, +7d (units m, h, d, w), 2026-11-22 or 2026-11-22T10:00:00Z"));
    };
    if operator == Operator::Is {
        return Err(wrong("Put >, >=, < or <= in front of an exact time"));
    }
    Ok(Comparison { operator, value: Moment::At(at) })
}

fn relative(value: &str) -> Option<Duration> {
    let value = value.strip_prefix(['-', '+'])?;
    let unit = value.chars().next_back()?;
    let number: i32 = value.strip_suffix(unit)?.parse().ok().filter(|number| *number >= 0)?;
    let number = i64::from(number);
    let seconds = match unit {
        's' => number,
        'm' => number * 60,
        'h' => number * 3600,
        'd' => number * 86_400,
        'w' => number * 604_800,
        _ => return None,
    };
    // A thousand years would leave the range that dates have.
    (seconds < 1000 * 366 * 86_400).then(|| Duration::seconds(seconds))
}

fn absolute(value: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value, &Rfc3339).ok().or_else(|| {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
        PrimitiveDateTime::parse(value, format).ok().map(PrimitiveDateTime::assume_utc)
    })
}

fn error(span: Range<usize>, message: impl Into<String>) -> QueryError {
    QueryError { span, message: message.into() }
}
