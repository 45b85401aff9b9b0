//! The life cycle of an issue: one enum, one pure `step`.
//!
//! Nothing else decides a change of state. The caller looks up what the `Context` asks, applies the `Transition` it
//! gets, writes its sentence to the activity and its announcement to the outbox, all in one transaction.
//!
//! ```text
//!    first event          Escalated           Calmed
//!         |        .------------------> Escalating ---> Ongoing
//!         v  Aged  |                        ^
//!        New --> Ongoing <--------------.   | Escalated, if ignored until then
//!         |        |    Reopen, or the  |   |
//!         |        |    terms are met   |   |
//!         '--------+---- Ignore -----> Ignored
//!         |        |                    ^ |
//!         '--------+---- Resolve ---> Resolved <--- ReleaseCreated, CommitReleased: which release it is
//!                  ^                    | ^
//!             Aged |                    v | Resolve
//!               Regressed <--- an event that ought to have the fix
//!
//!    any state:  Delete -> Deleted      Discard -> Discarded      Undo -> the state before
//! ```
//!
//! The whole table, one row per state, one column per signal; `.` changes nothing, `note` says why not. The first three
//! columns are events of a newer release, of an older one and of none. The test `the_whole_table` writes all of it from
//! `step` and fails when it is not this.
//!
//! ```text
//!                  newer   older   unnamed resolve reopen  ignore  escal.  calmed  aged    quiet   release commit  undo    delete  discard
//! new              .       .       .       resolv  .       ignored .       .       ongoing resolv  .       .       .       deleted discard
//! ongoing          .       .       .       resolv  .       ignored escalat .       .       resolv  .       .       new     deleted discard
//! escalating       .       .       .       resolv  .       ignored .       ongoing .       resolv  .       .       new     deleted discard
//! regressed        .       .       .       resolv  .       ignored .       .       ongoing resolv  .       .       new     deleted discard
//! resolved now     regress regress regress .       ongoing ignored .       .       .       .       .       .       new     deleted discard
//!   in a release   regress note    note    resolv  ongoing ignored .       .       .       .       .       .       new     deleted discard
//!   after one      regress note    note    resolv  ongoing ignored .       .       .       .       in      .       new     deleted discard
//!   by a commit    note    note    note    resolv  ongoing ignored .       .       .       .       .       in      new     deleted discard
//! ignored for good .       .       .       resolv  ongoing .       .       .       .       .       .       .       new     deleted discard
//!   for a time     ongoing ongoing ongoing resolv  ongoing ignored .       .       .       .       .       .       new     deleted discard
//!   5 more events  ongoing ongoing ongoing resolv  ongoing ignored .       .       .       .       .       .       new     deleted discard
//!   to escalation  .       .       .       resolv  ongoing ignored escalat .       .       .       .       .       new     deleted discard
//! deleted          .       .       .       .       .       .       .       .       .       .       .       .       .       .       .
//! discarded        .       .       .       .       ongoing .       .       .       .       .       .       .       new     deleted .
//! ```
//!
//! An ignored issue never regresses. `event` has the rules for events. To add a signal, add its variant, its arm in
//! `step`, and its column in the test.

mod event;
pub mod handover;
mod signal;
mod state;

use std::cmp::Ordering;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use event::{LATE_MAX, UNREPLACED_MAX};
pub use signal::{ActivityKind, Arrival, Context, Signal, Standing, Transition};
pub use state::{Commit, Counts, Fix, Ignored, State, Terms, Threshold};

use crate::release;

/// The first transition of every issue: its first event makes it new.
pub fn create(release: Option<&str>, environment: Option<&str>) -> Transition {
    let mut reason = "Seen for the first time".to_owned();
    if let Some(release) = release {
        reason.push_str(&format!(" in {release}"));
    }
    if let Some(environment) = environment {
        reason.push_str(&format!(", {environment}"));
    }
    reason.push('.');
    change(State::New, ActivityKind::New, reason)
}

/// What `signal` does to an issue in `state`.
pub fn step(state: &State, signal: &Signal<'_>, context: &Context) -> Transition {
    match (state, signal) {
        (State::Deleted, _) => Transition::Stay,
        (_, Signal::Delete) => change(State::Deleted, ActivityKind::Deleted, "Deleted, with its events."),
        (_, Signal::Undo { to, wrong }) => undo(state, to, wrong),
        (State::Discarded, Signal::Reopen) => change(State::Ongoing, ActivityKind::Unresolved, "No longer discarded."),
        (State::Discarded, _) => Transition::Stay,
        (_, Signal::Discard) => change(
            State::Discarded,
            ActivityKind::Discarded,
            "Discarded for good: later events are dropped and counted.",
        ),
        (State::Resolved(fix), Signal::EventArrived(arrival)) => event::on_resolved(fix, arrival, context),
        (State::Ignored(ignored), Signal::EventArrived(arrival)) => event::on_ignored(ignored, arrival, context),
        (State::Resolved(known), Signal::Resolve { fix, .. }) if known == fix => Transition::Stay,
        (_, Signal::Resolve { fix, commit }) => resolve(fix, commit.as_deref()),
        (State::Ignored(_), Signal::Ignore(terms)) if is_known(state, terms) => Transition::Stay,
        (_, Signal::Ignore(terms)) => ignore(terms, context),
        (State::Resolved(_), Signal::Reopen) => change(State::Ongoing, ActivityKind::Unresolved, "Reopened."),
        (State::Ignored(_), Signal::Reopen) => change(State::Ongoing, ActivityKind::Unresolved, "No longer ignored."),
        (State::Ongoing, Signal::Escalated(why)) => change(State::Escalating, ActivityKind::Escalating, why.as_str()),
        (State::Ignored(ignored), Signal::Escalated(why)) if ignored.terms.until_escalating => {
            change(State::Escalating, ActivityKind::Escalating, why.as_str())
        }
        (State::Escalating, Signal::Calmed(why)) => change(State::Ongoing, ActivityKind::Unresolved, why.as_str()),
        (State::New, Signal::Aged) => change(State::Ongoing, ActivityKind::Unresolved, "No longer new."),
        (State::Regressed, Signal::Aged) => {
            change(State::Ongoing, ActivityKind::Unresolved, "Still open since it came back.")
        }
        (State::New | State::Ongoing | State::Escalating | State::Regressed, Signal::WentQuiet(days)) => {
            let reason = format!("Resolved: not seen for {days} day{}.", if *days == 1 { "" } else { "s" });
            change(State::Resolved(Fix::Now), ActivityKind::Resolved, reason)
        }
        (State::Resolved(Fix::After(last)), Signal::ReleaseCreated(release)) => released(last, release, context),
        (State::Resolved(Fix::Commit(commit)), Signal::CommitReleased(release)) => {
            let reason =
                format!("Resolved in {}: it has commit {}.", release::shown(release), release::shown(&commit.id));
            clearer(Fix::In((*release).to_owned()), reason)
        }
        _ => Transition::Stay,
    }
}

/// The words for what an issue is resolved by, or waits for; `None` when it is not resolved.
#[must_use]
pub fn resolution(state: &State) -> Option<String> {
    let State::Resolved(fix) = state else { return None };
    Some(match fix {
        Fix::Now => "Resolved.".to_owned(),
        Fix::In(release) => format!("Resolved in {}.", release::shown(release)),
        Fix::After(last) => {
            format!("Resolved in the release after {}; none has been seen yet.", release::shown(last))
        }
        Fix::Commit(commit) => {
            format!("Resolved by commit {}, which is in no release yet.", release::shown(&commit.id))
        }
    })
}

fn resolve(fix: &Fix, commit: Option<&str>) -> Transition {
    let to = State::Resolved(fix.clone());
    let mut reason = resolution(&to).unwrap_or_default();
    if let (Some(commit), Fix::In(release)) = (commit, fix) {
        reason = format!("Resolved in {} by commit {}.", release::shown(release), release::shown(commit));
    }
    change(to, ActivityKind::Resolved, reason)
}

/// A release came to life while an issue waits for the one after `last`.
fn released(last: &str, release: &str, context: &Context) -> Transition {
    match context.standing {
        // A project may release several packages: the next of one is not the next of another.
        Some(standing) if standing.comparison.ordering == Ordering::Greater && release::may_follow(release, last) => {
            let (release_shown, last) = (release::shown(release), release::shown(last));
            let reason = format!("Resolved in {release_shown}: the first release after {last}.");
            clearer(Fix::In(release.to_owned()), reason)
        }
        _ => Transition::Stay,
    }
}

/// The same terms again change nothing, unless they count: then counting begins anew.
fn is_known(state: &State, terms: &Terms) -> bool {
    matches!(state, State::Ignored(known) if known.terms == *terms && !terms.counts())
}

fn ignore(terms: &Terms, context: &Context) -> Transition {
    let from = if terms.counts() { context.total } else { Counts::default() };
    let mut ends = Vec::new();
    ends.extend(terms.until.map(written));
    ends.extend(terms.events.map(|threshold| event::amount(threshold, "event")));
    ends.extend(terms.users.map(|threshold| event::amount(threshold, "user")));
    if terms.until_escalating {
        ends.push("it escalates".to_owned());
    }
    let reason =
        if ends.is_empty() { "Ignored for good.".to_owned() } else { format!("Ignored until {}.", ends.join(" or ")) };
    change(State::Ignored(Ignored { terms: terms.clone(), from }), ActivityKind::Ignored, reason)
}

fn undo(state: &State, to: &State, wrong: &str) -> Transition {
    if state == to || *to == State::Deleted {
        return Transition::Stay;
    }
    let again = match to {
        State::Resolved(Fix::Now | Fix::Commit(_)) => "resolved".to_owned(),
        State::Resolved(Fix::In(release)) => format!("resolved in {}", release::shown(release)),
        State::Resolved(Fix::After(last)) => format!("resolved in the release after {}", release::shown(last)),
        other => other.substatus().to_owned(),
    };
    let wrong = wrong.trim_end_matches('.');
    change(to.clone(), ActivityKind::Undone, format!("Marked as wrong: \u{201c}{wrong}\u{201d}. It is {again} again."))
}

fn change(to: State, kind: ActivityKind, reason: impl Into<String>) -> Transition {
    Transition::Change { to, kind, reason: reason.into(), begins: true }
}

/// The same promise, said more exactly.
fn clearer(fix: Fix, reason: String) -> Transition {
    Transition::Change { to: State::Resolved(fix), kind: ActivityKind::Resolved, reason, begins: false }
}

fn stay_with(reason: String) -> Transition {
    Transition::Note { reason }
}

fn written(time: OffsetDateTime) -> String {
    // Only years outside 0..=9999 fail to format, and no caller lets one in.
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests;
