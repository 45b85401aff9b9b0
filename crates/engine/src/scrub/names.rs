//! Names whose values are secrets.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// Parts of names (without case and separators) whose values are secrets.
const WITHIN: [&str; 22] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "apikey",
    "accesskey",
    "accountkey",
    "privatekey",
    "encryptionkey",
    "signingkey",
    "authorization",
    "credential",
    "cookie",
    "csrf",
    "xsrf",
    "sessionid",
    "sessid",
    "bearer",
    "creditcard",
    "cardnumber",
    "securitycode",
];

/// Ends of names: `csrf_token` and `X-Auth-Token` are secrets, `token_count` is none.
const AT_END: [&str; 7] = ["token", "auth", "authentication", "pwd", "pass", "jwt", "otp"];

/// Names that are secrets as a whole.
const WHOLE: [&str; 8] = ["session", "sid", "connectsid", "ssn", "cvv", "cvv2", "cvc", "cvc2"];

/// Words that end like a secret and are none.
const ORDINARY: [&str; 8] = ["bypass", "compass", "encompass", "overpass", "surpass", "trespass", "underpass", "rotp"];

/// Letters and digits of a name that are looked at; the rest of a longer one cannot save it.
const CHARS_MAX: usize = 128;

/// True for a name whose value is a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    // Where a process runs.
    if matches!(name, "PWD" | "OLDPWD") {
        return false;
    }
    let mut buffer = [0; CHARS_MAX];
    let mut length = 0;
    for byte in name.bytes().filter(u8::is_ascii_alphanumeric).take(CHARS_MAX) {
        buffer[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    let Ok(name) = std::str::from_utf8(&buffer[..length]) else { return false };
    within().is_some_and(|words| words.is_match(name))
        || WHOLE.contains(&name)
        || AT_END.iter().any(|end| name.ends_with(end)) && !ORDINARY.iter().any(|word| name.ends_with(word))
}

/// One automaton for all of `WITHIN`: a search for each word would be most of what an event costs.
fn within() -> Option<&'static AhoCorasick> {
    static WORDS: LazyLock<Option<AhoCorasick>> =
        LazyLock::new(|| AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(WITHIN).ok());
    WORDS.as_ref()
}

/// Words of which one stands in every name of a secret, as it is written: where none of them is, nothing need be looked
/// at. Held against `is_secret` by a test.
pub(super) const HINTS: [&str; 19] = [
    "pass", "secret", "token", "auth", "cred", "cookie", "csrf", "xsrf", "sess", "bearer", "jwt", "otp", "pwd", "key",
    "card", "security", "cvv", "cvc", "ssn",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_secret() {
        for name in [
            "Authorization",
            "X-Api-Key",
            "db_password",
            "SESSION_ID",
            "csrfToken",
            "Set-Cookie",
            "aws.secret",
            "auth",
            "PHPSESSID",
            "connect.sid",
            "userPass",
            "mysql_pwd",
            "id_token",
            "CVV",
            "credit-card",
            "AccountKey",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "token_count",
            "author",
            "passenger",
            "session_length",
            "cart.id",
            "keyboard",
            "",
            "compass",
            "can_bypass",
            "side",
            "passed",
            "Sec-Fetch-Site",
            "key",
            "PWD",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn every_secret_name_has_a_hint() {
        let hinted = |name: &str| HINTS.iter().any(|hint| name.contains(hint));
        for name in WITHIN.iter().chain(&AT_END).chain(&WHOLE).filter(|name| !["sid", "connectsid"].contains(name)) {
            assert!(hinted(name), "{name}");
        }
    }
}
