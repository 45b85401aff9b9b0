//! What one platform does and the others do not: hashes, counters, generated names, wordings.

use super::Difficulty::{Hard, Normal};
use super::Label::Same;
use super::Make::{Change, Pair};
use super::{Aid, Difficulty, Make, Mutation, bare_like, reword};
use crate::report::{Frame, Platform, Report, Role};

const fn same(id: &'static str, name: &'static str, difficulty: Difficulty, make: Make) -> Mutation {
    Mutation::new(id, name, Same, difficulty, make)
}

pub(super) const LIST: &[Mutation] = &[
    same("P-build", "hashes and counters of another build", Normal, Change(counters)),
    same("P-runtime", "runtime and library versions", Normal, Change(runtime)),
    same("P-js", "names of another minification", Hard, Change(minified_names)),
    same("P-js", "another browser", Hard, Change(browser)),
    same("P-js", "source map missing", Hard, Change(no_source_map)),
    same("P-js", "chunk that cannot be loaded", Hard, Pair(chunk_load)),
    same("P-js", "React's number or its words", Hard, Pair(react_words)),
    same("P-js", "eval, native and extension frames", Normal, Change(foreign_frames)),
    same("P-js", "frame of an extension on top", Hard, Change(extension)),
    same("P-node", "rejected promise instead of a throw", Normal, Change(rejected)),
    same("P-python", "number of a notebook cell", Normal, Pair(executed)),
    same("P-python", "a decorator around it", Hard, Change(decorator)),
    same("P-python", "names without their class", Hard, Change(unqualified)),
    same("P-java", "proxies and accessors", Normal, Change(proxies)),
    same("P-java", "another R8 mapping", Hard, Pair(obfuscated)),
    same("P-php", "closures as PHP 8.4 names them", Hard, Pair(php_closure)),
    same("P-ruby", "labels and quotes of Ruby 3.4", Hard, Change(ruby_labels)),
    same("P-php", "address of an anonymous class, line of eval", Normal, Pair(php_eval)),
    same("P-go", "vendored instead of downloaded", Normal, Pair(vendored)),
    same("P-go", "recovered and panicked again", Hard, Change(recovered)),
    same("P-csharp", "no line information", Normal, Change(no_lines)),
    same("P-csharp", "hash suffix of IL2CPP", Normal, Change(il2cpp)),
    same("P-rust", "inlined caller missing", Hard, Change(inlined)),
    same("P-rust", "panic machinery of another version", Normal, Pair(panic_machinery)),
    same("P-native", "suffixes of the optimiser", Hard, Change(clone_suffix)),
    same("P-native", "lambdas of another compiler", Hard, Pair(compiler_lambda)),
    same("P-native", "abort of another libc", Normal, Pair(abort_machinery)),
    same("P-cocoa", "specialised by the optimiser", Hard, Change(specialised)),
    same("P-dart", "type obfuscated in every build", Hard, Pair(obfuscated_type)),
    same("P-message", "prefix with process and time", Normal, Pair(prefixed)),
    same("P-group", "inner errors in another order", Normal, Change(reordered)),
    same("P-group", "copies of an inner error", Normal, Change(copies)),
    same("P-chain", "wrapper with an id", Normal, Pair(wrapper_id)),
];

/// Where a build chooses: content hashes, closure counters, proxies' names.
pub(super) fn counters(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    report.build.seed = aid.random.number();
    report.csp.is_none() && report.message.is_none()
}

fn runtime(report: &mut Report, _: &mut Aid<'_>) -> bool {
    report.build.libraries += 1;
    !report.frames().is_empty()
}

fn minified_names(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    report.build.names = aid.random.number();
    report.platform == Platform::BrowserMinified
}

pub(super) fn browser(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    report.moment.browser = if aid.random.once_in(2) { "firefox" } else { "safari" };
    matches!(report.platform, Platform::BrowserMapped | Platform::BrowserMinified)
}

fn no_source_map(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let mapped = report.platform == Platform::BrowserMapped;
    report.platform = Platform::BrowserMinified;
    mapped
}

fn chunk_load(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    (report.platform == Platform::BrowserMinified).then_some(())?;
    let wordings = [
        (
            "ChunkLoadError",
            "Loading chunk {int} failed. (error: https://cdn1.example.net/static/js/{int}.{x8}.chunk.js)",
        ),
        ("TypeError", "Failed to fetch dynamically imported module: https://shop.example.com/assets/Cart-{x8}.js"),
        ("TypeError", "error loading dynamically imported module: https://shop.example.com/assets/Cart-{x8}.js"),
        ("TypeError", "Importing a module script failed."),
        ("ChunkLoadError", "Loading CSS chunk {int} failed. (/static/css/{int}.{x8}.chunk.css)"),
        ("Error", "Unable to preload CSS for /assets/Cart-{x8}.css"),
    ];
    let at = aid.random.below(wordings.len());
    let step = 1 + aid.random.below(wordings.len() - 1);
    let said = |at: usize| {
        let (kind, text) = wordings[at % wordings.len()];
        bare_like(report, kind, text)
    };
    let (a, mut b) = (said(at), said(at + step));
    b.moment.values = aid.random.number();
    Some((a, b))
}

fn react_words(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    matches!(report.platform, Platform::BrowserMinified | Platform::BrowserMapped).then_some(())?;
    let wordings = [
        ("418", "Hydration failed because the initial UI does not match what was rendered on the server."),
        (
            "423",
            "There was an error while hydrating. Because the error happened outside of a Suspense boundary, the entire root will switch to client rendering.",
        ),
        (
            "185",
            "Maximum update depth exceeded. This can happen when a component repeatedly calls setState inside componentWillUpdate or componentDidUpdate. React limits the number of nested updates to prevent infinite loops.",
        ),
        ("310", "Rendered more hooks than during the previous render."),
    ];
    let (number, words) = aid.random.pick(&wordings)?;
    let short = format!(
        "Minified React error #{number}; visit https://react.dev/errors/{number}?args[]={} for the full message or use the non-minified dev environment.",
        aid.random.below(90)
    );
    let (mut a, mut b) = (bare_like(report, "Error", &short), bare_like(report, "Error", words));
    let inside: Vec<Frame> = ["ql", "Zn", "tf"]
        .map(|name| Frame {
            role: Role::Library,
            ..Frame::app("node_modules/react-dom/cjs/react-dom.production.js", name, "")
        })
        .to_vec();
    a.thrown[0].frames.clone_from(&inside);
    b.thrown[0].frames = inside;
    Some((a, b))
}

fn foreign_frames(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    let browser = matches!(report.platform, Platform::BrowserMapped | Platform::BrowserMinified);
    let native = ["Array.map", "eval", "Promise.then", "new Promise", "Array.forEach"];
    let Some(name) = aid.random.pick(&native) else { return false };
    let Some(frames) = report.frames_mut() else { return false };
    let at = frames.iter().position(|frame| frame.role == Role::App).unwrap_or(0);
    frames.insert(at, Frame { role: Role::System, ..Frame::app("", name, "") });
    browser
}

fn extension(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let browser = matches!(report.platform, Platform::BrowserMapped | Platform::BrowserMinified);
    let Some(frames) = report.frames_mut() else { return false };
    // An extension that wraps functions of the page stands between what it wraps and who calls it.
    let wrapper = Frame { role: Role::System, ..Frame::app("", "chrome-extension://{x8}/inject.js", "") };
    let at = frames.iter().rposition(|frame| frame.role == Role::App).unwrap_or(0);
    frames.insert(at, wrapper);
    browser
}

fn rejected(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let Some(frames) = report.frames_mut() else { return false };
    let internals = ["processPromiseRejections", "triggerUncaughtException"]
        .map(|name| Frame { role: Role::System, ..Frame::app("node:internal/process/promises", name, "") });
    frames.splice(0..0, internals);
    report.platform == Platform::Node
}

fn executed(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    (report.platform == Platform::Python).then_some(())?;
    let crash = report.crash()?;
    let mut a = report.clone();
    a.frames_mut()?.insert(crash, Frame::app("<ipython-input-{n}-{x8}>", "<module>", ""));
    let mut b = a.clone();
    counters(&mut b, aid).then_some((a, b))
}

fn php_eval(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    (report.platform == Platform::Php).then_some(())?;
    let crash = report.crash()?;
    let mut a = report.clone();
    let anonymous = "App\\Rules\\Rule@anonymous{root}/app/Rules/Rules.php:31${x8}::check";
    a.frames_mut()?.insert(crash, Frame::app("app/Rules/Rules.php(31) : eval()'d code", anonymous, ""));
    let mut b = a.clone();
    counters(&mut b, aid).then_some((a, b))
}

fn vendored(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    (report.platform == Platform::Go).then_some(())?;
    let library = aid.parts.between.iter().find(|frame| frame.role == Role::Library)?;
    let mut a = report.clone();
    a.frames_mut()?.insert(0, library.clone());
    let mut b = a.clone();
    b.habits.vendored = true;
    Some((a, b))
}

fn il2cpp(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let Some(crash) = report.crash() else { return false };
    let named = report.frames()[crash].place.starts_with("Shop.Game");
    if let Some(frames) = report.frames_mut() {
        frames
            .iter_mut()
            .filter(|frame| frame.role == Role::App)
            .for_each(|frame| frame.function.push_str("_mA1B2C3D4E5F60718"));
    }
    report.platform == Platform::Csharp && named
}

fn inlined(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let Some(crash) = report.crash() else { return false };
    let rust = report.platform == Platform::Rust;
    let Some(frames) = report.frames_mut() else { return false };
    let caller = frames[..crash].iter().rposition(|frame| frame.role == Role::App);
    caller.map(|at| frames.remove(at)).is_some() && rust
}

fn decorator(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let (Some(crash), Some(frames)) = (report.crash(), report.frames_mut()) else { return false };
    frames.insert(crash, Frame::app("shop.tracing", "wrapper", "return function(*args, **kwargs)"));
    report.platform == Platform::Python
}

fn unqualified(report: &mut Report, _: &mut Aid<'_>) -> bool {
    for frame in report.frames_mut().into_iter().flatten() {
        if let Some((_, name)) = frame.function.rsplit_once('.') {
            frame.function = name.to_owned();
        }
    }
    report.platform == Platform::Python
}

fn proxies(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    let Some(crash) = report.crash() else { return false };
    let Some(frames) = report.frames_mut() else { return false };
    let class = frames[crash].place.split('$').next().unwrap_or_default().to_owned();
    let proxies = [
        (format!("{class}$$EnhancerBySpringCGLIB$${{x8}}"), frames[crash].function.clone()),
        (format!("{class}$$FastClassBySpringCGLIB$${{x8}}"), "invoke".to_owned()),
        ("jdk.proxy2.$Proxy{n}".to_owned(), frames[crash].function.clone()),
        ("jdk.internal.reflect.GeneratedMethodAccessor{n}".to_owned(), "invoke".to_owned()),
        (format!("{class}$ByteBuddy${{x8}}"), frames[crash].function.clone()),
        (class.clone(), "access$000".to_owned()),
        ("java.lang.invoke.LambdaForm$DMH/0x0000{x8}".to_owned(), "invokeStatic".to_owned()),
        (format!("{class}$$Lambda${n}/0x0000{{x8}}", n = "{n}"), "run".to_owned()),
    ];
    if let Some((place, function)) = aid.random.pick(&proxies) {
        let role = if place.starts_with('j') { Role::System } else { Role::App };
        frames.insert(crash, Frame { role, ..Frame::app(place, function, "") });
    }
    report.platform == Platform::Java && !class.is_empty()
}

fn obfuscated(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    (report.platform == Platform::Java).then_some(())?;
    report.crash()?;
    let renamed = |random: &mut crate::random::Random| {
        let mut own = report.clone();
        for frame in own.frames_mut()?.iter_mut().filter(|frame| frame.role == Role::App) {
            frame.place = format!("{}.{}", random.text("abcdefgh", 2), random.text("abcdefgh", 1));
            frame.function = random.text("abcdefghij", 1);
        }
        Some(own)
    };
    Some((renamed(&mut aid.random)?, renamed(&mut aid.random)?))
}

fn php_closure(report: &Report, _: &mut Aid<'_>) -> Option<(Report, Report)> {
    (report.platform == Platform::Php).then_some(())?;
    let crash = report.crash()?;
    let named = |closure: &str| {
        let mut own = report.clone();
        let frames = own.frames_mut()?;
        let mut inside = frames[crash].clone();
        inside.function = closure.to_owned();
        frames.insert(crash + 1, inside);
        Some(own)
    };
    let function = &report.frames()[crash].function;
    let namespace = function.rsplit_once('\\').map_or("", |(namespace, _)| namespace);
    let class = function.split("::").next().unwrap_or_default();
    Some((
        named(&format!("{class}::{namespace}\\{{closure}}"))?,
        named(&format!("{class}::{{closure:{function}():42}}"))?,
    ))
}

fn ruby_labels(report: &mut Report, _: &mut Aid<'_>) -> bool {
    for frame in report.frames_mut().into_iter().flatten() {
        let stem = frame.place.rsplit('/').next().unwrap_or_default().trim_end_matches(".rb").to_owned();
        let class: String = stem.split('_').map(capital).collect();
        if frame.place.ends_with(".rb") && frame.role != Role::System {
            let label = frame.function.rsplit(" in ").next().unwrap_or_default().to_owned();
            frame.function = frame.function.replace(&label, &format!("{class}#{label}"));
        }
    }
    for thrown in &mut report.thrown {
        thrown.value = thrown.value.replace('`', "'").replace("nil:NilClass", "nil");
    }
    report.platform == Platform::Ruby
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn recovered(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let Some(frames) = report.frames_mut() else { return false };
    let system = |place: &str, function: &str| Frame { role: Role::System, ..Frame::app(place, function, "") };
    frames.push(system("runtime/panic.go", "gopanic"));
    frames.push(Frame {
        role: Role::Library,
        ..Frame::app("github.com/go-chi/chi/middleware/recoverer.go", "Recoverer.func{n}.func{n}", "")
    });
    report.platform == Platform::Go
}

fn no_lines(report: &mut Report, _: &mut Aid<'_>) -> bool {
    report.habits.no_lines = true;
    report.platform == Platform::Csharp && !report.frames().is_empty()
}

fn panic_machinery(report: &Report, _: &mut Aid<'_>) -> Option<(Report, Report)> {
    (report.platform == Platform::Rust && report.thrown.first()?.kind == "panic").then_some(())?;
    let ending = |functions: &[(&str, &str)]| {
        let mut own = report.clone();
        let machinery =
            functions.iter().map(|(place, name)| Frame { role: Role::System, ..Frame::app(place, name, "") });
        own.frames_mut()?.extend(machinery);
        Some(own)
    };
    let old = [
        ("core/src/panicking.rs", "core::panicking::panic_fmt"),
        ("std/src/panicking.rs", "rust_begin_unwind"),
        ("std/src/panicking.rs", "std::panicking::begin_panic_handler::{{closure}}"),
        ("std/src/panicking.rs", "std::panicking::rust_panic_with_hook"),
    ];
    let new = [
        ("core/src/panicking.rs", "core::panicking::panic_fmt"),
        ("std/src/panicking.rs", "__rustc::rust_begin_unwind"),
        ("std/src/sys/backtrace.rs", "std::sys::backtrace::__rust_end_short_backtrace"),
        ("std/src/panicking.rs", "std::panicking::panic_handler::{closure#0}"),
        ("std/src/panicking.rs", "std::panicking::panic_with_hook"),
    ];
    Some((ending(&old)?, ending(&new)?))
}

fn clone_suffix(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    let suffix =
        aid.random.pick(&[".cold", ".part.0", ".isra.0", ".constprop.1", " [clone .cold]"]).copied().unwrap_or("");
    let (platform, crash) = (report.platform, report.crash());
    let Some(frame) = report.frames_mut().zip(crash).map(|(frames, at)| &mut frames[at]) else { return false };
    frame.function.push_str(suffix);
    platform == Platform::Native
}

fn compiler_lambda(report: &Report, _: &mut Aid<'_>) -> Option<(Report, Report)> {
    (report.platform == Platform::Native).then_some(())?;
    let crash = report.crash()?;
    let inside = |name: &str| {
        let mut own = report.clone();
        let frames = own.frames_mut()?;
        let mut lambda = frames[crash].clone();
        lambda.function = name.replace("{f}", &lambda.function);
        frames.insert(crash + 1, lambda);
        Some(own)
    };
    Some((inside("{f}::{lambda()#1}::operator()() const")?, inside("{f}::$_0::operator()() const")?))
}

fn abort_machinery(report: &Report, _: &mut Aid<'_>) -> Option<(Report, Report)> {
    (report.platform == Platform::Native && report.thrown.first()?.kind == "SIGABRT").then_some(())?;
    let ending = |names: &[&str]| {
        let mut own = report.clone();
        let crash = own.crash()?;
        let frames = own.frames_mut()?;
        frames.truncate(crash + 1);
        frames.extend(names.iter().map(|name| Frame { role: Role::System, ..Frame::app("libc.so.6", name, "") }));
        Some(own)
    };
    Some((ending(&["abort", "raise"])?, ending(&["__GI_abort", "__GI_raise", "__pthread_kill_implementation"])?))
}

fn specialised(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let (platform, crash) = (report.platform, report.crash());
    let Some(frame) = report.frames_mut().zip(crash).map(|(frames, at)| &mut frames[at]) else { return false };
    if platform != Platform::Cocoa || frame.function.starts_with(['-', '_']) {
        return false;
    }
    frame.function = match frame.function.strip_prefix("specialized ") {
        Some(plain) => plain.to_owned(),
        None => format!("specialized {}", frame.function),
    };
    true
}

fn obfuscated_type(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    (report.platform == Platform::Dart).then_some(())?;
    let (mut a, mut b) = (report.clone(), report.clone());
    a.thrown.first_mut()?.kind = format!("minified:{}", aid.random.text("abcdefgh", 2));
    b.thrown.first_mut()?.kind = format!("minified:{}", aid.random.text("ijklmnop", 2));
    Some((a, b))
}

fn prefixed(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    let mut a = report.clone();
    a.message.as_mut()?.with_params = false;
    reword(&mut a, |text| format!("[{{int}}] {{time}} {text}")).then_some(())?;
    let mut b = a.clone();
    b.moment.values = aid.random.number();
    Some((a, b))
}

fn reordered(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let group = report.thrown.iter().filter(|thrown| thrown.in_group).count();
    report.thrown.get_mut(1..).map(<[_]>::reverse);
    group > 1
}

fn copies(report: &mut Report, _: &mut Aid<'_>) -> bool {
    let Some(inner) = report.thrown.last().filter(|thrown| thrown.in_group).cloned() else { return false };
    report.thrown.extend([inner.clone(), inner]);
    true
}

fn wrapper_id(report: &Report, aid: &mut Aid<'_>) -> Option<(Report, Report)> {
    (report.thrown.len() > 1 && !report.thrown.iter().any(|thrown| thrown.in_group)).then_some(())?;
    let mut a = report.clone();
    reword(&mut a, |text| format!("{text} (request {{uuid}})"));
    let mut b = a.clone();
    b.moment.values = aid.random.number();
    Some((a, b))
}
