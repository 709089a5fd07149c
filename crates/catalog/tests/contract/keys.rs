use suanpan_catalog::{
    Catalog, CatalogLimits, KeyGrant, KeyId, KeyInfo, KeyKind, NewKey, SecretText, recognise_key,
};
use suanpan_event::AppId;

use crate::{Shelf, assert_full, assert_invalid, assert_not_found, create};

fn key(kind: KeyKind, may_report_old: bool) -> NewKey {
    NewKey { title: "The website".into(), may_report_old, ..NewKey::new(kind) }
}

async fn write_key(catalog: &Catalog, app: &AppId) -> (KeyInfo, SecretText) {
    catalog.create_key(app, key(KeyKind::Write, false)).await.unwrap()
}

#[tokio::test]
async fn a_key_grants_what_it_was_created_for() {
    let (shelf, shop) = Shelf::with_shop().await;
    for (kind, may_report_old, prefix) in
        [(KeyKind::Write, false, "spw_"), (KeyKind::Write, true, "spw_"), (KeyKind::Read, false, "spr_")]
    {
        let (info, secret) = shelf.catalog.create_key(&shop, key(kind, may_report_old)).await.unwrap();
        let expected =
            KeyGrant { key_id: info.id, app_id: shop.clone(), kind, may_report_old, events_per_second: None };
        assert_eq!(shelf.catalog.snapshot().key(secret.expose()), Some(&expected));
        assert!(secret.expose().starts_with(prefix));
        assert!(secret.expose().starts_with(&info.first_characters));
        assert_eq!(recognise_key(secret.expose()), Ok(kind));
    }
    let listed = shelf.catalog.keys(&shop).await.unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed.is_sorted_by_key(|k| k.id));
    assert!(listed.iter().all(|k| k.title == "The website" && k.revoked_ms.is_none()));
}

#[tokio::test]
async fn only_the_whole_text_is_the_key() {
    let (shelf, shop) = Shelf::with_shop().await;
    let (info, secret) = write_key(&shelf.catalog, &shop).await;
    let snapshot = shelf.catalog.snapshot();
    let text = secret.expose();
    let wrong = [
        "",
        &info.first_characters,
        &text[..text.len() - 1],
        &format!("{text} "),
        &text.to_uppercase(),
        &text.replacen("spw_", "spr_", 1),
        &"x".repeat(text.len()),
        &"x".repeat(1 << 20),
    ];
    for text in wrong {
        assert!(snapshot.key(text).is_none(), "{text:.60}");
    }
    assert!(snapshot.key(text).is_some());
}

#[tokio::test]
async fn a_revoked_key_stops_before_the_call_returns() {
    let (shelf, shop) = Shelf::with_shop().await;
    let (info, secret) = write_key(&shelf.catalog, &shop).await;
    let (_, other) = write_key(&shelf.catalog, &shop).await;

    let revoked = shelf.catalog.revoke_key(&shop, info.id).await.unwrap();
    let snapshot = shelf.catalog.snapshot();
    assert!(snapshot.key(secret.expose()).is_none());
    assert!(snapshot.key(other.expose()).is_some());

    let again = shelf.catalog.revoke_key(&shop, info.id).await.unwrap();
    assert!(revoked.revoked_ms.is_some());
    assert_eq!(again, revoked, "a second revocation changes nothing");
    assert!(shelf.catalog.keys(&shop).await.unwrap().contains(&revoked), "it stays listed");
}

#[tokio::test]
async fn a_key_of_another_app_is_not_found() {
    let (shelf, shop) = Shelf::with_shop().await;
    let game = create(&shelf.catalog, "game").await.id;
    let (info, secret) = write_key(&shelf.catalog, &shop).await;
    assert_not_found(shelf.catalog.revoke_key(&game, info.id).await, "key", None);
    assert_not_found(shelf.catalog.revoke_key(&shop, KeyId(99)).await, "key", None);
    assert!(shelf.catalog.keys(&game).await.unwrap().is_empty());
    assert_eq!(shelf.catalog.snapshot().key(secret.expose()).unwrap().app_id, shop);
}

#[tokio::test]
async fn the_text_of_a_key_is_in_no_debug_output() {
    let (shelf, shop) = Shelf::with_shop().await;
    let (info, secret) = write_key(&shelf.catalog, &shop).await;
    let random_part = &secret.expose()[info.first_characters.len()..];
    assert_eq!(format!("{secret:?}"), "[redacted]");
    let printed = format!("{info:?} {:?} {:?}", shelf.catalog, shelf.catalog.snapshot());
    assert!(!printed.contains(random_part));
}

#[tokio::test]
async fn a_read_key_reports_nothing_old() {
    let (shelf, shop) = Shelf::with_shop().await;
    assert_invalid(shelf.catalog.create_key(&shop, key(KeyKind::Read, true)).await, "may_report_old");
    assert!(shelf.catalog.keys(&shop).await.unwrap().is_empty());
}

#[tokio::test]
async fn keys_are_bounded_and_so_is_the_list_of_revoked_ones() {
    let limits = CatalogLimits { keys_per_app_max: 2, revoked_keys_kept: 3, ..CatalogLimits::default() };
    let shelf = Shelf::with(limits).await;
    let shop = create(&shelf.catalog, "shop").await.id;
    write_key(&shelf.catalog, &shop).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let (info, _) = write_key(&shelf.catalog, &shop).await;
        let one_more = shelf.catalog.create_key(&shop, key(KeyKind::Read, false)).await;
        assert_full(one_more, "keys_per_app_max");
        shelf.catalog.revoke_key(&shop, info.id).await.unwrap();
        assert!(!seen.contains(&info.id), "an id is given once");
        seen.push(info.id);
    }
    let listed = shelf.catalog.keys(&shop).await.unwrap();
    let revoked: Vec<KeyId> = listed.iter().filter(|k| k.revoked_ms.is_some()).map(|k| k.id).collect();
    assert_eq!(revoked, seen[2..]);
    assert_eq!(listed.len(), 4);
}

#[tokio::test]
async fn a_write_key_may_have_a_rate_of_its_own() {
    let (shelf, shop) = Shelf::with_shop().await;
    let c = &shelf.catalog;
    let limited = |kind, rate| NewKey { events_per_second: Some(rate), ..NewKey::new(kind) };
    let (info, secret) = c.create_key(&shop, limited(KeyKind::Write, 20)).await.unwrap();
    assert_eq!(info.events_per_second, Some(20));
    assert_eq!(c.snapshot().key(secret.expose()).unwrap().events_per_second, Some(20));
    assert_eq!(c.keys(&shop).await.unwrap()[0].events_per_second, Some(20));
    assert_invalid(c.create_key(&shop, limited(KeyKind::Read, 20)).await, "events_per_second");
    assert_invalid(c.create_key(&shop, limited(KeyKind::Write, 0)).await, "events_per_second");
}
