//! How well messages are grouped on public log-parsing benchmarks: grouping accuracy per set.
//!
//! Reads every `*.csv` of the directory `FIREFINCH_LOGS` that has the columns `Content` and
//! `EventId`, feeds each line as a message through keys and learner as `firefinch group` does, and
//! prints the share of messages whose issue holds exactly the messages of their event id. With a
//! column `Weight`, a line counts that often. `FIREFINCH_LOGS_VERBOSE=1` names what was split or
//! merged.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "an example that reads files and prints a table")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use engine::event::Event;
use engine::grouping::templates::{self, Learner};
use engine::grouping::{self, Rules};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::var("FIREFINCH_LOGS")?;
    let verbose = std::env::var("FIREFINCH_LOGS_VERBOSE").is_ok();
    let mut files: Vec<_> = std::fs::read_dir(directory)?.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    files.sort();
    let mut sum = (0.0, 0.0);
    println!("{:<28} {:>6} {:>6} {:>8} {:>8}", "set", "lines", "ids", "masks", "learner");
    for path in &files {
        let rows = read(path)?;
        let (masks, learner) = (accuracy(&rows, false, false), accuracy(&rows, true, verbose));
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        println!("{name:<28} {:>6} {:>6} {masks:>8.3} {learner:>8.3}", rows.len(), ids.len());
        sum = (sum.0 + masks, sum.1 + learner);
    }
    #[expect(clippy::cast_precision_loss, reason = "a few sets")]
    let count = files.len().max(1) as f64;
    println!("{:<28} {:>6} {:>6} {:>8.3} {:>8.3}", "mean", "", "", sum.0 / count, sum.1 / count);
    Ok(())
}

struct Row {
    content: String,
    id: String,
    weight: u64,
}

fn accuracy(rows: &[Row], learn: bool, verbose: bool) -> f64 {
    let mut learner = Learner::default();
    let mut owners: HashMap<[u8; 16], usize> = HashMap::new();
    let mut issues: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut ids: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let json = serde_json::json!({ "message": row.content }).to_string();
        let Ok(event) = Event::from_json(&json) else { continue };
        let mut keys: Vec<[u8; 16]> =
            grouping::group(&event, Rules::builtin()).keys.iter().map(|key| key.hash).collect();
        if learn && let Some(text) = templates::free_text(&event, Rules::builtin()) {
            keys.extend(learner.learn(&text));
        }
        let issue = keys.iter().find_map(|key| owners.get(key).copied()).unwrap_or(issues.len());
        keys.into_iter().for_each(|key| {
            owners.entry(key).or_insert(issue);
        });
        issues.entry(issue).or_default().insert(at);
        ids.entry(&row.id).or_default().insert(at);
    }
    let exact: BTreeSet<&BTreeSet<usize>> = issues.values().collect();
    let weight = |lines: &BTreeSet<usize>| lines.iter().map(|&at| rows[at].weight).sum::<u64>();
    let (mut right, mut all) = (0, 0);
    for (id, lines) in &ids {
        all += weight(lines);
        if exact.contains(lines) {
            right += weight(lines);
        } else if verbose {
            say(id, lines, &issues, rows);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand lines")]
    let share = right as f64 / all.max(1) as f64;
    share
}

/// Names one line of each issue that an event id was spread over, or shares.
fn say(id: &str, lines: &BTreeSet<usize>, issues: &BTreeMap<usize, BTreeSet<usize>>, rows: &[Row]) {
    println!("  {id}:");
    for members in issues.values().filter(|members| !members.is_disjoint(lines)).take(5) {
        let inside = members.intersection(lines).next().map_or("", |&at| rows[at].content.as_str());
        let outside = members.difference(lines).next().map_or("", |&at| rows[at].content.as_str());
        println!("    {inside}");
        if !outside.is_empty() {
            println!("    = {outside}");
        }
    }
}

fn read(path: &Path) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(path)?;
    let mut records = records(&text).into_iter();
    let header = records.next().unwrap_or_default();
    let column = |name: &str| header.iter().position(|field| field == name);
    let content = column("Content").ok_or("no column Content")?;
    let id = column("EventId").ok_or("no column EventId")?;
    let weight = column("Weight");
    let row = |fields: Vec<String>| {
        let weight = weight.and_then(|at| fields.get(at)?.parse().ok()).unwrap_or(1);
        Some(Row { content: fields.get(content)?.clone(), id: fields.get(id)?.clone(), weight })
    };
    Ok(records.filter_map(row).collect())
}

/// Records of a file with commas between fields, and quotes around some.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut fields, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                fields.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut fields));
            }
            '\r' if !quoted => {}
            _ => field.push(c),
        }
    }
    if !field.is_empty() || !fields.is_empty() {
        fields.push(field);
        records.push(fields);
    }
    records
}
