//! Compares what the ledger says with what the tables hold. Each call is one or a few statements over a
//! bounded stretch, and lists what differs up to a limit, with how much there is in all.

use std::ops::Range;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use suanpan_event::{AppId, Outcome, report_date};
use uuid::Uuid;

use crate::error::Result;
use crate::lookup::Lookup;
use crate::removal::SPILL;
use crate::warehouse::Warehouse;

/// What the ledger says about a partition of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct LedgerPartition {
    /// Which life of the partition.
    pub epoch: u64,
    /// Its number.
    pub partition: u32,
    /// The first offset that a batch counted.
    pub first_offset: u64,
    /// The offset behind the last batch: the commit.
    pub next_offset: u64,
    /// Events counted in all; where nothing is wrong, as many as there are offsets between the two.
    pub events: u64,
}

/// A minute of an app of which the rows are not as many as the ledger says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MinuteDifference {
    /// The app.
    pub app: String,
    /// The minute of receipt, in milliseconds since 1970-01-01 UTC.
    pub minute_ms: i64,
    /// Events stored, by the ledger.
    pub stored: u64,
    /// Events in the table.
    pub rows: u64,
    /// Events that were removed.
    pub removed: u64,
    /// Events that a removal under way has counted and may have removed.
    pub removing: u64,
}

/// What was found, of which a part is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// The first of them.
    pub listed: Vec<T>,
    /// How many there are in all.
    pub all: u64,
}

/// A place of the log that more than one row claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoubledOffset {
    /// The offset.
    pub offset: u64,
    /// How many rows have it.
    pub rows: u64,
    /// The app of one of them.
    pub app: String,
    /// When that one was received, in milliseconds since 1970-01-01 UTC.
    pub received_ms: i64,
}

/// An event that is there more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoubledId {
    /// The app.
    pub app: String,
    /// The event's id.
    pub id: Uuid,
    /// How many rows have it.
    pub rows: u64,
    /// When the first of them was received, in milliseconds since 1970-01-01 UTC.
    pub received_ms: i64,
}

/// Where rows received in some time stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct OffsetsReceived {
    /// Which life of the partition; 0 for rows that came from no log.
    pub epoch: u64,
    /// The partition.
    pub partition: u32,
    /// The least offset.
    pub first: u64,
    /// The greatest.
    pub last: u64,
}

/// What was refused of an app and day, and what of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadDay {
    /// The app.
    pub app: String,
    /// The day of receipt, UTC.
    pub day: Date,
    /// Events refused or rejected, by the ledger.
    pub counted: u64,
    /// Different ones in the dead letter.
    pub kept: u64,
}

/// A record of the log that the audit asks about, as it stands in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct StoredOffset {
    /// Its offset.
    pub offset: u64,
    /// The id of the event that is stored for it.
    pub id: Uuid,
}

/// The receipts that are looked at, and the app, if it is about one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipts {
    /// From this instant on, in milliseconds since 1970-01-01 UTC.
    pub from_ms: i64,
    /// Until before this one.
    pub to_ms: i64,
    /// This app's alone.
    pub app: Option<AppId>,
}

impl Receipts {
    /// The same of whole minutes.
    pub(crate) fn minutes(&self) -> String {
        format!("minute >= {} AND minute < {}{}", second(self.from_ms), second(self.to_ms), self.of_app())
    }

    pub(crate) fn instants(&self) -> String {
        format!(
            "received_time >= {} AND received_time < {}{}",
            milli(self.from_ms),
            milli(self.to_ms),
            self.of_app()
        )
    }

    fn of_app(&self) -> String {
        self.app.as_ref().map_or_else(String::new, |app| format!(" AND app_id = '{app}'"))
    }
}

impl Warehouse {
    /// What the ledger says about each partition of each log.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn ledger_partitions(&self) -> Result<Vec<LedgerPartition>> {
        let sql = format!(
            "SELECT log_epoch AS epoch, log_partition AS partition, min(t.first_offset) AS first_offset, \
             max(t.next_offset) AS next_offset, sum(t.events) AS events FROM {} AS t \
             GROUP BY epoch, partition ORDER BY epoch, partition",
            self.table("ledger")
        );
        self.look_up(Lookup::new(sql)).await
    }

    /// The apps and minutes of receipt in which rows + removed is not what the ledger says was stored. The
    /// bounds are those of minutes; a minute in which a batch is being stored just now differs for a moment.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn compare_minutes(&self, at: &Receipts, listed_max: usize) -> Result<Found<MinuteDifference>> {
        let ledger = format!(
            "SELECT toString(app_id) AS app, minute AS at, sum(t.events) AS s, 0 AS r, 0 AS d, 0 AS u FROM {} AS t \
             WHERE outcome = '{}' AND {} GROUP BY app, at",
            self.table("ledger"),
            Outcome::Stored.name(),
            at.minutes(),
        );
        let rows = format!(
            "SELECT toString(app_id) AS app, toStartOfMinute(received_time) AS at, 0 AS s, count() AS r, 0 AS d, \
             0 AS u FROM {} WHERE {} GROUP BY app, at",
            self.table("events"),
            at.instants(),
        );
        let open = format!(
            "SELECT job FROM {} AS x GROUP BY job HAVING argMax(toString(x.step), x.version) != 'done'",
            self.table("removal_steps")
        );
        let removed = format!(
            "SELECT app, at, 0 AS s, 0 AS r, sumIf(went, NOT is_open) AS d, sumIf(went, is_open) AS u FROM \
             (SELECT toString(app_id) AS app, minute AS at, job GLOBAL IN ({open}) AS is_open, max(t.events) AS went \
             FROM {} AS t WHERE {} GROUP BY app, at, job) GROUP BY app, at",
            self.table("removed"),
            at.minutes(),
        );
        let sql = format!(
            "SELECT app, toInt64(toUnixTimestamp(at)) * 1000 AS minute_ms, sum(s) AS stored, sum(r) AS rows, \
             sum(d) AS removed, sum(u) AS removing, count() OVER () AS found_all FROM \
             ({ledger} UNION ALL {rows} UNION ALL {removed}) GROUP BY app, at \
             HAVING rows + removed > stored OR rows + removed + removing < stored \
             ORDER BY at, app LIMIT {listed_max} SETTINGS {SPILL}"
        );
        self.found(Lookup::new(sql)).await
    }

    /// The offsets of one log's partition, at most 2 million, that more than one row claims.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn doubled_offsets(
        &self,
        (epoch, partition): (u64, u32),
        offsets: Range<u64>,
        listed_max: usize,
    ) -> Result<Found<DoubledOffset>> {
        let sql = format!(
            "SELECT log_offset AS offset, count() AS rows, toString(any(app_id)) AS app, \
             toUnixTimestamp64Milli(any(received_time)) AS received_ms, count() OVER () AS found_all FROM {} \
             WHERE log_epoch = {epoch} AND log_partition = {partition} AND log_offset >= {} AND log_offset < {} \
             GROUP BY offset HAVING rows > 1 ORDER BY offset LIMIT {listed_max} SETTINGS {SPILL}",
            self.table("events"),
            offsets.start,
            offsets.end,
        );
        self.found(Lookup::new(sql)).await
    }

    /// Where the rows stand that were received then.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn offsets_received(&self, at: &Receipts) -> Result<Vec<OffsetsReceived>> {
        let sql = format!(
            "SELECT log_epoch AS epoch, log_partition AS partition, min(log_offset) AS first, max(log_offset) AS last \
             FROM {} WHERE {} GROUP BY epoch, partition ORDER BY epoch, partition",
            self.table("events"),
            at.instants(),
        );
        self.look_up(Lookup::new(sql)).await
    }

    /// The days of the events that were received then, with how many rows each has.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn days_received(&self, at: &Receipts) -> Result<Vec<(Date, u64)>> {
        #[derive(Deserialize)]
        struct Row {
            day: Date,
            rows: u64,
        }
        let sql = format!(
            "SELECT report_date AS day, count() AS rows FROM {} WHERE {} GROUP BY day ORDER BY day",
            self.table("events"),
            at.instants()
        );
        let rows: Vec<Row> = self.look_up(Lookup::new(sql)).await?;
        Ok(rows.into_iter().map(|row| (row.day, row.rows)).collect())
    }

    /// Events of a day that are there more than once, on that day or the next one; of all ids the share
    /// `share` of `shares`, so that a statement's memory has a bound.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn doubled_ids(
        &self,
        (app, day): (Option<&AppId>, Date),
        (share, shares): (u64, u64),
        listed_max: usize,
    ) -> Result<Found<DoubledId>> {
        let of_app = app.map_or_else(String::new, |app| format!(" AND app_id = '{app}'"));
        let of_share = if shares > 1 {
            format!(" AND cityHash64(event_id) % {shares} = {share}")
        } else {
            String::new()
        };
        let next = day.saturating_add(jiff::Span::new().days(1));
        let sql = format!(
            "SELECT toString(app_id) AS app, event_id AS id, count() AS rows, \
             toUnixTimestamp64Milli(min(received_time)) AS received_ms, count() OVER () AS found_all FROM {} \
             WHERE report_date IN ('{day}', '{next}'){of_app}{of_share} \
             GROUP BY app, id HAVING rows > 1 AND min(report_date) = '{day}' ORDER BY app, id LIMIT {listed_max} \
             SETTINGS {SPILL}",
            self.table("events"),
        );
        self.found(Lookup::new(sql)).await
    }

    /// What was refused or rejected of each app and day in these days, both included, and what of it is kept.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn dead_days(&self, app: Option<&AppId>, days: (Date, Date)) -> Result<Vec<DeadDay>> {
        let of_app = app.map_or_else(String::new, |app| format!(" AND app_id = '{app}'"));
        let (from, to) = days;
        let sql = format!(
            "SELECT app, day, sum(c) AS counted, sum(k) AS kept FROM (\
             SELECT toString(app_id) AS app, toDate(minute) AS day, sum(t.events) AS c, 0 AS k FROM {} AS t \
             WHERE outcome IN ('{}', '{}') AND minute >= toDateTime('{from} 00:00:00', 'UTC') \
             AND minute < toDateTime('{to} 00:00:00', 'UTC') + INTERVAL 1 DAY{of_app} GROUP BY app, day \
             UNION ALL SELECT toString(app_id) AS app, received_date AS day, 0 AS c, uniqExact(id) AS k FROM {} \
             WHERE received_date BETWEEN '{from}' AND '{to}'{of_app} GROUP BY app, day) \
             GROUP BY app, day ORDER BY day, app SETTINGS {SPILL}",
            self.table("ledger"),
            Outcome::Refused.name(),
            Outcome::Rejected.name(),
            self.table("dead_letter"),
        );
        self.look_up(Lookup::new(sql)).await
    }

    /// The events stored for offsets of a partition, in order. At most as many as there are offsets, but for
    /// doubled ones.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn stored_between(
        &self,
        (epoch, partition): (u64, u32),
        offsets: Range<u64>,
    ) -> Result<Vec<StoredOffset>> {
        let sql = format!(
            "SELECT log_offset AS offset, event_id AS id FROM {} WHERE log_epoch = {epoch} \
             AND log_partition = {partition} AND log_offset >= {} AND log_offset < {} ORDER BY offset",
            self.table("events"),
            offsets.start,
            offsets.end,
        );
        self.look_up(Lookup::new(sql)).await
    }

    /// Which of these are in the dead letter.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn kept_dead(&self, app: &AppId, ids: &[Uuid]) -> Result<Vec<Uuid>> {
        #[derive(Deserialize)]
        struct Row {
            id: Uuid,
        }
        let texts: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let sql = format!(
            "SELECT DISTINCT id FROM {} WHERE app_id = {{app:String}} AND id IN {{ids:Array(UUID)}}",
            self.table("dead_letter")
        );
        let lookup =
            Lookup::new(sql).text("app", app.as_str()).texts("ids", texts.iter().map(String::as_str));
        let rows: Vec<Row> = self.look_up(lookup).await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// Reads rows that say in `all` how many there are.
    async fn found<T: serde::de::DeserializeOwned>(&self, lookup: Lookup) -> Result<Found<T>> {
        #[derive(Deserialize)]
        struct Line<T> {
            found_all: u64,
            #[serde(flatten)]
            one: T,
        }
        let lines: Vec<Line<T>> = self.look_up(lookup).await?;
        let all = lines.first().map_or(0, |line| line.found_all);
        Ok(Found { listed: lines.into_iter().map(|line| line.one).collect(), all })
    }
}

/// The first full second at or after an instant.
fn second(ms: i64) -> String {
    let second = (ms.clamp(0, i64::from(u32::MAX) * 1000) as u64).div_ceil(1000);
    format!("toDateTime({second}, 'UTC')")
}

fn milli(ms: i64) -> String {
    format!("fromUnixTimestamp64Milli({}, 'UTC')", ms.clamp(0, i64::from(u32::MAX) * 1000))
}

/// The UTC days of these receipts, both included.
pub fn days_of(at: &Receipts) -> (Date, Date) {
    (report_date(at.from_ms), report_date(at.to_ms.saturating_sub(1).max(at.from_ms)))
}
