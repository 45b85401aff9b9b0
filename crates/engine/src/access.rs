//! Who may do what: roles of people, scopes of tokens, and the form of an e-mail address.
//!
//! Owns the names (they are stored, printed and sent by other people's scripts) and which scope
//! implies which; `grants` decides. Knows nothing of passwords or tokens. To add a scope, add a line to `SCOPES`.

mod grants;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use grants::{Action, Decision, Grants, Object, Reach};

/// What a person is on the instance, from weak to strong. All but guests are so in every project, those to come included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees only the projects that name them.
    Guest,
    /// Reads every project.
    Viewer,
    /// Works in every project, and makes more.
    Member,
    /// Everything, including people and settings, but for owners.
    Admin,
    /// Everything. There is always one.
    Owner,
}

impl Role {
    /// Every role, the strongest first.
    pub const ALL: [Self; 5] = [Self::Owner, Self::Admin, Self::Member, Self::Viewer, Self::Guest];

    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
            Self::Guest => "guest",
        }
    }

    /// What they are in every project.
    #[must_use]
    pub const fn everywhere(self) -> Option<ProjectRole> {
        match self {
            Self::Owner | Self::Admin => Some(ProjectRole::Admin),
            Self::Member => Some(ProjectRole::Member),
            Self::Viewer => Some(ProjectRole::Viewer),
            Self::Guest => None,
        }
    }

    /// Whether somebody with this role may turn one role into another: owners make and unmake owners, administrators
    /// everybody else.
    #[must_use]
    pub fn may_turn(self, from: Self, to: Self) -> bool {
        self == Self::Owner || (self == Self::Admin && from != Self::Owner && to != Self::Owner)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a person is in one project, from weak to strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProjectRole {
    /// Reads.
    Viewer,
    /// Works with issues, releases, rules and settings.
    Member,
    /// Says who is a member, too.
    Admin,
}

impl ProjectRole {
    /// Every role, the strongest first.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Member, Self::Viewer];

    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for ProjectRole {
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
        named("role", text, Self::ALL.map(|role| (role.as_str(), role)))
    }
}

impl FromStr for ProjectRole {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        named("role in a project", text, Self::ALL.map(|role| (role.as_str(), role)))
    }
}

fn named<T: Copy, const N: usize>(
    what: &'static str,
    text: &str,
    all: [(&'static str, T); N],
) -> Result<T, UnknownName> {
    all.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| UnknownName {
        what,
        found: text.into(),
        known: all.map(|(name, _)| name).join(", "),
    })
}

/// What an API token may do, named as Sentry names it: existing scripts ask for these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // The names say it, and SCOPES spells them.
pub enum Scope {
    OrgRead,
    OrgWrite,
    OrgCi,
    ProjectRead,
    ProjectWrite,
    ProjectReleases,
    EventRead,
    EventWrite,
    EventAdmin,
}

/// Every scope with its name.
pub const SCOPES: [(Scope, &str); 9] = [
    (Scope::OrgRead, "org:read"),
    (Scope::OrgWrite, "org:write"),
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

    /// What it allows, in a sentence for whoever makes a token.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::OrgRead => "Read what concerns the whole instance: people, teams, statistics, limits.",
            Self::OrgWrite => "Change limits, filters and privacy of the whole instance; reads what concerns it, too.",
            Self::OrgCi => "What a build machine needs: make releases, name their commits, tell of deploys.",
            Self::ProjectRead => "Read projects: settings, members, client keys, destinations.",
            Self::ProjectWrite => "Change settings, client keys and destinations, and make releases; reads them, too.",
            Self::ProjectReleases => "Make releases, name their commits, tell of deploys.",
            Self::EventRead => "Read issues, events and their files.",
            Self::EventWrite => "Resolve, assign, merge and split issues; reads them, too.",
            Self::EventAdmin => "Delete issues, events and files; changes and reads them, too.",
        }
    }

    /// Whether it is about what belongs to projects. A token that administrators of one project make has no other: what is
    /// not (the people of the instance) is not theirs to give away.
    #[must_use]
    pub const fn is_of_projects(self) -> bool {
        !matches!(self, Self::OrgRead | Self::OrgWrite | Self::OrgCi)
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
                Self::OrgWrite => needed == Self::OrgRead,
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
        named("scope", text, SCOPES.map(|(scope, name)| (name, scope)))
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
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        for role in ProjectRole::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        let error = "boss".parse::<Role>().unwrap_err();
        assert_eq!(error.to_string(), "unknown role \"boss\": use one of owner, admin, member, viewer, guest");
    }

    #[test]
    fn only_owners_make_and_unmake_owners() {
        assert!(Role::Owner.may_turn(Role::Owner, Role::Guest) && Role::Admin.may_turn(Role::Admin, Role::Guest));
        assert!(!Role::Admin.may_turn(Role::Owner, Role::Guest) && !Role::Admin.may_turn(Role::Admin, Role::Owner));
        assert!(!Role::Member.may_turn(Role::Viewer, Role::Guest));
    }

    #[test]
    fn scopes_imply_the_weaker_ones() {
        assert!(Scope::EventAdmin.implies(Scope::EventRead));
        assert!(Scope::OrgCi.implies(Scope::ProjectReleases));
        assert!(Scope::OrgWrite.implies(Scope::OrgRead) && !Scope::ProjectWrite.implies(Scope::OrgWrite));
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
