//! Frames of Python, JavaScript, PHP and Ruby.

use serde_json::{Value, json};

use super::Site;
use crate::random::{Random, hash};
use crate::report::Role;

/// `place` is a dotted module.
pub(super) fn python(site: &Site<'_>) -> Value {
    if site.place.starts_with('<') {
        return json!({ "filename": site.place, "abs_path": site.place, "function": site.function, "lineno": 2, "in_app": true });
    }
    let path = format!("{}.py", site.place.replace('.', "/"));
    let python = site.version(&["python3.11", "python3.12", "python3.13"]);
    let root = site.root(&[
        "/srv/app/releases/20260101",
        "/srv/app/releases/20260322",
        "/usr/src/app",
        "/home/deploy/current",
        "/builds/team/backend",
    ]);
    let abs_path = match site.frame.role {
        Role::App => format!("{root}/{path}"),
        Role::Library => format!("{root}/venv/lib/{python}/site-packages/{path}"),
        Role::System => format!("/usr/local/lib/{python}/{path}"),
    };
    json!({
        "module": site.place, "filename": path, "abs_path": abs_path, "function": site.function,
        "lineno": site.line, "in_app": site.app(),
    })
}

/// `place` is the path of a source; frames as they are once a source map was applied.
pub(super) fn mapped(site: &Site<'_>) -> Value {
    if site.frame.role == Role::System {
        return native_code(site);
    }
    let bundle = bundle(site);
    let path = site.place.trim_start_matches("./");
    let module = path.trim_start_matches("node_modules/").rsplit_once('.').map_or(path, |(stem, _)| stem);
    json!({
        "filename": format!("./{path}"), "abs_path": format!("webpack:///./{path}"), "module": module,
        "function": named(site), "lineno": site.line, "colno": 5 + site.line % 40 + site.report.build.columns,
        "in_app": site.app(), "data": { "sourcemap": format!("{bundle}.map") },
    })
}

/// As the browser's SDK sends them: everything is the user's, and nothing has its name.
pub(super) fn minified(site: &Site<'_>) -> Value {
    if site.frame.role == Role::System {
        return native_code(site);
    }
    let column = 1000 + hash(&site.frame.function) % 90_000 + u64::from(site.frame.statement) * 31;
    json!({
        "filename": bundle(site), "function": shortened(site), "lineno": 1 + u64::from(site.report.build.lines % 3),
        "colno": column + u64::from(site.report.build.columns), "in_app": true,
    })
}

/// `place` is the path of a source; Hermes names are kept, the bundle is one file.
pub(super) fn react_native(site: &Site<'_>) -> Value {
    if site.frame.role == Role::System {
        return json!({ "function": site.function, "filename": "native", "in_app": false });
    }
    let root = site.root(&["app:///main.jsbundle", "app:///index.android.bundle", "index.android.bundle"]);
    let column = 1000 + hash(&site.frame.function) % 90_000 + u64::from(site.report.build.columns);
    json!({
        "filename": root, "abs_path": root, "function": site.function, "lineno": 1, "colno": column, "in_app": site.app(),
    })
}

/// `place` is a path; `node:…` for the runtime, a path inside `node_modules` for libraries.
pub(super) fn node(site: &Site<'_>) -> Value {
    if site.frame.role == Role::System {
        let module = site.place.trim_start_matches("node:internal/").trim_start_matches("node:");
        return json!({
            "filename": site.place, "module": module, "function": site.function,
            "lineno": site.line, "colno": 11, "in_app": false,
        });
    }
    let root = site.root(&["/srv/app/releases/20260101/api", "/usr/src/app", "/app", "/home/ci/work/api", "/var/task"]);
    let path = match site.frame.role {
        Role::Library if site.report.build.root % 2 == 1 => {
            let package = site.place.split('/').next().unwrap_or_default();
            let version = site.version(&["4.18.2", "4.19.0", "5.0.1"]);
            format!("{root}/node_modules/.pnpm/{package}@{version}/node_modules/{}", site.place)
        }
        Role::Library => format!("{root}/node_modules/{}", site.place),
        _ => format!("{root}/{}", site.place),
    };
    let stem = site.base().rsplit_once('.').map_or(site.base(), |(stem, _)| stem);
    let folder = site.place.rsplit_once('/').map_or("", |(folder, _)| folder).replace('/', ".");
    json!({
        "filename": path, "abs_path": path, "module": format!("{folder}:{stem}").trim_start_matches(':'),
        "function": site.function, "lineno": site.line, "colno": 5 + site.line % 40 + site.report.build.columns,
        "in_app": site.app(),
    })
}

/// `place` is the path below the project.
pub(super) fn php(site: &Site<'_>) -> Value {
    let root =
        site.root(&["/var/www/releases/41", "/var/www/releases/57", "/app", "/home/forge/example.com", "/var/task"]);
    let path = match site.frame.role {
        Role::App => format!("/{}", site.place),
        _ => format!("/vendor/{}", site.place),
    };
    json!({
        "filename": path, "abs_path": format!("{root}{path}"), "function": site.function.replace("{root}", root),
        "raw_function": site.function.replace("{root}", root), "lineno": site.line, "in_app": site.app(),
    })
}

/// `place` is the path below the project, or below the gems.
pub(super) fn ruby(site: &Site<'_>) -> Value {
    let root =
        site.root(&["/srv/app/releases/20260101", "/srv/app/releases/20260322", "/app", "/home/deploy/shop/current"]);
    let ruby = site.version(&["3.2.0", "3.3.0", "3.4.0"]);
    let abs_path = match site.frame.role {
        Role::App => format!("{root}/{}", site.place),
        Role::Library => {
            let (gem, rest) = site.place.split_once('/').unwrap_or((site.place.as_str(), "lib.rb"));
            let version = site.version(&["7.0.4", "7.0.8", "7.1.2"]);
            format!("/usr/local/bundle/ruby/{ruby}/gems/{gem}-{version}/lib/{rest}")
        }
        Role::System => format!("/usr/local/lib/ruby/{ruby}/{}", site.place),
    };
    json!({
        "filename": site.place, "abs_path": abs_path, "project_root": root, "function": site.function,
        "lineno": site.line, "in_app": site.app(),
    })
}

fn native_code(site: &Site<'_>) -> Value {
    if site.function.starts_with("chrome-extension:") {
        return json!({ "filename": site.function, "function": "wrapped", "lineno": 1, "colno": 77, "in_app": true });
    }
    json!({ "filename": "<anonymous>", "function": site.function, "in_app": true })
}

/// A function as the browser names it; mapped names carry the browser's decorations too.
fn named(site: &Site<'_>) -> String {
    let name = &site.function;
    match site.report.moment.browser {
        "chrome" if name == "?" => "?".to_owned(),
        "firefox" if name == "?" => {
            let caller = site.report.frames().iter().rev().find(|frame| frame.function != "?");
            format!("{}/<", caller.map_or("", |frame| frame.function.as_str()))
        }
        "safari" => name.rsplit('.').next().unwrap_or(name).to_owned(),
        "chrome" if !name.contains('.') && hash(name).is_multiple_of(3) => format!("Object.{name}"),
        "firefox" if hash(name).is_multiple_of(5) => format!("async*{name}"),
        _ => name.clone(),
    }
}

/// A minifier renames functions and classes of its own choice, and never what is called by name.
fn shortened(site: &Site<'_>) -> String {
    let short = |text: &str| {
        let mut random = Random::of(site.report.build.names, text);
        random.text("abcdefghijklmnopqrstuvwxyzABCDEFGH", 1 + random.clone().below(2))
    };
    match (site.frame.function.rsplit_once('.'), site.report.moment.browser) {
        (Some((_, method)), "safari" | "firefox") => method.to_owned(),
        (Some((class, method)), _) => format!("{}.{method}", short(class)),
        (None, "firefox") if site.frame.function == "?" => format!("{}/<", short(&site.place)),
        (None, _) if site.frame.function == "?" => "?".to_owned(),
        // Handlers of the page are properties: they keep their names.
        (None, _) if site.frame.function.starts_with("on") => site.frame.function.clone(),
        (None, _) => short(&site.frame.function),
    }
}

/// How many styles of bundlers there are, and the one that numbers its chunks.
const STYLES: u64 = 6;
const NUMBERED: u64 = 4;

/// True if this application's bundler names chunks by numbers only.
pub(super) fn numbers_chunks(name: &str) -> bool {
    hash(name) % STYLES == NUMBERED
}

/// Where the bundler of this application puts a source: one style for each application.
fn bundle(site: &Site<'_>) -> String {
    let build = &site.report.build;
    let vendor = site.frame.role == Role::Library;
    let page = site.place.split('/').nth(2).unwrap_or("main").split('.').next().unwrap_or("main").to_lowercase();
    let stem = if vendor { "vendor".to_owned() } else { page };
    let mut random = Random::of(build.seed, &stem);
    let host = site.root(&["https://shop.example.com", "https://cdn1.example.net", "https://assets.example.com"]);
    match hash(&site.report.name) % STYLES {
        0 => format!("{host}/static/js/{stem}.{}.js", random.hex(8)),
        1 => {
            let base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
            format!("{host}/assets/{stem}-{}Z{}.js", random.text(base64, 4), random.below(900) + 100)
        }
        2 => format!("{host}/_next/static/chunks/{}-{}.js", if vendor { "framework" } else { &stem }, random.hex(16)),
        3 => format!("{host}/js/{stem}.js?v={}", random.hex(10)),
        NUMBERED => format!("{host}/packs/{}.{}.chunk.js", 100 + random.below(800), random.hex(20)),
        _ => format!("{host}/static/{}/{stem}.min.js", random.hex(12)),
    }
}
