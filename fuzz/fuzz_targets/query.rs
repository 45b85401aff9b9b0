//! The search language of the issue list.
#![no_main]

use engine::limits;
use engine::query::Query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Query::parse(text) {
        Ok(query) => {
            assert!(query.terms.len() <= limits::QUERY_TERMS_MAX);
            for term in &query.terms {
                assert!(text.get(term.span.clone()).is_some_and(|word| !word.is_empty()), "a term has its place");
            }
        }
        Err(error) => assert!(text.get(error.span.clone()).is_some() || text.len() > limits::QUERY_CHARS_MAX),
    }
});
