//! Verdicts on young deploys: told when they change.

use engine::alert::{Kind, NoteFacts};
use engine::deploy::thread;
use engine::release::page_path;
use engine::verdict::{Facts, Grade, Verdict, judge};
use engine::watch::summary::WayBack;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::deploys::{Deploy, by_id};
use crate::notifications::raise;
use crate::{StoreError, verdict, watches};

/// How long a deploy is judged, also one that is not watched for so long: what comes later is told by the issues themselves.
const JUDGED: Duration = Duration::hours(1);
/// Deploys that are judged in one round, the newest first. More of them within an hour are a loop of some tool.
const DEPLOYS_MAX: i64 = 50;

pub(super) async fn look(pool: &PgPool, now: OffsetDateTime) -> Result<usize, StoreError> {
    let mut told = 0;
    for (deploy, before) in young(pool, now).await? {
        let since = verdict::since(pool, &deploy, now).await?;
        let verdict = judge(&since.facts);
        if before != Some(verdict.grade.as_str().to_owned()) {
            told += usize::from(tell(pool, &deploy, before.as_deref(), &verdict, &since.facts, now).await?);
        }
    }
    Ok(told)
}

/// Deploys that are young or watched and that no newer one has replaced, with the verdict that was told last. Served by
/// `deploys_by_creation`, `deploys_watched` and `deploys_by_environment`.
async fn young(pool: &PgPool, now: OffsetDateTime) -> Result<Vec<(Deploy, Option<String>)>, StoreError> {
    let rows = sqlx::query!(
        "select d.project_id, d.id, d.verdict
         from deploys d
         where (d.created_at > $1 or d.watch_minutes is not null and d.watch_ended_at is null)
             and not exists (
                 select from deploys newer
                 where newer.project_id = d.project_id and newer.environment = d.environment and newer.id > d.id
             )
         order by d.created_at desc
         limit $2",
        now - JUDGED,
        DEPLOYS_MAX,
    )
    .fetch_all(pool)
    .await?;
    let mut deploys = Vec::new();
    for row in rows {
        let found = by_id(pool, row.project_id.into(), row.id.into()).await?;
        deploys.extend(found.map(|deploy| (deploy, row.verdict)));
    }
    Ok(deploys)
}

/// False when it is too early to tell anybody anything.
async fn tell(
    pool: &PgPool,
    deploy: &Deploy,
    before: Option<&str>,
    verdict: &Verdict,
    facts: &Facts,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let back = match verdict.grade {
        Grade::Bad => watches::way_back(pool, deploy).await?,
        _ => None,
    };
    let mut tx = pool.begin().await?;
    sqlx::query!(
        "update deploys set verdict = $3 where project_id = $1 and id = $2",
        deploy.project_id.get(),
        deploy.id.get(),
        verdict.grade.as_str(),
    )
    .execute(&mut *tx)
    .await?;
    let is_news = verdict.grade != Grade::TooEarly;
    if is_news {
        let mut note = note(deploy, before, verdict, facts);
        note.figures.extend(back.as_ref().map(WayBack::figure));
        raise(&mut tx, Some(deploy.project_id), Kind::Deploy, &note, now).await?;
    }
    tx.commit().await?;
    Ok(is_news)
}

fn note(deploy: &Deploy, before: Option<&str>, verdict: &Verdict, facts: &Facts) -> NoteFacts {
    let mut figures = vec![
        ("new issues".to_owned(), facts.new_issues.to_string()),
        ("regressed issues".to_owned(), facts.regressed.to_string()),
        ("errors per minute".to_owned(), format!("{:.1}", facts.errors_per_min)),
    ];
    figures.extend(facts.usual_per_min.map(|usual| ("usual".to_owned(), format!("{usual:.1}"))));
    figures.extend(before.and_then(Grade::parse).map(|grade| ("before".to_owned(), grade.to_string())));
    NoteFacts {
        title: format!("{} in {}: {}", deploy.version, deploy.environment, verdict.grade),
        sentence: verdict.reason.clone(),
        figures,
        path: page_path(&deploy.project_slug, &deploy.version),
        thread: Some(thread(deploy.project_id, deploy.id)),
        release: Some(deploy.version.clone()),
        environment: Some(deploy.environment.clone()),
        ..NoteFacts::default()
    }
}
