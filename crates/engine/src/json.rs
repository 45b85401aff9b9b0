//! Repairing almost-JSON, once, when reading it as JSON has failed.
//!
//! Owns what real SDKs get wrong: bare `NaN` and `Infinity` (legacy Python), lone surrogate escapes
//! (JavaScript), NUL characters (PostgreSQL stores none), numbers beyond a float's range, invalid
//! UTF-8 (PHP, native), control characters inside strings. One linear pass over the bytes; structure
//! (brackets, commas) is never touched, so what was no JSON for another reason still is none.

use std::borrow::Cow;

use memchr::memmem;

/// True when the text holds an escaped or raw NUL, which reads as JSON but cannot be stored.
/// A false alarm (an escaped backslash before `u0000`) only costs a repair that changes nothing.
#[must_use]
pub fn has_nul(text: &[u8]) -> bool {
    memmem::find(text, b"\\u0000").is_some() || memchr::memchr(0, text).is_some()
}

/// Rewrites almost-JSON to JSON; see the module.
#[must_use]
pub fn repair(bytes: &[u8]) -> String {
    // SDKs on Windows put a byte order mark in front.
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let mut repair = Repair { out: String::with_capacity(text.len()), rest: &text };
    repair.run();
    repair.out
}

struct Repair<'a> {
    out: String,
    rest: &'a str,
}

impl<'a> Repair<'a> {
    fn run(&mut self) {
        while let Some(first) = self.rest.chars().next() {
            match first {
                '"' => self.string(),
                '\0' => self.skip(1),
                first if starts_word(first) => self.word(),
                _ => {
                    let end = self.rest.find(|c| c == '"' || c == '\0' || starts_word(c));
                    self.keep(end.unwrap_or(self.rest.len()));
                }
            }
        }
    }

    fn keep(&mut self, bytes: usize) {
        let (kept, rest) = self.rest.split_at(bytes);
        self.out.push_str(kept);
        self.rest = rest;
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    /// A number or a bare word: what is no finite number and no JSON word becomes `null`, if it is
    /// one of the spellings of "not finite".
    fn word(&mut self) {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c)));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let bare = word.trim_start_matches(['-', '+']);
        let not_finite = matches!(bare, "NaN" | "nan" | "Infinity" | "inf" | "Inf" | "undefined")
            || (bare.starts_with(|c: char| c.is_ascii_digit()) && word.parse().is_ok_and(f64::is_infinite));
        self.out.push_str(if not_finite { "null" } else { word });
        self.rest = rest;
    }

    fn string(&mut self) {
        self.keep(1);
        loop {
            let special = self.rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            let Some(at) = special else {
                self.keep(self.rest.len());
                return;
            };
            self.keep(at);
            match self.rest.as_bytes()[0] {
                b'"' => return self.keep(1),
                b'\\' => self.escape(),
                0 => self.skip(1),
                control => {
                    self.out.push_str(&format!("\\u{control:04x}"));
                    self.skip(1);
                }
            }
        }
    }

    fn escape(&mut self) {
        match self.rest.as_bytes().get(1) {
            Some(b'u') => self.unicode_escape(),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.keep(2),
            // `\x41`, `\'`: not JSON; the backslash is taken as one.
            _ => {
                self.out.push_str("\\\\");
                self.skip(1);
            }
        }
    }

    fn unicode_escape(&mut self) {
        match unit(self.rest) {
            None => {
                self.out.push_str("\\\\");
                self.skip(1);
            }
            Some(0) => self.skip(6),
            Some(0xd800..=0xdbff) if matches!(unit(&self.rest[6..]), Some(0xdc00..=0xdfff)) => self.keep(12),
            Some(0xd800..=0xdfff) => {
                self.out.push_str("\\ufffd");
                self.skip(6);
            }
            Some(_) => self.keep(6),
        }
    }
}

fn starts_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+-.".contains(c)
}

/// The UTF-16 unit of a `\uXXXX` at the start of the text.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.as_bytes().get(..4)?;
    digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The bytes as text, borrowed when they are UTF-8 already.
#[must_use]
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sdks_get_wrong_is_repaired() {
        for (bytes, repaired) in [
            (&br#"{"a":NaN,"b":-Infinity,"c":[Infinity,nan]}"#[..], r#"{"a":null,"b":null,"c":[null,null]}"#),
            (br#"{"a":1e999,"b":-1e999,"c":1e-999}"#, r#"{"a":null,"b":null,"c":1e-999}"#),
            (br#"{"a":"x\u0000y\\u0000z"}"#, r#"{"a":"xy\\u0000z"}"#),
            (br#"{"a":"\ud83d\ude00 \ud83d! \udc00"}"#, r#"{"a":"\ud83d\ude00 \ufffd! \ufffd"}"#),
            (br#"{"a":"\ud83d\ud83d\ude00"}"#, r#"{"a":"\ufffd\ud83d\ude00"}"#),
            (b"{\"a\":\"x\xff\xfey\"}", "{\"a\":\"x\u{fffd}\u{fffd}y\"}"),
            (b"{\"a\":\"tab\there\nline\0nul\"}", r#"{"a":"tab\u0009here\u000alinenul"}"#),
            (br#"{"a":"\x41\'\u12"}"#, r#"{"a":"\\x41\\'\\u12"}"#),
            (b"\xef\xbb\xbf{\"a\":1}\0", r#"{"a":1}"#),
            (br#"{"NaN":"NaN"}"#, r#"{"NaN":"NaN"}"#),
        ] {
            let text = repair(bytes);
            assert_eq!(text, repaired);
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for text in ["{", "\"", "\"\\", "{]", "nope", "", "\\", "{\"a\":\"\\u12", "{\"é\" é}", "\u{1}é\u{2}"] {
            assert!(serde_json::from_str::<serde_json::Value>(&repair(text.as_bytes())).is_err(), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn valid_json_keeps_its_meaning(text in "[\\PC\n\t\"\\\\]{0,40}", number: i64) {
            let value = serde_json::json!({ &text: [&text, number] });
            let json = value.to_string();
            let repaired = repair(json.as_bytes());
            proptest::prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&repaired).unwrap(), value);
        }

        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            let once = repair(&bytes);
            proptest::prop_assert!(!once.contains('\0'));
            proptest::prop_assert_eq!(repair(once.as_bytes()), once);
        }
    }
}
