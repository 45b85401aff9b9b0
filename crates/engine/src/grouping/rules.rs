//! What people say about grouping: fingerprint rules and stack-trace rules, compiled.
//!
//! Owns the two languages and what matching them costs. It must not know where the text is stored.

/// The rules that apply to the events of one project: ours, and its own.
#[derive(Debug, Default)]
pub struct Rules {}

impl Rules {
    /// The rules of a project that has none of its own.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static BUILTIN: Rules = Rules {};
        &BUILTIN
    }
}
