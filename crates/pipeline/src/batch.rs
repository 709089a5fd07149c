use std::collections::BTreeMap;
use std::ops::Range;

use suanpan_event::{AppId, DeadEvent, Event, Outcome, Record, RejectionCode};
use suanpan_log::Entry;
use suanpan_warehouse::LedgerEntry;

use crate::fate::Fate;
use crate::reading::offsets;

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
    let (first, last) = (offsets(entries.first()?), offsets(entries.last()?));
    Some((first.start, last.end.checked_sub(1)?))
}

/// What became of a batch, for its ledger row.
pub(crate) fn ledger(decoded: &Decoded<'_>, fates: &[Fate], now_ms: i64) -> Vec<LedgerEntry> {
    let mut tally = Tally::default();
    for ((_, event), fate) in decoded.events.iter().zip(fates) {
        let outcome = match fate {
            Fate::Store | Fate::StoredBefore => (Outcome::Stored, ""),
            Fate::Duplicate => (Outcome::Duplicate, ""),
            Fate::Refused => (Outcome::Rejected, RejectionCode::StoreRefused.name()),
            Fate::AskStore => unreachable!("the store was asked: fate::from_store"),
        };
        tally.add(&event.app_id, event.received_time_ms, outcome, 1);
    }
    for (_, dead) in &decoded.dead {
        let code = RejectionCode::named(&dead.code).map_or("other", RejectionCode::name);
        tally.add(&dead.app_id, dead.received_time_ms, (Outcome::Refused, code), 1);
    }
    let unknown = AppId::unknown();
    if !decoded.unreadable.is_empty() {
        let count = decoded.unreadable.len() as u64;
        tally.add(&unknown, now_ms, (Outcome::Rejected, "unreadable"), count);
    }
    for range in &decoded.lost {
        tally.add(&unknown, now_ms, (Outcome::Lost, "log_damaged"), range.end - range.start);
    }
    tally.entries()
}

/// Counts outcomes by app and minute of receipt, for one ledger insert.
#[derive(Debug, Default)]
struct Tally {
    counts: BTreeMap<(AppId, i64, &'static str, &'static str), u64>,
}

impl Tally {
    fn add(
        &mut self,
        app_id: &AppId,
        received_ms: i64,
        (outcome, code): (Outcome, &'static str),
        events: u64,
    ) {
        let minute_ms = received_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        *self.counts.entry((app_id.clone(), minute_ms, outcome.name(), code)).or_default() += events;
    }

    fn entries(self) -> Vec<LedgerEntry> {
        let entry = |((app_id, minute_ms, outcome, code), events): (
            (AppId, i64, &'static str, &'static str),
            u64,
        )| { LedgerEntry { app_id, minute_ms, outcome, code: code.into(), events } };
        self.counts.into_iter().map(entry).collect()
    }
}

/// Now, in milliseconds since 1970-01-01 UTC.
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
