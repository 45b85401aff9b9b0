//! Where a list of deliveries looks for its rows: by the index that suits its filter best, in either direction.

use engine::ids::DeliveryId;
use sqlx::PgPool;

use super::DeliveryFilter;
use crate::StoreError;

/// Ids in the order in which the filter reads: the newest first, or the oldest of those that follow one.
pub(super) async fn find(pool: &PgPool, filter: DeliveryFilter<'_>, limit: i64) -> Result<Vec<i64>, StoreError> {
    let before = filter.before.map_or(i64::MAX, DeliveryId::get);
    match filter.after {
        _ if filter.message.is_some() || filter.issue.is_some() => few(pool, filter, before, limit).await,
        Some(after) => oldest(pool, filter, after.get(), limit).await,
        None => newest(pool, filter, before, limit).await,
    }
}

/// Of one message or one issue: these are sorted, so one statement does for both directions.
async fn few(pool: &PgPool, filter: DeliveryFilter<'_>, before: i64, limit: i64) -> Result<Vec<i64>, StoreError> {
    let (after, is_after) = (filter.after.map_or(0, DeliveryId::get), filter.after.is_some());
    let ids = if let Some(message) = filter.message {
        // Served by deliveries_by_message.
        sqlx::query_scalar!(
            "select id
             from deliveries
             where message_id = $1 and id > $2 and id < $3
             order by case when $4 then -id else id end desc
             limit $5",
            message.get(),
            after,
            before,
            is_after,
            limit,
        )
        .fetch_all(pool)
        .await?
    } else {
        // Served by signals_by_issue and deliveries_once: an issue has few signals.
        sqlx::query_scalar!(
            "select d.id
             from signals s
             join deliveries d on d.signal_id = s.id
             where s.issue_id in (
                     select $1::bigint
                     union all
                     select m.id
                     from issues i
                     join issues m on m.project_id = i.project_id and m.merged_into = i.id
                     where i.id = $1
                 )
                 and d.id > $2 and d.id < $3
             order by case when $4 then -d.id else d.id end desc
             limit $5",
            filter.issue.map_or(0, |issue| issue.get()),
            after,
            before,
            is_after,
            limit,
        )
        .fetch_all(pool)
        .await?
    };
    Ok(ids)
}

/// Of one destination, or of all, in the order of an index, backwards.
async fn newest(pool: &PgPool, filter: DeliveryFilter<'_>, before: i64, limit: i64) -> Result<Vec<i64>, StoreError> {
    let ids = match filter.destination {
        // Served by deliveries_by_destination.
        Some(destination) => {
            let of = destination.get();
            sqlx::query_scalar!(
                "select id from deliveries where destination_id = $1 and id < $2 order by id desc limit $3",
                of,
                before,
                limit,
            )
            .fetch_all(pool)
            .await?
        }
        None => {
            sqlx::query_scalar!("select id from deliveries where id < $1 order by id desc limit $2", before, limit)
                .fetch_all(pool)
                .await?
        }
    };
    Ok(ids)
}

/// The same forwards.
async fn oldest(pool: &PgPool, filter: DeliveryFilter<'_>, after: i64, limit: i64) -> Result<Vec<i64>, StoreError> {
    let ids = match filter.destination {
        Some(destination) => {
            let of = destination.get();
            sqlx::query_scalar!(
                "select id from deliveries where destination_id = $1 and id > $2 order by id limit $3",
                of,
                after,
                limit,
            )
            .fetch_all(pool)
            .await?
        }
        None => {
            sqlx::query_scalar!("select id from deliveries where id > $1 order by id limit $2", after, limit)
                .fetch_all(pool)
                .await?
        }
    };
    Ok(ids)
}
