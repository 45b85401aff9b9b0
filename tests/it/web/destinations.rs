//! Destinations on their pages: made and changed by forms that say where to get what they ask for, tried, stopped, deleted
//! and put back. No secret is ever shown again.

use engine::access::Role;

use super::{Browser, Site};
use crate::support::receiver::Receiver;

const NEW: &str = "/alerts/new";

async fn make(person: &mut Browser, kind: &str, fields: &[(&str, &str)]) -> String {
    let form = format!("{NEW}?kind={kind}");
    let mut fields = fields.to_vec();
    fields.push(("kind", kind));
    let reply = person.submit(&form, NEW, &fields).await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    reply.headers["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_kind_has_a_form_that_says_where_to_get_what_it_asks_for() {
    let site = Site::open().await;
    let mut person = site.sign_in(Role::Member).await;
    let kinds = person.page(NEW).await;
    for (kind, hints) in [
        ("mail", &["One in a line"][..]),
        ("slack", &["Incoming Webhooks of your app", "scope chat:write", "invite the bot"]),
        ("discord", &["Integrations, Webhooks in the settings of the channel"]),
        ("telegram", &["@BotFather gave you", "the id of the chat"]),
        ("mattermost", &["Integrations, Incoming Webhooks of your team"]),
        ("teams", &["Send webhook alerts to a channel"]),
        ("ntfy", &["hard to guess", "Access tokens"]),
        ("pagerduty", &["Events API v2 integration", "events.eu.pagerduty.com"]),
        ("opsgenie", &["API integration of your team", "api.eu.opsgenie.com"]),
        ("webhook", &["signed JSON"]),
    ] {
        assert!(kinds.contains(&format!("href=\"/alerts/new?kind={kind}\"")), "{kind}");
        let form = person.page(&format!("{NEW}?kind={kind}")).await;
        for hint in hints {
            assert!(form.contains(hint), "{kind}: no {hint} in {form}");
        }
        assert!(form.contains(r#"name="signal" value="new" checked"#), "{kind}");
        let closes = form.contains(r#"name="signal" value="resolved" checked"#);
        assert_eq!(closes, matches!(kind, "pagerduty" | "opsgenie"), "{kind}");
    }
}

#[tokio::test]
async fn a_chat_is_made_changed_stopped_deleted_and_put_back() {
    let site = Site::open().await;
    let mut person = site.sign_in(Role::Member).await;
    let wrong = [("kind", "slack"), ("token", "xoxb-hidden"), ("name", "Ops <b>"), ("signal", "deploy")];
    let reply = person.submit("/alerts/new?kind=slack", NEW, &wrong).await;
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("Missing: the channel, like #errors"), "{}", reply.body);
    assert!(
        reply.body.contains("Ops &#60;b&#62;") && reply.body.contains(r#"value="deploy" checked"#),
        "what was typed"
    );
    assert!(!reply.body.contains("xoxb-hidden"), "but for secrets");

    let fields = [("token", "xoxb-hidden"), ("channel", "#errors"), ("project", "shop"), ("signal", "new")];
    let page = make(&mut person, "slack", &fields).await;
    let shown = person.page(&page).await;
    for part in
        ["Slack #errors", "1 rule sends there, of shop alone", "Not used yet", "Destination made: send it a test"]
    {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    let form = person.page(&format!("{page}/edit")).await;
    assert!(form.contains(r##"value="#errors""##) && !form.contains("xoxb-hidden"), "{form}");
    let change = [("token", ""), ("channel", "#ops"), ("server", ""), ("name", "Ops")];
    assert_eq!(person.submit(&format!("{page}/edit"), &format!("{page}/edit"), &change).await.status, 303);
    let config: serde_json::Value = sqlx::query_scalar("select config from destinations where name = 'Ops'")
        .fetch_one(&site.server.db.pool)
        .await
        .unwrap();
    assert_eq!(
        (&config["token"], &config["channel"]),
        (&"xoxb-hidden".into(), &"#ops".into()),
        "an empty secret stays"
    );

    person.submit(&page, &page, &[("do", "stop")]).await;
    let shown = person.page(&page).await;
    assert!(shown.contains("It is off: nothing goes there.") && shown.contains("Destination stopped"), "{shown}");
    person.submit(&page, &page, &[("do", "undo")]).await;
    assert!(person.page(&page).await.contains("Stop these messages"));

    let gone = person.submit(&page, &page, &[("do", "delete")]).await;
    assert_eq!(gone.headers["location"], "/alerts");
    let list = person.page("/alerts").await;
    assert!(
        list.contains("Destination deleted") && list.contains(&format!(r#"action="{page}""#)),
        "the toast undoes it"
    );
    assert!(!list.contains(">Ops<"), "{list}");
    assert!(person.page(&page).await.contains("It can be put back for 30 days."));
    assert_eq!(person.get(&format!("{page}/edit")).await.status, 404);
    assert_eq!(person.submit(&page, &page, &[("do", "test")]).await.status, 400);
    person.submit(&page, &page, &[("do", "undo")]).await;
    assert!(person.page("/alerts").await.contains(">Ops<"));
}

#[tokio::test]
async fn a_test_shows_the_real_answer_and_a_webhook_its_secret_once() {
    let site = Site::open_with(|config| config.allow_private_webhooks = true).await;
    let mut person = site.sign_in(Role::Member).await;
    let receiver = Receiver::start(&["404 No\r\nContent-Length: 21\r\n\r\nno <such> hook: 0815\n"]).await;
    let fields = [("kind", "webhook"), ("url", &*receiver.url()), ("name", "Bot")];
    let made = person.submit("/alerts/new?kind=webhook", NEW, &fields).await;
    assert!(made.status == 200 && made.body.contains("whsec_"), "{}", made.body);
    let page = format!(
        "/alerts/{}",
        made.body.split("btn-first\" href=\"/alerts/").nth(1).unwrap().split('"').next().unwrap()
    );

    let tested = person.submit(&page, &page, &[("do", "test")]).await;
    assert_eq!(tested.status, 200);
    for part in ["Not taken", "HTTP 404 Not Found: no &#60;such&#62; hook: 0815", "Fails", "Last failure"] {
        assert!(tested.body.contains(part), "no {part} in {}", tested.body);
    }
    let list = person.page("/alerts").await;
    assert!(list.contains("Fails") && list.contains("HTTP 404 Not Found"), "{list}");
    let tested = person.submit(&page, &page, &[("do", "test")]).await.body;
    assert!(tested.contains("Taken") && tested.contains("HTTP 200 OK: ok") && tested.contains("Works"), "{tested}");
    for shown in [person.page(&page).await, person.page(&format!("{page}/edit")).await, person.page("/alerts").await] {
        assert!(!shown.contains("whsec_") && !shown.contains("/hook"), "{shown}");
    }
    let edit = format!("{page}/edit");
    let wrong = [("headers", "nonsense-hidden"), ("template", "{\n{{ }}"), ("name", "Bot")];
    let refused = person.submit(&edit, &edit, &wrong).await;
    assert!(refused.status == 400 && !refused.body.contains("nonsense-hidden"), "{}", refused.body);
    let wrong = [("headers", "X-Key: k3y-value"), ("template", "{\n{{ }}"), ("name", "Bot")];
    let refused = person.submit(&edit, &edit, &wrong).await.body;
    assert!(refused.contains("The template: line 2: ") && !refused.contains("k3y-value"), "{refused}");
    let right = [("headers", "X-Key: k3y-value"), ("template", "{\"a\": {{ type }}}"), ("name", "Bot")];
    assert_eq!(person.submit(&edit, &edit, &right).await.status, 303);
    let form = person.page(&edit).await;
    assert!(
        form.contains("Sent now: X-Key.") && form.contains("{{ type }}") && !form.contains("X-Key: k3y-value"),
        "{form}"
    );
    person.submit(&page, &page, &[("do", "test")]).await;
    let request = receiver.requests().pop().unwrap();
    assert_eq!((request.header("x-key"), request.body.as_str()), ("k3y-value", "{\"a\": \"test\"}"));
    let rotated = person.submit(&edit, &edit, &[("url", ""), ("new_secret", "1"), ("name", "Bot")]).await.body;
    assert!(rotated.contains("whsec_"), "{rotated}");
    let bad = person.submit(&edit, &edit, &[("url", "http://[::"), ("name", "Bot")]).await;
    assert_eq!(bad.status, 400);
}

#[tokio::test]
async fn viewers_read_how_destinations_do_and_change_nothing() {
    let site = Site::open().await;
    let mut member = site.sign_in(Role::Member).await;
    let page =
        make(&mut member, "mail", &[("to", "a@shop.example, b@shop.example\nA@shop.example"), ("signal", "new")]).await;
    assert!(member.page(&page).await.contains("Mail to a@shop.example, b@shop.example"));
    let mut viewer = site.sign_in(Role::Viewer).await;
    let list = viewer.page("/alerts").await;
    assert!(list.contains("a@shop.example") && !list.contains("/alerts/new"), "{list}");
    let shown = viewer.page(&page).await;
    assert!(shown.contains("Not used yet") && !shown.contains("Send a test"), "{shown}");
    for path in [NEW, &format!("{page}/edit")] {
        assert_eq!(viewer.get(path).await.status, 403, "{path}");
    }
    for (path, change) in
        [(page.as_str(), "test"), (&page, "stop"), (&page, "delete"), (NEW, ""), (&format!("{page}/edit"), "")]
    {
        let reply = viewer.submit("/alerts", path, &[("do", change), ("kind", "mail"), ("members", "1")]).await;
        assert_eq!(reply.status, 403, "{path} {change}");
    }
}
