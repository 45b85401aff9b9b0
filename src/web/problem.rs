//! A search that cannot be read, with the word that is wrong.

use engine::query::QueryError;

/// What is wrong with a search, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueryProblem {
    /// The text up to the wrong word.
    pub before: String,
    /// The wrong word; a sign of its own where the text ends too early.
    pub wrong: String,
    /// What follows.
    pub after: String,
    /// What is wrong.
    pub message: String,
}

impl QueryProblem {
    /// Of a text and its error.
    pub(super) fn new(text: &str, error: &QueryError) -> Self {
        let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
        Self {
            before: part(0..error.span.start),
            wrong: part(error.span.clone()),
            after: part(error.span.end..text.len()),
            message: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::query::Query;

    #[test]
    fn the_wrong_word_stands_alone() {
        let text = "é is:unresolvd x";
        let problem = QueryProblem::new(text, &Query::parse(text).unwrap_err());
        assert_eq!((&*problem.before, &*problem.wrong, &*problem.after), ("é is:", "unresolvd", " x"));
        assert!(problem.message.starts_with("is: takes"));
    }
}
