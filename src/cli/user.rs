//! `firefinch user …`: people who may sign in.

use std::io::Read;

use anyhow::{Context, anyhow};
use engine::access::{Email, Role};
use serde_json::{Value, json};
use store::StoreError;
use store::live;
use store::people::entries::{self, Invite};
use store::people::users::{self, NewUser, User};
use store::people::{factors, identities, tries};
use time::OffsetDateTime;

use super::output::Output;
use super::{public_url, with_database};
use crate::config::Config;
use crate::database::Database;
use crate::error::Failure;
use crate::passwords::{self, PASSWORD_BYTES_MAX};
use crate::secrets;

/// What can be done with people.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add somebody
    Create {
        /// Their e-mail address
        #[arg(long)]
        email: Email,
        /// What they may do in every project: owner, admin, member or viewer; a guest sees only those that name them
        #[arg(long)]
        role: Role,
        /// Their name
        #[arg(long, default_value = "")]
        name: String,
        /// Read their password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Change what somebody may do
    Role {
        /// Their e-mail address
        #[arg(long)]
        email: Email,
        /// owner, admin, member, viewer or guest
        #[arg(long)]
        role: Role,
    },
    /// Keep somebody out, and end their sessions; what they have and did stays
    Disable {
        /// Their e-mail address
        #[arg(long)]
        email: Email,
    },
    /// Let somebody in again
    Enable {
        /// Their e-mail address
        #[arg(long)]
        email: Email,
    },
    /// Print a link by which somebody makes their account, once
    Invite {
        /// Their e-mail address
        #[arg(long)]
        email: Email,
        /// What they will be: owner, admin, member, viewer or guest
        #[arg(long)]
        role: Role,
    },
    /// Print a link by which somebody chooses a new password, once
    Reset {
        /// Their e-mail address
        #[arg(long)]
        email: Email,
    },
    /// Let an account sign in again that was locked for too many wrong passwords
    Unlock {
        /// Their e-mail address
        #[arg(long)]
        email: Email,
    },
    /// Take the second factor of somebody away who has lost it, and end their sessions
    ResetSecondFactor {
        /// Their e-mail address
        #[arg(long)]
        email: Email,
    },
    /// Forget which account of the provider of identities somebody is; the next one with their address is them
    ForgetIdentity {
        /// Their e-mail address
        #[arg(long)]
        email: Email,
    },
    /// Say whether everybody who signs in with a password needs a second factor
    RequireSecondFactor {
        /// yes or no
        #[arg(value_parser = ["yes", "no"])]
        required: String,
    },
    /// Give somebody a new password, read from standard input
    Password {
        /// Their e-mail address
        #[arg(long)]
        email: Email,
    },
    /// Remove somebody for good; the issues that they have are with nobody then
    Remove {
        /// Their e-mail address
        #[arg(long)]
        email: Email,
    },
    /// List everybody
    List,
}

/// People are few; a bound all the same.
const LIST_MAX: i64 = 10_000;

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Create { email, role, name, password_stdin } => {
            // Before the database is opened, so that a bad password costs nothing.
            let password_hash = if password_stdin { Some(password_from_stdin().await?) } else { None };
            let user = with_database(config, async |database| {
                let new = NewUser {
                    email: &email,
                    name: &name,
                    role,
                    password_hash: password_hash.as_deref(),
                    now: OffsetDateTime::now_utc(),
                };
                Ok(users::create(&database.pool, new).await?)
            })
            .await?;
            let hint = match user.password_hash {
                Some(_) => String::new(),
                None => format!("; without a password yet: `firefinch user password --email {}`", user.email),
            };
            output.done(&document(&user), &format!("added {} as {}{hint}", user.email, user.role))
        }
        Command::Role { email, role } => {
            with_database(config, async |database| set_role(database, &email, role).await).await?;
            output.done(&json!({"email": email.as_str(), "role": role}), &format!("{} is {} now", email.as_str(), role))
        }
        Command::Disable { email } => set_disabled(config, &email, true, output).await,
        Command::Enable { email } => set_disabled(config, &email, false, output).await,
        Command::Invite { email, role } => invite(config, &email, role, output).await,
        Command::Reset { email } => reset(config, &email, output).await,
        Command::Unlock { email } => unlock(config, &email, output).await,
        Command::ResetSecondFactor { email } => reset_second_factor(config, &email, output).await,
        Command::ForgetIdentity { email } => forget_identity(config, &email, output).await,
        Command::RequireSecondFactor { required } => require_second_factor(config, required == "yes", output).await,
        Command::Password { email } => {
            let hash = password_from_stdin().await?;
            with_database(config, async |database| set_password(database, &email, &hash).await).await?;
            output.done(&json!({"email": email.as_str()}), "the password is changed")
        }
        Command::Remove { email } => {
            let given_back = with_database(config, async |database| remove(database, &email).await).await?;
            let told = match given_back {
                0 => String::new(),
                1 => "; 1 issue is with nobody now".to_owned(),
                many => format!("; {many} issues are with nobody now"),
            };
            let answer = json!({"email": email.as_str(), "issues_given_back": given_back});
            output.done(&answer, &format!("removed {}{told}", email.as_str()))
        }
        Command::List => {
            let users =
                with_database(config, async |database| Ok(users::list(&database.pool, None, LIST_MAX).await?)).await?;
            let lines: Vec<String> = users.iter().map(|user| format!("{}\t{}", user.email, user.role)).collect();
            output.answer(&users.iter().map(document).collect::<Vec<_>>(), &lines.join("\n"))
        }
    }
}

async fn invite(config: &Config, email: &Email, role: Role, output: Output) -> Result<(), Failure> {
    let secret = secrets::generate(secrets::Kind::Entry);
    let (projects, now) = (&[][..], OffsetDateTime::now_utc());
    let new = Invite { email, role, projects, by: None, hash: Some(&secret.hash), now };
    with_database(config, async |database| Ok(entries::invite(&database.pool, new).await?)).await?;
    link(config, email, &format!("join/{}", secret.text), output)
}

async fn reset(config: &Config, email: &Email, output: Output) -> Result<(), Failure> {
    let secret = secrets::generate(secrets::Kind::Entry);
    with_database(config, async |database| {
        let user = find(database, email).await?;
        Ok(entries::show_reset(&database.pool, &user, &secret.hash, OffsetDateTime::now_utc()).await?)
    })
    .await?;
    link(config, email, &format!("reset/{}", secret.text), output)
}

async fn reset_second_factor(config: &Config, email: &Email, output: Output) -> Result<(), Failure> {
    let had_one = with_database(config, async |database| {
        let user = find(database, email).await?;
        let mut tx = database.pool.begin().await.map_err(StoreError::from)?;
        let had_one = factors::reset(&mut tx, user.id).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(had_one)
    })
    .await?;
    let told = if had_one { "signs in with the password alone now" } else { "had no second factor" };
    output.done(&json!({"email": email.as_str(), "had_one": had_one}), &format!("{} {told}", email.as_str()))
}

async fn forget_identity(config: &Config, email: &Email, output: Output) -> Result<(), Failure> {
    let forgotten = with_database(config, async |database| {
        let user = find(database, email).await?;
        Ok(identities::forget(&database.pool, user.id).await?)
    })
    .await?;
    let told = if forgotten > 0 { "is no account of the provider any more" } else { "was no account of the provider" };
    output.done(&json!({"email": email.as_str(), "forgotten": forgotten}), &format!("{} {told}", email.as_str()))
}

async fn require_second_factor(config: &Config, is_required: bool, output: Output) -> Result<(), Failure> {
    with_database(config, async |database| Ok(factors::require(&database.pool, is_required).await?)).await?;
    let told = if is_required { "everybody needs a second factor now" } else { "nobody needs a second factor" };
    output.done(&json!({"second_factor_required": is_required}), told)
}

async fn unlock(config: &Config, email: &Email, output: Output) -> Result<(), Failure> {
    let email = email.as_str();
    let account = secrets::hash(&email.to_lowercase());
    let was_locked =
        with_database(config, async |database| Ok(tries::unlock(&database.pool, &account, email).await?)).await?;
    let told = if was_locked { "may try again" } else { "was not locked" };
    output.done(&json!({"email": email, "unlocked": was_locked}), &format!("{email} {told}"))
}

/// Prints a link that is shown once.
fn link(config: &Config, email: &Email, path: &str, output: Output) -> Result<(), Failure> {
    let link = format!("{}/{path}", public_url(config));
    output.say("give the link to them yourself: it is shown this once, and works once");
    output.answer(&json!({"email": email.as_str(), "link": link}), &link)
}

/// The person with an address, who must be there.
pub(super) async fn find(database: &Database, email: &Email) -> Result<User, Failure> {
    let user = users::by_email(&database.pool, email.as_str()).await?;
    Ok(user.with_context(|| format!("nobody has the address {}", email.as_str()))?)
}

async fn set_role(database: &Database, email: &Email, role: Role) -> Result<(), Failure> {
    let user = find(database, email).await?;
    let mut tx = database.pool.begin().await.map_err(StoreError::from)?;
    users::set_role(&mut tx, user.id, role).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(())
}

async fn set_disabled(config: &Config, email: &Email, is_out: bool, output: Output) -> Result<(), Failure> {
    with_database(config, async |database| {
        let user = find(database, email).await?;
        let mut tx = database.pool.begin().await.map_err(StoreError::from)?;
        users::set_disabled(&mut tx, user.id, is_out.then(OffsetDateTime::now_utc)).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    })
    .await?;
    let told = if is_out { "can no longer sign in" } else { "can sign in" };
    output.done(&json!({"email": email.as_str(), "disabled": is_out}), &format!("{} {told}", email.as_str()))
}

async fn set_password(database: &Database, email: &Email, hash: &str) -> Result<(), Failure> {
    let user = find(database, email).await?;
    users::set_password(&database.pool, user.id, hash).await?;
    // Whoever knew the old password is signed out.
    store::people::sessions::delete_of_user(&database.pool, user.id).await?;
    Ok(())
}

/// Removes a person; how many issues they had.
async fn remove(database: &Database, email: &Email) -> Result<usize, Failure> {
    let user = find(database, email).await?;
    let issues = users::remove(&database.pool, user.id, OffsetDateTime::now_utc()).await?;
    let issues = issues.ok_or_else(|| anyhow!("{} is gone already", email.as_str()))?;
    live::notify(&database.pool, &issues).await?;
    Ok(issues.len())
}

fn document(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "has_password": user.password_hash.is_some(),
        "disabled": user.disabled_at.is_some(),
    })
}

/// The first line of standard input, hashed.
async fn password_from_stdin() -> Result<String, Failure> {
    let hash = tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        let bytes_max = PASSWORD_BYTES_MAX as u64 + 2;
        std::io::stdin().lock().take(bytes_max).read_to_string(&mut text).context("cannot read standard input")?;
        let password = text.lines().next().unwrap_or_default();
        Ok::<_, anyhow::Error>(passwords::hash(password))
    });
    let hash = hash.await.context("the task that hashes the password ended")??;
    hash.map_err(|why| Failure::Failed(anyhow!(why)))
}
