//! What must not leave with an event: values under the names of secrets, hidden when an event goes to a clipboard, a
//! ticket, or somebody without an account.
//!
//! SDKs filter most of it before they send, by lists of their own; people turn those off, and put tokens into places
//! that no list knows. What is hidden here stays as it was sent in the database. Names decide, never values: a value
//! that looks random may be the id that a ticket is about.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

/// What stands in place of a secret.
pub const HIDDEN: &str = "[Filtered]";

/// Parts of names (without case, `-`, `_` and `.`) whose values are secrets.
const WITHIN: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "credential",
    "cookie",
    "csrf",
    "xsrf",
    "sessionid",
    "bearer",
];

/// Ends of names: `csrf_token` and `X-Auth-Token` are secrets, `token_count` is none.
const AT_END: [&str; 6] = ["token", "auth", "pwd", "pass", "jwt", "otp"];

/// Lines of source are program text, in which `password=password` is no secret.
const SOURCE: [&str; 3] = ["context_line", "pre_context", "post_context"];

/// True for a name whose value is a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    WITHIN.iter().any(|part| name.contains(part)) || AT_END.iter().any(|end| name.ends_with(end)) || name == "session"
}

/// Hides the secrets of an event in its display form (`payload::view`), or of any part of one.
pub fn hide(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(hidden) = hide_in_text(text) {
                *text = hidden;
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries.iter_mut().filter(|(key, _)| !SOURCE.contains(&key.as_str())) {
                hide_under(key, value);
            }
        }
        // A pair of a pair list, `[key, value]`.
        Value::Array(list) => match list.as_mut_slice() {
            [Value::String(key), value] => {
                let key = key.clone();
                hide_under(&key, value);
            }
            list => list.iter_mut().for_each(hide),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn hide_under(key: &str, value: &mut Value) {
    match value {
        // The names of what was set are worth knowing.
        Value::Array(list) if is_secret(key) && list.iter().all(is_pair) => {
            list.iter_mut().filter_map(|pair| pair.get_mut(1)).for_each(cover);
        }
        value if is_secret(key) => cover(value),
        value => hide(value),
    }
}

fn is_pair(value: &Value) -> bool {
    value.as_array().is_some_and(|pair| pair.len() == 2)
}

fn cover(value: &mut Value) {
    if !value.is_null() && value.as_str() != Some("") {
        *value = Value::String(HIDDEN.to_owned());
    }
}

/// `name=value`, `"name": "value"`, `user:password@` in a URL, and the token behind `Bearer`.
static IN_TEXT: LazyLock<Option<[Regex; 4]>> = LazyLock::new(|| {
    let compile = |pattern: &str| Regex::new(pattern).ok();
    Some([
        compile(r#"([A-Za-z0-9_.\-\[\]]{1,64})=([^&\s;,"']+)"#)?,
        compile(r#""([^"\\]{1,64})"(\s*:\s*)"(?:[^"\\]|\\.)*""#)?,
        compile(r"(://)[^/\s:@]+:[^/\s@]+@")?,
        compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=\-]{8,}")?,
    ])
});

/// Hides the secrets in a text: in a URL, a form, a header or JSON that was sent as text.
#[must_use]
pub fn hide_in_text(text: &str) -> Cow<'_, str> {
    let Some([assigned, quoted, user, scheme]) = &*IN_TEXT else { return Cow::Borrowed(HIDDEN) };
    let named = |found: &Captures<'_>, hidden: String| if is_secret(&found[1]) { hidden } else { found[0].to_owned() };
    let hidden = assigned.replace_all(text, |found: &Captures<'_>| named(found, format!("{}={HIDDEN}", &found[1])));
    let hidden = then(hidden, |text| {
        let with = |found: &Captures<'_>| named(found, format!(r#""{}"{}"{HIDDEN}""#, &found[1], &found[2]));
        quoted.replace_all(text, with)
    });
    let hidden = then(hidden, |text| user.replace_all(text, format!("$1{HIDDEN}@")));
    let hidden = then(hidden, |text| scheme.replace_all(text, format!("$1 {HIDDEN}")));
    if hidden == text { Cow::Borrowed(text) } else { hidden }
}

/// Changes a text further, and copies it only where something changes.
fn then<'a>(text: Cow<'a, str>, change: impl for<'t> Fn(&'t str) -> Cow<'t, str>) -> Cow<'a, str> {
    match change(&text) {
        Cow::Owned(changed) => Cow::Owned(changed),
        Cow::Borrowed(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_say_what_is_secret() {
        for name in
            ["Authorization", "X-Api-Key", "db_password", "SESSION_ID", "csrfToken", "Set-Cookie", "aws.secret", "auth"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["token_count", "author", "passenger", "session_length", "cart.id", "keyboard", "", "compass2"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn values_of_secrets_are_hidden_wherever_they_stand() {
        let mut event = json!({
            "request": {
                "url": "https://ann:pw@shop.example/x?q=1&api_key=k1",
                "headers": [["Authorization", "Bearer abcdefghijk"], ["Accept", "*/*"], ["X-Empty-Token", ""]],
                "cookies": [["sid", "1"], ["lang", "de"]],
                "query_string": [["q", "1"], ["token", "t1"]],
                "data": "user=ann&password=pw1",
            },
            "extra": {"config": {"secret": {"deep": [1]}, "port": 80}, "body": "{\"password\": \"a\\\"b\", \"n\": \"x\"}"},
            "exception": {"values": [{"value": "denied for token=t2", "stacktrace": {"frames": [
                {"context_line": "login(password=password)", "vars": {"password": "pw2", "n": null, "jwt": null}},
            ]}}]},
        });
        hide(&mut event);
        assert_eq!(
            event,
            json!({
                "request": {
                    "url": "https://[Filtered]@shop.example/x?q=1&api_key=[Filtered]",
                    "headers": [["Authorization", HIDDEN], ["Accept", "*/*"], ["X-Empty-Token", ""]],
                    "cookies": [["sid", HIDDEN], ["lang", HIDDEN]],
                    "query_string": [["q", "1"], ["token", HIDDEN]],
                    "data": "user=ann&password=[Filtered]",
                },
                "extra": {"config": {"secret": HIDDEN, "port": 80}, "body": "{\"password\": \"[Filtered]\", \"n\": \"x\"}"},
                "exception": {"values": [{"value": "denied for token=[Filtered]", "stacktrace": {"frames": [
                    {"context_line": "login(password=password)", "vars": {"password": HIDDEN, "n": null, "jwt": null}},
                ]}}]},
            })
        );
    }

    #[test]
    fn what_holds_no_secret_is_left_as_it_is() {
        for text in ["", "a=b", "GET /x?page=2", "it's 12:30", "{\"a\": 1}", "basic idea"] {
            assert!(matches!(hide_in_text(text), Cow::Borrowed(_)), "{text}");
        }
        let again = hide_in_text("password=x").into_owned();
        assert_eq!(hide_in_text(&again), again, "hidden twice is hidden once");
    }
}
