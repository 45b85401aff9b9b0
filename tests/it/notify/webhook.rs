//! Webhooks, over real HTTP.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use engine::alert::{samples, webhook};
use firefinch::workers::notify::{Attempt, Delivered, Notifier};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use store::notifications::{Target, WebhookTarget, find_destination};
use time::Duration;

use super::{SECRET, THEN, World, assert_snapshot};
use crate::support::receiver::{Receiver, Request};

async fn fan_out_and_deliver(notifier: &Arc<Notifier>, after: Duration) -> Delivered {
    notifier.fan_out(THEN + after).await.unwrap();
    notifier.deliver_due(THEN + after).await.unwrap()
}

const SENT: Delivered = Delivered { sent: 1, later: 0, dead: 0 };
const LATER: Delivered = Delivered { sent: 0, later: 1, dead: 0 };
const DEAD: Delivered = Delivered { sent: 0, later: 0, dead: 1 };

/// Verifies a request as `docs/webhooks.md` tells receivers to.
fn assert_signed(request: &Request) {
    let signed = format!("{}.{}.{}", request.header("webhook-id"), request.header("webhook-timestamp"), request.body);
    let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
    mac.update(signed.as_bytes());
    let sent = BASE64.decode(request.header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    mac.verify_slice(&sent).unwrap();
}

#[tokio::test]
async fn new_and_regressed_are_one_signed_request_each() {
    let world = World::new().await;
    let receiver = Receiver::start(&[]).await;
    world.webhook_to(&receiver.url()).await;
    let notifier = world.notifier(&world.settings());

    world.write(vec![world.event(1, 1, THEN)]).await;
    assert_eq!(fan_out_and_deliver(&notifier, Duration::ZERO).await, SENT);
    world.resolve(THEN + Duration::MINUTE).await;
    world.write(vec![world.event(2, 1, THEN + Duration::HOUR), world.event(3, 1, THEN + Duration::HOUR)]).await;
    assert_eq!(fan_out_and_deliver(&notifier, Duration::HOUR).await, SENT);
    assert_eq!(fan_out_and_deliver(&notifier, Duration::HOUR * 2).await, Delivered::default());

    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request.line, "POST /hook HTTP/1.1");
        assert_eq!(request.header("content-type"), "application/json");
        assert!(request.header("user-agent").starts_with("Firefinch-Webhook/"));
        assert_eq!(request.json()["id"], request.header("webhook-id"));
        assert_signed(request);
    }
    let at = |request: &Request| request.header("webhook-timestamp").parse::<i64>().unwrap();
    assert!(
        (at(&requests[0]) - THEN.unix_timestamp()).abs() < 5,
        "the time of sending, for receivers to refuse old ones"
    );
    assert_eq!(requests[0].json()["type"], "issue.new");
    assert_eq!(requests[1].json()["type"], "issue.regressed");
    assert_ne!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    for (name, request) in [("new", &requests[0]), ("regressed", &requests[1])] {
        let mut body = request.json();
        // Ids that a retried transaction took are not given again, so they differ from run to run.
        let issue = body["issue"]["id"].to_string();
        assert_eq!(body["issue"]["url"], format!("https://errors.example/issues/{issue}"));
        body["issue"]["id"] = 412.into();
        body["issue"]["url"] = "https://errors.example/issues/412".into();
        body["id"] = "msg_1093".into();
        assert_snapshot(&format!("webhook/{name}.json"), &format!("{body:#}\n"));
    }
}

#[tokio::test]
async fn every_repetition_has_the_same_id() {
    let world = World::new().await;
    let answers =
        ["503 Busy\r\nContent-Length: 4\r\n\r\nbusy", "429 Slow\r\nContent-Length: 0\r\nRetry-After: 100\r\n\r\n"];
    let receiver = Receiver::start(&answers).await;
    world.webhook_to(&receiver.url()).await;
    let notifier = world.notifier(&world.settings());
    world.write(vec![world.event(1, 1, THEN)]).await;

    assert_eq!(fan_out_and_deliver(&notifier, Duration::ZERO).await, LATER);
    assert_eq!(world.states().await, ["Pending : HTTP 503 Service Unavailable: busy"]);
    assert_eq!(fan_out_and_deliver(&notifier, Duration::seconds(5)).await, LATER);
    let wait = world.deliveries().await[0].next_attempt_at - THEN;
    assert!(wait >= Duration::seconds(105) && wait < Duration::seconds(110), "it asked for 100 s: {wait}");
    assert_eq!(fan_out_and_deliver(&notifier, Duration::seconds(60)).await, Delivered::default());
    assert_eq!(fan_out_and_deliver(&notifier, Duration::seconds(120)).await, SENT);
    let requests = receiver.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.header("webhook-id") == requests[0].header("webhook-id")));
    requests.iter().for_each(assert_signed);
}

#[tokio::test]
async fn answers_that_repetition_cannot_change_are_final() {
    let world = World::new().await;
    let answers = [
        "400 Bad\r\nContent-Length: 10\r\n\r\nno\r\nthanks",
        "410 Gone\r\nContent-Length: 0\r\n\r\n",
        "302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    ];
    let receiver = Receiver::start(&answers).await;
    world.webhook_to(&receiver.url()).await;
    let notifier = world.notifier(&world.settings());
    for n in 1..=3_u8 {
        world.write(vec![world.event(u128::from(n), n, THEN)]).await;
        assert_eq!(fan_out_and_deliver(&notifier, Duration::ZERO).await, DEAD);
    }
    assert_eq!(
        world.states().await,
        [
            "Dead : HTTP 400 Bad Request: no thanks",
            "Dead : HTTP 410 Gone",
            "Dead : HTTP 302 Found (redirects are not followed: enter the address that it leads to)",
        ]
    );
    assert_eq!(receiver.requests().len(), 3);
}

#[tokio::test]
async fn endless_answers_and_broken_ones_do_no_harm() {
    let world = World::new().await;
    let answers = ["200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n", "what is this", "299 Fine\r\n\r\n"];
    let receiver = Receiver::start(&answers).await;
    world.webhook_to(&receiver.url()).await;
    let notifier = world.notifier(&world.settings());
    for (n, expected) in [(1, SENT), (2, LATER), (3, SENT)] {
        world.write(vec![world.event(u128::from(n), n, THEN)]).await;
        assert_eq!(fan_out_and_deliver(&notifier, Duration::ZERO).await, expected, "answer {n}");
    }
}

#[tokio::test]
async fn private_addresses_are_refused_unless_the_configuration_allows_them() {
    let world = World::new().await;
    let receiver = Receiver::start(&[]).await;
    let mut settings = world.settings();
    settings.allow_private_webhooks = false;
    let guarded = world.notifier(&settings);
    let by_name = format!("http://localhost:{}/", receiver.port);
    for url in [receiver.url(), by_name.clone(), format!("http://[::ffff:127.0.0.1]:{}/", receiver.port)] {
        let id = world.webhook_to(&url).await;
        let destination = find_destination(world.pool(), id).await.unwrap().unwrap();
        let (_, attempt) = guarded.test(&destination, &[], THEN).await.remove(0);
        let Attempt::Dead { error } = attempt else { panic!("{url}: {attempt:?}") };
        assert!(error.contains("is not a public address; allow_private_webhooks"), "{url}: {error}");
    }
    assert!(receiver.requests().is_empty());

    let id = world.webhook_to(&by_name).await;
    let destination = find_destination(world.pool(), id).await.unwrap().unwrap();
    let (_, attempt) = world.notifier(&world.settings()).test(&destination, &[], THEN).await.remove(0);
    assert_eq!(attempt, Attempt::Sent { answer: "HTTP 200 OK: ok".to_owned(), reference: None });
    let requests = receiver.requests();
    assert_eq!(requests[0].json()["type"], "test");
    assert_signed(&requests[0]);
}

#[test]
fn the_schema_describes_every_field_of_every_message() {
    let root = env!("CARGO_MANIFEST_DIR");
    let read = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(format!("{root}/{name}")).unwrap()).unwrap()
    };
    let mut schema = read("docs/webhook.schema.json");
    // Receivers ignore what they do not know; we describe all of it.
    close(&mut schema, "");
    let schema = jsonschema::validator_for(&schema).unwrap();
    let mut bodies: Vec<(String, Value)> = samples::all()
        .into_iter()
        .map(|(name, message)| (name.to_owned(), serde_json::from_str(&webhook::body(&message).unwrap()).unwrap()))
        .collect();
    for name in ["tests/fixtures/webhook/new.json", "tests/fixtures/webhook/regressed.json"] {
        bodies.push((name.to_owned(), read(name)));
    }
    for (name, body) in bodies {
        let wrong: Vec<String> =
            schema.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    }
}

/// Forbids fields that are not described, and asks each that is for its words.
fn close(schema: &mut Value, path: &str) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            let described = ["description", "$ref", "anyOf"].iter().any(|key| property.get(key).is_some());
            assert!(described, "{path}/{name} has no description");
        }
        schema["additionalProperties"] = false.into();
    }
    for (key, part) in schema.as_object_mut().into_iter().flatten().filter(|(_, part)| part.is_object()) {
        close(part, &format!("{path}/{key}"));
    }
}

#[tokio::test]
async fn headers_are_sent_and_a_template_makes_the_body_which_is_signed() {
    let world = World::new().await;
    let receiver = Receiver::start(&[]).await;
    let template =
        r#"{"text": "[{{ project.slug }}] {{ issue.title }}", "events": {{ issue.events }}, "what": {{ type }}}"#;
    let target = WebhookTarget {
        url: receiver.url(),
        secret: SECRET.to_owned(),
        headers: vec![("Authorization".into(), "Bearer hidden".into()), ("X-Team".into(), "shop".into())],
        template: Some(template.to_owned()),
    };
    assert!(!format!("{target:?}").contains("hidden"));
    let id = world.destination(Target::Webhook(target)).await;
    let notifier = world.notifier(&world.settings());
    world.write(vec![world.event(1, 1, THEN)]).await;
    notifier.fan_out(THEN).await.unwrap();
    assert_eq!(notifier.deliver_due(THEN).await.unwrap().sent, 1);
    let request = &receiver.requests()[0];
    assert_eq!((request.header("authorization"), request.header("x-team")), ("Bearer hidden", "shop"));
    assert_eq!(request.header("content-type"), "application/json");
    let text = "[shop] TypeError: Cannot read properties of undefined (reading 'id')";
    assert_eq!(request.json(), serde_json::json!({"text": text, "events": 1, "what": "issue.new"}));
    assert_signed(request);

    // A template that this version cannot read costs its messages, with the line, and nothing else.
    sqlx::query("update destinations set config = jsonb_set(config, '{template}', '\"{\\n{{ }}\"') where id = $1")
        .bind(id.get())
        .execute(world.pool())
        .await
        .unwrap();
    world.write(vec![world.event(2, 2, THEN)]).await;
    notifier.fan_out(THEN).await.unwrap();
    assert_eq!(notifier.deliver_due(THEN).await.unwrap().dead, 1);
    assert!(world.states().await[1].contains("the template: line 2: "), "{:?}", world.states().await);
}
