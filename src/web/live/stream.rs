//! `GET /live/stream`: the open end of the hub at one page.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, HeaderName, VARY};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use engine::access::Reach;
use engine::ids::{DeployId, IssueId, ProjectId};
use futures_util::stream::{self, Stream};
use sqlx::PgPool;
use store::people::sessions;
use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::{Instant, Interval};

use super::tick::{Tick, Wanted, hello};
use super::told::{Coding, Told};
use super::watch::Choice;
use super::watch::feed::Feeds;
use crate::web::Web;
use crate::web::error::PageError;
use crate::web::session::Viewer;

/// A person who watches sees within 5 s that nothing comes any more (`static/live.js`), and two missed ones are a cut.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// A stream outlives the moment at which somebody was let in: so often it is asked whether they still are. Ten thousand
/// streams ask 170 times a second then.
const CHECKED_EVERY: Duration = Duration::from_secs(60);

const BEAT: Bytes = Bytes::from_static(b"event: beat\ndata: \"\"\n\n");
/// Without a place: see where it is sent.
const RESYNC: Bytes = Bytes::from_static(b"event: resync\ndata: \"\"\n\n");

/// What the address says.
#[derive(Debug, serde::Deserialize)]
pub(in crate::web) struct StreamAddress {
    view: Option<String>,
    project: Option<ProjectId>,
    /// Of a watched deploy: the newest to this environment, or this one.
    environment: Option<String>,
    deploy: Option<DeployId>,
    issue: Option<IssueId>,
    /// The place that the page was rendered at.
    since: Option<String>,
}

impl StreamAddress {
    /// The deploy that is watched.
    fn watched(&self) -> Option<Choice> {
        let project_id = self.project.filter(|_| self.view.as_deref() == Some("watch"))?;
        Some(match self.deploy {
            Some(deploy) => Choice::Pinned(project_id, deploy),
            None => Choice::Newest(project_id, self.environment.clone().filter(|name| !name.contains('\0'))),
        })
    }

    /// Refuses what the person may not read.
    async fn check(&self, web: &Web, viewer: &Viewer) -> Result<(), PageError> {
        if self.project.is_some_and(|id| !viewer.reach().sees(id)) {
            return Err(PageError::NotFound("project"));
        }
        match self.issue {
            Some(id) if viewer.reach() != Reach::All && !viewer.sees_issue(web, id).await? => {
                Err(PageError::NotFound("issue"))
            }
            _ => Ok(()),
        }
    }

    fn wanted(&self) -> Wanted {
        match (self.issue, self.view.as_deref()) {
            (Some(id), _) => Wanted::Issue(id),
            (None, Some("list")) => Wanted::List(self.project),
            (None, _) => Wanted::Live(self.project),
        }
    }
}

/// Opens a stream for a person, of what they may read.
pub(in crate::web) async fn open(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    address: web::Query<StreamAddress>,
) -> Result<HttpResponse, PageError> {
    address.check(&web, &viewer).await?;
    let Ok(permit) = web.hub().permits().try_acquire_owned() else {
        return Ok(HttpResponse::ServiceUnavailable().insert_header(("retry-after", "10")).finish());
    };
    // Listen first, then look where the hub stands: nothing falls between the two.
    let (ticks, closed) = web.hub().subscribe();
    let place = web.hub().place();
    let seen = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let is_behind = seen.or(address.since.as_deref()) != Some(place.as_str());
    let coding = Coding::accepted(request.headers());
    let open = Open {
        ticks,
        closed,
        heartbeat: tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT),
        check: tokio::time::interval_at(Instant::now() + CHECKED_EVERY, CHECKED_EVERY),
        reader: Reader { pool: web.pool.clone(), session: viewer.session_hash(), reach: Arc::new(viewer.reach()) },
        coding,
        wanted: address.wanted(),
        watched: address.watched().and_then(|choice| Feeds::subscribe(&web, choice)),
        first: Some(coding.open(&hello(&place, is_behind))),
        _permit: permit,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        // A proxy that packs or rewrites what passes would hold it back.
        .insert_header((CACHE_CONTROL, "no-store, no-transform"))
        .insert_header((CONTENT_ENCODING, coding.name()))
        .insert_header((VARY, "accept-encoding"))
        .insert_header((HeaderName::from_static("x-accel-buffering"), "no"))
        .streaming(open.into_stream()))
}

/// The newest message about the watched deploy, once there is another one; for ever nothing when none is watched.
async fn newest(watched: &mut Option<watch::Receiver<Arc<Told>>>) -> Option<Arc<Told>> {
    let receiver = watched.as_mut()?;
    if receiver.changed().await.is_err() {
        // Its feed ended with the server.
        *watched = None;
        return None;
    }
    Some(Arc::clone(&receiver.borrow_and_update()))
}

/// Who reads a stream.
struct Reader {
    pool: PgPool,
    session: [u8; 32],
    reach: Arc<Reach>,
}

impl Reader {
    /// Whether they are signed in and may read what they might when the stream was opened. While the database is away
    /// there is nothing to be told either.
    async fn is_unchanged(&self) -> bool {
        match sessions::find(&self.pool, &self.session, OffsetDateTime::now_utc()).await {
            Ok(session) => session.is_some_and(|session| session.grants.reach() == *self.reach),
            Err(_) => true,
        }
    }
}

/// The state of one stream.
struct Open {
    ticks: broadcast::Receiver<Arc<Tick>>,
    closed: watch::Receiver<bool>,
    heartbeat: Interval,
    check: Interval,
    reader: Reader,
    coding: Coding,
    wanted: Wanted,
    watched: Option<watch::Receiver<Arc<Told>>>,
    first: Option<Bytes>,
    _permit: OwnedSemaphorePermit,
}

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, actix_web::Error>>>>;

impl Open {
    fn into_stream(self) -> Chunks {
        Box::pin(stream::unfold(self, |mut open| async move {
            let chunk = open.next().await?;
            Some((Ok(chunk), open))
        }))
    }

    /// The next bytes; nothing when the server stops.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            tokio::select! {
                _ = self.closed.wait_for(|closed| *closed) => return None,
                tick = self.ticks.recv() => match tick {
                    Ok(tick) => if let Some(bytes) = tick.for_page(self.wanted, &self.reader.reach, self.coding) {
                        return Some(bytes);
                    },
                    // Without a place: the page keeps its old one, which at worst costs it another
                    // resync when it reconnects before the next tick.
                    Err(RecvError::Lagged(_)) => return Some(self.coding.write(RESYNC)),
                    Err(RecvError::Closed) => return None,
                },
                Some(message) = newest(&mut self.watched) => return Some(message.bytes(self.coding)),
                // The page opens another one, and hears then what it may read now, or that nobody is signed in.
                _ = self.check.tick() => if !self.reader.is_unchanged().await {
                    return None;
                },
                _ = self.heartbeat.tick() => return Some(self.coding.write(BEAT)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn who_does_not_read_is_told_to_look_again_and_keeps_nobody_waiting() {
        let (ticks, receiver) = broadcast::channel(2);
        let (_open, closed) = watch::channel(false);
        let (feed, watched) = watch::channel(Arc::new(Told::new(Bytes::from_static(b"feed 0"))));
        let mut slow = Open {
            ticks: receiver,
            closed,
            heartbeat: tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT),
            check: tokio::time::interval_at(Instant::now() + CHECKED_EVERY, CHECKED_EVERY),
            reader: Reader {
                pool: PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap(),
                session: [0; 32],
                reach: Arc::new(Reach::All),
            },
            coding: Coding::Plain,
            wanted: Wanted::Live(None),
            watched: Some(watched),
            first: None,
            _permit: Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap(),
        };
        // Neither sender ever waits for it.
        for number in 1..=5 {
            assert!(ticks.send(Arc::new(Tick::resync(&format!("1-{number}")))).is_ok());
            feed.send_replace(Arc::new(Told::new(Bytes::from(format!("feed {number}")))));
        }
        let mut heard = Vec::new();
        for _ in 0..4 {
            heard.push(String::from_utf8(slow.next().await.unwrap().to_vec()).unwrap());
        }
        let of_feed: Vec<&String> = heard.iter().filter(|text| text.starts_with("feed")).collect();
        assert_eq!(of_feed, ["feed 5"], "of the feed, the last message is all that it needs");
        let of_hub: Vec<&String> = heard.iter().filter(|text| !text.starts_with("feed")).collect();
        assert!(of_hub[0].starts_with("event: resync"), "it lagged: {of_hub:?}");
        assert!(of_hub[1].starts_with("id: 1-4") && of_hub[2].starts_with("id: 1-5"), "{of_hub:?}");
    }
}
