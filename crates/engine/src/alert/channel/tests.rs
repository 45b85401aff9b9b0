//! What a channel sends when: a table of stories, and what holds of every story.

use proptest::prelude::*;
use time::macros::datetime;

use super::*;

const START: OffsetDateTime = datetime!(2026-11-22 16:40:00 UTC);

/// A channel with a clock: signals come, time goes by, messages are noted as `second form(count)`.
#[derive(Default)]
struct Story {
    burst: Option<Burst>,
    hour: Option<Hour>,
    due: Option<OffsetDateTime>,
    waiting: Option<Waiting>,
    sent: Vec<(i64, Form, i64)>,
}

impl Story {
    fn ask(&mut self, now: OffsetDateTime) {
        let step = step(self.burst, self.waiting, self.hour, now);
        for form in step.forms {
            let count = if form.carries() { self.waiting.take().map_or(0, |waiting| waiting.count) } else { 0 };
            self.sent.push(((now - START).whole_seconds(), form, count));
        }
        (self.burst, self.hour, self.due) = (step.burst, Some(step.hour), step.due);
    }

    /// Lets time pass until `now`, asking whenever something is due.
    fn pass(&mut self, now: OffsetDateTime) {
        while let Some(due) = self.due.filter(|due| *due <= now) {
            self.ask(due);
        }
    }

    fn arrive(&mut self, second: i64, count: i64) {
        let now = START + Duration::seconds(second);
        self.pass(now);
        let count = count + self.waiting.map_or(0, |waiting| waiting.count);
        self.waiting = Some(Waiting { count, newest: now });
        self.ask(now);
    }

    /// The messages of signals that come as (second, how many).
    fn of(arrivals: &[(i64, i64)]) -> Self {
        let mut story = Self::default();
        for (second, count) in arrivals {
            story.arrive(*second, *count);
        }
        story.pass(START + Duration::days(3));
        story
    }

    fn told(&self) -> Vec<String> {
        self.sent.iter().map(|(second, form, count)| format!("{second} {}({count})", form.as_str())).collect()
    }
}

/// Its name, the signals as (second, how many), and the messages.
type Case<'a> = (&'a str, Vec<(i64, i64)>, &'a [&'a str]);

#[test]
fn stories() {
    let every = |seconds: i64, until: i64| (0..until).step_by(usize::try_from(seconds).unwrap()).map(|at| (at, 1));
    let cases: Vec<Case<'_>> = vec![
        ("one signal", vec![(0, 1)], &["0 one(1)"]),
        ("two, far apart", vec![(0, 1), (700, 1)], &["0 one(1)", "700 one(1)"]),
        ("two within the window", vec![(0, 1), (10, 1)], &["0 one(1)", "60 one(1)"]),
        ("the window is over when the second comes", vec![(0, 1), (90, 1)], &["0 one(1)", "90 one(1)"]),
        ("then it has doubled", vec![(0, 1), (90, 1), (100, 1)], &["0 one(1)", "90 one(1)", "210 one(1)"]),
        ("a few", vec![(0, 1), (10, 2), (20, 3)], &["0 one(1)", "60 list(5)"]),
        ("some at once", vec![(0, 3)], &["0 list(3)"]),
        ("a bad deploy at once", vec![(0, 500)], &["0 storm(500)", "600 calm(0)"]),
        ("a bad deploy", vec![(0, 1), (1, 40), (30, 400), (59, 59)], &["0 one(1)", "60 storm(499)", "659 calm(0)"]),
        (
            "what follows a storm belongs to it",
            vec![(0, 9), (100, 1), (150, 1)],
            &["0 storm(9)", "100 storm(1)", "220 storm(1)", "750 calm(0)"],
        ),
        (
            "an hour of one every 20 s",
            every(20, 3600).collect(),
            &[
                "0 one(1)",
                "60 list(2)",
                "180 storm(6)",
                "420 storm(12)",
                "900 storm(24)",
                "1800 storm(45)",
                "2700 storm(45)",
                "3600 storm(45)",
                "4180 calm(0)",
            ],
        ),
        (
            "the end of a burst does not wait for its window",
            vec![(0, 1), (60, 2), (180, 2), (420, 2), (900, 2), (1000, 2)],
            &["0 one(1)", "60 list(2)", "180 list(2)", "420 list(2)", "900 list(2)", "1600 list(2)"],
        ),
    ];
    for (name, arrivals, expected) in cases {
        assert_eq!(Story::of(&arrivals).told(), expected, "{name}");
    }
}

#[test]
fn a_full_hour_says_so_once_and_tells_the_rest_afterwards() {
    // Other channels of this recipient have used the hour up.
    let mut story =
        Story { hour: Some(Hour { began: START, sent: PER_HOUR_MAX, announced: false }), ..Story::default() };
    for second in [60, 70, 3000] {
        story.arrive(second, 1);
    }
    story.pass(START + Duration::days(1));
    assert_eq!(story.told(), ["60 limit(0)", "3600 list(3)"]);
}

#[test]
fn the_end_of_a_storm_waits_for_a_new_hour_like_anything_else() {
    let mut story =
        Story { hour: Some(Hour { began: START, sent: PER_HOUR_MAX - 1, announced: false }), ..Story::default() };
    story.arrive(10, 6);
    story.pass(START + Duration::days(1));
    assert_eq!(story.told(), ["10 storm(6)", "610 limit(0)", "3600 calm(0)"]);
}

#[test]
fn names_read_back() {
    for form in [Form::One, Form::List, Form::Storm, Form::Calm, Form::Limit] {
        assert_eq!(Form::parse(form.as_str()), Some(form));
    }
    assert_eq!(Form::parse("digest"), None);
}

proptest! {
    /// Whatever comes: all of it is told, each once; the first of a calm time at once and all else soon; messages keep
    /// their distance; a storm ends with one word and nothing else does.
    #[test]
    fn what_holds_of_every_story(gaps in prop::collection::vec((0_i64..1500, 1_i64..30), 1..120)) {
        let mut second = 0;
        let arrivals: Vec<(i64, i64)> = gaps.iter().map(|(gap, count)| { second += gap; (second, *count) }).collect();
        let story = Story::of(&arrivals);
        let carrying: Vec<_> = story.sent.iter().filter(|(_, form, _)| form.carries()).collect();

        let all: i64 = arrivals.iter().map(|(_, count)| count).sum();
        prop_assert_eq!(carrying.iter().map(|(_, _, count)| count).sum::<i64>(), all);
        prop_assert_eq!(story.burst, None);
        prop_assert_eq!(story.waiting, None);
        prop_assert_eq!(story.due, None);

        for (arrived, _) in &arrivals {
            let told = carrying.iter().find(|(at, ..)| at >= arrived).map(|(at, ..)| at - arrived);
            prop_assert!(told.is_some_and(|after| after <= WINDOW_MAX.whole_seconds()), "{arrived}: {told:?}");
            let before = arrivals.iter().rev().find(|(at, _)| at < arrived);
            if before.is_none_or(|(at, _)| arrived - at > (QUIET + WINDOW_MIN).whole_seconds()) {
                prop_assert_eq!(told, Some(0), "calm before {}", arrived);
            }
        }
        for pair in carrying.windows(2) {
            prop_assert!(pair[1].0 - pair[0].0 >= WINDOW_MIN.whole_seconds(), "{pair:?}");
        }
        for (_, form, count) in &carrying {
            prop_assert!(matches!((form, count), (Form::One, 1) | (Form::List, 2..=5) | (Form::Storm, _)));
        }
        // Between two ends there is a storm, and after a storm there is an end.
        let mut storm = false;
        for (_, form, _) in &story.sent {
            match form {
                Form::Storm => storm = true,
                Form::Calm => { prop_assert!(storm); storm = false; }
                _ => prop_assert!(!storm, "a smaller form within a storm"),
            }
        }
        prop_assert!(!storm);
        for (at, ..) in &story.sent {
            let within = story.sent.iter().filter(|(other, ..)| (*at..at + 3600).contains(other)).count();
            prop_assert!(within <= 2 * 60 + 1, "{within} within an hour");
        }
    }
}
