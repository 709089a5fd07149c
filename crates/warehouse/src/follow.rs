//! What other processes store, so that answers kept in this one's cache know when they are old.

use std::collections::HashMap;
use std::time::Duration;

use jiff::civil::Date;
use serde::Deserialize;
use suanpan_event::AppId;

use crate::error::Result;
use crate::lookup::Lookup;
use crate::warehouse::Warehouse;
use crate::watermark::Watermarks;

/// Apps whose newest event is looked up at once.
const APPS_MAX: usize = 100_000;
/// How long after the last failure is said again.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How much of a day is stored: it changes when rows come or are removed, not when parts merge.
#[derive(Debug, Deserialize)]
struct DayState {
    day: Date,
    blocks: i64,
    mutations: i64,
}

#[derive(Debug, Deserialize)]
struct Newest {
    app: String,
    received_ms: i64,
}

/// The days that were stored when it was last looked.
type Days = HashMap<Date, (i64, i64)>;

impl Warehouse {
    /// Marks what other processes store or remove, looking every `period`, until it is dropped. For a process
    /// that answers and does not itself write: a day is marked for all apps, since the engine tells what
    /// changed by day.
    pub async fn follow(&self, watermarks: &Watermarks, period: Duration) {
        let mut known: Option<Days> = None;
        let mut failing = false;
        loop {
            match self.changed_days(&mut known).await {
                Ok(days) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("what other processes store is seen again");
                    }
                    if !days.is_empty() {
                        watermarks.bump_all(days);
                        if let Err(error) = self.note_newest(watermarks).await {
                            tracing::debug!(%error, "the newest events' times are not known just now");
                        }
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "can't see what other processes store; answers may be older than they say");
                    }
                    // Whatever was missed is marked when the engine answers again, by its state then.
                    tokio::time::sleep(PAUSE_MAX.min(period * 4)).await;
                }
            }
            tokio::time::sleep(period).await;
        }
    }

    /// The days that are not as they were when it was last asked; none at the first time.
    async fn changed_days(&self, known: &mut Option<Days>) -> Result<Vec<Date>> {
        let sql = format!(
            "SELECT day, sum(blocks) AS blocks, max(mutations) AS mutations FROM \
             (SELECT partition AS day, hostName() AS host, toInt64(max(max_block_number)) AS blocks, \
              toInt64(max(data_version)) AS mutations FROM {} WHERE database = '{}' \
              AND table = 'events_local' AND active GROUP BY day, host) GROUP BY day",
            self.system("parts"),
            self.database()
        );
        let states: Vec<DayState> = self.look_up(Lookup::new(sql)).await?;
        let now: Days = states.into_iter().map(|s| (s.day, (s.blocks, s.mutations))).collect();
        let Some(before) = known.replace(now) else { return Ok(Vec::new()) };
        let now = known.as_ref().expect("it was put there just now");
        let differs = |day: &&Date| before.get(day) != now.get(day);
        let changed = now.keys().filter(differs).chain(before.keys().filter(|day| !now.contains_key(day)));
        Ok(changed.copied().collect())
    }

    /// The times of receipt are noted by the minute: the ledger does not tell them apart more finely.
    async fn note_newest(&self, watermarks: &Watermarks) -> Result<()> {
        let sql = format!(
            "SELECT app_id AS app, toInt64(toUnixTimestamp(max(minute))) * 1000 AS received_ms FROM {}.ledger \
             WHERE outcome = 'stored' AND minute >= now() - INTERVAL 1 DAY GROUP BY app_id LIMIT {APPS_MAX}",
            self.database()
        );
        for newest in self.look_up::<Newest>(Lookup::new(sql)).await? {
            if let Ok(app) = newest.app.parse::<AppId>() {
                watermarks.note_received(&app, newest.received_ms);
            }
        }
        Ok(())
    }
}
