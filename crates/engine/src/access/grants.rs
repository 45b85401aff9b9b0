//! What a person was given, and the decision about one thing that they want to do: the one place that decides.
//!
//! An instance role holds in every project, those to come included; a guest has none of that, and only what memberships
//! and teams give. To add an action, add it to `Action`, say in `need` who may do it, and in `refusal` what the others are
//! told.

use std::collections::BTreeMap;

use super::{ProjectRole, Role};
use crate::ids::ProjectId;

/// Something that a page, a form or a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read a project: its issues, events, releases, settings, and what comes in.
    Read,
    /// Resolve, assign, merge, comment on and delete issues.
    ChangeIssues,
    /// Say how a deploy fares, and archive releases.
    ChangeReleases,
    /// Change the grouping rules of a project, and try them.
    ChangeRules,
    /// Change who is told of what: rules, destinations, messages sent again.
    ChangeAlerts,
    /// Change the settings of a project, who owns what of it, and links to its code.
    ChangeProjects,
    /// Change what is hidden of events before they are kept.
    ChangePrivacy,
    /// Change who sees a project and what they may do there.
    ChangeMembers,
    /// Change the command that people are shown to go back from a deploy.
    ChangeCommands,
    /// Make tokens that work in a project alone, see them, and take them back.
    ChangeTokens,
    /// Make projects.
    MakeProjects,
    /// See how the system fares: disks, database, and what it refused.
    ReadSystem,
    /// Read who changed what.
    ReadAudit,
    /// Change what holds for every project.
    ManageInstance,
    /// Make tokens of the whole instance, see all that there are, and take any back.
    ManageTokens,
    /// Add and remove people and teams, and change what they may do.
    ManagePeople,
}

/// What it takes.
enum Need {
    /// This role or a stronger one in the project that it is about.
    InProject(ProjectRole),
    /// This role or a stronger one on the instance.
    OnInstance(Role),
}

impl Action {
    /// Every action, from weak to strong.
    pub const ALL: [Self; 16] = [
        Self::Read,
        Self::ChangeIssues,
        Self::ChangeReleases,
        Self::ChangeRules,
        Self::ChangeAlerts,
        Self::ChangeProjects,
        Self::ChangePrivacy,
        Self::ChangeMembers,
        Self::ChangeCommands,
        Self::ChangeTokens,
        Self::MakeProjects,
        Self::ReadSystem,
        Self::ReadAudit,
        Self::ManageInstance,
        Self::ManageTokens,
        Self::ManagePeople,
    ];

    const fn need(self) -> Need {
        match self {
            Self::Read => Need::InProject(ProjectRole::Viewer),
            Self::ChangeIssues
            | Self::ChangeReleases
            | Self::ChangeRules
            | Self::ChangeAlerts
            | Self::ChangeProjects => Need::InProject(ProjectRole::Member),
            Self::ChangePrivacy | Self::ChangeMembers | Self::ChangeCommands | Self::ChangeTokens => {
                Need::InProject(ProjectRole::Admin)
            }
            Self::MakeProjects => Need::OnInstance(Role::Member),
            Self::ReadSystem | Self::ReadAudit | Self::ManageInstance | Self::ManageTokens | Self::ManagePeople => {
                Need::OnInstance(Role::Admin)
            }
        }
    }

    /// What a person is told who may not.
    #[must_use]
    pub const fn refusal(self) -> &'static str {
        match self {
            Self::Read => "Your account may not read this.",
            Self::ChangeIssues => "Your account may read issues but not change them. An administrator can change that.",
            Self::ChangeReleases => {
                "Your account may read releases but not change them. An administrator can change that."
            }
            Self::ChangeRules => {
                "Your account may read grouping rules but not change them. An administrator can change that."
            }
            Self::ChangeAlerts => "Your account may not change who is told. An administrator can change that.",
            Self::ChangeProjects => "Your account may not change this project. An administrator can change that.",
            Self::ChangePrivacy => "What is hidden of events is for administrators to change.",
            Self::ChangeMembers => "Who sees a project is for its administrators to change.",
            Self::ChangeCommands => "What people are shown to run is for administrators of the project to change.",
            Self::ChangeTokens => "Tokens of a project are for its administrators.",
            Self::MakeProjects => "Your account may not make projects. An administrator can change that.",
            Self::ReadSystem => "How the system fares is for administrators.",
            Self::ReadAudit => "Who changed what is for administrators.",
            Self::ManageInstance => "What holds for every project is for administrators to change.",
            Self::ManageTokens => "Tokens of the instance are for administrators.",
            Self::ManagePeople => "People and teams are for administrators to change.",
        }
    }
}

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// One project, or something that belongs to it.
    Project(ProjectId),
    /// Everything: the instance itself, or something that serves all projects.
    Instance,
}

impl Object {
    /// What belongs to this project, or to all where there is none.
    #[must_use]
    pub fn of(project: Option<ProjectId>) -> Self {
        project.map_or(Self::Instance, Self::Project)
    }
}

/// What comes of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It may be done.
    Allowed,
    /// They see that it is there, and may not do it.
    Refused,
    /// They must not learn that it is there.
    Hidden,
}

/// What a person was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    role: Role,
    projects: BTreeMap<ProjectId, ProjectRole>,
}

impl Grants {
    /// From the instance role, and what memberships and teams give; of two roles in one project the stronger holds.
    #[must_use]
    pub fn new(role: Role, given: impl IntoIterator<Item = (ProjectId, ProjectRole)>) -> Self {
        let mut projects = BTreeMap::new();
        for (id, role) in given {
            let held = projects.entry(id).or_insert(role);
            *held = role.max(*held);
        }
        Self { role, projects }
    }

    /// The instance role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// What they are in a project; none when they must not know of it.
    #[must_use]
    pub fn in_project(&self, id: ProjectId) -> Option<ProjectRole> {
        self.role.everywhere().max(self.projects.get(&id).copied())
    }

    /// Whether they may do something to something.
    pub fn can(&self, action: Action, object: Object) -> Decision {
        let allowed = |is_allowed| if is_allowed { Decision::Allowed } else { Decision::Refused };
        match (action.need(), object) {
            (Need::OnInstance(role), _) => allowed(self.role >= role),
            (Need::InProject(needed), Object::Project(id)) => {
                self.in_project(id).map_or(Decision::Hidden, |role| allowed(role >= needed))
            }
            (Need::InProject(needed), Object::Instance) => {
                self.role.everywhere().map_or(Decision::Hidden, |role| allowed(role >= needed))
            }
        }
    }

    /// Whether there is anything at all that they may do it to.
    #[must_use]
    pub fn can_somewhere(&self, action: Action) -> bool {
        match action.need() {
            Need::OnInstance(role) => self.role >= role,
            Need::InProject(needed) => {
                self.role.everywhere().is_some_and(|role| role >= needed)
                    || self.projects.values().any(|role| *role >= needed)
            }
        }
    }

    /// The projects that they may read.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match self.role.everywhere() {
            Some(_) => Reach::All,
            None => Reach::Projects(self.projects.keys().copied().collect()),
        }
    }
}

/// The projects that somebody may read, or asks for among those.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Every project, those to come included.
    All,
    /// These, in the order of their ids; none of them is nothing at all.
    Projects(Vec<ProjectId>),
}

impl Reach {
    /// Whether a project is among them.
    #[must_use]
    pub fn sees(&self, id: ProjectId) -> bool {
        match self {
            Self::All => true,
            Self::Projects(ids) => ids.binary_search(&id).is_ok(),
        }
    }

    /// Whether something is among them that belongs to a project, or to all where there is none.
    #[must_use]
    pub fn sees_what_serves(&self, project: Option<ProjectId>) -> bool {
        project.map_or(*self == Self::All, |id| self.sees(id))
    }

    /// For a statement: no ids at all means every project.
    #[must_use]
    pub fn ids(&self) -> Option<Vec<i64>> {
        match self {
            Self::All => None,
            Self::Projects(ids) => Some(ids.iter().map(|id| id.get()).collect()),
        }
    }

    /// Those of `wanted` that are among them; all of them when nothing is wanted in particular.
    #[must_use]
    pub fn among(&self, wanted: &[ProjectId]) -> Self {
        if wanted.is_empty() {
            return self.clone();
        }
        let mut ids: Vec<ProjectId> = wanted.iter().copied().filter(|id| self.sees(*id)).collect();
        ids.sort_unstable();
        ids.dedup();
        Self::Projects(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ProjectId = ProjectId(1);
    const B: ProjectId = ProjectId(2);

    fn guest(role: ProjectRole) -> Grants {
        Grants::new(Role::Guest, [(A, role)])
    }

    #[test]
    fn instance_roles_hold_everywhere() {
        for (role, held) in [
            (Role::Owner, Some(ProjectRole::Admin)),
            (Role::Admin, Some(ProjectRole::Admin)),
            (Role::Member, Some(ProjectRole::Member)),
            (Role::Viewer, Some(ProjectRole::Viewer)),
            (Role::Guest, None),
        ] {
            assert_eq!(Grants::new(role, []).in_project(B), held);
            assert_eq!(Grants::new(role, []).reach() == Reach::All, held.is_some());
        }
    }

    #[test]
    fn the_stronger_role_holds() {
        let given = [(A, ProjectRole::Admin), (A, ProjectRole::Viewer), (B, ProjectRole::Viewer)];
        let grants = Grants::new(Role::Member, given);
        assert_eq!((grants.in_project(A), grants.in_project(B)), (Some(ProjectRole::Admin), Some(ProjectRole::Member)));
    }

    #[test]
    fn what_is_not_seen_is_hidden_and_what_is_seen_refused() {
        let viewer = guest(ProjectRole::Viewer);
        assert_eq!(viewer.can(Action::Read, Object::Project(A)), Decision::Allowed);
        assert_eq!(viewer.can(Action::ChangeIssues, Object::Project(A)), Decision::Refused);
        for action in [Action::Read, Action::ChangeIssues, Action::ChangeMembers] {
            assert_eq!(viewer.can(action, Object::Project(B)), Decision::Hidden);
            assert_eq!(guest(ProjectRole::Admin).can(action, Object::Instance), Decision::Hidden);
        }
        assert_eq!(viewer.can(Action::ManagePeople, Object::Instance), Decision::Refused);
    }

    #[test]
    fn members_do_all_but_say_who_is_one_and_what_is_hidden() {
        for action in Action::ALL {
            let of = |role| guest(role).can(action, Object::Project(A)) == Decision::Allowed;
            let is_instance = matches!(
                action,
                Action::MakeProjects
                    | Action::ReadSystem
                    | Action::ReadAudit
                    | Action::ManageInstance
                    | Action::ManageTokens
                    | Action::ManagePeople
            );
            let is_admins = matches!(
                action,
                Action::ChangeMembers | Action::ChangePrivacy | Action::ChangeCommands | Action::ChangeTokens
            );
            assert_eq!(of(ProjectRole::Admin), !is_instance, "{action:?}");
            assert_eq!(of(ProjectRole::Member), !is_instance && !is_admins, "{action:?}");
            assert_eq!(of(ProjectRole::Viewer), action == Action::Read, "{action:?}");
            assert_eq!(guest(ProjectRole::Member).can_somewhere(action), of(ProjectRole::Member), "{action:?}");
        }
    }

    #[test]
    fn a_reach_is_never_widened_by_asking() {
        let reach = Reach::Projects(vec![A]);
        assert_eq!(reach.among(&[B]), Reach::Projects(vec![]));
        assert_eq!(reach.among(&[B, A, A]), Reach::Projects(vec![A]));
        assert_eq!(reach.among(&[]), reach);
        assert_eq!(Reach::All.among(&[B]), Reach::Projects(vec![B]));
        assert_eq!(Reach::Projects(vec![]).ids(), Some(vec![]));
        assert!(!reach.sees_what_serves(None) && reach.sees_what_serves(Some(A)) && Reach::All.sees_what_serves(None));
    }
}
