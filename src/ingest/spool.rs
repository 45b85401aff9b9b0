//! Where events wait on our own disk while PostgreSQL is away.
//!
//! Owns a directory of numbered segment files, each a sequence of length-prefixed, checksummed
//! records (`segment`), and an id, under which PostgreSQL remembers how far it was drained. A group
//! of jobs is appended with one `fdatasync`; only then are its requests answered. Draining moves the
//! position in the transaction that stores the events, so nothing is lost or doubled by a crash in
//! between. A torn record at the end of a segment was never acknowledged, and is skipped.

mod record;
mod segment;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::ingest::{Batch, SpoolPosition};
use thiserror::Error;
use uuid::Uuid;

use super::known::KnownKeys;
use super::prepare::Origin;
use segment::{Appender, sync_dir};

/// A segment is deleted when it is drained, so that a long outage gives disk back bit by bit.
const SEGMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes read at once while draining.
const READ_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why a group was not spooled.
#[derive(Debug, Error)]
pub(super) enum SpoolError {
    #[error("the spool is full")]
    Full,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A bounded spool. Its calls block: run them where that is allowed.
#[derive(Debug)]
pub(super) struct Spool {
    id: Uuid,
    dir: PathBuf,
    bytes_max: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Segments on disk and their durable bytes, the one being written last.
    segments: BTreeMap<i64, u64>,
    appender: Option<Appender>,
    next_segment: i64,
    /// First byte that is not drained yet.
    position: SpoolPosition,
}

/// Records to store, in order.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) batches: Vec<(Batch, SpoolPosition)>,
    /// The position after the last of them.
    pub(super) next: SpoolPosition,
}

impl Spool {
    /// Reads the id of the spool in `dir`, making both where they are missing.
    pub(super) fn id(dir: &Path) -> io::Result<Uuid> {
        fs::create_dir_all(dir)?;
        let path = dir.join("id");
        match fs::read_to_string(&path) {
            Ok(text) => Uuid::try_parse(text.trim()).map_err(|_| {
                io::Error::other(format!("{} holds no spool id; move the directory away to start anew", path.display()))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let id = Uuid::new_v4();
                segment::write_whole(&path, id.to_string().as_bytes())?;
                Ok(id)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the spool in `dir`, of which PostgreSQL has `drained` already.
    pub(super) fn open(dir: &Path, bytes_max: u64, drained: Option<SpoolPosition>) -> io::Result<Self> {
        let id = Self::id(dir)?;
        let mut segments = BTreeMap::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if let Some(number) = segment::number(&entry.file_name()) {
                segments.insert(number, entry.metadata()?.len());
            }
        }
        let position = drained.unwrap_or(SpoolPosition { spool_id: id, segment: 0, byte_offset: 0 });
        // Never a number that was used before: the position in PostgreSQL would skip its records.
        let last = segments.last_key_value().map_or(0, |(number, _)| *number);
        let state = State { segments, appender: None, next_segment: last.max(position.segment) + 1, position };
        let spool = Self { id, dir: dir.to_owned(), bytes_max, state: Mutex::new(state) };
        spool.forget_before(position);
        Ok(spool)
    }

    /// Appends what the writers could not store. Durable when it returns `Ok`.
    pub(super) fn append(&self, batch: &Batch, origins: &[Origin]) -> Result<(), SpoolError> {
        let records = record::encode(batch, origins);
        let mut state = self.state();
        if state.bytes() + records.len() as u64 > self.bytes_max {
            return Err(SpoolError::Full);
        }
        let state = &mut *state;
        if state.appender.as_ref().is_some_and(|appender| appender.bytes() >= SEGMENT_BYTES_MAX) {
            state.appender = None;
        }
        let appender = match &mut state.appender {
            Some(appender) => appender,
            None => {
                let number = state.next_segment;
                let appender = Appender::create(&self.dir, number)?;
                state.next_segment += 1;
                state.segments.insert(number, 0);
                state.appender.insert(appender)
            }
        };
        match appender.append(&records) {
            Ok(()) => {
                state.segments.insert(appender.number(), appender.bytes());
                Ok(())
            }
            Err(error) => {
                // What is on disk after this is unknown; the next group begins a new segment.
                state.appender = None;
                Err(error.into())
            }
        }
    }

    /// The next records, about `events_max` events of them; `None` when all are drained.
    pub(super) fn read(&self, known: &KnownKeys, events_max: usize) -> io::Result<Option<Chunk>> {
        loop {
            let (position, durable) = {
                let mut state = self.state();
                let Some((number, bytes)) = state.next_readable() else { return Ok(None) };
                state.position = SpoolPosition {
                    spool_id: self.id,
                    segment: number,
                    byte_offset: if state.position.segment == number { state.position.byte_offset } else { 0 },
                };
                (state.position, bytes)
            };
            let records =
                segment::read(&self.dir, position.segment, position.byte_offset, durable, READ_BYTES_MAX, events_max)?;
            if records.is_empty() {
                // Torn or damaged from here on: nothing after it was acknowledged.
                self.skip_rest_of(position.segment, durable);
                continue;
            }
            let batches: Vec<_> = records
                .into_iter()
                .map(|(bytes, end)| {
                    let end = SpoolPosition { byte_offset: end, ..position };
                    (record::decode(known, &bytes), end)
                })
                .collect();
            let next = batches.last().map_or(position, |(_, end)| *end);
            return Ok(Some(Chunk { batches, next }));
        }
    }

    fn skip_rest_of(&self, segment: i64, durable: u64) {
        let mut state = self.state();
        tracing::warn!(
            segment,
            byte = state.position.byte_offset,
            bytes = durable,
            "skipping the torn end of a spool segment"
        );
        state.position = SpoolPosition { segment: segment + 1, byte_offset: 0, ..state.position };
        if state.appender.as_ref().is_some_and(|appender| appender.number() == segment) {
            state.appender = None;
        }
        drop(state);
        self.remove(segment);
    }

    /// Moves on to `position`, and deletes the segments before it.
    pub(super) fn forget_before(&self, position: SpoolPosition) {
        let mut state = self.state();
        state.position = position;
        let mut drained: Vec<i64> = state.segments.range(..position.segment).map(|(number, _)| *number).collect();
        let whole =
            state.segments.get(&position.segment).is_some_and(|bytes| position.byte_offset >= (*bytes).cast_signed());
        if whole {
            drained.push(position.segment);
            if state.appender.as_ref().is_some_and(|appender| appender.number() == position.segment) {
                state.appender = None;
            }
        }
        drop(state);
        drained.into_iter().for_each(|number| self.remove(number));
    }

    fn remove(&self, number: i64) {
        let path = segment::path(&self.dir, number);
        if let Err(error) = fs::remove_file(&path).and_then(|()| sync_dir(&self.dir)) {
            tracing::warn!(path = %path.display(), %error, "cannot delete a drained spool segment");
        }
        self.state().segments.remove(&number);
    }

    /// Bytes on disk, drained or not.
    pub(super) fn bytes(&self) -> u64 {
        self.state().bytes()
    }

    /// True when everything is drained.
    pub(super) fn is_empty(&self) -> bool {
        self.state().next_readable().is_none()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bytes(&self) -> u64 {
        self.segments.values().sum()
    }

    /// The segment with the first byte that is not drained, and its durable bytes.
    fn next_readable(&self) -> Option<(i64, u64)> {
        let at = self.position;
        self.segments
            .range(at.segment..)
            // Segments may be empty: of an append that failed, or was killed before its first byte.
            .find(|(number, bytes)| {
                let drained = if **number == at.segment { at.byte_offset } else { 0 };
                drained < (**bytes).cast_signed()
            })
            .map(|(number, bytes)| (*number, *bytes))
    }
}

#[cfg(test)]
mod tests;
