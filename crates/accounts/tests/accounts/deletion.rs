use std::time::Duration;

use suanpan_catalog::DeletionState;
use suanpan_event::Record;
use suanpan_log::Entry;
use tokio::sync::watch;

use crate::stations::{Stations, now_ms};

/// What the log still has of a person.
async fn in_log(stations: &Stations, user: &str) -> usize {
    let mut found = 0;
    for position in stations.log.positions().await.unwrap() {
        let mut reader = stations.log.look(position.partition, position.first_offset).await.unwrap();
        let mut at = position.first_offset;
        while at < position.end_offset {
            let wait = Duration::from_secs(5);
            let entries = reader.next_batch(1000, 1 << 20, wait).await.unwrap();
            assert!(!entries.is_empty(), "the log has what it says");
            for entry in entries {
                let Entry::Record { offset, payload } = entry else { panic!("{entry:?}") };
                at = offset + 1;
                found += usize::from(match Record::decode(&payload).unwrap() {
                    Record::Event(event) => event.user_id == user,
                    Record::Dead(dead) => dead.raw.contains(user),
                });
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_deleted_from_everywhere_and_the_accounts_stay_equal() {
    let stations = Stations::start().await;
    let now = now_ms();
    let mut events: Vec<_> =
        (0..60).map(|n| stations.event(&format!("u{}", n % 6), now - n * 1000)).collect();
    for (n, event) in events.iter_mut().enumerate() {
        if n % 12 == 3 {
            event.linked_id = format!("before {}", event.user_id).into();
        }
    }
    stations.append(&events).await;
    let others = stations.dead("u4", r#"{"user_id":"u4"}"#);
    let broken = stations.dead("", r#"{"user_id":"u3","#);
    let named = stations.dead("u3", r#"{"user_id":"u3"}"#);
    stations.append_dead(&[others, broken, named]).await;
    stations.settle().await;
    stations.expect_equal().await;

    let summary = stations.accounts.person(&stations.app, "u3", true).await.unwrap();
    assert_eq!(summary.ids, ["u3", "before u3"]);
    assert_eq!(summary.devices, ["device of u3"]);
    assert_eq!((summary.events[0].events, summary.dead_letters), (10, 2));
    let job = stations
        .accounts
        .request_deletion(&stations.app, "u3", (true, vec!["device of u3".to_owned()]))
        .await
        .unwrap();
    assert_eq!((job.state, job.other_ids.len()), (DeletionState::Requested, 2));
    let again = stations
        .accounts
        .request_deletion(&stations.app, "u3", (true, vec!["device of u3".to_owned()]))
        .await
        .unwrap();
    assert_eq!(again.id, job.id);
    // Another one is sent while nothing is deleted yet, and must go as well: it was acknowledged by then.
    stations.append(&[stations.event("u3", now)]).await;
    let is_done = async || {
        stations.catalog.deletion(&stations.app, job.id).await.unwrap().state == DeletionState::Finished
    };
    stations.watch_until(is_done).await;

    let job = stations.catalog.deletion(&stations.app, job.id).await.unwrap();
    assert_eq!((job.counts.rows, job.counts.dead_letters, &job.actor), (11, 2, &None));
    assert!(job.counts.links > 0);
    let after = stations.accounts.person(&stations.app, "u3", false).await.unwrap();
    assert_eq!((after.events.len(), after.dead_letters, after.links), (0, 0, 0));
    assert_eq!((stations.rows("events").await, stations.rows("dead_letter").await), (50, 1));
    assert_eq!(in_log(&stations, "u3").await, 0);
    let summary = stations.expect_equal().await;
    assert_eq!((summary.stored, summary.removed), (61, 11));
    let learnt = stations.warehouse.learnt(&stations.app).await.unwrap();
    assert!(learnt.iter().all(|name| name.samples.is_empty()), "{learnt:?}");
    let leftover = stations
        .plant("SELECT count() FROM suanpan.removal_steps_local WHERE position(what, 'u3') > 0")
        .await;
    assert_eq!(leftover.trim(), "0");
    let told =
        stations.plant("SELECT count() FROM system.mutations WHERE position(command, '\\'u3\\'') > 0").await;
    assert_eq!(told.trim(), "0", "the engine keeps no mutation that names the person");

    // What is sent later is another matter.
    stations.append(&[stations.event("u3", now)]).await;
    stations.settle().await;
    assert_eq!(stations.rows("events").await, 51);
    stations.expect_equal().await;
    stations.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_cut_off_anywhere_goes_on() {
    let stations = Stations::start().await;
    let now = now_ms();
    let events: Vec<_> = (0..300).map(|n| stations.event(&format!("u{}", n % 3), now - n * 1000)).collect();
    stations.append(&events).await;
    stations.append_dead(&[stations.dead("u1", "{}"), stations.dead("u2", "{}")]).await;
    let job = stations.accounts.request_deletion(&stations.app, "u1", (false, Vec::new())).await.unwrap();
    let mut cut_off = 0;
    let (_stop, stopped) = watch::channel(false);
    for round in 1..1_000 {
        if stations.catalog.deletion(&stations.app, job.id).await.unwrap().state == DeletionState::Finished {
            break;
        }
        // Each is a process of its own, which knows nothing of the one before and is cut off a little later.
        let (lease, accounts) = (stations.lease().await, stations.accounts_anew());
        let round =
            tokio::time::timeout(Duration::from_millis(10 * round), accounts.watch_once(&lease, &stopped));
        cut_off += usize::from(round.await.is_err());
        lease.release().await.unwrap();
    }
    assert!(cut_off > 3, "the deletion was cut off {cut_off} times");
    let job = stations.catalog.deletion(&stations.app, job.id).await.unwrap();
    assert_eq!((job.state, job.counts.rows), (DeletionState::Finished, 100));
    assert_eq!((stations.rows("events").await, stations.rows("dead_letter").await), (200, 1));
    assert_eq!(in_log(&stations, "u1").await, 0);
    let summary = stations.expect_equal().await;
    assert_eq!((summary.stored, summary.removed), (300, 100));
    stations.end().await;
}
