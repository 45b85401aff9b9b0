//! What happens to every platform and leaves a bug the bug that it was.

use super::Difficulty::{Debatable, Hard, Normal};
use super::Label::Same;
use super::Make::{Change, Pair};
use super::{Aid, Difficulty, Make, Mutation, reword, without_stack};
use crate::report::{Finish, Frame, Platform, Report, Role, Symbols, Thrown};
use crate::slots;

const fn same(id: &'static str, name: &'static str, difficulty: Difficulty, make: Make) -> Mutation {
    Mutation::new(id, name, Same, difficulty, make)
}

pub(super) const LIST: &[Mutation] = &[
    same("S1", "lines and columns move", Normal, Change(lines)),
    same("S2", "deployed elsewhere", Normal, Change(folder)),
    same("S3", "release, user, server, tags", Normal, Change(surroundings)),
    same("S4", "variables, addresses", Normal, Change(memory)),
    same("S5", "values in the message", Normal, Change(values)),
    same("S5", "values, without a stack", Normal, Pair(values_without_stack)),
    same("S5", "ulid, token, jwt in the message", Hard, Pair(random_ids)),
    same("S6", "list or JSON of another length", Hard, Pair(blobs)),
    same("S7", "message cut elsewhere", Normal, Pair(cut)),
    same("S7", "newline, colours, quotes", Normal, Change(finish)),
    same("S8", "depth of direct recursion", Normal, Pair(direct_recursion)),
    same("S9", "depth and entry of mutual recursion", Hard, Pair(mutual_recursion)),
    same("S10", "framework frame between", Normal, Change(between)),
    same("S10", "framework renames an internal", Normal, Change(renamed_internal)),
    same("S11", "other outer frames", Normal, Change(outer)),
    same("S12", "through asynchronous code", Hard, Change(awaited)),
    same("S13", "other route", Normal, Change(route)),
    same("S14", "no sources at hand", Hard, Change(no_sources)),
    same("S14", "sources indented otherwise", Normal, Change(indented)),
    same("S15", "mangled names", Hard, Change(mangled)),
    same("S15", "partly symbolicated", Hard, Change(partial)),
    same("S16", "other SDK version", Normal, Change(other_sdk)),
    same("S16", "order of members, unknown fields", Normal, Change(shuffled)),
    same("S16", "in_app is not sent", Hard, Change(no_in_app)),
    same("S16", "paths of Windows", Hard, Change(windows)),
    same("S17", "message in another language", Hard, Change(localised)),
    same("S18", "another caller of ours", Debatable, Change(other_caller)),
    same("S19", "comment on the crash line", Debatable, Change(comment)),
    same("S20", "function renamed", Hard, Change(renamed)),
    same("S20", "file moved", Hard, Change(moved)),
    same("S21", "seen before it was raised again", Hard, Change(raised_again)),
    same("S21", "wrapped on its way", Hard, Change(wrapped)),
    same("S22", "middle frames left out", Hard, Pair(sampled)),
];

pub(super) fn lines(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    report.build.lines += 1 + u32::try_from(aid.random.below(300)).unwrap_or(0);
    report.build.columns += 1 + u32::try_from(aid.random.below(40)).unwrap_or(0);
    !report.frames().is_empty()
}

pub(super) fn folder(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    report.build.root += 1 + aid.random.below(3);
    true
}

pub(super) fn surroundings(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    report.moment.surroundings = aid.random.number();
    report.build.release = format!("shop@1.{}.{}", 5 + aid.random.below(40), aid.random.hex(7));
    true
}

pub(super) fn memory(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    report.moment.memory = aid.random.number();
    true
}

pub(super) fn values(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    report.moment.values = aid.random.number();
    true
}

fn values_without_stack(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let a = without_stack(report);
    let said = a.thrown.first().filter(|thrown| slots::varies(&thrown.value) && !report.frames().is_empty())?;
    // A message that is nothing but its value has no template of its own.
    slots::fill(&said.value, 1).contains(' ').then_some(())?;
    let mut b = a.clone();
    values(&mut b, aid).then_some((a, b))
}

fn random_ids(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let kind = *aid.random.pick(&["{ulid}", "{token}", "{jwt}", "{hex}"])?;
    with_slot(report, aid, &|text| {
        ["{id}", "{int}", "{uuid}", "{sku}"]
            .iter()
            .find(|slot| text.contains(**slot))
            .map(|slot| text.replace(slot, kind))
    })
}

fn blobs(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let kind = *aid.random.pick(&["{list}", "{json}"])?;
    with_slot(report, aid, &|text| (text.contains(' ')).then(|| format!("{text} in {kind}")))
}

/// Both events with another slot in the message, and other values.
fn with_slot(report: &Report, aid: &mut Aid<'_>, change: &dyn Fn(&str) -> Option<String>) -> Option<(Report, Report)> {
    let text = report.message.as_ref().map(|m| &m.template).or(report.thrown.first().map(|t| &t.value))?;
    let text = change(text)?;
    let mut a = report.clone();
    reword(&mut a, |_| text.clone());
    let mut b = a.clone();
    values(&mut b, aid).then_some((a, b))
}

fn cut(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    // Long enough that every SDK cuts it somewhere.
    let tail = "the upstream answered with a page about maintenance and asked to come back later ".repeat(12);
    let shorter = |by: usize| format!("{}...", tail.split_at(tail.len() - by).0);
    let (mut a, mut b) = (report.clone(), report.clone());
    let (one, two) = (shorter(aid.random.below(60)), shorter(100 + aid.random.below(300)));
    let said = reword(&mut a, |text| format!("{text}: {one}")) && reword(&mut b, |text| format!("{text}: {two}"));
    said.then_some((a, b))
}

fn finish(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    let finishes = [Finish::Newline, Finish::Coloured, Finish::Quotes];
    report.moment.finish = aid.random.pick(&finishes).copied().unwrap_or(Finish::Plain);
    report.csp.is_none()
}

fn direct_recursion(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let at = report.crash()?;
    let repeated = |times: usize| {
        let mut deep = report.clone();
        let frames = deep.frames_mut()?;
        let again = vec![frames[at].clone(); times];
        frames.splice(at..at, again);
        Some(deep)
    };
    Some((repeated(1 + aid.random.below(5))?, repeated(20 + aid.random.below(230))?))
}

fn mutual_recursion(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let at = report.crash()?;
    let mut cycle: Vec<Frame> = report.frames().iter().filter(|frame| frame.role == Role::App).cloned().collect();
    cycle.extend(aid.other.frames().iter().filter(|frame| frame.role == Role::App).cloned());
    cycle.dedup();
    cycle.truncate(2 + aid.random.below(3));
    (cycle.len() >= 2).then_some(())?;
    let crash = report.frames()[at].clone();
    let around = |rounds: usize, entry: usize| {
        let mut deep = report.clone();
        let frames = deep.frames_mut()?;
        let first = frames.iter().position(|frame| frame.role == Role::App)?;
        let turns = cycle.iter().cycle().skip(entry).take(rounds * cycle.len() - entry).cloned();
        let turns: Vec<Frame> = turns.chain([crash.clone()]).collect();
        frames.splice(first..=at, turns);
        Some(deep)
    };
    Some((around(3, 0)?, around(8 + aid.random.below(40), 1)?))
}

pub(super) fn between(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    let Some(extra) = aid.random.pick(&aid.parts.between).cloned() else { return false };
    let (Some(crash), Some(frames)) = (report.crash(), report.frames_mut()) else { return false };
    let first = frames.iter().position(|frame| frame.role == Role::App).unwrap_or(crash);
    let at = if crash > first { first + 1 } else { first };
    frames.insert(at, extra);
    true
}

pub(super) fn renamed_internal(report: &mut Report, _: &mut Aid<'_>) -> bool {
    report.build.libraries += 1;
    let Some(crash) = report.crash() else { return false };
    // Only frames below ours: what raised keeps its name, or it would be another bug.
    let frames = report.frames_mut().into_iter().flatten().take(crash);
    let mut internals = frames.filter(|frame| frame.role == Role::Library);
    internals.next().map(|frame| frame.function = renamed_function(&frame.function, "Inner")).is_some()
}

pub(super) fn outer(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    let usual = aid.parts.outer.first().map_or(0, Vec::len);
    let Some(instead) = aid.parts.outer.get(1..).and_then(|rest| aid.random.pick(rest)).cloned() else { return false };
    let Some(frames) = report.frames_mut() else { return false };
    frames.splice(0..usual.min(frames.len()), instead);
    true
}

fn awaited(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    let platform = report.platform;
    let (Some(crash), Some(frames)) = (report.crash(), report.frames_mut()) else { return false };
    let Some(first) = frames.iter().position(|frame| frame.role == Role::App) else { return false };
    for frame in frames.iter_mut().filter(|frame| frame.role == Role::App) {
        make_async(platform, frame);
    }
    if crash > first {
        frames.splice(first + 1..=first, aid.parts.awaited.iter().cloned());
    }
    frames.splice(0..0, aid.parts.awaited.iter().cloned());
    !aid.parts.awaited.is_empty()
}

/// The function as its asynchronous twin is named.
fn make_async(platform: Platform, frame: &mut Frame) {
    match platform {
        Platform::Csharp if !frame.function.contains(['<', '.']) && !frame.place.contains('+') => {
            frame.place = format!("{}+<{}>d__{{n}}", frame.place, frame.function);
            "MoveNext".clone_into(&mut frame.function);
        }
        Platform::Rust if !frame.function.ends_with('}') => frame.function.push_str("::{{closure}}"),
        Platform::Cocoa if !frame.function.contains([' ', '[']) => {
            frame.function = format!("(1) suspend resume partial function for {}", frame.function);
        }
        Platform::BrowserMapped | Platform::Node if !frame.function.contains([' ', '?', '.']) => {
            frame.function = format!("async {}", frame.function);
        }
        _ => {}
    }
}

pub(super) fn route(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    report.moment.route = aid.random.number();
    true
}

fn no_sources(report: &mut Report, _: &mut Aid<'_>) -> bool {
    report.build.sources = false;
    true
}

fn indented(report: &mut Report, _: &mut Aid<'_>) -> bool {
    report.build.indented = true;
    true
}

fn mangled(report: &mut Report, _: &mut Aid<'_>) -> bool {
    report.build.symbols = Symbols::Mangled;
    report.platform == Platform::Rust
}

fn partial(report: &mut Report, _: &mut Aid<'_>) -> bool {
    report.build.symbols = Symbols::Partial;
    matches!(report.platform, Platform::Rust | Platform::Native | Platform::Cocoa)
}

pub(super) fn other_sdk(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    report.habits.other_version = true;
    report.habits.nulls = aid.random.once_in(2);
    report.habits.plain_list = !report.habits.nulls;
    true
}

fn shuffled(report: &mut Report, _: &mut Aid<'_>) -> bool {
    report.habits.unknown_fields = true;
    report.habits.reversed_members = true;
    true
}

fn no_in_app(report: &mut Report, _: &mut Aid<'_>) -> bool {
    report.habits.no_in_app = true;
    true
}

fn windows(report: &mut Report, _: &mut Aid<'_>) -> bool {
    report.habits.windows = true;
    matches!(report.platform, Platform::Python | Platform::Node | Platform::Php | Platform::Ruby | Platform::Go)
}

fn localised(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    report.moment.language = if aid.random.once_in(2) { "fr" } else { "de" };
    let said = |language: &str| report.thrown.iter().any(|t| t.wordings.iter().any(|(own, _)| own == language));
    if !said(report.moment.language) {
        report.moment.language = "de";
    }
    report.thrown.iter().any(|thrown| thrown.wordings.iter().any(|(own, _)| own == report.moment.language))
}

fn other_caller(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    let Some(crash) = report.crash() else { return false };
    let Some(caller) = aid.other.frames().iter().find(|frame| frame.role == Role::App) else { return false };
    let frames = report.frames_mut().into_iter().flatten().take(crash);
    let callers = frames.filter(|frame| frame.role == Role::App);
    callers.last().map(|frame| frame.clone_from(caller)).is_some()
}

fn comment(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let crash = report.crash();
    let frame = report.frames_mut().zip(crash).map(|(frames, at)| &mut frames[at]);
    let Some(frame) = frame.filter(|frame| !frame.context.is_empty()) else { return false };
    frame.context.push_str("  // checked twice");
    true
}

pub(super) fn renamed(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let (platform, crash) = (report.platform, report.crash());
    let Some(frame) = report.frames_mut().zip(crash).map(|(frames, at)| &mut frames[at]) else { return false };
    frame.function = renamed_function(&frame.function, "Checked");
    // Without the line, a renamed function and another one look alike: see the opposite in `different`.
    sends_sources(platform) && !frame.context.is_empty()
}

fn moved(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let (platform, crash) = (report.platform, report.crash());
    let Some(frame) = report.frames_mut().zip(crash).map(|(frames, at)| &mut frames[at]) else { return false };
    match platform {
        Platform::Python | Platform::Java => {
            let (package, name) = frame.place.rsplit_once('.').unwrap_or(("", frame.place.as_str()));
            frame.place = format!("{package}.core.{name}").trim_start_matches('.').to_owned();
        }
        Platform::BrowserMapped | Platform::Node | Platform::Ruby | Platform::Dart => {
            let (folder, name) = frame.place.rsplit_once('/').unwrap_or(("src", frame.place.as_str()));
            frame.place = format!("{folder}/core/{name}");
        }
        _ => return false,
    }
    true
}

fn raised_again(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let Some(crash) = report.crash() else { return false };
    let Some(frames) = report.frames_mut() else { return false };
    let Some(first) = frames.iter().position(|frame| frame.role == Role::App) else { return false };
    // The first report was made by the caller of what raised: nothing above it had been unwound yet.
    frames.drain(..first);
    crash > first
}

fn wrapped(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let frames = report.frames();
    let Some(first) = frames.iter().position(|frame| frame.role == Role::App) else { return false };
    let frames = frames[..=first].to_vec();
    let kind = match report.platform {
        Platform::Java => "com.acme.web.RequestFailedException",
        Platform::Csharp => "Shop.Web.RequestFailedException",
        Platform::Rust | Platform::Native | Platform::Cocoa | Platform::Go | Platform::Elixir => return false,
        _ => "RequestFailed",
    };
    let wrapper = Thrown { kind: kind.to_owned(), value: "request failed".to_owned(), frames, ..Thrown::default() };
    report.thrown.insert(0, wrapper);
    true
}

fn sampled(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let mut deep = report.clone();
    let frames = deep.frames_mut()?;
    let first = frames.iter().position(|frame| frame.role == Role::App)?;
    frames.iter().rposition(|frame| frame.role == Role::App).filter(|crash| *crash > first)?;
    let visits: Vec<Frame> = aid.other.frames().iter().filter(|frame| frame.role == Role::App).cloned().collect();
    let middle: Vec<Frame> = (0..12).flat_map(|_| visits.iter().chain(&aid.parts.between).cloned()).collect();
    frames.splice(first + 1..=first, middle.clone());
    let mut cut = deep.clone();
    let at = first + 4 + aid.random.below(4);
    cut.frames_mut()?.drain(at..first + middle.len() - 3);
    Some((deep, cut))
}

fn sends_sources(platform: Platform) -> bool {
    use Platform::{BrowserMapped, Elixir, Go, Node, Php, Python, Ruby};
    matches!(platform, Python | BrowserMapped | Node | Php | Ruby | Go | Elixir)
}

/// Another name in the place of the last one: `Foo::bar` becomes `Foo::barChecked`.
pub(super) fn renamed_function(function: &str, addition: &str) -> String {
    let end = function.find(['(', '$', '{', '<']).filter(|end| *end > 1).unwrap_or(function.len());
    let (name, rest) = function.split_at(end);
    if function.starts_with("-[") {
        return function.replacen(' ', &format!(" {}", addition.to_lowercase()), 1);
    }
    match name.rsplit_once('/') {
        // Elixir writes the arity behind the name.
        Some((name, arity)) => format!("{name}_{}/{arity}{rest}", addition.to_lowercase()),
        None => format!("{name}{addition}{rest}"),
    }
}
