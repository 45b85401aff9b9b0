//! Headers that a person adds to a webhook: which names and values may go over the wire.

/// Headers of one webhook.
pub const HEADERS_MAX: usize = 20;

/// Characters of a name, and of a value: tokens of a few kilobytes exist.
const NAME_CHARS_MAX: usize = 100;
const VALUE_CHARS_MAX: usize = 4096;

/// Names that say how the request is framed, or what it is: these are ours.
const OURS: [&str; 12] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "accept-encoding",
];

/// Checks a header.
///
/// # Errors
/// What is wrong with it, without its value, which is a secret.
pub fn check(name: &str, value: &str) -> Result<(), String> {
    // `token` of RFC 9110.
    let is_token = |char: char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char);
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_token) {
        let name: String = name.chars().take(40).collect();
        return Err(format!("{name:?} is no name of a header: letters, digits and - only, as in X-Api-Key"));
    }
    let lower = name.to_ascii_lowercase();
    if OURS.contains(&lower.as_str()) || lower.starts_with("webhook-") || lower.starts_with("proxy-") {
        return Err(format!("the header {name} is set by Firefinch itself"));
    }
    let is_plain = value.chars().all(|char| char.is_ascii_graphic() || char == ' ');
    if value.trim().is_empty() || value.len() > VALUE_CHARS_MAX || !is_plain {
        return Err(format!(
            "the value of {name} is empty, longer than {VALUE_CHARS_MAX} characters, or holds a character that no header has"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_held_to_what_goes_over_the_wire() {
        for (name, value) in [("Authorization", "Bearer abc=="), ("X-Api-Key", "k"), ("User-Agent", "Bot 1.0")] {
            assert_eq!(check(name, value), Ok(()), "{name}");
        }
        for (name, value) in [
            ("", "x"),
            ("X Y", "x"),
            ("X:", "x"),
            ("X\r\nHost", "x"),
            ("Ü", "x"),
            ("Host", "x"),
            ("content-LENGTH", "1"),
            ("Transfer-Encoding", "chunked"),
            ("Webhook-Signature", "v1,x"),
            ("Proxy-Authorization", "x"),
            ("X-A", ""),
            ("X-A", "secret\r\nHost: x"),
            ("X-A", "secret\u{e9}"),
            (&"x".repeat(101), "x"),
            ("X-A", &"x".repeat(4097)),
        ] {
            let error = check(name, value).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
