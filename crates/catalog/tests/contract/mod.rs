//! What every catalog keeps, whichever the database. Each database's tests bring the place where a catalog
//! is, and run all of these.

mod apps;
mod attributes;
mod deletions;
mod keys;
mod leases;
mod plan;
mod replays;
mod rules;
mod salts;
mod settings;
mod sharing;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use suanpan_catalog::{App, Catalog, CatalogError, CatalogLimits, NewApp, Snapshot};
use suanpan_event::AppId;

use crate::Place;

/// A catalog in a place of its own.
pub struct Shelf {
    pub catalog: Catalog,
    pub place: Place,
}

impl Shelf {
    pub async fn new() -> Self {
        Self::with(CatalogLimits::default()).await
    }

    pub async fn with(limits: CatalogLimits) -> Self {
        let place = Place::new().await;
        Self { catalog: place.open(limits).await.unwrap(), place }
    }

    /// With an app `shop`, as most tests need.
    pub async fn with_shop() -> (Self, AppId) {
        let shelf = Self::new().await;
        let shop = create(&shelf.catalog, "shop").await.id;
        (shelf, shop)
    }

    /// Another catalog in the same place, as another process would have it.
    pub async fn neighbour(&self) -> Catalog {
        self.place.open(CatalogLimits::default()).await.unwrap()
    }
}

pub async fn create(catalog: &Catalog, id: &str) -> App {
    catalog.create_app(new_app(id, "Asia/Shanghai")).await.unwrap()
}

pub fn new_app(id: &str, time_zone: &str) -> NewApp {
    NewApp { id: app_id(id), title: format!("The {id}"), time_zone: time_zone.into() }
}

pub fn app_id(text: &str) -> AppId {
    text.parse().unwrap()
}

/// Waits until the catalog publishes what is expected; fails after many refresh periods.
pub async fn until(catalog: &Catalog, expected: impl FnMut(&Arc<Snapshot>) -> bool) {
    let mut snapshots = catalog.subscribe();
    let arrived = tokio::time::timeout(Duration::from_secs(30), snapshots.wait_for(expected)).await;
    arrived.expect("the change shows up in time").unwrap();
}

#[track_caller]
pub fn assert_invalid<T: std::fmt::Debug>(result: Result<T, CatalogError>, expected: &str) {
    match result.unwrap_err() {
        CatalogError::Invalid { field, .. } => assert_eq!(field, expected),
        other => panic!("{other}"),
    }
}

#[track_caller]
pub fn assert_full<T: std::fmt::Debug>(result: Result<T, CatalogError>, expected: &str) {
    match result.unwrap_err() {
        CatalogError::LimitReached { limit, .. } => assert_eq!(limit, expected),
        other => panic!("{other}"),
    }
}

#[track_caller]
pub fn assert_not_found<T: std::fmt::Debug>(result: Result<T, CatalogError>, what: &str, near: Option<&str>) {
    match result.unwrap_err() {
        CatalogError::NotFound { what: found, nearest, .. } => {
            assert_eq!((found, nearest.as_deref()), (what, near));
        }
        other => panic!("{other}"),
    }
}

#[track_caller]
pub fn assert_lost<T: std::fmt::Debug>(result: Result<T, CatalogError>) {
    let error = result.unwrap_err();
    assert!(matches!(error, CatalogError::LeaseLost { .. }), "{error}");
}

/// A process that can be killed: its catalog works in a runtime of its own, and stops in the middle.
pub struct Elsewhere {
    catalog: Catalog,
    runtime: tokio::runtime::Runtime,
}

impl Elsewhere {
    /// Tests that use it have a runtime of several threads.
    pub fn beside(shelf: &Shelf) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let place = shelf.place.clone();
        let opening = runtime.spawn(async move { place.open(CatalogLimits::default()).await });
        let catalog = tokio::task::block_in_place(|| runtime.block_on(opening)).unwrap().unwrap();
        Self { catalog, runtime }
    }

    pub fn run<T, F>(&self, work: impl FnOnce(Catalog) -> F) -> T
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let done = self.runtime.spawn(work(self.catalog.clone()));
        tokio::task::block_in_place(|| self.runtime.block_on(done)).unwrap()
    }

    /// A process that is killed says nothing on its way out.
    pub fn kill(self) {
        self.runtime.shutdown_background();
        std::mem::forget(self.catalog);
    }
}
