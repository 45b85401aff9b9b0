//! Families of platforms.

pub(super) const NATIVE: u8 = 1;
pub(super) const JAVASCRIPT: u8 = 2;
pub(super) const OTHER: u8 = 4;

/// The family of a platform.
pub(super) fn of(platform: &str) -> u8 {
    match platform {
        "native" | "c" | "cocoa" | "objc" | "swift" | "rust" => NATIVE,
        "javascript" | "node" => JAVASCRIPT,
        _ => OTHER,
    }
}

/// The families of a list such as `native,other`.
pub(super) fn mask(list: &str) -> u8 {
    let family = |name| match name {
        "native" => NATIVE,
        "javascript" => JAVASCRIPT,
        "other" => OTHER,
        "all" => NATIVE | JAVASCRIPT | OTHER,
        _ => 0,
    };
    list.split(',').map(family).fold(0, |all, one| all | one)
}
