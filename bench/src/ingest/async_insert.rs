use std::time::Instant;

use anyhow::{Result, ensure};
use suanpan_bench::report::{Report, median};
use suanpan_bench::server::Server;

use crate::Scale;
use crate::engine::Engine;
use crate::load::{Prepared, Target, send};

const EVENTS_PER_REQUEST: usize = 10;
const WANTED: f64 = 5.0;
/// Each side may choose what suits it best.
const CONNECTIONS: [usize; 2] = [64, 256];
/// The columns that the JSON has.
const COLUMNS: &str = "id UUID, event LowCardinality(String), time DateTime64(3, 'UTC'), user_id String, \
    device_id String, session_id String, platform LowCardinality(String), app_version LowCardinality(String), \
    library LowCardinality(String), properties String";

/// Small requests against what ClickHouse itself offers for them.
pub async fn measure(server: &Server, engine: &Engine, scale: &Scale, report: &mut Report) -> Result<()> {
    report.section("Requests of 10 events, against ClickHouse's async_insert");
    report.say(
        "ClickHouse: `async_insert=1, wait_for_async_insert=1`, its other settings as they come, JSONEachRow, into \
         a MergeTree table of the JSON's columns in the same engine, sorted by event and time; properties are \
         text, as ours. It gets the first of the requests, as many as take it some seconds. \"fsync\": the table has `fsync_after_insert` and `fsync_part_directory`, so that an \
         acknowledgement means what ours does; \"no fsync\": ClickHouse's default. Both sides get the same bytes \
         from the same generator, over 64 and over 256 connections; each side's better figure counts. Medians.",
    );
    let key = server.app("async").await?;
    let ours = Target::events(server.address(), &key);
    let mut best = [0.0_f64; 4];
    for connections in CONNECTIONS {
        let mut rates: [Vec<f64>; 4] = Default::default();
        for round in 0..scale.rounds {
            let seed = 1_000_000 + (connections * 10 + round) as u64;
            let bodies = Prepared::new(seed, EVENTS_PER_REQUEST, scale.small_requests);
            let events = (EVENTS_PER_REQUEST * scale.small_requests) as f64;
            let started = Instant::now();
            rates[0].push(events / send(&ours, connections, bodies.again()).await?.as_secs_f64());
            server.stored().await?;
            rates[1].push(events / started.elapsed().as_secs_f64());
            for (side, fsync) in [(2, 1), (3, 0)] {
                let table = format!("bench_async_{fsync}");
                make(engine, &table, fsync).await?;
                let theirs = bodies.first(scale.async_requests);
                let took = send(&engine.json_target(&table), connections, theirs).await?;
                let rows: f64 = engine.text(&format!("SELECT count() FROM {table}")).await?.parse()?;
                let events = (EVENTS_PER_REQUEST * scale.async_requests) as f64;
                ensure!(rows == events, "ClickHouse has {rows} of {events} rows");
                rates[side].push(events / took.as_secs_f64());
                engine.run(&format!("DROP TABLE {table} SYNC")).await?;
            }
        }
        for (best, rates) in best.iter_mut().zip(&rates) {
            *best = best.max(median(rates));
        }
    }
    let [acknowledged, queryable, fsync, no_fsync] = best;
    report.row("ours: acknowledged (on disk)", format!("{acknowledged:.0} events/s"));
    report.row("ours: from the first POST until all can be asked about", format!("{queryable:.0} events/s"));
    for (name, theirs) in [("fsync", fsync), ("no fsync", no_fsync)] {
        report.row(
            &format!("ClickHouse, {name}: acknowledged"),
            format!(
                "{theirs:.0} events/s; ours is {:.1} times that acknowledged, {:.1} times that queryable",
                acknowledged / theirs,
                queryable / theirs
            ),
        );
        report.target(
            &format!("acknowledged, 10 events a request, against async_insert ({name})"),
            &format!("≥ {WANTED} times"),
            &format!("{:.1} times", acknowledged / theirs),
            acknowledged / theirs >= WANTED,
        );
    }
    Ok(())
}

async fn make(engine: &Engine, table: &str, fsync: u8) -> Result<()> {
    engine
        .run(&format!(
            "CREATE TABLE {table} ({COLUMNS}) ENGINE = MergeTree PARTITION BY toDate(time) \
             ORDER BY (event, time, id) \
             SETTINGS fsync_after_insert = {fsync}, fsync_part_directory = {fsync}"
        ))
        .await?;
    Ok(())
}
