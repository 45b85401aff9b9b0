//! Which words of two messages may differ while the messages stay one template.

use super::{LEARNED, TOKENS_MAX};

/// Why a plain word may vary in the end.
pub(super) const SIBLINGS: &str = "other words stood here before";
const LEARNED_WHY: &str = "words were seen to vary here";
const ASSIGNED: &str = "it is assigned to a name";
const NOUN: &str = "the word in front announces a name";
const NAMES: &str = "both are names, not words";

/// Words behind which a name stands.
const NOUNS: &[&str] = &[
    "account",
    "action",
    "activity",
    "app",
    "application",
    "attribute",
    "block",
    "bundle",
    "channel",
    "client",
    "cluster",
    "component",
    "container",
    "customer",
    "daemon",
    "database",
    "datasource",
    "device",
    "domain",
    "driver",
    "engine",
    "group",
    "guest",
    "handler",
    "host",
    "hostname",
    "id",
    "instance",
    "interface",
    "job",
    "listener",
    "logname",
    "machine",
    "member",
    "module",
    "name",
    "namespace",
    "node",
    "package",
    "player",
    "plugin",
    "pod",
    "process",
    "product",
    "project",
    "property",
    "queue",
    "region",
    "repo",
    "repository",
    "role",
    "rule",
    "ruser",
    "sensor",
    "server",
    "service",
    "shard",
    "sku",
    "state",
    "store",
    "table",
    "tag",
    "task",
    "team",
    "tenant",
    "thread",
    "topic",
    "type",
    "user",
    "username",
    "variable",
    "volume",
    "warehouse",
    "worker",
    "zone",
];

/// Words behind which a name stands if the rest of the message leaves no doubt.
const WEAK_NOUNS: &[&str] = &["by", "for", "from", "in", "of", "on", "to", "with"];

/// Words that are no names, whatever stands in front.
const NO_NAMES: &[&str] = &[
    "a", "all", "and", "any", "are", "as", "at", "be", "by", "can", "cannot", "could", "did", "does", "failed", "for",
    "from", "had", "has", "have", "in", "into", "invalid", "is", "it", "its", "lost", "may", "missing", "must", "no",
    "not", "of", "off", "on", "or", "out", "should", "than", "that", "the", "this", "to", "too", "unknown", "was",
    "were", "when", "while", "will", "with", "without", "would",
];

/// Names whose value says what went wrong.
const MEANINGS: &[&str] = &[
    "cause",
    "code",
    "err",
    "errno",
    "error",
    "exception",
    "method",
    "msg",
    "message",
    "op",
    "operation",
    "reason",
    "result",
    "signal",
    "status",
];

/// Texts of interpreters and databases about one identifier: another one is another bug.
const ABOUT_IDENTIFIERS: &[&str] = &[
    "does not exist",
    "doesn't exist",
    "has no attribute",
    "has no member",
    "is not a constructor",
    "is not a function",
    "is not callable",
    "is not defined",
    "is not iterable",
    "is undefined",
    "missing required",
    "no such column",
    "no such table",
    "reading '",
    "setting '",
    "unexpected keyword",
    "unknown column",
    "unresolved reference",
    "Undefined ",
    "undefined ",
];

/// Words of one message that are compared as one: runs without white space, split at punctuation.
pub(super) fn tokens(masked: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for word in masked.split_ascii_whitespace() {
        let mut rest = word;
        while !rest.is_empty() && tokens.len() < TOKENS_MAX {
            let end = match rest.find(is_joint) {
                Some(0) => rest.chars().next().map_or(1, char::len_utf8),
                Some(end) => end,
                None => rest.len(),
            };
            let (token, behind) = rest.split_at(end);
            // The full stop of a sentence is not part of its last word.
            let stem = token.trim_end_matches('.');
            if stem.is_empty() || stem.len() == token.len() {
                tokens.push(token);
            } else {
                tokens.push(stem);
                tokens.push(".");
            }
            rest = behind;
        }
    }
    tokens.truncate(TOKENS_MAX);
    tokens
}

fn is_joint(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '_' | '.' | '-' | '*' | '$' | '/' | '@' | '#')
}

/// Whether another message can be told to be the same at all.
pub(super) fn is_learnable(masked: &str, tokens: &[&str]) -> bool {
    tokens.len() >= 2
        && tokens.iter().any(|token| is_word(token))
        && !ABOUT_IDENTIFIERS.iter().any(|phrase| masked.contains(phrase))
}

/// How a message relates to a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is an instance; the cost orders templates that fit.
    Same { cost: usize, varies: Vec<(usize, &'static str)> },
    /// It differs by one plain word in a long text.
    OneWord(usize),
    /// It is another one.
    Other,
}

/// Words that must be the same before many other words in one place mean that it varies.
const ONE_WORD_EVIDENCE_MIN: usize = 4;

/// Compares a template with a message of as many tokens.
pub(super) fn compare(known: &[&str], new: &[&str]) -> Verdict {
    let same = known.iter().zip(new).filter(|(a, b)| a == b && is_word(a)).count();
    let (mut cost, mut varies, mut plain, mut quoted) = (0, Vec::new(), Vec::new(), false);
    for (at, (&a, &b)) in known.iter().zip(new).enumerate() {
        quoted ^= b == "'";
        if a == b {
            continue;
        }
        if quoted || is_mark(a) || is_mark(b) || is_meaning(a) || is_meaning(b) {
            return Verdict::Other;
        }
        match why(known, at, b, same) {
            Some((weight, why)) => {
                cost += weight;
                varies.push((at, why));
            }
            // `RUNNING` and `FAILED` say what happened.
            None if is_upper(a) || is_upper(b) => return Verdict::Other,
            None => plain.push(at),
        }
        if plain.len() > 1 {
            return Verdict::Other;
        }
    }
    match plain.first() {
        Some(&at) if varies.is_empty() && same >= ONE_WORD_EVIDENCE_MIN => Verdict::OneWord(at),
        Some(_) => Verdict::Other,
        None if same >= cost => Verdict::Same { cost, varies },
        None => Verdict::Other,
    }
}

/// Words after which a sentence belongs to nobody in particular.
const SHARED_SENTENCE_MIN: usize = 8;

/// What a difference in this place costs, in words that have to be the same, and why it may be.
fn why(known: &[&str], at: usize, new: &str, same: usize) -> Option<(usize, &'static str)> {
    let old = known[at];
    if old == LEARNED {
        return Some((0, LEARNED_WHY));
    }
    // `action.SCREEN_ON`: constants are told apart for a reason.
    let constant = |token: &str| token.contains('.') && is_upper(token);
    if constant(old) || constant(new) {
        return None;
    }
    // `init() started`: the name in front is what the message is about.
    let next = known.get(at + 1).copied().unwrap_or_default();
    let subject = at == 0 && next == ":";
    // `app.jobs.sync: could not …`: a long sentence that many jobs say is about all of them.
    if subject && same >= SHARED_SENTENCE_MIN && is_dotted(old) && is_dotted(new) {
        return Some((2, NAMES));
    }
    if next == "(" || subject {
        return None;
    }
    let before = at.checked_sub(1).map_or("", |at| known[at]);
    let name = at.checked_sub(2).map_or("", |at| known[at]);
    if before == "=" && !announces(name, MEANINGS) {
        return Some((1, ASSIGNED));
    }
    let names = !is_one_of(old, NO_NAMES) && !is_one_of(new, NO_NAMES);
    let state = is_upper(old) || is_upper(new);
    let announced = (!state && announces(before, NOUNS)) || (before == ":" && announces(name, NOUNS));
    if names && announced {
        return Some((1, NOUN));
    }
    if names && !state && is_one_of(before, WEAK_NOUNS) && same >= 5 {
        return Some((4, NOUN));
    }
    // What a message begins with is what it is about, unless all the rest is the same sentence.
    let first = at == 0 && same < 4;
    (is_name(old) && is_name(new) && !state && !first).then_some((2, NAMES))
}

fn is_one_of(word: &str, list: &[&str]) -> bool {
    word.len() <= 16 && list.iter().any(|candidate| candidate.eq_ignore_ascii_case(word))
}

/// `user`, and `EventType` or `user_name` by their ends.
fn announces(word: &str, list: &[&str]) -> bool {
    let tail = word.rsplit(['_', '-', '.']).next().unwrap_or(word);
    let hump = tail.rfind(|c: char| c.is_ascii_uppercase()).map_or(tail, |at| &tail[at..]);
    is_one_of(tail, list) || is_one_of(hump, list)
}

/// Letters, and nothing that looks like a name.
fn is_word(token: &str) -> bool {
    token.chars().any(char::is_alphabetic)
}

/// Punctuation.
fn is_mark(token: &str) -> bool {
    token != "*" && token != LEARNED && !token.chars().any(char::is_alphanumeric)
}

/// A value, or a word with joints: `sync_orders`, `jobs/sync`.
fn is_name(token: &str) -> bool {
    let joints = token.bytes().filter(|b| b"_./@#$".contains(b)).count();
    token.contains('*') || joints > 0
}

/// `app.jobs.sync`.
fn is_dotted(token: &str) -> bool {
    token.bytes().filter(|b| *b == b'.').count() >= 2
}

/// `RUNNING`, also as a constant of some class: `app.intent.SCREEN_ON`.
fn is_upper(token: &str) -> bool {
    let constant = token.rsplit('.').next().unwrap_or(token);
    constant.len() >= 2 && constant.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

/// A word that says what went wrong or was asked for; never a value.
fn is_meaning(token: &str) -> bool {
    let upper = is_upper(token);
    // What survived the cleaner with a digit in it is a code.
    token.bytes().any(|b| b.is_ascii_digit())
        || crate::grouping::tokens::is_http_method(token)
        || (upper && token.len() >= 4 && (token.starts_with('E') || token.starts_with("SIG") || token.contains("_ERR")))
        || ["Error", "Exception", "Fault", "Failure"].iter().any(|end| token.len() > end.len() && token.ends_with(end))
        || matches!(token, "ERROR" | "WARN" | "WARNING" | "INFO" | "DEBUG" | "FATAL" | "TRACE" | "CRITICAL" | "NOTICE")
}
