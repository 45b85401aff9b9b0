//! Which of the commits of a release is likely to be why an issue is there: those that changed a file which
//! the stack trace of an event runs through in our own code.
//!
//! A file of the repository and the file of a frame are the same when the components of their paths agree
//! from the end on: all of the shorter one, or at least two. `/app/src/shop/pay.py` is `src/shop/pay.py`, and
//! `shop/pay.py` is as well; `lib/pay.py` is not. A frame without a directory is only believed
//! where its module completes it, as Java's do, or where the name is no everyday one (`index.js`).

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::Value;

use super::ChangedFile;
use crate::alert::frame::stacks;

/// Frames of an event that are looked at, from where it broke. What lies further out calls everything.
const FRAMES_MAX: usize = 50;

/// Suspects that are named: more are a list of everybody.
pub const SUSPECTS_MAX: usize = 3;

/// Names that stand in every directory: alone they say nothing.
const EVERYDAY: [&str; 12] = [
    "index.js",
    "index.ts",
    "index.tsx",
    "index.php",
    "main.js",
    "main.go",
    "main.py",
    "main.rs",
    "mod.rs",
    "lib.rs",
    "__init__.py",
    "app.js",
];

/// A commit that touched what broke.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspect {
    /// Its place among the commits that were asked about.
    pub position: usize,
    /// How strongly; only to be compared with others of the same event.
    pub weight: f64,
    /// The file that weighs most, as the repository has it.
    pub path: String,
    /// How many frames of our own code lie between that file and where it broke.
    pub depth: usize,
}

impl Suspect {
    /// The stronger first: what lies nearest to where it broke decides, then how much of the stack was touched.
    #[must_use]
    pub fn against(&self, other: &Self) -> Ordering {
        self.depth.cmp(&other.depth).then(other.weight.total_cmp(&self.weight))
    }
}

/// Names of the files of our own code that the event's stack runs through, without their directories: only commits that
/// changed a file of such a name can be suspects.
#[must_use]
pub fn file_names(event: &Value) -> Vec<String> {
    frames(event).iter().map(|file| file.name().to_owned()).collect()
}

/// The commits that changed what broke, the strongest first. `files` are what they changed, each with the position of its
/// commit (0 is the newest).
#[must_use]
pub fn suspects(event: &Value, files: &[(usize, ChangedFile)]) -> Vec<Suspect> {
    let frames = frames(event);
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, frame) in frames.iter().enumerate() {
        by_name.entry(frame.name()).or_default().push(index);
    }
    let mut found: HashMap<usize, Suspect> = HashMap::new();
    for (position, file) in files {
        let parts: Vec<&str> = file.path.split('/').filter(|part| !part.is_empty()).collect();
        let Some(name) = parts.last() else { continue };
        let matching = by_name.get(name).into_iter().flatten().filter(|index| frames[**index].is_file(&parts));
        // The frame nearest to where it broke; one file counts once, however often it is on the stack.
        let Some(depth) = matching.map(|index| frames[*index].depth).min() else { continue };
        let weight = 1.0 / (1.0 + depth as f64);
        let suspect = found.entry(*position).or_insert_with(|| Suspect {
            position: *position,
            weight: 0.0,
            path: String::new(),
            depth: usize::MAX,
        });
        suspect.weight += weight;
        if depth < suspect.depth {
            suspect.depth = depth;
            suspect.path.clone_from(&file.path);
        }
    }
    let mut found: Vec<Suspect> = found.into_values().collect();
    // Of equals, the newest.
    found.sort_by(|a, b| a.against(b).then(a.position.cmp(&b.position)));
    found.truncate(SUSPECTS_MAX);
    found
}

/// The file of a frame.
struct File {
    /// Components of its path.
    parts: Vec<String>,
    /// Frames of our own code between it and where it broke.
    depth: usize,
}

impl File {
    fn name(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }

    fn is_file(&self, other: &[&str]) -> bool {
        let shared = self.parts.iter().rev().zip(other.iter().rev()).take_while(|(own, other)| own == other).count();
        let shorter = self.parts.len().min(other.len());
        match shared {
            0 => false,
            1 => shorter == 1 && !EVERYDAY.contains(&self.name()),
            _ => true,
        }
    }
}

/// Files of the in-app frames, each where it is nearest to the break.
fn frames(event: &Value) -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    for frames in stacks(event) {
        let own = frames.iter().rev().filter(|frame| frame["in_app"] == true);
        for (depth, frame) in own.take(FRAMES_MAX).enumerate() {
            let parts = parts(frame);
            if !parts.is_empty() && !files.iter().any(|known| known.parts == parts) && files.len() < FRAMES_MAX {
                files.push(File { parts, depth });
            }
        }
    }
    files
}

/// `webpack:///./src/pay.js?1a2b` reads as `src`, `pay.js`; `Pay.java` of module `com.acme.Pay` as `com`, `acme`, `Pay.java`.
fn parts(frame: &Value) -> Vec<String> {
    let text = |name: &str| frame[name].as_str().unwrap_or_default();
    let path = match (text("filename"), text("abs_path")) {
        // A path that says where it stands is better than a name alone.
        (name, path) if !name.contains(['/', '\\']) && path.ends_with(name) && !path.is_empty() => path,
        ("", path) => path,
        (name, _) => name,
    };
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut parts: Vec<String> =
        path.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | ".." | "~")).map(str::to_owned).collect();
    if let ([_], Some((package, _))) = (parts.as_slice(), text("module").rsplit_once('.')) {
        let package = package.split('.').map(str::to_owned);
        parts = package.chain(parts).collect();
    }
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::FileChange;
    use super::*;

    fn event(frames: &[(&str, bool)]) -> Value {
        let frames: Vec<Value> =
            frames.iter().map(|(file, in_app)| json!({"filename": file, "in_app": in_app})).collect();
        json!({"exception": {"values": [{"type": "E", "stacktrace": {"frames": frames}}]}})
    }

    fn changed(files: &[(usize, &str)]) -> Vec<(usize, ChangedFile)> {
        let file = |path: &str| ChangedFile { path: path.to_owned(), change: FileChange::Modified };
        files.iter().map(|(position, path)| (*position, file(path))).collect()
    }

    fn positions(event: &Value, files: &[(usize, &str)]) -> Vec<usize> {
        suspects(event, &changed(files)).iter().map(|suspect| suspect.position).collect()
    }

    #[test]
    fn a_file_is_known_by_the_end_of_its_path() {
        for (frame, path, is_suspect) in [
            ("/app/src/shop/pay.py", "src/shop/pay.py", true),
            ("shop/pay.py", "src/shop/pay.py", true),
            ("src/shop/pay.py", "src/shop/pay.py", true),
            ("/srv/release-12/shop/pay.py", "backend/shop/pay.py", true),
            ("lib/pay.py", "src/shop/pay.py", false),
            ("pay.py", "src/shop/pay.py", true),
            ("shop/pay.py", "pay.py", true),
            ("index.js", "src/index.js", false),
            ("src/index.js", "web/src/index.js", true),
            ("webpack:///./src/cart/pay.ts?9f3a", "web/src/cart/pay.ts", true),
            ("https://shop.example/static/js/pay.js", "static/js/pay.js", true),
            (r"C:\shop\Cart\Pay.cs", "Cart/Pay.cs", true),
            ("shop/pay.py", "shop/pay.pyi", false),
            ("", "shop/pay.py", false),
        ] {
            assert_eq!(positions(&event(&[(frame, true)]), &[(0, path)]) == [0], is_suspect, "{frame} {path}");
        }
    }

    #[test]
    fn a_module_completes_a_bare_name() {
        let frame = json!({"filename": "Pay.java", "module": "com.acme.shop.Pay", "in_app": true});
        let event = json!({"exception": {"values": [{"stacktrace": {"frames": [frame]}}]}});
        assert_eq!(positions(&event, &[(0, "src/main/java/com/acme/shop/Pay.java")]), [0]);
        assert!(positions(&event, &[(0, "src/main/java/com/other/Pay.java")]).is_empty());
    }

    #[test]
    fn the_nearest_change_is_the_strongest() {
        let event =
            event(&[("shop/main.py", true), ("shop/basket.py", true), ("lib/http.py", false), ("shop/pay.py", true)]);
        let files = [
            (0, "shop/main.py"),
            (1, "shop/basket.py"),
            (1, "shop/main.py"),
            (2, "shop/pay.py"),
            (3, "lib/http.py"),
            (4, "shop/pay.py"),
            (5, "docs/pay.md"),
        ];
        assert_eq!(positions(&event, &files), [2, 4, 1]);
        let strongest = &suspects(&event, &changed(&files))[0];
        assert_eq!((strongest.path.as_str(), strongest.depth), ("shop/pay.py", 0));
    }

    #[test]
    fn events_without_our_code_suspect_nobody() {
        let hostile = json!({"exception": [1, {"stacktrace": {"frames": [7, {"in_app": true}]}}]});
        for event in [event(&[("lib/http.py", false)]), json!({"message": "x"}), hostile] {
            assert!(positions(&event, &[(0, "lib/http.py")]).is_empty(), "{event}");
        }
    }
}
