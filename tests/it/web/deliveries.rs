//! What was told to whom: each end in words, the filters, the pages of the list, and the block on the page of an issue.

use engine::access::Role;
use engine::ids::ProjectId;
use sqlx::PgPool;
use store::notifications::{DeliveryFilter, DeliveryState, list_deliveries};

use super::{Site, exception};

const EVIL: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>";

/// A delivery with each end, about one issue, and one about none; the ids of the two destinations.
pub(crate) async fn fill(pool: &PgPool, project: i64, issue: i64) -> (i64, i64) {
    let destination = async |kind: &str, name: &str, config: &str| -> i64 {
        let query = "insert into destinations (kind, name, config, paced, created_at)
             values ($1, $2, $3::jsonb, $1 = 'mail', now()) returning id";
        sqlx::query_scalar(query).bind(kind).bind(name).bind(config).fetch_one(pool).await.unwrap()
    };
    let hook = destination("webhook", EVIL, r#"{"url": "http://127.0.0.1:9/x", "secret": "whsec_AAAA"}"#).await;
    let mail = destination("mail", "On call", r#"{"to": ["ada@example.org"]}"#).await;
    let script = "
        insert into channels (id, destination_id, recipient, project_id, due_at)
        values (900, MAIL, 'waiting@example.org', PROJECT, now() + interval '5 minutes 30 seconds');
        insert into signals (id, project_id, issue_id, event_id, kind, facts, created_at, fanned_out_at)
        values (900, PROJECT, ISSUE, gen_random_uuid(), 'regressed', '{}', now(), now()),
            (901, PROJECT, null, null, 'release_issues', '{\"title\": \"<script>alert(1)</script> shop@2\"}', now(), now());
        insert into messages (id, form, destination_id, recipient, project_id, thread, deliveries, state, attempts,
            next_attempt_at, last_error, created_at, expires_at, sent_at)
        values (900, 'one', MAIL, 'sent@example.org', PROJECT, 't', 1, 'sent', 1, now(), null, now(), now(), now()),
            (901, 'storm', MAIL, 'folded@example.org', PROJECT, 't', 5, 'sent', 2, now(), '451 busy', now(), now(), now()),
            (902, 'one', HOOK, '', PROJECT, 't', 1, 'pending', 2, now() + interval '4 minutes 30 seconds',
                'answer 503', now(), now() + interval '1 day', null),
            (903, 'one', MAIL, 'dead@example.org', PROJECT, 't', 1, 'dead', 12, now(), '550 <script>alert(1)</script>',
                now(), now(), null);
        insert into deliveries (id, signal_id, destination_id, recipient, channel_id, state, ready_at, created_at, message_id, reason)
        values (900, 900, MAIL, 'sent@example.org', null, 'told', now(), now(), 900, null),
            (901, 900, MAIL, 'folded@example.org', null, 'told', now(), now(), 901, null),
            (902, 900, HOOK, '', null, 'told', now(), now(), 902, null),
            (903, 900, MAIL, 'dead@example.org', null, 'told', now(), now(), 903, null),
            (904, 900, MAIL, 'waiting@example.org', 900, 'waiting', now(), now(), null, null),
            (905, 900, MAIL, 'held@example.org', 900, 'held', now() + interval '8 hours 30 minutes', now(), null,
                'their quiet hours last until 07:00 (UTC)'),
            (906, 900, MAIL, 'suppressed@example.org', null, 'suppressed', now(), now(), null, 'stopped by its reader'),
            (907, 901, MAIL, '<script>alert(1)</script>@example.org', null, 'suppressed', now(), now(), null, 'x');
        select setval(pg_get_serial_sequence(t, 'id'), 1000) from unnest('{channels,signals,messages,deliveries}'::text[]) t";
    let ids = [("MAIL", mail), ("HOOK", hook), ("PROJECT", project), ("ISSUE", issue)];
    let script = ids.iter().fold(script.to_owned(), |text, (name, id)| text.replace(name, &id.to_string()));
    sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(pool).await.unwrap();
    (hook, mail)
}

/// The rows of a page, without how long ago each was: that is another when the page is asked for again.
fn rows(page: &str) -> Vec<String> {
    let list = page.split("told-list").nth(1).and_then(|list| list.split("</ul>").next()).unwrap_or_default();
    let ageless = |row: &str| match row.split_once("data-age=\"ago\">") {
        Some((before, after)) => format!("{before}{}", after.split_once("</time>").map_or(after, |(_, rest)| rest)),
        None => row.to_owned(),
    };
    list.split("<li>").skip(1).map(ageless).collect()
}

#[tokio::test]
async fn every_delivery_says_how_it_ended() {
    let site = Site::open().await;
    let issue = site.issue(&exception("CartError", "no cart")).await;
    let (hook, mail) = fill(&site.server.db.pool, site.project.id, issue).await;
    let mut person = site.sign_in(Role::Member).await;
    let page = person.page("/alerts/deliveries").await;
    assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{page}");
    for (to, wanted) in [
        ("sent@", vec![">Sent<", "message 900</a>", "SHOP-1", "CartError: no cart"]),
        ("folded@", vec![">Sent with others<", "message 901</a> with 4 others", "2 attempts"]),
        ("dead@", vec![">Given up<", "12 attempts", "550 &#60;script", "value=\"retry\""]),
        ("waiting@", vec![">Waiting<", "waiting in a window until", "in 5 min"]),
        (">held@", vec![">Held<", "held until", "in 8 h"]),
        ("suppressed@", vec![">Suppressed<", "stopped by its reader"]),
        ("answer 503", vec![">Trying again<", "2 attempts, next attempt", "in 4 min"]),
        ("release issues", vec!["shop@2"]),
    ] {
        let row = rows(&page).into_iter().find(|row| row.contains(to)).unwrap_or_else(|| panic!("no {to} in {page}"));
        for part in wanted {
            assert!(row.contains(part), "no {part} in {row}");
        }
    }
    for (query, count) in [
        ("", 8),
        ("?project=shop&issue=&destination=&state=", 8),
        ("?issue=SHOP-1", 7),
        ("?issue=shop-1&state=dead", 1),
        ("?state=folded", 1),
        (&format!("?destination={hook}"), 1),
        (&format!("?destination={mail}&state=suppressed&project=shop"), 2),
        ("?message=901", 1),
        ("?before=903", 3),
        ("?issue=SHOP-99", 0),
        ("?state=asleep", 0),
        ("?project=none", 0),
        ("?project=%00&issue=%00", 0),
        ("?message=77", 0),
        ("?destination=x", 0),
        ("?before=x", 0),
    ] {
        let page = person.page(&format!("/alerts/deliveries{query}")).await;
        assert_eq!(rows(&page).len(), count, "{query}: {page}");
        assert_eq!(page.contains("class=\"empty\""), count == 0, "{query}");
    }
    let message = person.page("/alerts/deliveries?message=901").await;
    assert!(message.contains("A message about a storm, to folded@example.org: sent"), "{message}");
    let evil: String = url::form_urlencoded::byte_serialize(EVIL.as_bytes()).collect();
    for name in ["project", "issue", "destination", "state", "message", "before"] {
        let page = person.page(&format!("/alerts/deliveries?{name}={evil}")).await;
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{name}: {page}");
    }
}

#[tokio::test]
async fn what_was_given_up_is_sent_again_by_those_who_may() {
    let site = Site::open().await;
    let issue = site.issue(&exception("E", "v")).await;
    let pool = &site.server.db.pool;
    let (_, mail) = fill(pool, site.project.id, issue).await;
    let action = format!("/alerts/{mail}");
    let fields = [("do", "retry"), ("delivery", "903"), ("back", "/alerts/deliveries?state=dead")];
    let goes_on = async || -> bool {
        let query = "select expires_at > now() + interval '1 hour' from messages where id = 903";
        sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
    };
    let mut viewer = site.sign_in(Role::Viewer).await;
    assert!(!viewer.page("/alerts/deliveries?state=dead").await.contains("retry"));
    assert_eq!(viewer.submit("/alerts/deliveries", &action, &fields).await.status, 403);
    let mut member = site.sign_in(Role::Member).await;
    assert_eq!(member.post(&action, &fields).await.status, 403, "without a token");
    assert!(!goes_on().await);
    let reply = member.submit("/alerts/deliveries?state=dead", &action, &fields).await;
    assert_eq!((reply.status, reply.headers["location"].to_str().unwrap()), (303, "/alerts/deliveries?state=dead"));
    assert!(goes_on().await);
    let mut away = fields;
    away[2].1 = "//evil.example";
    let reply = member.submit("/alerts/deliveries", &action, &away).await;
    assert_eq!(reply.headers["location"].to_str().unwrap(), action);
}

#[tokio::test]
async fn rare_deliveries_are_found_page_by_page() {
    let site = Site::open().await;
    let issue = site.issue(&exception("E", "v")).await;
    let pool = &site.server.db.pool;
    let (_, mail) = fill(pool, site.project.id, issue).await;
    // More than one query looks at, after the one that was given up.
    sqlx::query(
        "insert into deliveries (signal_id, destination_id, recipient, state, ready_at, created_at, reason)
         select 900, $1, 'r' || n, 'suppressed', now(), now(), 'muted' from generate_series(1, 5020) n",
    )
    .bind(mail)
    .execute(pool)
    .await
    .unwrap();
    let mut person = site.sign_in(Role::Viewer).await;
    let link = |page: &str, rel: &str| {
        let link = page.split("<a ").find(|link| link.contains(rel))?.split("href=\"").nth(1)?;
        Some(link.split('"').next()?.replace("&#38;", "&"))
    };
    let older = |page: &str| link(page, "rel=\"next\"");
    let newer = |page: &str| link(page, "rel=\"prev\"");
    let page = person.page("/alerts/deliveries").await;
    assert_eq!(rows(&page).len(), 50);
    let second = person.page(&older(&page).unwrap()).await;
    assert_eq!(rows(&second).len(), 50);
    assert!(!rows(&second).iter().any(|row| rows(&page).contains(row)), "a row is on both pages");

    // And back: the same pages, and none before the first.
    let third = person.page(&older(&second).unwrap()).await;
    let back = person.page(&newer(&third).unwrap()).await;
    assert_eq!(rows(&back), rows(&second));
    let first = person.page(&newer(&back).unwrap()).await;
    assert_eq!((rows(&first), newer(&first), newer(&page)), (rows(&page), None, None));
    assert_eq!(older(&first), older(&page));

    let page = person.page("/alerts/deliveries?state=dead").await;
    assert!(rows(&page).is_empty() && page.contains("None among these"), "{page}");
    let next = person.page(&older(&page).unwrap()).await;
    assert_eq!((rows(&next).len(), older(&next)), (1, None), "{next}");
    let page = person.page(&newer(&next).unwrap()).await;
    assert!(rows(&page).is_empty() && page.contains("None among these"), "{page}");
    let page = person.page(&newer(&page).unwrap()).await;
    assert!(rows(&page).is_empty() && newer(&page).is_none(), "{page}");
    let filter = DeliveryFilter { state: Some(DeliveryState::Dead), limit: 5, ..DeliveryFilter::default() };
    assert_eq!(list_deliveries(pool, filter).await.unwrap().len(), 1, "a list looks as far back as it has to");
    let filter = DeliveryFilter { project: Some(ProjectId(site.project.id)), limit: 6000, ..DeliveryFilter::default() };
    assert_eq!(list_deliveries(pool, filter).await.unwrap().len(), 5028);
}

#[tokio::test]
async fn an_issue_says_who_was_told() {
    let site = Site::open().await;
    let issue = site.issue(&exception("A", "v")).await;
    let other = site.issue(&exception("B", "w")).await;
    let mut person = site.sign_in(Role::Viewer).await;
    let page = person.page(&format!("/issues/{issue}")).await;
    assert!(page.contains("Nobody was told about this issue"), "{page}");
    fill(&site.server.db.pool, site.project.id, issue).await;
    let page = person.page(&format!("/issues/{issue}")).await;
    assert!(page.contains("Told to") && page.contains("/alerts/deliveries?issue=SHOP-1\""), "{page}");
    assert_eq!(rows(&page).len(), 7);
    for part in ["sent@example.org", "message 901</a> with 4 others", "held until", "stopped by its reader"] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert!(!page.contains("<script>alert"), "{page}");
    // What was told about an issue that was merged belongs to the one that it is part of.
    sqlx::query("update issues set status = 'merged', merged_into = $2 where id = $1")
        .bind(issue)
        .bind(other)
        .execute(&site.server.db.pool)
        .await
        .unwrap();
    assert_eq!(rows(&person.page(&format!("/issues/{other}")).await).len(), 7);
}
