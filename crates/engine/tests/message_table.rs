//! Messages by class: which of them are one issue, and which are not.
//!
//! The table was written from the classes, not from the code; `messages.txt` says how to read it.

#![allow(clippy::unwrap_used, reason = "a test")]

use engine::event::Event;
use engine::grouping::{self, Rules};

/// A message, its line, and whether it belongs to the template that its block is about.
struct Row {
    line: usize,
    common: bool,
    text: String,
}

fn blocks() -> Vec<Vec<Row>> {
    let mut blocks = vec![Vec::new()];
    for (at, line) in include_str!("messages.txt").lines().enumerate() {
        match line.split_at_checked(2) {
            Some((sign @ ("= " | "! "), text)) => {
                let text = text.replace("\\e", "\u{1b}").replace("\\n", "\n");
                if let Some(block) = blocks.last_mut() {
                    block.push(Row { line: at + 1, common: sign == "= ", text });
                }
            }
            _ if line.is_empty() => blocks.push(Vec::new()),
            _ => {}
        }
    }
    blocks
}

fn key(text: &str) -> [u8; 16] {
    let json = serde_json::json!({ "message": text }).to_string();
    grouping::group(&Event::from_json(&json).unwrap(), Rules::builtin()).keys[0].hash
}

#[test]
fn messages_are_one_issue_exactly_where_the_table_says() {
    let (mut rows, mut wrong) = (0, Vec::new());
    for block in blocks() {
        rows += block.len();
        for (at, a) in block.iter().enumerate() {
            for b in &block[..at] {
                let (expected, got) = (a.common && b.common, key(&a.text) == key(&b.text));
                // One line that stands apart would be named once per line of its block.
                let first = !expected || std::ptr::eq(b, &raw const block[0]);
                if expected != got && first {
                    let verdict = if got { "one issue" } else { "two issues" };
                    wrong.push(format!("{}/{}: {verdict}: {:?} {:?}", b.line, a.line, b.text, a.text));
                }
            }
        }
    }
    assert!(rows >= 300, "{rows}");
    assert!(wrong.is_empty(), "{} pairs:\n{}", wrong.len(), wrong.join("\n"));
}
