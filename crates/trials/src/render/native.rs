//! Frames of Rust, C, C++, Swift and Objective-C: with addresses, and with names if symbols are there.

use serde_json::{Map, Value, json};

use super::Site;
use crate::random::{Random, hash};
use crate::report::{Role, Symbols};

/// `place` is a path below the crate's root.
pub(super) fn rust(site: &Site<'_>) -> Value {
    let root = site.root(&["/build/shop", "/home/ci/work/shop", "/usr/src/app"]);
    let path = match site.frame.role {
        Role::App => format!("{root}/{}", site.place),
        Role::Library => format!("/usr/local/cargo/registry/src/registry-{:016x}/{}", hash(root), site.place),
        Role::System => {
            let commit = Random::of(site.report.build.libraries as u64, "rustc").hex(40);
            format!("/rustc/{commit}/library/{}", site.place)
        }
    };
    let package = site.function.trim_start_matches('<').split("::").next().unwrap_or_default();
    let mut frame = address(site);
    frame.insert("package".into(), package.into());
    if named(site) {
        let name = if site.report.build.symbols == Symbols::Mangled { mangled(site) } else { with_hash(site) };
        frame.insert("function".into(), name.into());
        frame.insert("filename".into(), site.base().into());
        frame.insert("abs_path".into(), path.into());
        frame.insert("lineno".into(), site.line.into());
    }
    frame.into()
}

/// `place` is a source below the project, or a library's image for frames that are not the user's.
pub(super) fn c(site: &Site<'_>) -> Value {
    let root = site.root(&["/build/agent7/game", "/home/ci/work/game", "/usr/src/game"]);
    let mut frame = address(site);
    let image = match site.frame.role {
        Role::App => site.root(&["/opt/game/bin/game", "/home/anna/game/bin/game", "/usr/games/game"]).to_owned(),
        _ => format!("/usr/lib/{}", site.place),
    };
    frame.insert("package".into(), image.into());
    if named(site) {
        frame.insert("function".into(), site.function.as_str().into());
        if site.app() {
            frame.insert("filename".into(), site.base().into());
            frame.insert("abs_path".into(), format!("{root}/{}", site.place).into());
            frame.insert("lineno".into(), site.line.into());
        }
    }
    frame.into()
}

/// `place` is a source below the project, or a framework's name.
pub(super) fn cocoa(site: &Site<'_>) -> Value {
    let container = Random::of(site.report.moment.memory, "container").hex(12).to_uppercase();
    let mut frame = address(site);
    let image = match site.frame.role {
        Role::App => {
            format!("/private/var/containers/Bundle/Application/6F1B0C1A-11D2-4F5A-9C3B-{container}/Shop.app/Shop")
        }
        Role::Library => format!(
            "/private/var/containers/Bundle/Application/6F1B0C1A-11D2-4F5A-9C3B-{container}/Shop.app/Frameworks/{0}.framework/{0}",
            site.place
        ),
        Role::System => format!("/System/Library/Frameworks/{0}.framework/{0}", site.place),
    };
    frame.insert("package".into(), image.into());
    if named(site) {
        frame.insert("function".into(), site.function.as_str().into());
        if site.app() {
            let root = site.root(&["/Users/ci/build", "/Users/runner/work/shop", "/Users/distiller/project"]);
            frame.insert("filename".into(), site.base().into());
            frame.insert("abs_path".into(), format!("{root}/{}", site.place).into());
            frame.insert("lineno".into(), site.line.into());
        }
    }
    frame.into()
}

fn address(site: &Site<'_>) -> Map<String, Value> {
    let image = 0x5500_0000_0000 + (site.memory % 0xff_ffff) * 0x1000;
    let mut frame = Map::new();
    frame.insert("instruction_addr".into(), json!(format!("0x{:x}", image + hash(&site.function) % 0xffff)));
    frame.insert("image_addr".into(), json!(format!("0x{image:x}")));
    frame.insert("in_app".into(), site.app().into());
    frame
}

/// Whether this frame has its name.
fn named(site: &Site<'_>) -> bool {
    match site.report.build.symbols {
        Symbols::Full | Symbols::Mangled => true,
        Symbols::Partial => site.last || site.app() && hash(&site.function).is_multiple_of(2),
        Symbols::None => false,
    }
}

/// Legacy names end in a hash of the build.
fn with_hash(site: &Site<'_>) -> String {
    let plain = site.function.contains(['<', '{']) || site.report.build.seed.is_multiple_of(2);
    if plain {
        return site.function.clone();
    }
    format!("{}::h{}", site.function, Random::of(site.report.build.seed, &site.function).hex(16))
}

/// The legacy mangling; names with generics have no short form here and stay as they are.
fn mangled(site: &Site<'_>) -> String {
    if site.function.contains(['<', '{', '(', ' ']) {
        return with_hash(site);
    }
    let parts: String = site.function.split("::").map(|part| format!("{}{part}", part.len())).collect();
    format!("_ZN{parts}17h{}E", Random::of(site.report.build.seed, &site.function).hex(16))
}
