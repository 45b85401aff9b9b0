//! Templates to HTML. Escaping keeps markup out; this keeps out what acts on text without being seen: a right-to-left override
//! in a message turns round the rest of its line, and a file `gpj.exe` reads as `exe.jpg` (UAX #9, Unicode TR #36).
//!
//! None of these characters is in a template of ours, and none means anything to HTML, so the finished text is gone through
//! once: also what a template added later shows.

use askama::Template;

/// Renders a template.
///
/// # Errors
/// When a value of it cannot be written.
pub(super) fn rendered(template: &impl Template) -> askama::Result<String> {
    let html = template.render()?;
    if !html.contains(acts_unseen) {
        return Ok(html);
    }
    let mut shown = String::with_capacity(html.len());
    for char in html.chars() {
        show(&mut shown, char);
    }
    Ok(shown)
}

/// Embeddings and overrides of the direction, isolates, and controls other than tab and line ends.
fn acts_unseen(char: char) -> bool {
    matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || char.is_control() && !matches!(char, '\t' | '\n' | '\r')
}

/// Adds what is shown for a character: its name where it would turn text round, its picture where it is a control, and
/// nothing for isolates, which libraries of translations put around names, and which turn nothing round once they are gone.
fn show(text: &mut String, char: char) {
    match char {
        '\u{2066}'..='\u{2069}' => {}
        '\u{202a}'..='\u{202e}' => text.push_str(&format!("[U+{:04X}]", u32::from(char))),
        '\u{7f}' => text.push('\u{2421}'),
        char if !acts_unseen(char) => text.push(char),
        // The block of control pictures has the order of the controls.
        char if char.is_ascii() => {
            text.push(char::from_u32(0x2400 + u32::from(char)).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        _ => text.push(char::REPLACEMENT_CHARACTER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Template)]
    #[template(source = "<p title=\"{{ text }}\">\t{{ text }}</p>\r\n", ext = "html")]
    struct Page<'a> {
        text: &'a str,
    }

    #[test]
    fn what_acts_unseen_is_shown_or_gone() {
        for (text, shown) in [
            ("plain \u{5e9}\u{5dc} é \u{1f426}", "plain \u{5e9}\u{5dc} é \u{1f426}"),
            ("usr\u{202e}gpj.exe", "usr[U+202E]gpj.exe"),
            ("\u{202a}a\u{202b}b\u{202c}c\u{202d}", "[U+202A]a[U+202B]b[U+202C]c[U+202D]"),
            ("Hello, \u{2068}Ada\u{2069}!", "Hello, Ada!"),
            ("bell\u{7} \u{1b}[31m \u{0}\u{7f}\u{9b}", "bell\u{2407} \u{241b}[31m \u{2400}\u{2421}\u{fffd}"),
        ] {
            let html = rendered(&Page { text }).unwrap();
            assert_eq!(html, format!("<p title=\"{shown}\">\t{shown}</p>\r\n"));
        }
    }
}
