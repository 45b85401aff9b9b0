//! Who may do what on the pages: the one place where roles meet actions.

use engine::access::Role;

/// Something that a page or a form does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Read issues, events, projects and the live view.
    Read,
    /// Resolve, ignore and reopen issues.
    ChangeIssues,
    /// Make projects, and change their settings.
    ChangeProjects,
    /// Change the grouping rules of a project, and try them.
    ChangeRules,
    /// Say how a deploy fares, and archive releases.
    ChangeReleases,
    /// Stop and start destinations, and send messages again.
    ChangeAlerts,
    /// See how the system fares: disks, database, and what it refused.
    ReadSystem,
}

/// Whether a role may do something.
#[must_use]
pub(super) const fn can(role: Role, action: Action) -> bool {
    match action {
        Action::Read => true,
        Action::ChangeIssues
        | Action::ChangeProjects
        | Action::ChangeRules
        | Action::ChangeReleases
        | Action::ChangeAlerts => role.may_write(),
        Action::ReadSystem => matches!(role, Role::Admin),
    }
}

impl Action {
    /// What a person is told who may not.
    pub(super) const fn refusal(self) -> &'static str {
        match self {
            Self::Read => "Your account may not read this.",
            Self::ChangeIssues => "Your account may read issues but not change them. An administrator can change that.",
            Self::ChangeProjects => "Your account may not make or change projects. An administrator can change that.",
            Self::ChangeRules => {
                "Your account may read grouping rules but not change them. An administrator can change that."
            }
            Self::ChangeReleases => {
                "Your account may read releases but not change them. An administrator can change that."
            }
            Self::ChangeAlerts => "Your account may not change who is told. An administrator can change that.",
            Self::ReadSystem => "How the system fares is for administrators.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_only_read() {
        for action in [
            Action::Read,
            Action::ChangeIssues,
            Action::ChangeProjects,
            Action::ChangeRules,
            Action::ChangeReleases,
            Action::ChangeAlerts,
        ] {
            assert!(can(Role::Admin, action) && can(Role::Member, action));
            assert_eq!(can(Role::Viewer, action), action == Action::Read);
        }
    }

    #[test]
    fn the_system_is_for_administrators() {
        let may = [Role::Admin, Role::Member, Role::Viewer].map(|role| can(role, Action::ReadSystem));
        assert_eq!(may, [true, false, false]);
    }
}
