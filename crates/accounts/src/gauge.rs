use std::collections::HashSet;

use suanpan_warehouse::{MinuteDifference, Receipts};

use crate::accounts::now_ms;
use crate::{Accounts, Result, metrics};

const MINUTE_MS: i64 = 60_000;
/// The minutes that are looked at: those received between 70 and 10 minutes ago. What is younger may still be on
/// its way, and so may what is older, but then it moves from one look to the next.
const FROM_MINUTES: i64 = 70;
const TO_MINUTES: i64 = 10;
/// Differences that are remembered from one look to the next.
const DIFFERENCES_MAX: usize = 10_000;

/// What the last look found.
#[derive(Default)]
pub(crate) struct Looks {
    before: HashSet<MinuteDifference>,
    is_told: bool,
}

impl Accounts {
    /// Compares the ledger with the tables over the last hour. A difference counts when two looks in a row see
    /// the same: a batch whose rows are there and whose ledger row is not yet is none.
    pub(crate) async fn look(&self, looks: &mut Looks) -> Result<()> {
        let minute = now_ms().div_euclid(MINUTE_MS);
        let at = Receipts {
            from_ms: (minute - FROM_MINUTES) * MINUTE_MS,
            to_ms: (minute - TO_MINUTES) * MINUTE_MS,
            app: None,
        };
        let found = self.0.warehouse.compare_minutes(&at, DIFFERENCES_MAX).await?;
        let now: HashSet<MinuteDifference> = found.listed.into_iter().collect();
        let events: u64 = now.intersection(&looks.before).map(by_how_many).sum();
        looks.before = now;
        metrics::difference(events, now_ms());
        if events > 0 && !looks.is_told {
            tracing::error!(
                events,
                "ledger and tables differ over the last hour: 'suanpan audit' says where, docs/audit.md what to do"
            );
        }
        looks.is_told = events > 0;
        Ok(())
    }
}

/// By how many events a minute differs.
pub(crate) fn by_how_many(minute: &MinuteDifference) -> u64 {
    let there = minute.rows + minute.removed;
    if there > minute.stored {
        there - minute.stored
    } else {
        minute.stored.saturating_sub(there + minute.removing)
    }
}
