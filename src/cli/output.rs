//! The two ways to answer: a JSON document for scripts, or text for people.

use std::io::Write;

use anyhow::Context;
use serde::Serialize;

use crate::error::Failure;

/// How to answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    /// One JSON document on stdout.
    pub(super) json: bool,
}

impl Output {
    /// The answer is `document`, or `line` for whom a line is enough.
    pub(super) fn answer(self, document: &impl Serialize, line: &str) -> Result<(), Failure> {
        if self.json {
            let text = serde_json::to_string(document).context("cannot write the answer as JSON")?;
            return print(&text);
        }
        print(line)
    }

    /// Nothing is asked but that it be done: `text` goes to stderr.
    pub(super) fn done(self, document: &impl Serialize, text: &str) -> Result<(), Failure> {
        if self.json {
            return self.answer(document, "");
        }
        self.say(text);
        Ok(())
    }

    /// A word for people.
    pub(super) fn say(self, text: &str) {
        // When even stderr is gone there is nobody left to tell.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    Ok(writeln!(out, "{text}").and_then(|()| out.flush()).context("cannot write to stdout")?)
}
