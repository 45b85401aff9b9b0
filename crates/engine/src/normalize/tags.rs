//! Final tags: the client's, cleaned, and those that follow from other attributes.
//!
//! What has a column of its own (release, environment, build, level, transaction, user) is no tag
//! here; searches and pages show those columns as tags.

use std::borrow::Cow;

use super::{Normalized, Note, NoteKind, Notes, fields};
use crate::event::{Event, Product};
use crate::limits;
use crate::title;

type Tag<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Names that belong to attributes; a client's tag of that name is removed (protocol, section 5).
const RESERVED: [&str; 5] = ["release", "dist", "user", "filename", "function"];

/// A tag's key and value in their final form, or why the tag is removed. An empty tag is removed
/// without a note: many SDKs send one for "unset".
///
/// # Errors
/// The note for the person who looks for the tag.
pub fn clean<'a>(key: &'a str, value: &'a str) -> Result<Option<Tag<'a>>, Note> {
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || value.is_empty() {
        return Ok(None);
    }
    let fault = |kind| Note { path: format!("tags.{}", key.chars().take(64).collect::<String>()).into(), kind };
    let long = |text: &str, max| text.len() > max && text.chars().count() > max;
    if long(key, limits::TAG_KEY_CHARS_MAX) || long(value, limits::TAG_VALUE_CHARS_MAX) {
        return Err(fault(NoteKind::TooLong));
    }
    if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:- ".contains(&byte)) || value.contains('\n') {
        return Err(fault(NoteKind::Invalid));
    }
    let key = if key.contains(' ') { Cow::Owned(key.replace(' ', "-")) } else { Cow::Borrowed(key) };
    Ok(Some((key, Cow::Borrowed(value))))
}

/// True for a client's tag that an attribute replaces.
#[must_use]
pub(crate) fn is_reserved(key: &str) -> bool {
    RESERVED.contains(&key)
}

pub(super) fn resolve<'a>(event: &'a Event<'_>, normalized: &mut Normalized<'a>) {
    let mut tags = Vec::with_capacity(event.tags.len() + 8);
    for (key, value) in &event.tags {
        if is_reserved(key) {
            continue;
        }
        match clean(key, value) {
            Ok(Some((key, value))) if key == "environment" => {
                adopt_environment(value, &mut normalized.environment, &mut normalized.notes);
            }
            Ok(Some(tag)) => push(&mut tags, tag),
            Ok(None) => {}
            Err(note) => normalized.notes.add(note.path, note.kind),
        }
    }
    derive(event, normalized, &mut tags);
    normalized.tags = tags;
}

fn adopt_environment<'a>(value: Cow<'a, str>, environment: &mut Option<Cow<'a, str>>, notes: &mut Notes) {
    if environment.is_some() {
        return;
    }
    match fields::environment_fault(&value) {
        None => *environment = Some(value),
        Some(kind) => notes.add("tags.environment", kind),
    }
}

/// The first of equal keys wins, so that a client's own tag is never replaced by a derived one.
fn push<'a>(tags: &mut Vec<Tag<'a>>, tag: Tag<'a>) {
    if tags.len() < limits::TAGS_MAX && !tags.iter().any(|(known, _)| *known == tag.0) {
        tags.push(tag);
    }
}

fn derive<'a>(event: &'a Event<'_>, normalized: &Normalized<'a>, tags: &mut Vec<Tag<'a>>) {
    let mut add = |key: &'static str, value: Cow<'a, str>| {
        let value = match fields::cut(&value, limits::TAG_VALUE_CHARS_MAX) {
            Some(short) => Cow::Owned(short),
            None => value,
        };
        if !value.is_empty() && !value.contains('\n') {
            push(tags, (Cow::Borrowed(key), value));
        }
    };
    if let Some(name) = &normalized.server_name {
        add("server_name", name.clone());
    }
    if let Some(name) = &normalized.logger {
        add("logger", name.clone());
    }
    if let Some(url) = event.request.as_ref().and_then(|request| request.url.trimmed()) {
        let bare = url.split(['?', '#']).next().unwrap_or_default();
        add("url", Cow::Borrowed(bare));
    }
    if let Some(handled) = title::handled(event) {
        add("handled", Cow::Borrowed(if handled { "yes" } else { "no" }));
    }
    let mechanism = event.exceptions.last().and_then(|exception| exception.mechanism.as_ref());
    if let Some(ty) = mechanism.and_then(|mechanism| mechanism.ty.trimmed()) {
        add("mechanism", Cow::Borrowed(ty));
    }
    let contexts = &event.contexts;
    product("runtime", "runtime.name", contexts.runtime.as_ref(), &mut add);
    product("os", "os.name", contexts.os.as_ref(), &mut add);
    product("browser", "browser.name", contexts.browser.as_ref(), &mut add);
    if let Some(model) = contexts.device.as_ref().and_then(|device| device.model.trimmed()) {
        add("device", Cow::Borrowed(model));
    }
}

fn product<'a>(
    full_key: &'static str,
    name_key: &'static str,
    product: Option<&'a Product<'_>>,
    add: &mut impl FnMut(&'static str, Cow<'a, str>),
) {
    let Some(name) = product.and_then(|product| product.name.trimmed()) else { return };
    if let Some(version) = product.and_then(|product| product.version.trimmed()) {
        add(full_key, Cow::Owned(format!("{name} {version}")));
    }
    add(name_key, Cow::Borrowed(name));
}
