//! The day partitions of `events`: made ahead, dropped when they are too old.
//!
//! Partition names are `events_YYYYMMDD`. The statements are built from dates alone, which is why
//! they may be put together as text.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use time::{Date, Month};

use crate::StoreError;

/// Key of the advisory lock under which partitions are made and dropped: `create table if not exists`
/// alone is not safe against a second process doing the same.
const LOCK: i64 = 0x6669_7265_0001;

/// Makes the partitions of `days` that do not exist yet.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn ensure(connection: &mut PgConnection, days: &[Date]) -> Result<(), StoreError> {
    // Of the transaction, not of the session: a writer that gives up in the middle leaves no lock behind.
    let mut tx = connection.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
    for day in days {
        let Some(next) = day.next_day() else { continue };
        let statement = format!(
            "create table if not exists {} partition of events for values from ('{day}') to ('{next}')",
            name(*day)
        );
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Days that have a partition, oldest first.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn days(connection: &mut PgConnection) -> Result<Vec<Date>, StoreError> {
    let names = sqlx::query_scalar!(
        r#"select c.relname as "name!"
           from pg_inherits i
           join pg_class c on c.oid = i.inhrelid
           where i.inhparent = 'events'::regclass
           order by 1"#
    )
    .fetch_all(connection)
    .await?;
    Ok(names.iter().filter_map(|name| parse(name)).collect())
}

/// Drops the partitions before `day` with all their events; returns how many.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn drop_before(connection: &mut PgConnection, day: Date) -> Result<usize, StoreError> {
    let old: Vec<Date> = days(connection).await?.into_iter().filter(|known| *known < day).collect();
    for day in &old {
        sqlx::query(AssertSqlSafe(format!("drop table if exists {}", name(*day)))).execute(&mut *connection).await?;
    }
    Ok(old.len())
}

fn name(day: Date) -> String {
    format!("events_{:04}{:02}{:02}", day.year(), u8::from(day.month()), day.day())
}

fn parse(name: &str) -> Option<Date> {
    let digits = name.strip_prefix("events_").filter(|digits| digits.len() == 8 && digits.is_ascii())?;
    let month = Month::try_from(digits[4..6].parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(digits[..4].parse().ok()?, month, digits[6..].parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_the_same_day() {
        let day = Date::from_calendar_date(2026, Month::March, 7).unwrap();
        assert_eq!(name(day), "events_20260307");
        assert_eq!(parse(&name(day)), Some(day));
        for other in ["events_default", "events_2026037", "events_20261341", "x"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
