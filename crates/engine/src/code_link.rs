//! From a frame to its line in an editor and in a repository: the mappings of a project.
//!
//! A mapping says how the paths of frames begin where the program ran, and what stands there instead in the
//! repository; two templates make the links. The first mapping that fits a frame is used. Templates are written by
//! members and filled with text from strangers: only schemes of a list are taken, and everything that is filled in is
//! percent-encoded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// Mappings of one project: one for each repository and each way in which its paths begin.
pub const MAPPINGS_MAX: usize = 12;
/// Length of a prefix.
pub const PREFIX_CHARS_MAX: usize = 300;
/// Length of a template.
pub const TEMPLATE_CHARS_MAX: usize = 500;

/// Schemes that open a file in an editor of the person who follows the link, and do nothing else.
pub const EDITOR_SCHEMES: [&str; 20] = [
    "vscode",
    "vscode-insiders",
    "vscodium",
    "cursor",
    "windsurf",
    "zed",
    "idea",
    "jetbrains",
    "pycharm",
    "phpstorm",
    "webstorm",
    "rubymine",
    "goland",
    "clion",
    "rider",
    "subl",
    "txmt",
    "mvim",
    "nova",
    "emacs",
];

/// What a template may ask for.
const PLACES: [&str; 4] = ["path", "line", "commit", "release"];

/// What stands for the commit of a release without one: the hosts of repositories take it for the default branch.
const NO_COMMIT: &str = "HEAD";

/// What a path keeps as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How the frames of one repository are found again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// How paths of frames begin: `/app/`, `webpack:///./`. Empty fits relative paths.
    pub prefix: String,
    /// What stands there in the repository: `services/shop/`, or nothing.
    pub root: String,
    /// `https://github.com/acme/shop/blob/{commit}/{path}#L{line}`, or empty.
    pub repository: String,
    /// `vscode://file/home/me/shop/{path}:{line}`, or empty.
    pub editor: String,
}

/// Where a call stands, as its SDK told it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// `filename`.
    pub filename: &'a str,
    /// `abs_path`.
    pub abs_path: &'a str,
    /// `module`, which on the JVM says the directory.
    pub module: &'a str,
    /// `lineno`.
    pub line: Option<u64>,
}

/// The version of the program that ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version<'a> {
    /// Newest commit of its release.
    pub commit: Option<&'a str>,
    /// Name of its release.
    pub release: Option<&'a str>,
}

/// Where a frame is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// Its file in the repository.
    pub path: String,
    /// Its page at the host of the repository.
    pub repository: Option<String>,
    /// What opens it in an editor.
    pub editor: Option<String>,
}

impl Mapping {
    /// Refuses a mapping that makes no links, or links that could do something else.
    ///
    /// # Errors
    /// With a sentence for the person who wrote it.
    pub fn check(&self) -> Result<(), String> {
        for (name, text) in [("The beginning of paths", &self.prefix), ("The directory", &self.root)] {
            if text.chars().count() > PREFIX_CHARS_MAX || text.contains(char::is_control) {
                return Err(format!("{name} is one line of at most {PREFIX_CHARS_MAX} characters."));
            }
        }
        if self.root.split('/').any(|part| part == "..") {
            return Err("The directory leads out of the repository: leave out `..`.".to_owned());
        }
        if self.repository.is_empty() && self.editor.is_empty() {
            return Err("Give a link to the repository, or one to an editor.".to_owned());
        }
        check_template("repository", &self.repository, &["https", "http"])?;
        check_template("editor", &self.editor, &EDITOR_SCHEMES)
    }

    /// The path in the repository, where the mapping fits.
    fn path_of(&self, candidate: &str) -> Option<String> {
        let candidate = candidate.replace('\\', "/");
        let is_relative = !candidate.starts_with('/') && !candidate.contains(':') && !candidate.starts_with('<');
        let rest = match self.prefix.as_str() {
            "" => is_relative.then_some(candidate.as_str()),
            prefix => candidate.strip_prefix(prefix.replace('\\', "/").as_str()),
        }?;
        let joined = format!("{}/{}", self.root, rest.split(['?', '#']).next().unwrap_or_default());
        let parts: Vec<&str> = joined.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let is_file = !rest.is_empty() && !rest.ends_with('/') && !parts.contains(&"..");
        is_file.then(|| parts.join("/"))
    }
}

/// The links of a frame, by the first mapping that fits it.
#[must_use]
pub fn links(mappings: &[Mapping], place: Place<'_>, version: Version<'_>) -> Option<Links> {
    let candidates = [place.filename.to_owned(), jvm_path(place).unwrap_or_default(), place.abs_path.to_owned()];
    mappings.iter().find_map(|mapping| {
        // A Java file without its directory is found by nobody.
        let found = candidates.iter().skip(usize::from(!candidates[1].is_empty())).filter(|path| !path.is_empty());
        let path = found.filter_map(|path| mapping.path_of(path)).next()?;
        let fill = |template: &str| (!template.is_empty()).then(|| fill(template, &path, place.line, version));
        Some(Links { repository: fill(&mapping.repository), editor: fill(&mapping.editor), path })
    })
}

/// `com/shop/Cart.kt` of a file that is named without its directory, in module `com.shop.Cart`.
fn jvm_path(place: Place<'_>) -> Option<String> {
    let ending = place.filename.rsplit_once('.')?.1;
    if place.filename.contains('/') || !matches!(ending, "java" | "kt" | "scala" | "groovy" | "clj") {
        return None;
    }
    let package = place.module.rsplit_once('.')?.0;
    Some(format!("{}/{}", package.replace('.', "/"), place.filename))
}

fn fill(template: &str, path: &str, line: Option<u64>, version: Version<'_>) -> String {
    let encode = |text: &str| utf8_percent_encode(text, PATH).to_string();
    let is_hash = |text: &str| (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Many name their releases after the commit.
    let named = version.release.map(|name| name.rsplit_once('@').map_or(name, |(_, version)| version));
    let commit = version.commit.or(named.filter(|name| is_hash(name))).unwrap_or(NO_COMMIT);
    let mut link = String::with_capacity(template.len() + path.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        link.push_str(before);
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        match name {
            "path" => link.push_str(&encode(path)),
            "line" => link.push_str(&line.unwrap_or(1).to_string()),
            "commit" => link.push_str(&encode(commit)),
            "release" => link.push_str(&encode(version.release.unwrap_or(NO_COMMIT))),
            _ => {}
        }
        rest = behind;
    }
    link.push_str(rest);
    link
}

fn check_template(what: &str, template: &str, schemes: &[&str]) -> Result<(), String> {
    if template.is_empty() {
        return Ok(());
    }
    let refuse = |why: String| Err(format!("The link to the {what} {why}"));
    if template.chars().count() > TEMPLATE_CHARS_MAX || template.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return refuse(format!("is one word of at most {TEMPLATE_CHARS_MAX} characters."));
    }
    let list = schemes.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(", ");
    let Some((scheme, rest)) = template.split_once("://").filter(|(scheme, _)| schemes.contains(scheme)) else {
        return refuse(format!("begins with one of {}.", list));
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains(['{', '}', '@']) || (scheme.starts_with("http") && host.is_empty()) {
        return refuse("names its host without placeholders and without a password.".to_owned());
    }
    for after in template.split('{').skip(1) {
        let name = after.split_once('}').map_or(after, |(name, _)| name);
        if !PLACES.contains(&name) || !after.contains('}') {
            return refuse(format!(
                "has {{{name:.40}}}, which is none of {{path}}, {{line}}, {{commit}} and {{release}}."
            ));
        }
    }
    if template.contains("{path}") { Ok(()) } else { refuse("has no {path}.".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(prefix: &str, root: &str) -> Mapping {
        Mapping {
            prefix: prefix.into(),
            root: root.into(),
            repository: "https://git.example/shop/blob/{commit}/{path}#L{line}".into(),
            editor: "vscode://file/home/me/shop/{path}:{line}".into(),
        }
    }

    fn path(mapping: &Mapping, filename: &str, module: &str) -> Option<String> {
        let place = Place { filename, module, line: Some(7), ..Place::default() };
        links(std::slice::from_ref(mapping), place, Version::default()).map(|links| links.path)
    }

    #[test]
    fn paths_are_found_again() {
        let cases = [
            ("/app/", "", "/app/shop/pay.py", Some("shop/pay.py")),
            ("/app", "services/shop/", "/app/pay.py", Some("services/shop/pay.py")),
            ("", "src", "pay.py", Some("src/pay.py")),
            ("", "", "/usr/lib/x.py", None),
            ("", "", "<stdin>", None),
            ("webpack:///./", "", "webpack:///./src/a.ts?12ab", Some("src/a.ts")),
            (r"C:\src\", "", r"C:\src\Shop\Cart.cs", Some("Shop/Cart.cs")),
            ("/app/", "", "/app/../../etc/passwd", None),
            ("/app/", "", "/app/", None),
            ("/srv/", "", "/app/x.py", None),
        ];
        for (prefix, root, file, wanted) in cases {
            assert_eq!(path(&mapping(prefix, root), file, "").as_deref(), wanted, "{prefix} {file}");
        }
        let java = mapping("", "src/main/java");
        assert_eq!(path(&java, "Cart.java", "com.shop.Cart").as_deref(), Some("src/main/java/com/shop/Cart.java"));
    }

    #[test]
    fn links_are_filled_and_encoded() {
        let mappings = [mapping("/other/", ""), mapping("/app/", "")];
        let place = Place { abs_path: "/app/a b/\"><script>.py", line: Some(12), ..Place::default() };
        let found = |version| links(&mappings, place, version).unwrap();
        let filled = found(Version { commit: Some("a41c9e2"), release: Some("shop@2") });
        let file = "a%20b/%22%3E%3Cscript%3E.py";
        assert_eq!(filled.repository.unwrap(), format!("https://git.example/shop/blob/a41c9e2/{file}#L12"));
        assert_eq!(filled.editor.unwrap(), format!("vscode://file/home/me/shop/{file}:12"));
        let at = |release| found(Version { commit: None, release }).repository.unwrap();
        assert!(at(Some("shop@0123456789abcdef0123")).contains("/blob/0123456789abcdef0123/"));
        assert!(at(Some("shop@2.1")).contains("/blob/HEAD/") && at(None).contains("/blob/HEAD/"));
    }

    #[test]
    fn templates_that_could_do_something_else_are_refused() {
        let check = |repository: &str, editor: &str| {
            Mapping { repository: repository.into(), editor: editor.into(), ..Mapping::default() }.check()
        };
        for (repository, editor) in [
            ("https://github.com/acme/shop/blob/{commit}/{path}#L{line}", ""),
            ("", "idea://open?file=/home/me/{path}&line={line}"),
            ("https://gitlab.example/x/-/blob/{release}/{path}", "vscode://file/{path}:{line}"),
        ] {
            assert_eq!(check(repository, editor), Ok(()), "{repository} {editor}");
        }
        for (repository, editor, problem) in [
            ("", "", "Give a link"),
            ("javascript://x/{path}", "", "begins with one of https://, http://"),
            ("", "javascript://%0aalert(1)//{path}", "begins with one of vscode://"),
            ("", "file:///{path}", "begins with one of"),
            ("https://{path}/x", "", "without placeholders"),
            ("https://u:p@h/{path}", "", "without placeholders"),
            ("https://h/{path}/{file}", "", "{file}, which is none of"),
            ("https://h/{path", "", "which is none of"),
            ("https://h/x", "", "has no {path}"),
            ("https://h/ {path}", "", "is one word"),
        ] {
            let found = check(repository, editor).unwrap_err();
            assert!(found.contains(problem), "{repository} {editor}: {found}");
        }
        let root = Mapping { root: "../x".into(), ..mapping("", "") };
        assert!(root.check().unwrap_err().contains("leads out"));
    }

    #[test]
    fn nothing_that_strangers_send_leaves_its_place() {
        proptest::proptest!(|(file in "\\PC{0,40}", line in proptest::option::of(0_u64..=u64::MAX), release in "\\PC{0,20}")| {
            let place = Place { filename: &file, abs_path: &file, module: &file, line };
            let version = Version { commit: None, release: Some(&release) };
            if let Some(links) = links(&[mapping("", "")], place, version) {
                let link = links.repository.unwrap();
                proptest::prop_assert!(link.starts_with("https://git.example/shop/blob/"));
                proptest::prop_assert!(!link.contains(['"', '<', '>', ' ', '\'']) && !link.contains("/../"));
            }
        });
    }
}
