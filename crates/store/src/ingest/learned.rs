//! Messages whose words vary: which of a batch join an issue that another message founded.
//!
//! Owns the table `message_templates` and the one place where it is read and written: for events none
//! of whose keys has an owner, inside the batch's transaction, and when a project is grouped again. Writers of a project take turns here
//! (an advisory lock until they commit), so two of them cannot found one template twice; a batch in
//! which every key is known never comes here. What fits what is decided in
//! `engine::grouping::templates`, one message after the other in the order of the batch.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use engine::grouping::templates::{self, FreeText, Join, Placed, Template};
use engine::ids::ProjectId;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::plan::Owners;
use super::{NewEvent, NewKey, statements};
use crate::StoreError;

/// First number of the advisory locks of this module; the second one is the project. Locks with two
/// numbers never meet those with one.
const LOCK: i32 = 0x7e3b;

type Bucket = (ProjectId, [u8; 16]);

/// What the messages of a batch turned out to be.
#[derive(Debug, Default)]
pub(crate) struct Learned(HashMap<(ProjectId, [u8; 16]), Alias>);

/// A message that joins the issue of another.
#[derive(Debug)]
pub(crate) struct Alias {
    /// Its own key, with the reason.
    pub(crate) own: NewKey,
    /// The key of the message that founded the template.
    pub(crate) founder: NewKey,
}

impl Learned {
    /// The alias that a key of an event becomes, if the message fits a template.
    pub(super) fn alias(&self, event: &NewEvent) -> Option<&Alias> {
        event.keys.iter().find_map(|key| self.of_key(event.project_id, key.hash))
    }

    /// The alias that a key becomes, if its message fits a template.
    pub(crate) fn of_key(&self, project_id: ProjectId, key: [u8; 16]) -> Option<&Alias> {
        self.0.get(&(project_id, key))
    }
}

/// A message none of whose keys has an owner.
pub(crate) struct Unplaced<'a> {
    pub(crate) project_id: ProjectId,
    /// The key that is made of the text.
    pub(crate) key: &'a NewKey,
    pub(crate) text: &'a FreeText,
    /// When it arrived.
    pub(crate) at: OffsetDateTime,
}

/// Holds messages without an owner against the templates of their projects, and founds new ones.
/// Adds to `owners` those of the founders.
pub(super) async fn learn(
    tx: &mut PgConnection,
    events: &[&NewEvent],
    owners: &mut Owners,
) -> Result<Learned, StoreError> {
    let learned = place(tx, &without_owner(events, owners)).await?;
    let founders: HashSet<_> = learned.0.iter().map(|((id, _), alias)| (id.get(), alias.founder.hash)).collect();
    owners.extend(statements::owners_of(tx, founders).await?);
    Ok(learned)
}

/// Holds messages against the templates of their projects, one after the other, and founds new ones.
pub(crate) async fn place(tx: &mut PgConnection, wanted: &[Unplaced<'_>]) -> Result<Learned, StoreError> {
    if wanted.is_empty() {
        return Ok(Learned::default());
    }
    lock(tx, wanted).await?;
    let mut known = candidates(tx, wanted).await?;
    let mut learned = Learned::default();
    let mut changed: BTreeMap<(ProjectId, [u8; 16]), Row> = BTreeMap::new();
    for Unplaced { project_id, key, text, at } in wanted {
        let bucket = known.entry((*project_id, text.bucket)).or_default();
        let candidates = bucket.iter().take(templates::CANDIDATES_MAX);
        let template = match templates::place(text, candidates) {
            Placed::Join(join) => {
                let mut template = bucket.remove(join.candidate);
                template.template.clone_from(&join.template);
                if template.founder != key.hash {
                    learned.0.insert((*project_id, key.hash), alias(key, template.founder, &join));
                }
                template
            }
            Placed::Found => Template { founder: key.hash, template: text.template.clone() },
        };
        let row = Row { bucket: text.bucket, template: template.template.clone(), met_at: *at };
        changed.insert((*project_id, template.founder), row);
        // Those met last are tried first.
        bucket.insert(0, template);
    }
    save(tx, &changed).await?;
    Ok(learned)
}

struct Row {
    bucket: [u8; 16],
    template: String,
    met_at: OffsetDateTime,
}

fn alias(key: &NewKey, founder: [u8; 16], join: &Join) -> Alias {
    let mut explanation = serde_json::from_str(&key.explanation).unwrap_or_else(|_| serde_json::json!({}));
    if let serde_json::Value::Object(fields) = &mut explanation {
        fields.insert("joined".to_owned(), join.explain(founder));
    }
    let own = NewKey { explanation: explanation.to_string(), text: None, ..key.clone() };
    let founder = NewKey { hash: founder, variant: key.variant, explanation: "{}".to_owned(), owns: true, text: None };
    Alias { own, founder }
}

/// Each message of the batch that would open an issue, once.
fn without_owner<'a>(events: &[&'a NewEvent], owners: &Owners) -> Vec<Unplaced<'a>> {
    let mut seen = HashSet::new();
    let mut wanted = Vec::new();
    for event in events.iter().copied() {
        if event.keys.iter().any(|key| owners.contains_key(&(event.project_id, key.hash))) {
            continue;
        }
        for key in &event.keys {
            if let Some(text) = key.text.as_ref().filter(|_| seen.insert((event.project_id, key.hash))) {
                wanted.push(Unplaced { project_id: event.project_id, key, text, at: event.received_at });
            }
        }
    }
    wanted
}

async fn lock(tx: &mut PgConnection, wanted: &[Unplaced<'_>]) -> Result<(), StoreError> {
    let projects: BTreeSet<i64> = wanted.iter().map(|one| one.project_id.get()).collect();
    let projects: Vec<i64> = projects.into_iter().collect();
    // In the order of the projects, which is the same for every writer. Only a later statement sees what the
    // one who held the lock has committed.
    sqlx::query!(
        "select pg_advisory_xact_lock($2, (id % 2147483647)::int)
         from (select id from unnest($1::bigint[]) as p (id) order by id) p",
        &projects,
        LOCK
    )
    .fetch_all(tx)
    .await?;
    Ok(())
}

/// The templates that the messages may fit, those met last first.
async fn candidates(
    tx: &mut PgConnection,
    wanted: &[Unplaced<'_>],
) -> Result<HashMap<Bucket, Vec<Template>>, StoreError> {
    let buckets: BTreeSet<(i64, [u8; 16])> = wanted.iter().map(|one| (one.project_id.get(), one.text.bucket)).collect();
    let (projects, hashes): (Vec<i64>, Vec<Vec<u8>>) =
        buckets.into_iter().map(|(id, bucket)| (id, bucket.to_vec())).unzip();
    let limit = i64::try_from(templates::CANDIDATES_MAX).unwrap_or(i64::MAX);
    let rows = sqlx::query!(
        r#"select n.project_id as "project_id!", n.bucket as "bucket!", t.founder, t.template
         from unnest($1::bigint[], $2::bytea[]) as n (project_id, bucket)
         cross join lateral (
             select m.founder, m.template, m.met_at
             from message_templates m
             where m.project_id = n.project_id and m.bucket = n.bucket
             order by m.met_at desc, m.founder
             limit $3
         ) t
         order by n.project_id, n.bucket, t.met_at desc, t.founder"#,
        &projects,
        &hashes,
        limit
    )
    .fetch_all(tx)
    .await?;
    let mut known: HashMap<Bucket, Vec<Template>> = HashMap::new();
    for row in rows {
        let founder = sixteen("founder", row.project_id, &row.founder)?;
        let bucket = sixteen("bucket", row.project_id, &row.bucket)?;
        known
            .entry((ProjectId(row.project_id), bucket))
            .or_default()
            .push(Template { founder, template: row.template });
    }
    Ok(known)
}

fn sixteen(column: &'static str, project: i64, bytes: &[u8]) -> Result<[u8; 16], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Corrupt {
        table: "message_templates",
        column,
        row: format!("{project}/{}", hex::encode(bytes)),
        found: format!("{} bytes", bytes.len()),
    })
}

/// Writes what was founded or met, and drops what a project has too many of.
async fn save(tx: &mut PgConnection, changed: &BTreeMap<(ProjectId, [u8; 16]), Row>) -> Result<(), StoreError> {
    let projects: Vec<i64> = changed.keys().map(|(id, _)| id.get()).collect();
    let founders: Vec<Vec<u8>> = changed.keys().map(|(_, founder)| founder.to_vec()).collect();
    let buckets: Vec<Vec<u8>> = changed.values().map(|row| row.bucket.to_vec()).collect();
    let texts: Vec<&str> = changed.values().map(|row| row.template.as_str()).collect();
    let met: Vec<OffsetDateTime> = changed.values().map(|row| row.met_at).collect();
    sqlx::query!(
        "insert into message_templates as m (project_id, founder, bucket, template, met_at)
         select project_id, founder, bucket, template, met_at
         from unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::text[], $5::timestamptz[])
             as n (project_id, founder, bucket, template, met_at)
         order by project_id, founder
         on conflict (project_id, founder) do update
         set template = excluded.template, met_at = greatest(m.met_at, excluded.met_at)",
        &projects,
        &founders,
        &buckets,
        &texts as &[&str],
        &met,
    )
    .execute(&mut *tx)
    .await?;
    let projects: Vec<i64> = projects.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let kept = i64::try_from(templates::TEMPLATES_MAX).unwrap_or(i64::MAX);
    // Sorts the rows of a project, some thousand at most, in batches that bring new messages only.
    sqlx::query!(
        "delete from message_templates m
         using unnest($1::bigint[]) as n (project_id)
         cross join lateral (
             select o.founder
             from message_templates o
             where o.project_id = n.project_id
             order by o.met_at desc, o.founder
             offset $2
         ) old
         where m.project_id = n.project_id and m.founder = old.founder",
        &projects,
        kept
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}
