//! Who hears of a signal: a pure function of the destinations and the people that there are.

use std::collections::{HashMap, HashSet};

use engine::ids::{DestinationId, ProjectId};
use sqlx::PgConnection;

use super::Signal;
use crate::StoreError;

/// Destinations that are looked at. People make tens of them.
const DESTINATIONS_MAX: i64 = 1000;

/// People that one mail destination may mean by "everybody who can sign in".
const MEMBERS_MAX: i64 = 5000;

/// Everybody who may hear of something.
#[derive(Debug, Clone, Default)]
pub(super) struct Audience {
    destinations: Vec<Listener>,
    members: Vec<String>,
    /// Addresses, in lower case, that want no mails of a project.
    mutes: HashSet<(ProjectId, String)>,
}

/// What of a destination decides whether it listens.
#[derive(Debug, Clone)]
struct Listener {
    id: DestinationId,
    project_id: Option<ProjectId>,
    mail: bool,
    to: Vec<String>,
    members: bool,
    fallback: bool,
    paced: bool,
    disabled: bool,
    signals: Vec<String>,
}

/// One delivery to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) signal_id: i64,
    pub(super) project_id: Option<ProjectId>,
    pub(super) destination_id: DestinationId,
    /// The one address of a mail; empty for other destinations.
    pub(super) recipient: String,
    pub(super) paced: bool,
}

impl Audience {
    pub(super) async fn load(connection: &mut PgConnection, projects: &[ProjectId]) -> Result<Self, StoreError> {
        let rows = sqlx::query!(
            r#"select id, project_id, kind, signals, paced, disabled_at is not null as "disabled!",
                 array(select jsonb_array_elements_text(
                     case jsonb_typeof(config -> 'to') when 'array' then config -> 'to' else '[]' end
                 )) as "to!",
                 (config ->> 'members') is not distinct from 'true' as "members!",
                 (config ->> 'fallback') is not distinct from 'true' as "fallback!"
             from destinations
             order by id
             limit $1"#,
            DESTINATIONS_MAX,
        )
        .fetch_all(&mut *connection)
        .await?;
        let destinations = rows.into_iter().map(|row| Listener {
            id: DestinationId(row.id),
            project_id: row.project_id.map(ProjectId),
            mail: row.kind == "mail",
            to: row.to,
            members: row.members,
            fallback: row.fallback,
            paced: row.paced,
            disabled: row.disabled,
            signals: row.signals,
        });
        let destinations = destinations.collect();
        let members =
            sqlx::query_scalar!("select email from users where disabled_at is null order by id limit $1", MEMBERS_MAX)
                .fetch_all(&mut *connection)
                .await?;
        let mutes = sqlx::query!(
            "select project_id, address from mail_mutes where project_id = any ($1)",
            &projects.iter().map(|id| id.get()).collect::<Vec<_>>(),
        )
        .fetch_all(connection)
        .await?;
        let mutes = mutes.into_iter().map(|row| (ProjectId(row.project_id), row.address)).collect();
        Ok(Self { destinations, members, mutes })
    }

    /// The deliveries of one signal. One address hears of it once, also when two destinations name it: the first one
    /// wins. `mail` says whether a mail server is configured.
    pub(super) fn of(&self, signal: &Signal, mail: bool) -> Vec<Wanted> {
        let mut wanted = HashMap::new();
        for (index, listener) in self.destinations.iter().enumerate() {
            if !self.listens(listener, signal, mail) {
                continue;
            }
            for recipient in self.recipients(listener) {
                let key = if listener.mail { recipient.to_lowercase() } else { listener.id.to_string() };
                if listener.mail && signal.project_id.is_some_and(|id| self.mutes.contains(&(id, key.clone()))) {
                    continue;
                }
                wanted.entry((listener.mail, key)).or_insert((index, recipient));
            }
        }
        let mut wanted: Vec<_> = wanted.into_values().collect();
        wanted.sort_unstable();
        let wanted = wanted.into_iter().map(|(index, recipient)| (&self.destinations[index], recipient));
        wanted
            .map(|(listener, recipient)| Wanted {
                signal_id: signal.id,
                project_id: signal.project_id,
                destination_id: listener.id,
                recipient: recipient.to_owned(),
                paced: listener.paced,
            })
            .collect()
    }

    fn listens(&self, listener: &Listener, signal: &Signal, mail: bool) -> bool {
        !listener.disabled
            && serves(listener, signal)
            && listener.signals.contains(&signal.kind)
            && (!listener.fallback || (mail && !self.is_chosen(signal)))
    }

    /// Whether somebody made a mail destination that serves the project, even a disabled one: whoever switched his
    /// mails off must not be answered with mails to everybody.
    fn is_chosen(&self, signal: &Signal) -> bool {
        self.destinations.iter().any(|other| other.mail && !other.fallback && serves(other, signal))
    }

    fn recipients<'a>(&'a self, listener: &'a Listener) -> Vec<&'a str> {
        if !listener.mail {
            return vec![""];
        }
        let members = if listener.members { &self.members[..] } else { &[] };
        listener.to.iter().chain(members).map(String::as_str).collect()
    }
}

fn serves(listener: &Listener, signal: &Signal) -> bool {
    listener.project_id.is_none() || listener.project_id == signal.project_id
}
