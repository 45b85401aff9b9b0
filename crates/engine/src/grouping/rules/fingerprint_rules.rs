//! Fingerprint rules, compiled: the first one whose matchers all hold decides.
//!
//! Owns what "hold" means: matchers about one kind of thing must hold on the same one, be it a frame, an
//! exception, or the record of the log. Frames are looked at last, and only when everything else holds.

use super::family;
use super::frame_set::FrameSet;
use super::glob::{Glob, Style};
use super::patterns::{PatternId, Patterns};
use super::stack_rules::{CategoryTest, FrameHits, FramePatterns, StackRules, Verdict};
use super::syntax::{Field, FingerprintRule, Matcher, Part};
use super::{Place, parse};
use crate::event::{Event, Exception, Stacktrace};
use crate::grouping::message::head;
use crate::limits;

/// Records of one event that rules see: its exceptions and its message.
const RECORDS_MAX: usize = 64;
/// The place of the message among the records.
const MESSAGE: usize = RECORDS_MAX - 1;

/// One compiled rule.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(super) place: Place,
    /// As it is written, for explanations.
    pub(super) text: String,
    pub(super) parts: Vec<Part>,
    pub(super) title: Option<String>,
    event: Vec<(bool, EventTest)>,
    exceptions: Vec<(bool, RecordTest)>,
    records: Vec<(bool, PatternId)>,
    frames: Vec<(bool, FrameTest)>,
}

#[derive(Debug)]
enum EventTest {
    Logger(Glob),
    Level(Glob),
    Release(Glob),
    Sdk(Vec<Glob>),
    Tag(String, Glob),
    Family(u8),
}

#[derive(Debug)]
enum RecordTest {
    Type(PatternId),
    Value(PatternId),
    Mechanism(PatternId),
}

#[derive(Debug)]
enum FrameTest {
    Function(PatternId),
    Module(PatternId),
    Path(PatternId),
    Package(PatternId),
    App(bool),
    Category(CategoryTest),
}

/// All fingerprint rules of one source.
#[derive(Debug)]
pub(super) struct FingerprintRules {
    rules: Vec<Compiled>,
    types: Patterns,
    values: Patterns,
    mechanisms: Patterns,
    functions: Patterns,
    modules: Patterns,
    paths: Patterns,
    packages: Patterns,
}

/// What stack-trace rules made of a stack, asked for only when a rule needs it.
pub(super) type Judge<'j> = &'j dyn Fn(&Stacktrace<'_>, Option<&Exception<'_>>) -> Verdict;

/// The stacks of an event with the exceptions they belong to.
pub(super) type Stacks<'s, 'e, 'a> = &'s [(&'e Stacktrace<'a>, Option<&'e Exception<'a>>)];

impl FingerprintRules {
    /// No rules.
    pub(super) fn none() -> Self {
        Self {
            rules: Vec::new(),
            types: Patterns::new(Style::Exact),
            values: Patterns::new(Style::CaseBlind),
            mechanisms: Patterns::new(Style::Exact),
            functions: Patterns::new(Style::Exact),
            modules: Patterns::new(Style::Exact),
            paths: Patterns::new(Style::Path),
            packages: Patterns::new(Style::Path),
        }
    }

    /// Compiles rules in the order given. An error names the rule whose pattern is too large.
    pub(super) fn new<'r>(
        rules: impl Iterator<Item = (Place, &'r FingerprintRule)>,
        stack: &StackRules,
    ) -> Result<Self, (Place, String)> {
        let mut all = Self::none();
        for (place, rule) in rules {
            let mut compiled = Compiled {
                place,
                text: rule.to_string(),
                parts: rule.parts.clone(),
                title: rule.title.clone(),
                event: Vec::new(),
                exceptions: Vec::new(),
                records: Vec::new(),
                frames: Vec::new(),
            };
            for matcher in &rule.matchers {
                all.add(matcher, stack, &mut compiled).ok_or_else(|| (place, matcher.pattern.clone()))?;
            }
            all.rules.push(compiled);
        }
        let finished = [
            &mut all.types,
            &mut all.values,
            &mut all.mechanisms,
            &mut all.functions,
            &mut all.modules,
            &mut all.paths,
            &mut all.packages,
        ];
        if finished.into_iter().all(Patterns::finish) {
            return Ok(all);
        }
        Err((all.rules.last().map_or(Place::default(), |rule| rule.place), "all of them together".to_owned()))
    }

    /// `None` for a pattern that is too large.
    fn add(&mut self, matcher: &Matcher, stack: &StackRules, rule: &mut Compiled) -> Option<()> {
        let (negated, pattern) = (matcher.negated, matcher.pattern.as_str());
        match &matcher.field {
            Field::Type => rule.exceptions.push((negated, RecordTest::Type(self.types.add(pattern)?))),
            Field::Value => rule.exceptions.push((negated, RecordTest::Value(self.values.add(pattern)?))),
            Field::Mechanism => rule.exceptions.push((negated, RecordTest::Mechanism(self.mechanisms.add(pattern)?))),
            Field::Message => rule.records.push((negated, self.values.add(pattern)?)),
            Field::Logger => rule.event.push((negated, EventTest::Logger(Glob::new(pattern, Style::Exact)?))),
            Field::Level => rule.event.push((negated, EventTest::Level(Glob::new(pattern, Style::CaseBlind)?))),
            Field::Release => rule.event.push((negated, EventTest::Release(Glob::new(pattern, Style::Path)?))),
            Field::Sdk => {
                let globs: Option<Vec<Glob>> = pattern.split(',').map(|name| Glob::new(name, Style::Exact)).collect();
                rule.event.push((negated, EventTest::Sdk(globs?)));
            }
            Field::Tag(name) => {
                rule.event.push((negated, EventTest::Tag(name.clone(), Glob::new(pattern, Style::Exact)?)));
            }
            Field::Family => rule.event.push((negated, EventTest::Family(family::mask(pattern)))),
            Field::Function => rule.frames.push((negated, FrameTest::Function(self.functions.add(pattern)?))),
            Field::Module => rule.frames.push((negated, FrameTest::Module(self.modules.add(pattern)?))),
            Field::Path => rule.frames.push((negated, FrameTest::Path(self.paths.add(pattern)?))),
            Field::Package => rule.frames.push((negated, FrameTest::Package(self.packages.add(pattern)?))),
            Field::App => {
                rule.frames.push((negated, FrameTest::App(parse::flag(pattern).unwrap_or_default())));
            }
            Field::Category => rule.frames.push((negated, FrameTest::Category(stack.category_test(matcher)?))),
        }
        Some(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The first rule that holds.
    pub(super) fn first(&self, event: &Event<'_>, stacks: Stacks<'_, '_, '_>, judge: Judge<'_>) -> Option<&Compiled> {
        if self.is_empty() {
            return None;
        }
        let records = Records::new(self, event);
        let mut frames: Option<Vec<Frames<'_, '_>>> = None;
        self.rules.iter().find(|rule| {
            if !event_holds(event, &rule.event) || !records.hold(rule) {
                return false;
            }
            if rule.frames.is_empty() {
                return true;
            }
            let frames = frames.get_or_insert_with(|| stacks.iter().map(|stack| self.frames(event, *stack)).collect());
            frames.iter_mut().any(|frames| frames.hold(&rule.frames, judge))
        })
    }

    fn frames<'e, 'a>(
        &self,
        event: &Event<'_>,
        (stack, exception): (&'e Stacktrace<'a>, Option<&'e Exception<'a>>),
    ) -> Frames<'e, 'a> {
        let platform = event.platform.or_empty();
        let patterns = FramePatterns {
            function: &self.functions,
            module: &self.modules,
            path: &self.paths,
            package: &self.packages,
        };
        let all = FrameSet::first(stack.frames.len());
        Frames { stack, exception, all, hits: FrameHits::new(patterns, stack, platform), verdict: None }
    }
}

fn event_holds(event: &Event<'_>, tests: &[(bool, EventTest)]) -> bool {
    let one =
        |glob: &Glob, style: Style, text: Option<&str>| text.is_some_and(|text| glob.matches(&style.normal(text)));
    tests.iter().all(|(negated, test)| {
        let holds = match test {
            EventTest::Logger(glob) => one(glob, Style::Exact, event.logger.trimmed()),
            EventTest::Level(glob) => one(glob, Style::CaseBlind, Some(event.level.trimmed().unwrap_or("error"))),
            EventTest::Release(glob) => one(glob, Style::Path, event.release.trimmed()),
            EventTest::Sdk(globs) => {
                let name = event.sdk.name.trimmed();
                globs
                    .iter()
                    .any(|glob| matches!(glob, Glob::Text(all) if **all == *"all") || one(glob, Style::Exact, name))
            }
            EventTest::Tag(name, glob) => {
                let value = event.tags.iter().find(|(tag, _)| tag == name).map(|(_, value)| &**value);
                one(glob, Style::Exact, value)
            }
            EventTest::Family(mask) => family::of(event.platform.or_empty()) & mask != 0,
        };
        holds != *negated
    })
}

/// Which records match which patterns, as bits.
struct Records {
    exceptions: u64,
    all: u64,
    types: Vec<u64>,
    values: Vec<u64>,
    mechanisms: Vec<u64>,
}

impl Records {
    fn new(rules: &FingerprintRules, event: &Event<'_>) -> Self {
        let mut records = Self {
            exceptions: 0,
            all: 0,
            types: vec![0; rules.types.len()],
            values: vec![0; rules.values.len()],
            mechanisms: vec![0; rules.mechanisms.len()],
        };
        let find = |patterns: &Patterns, text: Option<&str>, bit: u64, masks: &mut [u64]| {
            let Some(text) = text else { return };
            patterns.find(head(text, limits::MESSAGE_CHARS_MAX), |id| masks[id] |= bit);
        };
        for (at, x) in event.exceptions.iter().enumerate().take(MESSAGE) {
            let bit = 1 << at;
            records.exceptions |= bit;
            find(&rules.types, x.ty.trimmed(), bit, &mut records.types);
            find(&rules.values, x.value.trimmed(), bit, &mut records.values);
            let mechanism = x.mechanism.as_ref().and_then(|mechanism| mechanism.ty.trimmed());
            find(&rules.mechanisms, mechanism, bit, &mut records.mechanisms);
        }
        records.all = records.exceptions;
        if let Some(message) = &event.message {
            let bit = 1 << MESSAGE;
            records.all |= bit;
            let text = message.formatted.trimmed().or_else(|| message.template.trimmed());
            find(&rules.values, text, bit, &mut records.values);
        }
        records
    }

    fn hold(&self, rule: &Compiled) -> bool {
        let narrowed = |all: u64, mask: u64, negated: bool| if negated { all & !mask } else { all & mask };
        let exceptions = rule.exceptions.iter().fold(self.exceptions, |all, (negated, test)| {
            let mask = match test {
                RecordTest::Type(id) => self.types[*id],
                RecordTest::Value(id) => self.values[*id],
                RecordTest::Mechanism(id) => self.mechanisms[*id],
            };
            narrowed(all, mask, *negated)
        });
        let records =
            rule.records.iter().fold(self.all, |all, (negated, id)| narrowed(all, self.values[*id], *negated));
        (rule.exceptions.is_empty() || exceptions != 0) && (rule.records.is_empty() || records != 0)
    }
}

/// One stack while rules are tried on it.
struct Frames<'e, 'a> {
    stack: &'e Stacktrace<'a>,
    exception: Option<&'e Exception<'a>>,
    all: FrameSet,
    hits: FrameHits,
    verdict: Option<Verdict>,
}

impl Frames<'_, '_> {
    fn hold(&mut self, tests: &[(bool, FrameTest)], judge: Judge<'_>) -> bool {
        let mut frames = self.all;
        for (negated, test) in tests {
            if frames.is_empty() {
                return false;
            }
            let holding = self.test(test, judge);
            frames = if *negated { frames.without(holding) } else { frames.and(holding) };
        }
        !frames.is_empty()
    }

    fn test(&mut self, test: &FrameTest, judge: Judge<'_>) -> FrameSet {
        match test {
            FrameTest::Function(id) => self.hits.function.of(*id),
            FrameTest::Module(id) => self.hits.module.of(*id),
            FrameTest::Path(id) => self.hits.path.of(*id),
            FrameTest::Package(id) => self.hits.package.of(*id),
            FrameTest::App(wanted) => {
                let app = self.verdict(judge).app;
                if *wanted { app } else { self.all.without(app) }
            }
            FrameTest::Category(test) => self.verdict(judge).of_categories(test),
        }
    }

    fn verdict(&mut self, judge: Judge<'_>) -> &Verdict {
        let (stack, exception) = (self.stack, self.exception);
        self.verdict.get_or_insert_with(|| judge(stack, exception))
    }
}
