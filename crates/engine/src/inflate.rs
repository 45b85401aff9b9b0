//! Undoing `Content-Encoding`, with a hard bound on what comes out.
//!
//! Owns every compression that SDKs use (protocol, section 2.3). The size is checked while
//! inflating, never after: one kilobyte can ask for a gigabyte. An `Inflater` keeps its buffers, so
//! keep one per thread. To accept one more encoding, add it to `Encoding`.

use std::io::Read;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use libdeflater::Decompressor;
use thiserror::Error;

use crate::limits;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip, one or more members.
    Gzip,
    /// zlib, or raw deflate as some proxies send it.
    Deflate,
    /// Brotli: the Python SDK, when the package is installed.
    Brotli,
    /// Zstandard: relays.
    Zstd,
}

impl Encoding {
    /// Reads the header. Empty (Ruby 5) and `UTF-8` (old Android) mean nothing.
    ///
    /// # Errors
    /// When the encoding is unknown, or several are stacked.
    pub fn parse(header: &str) -> Result<Self, InflateError> {
        let name = header.trim();
        for (known, encoding) in [
            ("gzip", Self::Gzip),
            ("", Self::Identity),
            ("deflate", Self::Deflate),
            ("br", Self::Brotli),
            ("zstd", Self::Zstd),
            ("identity", Self::Identity),
            ("x-gzip", Self::Gzip),
            ("utf-8", Self::Identity),
        ] {
            if name.eq_ignore_ascii_case(known) {
                return Ok(encoding);
            }
        }
        Err(InflateError::Unknown(name.chars().filter(|c| !c.is_control()).take(40).collect()))
    }

    /// What the bytes themselves say, for bodies without a header: proxies strip it.
    #[must_use]
    pub fn sniff(self, body: &[u8]) -> Self {
        if self == Self::Identity && body.starts_with(&[0x1f, 0x8b]) { Self::Gzip } else { self }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// Why a body could not be inflated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InflateError {
    /// An encoding that this server does not know.
    #[error("unknown content encoding '{0}': this server reads gzip, deflate, br and zstd")]
    Unknown(String),
    /// The stream is damaged or cut off.
    #[error("the body is not a complete {0} stream")]
    Corrupt(&'static str),
    /// More would come out than is allowed.
    #[error("the body inflates to more than {limit} bytes")]
    TooLarge {
        /// The bound that applied.
        limit: usize,
    },
}

/// Inflates bodies into a buffer that it keeps.
pub struct Inflater {
    gzip: Decompressor,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").field("buffer_bytes", &self.buffer.len()).finish_non_exhaustive()
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self { gzip: Decompressor::new(), buffer: Vec::new() }
    }
}

/// The buffer is kept up to this size between bodies; single large bodies give it back.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

impl Inflater {
    /// Inflates a body of at most `limit` bytes. The ratio is bounded too, so that a small body can
    /// never cost much (`limits::INFLATE_RATIO_MAX`).
    ///
    /// # Errors
    /// When the stream is damaged or too much comes out.
    pub fn inflate<'a>(
        &'a mut self,
        encoding: Encoding,
        body: &'a [u8],
        limit: usize,
    ) -> Result<&'a [u8], InflateError> {
        if self.buffer.len() > KEPT_BYTES_MAX {
            self.buffer = Vec::new();
        }
        let ratio_limit = body.len().saturating_mul(limits::INFLATE_RATIO_MAX).max(limits::INFLATE_RATIO_FLOOR_BYTES);
        let limit = limit.min(ratio_limit);
        match encoding {
            Encoding::Identity if body.len() > limit => Err(InflateError::TooLarge { limit }),
            Encoding::Identity => Ok(body),
            Encoding::Gzip => self.gzip(body, limit),
            Encoding::Deflate if is_zlib(body) => self.stream(encoding, ZlibDecoder::new(body), limit),
            Encoding::Deflate => self.stream(encoding, DeflateDecoder::new(body), limit),
            Encoding::Brotli => self.stream(encoding, brotli::Decompressor::new(body, 4096), limit),
            Encoding::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(body).map_err(|_| InflateError::Corrupt("zstd"))?;
                decoder.window_log_max(limits::ZSTD_WINDOW_LOG_MAX).map_err(|_| InflateError::Corrupt("zstd"))?;
                self.stream(encoding, decoder, limit)
            }
        }
    }

    /// The fast way for one gzip member whose trailer tells the truth; anything else is streamed.
    fn gzip(&mut self, body: &[u8], limit: usize) -> Result<&[u8], InflateError> {
        let Some(trailer) = body.len().checked_sub(8).map(|at| &body[at..]) else {
            return Err(InflateError::Corrupt("gzip"));
        };
        let crc = u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]);
        let size = u32::from_le_bytes([trailer[4], trailer[5], trailer[6], trailer[7]]) as usize;
        if size <= limit {
            self.reserve(size);
            let inflated = self.gzip.gzip_decompress(body, &mut self.buffer[..size]);
            // With several members the first one ends before the trailer that we read.
            if inflated == Ok(size) && libdeflater::crc32(&self.buffer[..size]) == crc {
                return Ok(&self.buffer[..size]);
            }
        }
        self.stream(Encoding::Gzip, MultiGzDecoder::new(body), limit)
    }

    fn reserve(&mut self, bytes: usize) {
        if self.buffer.len() < bytes {
            self.buffer.resize(bytes, 0);
        }
    }

    fn stream(&mut self, encoding: Encoding, mut reader: impl Read, limit: usize) -> Result<&[u8], InflateError> {
        let mut filled = 0;
        loop {
            if filled == self.buffer.len() {
                // One byte above the limit tells "exactly the limit" from "more".
                let next = (filled * 2).clamp(16 * 1024, limit.saturating_add(1).max(16 * 1024));
                self.reserve(next);
            }
            match reader.read(&mut self.buffer[filled..]) {
                Ok(0) => return Ok(&self.buffer[..filled]),
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(InflateError::Corrupt(encoding.name())),
            }
            if filled > limit {
                return Err(InflateError::TooLarge { limit });
            }
        }
    }
}

/// A zlib header: method 8 and a checksum over two bytes.
#[must_use]
pub fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..]
        if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn check(encoding: Encoding, body: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
        Inflater::default().inflate(encoding, body, limit).map(<[u8]>::to_vec)
    }

    #[test]
    fn every_encoding_is_undone() {
        let data: Vec<u8> = (0..100_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&data).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(&data).unwrap();
        let mut br = Vec::new();
        brotli::CompressorWriter::new(&mut br, 4096, 4, 20).write_all(&data).unwrap();
        for (name, body) in [
            ("gzip", gzip(&data)),
            ("X-GZIP", gzip(&data)),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("br", br),
            ("zstd", zstd::bulk::compress(&data, 1).unwrap()),
            ("zstd", zstd::stream::encode_all(&data[..], 3).unwrap()),
            ("", data.clone()),
            ("UTF-8", data.clone()),
            ("identity", data.clone()),
            ("", gzip(&data)),
        ] {
            let encoding = Encoding::parse(name).unwrap().sniff(&body);
            assert_eq!(check(encoding, &body, data.len()).as_deref(), Ok(&data[..]), "{name}");
            assert!(matches!(check(encoding, &body, data.len() - 1), Err(InflateError::TooLarge { .. })), "{name}");
            if encoding != Encoding::Identity {
                let cut = check(encoding, &body[..body.len() / 2], data.len());
                assert!(matches!(cut, Err(InflateError::Corrupt(_))), "{name}: {cut:?}");
            }
        }
    }

    #[test]
    fn several_members_and_lying_trailers_are_streamed() {
        let two = [gzip(b"first half, "), gzip(b"second half")].concat();
        assert_eq!(check(Encoding::Gzip, &two, 100).unwrap(), b"first half, second half");
        let same_size = [gzip(b"aaaa"), gzip(b"bbbb")].concat();
        assert_eq!(check(Encoding::Gzip, &same_size, 100).unwrap(), b"aaaabbbb");
        let mut lie = gzip(b"honest");
        let at = lie.len() - 4;
        lie[at..].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(check(Encoding::Gzip, &lie, 100), Err(InflateError::Corrupt("gzip")));
        assert_eq!(check(Encoding::Gzip, &gzip(b""), 100).unwrap(), b"");
        assert!(check(Encoding::Gzip, b"\x1f\x8b", 100).is_err());
    }

    #[test]
    fn bombs_are_stopped_by_ratio() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; 30 * 1024 * 1024]).unwrap();
        let bomb = encoder.finish().unwrap();
        let error = check(Encoding::Gzip, &bomb, limits::BODY_BYTES_MAX).map(|out| out.len()).unwrap_err();
        assert!(matches!(error, InflateError::TooLarge { limit } if limit < 7_000_000), "{error}");
    }

    #[test]
    fn unknown_encodings_are_named() {
        let error = Encoding::parse("gzip, br").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown content encoding 'gzip, br': this server reads gzip, deflate, br and zstd"
        );
    }
}
