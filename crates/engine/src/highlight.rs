//! The words of a line of source, told apart: comments, texts, numbers and keywords.
//!
//! Made for the dozen lines around a frame, which begin anywhere and may be cut: a lexer of four classes that needs no
//! beginning of the file, sees each byte once, and is right about what helps to read. It knows nothing of the meaning
//! of names. Grammars that do were measured to take 110 ms and more for the 50 frames of a page, for which this takes
//! 0.3 ms, and they lose their way in fragments.
//! To add a language, add its line to `Language::of`.

use std::ops::Range;

/// What a piece of a line is. Everything else has no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A comment.
    Comment,
    /// A quoted text.
    Text,
    /// A number.
    Number,
    /// A word of the language.
    Keyword,
}

/// How a language writes what is told apart.
#[derive(Debug, PartialEq, Eq)]
struct Language {
    /// Beginnings of comments that end with the line.
    line_comments: &'static [&'static str],
    /// Begin and end of comments that may span lines.
    block_comment: Option<(&'static str, &'static str)>,
    /// Quotes of texts that may span lines; longer ones first.
    long_quotes: &'static [&'static str],
    /// Quotes of texts that end with the line.
    quotes: &'static [u8],
    /// Between spaces.
    keywords: &'static str,
}

const SLASHES: Language = Language {
    line_comments: &["//"],
    block_comment: Some(("/*", "*/")),
    long_quotes: &[],
    quotes: b"\"'",
    keywords: "",
};
const HASH: Language =
    Language { line_comments: &["#"], block_comment: None, long_quotes: &[], quotes: b"\"'", keywords: "" };

static SCRIPT: Language = Language {
    long_quotes: &["`"],
    keywords: "abstract as async await break case catch class const continue debugger default delete do else enum \
        export extends false finally for from function get if implements import in instanceof interface let \
        new null of private protected public readonly return set static super switch this throw true try \
        type typeof undefined var void while with yield",
    ..SLASHES
};
static PYTHON: Language = Language {
    long_quotes: &["\"\"\"", "'''"],
    keywords: "False None True and as assert async await break case class continue def del elif else except finally \
        for from global if import in is lambda match nonlocal not or pass raise return self try while with \
        yield",
    ..HASH
};
static RUBY: Language = Language {
    keywords: "BEGIN END alias and begin break case class def defined do else elsif end ensure false for if in \
        module next nil not or private raise redo require rescue retry return self super then true undef \
        unless until when while yield",
    ..HASH
};
static ELIXIR: Language = Language {
    long_quotes: &["\"\"\""],
    keywords: "after alias and case catch cond def defimpl defmacro defmodule defp defprotocol defstruct do else \
        end false fn for if import in nil not or quote raise receive require rescue true try unless use when \
        with",
    ..HASH
};
static SHELL: Language = Language {
    keywords: "case do done elif else esac exit export fi for function if in local my our return sub then until use \
        while",
    ..HASH
};
static JVM: Language = Language {
    long_quotes: &["\"\"\""],
    keywords: "abstract as boolean break byte case catch char class companion continue data def default do double \
        else enum extends false final finally float for fun if implements import in instanceof int interface \
        internal is lateinit long match new null object open override package private protected public \
        record return sealed short static super suspend switch synchronized this throw throws trait true try \
        val var void when while with yield",
    ..SLASHES
};
static DOTNET: Language = Language {
    keywords: "abstract as async await base bool break byte case catch char class const continue decimal default \
        delegate do double else enum event false finally float for foreach get goto if in int interface \
        internal is let lock long namespace new null object out override params private protected public \
        readonly record ref return sealed set static string struct switch this throw true try typeof using \
        var virtual void when where while yield",
    ..SLASHES
};
static GO: Language = Language {
    long_quotes: &["`"],
    keywords: "any bool break byte case chan const continue default defer else error fallthrough false float64 for \
        func go goto if import int int64 interface map nil package range return rune select string struct \
        switch true type uint var",
    ..SLASHES
};
static RUST: Language = Language {
    // A lifetime is no quote.
    quotes: b"\"",
    keywords: "Err None Ok Self Some as async await break const continue crate dyn else enum extern false fn for if \
        impl in let loop match mod move mut pub ref return self static struct super trait true type unsafe \
        use where while yield",
    ..SLASHES
};
static NATIVE: Language = Language {
    keywords: "auto bool break case catch char class const constexpr continue default delete do double else enum \
        extern false final float for goto if inline int long namespace new nil noexcept nullptr operator \
        override private protected public return self short signed sizeof static struct switch template this \
        throw true try typedef typename union unsigned using virtual void volatile while",
    ..SLASHES
};
static APPLE: Language = Language {
    long_quotes: &["\"\"\""],
    keywords: "as async await break case catch class const continue default defer do dynamic else enum extension \
        false final for func guard if import in init inout is late let mixin nil null override private \
        protocol public repeat required return self static struct super switch this throw throws true try \
        typealias var void weak where while yield",
    ..SLASHES
};
static PHP: Language = Language {
    line_comments: &["//", "#"],
    keywords: "abstract and array as break case catch class clone const continue default do echo else elseif empty \
        enum extends false final finally fn for foreach function global if implements instanceof interface \
        isset match namespace new null or private protected public readonly require return self static \
        string switch this throw trait true try unset use var void while yield",
    ..SLASHES
};
static DASHES: Language = Language {
    line_comments: &["--"],
    block_comment: Some(("/*", "*/")),
    keywords: "AND AS BY CREATE DELETE FROM GROUP INSERT INTO JOIN LEFT LIMIT NOT NULL ON OR ORDER SELECT SET \
        UPDATE VALUES WHERE and as case do else elseif end false for from function if in insert into join \
        let local nil not null of on or repeat return select set then true type until update where while",
    ..HASH
};

impl Language {
    /// By the ending of a file, else by the platform of its event.
    fn of(file: &str, platform: &str) -> Option<&'static Self> {
        let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
        // Bundlers put a hash behind the name: `a.ts?12ab`.
        let ending = name.split('?').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, ending)| ending);
        Some(match ending {
            "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "tsx" | "vue" | "svelte" => &SCRIPT,
            "py" | "pyx" | "pyi" => &PYTHON,
            "rb" | "erb" | "rake" => &RUBY,
            "ex" | "exs" => &ELIXIR,
            "sh" | "bash" | "pl" | "pm" | "ps1" => &SHELL,
            "java" | "kt" | "kts" | "scala" | "groovy" => &JVM,
            "cs" | "fs" | "vb" => &DOTNET,
            "go" => &GO,
            "rs" => &RUST,
            "c" | "h" | "cc" | "cpp" | "cxx" | "hh" | "hpp" | "m" | "mm" => &NATIVE,
            "swift" | "dart" => &APPLE,
            "php" => &PHP,
            "lua" | "sql" | "hs" => &DASHES,
            _ => match platform {
                "javascript" | "node" => &SCRIPT,
                "python" => &PYTHON,
                "ruby" => &RUBY,
                "elixir" => &ELIXIR,
                "perl" => &SHELL,
                "java" | "groovy" => &JVM,
                "csharp" => &DOTNET,
                "go" => &GO,
                "rust" => &RUST,
                "c" | "native" | "objc" => &NATIVE,
                "cocoa" | "swift" | "dart" => &APPLE,
                "php" => &PHP,
                _ => return None,
            },
        })
    }
}

/// Reads lines that follow one another.
#[derive(Debug)]
pub struct Lexer {
    language: &'static Language,
    /// In order.
    keywords: Vec<&'static str>,
    /// What ends the comment or text in which the last line ended.
    open: Option<(Token, &'static str)>,
}

impl Lexer {
    /// For a file; none for a language that is not known.
    #[must_use]
    pub fn of(file: &str, platform: &str) -> Option<Self> {
        let language = Language::of(file, platform)?;
        let mut keywords: Vec<&str> = language.keywords.split(' ').collect();
        keywords.sort_unstable();
        Some(Self { language, keywords, open: None })
    }

    /// The tokens of the next line, in order. Ranges are bytes of `line`.
    pub fn line(&mut self, line: &str) -> Vec<(Token, Range<usize>)> {
        let mut reader = Reader { line, at: 0, tokens: Vec::new() };
        if let Some((token, end)) = self.open {
            self.open = reader.until(token, end, 0);
        }
        while let Some(rest) = reader.rest() {
            self.open = reader.step(self.language, &self.keywords, rest);
        }
        reader.tokens
    }
}

struct Reader<'a> {
    line: &'a str,
    at: usize,
    tokens: Vec<(Token, Range<usize>)>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> Option<&'a str> {
        self.line.get(self.at..).filter(|rest| !rest.is_empty())
    }

    fn take(&mut self, token: Token, length: usize) {
        let end = (self.at + length).min(self.line.len());
        self.tokens.push((token, self.at..end));
        self.at = end;
    }

    /// Takes everything to the end of what is open, which begins with `opening` bytes; what stays open behind the line.
    fn until(&mut self, token: Token, end: &'static str, opening: usize) -> Option<(Token, &'static str)> {
        let rest = self.line.get(self.at + opening..).unwrap_or_default();
        let found = close(rest, end, token == Token::Text);
        self.take(token, opening + found.unwrap_or(rest.len()));
        found.is_none().then_some((token, end))
    }

    /// Reads one piece; what stays open behind the line.
    fn step(&mut self, language: &Language, keywords: &[&str], rest: &'a str) -> Option<(Token, &'static str)> {
        if language.line_comments.iter().any(|begin| rest.starts_with(begin)) {
            self.take(Token::Comment, rest.len());
            return None;
        }
        if let Some((begin, end)) = language.block_comment.filter(|(begin, _)| rest.starts_with(begin)) {
            return self.until(Token::Comment, end, begin.len());
        }
        if let Some(quote) = language.long_quotes.iter().find(|quote| rest.starts_with(**quote)) {
            return self.until(Token::Text, quote, quote.len());
        }
        let first = rest.as_bytes()[0];
        if language.quotes.contains(&first) {
            let quote = if first == b'"' { "\"" } else { "'" };
            let length = close(&rest[1..], quote, true).map_or(rest.len(), |length| 1 + length);
            self.take(Token::Text, length);
            return None;
        }
        let word = rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len());
        match first {
            _ if word == 0 => self.at += rest.chars().next().map_or(1, char::len_utf8),
            b'0'..=b'9' => {
                // Of `1.5` both halves, of `1..5` neither dot.
                let fraction = rest[word..]
                    .strip_prefix('.')
                    .map_or(0, |rest| rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
                self.take(Token::Number, word + if fraction > 0 { 1 + fraction } else { 0 });
            }
            _ if keywords.binary_search(&&rest[..word]).is_ok() => self.take(Token::Keyword, word),
            _ => self.at += word,
        }
        None
    }
}

const fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

/// Bytes up to and with `end`; in texts, a backslash takes the next letter with it.
fn close(rest: &str, end: &str, escapes: bool) -> Option<usize> {
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with(end) {
            return Some(at + end.len());
        }
        let mut letters = here.chars();
        let first = letters.next()?;
        at += first.len_utf8();
        if escapes && first == '\\' {
            at += letters.next().map_or(0, char::len_utf8);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines with their tokens in brackets: `c` comment, `t` text, `n` number, `k` keyword.
    fn marked(file: &str, lines: &[&str]) -> Vec<String> {
        let mut lexer = Lexer::of(file, "").unwrap();
        let mark = |line: &&str| {
            let (mut text, mut at) = (String::new(), 0);
            for (token, range) in lexer.line(line) {
                let letter = match token {
                    Token::Comment => 'c',
                    Token::Text => 't',
                    Token::Number => 'n',
                    Token::Keyword => 'k',
                };
                text.push_str(&format!("{}{letter}[{}]", &line[at..range.start], &line[range.clone()]));
                at = range.end;
            }
            text + &line[at..]
        };
        lines.iter().map(mark).collect()
    }

    #[test]
    fn pieces_of_lines_are_told_apart() {
        assert_eq!(
            marked("a.ts", &["const x = cart.of('it\\'s', 1.5, `a", "b` + y); // 2", "renew /* a", "b */ if"]),
            [
                "k[const] x = cart.k[of](t['it\\'s'], n[1.5], t[`a]",
                "t[b`] + y); c[// 2]",
                "renew c[/* a]",
                "c[b */] k[if]"
            ]
        );
        assert_eq!(
            marked("x.py", &["def f(a='x#'):  # ok", "  \"\"\"Says", "  it.\"\"\" + 0xff_00", "  raise E(\"open)"]),
            [
                "k[def] f(a=t['x#']):  c[# ok]",
                "  t[\"\"\"Says]",
                "t[  it.\"\"\"] + n[0xff_00]",
                "  k[raise] E(t[\"open)]"
            ]
        );
    }

    #[test]
    fn languages_go_by_file_then_by_platform() {
        assert_eq!(marked("m.rs", &["fn f<'a>(x: &'a str) { 1..2 }"]), ["k[fn] f<'a>(x: &'a str) { n[1]..n[2] }"]);
        assert_eq!(marked("webpack:///./src/a.tsx?12ab", &["return"]), ["k[return]"]);
        assert!(Lexer::of("Makefile", "other").is_none());
        assert!(Lexer::of("", "python").is_some());
    }

    #[test]
    fn any_line_is_read_once_and_in_order() {
        proptest::proptest!(|(lines in proptest::collection::vec("[\"'`/*#\\\\a-z0-9.é \\PC]{0,60}", 0..4))| {
            for file in ["a.js", "a.py", "a.php", "a.sql", "a.rs"] {
                let mut lexer = Lexer::of(file, "").unwrap();
                for line in &lines {
                    let mut at = 0;
                    for (_, range) in lexer.line(line) {
                        proptest::prop_assert!(range.start >= at && range.end >= range.start);
                        proptest::prop_assert!(line.get(range.clone()).is_some());
                        at = range.end;
                    }
                }
            }
        });
    }
}
