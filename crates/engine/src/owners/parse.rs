//! Text to rules: lines, then words, then what each line is about.

use std::ops::Range;

use super::{About, OWNERS_MAX, Owner, PATTERN_CHARS_MAX, Problem, RULES_MAX, Rule, Rules, TEXT_CHARS_MAX};
use crate::access::Email;
use crate::grouping::rules::glob::{Glob, Style};

/// Problems that are told at once; who has more has the wrong file.
const PROBLEMS_MAX: usize = 20;

/// A word of a line, with where it stands.
struct Word {
    text: String,
    span: Range<usize>,
}

pub(super) fn rules(text: &str) -> Result<Rules, Vec<Problem>> {
    if text.chars().nth(TEXT_CHARS_MAX).is_some() {
        let message = format!("The rules have more than {TEXT_CHARS_MAX} characters: keep those about this project");
        return Err(vec![Problem { line: 1, span: 0..0, message }]);
    }
    let (mut rules, mut problems) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let wrong = |span, message| Problem { line: index + 1, span, message };
        match rule(index + 1, line) {
            Ok(None) => {}
            Ok(Some(_)) if rules.len() == RULES_MAX => {
                problems.push(wrong(0..line.len(), format!("There are at most {RULES_MAX} rules")));
                break;
            }
            Ok(Some(rule)) => rules.push(rule),
            Err((span, message)) => problems.push(wrong(span, message)),
        }
        if problems.len() == PROBLEMS_MAX {
            break;
        }
    }
    if problems.is_empty() { Ok(Rules { rules }) } else { Err(problems) }
}

type Wrong = (Range<usize>, String);

fn rule(number: usize, line: &str) -> Result<Option<Rule>, Wrong> {
    let mut words = words(line).into_iter();
    let Some(first) = words.next() else { return Ok(None) };
    if first.text.chars().nth(PATTERN_CHARS_MAX).is_some() {
        return Err((first.span, format!("A pattern has at most {PATTERN_CHARS_MAX} characters")));
    }
    if first.text.starts_with('[') || first.text.starts_with("^[") {
        let message = "Sections are not understood: remove this line, and write its owners behind each path";
        return Err((first.span, message.to_owned()));
    }
    let (about, needs_owner) = about(&first)?;
    let mut owners = Vec::new();
    for word in words {
        if owners.len() == OWNERS_MAX {
            return Err((word.span, format!("A rule has at most {OWNERS_MAX} owners")));
        }
        owners.push(owner(&word)?);
    }
    if owners.is_empty() && needs_owner {
        return Err((first.span, "Name the owner behind it, by e-mail address".to_owned()));
    }
    Ok(Some(Rule { line: number, pattern: first.text, owners, about }))
}

/// Words between spaces, up to a comment. A backslash keeps a space in its word, as in CODEOWNERS files.
fn words(line: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut chars = line.char_indices().peekable();
    while let Some((start, char)) = chars.next() {
        if char.is_whitespace() {
            continue;
        }
        let mut word = Word { text: char.to_string(), span: start..start + char.len_utf8() };
        while let Some((at, char)) = chars.next_if(|(_, char)| !char.is_whitespace()) {
            word.text.push(char);
            word.span.end = at + char.len_utf8();
            if char == '\\'
                && let Some((at, space)) = chars.next_if(|(_, next)| *next == ' ')
            {
                word.text.pop();
                word.text.push(space);
                word.span.end = at + 1;
            }
        }
        // A team of other trackers is written `#team`; a sign alone, or in front of all, begins a comment.
        if word.text == "#" || (words.is_empty() && word.text.starts_with('#')) {
            break;
        }
        words.push(word);
    }
    words
}

/// What a line is about, and whether it says nothing without owners.
fn about(word: &Word) -> Result<(About, bool), Wrong> {
    let wrong = |message: &str| Err((word.span.clone(), message.to_owned()));
    let too_much = || (word.span.clone(), "This pattern needs too much memory: use fewer brackets".to_owned());
    let glob = |text: &str, style| Glob::new(text, style).ok_or_else(too_much);
    let Some((kind, pattern)) = word.text.split_once(':').filter(|(kind, _)| is_kind(kind)) else {
        return Ok((file(word.text.trim_start_matches('!'), &glob)?, false));
    };
    if pattern.is_empty() {
        return wrong("A pattern stands directly behind the colon, as in path:src/payments/*");
    }
    let about = match kind {
        "path" => {
            let pattern = pattern.replace('\\', "/");
            let pattern = pattern.trim_start_matches("./").trim_start_matches('/');
            About::Path(vec![glob(pattern, Style::CaseBlind)?, glob(&format!("*/{pattern}"), Style::CaseBlind)?])
        }
        "codeowners" => file(pattern, &glob)?,
        "module" | "stack.module" => About::Module(glob(pattern, Style::CaseBlind)?),
        "url" => About::Url(glob(pattern, Style::CaseBlind)?),
        kind => match kind.strip_prefix("tags.") {
            Some(name) if !name.is_empty() => About::Tag(name.to_owned(), glob(pattern, Style::CaseBlind)?),
            Some(_) => return wrong("Name the tag, as in tags.plan:gold"),
            None => {
                return wrong("A rule is about path:, module:, url: or tags.NAME:, or is a line of a CODEOWNERS file");
            }
        },
    };
    Ok((about, true))
}

/// Whether what stands before a colon is meant as a kind of rule: no path has a colon behind its first word.
fn is_kind(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// A path of a CODEOWNERS file, which is one of a `.gitignore`: with a slash inside it begins at the root, else anywhere;
/// with one behind it is a directory; `*` stays within one.
fn file(pattern: &str, glob: &impl Fn(&str, Style) -> Result<Glob, Wrong>) -> Result<About, Wrong> {
    let is_anchored = pattern.trim_end_matches('/').contains('/');
    let path = pattern.trim_start_matches('/').trim_end_matches('/');
    if path.is_empty() {
        return Ok(About::File { rooted: vec![glob("**", Style::Path)?], deeper: Vec::new() });
    }
    let mut forms = Vec::new();
    if !pattern.ends_with('/') {
        forms.push(path.to_owned());
    }
    // `docs/*` is what stands in it, and not what stands deeper.
    if !path.ends_with("/*") {
        forms.push(format!("{path}/**"));
    }
    let compile = |forms: &[String], prefix: &str| -> Result<Vec<Glob>, Wrong> {
        forms.iter().map(|form| glob(&format!("{prefix}{form}"), Style::Path)).collect()
    };
    let (mut rooted, deeper) = (compile(&forms, "")?, compile(&forms, "**/")?);
    if is_anchored {
        return Ok(About::File { rooted, deeper });
    }
    rooted.extend(deeper);
    Ok(About::File { rooted, deeper: Vec::new() })
}

fn owner(word: &Word) -> Result<Owner, Wrong> {
    let name = word.text.strip_prefix(['@', '#']);
    match name {
        Some(name) if !name.is_empty() && !name.contains(char::is_control) => Ok(Owner::Name(name.to_owned())),
        _ => word
            .text
            .parse::<Email>()
            .map(Owner::Address)
            .map_err(|_| (word.span.clone(), "An owner is an e-mail address, or @name".to_owned())),
    }
}
