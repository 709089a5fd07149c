use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use suanpan_event::{AppId, DeadEvent, place_key, report_date};
use uuid::Uuid;

use crate::client::quoted;
use crate::error::Result;
use crate::lookup::Lookup;
use crate::reconcile::time_text;
use crate::rows::BatchId;
use crate::schema::PARTITIONS_MAX;
use crate::warehouse::Warehouse;

/// What is kept of the dead letter of all apps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeptDeadLetter {
    /// Days that were dropped just now.
    pub days_dropped: usize,
    /// Bytes on disk of the days that are left.
    pub bytes: u64,
}

/// One row, as the table has it.
#[derive(Serialize)]
struct Line<'a> {
    app_id: &'a str,
    received_date: Date,
    id: Uuid,
    received_time: String,
    format: &'a str,
    code: &'a str,
    field: &'a str,
    message: &'a str,
    event: &'a str,
    user_id: &'a str,
    device_id: &'a str,
    raw: &'a str,
    draft: &'a str,
    is_replayable: bool,
    clock_correction_ms: Option<i64>,
    may_report_old: bool,
    origin: String,
    log_epoch: u64,
    log_partition: u32,
    log_offset: u64,
    writer: u64,
}

impl<'a> Line<'a> {
    fn of(batch: BatchId, log_offset: u64, dead: &'a DeadEvent<'_>) -> Self {
        Self {
            app_id: dead.app_id.as_str(),
            received_date: report_date(dead.received_time_ms),
            id: dead.id,
            received_time: time_text(dead.received_time_ms),
            format: &dead.format,
            code: &dead.code,
            field: &dead.field,
            message: &dead.message,
            event: &dead.event,
            user_id: &dead.user_id,
            device_id: &dead.device_id,
            raw: &dead.raw,
            draft: &dead.draft,
            is_replayable: dead.is_replayable,
            clock_correction_ms: dead.clock_correction_ms,
            may_report_old: dead.may_report_old,
            origin: serde_json::to_string(&dead.origin).expect("an origin is always JSON"),
            log_epoch: batch.epoch,
            log_partition: batch.partition,
            log_offset,
            writer: batch.writer,
        }
    }
}

impl Warehouse {
    /// Keeps dead events of a batch, each with its offset, and returns when they are on disk.
    /// Keeping one again changes nothing, whatever batch it comes in, nor what a replay noted on it.
    ///
    /// # Errors
    /// As of [`Self::insert_events`].
    pub async fn insert_dead_letter(&self, batch: BatchId, dead: &[(u64, &DeadEvent<'_>)]) -> Result<()> {
        // All rows of one dead event meet on one shard, whatever batch brought them.
        let mut shards: BTreeMap<usize, BTreeMap<Date, Vec<Line<'_>>>> = BTreeMap::new();
        for (offset, dead) in dead {
            let line = Line::of(batch, *offset, dead);
            let shard = self.shard_of(place_key(&dead.app_id, &dead.id.to_string()));
            shards.entry(shard).or_default().entry(line.received_date).or_default().push(line);
        }
        for (shard, by_day) in shards {
            // Nearly always there are one or two days.
            let mut days = by_day.into_values();
            loop {
                let lines: Vec<Line<'_>> = days.by_ref().take(PARTITIONS_MAX).flatten().collect();
                let Some(first) = lines.first() else { break };
                let part = format!("{shard}-{}-{}", lines.len(), first.log_offset);
                self.insert_beside(&self.shards()[shard], "dead_letter", (batch, &part), &lines).await?;
            }
        }
        Ok(())
    }

    /// The offset behind the last kept dead event at or after `from`; 0 if there is none.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn dead_letter_end(&self, epoch: u64, partition: u32, from: u64) -> Result<u64> {
        let sql = format!(
            "SELECT if(count() = 0, 0, max(log_offset) + 1) FROM {}.dead_letter_local \
             WHERE log_epoch = {epoch} AND log_partition = {partition} AND log_offset >= {from}",
            self.database()
        );
        self.greatest(partition, &sql).await
    }

    /// How many dead events of an app and day are kept, those counted twice that are kept twice for
    /// the moment.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn dead_letter_rows(&self, app: &AppId, day: Date) -> Result<u64> {
        let sql = format!(
            "SELECT count() AS number FROM {} \
             WHERE app_id = {{app:String}} AND received_date = '{day}'",
            self.table("dead_letter")
        );
        self.one_number(Lookup::new(sql).text("app", app.as_str())).await
    }

    /// Drops the days older than `retention_days`, then the oldest ones until the rest takes at most
    /// `bytes_max` on disk, all replicas counted; today's is never dropped.
    ///
    /// # Errors
    /// ClickHouse does not answer, or does not let us.
    pub async fn trim_dead_letter(
        &self,
        today: Date,
        retention_days: u32,
        bytes_max: u64,
    ) -> Result<KeptDeadLetter> {
        #[derive(Deserialize)]
        struct Day {
            day: Date,
            bytes: u64,
        }
        let sql = format!(
            "SELECT partition AS day, sum(bytes_on_disk) AS bytes FROM {} \
             WHERE database = {} AND table = 'dead_letter_local' AND active GROUP BY day ORDER BY day",
            self.system("parts"),
            quoted(self.database())
        );
        let days: Vec<Day> = self.look_up(Lookup::new(sql)).await?;
        let kept_from = today.saturating_sub(i64::from(retention_days).days());
        let mut kept = KeptDeadLetter { days_dropped: 0, bytes: days.iter().map(|day| day.bytes).sum() };
        for Day { day, bytes } in days {
            if day >= today || (day >= kept_from && kept.bytes <= bytes_max) {
                break;
            }
            let sql = format!("ALTER TABLE {}.dead_letter_local DROP PARTITION '{day}'", self.database());
            self.run_on_shards(&sql).await?;
            kept.days_dropped += 1;
            kept.bytes = kept.bytes.saturating_sub(bytes);
        }
        Ok(kept)
    }
}
