use std::collections::BTreeMap;
use std::ops::Range;

use suanpan_event::{AppId, DeadEvent, Event, Outcome, Record};
use suanpan_log::Entry;
use suanpan_warehouse::LedgerEntry;

const MINUTE_MS: i64 = 60_000;

/// What the log gave, decoded: events and refused events in the order of their offsets, and what
/// could not be read.
pub(crate) struct Decoded<'a> {
    pub events: Vec<(u64, Event<'a>)>,
    /// What the gateway refused.
    pub dead: Vec<(u64, Box<DeadEvent<'a>>)>,
    /// Offsets of records that are no events: a mistake of ours, or of whoever wrote the log.
    pub unreadable: Vec<u64>,
    /// Offsets lost to damage on disk.
    pub lost: Vec<Range<u64>>,
}

/// Reads the events out of the records.
pub(crate) fn decode(entries: &[Entry]) -> Decoded<'_> {
    let (dead, unreadable, lost) = Default::default();
    let mut decoded = Decoded { events: Vec::with_capacity(entries.len()), dead, unreadable, lost };
    for entry in entries {
        match entry {
            Entry::Record { offset, payload } => match Record::decode(payload) {
                Ok(Record::Event(event)) => decoded.events.push((*offset, event)),
                Ok(Record::Dead(dead)) => decoded.dead.push((*offset, dead)),
                Err(error) => {
                    tracing::error!(offset, %error, "a log record is no event; it is counted as rejected");
                    decoded.unreadable.push(*offset);
                }
            },
            Entry::Damaged { offsets } => decoded.lost.push(offsets.clone()),
        }
    }
    decoded
}

/// The offsets that entries cover, first and last; none for no entries.
pub(crate) fn span(entries: &[Entry]) -> Option<(u64, u64)> {
    let first = match entries.first()? {
        Entry::Record { offset, .. } => *offset,
        Entry::Damaged { offsets } => offsets.start,
    };
    let last = match entries.last()? {
        Entry::Record { offset, .. } => *offset,
        Entry::Damaged { offsets } => offsets.end.checked_sub(1)?,
    };
    Some((first, last))
}

/// Counts outcomes by app and minute of receipt, for one ledger insert.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: BTreeMap<(AppId, i64, &'static str, &'static str), u64>,
}

impl Tally {
    pub fn add(
        &mut self,
        app_id: &AppId,
        received_ms: i64,
        (outcome, code): (Outcome, &'static str),
        events: u64,
    ) {
        let minute_ms = received_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        *self.counts.entry((app_id.clone(), minute_ms, outcome.name(), code)).or_default() += events;
    }

    pub fn entries(self) -> Vec<LedgerEntry> {
        let entry = |((app_id, minute_ms, outcome, code), events): (
            (AppId, i64, &'static str, &'static str),
            u64,
        )| { LedgerEntry { app_id, minute_ms, outcome, code: code.into(), events } };
        self.counts.into_iter().map(entry).collect()
    }
}
