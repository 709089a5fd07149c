//! The catalog in PostgreSQL, through its public interface, on a real server.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod away;
#[path = "../contract/mod.rs"]
mod contract;
mod storage;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use suanpan_catalog::{Catalog, CatalogError, CatalogLimits};
use suanpan_parts::Postgres;

use contract::*;

/// One for all tests, which each have a database in it. It ends with the process.
static SERVER: LazyLock<Postgres> = LazyLock::new(Postgres::start);

/// A database for a catalog.
#[derive(Clone)]
struct Place {
    url: String,
}

impl Place {
    async fn new() -> Self {
        Self::on(&SERVER).await
    }

    async fn on(server: &Postgres) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("place_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(&server.url()).await.unwrap();
        let create = format!("CREATE DATABASE {name}");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut admin).await.unwrap();
        Self { url: server.url_of(&name) }
    }

    async fn open(&self, limits: CatalogLimits) -> Result<Catalog, CatalogError> {
        Catalog::open_url(&self.url, limits).await
    }

    /// Does what no catalog would.
    async fn raw(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&mut self.connect().await).await.unwrap();
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }
}
