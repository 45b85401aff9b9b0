//! Who hears of a signal: a pure function of the rules, the destinations and the people that there are.

use std::collections::{HashMap, HashSet};

use engine::alert::rule::Seen;
use engine::alert::wishes::Ruling;
use engine::ids::{DestinationId, ProjectId};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::Signal;
use super::preview::Candidate;
use super::rules::{self, AlertRule};
use super::wishes::People;
use crate::StoreError;

/// Destinations that are looked at. People make tens of them.
const DESTINATIONS_MAX: i64 = 1000;

/// People that one mail destination may mean by "everybody who sees the project".
pub(super) const MEMBERS_MAX: i64 = 5000;

/// Everybody who may hear of something.
#[derive(Debug, Clone, Default)]
pub(super) struct Audience {
    rules: Vec<AlertRule>,
    destinations: HashMap<DestinationId, Listener>,
    members: Vec<Member>,
    /// Addresses, in lower case, that want no mails of a project.
    mutes: HashSet<(ProjectId, String)>,
    people: People,
}

/// Somebody who can sign in.
#[derive(Debug, Clone)]
struct Member {
    email: String,
    /// Sees every project.
    everywhere: bool,
    /// Those of the projects in question that they were given.
    projects: Vec<i64>,
}

impl Member {
    /// Whether they may know of something in a project, or on the instance where there is none.
    fn sees(&self, project: Option<ProjectId>) -> bool {
        self.everywhere || project.is_some_and(|id| self.projects.contains(&id.get()))
    }
}

/// What of a destination decides who hears.
#[derive(Debug, Clone)]
struct Listener {
    /// It hears of this project only; `None` for all.
    project_id: Option<ProjectId>,
    mail: bool,
    to: Vec<String>,
    members: bool,
    owners: bool,
    paced: bool,
    disabled: bool,
}

/// One delivery to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) signal_id: i64,
    pub(super) project_id: Option<ProjectId>,
    pub(super) rule_id: i64,
    pub(super) destination_id: DestinationId,
    /// The one address of a mail; empty for other destinations.
    pub(super) recipient: String,
    pub(super) paced: bool,
    pub(super) ruling: Ruling,
}

impl Listener {
    fn hears(&self, seen: &Seen) -> bool {
        !self.disabled && (self.project_id.is_none() || self.project_id == seen.project)
    }
}

impl Audience {
    pub(super) async fn load(connection: &mut PgConnection, projects: &[ProjectId]) -> Result<Self, StoreError> {
        let rules = rules::load(connection, Some(projects)).await?;
        let rows = sqlx::query!(
            r#"select id, project_id, kind, paced, disabled_at is not null as "disabled!",
                 array(select jsonb_array_elements_text(
                     case jsonb_typeof(config -> 'to') when 'array' then config -> 'to' else '[]' end
                 )) as "to!",
                 (config ->> 'members') is not distinct from 'true' as "members!",
                 (config ->> 'owners') is not distinct from 'true' as "owners!"
             from destinations
             order by id
             limit $1"#,
            DESTINATIONS_MAX,
        )
        .fetch_all(&mut *connection)
        .await?;
        let destinations = rows.into_iter().map(|row| {
            let listener = Listener {
                project_id: row.project_id.map(ProjectId),
                mail: row.kind == "mail",
                // For what has no owner there has to be somebody.
                members: row.members || (row.owners && row.to.is_empty()),
                to: row.to,
                owners: row.owners,
                paced: row.paced,
                disabled: row.disabled,
            };
            (DestinationId(row.id), listener)
        });
        let destinations = destinations.collect();
        let ids: Vec<i64> = projects.iter().map(|id| id.get()).collect();
        let members = sqlx::query_as!(
            Member,
            r#"select u.email, u.role <> 'guest' as "everywhere!",
                 array(select g.project_id from project_grants g where g.user_id = u.id and g.project_id = any ($2))
                     as "projects!: Vec<i64>"
             from users u
             where u.disabled_at is null
             order by u.id
             limit $1"#,
            MEMBERS_MAX,
            &ids,
        )
        .fetch_all(&mut *connection)
        .await?;
        let mutes = sqlx::query!("select project_id, address from mail_mutes where project_id = any ($1)", &ids,)
            .fetch_all(&mut *connection)
            .await?;
        let mutes = mutes.into_iter().map(|row| (ProjectId(row.project_id), row.address)).collect();
        let people = People::load(connection, projects).await?;
        Ok(Self { rules, destinations, members, mutes, people })
    }

    /// The deliveries of one signal at `now`. One address hears of it once, also when two rules or destinations name it:
    /// the first one wins. `mail` says whether a mail server is configured.
    pub(super) fn of(&self, signal: &Signal, mail: bool, now: OffsetDateTime) -> Vec<Wanted> {
        let seen = Seen::read(&signal.kind, signal.project_id, &signal.facts);
        let mut wanted: HashMap<(bool, String), (i64, DestinationId, &str)> = HashMap::new();
        for rule in self.rules.iter().filter(|rule| self.applies(rule, &seen, mail)) {
            for (id, listener) in self.listeners(rule).filter(|(_, listener)| listener.hears(&seen)) {
                for recipient in self.recipients(listener, &seen) {
                    wanted.entry(self.identity(id, listener, recipient)).or_insert((rule.id, id, recipient));
                }
            }
        }
        let mut wanted: Vec<_> = wanted.into_iter().collect();
        wanted.sort_unstable_by_key(|(_, one)| *one);
        wanted
            .into_iter()
            .map(|((mail, _), (rule_id, destination_id, recipient))| Wanted {
                signal_id: signal.id,
                project_id: signal.project_id,
                rule_id,
                destination_id,
                recipient: if mail { self.people.address(recipient) } else { recipient }.to_owned(),
                paced: self.destinations.get(&destination_id).is_some_and(|listener| listener.paced),
                ruling: self.ruling(&seen, recipient, mail, now),
            })
            .collect()
    }

    /// What becomes of a signal for one recipient, of a mail or of anything else.
    fn ruling(&self, seen: &Seen, recipient: &str, mail: bool, now: OffsetDateTime) -> Ruling {
        if let Some(reason) = seen.suppressed() {
            return Ruling::Suppress { reason };
        }
        if mail && let Some(reason) = self.muted(seen.project, recipient) {
            return Ruling::Suppress { reason };
        }
        let wishes = if mail { self.people.wishes(recipient, seen.project) } else { None };
        wishes.map_or(Ruling::Tell, |wishes| wishes.of(seen.kind, now))
    }

    /// Why an address is told nothing of the project: it was stopped itself, or the one was that its mails go to.
    fn muted(&self, project: Option<ProjectId>, recipient: &str) -> Option<String> {
        let project = project?;
        let is_muted = |address: &str| self.mutes.contains(&(project, address.to_lowercase()));
        (is_muted(recipient) || is_muted(self.people.address(recipient)))
            .then(|| "this address stopped mails of this project".to_owned())
    }

    /// Has a rule among the others, at its place and switched on; returns its id.
    pub(super) fn try_out(&mut self, candidate: &Candidate) -> i64 {
        let known = candidate.id.and_then(|id| self.rules.iter().position(|rule| rule.id == id));
        let destinations = candidate.destinations.iter().map(|id| (*id, String::new())).collect();
        let rule = AlertRule {
            // A new rule comes after all others.
            id: candidate.id.unwrap_or(i64::MAX),
            name: String::new(),
            rule: candidate.rule.clone(),
            project: None,
            destinations,
            fallback: known.is_some_and(|at| self.rules[at].fallback),
            disabled_at: None,
            created_at: OffsetDateTime::UNIX_EPOCH,
        };
        let id = rule.id;
        match known {
            Some(at) => self.rules[at] = rule,
            None => {
                let at = self.rules.partition_point(|other| other.id < id);
                self.rules.insert(at, rule);
            }
        }
        id
    }

    /// Recipients that a rule alone has for a signal; `None` when it does not want it.
    pub(super) fn reach(&self, id: i64, seen: &Seen) -> Option<usize> {
        let rule = self.rules.iter().find(|rule| rule.id == id).filter(|rule| self.applies(rule, seen, true))?;
        let mut recipients: HashSet<(bool, String)> = HashSet::new();
        for (id, listener) in self.listeners(rule).filter(|(_, listener)| listener.hears(seen)) {
            recipients.extend(self.recipients(listener, seen).into_iter().map(|to| self.identity(id, listener, to)));
        }
        Some(recipients.len())
    }

    /// Whose hour a delivery counts against: as `compose` says it.
    pub(super) fn person(&self, wanted: &Wanted) -> String {
        let is_mail = self.destinations.get(&wanted.destination_id).is_some_and(|listener| listener.mail);
        super::compose::person(is_mail, &wanted.recipient, wanted.destination_id)
    }

    /// What tells one recipient from another: the address that mails go to, or the destination.
    fn identity(&self, id: DestinationId, listener: &Listener, recipient: &str) -> (bool, String) {
        let name = if listener.mail { self.people.address(recipient).to_lowercase() } else { id.to_string() };
        (listener.mail, name)
    }

    fn applies(&self, rule: &AlertRule, seen: &Seen, mail: bool) -> bool {
        rule.disabled_at.is_none() && rule.rule.wants(seen) && (!rule.fallback || (mail && !self.is_chosen(seen)))
    }

    /// Whether somebody made a rule that mails for the project, even a disabled one, or one to a disabled destination:
    /// whoever switched his mails off must not be answered with mails to everybody.
    fn is_chosen(&self, seen: &Seen) -> bool {
        let mails = |rule: &AlertRule| self.listeners(rule).any(|(_, listener)| listener.mail);
        self.rules.iter().any(|rule| !rule.fallback && rule.rule.serves(seen) && mails(rule))
    }

    /// Whoever has the issue, else its first owner, if they can sign in and see the project.
    fn owner(&self, seen: &Seen) -> Option<&str> {
        let is_here = |owner: &String| self.members_of(seen).find(|email| email.to_lowercase() == *owner);
        seen.owners.iter().find_map(is_here)
    }

    /// Those who may know of it.
    fn members_of(&self, seen: &Seen) -> impl Iterator<Item = &str> {
        let project = seen.project;
        self.members.iter().filter(move |member| member.sees(project)).map(|member| member.email.as_str())
    }

    fn listeners(&self, rule: &AlertRule) -> impl Iterator<Item = (DestinationId, &Listener)> {
        rule.destinations.iter().filter_map(|(id, _)| self.destinations.get(id).map(|listener| (*id, listener)))
    }

    fn recipients<'a>(&'a self, listener: &'a Listener, seen: &Seen) -> Vec<&'a str> {
        if !listener.mail {
            return vec![""];
        }
        if listener.owners
            && let Some(owner) = self.owner(seen)
        {
            return vec![owner];
        }
        let members = listener.members.then(|| self.members_of(seen)).into_iter().flatten();
        listener.to.iter().map(String::as_str).chain(members).collect()
    }
}
