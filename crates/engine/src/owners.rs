//! Who owns what: the rules of a project, and what they say of an event.
//!
//! A rule is a line: what it is about, and who owns that. The last rule that fits an event decides, and its first owner
//! comes first; a rule without owners says that nobody does. Lines are those that teams have: `path:src/pay/*`,
//! `module:`, `url:` and `tags.NAME:` with a pattern in which `*` stands for any text, or lines of a CODEOWNERS file.
//! `parse` reads them, `subject` is what of an event they are held against. Nothing here knows who people are: an
//! owner is an address or a name, as it was written.

mod parse;
mod subject;

use std::fmt;
use std::ops::Range;

use crate::access::Email;
use crate::grouping::rules::glob::{Glob, Style};

pub use subject::{Subject, Whereabouts};

/// Characters of all rules of a project: a CODEOWNERS file of a large company has some 50,000.
pub const TEXT_CHARS_MAX: usize = 100_000;

/// Rules of a project. Each is held against each path of a new issue's first event.
pub const RULES_MAX: usize = 1_000;

/// Owners of one rule; more would be nobody.
pub const OWNERS_MAX: usize = 10;

/// Characters of a pattern.
pub const PATTERN_CHARS_MAX: usize = 400;

/// The rules of a project, in order.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

/// One line.
#[derive(Debug)]
pub struct Rule {
    /// Its number, from 1.
    pub line: usize,
    /// What it is about, as it was written.
    pub pattern: String,
    /// Who owns it, the first of them first.
    pub owners: Vec<Owner>,
    about: About,
}

/// An owner as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// By their address.
    Address(Email),
    /// By what they are called elsewhere: `ana` of `@ana`. A team, too: `acme/payments`.
    Name(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(email) => f.write_str(email.as_str()),
            Self::Name(name) => write!(f, "@{name}"),
        }
    }
}

/// What a rule is about.
#[derive(Debug)]
enum About {
    /// `path:`, wherever it begins in the path.
    Path(Vec<Glob>),
    /// A line of a CODEOWNERS file: as it is in the repository, and where it begins deeper.
    File { rooted: Vec<Glob>, deeper: Vec<Glob> },
    /// `module:`
    Module(Glob),
    /// `url:`
    Url(Glob),
    /// `tags.NAME:`
    Tag(String, Glob),
}

/// A rule that fits an event.
#[derive(Debug)]
pub struct Match<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The path, module, address or value that it fits.
    pub what: &'a str,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its number, from 1.
    pub line: usize,
    /// Bytes of the line that are wrong.
    pub span: Range<usize>,
    /// What is wrong and what to do, for the person who wrote it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line {}, character {}: {}", self.line, self.span.start + 1, self.message)
    }
}

impl Rules {
    /// Reads the rules of a project.
    ///
    /// # Errors
    /// Every line that cannot be read, in order; none is left out silently.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        parse::rules(text)
    }

    /// All rules, in order.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule that decides who owns an event: the last that fits.
    #[must_use]
    pub fn find<'a>(&'a self, subject: &'a Subject) -> Option<Match<'a>> {
        self.rules.iter().rev().find_map(|rule| Some(Match { rule, what: rule.about.fits(subject)? }))
    }
}

impl About {
    /// What of an event it fits; of several paths the one nearest to where it failed.
    fn fits<'a>(&self, subject: &'a Subject) -> Option<&'a str> {
        let any = |globs: &[Glob], text: &str| globs.iter().any(|glob| glob.matches(text));
        match self {
            Self::Path(globs) => {
                let found = subject.files.iter().find(|file| any(globs, &file.normal));
                found.map(|file| file.path.as_str())
            }
            Self::File { rooted, deeper } => {
                let fits =
                    |file: &&Whereabouts| any(rooted, &file.normal) || (!file.is_rooted && any(deeper, &file.normal));
                subject.files.iter().find(fits).map(|file| file.path.as_str())
            }
            Self::Module(glob) => {
                let fits = |module: &&String| glob.matches(&Style::CaseBlind.normal(module));
                subject.modules.iter().find(fits).map(String::as_str)
            }
            Self::Url(glob) => subject.url.as_deref().filter(|url| glob.matches(&Style::CaseBlind.normal(url))),
            Self::Tag(name, glob) => {
                let fits =
                    |(key, value): &&(String, String)| key == name && glob.matches(&Style::CaseBlind.normal(value));
                subject.tags.iter().find(fits).map(|(_, value)| value.as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subject() -> Subject {
        let event = json!({
            "request": {"url": "https://shop.example/checkout/pay?x=1"},
            "exception": {"values": [{"type": "E", "stacktrace": {"frames": [
                {"filename": "lib/web.py", "in_app": false},
                {"filename": "./src/shop/cart.py", "module": "shop.cart", "in_app": true},
                {"filename": "pay.py", "abs_path": "/app/src/payments/card/pay.py", "module": "payments.card.pay", "in_app": true},
            ]}}]},
        });
        Subject::read(&event, &[("plan".to_owned(), "Gold".to_owned())], &[])
    }

    fn found(text: &str) -> Option<(usize, String)> {
        let rules = Rules::parse(text).unwrap();
        rules.find(&subject()).map(|found| (found.rule.line, found.what.to_owned()))
    }

    #[test]
    fn each_kind_of_rule_fits_what_it_is_about() {
        for (rule, what) in [
            ("path:src/payments/* a@b.c", Some("/app/src/payments/card/pay.py")),
            ("path:*/CARD/*.py a@b.c", Some("/app/src/payments/card/pay.py")),
            ("path:/app/src/payments/* a@b.c", Some("/app/src/payments/card/pay.py")),
            ("path:payments a@b.c", None),
            ("path:pay.py a@b.c", Some("pay.py")),
            ("path:ay.py a@b.c", None),
            ("path:lib/* a@b.c", None),
            ("module:shop.* a@b.c", Some("shop.cart")),
            ("module:shop a@b.c", None),
            ("url:*/checkout/* a@b.c", Some("https://shop.example/checkout/pay?x=1")),
            ("url:https://other/* a@b.c", None),
            ("tags.plan:gold a@b.c", Some("Gold")),
            ("tags.plan:silver a@b.c", None),
            ("tags.flan:gold a@b.c", None),
        ] {
            assert_eq!(found(rule).map(|(_, what)| what).as_deref(), what, "{rule}");
        }
    }

    #[test]
    fn lines_of_codeowners_mean_what_they_mean_there() {
        for (rule, fits) in [
            ("* a@b.c", true),
            ("*.py a@b.c", true),
            ("*.js a@b.c", false),
            ("/src/payments/ a@b.c", true),
            ("/src/payments a@b.c", true),
            ("payments/ a@b.c", true),
            ("src/*/card/ a@b.c", true),
            ("src/* a@b.c", false),
            ("src/shop/* a@b.c", true),
            ("src/**/pay.py a@b.c", true),
            ("/payments/ a@b.c", true),
            ("pay a@b.c", false),
            ("/src/payment a@b.c", false),
        ] {
            assert_eq!(found(rule).is_some(), fits, "{rule}");
        }
        // Where the root of the repository is known, a slash in front is that root.
        let mapping =
            crate::code_link::Mapping { prefix: "/app/".into(), repository: "x".into(), ..Default::default() };
        let event = json!({"exception": {"values": [{"stacktrace": {"frames": [
            {"filename": "/app/src/payments/pay.py", "in_app": true},
        ]}}]}});
        let subject = Subject::read(&event, &[], &[mapping]);
        let fits = |rule: &str| Rules::parse(rule).unwrap().find(&subject).is_some();
        assert!(fits("/src/payments/ a@b.c") && fits("payments/ a@b.c") && !fits("/payments/ a@b.c"));
    }

    #[test]
    fn the_last_rule_that_fits_decides() {
        let text =
            "# who owns what\npath:* all@b.c\n\n*.py @ana ben@b.c  # and their files\n/src/payments/card/\n*.js c@b.c";
        assert_eq!(found(text).unwrap().0, 5, "nobody owns it");
        let rules = Rules::parse(text).unwrap();
        let owners: Vec<String> = rules.all()[1].owners.iter().map(Owner::to_string).collect();
        assert_eq!(owners, ["@ana", "ben@b.c"]);
        assert!(rules.all()[2].owners.is_empty());
        assert_eq!(rules.all()[1].pattern, "*.py");
    }

    #[test]
    fn what_cannot_be_read_is_pointed_at() {
        let text = "path: a@b.c\npath:x\ntags.:y a@b.c\nfile:x a@b.c\nx a@b\u{7}.c\n\n[Section] a@b.c\n*.py ok@b.c";
        let problems = Rules::parse(text).unwrap_err();
        let pointed: Vec<(usize, &str)> = problems
            .iter()
            .map(|problem| {
                (problem.line, text.lines().nth(problem.line - 1).unwrap().get(problem.span.clone()).unwrap())
            })
            .collect();
        let wanted = [(1, "path:"), (2, "path:x"), (3, "tags.:y"), (4, "file:x"), (5, "a@b\u{7}.c"), (7, "[Section]")];
        assert_eq!(pointed, wanted);
        assert!(problems[1].to_string().starts_with("Line 2, character 1: "), "{}", problems[1]);
        let many = "x a@b.c\n".repeat(RULES_MAX + 1);
        assert_eq!(Rules::parse(&many).unwrap_err()[0].line, RULES_MAX + 1);
        let owners = format!("x{}", " a@b.c".repeat(OWNERS_MAX + 1));
        assert_eq!(Rules::parse(&owners).unwrap_err().len(), 1);
        assert!(Rules::parse(&"x".repeat(TEXT_CHARS_MAX + 1)).is_err());
        assert!(Rules::parse(&"x".repeat(PATTERN_CHARS_MAX + 1)).is_err());
    }

    #[test]
    fn any_text_is_read_or_refused_and_any_event_is_held_against_it() {
        proptest::proptest!(|(text in r#"[a-z*/@.:#\[\]!?\\ \n"]{0,80}"#)| {
            match Rules::parse(&text) {
                Ok(rules) => drop(rules.find(&subject())),
                Err(problems) => for problem in problems {
                    let line = text.lines().nth(problem.line - 1).unwrap_or_default();
                    proptest::prop_assert!(line.get(problem.span).is_some());
                },
            }
        });
    }
}
