//! Changes that calls ask for, applied: shared by the update of one issue and of many.

use engine::access::Scope;
use engine::ids::{IssueId, ProjectId};
use engine::issue::{Fix, Signal};
use serde_json::Value;
use store::activity::Actor;
use store::lifecycle::{self, By, Relative};
use store::people::memberships;
use store::people::users::User;
use store::{commits, live, releases};

use super::assigned::{self, AssignedTo};
use super::call::Call;
use super::error::ApiError;
use super::status::{Change, Next, ResolvedIn};

type Issues = [(ProjectId, IssueId)];

/// An update as a body asks for it: what becomes of the state, and who gets the issues.
pub(super) struct Update {
    pub(super) change: Change,
    /// The person, or nobody; none when it says nothing of that.
    assign: Option<Option<User>>,
}

impl Update {
    /// Reads the body, and finds whom it names.
    pub(super) async fn read(call: &Call) -> Result<Self, ApiError> {
        let body = call.body()?;
        let change = Change::read(&body, call.now)?;
        let assign = match AssignedTo::read(&body)? {
            Some(to) => Some(to.find(call).await?),
            None => None,
        };
        Ok(Self { change, assign })
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.change == Change::Nothing && self.assign.is_none()
    }

    /// Refuses what cannot be done to issues of these projects, as far as they are known.
    pub(super) async fn check(&self, call: &Call, projects: &[ProjectId]) -> Result<(), ApiError> {
        if let Some(Some(user)) = &self.assign
            && let Some(why) = memberships::why_no_issues(&call.api().pool, user, projects).await?
        {
            return Err(ApiError::BadRequest(format!("assignedTo: {why}")));
        }
        let one = projects.first().filter(|one| projects.iter().all(|id| id == *one));
        check(call, &self.change, one.copied()).await
    }

    /// Applies what was checked.
    pub(super) async fn apply(&self, call: &Call, issues: &Issues) -> Result<(), ApiError> {
        apply(call, &self.change, issues).await?;
        match &self.assign {
            Some(to) => assigned::assign(call, to.as_ref(), issues).await,
            None => Ok(()),
        }
    }

    /// What a bulk update answers: the attributes that were applied.
    pub(super) fn applied(&self) -> Value {
        let mut applied = self.change.applied();
        if let Some(to) = &self.assign {
            applied["assignedTo"] = to.as_ref().map_or(Value::Null, |user| {
                assigned::shape(&Actor { id: user.id, name: user.name.clone(), email: user.email.clone() })
            });
        }
        applied
    }
}

/// Refuses what the call may not do, and releases that the project does not have. `project` is the one project whose
/// issues are changed, if it is one.
async fn check(call: &Call, change: &Change, project: Option<ProjectId>) -> Result<(), ApiError> {
    if *change == Change::Discard && !call.token.allows(Scope::EventAdmin) {
        return Err(ApiError::Forbidden);
    }
    if !change.is_release_bound() {
        return Ok(());
    }
    let Some(project) = project else {
        return Err(ApiError::bad_request("Releases belong to a project: select issues of one project"));
    };
    let pool = &call.api().pool;
    let missing = match change {
        Change::Resolve(ResolvedIn::Release(name)) if !releases::exists(pool, project, name).await? => {
            format!("The project has no release {name:.200}")
        }
        Change::Resolve(ResolvedIn::Latest | ResolvedIn::Next(Next::Plain | Next::Upcoming))
            if !releases::any(pool, project).await? =>
        {
            "The project has no release yet".to_owned()
        }
        _ => return Ok(()),
    };
    Err(ApiError::BadRequest(missing))
}

/// Applies a change that was checked.
async fn apply(call: &Call, change: &Change, issues: &Issues) -> Result<(), ApiError> {
    let pool = &call.api().pool;
    let resolve = |fix| Signal::Resolve { fix, commit: None };
    let signal = match change {
        Change::Nothing => return Ok(()),
        Change::Resolve(ResolvedIn::Latest) => return relative(call, issues, Relative::Current).await,
        Change::Resolve(ResolvedIn::Next(_)) => return relative(call, issues, Relative::Next).await,
        Change::Resolve(ResolvedIn::Now) => resolve(Fix::Now),
        Change::Resolve(ResolvedIn::Release(release)) => resolve(Fix::In(release.clone())),
        Change::Resolve(ResolvedIn::Commit(commit)) => {
            let by = By { user: None, at: call.now };
            let changed = commits::resolve_by(pool, issues, commit, by).await?;
            return Ok(live::notify(pool, &changed).await?);
        }
        Change::Reopen => Signal::Reopen,
        Change::Ignore(terms) => Signal::Ignore(terms.clone()),
        Change::Discard => Signal::Discard,
    };
    let changed = lifecycle::apply(pool, issues, &signal, None, call.now).await?;
    live::notify(pool, &changed).await?;
    Ok(())
}

/// Deletes issues with their events; those that are no more are left out.
pub(super) async fn delete(call: &Call, issues: &Issues) -> Result<(), ApiError> {
    let pool = &call.api().pool;
    let changed = lifecycle::apply(pool, issues, &Signal::Delete, None, call.now).await?;
    live::notify(pool, &changed).await?;
    Ok(())
}

async fn relative(call: &Call, issues: &Issues, relative: Relative) -> Result<(), ApiError> {
    let pool = &call.api().pool;
    let by = By { user: None, at: call.now };
    let changed = lifecycle::resolve_relative(pool, issues, relative, by).await?;
    live::notify(pool, &changed).await?;
    Ok(())
}
