//! Parts of file, folder and module names that change with every build or deploy.
//!
//! Owns the judgement on one part: what kind of token it is (number, version, hexadecimal, base62,
//! base64, UUID) and whether it reads like words. Where names are cut into parts is `paths`'s business.

use super::tokens;

/// Shortest hexadecimal token that is no word: bundlers cut hashes down to this.
const HEX_BYTES_MIN: usize = 5;
/// Shortest token of other alphabets.
const RANDOM_BYTES_MIN: usize = 8;
/// Digits in a row that no name has: dates, revisions, build numbers.
const NUMBER_BYTES_MIN: usize = 4;

/// A number, a content hash, a version. `tail` says that the part stands last in its name, where
/// bundlers put hashes.
pub(super) fn is_volatile_part(part: &str, tail: bool) -> bool {
    let (mut digits, mut letters) = (0, 0);
    for b in part.bytes() {
        digits += usize::from(b.is_ascii_digit());
        letters += usize::from(b.is_ascii_alphabetic());
    }
    if digits + letters != part.len() || part.is_empty() || tokens::is_word_with_digits(part) {
        return false;
    }
    if letters == 0 {
        return true;
    }
    let hex = part.bytes().all(|b| b.is_ascii_hexdigit());
    let version = letters == 1 && matches!(part.as_bytes()[0], b'v' | b'V' | b'r');
    if digits > 0 {
        return version || (hex && part.len() >= HEX_BYTES_MIN) || (part.len() >= RANDOM_BYTES_MIN && !is_worded(part));
    }
    // Eight letters without a digit are a hash about one time in five.
    let hash_sized = tail && part.len() >= RANDOM_BYTES_MIN;
    hash_sized && (is_shouted_hash(part) || is_mixed_hash(part) || (hex && is_single_case(part)))
}

/// A whole folder name that is made up: a UUID, a random directory of an installer, long base64.
pub(super) fn is_volatile_folder(folder: &str) -> bool {
    is_uuid(folder) || folder.starts_with("~~") || (folder.len() >= 16 && is_base64(folder))
}

fn is_uuid(text: &str) -> bool {
    const DASHES: [usize; 4] = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| if DASHES.contains(&at) { b == b'-' } else { b.is_ascii_hexdigit() })
}

/// Letters of both cases and digits, changing often.
fn is_base64(text: &str) -> bool {
    let text = text.trim_end_matches('=');
    let kinds = |b: u8| match b {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'-' | b'_' => 3,
        _ => 4,
    };
    let bytes = text.as_bytes();
    let changes = bytes.windows(2).filter(|pair| kinds(pair[0]) != kinds(pair[1])).count();
    bytes.iter().all(|b| kinds(*b) < 4) && bytes.iter().any(u8::is_ascii_digit) && changes * 5 >= bytes.len() * 2
}

/// Reads like words with a short number: `component12`, `oauth2callback`, `i18nHelper`.
fn is_worded(part: &str) -> bool {
    let numbers = part.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty());
    let (mut count, mut longest) = (0, 0);
    for number in numbers {
        (count, longest) = (count + 1, longest.max(number.len()));
    }
    if count > 1 || longest >= NUMBER_BYTES_MIN || part.bytes().all(|b| !b.is_ascii_lowercase()) {
        return false;
    }
    let mut words = part.split(|c: char| c.is_ascii_digit()).filter(|run| run.len() >= 3).peekable();
    words.peek().is_some() && words.all(|word| case_changes(word) <= 5 && !has_unspeakable_hump(word))
}

fn is_single_case(part: &str) -> bool {
    part.bytes().all(|b| b.is_ascii_lowercase()) || part.bytes().all(|b| b.is_ascii_uppercase())
}

fn is_shouted_hash(part: &str) -> bool {
    part.len() == 8 && part.bytes().all(|b| b.is_ascii_uppercase())
}

/// Words joined by capitals have humps of three letters and more, but for an acronym; random text
/// has many short ones, or some that nobody can speak.
fn is_mixed_hash(part: &str) -> bool {
    let humps = humps(part);
    let short = humps.clone().filter(|hump| hump.len() <= 2).count();
    let lower = part.bytes().any(|b| b.is_ascii_lowercase());
    let upper = part.bytes().any(|b| b.is_ascii_uppercase());
    lower && (short >= 3 || (upper && part.len() == 8 && humps.count() >= 2 && has_unspeakable_hump(part)))
}

/// `DfwTkbas` has humps without a vowel in them; so have a few abbreviations.
fn has_unspeakable_hump(part: &str) -> bool {
    const ABBREVIATIONS: &[&str] =
        &["css", "html", "http", "https", "xml", "sql", "src", "tls", "btn", "img", "cfg", "mgr", "msg", "str", "ctx"];
    humps(part).any(|hump| {
        let word = hump.len() >= 3 && hump.bytes().skip(1).all(|b| b.is_ascii_lowercase());
        word && !hump.bytes().any(|b| b"aeiouyAEIOUY".contains(&b))
            && !ABBREVIATIONS.iter().any(|abbreviation| abbreviation.eq_ignore_ascii_case(hump))
    })
}

/// `NavBarTop` as `Nav`, `Bar`, `Top`.
fn humps(part: &str) -> impl Iterator<Item = &str> + Clone {
    let mut rest = part;
    std::iter::from_fn(move || {
        let end = rest.bytes().skip(1).position(|b| b.is_ascii_uppercase()).map_or(rest.len(), |at| at + 1);
        let (hump, behind) = rest.split_at(end);
        rest = behind;
        (!hump.is_empty()).then_some(hump)
    })
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
            "20260101",
            "41",
            "8f3a2c1b",
            "6cc5d",
            "KK3FLJJB",
            "HCF3EGZC",
            "UMGVBBGX",
            "BqZ3x9Lk",
            "BqZaxYLk",
            "KDDHAMH3",
            "v2",
            "612",
            "DfwTkbas",
            "8f3a2c1b7d6e5f4a3b2c",
            "build20260101",
            "k3Jd82Lq",
            "deadbeef",
            "9LkBqZ3x1mNp",
            "r1842",
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
            "oauth2callback",
            "i18nHelper",
            "web3Provider",
            "level2Support",
            "HtmlView",
            "error404",
            "HttpClient",
            "XmlSqlMapper",
            "DataTable",
            "feedback",
            "OrderService",
        ] {
            assert!(!is_volatile_part(part, true), "{part}");
        }
    }

    #[test]
    fn folders_are_made_up_as_a_whole() {
        for folder in ["2E1A0B0C-1111-2222-3333-444455556666", "~~Xy12Ab==", "Xq2fT9vLk3mNp7RsWz4Yb"] {
            assert!(is_volatile_folder(folder), "{folder}");
        }
        for folder in ["components", "billing-service", "com.acme.shop", "order_management_api"] {
            assert!(!is_volatile_folder(folder), "{folder}");
        }
    }
}
