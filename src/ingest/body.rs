//! Reading a request's body: counted, timed, raw.
//!
//! No extractor of the framework is used: those judge by Content-Type and undo encodings without
//! our bounds.

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpRequest, http::header};
use engine::limits;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::reply::Refusal;

/// How long a body may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Without a single byte.
    pub idle: Duration,
    /// From the headers to the last byte: also ends a client that sends one byte now and then.
    pub total: Duration,
}

impl Default for Patience {
    /// Ten seconds is what SDKs themselves wait for a server; a minute is enough for 20 MB over 3G.
    fn default() -> Self {
        Self { idle: Duration::from_secs(10), total: Duration::from_secs(60) }
    }
}

/// The whole body, of `bytes_max` at most.
pub(super) async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    patience: Patience,
    bytes_max: usize,
) -> Result<Bytes, Refusal> {
    let announced = announced(request);
    if announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(Refusal::BodyTooLarge(bytes_max));
    }
    let mut chunks = Chunks::new(payload, patience);
    let Some(first) = chunks.next().await? else { return Ok(Bytes::new()) };
    if Some(first.len()) == announced {
        return Ok(first);
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or(first.len() * 2));
    body.extend_from_slice(&first);
    while let Some(chunk) = chunks.next().await? {
        if body.len() + chunk.len() > bytes_max {
            return Err(Refusal::BodyTooLarge(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Reads a body away, so that the client gets to read why its request was refused.
pub(super) async fn discard(request: &HttpRequest, payload: &mut Payload, patience: Patience) -> Result<(), Refusal> {
    if announced(request).is_some_and(|bytes| bytes > limits::WIRE_BYTES_MAX) {
        return Err(Refusal::BodyTooLarge(limits::WIRE_BYTES_MAX));
    }
    let mut chunks = Chunks::new(payload, patience);
    let mut bytes = 0;
    while let Some(chunk) = chunks.next().await? {
        bytes += chunk.len();
        if bytes > limits::WIRE_BYTES_MAX {
            return Err(Refusal::BodyTooLarge(limits::WIRE_BYTES_MAX));
        }
    }
    Ok(())
}

fn announced(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

struct Chunks<'p> {
    payload: &'p mut Payload,
    idle: Duration,
    deadline: Instant,
}

impl<'p> Chunks<'p> {
    fn new(payload: &'p mut Payload, patience: Patience) -> Self {
        Self { payload, idle: patience.idle, deadline: Instant::now() + patience.total }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let until = self.deadline.min(Instant::now() + self.idle);
        match timeout_at(until, self.payload.next()).await {
            Err(_) => Err(Refusal::TooSlow),
            Ok(None) => Ok(None),
            Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
            Ok(Some(Err(PayloadError::Overflow))) => Err(Refusal::BodyTooLarge(limits::WIRE_BYTES_MAX)),
            Ok(Some(Err(_))) => Err(Refusal::Incomplete),
        }
    }
}
