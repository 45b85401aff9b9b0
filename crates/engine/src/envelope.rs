//! Framing of envelopes, exactly as in the protocol notes, section 3; nothing is copied.
//!
//! Owns where items begin and end, not what they mean. One wrong item makes the whole envelope
//! wrong, because what follows it can no longer be told apart.

use std::borrow::Cow;

use thiserror::Error;
use time::OffsetDateTime;

use crate::event::lenient::{self, lenient_object};
use crate::event::{Sdk, Text, Timestamp};
use crate::ids::EventId;
use crate::limits;

/// A framed envelope.
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    /// The first line.
    pub header: Header<'a>,
    /// Items in order.
    pub items: Vec<Item<'a>>,
}

/// The header of an envelope; unknown and malformed entries read as absent.
#[derive(Debug, Default, Clone)]
pub struct Header<'a> {
    /// Beats the id in the event's payload.
    pub event_id: Option<EventId>,
    /// Sent by native SDKs, PHP, and through tunnels.
    pub dsn: Text<'a>,
    /// The client's clock when it sent.
    pub sent_at: Option<Timestamp>,
    /// The sender.
    pub sdk: Sdk<'a>,
}

impl Header<'_> {
    /// The client's clock when it sent.
    #[must_use]
    pub fn sent_at(&self) -> Option<OffsetDateTime> {
        self.sent_at.map(Timestamp::get)
    }
}

/// One item.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// For instance `event`.
    pub ty: Cow<'a, str>,
    /// How many things a container says it holds.
    pub item_count: Option<u32>,
    /// Name of an attached file.
    pub filename: Text<'a>,
    /// Its media type.
    pub content_type: Text<'a>,
    /// What the SDK calls it.
    pub attachment_type: Text<'a>,
    /// Exactly the payload.
    pub payload: &'a [u8],
}

/// Where and why an envelope cannot be framed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{fault} (byte {byte})", item.map(|n| format!("item {n}: ")).unwrap_or_default())]
pub struct EnvelopeError {
    /// Which item, from 0; `None` for the envelope's own header.
    pub item: Option<usize>,
    /// Offset into the inflated body.
    pub byte: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Nothing but white space.
    #[error("missing envelope header")]
    Empty,
    /// A header line is not one JSON object.
    #[error("the header line is not a JSON object: {0}")]
    Header(String),
    /// An item header without a type.
    #[error("the item header has no type")]
    NoType,
    /// A length that is negative, no number, or larger than what follows.
    #[error("the item's length is {said}, but {left} bytes follow")]
    Length {
        /// As sent.
        said: String,
        /// Bytes after the header line.
        left: usize,
    },
    /// Something other than a newline follows the payload.
    #[error("missing newline after the payload")]
    NoNewline,
    /// Over `limits::ENVELOPE_ITEMS_MAX`.
    #[error("more than {} items", limits::ENVELOPE_ITEMS_MAX)]
    TooManyItems,
}

#[derive(Default)]
struct ItemHeader<'a> {
    ty: Text<'a>,
    length: Text<'a>,
    item_count: Option<lenient::Whole>,
    filename: Text<'a>,
    content_type: Text<'a>,
    attachment_type: Text<'a>,
}

lenient_object!(required Header {
    "event_id" => |h, v: Text<'de>| h.event_id = v.get().and_then(EventId::parse),
    "dsn" => |h, v: Text<'de>| h.dsn = v,
    "sent_at" => |h, v: Option<Timestamp>| h.sent_at = v,
    "sdk" => |h, v: Sdk<'de>| h.sdk = v,
});

lenient_object!(required ItemHeader {
    "type" => |h, v: Text<'de>| h.ty = v,
    "length" => |h, v: Text<'de>| h.length = v,
    "item_count" => |h, v: Option<lenient::Whole>| h.item_count = v,
    "filename" => |h, v: Text<'de>| h.filename = v,
    "content_type" => |h, v: Text<'de>| h.content_type = v,
    "attachment_type" => |h, v: Text<'de>| h.attachment_type = v,
});

impl<'a> Envelope<'a> {
    /// Frames an inflated body.
    ///
    /// # Errors
    /// Naming the item and the byte.
    pub fn parse(body: &'a [u8]) -> Result<Self, EnvelopeError> {
        let mut reader = Reader { body, at: 0, item: None };
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(reader.error(Fault::Empty));
        }
        let header = reader.header_line()?;
        let mut items = Vec::with_capacity(2);
        while reader.skip_blank() {
            reader.item = Some(items.len());
            if items.len() == limits::ENVELOPE_ITEMS_MAX {
                return Err(reader.error(Fault::TooManyItems));
            }
            items.push(reader.item()?);
        }
        Ok(Self { header, items })
    }
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
    item: Option<usize>,
}

impl<'a> Reader<'a> {
    fn error(&self, fault: Fault) -> EnvelopeError {
        EnvelopeError { item: self.item, byte: self.at, fault }
    }

    fn rest(&self) -> &'a [u8] {
        &self.body[self.at..]
    }

    /// Goes to the next byte that is no white space; false at the end.
    fn skip_blank(&mut self) -> bool {
        let blank = self.rest().iter().position(|byte| !byte.is_ascii_whitespace());
        self.at += blank.unwrap_or(self.rest().len());
        blank.is_some()
    }

    /// Everything up to the next newline, which is stepped over.
    fn line(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let end = memchr::memchr(b'\n', rest);
        self.at += end.map_or(rest.len(), |end| end + 1);
        &rest[..end.unwrap_or(rest.len())]
    }

    fn header_line<H: serde::Deserialize<'a>>(&mut self) -> Result<H, EnvelopeError> {
        let start = self.at;
        let line = self.line();
        let header = std::str::from_utf8(line)
            .map_err(|error| error.to_string())
            .and_then(|line| serde_json::from_str(line).map_err(|error| error.to_string()));
        header.map_err(|error| EnvelopeError { item: self.item, byte: start, fault: Fault::Header(error) })
    }

    fn item(&mut self) -> Result<Item<'a>, EnvelopeError> {
        let start = self.at;
        let header: ItemHeader<'a> = self.header_line()?;
        let Some(ty) = header.ty.into_inner() else {
            return Err(EnvelopeError { item: self.item, byte: start, fault: Fault::NoType });
        };
        let payload = match header.length.get() {
            None => self.line(),
            Some(length) => self.exactly(length)?,
        };
        let item_count = header.item_count.and_then(lenient::Whole::positive);
        let ItemHeader { filename, content_type, attachment_type, .. } = header;
        Ok(Item { ty, item_count, filename, content_type, attachment_type, payload })
    }

    fn exactly(&mut self, said: &str) -> Result<&'a [u8], EnvelopeError> {
        let rest = self.rest();
        let length = said.parse::<usize>().ok().filter(|length| *length <= rest.len());
        let Some(length) = length else {
            let said = said.chars().take(40).collect();
            return Err(self.error(Fault::Length { said, left: rest.len() }));
        };
        self.at += length;
        match self.rest().first() {
            None => {}
            Some(b'\n') => self.at += 1,
            Some(_) => return Err(self.error(Fault::NoNewline)),
        }
        Ok(&rest[..length])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(body: &[u8]) -> Vec<(String, Vec<u8>)> {
        let envelope = Envelope::parse(body).unwrap();
        envelope.items.iter().map(|item| (item.ty.to_string(), item.payload.to_vec())).collect()
    }

    fn fault(body: &[u8]) -> String {
        Envelope::parse(body).unwrap_err().to_string()
    }

    fn item(ty: &str, payload: &[u8]) -> (String, Vec<u8>) {
        (ty.into(), payload.into())
    }

    #[test]
    fn every_framing_that_sdks_use_is_read() {
        let two = vec![item("event", b"{\"a\":1}"), item("session", b"{}")];
        assert_eq!(items(b"{}\n{\"type\":\"event\"}\n{\"a\":1}\n{\"type\":\"session\"}\n{}"), two);
        assert_eq!(items(b"{}\n{\"type\":\"event\",\"length\":7}\n{\"a\":1}\n{\"type\":\"session\"}\n{}\n"), two);
        assert_eq!(items(b"{}\n\n \n{\"type\":\"event\"}\n{\"a\":1}\n\n\n{\"type\":\"session\"}\n{}\n\n "), two);
        assert_eq!(items(b"{}"), []);
        assert_eq!(items(b"{}\n"), []);
        assert_eq!(items(b"{}\n{\"type\":\"attachment\",\"length\":0}"), [item("attachment", b"")]);
        let empty = b"{}\n{\"type\":\"attachment\",\"length\":0}\n\n{\"type\":\"attachment\",\"length\":0}\n\n";
        assert_eq!(items(empty), [item("attachment", b""), item("attachment", b"")]);
        assert_eq!(items(b"{}\n{\"type\":\"a\",\"length\":5}\n\n\0\n\r\n"), [item("a", b"\n\0\n\r\n")]);
        assert_eq!(items(b"{}\r\n{\"type\":\"x\",\"length\":null}\r\nabc\r\n"), [item("x", b"abc\r")]);
    }

    #[test]
    fn headers_are_read_leniently() {
        let body = br#"{"event_id":"9ec79c33-ec99-42ab-8353-589fcb2e04dc","dsn":"http://k@h/1","sent_at":"2026-11-22T13:00:00Z",
            "trace":7}"#
            .iter()
            .copied()
            .filter(|byte| *byte != b'\n')
            .collect::<Vec<u8>>();
        let header = Envelope::parse(&body).unwrap().header;
        assert_eq!(header.event_id.unwrap().to_string(), "9ec79c33ec9942ab8353589fcb2e04dc");
        assert_eq!(header.dsn.get(), Some("http://k@h/1"));
        assert!(header.sent_at().is_some());
        assert!(Envelope::parse(b"{\"event_id\":7,\"sent_at\":[]}").unwrap().header.event_id.is_none());
    }

    #[test]
    fn faults_name_item_and_byte() {
        assert_eq!(fault(b""), "missing envelope header (byte 0)");
        assert_eq!(fault(b" \n "), "missing envelope header (byte 0)");
        assert!(fault(b"[]").starts_with("the header line is not a JSON object: "));
        assert!(fault(b"{}\nnope\n").starts_with("item 0: the header line is not a JSON object: "));
        assert_eq!(fault(b"{}\n{}\nx"), "item 0: the item header has no type (byte 3)");
        let long = b"{}\n{\"type\":\"event\"}\n{}\n{\"type\":\"a\",\"length\":9}\nabc";
        assert_eq!(fault(long), "item 1: the item's length is 9, but 3 bytes follow (byte 47)");
        for length in ["-1", "1.5", "\"x\"", "18446744073709551616", "1e300"] {
            let body = format!("{{}}\n{{\"type\":\"a\",\"length\":{length}}}\nabc");
            assert!(fault(body.as_bytes()).contains("the item's length is"), "{length}");
        }
        assert_eq!(
            fault(b"{}\n{\"type\":\"a\",\"length\":1}\nabc"),
            "item 0: missing newline after the payload (byte 28)"
        );
        let many = format!("{{}}{}", "\n{\"type\":\"a\"}\n".repeat(1001));
        assert!(fault(many.as_bytes()).contains("more than 1000 items"));
    }
}
