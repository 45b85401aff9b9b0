//! `firefinch project member …`: who sees a project, and what they may do there.

use anyhow::anyhow;
use engine::access::{Email, ProjectRole};
use serde_json::{Value, json};
use store::StoreError;
use store::people::memberships::{self, Member};
use time::OffsetDateTime;

use super::output::Output;
use super::{project, user, with_database};
use crate::config::Config;
use crate::error::Failure;

/// What can be done with members.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List who sees a project, by what they are on the instance, by themselves, or by their teams
    List {
        /// Slug of the project
        project: String,
    },
    /// Give somebody a role in a project, in place of the one that they had
    Set {
        /// Slug of the project
        project: String,
        /// Their e-mail address
        #[arg(long)]
        email: Email,
        /// admin, member or viewer
        #[arg(long)]
        role: ProjectRole,
    },
    /// Take that back; what they are on the instance and by their teams stays
    Remove {
        /// Slug of the project
        project: String,
        /// Their e-mail address
        #[arg(long)]
        email: Email,
    },
}

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::List { project } => {
            let found = with_database(config, async |database| {
                let project = project::find(database, &project).await?;
                Ok(memberships::of_project(&database.pool, project.id).await?)
            })
            .await?;
            let lines: Vec<String> = found.iter().map(line).collect();
            output.answer(&found.iter().map(document).collect::<Vec<_>>(), &lines.join("\n"))
        }
        Command::Set { project, email, role } => {
            change(config, &project, &email, Some(role)).await?;
            let told = format!("{} is {role} of {project} now", email.as_str());
            output.done(&json!({"email": email.as_str(), "project": project, "role": role}), &told)
        }
        Command::Remove { project, email } => {
            change(config, &project, &email, None).await?;
            let told = format!("{} is no member of {project} any more", email.as_str());
            output.done(&json!({"email": email.as_str(), "project": project, "role": null}), &told)
        }
    }
}

async fn change(config: &Config, slug: &str, email: &Email, role: Option<ProjectRole>) -> Result<(), Failure> {
    with_database(config, async |database| {
        let project = project::find(database, slug).await?;
        let user = user::find(database, email).await?;
        let mut tx = database.pool.begin().await.map_err(StoreError::from)?;
        let done = match role {
            Some(role) => memberships::set(&mut tx, project.id, user.id, role, OffsetDateTime::now_utc()).await?,
            None => memberships::remove(&mut tx, project.id, user.id).await?,
        };
        if !done {
            return Err(anyhow!("{} was given no role of their own in {slug}", email.as_str()).into());
        }
        tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    })
    .await
}

fn document(member: &Member) -> Value {
    let teams: Vec<Value> = member.teams.iter().map(|(team, role)| json!({"team": team, "role": role})).collect();
    json!({
        "email": member.user.email,
        "name": member.user.name,
        "role": member.role(),
        "instance_role": member.user.role,
        "own_role": member.own,
        "teams": teams,
        "disabled": member.user.disabled_at.is_some(),
    })
}

fn line(member: &Member) -> String {
    let role = member.role().map_or_else(String::new, |role| role.to_string());
    format!("{}\t{role}\t{} of the instance", member.user.email, member.user.role)
}
