//! What grouping may never fall below on crashes of real programs.

#![allow(clippy::print_stdout, reason = "a test that prints its table")]

use trials::crashes;
use trials::online::Judge;

#[test]
fn crashes_of_one_bug_find_each_other_after_edits() {
    let all = crashes::load();
    println!("{}", crashes::table(&all));
    crashes::mistakes(&all).iter().for_each(|mistake| println!("{mistake}"));
    let engine = crashes::score(&all, Judge::Engine);
    let top_frame = crashes::score(&all, Judge::TopFrame);
    for (language, own) in &engine {
        let simple = top_frame[language];
        assert!(own.precision() >= 0.70 && own.recall() >= 0.75, "{language}: {own:?}");
        assert!(own.f1() >= simple.f1(), "{language}: type and top frame does better: {simple:?}, not {own:?}");
    }
    assert!(engine["all"].f1() >= top_frame["all"].f1() + 0.1, "{:?} {:?}", engine["all"], top_frame["all"]);
}
