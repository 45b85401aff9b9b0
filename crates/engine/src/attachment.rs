//! Files that come with an event: what the header of an item says about one, made safe to keep and to show.
//!
//! Names and types are chosen by whoever holds a public key, so a name is cut to one that no file system
//! and no reader takes for something else, and only types that a browser can show without running
//! anything are previewed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::envelope::Item;
use crate::ids::{EventId, ProjectId};
use crate::limits::{ATTACHMENT_KIND_CHARS_MAX, ATTACHMENT_NAME_CHARS_MAX, CONTENT_TYPE_CHARS_MAX};

/// What is said about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Without directories and invisible signs; never empty.
    pub name: String,
    /// `type/subtype` in lower case.
    pub content_type: String,
    /// What the SDK calls it, as `event.attachment`.
    pub kind: String,
}

/// How a file can be shown without running anything in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preview {
    /// As a picture of this type.
    Image(&'static str),
    /// As text.
    Text,
    /// Not at all: it can be downloaded.
    None,
}

/// Pictures that browsers show and that hold no script. SVG is not among them.
const IMAGES: [&str; 5] = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"];

const TEXTS: [&str; 7] = [
    "application/json",
    "application/xml",
    "application/x-ndjson",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
    "application/javascript",
];

/// For clients that name no type: what their file names say.
const ENDINGS: [(&str, &str); 12] = [
    ("txt", "text/plain"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
];

impl About {
    /// What the header of an envelope's item says.
    #[must_use]
    pub fn of_item(item: &Item<'_>) -> Self {
        Self::new(item.filename.get(), item.content_type.get(), item.attachment_type.get())
    }

    /// From what a client says; whatever is missing or unreadable gets its default.
    #[must_use]
    pub fn new(name: Option<&str>, content_type: Option<&str>, kind: Option<&str>) -> Self {
        let name = safe_name(name.unwrap_or_default());
        let content_type = content_type.and_then(media_type).unwrap_or_else(|| by_ending(&name).to_owned());
        let kind = kind.map(str::trim).filter(|kind| is_kind(kind)).unwrap_or("event.attachment").to_owned();
        Self { name, content_type, kind }
    }

    /// How it can be shown.
    #[must_use]
    pub fn preview(&self) -> Preview {
        preview(&self.content_type)
    }
}

/// How a file of this type can be shown.
#[must_use]
pub fn preview(content_type: &str) -> Preview {
    if let Some(known) = IMAGES.into_iter().find(|known| *known == content_type) {
        return Preview::Image(known);
    }
    let is_text = content_type.starts_with("text/") || TEXTS.contains(&content_type) || content_type.ends_with("+json");
    if is_text { Preview::Text } else { Preview::None }
}

/// The id of a file: the same for the same file of the same event, however often it is sent.
#[must_use]
pub fn id(project_id: ProjectId, event_id: EventId, about: &About, content: &[u8]) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(project_id.get().to_be_bytes());
    hash.update(event_id.0.as_bytes());
    for text in [&about.name, &about.kind] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.update(content);
    let digest: [u8; 32] = hash.finalize().into();
    let (head, _) = digest.split_at(16);
    uuid::Builder::from_custom_bytes(head.try_into().unwrap_or_default()).into_uuid()
}

/// The last part of a path, without what cannot be seen or would be read as something else.
fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let seen: String = last.chars().filter(|c| !is_unseen(*c)).take(ATTACHMENT_NAME_CHARS_MAX).collect();
    match seen.trim() {
        "" | "." | ".." => "attachment".to_owned(),
        name => name.to_owned(),
    }
}

/// Controls, and signs that turn or hide the text around them: `gpj.exe` must not read as `exe.jpg`.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
}

/// `type/subtype`, without parameters.
fn media_type(text: &str) -> Option<String> {
    let text = text.split(';').next().unwrap_or_default().trim();
    let (kind, subtype) = text.split_once('/')?;
    let is_token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    let is_one = text.len() <= CONTENT_TYPE_CHARS_MAX && is_token(kind) && is_token(subtype);
    is_one.then(|| text.to_ascii_lowercase())
}

fn by_ending(name: &str) -> &'static str {
    let ending: Cow<'_, str> = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase().into();
    let known = ENDINGS.iter().find(|(known, _)| *known == ending);
    known.map_or("application/octet-stream", |(_, content_type)| content_type)
}

fn is_kind(kind: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !kind.is_empty() && kind.len() <= ATTACHMENT_KIND_CHARS_MAX && kind.bytes().all(is_sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> String {
        About::new(Some(text), None, None).name
    }

    #[test]
    fn names_are_those_of_files() {
        assert_eq!(name("screenshot.png"), "screenshot.png");
        assert_eq!(name("../../etc/passwd"), "passwd");
        assert_eq!(name("C:\\logs\\app.log"), "app.log");
        assert_eq!(name("a\r\nSet-Cookie: x\0.txt"), "aSet-Cookie: x.txt");
        assert_eq!(name("photo_\u{202e}gpj.exe"), "photo_gpj.exe");
        assert_eq!(name("\u{65e5}\u{8a8c}.txt"), "\u{65e5}\u{8a8c}.txt");
        assert_eq!(name(&"n".repeat(1000)).len(), ATTACHMENT_NAME_CHARS_MAX);
        for nothing in ["", "/", "..", " . ", "a/", "\u{200b}"] {
            assert_eq!(name(nothing), "attachment", "{nothing:?}");
        }
    }

    #[test]
    fn types_are_read_or_guessed() {
        let content_type = |name, ty| About::new(Some(name), ty, None).content_type;
        assert_eq!(content_type("a", Some("Text/HTML; charset=utf-8")), "text/html");
        assert_eq!(content_type("a.LOG", None), "text/plain");
        assert_eq!(content_type("a.png", Some("no type")), "image/png");
        assert_eq!(content_type("a.bin", Some("a/b/c")), "application/octet-stream");
        assert_eq!(content_type("a", Some("text/plain\r\nx: y")), "application/octet-stream");
    }

    #[test]
    fn only_what_runs_nothing_is_previewed() {
        assert_eq!(preview("image/png"), Preview::Image("image/png"));
        assert_eq!(preview("image/svg+xml"), Preview::None);
        assert_eq!(preview("text/html"), Preview::Text);
        assert_eq!(preview("application/vnd.view+json"), Preview::Text);
        assert_eq!(preview("application/zip"), Preview::None);
    }

    #[test]
    fn kinds_have_a_default() {
        let kind = |kind| About::new(None, None, kind).kind;
        assert_eq!(kind(Some("event.view_hierarchy")), "event.view_hierarchy");
        assert_eq!(kind(Some("<b>")), "event.attachment");
        assert_eq!(kind(None), "event.attachment");
    }

    #[test]
    fn the_same_file_has_the_same_id() {
        let about = About::new(Some("a.txt"), None, None);
        let (project, event) = (ProjectId(1), EventId(Uuid::from_u128(7)));
        let id_of = |project, event, about: &About, content: &[u8]| id(project, event, about, content);
        let first = id_of(project, event, &about, b"x");
        assert_eq!(first, id_of(project, event, &about, b"x"));
        assert_ne!(first, id_of(ProjectId(2), event, &about, b"x"));
        assert_ne!(first, id_of(project, EventId(Uuid::from_u128(8)), &about, b"x"));
        assert_ne!(first, id_of(project, event, &About::new(Some("b.txt"), None, None), b"x"));
        assert_ne!(first, id_of(project, event, &about, b"y"));
    }
}
