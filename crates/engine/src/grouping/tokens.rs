//! Words: which ones vary from event to event or from build to build.
//!
//! Owns the judgement on a single token of a message, a path or a name. No context, no state.

/// Words with digits in them that are not ids.
const WORDS_WITH_DIGITS: &[&str] = &[
    "base32", "base64", "ec2", "float32", "float64", "h2", "http1", "http2", "http3", "i18n", "i32", "i64", "int16",
    "int32", "int64", "int8", "ipv4", "ipv6", "k8s", "l10n", "log4j", "md5", "mp3", "mp4", "oauth1", "oauth2", "s3",
    "sha1", "sha256", "sha512", "tls1.2", "tls1.3", "u32", "u64", "u8", "uint16", "uint32", "uint64", "uint8",
    "utf-16", "utf-8", "utf16", "utf8", "win32", "x509", "x64", "x86", "x86_64",
];

/// Words behind which a short number is a code, not a count.
const CODE_WORDS: &[&str] =
    &["code", "errno", "error", "exit", "http", "rc", "signal", "sqlstate", "status", "statuscode", "status_code"];

const UNITS: &[&str] = &[
    "b",
    "byte",
    "bytes",
    "d",
    "day",
    "days",
    "gb",
    "gib",
    "h",
    "hour",
    "hours",
    "hr",
    "hrs",
    "kb",
    "kib",
    "m",
    "mb",
    "mib",
    "min",
    "mins",
    "minute",
    "minutes",
    "ms",
    "msec",
    "millisecond",
    "milliseconds",
    "ns",
    "s",
    "sec",
    "second",
    "seconds",
    "secs",
    "us",
    "week",
    "weeks",
    "µs",
];

fn is_one_of(word: &str, list: &[&str]) -> bool {
    word.len() <= 16 && list.iter().any(|candidate| candidate.eq_ignore_ascii_case(word))
}

/// `base64`, `utf-8`: digits that do not vary.
pub(super) fn is_word_with_digits(word: &str) -> bool {
    is_one_of(word, WORDS_WITH_DIGITS)
}

/// `status`, `errno`: the number behind is a code.
pub(super) fn announces_code(word: &str) -> bool {
    is_one_of(word, CODE_WORDS)
}

/// `ms`, `bytes`: belongs to the number in front.
pub(super) fn is_unit(word: &str) -> bool {
    is_one_of(word, UNITS)
}

/// Digits only.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A quoted text that is an identifier rather than a value: no white space, no digits.
pub(super) fn is_name(text: &str) -> bool {
    let known = is_word_with_digits(text);
    let plain = |b: u8| !b.is_ascii_digit() && !b.is_ascii_whitespace() && !b"/\\@%".contains(&b);
    known || (!text.is_empty() && text.len() <= 128 && text.bytes().all(plain) && !is_random(text))
}

/// A long run of mixed case without joints: base64, base62 and other random text without digits.
pub(super) fn is_random(word: &str) -> bool {
    word.len() >= 20 && word.bytes().all(|b| b.is_ascii_alphanumeric()) && case_changes(word) * 4 >= word.len()
}

/// A part of a file or module name that changes with every build or deploy: a number, a content
/// hash, a version. `tail` says that the part stands last in its name, where bundlers put hashes.
pub(super) fn is_volatile_part(part: &str, tail: bool) -> bool {
    let (digits, letters) = part.bytes().fold((0, 0), |(digits, letters), b| {
        (digits + usize::from(b.is_ascii_digit()), letters + usize::from(b.is_ascii_alphabetic()))
    });
    if digits + letters != part.len() || part.is_empty() || is_word_with_digits(part) {
        return false;
    }
    if letters == 0 {
        return true;
    }
    let hex = part.bytes().all(|b| b.is_ascii_hexdigit());
    let version = digits > 0 && part.len() - digits == 1 && matches!(part.as_bytes()[0], b'v' | b'V' | b'r');
    if digits > 0 && (version || (hex && part.len() >= 5) || (part.len() >= 8 && !ends_like_a_word(part))) {
        return true;
    }
    // Eight letters without a digit are a hash about one time in five.
    tail && part.len() >= 8 && digits == 0 && (is_shouted_hash(part) || is_mixed_hash(part))
}

/// Words followed by one or two digits (`component12`) are a name.
fn ends_like_a_word(part: &str) -> bool {
    let stem = part.trim_end_matches(|c: char| c.is_ascii_digit());
    let word = stem.bytes().all(|b| b.is_ascii_alphabetic()) && stem.bytes().skip(1).any(|b| b.is_ascii_lowercase());
    part.len() - stem.len() <= 2 && word && case_changes(stem) <= 3
}

fn is_shouted_hash(part: &str) -> bool {
    part.len() == 8 && part.bytes().all(|b| b.is_ascii_uppercase())
}

/// Words joined by capitals have humps of three letters and more, but for an acronym; random text
/// has many short ones.
fn is_mixed_hash(part: &str) -> bool {
    let (mut short, mut length) = (0, 0);
    for (at, b) in part.bytes().enumerate() {
        if at > 0 && b.is_ascii_uppercase() {
            short += usize::from(length <= 2);
            length = 0;
        }
        length += 1;
    }
    short += usize::from(length <= 2);
    short >= 3 && part.bytes().any(|b| b.is_ascii_lowercase())
}

fn case_changes(word: &str) -> usize {
    word.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_uppercase() != pair[1].is_ascii_uppercase()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_numbers_of_builds_are_volatile() {
        for part in [
            "20260101", "41", "8f3a2c1b", "6cc5d", "KK3FLJJB", "HCF3EGZC", "UMGVBBGX", "BqZ3x9Lk", "BqZaxYLk",
            "KDDHAMH3", "v2", "612",
        ] {
            assert!(is_volatile_part(part, true), "{part}");
        }
        for part in [
            "main",
            "chunk",
            "vendors",
            "UserCard",
            "checkout",
            "utf8",
            "page2",
            "Component12",
            "NavBarTop",
            "UIKitCore",
            "admin",
        ] {
            assert!(!is_volatile_part(part, true), "{part}");
        }
    }
}
