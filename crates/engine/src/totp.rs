//! Codes of authenticator apps (RFC 6238): a secret and a time in, six digits out.
//!
//! Every app knows SHA-1, six digits and thirty seconds, and several ignore what an address says beyond that; so nothing
//! here can be chosen. SHA-1 inside of an HMAC has none of the weakness that its collisions are.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use time::OffsetDateTime;

/// Bytes of a secret: what RFC 4226 recommends, and the length of the hash.
pub const SECRET_BYTES: usize = 20;
/// How long a code is shown.
const STEP_S: i64 = 30;
/// Steps that a clock may be off, and that typing may take, before and after.
const DRIFT: i64 = 1;
/// Six digits.
const MODULUS: u32 = 1_000_000;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What an authenticator app and we know.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; SECRET_BYTES]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Secret {
    /// From random bytes.
    #[must_use]
    pub fn new(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// To be stored.
    #[must_use]
    pub fn bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// To be typed into an app.
    #[must_use]
    pub fn text(&self) -> String {
        base32(&self.0)
    }

    /// To be shown to the camera of an app: `issuer` and `account` are what it lists the code under.
    #[must_use]
    pub fn uri(&self, issuer: &str, account: &str) -> String {
        let [issuer, account] = [issuer, account].map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC));
        format!("otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}", self.text())
    }

    /// The code of a moment.
    #[must_use]
    pub fn code(&self, now: OffsetDateTime) -> String {
        format!("{:06}", truncated(&self.0, step(now)) % MODULUS)
    }

    /// The step that a typed code is of, when it is right now and later than the last one that was accepted: a code that
    /// somebody saw over a shoulder is good for nothing once it was used.
    #[must_use]
    pub fn accept(&self, typed: &str, last: i64, now: OffsetDateTime) -> Option<i64> {
        let typed: String = typed.chars().filter(|char| !char.is_whitespace()).collect();
        let is_code = typed.len() == 6 && typed.bytes().all(|byte| byte.is_ascii_digit());
        let typed: u32 = typed.parse().ok().filter(|_| is_code)?;
        // Numbers are compared in one instruction and every step is looked at: the time says nothing about the code.
        (step(now) - DRIFT..=step(now) + DRIFT).fold(None, |found, step| {
            let is_right = truncated(&self.0, step) % MODULUS == typed;
            if is_right && step > last { Some(step) } else { found }
        })
    }
}

fn step(now: OffsetDateTime) -> i64 {
    now.unix_timestamp().div_euclid(STEP_S)
}

/// The number of RFC 4226, section 5.3, before its digits are cut.
fn truncated(key: &[u8], step: i64) -> u32 {
    // HMAC takes keys of any length, so the error cannot occur.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) else { return u32::MAX };
    mac.update(&step.to_be_bytes());
    let mac: [u8; 20] = mac.finalize().into_bytes().into();
    let at = usize::from(mac[19] & 15);
    u32::from_be_bytes([mac[at], mac[at + 1], mac[at + 2], mac[at + 3]]) & 0x7fff_ffff
}

/// RFC 4648, of a multiple of five bytes; what is beyond that is left out.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    let letters = |five: &[u8]| {
        let number = five.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        (0..8u32).rev().map(move |place| char::from(ALPHABET[usize::try_from(number >> (5 * place) & 31).unwrap_or(0)]))
    };
    bytes.chunks_exact(5).flat_map(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;

    const SECRET: &[u8; SECRET_BYTES] = b"12345678901234567890";

    fn at(unix: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(unix).unwrap()
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let vectors = [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ];
        for (unix, code) in vectors {
            assert_eq!(truncated(SECRET, step(at(unix))) % 100_000_000, code, "{unix}");
            assert_eq!(Secret::new(*SECRET).code(at(unix)), format!("{:06}", code % MODULUS));
        }
    }

    #[test]
    fn numbers_are_those_of_rfc_4226() {
        let vectors = [1_284_755_224, 1_094_287_082, 137_359_152, 1_726_969_429, 1_640_338_314];
        assert_eq!(std::array::from_fn(|count| truncated(SECRET, count as i64)), vectors);
    }

    #[test]
    fn a_code_is_right_for_one_step_around_and_once() {
        let (secret, now) = (Secret::new(*SECRET), at(1_234_567_890));
        let own = step(now);
        for drift in -1..=1 {
            let code = secret.code(now + Duration::seconds(STEP_S * drift));
            assert_eq!(secret.accept(&code, 0, now), Some(own + drift));
            assert_eq!(secret.accept(&code, own + drift, now), None, "it was used");
        }
        for drift in [-2, 2] {
            assert_eq!(secret.accept(&secret.code(now + Duration::seconds(STEP_S * drift)), 0, now), None);
        }
        let code = secret.code(now);
        assert_eq!(secret.accept(&format!(" {} {} ", &code[..3], &code[3..]), 0, now), Some(own));
        for wrong in ["", "12345", "+05924", "0005924", "００５９２４", "00592x"] {
            assert_eq!(secret.accept(wrong, 0, now), None, "{wrong}");
        }
        assert_eq!(secret.accept("005924", own - 1, now), Some(own), "zeros in front count");
    }

    #[test]
    fn apps_read_the_address() {
        let secret = Secret::new(*SECRET);
        assert_eq!(secret.text(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let uri = "otpauth://totp/Firefinch%20a%26b:jo%40x%2Eorg?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Firefinch%20a%26b";
        assert_eq!(secret.uri("Firefinch a&b", "jo@x.org"), uri);
        assert_eq!(format!("{secret:?}"), "[redacted]");
    }
}
