//! The catalog in SQLite, through its public interface, on real files.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

#[path = "../contract/mod.rs"]
mod contract;
mod storage;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use suanpan_catalog::{Catalog, CatalogError, CatalogLimits};
use tempfile::TempDir;

use contract::*;

/// A folder for a catalog, which goes with its last clone.
#[derive(Clone)]
struct Place(Arc<TempDir>);

impl Place {
    async fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().unwrap()))
    }

    async fn open(&self, limits: CatalogLimits) -> Result<Catalog, CatalogError> {
        Catalog::open_with_limits(&self.file(), limits).await
    }

    /// Does what no catalog would.
    async fn raw(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&mut self.connect().await).await.unwrap();
    }

    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.file()).create_if_missing(true);
        options.connect().await.unwrap()
    }

    fn file(&self) -> PathBuf {
        file(self.0.path())
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("catalog.db")
}
