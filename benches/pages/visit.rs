//! Asking for pages as a browser that is signed in would, and how long the server takes.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT_ENCODING, COOKIE};

use crate::server::Server;

/// Somebody who is signed in, over kept-alive connections on loopback.
#[derive(Clone)]
pub(crate) struct Browser {
    client: reqwest::Client,
    origin: String,
    cookie: String,
}

impl Browser {
    pub(crate) async fn sign_in(server: &Server) -> Self {
        Self {
            client: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            origin: format!("http://{}", server.address),
            cookie: server.session_cookie().await,
        }
    }

    /// The body as it came over the wire, and how long it took until all of it was there.
    pub(crate) async fn get(&self, path: &str) -> (Vec<u8>, Duration) {
        let started = Instant::now();
        let request = self.client.get(format!("{}{path}", self.origin));
        let reply = request.header(COOKIE, &self.cookie).header(ACCEPT_ENCODING, "gzip").send().await.unwrap();
        let status = reply.status();
        let body = reply.bytes().await.unwrap().to_vec();
        assert!(status.is_success(), "{path}: {status}");
        (body, started.elapsed())
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        unpacked(&self.get(path).await.0)
    }

    /// Asks for what nobody waits for: connections that were cut off are found out.
    pub(crate) async fn try_get(&self, path: &str) {
        let request = self.client.get(format!("{}{path}", self.origin)).header(COOKIE, &self.cookie);
        let _ = request.send().await;
    }

    /// What the static files of a page weigh: those that it links to or runs.
    pub(crate) async fn weight_of_assets(&self, page: &[u8]) -> usize {
        let text = unpacked(page);
        let of = |name: &'static str| text.split(name).skip(1).filter_map(|rest| rest.split('"').next());
        let files: BTreeSet<&str> =
            of("href=\"").chain(of("src=\"")).filter(|path| path.starts_with("/static/")).collect();
        let mut bytes = 0;
        for file in files {
            bytes += self.get(file).await.0.len();
        }
        bytes
    }

    /// Every path once, `at_once` at a time; how long each took, sorted, with its path.
    pub(crate) async fn visit(&self, paths: &Arc<Vec<String>>, at_once: usize) -> Vec<(Duration, String)> {
        let next = Arc::new(AtomicUsize::new(0));
        let visitors: Vec<_> = (0..at_once)
            .map(|_| {
                let (browser, paths, next) = (self.clone(), Arc::clone(paths), Arc::clone(&next));
                tokio::spawn(async move {
                    let mut times = Vec::new();
                    while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                        times.push((browser.get(path).await.1, path.clone()));
                    }
                    times
                })
            })
            .collect();
        let mut times = Vec::new();
        for visitor in visitors {
            times.extend(visitor.await.unwrap());
        }
        times.sort();
        times
    }
}

fn unpacked(page: &[u8]) -> String {
    let mut text = Vec::new();
    let is_packed = flate2::read::GzDecoder::new(page).read_to_end(&mut text).is_ok();
    String::from_utf8_lossy(if is_packed { &text } else { page }).into_owned()
}
