//! What grouping may never fall below on crashes of real programs.

#![allow(clippy::print_stdout, reason = "a test that prints its table")]

use trials::crashes::{self, Programs};
use trials::online::Judge;

#[test]
fn crashes_of_one_bug_find_each_other_after_edits() {
    for (programs, f1_min) in [(Programs::Shop, 0.96), (Programs::Clinic, 0.92)] {
        let all = crashes::load(programs);
        println!("{}", crashes::table(&all));
        crashes::mistakes(&all).iter().for_each(|mistake| println!("{mistake}"));
        let engine = crashes::score(&all, Judge::Engine);
        let (top_frame, wording) = (crashes::score(&all, Judge::TopFrame), crashes::score(&all, Judge::Wording));
        for (language, own) in &engine {
            let simple = top_frame[language];
            assert!(own.precision() >= 0.96 && own.recall() >= 0.80, "{programs:?} {language}: {own:?}");
            assert!(
                own.f1() > simple.f1(),
                "{programs:?} {language}: type and top frame does better: {simple:?}, not {own:?}"
            );
        }
        let own = engine["all"];
        assert!(own.f1() >= f1_min && own.f1() > wording["all"].f1(), "{programs:?}: {own:?}");
    }
}

#[test]
fn stacks_without_types_are_told_apart_by_more_than_their_top_frame() {
    for programs in [Programs::Shop, Programs::Clinic] {
        let bare = crashes::without_types(&crashes::load(programs));
        println!("{}", crashes::table(&bare));
        let (engine, top_frame) = (crashes::score(&bare, Judge::Engine), crashes::score(&bare, Judge::TopFrame));
        for (language, own) in &engine {
            assert!(own.f1() > top_frame[language].f1(), "{programs:?} {language}: {own:?}");
        }
    }
}
