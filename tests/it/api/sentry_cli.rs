//! The unchanged `sentry-cli` of both majors against the whole server.
//!
//! `table` holds every command; the rest here is about what a table cannot say: pages that are followed,
//! searches, and tokens that carry where they belong.

mod table;

use std::path::PathBuf;

use engine::access::{SCOPES, Scope};
use firefinch::secrets;
use time::{Duration, OffsetDateTime};
use tokio::process::Command;

use super::{Served, event};

/// A major version of the program; npm brings both side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Major {
    Two,
    Three,
}

const BOTH: [Major; 2] = [Major::Two, Major::Three];

impl Major {
    /// The native program that the npm package brings for this platform.
    fn program(self) -> PathBuf {
        let modules = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node_modules"));
        let packages = match self {
            Self::Two => modules.join("sentry-cli-2/node_modules/@sentry"),
            Self::Three => modules.join("@sentry"),
        };
        std::fs::read_dir(&packages)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path().join("bin/sentry-cli")))
            .find(|path| path.exists() && !path.starts_with(packages.join("cli/")))
            .expect("sentry-cli is not installed: scripts/deps test does that")
    }
}

/// How a command ended, and what it printed.
struct Ran {
    code: Option<i32>,
    printed: String,
}

/// The program with a home of its own.
struct Cli {
    major: Major,
    home: tempfile::TempDir,
    settings: Vec<(&'static str, String)>,
}

impl Cli {
    fn new(major: Major, url: &str, token: &str) -> Self {
        let settings = vec![
            ("SENTRY_URL", url.to_owned()),
            ("SENTRY_ORG", "acme".into()),
            ("SENTRY_PROJECT", "shop".into()),
            ("SENTRY_AUTH_TOKEN", token.to_owned()),
        ];
        Self { major, home: tempfile::tempdir().unwrap(), settings }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.retain(|(known, _)| *known != name);
        if !value.is_empty() {
            self.settings.push((name, value.to_owned()));
        }
        self
    }

    async fn run(&self, args: &[&str]) -> Ran {
        let output = Command::new(self.major.program())
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            // Waiting before it tries again would only make the tests longer.
            .env("SENTRY_HTTP_MAX_RETRIES", "0")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home.path())
            .output()
            .await
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code(), printed: text(&output.stdout) + &text(&output.stderr) }
    }
}

async fn served() -> (Served, String) {
    let served = Served::start().await;
    let events = (1..=3).map(|n| event(&served.shop, n, u8::try_from(n).unwrap(), Duration::minutes(n.into())));
    served.store(events.collect()).await;
    let token = served.database.token(&SCOPES.map(|(scope, _)| scope)).await;
    (served, token)
}

#[tokio::test]
async fn lists_are_followed_to_their_end() {
    let (served, token) = served().await;
    // More than one page, so that the cursors are followed.
    let events = (10..=140).map(|n| event(&served.shop, n, u8::try_from(n).unwrap(), Duration::hours(1)));
    served.store(events.collect()).await;
    for major in BOTH {
        let cli = Cli::new(major, &served.url, &token);
        for (args, expected) in [
            (vec!["events", "list"], vec!["KeyError: k1", "KeyError: k140"]),
            (vec!["events", "list", "--show-user", "--show-tags"], vec!["color", "red", "ID: 7"]),
            (vec!["issues", "list"], vec!["SHOP-1 ", "KeyError: k3", "KeyError: k140"]),
            (vec!["issues", "list", "--query", "is:unresolved title:*k3"], vec!["KeyError: k3"]),
        ] {
            let ran = cli.run(&args).await;
            assert_eq!(ran.code, Some(0), "{major:?} {args:?}: {}", ran.printed);
            for text in expected {
                assert!(ran.printed.contains(text), "{major:?} {args:?} prints no {text:?}: {}", ran.printed);
            }
        }
        let printed = cli.run(&["issues", "list", "--query", "title:*k3"]).await.printed;
        assert!(!printed.contains("KeyError: k1 "), "{printed}");
    }
}

#[tokio::test]
async fn releases_of_all_projects_are_listed_where_none_is_named() {
    let (served, token) = served().await;
    served.database.project("till").await;
    for major in BOTH {
        let cli = Cli::new(major, &served.url, &token);
        assert_eq!(cli.run(&["releases", "new", "-p", "till", "till@1"]).await.code, Some(0));
        assert_eq!(cli.run(&["releases", "new", "shop@9"]).await.code, Some(0));
        let own = cli.run(&["releases", "list"]).await.printed;
        assert!(own.contains("shop@9") && !own.contains("till@1"), "{major:?}: {own}");
        let all = Cli::new(major, &served.url, &token).with("SENTRY_PROJECT", "").run(&["releases", "list"]).await;
        assert_eq!(all.code, Some(0), "{major:?}: {}", all.printed);
        assert!(all.printed.contains("shop@9") && all.printed.contains("till@1"), "{major:?}: {}", all.printed);
    }
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
    for major in BOTH {
        let cli = Cli::new(major, &served.url, &token);
        assert_eq!(cli.run(&["issues", "unresolve", "--all"]).await.code, Some(0));
        for (args, expected) in cases {
            let ran = cli.run(args).await;
            assert_eq!(ran.code, Some(0), "{major:?} {args:?}: {}", ran.printed);
            assert_eq!(served.column(list, "status").await, expected, "{major:?} {args:?}");
        }
    }
}

#[tokio::test]
async fn refusals_are_printed_in_our_words() {
    let (served, _) = served().await;
    let reader = served.database.token(&[Scope::EventRead]).await;
    for major in BOTH {
        for (token, args, expected) in [
            ("nonsense", vec!["issues", "list"], "Invalid token"),
            (&reader, vec!["issues", "resolve", "--all"], "You do not have permission to perform this action."),
            (&reader, vec!["releases", "new", "1.0"], "You do not have permission to perform this action."),
            (&reader, vec!["issues", "list", "--query", "is:nothing"], "is: takes unresolved"),
        ] {
            let ran = Cli::new(major, &served.url, token).run(&args).await;
            assert_eq!(ran.code, Some(1), "{major:?} {args:?}: {}", ran.printed);
            assert!(ran.printed.contains(expected), "{major:?} {args:?}: {}", ran.printed);
        }
    }
}

#[tokio::test]
async fn a_token_of_the_organization_tells_where_it_belongs() {
    let (served, _) = served().await;
    let now = OffsetDateTime::now_utc();
    let organization = secrets::organization_token(&served.url, "acme", now);
    let person = secrets::user_token();
    for (secret, scopes) in [(&organization, &[Scope::OrgCi][..]), (&person, &[Scope::ProjectReleases])] {
        let new = store::people::tokens::NewToken {
            name: "ci",
            hash: &secret.hash,
            hint: &secret.hint(),
            home: None,
            scopes,
            reach: &engine::access::Reach::All,
            now,
            expires_at: None,
        };
        store::people::tokens::create(&served.database.pool, new).await.unwrap();
    }
    for major in BOTH {
        // Neither URL nor organization: both are in the token.
        let cli = Cli::new(major, "", &organization.text).with("SENTRY_URL", "").with("SENTRY_ORG", "");
        let version = format!("by-token-{major:?}");
        let ran = cli.run(&["releases", "new", &version]).await;
        assert_eq!(ran.code, Some(0), "{}", ran.printed);
        let person = Cli::new(major, &served.url, &person.text);
        assert_eq!(person.run(&["releases", "finalize", &version]).await.code, Some(0));
        assert!(cli.run(&["info"]).await.printed.contains("org:ci"));
    }
    let revoke = "update api_tokens set revoked_at = now()";
    sqlx::query(revoke).execute(&served.database.pool).await.unwrap();
    let ran = Cli::new(Major::Three, &served.url, &organization.text).run(&["releases", "new", "late"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.printed.contains("Invalid token"), "{}", ran.printed);
}
