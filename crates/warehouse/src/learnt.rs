//! The names that were seen: events, and the properties they came with.

use serde::{Deserialize, Serialize};
use suanpan_event::AppId;

use crate::error::Result;
use crate::lookup::Lookup;
use crate::reconcile::time_text;
use crate::rows::BatchId;
use crate::schema::{SAMPLES_MAX, UNLISTED_MAX};
use crate::warehouse::Warehouse;

/// Sample values that are kept of an attribute.
pub const LEARNT_SAMPLES_MAX: usize = SAMPLES_MAX;
/// Names beyond an app's bound that are told apart. Of more, it is only known that there are more.
pub const LEARNT_UNLISTED_MAX: usize = UNLISTED_MAX;
/// Names that one app's list can have; the pipeline's bound is far below.
const NAMES_MAX: usize = 100_000;

/// What a batch taught about one name, to be added to what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLearnt<'a> {
    /// The app.
    pub app_id: AppId,
    /// The event's name; empty together with `attribute` for names beyond the app's bound.
    pub event: &'a str,
    /// The property's name; empty for the event itself.
    pub attribute: &'a str,
    /// The earliest receipt, in milliseconds since 1970-01-01 UTC.
    pub first_seen_ms: i64,
    /// The latest receipt.
    pub last_seen_ms: i64,
    /// Events that had it.
    pub events: u64,
    /// The types its values had, a bit each: see [`LearntTypes`].
    pub types: u8,
    /// Some of its values.
    pub samples: Vec<String>,
    /// Hashes of the names that this row stands for, if they are beyond the bound.
    pub unlisted: Vec<u64>,
}

/// Which JSON types a property's values had: a set of bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LearntTypes(pub u8);

impl LearntTypes {
    /// A text that is no instant.
    pub const STRING: u8 = 1;
    /// A number.
    pub const NUMBER: u8 = 2;
    /// True or false.
    pub const BOOLEAN: u8 = 4;
    /// Null.
    pub const NULL: u8 = 8;
    /// An object.
    pub const OBJECT: u8 = 16;
    /// An array.
    pub const ARRAY: u8 = 32;
    /// A text that is an instant.
    pub const DATETIME: u8 = 64;

    const NAMES: [(u8, &'static str); 7] = [
        (Self::STRING, "string"),
        (Self::NUMBER, "number"),
        (Self::BOOLEAN, "boolean"),
        (Self::DATETIME, "datetime"),
        (Self::ARRAY, "array"),
        (Self::OBJECT, "object"),
        (Self::NULL, "null"),
    ];

    /// The names of the types in the set.
    pub fn names(self) -> Vec<&'static str> {
        Self::NAMES.into_iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, name)| name).collect()
    }
}

/// A name that was learnt.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Learnt {
    /// The event's name.
    pub event: String,
    /// The property's name; empty for the event itself.
    pub attribute: String,
    /// The first receipt, in milliseconds since 1970-01-01 UTC.
    pub first_seen_ms: i64,
    /// The last receipt.
    pub last_seen_ms: i64,
    /// Events that had it.
    pub events: u64,
    /// The bits of [`LearntTypes`].
    pub types: u8,
    /// Some of its values, at most [`LEARNT_SAMPLES_MAX`].
    pub samples: Vec<String>,
    /// Of the row that stands for names beyond the bound, how many there are, up to
    /// [`LEARNT_UNLISTED_MAX`]; else 0.
    pub unlisted: u64,
}

impl Learnt {
    /// Whether it stands for all the names beyond the app's bound.
    pub fn is_unlisted(&self) -> bool {
        self.event.is_empty()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    app_id: &'a str,
    event: &'a str,
    attribute: &'a str,
    log_epoch: u64,
    log_partition: u32,
    first_seen: String,
    last_seen: String,
    events: u64,
    types: u8,
    samples: &'a [String],
    unlisted: &'a [u64],
    next_offset: u64,
    writer: u64,
}

impl<'a> Line<'a> {
    fn of(batch: BatchId, new: &'a NewLearnt<'_>) -> Self {
        Self {
            app_id: new.app_id.as_str(),
            event: new.event,
            attribute: new.attribute,
            log_epoch: batch.epoch,
            log_partition: batch.partition,
            first_seen: time_text(new.first_seen_ms),
            last_seen: time_text(new.last_seen_ms),
            events: new.events,
            types: new.types,
            samples: &new.samples,
            unlisted: &new.unlisted,
            next_offset: batch.next_offset(),
            writer: batch.writer,
        }
    }
}

impl Warehouse {
    /// Adds what a batch taught, in one atomic piece; adding it again is harmless. Afterwards
    /// [`Self::learnt_through`] lies at the batch's end.
    ///
    /// # Errors
    /// As of [`Self::insert_events`].
    pub async fn insert_learnt(&self, batch: BatchId, learnt: &[NewLearnt<'_>]) -> Result<()> {
        if learnt.is_empty() {
            return Ok(());
        }
        let lines: Vec<Line<'_>> = learnt.iter().map(|new| Line::of(batch, new)).collect();
        self.insert_beside(self.home_of(batch.partition), "learnt", (batch, ""), &lines).await
    }

    /// The offset up to which every event of the log is counted in what was learnt; 0 if none is.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn learnt_through(&self, epoch: u64, partition: u32) -> Result<u64> {
        let sql = format!(
            "SELECT max(next_offset) FROM {}.learnt_local \
             WHERE log_epoch = {epoch} AND log_partition = {partition}",
            self.database()
        );
        self.greatest(partition, &sql).await
    }

    /// All names that an app's events taught, sorted; first the row for those beyond the bound, if
    /// there are any.
    ///
    /// # Errors
    /// ClickHouse does not answer.
    pub async fn learnt(&self, app: &AppId) -> Result<Vec<Learnt>> {
        let sql = format!(
            "SELECT event, attribute, toUnixTimestamp64Milli(min(t.first_seen)) AS first_seen_ms, \
             toUnixTimestamp64Milli(max(t.last_seen)) AS last_seen_ms, sum(t.events) AS events, \
             groupBitOr(t.types) AS types, arraySort(groupUniqArrayArray({SAMPLES_MAX})(t.samples)) AS samples, \
             uniqExactArray(t.unlisted) AS unlisted \
             FROM {} AS t WHERE app_id = {{app:String}} \
             GROUP BY event, attribute ORDER BY event, attribute LIMIT {NAMES_MAX}",
            self.table("learnt")
        );
        self.look_up(Lookup::new(sql).text("app", app.as_str())).await
    }
}
