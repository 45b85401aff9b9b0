//! Whom it happened to (protocol, section 5.7).

use core::net::IpAddr;

use super::{Arrival, NoteKind, Notes, fields};
use crate::event::{Event, Text};
use crate::limits;

/// The person, as a key, and the sender's address where it is also theirs.
pub(super) struct Person {
    pub(super) key: Option<String>,
    pub(super) client_ip: Option<IpAddr>,
}

/// Platforms whose SDKs run on the user's own device, so that the sender's address is the user's.
const ON_DEVICE: [&str; 3] = ["javascript", "cocoa", "objc"];

pub(super) fn resolve(event: &Event<'_>, platform: &str, arrival: &Arrival, notes: &mut Notes) -> Person {
    let (ip, inferred) = address(event, platform, arrival, notes);
    let client_ip = if inferred { ip } else { None };
    let named = event.user.as_ref().and_then(|user| {
        named("id", &user.id, limits::USER_FIELD_CHARS_MAX)
            .or_else(|| named("username", &user.username, limits::USER_FIELD_CHARS_MAX))
            .or_else(|| named("email", &user.email, limits::EMAIL_CHARS_MAX))
    });
    let key = named.or_else(|| ip.map(|ip| format!("ip:{ip}")));
    Person { key, client_ip }
}

fn named(kind: &str, text: &Text<'_>, chars_max: usize) -> Option<String> {
    let text = text.trimmed()?;
    let short = fields::cut(text, chars_max);
    Some(format!("{kind}:{}", short.as_deref().unwrap_or(text)))
}

/// The user's address, and whether it was taken from the sender.
fn address(event: &Event<'_>, platform: &str, arrival: &Arrival, notes: &mut Notes) -> (Option<IpAddr>, bool) {
    let sent = [
        ("user.ip_address", event.user.as_ref().and_then(|user| user.ip_address.trimmed())),
        ("request.env.REMOTE_ADDR", event.request.as_ref().and_then(|request| request.env.remote_addr.trimmed())),
    ];
    for (path, text) in sent {
        match text {
            Some("{{auto}}") => return (arrival.client_ip, true),
            Some(text) => match text.parse() {
                Ok(ip) => return (Some(ip), false),
                Err(_) => notes.add(path, NoteKind::Invalid),
            },
            None => {}
        }
    }
    let infer = match event.sdk.settings.infer_ip.trimmed() {
        Some("never") => false,
        Some("auto") => true,
        _ => ON_DEVICE.contains(&platform),
    };
    if infer { (arrival.client_ip, true) } else { (None, false) }
}
