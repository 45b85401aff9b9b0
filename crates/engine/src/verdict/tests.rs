//! The table of verdicts: facts, grade, sentence.

use super::*;

/// A quiet deploy of ten minutes with all its traffic on the release.
fn calm() -> Facts {
    Facts {
        release: "shop@2.1.0".into(),
        elapsed_s: 600,
        usual_per_min: Some(12.0),
        errors_per_min: 11.0,
        share: Some(Share::OfSessions(0.4)),
        sessions: Sessions { total: 1_000, crashed: 4 },
        sessions_before: Sessions { total: 50_000, crashed: 200 },
        ..Facts::default()
    }
}

#[test]
fn issues_and_rates() {
    check(vec![
        (
            calm(),
            Grade::Good,
            "No new issue and none that came back in 10 min; 11 errors a minute, 12 are usual; 99.6 % of 1000 sessions \
             are crash-free.",
        ),
        (Facts { new_issues: 1, ..calm() }, Grade::Watch, "1 new issue in shop@2.1.0."),
        (
            Facts { new_issues: 2, new_issues_of_many: 2, regressed: 1, ..calm() },
            Grade::Watch,
            "2 new issues in shop@2.1.0; 1 resolved issue came back.",
        ),
        (
            Facts { new_issues: 9, new_issues_of_many: 3, ..calm() },
            Grade::Bad,
            "3 new issues in shop@2.1.0 that 3 or more users met.",
        ),
        (Facts { errors_per_min: 18.0, ..calm() }, Grade::Good, ""),
        (Facts { errors_per_min: 18.1, ..calm() }, Grade::Watch, "18 errors a minute, 1.5 times the usual 12."),
        (Facts { errors_per_min: 36.0, ..calm() }, Grade::Watch, "36 errors a minute, 3.0 times the usual 12."),
        (Facts { errors_per_min: 143.0, ..calm() }, Grade::Bad, "143 errors a minute, 11.9 times the usual 12."),
        // Three times next to nothing is still next to nothing.
        (Facts { errors_per_min: 10.0, usual_per_min: Some(0.1), ..calm() }, Grade::Good, ""),
        (
            Facts { errors_per_min: 20.0, usual_per_min: Some(0.0), ..calm() },
            Grade::Watch,
            "20 errors a minute, 0 are usual.",
        ),
        (Facts { errors_per_min: 20.5, usual_per_min: Some(0.0), ..calm() }, Grade::Bad, ""),
        // The first deploy of a project: nothing is usual yet.
        (Facts { errors_per_min: 500.0, usual_per_min: None, ..calm() }, Grade::Good, ""),
    ]);
}

#[test]
fn sessions_traffic_and_people() {
    check(vec![
        (
            Facts { sessions: Sessions { total: 50, crashed: 1 }, ..calm() },
            Grade::Bad,
            "98.0 % of sessions are crash-free, 99.6 % were before.",
        ),
        (Facts { sessions: Sessions { total: 49, crashed: 9 }, ..calm() }, Grade::Good, ""),
        (Facts { sessions: Sessions { total: 1_000, crashed: 10 }, ..calm() }, Grade::Watch, ""),
        (Facts { sessions: Sessions { total: 1_000, crashed: 9 }, ..calm() }, Grade::Good, ""),
        (
            Facts { share: Some(Share::OfSessions(0.049)), new_issues: 1, ..calm() },
            Grade::TooEarly,
            "4.9 % of the sessions are on shop@2.1.0; 5 % are needed.",
        ),
        // What is bad is bad at once, however small the canary.
        (Facts { share: Some(Share::OfSessions(0.01)), errors_per_min: 143.0, ..calm() }, Grade::Bad, ""),
        (
            Facts { share: Some(Share::OfEvents(0.0)), elapsed_s: 899, ..calm() },
            Grade::TooEarly,
            "0.0 % of the events are from shop@2.1.0 after 14 min, and no sessions tell how much traffic it has.",
        ),
        (Facts { share: Some(Share::OfEvents(0.0)), elapsed_s: 900, ..calm() }, Grade::Good, ""),
        (
            Facts { share: None, elapsed_s: 9_000, ..calm() },
            Grade::TooEarly,
            "Nothing has been heard since shop@2.1.0 was deployed 2 h ago.",
        ),
        (Facts { mark: Some(Mark::RolledBack), ..calm() }, Grade::Bad, "It was rolled back."),
        (Facts { mark: Some(Mark::Bad), ..calm() }, Grade::Bad, "A person marked it bad."),
        (Facts { mark: Some(Mark::Good), new_issues_of_many: 9, ..calm() }, Grade::Good, "A person marked it good."),
    ]);
}

/// An empty sentence stands for any.
fn check(rows: Vec<(Facts, Grade, &str)>) {
    for (facts, grade, reason) in rows {
        let verdict = judge(&facts);
        assert_eq!(verdict.grade, grade, "{facts:?}: {verdict:?}");
        assert!(verdict.reason.ends_with('.'), "{verdict:?}");
        if !reason.is_empty() {
            assert_eq!(verdict.reason, reason, "{facts:?}");
        }
    }
}

#[test]
fn numbers_without_measure_make_a_verdict_too() {
    let facts = Facts {
        errors_per_min: f64::INFINITY,
        usual_per_min: Some(f64::NAN),
        sessions: Sessions { total: u64::MAX, crashed: u64::MAX },
        sessions_before: Sessions { total: 50, crashed: 80 },
        new_issues: u64::MAX,
        ..calm()
    };
    assert_eq!(judge(&facts).grade, Grade::Watch);
}

#[test]
fn a_rate_alone_is_held_against_the_same_limits() {
    let rows = [
        (61.0, Some(12.0), Grade::Bad),
        (61.0, None, Grade::Good),
        (21.0, Some(7.0), Grade::Watch),
        (20.0, Some(1.0), Grade::Watch),
        (16.0, Some(10.0), Grade::Watch),
        (15.0, Some(10.0), Grade::Good),
        (3.0, Some(0.0), Grade::Good),
    ];
    for (now, usual, grade) in rows {
        assert_eq!(judge_rate(now, usual), grade, "{now} where {usual:?} is usual");
    }
}
