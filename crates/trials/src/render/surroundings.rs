//! What an event says besides its exceptions: users, releases, tags, requests, breadcrumbs.
//!
//! None of it may decide about a group, so all of it varies.

use serde_json::{Map, Value, json};

use crate::random::Random;
use crate::report::{Platform, Report, Thrown};
use crate::slots;

pub(super) fn add(event: &mut Map<String, Value>, report: &Report) {
    let mut random = Random::of(report.moment.surroundings, "surroundings");
    let number = random.below(1_000_000);
    let words = ["guests", "ledgers", "search", "mails", "feeds", "tickets", "rooms", "logins"];
    let route = words[usize::try_from(report.moment.route % 8).unwrap_or(0)];
    event.insert("event_id".into(), random.hex(32).into());
    event.insert("timestamp".into(), json!(1_772_000_000 + number));
    event.insert("release".into(), report.build.release.clone().into());
    event.insert("environment".into(), ["production", "staging", "prod-eu"][random.below(3)].into());
    event.insert("transaction".into(), format!("/{route}/").into());
    event.insert("tags".into(), json!({ "region": format!("r{}", random.below(9)), "build": report.build.seed % 99 }));
    event.insert("user".into(), json!({ "id": number, "ip_address": format!("203.0.113.{}", number % 250) }));
    event.insert(
        "contexts".into(),
        json!({ "runtime": { "name": "rt", "version": format!("1.{}", report.build.libraries) } }),
    );
    event.insert(
        "breadcrumbs".into(),
        json!({ "values": [{ "category": "query", "message": format!("select {number}"), "timestamp": 1_772_000_000 }] }),
    );
    if report.csp.is_none() {
        event.insert("server_name".into(), format!("web-{}", random.below(60)).into());
        event.insert("level".into(), ["error", "fatal"][random.below(2)].into());
    }
    let version = if report.habits.other_version { "9.9.9" } else { "2.30.0" };
    event.insert("sdk".into(), json!({ "name": sdk(report.platform), "version": version }));
    if matches!(report.platform, Platform::BrowserMapped | Platform::BrowserMinified) {
        let agent = format!("Mozilla/5.0 ({})", report.moment.browser);
        let url = format!("https://shop.example.com/{route}?visit={number}");
        event.insert("request".into(), json!({ "url": url, "headers": { "User-Agent": agent } }));
    }
}

fn sdk(platform: Platform) -> &'static str {
    match platform {
        Platform::Python | Platform::Message => "sentry.python.django",
        Platform::BrowserMapped | Platform::BrowserMinified | Platform::Csp => "sentry.javascript.react",
        Platform::Node => "sentry.javascript.node",
        Platform::Java => "sentry.java.spring-boot",
        Platform::Csharp => "sentry.dotnet.aspnetcore",
        Platform::Php => "sentry.php.laravel",
        Platform::Ruby => "sentry.ruby.rails",
        Platform::Go => "sentry.go",
        Platform::Rust => "sentry.rust",
        Platform::Native => "sentry.native",
        Platform::Cocoa => "sentry.cocoa",
        Platform::Dart => "sentry.dart.flutter",
        Platform::Elixir => "sentry.elixir",
        Platform::ReactNative => "sentry.javascript.react-native",
    }
}

/// How the SDK noticed, and what else it says about the exception itself.
pub(super) fn mechanism(value: &mut Map<String, Value>, report: &Report, thrown: &Thrown) {
    let is_signal = ["SIG", "EXC_", "EXCEPTION_"].iter().any(|start| thrown.kind.starts_with(start));
    let mechanism = match report.platform {
        Platform::Native if is_signal => {
            json!({ "type": "signalhandler", "synthetic": true, "handled": false, "meta": { "signal": { "name": thrown.kind } } })
        }
        Platform::Cocoa if is_signal => {
            json!({ "type": "mach", "handled": false, "synthetic": true, "meta": { "mach_exception": { "exception": 1 } } })
        }
        Platform::Rust => json!({ "type": "panic", "handled": false }),
        Platform::Message => return,
        _ => json!({ "type": "generic", "handled": report.moment.surroundings.is_multiple_of(2) }),
    };
    value.insert("mechanism".into(), mechanism);
    if report.platform == Platform::Java
        && let Some((module, kind)) = thrown.kind.rsplit_once('.')
    {
        // The SDK sends the package of the class apart from its name.
        value.insert("module".into(), module.into());
        value.insert("type".into(), slots::fill(kind, report.build.seed).into());
    }
}

pub(super) fn csp(report: &Report, directive: &str, blocked: &str) -> Value {
    let page = Random::of(report.moment.surroundings, "page").below(5000);
    json!({
        "document_uri": format!("https://shop.example.com/pages/{page}"),
        "referrer": "",
        "violated_directive": format!("{directive} 'self'"),
        "effective_directive": directive,
        "original_policy": format!("default-src 'self'; {directive} 'self'; report-uri /csp"),
        "blocked_uri": blocked,
        "source_file": format!("https://shop.example.com/static/{page}.js"),
        "status_code": 200,
    })
}
