//! The real server, killed at every step of a delivery in the middle of a storm: nothing is lost, and what came twice is
//! what was cut off between the other end's taking it and our writing that down, once, with the same id.
//!
//! Steps are held open from outside: by a lock that the step has to wait for, or by another end that falls silent.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, PgPool};

use super::calm_down;
use super::product::{event, settings};
use crate::support::receiver::Receiver;
use crate::support::smtp::{Behaviour, MailServer, Silence};
use crate::support::{Database, Http, Project, ServerProcess, data_dir, until};

const PEOPLE: [&str; 3] = ["ada@shop.example", "bo@shop.example", "cy@shop.example"];
/// New issues of each round; for readers of mails a storm.
const ISSUES: u32 = 8;

/// Where the server is held until it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Signals are written, their deliveries are not.
    FanOut,
    /// Deliveries wait in their channels, no message carries them.
    Compose,
    /// Messages are leased, and nobody has been asked.
    Send,
    /// The other ends have taken them, and have not said so.
    Answer,
    /// They have said so, and it is not written down.
    Settle,
}

impl Step {
    const ALL: [Self; 5] = [Self::FanOut, Self::Compose, Self::Send, Self::Answer, Self::Settle];

    /// What another transaction locks to hold the server here.
    fn lock(self) -> Option<&'static str> {
        match self {
            Self::FanOut => Some("lock table deliveries in exclusive mode"),
            Self::Compose => Some("lock table recipient_hours in exclusive mode"),
            Self::Settle => Some("select from destination_health for update"),
            Self::Send | Self::Answer => None,
        }
    }

    /// Whether the other ends may have messages that we do not know of. A silent webhook has read its request, so for
    /// it `Send` is `Answer`.
    fn may_repeat(self) -> bool {
        matches!(self, Self::Send | Self::Answer | Self::Settle)
    }
}

struct Shop {
    db: Database,
    project: Project,
    server: ServerProcess,
    mails: MailServer,
    hooks: Receiver,
    issues: u32,
    _dir: tempfile::TempDir,
}

impl Shop {
    async fn open() -> Self {
        let (db, dir) = (Database::create().await, data_dir());
        let project = db.project("shop").await;
        let (mails, hooks) = (MailServer::start(Behaviour::default()).await, Receiver::start(&[]).await);
        let (url, smtp) = (db.url(), mails.url());
        let server = ServerProcess::start(&settings(&url, dir.path(), &smtp)).await;
        let mut mail = vec!["destination", "create", "--kind", "mail"];
        mail.extend(PEOPLE.iter().flat_map(|person| ["--to", person]));
        server.run(&mail).await;
        server.run(&["destination", "create", "--kind", "webhook", "--url", &hooks.url()]).await;
        Self { db, project, server, mails, hooks, issues: 0, _dir: dir }
    }

    fn pool(&self) -> &PgPool {
        &self.db.pool
    }

    async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.pool()).await.unwrap()
    }

    /// New issues, all accepted.
    async fn break_something(&mut self, count: u32) {
        let http = Http::new(&self.server.url);
        for _ in 0..count {
            self.issues += 1;
            let event = event(self.issues, &format!("Error{}", self.issues));
            assert_eq!(http.post_event(&self.project, &event).await.status, 200);
        }
        let written = async || {
            let new = "select count(*) from signals where kind = 'new'";
            (self.number(new).await == i64::from(self.issues)).then_some(())
        };
        until("all signals to be written", written).await;
    }

    /// Lets the windows of all channels end.
    async fn end_windows(&self) {
        let sql =
            "update channels set sent_at = sent_at - interval '20 minutes', due_at = now() where due_at is not null";
        sqlx::query(sql).execute(self.pool()).await.unwrap();
    }

    /// Everything was told and arrived.
    async fn all_sent(&self, what: &str) {
        until(what, async || {
            self.end_windows().await;
            let waiting = "select (select count(*) from deliveries where state <> 'told')
                           + (select count(*) from signals where fanned_out_at is null)
                           + (select count(*) from messages where state <> 'sent')";
            (self.number(waiting).await == 0).then_some(())
        })
        .await;
    }

    /// Holds the server at a step of a new storm, and kills it there.
    async fn kill_at(&mut self, step: Step) {
        calm_down(self.pool()).await;
        let mut held = self.pool().begin().await.unwrap();
        if let Some(lock) = step.lock() {
            sqlx::query(AssertSqlSafe(lock)).execute(&mut *held).await.unwrap();
        }
        let silent = match step {
            Step::Send => Some(Silence::BeforeGreeting),
            Step::Answer => Some(Silence::AfterTaking),
            _ => None,
        };
        if silent.is_some() {
            self.mails.behave(Behaviour { silent, ..Behaviour::default() });
            // A connection that is kept open would go on with the conversation that it has begun.
            self.mails.stop().await;
            self.mails.restart().await;
            self.hooks.answer(&[""; 64]);
        }
        let (mails, asked) = (self.mails.mails().len(), self.hooks.requests().len());
        self.break_something(ISSUES).await;
        until(&format!("the server to stand at {step:?}"), async || {
            let stands = match step {
                Step::FanOut | Step::Compose | Step::Settle => self.waits_for_a_lock().await,
                Step::Send => self.number("select count(*) from messages where leased_until > now()").await >= 6,
                Step::Answer => self.mails.mails().len() > mails,
            };
            let arrived = self.hooks.requests().len() > asked && self.mails.mails().len() > mails;
            (stands && (step != Step::Settle || arrived)).then_some(())
        })
        .await;
        self.server.kill().await;
        held.rollback().await.unwrap();
        self.mails.behave(Behaviour::default());
        self.mails.stop().await;
        self.mails.restart().await;
        self.hooks.answer(&[]);
        // The leases of the killed one run out.
        let sql = "update messages set leased_until = now() where leased_until is not null";
        sqlx::query(sql).execute(self.pool()).await.unwrap();
        self.server.restart().await;
    }

    async fn waits_for_a_lock(&self) -> bool {
        let sql =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        self.number(sql).await > 0
    }

    /// How often each message arrived.
    fn arrivals(&self) -> HashMap<String, usize> {
        let mut arrivals = HashMap::new();
        let mails = self.mails.mails();
        let ids = mails.iter().map(|mail| format!("{} to {}", mail.header("Message-ID").unwrap(), mail.to[0]));
        for id in ids.chain(self.hooks.requests().iter().map(|request| request.header("webhook-id").to_owned())) {
            *arrivals.entry(id).or_default() += 1;
        }
        arrivals
    }
}

#[tokio::test]
async fn killed_at_every_step_of_a_delivery_it_loses_nothing_and_repeats_once_at_most() {
    let mut shop = Shop::open().await;
    shop.break_something(1).await;
    shop.all_sent("the first notice").await;
    for step in Step::ALL {
        let before = shop.arrivals();
        shop.kill_at(step).await;
        shop.all_sent(&format!("everything to arrive after a kill at {step:?}")).await;
        let repeated: Vec<_> =
            shop.arrivals().into_iter().filter(|(id, count)| before.get(id) != Some(count)).collect();
        let twice = repeated.iter().filter(|(_, count)| *count > 1).count();
        assert!(repeated.iter().all(|(_, count)| *count <= 2), "{step:?}: {repeated:?}");
        assert!(twice == 0 || step.may_repeat(), "{step:?}: {repeated:?}");
        println!("{step:?}: {} messages arrived, {twice} of them twice", repeated.len());
    }
    let arrivals = shop.arrivals();
    let messages = shop.number("select count(*) from messages where state = 'sent'").await;
    assert_eq!(arrivals.len(), usize::try_from(messages).unwrap(), "each message arrived");
    let issues = i64::from(shop.issues);
    let told = "select count(*) from deliveries d join messages m on m.id = d.message_id and m.state = 'sent'";
    assert_eq!(shop.number(told).await, issues * (PEOPLE.len() as i64 + 1), "and everybody heard of each issue");
    assert_eq!(shop.server.stop().await, 0);
}
