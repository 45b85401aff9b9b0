//! The link that proves that an address is read by who wants mails there: it is mailed to that address and to no other.

use time::{Duration, OffsetDateTime};

use super::link::Refusal;
use super::seal::{self, Key, number};
use crate::ids::UserId;

/// What the signature is for.
const PURPOSE: &[u8] = b"firefinch address 1\0";

/// How long there is to open it: a weekend with a day to spare.
pub const LIFETIME: Duration = Duration::days(3);

/// Bytes of an address: what SMTP allows a path to have.
pub const ADDRESS_BYTES_MAX: usize = 254;

/// Characters of the longest link.
const TOKEN_CHARS_MAX: usize = seal::chars(2 * 8 + ADDRESS_BYTES_MAX);

/// What somebody was asked to confirm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// Who wants mails there.
    pub user: UserId,
    /// Where, and whom the link was mailed to.
    pub address: String,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

impl Confirmation {
    /// The text of the link. `None` when there is no such address.
    #[must_use]
    pub fn sign(&self, key: &Key) -> Option<String> {
        if self.address.is_empty() || self.address.len() > ADDRESS_BYTES_MAX {
            return None;
        }
        let mut bytes = self.user.get().to_be_bytes().to_vec();
        bytes.extend(self.expires_at.unix_timestamp().to_be_bytes());
        bytes.extend(self.address.as_bytes());
        seal::seal(key, PURPOSE, bytes)
    }

    /// The address of its page, below the address of this Firefinch.
    #[must_use]
    pub fn url(&self, base_url: &str, key: &Key) -> Option<String> {
        Some(format!("{base_url}/me/address/{}", self.sign(key)?))
    }

    /// Reads one, and checks first that it is ours and then that it is not over.
    ///
    /// # Errors
    /// Why it must not be followed.
    pub fn read(token: &str, key: &Key, now: OffsetDateTime) -> Result<Self, Refusal> {
        let said = seal::open(key, PURPOSE, token, TOKEN_CHARS_MAX).ok_or(Refusal::Forged)?;
        let read = Self::parse(&said).ok_or(Refusal::Forged)?;
        if read.expires_at <= now {
            return Err(Refusal::Expired(read.expires_at));
        }
        Ok(read)
    }

    fn parse(said: &[u8]) -> Option<Self> {
        let (user, rest) = number(said)?;
        let (expires_at, address) = number(rest)?;
        Some(Self {
            user: UserId(user),
            address: std::str::from_utf8(address).ok().filter(|text| !text.is_empty())?.to_owned(),
            expires_at: OffsetDateTime::from_unix_timestamp(expires_at).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::link::{Act, Link};
    use crate::ids::ProjectId;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-22 14:02:14 UTC);

    #[test]
    fn it_reads_back_until_it_ends_and_is_no_other_link() {
        let key = Key::new([7; 32]);
        let asked =
            Confirmation { user: UserId(7), address: "ann@home.example".to_owned(), expires_at: NOW + LIFETIME };
        let token = asked.sign(&key).unwrap();
        assert_eq!(Confirmation::read(&token, &key, NOW), Ok(asked.clone()));
        assert_eq!(Confirmation::read(&token, &key, NOW + LIFETIME), Err(Refusal::Expired(NOW + LIFETIME)));
        assert_eq!(Confirmation::read(&token, &Key::new([8; 32]), NOW), Err(Refusal::Forged));
        assert_eq!(Link::read(&token, &key, NOW), Err(Refusal::Forged));
        let link = Link {
            act: Act::Mute,
            project: ProjectId(2),
            issue: None,
            recipient: asked.address.clone(),
            expires_at: asked.expires_at,
        };
        for text in [link.sign(&key).unwrap(), String::new(), "A".repeat(9999), format!("{token}A")] {
            assert_eq!(Confirmation::read(&text, &key, NOW), Err(Refusal::Forged));
        }
        for address in [String::new(), "a".repeat(255)] {
            assert_eq!(Confirmation { address, ..asked.clone() }.sign(&key), None);
        }
        let longest = Confirmation { address: "a".repeat(254), ..asked };
        assert_eq!(Confirmation::read(&longest.sign(&key).unwrap(), &key, NOW), Ok(longest));
    }
}
