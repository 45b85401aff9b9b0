//! Notifications: turns signals into deliveries, these into messages, and sends them.
//!
//! `ingest` writes a signal into the transaction of the change that it tells about; from there on
//! everything is here. A wake-up makes it quick, the poll makes it certain. No transaction is open
//! while a message travels: a message is leased, sent, and settled. Whatever a receiver does, it can
//! hold up its own messages only. To add a kind of destination, add a `Target` in the store and an
//! arm in `Notifier::attempt`.

mod ask;
mod attempt;
mod entry;
mod flight;
mod guard;
mod mail;
mod notice;
mod outgoing;
mod smtp;
mod webhook;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::alert::channel::PER_HOUR_MAX;
use engine::alert::{Head, Kind, Limit, Message, Test, Thread, backoff};
use engine::ids::DestinationId;
use futures_util::StreamExt;
use sqlx::PgPool;
use store::notifications::{
    self as outbox, BurstFacts, BurstPart, Claim, Claimed, Content, Destination, FannedOut, Heard, Outcome, Signal,
    Target,
};
use store::{StoreError, live};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

pub use attempt::Attempt;
pub use guard::{SystemNames, check_url as check_webhook_url};
pub use mail::{Layout, Recipient, lay_out as lay_out_mail};
pub use outgoing::Outgoing;
pub use smtp::{check_url as check_smtp_url, probe as probe_smtp};
pub use webhook::new_secret as new_webhook_secret;

use super::{stopped, unless_stopped};
use crate::link_key::LinkKey;
use flight::Flight;
use mail::Mailer;

/// How often the tables are looked at when nobody wakes us: another process may have written a
/// signal, and retries become due.
const POLL: Duration = Duration::from_secs(1);

/// After a turn the next one waits so long, though signals come: those of a storm are fanned out together, as each turn is a dozen
/// statements beside ingest. Whoever comes after a pause is told at once.
const PAUSE: Duration = Duration::from_millis(250);

/// How often the gauges are set and old signals forgotten.
const UPKEEP: Duration = Duration::from_secs(60);

/// Signals fanned out in one transaction: a storm of new issues must not make one endless statement.
const FAN_OUT_MAX: i64 = 200;

/// Channels that one call of `compose` decides: as many mean that more may be due.
const CHANNELS: usize = outbox::CHANNELS_MAX as usize;

/// Messages under way at once in one process. Each is a socket and a rendered mail: memory, not CPU.
const IN_FLIGHT_MAX: usize = 16;

/// A destination with so many of these gets no more: a receiver that hangs until its timeout leaves
/// room for all others. One claim may take as many again at most.
const IN_FLIGHT_PER_DESTINATION_MAX: usize = 4;

/// One attempt, from connecting to the last answer.
const ATTEMPT_MAX: Duration = Duration::from_secs(30);

/// Nobody else takes a message for this long. Three attempts long, so that clocks of several machines may differ by a
/// minute before one of them sends what another still sends.
const LEASE: time::Duration = time::Duration::seconds(90);

/// How long a stop waits for what is under way.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How long it then tries to give back the messages that were not finished.
const RELEASE_MAX: Duration = Duration::from_secs(3);

const NO_MAIL_SERVER: &str = "no mail server is configured (FIREFINCH_SMTP_URL)";

/// The states that `firefinch_destinations` counts.
const STATES: [&str; 3] = ["ok", "failing", "waiting"];

/// Signals and their deliveries are kept for people to look at.
const KEPT: time::Duration = time::Duration::days(90);

/// A deleted rule can be had back for this long.
const DELETED_KEPT: time::Duration = time::Duration::days(7);

/// Signals forgotten at once.
const PRUNE_MAX: i64 = 1000;

/// What the configuration says about notifications.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address of this Firefinch for links, without a slash at the end.
    pub base_url: String,
    /// The mail server, as a URL with its password; `None`: no mail.
    pub smtp_url: Option<String>,
    /// Sender: `Firefinch <errors@example.org>`.
    pub mail_from: String,
    /// Let webhooks reach loopback and private addresses.
    pub allow_private_webhooks: bool,
}

/// Sends notifications.
#[derive(Debug)]
pub struct Notifier {
    pool: PgPool,
    base_url: String,
    mail: Option<Mailer>,
    outgoing: Outgoing,
    link_key: LinkKey,
}

/// What `deliver_due` did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Messages that arrived.
    pub sent: u64,
    /// Messages that are tried again later.
    pub later: u64,
    /// Messages that were given up.
    pub dead: u64,
}

impl Notifier {
    /// Checks the settings and prepares the connections; connects to nobody yet.
    ///
    /// # Errors
    /// When the URL of the mail server or the sender's address cannot be used.
    pub fn new(pool: PgPool, settings: &Settings) -> anyhow::Result<Self> {
        let mail = match &settings.smtp_url {
            Some(url) => Some(Mailer::new(url, &settings.mail_from)?),
            None => None,
        };
        let base_url = settings.base_url.trim_end_matches('/').to_owned();
        let outgoing = Outgoing::new(settings.allow_private_webhooks);
        Ok(Self { pool, mail, outgoing, link_key: LinkKey::default(), base_url })
    }

    /// Makes the deliveries of waiting signals, and the messages that are due.
    ///
    /// # Errors
    /// When PostgreSQL fails.
    pub async fn fan_out(&self, now: OffsetDateTime) -> Result<FannedOut, StoreError> {
        let mut done = FannedOut::default();
        loop {
            let batch = outbox::fan_out(&self.pool, now, backoff::LIFETIME, self.mail.is_some(), FAN_OUT_MAX).await?;
            done.signals += batch.signals;
            done.deliveries += batch.deliveries;
            if let Err(error) = live::notify(&self.pool, &batch.assigned).await {
                // They are assigned; open pages show it when they next read.
                tracing::warn!(%error, "open pages were not told of issues that were given to their owners");
            }
            done.assigned.extend(batch.assigned);
            if batch.signals < FAN_OUT_MAX.unsigned_abs() {
                break;
            }
        }
        while outbox::compose(&self.pool, now, backoff::LIFETIME).await? == CHANNELS {}
        Ok(done)
    }

    /// Sends everything that is due at `now` and waits until all of it is settled.
    ///
    /// # Errors
    /// When PostgreSQL fails.
    pub async fn deliver_due(self: &Arc<Self>, now: OffsetDateTime) -> Result<Delivered, StoreError> {
        let mut delivered = Delivered::default();
        let mut flight = Flight::default();
        loop {
            self.take_off(&mut flight, now).await?;
            match flight.land().await {
                Some(Some(Outcome::Sent { .. })) => delivered.sent += 1,
                Some(Some(Outcome::Later { .. })) => delivered.later += 1,
                Some(Some(Outcome::Dead { .. })) => delivered.dead += 1,
                Some(None) => {}
                None => return Ok(delivered),
            }
        }
    }

    /// Claims as many due messages as there is room for, and starts them.
    async fn take_off(self: &Arc<Self>, flight: &mut Flight, now: OffsetDateTime) -> Result<(), StoreError> {
        let free = IN_FLIGHT_MAX.saturating_sub(flight.len());
        if free == 0 {
            return Ok(());
        }
        let claim = Claim {
            now,
            lease: LEASE,
            limit: i64::try_from(free).unwrap_or(1),
            per_destination: i64::try_from(IN_FLIGHT_PER_DESTINATION_MAX).unwrap_or(1),
            busy: &flight.busy(IN_FLIGHT_PER_DESTINATION_MAX),
        };
        for claimed in outbox::claim(&self.pool, claim).await? {
            flight.start(Arc::clone(self), claimed, now);
        }
        Ok(())
    }

    /// One attempt: read the facts, send, and write down what became of it. `None` when somebody else
    /// has settled it.
    async fn deliver(&self, claimed: &Claimed, now: OffsetDateTime) -> Option<Outcome> {
        let started = Instant::now();
        let tried = match tokio::time::timeout(ATTEMPT_MAX, self.attempt(claimed, now)).await {
            Ok(tried) => tried,
            Err(_) => Ok(Attempt::later(format!("no answer within {} s", ATTEMPT_MAX.as_secs()))),
        };
        let now = now + started.elapsed();
        let (Ok(attempt) | Err(attempt)) = &tried;
        let outcome = attempt.outcome(claimed, now, rand::random());
        log(claimed, &outcome);
        let heard = tried.as_ref().ok().map(Attempt::heard);
        self.settle(claimed, &outcome, heard, now).await.then_some(outcome)
    }

    /// What the other end said; `Err` when nobody was asked, which says nothing about the destination.
    async fn attempt(&self, claimed: &Claimed, now: OffsetDateTime) -> Result<Attempt, Attempt> {
        let target = match &claimed.target {
            _ if claimed.disabled => return Err(Attempt::dead("the destination was disabled")),
            Ok(target) => target,
            Err(error) => return Err(Attempt::dead(error)),
        };
        if let (Target::Mail(target), Some(project)) = (target, claimed.project_id) {
            // Mails wait, and people leave meanwhile.
            let lost = outbox::links::lost(&self.pool, project, &target.to, &claimed.recipient).await;
            if let Some(why) = lost.map_err(|error| unreadable(&error))? {
                return Err(Attempt::dead(why));
            }
        }
        let message = self.message(claimed, now).await?;
        Ok(match (target, &self.mail) {
            (Target::Webhook(target), _) => webhook::send(&self.outgoing, target, &message, now).await,
            (Target::Preset(preset), _) => self.outgoing.tell(preset, &message, now).await,
            (Target::Mail(_), Some(mail)) => {
                let destination = (claimed.destination_id, claimed.destination.as_str());
                self.mail(mail, &claimed.recipient, destination, &message, now).await?
            }
            (Target::Mail(_), None) => return Err(Attempt::dead(NO_MAIL_SERVER)),
        })
    }

    /// Mails a message to one address, on behalf of a destination.
    async fn mail(
        &self,
        mail: &Mailer,
        address: &str,
        (destination_id, destination): (DestinationId, &str),
        message: &Message,
        now: OffsetDateTime,
    ) -> Result<Attempt, Attempt> {
        match self.link_key.get(&self.pool).await {
            Ok(key) => Ok(mail.send(&Recipient { address, destination_id, destination, key }, message, now).await),
            Err(error) => Err(Attempt::later(format!("cannot read the key of the links: {error}"))),
        }
    }

    /// What a message says, with the figures of now.
    async fn message(&self, claimed: &Claimed, now: OffsetDateTime) -> Result<Message, Attempt> {
        let head = notice::head(claimed, &self.base_url);
        match &claimed.content {
            Content::One(signal) => self.one(head, signal, now).await,
            Content::Digest(part) => {
                let facts = self.burst(claimed, part, now).await?;
                Ok(Message::Digest(notice::digest(head, part, facts, now)))
            }
            Content::Calm(part) => {
                let facts = self.burst(claimed, part, now).await?;
                Ok(Message::Calm(notice::calm(head, part, facts)))
            }
            Content::Limit { waiting, until } => Ok(Message::Limit(Limit {
                head,
                per_hour: PER_HOUR_MAX,
                waiting: *waiting,
                until: *until,
                path: format!("/alerts/{}", claimed.destination_id),
            })),
            Content::Unknown(why) => Err(Attempt::dead(why)),
        }
    }

    async fn one(&self, head: Head, signal: &Signal, now: OffsetDateTime) -> Result<Message, Attempt> {
        let Some(kind) = Kind::parse(&signal.kind) else {
            return Err(Attempt::dead(format!("this version knows no signal {:?}", signal.kind)));
        };
        if let Some(issue_id) = signal.issue_id {
            let facts = outbox::issue_facts(&self.pool, signal, now).await.map_err(|error| unreadable(&error))?;
            let Some(facts) = facts else { return Err(Attempt::dead("the issue no longer exists")) };
            return Ok(Message::Issue(notice::issue(head, signal, kind, issue_id, facts)));
        }
        let project = match signal.project_id {
            Some(id) => outbox::project(&self.pool, id).await.map_err(|error| unreadable(&error))?,
            None => None,
        };
        Ok(Message::Note(notice::note(head, signal, kind, project)))
    }

    async fn burst(&self, claimed: &Claimed, part: &BurstPart, now: OffsetDateTime) -> Result<BurstFacts, Attempt> {
        outbox::burst_facts(&self.pool, claimed.id, part, claimed.project_id, now)
            .await
            .map_err(|error| unreadable(&error))
    }

    /// Writes the outcome down, again and again while PostgreSQL is away and the lease is ours:
    /// a message that was sent but not marked so would be sent twice.
    async fn settle(
        &self,
        claimed: &Claimed,
        outcome: &Outcome,
        heard: Option<Heard<'_>>,
        now: OffsetDateTime,
    ) -> bool {
        let tries = LEASE.whole_seconds() - i64::try_from(ATTEMPT_MAX.as_secs()).unwrap_or(0);
        for _ in 0..tries.max(1) {
            match outbox::settle(&self.pool, claimed, outcome, heard, now).await {
                Ok(settled) => return settled,
                Err(error) if error.is_unavailable() => tokio::time::sleep(Duration::from_secs(1)).await,
                Err(error) => {
                    tracing::error!(message.id = %claimed.id, %error, "cannot settle a message");
                    return false;
                }
            }
        }
        false
    }

    /// Sends a test message to a destination and gives the other end's real answers, one per address.
    pub async fn test(
        &self,
        destination: &Destination,
        addresses: &[String],
        now: OffsetDateTime,
    ) -> Vec<(String, Attempt)> {
        let head = Head {
            id: format!("test_{}", now.unix_timestamp_nanos()),
            base_url: self.base_url.clone(),
            thread: Thread { key: format!("test-{}", destination.id), ..Thread::default() },
            rule: None,
        };
        let message = Message::Test(Test { head, at: now, destination: destination.name.clone() });
        let mut answers = Vec::new();
        match (&destination.target, &self.mail) {
            (Target::Webhook(target), _) => {
                let answer = webhook::send(&self.outgoing, target, &message, now).await;
                answers.push((destination.name.clone(), Ok(answer)));
            }
            (Target::Preset(preset), _) => {
                let answer = self.outgoing.tell(preset, &message, now).await;
                answers.push((destination.name.clone(), Ok(answer)));
            }
            (Target::Mail(_), None) => answers.push((destination.name.clone(), Err(Attempt::dead(NO_MAIL_SERVER)))),
            (Target::Mail(_), Some(mail)) => {
                let on_behalf = (destination.id, destination.name.as_str());
                let tests = addresses
                    .iter()
                    .map(async |address| (address.clone(), self.mail(mail, address, on_behalf, &message, now).await));
                answers = futures_util::stream::iter(tests).buffered(IN_FLIGHT_PER_DESTINATION_MAX).collect().await;
            }
        }
        let mut told = Vec::new();
        for (to, answer) in answers {
            if let Ok(attempt) = &answer {
                self.heard(destination.id, attempt, now).await;
            }
            let (Ok(attempt) | Err(attempt)) = answer;
            told.push((to, attempt));
        }
        told
    }

    /// Writes down what a test message heard: who sees that it arrives expects what waited to follow. A failure to do
    /// so costs the figures, not the answer.
    async fn heard(&self, destination: DestinationId, attempt: &Attempt, now: OffsetDateTime) {
        if let Err(error) = outbox::record(&self.pool, destination, attempt.heard(), now).await {
            tracing::warn!(destination.id = %destination, %error, "cannot write down how a destination does");
        }
    }

    async fn upkeep(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let backlog = outbox::backlog(&self.pool).await?;
        let oldest_s = backlog.oldest.map_or(0.0, |at| (now - at).as_seconds_f64().max(0.0));
        metrics::gauge!("firefinch_deliveries_pending").set(backlog.pending as f64);
        metrics::gauge!("firefinch_deliveries_dead").set(backlog.dead as f64);
        metrics::gauge!("firefinch_recipients_limited").set(outbox::limited(&self.pool, now).await? as f64);
        metrics::gauge!("firefinch_delivery_oldest_pending_seconds").set(oldest_s);
        let health = outbox::health(&self.pool).await?;
        for state in STATES {
            let count = health.values().filter(|health| health.state() == state).count();
            metrics::gauge!("firefinch_destinations", "state" => state).set(count as f64);
        }
        outbox::prune(&self.pool, now - KEPT, PRUNE_MAX).await?;
        outbox::prune_destinations(&self.pool, now).await?;
        outbox::forget_deleted_rules(&self.pool, now - DELETED_KEPT).await?;
        outbox::links::prune_used(&self.pool, now, PRUNE_MAX).await?;
        Ok(())
    }
}

/// What is told could not be read; the next attempt reads it again.
fn unreadable(error: &StoreError) -> Attempt {
    Attempt::later(format!("cannot read what happened: {error}"))
}

/// Delivers until `shutdown` turns true, then finishes what is under way. `wake` is notified after a
/// commit that wrote signals.
pub async fn run(notifier: Arc<Notifier>, wake: Arc<Notify>, shutdown: watch::Receiver<bool>) {
    tokio::join!(ask::run(&notifier, shutdown.clone()), tell(&notifier, &wake, shutdown));
}

async fn tell(notifier: &Arc<Notifier>, wake: &Notify, mut shutdown: watch::Receiver<bool>) {
    let mut flight = Flight::default();
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut upkeep = tokio::time::interval(UPKEEP);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut healthy = true;
    let (mut is_woken, mut next) = (false, Instant::now());
    loop {
        let may_wait = flight.may_keep_others_waiting();
        tokio::select! {
            biased;
            () = stopped(&mut shutdown) => break,
            _ = upkeep.tick() => {
                let upkeep = unless_stopped(&mut shutdown, notifier.upkeep(OffsetDateTime::now_utc()));
                let Some(done) = upkeep.await else { break };
                report(&mut healthy, done);
            }
            () = wake.notified(), if !is_woken => {
                is_woken = true;
                continue;
            }
            () = tokio::time::sleep_until(next.into()), if is_woken => {}
            _ = poll.tick() => {}
            Some(_) = flight.land() => {
                if may_wait {
                    let taken = unless_stopped(&mut shutdown, notifier.take_off(&mut flight, OffsetDateTime::now_utc()));
                    let Some(done) = taken.await else { break };
                    report(&mut healthy, done);
                }
                continue;
            }
        }
        (is_woken, next) = (false, Instant::now() + PAUSE);
        // A message that is claimed and not on its way when this is dropped is taken again when its lease ends.
        let Some(done) = unless_stopped(&mut shutdown, turn(notifier, &mut flight)).await else { break };
        report(&mut healthy, done);
    }
    let cut = flight.drain(DRAIN_MAX).await;
    if !cut.is_empty() {
        tracing::warn!(messages = cut.len(), "stopped before these messages were finished");
        match tokio::time::timeout(RELEASE_MAX, outbox::release(&notifier.pool, &cut)).await {
            Ok(done) => report(&mut healthy, done.map(|_| ())),
            Err(_) => tracing::warn!("they are sent when their lease ends"),
        }
    }
}

/// Fans out everything that waits, then starts what is due.
async fn turn(notifier: &Arc<Notifier>, flight: &mut Flight) -> Result<(), StoreError> {
    notifier.fan_out(OffsetDateTime::now_utc()).await?;
    notifier.take_off(flight, OffsetDateTime::now_utc()).await
}

/// Logs when PostgreSQL goes away and when it is back, not every second in between.
fn report(healthy: &mut bool, result: Result<(), StoreError>) {
    let is_healthy = result.is_ok();
    match result {
        Ok(()) if !*healthy => tracing::info!("notifications go out again"),
        Err(error) if *healthy => tracing::warn!(%error, "cannot read the outbox; trying again every second"),
        _ => {}
    }
    *healthy = is_healthy;
}

/// One line and one count per attempt. Neither addresses, nor URLs, nor what the other end said are
/// logged: all three may hold secrets or name people. `firefinch delivery list` shows them.
fn log(claimed: &Claimed, outcome: &Outcome) {
    let kind = claimed.target.as_ref().map_or("unknown", Target::kind);
    let result = match outcome {
        Outcome::Sent { .. } => "sent",
        Outcome::Later { .. } => "later",
        Outcome::Dead { .. } => "dead",
    };
    metrics::counter!("firefinch_delivery_attempts_total", "kind" => kind, "result" => result).increment(1);
    let (message, destination, attempt) = (claimed.id, claimed.destination_id, claimed.attempt);
    match outcome {
        Outcome::Dead { .. } => {
            tracing::warn!(message.id = %message, destination.id = %destination, kind, attempt, "message given up");
        }
        _ => {
            tracing::info!(message.id = %message, destination.id = %destination, kind, attempt, result, "message tried");
        }
    }
}
