//! A wire between a client and a server that a test can cut: what is under way falls silent, as when a network is lost, and
//! nobody new gets through.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Wire {
    pub url: String,
    whole: watch::Sender<bool>,
}

impl Wire {
    /// Leads to `to`, which is `http://address`.
    pub async fn to(to: &str) -> Self {
        let to = to.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (whole, is_whole) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, to.clone(), is_whole.clone()));
            }
        });
        Self { url, whole }
    }

    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

/// Carries a connection until it ends or the wire is cut. Then both ends are held open, silent, until the wire is whole.
async fn carry(mut client: TcpStream, to: String, mut is_whole: watch::Receiver<bool>) {
    if is_whole.wait_for(|whole| *whole).await.is_err() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(to).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        Ok(_) = is_whole.wait_for(|whole| !*whole) => {}
    }
    let _ = is_whole.wait_for(|whole| *whole).await;
}
