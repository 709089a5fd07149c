//! Removes events for good, and keeps count of what went: stored = rows + removed, always.
//!
//! A removal is told by a predicate that holds for the same rows however often it is run: rows of a person
//! or of a day, and only those that the log had already given when it was asked for. So it is counted
//! first, then the rows go, and a crash at any point leaves something that can be done again:
//!
//! ```text
//! begun ──count──▶ counted ──delete──▶ done
//! ```
//!
//! A count that is made again can only find fewer rows, so the greater one is kept (the column's `max`).

mod predicate;

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use suanpan_event::AppId;

use crate::client::{Client, Statement, quoted};
use crate::error::{Result, WarehouseError};
use crate::lookup::Lookup;
use crate::warehouse::Warehouse;

pub(crate) use predicate::{Predicate, before, one_hashed_of, one_of};

/// Ids of one person that one removal may name.
pub const REMOVAL_IDS_MAX: usize = 101;
/// Apps that one removal of a day may name.
pub const REMOVAL_APPS_MAX: usize = 10_000;
/// How often a mutation under way is looked at.
const MUTATION_PAUSE: Duration = Duration::from_millis(200);
/// How long one call waits for a mutation. It goes on by itself; the next call waits on.
const MUTATION_WAITS_MAX: u32 = 5 * 60 * 5;

/// Why events were removed: a label of the accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemovalReason {
    /// They were older than their app keeps them.
    Retention,
    /// Their person's data were to be deleted.
    Person,
}

impl RemovalReason {
    /// Its name in tables and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Person => "person",
        }
    }
}

/// Where a partition of the log ended at some moment: the first offset that was not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEnd {
    /// Which life of the partition.
    pub epoch: u64,
    /// Its number.
    pub partition: u32,
    /// The first offset that is not meant.
    pub offset: u64,
}

/// Whose rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemovedRows {
    /// Events of a day of these apps.
    Day {
        /// The day of the events, UTC.
        day: Date,
        /// At most [`REMOVAL_APPS_MAX`].
        apps: Vec<AppId>,
    },
    /// Events of an app in which one of these ids is the user, the device, the person, or an id linked to it.
    Person {
        /// The app.
        app: AppId,
        /// At most [`REMOVAL_IDS_MAX`].
        ids: Vec<String>,
    },
}

/// A removal: which rows, why, and up to where of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Names it for ever: a number drawn by chance, see [`Removal::new_job`].
    pub job: u64,
    /// Why.
    pub reason: RemovalReason,
    /// Whose.
    pub rows: RemovedRows,
    /// Rows at or beyond these are not meant; rows of other lives of the log are.
    pub ends: Vec<LogEnd>,
}

impl Removal {
    /// A number that no other removal has: 63 random bits.
    pub fn new_job() -> u64 {
        rand::random::<u64>() >> 1 | 1
    }
}

/// How far a removal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemovalStep {
    /// It is noted; what is counted of it may be incomplete, and nothing is removed.
    Begun,
    /// It is counted; rows may be removed.
    Counted,
    /// Its rows are gone.
    Done,
}

/// A removal that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRemoval {
    /// Which.
    pub removal: Removal,
    /// How far it is.
    pub step: RemovalStep,
}

#[derive(Deserialize)]
struct StepRow {
    what: String,
    step: RemovalStep,
}

impl Warehouse {
    /// Removes rows of events, counted, and returns how many went. It can be called again after any failure,
    /// and goes on; one that is done returns at once.
    ///
    /// # Errors
    /// ClickHouse does not answer, or refuses; or a mutation takes longer than five minutes, which is
    /// [`WarehouseError::Unavailable`]: it goes on by itself.
    pub async fn remove(&self, removal: &Removal) -> Result<u64> {
        check(removal)?;
        let mut step = self.removal_step(removal).await?;
        if step.is_none() {
            step = Some(self.note_step(removal, RemovalStep::Begun).await?);
        }
        if step == Some(RemovalStep::Begun) {
            self.count_removed(removal).await?;
            step = Some(self.note_step(removal, RemovalStep::Counted).await?);
        }
        if step == Some(RemovalStep::Counted) {
            self.delete_rows(removal).await?;
            self.note_step(removal, RemovalStep::Done).await?;
        }
        self.removed_by(removal).await
    }

    /// The removals that are not done, the oldest first.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn open_removals(&self) -> Result<Vec<OpenRemoval>> {
        let sql = format!(
            "SELECT argMax(t.what, t.version) AS what, argMax(toString(t.step), t.version) AS step FROM {} AS t \
             GROUP BY job HAVING step != 'done' ORDER BY min(t.at), job",
            self.table("removal_steps")
        );
        let rows: Vec<StepRow> = self.look_up(Lookup::new(sql)).await?;
        let open = |row: StepRow| {
            let removal = serde_json::from_str(&row.what).map_err(WarehouseError::decode)?;
            Ok(OpenRemoval { removal, step: row.step })
        };
        rows.into_iter().map(open).collect()
    }

    /// How many steps of removals were ever noted: more, once anything was removed since.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn removals_noted(&self) -> Result<u64> {
        let sql = format!(
            "SELECT sum(newest) AS number FROM (SELECT max(t.version) + 1 AS newest FROM {} AS t GROUP BY job)",
            self.table("removal_steps")
        );
        self.one_number(Lookup::new(sql)).await
    }

    async fn removal_step(&self, removal: &Removal) -> Result<Option<RemovalStep>> {
        let sql = format!(
            "SELECT argMax(t.what, t.version) AS what, argMax(toString(t.step), t.version) AS step FROM {} AS t \
             WHERE job = {} GROUP BY job",
            self.table("removal_steps"),
            removal.job,
        );
        let rows: Vec<StepRow> = self.look_up(Lookup::new(sql)).await?;
        Ok(rows.first().map(|row| row.step))
    }

    async fn note_step(&self, removal: &Removal, step: RemovalStep) -> Result<RemovalStep> {
        let what = match step {
            // Once it is done, nobody needs to know whose rows they were.
            RemovalStep::Done => "{}".to_owned(),
            _ => serde_json::to_string(removal).expect("a removal is always JSON"),
        };
        let word = serde_json::to_value(step).expect("a step is a word");
        let sql = format!(
            "INSERT INTO {}.removal_steps_local (job, reason, what, step, at, version) \
             SETTINGS insert_deduplicate = 0, async_insert = 0 \
             SELECT {}, '{}', {{what:String}}, '{}', fromUnixTimestamp64Milli({}, 'UTC'), {}",
            self.database(),
            removal.job,
            removal.reason.name(),
            word.as_str().expect("a step is a word"),
            Timestamp::now().as_millisecond(),
            step as u64,
        );
        self.on_home(Lookup::new(sql).text("what", &what)).await?;
        if step == RemovalStep::Done && removal.reason == RemovalReason::Person {
            // The row before may name a person, so its going must not wait for a merge by chance.
            let sql = format!("OPTIMIZE TABLE {}.removal_steps_local FINAL", self.database());
            self.on_home(Lookup::new(sql)).await?;
        }
        Ok(step)
    }

    /// Notes how many rows go, by app and minute of receipt.
    async fn count_removed(&self, removal: &Removal) -> Result<()> {
        self.settle("events").await?;
        let predicate = Predicate::of(removal);
        let sql = format!(
            "INSERT INTO {}.removed_local (app_id, minute, reason, job, events) \
             SETTINGS insert_deduplicate = 0, async_insert = 0, {SPILL} \
             SELECT app_id, toStartOfMinute(received_time) AS minute, '{}', {}, count() \
             FROM {} WHERE {} GROUP BY app_id, minute",
            self.database(),
            removal.reason.name(),
            removal.job,
            self.table("events"),
            predicate.sql,
        );
        self.on_home(predicate.bind(Lookup::new(sql))).await
    }

    /// Waits until every replica that answers has the rows that any was given, and none that a mutation took:
    /// which of them the tables over all shards are read from, the servers choose.
    pub(crate) async fn settle(&self, table: &str) -> Result<()> {
        if !self.layout().is_replicated() {
            return Ok(());
        }
        let sql = format!("SYSTEM SYNC REPLICA {}.{table}_local", self.database());
        self.on_nodes_that_answer(&sql).await
    }

    async fn removed_by(&self, removal: &Removal) -> Result<u64> {
        let sql = format!(
            "SELECT sum(went) AS number FROM (SELECT max(t.events) AS went FROM {} AS t WHERE job = {} \
             GROUP BY app_id, minute)",
            self.table("removed"),
            removal.job,
        );
        self.one_number(Lookup::new(sql)).await
    }

    async fn delete_rows(&self, removal: &Removal) -> Result<()> {
        let predicate = Predicate::of(removal);
        let (partition, predicate) = match &removal.rows {
            RemovedRows::Day { day, .. } => (format!("IN PARTITION '{day}' "), predicate),
            RemovedRows::Person { ids, .. } => (String::new(), predicate.hashed(self.hashes(ids).await?)),
        };
        let change = format!("DELETE {partition}WHERE {}", predicate.sql);
        self.mutate("events", &change, predicate.bind(Lookup::default()), &format!("removal {}", removal.job))
            .await
    }

    /// What stands for ids in a mutation: the engine keeps the texts of its last mutations.
    pub(crate) async fn hashes(&self, ids: &[String]) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Row {
            hashes: Vec<String>,
        }
        let sql = "SELECT arrayMap(id -> hex(sipHash128(id)), {ids:Array(String)}) AS hashes".to_owned();
        let rows: Vec<Row> =
            self.look_up(Lookup::new(sql).texts("ids", ids.iter().map(String::as_str))).await?;
        Ok(rows.into_iter().flat_map(|row| row.hashes).collect())
    }

    /// Rewrites a table's parts on every shard, and waits until that is done. `mark` tells this mutation from
    /// all others: while one with the same mark is under way, it is waited for and not begun again. One that is
    /// begun has a number besides: a replica lists it some time after it was taken, and until then it is not done.
    pub(crate) async fn mutate(
        &self,
        table: &str,
        change: &str,
        mut values: Lookup,
        mark: &str,
    ) -> Result<()> {
        let begun = format!("{mark} {:016x}", rand::random::<u64>());
        values.sql = format!(
            "ALTER TABLE {}.{table}_local {change} AND notEmpty({}) SETTINGS mutations_sync = 0",
            self.database(),
            quoted(&begun)
        );
        let of_mark = format!(
            "database = {} AND table = '{table}_local' AND position(command, {}) > 0",
            quoted(self.database()),
            quoted(&format!("notEmpty(\'{mark} ")),
        );
        for shard in self.shards() {
            let mut unseen = None;
            if pending(shard, &of_mark, None).await?.is_none() {
                self.run_at(shard, &values).await?;
                unseen = Some(begun.as_str());
            }
            let mut waits = 0;
            while let Some(reason) = pending(shard, &of_mark, unseen).await? {
                if !reason.is_empty() {
                    shard.run(&format!("KILL MUTATION WHERE {of_mark} SYNC")).await?;
                    return Err(WarehouseError::Query { code: 341, message: reason });
                }
                waits += 1;
                if waits > MUTATION_WAITS_MAX {
                    return Err(WarehouseError::unavailable("a mutation is still under way"));
                }
                tokio::time::sleep(MUTATION_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Runs a statement on the shard that keeps what belongs to no partition of the log.
    async fn on_home(&self, lookup: Lookup) -> Result<()> {
        self.run_at(self.home(), &lookup).await
    }
}

/// Groups that need more memory go to disk.
pub(crate) const SPILL: &str = "max_bytes_before_external_group_by = 268435456";

/// Why a mutation does not go on; empty if it does, or if the one that was begun is not listed yet; none if there
/// is none.
async fn pending(shard: &Client, of_mark: &str, begun: Option<&str>) -> Result<Option<String>> {
    let unseen = match begun {
        Some(begun) => format!("countIf(position(command, {}) > 0) = 0", quoted(begun)),
        None => "false".to_owned(),
    };
    let sql = format!(
        "SELECT anyIf(latest_fail_reason, NOT is_done) FROM system.mutations WHERE {of_mark} \
         HAVING countIf(NOT is_done) > 0 OR {unseen} FORMAT TSVRaw"
    );
    let text = shard.text(Statement { sql: &sql, ..Statement::default() }).await?;
    Ok((!text.is_empty()).then(|| text.trim_end().to_owned()))
}

fn check(removal: &Removal) -> Result<()> {
    let (many, max) = match &removal.rows {
        RemovedRows::Day { apps, .. } => (apps.len(), REMOVAL_APPS_MAX),
        RemovedRows::Person { ids, .. } => (ids.len(), REMOVAL_IDS_MAX),
    };
    if (1..=max).contains(&many) {
        return Ok(());
    }
    let message = format!("a removal names 1 to {max} apps or ids, not {many}");
    Err(WarehouseError::BatchInvalid { message })
}
