//! A partition of the log has one writer, whoever else believes to be it.

#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::{MARCH_MS, app, batch, question, row};
use serde_json::json;
use suanpan_event::{AppId, DeadEvent, Origin};
use suanpan_warehouse::{
    BatchId, Claim, ErrorClass, EventRow, LedgerEntry, NewLearnt, NewLink, ReplayNote, Warehouse,
    WarehouseError, testing,
};
use uuid::Uuid;

fn rows(app: &AppId, offsets: std::ops::Range<u64>) -> Vec<EventRow<'static>> {
    offsets.map(|offset| row(app, offset)).collect()
}

fn learnt(app: &AppId) -> NewLearnt<'static> {
    NewLearnt {
        app_id: app.clone(),
        event: "view",
        attribute: "",
        first_seen_ms: MARCH_MS,
        last_seen_ms: MARCH_MS,
        events: 1,
        types: 0,
        samples: Vec::new(),
        unlisted: Vec::new(),
    }
}

fn link(app: &AppId) -> NewLink {
    let ends = ("d".to_owned(), "u".to_owned());
    NewLink {
        app_id: app.clone(),
        from_id: ends.0,
        to_id: ends.1,
        first_seen_ms: MARCH_MS,
        last_seen_ms: MARCH_MS,
    }
}

fn dead(app: &AppId) -> DeadEvent<'static> {
    DeadEvent {
        app_id: app.clone(),
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, app.as_str().as_bytes()),
        received_time_ms: MARCH_MS,
        format: "native".into(),
        code: "missing".into(),
        field: "".into(),
        message: "".into(),
        event: "".into(),
        user_id: "".into(),
        device_id: "".into(),
        raw: "{}".into(),
        draft: "".into(),
        is_replayable: true,
        clock_correction_ms: None,
        may_report_old: false,
        origin: Origin::default(),
    }
}

fn entry(app: &AppId) -> LedgerEntry {
    LedgerEntry { app_id: app.clone(), minute_ms: MARCH_MS, outcome: "stored", code: "".into(), events: 1 }
}

/// Tries everything that a worker writes of a batch.
async fn write_all(warehouse: &Warehouse, app: &AppId, batch: BatchId) -> Vec<Result<(), WarehouseError>> {
    let events = rows(app, batch.first..batch.last + 1);
    vec![
        warehouse.insert_events(batch, &events).await,
        warehouse.insert_ledger(batch, &[entry(app)]).await,
        warehouse.insert_learnt(batch, &[learnt(app)]).await,
        warehouse.insert_links(batch, &[link(app)]).await,
        warehouse.insert_dead_letter(batch, &[(batch.first, &dead(app))]).await,
    ]
}

#[test]
fn who_lost_a_partition_writes_nothing_more() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("fenced");
        let asleep = warehouse.claim(70, 3).await.unwrap();
        assert!(asleep.writer != 0);
        for written in write_all(&warehouse, &app, asleep.batch(0, 9)).await {
            written.unwrap();
        }
        let awake = warehouse.claim(70, 3).await.unwrap();
        for refused in write_all(&warehouse, &app, asleep.batch(10, 19)).await {
            let refused = refused.unwrap_err();
            assert_eq!(refused.class(), ErrorClass::Fenced, "{refused}");
        }
        // Nor does who never claimed write into a partition that is claimed.
        let nobody = BatchId { writer: 0, ..awake.batch(10, 19) };
        let refused = warehouse.insert_events(nobody, &rows(&app, 10..20)).await.unwrap_err();
        assert!(refused.is_fenced(), "{refused}");
        for written in write_all(&warehouse, &app, awake.batch(10, 14)).await {
            written.unwrap();
        }
        assert_eq!(warehouse.committed(70, 3).await.unwrap(), 15);
        assert_eq!(warehouse.learnt_through(70, 3).await.unwrap(), 15);
        let count =
            warehouse.ask(&question(&app, "SELECT count(), max(log_offset) FROM events")).await.unwrap();
        assert_eq!(count.rows, [[json!(15), json!(14)]]);

        // Another partition and another log are other fences.
        for (epoch, partition) in [(70, 4), (71, 3)] {
            let claim = warehouse.claim(epoch, partition).await.unwrap();
            warehouse.insert_events(claim.batch(0, 0), &rows(&app, 0..1)).await.unwrap();
        }
        warehouse.insert_events(awake.batch(20, 20), &rows(&app, 20..21)).await.unwrap();
    });
}

#[test]
fn a_batch_is_the_same_by_whomever_it_is_sent() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("handed-over");
        let events = rows(&app, 0..50);
        for _ in 0..3 {
            let claim: Claim = warehouse.claim(72, 0).await.unwrap();
            warehouse.insert_events(claim.batch(0, 49), &events).await.unwrap();
            warehouse.insert_ledger(claim.batch(0, 49), &[entry(&app)]).await.unwrap();
        }
        let count = warehouse.ask(&question(&app, "SELECT count() FROM events")).await.unwrap();
        assert_eq!(count.rows, [[json!(50)]]);
        assert_eq!(warehouse.outcome_totals(&app).await.unwrap()[0].events, 1);
    });
}

#[test]
fn a_note_on_a_dead_event_passes_the_fence() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("noted");
        let claim = warehouse.claim(73, 0).await.unwrap();
        let dead = dead(&app);
        warehouse.insert_dead_letter(claim.batch(0, 0), &[(0, &dead)]).await.unwrap();
        warehouse.claim(73, 0).await.unwrap();
        let note = ReplayNote { id: dead.id, outcome: "accepted", code: "", message: String::new() };
        warehouse.note_replays(&app, 1, MARCH_MS, &[note]).await.unwrap();
        assert_eq!(warehouse.dead_event(&app, dead.id).await.unwrap().unwrap().replay_outcome, "accepted");
        assert_eq!(warehouse.dead_letter_end(73, 0, 0).await.unwrap(), 1);
    });
}

#[test]
fn where_nobody_claims_there_is_no_fence() {
    testing::run(async |warehouse: Warehouse| {
        let app = app("unclaimed");
        let events = rows(&app, 0..5);
        warehouse.insert_events(batch(74, &events), &events).await.unwrap();
        let late = Claim { epoch: 74, partition: 0, writer: 5 };
        let refused = warehouse.insert_events(late.batch(5, 9), &rows(&app, 5..10)).await.unwrap_err();
        assert!(refused.is_fenced(), "{refused}");
    });
}
