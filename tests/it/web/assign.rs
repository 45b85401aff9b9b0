//! Who has an issue: by forms of the list and of the page, with its sentences, its undo and its searches.

use engine::access::{ProjectRole, Role};
use store::people::users;
use time::OffsetDateTime;

use super::{Site, exception};

async fn id_of(site: &Site, role: Role) -> i64 {
    users::by_email(&site.server.db.pool, &format!("{role}@example.org")).await.unwrap().unwrap().id.get()
}

async fn holder(site: &Site, issue: &str) -> Option<i64> {
    sqlx::query_scalar("select assigned_user_id from issues where id = $1")
        .bind(issue.parse::<i64>().unwrap())
        .fetch_one(&site.server.db.pool)
        .await
        .unwrap()
}

async fn newest_sentence(site: &Site, issue: &str) -> String {
    sqlx::query_scalar("select reason from issue_activity where issue_id = $1 order by id desc limit 1")
        .bind(issue.parse::<i64>().unwrap())
        .fetch_one(&site.server.db.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn issues_are_taken_handed_over_given_back_and_each_of_it_undone() {
    let site = Site::open().await;
    let one = site.issue(&exception("One", "a")).await.to_string();
    let two = site.issue(&exception("Two", "b")).await.to_string();
    let (admin, member) = (id_of(&site, Role::Admin).await, id_of(&site, Role::Member).await);
    let mut person = site.sign_in(Role::Member).await;
    let both = [("do", "assign:me"), ("id", one.as_str()), ("id", two.as_str())];
    person.submit("/issues", "/issues", &both).await;
    let page = person.page("/issues").await;
    assert!(page.contains("2 issues assigned to you") && page.contains(r#"aria-label="member@example.org has it""#));
    assert_eq!((holder(&site, &one).await, holder(&site, &two).await), (Some(member), Some(member)));
    assert_eq!(newest_sentence(&site, &one).await, "Took it.");

    // Again says that there was nothing to do, and writes nothing.
    person.submit("/issues", "/issues", &both).await;
    assert!(person.page("/issues").await.contains("Nothing to change: already assigned to you"));

    let admin_id = admin.to_string();
    let to_admin = [("do", "assign:chosen"), ("assignee", admin_id.as_str()), ("id", one.as_str())];
    person.submit("/issues", "/issues", &to_admin).await;
    assert_eq!(newest_sentence(&site, &one).await, "Handed over to admin@example.org.");
    // The state is another matter: it changes and is taken back without a word about who has it.
    person.submit("/issues", "/issues", &[("do", "resolve"), ("id", &one)]).await;
    let page = person.page(&format!("/issues/{one}")).await;
    let undo = |nth: usize| {
        let (_, rest) = page.split(r#"value="undo:"#).enumerate().nth(nth).unwrap();
        format!("undo:{}", rest.split('"').next().unwrap())
    };
    assert_eq!(page.matches(r#"value="undo:"#).count(), 2, "the newest of each can be undone");
    person.submit("/issues", "/issues", &[("do", &undo(2)), ("id", &one)]).await;
    assert_eq!(
        (holder(&site, &one).await, site.status(one.parse().unwrap()).await.as_str()),
        (Some(member), "resolved")
    );
    let sentence = newest_sentence(&site, &one).await;
    assert_eq!(sentence, "Marked as wrong: “Handed over to admin@example.org”. As before, member@example.org has it.");
    person.submit("/issues", "/issues", &[("do", &undo(1)), ("id", &one)]).await;
    assert_eq!(
        (holder(&site, &one).await, site.status(one.parse().unwrap()).await.as_str()),
        (Some(member), "unresolved")
    );
    // What was undone once is not undone again.
    let reply = person.submit("/issues", "/issues", &[("do", &undo(2)), ("id", &one)]).await;
    assert_eq!(reply.status, 400, "{}", reply.body);

    // The message at the foot takes all of an action back at once.
    person.submit("/issues", "/issues", &[("do", "assign:none"), ("id", &one), ("id", &two)]).await;
    let page = person.page("/issues").await;
    assert!(page.contains("2 issues assigned to nobody"), "{page}");
    let (_, wish) = page.split_once(r#"value="undo-all:"#).unwrap();
    let wish = format!("undo-all:{}", wish.split('"').next().unwrap());
    assert_eq!(holder(&site, &two).await, None);
    person.submit("/issues", "/issues", &[("do", &wish), ("id", &one), ("id", &two)]).await;
    assert_eq!((holder(&site, &one).await, holder(&site, &two).await), (Some(member), Some(member)));
}

#[tokio::test]
async fn searches_ask_who_has_an_issue() {
    let site = Site::open().await;
    let [mine, theirs, nobodys] = [("Mine", "a"), ("Theirs", "b"), ("Nobodys", "c")];
    let mut ids = Vec::new();
    for (ty, value) in [mine, theirs, nobodys] {
        ids.push(site.issue(&exception(ty, value)).await.to_string());
    }
    let mut person = site.sign_in(Role::Member).await;
    let admin = format!("assign:{}", id_of(&site, Role::Admin).await);
    person.submit("/issues", "/issues", &[("do", "assign:me"), ("id", &ids[0])]).await;
    person.submit("/issues", "/issues", &[("do", &admin), ("id", &ids[1])]).await;
    for (query, wanted) in [
        ("assigned:me", vec![0]),
        ("is:unresolved assigned:ADMIN@example.org", vec![1]),
        ("assigned:none", vec![2]),
        ("is:unassigned", vec![2]),
        ("is:assigned", vec![0, 1]),
        ("!assigned:me", vec![1, 2]),
        ("!assigned:none", vec![0, 1]),
        ("assigned:me assigned:admin@example.org", vec![]),
        ("assigned:stranger@example.org", vec![]),
        ("is:resolved assigned:me", vec![]),
    ] {
        for sort in ["seen", "events"] {
            let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
            let page = person.page(&format!("/issues?query={query}&sort={sort}")).await;
            for (index, id) in ids.iter().enumerate() {
                let is_shown = page.contains(&format!(r#"data-issue="{id}""#));
                assert_eq!(is_shown, wanted.contains(&index), "{query} by {sort}: issue {index}");
            }
        }
    }
    let completions = person.page("/issues/completions").await;
    for text in ["assigned:me", "assigned:none", "assigned:admin@example.org"] {
        assert!(completions.contains(text), "{completions}");
    }
    assert!(!completions.contains("assigned:viewer@example.org"), "who may change nothing can have none");
}

#[tokio::test]
async fn only_who_may_change_issues_gives_and_gets_them() {
    let site = Site::open().await;
    let issue = site.issue(&exception("One", "a")).await.to_string();
    let mut viewer = site.sign_in(Role::Viewer).await;
    let mut member = site.sign_in(Role::Member).await;
    assert!(!viewer.page(&format!("/issues/{issue}")).await.contains("assign:me"));
    let reply = viewer.submit("/alerts", "/issues", &[("do", "assign:me"), ("id", &issue)]).await;
    assert_eq!(reply.status, 403, "{}", reply.body);
    let to_viewer = format!("assign:{}", id_of(&site, Role::Viewer).await);
    let reply = member.submit("/issues", "/issues", &[("do", &to_viewer), ("id", &issue)]).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert!(reply.body.contains("may read issues but not change them"), "{}", reply.body);
    let reply = member.submit("/issues", "/issues", &[("do", "assign:999999"), ("id", &issue)]).await;
    assert!(reply.status == 400 && reply.body.contains("not here any more"), "{}", reply.body);
    assert_eq!(holder(&site, &issue).await, None);
    // A guest gets none of a project that they do not see, and is not offered.
    super::add_person(&site.server, Role::Guest).await;
    let to_guest = format!("assign:{}", id_of(&site, Role::Guest).await);
    let reply = member.submit("/issues", "/issues", &[("do", &to_guest), ("id", &issue)]).await;
    assert!(reply.status == 400 && reply.body.contains("does not see the project"), "{}", reply.body);
    assert!(!member.page(&format!("/issues/{issue}")).await.contains("guest@example.org"));
    site.server.db.member("guest@example.org", &site.project, Some(ProjectRole::Member)).await;
    assert!(member.page(&format!("/issues/{issue}")).await.contains("guest@example.org"));
    assert_eq!(member.submit("/issues", "/issues", &[("do", &to_guest), ("id", &issue)]).await.status, 303);
    // A viewer reads who has it.
    member.submit("/issues", "/issues", &[("do", "assign:me"), ("id", &issue)]).await;
    let page = viewer.page(&format!("/issues/{issue}")).await;
    assert!(page.contains("member@example.org has it"), "{page}");
    let twin: serde_json::Value = serde_json::from_str(&viewer.page(&format!("/issues/{issue}.json")).await).unwrap();
    assert_eq!(twin["assignee"]["email"], "member@example.org");
    assert!(viewer.page(&format!("/issues/{issue}.md")).await.contains("- assigned to member@example.org"));
}

#[tokio::test]
async fn who_is_removed_leaves_issues_with_nobody_and_a_sentence() {
    let site = Site::open().await;
    let issue = site.issue(&exception("One", "a")).await.to_string();
    let mut member = site.sign_in(Role::Member).await;
    member.submit("/issues", "/issues", &[("do", "assign:me"), ("id", &issue)]).await;
    let pool = &site.server.db.pool;
    let person = |role| users::by_email(pool, role);
    let gone = person("member@example.org").await.unwrap().unwrap();
    let given_back = users::remove(pool, gone.id, OffsetDateTime::now_utc()).await.unwrap().unwrap();
    assert_eq!(given_back.len(), 1);
    assert_eq!(holder(&site, &issue).await, None);
    let sentence = newest_sentence(&site, &issue).await;
    assert_eq!(sentence, "member@example.org was removed from Firefinch: nobody has it.");
    assert!(member.get("/issues").await.status == 303, "their session ended");
    assert!(users::remove(pool, gone.id, OffsetDateTime::now_utc()).await.unwrap().is_none());
    let admin = person("admin@example.org").await.unwrap().unwrap();
    let refused = users::remove(pool, admin.id, OffsetDateTime::now_utc()).await.unwrap_err();
    assert!(refused.to_string().contains("only administrator"), "{refused}");
    assert!(person("admin@example.org").await.unwrap().unwrap().disabled_at.is_none());
    // The change that they made cannot give it back to them.
    let mut admin = site.sign_in(Role::Admin).await;
    let page = admin.page(&format!("/issues/{issue}")).await;
    let (_, undo) = page.split_once(r#"value="undo:"#).unwrap();
    let undo = format!("undo:{}", undo.split('"').next().unwrap());
    let reply = admin.submit("/issues", "/issues", &[("do", &undo), ("id", &issue)]).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
}
