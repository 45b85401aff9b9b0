//! What presets ask for, what they read from answers, and that nothing they show is a secret. Their requests as a whole
//! are looked at in `tests/it/notify/presets.rs`.

use time::Duration;

use super::super::exchange::{Answer, Verdict};
use super::super::samples;
use super::*;

fn parts(url: &str, token: &str, channel: &str) -> Parts {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Parts { url: some(url), token: some(token), channel: some(channel), server: None }
}

fn bot() -> Preset {
    Preset::from_parts("slack", parts("", "xoxb-secret", "#errors")).unwrap()
}

fn telegram() -> Preset {
    Preset::from_parts("telegram", parts("", "123:secret", "-1001")).unwrap()
}

fn discord() -> Preset {
    Preset::from_parts("discord", parts("https://discord.com/api/webhooks/1/secret?wait=false", "", "")).unwrap()
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, title: status.to_string(), retry_after: None, body: body.to_owned() }
}

#[test]
fn a_missing_part_is_named_with_where_to_get_it() {
    for (kind, given, said) in [
        ("slack", parts("", "", ""), "missing: --url, the address under Incoming Webhooks"),
        ("slack", parts("", "xoxb-1", ""), "missing: --channel, the channel, like #errors"),
        ("discord", parts("", "", ""), "missing: --url, the address under Integrations, Webhooks"),
        ("telegram", parts("", "", "-1"), "missing: --token, the token that @BotFather gave you"),
        ("telegram", parts("", "1:x/../..", "-1"), "letters, digits, a colon"),
        ("telegram", parts("", "1:x", ""), "missing: --channel, the id of the chat"),
        ("mattermost", parts("", "", ""), "missing: --url, the address under Integrations, Incoming Webhooks"),
        ("teams", parts("", "", ""), "missing: --url, the address of a workflow"),
        ("ntfy", parts("", "", ""), "missing: --channel, the topic"),
        ("ntfy", parts("", "", "a/b"), "1 to 64 letters"),
        ("pagerduty", parts("", " ", ""), "missing: --token, the integration key"),
        ("pagerduty", parts("", "a\nb", ""), "line break"),
        ("opsgenie", parts("", "", ""), "missing: --token, the key of an API integration"),
        ("opsgenie", parts("https://x", "k", ""), "--url does not belong to --kind opsgenie"),
        ("discord", parts("https://x", "k", ""), "--token does not belong to --kind discord"),
        ("pager", parts("", "", ""), "there is no kind \"pager\"; there are slack, discord"),
    ] {
        let error = Preset::from_parts(kind, given).unwrap_err().to_string();
        assert!(error.contains(said), "{kind}: {error}");
    }
}

#[test]
fn a_configuration_reads_back_and_shows_no_secret() {
    let hook = parts("https://hooks.example/services/secret", "", "");
    for (preset, words) in [
        (bot(), "Slack #errors"),
        (
            Preset::from_parts("slack", Parts { ..parts("https://hooks.example/services/secret", "", "") }).unwrap(),
            "Slack at hooks.example",
        ),
        (telegram(), "Telegram -1001"),
        (discord(), "Discord at discord.com"),
        (
            Preset::from_parts("mattermost", Parts { ..parts("https://chat.example:8065/hooks/secret", "", "") })
                .unwrap(),
            "Mattermost at chat.example:8065",
        ),
        (Preset::from_parts("teams", hook).unwrap(), "Microsoft Teams at hooks.example"),
        (Preset::from_parts("ntfy", parts("", "tk_secret", "secret")).unwrap(), "ntfy at ntfy.sh"),
        (Preset::from_parts("pagerduty", parts("", "secret", "")).unwrap(), "PagerDuty at events.pagerduty.com"),
        (Preset::from_parts("opsgenie", parts("", "secret", "")).unwrap(), "Opsgenie at api.opsgenie.com"),
    ] {
        assert_eq!(preset.words(), words);
        let config = serde_json::to_value(&preset).unwrap();
        assert!(config.to_string().contains("secret"));
        assert!(Preset::read(preset.kind(), config).unwrap().unwrap() == preset, "{words}");
        assert!(!format!("{preset:?}").contains("secret"));
    }
    assert!(Preset::read("mail", serde_json::Value::Null).is_none());
    let error = Preset::read("telegram", serde_json::json!({"token": 5, "chat": "secret"})).unwrap().unwrap_err();
    assert!(!error.to_string().contains("secret"));
}

#[test]
fn answers_are_read_as_each_receiver_means_them() {
    let taken = |reference: &str| Verdict::Taken { reference: Some(reference.to_owned()) };
    let later = |seconds| Verdict::Later { asked: Some(Duration::seconds(seconds)) };
    for (preset, status, body, expected) in [
        (bot(), 200, r#"{"ok":true,"channel":"C1","ts":"17.01"}"#, taken("C1 17.01")),
        (bot(), 200, r#"{"ok":true}"#, Verdict::Taken { reference: None }),
        (bot(), 200, r#"{"ok":false,"error":"ratelimited"}"#, Verdict::Later { asked: None }),
        (bot(), 200, r#"{"ok":false,"error":"message_not_found"}"#, Verdict::Gone),
        (bot(), 200, r#"{"ok":false,"error":"invalid_auth"}"#, Verdict::Never),
        (bot(), 200, "<html>", Verdict::Never),
        (bot(), 503, "", Verdict::Later { asked: None }),
        (telegram(), 200, r#"{"ok":true,"result":{"message_id":42}}"#, taken("42")),
        (telegram(), 429, r#"{"ok":false,"parameters":{"retry_after":31}}"#, later(31)),
        (telegram(), 400, r#"{"ok":false,"description":"Bad Request: message to edit not found"}"#, Verdict::Gone),
        (
            telegram(),
            400,
            r#"{"ok":false,"description":"Bad Request: message is not modified"}"#,
            Verdict::Taken { reference: None },
        ),
        (telegram(), 403, r#"{"ok":false,"description":"Forbidden: bot was kicked"}"#, Verdict::Never),
        (discord(), 200, r#"{"id":"1234"}"#, taken("1234")),
        (discord(), 404, r#"{"code":10008,"message":"Unknown Message"}"#, Verdict::Gone),
        (discord(), 404, r#"{"code":10015,"message":"Unknown Webhook"}"#, Verdict::Never),
    ] {
        assert_eq!(preset.verdict(&answer(status, body)), expected, "{} {status} {body}", preset.kind());
    }
}

#[test]
fn an_update_changes_the_message_before_it_and_an_end_answers_the_first() {
    let mut update = samples::storm_update();
    update.head.thread.replaces.as_mut().unwrap().reference = Some("C1 17.02".to_owned());
    update.head.thread.first.as_mut().unwrap().reference = Some("C1 17.01".to_owned());
    let mut calm = samples::calm();
    calm.head.thread = update.head.thread.clone();
    let (update, calm) = (Message::Digest(update), Message::Calm(calm));
    let asked = |message: &Message, anew: bool| {
        let request = bot().request(message, anew);
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        let thread = body["thread_ts"].as_str().map(str::to_owned);
        (request.url, body["channel"].as_str().unwrap().to_owned(), body["ts"].as_str().map(str::to_owned), thread)
    };
    let url = |method: &str| format!("https://slack.com/api/{method}");
    let ts = |ts: &str| Some(ts.to_owned());
    assert_eq!(asked(&update, false), (url("chat.update"), "C1".to_owned(), ts("17.02"), None));
    assert_eq!(
        asked(&update, true),
        (url("chat.postMessage"), "#errors".to_owned(), None, None),
        "the old one is gone"
    );
    assert_eq!(asked(&calm, false), (url("chat.postMessage"), "#errors".to_owned(), None, ts("17.01")));

    let mut update = samples::storm_update();
    update.head.thread.replaces.as_mut().unwrap().reference = Some("77".to_owned());
    let update = Message::Digest(update);
    let request = discord().request(&update, false);
    assert_eq!(
        (request.method, request.url.as_str()),
        (crate::alert::exchange::Method::Patch, "https://discord.com/api/webhooks/1/secret/messages/77")
    );
    assert_eq!(discord().request(&update, true).url, "https://discord.com/api/webhooks/1/secret?wait=true");
    assert!(telegram().request(&update, false).url.ends_with("/editMessageText"));
    assert!(telegram().request(&update, true).url.ends_with("/sendMessage"));
}

#[test]
fn an_incident_is_opened_and_closed_under_one_key() {
    let pager = Preset::from_parts("pagerduty", parts("", "key", "")).unwrap();
    let read = |message: &Message| {
        let body: serde_json::Value = serde_json::from_str(&pager.request(message, false).body).unwrap();
        (body["event_action"].as_str().unwrap().to_owned(), body["dedup_key"].as_str().unwrap().to_owned())
    };
    let pair = |action: &str, key: &str| (action.to_owned(), format!("firefinch {key} errors.example"));
    assert_eq!(read(&Message::Issue(samples::new_issue())), pair("trigger", "issue-412"));
    assert_eq!(read(&Message::Issue(samples::regressed_issue())), pair("trigger", "issue-412"));
    assert_eq!(read(&Message::Issue(samples::resolved_issue())), pair("resolve", "issue-412"));
    assert_eq!(read(&Message::Digest(samples::storm())), pair("trigger", "issue-501"));
    assert_eq!(read(&Message::Calm(samples::calm())), pair("resolve", "issue-501"));
    assert_eq!(read(&Message::Note(samples::note(Kind::SpikeStarted))), pair("trigger", "spike-3"));
    assert_eq!(read(&Message::Note(samples::note(Kind::SpikeEnded))), pair("resolve", "spike-3"));

    let opsgenie = Preset::from_parts("opsgenie", parts("", "key", "")).unwrap();
    let close = opsgenie.request(&Message::Issue(samples::resolved_issue()), false);
    assert_eq!(
        close.url,
        "https://api.opsgenie.com/v2/alerts/firefinch%20issue-412%20errors%2Eexample/close?identifierType=alias"
    );
}

#[test]
fn a_change_keeps_what_it_does_not_name() {
    let changed = |preset: &Preset, given: Parts| serde_json::to_value(preset.changed(given).unwrap()).unwrap();
    let channel = |name: &str| Parts { channel: Some(name.to_owned()), ..Parts::default() };
    assert_eq!(changed(&bot(), channel("#ops"))["token"], "xoxb-secret");
    assert_eq!(changed(&bot(), channel("#ops"))["channel"], "#ops");
    assert!(bot().changed(channel("")).unwrap_err().to_string().starts_with("missing: --channel"));
    assert_eq!(changed(&telegram(), Parts::default()), serde_json::to_value(telegram()).unwrap());
    let server = Parts { server: Some(String::new()), ..Parts::default() };
    assert_eq!(changed(&telegram(), server)["server"], "https://api.telegram.org", "taken away, it is the usual one");

    // The two ways to Slack share nothing.
    let hook = Parts { url: Some("https://hooks.example/services/x".to_owned()), ..Parts::default() };
    let by_hook = bot().changed(hook).unwrap();
    assert_eq!(serde_json::to_value(&by_hook).unwrap(), serde_json::json!({"url": "https://hooks.example/services/x"}));
    let token = Parts { token: Some("xoxb-2".to_owned()), ..Parts::default() };
    assert!(by_hook.changed(token).unwrap_err().to_string().starts_with("missing: --channel"));
}

#[test]
fn what_a_kind_asks_for_is_what_it_takes() {
    for kind in Preset::KINDS {
        let asks = Preset::asks(kind);
        assert!(!asks.is_empty() && asks.iter().all(|ask| !ask.hint.is_empty() && !ask.label.is_empty()), "{kind}");
        let mut given = parts("https://x.example/h", "1:a", "a");
        given.server = Some("https://y.example".to_owned());
        // Of Slack's two ways the bot is the one that takes a token.
        let takes = |part: Part| kind != "slack" || part != Part::Url;
        for (part, value) in [
            (Part::Url, &mut given.url),
            (Part::Token, &mut given.token),
            (Part::Channel, &mut given.channel),
            (Part::Server, &mut given.server),
        ] {
            if !asks.iter().any(|ask| ask.part == part) || !takes(part) {
                *value = None;
            }
        }
        let made = Preset::from_parts(kind, given).unwrap();
        assert_eq!(made.changed(Parts::default()).unwrap().kind(), kind);
    }
}
