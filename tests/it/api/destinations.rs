//! Destinations through the API: made, changed, tried and deleted, and no secret ever comes out.

use reqwest::Method;
use serde_json::{Value, json};

use super::Served;
use crate::support::Reply;
use crate::support::receiver::Receiver;

const ALL: &str = "/api/0/organizations/acme/destinations/";

async fn post(served: &Served, path: &str, body: &Value) -> Reply {
    served.http.send(served.http.request(Method::POST, path).json(body)).await
}

#[tokio::test]
async fn a_destination_is_made_tried_changed_stopped_and_deleted() {
    let served = Served::start().await;
    let receiver = Receiver::start(&["503 Busy\r\nContent-Length: 7\r\n\r\nnot now"]).await;
    let body = json!({"kind": "webhook", "url": receiver.url(), "project": "shop", "signals": ["new", "resolved"]});
    let made = post(&served, ALL, &body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let made = made.json();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    assert_eq!((&made["project"], &made["signals"]), (&json!("shop"), &json!(["new", "resolved"])));
    assert_eq!(made["health"]["state"], "untried");
    let one = format!("{ALL}{}/", made["id"].as_str().unwrap());

    let answers = post(&served, &format!("{one}test/"), &json!({})).await.json();
    assert_eq!(
        (&answers[0]["ok"], &answers[0]["answer"]),
        (&json!(false), &json!("HTTP 503 Service Unavailable: not now"))
    );
    let failing = served.json(&one).await;
    assert_eq!(
        (&failing["health"]["state"], &failing["health"]["lastError"]),
        (&json!("failing"), &answers[0]["answer"])
    );
    let answers = post(&served, &format!("{one}test/"), &json!({})).await.json();
    assert_eq!((&answers[0]["ok"], &answers[0]["answer"]), (&json!(true), &json!("HTTP 200 OK: ok")));
    assert_eq!(receiver.requests()[1].json()["type"], "test");

    let stopped = served.http.put(&one, &json!({"name": "Pager", "disabled": true})).await.json();
    assert_eq!(
        (&stopped["name"], &stopped["disabled"], &stopped["secret"]),
        (&json!("Pager"), &json!(true), &Value::Null)
    );
    let shaped = json!({"headers": {"Authorization": "Bearer hidden"}, "template": "{\"text\": {{ text }}}"});
    let shaped = served.http.put(&one, &shaped).await;
    assert!(!shaped.body.contains("hidden"), "{}", shaped.body);
    assert_eq!(shaped.json()["headers"], json!(["Authorization"]));
    post(&served, &format!("{one}test/"), &json!({})).await;
    let request = receiver.requests().pop().unwrap();
    assert_eq!((request.header("authorization"), request.json()), ("Bearer hidden", json!({"text": null})));
    let rotated = served.http.put(&one, &json!({"secret": "", "disabled": false})).await.json();
    assert!(rotated["secret"].as_str().unwrap() != secret && rotated["disabled"] == false);

    let list = served.http.get(ALL).await.body;
    assert!(list.contains("Pager") && !["/hook", "whsec_"].iter().any(|secret| list.contains(secret)), "{list}");
    let gone = served.http.send(served.http.request(Method::DELETE, &one)).await;
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    assert_eq!(served.http.get(&one).await.status, 404);
    assert!(!served.http.get(ALL).await.body.contains("Pager"));
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_what_to_do() {
    let served = Served::start().await;
    for (body, said) in [
        (json!({}), "kind is missing"),
        (json!({"kind": "pager"}), "there is no kind pager; there are mail, slack"),
        (json!({"kind": "slack"}), "missing: the address under Incoming Webhooks"),
        (json!({"kind": "telegram", "token": "1:a"}), "missing: the id of the chat"),
        (json!({"kind": "discord", "url": "ftp://x/"}), "http"),
        (json!({"kind": "mail", "addresses": ["nobody"]}), "nobody: "),
        (json!({"kind": "mail", "members": true, "project": "nope"}), "there is no project nope"),
        (json!({"kind": "mail", "members": true, "signals": ["old"]}), "there is no signal old; there are new"),
        (json!({"kind": "webhook", "url": "https://x.example/", "secret": "short"}), "whsec_ and 24 to 64 bytes"),
        (
            json!({"kind": "ntfy", "channel": "a", "token": "x", "url": "https://x.example/"}),
            "url does not belong to ntfy",
        ),
        (json!({"kind": 7}), "JSON parse error"),
        (
            json!({"kind": "webhook", "url": "https://x.example/", "headers": {"Host": "x"}}),
            "the header Host is set by Firefinch",
        ),
        (
            json!({"kind": "webhook", "url": "https://x.example/", "headers": {"X-A": "a\nb"}}),
            "the value of X-A is empty",
        ),
        (json!({"kind": "webhook", "url": "https://x.example/", "template": "{\n{{ }}"}), "the template: line 2: "),
        (json!({"kind": "discord", "url": "https://x.example/", "template": "{}"}), "belong to webhooks"),
    ] {
        let reply = post(&served, ALL, &body).await;
        let detail = serde_json::from_str::<Value>(&reply.body).unwrap()["detail"].as_str().unwrap().to_owned();
        assert!(reply.status == 400 && detail.contains(said), "{body}: {} {detail}", reply.status);
    }
    let made = post(&served, ALL, &json!({"kind": "mail", "members": true})).await.json();
    let one = format!("{ALL}{}/", made["id"].as_str().unwrap());
    for (body, said) in [
        (json!({"kind": "slack"}), "the kind of a destination stays"),
        (json!({"signals": ["new"]}), "belong to its rules"),
        (json!({"members": false}), "needs an address"),
        (json!({"url": "https://x.example/"}), "url belongs to another kind"),
        (json!({"name": "a\nb"}), "line break"),
    ] {
        let reply = served.http.put(&one, &body).await;
        assert!(reply.status == 400 && reply.body.contains(said), "{body}: {}", reply.body);
    }
    assert!(post(&served, &format!("{one}test/"), &json!({})).await.body.contains("nobody can sign in"));
    for path in ["999/", "x/", "999/test/"] {
        assert_eq!(
            post(&served, &format!("{ALL}{path}"), &json!({})).await.status,
            if path.ends_with("test/") { 404 } else { 405 }
        );
    }
}
