//! Dates that are written with names: of months, days of the week and time zones.
//!
//! Owns how long such a date is. Dates of digits alone are numbers to the cleaner, and need no help.

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Bytes that a date may have: the long form of JavaScript has about sixty.
const DATE_BYTES_MAX: usize = 96;

/// The length of the date that `text` begins with: `Thu Jan 18 10:11:12 CET 2024`, `18/Jan/2024:10:11:12`,
/// `January 18, 2024`, `datetime.date(2024, 1, 18)`.
pub(super) fn length(text: &str) -> Option<usize> {
    let first = *text.as_bytes().first()?;
    if !first.is_ascii_digit() && !first.is_ascii_uppercase() && first != b'd' {
        return None;
    }
    let bytes = text.as_bytes();
    let mut reader = Reader { bytes: &bytes[..bytes.len().min(DATE_BYTES_MAX)], at: 0 };
    if text.starts_with("datetime.date") || text.starts_with("datetime.time") {
        return reader.constructor();
    }
    reader.date().or_else(|| foreign(text))
}

/// The length of a date in full in another language: `18. Januar 2024`, `18 de enero de 2024`, `2024年1月18日`.
fn foreign(text: &str) -> Option<usize> {
    let text = super::head(text, DATE_BYTES_MAX);
    let mut rest = text;
    if number(&mut rest, 4) {
        let whole = ["年", "月", "日"].iter().enumerate().all(|(at, mark)| {
            let counted = at == 0 || number(&mut rest, 2) || number(&mut rest, 1);
            rest.strip_prefix(mark).is_some_and(|behind| {
                rest = behind;
                counted
            })
        });
        return whole.then_some(text.len() - rest.len());
    }
    if !number(&mut rest, 2) && !number(&mut rest, 1) {
        return None;
    }
    let of = |rest: &mut &str| *rest = rest.strip_prefix(" de ").or_else(|| rest.strip_prefix(' ')).unwrap_or(rest);
    rest = rest.strip_prefix('.').unwrap_or(rest);
    of(&mut rest);
    let name = rest.bytes().take(16).position(|b| b == b' ' || b == b'.').filter(|&end| end >= 3)?;
    let month = &rest[..name];
    rest = &rest[name..];
    of(&mut rest);
    let written = |known: &&&str| known.chars().eq(month.chars().flat_map(char::to_lowercase));
    (number(&mut rest, 4) && FOREIGN_MONTHS.iter().any(|known| written(&known))).then_some(text.len() - rest.len())
}

/// Takes a number of exactly so many digits.
fn number(rest: &mut &str, digits: usize) -> bool {
    let count = rest.bytes().take(digits + 1).take_while(u8::is_ascii_digit).count();
    if count == digits {
        *rest = &rest[digits..];
    }
    count == digits
}

/// German, French, Spanish, Italian, Portuguese and Dutch, but for those written as in English.
const FOREIGN_MONTHS: &[&str] = &[
    "januar",
    "februar",
    "märz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "janvier",
    "février",
    "mars",
    "avril",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
    "gennaio",
    "febbraio",
    "aprile",
    "maggio",
    "giugno",
    "luglio",
    "settembre",
    "ottobre",
    "dicembre",
    "janeiro",
    "fevereiro",
    "março",
    "maio",
    "junho",
    "julho",
    "setembro",
    "outubro",
    "novembro",
    "dezembro",
    "januari",
    "februari",
    "maart",
    "mei",
    "augustus",
    "august",
    "april",
    "september",
    "november",
];

struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn constructor(&mut self) -> Option<usize> {
        let open = self.bytes.iter().position(|&b| b == b'(').filter(|&at| at < 24)?;
        let close = self.bytes.iter().position(|&b| b == b')')?;
        (open < close).then_some(close + 1)
    }

    /// A day of the week, then day and month in either order, then year, time and zone in either order.
    fn date(&mut self) -> Option<usize> {
        if self.name(&DAYS).is_some() {
            self.skip(b", ");
        }
        if self.name(&MONTHS).is_some() {
            self.skip(b" -/");
            self.digits(1, 2)?;
            self.ordinal();
        } else {
            self.digits(1, 2)?;
            self.ordinal();
            if self.skip(b" -/") == 0 {
                return None;
            }
            self.name(&MONTHS)?;
        }
        self.rest();
        Some(self.at)
    }

    /// Years, times and zones, as many as there are.
    fn rest(&mut self) {
        for _ in 0..4 {
            let before = self.at;
            self.skip(b" ,-/:T");
            let found = self.time() || self.year() || self.zone();
            if !found {
                self.at = before;
                return;
            }
        }
    }

    fn year(&mut self) -> bool {
        let before = self.at;
        let found = (self.digits(4, 4).is_some() || self.digits(2, 2).is_some()) && self.ends();
        if !found {
            self.at = before;
        }
        found || (self.digits(4, 4).is_some() && self.bytes.get(self.at) == Some(&b':'))
    }

    fn time(&mut self) -> bool {
        let before = self.at;
        let clock = self.digits(1, 2).is_some() && self.colon_and_two();
        if !clock {
            self.at = before;
            return false;
        }
        if self.colon_and_two() && self.bytes.get(self.at).is_some_and(|b| b".,".contains(b)) {
            let fraction = self.at;
            self.at += 1;
            if self.digits(1, 9).is_none() {
                self.at = fraction;
            }
        }
        true
    }

    fn colon_and_two(&mut self) -> bool {
        let before = self.at;
        let found = self.skip(b":") == 1 && self.digits(2, 2).is_some();
        if !found {
            self.at = before;
        }
        found
    }

    /// `GMT+0100 (Central European Standard Time)`, `+02:00`, `CET`, `Z`, `PM`.
    fn zone(&mut self) -> bool {
        let before = self.at;
        let letters = self.bytes[self.at..].iter().take_while(|b| b.is_ascii_uppercase()).count();
        self.at += letters;
        if letters > 5 || (letters > 0 && self.bytes.get(self.at).is_some_and(u8::is_ascii_lowercase)) {
            self.at = before;
            return false;
        }
        let offset = self.at;
        if self.skip(b"+-") != 1 || self.digits(2, 4).is_none() {
            self.at = offset;
        }
        self.colon_and_two();
        if self.at == before || !self.ends() {
            self.at = before;
            return false;
        }
        let named =
            self.bytes[self.at..].starts_with(b" (").then(|| self.bytes[self.at..].iter().position(|&b| b == b')'));
        if let Some(Some(close)) = named
            && self.bytes[self.at + 2..self.at + close]
                .iter()
                .all(|&b| b.is_ascii_alphabetic() || b == b' ' || b >= 0x80)
        {
            self.at += close + 1;
        }
        true
    }

    fn ordinal(&mut self) {
        let suffix = self.bytes.get(self.at..self.at + 2);
        if matches!(suffix, Some(b"st" | b"nd" | b"rd" | b"th")) {
            self.at += 2;
        }
    }

    /// A name in full or by its first three letters, with a capital.
    fn name(&mut self, names: &[&str]) -> Option<usize> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        if length < 3 || !rest[0].is_ascii_uppercase() || length > 9 {
            return None;
        }
        let word = &rest[..length];
        let found = names.iter().position(|name| {
            let name = name.as_bytes();
            word.eq_ignore_ascii_case(name)
                || (length <= 4 && name.len() >= length && word.eq_ignore_ascii_case(&name[..length]))
        })?;
        self.at += length;
        self.skip(b".");
        Some(found)
    }

    fn digits(&mut self, min: usize, max: usize) -> Option<usize> {
        let count = self.bytes[self.at..].iter().take(max + 1).take_while(|b| b.is_ascii_digit()).count();
        if count < min || count > max {
            return None;
        }
        self.at += count;
        Some(count)
    }

    fn skip(&mut self, any: &[u8]) -> usize {
        let count = self.bytes[self.at..].iter().take(3).take_while(|b| any.contains(b)).count();
        self.at += count;
        count
    }

    fn ends(&self) -> bool {
        self.bytes.get(self.at).is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_end_where_they_end() {
        for (text, rest) in [
            ("Thu, 18 Jan 2024 10:11:12 GMT is", " is"),
            ("Thu Jan 18 2024 10:11:12 GMT+0100 (Central European Standard Time) is", " is"),
            ("Thu Jan 18 10:11:12 CET 2024 is", " is"),
            ("Thursday, 18-Jan-24 10:11:12 UTC is", " is"),
            ("18/Jan/2024:10:11:12 +0000] is", "] is"),
            ("Jan 18, 2024: x", ": x"),
            ("January 18th is", " is"),
            ("Feb  3 01:00:00 web22", " web22"),
            ("datetime.datetime(2024, 1, 18) x", " x"),
        ] {
            assert_eq!(length(text).map(|end| &text[end..]), Some(rest), "{text}");
        }
        for text in ["Saturn 5", "may 5", "Marching 5", "Sun is up", "12 monkeys", "Decimal 3", "Jan", "", "Mayor 3"] {
            assert_eq!(length(text), None, "{text}");
        }
    }
}
