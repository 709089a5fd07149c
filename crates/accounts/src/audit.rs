//! Compares the log, the ledger and the tables, and names every difference.
//!
//! ```text
//! log ── each record below the commit ──▶ events, dead letter, removed
//! ledger ── offsets counted, by partition ──▶ the commit
//! ledger ── stored, by app and minute ──▶ events + removed
//! ledger ── refused + rejected, by app and day ──▶ dead letter
//! events ── no place of the log, and no id, twice
//! ```
//!
//! All of it works over stretches of bounded size: a day of receipts, 2 million offsets, some thousand records.

mod log;
mod tables;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use suanpan_event::AppId;
use suanpan_log::PartitionPosition;
use suanpan_warehouse::{AccountInterval, LedgerPartition, Receipts};
use tokio::sync::mpsc;

use crate::{Accounts, AccountsError, Result};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// What is to be audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRequest {
    /// Receipts from this instant on, in milliseconds since 1970-01-01 UTC; cut down to the minute.
    pub from_ms: i64,
    /// Receipts before this one; rounded up to the minute.
    pub to_ms: i64,
    /// This app's alone.
    pub app: Option<AppId>,
    /// Whether the records that are still in the log are compared one by one. It reads the log from its
    /// beginning.
    pub with_log: bool,
}

/// What was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The offsets that the ledger counts for a partition are those up to its commit, each once.
    Offsets,
    /// The log's commit is not ahead of the ledger's, nor the ledger ahead of the log's end.
    Commit,
    /// For each app and minute, the ledger's stored events are the rows and what was removed.
    Rows,
    /// For each app and day, the dead letter holds nothing that the ledger does not count.
    DeadLetter,
    /// No two rows come from one place of the log.
    TwiceOffset,
    /// No event is there twice.
    TwiceId,
    /// Each committed record that is still in the log is stored, known, in the dead letter, or removed.
    Log,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What was compared.
    pub check: Check,
    /// The app, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The minute or day of receipt, in milliseconds since 1970-01-01 UTC, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_ms: Option<i64>,
    /// How many there should be.
    pub expected: u64,
    /// How many there are.
    pub found: u64,
    /// What it is, in a sentence.
    pub message: String,
}

/// What an audit comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditSummary {
    /// Events received: accepted + refused.
    pub received: u64,
    /// Refused at the door.
    pub refused: u64,
    /// Stored + duplicate + rejected + lost.
    pub accepted: u64,
    /// Stored, those that were removed since included.
    pub stored: u64,
    /// Reported before under the same id.
    pub duplicate: u64,
    /// Refused after they were accepted.
    pub rejected: u64,
    /// Damaged on disk.
    pub lost: u64,
    /// Of the stored ones, those removed since.
    pub removed: u64,
    /// Acknowledged, and not counted by the ledger yet.
    pub in_log: u64,
    /// These by app, if the log was read.
    pub in_log_by_app: BTreeMap<String, u64>,
    /// Records of the log that were compared one by one.
    pub records: u64,
    /// Differences in all, those that were not listed included.
    pub differences: u64,
}

/// One thing that an audit says, in the order in which it finds it out. The summary comes last; an audit that
/// ends without one was not carried to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum AuditLine {
    /// How far it is.
    Progress {
        /// What is being compared.
        step: String,
        /// How much of it is done.
        done: u64,
        /// How much there is.
        of: u64,
    },
    /// A difference.
    Difference(Difference),
    /// What could not be compared, or must be known to read the rest.
    Note {
        /// In a sentence.
        message: String,
    },
    /// The end.
    Summary(AuditSummary),
    /// It could not be carried to its end.
    Failed {
        /// Why.
        message: String,
    },
}

/// An audit under way.
struct Audit<'a> {
    accounts: &'a Accounts,
    at: Receipts,
    lines: mpsc::Sender<AuditLine>,
    ledger: Vec<LedgerPartition>,
    listed: BTreeMap<Check, usize>,
    summary: AuditSummary,
}

impl Accounts {
    /// Audits, and tells what it finds while it finds it. It ends early when nobody receives the lines any more.
    ///
    /// # Errors
    /// The warehouse or the log does not answer: the lines so far are true, and there is no summary.
    pub async fn audit(&self, request: AuditRequest, lines: mpsc::Sender<AuditLine>) -> Result<AuditSummary> {
        let from_ms = request.from_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        let to_ms = (request.to_ms + MINUTE_MS - 1).div_euclid(MINUTE_MS) * MINUTE_MS;
        if from_ms >= to_ms {
            return Err(AccountsError::Invalid {
                message: "the range of time is empty: from is not before to".into(),
            });
        }
        // In this order: by the second look at the log's ends, the ledger can't be ahead of them.
        let before = self.0.log.positions().await?;
        let ledger = self.0.warehouse.ledger_partitions().await?;
        let after = self.0.log.positions().await?;
        let at = Receipts { from_ms, to_ms, app: request.app };
        let (listed, summary) = Default::default();
        let mut audit = Audit { accounts: self, at, lines, ledger, listed, summary };
        audit.note_removals().await?;
        audit.partitions(&before, &after).await?;
        audit.days().await?;
        if request.with_log {
            audit.log(&after).await?;
        } else {
            audit.note("the records of the log were not compared one by one").await?;
        }
        let summary = audit.summary.clone();
        audit.tell(AuditLine::Summary(summary.clone())).await?;
        Ok(summary)
    }
}

impl Audit<'_> {
    async fn tell(&self, line: AuditLine) -> Result<()> {
        self.lines.send(line).await.map_err(|_nobody| AccountsError::Unheard)
    }

    async fn note(&self, message: impl Into<String>) -> Result<()> {
        self.tell(AuditLine::Note { message: message.into() }).await
    }

    async fn progress(&self, step: &str, done: u64, of: u64) -> Result<()> {
        self.tell(AuditLine::Progress { step: step.to_owned(), done, of }).await
    }

    /// Tells a difference, or only counts it if there were many of its kind.
    async fn differs(&mut self, difference: Difference) -> Result<()> {
        self.summary.differences += 1;
        let listed = self.listed.entry(difference.check).or_default();
        *listed += 1;
        let max = self.accounts.0.config.differences_listed_max;
        match *listed {
            n if n <= max => self.tell(AuditLine::Difference(difference)).await,
            n if n == max + 1 => {
                let message = format!(
                    "more than {max} differences of the check {:?}: the rest is counted",
                    difference.check
                );
                self.note(message).await
            }
            _ => Ok(()),
        }
    }

    /// Counts differences that the warehouse did not list.
    fn unlisted(&mut self, all: u64, listed: usize) {
        self.summary.differences += all.saturating_sub(listed as u64);
    }

    async fn note_removals(&self) -> Result<()> {
        let open = self.accounts.0.warehouse.open_removals().await?.len();
        if open > 0 {
            self.note(format!("{open} removals are under way: their events count as removed or as there"))
                .await?;
        }
        Ok(())
    }

    /// Ledger against log: what is counted, and how far.
    async fn partitions(&mut self, before: &[PartitionPosition], after: &[PartitionPosition]) -> Result<()> {
        for ledger in self.ledger.clone() {
            let LedgerPartition { epoch, partition, first_offset, next_offset, events } = ledger;
            let expected = next_offset.saturating_sub(first_offset);
            if events != expected {
                let how =
                    if events < expected { "some are counted in no batch" } else { "some are counted twice" };
                let message = format!(
                    "partition {partition} of log {epoch}: the ledger counts {events} events for the {expected} offsets \
                     from {first_offset} to its commit {next_offset}; {how}"
                );
                self.differs(Difference { expected, found: events, ..of(Check::Offsets, message) }).await?;
            }
        }
        for position in before {
            let committed = self.next_offset(position);
            if position.committed > committed {
                let message = format!(
                    "partition {} of log {}: the log believes that all below {} is stored, the ledger says {committed}",
                    position.partition, position.epoch, position.committed
                );
                let (expected, found) = (committed, position.committed);
                self.differs(Difference { expected, found, ..of(Check::Commit, message) }).await?;
            }
        }
        for position in after {
            let committed = self.next_offset(position);
            if committed > position.end_offset {
                let message = format!(
                    "partition {} of log {} ends at {}, and the ledger counts up to {committed}: the disk lost records",
                    position.partition, position.epoch, position.end_offset
                );
                let (expected, found) = (committed, position.end_offset);
                self.differs(Difference { expected, found, ..of(Check::Commit, message) }).await?;
            }
            self.summary.in_log += position.end_offset.saturating_sub(committed.max(position.first_offset));
        }
        Ok(())
    }

    /// The ledger's commit of a partition.
    fn next_offset(&self, position: &PartitionPosition) -> u64 {
        let is_it = |l: &&LedgerPartition| (l.epoch, l.partition) == (position.epoch, position.partition);
        self.ledger.iter().find(is_it).map_or(0, |ledger| ledger.next_offset)
    }

    /// Ledger against tables, day by day of receipt.
    async fn days(&mut self) -> Result<()> {
        let days: Vec<Receipts> = day_by_day(&self.at).collect();
        for (done, day) in days.iter().enumerate() {
            self.progress("ledger and tables", done as u64, days.len() as u64).await?;
            self.sums(day).await?;
            self.rows(day).await?;
            self.dead_letter(day).await?;
            self.twice_offset(day).await?;
            self.twice_id(day).await?;
        }
        self.progress("ledger and tables", days.len() as u64, days.len() as u64).await
    }

    async fn sums(&mut self, day: &Receipts) -> Result<()> {
        for line in self.accounts.0.warehouse.accounts(day, AccountInterval::Day).await? {
            let summary = &mut self.summary;
            summary.stored += line.stored;
            summary.duplicate += line.duplicate;
            summary.rejected += line.rejected;
            summary.lost += line.lost;
            summary.refused += line.refused;
            summary.removed += line.removed_by_retention + line.removed_with_person;
        }
        let summary = &mut self.summary;
        summary.accepted = summary.stored + summary.duplicate + summary.rejected + summary.lost;
        summary.received = summary.accepted + summary.refused;
        Ok(())
    }
}

/// A difference of this kind, without its numbers.
fn of(check: Check, message: String) -> Difference {
    let (app, received_ms, expected, found) = Default::default();
    Difference { check, app, received_ms, expected, found, message }
}

/// The receipts of each UTC day.
fn day_by_day(at: &Receipts) -> impl Iterator<Item = Receipts> {
    let first = at.from_ms.div_euclid(DAY_MS);
    let last = (at.to_ms - 1).div_euclid(DAY_MS);
    (first..=last).map(|day| Receipts {
        from_ms: at.from_ms.max(day * DAY_MS),
        to_ms: at.to_ms.min((day + 1) * DAY_MS),
        app: at.app.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_at_midnight() {
        let at = Receipts { from_ms: DAY_MS - 60_000, to_ms: 2 * DAY_MS + 60_000, app: None };
        let days: Vec<(i64, i64)> = day_by_day(&at).map(|day| (day.from_ms, day.to_ms)).collect();
        assert_eq!(
            days,
            [(DAY_MS - 60_000, DAY_MS), (DAY_MS, 2 * DAY_MS), (2 * DAY_MS, 2 * DAY_MS + 60_000)]
        );
    }
}
