//! Where the owner before ended: what a worker asks before it reads its partition.

use std::sync::Arc;

use suanpan_event::AppId;
use suanpan_log::PartitionReader;
use suanpan_warehouse::{Claim, OffsetSet, Warehouse};

use crate::beside::Beside;
use crate::dedupe::{IdentityKeys, RecentIds};
use crate::fate::{Memory, Share};
use crate::shared::Shared;
use crate::signals::{Halt, Retry, retrying};
use crate::{metrics, now_ms};

const HOUR_MS: i64 = 3_600_000;

/// What is known when a worker begins.
pub(crate) struct Start {
    pub claim: Claim,
    /// Where to read on.
    pub committed: u64,
    pub memory: Memory,
    pub beside: Beside,
}

/// How far the warehouse has a partition of the log.
#[derive(Debug)]
pub(crate) struct Reached {
    pub committed: u64,
    /// Stored past the commit.
    pub stored: OffsetSet,
    pub learnt_through: u64,
    /// One past the highest offset of all that was written.
    pub end: u64,
}

impl Reached {
    pub async fn ask(
        warehouse: &Warehouse,
        (epoch, partition): (u64, u32),
        retry: &mut Retry,
    ) -> Result<Self, Halt> {
        let committed = retrying!(retry, warehouse.committed(epoch, partition));
        let stored = retrying!(retry, warehouse.stored_offsets(epoch, partition, committed));
        let learnt_through = retrying!(retry, warehouse.learnt_through(epoch, partition));
        let dead_end = retrying!(retry, warehouse.dead_letter_end(epoch, partition, committed));
        let stored_end = stored.ranges().last().map_or(0, |range| range.end);
        let end = committed.max(stored_end).max(learnt_through).max(dead_end);
        Ok(Self { committed, stored, learnt_through, end })
    }
}

/// Takes the partition over. The claim comes first, since from then on nobody else's rows are stored any more; so
/// what is asked afterwards stays true.
pub(crate) async fn begin(
    shared: &Arc<Shared>,
    reader: &mut dyn PartitionReader,
    share: Share,
    mut retry: Retry,
) -> Result<Start, Halt> {
    let retry = &mut retry;
    let (epoch, partition) = (reader.epoch(), reader.partition());
    let claim = retrying!(retry, shared.warehouse.claim(epoch, partition));
    let reached = Reached::ask(&shared.warehouse, (epoch, partition), retry).await?;
    // Asked last: whatever the warehouse has, the log has given before.
    let position = loop {
        match reader.position().await {
            Ok(position) => break position,
            Err(error) => retry.pause_after_log(error).await?,
        }
    };
    if reached.end > position.end_offset {
        return Err(Halt::LogBehind { end: position.end_offset, stored: reached.end });
    }
    let (recent, keys) = recent_ids(shared, share, retry).await?;
    tracing::info!(
        epoch,
        partition,
        committed = reached.committed,
        stored_past_commit = reached.stored.len(),
        recent_ids = recent.len(),
        lag = position.end_offset.saturating_sub(reached.committed),
        "a worker goes on where the one before ended"
    );
    metrics::worker_began();
    Ok(Start {
        claim,
        committed: reached.committed,
        memory: Memory { share, keys, recent, stored_before: reached.stored },
        beside: Beside::new(Arc::clone(shared), reached.learnt_through),
    })
}

/// Reads the ids of recent events of a partition. Each try takes a turn, which is given back before the pause.
pub(crate) async fn recent_ids(
    shared: &Shared,
    share: Share,
    retry: &mut Retry,
) -> Result<(RecentIds, IdentityKeys), Halt> {
    let window_ms = i64::from(shared.config.dedupe_window_hours) * HOUR_MS;
    let ids_max = shared.ids_max();
    loop {
        let turn = shared.turn().await;
        let now_ms = now_ms();
        let since_ms = (now_ms - window_ms).div_euclid(HOUR_MS) * HOUR_MS;
        let mut recent = RecentIds::new(window_ms, now_ms);
        let mut keys = IdentityKeys::default();
        let remember = |app: &AppId, id, time_ms| recent.remember(keys.key(app, id), time_ms);
        match shared
            .warehouse
            .recent_ids(since_ms, ids_max, (share.partition, share.partitions), remember)
            .await
        {
            Ok(read) => {
                recent.forget_before(read.complete_since_ms);
                return Ok((recent, keys));
            }
            Err(error) => {
                drop((turn, recent, keys));
                retry.pause_after(&error).await?;
            }
        }
    }
}
