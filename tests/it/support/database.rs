//! A fresh, migrated database for each test: a copy of one that was migrated once.

use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;

use super::cluster;

/// A database of one test; dropped with this value.
pub struct Database {
    name: String,
    /// A small pool of the test itself; the server under test opens its own.
    pub pool: PgPool,
}

impl Database {
    /// Copies the migrated template.
    pub async fn create() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let template = TEMPLATE.get_or_init(find_or_make_template).await;
        Self::make(Some(template)).await
    }

    /// A database without any table, for tests of starting and migrating.
    pub async fn create_empty() -> Self {
        Self::make(None).await
    }

    async fn make(template: Option<&str>) -> Self {
        let name = next_name();
        admin(&format!("create database {name} template {}", template.unwrap_or("template0"))).await;
        let options = PgConnectOptions::from_str(cluster::admin_url()).unwrap().database(&name);
        let pool = PgPoolOptions::new().max_connections(4).connect_lazy_with(options);
        Self { name, pool }
    }

    /// What to put into `DATABASE_URL`.
    pub fn url(&self) -> String {
        let mut url = url::Url::parse(cluster::admin_url()).unwrap();
        url.set_path(&self.name);
        url.to_string()
    }

    /// Runs one statement as the owner of the server, outside of this database (`drop database`,
    /// `alter database … allow_connections`).
    pub async fn admin(&self, statement: &str) {
        admin(statement).await;
    }

    /// Applies those of the migrations whose file names are `wanted`, in their order, as a release of then would have.
    pub async fn migrate_by_hand(&self, wanted: impl Fn(&str) -> bool) {
        let mut files: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| wanted(path.file_name().unwrap().to_str().unwrap()))
            .collect();
        files.sort();
        for file in files {
            let sql = std::fs::read_to_string(&file).unwrap();
            let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await;
            done.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }

    /// Name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let statement = format!("drop database if exists {} with (force)", self.name);
        // The test's own runtime may be shutting down, and `drop` cannot wait in it.
        let dropper = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(try_admin(&statement))
        });
        // A failure here would only hide the test's own.
        let _ = dropper.join();
    }
}

/// The template is named after the migrations in it, so that on a server that outlives us (the one of
/// `DATABASE_URL`) later runs find it again. It is migrated under another name and then renamed: a
/// template that exists is whole, and of two processes that make it one wins.
async fn find_or_make_template() -> String {
    let mut digest = Sha256::new();
    store::pool::MIGRATIONS.iter().for_each(|migration| digest.update(&*migration.checksum));
    let template = format!("firefinch_template_{}", hex::encode(&digest.finalize()[..8]));
    let exists = format!("select from pg_database where datname = '{template}'");
    if admin(&exists).await == 0 {
        let database = Database::create_empty().await;
        store::pool::migrate(&database.pool).await.unwrap();
        // PostgreSQL copies only a database that nobody is connected to.
        database.pool.close().await;
        let rename = format!("alter database {} rename to {template}", database.name);
        if let Err(error) = try_admin(&rename).await {
            assert_eq!(admin(&exists).await, 1, "{rename}: {error}");
        }
    }
    template
}

fn next_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("firefinch_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Runs one statement on the maintenance database and returns the number of rows.
async fn admin(statement: &str) -> u64 {
    try_admin(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"))
}

async fn try_admin(statement: &str) -> Result<u64, sqlx::Error> {
    let options = PgConnectOptions::from_str(cluster::admin_url())?;
    let mut connection = PgConnection::connect_with(&options).await?;
    let rows = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?.rows_affected();
    connection.close().await?;
    Ok(rows)
}
