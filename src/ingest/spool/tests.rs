//! The spool against restarts, torn files and its bound.

use std::fs::OpenOptions;
use std::io::Write;

use engine::ids::{EventId, ProjectId};
use engine::outcome::{Category, Outcome, Reason};
use store::ingest::OutcomeCount;
use time::macros::datetime;

use super::*;
use crate::ingest::prepare::{self, Kind, Prepared};

const ROOM: u64 = 1 << 20;

fn prepared(message: &str) -> Prepared {
    let origin = Origin {
        project_id: ProjectId(7),
        category: Category::Error,
        received_at: datetime!(2026-11-22 12:00:00.123456 UTC),
        sent_at: Some(datetime!(2026-11-22 11:59 UTC)),
        client_ip: "203.0.113.9".parse().ok(),
    };
    let json = format!(r#"{{"message":"{message}","platform":"javascript"}}"#);
    match prepare::event(&KnownKeys::default(), origin, None, json.as_bytes(), None).unwrap() {
        Kind::Event(prepared) => *prepared,
        Kind::Filtered(..) | Kind::Other(..) => panic!("an event"),
    }
}

/// Appends one group of events.
fn append(spool: &Spool, messages: &[&str]) -> Result<Vec<EventId>, SpoolError> {
    let prepared: Vec<Prepared> = messages.iter().map(|message| prepared(message)).collect();
    let origins: Vec<Origin> = prepared.iter().map(|prepared| prepared.origin).collect();
    let batch = Batch { events: prepared.into_iter().map(|prepared| prepared.event).collect(), ..Batch::default() };
    let ids = batch.events.iter().map(|event| event.event_id).collect();
    spool.append(&batch, &origins).map(|()| ids)
}

/// Drains everything; the messages in order.
fn drain(spool: &Spool, at_once: usize) -> Vec<String> {
    let mut messages = Vec::new();
    while let Some(chunk) = spool.read(&KnownKeys::default(), at_once).unwrap() {
        messages.extend(chunk.batches.into_iter().flat_map(|(batch, _)| batch.events).map(|event| event.value));
        spool.forget_before(chunk.next);
    }
    messages
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().filter(|entry| segment::number(&entry.as_ref().unwrap().file_name()).is_some()).count()
}

#[test]
fn what_is_appended_is_read_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), ROOM, None).unwrap();
    assert!(spool.is_empty());
    let ids = append(&spool, &["a"]).unwrap();
    let outcome = OutcomeCount {
        project_id: ProjectId(7),
        at: datetime!(2026-11-22 12:00 UTC),
        category: Category::Session.as_str(),
        outcome: Outcome::Dropped.as_str(),
        reason: Reason::NotSupported.as_str(),
        quantity: 3,
    };
    let sessions = Batch { outcomes: vec![outcome], ..Batch::default() };
    spool.append(&sessions, &[]).unwrap();
    let chunk = spool.read(&KnownKeys::default(), 100).unwrap().unwrap();
    let [(first, _), (second, end)] = &chunk.batches[..] else { panic!("two records") };
    let (again, sent) = (&first.events[0], prepared("a").event);
    assert_eq!(again.event_id, ids[0]);
    assert_eq!(
        (again.received_at, &again.client_ip, &again.payload),
        (sent.received_at, &sent.client_ip, &sent.payload)
    );
    let hashes = |event: &store::ingest::NewEvent| event.keys.iter().map(|key| key.hash).collect::<Vec<_>>();
    assert_eq!(hashes(again), hashes(&sent));
    assert_eq!(second.outcomes, sessions.outcomes);
    assert_eq!(*end, chunk.next);
}

#[test]
fn draining_frees_the_disk_and_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let position = {
        let spool = Spool::open(dir.path(), ROOM, None).unwrap();
        append(&spool, &["a", "b"]).unwrap();
        append(&spool, &["c"]).unwrap();
        let chunk = spool.read(&KnownKeys::default(), 2).unwrap().unwrap();
        assert_eq!(chunk.batches.len(), 2);
        chunk.next
    };
    // As after a crash: PostgreSQL has the position, this process knew nothing of it.
    let spool = Spool::open(dir.path(), ROOM, Some(position)).unwrap();
    append(&spool, &["d"]).unwrap();
    assert_eq!(files(dir.path()), 2);
    assert_eq!(drain(&spool, 1), ["c", "d"]);
    assert_eq!((files(dir.path()), spool.bytes()), (0, 0));
    append(&spool, &["e"]).unwrap();
    assert_eq!(drain(&spool, 100), ["e"]);
}

#[test]
fn a_segment_number_is_never_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let id = Spool::id(dir.path()).unwrap();
    let drained = SpoolPosition { spool_id: id, segment: 41, byte_offset: 1000 };
    let spool = Spool::open(dir.path(), ROOM, Some(drained)).unwrap();
    append(&spool, &["a"]).unwrap();
    assert_eq!(drain(&spool, 100), ["a"]);
    assert_eq!(Spool::id(dir.path()).unwrap(), id);
}

#[test]
fn a_torn_or_damaged_end_is_skipped() {
    for tail in [&b"\x05"[..], &[0xff; 8], &[4, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], &[0; 64]] {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), ROOM, None).unwrap();
        append(&spool, &["a"]).unwrap();
        drop(spool);
        let path = segment::path(dir.path(), 1);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(tail).unwrap();
        let spool = Spool::open(dir.path(), ROOM, None).unwrap();
        append(&spool, &["b"]).unwrap();
        assert_eq!(drain(&spool, 100), ["a", "b"], "{tail:?}");
        assert_eq!(files(dir.path()), 0);
    }
}

#[test]
fn a_segment_that_a_crash_left_empty_hides_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // Killed between making the file and writing to it.
    fs::write(segment::path(dir.path(), 1), "").unwrap();
    let spool = Spool::open(dir.path(), ROOM, None).unwrap();
    assert!(spool.is_empty());
    append(&spool, &["a"]).unwrap();
    assert!(!spool.is_empty());
    assert_eq!(drain(&spool, 100), ["a"]);
    assert_eq!(files(dir.path()), 0);
}

#[test]
fn it_is_bounded_and_takes_more_when_drained() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), 1000, None).unwrap();
    append(&spool, &["a"]).unwrap();
    assert!(matches!(append(&spool, &["b", "c", "d", "e", "f"]), Err(SpoolError::Full)));
    assert_eq!(drain(&spool, 100), ["a"]);
    append(&spool, &["b"]).unwrap();
    assert_eq!(drain(&spool, 100), ["b"]);
}

#[test]
fn a_directory_with_a_strange_id_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("id"), "not an id").unwrap();
    let error = Spool::open(dir.path(), ROOM, None).unwrap_err();
    assert!(error.to_string().contains("move the directory away"), "{error}");
}
