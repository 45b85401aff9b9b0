//! The dialog in which a person says what happened, as a page asks for it (protocol, section 2.5).
//!
//! Owns what may be chosen: texts, language, and who the person is. All of it stands in an address that anybody can write, and
//! ends up in a script: here it becomes short texts without control characters, and [`literal`] writes them so that they
//! mean nothing to any parser. It knows no HTTP and no markup.

mod words;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::limits::{DIALOG_TEXT_CHARS_MAX, EMAIL_CHARS_MAX, FEEDBACK_CHARS_MAX, USER_FIELD_CHARS_MAX};
use words::{ENGLISH, LANGUAGES, NAMES};

/// What a dialog shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dialog {
    /// The language of its texts.
    lang: String,
    /// Every text by the name of the option.
    texts: BTreeMap<&'static str, String>,
    /// Who the page says that the person is; may be empty.
    name: String,
    /// Where to answer; may be empty.
    email: String,
    /// The longest values of the fields.
    chars_max: CharsMax,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct CharsMax {
    name: usize,
    email: usize,
    comments: usize,
}

/// Texts that a page may leave out by giving nothing; without a name a dialog, a field or a button cannot be used.
const MAY_BE_EMPTY: [&str; 2] = ["subtitle", "subtitle2"];

/// Subtags of a language that a page names, in characters: more than any that is registered (RFC 5646).
const LANG_CHARS_MAX: usize = 35;

/// Languages of a browser that are looked at.
const ACCEPTED_MAX: usize = 20;

impl Dialog {
    /// Reads what a page asks for. Where it names no language, the first one of `accepted` (a header `Accept-Language`; browsers
    /// write the dearest first) that there are texts in is taken.
    #[must_use]
    pub fn new(options: &BTreeMap<String, String>, accepted: &str) -> Self {
        // Pages that set an option to nothing have the SDK write that down as a word.
        let asked = |name: &str| options.get(name).filter(|text| !matches!(text.as_str(), "undefined" | "null"));
        let named = asked("lang").filter(|lang| is_language(lang));
        let spoken = accepted.split(',').take(ACCEPTED_MAX).find_map(texts_in);
        let (lang, texts) = match named {
            Some(lang) => (lang.as_str(), texts_in(lang).map_or(ENGLISH, |(_, texts)| texts)),
            None => spoken.unwrap_or(("en", ENGLISH)),
        };
        let text = |(name, usual): (&'static str, &str)| {
            let own = asked(name).map(|text| line(text, DIALOG_TEXT_CHARS_MAX));
            let own = own.filter(|text| !text.is_empty() || MAY_BE_EMPTY.contains(&name));
            (name, own.unwrap_or_else(|| usual.to_owned()))
        };
        let who = |name, chars_max| asked(name).map_or_else(String::new, |text| line(text, chars_max));
        Self {
            lang: lang.to_owned(),
            texts: NAMES.into_iter().zip(texts).map(text).collect(),
            name: who("name", USER_FIELD_CHARS_MAX),
            email: who("email", EMAIL_CHARS_MAX),
            chars_max: CharsMax { name: USER_FIELD_CHARS_MAX, email: EMAIL_CHARS_MAX, comments: FEEDBACK_CHARS_MAX },
        }
    }
}

fn line(text: &str, chars_max: usize) -> String {
    crate::feedback::line(Some(text), chars_max)
}

fn is_language(text: &str) -> bool {
    (1..=LANG_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Our texts in the language of `de`, `de-CH` or `de;q=0.8`.
fn texts_in(language: &str) -> Option<(&'static str, [&'static str; NAMES.len()])> {
    let subtag = language.trim().split([';', '-']).next().unwrap_or_default();
    LANGUAGES.into_iter().find(|(lang, _)| lang.eq_ignore_ascii_case(subtag))
}

/// JSON that may stand anywhere in a script, and in a script that stands anywhere: of what is not ASCII and of what means something to
/// parsers of markup, only escapes are left.
#[must_use]
pub fn literal(json: &str) -> String {
    let mut literal = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') && !matches!(c, '<' | '>' | '&' | '\'' | '`' | '$') {
            literal.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            literal.push_str(&format!("\\u{unit:04x}"));
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(options: &[(&str, &str)], accepted: &str) -> Dialog {
        let owned = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Dialog::new(&owned.collect(), accepted)
    }

    #[test]
    fn texts_are_the_page_s_own_or_the_usual_ones() {
        let dialog = asked(
            &[
                ("title", " Oh\u{0} no\n"),
                ("subtitle", ""),
                ("labelName", " "),
                ("labelSubmit", "undefined"),
                ("labelClose", "null"),
                ("name", "Ada"),
                ("email", "ada@example.org"),
                ("onLoad", "function () {}"),
                ("__proto__", "x"),
            ],
            "",
        );
        let text = |name: &str| dialog.texts[name].as_str();
        assert_eq!((text("title"), text("subtitle"), text("labelName")), ("Oh no", "", "Name"));
        assert_eq!((text("labelSubmit"), text("labelClose")), ("Send", "Close"));
        assert_eq!((dialog.name.as_str(), dialog.email.as_str()), ("Ada", "ada@example.org"));
        assert_eq!(dialog.texts.len(), NAMES.len());
    }

    #[test]
    fn the_language_is_the_page_s_or_the_browser_s() {
        for (lang, accepted, expected, close) in [
            (None, "de-CH,de;q=0.9,en;q=0.8", "de", "Schließen"),
            (None, "xx,fr;q=0.5", "fr", "Fermer"),
            (None, "", "en", "Close"),
            (None, "*", "en", "Close"),
            (Some("ES-mx"), "de", "ES-mx", "Cerrar"),
            // Its page says that it brings the texts.
            (Some("cy"), "de", "cy", "Close"),
            (Some("\"><script>"), "de", "de", "Schließen"),
            (Some(""), "de", "de", "Schließen"),
        ] {
            let options: Vec<_> = lang.map(|lang| ("lang", lang)).into_iter().collect();
            let dialog = asked(&options, accepted);
            assert_eq!(
                (dialog.lang.as_str(), dialog.texts["labelClose"].as_str()),
                (expected, close),
                "{lang:?} {accepted}"
            );
        }
    }

    #[test]
    fn every_language_has_every_text_and_none_is_another_s() {
        for (lang, texts) in LANGUAGES {
            assert!(texts.iter().all(|text| !text.trim().is_empty()), "{lang}");
            assert!(texts[0] != ENGLISH[0] || lang == "en", "{lang}");
        }
    }

    #[test]
    fn everything_is_bounded() {
        let long = "x".repeat(60_000);
        let options: Vec<_> =
            NAMES.into_iter().chain(["name", "email", "lang"]).map(|name| (name, long.as_str())).collect();
        let dialog = asked(&options, &"de,".repeat(20_000));
        assert!(dialog.texts.values().all(|text| text.len() == DIALOG_TEXT_CHARS_MAX));
        assert_eq!((dialog.name.len(), dialog.email.len()), (USER_FIELD_CHARS_MAX, EMAIL_CHARS_MAX));
        assert_eq!(dialog.lang, "de");
    }

    proptest! {
        #[test]
        fn a_literal_is_plain_and_means_the_same(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let literal = literal(&json);
            prop_assert!(literal.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !b"<>&'`".contains(&byte)));
            prop_assert_eq!(serde_json::from_str::<String>(&literal).unwrap(), text);
        }
    }
}
