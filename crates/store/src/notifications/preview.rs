//! What a rule would have sent in the last week: the signals that are stored, through the same decisions that sent what
//! was sent (`audience`, `engine::alert::rehearsal`), with the rule as if it had been there.
//!
//! People's wishes, mutes, destinations and other rules are those of now. Nothing is written.

use std::collections::HashMap;

use engine::alert::Kind;
use engine::alert::rehearsal::{self, Key, Part, Sent};
use engine::alert::rule::{Rule, Seen};
use engine::alert::wishes::Ruling;
use engine::ids::{DestinationId, ProjectId};
use serde::Serialize;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use super::audience::{Audience, Wanted};
use super::signals::{self, Signal};
use crate::StoreError;

/// How far back it looks: a week has every hour and every day in it once.
pub const BACK: Duration = Duration::days(7);

/// Signals that are read, the newest ones: some 10 MB of facts.
const SIGNALS_MAX: i64 = 20_000;

/// Deliveries that are rehearsed, also of other rules, as they share channels: about a second of one core.
const DELIVERIES_MAX: usize = 200_000;

/// A rule that may be.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The rule that it is, or would be instead of; `None` for one more.
    pub id: Option<i64>,
    /// What it says.
    pub rule: Rule,
    /// Where it sends.
    pub destinations: Vec<DestinationId>,
}

/// Everything that a preview is made of.
#[derive(Debug)]
pub struct Rehearsal {
    audience: Audience,
    /// Oldest first.
    signals: Vec<Signal>,
    id: i64,
    since: OffsetDateTime,
    until: OffsetDateTime,
}

/// What a rule would have sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// What happened from then on was looked at: a week, or less where more happened than is looked at.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// Up to then.
    #[serde(with = "time::serde::rfc3339")]
    pub until: OffsetDateTime,
    /// Signals that were looked at.
    pub signals_read: usize,
    /// Those that the rule wants.
    pub signals: usize,
    /// Its deliveries: each of these signals for each recipient who does not hear of it by an earlier rule.
    pub deliveries: usize,
    /// Recipients who hear of a signal by an earlier rule.
    pub by_earlier_rules: usize,
    /// Deliveries that quiet hours held.
    pub held: usize,
    /// Deliveries that would not have been told, by why.
    pub suppressed: Vec<(String, usize)>,
    /// Deliveries that no message has carried yet.
    pub waiting: usize,
    /// Messages with something of the rule, and those that say that such a storm is over or that the hour was full.
    pub messages: Vec<Message>,
}

/// A message that would have been sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// `one`, `list`, `storm`, `calm` or `limit`.
    pub form: &'static str,
    /// Where.
    pub destination_id: DestinationId,
    /// The address of a mail; empty for other destinations.
    pub recipient: String,
    /// Of which project.
    pub project_id: Option<ProjectId>,
    /// Deliveries of the rule in it.
    pub deliveries: usize,
    /// Deliveries of all rules in it.
    pub carries: usize,
}

/// Reads what the preview of a candidate needs.
///
/// # Errors
/// When PostgreSQL fails or a rule cannot be read.
pub async fn prepare(pool: &PgPool, candidate: &Candidate, now: OffsetDateTime) -> Result<Rehearsal, StoreError> {
    let mut since = now - BACK;
    let mut signals = newest(pool).await?;
    if signals.len() as i64 == SIGNALS_MAX {
        since = since.max(signals.last().map_or(since, |signal| signal.created_at));
    }
    signals.retain(|signal| since <= signal.created_at && signal.created_at <= now);
    signals.sort_by_key(|signal| (signal.created_at, signal.id));
    let mut projects: Vec<ProjectId> = signals.iter().filter_map(|signal| signal.project_id).collect();
    projects.sort_unstable();
    projects.dedup();
    let mut connection = pool.acquire().await?;
    let mut audience = Audience::load(&mut connection, &projects).await?;
    let id = audience.try_out(candidate);
    Ok(Rehearsal { audience, signals, id, since, until: now })
}

/// The newest signals, newest first: ids grow with time, so that no index on the time is needed.
async fn newest(pool: &PgPool) -> Result<Vec<Signal>, StoreError> {
    let rows = sqlx::query_as!(
        signals::Row,
        "select id, project_id, issue_id, event_id, kind, facts, created_at from signals order by id desc limit $1",
        SIGNALS_MAX,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Signal::from).collect())
}

impl Rehearsal {
    /// Plays it: a second of a core at most, so not among requests.
    #[must_use]
    pub fn run(&self) -> Preview {
        let (wanted, read, since) = self.wanted();
        let parts: Vec<Part> = wanted.iter().map(|(at, wanted)| self.part(*at, wanted)).collect();
        let is_own = |index: &usize| wanted[*index].1.rule_id == self.id;
        let sent = rehearsal::rehearse(&parts, self.until);
        let mut waiting: Vec<bool> = parts.iter().map(|part| !matches!(part.ruling, Ruling::Suppress { .. })).collect();
        for sent in sent.iter().filter(|sent| sent.form.carries()) {
            sent.parts.iter().for_each(|index| waiting[*index] = false);
        }
        let own = || wanted.iter().filter(|(_, wanted)| wanted.rule_id == self.id);
        let mut suppressed: HashMap<&str, usize> = HashMap::new();
        for (_, wanted) in own() {
            if let Ruling::Suppress { reason } = &wanted.ruling {
                *suppressed.entry(reason).or_default() += 1;
            }
        }
        let mut suppressed: Vec<(String, usize)> =
            suppressed.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
        suppressed.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let (signals, reached) = self.reached(read);
        Preview {
            since,
            until: self.until,
            signals_read: read,
            signals,
            deliveries: own().count(),
            by_earlier_rules: reached.saturating_sub(own().count()),
            held: own().filter(|(_, wanted)| matches!(wanted.ruling, Ruling::Hold { .. })).count(),
            suppressed,
            waiting: (0..waiting.len()).filter(|index| waiting[*index] && is_own(index)).count(),
            messages: sent.iter().filter_map(|sent| message(sent, is_own)).collect(),
        }
    }

    /// Deliveries of the newest signals, oldest first; of how many signals, and since when.
    fn wanted(&self) -> (Vec<(OffsetDateTime, Wanted)>, usize, OffsetDateTime) {
        let (mut all, mut since, mut read) = (Vec::new(), self.since, 0);
        for signal in self.signals.iter().rev() {
            let wanted = self.audience.of(signal, true, signal.created_at);
            if all.len() + wanted.len() > DELIVERIES_MAX {
                since = self.signals.get(self.signals.len() - read).map_or(since, |signal| signal.created_at);
                break;
            }
            read += 1;
            all.extend(wanted.into_iter().rev().map(|wanted| (signal.created_at, wanted)));
        }
        all.reverse();
        (all, read, since)
    }

    fn part(&self, at: OffsetDateTime, wanted: &Wanted) -> Part {
        let key =
            Key { destination: wanted.destination_id, recipient: wanted.recipient.clone(), project: wanted.project_id };
        let person = self.audience.person(wanted);
        Part { at, key, person, paced: wanted.paced, ruling: wanted.ruling.clone() }
    }

    /// Signals that the rule wants among the newest, and how many recipients it has for them.
    fn reached(&self, read: usize) -> (usize, usize) {
        let newest = self.signals.iter().rev().take(read);
        let seen = newest.map(|signal| Seen::read(&signal.kind, signal.project_id, &signal.facts));
        let reached = seen.filter_map(|seen| self.audience.reach(self.id, &seen));
        reached.fold((0, 0), |(signals, recipients), reached| (signals + 1, recipients + reached))
    }
}

fn message(sent: &Sent, is_own: impl Fn(&usize) -> bool) -> Option<Message> {
    let deliveries = sent.parts.iter().filter(|index| is_own(index)).count();
    let carries = if sent.form.carries() { sent.parts.len() } else { 0 };
    (deliveries > 0).then(|| Message {
        at: sent.at,
        form: sent.form.as_str(),
        destination_id: sent.key.destination,
        recipient: sent.key.recipient.clone(),
        project_id: sent.key.project,
        deliveries: if carries > 0 { deliveries } else { 0 },
        carries,
    })
}

impl Preview {
    /// Whether no such signals are stored as the rule asks for because nothing asked for them before.
    #[must_use]
    pub fn is_unmeasured(&self, rule: &Rule) -> bool {
        rule.kinds.contains(&Kind::Frequent) && self.signals == 0
    }
}
