//! What is in the database: reopened, made by another program, named by a wrong address.

use suanpan_catalog::{Catalog, CatalogError, CatalogLimits, KeyKind, NewKey};
use suanpan_parts::Postgres;

use crate::{Place, SERVER, Shelf, app_id, create};

#[tokio::test]
async fn reopening_keeps_everything() {
    let (shelf, shop) = Shelf::with_shop().await;
    let (_, secret) = shelf.catalog.create_key(&shop, NewKey::new(KeyKind::Write)).await.unwrap();
    let version = shelf.catalog.snapshot().version();
    let Shelf { catalog, place } = shelf;
    drop(catalog);
    for _ in 0..2 {
        let reopened = place.open(CatalogLimits::default()).await.unwrap();
        let copy = std::env::temp_dir().join("never-made.db");
        assert!(!reopened.back_up(&copy).await.unwrap() && !copy.exists(), "its own tools copy it");
        let snapshot = reopened.snapshot();
        assert_eq!(snapshot.version(), version);
        assert_eq!(snapshot.key(secret.expose()).unwrap().app_id, shop);
    }
}

#[tokio::test]
async fn tables_of_a_newer_program_are_refused() {
    let (shelf, _) = Shelf::with_shop().await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', TRUE, '', 0)";
    shelf.place.raw(later).await;
    let refused = shelf.place.open(CatalogLimits::default()).await;
    assert!(matches!(refused, Err(CatalogError::Migrate(_))));
}

/// A backup that is put back under a running process is another history of the same revisions.
#[tokio::test]
async fn a_database_that_goes_back_in_time_takes_the_snapshot_along() {
    let (shelf, shop) = Shelf::with_shop().await;
    let kiosk = suanpan_catalog::AppChange { title: Some("Kiosk".into()), ..Default::default() };
    shelf.catalog.update_app(&shop, kiosk).await.unwrap();
    shelf.place.raw("UPDATE apps SET title = 'Shop', revision = 1; UPDATE catalog SET revision = 1").await;
    crate::until(&shelf.catalog, |s| s.app(&shop).is_some_and(|app| app.title == "Shop")).await;
    assert_eq!(shelf.catalog.snapshot().version(), 1);
}

/// Databases sort texts by the rules of a language, unless they are told not to.
#[tokio::test]
async fn texts_are_told_apart_byte_by_byte() {
    let place = Place::new().await;
    let catalog = place.open(CatalogLimits::default()).await.unwrap();
    let shop = create(&catalog, "shop").await.id;
    for name in ["b", "A", "a", "B", "-", "价"] {
        let rule = suanpan_catalog::NewRule { name: name.into(), title: String::new(), body: "{}".into() };
        catalog.save_rule(&shop, rule).await.unwrap();
    }
    let rules = catalog.rules(&shop).await.unwrap();
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["-", "A", "B", "a", "b", "价"]);
    let mut db = place.connect().await;
    let others: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'
           AND (data_type = 'text' AND collation_name IS DISTINCT FROM 'C'
                OR data_type NOT IN ('text', 'bigint', 'bytea', 'boolean'))",
    )
    .fetch_one(&mut db)
    .await
    .unwrap();
    assert_eq!(others, 0, "each column has one of the types that are meant");
}

#[tokio::test]
async fn connections_are_encrypted_as_the_address_says() {
    let server = Postgres::start_encrypted();
    let open = async |parameters: &str| {
        Catalog::open_url(&format!("{}{parameters}", server.url()), CatalogLimits::default()).await
    };
    open("?sslmode=disable").await.unwrap_err();
    open("").await.unwrap();
    let root = server.root_certificate();
    open("?sslmode=verify-full").await.expect_err("its root is none of this machine's");
    open(&format!("?sslmode=verify-full&sslrootcert={}", root.display())).await.unwrap();
}

#[tokio::test]
async fn a_wrong_address_is_refused_without_a_word_of_the_password() {
    let password = SERVER.password();
    let url = SERVER.url();
    let wrong = [
        url.replace("postgres://", "mysql://"),
        url.replace("127.0.0.1:", "127.0.0.1:x"),
        format!("{url}?pasword={password}"),
        format!("{url}?sslmode={password}"),
        format!("{url}?sslmode=require"),
        url.replace("/postgres", "/nothing"),
        url.replace(password, "another-secret"),
        format!("postgres://suanpan:{password}@127.0.0.1:1/nothing"),
    ];
    for url in wrong {
        let error = Catalog::open_url(&url, CatalogLimits::default()).await.unwrap_err();
        let invalid = matches!(error, CatalogError::Invalid { field: "url", .. });
        assert!(invalid || matches!(error, CatalogError::Connect { .. }), "{error:?}");
        for said in [error.to_string(), format!("{error:?}")] {
            assert!(!said.contains(password) && !said.contains("another-secret"), "{said}");
        }
    }
    let catalog = Catalog::open_url(&Place::new().await.url, CatalogLimits::default()).await.unwrap();
    assert!(!format!("{catalog:?}").contains(password));
    assert!(catalog.snapshot().app(&app_id("shop")).is_none());
}
