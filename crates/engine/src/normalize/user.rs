//! Whom it happened to (protocol, section 5.7).

use core::net::IpAddr;

use super::{Arrival, NoteKind, Notes};
use crate::event::{Event, Text};
use crate::person;

/// The person, as a key, and the sender's address where it is also theirs.
pub(super) struct Person {
    pub(super) key: Option<String>,
    /// What else tells them apart (`crate::person`).
    pub(super) aliases: Vec<String>,
    pub(super) client_ip: Option<IpAddr>,
}

/// Platforms whose SDKs run on the user's own device, so that the sender's address is the user's.
const ON_DEVICE: [&str; 3] = ["javascript", "cocoa", "objc"];

pub(super) fn resolve(event: &Event<'_>, platform: &str, arrival: &Arrival, notes: &mut Notes) -> Person {
    let (ip, inferred) = address(event, platform, arrival, notes);
    let client_ip = if inferred { ip } else { None };
    let named = event.user.as_ref().and_then(|user| {
        named("id", &user.id).or_else(|| named("username", &user.username)).or_else(|| named("email", &user.email))
    });
    let key = named.or_else(|| ip.map(|ip| format!("ip:{ip}")));
    let aliases = key.as_deref().map(|key| aliases(event, key)).unwrap_or_default();
    Person { key, aliases, client_ip }
}

fn named(kind: &'static str, text: &Text<'_>) -> Option<String> {
    person::key(kind, text.trimmed()?)
}

/// What a person may be asked for by besides their key. Addresses in the network are none: many people share one.
fn aliases(event: &Event<'_>, key: &str) -> Vec<String> {
    let Some(user) = &event.user else { return Vec::new() };
    // What was hidden is the same for everybody.
    let shown = |text: &'_ &str| !text.starts_with('[');
    let name = user.username.trimmed().filter(shown).and_then(|name| person::key("username", name));
    let email = user.email.trimmed().filter(shown).and_then(person::alias_of_email);
    name.into_iter().chain(email).filter(|alias| alias != key).collect()
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
