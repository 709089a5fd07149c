use suanpan_catalog::{AppChange, CatalogError, CatalogLimits, KeyKind, NewKey};

use crate::{Shelf, app_id, assert_full, assert_invalid, assert_not_found, create, new_app};

#[tokio::test]
async fn a_created_app_is_in_the_snapshot_with_its_zone() {
    let shelf = Shelf::new().await;
    let before = shelf.catalog.snapshot();
    let app = shelf.catalog.create_app(new_app("shop", "asia/shanghai")).await.unwrap();
    assert_eq!(app.time_zone, "Asia/Shanghai", "the canonical name is stored");

    let snapshot = shelf.catalog.snapshot();
    let view = snapshot.app(&app.id).unwrap();
    assert_eq!((&view.id, &view.title, &view.time_zone), (&app.id, &app.title, &app.time_zone));
    assert_eq!(view.zone.iana_name(), Some("Asia/Shanghai"));
    assert_eq!(view.created_ms, app.created_ms);
    assert!(view.attributes.is_empty() && view.slots.is_empty());
    assert_eq!(snapshot.apps().count(), 1);
    assert!(snapshot.version() > before.version());
    assert!(before.app(&app.id).is_none(), "an old snapshot stays as it was");
}

#[tokio::test]
async fn an_app_changes_in_the_fields_that_are_given() {
    let (shelf, shop) = Shelf::with_shop().await;
    let title = AppChange { title: Some("Kiosk".into()), ..AppChange::default() };
    let app = shelf.catalog.update_app(&shop, title).await.unwrap();
    assert_eq!((app.title.as_str(), app.time_zone.as_str()), ("Kiosk", "Asia/Shanghai"));

    let zone = AppChange { time_zone: Some("Europe/Berlin".into()), ..AppChange::default() };
    shelf.catalog.update_app(&shop, zone).await.unwrap();
    let snapshot = shelf.catalog.snapshot();
    let view = snapshot.app(&shop).unwrap();
    assert_eq!((view.title.as_str(), view.zone.iana_name()), ("Kiosk", Some("Europe/Berlin")));
}

#[tokio::test]
async fn an_unknown_time_zone_is_refused_with_the_nearest() {
    let shelf = Shelf::new().await;
    let error = shelf.catalog.create_app(new_app("shop", "Asia/Shangai")).await.unwrap_err();
    assert!(error.to_string().contains("nearest is \"Asia/Shanghai\""), "{error}");
    for wrong in ["", "UTC+8", "Mars/Olympus", "../etc/passwd", "localtime", "Etc/Unknown", "right/UTC"] {
        assert_invalid(shelf.catalog.create_app(new_app("shop", wrong)).await, "time_zone");
    }
    assert_eq!(shelf.catalog.snapshot().apps().count(), 0);

    let shop = create(&shelf.catalog, "shop").await.id;
    let change = AppChange { time_zone: Some("Nowhere".into()), ..AppChange::default() };
    assert_invalid(shelf.catalog.update_app(&shop, change).await, "time_zone");
}

#[tokio::test]
async fn titles_are_bounded_and_printable() {
    let shelf = Shelf::new().await;
    for title in ["x".repeat(201), "bell\u{7}".into()] {
        let app = suanpan_catalog::NewApp { title, ..new_app("shop", "UTC") };
        assert_invalid(shelf.catalog.create_app(app).await, "title");
    }
    let app = suanpan_catalog::NewApp { title: "店".repeat(200), ..new_app("shop", "UTC") };
    shelf.catalog.create_app(app).await.unwrap();
}

#[tokio::test]
async fn an_id_is_given_once_even_after_deletion() {
    let (shelf, shop) = Shelf::with_shop().await;
    for expected in [false, true] {
        match shelf.catalog.create_app(new_app("shop", "UTC")).await.unwrap_err() {
            CatalogError::Exists { deleted, .. } => assert_eq!(deleted, expected),
            other => panic!("{other}"),
        }
        if !expected {
            shelf.catalog.delete_app(&shop).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_deleted_app_is_gone_with_its_keys_until_it_is_restored() {
    let (shelf, shop) = Shelf::with_shop().await;
    let new = NewKey::new(KeyKind::Write);
    let (_, secret) = shelf.catalog.create_key(&shop, new.clone()).await.unwrap();

    shelf.catalog.delete_app(&shop).await.unwrap();
    let snapshot = shelf.catalog.snapshot();
    assert!(snapshot.app(&shop).is_none() && snapshot.key(secret.expose()).is_none());
    assert_not_found(shelf.catalog.delete_app(&shop).await, "app", None);
    assert_not_found(shelf.catalog.create_key(&shop, new).await, "app", None);
    assert_not_found(shelf.catalog.keys(&shop).await, "app", None);
    assert_not_found(shelf.catalog.update_app(&shop, AppChange::default()).await, "app", None);
    assert_not_found(shelf.catalog.restore_app(&app_id("shpo")).await, "deleted app", Some("shop"));

    shelf.catalog.restore_app(&shop).await.unwrap();
    let snapshot = shelf.catalog.snapshot();
    assert!(snapshot.app(&shop).is_some() && snapshot.key(secret.expose()).is_some());
    shelf.catalog.restore_app(&shop).await.unwrap();
    assert_eq!(shelf.catalog.snapshot().version(), snapshot.version(), "nothing to restore, no change");
}

#[tokio::test]
async fn an_unknown_app_is_answered_with_the_nearest() {
    let (shelf, _) = Shelf::with_shop().await;
    assert_not_found(shelf.catalog.delete_app(&app_id("shp")).await, "app", Some("shop"));
    assert_not_found(shelf.catalog.keys(&app_id("shop2")).await, "app", Some("shop"));
    assert_not_found(shelf.catalog.rules(&app_id("weather")).await, "app", None);
}

#[tokio::test]
async fn deleted_apps_count_towards_the_limit() {
    let shelf = Shelf::with(CatalogLimits { apps_max: 2, ..CatalogLimits::default() }).await;
    let first = create(&shelf.catalog, "one").await.id;
    create(&shelf.catalog, "two").await;
    shelf.catalog.delete_app(&first).await.unwrap();
    assert_full(shelf.catalog.create_app(new_app("three", "UTC")).await, "apps_max");
}

/// The machine that reads the catalog may know fewer time zones than the one that wrote it.
#[tokio::test]
async fn an_app_with_a_forgotten_time_zone_keeps_working() {
    let (shelf, shop) = Shelf::with_shop().await;
    shelf.place.raw("UPDATE apps SET time_zone = 'Mars/Olympus'").await;
    let snapshot = shelf.neighbour().await.snapshot();
    let view = snapshot.app(&shop).unwrap();
    assert_eq!((view.time_zone.as_str(), view.zone.iana_name()), ("Mars/Olympus", Some("UTC")));
}
