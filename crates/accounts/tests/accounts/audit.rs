use suanpan_accounts::Check;

use crate::stations::{Stations, now_ms};

/// A hundred events of ten people, of which one is sent twice, and three refused ones.
async fn some_events(stations: &Stations) {
    let mut events: Vec<_> =
        (0..100).map(|n| stations.event(&format!("u{}", n % 10), now_ms() - n * 1000)).collect();
    events.push(events[5].clone());
    stations.append(&events).await;
    let dead: Vec<_> = ["a", "b", "c"].map(|user| stations.dead(user, "{}")).into();
    stations.append_dead(&dead).await;
    stations.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_right_is_found_right() {
    let stations = Stations::start().await;
    some_events(&stations).await;
    let summary = stations.expect_equal().await;
    let outcomes = (summary.stored, summary.duplicate, summary.refused, summary.lost, summary.removed);
    assert_eq!(outcomes, (100, 1, 3, 0, 0));
    assert_eq!((summary.received, summary.records, summary.in_log), (104, 104, 0));
    stations.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_deleted_by_hand_is_missed() {
    let stations = Stations::start().await;
    some_events(&stations).await;
    let offset = "log_epoch = (SELECT any(log_epoch) FROM suanpan.events_local WHERE user_id = 'u3') AND user_id = 'u3'";
    stations
        .plant(&format!("ALTER TABLE suanpan.events_local DELETE WHERE {offset} SETTINGS mutations_sync = 2"))
        .await;
    let (summary, differences) = stations.audit().await;
    let missed: u64 =
        differences.iter().filter(|d| d.check == Check::Rows).map(|d| d.expected - d.found).sum();
    assert_eq!(missed, 10);
    let of_log: u64 = differences.iter().filter(|d| d.check == Check::Log).map(|d| d.expected).sum();
    assert_eq!(of_log, 10);
    let named = differences.iter().all(|d| d.app.as_deref() == Some("shop") && d.received_ms.is_some());
    assert!(named, "{differences:?}");
    assert_eq!(summary.differences, differences.len() as u64);
    stations.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_there_twice_is_seen_by_each_check() {
    let stations = Stations::start().await;
    some_events(&stations).await;
    stations
        .plant(
            "INSERT INTO suanpan.events_local SELECT * FROM suanpan.events_local ORDER BY log_partition, log_offset LIMIT 1",
        )
        .await;
    let (_summary, differences) = stations.audit().await;
    let mut checks: Vec<Check> = differences.iter().map(|d| d.check).collect();
    checks.sort_unstable();
    assert_eq!(checks, [Check::Rows, Check::TwiceOffset, Check::TwiceId], "{differences:?}");
    assert!(differences.iter().all(|d| d.found == d.expected + 1), "{differences:?}");
    stations.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_tampered_with_does_not_add_up() {
    let stations = Stations::start().await;
    some_events(&stations).await;
    stations
        .plant(
            "INSERT INTO suanpan.ledger_local SELECT * REPLACE (2 AS events) FROM suanpan.ledger_local \
             WHERE outcome = 'stored' AND events > 0 ORDER BY log_partition LIMIT 1",
        )
        .await;
    stations
        .plant(
            "INSERT INTO suanpan.dead_letter_local SELECT * REPLACE (generateUUIDv4() AS id) \
             FROM suanpan.dead_letter_local LIMIT 2",
        )
        .await;
    let (_summary, differences) = stations.audit().await;
    let found = |check: Check| differences.iter().find(|d| d.check == check).map(|d| (d.expected, d.found));
    let (expected, counted) = found(Check::Offsets).unwrap();
    assert_eq!(counted, expected + 2);
    let (stored, rows) = found(Check::Rows).unwrap();
    assert_eq!(stored, rows + 2);
    assert_eq!(found(Check::DeadLetter), Some((3, 5)));
    assert_eq!(differences.len(), 3, "{differences:?}");
    stations.end().await;
}
