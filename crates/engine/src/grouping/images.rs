//! Loaded images: where an address lies when nobody has symbols.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::paths;
use crate::event::{Event, Frame, Image};

/// The images of one event, by address.
pub(super) struct Images<'e> {
    event: &'e [Image<'e>],
    /// Sorted when the first frame without a name asks: most events never do.
    sorted: OnceCell<Vec<(u64, u64, &'e str)>>,
}

impl<'e> Images<'e> {
    pub(super) fn of(event: &'e Event<'_>) -> Self {
        Self { event: &event.images, sorted: OnceCell::new() }
    }

    fn sorted(&self) -> &[(u64, u64, &'e str)] {
        self.sorted.get_or_init(|| {
            let mut images: Vec<_> = self.event.iter().filter_map(span).collect();
            images.sort_unstable();
            images
        })
    }

    /// The image's path for a frame that has only an address.
    pub(super) fn path(&self, frame: &Frame<'_>) -> Option<(&'e str, u64)> {
        let at = address(frame.instruction_addr.get()?)?;
        let images = self.sorted();
        let behind = images.partition_point(|(start, ..)| *start <= at);
        let (start, end, path) = *images.get(behind.checked_sub(1)?)?;
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

/// Where an image starts and ends, and its path.
fn span<'e>(image: &'e Image<'_>) -> Option<(u64, u64, &'e str)> {
    let start = address(image.image_addr.get()?)?;
    let size = image.image_size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
    Some((start, start.saturating_add(size), image.code_file.trimmed()?))
}

fn address(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
