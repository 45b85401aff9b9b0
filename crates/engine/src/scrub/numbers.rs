//! Numbers that are secrets by what they are: payment cards, bank accounts, social security numbers. Each has a form and,
//! but for the last, a checksum, so that an order number is not taken for one.

use std::ops::Range;

/// Digits of the shortest number that is looked for: of a social security number.
pub(super) const DIGITS_MIN: usize = 9;

/// Finds the next such number in `text` at or after `from`.
pub(super) fn next(text: &str, from: usize) -> Option<(Range<usize>, &'static str)> {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        let byte = bytes[at];
        let is_start = byte.is_ascii_alphanumeric() && (at == 0 || !is_inner(bytes[at - 1]));
        if !is_start {
            at += 1;
            continue;
        }
        let found = if byte.is_ascii_digit() {
            card(bytes, at).map(|end| (end, "card number")).or_else(|| ssn(bytes, at).map(|end| (end, "SSN")))
        } else {
            iban(bytes, at).map(|end| (end, "IBAN"))
        };
        match found {
            Some((end, what)) => return Some((at..end, what)),
            // The rest of this word cannot be the start of another.
            None => at += bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count(),
        }
    }
    None
}

/// What makes a number the middle of something else.
fn is_inner(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.'
}

/// Digits in groups that single spaces or dashes part, the first of which stands at `at`; and where each ends.
fn digits(bytes: &[u8], at: usize, most: usize) -> ([u8; 20], usize, usize) {
    let (mut digits, mut count, mut end) = ([0; 20], 0, at);
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'0'..=b'9' if count < most => {
                digits[count] = byte - b'0';
                count += 1;
            }
            b' ' | b'-' if count > 0 && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) => {}
            _ => break,
        }
        end += 1;
    }
    (digits, count, end)
}

fn ends_a_word(bytes: &[u8], end: usize) -> bool {
    match bytes.get(end) {
        // A full stop ends a sentence, or goes on as a decimal.
        Some(b'.') => !bytes.get(end + 1).is_some_and(u8::is_ascii_digit),
        Some(byte) => !byte.is_ascii_alphanumeric() && *byte != b'_',
        None => true,
    }
}

/// The end of a card number at `at`: the ranges and lengths of the schemes (ISO/IEC 7812) and Luhn's checksum.
fn card(bytes: &[u8], at: usize) -> Option<usize> {
    let (digits, count, end) = digits(bytes, at, 20);
    let digits = &digits[..count];
    if !(13..=19).contains(&count) || !ends_a_word(bytes, end) {
        return None;
    }
    let first = |many: usize| digits[..many].iter().fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    let lengths: &[usize] = match (first(1), first(2), first(4)) {
        (4, ..) => &[13, 16, 19],
        (_, 34 | 37, _) => &[15],
        (_, 51..=55, _) | (_, _, 2221..=2720 | 3528..=3589 | 6011) => &[16],
        (_, 36 | 38, _) | (_, _, 3000..=3059) => &[14, 16],
        (_, 62, _) => &[16, 17, 18, 19],
        (_, 50 | 56..=61 | 63..=69, _) => &[16],
        _ => return None,
    };
    let is_one_digit = digits.iter().all(|digit| *digit == digits[0]);
    (lengths.contains(&count) && !is_one_digit && luhn(digits)).then_some(end)
}

fn luhn(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().fold(0_u32, |sum, (place, digit)| {
        let digit = u32::from(*digit);
        sum + match (place % 2, digit) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        }
    });
    sum.is_multiple_of(10)
}

/// The end of a social security number `AAA-GG-SSSS` at `at`.
fn ssn(bytes: &[u8], at: usize) -> Option<usize> {
    let end = at + 11;
    let number = bytes.get(at..end)?;
    let has_form = number.iter().enumerate().all(|(place, byte)| match place {
        3 | 6 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    // Never given out.
    let is_void = number.starts_with(b"000")
        || number.starts_with(b"666")
        || number[0] == b'9'
        || &number[4..6] == b"00"
        || number.ends_with(b"0000");
    let goes_on = bytes.get(end) == Some(&b'-');
    (has_form && !is_void && !goes_on && ends_a_word(bytes, end)).then_some(end)
}

/// The end of an IBAN at `at`: country, check digits, and modulo 97 (ISO 13616), with or without spaces between groups.
fn iban(bytes: &[u8], at: usize) -> Option<usize> {
    let head = bytes.get(at..at + 4)?;
    let has_head = head[..2].iter().all(u8::is_ascii_uppercase) && head[2..].iter().all(u8::is_ascii_digit);
    if !has_head {
        return None;
    }
    let (mut account, mut end, mut found) = (Vec::with_capacity(34), at, None);
    loop {
        match bytes.get(end) {
            Some(byte @ (b'A'..=b'Z' | b'0'..=b'9')) if account.len() < 34 => account.push(*byte),
            // Groups are of four; a word in capitals may follow the last one.
            Some(b' ') if account.len().is_multiple_of(4) => found = is_iban(&account).then_some(end).or(found),
            _ => break,
        }
        end += 1;
    }
    if ends_a_word(bytes, end) && is_iban(&account) { Some(end) } else { found }
}

fn is_iban(account: &[u8]) -> bool {
    let (head, rest) = account.split_at(4.min(account.len()));
    let rest = rest.iter().chain(head).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
    });
    account.len() >= 15 && rest == 1
}

/// Whether a run of digits, spaces and dashes in `text` is long enough to be worth a look.
#[inline]
pub(super) fn may_hold(text: &[u8]) -> bool {
    // Most texts of an event are shorter.
    text.len() >= DIGITS_MIN && has_run(text)
}

/// Looks at every ninth byte only: a run that long cannot hide between two of them.
fn has_run(text: &[u8]) -> bool {
    let in_run = |byte: &u8| byte.is_ascii_digit() || *byte == b'-' || *byte == b' ';
    let mut at = DIGITS_MIN - 1;
    while at < text.len() {
        if !in_run(&text[at]) {
            at += DIGITS_MIN;
            continue;
        }
        let start = at - text[..at].iter().rev().take_while(|byte| in_run(byte)).count();
        let end = at + text[at..].iter().take_while(|byte| in_run(byte)).count();
        if text[start..end].iter().filter(|byte| byte.is_ascii_digit()).count() >= DIGITS_MIN {
            return true;
        }
        at = end + DIGITS_MIN;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, &'static str)> {
        let (mut all, mut from) = (Vec::new(), 0);
        while let Some((range, what)) = next(text, from) {
            from = range.end;
            all.push((&text[range], what));
        }
        all
    }

    #[test]
    fn cards_accounts_and_social_security_numbers_are_found() {
        for (text, number, what) in [
            ("paid with 4111111111111111 today", "4111111111111111", "card number"),
            ("4111 1111 1111 1111", "4111 1111 1111 1111", "card number"),
            ("pan=5500-0000-0000-0004.", "5500-0000-0000-0004", "card number"),
            ("amex 378282246310005", "378282246310005", "card number"),
            ("(6011111111111117)", "6011111111111117", "card number"),
            ("2223003122003222", "2223003122003222", "card number"),
            ("30569309025904", "30569309025904", "card number"),
            ("3530111333300000", "3530111333300000", "card number"),
            ("ssn 078-05-1120,", "078-05-1120", "SSN"),
            ("to DE89370400440532013000", "DE89370400440532013000", "IBAN"),
            ("GB29 NWBK 6016 1331 9268 19", "GB29 NWBK 6016 1331 9268 19", "IBAN"),
            ("NL91ABNA0417164300", "NL91ABNA0417164300", "IBAN"),
            ("BE71 0961 2345 6769 PAID", "BE71 0961 2345 6769", "IBAN"),
        ] {
            assert!(may_hold(text.as_bytes()), "{text}");
            assert_eq!(found(text), [(number, what)], "{text}");
        }
    }

    #[test]
    fn other_numbers_are_left_alone() {
        for text in [
            "order 4111111111111112",
            "at 1764489600123456",
            "id 411111111111111111111111",
            "0000 0000 0000 0000",
            "x4111111111111111",
            "4111111111111111abc",
            "0.4111111111111111",
            "4111111111111111.5",
            "2026-11-30 12:00:00",
            "123-45-67890",
            "000-12-3456",
            "1-078-05-1120-2",
            "DE00370400440532013000",
            "4c6f1d2e-4111-1111-1111-111111111111",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
        assert!(!may_hold(b"at 2026-11-30T12:00:00.123Z in line 4711 of file 12345678"));
    }
}
