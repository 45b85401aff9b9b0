//! What people say about grouping: fingerprint rules and stack-trace rules, compiled.
//!
//! Owns the two languages: `parse` reads them, `syntax` is what they say and how that is written,
//! `stack_rules` and `fingerprint_rules` are what they do, `patterns` is why it costs little. Rules that
//! everybody has stand in the same languages under `builtin`. It must not know where the text is stored.

mod family;
mod fingerprint_rules;
mod frame_set;
pub(crate) mod glob;
mod parse;
mod patterns;
mod stack_rules;
pub mod syntax;

use std::fmt::{self, Display, Formatter};
use std::sync::LazyLock;

use serde::Serialize;

use self::fingerprint_rules::FingerprintRules;
use self::stack_rules::{StackRules, Verdict};
use self::syntax::{Flag, Part, RuleText};
use super::clean::Role;
use crate::event::{Event, Exception, Stacktrace};

pub use parse::{Parsed, Problem, fingerprint_rules, stack_rules};

/// Fingerprint rules that every project has.
pub const BUILTIN_FINGERPRINT_RULES: &str = include_str!("rules/builtin/fingerprint.rules");
/// Stack-trace rules that every project has.
pub const BUILTIN_STACK_RULES: &str = include_str!("rules/builtin/stack.rules");

/// The rules that apply to the events of one project: ours, and its own.
#[derive(Debug)]
pub struct Rules {
    stack: StackRules,
    project: FingerprintRules,
    builtin: FingerprintRules,
}

/// Where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    builtin: bool,
    line: u32,
}

impl Place {
    fn among(self, kind: &str) -> String {
        let whose = if self.builtin { "the built-in" } else { "the project's" };
        format!("rule line {} of {whose} {kind} rules", self.line)
    }
}

/// What is wrong with two texts of rules, or worth saying about them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// In the fingerprint rules.
    pub fingerprint: Vec<Problem>,
    /// In the stack-trace rules.
    pub stack: Vec<Problem>,
}

impl Problems {
    /// True when there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.fingerprint.is_empty() && self.stack.is_empty()
    }
}

impl Display for Problems {
    /// One line per problem: `fingerprint rules, line 3, column 7: …`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let fingerprint = self.fingerprint.iter().map(|problem| ("fingerprint", problem));
        let all = fingerprint.chain(self.stack.iter().map(|problem| ("stack-trace", problem)));
        for (index, (kind, Problem { line, column, message })) in all.enumerate() {
            let separator = if index > 0 { "\n" } else { "" };
            write!(f, "{separator}{kind} rules, line {line}, column {column}: {message}")?;
        }
        Ok(())
    }
}

impl Rules {
    /// The rules of a project that has none of its own.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Rules> = LazyLock::new(|| match Rules::compile("", "") {
            Ok((rules, _)) => rules,
            // A test compiles them; this is for the type.
            Err(_) => Rules::none(),
        });
        &BUILTIN
    }

    /// No rules at all, not even the built-in ones.
    #[must_use]
    pub fn none() -> Self {
        Self { stack: StackRules::none(), project: FingerprintRules::none(), builtin: FingerprintRules::none() }
    }

    /// Compiles the rules of a project, and says what in them does less than it says.
    ///
    /// # Errors
    /// Everything that is wrong in both texts.
    pub fn compile(fingerprint: &str, stack: &str) -> Result<(Self, Problems), Problems> {
        let (own_fingerprint, own_stack) = (parse::fingerprint_rules(fingerprint), parse::stack_rules(stack));
        let (own_fingerprint, own_stack) = match (own_fingerprint, own_stack) {
            (Ok(fingerprint), Ok(stack)) => (fingerprint, stack),
            (fingerprint, stack) => {
                let (fingerprint, stack) = (fingerprint.err().unwrap_or_default(), stack.err().unwrap_or_default());
                return Err(Problems { fingerprint, stack });
            }
        };
        let in_stack = |stack| Problems { fingerprint: Vec::new(), stack };
        let in_fingerprint = |fingerprint| Problems { fingerprint, stack: Vec::new() };
        let builtin_stack = parse::stack_rules(BUILTIN_STACK_RULES).map_err(in_stack)?;
        let builtin_fingerprint = parse::fingerprint_rules(BUILTIN_FINGERPRINT_RULES).map_err(in_fingerprint)?;
        let stack = StackRules::new(placed(true, &builtin_stack.text).chain(placed(false, &own_stack.text)))
            .map_err(|error| in_stack(vec![too_large(&error)]))?;
        let compile = |builtin, rules| {
            FingerprintRules::new(placed(builtin, rules), &stack)
                .map_err(|error| in_fingerprint(vec![too_large(&error)]))
        };
        let (builtin, project) = (compile(true, &builtin_fingerprint.text)?, compile(false, &own_fingerprint.text)?);
        let warnings = Problems { fingerprint: own_fingerprint.warnings, stack: own_stack.warnings };
        Ok((Self { stack, project, builtin }, warnings))
    }

    /// Applies the stack-trace rules to the roles of a stack's frames.
    pub(super) fn judge(
        &self,
        stack: &Stacktrace<'_>,
        exception: Option<&Exception<'_>>,
        platform: &str,
        roles: &mut [Role],
    ) -> Bounds {
        if self.stack.is_empty() {
            return Bounds::default();
        }
        let verdict = self.stack.judge(stack, exception, platform, roles, |_| {});
        assign(&verdict, roles);
        Bounds::of(&verdict)
    }

    /// The same, with the reason for each frame that a rule touched.
    pub(super) fn judge_and_tell(
        &self,
        stack: &Stacktrace<'_>,
        exception: Option<&Exception<'_>>,
        platform: &str,
        roles: &mut [Role],
    ) -> (Bounds, Vec<Option<String>>) {
        let mut reasons: Vec<Option<String>> = vec![None; roles.len()];
        let verdict = self.stack.judge(stack, exception, platform, roles, |change| {
            let what = match (change.flag, change.on) {
                (Flag::App, true) => "in app by",
                (Flag::App, false) => "not in app by",
                (Flag::Group, true) => "taken in by",
                (Flag::Group, false) => "ignored by",
            };
            for (_, reason) in reasons.iter_mut().enumerate().filter(|(at, _)| change.frames.contains(*at)) {
                // Whether it takes part tells more than whose it is.
                if change.flag == Flag::Group || !verdict_is_about_group(reason.as_deref()) {
                    *reason = Some(format!("{what} {}", change.place.among("stack-trace")));
                }
            }
        });
        assign(&verdict, roles);
        (Bounds::of(&verdict), reasons)
    }

    /// The fingerprint rule that decides about an event, the project's first. The built-in ones are asked
    /// only when `client_is_silent`: a program that sends a fingerprint knows better.
    pub(super) fn fingerprint(
        &self,
        event: &Event<'_>,
        stacks: &[(&Stacktrace<'_>, Option<&Exception<'_>>)],
        client_is_silent: bool,
        roles: &dyn Fn(&Stacktrace<'_>) -> Vec<Role>,
    ) -> Option<RuledFingerprint<'_>> {
        let judge = |stack: &Stacktrace<'_>, exception: Option<&Exception<'_>>| {
            self.stack.judge(stack, exception, event.platform.or_empty(), &roles(stack), |_| {})
        };
        let rule = self.project.first(event, stacks, &judge);
        let rule = rule.or_else(|| if client_is_silent { self.builtin.first(event, stacks, &judge) } else { None })?;
        Some(RuledFingerprint { parts: &rule.parts, title: rule.title.as_deref(), place: rule.place, text: &rule.text })
    }
}

fn verdict_is_about_group(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| reason.starts_with("taken in by") || reason.starts_with("ignored by"))
}

fn placed<R>(builtin: bool, text: &RuleText<R>) -> impl Iterator<Item = (Place, &R)> {
    text.rules().map(move |(line, rule)| (Place { builtin, line }, rule))
}

fn too_large((place, pattern): &(Place, String)) -> Problem {
    let head = super::message::head(pattern, 40);
    Problem {
        line: place.line,
        column: 1,
        message: format!("the pattern {head:?}… is too large: use fewer brackets and question marks"),
    }
}

/// Writes into the roles what rules said.
fn assign(verdict: &Verdict, roles: &mut [Role]) {
    for (at, role) in roles.iter_mut().enumerate() {
        let app = verdict.app.contains(at);
        if app {
            *role = Role::App;
        } else if *role == Role::App {
            *role = Role::Library;
        }
        if verdict.ignored.contains(at) {
            *role = Role::Noise;
        } else if verdict.wanted.contains(at) && !app {
            *role = Role::Wanted;
        }
    }
}

/// How many frames of a stack may and must count.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    max: Option<(usize, Place)>,
    min: Option<(usize, Place)>,
}

impl Bounds {
    fn of(verdict: &Verdict) -> Self {
        Self { max: verdict.max_frames, min: verdict.min_frames }
    }

    /// How many of the oldest of these frames are too many. `None` when there are too few altogether.
    pub(super) fn excess(&self, frames: usize) -> Option<usize> {
        if self.min.is_some_and(|(min, _)| frames < min) {
            return None;
        }
        Some(self.max.map_or(0, |(max, _)| frames.saturating_sub(max)))
    }

    /// Why frames that would count do not.
    pub(super) fn reason(&self, frames: usize) -> String {
        match (self.min, self.max) {
            (Some((min, place)), _) if frames < min => {
                format!("the stack has fewer than {min} frames that count, {}", place.among("stack-trace"))
            }
            (_, Some((max, place))) => {
                format!("only the newest {max} frames count, {}", place.among("stack-trace"))
            }
            _ => String::new(),
        }
    }
}

/// A fingerprint that a rule gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct RuledFingerprint<'r> {
    pub(super) parts: &'r [Part],
    pub(super) title: Option<&'r str>,
    place: Place,
    text: &'r str,
}

impl RuledFingerprint<'_> {
    pub(super) fn note(&self) -> RuleNote {
        RuleNote { why: format!("matched {}", self.place.among("fingerprint")), text: self.text.to_owned() }
    }
}

/// Which fingerprint rule decided, for the explanation.
#[derive(Debug, Serialize)]
pub(super) struct RuleNote {
    why: String,
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_rules_can_be_read() {
        let (_, warnings) = Rules::compile("", "").unwrap_or_else(|problems| panic!("{problems}"));
        assert!(warnings.is_empty(), "{warnings}");
        for text in [BUILTIN_STACK_RULES, BUILTIN_FINGERPRINT_RULES] {
            assert!(text.lines().any(|line| !line.is_empty() && !line.starts_with('#')));
        }
    }
}
