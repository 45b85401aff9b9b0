//! Example messages: one of every form, and one of hostile texts. Only for tests, of this crate and of those that
//! render messages (feature `samples`).

use time::OffsetDateTime;
use time::macros::datetime;

use super::frame::Frame;
use super::message::{
    Calm, Digest, Earlier, Head, Limit, Message, Note, NoteFacts, Rate, RuleNote, Shared, Test, Thread, TopIssue,
};
use super::{Counts, Deploy, Event, Issue, Kind, Notice, Person, Project};
use crate::ids::{DeployId, EventId, IssueId, ProjectId};
use crate::verdict::{Grade, Verdict};
use crate::watch::End;
use crate::watch::summary::{Marked, Summary, WayBack};

/// When the storm of the samples began.
const BEGAN: OffsetDateTime = datetime!(2026-11-22 16:40:20 UTC);

/// One message of every form and kind, by name: for tests that want all of them.
#[must_use]
pub fn all() -> Vec<(&'static str, Message)> {
    let mut all = vec![
        ("new", Message::Issue(new_issue())),
        ("deployed", Message::Issue(deployed_issue())),
        ("regressed", Message::Issue(regressed_issue())),
        ("escalating", Message::Issue(escalating_issue())),
        ("resolved", Message::Issue(resolved_issue())),
        ("list", Message::Digest(list())),
        ("storm", Message::Digest(storm())),
        ("storm-update", Message::Digest(storm_update())),
        ("calm", Message::Calm(calm())),
        ("limit", Message::Limit(limit())),
        ("test", Message::Test(test())),
        ("hostile-issue", Message::Issue(hostile_issue())),
        ("hostile-storm", Message::Digest(hostile_storm())),
        ("hostile-watch", Message::Note(watch_note(hostile_watch()))),
        ("watch-good", Message::Note(watch_note(calm_watch()))),
    ];
    for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_of_issue()) {
        all.push((kind.as_str(), Message::Note(note(kind))));
    }
    all
}

fn head(id: &str, thread: &str) -> Head {
    Head {
        id: id.to_owned(),
        base_url: "https://errors.example".to_owned(),
        thread: Thread { key: thread.to_owned(), ..Thread::default() },
        rule: Some(RuleNote { id: 4, name: "On call".to_owned() }),
    }
}

/// A new issue of a browser application, as the pictures of the mail show it.
#[must_use]
pub fn new_issue() -> Notice {
    let frame = serde_json::json!({"exception": {"values": [{"type": "TypeError", "stacktrace": {"frames": [{
        "function": "placeOrder", "filename": "src/checkout/placeOrder.ts", "lineno": 88, "colno": 80, "in_app": true,
        "pre_context": [
            "  // a quote may now come back without a preferred method",
            "  const method = quote.paymentMethods.find((m) => m.preferred);"
        ],
        "context_line": "  const order = await api.post('/v2/orders', { quote: quote.id, method: method.id });",
        "post_context": ["  track('order_placed', { id: order.id, total: order.total });", "  return order;"]
    }]}}]}});
    Notice {
        head: head("msg_7", "issue-412"),
        signal: 3,
        kind: Kind::New,
        at: datetime!(2026-11-22 14:02:14 UTC),
        project: Project { id: ProjectId(2), slug: "shop-web".to_owned(), name: "Shop".to_owned() },
        issue: Issue {
            id: IssueId(412),
            short_id: "SHOP-WEB-CW".to_owned(),
            status: "unresolved".to_owned(),
            substatus: "new".to_owned(),
            level: "error".to_owned(),
            platform: "javascript".to_owned(),
            ty: "TypeError".to_owned(),
            value: "Cannot read properties of undefined (reading 'id')".to_owned(),
            title: "TypeError: Cannot read properties of undefined (reading 'id')".to_owned(),
            culprit: "placeOrder".to_owned(),
            first_seen: datetime!(2026-11-22 14:02:14 UTC),
            last_seen: datetime!(2026-11-22 14:02:41 UTC),
            first_release: Some("shop-web@4.7.1".to_owned()),
            last_release: Some("shop-web@4.7.1".to_owned()),
            events: 8,
            users: 6,
            minutes: vec![(0, 8)],
            assignee: None,
        },
        event: Some(Event {
            id: EventId(uuid::uuid!("9d2f4b1c00000000000000000000a001")),
            received_at: datetime!(2026-11-22 14:02:14 UTC),
            occurred_at: datetime!(2026-11-22 14:02:13 UTC),
            title: "TypeError: Cannot read properties of undefined (reading 'id')".to_owned(),
            culprit: "placeOrder".to_owned(),
            transaction: Some("/checkout".to_owned()),
            server_name: None,
            frame: Frame::find(&frame),
        }),
        release: Some("shop-web@4.7.1".to_owned()),
        environment: Some("production".to_owned()),
        reason: Some("First event of this issue.".to_owned()),
        deploy: None,
    }
}

/// The same issue, 14 seconds after its release went to production.
#[must_use]
pub fn deployed_issue() -> Notice {
    let mut notice = new_issue();
    notice.deploy = Some(Deploy {
        version: "shop-web@4.7.1".to_owned(),
        environment: "production".to_owned(),
        began: datetime!(2026-11-22 14:02:00 UTC),
        verdict: Verdict {
            grade: Grade::TooEarly,
            reason: "4.0 % of the sessions are on shop-web@4.7.1; 5 % are needed.".to_owned(),
        },
    });
    notice
}

/// The same issue, resolved once and back.
#[must_use]
pub fn regressed_issue() -> Notice {
    let mut notice = new_issue();
    notice.kind = Kind::Regressed;
    notice.issue.substatus = "regressed".to_owned();
    notice.issue.first_seen = datetime!(2026-10-03 09:00:00 UTC);
    notice.issue.events = 12_048;
    notice.issue.users = 1;
    notice.issue.minutes = vec![(40, 3), (2, 40), (1, 200), (0, 90)];
    notice.issue.assignee = Some(Person { name: "Ben Okoro".to_owned(), email: "ben@shop.example".to_owned() });
    notice.reason = Some("It came back in shop-web@4.7.1 after it had been resolved in shop-web@4.7.0.".to_owned());
    notice
}

/// The same issue, known for weeks and suddenly everywhere.
#[must_use]
pub fn escalating_issue() -> Notice {
    let mut notice = regressed_issue();
    notice.kind = Kind::Escalating;
    notice.issue.substatus = "escalating".to_owned();
    notice.reason = Some(
        "Escalating: 330 events in 5 minutes, where 8.0 are usual at this hour of the week (by the last 4 weeks) and \
         more than 28 is unusual."
            .to_owned(),
    );
    notice
}

/// Everything that a stranger who can send an event might try.
#[must_use]
pub fn hostile_issue() -> Notice {
    let mut notice = new_issue();
    let title = "Evil\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script>\u{202e}cod\u{0}e\u{2028}x";
    notice.issue.ty = title.to_owned();
    notice.issue.value = format!("{title} {}", "very long ".repeat(400));
    notice.release = Some("1\nSubject: other".to_owned());
    notice.deploy = deployed_issue().deploy.map(|deploy| Deploy {
        version: title.to_owned(),
        verdict: Verdict { grade: Grade::Watch, reason: format!("1 new issue in {title}.") },
        ..deploy
    });
    if let Some(event) = &mut notice.event {
        event.title = title.to_owned();
        event.frame = Frame::find(&serde_json::json!({"exception": [{"stacktrace": {"frames": [{
            "function": "f\r\nX: y", "filename": "a\nb/<b>.js", "lineno": 1, "in_app": true,
            "context_line": format!("<img src=x onerror=alert(1)>{}", "\t".repeat(5000))
        }]}}]}));
    }
    notice
}

/// The same issue, resolved by a person.
#[must_use]
pub fn resolved_issue() -> Notice {
    let mut notice = regressed_issue();
    notice.kind = Kind::Resolved;
    notice.issue.status = "resolved".to_owned();
    notice.issue.substatus = "resolved".to_owned();
    notice.reason = Some("Resolved by ana.".to_owned());
    notice
}

fn top(number: i64, kind: Kind, ty: &str, value: &str, place: &str, events: i64, users: i64) -> TopIssue {
    TopIssue {
        kind,
        id: IssueId(500 + number),
        short_id: format!("SHOP-API-{number}"),
        level: "error".to_owned(),
        ty: ty.to_owned(),
        value: value.to_owned(),
        title: format!("{ty}: {value}"),
        place: place.to_owned(),
        events,
        users,
    }
}

fn shop_api() -> Project {
    Project { id: ProjectId(3), slug: "shop-api".to_owned(), name: "Shop API".to_owned() }
}

fn pool_frame() -> Option<Frame> {
    Frame::find(&serde_json::json!({"exception": {"values": [{"stacktrace": {"frames": [{
        "function": "acquire", "filename": "shop/db/pool.py", "lineno": 88, "in_app": true,
        "pre_context": ["        with self._lock:"],
        "context_line": "            conn = self._free.get(timeout=self._wait)",
        "post_context": ["        conn.begin()"]
    }]}}]}}))
}

fn shared() -> Option<Shared> {
    pool_frame().map(|frame| Shared { frame, issues: 31, of: 37 })
}

fn deploy() -> Deploy {
    Deploy {
        version: "shop-api@2.34.0".to_owned(),
        environment: "production".to_owned(),
        began: datetime!(2026-11-22 16:40:00 UTC),
        verdict: Verdict {
            grade: Grade::Bad,
            reason: "37 new issues, 2 came back, 1,940 events a minute where 16 are usual.".to_owned(),
        },
    }
}

/// Three signals within a minute.
#[must_use]
pub fn list() -> Digest {
    let mut list = storm();
    list.head.id = "msg_20".to_owned();
    list.counts = Counts(vec![(Kind::New, 2), (Kind::Regressed, 1)]);
    list.burst = Counts(vec![(Kind::New, 3), (Kind::Regressed, 1)]);
    list.storm = false;
    list.top.truncate(3);
    list.top[2].kind = Kind::Regressed;
    list.deploy = None;
    list.shared = None;
    list.events = 61;
    list.rate = Rate { per_minute: 18.5, usual: Some(16.0) };
    list.minutes = vec![(3, 14), (2, 16), (1, 19), (0, 18)];
    list
}

/// A storm after a deploy, as the picture of the mail shows it.
#[must_use]
pub fn storm() -> Digest {
    let pool = "shop/db/pool.py:88";
    let mut head = head("msg_21", "issue-501");
    head.thread.first = Some(Earlier { id: "msg_19".to_owned(), reference: Some("1795365620.000100".to_owned()) });
    Digest {
        head,
        project: Some(shop_api()),
        counts: Counts(vec![(Kind::New, 36), (Kind::Regressed, 2)]),
        since: datetime!(2026-11-22 16:40:23 UTC),
        until: datetime!(2026-11-22 16:44:20 UTC),
        began: BEGAN,
        burst: Counts(vec![(Kind::New, 37), (Kind::Regressed, 2)]),
        storm: true,
        update: 0,
        deploy: Some(deploy()),
        top: vec![
            top(1, Kind::New, "OperationalError", "remaining connection slots are reserved", pool, 3120, 1204),
            top(2, Kind::New, "PoolTimeout", "no connection within 2.0 s", pool, 2077, 980),
            top(3, Kind::New, "InterfaceError", "cursor already closed", pool, 894, 412),
            top(4, Kind::Regressed, "KeyError", "'tenant'", "shop/db/router.py:41", 402, 240),
            top(5, Kind::New, "AssertionError", "transaction already open", pool, 211, 122),
        ],
        notes: vec![(Kind::SpikeStarted, "1,940 events a minute where 16 are usual".to_owned())],
        events: 6704,
        rate: Rate { per_minute: 1940.0, usual: Some(16.0) },
        minutes: (5..60).map(|ago| (ago, 16)).chain([(4, 640), (3, 1410), (2, 1740), (1, 1940)]).collect(),
        shared: shared(),
        path: "/live?project=shop-api".to_owned(),
    }
}

/// Its first update.
#[must_use]
pub fn storm_update() -> Digest {
    let mut update = storm();
    update.head.id = "msg_22".to_owned();
    update.head.thread.replaces =
        Some(Earlier { id: "msg_21".to_owned(), reference: Some("1795365860.000200".to_owned()) });
    update.update = 1;
    update.counts = Counts(vec![(Kind::New, 14)]);
    update.burst = Counts(vec![(Kind::New, 51), (Kind::Regressed, 2)]);
    update.since = update.until;
    update.until = datetime!(2026-11-22 16:46:20 UTC);
    update.events = 10_412;
    update
}

/// Its end.
#[must_use]
pub fn calm() -> Calm {
    let mut head = storm_update().head;
    head.id = "msg_23".to_owned();
    Calm {
        head,
        project: Some(shop_api()),
        began: BEGAN,
        ended: datetime!(2026-11-22 17:09:41 UTC),
        burst: Counts(vec![(Kind::New, 51), (Kind::Regressed, 2)]),
        events: 52_300,
        shared: shared(),
        deploy: Some(deploy()),
        rolled_back_at: Some(datetime!(2026-11-22 17:06:00 UTC)),
        path: "/live?project=shop-api".to_owned(),
    }
}

/// The cap of an hour.
#[must_use]
pub fn limit() -> Limit {
    Limit {
        head: Head { rule: None, ..head("msg_24", "limit-24") },
        per_hour: 60,
        waiting: 212,
        until: datetime!(2026-11-22 17:40:00 UTC),
        path: "/alerts".to_owned(),
    }
}

/// A test.
#[must_use]
pub fn test() -> Test {
    Test { head: Head { rule: None, ..head("test_1", "test") }, at: BEGAN, destination: "On call".to_owned() }
}

/// A signal that is not about an issue.
#[must_use]
pub fn note(kind: Kind) -> Note {
    if kind == Kind::WatchEnded {
        return watch_note(watch());
    }
    let (title, sentence, path) = match kind {
        Kind::SpikeStarted => (
            "1,940 events a minute where 16 are usual",
            "Since 16:40:20 UTC, mostly PoolTimeout in acquire.",
            "/live?project=shop-api",
        ),
        Kind::SpikeEnded => ("back to 18 events a minute", "The spike lasted 29 min.", "/live?project=shop-api"),
        Kind::ReleaseIssues => (
            "more than 10 new issues in shop-api@2.34.0",
            "It has brought 11 since 16:40:00 UTC.",
            "/projects/shop-api/releases/shop-api@2.34.0",
        ),
        Kind::Deploy => (
            "shop-api@2.34.0 in production is BAD",
            "37 new issues, 2 came back, 1,940 events a minute where 16 are usual.",
            "/projects/shop-api/releases/shop-api@2.34.0",
        ),
        Kind::CheckinMissed => ("nightly-invoices did not check in", "It was due at 02:00:00 UTC.", "/crons"),
        _ => ("the disk is nearly full", "2.0 GB are free, and events need 1 GB a day.", "/settings/health"),
    };
    Note {
        head: head(
            "msg_30",
            if matches!(kind, Kind::SpikeStarted | Kind::SpikeEnded) { "spike-3" } else { "signal-9" },
        ),
        signal: 9,
        kind,
        at: BEGAN,
        project: (kind != Kind::Trouble).then(shop_api),
        title: title.to_owned(),
        sentence: sentence.to_owned(),
        figures: vec![("Events a minute".to_owned(), "1,940".to_owned()), ("Usual".to_owned(), "16".to_owned())],
        path: path.to_owned(),
        watch: None,
    }
}

fn watch_note(watch: Summary) -> Note {
    let project = shop_api();
    let NoteFacts { title, sentence, figures, path, thread, watch, .. } = watch.note(project.id, &project.slug);
    let head = head("msg_31", &thread.unwrap_or_default());
    let at = watch.as_ref().map_or(BEGAN, |watch| watch.until);
    Note { head, signal: 10, kind: Kind::WatchEnded, at, project: Some(project), title, sentence, figures, path, watch }
}

/// What came of the deploy of the storm.
fn watch() -> Summary {
    let storm = storm();
    Summary {
        deploy: DeployId(17),
        version: "shop-api@2.34.0".to_owned(),
        environment: "production".to_owned(),
        began: datetime!(2026-11-22 16:40:00 UTC),
        until: datetime!(2026-11-22 17:40:00 UTC),
        end: Some(End::Longest),
        grade: Grade::Bad,
        reason: deploy().verdict.reason,
        mark: None,
        new_issues: 37,
        regressed: 2,
        fixes: 6,
        fixes_broken: vec!["SHOP-API-4".to_owned()],
        errors_per_min: 1940.0,
        peak_per_min: 2104.0,
        usual_per_min: Some(16.0),
        sessions: 12_400,
        crash_free: Some(94.2),
        back: Some(WayBack {
            version: "shop-api@2.33.4".to_owned(),
            command: Some("deploy.sh shop-api production shop-api@2.33.4".to_owned()),
        }),
        issues: storm.top,
    }
}

/// A watch that ends as most do.
fn calm_watch() -> Summary {
    Summary {
        until: datetime!(2026-11-22 16:55:00 UTC),
        end: Some(End::Time),
        grade: Grade::Good,
        reason: "No new issue and none that came back in 15 min; 11 errors a minute, 16 are usual.".to_owned(),
        new_issues: 0,
        regressed: 0,
        fixes_broken: Vec::new(),
        errors_per_min: 11.0,
        peak_per_min: 19.0,
        crash_free: Some(99.7),
        issues: Vec::new(),
        ..watch()
    }
}

/// A watch of a release whose name and issues a stranger chose.
fn hostile_watch() -> Summary {
    let evil = hostile_issue().issue.ty;
    let mark = Marked { state: "bad".to_owned(), by: evil.clone(), reason: "very long ".repeat(400) };
    Summary {
        environment: evil.clone(),
        reason: format!("1 new issue in {evil}."),
        mark: Some(mark),
        fixes_broken: vec![evil.clone()],
        issues: hostile_storm().top,
        back: Some(WayBack { version: evil.clone(), command: Some(format!("deploy '{evil}'")) }),
        version: evil,
        ..watch()
    }
}

/// A storm of issues whose texts a stranger wrote.
#[must_use]
pub fn hostile_storm() -> Digest {
    let evil = hostile_issue();
    let mut storm = storm();
    for issue in &mut storm.top {
        issue.ty.clone_from(&evil.issue.ty);
        issue.value = format!("{} <!channel> @everyone *_~`|[a](http://evil.example)", evil.issue.value);
        issue.title = format!("{}: {}", issue.ty, issue.value);
        issue.place = "<b>\n.js:1".to_owned();
    }
    storm.deploy = evil.deploy;
    storm
}
