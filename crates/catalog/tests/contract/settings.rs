use suanpan_catalog::{AppSettings, CatalogLimits, IpPolicy, RETENTION_DAYS_MAX, SettingsChange};

use crate::{Shelf, assert_full, assert_invalid, assert_not_found, create, until};

fn origins(list: &[&str]) -> SettingsChange {
    let list = list.iter().map(|o| (*o).to_owned()).collect();
    SettingsChange { allowed_origins: Some(list), ..SettingsChange::default() }
}

#[tokio::test]
async fn settings_begin_with_defaults_and_change_one_by_one() {
    let (shelf, shop) = Shelf::with_shop().await;
    let snapshot = shelf.catalog.snapshot();
    assert_eq!(snapshot.app(&shop).unwrap().settings, AppSettings::default());

    let change = SettingsChange {
        ip: Some(IpPolicy::Drop),
        events_per_second: Some(Some(500)),
        events_per_month: Some(Some(u64::from(u32::MAX) * 4)),
        retention_days: Some(Some(90)),
        ..SettingsChange::default()
    };
    shelf.catalog.update_settings(&shop, change).await.unwrap();
    let lifted = SettingsChange { events_per_second: Some(None), ..SettingsChange::default() };
    let now = shelf.catalog.update_settings(&shop, lifted).await.unwrap();
    let expected = AppSettings {
        ip: IpPolicy::Drop,
        events_per_month: Some(u64::from(u32::MAX) * 4),
        retention_days: Some(90),
        ..AppSettings::default()
    };
    assert_eq!(now, expected);
    assert_eq!(shelf.neighbour().await.snapshot().app(&shop).unwrap().settings, expected);
}

#[tokio::test]
async fn a_neighbours_settings_arrive() {
    let (shelf, shop) = Shelf::with_shop().await;
    let neighbour = shelf.neighbour().await;
    neighbour
        .update_settings(&shop, origins(&["https://Shop.example/", "https://shop.example"]))
        .await
        .unwrap();
    until(&shelf.catalog, |s| {
        s.app(&shop).is_some_and(|app| app.settings.allowed_origins == ["https://shop.example"])
    })
    .await;
    let snapshot = shelf.catalog.snapshot();
    let settings = &snapshot.app(&shop).unwrap().settings;
    assert!(settings.allows_origin("https://shop.example"));
    assert!(!settings.allows_origin("https://other.example"));
}

#[tokio::test]
async fn wrong_settings_change_nothing() {
    let limits = CatalogLimits { origins_per_app_max: 1, ..CatalogLimits::default() };
    let shelf = Shelf::with(limits).await;
    let shop = create(&shelf.catalog, "shop").await.id;
    let c = &shelf.catalog;
    assert_invalid(c.update_settings(&shop, origins(&["shop.example"])).await, "allowed_origins");
    assert_full(c.update_settings(&shop, origins(&["*", "http://a"])).await, "origins_per_app_max");
    let zero = SettingsChange { events_per_day: Some(Some(0)), ..SettingsChange::default() };
    assert_invalid(c.update_settings(&shop, zero).await, "events_per_day");
    let huge = SettingsChange { events_per_day: Some(Some(u64::MAX)), ..SettingsChange::default() };
    assert_invalid(c.update_settings(&shop, huge).await, "events_per_day");
    for days in [0, RETENTION_DAYS_MAX + 1] {
        let wrong = SettingsChange { retention_days: Some(Some(days)), ..SettingsChange::default() };
        assert_invalid(c.update_settings(&shop, wrong).await, "retention_days");
    }
    let unknown = c.update_settings(&"shp".parse().unwrap(), SettingsChange::default()).await;
    assert_not_found(unknown, "app", Some("shop"));
    assert_eq!(c.snapshot().app(&shop).unwrap().settings, AppSettings::default());
    assert!(
        c.update_settings(&shop, origins(&[])).await.unwrap().allowed_origins.is_empty(),
        "none may report"
    );
}
