//! What makes another bug.

use super::Difficulty::{Debatable, Hard, Normal};
use super::Label::Different;
use super::Make::{Change, Pair};
use super::{Aid, Difficulty, Make, Mutation, bare_like, ending_with, without_stack};
use crate::render;
use crate::report::{Csp, Frame, Message, Platform, Report, Role, Symbols, Thrown};
use crate::slots;

const fn different(id: &'static str, name: &'static str, difficulty: Difficulty, make: Make) -> Mutation {
    Mutation::new(id, name, Different, difficulty, make)
}

pub(super) const LIST: &[Mutation] = &[
    different("D1", "other exception type", Normal, Change(kind)),
    different("D2", "other crash function", Normal, Change(function)),
    different("D2", "other crash file or class", Normal, Change(file)),
    different("D2", "same file name in another package", Hard, Change(package)),
    different("D3", "library raises for another caller", Normal, Pair(library)),
    different("D4", "no stack: other template", Normal, Pair(template)),
    different("D4", "no stack: other type", Normal, Pair(bare_kind)),
    different("D4", "no stack: other logger", Debatable, Change(logger)),
    different("D5", "same wrapper, other root cause", Normal, Pair(cause)),
    different("D6", "helper raises for another caller", Hard, Pair(helper)),
    different("D6", "two helpers deep, another caller", Hard, Pair(deep_helper)),
    different("D7", "generic type, other statement", Hard, Pair(statement)),
    different("D8", "two lambdas in one function", Hard, Pair(lambda)),
    different("D9", "other code, without a stack", Hard, Pair(bare_code)),
    different("D9", "other code, same stack", Hard, Pair(code)),
    different("D10", "other identifier, without a stack", Hard, Pair(identifier)),
    different("D11", "other table, topic or route, without a stack", Debatable, Pair(table)),
    different("D12", "other directive", Normal, Change(directive)),
    different("D12", "other blocked host", Normal, Change(blocked)),
    different("D13", "other fingerprint", Normal, Pair(fingerprint)),
    different("D13", "other part beside the default", Normal, Pair(hybrid)),
    different("D14", "same names on another platform", Debatable, Change(platform)),
    different("D15", "no data, another route", Normal, Pair(nothing)),
    different("D16", "no symbols, other libraries", Hard, Pair(images)),
    different("D17", "resources gone, other entry", Hard, Pair(exhausted)),
    different("D18", "shared utility, other caller", Debatable, Pair(utility)),
    different("D19", "group with another inner type", Normal, Change(inner)),
    different("D20", "long message, other end", Hard, Pair(long_message)),
];

fn kind(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    let group = report.thrown.iter().any(|thrown| thrown.in_group);
    let stacked = |thrown: &&mut Thrown| !thrown.frames.is_empty() && !group;
    let Some(thrown) = report.thrown.first_mut().filter(stacked) else { return false };
    let another = |other: &&Thrown| crash_name(&other.kind) != crash_name(&thrown.kind);
    let Some(other) = aid.other.thrown.first().filter(another) else { return false };
    thrown.kind.clone_from(&other.kind);
    true
}

/// Operating systems have other names for one crash: that is no other type.
fn crash_name(kind: &str) -> &str {
    match kind {
        "SIGSEGV" | "SIGBUS" | "EXC_BAD_ACCESS" | "EXCEPTION_ACCESS_VIOLATION_READ" => "memory",
        other => other,
    }
}

fn function(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    let minified = report.platform == Platform::BrowserMinified;
    let Some(frame) = crash_frame(report) else { return false };
    // A minifier's name says nothing, unless the function is called by its name.
    if minified && !frame.function.contains('.') {
        return false;
    }
    frame.function = other_name(&frame.function);
    frame.context = aid.other.frames().last().map(|frame| frame.context.clone()).unwrap_or_default();
    true
}

/// Another function beside this one: the last name goes, what stands around it stays.
fn other_name(function: &str) -> String {
    if let Some((receiver, selector)) = function.strip_prefix("-[").and_then(|rest| rest.split_once(' ')) {
        return format!("-[{receiver} settle{}", selector.find([':', ']']).map_or("]", |at| &selector[at..]));
    }
    // Ruby's `block (2 levels) in name`: the name comes last.
    if let Some((block, _)) = function.rsplit_once(" in ").filter(|(block, _)| block.starts_with(['b', 'r'])) {
        return format!("{block} in settle_books");
    }
    // What is called stands before its arguments; an anonymous namespace has brackets too.
    let start = if function.starts_with("(anonymous") { function.find(')').unwrap_or(0) + 1 } else { 0 };
    let arguments = function[start..].find('(').map(|at| start + at).filter(|at| *at > 1).unwrap_or(function.len());
    let (name, rest) = function.split_at(arguments);
    let qualifier = name.rfind("::").map(|at| at + 2).or(name.rfind(['.', '#', ' ']).map(|at| at + 1)).unwrap_or(0);
    let own = &name[qualifier..];
    let suffix = own.find(['$', '{', '<', '/']).filter(|at| *at > 0).map_or("", |at| &own[at..]);
    format!("{}settleBooks{suffix}{rest}", &name[..qualifier])
}

fn file(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    let flat = report.platform == Platform::ReactNative
        || report.platform == Platform::BrowserMinified && render::numbers_chunks(report);
    let Some(frame) = crash_frame(report) else { return false };
    let stem = stem(&frame.place);
    // One bundle, or chunks that are only numbered: no build says which file it was.
    if flat || stem.len() < 3 {
        return false;
    }
    swap_word(frame, &stem, "settlement");
    frame.context = aid.other.frames().last().map(|frame| frame.context.clone()).unwrap_or_default();
    true
}

fn package(report: &mut Report, _: &mut Aid<'_>) -> bool {
    use Platform::{BrowserMinified, Cocoa, Native, ReactNative};
    if matches!(report.platform, BrowserMinified | Cocoa | Native | ReactNative) {
        return false;
    }
    let dotted = matches!(report.platform, Platform::Python | Platform::Java | Platform::Csharp | Platform::Elixir);
    let Some(frame) = crash_frame(report) else { return false };
    let place = frame.place.split(' ').next().unwrap_or_default();
    let mut parts: Vec<&str> = place.split(if dotted { '.' } else { '/' }).collect();
    parts.pop();
    let Some(folder) = parts.pop().filter(|folder| !matches!(*folder, "src" | "app" | "lib" | "Shop" | "internal"))
    else {
        return false;
    };
    let folder = folder.to_owned();
    swap_word(frame, &folder, "rental");
    true
}

/// The file's or class's own word.
fn stem(place: &str) -> String {
    let place = place.split(' ').next().unwrap_or_default();
    let last = place.rsplit('/').next().unwrap_or_default();
    let known =
        ["py", "js", "ts", "tsx", "vue", "php", "rb", "erb", "go", "rs", "cpp", "c", "swift", "m", "dart", "html.erb"];
    let last = known.iter().find_map(|end| last.strip_suffix(&format!(".{end}"))).unwrap_or(last);
    last.rsplit('.').next().unwrap_or(last).split(['$', '+', '`']).next().unwrap_or_default().to_owned()
}

/// A word by another one in place and function, in its own case.
fn swap_word(frame: &mut Frame, word: &str, by: &str) {
    let capital =
        |text: &str| text.chars().next().map(|c| c.to_uppercase().chain(text.chars().skip(1)).collect::<String>());
    let (upper, by_upper) = (capital(word).unwrap_or_default(), capital(by).unwrap_or_default());
    for text in [&mut frame.place, &mut frame.function] {
        let upper_by = if word == upper { &by_upper } else { by };
        *text = text.replace(word, upper_by).replace(&upper, &by_upper);
    }
}

/// The frame where it crashed; none for a group, whose bugs are those of its children.
fn crash_frame(report: &mut Report) -> Option<&mut Frame> {
    if report.thrown.iter().any(|thrown| thrown.in_group) {
        return None;
    }
    let crash = report.crash()?;
    report.frames_mut()?.get_mut(crash)
}

fn library(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let raising: Vec<Frame> =
        aid.parts.between.iter().filter(|frame| frame.role == Role::Library).take(2).cloned().collect();
    (!raising.is_empty()).then_some(())?;
    let raised_for = |bug: &Report| {
        let mut ended = ending_with(report, &report.thrown.first()?.kind, &report.thrown.first()?.value)?;
        let frames = ended.frames_mut()?;
        *frames = bug.frames()[..=bug.crash()?].to_vec();
        frames.extend(raising.iter().cloned());
        Some(ended)
    };
    Some((raised_for(report)?, raised_for(aid.other)?))
}

fn template(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let (one, two) = two_failures(aid)?;
    let mut a = without_stack(report);
    let mut b = a.clone();
    if let (Some(said_a), Some(said_b)) = (&mut a.message, &mut b.message) {
        (said_a.template, said_b.template) = (one, two);
    } else {
        a = bare_like(report, aid.parts.generic.first()?, &one);
        b = bare_like(report, aid.parts.generic.first()?, &two);
    }
    Some((a, b))
}

fn bare_kind(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let (one, _) = two_failures(aid)?;
    let (a, b) = (report.thrown.first()?, aid.other.thrown.first()?);
    (crash_name(&a.kind) != crash_name(&b.kind))
        .then(|| (bare_like(report, &a.kind, &one), bare_like(report, &b.kind, &one)))
}

fn logger(report: &mut Report, _: &mut Aid<'_>) -> bool {
    report.message.as_mut().map(|message| "audit.trail".clone_into(&mut message.logger)).is_some()
}

fn cause(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let inner = |of: &Report| {
        let own = of.thrown.last()?.clone();
        let mut wrapped = report.clone();
        wrapped.thrown.truncate(1);
        wrapped.thrown.push(Thrown { in_group: false, ..own });
        Some(wrapped)
    };
    let (a, b) = (inner(report)?, inner(aid.other)?);
    let differs = a.thrown.last()?.kind != b.thrown.last()?.kind && !report.thrown.iter().any(|thrown| thrown.in_group);
    (differs && !report.frames().is_empty() && report.thrown.len() > 1).then_some((a, b))
}

fn helper(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let helper = aid.random.pick(&aid.parts.helpers).cloned()?;
    raised_by(&[helper], report, aid)
}

fn deep_helper(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let two = aid.parts.helpers.get(..2)?.to_vec();
    raised_by(&two, report, aid)
}

/// Both bugs, raised through the same helpers of ours, each with its own message.
fn raised_by(helpers: &[Frame], report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let (one, two) = two_failures(aid)?;
    let kind = aid.random.pick(&aid.parts.generic).cloned()?;
    let raised = |bug: &Report, said: &str| {
        let mut ended = ending_with(report, &kind, said)?;
        let frames = ended.frames_mut()?;
        *frames = bug.frames()[..=bug.crash()?].to_vec();
        frames.extend(helpers.iter().cloned());
        Some(ended)
    };
    Some((raised(report, &one)?, raised(aid.other, &two)?))
}

fn statement(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let (one, two) = two_failures(aid)?;
    let kind = aid.random.pick(&aid.parts.generic).cloned()?;
    report.crash()?;
    let (mut a, mut b) = (ending_with(report, &kind, &one)?, ending_with(report, &kind, &two)?);
    (a.build.sources, b.build.sources) = (false, false);
    crash_frame(&mut b)?.statement = 4;
    Some((a, b))
}

fn lambda(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let (one, two) = two_failures(aid)?;
    let kind = aid.random.pick(&aid.parts.generic).cloned()?;
    let crash = report.crash()?;
    let within = |said: &str, statement: u32| {
        let mut ended = ending_with(report, &kind, said)?;
        let frames = ended.frames_mut()?;
        frames.truncate(crash + 1);
        let mut own = frames.get(crash)?.clone();
        // A lambda stands in a named function, not in a constructor or another lambda.
        (!own.function.contains(['<', '{', ' ', '$', '/'])).then_some(())?;
        own.function = aid.parts.lambda.replace("{f}", &own.function);
        (own.statement, own.context) = (statement, String::new());
        frames.push(own);
        Some(ended)
    };
    Some((within(&one, 1)?, within(&two, 5)?))
}

/// Messages that differ only in a number or name that is a code.
const CODES: [(&str, &str); 12] = [
    ("request failed with status code 404", "request failed with status code 500"),
    ("server answered HTTP 403 for the report", "server answered HTTP 502 for the report"),
    ("ERROR: statement failed (SQLSTATE 23505)", "ERROR: statement failed (SQLSTATE 40001)"),
    ("[Errno 2] cannot open the ledger", "[Errno 13] cannot open the ledger"),
    ("ENOENT: cannot open the ledger", "EACCES: cannot open the ledger"),
    ("process exited with code 137", "process exited with code 1"),
    ("command ended with exit status 127", "command ended with exit status 2"),
    ("ORA-00001: statement failed", "ORA-01017: statement failed"),
    ("backup stopped by signal 9", "backup stopped by signal 11"),
    ("call failed with error code -1001", "call failed with error code -1009"),
    ("mailbox answered 421 to the greeting", "mailbox answered 550 to the greeting"),
    ("rpc error: code = NotFound", "rpc error: code = Unavailable"),
];

/// React's own; only browsers see them.
const REACT: (&str, &str) = (
    "Minified React error #418; visit https://react.dev/errors/418 for the full message.",
    "Minified React error #31; visit https://react.dev/errors/31 for the full message.",
);

fn two_codes(report: &Report, aid: &mut Aid<'_>) -> Option<(&'static str, &'static str)> {
    let browser = matches!(report.platform, Platform::BrowserMapped | Platform::BrowserMinified);
    if browser && aid.random.once_in(3) {
        return Some(REACT);
    }
    aid.random.pick(&CODES).copied()
}

fn bare_code(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let (one, two) = two_codes(report, aid)?;
    if report.platform == Platform::Message && report.message.is_some() {
        return Some((saying(report, one), saying(report, two)));
    }
    let kind = aid.parts.generic.first()?;
    Some((bare_like(report, kind, one), bare_like(report, kind, two)))
}

fn code(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let (one, two) = two_codes(report, aid)?;
    let kind = aid.parts.generic.first()?;
    report.crash()?;
    Some((ending_with(report, kind, one)?, ending_with(report, kind, two)?))
}

/// Messages that differ only in a name that the program looks for.
const IDENTIFIERS: [(&str, &str, &str); 8] = [
    ("KeyError", "'user'", "'price'"),
    (
        "TypeError",
        "Cannot read properties of undefined (reading 'items')",
        "Cannot read properties of undefined (reading 'name')",
    ),
    ("Error", "Call to undefined function send_mail()", "Call to undefined function read_feed()"),
    ("NameError", "name 'ledger' is not defined", "name 'courier' is not defined"),
    ("AttributeError", "'Guest' object has no attribute 'email'", "'Guest' object has no attribute 'address'"),
    ("ReferenceError", "dataLayer is not defined", "jQuery is not defined"),
    ("NoMethodError", "undefined method 'total' for nil", "undefined method 'close' for nil"),
    ("MissingConfig", "environment variable MAIL_HOST is not set", "environment variable QUEUE_URL is not set"),
];

fn identifier(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let (kind, one, two) = aid.random.pick(&IDENTIFIERS).copied()?;
    report.csp.is_none().then_some(())?;
    Some((bare_like(report, kind, one), bare_like(report, kind, two)))
}

const TABLES: [(&str, &str); 6] = [
    ("relation \"guests\" does not exist", "relation \"ledgers\" does not exist"),
    ("cannot publish to topic orders.created", "cannot publish to topic mails.sent"),
    ("no handler for route /guests/list", "no handler for route /ledgers/close"),
    ("Unknown column 'due_on' in 'field list'", "Unknown column 'paid_at' in 'field list'"),
    ("queue mails is full", "queue feeds is full"),
    ("bucket thumbnails is not reachable", "bucket ledgers is not reachable"),
];

fn table(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let (one, two) = aid.random.pick(&TABLES).copied()?;
    if report.message.is_some() {
        return Some((saying(report, one), saying(report, two)));
    }
    let kind = aid.parts.generic.first()?;
    Some((bare_like(report, kind, one), bare_like(report, kind, two)))
}

/// A message in the place of everything else.
fn saying(report: &Report, text: &str) -> Report {
    let mut said = report.clone();
    said.thrown.clear();
    let logger = report.message.as_ref().map_or("app", |message| message.logger.as_str()).to_owned();
    said.message = Some(Message { template: text.to_owned(), logger, with_params: false });
    said
}

fn directive(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let Some(csp) = &mut report.csp else { return false };
    csp.directive = if csp.directive == "media-src" { "object-src" } else { "media-src" }.to_owned();
    true
}

fn blocked(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let Some(Csp { blocked, .. }) = &mut report.csp else { return false };
    *blocked = match blocked.as_str() {
        "inline" => "eval".to_owned(),
        "eval" => "inline".to_owned(),
        "data" => "blob".to_owned(),
        "blob" => "data".to_owned(),
        _ => "https://other.example.dev/asset/{id}".to_owned(),
    };
    true
}

fn fingerprint(report: &Report, _: &mut Aid<'_>) -> Option<(Report, Report)> {
    Some((fingerprinted(report, &["checkout-down"]), fingerprinted(report, &["search-down"])))
}

fn hybrid(report: &Report, _: &mut Aid<'_>) -> Option<(Report, Report)> {
    Some((fingerprinted(report, &["{{ default }}", "tenant-a"]), fingerprinted(report, &["{{ default }}", "tenant-b"])))
}

fn fingerprinted(report: &Report, parts: &[&str]) -> Report {
    let mut own = report.clone();
    own.fingerprint = parts.iter().map(|part| (*part).to_owned()).collect();
    own
}

fn platform(report: &mut Report, _: &mut Aid<'_>) -> bool {
    report.attribute = Some(if report.platform == Platform::Cocoa { "java" } else { "cocoa" });
    !report.frames().is_empty()
}

fn nothing(report: &Report, _: &mut Aid<'_>) -> Option<(Report, Report)> {
    let mut a = Report::empty(report.platform, &report.name);
    a.moment.route = 3;
    let mut b = a.clone();
    b.moment.route = 4;
    Some((a, b))
}

fn images(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    matches!(report.platform, Platform::Native | Platform::Cocoa).then_some(())?;
    let libraries = ["libvideo.so.2", "libmetrics.so", "libtiles.so.5", "libcodec.so.1"];
    let at = aid.random.below(libraries.len());
    let inside = |name: &str| {
        let frames = (0..5).map(|n| Frame { role: Role::System, ..Frame::app(name, &format!("f{n}"), "") }).collect();
        let kind = if report.platform == Platform::Native { "SIGSEGV" } else { "EXC_BAD_ACCESS" };
        let mut own = report.clone();
        own.thrown = vec![Thrown { kind: kind.to_owned(), value: "Segfault".to_owned(), frames, ..Thrown::default() }];
        own.build.symbols = Symbols::None;
        own
    };
    Some((inside(libraries[at]), inside(libraries[(at + 1) % libraries.len()])))
}

fn exhausted(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let gone = aid.random.pick(&aid.parts.exhausted).cloned()?;
    report.crash()?;
    aid.other.crash()?;
    let mut other = report.clone();
    other.thrown.clone_from(&aid.other.thrown);
    Some((ending_with(report, &gone.kind, &gone.value)?, ending_with(&other, &gone.kind, &gone.value)?))
}

fn utility(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let thrown = report.thrown.first()?;
    let own = report.frames().get(report.crash()?)?.clone();
    let called_by = |bug: &Report| {
        let mut ended = ending_with(report, &thrown.kind, &thrown.value)?;
        let frames = ended.frames_mut()?;
        *frames = bug.frames()[..bug.crash()?].to_vec();
        frames.iter().any(|frame| frame.role == Role::App).then_some(())?;
        frames.push(own.clone());
        Some(ended)
    };
    Some((called_by(report)?, called_by(aid.other)?))
}

fn inner(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    let kind = aid.parts.generic.first().cloned().unwrap_or_default();
    let Some(last) = report.thrown.last_mut().filter(|thrown| thrown.in_group && thrown.kind != kind) else {
        return false;
    };
    last.kind = kind;
    true
}

fn long_message(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let (one, two) = two_failures(aid)?;
    let start = "nightly maintenance went through all tables and stopped before its last step because "
        .repeat(6 + aid.random.below(6));
    if report.message.is_some() {
        return Some((saying(report, &format!("{start}{one}")), saying(report, &format!("{start}{two}"))));
    }
    let kind = aid.parts.generic.first()?;
    Some((bare_like(report, kind, &format!("{start}{one}")), bare_like(report, kind, &format!("{start}{two}"))))
}

/// Two messages of different failures, in some order.
fn two_failures(aid: &mut Aid<'_>) -> Option<(String, String)> {
    let failures = &aid.parts.failures;
    let at = aid.random.below(failures.len());
    let other = (at + 1 + aid.random.below(failures.len().saturating_sub(1))) % failures.len().max(1);
    let (one, two) = (failures.get(at)?, failures.get(other)?);
    let values = aid.random.number();
    Some((slots::fill(one, values), slots::fill(two, values)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_swapped_in_place_and_function() {
        assert_eq!(stem("app/Pricing/Table.php"), "Table");
        assert_eq!(stem("shop.cart"), "cart");
        let mut frame = Frame::app("app/Pricing/Table.php", "App\\Pricing\\Table::lookup", "");
        swap_word(&mut frame, "Table", "settlement");
        assert_eq!(frame, Frame::app("app/Pricing/Settlement.php", "App\\Pricing\\Settlement::lookup", ""));
        assert_eq!(other_name("shop::cart::Table::lookup"), "shop::cart::Table::settleBooks");
        assert_eq!(other_name("-[Label setAmount:]"), "-[Label settle:]");
        assert_eq!(other_name("(*Store).Load"), "(*Store).settleBooks");
        assert_eq!(
            other_name("game::Vm<game::V>::run(game::Chunk const&)"),
            "game::Vm<game::V>::settleBooks(game::Chunk const&)"
        );
        assert_eq!(other_name("(anonymous namespace)::op(int)"), "(anonymous namespace)::settleBooks(int)");
        assert_eq!(other_name("block (2 levels) in normalise"), "block (2 levels) in settle_books");
        assert_eq!(other_name("total/1"), "settleBooks/1");
        assert_eq!(other_name("lambda$load$3"), "settleBooks$load$3");
    }
}
