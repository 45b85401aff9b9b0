//! Terms of the search language as SQL conditions, every value bound.

use engine::ids::UserId;
use engine::query::{
    Assigned, Companion, Comparison, CountField, EventField, Filter, Is, IssueField, Moment, Operator, Pattern, Term,
    TimeField,
};
use sqlx::{Postgres, QueryBuilder};
use time::{Duration, OffsetDateTime, Time};

use super::{EVENTS_WINDOW, IssueSearch};

const STATUSES: [&str; 3] = ["unresolved", "resolved", "ignored"];

/// True when the choice of index walks answers the term completely: which statuses, and whose issues. Those that nobody
/// has are most, and are looked for row by row.
pub(super) fn is_decided_by_walk(term: &Term) -> bool {
    match term.filter {
        Filter::Is(Is::Unresolved | Is::Resolved | Is::Ignored) => true,
        Filter::Assigned(Assigned::Me | Assigned::Person(_)) => !term.negated,
        _ => false,
    }
}

/// Conditions that choose the rows of a walk, on the row `i`: those of one person are in list order in `issues_by_assignee`.
pub(super) fn push_walk_terms(sql: &mut QueryBuilder<Postgres>, search: &IssueSearch<'_>) {
    for term in search.query.terms.iter().filter(|term| is_decided_by_walk(term)) {
        if let Filter::Assigned(assigned) = &term.filter {
            sql.push(" and ");
            push_assigned(sql, assigned, search.me);
        }
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

/// One condition over all terms about events, on the row `i`.
pub(super) fn push_event_terms(sql: &mut QueryBuilder<Postgres>, terms: &[Term]) {
    let terms: Vec<&Term> = terms.iter().filter(|term| is_about_events(term)).collect();
    if terms.is_empty() {
        sql.push("true");
        return;
    }
    sql.push(
        "(exists (select 1 from (
            select e.release, e.environment, e.dist, e.transaction, e.server_name, e.user_key, e.tags
            from events e
            where e.project_id = i.project_id and e.issue_id = i.id
            order by e.day desc, e.received_at desc, e.event_id desc
            limit ",
    );
    sql.push_bind(EVENTS_WINDOW).push(") as e where true");
    for term in &terms {
        if let Filter::Event(field, pattern) = &term.filter {
            push_negatable(sql, term, |sql| push_event_term(sql, field, pattern));
        }
    }
    sql.push(")");
    // The releases that an issue began in and was last seen in are known beyond the window.
    if let [Term { negated: false, filter: Filter::Event(EventField::Release, pattern), .. }] = terms.as_slice() {
        sql.push(" or ");
        push_pattern(sql, "i.first_release", pattern);
        sql.push(" or ");
        push_pattern(sql, "i.last_release", pattern);
    }
    sql.push(")");
}

/// One term about the event on the row `e`, for lists of events; see `events::is_searchable`.
pub(crate) fn push_of_event(sql: &mut QueryBuilder<Postgres>, term: &Term) {
    push_negatable(sql, term, |sql| match &term.filter {
        Filter::Event(field, pattern) => push_event_term(sql, field, pattern),
        Filter::Issue(IssueField::Level, pattern) => push_pattern(sql, "e.level", pattern),
        Filter::Issue(IssueField::Platform, pattern) => push_pattern(sql, "e.platform", pattern),
        Filter::Issue(IssueField::Culprit, pattern) => push_pattern(sql, "e.culprit", pattern),
        Filter::Issue(_, pattern) | Filter::Text(pattern) => {
            let like = format!("%{}%", like(pattern));
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
            let like = format!("%{}%", like(pattern));
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
        Is::New => "i.substatus = 'new'",
        Is::Ongoing => "i.substatus = 'ongoing'",
        Is::Regressed => "i.substatus = 'regressed'",
        Is::Escalating => "i.substatus = 'escalating'",
        Is::Unhandled => "i.handled is false",
        Is::Assigned => "i.assigned_user_id is not null",
        Is::Unresolved | Is::Resolved | Is::Ignored => "true",
    });
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

/// PostgreSQL has no NUL in text; a search for one finds nothing rather than failing.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::query::Query;

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
