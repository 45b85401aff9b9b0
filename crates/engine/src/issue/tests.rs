//! The whole table of `step`, generated and held against the one in the documentation, and what holds everywhere.
//! The rules for events have a table of their own, `tests/regressions.txt`.

use time::Duration;
use time::macros::datetime;

use super::*;
use crate::alert::Kind;
use crate::release::{Comparison, Order};

const NOON: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);
const SINCE: OffsetDateTime = datetime!(2026-11-22 11:00 UTC);

fn ignored(terms: Terms) -> State {
    State::Ignored(Ignored { terms, from: Counts { events: 10, users: 2 } })
}

fn states() -> Vec<(&'static str, State)> {
    let commit = Commit { id: "1a2b3c4".into(), repository: None };
    let five = Threshold { count: 5, minutes: None };
    vec![
        ("new", State::New),
        ("ongoing", State::Ongoing),
        ("escalating", State::Escalating),
        ("regressed", State::Regressed),
        ("resolved now", State::Resolved(Fix::Now)),
        ("  in a release", State::Resolved(Fix::In("shop@2.1".into()))),
        ("  after one", State::Resolved(Fix::After("shop@2.1".into()))),
        ("  by a commit", State::Resolved(Fix::Commit(commit))),
        ("ignored for good", ignored(Terms::default())),
        ("  for a time", ignored(Terms::until(Some(NOON)))),
        ("  5 more events", ignored(Terms { events: Some(five), ..Terms::default() })),
        ("  to escalation", ignored(Terms { until_escalating: true, ..Terms::default() })),
        ("deleted", State::Deleted),
        ("discarded", State::Discarded),
    ]
}

fn arrived(release: Option<&'static str>) -> Signal<'static> {
    Signal::EventArrived(Arrival { release, occurred_at: NOON, received_at: NOON })
}

fn signals() -> Vec<(&'static str, Signal<'static>, Context)> {
    let standing = |ordering| Standing {
        comparison: Comparison { ordering, by: Order::Version },
        was_there: false,
        is_unreplaced: false,
    };
    let counted = Context { total: Counts { events: 15, users: 3 }, ..Context::since(SINCE) };
    let newer = Context { standing: Some(standing(Ordering::Greater)), ..counted };
    let older = Context { standing: Some(standing(Ordering::Less)), ..counted };
    vec![
        ("newer", arrived(Some("shop@2.2")), newer),
        ("older", arrived(Some("shop@2.0")), older),
        ("unnamed", arrived(None), counted),
        ("resolve", Signal::Resolve { fix: Fix::Now, commit: None }, counted),
        ("reopen", Signal::Reopen, counted),
        ("ignore", Signal::Ignore(Terms::default()), counted),
        ("escal.", Signal::Escalated("Five times its usual rate.".into()), counted),
        ("calmed", Signal::Calmed("Back in its usual band.".into()), counted),
        ("aged", Signal::Aged, counted),
        ("quiet", Signal::WentQuiet(14), counted),
        ("release", Signal::ReleaseCreated("shop@2.2"), newer),
        ("commit", Signal::CommitReleased("shop@2.2"), counted),
        ("undo", Signal::Undo { to: State::New, wrong: "Resolved." }, counted),
        ("delete", Signal::Delete, counted),
        ("discard", Signal::Discard, counted),
    ]
}

fn cell(transition: &Transition) -> &'static str {
    match transition {
        Transition::Stay => ".",
        Transition::Note { .. } => "note",
        Transition::Change { to: State::Resolved(Fix::In(_)), .. } => "in",
        Transition::Change { to, .. } => match to.substatus() {
            "escalating" => "escalat",
            "regressed" => "regress",
            "resolved" => "resolv",
            "discarded" => "discard",
            other => other,
        },
    }
}

fn table() -> String {
    let mut text = format!("{:<17}", "");
    for (name, ..) in signals() {
        text.push_str(&format!("{name:<8}"));
    }
    for (name, state) in states() {
        text.truncate(text.trim_end().len());
        text.push_str(&format!("\n{name:<17}"));
        for (_, signal, context) in signals() {
            text.push_str(&format!("{:<8}", cell(&step(&state, &signal, &context))));
        }
    }
    text.truncate(text.trim_end().len());
    text
}

#[test]
fn the_whole_table() {
    let documented: Vec<&str> = include_str!("../issue.rs")
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let documented = documented.join("\n");
    assert!(documented.contains(&table()), "the table in the documentation is to be\n{}", table());
}

#[test]
fn every_transition_says_why_and_leads_somewhere_else() {
    for (_, state) in states() {
        for (name, signal, context) in signals() {
            match step(&state, &signal, &context) {
                Transition::Stay => {}
                Transition::Note { reason } => {
                    assert!(reason.starts_with("Still resolved: ") && reason.ends_with('.'), "{reason}");
                }
                Transition::Change { to, kind, reason, begins } => {
                    assert_ne!(to, state, "{name}");
                    assert!(reason.ends_with('.'), "{reason:?} is no sentence");
                    assert!(begins || matches!(to, State::Resolved(_)), "{name}");
                    let by_event = matches!(signal, Signal::EventArrived(_));
                    let told = Kind::of(&step(&state, &signal, &context), by_event);
                    let expected = match (&to, kind) {
                        (_, ActivityKind::New) => Some(Kind::New),
                        (State::Regressed, _) if by_event => Some(Kind::Regressed),
                        (State::Escalating, ActivityKind::Escalating) => Some(Kind::Escalating),
                        (_, ActivityKind::Unresolved) if by_event => Some(Kind::Escalating),
                        (State::Resolved(_), _) if begins => Some(Kind::Resolved),
                        _ => None,
                    };
                    assert_eq!(told, expected, "{state:?} on {name}");
                    let back = Signal::Undo { to: state.clone(), wrong: &reason };
                    let undone = step(&to, &back, &context);
                    if to == State::Deleted {
                        assert_eq!(undone, Transition::Stay, "what is deleted does not come back");
                    } else {
                        assert!(matches!(undone, Transition::Change { to, .. } if to == state), "{state:?} on {name}");
                    }
                }
            }
        }
    }
}

#[test]
fn columns_read_back_as_the_same_state() {
    let window = Threshold { count: 100, minutes: Some(60) };
    let all = Terms { until: Some(NOON), events: Some(window), users: Some(window), until_escalating: true };
    let commit = Commit { id: "1a2b3c4".into(), repository: Some("acme/shop".into()) };
    let more = [("", ignored(all)), ("", State::Resolved(Fix::Commit(commit)))];
    for (_, state) in states().into_iter().chain(more) {
        assert_eq!(State::from_columns(state.substatus(), state.details().as_ref()), Some(state));
    }
    assert_eq!(State::from_columns("frozen", None), None);
    assert_eq!(State::from_columns("resolved", Some(&serde_json::json!({"in_a_year": 1}))), None);
    let now = State::Resolved(Fix::In("shop@2.1".into())).details();
    assert_eq!(now, Some(serde_json::json!({"in_release": "shop@2.1"})));
}

/// What an event does to an ignored issue that had 10 events and 2 users.
fn seen(terms: Terms, total: (i64, i64), in_window: (i64, i64), at: OffsetDateTime) -> Option<String> {
    let context = Context {
        total: Counts { events: total.0, users: total.1 },
        in_window: Counts { events: in_window.0, users: in_window.1 },
        ..Context::since(SINCE)
    };
    let signal = Signal::EventArrived(Arrival { release: None, occurred_at: at, received_at: at });
    match step(&ignored(terms), &signal, &context) {
        Transition::Change { to: State::Ongoing, reason, .. } => Some(reason),
        Transition::Stay => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_ignored_issue_comes_back_when_its_terms_are_met() {
    let early = NOON - Duration::SECOND;
    let until = Terms::until(Some(NOON));
    let events = Terms { events: Some(Threshold { count: 5, minutes: None }), ..Terms::default() };
    let window = Terms { events: Some(Threshold { count: 5, minutes: Some(60) }), ..Terms::default() };
    let users = Terms { users: Some(Threshold { count: 1, minutes: None }), ..Terms::default() };
    let both = Terms { users: Some(Threshold { count: 2, minutes: Some(1) }), ..until };
    assert_eq!(seen(until.clone(), (99, 9), (99, 9), early), None);
    let ended = "Seen again after the end of the time it was ignored for (2026-11-22T12:00:00Z).";
    assert_eq!(seen(until, (11, 2), (0, 0), NOON).as_deref(), Some(ended));
    assert_eq!(seen(events.clone(), (14, 9), (99, 9), NOON), None);
    assert_eq!(seen(events, (15, 2), (0, 0), NOON).as_deref(), Some("Back after 5 more events."));
    assert_eq!(seen(window.clone(), (14, 2), (99, 0), NOON), None, "most of the window was before it was ignored");
    assert_eq!(seen(window.clone(), (99, 2), (4, 0), NOON), None);
    assert_eq!(seen(window, (15, 2), (5, 0), NOON).as_deref(), Some("Back after 5 events within 60 minutes."));
    assert_eq!(seen(users.clone(), (99, 2), (9, 9), NOON), None);
    assert_eq!(seen(users, (11, 3), (0, 0), NOON).as_deref(), Some("Back after 1 more user."));
    assert_eq!(seen(both.clone(), (99, 2), (9, 2), early).as_deref(), Some("Back after 2 users within 1 minute."));
    assert_eq!(seen(both, (99, 2), (9, 1), early), None);
    assert_eq!(seen(Terms::default(), (999, 99), (999, 99), NOON), None);
}

fn reason(state: &State, signal: &Signal<'_>) -> String {
    let context = Context { total: Counts { events: 10, users: 2 }, ..Context::since(SINCE) };
    match step(state, signal, &context) {
        Transition::Change { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn people_and_tools_are_told_what_they_did() {
    let resolve =
        |fix, commit: Option<&str>| reason(&State::New, &Signal::Resolve { fix, commit: commit.map(str::to_owned) });
    let sha = "0805334fa1b2c3d4e5f60718293a4b5c6d7e8f90";
    assert_eq!(resolve(Fix::Now, None), "Resolved.");
    assert_eq!(resolve(Fix::In("shop@2.1.0".into()), None), "Resolved in shop@2.1.0.");
    assert_eq!(resolve(Fix::In("shop@2.1.0".into()), Some(sha)), "Resolved in shop@2.1.0 by commit 0805334fa1b2.");
    let next = "Resolved in the release after shop@2.1.0; none has been seen yet.";
    assert_eq!(resolve(Fix::After("shop@2.1.0".into()), None), next);
    let commit = Fix::Commit(Commit { id: sha.into(), repository: None });
    assert_eq!(resolve(commit.clone(), None), "Resolved by commit 0805334fa1b2, which is in no release yet.");
    let found = reason(&State::Resolved(commit), &Signal::CommitReleased("shop@2.1.0"));
    assert_eq!(found, "Resolved in shop@2.1.0: it has commit 0805334fa1b2.");
    assert_eq!(reason(&State::Ongoing, &Signal::WentQuiet(14)), "Resolved: not seen for 14 days.");
    let terms = Terms {
        until: Some(NOON),
        events: Some(Threshold { count: 100, minutes: Some(60) }),
        users: Some(Threshold { count: 1, minutes: None }),
        until_escalating: true,
    };
    let ignored = "Ignored until 2026-11-22T12:00:00Z or 100 events within 60 minutes or 1 more user or it escalates.";
    assert_eq!(reason(&State::New, &Signal::Ignore(terms)), ignored);
    assert_eq!(reason(&State::New, &Signal::Ignore(Terms::default())), "Ignored for good.");
    let wrong = "Came back in shop@2.2 after it was resolved in shop@2.1.";
    let undo = Signal::Undo { to: State::Resolved(Fix::In("shop@2.1".into())), wrong };
    let undone = "Marked as wrong: \u{201c}Came back in shop@2.2 after it was resolved in shop@2.1\u{201d}. It is resolved in shop@2.1 again.";
    assert_eq!(reason(&State::Regressed, &undo), undone);
}
