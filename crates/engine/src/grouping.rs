//! Which events are the same bug: several keys per event, strongest first, each explained.
//!
//! Owns the path from an event to its keys. An event joins the issue that owns the first of its keys
//! that has an owner, and brings its other keys along; without any owner it opens a new issue. So
//! each key must be right on its own: a later key may only link what is one bug.
//!
//! | key | made of | links |
//! |---|---|---|
//! | `fingerprint` | what the client said, alone | |
//! | `csp`, `chunk-load` | directive and blocked host; failed delivery of code | |
//! | `app` | types, messages and frames of our code | deploys, frameworks, runtimes |
//! | `stack` | the same over all frames, when none is ours | |
//! | `line` | `app` with the source line in place of the message | reworded messages of one statement |
//! | `wording` | `app` with the message but for its middle | one statement's other words |
//! | `shape` | frames without names that a build chooses | builds without source maps or symbols |
//! | `typed` | `app` without what a system words in its language | other languages |
//! | `recursion` | type, message and one turn of the recursion at the top | overflows at another depth |
//! | `site` | type, message and place (three frames when none is ours) | other callers, cut stacks |
//! | `renamed` | type, message, file, source line and caller | a renamed function |
//! | `anchor` | type, message and the nearest name that a minifier kept | minified stacks |
//! | `kin` | type, message, file, caller and name | a name that got a word more |
//! | `app` of the cause | looked up only | an exception reported before it was wrapped |
//! | `message` | template of a message, or of an exception without a stack | |
//! | `empty` | platform, logger, transaction | |
//!
//! Line and column numbers, addresses, deploy folders, context around the line, releases, users and
//! transactions (but for `empty`) take no part. What a frame or a message is reduced to stands in
//! `clean` and `message`, which words weigh what in `families`, and the list above in `recipe`.
//! To add a key, add a function there.

mod clean;
mod families;
mod fingerprint;
mod images;
pub mod lineage;
pub(crate) mod message;
mod notes;
mod paths;
pub mod preview;
pub mod readable;
mod recipe;
mod record;
pub mod rules;
pub mod similar;
mod stack;
mod subject;
pub mod templates;
mod tokens;
mod volatile;
mod wordings;

use crate::event::Event;

pub use record::Explanation;
pub use rules::Rules;

/// Version of every key. A change that gives events other keys needs a new one, and the old recipe
/// kept for looking up.
pub const VERSION: &str = "v1";

/// One key of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// First half of a SHA-256 over the version, the variant and every part with its length.
    pub hash: [u8; 16],
    /// Version and kind, `v1:app`.
    pub variant: &'static str,
    /// False for a key that may be joined but never owned.
    pub owns: bool,
}

/// The keys of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// Strongest first; never empty.
    pub keys: Vec<Key>,
    /// What a rule calls the event, in place of `title::title`.
    pub title: Option<String>,
}

/// The keys of an event under the rules of its project. Linear in its size.
#[must_use]
pub fn group(event: &Event<'_>, rules: &Rules) -> Grouping {
    let mut keys = record::Hashing::default();
    let fingerprint = fingerprint::of(event, rules);
    recipe::write(event, rules, fingerprint.plan, &mut keys);
    Grouping { keys: keys.keys, title: fingerprint.title }
}

/// What each key of an event is made of, and why each frame takes part or not. Slower than `group`,
/// for keys that are new and for people who ask.
#[must_use]
pub fn explain(event: &Event<'_>, rules: &Rules) -> Explanation {
    let mut explaining = record::Explaining::default();
    let fingerprint = fingerprint::of(event, rules);
    recipe::write(event, rules, fingerprint.plan, &mut explaining);
    explaining.finish(fingerprint.rule, notes::notes(event, rules))
}
