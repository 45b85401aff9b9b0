//! Bytes that go to many pages: as they are, and packed once for all those that take it.

use std::sync::OnceLock;

use actix_web::http::header::HeaderMap;
use bytes::Bytes;

use crate::web::gzip;

/// How the bytes of a stream are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// As they are.
    Plain,
    /// In the parts of one gzip stream, which never ends.
    Gzip,
}

impl Coding {
    /// The better one of those that a browser takes.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        if gzip::is_accepted(headers) { Self::Gzip } else { Self::Plain }
    }

    /// Its name in `Content-Encoding`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "identity",
            Self::Gzip => "gzip",
        }
    }

    /// The first bytes of a stream. They are not made shorter: their length lets a proxy pass them on.
    pub(super) fn open(self, hello: &Bytes) -> Bytes {
        match self {
            Self::Plain => hello.clone(),
            Self::Gzip => [&gzip::STREAM_HEAD[..], &gzip::store_part(hello)].concat().into(),
        }
    }

    /// A message for one page.
    pub(super) fn write(self, message: Bytes) -> Bytes {
        match self {
            Self::Plain => message,
            Self::Gzip => gzip::pack_part(&message),
        }
    }
}

/// A message for many pages.
#[derive(Debug, Default)]
pub(super) struct Told {
    plain: Bytes,
    packed: OnceLock<Bytes>,
}

impl Told {
    pub(super) const fn new(plain: Bytes) -> Self {
        Self { plain, packed: OnceLock::new() }
    }

    /// The bytes for a stream; packed for the first that wants them so.
    pub(super) fn bytes(&self, coding: Coding) -> Bytes {
        match coding {
            Coding::Plain => self.plain.clone(),
            Coding::Gzip => self.packed.get_or_init(|| gzip::pack_part(&self.plain)).clone(),
        }
    }
}
