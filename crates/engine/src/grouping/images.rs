//! Loaded images: where an address lies when nobody has symbols.

use std::borrow::Cow;

use super::paths;
use crate::event::{Event, Frame};

/// The images of one event, by address.
pub(super) struct Images<'e> {
    images: Vec<(u64, u64, &'e str)>,
}

impl<'e> Images<'e> {
    pub(super) fn of(event: &'e Event<'_>) -> Self {
        let mut images: Vec<_> = event
            .images
            .iter()
            .filter_map(|image| {
                let start = address(image.image_addr.get()?)?;
                let size = image.image_size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
                Some((start, start.saturating_add(size), image.code_file.trimmed()?))
            })
            .collect();
        images.sort_unstable();
        Self { images }
    }

    /// The image's path for a frame that has only an address.
    pub(super) fn path(&self, frame: &Frame<'_>) -> Option<(&'e str, u64)> {
        let at = address(frame.instruction_addr.get()?)?;
        let behind = self.images.partition_point(|(start, ..)| *start <= at);
        let (start, end, path) = *self.images.get(behind.checked_sub(1)?)?;
        (at < end).then_some((path, at - start))
    }

    /// Image and offset of a frame without names; `None` when not even the image is known.
    pub(super) fn locate<'f>(&self, frame: &'f Frame<'_>) -> Option<(Cow<'f, str>, Cow<'f, str>)>
    where
        'e: 'f,
    {
        if let Some((path, offset)) = self.path(frame) {
            return Some((paths::base(path), Cow::Owned(format!("+{offset:#x}"))));
        }
        let package = frame.package.trimmed()?;
        Some((paths::base(package), Cow::Borrowed("")))
    }
}

fn address(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
