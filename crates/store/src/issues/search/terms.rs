//! Terms of the search language as SQL conditions, every value bound.

use engine::ids::UserId;
use engine::query::{
    Assigned, Companion, Comparison, CountField, EventField, Filter, Is, IssueField, Moment, Operator, Pattern, Query,
    Term, TimeField,
};
use sqlx::{Postgres, QueryBuilder};
use time::{Duration, OffsetDateTime, Time};

use super::IssueSearch;
use crate::facets::Facet;
use crate::lifecycle;

const STATUSES: [&str; 3] = ["unresolved", "resolved", "ignored"];

/// True when the choice of index walks answers the term completely: which statuses and substatuses, and whose issues. Those
/// that nobody has are most, and are looked for row by row.
pub(super) fn is_decided_by_walk(term: &Term) -> bool {
    match term.filter {
        Filter::Is(Is::Unresolved | Is::Resolved | Is::Ignored) => true,
        Filter::Is(Is::New | Is::Regressed | Is::Escalating) => !term.negated,
        Filter::Assigned(Assigned::Me | Assigned::Person(_)) => !term.negated,
        _ => false,
    }
}

/// Conditions that choose the rows of a walk, on the row `i`: those of one person are in list order in `issues_by_assignee`,
/// those of a state that few have in `issues_by_substatus` and `issues_all_by_substatus`. What was seen since some time is
/// where every walk begins.
pub(super) fn push_walk_terms(sql: &mut QueryBuilder<Postgres>, search: &IssueSearch<'_>) {
    for term in search.query.terms.iter().filter(|term| !term.negated) {
        match &term.filter {
            Filter::Assigned(assigned) if is_decided_by_walk(term) => {
                sql.push(" and ");
                push_assigned(sql, assigned, search.me);
            }
            Filter::Is(is) if is_decided_by_walk(term) => drop(sql.push(" and ").push(substatus(*is))),
            // An issue that began since then was seen since then.
            Filter::Time(_, comparison) => {
                if let Some(since) = since(comparison, search.now) {
                    sql.push(" and i.seen_slot >= ").push_bind(since.unix_timestamp().div_euclid(10));
                }
            }
            _ => {}
        }
    }
}

/// The time before which nothing fits.
fn since(comparison: &Comparison<Moment>, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let is_lower_bound = matches!(comparison.operator, Operator::Is | Operator::Above | Operator::AtLeast);
    is_lower_bound.then(|| match comparison.value {
        Moment::At(at) => at,
        Moment::Ago(ago) => now.checked_sub(ago).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        Moment::Day(day) => day.with_time(Time::MIDNIGHT).assume_utc(),
    })
}

/// Free text that an index can find, as operands of `like`: it knows words by three letters of them.
pub(super) fn words(query: &Query) -> Vec<String> {
    let has_three_letters =
        |part: &String| part.split(|c: char| !c.is_alphanumeric()).any(|word| word.chars().count() >= 3);
    query
        .terms
        .iter()
        .filter(|term| !term.negated)
        .filter_map(|term| match &term.filter {
            Filter::Text(pattern) if pattern.parts().iter().any(has_three_letters) => Some(anywhere(pattern)),
            _ => None,
        })
        .collect()
}

/// Conditions that the index of all texts answers, on the row `i`. A pattern with a star may fit over the end of a column:
/// the terms themselves are decided beside it.
pub(super) fn push_words(sql: &mut QueryBuilder<Postgres>, words: &[String]) {
    for word in words {
        sql.push(r" and (i.title || E'\n' || i.value || E'\n' || i.culprit || E'\n' || i.location) ilike ");
        sql.push_bind(word.clone());
    }
}

/// True when the term is held against events.
pub(super) fn is_about_events(term: &Term) -> bool {
    matches!(term.filter, Filter::Event(..))
}

/// The statuses that the terms leave.
pub(super) fn statuses(terms: &[Term]) -> Vec<&'static str> {
    let fits = |status: &str, term: &Term| {
        let wanted = match term.filter {
            Filter::Is(Is::Resolved) => "resolved",
            Filter::Is(Is::Ignored) => "ignored",
            Filter::Is(Is::Unresolved) => "unresolved",
            // Only open issues are new, ongoing, regressed or escalating; the opposite says nothing of the status.
            Filter::Is(Is::New | Is::Ongoing | Is::Regressed | Is::Escalating) if !term.negated => "unresolved",
            _ => return true,
        };
        (status == wanted) != term.negated
    };
    STATUSES.into_iter().filter(|status| terms.iter().all(|term| fits(status, term))).collect()
}

/// One condition over all terms about the issue itself, on the row `i`.
pub(super) fn push_issue_terms(sql: &mut QueryBuilder<Postgres>, search: &IssueSearch<'_>) {
    sql.push("true");
    for term in search.query.terms.iter().filter(|term| !is_about_events(term) && !is_decided_by_walk(term)) {
        push_negatable(sql, term, |sql| match &term.filter {
            Filter::Assigned(assigned) => push_assigned(sql, assigned, search.me),
            Filter::AssignedOrOwned(assigned) => push_assigned_or_owned(sql, assigned, search.me),
            filter => push_issue_term(sql, filter, search.now),
        });
    }
}

/// Looked for row by row: the owners of an issue are few, and found by its key.
fn push_assigned_or_owned(sql: &mut QueryBuilder<Postgres>, assigned: &Assigned, me: Option<UserId>) {
    const OF_ISSUE: &str = "exists (select from issue_owners o where o.project_id = i.project_id and o.issue_id = i.id";
    push_assigned(sql, assigned, me);
    match assigned {
        Assigned::Nobody => drop(sql.push(" and not ").push(OF_ISSUE)),
        Assigned::Me => {
            sql.push(" or ").push(OF_ISSUE).push(" and o.user_id = ").push_bind(me.map(UserId::get));
        }
        Assigned::Person(email) => {
            sql.push(" or ").push(OF_ISSUE).push(" and o.user_id = (select id from users where lower(email) = lower(");
            sql.push_bind(email.as_str().to_owned()).push("))");
        }
    }
    sql.push(")");
}

fn push_assigned(sql: &mut QueryBuilder<Postgres>, assigned: &Assigned, me: Option<UserId>) {
    match assigned {
        Assigned::Me => drop(sql.push("i.assigned_user_id = ").push_bind(me.map(UserId::get))),
        Assigned::Nobody => drop(sql.push("i.assigned_user_id is null")),
        Assigned::Person(email) => {
            sql.push("i.assigned_user_id = (select id from users where lower(email) = lower(");
            sql.push_bind(email.as_str().to_owned()).push("))");
        }
    }
}

/// Conditions of all terms about events, on the row `e`.
pub(super) fn push_event_terms(sql: &mut QueryBuilder<Postgres>, query: &Query) {
    for term in &query.terms {
        if let Filter::Event(field, pattern) = &term.filter {
            push_negatable(sql, term, |sql| push_event_term(sql, field, pattern));
        }
    }
}

/// A value that the events of an issue must have had, where that is known without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// See `facets`.
    Value(Facet),
    /// See `issue_users`.
    User([u8; 16]),
}

/// What the terms about events ask for, as far as it is known without them; and whether that is all of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    pub(super) all: Vec<Mark>,
    pub(super) decide: bool,
}

impl Marks {
    /// Of terms that ask for one exact value.
    pub(super) fn of(query: &Query) -> Self {
        let terms = query.terms.iter().filter(|term| is_about_events(term));
        let exact: Vec<(&EventField, &str)> = terms.clone().filter_map(exact).collect();
        let value = |wanted| exact.iter().find(|(field, _)| **field == wanted).map(|(_, value)| *value);
        let release_in = value(EventField::Release).zip(value(EventField::Environment));
        let mut all: Vec<Mark> = exact
            .iter()
            .map(|(field, value)| {
                Facet::of(field, value).map_or_else(|| Mark::User(lifecycle::user_hash(value)), Mark::Value)
            })
            .collect();
        all.extend(release_in.map(|(release, place)| Mark::Value(Facet::of_release_in(release, place))));
        Self { decide: exact.len() == terms.count(), all }
    }
}

/// Field and value of a term that asks for one.
fn exact(term: &Term) -> Option<(&EventField, &str)> {
    match &term.filter {
        Filter::Event(field, pattern) if !term.negated => {
            pattern.as_exact().filter(|value| !value.is_empty()).map(|value| (field, value))
        }
        _ => None,
    }
}

/// Conditions that an issue on the row `i` has all of these, or may have.
pub(super) fn push_marks(sql: &mut QueryBuilder<Postgres>, marks: &[Mark]) {
    for mark in marks {
        sql.push(" and ");
        push_mark(sql, mark, true);
    }
}

/// The limit keeps these probes of a key: as `exists`, PostgreSQL hashes every issue that has the value instead.
fn push_mark(sql: &mut QueryBuilder<Postgres>, mark: &Mark, or_maybe: bool) {
    sql.push("coalesce((select true from ");
    match mark {
        Mark::Value(facet) => {
            sql.push("issue_facets f where f.project_id = i.project_id and f.issue_id = i.id");
            sql.push(" and f.facet in (").push_bind(facet.value);
            if or_maybe {
                sql.push(", ").push_bind(facet.field);
            }
            sql.push(")");
        }
        Mark::User(hash) => {
            sql.push("issue_users u where u.project_id = i.project_id and u.issue_id = i.id");
            sql.push(" and u.user_hash = ").push_bind(hash.to_vec());
        }
    }
    sql.push(" limit 1), false)");
}

/// The issues of the project `p` that have a mark, or may have it.
pub(super) fn push_having(sql: &mut QueryBuilder<Postgres>, mark: &Mark) {
    match mark {
        Mark::Value(facet) => {
            sql.push("select f.issue_id from issue_facets f where f.project_id = p.id and f.facet in (");
            sql.push_bind(facet.value).push(", ").push_bind(facet.field).push(")");
        }
        Mark::User(hash) => {
            sql.push("select u.issue_id from issue_users u where u.project_id = p.id and u.user_hash = ");
            sql.push_bind(hash.to_vec());
        }
    }
}

/// Whether an issue on the row `i` fits all terms about events without a look at these: what it ever had is known, and the
/// releases that it began in and was last seen in.
pub(super) fn push_known(sql: &mut QueryBuilder<Postgres>, query: &Query, marks: &Marks) {
    let terms: Vec<&Term> = query.terms.iter().filter(|term| is_about_events(term)).collect();
    if marks.decide && !marks.all.is_empty() {
        for (index, mark) in marks.all.iter().enumerate() {
            sql.push(if index == 0 { "" } else { " and " });
            push_mark(sql, mark, false);
        }
    } else if let [Term { negated: false, filter: Filter::Event(EventField::Release, pattern), .. }] = terms.as_slice()
    {
        sql.push("coalesce(");
        push_pattern(sql, "i.first_release", pattern);
        sql.push(" or ");
        push_pattern(sql, "i.last_release", pattern);
        sql.push(", false)");
    } else {
        sql.push("false");
    }
}

/// One term about the event on the row `e`, for lists of events; see `events::is_searchable`.
pub(crate) fn push_of_event(sql: &mut QueryBuilder<Postgres>, term: &Term) {
    push_negatable(sql, term, |sql| match &term.filter {
        Filter::Event(field, pattern) => push_event_term(sql, field, pattern),
        Filter::Issue(IssueField::Level, pattern) => push_pattern(sql, "e.level", pattern),
        Filter::Issue(IssueField::Platform, pattern) => push_pattern(sql, "e.platform", pattern),
        Filter::Issue(IssueField::Culprit, pattern) => push_pattern(sql, "e.culprit", pattern),
        Filter::Issue(_, pattern) | Filter::Text(pattern) => {
            let like = anywhere(pattern);
            sql.push("e.title ilike ").push_bind(like.clone()).push(" or e.transaction ilike ").push_bind(like);
        }
        Filter::Has(companion) => {
            sql.push("exists (select from ").push(table(*companion));
            sql.push(" c where c.project_id = e.project_id and c.event_id = e.event_id)");
        }
        Filter::Is(_) | Filter::Count(..) | Filter::Time(..) | Filter::Assigned(_) | Filter::AssignedOrOwned(_) => {
            sql.push("true");
        }
    });
}

const fn table(companion: Companion) -> &'static str {
    match companion {
        Companion::Attachment => "attachments",
        Companion::Feedback => "feedback",
    }
}

/// What is unknown does not fit, and so fits the opposite.
fn push_negatable(sql: &mut QueryBuilder<Postgres>, term: &Term, condition: impl FnOnce(&mut QueryBuilder<Postgres>)) {
    sql.push(if term.negated { " and not coalesce((" } else { " and coalesce((" });
    condition(sql);
    sql.push("), false)");
}

fn push_issue_term(sql: &mut QueryBuilder<Postgres>, filter: &Filter, now: OffsetDateTime) {
    match filter {
        Filter::Is(is) => push_is(sql, *is),
        Filter::Issue(field, pattern) => {
            let column = match field {
                IssueField::Level => "i.level",
                IssueField::Platform => "i.platform",
                IssueField::Type => "i.type",
                IssueField::Value => "i.value",
                IssueField::Title => "i.title",
                IssueField::Culprit => "i.culprit",
                IssueField::FirstRelease => "i.first_release",
            };
            push_pattern(sql, column, pattern);
        }
        Filter::Count(field, comparison) => {
            let column = match field {
                CountField::TimesSeen => "i.events",
                CountField::Users => "i.users",
            };
            push_comparison(sql, column, comparison.operator, comparison.value);
        }
        Filter::Time(field, comparison) => {
            let column = match field {
                TimeField::FirstSeen => "i.first_seen",
                TimeField::LastSeen => "i.last_seen",
            };
            push_time(sql, column, comparison, now);
        }
        Filter::Text(pattern) => {
            let like = anywhere(pattern);
            for (index, column) in ["i.title", "i.value", "i.culprit", "i.location"].into_iter().enumerate() {
                sql.push(if index == 0 { "" } else { " or " }).push(column).push(" ilike ").push_bind(like.clone());
            }
        }
        Filter::Has(companion) => {
            sql.push("exists (select from ").push(table(*companion));
            sql.push(" c where c.project_id = i.project_id and c.issue_id = i.id)");
        }
        // Held against events, in `push_event_terms`, and in `push_assigned`.
        Filter::Event(..) | Filter::Assigned(_) | Filter::AssignedOrOwned(_) => {
            sql.push("true");
        }
    }
}

fn push_is(sql: &mut QueryBuilder<Postgres>, is: Is) {
    sql.push(match is {
        Is::Unhandled => "i.handled is false",
        Is::Assigned => "i.assigned_user_id is not null",
        is => substatus(is),
    });
}

/// The substatus that a word asks for.
const fn substatus(is: Is) -> &'static str {
    match is {
        Is::New => "i.substatus = 'new'",
        Is::Ongoing => "i.substatus = 'ongoing'",
        Is::Regressed => "i.substatus = 'regressed'",
        Is::Escalating => "i.substatus = 'escalating'",
        Is::Unresolved | Is::Resolved | Is::Ignored | Is::Unhandled | Is::Assigned => "true",
    }
}

fn push_event_term(sql: &mut QueryBuilder<Postgres>, field: &EventField, pattern: &Pattern) {
    let column = match field {
        EventField::Release => "e.release",
        EventField::Environment => "e.environment",
        EventField::Dist => "e.dist",
        EventField::Transaction => "e.transaction",
        EventField::ServerName => "e.server_name",
        EventField::User => "e.user_key",
        EventField::Tag(key) => return push_tag(sql, key, pattern),
    };
    push_pattern(sql, column, pattern);
}

fn push_tag(sql: &mut QueryBuilder<Postgres>, key: &str, pattern: &Pattern) {
    let absent = pattern.as_exact() == Some("");
    sql.push(if absent { "not exists (" } else { "exists (" });
    sql.push("select 1 from jsonb_array_elements(e.tags) as tag where tag ->> 0 = ").push_bind(key.to_owned());
    if !absent {
        sql.push(" and ");
        push_pattern(sql, "tag ->> 1", pattern);
    }
    sql.push(")");
}

/// An exact value matches exactly, a value with stars in any case, an empty one what is absent.
fn push_pattern(sql: &mut QueryBuilder<Postgres>, column: &str, pattern: &Pattern) {
    match pattern.as_exact() {
        Some("") => sql.push("coalesce(").push(column).push(", '') = ''"),
        Some(text) => sql.push(column).push(" = ").push_bind(without_nul(text)),
        None => sql.push(column).push(" ilike ").push_bind(like(pattern)),
    };
}

fn push_comparison<T>(sql: &mut QueryBuilder<Postgres>, column: &str, operator: Operator, value: T)
where
    T: 'static + sqlx::Encode<'static, Postgres> + sqlx::Type<Postgres> + Send,
{
    let operator = match operator {
        Operator::Is => " = ",
        Operator::Above => " > ",
        Operator::AtLeast => " >= ",
        Operator::Below => " < ",
        Operator::AtMost => " <= ",
    };
    sql.push(column).push(operator).push_bind(value);
}

fn push_time(sql: &mut QueryBuilder<Postgres>, column: &str, comparison: &Comparison<Moment>, now: OffsetDateTime) {
    match comparison.value {
        Moment::At(at) => push_comparison(sql, column, comparison.operator, at),
        Moment::Ago(ago) => {
            let at = now.checked_sub(ago).unwrap_or(OffsetDateTime::UNIX_EPOCH);
            // "Exactly a day ago" is never meant: within the last day is.
            let operator = if comparison.operator == Operator::Is { Operator::AtLeast } else { comparison.operator };
            push_comparison(sql, column, operator, at);
        }
        Moment::Day(day) => {
            let start = day.with_time(Time::MIDNIGHT).assume_utc();
            let end = start.checked_add(Duration::DAY).unwrap_or(start);
            match comparison.operator {
                Operator::Is => {
                    push_comparison(sql, column, Operator::AtLeast, start);
                    sql.push(" and ");
                    push_comparison(sql, column, Operator::Below, end);
                }
                Operator::Above => push_comparison(sql, column, Operator::AtLeast, end),
                Operator::AtLeast => push_comparison(sql, column, Operator::AtLeast, start),
                Operator::Below => push_comparison(sql, column, Operator::Below, start),
                Operator::AtMost => push_comparison(sql, column, Operator::Below, end),
            }
        }
    }
}

/// A pattern as the operand of `like`.
fn like(pattern: &Pattern) -> String {
    let escaped: Vec<String> = pattern
        .parts()
        .iter()
        .map(|part| without_nul(part).replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
        .collect();
    escaped.join("%")
}

/// A pattern anywhere in a text.
fn anywhere(pattern: &Pattern) -> String {
    format!("%{}%", like(pattern))
}

/// PostgreSQL has no NUL in text; a search for one finds nothing rather than failing.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_about_the_status_choose_the_index_walks() {
        let statuses = |text: &str| statuses(&Query::parse(text).unwrap().terms);
        assert_eq!(statuses(""), STATUSES);
        assert_eq!(statuses("is:unresolved"), ["unresolved"]);
        assert_eq!(statuses("!is:unresolved"), ["resolved", "ignored"]);
        assert_eq!(statuses("is:new"), ["unresolved"]);
        assert_eq!(statuses("!is:new"), STATUSES);
        assert_eq!(statuses("is:resolved is:ignored"), [] as [&str; 0]);
    }

    #[test]
    fn patterns_escape_what_like_understands() {
        let Filter::Text(pattern) = &Query::parse(r"100%_\*a*").unwrap().terms[0].filter else { panic!("text") };
        assert_eq!(like(pattern), r"100\%\_*a%");
    }
}
