//! Settings of a provider of identities (OpenID Connect): `[oidc]` in the file, `FIREFINCH_OIDC_…`, `--oidc-…`.

use engine::access::Role;
use serde::Deserialize;
use url::Url;

use super::{Redacted, filled};
use crate::error::Failure;

/// Groups that are mapped at most: more belong into the provider.
const GROUPS_MAX: usize = 200;

/// As somebody wrote them or not.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default)]
#[command(next_help_heading = "Single sign-on (in the TOML file in the table [oidc], without oidc_)")]
pub struct OidcSettings {
    /// Address of an OpenID Connect provider to sign in with, exactly as it calls itself; no single sign-on without
    #[arg(id = "oidc_issuer", long = "oidc-issuer", global = true, env = "FIREFINCH_OIDC_ISSUER", value_name = "URL")]
    pub issuer: Option<String>,
    /// What the provider calls this Firefinch
    #[arg(
        id = "oidc_client_id",
        long = "oidc-client-id",
        global = true,
        env = "FIREFINCH_OIDC_CLIENT_ID",
        value_name = "ID"
    )]
    pub client_id: Option<String>,
    /// The secret that goes with it; none for a public client
    #[arg(
        id = "oidc_client_secret",
        long = "oidc-client-secret",
        global = true,
        env = "FIREFINCH_OIDC_CLIENT_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub client_secret: Option<Redacted>,
    /// What to ask for, beside openid [default: email profile]
    #[arg(
        id = "oidc_scopes",
        long = "oidc-scopes",
        global = true,
        env = "FIREFINCH_OIDC_SCOPES",
        value_name = "SCOPES"
    )]
    pub scopes: Option<String>,
    /// Name of the provider on the button [default: its host]
    #[arg(id = "oidc_name", long = "oidc-name", global = true, env = "FIREFINCH_OIDC_NAME", value_name = "NAME")]
    pub name: Option<String>,
    /// Claim that holds the groups of a person [default: groups]
    #[arg(
        id = "oidc_groups_claim",
        long = "oidc-groups-claim",
        global = true,
        env = "FIREFINCH_OIDC_GROUPS_CLAIM",
        value_name = "CLAIM"
    )]
    pub groups_claim: Option<String>,
    /// What groups are here, at each sign-in: GROUP=ROLE or GROUP=team:SLUG, separated by ;
    #[arg(
        id = "oidc_groups",
        long = "oidc-groups",
        global = true,
        env = "FIREFINCH_OIDC_GROUPS",
        value_name = "GROUPS"
    )]
    pub groups: Option<String>,
    /// Make an account for whoever the provider knows and nobody here [default: false]
    #[arg(id = "oidc_create", long = "oidc-create", global = true, env = "FIREFINCH_OIDC_CREATE", num_args = 0..=1, default_missing_value = "true")]
    pub create: Option<bool>,
    /// What those are whom no group makes something [default: guest]
    #[arg(id = "oidc_role", long = "oidc-role", global = true, env = "FIREFINCH_OIDC_ROLE", value_name = "ROLE")]
    pub role: Option<Role>,
    /// Let people sign in with passwords as well [default: true]
    #[arg(
        id = "oidc_passwords", long = "oidc-passwords",
        global = true,
        env = "FIREFINCH_OIDC_PASSWORDS",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub passwords: Option<bool>,
}

impl OidcSettings {
    /// These settings, and `other` where these are silent.
    #[must_use]
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            issuer: self.issuer.or(other.issuer),
            client_id: self.client_id.or(other.client_id),
            client_secret: self.client_secret.or(other.client_secret),
            scopes: self.scopes.or(other.scopes),
            name: self.name.or(other.name),
            groups_claim: self.groups_claim.or(other.groups_claim),
            groups: self.groups.or(other.groups),
            create: self.create.or(other.create),
            role: self.role.or(other.role),
            passwords: self.passwords.or(other.passwords),
        }
    }

    /// Checks them.
    pub(super) fn resolve(self) -> Result<Option<Oidc>, Failure> {
        let Some(issuer) = filled(self.issuer) else {
            let rest = [self.client_id.is_some(), self.groups.is_some(), self.passwords == Some(false)];
            return match rest.contains(&true) {
                true => Err(wrong("oidc_issuer is not set: without it there is no single sign-on to configure")),
                false => Ok(None),
            };
        };
        let url =
            Url::parse(&issuer).map_err(|error| wrong(&format!("oidc_issuer {issuer:?} is not a URL ({error})")))?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https"));
        let Some(host) = host else {
            return Err(wrong(&format!("oidc_issuer {issuer:?} needs http or https and a host")));
        };
        let client_id = filled(self.client_id).ok_or_else(|| {
            wrong("oidc_client_id is not set: the provider gives it when this Firefinch is registered there")
        })?;
        let scopes = filled(self.scopes).unwrap_or_else(|| "email profile".to_owned());
        Ok(Some(Oidc {
            name: filled(self.name).unwrap_or_else(|| host.to_owned()),
            issuer,
            client_id,
            client_secret: self.client_secret.filter(|secret| !secret.expose().is_empty()),
            scopes: scopes.split_whitespace().filter(|scope| *scope != "openid").map(str::to_owned).collect(),
            groups_claim: filled(self.groups_claim).unwrap_or_else(|| "groups".to_owned()),
            groups: read_groups(&self.groups.unwrap_or_default())?,
            create: self.create.unwrap_or(false),
            role: self.role.unwrap_or(Role::Guest),
            passwords: self.passwords.unwrap_or(true),
        }))
    }
}

/// A provider of identities.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// Its address, as it calls itself.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// What we show it.
    pub client_secret: Option<Redacted>,
    /// What we ask for, beside `openid`.
    pub scopes: Vec<String>,
    /// What people call it.
    pub name: String,
    /// The claim with the groups of a person.
    pub groups_claim: String,
    /// What groups are here.
    pub groups: Vec<(String, Becomes)>,
    /// Whether those whom nobody here knows get an account.
    pub create: bool,
    /// What those are whom no group makes something.
    pub role: Role,
    /// Whether passwords let in as well.
    pub passwords: bool,
}

impl Oidc {
    /// What somebody with these groups is on the instance: the strongest of what each makes them. `None` where no group
    /// makes anybody anything: then roles are given here.
    #[must_use]
    pub fn role_of(&self, groups: &[String]) -> Option<Role> {
        let mut roles = self.groups.iter().filter_map(|(group, becomes)| match becomes {
            Becomes::Role(role) => Some((group, *role)),
            Becomes::Team(_) => None,
        });
        let mut is_mapped = false;
        let own = roles.by_ref().inspect(|_| is_mapped = true).filter(|(group, _)| groups.contains(group));
        let strongest = own.map(|(_, role)| role).max();
        is_mapped.then(|| strongest.unwrap_or(self.role))
    }

    /// Teams that groups decide over, and whether somebody with these groups is in each.
    #[must_use]
    pub fn teams_of(&self, groups: &[String]) -> Vec<(String, bool)> {
        let mut teams: Vec<(String, bool)> = Vec::new();
        for (group, becomes) in &self.groups {
            let Becomes::Team(slug) = becomes else { continue };
            let is_in = groups.contains(group);
            match teams.iter_mut().find(|(known, _)| known == slug) {
                Some((_, already)) => *already |= is_in,
                None => teams.push((slug.clone(), is_in)),
            }
        }
        teams
    }
}

/// What a group of the provider is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Becomes {
    /// A role on the instance.
    Role(Role),
    /// A team, by its slug.
    Team(String),
}

/// `GROUP=ROLE; GROUP=team:SLUG`. Names of groups may hold `=` and `,` as those of directories do.
fn read_groups(text: &str) -> Result<Vec<(String, Becomes)>, Failure> {
    let rules = text.split([';', '\n']).map(str::trim).filter(|rule| !rule.is_empty());
    let rules: Vec<(String, Becomes)> = rules.map(read_group).collect::<Result<_, _>>()?;
    if rules.len() > GROUPS_MAX {
        return Err(wrong(&format!("oidc_groups maps {} groups; at most {GROUPS_MAX} can be", rules.len())));
    }
    Ok(rules)
}

fn read_group(rule: &str) -> Result<(String, Becomes), Failure> {
    let form = || wrong(&format!("oidc_groups: {rule:?} has to be GROUP=ROLE or GROUP=team:SLUG"));
    let (group, becomes) = rule.rsplit_once('=').ok_or_else(form)?;
    let (group, becomes) = (group.trim(), becomes.trim());
    if group.is_empty() || becomes.is_empty() {
        return Err(form());
    }
    let becomes = match becomes.strip_prefix("team:") {
        Some(slug) => Becomes::Team(slug.to_owned()),
        None => Becomes::Role(becomes.parse().map_err(|error| wrong(&format!("oidc_groups, {rule:?}: {error}")))?),
    };
    Ok((group.to_owned(), becomes))
}

fn wrong(text: &str) -> Failure {
    Failure::Usage(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(groups: &str) -> Result<Oidc, Failure> {
        let settings = OidcSettings {
            issuer: Some("https://id.example.org/realms/a".into()),
            client_id: Some("firefinch".into()),
            groups: Some(groups.into()),
            ..OidcSettings::default()
        };
        settings.resolve().map(Option::unwrap)
    }

    #[test]
    fn the_strongest_group_decides_and_without_one_the_default() {
        let oidc =
            resolved("boss=owner; dev=member; cn=ops,ou=groups=admin; dev=team:shop; ops=team:shop; x=team:y").unwrap();
        let groups = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(oidc.role_of(&groups(&["dev", "cn=ops,ou=groups"])), Some(Role::Admin));
        assert_eq!(oidc.role_of(&groups(&["boss", "dev"])), Some(Role::Owner));
        assert_eq!(oidc.role_of(&groups(&["none"])), Some(Role::Guest));
        assert_eq!(oidc.teams_of(&groups(&["ops"])), [("shop".to_owned(), true), ("y".to_owned(), false)]);
        let teams_only = resolved("dev=team:shop").unwrap();
        assert_eq!(teams_only.role_of(&groups(&["dev"])), None, "then roles are given here");
        assert_eq!((oidc.name.as_str(), oidc.scopes.len(), oidc.passwords), ("id.example.org", 2, true));
    }

    #[test]
    fn nonsense_is_refused_with_what_to_write() {
        for groups in ["dev", "dev=", "=member", "dev=boss"] {
            assert!(matches!(resolved(groups), Err(Failure::Usage(why)) if why.contains("oidc_groups")), "{groups}");
        }
        let of = |issuer: Option<&str>, client: Option<&str>| OidcSettings {
            issuer: issuer.map(str::to_owned),
            client_id: client.map(str::to_owned),
            ..OidcSettings::default()
        };
        assert!(of(None, None).resolve().unwrap().is_none());
        for (issuer, client) in
            [(None, Some("a")), (Some("id"), Some("a")), (Some("ldap://x"), Some("a")), (Some("https://x"), None)]
        {
            assert!(matches!(of(issuer, client).resolve(), Err(Failure::Usage(_))), "{issuer:?} {client:?}");
        }
    }
}
