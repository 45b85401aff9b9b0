//! One feed for each watched deploy, whoever watches it: it reads and renders when something changed, and sends the same
//! bytes to all.
//!
//! Each message says everything that may have changed, so that a page which was slow needs only the last one: nobody can
//! lag, and nothing is missed. Rows of issues that change are told by the hub as on every live page; here comes which issue
//! stands in which lane, with the rows of those that came lately.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::web;
use bytes::Bytes;
use engine::ids::{DeployId, IssueId};
use serde::Serialize;
use store::deploys::Deploy;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::super::told::Told;
use super::graph::parts as parts_of;
use super::{Choice, Reading, parts, rows};
use crate::web::Web;
use crate::web::error::PageError;
use crate::web::rendered::rendered;

/// Shortest time between two readings of a deploy, so that a busy project is read twice a second, however many watch it.
const EVERY_MIN: Duration = Duration::from_millis(400);
/// Longest: rates fall when nothing comes in.
const EVERY_MAX: Duration = Duration::from_secs(5);
/// Deploys that are watched in one process. Whoever opens another one has a page that stands still and says so.
const FEEDS_MAX: usize = 100;
/// A feed that nobody hears ends after this.
const IDLE: Duration = Duration::from_secs(30);
/// Bars that a message tells again: longer than any batch is under way, and than a page is out of sight between two messages.
const BARS_TOLD: usize = 7;
/// For so long the rows of issues that came into a lane go with each message.
const ROWS_TOLD: Duration = Duration::from_secs(10);
/// Rows of one message. A page that misses more of them fetches itself again.
const ROWS_MAX: usize = 20;

/// The feeds of this process.
#[derive(Default)]
pub(in crate::web) struct Feeds {
    open: Mutex<HashMap<Choice, watch::Sender<Arc<Told>>>>,
}

impl Feeds {
    /// The messages about a deploy; none when too many are watched already.
    pub(in crate::web::live) fn subscribe(web: &web::Data<Web>, choice: Choice) -> Option<watch::Receiver<Arc<Told>>> {
        let mut open = web.feeds.lock();
        if let Some(sender) = open.get(&choice) {
            return Some(sender.subscribe());
        }
        if open.len() >= FEEDS_MAX {
            return None;
        }
        let (sender, receiver) = watch::channel(Arc::default());
        open.insert(choice.clone(), sender.clone());
        actix_web::rt::spawn(run(web.clone(), choice, sender));
        Some(receiver)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Choice, watch::Sender<Arc<Told>>>> {
        // Nothing that holds it can fail half-way.
        self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What a page of a watched deploy is told.
#[derive(Serialize)]
struct Message<'a> {
    /// The page shows another one: it has to be fetched again.
    deploy: Option<DeployId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grade: Option<&'a str>,
    /// Elements by their id.
    parts: BTreeMap<&'static str, String>,
    /// The newest bars: when they begin, and what is in them from the foot.
    bars: Vec<(i64, [u64; 3])>,
    /// Issues of each lane, in order.
    lanes: BTreeMap<&'static str, Vec<IssueId>>,
    /// Rows of issues that came into a lane lately.
    rows: BTreeMap<i64, String>,
}

/// What a feed remembers between readings.
#[derive(Default)]
struct Memory {
    /// Issues of the lanes, and when they came there.
    came: HashMap<IssueId, Instant>,
    /// The deploy that the last message was about, and what went there before.
    deploy: Option<(DeployId, String)>,
    read_at: Option<OffsetDateTime>,
}

async fn run(web: web::Data<Web>, choice: Choice, sender: watch::Sender<Arc<Told>>) {
    let (mut ticks, mut closed) = web.hub().subscribe();
    let mut memory = Memory::default();
    let mut heard_at = Instant::now();
    loop {
        let begun = Instant::now();
        match read(&web, &choice, &mut memory).await {
            Ok(message) => drop(sender.send_replace(Arc::new(Told::new(message)))),
            Err(error) => {
                tracing::warn!(%error, "a watched deploy could not be read");
                sender.send_replace(Arc::new(Told::new(unreadable(&memory))));
            }
        }
        if sender.receiver_count() > 0 {
            heard_at = Instant::now();
        } else if heard_at.elapsed() > IDLE {
            let mut open = web.feeds.lock();
            // Nobody can subscribe while the map is held.
            if sender.receiver_count() == 0 {
                open.remove(&choice);
                return;
            }
        }
        loop {
            tokio::select! {
                _ = closed.wait_for(|closed| *closed) => return,
                () = sleep_until(begun + EVERY_MAX) => break,
                tick = ticks.recv() => match tick {
                    Ok(tick) if !tick.concerns(choice.project_id()) => {}
                    // Also after a lag: something was missed.
                    _ => break,
                }
            }
        }
        sleep_until(begun + EVERY_MIN).await;
    }
}

async fn read(web: &Web, choice: &Choice, memory: &mut Memory) -> Result<Bytes, PageError> {
    let now = OffsetDateTime::now_utc();
    let Some(deploy) = choice.find(web, now).await? else {
        *memory = Memory { read_at: Some(now), ..Memory::default() };
        return Ok(written(&Message { deploy: None, grade: None, ..Message::of(Vec::new()) }));
    };
    let previous = previous(web, memory, &deploy).await?;
    let reading = Reading::make(web, deploy, now).await?;
    memory.read_at = Some(now);
    let lanes = reading.lanes();
    let fresh = memory.meet(lanes.iter().flat_map(|(_, ids)| ids.iter().copied()), Instant::now());
    let mut told = BTreeMap::new();
    for row in rows::read(web, &reading, &fresh).await? {
        told.insert(row.issue.id.get(), rendered(&row)?);
    }
    let bars = reading.traffic.bars.iter().rev().take(BARS_TOLD).rev().map(|bar| (bar.bucket, parts_of(bar)));
    Ok(written(&Message {
        deploy: Some(reading.deploy.id),
        grade: Some(reading.said.grade.as_str()),
        bars: bars.collect(),
        lanes: lanes.into_iter().collect(),
        rows: told,
        ..Message::of(parts::all(&reading, &previous)?)
    }))
}

/// What went there before; asked once for each deploy.
async fn previous(web: &Web, memory: &mut Memory, deploy: &Deploy) -> Result<String, PageError> {
    if let Some((id, previous)) = &memory.deploy
        && *id == deploy.id
    {
        return Ok(previous.clone());
    }
    let before = super::page::before(web, deploy).await?;
    let previous = before.map(|before| super::page::short(&before.version)).unwrap_or_default();
    *memory = Memory { deploy: Some((deploy.id, previous.clone())), ..Memory::default() };
    Ok(previous)
}

impl Memory {
    /// Those of the issues that came lately; forgets those that left.
    fn meet(&mut self, ids: impl Iterator<Item = IssueId>, now: Instant) -> Vec<IssueId> {
        let ids: Vec<IssueId> = ids.collect();
        self.came.retain(|id, _| ids.contains(id));
        let came = |id: &IssueId| *self.came.entry(*id).or_insert(now);
        let mut fresh: Vec<(Instant, IssueId)> = ids.iter().map(came).zip(ids.iter().copied()).collect();
        fresh.retain(|(at, _)| now.duration_since(*at) < ROWS_TOLD);
        fresh.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        fresh.into_iter().take(ROWS_MAX).map(|(_, id)| id).collect()
    }
}

impl Message<'_> {
    fn of(parts: Vec<(&'static str, String)>) -> Self {
        Self {
            deploy: None,
            grade: None,
            parts: parts.into_iter().collect(),
            bars: Vec::new(),
            lanes: BTreeMap::new(),
            rows: BTreeMap::new(),
        }
    }
}

/// Keeps what the pages show and says how old it is.
fn unreadable(memory: &Memory) -> Bytes {
    let at = memory.read_at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let deploy = memory.deploy.as_ref().map(|(id, _)| *id);
    written(&Message { deploy, ..Message::of(vec![("messenger", parts::unreadable(at))]) })
}

/// Without a place: what the page has seen of the hub's ticks is another matter.
fn written(message: &Message<'_>) -> Bytes {
    // Only maps with odd keys can fail; these are names and numbers.
    let data = serde_json::to_string(message).unwrap_or_else(|_| "null".to_owned());
    Bytes::from(format!("event: watch\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_with_the_messages_for_a_while() {
        let (mut memory, begun) = (Memory::default(), Instant::now());
        let (half, all) = (begun + ROWS_TOLD / 2, begun + ROWS_TOLD);
        let ids = |ids: &[i64]| ids.iter().copied().map(IssueId).collect::<Vec<_>>();
        assert_eq!(memory.meet(ids(&[1, 2]).into_iter(), begun), ids(&[1, 2]));
        assert_eq!(memory.meet(ids(&[3, 1, 2]).into_iter(), half), ids(&[3, 1, 2]), "the latest first");
        assert_eq!(memory.meet(ids(&[3, 1]).into_iter(), all), ids(&[3]));
        assert_eq!(
            memory.meet(ids(&[3, 2, 1]).into_iter(), all),
            ids(&[2, 3]),
            "one that left and came back is told again"
        );
        let many: Vec<IssueId> = (10..99).map(IssueId).collect();
        assert_eq!(memory.meet(many.into_iter(), all).len(), ROWS_MAX);
    }
}
