//! The day partitions of `events` and of the files that came with them: made ahead, dropped when they are too old.
//!
//! Partition names are `events_YYYYMMDD` and the like. The statements are built from dates alone, which is why
//! they may be put together as text.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use time::{Date, Month};

use crate::StoreError;

/// Key of the advisory lock under which partitions are made and dropped: `create table if not exists`
/// alone is not safe against a second process doing the same.
const LOCK: i64 = 0x6669_7265_0001;

/// What is partitioned by the day of its arrival.
const TABLES: [&str; 2] = ["events", "attachments"];

/// Makes the partitions of `days` that do not exist yet.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn ensure(connection: &mut PgConnection, days: &[Date]) -> Result<(), StoreError> {
    for day in days {
        let Some(next) = day.next_day() else { continue };
        // A transaction for each: it locks the whole table, and whoever reads both tables may hold the other one.
        for table in TABLES {
            // Of the transaction, not of the session: a writer that gives up in the middle leaves no lock behind.
            let mut tx = connection.begin().await?;
            sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
            let statement = format!(
                "create table if not exists {} partition of {table} for values from ('{day}') to ('{next}')",
                name(table, *day)
            );
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// Days of which there are events, or may be, oldest first.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn days(connection: &mut PgConnection) -> Result<Vec<Date>, StoreError> {
    days_of(connection, "events").await
}

async fn days_of(connection: &mut PgConnection, table: &str) -> Result<Vec<Date>, StoreError> {
    let names = sqlx::query_scalar!(
        r#"select c.relname as "name!"
           from pg_inherits i
           join pg_class c on c.oid = i.inhrelid
           where i.inhparent = to_regclass($1)
           order by 1"#,
        table
    )
    .fetch_all(connection)
    .await?;
    Ok(names.iter().filter_map(|name| parse(table, name)).collect())
}

/// Drops the partitions before `day` with all their events and files; returns how many days are gone.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn drop_before(connection: &mut PgConnection, day: Date) -> Result<usize, StoreError> {
    let mut gone = BTreeSet::new();
    for table in TABLES {
        for old in days_of(connection, table).await?.into_iter().filter(|known| *known < day) {
            let statement = format!("drop table if exists {}", name(table, old));
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await?;
            gone.insert(old);
        }
    }
    Ok(gone.len())
}

fn name(table: &str, day: Date) -> String {
    format!("{table}_{:04}{:02}{:02}", day.year(), u8::from(day.month()), day.day())
}

fn parse(table: &str, name: &str) -> Option<Date> {
    let digits = name
        .strip_prefix(table)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|digits| digits.len() == 8 && digits.is_ascii())?;
    let month = Month::try_from(digits[4..6].parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(digits[..4].parse().ok()?, month, digits[6..].parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_the_same_day() {
        let day = Date::from_calendar_date(2026, Month::March, 7).unwrap();
        assert_eq!(name("events", day), "events_20260307");
        assert_eq!(parse("attachments", &name("attachments", day)), Some(day));
        for other in ["events_default", "events_2026037", "events_20261341", "x", "attachments_20260307"] {
            assert_eq!(parse("events", other), None, "{other}");
        }
    }
}
