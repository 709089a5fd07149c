use std::time::Duration;

use suanpan_warehouse::{DeadDay, MinuteDifference, OffsetsReceived, Receipts, days_of};

use super::{Audit, Check, Difference, of};
use crate::Result;
use crate::gauge::by_how_many;

/// Offsets, or rows, that one statement groups.
const GROUPS_MAX: u64 = 2_000_000;
/// How often minutes that differ are looked at again: a batch whose rows are there and whose ledger row is not
/// yet differs for a moment.
const LOOKS: u32 = 3;
const LOOK_PAUSE: Duration = Duration::from_secs(1);

impl Audit<'_> {
    /// Stored by the ledger = rows + removed, for each app and minute.
    pub(super) async fn rows(&mut self, day: &Receipts) -> Result<()> {
        let warehouse = &self.accounts.0.warehouse;
        let max = self.accounts.0.config.differences_listed_max;
        let mut found = warehouse.compare_minutes(day, max).await?;
        let mut moved = 0;
        for _ in 1..LOOKS {
            if found.listed.is_empty() {
                break;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
            let again = warehouse.compare_minutes(day, max).await?;
            let before = found.listed.len();
            found.listed.retain(|minute| again.listed.contains(minute));
            moved += before - found.listed.len();
            found.all = again.all;
        }
        if moved > 0 {
            let message = format!(
                "{moved} minutes changed while they were compared and were left out; audit again when nothing is being stored"
            );
            self.note(message).await?;
        }
        self.unlisted(found.all, found.listed.len() + moved);
        for minute in found.listed {
            self.differs(of_minute(&minute)).await?;
        }
        Ok(())
    }

    /// The dead letter holds nothing that was not counted. What it does not hold was beyond its bounds, or sent
    /// more than once.
    pub(super) async fn dead_letter(&mut self, day: &Receipts) -> Result<()> {
        let days = self.accounts.0.warehouse.dead_days(day.app.as_ref(), days_of(day)).await?;
        for DeadDay { app, day, counted, kept } in days {
            if kept > counted {
                let message = format!(
                    "{day}: the dead letter holds {kept} events of {app}, the ledger counts {counted} refused or rejected"
                );
                let difference = Difference {
                    app: Some(app),
                    received_ms: start_of(day),
                    expected: counted,
                    found: kept,
                    ..of(Check::DeadLetter, message)
                };
                self.differs(difference).await?;
            } else if kept < counted {
                let missing = counted - kept;
                let message = format!(
                    "{day}: of {counted} refused events of {app}, {missing} are not in the dead letter: sent more than \
                     once, beyond its bounds, rejected without a text, or deleted with a person's data"
                );
                self.note(message).await?;
            }
        }
        Ok(())
    }

    /// No place of the log is claimed by two rows.
    pub(super) async fn twice_offset(&mut self, day: &Receipts) -> Result<()> {
        let warehouse = self.accounts.0.warehouse.clone();
        let max = self.accounts.0.config.differences_listed_max;
        for OffsetsReceived { epoch, partition, first, last } in warehouse.offsets_received(day).await? {
            // Rows of no log have no place in one.
            if epoch == 0 {
                self.note("there are rows that came from no log: they were put there by hand").await?;
                continue;
            }
            let mut from = first;
            while from <= last {
                let to = from.saturating_add(GROUPS_MAX).min(last + 1);
                let found = warehouse.doubled_offsets((epoch, partition), from..to, max).await?;
                self.unlisted(found.all, found.listed.len());
                for doubled in found.listed {
                    let message = format!(
                        "offset {} of partition {partition} of log {epoch} is claimed by {} rows",
                        doubled.offset, doubled.rows
                    );
                    let difference = Difference {
                        app: Some(doubled.app),
                        received_ms: Some(doubled.received_ms),
                        expected: 1,
                        found: doubled.rows,
                        ..of(Check::TwiceOffset, message)
                    };
                    self.differs(difference).await?;
                }
                from = to;
            }
        }
        Ok(())
    }

    /// No event is there twice: on one day, or on two that follow each other.
    pub(super) async fn twice_id(&mut self, day: &Receipts) -> Result<()> {
        let warehouse = self.accounts.0.warehouse.clone();
        let max = self.accounts.0.config.differences_listed_max;
        for (date, rows) in warehouse.days_received(day).await? {
            let shares = rows.div_ceil(GROUPS_MAX).max(1);
            for share in 0..shares {
                let found = warehouse.doubled_ids((day.app.as_ref(), date), (share, shares), max).await?;
                self.unlisted(found.all, found.listed.len());
                for doubled in found.listed {
                    let message = format!(
                        "the event {} of {} is there {} times",
                        doubled.id, doubled.app, doubled.rows
                    );
                    let difference = Difference {
                        app: Some(doubled.app),
                        received_ms: Some(doubled.received_ms),
                        expected: 1,
                        found: doubled.rows,
                        ..of(Check::TwiceId, message)
                    };
                    self.differs(difference).await?;
                }
            }
        }
        Ok(())
    }
}

fn of_minute(minute: &MinuteDifference) -> Difference {
    let MinuteDifference { app, minute_ms, stored, rows, removed, removing } = minute;
    let at = jiff::Timestamp::from_millisecond(*minute_ms).map(|at| at.to_string()).unwrap_or_default();
    let by = by_how_many(minute);
    let how = if rows + removed > *stored { "too many" } else { "missing" };
    let going = if *removing > 0 { format!(" and {removing} being removed") } else { String::new() };
    let message = format!(
        "{at} {app}: the ledger says {stored} stored; there are {rows} rows, {removed} removed{going}: {by} {how}"
    );
    Difference {
        app: Some(app.clone()),
        received_ms: Some(*minute_ms),
        expected: stored.saturating_sub(*removed),
        found: *rows,
        ..of(Check::Rows, message)
    }
}

fn start_of(day: jiff::civil::Date) -> Option<i64> {
    let zoned = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}
