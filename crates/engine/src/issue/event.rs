//! An event on a resolved or ignored issue: the rules that decide whether it is back.
//!
//! An event reopens a resolved issue unless it can have been without the fix:
//!
//! 1. It arrived or happened before the issue was resolved. Clients may be slow and queues long, but one that claims
//!    more than `LATE_MAX` has a wrong clock and is taken as happening when it arrived.
//! 2. The resolution names a release, and the event none, or an older one. For the release *after* one, that one itself
//!    is older, and so is every release that was there when the issue was resolved.
//! 3. The resolution names a commit that is in no release yet.
//!
//! An older release excuses for good where versions say that it is older. Where only the clock does, because one of the
//! two is no version or of another package, it may be that nothing will ever be newer: a client that never changes its
//! release, beside servers named by hashes. Such a release that nothing has replaced excuses for `UNREPLACED_MAX`.

use std::cmp::Ordering;

use time::{Duration, OffsetDateTime};

use super::signal::{ActivityKind, Arrival, Context, Standing, Transition};
use super::state::{Counts, Fix, Ignored, State, Threshold};
use super::{change, stay_with, written};
use crate::release::{self, Order};

/// Longest way of an event from where it happened to us that is believed.
pub const LATE_MAX: Duration = Duration::days(7);

/// How long a release excuses its events that nothing of its line has replaced, while other releases came.
pub const UNREPLACED_MAX: Duration = Duration::days(7);

/// An event on a resolved issue.
pub(super) fn on_resolved(fix: &Fix, arrival: &Arrival<'_>, context: &Context) -> Transition {
    if let Some(reason) = late(arrival, context.since) {
        return stay_with(reason);
    }
    match (fix, arrival.release, context.standing) {
        (Fix::Now, release, _) => regressed(format!("Came back in {} after it was resolved.", named(release))),
        (Fix::Commit(commit), ..) => {
            stay_with(format!("Still resolved: commit {} is in no release yet.", release::shown(&commit.id)))
        }
        (Fix::In(fixed) | Fix::After(fixed), None, _) | (Fix::In(fixed) | Fix::After(fixed), _, None) => stay_with(
            format!("Still resolved: the event names no release, and the fix is {} {}.", place(fix), shown(fixed)),
        ),
        (Fix::In(fixed), Some(release), Some(standing)) => on_fixed_in(fixed, release, standing, arrival, context),
        (Fix::After(last), Some(release), Some(standing)) => on_fixed_after(last, release, standing, arrival, context),
    }
}

fn on_fixed_in(fixed: &str, release: &str, standing: Standing, arrival: &Arrival<'_>, context: &Context) -> Transition {
    let (name, fix) = (shown(release), shown(fixed));
    match (standing.comparison.ordering, standing.comparison.by) {
        (Ordering::Equal, _) => regressed(format!("Came back in {name}, the release with the fix.")),
        (Ordering::Greater, Order::Version) => {
            regressed(format!("Came back in {name} after it was resolved in {fix}."))
        }
        (Ordering::Greater, Order::FirstSeen) => {
            regressed(format!("Came back in {name}, first seen after the fix in {fix}."))
        }
        (Ordering::Less, _) if is_in_use(standing, arrival, context) => {
            regressed(format!("Came back in {name}: in use a week after the fix in {fix}, and never replaced."))
        }
        (Ordering::Less, Order::Version) => {
            stay_with(format!("Still resolved: {name} is older than the fix in {fix}."))
        }
        (Ordering::Less, Order::FirstSeen) => {
            stay_with(format!("Still resolved: {name} was first seen before the fix in {fix}."))
        }
    }
}

fn on_fixed_after(
    last: &str,
    release: &str,
    standing: Standing,
    arrival: &Arrival<'_>,
    context: &Context,
) -> Transition {
    let (name, last) = (shown(release), shown(last));
    let is_older = standing.comparison.ordering != Ordering::Greater || standing.was_there;
    if is_older && is_in_use(standing, arrival, context) {
        return regressed(format!(
            "Came back in {name}: in use a week after it was resolved in the release after {last}, and never replaced."
        ));
    }
    match (standing.comparison.ordering, standing.comparison.by) {
        (Ordering::Equal, _) => stay_with(format!("Still resolved: the fix comes in the release after {last}.")),
        (Ordering::Less, Order::Version) => stay_with(format!(
            "Still resolved: {name} is older than {last}, and the fix comes in the release after that."
        )),
        (Ordering::Less, Order::FirstSeen) => stay_with(format!(
            "Still resolved: {name} was first seen before {last}, and the fix comes in the release after that."
        )),
        (Ordering::Greater, _) if standing.was_there => stay_with(format!(
            "Still resolved: {name} was there already when the issue was resolved in the release after {last}."
        )),
        (Ordering::Greater, _) => {
            regressed(format!("Came back in {name} after it was resolved in the release after {last}."))
        }
    }
}

fn is_in_use(standing: Standing, arrival: &Arrival<'_>, context: &Context) -> bool {
    standing.is_unreplaced && arrival.received_at - context.since >= UNREPLACED_MAX
}

/// Why an event comes too late to reopen what was resolved at `since`.
fn late(arrival: &Arrival<'_>, since: OffsetDateTime) -> Option<String> {
    if arrival.received_at < since {
        let at = written(arrival.received_at);
        return Some(format!("Still resolved: the event arrived at {at}, before the issue was resolved."));
    }
    let is_believed = arrival.received_at - arrival.occurred_at <= LATE_MAX;
    (arrival.occurred_at < since && is_believed).then(|| {
        let at = written(arrival.occurred_at);
        format!("Still resolved: the event happened at {at}, before the issue was resolved.")
    })
}

fn regressed(reason: String) -> Transition {
    change(State::Regressed, ActivityKind::Regressed, reason)
}

fn named(release: Option<&str>) -> String {
    release.map_or_else(|| "an event without a release".to_owned(), shown)
}

fn place(fix: &Fix) -> &'static str {
    if matches!(fix, Fix::After(_)) { "in the release after" } else { "in" }
}

fn shown(release: &str) -> String {
    release::shown(release).to_owned()
}

/// An event on an ignored issue.
pub(super) fn on_ignored(ignored: &Ignored, arrival: &Arrival<'_>, context: &Context) -> Transition {
    let terms = &ignored.terms;
    let since =
        Counts { events: context.total.events - ignored.from.events, users: context.total.users - ignored.from.users };
    let events = terms.events.filter(|threshold| {
        // Buckets of a window may begin before the issue was ignored.
        let seen = threshold.minutes.map_or(since.events, |_| since.events.min(context.in_window.events));
        seen >= threshold.count
    });
    let users = terms
        .users
        .filter(|threshold| threshold.minutes.map_or(since.users, |_| context.in_window.users) >= threshold.count);
    let reason = match (terms.until, events, users) {
        (Some(until), _, _) if arrival.received_at >= until => {
            format!("Seen again after the end of the time it was ignored for ({}).", written(until))
        }
        (_, Some(threshold), _) => format!("Back after {}.", amount(threshold, "event")),
        (_, _, Some(threshold)) => format!("Back after {}.", amount(threshold, "user")),
        _ => return Transition::Stay,
    };
    change(State::Ongoing, ActivityKind::Unresolved, reason)
}

/// `5 more events`, `20 users within 60 minutes`.
pub(super) fn amount(threshold: Threshold, what: &str) -> String {
    let s = |count: i64| if count == 1 { "" } else { "s" };
    let count = threshold.count;
    match threshold.minutes {
        None => format!("{count} more {what}{}", s(count)),
        Some(minutes) => format!("{count} {what}{} within {minutes} minute{}", s(count), s(minutes)),
    }
}
