//! Numbers, times and places as people read them, ready for a template.
//!
//! Server-rendered text is complete without script; `static/time.js` then keeps ages ticking and turns
//! absolute times into the zone of the viewer.

use std::fmt;

use askama::filters::HtmlSafe;
use time::OffsetDateTime;
use time::macros::format_description;

/// A count: exact up to 9,999, then `12.4k`; exact on hover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub i64);

impl Count {
    /// For templates, which hand out references.
    #[must_use]
    pub(super) const fn of(n: &i64) -> Self {
        Self(*n)
    }

    /// With thousands separated, never abbreviated.
    #[must_use]
    pub(super) fn exact(self) -> String {
        let digits = self.0.unsigned_abs().to_string();
        let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
        if self.0 < 0 {
            text.push('-');
        }
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        // Cut, not rounded: 99,999 is not yet 100k.
        let short = |f: &mut fmt::Formatter<'_>, unit: i64, letter: char| {
            let tenths = n / (unit / 10);
            if tenths < 1000 {
                write!(f, "{}.{}{letter}", tenths / 10, tenths % 10)
            } else {
                write!(f, "{}{letter}", tenths / 10)
            }
        };
        match n {
            ..=9_999 => f.write_str(&self.exact()),
            10_000..=999_999 => short(f, 1_000, 'k'),
            1_000_000..=999_999_999 => short(f, 1_000_000, 'M'),
            _ => short(f, 1_000_000_000, 'G'),
        }
    }
}

impl HtmlSafe for Count {}

/// A length of a file: `840 B`, `12 kB`, `3.4 MB`; exact on hover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) i64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.max(0);
        for (unit, size) in [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)] {
            if bytes >= size {
                let tenths = bytes.saturating_mul(10) / size;
                return match tenths {
                    ..100 => write!(f, "{}.{} {unit}", tenths / 10, tenths % 10),
                    _ => write!(f, "{} {unit}", tenths / 10),
                };
            }
        }
        write!(f, "{bytes} B")
    }
}

/// A rate as it is read at a glance: whole from ten on, and no digit for nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate(pub f64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round();
        if self.0 >= 9.95 {
            // Rates are counts of two minutes, far below what a float holds exactly.
            Count(self.0.round() as i64).fmt(f)
        } else if tenths % 10.0 == 0.0 {
            write!(f, "{:.0}", self.0)
        } else {
            write!(f, "{:.1}", self.0)
        }
    }
}

impl HtmlSafe for Rate {}

/// How an age is worded; also told to the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AgeStyle {
    /// `6 min`
    Short,
    /// `6 min ago`
    Ago,
    /// `5 min 58 s`
    Exact,
}

/// A moment, shown as its age, absolute on hover.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    at: OffsetDateTime,
    now: OffsetDateTime,
    style: AgeStyle,
}

impl Age {
    /// `6 min`
    #[must_use]
    pub(super) const fn short(at: &OffsetDateTime, now: &OffsetDateTime) -> Self {
        Self { at: *at, now: *now, style: AgeStyle::Short }
    }

    /// `6 min ago`
    #[must_use]
    pub(super) const fn ago(at: &OffsetDateTime, now: &OffsetDateTime) -> Self {
        Self { at: *at, now: *now, style: AgeStyle::Ago }
    }

    /// `5 min 58 s`
    #[must_use]
    pub(super) const fn exact(at: &OffsetDateTime, now: &OffsetDateTime) -> Self {
        Self { at: *at, now: *now, style: AgeStyle::Exact }
    }
}

/// The words for an age of `seconds`, in one unit.
fn age_words(seconds: i64) -> String {
    const UNITS: [(i64, &str); 6] =
        [(365 * 86_400, "y"), (30 * 86_400, "mo"), (86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = seconds.max(0);
    let (width, name) = UNITS.into_iter().find(|(width, _)| seconds >= *width).unwrap_or((1, "s"));
    format!("{} {name}", seconds / width)
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = (self.now - self.at).whole_seconds();
        let (words, style) = match self.style {
            AgeStyle::Short => (age_words(seconds), "short"),
            AgeStyle::Ago => (age_words(seconds) + " ago", "ago"),
            AgeStyle::Exact if (60..3600).contains(&seconds) => {
                (format!("{} min {} s", seconds / 60, seconds % 60), "exact")
            }
            AgeStyle::Exact => (age_words(seconds), "exact"),
        };
        let at = rfc3339(self.at);
        write!(f, r#"<time datetime="{at}" title="{}" data-age="{style}">{words}</time>"#, absolute(self.at))
    }
}

impl HtmlSafe for Age {}

/// A moment that is still to come: `14:08 UTC, in 5 min`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ahead {
    pub(super) at: OffsetDateTime,
    pub(super) now: OffsetDateTime,
}

impl fmt::Display for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.to_offset(time::UtcOffset::UTC);
        let short = format_description!("[hour]:[minute]:[second] UTC");
        let is_today = at.date() == self.now.to_offset(time::UtcOffset::UTC).date();
        let words = if is_today { at.format(&short).map_err(|_| fmt::Error)? } else { absolute(at) };
        write!(f, r#"<time datetime="{}" title="{}">{words}</time>"#, rfc3339(at), absolute(at))?;
        match (at - self.now).whole_seconds() {
            ..=0 => f.write_str(", any moment now"),
            left => write!(f, ", in {}", age_words(left)),
        }
    }
}

impl HtmlSafe for Ahead {}

/// A time of day; the script tells it in the zone of the viewer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hm(pub OffsetDateTime);

impl fmt::Display for Hm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.0.to_offset(time::UtcOffset::UTC);
        let (exact, hover) = (rfc3339(at), absolute(at));
        write!(f, r#"<time datetime="{exact}" title="{hover}" data-hm>{:02}:{:02} UTC</time>"#, at.hour(), at.minute())
    }
}

impl HtmlSafe for Hm {}

/// A moment of the day, to the millisecond: `14:08:10.236`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(OffsetDateTime);

impl Clock {
    /// That moment.
    #[must_use]
    pub(super) const fn at(at: &OffsetDateTime) -> Self {
        Self(*at)
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = format_description!("[hour]:[minute]:[second].[subsecond digits:3]");
        let words = self.0.format(&format).map_err(|_| fmt::Error)?;
        write!(f, r#"<time datetime="{}" title="{}" data-clock>{words}</time>"#, rfc3339(self.0), absolute(self.0))
    }
}

impl HtmlSafe for Clock {}

/// `2026-11-22T14:08:10.236Z`
fn rfc3339(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    at.to_offset(time::UtcOffset::UTC).format(&format).unwrap_or_default()
}

/// `2026-11-22 14:08:10 UTC`
#[must_use]
pub(super) fn absolute(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    at.to_offset(time::UtcOffset::UTC).format(&format).unwrap_or_default()
}

/// The length of a step between two moments: `+249 ms`, `+5.5 s`, `+3 min`.
#[must_use]
pub(super) fn step(milliseconds: i64) -> String {
    let n = milliseconds.max(0);
    match n {
        0..=999 => format!("+{n} ms"),
        1_000..=59_999 => format!("+{}.{} s", n / 1000, n % 1000 / 100),
        60_000..=3_599_999 => format!("+{} min", n / 60_000),
        _ => format!("+{} h", n / 3_600_000),
    }
}

/// A piece of a page that was made here, with everything from outside in it escaped.
#[derive(Debug)]
pub(super) struct Markup(pub String);

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Markup {}

/// A text from outside, safe between tags and in quoted attributes.
#[must_use]
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A text cut to at most `most` characters, with an ellipsis where it was cut.
#[must_use]
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The `function file:line` of an issue as its two parts. Functions may hold spaces (`operator new`),
/// so the last one divides.
#[must_use]
pub(super) fn split_location(location: &str) -> (&str, &str) {
    location.rsplit_once(' ').unwrap_or(("", location))
}

/// One or two letters for a name, or for an address.
pub(super) fn initials(name: &str) -> String {
    let mut words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let letter = |word: Option<&str>| word.and_then(|word| word.chars().next());
    [letter(words.next()), letter(words.next())].into_iter().flatten().flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_files_are_short() {
        let shown = [0, 999, 1_000, 12_345, 999_999, 3_449_999, 5_368_709_120].map(|bytes| Bytes(bytes).to_string());
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "12 kB", "999 kB", "3.4 MB", "5.3 GB"]);
    }
    use time::macros::datetime;

    #[test]
    fn counts_are_short_and_never_overstated() {
        let shown: Vec<String> =
            [0, 999, 1_204, 9_999, 12_449, 99_999, 100_000, 999_999, 1_000_000, 48_112_000, i64::MAX, -3]
                .into_iter()
                .map(|n| Count(n).to_string())
                .collect();
        let wanted =
            ["0", "999", "1,204", "9,999", "12.4k", "99.9k", "100k", "999k", "1.0M", "48.1M", "9223372036G", "-3"];
        assert_eq!(shown, wanted);
        assert_eq!(Count(1_234_567).exact(), "1,234,567");
    }

    #[test]
    fn ages_have_one_unit_and_say_when() {
        let now = datetime!(2026-11-22 14:08:12 UTC);
        let age = |at| Age::short(&at, &now).to_string();
        assert_eq!(
            age(datetime!(2026-11-22 14:02:14 UTC)),
            "<time datetime=\"2026-11-22T14:02:14.000Z\" title=\"2026-11-22 14:02:14 UTC\" data-age=\"short\">5 min</time>"
        );
        assert!(Age::exact(&datetime!(2026-11-22 14:02:14 UTC), &now).to_string().contains(">5 min 58 s<"));
        assert!(Age::ago(&datetime!(2026-06-01 0:00 UTC), &now).to_string().contains(">5 mo ago<"));
        assert!(age(datetime!(2027-01-01 0:00 UTC)).contains(">0 s<"), "a clock that runs ahead");
    }

    #[test]
    fn what_is_to_come_says_when() {
        let now = datetime!(2026-11-22 14:08:12 UTC);
        let ahead = |at| Ahead { at, now }.to_string();
        assert!(ahead(datetime!(2026-11-22 14:13:12 UTC)).ends_with(">14:13:12 UTC</time>, in 5 min"));
        assert!(ahead(datetime!(2026-11-23 7:00 UTC)).ends_with(">2026-11-23 07:00:00 UTC</time>, in 16 h"));
        assert!(ahead(datetime!(2026-11-22 14:08:12 UTC)).ends_with(", any moment now"));
    }

    #[test]
    fn steps_and_cuts() {
        assert_eq!([step(3), step(5_540), step(-1), step(61_000)], ["+3 ms", "+5.5 s", "+0 ms", "+1 min"]);
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(split_location("operator new(int) a b.cc:3"), ("operator new(int) a", "b.cc:3"));
        assert_eq!(split_location("x.py:1"), ("", "x.py:1"));
    }
}
