use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use suanpan_catalog::{Catalog, Lease};
use suanpan_event::AppId;
use suanpan_log::EventLog;
use suanpan_warehouse::{AccountInterval, AccountLine, LogEnd, Receipts, Warehouse, Watermarks};
use tokio::sync::{Mutex, watch};

use crate::backup::Backups;
use crate::deletion::Deletions;
use crate::gauge::Looks;
use crate::{AccountsConfig, Result, metrics};

/// The accounts of one installation. Cheap to clone; clones share what is under way.
#[derive(Clone)]
pub struct Accounts(pub(crate) Arc<Parts>);

pub(crate) struct Parts {
    pub catalog: Catalog,
    pub log: Arc<dyn EventLog>,
    pub warehouse: Warehouse,
    pub watermarks: Watermarks,
    pub config: AccountsConfig,
    pub backups: Backups,
    duties: Mutex<Duties>,
}

/// What one round leaves to the next.
#[derive(Default)]
pub(crate) struct Duties {
    pub deletions: Deletions,
    pub looks: Looks,
    retained: Option<Instant>,
    /// What apps kept when it was last looked for old events.
    kept_days: Vec<(AppId, u32)>,
    looked: Option<Instant>,
}

impl Accounts {
    /// Accounts over these stations. What is removed is marked in `watermarks`.
    pub fn new(
        catalog: Catalog,
        log: Arc<dyn EventLog>,
        warehouse: Warehouse,
        watermarks: Watermarks,
        config: AccountsConfig,
    ) -> Self {
        let (backups, duties) = Default::default();
        Self(Arc::new(Parts { catalog, log, warehouse, watermarks, config, backups, duties }))
    }

    /// One round of what one process must do from time to time: deletions that were requested, retention, a look
    /// at the accounts of the last hour. Call it about every ten seconds, under the lease.
    ///
    /// It can be dropped at any point; the next round goes on, in this process or another. Failures are logged,
    /// counted, and tried again by the next round.
    pub async fn watch_once(&self, lease: &Lease, stop: &watch::Receiver<bool>) {
        let mut duties = self.0.duties.lock().await;
        if let Err(error) = self.delete_requested(&mut duties.deletions, lease, stop).await {
            metrics::failed("deletion");
            tracing::warn!(%error, "a deletion of a person's data can't go on just now; it is tried again");
        }
        if *stop.borrow() {
            return;
        }
        let kept_days = self.kept_days();
        // Whoever changes what an app keeps should not wait for an hour.
        if is_due(duties.retained, self.0.config.retention_period_s) || duties.kept_days != kept_days {
            duties.kept_days = kept_days;
            match self.retain(stop).await {
                // More is left: the next round goes on with it.
                Ok(true) => {}
                Ok(false) => duties.retained = Some(Instant::now()),
                Err(error) => {
                    metrics::failed("retention");
                    tracing::warn!(%error, "old events can't be removed just now; it is tried again");
                }
            }
        }
        if is_due(duties.looked, self.0.config.look_period_s) {
            match self.look(&mut duties.looks).await {
                Ok(()) => duties.looked = Some(Instant::now()),
                Err(error) => {
                    metrics::failed("look");
                    tracing::warn!(%error, "the accounts can't be looked at just now");
                }
            }
        }
    }

    /// What became of an app's events, by minute, hour or day of receipt (UTC).
    ///
    /// # Errors
    /// The warehouse does not answer.
    pub async fn sums(
        &self,
        app: &AppId,
        range: (i64, i64),
        by: AccountInterval,
    ) -> Result<Vec<AccountLine>> {
        let at = Receipts { from_ms: range.0, to_ms: range.1, app: Some(app.clone()) };
        Ok(self.0.warehouse.accounts(&at, by).await?)
    }

    /// The offsets of each partition up to which everything is stored.
    pub(crate) async fn committed(&self) -> Result<Vec<LogEnd>> {
        let positions = self.0.log.positions().await?;
        let end = |p: suanpan_log::PartitionPosition| LogEnd {
            epoch: p.epoch,
            partition: p.partition,
            offset: p.committed,
        };
        Ok(positions.into_iter().map(end).collect())
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Accounts").field(&self.0.config).finish()
    }
}

fn is_due(last: Option<Instant>, period_s: u64) -> bool {
    last.is_none_or(|last| last.elapsed() >= Duration::from_secs(period_s))
}

pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
