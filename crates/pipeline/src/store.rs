//! Stores a batch's rows, all of them but those that the store refuses for what is in them.
//!
//! A refused INSERT is bisected: its halves are tried, the halves of a refused half, and so on. The pieces of one
//! size are all tried before any smaller one, so what is good is stored before any single event is condemned.
//! One wrong event among n costs about 2·log2(n) small inserts, and no more than [`REFUSED_MAX`] pieces of one size
//! are ever cut.
//!
//! After each try that failed, what of the batch is stored is asked of the store, and only the rest is tried again:
//! a try may have been stored in part (a batch of many days, or of several shards, is not one atomic piece), and
//! its answer may have been lost. For the same reason a process may die at any point of it.
//!
//! A broken table must not drain the log into the dead letter. So at most [`REFUSED_MAX`] events of one
//! batch are condemned, and as many in a row, over all batches, without one that was stored; beyond it the
//! store is taken to be unwell, and the whole batch is tried again at growing pauses.

use suanpan_warehouse::{BatchId, EventRow, WarehouseError};

use crate::metrics;
use crate::shared::Shared;
use crate::signals::{Halt, Retry, for_operators, retrying};

/// Events that may be condemned in one batch, or in a row.
pub(crate) const REFUSED_MAX: usize = 100;

/// An event that the store refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub offset: u64,
    /// The server's number for what is wrong.
    pub code: u32,
    /// What the server said.
    pub message: String,
}

/// After a first try failed: inserts rows until each is stored or refused; returns the refused ones in the order of
/// their offsets. Nothing else of the partition may be written meanwhile: it would be ended with that try.
pub(crate) async fn store_after(
    mut error: WarehouseError,
    (shared, batch, rows): (&Shared, BatchId, &[EventRow<'_>]),
    retry: &mut Retry,
) -> Result<Vec<Refused>, Halt> {
    let mut was_unwell = shared.unwell().contains(&batch.partition);
    loop {
        if !error.refuses_data() {
            retry.pause_after(&error).await?;
        }
        let mut rest = rows.to_vec();
        forget_stored(shared, batch, &mut rest, retry).await?;
        match bisect(shared, batch, (rest, rows.len()), retry).await? {
            // Mended in the midst of it, perhaps: what was refused before may be taken now.
            Ok(refused) if was_unwell && !refused.is_empty() => was_unwell = false,
            Ok(mut refused) => {
                shared.unwell().remove(&batch.partition);
                refused.sort_unstable_by_key(|refused| refused.offset);
                metrics::store_refused(refused.len());
                return Ok(refused);
            }
            Err(Setback::Failed(failed)) => error = failed,
            Err(Setback::Unwell(refusal)) => {
                was_unwell = true;
                shared.unwell().insert(batch.partition);
                metrics::store_unwell();
                tracing::error!(
                    error = for_operators(&refusal),
                    "the warehouse refuses event after event: that is taken for its own trouble, and none is \
                     put into the dead letter; nothing is lost, but events wait until it is mended"
                );
                retry.pause_after(&refusal).await?;
                error = refusal;
            }
        }
    }
}

/// Why a bisection broke off. Nothing of what it refused counts.
enum Setback {
    /// The store is away.
    Failed(WarehouseError),
    /// Too much was refused.
    Unwell(WarehouseError),
}

/// Tries the rows, and the halves of what is refused. `all` is how many rows the batch has.
async fn bisect(
    shared: &Shared,
    batch: BatchId,
    (rows, all): (Vec<EventRow<'_>>, usize),
    retry: &mut Retry,
) -> Result<Result<Vec<Refused>, Setback>, Halt> {
    let (mut refused, mut left) = (Vec::new(), rows.len());
    let mut pieces = vec![rows];
    while !pieces.is_empty() {
        let mut halves = Vec::new();
        for mut piece in pieces {
            let Err(error) = shared.warehouse.insert_events(batch, &piece).await else {
                left -= piece.len();
                continue;
            };
            if !error.refuses_data() {
                return Ok(Err(Setback::Failed(error)));
            }
            let tried = piece.len();
            forget_stored(shared, batch, &mut piece, retry).await?;
            left -= tried - piece.len();
            // Each piece that was refused has a wrong event of its own.
            if refused.len() + halves.len() / 2 >= REFUSED_MAX {
                return Ok(Err(Setback::Unwell(error)));
            }
            match piece.as_slice() {
                [] => {}
                [row] => refused.push(refusal(row.log_offset, &error)),
                _ => {
                    let half = piece.split_off(piece.len() / 2);
                    halves.extend([piece, half]);
                }
            }
        }
        pieces = halves;
    }
    // All that is left was refused.
    let in_a_row = shared.refused_in_a_row(left, all - left);
    match refused.last() {
        Some(last) if in_a_row > REFUSED_MAX => {
            let (code, message) = (last.code, last.message.clone());
            Ok(Err(Setback::Unwell(WarehouseError::DataRefused { code, message })))
        }
        _ => Ok(Ok(refused)),
    }
}

fn refusal(offset: u64, error: &WarehouseError) -> Refused {
    let code = match error {
        WarehouseError::DataRefused { code, .. } => *code,
        _ => 0,
    };
    Refused { offset, code, message: error.to_string() }
}

/// Leaves only the rows that are not stored.
async fn forget_stored(
    shared: &Shared,
    batch: BatchId,
    rows: &mut Vec<EventRow<'_>>,
    retry: &mut Retry,
) -> Result<(), Halt> {
    let (epoch, partition) = (batch.epoch, batch.partition);
    retrying!(retry, shared.warehouse.end_inserts(epoch, partition));
    let stored = retrying!(retry, shared.warehouse.stored_offsets(epoch, partition, batch.first));
    rows.retain(|row| !stored.contains(row.log_offset));
    Ok(())
}
