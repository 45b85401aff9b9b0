//! Notifications: from the signal in the outbox to the mail in the box and the request at the hook.

mod crash;
mod deploy;
mod destinations;
mod health;
mod layouts;
mod links;
mod mail;
mod often;
mod outage;
mod outbox;
mod outgoing;
mod owners;
mod pages;
mod presets;
mod preview;
mod product;
mod rules;
mod schema;
mod storm;
mod watch_end;
mod webhook;
mod wishes;
mod worker;

use std::sync::Arc;

use engine::ids::{DestinationId, EventId, ProjectId};
use engine::issue::{Fix, Signal};
use engine::payload::Packer;
use firefinch::workers::notify::{Notifier, Settings};
use sqlx::PgPool;
use store::ingest::{Batch, NewEvent, NewKey, Writer};
use store::lifecycle;
use store::notifications::{
    self as store_outbox, Delivery, DeliveryFilter, MailTarget, NewDestination, Target, WebhookTarget,
};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::support::{Database, Project};

/// When the tests that look at texts take place.
const THEN: OffsetDateTime = datetime!(2026-11-22 14:02:14 UTC);

/// Signing key of the webhooks: 32 times 7.
const SECRET: &str = "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// A database with a project, and somebody who posts events to it.
struct World {
    database: Database,
    project: Project,
    writer: Writer,
}

impl World {
    async fn new() -> Self {
        let database = Database::create().await;
        let project = database.project("shop").await;
        let writer = Writer::new(database.pool.clone());
        Self { database, project, writer }
    }

    fn pool(&self) -> &PgPool {
        &self.database.pool
    }

    fn project_id(&self) -> ProjectId {
        ProjectId(self.project.id)
    }

    /// Stores events, as ingest does.
    async fn write(&self, events: Vec<NewEvent>) {
        self.writer.write(&Batch { events, ..Batch::default() }).await.unwrap();
    }

    /// An event of issue `key`.
    fn event(&self, id: u128, key: u8, at: OffsetDateTime) -> NewEvent {
        let text = serde_json::json!({"exception": {"values": [{"type": "TypeError", "stacktrace": {"frames": [
            {"function": "placeOrder", "filename": "src/checkout/placeOrder.ts", "lineno": 88, "colno": 80, "in_app": true,
             "pre_context": ["", "  // a quote may now come back without a preferred method",
                             "  const method = quote.paymentMethods.find((m) => m.preferred);"],
             "context_line": "  const order = await api.post('/v2/orders', { quote: quote.id, method: method.id });",
             "post_context": ["  track('order_placed', { id: order.id, total: order.total });", "  return order;", "}"]},
            {"function": "post", "filename": "node_modules/api/index.js", "lineno": 3, "in_app": false}
        ]}}]}})
        .to_string();
        let (codec, payload) = Packer::default().pack(&text);
        NewEvent {
            project_id: self.project_id(),
            category: "error",
            event_id: EventId(Uuid::from_u128(id)),
            received_at: at,
            occurred_at: at,
            level: "error",
            platform: "javascript".into(),
            ty: "TypeError".into(),
            value: "Cannot read properties of undefined (reading 'id')".into(),
            title: "TypeError: Cannot read properties of undefined (reading 'id')".into(),
            culprit: "placeOrder".into(),
            location: "placeOrder src/checkout/placeOrder.ts:88".into(),
            handled: Some(false),
            release: Some("shop@4.7.1".into()),
            environment: Some("production".into()),
            dist: None,
            transaction: Some("/checkout".into()),
            server_name: None,
            trace_id: None,
            user_key: Some(format!("id:{}", id % 6)),
            user_aliases: Vec::new(),
            client_ip: None,
            tags: Vec::new(),
            codec: codec.number(),
            payload,
            left_out: None,
            keys: vec![NewKey { hash: [key; 16], variant: "v1:app", explanation: "{}".into(), owns: true, text: None }],
        }
    }

    /// Resolves every issue.
    async fn resolve(&self, at: OffsetDateTime) {
        let issues: Vec<(i64, i64)> =
            sqlx::query_as("select project_id, id from issues").fetch_all(self.pool()).await.unwrap();
        let issues: Vec<_> = issues.into_iter().map(|(p, i)| (ProjectId(p), engine::ids::IssueId(i))).collect();
        lifecycle::apply(self.pool(), &issues, &Signal::Resolve { fix: Fix::Now, commit: None }, None, at)
            .await
            .unwrap();
    }

    async fn destination(&self, target: Target) -> DestinationId {
        let signals = ["new".to_owned(), "regressed".to_owned()];
        let new = NewDestination { project_id: Some(self.project_id()), name: "On call", target, signals: &signals };
        store_outbox::create_destination(self.pool(), &new, THEN).await.unwrap()
    }

    async fn mail_to(&self, addresses: &[&str]) -> DestinationId {
        let to = addresses.iter().map(ToString::to_string).collect();
        self.destination(Target::Mail(MailTarget { to, ..MailTarget::default() })).await
    }

    async fn webhook_to(&self, url: &str) -> DestinationId {
        let (url, secret) = (url.to_owned(), SECRET.to_owned());
        self.destination(Target::Webhook(WebhookTarget { url, secret, ..WebhookTarget::default() })).await
    }

    fn settings(&self) -> Settings {
        Settings {
            base_url: "https://errors.example".to_owned(),
            smtp_url: None,
            mail_from: "Firefinch <firefinch@errors.example>".to_owned(),
            allow_private_webhooks: true,
        }
    }

    fn notifier(&self, settings: &Settings) -> Arc<Notifier> {
        Arc::new(Notifier::new(self.pool().clone(), settings).unwrap())
    }

    /// Ends every burst, as ten quiet minutes do.
    async fn calm_down(&self) {
        calm_down(self.pool()).await;
    }

    /// All deliveries, oldest first.
    async fn deliveries(&self) -> Vec<Delivery> {
        let filter = DeliveryFilter { limit: 1000, ..DeliveryFilter::default() };
        let mut all = store_outbox::list_deliveries(self.pool(), filter).await.unwrap();
        all.reverse();
        all
    }

    /// Each delivery as `state recipient: last error`.
    async fn states(&self) -> Vec<String> {
        let all = self.deliveries().await;
        all.iter()
            .map(|d| {
                let error = d.last_error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
                format!("{:?} {}{error}", d.state, d.recipient)
            })
            .collect()
    }
}

/// A mail with what differs from run to run replaced: the id of the issue, and the links, which are signed with a
/// key that each database makes for itself.
fn stable(mail: &str, issue: i64) -> String {
    let mut parts = mail.split("/a/");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(part.len());
        assert!(end > 60, "a link: {part}");
        text.push_str("/a/LINK");
        text.push_str(&part[end..]);
    }
    text.replace(&format!("/issues/{issue}"), "/issues/412")
}

/// Ends every burst, as ten quiet minutes do.
async fn calm_down(pool: &PgPool) {
    let calm = "update channels set began_at = null, newest_at = null, sent_at = null, window_s = null, storm = false,
                first_message_id = null, last_digest_id = null, digests = 0, due_at = null";
    sqlx::query(calm).execute(pool).await.unwrap();
}

/// Compares a text with the file of that name under `tests/fixtures`. With `FIREFINCH_SNAPSHOTS=write`
/// the file is written instead, for a person to look at the difference.
fn assert_snapshot(name: &str, actual: &str) {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("FIREFINCH_SNAPSHOTS").is_ok_and(|mode| mode == "write") {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{name} differs; FIREFINCH_SNAPSHOTS=write accepts what is there now");
}
