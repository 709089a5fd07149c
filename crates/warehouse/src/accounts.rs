//! What became of each app's events, by minute, hour or day of receipt.

use serde::{Deserialize, Serialize};

use crate::audit::Receipts;
use crate::error::Result;
use crate::lookup::Lookup;
use crate::warehouse::Warehouse;

/// Lines of one answer: more than a week of minutes of one app.
pub const ACCOUNT_LINES_MAX: usize = 20_000;

/// What the sums are over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountInterval {
    /// A minute.
    Minute,
    /// An hour.
    #[default]
    Hour,
    /// A day, UTC.
    Day,
}

impl AccountInterval {
    fn start(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "toStartOfHour(minute)",
            Self::Day => "toDateTime(toDate(minute), 'UTC')",
        }
    }
}

/// The events of an app that were received in an interval, by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLine {
    /// The app.
    pub app: String,
    /// The interval's start, in milliseconds since 1970-01-01 UTC.
    pub start_ms: i64,
    /// Stored, those that were removed since included.
    pub stored: u64,
    /// Reported before under the same id.
    pub duplicate: u64,
    /// Refused after they were accepted.
    pub rejected: u64,
    /// Refused at the door.
    pub refused: u64,
    /// Damaged on disk.
    pub lost: u64,
    /// Of the stored ones, those removed because they were older than the app keeps them.
    pub removed_by_retention: u64,
    /// Of the stored ones, those removed with their person's data.
    pub removed_with_person: u64,
}

impl Warehouse {
    /// The accounts of an app, or of all, in order of time; at most [`ACCOUNT_LINES_MAX`] lines.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn accounts(&self, at: &Receipts, interval: AccountInterval) -> Result<Vec<AccountLine>> {
        let start = interval.start();
        let sql = format!(
            "SELECT app, toInt64(toUnixTimestamp(at)) * 1000 AS start_ms, sumIf(n, o = 'stored') AS stored, \
             sumIf(n, o = 'duplicate') AS duplicate, sumIf(n, o = 'rejected') AS rejected, \
             sumIf(n, o = 'refused') AS refused, sumIf(n, o = 'lost') AS lost, \
             sumIf(n, o = 'removed retention') AS removed_by_retention, \
             sumIf(n, o = 'removed person') AS removed_with_person FROM (\
             SELECT toString(app_id) AS app, {start} AS at, toString(outcome) AS o, sum(t.events) AS n FROM {} AS t \
             WHERE {} GROUP BY app, at, o \
             UNION ALL SELECT toString(app_id) AS app, {start} AS at, concat('removed ', toString(reason)) AS o, \
             sum(went) AS n FROM (SELECT app_id, minute, reason, max(r.events) AS went FROM {} AS r WHERE {} \
             GROUP BY app_id, minute, reason, job) GROUP BY app, at, o) \
             WHERE app != '' GROUP BY app, at ORDER BY at, app LIMIT {ACCOUNT_LINES_MAX}",
            self.table("ledger"),
            at.minutes(),
            self.table("removed"),
            at.minutes(),
        );
        self.look_up(Lookup::new(sql)).await
    }
}
