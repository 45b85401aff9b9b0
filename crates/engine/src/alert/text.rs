//! Words and figures of a message: one line out of any text, dates, durations, a histogram of characters.

use time::{Duration, OffsetDateTime};

/// Bars of the histogram; each counts two minutes of the last hour.
pub const BARS: usize = 30;

/// Makes one line of `text`: control characters, line separators and the marks that turn the direction of writing
/// around become spaces, runs of spaces one; at most `chars_max` characters, the cut shown by `…`.
///
/// Whatever goes into a header or a subject passes through here: a title is written by whoever can
/// send an event.
#[must_use]
pub fn one_line(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    let mut chars = 0;
    let mut gap = false;
    for char in text.chars() {
        if is_unsafe(char) || char.is_whitespace() {
            gap = !line.is_empty();
            continue;
        }
        if chars + usize::from(gap) >= chars_max {
            line.pop();
            line.push('…');
            return line;
        }
        if gap {
            line.push(' ');
            chars += 1;
            gap = false;
        }
        line.push(char);
        chars += 1;
    }
    line
}

/// Control characters and those that reorder what is shown.
pub(crate) fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `12,048`.
#[must_use]
pub fn number(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut out = String::from(if count < 0 { "-" } else { "" });
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 event`, `8 events`.
#[must_use]
pub fn count(count: i64, noun: &str) -> String {
    format!("{} {noun}{}", number(count), if count == 1 { "" } else { "s" })
}

/// One unit, as the pages show ages: `27 s`, `6 min`, `3 h`, `12 d`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let seconds = duration.whole_seconds().max(0);
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min", seconds / 60),
        3600..=86_399 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `22 Nov 2026, 14:02:14 UTC`. A mail cannot know its reader's zone, so it names its own.
#[must_use]
pub fn date(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    let month = at.month().to_string();
    let month = month.get(..3).unwrap_or(&month);
    format!("{} {month} {}, {:02}:{:02}:{:02} UTC", at.day(), at.year(), at.hour(), at.minute(), at.second())
}

/// Events per bar of the last hour, oldest first, from (minutes ago, events).
#[must_use]
pub fn bars(minutes: &[(i64, i64)]) -> [i64; BARS] {
    let mut bars = [0; BARS];
    for (ago, events) in minutes {
        if let Ok(back) = usize::try_from(ago / 2)
            && *ago >= 0
            && back < BARS
        {
            bars[BARS - 1 - back] += events;
        }
    }
    bars
}

/// The histogram in characters, from nothing (the first of `signs`) to the highest bar (the last one).
/// Anything above zero shows as more than nothing.
#[must_use]
pub fn histogram(bars: &[i64], signs: &[char]) -> String {
    let highest = bars.iter().copied().max().unwrap_or(0).max(1);
    let steps = i64::try_from(signs.len().saturating_sub(1)).unwrap_or(1).max(1);
    bars.iter()
        .map(|events| {
            let step = if *events <= 0 { 0 } else { (events.saturating_mul(steps) + highest - 1) / highest };
            usize::try_from(step).ok().and_then(|step| signs.get(step)).copied().unwrap_or(' ')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn one_line_holds_no_second_line() {
        for (text, line) in [
            ("plain", "plain"),
            ("a\r\nBcc: b", "a Bcc: b"),
            ("\n\n  a \t b\u{0}\u{1b}[31m c  ", "a b [31m c"),
            ("a\u{2028}b\u{2029}c\u{85}d", "a b c d"),
            ("usr\u{202e}gpj.ex", "usr gpj.ex"),
            ("0123456789", "0123456789"),
            ("0123456789x", "012345678…"),
            ("012345678 x", "01234567…"),
            ("ééééééééééé", "ééééééééé…"),
            ("", ""),
        ] {
            assert_eq!(one_line(text, 10), line, "{text:?}");
            assert!(one_line(text, 10).chars().count() <= 10);
        }
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1000), "1,000");
        assert_eq!(number(-12_345_678), "-12,345,678");
        assert_eq!(count(1, "event"), "1 event");
        assert_eq!(count(0, "user"), "0 users");
        assert_eq!(duration(Duration::seconds(-5)), "0 s");
        assert_eq!(duration(Duration::seconds(59)), "59 s");
        assert_eq!(duration(Duration::minutes(59)), "59 min");
        assert_eq!(duration(Duration::hours(23)), "23 h");
        assert_eq!(duration(Duration::days(400)), "400 d");
        assert_eq!(date(datetime!(2026-11-02 14:02:04.9 +2)), "2 Nov 2026, 12:02:04 UTC");
    }

    #[test]
    fn the_histogram_counts_two_minutes_per_bar() {
        let bars = bars(&[(0, 3), (1, 5), (2, 1), (59, 4), (60, 9), (-1, 9)]);
        assert_eq!(bars[29], 8);
        assert_eq!(bars[28], 1);
        assert_eq!(bars[0], 4);
        assert_eq!(bars.iter().sum::<i64>(), 13);
        assert_eq!(histogram(&bars, &['.', ':', '+', '#']), "+...........................:#");
        assert_eq!(histogram(&[0; 3], &['.', '#']), "...");
        assert_eq!(histogram(&[1, 1_000_000], &['.', ':', '#']), ":#");
    }
}
