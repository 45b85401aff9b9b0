//! Rules: which signals go where, from the table to the list of deliveries.

use engine::alert::Kind;
use engine::alert::rule::{Conditions, Rule};
use engine::ids::DestinationId;
use serde_json::{Value, json};
use store::notifications::{
    DeliveryState, MailTarget, NewDestination, NewRule, Target, create_destination, create_rule, delete_rule,
    list_rules, set_rule_enabled,
};
use time::Duration;

use super::{THEN, World};
use crate::support::{Database, ServerProcess, data_dir};

/// A destination that no rule sends to yet.
pub(super) async fn silent(world: &World, address: &str) -> DestinationId {
    let target = Target::Mail(MailTarget { to: vec![address.to_owned()], ..MailTarget::default() });
    let new = NewDestination { project_id: None, name: address, target, signals: &[] };
    create_destination(world.pool(), &new, THEN).await.unwrap()
}

async fn rule(world: &World, name: &str, conditions: Value, to: DestinationId) -> i64 {
    let conditions: Conditions = serde_json::from_value(conditions).unwrap();
    let rule = Rule { project: Some(world.project_id()), kinds: vec![Kind::New], conditions };
    create_rule(world.pool(), &NewRule { name, rule: &rule, destinations: &[to] }, THEN).await.unwrap()
}

#[tokio::test]
async fn a_rule_sends_what_its_conditions_hold_of_and_an_address_hears_of_it_once() {
    let world = World::new().await;
    let notifier = world.notifier(&world.settings());
    let (ops, eu) = (silent(&world, "ops@shop.example").await, silent(&world, "eu@shop.example").await);
    rule(&world, "production", json!({"environments": ["production"]}), ops).await;
    let twice = rule(&world, "the same again", json!({"levels": ["error"]}), ops).await;
    let tagged = rule(&world, "eu", json!({"tags": [["region", "eu-*"]], "releases": ["shop@4.*"]}), eu).await;
    let mut event = world.event(1, 1, THEN);
    event.tags = vec![("region".to_owned(), "eu-1".to_owned())];
    let mut staging = world.event(2, 2, THEN);
    staging.environment = Some("staging".into());
    staging.level = "warning";
    world.write(vec![event, staging]).await;
    notifier.fan_out(THEN).await.unwrap();
    let heard = async || {
        let all = world.deliveries().await;
        all.iter().map(|d| (d.recipient.clone(), d.issue_id.map(|id| id.get()))).collect::<Vec<_>>()
    };
    let issue: i64 = sqlx::query_scalar("select min(issue_id) from signals").fetch_one(world.pool()).await.unwrap();
    let mut first = heard().await;
    first.sort_unstable();
    assert_eq!(first, [("eu@shop.example".to_owned(), Some(issue)), ("ops@shop.example".to_owned(), Some(issue))]);

    assert!(set_rule_enabled(world.pool(), tagged, false, THEN).await.unwrap());
    assert!(delete_rule(world.pool(), twice, THEN).await.unwrap());
    assert!(
        !delete_rule(world.pool(), twice, THEN).await.unwrap()
            && !set_rule_enabled(world.pool(), 99, true, THEN).await.unwrap()
    );
    let mut event = world.event(3, 3, THEN);
    event.tags = vec![("region".to_owned(), "eu-1".to_owned())];
    world.write(vec![event]).await;
    notifier.fan_out(THEN).await.unwrap();
    assert_eq!(heard().await.len(), 3, "only production is left");
    let rules = list_rules(world.pool(), Some(world.project_id())).await.unwrap();
    let sentences: Vec<String> = rules.iter().skip(1).map(|rule| rule.sentence()).collect();
    assert_eq!(
        sentences,
        [
            "When an issue is new in production of shop, tell ops@shop.example.",
            "When an issue is new of shop in release shop@4.* with region eu-*, tell eu@shop.example.",
        ]
    );
}

#[tokio::test]
async fn what_arrives_late_is_listed_and_wakes_nobody() {
    let world = World::new().await;
    world.mail_to(&["oncall@shop.example"]).await;
    let notifier = world.notifier(&world.settings());
    let mut event = world.event(1, 1, THEN);
    event.occurred_at = THEN - Duration::hours(5);
    world.write(vec![event]).await;
    notifier.fan_out(THEN).await.unwrap();
    let all = world.deliveries().await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].state, DeliveryState::Suppressed);
    assert_eq!(all[0].last_error.as_deref(), Some("its event was 5 h old when it arrived"));
    let messages: i64 = sqlx::query_scalar("select count(*) from messages").fetch_one(world.pool()).await.unwrap();
    assert_eq!(messages, 0);
}

#[tokio::test]
async fn a_new_instance_tells_its_members_of_what_production_breaks() {
    let world = World::new().await;
    world.database.user("ann@shop.example", engine::access::Role::Member, "a long password").await;
    let mut settings = world.settings();
    settings.smtp_url = Some("smtp://127.0.0.1:1".to_owned());
    let notifier = world.notifier(&settings);
    for (id, environment) in [(1_u8, Some("production")), (2, Some("staging")), (3, None), (4, Some("dev"))] {
        let mut event = world.event(id.into(), id, THEN);
        event.environment = environment.map(Into::into);
        world.write(vec![event]).await;
    }
    notifier.fan_out(THEN).await.unwrap();
    assert_eq!(world.deliveries().await.len(), 2, "production, and none given");
}

#[tokio::test]
async fn commands_make_list_switch_and_delete_rules() {
    let (db, dir) = (Database::create().await, data_dir());
    db.project("shop").await;
    let url = db.url();
    let settings = [("DATABASE_URL", url.as_str()), ("FIREFINCH_DATA_DIR", dir.path().to_str().unwrap())];
    let server = ServerProcess::start(&settings).await;
    let make = [
        "rule",
        "create",
        "--project",
        "shop",
        "--signal",
        "new",
        "--signal",
        "deploy",
        "--environment",
        "production",
        "--level",
        "fatal",
        "--release",
        "shop@2.*",
        "--tag",
        "region=eu",
        "--new-issues",
        "25",
        "--to",
        "1",
        "--json",
    ];
    let made: Value = serde_json::from_str(&server.run(&make).await).unwrap();
    assert_eq!(
        made["conditions"],
        json!({
            "environments": ["production"], "levels": ["fatal"], "releases": ["shop@2.*"], "tags": [["region", "eu"]],
            "new_issues": 25
        })
    );
    let id = made["id"].as_str().unwrap();
    let listed: Vec<Value> = serde_json::from_str(&server.run(&["rule", "list", "--json"]).await).unwrap();
    assert_eq!((listed.len(), &listed[0]["fallback"], &listed[1]), (2, &json!(true), &made));
    let tried: Value = serde_json::from_str(&server.run(&["rule", "preview", id, "--json"]).await).unwrap();
    assert_eq!((&tried["preview"]["signals"], &tried["preview"]["messages"]), (&json!(0), &json!([])));
    let told = server.run(&["rule", "preview", "--latest", "--frequency", "20 users/60m", "--to", "1"]).await;
    assert!(told.contains("In the last 7 days this would have been 0 messages about 0 of 0 signals."), "{told}");
    assert!(told.contains("How frequent issues are is only looked at when a rule asks"), "{told}");
    server.run(&["rule", "disable", id]).await;
    let shown: Value = serde_json::from_str(&server.run(&["rule", "show", id, "--json"]).await).unwrap();
    assert_eq!(shown["disabled"], true);
    server.run(&["rule", "enable", id]).await;
    server.run(&["rule", "delete", id]).await;
    for (wrong, code) in [
        (&["rule", "show", id][..], 1),
        (&["rule", "delete", "99"], 1),
        (&["rule", "create"], 2),
        (&["rule", "preview"], 2),
        (&["rule", "preview", "99"], 1),
        (&["rule", "create", "--to", "1", "--frequency", "often"], 2),
        (&["rule", "create", "--to", "99"], 1),
        (&["rule", "create", "--to", "1", "--project", "nope"], 1),
        (&["rule", "create", "--to", "1", "--level", "loud"], 2),
        (&["rule", "create", "--to", "1", "--tag", "region"], 2),
        (&["rule", "create", "--to", "1", "--signal", "old"], 2),
        (&["rule", "create", "--to", "1", "--new-issues", "1000"], 2),
    ] {
        assert_eq!(server.try_run(wrong).await.0, code, "{wrong:?}");
    }
}
