//! Who may do what: roles of people, scopes of tokens, and the form of an e-mail address.
//!
//! Owns the names (they are stored, printed and sent by other people's scripts) and which scope
//! implies which. Knows nothing of passwords or tokens. To add a scope, add a line to `SCOPES`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, including people and settings.
    Admin,
    /// Works with issues and projects.
    Member,
    /// Reads.
    Viewer,
}

impl Role {
    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }

    /// True for the roles that may change issues and projects.
    #[must_use]
    pub const fn may_write(self) -> bool {
        matches!(self, Self::Admin | Self::Member)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown {what} {found:?}: use one of {known}")]
pub struct UnknownName {
    what: &'static str,
    found: String,
    known: String,
}

impl FromStr for Role {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "admin" => Ok(Self::Admin),
            "member" => Ok(Self::Member),
            "viewer" => Ok(Self::Viewer),
            _ => Err(UnknownName { what: "role", found: text.into(), known: "admin, member, viewer".into() }),
        }
    }
}

/// What an API token may do, named as Sentry names it: existing scripts ask for these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // The names say it, and SCOPES spells them.
pub enum Scope {
    OrgRead,
    OrgCi,
    ProjectRead,
    ProjectWrite,
    ProjectReleases,
    EventRead,
    EventWrite,
    EventAdmin,
}

/// Every scope with its name.
pub const SCOPES: [(Scope, &str); 8] = [
    (Scope::OrgRead, "org:read"),
    (Scope::OrgCi, "org:ci"),
    (Scope::ProjectRead, "project:read"),
    (Scope::ProjectWrite, "project:write"),
    (Scope::ProjectReleases, "project:releases"),
    (Scope::EventRead, "event:read"),
    (Scope::EventWrite, "event:write"),
    (Scope::EventAdmin, "event:admin"),
];

impl Scope {
    /// The name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        // Every scope is in the table: the test below holds that.
        SCOPES.iter().find(|(scope, _)| *scope == self).map_or("", |(_, name)| name)
    }

    /// True when a token with this scope may do what `needed` asks for: writing includes reading,
    /// administering includes writing, and `org:ci` is what build machines hold to make releases.
    #[must_use]
    pub fn implies(self, needed: Self) -> bool {
        self == needed
            || match self {
                Self::ProjectWrite => matches!(needed, Self::ProjectRead | Self::ProjectReleases),
                Self::ProjectReleases => false,
                Self::EventWrite => needed == Self::EventRead,
                Self::EventAdmin => matches!(needed, Self::EventRead | Self::EventWrite),
                Self::OrgCi => needed == Self::ProjectReleases,
                Self::OrgRead | Self::ProjectRead | Self::EventRead => false,
            }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        SCOPES.iter().find(|(_, name)| *name == text).map(|(scope, _)| *scope).ok_or_else(|| UnknownName {
            what: "scope",
            found: text.into(),
            known: SCOPES.map(|(_, name)| name).join(", "),
        })
    }
}

/// An e-mail address that has the form of one; whether it exists, only a mail can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

/// Why a text is not an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an e-mail address: expected name@host, at most 254 characters, without spaces")]
pub struct NotAnEmail;

impl Email {
    /// The address as it was written, without surrounding spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = NotAnEmail;

    fn from_str(text: &str) -> Result<Self, NotAnEmail> {
        let text = text.trim();
        let (name, host) = text.rsplit_once('@').ok_or(NotAnEmail)?;
        let clean = |part: &str| {
            !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control() || "<>,;@\"".contains(c))
        };
        // 254 is the longest address that SMTP can carry in a path.
        if text.chars().count() > 254 || !clean(name) || !clean(host) {
            return Err(NotAnEmail);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for (scope, name) in SCOPES {
            assert_eq!(scope.as_str(), name);
            assert_eq!(name.parse::<Scope>(), Ok(scope));
        }
        for role in [Role::Admin, Role::Member, Role::Viewer] {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        let error = "boss".parse::<Role>().unwrap_err();
        assert_eq!(error.to_string(), "unknown role \"boss\": use one of admin, member, viewer");
    }

    #[test]
    fn scopes_imply_the_weaker_ones() {
        assert!(Scope::EventAdmin.implies(Scope::EventRead));
        assert!(Scope::OrgCi.implies(Scope::ProjectReleases));
        assert!(!Scope::EventRead.implies(Scope::EventWrite));
        assert!(!Scope::ProjectWrite.implies(Scope::EventRead));
    }

    #[test]
    fn addresses() {
        assert_eq!(" jo@example.org ".parse::<Email>().unwrap().as_str(), "jo@example.org");
        for bad in ["", "jo", "@x", "jo@", "a b@x.org", "a@b@", "<jo@x.org>", "a@b@c.org"] {
            assert_eq!(bad.parse::<Email>(), Err(NotAnEmail), "{bad}");
        }
    }
}
