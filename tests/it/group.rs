//! `firefinch group` as scripts use it: a pipe in, a pipe out, no database.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::Value;

/// Runs the command on lines of input; returns the exit code, the answers and what it says to people.
fn group(arguments: &[&str], input: Vec<u8>) -> (Option<i32>, Vec<Value>, String) {
    let output = run(arguments, input);
    let lines = output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let answers = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
    (output.status.code(), answers, String::from_utf8(output.stderr).unwrap())
}

fn run(arguments: &[&str], input: Vec<u8>) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_firefinch"))
        .arg("group")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output
}

/// Events of all platforms, changed by chance; another seed makes others.
fn random_events(seed: u64, count: usize) -> Vec<String> {
    let pairs = trials::mutate::pairs(&trials::bases::all(seed), seed);
    let mut events: Vec<String> = pairs.into_iter().flat_map(|pair| [pair.a, pair.b]).collect();
    let mut random = trials::random::Random::new(seed);
    for at in (1..events.len()).rev() {
        events.swap(at, random.below(at + 1));
    }
    events.truncate(count);
    assert_eq!(events.len(), count);
    events
}

#[test]
fn two_processes_give_the_same_keys() {
    let input = random_events(77, 10_000).join("\n").into_bytes();
    let (first, second) = (run(&[], input.clone()), run(&[], input));
    assert!(first.status.success() && second.status.success());
    assert_eq!(first.stdout.iter().filter(|&&byte| byte == b'\n').count(), 10_000);
    assert!(first.stdout == second.stdout, "the answers of two processes differ");
}

#[test]
fn order_of_members_and_unknown_fields_change_no_key() {
    let recorded = corpus::load().requests.iter().filter_map(corpus::Request::event).collect::<Vec<_>>();
    // One event per line; a JSON string holds no line break as such.
    let mut events: Vec<String> = recorded.iter().map(|event| event.replace(['\n', '\r'], " ")).collect();
    events.extend(random_events(78, 3_000));
    let disguised: Vec<String> = events.iter().map(|event| trials::render::disguised(event).unwrap()).collect();
    let (_, plain, _) = group(&[], events.join("\n").into_bytes());
    let (_, other, _) = group(&[], disguised.join("\n").into_bytes());
    assert_eq!(plain.len(), events.len());
    for ((plain, other), event) in plain.iter().zip(&other).zip(&disguised) {
        for part in ["hashes", "lookup", "variant", "title"] {
            assert_eq!(plain[part], other[part], "{part} of {event}");
        }
    }
}

#[test]
fn recorded_events_are_answered_in_order() {
    let events: Vec<String> = corpus::load().requests.iter().filter_map(corpus::Request::event).collect();
    // One event per line, whatever white space the SDK sent.
    let lines: Vec<String> =
        events.iter().map(|event| serde_json::from_str::<Value>(event).unwrap().to_string()).collect();
    let (code, answers, said) = group(&[], lines.join("\n").into_bytes());
    assert_eq!((code, answers.len(), said.as_str()), (Some(0), events.len(), ""));
    for (event, answer) in lines.iter().zip(&answers) {
        let event: Value = serde_json::from_str(event).unwrap();
        let id = event["event_id"].as_str().map(|id| id.replace('-', ""));
        assert_eq!(answer["id"].as_str(), id.as_deref());
        assert_eq!(answer["hash"], answer["hashes"][0]);
        assert!(!answer["title"].as_str().unwrap().is_empty(), "{answer}");
    }
}

#[test]
fn a_line_that_is_no_event_is_answered_in_its_place() {
    let (code, answers, said) = group(&["--explain"], b"{\"message\":\"a\"}\nnope\n{\"message\":\"b\"}\n".to_vec());
    assert_eq!(code, Some(1));
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0]["explanation"]["keys"][0]["hash"], answers[0]["hash"]);
    assert!(answers[1]["error"].as_str().unwrap().starts_with("line 2: "), "{}", answers[1]);
    assert_eq!(answers[2]["title"], "b");
    assert_eq!(said, "firefinch: 1 line(s) of the input are no events\n");
}

#[test]
fn an_explanation_is_text_for_people_and_json_in_pipes() {
    let recorded = corpus::load();
    let events = recorded.requests.iter().filter(|request| request.row.is_error).filter_map(corpus::Request::event);
    let mut lines: Vec<String> = events.map(|event| event.replace(['\n', '\r'], " ")).collect();
    let count = lines.len();
    lines.push("nope".to_owned());
    let input = lines.join("\n").into_bytes();
    let output = run(&["--explain=text"], input.clone());
    let text = String::from_utf8(output.stdout).unwrap();
    let paragraphs: Vec<&str> = text.trim_end().split("\n\n").collect();
    assert_eq!(paragraphs.len(), count + 1);
    assert!(paragraphs[count].starts_with(&format!("line {}: ", count + 1)), "{}", paragraphs[count]);
    for paragraph in &paragraphs[..count] {
        assert_eq!(paragraph.lines().filter(|line| line.starts_with("Led by v1:")).count(), 1, "{paragraph}");
        assert!(paragraph.lines().nth(1).unwrap().starts_with("Event "), "{paragraph}");
    }
    let (code, answers, _) = group(&["--explain"], input.clone());
    assert_eq!((code, answers.len()), (Some(1), count + 1));
    assert_eq!(answers, group(&["--explain=json"], input).1);
    assert!(answers[0]["explanation"]["read"].is_array());
}

#[test]
fn rules_in_files_apply() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let rules = file("rules", "message:\"*disk*\" -> disk title=\"The disk\"\n");
    let stack = file("stack", "function:noise -group\n");
    let input = br#"{"message":"disk 7 is full"}
{"platform":"python","exception":{"type":"E","stacktrace":{"frames":[{"function":"f","module":"a","in_app":true}]}}}
{"platform":"python","exception":{"type":"E","stacktrace":{"frames":[{"function":"f","module":"a","in_app":true},{"function":"noise","module":"a","in_app":true}]}}}
"#;
    let (code, answers, said) = group(&["--rules", &rules, "--stack-rules", &stack], input.to_vec());
    assert_eq!((code, answers.len(), said.as_str()), (Some(0), 3, ""));
    assert_eq!((&answers[0]["variant"], &answers[0]["title"]), (&"v1:fingerprint".into(), &"The disk".into()));
    assert_eq!(answers[1]["hashes"], answers[2]["hashes"]);
    let (_, without, _) = group(&[], input.to_vec());
    assert_ne!(without[1]["hash"], without[2]["hash"]);
    let bad = file("bad", "function:f");
    let (code, _, said) = group(&["--stack-rules", &bad], input.to_vec());
    assert_eq!(code, Some(1));
    assert!(said.contains("stack-trace rules, line 1, column 11"), "{said}");
}
