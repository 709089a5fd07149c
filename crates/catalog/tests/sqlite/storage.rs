//! What is on disk: reopened, copied in mid-flight, of the wrong kind.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use suanpan_catalog::{
    AppSettings, Catalog, CatalogError, KeyKind, NewAttribute, NewKey, NewRule, SecretText,
};
use suanpan_event::{AppId, AttributeType};

use crate::{Shelf, app_id, create, file};

/// One of everything.
async fn fill(catalog: &Catalog) -> SecretText {
    let shop = create(catalog, "shop").await.id;
    create(catalog, "game").await;
    let gone = create(catalog, "gone").await.id;
    catalog.delete_app(&gone).await.unwrap();
    let price = NewAttribute::new("price", AttributeType::Number);
    catalog.define_attribute(&shop, price).await.unwrap();
    let rule = NewRule { name: "daily".into(), title: String::new(), body: "{}".into() };
    catalog.save_rule(&shop, rule).await.unwrap();
    let key = NewKey { may_report_old: true, events_per_second: Some(50), ..NewKey::new(KeyKind::Write) };
    catalog.create_key(&shop, key).await.unwrap().1
}

/// Everything that `fill` left, as text.
async fn content(catalog: &Catalog, secret: &SecretText) -> String {
    let shop: AppId = app_id("shop");
    let snapshot = catalog.snapshot();
    let view = snapshot.app(&shop).unwrap();
    let mut apps: Vec<&str> = snapshot.apps().map(|a| a.id.as_str()).collect();
    apps.sort_unstable();
    let (attributes, slots) = (&view.attributes, &view.slots);
    let key = snapshot.key(secret.expose());
    let (keys, rules) = (catalog.keys(&shop).await.unwrap(), catalog.rules(&shop).await.unwrap());
    format!("{} {apps:?} {attributes:?} {slots:?} {key:?} {keys:?} {rules:?}", snapshot.version())
}

#[tokio::test]
async fn reopening_keeps_everything_and_migrates_nothing_twice() {
    let shelf = Shelf::new().await;
    let secret = fill(&shelf.catalog).await;
    let expected = content(&shelf.catalog, &secret).await;
    assert!(expected.contains("price") && expected.contains("may_report_old: true"));
    let Shelf { catalog, place } = shelf;
    drop(catalog);
    for _ in 0..2 {
        let reopened = Catalog::open(&place.file()).await.unwrap();
        assert_eq!(content(&reopened, &secret).await, expected);
    }
}

/// The files as they are while the catalog is open are what a killed process leaves.
#[tokio::test]
async fn a_crash_loses_nothing_that_was_reported_as_done() {
    let shelf = Shelf::new().await;
    let secret = fill(&shelf.catalog).await;
    let expected = content(&shelf.catalog, &secret).await;

    let after_crash = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(shelf.place.0.path()).unwrap() {
        let entry = entry.unwrap();
        // The shared-memory index dies with the machine and is rebuilt.
        if !entry.file_name().to_str().unwrap().ends_with("-shm") {
            fs::copy(entry.path(), after_crash.path().join(entry.file_name())).unwrap();
        }
    }
    let recovered = Catalog::open(&file(after_crash.path())).await.unwrap();
    assert_eq!(content(&recovered, &secret).await, expected);
}

#[tokio::test]
async fn the_text_of_a_key_is_nowhere_on_disk() {
    let (shelf, shop) = Shelf::with_shop().await;
    let (info, secret) = shelf.catalog.create_key(&shop, NewKey::new(KeyKind::Write)).await.unwrap();
    let random_part = &secret.expose()[info.first_characters.len()..];

    let mut hints_found = 0;
    for entry in fs::read_dir(shelf.place.0.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let contains = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(!contains(random_part));
        hints_found += usize::from(contains(&info.first_characters));
    }
    assert!(hints_found > 0, "the files that were searched hold the key's row");
}

#[tokio::test]
async fn a_backup_is_a_catalog_of_its_own() {
    let shelf = Shelf::new().await;
    let secret = fill(&shelf.catalog).await;
    let expected = content(&shelf.catalog, &secret).await;
    let copy = shelf.place.0.path().join("copy.db");
    assert!(shelf.catalog.back_up(&copy).await.unwrap());
    create(&shelf.catalog, "later").await;
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(content(&Catalog::open(&copy).await.unwrap(), &secret).await, expected);
    assert!(
        matches!(shelf.catalog.back_up(&copy).await, Err(CatalogError::Open { .. })),
        "nothing is overwritten"
    );
}

#[tokio::test]
async fn files_and_folders_are_for_the_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("var").join("catalog");
    let catalog = Catalog::open(&file(&deep)).await.unwrap();
    create(&catalog, "shop").await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&deep), 0o700);
    let files: Vec<_> = fs::read_dir(&deep).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 3, "the file, its log and its index");
    for path in files {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// The driver is told the file by a URL, in which some characters mean something.
#[tokio::test]
async fn any_path_is_a_place_for_a_catalog() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a b?c#d", "100%25", "..x", "价格", "a&b=c;d'e\"f"] {
        let file = folder.path().join(name).join("catalog.db");
        create(&Catalog::open(&file).await.unwrap(), "shop").await;
        assert!(file.is_file());
        assert_eq!(Catalog::open(&file).await.unwrap().snapshot().apps().count(), 1, "{name}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
}

#[tokio::test]
async fn what_is_no_catalog_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = file(folder.path());
    fs::write(&text, "not a database, but long enough to be taken for one".repeat(100)).unwrap();
    assert!(matches!(Catalog::open(&text).await, Err(CatalogError::Storage(_))));
    assert!(matches!(Catalog::open(&text.join("below-a-file")).await, Err(CatalogError::Open { .. })));
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused() {
    let (shelf, _) = Shelf::with_shop().await;
    let mut later = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(shelf.place.file()))
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', TRUE, x'00', 0)",
    )
    .execute(&mut later)
    .await
    .unwrap();
    assert!(matches!(Catalog::open(&shelf.place.file()).await, Err(CatalogError::Migrate(_))));
}

/// A file of the first version of the tables, with attributes in their columns.
#[tokio::test]
async fn an_older_catalog_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(file(folder.path())).create_if_missing(true);
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    let mut first = sqlx::migrate!("./migrations");
    first.migrations = first.migrations.iter().take(1).cloned().collect();
    first.run_direct(None, &mut db, false).await.unwrap();
    let old = "INSERT INTO apps VALUES ('shop', 'Shop', 'UTC', 2, 0, 0, NULL), ('game', 'Game', 'UTC', 0, 0, 0, NULL);
        INSERT INTO attributes VALUES ('shop', 'order', 'string', 'Order', 'text_01', 1), ('shop', 'gift', 'boolean', '', NULL, NULL);
        UPDATE catalog SET revision = 1; UPDATE apps SET revision = 1;";
    sqlx::raw_sql(old).execute(&mut db).await.unwrap();
    db.close().await.unwrap();

    let catalog = Catalog::open(&file(folder.path())).await.unwrap();
    let snapshot = catalog.snapshot();
    let shop = snapshot.app(&app_id("shop")).unwrap();
    let order = shop.attribute("order").unwrap();
    assert_eq!(order.slot.map(|s| (s.slot.to_string(), s.since)), Some(("text_01".to_owned(), 1)));
    assert!(order.terms.many_values && !shop.attribute("gift").unwrap().terms.many_values);
    assert_eq!(shop.slots.version, 2);
    assert!(shop.plan.is_silent());
    assert_eq!(shop.settings, AppSettings::default());
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    for id in ["shop", "game"] {
        let key = sqlx::query_scalar("SELECT mask_key FROM apps WHERE id = $1").bind(id);
        keys.push(key.fetch_one(&mut db).await.unwrap());
    }
    assert_eq!(keys[0].len(), 32);
    assert_ne!(keys[0], keys[1], "each app has a secret of its own");
}
