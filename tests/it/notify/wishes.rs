//! What people chose about their mails: kinds, quiet hours and another address, from the tables to the mailbox.

use engine::access::{Reach, Role};
use engine::alert::Kind;
use engine::alert::quiet::{Quiet, Window};
use engine::ids::UserId;
use firefinch::config::Redacted;
use store::notifications::wishes::{self, choose, set_quiet};
use store::notifications::{DeliveryState, addresses, mutes};
use store::people::users;
use time::Duration;
use time::macros::datetime;

use super::pages::Person;
use super::{THEN, World};
use crate::support::smtp::{Behaviour, MailServer};
use crate::support::{Http, TestServer, until};

/// Every night from 22:00 to 7:00 of UTC.
const NIGHT: Window = Window { days: 0x7f, from: 22 * 60, to: 7 * 60 };

async fn member(world: &World, email: &str) -> UserId {
    world.database.user(email, Role::Member, "a long password").await;
    users::by_email(world.pool(), email).await.unwrap().unwrap().id
}

async fn at_night(world: &World, user: UserId, through: &[Kind]) {
    set_quiet(world.pool(), user, &Quiet::new("UTC", vec![NIGHT]).unwrap(), through).await.unwrap();
}

#[tokio::test]
async fn what_happens_at_night_is_one_mail_in_the_morning() {
    let world = World::new().await;
    let ann = member(&world, "Ann@shop.example").await;
    at_night(&world, ann, &[Kind::Regressed]).await;
    world.mail_to(&["ann@shop.example", "bob@shop.example"]).await;
    let notifier = world.notifier(&world.settings());
    let late = datetime!(2026-11-22 23:30 UTC);
    for (id, minutes) in [(1_u8, 0), (2, 40), (3, 80)] {
        let at = late + Duration::minutes(minutes);
        world.write(vec![world.event(id.into(), id, at)]).await;
        notifier.fan_out(at).await.unwrap();
    }
    let of_ann = async || {
        let all = world.deliveries().await;
        all.into_iter().filter(|d| d.recipient == "ann@shop.example").collect::<Vec<_>>()
    };
    let held = of_ann().await;
    assert_eq!(held.len(), 3);
    let morning = datetime!(2026-11-23 7:00 UTC);
    for delivery in &held {
        assert_eq!((delivery.state, delivery.next_attempt_at), (DeliveryState::Held, morning));
        assert_eq!(delivery.last_error.as_deref(), Some("their quiet hours last until 07:00 (UTC)"));
    }
    let messages = async || {
        sqlx::query_as::<_, (String, i32)>(
            "select form, deliveries from messages where recipient = 'ann@shop.example' order by id",
        )
        .fetch_all(world.pool())
        .await
        .unwrap()
    };
    // A kind that comes through does so at once, and takes nothing along.
    world.resolve(late + Duration::minutes(90)).await;
    let back = late + Duration::minutes(100);
    world.write(vec![world.event(4, 1, back)]).await;
    notifier.fan_out(back).await.unwrap();
    assert_eq!(messages().await, [("one".to_owned(), 1)]);
    notifier.fan_out(morning - Duration::SECOND).await.unwrap();
    assert_eq!(messages().await.len(), 1);
    notifier.fan_out(morning).await.unwrap();
    assert_eq!(messages().await, [("one".to_owned(), 1), ("list".to_owned(), 3)]);
    let told = of_ann().await;
    assert!(told.iter().all(|d| d.state == DeliveryState::Pending), "{told:?}");
    assert!(told[0].last_error.as_deref().is_some_and(|why| why.contains("quiet hours")), "it still says what held it");
    let bob: i64 = sqlx::query_scalar("select count(*) from messages where recipient = 'bob@shop.example'")
        .fetch_one(world.pool())
        .await
        .unwrap();
    assert!(bob >= 4, "nobody else is held: {bob}");
}

#[tokio::test]
async fn everybody_hears_of_the_kinds_that_they_want_of_a_project() {
    let world = World::new().await;
    let (ann, bob) = (member(&world, "ann@shop.example").await, member(&world, "bob@shop.example").await);
    let project = Some(world.project_id());
    choose(world.pool(), ann, None, Some(&[Kind::New])).await.unwrap();
    choose(world.pool(), bob, None, Some(&[Kind::New])).await.unwrap();
    choose(world.pool(), bob, project, Some(&[Kind::Regressed])).await.unwrap();
    assert!(!choose(world.pool(), bob, Some(engine::ids::ProjectId(99)), Some(&[])).await.unwrap());
    world.mail_to(&["ann@shop.example", "bob@shop.example"]).await;
    let notifier = world.notifier(&world.settings());
    world.write(vec![world.event(1, 1, THEN)]).await;
    notifier.fan_out(THEN).await.unwrap();
    let new = "they chose not to hear of new issues";
    let mut states = world.states().await;
    states.sort_unstable();
    assert_eq!(states, ["Pending bob@shop.example".to_owned(), format!("Suppressed ann@shop.example: {new}")]);

    // Without a choice of his own for the project what holds of every project holds of this one.
    choose(world.pool(), bob, project, None).await.unwrap();
    mutes::mute(world.pool(), world.project_id(), "ann@shop.example", THEN).await.unwrap();
    world.write(vec![world.event(2, 2, THEN)]).await;
    notifier.fan_out(THEN).await.unwrap();
    let mut states = world.states().await.split_off(2);
    states.sort_unstable();
    let stopped = "this address stopped mails of this project";
    assert_eq!(
        states,
        [format!("Suppressed ann@shop.example: {stopped}"), format!("Suppressed bob@shop.example: {new}")]
    );
}

#[tokio::test]
async fn mails_go_to_another_address_once_and_stay_stopped() {
    let world = World::new().await;
    let ann = member(&world, "ann@shop.example").await;
    let pool = world.pool();
    assert!(addresses::want(pool, ann, "Ann@home.example", THEN).await.unwrap());
    assert!(!addresses::want(pool, ann, "eve@home.example", THEN + Duration::minutes(9)).await.unwrap(), "too soon");
    addresses::forget(pool, ann).await.unwrap();
    let soon = THEN + Duration::minutes(9);
    assert!(!addresses::want(pool, ann, "eve@home.example", soon).await.unwrap(), "forgetting it changes nothing");
    let later = THEN + Duration::minutes(10);
    assert!(addresses::want(pool, ann, "Ann@home.example", later).await.unwrap());
    world.mail_to(&["ann@shop.example", "ann@home.example"]).await;
    let notifier = world.notifier(&world.settings());
    let heard = async |key: u8| {
        world.write(vec![world.event(key.into(), key, THEN)]).await;
        notifier.fan_out(THEN).await.unwrap();
        let all = world.deliveries().await;
        let issue = all.last().and_then(|d| d.issue_id);
        let mut to: Vec<String> = all.into_iter().filter(|d| d.issue_id == issue).map(|d| d.recipient).collect();
        to.sort_unstable();
        to
    };
    assert_eq!(heard(1).await, ["ann@home.example", "ann@shop.example"], "nothing was confirmed");
    assert!(!addresses::confirm(pool, ann, "eve@home.example").await.unwrap(), "she does not want that one");
    assert!(addresses::confirm(pool, ann, "ann@home.example").await.unwrap());
    assert!(!addresses::confirm(pool, ann, "ann@home.example").await.unwrap(), "once");
    assert_eq!(heard(2).await.len(), 1, "one person, one mail");
    mutes::mute(pool, world.project_id(), "ann@shop.example", THEN).await.unwrap();
    heard(3).await;
    assert_eq!(world.deliveries().await.last().unwrap().state, DeliveryState::Suppressed);
    mutes::unmute(pool, world.project_id(), "ann@shop.example").await.unwrap();
    mutes::mute(pool, world.project_id(), "ann@home.example", THEN).await.unwrap();
    heard(4).await;
    assert_eq!(world.deliveries().await.last().unwrap().state, DeliveryState::Suppressed);
    addresses::forget(pool, ann).await.unwrap();
    assert_eq!(heard(5).await, ["ann@home.example", "ann@shop.example"]);
}

#[tokio::test]
async fn the_reader_of_an_address_is_asked_before_anything_goes_there() {
    let mails = MailServer::start(Behaviour { after_data: vec!["451 4.3.0 try later"], ..Behaviour::default() }).await;
    let smtp = mails.url();
    let server = TestServer::start_with(|config| config.smtp_url = Some(Redacted::from(smtp))).await;
    let ann = Person::sign_in(&server.db, &server.url, "ann@shop.example", Role::Viewer).await;
    let path = "/me/notifications";
    let post = async |change: &str, more: &[(&str, &str)]| ann.press(path, path, change, more).await.status;
    assert_eq!(post("address", &[("address", "nobody")]).await, 422);
    assert_eq!(post("address", &[("address", "ann@home.example")]).await, 303);
    let mail = mails.wait_for(1).await.remove(0);
    assert_eq!(mail.header("Subject").unwrap(), "Send the mails of ann@shop.example here?");
    let text = mail.part("text/plain");
    let link = text.lines().find(|line| line.contains("/me/address/")).unwrap();
    let link = link.strip_prefix(&server.url).unwrap().trim().to_owned();
    until("the page to say that it went", async || {
        ann.get(path).await.body.contains("A mail with a link went to ann@home.example").then_some(())
    })
    .await;
    assert_eq!(post("again", &[("wanted", "ann@home.example")]).await, 422, "not so soon");

    let nobody = Http::new(&server.url);
    assert!(nobody.get(&link).await.body.contains("Send mails to ann@home.example?"));
    let user = users::by_email(&server.db.pool, "ann@shop.example").await.unwrap().unwrap().id;
    let address = async || wishes::settings(&server.db.pool, user).await.unwrap().address;
    assert_eq!(address().await, None, "opening it changes nothing");
    let form = |body: &'static str| {
        let request = nobody.request(reqwest::Method::POST, &link);
        request.header("content-type", "application/x-www-form-urlencoded").body(body)
    };
    assert_eq!(nobody.send(form("do=x")).await.status, 400);
    assert_eq!(nobody.send(form("do=confirm")).await.status, 303);
    assert_eq!(address().await.as_deref(), Some("ann@home.example"));
    assert!(nobody.get(&link).await.body.contains("Mails go to ann@home.example"));
    assert_eq!(nobody.get(&format!("{link}A")).await.status, 403);
    assert!(ann.get(path).await.body.contains("Your mails go to <b>ann@home.example</b>"));
    assert_eq!(post("forget", &[]).await, 303);
    assert_eq!(address().await, None);
    assert!(nobody.get(&link).await.body.contains("Nothing to confirm"));
}

#[tokio::test]
async fn the_page_keeps_what_a_person_says_and_shows_what_is_wrong_with_it() {
    let server = TestServer::start().await;
    let project = server.db.project("shop").await;
    let (id, pool) = (project.id.to_string(), &server.db.pool);
    let ann = Person::sign_in(&server.db, &server.url, "ann@shop.example", Role::Viewer).await;
    let user = users::by_email(pool, "ann@shop.example").await.unwrap().unwrap().id;
    let path = "/me/notifications";
    let post = async |change: &str, more: &[(&str, &str)]| ann.press(path, path, change, more).await;
    let night =
        [("zone", "Europe/Berlin"), ("day-0", "4"), ("from-0", "22:00"), ("to-0", "07:00"), ("through", "trouble")];
    assert_eq!(post("quiet", &night).await.status, 303);
    let settings = wishes::settings(pool, user).await.unwrap();
    assert_eq!(settings.windows, [Window { days: 1 << 4, from: 22 * 60, to: 7 * 60 }]);
    assert_eq!((settings.zone.as_str(), settings.through.as_slice()), ("Europe/Berlin", &[Kind::Trouble][..]));
    for (fields, problem) in [
        (vec![("zone", "Mars/Olympus")], "There is no time zone &#34;Mars/Olympus&#34;"),
        (vec![("zone", "UTC"), ("from-0", "22:00"), ("to-0", "07:00")], "A window needs a day"),
        (vec![("zone", "UTC"), ("day-0", "1"), ("from-0", "late"), ("to-0", "07:00")], "late is no time of day"),
    ] {
        let reply = post("quiet", &fields).await;
        assert!(reply.status == 422 && reply.body.contains(problem), "{problem}: {}", reply.body);
    }
    assert_eq!(wishes::settings(pool, user).await.unwrap(), settings, "what is wrong changes nothing");
    assert_eq!(post("without:0", &night).await.status, 303);
    assert!(wishes::settings(pool, user).await.unwrap().windows.is_empty());

    assert_eq!(post("kinds", &[("project", ""), ("kind", "new")]).await.status, 303);
    assert!(ann.get(path).await.body.contains("Only new issues"));
    assert_eq!(post("kinds", &[("project", &id), ("mode", "none")]).await.status, 303);
    assert_eq!(
        mutes::list(pool, &Reach::All, Some("ann@shop.example")).await.unwrap().len(),
        1,
        "the row that the link writes"
    );
    assert_eq!(post("kinds", &[("project", &id), ("mode", "own"), ("kind", "regressed")]).await.status, 303);
    assert!(mutes::list(pool, &Reach::All, None).await.unwrap().is_empty());
    assert_eq!(wishes::choices(pool, user).await.unwrap().len(), 2);
    assert_eq!(post("kinds", &[("project", &id), ("mode", "same")]).await.status, 303);
    assert_eq!(wishes::choices(pool, user).await.unwrap().len(), 1);
    for (change, fields, status) in [
        ("kinds", vec![("project", "99"), ("mode", "own")], 404),
        ("kinds", vec![("project", "x")], 400),
        ("kinds", vec![("project", id.as_str()), ("mode", "x")], 400),
        ("explode", vec![], 400),
        ("without:x", vec![], 400),
    ] {
        assert_eq!(post(change, &fields).await.status, status, "{change} {fields:?}");
    }
    assert_eq!(ann.get("/me/notifications?project=nope").await.status, 404);
    assert!(ann.get("/me/notifications?project=shop").await.body.contains("<details class=\"choice\" open>"));
}
