//! Cursors and the `Link` header, in the form that clients of Sentry follow.
//!
//! A cursor is three parts joined by colons, the last one `1` when it leads back. Clients hand it back
//! as they got it and understand nothing else of it.

use std::fmt::Display;

use actix_web::http::header::HeaderValue;
use engine::ids::EventId;
use store::events::EventKey;
use store::feedback::FeedbackKey;
use store::issues::IssueKey;
use store::page::{Direction, Page, Paging};
use store::releases::ReleaseKey;
use time::OffsetDateTime;

use super::call::Call;
use super::error::ApiError;

/// A place in a list that can be written into a cursor.
pub(super) trait Key: Sized {
    /// The first two parts.
    fn write(self) -> String;
    /// Reads the first two parts back.
    fn read(first: &str, second: &str) -> Option<Self>;
}

impl Key for IssueKey {
    fn write(self) -> String {
        format!("{}:{}", self.seen_slot, self.id)
    }

    fn read(first: &str, second: &str) -> Option<Self> {
        Some(Self { seen_slot: first.parse().ok()?, id: second.parse().ok()? })
    }
}

impl Key for EventKey {
    fn write(self) -> String {
        // PostgreSQL keeps microseconds, so nothing is lost.
        format!("{}:{}", self.received_at.unix_timestamp_nanos() / 1000, self.event_id)
    }

    fn read(first: &str, second: &str) -> Option<Self> {
        let micros: i64 = first.parse().ok()?;
        let received_at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok()?;
        Some(Self { received_at, event_id: EventId::parse(second)? })
    }
}

impl Key for FeedbackKey {
    fn write(self) -> String {
        format!("{}:{}", self.received_at.unix_timestamp_nanos() / 1000, self.id.as_simple())
    }

    fn read(first: &str, second: &str) -> Option<Self> {
        let EventKey { received_at, event_id } = EventKey::read(first, second)?;
        Some(Self { received_at, id: event_id.0 })
    }
}

impl Key for ReleaseKey {
    fn write(self) -> String {
        // A version may hold anything, colons too.
        format!("{}:{}", self.created_at.unix_timestamp_nanos() / 1000, hex::encode(self.version))
    }

    fn read(first: &str, second: &str) -> Option<Self> {
        let micros: i64 = first.parse().ok()?;
        let created_at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).ok()?;
        let version = String::from_utf8(hex::decode(second).ok()?).ok()?;
        (!version.contains('\0')).then_some(Self { created_at, version })
    }
}

/// Lists in the order of their ids, oldest first (projects).
impl Key for i64 {
    fn write(self) -> String {
        format!("{self}:0")
    }

    fn read(first: &str, second: &str) -> Option<Self> {
        second.parse::<i64>().ok()?;
        first.parse().ok()
    }
}

/// Reads `cursor` and `per_page` (or `limit`) of a call.
pub(super) fn paging<K: Key>(call: &Call, rows_default: usize) -> Result<Paging<K>, ApiError> {
    let rows = match call.query("per_page").or_else(|| call.query("limit")) {
        None | Some("") => rows_default,
        Some(text) => match text.parse::<usize>() {
            Ok(rows) if (1..=store::page::PAGE_ROWS_MAX).contains(&rows) => rows,
            _ => {
                let detail = format!("per_page is a number from 1 to {}", store::page::PAGE_ROWS_MAX);
                return Err(ApiError::BadRequest(detail));
            }
        },
    };
    let mut paging = Paging::first(rows);
    // sentry-cli sends an empty cursor with its first request.
    if let Some(cursor) = call.query("cursor").filter(|cursor| !cursor.is_empty()) {
        let (from, direction) = read(cursor).ok_or_else(|| ApiError::bad_request("Invalid cursor parameter."))?;
        paging.from = from;
        paging.direction = direction;
    }
    Ok(paging)
}

/// From where to read on, for lists that are only read forwards: a cursor that leads back starts over.
pub(super) fn forwards<K: Clone>(paging: &Paging<K>) -> Option<K> {
    paging.from.clone().filter(|_| paging.direction == Direction::Older)
}

fn read<K: Key>(cursor: &str) -> Option<(Option<K>, Direction)> {
    let mut parts = cursor.split(':');
    let (first, second, back) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let direction = match back {
        "0" => Direction::Older,
        "1" => Direction::Newer,
        _ => return None,
    };
    if first == "0" && second == "0" {
        return Some((None, Direction::Older));
    }
    Some((Some(K::read(first, second)?), direction))
}

/// The `Link` header of a page; `key` tells the place of a row.
pub(super) fn link<T, K: Key + Copy>(call: &Call, page: &Page<T, K>, key: impl Fn(&T) -> K) -> Option<HeaderValue> {
    let previous = page.newer.or_else(|| page.rows.first().map(&key));
    let next = page.older.or_else(|| page.rows.last().map(&key));
    link_of(call, (page.newer.is_some(), previous), (page.older.is_some(), next))
}

/// The `Link` header from its two ends: whether there is more, and from where.
pub(super) fn link_of<K: Key>(
    call: &Call,
    previous: (bool, Option<K>),
    next: (bool, Option<K>),
) -> Option<HeaderValue> {
    let part = |rel: &str, (more, key): (bool, Option<K>), back: u8| {
        let cursor = format!("{}:{back}", key.map_or_else(|| "0:0".to_owned(), Key::write));
        format!(r#"<{}>; rel="{rel}"; results="{more}"; cursor="{cursor}""#, url_with(call, &cursor))
    };
    // Unreadable only if the URL were not ASCII, which `form_urlencoded` rules out.
    HeaderValue::from_str(&format!("{}, {}", part("previous", previous, 1), part("next", next, 0))).ok()
}

fn url_with(call: &Call, cursor: &impl Display) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(call.query_pairs().filter(|(name, _)| *name != "cursor"));
    query.append_pair("cursor", &cursor.to_string());
    format!("{}{}?{}", call.api().base_url, call.path_text(), query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_cursor() {
        let key = IssueKey { seen_slot: 179_535_377, id: 42 };
        assert_eq!(read(&format!("{}:0", key.write())), Some((Some(key), Direction::Older)));
        let event_id = EventId::parse("9EC79C33EC9942AB8353589FCB2E04DC").unwrap();
        let received_at = OffsetDateTime::from_unix_timestamp_nanos(1_795_353_772_123_456_000).unwrap();
        let key = EventKey { received_at, event_id };
        assert_eq!(read(&format!("{}:1", key.write())), Some((Some(key), Direction::Newer)));
        assert_eq!(read::<i64>("0:0:1"), Some((None, Direction::Older)));
        assert_eq!(read::<i64>("7:0:0"), Some((Some(7), Direction::Older)));
    }

    #[test]
    fn other_texts_are_no_cursors() {
        for text in ["", "1", "1:2", "1:2:3", "1:2:0:0", "a:2:0", "1:b:0", "99999999999999999999:1:0", "::"] {
            assert_eq!(read::<IssueKey>(text), None, "{text}");
            assert_eq!(read::<EventKey>(text), None, "{text}");
        }
        assert_eq!(read::<EventKey>("9223372036854775807:9ec79c33ec9942ab8353589fcb2e04dc:0"), None);
    }
}
