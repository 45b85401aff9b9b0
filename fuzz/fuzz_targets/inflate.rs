//! Undoing every encoding within its bounds. The first byte chooses the encoding.
#![no_main]

use engine::inflate::{Encoding, Inflater};
use engine::limits;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1024 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, body)) = bytes.split_first() else { return };
    let encoding = match first % 5 {
        0 => Encoding::Gzip,
        1 => Encoding::Deflate,
        2 => Encoding::Brotli,
        3 => Encoding::Zstd,
        _ => Encoding::Identity.sniff(body),
    };
    let mut inflater = Inflater::default();
    // Twice: what one body left in the buffer must not show up in the next.
    let once = inflater.inflate(encoding, body, LIMIT).map(<[u8]>::to_vec);
    let twice = inflater.inflate(encoding, body, LIMIT).map(<[u8]>::to_vec);
    assert_eq!(once, twice);
    if let Ok(out) = once {
        assert!(
            out.len() <= LIMIT.min((body.len() * limits::INFLATE_RATIO_MAX).max(limits::INFLATE_RATIO_FLOOR_BYTES))
        );
    }
    let _ = engine::payload::decode(i16::from(*first % 8), body);
});
