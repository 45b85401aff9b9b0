//! `firefinch team …`: people who are given projects together.

use anyhow::anyhow;
use engine::access::{Email, ProjectRole};
use serde_json::{Value, json};
use sqlx::PgConnection;
use store::StoreError;
use store::people::teams::{self, Team};
use time::OffsetDateTime;

use super::output::Output;
use super::{project, user, with_database};
use crate::config::Config;
use crate::database::Database;
use crate::error::Failure;

/// What can be done with teams.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List teams
    List,
    /// Make a team
    Create {
        /// Its name in addresses: lower-case letters, digits, - and _
        #[arg(long)]
        slug: String,
        /// Its name for people [default: the slug]
        #[arg(long)]
        name: Option<String>,
    },
    /// Remove a team; its people stay, without what it gave them
    Remove {
        /// Slug of the team
        team: String,
    },
    /// Take somebody into a team
    Add {
        /// Slug of the team
        team: String,
        /// Their e-mail address
        #[arg(long)]
        email: Email,
    },
    /// Take somebody out of a team
    Leave {
        /// Slug of the team
        team: String,
        /// Their e-mail address
        #[arg(long)]
        email: Email,
    },
    /// Give a project to a team
    Grant {
        /// Slug of the team
        team: String,
        /// Slug of the project
        #[arg(long)]
        project: String,
        /// What its people are there: admin, member or viewer
        #[arg(long)]
        role: ProjectRole,
    },
    /// Take a project back from a team
    Revoke {
        /// Slug of the team
        team: String,
        /// Slug of the project
        #[arg(long)]
        project: String,
    },
}

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    if let Command::List = command {
        let found = with_database(config, async |database| Ok(teams::list(&database.pool).await?)).await?;
        let lines: Vec<String> = found.iter().map(|team| format!("{}\t{}", team.slug, team.name)).collect();
        return output.answer(&found.iter().map(document).collect::<Vec<_>>(), &lines.join("\n"));
    }
    let told = with_database(config, async |database| {
        let mut tx = database.pool.begin().await.map_err(StoreError::from)?;
        let told = change(database, &mut tx, &command).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(told)
    })
    .await?;
    output.done(&json!({"done": told}), &told)
}

/// Does what was asked for; what that was, in words.
async fn change(database: &Database, tx: &mut PgConnection, command: &Command) -> Result<String, Failure> {
    let (done, told) = match command {
        Command::List => (true, String::new()),
        Command::Create { slug, name } => {
            teams::create(tx, (slug, name.as_ref().unwrap_or(slug)), OffsetDateTime::now_utc()).await?;
            (true, format!("made the team {slug}"))
        }
        Command::Remove { team } => {
            (teams::delete(tx, find(database, team).await?.id).await?, format!("removed the team {team}"))
        }
        Command::Add { team, email } => {
            let (id, user) = (find(database, team).await?.id, user::find(database, email).await?);
            (teams::add(tx, id, user.id).await?, format!("{} is in {team}", user.email))
        }
        Command::Leave { team, email } => {
            let (id, user) = (find(database, team).await?.id, user::find(database, email).await?);
            (teams::leave(tx, id, user.id).await?, format!("{} is not in {team} any more", user.email))
        }
        Command::Grant { team, project, role } => {
            let (id, project) = (find(database, team).await?.id, project::find(database, project).await?);
            (teams::grant(tx, id, project.id, *role).await?, format!("{team} is {role} of {}", project.slug))
        }
        Command::Revoke { team, project } => {
            let (id, project) = (find(database, team).await?.id, project::find(database, project).await?);
            (teams::revoke(tx, id, project.id).await?, format!("{team} has nothing of {} any more", project.slug))
        }
    };
    if done { Ok(told) } else { Err(anyhow!("nothing changed: it was so already").into()) }
}

async fn find(database: &Database, slug: &str) -> Result<Team, Failure> {
    let found = teams::by_slug(&database.pool, slug).await?;
    found.ok_or_else(|| Failure::Failed(anyhow!("there is no team {slug:?}")))
}

fn document(team: &Team) -> Value {
    json!({"slug": team.slug, "name": team.name, "people": team.people, "projects": team.projects})
}
