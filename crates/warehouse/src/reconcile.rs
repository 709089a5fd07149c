//! What is stored already: the questions the pipeline asks at start, and when an event is too old
//! for its memory.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::BytesMut;
use jiff::Timestamp;
use suanpan_event::{AppId, PLACE_KEY_SQL, report_date};
use uuid::Uuid;

use crate::client::{Client, Statement, chain, quoted};
use crate::error::{Result, WarehouseError};
use crate::row_binary::RowBinary;
use crate::rows::OffsetSet;
use crate::warehouse::Warehouse;

/// Offsets past a commit that are read at most. Only a batch or two are ever uncommitted, unless
/// the ledger was lost.
const OFFSETS_MAX: u64 = 20_000_000;
/// Probes in one statement: its text stays below ClickHouse's limit of 256 KiB.
const PROBES_PER_STATEMENT: usize = 1_000;
const STATEMENT_BYTES_MAX: usize = 200_000;
const HOURS_MAX: usize = 24 * 400;
const HOUR_MS: i64 = 3_600_000;

/// An event that may be stored already.
#[derive(Debug, Clone, Copy)]
pub struct StoredIdProbe<'a> {
    /// Its name.
    pub event: &'a str,
    /// Its time, in milliseconds since 1970-01-01 UTC.
    pub event_time_ms: i64,
    /// The client's own time, where the event's was corrected. A correction differs a little each
    /// time the event is sent; the client's time does not.
    pub client_time_ms: Option<i64>,
    /// Its id.
    pub event_id: Uuid,
}

impl StoredIdProbe<'_> {
    /// The column that is the same each time the event is sent, and its value.
    fn steady_time(&self) -> (&'static str, i64) {
        self.client_time_ms.map_or(("event_time", self.event_time_ms), |ms| ("client_time", ms))
    }

    /// The days it may be stored under: its own, and its neighbours where a correction may differ.
    fn dates(&self) -> impl Iterator<Item = String> {
        let around = if self.client_time_ms.is_some() { -1..=1 } else { 0..=0 };
        let time_ms = self.event_time_ms;
        around.map(move |days: i64| format!("'{}'", report_date(time_ms + days * 24 * HOUR_MS)))
    }
}

/// What [`Warehouse::recent_ids`] went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentIds {
    /// How many rows were passed on.
    pub count: usize,
    /// All rows with an event time at or after this were passed on, in milliseconds.
    pub complete_since_ms: i64,
}

impl Warehouse {
    /// The offset after the last committed batch; 0 when nothing was committed.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn committed(&self, epoch: u64, partition: u32) -> Result<u64> {
        let sql = format!(
            "SELECT max(next_offset) FROM {}.ledger_local WHERE log_epoch = {epoch} AND log_partition = {partition}",
            self.database()
        );
        self.greatest(partition, &sql).await
    }

    /// The greatest of the numbers that the shards say. Each is asked at the replica that is written to: the
    /// tables over all shards may read another one, which may be behind. All are asked, since with a changed
    /// number of shards a partition has another home than it had.
    pub(crate) async fn greatest(&self, partition: u32, sql: &str) -> Result<u64> {
        let mut greatest = 0;
        for (at, shard) in self.shards().iter().enumerate() {
            let turn = self.ask_whole(partition, at).await?;
            let text = shard.text(Statement { sql, ..Statement::default() }).await?;
            let number = text.trim().parse().map_err(WarehouseError::decode)?;
            self.asked_whole(at, turn)?;
            greatest = u64::max(greatest, number);
        }
        Ok(greatest)
    }

    /// The offsets at or after `from` whose events are stored.
    ///
    /// # Errors
    /// ClickHouse does not answer; more than 20 million offsets.
    pub async fn stored_offsets(&self, epoch: u64, partition: u32, from: u64) -> Result<OffsetSet> {
        let sql = format!(
            "SELECT log_offset FROM {}.events_local WHERE log_epoch = {epoch} AND log_partition = {partition} \
             AND log_offset >= {from} LIMIT {} FORMAT RowBinary",
            self.database(),
            OFFSETS_MAX + 1
        );
        let mut offsets = Vec::new();
        self.read_whole(partition, &sql, |row| {
            offsets.push(row.u64()?);
            Some(())
        })
        .await?;
        if offsets.len() as u64 > OFFSETS_MAX {
            return Err(WarehouseError::decode(format!(
                "more than {OFFSETS_MAX} offsets after {from} are stored"
            )));
        }
        offsets.sort_unstable();
        Ok(OffsetSet::from_sorted(offsets))
    }

    /// Passes on app, id and event time (in milliseconds) of every stored event since a time whose place key
    /// belongs to this one of so many partitions of the log, in no order. When there are more than `ids_max`,
    /// the oldest hours are left out, whole. For all events: `(0, 1)`.
    ///
    /// # Errors
    /// ClickHouse does not answer; rows may have been passed on by then.
    pub async fn recent_ids(
        &self,
        since_event_time_ms: i64,
        ids_max: usize,
        (partition, partitions): (u32, u32),
        mut each: impl FnMut(&AppId, Uuid, i64),
    ) -> Result<RecentIds> {
        let share = match partitions {
            0 | 1 => String::new(),
            _ => format!(" AND {PLACE_KEY_SQL} % {partitions} = {partition}"),
        };
        let complete_since_ms =
            self.hours_that_fit(since_event_time_ms.max(0), ids_max, (partition, &share)).await?;
        let sql = format!(
            "SELECT app_id, event_id, toUnixTimestamp64Milli(event_time) FROM {}.events_local \
             WHERE report_date >= '{}' AND event_time >= '{}'{share} FORMAT RowBinary",
            self.database(),
            report_date(complete_since_ms),
            time_text(complete_since_ms),
        );
        let mut count = 0;
        let mut apps: HashMap<String, AppId> = HashMap::new();
        self.read_whole(partition, &sql, |row| {
            let app = row.text()?;
            let id = row.uuid()?;
            let time = row.i64()?;
            if !apps.contains_key(app) {
                apps.insert(app.to_owned(), app.parse().ok()?);
            }
            each(&apps[app], id, time);
            count += 1;
            Some(())
        })
        .await?;
        Ok(RecentIds { count, complete_since_ms })
    }

    /// The earliest full hour, not before `since_ms`, since which at most `ids_max` events are stored.
    async fn hours_that_fit(
        &self,
        since_ms: i64,
        ids_max: usize,
        (partition, share): (u32, &str),
    ) -> Result<i64> {
        let sql = format!(
            "SELECT toInt64(toUnixTimestamp(toStartOfHour(event_time))) * 1000 AS hour, count() \
             FROM {}.events_local WHERE report_date >= '{}' AND event_time >= '{}'{share} \
             GROUP BY hour ORDER BY hour DESC LIMIT {HOURS_MAX} FORMAT RowBinary",
            self.database(),
            report_date(since_ms),
            time_text(since_ms),
        );
        let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
        self.read_whole(partition, &sql, |row| {
            let (hour, events) = (row.i64()?, row.u64()?);
            *hours.entry(hour).or_default() += events;
            Some(())
        })
        .await?;
        let mut left = ids_max as u64;
        for (hour, events) in hours.iter().rev().take(HOURS_MAX) {
            match left.checked_sub(*events) {
                Some(rest) => left = rest,
                None => return Ok(since_ms.max(hour + HOUR_MS)),
            }
        }
        // A shard tells of its newest hours alone.
        Ok(hours.keys().rev().nth(HOURS_MAX - 1).map_or(since_ms, |hour| since_ms.max(*hour)))
    }

    /// Which of these events are stored. Exact: name, time (the client's own, if it was corrected)
    /// and id must be the same, as they are when a client or an import reports an event again.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn stored_ids(&self, app: &AppId, probes: &[StoredIdProbe<'_>]) -> Result<HashSet<Uuid>> {
        let mut stored = HashSet::new();
        let (corrected, exact): (Vec<_>, Vec<_>) = probes.iter().partition(|p| p.client_time_ms.is_some());
        for probes in [exact, corrected] {
            let mut rest: &[&StoredIdProbe<'_>] = &probes;
            while !rest.is_empty() {
                let (sql, taken) = self.probe_statement(app, rest);
                self.read_rows(&sql, |row| {
                    stored.insert(row.uuid()?);
                    Some(())
                })
                .await?;
                rest = &rest[taken..];
            }
        }
        Ok(stored)
    }

    /// Which of these ids are stored with an event time from `from_ms` until before `to_ms`, whatever their event:
    /// for events that have no time of their own, which get another one each time they are sent. Reads the ids
    /// of all the app's events of that time.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn stored_ids_between(
        &self,
        app: &AppId,
        (from_ms, to_ms): (i64, i64),
        ids: &[Uuid],
    ) -> Result<HashSet<Uuid>> {
        let mut stored = HashSet::new();
        for ids in ids.chunks(PROBES_PER_STATEMENT) {
            let list: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
            let sql = format!(
                "SELECT event_id FROM {}.events_local WHERE app_id = '{app}' \
                 AND report_date BETWEEN '{}' AND '{}' AND event_time >= '{}' AND event_time < '{}' \
                 AND event_id IN ({}) FORMAT RowBinary",
                self.database(),
                report_date(from_ms),
                report_date(to_ms),
                time_text(from_ms),
                time_text(to_ms),
                list.join(", "),
            );
            self.read_rows(&sql, |row| {
                stored.insert(row.uuid()?);
                Some(())
            })
            .await?;
        }
        Ok(stored)
    }

    /// A statement for as many of the probes as fit; all are of one kind. `report_date` leaves only
    /// their days. For exact times the rest is the sort key, so that each probe reads one granule.
    fn probe_statement(&self, app: &AppId, probes: &[&StoredIdProbe<'_>]) -> (String, usize) {
        let mut tuples: Vec<String> = Vec::new();
        let mut dates: Vec<String> = Vec::new();
        let (mut bytes, mut column) = (0, "event_time");
        for probe in probes.iter().take(PROBES_PER_STATEMENT) {
            let (steady, time_ms) = probe.steady_time();
            column = steady;
            let tuple = format!("({}, '{}', '{}')", quoted(probe.event), time_text(time_ms), probe.event_id);
            bytes += tuple.len() + 2;
            if bytes > STATEMENT_BYTES_MAX && !tuples.is_empty() {
                break;
            }
            tuples.push(tuple);
            dates.extend(probe.dates());
        }
        dates.sort_unstable();
        dates.dedup();
        let sql = format!(
            "SELECT event_id FROM {}.events_local WHERE app_id = '{app}' AND report_date IN ({}) \
             AND (event, {column}, event_id) IN ({}) FORMAT RowBinary",
            self.database(),
            dates.join(", "),
            tuples.join(", "),
        );
        (sql, tuples.len())
    }

    /// [`Self::read_rows`] of replicas that have every row which the partition's owners before were told is stored.
    async fn read_whole(
        &self,
        partition: u32,
        sql: &str,
        mut take: impl FnMut(&mut RowBinary<'_>) -> Option<()>,
    ) -> Result<()> {
        for (at, shard) in self.shards().iter().enumerate() {
            let turn = self.ask_whole(partition, at).await?;
            read_shard(shard, sql, &mut take).await?;
            self.asked_whole(at, turn)?;
        }
        Ok(())
    }

    /// Reads the answers of all shards in RowBinary while they come, row by row, from the replicas that are written
    /// to. `take` says none when the bytes at hand are no whole row yet.
    async fn read_rows(
        &self,
        sql: &str,
        mut take: impl FnMut(&mut RowBinary<'_>) -> Option<()>,
    ) -> Result<()> {
        for shard in self.shards() {
            read_shard(shard, sql, &mut take).await?;
        }
        Ok(())
    }
}

/// Reads one shard's answer.
async fn read_shard(
    shard: &Client,
    sql: &str,
    take: &mut impl FnMut(&mut RowBinary<'_>) -> Option<()>,
) -> Result<()> {
    let mut response = shard.send(Statement { sql, ..Statement::default() }).await?;
    let mut held = BytesMut::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| WarehouseError::unavailable(chain(&error)))?
    {
        held.extend_from_slice(&chunk);
        let mut rows = RowBinary::new(&held);
        let mut used = 0;
        while rows.has_more() && take(&mut rows).is_some() {
            used = rows.position();
        }
        let _ = held.split_to(used);
    }
    if held.is_empty() { Ok(()) } else { Err(WarehouseError::unavailable("the answer broke off")) }
}

/// An instant as ClickHouse reads it, in UTC.
pub(crate) fn time_text(ms: i64) -> String {
    let clamped = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    clamped.strftime("%Y-%m-%d %H:%M:%S.%3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(time_text(0), "1970-01-01 00:00:00.000");
        assert_eq!(time_text(1_709_251_200_007), "2024-03-01 00:00:00.007");
    }
}
