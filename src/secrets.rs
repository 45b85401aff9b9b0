//! Secrets that we hand out: session cookies, API tokens, the first-run link, DSN keys.
//!
//! Owns their form (a prefix that people and secret scanners recognise, then 32 random bytes) and
//! the hash under which they are stored. SHA-256 without salt is right here: the secrets are 256
//! random bits, which nobody can guess, and a lookup needs one fixed hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// What a secret opens; decides its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A token for the web API.
    ApiToken,
    /// A signed-in browser.
    Session,
    /// The link that makes the first administrator.
    SetupLink,
}

impl Kind {
    /// The first characters of every secret of this kind.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::ApiToken => "ffp_",
            Self::Session => "ffs_",
            Self::SetupLink => "ffl_",
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

/// Makes a secret from the system's random source.
#[must_use]
pub fn generate(kind: Kind) -> Secret {
    let text = format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
    let hash = hash(&text);
    Secret { text, hash }
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
    fn secrets_differ_and_carry_their_prefix() {
        let (a, b) = (generate(Kind::ApiToken), generate(Kind::ApiToken));
        assert_ne!(a.text, b.text);
        assert!(a.text.starts_with("ffp_") && a.text.len() == 4 + 43);
        assert_eq!(a.hash, hash(&a.text));
        assert_eq!(public_key().len(), 32);
    }
}
