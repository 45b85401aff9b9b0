//! Owners: found when a new issue is told of, kept with it, and given the issue where the project wants that.

use engine::access::Role;
use engine::alert::Kind;
use engine::alert::rule::{Conditions, Rule};
use engine::ids::IssueId;
use serde_json::Value;
use store::notifications::preview::{Candidate, prepare};
use store::notifications::{MailTarget, NewRule, Target, create_rule};
use store::owners::{self, Ownership};
use store::people::users::{self, NewUser};
use time::Duration;

use super::rules::silent;
use super::{THEN, World};

async fn person(world: &World, email: &str, name: &str, role: Role) -> i64 {
    let email = email.parse().unwrap();
    let new = NewUser { email: &email, name, role, password_hash: None, now: THEN };
    users::create(world.pool(), new).await.unwrap().id.get()
}

async fn rules(world: &World, rules: &str, auto_assign: bool) {
    let new = Ownership { rules: rules.to_owned(), auto_assign };
    owners::set(world.pool(), world.project_id(), &new, None, THEN).await.unwrap();
}

/// The newest issue, with who has it and who owns it.
async fn newest(world: &World) -> (IssueId, Option<i64>, Vec<String>) {
    let (id, holder): (i64, Option<i64>) =
        sqlx::query_as("select id, assigned_user_id from issues order by id desc limit 1")
            .fetch_one(world.pool())
            .await
            .unwrap();
    let found = owners::of_issue(world.pool(), (world.project_id(), IssueId(id))).await.unwrap();
    (IssueId(id), holder, found.iter().map(|owner| format!("{}: {}", owner.person.shown(), owner.why())).collect())
}

async fn owners_told(world: &World) -> Value {
    sqlx::query_scalar::<_, Option<Value>>("select facts -> 'owners' from signals order by id desc limit 1")
        .fetch_one(world.pool())
        .await
        .unwrap()
        .unwrap_or_default()
}

#[tokio::test]
async fn a_new_issue_has_the_owners_of_the_last_rule_that_fits() {
    let world = World::new().await;
    let notifier = world.notifier(&world.settings());
    person(&world, "ana@shop.example", "Ana", Role::Member).await;
    person(&world, "ben@shop.example", "Ben", Role::Admin).await;
    person(&world, "vi@shop.example", "Vi", Role::Viewer).await;
    rules(&world, "* @ana\npath:src/checkout/* vi@shop.example @BEN ana@shop.example\n*.py @ana", false).await;
    world.write(vec![world.event(1, 1, THEN)]).await;
    assert_eq!(newest(&world).await.2, [] as [&str; 0], "ingest does nothing for it");
    notifier.fan_out(THEN).await.unwrap();
    let why = "src/checkout/* matches src/checkout/placeOrder.ts";
    let (issue, holder, found) = newest(&world).await;
    assert_eq!((holder, &found), (None, &vec![format!("Ben: path:{why}"), format!("Ana: path:{why}")]));
    assert_eq!(owners_told(&world).await, serde_json::json!(["ben@shop.example", "ana@shop.example"]));

    // What is known stays when the rules change; later issues follow the new ones.
    rules(&world, "* ana@shop.example", false).await;
    world.write(vec![world.event(2, 1, THEN), world.event(3, 3, THEN)]).await;
    notifier.fan_out(THEN + Duration::SECOND).await.unwrap();
    assert_eq!(newest(&world).await.2, ["Ana: * matches src/checkout/placeOrder.ts"]);
    let first = owners::of_issue(world.pool(), (world.project_id(), issue)).await.unwrap();
    assert_eq!(first.len(), 2);

    // A rule without owners, and one that only names strangers, say that nobody owns it.
    for (number, text) in [(4, "* ana@shop.example\n/src/"), (5, "* gone@shop.example @acme/payments")] {
        rules(&world, text, true).await;
        world.write(vec![world.event(number, u8::try_from(number).unwrap(), THEN)]).await;
        notifier.fan_out(THEN + Duration::seconds(2)).await.unwrap();
        let (_, holder, found) = newest(&world).await;
        assert_eq!((holder, found.len(), owners_told(&world).await), (None, 0, Value::Null), "{text}");
    }
}

#[tokio::test]
async fn a_project_that_wants_it_gives_new_issues_to_their_owner_unless_somebody_has_them() {
    let world = World::new().await;
    let notifier = world.notifier(&world.settings());
    let ana = person(&world, "ana@shop.example", "Ana", Role::Member).await;
    let ben = person(&world, "ben@shop.example", "Ben", Role::Admin).await;
    rules(&world, "path:src/* @ana", true).await;
    world.write(vec![world.event(1, 1, THEN)]).await;
    let done = notifier.fan_out(THEN).await.unwrap();
    assert_eq!(done.assigned.len(), 1, "open pages are told");
    let (issue, holder, _) = newest(&world).await;
    assert_eq!(holder, Some(ana));
    let sentence: String = sqlx::query_scalar("select reason from issue_activity where kind = 'assigned'")
        .fetch_one(world.pool())
        .await
        .unwrap();
    assert_eq!(sentence, "Assigned to Ana. path:src/* of the project's owners matches src/checkout/placeOrder.ts.");
    // Somebody was quicker.
    world.write(vec![world.event(2, 2, THEN)]).await;
    sqlx::query("update issues set assigned_user_id = $1 where id <> $2")
        .bind(ben)
        .bind(issue.get())
        .execute(world.pool())
        .await
        .unwrap();
    notifier.fan_out(THEN + Duration::SECOND).await.unwrap();
    assert_eq!(newest(&world).await.1, Some(ben));
    assert_eq!(owners_told(&world).await, serde_json::json!(["ben@shop.example", "ana@shop.example"]));
    // An issue that comes back is told to whoever has it, and stays with them.
    world.resolve(THEN + Duration::MINUTE).await;
    world.write(vec![world.event(3, 2, THEN + Duration::minutes(2))]).await;
    notifier.fan_out(THEN + Duration::minutes(2)).await.unwrap();
    assert_eq!((newest(&world).await.1, owners_told(&world).await[0].clone()), (Some(ben), "ben@shop.example".into()));
}

#[tokio::test]
async fn what_is_gone_or_cannot_be_read_keeps_no_message_from_being_told() {
    let world = World::new().await;
    let notifier = world.notifier(&world.settings());
    person(&world, "ana@shop.example", "Ana", Role::Member).await;
    rules(&world, "path:src/* @ana", true).await;
    // The event is gone, the issue is gone, the payload is none, the rules are of another version.
    world.write((1..=4).map(|number| world.event(number, u8::try_from(number).unwrap(), THEN)).collect()).await;
    let pool = world.pool();
    for sql in [
        "delete from events where event_id = '00000000-0000-0000-0000-000000000001'",
        "delete from issues where first_event_id = '00000000-0000-0000-0000-000000000002'",
        "update events set codec = 99 where event_id = '00000000-0000-0000-0000-000000000003'",
    ] {
        assert_eq!(sqlx::query(sql).execute(pool).await.unwrap().rows_affected(), 1, "{sql}");
    }
    assert_eq!(notifier.fan_out(THEN).await.unwrap().signals, 4);
    let owned: i64 = sqlx::query_scalar("select count(*) from issue_owners").fetch_one(pool).await.unwrap();
    assert_eq!(owned, 1);
    sqlx::query("update ownership_rules set rules = 'path:'").execute(pool).await.unwrap();
    world.write(vec![world.event(9, 9, THEN)]).await;
    assert_eq!(notifier.fan_out(THEN + Duration::SECOND).await.unwrap().signals, 1);
}

async fn heard(world: &World) -> Vec<String> {
    let mut all: Vec<String> = world.deliveries().await.into_iter().map(|delivery| delivery.recipient).collect();
    sqlx::query("delete from deliveries").execute(world.pool()).await.unwrap();
    all.sort();
    all
}

#[tokio::test]
async fn a_destination_of_owners_mails_who_has_an_issue_then_who_owns_it_then_everybody_else() {
    let world = World::new().await;
    let notifier = world.notifier(&world.settings());
    let ana = person(&world, "ana@shop.example", "Ana", Role::Member).await;
    person(&world, "Ben@shop.example", "Ben", Role::Admin).await;
    let target = MailTarget { to: vec!["lead@shop.example".to_owned()], owners: true, ..MailTarget::default() };
    let owners = world.destination(Target::Mail(target)).await;
    rules(&world, "path:src/* @ben @ana", false).await;
    world.write(vec![world.event(1, 1, THEN)]).await;
    notifier.fan_out(THEN).await.unwrap();
    assert_eq!(heard(&world).await, ["Ben@shop.example"], "its first owner");
    sqlx::query("update issues set assigned_user_id = $1").bind(ana).execute(world.pool()).await.unwrap();
    world.resolve(THEN + Duration::MINUTE).await;
    world.write(vec![world.event(2, 1, THEN + Duration::minutes(2))]).await;
    notifier.fan_out(THEN + Duration::minutes(2)).await.unwrap();
    assert_eq!(heard(&world).await, ["ana@shop.example"], "who has it");
    rules(&world, "", false).await;
    world.write(vec![world.event(3, 3, THEN + Duration::minutes(3))]).await;
    notifier.fan_out(THEN + Duration::minutes(3)).await.unwrap();
    assert_eq!(heard(&world).await, ["lead@shop.example"], "nobody owns it");
    // Without anybody else named it is everybody.
    sqlx::query("update destinations set config = config || '{\"to\": []}' where id = $1")
        .bind(owners.get())
        .execute(world.pool())
        .await
        .unwrap();
    world.write(vec![world.event(4, 4, THEN + Duration::minutes(4))]).await;
    notifier.fan_out(THEN + Duration::minutes(4)).await.unwrap();
    assert_eq!(heard(&world).await, ["Ben@shop.example", "ana@shop.example"]);
}

#[tokio::test]
async fn a_rule_asks_who_owns_an_issue_and_its_preview_finds_what_was_sent() {
    let world = World::new().await;
    let notifier = world.notifier(&world.settings());
    person(&world, "ana@shop.example", "Ana", Role::Member).await;
    rules(&world, "path:src/* @ana", false).await;
    let rule = |owner: &str| Rule {
        project: Some(world.project_id()),
        kinds: vec![Kind::New],
        conditions: Conditions { owners: vec![owner.to_owned()], ..Conditions::default() },
    };
    let (of_ana, of_nobody) = (rule("Ana@shop.example"), rule("nobody"));
    let (a, n) = (silent(&world, "a@shop.example").await, silent(&world, "n@shop.example").await);
    for (rule, to) in [(&of_ana, a), (&of_nobody, n)] {
        let new = NewRule { name: "", rule, destinations: &[to] };
        create_rule(world.pool(), &new, THEN).await.unwrap();
    }
    world.write(vec![world.event(1, 1, THEN)]).await;
    notifier.fan_out(THEN).await.unwrap();
    rules(&world, "", false).await;
    world.write(vec![world.event(2, 2, THEN), world.event(3, 3, THEN)]).await;
    notifier.fan_out(THEN).await.unwrap();
    assert_eq!(heard(&world).await, ["a@shop.example", "n@shop.example", "n@shop.example"]);
    // The rules of a project may change: what was sent stays what would have been sent.
    rules(&world, "* @ana", false).await;
    for (rule, to, signals) in [(of_ana, a, 1), (of_nobody, n, 2)] {
        let candidate = Candidate { id: None, rule, destinations: vec![to] };
        let found = prepare(world.pool(), &candidate, THEN + Duration::HOUR).await.unwrap().run();
        assert_eq!(found.signals, signals);
    }
}
