//! How alike two events are that grouping keeps apart: for suggestions, never for merging by itself.
//!
//! Each event becomes a bag of features with weights: the frames that count for grouping (ours three times a
//! library's, the three newest twice as much), and the words of the message's template. Likeness is the weighted
//! Jaccard index of two bags: what they share over what both have together. Whoever compares keeps to one type
//! and one platform; across these, likeness says little.

use std::collections::BTreeMap;

use super::images::Images;
use super::rules::Rules;
use super::stack::{Basis, Stack};
use super::subject::Subject;
use crate::event::Event;

/// From here on two events are probably one bug, and are suggested as such.
pub const STRONG: f64 = 0.7;

/// Newest frames that weigh double: a crash is where it happened, more than how it got there.
const TOP_FRAMES: usize = 3;
/// Frames of one stack that are compared, the newest.
const FRAMES_MAX: usize = 60;
/// Words of a message that are compared.
const WORDS_MAX: usize = 60;
// Weights of a frame of the application, of another one, and of a word.
const APP: u32 = 3;
const LIBRARY: u32 = 1;
const WORD: u32 = 1;

/// What an event is compared by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    frames: BTreeMap<String, u32>,
    words: BTreeMap<String, u32>,
}

/// How alike two events are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// 0 for nothing in common, 1 for everything.
    pub score: f64,
    /// The same of their frames alone; none when neither has any.
    pub frames: Option<f64>,
    /// The same of their words alone; none when neither has any.
    pub words: Option<f64>,
}

/// What an event is compared by. Linear in its size.
#[must_use]
pub fn signature(event: &Event<'_>, rules: &Rules) -> Signature {
    let images = Images::of(event);
    let mut signature = Signature::default();
    match Subject::of(event, &images, rules) {
        Subject::Exceptions(exceptions) => {
            for exception in &exceptions {
                signature.add_words(&exception.template);
                if let Some(stack) = &exception.stack {
                    signature.add_stack(stack);
                }
            }
        }
        Subject::Message(template) => signature.add_words(&template),
        Subject::Stack(stack) => signature.add_stack(&stack),
        Subject::Nothing => {}
    }
    signature
}

impl Signature {
    fn add_stack(&mut self, stack: &Stack<'_>) {
        let weight = if stack.basis == Basis::App { APP } else { LIBRARY };
        for (index, frame) in stack.frames.iter().rev().take(FRAMES_MAX).enumerate() {
            // A name that a minifier chose says nothing of what another build calls it.
            let function = if frame.volatile { "" } else { &*frame.function };
            let weight = if index < TOP_FRAMES { weight * 2 } else { weight };
            let known = self.frames.entry(format!("{}\u{0}{function}", frame.place)).or_default();
            *known = weight.max(*known);
        }
    }

    fn add_words(&mut self, template: &str) {
        let words = template.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        for word in words.take(WORDS_MAX) {
            self.words.insert(word.to_lowercase(), WORD);
        }
    }

    /// How alike two events are.
    #[must_use]
    pub fn likeness(&self, other: &Self) -> Likeness {
        let (frames, words) = (overlap(&self.frames, &other.frames), overlap(&self.words, &other.words));
        let ratio = |(shared, all): (u32, u32)| (all > 0).then(|| f64::from(shared) / f64::from(all));
        let together = (frames.0 + words.0, frames.1 + words.1);
        Likeness { score: ratio(together).unwrap_or(0.0), frames: ratio(frames), words: ratio(words) }
    }
}

/// What two bags share, and what they have together.
fn overlap(one: &BTreeMap<String, u32>, other: &BTreeMap<String, u32>) -> (u32, u32) {
    let mut shared = 0;
    let mut all = 0;
    for (feature, weight) in one {
        let also = other.get(feature).copied().unwrap_or(0);
        shared += also.min(*weight);
        all += also.max(*weight);
    }
    all += other.iter().filter(|(feature, _)| !one.contains_key(*feature)).map(|(_, weight)| weight).sum::<u32>();
    (shared, all)
}

impl Likeness {
    /// Whether it is worth a suggestion.
    #[must_use]
    pub fn is_strong(&self) -> bool {
        self.score >= STRONG
    }

    /// The score in percent.
    #[must_use]
    pub fn percent(&self) -> u8 {
        // Cut, not rounded: 100 means the same. The cast saturates, and the score is at most 1.
        (self.score * 100.0) as u8
    }

    /// Why, in one sentence.
    #[must_use]
    pub fn reason(&self) -> String {
        let percent = |share: f64| (share * 100.0).round();
        let stacks = match self.frames {
            Some(1.0) => "their stacks are the same".to_owned(),
            Some(0.0) => "their stacks differ".to_owned(),
            Some(share) => format!("their stacks agree to {} %", percent(share)),
            None => "neither has a stack".to_owned(),
        };
        let words = match self.words {
            Some(1.0) => "their messages say the same".to_owned(),
            Some(0.0) => "their messages differ".to_owned(),
            Some(share) => format!("the words of their messages agree to {} %", percent(share)),
            None => "neither has a message".to_owned(),
        };
        format!("Same type and platform; {stacks}, and {words}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Signature {
        signature(&Event::from_json(json).unwrap(), Rules::builtin())
    }

    fn crash(functions: &[&str], value: &str) -> Signature {
        let frames: Vec<String> = functions
            .iter()
            .map(|name| {
                format!(r#"{{"function":"{name}","module":"shop.{name}","filename":"shop/{name}.py","in_app":true}}"#)
            })
            .collect();
        of(&format!(
            r#"{{"platform":"python","exception":{{"type":"ValueError","value":"{value}","stacktrace":{{"frames":[{}]}}}}}}"#,
            frames.join(",")
        ))
    }

    #[test]
    fn likeness_is_one_for_the_same_none_for_strangers_and_has_no_direction() {
        let one = crash(&["main", "serve", "route", "pay"], "no such basket");
        let two = crash(&["main", "serve", "dispatch", "pay"], "no such basket");
        let three = crash(&["worker", "mail"], "cannot connect");
        assert_eq!(one.likeness(&one).score, 1.0);
        assert_eq!(one.likeness(&three).score, 0.0);
        assert_eq!(one.likeness(&two), two.likeness(&one));
        assert_eq!(Signature::default().likeness(&Signature::default()).score, 0.0);
    }

    #[test]
    fn the_crash_weighs_more_than_the_way_there() {
        let base = crash(&["main", "a", "b", "route", "load", "pay"], "no such basket");
        let other_way = crash(&["main", "x", "b", "route", "load", "pay"], "no such basket");
        let other_crash = crash(&["main", "a", "b", "route", "load", "ship"], "no such basket");
        let (way, top) = (base.likeness(&other_way), base.likeness(&other_crash));
        assert!(way.score > top.score, "{way:?} {top:?}");
        assert!(way.is_strong());
        assert_eq!(way.words, Some(1.0));
        assert!(way.reason().contains("their messages say the same"), "{}", way.reason());
    }

    #[test]
    fn messages_without_stacks_are_compared_by_their_words() {
        let one = of(r#"{"message":"connection to db-7 lost after 12 s"}"#);
        let two = of(r#"{"message":"connection to db-9 closed after 30 s"}"#);
        let likeness = one.likeness(&two);
        assert!(likeness.score > 0.4 && likeness.score < 1.0, "{likeness:?}");
        assert_eq!(likeness.frames, None);
    }
}
