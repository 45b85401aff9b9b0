//! Links in mails: who may use them, once, and what a scanner, a forger or a latecomer gets.

use engine::access::{Reach, Role};
use engine::alert::link::{Act, Key, Link};
use engine::ids::{IssueId, ProjectId};
use reqwest::Method;
use serde_json::json;
use store::notifications::{self as outbox, MailTarget, NewDestination, Target, links, mutes};
use time::{Duration, OffsetDateTime};

use crate::support::{Http, Project, Reply, TestServer, until};

const KEY: [u8; 32] = [7; 32];
const FORM: &str = "application/x-www-form-urlencoded";

/// A server with an issue, of whose mails somebody has the links.
struct Inbox {
    server: TestServer,
    http: Http,
    project: Project,
    issue: IssueId,
}

impl Inbox {
    async fn open() -> Self {
        let server = TestServer::start().await;
        let project = server.db.project("shop").await;
        assert!(links::key(&server.db.pool, &KEY, OffsetDateTime::now_utc()).await.is_ok());
        for (email, role) in
            [("ann@shop.example", Role::Member), ("vic@shop.example", Role::Viewer), ("off@shop.example", Role::Admin)]
        {
            server.db.user(email, role, "a long password").await;
        }
        sqlx::query("update users set disabled_at = now() where email = 'off@shop.example'")
            .execute(&server.db.pool)
            .await
            .unwrap();
        let http = Http::new(&server.url);
        let event = json!({"event_id": format!("{:032x}", 1), "exception": [{"type": "KeyError", "value": "no cart"}]});
        assert_eq!(http.post_event(&project, &event).await.status, 200);
        let pool = &server.db.pool;
        let stored = async || sqlx::query_scalar("select id from issues").fetch_optional(pool).await.unwrap();
        let issue = IssueId(until("the issue", stored).await);
        Self { server, http, project, issue }
    }

    fn link(&self, act: Act, recipient: &str) -> Link {
        Link {
            act,
            project: ProjectId(self.project.id),
            issue: Some(self.issue).filter(|_| act != Act::Mute),
            recipient: recipient.to_owned(),
            expires_at: OffsetDateTime::now_utc() + act.lifetime(),
        }
    }

    fn path(&self, act: Act, recipient: &str) -> String {
        path(&self.link(act, recipient))
    }

    async fn post(&self, path: &str, body: &str) -> Reply {
        self.http.send(self.http.request(Method::POST, path).header("content-type", FORM).body(body.to_owned())).await
    }

    /// Status of the issue, and what was written into its history after it came to life.
    async fn history(&self) -> (String, Vec<String>) {
        let pool = &self.server.db.pool;
        let status = sqlx::query_scalar("select status from issues").fetch_one(pool).await.unwrap();
        let rows: Vec<(String, Option<String>)> = sqlx::query_as(
            "select a.reason, u.email from issue_activity a left join users u on u.id = a.user_id
             where a.kind <> 'new' order by a.id",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        (status, rows.into_iter().map(|(reason, email)| format!("{}: {reason}", email.unwrap_or_default())).collect())
    }
}

fn path(link: &Link) -> String {
    format!("/a/{}", link.sign(&Key::new(KEY)).unwrap())
}

#[tokio::test]
async fn a_link_acts_once_and_the_history_says_by_whose_mail() {
    let inbox = Inbox::open().await;
    let resolve = inbox.path(Act::Resolve, "ann@shop.example");
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        inbox.http.send(inbox.http.request(method, &resolve)).await;
    }
    assert_eq!(inbox.history().await, ("unresolved".to_owned(), vec![]));

    // Two taps of an impatient thumb.
    let (one, two) = tokio::join!(inbox.post(&resolve, "do=resolve"), inbox.post(&resolve, "do=resolve"));
    assert_eq!((one.status, two.status), (303, 303));
    let line = "ann@shop.example: Resolved. By the link in the mail to ann@shop.example.";
    assert_eq!(inbox.history().await, ("resolved".to_owned(), vec![line.to_owned()]));
    assert!(inbox.http.get(&resolve).await.body.contains("Done: SHOP-1 is resolved"));

    // Somebody reopens it: the old mail does not resolve it again, a new one does nothing to what is ignored.
    let reopen = engine::issue::Signal::Reopen;
    let issue = (ProjectId(inbox.project.id), inbox.issue);
    let pool = &inbox.server.db.pool;
    store::lifecycle::apply(pool, &[issue], &reopen, None, OffsetDateTime::now_utc()).await.unwrap();
    assert_eq!(inbox.post(&resolve, "do=resolve").await.status, 303);
    assert_eq!(inbox.history().await.0, "unresolved");
    assert!(inbox.http.get(&resolve).await.body.contains("SHOP-1 is open again"));
    let night = inbox.path(Act::IgnoreMorning, "ann@shop.example");
    assert_eq!(inbox.post(&night, "do=ignore%3A3600").await.status, 303);
    let (status, lines) = inbox.history().await;
    assert_eq!((status.as_str(), lines.len()), ("ignored", 3));
    assert!(lines[2].starts_with("ann@shop.example: Ignored until "), "{lines:?}");
    let day = inbox.path(Act::IgnoreDay, "ann@shop.example");
    assert!(inbox.http.get(&day).await.body.contains("SHOP-1 is ignored already"));

    // What was used is forgotten when the link has ended.
    let used = async || sqlx::query_scalar::<_, i64>("select count(*) from used_links").fetch_one(pool).await.unwrap();
    assert_eq!(used().await, 2);
    links::prune_used(pool, OffsetDateTime::now_utc() + Duration::days(8), 100).await.unwrap();
    assert_eq!(used().await, 0);
}

/// What each link asks for with its button.
const ACTS: [(Act, &str); 5] = [
    (Act::Resolve, "do=resolve"),
    (Act::IgnoreDay, "do=ignore%3A86400"),
    (Act::IgnoreMorning, "do=ignore%3A3600"),
    (Act::Mute, "do=stop"),
    (Act::Take, "do=take"),
];

/// A link with one character changed, at each of so many places that each field of it and the signature are met.
fn altered(good: &str) -> Vec<String> {
    let places = (0..good.len()).skip("/a/".len()).step_by(7);
    let change = |at: usize| {
        let with = if &good[at..=at] == "A" { "B" } else { "A" };
        format!("{}{with}{}", &good[..at], &good[at + 1..])
    };
    places.map(change).collect()
}

#[tokio::test]
async fn forged_altered_and_late_links_of_every_act_are_refused_in_words() {
    let inbox = Inbox::open().await;
    let broken = "incomplete, or was altered";
    for (act, button) in ACTS {
        let link = inbox.link(act, "ann@shop.example");
        let good = path(&link);
        let foreign = link.sign(&Key::new([8; 32])).unwrap();
        let late = Link { expires_at: OffsetDateTime::now_utc() - Duration::SECOND, ..link.clone() };
        let mut refused: Vec<(String, u16, &str)> =
            altered(&good).into_iter().map(|path| (path, 403, broken)).collect();
        refused.extend([
            (good[..good.len() - 1].to_owned(), 403, broken),
            (format!("{good}A"), 403, broken),
            (format!("/a/{foreign}"), 403, broken),
            (path(&late), 410, "This link ended on"),
        ]);
        if act != Act::Mute {
            refused.push((path(&Link { issue: Some(IssueId(999_999)), ..link.clone() }), 404, "No such issue"));
        }
        assert!(refused.len() > 12, "{} places of a link of {} characters", refused.len(), good.len());
        for (path, status, words) in refused {
            for reply in [inbox.http.get(&path).await, inbox.post(&path, button).await] {
                assert_eq!(reply.status, status, "{act:?} {path}: {}", reply.body);
                assert!(reply.body.contains(words), "{act:?} {path}: {}", reply.body);
            }
        }
        // A good link, but the button of another; and a form of another site.
        for (_, other) in ACTS.into_iter().filter(|(_, other)| *other != button && !button.starts_with("do=ignore")) {
            assert_eq!(inbox.post(&good, other).await.status, 400, "{act:?} with {other}");
        }
        if act != Act::Mute {
            assert_eq!(inbox.post(&good, "List-Unsubscribe=One-Click").await.status, 400, "{act:?}");
        }
        let foreign = inbox.http.request(Method::POST, &good).header("content-type", FORM);
        let foreign = foreign.header("sec-fetch-site", "cross-site").body(button);
        assert_eq!(inbox.http.send(foreign).await.status, 403, "{act:?}");
    }
    for path in ["/a/x".to_owned(), format!("/a/{}", "A".repeat(4000))] {
        assert_eq!(inbox.http.get(&path).await.status, 403, "{path}");
        assert_eq!(inbox.post(&path, "do=resolve").await.status, 403, "{path}");
    }
    let changed = "select (select count(*) from used_links) + (select count(*) from mail_mutes)
                   + (select count(*) from issues where assigned_user_id is not null)";
    assert_eq!(sqlx::query_scalar::<_, i64>(changed).fetch_one(&inbox.server.db.pool).await.unwrap(), 0);
    assert_eq!(inbox.history().await, ("unresolved".to_owned(), vec![]));
}

#[tokio::test]
async fn who_may_not_change_issues_may_not_by_mail_either() {
    let inbox = Inbox::open().await;
    for (who, sees, words) in [
        ("vic@shop.example", true, "may read issues but not change them"),
        ("off@shop.example", false, "was disabled"),
        ("list@shop.example", false, "gets no mails of this project any more"),
    ] {
        for act in [Act::Resolve, Act::Take] {
            let path = inbox.path(act, who);
            let page = inbox.http.get(&path).await;
            assert!(page.body.contains(words), "{}", page.body);
            assert_eq!(page.body.contains("SHOP-1 stays as it is"), sees, "{}", page.body);
            assert_eq!(page.body.contains("KeyError"), sees, "who lost the project hears no more of it: {}", page.body);
            assert!(!page.body.contains("<button"), "{who} is offered nothing");
            let done = if act == Act::Take { "do=take" } else { "do=resolve" };
            let reply = inbox.post(&path, done).await;
            assert_eq!(reply.status, 403, "{who}");
            assert!(reply.body.contains(words), "{}", reply.body);
        }
    }
    assert_eq!(inbox.history().await.0, "unresolved");

    // A list has no account; whoever made the destination that names it wanted it to be mailed.
    let target = Target::Mail(MailTarget { to: vec!["List@shop.example".to_owned()], ..MailTarget::default() });
    let new = NewDestination { project_id: None, name: "List", target, signals: &["new".to_owned()] };
    outbox::create_destination(&inbox.server.db.pool, &new, OffsetDateTime::now_utc()).await.unwrap();
    assert_eq!(inbox.post(&inbox.path(Act::Resolve, "list@shop.example"), "do=resolve").await.status, 303);
    let (status, lines) = inbox.history().await;
    assert_eq!(status, "resolved");
    assert_eq!(lines, [": Resolved. By the link in the mail to list@shop.example."]);
}

#[tokio::test]
async fn mails_are_stopped_by_one_click_for_one_address_and_one_project() {
    let inbox = Inbox::open().await;
    let pool = &inbox.server.db.pool;
    let stop = inbox.path(Act::Mute, "Vic@shop.example");
    assert!(inbox.http.get(&stop).await.body.contains("Stop the mails of shop?"));
    let muted = async || {
        let all = mutes::list(pool, &Reach::All, None).await.unwrap();
        all.into_iter().map(|mute| format!("{} {}", mute.project, mute.address)).collect::<Vec<_>>()
    };
    assert!(muted().await.is_empty());

    // As mail programs do it: in either form of a form, and without being sent elsewhere.
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    for (ty, body) in [(FORM, "List-Unsubscribe=One-Click"), ("multipart/form-data; boundary=b", multipart)] {
        let request = inbox.http.request(Method::POST, &stop).header("content-type", ty).body(body);
        let reply = inbox.http.send(request).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(muted().await, ["shop vic@shop.example"]);
        assert!(mutes::unmute(pool, ProjectId(inbox.project.id), "VIC@shop.example").await.unwrap());
    }
    assert_eq!(inbox.post(&stop, "do=stop").await.status, 303);
    assert!(inbox.http.get(&stop).await.body.contains("No more mails of shop"));

    // Two members who may be mailed, of two projects: only this one pair is left out.
    let other = inbox.server.db.project("pay").await;
    for (project, id) in [(&inbox.project, 2), (&other, 3)] {
        let event =
            json!({"event_id": format!("{id:032x}"), "exception": [{"type": format!("Error{id}"), "value": "x"}]});
        assert_eq!(inbox.http.post_event(project, &event).await.status, 200);
    }
    until("the issues", async || {
        let issues: i64 = sqlx::query_scalar("select count(*) from issues").fetch_one(pool).await.unwrap();
        (issues == 3).then_some(())
    })
    .await;
    // The server, which has no mail server, may take them first, and tells nobody then.
    let told = until("the deliveries", async || {
        sqlx::query("update signals set fanned_out_at = null").execute(pool).await.unwrap();
        outbox::fan_out(pool, OffsetDateTime::now_utc(), Duration::DAY, true, 100).await.unwrap();
        let told: Vec<String> = sqlx::query_scalar(
            "select p.slug || ' ' || d.recipient from deliveries d join signals s on s.id = d.signal_id
             join projects p on p.id = s.project_id where d.state <> 'suppressed' group by 1 order by 1",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        (!told.is_empty()).then_some(told)
    })
    .await;
    assert_eq!(told, ["pay ann@shop.example", "pay vic@shop.example", "shop ann@shop.example"]);

    assert_eq!(inbox.post(&stop, "do=hear").await.status, 303);
    assert!(muted().await.is_empty());
    assert!(inbox.http.get(&stop).await.body.contains("Stop the mails of shop?"));
}

#[tokio::test]
async fn whoever_says_that_they_are_on_it_has_the_issue_once() {
    let inbox = Inbox::open().await;
    let pool = &inbox.server.db.pool;
    let holder = async || -> Option<String> {
        let sql = "select u.email from issues i join users u on u.id = i.assigned_user_id";
        sqlx::query_scalar(sql).fetch_optional(pool).await.unwrap()
    };
    let take = inbox.path(Act::Take, "ann@shop.example");
    let page = inbox.http.get(&take).await.body;
    assert!(page.contains("Take SHOP-1?") && page.contains("Nobody has it now"), "{page}");
    assert_eq!(holder().await, None, "opening a link changes nothing");
    assert_eq!(inbox.post(&take, "do=resolve").await.status, 400);
    let (one, two) = tokio::join!(inbox.post(&take, "do=take"), inbox.post(&take, "do=take"));
    assert_eq!((one.status, two.status, holder().await.as_deref()), (303, 303, Some("ann@shop.example")));
    let line = "ann@shop.example: Took it. By the link in the mail to ann@shop.example.";
    assert_eq!(inbox.history().await, ("unresolved".to_owned(), vec![line.to_owned()]));
    assert!(inbox.http.get(&take).await.body.contains("ann@shop.example has SHOP-1"));

    // Given back, it is not taken by the old mail again; a new one of hers asks, and does nothing while she has it.
    let issue = (ProjectId(inbox.project.id), inbox.issue);
    let by = store::lifecycle::By { user: None, at: OffsetDateTime::now_utc() };
    store::lifecycle::assign(pool, &[issue], None, by).await.unwrap();
    assert_eq!((inbox.post(&take, "do=take").await.status, holder().await), (303, None));
    let later =
        Link { expires_at: OffsetDateTime::now_utc() + Duration::DAY, ..inbox.link(Act::Take, "ann@shop.example") };
    assert_eq!(inbox.post(&path(&later), "do=take").await.status, 303);
    let again = Link { expires_at: OffsetDateTime::now_utc() + Duration::HOUR, ..later };
    assert!(inbox.http.get(&path(&again)).await.body.contains("You have SHOP-1 already"));

    // Whoever has an issue can sign in and change it.
    let target = Target::Mail(MailTarget { to: vec!["list@shop.example".to_owned()], ..MailTarget::default() });
    let new = NewDestination { project_id: None, name: "List", target, signals: &["new".to_owned()] };
    outbox::create_destination(pool, &new, OffsetDateTime::now_utc()).await.unwrap();
    for (who, words) in [
        ("list@shop.example", "needs an account, and this address has none"),
        ("vic@shop.example", "may read issues but not change them"),
        ("off@shop.example", "was disabled"),
        ("eve@shop.example", "gets no mails of this project any more"),
    ] {
        let path = inbox.path(Act::Take, who);
        let page = inbox.http.get(&path).await.body;
        assert!(page.contains(words) && !page.contains("<button"), "{who}: {page}");
        assert_eq!(inbox.post(&path, "do=take").await.status, 403, "{who}");
    }
    assert_eq!(holder().await.as_deref(), Some("ann@shop.example"));
}
