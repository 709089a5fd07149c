use std::borrow::Cow;
use std::ops::Range;

use suanpan_event::{AppId, Origin, Slot};
use uuid::Uuid;

/// One batch of the log: the unit of exactly-once. Its deduplication token is made of these four
/// numbers and of how many rows are sent, so the same batch must always hold the same records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchId {
    /// Which life of the log: a new one starts offsets again from 0.
    pub epoch: u64,
    /// The partition.
    pub partition: u32,
    /// Offset of the first record.
    pub first: u64,
    /// Offset of the last record, inclusive.
    pub last: u64,
    /// Who writes it: the number that a claim of the partition chose, or 0 where nobody claims. It is no part of
    /// the batch's name.
    pub writer: u64,
}

impl BatchId {
    /// The first offset after the batch.
    pub fn next_offset(self) -> u64 {
        self.last + 1
    }

    /// Names one insert of this batch. `part` tells apart what may be sent of it: after a crash only
    /// the rows that are not stored yet, which must not pass for a repetition of all of them.
    pub(crate) fn token(self, table: &str, part: &str) -> String {
        format!("{table}-{}-{}-{}-{}-{part}", self.epoch, self.partition, self.first, self.last)
    }
}

/// A value for a typed slot.
#[derive(Debug, Clone, PartialEq)]
pub enum SlotValue<'a> {
    /// For category and text slots.
    Text(Cow<'a, str>),
    /// For number slots.
    Number(f64),
}

/// One event as a row of the events table. Texts that are not known are empty. `report_date` is
/// derived from `event_time_ms`.
#[derive(Debug, Clone)]
pub struct EventRow<'a> {
    /// The app.
    pub app_id: AppId,
    /// What happened.
    pub event: Cow<'a, str>,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub event_time_ms: i64,
    /// When the gateway received it, in milliseconds since 1970-01-01 UTC.
    pub received_time_ms: i64,
    /// The client's own time, where `event_time_ms` was corrected.
    pub client_time_ms: Option<i64>,
    /// Unique within the app.
    pub event_id: Uuid,
    /// The person: the known user, else the device.
    pub actor_id: Cow<'a, str>,
    /// The known user.
    pub user_id: Cow<'a, str>,
    /// The device or anonymous person.
    pub device_id: Cow<'a, str>,
    /// The session.
    pub session_id: Cow<'a, str>,
    /// The platform.
    pub platform: Cow<'a, str>,
    /// The app's version.
    pub app_version: Cow<'a, str>,
    /// The reporting library.
    pub library: Cow<'a, str>,
    /// Another id of the same person, which this event links to it.
    pub linked_id: Cow<'a, str>,
    /// Where it came from.
    pub origin: Origin<'a>,
    /// The custom fields: the text of a JSON object.
    pub content: Cow<'a, str>,
    /// The version of the slot map by which `slots` was filled.
    pub slot_map: u32,
    /// The record's offset in the batch's partition.
    pub log_offset: u64,
    /// The typed slots that have a value, each at most once.
    pub slots: Vec<(Slot, SlotValue<'a>)>,
}

/// How many events of an app and minute ended how, within one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The app.
    pub app_id: AppId,
    /// Any instant within the minute, in milliseconds since 1970-01-01 UTC; stored as the minute.
    pub minute_ms: i64,
    /// An outcome's name ([`suanpan_event::Outcome::name`]).
    pub outcome: &'static str,
    /// The rejection's code; empty for other outcomes.
    pub code: Cow<'static, str>,
    /// How many.
    pub events: u64,
}

/// A sorted set of log offsets, kept as ranges: gaps cost memory, offsets do not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OffsetSet {
    ranges: Vec<Range<u64>>,
    len: u64,
}

impl OffsetSet {
    /// The set of these offsets, which come in ascending order; repeats are counted once.
    pub fn from_sorted(offsets: impl IntoIterator<Item = u64>) -> Self {
        let mut set = Self::default();
        for offset in offsets {
            match set.ranges.last_mut() {
                Some(last) if offset < last.end => continue,
                Some(last) if offset == last.end => last.end += 1,
                _ => set.ranges.push(offset..offset + 1),
            }
            set.len += 1;
        }
        set
    }

    /// Whether the offset is in the set.
    pub fn contains(&self, offset: u64) -> bool {
        let after = self.ranges.partition_point(|range| range.end <= offset);
        self.ranges.get(after).is_some_and(|range| range.contains(&offset))
    }

    /// How many offsets there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The set as ascending ranges that do not touch.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_set_holds_what_it_was_given() {
        let set = OffsetSet::from_sorted([3, 4, 4, 5, 9, 11]);
        assert_eq!(set.ranges(), [3..6, 9..10, 11..12]);
        assert_eq!(set.len(), 5);
        let held: Vec<u64> = (0..14).filter(|offset| set.contains(*offset)).collect();
        assert_eq!(held, [3, 4, 5, 9, 11]);
        assert!(OffsetSet::from_sorted([]).is_empty());
    }
}
