//! Changing the grouping of stored events: merging issues, splitting one by its keys, regrouping a project by the
//! rules of now, and undoing each of these.
//!
//! A change is a row of `regroupings`. It begins with one transaction that re-points the keys, so that events
//! that arrive from then on already go where they should; the stored events follow in bounded steps (`step`). Each
//! step is one transaction that moves some events with exactly their counters and users, and the place from
//! which the next step goes on. So a process may die at any moment, and several may work at one change.
//!
//! **The gate.** Every batch of ingest takes an advisory lock on each of its projects, shared; a step takes it alone.
//! No event is placed while keys move, and no step can deadlock with a writer.
//!
//! **What always holds**, between any two steps: `issues.events`, `issue_counts` and `issue_users` of every issue
//! agree with the stored events that name it (and with those that retention has dropped), and the issue that owns
//! the strongest key of an event (`events.hash`) holds the event, or will once the change that runs is done.

mod begin;
mod facts;
mod messages;
mod moves;
mod place;
mod plan;
mod prune;
mod replay;
mod restore;
mod rows;
mod run;
mod settle;
mod split;
mod step;
mod undo;
mod walk;

use engine::ids::{IssueId, ProjectId, RegroupingId, UserId};
use engine::payload::PayloadError;
use sqlx::PgConnection;
use time::OffsetDateTime;

pub use begin::{ISSUES_MAX, merge};
pub use prune::{UNDO_KEPT, prune};
pub use replay::regroup;
pub use rows::{claim, get, list, of_issue, release, take};
pub use run::{advance, advance_inline};
pub use split::{KEYS_MAX, split};
pub use step::{Stepped, step};
pub use undo::undo;

use crate::StoreError;

/// A stored event that cannot be read stays where it is. One whose payload was not kept is no trouble.
fn payload_trouble(event_id: impl std::fmt::Display, error: &PayloadError) {
    if *error != PayloadError::NotKept {
        tracing::warn!(%event_id, %error, "a stored event cannot be read");
    }
}

/// Added to a project's id, this is the key of its gate: an advisory lock. The upper half spells `FF`, so that it
/// meets no other lock of ours.
pub const GATE: i64 = 0x4646_0000_0000_0000;

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Several issues become one.
    Merge,
    /// A merge is undone.
    Unmerge,
    /// Keys of an issue become an issue of their own.
    Split,
    /// The events of a project are grouped again by the rules of now.
    Regroup,
    /// A regrouping is undone.
    Restore,
}

impl Kind {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Unmerge => "unmerge",
            Self::Split => "split",
            Self::Regroup => "regroup",
            Self::Restore => "restore",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Merge, Self::Unmerge, Self::Split, Self::Regroup, Self::Restore]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// Whether a change of this kind can be undone.
    #[must_use]
    pub const fn is_undoable(self) -> bool {
        matches!(self, Self::Merge | Self::Split | Self::Regroup)
    }
}

/// How far a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Steps are left.
    Running,
    /// Done.
    Done,
    /// Done, and undone by another change.
    Undone,
}

impl State {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Undone => "undone",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Running, Self::Done, Self::Undone].into_iter().find(|state| state.as_str() == name)
    }
}

/// A change of the grouping.
#[derive(Debug, Clone, PartialEq)]
pub struct Regrouping {
    /// Its id.
    pub id: RegroupingId,
    /// Its project.
    pub project_id: ProjectId,
    /// What it does.
    pub kind: Kind,
    /// The issue that the others join or that events leave; none for a whole project.
    pub issue_id: Option<IssueId>,
    /// How far it is.
    pub state: State,
    /// The change that it undoes.
    pub undoes: Option<RegroupingId>,
    /// Who asked for it; none for a token or a command.
    pub user_id: Option<UserId>,
    /// Why, in one sentence.
    pub reason: String,
    /// Events looked at so far.
    pub walked: i64,
    /// Events to look at; an estimate until it is done.
    pub total: i64,
    /// Events moved so far.
    pub moved: i64,
    /// Why the last step failed; it is tried again.
    pub error: Option<String>,
    /// Issues that were merged away, made, or brought back.
    pub issues: Vec<IssueId>,
    /// When it began.
    pub created_at: OffsetDateTime,
    /// When it ended.
    pub finished_at: Option<OffsetDateTime>,
    /// What is needed to undo it was deleted.
    pub is_forgotten: bool,
}

impl Regrouping {
    /// Whether it can be undone now.
    #[must_use]
    pub fn is_undoable(&self) -> bool {
        // What undid something is not undone: that is done again.
        self.state == State::Done && self.kind.is_undoable() && self.undoes.is_none() && !self.is_forgotten
    }

    /// Until when it can be undone, where that has an end.
    #[must_use]
    pub fn undoable_until(&self) -> Option<OffsetDateTime> {
        let ends = self.is_undoable() && self.kind == Kind::Regroup;
        self.finished_at.filter(|_| ends).map(|at| at + UNDO_KEPT)
    }
}

/// Who asks for a change, why and when.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The person; none for a token or a command.
    pub user: Option<UserId>,
    /// Why, in one sentence that people read in the activity.
    pub reason: &'a str,
    /// When.
    pub at: OffsetDateTime,
}

/// Keeps steps of a change out of a project until the transaction ends, as a batch of ingest does.
pub(crate) async fn keep_steps_out(tx: &mut PgConnection, project_id: ProjectId) -> Result<(), StoreError> {
    sqlx::query("select pg_advisory_xact_lock_shared($1)").bind(GATE + project_id.get()).execute(tx).await?;
    Ok(())
}

/// Waits until no batch of ingest is under way in a project, and keeps others out until the transaction ends.
async fn close_gate(tx: &mut PgConnection, project_id: ProjectId) -> Result<(), StoreError> {
    sqlx::query("select pg_advisory_xact_lock($1)").bind(GATE + project_id.get()).execute(&mut *tx).await?;
    crate::projects::next_generation(tx, &[project_id.get()]).await?;
    keep_to_indexes(tx).await
}

/// The statements of a step look rows up by key; a plan made while a table was small would read all of it. And one that
/// takes heap pages for dear walks all events of the project for those of one issue.
pub(crate) async fn keep_to_indexes(tx: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query(
        "select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
             set_config('enable_mergejoin', 'off', true), set_config('random_page_cost', '1.1', true)",
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}
