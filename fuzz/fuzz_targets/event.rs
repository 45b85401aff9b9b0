//! Events: whatever the bytes, every stage from repair to the display form ends without a panic.
//!
//! `cargo +nightly fuzz run event -- -max_total_time=600`
#![no_main]

use engine::event::Event;
use engine::normalize::{Arrival, normalize};
use engine::{grouping, json, payload, title};
use libfuzzer_sys::fuzz_target;
use time::OffsetDateTime;

fuzz_target!(|data: &[u8]| {
    let text = json::repair(data);
    // Shown even where ingest would have refused it.
    let shown = payload::view(&text);
    assert!(shown.is_object());
    let Ok(event) = Event::from_json(&text) else { return };
    let arrival = Arrival { received_at: OffsetDateTime::UNIX_EPOCH, sent_at: None, client_ip: None };
    let normal = normalize(&event, &arrival);
    assert!(normal.tags.len() <= engine::limits::TAGS_MAX);
    for text in [title::title(&event), title::culprit(&event), title::location(&event), title::value(&event)] {
        // PostgreSQL refuses NUL in text, and with it a whole batch.
        assert!(!text.contains('\0'));
    }
    let grouping = grouping::group(&event);
    assert!(!grouping.keys.is_empty());
    assert_eq!(grouping.keys, grouping::group(&event).keys, "grouping is not deterministic");
    let _ = grouping::explain(&event);
});
