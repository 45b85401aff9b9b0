//! One newtype per identifier, with no conversions between them.
//!
//! Owns nothing but the types: a project id never compiles where an issue id is meant. To add one,
//! add a line to the `row_ids!` list.

mod short;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use short::ShortId;

macro_rules! row_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// The number as the database stores it.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        /// What a row holds becomes the id of its own column only: the store names the type.
        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }
    )*};
}

row_ids! {
    /// A project: the number at the end of its DSN.
    ProjectId;
    /// One client key (DSN) of a project.
    KeyId;
    /// The deletion of a person's data.
    ErasureId;
    /// An issue: the group that events with the same cause join.
    IssueId;
    /// A person who can sign in.
    UserId;
    /// People who are given projects together.
    TeamId;
    /// An API token.
    TokenId;
    /// Where notifications go: a mail list or a webhook.
    DestinationId;
    /// A change of the grouping: a merge, a split, a regrouping.
    RegroupingId;
    /// A release that went to an environment.
    DeployId;
    /// One signal for one recipient of a destination.
    DeliveryId;
    /// One thing sent to one recipient, which carries one delivery or many.
    MessageId;
}

/// The id of one event: 32 hexadecimal digits on the wire, with or without dashes, in any case
/// (`protocol.md` section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub Uuid);

impl EventId {
    /// Reads 32 hexadecimal digits, dashed or not.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // `Uuid` also reads braces and URNs, which no SDK sends: only the two documented lengths.
        if text.len() != 32 && text.len() != 36 {
            return None;
        }
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_simple().fmt(f)
    }
}

impl Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
