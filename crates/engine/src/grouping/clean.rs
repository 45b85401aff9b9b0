//! One cleaner per platform: whose frame it is, and the names it has in every build.
//!
//! Owns the table below and the order of the questions; the answers stand in one file per family of
//! runtimes. A cleaner never looks at lines, columns or addresses. To add a platform, write its
//! three functions and add a row.

mod dart;
mod dotnet;
mod elixir;
mod go;
mod java;
mod javascript;
mod native;
mod other;
mod php;
mod python;
mod ruby;

use std::borrow::Cow;

use super::{message, paths};
use crate::event::Frame;

/// Whose code a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The application's.
    App,
    /// Somebody else's.
    Library,
    /// Not the application's, but a rule of its project wants it in every key.
    Wanted,
    /// Machinery that comes and goes with versions (schedulers, reflection, the SDK itself): never
    /// part of a key.
    Noise,
    /// The frame that raises: a kind of noise, and so is everything newer, which only handles.
    Raise,
}

impl Role {
    /// As explanations call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Library => "library",
            Self::Wanted => "wanted",
            Self::Noise => "machinery",
            Self::Raise => "raises",
        }
    }
}

/// A role and the reason for it, as the explanation shows it.
pub(super) type Ruling = (Role, &'static str);

/// How frames of one platform are read.
pub(super) struct Cleaner {
    /// What is certain whatever the SDK said.
    pub(super) certain: fn(&Frame<'_>) -> Option<Ruling>,
    /// What to think when the SDK did not say.
    pub(super) guess: fn(&Frame<'_>) -> Ruling,
    /// The function's name without counters, hashes and signatures; empty when it has none.
    pub(super) function: for<'e> fn(&'e Frame<'_>) -> Cow<'e, str>,
    /// Module, class or file without what a build or a deploy changes.
    pub(super) place: for<'e> fn(&'e Frame<'_>) -> Cow<'e, str>,
    /// Whether a build chose the frame's name, given the function's cleaned one: another build chooses
    /// another.
    pub(super) minified: fn(&Frame<'_>, &str) -> bool,
}

const PYTHON: Cleaner = Cleaner {
    certain: python::certain,
    guess: python::guess,
    function: python::function,
    place: python::place,
    minified: never,
};
const JAVASCRIPT: Cleaner = Cleaner {
    certain: javascript::certain,
    guess: javascript::guess,
    function: javascript::function,
    place: javascript::place,
    minified: javascript::is_minified,
};
const NODE: Cleaner = Cleaner { minified: never, ..JAVASCRIPT };
const JAVA: Cleaner = Cleaner {
    certain: java::certain,
    guess: java::guess,
    function: java::function,
    place: java::place,
    minified: java::is_obfuscated,
};
const PHP: Cleaner =
    Cleaner { certain: php::certain, guess: php::guess, function: php::function, place: php::place, minified: never };
const RUBY: Cleaner = Cleaner {
    certain: ruby::certain,
    guess: ruby::guess,
    function: ruby::function,
    place: other::place,
    minified: never,
};
const GO: Cleaner =
    Cleaner { certain: go::certain, guess: go::guess, function: go::function, place: go::place, minified: never };
const DOTNET: Cleaner = Cleaner {
    certain: dotnet::certain,
    guess: dotnet::guess,
    function: dotnet::function,
    place: dotnet::place,
    minified: never,
};
const NATIVE: Cleaner = Cleaner {
    certain: native::certain,
    guess: native::guess,
    function: native::function,
    place: native::place,
    minified: never,
};
const DART: Cleaner = Cleaner {
    certain: dart::certain,
    guess: dart::guess,
    function: dart::function,
    place: dart::place,
    minified: never,
};
const ELIXIR: Cleaner = Cleaner {
    certain: elixir::certain,
    guess: elixir::guess,
    function: elixir::function,
    place: elixir::place,
    minified: never,
};
const OTHER: Cleaner = Cleaner {
    certain: other::certain,
    guess: other::guess,
    function: other::function,
    place: other::place,
    minified: never,
};

/// A place that a build chose along with the function's name.
pub(super) fn is_obfuscated_place(place: &str) -> bool {
    place.contains('.') && java::is_obfuscated_class(place)
}

fn never(_: &Frame<'_>, _: &str) -> bool {
    false
}

/// How a frame is read on a platform.
pub(super) fn cleaner(platform: &str, frame: &Frame<'_>) -> &'static Cleaner {
    match platform {
        "python" => &PYTHON,
        "javascript" => &JAVASCRIPT,
        "node" => &NODE,
        "java" | "kotlin" | "scala" | "clojure" | "groovy" => &JAVA,
        "php" => &PHP,
        "ruby" => &RUBY,
        "go" => &GO,
        "csharp" | "fsharp" | "dotnet" => &DOTNET,
        "native" | "c" | "cocoa" | "objc" | "rust" | "swift" => &NATIVE,
        "dart" | "flutter" => &DART,
        "elixir" | "erlang" => &ELIXIR,
        _ => cleaner_of_file(frame),
    }
}

/// The cleaner of a frame whose platform says nothing, as that of Dart's older SDKs: its file tells.
fn cleaner_of_file(frame: &Frame<'_>) -> &'static Cleaner {
    let path = path(frame);
    if starts_with_any(path, &["package:", "dart:"]) {
        return &DART;
    }
    let path = path.split(['?', '#']).next().unwrap_or(path);
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "py" => &PYTHON,
        "js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "vue" | "svelte" => &JAVASCRIPT,
        "java" | "kt" | "scala" | "clj" | "groovy" => &JAVA,
        "php" => &PHP,
        "rb" | "erb" => &RUBY,
        "go" => &GO,
        "cs" | "fs" | "vb" => &DOTNET,
        "c" | "cc" | "cpp" | "cxx" | "m" | "mm" | "rs" | "swift" => &NATIVE,
        "dart" => &DART,
        "ex" | "exs" | "erl" => &ELIXIR,
        _ => &OTHER,
    }
}

/// Whose code a frame is: what is certain, else what the SDK said, else a guess.
pub(super) fn ruling(cleaner: &Cleaner, frame: &Frame<'_>) -> Ruling {
    if let Some(certain) = (cleaner.certain)(frame) {
        return certain;
    }
    match frame.in_app {
        Some(true) => (Role::App, "in app, says the SDK"),
        Some(false) => (Role::Library, "not in app, says the SDK"),
        None => (cleaner.guess)(frame),
    }
}

const APP: Ruling = (Role::App, "in app by its name and path");
const LIBRARY: Ruling = (Role::Library, "library by its name or path");
const RUNTIME: Ruling = (Role::Library, "part of the language runtime");
const MACHINERY: Ruling = (Role::Noise, "machinery whose frames come and go with versions");
const RAISE: Ruling = (Role::Raise, "raises: whatever was wrong is below");
/// A frame on top of the one that raises.
pub(super) const HANDLER: Ruling = (Role::Noise, "handles what was raised below");
const SDK: Ruling = (Role::Noise, "frame of the SDK itself");

/// Bytes of a name that are looked at. Templates of C++ reach thousands; nobody can tell names apart
/// that differ only later, and hostile ones must not cost more.
const NAME_BYTES_MAX: usize = 2048;

/// The function as sent.
fn name<'e>(frame: &'e Frame<'_>) -> &'e str {
    message::head(frame.function.trimmed().unwrap_or_default(), NAME_BYTES_MAX)
}

/// The module or class as sent.
fn module<'e>(frame: &'e Frame<'_>) -> Option<&'e str> {
    frame.module.trimmed().map(|module| message::head(module, NAME_BYTES_MAX))
}

/// The full path if sent, else the short one.
fn path<'e>(frame: &'e Frame<'_>) -> &'e str {
    message::head(frame.abs_path.trimmed().or_else(|| frame.filename.trimmed()).unwrap_or_default(), NAME_BYTES_MAX)
}

/// The relative file if there is one: it is free of deploy folders.
fn file<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let file = frame.filename.trimmed().or_else(|| frame.abs_path.trimmed()).unwrap_or_default();
    if file.starts_with('<') { Cow::Borrowed("") } else { paths::short(message::head(file, NAME_BYTES_MAX)) }
}

fn has_any(text: &str, needles: &[&str]) -> bool {
    needles.iter().any(|needle| text.contains(needle))
}

/// Whether a path has one of the folders, which are written with slashes. One that begins with a
/// slash may also begin the path.
fn lies_in(path: &str, folders: &[&str]) -> bool {
    let lies = |path: &str| {
        folders
            .iter()
            .any(|folder| path.contains(folder) || folder.strip_prefix('/').is_some_and(|f| path.starts_with(f)))
    };
    if path.contains('\\') { lies(&path.replace('\\', "/")) } else { lies(path) }
}

fn starts_with_any(text: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| text.starts_with(prefix))
}

/// Rewrites only when something changes, so that most names are never copied.
fn cow<'e>(original: &'e str, cleaned: &str) -> Cow<'e, str> {
    // A cleaned name is most often a part of the original.
    match original.find(cleaned) {
        Some(at) => Cow::Borrowed(&original[at..at + cleaned.len()]),
        None => Cow::Owned(cleaned.to_owned()),
    }
}

/// Whose image this is.
pub(super) fn image_ruling(path: &str) -> Ruling {
    if native::is_system_image(path) { RUNTIME } else { APP }
}

#[cfg(test)]
mod tests;
