//! The worker as it runs in the server: quick when woken, certain without, and clean when stopped.

use std::sync::Arc;
use std::time::Instant;

use firefinch::workers::notify::{self, Notifier};
use store::notifications::DeliveryState;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::World;
use crate::support::receiver::Receiver;
use crate::support::smtp::{Behaviour, MailServer};
use crate::support::until;

struct Worker {
    wake: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Worker {
    fn start(notifier: Arc<Notifier>) -> Self {
        let wake = Arc::new(Notify::new());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(notify::run(notifier, Arc::clone(&wake), stopped));
        Self { wake, stop, task }
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
    }
}

async fn all_are(world: &World, state: DeliveryState, count: usize) {
    until(&format!("{count} deliveries to be {state:?}"), async || {
        let all = world.deliveries().await;
        (all.len() == count && all.iter().all(|delivery| delivery.state == state)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn mail_and_webhook_leave_with_or_without_being_woken_and_after_an_outage_once_each() {
    let world = World::new().await;
    let mut mails = MailServer::start(Behaviour::default()).await;
    let mut hooks = Receiver::start(&[]).await;
    world.mail_to(&["oncall@shop.example"]).await;
    world.webhook_to(&hooks.url()).await;
    let mut settings = world.settings();
    settings.smtp_url = Some(mails.url());
    let worker = Worker::start(world.notifier(&settings));

    for (id, woken) in [(1, true), (2, false)] {
        let began = Instant::now();
        world.write(vec![world.event(id, u8::try_from(id).unwrap(), OffsetDateTime::now_utc())]).await;
        if woken {
            worker.wake.notify_one();
        }
        let count = usize::try_from(id).unwrap();
        mails.wait_for(count).await;
        hooks.wait_for(count).await;
        println!("woken: {woken}, took {:?}", began.elapsed());
        world.calm_down().await;
    }

    mails.stop().await;
    hooks.stop().await;
    world.write(vec![world.event(3, 3, OffsetDateTime::now_utc())]).await;
    worker.wake.notify_one();
    until("both to have failed twice", async || {
        let all = world.deliveries().await;
        (all.len() == 6 && all[4..].iter().all(|delivery| delivery.attempts >= 2)).then_some(())
    })
    .await;
    mails.restart().await;
    hooks.restart().await;
    all_are(&world, DeliveryState::Sent, 6).await;
    worker.stop().await;
    assert_eq!((mails.mails().len(), hooks.requests().len()), (3, 3));
}

#[tokio::test]
async fn two_workers_send_everything_once() {
    let world = World::new().await;
    let hooks = Receiver::start(&[]).await;
    world.webhook_to(&hooks.url()).await;
    let workers = [Worker::start(world.notifier(&world.settings())), Worker::start(world.notifier(&world.settings()))];
    for round in 0..5_u8 {
        let now = OffsetDateTime::now_utc();
        world.write((1..=10).map(|n| world.event(u128::from(round * 10 + n), round * 10 + n, now)).collect()).await;
        workers.iter().for_each(|worker| worker.wake.notify_one());
    }
    all_are(&world, DeliveryState::Sent, 50).await;
    for worker in workers {
        worker.stop().await;
    }
    let mut ids: Vec<String> = hooks.requests().iter().map(|r| r.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 50);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}

#[tokio::test]
async fn a_stop_finishes_what_is_under_way_and_starts_nothing_more() {
    let world = World::new().await;
    let hooks = Receiver::start(&[]).await;
    world.webhook_to(&hooks.url()).await;
    let worker = Worker::start(world.notifier(&world.settings()));
    world.write(vec![world.event(1, 1, OffsetDateTime::now_utc())]).await;
    worker.wake.notify_one();
    hooks.wait_for(1).await;
    worker.stop().await;
    all_are(&world, DeliveryState::Sent, 1).await;

    world.write(vec![world.event(2, 2, OffsetDateTime::now_utc())]).await;
    assert_eq!(world.deliveries().await.len(), 1);
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_nobody_else_and_its_lease_is_given_back() {
    let world = World::new().await;
    let silent = Receiver::start(&[""; 100]).await;
    let quick = Receiver::start(&[]).await;
    world.webhook_to(&silent.url()).await;
    world.webhook_to(&quick.url()).await;
    let worker = Worker::start(world.notifier(&world.settings()));
    let now = OffsetDateTime::now_utc();
    world.write((1..=30_u8).map(|n| world.event(u128::from(n), n, now)).collect()).await;
    worker.wake.notify_one();
    quick.wait_for(30).await;
    worker.stop().await;
    let leased: i64 = sqlx::query_scalar("select count(*) from messages where leased_until is not null")
        .fetch_one(world.pool())
        .await
        .unwrap();
    assert_eq!(leased, 0);
    assert!(silent.requests().len() <= 8, "at most what may be under way");
}
