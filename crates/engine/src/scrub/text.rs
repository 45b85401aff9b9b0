//! Secrets within a text: values beside a name, passwords in addresses, tokens that their issuers mark, private keys.
//!
//! Each form has a pattern, and each pattern the few words that every match of it holds. One pass over an event finds the
//! words (`Hints`); a pattern runs only over texts that hold one of its words.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::names::is_secret;
use super::numbers;
use super::words::Hints;

/// What stands in place of a secret.
pub const HIDDEN: &str = "[Filtered]";

struct Patterns {
    /// `name=value`, also where the `=` is escaped for a URL, and with a value in quotes.
    assigned: Regex,
    /// `"name": "value"`, `'name' => 'value'`, `:name=>"value"`.
    quoted: Regex,
    /// `Name: value`, to the end of the line.
    line: Regex,
    /// `<name>value</name>`.
    element: Regex,
    /// A part of a form with files: its name, then an empty line, then the value.
    part: Regex,
    /// `://user:password@`.
    address: Regex,
    /// `Bearer token`.
    scheme: Regex,
    /// What issuers mark.
    token: Regex,
    /// A private key in PEM; its end may have been cut off.
    key: Regex,
    /// An address of mail.
    mail: Regex,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    let compile = |pattern: &str| Regex::new(pattern).ok();
    Some(Patterns {
        assigned: compile(
            r#"([A-Za-z0-9_.\-\[\]]{1,64})(\s?=\s?|%3[dD])("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^&\s;,"'<>]+)"#,
        )?,
        quoted: compile(
            r#"(?:"([^"\\]{1,64})"|'([^'\\]{1,64})'|:([a-z_]{1,64}))(\s*(?::|=>)\s*)([bu]?"(?:[^"\\]|\\.)*"?|[bu]?'(?:[^'\\]|\\.)*'?|[0-9][0-9.]*)"#,
        )?,
        line: compile(r"([A-Za-z][A-Za-z0-9_.\-]{1,63})(:[ \t]*)([^\r\n]+)")?,
        element: compile(r"<([A-Za-z][A-Za-z0-9_.:\-]{0,63})(\s[^<>]*)?>([^<>]+)</")?,
        part: compile(r#"(name="([^"\r\n]{1,64})"[^\r\n]*\r?\n(?:[^\r\n]+\r?\n){0,4}\r?\n)([^\r\n]+)"#)?,
        address: compile(r#"(://)[^/\s:@"'?#]*:[^/\s"']+@"#)?,
        scheme: compile(r"(?i)\b(bearer|basic|digest|token|apikey)(\s+)([A-Za-z0-9._~+/=\-]{8,})")?,
        token: compile(concat!(
            r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)*",
            r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
            r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_\-]{16,}",
            r"|\bxox[abeoprs]-[A-Za-z0-9\-]{10,}|hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_\-]{8,}",
            r"|\bapi/webhooks/[0-9]{8,}/[A-Za-z0-9_\-]{20,}",
            r"|\b[sr]k_(?:live|test|prod)_[A-Za-z0-9]{8,}|\bwhsec_[A-Za-z0-9+/=]{16,}|\bsk-[A-Za-z0-9_\-]{20,}",
            r"|\bAIza[A-Za-z0-9_\-]{30,}|\bya29\.[A-Za-z0-9_\-]{16,}",
            r"|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[A-Za-z0-9_\-]{16,}|\bhf_[A-Za-z0-9]{20,}",
            r"|\bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",
            r"|\bshp(?:at|ca|pa|ss)_[A-Fa-f0-9]{16,}|\bsq0[a-z]{3}-[A-Za-z0-9_\-]{16,}|\bdop_v1_[a-f0-9]{32,}",
            r"|\bsntry[su]_[A-Za-z0-9+/=_\-]{16,}",
        ))?,
        key: compile(
            r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
        )?,
        mail: compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,8}")?,
    })
});

/// What to hide, and in what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Also {
    pub(super) secrets: bool,
    pub(super) numbers: bool,
    pub(super) emails: bool,
    /// Lines of a program: `password=password` is no secret there. A token is one wherever it stands.
    pub(super) is_source: bool,
}

/// Hides the secrets of a text.
pub(super) fn hide<'a>(text: &'a str, hints: Hints, also: Also) -> Cow<'a, str> {
    // Without patterns nothing can be judged.
    let Some(patterns) = &*PATTERNS else { return Cow::Borrowed(HIDDEN) };
    let mut hidden = Cow::Borrowed(text);
    if hints.has(Hints::TOKEN) && also.secrets {
        then(&mut hidden, |text| patterns.key.replace_all(text, HIDDEN));
        then(&mut hidden, |text| patterns.token.replace_all(text, HIDDEN));
    }
    if hints.has(Hints::ADDRESS) && also.secrets && text.contains('@') {
        then(&mut hidden, |text| patterns.address.replace_all(text, "${1}[Filtered]@"));
    }
    if hints.has(Hints::SCHEME.and(Hints::NAME))
        && also.secrets
        && !also.is_source
        && text.contains(char::is_whitespace)
    {
        then(&mut hidden, |text| patterns.scheme.replace_all(text, authorised));
    }
    if hints.has(Hints::NAME) && also.secrets && !also.is_source {
        named(&mut hidden, patterns);
    }
    if hints.has(Hints::NUMBER) && also.numbers {
        then(&mut hidden, without_numbers);
    }
    if also.emails && text.contains('@') {
        then(&mut hidden, |text| patterns.mail.replace_all(text, "[Filtered email]"));
    }
    if hidden == text { Cow::Borrowed(text) } else { hidden }
}

/// Hides values that stand beside the name of a secret. Which signs a text has says which patterns can match: most texts
/// with a hint, paths and names of modules, have none of them.
fn named(hidden: &mut Cow<'_, str>, patterns: &Patterns) {
    if hidden.contains('=') || hidden.contains("%3") {
        then(hidden, |text| assigned(text, patterns, ASSIGNED_DEPTH_MAX));
    }
    let (has_colon, has_arrow) = (hidden.contains(':'), hidden.contains("=>"));
    if has_arrow || has_colon && hidden.contains(['"', '\'']) {
        then(hidden, |text| patterns.quoted.replace_all(text, quoted));
    }
    if has_colon {
        then(hidden, |text| {
            patterns.line.replace_all(text, |found: &Captures<'_>| {
                match is_secret(&found[1]).then(|| of_line(&found[3])) {
                    Some(Some(rest)) => format!("{}{}{HIDDEN}{rest}", &found[1], &found[2]),
                    _ => found[0].to_owned(),
                }
            })
        });
    }
    if hidden.contains("</") {
        then(hidden, |text| patterns.element.replace_all(text, |found: &Captures<'_>| enclosed(found, 1)));
    }
    if hidden.contains("name=\"") {
        then(hidden, |text| patterns.part.replace_all(text, |found: &Captures<'_>| enclosed(found, 2)));
    }
}

fn quoted(found: &Captures<'_>) -> String {
    let name = [1, 2, 3].iter().find_map(|group| found.get(*group)).map_or("", |name| name.as_str());
    let (whole, value) = (&found[0], &found[5]);
    if !is_secret(name) || value.len() < 3 || is_covered(value) {
        return whole.to_owned();
    }
    let quote = value.trim_start_matches(['b', 'u']).chars().next().filter(|first| !first.is_ascii_digit());
    let quote = quote.map_or(String::from('"'), String::from);
    format!("{}{quote}{HIDDEN}{quote}", &whole[..whole.len() - value.len()])
}

/// Hides the third group, which stands behind the name in group `name`.
fn enclosed(found: &Captures<'_>, name: usize) -> String {
    let whole = &found[0];
    match (found.get(0), found.get(3)) {
        (Some(all), Some(value)) if is_secret(&found[name]) && !is_covered(value.as_str()) => {
            let (start, end) = (value.start() - all.start(), value.end() - all.start());
            format!("{}{HIDDEN}{}", &whole[..start], &whole[end..])
        }
        _ => whole.to_owned(),
    }
}

/// Values within values that are looked at: an address within an address within a log line.
const ASSIGNED_DEPTH_MAX: usize = 4;

/// Hides what is assigned to secret names, also within the value of another: `next=%2Fsign-in%3Ftoken%3Dabc`.
fn assigned<'a>(text: &'a str, patterns: &Patterns, depth: usize) -> Cow<'a, str> {
    patterns.assigned.replace_all(text, |found: &Captures<'_>| {
        let value = &found[3];
        let hidden = match is_secret(&found[1]) {
            true if !is_covered(value) => Cow::Borrowed(HIDDEN),
            true => Cow::Borrowed(value),
            false if depth > 0 => assigned(value, patterns, depth - 1),
            false => Cow::Borrowed(value),
        };
        format!("{}{}{hidden}", &found[1], &found[2])
    })
}

/// What of `Name: value` stays behind the value: nothing of a header's value (`Cookie: a=1; b=2`), and of a sentence
/// (`password: hunter2 was refused`) all but its first word, if that looks like a secret: `password: is required`.
fn of_line(value: &str) -> Option<&str> {
    if is_covered(value) || value.starts_with(['"', '\'', '{', '[']) {
        return None;
    }
    let end = value.find([' ', '\t', ',', ';']).unwrap_or(value.len());
    let (word, rest) = value.split_at(end);
    let is_sentence = rest.trim_start_matches([',', ';']).starts_with([' ', '\t']) && !word.contains('=');
    let has_odd = word.bytes().any(|byte| !byte.is_ascii_alphabetic());
    match (is_sentence, has_odd || word.chars().any(char::is_uppercase) && word.len() >= 8) {
        (true, true) => Some(rest),
        (true, false) => None,
        (false, true) => Some(""),
        (false, false) => None,
    }
}

/// `Bearer abc…`: a word behind such a one is a token if it does not look like an ordinary word.
fn authorised(found: &Captures<'_>) -> String {
    let (scheme, token) = (&found[1], &found[3]);
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    let has_odd = token.bytes().any(|byte| byte.is_ascii_digit() || b"=+/_".contains(&byte));
    let is_mixed = token[1..].bytes().any(|byte| byte.is_ascii_uppercase());
    if has_odd || is_mixed || (is_bearer && token.len() >= 20) {
        format!("{scheme}{}{HIDDEN}", &found[2])
    } else {
        found[0].to_owned()
    }
}

/// Nothing that is hidden is hidden again, nor what says that there is nothing.
pub(super) fn is_covered(value: &str) -> bool {
    // Of a text of Python's: `b'…'`. A password may be the letter.
    let unmarked = value.strip_prefix(['b', 'u']).filter(|rest| rest.starts_with(['"', '\'']));
    let bare = unmarked.unwrap_or(value).trim_matches(['"', '\'']);
    bare.is_empty()
        || bare.starts_with("[Filtered")
        || bare.starts_with("[redacted")
        || bare.chars().all(|char| char == '*')
        || matches!(
            bare,
            "None"
                | "null"
                | "nil"
                | "undefined"
                | "true"
                | "false"
                | "True"
                | "False"
                | "[Filtered"
                | "%5BFiltered%5D"
        )
}

fn without_numbers(text: &str) -> Cow<'_, str> {
    let (mut out, mut from) = (String::new(), 0);
    while let Some((range, what)) = numbers::next(text, from) {
        out.push_str(&text[from..range.start]);
        out.push_str("[Filtered ");
        out.push_str(what);
        out.push(']');
        from = range.end;
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

/// Changes a text further, and copies it only where something changes.
pub(super) fn then(text: &mut Cow<'_, str>, change: impl for<'t> Fn(&'t str) -> Cow<'t, str>) {
    if let Cow::Owned(changed) = change(text) {
        *text = Cow::Owned(changed);
    }
}
