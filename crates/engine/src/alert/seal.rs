//! Seals: bytes that only this Firefinch could have written, as text for the end of an address.
//!
//! A seal is the bytes, readable by anybody, and a signature over them and over what they are for, so that a link of one
//! sort is worthless as one of another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a signature. Half of SHA-256 is what HMAC may be cut to; guessing 128 bits is out of reach, and links
/// stay short enough for a line of plain text.
pub const MAC_BYTES: usize = 16;

/// The key of this instance that signs links. Never printed.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// From the bytes that the database keeps.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A name for what must not be named: the same for the same, and nobody without the key can try what it stands for.
    /// `None` never happens: HMAC takes keys of any length.
    #[must_use]
    pub fn pseudonym(&self, purpose: &[u8], said: &[u8]) -> Option<[u8; 6]> {
        mac(self, purpose, said)?.finalize().into_bytes().first_chunk().copied()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The text of sealed bytes. `None` never happens: HMAC takes keys of any length.
pub(super) fn seal(key: &Key, purpose: &[u8], mut bytes: Vec<u8>) -> Option<String> {
    let mac = mac(key, purpose, &bytes)?.finalize().into_bytes();
    bytes.extend(&mac[..MAC_BYTES]);
    Some(BASE64.encode(bytes))
}

/// The bytes of a seal of ours for this purpose; anything longer than `chars_max` is not looked at.
pub(super) fn open(key: &Key, purpose: &[u8], text: &str, chars_max: usize) -> Option<Vec<u8>> {
    let mut bytes = Some(text).filter(|text| text.len() <= chars_max).and_then(|text| BASE64.decode(text).ok())?;
    let end = bytes.len().checked_sub(MAC_BYTES)?;
    // Compares in constant time.
    mac(key, purpose, &bytes[..end])?.verify_truncated_left(&bytes[end..]).ok()?;
    bytes.truncate(end);
    Some(bytes)
}

/// The signature in a seal.
pub(super) fn signature(text: &str) -> Option<[u8; MAC_BYTES]> {
    BASE64.decode(text).ok()?.last_chunk().copied()
}

/// Characters of the seal of so many bytes.
pub(super) const fn chars(bytes: usize) -> usize {
    (bytes + MAC_BYTES).div_ceil(3) * 4
}

/// A number at the start of some bytes, and the rest.
pub(super) fn number(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((i64::from_be_bytes(*number), rest))
}

fn mac(key: &Key, purpose: &[u8], said: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).ok()?;
    mac.update(purpose);
    mac.update(said);
    Some(mac)
}
