use anyhow::{Result, bail, ensure};
use bytes::Bytes;

use crate::engine::Engine;

/// Rows of one INSERT: the pipeline's default.
const BATCH: u64 = 20_000;

/// An app's stored events, to be taken out and inserted again elsewhere, in the order and batches
/// in which they came.
pub struct Rows {
    /// Those that some row fills, as the pipeline sends no others.
    pub columns: String,
    conditions: Vec<String>,
}

impl Rows {
    /// At most so many rows of an app.
    pub async fn of(engine: &Engine, app: &str, rows_max: u64) -> Result<Self> {
        let ranges = engine
            .text(&format!(
                "SELECT log_epoch, log_partition, min(log_offset), max(log_offset) + 1 FROM events_local \
                 WHERE app_id = '{app}' GROUP BY ALL ORDER BY ALL FORMAT TSV"
            ))
            .await?;
        let (mut conditions, mut left) = (Vec::new(), rows_max.div_ceil(BATCH));
        for line in ranges.lines() {
            let numbers: Vec<u64> = line.split('\t').map(str::parse).collect::<Result<_, _>>()?;
            let &[epoch, partition, first, end] = numbers.as_slice() else { bail!("not four: {line}") };
            for from in (first..end).step_by(usize::try_from(BATCH)?) {
                if left == 0 {
                    break;
                }
                left -= 1;
                conditions.push(format!(
                    "app_id = '{app}' AND log_epoch = {epoch} AND log_partition = {partition} \
                     AND log_offset >= {from} AND log_offset < {}",
                    from + BATCH
                ));
            }
        }
        ensure!(!conditions.is_empty(), "the app {app} has no rows");
        Ok(Self { columns: filled_columns(engine, app).await?, conditions })
    }

    /// The rows in a format, a body an INSERT; as the pipeline's, not compressed.
    pub async fn bodies(&self, engine: &Engine, format: &str) -> Result<Vec<Bytes>> {
        let mut bodies = Vec::with_capacity(self.conditions.len());
        for condition in &self.conditions {
            let sql = format!(
                "SELECT {} FROM events_local WHERE {condition} ORDER BY log_offset \
                 SETTINGS output_format_arrow_compression_method = 'none' FORMAT {format}",
                self.columns
            );
            bodies.push(engine.run(&sql).await?);
        }
        Ok(bodies)
    }
}

/// An empty table like that of the events, with nothing to check or to look up at an INSERT.
pub async fn make_bare(engine: &Engine, table: &str) -> Result<()> {
    engine.run(&format!("DROP TABLE IF EXISTS {table} SYNC")).await?;
    engine.run(&format!("CREATE TABLE {table} AS events_local")).await?;
    engine.run(&format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS fenced")).await?;
    Ok(())
}

async fn filled_columns(engine: &Engine, app: &str) -> Result<String> {
    let columns = engine
        .text(
            "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = 'events_local' \
             ORDER BY position FORMAT TSVRaw",
        )
        .await?;
    let columns: Vec<(&str, &str)> = columns.lines().filter_map(|line| line.split_once('\t')).collect();
    let is_filled = |(name, kind): &(&str, &str)| {
        let default = format!("defaultValueOfTypeName('{}')", kind.replace('\'', "\\'"));
        format!("max(ifNull(toString({name}), '') != ifNull(toString({default}), ''))")
    };
    let asked: Vec<String> = columns.iter().map(is_filled).collect();
    let sql = format!("SELECT {} FROM events_local WHERE app_id = '{app}' FORMAT TSV", asked.join(", "));
    let answer = engine.text(&sql).await?;
    let filled = columns.iter().zip(answer.split('\t')).filter(|(_, is_filled)| *is_filled == "1");
    Ok(filled.map(|((name, _), _)| *name).collect::<Vec<_>>().join(", "))
}
