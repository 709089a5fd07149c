use anyhow::Result;
use suanpan_bench::machine;
use suanpan_bench::report::Report;
use suanpan_bench::server::Server;

use crate::Scale;
use crate::engine::Engine;
use crate::rows::{Rows, make_bare};
use crate::sustained::APP;

const FORMATS: [&str; 3] = ["Native", "ArrowStream", "RowBinary"];
const TABLE: &str = "bench_format";

/// What each format costs the engine, inserting the same rows.
pub async fn measure(server: &Server, engine: &Engine, scale: &Scale, report: &mut Report) -> Result<()> {
    report.section("Formats of an insert");
    let rows = Rows::of(engine, APP, scale.format_rows).await?;
    let mut table = Vec::new();
    let mut count = 0.0;
    for format in FORMATS {
        let bodies = rows.bodies(engine, format).await?;
        let bytes: usize = bodies.iter().map(|body| body.len()).sum();
        let (mut best, mut best_cpu) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..scale.rounds {
            make_bare(engine, TABLE).await?;
            // Nothing but the INSERTs is to run.
            engine.run(&format!("SYSTEM STOP MERGES {TABLE}")).await?;
            let cpu = machine::cpu_seconds(server.engine_process_id()?)?;
            best = best.min(engine.insert(TABLE, &rows.columns, format, &bodies).await?.as_secs_f64());
            best_cpu = best_cpu.min(machine::cpu_seconds(server.engine_process_id()?)? - cpu);
            count = engine.text(&format!("SELECT count() FROM {TABLE}")).await?.parse()?;
        }
        let per_row = |seconds: f64| format!("{:.2} µs", seconds * 1e6 / count);
        table.push(vec![
            format.to_owned(),
            format!("{:.0}", bytes as f64 / count),
            format!("{best:.2} s"),
            per_row(best),
            per_row(best_cpu),
        ]);
    }
    engine.run(&format!("DROP TABLE IF EXISTS {TABLE} SYNC")).await?;
    report.say(&format!(
        "{count:.0} rows of `events_local` in INSERTs of 20,000, by one stream, best of {}; merges of the table held.",
        scale.rounds
    ));
    report
        .table(&["format", "bytes a row", "all rows", "time a row", "engine's processor time a row"], &table);
    Ok(())
}
