//! Files: from whatever path or URL an SDK sends to a short name that survives a deploy.
//!
//! Owns the rule that a file is its name plus the folder above it, both without extension, version,
//! content hash or number. More of the path would drag deploy folders, container roots and CDN hosts
//! into the key; less would merge `billing/index` with `search/index`.

use std::borrow::Cow;

use super::{tokens, volatile};

/// Folders that say nothing: roots of deployments and sources.
const EMPTY_FOLDERS: &[&str] = &[
    "",
    ".",
    "..",
    "~",
    "app",
    "apps",
    "assets",
    "bin",
    "build",
    "bundle",
    "chunks",
    "code",
    "current",
    "deploy",
    "dist",
    "home",
    "html",
    "htdocs",
    "js",
    "lib",
    "node_modules",
    "opt",
    "out",
    "packages",
    "public",
    "releases",
    "root",
    "scripts",
    "shared",
    "site",
    "src",
    "srv",
    "static",
    "tmp",
    "usr",
    "var",
    "web",
    "work",
    "workspace",
    "www",
    "_next",
    "_nuxt",
    "immutable",
];

/// What React Native calls the one file of an application, on each system.
const BUNDLES: &[&str] = &["main.jsbundle", "index.android.bundle", "index.ios.bundle", "index.bundle", "main.bundle"];

/// `folder/name` of a path or URL; the name alone when the folder says nothing.
pub(super) fn short(path: &str) -> Cow<'_, str> {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    // What stands before the first slash of a URL is the host.
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or(rest, |at| &rest[at..]));
    let mut parts = path.rsplit(['/', '\\']).filter(|part| !part.is_empty());
    let file = parts.next().unwrap_or(path);
    if BUNDLES.contains(&file) {
        return Cow::Borrowed("bundle");
    }
    let name = stem(file);
    match folder(parts.next()) {
        Some(folder) if !name.is_empty() => Cow::Owned(format!("{folder}/{name}")),
        Some(folder) => folder,
        None => name,
    }
}

/// The name alone.
pub(super) fn base(path: &str) -> Cow<'_, str> {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    stem(path.rsplit(['/', '\\']).next().unwrap_or(path))
}

fn folder(part: Option<&str>) -> Option<Cow<'_, str>> {
    let part = part?;
    let drive = part.len() == 2 && part.ends_with(':');
    if drive || volatile::is_volatile_folder(part) || EMPTY_FOLDERS.iter().any(|empty| empty.eq_ignore_ascii_case(part))
    {
        return None;
    }
    Some(without_volatile(part)).filter(|folder| !folder.is_empty())
}

/// A file name without extension and without the parts that change with a build.
fn stem(name: &str) -> Cow<'_, str> {
    let name = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= 6 && !extension.contains(' ') => stem,
        _ => name,
    };
    without_volatile(name.strip_suffix(".min").unwrap_or(name))
}

/// A route or task without the ids in it: `/users/42` is `/users/*`.
pub(super) fn route(name: &str) -> Cow<'_, str> {
    let varies = |part: &str| part.bytes().any(|b| b.is_ascii_digit()) && !tokens::is_word_with_digits(part);
    if !name.split('/').any(varies) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.split('/').map(|part| if varies(part) { "*" } else { part }).collect::<Vec<_>>().join("/"))
}

/// Drops volatile parts between `.`, `-`, `_`, `~` and `@`.
pub(super) fn without_volatile(name: &str) -> Cow<'_, str> {
    const JOINTS: [char; 5] = ['.', '-', '_', '~', '@'];
    let parts = || name.split(JOINTS);
    let last = parts().count() - 1;
    let alone = last == 0;
    if !parts().enumerate().any(|(i, part)| volatile::is_volatile_part(part, i == last && !alone)) {
        return Cow::Borrowed(name);
    }
    let mut kept = String::with_capacity(name.len());
    for (i, part) in parts().enumerate() {
        if !part.is_empty() && !volatile::is_volatile_part(part, i == last && !alone) {
            if !kept.is_empty() {
                kept.push('-');
            }
            kept.push_str(part);
        }
    }
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deploys_and_builds_do_not_show() {
        for (path, expected) in [
            ("/srv/app/releases/20260101/shop/cart.py", "shop/cart"),
            ("C:\\srv\\app\\releases\\20260322\\shop\\cart.py", "shop/cart"),
            ("shop/cart.py", "shop/cart"),
            ("/srv/app/releases/20260101/main.py", "main"),
            ("/app/main.py", "main"),
            ("http://shop.example.com/assets/main-KK3FLJJB.js", "main"),
            ("https://cdn.example.com/static/js/612.4c91aa02.chunk.js?v=3", "chunk"),
            ("http://shop.example.com/assets/11.6cc5d.js", ""),
            ("https://shop.example.com/app.js", "app"),
            ("webpack:///./src/components/Button.tsx", "components/Button"),
            ("node_modules/.pnpm/x@1.2.3_ab12cd34/node_modules/x/index.js", "x/index"),
            ("OrderService.java", "OrderService"),
            ("", ""),
        ] {
            assert_eq!(short(path), expected, "{path}");
        }
    }
}
