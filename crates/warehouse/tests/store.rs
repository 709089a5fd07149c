//! What is inserted is stored once, found again, and counted.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::collections::HashSet;

use fixture::{DAY_MS, MARCH_MS, app, batch, question, row};
use serde_json::{Value, json};
use suanpan_event::{AppId, Slot, SlotFamily, report_date};
use suanpan_warehouse::{
    BATCH_ROWS_MAX, BatchId, EventRow, LedgerEntry, SlotValue, StoredIdProbe, Warehouse, WarehouseError,
    testing,
};
use uuid::Uuid;

async fn one(warehouse: &Warehouse, app: &AppId, sql: &str) -> Value {
    let table = warehouse.ask(&question(app, sql)).await.unwrap();
    assert_eq!(table.rows.len(), 1, "{sql}");
    Value::Array(table.rows[0].clone())
}

#[test]
fn a_row_comes_back_as_it_was() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("row");
        let slot = |family, number| Slot::new(family, number).unwrap();
        let event = EventRow {
            event: "购买 'x'\n".into(),
            client_time_ms: Some(MARCH_MS - 1),
            content: r#"{"name":"算盘","n":18446744073709551615}"#.into(),
            slot_map: 7,
            slots: vec![
                (slot(SlotFamily::Category, 24), SlotValue::Text("wechat".into())),
                (slot(SlotFamily::Text, 8), SlotValue::Text("long".into())),
                (slot(SlotFamily::Number, 16), SlotValue::Number(-0.5)),
            ],
            ..row(&app, 3)
        };
        let without_slots = EventRow { event: "plain".into(), ..row(&app, 4) };
        let rows = [event.clone(), without_slots];
        warehouse.insert_events(batch(10, &rows), &rows).await.unwrap();

        let columns = "event, toUnixTimestamp64Milli(event_time), toUnixTimestamp64Milli(received_time), \
                       toUnixTimestamp64Milli(client_time), toString(report_date), toString(event_id), actor_id, \
                       platform, content, slot_map, log_epoch, log_partition, log_offset, cat_24, text_08, num_16, \
                       cat_01, num_01";
        let found = one(&warehouse, &app, &format!("SELECT {columns} FROM events WHERE slot_map = 7")).await;
        let at = MARCH_MS + 3000;
        assert_eq!(
            found,
            json!([
                "购买 'x'\n",
                at,
                at + 500,
                MARCH_MS - 1,
                "2024-03-01",
                event.event_id.to_string(),
                "u3",
                "ios",
                r#"{"name":"算盘","n":18446744073709551615}"#,
                7,
                10,
                0,
                3,
                "wechat",
                "long",
                -0.5,
                "",
                null
            ])
        );
        let sql = "SELECT cat_24, text_08, num_16, client_time FROM events WHERE event = 'plain'";
        assert_eq!(one(&warehouse, &app, sql).await, json!(["", "", null, null]));
    });
}

#[test]
fn a_batch_sent_again_is_stored_once() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("again");
        // Three days, so three partitions and three parts.
        let rows: Vec<_> = (0..90)
            .map(|n| EventRow { event_time_ms: MARCH_MS + n as i64 % 3 * DAY_MS, ..row(&app, n) })
            .collect();
        for _ in 0..3 {
            warehouse.insert_events(batch(11, &rows), &rows).await.unwrap();
        }
        assert_eq!(
            one(&warehouse, &app, "SELECT count(), uniqExact(event_id) FROM events").await,
            json!([90, 90])
        );
        // Another batch with the same rows is another batch.
        let other = BatchId { epoch: 12, ..batch(11, &rows) };
        warehouse.insert_events(other, &rows).await.unwrap();
        assert_eq!(
            one(&warehouse, &app, "SELECT count(), uniqExact(event_id) FROM events").await,
            json!([180, 90])
        );
    });
}

#[test]
fn a_batch_over_its_limits_is_refused_here() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("limits");
        let rows: Vec<_> = (0..=BATCH_ROWS_MAX as u64).map(|n| row(&app, n)).collect();
        let refused = warehouse.insert_events(batch(13, &rows), &rows).await;
        assert!(matches!(refused, Err(WarehouseError::BatchInvalid { .. })), "{refused:?}");

        let slot = Slot::new(SlotFamily::Number, 1).unwrap();
        let twice = [EventRow {
            slots: vec![(slot, SlotValue::Number(1.0)), (slot, SlotValue::Number(2.0))],
            ..row(&app, 0)
        }];
        let text = [EventRow { slots: vec![(slot, SlotValue::Text("1".into()))], ..row(&app, 0) }];
        for rows in [&twice, &text] {
            let refused = warehouse.insert_events(batch(13, rows), rows).await;
            assert!(matches!(refused, Err(WarehouseError::BatchInvalid { .. })), "{refused:?}");
        }
        warehouse.insert_events(batch(13, &rows[..1]), &[]).await.unwrap();
        assert_eq!(one(&warehouse, &app, "SELECT count() FROM events").await, json!([0]));
    });
}

#[test]
fn an_import_over_a_year_fits_one_batch() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("year");
        let rows: Vec<_> = (0..365)
            .map(|n| EventRow { event_time_ms: MARCH_MS + n as i64 * DAY_MS, ..row(&app, n) })
            .collect();
        warehouse.insert_events(batch(14, &rows), &rows).await.unwrap();
        let sql = "SELECT count(), uniqExact(report_date) FROM events";
        assert_eq!(one(&warehouse, &app, sql).await, json!([365, 365]));
    });
}

#[test]
fn stored_offsets_are_those_after_the_commit() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("offsets");
        let epoch = 15;
        assert_eq!(warehouse.committed(epoch, 0).await.unwrap(), 0);
        let rows: Vec<_> = (0..100).map(|n| row(&app, n)).collect();
        warehouse.insert_events(batch(epoch, &rows), &rows).await.unwrap();
        warehouse.insert_ledger(batch(epoch, &rows), &[]).await.unwrap();
        assert_eq!(warehouse.committed(epoch, 0).await.unwrap(), 100);
        assert_eq!(warehouse.committed(epoch, 1).await.unwrap(), 0);
        assert_eq!(warehouse.committed(epoch + 1000, 0).await.unwrap(), 0);

        // A batch that was cut off: some of its rows are there, no commit.
        let some: Vec<_> = [100, 101, 105, 110].map(|n| row(&app, n)).into();
        warehouse.insert_events(batch(epoch, &some), &some).await.unwrap();
        let stored = warehouse.stored_offsets(epoch, 0, 100).await.unwrap();
        assert_eq!(stored.ranges(), [100..102, 105..106, 110..111]);
        assert!(warehouse.stored_offsets(epoch, 1, 0).await.unwrap().is_empty());
        assert_eq!(warehouse.stored_offsets(epoch, 0, 0).await.unwrap().len(), 104);
    });
}

#[test]
fn the_ledger_counts_each_batch_once() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("ledger");
        let id = |first, last| BatchId { epoch: 16, partition: 2, first, last, writer: 0 };
        let entry = |minute_ms, outcome, code: &'static str, events| LedgerEntry {
            app_id: app.clone(),
            minute_ms,
            outcome,
            code: code.into(),
            events,
        };
        let first = [entry(MARCH_MS + 5, "stored", "", 3), entry(MARCH_MS + 61_000, "duplicate", "", 2)];
        for _ in 0..2 {
            warehouse.insert_ledger(id(0, 4), &first).await.unwrap();
        }
        let second =
            [entry(MARCH_MS + 59_999, "stored", "", 4), entry(MARCH_MS, "rejected", "time_too_old", 1)];
        warehouse.insert_ledger(id(5, 9), &second).await.unwrap();

        let lines = warehouse.outcomes(&app, MARCH_MS, MARCH_MS + 120_000).await.unwrap();
        let lines: Vec<_> = lines
            .iter()
            .map(|l| (l.minute_ms - MARCH_MS, l.outcome.as_str(), l.code.as_str(), l.events))
            .collect();
        let expected =
            [(0, "rejected", "time_too_old", 1), (0, "stored", "", 7), (60_000, "duplicate", "", 2)];
        assert_eq!(lines, expected);
        let late = warehouse.outcomes(&app, MARCH_MS + 60_000, MARCH_MS + 120_000).await.unwrap();
        assert_eq!(late.len(), 1);
        let totals = warehouse.outcome_totals(&app).await.unwrap();
        let totals: Vec<_> = totals.iter().map(|t| (t.outcome.as_str(), t.events)).collect();
        assert_eq!(totals, [("duplicate", 2), ("rejected", 1), ("stored", 7)]);
        assert_eq!(warehouse.committed(16, 2).await.unwrap(), 10);
    });
}

#[test]
fn recent_ids_are_the_newest_that_fit() {
    testing::run(async |warehouse: Warehouse| {
        // Far in the future, so that the rows of other tests are not among them.
        let app = app("recent");
        let base = MARCH_MS + 40 * 365 * DAY_MS;
        let hour = 3_600_000;
        let rows: Vec<_> = (0..40)
            .map(|n| EventRow { event_time_ms: base + n as i64 / 10 * hour, ..row(&app, n) })
            .collect();
        warehouse.insert_events(batch(17, &rows), &rows).await.unwrap();

        let check = async |since: i64, ids_max: usize, complete_since: i64, expected: usize| {
            let mut ids = HashSet::new();
            let recent = warehouse
                .recent_ids(since, ids_max, (0, 1), |found, id, time| {
                    assert_eq!((found, time >= complete_since), (&app, true));
                    ids.insert(id);
                })
                .await
                .unwrap();
            assert_eq!((recent.count, recent.complete_since_ms), (expected, complete_since));
            let newest: HashSet<Uuid> = rows[40 - expected..].iter().map(|row| row.event_id).collect();
            assert_eq!(ids, newest);
        };
        check(base, 100, base, 40).await;
        check(base, 40, base, 40).await;
        check(base, 39, base + hour, 30).await;
        check(base + hour + 1, 1_000, base + hour + 1, 20).await;
        check(base, 9, base + 4 * hour, 0).await;
    });
}

#[test]
fn stored_ids_are_found_by_name_time_and_id() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("probe");
        let rows: Vec<_> = (0..2_500)
            .map(|n| EventRow {
                event: format!("it's \\ {}", n % 3).into(),
                event_time_ms: MARCH_MS + n as i64 % 5 * DAY_MS + n as i64,
                ..row(&app, n)
            })
            .collect();
        warehouse.insert_events(batch(18, &rows[..2_000]), &rows[..2_000]).await.unwrap();
        let probe = |row: &EventRow<'static>| (row.event.clone(), row.event_time_ms, row.event_id);
        let known: Vec<_> = rows.iter().map(probe).collect();
        let probes: Vec<_> = known
            .iter()
            .map(|(event, event_time_ms, event_id)| StoredIdProbe {
                client_time_ms: None,
                event,
                event_time_ms: *event_time_ms,
                event_id: *event_id,
            })
            .collect();
        let expected: HashSet<Uuid> = rows[..2_000].iter().map(|row| row.event_id).collect();
        assert_eq!(warehouse.stored_ids(&app, &probes).await.unwrap(), expected);
        assert!(warehouse.stored_ids(&app, &[]).await.unwrap().is_empty());
        // Another app, another time: another event.
        let other = fixture::app("probe-other");
        assert!(warehouse.stored_ids(&other, &probes[..10]).await.unwrap().is_empty());
        let moved = StoredIdProbe { event_time_ms: probes[0].event_time_ms + 1, ..probes[0] };
        assert!(warehouse.stored_ids(&app, &[moved]).await.unwrap().is_empty());
    });
}

#[test]
fn the_slot_floor_is_that_of_the_days() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("floor");
        let rows: Vec<_> = (0..3)
            .map(|n| EventRow {
                event_time_ms: MARCH_MS + n as i64 * DAY_MS,
                slot_map: n as u32 + 4,
                ..row(&app, n)
            })
            .collect();
        warehouse.insert_events(batch(19, &rows), &rows).await.unwrap();
        let day = |n: i64| report_date(MARCH_MS + n * DAY_MS);
        assert_eq!(warehouse.slot_floor(&app, day(0), day(2)).await.unwrap(), Some(4));
        assert_eq!(warehouse.slot_floor(&app, day(1), day(1)).await.unwrap(), Some(5));
        assert_eq!(warehouse.slot_floor(&app, day(5), day(9)).await.unwrap(), None);
    });
}

#[test]
fn migrating_again_changes_nothing() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("migrated");
        let rows = [row(&app, 0)];
        warehouse.insert_events(batch(20, &rows), &rows).await.unwrap();
        warehouse.migrate().await.unwrap();
        warehouse.migrate().await.unwrap();
        assert_eq!(one(&warehouse, &app, "SELECT count() FROM events").await, json!([1]));
    });
}
