//! `firefinch group`: one event per line in, its keys per line out, without a database.
//!
//! Owns the shape of that output, which scripts hold on to. Lines are answered one by one and in
//! order, so a pipe never waits and memory does not grow with the input. A line that is no event is
//! answered in its place; blank lines are skipped. For people, the answers are paragraphs instead of JSON.
//!
//! Messages without a stack are learned from, in the order of the lines, as the server learns from
//! them: per project, if the events name theirs.

use std::collections::HashMap;
use std::io::{BufRead, Read, Write};

use anyhow::Context;
use engine::event::Event;
use engine::grouping::readable::readable;
use engine::grouping::templates::{self, Join, Learner};
use engine::grouping::{self, Explanation, Grouping, Rules};
use engine::{json, limits, title};
use serde::{Deserialize, Serialize};

/// The answer to one event.
#[derive(Debug, Serialize)]
struct Answer {
    id: Option<String>,
    /// The strongest key.
    hash: String,
    /// Keys that the event would own, strongest first.
    hashes: Vec<String>,
    title: String,
    culprit: String,
    /// Kind of the strongest key.
    variant: &'static str,
    /// Keys that the event would join but never own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lookup: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
    /// With the explanation: the template that a new message fits, and the words that vary in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<serde_json::Value>,
}

/// What is said about each event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// Its keys, as JSON.
    Keys,
    /// What the keys are made of as well.
    Explanation,
    /// The same, as text for people.
    Text,
}

impl Answer {
    fn text(&self) -> serde_json::Result<Vec<u8>> {
        let mut explanation = serde_json::to_value(&self.explanation)?;
        if let Some(joined) = &self.joined {
            explanation["joined"] = joined.clone();
        }
        let id = self.id.as_deref().unwrap_or("none");
        let in_culprit = if self.culprit.is_empty() { String::new() } else { format!(", in {}", self.culprit) };
        let head =
            format!("{}\nEvent {id}{in_culprit}\n", self.title).replace(|c: char| c.is_control() && c != '\n', " ");
        Ok(format!("{head}{}", readable(&explanation)).into_bytes())
    }
}

/// Projects whose messages are learned from at once. Beyond it all is forgotten, which splits.
const PROJECTS_MAX: usize = 256;

/// What was learned, per project.
#[derive(Default)]
struct Learners(HashMap<String, Learner>);

/// The project that an event belongs to, where it says so.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    project: serde_json::Value,
}

impl Learners {
    /// The founder's key, if the event is a message that fits a template; the reason if it is new.
    fn learn(
        &mut self,
        (event, json): (&Event<'_>, &str),
        rules: &Rules,
        keys: &[grouping::Key],
    ) -> (Option<Join>, Option<[u8; 16]>) {
        let text = templates::free_text(event, rules).filter(|text| keys.iter().any(|key| key.hash == text.key));
        let Some(text) = text else { return (None, None) };
        let project = serde_json::from_str::<Named>(json).map(|named| named.project.to_string()).unwrap_or_default();
        if self.0.len() >= PROJECTS_MAX && !self.0.contains_key(&project) {
            self.0.clear();
        }
        self.0.entry(project).or_default().learn_and_say(&text)
    }
}

/// The answer to a line that is no event.
#[derive(Debug, Serialize)]
struct Refusal {
    id: Option<String>,
    error: String,
}

/// Answers every line of the input; returns how many were no events.
///
/// # Errors
/// When the input cannot be read or the output not be written.
pub fn run(mut input: impl BufRead, mut output: impl Write, rules: &Rules, say: Say) -> anyhow::Result<u64> {
    let (mut line, mut refused, mut learners) = (Vec::new(), 0, Learners::default());
    for number in 1u64.. {
        line.clear();
        // One byte more than allowed tells a long line from a full one.
        let bound = limits::EVENT_BYTES_MAX as u64 + 2;
        let read = input.by_ref().take(bound).read_until(b'\n', &mut line).context("cannot read the input")?;
        if read == 0 {
            break;
        }
        let too_long = line.last() != Some(&b'\n') && line.len() > limits::EVENT_BYTES_MAX;
        if too_long {
            input.skip_until(b'\n').context("cannot read the input")?;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let answer = if too_long {
            Err(format!("longer than {} bytes", limits::EVENT_BYTES_MAX))
        } else {
            answer(line.trim_ascii(), rules, say != Say::Keys, &mut learners)
        };
        refused += u64::from(answer.is_err());
        let refusal = |error| Refusal { id: None, error: format!("line {number}: {error}") };
        let text = match answer.map_err(refusal) {
            Ok(answer) if say == Say::Text => answer.text(),
            Err(refusal) if say == Say::Text => Ok(format!("{}\n", refusal.error).into_bytes()),
            Ok(answer) => serde_json::to_vec(&answer),
            Err(refusal) => serde_json::to_vec(&refusal),
        };
        let mut text = text.context("cannot write JSON")?;
        text.push(b'\n');
        output.write_all(&text).and_then(|()| output.flush()).context("cannot write the output")?;
    }
    Ok(refused)
}

/// Reads a line as the server reads an event: as JSON, else as almost-JSON.
fn answer(line: &[u8], rules: &Rules, explain: bool, learners: &mut Learners) -> Result<Answer, String> {
    let plain = std::str::from_utf8(line).ok().filter(|text| !json::has_nul(text.as_bytes()));
    if let Some((text, event)) = plain.and_then(|text| Some((text, Event::from_json(text).ok()?))) {
        return Ok(describe((&event, text), rules, explain, learners));
    }
    let repaired = json::repair(line);
    let event = Event::from_json(&repaired).map_err(|error| error.to_string())?;
    Ok(describe((&event, &repaired), rules, explain, learners))
}

fn describe((event, json): (&Event<'_>, &str), rules: &Rules, explain: bool, learners: &mut Learners) -> Answer {
    let Grouping { keys, title } = grouping::group(event, rules);
    let (join, founder) = learners.learn((event, json), rules, &keys);
    let hashes = |owns: bool| keys.iter().filter(move |key| key.owns == owns).map(|key| hex::encode(key.hash));
    Answer {
        id: event.event_id.map(|id| id.to_string()),
        hash: keys.first().map(|key| hex::encode(key.hash)).unwrap_or_default(),
        hashes: hashes(true).chain(founder.map(hex::encode)).collect(),
        title: title.unwrap_or_else(|| title::title(event)),
        culprit: title::culprit(event),
        variant: keys.first().map(|key| key.variant).unwrap_or_default(),
        lookup: hashes(false).collect(),
        explanation: explain.then(|| grouping::explain(event, rules)),
        joined: founder.zip(join).filter(|_| explain).map(|(founder, join)| join.explain(founder)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(input: &str, explain: bool) -> (u64, Vec<serde_json::Value>) {
        let mut output = Vec::new();
        let say = if explain { Say::Explanation } else { Say::Keys };
        let refused = run(input.as_bytes(), &mut output, Rules::builtin(), say).unwrap();
        let lines = output.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        (refused, lines.map(|line| serde_json::from_slice(line).unwrap()).collect())
    }

    #[test]
    fn every_line_is_answered_in_its_place() {
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(limits::EVENT_BYTES_MAX));
        let input = format!(
            "{{\"event_id\":\"9ec79c33ec9942ab8353589fcb2e04dc\",\"message\":\"job 7 failed\",\"transaction\":\"t\"}}\n\n[1]\n{long}\n{{\"message\":\"job 8 failed\",\"extra\":NaN}}"
        );
        let (refused, lines) = answers(&input, false);
        assert_eq!((refused, lines.len()), (2, 4));
        assert_eq!(lines[0]["id"], "9ec79c33ec9942ab8353589fcb2e04dc");
        assert_eq!(lines[0]["title"], "job 7 failed");
        assert_eq!(lines[0]["culprit"], "t");
        assert_eq!(lines[0]["variant"], "v1:message");
        assert_eq!(lines[0]["hashes"], lines[3]["hashes"]);
        assert_eq!(lines[0]["hash"], lines[0]["hashes"][0]);
        assert_eq!(lines[0]["hash"].as_str().map(str::len), Some(32));
        assert!(lines[0].get("lookup").is_none() && lines[0].get("explanation").is_none());
        assert_eq!(lines[1]["id"], serde_json::Value::Null);
        assert!(lines[1]["error"].as_str().unwrap().starts_with("line 3: "), "{}", lines[1]);
        assert!(lines[2]["error"].as_str().unwrap().starts_with("line 4: longer"), "{}", lines[2]);
        assert_eq!(lines[3]["id"], serde_json::Value::Null);
    }

    #[test]
    fn messages_are_learned_from_in_their_order_and_per_project() {
        let input = r#"{"message":"session opened for user root","project":1}
            {"message":"session opened for user ann","project":1}
            {"message":"session opened for user ann","project":1}
            {"message":"session opened for user ann","project":2}"#;
        let (_, lines) = answers(input, true);
        assert_eq!(lines[1]["hashes"][1], lines[0]["hash"]);
        assert_eq!(lines[1]["hash"], lines[2]["hash"]);
        assert_eq!(lines[1]["hashes"], lines[2]["hashes"]);
        assert_eq!(lines[1]["joined"]["template"], "session opened for user **");
        assert_eq!(lines[1]["joined"]["varies"][0]["new"], "ann");
        assert_eq!(lines[3]["hashes"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn an_explanation_has_the_parts_of_every_key() {
        let event = r#"{"platform":"python","exception":{"type":"ValueError","value":"bad id 7","stacktrace":{"frames":[
            {"function":"pay","module":"shop.pay","in_app":true},{"function":"f","module":"lib","in_app":false}]}}}"#;
        let (_, lines) = answers(&event.replace('\n', " "), true);
        let explanation = &lines[0]["explanation"];
        assert_eq!(explanation["version"], "v1");
        let keys = explanation["keys"].as_array().unwrap();
        assert_eq!(keys.len(), lines[0]["hashes"].as_array().unwrap().len());
        assert_eq!(keys[0]["parts"][1], serde_json::json!({"name": "message", "value": "bad id *"}));
        let frames = &explanation["read"][0]["frames"];
        assert_eq!((&frames[0]["contributes"], &frames[1]["contributes"]), (&true.into(), &false.into()));
    }
}
