//! The load generator: plain HTTP/1.1 over kept-alive sockets, one request under way per connection,
//! in one thread, because it shares its two cores with what it measures.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// How a run went.
pub(crate) struct Report {
    pub(crate) acknowledged: usize,
    pub(crate) refused: usize,
    pub(crate) first_refusal: Option<String>,
    pub(crate) elapsed: Duration,
    /// How long each answer took, and when its request went out; the quickest first.
    latencies: Vec<(Duration, Duration)>,
}

impl Report {
    pub(crate) fn per_second(&self) -> f64 {
        self.acknowledged as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that a share `q` of the requests stayed within.
    pub(crate) fn quantile(&self, q: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((q * last as f64).round() as usize).map(|(latency, _)| *latency).unwrap_or_default()
    }

    /// The slowest `n` and when they went out: whether one moment or many made them slow.
    pub(crate) fn slowest(&self, n: usize) -> &[(Duration, Duration)] {
        &self.latencies[self.latencies.len().saturating_sub(n)..]
    }
}

/// Posts every request once, as fast as they are answered.
pub(crate) async fn post(address: SocketAddr, requests: Vec<Vec<u8>>, connections: usize) -> Report {
    post_at(address, requests, connections, None).await
}

/// Posts every request once, so many a second where that is said: each has its time, and goes late when all connections wait.
pub(crate) async fn post_at(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
    per_second: Option<f64>,
) -> Report {
    let requests = Rc::new(requests);
    let next = Rc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let local = LocalSet::new();
    let workers: Vec<_> = (0..connections)
        .map(|_| local.spawn_local(connection(address, Rc::clone(&requests), Rc::clone(&next), (started, per_second))))
        .collect();
    let mut report =
        Report { acknowledged: 0, refused: 0, first_refusal: None, elapsed: Duration::ZERO, latencies: Vec::new() };
    local
        .run_until(async {
            for worker in workers {
                let (latencies, refusals) = worker.await.unwrap();
                report.acknowledged += latencies.len();
                report.latencies.extend(latencies);
                report.refused += refusals.len();
                report.first_refusal = report.first_refusal.take().or_else(|| refusals.into_iter().next());
            }
        })
        .await;
    report.elapsed = started.elapsed();
    report.latencies.sort_unstable();
    report
}

async fn connection(
    address: SocketAddr,
    requests: Rc<Vec<Vec<u8>>>,
    next: Rc<AtomicUsize>,
    (begun, per_second): (Instant, Option<f64>),
) -> (Vec<(Duration, Duration)>, Vec<String>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::with_capacity(4096);
    let (mut latencies, mut refusals) = (Vec::new(), Vec::new());
    loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = requests.get(place) else { break };
        if let Some(per_second) = per_second {
            tokio::time::sleep_until((begun + Duration::from_secs_f64(place as f64 / per_second)).into()).await;
        }
        let started = Instant::now();
        stream.write_all(request).await.unwrap();
        let status = response(&mut stream, &mut buffer).await;
        if status == 200 {
            latencies.push((started.elapsed(), started - begun));
        } else {
            refusals.push(String::from_utf8_lossy(&buffer).into_owned());
        }
    }
    (latencies, refusals)
}

/// Reads one response with a `content-length` and returns its status.
async fn response(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    buffer.clear();
    loop {
        assert_ne!(stream.read_buf(buffer).await.unwrap(), 0, "the server closed the connection");
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).unwrap();
        let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap();
        let length = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.trim().parse::<usize>().unwrap());
        if buffer.len() >= head + 4 + length {
            return status;
        }
    }
}
