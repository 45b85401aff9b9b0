//! Segment files: records with length and checksum, appended and read back.
//!
//! A record is its length and the CRC-32 of its bytes (both little-endian `u32`), then the bytes.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::record::Records;

/// Length and checksum.
const HEAD_BYTES: usize = 8;

pub(super) fn path(dir: &Path, number: i64) -> PathBuf {
    dir.join(format!("{number:016}.spool"))
}

/// The number in a segment's file name.
pub(super) fn number(name: &OsStr) -> Option<i64> {
    name.to_str()?.strip_suffix(".spool")?.parse().ok()
}

/// The segment that is being written.
#[derive(Debug)]
pub(super) struct Appender {
    file: File,
    number: i64,
    bytes: u64,
}

impl Appender {
    pub(super) fn create(dir: &Path, number: i64) -> io::Result<Self> {
        let file = OpenOptions::new().create_new(true).append(true).open(path(dir, number))?;
        sync_dir(dir)?;
        Ok(Self { file, number, bytes: 0 })
    }

    pub(super) const fn number(&self) -> i64 {
        self.number
    }

    /// Durable bytes.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends records and waits until the disk has them.
    pub(super) fn append(&mut self, records: &Records) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(records.len());
        for record in records.iter() {
            let length = u32::try_from(record.len()).map_err(io::Error::other)?;
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&crc32fast::hash(record).to_le_bytes());
            bytes.extend_from_slice(record);
        }
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// Bytes that a record of this length takes on disk.
pub(super) const fn size_on_disk(record_bytes: usize) -> usize {
    HEAD_BYTES + record_bytes
}

/// Whole records from `from`, with the offset after each. Stops at the first that is torn or
/// damaged, at `durable`, or when about `bytes_max` or `records_max` are read.
pub(super) fn read(
    dir: &Path,
    number: i64,
    from: i64,
    durable: u64,
    bytes_max: u64,
    records_max: usize,
) -> io::Result<Vec<(Vec<u8>, i64)>> {
    let mut file = File::open(path(dir, number))?;
    let mut at = u64::try_from(from).map_err(io::Error::other)?;
    file.seek(SeekFrom::Start(at))?;
    let mut reader = io::BufReader::new(file.take(durable.saturating_sub(at)));
    let end = at.saturating_add(bytes_max);
    let mut records = Vec::new();
    while records.len() < records_max && at < end {
        let Some(record) = next(&mut reader, durable.saturating_sub(at))? else { break };
        at += size_on_disk(record.len()) as u64;
        records.push((record, i64::try_from(at).map_err(io::Error::other)?));
    }
    Ok(records)
}

fn next(reader: &mut impl Read, left: u64) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; HEAD_BYTES];
    if !fill(reader, &mut head)? {
        return Ok(None);
    }
    let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    // A torn head may hold any length: never reserve more than there is.
    if size_on_disk(length) as u64 > left {
        return Ok(None);
    }
    let mut record = vec![0; length];
    let whole = fill(reader, &mut record)? && crc32fast::hash(&record) == u32::from_le_bytes([c0, c1, c2, c3]);
    Ok(whole.then_some(record))
}

/// False at the end of the file.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a new file with its whole content, or none.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
