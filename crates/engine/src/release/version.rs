//! One version: its grammar, and a key of bytes that sorts as the version does.
//!
//! Read are semantic versions (`1.2.3-rc.1+45`), four parts and more (`3.25.47.22`), calendar versions
//! (`2026.11.22`, `2026-11-22.2`, `202611221030`), a leading `v`, what Python writes (`1.0rc1`, `1.0.post2`) and what
//! `git describe` writes (`1.2.3-4-g1a2b3c4`, four commits after 1.2.3). Anything else is no version: the hash of a
//! build, or a name.
//!
//! The key: the numbers without trailing zeros, an end mark, what kind of version it is (before, at or after its
//! numbers), and the identifiers of a pre-release. A number is its length and its digits, so it has no upper end.
//! What stands behind a `+` is not in the key: two builds of a version are equal, and the clock tells them apart.

/// Lengths of hexadecimal texts that are hashes of builds.
const HASH_CHARS: [usize; 6] = [12, 16, 20, 32, 40, 64];

const END: u8 = 0;
/// Marks a number; the length of its digits is added. Names have at most 200 characters, so it stays a byte.
const NUMBER: u8 = 1;
const BEFORE: u8 = 1;
const AT: u8 = 2;
const AFTER: u8 = 3;
const NUMERIC_IDENTIFIER: u8 = 1;
const TEXT_IDENTIFIER: u8 = 2;

/// How a version is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Up to three numbers, as semantic versioning has them.
    Semantic,
    /// Four numbers and more.
    Parts,
    /// A date.
    Calendar,
    /// One number that counts builds.
    Number,
}

/// A version that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// How it is written.
    pub scheme: Scheme,
    /// Whether it comes before the version of its numbers.
    pub is_pre_release: bool,
    key: Vec<u8>,
}

impl Version {
    /// Reads a version without its package; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if is_hash(text) || text.len() > 250 {
            return None;
        }
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        if build.is_some_and(|build| !is_dotted(build)) {
            return None;
        }
        dashed_date(text).or_else(|| dotted(text))
    }

    /// Sorts as the version does.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    fn new(scheme: Scheme, numbers: &[&str], suffix: &Suffix<'_>) -> Self {
        let mut key = Vec::with_capacity(32);
        let shown = numbers.iter().rposition(|number| !is_zero(number)).map_or(0, |last| last + 1);
        for number in &numbers[..shown] {
            push_number(&mut key, number);
        }
        key.push(END);
        match suffix {
            Suffix::None => key.push(AT),
            Suffix::After(number) => {
                key.push(AFTER);
                push_number(&mut key, number);
            }
            Suffix::Before(identifiers) => {
                key.push(BEFORE);
                for identifier in identifiers {
                    push_identifier(&mut key, identifier);
                }
                key.push(END);
            }
        }
        Self { scheme, is_pre_release: matches!(suffix, Suffix::Before(_)), key }
    }
}

/// What follows the numbers.
enum Suffix<'a> {
    None,
    Before(Vec<&'a str>),
    After(&'a str),
}

/// Whether a text is the hash of a build: hexadecimal, and as long as hashes are. Twelve digits that are a time to the
/// minute are a calendar version.
#[must_use]
pub fn is_hash(text: &str) -> bool {
    HASH_CHARS.contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !(text.len() == 12 && is_written_together(text))
}

/// `2026-11-22`, perhaps followed by a counter: `2026-11-22.2`, `2026-11-22-2`.
fn dashed_date(text: &str) -> Option<Version> {
    let (year, rest) = text.split_once('-')?;
    let (month, rest) = rest.split_once('-')?;
    let (day, counter) = rest.split_once(['.', '-']).map_or((rest, None), |(day, counter)| (day, Some(counter)));
    if !is_date(year, month, day) || counter.is_some_and(|counter| !is_digits(counter)) {
        return None;
    }
    let suffix = counter.map_or(Suffix::None, Suffix::After);
    Some(Version::new(Scheme::Calendar, &[year, month, day], &suffix))
}

fn dotted(text: &str) -> Option<Version> {
    let (numbers, rest) = leading_numbers(text)?;
    let scheme = scheme(&numbers);
    let suffix = match rest.strip_prefix('-') {
        _ if rest.is_empty() => Suffix::None,
        Some(suffix) => dashed(suffix, scheme)?,
        None if numbers.len() > 1 => attached(rest)?,
        None => return None,
    };
    Some(Version::new(scheme, &numbers, &suffix))
}

/// The numbers at the beginning and what follows them. A dot belongs to them only before another digit.
fn leading_numbers(text: &str) -> Option<(Vec<&str>, &str)> {
    let mut numbers = Vec::new();
    let mut rest = text;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        numbers.push(&rest[..digits]);
        rest = &rest[digits..];
        match rest.strip_prefix('.') {
            Some(next) if next.starts_with(|char: char| char.is_ascii_digit()) => rest = next,
            _ => return Some((numbers, rest)),
        }
    }
}

fn scheme(numbers: &[&str]) -> Scheme {
    match numbers {
        [number] if is_written_together(number) => Scheme::Calendar,
        [_] => Scheme::Number,
        [year, month, ..] if is_year(year) && in_range(month, 1, 53) => Scheme::Calendar,
        [_, _] | [_, _, _] => Scheme::Semantic,
        _ => Scheme::Parts,
    }
}

/// What follows a dash. Only the counter of a date and the commits that `git describe` counts come after the numbers.
fn dashed(suffix: &str, scheme: Scheme) -> Option<Suffix<'_>> {
    if !is_dotted(suffix) {
        return None;
    }
    if scheme == Scheme::Calendar && is_digits(suffix) {
        return Some(Suffix::After(suffix));
    }
    if let Some((commits, hash)) = suffix.split_once("-g")
        && is_digits(commits)
        && hash.len() >= 4
        && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return Some(Suffix::After(commits));
    }
    Some(Suffix::Before(suffix.split('.').collect()))
}

/// What Python writes behind the numbers without a dash: a stage and its number.
fn attached(text: &str) -> Option<Suffix<'_>> {
    let text = text.strip_prefix('.').unwrap_or(text);
    let letters = text.bytes().take_while(u8::is_ascii_lowercase).count();
    let (stage, number) = text.split_at(letters);
    let number = number.strip_prefix('.').unwrap_or(number);
    if !number.is_empty() && !is_digits(number) {
        return None;
    }
    let stage = match stage {
        "post" | "rev" | "r" => return Some(Suffix::After(number)),
        // Before every other stage, as a number is before every text.
        "dev" => "0",
        "a" | "alpha" => "alpha",
        "b" | "beta" => "beta",
        "c" | "rc" | "pre" | "preview" => "rc",
        _ => return None,
    };
    Some(Suffix::Before(if number.is_empty() { vec![stage] } else { vec![stage, number] }))
}

fn push_number(key: &mut Vec<u8>, number: &str) {
    let digits = number.trim_start_matches('0');
    // A caller bounds the text; longer digits than a byte can say would only sort beside each other.
    key.push(NUMBER + u8::try_from(digits.len()).unwrap_or(u8::MAX - NUMBER));
    key.extend_from_slice(digits.as_bytes());
}

fn push_identifier(key: &mut Vec<u8>, identifier: &str) {
    if is_digits(identifier) {
        key.push(NUMERIC_IDENTIFIER);
        push_number(key, identifier);
    } else {
        key.push(TEXT_IDENTIFIER);
        key.extend_from_slice(identifier.as_bytes());
        key.push(END);
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

/// Identifiers of letters, digits and dashes with dots between them.
fn is_dotted(text: &str) -> bool {
    text.split('.').all(|part| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    })
}

fn in_range(text: &str, from: u32, to: u32) -> bool {
    is_digits(text) && text.parse::<u32>().is_ok_and(|number| (from..=to).contains(&number))
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && in_range(text, 1990, 2099)
}

fn is_date(year: &str, month: &str, day: &str) -> bool {
    is_year(year) && in_range(month, 1, 12) && in_range(day, 1, 31)
}

/// `20261122`, perhaps with hour, minute and second.
fn is_written_together(text: &str) -> bool {
    if !matches!(text.len(), 8 | 10 | 12 | 14) || !is_digits(text) {
        return false;
    }
    let in_time = |from: usize, last: u32| text.len() <= from || in_range(&text[from..from + 2], 0, last);
    is_date(&text[..4], &text[4..6], &text[6..8]) && in_time(8, 23) && in_time(10, 59) && in_time(12, 60)
}
