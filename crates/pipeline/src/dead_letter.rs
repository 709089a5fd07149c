use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use suanpan_event::{AppId, DeadEvent, report_date};
use suanpan_warehouse::{Warehouse, WarehouseError};

use crate::{DeadLetterConfig, metrics};

/// How often the bounds on age and bytes are looked at.
const TRIM_PERIOD: Duration = Duration::from_secs(60);
/// Days of apps whose counts are remembered; beyond it all are asked for anew.
const COUNTS_MAX: usize = 10_000;

/// Decides which refused events are kept. The others are counted all the same. All workers of a process share it;
/// of several processes, each sees what the others kept a minute later at most, so a bound may be passed by as much.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    config: DeadLetterConfig,
    /// Rows of an app's day.
    rows: HashMap<(AppId, Date), u64>,
    /// Whether today's rows alone take all the bytes there are.
    is_full: bool,
    trimmed: Option<Instant>,
}

impl DeadLetter {
    pub fn new(config: DeadLetterConfig) -> Self {
        Self { config, rows: HashMap::new(), is_full: false, trimmed: None }
    }

    /// Those that are kept.
    ///
    /// # Errors
    /// The warehouse can't say how many there are; nothing is decided.
    pub async fn keep<'d, 'a>(
        &mut self,
        dead: &'d [(u64, Box<DeadEvent<'a>>)],
        warehouse: &Warehouse,
    ) -> Result<Vec<(u64, &'d DeadEvent<'a>)>, WarehouseError> {
        self.recall(dead, warehouse).await?;
        let mut kept = Vec::with_capacity(dead.len());
        for (offset, dead) in dead {
            let rows = self.rows.entry(key(dead)).or_default();
            if !self.is_full && *rows < self.config.events_per_app_per_day_max {
                *rows += 1;
                kept.push((*offset, dead.as_ref()));
            }
        }
        metrics::dead_letter(kept.len(), dead.len() - kept.len());
        Ok(kept)
    }

    /// Asks for the counts that are not in memory.
    async fn recall(
        &mut self,
        dead: &[(u64, Box<DeadEvent<'_>>)],
        warehouse: &Warehouse,
    ) -> Result<(), WarehouseError> {
        if self.rows.len() > COUNTS_MAX {
            self.rows.clear();
        }
        for (_, dead) in dead {
            if let Entry::Vacant(unknown) = self.rows.entry(key(dead)) {
                let (app, day) = unknown.key();
                let rows = warehouse.dead_letter_rows(app, *day).await?;
                unknown.insert(rows);
            }
        }
        Ok(())
    }

    /// Drops what is too old or too much, if it is time to look. A failure only means that it is
    /// looked at later.
    pub async fn trim(&mut self, warehouse: &Warehouse) {
        if self.trimmed.is_some_and(|at| at.elapsed() < TRIM_PERIOD) {
            return;
        }
        self.trimmed = Some(Instant::now());
        // Other processes keep some, too: what they kept meanwhile is asked for anew.
        self.rows.clear();
        let today = report_date(Timestamp::now().as_millisecond());
        let bytes_max = self.config.bytes_max;
        match warehouse.trim_dead_letter(today, self.config.retention_days, bytes_max).await {
            Ok(kept) => {
                if kept.days_dropped > 0 {
                    tracing::info!(
                        days = kept.days_dropped,
                        bytes_left = kept.bytes,
                        "the dead letter was cut"
                    );
                }
                self.is_full = kept.bytes > bytes_max;
                metrics::dead_letter_bytes(kept.bytes);
            }
            Err(error) => tracing::warn!(%error, "the dead letter's bounds can't be looked at just now"),
        }
    }
}

fn key(dead: &DeadEvent<'_>) -> (AppId, Date) {
    (dead.app_id.clone(), report_date(dead.received_time_ms))
}
