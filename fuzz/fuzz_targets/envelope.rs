//! Framing of envelopes and the credentials in their header.
#![no_main]

use engine::auth::{Credentials, Dsn, Sources};
use engine::envelope::Envelope;
use engine::outcome::ItemKind;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(text) = std::str::from_utf8(body) {
        let sources = Sources { x_sentry_auth: Some(text), authorization: Some(text), query: text };
        let _ = Credentials::read(&sources);
    }
    let Ok(envelope) = Envelope::parse(body) else { return };
    if let Some(dsn) = envelope.header.dsn.get()
        && let Ok(dsn) = dsn.parse::<Dsn>()
    {
        assert_eq!(dsn.to_string().parse::<Dsn>().as_ref(), Ok(&dsn));
    }
    let mut from = 0;
    for item in &envelope.items {
        let _ = ItemKind::parse(&item.ty);
        let start = item.payload.as_ptr() as usize - body.as_ptr() as usize;
        assert!(start >= from, "items lie one after the other");
        from = start + item.payload.len();
        assert!(from <= body.len(), "and inside of the body");
    }
});
