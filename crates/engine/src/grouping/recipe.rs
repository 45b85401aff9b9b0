//! The keys, in the order of their strength: what goes into each and when it may exist.

use std::borrow::Cow;

use super::images::Images;
use super::record::Recorder;
use super::rules::Rules;
use super::stack::{Basis, CleanFrame, Stack};
use super::subject::{self, CleanException, Subject};
use super::{clean, families, fingerprint, message, paths, tokens};
use crate::event::{Csp, Event};

/// Writes the keys of an event; at least one.
pub(super) fn write(event: &Event<'_>, rules: &Rules, plan: fingerprint::Plan, out: &mut impl Recorder) {
    match plan {
        fingerprint::Plan::Default => write_default(event, rules, out),
        fingerprint::Plan::Replace(parts) => {
            out.begin("v1:fingerprint", true);
            parts.iter().for_each(|part| out.part("fingerprint", part));
            out.end();
        }
        fingerprint::Plan::Extend { before, after } => {
            write_default(event, rules, &mut Extended { before, after, out });
        }
    }
}

/// Why a key exists, for the explanation.
pub(super) fn reason(variant: &str) -> Cow<'static, str> {
    Cow::Borrowed(match variant {
        "v1:fingerprint" => "the client or a rule chose the fingerprint",
        "v1:app" => "frames of the application",
        "v1:stack" => "no frame is the application's, so all frames but machinery",
        "v1:line" => "the statement instead of the message: a reworded message stays in its issue",
        "v1:wording" => "the message without its middle: one other word there stays in its issue",
        "v1:shape" => "without names that a build chooses: the next build stays in this issue",
        "v1:typed" => "without what a system words in its language: another language stays in this issue",
        "v1:anchor" => "type, message and the nearest name or file that a minifier kept",
        "v1:kin" => "type, message, file, caller and name, also of a function whose name had a word less",
        "v1:recursion" => "functions that called each other in turn: where it stopped is chance",
        "v1:site" => "type, message and where it was raised: other callers join",
        "v1:renamed" => "the statement, its file and its caller: a renamed function stays in its issue",
        "v1:message" => "no stack: the template of the message",
        "v1:csp" => "directive and what was blocked",
        "v1:chunk-load" => "code that could not be delivered, whoever asked for it",
        "v1:template" => "a template's file and line",
        _ => "the event carries no data: only where it came from",
    })
}

fn write_default(event: &Event<'_>, rules: &Rules, out: &mut impl Recorder) {
    if let Some(csp) = &event.csp {
        return write_csp(csp, out);
    }
    let images = Images::of(event);
    match Subject::of(event, &images, rules) {
        Subject::Exceptions(exceptions) => write_exceptions(&exceptions, out),
        Subject::Message(template) => {
            out.begin("v1:message", true);
            out.part("message", &template);
            out.part("logger", &subject::logger(event));
            out.end();
        }
        Subject::Stack(stack) => write_stack(&stack, out),
        Subject::Nothing => write_nothing(event, out),
    }
}

fn write_exceptions(exceptions: &[CleanException<'_>], out: &mut impl Recorder) {
    if exceptions.iter().any(|x| families::is_chunk_load_failure(&x.ty, &x.value)) {
        out.begin("v1:chunk-load", true);
        out.end();
        return;
    }
    let ours = exceptions.iter().any(|x| x.app_stack().is_some());
    let stacked = exceptions.iter().filter_map(|x| x.stack.as_ref()).next_back();
    let variant = match stacked {
        None => "v1:message",
        Some(_) if ours => "v1:app",
        Some(stack) => stack_variant(stack),
    };
    out.begin(variant, true);
    exceptions.iter().for_each(|x| exception(x, ours, Detail::Exact, out));
    out.end();
    if exceptions.iter().any(|x| line_of(x).is_some()) {
        out.begin("v1:line", true);
        exceptions.iter().for_each(|x| exception(x, ours, Detail::Line, out));
        out.end();
    }
    if exceptions.iter().any(|x| wording_of(x).is_some()) {
        out.begin("v1:wording", true);
        exceptions.iter().for_each(|x| exception(x, ours, Detail::Wording, out));
        out.end();
    }
    let unresolved = exceptions.iter().any(|x| x.stack.as_ref().is_some_and(|stack| stack.unresolved));
    if unresolved && tells_enough(exceptions) {
        out.begin("v1:shape", true);
        exceptions.iter().for_each(|x| exception(x, ours, Detail::Shape, out));
        out.end();
    }
    write_typed(exceptions, ours, out);
    write_recursion(exceptions, out);
    // Which members a group has counts, so no single one of them links.
    if !exceptions.iter().any(|x| x.in_group) {
        write_site(exceptions, out);
        write_anchor(exceptions, out);
        write_kin(exceptions, out);
        write_unwrapped(exceptions, out);
    }
}

/// The key of an exception whose message a runtime, a system or a database words, in its language: what
/// stands in every language counts in place of the message.
fn write_typed(exceptions: &[CleanException<'_>], ours: bool, out: &mut impl Recorder) {
    let Some(x) = exceptions.first().filter(|x| ours && x.worded_elsewhere.is_some()) else { return };
    // Where a minifier chose the names, a place or a name has to tell besides the type.
    if x.app_stack().is_none_or(|stack| stack.unresolved && anchor(stack).is_none()) {
        return;
    }
    out.begin("v1:typed", true);
    exceptions.iter().for_each(|x| exception(x, ours, Detail::Typed, out));
    out.end();
}

/// Frames from the newest on in which a name is looked for, when the newest has none.
const ANCHOR_FRAMES: usize = 3;

/// Where a minified stack ends: the chunk, if there are several, and the nearest name that a minifier
/// had to keep.
fn anchor<'s>(stack: &'s Stack<'_>) -> Option<(&'s str, &'s str)> {
    let top = stack.top()?;
    let named = |frame: &&CleanFrame<'_>| !frame.volatile && !frame.function.is_empty();
    let name = stack.frames.iter().rev().take(ANCHOR_FRAMES).find(named).map(|frame| &*frame.function);
    // One bundle for everything, or chunks that are only numbered, say nothing.
    let tells = !top.place.is_empty() && stack.frames.iter().any(|frame| frame.place != top.place);
    let place = if tells { &*top.place } else { "" };
    (tells || name.is_some()).then_some((place, name.unwrap_or_default()))
}

/// A stack without names has other frames of libraries in it each time, which look like ours.
fn write_anchor(exceptions: &[CleanException<'_>], out: &mut impl Recorder) {
    let Some((x, stack)) = exceptions.iter().rev().find_map(|x| Some((x, x.app_stack()?))) else { return };
    let minified = stack.unresolved && stack.top().is_some_and(|top| top.volatile && !top.function.starts_with('+'));
    let Some((place, name)) = anchor(stack).filter(|_| minified && tells(x)) else { return };
    out.begin("v1:anchor", true);
    site_head(x, &x.template, exceptions.first().filter(|root| !std::ptr::eq(*root, x)), out);
    out.part("place", place);
    out.part("function", name);
    out.end();
}

/// Shortest name that is left when a word of it is dropped.
const KIN_BYTES_MIN: usize = 4;

/// Without source lines a function that was renamed looks like another one. One that got a word more is
/// looked up by the name that it had: `checksum` became `frame_checksum`. Never the other way round, and never
/// by a word that two functions share: `load_user` is not `load_order`.
fn write_kin(exceptions: &[CleanException<'_>], out: &mut impl Recorder) {
    let [x] = exceptions else { return };
    let Some(stack) = x.app_stack().filter(|stack| stack.raised_here && tells(x)) else { return };
    let (Some(top), Some(caller)) = (stack.top(), stack.caller()) else { return };
    if top.line.is_some() || top.volatile || top.function.is_empty() || families::helper(&top.function).is_some() {
        return;
    }
    let mut kin = |name: &str, owns: bool| {
        out.begin("v1:kin", owns);
        site_head(x, &x.template, None, out);
        out.part("place", &top.place);
        out.part("function", name);
        frames(std::slice::from_ref(caller), Detail::Exact, out);
        out.end();
    };
    kin(&top.function, true);
    let own = own_name(&top.function).unwrap_or_default();
    let qualifier = &top.function[..top.function.len() - own.len()];
    for shorter in families::with_a_word_less(own).into_iter().flatten().filter(|name| name.len() >= KIN_BYTES_MIN) {
        kin(&format!("{qualifier}{shorter}"), false);
    }
}

/// A message with enough letters to tell one bug from another.
fn tells(x: &CleanException<'_>) -> bool {
    x.template.bytes().filter(u8::is_ascii_alphabetic).count() >= TELLING_LETTERS
}

/// Wrappers that are looked through.
const WRAPPERS_MAX: usize = 3;

/// An exception that was reported before somebody wrapped it is the same bug. Only looked up: two wrappers
/// of one cause stay two issues, unless the cause was reported by itself.
fn write_unwrapped(exceptions: &[CleanException<'_>], out: &mut impl Recorder) {
    for wrappers in 1..exceptions.len().min(WRAPPERS_MAX + 1) {
        let inner = &exceptions[..exceptions.len() - wrappers];
        if inner.last().is_some_and(|x| x.app_stack().is_some()) {
            out.begin("v1:app", false);
            inner.iter().for_each(|x| exception(x, true, Detail::Exact, out));
            out.end();
        }
    }
}

/// A stack and nothing else: the place alone has to tell.
fn write_stack(stack: &Stack<'_>, out: &mut impl Recorder) {
    out.begin(stack_variant(stack), true);
    frames(&stack.frames, Detail::Exact, out);
    out.end();
    let named = |top: &CleanFrame<'_>| stack.basis == Basis::App && !top.volatile && !top.function.is_empty();
    if !stack.top().is_some_and(named) {
        return;
    }
    out.begin("v1:site", true);
    site_frames(stack, out);
    out.end();
}

fn stack_variant(stack: &Stack<'_>) -> &'static str {
    match stack.basis {
        Basis::App => "v1:app",
        Basis::All => "v1:stack",
    }
}

/// Letters of the messages that make up for frames without names.
const TELLING_LETTERS: usize = 8;

/// Without names of frames, the messages have to tell bugs apart, unless a place does.
fn tells_enough(exceptions: &[CleanException<'_>]) -> bool {
    let letters = exceptions.iter().flat_map(|x| x.template.bytes()).filter(u8::is_ascii_alphabetic).count();
    let frames = || exceptions.iter().filter_map(|x| x.stack.as_ref()).flat_map(|stack| &stack.frames);
    letters >= TELLING_LETTERS || frames().any(|frame| !(frame.volatile && clean::is_obfuscated_place(&frame.place)))
}

/// How much of an exception goes into a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Exact,
    /// The source line stands for the message.
    Line,
    /// The message without its middle.
    Wording,
    /// Names that a build chooses are left out.
    Shape,
    /// So is what a system words in its language.
    Typed,
}

fn exception(x: &CleanException<'_>, ours: bool, detail: Detail, out: &mut impl Recorder) {
    out.part("type", &x.ty);
    let unresolved = x.stack.as_ref().is_some_and(|stack| stack.unresolved);
    let instead = match detail {
        Detail::Line => line_of(x).map(|line| ("line", line)),
        Detail::Wording => wording_of(x).map(|wording| ("wording", wording)),
        Detail::Typed => x.worded_elsewhere.clone().map(|rest| ("said in any language", rest)),
        Detail::Exact | Detail::Shape => None,
    };
    match instead {
        Some((name, value)) => out.part(name, &value),
        None if needs_message(x) || unresolved => out.part("message", &x.template),
        None => {}
    }
    // Inside a library nothing tells bugs of ours apart, and its next version looks different.
    let stack = x.stack.as_ref().filter(|stack| !ours || stack.basis == Basis::App);
    if let Some(stack) = stack {
        frames(&stack.frames, detail, out);
    }
}

/// Two statements of one function raise with two messages. In a group, which of several alike comes
/// first is chance, so there only a type that says nothing calls for the message.
fn needs_message(x: &CleanException<'_>) -> bool {
    x.generic || x.stack.is_none() || !x.in_group
}

/// The statement that raised an exception, where it tells more than the message.
fn line_of(x: &CleanException<'_>) -> Option<String> {
    let stack = x.app_stack().filter(|stack| stack.raised_here && needs_message(x))?;
    let top = stack.top()?;
    let line = top.line.filter(|line| says_which_statement(line))?;
    let caller = match families::helper(&top.function) {
        Some(_) => stack.raised_for().first().filter(|place| !std::ptr::eq(*place, top)),
        None => stack.caller().filter(|_| passes_on(line)),
    };
    let caller = match caller {
        Some(caller) => normal_line(caller.line.filter(|line| says_which_statement(line))?, None),
        None => String::new(),
    };
    // One call of a server fails in many ways: the code tells them apart.
    Some([&normal_line(line, None), &caller, &codes(&x.template)].map(String::as_str).join("; "))
}

/// What of a template says which error it is: numbers that were kept, and words in capitals or behind
/// `code` or `status`.
pub(super) fn codes(template: &str) -> String {
    let mut codes = Vec::new();
    let mut announced = false;
    for word in template.split([' ', ':', '=', ',', '(', ')', '[', ']']).filter(|word| !word.is_empty()) {
        let capitals =
            word.len() >= 5 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit());
        if word != "*" && (announced || capitals || word.bytes().any(|b| b.is_ascii_digit())) {
            codes.push(word);
        }
        announced = tokens::announces_code(word);
    }
    codes.join(" ")
}

/// A statement that goes on in the next line begins like others: `raise ValueError(`.
fn says_which_statement(line: &str) -> bool {
    let line = line.trim_end();
    !line.ends_with(['(', ',', '[', '{', '\\']) && line.bytes().any(|b| b.is_ascii_alphanumeric() || b >= 0x80)
}

/// Raises what somebody else worded: the statement is the caller's.
fn passes_on(line: &str) -> bool {
    const RAISING: &[&str] = &["raise", "throw", "panic", "error", "fail", "abort", "reject"];
    let literal = line.contains(['\'', '"', '`']);
    let start = line.trim_start();
    !literal && RAISING.iter().any(|word| start.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)))
}

/// Words of a message from which on its middle may vary.
const WORDING_WORDS_MIN: usize = 6;

/// The message of an exception that our code raised, without its middle: `invoice is void, not open`
/// and `invoice is paid, not open` come from one statement, when neither type nor source line tells.
fn wording_of(x: &CleanException<'_>) -> Option<String> {
    let stack = x.app_stack().filter(|stack| stack.raised_here && !stack.unresolved && needs_message(x))?;
    let top = stack.top()?;
    if top.line.is_some() || families::helper(&top.function).is_some() {
        return None;
    }
    let words = || x.template.split(' ');
    let count = words().count();
    if count < WORDING_WORDS_MIN {
        return None;
    }
    let kept: Vec<&str> = words().take(2).chain(["…"]).chain(words().skip(count - 2)).collect();
    Some(format!("{count}: {}; {}", kept.join(" "), codes(&x.template)))
}

fn frames(frames: &[CleanFrame<'_>], detail: Detail, out: &mut impl Recorder) {
    for frame in frames {
        let hidden = matches!(detail, Detail::Shape | Detail::Typed) && frame.volatile;
        out.part("place", if hidden && clean::is_obfuscated_place(&frame.place) { "" } else { &frame.place });
        out.part("function", if hidden { "" } else { &frame.function });
    }
}

/// A stack that ends in a recursion ends somewhere in it by chance, and often lost its beginning.
fn write_recursion(exceptions: &[CleanException<'_>], out: &mut impl Recorder) {
    let Some(x) = exceptions.last() else { return };
    let Some(turn) = x.app_stack().and_then(Stack::turn) else { return };
    // Without names one turn is next to nothing, and one short name that a minifier gives to many.
    let nameless = |frame: &&CleanFrame<'_>| frame.function.is_empty() || (frame.volatile && turn.len() == 1);
    if turn.iter().any(nameless) {
        return;
    }
    out.begin("v1:recursion", true);
    site_head(x, &x.template, exceptions.first().filter(|root| !std::ptr::eq(*root, x)), out);
    turn.iter().for_each(|frame| frames(std::slice::from_ref(*frame), Detail::Exact, out));
    out.end();
}

/// Frames of a stack without ours that count for its site.
const LIBRARY_SITE_FRAMES: usize = 3;

/// The two keys that link through the place where it happened.
fn write_site(exceptions: &[CleanException<'_>], out: &mut impl Recorder) {
    // The outermost exception that our code saw; the root cause tells wrappers apart.
    let Some((x, stack)) = exceptions.iter().rev().find_map(|x| Some((x, x.app_stack()?))) else {
        return write_library_site(exceptions, out);
    };
    let Some(top) = stack.top() else { return };
    let root = exceptions.first().filter(|root| !std::ptr::eq(*root, x));
    let head = |template: &str, out: &mut _| site_head(x, template, root, out);
    let nameless = top.function.is_empty() || top.volatile;
    if !nameless || top.context.is_some_and(|_| !top.volatile) {
        out.begin("v1:site", true);
        head(&x.template, out);
        match (nameless, top.context) {
            (true, Some(line)) => {
                out.part("place", &top.place);
                out.part("line", &normal_line(line, None));
            }
            _ => site_frames(stack, out),
        }
        // Helpers that check first have any name, and here no message makes up for it.
        if let Some(caller) = stack.called_by(stack.raised_for()).filter(|_| families::is_abort(&x.ty)) {
            frames(std::slice::from_ref(caller), Detail::Exact, out);
        }
        if let Some(entry) = stack.frames.first().filter(|_| families::is_exhaustion(&x.ty, &x.value)) {
            frames(std::slice::from_ref(entry), Detail::Exact, out);
        }
        out.end();
    }
    if let (Some(line), false) = (top.context, top.volatile) {
        let own = own_name(&top.function);
        out.begin("v1:renamed", true);
        head(&message::masked(&x.value, own), out);
        out.part("place", &top.place);
        out.part("line", &normal_line(line, own));
        if let Some(caller) = stack.caller() {
            frames(std::slice::from_ref(caller), Detail::Exact, out);
        }
        out.end();
    }
}

/// No frame is ours, so the outer ones are some server's or scheduler's: they come and go.
fn write_library_site(exceptions: &[CleanException<'_>], out: &mut impl Recorder) {
    let Some((x, stack)) = exceptions.iter().rev().find_map(|x| Some((x, x.stack.as_ref()?))) else { return };
    let newest = &stack.frames[stack.frames.len().saturating_sub(LIBRARY_SITE_FRAMES)..];
    if newest.iter().any(|frame| frame.function.is_empty() || frame.volatile) {
        return;
    }
    out.begin("v1:site", true);
    site_head(x, &x.template, exceptions.first().filter(|root| !std::ptr::eq(*root, x)), out);
    frames(newest, Detail::Exact, out);
    out.end();
}

fn site_head(x: &CleanException<'_>, template: &str, root: Option<&CleanException<'_>>, out: &mut impl Recorder) {
    out.part("type", &x.ty);
    out.part("message", template);
    if let Some(root) = root {
        out.part("root type", &root.ty);
        out.part("root message", &root.template);
    }
}

/// Where it was raised: the function that did, or that had it done by helpers. What a helper checks
/// counts; one that only raises is called otherwise in the next release.
fn site_frames(stack: &Stack<'_>, out: &mut impl Recorder) {
    let newest = stack.raised_for();
    for (at, frame) in newest.iter().enumerate() {
        let only_raises = at > 0 && families::helper(&frame.function) == Some(families::Helper::Raises);
        if !only_raises {
            frames(std::slice::from_ref(frame), Detail::Exact, out);
        }
    }
}

/// The last part of a function's name, as its own file and messages spell it.
fn own_name(function: &str) -> Option<&str> {
    let name = function.rsplit(['.', ':', '\\', '#']).next().unwrap_or(function);
    (name.len() >= 3).then_some(name)
}

/// A source line without its white space, and without the name of the function it stands in.
fn normal_line(line: &str, own: Option<&str>) -> String {
    let mut normal = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(|c: char| !c.is_whitespace()) {
        rest = &rest[start..];
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let end = if rest.starts_with(word) {
            rest.find(|c: char| !word(c)).unwrap_or(rest.len())
        } else {
            rest.find(|c: char| c.is_whitespace() || word(c)).unwrap_or(rest.len())
        };
        let (token, behind) = rest.split_at(end);
        normal.push_str(if own == Some(token) { "f" } else { token });
        normal.push(' ');
        rest = behind;
    }
    normal
}

fn write_csp(csp: &Csp<'_>, out: &mut impl Recorder) {
    let directive = csp.effective_directive.trimmed().or_else(|| csp.violated_directive.trimmed()).unwrap_or_default();
    let directive = directive.split(' ').next().unwrap_or(directive);
    out.begin("v1:csp", true);
    out.part("directive", directive);
    out.part("blocked", blocked(csp.blocked_uri.trimmed().unwrap_or_default()));
    out.end();
}

/// The host of what was blocked: other pages and files of one host are one problem.
fn blocked(uri: &str) -> &str {
    match uri.split_once("://") {
        Some(("http" | "https" | "ws" | "wss", rest)) => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            host.split(':').next().unwrap_or(host)
        }
        Some((scheme, _)) => scheme,
        // `inline`, `eval`, `self`, `data:…`, `blob:…`
        None if uri.is_empty() => "self",
        None => uri.split(':').next().unwrap_or(uri),
    }
}

/// Without any data, where it came from is all there is; one bucket per project would hide what it
/// collects.
fn write_nothing(event: &Event<'_>, out: &mut impl Recorder) {
    if let Some(template) = &event.template {
        out.begin("v1:template", true);
        out.part("place", &paths::short(template.filename.or_empty()));
        out.part("line", &normal_line(template.context_line.or_empty(), None));
    } else {
        out.begin("v1:empty", true);
        out.part("platform", event.platform.or_empty());
        out.part("logger", &subject::logger(event));
        out.part("transaction", &paths::route(event.transaction.or_empty()));
        out.part("culprit", &paths::route(event.culprit.or_empty()));
    }
    out.end();
}

/// Puts parts of a fingerprint around every key, which stands where `{{ default }}` stood.
struct Extended<'r, R> {
    before: Vec<String>,
    after: Vec<String>,
    out: &'r mut R,
}

impl<R: Recorder> Recorder for Extended<'_, R> {
    fn begin(&mut self, variant: &'static str, owns: bool) {
        self.out.begin(variant, owns);
        self.before.iter().for_each(|part| self.out.part("fingerprint", part));
    }

    fn part(&mut self, name: &'static str, value: &str) {
        self.out.part(name, value);
    }

    fn end(&mut self) {
        self.after.iter().for_each(|part| self.out.part("fingerprint", part));
        self.out.end();
    }
}
