//! Several catalogs in one place, and snapshots that share what did not change.

use std::sync::Arc;
use std::time::Duration;

use suanpan_catalog::{AppChange, Catalog, CatalogLimits, KeyKind, NewAttribute, NewKey};
use suanpan_event::AttributeType;

use crate::{Place, Shelf, create, new_app, until};

#[tokio::test]
async fn changes_by_a_neighbour_arrive_without_restart() {
    let (shelf, shop) = Shelf::with_shop().await;
    let neighbour = shelf.neighbour().await;
    assert!(neighbour.snapshot().app(&shop).is_some(), "the first snapshot is whole");

    let new = NewKey::new(KeyKind::Write);
    let (info, secret) = neighbour.create_key(&shop, new).await.unwrap();
    until(&shelf.catalog, |s| s.key(secret.expose()).is_some()).await;
    neighbour.revoke_key(&shop, info.id).await.unwrap();
    until(&shelf.catalog, |s| s.key(secret.expose()).is_none()).await;

    let price = NewAttribute::new("price", AttributeType::Number);
    neighbour.define_attribute(&shop, price).await.unwrap();
    until(&shelf.catalog, |s| s.app(&shop).is_some_and(|a| a.slots.get("price").is_some())).await;
    neighbour.delete_app(&shop).await.unwrap();
    until(&shelf.catalog, |s| s.app(&shop).is_none()).await;
    assert_eq!(shelf.catalog.snapshot().version(), neighbour.snapshot().version());
}

#[tokio::test]
async fn an_own_change_brings_a_neighbours_along() {
    let (shelf, shop) = Shelf::with_shop().await;
    let neighbour = shelf.neighbour().await;
    let game = create(&neighbour, "game").await.id;
    let change = AppChange { title: Some("Kiosk".into()), ..AppChange::default() };
    shelf.catalog.update_app(&shop, change).await.unwrap();
    let snapshot = shelf.catalog.snapshot();
    assert!(snapshot.app(&game).is_some(), "one version is one content");
    assert_eq!(snapshot.app(&shop).unwrap().title, "Kiosk");
}

#[tokio::test]
async fn snapshots_share_the_apps_that_did_not_change() {
    let (shelf, shop) = Shelf::with_shop().await;
    let neighbour = shelf.neighbour().await;
    let game = create(&shelf.catalog, "game").await.id;
    let before = shelf.catalog.snapshot();

    let change = AppChange { title: Some("Kiosk".into()), ..AppChange::default() };
    shelf.catalog.update_app(&shop, change).await.unwrap();
    let own = shelf.catalog.snapshot();
    assert!(Arc::ptr_eq(before.app(&game).unwrap(), own.app(&game).unwrap()));
    assert!(!Arc::ptr_eq(before.app(&shop).unwrap(), own.app(&shop).unwrap()));

    create(&neighbour, "third").await;
    until(&shelf.catalog, |s| s.apps().count() == 3).await;
    let foreign = shelf.catalog.snapshot();
    assert!(Arc::ptr_eq(own.app(&shop).unwrap(), foreign.app(&shop).unwrap()));
}

#[tokio::test]
async fn a_subscriber_sees_the_next_snapshot() {
    let (shelf, shop) = Shelf::with_shop().await;
    let mut snapshots = shelf.catalog.subscribe();
    snapshots.mark_unchanged();
    shelf.catalog.delete_app(&shop).await.unwrap();
    snapshots.changed().await.unwrap();
    assert!(snapshots.borrow().app(&shop).is_none());
}

/// A caller that goes away in the middle (a closed connection, a time-out) leaves either the whole
/// change or none of it, and the snapshot agrees with the database.
#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_change_is_whole_or_not_there() {
    let shelf = Shelf::new().await;
    for n in 0..40_u64 {
        let change = shelf.catalog.create_app(new_app(&format!("app-{n}"), "UTC"));
        drop(tokio::time::timeout(Duration::from_micros(n * 50), change).await);
    }
    let last = create(&shelf.catalog, "last").await.id;
    let fresh = shelf.neighbour().await.snapshot();
    let published = shelf.catalog.snapshot();
    assert_eq!(published.version(), fresh.version());
    assert!(fresh.app(&last).is_some());
    let mut ids: Vec<_> = fresh.apps().map(|a| a.id.clone()).collect();
    assert_eq!(u64::try_from(ids.len()).unwrap(), fresh.version(), "one app for each version");
    ids.retain(|id| published.app(id).is_none());
    assert!(ids.is_empty(), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_processes_may_make_the_tables_at_once() {
    for _ in 0..10 {
        let place = Arc::new(Place::new().await);
        let opening: Vec<_> = (0..6)
            .map(|_| {
                let place = Arc::clone(&place);
                tokio::spawn(async move { place.open(CatalogLimits::default()).await })
            })
            .collect();
        let mut open = Vec::new();
        for catalog in opening {
            open.push(catalog.await.unwrap().unwrap());
        }
        let app = create(&open[0], "shop").await.id;
        open[5].delete_app(&app).await.unwrap();
    }
}

/// Of two processes that change everything at once, none undoes what the other did, and both end with the
/// same snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn changes_by_two_processes_at_once_are_all_there() {
    const EACH: usize = 20;
    let (shelf, shop) = Shelf::with_shop().await;
    let neighbour = shelf.neighbour().await;
    let before = shelf.catalog.snapshot().version();
    let work = async |catalog: Catalog, whose: &str| {
        let mut versions = Vec::new();
        for n in 0..EACH {
            create(&catalog, &format!("{whose}-{n}")).await;
            let flag = NewAttribute::new(format!("{whose}_{n}"), AttributeType::Number);
            let placed = catalog.define_attribute(&shop, flag).await.unwrap();
            versions.extend(placed.slot.map(|slot| slot.since));
        }
        versions
    };
    let (ours, theirs) = tokio::join!(work(shelf.catalog.clone(), "ours"), work(neighbour.clone(), "theirs"));
    let changes = u64::try_from(4 * EACH).unwrap();
    for catalog in [&shelf.catalog, &neighbour] {
        until(catalog, |s| s.version() == before + changes).await;
    }
    let mut slot_maps: Vec<u32> = ours.into_iter().chain(theirs).collect();
    let given = slot_maps.len();
    slot_maps.sort_unstable();
    slot_maps.dedup();
    assert_eq!(slot_maps.len(), given, "a version of the slot map is given once");
    let [one, other] = [shelf.catalog.snapshot(), neighbour.snapshot()];
    assert_eq!(one.apps().count(), 2 * EACH + 1);
    let view = one.app(&shop).unwrap();
    assert_eq!(view.attributes.len(), 2 * EACH);
    assert_eq!(view.attributes, other.app(&shop).unwrap().attributes);
    assert_eq!(other.apps().count(), 2 * EACH + 1);
}
