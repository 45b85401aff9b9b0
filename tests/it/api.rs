//! The web API over a real socket and a real database: shapes, searches, paging, updates, scopes.

mod access;
mod assigned;
mod destinations;
mod events;
mod facets;
mod fixes;
mod issues;
mod members;
mod ownership;
mod regroupings;
mod releases;
mod scanned;
mod schema;
mod sentry_cli;
mod updates;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use actix_web::{App, HttpServer};
use engine::access::{SCOPES, Scope};
use engine::ids::{EventId, ProjectId};
use engine::payload::Packer;
use firefinch::api::{Api, configure};
use firefinch::destinations::Desk;
use firefinch::ingest;
use firefinch::workers::notify::{Notifier, Settings};
use serde_json::{Value, json};
use store::ingest::{Batch, NewEvent, NewKey, Writer};
use time::{Duration, OffsetDateTime};
use tokio::sync::watch;
use uuid::Uuid;

use crate::support::{Database, Http, Project};

/// An API with a project `shop` and a token that may do everything.
struct Served {
    database: Database,
    url: String,
    /// Shows the token.
    http: Http,
    /// Shows none.
    stranger: Http,
    shop: Project,
    writer: Writer,
    /// What keeps ingest going.
    _ingest: (watch::Sender<bool>, tempfile::TempDir),
}

impl Served {
    async fn start() -> Self {
        let database = Database::create().await;
        let shop = database.project("shop").await;
        let token = database.token(&SCOPES.map(|(scope, _)| scope)).await;
        let spool = tempfile::tempdir().unwrap();
        let draining = watch::Sender::new(false);
        let url = serve(&database, spool.path(), draining.subscribe()).await;
        let stranger = Http::new(&url);
        let writer = Writer::new(database.pool.clone());
        Self { http: stranger.with_token(&token), stranger, url, database, shop, writer, _ingest: (draining, spool) }
    }

    async fn with_scopes(&self, scopes: &[Scope]) -> Http {
        self.stranger.with_token(&self.database.token(scopes).await)
    }

    async fn store(&self, events: Vec<NewEvent>) {
        let batch = Batch { events, ..Batch::default() };
        self.writer.write(&batch).await.unwrap();
    }

    async fn json(&self, path: &str) -> Value {
        self.http.get(path).await.json()
    }

    /// One column of a list.
    async fn column(&self, path: &str, name: &str) -> Vec<String> {
        let body = self.json(path).await;
        body.as_array().unwrap().iter().map(|row| row[name].as_str().unwrap().to_owned()).collect()
    }
}

/// Serves the API alone, on a port of its own. What it takes from people goes through ingest, as it does in the product.
async fn serve(database: &Database, spool_dir: &Path, draining: watch::Receiver<bool>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = Settings {
        base_url: url.clone(),
        smtp_url: None,
        mail_from: "Firefinch <errors@acme.example>".into(),
        allow_private_webhooks: true,
    };
    let notifier = Arc::new(Notifier::new(database.pool.clone(), &settings).unwrap());
    let desk = Desk::new(database.pool.clone(), notifier, true);
    let settings = ingest::Settings {
        spool_dir: spool_dir.to_owned(),
        spool_bytes_max: 1 << 20,
        attachment_bytes_max: 1 << 30,
        watched: ingest::Watched { dir: None, database_bytes_max: None },
        queue_jobs_max: 100,
        patience: ingest::Patience::default(),
        signals_written: Arc::default(),
    };
    let (ingest, background) = ingest::open(&settings, database.pool.clone(), database.pool.clone()).await.unwrap();
    tokio::spawn(background.run(draining));
    let api = Api {
        pool: database.pool.clone(),
        org_slug: "acme".into(),
        base_url: url.clone(),
        desk,
        reports: firefinch::serve::reports(ingest),
    };
    let server = HttpServer::new(move || App::new().configure(configure(api.clone())))
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
    tokio::spawn(server);
    url
}

/// An event of group `group` that arrived `age` ago. Events with the same group are one issue.
fn event(project: &Project, number: u32, group: u8, age: Duration) -> NewEvent {
    let received_at = OffsetDateTime::now_utc() - age;
    let id = format!("{number:032x}");
    let payload = json!({
        "event_id": id, "platform": "python", "level": "error", "release": "shop@2.1", "environment": "production",
        "tags": {"color": "red"}, "user": {"id": "7", "email": "a@b.c", "plan": "pro"},
        "exception": {"values": [{"type": "KeyError", "value": format!("k{group}"), "stacktrace": {"frames": [
            {"filename": "lib.py", "function": "call", "lineno": 1, "in_app": false},
            {"filename": "shop.py", "function": "pay", "lineno": 12, "in_app": true, "pre_context": ["a"],
             "context_line": "b", "post_context": ["c"], "vars": {"x": "1"}},
        ]}}]},
    });
    let (codec, payload) = Packer::default().pack(&payload.to_string());
    NewEvent {
        project_id: ProjectId(project.id),
        category: "error",
        event_id: EventId(Uuid::parse_str(&id).unwrap()),
        received_at,
        occurred_at: received_at,
        level: "error",
        platform: "python".into(),
        ty: "KeyError".into(),
        value: format!("k{group}"),
        title: format!("KeyError: k{group}"),
        culprit: "shop in pay".into(),
        location: "pay shop.py:12".into(),
        handled: Some(false),
        release: Some("shop@2.1".into()),
        environment: Some("production".into()),
        dist: None,
        transaction: Some("/checkout".into()),
        server_name: Some("web-1".into()),
        trace_id: None,
        user_key: Some("id:7".into()),
        user_aliases: Vec::new(),
        client_ip: None,
        tags: vec![("color".into(), "red".into())],
        codec: codec.number(),
        payload,
        left_out: None,
        keys: vec![NewKey { hash: [group; 16], variant: "v1:app", explanation: "{}".into(), owns: true, text: None }],
    }
}

/// The cursors of a `Link` header: `previous` and `next`, each where it says that there are results.
fn cursors(reply: &crate::support::Reply) -> HashMap<String, String> {
    let link = reply.headers["link"].to_str().unwrap();
    let mut cursors = HashMap::new();
    for part in link.split(", <") {
        let attribute = |name: &str| {
            let rest = part.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name} in {part}")).1;
            rest.split('"').next().unwrap().to_owned()
        };
        let cursor = attribute("; cursor");
        assert!(part.contains(&format!("cursor={}>", cursor.replace(':', "%3A"))), "{part}");
        if attribute("; results") == "true" {
            cursors.insert(attribute("; rel"), cursor);
        }
    }
    cursors
}
