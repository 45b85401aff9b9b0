//! The unchanged `sentry-cli` against the web API: lists, and changes of issues.

use std::path::PathBuf;

use time::Duration;
use tokio::process::Command;

use super::{Served, event};

/// The native program that the npm package brings for this platform.
fn program() -> PathBuf {
    let packages = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node_modules/@sentry"));
    std::fs::read_dir(&packages)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin/sentry-cli")))
        .find(|path| path.exists() && !path.starts_with(packages.join("cli/")))
        .expect("sentry-cli is not installed: scripts/deps test does that")
}

/// Runs `sentry-cli`; its exit code and what it printed.
async fn run(served: &Served, token: &str, args: &[&str]) -> (Option<i32>, String) {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(program())
        .args(args)
        .env_clear()
        .envs([("SENTRY_URL", served.url.as_str()), ("SENTRY_ORG", "acme"), ("SENTRY_PROJECT", "shop")])
        .env("SENTRY_AUTH_TOKEN", token)
        .env("HOME", home.path())
        .current_dir(home.path())
        .output()
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

async fn served() -> (Served, String) {
    let served = Served::start().await;
    let events = (1..=3).map(|n| event(&served.shop, n, u8::try_from(n).unwrap(), Duration::minutes(n.into())));
    served.store(events.collect()).await;
    let token = served.database.token(&engine::access::SCOPES.map(|(scope, _)| scope)).await;
    (served, token)
}

#[tokio::test]
async fn lists_are_printed() {
    let (served, token) = served().await;
    // More than one page, so that the cursors are followed.
    let events = (10..=140).map(|n| event(&served.shop, n, u8::try_from(n).unwrap(), Duration::hours(1)));
    served.store(events.collect()).await;
    for (args, expected) in [
        (vec!["info"], vec!["event:admin"]),
        (vec!["organizations", "list"], vec!["acme"]),
        (vec!["projects", "list"], vec!["shop"]),
        (vec!["events", "list"], vec!["KeyError: k1", "KeyError: k140"]),
        (vec!["events", "list", "--show-user", "--show-tags"], vec!["color", "red", "ID: 7"]),
        (vec!["issues", "list"], vec!["SHOP-1 ", "KeyError: k3", "KeyError: k140"]),
        (vec!["issues", "list", "--query", "is:unresolved title:*k3"], vec!["KeyError: k3"]),
        (vec!["repos", "list"], vec![]),
    ] {
        let (code, printed) = run(&served, &token, &args).await;
        assert_eq!(code, Some(0), "{args:?}: {printed}");
        for text in expected {
            assert!(printed.contains(text), "{args:?} prints no {text:?}: {printed}");
        }
    }
    let (_, printed) = run(&served, &token, &["issues", "list", "--query", "title:*k3"]).await;
    assert!(!printed.contains("KeyError: k1 "), "{printed}");
}

#[tokio::test]
async fn issues_are_changed() {
    let (served, token) = served().await;
    let list = "/api/0/projects/acme/shop/issues/?query=";
    let ids = served.column(list, "id").await;
    let cases: [(&[&str], [&str; 3]); 7] = [
        (&["issues", "resolve", "-i", &ids[0], "-i", &ids[2]], ["resolved", "unresolved", "resolved"]),
        (&["issues", "mute", "-s", "unresolved"], ["resolved", "ignored", "resolved"]),
        (&["issues", "unresolve", "-i", &ids[0]], ["unresolved", "ignored", "resolved"]),
        (&["issues", "resolve", "--all"], ["resolved", "resolved", "resolved"]),
        (&["issues", "unresolve", "--all"], ["unresolved", "unresolved", "unresolved"]),
        (&["issues", "resolve", "--next-release", "-i", &ids[1]], ["unresolved", "resolved", "unresolved"]),
        (&["issues", "mute", "-i", &ids[1]], ["unresolved", "ignored", "unresolved"]),
    ];
    for (args, expected) in cases {
        let (code, printed) = run(&served, &token, args).await;
        assert_eq!(code, Some(0), "{args:?}: {printed}");
        assert_eq!(served.column(list, "status").await, expected, "{args:?}");
    }
}

#[tokio::test]
async fn refusals_are_printed_in_our_words() {
    let (served, _) = served().await;
    let (code, printed) = run(&served, "nonsense", &["issues", "list"]).await;
    assert_eq!(code, Some(1));
    assert!(printed.contains("Invalid token"), "{printed}");
    let token = served.database.token(&[engine::access::Scope::EventRead]).await;
    let (code, printed) = run(&served, &token, &["issues", "resolve", "--all"]).await;
    assert_eq!(code, Some(1));
    assert!(printed.contains("You do not have permission to perform this action."), "{printed}");
    let (code, printed) = run(&served, &token, &["issues", "list", "--query", "is:nothing"]).await;
    assert_eq!(code, Some(1));
    assert!(printed.contains("is: takes unresolved"), "{printed}");
}
