//! The real server inside the test process, with a database of its own.

use std::thread::JoinHandle;

use firefinch::config::Config;
use firefinch::serve;
use tokio::sync::oneshot;

use super::Database;

/// A running server. Stops, and drops its database, with this value.
pub struct TestServer {
    /// Where it listens, without a slash at the end.
    pub url: String,
    /// What it works on.
    pub db: Database,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _data_dir: tempfile::TempDir,
}

impl TestServer {
    /// Starts it on a port that the system chooses.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts it after `change` has changed the settings.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let db = Database::create().await;
        let data_dir = tempfile::Builder::new().prefix("firefinch-data-").tempdir().unwrap();
        let mut config = Config::for_testing(data_dir.path().to_owned(), Some(db.url()));
        change(&mut config);
        let (started, url) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || run(config, started, stopped));
        let url = url.await.expect("the server starts");
        Self { url, db, stop: Some(stop), thread: Some(thread), _data_dir: data_dir }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        // A panic in a panic would end the process and hide what failed first.
        if !std::thread::panicking() {
            assert!(ended.is_none_or(|ended| ended.is_ok()), "the server did not stop cleanly");
        }
    }
}

/// The server's thread: a runtime of its own, so that it outlives the one of a failing test and stops
/// in order.
fn run(config: Config, started: oneshot::Sender<String>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let running = serve::start(config).await.expect("the server starts");
        started.send(format!("http://{}", running.addr)).unwrap();
        let _ = stopped.await;
        running.stop().await.expect("the server stops");
    });
}

/// Has the statements of this server counted by `pg_stat_statements`, and of none beside it: all databases share the room for
/// them, and each look at them goes through all that are there.
pub fn count_statements(config: &mut Config) {
    let url = config.database_url.as_ref().unwrap().expose();
    let parameter = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{parameter}options=-c%20pg_stat_statements.track%3Dtop");
    config.database_url = Some(url.into());
}
