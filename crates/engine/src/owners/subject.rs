//! What of an event rules are held against: the places of the own code, the address, the tags.

use serde_json::Value;

use crate::alert::frame::stacks;
use crate::code_link::{self, Mapping, Place, Version};
use crate::grouping::rules::glob::Style;

/// Frames of the own code that are looked at, nearest to the failure first; deeper ones are callers of callers.
const FRAMES_MAX: usize = 100;

/// Characters of a path, module or address.
const TEXT_CHARS_MAX: usize = 1_000;

/// What of an event rules are held against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    pub(super) files: Vec<Whereabouts>,
    pub(super) modules: Vec<String>,
    pub(super) url: Option<String>,
    pub(super) tags: Vec<(String, String)>,
}

/// A file of the own code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// As the SDK told it, or in the repository.
    pub path: String,
    /// The form in which paths and patterns meet.
    pub(super) normal: String,
    /// Whether it is a path in the repository, because a mapping of the project says so.
    pub(super) is_rooted: bool,
}

impl Whereabouts {
    fn new(path: &str, is_rooted: bool) -> Self {
        let normal = Style::Path.normal(path);
        let normal = normal.trim_start_matches("./").trim_start_matches('/').to_owned();
        Self { path: path.to_owned(), normal, is_rooted }
    }
}

impl Subject {
    /// Reads an event, its tags and the mappings of its project.
    #[must_use]
    pub fn read(event: &Value, tags: &[(String, String)], mappings: &[Mapping]) -> Self {
        let url = text(&event["request"]["url"]);
        let mut subject = Self { url: (!url.is_empty()).then_some(url), tags: tags.to_vec(), ..Self::default() };
        let frames = stacks(event).into_iter().flat_map(|frames| frames.iter().rev());
        for frame in frames.filter(|frame| frame["in_app"] == true).take(FRAMES_MAX) {
            subject.add(frame, mappings);
        }
        subject
    }

    fn add(&mut self, frame: &Value, mappings: &[Mapping]) {
        let (filename, abs_path, module) = (text(&frame["filename"]), text(&frame["abs_path"]), text(&frame["module"]));
        let place = Place { filename: &filename, abs_path: &abs_path, module: &module, line: None };
        let files = match code_link::links(mappings, place, Version::default()) {
            Some(links) => vec![Whereabouts::new(&links.path, true)],
            None => [&filename, &abs_path].map(|path| Whereabouts::new(path, false)).to_vec(),
        };
        for file in files {
            if !file.normal.is_empty() && !self.files.contains(&file) {
                self.files.push(file);
            }
        }
        if !module.is_empty() && !self.modules.contains(&module) {
            self.modules.push(module);
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().take(TEXT_CHARS_MAX).collect()
}
