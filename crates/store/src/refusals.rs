//! Limits that refuse what comes in: since when, how much, and telling it.
//!
//! Owns the table `limit_refusals`. What a limit refuses is counted under its reason where it comes in, as everything is;
//! the lookout compares those counts with what it saw before, so that nothing is done for a refused item beyond counting it.

use std::collections::HashMap;

use engine::alert::{Kind, NoteFacts};
use engine::ids::ProjectId;
use engine::outcome::{Category, Reason};
use engine::quota::{Counts, Limit};
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use crate::StoreError;
use crate::notifications::raise;

/// Counts that are looked at in one round, the largest first: what 400 projects have that all are over their limits.
const ROWS_MAX: i64 = 2_000;
/// A limit that refused nothing for so long begins anew. Applications wait for five minutes at most before they ask again.
const CALM: Duration = Duration::minutes(15);
/// It is told at most so often.
const TOLD_EVERY: Duration = Duration::days(1);
/// How long pages speak of it.
const SHOWN: Duration = Duration::hours(1);
/// Limits that one page lists.
const SHOWN_MAX: i64 = 50;

/// A limit that refuses something, or did within the last hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Slug of the project; none for limits of the instance.
    pub slug: Option<String>,
    /// What it counts.
    pub counts: Counts,
    /// The reason under which it is counted.
    pub reason: Reason,
    /// The limit, as it stood when it last refused something.
    pub limit: Limit,
    /// Name of the client key, of those that keys have.
    pub key_label: Option<String>,
    /// Since when.
    pub began_at: OffsetDateTime,
    /// When it was last seen to refuse something.
    pub last_at: OffsetDateTime,
    /// Items that it refused in the hours that touch the last one before that.
    pub refused: i64,
}

impl Refusal {
    /// Which limit it is: `the limit of the project, 1000 events a day`.
    #[must_use]
    pub fn words(&self) -> String {
        let whose = match (self.reason, &self.key_label) {
            (Reason::KeyLimit, Some(label)) => format!("the limit of the client key {label}"),
            (Reason::KeyLimit, None) => "the limit of a client key".to_owned(),
            (Reason::InstanceRate | Reason::InstanceQuota, _) => "the limit of all projects together".to_owned(),
            _ => "the limit of the project".to_owned(),
        };
        let window = match self.limit.window_s {
            60 => "a minute".to_owned(),
            3_600 => "an hour".to_owned(),
            86_400 => "a day".to_owned(),
            seconds => format!("in {seconds} seconds"),
        };
        format!("{whose}, {} {} {window}", self.limit.most, self.counts.as_str())
    }

    /// Where it is set.
    #[must_use]
    pub fn path(&self) -> String {
        let Some(slug) = &self.slug else { return "/limits".to_owned() };
        format!("/projects/{slug}/{}", if self.reason == Reason::KeyLimit { "keys" } else { "limits" })
    }
}

/// From when on what is refused is counted at a moment: the beginning of the hour in which the last hour began.
#[must_use]
pub fn counted_from(now: OffsetDateTime) -> OffsetDateTime {
    let hour_ago = now.unix_timestamp() - 3_600;
    OffsetDateTime::from_unix_timestamp(hour_ago - hour_ago.rem_euclid(3_600)).unwrap_or(now)
}

struct Row {
    slug: Option<String>,
    counts: String,
    reason: String,
    most: i64,
    window_s: i64,
    key_label: Option<String>,
    began_at: OffsetDateTime,
    last_at: OffsetDateTime,
    refused: i64,
}

impl Row {
    /// What a newer version has written is nothing here.
    fn read(self) -> Option<Refusal> {
        Some(Refusal {
            slug: self.slug,
            counts: Counts::named(&self.counts)?,
            reason: Reason::parse(&self.reason)?,
            limit: Limit { most: self.most, window_s: self.window_s },
            key_label: self.key_label,
            began_at: self.began_at,
            last_at: self.last_at,
            refused: self.refused,
        })
    }
}

/// What was counted of one limit.
#[derive(Default)]
struct Seen {
    bucket: i64,
    /// In that hour, the newest.
    quantity: i64,
    /// In all hours that are looked at.
    refused: i64,
}

/// Looks for limits that refused something since the last round, and tells of those that nobody was told of for a day. How many
/// were told.
pub(crate) async fn look(pool: &PgPool, now: OffsetDateTime) -> Result<usize, StoreError> {
    let seen = counted(pool, now).await?;
    if seen.is_empty() { Ok(0) } else { note(pool, seen, now).await }
}

/// What limits refused in the last hours. A limit of the instance is one, whosesoever items it refused.
async fn counted(
    pool: &PgPool,
    now: OffsetDateTime,
) -> Result<HashMap<(Option<i64>, Counts, String), Seen>, StoreError> {
    let rows = sqlx::query!(
        "select project_id, category, reason, bucket, quantity
         from outcomes
         where outcome = 'rate_limited' and bucket >= $1
         order by quantity desc
         limit $2",
        counted_from(now).unix_timestamp(),
        ROWS_MAX,
    )
    .fetch_all(pool)
    .await?;
    let mut seen: HashMap<(Option<i64>, Counts, String), Seen> = HashMap::new();
    for row in rows {
        let Some(counts) = Category::parse(&row.category).and_then(Counts::of) else { continue };
        let project = (!row.reason.starts_with("instance_")).then_some(row.project_id);
        let of = seen.entry((project, counts, row.reason)).or_default();
        of.refused += row.quantity;
        if row.bucket > of.bucket {
            (of.bucket, of.quantity) = (row.bucket, 0);
        }
        of.quantity += if row.bucket == of.bucket { row.quantity } else { 0 };
    }
    Ok(seen)
}

/// Writes down what is more than was seen before, and tells of it.
async fn note(
    pool: &PgPool,
    seen: HashMap<(Option<i64>, Counts, String), Seen>,
    now: OffsetDateTime,
) -> Result<usize, StoreError> {
    let mut tx = pool.begin().await?;
    let news = write(&mut tx, seen, now).await?;
    for (project, refusal) in &news {
        raise(&mut tx, *project, Kind::Trouble, &facts(refusal, now), now).await?;
    }
    tx.commit().await?;
    Ok(news.len())
}

/// Writes it down, and returns what is to be told. Files of an event go with it, so they are no sign that their own limit was met:
/// what has no limit is left out.
async fn write(
    tx: &mut PgConnection,
    seen: HashMap<(Option<i64>, Counts, String), Seen>,
    now: OffsetDateTime,
) -> Result<Vec<(Option<ProjectId>, Refusal)>, StoreError> {
    let (mut projects, mut counts, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    let (mut buckets, mut quantities, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for ((project, what, reason), seen) in seen {
        projects.push(project);
        counts.push(what.as_str().to_owned());
        reasons.push(reason);
        buckets.push(seen.bucket);
        quantities.push(seen.quantity);
        refused.push(seen.refused);
    }
    let rows = sqlx::query!(
        r#"insert into limit_refusals as r
            (project_id, counts, reason, most, window_s, key_label, began_at, last_at, refused, bucket, quantity, told_at)
        select n.project_id, n.counts, n.reason, l.most, l.window_s, l.label, $7, $7, n.refused, n.bucket, n.quantity, $7
        from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
            as n (project_id, counts, reason, bucket, quantity, refused)
        left join projects p on p.id = n.project_id
        cross join lateral (
            select l.most, l.window_s, k.label
            from limits l
            left join project_keys k on k.id = l.key_id
            where l.counts = n.counts
                and l.project_id is not distinct from n.project_id
                and (l.key_id is not null) = (n.reason = 'key_limit')
                and (l.key_id is not null or (l.window_s < 86400) = (n.reason like '%\_rate'))
            -- Of several keys, the one that has used up most of its limit.
            order by l.used::float8 / greatest(l.most, 1) desc, l.id
            limit 1
        ) as l
        where n.project_id is null or p.id is not null
        on conflict on constraint limit_refusals_key do update
        set most = excluded.most, window_s = excluded.window_s, key_label = excluded.key_label,
            began_at = case when r.last_at < $8 then excluded.began_at else r.began_at end,
            last_at = excluded.last_at, refused = excluded.refused, bucket = excluded.bucket,
            quantity = excluded.quantity,
            told_at = case when r.told_at <= $9 then excluded.told_at else r.told_at end
        where (excluded.bucket, excluded.quantity) > (r.bucket, r.quantity)
        returning project_id, (select slug from projects where id = r.project_id) as slug, counts, reason, most, window_s,
            key_label, began_at, last_at, refused, told_at = $7 as "is_news!""#,
        &projects as &[Option<i64>],
        &counts,
        &reasons,
        &buckets,
        &quantities,
        &refused,
        now,
        now - CALM,
        now - TOLD_EVERY,
    )
    .fetch_all(tx)
    .await?;
    let news = rows.into_iter().filter(|row| row.is_news).filter_map(|row| {
        let read = Row {
            slug: row.slug,
            counts: row.counts,
            reason: row.reason,
            most: row.most,
            window_s: row.window_s,
            key_label: row.key_label,
            began_at: row.began_at,
            last_at: row.last_at,
            refused: row.refused,
        };
        Some((row.project_id.map(ProjectId), read.read()?))
    });
    Ok(news.collect())
}

fn facts(refusal: &Refusal, now: OffsetDateTime) -> NoteFacts {
    let (words, hour) = (refusal.words(), counted_from(now).hour());
    NoteFacts {
        title: match &refusal.slug {
            Some(slug) => format!("{slug} has reached {words}"),
            None => format!("Reached: {words}"),
        },
        sentence: format!(
            "What comes beyond {words}, is refused and counted, and applications are told to wait. It is told once a day."
        ),
        figures: vec![(format!("refused since {hour:02}:00 UTC"), refusal.refused.to_string())],
        path: refusal.path(),
        ..NoteFacts::default()
    }
}

/// Limits that refused something within the last hour, the last first: of a project those of the instance, too, and of nothing
/// in particular all that there are.
///
/// # Errors
/// When the database cannot answer.
pub async fn recent(
    pool: &PgPool,
    project: Option<ProjectId>,
    now: OffsetDateTime,
) -> Result<Vec<Refusal>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select p.slug as "slug?", r.counts, r.reason, r.most, r.window_s, r.key_label, r.began_at, r.last_at, r.refused
        from limit_refusals r
        left join projects p on p.id = r.project_id
        where r.last_at > $1 and ($2::bigint is null or r.project_id is null or r.project_id = $2)
        order by r.last_at desc, r.began_at, p.slug, r.counts, r.reason
        limit $3"#,
        now - SHOWN,
        project.map(ProjectId::get),
        SHOWN_MAX,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().filter_map(Row::read).collect())
}
