//! The shape of the house, held by reading the sources.
//!
//! The lengths of functions are clippy's (`too-many-lines-threshold` in `clippy.toml`); only the list of
//! exceptions is here. Everything else that a rule of `CONTRIBUTING.md` can check by text is a test
//! below, and fails with the file and what to do.

use std::fs;
use std::path::{Path, PathBuf};

/// Functions longer than the limit, each with its reason.
const LONG_FUNCTIONS: &[(&str, &str)] = &[
    ("crates/engine/tests/grouping_rules.rs", "a table of cases"),
    ("crates/engine/tests/rules_language.rs", "a table of texts"),
    ("crates/engine/tests/rules_matching.rs", "a table of rules"),
];

/// A file longer than this holds more than one thing.
const FILE_LINES_MAX: usize = 600;

/// A source file: its path from the root of the repository, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn is_under(&self, prefix: &str) -> bool {
        self.path.starts_with(prefix)
    }

    /// The lines of code with their numbers: without comments, and without the test module that
    /// ends a file.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let code = self.text.lines().take_while(|line| !line.starts_with("mod tests {"));
        code.enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(index, line)| (index + 1, line))
    }
}

/// Directories that hold no source of ours.
const SKIPPED: &[&str] = &["target", "node_modules", ".git", ".venv", "data"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(extension: &str) -> Vec<Source> {
    fn walk(dir: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                if !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                    walk(&path, extension, found);
                }
            } else if path.extension().is_some_and(|own| own == extension) {
                found.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(root(), extension, &mut paths);
    paths.sort();
    let source = |path: PathBuf| Source {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
    };
    paths.into_iter().map(source).collect()
}

/// Fails with all complaints at once.
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Complaints about every line of code in `sources` that contains one of `words`.
fn lines_with(sources: &[Source], words: &[&str], why: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        for (number, line) in source.code() {
            complaints.extend(
                words
                    .iter()
                    .filter(|word| line.contains(**word))
                    .map(|word| format!("{}:{number}: `{word}`: {why}", source.path)),
            );
        }
    }
    complaints
}

fn dependencies(manifest: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().cloned().collect()
}

#[test]
fn the_engine_is_pure() {
    let impure = ["tokio", "sqlx", "actix-web", "reqwest", "rand", "store", "futures-util", "libc"];
    let depends = dependencies("crates/engine/Cargo.toml");
    assert!(!depends.iter().any(|name| impure.contains(&name.as_str())), "engine depends on {depends:?}");

    let sources: Vec<_> = files("rs").into_iter().filter(|s| s.is_under("crates/engine/src/")).collect();
    let words = [
        "std::fs",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "std::env",
        "std::process",
        "std::thread",
        "Instant::now",
        "SystemTime",
        "now_utc",
        "now_local",
        "new_v4",
        "now_v7",
    ];
    assert_none(&lines_with(&sources, &words, "the engine does no I/O; time and randomness are arguments"));
}

#[test]
fn the_store_knows_no_http() {
    let http = ["actix-web", "reqwest", "lettre", "askama", "firefinch"];
    let depends = dependencies("crates/store/Cargo.toml");
    assert!(!depends.iter().any(|name| http.contains(&name.as_str())), "store depends on {depends:?}");
}

#[test]
fn nothing_that_ships_depends_on_what_is_for_tests() {
    let for_tests = ["corpus", "trials"];
    for manifest in ["Cargo.toml", "crates/engine/Cargo.toml", "crates/store/Cargo.toml"] {
        let depends = dependencies(manifest);
        let found: Vec<_> = depends.iter().filter(|name| for_tests.contains(&name.as_str())).collect();
        assert!(found.is_empty(), "{manifest} depends on {found:?}");
    }
}

#[test]
fn sql_stays_in_the_store() {
    let sources: Vec<_> = files("rs").into_iter().filter(|s| s.is_under("src/")).collect();
    let words = ["query!(", "query_as!(", "query_scalar!(", "sqlx::query", "QueryBuilder", "raw_sql("];
    assert_none(&lines_with(&sources, &words, "SQL belongs into crates/store"));
}

#[test]
fn siblings_never_name_each_other() {
    const SIBLINGS: [&str; 4] = ["ingest", "web", "api", "workers"];
    let mut complaints = Vec::new();
    for source in files("rs") {
        let of =
            |sibling: &&&str| source.is_under(&format!("src/{sibling}/")) || source.path == format!("src/{sibling}.rs");
        let Some(own) = SIBLINGS.iter().find(of) else { continue };
        for other in SIBLINGS.iter().filter(|other| *other != own) {
            let code: String = source.code().map(|(_, line)| line.trim()).collect();
            if names_module(&code, other) {
                complaints.push(format!(
                    "{}: names `crate::{other}`; siblings meet in PostgreSQL and in serve.rs",
                    source.path
                ));
            }
        }
    }
    assert_none(&complaints);
}

/// True for `crate::module` and for `crate::{…, module…}`.
fn names_module(code: &str, module: &str) -> bool {
    code.split("crate::").skip(1).any(|path| {
        let grouped = path.strip_prefix('{').map(|group| group.split_once(';').map_or(group, |(group, _)| group));
        let is_word = |text: &str| text.strip_prefix(module).is_some_and(|rest| !rest.starts_with(is_identifier));
        match grouped {
            Some(group) => group.split([',', '{']).any(|name| is_word(name.trim())),
            None => is_word(path),
        }
    })
}

fn is_identifier(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn every_file_says_what_it_owns_and_stays_short() {
    let mut complaints = Vec::new();
    for source in files("rs") {
        if !source.text.starts_with("//!") {
            complaints.push(format!("{}: opens without `//!`", source.path));
        }
        let lines = source.text.lines().count();
        if lines >= FILE_LINES_MAX {
            complaints.push(format!("{}: {lines} lines; split it by noun below {FILE_LINES_MAX}", source.path));
        }
    }
    assert_none(&complaints);
}

#[test]
fn every_test_binary_is_one_that_make_test_runs() {
    let names = files("rs").into_iter().filter_map(|source| {
        let (_, inside) = source.path.strip_prefix("crates/")?.split_once('/')?;
        let name = inside.strip_prefix("tests/")?;
        (!name.contains(['/', '_'])).then(|| format!("{}: `make test` looks for names with an underscore", source.path))
    });
    assert_none(&names.collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let words = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    let words: Vec<&str> = words.iter().map(String::as_str).chain([concat!("#[", "ignore")]).collect();
    assert_none(&lines_with(&files("rs"), &words, "finish it, or leave it out"));
}

#[test]
fn long_functions_are_listed() {
    let allowing = "clippy::too_many".to_owned() + "_lines";
    let mut complaints = Vec::new();
    for source in files("rs") {
        let found = source.text.matches(&allowing).count();
        let listed = LONG_FUNCTIONS.iter().filter(|(path, _)| *path == source.path).count();
        if found != listed {
            complaints.push(format!("{}: allows {found} long functions, tidy.rs lists {listed}", source.path));
        }
    }
    assert_none(&complaints);
}

#[test]
fn pages_have_no_inline_script_or_style() {
    let mut complaints = Vec::new();
    // Mails are no pages: mail programs drop style sheets and keep the attribute.
    let is_page = |source: &Source| source.is_under("templates/") && !source.is_under("templates/mail/");
    for source in files("html").into_iter().filter(is_page) {
        for (index, line) in source.text.lines().enumerate() {
            let lower = line.to_ascii_lowercase();
            let script = lower.contains("<script") && !lower.contains(" src=");
            let handler = lower.match_indices(" on").any(|(at, _)| {
                let rest = &lower[at + 3..];
                let name = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
                name > 0 && rest[name..].starts_with("=\"")
            });
            if script || handler || lower.contains("<style") || lower.contains(" style=") {
                complaints.push(format!("{}:{}: the content security policy refuses this", source.path, index + 1));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn migrations_go_forward_only() {
    let mut versions: Vec<String> = Vec::new();
    for source in files("sql").into_iter().filter(|source| source.is_under("migrations/")) {
        let name = source.path.strip_prefix("migrations/").unwrap().strip_suffix(".sql").unwrap();
        let (version, what) = name.split_once('_').unwrap_or((name, ""));
        assert!(version.len() == 14 && version.bytes().all(|b| b.is_ascii_digit()), "{name}: YYYYMMDDNNNNNN_what.sql");
        assert!(
            !what.is_empty() && what.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
            "{name}"
        );
        assert!(source.text.starts_with("--"), "{name}: says what it is for in its first line");
        assert!(!versions.iter().any(|other| other == version), "{version} is there twice");
        versions.push(version.to_owned());
    }
    assert!(!versions.is_empty());
}

#[test]
fn lock_files_name_no_download_host() {
    let locks = files("json").into_iter().filter(|source| source.path.ends_with("package-lock.json"));
    let naming: Vec<_> =
        locks.filter(|source| source.text.contains("\"resolved\"")).map(|source| source.path).collect();
    assert_none(&naming);
}
