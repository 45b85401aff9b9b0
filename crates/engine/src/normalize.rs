//! From what an SDK sent to what the columns hold.
//!
//! Owns the reading of every scalar attribute: which texts are valid, which are trimmed, which are
//! removed, with a note for each change in the style of the wire's `_meta` (protocol, section 5).
//! Nothing here refuses an event. Full display of the payload is `payload::view`, which uses the
//! same field rules; titles are `title`.

pub mod fields;
mod platform;
mod tags;
mod times;
mod user;

use core::net::IpAddr;
use std::borrow::Cow;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::event::Event;
pub use fields::{Level, Note, NoteKind, Notes, environment_fault, release_fault};
pub use platform::platform;
pub use tags::clean as tags_clean;
pub use times::Clamped;
pub(crate) use times::clamp;

/// What is known about the request that brought the event.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Our clock.
    pub received_at: OffsetDateTime,
    /// `sent_at` of the envelope header, by the client's clock.
    pub sent_at: Option<OffsetDateTime>,
    /// Address of the sender.
    pub client_ip: Option<IpAddr>,
}

/// The scalar attributes of one event, final. Everything is borrowed where nothing had to change.
#[derive(Debug, Clone)]
pub struct Normalized<'a> {
    /// When it happened, moved to the arrival when the client's clock cannot be right.
    pub occurred_at: OffsetDateTime,
    /// Default `error`.
    pub level: Level,
    /// A known platform, or `other`.
    pub platform: &'static str,
    /// Validated release.
    pub release: Option<Cow<'a, str>>,
    /// Validated build of the release.
    pub dist: Option<Cow<'a, str>>,
    /// Validated environment; from the tag when the attribute is absent.
    pub environment: Option<Cow<'a, str>>,
    /// Name of the web request or task.
    pub transaction: Option<Cow<'a, str>>,
    /// Host name.
    pub server_name: Option<Cow<'a, str>>,
    /// Name of the logger.
    pub logger: Option<Cow<'a, str>>,
    /// Distributed trace.
    pub trace_id: Option<Uuid>,
    /// `id:…`, `username:…`, `email:…` or `ip:…`: equal for the same person.
    pub user_key: Option<String>,
    /// What else the person may be asked for by (`crate::person`).
    pub user_aliases: Vec<String>,
    /// The sender's address, where it is also the user's.
    pub client_ip: Option<IpAddr>,
    /// Final tags: the client's first, then the derived ones.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// What was trimmed or removed, and why.
    pub notes: Notes,
}

/// Normalises one event.
#[must_use]
pub fn normalize<'a>(event: &'a Event<'_>, arrival: &Arrival) -> Normalized<'a> {
    let mut notes = Notes::default();
    let clamped = times::clamp(event.timestamp.map(|at| at.get()), arrival);
    if let Some(kind) = clamped.note {
        notes.add("timestamp", kind);
    }
    let platform = platform(event.platform.or_empty());
    let user = user::resolve(event, platform, arrival, &mut notes);
    let mut normalized = Normalized {
        occurred_at: clamped.at,
        level: level(event, &mut notes),
        platform,
        release: fields::release(&event.release, &mut notes),
        dist: fields::dist(&event.dist, &mut notes),
        environment: fields::environment(&event.environment, &mut notes),
        transaction: fields::trimmed(
            "transaction",
            &event.transaction,
            crate::limits::TRANSACTION_CHARS_MAX,
            &mut notes,
        ),
        server_name: fields::trimmed("server_name", &event.server_name, crate::limits::NAME_CHARS_MAX, &mut notes),
        logger: fields::trimmed("logger", &event.logger, crate::limits::LOGGER_CHARS_MAX, &mut notes),
        trace_id: trace_id(event),
        user_key: user.key,
        user_aliases: user.aliases,
        client_ip: user.client_ip,
        tags: Vec::new(),
        notes,
    };
    tags::resolve(event, &mut normalized);
    normalized
}

fn level(event: &Event<'_>, notes: &mut Notes) -> Level {
    let default = if event.kind.get() == Some("transaction") { Level::Info } else { Level::Error };
    let Some(text) = event.level.trimmed() else { return default };
    Level::parse(text).unwrap_or_else(|| {
        notes.add("level", NoteKind::Invalid);
        default
    })
}

/// The trace, unless it is the all-zero id that means "none".
fn trace_id(event: &Event<'_>) -> Option<Uuid> {
    let text = event.contexts.trace.as_ref()?.trace_id.trimmed()?;
    crate::ids::EventId::parse(text).map(|id| id.0).filter(|id| !id.is_nil())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    fn check(json: &str, inspect: impl FnOnce(&Normalized<'_>)) {
        let event = Event::from_json(json).unwrap();
        let arrival = Arrival { received_at: NOW, sent_at: None, client_ip: "203.0.113.9".parse().ok() };
        inspect(&normalize(&event, &arrival));
    }

    fn noted(normalized: &Normalized<'_>) -> Vec<(String, &'static str)> {
        normalized.notes.iter().map(|note| (note.path.to_string(), note.kind.as_str())).collect()
    }

    #[test]
    fn an_empty_event_has_the_documented_defaults() {
        check("{}", |n| {
            assert_eq!((n.level, n.platform, n.occurred_at), (Level::Error, "other", NOW));
            assert!(n.release.is_none() && n.user_key.is_none() && n.tags.is_empty() && n.notes.is_empty());
        });
    }

    #[test]
    fn levels_have_aliases_and_numbers() {
        for (json, level) in [
            (r#"{"level":"critical"}"#, Level::Fatal),
            (r#"{"level":"log"}"#, Level::Info),
            (r#"{"level":30}"#, Level::Warning),
            (r#"{"level":"50"}"#, Level::Fatal),
            (r#"{"level":"WARNING"}"#, Level::Warning),
            (r#"{"type":"transaction"}"#, Level::Info),
        ] {
            check(json, |n| assert_eq!((n.level, n.notes.is_empty()), (level, true), "{json}"));
        }
        check(r#"{"level":"loud"}"#, |n| {
            assert_eq!((n.level, noted(n)), (Level::Error, vec![("level".into(), "invalid_data")]));
        });
    }

    #[test]
    fn releases_and_environments_are_validated() {
        check(r#"{"release":" shop@1.0 ","environment":"prod","dist":"42"}"#, |n| {
            assert_eq!(n.release.as_deref(), Some("shop@1.0"));
            assert_eq!((n.environment.as_deref(), n.dist.as_deref()), (Some("prod"), Some("42")));
        });
        for bad in ["a/b", "a\\nb", "latest", "LATEST", "..", "."] {
            check(&format!(r#"{{"release":"{bad}"}}"#), |n| {
                assert_eq!((n.release.as_deref(), n.notes.len()), (None, 1), "{bad}");
            });
        }
        check(r#"{"environment":"None","dist":"a b"}"#, |n| {
            assert_eq!((n.environment.as_deref(), n.dist.as_deref(), n.notes.len()), (None, None, 2));
        });
        check(&format!(r#"{{"release":"{}"}}"#, "x".repeat(201)), |n| {
            assert_eq!((n.release.as_deref(), noted(n)[0].1), (None, "value_too_long"));
        });
    }

    #[test]
    fn long_texts_are_cut_with_a_note() {
        check(&format!(r#"{{"transaction":"{}"}}"#, "é".repeat(300)), |n| {
            let text = n.transaction.as_deref().unwrap();
            assert_eq!((text.chars().count(), text.ends_with("...")), (200, true));
            assert_eq!(n.notes.iter().next().unwrap().kind, NoteKind::Trimmed { chars: 300 });
        });
    }

    #[test]
    fn the_person_is_the_strongest_name() {
        let user = |json: &str| {
            let mut key = None;
            check(&format!(r#"{{"user":{json}}}"#), |n| key.clone_from(&n.user_key));
            key
        };
        assert_eq!(user(r#"{"id":7,"username":"u","email":"e","ip_address":"::1"}"#).as_deref(), Some("id:7"));
        assert_eq!(user(r#"{"id":"","username":"u","email":"e"}"#).as_deref(), Some("username:u"));
        assert_eq!(user(r#"{"email":"a@b.c"}"#).as_deref(), Some("email:a@b.c"));
        assert_eq!(user(r#"{"ip_address":"::0001"}"#).as_deref(), Some("ip:::1"));
        assert_eq!(user(r#"{"ip_address":"{{auto}}"}"#).as_deref(), Some("ip:203.0.113.9"));
        assert_eq!(user(r#"{"ip_address":"nonsense"}"#), None);
    }

    #[test]
    fn a_person_may_be_asked_for_by_their_other_names() {
        let aliases = |json: &str| {
            let mut found = Vec::new();
            check(&format!(r#"{{"user":{json}}}"#), |n| found.clone_from(&n.user_aliases));
            found
        };
        let all = r#"{"id":7,"username":"u","email":" A@b.C ","ip_address":"::1"}"#;
        assert_eq!(aliases(all), ["username:u", "email:a@b.c"]);
        assert_eq!(aliases(r#"{"email":"A@b.c"}"#), ["email:a@b.c"]);
        assert!(aliases(r#"{"email":"a@b.c"}"#).is_empty(), "that is the key");
        assert!(aliases(r#"{"id":7,"email":"[Filtered email]"}"#).is_empty());
        assert!(aliases(r#"{"ip_address":"::1"}"#).is_empty());
    }

    #[test]
    fn the_senders_address_is_taken_only_where_the_sdk_means_it() {
        let ip = |json: &str| {
            let mut found = None;
            check(json, |n| found = n.client_ip.map(|ip| ip.to_string()));
            found
        };
        let sender = Some("203.0.113.9".to_owned());
        assert_eq!(ip(r#"{"platform":"javascript"}"#), sender);
        assert_eq!(ip(r#"{"platform":"javascript","sdk":{"settings":{"infer_ip":"never"}}}"#), None);
        assert_eq!(ip(r#"{"platform":"python"}"#), None);
        assert_eq!(ip(r#"{"platform":"python","sdk":{"settings":{"infer_ip":"auto"}}}"#), sender);
        assert_eq!(ip(r#"{"platform":"javascript","user":{"ip_address":"10.0.0.1"}}"#), None);
        assert_eq!(ip(r#"{"platform":"python","user":{"ip_address":"{{auto}}"}}"#), sender);
        check(r#"{"request":{"env":{"REMOTE_ADDR":"10.0.0.1"}}}"#, |n| {
            assert_eq!(n.user_key.as_deref(), Some("ip:10.0.0.1"));
        });
    }

    #[test]
    fn tags_are_cleaned_and_derived() {
        let json = r#"{"server_name":"web-1","logger":"app.db","tags":{"a key":" x ","release":"r","user":"u",
            "environment":"staging","bad/key":"v","empty":"","line":"a\nb","server_name":"mine"},
            "request":{"url":"http://h/p?q=1#f"},"contexts":{"runtime":{"name":"CPython","version":"3.11.2"}},
            "exception":[{"type":"E","mechanism":{"type":"flask","handled":false}}]}"#;
        check(json, |n| {
            let tags: Vec<(&str, &str)> = n.tags.iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
            assert_eq!(
                tags,
                [
                    ("a-key", "x"),
                    ("server_name", "mine"),
                    ("logger", "app.db"),
                    ("url", "http://h/p"),
                    ("handled", "no"),
                    ("mechanism", "flask"),
                    ("runtime", "CPython 3.11.2"),
                    ("runtime.name", "CPython"),
                ]
            );
            assert_eq!(n.environment.as_deref(), Some("staging"));
            let paths: Vec<String> = noted(n).into_iter().map(|(path, _)| path).collect();
            assert_eq!(paths, ["tags.bad/key", "tags.line"]);
        });
    }

    #[test]
    fn times_are_clamped_against_the_arrival() {
        let at = |json: &str, sent_at| {
            let event = Event::from_json(json).unwrap();
            let arrival = Arrival { received_at: NOW, sent_at, client_ip: None };
            let normalized = normalize(&event, &arrival);
            let note = normalized.notes.iter().next().map(|note| note.kind.as_str());
            (normalized.occurred_at, note)
        };
        let recent = datetime!(2026-11-22 11:00 UTC);
        assert_eq!(at(r#"{"timestamp":"2026-11-22T11:00:00Z"}"#, None), (recent, None));
        assert_eq!(at(r#"{"timestamp":"2026-11-22T12:00:59Z"}"#, None), (datetime!(2026-11-22 12:00:59 UTC), None));
        assert_eq!(at(r#"{"timestamp":"2026-11-22T12:02:00Z"}"#, None), (NOW, Some("future_timestamp")));
        assert_eq!(at(r#"{"timestamp":"2026-10-01T12:02:00Z"}"#, None), (NOW, Some("past_timestamp")));
        let slow = Some(datetime!(2026-11-22 10:00:10 UTC));
        assert_eq!(
            at(r#"{"timestamp":"2026-11-22T10:00:00Z"}"#, slow),
            (datetime!(2026-11-22 11:59:50 UTC), Some("clock_drift"))
        );
        let close = Some(datetime!(2026-11-22 11:06 UTC));
        assert_eq!(at(r#"{"timestamp":"2026-11-22T11:00:00Z"}"#, close), (recent, None));
    }

    #[test]
    fn the_trace_is_read() {
        check(r#"{"contexts":{"trace":{"trace_id":"771a43a4192642f0b136d5159a501700"}}}"#, |n| {
            assert_eq!(n.trace_id.unwrap().simple().to_string(), "771a43a4192642f0b136d5159a501700");
        });
        check(r#"{"contexts":{"trace":{"trace_id":"00000000000000000000000000000000"}}}"#, |n| {
            assert_eq!(n.trace_id, None);
        });
    }
}
