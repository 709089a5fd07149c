use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use suanpan_event::{AppId, Event, Record};
use suanpan_log::{Entry, LogError, PartitionPosition};
use suanpan_warehouse::{AccountInterval, Receipts, StoredIdProbe};
use uuid::Uuid;

use super::{Audit, Check, Difference, MINUTE_MS, of};
use crate::Result;

/// Records, and bytes of them, that are compared at once.
const RECORDS_AT_ONCE: usize = 5_000;
const BYTES_AT_ONCE: usize = 8 << 20;
/// How long the log may take to give records that it has.
const READ_WAIT: Duration = Duration::from_secs(5);
/// Apps and minutes of which missing records are told apart.
const MINUTES_MAX: usize = 100_000;
const DAY_MS: i64 = 86_400_000;
/// How many days around its own an event without a time may be stored: within the usual memory of ids, then
/// within the longest that can be configured.
const NEAR_DAYS: [i64; 2] = [2, 31];

/// Records that are nowhere, by app and minute of receipt, with the offset of one of them.
type Missing = BTreeMap<(AppId, i64), (u64, String)>;

impl Audit<'_> {
    /// Each record that is still in the log: below the commit it must be somewhere; the others are counted.
    pub(super) async fn log(&mut self, positions: &[PartitionPosition]) -> Result<()> {
        let of_all: u64 = positions.iter().map(|p| p.end_offset.saturating_sub(p.first_offset)).sum();
        let mut missing = Missing::new();
        let mut done = 0;
        for position in positions {
            if position.first_offset > 0 {
                let message = format!(
                    "partition {} of log {}: records below {} are no longer in the log and were compared by the \
                     tables alone",
                    position.partition, position.epoch, position.first_offset
                );
                self.note(message).await?;
            }
            self.partition(position, &mut missing, (&mut done, of_all)).await?;
        }
        self.progress("log", of_all, of_all).await?;
        self.tell_missing(missing).await
    }

    async fn partition(
        &mut self,
        position: &PartitionPosition,
        missing: &mut Missing,
        (done, of_all): (&mut u64, u64),
    ) -> Result<()> {
        let committed = self.next_offset(position);
        let mut at = position.first_offset;
        let mut reader = self.accounts.0.log.look(position.partition, at).await?;
        while at < position.end_offset {
            self.progress("log", *done, of_all).await?;
            let entries = match reader.next_batch(RECORDS_AT_ONCE, BYTES_AT_ONCE, READ_WAIT).await {
                Ok(entries) => entries,
                Err(LogError::Closed) => Vec::new(),
                Err(error) => return Err(error.into()),
            };
            if reader.epoch() != position.epoch || entries.is_empty() {
                let message = format!(
                    "partition {} of log {} could be read up to {at} only, of {}",
                    position.partition, position.epoch, position.end_offset
                );
                return self.note(message).await;
            }
            let below = Below { partition: (position.epoch, position.partition), committed };
            self.compare(&entries, &below, missing).await?;
            let next = entries.iter().map(after).max().unwrap_or(at);
            *done += next - at;
            at = next;
        }
        Ok(())
    }

    /// Compares some records that follow each other.
    async fn compare(&mut self, entries: &[Entry], below: &Below, missing: &mut Missing) -> Result<()> {
        let mut chosen = Chosen::default();
        for entry in entries {
            let Entry::Record { offset, payload } = entry else { continue };
            match Record::decode(payload) {
                Ok(record) => self.choose((*offset, record), below.committed, &mut chosen),
                // It is counted as rejected, under no app.
                Err(_unreadable) => continue,
            }
        }
        self.summary.records += (chosen.events.len() + chosen.dead.len()) as u64;
        self.find_events(chosen.events, below, missing).await?;
        self.find_dead(chosen.dead).await
    }

    fn choose<'e>(&mut self, (offset, record): (u64, Record<'e>), committed: u64, chosen: &mut Chosen<'e>) {
        let (app, received_ms) = match &record {
            Record::Event(event) => (&event.app_id, event.received_time_ms),
            Record::Dead(dead) => (&dead.app_id, dead.received_time_ms),
        };
        let is_meant = self.at.app.as_ref().is_none_or(|meant| meant == app)
            && (self.at.from_ms..self.at.to_ms).contains(&received_ms);
        if !is_meant {
            return;
        }
        if offset >= committed {
            *self.summary.in_log_by_app.entry(app.to_string()).or_default() += 1;
            return;
        }
        match record {
            Record::Event(event) => chosen.events.push((offset, event)),
            Record::Dead(dead) => chosen.dead.push((dead.app_id, dead.id)),
        }
    }

    /// An event is stored for its place, or its id is stored, or it stands in the dead letter.
    async fn find_events(
        &mut self,
        mut events: Vec<(u64, Event<'_>)>,
        below: &Below,
        missing: &mut Missing,
    ) -> Result<()> {
        let warehouse = &self.accounts.0.warehouse;
        let (Some((first, _)), Some((last, _))) = (events.first(), events.last()) else { return Ok(()) };
        let stored = warehouse.stored_between(below.partition, *first..last + 1).await?;
        let stored: HashMap<u64, Uuid> = stored.into_iter().map(|row| (row.offset, row.id)).collect();
        events.retain(|(offset, event)| stored.get(offset) != Some(&event.event_id));
        let mut by_app: HashMap<AppId, Vec<(u64, Event<'_>)>> = HashMap::new();
        for (offset, event) in events {
            by_app.entry(event.app_id.clone()).or_default().push((offset, event));
        }
        for (app, events) in by_app {
            let probes: Vec<StoredIdProbe<'_>> = events.iter().map(|(_, event)| probe(event)).collect();
            let mut known: HashSet<Uuid> = warehouse.stored_ids(&app, &probes).await?;
            let rest: Vec<Uuid> =
                events.iter().map(|(_, event)| event.event_id).filter(|id| !known.contains(id)).collect();
            if !rest.is_empty() {
                known.extend(warehouse.kept_dead(&app, &rest).await?);
            }
            // Without a time of its own, an event gets another one each time it is sent.
            for days in NEAR_DAYS {
                let rest: Vec<&Event<'_>> = events
                    .iter()
                    .map(|(_, event)| event)
                    .filter(|event| !known.contains(&event.event_id))
                    .collect();
                let times = rest.iter().map(|event| event.event_time_ms);
                let (Some(first), Some(last)) = (times.clone().min(), times.max()) else { break };
                let near = (first - days * DAY_MS, last + days * DAY_MS);
                let ids: Vec<Uuid> = rest.iter().map(|event| event.event_id).collect();
                known.extend(warehouse.stored_ids_between(&app, near, &ids).await?);
            }
            for (offset, event) in events.iter().filter(|(_, event)| !known.contains(&event.event_id)) {
                let minute = event.received_time_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
                if missing.len() < MINUTES_MAX || missing.contains_key(&(app.clone(), minute)) {
                    let place = format!(
                        "offset {offset} of partition {} of log {}",
                        below.partition.1, below.partition.0
                    );
                    missing.entry((app.clone(), minute)).or_insert((0, place)).0 += 1;
                } else {
                    self.summary.differences += 1;
                }
            }
        }
        Ok(())
    }

    /// A refused event is in the dead letter, unless that was full.
    async fn find_dead(&mut self, dead: Vec<(AppId, Uuid)>) -> Result<()> {
        let mut by_app: HashMap<AppId, Vec<Uuid>> = HashMap::new();
        for (app, id) in dead {
            by_app.entry(app).or_default().push(id);
        }
        for (app, ids) in by_app {
            let kept: HashSet<Uuid> =
                self.accounts.0.warehouse.kept_dead(&app, &ids).await?.into_iter().collect();
            let absent = ids.iter().filter(|id| !kept.contains(id)).count();
            if absent > 0 {
                let message = format!(
                    "{absent} refused events of {app} that are in the log are not in the dead letter: beyond its bounds, \
                     or deleted with a person's data"
                );
                self.note(message).await?;
            }
        }
        Ok(())
    }

    /// Of the records that are nowhere, those are no difference that the accounts know as removed or rejected; and
    /// repeats of events that were removed.
    async fn tell_missing(&mut self, missing: Missing) -> Result<()> {
        let repeats = u64::from(self.summary.removed > 0);
        for ((app, minute_ms), (events, place)) in missing {
            let at = Receipts { from_ms: minute_ms, to_ms: minute_ms + MINUTE_MS, app: Some(app.clone()) };
            let lines = self.accounts.0.warehouse.accounts(&at, AccountInterval::Minute).await?;
            let known: u64 = lines
                .iter()
                .map(|l| l.removed_by_retention + l.removed_with_person + l.rejected + repeats * l.duplicate)
                .sum();
            if events > known {
                let message = format!(
                    "{} {app}: {events} records of the log below the commit are neither stored nor known ({place}, for \
                     one), and {known} were removed, rejected or repeated",
                    jiff::Timestamp::from_millisecond(minute_ms).map(|at| at.to_string()).unwrap_or_default(),
                );
                let difference = Difference {
                    app: Some(app.to_string()),
                    received_ms: Some(minute_ms),
                    expected: events - known,
                    found: 0,
                    ..of(Check::Log, message)
                };
                self.differs(difference).await?;
            }
        }
        Ok(())
    }
}

/// What is below a partition's commit.
struct Below {
    partition: (u64, u32),
    committed: u64,
}

/// The records that are meant and committed.
#[derive(Default)]
struct Chosen<'e> {
    events: Vec<(u64, Event<'e>)>,
    dead: Vec<(AppId, Uuid)>,
}

/// The offset behind an entry.
fn after(entry: &Entry) -> u64 {
    match entry {
        Entry::Record { offset, .. } => offset + 1,
        Entry::Damaged { offsets } => offsets.end,
    }
}

fn probe<'a>(event: &'a Event<'_>) -> StoredIdProbe<'a> {
    StoredIdProbe {
        event: &event.event,
        event_time_ms: event.event_time_ms,
        client_time_ms: event.client_time_ms,
        event_id: event.event_id,
    }
}
