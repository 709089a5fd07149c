//! The catalog through its public interface, on real files.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod apps;
mod attributes;
mod keys;
mod plan;
mod replays;
mod rules;
mod salts;
mod settings;
mod sharing;
mod storage;
mod usage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use suanpan_catalog::{App, Catalog, CatalogError, CatalogLimits, NewApp, Snapshot};
use suanpan_event::AppId;
use tempfile::TempDir;

/// A catalog in a folder of its own, which goes with it.
struct Shelf {
    catalog: Catalog,
    folder: TempDir,
}

impl Shelf {
    async fn new() -> Self {
        Self::with(CatalogLimits::default()).await
    }

    async fn with(limits: CatalogLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open_with_limits(&file(folder.path()), limits).await.unwrap();
        Self { catalog, folder }
    }

    /// With an app `shop`, as most tests need.
    async fn with_shop() -> (Self, AppId) {
        let shelf = Self::new().await;
        let shop = create(&shelf.catalog, "shop").await.id;
        (shelf, shop)
    }

    /// Another catalog on the same file, as another process would have it.
    async fn neighbour(&self) -> Catalog {
        Catalog::open(&self.file()).await.unwrap()
    }

    fn file(&self) -> PathBuf {
        file(self.folder.path())
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("catalog.db")
}

async fn create(catalog: &Catalog, id: &str) -> App {
    catalog.create_app(new_app(id, "Asia/Shanghai")).await.unwrap()
}

fn new_app(id: &str, time_zone: &str) -> NewApp {
    NewApp { id: app_id(id), title: format!("The {id}"), time_zone: time_zone.into() }
}

fn app_id(text: &str) -> AppId {
    text.parse().unwrap()
}

/// Waits until the catalog publishes what is expected; fails after many refresh periods.
async fn until(catalog: &Catalog, expected: impl FnMut(&Arc<Snapshot>) -> bool) {
    let mut snapshots = catalog.subscribe();
    let arrived = tokio::time::timeout(Duration::from_secs(30), snapshots.wait_for(expected)).await;
    arrived.expect("the change shows up in time").unwrap();
}

#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(result: Result<T, CatalogError>, expected: &str) {
    match result.unwrap_err() {
        CatalogError::Invalid { field, .. } => assert_eq!(field, expected),
        other => panic!("{other}"),
    }
}

#[track_caller]
fn assert_full<T: std::fmt::Debug>(result: Result<T, CatalogError>, expected: &str) {
    match result.unwrap_err() {
        CatalogError::LimitReached { limit, .. } => assert_eq!(limit, expected),
        other => panic!("{other}"),
    }
}

#[track_caller]
fn assert_not_found<T: std::fmt::Debug>(result: Result<T, CatalogError>, what: &str, near: Option<&str>) {
    match result.unwrap_err() {
        CatalogError::NotFound { what: found, nearest, .. } => {
            assert_eq!((found, nearest.as_deref()), (what, near));
        }
        other => panic!("{other}"),
    }
}
