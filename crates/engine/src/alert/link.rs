//! Links in mails with which their reader acts without signing in.
//!
//! A link holds what it does, to what, for whom and until when, and a signature over all of it with the key of
//! the instance. So it works on any phone, needs no row until somebody uses it, and is worthless for anything but
//! what it was mailed for. Following one changes nothing: scanners of mail follow links. The page behind it asks.
//! To add an act, add a variant, its byte in `Act::ALL`, and its words in `src/web/link.rs`.

use thiserror::Error;
use time::{Duration, OffsetDateTime};

pub use super::seal::Key;
use super::seal::{self, MAC_BYTES, number};
use crate::ids::{IssueId, ProjectId};

/// What the signature is for, so that the same key can sign other things one day.
const PURPOSE: &[u8] = b"firefinch mail link 1\0";

/// Bytes before the address: the act, the project, the issue, the end.
const HEAD_BYTES: usize = 1 + 3 * 8;

/// Bytes of an address in a link: what SMTP allows a path to have.
const RECIPIENT_BYTES_MAX: usize = 254;

/// Characters of the longest link; whatever is longer is not looked at.
const TOKEN_CHARS_MAX: usize = seal::chars(HEAD_BYTES + RECIPIENT_BYTES_MAX);

/// What a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Resolves the issue.
    Resolve,
    /// Ignores it for 24 hours.
    IgnoreDay,
    /// Ignores it until the next 7:00.
    IgnoreMorning,
    /// Ends the mails of the project to this address.
    Mute,
    /// Gives the issue to its reader.
    Take,
}

impl Act {
    /// Every act with its byte. A byte is never given to another act.
    const ALL: [(Self, u8); 5] =
        [(Self::Resolve, 1), (Self::IgnoreDay, 2), (Self::IgnoreMorning, 3), (Self::Mute, 4), (Self::Take, 5)];

    /// How long a link is good for. A week covers who reads mail after a holiday; to stop mails must work for
    /// as long as anybody keeps them, so that lasts as long as we remember what we sent.
    #[must_use]
    pub const fn lifetime(self) -> Duration {
        match self {
            Self::Mute => Duration::days(90),
            Self::Resolve | Self::IgnoreDay | Self::IgnoreMorning | Self::Take => Duration::days(7),
        }
    }

    fn byte(self) -> u8 {
        // Every act is in the table: the test below holds that.
        Self::ALL.iter().find(|(act, _)| *act == self).map_or(0, |(_, byte)| *byte)
    }
}

/// A link that somebody was mailed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it does.
    pub act: Act,
    /// Of which project.
    pub project: ProjectId,
    /// To which issue; `None` for what concerns the project.
    pub issue: Option<IssueId>,
    /// The address that it was mailed to.
    pub recipient: String,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

/// Why a link is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Not one of ours: cut, altered, made up, or of another Firefinch.
    #[error("this link is incomplete or was altered")]
    Forged,
    /// Ours, and over since then.
    #[error("this link ended at {0}")]
    Expired(OffsetDateTime),
}

impl Link {
    /// The text of the link, for the end of an address. `None` when the recipient cannot be an address.
    #[must_use]
    pub fn sign(&self, key: &Key) -> Option<String> {
        if self.recipient.is_empty() || self.recipient.len() > RECIPIENT_BYTES_MAX {
            return None;
        }
        let mut bytes = vec![self.act.byte()];
        bytes.extend(self.project.get().to_be_bytes());
        bytes.extend(self.issue.map_or(0, IssueId::get).to_be_bytes());
        bytes.extend(self.expires_at.unix_timestamp().to_be_bytes());
        bytes.extend(self.recipient.as_bytes());
        seal::seal(key, PURPOSE, bytes)
    }

    /// The address of its page, below the address of this Firefinch.
    #[must_use]
    pub fn url(&self, base_url: &str, key: &Key) -> Option<String> {
        Some(format!("{base_url}/a/{}", self.sign(key)?))
    }

    /// Reads a link, and checks first that it is ours and then that it is not over.
    ///
    /// # Errors
    /// Why it must not be followed.
    pub fn read(token: &str, key: &Key, now: OffsetDateTime) -> Result<Self, Refusal> {
        let said = seal::open(key, PURPOSE, token, TOKEN_CHARS_MAX).ok_or(Refusal::Forged)?;
        let link = Self::parse(&said).ok_or(Refusal::Forged)?;
        if link.expires_at <= now {
            return Err(Refusal::Expired(link.expires_at));
        }
        Ok(link)
    }

    fn parse(said: &[u8]) -> Option<Self> {
        let (act, rest) = said.split_first()?;
        let (act, _) = Act::ALL.into_iter().find(|(_, byte)| byte == act)?;
        let (project, rest) = number(rest)?;
        let (issue, rest) = number(rest)?;
        let (expires_at, recipient) = number(rest)?;
        Some(Self {
            act,
            project: ProjectId(project),
            issue: (issue != 0).then_some(IssueId(issue)),
            recipient: std::str::from_utf8(recipient).ok().filter(|text| !text.is_empty())?.to_owned(),
            expires_at: OffsetDateTime::from_unix_timestamp(expires_at).ok()?,
        })
    }

    /// What a use of it is remembered by: the signature, which no other link has.
    #[must_use]
    pub fn mark(&self, key: &Key) -> Option<[u8; MAC_BYTES]> {
        seal::signature(&self.sign(key)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-22 14:02:14 UTC);

    fn key() -> Key {
        Key::new([7; 32])
    }

    fn link() -> Link {
        Link {
            act: Act::Resolve,
            project: ProjectId(2),
            issue: Some(IssueId(412)),
            recipient: "ann@shop.example".to_owned(),
            expires_at: NOW + Act::Resolve.lifetime(),
        }
    }

    fn link_bytes() -> Vec<u8> {
        let mut bytes = BASE64.decode(link().sign(&key()).unwrap()).unwrap();
        bytes.truncate(bytes.len() - MAC_BYTES);
        bytes
    }

    #[test]
    fn a_link_reads_back_until_it_ends() {
        for (act, _) in Act::ALL {
            let link = Link { act, expires_at: NOW + act.lifetime(), ..link() };
            let token = link.sign(&key()).unwrap();
            assert!(token.len() < 100 && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
            assert_eq!(Link::read(&token, &key(), NOW), Ok(link.clone()));
            let last = link.expires_at - Duration::SECOND;
            assert_eq!(Link::read(&token, &key(), last), Ok(link.clone()));
            assert_eq!(Link::read(&token, &key(), link.expires_at), Err(Refusal::Expired(link.expires_at)));
        }
        let mute = Link { act: Act::Mute, issue: None, ..link() };
        assert_eq!(Link::read(&mute.sign(&key()).unwrap(), &key(), NOW), Ok(mute));
    }

    #[test]
    fn every_single_changed_bit_is_noticed() {
        let token = link().sign(&key()).unwrap();
        let bytes = BASE64.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Link::read(&BASE64.encode(altered), &key(), NOW), Err(Refusal::Forged), "bit {bit}");
        }
        // Cut at either end, or longer: `…com` must not become `…com.evil`.
        for end in 0..bytes.len() {
            assert_eq!(Link::read(&BASE64.encode(&bytes[..end]), &key(), NOW), Err(Refusal::Forged), "{end} bytes");
            assert_eq!(Link::read(&BASE64.encode(&bytes[end + 1..]), &key(), NOW), Err(Refusal::Forged));
        }
        for end in 0..=bytes.len() {
            let mut longer = bytes.clone();
            longer.insert(end, b'a');
            // One more of the same letter inside says the same bytes only where it is none.
            assert_eq!(Link::read(&BASE64.encode(longer), &key(), NOW), Err(Refusal::Forged), "longer at {end}");
        }
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let token = link().sign(&key()).unwrap();
        assert_eq!(Link::read(&token, &Key::new([8; 32]), NOW), Err(Refusal::Forged), "of another instance");
        let signed = |said: &[u8]| seal::seal(&key(), PURPOSE, said.to_vec()).unwrap();
        assert_eq!(
            Link::read(&seal::seal(&key(), b"another", link_bytes()).unwrap(), &key(), NOW),
            Err(Refusal::Forged),
            "signed for something else"
        );
        let said = |act: u8, end: i64, to: &[u8]| {
            [&[act][..], &2_i64.to_be_bytes(), &412_i64.to_be_bytes(), &end.to_be_bytes(), to].concat()
        };
        // Even with a good signature nothing unreadable passes.
        for text in [
            said(0, i64::MAX / 4, b"a@b"),
            said(9, 1, b"a@b"),
            said(1, 1, b""),
            said(1, i64::MAX, b"a@b"),
            said(1, 1, b"\xff"),
        ] {
            assert_eq!(Link::read(&signed(&text), &key(), NOW), Err(Refusal::Forged), "{text:?}");
        }
        let texts = [
            "",
            "A",
            "=",
            "../../etc",
            "é",
            &"A".repeat(400),
            &"A".repeat(100_000),
            &format!("{token}="),
            &format!("{token}A"),
        ];
        for text in texts {
            assert_eq!(Link::read(text, &key(), NOW), Err(Refusal::Forged), "{}", &text[..text.len().min(40)]);
        }
        // Parts of two good links do not make a third.
        let other = Link { issue: Some(IssueId(413)), ..link() }.sign(&key()).unwrap();
        let (a, b) = (BASE64.decode(&token).unwrap(), BASE64.decode(&other).unwrap());
        let mixed = [&a[..a.len() - MAC_BYTES], &b[b.len() - MAC_BYTES..]].concat();
        assert_eq!(Link::read(&BASE64.encode(mixed), &key(), NOW), Err(Refusal::Forged));
    }

    #[test]
    fn each_link_has_its_own_mark_and_none_is_made_for_no_address() {
        let marks: Vec<_> = [
            link(),
            Link { act: Act::IgnoreDay, ..link() },
            Link { project: ProjectId(3), ..link() },
            Link { issue: Some(IssueId(1)), ..link() },
            Link { recipient: "eve@shop.example".to_owned(), ..link() },
            Link { expires_at: NOW, ..link() },
        ]
        .iter()
        .map(|link| link.mark(&key()).unwrap())
        .collect();
        for (index, mark) in marks.iter().enumerate() {
            assert!(!marks[..index].contains(mark), "{index}");
        }
        assert_eq!(Link { recipient: String::new(), ..link() }.sign(&key()), None);
        assert_eq!(Link { recipient: "a".repeat(255), ..link() }.sign(&key()), None);
        assert!(Link { recipient: "a".repeat(254), ..link() }.sign(&key()).unwrap().len() <= TOKEN_CHARS_MAX);
        assert_eq!(format!("{:?}", key()), "Key(…)");
    }
}
