//! Leases: one holder at a time, whatever becomes of the holders.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use suanpan_catalog::{LEASE_DURATION, Lease};

use crate::{Elsewhere, Shelf};

/// Many times what it takes on a quiet machine.
const AT_MOST: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_lease_has_one_holder_until_it_is_given_back() {
    let shelf = Shelf::new().await;
    let neighbour = shelf.neighbour().await;
    let lease = shelf.catalog.try_lease("watch", "one").await.unwrap().unwrap();
    assert!(lease.is_held());
    assert_eq!((lease.name(), lease.holder()), ("watch", "one"));
    assert!(neighbour.try_lease("watch", "two").await.unwrap().is_none());
    assert!(shelf.catalog.try_lease("watch", "one").await.unwrap().is_none(), "not twice for one either");
    assert_eq!(neighbour.lease_holder("watch").await.unwrap().as_deref(), Some("one"));
    let other = neighbour.try_lease("other", "two").await.unwrap().unwrap();

    let first_term = lease.term();
    lease.release().await.unwrap();
    assert_eq!(neighbour.lease_holder("watch").await.unwrap(), None);
    let next = neighbour.try_lease("watch", "two").await.unwrap().unwrap();
    assert!(next.term() > first_term && next.term() != other.term(), "a term is given once");
}

#[tokio::test]
async fn a_dropped_lease_is_given_back() {
    let shelf = Shelf::new().await;
    let neighbour = shelf.neighbour().await;
    let lease = shelf.catalog.try_lease("watch", "one").await.unwrap().unwrap();
    let waiting = tokio::spawn(async move { neighbour.lease("watch", "two").await });
    drop(lease);
    let lease = tokio::time::timeout(AT_MOST, waiting).await.unwrap().unwrap();
    assert_eq!(lease.holder(), "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_renews_keeps_it_and_one_that_is_gone_loses_it() {
    let shelf = Shelf::new().await;
    let kept = shelf.catalog.try_lease("kept", "one").await.unwrap().unwrap();
    let gone = Elsewhere::beside(&shelf);
    let began = Instant::now();
    // Its renewal ends with its process, and it is never given back.
    let (term, lost) = gone.run(|catalog| async move {
        let lease = catalog.try_lease("watch", "gone").await.unwrap().unwrap();
        (lease.term(), Arc::new(lease))
    });
    gone.kill();
    std::mem::forget(lost);
    let heir = tokio::time::timeout(AT_MOST, shelf.catalog.lease("watch", "heir")).await.unwrap();
    assert!(began.elapsed() >= LEASE_DURATION, "nobody takes it before its time is over");
    assert!(heir.term() > term);
    // By now the other one has lived longer than without renewals.
    assert!(kept.is_held());
    assert!(shelf.catalog.try_lease("kept", "two").await.unwrap().is_none());
}

#[tokio::test]
async fn a_lease_that_the_database_gave_to_another_is_lost() {
    let shelf = Shelf::new().await;
    let lease = shelf.catalog.try_lease("watch", "one").await.unwrap().unwrap();
    shelf.place.raw("DELETE FROM leases").await;
    let neighbour = shelf.neighbour().await;
    let taken = neighbour.try_lease("watch", "two").await.unwrap().unwrap();
    tokio::time::timeout(AT_MOST, lease.lost()).await.unwrap();
    assert!(!lease.is_held());
    lease.release().await.unwrap();
    assert!(taken.is_held(), "who lost it gives nothing back");
    assert_eq!(shelf.catalog.lease_holder("watch").await.unwrap().as_deref(), Some("two"));
}

/// A clock that was set back a day must not leave a dead holder's lease in place for a day.
#[tokio::test]
async fn a_lease_from_the_future_is_over() {
    let shelf = Shelf::new().await;
    let lease = shelf.catalog.try_lease("watch", "one").await.unwrap().unwrap();
    shelf.place.raw("UPDATE leases SET expires_ms = expires_ms + 86400000").await;
    assert_eq!(shelf.catalog.lease_holder("watch").await.unwrap(), None);
    let next = shelf.neighbour().await.try_lease("watch", "two").await.unwrap().unwrap();
    assert!(next.term() > lease.term());
}

/// As the database sees it there are never two holders: each who holds it is alone from getting it to giving
/// it back, and terms only grow.
#[tokio::test(flavor = "multi_thread")]
async fn many_who_want_it_have_it_one_after_the_other() {
    const TURNS: usize = 40;
    let shelf = Shelf::new().await;
    let neighbour = shelf.neighbour().await;
    let (inside, newest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicI64::new(0)));
    let turns = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for n in 0..8 {
        let catalog = if n % 2 == 0 { shelf.catalog.clone() } else { neighbour.clone() };
        let (inside, newest, turns) = (Arc::clone(&inside), Arc::clone(&newest), Arc::clone(&turns));
        tasks.push(tokio::spawn(async move {
            while turns.load(Ordering::SeqCst) < TURNS {
                let Some(lease) = catalog.try_lease("watch", &n.to_string()).await.unwrap() else {
                    tokio::task::yield_now().await;
                    continue;
                };
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                assert!(newest.swap(lease.term(), Ordering::SeqCst) < lease.term());
                turns.fetch_add(1, Ordering::SeqCst);
                assert_alone(&catalog, &lease).await;
                inside.fetch_sub(1, Ordering::SeqCst);
                lease.release().await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

async fn assert_alone(catalog: &suanpan_catalog::Catalog, lease: &Lease) {
    assert_eq!(catalog.lease_holder("watch").await.unwrap().as_deref(), Some(lease.holder()));
}
