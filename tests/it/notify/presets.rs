//! What chats and incident receivers really get, over HTTP: every kind of message to every preset, kept as files, held
//! against schemas written from the receivers' documentation, and inert whatever a stranger wrote.

use std::fmt::Write as _;
use std::fs;

use engine::alert::preset::{Parts, Preset};
use engine::alert::{Message, samples};
use firefinch::workers::notify::{Attempt, Outgoing};
use serde_json::{Value, json};
use store::notifications::Target;
use time::Duration;

use super::mail::fan_out_and_deliver;
use super::{THEN, World, assert_snapshot};
use crate::support::receiver::{Receiver, Request};

/// Everything that is markup or a mention somewhere, in a text as long as an SDK may send one.
const HOSTILE: &str = "@everyone @here @channel <!channel> <!here> <@U123> <@&1> <#C1> @durov #tag /start $USD :tada: \
    *b* _i_ ~s~ `c` ```pre``` ||x|| > q [a](http://evil.example) ![p](http://evil.example/p.png) <http://evil.example|a> \
    http://evil.example/path www.evil.example evil.example <b>b</b> <a href=\"http://evil.example\">a</a> <at>all</at> \
    </code></pre> &lt;!channel&gt; &amp; {{ code }} \\@everyone \\\\ \u{202e}live\u{2066} \u{0}\u{1b}[31m \r\n# h\r\n- l ";

fn hostile() -> Vec<(&'static str, Message)> {
    let text = HOSTILE.repeat(8 * 1024 / HOSTILE.len() + 1);
    let mut issue = samples::hostile_issue();
    issue.issue.title.clone_from(&text);
    issue.issue.short_id.clone_from(&text);
    issue.project.name.clone_from(&text);
    issue.reason = Some(text.clone());
    issue.release = Some(text.clone());
    issue.environment = Some(text.clone());
    if let Some(event) = &mut issue.event {
        event.transaction = Some(text.clone());
        event.server_name = Some(text.clone());
        if let Some(frame) = &mut event.frame {
            frame.function.clone_from(&text);
            frame.file.clone_from(&text);
            frame.context = Some(text.clone());
        }
    }
    let mut storm = samples::hostile_storm();
    for top in &mut storm.top {
        top.title.clone_from(&text);
        top.place.clone_from(&text);
    }
    storm.notes.iter_mut().for_each(|(_, title)| title.clone_from(&text));
    let mut note = samples::note(engine::alert::Kind::Trouble);
    note.title.clone_from(&text);
    note.sentence.clone_from(&text);
    note.figures = (0..40).map(|_| (text.clone(), text.clone())).collect();
    let mut test = samples::test();
    test.destination = text;
    vec![
        ("8 KiB issue", Message::Issue(issue)),
        ("8 KiB storm", Message::Digest(storm)),
        ("8 KiB note", Message::Note(note)),
        ("8 KiB test", Message::Test(test)),
    ]
}

/// Every preset, set up for a receiver of ours.
fn presets(url: &str) -> Vec<(&'static str, Preset)> {
    let some = |text: &str| Some(text.to_owned());
    let hook = || Parts { url: some(&format!("{url}/hooks/T1/secret")), ..Parts::default() };
    let server =
        |token: &str, channel: Option<String>| Parts { token: some(token), channel, server: some(url), url: None };
    let preset = |kind: &str, parts| Preset::from_parts(kind, parts).unwrap();
    vec![
        ("slack-hook", preset("slack", hook())),
        ("slack-bot", preset("slack", server("xoxb-1", some("#errors")))),
        ("discord", preset("discord", hook())),
        ("telegram", preset("telegram", server("123456:ABC", some("-1001")))),
        ("mattermost", preset("mattermost", hook())),
        ("teams", preset("teams", hook())),
        ("ntfy", preset("ntfy", server("tk_1", some("errors")))),
        ("pagerduty", preset("pagerduty", server(&"k".repeat(32), None))),
        ("opsgenie", preset("opsgenie", server("key", None))),
    ]
}

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/presets/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn schema(kind: &str) -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&fixture(&format!("{kind}.schema.json"))).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn assert_valid(schema: &jsonschema::Validator, body: &Value, what: &str) {
    let wrong: Vec<String> =
        schema.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{what}: {wrong:#?}\n{body:#}");
}

/// Sends a message and gives the request as it arrived.
async fn told(client: &Outgoing, receiver: &Receiver, preset: &Preset, message: &Message) -> Request {
    let before = receiver.requests().len();
    let attempt = client.tell(preset, message, THEN).await;
    // A bot of Slack wants to hear more than 'ok', which is another test's.
    assert!(matches!(attempt, Attempt::Sent { .. }) || preset.kind() == "slack", "{attempt:?}");
    receiver.requests().remove(before)
}

#[tokio::test]
async fn each_receiver_gets_its_own_form_of_every_message() {
    let receiver = Receiver::start(&[]).await;
    let client = Outgoing::new(true);
    let url = receiver.url();
    for (name, preset) in presets(url.trim_end_matches("/hook")) {
        let schema = schema(preset.kind());
        let mut seen = String::new();
        for (of, message) in samples::all() {
            let request = told(&client, &receiver, &preset, &message).await;
            let body = request.json();
            assert_valid(&schema, &body, &format!("{name} {of}"));
            let _ = writeln!(seen, "=== {of}\n{}", request.line);
            for header in ["content-type", "authorization"] {
                if !request.header(header).is_empty() {
                    let _ = writeln!(seen, "{header}: {}", request.header(header));
                }
            }
            let _ = writeln!(seen, "\n{body:#}\n");
        }
        assert_snapshot(&format!("presets/{name}.txt"), &seen);
    }
}

/// The texts in a body by their path, as the receiver reads them.
fn texts(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| texts(item, path, found)),
        Value::Object(map) => map.iter().for_each(|(key, item)| texts(item, &format!("{path}/{key}"), found)),
        _ => {}
    }
}

/// What of a text is alive in Telegram: what stands outside of links and code.
fn outside_of_links_and_code(html: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_u32;
    for part in html.split('<') {
        let (tag, text) = part.split_once('>').unwrap_or(("", part));
        let name = tag.split(' ').next().unwrap_or_default();
        match name {
            "a" | "code" | "pre" => depth += 1,
            "/a" | "/code" | "/pre" => depth -= 1,
            "" | "b" | "/b" | "i" | "/i" => {}
            other => panic!("a tag that is not ours: {other:?}"),
        }
        assert!(!tag.contains("href") || tag.starts_with("a href=\"https://errors.example"), "{tag}");
        if depth == 0 {
            out.push_str(text);
        }
    }
    assert_eq!(depth, 0, "every tag is closed: {html}");
    out
}

/// Whether `sign` stands before a letter, which makes it a mention or a tag.
fn calls(text: &str, sign: char) -> bool {
    text.split(sign).skip(1).any(|rest| rest.starts_with(|char: char| char.is_alphanumeric()))
}

fn assert_inert(kind: &str, body: &Value, what: &str) {
    let mut found = Vec::new();
    texts(body, "", &mut found);
    for (path, text) in &found {
        let unsafe_char = |char: char| {
            (char.is_control() && char != '\n') || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!text.contains(unsafe_char), "{kind} {what} {path}: {text:?}");
        let dead = match kind {
            // Addresses that are ours.
            _ if text.starts_with("https://errors.example/") && !text.contains(char::is_whitespace) => true,
            // Elements that know no markup: their types are held by the schema. `text` is read as markup.
            "slack" => path != "/text" || !text.contains(['<', '>']),
            "teams" | "ntfy" | "pagerduty" => true,
            "opsgenie" => !text.contains(['<', '>']) || path.ends_with("alias"),
            "discord" => {
                let code = text.split("```").step_by(2).collect::<String>();
                !calls(&code.replace("\\@", ""), '@')
                    && !code.replace("\\:", "").contains("http:")
                    && code.matches("](https://errors.example").count() == code.matches("](").count()
            }
            "mattermost" => {
                let code = text.split("```").step_by(2).collect::<String>();
                !calls(&code, '@') && code.matches("](https://errors.example").count() == code.matches("](").count()
            }
            "telegram" if path == "/text" => {
                let alive = outside_of_links_and_code(text);
                let commands = alive.split_whitespace().filter(|word| word.starts_with('/') && calls(word, '/'));
                !calls(&alive, '@') && !calls(&alive, '#') && commands.count() == 0 && !alive.contains("evil.example")
            }
            "telegram" => true,
            other => panic!("no rule for {other}"),
        };
        assert!(dead, "{kind} {what} {path}: {text}");
    }
}

#[tokio::test]
async fn hostile_texts_stay_texts_and_within_the_limits() {
    let receiver = Receiver::start(&[]).await;
    let client = Outgoing::new(true);
    let url = receiver.url();
    for (name, preset) in presets(url.trim_end_matches("/hook")) {
        let schema = schema(preset.kind());
        for (of, message) in hostile().into_iter().chain(samples::all()) {
            let request = told(&client, &receiver, &preset, &message).await;
            let body = request.json();
            assert_valid(&schema, &body, &format!("{name} {of}"));
            assert_inert(preset.kind(), &body, of);
            let (bytes, bound) = (request.body.len(), bytes_max(preset.kind()));
            assert!(bytes <= bound, "{name} {of}: {bytes} bytes, {bound} are taken");
            if preset.kind() == "discord" {
                let embed = &body["embeds"][0];
                let mut all = Vec::new();
                for part in ["title", "description", "fields", "footer"] {
                    texts(&embed[part], "", &mut all);
                }
                let chars: usize = all.iter().map(|(_, text)| text.chars().count()).sum();
                assert!(chars <= 6000, "{of}: {chars} characters in one embed");
            }
        }
    }
}

/// What each receiver takes of a whole request, where that is published.
fn bytes_max(kind: &str) -> usize {
    match kind {
        "teams" => 28 * 1024,
        "mattermost" => 7900,
        "pagerduty" => 512 * 1024,
        // The others bound parts, which the schemas hold.
        _ => 64 * 1024,
    }
}

#[tokio::test]
async fn an_event_becomes_a_message_of_a_bot() {
    let world = World::new().await;
    let answers = [
        "200 OK\r\nContent-Length: 37\r\n\r\n{\"ok\":false,\"error\":\"ratelimited\"}   ",
        "200 OK\r\nContent-Length: 49\r\n\r\n{\"ok\":true,\"channel\":\"C1\",\"ts\":\"1795356134.0001\"}",
    ];
    let receiver = Receiver::start(&answers).await;
    let url = receiver.url();
    let (_, bot) = presets(url.trim_end_matches("/hook")).remove(1);
    world.destination(Target::Preset(bot)).await;
    let notifier = world.notifier(&world.settings());
    world.write(vec![world.event(1, 1, THEN)]).await;

    notifier.fan_out(THEN).await.unwrap();
    assert_eq!(notifier.deliver_due(THEN).await.unwrap().later, 1);
    assert_eq!(notifier.deliver_due(THEN + Duration::MINUTE).await.unwrap().sent, 1);
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].body, requests[1].body);
    assert_eq!(requests[0].line, "POST /chat.postMessage HTTP/1.1");
    assert_eq!(requests[0].json()["channel"], "#errors");
    assert!(requests[0].json()["text"].as_str().unwrap().starts_with("✱ New in shop: TypeError: Cannot read"));
}

#[tokio::test]
async fn what_was_deleted_over_there_is_told_anew() {
    let gone = "200 OK\r\nContent-Length: 40\r\n\r\n{\"ok\":false,\"error\":\"message_not_found\"}";
    let taken = "200 OK\r\nContent-Length: 38\r\n\r\n{\"ok\":true,\"channel\":\"C1\",\"ts\":\"18.1\"}";
    let receiver = Receiver::start(&[gone, taken, gone, gone]).await;
    let url = receiver.url();
    let (_, bot) = presets(url.trim_end_matches("/hook")).remove(1);
    let mut update = samples::storm_update();
    update.head.thread.replaces.as_mut().unwrap().reference = Some("C1 17.2".to_owned());
    let (client, update) = (Outgoing::new(true), Message::Digest(update));
    let Attempt::Sent { reference, .. } = client.tell(&bot, &update, THEN).await else { panic!("not sent") };
    assert_eq!(reference.as_deref(), Some("C1 18.1"));
    let lines: Vec<String> = receiver.requests().iter().map(|request| request.line.clone()).collect();
    assert_eq!(lines, ["POST /chat.update HTTP/1.1", "POST /chat.postMessage HTTP/1.1"]);
    assert_eq!(receiver.requests()[0].json()["ts"], json!("17.2"));
    // Whoever says so every time is not asked for ever.
    assert!(matches!(client.tell(&bot, &update, THEN).await, Attempt::Dead { .. }));
    assert_eq!(receiver.requests().len(), 4);
}

#[tokio::test]
async fn a_storm_is_one_incident_and_the_issues_in_it_have_none_of_their_own() {
    for kind in ["pagerduty", "opsgenie"] {
        let world = World::new().await;
        let receiver = Receiver::start(&[]).await;
        let url = receiver.url();
        let mut all = presets(url.trim_end_matches("/hook")).into_iter().map(|(_, preset)| preset);
        world.destination(Target::Preset(all.find(|preset| preset.kind() == kind).unwrap())).await;
        sqlx::query("update alert_rules set kinds = '{new,resolved}'").execute(world.pool()).await.unwrap();
        let notifier = world.notifier(&world.settings());
        for (second, numbers) in [(0, 1..=1_u8), (1, 2..=20)] {
            let events = numbers.map(|n| world.event(u128::from(n), n, THEN + Duration::seconds(second))).collect();
            world.write(events).await;
            fan_out_and_deliver(&notifier, Duration::seconds(second)).await;
        }
        fan_out_and_deliver(&notifier, Duration::minutes(2)).await;
        fan_out_and_deliver(&notifier, Duration::minutes(12)).await;
        let asked: Vec<(bool, String)> = receiver.requests().iter().map(|request| incident(kind, request)).collect();
        assert_eq!(asked.len(), 3, "{kind}: the first issue, the storm, its end: {asked:?}");
        assert_eq!(asked.iter().map(|(opens, _)| *opens).collect::<Vec<_>>(), [true, true, false]);
        assert!(asked.iter().all(|(_, key)| *key == asked[0].1), "{kind}: one incident: {asked:?}");

        // Resolving one that came in the storm closes nothing but what it may have opened itself.
        let folded: i64 = sqlx::query_scalar("select max(id) from issues").fetch_one(world.pool()).await.unwrap();
        let folded = [(world.project_id(), engine::ids::IssueId(folded))];
        let resolve = engine::issue::Signal::Resolve { fix: engine::issue::Fix::Now, commit: None };
        store::lifecycle::apply(world.pool(), &folded, &resolve, None, THEN + Duration::minutes(13)).await.unwrap();
        fan_out_and_deliver(&notifier, Duration::minutes(13)).await;
        let (opens, key) = incident(kind, &receiver.requests()[3]);
        assert!(!opens && key != asked[0].1, "{kind}: {key}");
    }
}

/// Whether a request opens an incident, and which it names.
fn incident(kind: &str, request: &Request) -> (bool, String) {
    if kind == "pagerduty" {
        let body = request.json();
        return (body["event_action"] == "trigger", body["dedup_key"].as_str().unwrap().to_owned());
    }
    if request.line.contains("/close?") {
        let alias = request.line.split("/alerts/").nth(1).unwrap().split("/close").next().unwrap();
        return (false, percent_encoding::percent_decode_str(alias).decode_utf8().unwrap().into_owned());
    }
    (true, request.json()["alias"].as_str().unwrap().to_owned())
}
