//! The cleaner of messages, and what learns from them.
#![no_main]

use engine::event::Event;
use engine::grouping::templates::{self, Learner, Placed, Template};
use engine::grouping::{self, Rules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let rules = Rules::builtin();
    let (mut one, mut two) = (Learner::default(), Learner::default());
    let mut known: Vec<Template> = Vec::new();
    // One message per paragraph; the whole text is one as well.
    for message in text.split("\n\n").take(64).chain([text]) {
        let json = serde_json::json!({ "message": message, "exception": null }).to_string();
        let Ok(event) = Event::from_json(&json) else { continue };
        let keys = grouping::group(&event, rules).keys;
        assert!(!keys.is_empty());
        assert_eq!(keys, grouping::group(&event, rules).keys, "the same text has the same keys");
        let Some(text) = templates::free_text(&event, rules) else { continue };
        assert!(keys.iter().any(|key| key.hash == text.key), "what is learned from is what is grouped by");
        let founder = one.learn(&text);
        assert_eq!(founder, two.learn(&text), "the same order gives the same templates");
        assert_eq!(founder, one.learn(&text), "a message stays where it went");
        match templates::place(&text, &known) {
            Placed::Found => known.push(Template { founder: text.key, template: text.template.clone() }),
            Placed::Join(join) => {
                let tokens = |text: &str| text.split(' ').count();
                assert_eq!(tokens(&join.template), tokens(&text.template), "a template keeps its length");
                known[join.candidate].template = join.template;
                assert!(matches!(templates::place(&text, &known), Placed::Join(_)), "what fitted fits");
            }
        }
    }
});
