//! Stack-trace rules, compiled: which frames of a stack they touch, and what becomes of them.
//!
//! Owns the order: built-in rules, then the project's, from top to bottom; first all actions that say
//! whose a frame is, then those that say whether it takes part. All frames are matched at once, as sets.
//! Recursion is folded later, by `stack`, so no rule can bring duplicates back.

use super::frame_set::FrameSet;
use super::glob::{Glob, Style};
use super::patterns::{PatternId, Patterns};
use super::syntax::{Action, Field, Flag, Matcher, Range, StackRule};
use super::{Place, family, parse};
use crate::event::{Exception, Frame, Stacktrace};
use crate::grouping::clean::{self, Role};
use crate::grouping::message::head;
use crate::limits;

/// Bytes of a name or path that patterns see.
const TEXT_BYTES_MAX: usize = 2048;
/// What patterns see in place of a name that is missing.
const UNKNOWN: &str = "<unknown>";

/// Everything frames and exceptions are asked.
#[derive(Debug)]
pub(super) struct Questions {
    pub(super) function: Patterns,
    pub(super) module: Patterns,
    pub(super) path: Patterns,
    pub(super) package: Patterns,
    ty: Patterns,
    value: Patterns,
    mechanism: Patterns,
    categories: Categories,
}

/// Names of categories: they come from rules only, so a pattern is a set of them.
#[derive(Debug, Default)]
struct Categories {
    names: Vec<String>,
}

impl Categories {
    fn add(&mut self, name: &str) -> usize {
        self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }
}

impl Questions {
    fn new() -> Self {
        Self {
            function: Patterns::new(Style::Exact),
            module: Patterns::new(Style::Exact),
            path: Patterns::new(Style::Path),
            package: Patterns::new(Style::Path),
            ty: Patterns::new(Style::Exact),
            value: Patterns::new(Style::CaseBlind),
            mechanism: Patterns::new(Style::Exact),
            categories: Categories::default(),
        }
    }

    fn finish(&mut self) -> bool {
        let all = [
            &mut self.function,
            &mut self.module,
            &mut self.path,
            &mut self.package,
            &mut self.ty,
            &mut self.value,
            &mut self.mechanism,
        ];
        all.into_iter().all(Patterns::finish)
    }

    fn has_frame_texts(&self) -> bool {
        [&self.function, &self.module, &self.path, &self.package].iter().any(|patterns| !patterns.is_empty())
    }
}

/// One compiled matcher.
#[derive(Debug)]
pub(super) struct Test {
    negated: bool,
    asks: Asks,
}

#[derive(Debug)]
enum Asks {
    Function(PatternId),
    Module(PatternId),
    Path(PatternId),
    Package(PatternId),
    Family(u8),
    App(bool),
    /// One of these categories.
    Category(Vec<usize>),
    Type(PatternId),
    Value(PatternId),
    Mechanism(PatternId),
}

#[derive(Debug)]
enum Does {
    Flag { range: Option<Range>, on: bool, flag: Flag },
    Category(usize),
    MaxFrames(u32),
    MinFrames(u32),
}

#[derive(Debug)]
struct Compiled {
    place: Place,
    caller: Option<Test>,
    tests: Vec<Test>,
    callee: Option<Test>,
    does: Vec<Does>,
    /// It has actions of the first pass, of the second.
    passes: [bool; 2],
}

/// All rules about stacks.
#[derive(Debug)]
pub(super) struct StackRules {
    questions: Questions,
    rules: Vec<Compiled>,
    asks_categories: bool,
}

/// What rules made of a stack.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Frames that are the application's.
    pub(super) app: FrameSet,
    /// Frames that `+group` brought in.
    pub(super) wanted: FrameSet,
    /// Frames that `-group` left out.
    pub(super) ignored: FrameSet,
    /// How many frames count at most, and by which rule.
    pub(super) max_frames: Option<(usize, Place)>,
    /// With fewer, the stack does not count.
    pub(super) min_frames: Option<(usize, Place)>,
    categories: Vec<FrameSet>,
}

/// A change to some frames, for the explanation.
pub(super) struct Change {
    pub(super) place: Place,
    pub(super) frames: FrameSet,
    pub(super) flag: Flag,
    pub(super) on: bool,
}

impl StackRules {
    /// No rules.
    pub(super) fn none() -> Self {
        Self { questions: Questions::new(), rules: Vec::new(), asks_categories: false }
    }

    /// Compiles rules in the order given. An error names the rule whose pattern is too large.
    pub(super) fn new<'r>(rules: impl Iterator<Item = (Place, &'r StackRule)>) -> Result<Self, (Place, String)> {
        let mut compiler = Self::none();
        let rules: Vec<_> = rules.collect();
        // A pattern of categories stands for names: all of them must be known first.
        for action in rules.iter().flat_map(|(_, rule)| &rule.actions) {
            if let Action::Category(name) = action {
                compiler.questions.categories.add(name);
            }
        }
        for (place, rule) in rules {
            let compiled = compiler.questions.rule(place, rule).map_err(|pattern| (place, pattern))?;
            // A rule whose every action is historic does nothing.
            if !compiled.does.is_empty() {
                compiler.rules.push(compiled);
            }
        }
        compiler.asks_categories = !compiler.questions.categories.names.is_empty();
        if !compiler.questions.finish() {
            let last = compiler.rules.last().map_or(Place::default(), |rule| rule.place);
            return Err((last, "all of them together".to_owned()));
        }
        Ok(compiler)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Compiles a matcher for frames of `fingerprint_rules`, which asks for categories as well.
    pub(super) fn category_test(&self, matcher: &Matcher) -> Option<CategoryTest> {
        let glob = Glob::new(&matcher.pattern, Style::Exact)?;
        let names = self.questions.categories.names.iter().enumerate();
        Some(CategoryTest(names.filter(|(_, name)| glob.matches(name)).map(|(id, _)| id).collect()))
    }

    /// Applies the rules to a stack whose frames have these roles so far.
    pub(super) fn judge(
        &self,
        stack: &Stacktrace<'_>,
        exception: Option<&Exception<'_>>,
        platform: &str,
        roles: &[Role],
        mut on_change: impl FnMut(Change),
    ) -> Verdict {
        let mut view = View::new(self, stack, exception, platform, roles);
        // A rule that already chose its frames in the first pass does not choose again: `app:yes … -app
        // -group` means the same frame twice.
        let mut chosen: Vec<(usize, FrameSet)> = Vec::new();
        for (index, rule) in self.rules.iter().enumerate().filter(|(_, rule)| rule.passes[0]) {
            let frames = view.matching(rule);
            if !frames.is_empty() {
                view.apply(rule, frames, 0, &mut on_change);
                if rule.passes[1] {
                    chosen.push((index, frames));
                }
            }
        }
        let mut chosen = chosen.into_iter().peekable();
        for (index, rule) in self.rules.iter().enumerate().filter(|(_, rule)| rule.passes[1]) {
            let frames = if rule.passes[0] {
                chosen.next_if(|(chosen, _)| *chosen == index).map_or(FrameSet::EMPTY, |(_, frames)| frames)
            } else {
                view.matching(rule)
            };
            if !frames.is_empty() {
                view.apply(rule, frames, 1, &mut on_change);
            }
        }
        view.verdict
    }
}

/// Categories that a fingerprint rule asks for.
#[derive(Debug)]
pub(super) struct CategoryTest(Vec<usize>);

impl Verdict {
    /// Frames of one of these categories.
    pub(super) fn of_categories(&self, test: &CategoryTest) -> FrameSet {
        union(&self.categories, &test.0)
    }
}

fn union(sets: &[FrameSet], ids: &[usize]) -> FrameSet {
    ids.iter().filter_map(|id| sets.get(*id)).fold(FrameSet::EMPTY, |all, set| all.or(*set))
}

impl Questions {
    fn rule(&mut self, place: Place, rule: &StackRule) -> Result<Compiled, String> {
        let mut tests = Vec::with_capacity(rule.matchers.len());
        for matcher in &rule.matchers {
            tests.push(self.test(matcher)?);
        }
        let does: Vec<Does> = rule.actions.iter().filter_map(|action| self.does(action)).collect();
        let first = |does: &Does| matches!(does, Does::Category(_) | Does::Flag { flag: Flag::App, .. });
        Ok(Compiled {
            place,
            caller: rule.caller.as_ref().map(|matcher| self.test(matcher)).transpose()?,
            tests,
            callee: rule.callee.as_ref().map(|matcher| self.test(matcher)).transpose()?,
            passes: [does.iter().any(first), !does.iter().all(first)],
            does,
        })
    }

    /// The error is the pattern that is too large.
    fn test(&mut self, matcher: &Matcher) -> Result<Test, String> {
        let pattern = &matcher.pattern;
        let asks = match &matcher.field {
            Field::Function => self.function.add(pattern).map(Asks::Function),
            Field::Module => self.module.add(pattern).map(Asks::Module),
            Field::Path => self.path.add(pattern).map(Asks::Path),
            Field::Package => self.package.add(pattern).map(Asks::Package),
            Field::Type => self.ty.add(pattern).map(Asks::Type),
            Field::Value => self.value.add(pattern).map(Asks::Value),
            Field::Mechanism => self.mechanism.add(pattern).map(Asks::Mechanism),
            Field::Family => Some(Asks::Family(family::mask(pattern))),
            Field::App => Some(Asks::App(parse::flag(pattern).unwrap_or_default())),
            Field::Category => Glob::new(pattern, Style::Exact).map(|glob| {
                let names = self.categories.names.iter().enumerate();
                Asks::Category(names.filter(|(_, name)| glob.matches(name)).map(|(id, _)| id).collect())
            }),
            // The parser lets none of these into stack-trace rules.
            Field::Message | Field::Logger | Field::Level | Field::Sdk | Field::Release | Field::Tag(_) => None,
        };
        asks.map(|asks| Test { negated: matcher.negated, asks }).ok_or_else(|| pattern.clone())
    }

    fn does(&mut self, action: &Action) -> Option<Does> {
        Some(match action {
            Action::Flag { range, on, flag } => Does::Flag { range: *range, on: *on, flag: *flag },
            Action::Category(name) => Does::Category(self.categories.add(name)),
            Action::MaxFrames(frames) => Does::MaxFrames(*frames),
            Action::MinFrames(frames) => Does::MinFrames(*frames),
            Action::Historic(_) => return None,
        })
    }
}

/// For each pattern of a set, the frames that it matches.
#[derive(Debug, Default)]
pub(super) struct Hits(Vec<FrameSet>);

impl Hits {
    pub(super) fn of(&self, id: PatternId) -> FrameSet {
        self.0.get(id).copied().unwrap_or_default()
    }

    fn add(&mut self, patterns: &Patterns, at: usize, text: &str) {
        patterns.find(head(text, TEXT_BYTES_MAX), |id| {
            if self.0.is_empty() {
                self.0.resize(patterns.len(), FrameSet::EMPTY);
            }
            self.0[id].insert(at);
        });
    }
}

/// What patterns about frames found in one stack.
#[derive(Debug, Default)]
pub(super) struct FrameHits {
    pub(super) function: Hits,
    pub(super) module: Hits,
    pub(super) path: Hits,
    pub(super) package: Hits,
}

/// The four sets of patterns about frames.
#[derive(Clone, Copy)]
pub(super) struct FramePatterns<'r> {
    pub(super) function: &'r Patterns,
    pub(super) module: &'r Patterns,
    pub(super) path: &'r Patterns,
    pub(super) package: &'r Patterns,
}

impl FrameHits {
    pub(super) fn new(patterns: FramePatterns<'_>, stack: &Stacktrace<'_>, platform: &str) -> Self {
        let mut hits = Self::default();
        for (at, frame) in stack.frames.iter().enumerate().take(limits::FRAMES_MAX) {
            if !patterns.function.is_empty() {
                let function = frame.function.trimmed();
                hits.function.add(patterns.function, at, function.unwrap_or(UNKNOWN));
                if let Some(short) = short_function(frame, platform) {
                    hits.function.add(patterns.function, at, &short);
                }
            }
            if let Some(module) = frame.module.trimmed() {
                hits.module.add(patterns.module, at, module);
            }
            if let Some(package) = frame.package.trimmed() {
                hits.package.add(patterns.package, at, package);
            }
            if !patterns.path.is_empty() {
                let paths = [frame.abs_path.trimmed(), frame.filename.trimmed()];
                let twice = paths[0] == paths[1];
                for path in paths.into_iter().skip(usize::from(twice)).flatten() {
                    hits.path.add(patterns.path, at, path);
                }
            }
        }
        hits
    }
}

/// A native function without its arguments, when that is not what was sent.
fn short_function<'e>(frame: &'e Frame<'_>, platform: &str) -> Option<std::borrow::Cow<'e, str>> {
    let platform = frame.platform.trimmed().unwrap_or(platform);
    if family::of(platform) != family::NATIVE {
        return None;
    }
    let short = (clean::cleaner(platform, frame).function)(frame);
    (!short.is_empty() && Some(&*short) != frame.function.trimmed()).then_some(short)
}

/// Frames of each family.
fn families(stack: &Stacktrace<'_>, platform: &str, all: FrameSet) -> [(u8, FrameSet); 3] {
    let mut families = [family::NATIVE, family::JAVASCRIPT, family::OTHER].map(|family| (family, FrameSet::EMPTY));
    let default = family::of(platform);
    if stack.frames.iter().all(|frame| frame.platform.get().is_none()) {
        families.iter_mut().filter(|(family, _)| *family == default).for_each(|(_, frames)| *frames = all);
        return families;
    }
    for (at, frame) in stack.frames.iter().enumerate() {
        let own = frame.platform.trimmed().map_or(default, family::of);
        families.iter_mut().filter(|(family, _)| *family == own).for_each(|(_, frames)| frames.insert(at));
    }
    families
}

/// One stack while rules are applied to it.
struct View {
    all: FrameSet,
    hits: FrameHits,
    families: [(u8, FrameSet); 3],
    /// Patterns that the exception matches.
    exception: [Vec<PatternId>; 3],
    verdict: Verdict,
}

impl View {
    fn new(
        rules: &StackRules,
        stack: &Stacktrace<'_>,
        exception: Option<&Exception<'_>>,
        platform: &str,
        roles: &[Role],
    ) -> Self {
        let all = FrameSet::first(stack.frames.len());
        let mut app = FrameSet::EMPTY;
        roles.iter().enumerate().filter(|(_, role)| **role == Role::App).for_each(|(at, _)| app.insert(at));
        let questions = &rules.questions;
        let patterns = FramePatterns {
            function: &questions.function,
            module: &questions.module,
            path: &questions.path,
            package: &questions.package,
        };
        let hits =
            if questions.has_frame_texts() { FrameHits::new(patterns, stack, platform) } else { FrameHits::default() };
        let found = |patterns: &Patterns, text: Option<&str>| {
            let mut found = Vec::new();
            patterns.find(head(text.unwrap_or(UNKNOWN), limits::MESSAGE_CHARS_MAX), |id| found.push(id));
            found
        };
        let categories = if rules.asks_categories { questions.categories.names.len() } else { 0 };
        Self {
            all,
            hits,
            families: families(stack, platform, all),
            exception: [
                found(&questions.ty, exception.and_then(|x| x.ty.trimmed())),
                found(&questions.value, exception.and_then(|x| x.value.trimmed())),
                found(&questions.mechanism, exception.and_then(|x| x.mechanism.as_ref()?.ty.trimmed())),
            ],
            verdict: Verdict {
                app,
                wanted: FrameSet::EMPTY,
                ignored: FrameSet::EMPTY,
                max_frames: None,
                min_frames: None,
                categories: vec![FrameSet::EMPTY; categories],
            },
        }
    }

    fn matching(&self, rule: &Compiled) -> FrameSet {
        let mut frames = self.all;
        for test in &rule.tests {
            frames = frames.and(self.test(test));
            if frames.is_empty() {
                return frames;
            }
        }
        if let Some(caller) = &rule.caller {
            frames = frames.and(self.test(caller).callees());
        }
        if let Some(callee) = &rule.callee {
            frames = frames.and(self.test(callee).callers());
        }
        frames
    }

    fn test(&self, test: &Test) -> FrameSet {
        let exception = |kind: usize, id: &PatternId| {
            if self.exception[kind].contains(id) { self.all } else { FrameSet::EMPTY }
        };
        let frames = match &test.asks {
            Asks::Function(id) => self.hits.function.of(*id),
            Asks::Module(id) => self.hits.module.of(*id),
            Asks::Path(id) => self.hits.path.of(*id),
            Asks::Package(id) => self.hits.package.of(*id),
            Asks::Family(mask) => {
                let wanted = self.families.iter().filter(|(family, _)| family & mask != 0);
                wanted.fold(FrameSet::EMPTY, |all, (_, frames)| all.or(*frames))
            }
            Asks::App(true) => self.verdict.app,
            Asks::App(false) => self.all.without(self.verdict.app),
            Asks::Category(ids) => union(&self.verdict.categories, ids),
            Asks::Type(id) => exception(0, id),
            Asks::Value(id) => exception(1, id),
            Asks::Mechanism(id) => exception(2, id),
        };
        if test.negated { self.all.without(frames) } else { frames }
    }

    /// Does what a rule says to these frames in one of the two passes.
    fn apply(&mut self, rule: &Compiled, frames: FrameSet, pass: usize, on_change: &mut impl FnMut(Change)) {
        let place = rule.place;
        let verdict = &mut self.verdict;
        for does in &rule.does {
            match (does, pass) {
                (Does::Category(id), 0) => {
                    for (other, set) in verdict.categories.iter_mut().enumerate() {
                        *set = if other == *id { set.or(frames) } else { set.without(frames) };
                    }
                }
                (Does::MaxFrames(count), 1) => verdict.max_frames = bound(*count, place),
                (Does::MinFrames(count), 1) => verdict.min_frames = bound(*count, place),
                (Does::Flag { range, on, flag }, _) if (*flag == Flag::Group) == (pass == 1) => {
                    let frames = match range {
                        None => frames,
                        Some(Range::Up) => frames.above().and(self.all),
                        Some(Range::Down) => frames.below(),
                    };
                    let (to, from) = match (flag, on) {
                        (Flag::App, _) => (&mut verdict.app, None),
                        (Flag::Group, true) => (&mut verdict.wanted, Some(&mut verdict.ignored)),
                        (Flag::Group, false) => (&mut verdict.ignored, Some(&mut verdict.wanted)),
                    };
                    *to = if *on || *flag == Flag::Group { to.or(frames) } else { to.without(frames) };
                    if let Some(from) = from {
                        *from = from.without(frames);
                    }
                    on_change(Change { place, frames, flag: *flag, on: *on });
                }
                _ => {}
            }
        }
    }
}

/// Zero frames is how the language says "no bound".
fn bound(count: u32, place: Place) -> Option<(usize, Place)> {
    (count > 0).then_some((count as usize, place))
}
