//! The event as it is stored, and as it is shown.
//!
//! Owns the packing of the `payload` column and the full view of an event. Where nothing had to
//! change, the client's own compressed bytes are kept: packing again would be half of all the work
//! that ingest does. To add a packing, add a `Codec`; numbers are stored and never reused.

mod bounded;
mod view;

use thiserror::Error;

use crate::envelope::Envelope;
use crate::inflate::{Encoding, InflateError, Inflater};
use crate::json;
use crate::limits;
use crate::outcome::ItemKind;

pub use view::view;

/// How the `payload` column is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum Codec {
    /// JSON text as it is.
    Json = 0,
    /// JSON text in a zstd frame.
    Zstd = 1,
    /// The client's gzip bytes of the whole envelope; the event is its first event item.
    GzipEnvelope = 2,
    /// The client's gzip bytes of the event.
    GzipJson = 3,
    /// The client's zlib bytes of the event (legacy clients).
    ZlibJson = 4,
    /// Nothing: the event was counted, and its payload not kept.
    NotKept = 5,
}

impl Codec {
    /// The number as stored.
    #[must_use]
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// Reads the number back.
    #[must_use]
    pub const fn from_number(number: i16) -> Option<Self> {
        Some(match number {
            0 => Self::Json,
            1 => Self::Zstd,
            2 => Self::GzipEnvelope,
            3 => Self::GzipJson,
            4 => Self::ZlibJson,
            5 => Self::NotKept,
            _ => return None,
        })
    }
}

/// Why a stored payload cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// Packed by a newer version.
    #[error("the payload is packed by codec {0}, which this version does not know")]
    UnknownCodec(i16),
    /// The bytes are damaged.
    #[error("the payload cannot be unpacked: {0}")]
    Damaged(#[from] InflateError),
    /// Far more than usual came in, or the disk was nearly full.
    #[error("the payload was not kept")]
    NotKept,
    /// An envelope without an event.
    #[error("the stored envelope holds no event")]
    NoEvent,
}

/// Level 1: at ingest speed counts; on real events level 3 saves 5 % more (`docs/PERFORMANCE.md`).
const ZSTD_LEVEL: i32 = 1;
/// Below this size a zstd frame saves less than it costs to open.
const ZSTD_BYTES_MIN: usize = 256;

/// Packs JSON texts; keeps its tables, so keep one per thread.
#[derive(Default)]
pub struct Packer(Option<zstd::bulk::Compressor<'static>>);

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Packer")
    }
}

impl Packer {
    /// Packs a JSON text.
    pub fn pack(&mut self, text: &str) -> (Codec, Vec<u8>) {
        let plain = || (Codec::Json, text.as_bytes().to_vec());
        if text.len() < ZSTD_BYTES_MIN {
            return plain();
        }
        if self.0.is_none() {
            self.0 = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok();
        }
        match self.0.as_mut().map(|zstd| zstd.compress(text.as_bytes())) {
            Some(Ok(packed)) => (Codec::Zstd, packed),
            _ => plain(),
        }
    }
}

/// The same for whoever shows what there is: an event whose payload was not kept has an empty one.
///
/// # Errors
/// When it was packed by a newer version, or is damaged.
pub fn decode_or_empty(codec: i16, bytes: &[u8]) -> Result<String, PayloadError> {
    match decode(codec, bytes) {
        Err(PayloadError::NotKept) => Ok("{}".to_owned()),
        decoded => decoded,
    }
}

/// Unpacks a stored payload to JSON text.
///
/// # Errors
/// When it was packed by a newer version, or is damaged.
pub fn decode(codec: i16, bytes: &[u8]) -> Result<String, PayloadError> {
    let codec = Codec::from_number(codec).ok_or(PayloadError::UnknownCodec(codec))?;
    let encoding = match codec {
        Codec::Json => Encoding::Identity,
        Codec::Zstd => Encoding::Zstd,
        Codec::GzipEnvelope | Codec::GzipJson => Encoding::Gzip,
        Codec::ZlibJson => Encoding::Deflate,
        Codec::NotKept => return Err(PayloadError::NotKept),
    };
    let mut inflater = Inflater::default();
    let inflated = inflater.inflate(encoding, bytes, limits::BODY_BYTES_MAX)?;
    if codec != Codec::GzipEnvelope {
        return Ok(json::lossy(inflated).into_owned());
    }
    let envelope = Envelope::parse(inflated).map_err(|_| PayloadError::NoEvent)?;
    let event = envelope.items.iter().find(|item| ItemKind::parse(&item.ty) == ItemKind::Event);
    event.map(|item| json::lossy(item.payload).into_owned()).ok_or(PayloadError::NoEvent)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_packing_is_unpacked() {
        let text = format!(r#"{{"message":"{}"}}"#, "long enough ".repeat(100));
        let (codec, packed) = Packer::default().pack(&text);
        assert_eq!(codec, Codec::Zstd);
        assert!(packed.len() * 5 < text.len());
        let envelope = format!("{{}}\n{{\"type\":\"session\"}}\n{{}}\n{{\"type\":\"event\"}}\n{text}\n");
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(text.as_bytes()).unwrap();
        for (codec, bytes) in [
            (Codec::Zstd, packed),
            (Codec::Json, text.clone().into_bytes()),
            (Codec::GzipEnvelope, gzip(envelope.as_bytes())),
            (Codec::GzipJson, gzip(text.as_bytes())),
            (Codec::ZlibJson, zlib.finish().unwrap()),
        ] {
            assert_eq!(decode(codec.number(), &bytes).as_ref(), Ok(&text), "{codec:?}");
        }
        assert_eq!(Packer::default().pack("{}"), (Codec::Json, b"{}".to_vec()));
    }

    #[test]
    fn damage_is_an_error() {
        assert_eq!(decode(99, b""), Err(PayloadError::UnknownCodec(99)));
        assert_eq!(decode(1, b"nonsense"), Err(PayloadError::Damaged(InflateError::Corrupt("zstd"))));
        assert_eq!(decode(2, &gzip(b"{}")), Err(PayloadError::NoEvent));
    }
}
