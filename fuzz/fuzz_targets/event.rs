//! The path of one event through every pure stage.
#![no_main]

use engine::event::Event;
use engine::normalize::{Arrival, normalize};
use engine::grouping::Rules;
use engine::{grouping, json, legacy, limits, payload, security, title};
use libfuzzer_sys::fuzz_target;
use time::macros::datetime;

fuzz_target!(|bytes: &[u8]| {
    let _ = legacy::store_body(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !json::has_nul(bytes) && Event::from_json(text).is_ok() => text.to_owned(),
        _ => json::repair(bytes),
    };
    let _ = security::events(&text, &security::Context::default());
    let Ok(event) = Event::from_json(&text) else { return };

    let received_at = datetime!(2026-11-22 12:00 UTC);
    let client_ip = "203.0.113.9".parse().ok();
    let normal = normalize(&event, &Arrival { received_at, sent_at: None, client_ip });
    assert!(normal.occurred_at - received_at <= time::Duration::seconds(limits::FUTURE_SECONDS_MAX));
    assert!(received_at - normal.occurred_at <= time::Duration::seconds(limits::PAST_SECONDS_MAX));
    assert!(normal.tags.len() <= limits::TAGS_MAX);
    let texts = [&normal.release, &normal.environment, &normal.dist, &normal.transaction, &normal.server_name];
    for text in texts.into_iter().flatten() {
        assert!(!text.contains('\0') && text.chars().count() <= limits::NAME_CHARS_MAX);
    }
    for (key, value) in &normal.tags {
        assert!(!key.contains('\0') && !value.contains('\0'), "PostgreSQL stores no NUL");
        assert!(value.chars().count() <= limits::TAG_VALUE_CHARS_MAX);
    }

    let keys = grouping::group(&event, Rules::builtin()).keys;
    assert!(!keys.is_empty());
    let explanation = grouping::explain(&event, Rules::builtin());
    for key in &keys {
        let text = explanation.of_key(key.hash).to_string();
        assert!(!text.contains("\\u0000"));
    }

    for text in [title::title(&event), title::culprit(&event), title::location(&event), title::value(&event)] {
        assert!(!text.contains('\0') && text.chars().count() <= limits::NAME_CHARS_MAX);
    }
    let (codec, packed) = payload::Packer::default().pack(&text);
    let unpacked = payload::decode(codec.number(), &packed).expect("what was packed is unpacked");
    assert_eq!(unpacked, text);
    let shown = payload::view(&unpacked);
    assert!(shown.get("level").is_some(), "an accepted event can always be shown");
    assert!(serde_json::to_string(&shown).is_ok());
});
