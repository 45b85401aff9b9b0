//! Stacks: from raw frames to the few that prove something, oldest first.
//!
//! Owns the choice of frames (ours, or everybody's when none is ours) and the folding of recursion.
//! Names come from `clean`.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::clean::{self, Cleaner, Role};
use super::families;
use super::images::Images;
use super::message;
use super::rules::Rules;
use crate::event::{Exception, Frame, Stacktrace};
use crate::limits;

/// Longest cycle of calls that is recognised: `a` calls `b` calls `c` calls `d` calls `a`.
const CYCLE_FRAMES_MAX: usize = 4;
/// Helpers on top of each other that are looked through: assertions call assertions.
const HELPERS_MAX: usize = 8;
/// A source line that is longer was not written by a person.
const CONTEXT_BYTES_MAX: usize = 160;
/// A shorter one (`}`, `super`, `pass`) stands in every file.
const CONTEXT_BYTES_MIN: usize = 10;

/// Which frames a stack was reduced to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// Frames of the application.
    App,
    /// No frame is the application's: all frames but machinery.
    All,
}

/// The frames of one stack that contribute, oldest first, recursion folded.
pub(super) struct Stack<'e> {
    pub(super) frames: Vec<CleanFrame<'e>>,
    pub(super) basis: Basis,
    /// The newest frame apart from machinery is one of `frames`: our code raised this itself.
    pub(super) raised_here: bool,
    /// Names depend on the build: a minifier chose them, or they are addresses.
    pub(super) unresolved: bool,
    /// The newest frames are this many of one recursion.
    recursion: Option<Recursion>,
}

/// Frames that called each other in turn, folded to one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Recursion {
    start: usize,
    period: usize,
}

/// One contributing frame.
#[derive(Debug, Clone)]
pub(super) struct CleanFrame<'e> {
    /// Module, class or file.
    pub(super) place: Cow<'e, str>,
    /// Function; empty for an anonymous one.
    pub(super) function: Cow<'e, str>,
    /// The source line, unless a machine wrote it.
    pub(super) line: Option<&'e str>,
    /// The source line, when it is unlikely to stand anywhere else.
    pub(super) context: Option<&'e str>,
    /// The function's name is one a minifier may have chosen, or an address.
    pub(super) volatile: bool,
    identity: u64,
}

impl<'e> Stack<'e> {
    /// Reduces a stack; `None` when no frame of it can be named, or a rule leaves it out.
    pub(super) fn of(
        stack: &'e Stacktrace<'_>,
        exception: Option<&Exception<'_>>,
        platform: &str,
        (images, rules): (&Images<'e>, &Rules),
    ) -> Option<Self> {
        let mut roles = roles(stack, platform, images);
        let bounds = rules.judge(stack, exception, platform, &mut roles);
        let basis = if roles.contains(&Role::App) { Basis::App } else { Basis::All };
        let kept = |role: Role| match basis {
            Basis::App => matches!(role, Role::App | Role::Wanted),
            Basis::All => !matches!(role, Role::Noise | Role::Raise),
        };
        let counts = |role: &&Role| !matches!(role, Role::Noise | Role::Raise);
        let raised_here = roles.iter().rev().find(counts).is_some_and(|role| kept(*role));
        let mut unresolved = false;
        let mut frames = Vec::with_capacity(roles.len());
        for (frame, _) in stack.frames.iter().zip(&roles).filter(|(_, role)| kept(**role)) {
            let Some(clean) = CleanFrame::of(frame, platform, images) else { continue };
            unresolved |= clean.volatile;
            frames.push(clean);
        }
        let recursion = fold(&mut frames, |frame| frame.identity);
        let excess = bounds.excess(frames.len())?;
        frames.drain(..excess);
        let recursion = recursion
            .and_then(|Recursion { start, period }| Some(Recursion { start: start.checked_sub(excess)?, period }));
        let said = frames.iter().any(|frame| !frame.place.is_empty() || !frame.function.is_empty());
        said.then_some(Self { frames, basis, raised_here, unresolved, recursion })
    }

    /// One turn of the recursion that the stack ends in, always beginning with the same frame: where
    /// the stack overflowed is chance.
    pub(super) fn turn(&self) -> Option<Vec<&CleanFrame<'e>>> {
        let Recursion { start, period } = self.recursion?;
        let mut turn: Vec<_> = self.frames[start..start + period].iter().collect();
        let first = (0..period).min_by_key(|&i| (&turn[i].place, &turn[i].function)).unwrap_or(0);
        turn.rotate_left(first);
        Some(turn)
    }

    /// The newest contributing frame.
    pub(super) fn top(&self) -> Option<&CleanFrame<'e>> {
        self.frames.last()
    }

    /// The newest frames, up to the first that does more than raise for others: that one is the place.
    /// Where nobody but helpers stands, the top and its caller.
    pub(super) fn raised_for(&self) -> &[CleanFrame<'e>] {
        let helpers =
            self.frames.iter().rev().take(HELPERS_MAX).take_while(|frame| families::helper(&frame.function).is_some());
        let helpers = helpers.count();
        let count = if helpers < self.frames.len().min(HELPERS_MAX) { helpers + 1 } else { 2 };
        &self.frames[self.frames.len().saturating_sub(count)..]
    }

    /// The one that called the first of these.
    pub(super) fn called_by(&self, newest: &[CleanFrame<'e>]) -> Option<&CleanFrame<'e>> {
        self.frames.len().checked_sub(newest.len() + 1).map(|at| &self.frames[at])
    }

    /// The one that called the newest.
    pub(super) fn caller(&self) -> Option<&CleanFrame<'e>> {
        self.frames.iter().rev().nth(1)
    }
}

impl<'e> CleanFrame<'e> {
    fn of(frame: &'e Frame<'_>, platform: &str, images: &Images<'e>) -> Option<Self> {
        let cleaner = cleaner(frame, platform);
        let (mut place, mut function) = ((cleaner.place)(frame), (cleaner.function)(frame));
        let mut volatile = (cleaner.minified)(frame, &function);
        if place.is_empty() && function.is_empty() {
            let (image, offset) = images.locate(frame)?;
            (place, function, volatile) = (image, offset, true);
        }
        let mut hasher = DefaultHasher::new();
        (&place, &function).hash(&mut hasher);
        let line = line(frame);
        let context = line.filter(|line| line.len() >= CONTEXT_BYTES_MIN);
        Some(Self { place, function, line, context, volatile, identity: hasher.finish() })
    }
}

/// Whose each frame is, before any rule.
pub(super) fn roles(stack: &Stacktrace<'_>, platform: &str, images: &Images) -> Vec<Role> {
    rulings(stack, platform, images).into_iter().map(|(role, _)| role).collect()
}

fn cleaner(frame: &Frame<'_>, platform: &str) -> &'static Cleaner {
    clean::cleaner(frame.platform.trimmed().unwrap_or(platform), frame)
}

/// Whose frame each is. On top of the one that raises only handlers stand: of signals, of panics.
fn rulings(stack: &Stacktrace<'_>, platform: &str, images: &Images) -> Vec<clean::Ruling> {
    let mut rulings: Vec<_> = stack.frames.iter().map(|frame| ruling(frame, platform, images)).collect();
    if let Some(raise) = rulings.iter().position(|(role, _)| *role == Role::Raise)
        // A stack that shows nothing below was cut there, or is that of the handler itself.
        && rulings[..raise].iter().any(|(role, _)| *role == Role::App)
    {
        let above = rulings[raise + 1..].iter_mut().filter(|(role, _)| matches!(role, Role::App | Role::Library));
        above.for_each(|ruling| *ruling = clean::HANDLER);
    }
    rulings
}

/// Whose frame it is; one without names is judged by the image it lies in.
fn ruling(frame: &Frame<'_>, platform: &str, images: &Images) -> clean::Ruling {
    let named = frame.function.get().is_some() || frame.filename.get().is_some() || frame.module.get().is_some();
    let image = if named || frame.in_app.is_some() { None } else { images.path(frame) };
    match image {
        Some((path, _)) => clean::image_ruling(path),
        None => clean::ruling(cleaner(frame, platform), frame),
    }
}

fn line<'e>(frame: &'e Frame<'_>) -> Option<&'e str> {
    frame.context_line.trimmed().filter(|line| line.len() <= CONTEXT_BYTES_MAX && !line.starts_with("{snip}"))
}

/// Folds direct and mutual recursion: how deep it went says nothing. Returns the recursion that the
/// stack ends in, if it does.
fn fold<F>(frames: &mut Vec<F>, identity: impl Fn(&F) -> u64) -> Option<Recursion> {
    let mut kept = 0;
    let mut recursion = None;
    for at in 0..frames.len() {
        frames.swap(kept, at);
        kept += 1;
        let longest = CYCLE_FRAMES_MAX.min(kept / 2);
        for period in 1..=longest {
            let same = (kept - period..kept).all(|i| identity(&frames[i]) == identity(&frames[i - period]));
            if same {
                // The newest turn stays: its source lines are those that failed.
                (kept - period..kept).for_each(|i| frames.swap(i, i - period));
                kept -= period;
                recursion = Some(Recursion { start: kept - period, period });
                break;
            }
        }
    }
    frames.truncate(kept);
    // A last turn may not be complete; anything else on top means that the recursion ended.
    recursion.filter(|recursion| {
        let mut behind = recursion.start + recursion.period..kept;
        behind.len() < recursion.period
            && behind.all(|i| identity(&frames[i]) == identity(&frames[i - recursion.period]))
    })
}

/// Frames that an explanation shows per stack, the newest. It is stored with every new key.
const NOTES_MAX: usize = 60;

/// One frame as the explanation shows it.
#[derive(Debug, serde::Serialize)]
pub(super) struct FrameNote {
    /// As reduced.
    place: String,
    /// As reduced.
    function: String,
    /// `module or file # function` as sent, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<String>,
    /// Whose frame it is.
    role: &'static str,
    contributes: bool,
    why: Cow<'static, str>,
}

/// The newest frames of a stack with the reason why each contributes or not, and how many older ones there
/// are. Only for explanations.
pub(super) fn notes<'e>(
    stack: &'e Stacktrace<'_>,
    exception: Option<&Exception<'_>>,
    platform: &str,
    (images, rules): (&Images<'e>, &Rules),
) -> (Vec<FrameNote>, usize) {
    let rulings = rulings(stack, platform, images);
    let mut roles: Vec<Role> = rulings.iter().map(|(role, _)| *role).collect();
    let (bounds, reasons) = rules.judge_and_tell(stack, exception, platform, &mut roles);
    let ours = roles.contains(&Role::App);
    let counts = |role: Role| match role {
        Role::App | Role::Wanted => true,
        Role::Library => !ours,
        Role::Noise | Role::Raise => false,
    };
    let cleaned: Vec<_> = stack.frames.iter().map(|frame| CleanFrame::of(frame, platform, images)).collect();
    let identities = cleaned.iter().enumerate().filter(|(at, _)| counts(roles[*at]));
    let mut kept: Vec<(usize, u64)> =
        identities.filter_map(|(at, frame)| Some((at, frame.as_ref()?.identity))).collect();
    fold(&mut kept, |(_, identity)| *identity);
    let kept: Vec<usize> = kept.into_iter().map(|(at, _)| at).collect();
    let bounded = &kept[..bounds.excess(kept.len()).unwrap_or(kept.len())];
    let note = |at: usize| {
        let (frame, clean) = (&stack.frames[at], cleaned[at].as_ref());
        let folded = clean.is_some() && counts(roles[at]) && kept.binary_search(&at).is_err();
        let beyond = bounded.binary_search(&at).is_ok();
        let why = match &reasons[at] {
            _ if clean.is_none() => Cow::Borrowed("has no name"),
            _ if beyond => Cow::Owned(bounds.reason(kept.len())),
            _ if folded => Cow::Borrowed("recursion: the same frames follow again, and count once"),
            Some(reason) => Cow::Owned(reason.clone()),
            None => Cow::Borrowed(rulings[at].1),
        };
        FrameNote {
            sent: sent(frame, clean),
            role: roles[at].name(),
            place: clean.map(|frame| shown(&frame.place)).unwrap_or_default(),
            function: clean.map(|frame| shown(&frame.function)).unwrap_or_default(),
            contributes: !beyond && kept.binary_search(&at).is_ok(),
            why,
        }
    };
    let older = roles.len().saturating_sub(NOTES_MAX);
    ((older..roles.len()).map(note).collect(), older)
}

impl FrameNote {
    /// The whole stack stays out of the keys, whatever its frames are.
    pub(super) fn leave_out(&mut self, why: &'static str) {
        if self.contributes {
            self.contributes = false;
            self.why = Cow::Borrowed(why);
        }
    }
}

/// The names as sent, unless reducing left them alone.
fn sent(frame: &Frame<'_>, clean: Option<&CleanFrame<'_>>) -> Option<String> {
    let place = frame.module.trimmed().or_else(|| frame.filename.trimmed()).or_else(|| frame.abs_path.trimmed());
    let (place, function) = (place.unwrap_or_default(), frame.function.trimmed().unwrap_or_default());
    let same = clean.is_some_and(|clean| clean.place == place && clean.function == function);
    (!same).then(|| shown(&format!("{place} # {function}")))
}

fn shown(name: &str) -> String {
    message::head(name, limits::NAME_CHARS_MAX).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &str, folded: &str, turn: &str) {
        let mut frames: Vec<CleanFrame<'_>> = names
            .chars()
            .map(|c| CleanFrame {
                place: Cow::Borrowed(""),
                function: Cow::Owned(c.to_string()),
                line: None,
                context: None,
                volatile: false,
                identity: u64::from(u32::from(c)),
            })
            .collect();
        let recursion = fold(&mut frames, |frame| frame.identity);
        let stack = Stack { frames, basis: Basis::App, raised_here: true, unresolved: false, recursion };
        let got: String = stack.frames.iter().map(|frame| &*frame.function).collect();
        let got_turn: String = stack.turn().into_iter().flatten().map(|frame| &*frame.function).collect();
        assert_eq!((&*got, &*got_turn), (folded, turn), "{names}");
    }

    #[test]
    fn recursion_is_folded_whatever_its_depth_and_phase() {
        check("mabc", "mabc", "");
        check("maaaaz", "maz", "");
        check("maaaa", "ma", "a");
        check("mababab", "mab", "ab");
        check("mbababa", "mba", "ab");
        check("mabababa", "maba", "ab");
        check("mababaz", "mabaz", "");
        check("mabcabcabcab", "mabcab", "abc");
        check("mabcdabcdabcd", "mabcd", "abcd");
        check("mbcabcabc", "mbcabc", "abc");
        check("aaaa", "a", "a");
        check("", "", "");
    }
}
