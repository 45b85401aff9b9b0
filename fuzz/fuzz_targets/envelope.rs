//! Request bodies: any bytes inflate within the bound or are refused, and frame or are refused.
//!
//! The first byte chooses the encoding. `cargo +nightly fuzz run envelope -- -max_total_time=600`
#![no_main]

use engine::envelope::Envelope;
use engine::inflate::{Encoding, Inflater};
use libfuzzer_sys::fuzz_target;

/// Small, so that the bound itself is reached.
const INFLATED_BYTES_MAX: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else { return };
    let encoding = match first % 5 {
        0 => Encoding::Identity,
        1 => Encoding::Gzip,
        2 => Encoding::Deflate,
        3 => Encoding::Zstd,
        _ => Encoding::Brotli,
    };
    let mut inflater = Inflater::default();
    let Ok(inflated) = inflater.inflate(encoding, body, INFLATED_BYTES_MAX) else { return };
    assert!(inflated.len() <= INFLATED_BYTES_MAX);
    if let Ok(envelope) = Envelope::parse(inflated) {
        assert!(envelope.items.len() <= engine::limits::ENVELOPE_ITEMS_MAX);
        let taken: usize = envelope.items.iter().map(|item| item.payload.len()).sum();
        assert!(taken <= inflated.len(), "items overlap");
    }
});
