//! What an app has stored: which slots its rows were written with, and what became of its events.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use suanpan_event::{AppId, Outcome};

use crate::client::Statement;
use crate::error::{Result, WarehouseError};
use crate::lookup::Lookup;
use crate::warehouse::Warehouse;

/// Lines of one answer about outcomes: a week of minutes with ten outcomes.
const OUTCOME_LINES_MAX: usize = 100_000;

const MINUTE_MS: i64 = 60_000;

/// How many events of one minute ended in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeCount {
    /// The minute's start, in milliseconds since 1970-01-01 UTC.
    pub minute_ms: i64,
    /// The outcome's name.
    pub outcome: String,
    /// The rejection's code, or empty.
    pub code: String,
    /// How many.
    pub events: u64,
}

/// How many events of an app ended in one way, ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeTotal {
    /// The outcome's name.
    pub outcome: String,
    /// The rejection's code, or empty.
    pub code: String,
    /// How many.
    pub events: u64,
}

impl Warehouse {
    /// The least `slot_map` of the app's rows in these days, both included; none without rows.
    /// Attributes whose slot is not newer than this can be read from their slots alone.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn slot_floor(&self, app: &AppId, from: Date, to: Date) -> Result<Option<u32>> {
        let sql = format!(
            "SELECT minOrNull(slot_map) FROM {} WHERE app_id = '{app}' \
             AND report_date BETWEEN '{from}' AND '{to}'",
            self.table("events")
        );
        let text = self.writer().text(Statement { sql: &sql, ..Statement::default() }).await?;
        match text.trim() {
            "\\N" => Ok(None),
            number => number.parse().map(Some).map_err(WarehouseError::decode),
        }
    }

    /// What became of an app's events, by minute, from `from_ms` until before `to_ms`, in order. At
    /// most 100,000 lines.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn outcomes(&self, app: &AppId, from_ms: i64, to_ms: i64) -> Result<Vec<OutcomeCount>> {
        let sql = format!(
            "SELECT toInt64(toUnixTimestamp(minute)) * 1000 AS minute_ms, outcome, code, sum(events) AS events \
             FROM {}.ledger WHERE app_id = '{app}' AND minute >= {} AND minute < {} \
             GROUP BY minute, outcome, code ORDER BY minute, outcome, code \
             LIMIT {OUTCOME_LINES_MAX}",
            self.database(),
            not_before(from_ms),
            not_before(to_ms),
        );
        self.look_up(Lookup::new(sql)).await
    }

    /// What became of all of an app's events.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn outcome_totals(&self, app: &AppId) -> Result<Vec<OutcomeTotal>> {
        let sql = format!(
            "SELECT outcome, code, sum(events) AS events FROM {}.ledger WHERE app_id = '{app}' \
             GROUP BY outcome, code ORDER BY outcome, code",
            self.database()
        );
        self.look_up(Lookup::new(sql)).await
    }

    /// How many of an app's events the gateway refused in the minutes from `from_ms` until before
    /// `to_ms`, by code, the most frequent first. A record sent again counts again.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn refused(&self, app: &AppId, from_ms: i64, to_ms: i64) -> Result<Vec<OutcomeTotal>> {
        let sql = format!(
            "SELECT outcome, code, sum(ledger.events) AS events FROM {}.ledger \
             WHERE app_id = '{app}' AND outcome = '{}' AND minute >= {} AND minute < {} \
             GROUP BY outcome, code ORDER BY events DESC, code",
            self.database(),
            Outcome::Refused.name(),
            not_before(from_ms.div_euclid(MINUTE_MS) * MINUTE_MS),
            not_before(to_ms),
        );
        self.look_up(Lookup::new(sql)).await
    }
}

/// The first full second at or after an instant, as a `DateTime`, which ends in 2106.
fn not_before(ms: i64) -> String {
    let second = (ms.clamp(0, i64::from(u32::MAX) * 1000) as u64).div_ceil(1000);
    format!("toDateTime({second}, 'UTC')")
}
