//! What grouping may never fall below on a stream of generated events.

#![allow(clippy::print_stdout, reason = "a test that prints its table")]

use trials::online::Judge;
use trials::stream::{self, Projects};

/// The bound on what is wrong stands above what was measured when it was set: see `docs/GROUPING.md`.
const COST_MAX: usize = 20;

#[test]
fn a_stream_of_many_bugs_becomes_about_as_many_issues() {
    let events = stream::events(0);
    assert_eq!(events.len(), stream::BUGS * stream::EVENTS);
    for projects in [Projects::One, Projects::PerPlatform] {
        let outcome = stream::play(&events, Judge::Engine, projects);
        println!("{projects:?}: {outcome:?}");
        assert!(outcome.cost() <= COST_MAX, "{projects:?}: {outcome:?}");
        assert!(outcome.merges <= 2, "{projects:?}: {outcome:?}");
        assert!(outcome.rand_index >= 0.98, "{projects:?}: {outcome:?}");
        for other in [Judge::TopFrame, Judge::Wording] {
            let simple = stream::play(&events, other, projects);
            assert!(outcome.cost() < simple.cost(), "{} does better: {simple:?}", other.name());
        }
    }
}
