//! A wire between a client and a server that a test can slow down or cut. Slow, it takes nothing more from either side for a
//! while and loses nothing, as a client does that cannot keep up. Cut, what is under way falls silent for good, as when a
//! network is lost, and nobody new gets through.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Slow,
    Cut,
}

pub struct Wire {
    pub url: String,
    state: watch::Sender<State>,
}

impl Wire {
    /// Leads to `to`, which is `http://address`.
    pub async fn to(to: &str) -> Self {
        let to = to.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (state, watched) = watch::channel(State::Whole);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, to.clone(), watched.clone()));
            }
        });
        Self { url, state }
    }

    pub fn slow(&self) {
        self.state.send_replace(State::Slow);
    }

    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

/// Carries a connection until it ends or the wire is cut. Then both ends are held open, silent, until the wire is whole.
async fn carry(client: TcpStream, to: String, mut state: watch::Receiver<State>) {
    if state.wait_for(|state| *state == State::Whole).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(to).await else { return };
    let ((from_client, mut to_client), (from_server, mut to_server)) = (client.into_split(), server.into_split());
    let (up, down) = (state.clone(), state.clone());
    tokio::select! {
        _ = async { tokio::join!(pump(from_client, &mut to_server, up), pump(from_server, &mut to_client, down)) } => {}
        Ok(_) = state.wait_for(|state| *state == State::Cut) => {}
    }
    let _ = state.wait_for(|state| *state != State::Cut).await;
}

async fn pump(mut from: OwnedReadHalf, to: &mut OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut bytes = [0; 8192];
    while state.wait_for(|state| *state == State::Whole).await.is_ok() {
        match from.read(&mut bytes).await {
            Ok(read @ 1..) if to.write_all(&bytes[..read]).await.is_ok() => {}
            _ => break,
        }
    }
    let _ = to.shutdown().await;
}
