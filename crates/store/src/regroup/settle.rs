//! The moment at which a regrouping takes hold: keys get their owners, new issues are made, and issues that will
//! be left without events lead to where these go. From then on events that arrive go where they should.

use std::collections::HashMap;

use engine::ids::{IssueId, ShortId};
use engine::issue::Signal;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::plan::{self, Bunch, Hash, Plan, Target};
use super::step::{Held, Stepped};
use super::{Asked, facts, messages, split};
use crate::StoreError;

/// Makes the plan and lets it take hold, in one transaction.
pub(super) async fn settle(tx: &mut PgConnection, held: &Held, at: OffsetDateTime) -> Result<Stepped, StoreError> {
    messages::learn(tx, held).await?;
    let bunches = bunches(tx, held).await?;
    let owners = owners(tx, held).await?;
    let plan = plan::plan(&bunches, &owners);
    let asked = Asked { user: held.user, reason: "The project was regrouped.", at };
    let new = make_issues(tx, held, &plan, &asked).await?;
    let id = |target: Target| match target {
        Target::Known(id) => id,
        Target::New(number) => new.get(number).copied().unwrap_or(IssueId(0)),
    };
    claim(tx, held, &bunches, &plan, id, at).await?;
    let emptied: Vec<(IssueId, IssueId)> = plan.emptied.iter().map(|(issue, target)| (*issue, id(*target))).collect();
    lead_away(tx, held, &emptied, &asked).await?;
    let issues: Vec<i64> = bunches.iter().map(|bunch| bunch.issue.get()).collect();
    let hashes: Vec<Vec<u8>> = bunches.iter().map(strongest).collect();
    let targets: Vec<i64> = plan.targets.iter().map(|target| id(*target).get()).collect();
    sqlx::query!(
        "update regrouping_targets t
         set target = n.target
         from unnest($3::bigint[], $4::bytea[], $5::bigint[]) as n (issue_id, hash, target)
         where t.project_id = $1 and t.regrouping_id = $2 and t.issue_id = n.issue_id and t.hash = n.hash",
        held.project_id.get(),
        held.id.get(),
        &issues,
        &hashes,
        &targets,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("update regroupings set phase = 'move' where id = $1", held.id.get()).execute(tx).await?;
    let touched = emptied.iter().map(|(issue, _)| (held.project_id, *issue)).collect();
    Ok(Stepped { is_done: false, touched })
}

fn strongest(bunch: &Bunch) -> Vec<u8> {
    bunch.keys.iter().find(|(_, owns)| *owns).map(|(key, _)| key.to_vec()).unwrap_or_default()
}

/// What was learned of the events. One row per issue and strongest key: far fewer than events.
async fn bunches(tx: &mut PgConnection, held: &Held) -> Result<Vec<Bunch>, StoreError> {
    let rows = sqlx::query!(
        r#"select t.issue_id, t.events,
             array(select decode(k ->> 'hash', 'hex') from jsonb_array_elements(t.keys) with ordinality as a (k, n)
                 order by n) as "hashes!",
             array(select (k ->> 'owns')::boolean from jsonb_array_elements(t.keys) with ordinality as a (k, n)
                 order by n) as "owns!"
         from regrouping_targets t
         where t.project_id = $1 and t.regrouping_id = $2
         order by t.issue_id, t.hash"#,
        held.project_id.get(),
        held.id.get(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Bunch {
            issue: IssueId(row.issue_id),
            events: row.events,
            keys: row.hashes.iter().filter_map(|hash| Hash::try_from(hash.as_slice()).ok()).zip(row.owns).collect(),
        })
        .collect())
}

/// The present owners of all keys that were found.
async fn owners(tx: &mut PgConnection, held: &Held) -> Result<HashMap<Hash, IssueId>, StoreError> {
    let rows = sqlx::query!(
        "with found as materialized (
             select distinct decode(k ->> 'hash', 'hex') as hash
             from regrouping_targets t
             cross join lateral jsonb_array_elements(t.keys) as k
             where t.project_id = $1 and t.regrouping_id = $2
         )
         select h.hash, h.issue_id
         from found
         join issue_hashes h on h.project_id = $1 and h.hash = found.hash",
        held.project_id.get(),
        held.id.get(),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().filter_map(|row| Some((Hash::try_from(row.hash).ok()?, IssueId(row.issue_id)))).collect())
}

/// Makes the new issues, each modelled on the one that most of its events come from.
async fn make_issues(
    tx: &mut PgConnection,
    held: &Held,
    plan: &Plan,
    asked: &Asked<'_>,
) -> Result<Vec<IssueId>, StoreError> {
    let made: Vec<IssueId> = split::copy(tx, held.project_id, &plan.new).await?.into_iter().map(|(id, _)| id).collect();
    let said = "Became an issue of its own: the project was regrouped.".to_owned();
    facts::tell_each(tx, held.project_id, "regrouped", made.iter().map(|id| (*id, said.clone())).collect(), asked)
        .await?;
    let ids: Vec<i64> = made.iter().map(|id| id.get()).collect();
    sqlx::query!(
        "insert into regrouping_issues (project_id, regrouping_id, issue_id, made)
         select $1, $2, issue_id, true
         from unnest($3::bigint[]) as n (issue_id)",
        held.project_id.get(),
        held.id.get(),
        &ids,
    )
    .execute(tx)
    .await?;
    Ok(made)
}

/// Gives new keys their owners.
async fn claim(
    tx: &mut PgConnection,
    held: &Held,
    bunches: &[Bunch],
    plan: &Plan,
    id: impl Fn(Target) -> IssueId,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let hashes: Vec<Vec<u8>> = plan.claims.iter().map(|(hash, ..)| hash.to_vec()).collect();
    let issues: Vec<i64> = plan.claims.iter().map(|(_, bunch, _)| bunches[*bunch].issue.get()).collect();
    let bunch_hashes: Vec<Vec<u8>> = plan.claims.iter().map(|(_, bunch, _)| strongest(&bunches[*bunch])).collect();
    let targets: Vec<i64> = plan.claims.iter().map(|(_, _, target)| id(*target).get()).collect();
    sqlx::query!(
        "with claimed as (
             insert into issue_hashes (project_id, hash, issue_id, variant, explanation, created_at, came_with)
             select $1, n.hash, n.target, k ->> 'variant', k -> 'explanation', $7, n.bunch
             from unnest($3::bytea[], $4::bigint[], $5::bytea[], $6::bigint[]) as n (hash, issue_id, bunch, target)
             cross join lateral (
                 select keys
                 from regrouping_targets
                 where project_id = $1 and regrouping_id = $2 and issue_id = n.issue_id and hash = n.bunch
                 limit 1
             ) t
             cross join lateral jsonb_array_elements(t.keys) as k
             where k ->> 'hash' = encode(n.hash, 'hex')
             on conflict do nothing
             returning hash, issue_id
         )
         insert into regrouping_keys (project_id, regrouping_id, hash, from_issue, to_issue)
         select $1, $2, hash, null, issue_id
         from claimed",
        held.project_id.get(),
        held.id.get(),
        &hashes,
        &issues,
        &bunch_hashes,
        &targets,
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Merges issues that are left without events into where most of these go.
async fn lead_away(
    tx: &mut PgConnection,
    held: &Held,
    emptied: &[(IssueId, IssueId)],
    asked: &Asked<'_>,
) -> Result<(), StoreError> {
    let (from, to): (Vec<i64>, Vec<i64>) = emptied.iter().map(|(from, to)| (from.get(), to.get())).unzip();
    let project_id = held.project_id;
    sqlx::query!(
        "insert into regrouping_issues (project_id, regrouping_id, issue_id)
         select $1, $2, issue_id
         from unnest($3::bigint[]) as n (issue_id)",
        project_id.get(),
        held.id.get(),
        &from,
    )
    .execute(&mut *tx)
    .await?;
    // A key that was found under an issue that is emptied may have been claimed for another one just now; what is
    // left goes where the issue's number leads.
    sqlx::query!(
        "with old as materialized (
             select h.hash, h.issue_id, n.target
             from unnest($3::bigint[], $4::bigint[]) as n (issue_id, target)
             join issue_hashes h on h.project_id = $1 and h.issue_id = n.issue_id
         ), moved as (
             update issue_hashes h
             set issue_id = old.target
             from old
             where h.project_id = $1 and h.hash = old.hash
             returning h.hash, old.issue_id, old.target
         )
         insert into regrouping_keys (project_id, regrouping_id, hash, from_issue, to_issue)
         select $1, $2, hash, issue_id, target
         from moved",
        project_id.get(),
        held.id.get(),
        &from,
        &to,
    )
    .execute(&mut *tx)
    .await?;
    let open = open_targets(tx, held, &from, &to).await?;
    sqlx::query!(
        "update issues i
         set status = 'merged', merged_into = n.target
         from unnest($2::bigint[], $3::bigint[]) as n (issue_id, target)
         where i.project_id = $1 and i.id = n.issue_id",
        project_id.get(),
        &from,
        &to,
    )
    .execute(&mut *tx)
    .await?;
    begin_earlier(tx, held, &from, &to).await?;
    for target in facts::lock(tx, project_id, &open).await? {
        facts::act(tx, project_id, &target, &Signal::Reopen, asked).await?;
    }
    tell(tx, held, &from, &to, asked).await
}

/// The sentence in the history of each emptied issue, which its survivor shows.
async fn tell(
    tx: &mut PgConnection,
    held: &Held,
    from: &[i64],
    to: &[i64],
    asked: &Asked<'_>,
) -> Result<(), StoreError> {
    let project_id = held.project_id;
    let slug = facts::slug(tx, project_id).await?;
    let rows = sqlx::query!(
        r#"select i.id as "id!", i.number as "number!", t.number as "target!"
         from unnest($2::bigint[], $3::bigint[]) as n (issue_id, target)
         join issues i on i.project_id = $1 and i.id = n.issue_id
         join issues t on t.project_id = $1 and t.id = n.target
         order by i.id"#,
        project_id.get(),
        from,
        to,
    )
    .fetch_all(&mut *tx)
    .await?;
    let name = |number| ShortId::new(slug.as_str(), number);
    let said = rows.into_iter().map(|row| {
        let said = format!("{} became part of {}, as the project was regrouped.", name(row.number), name(row.target));
        (IssueId(row.id), said)
    });
    facts::tell_each(tx, project_id, "merged", said.collect(), asked).await
}

/// Closed issues that open ones become part of: they open, as in a merge by hand.
async fn open_targets(
    tx: &mut PgConnection,
    held: &Held,
    from: &[i64],
    to: &[i64],
) -> Result<Vec<IssueId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select distinct t.id
         from unnest($2::bigint[], $3::bigint[]) as n (issue_id, target)
         join issues i on i.project_id = $1 and i.id = n.issue_id and i.status = 'unresolved'
         join issues t on t.project_id = $1 and t.id = n.target and t.status <> 'unresolved'",
        held.project_id.get(),
        from,
        to,
    )
    .fetch_all(tx)
    .await?;
    Ok(ids.into_iter().map(IssueId).collect())
}

async fn begin_earlier(tx: &mut PgConnection, held: &Held, from: &[i64], to: &[i64]) -> Result<(), StoreError> {
    sqlx::query!(
        "update issues i
         set first_seen = o.first_seen, first_release = o.first_release, first_event_id = o.first_event_id
         from (
             select distinct on (n.target) n.target, o.first_seen, o.first_release, o.first_event_id
             from unnest($2::bigint[], $3::bigint[]) as n (issue_id, target)
             join issues o on o.project_id = $1 and o.id = n.issue_id and o.events > 0
             order by n.target, o.first_seen, o.id
         ) o
         where i.project_id = $1 and i.id = o.target and o.first_seen < i.first_seen",
        held.project_id.get(),
        from,
        to,
    )
    .execute(tx)
    .await?;
    Ok(())
}
