//! `firefinch group` as scripts use it: a pipe in, a pipe out, no database.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

/// Runs the command on lines of input; returns the exit code, the answers and what it says to people.
fn group(arguments: &[&str], input: Vec<u8>) -> (Option<i32>, Vec<Value>, String) {
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
    let lines = output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let answers = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
    (output.status.code(), answers, String::from_utf8(output.stderr).unwrap())
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
