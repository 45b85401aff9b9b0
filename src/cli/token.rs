//! `firefinch token …`: tokens of the web API.

use anyhow::anyhow;
use engine::access::{Reach, Scope};
use engine::ids::TokenId;
use serde_json::{Value, json};
use store::people::tokens::{self, ApiToken, Filter, Listed, NewToken};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::output::Output;
use super::{public_url, with_database};
use crate::config::Config;
use crate::database::Database;
use crate::error::Failure;
use crate::secrets::{self, Kind};

/// What can be done with tokens.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a token and print it, once
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// What it may do (repeatable): org:read, org:write, org:ci, project:read, project:write,
        /// project:releases, event:read, event:write, event:admin
        #[arg(long = "scope", required_unless_present = "org_token")]
        scopes: Vec<Scope>,
        /// A token for build machines (sntrys_…) that carries the organization and the URL of this server,
        /// as sentry-cli reads them; with org:ci unless scopes are given
        #[arg(long, conflicts_with = "user_token")]
        org_token: bool,
        /// A token that looks like a person's (sntryu_…), for tools that insist on that
        #[arg(long)]
        user_token: bool,
        /// Let it work in this project only, by its slug (repeatable); without any, in all
        #[arg(long = "project")]
        projects: Vec<String>,
        /// Let it expire after so many days
        #[arg(long)]
        days: Option<u16>,
    },
    /// List tokens, without their secrets
    List,
    /// Take a token back
    Revoke {
        /// Its number in the list
        id: TokenId,
    },
}

/// Tokens are few; a bound all the same.
const LIST_MAX: i64 = 10_000;

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Create { name, mut scopes, org_token, user_token, projects, days } => {
            if scopes.is_empty() {
                scopes.push(Scope::OrgCi);
            }
            scopes.sort_unstable();
            scopes.dedup();
            let now = OffsetDateTime::now_utc();
            let secret = match (org_token, user_token) {
                (true, _) => secrets::organization_token(&public_url(config), &config.org_slug, now),
                (false, true) => secrets::user_token(),
                (false, false) => secrets::generate(Kind::ApiToken),
            };
            let expires_at = days.map(|days| now.saturating_add(Duration::days(days.into())));
            let token = with_database(config, async |database| {
                let reach = reach(database, &projects).await?;
                let (hash, hint) = (&secret.hash, &secret.hint());
                let new =
                    NewToken { name: &name, hash, hint, home: None, scopes: &scopes, reach: &reach, now, expires_at };
                Ok(tokens::create(&database.pool, new).await?)
            })
            .await?;
            output.say("keep the token: it is shown this once");
            let mut document = document(&token);
            document["token"] = secret.text.clone().into();
            output.answer(&document, &secret.text)
        }
        Command::List => {
            let now = OffsetDateTime::now_utc();
            let mut found = with_database(config, async |database| {
                Ok(tokens::list(&database.pool, Filter::default(), now, LIST_MAX).await?)
            })
            .await?;
            found.reverse();
            let lines: Vec<String> = found.iter().map(|listed| line(listed, now)).collect();
            output.answer(&found.iter().map(listed).collect::<Vec<_>>(), &lines.join("\n"))
        }
        Command::Revoke { id } => {
            let revoked = with_database(config, async |database| {
                Ok(tokens::revoke(&database.pool, id, None, OffsetDateTime::now_utc()).await?)
            })
            .await?;
            if !revoked {
                return Err(anyhow!("there is no token {id} that could be revoked").into());
            }
            output.done(&json!({"id": id.to_string(), "revoked": true}), "the token is revoked")
        }
    }
}

/// The projects of these slugs; all without any.
async fn reach(database: &Database, slugs: &[String]) -> Result<Reach, Failure> {
    let mut ids = Vec::with_capacity(slugs.len());
    for slug in slugs {
        ids.push(super::project::find(database, slug).await?.id);
    }
    Ok(Reach::All.among(&ids))
}

fn document(token: &ApiToken) -> Value {
    json!({
        "id": token.id.to_string(),
        "name": token.name,
        "scopes": token.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "projects": token.reach.ids().map(|ids| ids.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "created": token.created_at.format(&Rfc3339).ok(),
        "last_used": token.last_used_at.and_then(|at| at.format(&Rfc3339).ok()),
        "expires": token.expires_at.and_then(|at| at.format(&Rfc3339).ok()),
        "revoked": token.revoked_at.is_some(),
    })
}

fn listed(listed: &Listed) -> Value {
    let mut document = document(&listed.token);
    document["hint"] = listed.hint.clone().into();
    document["made_by"] = listed.maker.as_ref().map(|maker| maker.name.clone()).into();
    document["made_via"] = listed.maker.as_ref().map(|maker| maker.via.clone()).into();
    document["belongs_to"] = listed.home.map(|id| id.to_string()).into();
    document
}

fn line(listed: &Listed, now: OffsetDateTime) -> String {
    let token = &listed.token;
    let scopes = token.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ");
    let day = |at: OffsetDateTime| at.date().to_string();
    let used = token.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {}", day(at)));
    let ends = token.expires_at.map_or_else(|| "for good".to_owned(), |at| format!("until {}", day(at)));
    let place = match token.reach.ids() {
        None => "all projects".to_owned(),
        Some(ids) if ids.len() == 1 => "1 project".to_owned(),
        Some(ids) => format!("{} projects", ids.len()),
    };
    let (state, hint) = (token.state(now).as_str(), listed.hint.as_deref().unwrap_or("-"));
    let made = match &listed.maker {
        Some(maker) => format!("made {} by {maker}", day(token.created_at)),
        None => format!("made {}", day(token.created_at)),
    };
    format!("{}\t{state}\t{}\t{scopes}\t{place}\t{used}\t{ends}\t{hint}\t{made}", token.id, token.name)
}
