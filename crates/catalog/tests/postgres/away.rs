//! The server goes away and comes back, without a word or with one.

use std::time::{Duration, Instant};

use suanpan_catalog::{CatalogError, CatalogLimits};
use suanpan_event::AppId;
use suanpan_parts::Postgres;

use crate::{Place, Shelf, create, new_app, until};

/// Many times what it takes on a quiet machine.
const AT_MOST: Duration = Duration::from_secs(120);

/// A server of its own, which can be ended.
async fn shelf(server: &Postgres) -> (Shelf, AppId) {
    let place = Place::on(server).await;
    let catalog = place.open(CatalogLimits::default()).await.unwrap();
    let shop = create(&catalog, "shop").await.id;
    (Shelf { catalog, place }, shop)
}

/// Creates the app as soon as the database takes it; a try of before may have done it.
async fn create_when_back(shelf: &Shelf, id: &str) {
    let deadline = Instant::now() + AT_MOST;
    loop {
        match shelf.catalog.create_app(new_app(id, "UTC")).await {
            Ok(_) | Err(CatalogError::Exists { .. }) => return,
            Err(error) => assert!(error.is_retryable() && Instant::now() < deadline, "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_costs_changes_until_it_is_back_and_nothing_that_was_done() {
    let server = Postgres::start();
    let (shelf, shop) = shelf(&server).await;
    let neighbour = shelf.neighbour().await;
    for round in 0..2 {
        server.kill();
        let refused = shelf.catalog.create_app(new_app("away", "UTC")).await.unwrap_err();
        assert!(refused.is_retryable(), "{refused}");
        assert!(!format!("{refused} {refused:?}").contains(server.password()));
        assert!(shelf.catalog.snapshot().app(&shop).is_some(), "reading needs no server");
        assert!(shelf.catalog.rules(&shop).await.unwrap_err().is_retryable());
        server.restart();
        let id = format!("round-{round}");
        create_when_back(&shelf, &id).await;
        until(&neighbour, |s| s.apps().any(|app| app.id.as_str() == id)).await;
    }
    assert_eq!(neighbour.snapshot().apps().count(), 3);
}

/// Its connections stay open, as when a network drops what is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_holds_nobody_for_ever() {
    let server = Postgres::start();
    let (shelf, _) = shelf(&server).await;
    let neighbour = shelf.neighbour().await;
    server.pause();
    let tries: Vec<_> = (0..12)
        .map(|n| {
            let catalog = shelf.catalog.clone();
            tokio::spawn(async move { catalog.create_app(new_app(&format!("silent-{n}"), "UTC")).await })
        })
        .collect();
    for one in tries {
        let refused = tokio::time::timeout(AT_MOST, one).await.expect("every wait has a limit").unwrap();
        assert!(refused.unwrap_err().is_retryable());
    }
    server.resume();
    create_when_back(&shelf, "back").await;
    until(&neighbour, |s| s.apps().any(|app| app.id.as_str() == "back")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_waits_for_another_process_so_long_and_no_longer() {
    let (shelf, _) = Shelf::with_shop().await;
    let mut stopped = shelf.place.connect().await;
    let begin = "BEGIN; SELECT pg_advisory_xact_lock(32498683646861678)";
    sqlx::raw_sql(begin).execute(&mut stopped).await.unwrap();
    let refused = tokio::time::timeout(AT_MOST, shelf.catalog.create_app(new_app("early", "UTC"))).await;
    assert!(refused.expect("the wait has a limit").unwrap_err().is_retryable());
    drop(stopped);
    create_when_back(&shelf, "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_lost_while_its_database_is_away_and_had_again_after() {
    let server = Postgres::start();
    let (shelf, shop) = shelf(&server).await;
    let lease = shelf.catalog.try_lease("watch", "one").await.unwrap().unwrap();
    let job = shelf.catalog.start_replay(&shop, "{}").await.unwrap();
    server.kill();
    tokio::time::timeout(AT_MOST, lease.lost()).await.unwrap();
    assert!(!lease.is_held());
    server.restart();
    let next = tokio::time::timeout(AT_MOST, shelf.catalog.lease("watch", "one")).await.unwrap();
    assert!(next.term() > lease.term());
    assert!(matches!(shelf.catalog.claim_deletion(&lease).await, Err(CatalogError::LeaseLost { .. })));
    assert_eq!(shelf.catalog.interrupt_replays().await.unwrap(), 1, "its process had no lease for a while");
    let again = shelf.catalog.resume_replay(&shop, job.id).await.unwrap();
    assert_eq!(shelf.catalog.interrupt_replays().await.unwrap(), 0, "{again:?}");
}
