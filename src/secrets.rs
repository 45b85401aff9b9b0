//! Secrets that we hand out: session cookies, API tokens, the first-run link, DSN keys.
//!
//! Owns their form (a prefix that people and secret scanners recognise, then 32 random bytes) and
//! the hash under which they are stored. SHA-256 without salt is right here: the secrets are 256
//! random bits, which nobody can guess, and a lookup needs one fixed hash.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use engine::totp::base32;
use serde_json::json;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// What a secret opens; decides its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A token for the web API.
    ApiToken,
    /// A signed-in browser.
    Session,
    /// The link that makes the first administrator.
    SetupLink,
    /// A link that shows one issue.
    Share,
    /// A link that makes an account, or gives one a new password.
    Entry,
    /// A way in that has begun.
    Step,
}

impl Kind {
    /// The first characters of every secret of this kind.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::ApiToken => "ffp_",
            Self::Session => "ffs_",
            Self::SetupLink => "ffl_",
            Self::Share => "ffv_",
            Self::Entry => "ffe_",
            Self::Step => "ffw_",
        }
    }
}

/// A secret, to be shown once, and what is stored of it.
pub struct Secret {
    /// The text that its holder shows to us.
    pub text: String,
    /// What the database keeps.
    pub hash: [u8; 32],
}

impl Secret {
    /// What of it may be shown later, so that people recognise it: its prefix and its last four characters, which take
    /// 24 bits off what is to be guessed and leave more than 230.
    #[must_use]
    pub fn hint(&self) -> String {
        let prefix = self.text.split_inclusive('_').next().unwrap_or_default();
        let last = self.text.char_indices().rev().nth(3).map_or("", |(at, _)| &self.text[at..]);
        format!("{prefix}…{last}")
    }
}

/// Makes a secret from the system's random source.
#[must_use]
pub fn generate(kind: Kind) -> Secret {
    let text = format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
    let hash = hash(&text);
    Secret { text, hash }
}

/// A token of the organization in the form that Sentry's tools read: it carries the URL and the organization,
/// so that a build needs nothing else. `url` is this server's, without a slash at the end.
#[must_use]
pub fn organization_token(url: &str, organization: &str, now: OffsetDateTime) -> Secret {
    let facts = json!({ "iat": now.unix_timestamp(), "url": url, "region_url": url, "org": organization });
    // Padded base64 in front, unpadded behind, both of the standard alphabet: tools reject anything else.
    let secret = STANDARD_NO_PAD.encode(rand::random::<[u8; 32]>());
    let text = format!("sntrys_{}_{secret}", STANDARD.encode(facts.to_string()));
    let hash = hash(&text);
    Secret { text, hash }
}

/// A token in the form that Sentry's tools know as a person's: for those that look at the form.
#[must_use]
pub fn user_token() -> Secret {
    let text = format!("sntryu_{}", hex::encode(rand::random::<[u8; 32]>()));
    let hash = hash(&text);
    Secret { text, hash }
}

/// Recovery codes that somebody gets at a time.
pub const RECOVERY_CODES: usize = 10;

/// A code that stands in for a lost second factor: 80 bits in letters that are not mixed up, in groups to be copied by hand.
#[must_use]
pub fn recovery_code() -> Secret {
    let letters = base32(&rand::random::<[u8; 10]>()).to_lowercase();
    let groups = [&letters[..4], &letters[4..8], &letters[8..12], &letters[12..]];
    Secret { text: groups.join("-"), hash: recovery_hash(&letters) }
}

/// The hash of a recovery code as somebody typed it.
#[must_use]
pub fn recovery_hash(typed: &str) -> [u8; 32] {
    let letters: String = typed.chars().filter(char::is_ascii_alphanumeric).collect();
    hash(&letters.to_ascii_lowercase())
}

/// The hash under which a secret is stored and looked up.
#[must_use]
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The public part of a new DSN: 32 lower-case hexadecimal digits, as SDKs expect it.
#[must_use]
pub fn public_key() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_forms_that_tools_read() {
        let token = organization_token("http://ff.example:9000", "acme", OffsetDateTime::UNIX_EPOCH);
        let parts: Vec<&str> = token.text.split('_').collect();
        assert_eq!((parts.len(), parts[0], parts[2].len()), (3, "sntrys", 43), "{}", token.text);
        let facts: serde_json::Value = serde_json::from_slice(&STANDARD.decode(parts[1]).unwrap()).unwrap();
        let url = "http://ff.example:9000";
        assert_eq!(facts, json!({ "iat": 0, "url": url, "region_url": url, "org": "acme" }));
        assert_eq!(token.hash, hash(&token.text));
        assert_eq!(token.hint(), format!("sntrys_…{}", &token.text[token.text.len() - 4..]));
        let token = user_token();
        assert_eq!(token.text.len(), "sntryu_".len() + 64);
        assert_eq!(token.hint().chars().count(), "sntryu_".len() + 5);
    }

    #[test]
    fn secrets_differ_and_carry_their_prefix() {
        let (a, b) = (generate(Kind::ApiToken), generate(Kind::ApiToken));
        assert_ne!(a.text, b.text);
        assert!(a.text.starts_with("ffp_") && a.text.len() == 4 + 43);
        assert_eq!(a.hash, hash(&a.text));
        assert_eq!(public_key().len(), 32);
    }

    #[test]
    fn recovery_codes_are_read_however_they_are_typed() {
        let code = recovery_code();
        assert_eq!((code.text.len(), code.text.matches('-').count()), (19, 3), "{}", code.text);
        for typed in
            [code.text.clone(), code.text.to_uppercase(), code.text.replace('-', " "), code.text.replace('-', "")]
        {
            assert_eq!(recovery_hash(&typed), code.hash, "{typed}");
        }
        assert_ne!(recovery_hash(&recovery_code().text), code.hash);
    }
}
