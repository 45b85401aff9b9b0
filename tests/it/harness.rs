//! The harness keeps its own promises: each test has a database of its own, migrated and empty.

use crate::support::Database;

#[tokio::test]
async fn each_test_has_a_migrated_database_of_its_own() {
    let (one, two) = tokio::join!(Database::create(), Database::create());
    assert_ne!(one.name(), two.name());
    sqlx::query("insert into projects (slug, name, created_at) values ('shop', 'Shop', now())")
        .execute(&one.pool)
        .await
        .unwrap();
    let count = |pool| sqlx::query_scalar::<_, i64>("select count(*) from projects").fetch_one(pool);
    assert_eq!(count(&one.pool).await.unwrap(), 1);
    assert_eq!(count(&two.pool).await.unwrap(), 0);
}
