//! Marks that open something: quotes of printers, parentheses, angles, brackets, percent signs.
//!
//! Owns what is inside each: a value, a name, or ordinary words.

use super::{Cleaner, QUOTED_BYTES_MAX, dates, head, values};
use crate::grouping::tokens;

impl Cleaner<'_> {
    pub(super) fn other(&mut self, at: usize) -> usize {
        let c = self.text[at..].chars().next().unwrap_or(' ');
        let closing = match c {
            '“' | '„' => Some(['”', '“']),
            '‘' | '‚' => Some(['’', '‘']),
            '«' => Some(['»', '»']),
            _ => None,
        };
        let start = at + c.len_utf8();
        if let Some(closing) = closing {
            let reach = head(&self.text[start..], QUOTED_BYTES_MAX.min(self.budget));
            let found = reach.find(closing);
            self.budget -= found.unwrap_or(reach.len());
            if let Some(length) = found {
                self.quoted(&self.text[start..start + length]);
                let close = self.text[start + length..].chars().next().map_or(0, char::len_utf8);
                return start + length + close;
            }
        }
        let digit_next = self.text.as_bytes().get(start).is_some_and(u8::is_ascii_digit);
        if matches!(c, '±' | '−' | '≈' | '≤' | '≥') && digit_next {
            return start;
        }
        if c == ')' {
            self.in_values &= self.text[start..].trim_start_matches([',', ' ']).starts_with('(');
        }
        self.punctuation(&self.text[at..start]);
        if c == ')' {
            self.fold_rows();
        }
        start
    }

    /// `(1, 2), (3, 4)`: as many rows as there are.
    fn fold_rows(&mut self) {
        for again in ["(*), (*)", "(*),(*)"] {
            if self.out.ends_with(again) {
                self.out.truncate(self.out.len() - again.len() + "(*)".len());
                self.wild_end = Some(self.out.len() - 1);
            }
        }
    }

    /// `(404)` is a status, `values ('ann')` a row.
    pub(super) fn parenthesis(&mut self, at: usize) -> usize {
        let rest = &self.text[at + 1..];
        if rest.starts_with(')') && self.text[..at].ends_with(' ') {
            // Nothing where other messages have a value: `connection from 10.0.0.1 ()`.
            self.punctuation("(");
            self.wildcard();
            return at + 1;
        }
        if let Some(length) = self.size_again(rest) {
            return at + 1 + length;
        }
        // A pointer to nothing, as C and Objective-C print it.
        if let Some(nothing) = ["nil)", "null)"].iter().find(|nothing| rest.starts_with(**nothing)) {
            self.wildcard();
            return at + 1 + nothing.len();
        }
        let status = rest.get(..3).is_some_and(tokens::is_failed_status) && rest.as_bytes().get(3) == Some(&b')');
        // `(2006, 'MySQL server has gone away')` is how a driver of Python prints an error.
        let digits = rest.bytes().take(6).take_while(u8::is_ascii_digit).count();
        let quote = [", '", ", \""].iter().any(|quote| rest[digits..].starts_with(quote));
        let tuple = self.out.is_empty() && digits > 0 && quote;
        // `(#190) Access refused`
        let numbered = self.out.is_empty() && rest.starts_with('#');
        let before = self.out.trim_end().as_bytes();
        let behind =
            |word: &[u8]| before.len() >= word.len() && before[before.len() - word.len()..].eq_ignore_ascii_case(word);
        self.in_values |= behind(b"values") || (behind(b" in") && rest.starts_with(['\'', '"']));
        self.punctuation("(");
        self.code_next |= tuple || status || numbered;
        at + 1
    }

    /// `<Order object at 0x…>`, `<User id=17>`: the class stays.
    pub(super) fn angle(&mut self, at: usize) -> usize {
        let rest = head(&self.text[at + 1..], QUOTED_BYTES_MAX.min(self.budget));
        let name = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"._".contains(b)).count();
        let named = name > 0 && rest.as_bytes().get(name) == Some(&b' ') && !rest.as_bytes()[0].is_ascii_digit();
        let close = if named { rest.find('>') } else { None };
        if named {
            self.budget -= close.unwrap_or(rest.len());
        }
        self.punctuation("<");
        match close.map(|close| (close, &rest[name..close])) {
            Some((close, fields)) if fields.contains('=') || fields.contains(" at 0x") => {
                self.out.push_str(&rest[..name]);
                self.out.push(' ');
                self.wildcard();
                self.out.push('>');
                at + 1 + close + 1
            }
            _ => at + 1,
        }
    }

    /// `18846 bytes (18.4 KB)`: the same size in another unit, which small sizes go without.
    fn size_again(&mut self, rest: &str) -> Option<usize> {
        let end = self.out.trim_end().len();
        if self.wild_end != Some(end) {
            return None;
        }
        let close = rest.bytes().take(16).position(|b| b == b')')?;
        let unit = rest[..close].trim_start_matches(|c: char| c.is_ascii_digit() || ".,".contains(c));
        if unit.len() == close || !tokens::is_size_unit(unit.trim_start()) {
            return None;
        }
        self.out.truncate(end);
        Some(close + 1)
    }

    /// `<1 sec`: less than a number, but not `<13>`.
    pub(super) fn is_bound(&self, at: usize) -> bool {
        let rest = &self.text.as_bytes()[at + 1..];
        let digits = rest.iter().take(8).take_while(|b| b.is_ascii_digit()).count();
        digits > 0 && rest.get(digits) != Some(&b'>') && (at == 0 || self.text.as_bytes()[at - 1] == b' ')
    }

    /// `(?, ?)` in SQL.
    pub(super) fn is_placeholder(&self, at: usize) -> bool {
        let bytes = self.text.as_bytes();
        let opens = at > 0 && b"(, =".contains(&bytes[at - 1]);
        opens && bytes.get(at + 1).is_none_or(|b| b" ,)".contains(b))
    }

    /// A plus or another sign in front of a number; a colon in front of a port.
    pub(super) fn is_sign(&self, at: usize) -> bool {
        let bytes = self.text.as_bytes();
        let before: &[u8] = if bytes[at] == b':' { b" " } else { b" =(,:" };
        bytes.get(at + 1).is_some_and(u8::is_ascii_digit) && (at == 0 || before.contains(&bytes[at - 1]))
    }

    /// `?page=2&sort=name`
    pub(super) fn is_query(&self, at: usize) -> bool {
        let bytes = self.text.as_bytes();
        let name =
            bytes[at + 1..].iter().take(32).take_while(|b| b.is_ascii_alphanumeric() || b"_-.[]".contains(b)).count();
        (at == 0 || bytes[at - 1] == b' ') && name > 0 && bytes.get(at + 1 + name) == Some(&b'=')
    }

    /// `{…}` is a placeholder or an object; `[…]` is a list if it looks like one.
    pub(super) fn bracket(&mut self, at: usize) -> usize {
        let open = self.text.as_bytes()[at];
        let end = self.closing_bracket(at);
        let content = &self.text[at + 1..end.unwrap_or(self.text.len())];
        let value = match (open, end) {
            // Cut off in the middle of a value: the rest belongs to it.
            (_, None) => self.budget > 0 && content.contains(['"', ':', ',']),
            (b'{', Some(_)) if self.is_of_error(content) => false,
            (b'{', Some(_)) => true,
            // Go prints maps so, but names their types alike: `map[string]int`.
            _ if self.out.ends_with("map") && content.contains(':') => true,
            _ if content == "::" => true,
            _ if content.is_empty() || content.contains(['"', '\'', ',']) => true,
            _ => {
                let whole = Some(content.len());
                let number = !self.code_next && tokens::is_number(content);
                number || values::colons(content) == whole || dates::length(content) == whole
            }
        };
        if !value {
            self.punctuation(if open == b'[' { "[" } else { "{" });
            return at + 1;
        }
        self.wildcard();
        self.after_number = open == b'{';
        end.map_or(self.text.len(), |end| end + 1)
    }

    /// `Os { code: 2, kind: NotFound, … }`, `ParseIntError { kind: InvalidDigit }`: what went wrong
    /// stands in the braces.
    fn is_of_error(&self, content: &str) -> bool {
        let name = self.out.trim_end().rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let error =
            matches!(name, "Os" | "Custom") || ["Error", "Exception", "Failure"].iter().any(|end| name.ends_with(end));
        error
            && ["kind: ", "code: ", "code=", "errno: ", "status: "]
                .iter()
                .any(|field| head(content, QUOTED_BYTES_MAX).contains(field))
    }

    fn closing_bracket(&mut self, at: usize) -> Option<usize> {
        // Brackets inside of strings do not count; where quotes do not pair, they do.
        self.closing_bracket_past(at, Some(b'"')).or_else(|| self.closing_bracket_past(at, None))
    }

    fn closing_bracket_past(&mut self, at: usize, quote: Option<u8>) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let open = bytes[at];
        let close = if open == b'[' { b']' } else { b'}' };
        let reach = bytes.len().min(at + self.budget);
        let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
        let found = (at..reach).find(|&i| {
            if quoted && !escaped && bytes[i] == b'\\' {
                escaped = true;
                return false;
            }
            quoted ^= quote == Some(bytes[i]) && !escaped;
            escaped = false;
            depth += usize::from(bytes[i] == open && !quoted);
            depth -= usize::from(bytes[i] == close && !quoted);
            depth == 0
        });
        self.budget -= found.unwrap_or(reach).saturating_sub(at);
        found
    }

    /// `%s`, `%d`, `%(name)s`, `%1$s` are placeholders, `12%` is a number with its unit.
    pub(super) fn percent(&mut self, at: usize) -> usize {
        let rest = &self.text.as_bytes()[at + 1..];
        if self.after_number {
            return at + 1;
        }
        let mut skip = 0;
        if rest.first() == Some(&b'(') {
            skip = rest.iter().take(64).position(|&b| b == b')').map_or(0, |end| end + 1);
        }
        skip += rest[skip..].iter().take(8).take_while(|b| b.is_ascii_digit() || b".-+#$l".contains(b)).count();
        let conversion = rest.get(skip).is_some_and(|b| b"sdifxXrufgcvqopeEGTt@".contains(b));
        let ends = rest.get(skip + 1).is_none_or(|b| !b.is_ascii_alphanumeric());
        if conversion && ends {
            self.wildcard();
            // What is counted stands in the plural for one value and not for the next.
            self.after_number = true;
            return at + 2 + skip;
        }
        let name = rest.iter().take(32).take_while(|b| b.is_ascii_uppercase() || **b == b'_').count();
        if name > 1 && rest[name..].starts_with(b"%\\") {
            return self.path(at);
        }
        self.punctuation("%");
        at + 1
    }
}
