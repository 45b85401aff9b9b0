//! C, C++, Rust, Swift and Objective-C: whose frame it is, and where it lies. Names are read in
//! `names`.

mod names;

use std::borrow::Cow;

use super::{APP, LIBRARY, MACHINERY, RAISE, RUNTIME, Ruling, SDK, lies_in, path, starts_with_any};
use crate::event::Frame;
use crate::grouping::paths;

pub(super) use names::function;

/// Where panics, exceptions, aborts and signals enter: what is newer only handles them.
const RAISING: &[&str] = &[
    "core::panicking::panic",
    "core::panicking::assert_failed",
    "core::option::expect_failed",
    "core::option::unwrap_failed",
    "core::result::unwrap_failed",
    "core::slice::index::slice_",
    "core::str::slice_error",
    "alloc::raw_vec::capacity_overflow",
    "alloc::alloc::handle_alloc_error",
    "std::panicking::begin_panic",
    "std::panicking::rust_panic",
    "rust_begin_unwind",
    "__rustc::rust_begin_unwind",
    "rust_panic",
    "__pthread_kill",
    "pthread_kill",
    "gsignal",
    "raise",
    "abort",
    "__assert_fail",
    "__assert_rtn",
    "__chk_fail",
    "__fortify_fail",
    "__stack_chk_fail",
    "__cxa_throw",
    "__cxa_rethrow",
    "__cxa_bad_",
    "std::terminate",
    "__terminate",
    "std::__throw_",
    "std::__1::__throw_",
    "objc_exception_throw",
    "__exceptionPreprocess",
    "+[NSException raise",
    "-[NSException raise",
    "swift_unexpectedError",
    "_swift_runtime_on_report",
    "_assertionFailure",
    "Swift._assertionFailure",
    "Swift._fatalErrorMessage",
    "_sigtramp",
    "__restore_rt",
    "<signal handler called>",
    "KiUserExceptionDispatcher",
    "RaiseException",
    "_CxxThrowException",
];

/// What stands below and between, in some versions of a compiler or a system only.
const COMING_AND_GOING: &[&str] = &[
    "std::panicking",
    "core::panicking",
    "std::panic::",
    "core::panic::",
    "core::ops::function",
    "std::sys::backtrace",
    "std::sys_common::backtrace",
    "__rust_",
    "___rust_",
    "<alloc::boxed::Box",
    "alloc::boxed::",
    "__GI_",
    "_Unwind_",
    "std::rt::",
    "std::function",
    "std::__1::function",
    "std::__function::",
    "std::__1::__function::",
    "std::_Function_handler",
    "std::invoke",
    "std::__invoke",
    "std::__1::__invoke",
    "__libc_start",
    "_start",
    "__scrt_",
    "BaseThreadInitThunk",
    "RtlUserThreadStart",
    "invoke_main",
    "start_thread",
    "clone3",
    "__clone",
    "_pthread_",
    "thread_start",
    "_dispatch_",
    "swift_job_run",
    "swift::runJobInEstablishedExecutorContext",
    "completeTaskWithClosure",
];

const LIBRARIES: &[&str] = &[
    "<actix",
    "<alloc::",
    "<anyhow::",
    "<axum",
    "<core::",
    "<diesel::",
    "<futures",
    "<hyper",
    "<reqwest::",
    "<serde",
    "<sqlx",
    "<std::",
    "<tokio::",
    "<tower",
    "<tracing",
    "Alamofire.",
    "Combine.",
    "Eigen::",
    "Foundation.",
    "Kingfisher.",
    "NIO.",
    "NIOCore.",
    "NIOPosix.",
    "Poco::",
    "QCoreApplication::",
    "QObject::",
    "Realm.",
    "RealmSwift.",
    "RxSwift.",
    "SnapKit.",
    "Swift.",
    "SwiftUI.",
    "UIKit.",
    "Vapor.",
    "XCTest.",
    "__gnu_cxx::",
    "absl::",
    "actix",
    "alloc::",
    "anyhow::",
    "asio::",
    "async_std::",
    "aws_",
    "axum",
    "bevy_",
    "boost::",
    "clap::",
    "cocos2d::",
    "core::",
    "crossbeam",
    "cv::",
    "diesel::",
    "eframe::",
    "egui::",
    "fmt::",
    "folly::",
    "futures",
    "google::protobuf::",
    "grpc::",
    "grpc_core::",
    "gtk::",
    "h2::",
    "hyper::",
    "lapin::",
    "mio::",
    "mongodb::",
    "native_tls::",
    "nlohmann::",
    "openssl::",
    "parking_lot::",
    "prost::",
    "rapidjson::",
    "rayon",
    "redis::",
    "regex::",
    "reqwest::",
    "rocket::",
    "rustls::",
    "sea_orm::",
    "serde",
    "spdlog::",
    "sqlx",
    "std::",
    "testing::",
    "tokio::",
    "tokio_",
    "tonic::",
    "tower",
    "tracing",
    "tungstenite::",
    "v8::",
    "wgpu",
    "winit::",
];

const SYSTEM_IMAGES: &[&str] = &[
    "/usr/lib/",
    "/lib/",
    "/lib64/",
    "/System/",
    "/Library/Apple/",
    "/usr/local/lib/",
    "C:\\Windows\\",
    "C:\\WINDOWS\\",
    "/apex/",
    "/system/",
    "/vendor/lib",
    "/private/var/containers/Bundle/Application/Frameworks/",
];

/// Images of the system by name, where the path is missing.
const SYSTEM_NAMES: &[&str] = &[
    "libc.so",
    "libc++",
    "libstdc++",
    "libpthread",
    "libm.so",
    "libdispatch",
    "libsystem_",
    "libobjc",
    "libswift",
    "libart.so",
    "ld-linux",
    "ntdll",
    "kernel32",
    "KERNELBASE",
    "ucrtbase",
    "VCRUNTIME",
    "MSVCP",
    "dyld",
    "linux-vdso",
];

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    let function = frame.function.or_empty();
    if starts_with_any(function, &["sentry", "<sentry", "-[Sentry", "+[Sentry"]) {
        return Some(SDK);
    }
    // `abort` is one, a function of ours called `abort_order` is not.
    let raises = RAISING.iter().any(|name| {
        function.strip_prefix(name).is_some_and(|rest| {
            name.contains(':')
                || !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                || name.starts_with('_')
        })
    });
    if raises {
        return Some(RAISE);
    }
    if starts_with_any(function, COMING_AND_GOING) {
        return Some(MACHINERY);
    }
    lies_in(path(frame), &["/rustc/", "/.cargo/registry/", "/.cargo/git/", "/cargo/registry/", "/rustlib/"])
        .then_some(LIBRARY)
}

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    let package = frame.package.or_empty();
    if is_system_image(package) {
        return RUNTIME;
    }
    // Frameworks of Apple are named without a path.
    let framework = !package.is_empty() && !package.contains(['/', '\\']) && path(frame).is_empty();
    let vendored =
        lies_in(path(frame), &["/third_party/", "/vendor/", "/usr/include/", "/Pods/", "/SourcePackages/checkouts/"]);
    if framework || vendored || is_of_library(frame.function.or_empty()) { LIBRARY } else { APP }
}

/// A function of a well-known library, also as the method of one of its types.
fn is_of_library(function: &str) -> bool {
    starts_with_any(function, LIBRARIES) || starts_with_any(function.trim_start_matches(['<', '_', '&']), LIBRARIES)
}

/// A qualified name says which file is meant; another one needs the folder, because every library
/// has its `util.c` with an `init` in it.
pub(super) fn place<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let path = path(frame);
    if names::is_qualified(frame.function.or_empty()) { paths::base(path) } else { paths::short(path) }
}

/// The operating system's own.
pub(super) fn is_system_image(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    path.starts_with('[')
        || (starts_with_any(path, SYSTEM_IMAGES) && !path.contains(".app/"))
        || starts_with_any(name, SYSTEM_NAMES)
}
