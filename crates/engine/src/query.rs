//! The search language of the issue list: `is:unresolved release:shop@2.* !level:warning timeout`.
//!
//! Owns the syntax and the typed terms; it must not know SQL. All terms must hold. A term is
//! `key:value`, or a bare word or quoted phrase that is looked for in the text of the issue; `!` in
//! front turns it round, quotes keep spaces, `*` stands for any text. What is misspelt is an error
//! that points at the word, not a search that finds nothing.
//!
//! To add a key: a variant of `Filter` (or of one of its field enums), an arm in `parse::filter`,
//! and its condition in `store::issues::search`.

mod parse;
mod value;

use std::fmt;
use std::ops::Range;

use crate::access::Email;

pub use value::{Comparison, Moment, Operator, Pattern};

/// A parsed search. Empty means everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// All of them must hold.
    pub terms: Vec<Term>,
}

impl Query {
    /// Reads a search.
    ///
    /// # Errors
    /// When a term cannot be understood, with the place of the first such term.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        parse::query(text)
    }
}

/// The term that asks for a value of a key, to put into a search; none for what the language cannot say.
#[must_use]
pub fn term(key: &str, value: &str) -> Option<String> {
    let text = format!(r#"{key}:"{}""#, value.replace('"', r#"\""#).replace('*', r"\*"));
    let read = Query::parse(&text).ok()?;
    let [Term { negated: false, filter, .. }] = read.terms.as_slice() else { return None };
    let pattern = match filter {
        Filter::Issue(_, pattern) | Filter::Event(_, pattern) => pattern,
        _ => return None,
    };
    // What people see needs quotes only where words or signs would end it.
    let is_word = !value.is_empty() && value.chars().all(|c| c.is_alphanumeric() || "@._-/+:".contains(c));
    let says = !value.is_empty() && pattern.as_exact() == Some(value);
    says.then(|| if is_word && !value.starts_with([':', '/']) { format!("{key}:{value}") } else { text })
}

impl Query {
    /// Whether a term is about whoever searches, which only a person can ask.
    #[must_use]
    pub fn names_me(&self) -> bool {
        let is_me =
            |filter: &Filter| matches!(filter, Filter::Assigned(Assigned::Me) | Filter::AssignedOrOwned(Assigned::Me));
        self.terms.iter().any(|term| is_me(&term.filter))
    }
}

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// Bytes of the text that it was read from.
    pub span: Range<usize>,
    /// True for `!`.
    pub negated: bool,
    /// The condition itself.
    pub filter: Filter,
}

/// What a term asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// `is:…`
    Is(Is),
    /// A text of the issue itself.
    Issue(IssueField, Pattern),
    /// A text of one of the newest events of the issue.
    Event(EventField, Pattern),
    /// `timesSeen:` and `users:`.
    Count(CountField, Comparison<i64>),
    /// `firstSeen:` and `lastSeen:`.
    Time(TimeField, Comparison<Moment>),
    /// `assigned:…`
    Assigned(Assigned),
    /// `has:attachment` and `has:feedback`.
    Has(Companion),
    /// `assigned_or_suggested:…`: who has it, or whom the ownership rules name.
    AssignedOrOwned(Assigned),
    /// A bare word or phrase.
    Text(Pattern),
}

/// What may come along with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Companion {
    /// Files.
    Attachment,
    /// What people say.
    Feedback,
}

/// Where an issue stands, for `is:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    /// Open.
    Unresolved,
    /// Declared fixed.
    Resolved,
    /// Put aside.
    Ignored,
    /// Open and seen for the first time not long ago.
    New,
    /// Open and known.
    Ongoing,
    /// Open because it came back.
    Regressed,
    /// Open and far more frequent than usual.
    Escalating,
    /// Nothing caught the exception.
    Unhandled,
    /// Somebody has it.
    Assigned,
}

/// Who has an issue, for `assigned:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assigned {
    /// Whoever searches.
    Me,
    /// Nobody.
    Nobody,
    /// The person with this address.
    Person(Email),
}

/// A text column of the issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueField {
    /// `level:`
    Level,
    /// `platform:`
    Platform,
    /// `error.type:`
    Type,
    /// `error.value:`
    Value,
    /// `title:`
    Title,
    /// `culprit:`
    Culprit,
    /// `firstRelease:`
    FirstRelease,
}

/// A text of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventField {
    /// `release:`
    Release,
    /// `environment:`
    Environment,
    /// `dist:`
    Dist,
    /// `transaction:`
    Transaction,
    /// `server_name:`
    ServerName,
    /// `user:` and `user.id:`: the key of the person, `id:42`.
    User,
    /// Any other key: a tag.
    Tag(String),
}

/// A number of the issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountField {
    /// `timesSeen:`
    TimesSeen,
    /// `users:`
    Users,
}

/// A time of the issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeField {
    /// `firstSeen:`
    FirstSeen,
    /// `lastSeen:`
    LastSeen,
}

/// Why a search cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    /// Bytes of the text that are wrong.
    pub span: Range<usize>,
    /// What is wrong, for the person who typed it.
    pub message: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at character {})", self.message, self.span.start + 1)
    }
}

impl std::error::Error for QueryError {}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::{date, datetime};

    fn filters(text: &str) -> Vec<(bool, Filter)> {
        Query::parse(text).unwrap().terms.into_iter().map(|term| (term.negated, term.filter)).collect()
    }

    fn one(text: &str) -> Filter {
        let mut found = filters(text);
        assert_eq!(found.len(), 1, "{text}");
        found.remove(0).1
    }

    #[test]
    fn an_empty_search_has_no_terms() {
        assert_eq!(filters(""), []);
        assert_eq!(filters(" \t\n "), []);
    }

    #[test]
    fn keys_are_read_with_their_values() {
        assert_eq!(one("is:unresolved"), Filter::Is(Is::Unresolved));
        assert_eq!(one("is:muted"), Filter::Is(Is::Ignored));
        assert_eq!(one("level:error"), Filter::Issue(IssueField::Level, Pattern::exact("error")));
        assert_eq!(one("release:shop@1"), Filter::Event(EventField::Release, Pattern::exact("shop@1")));
        assert_eq!(one("user.id:42"), Filter::Event(EventField::User, Pattern::exact("id:42")));
        assert_eq!(one("user:42"), Filter::Event(EventField::User, Pattern::exact("id:42")));
        assert_eq!(one("user:email:a@b.c"), Filter::Event(EventField::User, Pattern::exact("email:a@b.c")));
        assert_eq!(
            one(r#"customer.tier:"very gold""#),
            Filter::Event(EventField::Tag("customer.tier".into()), Pattern::exact("very gold"))
        );
        assert_eq!(filters("has:tier"), [(true, Filter::Event(EventField::Tag("tier".into()), Pattern::exact("")))]);
        assert_eq!(filters("has:attachment"), [(false, Filter::Has(Companion::Attachment))]);
        assert_eq!(filters("!has:feedback"), [(true, Filter::Has(Companion::Feedback))]);
        assert_eq!(filters("!has:user"), [(false, Filter::Event(EventField::User, Pattern::exact("")))]);
        assert_eq!(one("assigned:me"), Filter::Assigned(Assigned::Me));
        assert_eq!(filters("!assigned:none"), [(true, Filter::Assigned(Assigned::Nobody))]);
        let ann = Assigned::Person("ann@shop.example".parse().unwrap());
        assert_eq!(one("assigned:ann@shop.example"), Filter::Assigned(ann));
        assert_eq!(
            filters("is:assigned is:unassigned"),
            [(false, Filter::Is(Is::Assigned)), (false, Filter::Assigned(Assigned::Nobody)),]
        );
        assert_eq!(one("assigned_or_suggested:none"), Filter::AssignedOrOwned(Assigned::Nobody));
        assert!(Query::parse("x !assigned:me").unwrap().names_me());
        assert!(Query::parse("assigned_or_suggested:me").unwrap().names_me());
        assert!(!Query::parse("assigned:none me").unwrap().names_me());
        assert_eq!(one("environment:\"\""), Filter::Event(EventField::Environment, Pattern::exact("")));
    }

    #[test]
    fn numbers_and_times_compare() {
        let count = |operator, value| Filter::Count(CountField::TimesSeen, Comparison { operator, value });
        assert_eq!(one("timesSeen:>100"), count(Operator::Above, 100));
        assert_eq!(one("times_seen:<=7"), count(Operator::AtMost, 7));
        assert_eq!(one("timesSeen:3"), count(Operator::Is, 3));
        let time = |operator, value| Filter::Time(TimeField::FirstSeen, Comparison { operator, value });
        assert_eq!(one("firstSeen:-24h"), time(Operator::AtLeast, Moment::Ago(Duration::hours(24))));
        assert_eq!(one("firstSeen:+2w"), time(Operator::AtMost, Moment::Ago(Duration::weeks(2))));
        assert_eq!(one("firstSeen:>-30m"), time(Operator::Above, Moment::Ago(Duration::minutes(30))));
        assert_eq!(one("firstSeen:2026-11-22"), time(Operator::Is, Moment::Day(date!(2026 - 11 - 22))));
        assert_eq!(
            one("firstSeen:<2026-11-22T10:00:00"),
            time(Operator::Below, Moment::At(datetime!(2026-11-22 10:00 UTC)))
        );
        assert_eq!(
            one("firstSeen:>=2026-11-22T10:00:00+02:00"),
            time(Operator::AtLeast, Moment::At(datetime!(2026-11-22 8:00 UTC)))
        );
    }

    #[test]
    fn words_are_looked_for_and_titles_can_be_pasted() {
        let text = |word: &str| (false, Filter::Text(Pattern::exact(word)));
        assert_eq!(filters("timeout \"two words\""), [text("timeout"), text("two words")]);
        assert_eq!(filters("KeyError: missing"), [text("KeyError:"), text("missing")]);
        assert_eq!(filters("Shop::Cart https://a/b"), [text("Shop::Cart"), text("https://a/b")]);
        assert_eq!(filters("(x) 12:30"), [text("(x)"), text("12:30")]);
        assert_eq!(filters("!boom"), [(true, Filter::Text(Pattern::exact("boom")))]);
        assert_eq!(filters(r#""say \"hi\"""#), [text("say \"hi\"")]);
    }

    #[test]
    fn stars_stand_for_any_text_unless_escaped() {
        let Filter::Event(_, pattern) = one(r"release:shop@2.*") else { panic!("an event field") };
        assert_eq!(pattern.parts(), ["shop@2.", ""]);
        assert_eq!(pattern.as_exact(), None);
        let Filter::Text(pattern) = one(r"a\*b**c") else { panic!("text") };
        assert_eq!(pattern.parts(), ["a*b", "c"]);
    }

    #[test]
    fn errors_point_at_the_word() {
        let error = |text: &str| {
            let error = Query::parse(text).unwrap_err();
            (text[error.span.clone()].to_owned(), error.message)
        };
        let cases = [
            ("x is:unresolvd", "unresolvd"),
            ("is:", "is:"),
            ("has:", "has:"),
            ("level:loud", "loud"),
            ("assigned:", "assigned:"),
            ("x assigned:ann", "ann"),
            ("timesSeen:many", "many"),
            ("timesSeen:>", ">"),
            ("users:>99999999999999999999", ">99999999999999999999"),
            ("firstSeen:yesterday", "yesterday"),
            ("firstSeen:-24y", "-24y"),
            ("firstSeen:-99999999999w", "-99999999999w"),
            ("firstSeen:2026-11-22T10:00:00", "2026-11-22T10:00:00"),
            ("lastSeen:2026-13-01", "2026-13-01"),
            ("a \"b c", "\"b c"),
            ("a OR b", "OR"),
            ("!", "!"),
            ("x release:*a*b*c*d*e*f*", "*a*b*c*d*e*f*"),
        ];
        for (text, place) in cases {
            let (found, message) = error(text);
            assert_eq!(found, place, "{text}: {message}");
            assert!(!message.is_empty());
        }
    }

    #[test]
    fn terms_are_written_as_they_are_read() {
        assert_eq!(term("release", "shop@2.1").as_deref(), Some("release:shop@2.1"));
        assert_eq!(term("plan", "very gold*").as_deref(), Some(r#"plan:"very gold\*""#));
        assert_eq!(term("user", "email:a@b.c").as_deref(), Some("user:email:a@b.c"));
        for (key, value) in [("a b", "x"), ("plan", ""), ("is", "new"), ("user", "42"), ("", "x")] {
            assert_eq!(term(key, value), None, "{key}");
        }
        proptest::proptest!(|(value in "\\PC{0,20}")| {
            if let Some(text) = term("plan", &value) {
                let wanted = Filter::Event(EventField::Tag("plan".into()), Pattern::exact(value));
                proptest::prop_assert_eq!(filters(&text), [(false, wanted)]);
            }
        });
    }

    #[test]
    fn searches_are_bounded() {
        assert!(Query::parse(&"a".repeat(crate::limits::QUERY_CHARS_MAX + 1)).is_err());
        assert!(Query::parse(&"a ".repeat(crate::limits::QUERY_TERMS_MAX + 1)).is_err());
    }

    #[test]
    fn any_text_parses_or_fails_without_panic() {
        proptest::proptest!(|(text in "\\PC{0,60}")| {
            if let Err(error) = Query::parse(&text) {
                proptest::prop_assert!(text.get(error.span).is_some());
            }
        });
        proptest::proptest!(|(text in r#"[!a-z:"*\\ <>=+\-0-9.é@]{0,40}"#)| {
            if let Err(error) = Query::parse(&text) {
                proptest::prop_assert!(text.get(error.span).is_some());
            }
        });
    }
}
