//! What a rule would have sent in the last week is what it did send: a week of traffic is replayed, with every moment at
//! which something is due, and then compared with the preview of each rule, message by message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::access::Role;
use engine::alert::Kind;
use engine::alert::quiet::{Quiet, Window};
use engine::alert::rule::{Conditions, Rule};
use engine::ids::{DestinationId, ProjectId};
use firefinch::workers::notify::Notifier;
use serde_json::{Value, json};
use store::notifications::preview::{Candidate, Preview, prepare};
use store::notifications::wishes::{choose, set_quiet};
use store::notifications::{
    MailTarget, NewDestination, NewRule, Target, WebhookTarget, addresses, create_destination, create_rule, list_rules,
    mutes,
};
use store::people::users;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::{SECRET, World};

/// A Monday.
const MONDAY: OffsetDateTime = datetime!(2026-11-16 0:00 UTC);
const PROJECTS: usize = 9;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[usize::try_from(self.below(some.len() as u64)).unwrap()]
    }
}

/// A signal that will happen.
struct Happening {
    project: i64,
    kind: &'static str,
    facts: Value,
}

fn happening(dice: &mut Dice, projects: &[i64]) -> Happening {
    let kind = dice.of(&["new", "new", "new", "regressed", "escalating", "resolved", "deploy", "spike_started"]);
    let facts = json!({
        "title": "KeyError: no cart",
        "environment": dice.of(&["production", "production", "staging", ""]),
        "level": dice.of(&["error", "error", "fatal", "warning"]),
        "release": dice.of(&["shop@1.0.0", "shop@2.0.0", ""]),
        "tags": [["region", dice.of(&["eu-1", "us-1"])]],
        "late_s": dice.of(&[0, 0, 0, 0, 0, 0, 0, 9000]),
    });
    Happening { project: dice.of(projects), kind, facts }
}

/// A week: single signals day and night, storms of one project, and one hour in which everything breaks.
fn week(projects: &[i64]) -> BTreeMap<OffsetDateTime, Vec<Happening>> {
    let mut dice = Dice(2026);
    let mut week: BTreeMap<OffsetDateTime, Vec<Happening>> = BTreeMap::new();
    let mut at = |second: u64, all: Vec<Happening>| {
        week.entry(MONDAY + Duration::seconds(i64::try_from(second).unwrap())).or_default().extend(all);
    };
    for _ in 0..260 {
        let second = dice.below(7 * 86_400);
        at(second, vec![happening(&mut dice, projects)]);
    }
    for _ in 0..8 {
        let (begin, project) = (dice.below(6 * 86_400), dice.of(projects));
        for _ in 0..12 {
            let second = begin + dice.below(1_800);
            let some = 1 + dice.below(40);
            at(second, (0..some).map(|_| happening(&mut dice, &[project])).collect());
        }
    }
    for minute in 0..55 {
        let all = projects.iter().map(|project| happening(&mut dice, &[*project])).collect();
        at(4 * 86_400 + 15 * 3_600 + minute * 60, all);
    }
    week
}

async fn write(world: &World, at: OffsetDateTime, all: &[Happening]) {
    sqlx::query(
        "insert into signals (project_id, issue_id, kind, facts, created_at)
         select project_id, case when kind in ('deploy', 'spike_started') then null else 1 end, kind, facts, $4
         from unnest($1::bigint[], $2::text[], $3::jsonb[]) with ordinality n (project_id, kind, facts, nth)
         order by nth",
    )
    .bind(all.iter().map(|one| one.project).collect::<Vec<_>>())
    .bind(all.iter().map(|one| one.kind).collect::<Vec<_>>())
    .bind(all.iter().map(|one| one.facts.clone()).collect::<Vec<_>>())
    .bind(at)
    .execute(world.pool())
    .await
    .unwrap();
}

/// Does what is due before a moment, when it is due.
async fn pass(world: &World, notifier: &Arc<Notifier>, until: OffsetDateTime) {
    let next = "select min(at) from (select due_at as at from channels union all select ready_at from deliveries where state = 'held') due";
    loop {
        let due: Option<OffsetDateTime> = sqlx::query_scalar(next).fetch_one(world.pool()).await.unwrap();
        let Some(due) = due.filter(|due| *due < until) else { return };
        notifier.fan_out(due).await.unwrap();
        arrive(world, due).await;
    }
}

async fn destination(world: &World, name: &str, target: Target) -> DestinationId {
    let new = NewDestination { project_id: None, name, target, signals: &[] };
    create_destination(world.pool(), &new, MONDAY).await.unwrap()
}

async fn rule(world: &World, project: Option<i64>, kinds: &[Kind], conditions: Value, to: &[DestinationId]) {
    let conditions: Conditions = serde_json::from_value(conditions).unwrap();
    let rule = Rule { project: project.map(ProjectId), kinds: kinds.to_vec(), conditions };
    create_rule(world.pool(), &NewRule { name: "rule", rule: &rule, destinations: to }, MONDAY).await.unwrap();
}

/// Lists, a chat, a hook, everybody; people with quiet hours, choices, mutes and another address.
async fn furnish(world: &World) -> Vec<i64> {
    let mut projects = vec![world.project.id];
    for number in 1..PROJECTS {
        projects.push(world.database.project(&format!("shop{number}")).await.id);
    }
    let pool = world.pool();
    for name in ["ann", "bob", "cleo"] {
        let email = format!("{name}@shop.example");
        world.database.user(&email, Role::Member, "a long password").await;
        let user = users::by_email(pool, &email).await.unwrap().unwrap().id;
        match name {
            "ann" => {
                let night = Window { days: 0x1f, from: 21 * 60, to: 6 * 60 + 30 };
                let weekend = Window { days: 0x60, from: 0, to: 0 };
                let quiet = Quiet::new("America/New_York", vec![night, weekend]).unwrap();
                set_quiet(pool, user, &quiet, &[Kind::SpikeStarted]).await.unwrap();
            }
            "bob" => {
                choose(pool, user, None, Some(&[Kind::Resolved])).await.unwrap();
                choose(pool, user, Some(ProjectId(projects[1])), Some(&[Kind::New])).await.unwrap();
                mutes::mute(pool, ProjectId(projects[2]), &email, MONDAY).await.unwrap();
            }
            _ => {
                addresses::want(pool, user, "cleo@home.example", MONDAY).await.unwrap();
                addresses::confirm(pool, user, "cleo@home.example").await.unwrap();
            }
        }
    }
    let mail = |to: &[&str], members| {
        Target::Mail(MailTarget { to: to.iter().map(ToString::to_string).collect(), members, ..MailTarget::default() })
    };
    let hook = Target::Webhook(WebhookTarget {
        url: "https://hooks.example/".to_owned(),
        secret: SECRET.to_owned(),
        ..WebhookTarget::default()
    });
    let hook = destination(world, "hook", hook).await;
    let everybody = destination(world, "everybody", mail(&[], true)).await;
    let oncall = destination(world, "on call", mail(&["oncall@shop.example", "Ann@shop.example"], false)).await;
    let home = destination(world, "home", mail(&["cleo@home.example"], false)).await;
    rule(world, None, &Kind::USUAL, json!({"environments": ["production"]}), &[oncall]).await;
    rule(world, Some(projects[0]), &Kind::ALL, json!({"levels": ["fatal", "warning"]}), &[everybody, hook]).await;
    rule(world, Some(projects[1]), &[Kind::New, Kind::Resolved], json!({"tags": [["region", "eu-*"]]}), &[everybody])
        .await;
    rule(world, None, &[Kind::Deploy, Kind::SpikeStarted], json!({"releases": ["shop@2.*"]}), &[everybody, home]).await;
    rule(world, Some(projects[2]), &[Kind::New], json!({}), &[everybody, home, hook]).await;
    projects
}

/// Time, form, destination, recipient, project, own deliveries and all.
type Line = (OffsetDateTime, String, i64, String, Option<i64>, i64, i64);

async fn really_sent(world: &World, rule: i64) -> Vec<Line> {
    sqlx::query_as(
        "select m.created_at, m.form, m.destination_id, m.recipient, m.project_id, count(*), m.deliveries::bigint
         from messages m
         join deliveries d on d.message_id = m.id
         where d.rule_id = $1
         group by m.id",
    )
    .bind(rule)
    .fetch_all(world.pool())
    .await
    .unwrap()
}

fn lines(preview: &Preview) -> Vec<Line> {
    let line = |m: &store::notifications::preview::Message| {
        let (own, all) = (i64::try_from(m.deliveries).unwrap(), i64::try_from(m.carries).unwrap());
        let project = m.project_id.map(ProjectId::get);
        (m.at, m.form.to_owned(), m.destination_id.get(), m.recipient.clone(), project, own, all)
    };
    preview.messages.iter().map(line).collect()
}

/// Every destination answers at once, as a preview takes it: what waits for one that does not joins other messages.
async fn arrive(world: &World, at: OffsetDateTime) {
    let sql = "update messages set state = 'sent', sent_at = $1 where state = 'pending'";
    sqlx::query(sql).bind(at).execute(world.pool()).await.unwrap();
}

async fn count(world: &World, rule: i64, what: &str) -> usize {
    let sql = format!("select count(*) from deliveries where rule_id = $1 and {what}");
    let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(rule).fetch_one(world.pool()).await.unwrap();
    usize::try_from(found).unwrap()
}

#[tokio::test]
async fn the_preview_of_each_rule_is_what_a_replayed_week_really_sent() {
    let world = World::new().await;
    let projects = furnish(&world).await;
    // Only what would be mailed is compared; nothing is sent, and all of it arrives.
    let mut settings = world.settings();
    settings.smtp_url = Some("smtp://127.0.0.1:1".to_owned());
    let notifier = world.notifier(&settings);
    let week = week(&projects);
    assert!(week.values().map(Vec::len).sum::<usize>() > 2_000);
    for (at, all) in &week {
        pass(&world, &notifier, *at).await;
        write(&world, *at, all).await;
        notifier.fan_out(*at).await.unwrap();
        arrive(&world, *at).await;
    }
    // In the night from Saturday to Sunday much is held and not told yet.
    let until = MONDAY + Duration::days(7) - Duration::MINUTE;
    pass(&world, &notifier, until).await;

    let (mut ends, mut seen) = (BTreeSet::new(), (0, 0, 0, 0));
    for stored in list_rules(world.pool(), None).await.unwrap() {
        let destinations = stored.destinations.iter().map(|(id, _)| *id).collect();
        let candidate = Candidate { id: Some(stored.id), rule: stored.rule.clone(), destinations };
        let preview = prepare(world.pool(), &candidate, until).await.unwrap().run();
        let (carrying, others): (Vec<Line>, Vec<Line>) = lines(&preview).into_iter().partition(|line| line.6 > 0);
        let (mut expected, mut carrying) = (really_sent(&world, stored.id).await, carrying);
        expected.sort();
        carrying.sort();
        assert_eq!(carrying.len(), expected.len(), "messages of {}", stored.sentence());
        assert_eq!(carrying, expected, "messages of {}", stored.sentence());
        ends.extend(
            others.into_iter().map(|(at, form, to, recipient, project, ..)| (at, form, to, recipient, project)),
        );
        let suppressed: usize = preview.suppressed.iter().map(|(_, count)| count).sum();
        assert_eq!(suppressed, count(&world, stored.id, "state = 'suppressed'").await);
        let held = "state <> 'suppressed' and reason like 'their quiet hours%'";
        assert_eq!(preview.held, count(&world, stored.id, held).await);
        assert_eq!(preview.waiting, count(&world, stored.id, "state in ('waiting', 'held')").await);
        assert_eq!(preview.deliveries, count(&world, stored.id, "true").await);
        seen = (
            seen.0 + suppressed,
            seen.1 + preview.held,
            seen.2 + preview.by_earlier_rules,
            seen.3 + preview.messages.len(),
        );
    }
    let really: Vec<(OffsetDateTime, String, i64, String, Option<i64>)> = sqlx::query_as(
        "select created_at, form, destination_id, recipient, project_id from messages where form in ('calm', 'limit')",
    )
    .fetch_all(world.pool())
    .await
    .unwrap();
    assert_eq!(ends, really.into_iter().collect(), "ends of storms, and limits");
    let has = |form: &str| ends.iter().any(|end| end.1 == form);
    assert!(has("calm") && has("limit"), "the week has storms, and an hour that is full");
    let (suppressed, held, earlier, messages) = seen;
    assert!(suppressed > 100 && held > 20 && earlier > 20 && messages > 300, "{seen:?}");
}

#[tokio::test]
async fn a_preview_is_bounded_and_writes_nothing() {
    let world = World::new().await;
    let to = destination(
        &world,
        "on call",
        Target::Mail(MailTarget { to: vec!["a@shop.example".to_owned()], ..MailTarget::default() }),
    )
    .await;
    sqlx::query(
        "insert into signals (project_id, issue_id, kind, facts, created_at)
         select $1, 1, 'new', '{}', $2::timestamptz + make_interval(secs => n) from generate_series(1, 25000) n",
    )
    .bind(world.project.id)
    .bind(MONDAY)
    .execute(world.pool())
    .await
    .unwrap();
    let rule = Rule { project: None, kinds: vec![Kind::New], conditions: Conditions::default() };
    let candidate = Candidate { id: None, rule, destinations: vec![to] };
    let now = MONDAY + Duration::days(1);
    let preview = prepare(world.pool(), &candidate, now).await.unwrap().run();
    assert_eq!((preview.signals_read, preview.signals, preview.deliveries), (20_000, 20_000, 20_000));
    assert_eq!(preview.since, MONDAY + Duration::seconds(5_001), "not the whole week");
    assert!(preview.messages.iter().map(|message| message.carries).sum::<usize>() + preview.waiting == 20_000);
    let later = prepare(world.pool(), &candidate, now + Duration::days(8)).await.unwrap().run();
    assert_eq!((later.signals_read, later.messages.len()), (0, 0));
    let written: i64 = sqlx::query_scalar(
        "select (select count(*) from deliveries) + (select count(*) from messages) + (select count(*) from channels)",
    )
    .fetch_one(world.pool())
    .await
    .unwrap();
    assert_eq!(written, 0);
}
