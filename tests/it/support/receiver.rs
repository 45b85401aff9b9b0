//! A receiver of webhooks: an HTTP server that records requests and answers what it is told to.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::until;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A server on a port of loopback. Stops when dropped.
pub struct Receiver {
    pub port: u16,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct Shared {
    /// Whole answers after the status line's version, one after the other; then `200 OK`. An empty
    /// answer is none at all: the connection stays open in silence.
    answers: Mutex<Vec<&'static str>>,
    requests: Mutex<Vec<Request>>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Receiver {
    pub async fn start(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared { answers: Mutex::new(answers.to_vec()), ..Shared::default() });
        Self::listen(listener, shared)
    }

    fn listen(listener: TcpListener, shared: Arc<Shared>) -> Self {
        let port = listener.local_addr().unwrap().port();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Self { port, shared, accepting }
    }

    /// Stops: closes the port and every connection.
    pub async fn stop(&mut self) {
        self.accepting.abort();
        let address = ("127.0.0.1", self.port);
        until("the receiver to be gone", async || TcpStream::connect(address).await.err()).await;
    }

    /// Comes back on the same port, with what it received before.
    pub async fn restart(&mut self) {
        let address = ("127.0.0.1", self.port);
        let listener = until("the port of the receiver", async || TcpListener::bind(address).await.ok()).await;
        *self = Self::listen(listener, Arc::clone(&self.shared));
    }

    /// Answers so from the next request on, then `200 OK` again.
    pub fn answer(&self, answers: &[&'static str]) {
        *self.shared.answers.lock().unwrap() = answers.to_vec();
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits until there are `count` requests.
    pub async fn wait_for(&self, count: usize) -> Vec<Request> {
        until(&format!("{count} requests"), async || Some(self.requests()).filter(|all| all.len() >= count)).await
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped, and with it every connection, when this task is aborted.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // A client may hang up at any time.
            let _ = serve(stream, &shared).await;
        });
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        shared.requests.lock().unwrap().push(request);
        let answer = {
            let mut answers = shared.answers.lock().unwrap();
            if answers.is_empty() { "200 OK\r\nContent-Length: 2\r\n\r\nok" } else { answers.remove(0) }
        };
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
        stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await?;
        if !answer.contains("Content-Length") {
            return Ok(());
        }
    }
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request { line: line.trim_end().to_owned(), headers, body: String::from_utf8(body).unwrap() }))
}
