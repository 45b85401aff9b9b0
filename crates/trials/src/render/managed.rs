//! Frames of Java, .NET, Go, Dart and Elixir.

use serde_json::{Value, json};

use super::Site;
use crate::report::Role;

/// `place` is a class; its file is that of the outermost class.
pub(super) fn java(site: &Site<'_>) -> Value {
    let class = site.place.rsplit('.').next().unwrap_or_default();
    let outer = class.split("$$").next().unwrap_or(class).split('$').next().unwrap_or(class);
    let outer = outer.strip_suffix("Kt").unwrap_or(outer);
    let kotlin = site.place.contains(".kt.") || class.ends_with("Kt");
    let generated = class.contains("$$") || class.contains("GeneratedMethodAccessor") || class.starts_with('$');
    let file =
        if generated { "<generated>".to_owned() } else { format!("{outer}.{}", if kotlin { "kt" } else { "java" }) };
    let mut frame = json!({
        "module": site.place, "function": site.function, "filename": file, "abs_path": file, "in_app": site.app(), "native": false,
    });
    if !generated {
        frame["lineno"] = site.line.into();
    }
    frame
}

/// `place` is a class.
pub(super) fn csharp(site: &Site<'_>) -> Value {
    let mut frame = json!({
        "module": site.place, "function": site.function, "in_app": site.app(),
        "package": match site.frame.role {
            Role::App => format!("Shop.Web, Version=1.{}.0.0, Culture=neutral, PublicKeyToken=null", site.report.build.seed % 90),
            _ => format!("{}, Version=8.0.{}.0, Culture=neutral", site.place, site.report.build.libraries),
        },
        "instruction_addr": format!("0x{:x}", 0x100 + site.memory % 0xfff),
    });
    if site.app() {
        let class = site.place.split(['+', '`']).next().unwrap_or_default().replace("Shop.", "").replace('.', "/");
        let root = site.root(&[
            "C:\\agent\\_work\\12\\s\\src",
            "C:\\agent\\_work\\7\\s\\src",
            "/src",
            "/home/runner/work/shop/src",
        ]);
        let path = format!("{root}/{class}.cs");
        let path = if root.contains('\\') { path.replace('/', "\\") } else { path };
        frame["filename"] = path.clone().into();
        frame["abs_path"] = path.into();
        frame["lineno"] = site.line.into();
    }
    frame
}

/// `place` is the path of a file; its folder is the package.
pub(super) fn go(site: &Site<'_>) -> Value {
    let (package, file) = site.place.rsplit_once('/').unwrap_or(("main", site.place.as_str()));
    let root = site.root(&["/build/src", "/go/src", "/home/ci/work", "/app"]);
    let path = match site.frame.role {
        Role::App => format!("{root}/{package}/{file}"),
        Role::Library if site.report.habits.vendored => format!("{root}/acme/vendor/{package}/{file}"),
        Role::Library => {
            let mut parts = package.splitn(4, '/');
            let module: Vec<&str> = parts.by_ref().take(3).collect();
            let rest = parts.next().map(|rest| format!("/{rest}")).unwrap_or_default();
            format!("/go/pkg/mod/{}@v1.{}.0{rest}/{file}", module.join("/"), 8 + site.report.build.libraries)
        }
        Role::System => {
            format!("{}/src/{package}/{file}", site.version(&["/usr/local/go", "/usr/lib/go-1.23", "/opt/go1.24"]))
        }
    };
    json!({ "module": package, "function": site.function, "abs_path": path, "lineno": site.line, "in_app": site.app() })
}

/// `place` is a package URI without `package:`.
pub(super) fn dart(site: &Site<'_>) -> Value {
    let path = if site.frame.role == Role::System {
        format!("dart:{}", site.place)
    } else {
        format!("package:{}", site.place)
    };
    let package = site.place.split('/').next().unwrap_or_default();
    json!({
        "filename": site.base(), "abs_path": path, "package": package, "function": site.function,
        "lineno": site.line, "colno": 5 + site.line % 40, "in_app": site.app(),
    })
}

/// `place` is `Module path/to/file.ex`.
pub(super) fn elixir(site: &Site<'_>) -> Value {
    let (module, path) = site.place.split_once(' ').unwrap_or((site.place.as_str(), ""));
    json!({
        "module": module, "filename": path, "function": format!("{module}.{}", site.function),
        "lineno": site.line, "in_app": site.app(),
    })
}
