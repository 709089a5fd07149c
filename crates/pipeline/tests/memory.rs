//! What a batch takes in memory while it is written.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod stations;

use stations::{Stations, now_ms};
use suanpan_event::{Event, Origin};
use suanpan_pipeline::PipelineConfig;
use suanpan_warehouse::testing;
use uuid::Uuid;

const EVENTS: usize = 20_000;

fn event(stations: &Stations, n: usize) -> Event<'static> {
    Event {
        user_id: format!("user-{n}").into(),
        device_id: "d-4f2a1234".into(),
        session_id: "s-1".into(),
        app_version: "3.2.1".into(),
        origin: Origin { country: "CN".into(), browser: "Chrome".into(), ..Origin::default() },
        ..stations.event(Uuid::new_v4(), now_ms())
    }
}

/// These records are of 340 bytes; longer ones take less beside themselves.
#[test]
fn a_batch_takes_a_bounded_multiple_of_its_records() {
    let (stations, bytes) = testing::run(async |warehouse| {
        let stations = Stations::new(warehouse).await;
        let events: Vec<_> = (0..EVENTS).map(|n| event(&stations, n)).collect();
        let mut record = Vec::new();
        let bytes: usize = events
            .iter()
            .map(|event| {
                record.clear();
                event.encode_into(&mut record);
                record.len()
            })
            .sum();
        stations.append(&events).await;
        (stations, bytes)
    });
    // One thread, so that it is all counted here.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = PipelineConfig { batch_events_max: EVENTS, ..PipelineConfig::default() };
    let taken = allocation_counter::measure(|| {
        runtime.block_on(async { stations.start_with(config).finish().await.unwrap() });
    });
    // On the same runtime, whose connections the warehouse has by now.
    runtime.block_on(stations.check(EVENTS as u64, 0));
    let times = taken.bytes_max as f64 / bytes as f64;
    assert!(times < 7.0, "{times:.1} times the records' {bytes} bytes");
}
