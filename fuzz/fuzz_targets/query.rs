//! Searches: any text parses, or is refused with a place inside of it.
//!
//! `cargo +nightly fuzz run query -- -max_total_time=600`
#![no_main]

use engine::query::Query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Query::parse(text) {
        Ok(query) => {
            assert!(query.terms.len() <= engine::limits::QUERY_TERMS_MAX);
            for term in query.terms {
                assert!(text.get(term.span).is_some());
            }
        }
        Err(error) => assert!(text.get(error.span).is_some() && !error.message.is_empty()),
    }
});
